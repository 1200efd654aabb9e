//! Trains a base model from scratch on a folder of pictures.
//!
//! The network sees the four luma phases through an orthonormal 2×2 Hadamard transform and chroma
//! amplified, and its luma targets are transformed likewise: this only preconditions the optimiser,
//! and is folded into the first and last convolutions when the model is exported. The loss is each
//! plane's squared error divided by the mean error that planes of the same quality have, so that
//! every quality weighs the same; chroma planes weigh a sixth of luma each.

mod checkpoint;
mod data;
pub mod export;
mod planes;
mod tables;
pub mod tune;

use anyhow::{Context, Result};
use checkpoint::Checkpoint;
use clap::Args;
use data::{Crop, Pictures};
use rand::SeedableRng;
use rand_pcg::Pcg64Mcg;
use sidelight::adapt::adam::AdamRates;
use sidelight::adapt::net::{padded, Net, Train, Workspace};
use sidelight::adapt::tiles;
use sidelight::cpu::CpuLevel;
use sidelight::network::Arch;
use sidelight::{Condition, Layout, Picture};
use std::io::Write;
use std::path::PathBuf;
use std::time::Instant;

/// The output of the trained network is in units of 128 / OUTPUT_GAIN grey levels.
pub const OUTPUT_GAIN: f32 = 16.0;
/// Chroma inputs of the trained network are in units of 128 / CHROMA_GAIN grey levels: chroma varies
/// less than luma.
pub const CHROMA_GAIN: f32 = 2.0;
/// What each plane's error weighs.
const WEIGHTS: [f32; 3] = [1.0, 1.0 / 6.0, 1.0 / 6.0];
/// Rows and columns of half-resolution pixels at a crop's edge that do not count.
const MARGIN: usize = 2;
const VALIDATION_CROP: usize = 192;

#[derive(Args)]
pub struct Options {
    /// Folder of PNG pictures to train on
    #[arg(long)]
    data: PathBuf,
    /// Checkpoint to write, and to resume from if it exists
    #[arg(long)]
    out: PathBuf,
    /// Channels of the hidden layers
    #[arg(long, default_value_t = 32)]
    channels: usize,
    /// Hidden convolutions
    #[arg(long, default_value_t = 3)]
    hidden: usize,
    /// Optimiser steps of the whole schedule
    #[arg(long, default_value_t = 60_000)]
    steps: u32,
    /// Crops in a step
    #[arg(long, default_value_t = 8)]
    batch: usize,
    /// Luma samples along a crop's side (a multiple of 16)
    #[arg(long, default_value_t = 96)]
    crop: usize,
    /// Largest step size
    #[arg(long, default_value_t = 2e-3)]
    rate: f32,
    /// Seed of everything random
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Threads; the result does not depend on them
    #[arg(long, default_value_t = 1)]
    threads: usize,
    /// Steps between validations and checkpoints
    #[arg(long, default_value_t = 1000)]
    every: u32,
    /// Stop after this many steps without changing the schedule
    #[arg(long)]
    stop_at: Option<u32>,
}

/// Trains until the schedule ends.
pub fn run(options: &Options) -> Result<()> {
    let arch = Arch::colour(options.channels, options.hidden);
    arch.check()?;
    anyhow::ensure!(
        options.crop.is_multiple_of(16) && options.crop >= 32,
        "--crop: a multiple of 16"
    );
    let pictures = Pictures::open(&options.data)?;
    let (train, held_out) = pictures.counts();
    eprintln!(
        "{train} pictures, {held_out} held out; {} MAC a sample, {:?}",
        arch.macs_per_sample(),
        CpuLevel::current()
    );
    let validation = Validation::new(&pictures)?;
    let mut state = match Checkpoint::read(&options.out, arch)? {
        Some(c) => c,
        None => Checkpoint::new(initial(arch, options.seed)),
    };
    let mut trainer = Trainer::new(arch, options);
    let bar = indicatif::ProgressBar::new(u64::from(options.steps))
        .with_style(indicatif::ProgressStyle::with_template("{bar:30} {pos}/{len} {eta} {msg}")?);
    let log_path = options.out.with_extension("log");
    let mut log = std::fs::OpenOptions::new().create(true).append(true).open(&log_path)?;
    let clock = Instant::now();
    let last = options.stop_at.unwrap_or(options.steps).min(options.steps);
    while state.step < last {
        trainer.step(&pictures, &mut state, options)?;
        bar.set_position(u64::from(state.step));
        if state.step % options.every == 0 || state.step == last {
            state.write(&options.out).context("writing the checkpoint")?;
            let line = format!(
                "{} {:.0} s loss {:.5} gain {}",
                state.step,
                clock.elapsed().as_secs_f64(),
                trainer.take_loss(),
                validation.gains(&state.net)
            );
            writeln!(log, "{line}")?;
            bar.println(&line);
        }
    }
    bar.finish();
    Ok(())
}

