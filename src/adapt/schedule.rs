//! How one network's integers are learnt: by Adam, with step sizes that rise and fall. Where they
//! prove too large, learning starts again at the base model with half of them.

use super::parameters::{ParameterKind, Parameters};
use crate::train::adam::{Adam, AdamRates};
use crate::util::alloc;
use crate::Result;
use std::ops::Range;

/// First step size of scales and biases, in units of their steps; 0.8 diverges.
const RATE: f32 = 0.4;
/// Step size of scales and biases at the end.
const LAST_RATE: f32 = 0.02;
/// Step size of coefficients in relation to that of scales and biases.
const COEFFICIENT_RATE: f32 = 0.4;
/// Part of the schedule in which step sizes rise, while Adam's moments are of few steps.
const WARM_UP: f32 = 0.05;
/// Restart if the short-run loss is above this many times the base model's.
const DIVERGED: f32 = 2.0;
/// Restart if the long-run loss is above this many times the base model's after [`TRIAL`] of the
/// schedule.
const NO_GAIN: f32 = 1.02;
/// Part of the schedule after which a start must have brought some gain.
const TRIAL: f32 = 0.5;

/// The learning of a network since it last started at the base model.
pub(super) struct Schedule {
    /// The places of the network's parameters among all.
    range: Range<usize>,
    /// The step size of each parameter, as a part of [`RATE`].
    factors: Vec<f32>,
    adam: Adam,
    /// A factor of all step sizes, halved by each restart.
    rate: f32,
    /// The part of the schedule that was over when learning last started.
    start: f32,
    /// Steps since learning last started.
    steps: u32,
    /// The loss of the base model.
    base_loss: f32,
    /// Running means of the loss, short-run over some ten steps and long-run over some thirty.
    means: [f32; 2],
}

impl Schedule {
    /// The schedule of network `network`, whose base model has a loss of `base_loss`.
    ///
    /// # Errors
    /// [`OutOfMemory`](crate::Error::OutOfMemory).
    pub fn new(parameters: &Parameters, network: usize, base_loss: f32) -> Result<Self> {
        let range = parameters.of_network(network);
        let kinds = parameters.iter().skip(range.start).take(range.len()).map(|p| p.kind);
        let factors = alloc::try_collect(
            range.len(),
            kinds.map(|kind| match kind {
                ParameterKind::Coefficient => COEFFICIENT_RATE,
                ParameterKind::Scale | ParameterKind::Bias => 1.0,
            }),
        )?;
        let zeros = || alloc::try_filled(range.len(), 0.0);
        let adam = Adam { mean: zeros()?, square: zeros()? };
        let means = [base_loss; 2];
        Ok(Self { range, factors, adam, rate: 1.0, start: 0.0, steps: 0, base_loss, means })
    }

    /// Steps the network's part of `values` against that of `gradient`, both of all parameters.
    ///
    /// `loss` is the network's with these values; `fraction` is the part of the schedule that is
    /// over, and `length` the least part that a step takes.
    pub fn step(
        &mut self,
        loss: f32,
        (fraction, length): (f32, f32),
        values: &mut [f32],
        gradient: &[f32],
    ) {
        let (values, gradient) = (&mut values[self.range.clone()], &gradient[self.range.clone()]);
        for (mean, weight) in self.means.iter_mut().zip([0.1, 0.03]) {
            *mean += weight * (loss - *mean);
        }
        let [short, long] = self.means;
        let useless = fraction - self.start > TRIAL && long > NO_GAIN * self.base_loss;
        if short.is_nan() || short > DIVERGED * self.base_loss || useless {
            values.fill(0.0);
            self.adam.mean.fill(0.0);
            self.adam.square.fill(0.0);
            self.rate *= 0.5;
            (self.start, self.steps) = (fraction + length, 0);
            self.means = [self.base_loss; 2];
            return;
        }
        self.steps += 1;
        let risen = ((fraction - self.start + length) / WARM_UP).min(1.0);
        let rate = self.rate * risen * (RATE * (1.0 - fraction) + LAST_RATE);
        let rates = AdamRates { rate, beta1: 0.8, beta2: 0.97 };
        self.adam.step_by(rates, self.steps, values, gradient, |i| self.factors[i]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::adapt::task::Objective;
    use crate::models::{default_for, ModelSize};
    use crate::network::{CodecKind, Condition};
    use crate::picture::Layout;

    /// Chroma's schedule, and values of 1 for all parameters.
    fn chroma() -> (Schedule, Vec<f32>) {
        let model = default_for(CodecKind::Jpeg, ModelSize::Medium).unwrap();
        let condition = Condition::from_jpeg_tables(&[20; 64], &[30; 64], Layout::I420);
        let parameters =
            Parameters::new(model, 2, &[condition], 6, Objective::RateDistortion).unwrap();
        (Schedule::new(&parameters, 1, 2.0).unwrap(), vec![1.0; parameters.len()])
    }

    #[test]
    fn steps_are_of_the_schedules_own_parameters() {
        let (mut schedule, mut values) = chroma();
        let gradient = vec![3.0; values.len()];
        // Risen by two fifths.
        schedule.step(2.0, (0.01, 0.01), &mut values, &gradient);
        let (others, own) = values.split_at(schedule.range.start);
        assert!(others.iter().all(|v| *v == 1.0));
        let length = 0.4 * (RATE * 0.99 + LAST_RATE);
        for (v, factor) in own.iter().zip(&schedule.factors) {
            assert!((1.0 - v - length * factor).abs() < 1e-5, "{v} {factor}");
        }
        assert_eq!((own[0], own.last()), (1.0 - length, Some(&(1.0 - 0.4 * length))));
    }

    #[test]
    fn schedules_that_diverge_start_again_with_half_steps() {
        for loss in [500.0, f32::INFINITY, f32::NAN] {
            let (mut schedule, mut values) = chroma();
            let gradient = vec![3.0; values.len()];
            // Noise is not minded.
            for i in 0..50 {
                schedule.step([0.5, 5.0][i % 2], (0.2, 0.01), &mut values, &gradient);
            }
            assert_eq!((schedule.steps, schedule.rate), (50, 1.0));
            schedule.step(loss, (0.4, 0.01), &mut values, &gradient);
            assert_eq!(values[0], 1.0);
            assert!(values[schedule.range.clone()].iter().all(|v| *v == 0.0));
            schedule.step(2.0, (0.6, 0.01), &mut values, &gradient);
            let length = 0.5 * (RATE * 0.4 + LAST_RATE);
            assert!((values[schedule.range.start] + length).abs() < 1e-5, "{loss}");
            assert_eq!(schedule.steps, 1);
        }
    }

    #[test]
    fn schedules_that_learn_nothing_start_again() {
        let (mut schedule, mut values) = chroma();
        let gradient = vec![3.0; values.len()];
        let mut ends = Vec::new();
        for i in 0..100 {
            // Of a base model of 2: of no use at first, better with shorter steps.
            let loss = if schedule.rate > 0.6 { 2.1 } else { 1.9 };
            schedule.step(loss, (i as f32 / 100.0, 0.01), &mut values, &gradient);
            if schedule.steps == 0 {
                ends.push(i);
            }
        }
        assert_eq!((ends.len(), schedule.rate), (1, 0.5), "{ends:?}");
        assert!((50..=52).contains(&ends[0]), "{ends:?}");
    }
}
