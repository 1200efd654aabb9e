//! What is trained: the integers of an update, and what they change in the networks.

use super::basis::{add, LayerBasis, Scratch};
use super::task::Objective;
use crate::network::bounds::{sum_bounds, update_bounds};
use crate::network::model::{ModelLayer, INPUT_LIMIT};
use crate::network::prior::LayerClasses;
use crate::network::step::scaled;
use crate::network::update::{LayerUpdate, Update, MAX_MAGNITUDE};
use crate::network::{Arch, Condition, Model, Network};
use crate::train::net::{padded, Layer, Net};
use crate::train::COEFFICIENT_UNIT as UNIT;
use crate::util::alloc;
use crate::Result;
use std::ops::Range;

/// The slope of a coefficient's price in relation to a scale's or a bias's, for each bit that it
/// takes to be other than 0.
const COEFFICIENT_PRICE: f32 = 0.385;
/// Sums may come this near to what the integer model can add up, as rounding differs from
/// training's.
const SUMS: f32 = 0.96;
/// A layer whose sums would come nearer has its coefficients multiplied by this.
const SHRINK: f32 = 0.9;

/// What an integer changes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum ParameterKind {
    Scale,
    Bias,
    Coefficient,
}

/// One integer of the update.
#[derive(Clone, Copy, Debug)]
pub(super) struct Parameter {
    pub kind: ParameterKind,
    /// What one unit adds to the network's scale or bias, or times its basis vector to the weights.
    amount: f32,
    /// The smallest integer that keeps the model valid.
    pub least: f32,
    /// The largest one.
    pub most: f32,
    /// The slope of its price is this many times that of a scale or a bias.
    pub price: f32,
}

/// All integers of an update: layer by layer the scales, the biases and the coefficients.
pub(super) struct Parameters {
    all: Vec<Parameter>,
    layers: Vec<LayerParameters>,
    /// The first layer of each network.
    networks: Vec<Range<usize>>,
    /// Output channels of all layers of the model, also those of networks that are not trained.
    channels: Vec<usize>,
    scratch: Scratch,
    /// Whether changes of weights are rounded to integers.
    rounds: bool,
}

/// The integers of a layer, and what they do to it: docs/model.md, Update.
struct LayerParameters {
    /// The places of the layer's integers among all.
    range: Range<usize>,
    /// Input channels.
    cin: usize,
    /// Output channels.
    cout: usize,
    /// What coefficients change.
    basis: LayerBasis,
    /// `[cin]`, what inputs are on average.
    mean: Vec<f32>,
    /// The largest input.
    largest: f32,
    /// `[cout]`, what the sums of integers may reach.
    most: Vec<f32>,
    /// Whether a sum might be larger with the values that were applied last.
    over: bool,
}

impl LayerParameters {
    fn new(range: Range<usize>, m: &ModelLayer, largest: f32, most: Vec<f32>) -> Self {
        Self {
            range,
            cin: m.cin,
            cout: m.cout,
            basis: LayerBasis::new(m),
            mean: m.mean.iter().map(|v| f32::from(*v) / INPUT_LIMIT as f32).collect(),
            largest,
            most,
            over: false,
        }
    }

    /// Whether sums with these weights and biases, rows of `[cout]` padded, might be larger than
    /// allowed.
    fn overflows(&self, to: &Layer) -> bool {
        let width = padded(self.cout);
        let mut sums = [0.0f32; Arch::MAX_CHANNELS];
        let sums = &mut sums[..self.cout];
        for row in to.bias.chunks_exact(width) {
            let biases = sums.iter_mut().zip(row);
            biases.for_each(|(sum, b)| *sum = sum.max(b.abs() * INPUT_LIMIT as f32));
        }
        for row in to.weights.chunks_exact(width) {
            sums.iter_mut().zip(row).for_each(|(sum, weight)| *sum += weight.abs() * self.largest);
        }
        sums.iter().zip(&self.most).any(|(sum, most)| *sum > *most)
    }

    /// The ranges of scales, biases and coefficients among those of the layer.
    fn parts(&self) -> [Range<usize>; 3] {
        let n = self.cout;
        [0..n, n..2 * n, 2 * n..self.range.len()]
    }
}

/// The nearest integer to a number below 2^22.
fn nearest(v: f32) -> f32 {
    const MAGIC: f32 = 12_582_912.0;
    (v + MAGIC) - MAGIC
}

