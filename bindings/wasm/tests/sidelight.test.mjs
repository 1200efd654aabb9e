// The package against the native library: SIDELIGHT_PACKAGE is its folder, SIDELIGHT_EXAMPLES that of jpeg_encode
// and jpeg_decode. Run by bindings/wasm/test.sh.
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import { after, test } from "node:test";
import { pathToFileURL } from "node:url";

const { ALL, Sidelight, SidelightError, createPicture } = await import(
  pathToFileURL(path.join(process.env.SIDELIGHT_PACKAGE, "index.js"))
);
const examples = process.env.SIDELIGHT_EXAMPLES;
const root = path.join(import.meta.dirname ?? path.dirname(new URL(import.meta.url).pathname), "../../..");
const folder = fs.mkdtempSync(path.join(os.tmpdir(), "sidelight-wasm-"));
after(() => fs.rmSync(folder, { recursive: true }));

const small = await Sidelight.open();
const all = await Sidelight.open(ALL);

/** A picture that has something to code: waves, an edge, and noise from a linear congruential generator. */
function writePicture(name, width, height, channels) {
  let state = 1;
  const pixels = Buffer.alloc(width * height * channels);
  for (let i = 0; i < pixels.length; i++) {
    const [c, x, y] = [i % channels, Math.floor(i / channels) % width, Math.floor(i / channels / width)];
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    const wave = 60 * Math.sin(x / (5 + c)) * Math.cos(y / 7) + (x > y ? 30 : -30);
    pixels[i] = Math.max(0, Math.min(255, Math.round(128 + wave + (state >>> 28))));
  }
  const file = path.join(folder, name);
  fs.writeFileSync(file, Buffer.concat([Buffer.from(`P${channels === 3 ? 6 : 5}\n${width} ${height}\n255\n`), pixels]));
  return file;
}

function run(program, ...args) {
  return execFileSync(path.join(examples, program), args, { maxBuffer: 1 << 28, stdio: ["ignore", "pipe", "pipe"] });
}

/** A y4m file's picture. */
function readY4m(bytes) {
  const end = bytes.indexOf("\n");
  const header = bytes.toString("latin1", 0, end);
  const field = (letter) => header.match(new RegExp(` ${letter}(\\S+)`))[1];
  const names = { mono: "4:0:0", "420jpeg": "4:2:0", 422: "4:2:2", 444: "4:4:4", 440: "4:4:0", 411: "4:1:1" };
  const picture = createPicture(names[field("C")], Number(field("W")), Number(field("H")));
  let at = end + 1 + "FRAME\n".length;
  for (const plane of picture.planes) {
    plane.data.set(bytes.subarray(at, at + plane.data.length));
    at += plane.data.length;
  }
  assert.equal(at, bytes.length);
  return picture;
}

/** The picture that the native decoder shows. */
function native(jpeg, ...options) {
  return readY4m(run("jpeg_decode", "--format", "y4m", ...options, jpeg, "-"));
}

/** A hash of what a picture shows, whatever its strides are. */
function hash({ layout, width, height, planes }) {
  const sizes = createPicture(layout, width, height).planes.map(({ data, stride }) => [stride, data.length / stride]);
  const all = createHash("sha256").update(`${layout} ${width} ${height}`);
  planes.forEach(({ data, stride }, i) => {
    const [columns, rows] = sizes[i];
    for (let y = 0; y < rows; y++) {
      const row = data.subarray(y * (stride ?? columns), y * (stride ?? columns) + columns);
      all.update(new Uint8Array(row.buffer, row.byteOffset, row.byteLength));
    }
  });
  return all.digest("hex");
}

function encoded(name, picture, ...options) {
  const jpeg = path.join(folder, name);
  run("jpeg_encode", "--quality", "20", "--steps", "40", ...options, picture, jpeg);
  return jpeg;
}

function throwsNamed(name, body) {
  assert.throws(body, (error) => error instanceof SidelightError && error.name === name && error.code < 0);
}

