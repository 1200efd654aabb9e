//! The reference: what every other kernel must give.

use super::{check_row, Convolution, Kernels};

pub(super) const KERNELS: Kernels = Kernels { conv_row, conv_row_last: conv_row };

/// See [`ConvRow`](super::ConvRow). Any even number of output channels.
pub fn conv_row(conv: &Convolution, y: usize, src: [&[i16]; 3], dst: &mut [i16]) {
    if conv.layer.cout.is_multiple_of(16) {
        conv_row_by::<16>(conv, y, src, dst);
    } else {
        conv_row_by::<2>(conv, y, src, dst);
    }
}

/// `C` output channels at a time.
fn conv_row_by<const C: usize>(conv: &Convolution, y: usize, src: [&[i16]; 3], dst: &mut [i16]) {
    let width = check_row(conv, &src, dst);
    let l = &conv.layer;
    for (x, co) in (0..width).flat_map(|x| (0..l.cout).step_by(C).map(move |co| (x, co))) {
        let mut sums = [0i32; C];
        sums.copy_from_slice(&conv.bias_row(y, x)[co..co + C]);
        for (ky, row) in src.iter().enumerate() {
            // The three taps of a row read 3·cin neighbouring activations.
            let taps = &l.taps[3 * ky * l.cin * l.cout..];
            for (i, a) in row[x * l.cin..(x + 3) * l.cin].iter().enumerate() {
                for (sum, w) in sums.iter_mut().zip(&taps[i * l.cout + co..][..C]) {
                    *sum += i32::from(*a) * i32::from(*w);
                }
            }
        }
        for (c, out) in dst[x * l.cout + co..][..C].iter_mut().enumerate() {
            let y = requantise(sums[c], l.multiplier[co + c], l.shift);
            *out = y.clamp(l.low, l.high) as i16;
        }
    }
}

/// `(sum · multiplier + 2^(shift − 1)) >> shift`, in 64 bits. The one definition.
#[must_use]
pub fn requantise(sum: i32, multiplier: i32, shift: u32) -> i32 {
    ((i64::from(sum) * i64::from(multiplier) + (1i64 << (shift - 1))) >> shift) as i32
}
