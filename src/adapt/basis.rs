//! The transform of a layer's coefficients in floating point: to changes of weights, and
//! derivatives back.

use crate::network::model::ModelLayer;
use crate::network::Arch;
use crate::util::alloc;
use crate::Result;

/// The basis vectors of a layer's coefficients, one in each row of a matrix: docs/model.md, Update.
pub(super) struct LayerBasis {
    /// Input channels.
    cin: usize,
    /// Output channels.
    cout: usize,
    /// `[9][9]`, patterns of the kernel.
    kernel: Vec<f32>,
    /// `[cin][cin]`, basis vectors of input channels.
    input: Vec<f32>,
    /// `[cout][cout]`, basis vectors of output channels.
    output: Vec<f32>,
    /// `[cout][cout]`, the transpose of `output`.
    output_by_channel: Vec<f32>,
}

/// Room for two layers' weights.
pub(super) struct Scratch([Vec<f32>; 2]);

impl Scratch {
    /// Room for layers of at most `most` weights.
    ///
    /// # Errors
    /// [`OutOfMemory`](crate::Error::OutOfMemory).
    pub fn new(most: usize) -> Result<Self> {
        Ok(Self([alloc::try_filled(most, 0.0)?, alloc::try_filled(most, 0.0)?]))
    }
}

impl LayerBasis {
    /// The basis of a layer.
    pub fn new(m: &ModelLayer) -> Self {
        let floats = |matrix: &[i8]| matrix.iter().map(|v| f32::from(*v)).collect::<Vec<f32>>();
        let output = floats(&m.basis.output);
        let n = m.cout;
        Self {
            cin: m.cin,
            cout: n,
            kernel: floats(&m.basis.kernel),
            input: floats(&m.basis.input),
            output_by_channel: (0..n * n).map(|i| output[i % n * n + i / n]).collect(),
            output,
        }
    }

    /// The changes of weights, `[9][cin][cout]`, that coefficients times their amounts make.
    pub fn synthesise<'s>(
        &self,
        coefficients: impl Iterator<Item = f32>,
        scratch: &'s mut Scratch,
    ) -> &'s mut [f32] {
        let (cin, cout) = (self.cin, self.cout);
        let [by_pattern, weights] = &mut scratch.0;
        let (by_pattern, weights) =
            (&mut by_pattern[..9 * cin * cout], &mut weights[..9 * cin * cout]);
        by_pattern.fill(0.0);
        weights.fill(0.0);
        let mut row_of = [0.0; Arch::MAX_CHANNELS];
        let row_of = &mut row_of[..cout];
        let mut empty = true;
        for (i, value) in coefficients.enumerate() {
            let (row, column) = (i / cout, i % cout);
            if column == 0 {
                row_of.fill(0.0);
                empty = true;
            }
            if value != 0.0 {
                add(row_of, value, &self.output[column * cout..][..cout]);
                empty = false;
            }
            if column + 1 == cout && !empty {
                let (pattern, vector) = (row / cin, row % cin);
                let rows = by_pattern[pattern * cin * cout..].chunks_exact_mut(cout);
                for (to, factor) in rows.zip(&self.input[vector * cin..][..cin]) {
                    add(to, *factor, row_of);
                }
            }
        }
        let patterns = by_pattern.chunks_exact(cin * cout);
        for (pattern, factors) in patterns.zip(self.kernel.chunks_exact(9)) {
            for (to, factor) in weights.chunks_exact_mut(cin * cout).zip(factors) {
                if *factor != 0.0 {
                    add(to, *factor, pattern);
                }
            }
        }
        weights
    }

    /// Turns derivatives by weights, `[9][cin][cout]`, into those by coefficients, but for their
    /// amounts.
    pub fn adjoint(&self, weights: &mut [f32], scratch: &mut Scratch) {
        let (cin, cout) = (self.cin, self.cout);
        let [by_pattern, rows] = &mut scratch.0;
        for (factors, to) in
            self.kernel.chunks_exact(9).zip(by_pattern.chunks_exact_mut(cin * cout))
        {
            to.fill(0.0);
            for (factor, position) in factors.iter().zip(weights.chunks_exact(cin * cout)) {
                if *factor != 0.0 {
                    add(to, *factor, position);
                }
            }
        }
        let rows = &mut rows[..9 * cin * cout];
        rows.fill(0.0);
        for (row, to) in rows.chunks_exact_mut(cout).enumerate() {
            let (pattern, vector) = (row / cin, row % cin);
            let channels = by_pattern[pattern * cin * cout..].chunks_exact(cout);
            for (factor, from) in self.input[vector * cin..][..cin].iter().zip(channels) {
                if *factor != 0.0 {
                    add(to, *factor, from);
                }
            }
        }
        for (row, to) in rows.chunks_exact(cout).zip(weights.chunks_exact_mut(cout)) {
            to.fill(0.0);
            for (value, factors) in row.iter().zip(self.output_by_channel.chunks_exact(cout)) {
                add(to, *value, factors);
            }
        }
    }
}

/// Adds `factor` times `from`.
pub(super) fn add(to: &mut [f32], factor: f32, from: &[f32]) {
    to.iter_mut().zip(from).for_each(|(to, v)| *to += factor * v);
}
