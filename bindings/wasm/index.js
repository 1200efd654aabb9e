// Sidelight's decoder in WebAssembly. The C API (include/sidelight.h) says what each call does in full.

/** The module with JPEG's small model inside. */
export const SMALL = new URL("./sidelight.wasm", import.meta.url);
/** The module with JPEG's models of all sizes. */
export const ALL = new URL("./sidelight-all.wasm", import.meta.url);
/** Strength at which corrections are added as they are. */
export const FULL_STRENGTH = 64;

const CODES = {
  CONFLICT: -1, NO_PAYLOAD: -2, OUT_OF_MEMORY: -12, UNKNOWN_MODEL: -19, INVALID_ARGUMENT: -22, TOO_LARGE: -27,
  CORRUPT: -74, UNSUPPORTED: -95, STALE: -116, INTERNAL: -131,
};

// How C's enumerations count.
const MODES = ["off", "base", "update"];
const CODECS = [undefined, "jpeg", "hevc"];
const SIZES = ["default", "small", "medium", "large"];
const LAYOUTS = ["4:0:0", "4:2:0", "4:2:2", "4:4:4", "4:4:0", "4:1:1"];
// By how much chroma is narrower and shorter in each.
const SUBSAMPLING = [[1, 1], [2, 2], [2, 1], [1, 1], [1, 2], [4, 1]];
const MAX_SIZE = 65535;
// Which of these are taken where the library says.
const BIT_DEPTHS = { least: 8, most: 16 };
// Rows between two reports of progress: a band's own rows are many beside those that it shares with its neighbours.
const BAND = 512;
// What the module could address at all; numbers beyond would wrap.
const MAX_BYTES = 2 ** 31;

// C's structs on wasm32: bytes of each, and where its fields lie.
const PARAMS = { size: 352, codec: 0, quant: 4, binding: 264, codedBytes: 272, qp: 288 };
const PICTURE = { size: 64, data: 0, stride: 12, width: 24, height: 28, layout: 32, bitDepth: 36 };
const SETTINGS = { size: 72, threads: 0, skipBinding: 4, modelSize: 8 };
const INFO = { size: 64, mode: 0, model: 4, known: 8, codec: 12, modelSize: 16, updateBytes: 20, qp: 24 };
const BUFFER = { size: 8, data: 0, bytes: 4 };

/** Why a call failed: `code` is a SidelightError of the header, `name` its name there. */
export class SidelightError extends Error {
  constructor(code, message) {
    super(message);
    this.code = code;
    this.name = Object.keys(CODES).find((name) => CODES[name] === code) ?? "UNKNOWN";
  }
}

function invalid(message) {
  return new SidelightError(CODES.INVALID_ARGUMENT, message);
}

/** The number that stands for `name` among `names`. */
function numberOf(names, name, what) {
  const number = name === undefined ? -1 : names.indexOf(name);
  if (number < 0) throw invalid(`${what} is ${String(name)}, none of ${names.filter(Boolean).join(", ")}`);
  return number;
}

function bytesOf(source, what) {
  if (source instanceof ArrayBuffer) return new Uint8Array(source);
  if (ArrayBuffer.isView(source)) return new Uint8Array(source.buffer, source.byteOffset, source.byteLength);
  throw invalid(`${what} is neither an ArrayBuffer nor a view of one`);
}

/** Columns and rows of each plane. */
function planeSizes({ layout, width, height }) {
  const number = numberOf(LAYOUTS, layout, "layout");
  for (const [name, size] of Object.entries({ width, height })) {
    if (!Number.isInteger(size) || size < 1 || size > MAX_SIZE) {
      throw invalid(`${name} is ${size}, not 1 to ${MAX_SIZE}`);
    }
  }
  const [wide, tall] = SUBSAMPLING[number];
  const chroma = [Math.ceil(width / wide), Math.ceil(height / tall)];
  return number === 0 ? [[width, height]] : [[width, height], chroma, chroma];
}

/** An empty picture: planes without padding. */
export function createPicture(layout, width, height, bitDepth = 8) {
  const Samples = bitDepth > 8 ? Uint16Array : Uint8Array;
  const planes = planeSizes({ layout, width, height }).map(([columns, rows]) => {
    return { data: new Samples(columns * rows), stride: columns };
  });
  return { layout, width, height, bitDepth, planes };
}

