#!/bin/sh
# Makes the package in FOLDER: its files, and the modules sidelight.wasm with JPEG's small model inside
# and sidelight-all.wasm with all of JPEG's.
#
#   bindings/wasm/build.sh FOLDER
set -eu
mkdir -p "$1"
folder=$(cd "$1" && pwd)
cd "$(dirname "$0")/../.."

wasm_target=wasm32-unknown-unknown
. tests/cross/wasm-env.sh
export CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_RUSTFLAGS="-Ctarget-feature=+simd128 -Clink-arg=--strip-all"
module() {
    # shellcheck disable=SC2086
    cargo rustc --locked -p sidelight --release --lib --crate-type cdylib --target $wasm_target $wasm_std \
        --no-default-features --features "decoder,$2"
    cp "${CARGO_TARGET_DIR:-target}/$wasm_target/release/sidelight.wasm" "$folder/$1.wasm"
}
module sidelight-all model-jpeg-s,model-jpeg-m,model-jpeg-l
module sidelight model-jpeg-s
for file in package.json README.md index.js index.d.ts; do cp "bindings/wasm/$file" "$folder"; done
cp LICENSE-MIT LICENSE-APACHE "$folder"
cp models/README.md "$folder/LICENSE-models.md"
