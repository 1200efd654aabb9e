//! From a training checkpoint to a model file: folds the transform away, quantises, measures the
//! steps of the update.

use super::checkpoint::Checkpoint;
use super::source::{Crop, Material};
use super::{hadamard, Part, CHROMA_GAIN, OUTPUT_GAIN};
use crate::files;
use anyhow::{ensure, Context, Result};
use clap::Args;
use rand::{Rng, SeedableRng};
use rand_pcg::Pcg64Mcg;
use sidelight::adapt::finetune::STEP_CHANGE;
use sidelight::adapt::net::{padded, Net, Train, Workspace};
use sidelight::adapt::tiles;
use sidelight::cpu::CpuLevel;
use sidelight::network::model::{ModelLayer, INPUT_LIMIT};
use sidelight::network::{Model, Network};
use sidelight::payload::ContextTable;
use std::path::PathBuf;

/// Largest hidden activation, and largest residual: ±255 grey levels.
const HIDDEN_LIMIT: i32 = 16383;
const OUTPUT_LIMIT: i32 = 4095;
/// The largest activation seen in training is put this far below the limit.
const HEADROOM: f32 = 1.6;
const SHIFT: u32 = 30;
/// Share of the 31 bits of a sum that a channel may use before any update.
const SUM_SHARE: f64 = 0.7;
const LARGEST_TAP: f64 = 16383.0;
/// Largest magnitude of a conditioning feature.
const LARGEST_FEATURE: f64 = 1024.0;

#[derive(Args)]
pub struct Options {
    /// What the model was trained on
    #[command(flatten)]
    material: Material,
    /// Checkpoint of the finished training
    #[arg(long)]
    checkpoint: PathBuf,
    /// Channels of the hidden layers
    #[arg(long, default_value_t = 32)]
    channels: usize,
    /// Hidden convolutions
    #[arg(long, default_value_t = 3)]
    hidden: usize,
    /// Training crops to measure activations and sensitivities on
    #[arg(long, default_value_t = 400)]
    crops: usize,
    /// Model file whose luma network the model gets; the checkpoint is then of chroma's
    #[arg(long)]
    luma: Option<PathBuf>,
    /// Model file to write
    #[arg(long)]
    out: PathBuf,
}

pub fn run(options: &Options) -> Result<()> {
    let part = if options.luma.is_some() { Part::Chroma } else { Part::Luma };
    let arch = part.arch(options.channels, options.hidden);
    arch.check()?;
    let state = Checkpoint::read(&options.checkpoint, arch)?
        .with_context(|| format!("{}: no such file", options.checkpoint.display()))?;
    let net = fold(state.net);
    let source = options.material.open(false)?;
    let mut rng = Pcg64Mcg::seed_from_u64(77);
    let crops: Vec<Crop> =
        (0..options.crops).map(|_| source.crop(96, part, &mut rng)).collect::<Result<_>>()?;
    let peaks = peaks(&net, &crops)?;
    eprintln!("largest activations: {peaks:?}");
    let mut network = quantise(&net, &peaks)?;
    measure_steps(&mut network, &crops, &mut rng)?;
    let contexts = ContextTable::DEFAULT;
    let mut model = match &options.luma {
        None => Model { id: 0, codec: source.codec(), luma: network, chroma: None, contexts },
        Some(path) => {
            let bytes = std::fs::read(path).with_context(|| path.display().to_string())?;
            Model { id: 0, chroma: Some(network), ..Model::from_bytes(&bytes)? }
        }
    };
    let bytes = model.to_bytes();
    ensure!(Model::from_bytes(&bytes)? == model, "the model file does not read back");
    files::write(&options.out, &bytes)?;
    println!("{}: {} bytes, id {:08x}", options.out.display(), bytes.len(), model.id);
    Ok(())
}

