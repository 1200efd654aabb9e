//! The syntax of a tier-1 weight-update: scales and biases.
//!
//! Most values are zero and most others ±1, so a value is coded as significance, sign and a unary
//! magnitude, each bin with a context that says what is known about it.

use crate::entropy::{golomb, Context, Decoder, Encoder, Price, Writer};
use crate::{Error, Result};

/// Largest magnitude of a value.
pub const MAX_MAGNITUDE: i16 = 255;
/// Highest [`ScaleBias::step`].
pub const MAX_STEP: u8 = 7;
/// Most output channels that all layers may have together.
pub const MAX_CHANNELS: usize = 1 << 16;

/// Bits of the step field.
const STEP_BITS: u32 = 3;
/// Magnitudes up to this are unary; what goes beyond is an Exp-Golomb code.
const UNARY: usize = 14;
/// Longest Exp-Golomb prefix: numbers up to 254, enough for `MAX_MAGNITUDE - 1 - UNARY`.
const MAX_PREFIX: u32 = 7;

// Where each group of contexts starts; docs/payload.md lists them.
const EMPTY: usize = 0;
const SCALE_SIGNIFICANT: usize = EMPTY + 2;
const BIAS_SIGNIFICANT: usize = SCALE_SIGNIFICANT + 3 * 3;
const SIGN: usize = BIAS_SIGNIFICANT + 3 * 3 * 2;
const MAGNITUDE: usize = SIGN + 2 * 3;
/// Number of contexts.
pub const CONTEXTS: usize = MAGNITUDE + 2 * UNARY;

/// Tier-1 weight-update: for every output channel of every layer one signed integer for its scale
/// and one for its bias, in units of the model's step tables.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ScaleBias {
    /// Exponent that widens or narrows all steps, 0..=7; the network says how.
    pub step: u8,
    /// First layer first.
    pub layers: Vec<LayerScaleBias>,
}

/// The part of a [`ScaleBias`] that belongs to one layer. Both lists have one value per output
/// channel, of at most [`MAX_MAGNITUDE`].
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LayerScaleBias {
    /// Steps added to each channel's scale.
    pub scale: Vec<i16>,
    /// Steps added to each channel's bias.
    pub bias: Vec<i16>,
}

/// The probabilities that all contexts start from, as a model file may store them: byte `i` stands
/// for a probability of one of `(2·byte + 1) / 512`. Every value is legal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ContextTable([u8; CONTEXTS]);

impl ContextTable {
    /// For models that bring no table of their own.
    pub const DEFAULT: Self = Self(default_table());

    /// A table from its bytes.
    #[must_use]
    pub const fn new(bytes: [u8; CONTEXTS]) -> Self {
        Self(bytes)
    }

    /// The table's bytes.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; CONTEXTS] {
        &self.0
    }
}

impl Default for ContextTable {
    fn default() -> Self {
        Self::DEFAULT
    }
}

const fn default_table() -> [u8; CONTEXTS] {
    let mut table = [128; CONTEXTS];
    table[EMPTY] = 64;
    table[EMPTY + 1] = 40;
    // By number of significant neighbours; scales, then biases whose scale is zero or not.
    let scale = [44, 60, 80];
    let bias = [[70, 90], [88, 110], [110, 132]];
    let mut class = 0;
    while class < 3 {
        // The last layer has few channels and each of them matters.
        let more = if class == 2 { 24 } else { 0 };
        let mut near = 0;
        while near < 3 {
            let cell = class * 3 + near;
            table[SCALE_SIGNIFICANT + cell] = scale[near] + more;
            table[BIAS_SIGNIFICANT + 2 * cell] = bias[near][0] + more;
            table[BIAS_SIGNIFICANT + 2 * cell + 1] = bias[near][1] + more;
            near += 1;
        }
        class += 1;
    }
    let mut position = 0;
    while position < UNARY {
        let more = if position == 0 { 60 } else { 80 };
        table[MAGNITUDE + position] = more;
        table[MAGNITUDE + UNARY + position] = more;
        position += 1;
    }
    table
}

/// The adaptive state of one pass over an update.
#[derive(Clone, Debug)]
pub struct Contexts([Context; CONTEXTS]);

