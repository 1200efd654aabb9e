//! Fine-tuning of scales and biases on one picture, with quantisation in the loop and a rate-aware
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
use crate::picture::{Layout, Picture};
use crate::xorshift::Xorshift;
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

/// What to fine-tune on.
pub struct Task<'a> {
    /// The picture before coding.
    pub original: &'a Picture<'a>,
    /// As decoded; the same shape.
    pub decoded: &'a Picture<'a>,
    /// The base model.
    pub model: &'a Model,
    /// The picture's condition.
    pub condition: Condition,
    /// What counts.
    pub objective: Objective,
    /// Mean squared error of each plane through the base model, in grey levels².
    pub base_mse: [f64; 3],
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
/// of δ, so the best δ² is about 2·MSE·dB-per-bit.
fn step_field(mse: f64, db_per_bit: f64) -> u8 {
    let target = 2.0 * mse * db_per_bit;
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

fn parameters(model: &Model, condition: Condition, field: u8) -> Vec<Parameter> {
    let mut room = room(model, condition, field).into_iter();
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
    fn tile(
        &mut self,
        task: &Task<'_>,
        nets: &[Net],
        parameters: &[Parameter],
        units: [f32; 3],
        tile: Tile,
    ) -> Vec<f32> {
        for ((net, workspace), gradient) in
            nets.iter().zip(&mut self.workspaces).zip(&mut self.gradients)
        {
            for layer in &mut gradient.layers {
                layer.scale.fill(0.0);
                layer.bias.fill(0.0);
            }
            backward(task, net, units, tile, workspace, gradient);
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

/// Adds one network's gradient of the error that [`Worker::tile`] defines.
fn backward(
    task: &Task<'_>,
    net: &Net,
    units: [f32; 3],
    tile: Tile,
    workspace: &mut Workspace,
    gradient: &mut Net,
) {
    let arch = net.arch;
    let channels = arch.inputs - arch.outputs..arch.inputs;
    tiles::load(task.decoded, tile.origin, workspace.input());
    workspace.forward(net, task.condition, tile.origin);
    let loss = |y: usize, out: &[f32], slope: &mut [f32]| {
        if y < tile.rows.0 || y >= tile.rows.1 {
            return;
        }
        for x in tile.columns.0..tile.columns.1 {
            let (row, column) = (tile.origin.0 + y, tile.origin.1 + x);
            let pixel = 8 * x..8 * x + arch.outputs;
            let outputs = out[pixel.clone()].iter().zip(&mut slope[pixel]);
            for (i, (out, slope)) in channels.clone().zip(outputs) {
                let (sum, count) = tiles::residual(task.original, task.decoded, row, column, i);
                let e = count * out * GREY - sum;
                *slope = 2.0 * GREY * units[i.saturating_sub(3)] * e;
            }
        }
    };
    workspace.backward(net, task.condition, Train::ScaleBias, gradient, loss);
}

/// Deterministic shuffling of the tiles.
struct Shuffle {
    order: Vec<usize>,
    next: usize,
    random: Xorshift,
}

impl Shuffle {
    fn new(count: usize) -> Self {
        Self { order: (0..count).collect(), next: count, random: Xorshift(0x9e37_79b9_7f4a_7c15) }
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
pub fn fine_tune(task: &Task<'_>, progress: &mut dyn FnMut(f64) -> bool) -> Tuned {
    // Without chroma its network has nothing to learn from: its part of the update stays 0.
    let networks = task.model.networks();
    let used = if task.decoded.layout() == Layout::I400 { 1 } else { 2 };
    let base: Vec<Net> = networks.take(used).map(Net::from_network).collect();
    let field = step_field(task.base_mse[0], task.db_per_bit);
    let mut parameters = parameters(task.model, task.condition, field);
    let all = parameters.len();
    parameters.retain(|p| p.network < base.len());
    let (height, width) = (task.decoded.height().div_ceil(2), task.decoded.width().div_ceil(2));
    let halo = base.iter().map(|net| net.arch.halo()).max().unwrap_or(0);
    let (tiles, window) = tiles::tiles(height, width, PART, halo);
    let per_step = TILES_PER_STEP.min(tiles.len());
    let threads = task.threads.clamp(1, per_step);
    let workspace = |net: &Net| Workspace::new(net.arch, window.0, window.1, task.level);
    let mut workers: Vec<Worker> = (0..threads)
        .map(|_| Worker {
            workspaces: base.iter().map(workspace).collect(),
            gradients: base.iter().map(|net| Net::zeros(net.arch)).collect(),
        })
        .collect();
    let mut values = vec![0.0f32; parameters.len()];
    let mut adam = Adam::new(values.len());
    let mut nets = base.clone();
    let mut shuffle = Shuffle::new(tiles.len());
    let slopes = task.objective.slopes(&task.base_mse);
    let mut done = 0;
    while done < task.steps {
        if !progress(f64::from(done) / f64::from(task.steps)) {
            break;
        }
        apply(&base, &parameters, &values, &mut nets);
        let picked: Vec<Tile> = (0..per_step).map(|_| tiles[shuffle.take()]).collect();
        let mut units = [0.0; 3];
        for (p, (unit, slope)) in units.iter_mut().zip(slopes).enumerate() {
            let samples: usize = picked.iter().map(|t| tiles::samples(task.decoded, t, p)).sum();
            *unit = (slope / samples.max(1) as f64) as f32;
        }
        let results = run(&mut workers, task, &nets, &parameters, units, &picked);
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
    Tuned { step: field, values, channels: task.model.channels(), steps: done }
}

/// Every picked tile's gradient, in their order, whatever the number of workers.
fn run(
    workers: &mut [Worker],
    task: &Task<'_>,
    nets: &[Net],
    parameters: &[Parameter],
    units: [f32; 3],
    picked: &[Tile],
) -> Vec<Vec<f32>> {
    let stride = workers.len();
    let work = |worker: &mut Worker, lane: usize| {
        let mine = picked.iter().skip(lane).step_by(stride);
        mine.map(|t| worker.tile(task, nets, parameters, units, *t)).collect::<Vec<_>>()
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
