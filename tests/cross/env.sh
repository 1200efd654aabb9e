# To be sourced by the scripts beside it, at the root of the project: Debian's Rust with std for other
# machines, their linkers and emulators, in a folder of their own.
#
# Sets `cross`, the folder; `cargo` then builds for the host, or with --target for another machine.
# shellcheck shell=sh

cross=${CARGO_TARGET_DIR:-target}/cross
tests/cross/unpack.sh "$cross" rustc-web cargo-web rust-web-src qemu-user
cross=$(cd "$cross" && pwd)

# The system's own programs come first; Rust's are named, as rustup's would find themselves.
PATH=$PATH:$cross/usr/bin
LD_LIBRARY_PATH=$cross/usr/lib/$(gcc -print-multiarch)${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}
RUSTC=$cross/usr/bin/rustc
CARGO_TARGET_DIR=$cross/build
export PATH LD_LIBRARY_PATH RUSTC CARGO_TARGET_DIR
# They would stand in place of a target's own.
unset RUSTFLAGS CARGO_ENCODED_RUSTFLAGS
cargo() {
    "$cross/usr/bin/cargo" "$@"
}

# builds_for TARGET COMPILER RUNNER: what cargo links programs for a target by, and runs them by.
builds_for() {
    name=$(echo "$1" | tr 'a-z-' 'A-Z_')
    export "CARGO_TARGET_${name}_LINKER=$2" "CARGO_TARGET_${name}_RUSTFLAGS=-Clink-arg=--sysroot=$cross" \
        "CARGO_TARGET_${name}_RUNNER=$3"
}
