#!/bin/sh
# Tests the examples as a user runs them, beside stock cjpeg, djpeg and jpegtran. Ends with
# "N passed, N failed".
set -u

root=$(cd "$(dirname "$0")/../.." && pwd)
encode="$root/c-examples/build/jpeg_encode"
decode="$root/c-examples/build/jpeg_decode"
minimal="$root/c-examples/build/minimal"
bench="$root/benches/c/build/bench_filter"
pictures="$root/tests/pictures"
golden="$root/tests/data/jpeg"
. "$root/ffi-tests/programs/common.sh"


# --mode off gives djpeg's pixels.
stock_pixels() {
    djpeg -dct int -outfile stock.pnm "$1" && "$decode" --mode off "$1" ours.ppm && cmp stock.pnm ours.ppm
}

# The luma of a y4m file is djpeg's.
stock_luma() {
    djpeg -dct int -grayscale -outfile stock.pgm "$1" && "$decode" --mode off "$1" ours.y4m || return 1
    skip=$(head -n 2 ours.y4m | wc -c)
    head=$(head -n 3 stock.pgm | wc -c)
    size=$(($(bytes stock.pgm) - head))
    tail -c +$((head + 1)) stock.pgm >stock.luma
    tail -c +$((skip + 1)) ours.y4m | head -c "$size" | cmp - stock.luma
}

# unfiltered TEXT FILE.jpg: decoding says TEXT and gives what --mode off gives.
unfiltered() {
    "$decode" --mode off "$2" plain.y4m && says "$1" "$decode" "$2" got.y4m && cmp plain.y4m got.y4m
}

# ---- every size, layout and kind: stock decoders see the same, ours goes through ----

"$encode" --quality 95 --no-payload "$pictures/coffee.png" coffee.jpg >/dev/null &&
    djpeg -outfile coffee.ppm coffee.jpg || exit 1
for size in 1x1 2x2 3x3 5x4 17x9 16x16 33x1 1x33 70x45; do
    width=${size%x*}
    height=${size#*x}
    # Any bytes of a photograph make a test picture.
    { printf 'P6\n%d %d\n255\n' "$width" "$height"; tail -c 300000 coffee.ppm | head -c $((3 * width * height)); } >color.ppm
    { printf 'P5\n%d %d\n255\n' "$width" "$height"; tail -c 300000 coffee.ppm | head -c $((width * height)); } >gray.pgm
    for kind in gray-420 color-420 color-422 color-444 color-440 color-411; do
        case $kind in gray*) in=gray.pgm ;; *) in=color.ppm ;; esac
        for extra in --steps=3 --progressive; do
            name="$size $kind $extra"
            set -- --quality 20 --steps 3 --sampling "${kind#*-}" "$extra" "$in"
            check "$name: encode off" "$encode" --no-payload "$@" off.jpg
            check "$name: encode base" "$encode" --no-update "$@" base.jpg
            check "$name: encode update" "$encode" "$@" on.jpg
            check "$name: djpeg shows the same" stock_pixels off.jpg
            check "$name: luma" stock_luma off.jpg
            djpeg -dct int -outfile off.pnm off.jpg && djpeg -dct int -outfile on.pnm on.jpg
            check "$name: the payload disturbs nobody" cmp off.pnm on.pnm
            check "$name: base costs at most 24 bytes" [ $(($(bytes base.jpg) - $(bytes off.jpg))) -le 24 ]
            check "$name: decode" "$decode" on.jpg on.png
            check "$name: decode base" "$decode" --mode base off.jpg base.y4m
            check "$name: no payload" unfiltered "no payload" off.jpg
            check "$name: PNG in" "$encode" --steps 2 on.png again.jpg
        done
    done
done

# ---- the same bytes, whatever computes them ----

for picture in coffee camera; do
    "$encode" --quality 20 --steps 40 --threads 1 "$pictures/$picture.png" one.jpg >/dev/null
    "$decode" --threads 1 one.jpg one.y4m >/dev/null
    check "$picture: update is sent" grep -q '^update' <<EOF
$("$decode" one.jpg one.png)
EOF
    check "$picture: update differs from base" sh -c "'$decode' --mode base one.jpg base.y4m && ! cmp -s one.y4m base.y4m"
    for threads in 2 5; do
        "$encode" --quality 20 --steps 40 --threads $threads "$pictures/$picture.png" many.jpg >/dev/null
        check "$picture: encode with $threads threads" cmp one.jpg many.jpg
        "$decode" --threads $threads one.jpg many.y4m >/dev/null
        check "$picture: decode with $threads threads" cmp one.y4m many.y4m
    done
    SIDELIGHT_CPU=avx2 "$encode" --quality 20 --steps 40 "$pictures/$picture.png" cpu.jpg >/dev/null
    check "$picture: encode with AVX2" cmp one.jpg cpu.jpg
    for level in scalar sse41 avx2 avxvnni; do
        SIDELIGHT_CPU=$level "$decode" one.jpg cpu.y4m >/dev/null
        check "$picture: decode with $level" cmp one.y4m cpu.y4m
    done
