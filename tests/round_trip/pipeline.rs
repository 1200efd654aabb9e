//! The main job through the Rust API: code, adapt, carry, decode, filter.

use crate::common::at_each_level;
use crate::common::picture::Owned;
use sidelight::adapt::task::Objective;
use sidelight::carriage::jpeg;
use sidelight::codec::standard_luma_table;
use sidelight::network::CodecKind;
use sidelight::{
    models, payload, probe, Codec, CodecParams, Decoder, DecoderSettings, Encoded, Encoder,
    EncoderSettings, Error, Layout, Mode, ModelSize, Pair, Picture, Plane, Rate,
};
use std::time::Duration;

const WIDTH: usize = 97;
const HEIGHT: usize = 75;
const STEP: i32 = 40;

/// Edges, gradients and texture.
fn original() -> Owned<u8> {
    Owned::painted(Layout::I400, 8, (WIDTH, HEIGHT), |_, y, x| {
        let disc = (y as i32 - 30).pow(2) + (x as i32 - 40).pow(2) < 400;
        let texture = ((x * 7 + y * 13) % 11) as i32 * 4;
        let base = 60 + x as i32 + if disc { 70 } else { 0 };
        base + if x > 60 { texture } else { 0 }
    })
}

fn coded() -> Owned<u8> {
    original().coded(STEP)
}

fn params(binding: u64) -> CodecParams {
    CodecParams { codec: Codec::Jpeg { luma: [STEP as u16; 64], chroma: None }, binding }
}

fn encode(settings: EncoderSettings, rate: Rate) -> Encoded {
    encode_as(&params(77), settings, rate)
}

fn encode_as(params: &CodecParams, settings: EncoderSettings, rate: Rate) -> Encoded {
    let (original, decoded) = (original(), coded());
    let encoder = Encoder::new(settings).unwrap();
    let pair = Pair { original: original.view(), decoded: decoded.view() };
    encoder.encode(&[pair], params, rate, &mut |_| true).unwrap()
}

/// Settings with which `most` is the most that may be sent: the base model or an update.
fn settings(most: Mode, threads: usize) -> EncoderSettings {
    EncoderSettings {
        no_update: most == Mode::Base,
        threads,
        steps: Some(30),
        ..Default::default()
    }
}

/// Bytes nearly free: an update pays.
const CHEAP: Rate = Rate { coded_bytes: 0, slope_db_per_byte: 1e-5, carriage_bytes: 0 };

#[test]
fn the_decoder_gets_what_the_encoder_measured() {
    let encoded = encode(settings(Mode::Update, 2), CHEAP);
    assert_eq!(encoded.report.mode, Mode::Update);
    assert_eq!(encoded.report.steps, 30);
    let mut decoder = Decoder::new(DecoderSettings { threads: 2, ..Default::default() });
    assert_eq!(decoder.set_payload(&encoded.payload, &params(77)), Ok(Mode::Update));
    let got = original().psnr(&coded().filtered(&decoder), 0);
    assert!((got - encoded.report.psnr_payload).abs() < 1e-9, "{got} {:?}", encoded.report);
    assert!(encoded.report.psnr_payload > encoded.report.psnr_base);
}

/// The published objective's payloads are ones that decoders know, of whatever size.
#[test]
fn the_published_objective_is_decoded_like_any_other() {
    let sizes = [ModelSize::Small, ModelSize::Medium, ModelSize::Large];
    for (size, objective) in sizes.into_iter().flat_map(|size| {
        [Objective::RateDistortion, Objective::Published].map(|objective| (size, objective))
    }) {
        let settings = EncoderSettings { model_size: size, objective, ..settings(Mode::Update, 2) };
        let free = Rate { slope_db_per_byte: 1e-9, ..CHEAP };
        let encoded = encode_as(&params(77), settings, free);
        assert_eq!(encoded.report.mode, Mode::Update);
        let probed = probe(&encoded.payload).unwrap();
        assert_eq!(probed.known, Some((CodecKind::Jpeg, size)));
        let files = || models::of_size(CodecKind::Jpeg, size).unwrap();
        // The published one changes single weights.
        let of_a_file = files().any(|model| model.id == probed.model);
        assert_eq!(of_a_file, objective == Objective::RateDistortion);
        let mut decoder = Decoder::new(DecoderSettings::default());
        assert_eq!(decoder.set_payload(&encoded.payload, &params(77)), Ok(Mode::Update));
        let got = original().psnr(&coded().filtered(&decoder), 0);
        assert!((got - encoded.report.psnr_payload).abs() < 1e-9, "{got} {:?}", encoded.report);
        assert!(encoded.report.psnr_payload > encoded.report.psnr_base);
    }
}

