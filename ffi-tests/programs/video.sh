#!/bin/sh
# Tests hevc_encode and hevc_decode as a user runs them, beside stock ffmpeg. Ends with
# "N passed, N failed".
set -u

root=$(cd "$(dirname "$0")/../.." && pwd)
encode="$root/c-examples/build/hevc_encode"
decode="$root/c-examples/build/hevc_decode"
. "$root/ffi-tests/programs/common.sh"

# goes_on COMMAND...: it succeeds, or says by status 2 that the video is damaged.
goes_on() {
    "$@"
    code=$?
    [ $code = 0 ] || [ $code = 2 ]
}

byte() { printf "\\$(printf %o "$1")"; }
ff() { ffmpeg -v error -nostdin -y "$@"; }

# clip SIZE FORMAT PICTURES OUT: moving textures.
clip() {
    ff -f lavfi -i "testsrc2=size=$1:rate=25" -frames:v "$3" \
        -vf "noise=all_seed=7:alls=12:allf=t,format=$2" -strict -1 -f yuv4mpegpipe "$4"
}

# MD5 of each picture, as stock ffmpeg and as ours says.
stock() { ff -i "$1" -fps_mode passthrough -f framemd5 - | grep -v '^#' | awk '{ print $NF }'; }
ours() { "$decode" --md5 "$@" ours.md5 >/dev/null && awk '{ print $NF }' ours.md5; }

pictures() { grep -ao FRAME "$1" | wc -l; }

# Mean PSNR of each plane's pictures against the original.
psnr() {
    ff -i "$1" -i "$2" -lavfi "[0:v]settb=1,setpts=N[a];[1:v]settb=1,setpts=N[b];[a][b]psnr=stats_file=psnr.txt" \
        -f null - || return 1
    awk '{ for (i = 1; i <= NF; i++) { split($i, kv, ":"); sum[kv[1]] += kv[2] } }
        END { printf "%.4f %.4f %.4f\n", sum["psnr_y"] / NR, sum["psnr_u"] / NR, sum["psnr_v"] / NR }' psnr.txt
}

# agrees ENCODER-SAYS OUT ORIGINAL: "sent" in the last line is what stock ffmpeg measures.
agrees() {
    measured=$(psnr "$2" "$3") || return 1
    said=$(tail -n 1 "$1" | grep -o 'sent [0-9.]*' | cut -d' ' -f2 | tr '\n' ' ')
    echo "$said against $measured" >&2
    echo "$said $measured" | awk '{
        n = NF == 6 ? 3 : 1
        for (i = 1; i <= n; i++) { d = $i - $(NF - 3 + i); if (d > 0.008 || d < -0.008) exit 1 }
        exit !(NF == 6 || NF == 4) }'
}

# The positions of our UUID in a stream.
payloads() { grep -aboP '\x6f\xe5\x35\x31\x39\x28\x45\xb9\x8d\x14\x90\xec\x3b\x13\xed\x9f' "$1" | cut -d: -f1; }

# ---- 8 and 10 bits, several IRAP periods ----

