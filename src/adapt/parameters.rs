//! What is trained: the integers of an update, and what each of them changes in the networks.

use super::finetune::Recipe;
use super::net::{padded, Net};
use crate::kernels::{keep_bytes, TapRoom};
use crate::network::instance::{room, scaled};
use crate::network::model::{ModelLayer, INPUT_LIMIT};
use crate::network::{Condition, Model};
use crate::payload::update::{LayerUpdate, Update, MAX_MAGNITUDE};
use crate::{memory, Result};
use std::ops::Range;

/// What a parameter changes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Kind {
    Scale,
    Bias,
    Tap,
}

/// One integer of the update.
#[derive(Clone, Copy, Debug)]
pub(super) struct Parameter {
    pub network: usize,
    pub layer: usize,
    pub kind: Kind,
    /// Output channel, or the tap's place in [`Layer::taps`](super::net::Layer::taps).
    pub index: usize,
    /// What one unit adds to the network's scale, bias or tap.
    pub amount: f32,
    /// The smallest integer that keeps the model valid, and layers of bytes on bytes.
    pub least: f32,
    /// The largest one.
    pub most: f32,
}

/// What `recipe` trains of the first `networks` of `model`, network by network, at step field `field`.
///
/// # Errors
/// [`OutOfMemory`](crate::Error::OutOfMemory).
pub(super) fn all(
    model: &Model,
    networks: usize,
    conditions: &[Condition],
    field: u8,
    recipe: Recipe,
) -> Result<Vec<Parameter>> {
    let mut room = conditions
        .iter()
        .map(|condition| room(model, *condition, field))
        .reduce(least)
        .unwrap_or_default()
        .into_iter();
    let layers = || model.networks().take(networks).flat_map(|n| &n.layers);
    let mut all = memory::room(layers().map(|l| 2 * l.cout + l.taps.len()).sum())?;
    for (network, of) in model.networks().take(networks).enumerate() {
        let mut limit = INPUT_LIMIT;
        for (layer, m) in of.layers.iter().enumerate() {
            let room = room.next().unwrap_or_default();
            let scales = (Kind::Scale, &m.scale_step, 1.0 / (1u64 << m.shift) as f32);
            let biases = (Kind::Bias, &m.bias_step, 1.0 / INPUT_LIMIT as f32);
            let kinds = room.iter().zip([scales, biases]);
            let first = usize::from(recipe == Recipe::Published);
            for (room, (kind, steps, unit)) in kinds.skip(first) {
                for (index, step) in steps.iter().enumerate() {
                    let amount = scaled(*step, field) as f32 * unit;
                    let most = f32::from(room[index]);
                    let least = -most;
                    all.push(Parameter { network, layer, kind, index, amount, least, most });
                }
            }
            for tap in taps_of(m, field, limit) {
                all.push(Parameter { network, layer, ..tap });
            }
            limit = m.limit;
        }
    }
    Ok(all)
}

/// The taps of a layer whose inputs are at most `limit`.
fn taps_of(m: &ModelLayer, field: u8, limit: i32) -> impl Iterator<Item = Parameter> + '_ {
    let room = TapRoom::new(&m.taps, (m.cin, m.cout), limit);
    (0..m.taps.len()).map(move |i| {
        let (row, co) = (i / m.cout, i % m.cout);
        let step = m.tap_step(row % m.cin, co, field);
        let [least, most] = room.of(i);
        let integer = |change: i64| (change / step).min(MAX_MAGNITUDE.into()) as f32;
        Parameter {
            network: 0,
            layer: 0,
            kind: Kind::Tap,
            index: row * padded(m.cout) + co,
            amount: step as f32,
            least: -integer(least),
            most: integer(most),
        }
    })
}

/// The smaller one of each pair.
fn least(a: Vec<[Vec<i16>; 2]>, b: Vec<[Vec<i16>; 2]>) -> Vec<[Vec<i16>; 2]> {
    let min = |a: &[i16], b: &[i16]| a.iter().zip(b).map(|(a, b)| *a.min(b)).collect();
    let pairs = a.iter().zip(&b);
    pairs.map(|(a, b)| [min(&a[0], &b[0]), min(&a[1], &b[1])]).collect()
}

