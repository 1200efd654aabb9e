//! The transform of an update's coefficients: what they change of a layer's weights.
//!
//! Changes of single weights say nearly the same as changes of their neighbours, and most of what
//! they do is what a bias does as well. So an update holds coefficients of basis vectors instead:
//! of patterns of the kernel, of input and of output channels, chosen such that each does something
//! of its own.

use crate::util::alloc;
use crate::{Error, Result};

/// Fraction bits of a weight's change: products of a step and of the factors of three basis vectors
/// are in units of 2^−`FRACTION` of a weight.
pub const FRACTION: u32 = 28;
/// The magnitudes of all of a layer's coefficients, times their steps, stay below this: synthesis
/// then stays within 64 bits.
const MOST: i64 = 1 << 40;

/// How a layer's coefficients become changes of its weights: each row of a matrix is one basis
/// vector. Entries in −127..=127.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Basis {
    /// `[9][9]`, patterns of the kernel by position 3·ky + kx.
    pub kernel: Vec<i8>,
    /// `[cin][cin]`, basis vectors of input channels.
    pub input: Vec<i8>,
    /// `[cout][cout]`, basis vectors of output channels.
    pub output: Vec<i8>,
}

impl Basis {
    /// Every coefficient changes one weight.
    ///
    /// # Errors
    /// [`Error::OutOfMemory`].
    pub fn none(cin: usize, cout: usize) -> Result<Self> {
        let entry = |n, i| if i / n == i % n { 127 } else { 0 };
        let unit = |n: usize| alloc::try_collect(n * n, (0..n * n).map(|i| entry(n, i)));
        Ok(Self { kernel: unit(9)?, input: unit(cin)?, output: unit(cout)? })
    }

    /// Whether it is of this shape, and entries are in range.
    pub(super) fn is_consistent(&self, cin: usize, cout: usize) -> bool {
        let of = |matrix: &[i8], n: usize| matrix.len() == n * n && !matrix.contains(&i8::MIN);
        of(&self.kernel, 9) && of(&self.input, cin) && of(&self.output, cout)
    }
}

/// Steps that move a weight by one where all factors are 127.
pub(super) const STEPS_OF_A_WEIGHT: i32 = (1 << FRACTION) / (127 * 127 * 127);

/// The changes of all weights `[9][cin][cout]` by `coefficients`, in units of 2^−[`FRACTION`];
/// `step` gives a coefficient's step by its row and column.
///
/// # Errors
/// [`Error::Corrupt`] if the coefficients are too large; [`Error::OutOfMemory`].
pub(super) fn synthesise(
    basis: &Basis,
    (cin, cout): (usize, usize),
    coefficients: &[i16],
    step: impl Fn(usize, usize) -> i64,
) -> Result<Vec<i64>> {
    let Basis { kernel, input, output } = basis;
    let mut sum = 0i64;
    let mut changes = alloc::try_filled(9 * cin * cout, 0i64)?;
    let mut row_of = alloc::try_filled(cout, 0i64)?;
    for (row, values) in coefficients.chunks_exact(cout).enumerate() {
        if values.iter().all(|q| *q == 0) {
            continue;
        }
        row_of.fill(0);
        for (column, q) in values.iter().enumerate().filter(|(_, q)| **q != 0) {
            let amount = i64::from(*q) * step(row, column);
            // A step is below 2^41, so this does not overflow either.
            sum += amount.abs();
            if sum >= MOST {
                return Err(Error::Corrupt);
            }
            add(&mut row_of, amount, &output[column * cout..][..cout]);
        }
        let (pattern, vector) = (row / cin, row % cin);
        for (ci, factor) in input[vector * cin..][..cin].iter().enumerate() {
            let to = &mut changes[(pattern * cin + ci) * cout..][..cout];
            to.iter_mut().zip(&row_of).for_each(|(to, v)| *to += i64::from(*factor) * v);
        }
    }
    // From patterns to positions, in place.
    for at in 0..cin * cout {
        let of_pattern: [i64; 9] =
            std::array::from_fn(|pattern| changes[pattern * cin * cout + at]);
        for position in 0..9 {
            let factors = kernel.iter().skip(position).step_by(9);
            let sum =
                of_pattern.iter().zip(factors).map(|(v, factor)| i64::from(*factor) * v).sum();
            changes[position * cin * cout + at] = sum;
        }
    }
    Ok(changes)
}

fn add(to: &mut [i64], amount: i64, factors: &[i8]) {
    to.iter_mut().zip(factors).for_each(|(to, factor)| *to += amount * i64::from(*factor));
}
