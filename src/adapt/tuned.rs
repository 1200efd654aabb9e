//! What fine-tuning found, and the updates that it may be rounded to.

use super::dead_zone::quantise;
use super::parameters::{Parameter, ParameterKind, Parameters};
use super::published;
use crate::network::update::Update;
#[cfg(test)]
use {
    super::task::Objective,
    crate::network::{Condition, Model},
};

/// A fine-tuned update before rounding.
pub struct Tuned {
    /// Step field of the payload.
    pub step: u8,
    /// Optimiser steps that were run.
    pub steps: u32,
    /// What each value stands for.
    pub(super) parameters: Parameters,
    /// One value for each parameter, in units of the parameter's step at `step`.
    pub(super) values: Vec<f32>,
}

impl Tuned {
    /// An update whose coefficients are `value(layer, number)`, and all else 0.
    #[cfg(test)]
    pub(crate) fn with_coefficients(
        model: &Model,
        conditions: &[Condition],
        step: u8,
        mut value: impl FnMut(usize, usize) -> f32,
    ) -> Self {
        let parameters =
            Parameters::new(model, 2, conditions, step, Objective::RateDistortion).expect("memory");
        let mut values = Vec::new();
        for (layer, range) in parameters.coefficients().enumerate() {
            values.resize(range.start, 0.0);
            values.extend((0..range.len()).map(|i| value(layer, i)));
        }
        Self { step, steps: 0, parameters, values }
    }

    /// The update whose integers are nearest. Magnitudes of scales and biases below `zone` become
    /// 0, and those of coefficients below `coefficient_zone`; both are at least 0.5.
    #[must_use]
    pub fn round(&self, zone: f32, coefficient_zone: f32) -> Update {
        let zone = |p: &Parameter| match p.kind {
            ParameterKind::Coefficient => coefficient_zone,
            ParameterKind::Scale | ParameterKind::Bias => zone,
        };
        let pairs = self.values.iter().zip(self.parameters.iter());
        let integers = pairs.map(|(v, p)| quantise(*v, zone(p)));
        self.parameters.update(self.step, integers)
    }

    /// The update of the largest `share` of the values, each as the nearest of `clusters` integer
    /// means (k-means); the others become 0.
    #[must_use]
    pub fn cluster(&self, share: f64, clusters: usize) -> Update {
        let integers = published::clustered(&self.values, share, clusters);
        self.parameters.update(self.step, integers.into_iter())
    }
}
