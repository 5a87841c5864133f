// Forms with files: dropped, pasted or chosen, sent in pieces (sending.js); then the form is sent, and names them. Without
// this the form brings its file itself.

import { NO_ROOM, Sending, ask, bytes, fill, make, percent, remembered } from "./sending.js";

class UploadForm {
  constructor(form, input) {
    Object.assign(this, { form, input, sendings: [], isBusy: false, saidTenths: new Map() });
    this.token = form.elements.namedItem("token").value;
    this.text = {};
    for (const [name, value] of Object.entries(form.dataset)) {
      if (name.startsWith("text")) this.text[name[4].toLowerCase() + name.slice(5)] = value;
    }
    this.#enliven();
    for (const field of form.querySelectorAll("input[name=upload][data-name]")) this.#list(Sending.sent(field, this));
    form.addEventListener("submit", (event) => this.#onSubmit(event));
    addEventListener("pageshow", (event) => { if (event.persisted) location.reload(); });
    if (input.files.length) this.#takeChosen(); // whoever was faster than this script
  }

  #enliven() {
    const { input, text } = this;
    this.zone = input.closest(".drop");
    this.zone.classList.add("lively");
    this.isNeeded = input.required;
    input.required = false; // it is emptied into the list
    const hint = make("p", { className: "hint", id: `${input.id}-drop`, textContent: input.multiple ? text.dropMany : text.drop });
    input.after(hint);
    input.setAttribute("aria-describedby", `${hint.id} ${input.getAttribute("aria-describedby") ?? ""}`.trim());
    this.list = make("ul", { className: "uploads", role: "list", hidden: true });
    this.status = make("p", { className: "unseen" });
    this.status.setAttribute("role", "status");
    this.zone.after(this.list, this.status);
    input.addEventListener("change", () => this.#takeChosen());
    this.#showBegun(hint);
  }

  #takeChosen() {
    this.add([...this.input.files]);
    this.input.value = "";
  }

