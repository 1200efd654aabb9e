//! A model made ready for pictures of one kind: condition and update folded in, and the proof that nothing
//! can overflow.

use super::condition::FEATURE_BITS;
use super::model::{Model, ModelLayer, Network, INPUT_LIMIT};
use super::taps::{Changed, Taps};
use super::Condition;
use crate::payload::update::{LayerUpdate, Update, MAX_MAGNITUDE};
use crate::{fault, Error, Result};
use std::sync::Arc;

/// One convolution, ready to run: see [`ModelLayer`] for the arithmetic.
#[derive(Clone, Debug)]
pub struct Layer {
    /// Input channels.
    pub cin: usize,
    /// Output channels.
    pub cout: usize,
    /// `[9][cin][cout]`.
    pub taps: Arc<[i16]>,
    /// `[period²][cout]`, condition and update included.
    pub bias: Vec<i32>,
    /// The bias row of pixel (y, x) is `period·(y mod period) + (x mod period)`; 1, 4 or 8.
    pub period: usize,
    /// `[cout]`, update included.
    pub multiplier: Vec<i32>,
    /// Right shift, 1..=31.
    pub shift: u32,
    /// Smallest output.
    pub low: i32,
    /// Largest output.
    pub high: i32,
}

/// A model ready to run. Holding one proves that its sums cannot overflow 32 bits.
#[derive(Clone, Debug)]
pub struct Instance {
    /// Convolutions of luma, first to last.
    pub luma: Vec<Layer>,
    /// Convolutions of chroma; none: it passes through.
    pub chroma: Vec<Layer>,
}

impl Instance {
    /// `model` under `condition`, with `update` applied.
    ///
    /// # Errors
    /// [`Error::Corrupt`] if the update is not of the model's shape, or if its coefficients are too large,
    /// or if with it a multiplier leaves 1..=2^shift or a sum could reach 2^31;
    /// [`OutOfMemory`](Error::OutOfMemory).
    pub fn new(model: &Model, condition: Condition, update: Option<&Update>) -> Result<Self> {
        Self::with_taps(model, condition, update, &Taps::new(model, update)?)
    }

    /// The same with `taps`, those of this model and update.
    pub(crate) fn with_taps(
        model: &Model,
        condition: Condition,
        update: Option<&Update>,
        taps: &Taps,
    ) -> Result<Self> {
        fault::point("instance");
        let step = update.map_or(0, |u| u.step);
        let mut updates = update.map_or(&[][..], |u| &u.layers).iter();
        let mut changes = taps.iter().map(|taps| Change { taps, layer: updates.next(), step });
        let luma = prepare_all(&model.luma, condition, &mut changes)?;
        let chroma = match &model.chroma {
            Some(network) => prepare_all(network, condition, &mut changes)?,
            None => Vec::new(),
        };
        Ok(Self { luma, chroma })
    }
}

/// Largest magnitudes that an update's integers may have at step field `field` so that
/// [`Instance::new`] accepts it and multipliers stay above an eighth of the model's: per layer the
/// channels' scales, then their biases.
#[must_use]
pub fn room(model: &Model, condition: Condition, field: u8) -> Vec<[Vec<i16>; 2]> {
    let most = i64::from(MAX_MAGNITUDE);
    let mut all = Vec::new();
    for network in model.networks() {
        let mut limit_in = i64::from(INPUT_LIMIT);
        for layer in &network.layers {
            let room_of = |c: usize| -> (i16, i16) {
                let m = i64::from(layer.multiplier[c]);
                let up = (1i64 << layer.shift) - m;
                let scale = (m - m / 8).min(up).max(0) / scaled(layer.scale_step[c], field);
                let taken = largest_sum(&layer.taps, &layer.bias, layer.cout, c, limit_in)
                    + folded(layer, condition, c).abs();
                let bias = ((1 << 31) - 1 - taken).max(0) / scaled(layer.bias_step[c], field);
                (scale.min(most) as i16, bias.min(most) as i16)
            };
            let (scales, biases) = (0..layer.cout).map(room_of).unzip();
            all.push([scales, biases]);
            limit_in = i64::from(layer.limit);
        }
    }
    all
}

/// For each layer, what its inputs may be, and what its output channels' sums may reach besides taps and biases:
/// what the conditions add at most is taken off.
pub(crate) fn sums(model: &Model, conditions: &[Condition]) -> Vec<(i64, Vec<i64>)> {
    let of_network = |network: &Network| {
        let limits = std::iter::once(INPUT_LIMIT).chain(network.layers.iter().map(|l| l.limit));
        let layers = limits.zip(&network.layers).map(|(limit, layer)| {
            let added = |c| conditions.iter().map(move |of| folded(layer, *of, c).abs()).max();
            let left = |c| (1 << 31) - added(c).unwrap_or(0);
            (i64::from(limit), (0..layer.cout).map(left).collect())
        });
        layers.collect::<Vec<_>>()
    };
    model.networks().flat_map(of_network).collect()
}

