/* A computation sheet that moves with its form: the page is asked what the typed amounts would give, and its sheet is put in. */
(function () {
  "use strict";

  const form = document.querySelector("form[data-sheet]");
  if (!form || !window.fetch) return;
  const place = document.getElementById(form.dataset.sheet);
  let timer = 0;
  let asked = 0;

  const ask = async () => {
    const number = ++asked;
    const typed = new FormData(form);
    typed.set("preview", "1");
    try {
      const answer = await fetch(form.action, { method: "POST", body: typed, headers: { "X-Requested-With": "fetch" } });
      if (!answer.ok) return;
      const page = new DOMParser().parseFromString(await answer.text(), "text/html");
      const fresh = page.getElementById(place.id);
      if (number === asked && fresh) place.replaceChildren(...fresh.childNodes);
    } catch (_) { /* The button still asks. */ }
  };

  form.addEventListener("input", () => { window.clearTimeout(timer); timer = window.setTimeout(ask, 250); });
})();
