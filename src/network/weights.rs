//! What an update makes of a layer's weights; biases take back what the changes do to an average
//! input.

use super::basis;
use super::bounds::SumHeadroom;
use super::model::{Model, ModelLayer, Network, INPUT_LIMIT};
use super::update::{Update, MAX_STEP};
use crate::util::alloc;
use crate::util::shared::Shared;
use crate::{Error, Result};

/// The weights of all layers with an update, shared by the models prepared for many conditions.
pub(crate) struct Weights(Vec<LayerWeights>);

/// A layer's weights with an update.
#[derive(Clone)]
pub(crate) struct LayerWeights {
    /// `[9][cin][cout]`.
    pub weights: Shared<i16>,
    /// `[cout]`, what an average input makes of the changes; empty without any.
    pub average: Vec<i64>,
}

impl Weights {
    /// The weights of `model` with `update` applied.
    ///
    /// # Errors
    /// [`Error::Corrupt`] if the model is not of its shape, the update not of the model's, or if
    /// its coefficients are too large; [`Error::OutOfMemory`].
    pub(crate) fn new(model: &Model, update: Option<&Update>) -> Result<Self> {
        if !model.networks().all(Network::is_consistent) {
            return Err(Error::Corrupt);
        }
        let layers = || model.networks().flat_map(|n| &n.layers);
        let unchanged =
            |base: &ModelLayer| LayerWeights { weights: base.weights.clone(), average: Vec::new() };
        let Some(update) = update else {
            return Ok(Self(alloc::try_collect(layers().count(), layers().map(unchanged))?));
        };
        let fits = update.layers.len() == layers().count()
            && update.layers.iter().zip(layers()).all(|(u, base)| u.fits(base.cin, base.cout));
        if !fits || update.step > MAX_STEP {
            return Err(Error::Corrupt);
        }
        let mut all = alloc::try_with_capacity(layers().count())?;
        let mut updates = update.layers.iter();
        for network in model.networks() {
            let mut limit = INPUT_LIMIT;
            for (base, update_of) in network.layers.iter().zip(&mut updates) {
                all.push(if update_of.coefficients.is_empty() {
                    unchanged(base)
                } else {
                    changed(base, &update_of.coefficients, update.step, limit)?
                });
                limit = base.limit;
            }
        }
        Ok(Self(all))
    }

    /// Each layer's weights, luma's first.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &LayerWeights> {
        self.0.iter()
    }
}

/// The weights of a layer whose inputs are at most `limit`, with coefficients `[9][cin][cout]` at
/// step field `field`.
fn changed(base: &ModelLayer, coefficients: &[i16], field: u8, limit: i32) -> Result<LayerWeights> {
    let (cin, cout) = (base.cin, base.cout);
    let changes = basis::synthesise(&base.basis, (cin, cout), coefficients, |row, column| {
        base.step(row, column, field)
    })?;
    let mut weights = alloc::try_filled(base.weights.len(), 0)?;
    let mut headroom = SumHeadroom::new(&base.weights, (cin, cout), limit)?;
    let mut average = alloc::try_filled(cout, 0)?;
    for (i, (new, change)) in weights.iter_mut().zip(&changes).enumerate() {
        let old = i64::from(base.weights[i]);
        let wanted = old + ((*change + (1 << (basis::FRACTION - 1))) >> basis::FRACTION);
        *new = headroom.take(i, old, wanted);
        average[i % cout] += (i64::from(*new) - old) * i64::from(base.mean[i / cout % cin]);
    }
    Ok(LayerWeights { weights: Shared::new(weights)?, average })
}