/// The parameters of network `network`, which lie side by side.
pub(super) fn of_network(parameters: &[Parameter], network: usize) -> Range<usize> {
    let start = parameters.partition_point(|p| p.network < network);
    start..parameters.partition_point(|p| p.network <= network)
}

impl Parameter {
    /// Writes the network's value at integer `q` into `nets`, a copy of `base`.
    pub(super) fn apply(&self, q: f32, base: &[Net], nets: &mut [Net]) {
        let from = &base[self.network].layers[self.layer];
        let to = &mut nets[self.network].layers[self.layer];
        let change = q * self.amount;
        match self.kind {
            Kind::Scale => to.scale[self.index] = from.scale[self.index] + change,
            Kind::Bias => {
                for i in (self.index..from.bias.len()).step_by(padded(from.cout)) {
                    to.bias[i] = from.bias[i] + change;
                }
            }
            Kind::Tap => to.taps[self.index] = from.taps[self.index] + change,
        }
    }

    /// The derivative by its integer, of the gradient for `net`.
    pub(super) fn slope(&self, net: &Net, gradient: &Net) -> f32 {
        let layer = &gradient.layers[self.layer];
        let sum = match self.kind {
            Kind::Scale => layer.scale[self.index],
            Kind::Bias => layer.bias[self.index..].iter().step_by(padded(layer.cout)).sum(),
            Kind::Tap => {
                layer.taps[self.index]
                    * net.layers[self.layer].scale[self.index % padded(layer.cout)]
            }
        };
        sum * self.amount
    }
}

/// Rounds to an integer; magnitudes below `dead_zone` become 0.
pub(super) fn quantise(v: f32, dead_zone: f32) -> f32 {
    if v.abs() < dead_zone {
        return 0.0;
    }
    // floor(x + 1/2) of the magnitude: `round` without a call that depends on the platform.
    let magnitude = (v.abs() + 0.5) as i32 as f32;
    magnitude.copysign(v)
}

/// The update of `model` that gives its parameters these integers, at step field `step`.
pub(super) fn update(
    model: &Model,
    step: u8,
    parameters: &[Parameter],
    integers: impl IntoIterator<Item = f32>,
) -> Update {
    let shapes = model.shapes();
    let mut layers: Vec<LayerUpdate> = shapes.iter().map(|s| LayerUpdate::zeros(s.1)).collect();
    let first = [0, model.luma.layers.len()];
    for (p, q) in parameters.iter().zip(integers) {
        let layer = first[p.network] + p.layer;
        let (cin, cout) = shapes[layer];
        let LayerUpdate { scale, bias, taps } = &mut layers[layer];
        match p.kind {
            Kind::Scale => scale[p.index] = q as i16,
            Kind::Bias => bias[p.index] = q as i16,
            Kind::Tap if q != 0.0 => {
                taps.resize(9 * cin * cout, 0);
                let width = padded(cout);
                taps[p.index / width * cout + p.index % width] = q as i16;
            }
            Kind::Tap => {}
        }
    }
    // Layers of bytes stay that: they are faster.
    let mut updates = layers.iter_mut();
    for network in model.networks() {
        let mut input_limit = INPUT_LIMIT;
        for (base, update) in network.layers.iter().zip(&mut updates) {
            let (cin, cout) = (base.cin, base.cout);
            if !update.taps.is_empty() {
                let changed = |i: usize, n: i16| {
                    let step_of_tap = base.tap_step(i / cout % cin, i % cout, step);
                    i64::from(base.taps[i]) + i64::from(n) * step_of_tap
                };
                keep_bytes(&base.taps, (cin, cout), input_limit, &mut update.taps, changed);
            }
            if update.taps.iter().all(|n| *n == 0) {
                update.taps.clear();
            }
            input_limit = base.limit;
        }
    }
    Update { step, layers }
}