impl Parameters {
    /// What `objective` trains of the first `networks` of `model` at step field `field`.
    ///
    /// # Errors
    /// [`OutOfMemory`](crate::Error::OutOfMemory).
    pub fn new(
        model: &Model,
        networks: usize,
        conditions: &[Condition],
        field: u8,
        objective: Objective,
    ) -> Result<Self> {
        let mut room = conditions
            .iter()
            .map(|condition| update_bounds(model, *condition, field))
            .reduce(least)
            .unwrap_or_default()
            .into_iter();
        let mut sums = sum_bounds(model, conditions).into_iter();
        let layers = || model.networks().take(networks).flat_map(|n| &n.layers);
        let mut all =
            alloc::try_with_capacity(layers().map(|l| 2 * l.cout + l.weights.len()).sum())?;
        let classes = model.prior.networks().iter().flatten();
        let mut of_layers = Vec::new();
        for (m, classes) in layers().zip(classes) {
            let [scales, biases] = room.next().unwrap_or_default();
            // The published objective trains no scales.
            let scales =
                scales.iter().map(|most| if objective == Objective::Published { 0 } else { *most });
            let start = all.len();
            let value = |kind, amount, most: i16| {
                let most = f32::from(most);
                Parameter { kind, amount, least: -most, most, price: 1.0 }
            };
            let unit = 1.0 / (1u64 << m.shift) as f32;
            all.extend(scales.zip(&m.scale_step).map(|(most, step)| {
                value(ParameterKind::Scale, scaled(*step, field) as f32 * unit, most)
            }));
            let unit = 1.0 / INPUT_LIMIT as f32;
            all.extend(biases.iter().zip(&m.bias_step).map(|(most, step)| {
                value(ParameterKind::Bias, scaled(*step, field) as f32 * unit, *most)
            }));
            all.extend(coefficients(m, classes, field));
            let (largest, most) = sums.next().unwrap_or_default();
            let most = most.iter().map(|sum| SUMS * *sum as f32).collect();
            of_layers.push(LayerParameters::new(start..all.len(), m, largest as f32, most));
        }
        let mut first = 0;
        let of_network = |n: &Network| {
            first += n.layers.len();
            first - n.layers.len()..first
        };
        let networks = model.networks().take(networks).map(of_network).collect();
        let scratch = Scratch::new(layers().map(|l| l.weights.len()).max().unwrap_or(0))?;
        let rounds = objective == Objective::RateDistortion;
        let channels = model.shapes().iter().map(|shape| shape.1).collect();
        Ok(Self { all, layers: of_layers, networks, channels, scratch, rounds })
    }

