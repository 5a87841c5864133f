// The keys of reviewers, and reasons at a click. A single key never decides: it chooses, and goes to the reason.

const OFF = "clearmark.review.keys"; // whoever dictates or scans may not want single keys (WCAG 2.1.4)
const form = document.querySelector("aside.decide form");
const reason = form?.querySelector("textarea");
const help = document.querySelector("[data-keys-help]");

function choose(decision) {
  const radio = form?.querySelector(`input[type="radio"][value="${decision}"]`);
  if (!radio) return false;
  radio.checked = true;
  radio.dispatchEvent(new Event("change", { bubbles: true }));
  reason.focus();
  return true;
}

function go(key) {
  const link = document.querySelector(`a[data-key="${key}"]`);
  link?.click();
  return Boolean(link);
}

const KEYS = {
  a: () => choose("approve"),
  r: () => choose("reject"),
  n: () => go("n"),
  p: () => go("p"),
  "?": () => {
    if (!help) return false;
    help.open = !help.open;
    help.querySelector("summary").focus();
    return true;
  },
};

document.addEventListener("keydown", (event) => {
  if (event.target === reason && event.key === "Enter" && (event.ctrlKey || event.metaKey)) {
    event.preventDefault();
    form.requestSubmit();
    return;
  }
  if (event.ctrlKey || event.metaKey || event.altKey || event.defaultPrevented || event.repeat) return;
  if (event.target.closest("textarea, select, input:not([type=radio]):not([type=range])")) return;
  if (localStorage.getItem(OFF)) return;
  if (KEYS[event.key.toLowerCase()]?.()) event.preventDefault();
});

const off = document.querySelector("[data-keys-off]");
if (off) {
  const box = off.querySelector("input");
  box.checked = Boolean(localStorage.getItem(OFF));
  box.addEventListener("change", () => (box.checked ? localStorage.setItem(OFF, "1") : localStorage.removeItem(OFF)));
}

for (const group of document.querySelectorAll("[data-reasons]")) {
  const ours = group.closest("form");
  const field = ours.elements[group.dataset.reasons];
  const decisions = ours.elements.decision ?? ours.elements.outcome;
  const offer = () => {
    group.hidden = !decisions.value;
    for (const button of group.querySelectorAll("[data-of]")) button.hidden = button.dataset.of !== decisions.value;
  };
  group.addEventListener("click", (event) => {
    const button = event.target.closest("[data-reason]");
    if (!button) return;
    field.value = field.value.trim() ? `${field.value.trim()} ${button.textContent}` : button.textContent;
    field.focus();
  });
  ours.addEventListener("change", offer);
  offer();
}

// Pictures that are being made are looked for again, unless somebody has begun to decide.
if (document.querySelector("[data-reload]")) {
  setTimeout(() => { if (!reason?.value && !form?.querySelector("input:checked")) location.reload(); }, 3000);
}
