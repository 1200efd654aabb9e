//! One band of a picture: whole-width line buffers through all layers.

use super::scratch::padded;
use crate::kernels::{Convolution, Kernels};
use crate::network::Arch;
use crate::picture::{Picture, PictureMut, Plane};
use std::mem::take;

/// Shift from 8-bit samples to activations.
const SAMPLE_SHIFT: u32 = 4;

/// The last three rows of a feature map, with one replicated pixel at either end.
#[derive(Default)]
struct Lines<'a> {
    rows: [&'a mut [i16]; 3],
    channels: usize,
}

impl<'a> Lines<'a> {
    /// Takes the rows' memory from the front of `scratch`.
    fn new(width: usize, channels: usize, scratch: &mut &'a mut [i16]) -> Self {
        let mut row = || {
            let (row, rest) = take(scratch).split_at_mut(row_len(width, channels));
            *scratch = rest;
            &mut row[..(width + 2) * channels]
        };
        Self { rows: [row(), row(), row()], channels }
    }

    /// Pixels 0..width of row `y`'s buffer.
    fn inner(&mut self, y: usize) -> &mut [i16] {
        let c = self.channels;
        let row = &mut self.rows[y % 3];
        let end = row.len() - c;
        &mut row[c..end]
    }

    fn replicate_ends(&mut self, y: usize) {
        let c = self.channels;
        let row = &mut self.rows[y % 3];
        let len = row.len();
        row.copy_within(c..2 * c, 0);
        row.copy_within(len - 2 * c..len - c, len - c);
    }

    /// Rows `y − 1`, `y`, `y + 1`, replicated at the picture's ends.
    fn around(&self, y: usize, height: usize) -> [&[i16]; 3] {
        let above = y.saturating_sub(1);
        let below = (y + 1).min(height - 1);
        [above, y, below].map(|y| &*self.rows[y % 3])
    }
}

/// Activations that a row of `width` pixels takes in memory.
fn row_len(width: usize, channels: usize) -> usize {
    padded((width + 2) * channels)
}

/// Activations of memory that a band of half-resolution width `width` needs.
pub(super) fn scratch_len(convolutions: &[Convolution], width: usize) -> usize {
    let lines = convolutions.iter().map(|c| 3 * row_len(width, c.layer.cin));
    let outputs = convolutions.last().map_or(0, |c| c.layer.cout);
    lines.sum::<usize>() + width * outputs
}

/// Runs luma's or chroma's network over a band that starts at luma row `first_row`, into `out`.
///
/// The layers run in step: when the input has half-resolution row t, layer l makes row
/// t − 1 − l. Each starts where the band's halo does.
pub(super) fn run(
    convolutions: &[Convolution],
    kernels: &Kernels,
    mut scratch: &mut [i16],
    input: &Picture<'_>,
    first_row: usize,
    out: &mut PictureMut<'_>,
) {
    if out.height() == 0 {
        return;
    }
    let layers = convolutions.len();
    let (width, height) = (input.width().div_ceil(2), input.height().div_ceil(2));
    let first = first_row / 2;
    let end = (first_row + out.height()).div_ceil(2);
    // What each layer reads.
    let mut lines: [Lines<'_>; Arch::MAX_LAYERS] = Default::default();
    for (lines, conv) in lines.iter_mut().zip(convolutions) {
        *lines = Lines::new(width, conv.layer.cin, &mut scratch);
    }
    let (inputs, outputs) = (lines[0].channels, convolutions[layers - 1].layer.cout);
    let residual = &mut scratch[..width * outputs];
    for t in first.saturating_sub(layers)..end + layers {
        if t < height {
            pack(input, t, inputs, lines[0].inner(t));
            lines[0].replicate_ends(t);
        }
        for (l, conv) in convolutions.iter().enumerate() {
            let Some(y) = t.checked_sub(l + 1) else { break };
            let halo = layers - 1 - l;
            if y < first.saturating_sub(halo) || y >= (end + halo).min(height) {
                continue;
            }
            let (above, below) = lines.split_at_mut(l + 1);
            let src = above[l].around(y, height);
            if l + 1 < layers {
                (kernels.conv_row)(conv, y, src, below[0].inner(y));
                below[0].replicate_ends(y);
            } else {
                (kernels.conv_row_last)(conv, y, src, residual);
                unpack(input, y, outputs, residual, first_row, out);
            }
        }
    }
}

/// Two rows, or the last one in place of those below it.
fn pair<'a>(plane: &Plane<'a>, first: usize, second: usize) -> [&'a [u8]; 2] {
    let last = plane.height() - 1;
    [plane.row(first.min(last)), plane.row(second.min(last))]
}

/// Space-to-depth and conversion to activations: half-resolution row `y`; samples beyond the
/// picture are replicated. With 6 inputs, luma is followed by chroma.
fn pack(input: &Picture<'_>, y: usize, inputs: usize, dst: &mut [i16]) {
    let activation = |s: u8| (i16::from(s) - 128) << SAMPLE_SHIFT;
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
            let sum: i16 = rows.iter().map(|r| i16::from(r[left]) + i16::from(r[right])).sum();
            out[3 + c] = (sum - 4 * 128) << (SAMPLE_SHIFT - 2);
        }
    }
}

/// Depth-to-space of half-resolution row `y`, added to the input.
fn unpack(
    input: &Picture<'_>,
    y: usize,
    outputs: usize,
    residual: &[i16],
    first_row: usize,
    out: &mut PictureMut<'_>,
) {
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
                    *d = corrected(*s, r[i * step]);
                }
            }
        }
    }
}

/// A sample plus its residual, rounded and clipped.
fn corrected(sample: u8, residual: i16) -> u8 {
    let rounded = (i32::from(residual) + (1 << (SAMPLE_SHIFT - 1))) >> SAMPLE_SHIFT;
    (i32::from(sample) + rounded).clamp(0, 255) as u8
}
