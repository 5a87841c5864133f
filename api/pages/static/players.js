// Plays a clip and the work it copies in sync: the same moment of the match on both sides, at the work's own speed.
// Without this, each player has its own controls and is set to its stretch.

const APART_S = 0.25; // from here on the other side jumps; below it, it hurries or waits
const CLOSE_S = 0.03;
const END_S = 0.05;
const FRAME_S = 1 / 25;

class Pair {
  constructor(box) {
    this.box = box;
    this.bar = box.querySelector("[data-bar]");
    this.sides = [...box.querySelectorAll("video, audio")].map((media) => new Side(media, box));
    this.sides.forEach((side) => side.watch());
    if (this.bar && !this.first) this.bar.hidden = true; // a still has nothing to play
    if (!this.bar || !this.first) return;
    this.playing = false;
    this.button = this.bar.querySelector('[data-do="play"]');
    this.button.dataset.play = this.button.textContent;
    this.place = this.bar.querySelector("[data-place]");
    this.hear();
    this.bar.addEventListener("click", (event) => this.clicked(event.target.closest("button")));
    this.place.addEventListener("input", () => this.go(this.first.start + this.place.value * this.first.length));
    this.box.addEventListener("keydown", (event) => this.pressed(event));
    this.sides.forEach((side) => side.media.addEventListener("pause", () => this.paused(side)));
  }

  // The side that the other follows: one that plays.
  get first() { return this.sides.find((side) => side.works) ?? this.sides[0]; }

  get loops() { return this.bar.querySelector('[data-do="loop"]').ariaPressed === "true"; }

  clicked(button) {
    if (!button) return;
    if (button.dataset.do === "play") this.playing ? this.stop() : this.play();
    if (button.dataset.do === "start") this.go(this.first.start);
    if (button.dataset.do === "loop" || button.dataset.do === "hear") button.ariaPressed = String(button.ariaPressed !== "true");
    if (button.dataset.do === "hear") this.hear();
  }

  pressed(event) {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const isButton = event.target.closest("button, a, summary"), isSlider = event.target === this.place;
    const now = this.first.media.currentTime;
    const does = {
      " ": isButton ? null : () => (this.playing ? this.stop() : this.play()),
      k: () => this.stop(),
      j: () => this.go(now - 5),
      l: () => this.go(now + 5),
      ArrowLeft: isSlider ? null : () => this.go(now - 1),
      ArrowRight: isSlider ? null : () => this.go(now + 1),
      ",": () => this.go(now - FRAME_S),
      ".": () => this.go(now + FRAME_S),
    }[event.key.length === 1 ? event.key.toLowerCase() : event.key];
    if (!does) return;
    event.preventDefault();
    event.stopPropagation();
    does();
  }

  async play() {
    const { media, start, end } = this.first;
    if (media.currentTime < start - END_S || media.currentTime >= end - END_S) this.go(start);
    else this.go(media.currentTime);
    this.say(true);
    const began = await Promise.allSettled(this.sides.filter((side) => side.works).map((side) => side.media.play()));
    if (began.length && began.some((one) => one.status === "fulfilled")) this.follow();
    else this.say(false);
  }

  stop() {
    this.say(false);
    this.sides.forEach((side) => side.media.pause());
  }

  say(playing) {
    this.playing = playing;
    this.button.textContent = playing ? this.button.dataset.pause : this.button.dataset.play;
  }

  // Somebody paused one side with its own controls; at the end of a stretch a browser does that by itself.
  paused(side) {
    if (this.playing && side.works && side.media.currentTime < side.end - 4 * END_S) this.stop();
  }

  go(at) {
    const { start, end } = this.first;
    const share = end > start ? Math.min(1, Math.max(0, (at - start) / (end - start))) : 0;
    this.sides.forEach((side) => side.go(share));
    this.show(share);
  }

  show(share) {
    this.place.value = share;
    this.place.ariaValueText = `${(share * this.first.length).toFixed(1)} s`;
  }

  follow() {
    if (!this.playing) return;
    const lead = this.first, { media, start, end, length } = lead;
    if (media.ended || media.currentTime >= end - END_S) {
      if (!this.loops) return this.stop();
      this.go(start);
      this.sides.filter((side) => side.works && side.media.paused).forEach((side) => side.media.play().catch(() => this.stop()));
    }
    const share = length ? (media.currentTime - start) / length : 0;
    this.sides.filter((side) => side !== lead).forEach((side) => side.keepUp(share, side.length && length ? side.length / length : 1, media.playbackRate));
    this.show(share);
    requestAnimationFrame(() => this.follow());
  }

  hear() {
    const heard = new Set([...this.bar.querySelectorAll('[data-do="hear"]')].filter((one) => one.ariaPressed === "true").map((one) => one.dataset.of));
    this.sides.forEach((side) => { side.media.muted = !heard.has(side.name); });
  }
}

class Side {
  constructor(media, box) {
    this.media = media;
    this.name = media.dataset.side;
    [this.start, this.end] = (box.dataset[this.name] ?? "0 0").split(" ").map(Number);
    this.looks = box.dataset.modality === "video" && media instanceof HTMLVideoElement;
    this.works = true;
  }

  get length() { return this.end - this.start; }

  // Where a browser cannot play the file, say so; a still picture that came as a video is shown as one.
  watch() {
    const fail = () => {
      this.works = false;
      const problem = this.media.closest("figure").querySelector("[data-problem]");
      const picture = new Image();
      picture.alt = this.media.ariaLabel;
      picture.addEventListener("load", () => this.media.replaceWith(picture));
      picture.addEventListener("error", () => { problem.hidden = false; });
      picture.src = this.media.src.split("#")[0];
    };
    const seen = () => { // the sound may play where the picture cannot
      if (this.looks && !this.media.videoWidth) this.media.closest("figure").querySelector("[data-problem]").hidden = false;
    };
    if (this.media.error) fail();
    else this.media.addEventListener("error", fail);
    this.media.addEventListener("loadedmetadata", seen);
  }

  go(share) {
    this.media.currentTime = this.start + share * this.length;
  }

  keepUp(share, speed, rate) {
    if (!this.works || this.media.seeking || this.media.readyState < HTMLMediaElement.HAVE_FUTURE_DATA) return;
    const apart = this.start + share * this.length - this.media.currentTime;
    if (Math.abs(apart) > APART_S) this.go(share);
    const hurry = Math.abs(apart) > CLOSE_S ? 1 + Math.sign(apart) * Math.min(0.1, Math.abs(apart)) : 1;
    this.media.playbackRate = Math.min(4, Math.max(0.25, speed * rate * hurry));
  }
}

document.querySelectorAll("[data-players]").forEach((box) => new Pair(box));
