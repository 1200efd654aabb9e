#!/bin/sh
# Tests the filter in the FFmpeg that `make ffmpeg` built, beside a reference that gets nothing from FFmpeg
# but decoded pictures and their types. The streams are coded by stock ffmpeg's libx265. Run by
# `make test-ffmpeg`. Ends with "N passed, N failed".
#
#   test.sh FOLDER    with ffmpeg and ffprobe in it
set -u
export LC_ALL=C

here=$(cd "$(dirname "$0")" && pwd)
ours=$(cd "$1" && pwd)
ff=$ours/ffmpeg
pictures="$here/../../tests/pictures"
. "$here/../../tests/check.sh"

die() {
    [ ! -f ref.txt ] || cat ref.txt >&2
    echo "test.sh: $1" >&2
    exit 1
}

differ() { ! cmp -s "$1" "$2"; }

warnings="-std=c11 -D_POSIX_C_SOURCE=200809L -D_DEFAULT_SOURCE -Wall -Wextra -Wpedantic -Werror"
# shellcheck disable=SC2046,SC2086 # words
${CC:-cc} $warnings -O2 -o reference "$here/reference.c" $(pkg-config --cflags --libs sidelight) \
    "-Wl,-rpath,$(pkg-config --variable=libdir sidelight)" || exit 1
reference=./reference

# decode OUT FILTERS IN [OPTION...]: raw pictures; what is said goes to said.txt. Options stand before -i.
decode() {
    to=$1
    filters=$2
    in=$3
    shift 3
    rm -f "$to"
    "$ff" -nostdin -v repeat+warning "$@" -i "$in" -vf "$filters" -fps_mode passthrough -f rawvideo -y "$to" 2>said.txt
    code=$?
    cat said.txt >&2
    return $code
}

# gives FILE FILTERS IN [OPTION...]: that decodes to FILE's pictures.
gives() {
    want=$1
    shift
    decode got.yuv "$@" && cmp "$want" got.yuv
}

# silently COMMAND...: and nothing of the filter is said; once TEXT COMMAND...: TEXT is said once.
silently() { "$@" && ! grep sidelight said.txt; }
once() {
    text=$1
    shift
    "$@" && [ "$(grep -c "$text" said.txt)" = 1 ] && [ "$(grep -c sidelight said.txt)" = 1 ]
}

# clip NAME FORMAT WIDTHxHEIGHT FRAMES X265: NAME.mkv, NAME.yuv (the original), NAME.hevc, NAME.types,
# NAME.plain (decoded), NAME.pts (milliseconds, in coded order): a window that wanders over a photograph.
clip() {
    ffmpeg -nostdin -v error -loop 1 -i "$pictures/coffee.png" -frames:v "$4" -r 25 \
        -vf "fps=25,crop=${3%x*}:${3#*x}:100+2*n:60+n:exact=1,format=$2" -f rawvideo "$1.yuv" &&
        ffmpeg -nostdin -v error -f rawvideo -pix_fmt "$2" -s "$3" -r 25 -i "$1.yuv" -c:v libx265 -x265-params \
            "qp=35:keyint=8:min-keyint=8:scenecut=0:bframes=3:log-level=none:pools=1:frame-threads=1:$5" "$1.mkv" &&
        ffmpeg -nostdin -v error -i "$1.mkv" -c copy -bsf:v hevc_mp4toannexb -f hevc "$1.hevc" &&
        "$ours/ffprobe" -v error -show_entries frame=key_frame,pict_type -of compact=p=0 "$1.hevc" |
        sed -n 's/.*key_frame=1.*/K/p; s/.*key_frame=0.*pict_type=\(.\).*/\1/p' | tr -d '\n' >"$1.types" &&
        "$ours/ffprobe" -v error -show_entries packet=pts -of csv=p=0 "$1.mkv" | tr -d , >"$1.pts" &&
        decode "$1.plain" null "$1.hevc" || die "clip $1"
    [ "$(wc -c <"$1.types")" = "$4" ] && [ "$(wc -c <"$1.plain")" = "$(wc -c <"$1.yuv")" ] ||
        die "clip $1: types or pictures are missing"
    "$reference" code "$1.hevc" "$1.types" "$2" "$3" "$1.yuv" "$1.plain" "$1-p.hevc" 2>ref.txt &&
        "$reference" filter "$1-p.hevc" "$1.types" "$2" "$3" "$1.plain" "$1.want" 2>ref.txt || die "clip $1"
}

# ---- 8 bits, all the ways ----