done

# ---- timing: the same filter, and every format ----

planes_of() { tail -c +$(($(head -n 2 "$1" | wc -c) + 1)) "$1"; }
planes_of one.y4m >one.yuv
"$bench" --repeat 2 --jpeg one.jpg --out bench.yuv >times.txt
check "bench: filters a JPEG as the decoder does" cmp one.yuv bench.yuv
for step in "JPEG decode" "params and payload" "model" "filter"; do
    check "bench: says how long: $step" grep -q "^$step.* ms" times.txt
done
head -c 100000 coffee.ppm >noise.raw
for format in gray yuv420p yuv422p yuv444p yuv440p yuv411p; do
    for depth in "" 10le 12le; do
        set -- --size 61x47 --format $format$depth --repeat 1 noise.raw
        check "bench: $format$depth" "$bench" "$@" --out best.raw --threads 3
        for level in scalar sse41 avx2 avxvnni avx512; do
            check "bench: $format$depth, $level" "$bench" "$@" --cpu $level --out level.raw
            check "bench: $format$depth, $level: same" cmp best.raw level.raw
        done
    done
done
check "bench: frame too short" refused "a frame" x.raw "$bench" --size 6100x47 --format gray --out x.raw noise.raw
check "bench: bad format" refused "bad value" x.raw "$bench" --size 61x47 --format yuv410p --out x.raw noise.raw
check "bench: bad size" refused "bad value" x.raw "$bench" --size 0x47 --format gray --out x.raw noise.raw
check "bench: not a JPEG" refused "" x.raw "$bench" --jpeg noise.raw --out x.raw

# ---- the smallest example ----

# shown FILE.jpg: minimal decodes and filters as jpeg_decode does, without a word.
shown() {
    "$minimal" show "$1" ours.y4m 2>words.txt && "$decode" "$1" theirs.y4m >/dev/null &&
        cmp theirs.y4m ours.y4m && cmp words.txt /dev/null
}
# bare FILE.jpg: without a payload it shows what is decoded.
bare() {
    says "no payload.*unfiltered" "$minimal" show "$1" ours.y4m && "$decode" --mode off "$1" theirs.y4m &&
        cmp theirs.y4m ours.y4m
}

djpeg -grayscale -outfile coffee.pgm coffee.jpg
for size in 1x1 5x4 33x1 70x45 whole; do
    case $size in
    whole) cp coffee.ppm color.ppm && cp coffee.pgm gray.pgm ;;
    *)
        width=${size%x*}
        height=${size#*x}
        { printf 'P6\n%d %d\n255\n' "$width" "$height"; tail -c 300000 coffee.ppm | head -c $((3 * width * height)); } >color.ppm
        { printf 'P5\n%d %d\n255\n' "$width" "$height"; tail -c 300000 coffee.ppm | head -c $((width * height)); } >gray.pgm
        ;;
    esac
    for kind in gray-420 color-420 color-422 color-444 color-440 color-411; do
        case "$size $kind" in "whole color-422" | "whole color-440" | "whole color-411") continue ;; esac # it takes long
        case $kind in gray*) in=gray.pgm ;; *) in=color.ppm ;; esac
        name="minimal: $size $kind"
        "$encode" --no-payload --quality 20 --sampling "${kind#*-}" $in bare.jpg >/dev/null
        check "$name: attach" "$minimal" attach $in bare.jpg attached.jpg
        check "$name: show" shown attached.jpg
        check "$name: without a payload" bare bare.jpg
        jpegtran -copy none -outfile back.jpg attached.jpg && jpegtran -copy none -outfile plain.jpg bare.jpg
        check "$name: the JPEG stays" cmp plain.jpg back.jpg
    done
done
check "minimal: an update is sent" [ "$("$decode" attached.jpg x.png | cut -d: -f1)" = update ]
"$minimal" attach coffee.ppm bare.jpg again.jpg
check "minimal: attached again: the same" cmp attached.jpg again.jpg

# ---- another objective ----

set -- --quality 20 --steps 40 "$pictures/coffee.png"
"$encode" --objective rate-distortion "$@" usual.jpg >/dev/null
"$encode" --objective published "$@" published.jpg >/dev/null
check "published objective: another update" differ usual.jpg published.jpg
check "published objective: a process that did not make it decodes it" grep -q '^update' <<EOF
$("$decode" published.jpg published.y4m)
EOF

# ---- coefficients chosen for the filter ----

