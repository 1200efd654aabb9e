//! JPEG degradation by a real codec, and the quantisation tables that training draws from.

use anyhow::Result;
use jpeg_encoder::{ColorType, Encoder, QuantizationTableType};
use rand::Rng;

/// The luma example table of ITU-T T.81, Annex K, in natural order.
const ANNEX_K: [u16; 64] = [
    16, 11, 10, 16, 24, 40, 51, 61, 12, 12, 14, 19, 26, 58, 60, 55, 14, 13, 16, 24, 40, 57, 69, 56,
    14, 17, 22, 29, 51, 87, 80, 62, 18, 22, 37, 56, 68, 109, 103, 77, 24, 35, 55, 64, 81, 104, 113,
    92, 49, 64, 78, 87, 103, 121, 120, 101, 72, 92, 95, 98, 112, 100, 103, 99,
];

/// The standard table at quality `q`, 1..=100, scaled as the IJG software does.
pub fn standard_table(q: u32) -> [u16; 64] {
    let scale = if q < 50 { 5000 / q } else { 200 - 2 * q };
    ANNEX_K.map(|s| ((u32::from(s) * scale + 50) / 100).clamp(1, 255) as u16)
}

/// A table drawn for training: standard tables of any quality, flat ones, and random shapes.
pub fn random_table(rng: &mut impl Rng) -> [u16; 64] {
    match rng.random_range(0..20) {
        0..=6 => standard_table(rng.random_range(5..50)),
        7..=10 => standard_table(rng.random_range(50..=93)),
        11..=13 => [log_uniform(rng, 4.0, 90.0).round() as u16; 64],
        _ => {
            let base = standard_table(rng.random_range(8..=90));
            let flat = log_uniform(rng, 4.0, 70.0);
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
    }
}

fn log_uniform(rng: &mut impl Rng, low: f64, high: f64) -> f64 {
    (rng.random_range(low.ln()..=high.ln())).exp()
}

/// Codes a luma plane as a gray baseline JPEG with `table` (natural order) and decodes it with the
/// accurate integer transform, as stock decoders do.
pub fn jpeg(width: usize, height: usize, samples: &[u8], table: &[u16; 64]) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    let mut encoder = Encoder::new(&mut bytes, 100);
    let custom = QuantizationTableType::Custom(Box::new(*table));
    encoder.set_quantization_tables(custom.clone(), custom);
    encoder.encode(samples, u16::try_from(width)?, u16::try_from(height)?, ColorType::Luma)?;
    let mut decoder = mozjpeg::Decompress::new_mem(&bytes)?.grayscale()?;
    let out = decoder.read_scanlines()?;
    decoder.finish()?;
    Ok(out)
}
