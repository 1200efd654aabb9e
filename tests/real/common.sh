# What the scripts here share: a folder to work in, the C program, djpeg's pixels. To be sourced; `root` is the
# project's folder.

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
hevc_decode=$root/c-examples/build/hevc_decode

# Compiles real.c against the library as it was built, with the examples' own decoding.
build_real() {
    library=${CARGO_TARGET_DIR:-$root/target}/release
    if [ ! -e "$library/libsidelight.so" ]; then
        echo "$library/libsidelight.so is missing: run make lib first" >&2
        return 1
    fi
    library=$(cd "$library" && pwd)
    (
        cd "$root/c-examples" || exit 1
        # shellcheck disable=SC2010,SC2046
        ${CC:-cc} -std=c11 -D_DEFAULT_SOURCE -O2 -Wall -Wextra -I. -I../include -o "$work/real" ../tests/real/real.c \
            $(ls | grep '\.c$' | grep -v -e _encode -e _decode -e minimal -e video) \
            $(pkg-config --cflags --libs libjpeg libpng) -L"$library" -lsidelight -Wl,-rpath,"$library" -lm
    )
}

# pixels FILE: djpeg's status and a sum of what it shows. 4 GiB are enough for all pictures but bombs.
pixels() {
    { (ulimit -v 4194304; timeout 120 djpeg -dct int "$1" 2>/dev/null; echo $? >"$work/status"); } | cksum >"$work/sum"
    echo "$(cat "$work/status") $(cat "$work/sum")"
}