# crop SIZE: a test picture, color.ppm and gray.pgm.
crop() {
    width=${1%x*}
    height=${1#*x}
    { printf 'P6\n%d %d\n255\n' "$width" "$height"; tail -c 300000 coffee.ppm | head -c $((3 * width * height)); } >color.ppm
    { printf 'P5\n%d %d\n255\n' "$width" "$height"; tail -c 300000 coffee.ppm | head -c $((width * height)); } >gray.pgm
}
# psnr A.pgm B.pgm: of gray pictures of one size, to 3 decimals.
psnr() {
    cmp -l "$1" "$2" | awk -v n=$(($(bytes "$1") - $(head -n 3 "$1" | wc -c))) '
        function value(octal) { return int(octal / 100) * 64 + int(octal / 10) % 10 * 8 + octal % 10 }
        { d = value($2) - value($3); sum += d * d }
        END { printf "%.3f\n", 10 * log(255 * 255 * n / sum) / log(10) }'
}
# said_of NAME OUTPUT: the number before NAME in what the encoder printed.
said_of() { tail -n 1 "$2" | sed "s/.* \([0-9.]*\) $1[,$].*/\1/"; }
# has_progression, has_restarts FILE.jpg: it is progressive; it has restart intervals.
has_progression() { grep -qaP '\xff\xc2\x00[\x0b\x11]\x08' "$1"; }
has_restarts() { grep -qaP '\xff\xdd\x00\x04' "$1"; }

for size in 1x1 17x9 70x45; do
    crop $size
    for kind in gray-420 color-420 color-422 color-444 color-440 color-411; do
        case $kind in gray*) in=gray.pgm ;; *) in=color.ppm ;; esac
        name="optimise: $size $kind"
        set -- --quality 20 --steps 2 --sampling "${kind#*-}" --threads 2 --optimise=1
        check "$name: encode" "$encode" "$@" $in on.jpg
        check "$name: decode" "$decode" on.jpg on.y4m
        check "$name: progressive" "$encode" --progressive "$@" $in progressive.jpg
        check "$name: is progressive" has_progression progressive.jpg
        check "$name: decode progressive" "$decode" progressive.jpg on.y4m
        check "$name: alone" "$encode" --no-payload "$@" $in alone.jpg
        check "$name: djpeg shows the same" stock_pixels alone.jpg
        check "$name: luma" stock_luma alone.jpg
        check "$name: no payload" unfiltered "no payload" alone.jpg
    done
done
check "optimise: is not progressive unless asked" sh -c '! grep -qaP "\xff\xc2\x00[\x0b\x11]\x08" alone.jpg'

crop 120x90
set -- --quality 20 --threads 2
"$encode" --no-update "$@" gray.pgm plain.jpg >plain.txt
"$encode" --no-update --optimise=1 "$@" gray.pgm on.jpg >on.txt
check "optimise: says so" grep -q "^optimised: JPEG [0-9]* to [0-9]* bytes" on.txt
check "optimise: other coefficients" differ plain.jpg on.jpg
"$decode" on.jpg on.ppm >/dev/null && "$decode" --mode off on.jpg off.ppm >/dev/null
check "optimise: the base model is sent" grep -q "^base" on.txt
check "optimise: the decoder's picture is the measured one" [ "$(psnr gray.pgm on.ppm)" = "$(said_of sent on.txt)" ]
check "optimise: stock decoders' too" [ "$(psnr gray.pgm off.ppm)" = "$(said_of JPEG on.txt)" ]
check "optimise: as it was told before" grep -q " to $(said_of sent on.txt) filtered" on.txt
better() { awk "BEGIN { exit !($1 > $2) }"; }
check "optimise: better" better "$(said_of sent on.txt)" "$(said_of sent plain.txt)"
"$encode" --optimise=1 --steps 20 "$@" gray.pgm on.jpg >on.txt
"$decode" on.jpg on.ppm >/dev/null
check "optimise: with an update the measured picture" [ "$(psnr gray.pgm on.ppm)" = "$(said_of sent on.txt)" ]
"$encode" --optimise=1 --steps 20 --quality 20 --threads 1 gray.pgm one.jpg >/dev/null
check "optimise: with one thread" cmp one.jpg on.jpg
SIDELIGHT_CPU=scalar "$encode" --optimise=1 --steps 20 "$@" gray.pgm one.jpg >/dev/null
check "optimise: scalar" cmp one.jpg on.jpg
check "optimise: twice" "$encode" --rounds 2 --optimise=1 --steps 20 "$@" color.ppm on.jpg
check "optimise: twice: decode" "$decode" on.jpg on.y4m
"$encode" --rounds 2 --optimise=1 --steps 20 "$@" gray.pgm two.jpg >two.txt
"$decode" two.jpg on.ppm >/dev/null
check "optimise: twice: two rounds" [ "$(grep -c "^optimised" two.txt)" = 2 ]
check "optimise: twice: the measured picture" [ "$(psnr gray.pgm on.ppm)" = "$(said_of sent two.txt)" ]
"$encode" --no-payload --optimise=1 "$@" gray.pgm file.jpg >/dev/null
check "optimise: standard output" sh -c "'$encode' --no-payload --optimise=1 $* gray.pgm /dev/stdout | cmp - file.jpg"
set -- --no-payload --optimise=1 --quality 20
"$encode" --strength 0.05 "$@" gray.pgm weak.jpg >/dev/null
"$encode" --strength 20 "$@" gray.pgm strong.jpg >/dev/null
check "strength: of bits" [ "$(bytes strong.jpg)" -lt "$(bytes weak.jpg)" ]
"$encode" --decoded-weight 100 "$@" gray.pgm heavy.jpg >heavy.txt
"$encode" --decoded-weight 0 "$@" gray.pgm light.jpg >light.txt
"$decode" --mode off heavy.jpg heavy.ppm >/dev/null && "$decode" --mode off light.jpg light.ppm >/dev/null
check "decoded weight: of what others see" better "$(psnr gray.pgm heavy.ppm)" "$(psnr gray.pgm light.ppm)"

