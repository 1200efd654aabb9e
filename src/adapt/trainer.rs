//! Fine-tuning of scales, biases and coefficients of changes of weights on one or more pictures, with
//! quantisation in the loop and a rate-aware objective: the
//! [`Distortion`](super::distortion::Distortion)'s dB + λ·bits(q) over the update's integers q,
//! rounded straight-through.

use super::dead_zone::{self, quantise};
use super::parameters::{ParameterKind, Parameters};
use super::published;
use super::sampler::TileSampler;
use super::schedule::Schedule;
use super::task::{Example, Objective, Task};
use super::tiles::{self, Tile};
use super::tuned::Tuned;
use super::worker::{Job, Workers};
use crate::network::update::MAX_STEP;
use crate::network::{Condition, Model};
use crate::picture::{Layout, Sample};
use crate::train::net::Net;
use crate::util::alloc;
use crate::Result;
use std::ops::Range;
use std::time::Instant;

/// Side of the part of a tile that counts, in pixels of its network. Many steps on small tiles
/// gain more in a second than few on large ones.
const PART: usize = 32;
/// Pixels that are seen around that part: fewer than the networks reach, as far ones matter little.
const MARGIN: usize = 2;
/// Output change of one step at step field 6, in grey levels (root mean square over samples): what
/// a model's step tables are made for.
pub const STEP_CHANGE: f64 = 0.06;

/// Fine-tunes; `progress` gets the fraction done and returns whether to go on, and is not called
/// again after it said no.
///
/// # Errors
/// [`OutOfMemory`](crate::Error::OutOfMemory).
///
/// # Panics
/// Without examples.
pub fn fine_tune<S: Sample>(
    task: &Task<'_, S>,
    progress: &mut dyn FnMut(f64) -> bool,
) -> Result<Tuned> {
    let mut go_on = true;
    let mut progress = |fraction| {
        go_on = go_on && progress(fraction);
        go_on
    };
    let mut trainer = Trainer::new(task, &mut progress)?;
    trainer.run(&mut progress)?;
    Ok(trainer.finish())
}

/// A fine-tuning under way.
struct Trainer<'t, 'a, S> {
    task: &'t Task<'a, S>,
    /// When it began: the task's budget counts from here.
    begin: Instant,
    /// Step field of the update.
    step_field: u8,
    /// The integers that are trained.
    parameters: Parameters,
    /// The parameters' values before rounding, in units of their steps.
    values: Vec<f32>,
    /// The values as `nets` have them: rounded, if the objective rounds in the loop.
    rounded: Vec<f32>,
    /// The objective's derivatives by the values.
    gradient: Vec<f32>,
    /// The base model's networks.
    base: Vec<Net>,
    /// The base model's networks with `rounded` applied.
    nets: Vec<Net>,
    /// Each network's tiles of an example.
    tiles: Vec<Vec<Tile>>,
    /// Tiles of each network in a step.
    tiles_per_step: usize,
    /// Samples of each plane.
    samples: [f64; 3],
    /// The sampler of each network's tiles.
    samplers: Vec<TileSampler>,
    /// The schedule of each network's values.
    schedules: Vec<Schedule>,
    /// The threads' buffers.
    workers: Workers,
    /// Steps that were run.
    steps: u32,
}

