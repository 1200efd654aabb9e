#!/bin/sh
# Whether `sidelight attach` leaves JPEG files of other encoders as they are but for the payload: their bytes, and all
# that exiftool tells of them. A table in Markdown, of the encoders that are installed.
#
#   tests/real/attach.sh [FILE.jpg...]
#
# It installs nothing. It needs exiftool and the command (`make cli`, or SIDELIGHT=path); Debian: libjpeg-turbo-progs
# imagemagick ffmpeg libjxl-tools python3-pil libimage-exiftool-perl. FILEs are files of cameras and the like: their
# original is then what the base model makes of them. The status is 1 if one is not as it was.
set -u
export LC_ALL=C

root=$(cd "$(dirname "$0")/../.." && pwd)
sidelight=${SIDELIGHT:-${CARGO_TARGET_DIR:-$root/target}/cli/sidelight}
[ -x "$sidelight" ] || { echo "$sidelight is missing: run make cli first" >&2; exit 2; }
command -v exiftool >/dev/null || { echo "exiftool is missing" >&2; exit 2; }
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
original=$root/tests/pictures/coffee.png
python=${PYTHON:-python3}
bad=0

# All tags with their groups and values, binary ones too, but those of the file as such; -m: a segment that exiftool
# does not know is one of its warnings. Pictures behind the first move by the payload's bytes.
tags() { exiftool -m -X -b -a -u -G1 --System:all --File:FileSize --ExifTool:all --MPImageStart - <"$1"; }

echo "| encoder | result | metadata | other bytes | again without |"
echo "|---|---|---|---|---|"

# row NAME ORIGINAL: of $work/in.jpg.
row() {
    metadata=- bytes=- back=-
    result=$("$sidelight" attach --effort 1 "$2" "$work/in.jpg" -o "$work/out.jpg" 2>&1)
    if [ $? = 0 ]; then
        result=${result%%:*}
        metadata=same bytes=same back=same
        tags "$work/in.jpg" >"$work/before"
        tags "$work/out.jpg" >"$work/after"
        cmp -s "$work/before" "$work/after" || { metadata=**other** bad=1; }
        "$sidelight" strip -q "$work/out.jpg" -o "$work/plain.jpg"
        cmp -s "$work/in.jpg" "$work/plain.jpg" || { back=**other** bad=1; }
        # The bytes that were put in, found by comparing the two files from both ends.
        added=$(($(wc -c <"$work/out.jpg") - $(wc -c <"$work/in.jpg")))
        at=$(cmp "$work/in.jpg" "$work/out.jpg" | sed -n 's/.*\(byte\|char\) \([0-9]*\),.*/\2/p')
        if [ "$added" -gt 0 ]; then
            tail -c "+$at" "$work/in.jpg" >"$work/rest"
            tail -c "+$((at + added))" "$work/out.jpg" | cmp -s - "$work/rest" || { bytes=**other** bad=1; }
        fi
    fi
    printf '| %s | %s | %s | %s | %s |\n' "$1" "$result" "$metadata" "$bytes" "$back"
}

have() { command -v "$1" >/dev/null; }

# made NAME COMMAND: the command makes $work/in.jpg of the original, then it gets metadata of many kinds.
made() {
    rm -f "$work/in.jpg"
    sh -c "$2" >/dev/null 2>&1 && [ -s "$work/in.jpg" ] || { echo "| $1 | not made | | | |"; return; }
    exiftool -q -overwrite_original -EXIF:Make=Maker -EXIF:GPSLatitude=12.5 -EXIF:GPSLatitudeRef=N \
        -XMP:Title=Title -IPTC:Keywords=one -IPTC:Keywords=two -Comment=Comment "$work/in.jpg"
    row "$1" "$original"
}
export original work python
"$sidelight" encode -q --no-payload "$original" "$work/ppm.jpg" && "$sidelight" decode -q --mode off "$work/ppm.jpg" \
    "$work/original.ppm"
original=$work/original.ppm

have cjpeg && made cjpeg 'cjpeg -quality 30 -outfile $work/in.jpg $original'
have cjpeg && made "cjpeg, progressive, restarts" \
    'cjpeg -quality 30 -progressive -restart 1 -outfile $work/in.jpg $original'
have cjpegli && made cjpegli 'cjpegli -q 40 $original $work/in.jpg'
have convert && made ImageMagick 'convert $original -quality 30 $work/in.jpg'
have gm && made GraphicsMagick 'gm convert $original -quality 30 $work/in.jpg'
have ffmpeg && made FFmpeg 'ffmpeg -v error -i $original -pix_fmt yuvj420p -q:v 8 $work/in.jpg'
"$python" -c 'import PIL' 2>/dev/null && made "Pillow, optimised" \
    '"$python" -c "
import os
from PIL import Image
w = os.environ[\"work\"]
Image.open(os.environ[\"original\"]).save(w + \"/in.jpg\", quality=30, optimize=True, progressive=True)
"'
"$python" -c 'import PIL, PIL.ImageCms' 2>/dev/null && made "Pillow, with a profile" \
    '"$python" -c "
import os
from PIL import Image, ImageCms
w = os.environ[\"work\"]
profile = ImageCms.ImageCmsProfile(ImageCms.createProfile(\"sRGB\")).tobytes()
Image.open(os.environ[\"original\"]).save(w + \"/in.jpg\", quality=30, icc_profile=profile)
"'
for file in "$@"; do
    cp "$file" "$work/in.jpg"
    "$sidelight" decode -q --mode base "$work/in.jpg" "$work/shown.png" 2>/dev/null &&
        row "${file##*/}" "$work/shown.png"
done
exit $bad
