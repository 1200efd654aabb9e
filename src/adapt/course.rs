//! How one network's integers are learnt: by Adam, in steps that rise and fall; and again from the start where
//! they were too long.

use super::adam::{Adam, AdamRates};
use super::parameters::{Kind, Parameters};
use crate::{memory, Result};
use std::ops::Range;

/// First step size of scales and biases, in units of their steps; 0.8 diverges.
const RATE: f32 = 0.4;
/// What is left of it at the end.
const LAST_RATE: f32 = 0.02;
/// That of coefficients is this part of it.
const COEFFICIENT_RATE: f32 = 0.4;
/// Part of the schedule in which step sizes rise: until there are moments to go by.
const WARM_UP: f32 = 0.05;
/// Where errors grow to this many times those of the base model, steps are too long for the network.
const ASTRAY: f32 = 2.0;

/// The learning of a network since it last started at the base model.
pub(super) struct Course {
    /// Its parameters' places.
    range: Range<usize>,
    /// Step sizes of each, as a part of [`RATE`].
    factors: Vec<f32>,
    adam: Adam,
    /// What all step sizes are multiplied with.
    rate: f32,
    /// Where in the schedule it started.
    start: f32,
    /// Steps since then.
    steps: u32,
    /// The objective's errors of the base model.
    base_loss: f32,
    /// Their running mean.
    mean_loss: f32,
}

impl Course {
    /// Of network `network`, whose base model has errors of `base_loss`.
    ///
    /// # Errors
    /// [`OutOfMemory`](crate::Error::OutOfMemory).
    pub fn new(parameters: &Parameters, network: usize, base_loss: f32) -> Result<Self> {
        let range = parameters.of_network(network);
        let kinds = parameters.iter().skip(range.start).take(range.len()).map(|p| p.kind);
        let factors = memory::collected(
            range.len(),
            kinds.map(|kind| match kind {
                Kind::Coefficient => COEFFICIENT_RATE,
                Kind::Scale | Kind::Bias => 1.0,
            }),
        )?;
        let zeros = || memory::filled(range.len(), 0.0);
        let adam = Adam { mean: zeros()?, square: zeros()? };
        let mean_loss = base_loss;
        Ok(Self { range, factors, adam, rate: 1.0, start: 0.0, steps: 0, base_loss, mean_loss })
    }

    /// One step against all parameters' `gradient`, where values have errors of `loss`, when `fraction` of the
    /// schedule is over, in which a step takes no less than `length`.
    pub fn step(
        &mut self,
        loss: f32,
        (fraction, length): (f32, f32),
        values: &mut [f32],
        gradient: &[f32],
    ) {
        let (values, gradient) = (&mut values[self.range.clone()], &gradient[self.range.clone()]);
        self.mean_loss += 0.1 * (loss - self.mean_loss);
        if self.mean_loss.is_nan() || self.mean_loss > ASTRAY * self.base_loss {
            values.fill(0.0);
            self.adam.mean.fill(0.0);
            self.adam.square.fill(0.0);
            self.rate *= 0.5;
            (self.start, self.steps, self.mean_loss) = (fraction + length, 0, self.base_loss);
            return;
        }
        self.steps += 1;
        let risen = ((fraction - self.start + length) / WARM_UP).min(1.0);
        let rate = self.rate * risen * (RATE * (1.0 - fraction) + LAST_RATE);
        let rates = AdamRates { rate, beta1: 0.8, beta2: 0.97 };
        self.adam.step_by(rates, self.steps, values, gradient, |i| self.factors[i]);
    }
}
