#!/bin/sh
# The library for 32-bit x86, built and tested here.
set -eu
cd "$(dirname "$0")/../.."

. tests/cross/env.sh
tests/cross/unpack.sh "$cross" gcc-i686-linux-gnu libc6-dev-i386-cross

target=i686-unknown-linux-gnu
libraries=$cross/usr/i686-linux-gnu/lib
runner="$libraries/ld-linux.so.2 --library-path $libraries"
builds_for $target i686-linux-gnu-gcc "$runner"
# No std comes with Debian's Rust for this machine.
export RUSTC_BOOTSTRAP=1
build="--locked --profile tests -p sidelight --target $target -Zbuild-std=std,test"
# shellcheck disable=SC2086
{
    cargo test $build --lib -- --skip encoder:: --skip adapt:: --skip optimise::
    cargo test $build --test formats --test hostile
    cargo rustc $build --lib --crate-type cdylib
}
library=$CARGO_TARGET_DIR/$target/tests
# There is no code for its fused multiply-add.
export NO_FMA=1
CC="i686-linux-gnu-gcc --sysroot=$cross" RUNNER="$runner:$library" \
    tests/cross/portable.sh "$library" "$CARGO_TARGET_DIR/ffi-$target"
