/* Small helps for those who have JavaScript. Every page works without them. */
(function () {
  "use strict";

  const narrow = window.matchMedia("(max-width: 860px)");

  /* The menu is folded in the page. The stylesheet shows it on wide screens; older browsers need us for that. */
  function foldMenu() {
    const menu = document.querySelector("[data-menu]");
    if (!menu) return;
    const groups = menu.querySelectorAll("details");
    const fit = () => {
      menu.open = !narrow.matches;
      groups.forEach((group) => { group.open = narrow.matches && group.firstElementChild.hasAttribute("aria-current"); });
    };
    fit();
    narrow.addEventListener("change", fit);
    menu.querySelector("summary").addEventListener("click", (event) => { if (!narrow.matches) event.preventDefault(); });
    /* On a wide screen a group lies over the page: it closes when one goes on, lest it cover what has the focus. */
    groups.forEach((group) => group.addEventListener("focusout", (event) => {
      if (!narrow.matches && event.relatedTarget && !group.contains(event.relatedTarget)) group.open = false;
    }));
  }

  /* Boxes that open over the page close with Escape and with a click elsewhere. */
  function closeBoxes() {
    const boxes = () => "details.ask[open], details.filter-many[open], details.menu-group[open]" + (narrow.matches ? ", details[data-menu][open]" : "");
    document.addEventListener("keydown", (event) => {
      if (event.key !== "Escape") return;
      const box = document.activeElement && document.activeElement.closest(boxes());
      if (box) { box.open = false; box.querySelector("summary").focus(); }
    });
    document.addEventListener("click", (event) => {
      document.querySelectorAll("details.filter-many[open]" + (narrow.matches ? "" : ", details.menu-group[open]")).forEach((box) => { if (!box.contains(event.target)) box.open = false; });
    });
  }

  /* data-confirm on a form or a button asks first, in the browser's own dialog element. */
  function confirmFirst() {
    document.addEventListener("submit", (event) => {
      const form = event.target;
      const asker = event.submitter && event.submitter.dataset.confirm ? event.submitter : form;
      const question = asker.dataset.confirm;
      if (!question || form.dataset.confirmed || !window.HTMLDialogElement) return;
      event.preventDefault();
      event.stopImmediatePropagation();
      ask(question, asker, () => { form.dataset.confirmed = "1"; form.requestSubmit(event.submitter); delete form.dataset.confirmed; });
    }, true);
  }

  function ask(question, asker, then) {
    const english = document.documentElement.lang === "en";
    const dialog = document.createElement("dialog");
    const text = document.createElement("p");
    text.textContent = question;
    const no = button(asker.dataset.no || (english ? "Cancel" : "取消"), "btn btn-quiet");
    const tone = asker.classList.contains("btn-primary") ? "primary" : "danger";
    const yes = button(asker.dataset.yes || (english ? "Confirm" : "确认"), "btn btn-" + tone);
    const row = document.createElement("div");
    row.className = "form-actions";
    row.append(yes, no);
    dialog.append(text, row);
    document.body.append(dialog);
    no.addEventListener("click", () => dialog.close());
    yes.addEventListener("click", () => { dialog.close(); then(); });
    dialog.addEventListener("close", () => dialog.remove());
    dialog.showModal();
    no.focus();
  }

  function button(text, name) {
    const made = document.createElement("button");
    made.type = "button";
    made.className = name;
    made.textContent = text;
    return made;
  }

  /* A second click while the first is on its way would only meet the idempotency token; spare people the wait. */
  function sendOnce() {
    document.addEventListener("submit", (event) => {
      const form = event.target;
      if (event.defaultPrevented || form.method !== "post") return;
      if (form.dataset.sent) { event.preventDefault(); return; }
      form.dataset.sent = "1";
      window.setTimeout(() => { delete form.dataset.sent; }, 4000);
    });
    window.addEventListener("pageshow", () => {
      document.querySelectorAll("form[data-sent]").forEach((form) => { delete form.dataset.sent; });
    });
  }

  /* Files: show how much has gone up. The answer replaces the page, as it does without us. */
  function uploads() {
    document.querySelectorAll("form[data-upload]").forEach((form) => {
      const bar = form.querySelector("progress");
      const status = form.querySelector("[role=status]");
      if (!bar) return;
      form.addEventListener("submit", (event) => {
        event.preventDefault();
        const request = new XMLHttpRequest();
        request.open("POST", form.action);
        request.upload.addEventListener("progress", (step) => {
          bar.hidden = false;
          if (!step.lengthComputable) { bar.removeAttribute("value"); return; }
          bar.max = step.total;
          bar.value = step.loaded;
          if (status) status.textContent = Math.floor(step.loaded / step.total * 100) + "%";
        });
        request.addEventListener("load", () => {
          const arrived = request.responseURL || form.action;
          /* Not a second visit: it would lose the message that the first answer carries. */
          window.history.replaceState(null, "", arrived);
          document.open();
          document.write(request.responseText);
          document.close();
        });
        request.addEventListener("error", () => { bar.hidden = true; form.removeAttribute("data-sent"); HTMLFormElement.prototype.submit.call(form); });
        request.send(new FormData(form));
      });
    });
  }

  /* Progress: fetch the page again and take its live part; rest when the part no longer asks for it. */
  function live() {
    document.querySelectorAll("[data-live]").forEach((part) => {
      const again = async () => {
        let fresh = part;
        try {
          const answer = await fetch(window.location.href, { headers: { "X-Requested-With": "fetch" } });
          if (!answer.ok) throw new Error(String(answer.status));
          const page = new DOMParser().parseFromString(await answer.text(), "text/html");
          fresh = page.getElementById(part.id);
        } catch (_) {
          schedule(10);
          return;
        }
        if (!fresh || !fresh.dataset.live) { window.location.reload(); return; }
        part.replaceChildren(...fresh.childNodes);
        schedule(Number(fresh.dataset.live));
      };
      const schedule = (seconds) => window.setTimeout(() => (document.hidden ? schedule(seconds) : again()), seconds * 1000);
      schedule(Number(part.dataset.live) || 3);
    });
  }

  /* Wizards keep what is typed. A failure is said and never stops the typing. */
  function autosave() {
    document.querySelectorAll("form[data-autosave]").forEach((form) => {
      const status = form.querySelector("[data-autosave-status]") || document.querySelector("[data-autosave-status]");
      const say = (key) => { if (status) status.textContent = status.dataset[key] || ""; };
      let timer = 0;
      const save = async () => {
        say("saving");
        const data = new FormData(form);
        data.delete("idempotency_token");
        try {
          const answer = await fetch(form.dataset.autosave, { method: "POST", body: data, headers: { "X-Requested-With": "fetch" } });
          say(answer.ok ? "saved" : "failed");
        } catch (_) {
          say("failed");
        }
      };
      form.addEventListener("input", () => { window.clearTimeout(timer); timer = window.setTimeout(save, 900); });
      form.addEventListener("submit", () => window.clearTimeout(timer));
    });
  }

  /* An answer that asks for more opens where the rest is written. */
  function openMore() {
    document.addEventListener("change", (event) => {
      const box = event.target.dataset.opens && document.getElementById(event.target.dataset.opens);
      if (box) box.open = true;
    });
  }

  /* What went wrong is read first; also what a button could not do, which stands above the page. */
  function focusErrors() {
    const refused = document.querySelector("main > .notice[role=alert]");
    if (refused) refused.tabIndex = -1;
    const summary = document.querySelector("[data-focus]") || refused;
    if (summary) summary.focus();
  }

  foldMenu();
  closeBoxes();
  confirmFirst();
  sendOnce();
  uploads();
  live();
  autosave();
  openMore();
  focusErrors();
}());
