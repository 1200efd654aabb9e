/* global make, choice, Compare: base.js and compare.js */

const byId = id => document.getElementById(id);

const MODES = [["payload", "Payload"], ["base", "Base model"], ["off", "Off"]];
const SIZES = [["small", "Small"], ["medium", "Medium"], ["large", "Large"]];
const FULL_STRENGTH = 64;
/** The difference is made on the page's own thread, of pictures that take no time there. */
const MOST_PIXELS_OF_DIFFERENCE = 16e6;

const milliseconds = ms => ms < 10 ? `${ms.toFixed(1)} ms` : `${Math.round(ms).toLocaleString("en")} ms`;
const byteCount = n => `${n.toLocaleString("en")} byte${n === 1 ? "" : "s"}`;

/** The worker that decodes and filters: one request at a time, and of each kind that waits the last. */
class Worked {
  constructor(handlers) {
    this.handlers = handlers;
    this.stop();
  }

  /** Ends what goes on; the next request has a new worker. */
  stop() {
    this.worker?.terminate();
    this.worker = null;
    this.busy = false;
    this.waiting = new Map();
  }

  start() {
    this.worker = new Worker("worker.js", { type: "module" });
    this.worker.onmessage = async ({ data: { kind, ...message } }) => {
      if (kind !== "progress") this.busy = false;
      this.next();
      try {
        await this.handlers[kind](message);
      } catch (error) {
        this.handlers.failed({ message: `the browser cannot show it: ${error.message}` });
      }
    };
    this.worker.onerror = event => {
      event.preventDefault();
      this.stop();
      this.handlers.failed({ message: event.message || "the worker could not be started" });
    };
  }

  ask(request) {
    this.waiting.delete(request.kind);
    this.waiting.set(request.kind, request);
    this.next();
  }

  next() {
    const [request] = this.waiting.values();
    if (this.busy || !request) return;
    if (!this.worker) this.start();
    this.busy = true;
    this.waiting.delete(request.kind);
    this.worker.postMessage(request);
  }
}

class Page {
  constructor() {
    this.urls = [];
    this.settings = { mode: "payload", size: "medium", strength: FULL_STRENGTH };
    this.modes = choice("Filter", MODES, mode => this.set({ mode }));
    this.sizes = choice("Model", SIZES, size => this.set({ size }));
    byId("controls").prepend(this.modes.element, this.sizes.element);
    this.view = new Compare({
      variants: [["before", "JPEG"], ["after", "filtered"]], left: "before", right: "after",
      difference: true, fit: true,
    });
    byId("compare").append(this.view.element);
    this.listen();
    this.worked = new Worked({
      progress: ({ text }) => this.say(text, true),
      ready: ({ version }) => this.say(`Ready: Sidelight ${version}.`),
      opened: opened => this.opened(opened),
      filtered: filtered => this.filtered(filtered),
      png: ({ blob }) => this.save(blob),
      failed: ({ message }) => this.fail(message),
    });
    this.worked.ask({ kind: "start" });
  }

  listen() {
    const drop = byId("drop");
    byId("file").onchange = e => {
      if (e.target.files.length) this.open(e.target.files[0]);
      e.target.value = "";
    };
    // The whole page takes files: what misses the frame would replace the page.
    addEventListener("dragover", e => {
      e.preventDefault();
      drop.classList.add("over");
    });
    addEventListener("dragleave", e => { if (!e.relatedTarget) drop.classList.remove("over"); });
    addEventListener("drop", e => {
      e.preventDefault();
      drop.classList.remove("over");
      if (e.dataTransfer.files.length) this.open(e.dataTransfer.files[0]);
    });
    addEventListener("paste", e => { if (e.clipboardData.files.length) this.open(e.clipboardData.files[0]); });
    const strength = byId("strength");
    strength.oninput = () => this.set({ strength: strength.valueAsNumber });
    byId("download").onclick = () => {
      this.say("Making the PNG …", true);
      this.worked.ask({ kind: "png" });
    };
    byId("cancel").onclick = () => {
      this.worked.stop();
      this.close();
      this.say("Cancelled.");
    };
  }

  say(text, working = false) {
    byId("status").textContent = text;
    byId("progress").hidden = byId("cancel").hidden = !working;
    document.body.ariaBusy = String(working);
  }

