#!/bin/sh
# Trains the base models of a codec: train.sh jpeg|hevc <folder of PNG pictures> <folder to write to>
# <sidelight-tools>. An interrupted run is taken up. models/README.md has the recipe in words.
set -eu

codec=$1 data=$2 out=$3 tool=$4
mkdir -p "$out"

# Muon was not there yet when most of these were run.
luma() {
    "$tool" pretrain --optimiser adam "$@"
}

chroma() {
    "$tool" pretrain --optimiser adam --part chroma --channels 16 "$@"
}

muon() {
    "$tool" pretrain "$@"
}

# The luma that size L and HEVC start from, and chroma. Chroma's second stages: with all of colour.
jpeg() {
    set -- --data "$data"
    luma "$@" --start he --rate 0.002 --steps 115000 --out "$out/luma1.ck"
    luma "$@" --from "$out/luma1.ck" --steps 50000 --rate 0.001 --seed 3 --out "$out/luma2.ck"
    luma "$@" --from "$out/luma2.ck" --steps 40000 --rate 0.0012 --seed 21 --out "$out/luma.ck"
    chroma "$@" --start he --rate 0.002 --vivid --steps 100000 --out "$out/chroma1.ck"
    chroma "$@" --from "$out/chroma1.ck" --steps 25000 --rate 0.0005 --seed 2 --out "$out/chroma2.ck"
    chroma "$@" --from "$out/chroma2.ck" --steps 30000 --rate 0.0007 --seed 4 --out "$out/chroma3.ck"
    chroma "$@" --from "$out/chroma3.ck" --steps 20000 --rate 0.0008 --seed 22 --out "$out/chroma.ck"
}

# On from a trained network for hidden convolutions of 8 bits: luma|chroma FROM.ck OUT.ck STEPS OPTION...
bytes() {
    part=$1 from=$2 to=$3 steps=$4
    shift 4
    "$part" "$@" --arithmetic i8 --from "$from" --steps "$steps" --rate 0.00006 --seed 11 --out "$to"
}

# A model of colour from checkpoints of luma and chroma in 8 bits:
# FILE LUMA-SHAPE LUMA.ck CHROMA-SHAPE CHROMA.ck OPTION...
colour() {
    file=$1 luma_shape=$2 luma=$3 chroma_shape=$4 chroma=$5
    shift 5
    # shellcheck disable=SC2086 # words
    "$tool" export "$@" --arithmetic i8 --checkpoint "$luma" $luma_shape --out "$out/luma.slm"
    # shellcheck disable=SC2086
    "$tool" export "$@" --arithmetic i8 --checkpoint "$chroma" $chroma_shape --luma "$out/luma.slm" \
        --out "$file"
    "$tool" tune "$@" --model "$file" --out "$file"
}

