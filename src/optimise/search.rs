//! The search for a stage's coefficients.
//!
//! A round takes the derivatives of the error behind the filter and turns them, with a model of the
//! error's curvature, into targets and weights for a trellis, which proposes a change of each
//! block. Passes then try changes through the filter, many at a time but none beside another, and
//! keep those by which the true error and the bits, weighed together, fall. What a trial showed of
//! the curvature corrects the model. A round's passes end where the next derivatives promise more
//! for their time.

use super::component::{Block, Samples};
use super::rate::{Costs, BIT};
use super::sensitivity::Loss;
use super::stage::{GoOn, Stage, MAX};
use super::trellis::{self, Goal};
use crate::adapt::distortion::squared_differences;
use crate::codec::transform::BLOCK;
use crate::picture::Plane;
use crate::util::{alloc, threads};
use crate::Result;
use std::ops::Range;

/// Samples around a block in which its change is measured: half the way to the next block that may
/// change at the same time.
const MARGIN: usize = 4;
/// What a round's derivatives cost in passes.
const DERIVATIVES: u32 = 4;
/// What the curvature costs in passes.
const PROBE: u32 = 3;
/// First curvature, of the probe's: it sees a block's coefficients one by one, but many change.
const STIFFNESS: f32 = 1.5;
/// Least and largest curvature, likewise.
const STIFFNESS_RANGE: (f32, f32) = (0.75, 8.0);
/// Parts of a block's stiffness that a trial replaces.
const TRUST: f32 = 0.5;
/// Factor of a stiffness that left its block as it is.
const EASE: f32 = 1.0 / 1.3;

/// Blocks that are decoded or judged before it is asked whether to go on.
const PAUSE: usize = 4096;
/// With less in dB for a pass, a search is at its end.
const LEAST_GAIN: f64 = 1e-5;

/// Blocks of each plane, and what they cost.
pub(super) struct Measured {
    /// Errors and bits, weighed.
    cost: f64,
    /// Bits.
    pub bits: u64,
    /// Squared errors of the decoded planes; 0 for those that there are not.
    pub decoded: [f64; 3],
    /// Squared errors behind the filter.
    pub filtered: [f64; 3],
    /// The blocks.
    pub blocks: Vec<Vec<Block>>,
}

/// How errors and bits are weighed.
#[derive(Clone, Debug)]
pub(super) struct Weights {
    /// Cost of a squared error behind the filter in each plane.
    pub units: [f64; 3],
    /// Weight of a decoded plane's error beside that.
    pub decoded: f64,
    /// Cost of a bit.
    pub lambda: f64,
}

/// What an encoder's own rate–distortion optimisation needs to know of a block: the error behind the
/// filter is about a constant and `Σ weight · (coefficient − target)²`, of dequantised coefficients
/// in natural order.
#[derive(Clone, Copy, Debug)]
pub struct Target {
    /// Where the coefficients shall be.
    pub target: [f32; BLOCK],
    /// What being off costs.
    pub weight: [f32; BLOCK],
    /// Squared error behind the filter of the block's samples and four more on every side.
    pub error: f32,
}

/// Changes of a block in each plane.
struct Proposal {
    block: u32,
    /// What it promises.
    gain: f32,
    new: [Block; 2],
}

/// The model of the error: its derivatives and its curvature by coefficients.
struct ErrorModel {
    /// `[plane][block]`.
    gradient: Vec<Vec<[f32; BLOCK]>>,
    /// Curvature of each plane's frequencies, in the unit of samples.
    frequencies: Vec<[f32; BLOCK]>,
    /// Factor of these in each block.
    stiffness: Vec<f32>,
}

/// A search and its buffers.
pub(super) struct Search<'s, 'a> {
    stage: &'s mut Stage<'a>,
    weights: Weights,
    model: ErrorModel,
    proposals: Vec<Option<Proposal>>,
    candidate: Vec<Samples>,
    tried: Vec<Samples>,
    costs: Costs,
}

