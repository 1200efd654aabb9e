//! How errors behind the filter depend on the coefficients before it: derivatives through the
//! network's adjoint, and their curvature.

use super::component::Grid;
use super::transform::forward;
use crate::codec::transform::BLOCK;
use crate::cpu::CpuLevel;
use crate::filter::{Filter, TapeMut};
use crate::kernels::FULL_STRENGTH;
use crate::network::prepared::PreparedLayer;
use crate::picture::{Layout, Picture, PictureMut};
use crate::train::adjoint::{Adjoint, Gates, Window};
use crate::util::{alloc, threads};
use crate::Result;
use std::ops::Range;

/// Half-resolution rows of a strip: a whole number of rows of blocks of every plane.
const STRIP: usize = 64;
/// Half-resolution columns of a window, likewise.
const COLUMNS: usize = 256;

/// How a network sees the planes that it corrects.
#[derive(Clone, Copy)]
pub(super) struct View {
    /// Rows and columns of samples beside a pixel.
    beside: (usize, usize),
    /// Channels in front of these planes' in the network's input.
    first: usize,
    /// Rows and columns of pixels.
    size: (usize, usize),
}

impl View {
    /// Luma's network.
    pub fn luma(width: usize, height: usize) -> Self {
        Self { beside: (2, 2), first: 0, size: (height.div_ceil(2), width.div_ceil(2)) }
    }

    /// Chroma's, for a picture of `layout`; of a gray picture there is none.
    pub fn chroma(layout: Layout, width: usize, height: usize) -> Option<Self> {
        let beside = layout.chroma_beside_pixel()?;
        let size = (height.div_ceil(2), width.div_ceil(layout.chroma_pixel_width()));
        Some(Self { beside, first: 4, size })
    }

    /// Channel of the sample of plane `p` of the view at `row`, `column`: the network's output's.
    fn channel(&self, p: usize, row: usize, column: usize) -> usize {
        if self.first == 0 {
            2 * (row % 2) + column % 2
        } else {
            p
        }
    }

    /// Samples that a channel stands for.
    fn samples(&self) -> usize {
        if self.first == 0 {
            1
        } else {
            self.beside.0 * self.beside.1
        }
    }
}

/// Gates of a whole picture: `[row][hidden layer][column]`.
pub(super) struct Tape {
    bits: Vec<u64>,
    layers: usize,
    width: usize,
}

impl Tape {
    /// Filters `input` into `output` and notes the gates of its last network; false if `go_on`
    /// ended it.
    pub fn record(
        &mut self,
        filter: &Filter,
        input: &Picture<'_>,
        output: PictureMut<'_>,
        threads: usize,
        go_on: &mut dyn FnMut() -> bool,
    ) -> Result<bool> {
        let Self { ref mut bits, layers, width } = *self;
        let strips = bits.chunks_mut(STRIP * layers * width).enumerate();
        let mut left = Some(output);
        let strips = strips.map_while(|(i, bits)| {
            let rest = left.take()?;
            let rows = (2 * STRIP).min(rest.height());
            let (band, below) = rest.split_at_row(rows);
            left = Some(below);
            Some((2 * STRIP * i, band, bits))
        });
        threads::share(threads, strips, go_on, &|(first, band, bits), go_on| {
            let tape = TapeMut { bits, layers, width };
            filter.band_while(input, first, band, FULL_STRENGTH, Some(tape), go_on)
        })
    }
}

/// A window's part of a tape.
struct Part<'a> {
    tape: &'a Tape,
    row: usize,
    columns: Range<usize>,
}

impl Gates for Part<'_> {
    fn row(&self, layer: usize, row: usize) -> &[u64] {
        let Tape { bits, layers, width } = self.tape;
        let start = ((self.row + row) * layers + layer) * width;
        &bits[start + self.columns.start..start + self.columns.end]
    }
}

/// A loss by its derivatives by samples: plane of the stage, row, column.
pub(super) struct Loss<'a> {
    /// By those behind the filter.
    pub behind: &'a (dyn Fn(usize, usize, usize) -> f32 + Sync),
    /// By the decoded ones, directly.
    pub decoded: &'a (dyn Fn(usize, usize, usize) -> f32 + Sync),
}

/// The derivatives of errors behind a network by the coefficients of the planes that it corrects.
pub(super) struct Sensitivity {
    adjoint: Adjoint,
    view: View,
    /// What the last run of the filter let through.
    pub tape: Tape,
}