# ---- quantisation tables ----

"$encode" --no-payload --quality 20 color.ppm plain.jpg >/dev/null
for tables in standard half flat; do
    check "tables: $tables" "$encode" --steps 2 --tables $tables --quality 20 color.ppm $tables.jpg
    check "tables: $tables: decode" "$decode" $tables.jpg x.png
    "$encode" --no-payload --tables $tables --quality 20 color.ppm $tables.jpg >/dev/null
    check "tables: $tables: djpeg shows the same" stock_pixels $tables.jpg
done
check "tables: standard is the default" cmp plain.jpg standard.jpg
check "tables: half is another" differ plain.jpg half.jpg
check "tables: flat is another" differ half.jpg flat.jpg
# DQT, 67 bytes, table 0: its 64 steps are equal.
check "tables: flat is flat" [ "$(tail -c +$(($(grep -aboP '\xff\xdb\x00\x43\x00' flat.jpg | head -1 | cut -d: -f1) + 6)) flat.jpg |
    head -c 64 | od -An -v -tu1 -w1 | sort -u | wc -l)" = 1 ]

# ---- a file that is there already ----

# segment MARKER TEXT: a segment of metadata.
segment() {
    length=$((${#2} + 2))
    byte 255
    byte "$1"
    byte $((length / 256))
    byte $((length % 256))
    printf %s "$2"
}
byte() { printf "\\$(printf %o "$1")"; }
# again FILE.jpg IN: it is optimised, and its metadata stay as they are, byte for byte, in front.
again() {
    "$encode" --jpeg "$1" --steps 2 --optimise=1 "$2" again.jpg && "$decode" again.jpg again.y4m &&
        "$encode" --jpeg "$1" --no-payload --optimise=1 "$2" again.jpg || return 1
    n=$(grep -aboP '\xff\xdb' "$1" | head -1 | cut -d: -f1)
    cmp -n "$n" "$1" again.jpg && ! grep -qa "SLIGHT" again.jpg
}
for kind in color-2x2 color-2x1 color-1x1 gray; do
    for extra in -baseline -progressive "-restart 1B" "-optimize -dct float"; do
        case $kind in gray) in=gray.pgm sample= ;; *) in=color.ppm sample="-sample ${kind#*-}" ;; esac
        # shellcheck disable=SC2086 # words
        cjpeg -quality 30 $extra $sample -outfile bare.jpg $in
        {
            head -c 20 bare.jpg
            segment 225 "Exif__MM, a camera's word"
            segment 226 "ICC_PROFILE_ a colour space"
            segment 254 "a comment"
            segment 237 "Photoshop 3.0"
            tail -c +21 bare.jpg
        } >file.jpg
        name="file: $kind $extra"
        check "$name: optimise" again file.jpg $in
        check "$name: other coefficients" sh -c 'jpegtran -copy none -outfile a.jpg bare.jpg &&
            jpegtran -copy none -outfile b.jpg again.jpg && ! cmp -s a.jpg b.jpg'
        case $extra in
        -progressive) check "$name: stays progressive" has_progression again.jpg ;;
        *) check "$name: does not become progressive" sh -c '! grep -qaP "\xff\xc2\x00[\x0b\x11]\x08" again.jpg' ;;
        esac
        check "$name: djpeg shows the same" stock_pixels again.jpg
        check "$name: as it is, with a payload" "$encode" --jpeg file.jpg --no-update $in on.jpg
        djpeg -dct int -outfile bare.pnm bare.jpg && djpeg -dct int -outfile on.pnm on.jpg
        check "$name: as it is: djpeg shows the same" cmp bare.pnm on.pnm
    done