/// He's initialisation, with a small last layer.
fn initial(arch: Arch, seed: u64) -> Net {
    use rand::Rng;
    let mut rng = Pcg64Mcg::seed_from_u64(seed);
    let mut net = Net::zeros(arch);
    let last = net.layers.len() - 1;
    for (l, layer) in net.layers.iter_mut().enumerate() {
        let p = padded(layer.cout);
        let shrink = if l == last { 0.1 } else { 1.0 };
        let bound = shrink * (6.0 / (9 * layer.cin) as f32).sqrt();
        for (i, t) in layer.taps.iter_mut().enumerate() {
            if i % p < layer.cout {
                *t = rng.random_range(-bound..bound);
            }
        }
    }
    net
}

/// Fills the network's input with a crop's transformed phases and its chroma.
fn load(crop: &Crop, ws: &mut Workspace) {
    let map = ws.input();
    tiles::load(&crop.decoded(), (0, 0), map);
    let inputs = map.channels;
    for y in 0..map.height {
        for pixel in map.row_mut(y).chunks_exact_mut(inputs) {
            let (luma, chroma) = pixel.split_first_chunk_mut::<4>().expect("four phases");
            *luma = hadamard(*luma);
            chroma.iter_mut().for_each(|c| *c *= CHROMA_GAIN);
        }
    }
}

/// What channel `c` of half-resolution pixel (`y`, `x`) lacks, in grey levels: the mean over its
/// samples; 0 in a gray picture's chroma.
fn residual(original: &Picture<'_>, decoded: &Picture<'_>, y: usize, x: usize) -> [f32; 6] {
    std::array::from_fn(|c| {
        let (sum, count) = tiles::residual(original, decoded, y, x, c);
        sum / count.max(1.0)
    })
}

/// Residuals with transformed luma.
fn transformed(r: [f32; 6]) -> [f32; 6] {
    let [a, b, c, d] = hadamard([r[0], r[1], r[2], r[3]]);
    [a, b, c, d, r[4], r[5]]
}

/// The orthonormal 2×2 Hadamard transform; its own inverse.
pub fn hadamard([a, b, c, d]: [f32; 4]) -> [f32; 4] {
    [a + b + c + d, a - b + c - d, a + b - c - d, a - b - c + d].map(|v| v / 2.0)
}

/// Squared error that planes coded with the condition's tables have, roughly; it sets how much a
/// crop weighs.
fn expected_errors(c: Condition) -> [f32; 3] {
    let error = |table: &[i32], amount: f32| {
        let log_step = (table[1] + table[2] + table[3]) as f32 / (3.0 * 256.0) + 4.0;
        amount * (0.85 * log_step).exp2()
    };
    let chroma = error(&c.0[8..], 0.5);
    [error(&c.0, 2.0), chroma, chroma]
}

struct Trainer {
    workspaces: Vec<Workspace>,
    gradients: Vec<Net>,
    loss: f64,
    count: u32,
}

