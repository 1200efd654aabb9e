/** Picture files of samples that stand in memory, and how EXIF wants pictures turned. */

/** EXIF's orientation, 1 to 8, of a TIFF file; 1 where it says none. */
export function orientation(exif) {
  if (!exif) return 1;
  const view = new DataView(exif.buffer, exif.byteOffset, exif.byteLength);
  try {
    const little = view.getUint16(0) === 0x4949;
    const directory = view.getUint32(4, little);
    const entries = view.getUint16(directory, little);
    for (let i = 0; i < entries; i++) {
      const entry = directory + 2 + 12 * i;
      if (view.getUint16(entry, little) !== 0x0112) continue;
      const value = view.getUint16(entry + 8, little);
      return value >= 1 && value <= 8 ? value : 1;
    }
  } catch (error) {
    // It leads out of the file.
    if (!(error instanceof RangeError)) throw error;
  }
  return 1;
}

/** Where pixels go: of the first, in steps across and down; and the steps to the next in a row and in a column. */
const WAYS = [
  ({ right, down }) => [0, right, down],
  ({ right, down, width }) => [(width - 1) * right, -right, down],
  ({ right, down, width, height }) => [(width - 1) * right + (height - 1) * down, -right, -down],
  ({ right, down, height }) => [(height - 1) * down, right, -down],
  ({ right, down }) => [0, down, right],
  ({ right, down, height }) => [(height - 1) * right, down, -right],
  ({ right, down, width, height }) => [(height - 1) * right + (width - 1) * down, -down, -right],
  ({ right, down, width }) => [(width - 1) * down, -down, right],
];

/** In words, how pixels are turned. */
export const TURNS = ["", "mirrored", "turned by 180°", "upside down", "mirrored and turned", "turned right",
  "mirrored and turned", "turned left"];

/** Zeros; where there is no memory for them, in words. */
function bytes(size) {
  try {
    return new Uint8Array(size);
  } catch {
    throw new Error("out of memory");
  }
}

/** Bytes in front of a BMP file's samples. */
const HEAD = 14 + 124;

/**
 * A BMP file, which takes no time to make and which browsers show: of a picture of `width` × `height`, turned
 * as `orientation` says, with a profile if there is one. `each` calls back with some rows' samples, `channels` a pixel, and
 * the first row's number.
 */
export function bmp({ width, height, channels, orientation, icc }, each) {
  const shown = orientation < 5 ? [width, height] : [height, width];
  const stride = 3 * shown[0] + 3 & ~3;
  // The samples are written as RGB.
  const profile = icc && channels === 3 ? icc : new Uint8Array(0);
  const file = bytes(HEAD + stride * shown[1] + profile.length);
  const view = new DataView(file.buffer);
  file.set([0x42, 0x4d]);
  view.setUint32(2, file.length, true);
  view.setUint32(10, HEAD, true);
  view.setUint32(14, 124, true); // BITMAPV5HEADER
  view.setInt32(18, shown[0], true);
  view.setInt32(22, -shown[1], true); // top down
  view.setUint16(26, 1, true);
  view.setUint16(28, 24, true);
  view.setUint32(34, stride * shown[1], true);
  view.setUint32(70, profile.length ? 0x4d424544 : 0x73524742, true); // embedded profile, or sRGB
  view.setUint32(122, 4, true); // rendering intent: images
  view.setUint32(126, profile.length ? 124 + stride * shown[1] : 0, true);
  view.setUint32(130, profile.length, true);
  file.set(profile, HEAD + stride * shown[1]);
  const [first, right, down] = WAYS[orientation - 1]({ right: 3, down: stride, width, height });
  const [green, blue] = channels === 1 ? [0, 0] : [1, 2];
  each((samples, row) => {
    for (let from = 0; from < samples.length; row++) {
      let to = HEAD + first + row * down;
      for (const end = from + channels * width; from < end; from += channels, to += right) {
        file[to] = samples[from + blue];
        file[to + 1] = samples[from + green];
        file[to + 2] = samples[from];
      }
    }
  });
  return file;
}

const CRC = Int32Array.from({ length: 256 }, (_, n) => {
  for (let k = 0; k < 8; k++) n = n & 1 ? 0xedb88320 ^ n >>> 1 : n >>> 1;
  return n;
});

/** A chunk of a PNG file. */
function chunk(type, data) {
  const out = bytes(12 + data.length);
  const view = new DataView(out.buffer);
  view.setUint32(0, data.length);
  for (let i = 0; i < 4; i++) out[4 + i] = type.charCodeAt(i);
  out.set(data, 8);
  let crc = -1;
  for (let i = 4; i < 8 + data.length; i++) crc = CRC[(crc ^ out[i]) & 255] ^ crc >>> 8;
  view.setUint32(8 + data.length, ~crc);
  return out;
}

/** What PNG's prediction leaves of a row: each byte less the nearest to left + above − corner of the three. */
function paeth(row, above, channels, out) {
  out[0] = 4;
  for (let i = 0; i < row.length; i++) {
    const a = i < channels ? 0 : row[i - channels];
    const b = above[i];
    const c = i < channels ? 0 : above[i - channels];
    const pa = Math.abs(b - c);
    const pb = Math.abs(a - c);
    const pc = Math.abs(a + b - 2 * c);
    out[i + 1] = row[i] - (pa <= pb && pa <= pc ? a : pb <= pc ? b : c);
  }
}

/** The rows of a PNG file's data, of a BMP file's. */
function* rows(file, width, height, channels) {
  const stride = 3 * width + 3 & ~3;
  let [above, row] = [new Uint8Array(channels * width), new Uint8Array(channels * width)];
  for (let y = 0; y < height; y++, [above, row] = [row, above]) {
    for (let to = 0, from = HEAD + y * stride; to < row.length; from += 3)
      for (let k = 0; k < channels; k++) row[to++] = file[from + 2 - k];
    const out = new Uint8Array(row.length + 1);
    paeth(row, above, channels, out);
    yield out;
  }
}

const deflated = async stream =>
  new Uint8Array(await new Response(stream.pipeThrough(new CompressionStream("deflate"))).arrayBuffer());

/** A PNG file of what bmp() made, gray where `channels` is 1, with a profile if there is one. */
export async function png(file, { channels, icc }) {
  const view = new DataView(file.buffer, file.byteOffset);
  const [width, height] = [view.getInt32(18, true), -view.getInt32(22, true)];
  const header = new Uint8Array(13);
  const fields = new DataView(header.buffer);
  fields.setUint32(0, width);
  fields.setUint32(4, height);
  header.set([8, channels === 1 ? 0 : 2], 8);
  const pieces = rows(file, width, height, channels);
  const data = await deflated(new ReadableStream({
    pull(controller) {
      const { value, done } = pieces.next();
      if (done) controller.close(); else controller.enqueue(value);
    },
  }));
  const name = new TextEncoder().encode("profile\0\0");
  const profile = icc ? [chunk("iCCP", new Uint8Array(await new Blob([name, await deflated(new Blob([icc]).stream())])
    .arrayBuffer()))] : [];
  const signature = new Uint8Array([0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a]);
  return new Blob([signature, chunk("IHDR", header), ...profile, chunk("IDAT", data), chunk("IEND", new Uint8Array(0))],
    { type: "image/png" });
}
