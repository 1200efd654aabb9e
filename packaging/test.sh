#!/bin/sh
# Installs into temporary folders and builds programs with what is there and nothing else. Run by
# `make test-install`, with the release build present. Ends with "N passed, N failed".
set -u
export LC_ALL=C

root=$(cd "$(dirname "$0")/.." && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work" || exit 1
# What make was called with is not for the makes in here.
unset PKG_CONFIG_PATH LD_LIBRARY_PATH MAKEFLAGS MFLAGS DESTDIR LIBDIR INCLUDEDIR DOCDIR MANDIR CMAKEDIR PREFIX BINDIR COMPLETIONS CLI

# The library is an ELF file in what follows.
[ "$(uname -s)" = Linux ] || { echo "packaging: tested on Linux alone; 0 passed, 0 failed"; exit 0; }

version=$(sed -n 's/^version = "\(.*\)"/\1/p' "$root/Cargo.toml" | head -n 1)
case $version in
0.*) abi=$(echo "$version" | cut -d. -f1-2) ;;
*) abi=${version%%.*} ;;
esac
largest=4000000 # bytes of the stripped library

passed=0
failed=0

# check NAME COMMAND...: the command succeeds.
check() {
    name=$1
    shift
    if "$@" >out.txt 2>&1; then
        passed=$((passed + 1))
    else
        failed=$((failed + 1))
        echo "not ok: $name"
        sed 's/^/    /' out.txt
    fi
}

refused() { ! "$@"; }
# The command is tried as files that stand for it: building it takes minutes.
mkdir -p cli/man1 cli/completions
printf '#!/bin/sh\necho here\n' >cli/sidelight
for file in man1/sidelight.1 man1/sidelight-decode.1 completions/bash completions/fish completions/zsh; do
    echo "$file" >"cli/$file"
done
make_() { make -s -C "$root" "CLI=$work/no-cli" "$@"; }
listing() { (cd "$1" && find . ! -type d | sort); }

# ---- a distribution's way: staged, in its own library folder, read from another root ----

prefix=/usr
libdir=/usr/lib/some-linux-gnu
staged="PREFIX=$prefix LIBDIR=$libdir DESTDIR=$work/root"
# shellcheck disable=SC2086 # words
check "install into DESTDIR" make_ install $staged
doc=./usr/share/doc/sidelight
expect() {
    for file in libsidelight.a libsidelight.so libsidelight.so.$abi libsidelight.so.$version \
        pkgconfig/sidelight.pc cmake/Sidelight/SidelightConfig.cmake \
        cmake/Sidelight/SidelightConfigVersion.cmake; do
        echo ".$libdir/$file"
    done
    echo ./usr/include/sidelight.h
    echo ./usr/share/man/man3/sidelight.3
    [ -z "${with_cli:-}" ] || for file in bin/sidelight share/man/man1/sidelight.1 share/man/man1/sidelight-decode.1 \
        share/bash-completion/completions/sidelight share/fish/vendor_completions.d/sidelight.fish \
        share/zsh/site-functions/_sidelight; do
        echo "./usr/$file"
    done
    for file in README.md CHANGELOG.md SECURITY.md LICENSE-MIT LICENSE-APACHE models/README.md; do
        echo "$doc/$file"
    done
    # All but the lab notes.
    for file in "$root"/docs/*.md "$root"/docs/*.png; do
        [ "${file##*/}" = notebook.md ] || echo "$doc/docs/${file##*/}"
    done
}
expect | sort >expected
listing root >installed
check "what is installed, and where" diff expected installed
# shellcheck disable=SC2086
check "install into DESTDIR, with the command" make_ install $staged "CLI=$work/cli" STRIP=true
with_cli=yes expect | sort >expected
listing root >installed
check "what is installed then, and where" diff expected installed
check "the command runs" [ "$(root/usr/bin/sidelight)" = here ]
# shellcheck disable=SC2086
check "uninstall" make_ uninstall $staged
listing root >left
check "uninstall leaves nothing" diff /dev/null left
# shellcheck disable=SC2086
check "install once more" make_ install $staged
check "the build machine's folders are not named" refused grep -rI -e "$work" -e "$root" \
    root/usr/lib root/usr/include
check "links" [ "$(readlink root$libdir/libsidelight.so) $(readlink "root$libdir/libsidelight.so.$abi")" = \
    "libsidelight.so.$abi libsidelight.so.$version" ]