done
cjpeg -quality 30 -restart 1B -outfile bare.jpg color.ppm
check "file: has restart intervals" has_restarts bare.jpg
# Between tables, where few write them, metadata come to the front in their order.
at=$(grep -aboP '\xff\xc0\x00\x11\x08' bare.jpg | head -1 | cut -d: -f1)
{ head -c 20 bare.jpg; segment 254 first; tail -c +21 bare.jpg | head -c $((at - 20)); segment 254 second; tail -c +$((at + 1)) bare.jpg; } >file.jpg
"$encode" --jpeg file.jpg --no-payload --optimise=1 color.ppm again.jpg >/dev/null
check "file: comments" [ "$(rdjpgcom again.jpg)" = "$(rdjpgcom file.jpg)" ]
check "file: keeps its restart intervals" has_restarts again.jpg
# An older payload is not for the new coefficients.
"$encode" --jpeg again.jpg --steps 2 --optimise=1 color.ppm on.jpg >/dev/null
check "file: has a payload" grep -qa SLIGHT on.jpg
"$encode" --jpeg on.jpg --no-payload --optimise=1 color.ppm new.jpg >/dev/null
check "file: its payload is left out" unfiltered "no payload" new.jpg
"$encode" --jpeg on.jpg --steps 2 --optimise=1 color.ppm new.jpg >/dev/null
check "file: its payload is replaced" [ "$(grep -ao SLIGHT new.jpg | wc -l)" = 1 ]
check "file: its payload is replaced: decode" "$decode" new.jpg x.y4m

crop 17x9
check "file: another's" refused "not of the size" x.jpg "$encode" --jpeg bare.jpg --optimise=1 color.ppm x.jpg
cjpeg -quality 30 -grayscale -outfile bare.jpg color.ppm
check "file: gray, but the picture is not" refused "components" x.jpg "$encode" --jpeg bare.jpg --optimise=1 color.ppm x.jpg
check "file: there is none" refused "nothing.jpg" x.jpg "$encode" --jpeg nothing.jpg --optimise=1 color.ppm x.jpg
check "file: no JPEG" refused "" x.jpg "$encode" --jpeg color.ppm --optimise=1 color.ppm x.jpg
cjpeg -quality 30 -sample 4x2 -outfile odd.jpg color.ppm
check "file: odd sampling" refused "sampling" x.jpg "$encode" --jpeg odd.jpg --optimise=1 color.ppm x.jpg
for bad in --optimise=0 --optimise=10 --optimise=x --rounds=0 --rounds=10 --tables=steep --strength=0 --strength=0.04 \
    --strength=21 --strength=nan --strength=x --decoded-weight=-1 --decoded-weight=101 --decoded-weight=nan; do
    check "bad value: $bad" refused "bad value" x.jpg "$encode" --no-payload $bad gray.pgm x.jpg
done

# ---- profiles and EXIF ----

# A profile of an RGB device with nothing but a text in it, and EXIF with an orientation.
{
    printf '\0\0\0\330\0\0\0\0\2\20\0\0mntrRGB XYZ \7\352\0\13\0\36\0\0\0\0\0\0acsp'
    head -c 28 /dev/zero
    printf '\0\0\366\326\0\1\0\0\0\0\323\055'
    head -c 48 /dev/zero
    printf '\0\0\0\1cprt\0\0\0\220\0\0\0\110text\0\0\0\0'
    printf 'abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.\0'
} >profile.icc
printf 'MM\0*\0\0\0\10\0\1\1\22\0\3\0\0\0\1\0\6\0\0\0\0\0\0' >tiff
# exif FILE.jpg TIFF: the same with that as EXIF.
exif() {
    head -c 20 "$1"
    printf '\377\341'
    length=$(($(bytes "$2") + 8))
    byte $((length / 256))
    byte $((length % 256))
    printf 'Exif\0\0'
    cat "$2"
    tail -c +21 "$1"
}
# carries FILE.jpg: the profile and EXIF as they were.
carries() {
    djpeg -icc got.icc -outfile /dev/null "$1" && cmp profile.icc got.icc && exif_of "$1" | cmp - tiff
}
exif_of() { tail -c +$(($(grep -abo 'Exif' "$1" | head -n 1 | cut -d: -f1) + 7)) "$1" | head -c "$(bytes tiff)"; }
crop 70x45
cjpeg -quality 90 -icc profile.icc -outfile icc.jpg color.ppm
exif icc.jpg tiff >camera.jpg
check "metadata: JPEG to PNG" "$decode" --mode off camera.jpg camera.png
check "metadata: PNG to JPEG" "$encode" --steps 2 camera.png again.jpg
check "metadata: they come through" carries again.jpg
check "metadata: with a progressive file" "$encode" --no-payload --progressive camera.png again.jpg
check "metadata: they come through that" carries again.jpg
check "metadata: with coefficients chosen" "$encode" --no-payload --optimise=1 camera.png again.jpg
check "metadata: they come through that, too" carries again.jpg
check "metadata: the JPEG's own" "$encode" --no-payload --jpeg camera.jpg color.ppm again.jpg
check "metadata: they stay" carries again.jpg
"$decode" --mode off camera.jpg x.ppm >/dev/null && "$decode" --mode off icc.jpg y.ppm >/dev/null
check "metadata: no sample changes" cmp x.ppm y.ppm
# chunk NAME: where it begins in camera.png.
chunk() { echo $(($(grep -abo "$1" camera.png | head -n 1 | cut -d: -f1) - 4)); }
at=$(chunk eXIf)
{ head -c "$at" camera.png; tail -c +$((at + 12 + $(bytes tiff) + 1)) camera.png | head -c -12
    tail -c +$((at + 1)) camera.png | head -c $((12 + $(bytes tiff))); tail -c 12 camera.png; } >behind.png