set -- --keyint 8 --x265 min-keyint=8 --x265 scenecut=0 --threads 2 --preset fast
clip 192x128 yuv420p 24 a.y4m && clip 160x96 yuv420p10le 24 b.y4m || exit 1
for video in a b; do
    in=$video.y4m
    check "$video: encode off" "$encode" "$@" --qp 34 --no-payload $in off.hevc
    check "$video: encode" "$encode" "$@" --qp 34 --steps 20 --slope 0.5 $in $video.hevc
    cp out.txt $video.txt
    check "$video: an update is sent" grep -q ' update ' $video.txt
    check "$video: same again" "$encode" "$@" --qp 34 --steps 20 --slope 0.5 $in again.hevc
    check "$video: same bytes" cmp $video.hevc again.hevc
    stock off.hevc >off.md5
    stock $video.hevc >stock.md5
    check "$video: there are pictures" [ "$(wc -l <off.md5)" = "$(pictures $in)" ]
    check "$video: payloads disturb nobody" cmp off.md5 stock.md5
    ours --off $video.hevc >ours.txt
    check "$video: --off is stock" cmp stock.md5 ours.txt
    ours off.hevc >ours.txt
    check "$video: without payloads as decoded" cmp stock.md5 ours.txt
    check "$video: decode" "$decode" $video.hevc $video.out.y4m
    check "$video: what was reported" agrees $video.txt $video.out.y4m $in
    "$decode" --off $video.hevc plain.y4m >/dev/null
    agrees $video.txt plain.y4m $in 2>/dev/null
    check "$video: not what was decoded" [ $? = 1 ]
    ours $video.hevc >good.md5
    check "$video: it is filtered" differ stock.md5 good.md5
    "$decode" $video.hevc - 2>/dev/null | cmp - $video.out.y4m
    check "$video: standard output" [ $? = 0 ]
    "$decode" - pipe.y4m <$video.hevc >/dev/null
    check "$video: standard input" cmp pipe.y4m $video.out.y4m
    for threads in 1 3; do
        ours --threads $threads $video.hevc >ours.txt
        check "$video: $threads threads" cmp good.md5 ours.txt
    done
    for level in scalar sse41 avx2 avxvnni; do
        SIDELIGHT_CPU=$level "$decode" --md5 $video.hevc ours.md5 >/dev/null && awk '{ print $NF }' ours.md5 >ours.txt
        check "$video: $level" cmp good.md5 ours.txt
    done
    for file in mp4 mkv; do
        # Raw streams have no time stamps.
        ff -i $video.hevc -c copy -bsf:v setts=ts=N*48000 $video.$file
        ours $video.$file >ours.txt
        check "$video: $file" cmp good.md5 ours.txt
    done
    ours --base 34 off.hevc >ours.txt
    check "$video: --base filters" differ ours.txt stock.md5
    check "$video: --base is not the update" differ ours.txt good.md5

    # From the second IRAP picture on.
    second=$(ffprobe -v error -show_entries packet=flags -of csv=p=0 $video.hevc | grep -n K | sed -n 2p | cut -d: -f1)
    ff -i $video.hevc -c copy -bsf:v "noise=drop=lt(n\\,$((second - 1)))" cut.hevc
    ours cut.hevc >ours.txt
    check "$video: cut at picture $second" [ "$(wc -l <ours.txt)" -ge 8 ]
    tail -n "$(wc -l <ours.txt)" good.md5 >tail.md5
    check "$video: cut: the same from there" cmp tail.md5 ours.txt

    # Behind one stream another one without a payload.
    cat $video.hevc off.hevc >both.hevc
    cat good.md5 stock.md5 >both.md5
    ours both.hevc >ours.txt
    check "$video: a stream without payloads behind" cmp both.md5 ours.txt
    cat off.hevc $video.hevc >both.hevc
    cat stock.md5 good.md5 >both.md5
    ours both.hevc >ours.txt
    check "$video: a stream with payloads behind" cmp both.md5 ours.txt

    # A picture is lost.
    for lost in 0 1 3 8 9; do
        ff -i $video.hevc -c copy -bsf:v "noise=drop=eq(n\\,$lost)" lost.hevc
        rm -f lost.y4m
        check "$video: coded picture $lost is lost" goes_on "$decode" lost.hevc lost.y4m
        check "$video: coded picture $lost is lost: goes on" [ "$(pictures lost.y4m)" -ge 8 ]
        tail -n 3 good.md5 >tail.md5
        "$decode" --md5 lost.hevc ours.md5 >/dev/null 2>&1
        awk '{ print $NF }' ours.md5 | tail -n 3 >ours.txt
        check "$video: coded picture $lost is lost: recovers" cmp tail.md5 ours.txt
    done

    # Garbage in the first payload: its period as decoded, the next one filtered.
    at=$(payloads $video.hevc | head -n 1)
    for i in 17 19 21 23 25; do
        cp $video.hevc bad.hevc
        old=$(tail -c +$((at + i)) bad.hevc | head -c 1 | od -An -tu1)
        byte $((old ^ 65)) | dd of=bad.hevc bs=1 seek=$((at + i - 1)) conv=notrunc 2>/dev/null
        check "$video: byte $i of a payload" says "payload ignored" "$decode" --md5 bad.hevc ours.md5
        { head -n 8 stock.md5; tail -n +9 good.md5; } >mixed.md5
        awk '{ print $NF }' ours.md5 >ours.txt
        check "$video: byte $i of a payload: pictures" cmp mixed.md5 ours.txt
    done

    # The stream ends in the middle.
    head -c $(($(bytes "$video.hevc") * 2 / 3)) $video.hevc >short.hevc
    check "$video: truncated" goes_on "$decode" --md5 short.hevc ours.md5
    awk '{ print $NF }' ours.md5 | head -n 8 >ours.txt
    head -n 8 good.md5 >head.md5
    check "$video: truncated: the first period" cmp head.md5 ours.txt
