//! The reference of the convolutions' kernels: what those of every other level must give.

use super::samples::{Portable, SampleKernels};
use super::{check_row, Convolution, Kernels, RowMut, Rows};

pub(super) const KERNELS: Kernels = Kernels {
    conv_row,
    conv_row_last,
    bytes: true,
    dot4: true,
    signed_bytes: false,
    planar: 1,
    samples: SampleKernels::new::<Portable>(),
};

/// The kernel [`ConvRow`](super::ConvRow), for any even number of output channels.
pub fn conv_row(conv: &Convolution, y: usize, src: Rows<'_>, dst: RowMut<'_>) {
    check_row(conv, src, &dst);
    match (src, dst) {
        (Rows::I16(src), RowMut::I16(dst)) => row(conv, y, src, dst, |v| v as i16),
        (Rows::I16(src), RowMut::U8(dst)) => row(conv, y, src, dst, |v| v as u8),
        (Rows::U8(src), RowMut::I16(dst)) => row(conv, y, src, dst, |v| v as i16),
        (Rows::U8(src), RowMut::U8(dst)) => row(conv, y, src, dst, |v| v as u8),
    }
}

/// The kernel [`ConvRowLast`](super::ConvRowLast).
pub fn conv_row_last(conv: &Convolution, y: usize, src: [&[i16]; 3], dst: &mut [i16]) {
    conv_row(conv, y, Rows::I16(src), RowMut::I16(dst));
}

fn row<S: Copy + Into<i32>, D>(
    conv: &Convolution,
    y: usize,
    src: [&[S]; 3],
    dst: &mut [D],
    output: impl Fn(i32) -> D,
) {
    if conv.layer.cout.is_multiple_of(16) {
        row_by::<16, S, D>(conv, y, src, dst, output);
    } else {
        row_by::<2, S, D>(conv, y, src, dst, output);
    }
}

/// `C` output channels at a time.
fn row_by<const C: usize, S: Copy + Into<i32>, D>(
    conv: &Convolution,
    y: usize,
    src: [&[S]; 3],
    dst: &mut [D],
    output: impl Fn(i32) -> D,
) {
    let l = &conv.layer;
    let width = dst.len() / l.cout;
    for (x, co) in (0..width).flat_map(|x| (0..l.cout).step_by(C).map(move |co| (x, co))) {
        let mut sums = [0i32; C];
        sums.copy_from_slice(&conv.bias_row(y, x)[co..co + C]);
        for (ky, row) in src.iter().enumerate() {
            // The three weights of a row read 3·cin neighbouring activations.
            let weights = &l.weights[3 * ky * l.cin * l.cout..];
            for (i, a) in row[x * l.cin..(x + 3) * l.cin].iter().enumerate() {
                for (sum, w) in sums.iter_mut().zip(&weights[i * l.cout + co..][..C]) {
                    *sum += (*a).into() * i32::from(*w);
                }
            }
        }
        for (c, out) in dst[x * l.cout + co..][..C].iter_mut().enumerate() {
            let y = requantise(sums[c], l.multiplier[co + c], l.shift);
            *out = output(y.clamp(l.low, l.high));
        }
    }
}

/// `(sum · multiplier + 2^(shift − 1)) >> shift`, in 64 bits. The one definition.
#[must_use]
pub fn requantise(sum: i32, multiplier: i32, shift: u32) -> i32 {
    ((i64::from(sum) * i64::from(multiplier) + (1i64 << (shift - 1))) >> shift) as i32
}
