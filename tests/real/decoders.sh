#!/bin/sh
# What the base model gains behind other decoders than libjpeg's accurate transform: a table in Markdown.
#
#   tests/real/decoders.sh [PICTURE.png ...]
#
# Each picture (three of tests/pictures by default) is coded as 4:2:0 with standard tables; luma is what each decoder
# makes of it. "Harm": filtered it is worse than unfiltered. It needs `make examples` and djpeg; FFmpeg and, in $PYTHON
# (default python3), pip's ajpegli (jpegli) and simplejpeg are skipped where they are not installed.
set -u
export LC_ALL=C

root=$(cd "$(dirname "$0")/../.." && pwd)
. "$root/tests/real/common.sh"
python=${PYTHON:-python3}
encode=$root/c-examples/build/jpeg_encode
[ -x "$encode" ] || { echo "$encode is missing: run make examples first" >&2; exit 1; }
build_real || exit 1

pictures=$root/tests/pictures
[ $# != 0 ] || set -- "$pictures/coffee.png" "$pictures/chelsea.png" "$pictures/lake.png"
qualities="10 20 40 75 90"

# decode NAME JPEG OUT: RGB is what djpeg shows, the others give luma as it is coded.
decode() {
    case $1 in
        islow) djpeg -dct int -grayscale -outfile "$3" "$2" ;;
        float) djpeg -dct float -grayscale -outfile "$3" "$2" ;;
        ifast) djpeg -dct fast -grayscale -outfile "$3" "$2" ;;
        RGB) djpeg -dct int -outfile "$3" "$2" ;;
        FFmpeg) ffmpeg -nostdin -v error -y -i "$2" -vf extractplanes=y "$3" ;;
        jpegli)
            "$python" -c 'import sys, ajpegli
y = ajpegli.decode(open(sys.argv[1], "rb").read(), mode="L")
open(sys.argv[2], "wb").write(b"P5 %d %d 255\n" % y.shape[1::-1] + y.tobytes())' "$2" "$3" ;;
        simplejpeg)
            "$python" -c 'import sys, simplejpeg
y = simplejpeg.decode_jpeg(open(sys.argv[1], "rb").read(), "GRAY")[:, :, 0]
open(sys.argv[2], "wb").write(b"P5 %d %d 255\n" % y.shape[1::-1] + y.tobytes())' "$2" "$3" ;;
    esac
}

decoders="islow float ifast RGB"
command -v ffmpeg >/dev/null && decoders="$decoders FFmpeg"
for package in ajpegli simplejpeg; do
    if "$python" -c "import $package" 2>/dev/null; then
        decoders="$decoders $(echo $package | sed s/^aj/j/)"
    else
        echo "not there: $package" >&2
    fi
done

for quality in $qualities; do
    for picture in "$@"; do
        "$encode" --no-payload --quality "$quality" "$picture" "$work/in.jpg" >/dev/null || exit 1
        for decoder in $decoders; do
            rm -f "$work"/out.p?m
            decode "$decoder" "$work/in.jpg" "$work/out.ppm" 2>/dev/null
            numbers=$("$work/real" luma "$work/in.jpg" "$picture" "$work/out.ppm") || exit 1
            echo "$quality $decoder $numbers"
        done
    done
done >"$work/numbers" || exit 1
awk -v qualities="$qualities" -v decoders="$decoders" '
    function signed(x) { return x * x < 0.0005 ^ 2 ? "0.000" : sprintf("%+.3f", x) }
    BEGIN {
        label["islow"] = "libjpeg-turbo, JDCT_ISLOW"
        label["float"] = "libjpeg-turbo, JDCT_FLOAT"
        label["ifast"] = "libjpeg-turbo, JDCT_IFAST"
        label["RGB"] = "JDCT_ISLOW, luma from RGB"
    }
    {
        k = $1 " " $2; n[k]++; plain[k] += $3; filtered[k] += $4; lost[k] += $4 - $5; differ[k] += $6
        if ($7 > most[$2]) most[$2] = $7
        if ($8 > check[$2]) check[$2] = $8
    }
    END {
        count = split(qualities, q, " ")
        split(decoders, d, " ")
        printf "| luma by | differs in (QF %s, %s) | by up to | check |", q[1], q[count]
        for (i = 1; i <= count; i++) printf " QF %s |", q[i]
        printf "\n|---|---|---|---|"
        for (i = 1; i <= count; i++) printf "---|"
        print ""
        for (j = 1; j in d; j++) {
            a = q[1] " " d[j]; b = q[count] " " d[j]
            printf "| %s | %.1f %%, %.1f %% | %d | %d |", d[j] in label ? label[d[j]] : d[j], \
                100 * differ[a] / n[a], 100 * differ[b] / n[b], most[d[j]], check[d[j]]
            for (i = 1; i <= count; i++) {
                k = q[i] " " d[j]
                if (j == 1) printf " %.2f → %.2f |", plain[k] / n[k], filtered[k] / n[k]
                else printf " %s%s |", signed(lost[k] / n[k]), filtered[k] < plain[k] ? " (harm)" : ""
            }
            print ""
        }
    }' "$work/numbers"
