//! From a training checkpoint to a model file: folds the transform away, quantises, measures the
//! steps of the update.

use super::checkpoint::Checkpoint;
use super::planes::Planes;
use super::quantise::{quantise, Arithmetic};
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
use sidelight::filter::Filter;
use sidelight::network::model::{INPUT_LIMIT, MAX_TAP_STEP};
use sidelight::network::{Instance, Model, Network};
use sidelight::payload::Coding;
use std::path::PathBuf;

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
    /// Bits of the activations and taps of hidden convolutions, as in training
    #[arg(long, value_enum, default_value_t)]
    arithmetic: Arithmetic,
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
    let mut network = quantise(&net, options.arithmetic, &crops)?;
    measure_steps(&mut network, &crops, &mut rng)?;
    let mut model = match &options.luma {
        None => Model {
            id: 0,
            codec: source.codec(),
            luma: network,
            chroma: None,
            coding: Coding::default(),
        },
        Some(path) => {
            let bytes = std::fs::read(path).with_context(|| path.display().to_string())?;
            Model { id: 0, chroma: Some(network), ..Model::from_bytes(&bytes)? }
        }
    };
    model.coding = Coding::untuned(&model.networks().map(Network::shapes).collect::<Vec<_>>())?;
    let bytes = model.to_bytes();
    report_losses(&net, &model, source.validation(super::VALIDATION_CROP, part)?)?;
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

/// Prints what `net` gains on held-out crops, and what is lost in integers; both round to samples.
fn report_losses(net: &Net, model: &Model, sets: Vec<Vec<Crop>>) -> Result<()> {
    let planes = if net.arch.outputs == 4 { 0..1 } else { 1..3 };
    let (mut gains, mut losses) = (Vec::new(), Vec::new());
    for set in &sets {
        let (mut gain, mut loss) = (0.0, 0.0);
        for crop in set {
            let instance = Instance::new(model, crop.condition, None)?;
            let mut out = crop.decoded.clone();
            let target = out.view_mut();
            Filter::new(instance, CpuLevel::current()).picture(&crop.decoded(), target, 1)?;
            let integer = crop.original.errors(&out);
            let float = rounded_errors(net, crop)?;
            for p in planes.clone() {
                let share = 10.0 / (planes.len() * set.len()) as f64;
                gain += share * (crop.errors()[p] / float[p]).log10();
                loss += share * (integer[p] / float[p]).log10();
            }
        }
        gains.push(format!("{gain:.3}"));
        losses.push(format!("{loss:.4}"));
    }
    println!("gain in dB before integers {}, lost {}", gains.join(" "), losses.join(" "));
    Ok(())
}

