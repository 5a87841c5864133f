// Works, where scripts run: numbers are checked as they are typed, rows are made more in place, and what is said of uses
// is shown as it is chosen. Each of these works without scripts, by sending the form.

const later = (wait, act) => {
  let timer;
  return (...given) => {
    clearTimeout(timer);
    timer = setTimeout(act, wait, ...given);
  };
};

// Numbers such as an ISRC.
const forget = (value, told) => {
  value.removeAttribute("aria-invalid");
  told.classList.remove("error");
  told.textContent = "";
};

const checkNumber = later(300, async (row) => {
  const [scheme, value] = [row.querySelector("select"), row.querySelector("input")];
  const told = row.querySelector("[data-checked]");
  const typed = value.value.trim();
  if (!typed) {
    forget(value, told);
    return;
  }
  const answer = await fetch(`/works/identifiers?${new URLSearchParams({ scheme: scheme.value, value: typed })}`);
  if (!answer.ok || value.value.trim() !== typed) return;
  const found = await answer.json();
  forget(value, told);
  told.textContent = found.problem ?? row.dataset.right.replace("{value}", found.value);
  if ("problem" in found) {
    told.classList.add("error");
    value.setAttribute("aria-invalid", "true");
  }
});

document.addEventListener("input", ({ target }) => {
  const row = target.closest("[data-identifier]");
  if (!row) return;
  const scheme = row.querySelector("select");
  const hint = row.querySelector(".field:last-of-type .hint");
  if (target === scheme && hint) hint.textContent = JSON.parse(row.dataset.shapes)[scheme.value] ?? "";
  checkNumber(row);
});

// One more row: a copy of the last one, empty, numbered on.
const renumbered = (row, group, number) => {
  const copy = row.cloneNode(true);
  const was = new RegExp(`(${group}[.-])\\d+`);
  for (const part of copy.querySelectorAll("*")) {
    for (const name of ["id", "name", "for", "aria-describedby", "aria-labelledby"]) {
      const value = part.getAttribute(name);
      if (value) part.setAttribute(name, value.replace(was, `$1${number}`));
    }
  }
  for (const text of copy.querySelectorAll("label, legend")) {
    for (const part of text.childNodes) {
      if (part.nodeType === Node.TEXT_NODE) part.data = part.data.replace(/\d+(?=\s*$)/, String(number + 1));
    }
  }
  for (const error of copy.querySelectorAll(".error:not([data-checked])")) error.remove();
  for (const told of copy.querySelectorAll("[data-checked]")) {
    told.classList.remove("error");
    told.textContent = "";
  }
  for (const wrong of copy.querySelectorAll(".wrong")) wrong.classList.remove("wrong");
  for (const field of copy.querySelectorAll("input, textarea")) {
    field.removeAttribute("aria-invalid");
    if (field.type === "checkbox") field.checked = false;
    else field.value = "";
  }
  return copy;
};

for (const button of document.querySelectorAll("[data-first]")) button.remove(); // Enter finds the right one by itself
for (const button of document.querySelectorAll("[data-add]")) button.type = "button";

document.addEventListener("click", (event) => {
  const button = event.target.closest("[data-add]");
  if (!button) return;
  const group = button.closest("[data-rows]");
  const rows = group.querySelectorAll(":scope > [data-row]");
  const copy = renumbered(rows[rows.length - 1], group.dataset.rows, rows.length);
  rows[rows.length - 1].after(copy);
  copy.querySelector("input, select").focus();
});

// What is said of uses, as it is chosen. The answer is the page that the button "See what this says" would lead to.
const sheet = document.querySelector("[data-sheet]");
let asked;

const show = (answer) => {
  for (const place of ["[data-effect]", "[data-exports]"]) {
    const [shown, told] = [document.querySelector(place), answer.querySelector(place)];
    if (!shown || !told) continue;
    const open = [...shown.querySelectorAll("details")].map((one) => one.open);
    shown.replaceChildren(...[...told.childNodes].map((node) => document.importNode(node, true)));
    shown.querySelectorAll("details").forEach((one, place) => { one.open = open[place] ?? false; });
  }
};

const rehearse = later(250, () => {
  asked?.abort();
  asked = new XMLHttpRequest(); // it reads a page without making scripts of it
  asked.open("POST", sheet.action);
  asked.responseType = "document";
  asked.onload = () => { if (asked.status === 200 && asked.response) show(asked.response); };
  const said = new FormData(sheet);
  said.set("see", "1");
  asked.send(new URLSearchParams(said));
});

sheet?.addEventListener("input", rehearse);
