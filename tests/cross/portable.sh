#!/bin/sh
# Builds the C tests that any machine can run, against a library for it, and runs them.
#
#   CC=COMPILER RUNNER=PROGRAM tests/cross/portable.sh LIBRARY_FOLDER BUILD_FOLDER [EXE]
set -eu
cd "$(dirname "$0")/../../ffi-tests"

# The name that programs ask for at run time: build.rs.
soname=libsidelight.so.$(sed -n 's/^version = "\(0\.[0-9]*\|[1-9][0-9]*\)\..*/\1/p' ../Cargo.toml | head -1)
[ ! -e "$1/libsidelight.so" ] || ln -sf libsidelight.so "$1/$soname"

make --no-print-directory portable CC="$CC" LIBDIR="$1" BUILD="$2" EXE="${3:-}"
export LD_LIBRARY_PATH="${LD_LIBRARY_PATH:+$LD_LIBRARY_PATH:}$1"
for program in "$2"/portable_*"${3:-}"; do
    case $program in
    *jpeg*) argument=../tests/data/jpeg ;;
    *stream*) argument=../tests/data/nal ;;
    *portable_portable*) argument=../tests/data/decoded.txt ;;
    *) argument= ;;
    esac
    echo "$(basename "$program"): "
    # shellcheck disable=SC2086
    ${RUNNER:-} "$program" $argument
done
