#!/bin/sh
# The decoder's unit tests as a program for WASI, run by Node: with 128-bit SIMD, and without.
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
for features in +simd128 -simd128; do
    export CARGO_TARGET_WASM32_WASIP1_RUSTFLAGS="-Ctarget-feature=$features"
    # shellcheck disable=SC2086
    cargo rustc --locked --profile tests -p sidelight --lib --crate-type bin --target $wasm_target $wasm_std \
        --no-default-features --features decoder,models -- --test -Clink-arg=--import-undefined
    echo "wasm32, $features:"
    node --no-warnings tests/cross/wasi.mjs "${CARGO_TARGET_DIR:-target}/$wasm_target/tests/sidelight.wasm" \
        --test-threads 1
done
