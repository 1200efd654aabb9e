//! The 8×8 discrete cosine transform (ITU-T T.81, A.3.3) of samples, in floating point.

use crate::codec::transform::{transposed, BLOCK};

/// ½·cos((2n + 1)kπ/16), for k = 0 by 1/√2: row k, column n.
const COSINES: [[f32; 8]; 8] = [
    [0.353_553_4; 8],
    [
        0.490_392_63,
        0.415_734_8,
        0.277_785_12,
        0.097_545_16,
        -0.097_545_16,
        -0.277_785_12,
        -0.415_734_8,
        -0.490_392_63,
    ],
    [
        0.461_939_77,
        0.191_341_71,
        -0.191_341_71,
        -0.461_939_77,
        -0.461_939_77,
        -0.191_341_71,
        0.191_341_71,
        0.461_939_77,
    ],
    [
        0.415_734_8,
        -0.097_545_16,
        -0.490_392_63,
        -0.277_785_12,
        0.277_785_12,
        0.490_392_63,
        0.097_545_16,
        -0.415_734_8,
    ],
    [
        0.353_553_4,
        -0.353_553_4,
        -0.353_553_4,
        0.353_553_4,
        0.353_553_4,
        -0.353_553_4,
        -0.353_553_4,
        0.353_553_4,
    ],
    [
        0.277_785_12,
        -0.490_392_63,
        0.097_545_16,
        0.415_734_8,
        -0.415_734_8,
        -0.097_545_16,
        0.490_392_63,
        -0.277_785_12,
    ],
    [
        0.191_341_71,
        -0.461_939_77,
        0.461_939_77,
        -0.191_341_71,
        -0.191_341_71,
        0.461_939_77,
        -0.461_939_77,
        0.191_341_71,
    ],
    [
        0.097_545_16,
        -0.277_785_12,
        0.415_734_8,
        -0.490_392_63,
        0.490_392_63,
        -0.415_734_8,
        0.277_785_12,
        -0.097_545_16,
    ],
];

/// One dimension of the forward transform, eight of them side by side. Products and sums are
/// rounded one by one, in this order, on every machine.
fn forward_pass(x: &[[f32; 8]; 8]) -> [[f32; 8]; 8] {
    let mut out = [[0.0; 8]; 8];
    let (mut sum, mut difference) = ([[0.0; 8]; 4], [[0.0; 8]; 4]);
    for n in 0..4 {
        for i in 0..8 {
            sum[n][i] = x[n][i] + x[7 - n][i];
            difference[n][i] = x[n][i] - x[7 - n][i];
        }
    }
    for (k, out) in out.iter_mut().enumerate() {
        let half = if k % 2 == 0 { &sum } else { &difference };
        for (n, half) in half.iter().enumerate() {
            for i in 0..8 {
                out[i] += COSINES[k][n] * half[i];
            }
        }
    }
    out
}

/// The orthonormal transform of a block of values: coefficients in natural order.
pub(super) fn forward(values: &[[f32; 8]; 8]) -> [f32; BLOCK] {
    let columns = forward_pass(values);
    let rows = transposed(&forward_pass(&transposed(&columns)));
    let mut out = [0.0; BLOCK];
    out.copy_from_slice(rows.as_flattened());
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codec::transform::inverse;
    use crate::util::rng::Xorshift;

    /// Samples of random blocks come back within rounding, and few by one.
    #[test]
    fn transforms_undo_each_other() {
        let mut random = Xorshift(3);
        let mut off = 0;
        for _ in 0..1000 {
            let samples: [[u8; 8]; 8] =
                std::array::from_fn(|_| std::array::from_fn(|_| random.range(60, 200) as u8));
            let coefficients = forward(&samples.map(|row| row.map(|s| f32::from(s) - 128.0)));
            // A grey level's eighths.
            let fine = coefficients.map(|c| c.round() as i32);
            for (a, b) in inverse(&fine).as_flattened().iter().zip(samples.as_flattened()) {
                assert!(a.abs_diff(*b) <= 1);
                off += u32::from(a.abs_diff(*b));
            }
        }
        assert!(off < 9000, "{off}");
    }

    #[test]
    fn forward_is_orthonormal() {
        let mut random = Xorshift(5);
        let values: [[f32; 8]; 8] =
            std::array::from_fn(|_| std::array::from_fn(|_| random.range(-99, 99) as f32));
        let energy = |x: &[f32]| x.iter().map(|v| v * v).sum::<f32>();
        let ratio = energy(&forward(&values)) / energy(values.as_flattened());
        assert!((ratio - 1.0).abs() < 1e-5, "{ratio}");
        let flat = forward(&[[3.0; 8]; 8]);
        assert!((flat[0] - 24.0).abs() < 1e-4 && flat[1..].iter().all(|c| c.abs() < 1e-4));
    }
}
