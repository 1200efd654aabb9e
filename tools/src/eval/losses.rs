//! Where a variant is worse than what it is meant to improve.

use super::results::{Measured, Point, Results, Variant, COMPARISONS};
use serde::Serialize;

/// One figure that is on the wrong side.
#[derive(Debug, PartialEq, Serialize)]
pub struct Loss {
    pub picture: String,
    /// `null` for BD-rates, which are over all qualities.
    pub quality: Option<u32>,
    /// "base against codec" and the like.
    pub comparison: &'static str,
    /// What is worse, with its unit.
    pub figure: &'static str,
    pub value: f64,
}

/// All losses: BD-rates first, then points in the results' order.
pub fn losses(results: &Results) -> Vec<Loss> {
    let rates = COMPARISONS.iter().flat_map(|c| bd_rates(results, c.0));
    rates.chain(results.points.iter().flat_map(at_point)).collect()
}

fn bd_rates(results: &Results, comparison: &'static str) -> Vec<Loss> {
    let pictures = results.summary.bd_rate.get(comparison).map_or(&[][..], |r| &r.pictures);
    let loss = |picture: &String, figure, value: Option<f64>| {
        let value = value.filter(|v| *v > 0.0)?;
        Some(Loss { picture: picture.clone(), quality: None, comparison, figure, value })
    };
    let of_picture = pictures.iter().flat_map(|p| {
        let y = loss(&p.picture, "BD-rate Y, %", p.y);
        [y, loss(&p.picture, "BD-rate YUV, %", p.yuv)]
    });
    of_picture.flatten().collect()
}

fn at_point(point: &Point) -> Vec<Loss> {
    let mut out = Vec::new();
    let mut push = |comparison, figure, value| {
        let (picture, quality) = (point.picture.clone(), Some(point.quality));
        out.push(Loss { picture, quality, comparison, figure, value });
    };
    let (step_base, step_update) = (COMPARISONS[0].0, COMPARISONS[1].0);
    for (comparison, anchor, variant) in &COMPARISONS[..2] {
        let (anchor, variant) = (point.variant(*anchor), point.variant(*variant));
        if let Some(value) = gain_y(anchor, variant).filter(|v| *v < 0.0) {
            push(comparison, "PSNR-Y, dB", value);
        }
        let yuv = variant.psnr_yuv.zip(anchor.psnr_yuv).map(|(v, a)| v - a);
        if let Some(value) = yuv.filter(|v| *v < 0.0 && variant.psnr.len() > 1) {
            push(comparison, "PSNR-YUV, dB", value);
        }
    }
    let (codec, base) = (point.variant(Variant::Codec), point.variant(Variant::Base));
    let more = base.bytes as f64 - codec.bytes as f64;
    let gain = base.psnr_yuv.zip(codec.psnr_yuv).map(|(b, c)| b - c);
    let net = gain.map(|gain| gain - more * point.payload.slope_db_per_byte);
    if let Some(value) = net.filter(|v| *v < 0.0 || (more > 0.0 && *v == 0.0)) {
        push(step_base, "net gain, dB", value);
    }
    // Where no update was sent, a net gain of 0 is no loss.
    let sent = point.payload.mode == "update";
    let net = point.payload.net_gain_db.filter(|v| *v < 0.0 || (sent && *v == 0.0));
    if let Some(value) = net {
        push(step_update, "net gain, dB", value);
    }
    out
}

fn gain_y(anchor: &Measured, variant: &Measured) -> Option<f64> {
    Some((*variant.psnr.first()?)? - (*anchor.psnr.first()?)?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::synthetic;

    #[test]
    fn good_results_have_none() {
        let mut results = synthetic::results();
        results.points.retain(|p| p.payload.mode == "update");
        assert_eq!(losses(&results), []);
    }

    #[test]
    fn every_kind_is_found() {
        let mut results = synthetic::results();
        let point = &mut results.points[0];
        point.base.psnr[0] = point.codec.psnr[0].map(|v| v - 0.5);
        point.base.psnr_yuv = point.codec.psnr_yuv.map(|v| v - 0.4);
        point.update.psnr_yuv = point.base.psnr_yuv.map(|v| v - 0.25);
        point.payload.mode = "update".to_owned();
        point.payload.net_gain_db = Some(0.0);
        let rates = results.summary.bd_rate.get_mut("base against codec").unwrap();
        rates.pictures[1].y = Some(1.5);
        let found = losses(&results);
        let brief: Vec<_> =
            found.iter().map(|l| (l.picture.as_str(), l.quality, l.comparison, l.figure)).collect();
        let [first, second] = [&results.points[0].picture, &rates_picture(&results)];
        assert_eq!(
            brief[..6],
            [
                (second.as_str(), None, "base against codec", "BD-rate Y, %"),
                (first.as_str(), Some(10), "base against codec", "PSNR-Y, dB"),
                (first.as_str(), Some(10), "base against codec", "PSNR-YUV, dB"),
                (first.as_str(), Some(10), "update against base", "PSNR-YUV, dB"),
                (first.as_str(), Some(10), "base against codec", "net gain, dB"),
                (first.as_str(), Some(10), "update against base", "net gain, dB"),
            ]
        );
        assert_eq!(found[0].value, 1.5);
        assert!((found[1].value + 0.5).abs() < 1e-9);
    }

    fn rates_picture(results: &Results) -> String {
        results.summary.bd_rate["base against codec"].pictures[1].picture.clone()
    }
}
