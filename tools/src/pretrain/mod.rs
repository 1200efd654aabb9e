//! Trains a base model's network of luma or of chroma from scratch on a folder of pictures.
//!
//! The network sees the four luma phases through an orthonormal 2×2 Hadamard transform and chroma
//! amplified, and luma's targets are transformed likewise: this only preconditions the optimiser,
//! and is folded into the first and last convolutions when the model is exported. The loss is each
//! plane's squared error divided by the mean error that planes of the same quality have, so that
//! every quality weighs the same.

mod basis;
mod checkpoint;
mod coded;
mod data;
pub mod export;
pub mod hevc_data;
mod measure;
mod muon;
pub mod plot;
mod quantise;
mod revive;
mod source;
mod start;
mod tables;
#[cfg(feature = "torch")]
mod torch;
pub mod tune;

use anyhow::{Context, Result};
use checkpoint::Checkpoint;
use clap::{Args, ValueEnum};
use coded::Coded;
use data::Pictures;
use quantise::Arithmetic;
use rand::SeedableRng;
use rand_pcg::Pcg64Mcg;
use sidelight::adapt::tiles;
use sidelight::cpu::CpuLevel;
use sidelight::network::Arch;
use sidelight::train::adam::AdamRates;
use sidelight::train::map::Map;
use sidelight::train::net::{Net, Train, Workspace};
use sidelight::Picture;
use source::{Crop, Source};
use start::Start;
use std::borrow::Cow;
use std::io::Write;
use std::path::PathBuf;
use std::time::Instant;

/// The output of the trained network is in units of 128 / OUTPUT_GAIN grey levels.
pub const OUTPUT_GAIN: f32 = 16.0;
/// Chroma inputs of the trained network are in units of 128 / CHROMA_GAIN grey levels: chroma
/// varies less than luma.
pub const CHROMA_GAIN: f32 = 2.0;
/// Rows and columns of half-resolution pixels at a crop's edge that do not count.
const MARGIN: usize = 2;
const VALIDATION_CROP: usize = 192;
const NORMALISING_CROPS: usize = 400;
/// Crops that a channel must not fire on to count as dead.
const REVIVING_CROPS: usize = 64;
/// Part of the schedule after which dead channels stay dead: new ones would have no time to learn.
const REVIVING: f32 = 0.6;

/// What a network corrects.
#[derive(Clone, Copy, Default, ValueEnum)]
pub enum Part {
    #[default]
    Luma,
    Chroma,
}

impl Part {
    fn arch(self, channels: usize, hidden: usize) -> Arch {
        match self {
            Self::Luma => Arch::luma(channels, hidden),
            Self::Chroma => Arch::chroma(channels, hidden),
        }
    }
}

/// Where training crops come from: pictures degraded on the fly, or pictures coded before.
#[derive(Args)]
pub struct Material {
    /// Folder of PNG pictures to train on, as JPEG
    #[arg(long, required_unless_present = "coded")]
    data: Option<PathBuf>,
    /// Folder that hevc-data made, to train on instead
    #[arg(long, conflicts_with = "data")]
    coded: Option<PathBuf>,
    /// Quantisation tables to train with; updates are always tuned on standard ones
    #[arg(long, value_enum, default_value_t, conflicts_with = "coded")]
    tables: tables::Kind,
}

impl Material {
    /// `vivid`: no training crop has its chroma weakened.
    pub fn open(&self, vivid: bool) -> Result<Box<dyn Source>> {
        Ok(match (&self.data, &self.coded) {
            (_, Some(folder)) => Box::new(Coded::open(folder)?),
            (Some(folder), None) => Box::new(Pictures::open(folder, vivid, self.tables)?),
            (None, None) => anyhow::bail!("either --data or --coded"),
        })
    }
}

/// Whether networks of this shape can be trained. Channels may be multiples of 8, for comparison:
/// models need multiples of 16.
fn can_train(arch: Arch) -> bool {
    let channels = arch.channels.next_multiple_of(16);
    arch.channels.is_multiple_of(8) && Arch { channels, ..arch }.check().is_ok()
}

/// What computes gradients.
#[derive(Clone, Copy, Default, ValueEnum)]
enum Backend {
    #[default]
    Native,
    Torch,
}

/// What moves the weights; biases and conditions are always moved by Adam.
#[derive(Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
enum Optimiser {
    #[default]
    Muon,
    Adam,
}