impl Trainer {
    fn new(arch: Arch, options: &Options) -> Self {
        let half = options.crop / 2;
        let workspace = |_| Workspace::new(arch, half, half, CpuLevel::current());
        Self {
            workspaces: (0..options.batch).map(workspace).collect(),
            gradients: vec![Net::zeros(arch); options.batch],
            loss: 0.0,
            count: 0,
        }
    }

    fn step(
        &mut self,
        pictures: &Pictures,
        state: &mut Checkpoint,
        options: &Options,
    ) -> Result<()> {
        let net = &state.net;
        let seed = options.seed.wrapping_mul(1 << 32).wrapping_add(u64::from(state.step) << 8);
        let jobs: Vec<_> =
            self.workspaces.iter_mut().zip(&mut self.gradients).enumerate().collect();
        let mut lanes: Vec<Vec<_>> = (0..options.threads.max(1)).map(|_| Vec::new()).collect();
        for job in jobs {
            let lane = job.0 % lanes.len();
            lanes[lane].push(job);
        }
        let run_lane =
            |lane: Vec<(usize, (&mut Workspace, &mut Net))>| -> Result<Vec<(usize, f64)>> {
                lane.into_iter()
                    .map(|(i, (ws, grad))| {
                        let mut rng = Pcg64Mcg::seed_from_u64(seed + i as u64);
                        let crop = pictures.crop(options.crop, &mut rng)?;
                        Ok((i, one_crop(net, &crop, ws, grad)))
                    })
                    .collect()
            };
        let mut losses = vec![0.0; options.batch];
        let results: Vec<Result<Vec<(usize, f64)>>> = std::thread::scope(|s| {
            let mut lanes = lanes.into_iter();
            let own = lanes.next().expect("at least one lane");
            let others: Vec<_> = lanes.map(|lane| s.spawn(|| run_lane(lane))).collect();
            let mut all = vec![run_lane(own)];
            all.extend(others.into_iter().map(|h| h.join().expect("training thread")));
            all
        });
        for r in results {
            for (i, loss) in r? {
                losses[i] = loss;
            }
        }
        self.loss += losses.iter().sum::<f64>() / options.batch as f64;
        self.count += 1;
        let (total, rest) = self.gradients.split_first_mut().expect("a batch has a crop");
        for other in rest {
            for (t, o) in total.tensors_mut().zip(other.tensors()) {
                t.iter_mut().zip(o).for_each(|(t, o)| *t += o);
            }
        }
        state.step += 1;
        let progress = state.step as f32 / options.steps as f32;
        let warm = (state.step as f32 / 500.0).min(1.0);
        let rate = options.rate * warm * 0.5 * (1.0 + (std::f32::consts::PI * progress).cos());
        let rates = AdamRates { rate, beta1: 0.9, beta2: 0.999 };
        let params = state.net.tensors_mut().zip(&mut state.adam).zip(total.tensors());
        for (i, ((p, adam), g)) in params.enumerate() {
            if i % 4 != 3 {
                adam.step(rates, state.step, p, g);
            }
        }
        Ok(())
    }

    /// Mean loss since the last call.
    fn take_loss(&mut self) -> f64 {
        let mean = self.loss / f64::from(self.count.max(1));
        (self.loss, self.count) = (0.0, 0);
        mean
    }
}