impl Sensitivity {
    /// Of the network `layers` that sees its planes as `view` says.
    ///
    /// # Errors
    /// [`OutOfMemory`](crate::Error::OutOfMemory).
    pub fn new(layers: &[PreparedLayer], view: View, level: CpuLevel) -> Result<Self> {
        let hidden = layers.len() - 1;
        let (rows, width) = view.size;
        let bits = alloc::try_filled(rows * hidden * width, 0)?;
        let tape = Tape { bits, layers: hidden, width };
        Ok(Self { adjoint: Adjoint::new(layers, level)?, view, tape })
    }

    /// Writes to `out` the derivatives of a loss by the coefficients of each plane's blocks; false if
    /// `go_on` ended it.
    ///
    /// # Errors
    /// [`OutOfMemory`](crate::Error::OutOfMemory).
    pub fn by_coefficients(
        &self,
        grid: &Grid,
        loss: &Loss<'_>,
        out: &mut [Vec<[f32; BLOCK]>],
        threads: usize,
        go_on: &mut dyn FnMut() -> bool,
    ) -> Result<bool> {
        let rows = STRIP * self.view.beside.0 / 8;
        let chunks = out.iter_mut().map(|blocks| blocks.chunks_mut(rows * grid.columns));
        let mut planes = alloc::try_collect(3, chunks)?;
        let mut strip = 0;
        let strips = std::iter::from_fn(|| {
            let mut parts: [&mut [[f32; BLOCK]]; 3] = Default::default();
            let chunks = planes.iter_mut().filter_map(|chunks| chunks.next());
            let count = parts.iter_mut().zip(chunks).map(|(part, chunk)| *part = chunk).count();
            strip += 1;
            (count > 0).then_some((strip - 1, parts, count))
        });
        threads::share(threads, strips, go_on, &|(strip, mut parts, count), go_on| {
            let mut window = Window::default();
            for column in (0..self.view.size.1).step_by(COLUMNS) {
                let at = (STRIP * strip, column);
                if !self.window(grid, at, loss, &mut window, &mut parts[..count], go_on)? {
                    return Ok(false);
                }
            }
            Ok(true)
        })
    }

    /// The part of it whose first half-resolution pixel is given; `parts` are the strip's blocks.
    fn window(
        &self,
        grid: &Grid,
        (first_row, first_column): (usize, usize),
        loss: &Loss<'_>,
        window: &mut Window,
        parts: &mut [&mut [[f32; BLOCK]]],
        go_on: &mut dyn FnMut() -> bool,
    ) -> Result<bool> {
        let View { beside: (tall, wide), first, size } = self.view;
        let halo = self.adjoint.halo();
        let span = |start: usize, part: usize, size: usize| {
            start.saturating_sub(halo)..(start + part + halo).min(size)
        };
        let rows = span(first_row, STRIP, size.0);
        let columns = span(first_column, COLUMNS, size.1);
        let outputs = if first == 0 { 4 } else { 2 };
        window.start(&self.adjoint, rows.len(), columns.len(), outputs)?;
        for (i, row) in rows.clone().enumerate() {
            let line = window.row(i);
            for p in 0..parts.len() {
                for y in (tall * row..tall * row + tall).filter(|y| *y < grid.height) {
                    for x in wide * columns.start..(wide * columns.end).min(grid.width) {
                        let at = 8 * (x / wide - columns.start) + self.view.channel(p, y, x);
                        line[at] += (loss.behind)(p, y, x);
                    }
                }
            }
        }
        let part = Part { tape: &self.tape, row: rows.start, columns: columns.clone() };
        if !self.adjoint.run(window, &part, go_on) {
            return Ok(false);
        }
        let share = 1.0 / self.view.samples() as f32;
        let end = (tall * (first_row + STRIP)).min(grid.height);
        let right = (wide * (first_column + COLUMNS)).min(grid.width);
        let first_block = tall * first_row / 8;
        for (p, blocks) in parts.iter_mut().enumerate() {
            for block_row in first_block..end.div_ceil(8) {
                for block_column in wide * first_column / 8..right.div_ceil(8) {
                    let mut values = [[0.0; 8]; 8];
                    for (y, values) in (8 * block_row..grid.height).zip(&mut values) {
                        let line = window.row(y / tall - rows.start);
                        for (x, value) in (8 * block_column..grid.width).zip(values) {
                            let at =
                                8 * (x / wide - columns.start) + first + self.view.channel(p, y, x);
                            let direct = (loss.behind)(p, y, x) + (loss.decoded)(p, y, x);
                            *value = direct + share * line[at];
                        }
                    }
                    let place = (block_row - first_block) * grid.columns + block_column;
                    blocks[place] = forward(&values);
                }
            }
        }
        Ok(true)
    }
}
