"""Prints a row of a table of results: gray JPEG on a folder of PNG pictures.

    python results_row.py FOLDER QF [QF ...] [--threads N]

The protocol is that of `sidelight-tools eval --planes luma` (docs/evaluation.md): JFIF luma in full
range, coded as a gray baseline JPEG with standard tables and optimised Huffman tables, decoded by
libjpeg-turbo's accurate integer transform. Pillow does both; what it makes of chroma is upsampled
already, so colour in 4:2:0 can't be measured through it. PSNR is the mean over the pictures, bytes are
those of whole files.
"""

import argparse
import io
import math
from pathlib import Path

import numpy as np
from PIL import Image

import sidelight


def luma(path):
    """JFIF luma, rounded as libjpeg does; gray pictures as they are."""
    picture = Image.open(path)
    if picture.mode.startswith("I"):
        raise SystemExit(f"{path}: pictures of 16 bits are not for this example")
    if picture.mode == "L":
        return np.asarray(picture)
    r, g, b = (p.astype(np.int64) for p in np.moveaxis(np.asarray(picture.convert("RGB")), 2, 0))
    return ((19595 * r + 38470 * g + 7471 * b + 32768) >> 16).astype(np.uint8)


def code(plane, quality):
    file = io.BytesIO()
    Image.fromarray(plane).save(file, "JPEG", quality=quality, optimize=True)
    return file.getvalue(), np.asarray(Image.open(file))


def psnr(a, b):
    error = np.mean((a.astype(np.float64) - b.astype(np.float64)) ** 2)
    return 10 * math.log10(255**2 / error) if error else math.inf


def slope_at(original, quality, file, decoded):
    """PSNR that a byte buys, by a second encode nearby; 0 (to be estimated) where it buys nothing."""
    near_file, near = code(original, quality + 3 if quality < 97 else quality - 3)
    if len(near_file) == len(file):
        return 0.0
    slope = (psnr(original, near) - psnr(original, decoded)) / (len(near_file) - len(file))
    return slope if slope > 0 and math.isfinite(slope) else 0.0


def shown(file, decoded, payload, report):
    """The file as it would be sent, and what a decoder shows of it."""
    if report.mode == "off":
        return file, decoded
    file = sidelight.jpeg_insert(file, payload)
    decoder = sidelight.Decoder()
    decoder.set_payload(sidelight.jpeg_extract(file), sidelight.CodecParams.from_jpeg(file))
    return file, decoder.filter(sidelight.Picture(decoded)).luma


def measure(path, quality, threads):
    original = luma(path)
    file, decoded = code(original, quality)
    slope = slope_at(original, quality, file, decoded)
    params = sidelight.CodecParams.from_jpeg(file, slope=slope)
    pictures = sidelight.Picture(original), sidelight.Picture(decoded)
    sent = {}
    for mode in ("base", "update"):
        payload, report = sidelight.encode(*pictures, params, no_update=mode == "base", threads=threads)
        new, better = shown(file, decoded, payload, report)
        sent[mode] = len(new), psnr(original, better), payload if report.mode != "off" else b""
    (base_bytes, base, _), (update_bytes, update, payload) = sent["base"], sent["update"]
    net = update - base - report.slope_db_per_byte * (update_bytes - base_bytes)
    plain = psnr(original, decoded)
    return len(file), plain, base - plain, update - base, len(payload), net


def row(folder, quality, threads):
    paths = sorted(p for p in Path(folder).iterdir() if p.suffix.lower() == ".png")
    if not paths:
        raise SystemExit(f"{folder}: no PNG pictures")
    return np.mean([measure(path, quality, threads) for path in paths], axis=0)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("folder")
    parser.add_argument("quality", type=int, nargs="+")
    parser.add_argument("--threads", type=int, default=0)
    options = parser.parse_args()
    print("| QF | bytes | JPEG, PSNR-Y | base model | update | payload, bytes | net gain |")
    print("|---|---|---|---|---|---|---|")
    for quality in options.quality:
        size, plain, base, update, payload, net = row(options.folder, quality, options.threads)
        cells = f"{size:.0f} | {plain:.3f} | {base:+.3f} | {update:+.3f} | {payload:.1f} | {net:+.3f}"
        print(f"| {quality} | {cells} |", flush=True)


if __name__ == "__main__":
    main()
