// Verifying. On the front page: small pictures of the chosen file, drawn here and kept in this tab alone, for the answer
// to come; and words for what is done once upload.js has sent it. On an answer: those pictures, above its time line.

const KEPT = "clearmark-verified-file";
const PICTURES = 12, HEIGHT_PX = 96, DRAW_MS = 15000, MOST_SOUND_BYTES = 30e6;

const place = document.querySelector("[data-verify]");
const answer = document.querySelector("[data-verification]");
if (place) watch(place);
if (answer) show(answer);

// -- the front page --------------------------------------------------------------------------------

function watch(place) {
  const form = place.querySelector("form"), beside = form.querySelector("[data-beside]");
  // Before upload.js has the files: it takes them out of the field.
  document.addEventListener("change", ({ target }) => { if (target.name === "file") keep(target.files[0]); }, true);
  document.addEventListener("drop", (event) => keep(event.dataTransfer?.files[0]), true);
  document.addEventListener("paste", (event) => keep(event.clipboardData?.files[0]), true);
  // Whoever brings credentials in a file of their own chooses two, and says when to go on; so does who tries again.
  const isTriedAgain = form.querySelector("input[name=upload]") !== null;
  const atOnce = () => {
    form.toggleAttribute("data-upload-auto", !beside.open);
    form.querySelector("[data-at-once]").hidden = beside.open;
    form.querySelector("[data-go]").hidden = !beside.open && !isTriedAgain;
  };
  beside.addEventListener("toggle", atOnce);
  atOnce();
  form.querySelector("[aria-invalid]")?.focus();  // so that it is read out what was wrong
  // Once all is sent the form names it, and goes out.
  new MutationObserver((_, observer) => {
    if (!form.querySelector("input[name=upload]:not([data-name])")) return;
    observer.disconnect();
    tell(place, { compares: !form.elements.namedItem("read_only").checked });
  }).observe(form, { childList: true });
}

function tell(place, { compares }) {
  const stage = place.querySelector("[data-stage]");
  place.querySelector("[data-reading-now]").hidden = false;
  stage.textContent = stage.dataset.reading;
  // Credentials are read in a moment, whatever the file; what takes longer is comparing.
  if (compares) setTimeout(() => { stage.textContent = stage.dataset.comparing; }, 1500);
}

async function keep(file) {
  if (!file) return;
  const said = { name: file.name, size: file.size, pictures: [] };
  store(KEPT, said);
  try {
    said.pictures = await Promise.race([draw(file), new Promise((_, fail) => setTimeout(fail, DRAW_MS))]);
    store(KEPT, said);
  } catch { /* a kind that this browser does not play: there are no pictures then */ }
}

function store(key, said) {
  try { sessionStorage.setItem(key, JSON.stringify(said)); } catch { /* full, or not allowed: without, then */ }
}

function draw(file) {
  if (file.type.startsWith("video/")) return frames(file);
  if (file.type.startsWith("image/")) return still(file);
  if (file.type.startsWith("audio/") && file.size <= MOST_SOUND_BYTES) return wave(file);
  return [];
}

async function frames(file) {
  const video = document.createElement("video");
  Object.assign(video, { muted: true, playsInline: true, preload: "auto", src: URL.createObjectURL(file) });
  const next = (event) => new Promise((done, fail) => {
    video.addEventListener(event, done, { once: true });
    video.addEventListener("error", fail, { once: true });
  });
  try {
    await next("loadeddata");
    const drawn = [];
    for (let number = 0; number < PICTURES; number += 1) {
      const there = next("seeked");
      video.currentTime = video.duration * (number + 0.5) / PICTURES;
      await there;
      drawn.push(picture(video, video.videoWidth, video.videoHeight));
    }
    return drawn;
  } finally {
    URL.revokeObjectURL(video.src);
  }
}

async function still(file) {
  const bitmap = await createImageBitmap(file);
  return [picture(bitmap, bitmap.width, bitmap.height)];
}

function picture(source, width, height) {
  const canvas = Object.assign(document.createElement("canvas"), { height: HEIGHT_PX, width: Math.max(1, Math.round(HEIGHT_PX * width / height)) });
  canvas.getContext("2d").drawImage(source, 0, 0, canvas.width, canvas.height);
  return canvas.toDataURL("image/jpeg", 0.7);
}

async function wave(file) {
  const sound = await new OfflineAudioContext(1, 1, 8000).decodeAudioData(await file.arrayBuffer());
  const canvas = Object.assign(document.createElement("canvas"), { width: 1000, height: HEIGHT_PX });
  const context = canvas.getContext("2d"), samples = sound.getChannelData(0), step = samples.length / canvas.width;
  context.fillStyle = "#7a858f";
  for (let x = 0; x < canvas.width; x += 1) {
    const loudest = samples.subarray(x * step, (x + 1) * step).reduce((most, one) => Math.max(most, Math.abs(one)), 0);
    context.fillRect(x, HEIGHT_PX / 2 * (1 - loudest), 1, Math.max(1, HEIGHT_PX * loudest));
  }
  return [canvas.toDataURL()];
}

// -- an answer -------------------------------------------------------------------------------------

function show(answer) {
  const key = `${KEPT}-${answer.dataset.verification}`;
  // Only a form that was sent here leads here by way of another address.
  const [navigation] = performance.getEntriesByType("navigation");
  if (navigation?.redirectCount) {
    const sent = sessionStorage.getItem(KEPT);
    if (sent) store(key, JSON.parse(sent));
    sessionStorage.removeItem(KEPT);
  }
  const said = JSON.parse(sessionStorage.getItem(key) ?? "null");
  if (!said) return;
  for (const place of answer.querySelectorAll("[data-own-name]")) place.textContent = said.name;
  for (const place of answer.querySelectorAll("[data-own-file]")) place.hidden = false;
  const strip = answer.querySelector("[data-strip]") ?? answer.querySelector("[data-strip-alone]");
  if (!strip || !said.pictures.length) return;
  strip.append(...said.pictures.map((address) => Object.assign(new Image(), { src: address, alt: "" })));
  strip.classList.toggle("whole", said.pictures.length === 1);
  strip.hidden = false;
}