const cases = [
  ["4:2:0", 3, 96, 80, "--sampling", "420"],
  ["4:2:0, odd", 3, 101, 67, "--sampling", "420"],
  ["4:2:2, odd", 3, 101, 67, "--sampling", "422"],
  ["4:4:4, odd", 3, 67, 101, "--sampling", "444"],
  ["4:4:0", 3, 64, 65, "--sampling", "440"],
  ["4:1:1, odd", 3, 103, 65, "--sampling", "411"],
  ["gray, odd", 1, 75, 53],
  ["one pixel", 1, 1, 1],
  ["a line", 3, 200, 1, "--sampling", "420"],
];

for (const [name, channels, width, height, ...options] of cases) {
  test(`pixels are the native library's: ${name}`, () => {
    const picture = writePicture(`${name.replaceAll(/\W/g, "")}.ppm`, width, height, channels);
    for (const size of ["small", "medium", "large"]) {
      const jpeg = encoded(`${size}.jpg`, picture, "--model-size", size, ...options);
      const bytes = fs.readFileSync(jpeg);
      const decoded = native(jpeg, "--mode", "off");
      const library = size === "small" ? small : all;
      const { params, payload } = library.readJpeg(bytes);
      const decoder = library.decoder({ modelSize: size });
      assert.equal(hash(decoder.filter(decoded)), hash(decoded), "passes through");
      if (payload) {
        const mode = decoder.setPayload(payload, params);
        assert.equal(mode, library.probe(payload).mode);
        assert.equal(hash(decoder.filter(decoded)), hash(native(jpeg)), mode);
      }
      decoder.setMode("base", params);
      const base = hash(native(jpeg, "--mode", "base", "--model-size", size));
      assert.equal(hash(decoder.filter(decoded)), base);
      if (width > 1) assert.notEqual(base, hash(decoded));
      decoder.close();
    }
  });
}

const photograph = path.join(root, "tests/pictures/camera.png");
const jpeg = encoded("camera.jpg", photograph, "--model-size", "small");
const bytes = fs.readFileSync(jpeg);
const decoded = native(jpeg, "--mode", "off");
const filtered = native(jpeg);

test("a payload with an update", () => {
  const { params, payload } = small.readJpeg(bytes);
  const info = small.probe(payload);
  assert.deepEqual([info.mode, info.known, info.codec, info.modelSize], ["update", true, "jpeg", "small"]);
  assert.ok(info.updateBytes > 0 && info.updateBytes < payload.length);
  const decoder = small.decoder();
  assert.equal(decoder.setPayload(payload, params), "update");
  assert.equal(hash(decoder.filter(decoded)), hash(filtered));
  assert.equal(small.checkPlanes(bytes, decoded), 0);
  assert.ok(small.checkPlanes(bytes, filtered) > 1);
});

test("strides, views, clamped arrays and a picture to write into", () => {
  const { params, payload } = small.readJpeg(new Uint8Array([0, 0, ...bytes]).subarray(2));
  const decoder = small.decoder();
  decoder.setPayload(payload, params);
  const { layout, width, height } = decoded;
  const wide = width + 7;
  const memory = new Uint8ClampedArray(3 + wide * height);
  const padded = { layout, width, height, planes: [{ data: memory.subarray(3), stride: wide }] };
  for (let y = 0; y < height; y++) {
    padded.planes[0].data.set(decoded.planes[0].data.subarray(y * width, (y + 1) * width), y * wide);
  }
  assert.equal(hash(decoder.filter(padded)), hash(filtered));
  const out = { layout, width, height, planes: [{ data: new Uint8Array(wide * height).fill(77), stride: wide }] };
  assert.equal(decoder.filter(decoded, { out }), out);
  assert.equal(hash(out), hash(filtered));
  for (let y = 0; y < height; y++) {
    const padding = out.planes[0].data.subarray(y * wide + width, (y + 1) * wide);
    assert.ok(padding.every((sample) => sample === 77));
  }
});

