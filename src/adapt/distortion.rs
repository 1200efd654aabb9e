//! The distortion that the encoder minimises: the negative PSNR-YUV 6:1:1, but for a constant.

use super::math::log2;
use crate::picture::{Picture, Sample};
use std::ops::Index;

/// Errors below that of rounding samples to integers, in grey levels², count as that: a plane that
/// the codec kept without loss must not decide alone.
const LEAST: f64 = 1.0 / 12.0;

/// Mean squared errors of a picture's Y, Cb and Cr, in squared grey levels of 8 bits; 0 for planes
/// that are not there.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct PlaneErrors(pub [f64; 3]);

impl PlaneErrors {
    /// No error in any plane.
    pub const ZERO: Self = Self([0.0; 3]);

    /// The errors of one picture against another.
    ///
    /// # Panics
    /// If the pictures' shapes differ.
    #[must_use]
    pub fn between<S: Sample>(a: &Picture<'_, S>, b: &Picture<'_, S>) -> Self {
        assert!(a.same_shape(b));
        let max = ((1u32 << a.bit_depth()) - 1) as i16;
        let unit = f64::from(1u32 << (2 * (a.bit_depth() - 8)));
        let mut all = [0.0; 3];
        for (mse, (a, b)) in all.iter_mut().zip(a.planes().iter().zip(b.planes())) {
            let rows = 0..a.height();
            let sum: u64 = rows.map(|y| squared_differences(a.row(y), b.row(y), max)).sum();
            *mse = sum as f64 / (a.width() * a.height()) as f64 / unit;
        }
        Self(all)
    }

    /// Luma's error.
    #[must_use]
    pub fn luma(self) -> f64 {
        self.0[0]
    }
}

impl Index<usize> for PlaneErrors {
    type Output = f64;

    fn index(&self, plane: usize) -> &f64 {
        &self.0[plane]
    }
}

/// `Σ weight · 10·log10(max(MSE, 1/12))` over the planes.
#[derive(Clone, Copy, Debug)]
pub struct Distortion {
    weights: [f64; 3],
}

impl Distortion {
    /// Luma alone if the picture or the model has no chroma; else 6:1:1.
    #[must_use]
    pub fn new(chroma: bool) -> Self {
        Self { weights: if chroma { [6.0 / 8.0, 1.0 / 8.0, 1.0 / 8.0] } else { [1.0, 0.0, 0.0] } }
    }

    /// The distortion in dB.
    #[must_use]
    pub fn cost(&self, errors: PlaneErrors) -> f64 {
        self.terms(errors).iter().sum()
    }

    /// Each plane's part of the cost.
    #[must_use]
    pub fn terms(&self, errors: PlaneErrors) -> [f64; 3] {
        std::array::from_fn(|p| {
            let w = self.weights[p] * (10.0 / std::f64::consts::LOG2_10);
            if w > 0.0 {
                w * log2(errors[p].max(LEAST))
            } else {
                0.0
            }
        })
    }

    /// The cost's derivative by each plane's error.
    #[must_use]
    pub fn slopes(&self, errors: PlaneErrors) -> [f64; 3] {
        std::array::from_fn(|p| {
            self.weights[p] * 10.0 / std::f64::consts::LN_10 / errors[p].max(LEAST)
        })
    }
}

/// Sum of the squared differences of samples that are taken to be at most `max`.
pub(crate) fn squared_differences<S: Sample>(a: &[S], b: &[S], max: i16) -> u64 {
    /// Squares of 12 bits' differences of which 32 bits hold the sum.
    const PART: usize = 256;
    let square = |(a, b): (&S, &S)| u32::from(a.at_most(max).abs_diff(b.at_most(max))).pow(2);
    let part = |(a, b): (&[S], &[S])| u64::from(a.iter().zip(b).map(square).sum::<u32>());
    a.chunks(PART).zip(b.chunks(PART)).map(part).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn weighs_planes() {
        let gray = Distortion::new(false);
        assert_eq!(gray.cost(PlaneErrors([1.0, 5.0, 5.0])), 0.0);
        let colour = Distortion::new(true);
        assert!((colour.cost(PlaneErrors([10.0, 1.0, 1.0])) - 7.5).abs() < 1e-12);
        assert!((colour.cost(PlaneErrors([1.0, 10.0, 10.0])) - 2.5).abs() < 1e-12);
        assert_eq!(
            colour.cost(PlaneErrors([1.0, 0.0, 1.0])),
            colour.cost(PlaneErrors([1.0, 0.01, 1.0]))
        );
        let (low, high) = (
            colour.cost(PlaneErrors([8.0, 3.0, 2.0])),
            colour.cost(PlaneErrors([8.0, 3.0001, 2.0])),
        );
        let slope = colour.slopes(PlaneErrors([8.0, 3.0, 2.0]))[1];
        assert!(((high - low) / 1e-4 - slope).abs() < 1e-4);
    }
}