    /// All parameters, one by one.
    pub fn iter(&self) -> std::slice::Iter<'_, Parameter> {
        self.all.iter()
    }

    /// The number of parameters.
    pub fn len(&self) -> usize {
        self.all.len()
    }

    /// The places of the parameters of network `network`.
    pub fn of_network(&self, network: usize) -> Range<usize> {
        let layers = &self.layers[self.networks[network].clone()];
        let start = layers.first().map_or(0, |l| l.range.start);
        start..layers.last().map_or(start, |l| l.range.end)
    }

    /// Each layer's coefficients among all.
    #[cfg(test)]
    pub fn coefficients(&self) -> impl Iterator<Item = Range<usize>> + '_ {
        let of_layer = |layer: &LayerParameters| {
            let [_, _, own] = layer.parts();
            layer.range.start + own.start..layer.range.start + own.end
        };
        self.layers.iter().map(of_layer)
    }

    /// Writes the networks with integers `values` into `nets`, copies of `base`.
    pub fn apply(&mut self, values: &[f32], base: &[Net], nets: &mut [Net]) {
        for ((range, base), net) in self.networks.iter().zip(base).zip(nets) {
            let layers = self.layers[range.clone()].iter_mut();
            for ((layer, from), to) in layers.zip(&base.layers).zip(&mut net.layers) {
                let width = padded(layer.cout);
                let all = &self.all[layer.range.clone()];
                let values = &values[layer.range.clone()];
                let [scales, biases, coefficients] = layer.parts();
                let change = |i: usize| all[i].amount * values[i];
                for (c, i) in scales.enumerate() {
                    to.scale[c] = from.scale[c] + change(i);
                }
                let changes = layer.basis.synthesise(coefficients.map(change), &mut self.scratch);
                if self.rounds {
                    changes.iter_mut().for_each(|weight| *weight = nearest(*weight));
                }
                let mut shifts = [0.0; Arch::MAX_CHANNELS];
                let shifts = &mut shifts[..layer.cout];
                for (shift, i) in shifts.iter_mut().zip(biases) {
                    *shift = change(i);
                }
                let rows = to.weights.chunks_exact_mut(width).zip(from.weights.chunks_exact(width));
                let changes = changes.chunks_exact(layer.cout);
                for (i, ((to, from), changes)) in rows.zip(changes).enumerate() {
                    for ((to, from), change) in to.iter_mut().zip(from).zip(changes) {
                        *to = from + change;
                    }
                    add(shifts, -layer.mean[i % layer.cin], changes);
                }
                let rows = to.bias.chunks_exact_mut(width).zip(from.bias.chunks_exact(width));
                for (to, from) in rows {
                    for ((to, from), shift) in to.iter_mut().zip(from).zip(&*shifts) {
                        *to = from + shift;
                    }
                }
                layer.over = layer.overflows(to);
            }
        }
    }

    /// Makes coefficients smaller in layers whose sums would have become too large with what was
    /// applied last.
    pub fn hold(&self, values: &mut [f32]) {
        for layer in self.layers.iter().filter(|layer| layer.over) {
            let [_, _, coefficients] = layer.parts();
            let of_layer = &mut values[layer.range.clone()];
            of_layer[coefficients].iter_mut().for_each(|v| *v *= SHRINK);
        }
    }

    /// The derivatives by scales, biases and weights out of a network's `gradient`, where this
    /// keeps its integers.
    ///
    /// # Errors
    /// [`OutOfMemory`](crate::Error::OutOfMemory).
    pub fn collect(&self, network: usize, net: &Net, gradient: &Net) -> Result<Vec<f32>> {
        let mut all = alloc::try_with_capacity(self.of_network(network).len())?;
        for (layer, own) in gradient.layers.iter().zip(&net.layers) {
            all.extend_from_slice(&layer.scale[..layer.cout]);
            all.extend(layer.by_bias());
            all.extend(layer.by_weight(own));
        }
        Ok(all)
    }

    /// Makes derivatives by integers of what [`collect`](Self::collect) gave for all networks.
    pub fn differentiate(&mut self, gradient: &mut [f32]) {
        for layer in &self.layers {
            let of_layer = &mut gradient[layer.range.clone()];
            let [_, bias, coefficients] = layer.parts();
            let (before, weights) = of_layer.split_at_mut(coefficients.start);
            // Where a weight changes, the bias follows by the mean of the inputs.
            for (i, row) in weights.chunks_exact_mut(layer.cout).enumerate() {
                add(row, -layer.mean[i % layer.cin], &before[bias.clone()]);
            }
            layer.basis.adjoint(weights, &mut self.scratch);
            for (g, p) in of_layer.iter_mut().zip(&self.all[layer.range.clone()]) {
                *g *= p.amount;
            }
        }
    }

    /// The update that gives the parameters these integers, at step field `step`.
    pub fn update(&self, step: u8, integers: impl Iterator<Item = f32>) -> Update {
        let channels = self.channels.iter();
        let mut layers: Vec<LayerUpdate> = channels.map(|n| LayerUpdate::zeros(*n)).collect();
        let mut integers = integers.map(|q| q as i16);
        for (of, layer) in self.layers.iter().zip(&mut layers) {
            layer.scale = integers.by_ref().take(of.cout).collect();
            layer.bias = integers.by_ref().take(of.cout).collect();
            layer.coefficients = integers.by_ref().take(9 * of.cin * of.cout).collect();
            if layer.coefficients.iter().all(|q| *q == 0) {
                layer.coefficients.clear();
            }
        }
        Update { step, layers }
    }
}

/// The coefficients of a layer.
fn coefficients<'a>(
    m: &'a ModelLayer,
    classes: &'a LayerClasses,
    field: u8,
) -> impl Iterator<Item = Parameter> + 'a {
    (0..m.weights.len()).map(move |i| {
        let (row, column) = (i / m.cout, i % m.cout);
        let most = f32::from(MAX_MAGNITUDE);
        Parameter {
            kind: ParameterKind::Coefficient,
            amount: m.step(row, column, field) as f32 * UNIT,
            least: -most,
            most,
            // Where it is, its sign, and some for its magnitude.
            price: COEFFICIENT_PRICE * (0.5 * f32::from(classes.level(row, column)) + 1.5),
        }
    })
}