case $codec in
jpeg)
    jpeg
    set -- --data "$data"
    muon "$@" --steps 80000 --out "$out/luma-muon.ck"
    bytes luma "$out/luma-muon.ck" "$out/luma-muon-i8.ck" 5000 "$@"
    bytes chroma "$out/chroma.ck" "$out/chroma-i8.ck" 4000 "$@"
    colour "$out/jpeg-ycc-32x3.slm" "" "$out/luma-muon-i8.ck" \
        "--channels 16" "$out/chroma-i8.ck" "$@"

    set -- "$@" --channels 48 --hidden 4
    luma "$@" --from "$out/luma.ck" --steps 60000 --rate 0.0015 --seed 5 --out "$out/large-luma1.ck"
    luma "$@" --from "$out/large-luma1.ck" --steps 50000 --rate 0.0012 --seed 23 \
        --out "$out/large-luma2.ck"
    muon "$@" --from "$out/large-luma2.ck" --steps 18000 --rate 0.0015 --seed 41 \
        --out "$out/large-luma.ck"
    bytes luma "$out/large-luma.ck" "$out/large-luma-i8.ck" 5000 "$@"
    set -- --data "$data"
    colour "$out/jpeg-ycc-48x4.slm" "--channels 48 --hidden 4" "$out/large-luma-i8.ck" \
        "--channels 16" "$out/chroma-i8.ck" "$@"

    luma "$@" --start he --rate 0.002 --channels 16 --steps 90000 --out "$out/small-luma.ck"
    chroma "$@" --start he --rate 0.002 --hidden 1 --steps 60000 --out "$out/small-chroma.ck"
    bytes luma "$out/small-luma.ck" "$out/small-luma-i8.ck" 5000 "$@" --channels 16
    bytes chroma "$out/small-chroma.ck" "$out/small-chroma-i8.ck" 4000 "$@" --hidden 1
    colour "$out/jpeg-ycc-16x3.slm" "--channels 16" "$out/small-luma-i8.ck" \
        "--channels 16 --hidden 1" "$out/small-chroma-i8.ck" "$@"

    set -- "$@" --tables standard
    muon "$@" --from "$out/luma-muon.ck" --steps 24000 --rate 0.003 --seed 61 \
        --out "$out/standard-luma.ck"
    chroma "$@" --from "$out/chroma.ck" --steps 20000 --rate 0.0008 --seed 62 \
        --out "$out/standard-chroma.ck"
    muon "$@" --channels 48 --hidden 4 --from "$out/large-luma.ck" --steps 24000 --rate 0.003 \
        --seed 51 --out "$out/standard-large-luma.ck"
    muon "$@" --channels 16 --from "$out/small-luma.ck" --steps 25000 --rate 0.003 --seed 63 \
        --out "$out/standard-small-luma.ck"
    chroma "$@" --hidden 1 --from "$out/small-chroma.ck" --steps 20000 --rate 0.0008 --seed 64 \
        --out "$out/standard-small-chroma.ck"
    bytes luma "$out/standard-luma.ck" "$out/standard-luma-i8.ck" 5000 "$@"
    bytes chroma "$out/standard-chroma.ck" "$out/standard-chroma-i8.ck" 4000 "$@"
    bytes luma "$out/standard-large-luma.ck" "$out/standard-large-luma-i8.ck" 5000 "$@" \
        --channels 48 --hidden 4
    bytes luma "$out/standard-small-luma.ck" "$out/standard-small-luma-i8.ck" 5000 "$@" --channels 16
    bytes chroma "$out/standard-small-chroma.ck" "$out/standard-small-chroma-i8.ck" 4000 "$@" \
        --hidden 1
    colour "$out/jpeg-standard-32x3.slm" "" "$out/standard-luma-i8.ck" \
        "--channels 16" "$out/standard-chroma-i8.ck" "$@"
    colour "$out/jpeg-standard-48x4.slm" "--channels 48 --hidden 4" "$out/standard-large-luma-i8.ck" \
        "--channels 16" "$out/standard-chroma-i8.ck" "$@"
    colour "$out/jpeg-standard-16x3.slm" "--channels 16" "$out/standard-small-luma-i8.ck" \
        "--channels 16 --hidden 1" "$out/standard-small-chroma-i8.ck" "$@"
    ;;
hevc)
    [ -f "$out/chroma.ck" ] || jpeg
    "$tool" hevc-data --pictures "$data" --out "$out/hevc" --rounds 2
    set -- --coded "$out/hevc"
    luma "$@" --from "$out/luma.ck" --from-jpeg --steps 70000 --rate 0.0015 --out "$out/hevc-luma1.ck"
    luma "$@" --from "$out/hevc-luma1.ck" --steps 40000 --rate 0.0012 --seed 24 \
        --out "$out/hevc-luma.ck"
    chroma "$@" --from "$out/chroma.ck" --from-jpeg --steps 60000 --rate 0.0015 \
        --out "$out/hevc-chroma.ck"
    bytes luma "$out/hevc-luma.ck" "$out/hevc-luma-i8.ck" 5000 "$@"
    bytes chroma "$out/hevc-chroma.ck" "$out/hevc-chroma-i8.ck" 3000 "$@"
    colour "$out/hevc-32x3.slm" "" "$out/hevc-luma-i8.ck" "--channels 16" "$out/hevc-chroma-i8.ck" "$@"
    luma "$@" --start he --rate 0.002 --channels 16 --steps 70000 --out "$out/hevc-small-luma.ck"
    chroma "$@" --start he --rate 0.002 --hidden 1 --steps 40000 --out "$out/hevc-small-chroma.ck"
    bytes luma "$out/hevc-small-luma.ck" "$out/hevc-small-luma-i8.ck" 5000 "$@" --channels 16
    bytes chroma "$out/hevc-small-chroma.ck" "$out/hevc-small-chroma-i8.ck" 3000 "$@" --hidden 1
    colour "$out/hevc-16x3.slm" "--channels 16" "$out/hevc-small-luma-i8.ck" \
        "--channels 16 --hidden 1" "$out/hevc-small-chroma-i8.ck" "$@"
    ;;
*)
    echo "train.sh: jpeg or hevc, not $codec" >&2
    exit 2
    ;;
esac
