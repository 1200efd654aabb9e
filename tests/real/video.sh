#!/bin/sh
# Files of real programs in the decoders of real FFmpegs: how many pictures of a stream with payloads are filtered. It
# asks for what no other test needs, so it is run by hand:
#
#   make video && tests/real/video.sh      a table, and "N passed, N failed"
#
# Files are by ffmpeg, mkvmerge and GStreamer of the system, which it installs on Debian, and by Bento4 if its mp4mux is
# on the path (or BENTO4_MP4MUX names it). FFmpeg 6 to 8 come in PyAV's wheels, into target/real; hevc_decode has the
# system's FFmpeg. Each file is read with 1, 4 and as many threads as FFmpeg likes: from the start, from the second IRAP
# picture, and, with the same decoder, from the third, the second and the first one.
set -eu
export LC_ALL=C

root=$(cd "$(dirname "$0")/../.." && pwd)
target=${CARGO_TARGET_DIR:-$root/target}/real
script=$root/tests/real/video.py
decode=$root/c-examples/build/hevc_decode
mp4mux=${BENTO4_MP4MUX:-$(command -v mp4mux || true)}

for program in ffmpeg mkvmerge gst-launch-1.0; do
    command -v $program >/dev/null && continue
    apt-get install -y --no-install-recommends ffmpeg mkvtoolnix gstreamer1.0-tools gstreamer1.0-plugins-base \
        gstreamer1.0-plugins-good gstreamer1.0-plugins-bad
done
[ -x "$decode" ] || { echo "no hevc_decode: run make video" >&2; exit 1; }

# ---- FFmpeg of several lines ----

# PyAV and the FFmpeg in its wheel.
versions="12.3.0=6.1 13.1.0=7.0.2 15.1.0=7.1.1 16.1.0=8.0.1 18.1.0=8.1.2"
mkdir -p "$target/wheel"
python3 -m venv "$target/build"
rm -f "$target"/wheel/*.whl
CARGO_TARGET_DIR=$target/cargo "$target/build/bin/pip" wheel -q --no-deps -w "$target/wheel" "$root/bindings/python"
for version in $versions; do
    venv=$target/av-${version%=*}
    [ -x "$venv/bin/python" ] || python3 -m venv "$venv"
    "$venv/bin/pip" install -q "av==${version%=*}" numpy
    "$venv/bin/pip" install -q --no-deps --force-reinstall "$target"/wheel/*.whl
done
newest=$target/av-18.1.0/bin/python

# ---- files ----

. "$root/tests/check.sh"
set -u
pictures=24
# A period has 8 pictures. IRAP pictures after the first have leading ones.
ffmpeg -nostdin -v error -loop 1 -i "$root/tests/pictures/coffee.png" -frames:v $pictures -r 25 \
    -vf "fps=25,crop=192:128:100+2*n:60+n:exact=1,format=yuv420p" original.y4m
# Without x265's message of its own in front, which would be the one that is handed out again.
ffmpeg -nostdin -v error -i original.y4m -c:v libx265 -x265-params \
    "info=0:qp=35:keyint=8:min-keyint=8:scenecut=0:bframes=3:open-gop=1:log-level=none:pools=1:frame-threads=1" \
    -f hevc plain.hevc
"$newest" "$script" make original.y4m plain.hevc all.hevc
# The second period has none.
"$newest" "$script" make original.y4m plain.hevc gap.hevc 0 2

remux() { ffmpeg -nostdin -v error -i "$1" -c copy -y "$2"; }
gstreamer() {
    gst-launch-1.0 -q filesrc "location=$1" ! qtdemux ! h265parse ! "$2" ! filesink "location=$3" >/dev/null
}
for name in all gap; do
    mkvmerge -q -o $name-mkvmerge.mkv $name.hevc
    # Raw streams have no times: those that mkvmerge worked out.
    times=$(ffprobe -v error -show_entries packet=pts -of csv=p=0 $name-mkvmerge.mkv | tr -d , |
        awk '{ printf "%seq(N\\,%d)*%d", (NR > 1 ? "+" : ""), NR - 1, $1 }')
    ffmpeg -nostdin -v error -i $name.hevc -c copy -bsf:v "setts=pts=($times)/1000/TB:dts=(N-3)/25/TB" \
        $name-ffmpeg.mp4
    for kind in mkv ts; do remux $name-ffmpeg.mp4 $name-ffmpeg.$kind; done
    mkvmerge -q -o $name-mp4-mkvmerge.mkv $name-ffmpeg.mp4
    for kind in mp4 mkv ts hevc; do remux $name-mkvmerge.mkv $name-mkvmerge-ffmpeg.$kind; done
    gstreamer $name-ffmpeg.mp4 mp4mux $name-gstreamer.mp4
    gstreamer $name-ffmpeg.mp4 matroskamux $name-gstreamer.mkv
    [ -z "$mp4mux" ] || "$mp4mux" --track h265:$name.hevc $name-bento4.mp4 >/dev/null
done

# ---- counts ----

# wanted FILE PLACE: pictures shown and filtered.
wanted() {
    case $2 in
        to-2) echo 8 8 ;;
        seek | to-1) shown=16 ;;
        *) shown=$pictures ;;
    esac
    case $2,$1 in
        to-2,*) ;;
        *,gap*) echo $shown $((shown - 8)) ;;
        *) echo $shown $shown ;;
    esac
}

# judge FFMPEG: lines of file, threads, place, pictures shown and filtered, from standard input.
judge() {
    while read -r file threads place shown filtered; do
        verdict=$(wanted "$file" "$place")
        [ "$verdict" = "$shown $filtered" ] && verdict= || verdict="NOT ${verdict#* } of ${verdict% *}"
        printf '%-7s %-26s %2d threads, %-5s %2d of %2d %s\n' "$1" "$file" "$threads" "$place" "$filtered" "$shown" \
            "$verdict"
        check "$1: $file, $threads threads, $place" [ -z "$verdict" ]
    done
}

system=$(ffmpeg -version | sed -n '1s/ffmpeg version \([0-9.]*\).*/\1/p')
for file in all*.* gap*.*; do
    for threads in 1 4 0; do
        "$decode" --threads $threads $file out.y4m 2>/dev/null |
            sed "s/\([0-9]*\) pictures, \([0-9]*\) filtered.*/$file $threads start \1 \2/"
    done
done >counts.txt
judge "$system" <counts.txt
for version in $versions; do
    "$target/av-${version%=*}/bin/python" "$script" count all*.* gap*.* >counts.txt
    judge "${version#*=}" <counts.txt
done
echo "$passed passed, $failed failed"
[ $failed = 0 ]