/// The network on plain phases and chroma with outputs in units of 128 grey levels.
#[allow(clippy::needless_range_loop)] // matrix indices
fn fold(mut net: Net) -> Net {
    // The transform is symmetric, so its matrix rows are what it makes of unit vectors.
    let unit = |i: usize| hadamard(std::array::from_fn(|k| f32::from(u8::from(k == i))));
    let h: [[f32; 4]; 4] = std::array::from_fn(unit);
    let (inputs, outputs) = (net.arch.inputs, net.arch.outputs);
    let last = net.layers.len() - 1;
    let first = &mut net.layers[0];
    let p = padded(first.cout);
    let old = first.taps.clone();
    for t in 0..9 {
        for co in 0..p {
            let at = |i: usize| (t * inputs + i) * p + co;
            for i in 0..4 {
                first.taps[at(i)] = (0..4).map(|k| h[k][i] * old[at(k)]).sum();
            }
            for i in 4..inputs {
                first.taps[at(i)] *= CHROMA_GAIN;
            }
        }
    }
    let layer = &mut net.layers[last];
    let p = padded(layer.cout);
    let mix = |row: &mut [f32]| {
        let old: [f32; 4] = row[..4].try_into().expect("rows are padded to eight");
        if outputs == 4 {
            for (o, v) in row.iter_mut().enumerate().take(4) {
                *v = (0..4).map(|k| h[k][o] * old[k]).sum::<f32>();
            }
        }
        row.iter_mut().for_each(|v| *v /= OUTPUT_GAIN);
    };
    layer.taps.chunks_exact_mut(p).for_each(mix);
    layer.bias.chunks_exact_mut(p).for_each(mix);
    layer.condition.chunks_exact_mut(p).for_each(mix);
    net
}

/// The largest activation of each hidden layer over the crops.
fn peaks(net: &Net, crops: &[Crop]) -> Result<Vec<f32>> {
    let half = crops[0].size() / 2;
    let mut ws = Workspace::new(net.arch, half, half, CpuLevel::current())?;
    let mut peaks = vec![0f32; net.layers.len() - 1];
    for crop in crops {
        tiles::load(&crop.decoded(), (0, 0), ws.input());
        ws.forward(net, crop.condition, (0, 0));
        for (l, peak) in peaks.iter_mut().enumerate() {
            let map = ws.activations(l);
            for y in 0..map.height {
                *peak = map.row(y).iter().fold(*peak, |a, b| a.max(*b));
            }
        }
    }
    Ok(peaks)
}

fn quantise(net: &Net, peaks: &[f32]) -> Result<Network> {
    // Integer units for 1.0 of a layer's input.
    let mut unit_in = f64::from(INPUT_LIMIT);
    let mut limit_in = f64::from(INPUT_LIMIT);
    let mut layers = Vec::new();
    for (l, layer) in net.layers.iter().enumerate() {
        let last = l + 1 == net.layers.len();
        let (limit, unit_out) = if last {
            (OUTPUT_LIMIT, f64::from(INPUT_LIMIT))
        } else {
            (HIDDEN_LIMIT, f64::from(HIDDEN_LIMIT) / f64::from(HEADROOM * peaks[l]))
        };
        let (cin, cout, p) = (layer.cin, layer.cout, padded(layer.cout));
        // Per channel: integer taps are `gain` times the real ones.
        let gains: Vec<f64> = (0..cout)
            .map(|c| {
                let taps = || layer.taps[c..].iter().step_by(p).map(|w| f64::from(w.abs()));
                let bias = layer.bias[c..].iter().step_by(p).fold(0f32, |a, b| a.max(b.abs()));
                let condition: f64 = layer.condition[c..]
                    .iter()
                    .step_by(p)
                    .map(|w| f64::from(w.abs()) * LARGEST_FEATURE / 256.0)
                    .sum();
                let sum = taps().sum::<f64>() * limit_in + (f64::from(bias) + condition) * unit_in;
                let largest = taps().fold(0f64, f64::max);
                let by_sum = SUM_SHARE * f64::from(1u32 << 31) / sum.max(1e-9);
                by_sum.min(LARGEST_TAP / largest.max(1e-9))
            })
            .collect();
        let table = |values: &[f32], unit: f64| -> Vec<f64> {
            let rows = values.chunks_exact(p);
            rows.flat_map(|r| {
                r[..cout].iter().zip(&gains).map(move |(v, g)| f64::from(*v) * g * unit)
            })
            .collect()
        };
        let round = |v: Vec<f64>| -> Vec<i32> { v.into_iter().map(|x| x.round() as i32).collect() };
        layers.push(ModelLayer {
            cin,
            cout,
            taps: table(&layer.taps, 1.0).into_iter().map(|x| x.round() as i16).collect(),
            bias: round(table(&layer.bias, unit_in)),
            condition: round(table(&layer.condition, unit_in)),
            multiplier: gains
                .iter()
                .map(|g| (f64::from(1u32 << SHIFT) * unit_out / (g * unit_in)).round() as i32)
                .collect(),
            shift: SHIFT,
            limit,
            scale_step: vec![1; cout],
            bias_step: vec![1; cout],
        });
        ensure!(layers[l].multiplier.iter().all(|m| *m >= 64), "layer {l}: multipliers too small");
        (unit_in, limit_in) = (unit_out, f64::from(limit));
    }
    Ok(Network { arch: net.arch, layers })
}

