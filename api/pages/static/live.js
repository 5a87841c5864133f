// Live progress: while a page is open, what it shows of files, checks and imports moves on (api/pages/events.py). When
// one is finished the page is loaded anew, once nobody types or plays anything, and then says so.

const MOST = 20;
const COMES_AGAIN_MS = 10_000;
const TOLD = "clearmark.live";

const shown = [...document.querySelectorAll("[data-live]")].filter((one) => one.dataset.live);
const status = document.createElement("p");
status.className = "unseen";
status.setAttribute("role", "status");
document.getElementById("main").append(status);
let source = null;

function listen() {
  source?.close();
  source = null;
  const waiting = [...new Set(shown.filter((one) => !one.dataset.liveIsOver).map((one) => one.dataset.live))];
  if (document.hidden || !waiting.length) return;
  source = new EventSource(`/events?${new URLSearchParams(waiting.slice(0, MOST).map((id) => ["of", id]))}`);
  source.addEventListener("message", (event) => move(JSON.parse(event.data)));
  source.addEventListener("error", (event) => {
    // Left to itself a browser comes again, but not after a refusal.
    if (event.target === source && source.readyState === EventSource.CLOSED) setTimeout(listen, COMES_AGAIN_MS);
  });
}

function move({ id, progress, text, done }) {
  for (const one of shown.filter((each) => each.dataset.live === id && !each.dataset.liveIsOver)) {
    const bar = one.querySelector("progress");
    if (progress === null) bar?.removeAttribute("value");
    else if (bar) bar.value = progress;
    const words = one.querySelector("[data-live-text]");
    if (words) words.textContent = text;
    if (done) finish(one, [bar?.getAttribute("aria-label"), text].filter(Boolean).join(": "));
  }
}

function finish(one, told) {
  one.dataset.liveIsOver = "true";
  reload(told);
  if (shown.every((each) => each.dataset.liveIsOver)) source?.close();
}

function reload(told) {
  const isBusy = document.activeElement?.matches("input, textarea, select")
    || document.querySelector("dialog[open], form[aria-busy=true]")
    || [...document.querySelectorAll("video, audio")].some((one) => !one.paused);
  if (isBusy) {
    setTimeout(reload, 1000, told);
    return;
  }
  source?.close();
  sessionStorage.setItem(TOLD, told);
  location.reload();
}

const told = sessionStorage.getItem(TOLD);
if (told) {
  sessionStorage.removeItem(TOLD);
  setTimeout(() => { status.textContent = told; }, 300); // a text that is there from the beginning is not read out
}
document.addEventListener("visibilitychange", listen); // each stream takes one of a browser's few connections
addEventListener("pagehide", () => source?.close());
listen();
