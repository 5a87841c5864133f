// Notices: a form is sent once, and what the public would read is shown while a reviewer types. All works without.

for (const form of document.querySelectorAll("form[data-once]")) {
  let isSent = false;
  form.addEventListener("submit", (event) => {
    if (isSent) event.preventDefault();
    isSent = true;
  });
  addEventListener("pageshow", () => { isSent = false; });
}

const form = document.querySelector("form[data-preview]");
if (form) {
  const place = document.getElementById("preview");
  const problem = document.getElementById("preview-problem");
  let asked = 0;

  const marked = (text) => text.split(/(\[redacted\])/).map((part) => {
    if (part !== "[redacted]") return part;
    const mark = document.createElement("mark");
    mark.textContent = part;
    return mark;
  });

  const show = (said) => {
    problem.textContent = said.problem ?? "";
    problem.hidden = !said.problem;
    place.replaceChildren(...said.texts.flatMap(({ name, text }) => {
      const title = document.createElement("strong");
      title.textContent = name;
      const words = document.createElement("p");
      words.className = "typed";
      words.append(...marked(text));
      return [title, words];
    }));
  };

  const refresh = async () => {
    const mine = ++asked;
    const answer = await fetch(form.dataset.preview, {
      method: "POST", body: new URLSearchParams(new FormData(form)), headers: { Accept: "application/json" },
    });
    if (answer.ok && mine === asked) show(await answer.json());
  };

  let waits;
  form.addEventListener("input", () => {
    clearTimeout(waits);
    waits = setTimeout(refresh, 300);
  });
}