impl<'s, 'a> Search<'s, 'a> {
    /// Prepares a search.
    ///
    /// # Errors
    /// [`OutOfMemory`](crate::Error::OutOfMemory).
    pub fn new(stage: &'s mut Stage<'a>, weights: Weights) -> Result<Self> {
        let blocks = stage.grid.blocks();
        let planes = stage.blocks.len();
        let derivatives = (0..planes).map(|_| alloc::try_filled(blocks, [0.0; BLOCK]));
        let model = ErrorModel {
            gradient: alloc::try_collect_ok(planes, derivatives)?,
            frequencies: alloc::try_filled(planes, [1.0; BLOCK])?,
            stiffness: alloc::try_filled(blocks, STIFFNESS)?,
        };
        let mut proposals = alloc::try_with_capacity(blocks)?;
        proposals.resize_with(blocks, || None);
        Ok(Self {
            candidate: alloc::try_collect_ok(planes, stage.decoded.iter().map(Samples::try_clone))?,
            tried: alloc::try_collect_ok(planes, stage.decoded.iter().map(Samples::try_clone))?,
            // Those of no block, until some are measured.
            costs: stage.grid.costs(&[]),
            stage,
            weights,
            model,
            proposals,
        })
    }

    /// Runs rounds for the time of `budget` passes, from a trellis of these costs of a bit and of
    /// the decoded planes' squared errors. `go_on` gets the part of the budget that is spent.
    ///
    /// Returns the best blocks that were measured as a whole, those that the stage came with among
    /// them; `None` if it was ended before any were.
    ///
    /// # Errors
    /// [`OutOfMemory`](crate::Error::OutOfMemory).
    pub fn run(
        &mut self,
        start: (f64, &[f64]),
        budget: u32,
        go_on: &mut dyn FnMut(f64) -> bool,
    ) -> Result<Option<Measured>> {
        let mut best = self.measure(&mut || go_on(0.0))?;
        if best.is_some() {
            self.rounds(start, budget, &mut best, go_on)?;
        }
        Ok(best)
    }

    /// The model of the error at the stage's blocks: for each block of each plane where its
    /// coefficients shall be and what being off costs, and its error behind the filter. `None` if
    /// `go_on` ended it.
    ///
    /// # Errors
    /// [`OutOfMemory`](crate::Error::OutOfMemory).
    pub fn targets(&mut self, go_on: GoOn<'_>) -> Result<Option<Vec<Vec<Target>>>> {
        if !(self.stage.refresh(go_on)? && self.probe(go_on)? && self.differentiate(go_on)?) {
            return Ok(None);
        }
        let mut all = alloc::try_with_capacity(2)?;
        for p in 0..self.stage.blocks.len() {
            let target = |block: usize| {
                let Stage { grid, blocks, filtered, originals, .. } = &*self.stage;
                let weight: [f32; BLOCK] = std::array::from_fn(|k| self.curvature(p, block, k));
                let target = std::array::from_fn(|k| {
                    let value = i32::from(blocks[p][block][k]) * i32::from(grid.quant[k]);
                    value as f32 - self.model.gradient[p][block][k] / (2.0 * weight[k])
                });
                let area = grid.area(block, MARGIN);
                let error = squared_error_in(&filtered[p], &originals[p], &area);
                Target { target, weight, error: error as f32 }
            };
            let blocks = self.stage.grid.blocks();
            all.push(alloc::try_collect(blocks, (0..blocks).map(target))?);
        }
        Ok(Some(all))
    }

    /// The stage's blocks and what they cost, with the codes that fit them, which later proposals are
    /// priced by; `None` if `go_on` ended it.
    fn measure(&mut self, go_on: GoOn<'_>) -> Result<Option<Measured>> {
        let Self { stage, weights, costs, .. } = self;
        // Small pictures are filtered before anybody asks.
        if !go_on() || !stage.refresh(go_on)? {
            return Ok(None);
        }
        let filtered = stage.squared_errors(&stage.filtered);
        let decoded = stage.squared_errors(&stage.decoded);
        let planes = weights.units.iter().zip(filtered.iter().zip(&decoded));
        let error: f64 = planes.map(|(unit, (f, d))| unit * (f + weights.decoded * d)).sum();
        if !go_on() {
            return Ok(None);
        }
        *costs = stage.grid.costs(&stage.blocks);
        if !go_on() {
            return Ok(None);
        }
        let bits = stage.grid.bits(&stage.blocks, costs);
        if !go_on() {
            return Ok(None);
        }
        let cost = error + weights.lambda * bits as f64;
        let mut blocks = alloc::try_with_capacity(2)?;
        for plane in &stage.blocks {
            blocks.push(alloc::try_concat(&[plane])?);
        }
        Ok(Some(Measured { cost, bits, decoded, filtered, blocks }))
    }

