// One file on its way: sent in pieces that come through broken connections (tus 1.0.0, see api/routes/uploads.py).
//
// Where a file was sent to is remembered by its name, size and time, so that a page that was left can go on.

// Of a piece; where the connection is quick they become larger, for fewer requests.
const LEAST_BYTES = 5 << 20;
const MOST_BYTES = 40 << 20;
const QUICK_MS = 2000;
const FIRST_WAIT_MS = 500;
const LONGEST_WAIT_MS = 15_000;
const MOST_FAILURES = 20;
const REMEMBERED = "clearmark.uploads";
const REMEMBERED_MS = 24 * 3600 * 1000;
const MOST_REMEMBERED = 20;
const VERSION = { "Tus-Resumable": "1.0.0" };
export const NO_ROOM = 507;
// What a server says that asks to come again; 0 stands for no answer at all.
const PASSING = new Set([0, 408, 409, 423, 425, 429, 500, 502, 503, 504]);

const language = document.documentElement.lang;
const number = (options) => new Intl.NumberFormat(language, options);
export const percent = (share) => number({ style: "percent" }).format(Math.floor(share * 100) / 100);
export const fill = (text, said) => text.replace(/\{(\w+)\}/g, (_, name) => said[name]);

export function bytes(count) {
  const units = ["byte", "kilobyte", "megabyte", "gigabyte", "terabyte"];
  const power = Math.min(units.length - 1, Math.floor(Math.log10(Math.max(count, 1)) / 3));
  return number({ style: "unit", unit: units[power], maximumSignificantDigits: 3 }).format(count / 1000 ** power);
}

function time(seconds) {
  const [unit, size] = seconds < 90 ? ["second", 1] : seconds < 5400 ? ["minute", 60] : ["hour", 3600];
  return number({ style: "unit", unit, unitDisplay: "long" }).format(Math.max(1, Math.round(seconds / size)));
}

export function make(tag, said = {}, ...children) {
  const made = Object.assign(document.createElement(tag), said);
  made.append(...children);
  return made;
}

export const remembered = {
  all() {
    try {
      const known = Object.entries(JSON.parse(localStorage.getItem(REMEMBERED) ?? "{}"));
      return known.filter(([, one]) => one.at > Date.now() - REMEMBERED_MS).slice(-MOST_REMEMBERED);
    } catch {
      return []; // some browsers keep nothing
    }
  },
  key: (file) => `${file.name} ${file.size} ${file.lastModified}`,
  find: (file) => remembered.all().find(([key]) => key === remembered.key(file))?.[1].url,
  note(file, url, token) {
    const others = remembered.all().filter(([key]) => key !== remembered.key(file));
    // Whoever signs in after somebody else, in the same browser, has another token.
    const own = url ? [[remembered.key(file), { url, name: file.name, whose: token.slice(0, 8), at: Date.now() }]] : [];
    try {
      localStorage.setItem(REMEMBERED, JSON.stringify(Object.fromEntries([...others, ...own])));
    } catch { /* then it cannot be gone on with after the page is left */ }
  },
};

class Refusal extends Error {
  constructor(status, detail, waitS) {
    super(detail);
    Object.assign(this, { status, waitS });
  }
}

// One request. XMLHttpRequest, because fetch does not tell how much of a body has gone.
export function ask(method, url, token, { headers = {}, body = null, signal, onProgress } = {}) {
  return new Promise((resolve, reject) => {
    const request = new XMLHttpRequest();
    request.open(method, url);
    for (const [name, value] of Object.entries({ ...VERSION, "X-Clearmark-Token": token, ...headers })) {
      request.setRequestHeader(name, value);
    }
    if (onProgress) request.upload.addEventListener("progress", (event) => onProgress(event.loaded));
    request.addEventListener("load", () => {
      if (request.status < 300) return resolve(request);
      let detail = "";
      try {
        detail = JSON.parse(request.responseText).detail;
      } catch { /* a page, or nothing */ }
      reject(new Refusal(request.status, detail, Number(request.getResponseHeader("Retry-After"))));
    });
    request.addEventListener("error", () => reject(new Refusal(0, "", 0)));
    request.addEventListener("abort", () => reject(new DOMException("", "AbortError")));
    signal?.addEventListener("abort", () => request.abort());
    if (signal?.aborted) return reject(new DOMException("", "AbortError"));
    request.send(body);
  });
}

