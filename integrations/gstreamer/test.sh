#!/bin/sh
# Tests the elements in gst-launch-1.0 with the distribution's decoders, beside hevc_decode and jpeg_decode. Run by
# `make test-gstreamer`. Ends with "N passed, N failed".
#
#   test.sh FOLDER    with libgstsidelight.so in it
set -u
export LC_ALL=C

root=$(cd "$(dirname "$0")/../.." && pwd)
GST_PLUGIN_PATH=$(cd "$1" && pwd)
export GST_PLUGIN_PATH
examples="$root/c-examples/build"
. "$root/tests/check.sh"
export GST_REGISTRY="$PWD/registry"

# launch IN DECODER SIDELIGHT: raw pictures in out.yuv; what is said goes to said.txt.
launch() {
    rm -f out.yuv
    timeout 60 gst-launch-1.0 filesrc "location=$1" ! $2 ! $3 ! filesink location=out.yuv >said.txt 2>&1
    code=$?
    cat said.txt >&2
    return $code
}

# bare Y4M: raw pictures, as filesink writes them; sizes are such that rows need no padding.
bare() { ffmpeg -v fatal -nostdin -y -i "$1" -f rawvideo -; }

# same IN DECODER SIDELIGHT Y4M
same() { launch "$1" "$2" "$3" && bare "$4" >wanted.yuv && [ -s wanted.yuv ] && cmp out.yuv wanted.yuv; }
filtered() { same "$@" && bare "${4%.*.y4m}.off.y4m" >off.yuv && ! cmp -s out.yuv off.yuv; }

# survives COMMAND...: no signal ends it, nor does it hang.
survives() {
    "$@"
    code=$?
    [ $code -lt 124 ]
}

hevc="h265parse ! sidelightparse ! avdec_h265"

# ---- byte streams ----

