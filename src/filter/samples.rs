//! Rows of a picture that a half-resolution row is made of, for the kernels of samples.

use crate::kernels::{Correction, SampleKernels};
use crate::picture::{Picture, PictureMut, Plane, Sample, SampleRow, SampleRowMut};
use std::ops::Range;

/// Two rows, or the last one in place of those below it.
fn pair<'a, S: Sample>(plane: &Plane<'a, S>, first: usize, second: usize) -> [SampleRow<'a>; 2] {
    let last = plane.height() - 1;
    [first, second].map(|y| S::row(plane.row(y.min(last))))
}

/// Space-to-depth and conversion to activations: half-resolution row `y`; samples beyond the
/// picture are replicated. With 6 inputs, luma is followed by chroma.
pub(super) fn pack<S: Sample>(
    kernels: &SampleKernels,
    input: &Picture<'_, S>,
    y: usize,
    inputs: usize,
    dst: &mut [i16],
) {
    let depth = input.bit_depth();
    let chroma = input.layout().chroma_beside_pixel().filter(|_| inputs == 6);
    let wide = chroma.map_or(1, |_| input.layout().chroma_pixel_width() / 2);
    (kernels.pack_luma)(pair(&input.luma(), 2 * y, 2 * y + 1), inputs, wide, depth, dst);
    let Some((tall, _)) = chroma else { return };
    let planes = [1, 2].map(|p| pair(&input.planes()[p], tall * y, tall * y + tall - 1));
    (kernels.pack_chroma)(planes, input.layout(), depth, dst);
}

/// Depth-to-space of half-resolution row `y`, times `strength` added to the input.
#[allow(clippy::too_many_arguments)]
pub(super) fn unpack<S: Sample, T: Sample>(
    kernels: &SampleKernels,
    input: &Picture<'_, S>,
    y: usize,
    outputs: usize,
    residual: &[i16],
    strength: u8,
    first_row: usize,
    out: &mut PictureMut<'_, T>,
) {
    let correction = Correction::new(strength, input.bit_depth(), out.bit_depth());
    let layout = input.layout();
    let beside = layout.chroma_beside_pixel().unwrap_or_default();
    let ((tall, _), planes) = if outputs == 4 { ((2, 2), 0..1) } else { (beside, 1..3) };
    for p in planes {
        let (src, dst) = (&input.planes()[p], &mut out.planes_mut()[p]);
        let first = first_row / 2 * tall;
        for row in (tall * y..tall * y + tall).filter(|r| *r >= first) {
            if row - first >= dst.height() {
                break;
            }
            let (src, dst) = (S::row(src.row(row)), T::row_mut(dst.row_mut(row - first)));
            if p == 0 {
                (kernels.correct_luma)(src, residual, 2 * (row % 2), correction, dst);
            } else {
                (kernels.correct_chroma)(src, residual, p - 1, layout, correction, dst);
            }
        }
    }
}

/// The planes `which` as they are, in the output's depth.
pub(super) fn copy_planes<S: Sample, T: Sample>(
    input: &Picture<'_, S>,
    first_row: usize,
    output: &mut PictureMut<'_, T>,
    which: Range<usize>,
) {
    let max = (1 << input.bit_depth()) - 1;
    let deepen = output.bit_depth() - input.bit_depth();
    for (i, plane) in output.planes_mut().iter_mut().enumerate().filter(|(i, _)| which.contains(i))
    {
        let first = input.layout().plane_size(i, 0, first_row).1;
        for y in 0..plane.height() {
            let (from, to) = (input.planes()[i].row(first + y), plane.row_mut(y));
            match (S::row(from), T::row_mut(to)) {
                (SampleRow::U8(from), SampleRowMut::U8(to)) => to.copy_from_slice(from),
                (SampleRow::U16(from), SampleRowMut::U16(to)) if deepen == 0 => {
                    to.copy_from_slice(from);
                }
                _ => {
                    for (from, to) in from.iter().zip(plane.row_mut(y)) {
                        *to = T::new((from.at_most(max) as u16) << deepen);
                    }
                }
            }
        }
    }
}
