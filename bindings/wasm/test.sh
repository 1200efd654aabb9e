#!/bin/sh
# Tests the package in FOLDER/package against the C examples, checks its types, and packs it into FOLDER.
#
#   bindings/wasm/test.sh FOLDER
set -eu
folder=$(cd "$1" && pwd)
cd "$(dirname "$0")"

SIDELIGHT_PACKAGE=$folder/package SIDELIGHT_EXAMPLES=$PWD/../../c-examples/build node --test tests/sidelight.test.mjs

# The types, as a program of a user's has them.
npm install --silent --no-audit --no-fund --no-save --prefix "$folder/typescript" typescript@5.9.3
mkdir -p "$folder/types/node_modules"
ln -sfn "$folder/package" "$folder/types/node_modules/sidelight"
cp tests/types.mts "$folder/types"
"$folder/typescript/node_modules/.bin/tsc" --strict --noEmit --target es2022 --module nodenext \
    --lib es2022,dom "$folder/types/types.mts"

# The archive has what the package names, and the small module stays small.
size=$(gzip -9 -c "$folder/package/sidelight.wasm" | wc -c)
[ "$size" -lt 400000 ] || { echo "test: sidelight.wasm has $size bytes compressed" >&2; exit 1; }
rm -f "$folder"/sidelight-*.tgz
(cd "$folder/package" && npm pack --silent --pack-destination "$folder")
tar tzf "$folder"/sidelight-*.tgz | LC_ALL=C sort >"$folder/files.txt"
for file in LICENSE-APACHE LICENSE-MIT LICENSE-models.md README.md index.d.ts index.js package.json sidelight-all.wasm \
    sidelight.wasm; do
    echo "package/$file"
done | cmp - "$folder/files.txt"
echo "bindings/wasm: all tests passed; sidelight.wasm has $size bytes compressed"
