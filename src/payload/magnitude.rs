//! Magnitudes of changes: unary with a context for each position, then Exp-Golomb.

use crate::entropy::{exp_golomb, Context, RangeDecoder, Writer};
use crate::network::update::MAX_MAGNITUDE;

/// Longest Exp-Golomb prefix: numbers up to 254, enough for any magnitude.
const MAX_PREFIX: u32 = 7;

/// Writes a magnitude of at least 1; as many positions are unary as there are `contexts`.
pub(super) fn write(magnitude: usize, contexts: &mut [Context], writer: &mut impl Writer) {
    let (more, unary) = (magnitude - 1, contexts.len());
    for (position, context) in contexts.iter_mut().enumerate() {
        writer.bit(context, more > position);
        if more <= position {
            return;
        }
    }
    exp_golomb::write(writer, (more - unary) as u32);
}

/// Reads what [`write()`] wrote; above [`MAX_MAGNITUDE`] the decoder fails.
pub(super) fn read(contexts: &mut [Context], decoder: &mut RangeDecoder<'_>) -> i16 {
    let unary = contexts.len() as u32;
    for (position, context) in contexts.iter_mut().enumerate() {
        if !decoder.bit(context) {
            return position as i16 + 1;
        }
    }
    let more = exp_golomb::read(decoder, MAX_PREFIX);
    let magnitude = (1 + unary).saturating_add(more);
    if magnitude > MAX_MAGNITUDE.unsigned_abs().into() {
        decoder.fail();
        return MAX_MAGNITUDE;
    }
    magnitude as i16
}
