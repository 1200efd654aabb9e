//! A component: a plane's coefficients in blocks of 8×8, and the samples that decoders make of
//! them.

use super::rate::{Costs, Counts, Scans, BIT};
use super::transform::forward;
use crate::codec::transform::{inverse, BLOCK};
use crate::picture::{Plane, PlaneMut};
use crate::util::alloc;
use crate::Result;
use std::ops::Range;

/// A block of coefficients in quantiser steps, in natural order.
pub type Block = [i16; BLOCK];

/// What does not change of a component.
pub(super) struct Grid {
    /// Samples in a row.
    pub width: usize,
    /// Rows of samples.
    pub height: usize,
    /// Blocks in a row.
    pub columns: usize,
    /// Rows of blocks.
    pub rows: usize,
    /// Quantiser steps, in natural order.
    pub quant: [u16; BLOCK],
    /// Columns and rows of the component's blocks that are coded side by side: 1 × 1 where it has a
    /// scan of its own.
    unit: (usize, usize),
    /// How the coefficients are coded.
    scans: Scans,
}

impl Grid {
    pub fn new(
        (width, height): (usize, usize),
        quant: [u16; BLOCK],
        unit: (usize, usize),
        scans: Scans,
    ) -> Self {
        let (columns, rows) = (width.div_ceil(8), height.div_ceil(8));
        Self { width, height, columns, rows, quant, unit, scans }
    }

    pub fn blocks(&self) -> usize {
        self.columns * self.rows
    }

    /// Place in coding order of the block at `row`, `column`; there are gaps, where decoders are
    /// sent blocks beyond the picture's end.
    fn order(&self, row: usize, column: usize) -> usize {
        let (h, v) = self.unit;
        let units = self.columns.div_ceil(h);
        ((row / v * units + column / h) * v + row % v) * h + column % h
    }

    /// The block at a place in coding order, if it is there.
    fn at(&self, order: usize) -> Option<usize> {
        let (h, v) = self.unit;
        let units = self.columns.div_ceil(h);
        let (unit, inside) = (order / (h * v), order % (h * v));
        let (row, column) = (unit / units * v + inside / h, unit % units * h + inside % h);
        (row < self.rows && column < self.columns).then_some(row * self.columns + column)
    }

    /// The block before and the one behind it in coding order.
    pub fn neighbours(&self, block: usize) -> (Option<usize>, Option<usize>) {
        let order = self.order(block / self.columns, block % self.columns);
        let last = self.rows.div_ceil(self.unit.1)
            * self.columns.div_ceil(self.unit.0)
            * self.unit.0
            * self.unit.1;
        let before = (0..order).rev().find_map(|o| self.at(o));
        (before, (order + 1..last).find_map(|o| self.at(o)))
    }

    /// The DC coefficients that a block's is predicted from, and that of the block predicted from
    /// it.
    pub fn dc_around(&self, blocks: &[Block], block: usize) -> (i16, Option<i16>) {
        let (before, behind) = self.neighbours(block);
        (before.map_or(0, |b| blocks[b][0]), behind.map(|b| blocks[b][0]))
    }

    /// Adds the symbols of all blocks to `counts`.
    pub fn count(&self, blocks: &[Block], counts: &mut Counts) {
        for (i, block) in blocks.iter().enumerate() {
            let (before, _) = self.neighbours(i);
            counts.add(block, before.map_or(0, |b| blocks[b][0]));
        }
    }

    /// Bits of planes that share tables which fit them.
    pub fn all_bits(&self, planes: &[Vec<Block>]) -> u64 {
        self.bits(planes, &self.costs(planes))
    }

    /// Bits of planes at these costs.
    pub fn bits(&self, planes: &[Vec<Block>], costs: &Costs) -> u64 {
        planes.iter().map(|blocks| self.cost(blocks, costs)).sum::<u64>() / u64::from(BIT)
    }

    /// Costs with the tables that fit these planes best.
    pub fn costs(&self, planes: &[Vec<Block>]) -> Costs {
        let mut counts = Counts::new(self.scans);
        planes.iter().for_each(|blocks| self.count(blocks, &mut counts));
        counts.costs()
    }

    /// Cost of all blocks.
    fn cost(&self, blocks: &[Block], costs: &Costs) -> u64 {
        let cost = |(i, block): (usize, &Block)| {
            let (before, _) = self.neighbours(i);
            let dc = i32::from(block[0]) - before.map_or(0, |b| i32::from(blocks[b][0]));
            u64::from(costs.dc(dc) + costs.ac(block))
        };
        blocks.iter().enumerate().map(cost).sum()
    }

