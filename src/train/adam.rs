//! The Adam optimiser (Kingma and Ba, arXiv 1412.6980).

/// State of Adam for one tensor.
#[derive(Clone, Debug, Default)]
pub struct Adam {
    /// First moments.
    pub mean: Vec<f32>,
    /// Second moments.
    pub square: Vec<f32>,
}

/// Step size and decay rates.
#[derive(Clone, Copy, Debug)]
pub struct AdamRates {
    /// Step size.
    pub rate: f32,
    /// Decay of the first moments.
    pub beta1: f32,
    /// Decay of the second moments.
    pub beta2: f32,
}

impl Adam {
    /// State for `len` parameters.
    #[cfg(feature = "internals")]
    #[must_use]
    pub fn new(len: usize) -> Self {
        Self { mean: vec![0.0; len], square: vec![0.0; len] }
    }

    /// One step, number `t` counted from 1.
    #[cfg(feature = "internals")]
    pub fn step(&mut self, rates: AdamRates, t: u32, values: &mut [f32], grad: &[f32]) {
        self.step_by(rates, t, values, grad, |_| 1.0);
    }

    /// One step as of [`step`](Self::step), with a factor of its own for each parameter's step
    /// size.
    pub fn step_by(
        &mut self,
        rates: AdamRates,
        t: u32,
        values: &mut [f32],
        grad: &[f32],
        factor: impl Fn(usize) -> f32,
    ) {
        let correct1 = 1.0 - power(rates.beta1, t);
        let correct2 = 1.0 - power(rates.beta2, t);
        let moments = self.mean.iter_mut().zip(&mut self.square);
        for (i, ((p, g), (m, v))) in values.iter_mut().zip(grad).zip(moments).enumerate() {
            *m = rates.beta1 * *m + (1.0 - rates.beta1) * g;
            *v = rates.beta2 * *v + (1.0 - rates.beta2) * g * g;
            let root = (*v / correct2).sqrt();
            *p -= factor(i) * rates.rate * (*m / correct1) / (root + 1e-8);
        }
    }
}

/// `x^n` by repeated squaring: the same on every platform, unlike `powi`.
fn power(mut x: f32, mut n: u32) -> f32 {
    let mut r = 1.0;
    while n > 0 {
        if n & 1 == 1 {
            r *= x;
        }
        x *= x;
        n >>= 1;
    }
    r
}

#[cfg(test)]
mod tests {
    use super::*;

    const RATES: AdamRates = AdamRates { rate: 0.1, beta1: 0.8, beta2: 0.97 };

    /// Moments do not depend on the factors; steps are as many times as long.
    #[test]
    fn factors_are_of_the_step_sizes_alone() {
        let factors = [1.0, 0.5, 2.0, 0.0];
        let (mut plain, mut own) = (Adam::new(4), Adam::new(4));
        let (mut a, mut b) = ([0.0f32; 4], [0.0f32; 4]);
        for t in 1..=20 {
            let gradient = [0.3, -2.0, 1e-3, 5.0].map(|g| g * ((t % 3) as f32 - 0.5));
            let (before_a, before_b) = (a, b);
            plain.step(RATES, t, &mut a, &gradient);
            own.step_by(RATES, t, &mut b, &gradient, |i| factors[i]);
            assert_eq!((&plain.mean, &plain.square), (&own.mean, &own.square));
            for i in 0..4 {
                let [moved, other] = [(&a, before_a), (&b, before_b)].map(|(v, w)| v[i] - w[i]);
                assert!((factors[i] * moved - other).abs() < 1e-6, "{t} {i}: {moved} {other}");
            }
        }
        assert_eq!(a[0], b[0]);
        assert_eq!(b[3], 0.0);
    }

    #[test]
    fn the_first_step_is_of_the_step_size() {
        let (mut adam, mut values) = (Adam::new(2), [1.0f32; 2]);
        adam.step_by(RATES, 1, &mut values, &[7.0, -0.01], |i| [1.0, 0.2][i]);
        assert!((values[0] - 0.9).abs() < 1e-5 && (values[1] - 1.02).abs() < 1e-5, "{values:?}");
    }
}
