#!/bin/sh
# Builds jpeg.wasm, and gathers the licences of what is in it: the examples' JPEG decoder over the
# libjpeg-turbo code that is inside the crate mozjpeg-sys, which the command `sidelight` is built with
# as well. Nothing of it is copied here.
#
#   bindings/wasm/jpeg/build.sh OUT
set -eu

here=$(cd "$(dirname "$0")" && pwd)
mkdir -p "$1"
out=$(cd "$1" && pwd)
project=$(cd "$here/../../.." && pwd)
cd "$project"

cross=${CARGO_TARGET_DIR:-target}/cross
tests/cross/unpack.sh "$cross" clang-14 lld-14 wasi-libc libclang-rt-14-dev-wasm32
cross=$(cd "$cross" && pwd)

host=$(rustc -vV | sed -n 's/^host: //p')
crate=$(cargo metadata --quiet --format-version 1 --locked --filter-platform "$host" |
    tr ',' '\n' | sed -n 's|.*"manifest_path":"\(.*/mozjpeg-sys-[^/]*\)/Cargo.toml".*|\1|p' | head -1)
vendor=$crate/vendor
[ -f "$vendor/jdapistd.c" ] || { echo "build: no source of libjpeg in '$crate'" >&2; exit 1; }

# The system's answers, which libjpeg-turbo's own build would find out.
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
config=$scratch/config
objects=$scratch/objects
mkdir "$config" "$objects"
cat >"$config/jconfig.h" <<'EOF'
#define JPEG_LIB_VERSION 62
#define LIBJPEG_TURBO_VERSION 0
#define BITS_IN_JSAMPLE 8
#define MEM_SRCDST_SUPPORTED 1
#define NO_GETENV 1
#define STDC_HEADERS 1
#define HAVE_STDDEF_H 1
#define HAVE_STDLIB_H 1
#define HAVE_UNSIGNED_CHAR 1
#define HAVE_UNSIGNED_SHORT 1
EOF
cat >"$config/jconfigint.h" <<'EOF'
#define BUILD ""
#define PACKAGE_NAME "libjpeg"
#define VERSION ""
#define INLINE inline __attribute__((always_inline))
#define HIDDEN __attribute__((visibility("hidden")))
#define THREAD_LOCAL
#define SIZEOF_SIZE_T 4
#define HAVE_BUILTIN_CTZL 1
#define FALLTHROUGH
EOF
cat >"$config/jversion.h" <<'EOF'
#define JVERSION ""
#define JCOPYRIGHT ""
#define JCOPYRIGHT_SHORT ""
EOF

LD_LIBRARY_PATH=$cross/usr/lib/$(gcc -print-multiarch)${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}
export LD_LIBRARY_PATH
clang="$cross/usr/bin/clang-14 --target=wasm32-wasi -O3 -fvisibility=hidden
    -nostdlibinc -isystem $here/include -isystem $cross/usr/include/wasm32-wasi -isystem $config"
for name in jcomapi jdapimin jdapistd jdatasrc jdcoefct jdcolor jddctmgr jdhuff jdicc jdinput jdmainct \
    jdmarker jdmaster jdmerge jdphuff jdpostct jdsample jerror jidctflt jidctfst jidctint jidctred jmemmgr \
    jmemnobs jquant1 jquant2 jsimd_none jutils; do
    $clang -w -I"$vendor" -c -o "$objects/$name.o" "$vendor/$name.c"
done
for file in "$here/jpeg.c" "$here/errors.c" "$project/c-examples/jpeg_planes.c" \
    "$project/c-examples/jpeg_metadata.c"; do
    $clang -std=c11 -Wall -Wextra -Werror '-DMAX_PIXELS=((size_t)1 << 27)' -isystem "$vendor" \
        -I"$project/c-examples" -I"$project/include" -c -o "$objects/$(basename "$file" .c).o" "$file"
done
# What the coding half of the examples asks for is not there, and not called. A stack in front of the data ends in a
# trap.
"$cross/usr/bin/wasm-ld-14" --no-entry --gc-sections --strip-all --stack-first -z stack-size=$((1 << 18)) \
    --max-memory=$((1 << 31)) -o "$out/jpeg.wasm" "$objects"/*.o "$cross/usr/lib/wasm32-wasi/libc.a" \
    "$cross"/usr/lib/llvm-14/lib/clang/14.*/lib/wasi/libclang_rt.builtins-wasm32.a

{
    printf 'jpeg.wasm is of the source inside the crate %s:\n\n' "$(basename "$crate")"
    cat "$crate/LICENSE"
    printf '\n\njpeg.wasm also has parts of wasi-libc:\n\n'
    cat "$cross/usr/share/doc/wasi-libc/copyright"
} >"$out/jpeg-licences.txt"