/// What the condition adds to the biases of channel `c`.
fn folded(layer: &ModelLayer, condition: Condition, c: usize) -> i64 {
    let terms = layer.condition[c..].iter().step_by(layer.cout).zip(condition.0);
    let sum: i64 = terms.map(|(w, f)| i64::from(*w) * i64::from(f)).sum();
    (sum + (1 << (FEATURE_BITS - 1))) >> FEATURE_BITS
}

/// Bound on the magnitude of channel `c`'s sums for inputs of magnitude up to `input_limit`.
fn largest_sum(taps: &[i16], bias: &[i32], cout: usize, c: usize, input_limit: i64) -> i64 {
    let weights: i64 = taps[c..].iter().step_by(cout).map(|w| i64::from(w.unsigned_abs())).sum();
    let biases = bias[c..].iter().step_by(cout).map(|b| i64::from(b.unsigned_abs()));
    weights * input_limit + biases.max().unwrap_or(0)
}

/// `step · 2^((field − 6) / 2)`, at least 1.
pub(crate) fn scaled(step: i32, field: u8) -> i64 {
    half_octaves(i64::from(step), field, 3).max(1)
}

/// `v · 2^(field / 2 − shift)`, for v below 2^53.
pub(super) fn half_octaves(v: i64, field: u8, shift: u32) -> i64 {
    let octaves = (v << (field / 2)) >> shift;
    // 362 / 256 is the root of 2.
    (octaves * [256, 362][usize::from(field % 2)]) >> 8
}

/// What an update makes of one layer.
struct Change<'a> {
    taps: &'a Changed,
    layer: Option<&'a LayerUpdate>,
    step: u8,
}

/// The layers of `network`, proven; takes its part from `changes`.
fn prepare_all<'a>(
    network: &Network,
    condition: Condition,
    changes: &mut impl Iterator<Item = Change<'a>>,
) -> Result<Vec<Layer>> {
    let mut input_limit = INPUT_LIMIT;
    let mut layers = Vec::with_capacity(network.layers.len());
    for (i, (base, change)) in network.layers.iter().zip(changes).enumerate() {
        let (bias, multiplier) = fold(base, condition, &change)?;
        let last = i + 1 == network.layers.len();
        let layer = Layer {
            cin: base.cin,
            cout: base.cout,
            taps: Arc::clone(&change.taps.taps),
            bias,
            period: if i == 0 { network.arch.period } else { 1 },
            multiplier,
            shift: base.shift,
            low: if last { -base.limit } else { 0 },
            high: base.limit,
        };
        prove(&layer, input_limit)?;
        input_limit = base.limit;
        layers.push(layer);
    }
    Ok(layers)
}

/// Biases and multipliers with condition and update.
fn fold(
    base: &ModelLayer,
    condition: Condition,
    change: &Change<'_>,
) -> Result<(Vec<i32>, Vec<i32>)> {
    let cout = base.cout;
    let (mut bias, mut multiplier) = (Vec::with_capacity(base.bias.len()), Vec::new());
    let shift_of = |c: usize| -> i64 {
        let mut shift = folded(base, condition, c);
        if let Some(u) = change.layer {
            shift += i64::from(u.bias[c]) * scaled(base.bias_step[c], change.step);
        }
        shift - change.taps.average.get(c).unwrap_or(&0)
    };
    let shifts: Vec<i64> = (0..cout).map(shift_of).collect();
    for row in base.bias.chunks_exact(cout) {
        for (b, s) in row.iter().zip(&shifts) {
            bias.push(i32::try_from(i64::from(*b) + s).map_err(|_| Error::Corrupt)?);
        }
    }
    for c in 0..cout {
        let mut m = i64::from(base.multiplier[c]);
        if let Some(u) = change.layer {
            m += i64::from(u.scale[c]) * scaled(base.scale_step[c], change.step);
        }
        multiplier.push(i32::try_from(m).map_err(|_| Error::Corrupt)?);
    }
    Ok((bias, multiplier))
}

/// Proves for inputs of magnitude up to `input_limit` that no sum, in any order, reaches 2^31, and
/// that every requantised value fits in 32 bits before it is clamped.
fn prove(layer: &Layer, input_limit: i32) -> Result {
    let shift_ok = (1..=31).contains(&layer.shift);
    let limits_ok = (1..=32767).contains(&layer.high) && (1..=32767).contains(&input_limit);
    if !shift_ok || !limits_ok {
        return Err(Error::Corrupt);
    }
    for c in 0..layer.cout {
        let sum = largest_sum(&layer.taps, &layer.bias, layer.cout, c, i64::from(input_limit));
        if sum >= 1 << 31 {
            return Err(Error::Corrupt);
        }
        let m = i64::from(layer.multiplier[c]);
        if m < 1 || m > 1 << layer.shift {
            return Err(Error::Corrupt);
        }
    }
    Ok(())
}