    /// The rounds; the best blocks go to `best`.
    fn rounds(
        &mut self,
        (lambda, units): (f64, &[f64]),
        budget: u32,
        best: &mut Option<Measured>,
        go_on: &mut dyn FnMut(f64) -> bool,
    ) -> Result {
        if !self.stage.round(&self.costs, lambda, units, &mut || go_on(0.0))? {
            return Ok(());
        }
        for (candidate, decoded) in self.candidate.iter_mut().zip(&self.stage.decoded) {
            candidate.copy_all(decoded);
        }
        let mut spent = 0;
        loop {
            let part = f64::from(spent) / f64::from(budget);
            let go_on = &mut || go_on(part.min(1.0));
            let Some(new) = self.measure(go_on)? else { return Ok(()) };
            if best.as_ref().is_none_or(|best| new.cost < best.cost) {
                *best = Some(new);
            }
            if spent >= budget || !go_on() {
                return Ok(());
            }
            if spent == 0 {
                if !self.probe(go_on)? {
                    return Ok(());
                }
                spent = PROBE;
            }
            if !self.differentiate(go_on)? {
                return Ok(());
            }
            spent += DERIVATIVES;
            let (mut gained, mut passes) = (0.0, 0);
            self.proposals.iter_mut().for_each(|proposal| *proposal = None);
            let mean = loop {
                let gain = self.pass(go_on)?.unwrap_or(0.0);
                (spent, passes, gained) = (spent + 1, passes + 1, gained + gain);
                // The place to leave is where a pass gains no more than the mean of the round.
                let mean = gained / f64::from(DERIVATIVES + passes);
                if spent >= budget || gain <= mean {
                    break mean;
                }
            };
            if mean < LEAST_GAIN {
                spent = budget;
            }
        }
    }

    /// Measures the curvature by coefficients: the mean squared derivatives of the output's samples,
    /// each with a random sign (Hutchinson 1989).
    fn probe(&mut self, go_on: GoOn<'_>) -> Result<bool> {
        let Self { stage, model, .. } = self;
        let Stage { grid, sensitivity, threads, .. } = &**stage;
        let sign = |p: usize, y: usize, x: usize| {
            let place = (p * grid.height + y) * grid.width + x;
            if random(place as u32) & 1 == 0 {
                1.0
            } else {
                -1.0
            }
        };
        let loss = Loss { behind: &sign, decoded: &|_, _, _| 0.0 };
        let squares = &mut model.gradient;
        if !sensitivity.by_coefficients(grid, &loss, squares, *threads, go_on)? {
            return Ok(false);
        }
        squares.iter_mut().flatten().flatten().for_each(|d| *d *= *d);
        let mut factors = alloc::try_filled(grid.blocks(), 0.0f32)?;
        for (squares, frequencies) in squares.iter().zip(&mut model.frequencies) {
            let mut sums = [0.0f64; BLOCK];
            for squares in squares {
                sums.iter_mut().zip(squares).for_each(|(sum, s)| *sum += f64::from(*s));
            }
            *frequencies = sums.map(|sum| (sum / squares.len() as f64).max(0.02) as f32);
            let mean = |squares: &[f32; BLOCK]| {
                squares.iter().zip(&*frequencies).map(|(s, f)| s / f).sum::<f32>() / BLOCK as f32
            };
            factors.iter_mut().zip(squares).for_each(|(factor, s)| *factor += mean(s));
        }
        let share = STIFFNESS / squares.len() as f32;
        for (stiffness, factor) in model.stiffness.iter_mut().zip(&factors) {
            *stiffness = (factor * share).clamp(STIFFNESS_RANGE.0, STIFFNESS_RANGE.1);
        }
        Ok(true)
    }

    /// The derivatives of the cost's errors at the stage's blocks.
    fn differentiate(&mut self, go_on: GoOn<'_>) -> Result<bool> {
        let Self { stage, model, weights, .. } = self;
        let Stage { grid, sensitivity, threads, originals, filtered, decoded, .. } = &**stage;
        let error = |planes: &[Samples], p: usize, y: usize, x: usize| {
            let error = i16::from(planes[p].row(y)[x]) - i16::from(originals[p].row(y)[x]);
            2.0 * weights.units[p] as f32 * f32::from(error)
        };
        let behind = |p, y, x| error(filtered, p, y, x);
        let directly = |p, y, x| weights.decoded as f32 * error(decoded, p, y, x);
        let loss = Loss { behind: &behind, decoded: &directly };
        sensitivity.by_coefficients(grid, &loss, &mut model.gradient, *threads, go_on)
    }