done

# ---- options ----

"$encode" "$@" --qp 34 --no-payload a.y4m off.hevc >/dev/null
check "dear bytes" "$encode" "$@" --qp 34 --steps 5 --slope 100000 a.y4m dear.hevc
check "dear bytes: nothing is sent" cmp off.hevc dear.hevc
check "base" "$encode" "$@" --qp 34 --no-update --slope 0.001 a.y4m base.hevc
cp out.txt base.txt
check "base: no update" [ "$(grep -c ' update ' base.txt)" = 0 ]
check "base: is small" [ $(($(bytes base.hevc) - $(bytes off.hevc))) -le 144 ]
"$decode" base.hevc base.y4m >/dev/null
check "base: what was reported" agrees base.txt base.y4m a.y4m
check "small model" "$encode" "$@" --qp 34 --model-size small --no-update --slope 0.001 a.y4m small.hevc
cp out.txt small.txt
"$decode" small.hevc small.y4m >/dev/null
check "small model: what was reported" agrees small.txt small.y4m a.y4m
check "small model: is another" differ small.y4m base.y4m
check "shots" "$encode" "$@" --qp 34 --shot 2 --steps 10 --slope 0.01 a.y4m shot.hevc
cp out.txt shot.txt
check "shots: two" [ "$(wc -l <shot.txt)" = 4 ]
check "shots: a payload for each period" [ "$(payloads shot.hevc | wc -l)" = 3 ]
"$decode" shot.hevc shot.y4m >/dev/null
check "shots: what was reported" agrees shot.txt shot.y4m a.y4m
check "few pictures" "$encode" "$@" --qp 34 --pictures 3 --steps 5 --slope 0.01 a.y4m few.hevc
check "few pictures: sent" [ "$(payloads few.hevc | wc -l)" = 3 ]
check "few pictures: decode" "$decode" few.hevc few.y4m
check "open GOP, crf" sh -c "'$encode' --preset fast --crf 30 --keyint 6 --x265 open-gop=1 --x265 bframes=3 --threads 2 --steps 5 --slope 0.01 - open.hevc <a.y4m"
cp out.txt open.txt
"$decode" open.hevc open.y4m >/dev/null
check "open GOP: what was reported" agrees open.txt open.y4m a.y4m
check "all intra" "$encode" --qp 36 --keyint 1 --threads 2 --shot 6 --steps 5 --slope 0.01 b.y4m intra.hevc
cp out.txt intra.txt
"$decode" intra.hevc intra.y4m >/dev/null
check "all intra: what was reported" agrees intra.txt intra.y4m b.y4m

for format in gray yuv422p yuv444p gray10le yuv422p10le yuv444p10le yuv420p12le; do
    clip 70x66 $format 6 kind.y4m
    check "$format: encode" "$encode" --preset fast --qp 35 --threads 1 --steps 3 --slope 0.001 kind.y4m kind.hevc
    cp out.txt kind.txt
    check "$format: decode" "$decode" kind.hevc kind.out.y4m
    check "$format: what was reported" agrees kind.txt kind.out.y4m kind.y4m
    ours --off kind.hevc >ours.txt
    stock kind.hevc >stock.md5
    check "$format: --off is stock" cmp stock.md5 ours.txt
done
ff -i a.y4m -frames:v 3 -vf scale=out_range=full -color_range pc -f yuv4mpegpipe full.y4m
sed -i '1s/$/ XCOLORRANGE=FULL/' full.y4m
check "full range" "$encode" --preset fast --qp 35 --steps 3 --slope 0.001 full.y4m full.hevc
check "full range: decode" "$decode" full.hevc full.out.y4m
check "full range: says so" sh -c "head -n 1 full.out.y4m | grep -aq FULL"

# range OPTION FILE: the stream that x265's option makes of the file says OPTION, and holds the same pictures.
range() {
    "$encode" --no-payload --preset fast --x265 "range=$1" "$2" range.hevc &&
        "$decode" --off range.hevc range.y4m && head -n 1 range.y4m | grep -aqi "COLORRANGE=$1" &&
        [ "$(stock range.hevc)" = "$(stock full.hevc)" ]
}
sed '1s/XCOLORRANGE=FULL/XCOLORRANGE=LIMITED/g' full.y4m >limited.y4m
sed '1s/ XCOLORRANGE=FULL//g' full.y4m >unknown.y4m
"$encode" --no-payload --preset fast full.y4m full.hevc >/dev/null
for in in full limited unknown; do
    check "x265's range=full on $in" range full $in.y4m
    check "x265's range=limited on $in" range limited $in.y4m