  // What an earlier page had begun to send, if it is still there.
  async #showBegun(hint) {
    const own = remembered.all().filter(([, one]) => one.whose === this.token.slice(0, 8));
    for (const [, { url, name }] of own.reverse()) {
      try {
        const found = await ask("HEAD", url, this.token);
        if (found.getResponseHeader("Upload-Offset") === found.getResponseHeader("Upload-Length")) continue;
        if (!this.sendings.length) hint.textContent = fill(this.text.begun, { name });
        return;
      } catch { /* it is somebody else's, or was used */ }
    }
  }

  add(files, folders = 0) {
    if ((this.isBusy && !this.input.multiple) || !(files.length || folders)) return;
    this.input.setCustomValidity("");
    if (!this.input.multiple) {
      for (const one of [...this.sendings]) this.remove(one, { quietly: true });
      files = files.slice(0, 1);
    }
    for (const file of files) {
      const sending = new Sending(file, this);
      this.#list(sending);
      const most = Number(this.form.dataset.most);
      if (!file.size) sending.refuse(this.text.empty);
      else if (file.size > most) sending.refuse(fill(this.text.tooLarge, { size: bytes(most) }));
      else this.say(fill(this.text.chosen, { name: file.name }));
    }
    if (folders) this.say(this.text.folder);
    if ("uploadAuto" in this.form.dataset && files.length && !this.sendings.some((one) => one.isUnfit)) this.submit();
  }

  #list(sending) {
    this.sendings.push(sending);
    this.list.append(sending.shown);
    this.list.hidden = false;
  }

  remove(sending, { quietly = false } = {}) {
    sending.stop();
    sending.shown.remove();
    this.sendings = this.sendings.filter((one) => one !== sending);
    this.list.hidden = !this.sendings.length;
    if (quietly) return;
    this.say(fill(this.text.removed, { name: sending.file.name }));
    this.input.focus();
  }

  say(text) {
    this.status.textContent = text;
  }

  // In steps: whoever listens wants to know that it goes on, and not each percent.
  sayProgress(file, share) {
    const tenths = Math.floor(share * 10);
    if (tenths === (this.saidTenths.get(file) ?? 0)) return;
    this.saidTenths.set(file, tenths);
    this.say(fill(this.text.soFar, { percent: percent(tenths / 10), name: file.name }));
  }

  submit() {
    this.form.requestSubmit(this.submitter);
  }

  #onSubmit(event) {
    if (event.submitter?.formNoValidate && !this.isBusy) {
      this.#nameSent(); // a button that does something else with the form
      return;
    }
    event.preventDefault();
    if (this.isBusy) return;
    if (this.isNeeded && !this.sendings.length) {
      this.input.setCustomValidity(this.text.needed);
      this.input.reportValidity();
      return;
    }
    const buttons = [...this.form.querySelectorAll("button:not([type=button], [formnovalidate], .unseen)")];
    this.submitter = event.submitter;
    this.button = buttons.includes(event.submitter) ? event.submitter : buttons.at(-1) ?? event.submitter;
    this.#sendAll();
  }

  async #sendAll() {
    const unfit = this.sendings.find((one) => one.isUnfit);
    if (unfit) {
      this.say(unfit.problem.textContent);
      unfit.removeButton.focus();
      return;
    }
    const label = this.button.textContent, hadFiles = this.sendings.length > 0;
    this.#busy(true, this.text.sending);
    try {
      let next, failed = false;
      while (!failed && (next = this.sendings.find((one) => one.state !== "sent"))) {
        failed = !(await next.send()) && this.sendings.includes(next);
      }
      if (!failed && (this.sendings.length || !hadFiles)) return this.#post(); // or the last one was cancelled
    } catch (error) {
      if (error.status !== NO_ROOM) throw error;
      // There is none for files that only wait; the form may still bring them itself.
      const files = new DataTransfer();
      for (const one of this.sendings) if (one.state !== "sent") files.items.add(one.file);
      this.input.files = files.files;
      return this.#post();
    }
    this.#busy(false, label);
  }

  #busy(isBusy, label) {
    this.isBusy = isBusy;
    this.form.ariaBusy = String(isBusy);
    this.button.ariaDisabled = String(isBusy); // and not disabled: it has the focus
    this.button.textContent = label;
  }

  #post() {
    const { text } = this;
    this.#nameSent();
    if (this.sendings.length) this.say(`${text.allSent} ${text.reading}`);
    this.button.textContent = this.sendings.length ? text.reading : text.sending;
    this.#hide(this.submitter?.name, this.submitter?.value);
    HTMLFormElement.prototype.submit.call(this.form);
  }

  #nameSent() {
    for (const one of this.sendings.filter(({ state }) => state === "sent")) {
      remembered.note(one.file, null);
      this.#hide("upload", one.id);
    }
  }

  #hide(name, value) {
    if (name) this.form.append(make("input", { type: "hidden", name, value }));
  }
}

const forms = [];
for (const form of document.querySelectorAll("form[data-upload][data-text-drop]")) {
  const input = form.querySelector(".drop input[type=file][name=file]");
  if (input) forms.push(new UploadForm(form, input));
}

// A file that is let go of anywhere on the page is meant for its form, and must not take the page's place.
const formAt = (target) => forms.find((one) => one.form.contains(target)) ?? forms[0];
const bringsFiles = (event) => event.dataTransfer?.types.includes("Files") && forms.length;

for (const kind of ["dragenter", "dragover"]) {
  document.addEventListener(kind, (event) => {
    if (!bringsFiles(event)) return;
    event.preventDefault();
    for (const one of forms) one.zone.classList.toggle("over", one === formAt(event.target));
  });
}
const leave = () => forms.forEach((one) => one.zone.classList.remove("over"));
document.addEventListener("dragleave", (event) => { if (!event.relatedTarget) leave(); });
document.addEventListener("drop", (event) => {
  if (!bringsFiles(event)) return;
  event.preventDefault();
  leave();
  const items = [...event.dataTransfer.items].filter((one) => one.kind === "file");
  const folders = items.filter((one) => one.webkitGetAsEntry?.()?.isDirectory).length;
  const files = items.filter((one) => !one.webkitGetAsEntry?.()?.isDirectory).map((one) => one.getAsFile());
  formAt(event.target).add(files.filter(Boolean), folders);
});
document.addEventListener("paste", (event) => {
  const files = [...(event.clipboardData?.files ?? [])];
  if (!files.length || !forms.length || event.target.matches?.("input:not([type=file]), textarea")) return;
  event.preventDefault();
  formAt(event.target).add(files);
});
