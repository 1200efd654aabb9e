//! One band of the luma plane: whole-width line buffers through all layers.

use crate::kernels::{Convolution, Kernels};
use crate::picture::{Plane, PlaneMut};

/// Shift from 8-bit samples to activations.
const SAMPLE_SHIFT: u32 = 4;

/// The last three rows of a feature map, with one replicated pixel at either end.
struct Lines {
    rows: [Vec<i16>; 3],
    channels: usize,
}

impl Lines {
    fn new(width: usize, channels: usize) -> Self {
        Self { rows: std::array::from_fn(|_| vec![0; (width + 2) * channels]), channels }
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
        [&self.rows[above % 3], &self.rows[y % 3], &self.rows[below % 3]]
    }
}

/// Filters luma rows `first_row..` into `out`.
///
/// The layers run in step: when the input has half-resolution row t, layer l makes row
/// t − 1 − l. Each starts where the band's halo does.
pub(super) fn luma(
    convolutions: &[Convolution],
    kernels: &Kernels,
    input: Plane<'_>,
    first_row: usize,
    out: &mut PlaneMut<'_>,
) {
    if out.height() == 0 {
        return;
    }
    let layers = convolutions.len();
    let (width, height) = (input.width().div_ceil(2), input.height().div_ceil(2));
    let first = first_row / 2;
    let end = (first_row + out.height()).div_ceil(2);
    let mut lines = vec![Lines::new(width, convolutions[0].layer.cin)];
    for conv in &convolutions[..layers - 1] {
        lines.push(Lines::new(width, conv.layer.cout));
    }
    let mut residual = vec![0i16; width * 4];
    for t in first.saturating_sub(layers)..end + layers {
        if t < height {
            pack(input, t, lines[0].inner(t));
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
                (kernels.conv_row_last)(conv, y, src, &mut residual);
                unpack(input, y, &residual, first_row, out);
            }
        }
    }
}

/// Space-to-depth and conversion to activations: half-resolution row `y`; samples beyond the
/// picture are replicated.
fn pack(input: Plane<'_>, y: usize, dst: &mut [i16]) {
    let width = input.width();
    let rows = [input.row(2 * y), input.row((2 * y + 1).min(input.height() - 1))];
    let activation = |s: u8| (i16::from(s) - 128) << SAMPLE_SHIFT;
    for (x, out) in dst.chunks_exact_mut(4).enumerate() {
        let (left, right) = (2 * x, (2 * x + 1).min(width - 1));
        out[0] = activation(rows[0][left]);
        out[1] = activation(rows[0][right]);
        out[2] = activation(rows[1][left]);
        out[3] = activation(rows[1][right]);
    }
}

/// Depth-to-space of half-resolution row `y`, added to the input with rounding and clipped.
fn unpack(input: Plane<'_>, y: usize, residual: &[i16], first_row: usize, out: &mut PlaneMut<'_>) {
    for half in 0..2 {
        let row = 2 * y + half;
        if row < first_row || row - first_row >= out.height() {
            continue;
        }
        let (src, dst) = (input.row(row), out.row_mut(row - first_row));
        let pairs = residual.chunks_exact(4).map(|r| &r[2 * half..2 * half + 2]);
        for ((src, dst), r) in src.chunks(2).zip(dst.chunks_mut(2)).zip(pairs) {
            for ((s, d), r) in src.iter().zip(dst).zip(r) {
                let rounded = (i32::from(*r) + (1 << (SAMPLE_SHIFT - 1))) >> SAMPLE_SHIFT;
                *d = (i32::from(*s) + rounded).clamp(0, 255) as u8;
            }
        }
    }
}
