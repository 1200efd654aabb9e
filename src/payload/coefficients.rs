//! The syntax of the coefficients of changes of weights. Nearly all are zero: what costs is which
//! are not.

use super::contexts::Contexts;
use super::magnitude;
use crate::entropy::{RangeDecoder, Writer};
use crate::network::prior::{
    LayerClasses, COEFFICIENT_MAGNITUDE, COEFFICIENT_SIGN, COEFFICIENT_SIGNIFICANT,
    COEFFICIENT_UNARY, LAYER_COEFFICIENTS_EMPTY,
};
use crate::util::alloc;
use crate::{Error, Result};

/// Where in its network a layer stands.
#[derive(Clone, Copy)]
pub(super) enum Place {
    First,
    Hidden,
    Last,
}

impl Place {
    pub(super) const fn new(layer: usize, layers: usize) -> Self {
        match layer {
            0 => Self::First,
            _ if layer + 1 == layers => Self::Last,
            _ => Self::Hidden,
        }
    }
}

/// Coefficients in the order of the syntax: kernel by kernel, those of one column together. A
/// kernel is the nine patterns of one basis vector of inputs and one of outputs.
struct Kernels<'a> {
    classes: &'a LayerClasses,
}

impl Kernels<'_> {
    /// Each kernel's nine levels, and their places in `[9][inputs][outputs]`, by column.
    fn of_column(
        &self,
        column: usize,
    ) -> impl Iterator<Item = impl Iterator<Item = (usize, usize)> + '_> + '_ {
        let (inputs, outputs) = self.classes.shape();
        (0..inputs).map(move |input| {
            (0..9).map(move |pattern| {
                let row = pattern * inputs + input;
                (usize::from(self.classes.level(row, column)), row * outputs + column)
            })
        })
    }
}

/// Where in a layer the coder stands: it names the context of each bin, for both directions.
struct Cursor {
    place: Place,
    /// Coefficients of the kernel before this one that are not 0.
    near: usize,
    /// Sign of the last of them: 0 for none, 1 for positive, 2 for negative.
    kernel_sign: usize,
    /// Sign of the last coefficient of the column that is not 0, in the same code.
    column_sign: usize,
}

impl Cursor {
    const fn new(place: Place) -> Self {
        Self { place, near: 0, kernel_sign: 0, column_sign: 0 }
    }

    fn start_kernel(&mut self) {
        (self.near, self.kernel_sign) = (0, 0);
    }

    fn significant(&self, level: usize) -> usize {
        COEFFICIENT_SIGNIFICANT + 3 * level + self.near.min(2)
    }

    fn sign(&self) -> usize {
        let before = match (self.kernel_sign, self.column_sign) {
            (0, 0) => 0,
            (0, column) => 2 + column,
            (kernel, _) => kernel,
        };
        COEFFICIENT_SIGN + 5 * self.place as usize + before
    }

    fn advance(&mut self, value: i16) {
        if value != 0 {
            self.near += 1;
            self.kernel_sign = if value > 0 { 1 } else { 2 };
            self.column_sign = self.kernel_sign;
        }
    }
}

/// Writes a layer's coefficients.
pub(super) fn write(
    coefficients: &[i16],
    place: Place,
    classes: &LayerClasses,
    contexts: &mut Contexts,
    writer: &mut impl Writer,
) {
    let empty = coefficients.iter().all(|v| *v == 0);
    writer.bit(&mut contexts[LAYER_COEFFICIENTS_EMPTY + place as usize], empty);
    if empty {
        return;
    }
    for column in 0..classes.shape().1 {
        let mut cursor = Cursor::new(place);
        for kernel in (Kernels { classes }).of_column(column) {
            cursor.start_kernel();
            for (level, at) in kernel {
                let value = coefficients[at];
                writer.bit(&mut contexts[cursor.significant(level)], value != 0);
                if value != 0 {
                    writer.bit(&mut contexts[cursor.sign()], value < 0);
                    let unary = &mut contexts[COEFFICIENT_MAGNITUDE..][..COEFFICIENT_UNARY];
                    magnitude::write(usize::from(value.unsigned_abs()), unary, writer);
                    cursor.advance(value);
                }
            }
        }
    }
}

/// Reads a layer's coefficients; none if it has no changes.
///
/// # Errors
/// [`Error::Corrupt`] if all are zero though the layer was not said to be empty;
/// [`Error::OutOfMemory`].
pub(super) fn read(
    place: Place,
    classes: &LayerClasses,
    contexts: &mut Contexts,
    decoder: &mut RangeDecoder<'_>,
) -> Result<Vec<i16>> {
    if decoder.bit(&mut contexts[LAYER_COEFFICIENTS_EMPTY + place as usize]) {
        return Ok(Vec::new());
    }
    let (inputs, outputs) = classes.shape();
    let mut coefficients = alloc::try_filled(9 * inputs * outputs, 0)?;
    let mut empty = true;
    for column in 0..outputs {
        let mut cursor = Cursor::new(place);
        for kernel in (Kernels { classes }).of_column(column) {
            cursor.start_kernel();
            for (level, at) in kernel {
                if !decoder.bit(&mut contexts[cursor.significant(level)]) {
                    continue;
                }
                let negative = decoder.bit(&mut contexts[cursor.sign()]);
                let magnitude = magnitude::read(
                    &mut contexts[COEFFICIENT_MAGNITUDE..][..COEFFICIENT_UNARY],
                    decoder,
                );
                coefficients[at] = if negative { -magnitude } else { magnitude };
                cursor.advance(coefficients[at]);
                empty = false;
            }
        }
        // A failed decoder gives anything; no need to go on.
        if decoder.failed() {
            break;
        }
    }
    if empty {
        return Err(Error::Corrupt);
    }
    Ok(coefficients)
}