done
check "range: the option and the file differ" says "full.y4m says full.*limited: the option holds" \
    "$encode" --no-payload --x265 range=limited full.y4m x.hevc
check "range: the file and the option differ" says "limited.y4m says limited.*full: the option holds" \
    "$encode" --no-payload --x265 range=full limited.y4m x.hevc
"$encode" --no-payload --x265 range=full unknown.y4m x.hevc >/dev/null 2>said.txt
check "range: the file says nothing" cmp said.txt /dev/null

# Options of x265 that look at the picture's size or at more than its planes: x265-options.sh tries all.
ff -i b.y4m -frames:v 6 -strict -1 -f yuv4mpegpipe six.y4m
ff -i b.y4m -frames:v 6 -vf crop=152:72,format=yuv422p -f yuv4mpegpipe odd.y4m
for in in six odd; do
    "$encode" --no-payload --preset fast --x265 info=0 $in.y4m plain.hevc >/dev/null
    check "$in: copy-pic=0" "$encode" --no-payload --preset fast --x265 info=0 --x265 copy-pic=0 $in.y4m x.hevc
    check "$in: copy-pic=0: the same bytes" cmp plain.hevc x.hevc
    for option in hist-scenecut=1 analyze-src-pics=1 ctu=16 interlace=tff intra-refresh=1 lossless=1 slices=2 pmode=1 \
        bframes=8 repeat-headers=0 annexb=0 csv-log-level=0; do
        check "$in: $option" "$encode" --no-payload --preset fast --x265 $option $in.y4m x.hevc
        check "$in: $option: decode" "$decode" x.hevc x.y4m
        check "$in: $option: all pictures" [ "$(pictures x.y4m)" = 6 ]
    done
done
for option in frame-dup=1 chunk-start=2 chunk-end=2; do
    check "$option" refused "option ${option%%=*}\|${option%%=*} is not" x.hevc "$encode" --x265 $option six.y4m x.hevc
done
check "analysis of others" refused "option refine-analysis-type" x.hevc "$encode" --x265 refine-analysis-type=hevc six.y4m x.hevc
check "field" refused "option field" x.hevc "$encode" --x265 interlace=tff --x265 field=1 six.y4m x.hevc

# ---- what is refused, and how ----

picture() { head -c 10000 a.y4m | tail -c $((8 * 8 * 3 / 2)); }
# header LINE: a file with one picture of 8x8.
header() {
    printf '%b\n' "$1"
    printf 'FRAME\n'
    picture
}
header 'YUV4MPEG2 W8 H8' >good.y4m
long=$(printf '%2000s' '' | tr ' ' x)
n=0
for line in '' 'YUV4MPEG' 'YUV4MPEG2X W8 H8' 'YUV4MPEG2' 'YUV4MPEG2 W8' 'YUV4MPEG2 H8' 'YUV4MPEG2 W0 H8' \
    'YUV4MPEG2 W8 H0' 'YUV4MPEG2 W-8 H8' 'YUV4MPEG2 W8x H8' 'YUV4MPEG2 W99999999999999999999 H8' \
    'YUV4MPEG2 W65536 H8' 'YUV4MPEG2 W65535 H65535' 'YUV4MPEG2 W8 H8 C411' 'YUV4MPEG2 W8 H8 C420p16' \
    'YUV4MPEG2 W8 H8 C' 'YUV4MPEG2 W8 H8 F' 'YUV4MPEG2 W8 H8 F25' 'YUV4MPEG2 W8 H8 F1:0' 'YUV4MPEG2 W8 H8 F0:1' \
    'YUV4MPEG2 W8 H8 F99999999999:1' 'YUV4MPEG2 W8 H8 A1:x' 'YUV4MPEG2 W8 H8 It' 'YUV4MPEG2 W\0008 H8' \
    "YUV4MPEG2 W8 H8 X$long"; do
    n=$((n + 1))
    header "$line" >hostile.y4m
    check "hostile header $n" refused "hostile.y4m: " x.hevc "$encode" hostile.y4m x.hevc
