// Times the filter of the package beside that of the native library, one thread each, by turns:
//
//   node bindings/wasm/bench.mjs [ROUNDS] [LEVEL]
//
// wants `make wasm` and `make c-benches`. A frame of 1920×1080 in 4:2:0 through the base models; the module's times have
// the copies of planes into its memory and out of it. LEVEL is the native library's, by default sse41.
import { execFileSync } from "node:child_process";
import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import { pathToFileURL } from "node:url";

const root = path.join(path.dirname(new URL(import.meta.url).pathname), "../..");
const target = process.env.CARGO_TARGET_DIR ?? path.join(root, "target");
const folder = process.env.SIDELIGHT_PACKAGE ?? path.join(target, "wasm/package");
const native = process.env.SIDELIGHT_BENCH ?? path.join(root, "benches/c/build/bench_filter");
const rounds = Number(process.argv[2] ?? 7);
const level = process.argv[3] ?? "sse41";

const { ALL, Sidelight, createPicture } = await import(pathToFileURL(path.join(folder, "index.js")));
const library = await Sidelight.open(ALL);
const picture = createPicture("4:2:0", 1920, 1080);
const frame = path.join(fs.mkdtempSync(path.join(os.tmpdir(), "sidelight-bench-")), "frame.yuv");
let state = 1;
for (const { data } of picture.planes) {
  for (let i = 0; i < data.length; i++) {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    data[i] = state >>> 24;
  }
}
fs.writeFileSync(frame, Buffer.concat(picture.planes.map(({ data }) => data)));

function nativeTime(size) {
  const options = ["--size", "1920x1080", "--format", "yuv420p", "--repeat", "1"];
  const text = execFileSync(native, [...options, "--cpu", level, "--model-size", size, frame], { encoding: "utf8" });
  return Number(text.match(/^filter\s+(\S+) ms/m)[1]);
}

function moduleTime(decoder, out) {
  const start = performance.now();
  decoder.filter(picture, { out });
  return performance.now() - start;
}

function median(times) {
  const sorted = [...times].sort((a, b) => a - b);
  return (sorted[(sorted.length - 1) >> 1] + sorted[sorted.length >> 1]) / 2;
}

console.log(`${os.cpus()[0].model}, Node ${process.version}, medians of ${rounds}`);
console.log(`size    native ${level}   WebAssembly   speed of the native one`);
for (const size of ["small", "medium", "large"]) {
  const decoder = library.decoder({ modelSize: size });
  decoder.setMode("base", { codec: "jpeg", quant: [new Array(64).fill(30), null] });
  const out = createPicture("4:2:0", 1920, 1080);
  // The engine compiles hot code anew.
  for (let i = 0; i < 3; i++) decoder.filter(picture, { out });
  const times = { native: [], module: [] };
  for (let i = 0; i < rounds; i++) {
    times.native.push(nativeTime(size));
    times.module.push(moduleTime(decoder, out));
  }
  const [a, b] = [median(times.native), median(times.module)];
  const row = [size.padEnd(8), a.toFixed(1).padStart(10), " ms", b.toFixed(1).padStart(11), " ms", (a / b).toFixed(2).padStart(14)];
  console.log(row.join(""));
}
fs.rmSync(path.dirname(frame), { recursive: true });
