#!/bin/sh
# The ABI as a C program sees it, against sidelight.abi.
#
#   packaging/abi/check.sh check LIBRARY      fails if it broke, tells what was added
#   packaging/abi/check.sh baseline LIBRARY   rewrites sidelight.abi
#
# What rustc writes of its types into the library names the toolchain and every private struct behind a
# handle, and knows no C enum: so the types are taken from include/sidelight.h, which tests/header.rs
# compares with the source, and the functions and the library's name from the library itself.
set -eu
export LC_ALL=C

[ $# = 2 ] || { echo "usage: packaging/abi/check.sh check|baseline LIBRARY" >&2; exit 1; }
task=$1
library=$2
here=$(cd "$(dirname "$0")" && pwd)
header=$here/../../include/sidelight.h
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# Every function of the header with a body, so that there is a library to look at, and a variable of every
# type, for no function need name an enum. The types of the system's headers are spelt out: theirs differ
# from one C library to the next.
cc=${CC:-cc}
{
    for type in int8 int16 int32 int64 uint8 uint16 uint32 uint64 size ptrdiff; do
        echo "typedef __$(echo $type | tr '[:lower:]' '[:upper:]')_TYPE__ ${type}_t;"
    done
    # Without its comments.
    $cc -fpreprocessed -dD -E -P "$header" | awk '
        /^#include/ { next }
        /^#|^typedef|^ / && !open { print; next }
        /sidelight_[a-z0-9_]*\(/ { open = 1 }
        open && /\);$/ { sub(/;$/, " { __builtin_trap(); }"); open = 0 }
        { print }
        /^} [A-Z][A-Za-z]*;$/ { sub(/;/, ""); print $2 " type_" $2 ";" }'
} >"$work/stub.c"
soname=$(readelf -d "$library" | sed -n 's/.*SONAME.*\[\(.*\)\]/\1/p')
$cc -w -g -O0 -fPIC -shared -Wl,-soname,"$soname" \
    "$work/stub.c" -o "$work/stub.so"

symbols() { nm -D --defined-only "$1" | sed 's/.* //' | grep -v -e '^_' -e '^type_' | sort; }
symbols "$work/stub.so" >"$work/declared"
symbols "$library" >"$work/exported"
if ! diff "$work/declared" "$work/exported" >"$work/differences"; then
    echo "abi: the header and the library disagree (<: declared only, >: exported only)" >&2
    grep '^[<>]' "$work/differences" >&2
    exit 1
fi

describe() {
    abidw --no-corpus-path --no-comp-dir-path --no-show-locs --no-elf-needed \
        --no-architecture "$1" | sed "s|$work/||g"
}

case $task in
baseline)
    describe "$work/stub.so" >"$here/sidelight.abi.part"
    mv "$here/sidelight.abi.part" "$here/sidelight.abi"
    ;;
check)
    describe "$work/stub.so" >"$work/now.abi"
    # New functions and enumerators pass; whatever else differs is for people to look at.
    status=0
    abidiff --no-architecture --no-added-syms \
        "$here/sidelight.abi" "$work/now.abi" >"$work/breaks" || status=$?
    if [ $status != 0 ]; then
        cat "$work/breaks" >&2
        echo "abi: programs built with packaging/abi/sidelight.abi may break. If all of it is known to be" >&2
        echo "abi: harmless (bytes taken from a reserved[], say), or the version is a new one:" >&2
        echo "abi: make abi-baseline" >&2
        exit 1
    fi
    abidiff --no-architecture --harmless \
        "$here/sidelight.abi" "$work/now.abi" || status=$?
    [ $((status & 3)) = 0 ] || exit 1 # abidiff itself failed
    if [ $status = 0 ]; then
        echo "abi: as in packaging/abi/sidelight.abi"
    else
        echo "abi: compatible with packaging/abi/sidelight.abi; before a release: make abi-baseline"
    fi
    ;;
*)
    echo "abi: no such task: $task" >&2
    exit 1
    ;;
esac