done
printf 'YUV4MPEG2 W8 H8' >hostile.y4m
check "header without an end" refused "not a YUV4MPEG2" x.hevc "$encode" hostile.y4m x.hevc
: >hostile.y4m
check "empty" refused "not a YUV4MPEG2" x.hevc "$encode" hostile.y4m x.hevc
printf 'YUV4MPEG2 W64 H64\n' >hostile.y4m
check "no picture" refused "no picture" x.hevc "$encode" hostile.y4m x.hevc
printf 'YUV4MPEG2 W64 H64\nFRAMES\n' >hostile.y4m
check "no FRAME" refused "damaged" x.hevc "$encode" hostile.y4m x.hevc
head -c 100000 a.y4m >hostile.y4m
check "truncated video" refused "truncated" x.hevc "$encode" --threads 1 hostile.y4m x.hevc
ff -i a.y4m -frames:v 2 -f yuv4mpegpipe two.y4m
check "bad qp" refused "bad value" x.hevc "$encode" --qp 52 two.y4m x.hevc
check "bad preset" refused "no preset" x.hevc "$encode" --preset best two.y4m x.hevc
check "bad option of x265" refused "refused" x.hevc "$encode" --x265 nonsense=1 two.y4m x.hevc
check "bad crf" refused "" x.hevc "$encode" --crf x two.y4m x.hevc
check "bad slope" refused "bad value" x.hevc "$encode" --slope -1 two.y4m x.hevc
check "bad shot" refused "bad value" x.hevc "$encode" --shot 0 two.y4m x.hevc
check "no such video" refused "No such file" x.hevc "$encode" nothing.y4m x.hevc
check "a folder" refused "Is a directory" x.hevc "$encode" "$work" x.hevc
check "no such folder" refused "No such file" no/x.hevc "$encode" --no-payload two.y4m no/x.hevc

check "no such stream" refused "No such file" x.y4m "$decode" nothing.hevc x.y4m
check "not a stream" refused "" x.y4m "$decode" "$0" x.y4m
: >empty.hevc
check "empty stream" refused "" x.y4m "$decode" empty.hevc x.y4m
ff -f lavfi -i testsrc2=size=64x48:rate=5 -frames:v 2 -c:v mpeg4 other.mp4
check "not HEVC" refused "not HEVC" x.y4m "$decode" other.mp4 x.y4m
# Beside a larger track of another codec, which players show first, in front of it or behind.
ff -f lavfi -i testsrc2=size=640x480:rate=25 -i a.mp4 -map 0 -map 1 -c:v:0 mpeg4 -c:v:1 copy \
    -disposition:v:0 default -disposition:v:1 0 -t 1 front.mp4
ff -f lavfi -i testsrc2=size=640x480:rate=25 -i a.mp4 -map 1 -map 0 -c:v:1 mpeg4 -c:v:0 copy \
    -disposition:v:1 default -disposition:v:0 0 -t 1 behind.mp4
ours a.mp4 | head -n 12 >want.txt
for file in front.mp4 behind.mp4; do
    ours $file | head -n 12 >ours.txt
    check "the HEVC track of $file" cmp want.txt ours.txt
done
check "bad QP" refused "bad value" x.y4m "$decode" --base 52 a.hevc x.y4m
check "no such folder out" refused "No such file" no/x.y4m "$decode" a.hevc no/x.y4m
cat a.hevc b.hevc >shapes.hevc
check "another shape" refused "another shape" x.y4m "$decode" shapes.hevc x.y4m

check "no room for all of it" full "File too large" x.hevc "$encode" --no-payload --qp 10 two.y4m x.hevc
check "no room for all of it: decode" full "File too large" x.y4m "$decode" --off a.hevc x.y4m
check "device full" refused "No space" nothing "$encode" --no-payload two.y4m /dev/full
check "device full: decode" refused "No space" nothing "$decode" --off a.hevc /dev/full
for command in "$decode a.hevc y.y4m" "$encode --no-payload two.y4m y.hevc"; do
    check "nowhere to print: ${command%% *}" sh -c "! $command >/dev/full"
done
chmod 755 "$work"
mkdir locked
chmod 555 locked
if nobody test -x "$decode"; then
    check "read-only folder" refused "Permission denied" locked/x.hevc nobody "$encode" --no-payload two.y4m locked/x.hevc
    check "read-only folder: decode" refused "Permission denied" locked/x.y4m nobody "$decode" a.hevc locked/x.y4m
else
    echo "left out: nobody may not run the examples where they are"
fi
chmod 755 locked

echo "$passed passed, $failed failed"
[ "$failed" = 0 ]