/// The smaller bound of each pair.
fn least(a: Vec<[Vec<i16>; 2]>, b: Vec<[Vec<i16>; 2]>) -> Vec<[Vec<i16>; 2]> {
    let min = |a: &[i16], b: &[i16]| a.iter().zip(b).map(|(a, b)| *a.min(b)).collect();
    let pairs = a.iter().zip(&b);
    pairs.map(|(a, b)| [min(&a[0], &b[0]), min(&a[1], &b[1])]).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::models::{default_for, of_size, ModelSize};
    use crate::network::weights::Weights;
    use crate::network::{CodecKind, Prepared};
    use crate::picture::Layout;
    use crate::util::rng::Xorshift;

    fn trained(model: &Model, objective: Objective, field: u8) -> (Vec<Net>, Parameters) {
        let condition = Condition::from_jpeg_tables(&[20; 64], &[30; 64], Layout::I420);
        let nets = model.networks().map(Net::from_network).collect();
        (nets, Parameters::new(model, 2, &[condition], field, objective).unwrap())
    }

    fn sparse(parameters: &Parameters, random: &mut Xorshift) -> Vec<f32> {
        let value = |p: &Parameter| {
            let v = (random.next() >> 40) as i32 % 7 - 3;
            if p.kind != ParameterKind::Coefficient || random.next() >> 58 == 0 {
                (v as f32).clamp(p.least, p.most)
            } else {
                0.0
            }
        };
        parameters.iter().map(value).collect()
    }

    /// What any of the conditions adds is taken off what sums may reach.
    #[test]
    fn sums_have_room_for_every_condition() {
        let model = default_for(CodecKind::Jpeg, ModelSize::Medium).unwrap();
        let tables = [1, 8, 40, 250].map(|step| [step; 64]);
        let conditions = tables.map(|t| Condition::from_jpeg_tables(&t, &t, Layout::I420));
        let all = sum_bounds(model, &conditions);
        let mut least = 0;
        for condition in conditions {
            for ((limit, all), (own_limit, own)) in all.iter().zip(sum_bounds(model, &[condition]))
            {
                assert_eq!(*limit, own_limit);
                assert!(all.iter().zip(&own).all(|(all, own)| all <= own));
                least += all.iter().zip(&own).filter(|(all, own)| all == own).count();
            }
        }
        // Each channel's is that of one of them.
        assert!(least >= all.iter().map(|(_, left)| left.len()).sum());
    }

    /// Coefficients that the last layer's sums have no room for are made smaller until they have.
    #[test]
    fn sums_are_held() {
        let mut random = Xorshift(5);
        let of_size = |size| of_size(CodecKind::Jpeg, size).unwrap();
        for model in
            [ModelSize::Small, ModelSize::Medium, ModelSize::Large].into_iter().flat_map(of_size)
        {
            let condition = Condition::from_jpeg_tables(&[20; 64], &[30; 64], Layout::I420);
            let (base, mut parameters) = trained(model, Objective::RateDistortion, 11);
            let mut values = vec![0.0; parameters.len()];
            let last = model.luma.layers.len() - 1;
            let range = parameters.layers[last].range.clone();
            let [_, _, coefficients] = parameters.layers[last].parts();
            for v in values[range][coefficients].iter_mut().step_by(37) {
                *v = random.range(-200, 200) as f32;
            }
            let mut held = 0;
            loop {
                let mut nets = base.clone();
                parameters.apply(&values, &base, &mut nets);
                let over: Vec<bool> = parameters.layers.iter().map(|l| l.over).collect();
                assert!(over.iter().enumerate().all(|(l, over)| l == last || !over), "{over:?}");
                let update = parameters.update(11, values.iter().copied());
                let valid = Prepared::new(model, condition, Some(&update)).is_ok();
                assert!(valid || over[last]);
                if !over[last] {
                    break;
                }
                assert!(held > 0 || !valid, "{:08x}: meant to be too large", model.id);
                parameters.hold(&mut values);
                values.iter_mut().for_each(|v| *v = v.trunc());
                held += 1;
            }
            assert!(held > 0 && values.iter().any(|v| *v != 0.0));
        }
    }

    /// What is trained is what the integer model does with the update.
    #[test]
    fn networks_are_those_of_the_update() {
        let mut random = Xorshift(3);
        let of_size = |size| of_size(CodecKind::Jpeg, size).unwrap();
        for model in
            [ModelSize::Small, ModelSize::Medium, ModelSize::Large].into_iter().flat_map(of_size)
        {
            let (base, mut parameters) = trained(model, Objective::RateDistortion, 0);
            let values = sparse(&parameters, &mut random);
            let mut nets = base.clone();
            parameters.apply(&values, &base, &mut nets);
            let update = parameters.update(0, values.iter().copied());
            let weights = Weights::new(model, Some(&update)).unwrap();
            let layers = model.networks().flat_map(|n| &n.layers).zip(&update.layers);
            let floats = nets.iter().flat_map(|n| &n.layers);
            let (mut taken, mut all) = (0, 0);
            let (mut near, mut averages) = (0, 0);
            for (((base, update), changed), net) in layers.zip(weights.iter()).zip(floats) {
                let width = padded(base.cout);
                for (i, weight) in changed.weights.iter().enumerate() {
                    let float = net.weights[i / base.cout * width + i % base.cout];
                    // The integer model saturates; floats round ties and the like another way.
                    taken += usize::from((float - f32::from(*weight)).abs() < 1.1);
                    all += 1;
                }
                for c in 0..base.cout {
                    // Float weights differ where integers saturate: biases must follow their own.
                    let average: f64 = (0..9 * base.cin)
                        .map(|i| {
                            let old = f64::from(base.weights[i * base.cout + c]);
                            (f64::from(net.weights[i * width + c]) - old)
                                * f64::from(base.mean[i % base.cin])
                        })
                        .sum();
                    let step = scaled(base.bias_step[c], 0) as f64;
                    let change = f64::from(update.bias[c]) * step - average;
                    let wanted = (f64::from(base.bias[c]) + change) / f64::from(INPUT_LIMIT);
                    let size = change.abs().max(f64::from(base.bias[c]).abs()) + average.abs();
                    let off = (f64::from(net.bias[c]) - wanted).abs() * f64::from(INPUT_LIMIT);
                    assert!(off <= 1e-4 * size + 1.0, "{size:?} {c}: {} {wanted}", net.bias[c]);
                    // Where none saturates, that is the integer model's.
                    let ours = *changed.average.get(c).unwrap_or(&0) as f64;
                    near += usize::from((ours - average).abs() <= 0.02 * average.abs() + 100.0);
                    averages += 1;
                }
            }
            assert!(taken as f64 > 0.99 * f64::from(all), "{:08x}: {taken} of {all}", model.id);
            assert!(
                near as f64 > 0.8 * f64::from(averages),
                "{:08x}: {near} of {averages}",
                model.id
            );
        }
    }

    /// The derivatives by integers are those by weights and biases, carried back through the basis
    /// vectors.
    #[test]
    fn derivatives_are_carried_back() {
        let mut random = Xorshift(4);
        let model = default_for(CodecKind::Jpeg, ModelSize::Medium).unwrap();
        for objective in [Objective::RateDistortion, Objective::Published] {
            let (base, mut parameters) = trained(model, objective, 3);
            parameters.rounds = false;
            let mut gradients: Vec<Net> = base.iter().map(|n| Net::zeros(n.arch)).collect();
            for tensor in gradients.iter_mut().flat_map(Net::tensors_mut) {
                tensor.fill_with(|| (random.next() >> 40) as f32 / (1 << 24) as f32 - 0.5);
            }
            let mut slopes = Vec::new();
            for (network, gradient) in gradients.iter().enumerate() {
                slopes.extend(parameters.collect(network, &base[network], gradient).unwrap());
            }
            parameters.differentiate(&mut slopes);
            let values = sparse(&parameters, &mut random);
            let mut nets = base.clone();
            parameters.apply(&values, &base, &mut nets);
            // The loss that has these gradients, but for padding, conditions and the scales on
            // weights.
            let mut loss = 0.0;
            for ((net, base), gradient) in nets.iter().zip(&base).zip(&gradients) {
                for ((to, from), g) in net.layers.iter().zip(&base.layers).zip(&gradient.layers) {
                    let width = padded(to.cout);
                    let mut add = |to: &[f32], old: &[f32], g: &[f32], scaled: bool| {
                        for (i, (to, old)) in to.iter().zip(old).enumerate() {
                            let scale = if scaled { from.scale[i % width] } else { 1.0 };
                            loss += f64::from((to - old) * g[i] * scale);
                        }
                    };
                    add(&to.weights, &from.weights, &g.weights, true);
                    add(&to.bias, &from.bias, &g.bias, false);
                    add(&to.scale, &from.scale, &g.scale, false);
                }
            }
            let linear: f64 =
                values.iter().zip(&slopes).map(|(v, s)| f64::from(*v) * f64::from(*s)).sum();
            assert!((linear - loss).abs() < 1e-3 * loss.abs().max(1.0), "{linear} {loss}");
        }
    }
}
