//! The syntax of changes of single taps. Nearly all are zero: what costs is which are not.

use super::coding::{
    LayerClasses, LAYER_TAPS_EMPTY, TAP_LEVELS, TAP_MAGNITUDE, TAP_SIGN, TAP_SIGNIFICANT, TAP_UNARY,
};
use super::magnitude;
use super::update::Contexts;
use crate::entropy::{Decoder, Writer};
use crate::{memory, Error, Result};

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

/// Taps in the order of the syntax: kernel by kernel, those of one output channel together.
struct Kernels<'a> {
    classes: &'a LayerClasses,
}

impl Kernels<'_> {
    /// Each kernel's level and the places of its nine taps in `[9][inputs][outputs]`, by output channel.
    fn of_output(
        &self,
        co: usize,
    ) -> impl Iterator<Item = (usize, impl Iterator<Item = usize>)> + '_ {
        let (inputs, outputs) = self.classes.shape();
        let level = self.classes.tap_output[co];
        self.classes.tap_input.iter().enumerate().map(move |(ci, input)| {
            let level = (input + level).min(TAP_LEVELS - 1);
            (usize::from(level), (0..9).map(move |t| (t * inputs + ci) * outputs + co))
        })
    }
}

/// Where in a layer the coder stands: it names the context of each bin, for both directions.
struct Cursor {
    place: Place,
    /// Taps of the kernel before this one that change.
    near: usize,
    /// Sign of the last of them: 0 for none, 1 for positive, 2 for negative.
    kernel_sign: usize,
    /// The same of the output channel.
    row_sign: usize,
}

impl Cursor {
    const fn new(place: Place) -> Self {
        Self { place, near: 0, kernel_sign: 0, row_sign: 0 }
    }

    fn start_kernel(&mut self) {
        (self.near, self.kernel_sign) = (0, 0);
    }

    fn significant(&self, level: usize) -> usize {
        TAP_SIGNIFICANT + 3 * level + self.near.min(2)
    }

    fn sign(&self) -> usize {
        let before = match (self.kernel_sign, self.row_sign) {
            (0, 0) => 0,
            (0, row) => 2 + row,
            (kernel, _) => kernel,
        };
        TAP_SIGN + 5 * self.place as usize + before
    }

    fn advance(&mut self, value: i16) {
        if value != 0 {
            self.near += 1;
            self.kernel_sign = if value > 0 { 1 } else { 2 };
            self.row_sign = self.kernel_sign;
        }
    }
}

/// Writes a layer's taps.
pub(super) fn write(
    taps: &[i16],
    place: Place,
    classes: &LayerClasses,
    contexts: &mut Contexts,
    writer: &mut impl Writer,
) {
    let empty = taps.iter().all(|v| *v == 0);
    writer.bit(&mut contexts[LAYER_TAPS_EMPTY + place as usize], empty);
    if empty {
        return;
    }
    for co in 0..classes.shape().1 {
        let mut cursor = Cursor::new(place);
        for (level, kernel) in (Kernels { classes }).of_output(co) {
            cursor.start_kernel();
            for at in kernel {
                let value = taps[at];
                writer.bit(&mut contexts[cursor.significant(level)], value != 0);
                if value != 0 {
                    writer.bit(&mut contexts[cursor.sign()], value < 0);
                    let unary = &mut contexts[TAP_MAGNITUDE..][..TAP_UNARY];
                    magnitude::write(usize::from(value.unsigned_abs()), unary, writer);
                    cursor.advance(value);
                }
            }
        }
    }
}

/// Reads a layer's taps; none if it has no changes.
///
/// # Errors
/// [`Error::Corrupt`] if all are zero though the layer was not said to be empty; [`Error::OutOfMemory`].
pub(super) fn read(
    place: Place,
    classes: &LayerClasses,
    contexts: &mut Contexts,
    decoder: &mut Decoder<'_>,
) -> Result<Vec<i16>> {
    if decoder.bit(&mut contexts[LAYER_TAPS_EMPTY + place as usize]) {
        return Ok(Vec::new());
    }
    let (inputs, outputs) = classes.shape();
    let mut taps = memory::filled(9 * inputs * outputs, 0)?;
    let mut empty = true;
    for co in 0..outputs {
        let mut cursor = Cursor::new(place);
        for (level, kernel) in (Kernels { classes }).of_output(co) {
            cursor.start_kernel();
            for at in kernel {
                if !decoder.bit(&mut contexts[cursor.significant(level)]) {
                    continue;
                }
                let negative = decoder.bit(&mut contexts[cursor.sign()]);
                let magnitude =
                    magnitude::read(&mut contexts[TAP_MAGNITUDE..][..TAP_UNARY], decoder);
                taps[at] = if negative { -magnitude } else { magnitude };
                cursor.advance(taps[at]);
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
    Ok(taps)
}
