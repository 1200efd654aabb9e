//! Fine-tuning of scales and biases on one or more pictures, with quantisation in the loop and a rate-aware
//! objective: the [`Objective`]'s dB + λ·bits(q) over the update's integers q, rounded
//! straight-through.

use super::adam::{Adam, AdamRates};
use super::net::{padded, Net, Train, Workspace};
use super::objective::Objective;
use super::tiles::{self, Tile};
use crate::cpu::CpuLevel;
use crate::network::instance::{room, scaled};
use crate::network::model::INPUT_LIMIT;
use crate::network::{Condition, Model};
use crate::payload::update::{LayerScaleBias, ScaleBias, MAX_STEP};
use crate::picture::{Layout, Picture, Sample};
use crate::xorshift::Xorshift;
use crate::{fault, memory, Result};
use std::sync::{Mutex, PoisonError};

/// Side of the part of a tile that counts, in half-resolution pixels.
const PART: usize = 64;
/// Tiles in a step.
const TILES_PER_STEP: usize = 6;
/// Output change of one step at step field 3, in grey levels (root mean square over samples): what
/// a model's step tables are made for.
pub const STEP_CHANGE: f64 = 0.06;
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
    /// Threads, at least 1; the result does not depend on them.
    pub threads: usize,
    /// Instruction set, at most; the result does not depend on it.
    pub level: CpuLevel,
}

/// A fine-tuned update before rounding: parameters in units of the steps at `step`.
#[derive(Clone, Debug)]
pub struct Tuned {
    /// Step field of the payload.
    pub step: u8,
    /// Per layer: scales, then biases.
    values: Vec<f32>,
    channels: Vec<usize>,
    /// Steps that were run.
    pub steps: u32,
}

impl Tuned {
    /// Rounds to integers; magnitudes below `threshold`, 0.5..=1.0, become 0.
    #[must_use]
    pub fn round(&self, threshold: f32) -> ScaleBias {
        let mut values = self.values.iter().map(|v| quantise(*v, threshold) as i16);
        let mut take = |n: usize| values.by_ref().take(n).collect::<Vec<_>>();
        let layers = self.channels.iter();
        let layers = layers.map(|&n| LayerScaleBias { scale: take(n), bias: take(n) }).collect();
        ScaleBias { step: self.step, layers }
    }
}

fn quantise(v: f32, threshold: f32) -> f32 {
    if v.abs() < threshold {
        return 0.0;
    }
    // floor(x + 1/2) of the magnitude: `round` without a call that depends on the platform.
    let magnitude = (v.abs() + 0.5) as i32 as f32;
    magnitude.copysign(v)
}

/// Derivative of a smooth estimate of what an integer near `v` costs, in bits:
/// `3.2·log2(1 + 1.2·|v|)`.
fn price_slope(v: f32) -> f32 {
    (3.2 * 1.2 * std::f32::consts::LOG2_E / (1.0 + 1.2 * v.abs())).copysign(v)
}

/// The step field whose step size trades quantisation error against rate best: uniform
/// quantisation of parameters of unit sensitivity costs δ²/12 of error and saves a bit per doubling
/// of δ, so the best δ² is about 2·MSE·dB-per-bit; of several pictures' errors the harmonic mean, as
/// dB go with 1 / MSE.
fn step_field(mse: impl ExactSizeIterator<Item = f64>, db_per_bit: f64) -> u8 {
    let count = mse.len() as f64;
    let target = 2.0 * db_per_bit * count / mse.map(|e| 1.0 / e).sum::<f64>();
    let mut field = 0;
    let mut square = STEP_CHANGE * STEP_CHANGE / 64.0;
    // Next field while the geometric mean of this δ² and the next one lies below the target.
    while field < MAX_STEP && 2.0 * square < target {
        square *= 4.0;
        field += 1;
    }
    field
}

/// One integer of the update.
struct Parameter {
    network: usize,
    layer: usize,
    bias: bool,
    channel: usize,
    /// What one unit adds to the network's scale or bias.
    amount: f32,
    /// Largest magnitude that keeps the model valid.
    most: f32,
}

fn parameters(model: &Model, conditions: &[Condition], field: u8) -> Vec<Parameter> {
    let mut room = conditions
        .iter()
        .map(|condition| room(model, *condition, field))
        .reduce(least)
        .unwrap_or_default()
        .into_iter();
    let mut all = Vec::new();
    for (network, layer, m) in model.networks().enumerate().flat_map(|(n, network)| {
        network.layers.iter().enumerate().map(move |(l, layer)| (n, l, layer))
    }) {
        let room = room.next().unwrap_or_default();
        let scales = (false, &m.scale_step, 1.0 / (1u64 << m.shift) as f32);
        let biases = (true, &m.bias_step, 1.0 / INPUT_LIMIT as f32);
        for (bias, steps, unit) in [scales, biases] {
            for (channel, step) in steps.iter().enumerate() {
                let amount = scaled(*step, field) as f32 * unit;
                let most = f32::from(room[usize::from(bias)][channel]);
                all.push(Parameter { network, layer, bias, channel, amount, most });
            }
        }
    }
    all
}

