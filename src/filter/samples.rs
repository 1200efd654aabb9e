//! Samples to activations, and outputs back to samples.

use crate::picture::{Picture, PictureMut, Plane, Sample};

/// Bits of samples that would be activations as they are.
const SCALE: u32 = 12;

/// Two rows, or the last one in place of those below it.
fn pair<'a, S: Sample>(plane: &Plane<'a, S>, first: usize, second: usize) -> [&'a [S]; 2] {
    let last = plane.height() - 1;
    [plane.row(first.min(last)), plane.row(second.min(last))]
}

/// Space-to-depth and conversion to activations: half-resolution row `y`; samples beyond the
/// picture are replicated. With 6 inputs, luma is followed by chroma.
pub(super) fn pack<S: Sample>(input: &Picture<'_, S>, y: usize, inputs: usize, dst: &mut [i16]) {
    let depth = input.bit_depth();
    let (middle, max, shift) = (1i16 << (depth - 1), (1i16 << depth) - 1, SCALE - depth);
    let activation = |s: S| (s.at_most(max) - middle) << shift;
    let rows = pair(&input.luma(), 2 * y, 2 * y + 1);
    let last = input.width() - 1;
    for (x, out) in dst.chunks_exact_mut(inputs).enumerate() {
        let (left, right) = (2 * x, (2 * x + 1).min(last));
        out[0] = activation(rows[0][left]);
        out[1] = activation(rows[0][right]);
        out[2] = activation(rows[1][left]);
        out[3] = activation(rows[1][right]);
    }
    let Some((tall, wide)) = input.layout().chroma_beside_pixel() else { return };
    for c in 1..inputs - 3 {
        let plane = &input.planes()[c];
        let rows = pair(plane, tall * y, tall * y + tall - 1);
        let last = plane.width() - 1;
        for (x, out) in dst.chunks_exact_mut(inputs).enumerate() {
            let (left, right) = (wide * x, (wide * x + wide - 1).min(last));
            // The same sample two or four times where the layout has fewer.
            let sum: i16 = rows.iter().map(|r| r[left].at_most(max) + r[right].at_most(max)).sum();
            out[3 + c] = (((sum - 4 * middle) << shift) + 2) >> 2;
        }
    }
}

/// Depth-to-space of half-resolution row `y`, added to the input.
pub(super) fn unpack<S: Sample>(
    input: &Picture<'_, S>,
    y: usize,
    outputs: usize,
    residual: &[i16],
    first_row: usize,
    out: &mut PictureMut<'_, S>,
) {
    let depth = input.bit_depth();
    let beside = input.layout().chroma_beside_pixel().unwrap_or_default();
    let ((tall, wide), planes) = if outputs == 4 { ((2, 2), 0..1) } else { (beside, 1..3) };
    for p in planes {
        let (src, dst) = (&input.planes()[p], &mut out.planes_mut()[p]);
        let first = first_row / 2 * tall;
        for row in (tall * y..tall * y + tall).filter(|r| *r >= first) {
            if row - first >= dst.height() {
                break;
            }
            let (src, dst) = (src.row(row), dst.row_mut(row - first));
            // Luma samples have a residual each, chroma samples beside a pixel share theirs.
            let (channel, step) = if p == 0 { (2 * (row % 2), 1) } else { (p - 1, 0) };
            let pixels = residual.chunks_exact(outputs).map(|r| &r[channel..]);
            for ((src, dst), r) in src.chunks(wide).zip(dst.chunks_mut(wide)).zip(pixels) {
                for (i, (s, d)) in src.iter().zip(dst).enumerate() {
                    *d = corrected(*s, r[i * step], depth);
                }
            }
        }
    }
}

/// A sample plus its residual, rounded at the picture's depth and clipped.
fn corrected<S: Sample>(sample: S, residual: i16, depth: u32) -> S {
    let max = (1 << depth) - 1;
    let shift = SCALE - depth;
    let rounded = (i32::from(residual) + ((1 << shift) >> 1)) >> shift;
    S::new((i32::from(sample.at_most(max)) + rounded).clamp(0, max.into()))
}