  fail(message) {
    // What is under way or waits is for the picture that failed.
    this.worked.stop();
    byId("error").textContent = this.name ? `${this.name}: ${message}` : message;
    byId("error").hidden = false;
    this.close();
    this.say("Nothing is shown.");
  }

  /** Takes the picture away. */
  close() {
    this.name = null;
    byId("picture").hidden = true;
    byId("drop").classList.remove("small");
    for (const url of this.urls.splice(0)) URL.revokeObjectURL(url);
  }

  open(file) {
    // What is under way is for another picture.
    if (this.worked.busy) this.worked.stop();
    this.close();
    byId("error").hidden = true;
    this.name = file.name;
    this.say(`Reading ${file.name} …`, true);
    this.worked.ask({ kind: "open", file });
  }

  set(settings) {
    Object.assign(this.settings, settings);
    this.show();
    this.worked.ask({ kind: "filter", settings: this.settings });
  }

  show() {
    const { mode, size, strength } = this.settings;
    this.modes.pick(mode);
    this.sizes.pick(size);
    this.sizes.element.hidden = mode !== "base";
    byId("strength").value = strength;
    byId("strength").disabled = mode === "off";
    byId("strength-value").value = `${Math.round(100 * strength / FULL_STRENGTH)} %`;
  }

  opened(picture) {
    this.picture = picture;
    this.urls.push(URL.createObjectURL(picture.before));
    byId("drop").classList.add("small");
    byId("picture").hidden = false;
    this.view.toggle.disabled = picture.width * picture.height > MOST_PIXELS_OF_DIFFERENCE;
    if (this.view.differing) this.view.differ(false);
    this.view.moveLine(50);
    facts("file-facts", {
      Name: this.name, Size: byteCount(picture.bytes), Picture: `${picture.width} × ${picture.height}`,
      Sampling: picture.layout, Turned: picture.turn, Profile: picture.profile ? byteCount(picture.profile) : "",
      Damage: picture.damage ?? "",
    });
    // Without a payload there is still the base model.
    this.set({ mode: picture.payload ? "payload" : "base", strength: FULL_STRENGTH });
  }

  async filtered({ after, said, level, payload, times }) {
    const { width, height } = this.picture;
    const before = this.urls[0];
    const url = URL.createObjectURL(after);
    this.newest = url;
    const isNewest = () => this.urls[0] === before && this.newest === url;
    // Only once it can be shown at once does it take the place of what is there.
    try {
      await Promise.all([before, url].map(loaded));
    } catch (error) {
      URL.revokeObjectURL(url);
      if (isNewest()) throw error;
      return;
    }
    if (!isNewest()) return URL.revokeObjectURL(url);
    if (this.urls.length > 1) URL.revokeObjectURL(this.urls.pop());
    this.urls.push(url);
    const label = { update: "With the update", base: "Base model", off: "Not filtered" }[payload.filter];
    this.view.show({
      name: this.name, width, height, sources: { before, after: url },
      tags: { before: "JPEG", after: label },
    });
    byId("payload").textContent = said;
    byId("payload").className = `notice ${level}`;
    facts("payload-facts", payload.facts);
    facts("time-facts", Object.fromEntries(Object.entries({ ...this.picture.times, ...times })
      .map(([name, ms]) => [name, milliseconds(ms)])));
    this.say(`${this.name}: ${label.toLowerCase()}.`);
  }

  save(blob) {
    if (this.name === null) return;
    const url = URL.createObjectURL(blob);
    make("a", { href: url, download: `${this.name.replace(/\.[^.]*$/, "")}.png` }).click();
    setTimeout(() => URL.revokeObjectURL(url), 60000);
    this.say(`PNG of ${byteCount(blob.size)}.`);
  }
}

/** Waits until a picture is there. Chromium's decode() refuses those above some 30 megapixels, which it shows. */
const loaded = src => new Promise((resolve, reject) => {
  Object.assign(new Image(), { onload: resolve, onerror: () => reject(new Error("it takes no such picture")), src });
});

/** Fills a list with what there is. */
function facts(id, entries) {
  byId(id).replaceChildren(...Object.entries(entries).filter(([, text]) => text).flatMap(([name, text]) =>
    [make("dt", { textContent: name }), make("dd", { textContent: text })]));
}

window.page = new Page();