#[test]
fn the_best_base_model_of_a_size_is_taken() {
    let mut taken = Vec::new();
    for size in [ModelSize::Small, ModelSize::Medium, ModelSize::Large] {
        for quality in [0, 2, 5, 10, 20, 40, 80] {
            let params = match quality {
                0 => params(77),
                quality => {
                    let luma = standard_luma_table(quality);
                    CodecParams { codec: Codec::Jpeg { luma, chroma: None }, binding: 77 }
                }
            };
            let settings = EncoderSettings { model_size: size, ..settings(Mode::Base, 1) };
            let encoded = encode_as(&params, settings, CHEAP);
            let mut decoder =
                Decoder::new(DecoderSettings { model_size: size, ..Default::default() });
            let mut by_model = Vec::new();
            for model in models::of_size(CodecKind::Jpeg, size).unwrap() {
                let payload = payload::build(Mode::Base, model.id, &[], 77).unwrap();
                decoder.set_payload(&payload, &params).unwrap();
                let out = coded().filtered(&decoder);
                by_model.push((original().psnr(&out, 0), model.id, out));
            }
            let best = by_model.iter().max_by(|a, b| a.0.total_cmp(&b.0)).unwrap();
            assert!((best.0 - encoded.report.psnr_base).abs() < 1e-9, "{size:?} {quality}");
            if encoded.report.mode == Mode::Base {
                assert_eq!(probe(&encoded.payload).unwrap().model, best.1);
                taken.push(by_model.iter().position(|m| m.1 == best.1).unwrap());
            }
            // Without an original it is the one for such tables.
            decoder.set_mode(Mode::Base, &params).unwrap();
            let out = coded().filtered(&decoder);
            assert!(
                out == by_model[usize::from((5..=60).contains(&quality))].2,
                "{size:?} {quality}"
            );
        }
    }
    assert!(taken.contains(&0) && taken.contains(&1), "{taken:?}");
}

#[test]
fn payloads_do_not_depend_on_threads_or_cpu() {
    // Portable code takes its time; the second step has all that later ones have.
    let encode = |threads| {
        let few = EncoderSettings { steps: Some(3), ..settings(Mode::Update, threads) };
        let Encoded { payload, report } = encode(few, CHEAP);
        assert_eq!((report.mode, report.steps), (Mode::Update, 3));
        payload
    };
    let expected = encode(1);
    for threads in [2, 5] {
        assert_eq!(encode(threads), expected);
    }
    at_each_level(|level| assert_eq!(encode(2), expected, "{level:?}"));
}

#[test]
fn an_update_that_does_not_pay_is_not_sent() {
    let dear = Rate { slope_db_per_byte: 1.0, ..CHEAP };
    let far = Rate { carriage_bytes: 1_000_000, ..CHEAP };
    for rate in [dear, far] {
        let encoded = encode(settings(Mode::Update, 1), rate);
        assert_eq!(encoded.report.mode, Mode::Off);
        assert_eq!(encoded.payload.len(), 8);
    }
    assert_ne!(encode(settings(Mode::Base, 1), CHEAP).report.mode, Mode::Update);
}

