//! The inverse discrete cosine transform of 8×8 blocks (ITU-T T.81, A.3.3), as decoders do it.

/// Values of a block.
pub(crate) const BLOCK: usize = 64;

/// Coefficients are held to this magnitude.
pub(crate) const MAX_COEFFICIENT: i32 = 32767;

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

/// Rows for columns.
pub(crate) fn transposed<T: Copy + Default>(x: &[[T; 8]; 8]) -> [[T; 8]; 8] {
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
pub(crate) fn inverse(coefficients: &[i32; BLOCK]) -> [[u8; 8]; 8] {
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

#[cfg(test)]
mod tests {
    use super::*;

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
