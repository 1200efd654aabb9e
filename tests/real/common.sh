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
    packages="libjpeg libpng"
    # shellcheck disable=SC2046
    ${CC:-cc} -std=c11 -D_DEFAULT_SOURCE -O2 -Wall -Wextra -I"$root/include" -I"$root/c-examples" \
        $(pkg-config --cflags $packages) -o "$work/real" "$root/tests/real/real.c" \
        "$root/c-examples/jpeg_planes.c" "$root/c-examples/jpeg_errors.c" "$root/c-examples/picture_io.c" \
        -L"$library" -lsidelight -Wl,-rpath,"$library" $(pkg-config --libs $packages) -lm
}

# pixels FILE: djpeg's status and a sum of what it shows. 4 GiB are enough for all pictures but bombs.
pixels() {
    { (ulimit -v 4194304; timeout 120 djpeg -dct int "$1" 2>/dev/null; echo $? >"$work/status"); } | cksum >"$work/sum"
    echo "$(cat "$work/status") $(cat "$work/sum")"
}
