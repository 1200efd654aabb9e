#!/bin/sh
# Runs hevc_encode under valgrind once for every option of libx265, and says of each how it ends: coded,
# refused (with the message), or a fault: a signal, or an access beside memory that hevc_encode handed over.
# Where it ends by a signal, x265's own program is run with the same option: if that ends so too, the fault
# is libx265's. Fails on a fault of ours, and where `x265 --fullhelp` has an option that is not listed here.
# Takes an hour, and needs x265, valgrind and `make video`; not part of `make test`.
#
#   x265-options.sh [LINE...]    these in place of all
set -u

root=$(cd "$(dirname "$0")/../.." && pwd)
encode="$root/c-examples/build/hevc_encode"
. "$root/ffi-tests/programs/common.sh"

# One run each: options of libx265, the first of which is the one that is meant.
all() {
    cat <<'END'
aq-mode=0
aq-mode=4
aq-motion=1
aq-strength=2
amp=1 rect=1
analysis-save=x.dat analysis-save-reuse-level=10
analysis-load=x.dat analysis-load-reuse-level=10
analysis-save-reuse-level=5
analysis-load-reuse-level=5
analysis-reuse-file=y.dat
analysis-reuse-level=5
analyze-src-pics=1
allow-non-conformance=1
asm=0
asm=avx2
atc-sei=18
aud=1
b-adapt=0
b-intra=1
b-pyramid=0
bframe-bias=20
bframes=0
bframes=16 rc-lookahead=20
bitrate=100
cbqpoffs=3
chromaloc=2
chunk-start=2
chunk-end=3
cll=1 max-cll=1000,400
colormatrix=bt709
colorprim=bt709
const-vbv=1 vbv-maxrate=500 vbv-bufsize=500 bitrate=300
constrained-intra=1
copy-pic=0
copy-pic=1
crf=30
crf-max=40 crf=30 vbv-maxrate=500 vbv-bufsize=500
crf-min=20 crf=30 vbv-maxrate=500 vbv-bufsize=500
crqpoffs=-3
csv=x.csv
csv-log-level=2 csv=x.csv
ctu=16
ctu=32
cu-lossless=1
cutree=0
deblock=-1:2
deblock=0
display-window=2,2,2,2
dolby-vision-profile=8.1
dup-threshold=60
dynamic-rd=2 bitrate=100 vbv-maxrate=200 vbv-bufsize=200
dynamic-refine=1
early-skip=0
fades=1
fast-intra=1
field=1 interlace=tff
force-flush=1
force-flush=2
fps=30000/1001
frame-dup=1
frame-threads=1
frame-threads=3
gop-lookahead=4
hash=1
hash=2
hash=3
hdr10=1 max-cll=1000,400
hdr10-opt=1
hdr-opt=1
hevc-aq=1
high-tier=0 level-idc=4.1 crf=30
hist-scenecut=1
hist-threshold=0.1 hist-scenecut=1
hme=1
hme-range=8,16,32 hme=1
hme-search=hex,umh,star hme=1
hrd=1 vbv-maxrate=500 vbv-bufsize=500
hrd-concat=1 hrd=1 vbv-maxrate=500 vbv-bufsize=500
idr-recovery-sei=1
info=0
input-csp=i422
input-depth=10
input-res=128x128
interlace=bff
intra-refresh=1
ipratio=1.1
keyint=3
lambda-file=none.txt
level-idc=5 crf=30
limit-modes=1 rect=1
limit-refs=3
limit-sao=1
limit-tu=4 tu-inter-depth=3
log-level=full
log2-max-poc-lsb=16
lookahead-slices=4
lookahead-threads=1
lossless=1
lowpass-dct=1
masking-strength=500,5,0 scenecut-aware-qp=3
master-display=G(13250,34500)B(7500,3000)R(34000,16000)WP(15635,16450)L(10000000,1)
max-ausize-factor=0.7
max-cll=1000,400
max-luma=200
max-merge=5
max-tu-size=8
max-vbv-fullness=90 vbv-maxrate=500 vbv-bufsize=500 bitrate=300
me=full
me=sea
me=star
me=umh
merange=16
min-cu-size=16
min-keyint=2
min-luma=40
min-vbv-fullness=10 vbv-maxrate=500 vbv-bufsize=500 bitrate=300
multi-pass-opt-analysis=1 pass=1 bitrate=100
multi-pass-opt-distortion=1 pass=1 bitrate=100
multi-pass-opt-rps=1 pass=1 bitrate=100
nalu-file=none.txt
nr-inter=200
nr-intra=200
open-gop=0
opt-cu-delta-qp=1
opt-qp-pps=1
opt-ref-list-length-pps=1
output-depth=10
overscan=crop
pass=1 bitrate=100
pass=2 bitrate=100
pass=3 bitrate=100
pbratio=1.1
pic-struct=3
pme=1
pmode=1
pools=2
psnr=1
psy-rd=1
psy-rdoq=10 rdoq-level=2
qcomp=0.8
qg-size=8
qp=20
qp-adaptation-range=3 hevc-aq=1
qpmax=40 bitrate=20
qpmin=20 bitrate=2000
qpstep=2 bitrate=100
radl=2
range=full
rc-grain=1
rc-lookahead=40
rd=1
rd=6
rd-refine=1 rd=6
rdoq-level=2
rdpenalty=2
rect=1
ref=1
ref=6
refine-analysis-type=hevc
refine-ctu-distortion=1
refine-inter=2
refine-intra=2
refine-mv=1
repeat-headers=0
rskip=2 rskip-edge-threshold=10
rskip-edge-threshold=5
sao=0
sao-non-deblock=1
sar=2:1
scale-factor=2
scaling-list=default
scaling-list=none.txt
scenecut=0
scenecut=100
scenecut-aware-qp=3
scenecut-bias=20
selective-sao=2
signhide=0
single-sei=1 hash=1 aud=1
slices=2
slow-firstpass=0 pass=1 bitrate=100
splitrd-skip=1
ssim=1
ssim-rd=1
stats=x.log pass=1 bitrate=100
strict-cbr=1 vbv-maxrate=300 vbv-bufsize=300 bitrate=300
strong-intra-smoothing=0
subme=7
svt=1
temporal-layers=1
temporal-mvp=0
total-frames=6
transfer=bt709
tskip=1
tskip-fast=1 tskip=1
tu-inter-depth=4
tu-intra-depth=4
uhd-bd=1
vbv-bufsize=500 vbv-maxrate=500
vbv-end=0.5 vbv-maxrate=500 vbv-bufsize=500 total-frames=6
vbv-end-fr-adj=0.5 vbv-end=0.5 vbv-maxrate=500 vbv-bufsize=500 total-frames=6
vbv-init=0.5 vbv-maxrate=500 vbv-bufsize=500
vbv-live-multi-pass=1 pass=2 bitrate=100 vbv-maxrate=500 vbv-bufsize=500
vbv-maxrate=500 vbv-bufsize=500 crf=30
videoformat=pal
vui-hrd-info=0
vui-timing-info=0
weightb=1
weightp=0
wpp=0
zones=0,2,q=20
END
}
# Of x265's own program, not of its library; and one that waits for calls of the library's API.
not_here="ctu-info abr-ladder dither dolby-vision-rpu frames fullhelp help input progress output preset profile
    qpfile recon recon-depth recon-y4m-exec seek tune version y4m zonefile"