#[derive(Args)]
pub struct Options {
    #[command(flatten)]
    material: Material,
    /// What computes gradients; torch, in builds with it, uses a GPU where there is one
    #[arg(long, value_enum, default_value_t)]
    backend: Backend,
    /// What the network corrects
    #[arg(long, value_enum, default_value_t)]
    part: Part,
    /// Checkpoint to write, and to resume from if it exists; beside it .log gets a line at each
    /// validation, and .svg shows them as curves
    #[arg(long)]
    out: PathBuf,
    /// Checkpoint whose weights a new run starts from, instead of random ones; those of a smaller
    /// network are grown to a larger one that does the same
    #[arg(long)]
    from: Option<PathBuf>,
    /// What hidden layers of a new run start with
    #[arg(long, value_enum, default_value_t, conflicts_with = "from")]
    start: Start,
    /// The weights of --from are for JPEG, and shall start as those of flat tables with the QP's
    /// step
    #[arg(long, requires = "from", conflicts_with = "data")]
    from_jpeg: bool,
    /// Leave out crops that are gray or have weaker chroma
    #[arg(long, conflicts_with = "coded")]
    vivid: bool,
    /// Round as hidden convolutions of this arithmetic will; --from then names a trained network
    #[arg(long, value_enum, default_value_t)]
    arithmetic: Arithmetic,
    /// Channels of the hidden layers; a multiple of 16, or of 8 for a network that no model file
    /// holds
    #[arg(long, default_value_t = 32)]
    channels: usize,
    /// Hidden convolutions
    #[arg(long, default_value_t = 3)]
    hidden: usize,
    /// What moves the weights; biases and conditions are always moved by Adam
    #[arg(long, value_enum, default_value_t)]
    optimiser: Optimiser,
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
    #[arg(long, default_value_t = 5e-3)]
    rate: f32,
    /// Seed of everything random
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Threads; the native result does not depend on them
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
    let arch = options.part.arch(options.channels, options.hidden);
    anyhow::ensure!(can_train(arch), "--channels, --hidden: out of range");
    anyhow::ensure!(
        options.crop.is_multiple_of(16) && options.crop >= 32,
        "--crop: a multiple of 16"
    );
    let source = options.material.open(options.vivid)?;
    let (train, held_out) = source.counts();
    eprintln!(
        "{train} pictures, {held_out} held out; {} MAC a sample, {:?}",
        arch.macs_per_sample(),
        CpuLevel::current()
    );
    let validation = Validation::new(source.as_ref(), options.part)?;
    let mut state = match Checkpoint::read(&options.out, arch)? {
        Some(c) => {
            let same = c.step == 0 || c.squares() == (options.optimiser == Optimiser::Adam);
            anyhow::ensure!(same, "{}: of a run with another --optimiser", options.out.display());
            c
        }
        None => Checkpoint::new(match &options.from {
            None => start::initial(arch, options.start, options.seed),
            Some(path) => {
                let from = Checkpoint::read_any(path)?;
                let from = from.with_context(|| format!("{}: no such file", path.display()))?.net;
                let mut net = start::grown(&from, arch, options.seed)
                    .with_context(|| format!("{}: of another or a larger shape", path.display()))?;
                if options.from_jpeg {
                    start::flat_tables(&mut net);
                }
                if options.arithmetic == Arithmetic::I8 {
                    normalise(&mut net, source.as_ref(), options)?;
                }
                net
            }
        }),
    };
    let mut trainer = Trainer::new(arch, options)?;
    let bar = indicatif::ProgressBar::new(u64::from(options.steps))
        .with_style(indicatif::ProgressStyle::with_template("{bar:30} {pos}/{len} {eta} {msg}")?);
    let log_path = options.out.with_extension("log");
    let mut log = std::fs::OpenOptions::new().create(true).append(true).open(&log_path)?;
    let clock = Instant::now();
    let last = options.stop_at.unwrap_or(options.steps).min(options.steps);
    if state.step == 0 {
        revive(&mut state, source.as_ref(), options)?;
    }
    while state.step < last {
        trainer.step(source.as_ref(), &mut state, options)?;
        bar.set_position(u64::from(state.step));
        if state.step % options.every == 0 || state.step == last {
            revive(&mut state, source.as_ref(), options)?;
            let line = format!(
                "{} {:.0} s loss {:.5} gain {}",
                state.step,
                clock.elapsed().as_secs_f64(),
                trainer.take_loss(),
                validation.gains(&state.net, options.arithmetic)?
            );
            bar.println(&line);
            // Before the checkpoint, and at once: a run that stops here does this line again.
            log.write_all(format!("{line}\n").as_bytes())?;
            state.write(&options.out).context("writing the checkpoint")?;
            plot::draw(&log_path, &options.out.with_extension("svg"))?;
        }
    }
    bar.finish();
    Ok(())
}

