//! The planes that one network corrects: their coefficients, what decoders make of them, and what
//! the filter makes of that.

use super::component::{Block, Grid, Samples};
use super::rate::{Costs, BIT};
use super::sensitivity::{Sensitivity, View};
use super::trellis::{self, Goal};
use crate::adapt::distortion::squared_differences;
use crate::codec::transform::BLOCK;
use crate::cpu::CpuLevel;
use crate::filter::Filter;
use crate::kernels::FULL_STRENGTH;
use crate::network::prepared::PreparedLayer;
use crate::network::Prepared;
use crate::picture::{Layout, Picture, PictureMut, Plane, PlaneMut};
use crate::util::{alloc, threads};
use crate::{Error, Result};

/// Largest sample.
pub(super) const MAX: i16 = 255;

/// A function to ask whether to go on.
pub(super) type GoOn<'a> = &'a mut dyn FnMut() -> bool;

/// What a stage has to do with.
pub(super) struct Task<'a> {
    /// The grid of each plane.
    pub grid: Grid,
    /// The planes before coding: luma, or Cb and Cr.
    pub originals: Vec<Plane<'a>>,
    /// For chroma: luma as decoded, which the network sees as well.
    pub luma: Option<&'a Samples>,
    /// The whole picture's layout, width and height.
    pub shape: (Layout, usize, usize),
    /// The network.
    pub layers: Vec<PreparedLayer>,
    /// Threads, at least 1.
    pub threads: usize,
    /// Highest instruction set.
    pub level: CpuLevel,
}

/// One or two planes and where they stand.
pub(super) struct Stage<'a> {
    pub grid: Grid,
    pub originals: Vec<Plane<'a>>,
    luma: Option<&'a Samples>,
    layout: Layout,
    pub threads: usize,
    filter: Filter,
    /// For chroma, where the filter copies luma to.
    spare: Option<Samples>,
    pub sensitivity: Sensitivity,
    pub blocks: Vec<Vec<Block>>,
    pub decoded: Vec<Samples>,
    /// The decoded planes behind the filter; near changes that were just accepted, nearly.
    pub filtered: Vec<Samples>,
}

impl<'a> Stage<'a> {
    /// With `blocks` and what decoders make of them. [`refresh`](Self::refresh) is still to be called.
    ///
    /// # Errors
    /// [`OutOfMemory`](Error::OutOfMemory).
    pub fn new(task: Task<'a>, blocks: Vec<Vec<Block>>, decoded: Vec<Samples>) -> Result<Self> {
        let Task { grid, originals, luma, shape: (layout, width, height), layers, threads, level } =
            task;
        let view = match luma {
            None => View::luma(width, height),
            Some(_) => View::chroma(layout, width, height).ok_or(Error::Internal)?,
        };
        let sensitivity = Sensitivity::new(&layers, view, level)?;
        let prepared = match luma {
            None => Prepared { luma: layers, chroma: Vec::new() },
            Some(_) => Prepared { luma: Vec::new(), chroma: layers },
        };
        Ok(Self {
            filtered: alloc::try_collect_ok(decoded.len(), decoded.iter().map(Samples::try_clone))?,
            spare: luma.map(Samples::try_clone).transpose()?,
            filter: Filter::new(&prepared, level)?,
            layout: if luma.is_some() { layout } else { Layout::I400 },
            grid,
            originals,
            luma,
            threads,
            sensitivity,
            blocks,
            decoded,
        })
    }

    /// The blocks and what decoders make of them.
    pub fn into_parts(self) -> (Vec<Vec<Block>>, Vec<Samples>) {
        (self.blocks, self.decoded)
    }

