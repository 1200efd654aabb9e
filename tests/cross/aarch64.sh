#!/bin/sh
# The library for 64-bit ARM, built here and tested through QEMU.
set -eu
cd "$(dirname "$0")/../.."

. tests/cross/env.sh
tests/cross/unpack.sh "$cross" gcc-aarch64-linux-gnu libc6-dev-arm64-cross libstd-rust-web-dev:arm64

target=aarch64-unknown-linux-gnu
export CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_LINKER=aarch64-linux-gnu-gcc
export CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_RUSTFLAGS="-Clink-arg=--sysroot=$cross"
export CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_RUNNER="qemu-aarch64 -L $cross"
cargo test --locked --profile tests -p sidelight --lib --target $target