size=192x128
count=40
clip main yuv420p $size $count open-gop=1
types=$(cat main.types)
bytes=$(($(wc -c <main.plain) / count))
# pictures FILE FIRST END: numbers FIRST to END - 1
pictures() { tail -c +$(($2 * bytes + 1)) "$1" | head -c $((($3 - $2) * bytes)); }
# The IRAP pictures' numbers, and the end: $1, $2, ...
# shellcheck disable=SC2046 # words
set -- $(echo "$types" | grep -o . | grep -n K | cut -d: -f1 | while read -r n; do echo $((n - 1)); done) $count
check "five IRAP pictures" [ $# = 6 ]
check "there are leading pictures" [ "$(echo "$types" | cut -c"$3")" = B ]
check "P and B pictures" sh -c "echo $types | grep -q P.*B"
# What the reference is to show, lest two that do nothing agree.
for gop in 1 2 3 5; do
    first=$(eval echo "\$$gop")
    pictures main.plain "$first" $((first + 2)) >a.yuv
    pictures main.want "$first" $((first + 2)) >b.yuv
    check "reference: IRAP picture $gop begins filtering" differ a.yuv b.yuv
done
pictures main.plain "$4" $(($4 + 2)) >a.yuv
pictures main.want "$4" $(($4 + 2)) >b.yuv
check "reference: IRAP picture 4 ends it" cmp a.yuv b.yuv

check "payloads disturb nobody" gives main.plain null main-p.hevc
check "filter" silently gives main.want sidelight main-p.hevc
for threads in 1 2 3 4 7; do
    check "$threads threads" silently gives main.want sidelight main-p.hevc -filter_threads $threads
done
check "one thread of the filter's own" gives main.want sidelight=threads=1 main-p.hevc -filter_threads 4
check "decoder's threads" gives main.want sidelight main-p.hevc -threads 4
md5() { "$ff" -nostdin -v error "$@" -f framemd5 - | grep -v '^#' | sed 's/.*, *//'; }
md5 -i main-p.hevc -vf sidelight >a.md5
md5 -f rawvideo -pix_fmt yuv420p -s $size -i main.want >b.md5
check "framemd5" cmp a.md5 b.md5
check "framemd5: all pictures" [ "$(wc -l <a.md5)" = $count ]
filters_and_passes() {
    "$ff" -nostdin -v verbose -i main-p.hevc -vf "$1" -f null - 2>&1 | grep -q "$2 pictures filtered, $3 passed on"
}
check "pictures counted" filters_and_passes sidelight $((count - $5 + $4)) $(($5 - $4))
check "pictures counted, timeline" filters_and_passes "sidelight=enable='lt(n,3)'" 3 $((count - 3))

# ---- containers and seeking ----

# Raw streams have no times: those of the encoder's file.
times=$(awk '{ printf "%seq(N\\,%d)*%d", (NR > 1 ? "+" : ""), NR - 1, $1 }' main.pts)
check "mp4: remux" "$ff" -nostdin -v error -i main-p.hevc -c copy \
    -bsf:v "setts=pts=($times)/1000/TB:dts=(N-3)/25/TB" p.mp4
check "mkv: remux" "$ff" -nostdin -v error -i p.mp4 -c copy p.mkv
for kind in mp4 mkv; do
    check "$kind" silently gives main.want sidelight p.$kind
    "$ff" -nostdin -v error -i p.$kind -c copy -bsf:v hevc_mp4toannexb -f hevc -y back.hevc
    check "$kind: and back" silently gives main.want sidelight back.hevc
    # At the second IRAP picture: the repetition is found.
    start=$(awk "BEGIN { print ($2 + 4.5) / 25 }")
    pictures main.want "$2" $count >want.yuv
    check "$kind: from the second IRAP picture" silently gives want.yuv sidelight p.$kind -noaccurate_seek -ss "$start"
    # Exact seeking throws the IRAP picture away before filters see it: from the next one on.
    start=$(awk "BEGIN { print ($2 + 1.5) / 25 }")
    { pictures main.plain $(($2 + 2)) "$3" && pictures main.want "$3" $count; } >want.yuv
    check "$kind: from between" silently gives want.yuv sidelight p.$kind -ss "$start"
done

# ---- timeline ----

{ pictures main.plain 0 3 && pictures main.want 3 7 && pictures main.plain 7 $count; } >want.yuv
check "enable: four pictures" silently gives want.yuv "sidelight=enable='between(n,3,6)'" main-p.hevc
late=$(($3 + 1))
{ pictures main.plain 0 $late && pictures main.want $late $count; } >want.yuv
check "enable: payloads of disabled pictures count" silently gives want.yuv "sidelight=enable='gte(n,$late)'" main-p.hevc
check "enable: never" silently gives main.plain "sidelight=enable=0" main-p.hevc

# ---- pictures that are no longer the decoder's ----

# Some builds of the scaler are not the same every time without these.
exact=flags=accurate_rnd+bitexact
for before in scale=96:64:$exact crop=190:128 scale=in_range=tv:out_range=pc:$exact vflip; do
    decode want.yuv $before main-p.hevc
    check "$before in front: stale, said once" once "payload ignored.*for another" gives want.yuv $before,sidelight main-p.hevc
    decode filtered.yuv $before,sidelight=skip_binding=1 main-p.hevc
    check "$before in front: skip_binding=1 filters" differ want.yuv filtered.yuv
done
decode want.yuv spp=2:20 main-p.hevc
check "spp in front" once "payload ignored" gives want.yuv spp=2:20,sidelight main-p.hevc
decode cropped.yuv crop=98:64 main-p.hevc
check "crop behind" gives cropped.yuv sidelight=enable=0,crop=98:64 main-p.hevc

# ---- no payload, and payloads that are none ----

check "no payload" silently gives main.plain sidelight main.hevc
"$reference" junk main.hevc junk.hevc || die junk
check "junk: said once" once "payload ignored" gives main.plain sidelight junk.hevc
check "junk: base doesn't take its place" gives main.plain "sidelight=fallback=base:qp=32:enable='lt(n,$4)'" junk.hevc
at=$(grep -aboP '\x6F\xE5\x35\x31\x39\x28\x45\xB9' main-p.hevc | head -n 1 | cut -d: -f1)
for byte in 16 17 21 22 24; do
    { head -c $((at + byte)) main-p.hevc && printf '\125' && tail -c +$((at + byte + 2)) main-p.hevc; } >flipped.hevc
    { pictures main.plain 0 "$2" && pictures main.want "$2" $count; } >want.yuv
    check "byte $((byte - 16)) of the first payload is wrong" once "payload ignored" gives want.yuv sidelight flipped.hevc
done

# ---- without a payload: the base model ----

for stream in main main-p; do
    "$reference" filter $stream.hevc main.types yuv420p $size main.plain base.yuv 29,32,34 || die base
    check "$stream: base" silently gives base.yuv sidelight=fallback=base:qp=32 $stream.hevc
    check "$stream: base by types" gives base.yuv sidelight=fallback=base:qp=32:qp_i=29:qp_b=34 $stream.hevc
    "$reference" filter $stream.hevc main.types yuv420p $size main.plain base.yuv 29,32,34,small || die base
    check "$stream: small base" silently gives base.yuv sidelight=fallback=base:qp=32:model_size=small $stream.hevc
    "$reference" filter $stream.hevc main.types yuv420p $size main.plain base.yuv 20,40,0 || die base
    check "$stream: base, but not of B pictures" gives base.yuv sidelight=fallback=base:qp=40:qp_i=20:qp_b=0 $stream.hevc
done
check "fallback=off is the default" gives main.want sidelight=qp=40:fallback=off main-p.hevc
# refused TEXT FILTER: it doesn't start, and says TEXT.
refused() {
    if decode got.yuv "$2" main-p.hevc; then return 1; fi
    grep -q -e "$1" said.txt
}
check "base without a QP" refused "needs qp" sidelight=fallback=base
check "base without P's QP" silently decode got.yuv sidelight=fallback=base:qp_i=30:qp_b=30 main-p.hevc
check "QP out of range" refused "out of range" sidelight=fallback=base:qp=52

# ---- what goes with the pictures ----

clip tagged yuv420p 96x64 9 "open-gop=0:colorprim=bt709:transfer=bt709:colormatrix=bt709:range=full:sar=2"
# What showinfo says of each frame, but for samples.
shown() {
    "$ff" -nostdin -v info -i tagged-p.hevc -vf "$1" -f null - 2>&1 |
        sed -n 's/^\[Parsed_showinfo[^]]*\] *//p' | sed 's/checksum.*//' | sed '/^color_range/!s/color.*//'
}
shown showinfo >a.txt
shown sidelight,showinfo >b.txt
check "side data and properties stay" cmp a.txt b.txt
check "there are some" grep -q -i "unregistered" a.txt
check "there is a colour space" grep -q bt709 a.txt
check "full range" silently gives tagged.want sidelight tagged-p.hevc

# ---- other formats ----

for format in yuv420p10le:100x76 yuv420p12le:96x64 yuv422p:98x70 yuv422p10le:98x70 yuv444p:101x75 yuv444p12le:101x75 \
    gray:101x75 gray10le:97x65 gray12le:97x65 yuv420p:66x34 yuv420p:32x18; do
    shape=${format#*:}
    format=${format%:*}
    name=$format-$shape
    clip "$name" "$format" "$shape" 18 open-gop=0
    check "$name: decoded as such" [ "$("$ours/ffprobe" -v error -show_entries stream=pix_fmt -of csv=p=0 "$name.hevc" | head -n 1)" = "$format" ]
    check "$name: there is something to see" differ "$name.plain" "$name.want"
    for threads in 1 4; do
        check "$name: $threads threads" silently gives "$name.want" sidelight "$name-p.hevc" -filter_threads $threads
    done
    check "$name: no payload" silently gives "$name.plain" sidelight "$name.hevc"
done

# ---- strength, and outputs deeper than the input ----

# deeper NAME FORMAT SHAPE OUTPUT OPTIONS STRENGTH: FORMAT's clip or file of that name, filtered so
deeper() {
    case $1 in *p.jpg) in=$1 plain=${1%-p.jpg}.plain types=- file=file=$1: ;; *) in=$1-p.hevc plain=$1.plain types=$1.types file= ;; esac
    "$reference" filter "$in" "$types" "$2:$4:$6" "$3" "$plain" want.yuv 2>ref.txt || die "deeper $1"
    silently gives want.yuv "sidelight=$file$5" "$in"
}
for strength in 0:0 0.25:16 0.499:32 1:64; do
    check "strength ${strength%:*}" deeper main yuv420p $size yuv420p "strength=${strength%:*}" "${strength#*:}"
    check "strength ${strength%:*}, 10 bits" deeper main yuv420p $size yuv420p10le \
        "strength=${strength%:*}:depth=10" "${strength#*:}"