check "the models' licence is there" grep -q "CC BY-SA 4.0" "root/usr/share/doc/sidelight/models/README.md"

staged_flags() {
    PKG_CONFIG_LIBDIR=root$libdir/pkgconfig PKG_CONFIG_SYSROOT_DIR=$work/root pkg-config "$@" sidelight
}
# shellcheck disable=SC2046 # words
check "pkg-config in another root" cc "$root/packaging/smoke.c" -o staged $(staged_flags --cflags --libs)
check "it runs" env LD_LIBRARY_PATH="root$libdir" ./staged
check "prefix" [ "$(PKG_CONFIG_LIBDIR=root$libdir/pkgconfig pkg-config --variable=prefix sidelight)" = /usr ]
# glibc has them all inside since 2.34; others, and older ones, have not.
asked() {
    list=$(rustc --crate-type staticlib --crate-name nothing --print native-static-libs -o nothing.a - \
        </dev/null 2>&1 | sed -n 's/^note: native-static-libs: //p')
    for one in $list; do
        case $one in
        -lc | -lgcc_s) ;; # the C compiler's own affair
        *)
            grep -q -e "^Libs.private:.* $one\( \|\$\)" root$libdir/pkgconfig/sidelight.pc &&
                grep -q -e "INTERFACE_LINK_LIBRARIES \"\(.*;\)\?$one[;\"]" \
                    root$libdir/cmake/Sidelight/SidelightConfig.cmake || return 1
            ;;
        esac
    done
    [ -n "$list" ]
}
check "what rustc asks of a static library's users" asked
check "version" [ "$(PKG_CONFIG_LIBDIR=root$libdir/pkgconfig pkg-config --modversion sidelight)" = "$version" ]

# ---- the library itself ----

library=root$libdir/libsidelight.so.$version
dynamic() { readelf -d "$library" | sed -n "s/.*($1).*\[\(.*\)\]/\1/p"; }
check "SONAME" [ "$(dynamic SONAME)" = "libsidelight.so.$abi" ]
check "no run path" [ -z "$(dynamic RPATH)$(dynamic RUNPATH)" ]
dynamic NEEDED | grep -v -x -e 'libc\.so\.6' -e 'libm\.so\.6' -e 'libgcc_s\.so\.1' -e 'ld-linux.*\.so\.[0-9]*' >needed
check "it needs libc, libm and libgcc_s alone" diff /dev/null needed
nm -D --defined-only "$library" | sed 's/.* //' | sort >exported
check "it exports nothing but sidelight_*" refused grep -v '^sidelight_' exported
sed -n 's/^[a-z].*[ *]\(sidelight_[a-z0-9_]*\)(.*/\1/p' "root/usr/include/sidelight.h" | sort >declared
sed -n 's/^\.BR \(sidelight_[a-z0-9_]*\) ().*/\1/p' root/usr/share/man/man3/sidelight.3 | sort -u >told
check "the manual page tells of every function" diff declared told
check "and that is what the header declares" diff declared exported
# shellcheck disable=SC2086
check "install-strip" make_ install-strip $staged
size=$(wc -c <"$library")
echo "stripped: $size bytes"
check "stripped size" [ "$size" -le $largest ]
check "stripped: no debug information" refused sh -c "readelf -S '$library' | grep -q debug_"
check "stripped: it runs" env LD_LIBRARY_PATH="root$libdir" ./staged
# shellcheck disable=SC2086
check "uninstall" make_ uninstall $staged
listing root >left
check "uninstall leaves nothing" diff /dev/null left

# ---- a user's way: into a prefix of one's own ----

own=$work/own
check "install into a prefix" make_ install "PREFIX=$own"
export PKG_CONFIG_PATH="$own/lib/pkgconfig"
check "pkg-config finds that copy" [ "$(pkg-config --variable=libdir sidelight)" = "$own/lib" ]
warnings="-Wall -Wextra -Wpedantic -Werror"
rpath="-Wl,-rpath,$own/lib"
links_to() { ldd "$1" | grep -q "libsidelight.so.$abi => $own/lib/libsidelight.so.$abi "; }
links_to_none() { ! readelf -d "$1" | grep -q 'NEEDED.*sidelight'; }

