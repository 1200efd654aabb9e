#!/bin/sh
# Installs what a bare Debian lacks beside a Rust toolchain. Quiet where nothing is missing.
#   tools/setup.sh build   for the library and the examples
#   tools/setup.sh test    for the tests as well
set -eu

packages="gcc libc6-dev make pkg-config libjpeg62-turbo-dev libpng-dev"
if [ "${1:-build}" = test ]; then
    packages="$packages g++ libjpeg-turbo-progs valgrind"
fi

if ! command -v cargo >/dev/null; then
    echo "cargo is missing: install a Rust toolchain first" >&2
    exit 1
fi
if ! command -v dpkg-query >/dev/null; then
    echo "not a Debian system: make sure that the equivalents of these are installed:" >&2
    echo "  $packages" >&2
    exit 0
fi

missing=
for package in $packages; do
    status=$(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null || true)
    [ "$status" = installed ] || missing="$missing $package"
done
[ -n "$missing" ] || exit 0

root=
[ "$(id -u)" = 0 ] || root=sudo
echo "installing:$missing" >&2
# shellcheck disable=SC2086 # words are packages
$root sh -c "apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq \
    --no-install-recommends $missing >/dev/null"
