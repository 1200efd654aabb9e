//! Which hidden activations of a filter's run pass a gradient: those that are not cut off at zero.

use crate::kernels::RowMut;

/// A band's part of a tape: `[row][hidden layer][column]` of half-resolution pixels, a bit for each
/// channel that is above zero.
pub(crate) struct TapeMut<'a> {
    /// The bits.
    pub bits: &'a mut [u64],
    /// Layers but the last.
    pub layers: usize,
    /// Half-resolution columns.
    pub width: usize,
}

impl TapeMut<'_> {
    /// Notes the output of layer `layer`, `channels` a pixel, in row `row` of the band.
    pub(super) fn note(&mut self, row: usize, layer: usize, output: RowMut<'_>, channels: usize) {
        let start = (row * self.layers + layer) * self.width;
        let bits = &mut self.bits[start..start + self.width];
        match output {
            RowMut::U8(row) => {
                for (bits, pixel) in bits.iter_mut().zip(row.chunks_exact(channels)) {
                    *bits = gather(
                        pixel
                            .chunks_exact(8)
                            .map(|eight| above_zero(eight.try_into().unwrap_or_default())),
                    );
                }
            }
            RowMut::I16(row) => {
                for (bits, pixel) in bits.iter_mut().zip(row.chunks_exact(channels)) {
                    let byte = |eight: &[i16]| {
                        eight.iter().rev().fold(0, |bits, a| 2 * bits + u64::from(*a > 0))
                    };
                    *bits = gather(pixel.chunks_exact(8).map(byte));
                }
            }
        }
    }
}

/// Eight bits for each of the up to eight groups of channels.
fn gather(bytes: impl Iterator<Item = u64>) -> u64 {
    bytes.enumerate().fold(0, |bits, (i, byte)| bits | byte << (8 * i))
}

/// A bit for each of eight bytes: whether it is not 0.
fn above_zero(eight: [u8; 8]) -> u64 {
    const LOW: u64 = 0x7f7f_7f7f_7f7f_7f7f;
    let x = u64::from_le_bytes(eight);
    let tops = (((x & LOW) + LOW) | x) & !LOW;
    // Moves the top bit of byte i to bit 56 + i.
    (tops >> 7).wrapping_mul(0x0102_0408_1020_4080) >> 56
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_become_bits() {
        for bits in 0..256u64 {
            for value in [1, 127, 128, 255] {
                let eight = std::array::from_fn(|i| if bits >> i & 1 == 1 { value } else { 0 });
                assert_eq!(above_zero(eight), bits);
            }
        }
    }

    #[test]
    fn rows_of_both_widths_are_noted_alike() {
        let words: Vec<i16> = (0..96).map(|i| if i % 5 < 2 { i + 1 } else { 0 }).collect();
        let mut noted = [[0; 12]; 2];
        let [a, b] = &mut noted;
        let tape = |bits| TapeMut { bits, layers: 2, width: 3 };
        tape(a).note(1, 1, RowMut::I16(&mut words.clone()), 32);
        let mut bytes: Vec<u8> = words.iter().map(|w| *w as u8).collect();
        tape(b).note(1, 1, RowMut::U8(&mut bytes), 32);
        assert_eq!(noted[0], noted[1]);
        assert!(noted[0][..9].iter().all(|bits| *bits == 0));
        let bit = |i: usize| noted[0][9 + i / 32] >> (i % 32) & 1;
        assert!((0..96).all(|i| bit(i) == u64::from(i % 5 < 2)));
    }
}