impl<'t, 'a, S: Sample> Trainer<'t, 'a, S> {
    /// A trainer that starts at the base model. `go_on` is asked for 0 between examples, as
    /// measuring many takes time; after a no, tiles of those that follow are drawn as if nothing
    /// was lost in them.
    fn new(task: &'t Task<'a, S>, go_on: &mut dyn FnMut(f64) -> bool) -> Result<Self> {
        let begin = Instant::now();
        let shape = &task.examples[0].decoded;
        // Without chroma its network has nothing to learn from: its part of the update stays 0.
        let networks = if shape.layout() == Layout::I400 { 1 } else { 2 };
        let base: Vec<Net> = task.model.networks().take(networks).map(Net::from_network).collect();
        let step_field = step_field(task);
        let mut conditions: Vec<Condition> = Vec::new();
        for example in task.examples {
            if !conditions.contains(&example.condition) {
                conditions.push(example.condition);
            }
        }
        let parameters =
            Parameters::new(task.model, base.len(), &conditions, step_field, task.objective)?;
        let pixel_widths = [2, shape.layout().chroma_pixel_width()];
        let (mut tiles, mut windows) = (Vec::new(), Vec::new());
        for pixel_width in &pixel_widths[..base.len()] {
            let size = (shape.height().div_ceil(2), shape.width().div_ceil(*pixel_width));
            let (own, window) = tiles::tiles(size.0, size.1, PART, MARGIN)?;
            tiles.push(own);
            windows.push(window);
        }
        let tiles_per_step = task.tiles.clamp(1, tiles[0].len() * task.examples.len());
        let threads = task.threads.clamp(1, tiles_per_step * base.len());
        let workers = Workers::new(threads, &base, &windows, task.level)?;
        let zeros = || alloc::try_filled(parameters.len(), 0.0f32);
        let (values, rounded, gradient) = (zeros()?, zeros()?, zeros()?);
        let (mut samplers, mut schedules) = (Vec::new(), Vec::new());
        for (network, planes) in (0..base.len()).zip(Model::PLANES) {
            let errors = tile_errors(task, &tiles[network], planes.clone(), go_on)?;
            samplers.push(TileSampler::new(&errors)?);
            schedules.push(Schedule::new(&parameters, network, base_loss(task, planes))?);
        }
        let samples = std::array::from_fn(|p| {
            shape.planes().get(p).map_or(1.0, |plane| (plane.height() * plane.width()) as f64)
        });
        Ok(Self {
            task,
            begin,
            step_field,
            parameters,
            values,
            rounded,
            gradient,
            nets: base.clone(),
            base,
            tiles,
            tiles_per_step,
            samples,
            samplers,
            schedules,
            workers,
            steps: 0,
        })
    }

    /// Steps until the schedule is over, or `progress`, which gets the fraction done, says no.
    fn run(&mut self, progress: &mut dyn FnMut(f64) -> bool) -> Result {
        loop {
            let fraction = self.fraction();
            if fraction >= 1.0 || !progress(fraction) {
                return Ok(());
            }
            self.step(fraction)?;
        }
    }

    /// The part of the schedule that is over, by steps or by time.
    fn fraction(&self) -> f64 {
        let spent = self.task.budget.map_or(0.0, |budget| {
            self.begin.elapsed().as_secs_f64() / budget.as_secs_f64().max(f64::MIN_POSITIVE)
        });
        (f64::from(self.steps) / f64::from(self.task.steps)).max(spent)
    }

    /// One optimiser step, when `fraction` of the schedule is over.
    fn step(&mut self, fraction: f64) -> Result {
        self.round();
        self.parameters.apply(&self.rounded, &self.base, &mut self.nets);
        let losses = self.differentiate()?;
        self.steps += 1;
        self.add_price();
        let time = (fraction as f32, 1.0 / self.task.steps as f32);
        for (schedule, loss) in self.schedules.iter_mut().zip(losses) {
            schedule.step(loss, time, &mut self.values, &self.gradient);
        }
        for (v, p) in self.values.iter_mut().zip(self.parameters.iter()) {
            *v = v.clamp(p.least, p.most);
        }
        self.parameters.hold(&mut self.values);
        Ok(())
    }

    /// Sets `rounded` from `values`.
    fn round(&mut self) {
        let values = self.parameters.iter().zip(&self.values);
        for ((p, v), used) in values.zip(&mut self.rounded) {
            *used = match (self.task.objective, p.kind) {
                (Objective::Published, _) => *v,
                (Objective::RateDistortion, ParameterKind::Coefficient) => {
                    quantise(*v, dead_zone::COEFFICIENT)
                }
                (Objective::RateDistortion, _) => quantise(*v, dead_zone::SCALE_AND_BIAS),
            };
        }
    }

    /// Sets `gradient` to that of the distortion, estimated on tiles that are drawn; returns each
    /// network's distortion on them.
    fn differentiate(&mut self) -> Result<[f32; 2]> {
        let per_step = self.tiles_per_step;
        let networks = 0..self.nets.len();
        let jobs: Vec<Job<'_, S>> = networks
            .flat_map(|n| std::iter::repeat_n(n, per_step))
            .map(|network| self.draw(network))
            .collect();
        let mut losses = [0.0; 2];
        self.gradient.fill(0.0);
        let slopes = self.workers.run(&self.nets, &self.parameters, &jobs)?;
        for (job, (loss, own)) in jobs.iter().zip(slopes) {
            let gradient = &mut self.gradient[self.parameters.of_network(job.network)];
            losses[job.network] += loss;
            gradient.iter_mut().zip(own).for_each(|(sum, g)| *sum += g);
        }
        self.parameters.differentiate(&mut self.gradient);
        Ok(losses)
    }

