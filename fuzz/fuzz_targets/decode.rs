//! A payload and a picture through the decoder.
#![no_main]

use libfuzzer_sys::fuzz_target;
use sidelight::carriage::nal;
use sidelight::network::{CodecKind, Model};
use sidelight::payload::binding::of_picture;
use sidelight::network::update::{LayerUpdate, Update};
use sidelight::payload::header::HEADER_SIZE;
use sidelight::payload::{update};
use sidelight::picture::Sample;
use sidelight::{Codec, Layout, PictureType};
use sidelight_fuzz::hostile::{decode, embedded, messages, seal_payload, Owned, BINDING};
use sidelight_fuzz::Input;
use std::fmt::Debug;

fuzz_target!(|data: &[u8]| {
    let mut input = Input(data);
    let depth = [8, 10, 12][input.below(3)];
    if depth == 8 {
        run::<u8>(&mut input, depth);
    } else {
        run::<u16>(&mut input, depth);
    }
});

fn run<S: Sample + PartialEq + Debug + Into<u32>>(input: &mut Input, depth: u32) {
    let layout = Layout::ALL[input.below(Layout::ALL.len())];
    let types = [PictureType::Irap, PictureType::I, PictureType::P, PictureType::B];
    let picture_type = types[input.below(4)];
    let (width, height) = (1 + input.below(12), 1 + input.below(32));
    let models = embedded();
    let model = models[input.below(models.len())];
    let options = input.byte();
    let codec = codec(input, if options & 1 == 0 { Some(model.codec) } else { None });
    let mut payload = payload(input, model, options >> 4);
    let samples = input.rest();
    let sample = |i: usize| {
        let at = |i: usize| u16::from(*samples.get(i % samples.len().max(1)).unwrap_or(&(i as u8)));
        // 16 bits hold more than the depth: what is above counts as the largest sample.
        S::new(if depth == 8 { at(i) } else { at(2 * i) << 8 | at(2 * i + 1) })
    };
    let source = Owned::new(layout, depth, width, height, sample);
    if options & 14 != 14 {
        seal_payload(&mut payload, BINDING);
    }
    // One of the two, for speed.
    if options & 12 != 0 {
        decode(&payload, &codec, &source, picture_type);
        return;
    }
    seal_payload(&mut payload, of_picture(&source.view()));
    let message = [&nal::UUID[..], &payload].concat();
    let foreign = [&[7; 16][..], &message].concat();
    messages(&[&message[..9], &foreign, &message, &payload], &source, picture_type);
}

fn codec(input: &mut Input, kind: Option<CodecKind>) -> Codec {
    let of_kind = kind.unwrap_or([CodecKind::Jpeg, CodecKind::Hevc][input.below(2)]);
    match of_kind {
        CodecKind::Hevc => Codec::Hevc { qp: [0; 3].map(|_| input.byte()) },
        CodecKind::Jpeg => {
            let table = |input: &mut Input| {
                let (first, step) = (input.word(), input.byte());
                std::array::from_fn(|i| (first + i * usize::from(step)) as u16)
            };
            let luma = table(input);
            Codec::Jpeg { luma, chroma: (luma[0] % 2 == 0).then(|| table(input)) }
        }
    }
}

/// A payload for `model`, most often a whole one.
fn payload(input: &mut Input, model: &Model, kind: u8) -> Vec<u8> {
    let mut payload = vec![0; HEADER_SIZE];
    payload[1..5].copy_from_slice(&model.id.to_le_bytes());
    if model.codec == CodecKind::Hevc && kind != 0 {
        payload.extend([0; 3].map(|_| input.byte() % 53));
    }
    match kind {
        0 => {
            let len = input.below(64);
            payload = input.piece(len).to_vec();
        }
        1 | 2 => payload[0] = kind - 1,
        3..=5 => {
            payload[0] = 2;
            let len = input.below(64);
            payload.extend(input.piece(len));
        }
        _ => {
            payload[0] = 2;
            payload.extend(update(input, model));
        }
    }
    payload
}

/// The body of an update whose values repeat what it says.
fn update(input: &mut Input, model: &Model) -> Vec<u8> {
    let step = input.byte() % 8;
    let wide = input.byte();
    let len = input.below(64);
    let seed = input.piece(len);
    let mut numbers = seed.iter().cycle();
    let mut value = || {
        let n = i16::from(numbers.next().map_or(0, |n| *n as i8));
        if wide < 16 {
            2 * n.max(-127)
        } else {
            n / 32
        }
    };
    let mut list = |n: usize| (0..n).map(|_| value()).collect();
    let layers = model.shapes().into_iter().map(|(inputs, outputs)| LayerUpdate {
        scale: list(outputs),
        bias: list(outputs),
        coefficients: if wide % 4 == 0 { Vec::new() } else { list(9 * inputs * outputs) },
    });
    update::encode(&Update { step, layers: layers.collect() }, &model.prior).unwrap()
}
