//! The syntax of a weight-update: scales and biases, and where they pay single coefficients.
//!
//! Most values are zero and most others ±1, so a value is coded as significance, sign and a unary
//! magnitude, each bin with a context that says what is known about it.

use super::coding::{
    Class, Coding, BIAS_SIGNIFICANT, COEFFICIENTS_EMPTY, CONTEXTS, EMPTY, MAGNITUDE, NETWORK_EMPTY,
    SCALE_SIGNIFICANT, SIGN, UNARY,
};
use super::coefficients::{self, Place};
use super::magnitude;
use crate::entropy::{Context, Decoder, Encoder, Price, Writer};
use crate::{Error, Result};

/// Largest magnitude of a value.
pub const MAX_MAGNITUDE: i16 = 255;
/// Highest [`Update::step`].
pub const MAX_STEP: u8 = 15;

/// Bits of the step field.
const STEP_BITS: u32 = 4;

/// A weight-update: for every output channel of every layer one signed integer for its scale and one
/// for its bias, and maybe coefficients of changes of its taps, in units of the model's step tables.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Update {
    /// Widens or narrows all steps by its half octaves, 0..=15; the network says how.
    pub step: u8,
    /// First layer first.
    pub layers: Vec<LayerUpdate>,
}

/// The part of an [`Update`] that belongs to one layer; values of at most [`MAX_MAGNITUDE`].
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LayerUpdate {
    /// Steps added to each output channel's scale.
    pub scale: Vec<i16>,
    /// Steps added to each output channel's bias.
    pub bias: Vec<i16>,
    /// Coefficients of the taps' changes (docs/model.md), `[9][inputs][outputs]`: rows of nine patterns of
    /// the kernel for each mixture of input channels, columns for each mixture of output channels. May
    /// be empty where all are 0.
    pub coefficients: Vec<i16>,
}

impl LayerUpdate {
    /// Nothing changes in a layer of so many output channels.
    #[must_use]
    pub fn zeros(channels: usize) -> Self {
        Self { scale: vec![0; channels], bias: vec![0; channels], coefficients: Vec::new() }
    }

    /// Whether it is for a layer of these input and output channels.
    #[must_use]
    pub fn fits(&self, inputs: usize, outputs: usize) -> bool {
        let coefficients = self.coefficients.len();
        self.scale.len() == outputs
            && self.bias.len() == outputs
            && (coefficients == 0 || coefficients == 9 * inputs * outputs)
    }

    fn is_zero(&self) -> bool {
        let values = self.scale.iter().chain(&self.bias);
        values.chain(&self.coefficients).all(|&value| value == 0)
    }

    fn has_coefficients(&self) -> bool {
        self.coefficients.iter().any(|&value| value != 0)
    }
}

/// The adaptive state of one pass over an update.
pub(super) type Contexts = [Context; CONTEXTS];

#[derive(Clone, Copy)]
enum Kind {
    Scale,
    Bias,
}

/// Where in a list the coder stands: it names the context of each bin, for both directions.
struct Cursor {
    kind: Kind,
    /// Significance of the previous value and of the one before it.
    near: [bool; 2],
    /// 0 before the first significant value, then 1 after a positive and 2 after a negative one.
    sign: usize,
    /// A value of this list was significant.
    any: bool,
}

impl Cursor {
    const fn new(kind: Kind) -> Self {
        Self { kind, near: [false; 2], sign: 0, any: false }
    }

    fn empty(&self) -> usize {
        EMPTY + self.kind as usize
    }

    /// `scale` is that of the same channel.
    fn significant(&self, class: Class, scale: i16) -> usize {
        let near = self.near.iter().filter(|&&significant| significant).count();
        let cell = class.activity() * 3 + near;
        match self.kind {
            Kind::Scale => SCALE_SIGNIFICANT + cell,
            Kind::Bias => BIAS_SIGNIFICANT + 2 * cell + usize::from(scale != 0),
        }
    }

    fn sign(&self, class: Class) -> usize {
        SIGN + 3 * (Class::SIGNS * self.kind as usize + class.sign()) + self.sign
    }