set -- --keyint 8 --x265 min-keyint=8 --x265 scenecut=0 --threads 2 --preset fast --qp 34 --steps 20 --slope 0.5
for video in a:yuv420p b:yuv420p10le c:yuv422p d:yuv444p e:gray f:yuv444p10le g:yuv422p10le h:yuv420p12le; do
    format=${video#*:}
    video=${video%%:*}
    ffmpeg -v error -nostdin -y -f lavfi -i "testsrc2=size=192x128:rate=25" -frames:v 20 \
        -vf "noise=all_seed=7:alls=12:allf=t,format=$format" -strict -1 -f yuv4mpegpipe in.y4m || exit 1
    check "$format: encode" "$examples/hevc_encode" "$@" in.y4m $video.hevc
    "$examples/hevc_decode" $video.hevc $video.ref.y4m >/dev/null
    "$examples/hevc_decode" --off $video.hevc $video.off.y4m >/dev/null
    "$examples/hevc_decode" --base 34 $video.hevc $video.base.y4m >/dev/null
    check "$format: payloads" filtered $video.hevc "$hevc" sidelight $video.ref.y4m
    check "$format: base" filtered $video.hevc "$hevc" "sidelight mode=base qp=34" $video.base.y4m
    check "$format: off" same $video.hevc "$hevc" "sidelight mode=off" $video.off.y4m
done
for threads in 1 3; do
    check "threads=$threads" same a.hevc "$hevc max-threads=$threads" "sidelight threads=$threads" a.ref.y4m
done

# ---- files; their parameter sets are not in the stream ----

check "encode without B pictures" "$examples/hevc_encode" "$@" --x265 bframes=0 in.y4m p.hevc
"$examples/hevc_decode" p.hevc p.ref.y4m >/dev/null
"$examples/hevc_decode" --off p.hevc p.off.y4m >/dev/null
for file in mp4:qtdemux mkv:matroskademux; do
    ffmpeg -v error -nostdin -y -fflags +genpts -r 25 -i p.hevc -c copy "p.${file%:*}" || exit 1
    check "$file: payloads" filtered "p.${file%:*}" "${file#*:} ! $hevc" sidelight p.ref.y4m
    check "$file: without h265parse" same "p.${file%:*}" "${file#*:} ! sidelightparse ! avdec_h265" sidelight p.ref.y4m
done

# ---- IRAP pictures that the decoder drops: its first, whose time is before the file's beginning ----

ffmpeg -v error -nostdin -y -i a.hevc -c copy a.mp4 2>/dev/null
picture=$((192 * 128 * 3 / 2))
bare a.off.y4m >off.yuv
tail -c +$((picture + 1)) off.yuv | head -c $((7 * picture)) >wanted.yuv
bare a.ref.y4m | tail -c +$((8 * picture + 1)) >>wanted.yuv
dropped() { launch a.mp4 "qtdemux ! $hevc" sidelight && cmp out.yuv wanted.yuv; }
check "the first is dropped: unfiltered until the next" dropped

# ---- payloads that are damaged, missing, or not read ----

damaged() {
    python3 - "$@" <<'P'
import sys
name, out, behind = sys.argv[1], sys.argv[2], int(sys.argv[3])
uuid = bytes.fromhex("6fe53531392845b98d1490ec3b13ed9f")
data = bytearray(open(name, "rb").read())
at = data.find(uuid)
while at >= 0:
    data[at + 16 + behind] ^= 0x40
    at = data.find(uuid, at + 16)
open(out, "wb").write(data)
P
}
says() { same "$@" && grep -q "$text" said.txt; }
damaged a.hevc damaged.hevc 20
text="payload ignored"
check "damaged payloads" says damaged.hevc "$hevc" sidelight a.off.y4m
"$examples/hevc_encode" "$@" --no-payload in.y4m none.hevc >/dev/null
"$examples/hevc_decode" none.hevc none.off.y4m >/dev/null
check "no payloads" same none.hevc "$hevc" sidelight none.off.y4m
text="sidelightparse"
check "no sidelightparse" says a.hevc "h265parse ! avdec_h265" sidelight a.off.y4m
text="needs qp"
check "base without qp" says a.hevc "$hevc" "sidelight mode=base" a.off.y4m
head -c 30000 a.hevc >cut.hevc
check "cut off" survives launch cut.hevc "$hevc" sidelight
for at in 100 1000 3000 5000 8000; do
    { head -c $at a.hevc && head -c 200 /dev/urandom && tail -c +$((at + 201)) a.hevc; } >noise.hevc
    check "noise at $at" survives launch noise.hevc "$hevc" sidelight
    { head -c $at p.mp4 && head -c 40 /dev/urandom && tail -c +$((at + 41)) p.mp4; } >noise.mp4
    check "noise at $at of mp4" survives launch noise.mp4 "qtdemux ! sidelightparse ! avdec_h265" sidelight
done

# ---- H.264: by the base model, or not at all ----

ffmpeg -v error -nostdin -y -i a.off.y4m -c:v libx264 -bf 2 -qp 34 h264.mp4 || exit 1
ffmpeg -v error -nostdin -y -i h264.mp4 -f yuv4mpegpipe -pix_fmt yuv420p h264.off.y4m
avc="qtdemux ! h264parse ! sidelightparse ! avdec_h264"
check "H.264: no payloads" same h264.mp4 "$avc" sidelight h264.off.y4m
check "H.264: base" launch h264.mp4 "$avc" "sidelight mode=base qp=34"

# ---- JPEG ----

jpegdec="jpegparse ! sidelightparse ! jpegdec idct-method=islow"
for picture in coffee camera; do
    check "$picture: encode" "$examples/jpeg_encode" --quality 15 "$root/tests/pictures/$picture.png" $picture.jpg
    for mode in update:ref base:base off:off; do
        "$examples/jpeg_decode" --mode ${mode%:*} $picture.jpg $picture.${mode#*:}.y4m >/dev/null
    done
    check "$picture: payload" filtered $picture.jpg "$jpegdec" sidelight $picture.ref.y4m
    check "$picture: base" filtered $picture.jpg "$jpegdec" "sidelight mode=base" $picture.base.y4m
    check "$picture: off" same $picture.jpg "$jpegdec" "sidelight mode=off" $picture.off.y4m
done
# It upsamples all else to 4:2:0.
"$examples/jpeg_encode" --quality 15 --sampling 444 "$root/tests/pictures/coffee.png" full.jpg >/dev/null
text="payload ignored: "
told() { launch full.jpg "$jpegdec" sidelight && grep -q "$text" said.txt; }
check "4:4:4 is told" told

echo "$passed passed, $failed failed"
[ "$failed" = 0 ]
