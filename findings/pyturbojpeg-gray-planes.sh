#!/bin/sh
# PyTurboJPEG 1.8.3's decode_to_yuv_planes(), the way to a JPEG's planes in Python where libturbojpeg is of version 2,
# fails on every gray file ("negative dimensions are not allowed"): it compares a ctypes number with an int, which are
# never equal, and asks for chroma planes. Its decode() to gray gives the same samples.
#
# PyTurboJPEG 1.8.3, libjpeg-turbo 2.1.5. 2026-11-30.
set -eu
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install -q "PyTurboJPEG==1.8.3" pillow
"$work/venv/bin/python" - <<'P'
import io
import sys

import numpy as np
import turbojpeg
from PIL import Image

file = io.BytesIO()
Image.radial_gradient("L").save(file, "JPEG", quality=20)
codec, data = turbojpeg.TurboJPEG(), file.getvalue()
try:
    codec.decode_to_yuv_planes(data)
    planes = "given"
except ValueError as error:
    planes = str(error)
same = np.array_equal(codec.decode(data, turbojpeg.TJPF_GRAY)[:, :, 0], np.asarray(Image.open(file)))
print(f"planes of a gray file: {planes}; decode() gives Pillow's samples: {same}")
good = "negative dimensions" in planes and same
print("as described" if good else "not as described")
sys.exit(not good)
P
