//! Bjøntegaard's mean difference of rate (VCEG-M33), by piecewise cubic Hermite interpolation of
//! log rate over PSNR as in JCTVC-L1100.

/// A point of a rate-distortion curve.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct RatePoint {
    /// In any unit.
    pub rate: f64,
    /// In dB.
    pub psnr: f64,
}

/// How much more rate `test` needs than `anchor` for the same PSNR, in percent, over the range that
/// both cover. `None` if a curve has fewer than two points, a rate that is not positive or two
/// equal PSNRs, or covers none of the other's range.
pub fn bd_rate(anchor: &[RatePoint], test: &[RatePoint]) -> Option<f64> {
    let (anchor, test) = (Curve::new(anchor)?, Curve::new(test)?);
    let low = anchor.first().max(test.first());
    let high = anchor.last().min(test.last());
    if low >= high {
        return None;
    }
    let mean = (test.integral(low, high) - anchor.integral(low, high)) / (high - low);
    Some((mean.exp() - 1.0) * 100.0)
}

/// ln rate over PSNR: knots and the slopes there (Fritsch and Butland's).
struct Curve {
    x: Vec<f64>,
    y: Vec<f64>,
    slope: Vec<f64>,
}

impl Curve {
    fn new(points: &[RatePoint]) -> Option<Self> {
        let mut points = points.to_vec();
        points.sort_by(|a, b| a.psnr.total_cmp(&b.psnr));
        let sound = |p: &RatePoint| p.psnr.is_finite() && p.rate.is_finite() && p.rate > 0.0;
        let rises = points.windows(2).all(|w| w[0].psnr < w[1].psnr);
        if points.len() < 2 || !points.iter().all(sound) || !rises {
            return None;
        }
        let x: Vec<f64> = points.iter().map(|p| p.psnr).collect();
        let y: Vec<f64> = points.iter().map(|p| p.rate.ln()).collect();
        let slope = slopes(&x, &y);
        Some(Self { x, y, slope })
    }

    fn first(&self) -> f64 {
        self.x[0]
    }

    fn last(&self) -> f64 {
        self.x[self.x.len() - 1]
    }

    /// Between two PSNRs that the curve covers.
    fn integral(&self, low: f64, high: f64) -> f64 {
        let pieces = (1..self.x.len()).map(|i| {
            let (a, b) = (self.x[i - 1].max(low), self.x[i].min(high));
            if a < b {
                self.primitive(i, b) - self.primitive(i, a)
            } else {
                0.0
            }
        });
        pieces.sum()
    }

    /// Integral of piece `i` from its first knot to `x`.
    fn primitive(&self, i: usize, x: f64) -> f64 {
        let h = self.x[i] - self.x[i - 1];
        let s = x - self.x[i - 1];
        let mean = (self.y[i] - self.y[i - 1]) / h;
        let (left, right) = (self.slope[i - 1], self.slope[i]);
        let quadratic = (3.0 * mean - 2.0 * left - right) / h;
        let cubic = (left + right - 2.0 * mean) / (h * h);
        s * (self.y[i - 1] + s * (left / 2.0 + s * (quadratic / 3.0 + s * cubic / 4.0)))
    }
}

fn slopes(x: &[f64], y: &[f64]) -> Vec<f64> {
    let h: Vec<f64> = x.windows(2).map(|w| w[1] - w[0]).collect();
    let mean: Vec<f64> = y.windows(2).zip(&h).map(|(w, h)| (w[1] - w[0]) / h).collect();
    let n = h.len();
    if n == 1 {
        return vec![mean[0]; 2];
    }
    let inner = (1..n).map(|i| {
        if mean[i - 1] * mean[i] <= 0.0 {
            return 0.0;
        }
        let (before, after) = (h[i] * 2.0 + h[i - 1], h[i] + h[i - 1] * 2.0);
        (before + after) / (before / mean[i - 1] + after / mean[i])
    });
    let mut out = vec![end_slope([h[0], h[1]], [mean[0], mean[1]])];
    out.extend(inner);
    out.push(end_slope([h[n - 1], h[n - 2]], [mean[n - 1], mean[n - 2]]));
    out
}

