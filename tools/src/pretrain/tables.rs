//! Quantisers to train with: tables in natural order, and how coefficients are rounded.

use crate::media::jpeg;
use crate::media::mozjpeg::Trellis;
use crate::media::planes::Planes;
use anyhow::Result;
use clap::ValueEnum;
use rand::Rng;
use sidelight::codec::standard_luma_table;

/// The chroma example table of ITU-T T.81, Annex K.
const ANNEX_K_CHROMA: [u16; 64] = [
    17, 18, 24, 47, 99, 99, 99, 99, 18, 21, 26, 66, 99, 99, 99, 99, 24, 26, 56, 99, 99, 99, 99, 99,
    47, 66, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99,
    99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99,
];
/// N. Robidoux's table, mozjpeg's default for all planes.
const ROBIDOUX: [u16; 64] = [
    16, 16, 16, 18, 25, 37, 56, 85, 16, 17, 20, 27, 34, 40, 53, 75, 16, 20, 24, 31, 43, 62, 91,
    135, 18, 27, 31, 40, 53, 74, 106, 156, 25, 34, 43, 53, 69, 94, 131, 189, 37, 40, 62, 74, 94,
    125, 169, 238, 56, 53, 91, 106, 131, 169, 226, 311, 85, 75, 135, 156, 189, 238, 311, 418,
];

/// How the coefficients of a picture become integers.
#[derive(Clone, Debug)]
pub struct Quantiser {
    /// Luma and chroma.
    pub tables: [[u16; 64]; 2],
    /// `None` to round to the nearest.
    pub trellis: Option<Trellis>,
}

impl Quantiser {
    /// All planes after JPEG coding and decoding.
    pub fn degrade(&self, planes: &Planes) -> Result<Planes> {
        let coded = planes.planes.iter().enumerate().map(|(i, p)| {
            let table = &self.tables[i.min(1)];
            jpeg::decode_gray(&match self.trellis {
                None => jpeg::encode(p, table),
                Some(trellis) => jpeg::encode_trellis(p, table, trellis),
            }?)
        });
        Ok(Planes { layout: planes.layout, planes: coded.collect::<Result<_>>()? })
    }
}

impl From<[[u16; 64]; 2]> for Quantiser {
    fn from(tables: [[u16; 64]; 2]) -> Self {
        Self { tables, trellis: None }
    }
}

/// `base` at quality `q`, 1..=100, scaled as the IJG software does.
fn scaled(base: &[u16; 64], q: u32) -> [u16; 64] {
    let scale = if q < 50 { 5000 / q } else { 200 - 2 * q };
    base.map(|s| ((u32::from(s) * scale + 50) / 100).clamp(1, 255) as u16)
}

/// The standard tables at quality `q`.
pub fn standard(q: u32) -> Quantiser {
    [standard_luma_table(q), scaled(&ANNEX_K_CHROMA, q)].into()
}

/// Flat tables of one step with trellis quantisation for PSNR.
pub fn flat_trellis(step: u16) -> Quantiser {
    Quantiser { tables: [[step; 64]; 2], trellis: Some(Trellis::Psnr) }
}

/// mozjpeg's defaults at quality `q`.
pub fn mozjpeg(q: u32) -> Quantiser {
    Quantiser { tables: [scaled(&ROBIDOUX, q); 2], trellis: Some(Trellis::Default) }
}

/// The tables that a model is for.
#[derive(Clone, Copy, Debug, Default, ValueEnum)]
pub enum Kind {
    /// Standard tables of any quality, flat ones, mozjpeg's, random shapes
    #[default]
    Any,
    /// Standard tables of quality 5 to 60
    Standard,
}

/// Quantisers of a kind drawn for training. Chroma mostly goes with luma; sometimes it has luma's
/// table. Trellis quantisation goes mostly with the tables that its encoders use.
pub fn random(kind: Kind, rng: &mut impl Rng) -> Quantiser {
    let (tables, trellis) = match (kind, rng.random_range(0..22)) {
        (Kind::Standard, _) => (standard(rng.random_range(5..=60)).tables, 0.08),
        (Kind::Any, 0..=6) => (standard(rng.random_range(5..50)).tables, 0.08),
        (Kind::Any, 7..=10) => (standard(rng.random_range(50..=93)).tables, 0.08),
        (Kind::Any, 11..=14) => {
            let step = log_uniform(rng, 4.0, 90.0);
            let ratio = if rng.random() { 1.0 } else { log_uniform(rng, 0.6, 2.5) };
            let chroma = (step * ratio).round().clamp(1.0, 255.0) as u16;
            ([[step.round() as u16; 64], [chroma; 64]], 0.5)
        }
        (Kind::Any, 15..=16) => (mozjpeg(rng.random_range(8..=93)).tables, 0.8),
        (Kind::Any, _) => {
            let q = rng.random_range(8..=90);
            let flat = log_uniform(rng, 4.0, 70.0);
            let luma = shaped(rng, &standard_luma_table(q), flat);
            let chroma = match rng.random_range(0..8) {
                0 | 1 => luma,
                2 => scaled(&ROBIDOUX, q),
                _ => {
                    let q = (q as i32 + rng.random_range(-12..=6)).clamp(5, 93) as u32;
                    let flat = flat * log_uniform(rng, 0.7, 2.0);
                    shaped(rng, &scaled(&ANNEX_K_CHROMA, q), flat)
                }
            };
            ([luma, chroma], 0.2)
        }
    };
    let flat = tables[0].iter().all(|step| *step == tables[0][0]);
    let kind = if flat { Trellis::Psnr } else { Trellis::Default };
    Quantiser { tables, trellis: rng.random_bool(trellis).then_some(kind) }
}

/// A random basis vector of `base` and a flat table, with tilt and noise.
fn shaped(rng: &mut impl Rng, base: &[u16; 64], flat: f64) -> [u16; 64] {
    let mix: f64 = rng.random_range(0.0..=1.0);
    let tilt: f64 = rng.random_range(-0.08..=0.08);
    let noise: f64 = rng.random_range(0.0..=0.3);
    std::array::from_fn(|i| {
        let order = (i % 8 + i / 8) as f64;
        let step = f64::from(base[i]).powf(mix) * flat.powf(1.0 - mix);
        let jitter = noise * rng.random_range(-1.0..=1.0);
        (step * (tilt * order + jitter).exp()).round().clamp(1.0, 255.0) as u16
    })
}

fn log_uniform(rng: &mut impl Rng, low: f64, high: f64) -> f64 {
    (rng.random_range(low.ln()..=high.ln())).exp()
}