impl Contexts {
    /// Nothing learnt yet.
    #[must_use]
    pub fn new(initial: &ContextTable) -> Self {
        Self(initial.0.map(Context::new))
    }
}

#[derive(Clone, Copy)]
enum Kind {
    Scale,
    Bias,
}

/// Where in the lists the coder stands: it names the context of each bin, for both directions.
struct Cursor {
    kind: Kind,
    /// 0 for the first layer, 2 for the last, 1 between.
    class: usize,
    /// Significance of the previous value and of the one before it.
    near: [bool; 2],
    /// 0 before the first significant value, then 1 after a positive and 2 after a negative one.
    sign: usize,
    /// A value of this list was significant.
    any: bool,
}

impl Cursor {
    fn new(kind: Kind, layer: usize, layers: usize) -> Self {
        let class = match layer {
            0 => 0,
            _ if layer + 1 == layers => 2,
            _ => 1,
        };
        Self { kind, class, near: [false; 2], sign: 0, any: false }
    }

    fn empty(&self) -> usize {
        EMPTY + self.kind as usize
    }

    /// `scale` is that of the same channel.
    fn significant(&self, scale: i16) -> usize {
        let near = self.near.iter().filter(|&&significant| significant).count();
        let cell = self.class * 3 + near;
        match self.kind {
            Kind::Scale => SCALE_SIGNIFICANT + cell,
            Kind::Bias => BIAS_SIGNIFICANT + 2 * cell + usize::from(scale != 0),
        }
    }

    fn sign(&self) -> usize {
        SIGN + 3 * self.kind as usize + self.sign
    }

