#!/bin/sh
# Runs the library over a folder of real files and prints what happened, counted by result with one file of each:
#
#   tests/real/run.sh [--keep LOG] FOLDER
#
# JPEG files are read, get a payload, are shown by djpeg with and without it, lose it again, are recoded without loss by
# jpegtran, and filtered with the base model. Byte streams (.hevc, .265, .h264, .264, .vvc, .266) are cut into access
# units, get payloads and lose them again; the pictures are compared by hevc_decode or by ffmpeg, where these are there,
# and hevc_decode filters. Of .mp4 and .mkv files ffmpeg copies the stream first.
#
# It needs the library (`make lib`; `make examples` for hevc_decode), libjpeg, libpng, a C compiler and djpeg. LOG gets
# a line for each file and result. The status is 1 after a crash, a hang, or other bytes, pixels or planes than there
# should be.
set -u
export LC_ALL=C

root=$(cd "$(dirname "$0")/../.." && pwd)
. "$root/tests/real/common.sh"
limit=${LIMIT:-120}

log=$work/log
if [ "${1:-}" = --keep ]; then
    log=$2
    : >"$log" || exit 1
    shift 2
fi
if [ $# != 1 ] || [ ! -d "$1" ]; then
    echo "usage: $0 [--keep LOG] FOLDER" >&2
    exit 2
fi

build_real || exit 1

# result KEY VALUE: one line of the log.
result() { printf '%s\t%s\t%s\t%s\t%s\n' "$kind" "$1" "$2" "$shown" "$name" >>"$log"; }

# real ARGUMENT...: its results go to the log; a crash or a hang is one.
real() {
    timeout "$limit" "$work/real" "$@" >results 2>messages
    status=$?
    while IFS=$(printf '\t') read -r key value; do
        case $key:$value in
            "filter:no planes") value="refused by jpeg_planes.c: $(refusal)" ;;
            planes:OTHER*)
                [ "$before" = "$(JSIMD_FORCENONE=1 pixels "$file")" ] ||
                    value="overflow: djpeg's SIMD and C code disagree"
                ;;
        esac
        result "$key" "$value"
    done <results
    case $status in
        0) ;;
        124) result run "HANG: over $limit s" ;;
        1) result run "refused: $(refusal)" ;;
        *) result run "CRASH: status $status" ;;
    esac
}

# The last message, without what differs from file to file.
refusal() {
    sed -n '$s/^[^:]*: //p' messages |
        sed 's/0x[0-9a-f]*/N/g; s/sampling factors .* are not/these sampling factors are not/'
}

jpeg() {
    kind=JPEG
    rm -f with.jpg again.jpg
    shown=-
    before=$(pixels "$file")
    case $before in
        0*) shown=yes ;;
        2*) shown=warned ;;
        *) shown=no ;;
    esac
    real jpeg "$file" with.jpg
    [ -e with.jpg ] || return
    if [ "$before" = "$(pixels with.jpg)" ]; then
        [ $shown = no ] || result djpeg "same pixels"
    else
        result djpeg "OTHER PIXELS"
    fi
    [ $shown = yes ] && grep -q '^payload.yes' results && command -v jpegtran >/dev/null || return
    for option in -optimize -progressive; do
        if timeout "$limit" jpegtran -copy all $option -outfile again.jpg with.jpg 2>/dev/null; then
            timeout "$limit" "$work/real" usable again.jpg >results 2>messages
            result "jpegtran $option" "payload $(cut -f 2 results)"
        fi
    done
}

# pictures CODEC FILE: a sum of the decoded pictures.
pictures() {
    rm -f pictures.txt
    if [ "$1" = hevc ] && [ -x "$hevc_decode" ]; then
        timeout "$limit" "$hevc_decode" --off --md5 "$2" pictures.txt >/dev/null 2>&1
    elif command -v ffmpeg >/dev/null; then
        timeout "$limit" ffmpeg -nostdin -v error -i "$2" -an -f framemd5 pictures.txt 2>/dev/null
    fi
    if [ -e pictures.txt ] && grep -q '^[^#]' pictures.txt; then
        cksum <pictures.txt
    else
        echo "not decoded"
    fi
}

