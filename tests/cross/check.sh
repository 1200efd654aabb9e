#!/bin/sh
# Type-checks the library for other machines: for Windows by Microsoft's tools and macOS, for which nothing here links,
# and for those whose tests take longer.
#
#   tests/cross/check.sh [TARGET...]    all of them if none is named
set -eu
cd "$(dirname "$0")/../.."

[ $# -gt 0 ] || set -- aarch64-unknown-linux-gnu x86_64-pc-windows-msvc aarch64-apple-darwin i686-unknown-linux-gnu \
    s390x-unknown-linux-gnu x86_64-pc-windows-gnu wasm32-unknown-unknown

. tests/cross/env.sh
export RUSTC_BOOTSTRAP=1
for target in "$@"; do
    part= std=std
    case $target in
    # For its std's import libraries.
    *-windows-gnu) tests/cross/unpack.sh "$cross" binutils-mingw-w64-x86-64 ;;
    wasm32-*)
        part="--no-default-features --features decoder,model-jpeg-s"
        std=std,panic_abort
        export CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_RUSTFLAGS=-Ctarget-feature=+simd128
        ;;
    esac
    echo "check: $target"
    # shellcheck disable=SC2086
    cargo check --quiet --locked --profile tests -p sidelight --lib $part --target "$target" -Zbuild-std=$std
done