/// The smaller one of each pair.
fn least(a: Vec<[Vec<i16>; 2]>, b: Vec<[Vec<i16>; 2]>) -> Vec<[Vec<i16>; 2]> {
    let min = |a: &[i16], b: &[i16]| a.iter().zip(b).map(|(a, b)| *a.min(b)).collect();
    let pairs = a.iter().zip(&b);
    pairs.map(|(a, b)| [min(&a[0], &b[0]), min(&a[1], &b[1])]).collect()
}

/// Writes the parameters' integers into `nets`, a copy of `base`.
fn apply(base: &[Net], parameters: &[Parameter], values: &[f32], nets: &mut [Net]) {
    for (p, v) in parameters.iter().zip(values) {
        let from = &base[p.network].layers[p.layer];
        let to = &mut nets[p.network].layers[p.layer];
        let change = quantise(*v, 0.5) * p.amount;
        if p.bias {
            let rows = padded(from.cout);
            for i in (p.channel..from.bias.len()).step_by(rows) {
                to.bias[i] = from.bias[i] + change;
            }
        } else {
            to.scale[p.channel] = from.scale[p.channel] + change;
        }
    }
}

/// One thread's buffers, for each network.
struct Worker {
    workspaces: Vec<Workspace>,
    gradients: Vec<Net>,
}

impl Worker {
    /// Gradient of the squared error (grey levels²) summed over the tile's samples, those of plane p
    /// times `units[p]`, for each parameter's unit.
    fn tile<S: Sample>(
        &mut self,
        nets: &[Net],
        parameters: &[Parameter],
        job: &Job<'_, S>,
    ) -> Vec<f32> {
        for ((net, workspace), gradient) in
            nets.iter().zip(&mut self.workspaces).zip(&mut self.gradients)
        {
            for layer in &mut gradient.layers {
                layer.scale.fill(0.0);
                layer.bias.fill(0.0);
            }
            backward(net, job, workspace, gradient);
        }
        parameters
            .iter()
            .map(|p| {
                let layer = &self.gradients[p.network].layers[p.layer];
                let sum: f32 = if p.bias {
                    layer.bias[p.channel..].iter().step_by(padded(layer.cout)).sum()
                } else {
                    layer.scale[p.channel]
                };
                sum * p.amount
            })
            .collect()
    }
}

/// A tile to learn from.
struct Job<'a, S> {
    example: &'a Example<'a, S>,
    tile: Tile,
    /// Weight of a sample's squared error in each plane.
    units: [f32; 3],
}

/// Adds one network's gradient of the error that [`Worker::tile`] defines.
fn backward<S: Sample>(net: &Net, job: &Job<'_, S>, workspace: &mut Workspace, gradient: &mut Net) {
    fault::point("fine-tune");
    let &Job { example, tile, units } = job;
    let arch = net.arch;
    let channels = arch.inputs - arch.outputs..arch.inputs;
    tiles::load(&example.decoded, tile.origin, workspace.input());
    workspace.forward(net, example.condition, tile.origin);
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
                let e = count * out * GREY - sum;
                *slope = 2.0 * GREY * units[i.saturating_sub(3)] * e;
            }
        }
    };
    workspace.backward(net, example.condition, Train::ScaleBias, gradient, loss);
}

/// Deterministic shuffling of the tiles.
struct Shuffle {
    order: Vec<usize>,
    next: usize,
    random: Xorshift,
}

impl Shuffle {
    fn new(count: usize) -> Result<Self> {
        let order = memory::collected(count, 0..count)?;
        Ok(Self { order, next: count, random: Xorshift(0x9e37_79b9_7f4a_7c15) })
    }

    fn take(&mut self) -> usize {
        if self.next == self.order.len() {
            for i in (1..self.order.len()).rev() {
                self.order.swap(i, (self.random.next() % (i as u64 + 1)) as usize);
            }
            self.next = 0;
        }
        self.next += 1;
        self.order[self.next - 1]
    }
}

