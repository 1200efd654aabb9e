#!/bin/sh
# Writes fuzz/corpus: the golden files of tests/data with the bytes that each target expects in front.
set -eu
cd "$(dirname "$0")"
data=../tests/data

# seed TARGET NAME FRONT FILE: FRONT in printf's notation.
seed() {
    mkdir -p "corpus/$1"
    # shellcheck disable=SC2059 # it is a format
    { printf "$3" && cat "$4"; } >"corpus/$1/$2"
}

rm -rf corpus
for file in "$data"/payload/*.bin; do
    seed payload "$(basename "$file" .bin)" '\000' "$file"
done
for file in typical typical_ramp corners coefficients coefficients_ramp coefficient_corners; do
    seed payload "sealed_$file" '\002' "$data/payload/$file.bin"
done
for file in "$data"/jpeg/*.jpg; do
    seed jpeg "$(basename "$file" .jpg)" '\003\002\000\001' "$file"
done
for file in "$data"/nal/*.bi[tn]; do
    name=$(basename "$file")
    case $name in
    payload.bin) continue ;;
    *sample*) kind='\341' ;; # HEVC behind lengths of 4 bytes
    hevc*) kind='\001' ;;
    vvc*) kind='\002' ;;
    *) kind='\000' ;;
    esac
    seed stream "${name%.*}" "$kind"'\005\003\002\000\001' "$file"
done
# Memory ends early and late.
for left in '\000\003' '\000\200'; do
    n=$(printf '%s' "$left" | tr -d '\\')
    for file in yuv420 progressive420 gainmap; do
        seed memory "${file}_$n" "$left"'\001\003\002\000\001' "$data/jpeg/$file.jpg"
    done
    for file in hevc_payload hevc_mixed hevc_sample_payload; do
        kind='\001'
        [ $file != hevc_sample_payload ] || kind='\341'
        seed memory "${file}_$n" "$left"'\002'"$kind" "$data"/nal/$file.bi[tn]
    done
    for model in 0 6; do
        seed memory "probe_${model}_$n" "$left\\000\\00$model"'\002' "$data/payload/typical.bin"
        seed memory "decode_${model}_$n" "$left\\004\\00$model"'\001' /dev/null
        seed memory "model_${model}_$n" "$left\\003\\00$model" /dev/null
    done
done
# An embedded model as it is, and shapes: the parameters are the target's.
seed model_file embedded '\002\001\000\000' /dev/null
seed model_file luma '\004\000\000\000\000\000\001\002\003\004\005\006\007\010\011' /dev/null
seed model_file colour '\004\001\001\000\001\001\003\001\004\001\005\011\002\006\005' /dev/null
# Depth, layout, type, size, model, options, quality, payload, samples.
front='\021\023'
update='\003\100\010\001\377\002\000\376\003\000\001'
for layout in 0 1 2 3; do
    for depth in 0 1 2; do
        seed decode "jpeg_${depth}_$layout" \
            "\\00$depth\\00$layout\\000$front"'\001\144\000\020\001\000\040\001'"$update" \
            "$data/nal/vvc.bit"
        seed decode "hevc_${depth}_$layout" \
            "\\00$depth\\00$layout\\002$front"'\003\144\040\041\042\040\041\042'"$update" \
            "$data/nal/vvc.bit"
    done
    seed decode "messages_$layout" \
        "\\000\\00$layout\\002$front"'\003\140\040\041\042\040\041\042'"$update" \
        "$data/nal/vvc.bit"
    # Scales, biases and coefficients of 0, 1 and −1.
    seed decode "coefficients_$layout" \
        "\\000\\00$layout\\000$front"'\001\144\000\020\001\000\040\001''\000\101\007\000\040\000\340\000\000\000' \
        "$data/nal/vvc.bit"
done
