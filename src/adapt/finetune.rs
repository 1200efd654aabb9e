//! Fine-tuning of scales, biases and coefficients of weights on one or more pictures, with quantisation in
//! the loop and a rate-aware objective: the [`Objective`]'s dB + λ·bits(q) over the update's integers q, rounded
//! straight-through.

use super::objective::Objective;
use super::parameters::{quantise, Parameter, ParameterKind, Parameters};
use super::published;
use super::sampler::TileSampler;
use super::schedule::Schedule;
use super::tiles::{self, Tile};
use crate::cpu::CpuLevel;
use crate::network::update::{Update, MAX_STEP};
use crate::network::{Condition, Model};
use crate::picture::{Layout, Picture, Sample};
use crate::train::net::{Net, Train, Workspace};
use crate::util::alloc;
use crate::util::fault;
use crate::Result;
use std::ops::Range;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Side of the part of a tile that counts, in half-resolution pixels. Many steps on small tiles gain more
/// in a second than few on large ones.
const PART: usize = 32;
/// Pixels that are seen around that part: fewer than the networks reach, as far ones matter little.
const MARGIN: usize = 2;
/// Output change of one step at step field 6, in grey levels (root mean square over samples): what
/// a model's step tables are made for.
pub const STEP_CHANGE: f64 = 0.06;
/// Magnitudes below this count as 0 in training.
const DEAD_ZONE: f32 = 0.5;
/// Coefficients are many and cost some bits each: magnitudes below this count as 0.
const COEFFICIENT_DEAD_ZONE: f32 = 1.0;
/// The trainer works in units of 128 grey levels.
const GREY: f32 = 128.0;

/// A picture to learn from.
#[derive(Clone, Copy)]
pub struct Example<'a, S> {
    /// The picture before coding.
    pub original: Picture<'a, S>,
    /// As decoded; the same shape.
    pub decoded: Picture<'a, S>,
    /// The picture's condition.
    pub condition: Condition,
    /// Mean squared error of each plane through the base model, in grey levels² of 8 bits.
    pub base_mse: [f64; 3],
}

/// What to fine-tune on.
pub struct Task<'a, S = u8> {
    /// At least one; all of one shape. Their mean counts.
    pub examples: &'a [Example<'a, S>],
    /// The base model.
    pub model: &'a Model,
    /// What counts.
    pub objective: Objective,
    /// What a bit costs, in dB.
    pub db_per_bit: f64,
    /// Optimiser steps.
    pub steps: u32,
    /// What is trained, and how it is made small.
    pub recipe: Recipe,
    /// Tiles in a step.
    pub tiles: usize,
    /// Time after which the schedule ends, if it has not by steps: the result then depends on the machine.
    pub budget: Option<Duration>,
    /// Threads, at least 1; the result does not depend on them.
    pub threads: usize,
    /// Instruction set, at most; the result does not depend on it.
    pub level: CpuLevel,
}

/// What is trained, and how it is made small.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Recipe {
    /// Scales, biases and coefficients of weights, rounded in the loop, each at its price.
    #[default]
    RateAware,
    /// All weights and biases, unrounded, with the compressibility loss of Lam et al. (arXiv 1905.04079); then
    /// pruned and clustered. For comparison.
    Published,
}

/// A fine-tuned update before rounding: parameters in units of the steps at `step`.
pub struct Tuned<'a> {
    /// Step field of the payload.
    pub step: u8,
    /// Steps that were run.
    pub steps: u32,
    model: &'a Model,
    parameters: Parameters,
    values: Vec<f32>,
}

impl<'a> Tuned<'a> {
    /// With these values: of each network the layers' coefficients, one by one from `value(layer, number)`.
    #[cfg(test)]
    pub(crate) fn with_coefficients(
        model: &'a Model,
        conditions: &[Condition],
        step: u8,
        mut value: impl FnMut(usize, usize) -> f32,
    ) -> Self {
        let parameters =
            Parameters::new(model, 2, conditions, step, Recipe::RateAware).expect("memory");
        let mut values = Vec::new();
        for (layer, range) in parameters.coefficients().enumerate() {
            values.resize(range.start, 0.0);
            values.extend((0..range.len()).map(|i| value(layer, i)));
        }
        Self { step, steps: 0, model, parameters, values }
    }

