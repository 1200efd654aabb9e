/** What the page asks of Sidelight, and says of payloads. */
import { ALL, Sidelight, SidelightError } from "./sidelight.js";

const bytes = n => `${n.toLocaleString("en")} byte${n === 1 ? "" : "s"}`;

/** The library's sentence, without the function's name. */
const sentence = error => error.message.replace(/^\w+: /, "");

/** What is said of a payload that is not used. */
const REFUSALS = {
  CORRUPT: "The payload is damaged, and not used.",
  STALE: "The payload is stale: it was made for another picture, or the picture was edited since. It is not used.",
};

/** What is said of a payload that is used, by the mode that it asks for. */
const USES = {
  update: "Filtered as the payload asks, by the base model with an update",
  base: "Filtered as the payload asks, by the base model as it is",
  off: "The payload asks for no filtering",
};

const unfiltered = (said, level) => ({ filter: "off", said, level });

export class Filter {
  static async load() {
    return new Filter(await Sidelight.open(ALL));
  }

  constructor(sidelight) {
    this.sidelight = sidelight;
  }

  get version() {
    return this.sidelight.version;
  }

  get memoryBytes() {
    return this.sidelight.memoryBytes;
  }

  /** Runs `call`; the library's errors are returned. */
  attempt(call) {
    try {
      return { value: call() };
    } catch (error) {
      if (!(error instanceof SidelightError) || error.name === "INTERNAL") throw error;
      return { error };
    }
  }

  /** Looks at a file: its parameters, and whether its payload can be used. True if there is one, whatever it is. */
  read(jpeg) {
    const { sidelight } = this;
    const whole = this.attempt(() => sidelight.readJpeg(jpeg));
    // Where the payload alone is damaged, the rest is known.
    const file = whole.error ? this.attempt(() => sidelight.readJpeg(jpeg, { payload: false })) : whole;
    this.refused = file.error;
    this.params = file.value?.params;
    this.payload = null;
    if (this.refused) return false;
    if (whole.error) {
      this.payload = { error: whole.error };
    } else if (whole.value.payload) {
      const data = whole.value.payload;
      const decoder = sidelight.decoder();
      const { error } = this.attempt(() => decoder.setPayload(data, this.params));
      decoder.close();
      this.payload = { data, error, info: this.attempt(() => sidelight.probe(data)).value };
    }
    return this.payload !== null;
  }

  /**
   * Sets what the next pictures are filtered with, as the page's settings ask: a mode of the library is returned as
   * `filter`; what is to be said of it, and how grave that is.
   */
  set({ mode, size, strength }) {
    this.decoder?.close();
    this.decoder = this.sidelight.decoder({ modelSize: size });
    this.decoder.setStrength(strength);
    return { ...this.choose(mode), facts: this.facts() };
  }

  choose(mode) {
    const { payload, refused, params } = this;
    if (refused) return unfiltered(`Sidelight can’t filter this file: ${sentence(refused)}.`, "bad");
    const trouble = payload?.error
      ? REFUSALS[payload.error.name] ?? `The payload is not used: ${sentence(payload.error)}.` : "";
    if (mode === "off") return unfiltered(trouble || "Not filtered, as you ask.", trouble ? "warn" : "");
    if (mode === "base") {
      const { error } = this.attempt(() => this.decoder.setMode("base", params));
      if (error) return unfiltered(`Not filtered: ${sentence(error)}.`, "bad");
      if (trouble) return { filter: "base", said: `${trouble} The base model filters instead.`, level: "warn" };
      const said = payload ? "Filtered by the base model; there is a payload, too."
        : "No payload in this file: the base model filters.";
      return { filter: "base", said, level: "" };
    }
    if (!payload) return unfiltered("No payload in this file, so nothing is filtered. The base model needs none.", "warn");
    if (trouble) return unfiltered(`${trouble} You see the JPEG as other programs show it.`, "warn");
    const filter = this.decoder.setPayload(payload.data, params);
    return { filter, said: `${USES[filter]}: ${bytes(payload.data.length)} in the file.`, level: "" };
  }

  /** What the payload says of itself, as pairs of a name and a text. */
  facts() {
    const { payload } = this;
    if (!payload) return { State: "none" };
    const { data, error, info } = payload;
    const state = !error ? "fits the picture" : { CORRUPT: "damaged", STALE: "stale" }[error.name] ?? sentence(error);
    return {
      State: state, Size: data ? bytes(data.length) : "",
      "Asks for": { update: "update of the base model", base: "base model", off: "no filter" }[info?.mode] ?? "",
      "Base model": info?.modelSize ? `${info.modelSize}, ${info.model.toString(16).padStart(8, "0")}` : "",
      Update: info?.updateBytes ? bytes(info.updateBytes) : "",
    };
  }

  /** Filters a picture. */
  run(picture, progress) {
    return this.decoder.filter(picture, { progress });
  }
}
