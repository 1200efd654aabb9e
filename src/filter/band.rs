//! One band of a picture: whole-width line buffers through all layers.

use super::samples::{pack, unpack};
use super::scratch::padded;
use crate::kernels::{Convolution, Kernels};
use crate::network::Arch;
use crate::picture::{Picture, PictureMut, Sample};
use std::mem::take;

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
pub(super) fn run<S: Sample>(
    convolutions: &[Convolution],
    kernels: &Kernels,
    mut scratch: &mut [i16],
    input: &Picture<'_, S>,
    first_row: usize,
    out: &mut PictureMut<'_, S>,
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