done
for depth in 10 12 16; do
    check "8 to $depth bits" deeper main yuv420p $size yuv420p${depth}le depth=$depth 64
    check "8 to $depth bits, as format" sh -c "'$ff' -nostdin -v info -i main-p.hevc -vf sidelight=depth=$depth,showinfo -f null - 2>&1 | grep -q fmt:yuv420p${depth}le"
done
check "4:2:2, 8 to 16 bits" deeper yuv422p-98x70 yuv422p 98x70 yuv422p16le depth=16 64
check "4:4:4, 12 to 16 bits" deeper yuv444p12le-101x75 yuv444p12le 101x75 yuv444p16le depth=16 64
check "gray, 8 to 12 bits" deeper gray-101x75 gray 101x75 gray12le depth=12 64
check "10 to 10 bits" deeper yuv420p10le-100x76 yuv420p10le 100x76 yuv420p10le depth=10 64
check "12 to 10 bits" sh -c "! '$ff' -nostdin -v error -i yuv420p12le-96x64-p.hevc -vf sidelight=depth=10 -f null - 2>said.txt && grep -q 'no output of 10 bits' said.txt"
check "no such depth" refused "depth is to be" sidelight=depth=14
# Passed on, with the bits below zero.
"$reference" filter main.hevc main.types yuv420p:yuv420p16le:0 $size main.plain shifted.yuv 2>ref.txt || die shifted
check "no payload, deeper" silently gives shifted.yuv sidelight=depth=16 main.hevc
check "disabled, deeper" silently gives shifted.yuv sidelight=depth=16:enable=0 main-p.hevc
{ pictures main.want 0 4 && pictures main.plain 4 $count; } >want.yuv
check "strength as a command" silently gives want.yuv "sendcmd=c='0.16 sidelight strength 0',sidelight" main-p.hevc -r 25

