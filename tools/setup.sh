#!/bin/sh
# Installs what building or testing needs and is absent, on Debian and its kin; says nothing where
# nothing is to do. A Rust toolchain, git and make must be there.
#
#   tools/setup.sh build    what `make examples` and `make demo` need
#   tools/setup.sh cli      what `make cli` needs
#   tools/setup.sh test     what `make test` needs: all of it
#   tools/setup.sh video    what `make video` needs
#   tools/setup.sh eval     what `make -C tools eval` needs
#   tools/setup.sh peers    what `make -C tools eval-peers` needs
#   tools/setup.sh coders   what its `eval-coders` and `bench-peers` need
#   tools/setup.sh report   what `make -C tools test-report` needs
#   tools/setup.sh ffmpeg   what `make ffmpeg` and `make test-ffmpeg` need
#   tools/setup.sh gstreamer   what `make gstreamer` and `make test-gstreamer` need
#   tools/setup.sh gdk-pixbuf   what `make gdk-pixbuf` and `make test-gdk-pixbuf` need
#   tools/setup.sh page     what `make test-page` needs besides
#   tools/setup.sh python   what `make test-python` needs
#   tools/setup.sh torch    what `make -C tools test-torch` needs
#   tools/setup.sh python3.12   installs nothing: prints a Python of version 3.12 or later
set -eu

build="gcc libc6-dev make pkg-config libjpeg62-turbo-dev libturbojpeg0-dev libpng-dev"
# JPEG is decoded faster where nasm is there when it is built.
cli="gcc libc6-dev make nasm"
test="g++ libjpeg-turbo-progs valgrind cmake abigail-tools qemu-user"
video="libx265-dev libavformat-dev libavcodec-dev libavutil-dev"
eval="libjpeg-turbo-progs ffmpeg"
peers="webp libjxl-tools libavif-bin"
coders="g++ python3 python3-dev python3-venv"
report="chromium"
ffmpeg="dpkg-dev patch xz-utils zlib1g-dev"
gstreamer="libgstreamer1.0-dev libgstreamer-plugins-base1.0-dev gstreamer1.0-tools gstreamer1.0-plugins-base
    gstreamer1.0-plugins-good gstreamer1.0-plugins-bad gstreamer1.0-libav"
pixbuf="libgdk-pixbuf-2.0-dev libgdk-pixbuf2.0-bin valgrind"
page="chromium python3"
python="python3 python3-venv"

usage() {
    echo "usage: tools/setup.sh build|cli|test|video|eval|peers|coders|report|ffmpeg|gstreamer|gdk-pixbuf|page|python|torch|" \
        "python3.12" >&2
    exit 1
}

# Debian 12's is too old for some wheels; pyenv's commands of that name may lead nowhere.
newer_python() {
    for python in python3 python3.14 python3.13 python3.12 \
        "${PYENV_ROOT:-$HOME/.pyenv}"/versions/3.*/bin/python3; do
        "$python" -c 'import sys, venv; sys.exit(sys.version_info < (3, 12))' 2>/dev/null || continue
        echo "$python"
        exit 0
    done
    echo "setup: no Python of version 3.12 or later here" >&2
    exit 1
}

# A Python that is no package will do.
has_python() {
    python3 -c 'import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 9))' 2>/dev/null
}

[ $# -gt 0 ] || usage
[ "$1" != python3.12 ] || newer_python
packages=
for set in "$@"; do
    case $set in
    build) packages="$packages $build" ;;
    cli) packages="$packages $cli" ;;
    test) packages="$packages $build $test $video $eval $peers" ;;
    video) packages="$packages $build $video" ;;
    eval) packages="$packages $eval" ;;
    peers) packages="$packages $eval $peers" ;;
    coders) packages="$packages $coders" ;;
    report) packages="$packages $report" ;;
    ffmpeg) packages="$packages $build $eval $ffmpeg" ;;
    gstreamer) packages="$packages $build $eval python3 $gstreamer" ;;
    gdk-pixbuf) packages="$packages $build python3 $pixbuf" ;;
    page)
        packages="$packages $page"
        command -v npm >/dev/null || packages="$packages nodejs npm"
        ;;
    python | torch)
        packages="$packages gcc libc6-dev"
        [ "$set" != torch ] || packages="$packages g++"
        [ "$set" != python ] || packages="$packages libturbojpeg0"
        has_python || packages="$packages $python"
        ;;
    *) usage ;;
    esac
done

if ! command -v cargo >/dev/null; then
    echo "setup: cargo is missing: install a Rust toolchain (https://rustup.rs)" >&2
    exit 1
fi

if ! command -v dpkg >/dev/null || ! command -v apt-get >/dev/null; then
    # Another system: what the build looks for may be there under another package's name.
    if command -v cc >/dev/null && command -v pkg-config >/dev/null &&
        pkg-config --exists libjpeg libturbojpeg libpng; then
        exit 0
    fi
    echo "setup: no apt-get here; install what corresponds to these Debian packages:" >&2
    echo "setup:  $packages" >&2
    exit 1
fi

absent() {
    missing=
    for package in $packages; do
        # libjpeg62-turbo-dev is libjpeg-turbo8-dev on Ubuntu: any libjpeg-turbo will do.
        case $package in
        libjpeg62-turbo-dev) dpkg -s libjpeg-turbo8-dev 2>/dev/null | grep -q '^Status: .* installed' && continue ;;
        pkg-config) dpkg -s pkgconf 2>/dev/null | grep -q '^Status: .* installed' && continue ;;
        esac
        dpkg -s "$package" 2>/dev/null | grep -q '^Status: .* installed' ||
            missing="$missing $package"
    done
}

absent
[ -n "$missing" ] || exit 0

if [ "$(id -u)" -eq 0 ]; then
    sudo=
elif command -v sudo >/dev/null; then
    sudo=sudo
else
    echo "setup: neither root nor sudo; have these packages installed:$missing" >&2
    exit 1
fi

echo "setup: installing$missing" >&2
install() {
    # shellcheck disable=SC2086 # a list of words
    $sudo env DEBIAN_FRONTEND=noninteractive \
        apt-get -qq -y -o Dpkg::Use-Pty=0 install --no-install-recommends $missing </dev/null >&2
}
# The package lists may be absent or stale: a second try is made with fresh ones.
if ! install 2>/dev/null; then
    $sudo apt-get -qq update </dev/null >&2
    install
fi