    /// Draws a tile for a network.
    fn draw(&mut self, network: usize) -> Job<'t, S> {
        let task = self.task;
        let tiles = &self.tiles[network];
        let (drawn, probability) = self.samplers[network].take();
        let example = &task.examples[drawn / tiles.len()];
        let slopes = task.distortion.slopes(example.base_mse);
        // The loss is the mean over examples of their planes' mean squared errors.
        let weight = 1.0 / (probability * self.tiles_per_step as f64 * task.examples.len() as f64);
        let unit = |p: usize| (weight * slopes[p] / self.samples[p]) as f32;
        let tile = tiles[drawn % tiles.len()];
        Job { example, tile, network, units: std::array::from_fn(unit) }
    }

    /// Adds the derivative of what the values cost to `gradient`.
    fn add_price(&mut self) {
        match self.task.objective {
            Objective::RateDistortion => {
                let values = self.values.iter().zip(self.parameters.iter());
                for (g, (v, p)) in self.gradient.iter_mut().zip(values) {
                    *g += p.price * self.task.db_per_bit as f32 * price_slope(*v);
                }
            }
            Objective::Published => published::add_slopes(&self.values, &mut self.gradient),
        }
    }

    /// What was learnt.
    fn finish(self) -> Tuned {
        Tuned {
            step: self.step_field,
            steps: self.steps,
            parameters: self.parameters,
            values: self.values,
        }
    }
}

/// Derivative of a smooth estimate of what an integer near `v` costs, in bits:
/// `3.2·log2(1 + 1.2·|v|)`.
fn price_slope(v: f32) -> f32 {
    (3.2 * 1.2 * std::f32::consts::LOG2_E / (1.0 + 1.2 * v.abs())).copysign(v)
}

/// The step field whose step size trades quantisation error against rate best.
///
/// Uniform quantisation of parameters of unit sensitivity costs δ²/12 of error and saves a bit per
/// doubling of δ, so the best δ² is about 2·MSE·dB-per-bit, and 0.7 times that where most integers
/// are 0. The harmonic mean of several pictures' errors counts, as dB go with 1 / MSE.
fn step_field<S>(task: &Task<'_, S>) -> u8 {
    let count = task.examples.len() as f64;
    let inverse = task.examples.iter().map(|e| 1.0 / e.base_mse.luma());
    let target = 1.4 * task.db_per_bit * count / inverse.sum::<f64>();
    let mut field = 0;
    let mut square = STEP_CHANGE * STEP_CHANGE / 64.0;
    // Next field while the geometric mean of this δ² and the next one lies below the target.
    while field < MAX_STEP && std::f64::consts::SQRT_2 * square < target {
        square *= 2.0;
        field += 1;
    }
    match task.objective {
        Objective::RateDistortion => field,
        // Means of clusters need finer units than single values.
        Objective::Published => field.saturating_sub(4),
    }
}

/// What each tile of each example loses in planes `planes` before the filter, in units of the
/// distortion; 0 for examples after `go_on` said no.
fn tile_errors<S: Sample>(
    task: &Task<'_, S>,
    tiles: &[Tile],
    planes: Range<usize>,
    go_on: &mut dyn FnMut(f64) -> bool,
) -> Result<Vec<f64>> {
    let mut all = alloc::try_filled(task.examples.len() * tiles.len(), 0.0)?;
    let parts = all.chunks_exact_mut(tiles.len());
    for (i, (example, all)) in task.examples.iter().zip(parts).enumerate() {
        if i > 0 && !go_on(0.0) {
            break;
        }
        let Example { original, decoded, base_mse, .. } = example;
        let slopes = task.distortion.slopes(*base_mse);
        for (sum, tile) in all.iter_mut().zip(tiles) {
            let error = |p| slopes[p] * tiles::squared_error(original, decoded, tile, p);
            *sum = planes.clone().map(error).sum();
        }
    }
    Ok(all)
}

/// The base model's loss in planes `planes`, as the trainer's jobs measure it: the mean over
/// examples.
fn base_loss<S>(task: &Task<'_, S>, planes: Range<usize>) -> f32 {
    let loss = |e: &Example<'_, S>| -> f64 {
        let slopes = task.distortion.slopes(e.base_mse);
        planes.clone().map(|p| slopes[p] * e.base_mse[p]).sum()
    };
    (task.examples.iter().map(loss).sum::<f64>() / task.examples.len() as f64) as f32
}