    /// Rounds to integers; magnitudes below `zone`, at least 0.5, become 0, those of coefficients below
    /// `coefficient_zone`.
    #[must_use]
    pub fn round(&self, zone: f32, coefficient_zone: f32) -> Update {
        let zone = |p: &Parameter| match p.kind {
            ParameterKind::Coefficient => coefficient_zone,
            ParameterKind::Scale | ParameterKind::Bias => zone,
        };
        let pairs = self.values.iter().zip(self.parameters.iter());
        let integers = pairs.map(|(v, p)| quantise(*v, zone(p)));
        self.parameters.update(self.model, self.step, integers)
    }

    /// The largest `share` of the values, each as the nearest of `clusters` means (k-means), which are
    /// integers; the others become 0.
    #[must_use]
    pub fn cluster(&self, share: f64, clusters: usize) -> Update {
        let integers = published::clustered(&self.values, share, clusters);
        self.parameters.update(self.model, self.step, integers.into_iter())
    }
}

/// Derivative of a smooth estimate of what an integer near `v` costs, in bits:
/// `3.2·log2(1 + 1.2·|v|)`.
fn price_slope(v: f32) -> f32 {
    (3.2 * 1.2 * std::f32::consts::LOG2_E / (1.0 + 1.2 * v.abs())).copysign(v)
}

/// The step field whose step size trades quantisation error against rate best: uniform
/// quantisation of parameters of unit sensitivity costs δ²/12 of error and saves a bit per doubling
/// of δ, so the best δ² is about 2·MSE·dB-per-bit, and 0.7 times that where most integers are 0; of several
/// pictures' errors the harmonic mean, as dB go with 1 / MSE.
fn step_field(mse: impl ExactSizeIterator<Item = f64>, db_per_bit: f64) -> u8 {
    let count = mse.len() as f64;
    let target = 1.4 * db_per_bit * count / mse.map(|e| 1.0 / e).sum::<f64>();
    let mut field = 0;
    let mut square = STEP_CHANGE * STEP_CHANGE / 64.0;
    // Next field while the geometric mean of this δ² and the next one lies below the target.
    while field < MAX_STEP && std::f64::consts::SQRT_2 * square < target {
        square *= 2.0;
        field += 1;
    }
    field
}

/// Squared errors, and their derivatives by a network's integers.
type Slope = (f32, Vec<f32>);

/// One thread's buffers, for each network.
struct Worker {
    workspaces: Vec<Workspace>,
    gradients: Vec<Net>,
}

impl Worker {
    /// The job's squared error (grey levels²), summed over the tile's samples with the job's weights, and its
    /// gradient: see [`Parameters::collect`].
    fn work<S: Sample>(
        &mut self,
        nets: &[Net],
        parameters: &Parameters,
        job: &Job<'_, S>,
    ) -> Result<Slope> {
        fault::point("fine-tune");
        let &Job { example, tile, units, network } = job;
        let (net, workspace) = (&nets[network], &mut self.workspaces[network]);
        let gradient = &mut self.gradients[network];
        for layer in &mut gradient.layers {
            layer.scale.fill(0.0);
            layer.bias.fill(0.0);
            layer.weights.fill(0.0);
        }
        let arch = net.arch;
        let channels = arch.inputs - arch.outputs..arch.inputs;
        tiles::load(&example.decoded, tile.origin, workspace.input());
        workspace.forward(net, example.condition, tile.origin);
        let mut sum_of_squares = 0.0;
        let loss = |y: usize, out: &[f32], slope: &mut [f32]| {
            if y < tile.rows.0 || y >= tile.rows.1 {
                return;
            }
            for x in tile.columns.0..tile.columns.1 {
                let (row, column) = (tile.origin.0 + y, tile.origin.1 + x);
                let pixel = 8 * x..8 * x + arch.outputs;
                let outputs = out[pixel.clone()].iter().zip(&mut slope[pixel]);
                for (i, (out, slope)) in channels.clone().zip(outputs) {
                    let (sum, count) =
                        tiles::residual(&example.original, &example.decoded, row, column, i);
                    let (e, unit) = (count * out * GREY - sum, units[i.saturating_sub(3)]);
                    // Samples beside a pixel get the same correction: their mean counts.
                    sum_of_squares += unit * e * e / count.max(1.0);
                    *slope = 2.0 * GREY * unit * e;
                }
            }
        };
        workspace.backward(net, example.condition, Train::All, gradient, loss);
        Ok((sum_of_squares, parameters.collect(network, net, gradient)?))
    }
}

/// A tile for a network to learn from.
struct Job<'a, S> {
    example: &'a Example<'a, S>,
    tile: Tile,
    network: usize,
    /// Weight of a sample's squared error in each plane.
    units: [f32; 3],
}

