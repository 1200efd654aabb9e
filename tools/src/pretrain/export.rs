//! From a training checkpoint to a model file: folds the transform away, quantises, measures what
//! updates need.

use super::checkpoint::Checkpoint;
use super::measure::{measure, place};
use super::quantise::{quantise, Arithmetic};
use super::source::Crop;
use super::Material;
use super::{hadamard, Part, CHROMA_GAIN, OUTPUT_GAIN};
use crate::files;
use crate::media::planes::Planes;
use anyhow::{ensure, Context, Result};
use clap::Args;
use rand::SeedableRng;
use rand_pcg::Pcg64Mcg;
use sidelight::adapt::tiles;
use sidelight::cpu::CpuLevel;
use sidelight::filter::Filter;
use sidelight::kernels::FULL_STRENGTH;
use sidelight::network::prior::UpdatePrior;
use sidelight::network::{Model, Network, Prepared};
use sidelight::train::net::{padded, Net, Workspace};
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
    /// Bits of the activations and weights of hidden convolutions, as in training
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
    let large: Vec<Crop> =
        (0..options.crops).map(|_| source.crop(192, part, &mut rng)).collect::<Result<_>>()?;
    measure(&mut network, &large, &mut rng)?;
    let mut model = match &options.luma {
        None => Model {
            id: 0,
            codec: source.codec(),
            luma: network,
            chroma: None,
            prior: UpdatePrior::default(),
        },
        Some(path) => {
            let bytes = std::fs::read(path).with_context(|| path.display().to_string())?;
            Model { id: 0, chroma: Some(network), ..Model::from_bytes(&bytes)? }
        }
    };
    model.prior = UpdatePrior::untuned(&model.networks().map(Network::shapes).collect::<Vec<_>>())?;
    let bytes = model.write_file();
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
    let old = first.weights.clone();
    for t in 0..9 {
        for co in 0..p {
            let at = |i: usize| (t * inputs + i) * p + co;
            for i in 0..4 {
                first.weights[at(i)] = (0..4).map(|k| h[k][i] * old[at(k)]).sum();
            }
            for i in 4..inputs {
                first.weights[at(i)] *= CHROMA_GAIN;
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
    layer.weights.chunks_exact_mut(p).for_each(mix);
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
            let prepared = Prepared::new(model, crop.condition, None)?;
            let mut out = crop.decoded.clone();
            let target = out.view_mut();
            Filter::new(&prepared, CpuLevel::current())?.picture(
                &crop.decoded(),
                target,
                1,
                FULL_STRENGTH,
            )?;
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
        let (plane, row, column) = place(net.arch.outputs, (y, x), c);
        let width = crop.decoded.planes[plane].width;
        let sample = |of: &Planes| f32::from(of.planes[plane].data[row * width + column]);
        let residual = (128.0 * out.row(y)[x * out.channels + c]).round();
        let error = (sample(&crop.decoded) + residual).clamp(0.0, 255.0) - sample(&crop.original);
        errors[plane] += f64::from(error * error) / (width * width) as f64;
    }
    Ok(errors)
}
