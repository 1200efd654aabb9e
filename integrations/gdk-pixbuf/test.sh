#!/bin/sh
# Tests the loader in the distribution's GdkPixbuf, beside jpeg_decode and the stock loader. Run by
# `make test-gdk-pixbuf`. Ends with "N passed, N failed".
#
#   test.sh FOLDER    with libpixbufloader-sidelight.so and show in it
set -u
export LC_ALL=C

root=$(cd "$(dirname "$0")/../.." && pwd)
built=$(cd "$1" && pwd)
show="$built/show"
examples="$root/c-examples/build"
query=$(pkg-config --variable=gdk_pixbuf_query_loaders gdk-pixbuf-2.0)
. "$root/tests/check.sh"

# The distribution's loaders, and ours.
{ "$query" && "$query" "$built/libpixbufloader-sidelight.so"; } >ours.cache || exit 1
grep -q sidelight-jpeg ours.cache || exit 1
"$query" >stock.cache
with() {
    GDK_PIXBUF_MODULE_FILE="$PWD/$1.cache"
    export GDK_PIXBUF_MODULE_FILE
    shift
    "$@"
}

# loads FILE PPM [BYTES]: the picture is that of PPM.
loads() { with ours "$show" "$1" got.ppm ${3:-} && with ours "$show" "$2" wanted.ppm && cmp got.ppm wanted.ppm; }
differ() { ! cmp -s "$1" "$2"; }

# as_stock FILE [BYTES]: picture, options and status are the stock loader's, and of pieces the messages.
as_stock() {
    rm -f a.ppm b.ppm
    with stock "$show" "$1" a.ppm ${2:-} >a.options 2>a.err
    a=$?
    with ours "$show" "$1" b.ppm ${2:-} >b.options 2>b.err
    b=$?
    cat a.err b.err >&2
    # What the library says besides is no error.
    grep '^show:' a.err >a.txt
    grep '^show:' b.err >b.txt
    [ $a = $b ] && cmp a.options b.options && { [ -z "${2:-}" ] || cmp a.txt b.txt; } &&
        { [ ! -e a.ppm ] || cmp a.ppm b.ppm; }
}

# ---- files with payloads ----

"$examples/jpeg_encode" --quality 15 "$root/tests/pictures/coffee.png" 420.jpg >/dev/null || exit 1
for sampling in 422 444 440 411; do
    "$examples/jpeg_encode" --quality 15 --sampling $sampling "$root/tests/pictures/chelsea.png" $sampling.jpg \
        >/dev/null 2>&1
done
"$examples/jpeg_encode" --quality 15 "$root/tests/pictures/camera.png" gray.jpg >/dev/null
for file in 420 422 444 440 411 gray; do
    "$examples/jpeg_decode" $file.jpg $file.ppm >/dev/null
    "$examples/jpeg_decode" --mode base $file.jpg $file.base.ppm >/dev/null
    check "$file: the filtered picture" loads $file.jpg $file.ppm
    check "$file: in pieces of 1000 bytes" loads $file.jpg $file.ppm 1000
    with stock "$show" $file.jpg stock.ppm >/dev/null
    check "$file: not the stock one" differ got.ppm stock.ppm
    export SIDELIGHT_PIXBUF_MODE=base
    check "$file: by the base model" loads $file.jpg $file.base.ppm
    export SIDELIGHT_PIXBUF_MODE=off
    check "$file: off" as_stock $file.jpg
    unset SIDELIGHT_PIXBUF_MODE
done
thumbnail() { with $1 gdk-pixbuf-thumbnailer -s "$2" 420.jpg thumbnail.png && with ours "$show" thumbnail.png $1.ppm; }
thumbnail_of() { thumbnail ours 600 && with ours "$show" 420.ppm wanted.ppm && cmp ours.ppm wanted.ppm; }
check "gdk-pixbuf-thumbnailer, at full size" thumbnail_of
small() { thumbnail stock 128 && thumbnail ours 128 && cmp ours.ppm stock.ppm; }
check "gdk-pixbuf-thumbnailer, small: the stock picture" small

# ---- files without ----

for path in "$root"/tests/data/jpeg/*.jpg "$root"/tests/pictures/*.png; do
    check "$(basename "$path"): as stock" as_stock "$path"
    check "$(basename "$path"): as stock, in pieces" as_stock "$path" 777
    export SIDELIGHT_PIXBUF_MODE=base
    case $path in *cmyk* | *arithmetic* | *.png) check "$(basename "$path"): base: as stock" as_stock "$path" ;; esac
    unset SIDELIGHT_PIXBUF_MODE
done

# ---- damage: as the stock loader, and never a crash ----

python3 - <<'P'
data = open("420.jpg", "rb").read()
at = data.index(b"SLIGHT\0") + 7
bad = bytearray(data)
bad[at + 9] ^= 0x10
open("bad-payload.jpg", "wb").write(bad)
other = open("422.jpg", "rb").read()
start = other.index(b"SLIGHT\0") - 4
segment = other[start : start + 2 + int.from_bytes(other[start + 2 : start + 4], "big")]
end = at - 11 + 2 + int.from_bytes(data[at - 9 : at - 7], "big")
open("stale.jpg", "wb").write(data[: at - 11] + segment + data[end:])
for size in (0, 1, 2, 3, 100, 600, 700, 3000, len(data) // 2):
    open(f"cut-{size}.jpg", "wb").write(data[:size])
import random
random.seed(5)
for i in range(40):
    broken = bytearray(data)
    for _ in range(1 + i // 4):
        broken[random.randrange(2, len(data))] = random.randrange(256)
    open(f"noise-{i}.jpg", "wb").write(broken)
P
picture() { with stock "$show" "$1" a.ppm >&2 && with ours "$show" "$1" b.ppm 2>said.txt && cmp a.ppm b.ppm; }
told() { picture "$1" && cat said.txt >&2 && grep -q "payload ignored" said.txt; }
check "damaged payload: unfiltered, and told" told bad-payload.jpg
check "stale payload: unfiltered, and told" told stale.jpg
for path in cut-*.jpg; do
    check "$path: as stock" as_stock "$path"
    check "$path: as stock, in pieces" as_stock "$path" 333
done
survives() {
    with stock "$show" "$1" a.ppm 2>/dev/null
    a=$?
    with ours "$show" "$1" b.ppm
    [ $? = $a ]
}
for path in noise-*.jpg; do
    check "$path" survives "$path"
done
clean() {
    with ours valgrind -q --error-exitcode=9 --leak-check=full --errors-for-leak-kinds=definite "$show" "$1" v.ppm 5000
    [ $? -le 1 ]
}
for path in gray.jpg bad-payload.jpg cut-3000.jpg noise-7.jpg; do
    check "valgrind: $path" clean "$path"
done

echo "$passed passed, $failed failed"
[ "$failed" = 0 ]
