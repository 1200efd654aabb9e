//! Rows of a picture that a half-resolution row is made of, for the kernels of samples.

use crate::kernels::SampleKernels;
use crate::picture::{Picture, PictureMut, Plane, Sample, SampleRow};

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

/// Depth-to-space of half-resolution row `y`, added to the input.
pub(super) fn unpack<S: Sample>(
    kernels: &SampleKernels,
    input: &Picture<'_, S>,
    y: usize,
    outputs: usize,
    residual: &[i16],
    first_row: usize,
    out: &mut PictureMut<'_, S>,
) {
    let (depth, layout) = (input.bit_depth(), input.layout());
    let beside = layout.chroma_beside_pixel().unwrap_or_default();
    let ((tall, _), planes) = if outputs == 4 { ((2, 2), 0..1) } else { (beside, 1..3) };
    for p in planes {
        let (src, dst) = (&input.planes()[p], &mut out.planes_mut()[p]);
        let first = first_row / 2 * tall;
        for row in (tall * y..tall * y + tall).filter(|r| *r >= first) {
            if row - first >= dst.height() {
                break;
            }
            let (src, dst) = (S::row(src.row(row)), S::row_mut(dst.row_mut(row - first)));
            if p == 0 {
                (kernels.correct_luma)(src, residual, 2 * (row % 2), depth, dst);
            } else {
                (kernels.correct_chroma)(src, residual, p - 1, layout, depth, dst);
            }
        }
    }
}