/// Fine-tunes; `progress` gets the fraction done and returns whether to go on.
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
    let shape = &task.examples[0].decoded;
    // Without chroma its network has nothing to learn from: its part of the update stays 0.
    let networks = task.model.networks();
    let used = if shape.layout() == Layout::I400 { 1 } else { 2 };
    let base: Vec<Net> = networks.take(used).map(Net::from_network).collect();
    let field = step_field(task.examples.iter().map(|e| e.base_mse[0]), task.db_per_bit);
    let mut conditions: Vec<Condition> = Vec::new();
    for example in task.examples {
        if !conditions.contains(&example.condition) {
            conditions.push(example.condition);
        }
    }
    let mut parameters = parameters(task.model, &conditions, field);
    let all = parameters.len();
    parameters.retain(|p| p.network < base.len());
    let (height, width) = (shape.height().div_ceil(2), shape.width().div_ceil(2));
    let halo = base.iter().map(|net| net.arch.halo()).max().unwrap_or(0);
    let (tiles, window) = tiles::tiles(height, width, PART, halo)?;
    let all_tiles = tiles.len() * task.examples.len();
    let per_step = TILES_PER_STEP.min(all_tiles);
    let threads = task.threads.clamp(1, per_step);
    let workspace = |net: &Net| Workspace::new(net.arch, window.0, window.1, task.level);
    let worker = |_| -> Result<Worker> {
        Ok(Worker {
            workspaces: base.iter().map(workspace).collect::<Result<_>>()?,
            gradients: base.iter().map(|net| Net::zeros(net.arch)).collect(),
        })
    };
    let mut workers: Vec<Worker> = (0..threads).map(worker).collect::<Result<_>>()?;
    let mut values = vec![0.0f32; parameters.len()];
    let mut adam = Adam::new(values.len());
    let mut nets = base.clone();
    let mut shuffle = Shuffle::new(all_tiles)?;
    let mut done = 0;
    while done < task.steps {
        if !progress(f64::from(done) / f64::from(task.steps)) {
            break;
        }
        apply(&base, &parameters, &values, &mut nets);
        let pick = |_| {
            let i = shuffle.take();
            (&task.examples[i / tiles.len()], tiles[i % tiles.len()])
        };
        let picked: Vec<_> = (0..per_step).map(pick).collect();
        let samples: [usize; 3] = std::array::from_fn(|p| {
            picked.iter().map(|(_, tile)| tiles::samples(shape, tile, p)).sum()
        });
        let jobs = picked.into_iter().map(|(example, tile)| {
            let slopes = task.objective.slopes(&example.base_mse);
            let unit = |p: usize| (slopes[p] / samples[p].max(1) as f64) as f32;
            Job { example, tile, units: std::array::from_fn(unit) }
        });
        let jobs: Vec<Job<'_, S>> = jobs.collect();
        let results = run(&mut workers, &nets, &parameters, &jobs);
        let mut gradient = vec![0.0f32; values.len()];
        for g in &results {
            gradient.iter_mut().zip(g).for_each(|(sum, g)| *sum += g);
        }
        for (g, v) in gradient.iter_mut().zip(&values) {
            *g += task.db_per_bit as f32 * price_slope(*v);
        }
        let rest = 1.0 - done as f32 / task.steps as f32;
        done += 1;
        let rates = AdamRates { rate: 0.33 * rest + 0.02, beta1: 0.9, beta2: 0.99 };
        adam.step(rates, done, &mut values, &gradient);
        for (v, p) in values.iter_mut().zip(&parameters) {
            *v = v.clamp(-p.most, p.most);
        }
    }
    values.resize(all, 0.0);
    Ok(Tuned { step: field, values, channels: task.model.channels(), steps: done })
}

/// Every picked tile's gradient, in their order, whatever the number of workers.
fn run<S: Sample>(
    workers: &mut [Worker],
    nets: &[Net],
    parameters: &[Parameter],
    picked: &[Job<'_, S>],
) -> Vec<Vec<f32>> {
    let stride = workers.len();
    let work = |worker: &mut Worker, lane: usize| {
        let mine = picked.iter().skip(lane).step_by(stride);
        mine.map(|job| worker.tile(nets, parameters, job)).collect::<Vec<_>>()
    };
    let mut lanes: Vec<Vec<Vec<f32>>> = vec![Vec::new(); stride];
    // Threads take lanes until there are none; where no thread can be started, the caller's takes
    // them all.
    let jobs = Mutex::new(workers.iter_mut().zip(&mut lanes).enumerate().collect::<Vec<_>>());
    let drain = || loop {
        let job = jobs.lock().unwrap_or_else(PoisonError::into_inner).pop();
        match job {
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
    drop(jobs);
    let mut sources: Vec<_> = lanes.iter_mut().map(|l| l.drain(..)).collect();
    (0..picked.len()).filter_map(|i| sources[i % stride].next()).collect()
}