    /// Those of the unary part.
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
/// shape that `coding` is for. Nothing was written then.
pub fn write(update: &Update, coding: &Coding, writer: &mut impl Writer) -> Result {
    write_with(&mut coding.table().contexts(), update, coding, writer)
}

fn write_with(
    contexts: &mut Contexts,
    update: &Update,
    coding: &Coding,
    writer: &mut impl Writer,
) -> Result {
    check(update, coding)?;
    writer.bypass(u32::from(update.step), STEP_BITS);
    let mut rest = &update.layers[..];
    for (i, classes) in coding.networks().iter().enumerate() {
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
            write_list(scales, &classes.scale, Kind::Scale, contexts, writer);
            let biases = bias.iter().copied().zip(scale.iter().copied());
            write_list(biases, &classes.bias, Kind::Bias, contexts, writer);
            if has_coefficients {
                let at = Place::new(l, layers.len());
                coefficients::write(coefficients, at, classes, contexts, writer);
            }
        }
    }
    Ok(())
}

fn check(update: &Update, coding: &Coding) -> Result {
    let cap = MAX_MAGNITUDE.unsigned_abs();
    let capped = |list: &[i16]| list.iter().all(|value| value.unsigned_abs() <= cap);
    let shape = || coding.networks().iter().flatten();
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
    classes: &[Class],
    kind: Kind,
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

/// Reads the body of a payload with an update of the model whose `coding` it is.
///
/// # Errors
/// [`Error::Corrupt`] unless `body` is exactly what [`encode`] writes for the result;
/// [`Error::OutOfMemory`].
pub fn read(body: &[u8], coding: &Coding) -> Result<Update> {
    let mut contexts = coding.table().contexts();
    let mut decoder = Decoder::new(body);
    let step = decoder.bypass(STEP_BITS) as u8;
    let mut layers = Vec::with_capacity(coding.networks().iter().map(Vec::len).sum());
    for (i, classes) in coding.networks().iter().enumerate() {
        let empty = decoder.bit(&mut contexts[NETWORK_EMPTY + i]);
        let has_coefficients = !empty && !decoder.bit(&mut contexts[COEFFICIENTS_EMPTY + i]);
        let (mut zero, mut no_coefficients) = (true, true);
        for (l, layer_classes) in classes.iter().enumerate() {
            let mut layer = LayerUpdate::zeros(layer_classes.scale.len());
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
    classes: &[Class],
    contexts: &mut Contexts,
    decoder: &mut Decoder<'_>,
) {
    let mut cursor = Cursor::new(if scales.is_some() { Kind::Bias } else { Kind::Scale });
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
/// Those of [`write()`].
pub fn encode(update: &Update, coding: &Coding) -> Result<Vec<u8>> {
    let mut encoder = Encoder::new();
    write(update, coding, &mut encoder)?;
    Ok(encoder.finish())
}

/// What `update` costs in 1/256 bit, without the rounding to bytes.
///
/// # Errors
/// Those of [`write()`].
pub fn price(update: &Update, coding: &Coding) -> Result<u32> {
    let mut price = Price::new();
    write(update, coding, &mut price)?;
    Ok(price.bits256())
}

/// Every bin of `update` that has a context, and the context's number, in the order of coding: what
/// initial states are learnt from.
///
/// # Errors
/// Those of [`write()`].
pub fn bins(update: &Update, coding: &Coding) -> Result<Vec<(usize, bool)>> {
    let mut contexts = coding.table().contexts();
    let mut trace = Trace { first: contexts.as_ptr() as usize, bins: Vec::new() };
    write_with(&mut contexts, update, coding, &mut trace)?;
    Ok(trace.bins)
}

/// Tells contexts by where they lie.
struct Trace {
    first: usize,
    bins: Vec<(usize, bool)>,
}

impl Writer for Trace {
    fn bit(&mut self, context: &mut Context, bit: bool) {
        let address = std::ptr::from_ref(context) as usize;
        self.bins.push(((address - self.first) / size_of::<Context>(), bit));
    }

    fn bypass(&mut self, _value: u32, _bits: u32) {}
}