const asId = (url) => url.split("/").pop();
const inBase64 = (text) => btoa(String.fromCodePoint(...new TextEncoder().encode(text)));

// A file of a form, on its way: "chosen", "sending", "paused", "sent" or "failed".
export class Sending {
  constructor(file, form) {
    Object.assign(this, { file, form, state: "chosen", url: null, offset: 0, samples: [], most: LEAST_BYTES });
    this.stopped = new AbortController();
    this.#draw();
  }

  // An upload that the form named already.
  static sent(field, form) {
    const known = new Sending({ name: field.dataset.name, size: Number(field.dataset.size) }, form);
    known.url = field.value;
    known.#become("sent");
    field.remove();
    return known;
  }

  get id() {
    return asId(this.url);
  }

  #draw() {
    const { text } = this.form;
    this.bar = make("progress", { max: 1, value: 0, hidden: true, ariaLabel: this.file.name });
    this.words = make("p", { className: "hint" });
    this.problem = make("p", { className: "error", hidden: true });
    this.pauseButton = make("button", { type: "button", className: "quiet", hidden: true });
    this.pauseButton.addEventListener("click", () => this.#turn());
    this.removeButton = make("button", { type: "button", className: "quiet", textContent: text.remove });
    this.removeButton.addEventListener("click", () => this.form.remove(this));
    const name = make("p", { className: "name" }, make("bdi", { textContent: this.file.name }));
    const buttons = make("div", { className: "row" }, this.pauseButton, this.removeButton);
    this.shown = make("li", {}, name, buttons, this.bar, this.words, this.problem);
    this.#become("chosen");
  }