/** The planes of a picture that was handed over: columns, rows, stride, and samples known to be there. */
function checkedPlanes(picture, what) {
  const { bitDepth = 8 } = picture;
  const { least, most } = BIT_DEPTHS;
  if (!Number.isInteger(bitDepth) || bitDepth < least || bitDepth > most) {
    throw invalid(`${what}.bitDepth is ${bitDepth}, not ${least} to ${most}`);
  }
  const Samples = bitDepth > 8 ? Uint16Array : Uint8Array;
  return planeSizes(picture).map(([columns, rows], i) => {
    const { data, stride = columns } = picture.planes?.[i] ?? {};
    const isBytes = Samples === Uint8Array && data instanceof Uint8ClampedArray;
    if (!(data instanceof Samples || isBytes)) {
      throw invalid(`${what}.planes[${i}].data is no ${Samples.name}, and bitDepth is ${bitDepth}`);
    }
    if (!Number.isInteger(stride) || stride < columns) {
      throw invalid(`${what}.planes[${i}].stride is ${stride}, less than ${columns} samples`);
    }
    if (data.length < stride * (rows - 1) + columns) {
      throw invalid(`${what}.planes[${i}].data has ${data.length} samples, too few for ${rows} rows`);
    }
    return { data, stride, columns, rows };
  });
}

async function compile(source) {
  if (source instanceof WebAssembly.Module) return source;
  if (source instanceof ArrayBuffer || ArrayBuffer.isView(source)) return WebAssembly.compile(source);
  if (typeof Response !== "undefined" && source instanceof Response) return compileResponse(source);
  // As a page's other addresses; Node has no address of its own.
  const url = new URL(source, globalThis.location?.href ?? import.meta.url);
  if (url.protocol === "file:") {
    const { readFile } = await import(/* @vite-ignore */ "node:fs/promises");
    return WebAssembly.compile(await readFile(url));
  }
  return compileResponse(await fetch(url));
}

async function compileResponse(response) {
  if (!response.ok) throw new Error(`${response.url}: ${response.status} ${response.statusText}`);
  return WebAssembly.compile(await response.arrayBuffer());
}

/** An instance of the library, with memory of its own. It runs on the thread that calls it. */
export class Sidelight {
  #exports;
  /** What ended the instance, if anything did. */
  #trap = null;

  constructor(instance) {
    this.#exports = instance.exports;
  }

  /** Opens a module: its URL, bytes, a Response or a WebAssembly.Module; SMALL if nothing is said. */
  static async open(source = SMALL) {
    return new Sidelight(await WebAssembly.instantiate(await compile(source)));
  }

  /** The library's version: "0.1.0". */
  get version() {
    const version = this._call("sidelight_version");
    return [version >> 16, (version >> 8) & 255, version & 255].join(".");
  }

  /** The instance's memory in bytes. It grows with what it is given, and never shrinks. */
  get memoryBytes() {
    return this.#exports.memory.buffer.byteLength;
  }

  /**
   * A JPEG's parameters and the payload in it, or null where there is none. Where the payload is damaged,
   * `{ payload: false }` still gives the parameters.
   */
  readJpeg(jpeg, { payload: wanted = true } = {}) {
    return this._scope((memory) => {
      const bytes = memory.bytes(bytesOf(jpeg, "jpeg"));
      const params = memory.zeroed(PARAMS.size);
      const buffer = wanted ? memory.zeroed(BUFFER.size) : 0;
      const found = this._result("sidelight_jpeg_read", bytes.at, bytes.size, params, buffer);
      try {
        return { params: this._paramsAt(params), payload: found ? this._bufferAt(buffer) : null };
      } finally {
        if (wanted) this._call("sidelight_buffer_unref", buffer);
      }
    });
  }

  /** What a payload says of itself. */
  probe(payload) {
    return this._scope((memory) => {
      const bytes = memory.bytes(bytesOf(payload, "payload"));
      const info = memory.zeroed(INFO.size);
      this._result("sidelight_payload_probe", bytes.at, bytes.size, info);
      const view = this._view();
      const field = (name) => view.getUint32(info + INFO[name], true);
      return {
        mode: MODES[field("mode")],
        model: field("model"),
        known: field("known") === 1,
        codec: CODECS[field("codec")] ?? null,
        modelSize: field("modelSize") === 0 ? null : SIZES[field("modelSize")],
        updateBytes: field("updateBytes"),
        qp: [0, 1, 2].map((i) => view.getUint8(info + INFO.qp + i)),
      };
    });
  }

  /** The largest difference of decoded planes from those of the accurate integer transform: more than 1 is bad. */
  checkPlanes(jpeg, decoded) {
    return this._scope((memory) => {
      const bytes = memory.bytes(bytesOf(jpeg, "jpeg"));
      const planes = checkedPlanes(decoded, "decoded");
      const picture = this._picture(memory, decoded, planes);
      picture.write();
      return this._result("sidelight_jpeg_check_planes", bytes.at, bytes.size, picture.at);
    });
  }

