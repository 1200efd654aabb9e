//! The 8×8 discrete cosine transform (ITU-T T.81, A.3.3): to samples as decoders do it, and from
//! samples in floating point.

/// Values of a block.
pub(super) const BLOCK: usize = 64;

/// Position in natural (row-major) order of each coefficient in zigzag order (T.81, figure 5).
pub(super) const ZIGZAG: [usize; BLOCK] = {
    let mut order = [0; BLOCK];
    let (mut i, mut diagonal) = (0, 0);
    while diagonal < 15 {
        let first: usize = if diagonal < 8 { 0 } else { diagonal - 7 };
        let mut k = first;
        while k <= diagonal - first {
            let (row, column) =
                if diagonal % 2 == 0 { (diagonal - k, k) } else { (k, diagonal - k) };
            order[i] = 8 * row + column;
            i += 1;
            k += 1;
        }
        diagonal += 1;
    }
    order
};

/// Coefficients are held to this magnitude.
pub(super) const MAX_COEFFICIENT: i32 = 32767;

// Cosines of √2·cos(kπ/16), times 2^13, as the constants of libjpeg's accurate inverse transform
// ("islow", after Loeffler, Ligtenberg and Moschytz 1989) add up to: with them, and rounding in the
// same two places, samples are the same.
/// Inputs 0, 2, 4, 6 to the even part of outputs 0 to 3.
const EVEN: [[i32; 4]; 4] = [
    [8192, 10703, 8192, 4433],
    [8192, 4433, -8192, -10704],
    [8192, -4433, -8192, 10704],
    [8192, -10703, 8192, -4433],
];
/// Inputs 1, 3, 5, 7 to the odd part of outputs 0 to 3.
const ODD: [[i32; 4]; 4] = [
    [11363, 9633, 6437, 2260],
    [9633, -2259, -11362, -6436],
    [6437, -11362, 2261, 9633],
    [2260, -6436, 9633, -11363],
];
/// Fraction bits that are dropped after columns and after rows, which also divides by 8.
const COLUMN_SHIFT: u32 = 11;
const ROW_SHIFT: u32 = 18;

/// One dimension of the inverse transform, eight of them side by side: `out[n][i]` from `x[k][i]`.
fn inverse_pass(x: &[[i32; 8]; 8], shift: u32) -> [[i32; 8]; 8] {
    let mut out = [[0; 8]; 8];
    for n in 0..4 {
        let (mut even, mut odd) = ([1 << (shift - 1); 8], [0; 8]);
        for k in 0..4 {
            for i in 0..8 {
                even[i] += EVEN[n][k] * x[2 * k][i];
                odd[i] += ODD[n][k] * x[2 * k + 1][i];
            }
        }
        for i in 0..8 {
            out[n][i] = (even[i] + odd[i]) >> shift;
            out[7 - n][i] = (even[i] - odd[i]) >> shift;
        }
    }
    out
}

fn transposed<T: Copy + Default>(x: &[[T; 8]; 8]) -> [[T; 8]; 8] {
    let mut out = [[T::default(); 8]; 8];
    for (i, row) in x.iter().enumerate() {
        for (k, v) in row.iter().enumerate() {
            out[k][i] = *v;
        }
    }
    out
}

/// The samples of a block of dequantised coefficients in natural order, bit for bit those of
/// libjpeg's accurate inverse transform, which most decoders share.
pub(super) fn inverse(coefficients: &[i32; BLOCK]) -> [[u8; 8]; 8] {
    let mut x = [[0; 8]; 8];
    for (row, values) in x.iter_mut().zip(coefficients.chunks_exact(8)) {
        for (x, value) in row.iter_mut().zip(values) {
            // No decoder's sums overflow below this, nor do these.
            *x = (*value).clamp(-MAX_COEFFICIENT, MAX_COEFFICIENT);
        }
    }
    let mut columns = inverse_pass(&x, COLUMN_SHIFT);
    columns.as_flattened_mut().iter_mut().for_each(|v| *v = (*v).clamp(-32768, 32767));
    let rows = inverse_pass(&transposed(&columns), ROW_SHIFT);
    transposed(&rows).map(|row| row.map(|v| (v + 128).clamp(0, 255) as u8))
}

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
    use crate::util::rng::Xorshift;

    #[test]
    fn zigzag_is_the_standards() {
        assert_eq!(ZIGZAG[..11], [0, 1, 8, 16, 9, 2, 3, 10, 17, 24, 32]);
        assert_eq!(ZIGZAG[58..], [61, 54, 47, 55, 62, 63]);
    }

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

    /// However wild the coefficients, nothing overflows.
    #[test]
    fn inverse_takes_any_values() {
        for value in [i32::MIN, -32768, -1, 0, 1, 32767, i32::MAX] {
            inverse(&[value; BLOCK]);
            inverse(&std::array::from_fn(|i| if i % 3 == 0 { value } else { !value }));
        }
        assert_eq!(inverse(&[0; BLOCK]), [[128; 8]; 8]);
    }
}
