//! A trained network in integers.

use super::source::Crop;
use anyhow::{ensure, Result};
use clap::ValueEnum;
use sidelight::adapt::tiles;
use sidelight::cpu::CpuLevel;
use sidelight::network::basis::Basis;
use sidelight::network::model::{ModelLayer, INPUT_LIMIT};
use sidelight::network::{Arch, Network, Shared};
use sidelight::train::map::Map;
use sidelight::train::net::{padded, Layer, Net, Workspace};

/// How hidden convolutions read their inputs.
#[derive(Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub enum Arithmetic {
    /// Activations and weights of 16 bits: next to no loss.
    #[default]
    I16,
    /// Activations and weights of 8 bits, small enough for sums of 16 bits.
    I8,
}

/// Largest hidden activation, and largest residual: ±255 grey levels.
const HIDDEN_LIMIT: i32 = 16383;
const OUTPUT_LIMIT: i32 = 4095;
/// Largest activation that hidden convolutions read in [`Arithmetic::I8`].
const BYTE_LIMIT: i32 = 255;
/// Their products must fit in sums of 16 bits over so many weights of a row: three are faster by a
/// few percent, but leave fewer digits for weights.
const TAPS_OF_SUM: usize = 1;
/// The largest activation seen in training is put this far below the limit.
const HEADROOM: f64 = 1.6;
const SHIFT: u32 = 30;
/// Share of the 31 bits of a sum that a channel may use before any update.
const SUM_SHARE: f64 = 0.7;
const LARGEST_WEIGHT: f64 = 16383.0;
/// Largest magnitude of a conditioning feature.
const LARGEST_FEATURE: f64 = 1024.0;
/// A channel that hardly fires gets units as if it reached this share of the layer's peak.
const LEAST_CLIP: f32 = 1.0 / 256.0;
/// Every so many-th pixel is looked at for the distribution of activations.
const PIXEL_STEP: usize = 7;

/// Integers for 1.0 of each channel of a feature map, and the largest.
struct Scale {
    units: Vec<f64>,
    limit: i32,
}

/// `net` in integers, with activations as they are in `crops`; for [`Arithmetic::I8`] it was
/// [`normalise`]d.
pub fn quantise(net: &Net, arithmetic: Arithmetic, crops: &[Crop]) -> Result<Network> {
    let load = |crop: &Crop, ws: &mut Workspace| tiles::load(&crop.decoded(), (0, 0), ws.input());
    let mut peaks = vec![0f32; net.layers.len() - 1];
    each_map(net, crops, load, |l, map| peaks[l] = peak_with(peaks[l], map))?;
    let mut input =
        Scale { units: vec![f64::from(INPUT_LIMIT); net.arch.inputs], limit: INPUT_LIMIT };
    let mut layers = Vec::new();
    for (l, layer) in net.layers.iter().enumerate() {
        let bytes_in = arithmetic == Arithmetic::I8 && (1..=net.arch.hidden).contains(&l);
        let output = if l == net.arch.hidden + 1 {
            Scale { units: vec![f64::from(INPUT_LIMIT); layer.cout], limit: OUTPUT_LIMIT }
        } else if arithmetic == Arithmetic::I8 && l < net.arch.hidden {
            Scale { units: vec![f64::from(BYTE_LIMIT); layer.cout], limit: BYTE_LIMIT }
        } else {
            let unit = f64::from(HIDDEN_LIMIT) / (HEADROOM * f64::from(peaks[l]));
            Scale { units: vec![unit; layer.cout], limit: HIDDEN_LIMIT }
        };
        let (layer, output) = integers(layer, &input, output, bytes_in)?;
        ensure!(layer.multiplier.iter().all(|m| *m >= 64), "layer {l}: multipliers too small");
        layers.push(layer);
        input = output;
    }
    Ok(Network { arch: net.arch, layers })
}

