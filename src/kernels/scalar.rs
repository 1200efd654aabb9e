//! The reference: what every other kernel must give.

use super::{check_row, Convolution, Kernels};
use crate::network::Arch;

pub(super) const KERNELS: Kernels = Kernels { conv_row, conv_row_last: conv_row };

/// See [`ConvRow`](super::ConvRow). Any number of channels up to [`Arch::MAX_CHANNELS`].
pub fn conv_row(conv: &Convolution, y: usize, src: [&[i16]; 3], dst: &mut [i16]) {
    let width = check_row(conv, &src, dst);
    let l = &conv.layer;
    let mut sums = [0i32; Arch::MAX_CHANNELS];
    let sums = &mut sums[..l.cout];
    for x in 0..width {
        sums.copy_from_slice(conv.bias_row(y, x));
        for (ky, row) in src.iter().enumerate() {
            for kx in 0..3 {
                let pixel = &row[(x + kx) * l.cin..][..l.cin];
                let taps = &l.taps[(3 * ky + kx) * l.cin * l.cout..];
                for (a, taps) in pixel.iter().zip(taps.chunks_exact(l.cout)) {
                    for (sum, w) in sums.iter_mut().zip(taps) {
                        *sum += i32::from(*a) * i32::from(*w);
                    }
                }
            }
        }
        for (c, out) in dst[x * l.cout..][..l.cout].iter_mut().enumerate() {
            *out = requantise(sums[c], l.multiplier[c], l.shift).clamp(l.low, l.high) as i16;
        }
    }
}

/// `(sum · multiplier + 2^(shift − 1)) >> shift`, in 64 bits. The one definition.
#[must_use]
pub fn requantise(sum: i32, multiplier: i32, shift: u32) -> i32 {
    ((i64::from(sum) * i64::from(multiplier) + (1i64 << (shift - 1))) >> shift) as i32
}
