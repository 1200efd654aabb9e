#!/bin/sh
# GStreamer's jpegdec hands out 4:2:0 whatever a JPEG's sampling is: of a file in 4:4:4 it throws away three of four
# chroma samples, and no caps bring them back. And by default it decodes with libjpeg's fast integer transform
# (idct-method=ifast), where libjpeg's own default, and so other viewers', is the accurate one. So a pipeline that
# transcodes or compares JPEGs has pixels of its own.
#
# GStreamer 1.22.0 (Debian 12), libjpeg-turbo 2.1.5. 2026-11-30.
set -eu
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
python3 - <<'P'
import random

random.seed(1)
# Red and blue columns, and noise below.
rows = [b"\xff\0\0\0\0\xff" * 32] * 32 + [random.randbytes(192) for _ in range(32)]
open("in.ppm", "wb").write(b"P6 64 64 255\n" + b"".join(rows))
P
cjpeg -quality 40 -sample 1x1 in.ppm >in.jpg
decode() { gst-launch-1.0 -v filesrc location=in.jpg ! jpegparse ! jpegdec "$@"; }
decode ! filesink location=default.yuv >said.txt
format=$(grep -o 'jpegdec0.GstPad:src: caps = .*' said.txt | grep -o 'format=(string)[A-Z0-9]*' | head -n 1)
full=taken
decode ! video/x-raw,format=Y444 ! fakesink >/dev/null 2>&1 || full=refused
decode idct-method=islow ! filesink location=islow.yuv >/dev/null
transform=accurate
cmp -s default.yuv islow.yuv || transform=another
echo "a JPEG in 4:4:4 comes out as ${format#*)}; Y444 is $full; the default transform is $transform"
case ${format#*)}/$full/$transform in
    I420/refused/another) echo "as described" ;;
    *) echo "not as described" && exit 1 ;;
esac
