#!/bin/sh
# Runs fuzz targets one after another and tells how many inputs each tried and what it found.
#
#   fuzz/run.sh FOLDER SECONDS [TARGET...]    FOLDER holds builds, the tool and what the fuzzer learns
set -eu
folder=$1
seconds=$2
shift 2
[ $# -gt 0 ] || set -- payload model_file jpeg stream decode memory
cd "$(dirname "$0")"
mkdir -p "$folder"

PATH=$folder/tools/bin:$HOME/.cargo/bin:$PATH
export PATH
if ! command -v cargo-fuzz >/dev/null; then
    cargo install --quiet --locked --root "$folder/tools" --version 0.13.2 cargo-fuzz
fi

# AddressSanitizer wants a nightly compiler. Without one the stable compiler's own checks are left:
# overflow, bounds, assertions. The fuzzer's flags are unstable options, so it is told to be lenient.
if [ -z "${FUZZ_STABLE:-}" ] && rustc +nightly --version >/dev/null 2>&1; then
    export RUSTUP_TOOLCHAIN=nightly
    sanitizer=address
else
    export RUSTC_BOOTSTRAP=1
    sanitizer=none
fi
build="--fuzz-dir . --sanitizer $sanitizer --target-dir $folder/$sanitizer"
# shellcheck disable=SC2086 # words
for target in "$@"; do
    cargo fuzz build $build "$target"
done

failed=0
summary=
for target in "$@"; do
    case $target in
    jpeg) longest=8192 ;;
    *) longest=4096 ;;
    esac
    mkdir -p "$folder/corpus/$target" "artifacts/$target"
    log=$folder/$target.log
    echo "fuzz: $target, $seconds s, $sanitizer sanitizer"
    status=0
    # shellcheck disable=SC2086
    cargo fuzz run $build "$target" "$folder/corpus/$target" "corpus/$target" -- \
        -max_total_time="$seconds" -max_len=$longest -rss_limit_mb=2048 -timeout=20 \
        -print_final_stats=1 -verbosity=0 >"$log" 2>&1 || status=$?
    count=$(sed -n 's/^stat::number_of_executed_units: *//p' "$log")
    if [ $status -eq 0 ]; then
        result="nothing found"
    else
        failed=1
        result="FAILED, $log ends with:
$(tail -n 30 "$log" | sed 's/^/    /')"
    fi
    summary="$summary
$target: ${count:-no} inputs, $result"
done
echo "$summary"
exit $failed
