/**
 * Tests of the page in a headless Chromium, beside the native programs: node test.mjs PAGE EXAMPLES COMMAND WORK
 *
 * PAGE is the folder that is served, EXAMPLES has jpeg_encode and jpeg_decode, COMMAND is the command sidelight. WORK
 * has what package.json asks for, and gets what is made. Ends with "N passed, N failed".
 */
import { execFileSync, spawn } from "node:child_process";
import { createHash } from "node:crypto";
import { readFileSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { join, resolve } from "node:path";
import { fileURLToPath } from "node:url";

const [page_folder, examples, command, work] = process.argv.slice(2).map(path => resolve(path));
const tests_folder = fileURLToPath(new URL("../../../../tests/", import.meta.url));
const pictures = join(tests_folder, "pictures");
const golden = join(tests_folder, "data/jpeg");
const { chromium } = createRequire(join(work, "package.json"))("playwright-core");

let [passed, failed] = [0, 0];
function check(name, ok, told = "") {
  if (ok) passed++; else failed++;
  if (!ok) console.log(`FAILED: ${name}${told && `: ${told}`}`);
}
const same = (name, a, b) => check(name, a === b, `${a}, not ${b}`);
const says = (name, text, words) => check(name, text.includes(words), `"${text}" lacks "${words}"`);

const hash = bytes => createHash("sha256").update(bytes).digest("hex");
const at = name => join(work, name);

/** A native program's output; it may warn. */
const native = (program, args, env = {}) =>
  execFileSync(program, args, { env: { ...process.env, ...env }, encoding: "utf8", stdio: ["ignore", "pipe", "ignore"] });
/** The same, whatever its status. */
const tolerant = (...args) => {
  try { return native(...args); } catch { return ""; }
};

// ---- files ----

/** A binary PPM or PGM file. */
function pnm(bytes) {
  const head = bytes.subarray(0, 40).toString("latin1").match(/^P([56])\n(\d+) (\d+)\n255\n/);
  const [width, height] = [Number(head[2]), Number(head[3])];
  return { channels: head[1] === "6" ? 3 : 1, width, height, samples: bytes.subarray(head[0].length) };
}

function write(name, { channels, width, height, samples }) {
  const head = `P${channels === 3 ? 6 : 5}\n${width} ${height}\n255\n`;
  writeFileSync(at(name), Buffer.concat([Buffer.from(head), samples]));
}

/** A part of a picture, which is repeated where it ends. */
function part({ channels, width, height, samples }, x, y, wide, high) {
  const out = Buffer.alloc(channels * wide * high);
  for (let row = 0; row < high; row++)
    for (let column = 0; column < wide; column++) {
      const from = channels * ((y + row) % height * width + (x + column) % width);
      samples.copy(out, channels * (row * wide + column), from, from + channels);
    }
  return { channels, width: wide, height: high, samples: out };
}

const gray = ({ width, height, samples }) =>
  ({ channels: 1, width, height, samples: Buffer.from({ length: width * height }, (_, i) => samples[3 * i + 1]) });

/** A file's samples, of a picture of the tests. */
function source(name) {
  native(join(examples, "jpeg_encode"), ["--quality", "95", "--no-payload", join(pictures, name), at("source.jpg")]);
  native(join(examples, "jpeg_decode"), ["--mode", "off", at("source.jpg"), at("source.ppm")]);
  return pnm(readFileSync(at("source.ppm")));
}

/** Where segments in front of the first scan begin and end. */
function* segments(jpeg) {
  for (let at = 2; jpeg[at + 1] !== 0xda;) {
    const end = at + 2 + jpeg.readUInt16BE(at + 2);
    yield { code: jpeg[at + 1], at, end };
    at = end;
  }
}

/** A file with a segment in place of its own of that kind, behind SOI. */
function with_segment(jpeg, code, segment) {
  const rest = [...segments(jpeg)].filter(s => s.code !== code).map(s => jpeg.subarray(s.at, s.end));
  const end = [...segments(jpeg)].at(-1).end;
  return Buffer.concat([jpeg.subarray(0, 2), segment, ...rest, jpeg.subarray(end)]);
}

const segment_of = (jpeg, code) => {
  const { at, end } = [...segments(jpeg)].find(s => s.code === code);
  return jpeg.subarray(at, end);
};

/** EXIF that asks for a turn. */
function exif(orientation) {
  const tiff = Buffer.from("4d4d002a0000000800010112000300000001000000000000", "hex");
  tiff.writeUInt16BE(orientation, 18);
  const body = Buffer.concat([Buffer.from("Exif\0\0"), tiff, Buffer.alloc(4)]);
  const head = Buffer.from([0xff, 0xe1, 0, 0]);
  head.writeUInt16BE(2 + body.length, 2);
  return Buffer.concat([head, body]);
}

// ---- what native programs make of a file ----

/**
 * Hashes of planes and of RGB, or gray as RGB, in a mode. libjpeg-turbo's own SIMD code is left out: of coefficients
 * that no encoder makes it gives other samples than its C code, which the page has.
 */
function reference(jpeg, mode) {
  const env = { JSIMD_FORCENONE: "1" };
  writeFileSync(at("native.jpg"), jpeg);
  const planes = mode => {
    tolerant(join(examples, "jpeg_decode"), ["--mode", mode, at("native.jpg"), at("native.y4m")], env);
    const y4m = readFileSync(at("native.y4m"));
    return hash(y4m.subarray(y4m.indexOf("FRAME\n") + 6));
  };
  tolerant(command, ["decode", "--mode", mode === "update" ? "payload" : mode, at("native.jpg"), at("native.ppm")], env);
  const picture = pnm(readFileSync(at("native.ppm")));
  tolerant(join(examples, "jpeg_decode"), ["--mode", mode, at("native.jpg"), at("stock.ppm")], env);
  const stock = hash(rgb(pnm(readFileSync(at("stock.ppm")))));
  return { stock, decoded: planes("off"), filtered: planes(mode), rgb: hash(rgb(picture)), picture };
}

function rgb({ channels, samples }) {
  return channels === 3 ? samples : Buffer.from(samples).reduce((out, s, i) => out.fill(s, 3 * i, 3 * i + 3),
    Buffer.alloc(3 * samples.length));
}

// ---- the browser ----

const server = spawn("python3", ["-u", "-m", "http.server", "0", "--bind", "127.0.0.1"],
  { cwd: page_folder, stdio: ["ignore", "pipe", "ignore"] });
const port = await new Promise(done => {
  let said = "";
  server.stdout.on("data", text => {
    said += text;
    const port = said.match(/port (\d+) /);
    if (port) done(port[1]);
  });
});
const home = `http://127.0.0.1:${port}/`;
const browser = await chromium.launch({
  executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium",
  args: ["--no-sandbox", "--disable-gpu", "--disable-quic", "--disable-background-networking", "--disable-component-update",
    "--disable-sync", "--no-first-run"],
});
const context = await browser.newContext({ viewport: { width: 1200, height: 900 }, acceptDownloads: true });
const page = await context.newPage();
const complaints = [];
page.on("pageerror", error => complaints.push(String(error)));
page.on("console", message => { if (message.type() === "error") complaints.push(message.text()); });
context.on("request", request => {
  const url = request.url();
  if (!/^(blob|data):/.test(url) && !url.startsWith(home)) complaints.push(`asked for ${url}`);
});

const idle = () => page.waitForFunction(() => document.body.ariaBusy === "false" && !window.page.worked.busy, null,
  { timeout: 200000 });
const text = id => page.textContent(`#${id}`);
const press = (group, name) =>
  page.getByRole("group", { name: group, exact: true }).getByRole("button", { name, exact: true }).click();

/** Puts a file on the page, and waits. */
async function open(jpeg, name = "picture.jpg") {
  await page.setInputFiles("#file", { name, mimeType: "image/jpeg", buffer: jpeg });
  await page.waitForFunction(name => document.getElementById("status").textContent.includes(name) ||
    !document.getElementById("error").hidden, name);
  await idle();
}

/** RGB of what stands on a side, as the browser shows it. */
async function shown(side) {
  const sha = await page.evaluate(async side => {
    const image = document.querySelector(`.compare .layer.${side} img`);
    await image.decode();
    const canvas = new OffscreenCanvas(image.naturalWidth, image.naturalHeight);
    const context = canvas.getContext("2d");
    context.drawImage(image, 0, 0);
    const { data } = context.getImageData(0, 0, canvas.width, canvas.height);
    const rgb = new Uint8Array(data.length / 4 * 3);
    for (let i = 0, to = 0; i < data.length; i++) if (i % 4 < 3) rgb[to++] = data[i];
    const bytes = new Uint8Array(await crypto.subtle.digest("SHA-256", rgb));
    return Array.from(bytes, b => b.toString(16).padStart(2, "0")).join("");
  }, side);
  return sha;
}

/** Hashes of planes, by the page's modules. */
const planes = (jpeg, settings, runs = 1) => page.evaluate(async ({ jpeg, settings, runs }) => {
  const { decode } = await import("./jpeg.js");
  const { Filter } = await import("./filter.js");
  const bytes = Uint8Array.from(atob(jpeg), c => c.charCodeAt(0));
  const module = await WebAssembly.compile(await (await fetch("jpeg.wasm")).arrayBuffer());
  const filter = await Filter.load();
  const sha = async ({ planes }) => {
    const all = new Uint8Array(await new Blob(planes.map(p => p.data)).arrayBuffer());
    const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", all));
    return Array.from(digest, b => b.toString(16).padStart(2, "0")).join("");
  };
  const times = { decode: [], filter: [] };
  let [decoded, filtered, parts] = [];
  for (let run = 0; run < runs; run++) {
    let start = performance.now();
    decoded = decode(module, bytes);
    times.decode.push(performance.now() - start);
    filter.read(bytes);
    filter.set(settings);
    start = performance.now();
    parts = [];
    filtered = filter.run(decoded, part => parts.push(part));
    times.filter.push(performance.now() - start);
  }
  return { decoded: await sha(decoded), filtered: await sha(filtered), decode: Math.min(...times.decode),
    filter: Math.min(...times.filter), parts };
}, { jpeg: jpeg.toString("base64"), settings, runs });

const settings = {
  payload: { mode: "payload", size: "medium", strength: 64 }, base: { mode: "base", size: "medium", strength: 64 },
};

/** The PNG that the page hands out. */
async function download() {
  const [file] = await Promise.all([page.waitForEvent("download"), page.click("#download")]);
  await file.saveAs(at("page.png"));
  await idle();
  return readFileSync(at("page.png"));
}

try {
  await tests();
} catch (error) {
  check("the tests run to their end", false, error.stack);
} finally {
  await browser.close();
  server.kill();
}
console.log(`${passed} passed, ${failed} failed`);
process.exitCode = failed ? 1 : 0;

// ---- the tests ----

async function tests() {
  await page.goto(home);
  await idle();
  says("it is ready", await text("status"), "Ready");

  const coffee = source("coffee.png");
  const encode = (picture, ...args) => {
    write("in.ppm", picture);
    native(join(examples, "jpeg_encode"), ["--quality", "20", ...args, at("in.ppm"), at("out.jpg")]);
    return readFileSync(at("out.jpg"));
  };

  for (const [width, height] of [[160, 96], [101, 67], [1, 1], [3, 2], [33, 1]])
    for (const kind of ["420", "422", "444", "440", "411", "gray"])
      for (const extra of [[], ["--progressive"]]) {
        if (extra.length && width < 101) continue;
        const crop = part(coffee, 230, 120, width, height);
        const layout = kind === "gray" ? [] : ["--sampling", kind];
        const jpeg = encode(kind === "gray" ? gray(crop) : crop, "--steps", "20", ...layout, ...extra);
        const name = `${width}x${height} ${kind} ${extra}`;
        for (const mode of ["update", "base"]) {
          const expected = reference(jpeg, mode);
          const got = await planes(jpeg, mode === "update" ? settings.payload : settings.base);
          same(`${name}: planes`, got.decoded, expected.decoded);
          same(`${name}: planes, ${mode}`, got.filtered, expected.filtered);
          if (mode === "update") await open(jpeg, `${name}.jpg`);
          // A file whose payload was not worth its bytes opens with the base model.
          await press("Filter", mode === "update" ? "Payload" : "Base model");
          await idle();
          same(`${name}: RGB, ${mode}`, await shown("right"), expected.rgb);
        }
        same(`${name}: RGB as decoded`, await shown("left"), reference(jpeg, "off").rgb);
      }

  await carried(encode, coffee);
  await broken(encode, coffee);
  await turns(encode, coffee);
  await keyboard(encode, coffee);
  await large(coffee);
  same("what the browser complained of", complaints.join("; "), "");
}

/** What the page says of payloads. */
async function carried(encode, coffee) {
  const crop = part(coffee, 200, 80, 240, 200);
  const jpeg = encode(crop, "--steps", "150");
  await open(jpeg);
  says("an update is said", await text("payload"), "update");
  says("its size too", await text("payload-facts"), "bytes");
  check("the payload makes another picture", await shown("left") !== await shown("right"));
  const base = encode(crop, "--no-update");
  await open(base);
  says("that the payload asks for the base model is said", await text("payload"), "base model");

  const plain = encode(crop, "--no-payload");
  await open(plain, "plain.jpg");
  says("that there is no payload is said", await text("payload"), "No payload");
  same("then the base model filters", await shown("right"), reference(plain, "base").rgb);
  await press("Filter", "Payload");
  await idle();
  same("but not if the payload is asked for", await shown("right"), await shown("left"));

  const other = encode(crop, "--no-payload", "--quality", "35");
  const stale = with_segment(other, 0xea, segment_of(jpeg, 0xea));
  await open(stale, "stale.jpg");
  says("a stale payload is said", await text("payload"), "stale");
  same("and not used", await shown("right"), await shown("left"));
  await page.screenshot({ path: at("stale.png"), fullPage: true });
  await press("Filter", "Base model");
  await idle();
  same("the base model works all the same", await shown("right"), reference(other, "base").rgb);

  const harmed = Buffer.from(segment_of(jpeg, 0xea));
  harmed[harmed.length - 3] ^= 0x55;
  await open(with_segment(jpeg, 0xea, harmed), "harmed.jpg");
  says("a damaged payload is said", await text("payload"), "damaged");

  await open(jpeg, "dial.jpg");
  await page.locator("#strength").fill("32");
  await idle();
  writeFileSync(at("dial.jpg"), jpeg);
  native(command, ["decode", "--strength", "0.5", at("dial.jpg"), at("dial.ppm")]);
  const half = hash(pnm(readFileSync(at("dial.ppm"))).samples);
  same("half the strength", await shown("right"), half);
  await page.evaluate(() => {
    const dial = document.getElementById("strength");
    for (const value of [3, 50, 17, 32]) {
      dial.value = value;
      dial.dispatchEvent(new Event("input"));
    }
  });
  await download();
  same("of a moved dial the last place counts", await shown("right"), half);
  await press("Filter", "Off");
  await idle();
  same("off", await shown("right"), await shown("left"));
  await press("Filter", "Base model");
  for (const size of ["Small", "Large"]) {
    await press("Model", size);
    await page.locator("#strength").fill("64");
    await idle();
    native(command, ["decode", "--mode", "base", "--model-size", size.toLowerCase(), at("dial.jpg"), at("dial.ppm")]);
    same(`${size} base model`, await shown("right"), hash(pnm(readFileSync(at("dial.ppm"))).samples));
  }
  await press("Model", "Medium");
}

/** Files that are not what they should be. */
async function broken(encode, coffee) {
  const good = encode(part(coffee, 200, 80, 64, 48), "--no-update");
  const frame = [...segments(good)].find(s => s.code === 0xc0).at;
  const huge = Buffer.from(good);
  huge.writeUInt16BE(65000, frame + 5);
  huge.writeUInt16BE(65000, frame + 7);
  const scans = Buffer.from(encode(part(coffee, 0, 0, 16, 16), "--no-payload", "--progressive"));
  const scan = scans.lastIndexOf(Buffer.from([0xff, 0xda]));
  const many = Buffer.concat([scans.subarray(0, -2), ...Array(1100).fill(scans.subarray(scan, -2)), scans.subarray(-2)]);
  const files = {
    empty: [Buffer.alloc(0), "empty"],
    text: [Buffer.from("no picture at all"), "Not a JPEG file"],
    cut: [good.subarray(0, frame + 4), ""],
    CMYK: [readFileSync(join(golden, "cmyk.jpg")), "CMYK"],
    arithmetic: [readFileSync(join(golden, "arithmetic.jpg")), "arithmetic"],
    huge: [huge, "pixels"],
    scans: [many, "scans"],
  };
  for (const [name, [file, words]] of Object.entries(files)) {
    await open(file, `${name}.jpg`);
    check(`${name}: an error is shown`, await page.isVisible("#error"));
    says(`${name}: what is wrong`, (await text("error")).toLowerCase(), words.toLowerCase());
    check(`${name}: no picture`, !await page.isVisible("#picture"));
    await open(good, "good.jpg");
    check(`${name}: the next file is shown`, await page.isVisible("#picture") && !await page.isVisible("#error"));
    same(`${name}: and right`, await shown("right"), reference(good, "update").rgb);
  }
  const half = encode(part(coffee, 200, 80, 160, 120), "--no-payload");
  const cut = half.subarray(0, half.length >> 1);
  await open(cut, "half.jpg");
  says("a cut file is shown, and that it is damaged", await text("file-facts"), "Damage");
  same("a cut file's RGB", await shown("left"), reference(cut, "off").rgb);
  // Nothing that is a whole segment, but random bytes in a scan.
  let state = 1;
  const random = () => (state = Math.imul(state, 1664525) + 1013904223 | 0) >>> 16;
  for (let i = 0; i < 12; i++) {
    const noise = Buffer.from(half);
    for (let k = 0; k < 40; k++) noise[2 + random() % (noise.length - 2)] = random();
    await open(noise, `noise${i}.jpg`);
    check(`noise ${i}: a picture or an error`, await page.isVisible("#error") !== await page.isVisible("#picture"));
    if (await page.isVisible("#picture")) same(`noise ${i}: RGB`, await shown("left"), reference(noise, "off").stock);
  }
}

/** EXIF's orientation, on the page and in the PNG, beside the browser's own. */
async function turns(encode, coffee) {
  const jpeg = encode(part(coffee, 200, 80, 61, 40), "--no-payload", "--sampling", "444");
  for (let orientation = 1; orientation <= 8; orientation++) {
    const file = with_segment(jpeg, 0xe1, exif(orientation));
    await open(file, `turn${orientation}.jpg`);
    const off = await shown("left");
    const own = await page.evaluate(async base64 => {
      const image = new Image();
      image.src = `data:image/jpeg;base64,${base64}`;
      await image.decode();
      const canvas = new OffscreenCanvas(image.naturalWidth, image.naturalHeight);
      const context = canvas.getContext("2d");
      context.drawImage(image, 0, 0);
      const { data } = context.getImageData(0, 0, canvas.width, canvas.height);
      const rgb = new Uint8Array(data.length / 4 * 3);
      for (let i = 0, to = 0; i < data.length; i++) if (i % 4 < 3) rgb[to++] = data[i];
      const bytes = new Uint8Array(await crypto.subtle.digest("SHA-256", rgb));
      return Array.from(bytes, b => b.toString(16).padStart(2, "0")).join("");
    }, file.toString("base64"));
    same(`orientation ${orientation}`, off, own);
  }
  const png = await download();
  await press("Filter", "Off");
  const seen = await page.evaluate(async base64 => {
    const image = new Image();
    image.src = `data:image/png;base64,${base64}`;
    await image.decode();
    return [image.naturalWidth, image.naturalHeight];
  }, png.toString("base64"));
  same("the PNG is turned", String(seen), "40,61");
  const small = part(coffee, 9, 9, 75, 50);
  for (const file of [encode(small, "--no-update"), encode(gray(small), "--no-update")]) {
    await open(file, "png.jpg");
    await press("Filter", "Base model");
    await idle();
    const png = await download();
    writeFileSync(at("as.jpg"), file);
    native(command, ["decode", "--mode", "base", at("as.jpg"), at("as.png")]);
    // As PPM, by the program that reads PNG files.
    const again = name => {
      const args = ["--quality", "100", "--sampling", "444", "--no-payload", at(`${name}.png`), at(`${name}.100.jpg`)];
      native(join(examples, "jpeg_encode"), args);
      return hash(readFileSync(at(`${name}.100.jpg`)));
    };
    check("a PNG", png.subarray(1, 4).toString() === "PNG");
    same(`the PNG of type ${png[25]} is the command's`, again("page"), again("as"));
  }
}

/** What can be done without a mouse, and names of controls. */
async function keyboard(encode, coffee) {
  await open(encode(part(coffee, 200, 80, 240, 160), "--no-update"), "keys.jpg");
  const slider = page.getByRole("slider", { name: "Line between left and right" });
  await slider.focus();
  await page.keyboard.press("Home");
  same("Home", await slider.getAttribute("aria-valuenow"), "0");
  await page.keyboard.press("Shift+ArrowRight");
  same("Shift and an arrow", await slider.getAttribute("aria-valuenow"), "10");
  await page.getByRole("slider", { name: "Strength" }).focus();
  await page.keyboard.press("ArrowLeft");
  await idle();
  same("strength by keys", await text("strength-value"), "98 %");
  const nameless = await page.evaluate(() => [...document.querySelectorAll("button, input, select, img, [role=slider]")]
    .filter(e => !(e.textContent.trim() || e.ariaLabel || e.labels?.length || e.alt)).map(e => e.outerHTML));
  same("controls without a name", nameless.join(), "");
  await page.getByLabel("Drop a JPEG here, or choose a file").focus();
}

/** Speed, and that the page answers meanwhile. */
async function large(coffee) {
  write("large.ppm", part(coffee, 0, 0, 1920, 1080));
  native(join(examples, "jpeg_encode"), ["--quality", "20", "--no-update", at("large.ppm"), at("large.jpg")]);
  const jpeg = readFileSync(at("large.jpg"));
  const time = env => native(join(examples, "jpeg_decode"), ["--threads", "1", at("large.jpg"), at("large.y4m")], env)
    .match(/decode ([\d.]+) ms.*filter ([\d.]+) ms/).slice(1).map(Number);
  // By turns, as the machine may have other work.
  const best = { decode: Infinity, filter: Infinity, native: Infinity, sse41: Infinity, any: Infinity };
  const take = (name, ms) => { best[name] = Math.min(best[name], ms); };
  for (let turn = 0; turn < 4; turn++) {
    const got = await planes(jpeg, settings.payload, 2);
    if (turn === 0) same("1920x1080: planes, in bands", got.filtered, reference(jpeg, "update").filtered);
    if (turn === 0) same("1920x1080: progress", got.parts.join(), [512 / 1080, 1024 / 1080, 1].join());
    take("decode", got.decode);
    take("filter", got.filter);
    const [decode, sse41] = time({ SIDELIGHT_CPU: "sse41" });
    take("native", decode);
    take("sse41", sse41);
    take("any", time({})[1]);
  }
  console.log(`1920x1080, 4:2:0, base model M, one thread, best of some: filter ${best.filter.toFixed(0)} ms in Chromium ` +
    `${browser.version()}, ${best.sse41} ms native with SSE4.1, ${best.any} ms with the best level; ` +
    `decoding ${best.decode.toFixed(0)} and ${best.native} ms`);

  write("vast.ppm", part(coffee, 0, 0, 8688, 5792));
  native(join(examples, "jpeg_encode"), ["--quality", "20", "--no-payload", at("vast.ppm"), at("vast.jpg")]);
  await page.evaluate(() => {
    window.longest = 0;
    let last = performance.now();
    window.ticking = setInterval(() => {
      const now = performance.now();
      window.longest = Math.max(window.longest, now - last);
      last = now;
    }, 10);
  });
  const start = Date.now();
  await page.setInputFiles("#file", at("vast.jpg"));
  await page.waitForFunction(() => document.getElementById("status").textContent.includes("vast.jpg"));
  await idle();
  const longest = await page.evaluate(() => { clearInterval(window.ticking); return window.longest; });
  console.log(`8688x5792: shown after ${((Date.now() - start) / 1000).toFixed(1)} s; the page's thread was held for ` +
    `${Math.round(longest)} ms at most`);
  check("a picture of 50 megapixels is filtered", (await text("status")).includes("base model"),
    `${await text("status")} ${await text("error")}`);
  check("the page answers meanwhile", longest < 3000, `${longest} ms`);
  await page.screenshot({ path: at("vast.png") });
  const width = () => page.evaluate(() => document.querySelector(".layer.left img").getBoundingClientRect().width);
  check("it fits the frame", await width() <= 1200, await width());
  await press("Zoom", "1×");
  same("1×", await width(), 8688);
  await page.getByRole("group", { name: /^vast/ }).press("0");
  check("0 fits again", await width() <= 1200, await width());
  await page.setInputFiles("#file", at("vast.jpg"));
  await page.click("#cancel");
  says("cancelling", await text("status"), "Cancelled");
}
