//! One picture at one quality: coded, filtered, and with an update.

use super::metrics::{measure_psnr, measure_shown};
use super::results::{Measured, Part, Payload, Point, Seconds, Setup};
use crate::codec::Codec;
use crate::media::yuv::{Original, Yuv};
use anyhow::Result;
use sidelight::network::update::{LayerUpdate, Update};
use sidelight::network::CodecKind;
use sidelight::payload::{self, update};
use sidelight::{models, CodecParams, Decoder, DecoderSettings, Encoder, Mode, Pair, Rate, Report};
use std::time::Instant;

/// A point, with pictures to look at: the original, the codec's, the base model's and the
/// payload's.
pub struct Outcome {
    pub point: Point,
    pub pictures: [Yuv; 4],
    pub payload: Vec<u8>,
}

/// Seconds that `work` took, and what it made.
pub fn timed<T>(work: impl FnOnce() -> Result<T>) -> Result<(f64, T)> {
    let clock = Instant::now();
    let made = work()?;
    Ok((clock.elapsed().as_secs_f64(), made))
}

/// Measures `original` under the name `picture`.
pub fn run(
    picture: &str,
    original: &Original,
    codec: &dyn Codec,
    quality: u32,
    setup: &Setup,
) -> Result<Outcome> {
    let yuv = &original.yuv;
    let (codec_encode, file) = timed(|| codec.encode(original, quality))?;
    let (codec_decode, decoded) = timed(|| codec.decode(&file, yuv))?;
    let params = codec.params(&file, &decoded, quality)?;
    let plain = measure_shown(original, &decoded, file.len());
    let slope = slope(original, codec, quality, &plain)?;
    let rate = Rate {
        coded_bytes: file.len() as u64,
        slope_db_per_byte: slope.unwrap_or(0.0),
        carriage_bytes: codec.carriage_bytes(),
    };
    let encode = |no_update| {
        let pair = Pair { original: yuv.picture()?, decoded: decoded.picture()? };
        Ok(Encoder::new(setup.encoder(no_update))?.encode(&[pair], &params, rate, &mut |_| true)?)
    };
    let base = encode(true)?;
    let (payload_encode, update) = timed(|| encode(false))?;

    let sent = |payload: &[u8], report: &Report| -> Result<_> {
        // Decoders show a file without a payload as it is.
        let file = match report.mode {
            Mode::Off => file.clone(),
            _ => codec.embed(&file, payload)?,
        };
        let again = codec.decode(&file, yuv)?;
        anyhow::ensure!(again == decoded, "a stock decoder sees another picture with the payload");
        let (payload_decode, decoder) = timed(|| set(payload, &params))?;
        let mut out = Yuv::new(yuv.width, yuv.height, yuv.layout());
        let (filter, ()) = timed(|| Ok(decoder.filter(&decoded.picture()?, out.picture_mut()?)?))?;
        Ok((measure_shown(original, &out, file.len()), out, [payload_decode, filter]))
    };
    let (with_base, base_picture, _) = sent(&base.payload, &base.report)?;
    let (with_update, update_picture, [payload_decode, filter]) =
        sent(&update.payload, &update.report)?;

    let embedded = with_update.bytes - file.len();
    let shown = if update.report.mode == Mode::Off { 0 } else { update.payload.len() };
    let point = Point {
        picture: picture.to_owned(),
        width: yuv.width,
        height: yuv.height,
        quality,
        payload: Payload {
            mode: name(update.report.mode).to_owned(),
            bytes: shown,
            container_bytes: embedded - shown,
            parts: if shown == 0 { Vec::new() } else { parts(&update.payload)? },
            slope_db_per_byte: update.report.slope_db_per_byte,
            net_gain_db: net_gain(&with_base, &with_update, update.report.slope_db_per_byte),
        },
        codec: plain,
        base: with_base,
        update: with_update,
        seconds: Seconds { codec_encode, codec_decode, payload_encode, payload_decode, filter },
    };
    Ok(Outcome {
        point,
        pictures: [yuv.clone(), decoded, base_picture, update_picture],
        payload: update.payload,
    })
}

/// A decoder with what `payload` asks for.
fn set(payload: &[u8], params: &CodecParams) -> Result<Decoder> {
    let mut decoder = Decoder::new(DecoderSettings { threads: 1, ..Default::default() });
    decoder.set_payload(payload, params)?;
    Ok(decoder)
}

/// PSNR-YUV that a byte buys, from a second encode nearby; `None` where it buys nothing, or where
/// no second encode tells.
fn slope(
    original: &Original,
    codec: &dyn Codec,
    quality: u32,
    plain: &Measured,
) -> Result<Option<f64>> {
    let Some(neighbour) = codec.neighbour(quality) else { return Ok(None) };
    let near = codec.encode(original, neighbour)?;
    let near_picture = codec.decode(&near, &original.yuv)?;
    let near = measure_psnr(&original.yuv, &near_picture, near.len());
    let (Some(a), Some(b)) = (plain.psnr_yuv, near.psnr_yuv) else {
        return Ok(None);
    };
    let slope = (b - a) / (near.bytes as f64 - plain.bytes as f64);
    Ok((slope.is_finite() && slope > 0.0).then_some(slope))
}

pub fn net_gain(base: &Measured, update: &Measured, slope: f64) -> Option<f64> {
    let gain = update.psnr_yuv? - base.psnr_yuv?;
    Some(gain - slope * (update.bytes as f64 - base.bytes as f64))
}

