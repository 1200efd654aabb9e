# To be sourced instead of env.sh: what builds for 64-bit Windows with mingw-w64. Sets `target`, `cc` and
# `build`, cargo's arguments.
# shellcheck shell=sh

. tests/cross/env.sh
tests/cross/unpack.sh "$cross" gcc-mingw-w64-x86-64-win32

target=x86_64-pc-windows-gnu
cc=x86_64-w64-mingw32-gcc-win32
export CARGO_TARGET_X86_64_PC_WINDOWS_GNU_LINKER=$cc
# For a dependency of the tests.
export CC_x86_64_pc_windows_gnu=$cc AR_x86_64_pc_windows_gnu=x86_64-w64-mingw32-ar
# No std comes with Debian's Rust for this machine, nor what its programs begin and end with.
export RUSTC_BOOTSTRAP=1
startup=$cross/usr/lib/rustlib/$target/lib
mkdir -p "$startup"
for object in rsbegin rsend; do
    [ -e "$startup/$object.o" ] || "$RUSTC" --target $target --emit=obj -o "$startup/$object.o" \
        "$cross/usr/lib/rustlib/src/rust/library/rtstartup/$object.rs"
done
build="--locked -p sidelight --target $target -Zbuild-std=std,panic_unwind,test"
