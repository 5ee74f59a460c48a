/* Sliders that answer while they move: the same page is asked with the new places, and its answer is put in. */
(function () {
  "use strict";

  const form = document.querySelector("form[data-answers]");
  if (!form || !window.URLSearchParams) return;
  const place = document.getElementById(form.dataset.answers);
  let timer = 0;
  let asked = 0;

  const ask = async () => {
    const number = ++asked;
    const address = form.action + "?" + new URLSearchParams(new FormData(form));
    try {
      const answer = await fetch(address, { headers: { "X-Requested-With": "fetch" } });
      if (!answer.ok) return;
      const page = new DOMParser().parseFromString(await answer.text(), "text/html");
      const fresh = page.getElementById(place.id);
      if (number !== asked || !fresh) return;
      place.replaceChildren(...fresh.childNodes);
      form.querySelectorAll("input[type=range]").forEach((input) => {
        const said = page.getElementById(input.id + "-out");
        if (!said) return;
        document.getElementById(input.id + "-out").textContent = said.textContent;
        input.setAttribute("aria-valuetext", said.textContent);
      });
    } catch (_) { /* The button still asks. */ }
  };

  form.addEventListener("input", () => { window.clearTimeout(timer); timer = window.setTimeout(ask, 120); });
})();