# own LINE: x265's own program with the same options. Switches of it take no value.
own() {
    set -- $1
    arguments=
    for option in "$@"; do
        name=${option%%=*}
        value=${option#*=}
        if x265 "--$option" --fullhelp 2>&1 | grep -q "doesn't allow an argument"; then
            case $value in 0) arguments="$arguments --no-$name" ;; *) arguments="$arguments --$name" ;; esac
        else
            arguments="$arguments --$name=$value"
        fi
    done
    # shellcheck disable=SC2086 # words
    timeout 30 x265 --preset veryfast $arguments in.y4m -o own.hevc >own.txt 2>&1
}

# What valgrind says of memory that the library did not allocate itself.
ours() {
    awk '/^==[0-9]+== (Invalid|Source and dest)/ { text = ""; at = 0 }
        /^==[0-9]+==  Address/ { at = 1; beside = "" }
        at { beside = beside $0 "\n" }
        /^==[0-9]+== *$/ { if (at && beside !~ /libx265/) printf "%s", beside; at = 0 }' "$1"
}

ffmpeg -v error -nostdin -f lavfi -i testsrc2=size=64x64:rate=25 -frames:v 6 -pix_fmt yuv420p in.y4m || exit 1
if [ $# -gt 0 ]; then printf '%s\n' "$@"; else all; fi >lines.txt
faults=0
while read -r line; do
    arguments=
    for option in $line; do arguments="$arguments --x265 $option"; done
    # shellcheck disable=SC2086 # words
    timeout 120 valgrind -q --undef-value-errors=no --error-limit=no "$encode" --no-payload --threads 2 --preset veryfast \
        $arguments in.y4m out.hevc >out.txt 2>err.txt </dev/null
    code=$?
    ours err.txt >beside.txt
    if [ -s beside.txt ]; then
        result="FAULT: $(head -n 1 beside.txt)"
        faults=$((faults + 1))
    elif [ $code = 0 ]; then
        result=coded
    elif [ $code = 124 ]; then
        result="FAULT: no end"
        faults=$((faults + 1))
    elif [ $code -lt 124 ]; then
        result="refused: $(grep -v '^==' err.txt | head -n 1)"
    else
        own "$line"
        status=$?
        result="libx265 ends by signal $((code - 128)), and so does x265 (status $status)"
        if [ $status -lt 128 ]; then
            result="FAULT: signal $((code - 128)); x265: status $status"
            faults=$((faults + 1))
        fi
    fi
    printf '%-40s %s\n' "$line" "$result"
done <lines.txt

unlisted=0
if [ $# = 0 ]; then
    x265 --fullhelp 2>/dev/null | sed -n 's/^ *\(-[A-Za-z]\/\)\?--\(\[no-\]-\?\)\?\([a-z0-9-]*\).*/\3/p' |
        sed 's/^no-//' | sort -u >names.txt
    for name in $(cat names.txt); do
        case " $(echo $not_here) " in *" $name "*) continue ;; esac
        case $name in svt*) continue ;; esac # only where it is built in
        grep -q -e "^$name=" lines.txt || { echo "not listed: $name"; unlisted=$((unlisted + 1)); }
    done
fi
echo "$(wc -l <lines.txt) runs, $faults faults, $unlisted options not listed"
[ $((faults + unlisted)) = 0 ]