/// What each tile of each example loses in planes `planes` before the filter, in units of the objective.
/// `go_on` is asked between examples; those after it said no count as if they lost nothing.
fn errors<S: Sample>(
    task: &Task<'_, S>,
    tiles: &[Tile],
    planes: Range<usize>,
    go_on: &mut dyn FnMut() -> bool,
) -> Result<Vec<f64>> {
    let mut all = alloc::try_filled(task.examples.len() * tiles.len(), 0.0)?;
    let parts = all.chunks_exact_mut(tiles.len());
    for (i, (example, all)) in task.examples.iter().zip(parts).enumerate() {
        if i > 0 && !go_on() {
            break;
        }
        let Example { original, decoded, base_mse, .. } = example;
        let slopes = task.objective.slopes(base_mse);
        for (sum, tile) in all.iter_mut().zip(tiles) {
            let error = |p| slopes[p] * tiles::squared_error(original, decoded, tile, p);
            *sum = planes.clone().map(error).sum();
        }
    }
    Ok(all)
}

/// Fine-tunes; `progress` gets the fraction done and returns whether to go on, and is not called again after it
/// said no.
///
/// # Errors
/// [`OutOfMemory`](crate::Error::OutOfMemory).
///
/// # Panics
/// Without examples.
pub fn fine_tune<'a, S: Sample>(
    task: &Task<'a, S>,
    progress: &mut dyn FnMut(f64) -> bool,
) -> Result<Tuned<'a>> {
    let clock = Instant::now();
    let mut go_on = true;
    let mut progress = |fraction| {
        go_on = go_on && progress(fraction);
        go_on
    };
    let shape = &task.examples[0].decoded;
    // Without chroma its network has nothing to learn from: its part of the update stays 0.
    let networks = if shape.layout() == Layout::I400 { 1 } else { 2 };
    let base: Vec<Net> = task.model.networks().take(networks).map(Net::from_network).collect();
    let networks = 0..base.len();
    let step = step_field(task.examples.iter().map(|e| e.base_mse[0]), task.db_per_bit);
    let step = match task.recipe {
        Recipe::RateAware => step,
        // Means of clusters need finer units than single values.
        Recipe::Published => step.saturating_sub(4),
    };
    let mut conditions: Vec<Condition> = Vec::new();
    for example in task.examples {
        if !conditions.contains(&example.condition) {
            conditions.push(example.condition);
        }
    }
    let mut parameters = Parameters::new(task.model, base.len(), &conditions, step, task.recipe)?;
    let (height, width) = (shape.height().div_ceil(2), shape.width().div_ceil(2));
    let (tiles, window) = tiles::tiles(height, width, PART, MARGIN)?;
    let all_tiles = tiles.len() * task.examples.len();
    let per_step = task.tiles.clamp(1, all_tiles);
    let threads = task.threads.clamp(1, per_step * base.len());
    let workspace = |net: &Net| Workspace::new(net.arch, window.0, window.1, task.level);
    let worker = |_| -> Result<Worker> {
        Ok(Worker {
            workspaces: base.iter().map(workspace).collect::<Result<_>>()?,
            gradients: base.iter().map(|net| Net::zeros(net.arch)).collect(),
        })
    };
    let mut workers: Vec<Worker> = (0..threads).map(worker).collect::<Result<_>>()?;
    let zeros = || alloc::try_filled(parameters.len(), 0.0f32);
    let (mut values, mut rounded, mut gradient) = (zeros()?, zeros()?, zeros()?);
    let mut nets = base.clone();
    let sampler = |planes: Range<usize>| {
        TileSampler::new(&errors(task, &tiles, planes, &mut || progress(0.0))?)
    };
    let mut sampler = Model::PLANES.map(sampler).into_iter().collect::<Result<Vec<_>>>()?;
    let samples: [f64; 3] = std::array::from_fn(|p| {
        shape.planes().get(p).map_or(1.0, |plane| (plane.height() * plane.width()) as f64)
    });
    let base_loss = |planes: Range<usize>| {
        let of = |e: &Example<'_, S>| -> f64 {
            let slopes = task.objective.slopes(&e.base_mse);
            planes.clone().map(|p| slopes[p] * e.base_mse[p]).sum()
        };
        (task.examples.iter().map(of).sum::<f64>() / task.examples.len() as f64) as f32
    };
    let schedules = networks.clone().zip(Model::PLANES);
    let mut schedules = schedules
        .map(|(network, planes)| Schedule::new(&parameters, network, base_loss(planes)))
        .collect::<Result<Vec<_>>>()?;
    let mut done = 0;
    // The errors in the objective's units and their gradient, estimated from tiles that are drawn.
    let mut differentiate = |parameters: &mut Parameters,
                             nets: &[Net],
                             gradient: &mut [f32]|
     -> Result<[f32; 2]> {
        let mut job = |network: usize| {
            let (drawn, probability) = sampler[network].take();
            let example = &task.examples[drawn / tiles.len()];
            let slopes = task.objective.slopes(&example.base_mse);
            // Of the mean over examples of their planes' mean squared errors.
            let weight = 1.0 / (probability * per_step as f64 * task.examples.len() as f64);
            let unit = |p: usize| (weight * slopes[p] / samples[p]) as f32;
            let tile = tiles[drawn % tiles.len()];
            Job { example, tile, network, units: std::array::from_fn(unit) }
        };
        let jobs: Vec<Job<'_, S>> =
            networks.clone().flat_map(|n| std::iter::repeat_n(n, per_step)).map(&mut job).collect();
        let mut losses = [0.0; 2];
        gradient.fill(0.0);
        for (job, result) in jobs.iter().zip(run(&mut workers, nets, parameters, &jobs)) {
            let gradient = &mut gradient[parameters.of_network(job.network)];
            let (loss, own) = result?;
            losses[job.network] += loss;
            gradient.iter_mut().zip(own).for_each(|(sum, g)| *sum += g);
        }
        parameters.differentiate(gradient);
        Ok(losses)
    };
    loop {
        let spent = task.budget.map_or(0.0, |budget| {
            clock.elapsed().as_secs_f64() / budget.as_secs_f64().max(f64::MIN_POSITIVE)
        });
        let fraction = (f64::from(done) / f64::from(task.steps)).max(spent);
        if fraction >= 1.0 || !progress(fraction) {
            break;
        }
        for ((p, v), used) in parameters.iter().zip(&values).zip(&mut rounded) {
            *used = match (task.recipe, p.kind) {
                (Recipe::Published, _) => *v,
                (Recipe::RateAware, ParameterKind::Coefficient) => {
                    quantise(*v, COEFFICIENT_DEAD_ZONE)
                }
                (Recipe::RateAware, _) => quantise(*v, DEAD_ZONE),
            };
        }
        parameters.apply(&rounded, &base, &mut nets);
        let losses = differentiate(&mut parameters, &nets, &mut gradient)?;
        done += 1;
        match task.recipe {
            Recipe::RateAware => {
                for ((g, v), p) in gradient.iter_mut().zip(&values).zip(parameters.iter()) {
                    *g += p.price * task.db_per_bit as f32 * price_slope(*v);
                }
            }
            Recipe::Published => published::add_slopes(&values, &mut gradient),
        }
        let time = (fraction as f32, 1.0 / task.steps as f32);
        for (schedule, loss) in schedules.iter_mut().zip(losses) {
            schedule.step(loss, time, &mut values, &gradient);
        }
        for (v, p) in values.iter_mut().zip(parameters.iter()) {
            *v = v.clamp(p.least, p.most);
        }
        parameters.hold(&mut values);
    }
    Ok(Tuned { step, steps: done, model: task.model, parameters, values })
}