/// Makes activations that hidden convolutions read lie between 0 and 1, but for rare ones that are
/// cut off; the network does the same as before. `load` fills its input.
pub fn normalise(
    net: &mut Net,
    crops: &[Crop],
    load: impl Fn(&Crop, &mut Workspace),
) -> Result<()> {
    let layers = &net.layers[..net.layers.len() - 1];
    let mut peaks = vec![0f32; layers.len()];
    // Of each channel's activations those at some pixels.
    let mut samples: Vec<_> = layers.iter().map(|l| vec![Vec::new(); l.cout]).collect();
    each_map(net, crops, load, |l, map| {
        peaks[l] = peak_with(peaks[l], map);
        let pixels = (0..map.height).flat_map(|y| map.row(y).chunks_exact(map.channels));
        for pixel in pixels.step_by(PIXEL_STEP) {
            samples[l].iter_mut().zip(pixel).for_each(|(channel, a)| channel.push(*a));
        }
    })?;
    for l in 0..net.arch.hidden {
        for (c, channel) in samples[l].iter().enumerate() {
            let clip = best_clip(channel).max(peaks[l] * LEAST_CLIP);
            let layer = &mut net.layers[l];
            let p = padded(layer.cout);
            for tensor in [&mut layer.weights, &mut layer.bias, &mut layer.condition] {
                tensor[c..].iter_mut().step_by(p).for_each(|w| *w /= clip);
            }
            let next = &mut net.layers[l + 1];
            let (cin, p) = (next.cin, padded(next.cout));
            let rows = next.weights.chunks_exact_mut(p).skip(c).step_by(cin);
            rows.flatten().for_each(|w| *w *= clip);
        }
    }
    Ok(())
}

/// The network with the weights that hidden convolutions will have in integers.
pub fn rounded(net: &Net) -> Net {
    let mut rounded = net.clone();
    for layer in &mut rounded.layers[1..=net.arch.hidden] {
        let p = padded(layer.cout);
        for c in 0..layer.cout {
            let weights: Vec<_> =
                layer.weights[c..].iter().step_by(p).map(|w| f64::from(*w)).collect();
            let gain = byte_gain(&weights, layer.cin, BYTE_LIMIT);
            for (rounded, w) in layer.weights[c..].iter_mut().step_by(p).zip(weights) {
                *rounded = ((w * gain).round() / gain) as f32;
            }
        }
    }
    rounded
}

/// The activation that hidden convolution `layer` of `arch` will read in place of each.
pub fn round_activations(arch: Arch, layer: usize, activations: &mut [f32]) {
    if layer < arch.hidden {
        let limit = BYTE_LIMIT as f32;
        activations.iter_mut().for_each(|a| *a = (*a * limit).round().min(limit) / limit);
    }
}

/// Calls `visit` with the number and the output of each layer but the last, for each crop.
fn each_map(
    net: &Net,
    crops: &[Crop],
    load: impl Fn(&Crop, &mut Workspace),
    mut visit: impl FnMut(usize, &Map),
) -> Result<()> {
    let half = crops[0].size() / 2;
    let mut ws = Workspace::new(net.arch, half, half, CpuLevel::current())?;
    for crop in crops {
        load(crop, &mut ws);
        ws.forward(net, crop.condition, (0, 0));
        (0..net.layers.len() - 1).for_each(|l| visit(l, ws.activations(l)));
    }
    Ok(())
}

/// The larger one of `peak` and the map's largest activation.
fn peak_with(peak: f32, map: &Map) -> f32 {
    (0..map.height).flat_map(|y| map.row(y)).fold(peak, |a, b| a.max(*b))
}

/// The activation that should become the largest one for the least squared error of all.
fn best_clip(activations: &[f32]) -> f32 {
    let peak = activations.iter().fold(1e-6f32, |a, b| a.max(*b));
    let error = |clip: f32| -> f64 {
        let unit = BYTE_LIMIT as f32 / clip;
        let rounded = |a: f32| (a * unit).round().min(BYTE_LIMIT as f32) / unit;
        activations.iter().map(|a| f64::from(a - rounded(*a)).powi(2)).sum()
    };
    let clips = (5..=24).map(|i| peak * i as f32 / 20.0);
    let best = clips.map(|clip| (error(clip), clip)).min_by(|a, b| a.0.total_cmp(&b.0));
    best.map_or(peak, |(_, clip)| clip)
}

