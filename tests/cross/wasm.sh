#!/bin/sh
# The decoder's unit tests and those of its formats as programs for WASI, run by Node: with 128-bit
# SIMD, and without.
set -eu
cd "$(dirname "$0")/../.."

wasm_target=wasm32-wasip1
. tests/cross/wasm-env.sh
if [ -n "$wasm_std" ]; then
    libraries=$cross/usr/lib/rustlib/$wasm_target/lib/self-contained
    mkdir -p "$libraries"
    for file in crt1-command.o crt1-reactor.o libc.a; do cp "$cross/usr/lib/wasm32-wasi/$file" "$libraries"; done
    wasm_std=$wasm_std,test
fi
built=${CARGO_TARGET_DIR:-target}/$wasm_target/tests

# build TARGET... [-- FLAGS...]
build() {
    # shellcheck disable=SC2086
    cargo rustc --locked --profile tests -p sidelight --target $wasm_target $wasm_std --no-default-features \
        --features decoder,models "$@"
}
# run NAME PROGRAM ARGUMENTS...
run() {
    echo "wasm32, $features: $1"
    shift
    node --no-warnings tests/cross/wasi.mjs "$@" --test-threads 1
}
for features in +simd128 -simd128; do
    case $features in
    +*) export SIDELIGHT_TEST_LEVELS=scalar,simd128 ;;
    *) export SIDELIGHT_TEST_LEVELS=scalar ;;
    esac
    export CARGO_TARGET_WASM32_WASIP1_RUSTFLAGS="-Ctarget-feature=$features -Clink-arg=--import-undefined"
    build --lib --crate-type bin -- --test
    run "unit tests" "$built/sidelight.wasm"
    rm -f "$built"/deps/formats-*.wasm
    build --test formats
    run "formats" "$built"/deps/formats-*.wasm
done
