//! Samples to activations, and outputs back to samples.

use crate::kernels::samples;
use crate::picture::{Layout, Picture, PictureMut, Plane, Sample};

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
    if inputs == 4 {
        pack_luma::<S, 4>(input, y, dst);
    } else {
        pack_luma::<S, 6>(input, y, dst);
        pack_chroma(input, y, dst);
    }
}

/// The first four of `N` activations of every pixel.
fn pack_luma<S: Sample, const N: usize>(input: &Picture<'_, S>, y: usize, dst: &mut [i16]) {
    let depth = input.bit_depth();
    let (middle, max, shift) = (1i16 << (depth - 1), (1i16 << depth) - 1, SCALE - depth);
    let activation = |s: S| (s.at_most(max) - middle) << shift;
    let [above, below] = pair(&input.luma(), 2 * y, 2 * y + 1);
    let done = samples::pack_luma::<S, N>([above, below], dst, depth);
    let pixels = dst.as_chunks_mut::<N>().0;
    // Of an odd width's last pixel the right half is beyond the picture.
    let (whole, odd) = pixels.split_at_mut(above.len() / 2);
    let whole = &mut whole[done..];
    let rows = above.as_chunks::<2>().0[done..].iter().zip(&below.as_chunks::<2>().0[done..]);
    for (out, (above, below)) in whole.iter_mut().zip(rows) {
        out[..2].copy_from_slice(&above.map(activation));
        out[2..4].copy_from_slice(&below.map(activation));
    }
    if let ([out], Some(above), Some(below)) = (odd, above.last(), below.last()) {
        out[..2].fill(activation(*above));
        out[2..4].fill(activation(*below));
    }
}

/// The last two of six activations of every pixel.
fn pack_chroma<S: Sample>(input: &Picture<'_, S>, y: usize, dst: &mut [i16]) {
    let Some((tall, wide)) = input.layout().chroma_beside_pixel() else { return };
    let depth = input.bit_depth();
    let (middle, max, shift) = (1i16 << (depth - 1), (1i16 << depth) - 1, SCALE - depth);
    let done = match (input.layout(), input.planes()) {
        (Layout::I420, [_, cb, cr]) => samples::pack_chroma([cb.row(y), cr.row(y)], dst, depth),
        _ => 0,
    };
    for c in 1..3 {
        let plane = &input.planes()[c];
        let rows = pair(plane, tall * y, tall * y + tall - 1);
        let last = plane.width() - 1;
        for (x, out) in dst.as_chunks_mut::<6>().0.iter_mut().enumerate().skip(done) {
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
            if p == 0 {
                correct_luma(src, dst, residual, 2 * (row % 2), depth);
                continue;
            }
            let done = if wide == 1 {
                samples::correct_chroma(src, dst, residual, p - 1, depth)
            } else {
                0
            };
            // Chroma samples beside a pixel share its residual.
            let residuals = residual.chunks_exact(outputs).map(|r| r[p - 1]).skip(done);
            let (src, dst) = (&src[done..], &mut dst[done..]);
            for ((src, dst), r) in src.chunks(wide).zip(dst.chunks_mut(wide)).zip(residuals) {
                for (s, d) in src.iter().zip(dst) {
                    *d = corrected(*s, r, depth);
                }
            }
        }
    }
}

/// A row of luma: two samples for each pixel, whose residuals are two of its four from `channel` on.
fn correct_luma<S: Sample>(src: &[S], dst: &mut [S], residual: &[i16], channel: usize, depth: u32) {
    let done = samples::correct_luma(src, dst, residual, channel, depth);
    let (src, dst) = (&src[done..], &mut dst[done..]);
    let residuals = &residual.as_chunks::<4>().0[done / 2..];
    let (samples, odd) = src.as_chunks::<2>();
    let (targets, odd_target) = dst.as_chunks_mut::<2>();
    for ((s, d), r) in samples.iter().zip(targets).zip(residuals) {
        d[0] = corrected(s[0], r[channel], depth);
        d[1] = corrected(s[1], r[channel + 1], depth);
    }
    if let ([s], [d], Some(r)) = (odd, odd_target, residuals.last()) {
        *d = corrected(*s, r[channel], depth);
    }
}

/// A sample plus its residual, rounded at the picture's depth and clipped. Sums that saturate are clipped
/// either way.
fn corrected<S: Sample>(sample: S, residual: i16, depth: u32) -> S {
    let max = (1i16 << depth) - 1;
    let shift = SCALE - depth;
    let rounded = residual.saturating_add((1 << shift) >> 1) >> shift;
    S::new(sample.at_most(max).saturating_add(rounded).clamp(0, max))
}
