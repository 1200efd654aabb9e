//! A model made ready for pictures of one kind: condition and update folded in, and the proof that
//! nothing can overflow.

use super::bounds::{folded, largest_sum};
use super::model::{Model, ModelLayer, Network, INPUT_LIMIT};
use super::step::scaled;
use super::update::{LayerUpdate, Update};
use super::weights::{LayerWeights, Weights};
use super::Condition;
use crate::util::shared::Shared;
use crate::util::{alloc, fault};
use crate::{Error, Result};

/// One convolution, ready to run: see [`ModelLayer`] for the arithmetic.
#[derive(Clone, Debug)]
pub struct PreparedLayer {
    /// Input channels.
    pub cin: usize,
    /// Output channels.
    pub cout: usize,
    /// `[9][cin][cout]`.
    pub weights: Shared<i16>,
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

impl PreparedLayer {
    /// A copy, which shares the weights.
    ///
    /// # Errors
    /// [`Error::OutOfMemory`].
    pub(crate) fn try_clone(&self) -> Result<Self> {
        let Self { cin, cout, period, shift, low, high, .. } = *self;
        let weights = self.weights.clone();
        let bias = alloc::try_concat(&[&self.bias])?;
        let multiplier = alloc::try_concat(&[&self.multiplier])?;
        Ok(Self { cin, cout, weights, bias, period, multiplier, shift, low, high })
    }
}

/// A model ready to run. Holding one proves that its sums cannot overflow 32 bits.
#[derive(Clone, Debug)]
pub struct Prepared {
    /// Convolutions of luma, first to last.
    pub luma: Vec<PreparedLayer>,
    /// Convolutions of chroma; none: it passes through.
    pub chroma: Vec<PreparedLayer>,
}

impl Prepared {
    /// `model` under `condition`, with `update` applied.
    ///
    /// # Errors
    /// [`Error::Corrupt`] if the update is not of the model's shape, or if its coefficients are too
    /// large, or if with it a multiplier leaves 1..=2^shift or a sum could reach 2^31;
    /// [`OutOfMemory`](Error::OutOfMemory).
    pub fn new(model: &Model, condition: Condition, update: Option<&Update>) -> Result<Self> {
        Self::with_weights(model, condition, update, &Weights::new(model, update)?)
    }

    /// `model` under `condition` with `update`, whose `weights` were computed before.
    pub(crate) fn with_weights(
        model: &Model,
        condition: Condition,
        update: Option<&Update>,
        weights: &Weights,
    ) -> Result<Self> {
        fault::point("prepared");
        let step = update.map_or(0, |u| u.step);
        let mut updates = update.map_or(&[][..], |u| &u.layers).iter();
        let mut changes =
            weights.iter().map(|weights| Change { weights, layer: updates.next(), step });
        let luma = prepare_all(&model.luma, condition, &mut changes)?;
        let chroma = match &model.chroma {
            Some(network) => prepare_all(network, condition, &mut changes)?,
            None => Vec::new(),
        };
        Ok(Self { luma, chroma })
    }
}

/// What an update makes of one layer.
struct Change<'a> {
    weights: &'a LayerWeights,
    layer: Option<&'a LayerUpdate>,
    step: u8,
}

/// The layers of `network`, proven; takes its part from `changes`.
fn prepare_all<'a>(
    network: &Network,
    condition: Condition,
    changes: &mut impl Iterator<Item = Change<'a>>,
) -> Result<Vec<PreparedLayer>> {
    let mut input_limit = INPUT_LIMIT;
    let mut layers = alloc::try_with_capacity(network.layers.len())?;
    for (i, (base, change)) in network.layers.iter().zip(changes).enumerate() {
        let (bias, multiplier) = fold(base, condition, &change)?;
        let last = i + 1 == network.layers.len();
        let layer = PreparedLayer {
            cin: base.cin,
            cout: base.cout,
            weights: change.weights.weights.clone(),
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
    let mut bias = alloc::try_with_capacity(base.bias.len())?;
    let mut multiplier = alloc::try_with_capacity(cout)?;
    let shift_of = |c: usize| -> i64 {
        let mut shift = folded(base, condition, c);
        if let Some(u) = change.layer {
            shift += i64::from(u.bias[c]) * scaled(base.bias_step[c], change.step);
        }
        shift - change.weights.average.get(c).unwrap_or(&0)
    };
    let shifts = alloc::try_collect(cout, (0..cout).map(shift_of))?;
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
fn prove(layer: &PreparedLayer, input_limit: i32) -> Result {
    let shift_ok = (1..=31).contains(&layer.shift);
    let limits_ok = (1..=32767).contains(&layer.high) && (1..=32767).contains(&input_limit);
    if !shift_ok || !limits_ok {
        return Err(Error::Corrupt);
    }
    for c in 0..layer.cout {
        let sum = largest_sum(&layer.weights, &layer.bias, layer.cout, c, i64::from(input_limit));
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