check "metadata: EXIF behind the picture" "$encode" --no-payload behind.png again.jpg
check "metadata: it comes through" carries again.jpg
# Beside a profile a gamma says nothing.
at=$(chunk iCCP)
{ head -c "$at" camera.png; printf '\0\0\0\4gAMA\0\1\206\240\61\350\226\137'; tail -c +$((at + 1)) camera.png; } >linear.png
"$encode" --no-payload linear.png linear.jpg >/dev/null
check "metadata: a gamma beside the profile" cmp linear.jpg again.jpg
cjpeg -quality 90 -outfile plain.jpg color.ppm
"$decode" --mode off plain.jpg plain.png >/dev/null
check "metadata: none" sh -c '! grep -qa -e iCCP -e eXIf plain.png'
at=$(chunk eXIf)
cp camera.png bad.png
byte 1 | dd of=bad.png bs=1 seek=$((at + 12)) conv=notrunc 2>/dev/null
check "metadata: damaged EXIF" says "eXIf: CRC" "$encode" --no-payload bad.png again.jpg
check "metadata: damaged EXIF is left out" sh -c '! grep -qa Exif again.jpg'
head -c 100 profile.icc >short.icc
cjpeg -quality 90 -icc short.icc -outfile short.jpg color.ppm
check "metadata: damaged profile" says "iCCP\|profile" "$decode" --mode off short.jpg short.png
check "metadata: damaged profile is left out" sh -c '! grep -qa iCCP short.png'
check "metadata: damaged profile: the picture" "$encode" --no-payload short.png again.jpg

# ---- standard input and output ----

"$encode" --no-payload camera.png file.jpg >/dev/null
for format in png ppm y4m; do "$decode" --mode off file.jpg file.$format >/dev/null; done
check "encode -: out" sh -c "'$encode' --no-payload camera.png - | cmp - file.jpg"
for in in camera.png color.ppm gray.pgm; do
    "$encode" --no-payload $in want.jpg >/dev/null
    check "encode -: in and out, $in" sh -c "cat $in | '$encode' --no-payload - - | cmp - want.jpg"
done
check "encode -: the JPEG" sh -c "cat file.jpg | '$encode' --no-payload --jpeg - camera.png - | cmp - file.jpg"
check "encode -: both" refused "one can be" x.jpg "$encode" --jpeg - - x.jpg
check "decode -: in and out" sh -c "cat file.jpg | '$decode' --mode off - - | cmp - file.png"
for format in png ppm y4m; do
    check "decode -: $format" sh -c "'$decode' --mode off --format $format - - <file.jpg | cmp - file.$format"
    check "decode --format $format" sh -c "'$decode' --mode off --format $format file.jpg x.bin && cmp x.bin file.$format"
done
check "decode: bad format" refused "bad value" x.png "$decode" --format tiff file.jpg x.png
check "minimal -: in and out" sh -c "cat file.jpg | '$minimal' show - - 2>/dev/null | cmp - file.y4m"
check "minimal -: attach" sh -c "cat plain.jpg | '$minimal' attach color.ppm - - | '$decode' - x.png"
check "-: no file of that name" [ ! -e - ] && check "-: nor a part of it" [ ! -e -.part ]
check "-: nothing comes" refused "standard input: not a PNG" nothing sh -c "'$encode' - x.jpg </dev/null"
check "-: device full" refused "standard output: No space" nothing sh -c "'$encode' --no-payload camera.png - >/dev/full"
check "-: closed" refused "standard output: Bad file" nothing sh -c "'$encode' --no-payload camera.png - >&-"

# ---- other PNM ----

for kind in 1 2 3 4 7; do
    printf 'P%d\n1 1\n255\n0 0 0\n' $kind >other.pnm
    check "P$kind" refused "(P$kind): supported are PNG, and binary" x.jpg "$encode" other.pnm x.jpg
done
printf 'P6\n1 1\n65535\n......' >deep.ppm
check "PPM of 16 bits" refused "maximum of 65535: supported" x.jpg "$encode" deep.ppm x.jpg
printf 'P6\n1 x\n255\n...' >bad.ppm
check "PPM with a damaged header" refused "damaged header" x.jpg "$encode" bad.ppm x.jpg
printf 'P6' >bad.ppm
check "PPM that ends behind its name" refused "not a PNG" x.jpg "$encode" bad.ppm x.jpg

# ---- payloads that are stale, damaged or another picture's ----

