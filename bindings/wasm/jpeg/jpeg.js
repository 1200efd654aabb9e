/**
 * JPEG files to planes, as libjpeg-turbo's accurate integer transform has them, and planes to RGB as its "fancy"
 * upsampling does. Each call has an instance of its own, whose memory goes with it: what a hostile file does to one
 * ends there.
 */

/** What is wrong with a file, in words. */
export class JpegError extends Error {}

/** As C counts them. */
const LAYOUTS = ["4:0:0", "4:2:0", "4:2:2", "4:4:4", "4:4:0", "4:1:1"];

/** In front of the program's messages. */
const NAME = "jpeg";

class Instance {
  constructor(module) {
    this.said = "";
    const host = { fail: text => { throw new JpegError(this.text(text)); } };
    const wasi = {
      fd_write: (_, vectors, count, written) => this.write(vectors, count, written),
      fd_close: () => 0,
      fd_seek: () => 0,
      proc_exit: status => { throw new JpegError(`the decoder ended with status ${status}`); },
    };
    this.call = new WebAssembly.Instance(module, { host, wasi_snapshot_preview1: wasi }).exports;
  }

  bytes(at, size) {
    return new Uint8Array(this.call.memory.buffer, at >>> 0, size);
  }

  text(at) {
    const all = new Uint8Array(this.call.memory.buffer, at);
    return new TextDecoder().decode(all.subarray(0, all.indexOf(0)));
  }

  /** Messages, as the program writes them to standard error. */
  write(vectors, count, written) {
    const view = new DataView(this.call.memory.buffer);
    let sum = 0;
    for (let i = 0; i < count; i++, vectors += 8) {
      const size = view.getUint32(vectors + 4, true);
      if (this.said.length < 10000)
        this.said += new TextDecoder().decode(this.bytes(view.getUint32(vectors, true), size));
      sum += size;
    }
    view.setUint32(written, sum, true);
    return 0;
  }

  get messages() {
    return this.said.split("\n").filter(Boolean).map(line => line.replace(`${NAME}: `, ""));
  }

  room(size) {
    const at = this.call.room(size);
    if (!at) throw new JpegError("out of memory");
    return at;
  }

  plane(i) {
    const call = this.call;
    return { at: call.data(i) >>> 0, stride: call.stride(i), width: call.columns(i), height: call.rows(i) };
  }
}

/** Runs `call` on a new instance; a trap is an error of the file's. */
function run(module, call) {
  const instance = new Instance(module);
  try {
    return call(instance);
  } catch (error) {
    if (!(error instanceof WebAssembly.RuntimeError)) throw error;
    throw new JpegError(`the decoder failed: ${error.message}`);
  }
}

/**
 * Decodes a file's bytes to a picture as Sidelight takes it: `layout` ("4:2:0"), `width`, `height`, and `planes`,
 * whose `data` have no padding. Besides, `damage` says what libjpeg had to guess at, else it is null; `icc` and `exif` are the
 * file's profile and EXIF (a TIFF file), or null.
 */
export function decode(module, file) {
  return run(module, instance => {
    const { call } = instance;
    const name = new TextEncoder().encode(NAME + "\0");
    const at = instance.room(name.length);
    instance.bytes(at, name.length).set(name);
    const data = instance.room(file.length);
    instance.bytes(data, file.length).set(file);
    if (!call.decode(at, data, file.length)) throw new JpegError(instance.messages.at(-1) ?? "not decoded");
    const planes = [];
    for (let i = 0; i < call.planes(); i++) {
      const { at, stride, width, height } = instance.plane(i);
      const data = new Uint8Array(width * height);
      for (let y = 0; y < height; y++) data.set(instance.bytes(at + y * stride, width), y * width);
      planes.push({ data });
    }
    const metadata = (at, size) => at ? instance.bytes(at, size).slice() : null;
    return {
      layout: LAYOUTS[call.layout()], width: call.width(), height: call.height(), planes,
      damage: call.damaged() ? instance.messages[0] ?? "damaged" : null,
      icc: metadata(call.icc(), call.icc_size()), exif: metadata(call.exif(), call.exif_size()),
    };
  });
}

/** Rows at a time: so many are in a cache. */
const ROWS = 16;

/**
 * Turns a picture, as decode() returns it, to RGB, or gray samples where it has one plane, and calls back with a few
 * rows at a time: the samples, interleaved, and the first row's number.
 */
export function colour(module, picture, callback) {
  run(module, instance => {
    const { call } = instance;
    const { width, height, layout } = picture;
    if (!call.blank(width, height, LAYOUTS.indexOf(layout))) throw new JpegError("out of memory");
    picture.planes.forEach(({ data }, i) => {
      const { at, stride, width, height } = instance.plane(i);
      for (let y = 0; y < height; y++)
        instance.bytes(at + y * stride, width).set(data.subarray(y * width, (y + 1) * width));
    });
    const row = picture.planes.length * width;
    const out = instance.room(row * ROWS);
    for (let y = 0; y < height; y += ROWS) {
      const end = Math.min(y + ROWS, height);
      if (!call.colour(y, end, out)) throw new JpegError("out of memory");
      callback(instance.bytes(out, row * (end - y)), y);
    }
  });
}
