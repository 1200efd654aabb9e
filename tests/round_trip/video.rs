//! Payloads for video through the Rust API: several pictures of several types, 8 and 10 bits.

use crate::common::at_each_level;
use crate::common::picture::Owned;
use sidelight::carriage::nal::UUID;
use sidelight::payload::{binding, rebind};
use sidelight::{
    Codec, CodecParams, Decoder, DecoderSettings, Encoded, Encoder, EncoderSettings, Error, Layout,
    Mode, Pair, PictureType, Rate, Sample,
};

const WIDTH: usize = 93;
const HEIGHT: usize = 70;
const TYPES: [PictureType; 6] = [
    PictureType::Irap,
    PictureType::P,
    PictureType::B,
    PictureType::B,
    PictureType::I,
    PictureType::P,
];

/// Edges, gradients and texture that move.
fn originals<S: Sample>(depth: u32) -> Vec<Owned<S>> {
    let unit = 1 << (depth - 8);
    let picture = |t: usize| {
        Owned::painted(Layout::I420, depth, (WIDTH, HEIGHT), |plane, y, x| {
            let (y, x) = if plane == 0 { (y, x + 3 * t) } else { (2 * y, 2 * x + 6 * t) };
            let disc = (y as i32 - 30).pow(2) + (x as i32 - 50).pow(2) < 400;
            let texture = ((x * 7 + y * 13) % 11) as i32 * if plane == 0 { 4 } else { 1 };
            (60 + x as i32 + if disc { 70 } else { 0 } + texture) * unit + ((x + y) % 4) as i32
        })
    };
    (0..TYPES.len()).map(picture).collect()
}

fn params(qp: [u8; 3], carrier: u64) -> CodecParams {
    CodecParams { codec: Codec::Hevc { qp }, binding: carrier }
}

/// Bytes nearly free: an update pays.
const CHEAP: Rate = Rate { coded_bytes: 0, slope_db_per_byte: 1e-6, carriage_bytes: 0 };

struct Clip<S> {
    original: Vec<Owned<S>>,
    decoded: Vec<Owned<S>>,
}

impl<S: Sample> Clip<S> {
    fn new(depth: u32) -> Self {
        let original = originals(depth);
        let decoded = original.iter().map(|picture| picture.coded(36 << (depth - 8))).collect();
        Self { original, decoded }
    }

    fn carrier(&self) -> u64 {
        binding::of_picture(&self.decoded[0].view().of_type(TYPES[0]))
    }

    /// `most` is the most that may be sent: the base model or an update.
    fn encode(&self, most: Mode, threads: usize, qp: [u8; 3]) -> Encoded {
        self.encode_in(6, most, threads, qp)
    }

    fn encode_in(&self, steps: u32, most: Mode, threads: usize, qp: [u8; 3]) -> Encoded {
        let encoder = Encoder::new(EncoderSettings {
            no_update: most == Mode::Base,
            threads,
            steps: Some(steps),
            ..Default::default()
        })
        .unwrap();
        let pictures = self.original.iter().zip(&self.decoded).zip(TYPES);
        let pairs: Vec<_> = pictures
            .map(|((o, d), t)| Pair { original: o.view(), decoded: d.view().of_type(t) })
            .collect();
        encoder.encode(&pairs, &params(qp, self.carrier()), CHEAP, &mut |_| true).unwrap()
    }

    /// All pictures as a decoder shows them that finds `payload` with the first.
    fn shown(&self, payload: &[u8], mode: Mode) -> Vec<Owned<S>> {
        let mut decoder = Decoder::new(DecoderSettings { threads: 2, ..Default::default() });
        let message = [&UUID[..], payload].concat();
        let show = |(i, decoded): (usize, &Owned<S>)| {
            let view = decoded.view().of_type(TYPES[i]);
            let messages = if i == 0 { vec![&message[..]] } else { vec![] };
            let set = decoder.set_messages(&view, messages.into_iter());
            assert_eq!(set, Ok((i == 0).then_some(mode)));
            decoded.filtered_as(&decoder, TYPES[i])
        };
        self.decoded.iter().enumerate().map(show).collect()
    }
}

fn decoders_show_what_was_measured<S: Sample + PartialEq>(depth: u32) {
    let clip = Clip::<S>::new(depth);
    for mode in [Mode::Base, Mode::Update] {
        let Encoded { payload, report } = clip.encode(mode, 2, [35, 36, 37]);
        assert!(report.mode as u8 <= mode as u8);
        let shown = clip.shown(&payload, report.mode);
        let mean = |p: usize, pictures: &[Owned<S>]| {
            let all = clip.original.iter().zip(pictures).map(|(a, b)| a.psnr(b, p));
            all.sum::<f64>() / pictures.len() as f64
        };
        let pairs = [
            (report.psnr_decoded, mean(0, &clip.decoded)),
            (report.psnr_payload, mean(0, &shown)),
            (report.psnr_chroma_payload[0], mean(1, &shown)),
            (report.psnr_chroma_payload[1], mean(2, &shown)),
        ];
        for (said, measured) in pairs {
            assert!((said - measured).abs() < 1e-9, "{depth} bits, {said} {measured} {report:?}");
        }
        if report.mode == Mode::Off {
            assert!(shown.iter().zip(&clip.decoded).all(|(a, b)| a == b));
        }
    }
}

#[test]
fn decoders_show_what_was_measured_8() {
    decoders_show_what_was_measured::<u8>(8);
}

#[test]
fn decoders_show_what_was_measured_10() {
    decoders_show_what_was_measured::<u16>(10);
}

#[test]
fn types_without_a_qp_are_left_alone() {
    let clip = Clip::<u16>::new(10);
    for alone in PictureType::CLASSES.map(PictureType::class) {
        let mut qp = [36; 3];
        qp[alone] = 0;
        let Encoded { payload, report } = clip.encode(Mode::Update, 2, qp);
        let shown = clip.shown(&payload, report.mode);
        for ((shown, decoded), t) in shown.iter().zip(&clip.decoded).zip(TYPES) {
            assert!(t.class() != alone || shown == decoded, "{t:?}");
        }
    }
    assert_eq!(clip.encode(Mode::Update, 2, [0; 3]).report.mode, Mode::Off);
}

#[test]
fn payloads_do_not_depend_on_threads_or_cpu() {
    let clip = Clip::<u16>::new(10);
    // Portable code takes its time.
    let encode = |threads| {
        let Encoded { payload, report } = clip.encode_in(2, Mode::Update, threads, [36; 3]);
        assert_eq!((report.mode, report.steps), (Mode::Update, 2));
        payload
    };
    let expected = encode(1);
    assert_eq!(encode(3), expected);
    at_each_level(|level| assert_eq!(encode(2), expected, "{level:?}"));
}

#[test]
fn a_copy_is_for_its_own_carrier() {
    let clip = Clip::<u8>::new(8);
    let Encoded { mut payload, report } = clip.encode(Mode::Base, 2, [36; 3]);
    let mut decoder = Decoder::new(DecoderSettings::default());
    let carrier = clip.decoded[4].view();
    let set = |decoder: &mut Decoder, payload: &[u8]| {
        let message = [&UUID[..], payload].concat();
        decoder.set_messages(&carrier, [&message[..]].into_iter())
    };
    assert_eq!(set(&mut decoder, &payload), Err(Error::Stale));
    rebind(&mut payload, binding::of_picture(&carrier)).unwrap();
    assert_eq!(set(&mut decoder, &payload), Ok(Some(report.mode)));
    // A message with nothing behind its UUID is none.
    assert_eq!(set(&mut decoder, &[]), Ok(None));
}