/// Revives channels that do not fire, while there is time for them to learn.
fn revive(state: &mut Checkpoint, source: &dyn Source, options: &Options) -> Result<()> {
    let late = state.step as f32 > REVIVING * options.steps as f32;
    if late || options.arithmetic == Arithmetic::I8 {
        return Ok(());
    }
    let seed = options.seed ^ u64::from(state.step) << 32;
    let mut rng = Pcg64Mcg::seed_from_u64(seed);
    let half = options.crop / 2;
    let mut ws = Workspace::new(state.net.arch, half, half, CpuLevel::current())?;
    let mut peaks = revive::Peaks::new(&state.net);
    for _ in 0..REVIVING_CROPS {
        let crop = source.crop(options.crop, options.part, &mut rng)?;
        forward(&state.net, options.arithmetic, &crop, &mut ws);
        (0..state.net.layers.len() - 1).for_each(|l| peaks.see(l, ws.activations(l)));
    }
    let revived = revive::revive(state, &peaks, seed);
    if revived > 0 {
        eprintln!("step {}: {revived} dead channels get new weights", state.step);
    }
    Ok(())
}

/// Prepares a trained network for [`Arithmetic::I8`].
fn normalise(net: &mut Net, source: &dyn Source, options: &Options) -> Result<()> {
    let mut rng = Pcg64Mcg::seed_from_u64(options.seed);
    let crop = |_| source.crop(options.crop, options.part, &mut rng);
    let crops = (0..NORMALISING_CROPS).map(crop).collect::<Result<Vec<_>>>()?;
    quantise::normalise(net, &crops, |crop, ws| load(crop, ws.input()))
}

/// The network as it will be in integers.
fn in_arithmetic(net: &Net, arithmetic: Arithmetic) -> Cow<'_, Net> {
    match arithmetic {
        Arithmetic::I16 => Cow::Borrowed(net),
        Arithmetic::I8 => Cow::Owned(quantise::rounded(net)),
    }
}

/// The network's output for a crop.
fn forward(net: &Net, arithmetic: Arithmetic, crop: &Crop, ws: &mut Workspace) {
    load(crop, ws.input());
    ws.forward_with(net, crop.condition, (0, 0), |layer, row| {
        if arithmetic == Arithmetic::I8 {
            quantise::round_activations(net.arch, layer, row);
        }
    });
}