/// Squared error of each plane that `net` corrects, in a crop with one chroma sample to a pixel.
fn rounded_errors(net: &Net, crop: &Crop) -> Result<[f64; 3]> {
    let half = crop.size() / 2;
    let mut ws = Workspace::new(net.arch, half, half, CpuLevel::current())?;
    tiles::load(&crop.decoded(), (0, 0), ws.input());
    ws.forward(net, crop.condition, (0, 0));
    let out = ws.output();
    let mut errors = [0.0; 3];
    let pixels = (0..half).flat_map(|y| (0..half).map(move |x| (y, x)));
    for ((y, x), c) in pixels.flat_map(|p| (0..net.arch.outputs).map(move |c| (p, c))) {
        let (plane, row, column) = match net.arch.outputs {
            4 => (0, 2 * y + c / 2, 2 * x + c % 2),
            _ => (1 + c, y, x),
        };
        let width = crop.decoded.planes[plane].width;
        let sample = |of: &Planes| f32::from(of.planes[plane].data[row * width + column]);
        let residual = (128.0 * out.row(y)[x * out.channels + c]).round();
        let error = (sample(&crop.decoded) + residual).clamp(0.0, 255.0) - sample(&crop.original);
        errors[plane] += f64::from(error * error) / (width * width) as f64;
    }
    Ok(errors)
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
    let mut taps: Vec<Vec<f64>> = net.layers.iter().map(|l| vec![0.0; l.taps.len()]).collect();
    for crop in crops {
        tiles::load(&crop.decoded(), (0, 0), ws.input());
        ws.forward(&net, crop.condition, (0, 0));
        gradient.tensors_mut().for_each(|t| t.fill(0.0));
        ws.backward(&net, crop.condition, Train::All, &mut gradient, |_, _, d| {
            for pixel in d.chunks_exact_mut(8) {
                pixel[..outputs].fill_with(|| if rng.random() { 1.0 } else { -1.0 });
            }
        });
        for ((layer, squares), taps) in gradient.layers.iter().zip(&mut squares).zip(&mut taps) {
            let p = padded(layer.cout);
            for (t, g) in taps.iter_mut().zip(&layer.taps) {
                *t += f64::from(*g).powi(2);
            }
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
    for ((layer, own), taps) in network.layers.iter_mut().zip(&net.layers).zip(&taps) {
        let p = padded(layer.cout);
        let log_step = |i: usize, c: usize| {
            let rms = (taps[i * p + c] / samples).sqrt() * f64::from(own.scale[c]);
            (wanted / rms).log2()
        };
        (layer.tap_step_in, layer.tap_step_out) = tap_steps(layer.cin, layer.cout, log_step);
    }
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

/// Tables whose products are nearest to the steps of all taps: `log_step(tap · cin + ci, co)` is the
/// logarithm of one, infinite where a dead channel leaves none.
///
/// What a tap does goes with how strong its input is and how much its output matters, so two tables
/// say nearly all: what is left has a standard deviation of 0.1 to 0.5 in log2.
fn tap_steps(
    cin: usize,
    cout: usize,
    log_step: impl Fn(usize, usize) -> f64,
) -> (Vec<i32>, Vec<i32>) {
    let mean = |logs: &mut dyn Iterator<Item = f64>| {
        let (sum, n) = logs.filter(|l| l.is_finite()).fold((0.0, 0), |(s, n), l| (s + l, n + 1));
        if n > 0 {
            sum / f64::from(n)
        } else {
            f64::INFINITY
        }
    };
    let out: Vec<f64> =
        (0..cout).map(|c| mean(&mut (0..9 * cin).map(|i| log_step(i, c)))).collect();
    let taps = |ci: usize| (0..9).flat_map(move |t| (0..cout).map(move |c| (t * cin + ci, c)));
    let input = (0..cin).map(|ci| mean(&mut taps(ci).map(|(i, c)| log_step(i, c) - out[c])));
    let table = |logs: &mut dyn Iterator<Item = f64>| {
        logs.map(|l| (256.0 * l.exp2()).clamp(1.0, f64::from(MAX_TAP_STEP)).round() as i32)
            .collect()
    };
    (table(&mut input.collect::<Vec<_>>().into_iter()), table(&mut out.into_iter()))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What a unit at step field 3 adds to a tap, by two tables.
    fn product(input: i32, output: i32) -> f64 {
        f64::from(input) * f64::from(output) / 65536.0
    }

    #[test]
    fn products_of_two_tables_are_the_steps() {
        let (cin, cout) = (5, 3);
        // Steps of 4 to 20,000, times what the place in the kernel does.
        let of_input = |i: usize| 2.0 + 0.7 * i as f64;
        let of_output = |o: usize| 4.0 * o as f64 + 0.3;
        let log_step =
            |i: usize, o: usize| of_input(i % cin) + of_output(o) + ((i / cin) as f64 - 4.0) * 0.1;
        let (input, output) = tap_steps(cin, cout, log_step);
        assert_eq!((input.len(), output.len()), (cin, cout));
        for (i, o) in (0..cin).flat_map(|i| (0..cout).map(move |o| (i, o))) {
            let exact = (of_input(i) + of_output(o)).exp2();
            let off = product(input[i], output[o]) / exact;
            assert!((off - 1.0).abs() < 0.01, "{i} {o}: {off}");
        }
    }

    #[test]
    fn steps_of_dead_channels_are_as_large_as_can_be() {
        let dead = |i: usize, o: usize| i % 4 == 1 || o == 2;
        let log_step = |i: usize, o: usize| if dead(i, o) { f64::INFINITY } else { 5.0 };
        let (input, output) = tap_steps(4, 3, log_step);
        for (i, o) in (0..4).flat_map(|i| (0..3).map(move |o| (i, o))) {
            let step = product(input[i], output[o]);
            // More than any tap has room for.
            assert!(if dead(i, o) { step > 65536.0 } else { (step - 32.0).abs() < 0.5 }, "{step}");
        }
        let (input, output) = tap_steps(2, 2, |_, _| f64::INFINITY);
        assert_eq!((input, output), (vec![MAX_TAP_STEP; 2], vec![MAX_TAP_STEP; 2]));
    }

    #[test]
    fn tables_stay_in_range() {
        for log in [-60.0, -9.0, 0.0, 17.9, 90.0] {
            let (input, output) = tap_steps(3, 2, |_, _| log);
            let all = input.iter().chain(&output);
            assert!(all.clone().all(|s| (1..=MAX_TAP_STEP).contains(s)), "{log}");
        }
    }
}