test("deeper output and strength", () => {
  const { params } = small.readJpeg(bytes);
  const decoder = small.decoder({ modelSize: "small" });
  decoder.setMode("base", params);
  const base = decoder.filter(decoded);
  const deep = decoder.filter(decoded, { bitDepth: 16 });
  assert.ok(deep.planes[0].data instanceof Uint16Array && deep.bitDepth === 16);
  // The largest sample of 16 bits is nearly 256 of 8.
  const near = (deep, plain) => Math.abs(deep / 256 - plain) <= 0.5 || deep > 255 * 256;
  const rounded = deep.planes[0].data.every((s, i) => near(s, base.planes[0].data[i]));
  assert.ok(rounded && deep.planes[0].data.some((s) => s % 256 !== 0));
  // As samples of 10 bits, whose picture is the same.
  const words = createPicture(decoded.layout, decoded.width, decoded.height, 10);
  decoded.planes[0].data.forEach((s, i) => (words.planes[0].data[i] = s << 2));
  const ten = decoder.filter(words);
  assert.ok(ten.planes[0].data.every((s, i) => Math.abs(s / 4 - deep.planes[0].data[i] / 256) <= 0.25));
  assert.equal(ten.bitDepth, 10);
  decoder.setStrength(0);
  assert.equal(hash(decoder.filter(decoded)), hash(decoded));
  throwsNamed("INVALID_ARGUMENT", () => decoder.setStrength(65));
  throwsNamed("INVALID_ARGUMENT", () => decoder.setStrength(0.5));
  decoder.setStrength(64);
  assert.equal(hash(decoder.filter(decoded)), hash(base));
});

test("a payload of another picture is stale, and the picture passes through", () => {
  const { payload } = small.readJpeg(bytes);
  const { params } = small.readJpeg(fs.readFileSync(encoded("other.jpg", photograph, "--no-payload", "--quality", "30")));
  const decoder = small.decoder();
  throwsNamed("STALE", () => decoder.setPayload(payload, params));
  assert.equal(hash(decoder.filter(decoded)), hash(decoded));
  assert.equal(small.decoder({ skipBinding: true }).setPayload(payload, params), "update");
});

test("a model that is not inside", () => {
  const medium = fs.readFileSync(encoded("medium.jpg", photograph));
  const { params, payload } = small.readJpeg(medium);
  assert.equal(small.probe(payload).known, false);
  throwsNamed("UNKNOWN_MODEL", () => small.decoder().setPayload(payload, params));
  assert.equal(all.probe(payload).modelSize, "medium");
});

test("hostile bytes give errors, and the instance goes on", () => {
  const { params, payload } = small.readJpeg(bytes);
  const decoder = small.decoder();
  const codes = new Set();
  const refused = (body) => {
    try {
      body();
    } catch (error) {
      assert.ok(error instanceof SidelightError && error.name !== "INTERNAL", error.stack);
      codes.add(error.name);
    }
  };
  for (let size = 0; size < payload.length; size++) refused(() => decoder.setPayload(payload.subarray(0, size), params));
  for (let i = 0; i < payload.length; i++) {
    const damaged = payload.slice();
    damaged[i] ^= 1 << i % 8;
    refused(() => decoder.setPayload(damaged, params));
  }
  refused(() => decoder.setPayload(new Uint8Array(1 << 20), params));
  assert.ok(["CORRUPT", "TOO_LARGE", "STALE"].every((name) => codes.has(name)), [...codes].join());
  for (let size = 0; size < bytes.length; size += 37) refused(() => small.readJpeg(bytes.subarray(0, size)));
  for (const file of fs.readdirSync(path.join(root, "tests/data/jpeg")).filter((name) => name.endsWith(".jpg"))) {
    refused(() => small.readJpeg(fs.readFileSync(path.join(root, "tests/data/jpeg", file))));
  }
  assert.equal(decoder.setPayload(payload, params), "update");
  assert.equal(hash(decoder.filter(decoded)), hash(filtered));
});

