//! What is trained: the integers of an update, and what each of them changes in the networks.

use super::net::{padded, Net};
use crate::network::instance::{room, scaled};
use crate::network::model::INPUT_LIMIT;
use crate::network::{Condition, Model};
use crate::payload::update::{LayerScaleBias, ScaleBias};
use std::ops::Range;

/// What a parameter changes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Kind {
    Scale,
    Bias,
}

/// One integer of the update.
#[derive(Clone, Copy, Debug)]
pub(super) struct Parameter {
    pub network: usize,
    pub layer: usize,
    pub kind: Kind,
    /// Output channel.
    pub index: usize,
    /// What one unit adds to the network's scale or bias.
    pub amount: f32,
    /// Largest magnitude that keeps the model valid.
    pub most: f32,
}

/// Scales and biases of the first `networks` of `model`, network by network, at step field `field`.
pub(super) fn channels(
    model: &Model,
    networks: usize,
    conditions: &[Condition],
    field: u8,
) -> Vec<Parameter> {
    let mut room = conditions
        .iter()
        .map(|condition| room(model, *condition, field))
        .reduce(least)
        .unwrap_or_default()
        .into_iter();
    let mut all = Vec::new();
    for (network, of) in model.networks().take(networks).enumerate() {
        for (layer, m) in of.layers.iter().enumerate() {
            let room = room.next().unwrap_or_default();
            let scales = (Kind::Scale, &m.scale_step, 1.0 / (1u64 << m.shift) as f32);
            let biases = (Kind::Bias, &m.bias_step, 1.0 / INPUT_LIMIT as f32);
            for (room, (kind, steps, unit)) in room.iter().zip([scales, biases]) {
                for (index, step) in steps.iter().enumerate() {
                    let amount = scaled(*step, field) as f32 * unit;
                    let most = f32::from(room[index]);
                    all.push(Parameter { network, layer, kind, index, amount, most });
                }
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
        }
    }

    /// The derivative by its integer, of the network's gradient.
    pub(super) fn slope(&self, gradient: &Net) -> f32 {
        let layer = &gradient.layers[self.layer];
        let sum = match self.kind {
            Kind::Scale => layer.scale[self.index],
            Kind::Bias => layer.bias[self.index..].iter().step_by(padded(layer.cout)).sum(),
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
) -> ScaleBias {
    let zeros = |n: usize| LayerScaleBias { scale: vec![0; n], bias: vec![0; n] };
    let mut layers: Vec<LayerScaleBias> = model.channels().into_iter().map(zeros).collect();
    let first = [0, model.luma.layers.len()];
    for (p, q) in parameters.iter().zip(integers) {
        let layer = &mut layers[first[p.network] + p.layer];
        let list = match p.kind {
            Kind::Scale => &mut layer.scale,
            Kind::Bias => &mut layer.bias,
        };
        list[p.index] = q as i16;
    }
    ScaleBias { step, layers }
}
