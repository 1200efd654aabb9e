#!/bin/sh
# The library for s390x, whose byte order is the other one, built here and tested through QEMU.
set -eu
cd "$(dirname "$0")/../.."

. tests/cross/env.sh
tests/cross/unpack.sh "$cross" gcc-s390x-linux-gnu libc6-dev-s390x-cross

target=s390x-unknown-linux-gnu
runner="qemu-s390x -L $cross/usr/s390x-linux-gnu"
builds_for $target s390x-linux-gnu-gcc "$runner"
# No std comes with Debian's Rust for this machine.
export RUSTC_BOOTSTRAP=1
build="--locked --profile tests -p sidelight --target $target -Zbuild-std=std,test"
# What trains takes most of the time; QEMU 7.2 multiplies by MDEBR wrongly, which the emulation that no s390x needs is
# made of.
# shellcheck disable=SC2086
{
    cargo test $build --lib -- --skip encoder:: --skip adapt:: --skip optimise:: --skip train::fma
    cargo test $build --test formats
    cargo rustc $build --lib --crate-type cdylib
}
CC="s390x-linux-gnu-gcc --sysroot=$cross" RUNNER="$runner" \
    tests/cross/portable.sh "$CARGO_TARGET_DIR/$target/tests" "$CARGO_TARGET_DIR/ffi-$target"
