//! The syntax of a weight-update: scales and biases, and where they pay coefficients of changes of weights.
//!
//! Most values are zero and most others ±1, so a value is coded as significance, sign and a unary
//! magnitude, each bin with a context that says what is known about it.

use super::coefficients::{self, Place};
use super::contexts::Contexts;
use super::magnitude;
use crate::entropy::{Price, RangeDecoder, RangeEncoder, Writer};
use crate::network::prior::{
    ChannelClass, UpdatePrior, BIAS_SIGNIFICANT, COEFFICIENTS_EMPTY, EMPTY, MAGNITUDE,
    NETWORK_EMPTY, SCALE_SIGNIFICANT, SIGN, UNARY,
};
use crate::network::update::{LayerUpdate, Update, MAX_MAGNITUDE, MAX_STEP};
use crate::util::alloc;
use crate::{Error, Result};

/// Bits of the step field.
const STEP_BITS: u32 = 4;

#[derive(Clone, Copy)]
enum ListKind {
    Scale,
    Bias,
}

/// Where in a list the coder stands: it names the context of each bin, for both directions.
struct Cursor {
    kind: ListKind,
    /// Significance of the previous value and of the one before it.
    near: [bool; 2],
    /// 0 before the first significant value, then 1 after a positive and 2 after a negative one.
    sign: usize,
    /// A value of this list was significant.
    any: bool,
}

impl Cursor {
    const fn new(kind: ListKind) -> Self {
        Self { kind, near: [false; 2], sign: 0, any: false }
    }

    fn empty(&self) -> usize {
        EMPTY + self.kind as usize
    }

    /// `scale` is that of the same channel.
    fn significant(&self, class: ChannelClass, scale: i16) -> usize {
        let near = self.near.iter().filter(|&&significant| significant).count();
        let cell = class.activity() * 3 + near;
        match self.kind {
            ListKind::Scale => SCALE_SIGNIFICANT + cell,
            ListKind::Bias => BIAS_SIGNIFICANT + 2 * cell + usize::from(scale != 0),
        }
    }

    fn sign(&self, class: ChannelClass) -> usize {
        SIGN + 3 * (ChannelClass::SIGNS * self.kind as usize + class.sign()) + self.sign
    }

    /// Contexts of the unary part.
    fn magnitude(&self) -> std::ops::Range<usize> {
        let first = MAGNITUDE + UNARY * self.kind as usize;
        first..first + UNARY
    }

    /// A list that is not empty cannot be all zeros, so its last value may be known.
    fn is_inferred(&self, left: usize) -> bool {
        left == 1 && !self.any
    }

    fn advance(&mut self, value: i16) {
        self.near = [value != 0, self.near[0]];
        self.any |= value != 0;
        match value {
            0 => {}
            1.. => self.sign = 1,
            _ => self.sign = 2,
        }
    }
}

/// Writes the syntax of `update`.
///
/// # Errors
/// [`Error::InvalidArgument`] if a value or the step is over its cap or the update is not of the
/// shape that `prior` is for. Nothing was written then.
pub fn write(update: &Update, prior: &UpdatePrior, writer: &mut impl Writer) -> Result {
    write_with(&mut prior.table().contexts(), update, prior, writer)
}

pub(super) fn write_with(
    contexts: &mut Contexts,
    update: &Update,
    prior: &UpdatePrior,
    writer: &mut impl Writer,
) -> Result {
    check(update, prior)?;
    writer.bypass(u32::from(update.step), STEP_BITS);
    let mut rest = &update.layers[..];
    for (i, classes) in prior.networks().iter().enumerate() {
        let (layers, later) = rest.split_at(classes.len());
        rest = later;
        let empty = layers.iter().all(LayerUpdate::is_zero);
        writer.bit(&mut contexts[NETWORK_EMPTY + i], empty);
        if empty {
            continue;
        }
        let has_coefficients = layers.iter().any(LayerUpdate::has_coefficients);
        writer.bit(&mut contexts[COEFFICIENTS_EMPTY + i], !has_coefficients);
        for (l, (layer, classes)) in layers.iter().zip(classes).enumerate() {
            let LayerUpdate { scale, bias, coefficients } = layer;
            let scales = scale.iter().map(|&value| (value, 0));
            write_list(scales, &classes.scale, ListKind::Scale, contexts, writer);
            let biases = bias.iter().copied().zip(scale.iter().copied());
            write_list(biases, &classes.bias, ListKind::Bias, contexts, writer);
            if has_coefficients {
                let at = Place::new(l, layers.len());
                coefficients::write(coefficients, at, classes, contexts, writer);
            }
        }
    }
    Ok(())
}

fn check(update: &Update, prior: &UpdatePrior) -> Result {
    let cap = MAX_MAGNITUDE.unsigned_abs();
    let capped = |list: &[i16]| list.iter().all(|value| value.unsigned_abs() <= cap);
    let shape = || prior.networks().iter().flatten();
    let ok = update.step <= MAX_STEP
        && update.layers.len() == shape().count()
        && (update.layers.iter().zip(shape())).all(|(l, c)| {
            let (inputs, outputs) = c.shape();
            l.fits(inputs, outputs)
                && [&l.scale, &l.bias, &l.coefficients].into_iter().all(|v| capped(v))
        });
    if ok {
        Ok(())
    } else {
        Err(Error::InvalidArgument)
    }
}

