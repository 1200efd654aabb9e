//! Streams of NAL units: codec and framing in one byte, how long chunks are in another, one byte of
//! length, a payload of that length, the stream.
#![no_main]

use libfuzzer_sys::fuzz_target;
use sidelight::carriage::nal::{Framing, NalCodec};
use sidelight_fuzz::hostile::stream;
use sidelight_fuzz::Input;

fuzz_target!(|data: &[u8]| {
    let mut input = Input(data);
    let kind = input.byte();
    let codec = [NalCodec::H264, NalCodec::Hevc, NalCodec::Vvc][usize::from(kind & 15) % 3];
    let framing = match kind >> 4 {
        0..=9 => Framing::AnnexB,
        10 | 11 => Framing::LengthPrefixed(1),
        12 | 13 => Framing::LengthPrefixed(2),
        _ => Framing::LengthPrefixed(4),
    };
    let mut random = u32::from(input.byte());
    let len = input.below(64);
    let payload = input.piece(len);
    let chunk = || {
        random = random.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        1 + (random >> 16) as usize % (1 << ((random >> 28) % 8))
    };
    stream(codec, framing, input.rest(), chunk, payload);
});