/// The three-point formula, kept from overshooting.
fn end_slope(h: [f64; 2], mean: [f64; 2]) -> f64 {
    let slope = ((2.0 * h[0] + h[1]) * mean[0] - h[0] * mean[1]) / (h[0] + h[1]);
    if slope * mean[0] <= 0.0 {
        0.0
    } else if mean[0] * mean[1] <= 0.0 && slope.abs() > 3.0 * mean[0].abs() {
        3.0 * mean[0]
    } else {
        slope
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn curve(rates: &[f64], psnrs: &[f64]) -> Vec<RatePoint> {
        rates.iter().zip(psnrs).map(|(&rate, &psnr)| RatePoint { rate, psnr }).collect()
    }

    /// Pairs with published results: two of JCT-VC's spreadsheet as libvmaf's test has them
    /// (python/test/bd_rate_calculator_test.py), and that of the README of the `bjontegaard`
    /// package. All digits are what that package (1.3.0, method "pchip") gives.
    #[test]
    fn published_values() {
        let cases = [
            (
                curve(
                    &[108048.8736, 61279.976, 33905.6656, 18883.6928],
                    &[43.6471, 40.3953, 37.247, 34.2911],
                ),
                curve(
                    &[108061.2784, 61299.9936, 33928.7472, 18910.912],
                    &[43.6768, 40.4232, 37.2761, 34.3147],
                ),
                -0.4652154207524628,
            ),
            (
                curve(
                    &[40433.8848, 7622.7456, 2394.488, 1017.6184],
                    &[37.5761, 35.3756, 33.8977, 32.0603],
                ),
                curve(
                    &[40370.12, 7587.0024, 2390.0944, 1017.0984],
                    &[37.5982, 35.4025, 33.9194, 32.0822],
                ),
                -1.8779823450566169,
            ),
            (
                curve(&[9487.76, 4593.60, 2486.44, 1358.24], &[40.037, 38.615, 36.845, 34.851]),
                curve(&[9787.80, 4469.00, 2451.52, 1356.24], &[40.121, 38.651, 36.970, 34.987]),
                -4.417485350589045,
            ),
            (
                curve(&[1000.0, 2000.0, 4000.0], &[30.0, 33.0, 35.0]),
                curve(&[900.0, 1700.0, 3900.0], &[31.0, 33.5, 36.0]),
                -27.154779392234463,
            ),
            (
                curve(&[1000.0, 2000.0], &[30.0, 33.0]),
                curve(&[900.0, 1700.0], &[31.0, 33.5]),
                -26.879624930065816,
            ),
        ];
        for (anchor, test, expected) in cases {
            let got = bd_rate(&anchor, &test).unwrap();
            assert!((got - expected).abs() < 1e-9, "{got} {expected}");
        }
    }

    #[test]
    fn a_tenth_more_rate_everywhere_is_ten_percent() {
        let anchor = curve(&[100.0, 210.0, 390.0, 800.0], &[30.0, 33.1, 35.0, 38.4]);
        let test: Vec<_> = anchor.iter().map(|p| RatePoint { rate: 1.1 * p.rate, ..*p }).collect();
        assert!((bd_rate(&anchor, &test).unwrap() - 10.0).abs() < 1e-9);
        assert_eq!(bd_rate(&anchor, &anchor), Some(0.0));
    }

    #[test]
    fn curves_that_cannot_be_compared() {
        let anchor = curve(&[100.0, 200.0], &[30.0, 33.0]);
        for (rates, psnrs) in [
            (&[100.0][..], &[31.0][..]),
            (&[100.0, 200.0], &[33.0, 36.0]),
            (&[100.0, 200.0], &[31.0, 31.0]),
            (&[0.0, 200.0], &[31.0, 32.0]),
            (&[100.0, 200.0], &[31.0, f64::INFINITY]),
            (&[100.0, 200.0], &[f64::NAN, 32.0]),
        ] {
            assert_eq!(bd_rate(&anchor, &curve(rates, psnrs)), None, "{rates:?} {psnrs:?}");
        }
    }
}
