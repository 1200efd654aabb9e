//! How narrow the sums of a convolution's products may be.

use crate::network::prepared::PreparedLayer;

/// What a convolution's products of bytes may be added in; the result is the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sums {
    /// 32 bits.
    I32,
    /// 16 bits, wrapping, over runs of half weights, which have half of the input channels each: those of a
    /// row's three weights, of one weight, or one half; input channels 4k and 4k + 1 apart from 4k + 2 and
    /// 4k + 3. No such sum leaves 16 bits. Inputs lie in 0..=255, weights in −128..=127.
    I16 {
        /// 6, 2 or 1.
        halves: usize,
    },
}

impl Sums {
    /// The narrowest that hold for inputs from 0 to `input_limit`.
    pub(super) fn narrowest(layer: &PreparedLayer, input_limit: i32) -> Self {
        if input_limit > 255 || layer.weights.iter().any(|w| i8::try_from(*w).is_err()) {
            return Self::I32;
        }
        let fit = |halves: &usize| {
            layer.weights.chunks_exact(halves * layer.cin * layer.cout / 2).all(|run| {
                let mut sums = vec![[0i32; 4]; layer.cout];
                for (i, channels) in run.chunks_exact(layer.cout).enumerate() {
                    // The negative and the positive weights of either sum.
                    let half = i % 4 / 2 * 2;
                    for (sums, w) in sums.iter_mut().zip(channels) {
                        sums[half + usize::from(*w > 0)] += i32::from(*w) * input_limit;
                    }
                }
                let range = i32::from(i16::MIN)..=i32::from(i16::MAX);
                sums.iter().flatten().all(|sum| range.contains(sum))
            })
        };
        [6, 2, 1].into_iter().find(fit).map_or(Self::I32, |halves| Self::I16 { halves })
    }
}
