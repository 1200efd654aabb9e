#!/bin/sh
# libjpeg-turbo's SIMD and C code for the accurate integer transform (JDCT_ISLOW), which agree bit by bit on what encoders
# make, differ where dequantised coefficients are larger than 8-bit pictures have them: here a baseline file of quality
# 90 whose table was made coarser, which nothing warns of. The same file shows two pictures on two machines.
#
# simplejpeg 1.9.0 (libjpeg-turbo) on x86-64, with and without JSIMD_FORCENONE=1; 2026-11-30.
set -eu
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/env"
"$work/env/bin/pip" install -q simplejpeg==1.9.0 numpy==2.4.6
cd "$work"
cat >make.py <<'P'
import numpy as np, simplejpeg
x, y = np.meshgrid(np.arange(256), np.arange(192))
picture = (128 + 100 * np.sin(x / 9) * np.cos(y / 13)).astype(np.uint8)[:, :, None]
file = bytearray(simplejpeg.encode_jpeg(np.ascontiguousarray(picture), quality=90, colorspace="GRAY"))
at = file.index(b"\xff\xdb") + 5
file[at : at + 64] = bytes([64]) * 64
open("in.jpg", "wb").write(file)
P
cat >show.py <<'P'
import hashlib, simplejpeg
print(hashlib.md5(simplejpeg.decode_jpeg(open("in.jpg", "rb").read(), "GRAY").tobytes()).hexdigest())
P
env/bin/python make.py
simd=$(env/bin/python show.py)
c=$(JSIMD_FORCENONE=1 env/bin/python show.py)
echo "SIMD: $simd"
echo "C:    $c"
[ "$simd" != "$c" ] || { echo "not as described" && exit 1; }
echo "as described"