/// Loss of one crop; its gradient replaces `grad`.
fn one_crop(net: &Net, crop: &Crop, ws: &mut Workspace, grad: &mut Net) -> f64 {
    load(crop, ws);
    ws.forward(net, crop.condition, (0, 0));
    grad.tensors_mut().for_each(|t| t.fill(0.0));
    let (h, w) = ws.size();
    let inner = (h - 2 * MARGIN) * (w - 2 * MARGIN);
    let (original, decoded) = (crop.original(), crop.decoded());
    // Squared error in grey levels² is the output's error times (128 / OUTPUT_GAIN)², over 4 phases.
    let scale = (128.0 / OUTPUT_GAIN) * (128.0 / OUTPUT_GAIN);
    let mut units = [0.0f32; 3];
    for (p, (own, expected)) in
        crop.errors().into_iter().zip(expected_errors(crop.condition)).enumerate()
    {
        let weight = WEIGHTS[p] / (0.5 * own as f32 + 0.5 * expected);
        let channels = if p == 0 { 4 } else { 1 };
        if p < original.planes().len() {
            units[p] = scale * weight / (channels * inner) as f32;
        }
    }
    let mut loss = 0.0f64;
    ws.backward(net, crop.condition, Train::Weights, grad, |y, out, d| {
        if y < MARGIN || y >= h - MARGIN {
            return;
        }
        let mut row = 0.0f32;
        for x in MARGIN..w - MARGIN {
            let target = transformed(residual(&original, &decoded, y, x));
            for c in 0..6 {
                let e = out[x * 8 + c] - target[c] * (OUTPUT_GAIN / 128.0);
                let unit = units[c.saturating_sub(3)];
                row += e * e * unit;
                d[x * 8 + c] = 2.0 * e * unit;
            }
        }
        loss += f64::from(row);
    });
    loss
}

/// Held-out crops at a few qualities.
struct Validation {
    /// 4:2:0.
    colour: Vec<Vec<Crop>>,
    gray: Vec<Vec<Crop>>,
}

impl Validation {
    fn new(pictures: &Pictures) -> Result<Self> {
        let tables = [
            tables::standard(10),
            tables::standard(20),
            tables::standard(40),
            tables::standard(80),
            [[40; 64]; 2],
        ];
        let sets = |layout| -> Result<Vec<_>> {
            tables.iter().map(|t| pictures.validation(VALIDATION_CROP, layout, t)).collect()
        };
        Ok(Self { colour: sets(Layout::I420)?, gray: sets(Layout::I400)? })
    }

    /// Mean gains in dB at QF 10, 20, 40, 80 and with a flat table of 40.
    fn gains(&self, net: &Net) -> String {
        let half = VALIDATION_CROP / 2;
        let mut ws = Workspace::new(net.arch, half, half, CpuLevel::current());
        let mut means = |sets: &[Vec<Crop>]| -> Vec<[f64; 3]> {
            let sets = sets.iter().map(|set| {
                let mut mean = [0.0; 3];
                for gains in set.iter().map(|crop| gains(net, crop, &mut ws)) {
                    mean.iter_mut().zip(gains).for_each(|(m, g)| *m += g / set.len() as f64);
                }
                mean
            });
            sets.collect()
        };
        let (colour, gray) = (means(&self.colour), means(&self.gray));
        let line = |of: &[[f64; 3]], p: usize| {
            of.iter().map(|g| format!("{:.3}", g[p])).collect::<Vec<_>>().join(" ")
        };
        format!(
            "Y {} | Cb {} | Cr {} | gray {}",
            line(&colour, 0),
            line(&colour, 1),
            line(&colour, 2),
            line(&gray, 0)
        )
    }
}

/// Gains in dB of each plane of a crop, gray or 4:2:0.
fn gains(net: &Net, crop: &Crop, ws: &mut Workspace) -> [f64; 3] {
    load(crop, ws);
    ws.forward(net, crop.condition, (0, 0));
    let out = ws.output();
    let (original, decoded) = (crop.original(), crop.decoded());
    let (mut before, mut after) = ([0.0; 3], [0.0; 3]);
    for (y, x) in (0..out.height).flat_map(|y| (0..out.width).map(move |x| (y, x))) {
        let wanted = residual(&original, &decoded, y, x);
        let z = &out.row(y)[x * 8..x * 8 + 6];
        let r = transformed(std::array::from_fn(|i| z[i] * 128.0 / OUTPUT_GAIN));
        for i in 0..6usize {
            before[i.saturating_sub(3)] += f64::from(wanted[i]).powi(2);
            after[i.saturating_sub(3)] += f64::from(wanted[i] - r[i]).powi(2);
        }
    }
    std::array::from_fn(|p| 10.0 * (before[p] / f64::max(after[p], 1e-9)).log10())
}