/// One layer, between feature maps of these scales. Those of the output are taken down where its
/// sums have too few digits for it.
fn integers(
    layer: &Layer,
    input: &Scale,
    mut output: Scale,
    bytes_in: bool,
) -> Result<(ModelLayer, Scale)> {
    let (cin, cout, p) = (layer.cin, layer.cout, padded(layer.cout));
    // Of channel `c`, for inputs in integers.
    let weights = |c: usize| {
        let weights = layer.weights[c..].iter().step_by(p).enumerate();
        weights.map(|(i, w)| f64::from(*w) / input.units[i % cin])
    };
    // Per channel: sums are `gain` times the real ones.
    let gain = |c: usize| {
        let bias = layer.bias[c..].iter().step_by(p).fold(0f32, |a, b| a.max(b.abs()));
        let condition = layer.condition[c..].iter().step_by(p);
        let condition: f64 = condition.map(|w| f64::from(w.abs()) * LARGEST_FEATURE / 256.0).sum();
        let products = weights(c).map(f64::abs).sum::<f64>() * f64::from(input.limit);
        let by_sum =
            SUM_SHARE * f64::from(1u32 << 31) / (products + f64::from(bias) + condition).max(1e-9);
        if bytes_in {
            by_sum.min(byte_gain(&weights(c).collect::<Vec<_>>(), cin, input.limit))
        } else {
            by_sum.min(LARGEST_WEIGHT / weights(c).map(f64::abs).fold(1e-9, f64::max))
        }
    };
    let gains: Vec<f64> = (0..cout).map(gain).collect();
    let table = |values: &[f32]| -> Vec<i32> {
        let rows = values.chunks_exact(p).map(|row| row[..cout].iter().zip(&gains));
        rows.flatten().map(|(v, gain)| (f64::from(*v) * gain).round() as i32).collect()
    };
    let mut integers = vec![0i16; 9 * cin * cout];
    for (c, gain) in gains.iter().enumerate() {
        for (i, w) in weights(c).enumerate() {
            integers[i * cout + c] = (w * gain).round() as i16;
        }
    }
    // A multiplier is at most 1, in units of 2^SHIFT, and an update may raise it.
    for (unit, gain) in output.units.iter_mut().zip(&gains) {
        *unit = unit.min(gain / HEADROOM);
    }
    let multiplier = |(gain, unit): (&f64, &f64)| (f64::from(1u32 << SHIFT) * unit / gain).round();
    let layer = ModelLayer {
        cin,
        cout,
        weights: Shared::new(integers)?,
        bias: table(&layer.bias),
        condition: table(&layer.condition),
        multiplier: gains.iter().zip(&output.units).map(|u| multiplier(u) as i32).collect(),
        shift: SHIFT,
        limit: output.limit,
        scale_step: vec![1; cout],
        bias_step: vec![1; cout],
        mean: vec![0; cin],
        basis: Basis::none(cin, cout)?,
        row_step: vec![1; 9 * cin],
        column_step: vec![1; cout],
        weight_step_in: vec![1; cin],
        weight_step_out: vec![1; cout],
    };
    Ok((layer, output))
}

/// The largest gain whose rounded weights fit in 8 bits and in sums of 16 bits:
/// `sidelight::network::bounds::SumWidth`.
fn byte_gain(weights: &[f64], cin: usize, limit: i32) -> f64 {
    /// Sums of the positive and of the negative values, over each run of weights and half of the
    /// channels.
    fn sums<T: Copy + PartialOrd + Default + std::ops::AddAssign>(
        weights: impl Iterator<Item = T>,
        cin: usize,
    ) -> Vec<[T; 2]> {
        let mut sums = vec![[T::default(); 2]; 9 / TAPS_OF_SUM * 2];
        for (i, w) in weights.enumerate() {
            sums[i / (TAPS_OF_SUM * cin) * 2 + i % 4 / 2][usize::from(w < T::default())] += w;
        }
        sums
    }
    let largest = weights.iter().fold(1e-9, |a, w| w.abs().max(a));
    let runs = sums(weights.iter().copied(), cin);
    let room = f64::from(i16::MAX) / f64::from(limit);
    let by_runs = runs.iter().flatten().map(|sum| room / sum.abs().max(1e-9));
    // Rounding may add to a sum or take from it.
    let mut gain = (1.02 * by_runs.fold(f64::INFINITY, f64::min)).min(127.0 / largest);
    let range = i32::from(i16::MIN)..=i32::from(i16::MAX);
    while !sums(weights.iter().map(|w| (w * gain).round() as i32), cin)
        .iter()
        .flatten()
        .all(|sum| range.contains(&(sum * limit)))
    {
        gain *= 0.998;
    }
    gain
}