test("arguments are checked before memory is touched", () => {
  const decoder = small.decoder();
  const { layout, width, height, planes } = decoded;
  const [{ data }] = planes;
  const before = small.memoryBytes;
  const bad = [
    { layout, width: 65536, height, planes },
    { layout, width: 65535, height: 65535, planes },
    { layout, width: 0, height, planes },
    { layout, width: -1, height, planes },
    { layout, width: 1.5, height, planes },
    { layout, width: NaN, height, planes },
    { layout: "4:2:1", width, height, planes },
    { layout: "4:2:0", width, height, planes },
    { layout, width, height },
    { layout, width, height, planes: [{ data, stride: width - 1 }] },
    { layout, width, height, planes: [{ data: data.subarray(1) }] },
    { layout, width, height, planes: [{ data: Array.from(data) }] },
    { layout, width, height, bitDepth: 10, planes },
    { layout, width, height, bitDepth: 2 ** 32 + 8, planes: [{ data: new Uint16Array(data) }] },
    { layout, width, height, bitDepth: 9, planes: [{ data: new Uint16Array(data) }] },
  ];
  for (const picture of bad) {
    const names = picture.bitDepth === 9 ? "UNSUPPORTED" : "INVALID_ARGUMENT";
    throwsNamed(names, () => decoder.filter(picture));
  }
  throwsNamed("INVALID_ARGUMENT", () => decoder.filter(decoded, { out: createPicture(layout, width, height - 1) }));
  throwsNamed("INVALID_ARGUMENT", () => decoder.setStrength(2 ** 32 + 64));
  throwsNamed("INVALID_ARGUMENT", () => decoder.setMode("update", { codec: "jpeg" }));
  throwsNamed("INVALID_ARGUMENT", () => decoder.setMode("base", { codec: "jpeg" }));
  throwsNamed("INVALID_ARGUMENT", () => decoder.setMode("base", { codec: "png" }));
  throwsNamed("INVALID_ARGUMENT", () => small.readJpeg("a string"));
  throwsNamed("INVALID_ARGUMENT", () => small.decoder({ modelSize: "huge" }));
  assert.ok(small.memoryBytes - before <= 4 * data.length, "nothing absurd was allocated");
  assert.equal(hash(decoder.filter(decoded)), hash(decoded));
  decoder.close();
  decoder.close();
  throwsNamed("INVALID_ARGUMENT", () => decoder.filter(decoded));
});

test("memory that grows, is used again, and ends", async () => {
  const library = await Sidelight.open();
  const decoder = library.decoder({ modelSize: "small" });
  const { params } = library.readJpeg(bytes);
  decoder.setMode("base", params);
  const before = library.memoryBytes;
  const large = createPicture("4:2:0", 1200, 1000);
  const expected = hash(decoder.filter(large));
  assert.ok(library.memoryBytes > before);
  // The allocator finds its places by and by.
  for (let i = 0; i < 3; i++) assert.equal(hash(decoder.filter(large)), expected);
  const grown = library.memoryBytes;
  for (let i = 0; i < 8; i++) decoder.filter(large);
  assert.equal(library.memoryBytes, grown, "nothing leaks");
  for (let i = 0; i < 200; i++) library.decoder().close();
  for (let i = 0; i < 20; i++) library.readJpeg(bytes);
  assert.equal(library.memoryBytes, grown, "nothing leaks");
  // More than wasm32 has: the error is told, and what was there goes on.
  const huge = createPicture("4:0:0", 50000, 45000);
  throwsNamed("OUT_OF_MEMORY", () => decoder.filter(huge));
  assert.equal(hash(decoder.filter(large)), expected);
});

test("an instance that has ended says so, and a new one works", async () => {
  const module = await WebAssembly.compile(fs.readFileSync(path.join(process.env.SIDELIGHT_PACKAGE, "sidelight.wasm")));
  const library = await Sidelight.open(module);
  const decoder = library.decoder();
  // No caller gets here: what a trap does is looked at by a call that is wrong on purpose.
  throwsNamed("INTERNAL", () => library._call("sidelight_buffer_unref", -4));
  throwsNamed("INTERNAL", () => library.readJpeg(bytes));
  // What comes after the error that ended it must not hide that.
  decoder.close();
  assert.ok((await Sidelight.open(module)).readJpeg(bytes).payload);
});

test("versions agree", () => {
  const manifest = JSON.parse(fs.readFileSync(path.join(process.env.SIDELIGHT_PACKAGE, "package.json")));
  assert.equal(manifest.version, small.version);
  assert.equal(all.version, small.version);
});