"$encode" --quality 20 --steps 40 "$pictures/coffee.png" cup.jpg >/dev/null
check "rate-distortion is the default" cmp cup.jpg usual.jpg
check "there is an update to damage" [ "$("$decode" cup.jpg x.png | cut -d: -f1)" = update ]
"$encode" --quality 20 --steps 40 "$pictures/lake.png" other.jpg >/dev/null
jpegtran -rotate 90 -copy all -outfile rotated.jpg cup.jpg
check "rotated: stale" unfiltered stale rotated.jpg
jpegtran -copy none -outfile stripped.jpg cup.jpg
check "stripped: no payload" unfiltered "no payload" stripped.jpg
check "minimal: rotated: stale" says "stale.*unfiltered" "$minimal" show rotated.jpg ours.y4m
check "minimal: rotated: as decoded" sh -c "'$decode' --mode off rotated.jpg theirs.y4m && cmp theirs.y4m ours.y4m"

# The payload lies behind the identifier: at byte $at (from 0), $length bytes.
at=$(grep -abo SLIGHT cup.jpg | head -1 | cut -d: -f1)
at=$((at + 7))
length=$(($(head -c $((at - 8)) cup.jpg | tail -c 1 | od -An -tu1) * 256 + $(head -c $((at - 7)) cup.jpg | tail -c 1 | od -An -tu1) - 9))

for i in 0 3 5 6 7 8 $((length / 2)) $((length - 1)); do
    old=$(tail -c +$((at + i + 1)) cup.jpg | head -c 1 | od -An -tu1)
    cp cup.jpg flipped.jpg
    byte $((old ^ 4)) | dd of=flipped.jpg bs=1 seek=$((at + i)) conv=notrunc 2>/dev/null
    check "payload byte $i flipped" unfiltered "payload ignored" flipped.jpg
done
for keep in 1 7 8 9 $((length - 1)); do
    { head -c $((at - 9)) cup.jpg; byte $(((keep + 9) / 256)); byte $(((keep + 9) % 256)); tail -c +$((at - 6)) cup.jpg | head -c $((7 + keep)); tail -c +$((at + length + 1)) cup.jpg; } >short.jpg
    check "payload cut to $keep bytes" unfiltered "payload ignored" short.jpg
done
{ head -c 20 other.jpg; tail -c +$((at - 10)) cup.jpg | head -c $((11 + length)); jpegtran -copy none other.jpg | tail -c +21; } >swapped.jpg
check "another picture's payload: stale" unfiltered stale swapped.jpg
cp other.jpg twice.jpg
{ head -c 20 twice.jpg; tail -c +$((at - 10)) cup.jpg | head -c $((11 + length)); tail -c +21 twice.jpg; } >two.jpg
check "two payloads" unfiltered "payload ignored" two.jpg

# ---- what is refused, and how ----

check "CMYK" refused "CMYK" x.png "$decode" "$golden/cmyk.jpg" x.png
sof=$(grep -aboP '\xff\xc0\x00\x11\x08' cup.jpg | head -1 | cut -d: -f1)
cp cup.jpg deep.jpg
byte 12 | dd of=deep.jpg bs=1 seek=$((sof + 4)) conv=notrunc 2>/dev/null
check "12 bit" refused "precision 12" x.png "$decode" deep.jpg x.png
cjpeg -rgb -outfile rgb.jpg coffee.ppm
check "RGB" refused "RGB" x.png "$decode" rgb.jpg x.png
for sample in 4x2 3x1 1x3; do
    cjpeg -quality 50 -sample $sample -outfile odd.jpg coffee.ppm
    check "sampling $sample" refused "sampling" x.png "$decode" odd.jpg x.png