    /// Curvature of the cost's errors by coefficient `k` of a block in plane `p`.
    fn curvature(&self, p: usize, block: usize, k: usize) -> f32 {
        let Self { weights, model, .. } = self;
        let behind = model.frequencies[p][k] * model.stiffness[block];
        weights.units[p] as f32 * (behind + STIFFNESS * weights.decoded as f32)
    }

    /// The change of a block that promises most.
    fn propose(&self, block: usize) -> Option<Proposal> {
        let Self { stage, model, costs, .. } = self;
        let lambda = self.lambda() as f32;
        let mut new = [[0; BLOCK]; 2];
        let (mut gain, mut any) = (0.0, false);
        for (p, (blocks, new)) in stage.blocks.iter().zip(&mut new).enumerate() {
            let old = &blocks[block];
            let gradient = &model.gradient[p][block];
            let mut goal = Goal { target: [0.0; BLOCK], weight: [0.0; BLOCK] };
            for k in 0..BLOCK {
                let step = f32::from(stage.grid.quant[k]);
                let weight = self.curvature(p, block, k) * step;
                goal.target[k] = f32::from(old[k]) - gradient[k] / (2.0 * weight);
                goal.weight[k] = weight * step;
            }
            *new = *old;
            let (before, behind) = stage.grid.dc_around(blocks, block);
            trellis::ac(&goal, costs, lambda, new);
            new[0] = trellis::dc(&goal, costs, lambda, before, behind);
            if new == old {
                continue;
            }
            any = true;
            for (k, (new, old)) in new.iter().zip(old).enumerate() {
                let off = |v: i16| goal.weight[k] * (f32::from(v) - goal.target[k]).powi(2);
                gain += off(*old) - off(*new);
            }
            gain += lambda * (self.cost(p, block, old) - self.cost(p, block, new)) as f32;
        }
        any.then_some(Proposal { block: block as u32, gain, new })
    }

    /// Cost of a part of a bit.
    fn lambda(&self) -> f64 {
        self.weights.lambda / f64::from(BIT)
    }

    /// Cost of what depends on plane `p`'s block `block` if it were `it`.
    fn cost(&self, p: usize, block: usize, it: &Block) -> i32 {
        let (before, behind) = self.stage.grid.dc_around(&self.stage.blocks[p], block);
        let dc = |difference| self.costs.dc(difference);
        let mut cost = self.costs.ac(it) + dc(i32::from(it[0]) - i32::from(before));
        if let Some(behind) = behind {
            cost += dc(i32::from(behind) - i32::from(it[0]));
        }
        cost as i32
    }

    /// One pass: proposals, trial, choice. What it gained; `None` if there is nothing to try or
    /// `go_on` ended it.
    fn pass(&mut self, go_on: GoOn<'_>) -> Result<Option<f64>> {
        let columns = self.stage.grid.columns;
        let mut proposals = std::mem::take(&mut self.proposals);
        let rows = proposals.chunks_mut(columns).enumerate();
        let search = &*self;
        let done = threads::share(search.stage.threads, rows, go_on, &|(row, proposals), go_on| {
            for (column, proposal) in proposals.iter_mut().enumerate() {
                if proposal.is_none() {
                    *proposal = search.propose(row * columns + column);
                }
            }
            Ok(go_on())
        });
        self.proposals = proposals;
        if !done? || !go_on() {
            return Ok(None);
        }
        let chosen = self.choose()?;
        let Self { stage, candidate, tried, proposals, .. } = self;
        for (i, &block) in chosen.iter().enumerate() {
            if i % PAUSE == 0 && !go_on() {
                return Ok(None);
            }
            let Some(proposal) = &proposals[block] else { continue };
            for (plane, new) in candidate.iter_mut().zip(&proposal.new) {
                stage.grid.decode(new, block, plane);
            }
        }
        if chosen.is_empty() || !stage.try_planes(candidate, tried, go_on)? {
            return Ok(None);
        }
        let mut gained = 0.0;
        for (i, block) in chosen.into_iter().enumerate() {
            if i % PAUSE == 0 && !go_on() {
                return Ok(None);
            }
            gained += self.judge(block);
        }
        Ok(Some(gained))
    }