    fn magnitude(&self, position: usize) -> usize {
        MAGNITUDE + UNARY * self.kind as usize + position
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
/// [`Error::InvalidArgument`] if a value or the step is over its cap or the lists of a layer differ
/// in length; [`Error::TooLarge`] if there are more than [`MAX_CHANNELS`]. Nothing was written
/// then.
pub fn write(update: &ScaleBias, contexts: &mut Contexts, writer: &mut impl Writer) -> Result {
    check(update)?;
    writer.bypass(u32::from(update.step), STEP_BITS);
    let layers = update.layers.len();
    for (i, layer) in update.layers.iter().enumerate() {
        let cursor = Cursor::new(Kind::Scale, i, layers);
        write_list(&layer.scale, &layer.scale, cursor, contexts, writer);
        let cursor = Cursor::new(Kind::Bias, i, layers);
        write_list(&layer.bias, &layer.scale, cursor, contexts, writer);
    }
    Ok(())
}

fn check(update: &ScaleBias) -> Result {
    let cap = MAX_MAGNITUDE.unsigned_abs();
    let fits = |list: &[i16]| list.iter().all(|value| value.unsigned_abs() <= cap);
    let layer_fits = |layer: &LayerScaleBias| {
        layer.scale.len() == layer.bias.len() && fits(&layer.scale) && fits(&layer.bias)
    };
    if update.step > MAX_STEP || !update.layers.iter().all(layer_fits) {
        return Err(Error::InvalidArgument);
    }
    check_channels(update.layers.iter().map(|layer| layer.scale.len()))
}

/// Layers without channels count as one, so that this bounds the work too.
fn check_channels(mut channels: impl Iterator<Item = usize>) -> Result {
    let sum = channels.try_fold(0usize, |sum, n| sum.checked_add(n.max(1)));
    if sum.is_some_and(|sum| sum <= MAX_CHANNELS) {
        Ok(())
    } else {
        Err(Error::TooLarge)
    }
}

fn write_list(
    values: &[i16],
    scales: &[i16],
    mut cursor: Cursor,
    contexts: &mut Contexts,
    writer: &mut impl Writer,
) {
    if values.is_empty() {
        return;
    }
    let empty = values.iter().all(|&value| value == 0);
    writer.bit(&mut contexts.0[cursor.empty()], empty);
    if empty {
        return;
    }
    for (i, (&value, &scale)) in values.iter().zip(scales).enumerate() {
        if !cursor.is_inferred(values.len() - i) {
            writer.bit(&mut contexts.0[cursor.significant(scale)], value != 0);
        }
        if value != 0 {
            writer.bit(&mut contexts.0[cursor.sign()], value < 0);
            write_magnitude(usize::from(value.unsigned_abs()), &cursor, contexts, writer);
        }
        cursor.advance(value);
    }
}

fn write_magnitude(
    magnitude: usize,
    cursor: &Cursor,
    contexts: &mut Contexts,
    writer: &mut impl Writer,
) {
    let more = magnitude - 1;
    for position in 0..UNARY {
        let context = &mut contexts.0[cursor.magnitude(position)];
        writer.bit(context, more > position);
        if more <= position {
            return;
        }
    }
    golomb::write_unsigned(writer, &mut [], 0, (more - UNARY) as u32);
}

/// Reads the body of a tier-1 payload. `channels` holds the output channels of each of the
/// model's layers, `initial` the model's table.
///
/// # Errors
/// [`Error::Corrupt`] unless `body` is exactly what [`encode`] writes for the result;
/// [`Error::TooLarge`] if there are more than [`MAX_CHANNELS`].
pub fn read(body: &[u8], channels: &[usize], initial: &ContextTable) -> Result<ScaleBias> {
    check_channels(channels.iter().copied())?;
    let mut contexts = Contexts::new(initial);
    let mut decoder = Decoder::new(body);
    let step = decoder.bypass(STEP_BITS) as u8;
    let mut layers = Vec::with_capacity(channels.len());
    for (i, &len) in channels.iter().enumerate() {
        let cursor = Cursor::new(Kind::Scale, i, channels.len());
        let mut scale = vec![0; len];
        read_list(&mut scale, None, cursor, &mut contexts, &mut decoder);
        let cursor = Cursor::new(Kind::Bias, i, channels.len());
        let mut bias = vec![0; len];
        read_list(&mut bias, Some(&scale), cursor, &mut contexts, &mut decoder);
        layers.push(LayerScaleBias { scale, bias });
        if decoder.failed() {
            return Err(Error::Corrupt);
        }
    }
    decoder.finish()?;
    Ok(ScaleBias { step, layers })
}

/// Reads into `values`, which are zeros. `scales` are those of the same layer, when known.
fn read_list(
    values: &mut [i16],
    scales: Option<&[i16]>,
    mut cursor: Cursor,
    contexts: &mut Contexts,
    decoder: &mut Decoder<'_>,
) {
    if values.is_empty() || decoder.bit(&mut contexts.0[cursor.empty()]) {
        return;
    }
    let len = values.len();
    for (i, value) in values.iter_mut().enumerate() {
        let scale = scales.and_then(|scales| scales.get(i)).copied().unwrap_or(0);
        let significant =
            cursor.is_inferred(len - i) || decoder.bit(&mut contexts.0[cursor.significant(scale)]);
        if significant {
            let negative = decoder.bit(&mut contexts.0[cursor.sign()]);
            let magnitude = read_magnitude(&cursor, contexts, decoder);
            *value = if negative { -magnitude } else { magnitude };
        }
        cursor.advance(*value);
    }
}

fn read_magnitude(cursor: &Cursor, contexts: &mut Contexts, decoder: &mut Decoder<'_>) -> i16 {
    for position in 0..UNARY {
        if !decoder.bit(&mut contexts.0[cursor.magnitude(position)]) {
            return position as i16 + 1;
        }
    }
    let more = golomb::read_unsigned(decoder, &mut [], 0, MAX_PREFIX);
    let magnitude = (1 + UNARY as u32).saturating_add(more);
    if magnitude > MAX_MAGNITUDE.unsigned_abs().into() {
        decoder.fail();
        return MAX_MAGNITUDE;
    }
    magnitude as i16
}

/// The body of a payload for `update`.
///
/// # Errors
/// Those of [`write()`].
pub fn encode(update: &ScaleBias, initial: &ContextTable) -> Result<Vec<u8>> {
    let mut encoder = Encoder::new();
    write(update, &mut Contexts::new(initial), &mut encoder)?;
    Ok(encoder.finish())
}

/// What `update` costs in 1/256 bit, without the rounding to bytes.
///
/// # Errors
/// Those of [`write()`].
pub fn price(update: &ScaleBias, initial: &ContextTable) -> Result<u32> {
    let mut price = Price::new();
    write(update, &mut Contexts::new(initial), &mut price)?;
    Ok(price.bits256())
}
