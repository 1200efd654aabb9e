#!/bin/sh
# What the convolutions' innermost loops cost on x86-64 and on 64-bit ARM: instructions.py, of
# assembly that is made here.
set -eu
cd "$(dirname "$0")/.."

. tests/cross/env.sh
tests/cross/unpack.sh "$cross" llvm-22 libstd-rust-web-dev:arm64
mca=$cross/usr/bin/llvm-mca-22

count() {
    target=$1
    shift
    cargo rustc --quiet --locked --profile tests -p sidelight --lib --crate-type rlib --target "$target" -- \
        --emit asm -C codegen-units=1
    # The newest: names have a hash of all that went into it.
    assembly=$(ls -t "$CARGO_TARGET_DIR/$target"/tests/deps/sidelight-*.s | head -1)
    echo
    echo "$target"
    echo
    benches/instructions.py "$assembly" --mca "$mca" --cpu "$@"
}
count x86_64-unknown-linux-gnu znver3 znver4 alderlake sapphirerapids
count aarch64-unknown-linux-gnu cortex-a55 cortex-a72 neoverse-n1 neoverse-v2 apple-m1