    /// Blocks to try at once: those that promise most, none beside another.
    fn choose(&mut self) -> Result<Vec<usize>> {
        let (columns, blocks) = (self.stage.grid.columns, self.proposals.len());
        let mut order = alloc::try_with_capacity(blocks)?;
        for (block, proposal) in self.proposals.iter().enumerate() {
            match proposal {
                Some(proposal) => order.push((proposal.gain, proposal.block)),
                // It will be asked again, with an easier mind.
                None => {
                    let stiffness = &mut self.model.stiffness[block];
                    *stiffness = (*stiffness * EASE).max(STIFFNESS_RANGE.0);
                }
            }
        }
        order.sort_unstable_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1)));
        let mut taken = alloc::try_filled(blocks, false)?;
        let mut chosen = alloc::try_with_capacity(blocks.div_ceil(3))?;
        for (_, block) in order {
            let block = block as usize;
            let (row, column) = (block / columns, block % columns);
            let rows = row.saturating_sub(1)..(row + 2).min(blocks / columns);
            let near = column.saturating_sub(1)..(column + 2).min(columns);
            if rows.into_iter().all(|r| !taken[r * columns..][near.clone()].contains(&true)) {
                taken[block] = true;
                chosen.push(block);
            }
        }
        Ok(chosen)
    }

    /// Keeps what was tried for a block, or takes it back; what it gained.
    fn judge(&mut self, block: usize) -> f64 {
        let Some(proposal) = self.proposals[block].take() else { return 0.0 };
        let area = self.stage.grid.area(block, MARGIN);
        let own = self.stage.grid.area(block, 0);
        let (mut error, mut linear, mut square, mut rate) = (0.0, 0.0, 0.0, 0);
        for (p, new) in proposal.new.iter().enumerate().take(self.stage.blocks.len()) {
            let Stage { grid, originals, blocks, decoded, filtered, .. } = &*self.stage;
            let sum = |plane, area| squared_error_in(plane, &originals[p], area);
            let behind = sum(&self.tried[p], &area) - sum(&filtered[p], &area);
            let before = sum(&self.candidate[p], &own) - sum(&decoded[p], &own);
            error += self.weights.units[p] * (behind + self.weights.decoded * before);
            let old = &blocks[p][block];
            for k in 0..BLOCK {
                let change = f32::from(new[k] - old[k]) * f32::from(grid.quant[k]);
                linear += self.model.gradient[p][block][k] * change;
                square += self.curvature(p, block, k) * change * change;
            }
            rate += self.cost(p, block, new) - self.cost(p, block, old);
        }
        let delta = error + self.lambda() * f64::from(rate);
        let stiffness = self.model.stiffness[block];
        let seen = stiffness * ((error as f32 - linear) / square).clamp(0.0, 16.0);
        if delta < 0.0 {
            for (p, new) in proposal.new.iter().enumerate().take(self.stage.blocks.len()) {
                for (k, new) in new.iter().enumerate() {
                    let change = new - self.stage.blocks[p][block][k];
                    let change = f32::from(change) * f32::from(self.stage.grid.quant[k]);
                    self.model.gradient[p][block][k] +=
                        2.0 * self.curvature(p, block, k) * change / STIFFNESS;
                }
                let stage = &mut *self.stage;
                stage.blocks[p][block] = *new;
                stage.decoded[p].copy(&self.candidate[p], own.clone());
                stage.filtered[p].copy(&self.tried[p], area.clone());
            }
        } else {
            for (candidate, decoded) in self.candidate.iter_mut().zip(&self.stage.decoded) {
                candidate.copy(decoded, own.clone());
            }
        }
        let (low, high) = STIFFNESS_RANGE;
        self.model.stiffness[block] = (stiffness + TRUST * (seen - stiffness)).clamp(low, high);
        (-delta).max(0.0)
    }
}

/// Sum of the squared differences of a part of two planes.
fn squared_error_in(
    a: &Samples,
    b: &Plane<'_>,
    (rows, columns): &(Range<usize>, Range<usize>),
) -> f64 {
    let row =
        |y: usize| squared_differences(&a.row(y)[columns.clone()], &b.row(y)[columns.clone()], MAX);
    rows.clone().map(row).sum::<u64>() as f64
}

/// A number spread evenly over 32 bits, the same for the same number.
fn random(n: u32) -> u32 {
    // The finaliser of SplitMix64 (Steele, Lea and Flood 2014).
    let mut x = u64::from(n).wrapping_add(0x9e37_79b9_7f4a_7c15);
    x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    (x >> 32) as u32
}
