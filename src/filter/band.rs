//! One band of a picture: whole-width line buffers through all layers.

use super::samples::{pack, unpack};
use super::scratch::{padded, Scratch, ScratchLen};
use super::tape::TapeMut;
use crate::kernels::{Convolution, Kernels, Packed, RowMut, Rows};
use crate::network::Arch;
use crate::picture::{Picture, PictureMut, Sample};
use std::mem::take;

/// The last three rows of a feature map, with one replicated pixel at either end.
#[derive(Default)]
struct Lines<'a> {
    rows: Memory<'a>,
    channels: usize,
}

enum Memory<'a> {
    I16([&'a mut [i16]; 3]),
    U8([&'a mut [u8]; 3]),
}

impl Default for Memory<'_> {
    fn default() -> Self {
        Self::I16(Default::default())
    }
}

impl<'a> Lines<'a> {
    /// What `conv` reads. Takes the rows' memory from the front of `scratch`.
    fn new(width: usize, conv: &Convolution, scratch: &mut Scratch<'a>) -> Self {
        let channels = conv.layer.cin;
        let len = (width + 2) * channels;
        let rows = match conv.packed {
            Packed::I16(_) => Memory::I16([(); 3].map(|()| row(&mut scratch.words, len))),
            Packed::I8(_) => Memory::U8([(); 3].map(|()| row(&mut scratch.bytes, len))),
        };
        Self { rows, channels }
    }

    /// Pixels 0..width of row `y`'s buffer.
    fn inner(&mut self, y: usize) -> RowMut<'_> {
        let c = self.channels;
        match &mut self.rows {
            Memory::I16(rows) => RowMut::I16(inner(rows[y % 3], c)),
            Memory::U8(rows) => RowMut::U8(inner(rows[y % 3], c)),
        }
    }

    fn replicate_ends(&mut self, y: usize) {
        match &mut self.rows {
            Memory::I16(rows) => replicate_ends(rows[y % 3], self.channels),
            Memory::U8(rows) => replicate_ends(rows[y % 3], self.channels),
        }
    }

    /// Rows `y − 1`, `y`, `y + 1`, replicated at the picture's ends.
    fn around(&self, y: usize, height: usize) -> Rows<'_> {
        let around = [y.saturating_sub(1), y, (y + 1).min(height - 1)];
        match &self.rows {
            Memory::I16(rows) => Rows::I16(around.map(|y| &*rows[y % 3])),
            Memory::U8(rows) => Rows::U8(around.map(|y| &*rows[y % 3])),
        }
    }
}

/// The first `len` activations, in whole cache lines.
fn row<'a, A>(scratch: &mut &'a mut [A], len: usize) -> &'a mut [A] {
    let (row, rest) = take(scratch).split_at_mut(padded::<A>(len));
    *scratch = rest;
    &mut row[..len]
}

fn inner<A>(row: &mut [A], channels: usize) -> &mut [A] {
    let end = row.len() - channels;
    &mut row[channels..end]
}

fn replicate_ends<A: Copy>(row: &mut [A], channels: usize) {
    let (c, len) = (channels, row.len());
    row.copy_within(c..2 * c, 0);
    row.copy_within(len - 2 * c..len - c, len - c);
}

/// Memory that a band needs whose maps have rows of `width` pixels.
pub(super) fn scratch_len(convolutions: &[Convolution], width: usize) -> ScratchLen {
    let outputs = convolutions.last().map_or(0, |c| c.layer.cout);
    let mut len = ScratchLen { words: width * outputs, bytes: 0 };
    for conv in convolutions {
        let row = (width + 2) * conv.layer.cin;
        match conv.packed {
            Packed::I16(_) => len.words += 3 * padded::<i16>(row),
            Packed::I8(_) => len.bytes += 3 * padded::<u8>(row),
        }
    }
    len
}

/// Runs luma's or chroma's network over a band that starts at luma row `first_row`, into `out`.
///
/// The layers run in step: when the input has half-resolution row t, layer l makes row
/// t − 1 − l. Each starts where the band's halo does.
///
/// `go_on` is asked before each of these; false if it ended the run. Outputs of hidden layers in the
/// band itself are noted on `tape`.
#[allow(clippy::too_many_arguments)]
pub(super) fn run<S: Sample, T: Sample>(
    convolutions: &[Convolution],
    kernels: &Kernels,
    mut scratch: Scratch<'_>,
    input: &Picture<'_, S>,
    first_row: usize,
    out: &mut PictureMut<'_, T>,
    strength: u8,
    mut tape: Option<&mut TapeMut<'_>>,
    go_on: &mut dyn FnMut() -> bool,
) -> bool {
    if out.height() == 0 {
        return true;
    }
    let layers = convolutions.len();
    let inputs = convolutions[0].layer.cin;
    let pixel_width = if inputs == 6 { input.layout().chroma_pixel_width() } else { 2 };
    let (width, height) = (input.width().div_ceil(pixel_width), input.height().div_ceil(2));
    let first = first_row / 2;
    let end = (first_row + out.height()).div_ceil(2);
    // What each layer reads.
    let mut lines: [Lines<'_>; Arch::MAX_LAYERS] = Default::default();
    for (lines, conv) in lines.iter_mut().zip(convolutions) {
        *lines = Lines::new(width, conv, &mut scratch);
    }
    let outputs = convolutions[layers - 1].layer.cout;
    let residual = &mut scratch.words[..width * outputs];
    for t in first.saturating_sub(layers)..end + layers {
        if !go_on() {
            return false;
        }
        if t < height {
            let RowMut::I16(row) = lines[0].inner(t) else { unreachable!("inputs have 16 bits") };
            pack(&kernels.samples, input, t, inputs, row);
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
                if let Some(tape) = tape.as_mut().filter(|_| (first..end).contains(&y)) {
                    tape.note(y - first, l, below[0].inner(y), conv.layer.cout);
                }
            } else {
                let Rows::I16(src) = src else { unreachable!("last layers read 16 bits") };
                (kernels.conv_row_last)(conv, y, src, residual);
                let samples = &kernels.samples;
                unpack(samples, input, y, outputs, residual, strength, first_row, out);
            }
        }
    }
    true
}
