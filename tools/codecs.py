#!/usr/bin/env python3
"""What HEVC's base model gains on streams of other codecs, and how that depends on the QP that it is told of.

    codecs.py FOLDER [--pictures N] [--qp N,...] [--only NAME,...]

FOLDER has YUV4MPEG2 clips, 8-bit 4:2:0. Each is coded by the system's ffmpeg (and vvencapp, if it is on the path) and
decoded by PyAV's FFmpeg; all pictures are filtered as of one QP, whatever their type, as `hevc_decode --base` does.
PSNRs are means over the pictures, then over the clips. Wants PyAV 18.1 or later and the Python binding.
"""

import argparse
import os
import shutil
import subprocess
import tempfile
from pathlib import Path

import av
import numpy as np

import sidelight

FFMPEG = ["ffmpeg", "-nostdin", "-v", "error", "-y"]


def ffmpeg(*options):
    return lambda clip, out, n: [*FFMPEG, "-i", clip, "-frames:v", str(n), *options, out]


def vvenc(qp):
    options = ["--preset", "faster", "-q", str(qp), "-v", "1"]
    return lambda clip, out, n: ["vvencapp", "-i", clip, "-f", str(n), *options, "-o", out]


def x265(*options):
    return ffmpeg("-c:v", "libx265", "-x265-params", ":".join([*options, "log-level=none"]))


def aom(crf):
    return ffmpeg("-c:v", "libaom-av1", "-cpu-used", "4", "-crf", str(crf), "-b:v", "0")


def svt(crf):
    return ffmpeg("-c:v", "libsvtav1", "-preset", "8", "-crf", str(crf))


# Name, ending of the file, command.
CODERS = [
    ("x265 medium, QP 32", "hevc", x265("qp=32")),
    ("x265 medium, CRF 31", "hevc", x265("crf=31")),
    ("x265 medium, QP 32, no deblocking, no SAO", "hevc", x265("qp=32", "no-deblock=1", "no-sao=1")),
    ("x264 medium, CRF 28", "h264", ffmpeg("-c:v", "libx264", "-crf", "28")),
    ("x264 medium, QP 31", "h264", ffmpeg("-c:v", "libx264", "-qp", "31")),
    ("x264 medium, QP 24", "h264", ffmpeg("-c:v", "libx264", "-qp", "24")),
    ("x264 ultrafast, CRF 28", "h264", ffmpeg("-c:v", "libx264", "-preset", "ultrafast", "-crf", "28")),
    ("vvenc faster, QP 34", "vvc", vvenc(34)),
    ("vvenc faster, QP 27", "vvc", vvenc(27)),
    ("SVT-AV1 preset 8, CRF 52", "ivf", svt(52)),
    ("SVT-AV1 preset 8, CRF 35", "ivf", svt(35)),
    ("libaom cpu-used 4, CRF 50", "ivf", aom(50)),
    ("libaom cpu-used 4, CRF 35", "ivf", aom(35)),
]


def frames(path, most):
    with av.open(str(path)) as container:
        for _, frame in zip(range(most), container.decode(video=0)):
            planes = []
            for plane in frame.planes:
                rows = np.frombuffer(plane, np.uint8).reshape(plane.height, plane.line_size)
                planes.append(np.ascontiguousarray(rows[:, : plane.width]))
            yield planes


def psnr(a, b):
    return 10 * np.log10(255**2 / np.mean((a.astype(np.int32) - b) ** 2))


def measure(original, decoded, qps):
    """Mean PSNRs of Y and of chroma, unfiltered and for each QP."""

    def mean(pictures):
        pairs = [[psnr(a, b) for a, b in zip(*both)] for both in zip(original, pictures)]
        y, cb, cr = np.mean(pairs, axis=0)
        return y, (cb + cr) / 2

    results = [mean(decoded)]
    for qp in qps:
        decoder = sidelight.Decoder()
        decoder.set_mode("base", sidelight.CodecParams.hevc(qp, qp, qp))
        results.append(mean([decoder.filter(sidelight.Picture(planes)).planes for planes in decoded]))
    return np.array(results)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--pictures", type=int, default=12)
    parser.add_argument("--qp", default="16,20,24,28,32,36")
    parser.add_argument("--only", default="", help="parts of the coders' names")
    options = parser.parse_args()
    qps = [int(qp) for qp in options.qp.split(",")]
    clips = sorted(options.folder.glob("*.y4m"))
    originals = [list(frames(clip, options.pictures)) for clip in clips]
    print("clips:", ", ".join(clip.stem for clip in clips))
    print("| stream | PSNR-Y |", " | ".join(f"told {qp}" for qp in qps), "| chroma at the best |")
    print("|---|---|" + "---|" * (len(qps) + 1))
    for name, ending, command in CODERS:
        if not any(part in name for part in options.only.split(",")):
            continue
        if name.startswith("vvenc") and not shutil.which("vvencapp"):
            continue
        results = []
        for clip, original in zip(clips, originals):
            with tempfile.TemporaryDirectory() as work:
                coded = Path(work, f"coded.{ending}")
                quiet = {**os.environ, "SVT_LOG": "1"}
                subprocess.run(command(str(clip), str(coded), len(original)), check=True, env=quiet)
                decoded = list(frames(coded, len(original)))
            if len(decoded) != len(original):
                raise SystemExit(f"{name}, {clip.stem}: {len(decoded)} of {len(original)} pictures")
            results.append(measure(original, decoded, qps))
        plain, *filtered = np.mean(results, axis=0)
        gains = [both - plain for both in filtered]
        best = max(gains, key=lambda gain: gain[0])
        cells = [f"{plain[0]:.2f}", *(f"{gain[0]:+.3f}" for gain in gains), f"{best[1]:+.2f}"]
        print(f"| {name} |", " | ".join(cells), "|", flush=True)


if __name__ == "__main__":
    main()
