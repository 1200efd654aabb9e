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
    #[must_use]
    pub fn new(len: usize) -> Self {
        Self { mean: vec![0.0; len], square: vec![0.0; len] }
    }

    /// One step, number `t` counted from 1.
    pub fn step(&mut self, rates: AdamRates, t: u32, params: &mut [f32], grad: &[f32]) {
        self.step_by(rates, t, params, grad, |_| 1.0);
    }

    /// The same with a factor of its own for each parameter's step size.
    pub fn step_by(
        &mut self,
        rates: AdamRates,
        t: u32,
        params: &mut [f32],
        grad: &[f32],
        factor: impl Fn(usize) -> f32,
    ) {
        let correct1 = 1.0 - power(rates.beta1, t);
        let correct2 = 1.0 - power(rates.beta2, t);
        let moments = self.mean.iter_mut().zip(&mut self.square);
        for (i, ((p, g), (m, v))) in params.iter_mut().zip(grad).zip(moments).enumerate() {
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