/// Fills the network's input with a crop's transformed phases and its chroma.
fn load(crop: &Crop, map: &mut Map) {
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

/// What each output lacks at half-resolution pixel (`y`, `x`), in grey levels: the mean over its
/// samples, luma transformed. Outputs beyond the network's are 0.
fn target(
    arch: Arch,
    original: &Picture<'_>,
    decoded: &Picture<'_>,
    y: usize,
    x: usize,
) -> [f32; 4] {
    let mean = |c: usize| {
        let (sum, count) = tiles::residual(original, decoded, y, x, c);
        sum / count
    };
    if arch.outputs == 4 {
        hadamard(std::array::from_fn(mean))
    } else {
        [mean(4), mean(5), 0.0, 0.0]
    }
}

/// The plane that output `c` belongs to.
fn plane(arch: Arch, c: usize) -> usize {
    (arch.inputs - arch.outputs + c).saturating_sub(3)
}

/// The orthonormal 2×2 Hadamard transform; its own inverse.
pub fn hadamard([a, b, c, d]: [f32; 4]) -> [f32; 4] {
    [a + b + c + d, a - b + c - d, a + b - c - d, a - b - c + d].map(|v| v / 2.0)
}

/// Computes the gradient of a batch of crops.
trait Batch {
    /// The loss of each crop, and the gradient of their sum; `draw(i)` draws crop i.
    fn gradient(
        &mut self,
        net: &Net,
        draw: &(dyn Fn(usize) -> Result<Crop> + Sync),
    ) -> Result<(Vec<f64>, &Net)>;
}

/// The library's own trainer.
struct Native {
    workspaces: Vec<Workspace>,
    gradients: Vec<Net>,
    arithmetic: Arithmetic,
    threads: usize,
}

impl Native {
    fn new(arch: Arch, options: &Options) -> Result<Self> {
        let half = options.crop / 2;
        let workspace = |_| Workspace::new(arch, half, half, CpuLevel::current());
        Ok(Self {
            workspaces: (0..options.batch).map(workspace).collect::<Result<_, _>>()?,
            gradients: vec![Net::zeros(arch); options.batch],
            arithmetic: options.arithmetic,
            threads: options.threads,
        })
    }
}

impl Batch for Native {
    fn gradient(
        &mut self,
        net: &Net,
        draw: &(dyn Fn(usize) -> Result<Crop> + Sync),
    ) -> Result<(Vec<f64>, &Net)> {
        let buffers = self.workspaces.iter_mut().zip(&mut self.gradients);
        let losses = spread(buffers, self.threads, |i, (ws, grad)| {
            Ok(one_crop(net, self.arithmetic, &draw(i)?, ws, grad))
        })?;
        let (total, rest) = self.gradients.split_first_mut().expect("a batch has a crop");
        for other in rest {
            for (t, o) in total.tensors_mut().zip(other.tensors()) {
                t.iter_mut().zip(o).for_each(|(t, o)| *t += o);
            }
        }
        Ok((losses, total))
    }
}

/// `work` on every item with its number, on `threads` threads; the results in the items' order.
fn spread<T: Send, R: Send>(
    items: impl Iterator<Item = T>,
    threads: usize,
    work: impl Fn(usize, T) -> Result<R> + Sync,
) -> Result<Vec<R>> {
    let mut lanes: Vec<Vec<_>> = (0..threads.max(1)).map(|_| Vec::new()).collect();
    for (i, item) in items.enumerate() {
        let lane = i % lanes.len();
        lanes[lane].push((i, item));
    }
    let run_lane = |lane: Vec<(usize, T)>| -> Result<Vec<(usize, R)>> {
        lane.into_iter().map(|(i, item)| Ok((i, work(i, item)?))).collect()
    };
    let results: Vec<Result<Vec<(usize, R)>>> = std::thread::scope(|s| {
        let mut lanes = lanes.into_iter();
        let own = lanes.next().expect("at least one lane");
        let others: Vec<_> = lanes.map(|lane| s.spawn(|| run_lane(lane))).collect();
        let mut all = vec![run_lane(own)];
        all.extend(others.into_iter().map(|h| h.join().expect("training thread")));
        all
    });
    let mut all = Vec::new();
    for lane in results {
        all.extend(lane?);
    }
    all.sort_by_key(|(i, _)| *i);
    Ok(all.into_iter().map(|(_, result)| result).collect())
}

struct Trainer {
    batch: Box<dyn Batch>,
    loss: f64,
    count: u32,
}

impl Trainer {
    fn new(arch: Arch, options: &Options) -> Result<Self> {
        let batch: Box<dyn Batch> = match options.backend {
            Backend::Native => Box::new(Native::new(arch, options)?),
            #[cfg(feature = "torch")]
            Backend::Torch => Box::new(torch::Torch::new(arch, options)?),
            #[cfg(not(feature = "torch"))]
            Backend::Torch => anyhow::bail!(
                "--backend torch: this build is without libtorch; `make -C tools tools-torch` makes one with it"
            ),
        };
        Ok(Self { batch, loss: 0.0, count: 0 })
    }

    fn step(
        &mut self,
        source: &dyn Source,
        state: &mut Checkpoint,
        options: &Options,
    ) -> Result<()> {
        let net = &*in_arithmetic(&state.net, options.arithmetic);
        let seed = options.seed.wrapping_mul(1 << 32).wrapping_add(u64::from(state.step) << 8);
        let draw = |i: usize| {
            let mut rng = Pcg64Mcg::seed_from_u64(seed + i as u64);
            source.crop(options.crop, options.part, &mut rng)
        };
        let (losses, gradient) = self.batch.gradient(net, &draw)?;
        self.loss += losses.iter().sum::<f64>() / options.batch as f64;
        self.count += 1;
        state.step += 1;
        let progress = state.step as f32 / options.steps as f32;
        let warm = (state.step as f32 / 500.0).min(1.0);
        let rate = options.rate * warm * 0.5 * (1.0 + (std::f32::consts::PI * progress).cos());
        let rates = AdamRates { rate, beta1: 0.9, beta2: 0.999 };
        let arch = state.net.arch;
        let params = state.net.tensors_mut().zip(&mut state.adam).zip(gradient.tensors());
        for (i, ((p, adam), g)) in params.enumerate() {
            match i % 4 {
                0 if options.optimiser == Optimiser::Muon => {
                    muon::step(rate, arch.layer(i / 4).1, &mut adam.mean, p, g);
                }
                3 => {}
                _ => adam.step(rates, state.step, p, g),
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
fn one_crop(
    net: &Net,
    arithmetic: Arithmetic,
    crop: &Crop,
    ws: &mut Workspace,
    grad: &mut Net,
) -> f64 {
    forward(net, arithmetic, crop, ws);
    grad.tensors_mut().for_each(|t| t.fill(0.0));
    let mut loss = Loss::new(net.arch, crop, ws.size());
    ws.backward(net, crop.condition, Train::Weights, grad, |y, out, d| loss.row(y, out, d));
    loss.total
}

/// A crop's loss, summed row by row.
struct Loss<'a> {
    arch: Arch,
    original: Picture<'a>,
    decoded: Picture<'a>,
    /// Half-resolution rows and columns.
    size: (usize, usize),
    /// What the square of an output's error counts.
    units: [f32; 4],
    total: f64,
}

impl<'a> Loss<'a> {
    fn new(arch: Arch, crop: &'a Crop, (h, w): (usize, usize)) -> Self {
        let outputs = arch.outputs;
        let inner = (h - 2 * MARGIN) * (w - 2 * MARGIN);
        let (own, expected) = (crop.errors(), crop.expected);
        // Squared error in grey levels² is the output's error times (128 / OUTPUT_GAIN)², over all
        // outputs.
        let units = std::array::from_fn(|c| {
            let p = plane(arch, c.min(outputs - 1));
            let weight = 1.0 / (0.5 * own[p] as f32 + 0.5 * expected[p]);
            (128.0 / OUTPUT_GAIN) * (128.0 / OUTPUT_GAIN) * weight / (outputs * inner) as f32
        });
        let (original, decoded) = (crop.original(), crop.decoded());
        Self { arch, original, decoded, size: (h, w), units, total: 0.0 }
    }

    /// Adds row `y` of the output; writes the derivative.
    fn row(&mut self, y: usize, out: &[f32], d: &mut [f32]) {
        let (h, w) = self.size;
        if y < MARGIN || y >= h - MARGIN {
            return;
        }
        let mut row = 0.0f32;
        for x in MARGIN..w - MARGIN {
            let target = target(self.arch, &self.original, &self.decoded, y, x);
            for c in 0..self.arch.outputs {
                let e = out[x * 8 + c] - target[c] * (OUTPUT_GAIN / 128.0);
                row += e * e * self.units[c];
                d[x * 8 + c] = 2.0 * e * self.units[c];
            }
        }
        self.total += f64::from(row);
    }
}

/// Held-out crops at a few qualities.
struct Validation {
    sets: Vec<Vec<Crop>>,
}

impl Validation {
    fn new(source: &dyn Source, part: Part) -> Result<Self> {
        Ok(Self { sets: source.validation(VALIDATION_CROP, part)? })
    }

    /// Mean gains in dB on each set: of luma, or of Cb and then of Cr.
    fn gains(&self, net: &Net, arithmetic: Arithmetic) -> Result<String> {
        let net = &*in_arithmetic(net, arithmetic);
        let half = VALIDATION_CROP / 2;
        let mut ws = Workspace::new(net.arch, half, half, CpuLevel::current())?;
        let mut means = vec![vec![0.0; self.sets.len()]; 3];
        for (s, set) in self.sets.iter().enumerate() {
            for gains in set.iter().map(|crop| gains(net, arithmetic, crop, &mut ws)) {
                for (mean, gain) in means.iter_mut().zip(gains) {
                    mean[s] += gain / set.len() as f64;
                }
            }
        }
        let planes = plane(net.arch, 0)..=plane(net.arch, net.arch.outputs - 1);
        let line =
            |p: usize| means[p].iter().map(|g| format!("{g:.3}")).collect::<Vec<_>>().join(" ");
        Ok(planes.map(line).collect::<Vec<_>>().join(" | "))
    }
}

/// Gains in dB of the planes that the network corrects, in a crop with one chroma sample to a
/// pixel.
fn gains(net: &Net, arithmetic: Arithmetic, crop: &Crop, ws: &mut Workspace) -> [f64; 3] {
    forward(net, arithmetic, crop, ws);
    let (arch, out) = (net.arch, ws.output());
    let (original, decoded) = (crop.original(), crop.decoded());
    let (mut before, mut after) = ([0.0; 3], [0.0; 3]);
    for (y, x) in (0..out.height).flat_map(|y| (0..out.width).map(move |x| (y, x))) {
        // The transform of luma keeps squared errors.
        let wanted = target(arch, &original, &decoded, y, x);
        for c in 0..arch.outputs {
            let r = out.row(y)[x * 8 + c] * 128.0 / OUTPUT_GAIN;
            before[plane(arch, c)] += f64::from(wanted[c]).powi(2);
            after[plane(arch, c)] += f64::from(wanted[c] - r).powi(2);
        }
    }
    std::array::from_fn(|p| 10.0 * (before[p] / after[p]).log10())
}
