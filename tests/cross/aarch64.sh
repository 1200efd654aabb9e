#!/bin/sh
# The library for 64-bit ARM, built here and tested through QEMU, on a CPU that has all levels and on
# one without dot products.
#
#   tests/cross/aarch64.sh [quick]    `quick` leaves out what trains and what tries thousands of damaged files
set -eu
cd "$(dirname "$0")/../.."

. tests/cross/env.sh
tests/cross/unpack.sh "$cross" gcc-aarch64-linux-gnu libc6-dev-arm64-cross libstd-rust-web-dev:arm64

target=aarch64-unknown-linux-gnu
through_qemu() {
    qemu="qemu-aarch64 -cpu $1 -L $cross"
    builds_for $target aarch64-linux-gnu-gcc "$qemu"
}
tests() {
    cargo test --locked --profile tests -p sidelight --target $target "$@"
}

through_qemu max
export SIDELIGHT_TEST_LEVELS=scalar,neon,dotprod
if [ "${1:-}" = quick ]; then
    tests --lib -- --skip encoder:: --skip adapt:: --skip optimise:: --skip torch::
    tests --test formats -- golden
else
    tests --lib --test formats --test hostile
fi
through_qemu cortex-a72
export SIDELIGHT_TEST_LEVELS=scalar,neon
tests --lib -- cpu:: kernels filter decoder train::conv train::net::tests::back_ends

cargo rustc --locked --profile tests -p sidelight --lib --crate-type cdylib --target $target
CC="aarch64-linux-gnu-gcc --sysroot=$cross" RUNNER=$qemu \
    tests/cross/portable.sh "$CARGO_TARGET_DIR/$target/tests" "$CARGO_TARGET_DIR/ffi-$target"
