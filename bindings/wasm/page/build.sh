#!/bin/sh
# Puts the page together in a folder that can be served as it is. Run by `make page`.
#
#   bindings/wasm/page/build.sh OUT PACKAGE    PACKAGE: where `make wasm` put Sidelight's
set -eu

here=$(cd "$(dirname "$0")" && pwd)
project=$(cd "$here/../../.." && pwd)
out=$1
package=$2

# A folder of something else stays.
if [ -e "$out" ] && [ ! -e "$out/sidelight.js" ]; then
    echo "build: '$out' is there and is no page" >&2
    exit 1
fi
rm -rf "$out"
"$here/../jpeg/build.sh" "$out"
cp "$here"/index.html "$here"/*.css "$here"/*.js "$here/../jpeg/jpeg.js" "$out/"
cp "$package/index.js" "$out/sidelight.js"
cp "$package/sidelight-all.wasm" "$out/"
for name in base.css base.js compare.css compare.js; do cp "$project/tools/src/page/$name" "$out/"; done

{
    printf 'Sidelight, its base models not counted, is under the MIT or the Apache licence, version 2.0:\n\n'
    cat "$project/LICENSE-MIT"
    printf '\n\n'
    cat "$project/LICENSE-APACHE"
    printf '\n\nThe base models inside sidelight-all.wasm are under CC BY-SA 4.0; the pictures that they were trained on:\n\n'
    cat "$project/models/README.md"
    printf '\n\n'
    cat "$out/jpeg-licences.txt"
} >"$out/licences.txt"
rm "$out/jpeg-licences.txt"