/// Every job's error and gradient, in their order, whatever the number of workers.
fn run<S: Sample>(
    workers: &mut [Worker],
    nets: &[Net],
    parameters: &Parameters,
    jobs: &[Job<'_, S>],
) -> Vec<Result<Slope>> {
    let stride = workers.len();
    let work = |worker: &mut Worker, lane: usize| {
        let mine = jobs.iter().skip(lane).step_by(stride);
        mine.map(|job| worker.work(nets, parameters, job)).collect::<Vec<_>>()
    };
    let mut results: Vec<Vec<Result<Slope>>> = (0..stride).map(|_| Vec::new()).collect();
    // Threads take lanes until there are none; where no thread can be started, the caller's takes
    // them all.
    let lanes = Mutex::new(workers.iter_mut().zip(&mut results).enumerate().collect::<Vec<_>>());
    let drain = || loop {
        let lane = lanes.lock().unwrap_or_else(PoisonError::into_inner).pop();
        match lane {
            Some((lane, (worker, out))) => *out = work(worker, lane),
            None => return,
        }
    };
    std::thread::scope(|scope| {
        for _ in 1..stride {
            // An unstarted thread's lanes are the others' work.
            let _ = std::thread::Builder::new().spawn_scoped(scope, drain);
        }
        drain();
    });
    drop(lanes);
    let mut sources: Vec<_> = results.iter_mut().map(|l| l.drain(..)).collect();
    (0..jobs.len()).filter_map(|i| sources[i % stride].next()).collect()
}
