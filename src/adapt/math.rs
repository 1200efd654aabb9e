//! Logarithms from exact operations only, so that every platform gets the same bits.

/// `log2(x)` for finite `x > 0`; −∞ for 0. Relative error below 1e-14.
#[must_use]
pub fn log2(x: f64) -> f64 {
    if x <= 0.0 {
        return f64::NEG_INFINITY;
    }
    if x == f64::INFINITY {
        return x;
    }
    let (x, bias) = if x < f64::MIN_POSITIVE { (x * 2f64.powi(54), -54) } else { (x, 0) };
    let bits = x.to_bits();
    let mut exponent = ((bits >> 52) & 0x7ff) as i32 - 1023 + bias;
    let mut m = f64::from_bits((bits & ((1 << 52) - 1)) | (1023 << 52));
    if m > std::f64::consts::SQRT_2 {
        m *= 0.5;
        exponent += 1;
    }
    // ln m = 2 atanh((m − 1) / (m + 1)); |s| < 0.172, so 12 terms suffice.
    let s = (m - 1.0) / (m + 1.0);
    let s2 = s * s;
    let mut sum = 0.0;
    for k in (0..12).rev() {
        sum = sum * s2 + 1.0 / f64::from(2 * k + 1);
    }
    f64::from(exponent) + 2.0 * s * sum / std::f64::consts::LN_2
}

/// PSNR in dB of samples of `depth` bits with mean squared error `mse` in squared grey levels of 8
/// bits; infinite for 0.
#[must_use]
pub fn psnr(mse: f64, depth: u32) -> f64 {
    let peak = 256.0 - 1.0 / f64::from(1u32 << (depth - 8));
    (log2(peak * peak) - log2(mse)) * (10.0 / std::f64::consts::LOG2_10)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn matches_the_platform() {
        let mut x = 1e-300;
        while x < 1e300 {
            assert!((log2(x) - x.log2()).abs() <= 1e-13 * x.log2().abs().max(1.0), "{x}");
            x *= 1.7;
        }
        assert_eq!(log2(1.0), 0.0);
        assert_eq!(log2(8.0), 3.0);
        assert_eq!(psnr(0.0, 8), f64::INFINITY);
        assert!((psnr(6.5025, 8) - 40.0).abs() < 1e-12);
        // 1023² / 10⁴ in steps of a quarter.
        assert!((psnr(104.6529 / 16.0, 10) - 40.0).abs() < 1e-12);
    }
}