/// Steps such that one step changes the output by [`STEP_CHANGE`] grey levels (root mean square
/// over the crops' samples).
///
/// With random signs r as the output's cotangent, E[(rᵀJ)²] is the squared norm of a parameter's
/// Jacobian column, so plain backward passes measure all parameters at once.
#[allow(clippy::needless_range_loop)] // channels index several tables
fn measure_steps(network: &mut Network, crops: &[Crop], rng: &mut impl Rng) -> Result<()> {
    let net = Net::from_network(network);
    let half = crops[0].size() / 2;
    let outputs = net.arch.outputs;
    let mut ws = Workspace::new(net.arch, half, half, CpuLevel::current())?;
    let mut gradient = Net::zeros(net.arch);
    let mut squares: Vec<[Vec<f64>; 2]> =
        net.layers.iter().map(|l| [vec![0.0; l.cout], vec![0.0; l.cout]]).collect();
    for crop in crops {
        tiles::load(&crop.decoded(), (0, 0), ws.input());
        ws.forward(&net, crop.condition, (0, 0));
        gradient.tensors_mut().for_each(|t| t.fill(0.0));
        ws.backward(&net, crop.condition, Train::ScaleBias, &mut gradient, |_, _, d| {
            for pixel in d.chunks_exact_mut(8) {
                pixel[..outputs].fill_with(|| if rng.random() { 1.0 } else { -1.0 });
            }
        });
        for (layer, squares) in gradient.layers.iter().zip(&mut squares) {
            let p = padded(layer.cout);
            for c in 0..layer.cout {
                squares[0][c] += f64::from(layer.scale[c]).powi(2);
                let bias: f32 = layer.bias[c..].iter().step_by(p).sum();
                squares[1][c] += f64::from(bias).powi(2);
            }
        }
    }
    // Of luma, or of a chroma plane at half resolution twice.
    let samples = (crops.len() * half * half * outputs) as f64;
    let wanted = STEP_CHANGE / 128.0;
    for (layer, squares) in network.layers.iter_mut().zip(&squares) {
        let scale_unit = f64::from(1u32 << layer.shift);
        let bias_unit = f64::from(INPUT_LIMIT);
        for c in 0..layer.cout {
            let step = |square: f64, unit: f64, most: f64| {
                let rms = (square / samples).sqrt();
                (wanted / rms.max(1e-12) * unit).clamp(8.0, most).round() as i32
            };
            // A dead channel's step is capped: an eighth of its scale, a hundredth of a sum's range.
            let most = f64::from(layer.multiplier[c]) / 8.0;
            layer.scale_step[c] = step(squares[0][c], scale_unit, most.max(8.0));
            layer.bias_step[c] = step(squares[1][c], bias_unit, 2e7);
        }
    }
    Ok(())
}