  #become(state) {
    const { text } = this.form;
    this.state = state;
    this.shown.dataset.state = state;
    const label = { sending: text.pause, paused: text.resume, failed: text.again }[state];
    const stop = state === "sending" || state === "paused" ? text.cancel : text.remove;
    this.pauseButton.hidden = !label || this.isUnfit;
    this.#name(this.pauseButton, label ?? "");
    this.#name(this.removeButton, stop);
    this.bar.hidden = state === "chosen" || (state === "failed" && !this.bar.value);
    this.problem.hidden = state !== "failed";
    if (state === "chosen" || state === "failed") this.words.textContent = bytes(this.file.size);
    if (state === "paused") this.words.textContent = `${text.paused} · ${percent(this.bar.value)}`;
    if (state === "sent") {
      this.bar.value = 1;
      this.words.textContent = `${text.sent} · ${bytes(this.file.size)}`;
    }
  }

  #name(button, label) {
    button.textContent = label;
    button.ariaLabel = `${label}: ${this.file.name}`;
  }

  // What is wrong with the file itself is said at once.
  refuse(problem) {
    this.isUnfit = true;
    this.#fail(problem);
  }

  #fail(problem) {
    this.problem.textContent = problem;
    this.#become("failed");
    this.form.say(`${this.file.name}: ${problem}`);
  }

  #turn() {
    if (this.state === "sending") {
      this.#become("paused");
      this.form.say(this.form.text.paused);
      this.pausing?.abort();
    } else if (this.state === "failed") {
      this.form.submit();
    } else {
      this.#become("sending");
      this.goOn?.();
    }
  }

  // Ends it here, and lets the server forget it.
  stop() {
    this.stopped.abort();
    remembered.note(this.file, null);
    const url = this.url;
    const isPosted = url && this.form.form.querySelector(`input[name="upload"][value="${CSS.escape(this.id)}"]`);
    if (url && !isPosted) setTimeout(() => ask("DELETE", url, this.form.token).catch(() => {}), FIRST_WAIT_MS);
  }

  // Sends it to its end, whatever happens on the way. Returns whether it is there.
  async send() {
    if (this.state === "sent") return true;
    this.#become("sending");
    let failures = 0;
    while (!this.stopped.signal.aborted) {
      const before = this.offset;
      try {
        await this.#sendOn();
        this.#become("sent");
        return true;
      } catch (error) {
        if (this.stopped.signal.aborted) break;
        if (error.name === "AbortError") {
          await new Promise((resolve) => { this.goOn = resolve; });
          continue;
        }
        failures = this.offset > before ? 1 : failures + 1;
        this.most = LEAST_BYTES;
        if (error.status === 404 || error.status === 410) this.#forget();
        else if (!PASSING.has(error.status) || failures > MOST_FAILURES) return this.#giveUp(error);
        await this.#rest(failures, error);
      }
    }
    return false;
  }

  #forget() {
    remembered.note(this.file, null);
    this.url = null;
  }

  #giveUp(error) {
    if (error.status === NO_ROOM && !this.url) throw error;
    this.#fail(error.message || this.form.text.failed);
    return false;
  }

  async #rest(failures, error) {
    const longest = Math.min(LONGEST_WAIT_MS, FIRST_WAIT_MS * 2 ** (failures - 1));
    const wait = Math.max(longest * (0.75 + Math.random() / 2), 1000 * (error.waitS || 0));
    if (failures > 1 || !navigator.onLine) {
      const { text } = this.form;
      const told = navigator.onLine ? fill(text.broken, { time: time(wait / 1000) }) : text.offline;
      this.words.textContent = told;
      if (failures === 2 || !navigator.onLine) this.form.say(told);
    }
    await new Promise((resolve) => {
      addEventListener("online", resolve, { once: true });
      this.stopped.signal.addEventListener("abort", resolve);
      setTimeout(resolve, wait);
    });
  }

  // From where the server says it stands; a connection that breaks, or a pause, ends this with an exception.
  async #sendOn() {
    this.pausing = new AbortController();
    const signal = AbortSignal.any([this.pausing.signal, this.stopped.signal]);
    if (this.state === "paused") this.pausing.abort();
    const { token } = this.form;
    this.url ??= remembered.find(this.file) ?? (await this.#begin(signal));
    this.samples = [];
    this.offset = Number((await ask("HEAD", this.url, token, { signal })).getResponseHeader("Upload-Offset"));
    while (this.offset < this.file.size) {
      this.#tell(this.offset);
      const body = this.file.slice(this.offset, this.offset + this.most), began = performance.now();
      await this.#requireReadable(body);
      const headers = { "Content-Type": "application/offset+octet-stream", "Upload-Offset": String(this.offset) };
      const onProgress = (gone) => this.#tell(this.offset + gone);
      const answer = await ask("PATCH", this.url, token, { headers, body, signal, onProgress });
      this.offset = Number(answer.getResponseHeader("Upload-Offset"));
      if (performance.now() - began < QUICK_MS) this.most = Math.min(2 * this.most, MOST_BYTES);
    }
  }

  async #begin(signal) {
    const headers = {
      "Upload-Length": String(this.file.size), "Upload-Metadata": `filename ${inBase64(this.file.name)}`,
    };
    const answer = await ask("POST", "/uploads", this.form.token, { headers, signal });
    const url = answer.getResponseHeader("Location");
    remembered.note(this.file, url, this.form.token);
    return url;
  }

  // Or the request would break, and break again, without saying why.
  async #requireReadable(piece) {
    try {
      await piece.slice(0, 1).arrayBuffer();
    } catch {
      throw new Refusal(-1, this.form.text.changed, 0);
    }
  }

  #tell(gone) {
    if (this.state !== "sending") return;
    const { text } = this.form, share = gone / this.file.size, now = performance.now() / 1000;
    this.bar.value = share;
    this.samples = [...this.samples.filter(([at]) => at > now - 10), [now, gone]];
    const [at, from] = this.samples[0];
    const speed = now - at > 1 ? (gone - from) / (now - at) : 0;
    const told = [percent(share)];
    if (speed > 0) {
      told.push(fill(text.speed, { speed: bytes(speed) }), fill(text.left, { time: time((this.file.size - gone) / speed) }));
    }
    this.words.textContent = told.join(" · ");
    this.form.sayProgress(this.file, share);
  }
}