cp "$root/packaging/smoke.c" smoke.c
cp smoke.c smoke.cpp
for language in c11 c++17; do
    case $language in
    c11) compile="${CC:-cc} -std=$language $warnings smoke.c" ;;
    *) compile="${CXX:-c++} -std=$language $warnings smoke.cpp" ;;
    esac
    # shellcheck disable=SC2046,SC2086 # words
    check "$language, shared" $compile -o shared $(pkg-config --cflags --libs sidelight) "$rpath"
    check "$language, shared: uses the installed copy" links_to shared
    check "$language, shared: runs" ./shared
    # As hosts do that carry the library with them: the .a and what it needs.
    static=$(pkg-config --static --libs sidelight | sed "s|-lsidelight|$own/lib/libsidelight.a|")
    # shellcheck disable=SC2046,SC2086
    check "$language, static library" $compile -o static $(pkg-config --cflags sidelight) $static
    check "$language, static library: needs no shared one" links_to_none static
    check "$language, static library: runs" ./static
done
# shellcheck disable=SC2046,SC2086
check "a program without any shared library" cc smoke.c -static -o all_static \
    $(pkg-config --static --cflags --libs sidelight)
check "it runs" ./all_static

export CMAKE_PREFIX_PATH="$own"
configure() { cmake -S "$root/packaging" -B cmake -DWANTED="$1" && ! grep -q "$root/target" cmake/CMakeCache.txt; }
check "CMake: configure" configure "$version"
check "CMake: build" cmake --build cmake
check "CMake: shared: uses the installed copy" links_to cmake/smoke_shared
check "CMake: shared: runs" cmake/smoke_shared
check "CMake: static: needs no shared one" links_to_none cmake/smoke_static
check "CMake: static: runs" cmake/smoke_static
rm -rf cmake
check "CMake: any version of this ABI" configure "$abi"
for wrong in 99 "$abi.99"; do
    rm -rf cmake
    check "CMake: version $wrong is refused" refused configure $wrong
done
mv own moved
CMAKE_PREFIX_PATH=$work/moved
rm -rf cmake
check "CMake: a copy that was moved" configure "$version"
mv moved own

mkdir benches
cp -r "$root/c-examples" .
cp -r "$root/benches/c" benches
rm -rf c-examples/build benches/c/build
check "the examples build" make -C c-examples
check "the benchmarks build" make -C benches/c
for program in c-examples/build/minimal c-examples/build/jpeg_encode c-examples/build/jpeg_decode \
    benches/c/build/bench_filter; do
    check "${program##*/} uses the installed copy" links_to $program
done
mkdir "a folder" && cp -r c-examples "a folder" && rm -rf "a folder/c-examples/build"
check "the examples build where a path has a space" make -C "a folder/c-examples"
check "and work there" "a folder/c-examples/build/jpeg_encode" --no-payload "$root/tests/pictures/camera.png" "a folder/x.jpg"
check "jpeg_encode" c-examples/build/jpeg_encode --steps 2 --quality 20 "$root/tests/pictures/camera.png" x.jpg
check "jpeg_decode" c-examples/build/jpeg_decode --mode base x.jpg x.png
check "minimal" c-examples/build/minimal show x.jpg x.y4m
check "uninstall" make_ uninstall "PREFIX=$own"
listing own >left
check "uninstall leaves nothing" diff /dev/null left

# ---- a source folder that make can't work in ----

mkdir "a folder/root" "a folder/root/tools"
cp -r "$root/Makefile" "$root/Cargo.toml" "$root/packaging" "$root/integrations" "a folder/root"
cp "$root/tools/Makefile" "a folder/root/tools"
says_no() {
    if make "$@" >no.txt 2>&1; then return 1; fi
    cat no.txt
    [ "$(wc -l <no.txt)" = 1 ] && grep -q "can't build where a path has a space in it.*a folder" no.txt
}
for goal in lib install examples; do
    check "a space in the path: make $goal" says_no -s --no-print-directory -C "a folder/root" $goal
done
check "a space in the path: tools" says_no -s --no-print-directory -C "a folder/root/tools" help
check "a space in CARGO_TARGET_DIR" says_no -s --no-print-directory -C "$root" lib "CARGO_TARGET_DIR=$work/a folder"

echo "$passed passed, $failed failed"
[ "$failed" = 0 ]
