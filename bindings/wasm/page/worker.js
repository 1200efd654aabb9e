/**
 * What the page does beside its own thread. A request is { kind, ... }, and so is each answer: any number of
 * "progress", then one of another kind.
 */
import { colour, decode } from "./jpeg.js";
import { bmp, orientation, png, TURNS } from "./picture.js";
import { Filter } from "./filter.js";

const answer = (kind, message) => postMessage({ kind, ...message });
const progress = text => answer("progress", { text });

const LARGE = 2 ** 27;

let jpeg;
let filter;
/** The file that is open, and what is shown of it. */
let open;

async function compiled(name) {
  const response = await fetch(new URL(name, import.meta.url));
  if (!response.ok) throw new Error(`${name}: ${response.status} ${response.statusText}`);
  return WebAssembly.compile(await response.arrayBuffer());
}

async function ready() {
  jpeg ??= await compiled("jpeg.wasm");
  filter ??= await Filter.load();
}

/** The milliseconds that a call takes, and what it returns. */
function timed(call) {
  const start = performance.now();
  const result = call();
  return [performance.now() - start, result];
}

/** A BMP file of a picture in planes. */
const shown = planes => new Blob([bmp(open.picture, each => colour(jpeg, planes, each))], { type: "image/bmp" });

/** The file's profile, if it is one of pictures with so many samples a pixel. */
function profile({ icc }, channels) {
  const space = icc && new TextDecoder().decode(icc.subarray(16, 20));
  return space === (channels === 1 ? "GRAY" : "RGB ") ? icc : null;
}

const handlers = {
  async start() {
    await ready();
    answer("ready", { version: filter.version });
  },

  async open({ file }) {
    open = null;
    // Memory that an instance took for a large picture goes with it.
    if (filter?.memoryBytes > LARGE) filter = null;
    await ready();
    const bytes = new Uint8Array(await file.arrayBuffer());
    progress(`Decoding ${file.name} …`);
    const [decoding, decoded] = timed(() => decode(jpeg, bytes));
    const [reading, payload] = timed(() => filter.read(bytes));
    const { width, height, planes, layout, damage } = decoded;
    const turn = orientation(decoded.exif);
    const picture = { width, height, channels: planes.length, orientation: turn, icc: profile(decoded, planes.length) };
    open = { decoded, picture };
    progress(`Turning ${file.name} to RGB …`);
    const [colouring, before] = timed(() => shown(decoded));
    open.after = open.before = before;
    const [wide, high] = turn < 5 ? [width, height] : [height, width];
    answer("opened", {
      before, width: wide, height: high, bytes: bytes.length, layout, turn: TURNS[turn - 1],
      profile: picture.icc?.length ?? 0, damage, payload,
      times: { Decoding: decoding, "Payload and binding": reading, "To RGB": colouring },
    });
  },

  filter({ settings }) {
    if (!open) throw new Error("no file is open");
    progress("Filtering …");
    const [setting, set] = timed(() => filter.set(settings));
    const times = {};
    open.after = open.before;
    if (set.filter !== "off") {
      const [filtering, filtered] = timed(() => filter.run(open.decoded,
        part => progress(`Filtering … ${Math.round(100 * part)} %`)));
      progress("Turning it to RGB …");
      const [colouring, after] = timed(() => shown(filtered));
      open.after = after;
      Object.assign(times, { Network: setting, Filter: filtering, "Filtered to RGB": colouring });
    }
    answer("filtered", {
      after: open.after, said: set.said, level: set.level, payload: { filter: set.filter, facts: set.facts }, times,
    });
  },

  async png() {
    if (!open) throw new Error("no file is open");
    answer("png", { blob: await png(new Uint8Array(await open.after.arrayBuffer()), open.picture) });
  },
};

onmessage = async ({ data: { kind, ...request } }) => {
  try {
    await handlers[kind](request);
  } catch (error) {
    // What failed inside is not to be called again.
    if (error.name === "INTERNAL") filter = null;
    answer("failed", { message: error.message });
  }
};