    /// Rows and columns of the samples of block `block`, with `margin` more on every side, in the
    /// plane.
    pub fn area(&self, block: usize, margin: usize) -> (Range<usize>, Range<usize>) {
        let span = |at: usize, size: usize| {
            (8 * at).saturating_sub(margin)..(8 * at + 8 + margin).min(size)
        };
        (span(block / self.columns, self.height), span(block % self.columns, self.width))
    }

    /// Writes the samples of `block`, which is the plane's block `at`, into `plane`.
    pub fn decode(&self, block: &Block, at: usize, plane: &mut Samples) {
        let (row, column) = (at / self.columns, at % self.columns);
        let mut values = [0; BLOCK];
        for (value, (c, step)) in values.iter_mut().zip(block.iter().zip(&self.quant)) {
            *value = i32::from(*c) * i32::from(*step);
        }
        let samples = inverse(&values);
        let right = (8 * column + 8).min(self.width);
        for (y, samples) in (8 * row..self.height).zip(&samples) {
            let line = &mut plane.row_mut(y)[8 * column..right];
            line.copy_from_slice(&samples[..line.len()]);
        }
    }

    /// The coefficients, not quantised, of the block of `plane` at `row`, `column`; samples beyond
    /// the picture's ends are replicated.
    pub fn transform(&self, plane: &Plane<'_>, row: usize, column: usize) -> [f32; BLOCK] {
        let mut values = [[0.0; 8]; 8];
        for (y, values) in values.iter_mut().enumerate() {
            let line = plane.row((8 * row + y).min(self.height - 1));
            for (x, value) in values.iter_mut().enumerate() {
                *value = f32::from(line[(8 * column + x).min(self.width - 1)]) - 128.0;
            }
        }
        forward(&values)
    }
}

/// A plane's samples.
pub(super) struct Samples {
    width: usize,
    height: usize,
    data: Vec<u8>,
}

impl Samples {
    /// A plane of zeros.
    ///
    /// # Errors
    /// [`OutOfMemory`](crate::Error::OutOfMemory).
    pub fn new(width: usize, height: usize) -> Result<Self> {
        Ok(Self { width, height, data: alloc::try_filled(width * height, 0)? })
    }

    /// A copy.
    ///
    /// # Errors
    /// [`OutOfMemory`](crate::Error::OutOfMemory).
    pub fn try_clone(&self) -> Result<Self> {
        Ok(Self { data: alloc::try_concat(&[&self.data])?, ..*self })
    }

    pub fn row(&self, y: usize) -> &[u8] {
        &self.data[y * self.width..(y + 1) * self.width]
    }

    pub fn row_mut(&mut self, y: usize) -> &mut [u8] {
        &mut self.data[y * self.width..(y + 1) * self.width]
    }

    pub fn plane(&self) -> Result<Plane<'_>> {
        Plane::new(&self.data, self.width, self.width, self.height)
    }

    pub fn plane_mut(&mut self) -> Result<PlaneMut<'_>> {
        PlaneMut::new(&mut self.data, self.width, self.width, self.height)
    }

    /// Copies a plane of the same size.
    pub fn copy_all(&mut self, other: &Self) {
        self.data.copy_from_slice(&other.data);
    }

    /// Copies a part of `other`.
    pub fn copy(&mut self, other: &Self, (rows, columns): (Range<usize>, Range<usize>)) {
        for y in rows {
            self.row_mut(y)[columns.clone()].copy_from_slice(&other.row(y)[columns.clone()]);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// In MCUs of 2×2 blocks, with a last column and row that MCUs stand out of.
    #[test]
    fn blocks_have_their_neighbours_in_coding_order() {
        let grid = Grid::new((33, 17), [1; BLOCK], (2, 2), Scans::Sequential);
        assert_eq!((grid.columns, grid.rows), (5, 3));
        let order = [0, 1, 5, 6, 2, 3, 7, 8, 4, 9, 10, 11, 12, 13, 14];
        for (i, block) in order.iter().enumerate() {
            let (before, behind) = grid.neighbours(*block);
            assert_eq!(before, i.checked_sub(1).map(|i| order[i]), "{block}");
            assert_eq!(behind, order.get(i + 1).copied(), "{block}");
        }
        let grid = Grid::new((33, 17), [1; BLOCK], (1, 1), Scans::Sequential);
        assert_eq!(grid.neighbours(5), (Some(4), Some(6)));
    }
}
