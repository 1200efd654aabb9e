#!/bin/sh
# Type-checks the library for other machines: for Windows by Microsoft's tools and macOS, for which nothing here links,
# and for those whose tests take longer.
set -eu
cd "$(dirname "$0")/../.."

. tests/cross/env.sh
export RUSTC_BOOTSTRAP=1
for target in aarch64-unknown-linux-gnu x86_64-pc-windows-msvc aarch64-apple-darwin i686-unknown-linux-gnu \
    s390x-unknown-linux-gnu x86_64-pc-windows-gnu; do
    echo "check: $target"
    cargo check --quiet --locked --profile tests -p sidelight --lib --target $target -Zbuild-std=std
done
echo "check: wasm32-unknown-unknown, the decoder alone"
RUSTFLAGS=-Ctarget-feature=+simd128 cargo check --quiet --locked --profile tests -p sidelight --lib \
    --no-default-features --features decoder,model-jpeg-s --target wasm32-unknown-unknown \
    -Zbuild-std=std,panic_abort