    /// Filters `planes` into `out`, or the decoded planes, and then notes what gates let through;
    /// false if `go_on` ended it.
    fn run_filter(
        &mut self,
        planes: Option<&[Samples]>,
        out: &mut [Samples],
        go_on: GoOn<'_>,
    ) -> Result<bool> {
        let mut sources = [Plane::EMPTY; 3];
        let mut targets = [PlaneMut::EMPTY; 3];
        let mut first = 0;
        if let (Some(luma), Some(spare)) = (self.luma, &mut self.spare) {
            (sources[0], targets[0]) = (luma.plane()?, spare.plane_mut()?);
            first = 1;
        }
        for (p, (plane, out)) in planes.unwrap_or(&self.decoded).iter().zip(out).enumerate() {
            (sources[first + p], targets[first + p]) = (plane.plane()?, out.plane_mut()?);
        }
        let input = Picture::new(self.layout, &sources[..self.layout.planes()])?;
        let output = PictureMut::with_depth(self.layout, 8, targets)?;
        match planes {
            Some(_) => {
                self.filter.picture_while(&input, output, self.threads, FULL_STRENGTH, go_on)
            }
            None => {
                let tape = &mut self.sensitivity.tape;
                tape.record(&self.filter, &input, output, self.threads, go_on)
            }
        }
    }

    /// Filters the decoded planes; false if `go_on` ended it.
    ///
    /// # Errors
    /// [`OutOfMemory`](Error::OutOfMemory).
    pub fn refresh(&mut self, go_on: GoOn<'_>) -> Result<bool> {
        let mut out = std::mem::take(&mut self.filtered);
        let done = self.run_filter(None, &mut out, go_on);
        self.filtered = out;
        done
    }

    /// Filters other planes into `out`; false if `go_on` ended it.
    ///
    /// # Errors
    /// [`OutOfMemory`](Error::OutOfMemory).
    pub fn try_planes(
        &mut self,
        planes: &[Samples],
        out: &mut [Samples],
        go_on: GoOn<'_>,
    ) -> Result<bool> {
        self.run_filter(Some(planes), out, go_on)
    }

    /// Replaces all blocks and decodes those that are others.
    pub fn set_blocks(&mut self, blocks: &[Vec<Block>]) {
        let planes = self.decoded.iter_mut().zip(&mut self.blocks);
        for ((plane, olds), news) in planes.zip(blocks) {
            for (i, (old, new)) in olds.iter_mut().zip(news).enumerate() {
                if old != new {
                    *old = *new;
                    self.grid.decode(new, i, plane);
                }
            }
        }
    }

    /// The sum of squared errors of each of `planes`, which are the decoded or the filtered ones.
    pub fn squared_errors(&self, planes: &[Samples]) -> [f64; 3] {
        let mut sums = [0.0; 3];
        for ((sum, plane), original) in sums.iter_mut().zip(planes).zip(&self.originals) {
            let row = |y| squared_differences(plane.row(y), original.row(y), MAX);
            *sum = (0..self.grid.height).map(row).sum::<u64>() as f64;
        }
        sums
    }

    /// Rounds the original's coefficients anew by a trellis that minimises
    /// `unit · squared error of the decoded plane + lambda · bits`, with a unit for each plane.
    ///
    /// # Errors
    /// [`OutOfMemory`](Error::OutOfMemory).
    pub fn round(
        &mut self,
        costs: &Costs,
        lambda: f64,
        units: &[f64],
        go_on: GoOn<'_>,
    ) -> Result<bool> {
        let lambda = (lambda / f64::from(BIT)) as f32;
        let grid = &self.grid;
        let planes = self.blocks.iter_mut().zip(&mut self.decoded).zip(&self.originals).zip(units);
        for (((blocks, decoded), original), unit) in planes {
            let rows = blocks.chunks_mut(grid.columns).enumerate();
            let done = threads::share(self.threads, rows, go_on, &|(row, blocks), go_on| {
                for (column, block) in blocks.iter_mut().enumerate() {
                    let c = grid.transform(original, row, column);
                    let mut goal = Goal { target: [0.0; BLOCK], weight: [0.0; BLOCK] };
                    for (k, step) in grid.quant.iter().enumerate() {
                        let step = f32::from(*step);
                        goal.target[k] = c[k] / step;
                        goal.weight[k] = *unit as f32 * step * step;
                    }
                    trellis::ac(&goal, costs, lambda, block);
                    block[0] = trellis::nearest_dc(&goal);
                }
                Ok(go_on())
            })?;
            if !done {
                return Ok(false);
            }
            for (row, blocks) in blocks.chunks(grid.columns).enumerate() {
                let first = row * grid.columns;
                blocks.iter().zip(first..).for_each(|(block, i)| grid.decode(block, i, decoded));
                if !go_on() {
                    return Ok(false);
                }
            }
        }
        Ok(true)
    }
}