#[test]
fn hostile_payloads_leave_the_picture_alone() {
    let payload = encode(settings(Mode::Update, 1), CHEAP).payload;
    let input = coded();
    let mut decoder = Decoder::new(DecoderSettings::default());
    let mut refuse = |bytes: &[u8], binding: u64| {
        let error = decoder.set_payload(bytes, &params(binding)).unwrap_err();
        assert_eq!(input.filtered(&decoder), input, "{error}");
        error
    };
    for n in 0..payload.len() {
        refuse(&payload[..n], 77);
    }
    for bit in 0..8 * payload.len() {
        let mut damaged = payload.clone();
        damaged[bit / 8] ^= 1 << (bit % 8);
        refuse(&damaged, 77);
    }
    assert_eq!(refuse(&payload, 78), Error::Stale);
    let mut long = payload.clone();
    long.push(1);
    refuse(&long, 77);
}

#[test]
fn cancelling_returns_the_best_so_far() {
    let (original, decoded) = (original(), coded());
    let encoder = Encoder::new(settings(Mode::Update, 1)).unwrap();
    let encoded = encoder
        .encode(
            &[Pair { original: original.view(), decoded: decoded.view() }],
            &params(1),
            CHEAP,
            &mut |fraction| fraction < 0.3,
        )
        .unwrap();
    // Before step k of 30 it is told 0.05 + 0.85 · k / 30.
    assert_eq!(encoded.report.steps, 9);
    assert!(encoded.report.psnr_payload >= encoded.report.psnr_base);
}

#[test]
fn a_spent_budget_ends_training() {
    let of = |budget| EncoderSettings {
        steps: Some(100_000),
        budget: Some(Duration::from_millis(budget)),
        ..settings(Mode::Update, 1)
    };
    let none = encode(of(0), CHEAP);
    assert_eq!((none.report.steps, none.report.mode), (0, Mode::Base));
    let some = encode(of(200), CHEAP);
    assert!((1..100_000).contains(&some.report.steps));
    assert!(some.report.psnr_payload >= some.report.psnr_base);
}

#[test]
fn effort_buys_steps() {
    let steps = |effort| {
        let settings = EncoderSettings { effort, steps: None, ..settings(Mode::Update, 2) };
        encode(settings, CHEAP).report.steps
    };
    assert!(steps(1) < steps(2));
}

#[test]
fn bad_arguments_are_refused() {
    let data = original();
    let run = |rate, params: &CodecParams, other: &Picture<'_>| {
        let encoder = Encoder::new(settings(Mode::Base, 1)).unwrap();
        let pair = Pair { original: data.view(), decoded: *other };
        encoder.encode(&[pair], params, rate, &mut |_| true).map(|e| e.payload.len())
    };
    let narrow = Picture::new(
        Layout::I400,
        &[Plane::new(&data.planes[0], WIDTH, WIDTH - 1, HEIGHT).unwrap()],
    )
    .unwrap();
    let rate = |slope_db_per_byte| Rate { slope_db_per_byte, ..CHEAP };
    assert_eq!(run(CHEAP, &params(0), &data.view()), Ok(8));
    assert_eq!(run(CHEAP, &params(0), &narrow), Err(Error::InvalidArgument));
    for slope in [-1.0, f64::NAN, f64::INFINITY] {
        assert_eq!(run(rate(slope), &params(0), &data.view()), Err(Error::InvalidArgument));
    }
    let zero = CodecParams { codec: Codec::Jpeg { luma: [0; 64], chroma: None }, binding: 0 };
    assert_eq!(run(CHEAP, &zero, &data.view()), Err(Error::InvalidArgument));
    assert!(Encoder::new(EncoderSettings { threads: 0, ..settings(Mode::Base, 1) }).is_err());
    for effort in [0, 10, 255] {
        assert!(Encoder::new(EncoderSettings { effort, ..settings(Mode::Base, 1) }).is_err());
    }
}

#[test]
fn a_payload_rides_in_a_jpeg() {
    let file = std::fs::read(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/jpeg/gray.jpg"));
    let file = file.unwrap();
    let payload = encode(settings(Mode::Base, 1), CHEAP).payload;
    let carried = jpeg::insert(&file, &payload).unwrap();
    assert_eq!(carried.len(), file.len() + payload.len() + 11);
    assert_eq!(jpeg::extract(&carried).unwrap(), payload);
    assert_eq!(jpeg::remove(&carried).unwrap(), file);
}