/// `values` come with the scale of their channel, where it is known.
fn write_list(
    values: impl ExactSizeIterator<Item = (i16, i16)> + Clone,
    classes: &[ChannelClass],
    kind: ListKind,
    contexts: &mut Contexts,
    writer: &mut impl Writer,
) {
    let len = values.len();
    if len == 0 {
        return;
    }
    let mut cursor = Cursor::new(kind);
    let empty = values.clone().all(|(value, _)| value == 0);
    writer.bit(&mut contexts[cursor.empty()], empty);
    if empty {
        return;
    }
    for (i, ((value, scale), &class)) in values.zip(classes).enumerate() {
        if !cursor.is_inferred(len - i) {
            writer.bit(&mut contexts[cursor.significant(class, scale)], value != 0);
        }
        if value != 0 {
            writer.bit(&mut contexts[cursor.sign(class)], value < 0);
            let unary = &mut contexts[cursor.magnitude()];
            magnitude::write(usize::from(value.unsigned_abs()), unary, writer);
        }
        cursor.advance(value);
    }
}

/// Reads the body of a payload with an update of the model whose `prior` it is.
///
/// # Errors
/// [`Error::Corrupt`] unless `body` is exactly what [`encode`] writes for the result;
/// [`Error::OutOfMemory`].
pub fn read(body: &[u8], prior: &UpdatePrior) -> Result<Update> {
    let mut contexts = prior.table().contexts();
    let mut decoder = RangeDecoder::new(body);
    let step = decoder.bypass(STEP_BITS) as u8;
    let mut layers = alloc::try_with_capacity(prior.networks().iter().map(Vec::len).sum())?;
    for (i, classes) in prior.networks().iter().enumerate() {
        let empty = decoder.bit(&mut contexts[NETWORK_EMPTY + i]);
        let has_coefficients = !empty && !decoder.bit(&mut contexts[COEFFICIENTS_EMPTY + i]);
        let (mut zero, mut no_coefficients) = (true, true);
        for (l, layer_classes) in classes.iter().enumerate() {
            let zeros = || alloc::try_filled(layer_classes.scale.len(), 0);
            let mut layer =
                LayerUpdate { scale: zeros()?, bias: zeros()?, coefficients: Vec::new() };
            if !empty {
                let LayerUpdate { scale, bias, .. } = &mut layer;
                read_list(scale, None, &layer_classes.scale, &mut contexts, &mut decoder);
                read_list(bias, Some(scale), &layer_classes.bias, &mut contexts, &mut decoder);
                if has_coefficients {
                    let at = Place::new(l, classes.len());
                    layer.coefficients =
                        coefficients::read(at, layer_classes, &mut contexts, &mut decoder)?;
                }
            }
            zero &= layer.is_zero();
            no_coefficients &= !layer.has_coefficients();
            layers.push(layer);
            if decoder.failed() {
                return Err(Error::Corrupt);
            }
        }
        if zero != empty || no_coefficients == has_coefficients {
            return Err(Error::Corrupt);
        }
    }
    decoder.finish()?;
    Ok(Update { step, layers })
}

/// Reads into `values`, which are zeros. `scales` are those of the same layer, for biases.
fn read_list(
    values: &mut [i16],
    scales: Option<&[i16]>,
    classes: &[ChannelClass],
    contexts: &mut Contexts,
    decoder: &mut RangeDecoder<'_>,
) {
    let mut cursor = Cursor::new(if scales.is_some() { ListKind::Bias } else { ListKind::Scale });
    if values.is_empty() || decoder.bit(&mut contexts[cursor.empty()]) {
        return;
    }
    let len = values.len();
    for (i, (value, &class)) in values.iter_mut().zip(classes).enumerate() {
        let scale = scales.and_then(|scales| scales.get(i)).copied().unwrap_or(0);
        let significant = cursor.is_inferred(len - i)
            || decoder.bit(&mut contexts[cursor.significant(class, scale)]);
        if significant {
            let negative = decoder.bit(&mut contexts[cursor.sign(class)]);
            let magnitude = magnitude::read(&mut contexts[cursor.magnitude()], decoder);
            *value = if negative { -magnitude } else { magnitude };
        }
        cursor.advance(*value);
    }
}

/// The body of a payload for `update`.
///
/// # Errors
/// Fails as [`write()`] does.
pub fn encode(update: &Update, prior: &UpdatePrior) -> Result<Vec<u8>> {
    let mut encoder = RangeEncoder::new();
    write(update, prior, &mut encoder)?;
    Ok(encoder.finish())
}

/// What `update` costs in 1/256 bit, without the rounding to bytes.
///
/// # Errors
/// Fails as [`write()`] does.
pub fn price(update: &Update, prior: &UpdatePrior) -> Result<u32> {
    let mut price = Price::new();
    write(update, prior, &mut price)?;
    Ok(price.bits256())
}
