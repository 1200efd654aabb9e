#!/bin/sh
# The Rust crate tiff encodes a picture with a compression that the encoder was told. If its strips are written one by one
# (write_strip, for pictures made row by row), they are stored as they are, and the file says all the same that they are
# compressed: readers take raw samples for a deflate stream and fail. Written in one call (write_data) the same samples
# come out compressed. So whoever streams rows into it gets files that no reader opens, without an error on the way.
#
# tiff 0.11.3; read back by itself and by Pillow 13.0.0; 2026-11-30.
set -eu
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/env"
"$work/env/bin/pip" install -q pillow==13.0.0
mkdir -p "$work/made/src"
cat >"$work/made/Cargo.toml" <<'T'
[package]
name = "made"
version = "0.1.0"
edition = "2021"

[dependencies]
tiff = { version = "=0.11.3", default-features = false, features = ["deflate"] }
T
cat >"$work/made/src/main.rs" <<'R'
use std::fs::File;
use tiff::decoder::Decoder;
use tiff::encoder::{colortype::Gray8, Compression, TiffEncoder};

fn main() {
    let samples: Vec<u8> = (0..64 * 64).map(|i| (i / 64) as u8).collect();
    for (name, one_by_one) in [("strips.tiff", true), ("whole.tiff", false)] {
        let encoder = TiffEncoder::new(File::create(name).unwrap()).unwrap();
        let mut encoder = encoder.with_compression(Compression::Deflate(Default::default()));
        let mut image = encoder.new_image::<Gray8>(64, 64).unwrap();
        image.rows_per_strip(16).unwrap();
        if one_by_one {
            let mut done = 0;
            while image.next_strip_sample_count() > 0 {
                let count = image.next_strip_sample_count() as usize;
                image.write_strip(&samples[done..done + count]).unwrap();
                done += count;
            }
            image.finish().unwrap();
        } else {
            image.write_data(&samples).unwrap();
        }
        let bytes = std::fs::metadata(name).unwrap().len();
        let read = Decoder::new(File::open(name).unwrap()).and_then(|mut d| d.read_image());
        println!("{name}: {bytes} bytes for 4096 samples; read back: {}", read.is_ok());
    }
}
R
cd "$work/made"
CARGO_TARGET_DIR=$work/target cargo run -q | tee told.txt
"$work/env/bin/python" - <<'P' | tee -a told.txt
from PIL import Image

for name in ("strips.tiff", "whole.tiff"):
    image = Image.open(name)
    try:
        image.load()
        print(f"{name}: {image.info.get('compression')}, Pillow reads it")
    except Exception as error:
        print(f"{name}: {image.info.get('compression')}, Pillow: {type(error).__name__}")
P
grep -q 'strips.tiff: .*read back: false' told.txt
grep -q 'whole.tiff: .*read back: true' told.txt
grep -q 'strips.tiff: .*Pillow: ' told.txt
grep -q 'whole.tiff: .*Pillow reads it' told.txt
echo "as described"