# ---- JPEG ----

# still NAME FORMAT CJPEG...: NAME.jpg without a payload, NAME-p.jpg, NAME.plain, NAME.want, NAME.base
still() {
    name=$1
    format=$2
    shape=$3
    shift 3
    case $format in gray) pnm=pgm rgb=gray ;; *) pnm=ppm rgb=rgb24 ;; esac
    ffmpeg -nostdin -v error -i "$pictures/coffee.png" -vf "crop=${shape%x*}:${shape#*x}:200:100:exact=1,format=$rgb" \
        -frames:v 1 -y "$name.$pnm" &&
        cjpeg "$@" -outfile "$name.jpg" "$name.$pnm" &&
        ffmpeg -nostdin -v error -i "$name.$pnm" -vf "scale=out_range=pc:out_color_matrix=bt601,format=$format" -f rawvideo -y "$name.yuv" &&
        decode "$name.plain" null "$name.jpg" 2>err.txt || die "still $name"
    "$reference" code "$name.jpg" - "$format" "$shape" "$name.yuv" "$name.plain" "$name-p.jpg" 2>ref.txt &&
        "$reference" filter "$name-p.jpg" - "$format" "$shape" "$name.plain" "$name.want" &&
        "$reference" filter "$name-p.jpg" - "$format" "$shape" "$name.plain" "$name.base" base || die "still $name"
}
for kind in yuvj420p:2x2:200x151 yuvj422p:2x1:200x151 yuvj444p:1x1:101x75 yuvj440p:1x2:201x150 \
    yuvj411p:4x1:200x151 gray:1x1:101x75; do
    format=${kind%%:*}
    shape=${kind##*:}
    sample=${kind#*:}
    sample=${sample%:*}
    for extra in -baseline -progressive; do
        name=$format$extra
        still "$name" "$format" "$shape" -quality 20 -sample "$sample" $extra
        check "$name: the payload disturbs nobody" gives "$name.plain" null "$name-p.jpg"
        check "$name: there is something to see" differ "$name.plain" "$name.want"
        check "$name: base is another thing" differ "$name.base" "$name.want"
        for threads in 1 4; do
            check "$name: $threads threads" silently gives "$name.want" "sidelight=file=$name-p.jpg" "$name-p.jpg" -filter_threads $threads
        done
        check "$name: no payload" silently gives "$name.plain" "sidelight=file=$name.jpg" "$name.jpg"
        check "$name: base" silently gives "$name.base" "sidelight=file=$name.jpg:fallback=base" "$name.jpg"
        check "$name: without file" silently gives "$name.plain" sidelight "$name-p.jpg"
    done
done
p=yuvj420p-baseline
check "JPEG, 16 bits" deeper $p-p.jpg yuvj420p 200x151 yuv420p16le depth=16 64
check "JPEG, 16 bits: full range" sh -c "'$ff' -nostdin -v info -i $p-p.jpg -vf sidelight=file=$p-p.jpg:depth=16,showinfo -f null - 2>&1 | grep -q color_range:pc"
check "JPEG, 4:4:0 to 12 bits" deeper yuvj440p-baseline-p.jpg yuvj440p 201x150 yuv440p12le depth=12:strength=0.5 32
check "JPEG, 4:1:1 has nothing deeper" sh -c "! '$ff' -nostdin -v error -i yuvj411p-baseline-p.jpg -vf sidelight=depth=16 -f null - 2>said.txt && grep -q 'no output of 16 bits' said.txt"
same() { # BEFORE: what stands in front, then the filter, gives what stands in front, and says so once
    decode want.yuv "$1" $p-p.jpg && once "for another" gives want.yuv "$1,sidelight=file=$p-p.jpg" $p-p.jpg
}
check "scaled" same scale=100:76:$exact
check "cropped" same crop=198:150
check "limited range" same scale=out_range=tv:$exact,format=yuv420p
check "another layout" same scale=$exact,format=yuvj444p
jpegtran -rotate 180 -copy all -outfile rotated.jpg $p-p.jpg
decode want.yuv null rotated.jpg 2>err.txt
check "rotated: stale" once "for another" gives want.yuv sidelight=file=rotated.jpg rotated.jpg
check "rotated: skip_binding=1 filters" sh -c "! '$ff' -nostdin -v error -i rotated.jpg -vf sidelight=file=rotated.jpg:skip_binding=1 -f rawvideo - | cmp -s - want.yuv"
decode want.yuv null $p.jpg
check "not a JPEG" once "pass through" gives $p.plain "sidelight=file=main.hevc" $p.jpg
head -c 300 $p-p.jpg >short.jpg
check "JPEG cut off" once "pass through" gives $p.plain sidelight=file=short.jpg $p.jpg
check "no such file" refused "No such file" sidelight=file=nothing.jpg
cjpeg -sample 4x2 -outfile odd.jpg yuvj420p-baseline.ppm && decode want.yuv null odd.jpg 2>err.txt || die "odd sampling"
check "odd sampling" once "unusual sampling" gives want.yuv sidelight=file=odd.jpg:fallback=base odd.jpg
cjpeg -rgb -outfile odd.jpg yuvj420p-baseline.ppm || die "RGB"
# What reaches the filter is converted.
check "RGB" once "RGB" decode got.yuv sidelight=file=odd.jpg:fallback=base odd.jpg
png() { "$ff" -nostdin -v error -i $p-p.jpg -vf "$1" -frames:v 1 -y "$2"; }
check "JPEG to PNG" png sidelight=file=$p-p.jpg a.png
check "JPEG to PNG, unfiltered" png null b.png
check "JPEG to PNG: they differ" differ a.png b.png

echo "$passed passed, $failed failed"
[ "$failed" = 0 ]