stream() {
    kind=$1
    shown=-
    rm -f with.bit
    real stream "$1" "$file" with.bit
    [ -s with.bit ] || return
    before=$(pictures "$1" "$file")
    if [ "$before" = "not decoded" ]; then
        result pictures "$before"
    elif [ "$before" = "$(pictures "$1" with.bit)" ]; then
        result pictures "same pictures"
    else
        result pictures "OTHER PICTURES"
    fi
    if [ "$1" = hevc ] && [ -x "$hevc_decode" ]; then
        timeout "$limit" "$hevc_decode" --base 32 --md5 "$file" filtered.txt >/dev/null 2>messages
        status=$?
        case $status in
            0 | 2) result filter yes ;;
            124) result filter "HANG: over $limit s" ;;
            1) result filter "refused by hevc_decode: $(refusal)" ;;
            *) result filter "CRASH: status $status" ;;
        esac
    fi
}

# A file's track as a byte stream; the codec is what ffmpeg finds it to be.
container() {
    kind=container
    shown=-
    command -v ffmpeg >/dev/null && command -v ffprobe >/dev/null || {
        result read "not tried: no ffmpeg"
        return
    }
    codec=$(timeout "$limit" ffprobe -v error -select_streams v:0 -show_entries stream=codec_name -of csv=p=0 \
        "$file" 2>/dev/null | head -n 1)
    case $codec in
        h264 | hevc | vvc) ;;
        *)
            result read "refused: not of these codecs: ${codec:-none}"
            return
            ;;
    esac
    if ! timeout "$limit" ffmpeg -nostdin -v error -y -i "$file" -map 0:v:0 -c copy -f "$codec" track.bit \
        2>/dev/null; then
        result read "refused: ffmpeg does not copy it"
        return
    fi
    file=track.bit
    stream "$codec"
}

folder=$(cd "$1" && pwd)
find "$folder" -type f | sort >"$work/files"
: >>"$log"
cd "$work" || exit 1
while IFS= read -r file; do
    name=$file
    case $(printf %s "$file" | tr A-Z a-z) in
        *.jpg | *.jpeg | *.jpe | *.jfif | *.thm | *.mpo) jpeg ;;
        *.hevc | *.265 | *.h265) stream hevc ;;
        *.h264 | *.264 | *.avc) stream h264 ;;
        *.vvc | *.266 | *.h266) stream vvc ;;
        *.mp4 | *.mkv | *.mov) container ;;
    esac
done <"$work/files"

# Counted: all of a kind, and of JPEG files those that djpeg shows, shows with a warning, and does not show.
awk -F '\t' -v folder="$folder/" '
    { n = $1 "\t" $2 "\t" $3; count[n]++; by[n, $4]++ }
    !(n in example) || ($4 == "yes" && best[n] != "yes") { example[n] = $5; best[n] = $4 }
    !(($1, $5) in seen) { seen[$1, $5] = 1; files[$1]++; of[$1, $4]++ }
    END {
        for (k in files) {
            printf "!%s: %d files", k, files[k]
            if (k == "JPEG")
                printf "; djpeg shows %d, %d more with a warning, not %d", of[k, "yes"], of[k, "warned"], of[k, "no"]
            print ""
        }
        for (n in count) {
            name = example[n]
            if (index(name, folder) == 1) name = substr(name, length(folder) + 1)
            shown = ""
            if (n ~ /^JPEG/) shown = by[n, "yes"] + 0 "/" by[n, "warned"] + 0 "/" by[n, "no"] + 0
            split(n, f, "\t")
            printf "%s\t%s\t%s\t%d\t%s\t%s\n", f[1], f[2], f[3], count[n], shown, name
        }
    }' "$log" | sort -t "$(printf '\t')" -k 1,1 -k 2,2 -k 4,4nr >table
grep '^!' table | cut -c 2-
grep -v '^!' table | awk -F '\t' '
    $1 != kind { kind = $1; printf "\n%s\n", kind }
    { printf "  %-21s %5d %-14s %s   (%s)\n", $2, $4, $5, $3, $6 }'

if grep -E "$(printf '\t')(OTHER|CRASH|HANG)" "$log" >faults; then
    echo
    echo "faults:"
    cut -f 2,3,5 faults | sed 's/^/  /'
    exit 1
fi