done
check "arithmetic coding: unfiltered" unfiltered "not supported" "$golden/arithmetic.jpg"
printf 'not a jpeg' >junk.jpg
printf 'P6\n1 1\n255\nrgb' >tiny.ppm
check "junk" refused "" x.png "$decode" junk.jpg x.png
check "minimal: CMYK" refused "unusual" x.y4m "$minimal" show "$golden/cmyk.jpg" x.y4m
check "minimal: RGB" refused "RGB" x.y4m "$minimal" show rgb.jpg x.y4m
check "minimal: sampling" refused "" x.y4m "$minimal" show odd.jpg x.y4m
check "minimal: junk" refused "" x.y4m "$minimal" show junk.jpg x.y4m
check "minimal: no such file" refused "nothing.jpg" x.y4m "$minimal" show nothing.jpg x.y4m
check "minimal: no such original" refused "original" x.jpg "$minimal" attach nothing.ppm cup.jpg x.jpg
check "minimal: another's original" refused "another size" x.jpg "$minimal" attach tiny.ppm cup.jpg x.jpg
check "minimal: no such folder" refused "no/x.y4m" no/x.y4m "$minimal" show cup.jpg no/x.y4m
check "minimal: usage" refused "usage" x.y4m "$minimal" show cup.jpg
check "junk in" refused "" x.jpg "$encode" junk.jpg x.jpg
check "no such file" refused "" x.png "$decode" nothing.jpg x.png
check "no such file in" refused "" x.jpg "$encode" nothing.png x.jpg
check "bad quality" refused "bad value" x.jpg "$encode" --quality 101 "$pictures/camera.png" x.jpg
check "bad objective" refused "bad value" x.jpg "$encode" --objective best "$pictures/camera.png" x.jpg
check "bad mode" refused "bad value" x.png "$decode" --mode best cup.jpg x.png
check "bad extension" refused "neither" x.tiff "$decode" cup.jpg x.tiff
check "no such folder" refused "" no/x.png "$decode" cup.jpg no/x.png
head -c 3000 cup.jpg >truncated.jpg
# damaged TEXT OUTPUT COMMAND...: status 2, TEXT is said, and OUTPUT is there all the same.
damaged() {
    text=$1
    output=$2
    shift 2
    rm -f "$output"
    "$@" >/dev/null 2>said.txt
    code=$?
    cat said.txt >&2
    [ $code = 2 ] && grep -q -e "$text" said.txt && [ -s "$output" ]
}
check "truncated JPEG" damaged "Premature end" x.png "$decode" truncated.jpg x.png
head -c 3 cup.jpg >stub.jpg
check "JPEG cut off in its headers" refused "no image" x.png "$decode" stub.jpg x.png
head -c 200 coffee.ppm >truncated.ppm
check "truncated PPM" refused "truncated" x.jpg "$encode" truncated.ppm x.jpg
head -c 20000 "$pictures/camera.png" >truncated.png
check "truncated PNG" refused "truncated" x.jpg "$encode" truncated.png x.jpg
: >empty
check "empty JPEG" refused "Empty" x.png "$decode" empty x.png
check "empty picture" refused "not a PNG" x.jpg "$encode" empty x.jpg
mkdir folder folder.png
check "a folder in" refused "Is a directory" x.png "$decode" folder x.png
check "a folder in when encoding" refused "Is a directory" x.jpg "$encode" folder x.jpg
check "a folder out" refused "Is a directory" nothing "$decode" cup.jpg folder.png
chmod 755 "$work"
mkdir locked
cp cup.jpg locked/old.png
cp cup.jpg secret.jpg
chmod 555 locked
chmod 000 secret.jpg
if nobody test -x "$decode"; then
    check "read-only folder" refused "Permission denied" locked/x.png nobody "$decode" cup.jpg locked/x.png
    check "read-only folder when encoding" refused "Permission denied" locked/x.jpg nobody "$encode" --no-payload "$pictures/camera.png" locked/x.jpg
    stays() { ! nobody "$decode" cup.jpg locked/old.png && cmp cup.jpg locked/old.png; }
    check "read-only folder: what is there stays" stays
    check "unreadable" refused "Permission denied" x.png nobody "$decode" secret.jpg x.png
    check "unreadable in" refused "Permission denied" x.jpg nobody "$encode" secret.jpg x.jpg
else
    echo "left out: nobody may not run the examples where they are"
fi
chmod 755 locked
for output in x.png x.ppm x.y4m; do
    check "no room for all of it: $output" full "File too large" $output "$decode" cup.jpg $output
done
check "no room for all of it: x.jpg" full "File too large" x.jpg "$encode" --no-payload "$pictures/camera.png" x.jpg
check "no room for all of it: minimal" full "x.y4m" x.y4m "$minimal" show cup.jpg x.y4m
check "no room for all of it: bench" full "File too large" x.yuv "$bench" --repeat 1 --jpeg cup.jpg --out x.yuv
for command in "$decode cup.jpg y.png" "$encode --no-payload $pictures/camera.png y.jpg" "$bench --repeat 1 --jpeg cup.jpg"; do
    check "nowhere to print: ${command%% *}" sh -c "! $command >/dev/full"
done
ln -s /dev/full x.png.part
check "disk full" refused "No space" x.png "$decode" cup.jpg x.png
ln -s /dev/full x.ppm.part
check "disk full, PPM" refused "No space" x.ppm "$decode" cup.jpg x.ppm
ln -s /dev/full x.jpg.part
check "disk full when encoding" refused "No space" x.jpg "$encode" --no-payload "$pictures/camera.png" x.jpg
ln -s /dev/full full.ppm
check "device full" refused "No space" nothing "$decode" cup.jpg full.ppm
"$encode" --no-payload "$pictures/camera.png" file.jpg >/dev/null
check "standard output" sh -c "'$encode' --no-payload '$pictures/camera.png' /dev/stdout | cmp - file.jpg"
ln -s target.ppm link.ppm
check "a link is written through" "$decode" cup.jpg link.ppm
check "a link stays a link" [ -h link.ppm ] && check "its target is there" [ -s target.ppm ]

echo "$passed passed, $failed failed"
[ "$failed" = 0 ]
