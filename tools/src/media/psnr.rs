//! The distance of two planes.

/// Mean squared error of two planes of one size.
pub fn mse(a: &[u8], b: &[u8]) -> f64 {
    assert_eq!(a.len(), b.len());
    let sum: u64 = a.iter().zip(b).map(|(a, b)| u64::from(a.abs_diff(*b)).pow(2)).sum();
    sum as f64 / a.len() as f64
}

/// PSNR in dB of 8-bit samples with this error; `None` where nothing differs.
pub fn psnr(mse: f64) -> Option<f64> {
    (mse > 0.0).then(|| 10.0 * (255.0 * 255.0 / mse).log10())
}