  /** A new decoder, which lets pictures through until a payload or a mode is set. */
  decoder(settings = {}) {
    return new Decoder(this, settings);
  }

  /** Calls a function of the module. What traps ends the instance: nothing is known of its memory then. */
  _call(name, ...args) {
    if (this.#trap) {
      const message = `the instance ended by an earlier error (${this.#trap.message}): open a new one`;
      throw new SidelightError(CODES.INTERNAL, message);
    }
    try {
      return this.#exports[name](...args);
    } catch (error) {
      if (!(error instanceof WebAssembly.RuntimeError || error instanceof RangeError)) throw error;
      this.#trap = error;
      throw new SidelightError(CODES.INTERNAL, `${name}: ${error.message}; the instance has ended`);
    }
  }

  /** Calls a function whose results below zero are errors. */
  _result(name, ...args) {
    const result = this._call(name, ...args);
    if (result >= 0) return result;
    const text = this._call("sidelight_strerror", result);
    const bytes = this._bytes();
    const message = new TextDecoder().decode(bytes.slice(text, bytes.indexOf(0, text)));
    throw new SidelightError(result, `${name}: ${message}`);
  }

  /** All of memory. A call may make it grow, which ends views of it: none is kept over one. */
  _bytes() {
    return new Uint8Array(this.#exports.memory.buffer);
  }

  _view() {
    return new DataView(this.#exports.memory.buffer);
  }

  _alloc(size) {
    const at = size < MAX_BYTES ? this._call("sidelight_wasm_alloc", size) >>> 0 : 0;
    if (at === 0) throw new SidelightError(CODES.OUT_OF_MEMORY, `no memory for ${size} bytes`);
    return at;
  }

  /** Whether an earlier error ended the instance. */
  get _ended() {
    return this.#trap !== null;
  }

  /** Runs `body` with memory that is given back behind it. */
  _scope(body) {
    const taken = [];
    const take = (size) => {
      const at = this._alloc(size);
      taken.push([at, size]);
      return at;
    };
    const memory = {
      take,
      zeroed: (size) => {
        const at = take(size);
        this._bytes().fill(0, at, at + size);
        return at;
      },
      bytes: (from) => {
        const size = from.length;
        const at = size === 0 ? 0 : take(size);
        this._bytes().set(from, at);
        return { at, size };
      },
    };
    try {
      return body(memory);
    } finally {
      if (!this.#trap) for (const [at, size] of taken) this._call("sidelight_wasm_free", at, size);
    }
  }

  /** Room for a picture, and its struct. `write` copies the planes in, `read` out of it. */
  _picture(memory, { layout, width, height, bitDepth = 8 }, planes) {
    const sampleBytes = bitDepth > 8 ? 2 : 1;
    const at = memory.zeroed(PICTURE.size);
    const data = planes.map(({ columns, rows }) => memory.take(columns * rows * sampleBytes));
    const view = this._view();
    planes.forEach(({ columns }, i) => {
      view.setUint32(at + PICTURE.data + 4 * i, data[i], true);
      view.setUint32(at + PICTURE.stride + 4 * i, columns * sampleBytes, true);
    });
    view.setUint32(at + PICTURE.width, width, true);
    view.setUint32(at + PICTURE.height, height, true);
    view.setUint32(at + PICTURE.layout, LAYOUTS.indexOf(layout), true);
    view.setUint32(at + PICTURE.bitDepth, bitDepth, true);
    // Rows of a plane inside and outside, as views that hold until the next call.
    const each = (copy) => {
      const buffer = this.#exports.memory.buffer;
      planes.forEach(({ data: outside, stride, columns, rows }, i) => {
        const Samples = sampleBytes === 2 ? Uint16Array : Uint8Array;
        const inside = new Samples(buffer, data[i], columns * rows);
        const step = stride === columns ? rows : 1;
        for (let y = 0; y < rows; y += step) {
          const end = y * stride + step * columns;
          copy(inside.subarray(y * columns, (y + step) * columns), outside.subarray(y * stride, end));
        }
      });
    };
    return {
      at,
      write: () => each((inside, outside) => inside.set(outside)),
      read: () => each((inside, outside) => outside.set(inside)),
    };
  }

  _bufferAt(at) {
    const view = this._view();
    const data = view.getUint32(at + BUFFER.data, true);
    return this._bytes().slice(data, data + view.getUint32(at + BUFFER.bytes, true));
  }

  _paramsAt(at) {
    const view = this._view();
    const table = (which) => {
      const step = (_, i) => view.getUint16(at + PARAMS.quant + 128 * which + 2 * i, true);
      return Uint16Array.from({ length: 64 }, step);
    };
    const chroma = table(1);
    return {
      codec: "jpeg",
      quant: [table(0), chroma.every((step) => step === 0) ? null : chroma],
      binding: view.getBigUint64(at + PARAMS.binding, true),
      codedBytes: Number(view.getBigUint64(at + PARAMS.codedBytes, true)),
    };
  }

  _params(memory, { codec, quant = [], binding = 0n, qp = [] }) {
    const at = memory.zeroed(PARAMS.size);
    const view = this._view();
    view.setUint32(at + PARAMS.codec, numberOf(CODECS, codec, "params.codec"), true);
    for (const which of [0, 1]) {
      for (let i = 0; i < 64; i++) {
        view.setUint16(at + PARAMS.quant + 128 * which + 2 * i, quant[which]?.[i] ?? 0, true);
      }
    }
    view.setBigUint64(at + PARAMS.binding, BigInt(binding), true);
    for (const i of [0, 1, 2]) view.setUint8(at + PARAMS.qp + i, qp[i] ?? 0);
    return at;
  }
}

/** Filters pictures as a payload, or a mode, asks. */
export class Decoder {
  #library;
  #handle = 0;
  /** Where the handle lies for the call that closes it, which must not want memory. */
  #cell = 0;

  constructor(library, { modelSize = "default", skipBinding = false }) {
    this.#library = library;
    const size = numberOf(SIZES, modelSize, "modelSize");
    library._scope((memory) => {
      const settings = memory.zeroed(SETTINGS.size);
      this.#cell = library._alloc(4);
      const view = library._view();
      view.setUint32(settings + SETTINGS.threads, 1, true);
      view.setUint32(settings + SETTINGS.skipBinding, Number(skipBinding), true);
      view.setUint32(settings + SETTINGS.modelSize, size, true);
      try {
        library._result("sidelight_decoder_open", settings, this.#cell);
      } catch (error) {
        if (!library._ended) library._call("sidelight_wasm_free", this.#cell, 4);
        throw error;
      }
      this.#handle = library._view().getUint32(this.#cell, true);
    });
  }

  /**
   * Sets what a payload asks for, and returns its mode. On an error (`name` STALE: made for another picture;
   * UNKNOWN_MODEL: not inside this module) the decoder lets pictures through.
   */
  setPayload(payload, params) {
    const library = this.#open();
    return library._scope((memory) => {
      const bytes = memory.bytes(bytesOf(payload, "payload"));
      const at = library._params(memory, params);
      return MODES[library._result("sidelight_decoder_set_payload", this.#handle, bytes.at, bytes.size, at)];
    });
  }

  /** Sets filtering without a payload: "base" for the base model that fits `params`, or "off". */
  setMode(mode, params) {
    const library = this.#open();
    const number = numberOf(MODES, mode, "mode");
    library._scope((memory) => {
      const at = params ? library._params(memory, params) : 0;
      library._result("sidelight_decoder_set_mode", this.#handle, number, at);
    });
  }

  /** Sets how much of the correction pictures get: 0 to FULL_STRENGTH. */
  setStrength(strength) {
    if (!Number.isInteger(strength) || strength < 0 || strength > FULL_STRENGTH) {
      throw invalid(`strength is ${strength}, not 0 to ${FULL_STRENGTH}`);
    }
    this.#open()._result("sidelight_decoder_set_strength", this.#handle, strength);
  }

  /**
   * Filters a picture into `out`, or into a new one of `bitDepth` bits, and returns that. `progress` is told the part
   * that is done, up to 1, every some hundred rows.
   */
  filter(picture, { bitDepth = picture.bitDepth ?? 8, out, progress } = {}) {
    const library = this.#open();
    const from = checkedPlanes(picture, "picture");
    const to = out ?? createPicture(picture.layout, picture.width, picture.height, bitDepth);
    const into = checkedPlanes(to, "out");
    return library._scope((memory) => {
      const input = library._picture(memory, picture, from);
      const output = library._picture(memory, to, into);
      input.write();
      const rows = progress ? BAND : picture.height;
      for (let row = 0; row < picture.height; row += rows) {
        const end = Math.min(row + rows, picture.height);
        library._result("sidelight_decoder_filter_band", this.#handle, input.at, output.at, row, end);
        progress?.(end / picture.height);
      }
      output.read();
      return to;
    });
  }

  /** Gives back the decoder's memory. */
  close() {
    if (this.#handle === 0) return;
    const library = this.#library;
    this.#handle = 0;
    // Of an instance that has ended all goes with it.
    if (library._ended) return;
    library._call("sidelight_decoder_close", this.#cell);
    library._call("sidelight_wasm_free", this.#cell, 4);
  }

  #open() {
    if (this.#handle === 0) throw invalid("the decoder is closed");
    return this.#library;
  }
}
