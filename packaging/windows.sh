#!/bin/sh
# The library for 64-bit Windows, in a folder: bin/sidelight.dll, its import library, the header, a
# pkg-config file and the licences.
#
#   packaging/windows.sh FOLDER [PROFILE]
set -eu
folder=$(mkdir -p "$1" && cd "$1" && pwd)
profile=${2:-release}
cd "$(dirname "$0")/.."

. tests/cross/windows-env.sh
# shellcheck disable=SC2086
cargo rustc $build --profile "$profile" --lib --crate-type cdylib
built=$CARGO_TARGET_DIR/$target/$profile
mkdir -p "$folder/bin" "$folder/lib/pkgconfig" "$folder/include"
x86_64-w64-mingw32-strip --strip-unneeded -o "$folder/bin/sidelight.dll" "$built/sidelight.dll"
cp "$built/libsidelight.dll.a" "$folder/lib"
cp include/sidelight.h "$folder/include"
cp LICENSE-MIT LICENSE-APACHE "$folder"
cp models/README.md "$folder/LICENSE-models.md"
version=$(sed -n 's/^version = "\(.*\)"/\1/p' Cargo.toml | head -1)
# shellcheck disable=SC2016
sed -e 's|@PREFIX@|${pcfiledir}/../..|' -e 's|@INCLUDEDIR@|${prefix}/include|' -e 's|@LIBDIR@|${prefix}/lib|' \
    -e "s|@VERSION@|$version|" -e '/@LIBS_PRIVATE@/d' packaging/sidelight.pc.in >"$folder/lib/pkgconfig/sidelight.pc"
