#!/bin/sh
# The library for 64-bit Windows, built here and tested through Wine, from C as well.
set -eu
cd "$(dirname "$0")/../.."

. tests/cross/windows-env.sh
tests/cross/unpack.sh "$cross" wine64

# Wine where it was unpacked: what it looks for in /usr is put where it is.
wine=$cross/usr/lib/wine
ln -sf wineserver64 "$wine/wineserver"
ln -sf "$cross/usr/x86_64-w64-mingw32/lib/zlib1.dll" "$cross/usr/lib/x86_64-linux-gnu/wine/x86_64-windows/"
export WINEPREFIX="$cross/wine" WINEDLLOVERRIDES="mscoree=;mshtml=" WINEDEBUG=-all
[ -d "$WINEPREFIX/drive_c/windows/system32" ] || { rm -rf "$WINEPREFIX" && "$wine/wine64" cmd /c exit; }
$cc -O1 -shared -o "$WINEPREFIX/drive_c/windows/system32/bcryptprimitives.dll" tests/cross/bcryptprimitives.c \
    -ladvapi32

export CARGO_TARGET_X86_64_PC_WINDOWS_GNU_RUNNER="$wine/wine64"
# shellcheck disable=SC2086
cargo test $build --profile tests --lib --test formats

package=$CARGO_TARGET_DIR/windows
programs=$CARGO_TARGET_DIR/ffi-$target
CARGO_TARGET_DIR=$(dirname "$cross") packaging/windows.sh "$package" tests
mkdir -p "$programs"
cp "$package/bin/sidelight.dll" "$programs"
CC="$cc -D__USE_MINGW_ANSI_STDIO=1" RUNNER="$wine/wine64" tests/cross/portable.sh "$package/lib" "$programs" .exe