pub fn name(mode: Mode) -> &'static str {
    match mode {
        Mode::Off => "off",
        Mode::Base => "base",
        Mode::Update => "update",
        _ => "unknown",
    }
}

/// A payload's bytes by part. A list of the update weighs what the price falls by when it and all
/// lists after it are zero, so the parts sum to the whole; "empty update" is what an update of
/// zeros would cost.
pub fn parts(payload: &[u8]) -> Result<Vec<Part>> {
    let header = payload::parse(payload)?;
    let (model, _) = models::by_id(header.model)?;
    let (strengths, body) = header.parts(model.codec == CodecKind::Hevc)?;
    let part = |name: &str, bytes: usize| Part { name: name.to_owned(), bytes: bytes as f64 };
    let mut parts = vec![part("header", payload.len() - header.body.len())];
    parts.extend(strengths.map(|s| part("strengths", s.len())));
    if header.mode != Mode::Update {
        return Ok(parts);
    }
    let whole = update::read(body, &model.prior)?;
    let mut kept = whole.clone();
    for layer in &mut kept.layers {
        *layer = LayerUpdate::zeros(layer.scale.len());
    }
    let bytes = |update: &Update| -> Result<f64> {
        Ok(f64::from(update::price(update, &model.prior)?) / 2048.0)
    };
    let mut before = bytes(&kept)?;
    parts.push(Part { name: "empty update".to_owned(), bytes: before });
    for (i, layer) in whole.layers.iter().enumerate() {
        for kind in ["scales", "biases", "coefficients"] {
            match kind {
                "scales" => kept.layers[i].scale.clone_from(&layer.scale),
                "biases" => kept.layers[i].bias.clone_from(&layer.bias),
                _ if layer.coefficients.is_empty() => continue,
                _ => kept.layers[i].coefficients.clone_from(&layer.coefficients),
            }
            let now = bytes(&kept)?;
            parts.push(Part { name: format!("layer {} {kind}", i + 1), bytes: now - before });
            before = now;
        }
    }
    parts.push(Part { name: "whole bytes".to_owned(), bytes: body.len() as f64 - before });
    Ok(parts)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codec::Kind;
    use crate::eval::results::{Objective, Size};
    use crate::media::yuv::Planes;

    /// Lists weigh what they add, coefficients are named where there are any, and the sum is the
    /// whole.
    #[test]
    fn parts_name_coefficients() {
        let model = models::default_for(CodecKind::Jpeg, models::ModelSize::Medium).unwrap();
        let mut update = Update {
            step: 3,
            layers: model.shapes().into_iter().map(|s| LayerUpdate::zeros(s.1)).collect(),
        };
        update.layers[0].bias[3] = -2;
        let names = |update: &Update| -> Vec<(String, f64)> {
            let body = update::encode(update, &model.prior).unwrap();
            let payload = payload::build(Mode::Update, model.id, &body, 7).unwrap();
            let parts = parts(&payload).unwrap();
            let sum: f64 = parts.iter().map(|part| part.bytes).sum();
            assert!((sum - payload.len() as f64).abs() < 1e-9, "{sum} {}", payload.len());
            parts.into_iter().map(|part| (part.name, part.bytes)).collect()
        };
        assert!(names(&update).iter().all(|(name, _)| !name.ends_with("coefficients")));
        let (cin, cout) = model.shapes()[2];
        update.layers[2].coefficients =
            (0..9 * cin * cout).map(|i| i16::from(i % 97 == 5)).collect();
        let named = names(&update);
        let coefficients: Vec<_> =
            named.iter().filter(|(name, _)| name.ends_with("coefficients")).collect();
        let [(name, bytes)] = coefficients[..] else { panic!("{named:?}") };
        assert_eq!(name, "layer 3 coefficients");
        assert!(*bytes > 50.0, "{named:?}");
    }

    #[test]
    fn a_point_is_consistent_and_the_same_again() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/pictures");
        let mut files: Vec<_> =
            std::fs::read_dir(path).unwrap().map(|e| e.unwrap().path()).collect();
        files.sort();
        let file = files.iter().find(|p| p.extension().is_some_and(|e| e == "png")).unwrap();
        let whole = image::open(file).unwrap().crop_imm(40, 30, 141, 97);
        let original = Original::new(whole, Planes::Colour);
        let codec = Kind::Jpeg.open();
        let setup = Setup {
            codec: Kind::Jpeg,
            codec_version: String::new(),
            planes: Planes::Colour,
            effort: 5,
            steps: Some(20),
            size: Size::M,
            objective: Objective::RateDistortion,
            program: String::new(),
        };
        let run = || run("crop", &original, &*codec, 20, &setup).unwrap();
        let (first, second) = (run(), run());
        assert_eq!(first.payload, second.payload);
        let strip = |mut p: Point| {
            p.seconds = Seconds {
                codec_encode: 0.0,
                codec_decode: 0.0,
                payload_encode: 0.0,
                payload_decode: 0.0,
                filter: 0.0,
            };
            p
        };
        let (first, second) = (strip(first.point), strip(second.point));
        assert_eq!(first, second);
        assert!(first.base.psnr[0] > first.codec.psnr[0]);
        let p = &first.payload;
        let sum: f64 = p.parts.iter().map(|p| p.bytes).sum();
        assert!((sum - p.bytes as f64).abs() < 1e-9, "{sum} {}", p.bytes);
        assert_eq!(first.update.bytes, first.codec.bytes + p.bytes + p.container_bytes);
    }
}
