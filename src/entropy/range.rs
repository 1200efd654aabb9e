//! The range coder: bins to bytes and back.
//!
//! The stream is a binary fraction in [0, 1). Coding a bin keeps a part of the current interval:
//! zero the lower, one the upper. Bytes past the end are zeros, so the encoder ends with the
//! shortest byte string inside the final interval, and a stream of likely zeros may have no bytes.

use super::{Context, Writer};
use crate::{Error, Result};

/// Below this the interval is widened by a byte.
const BOTTOM: u32 = 1 << 24;

/// Width of the lower (zero) part of `range` when one has probability `one` / 65536. Never 0 and
/// never `range`, as `range >= BOTTOM` and [`Context::probability`] keeps off both ends.
fn lower_part(range: u32, one: u32) -> u32 {
    ((u64::from(range) * u64::from(65536 - one)) >> 16) as u32
}

/// Turns bins into bytes.
#[derive(Clone, Debug)]
pub struct RangeEncoder {
    bytes: Vec<u8>,
    low: u32,
    /// At least `BOTTOM` between bins.
    range: u32,
}

impl RangeEncoder {
    /// An empty stream.
    #[must_use]
    pub const fn new() -> Self {
        Self { bytes: Vec::new(), low: 0, range: u32::MAX }
    }

    /// Ends the stream with the fewest bytes that decode to the bins written; the last byte, if
    /// any, is not zero.
    #[must_use]
    pub fn finish(mut self) -> Vec<u8> {
        // The smallest value of the interval that is `kept` bytes long, for as few as will do.
        // With all 4 kept it is `low` itself, so the search always ends inside the loop.
        for kept in 0..=4 {
            let unit = 1u64 << (32 - 8 * kept);
            let value = u64::from(self.low).div_ceil(unit) * unit;
            if value - u64::from(self.low) < u64::from(self.range) {
                if value >> 32 != 0 {
                    self.carry();
                }
                self.bytes.extend_from_slice(&(value as u32).to_be_bytes()[..kept]);
                break;
            }
        }
        let used = self.bytes.iter().rposition(|&byte| byte != 0).map_or(0, |last| last + 1);
        self.bytes.truncate(used);
        self.bytes
    }

    /// Keeps the lower `part` of the interval, or with `bit` what is above it.
    fn split(&mut self, part: u32, bit: bool) {
        if bit {
            let (low, overflow) = self.low.overflowing_add(part);
            if overflow {
                self.carry();
            }
            self.low = low;
            self.range -= part;
        } else {
            self.range = part;
        }
        while self.range < BOTTOM {
            self.bytes.push((self.low >> 24) as u8);
            self.low <<= 8;
            self.range <<= 8;
        }
    }

    /// Adds one at the last byte. The interval lies below 1, so this never runs off the front.
    fn carry(&mut self) {
        for byte in self.bytes.iter_mut().rev() {
            *byte = byte.wrapping_add(1);
            if *byte != 0 {
                break;
            }
        }
    }
}

impl Default for RangeEncoder {
    fn default() -> Self {
        Self::new()
    }
}

impl Writer for RangeEncoder {
    fn bit(&mut self, context: &mut Context, bit: bool) {
        self.split(lower_part(self.range, context.probability()), bit);
        context.update(bit);
    }

    fn bypass(&mut self, value: u32, bits: u32) {
        for shift in (0..bits.min(32)).rev() {
            self.split(self.range >> 1, value >> shift & 1 != 0);
        }
    }
}

/// Turns bytes back into bins.
///
/// Any bytes can be read to any length: past the end come zeros, after an error only zero bins.
/// Whether what was read can be believed is what [`RangeDecoder::finish`] says.
#[derive(Clone, Debug)]
pub struct RangeDecoder<'a> {
    bytes: &'a [u8],
    /// Bytes taken in, those of the fill included.
    taken: usize,
    /// The stream's value less the interval's lower end; below `range` unless `failed`.
    offset: u32,
    range: u32,
    failed: bool,
}

impl<'a> RangeDecoder<'a> {
    /// Starts at the first of `bytes`, which end where the stream ends.
    #[must_use]
    pub fn new(bytes: &'a [u8]) -> Self {
        let mut decoder = Self { bytes, taken: 0, offset: 0, range: u32::MAX, failed: false };
        for _ in 0..4 {
            decoder.take_byte();
        }
        if decoder.offset >= decoder.range {
            decoder.fail();
        }
        decoder
    }

    /// One bin of `context`.
    pub fn bit(&mut self, context: &mut Context) -> bool {
        let bit = self.split(lower_part(self.range, context.probability()));
        context.update(bit);
        bit
    }

    /// `bits` equally likely bins, highest first. At most 32; more count as 32.
    pub fn bypass(&mut self, bits: u32) -> u32 {
        let mut value = 0;
        for _ in 0..bits.min(32) {
            value = value << 1 | u32::from(self.split(self.range >> 1));
        }
        value
    }

    /// Marks the stream as damaged, for good: what it says is not allowed.
    pub fn fail(&mut self) {
        self.failed = true;
        // From here on every bin is zero, whatever its probability.
        self.offset = 0;
        self.bytes = &[];
    }

    /// Whether [`RangeDecoder::fail`] was called, by the reader or from inside.
    #[must_use]
    pub const fn failed(&self) -> bool {
        self.failed
    }

    /// Checks that the input is exactly what [`RangeEncoder`] writes for the bins read.
    ///
    /// # Errors
    /// [`Error::Corrupt`] after [`RangeDecoder::fail`], and if a shorter or smaller byte string
    /// would have given the same bins: trailing bytes, a last byte of zero, another value of the
    /// final interval.
    pub fn finish(self) -> Result {
        if self.failed {
            return Err(Error::Corrupt);
        }
        let Some(&last) = self.bytes.last() else { return Ok(()) };
        if last == 0 || self.bytes.len() > self.taken {
            return Err(Error::Corrupt);
        }
        // What one step of the last byte is worth at the decoder's precision. Once that is the
        // whole window, no other value of this length or shorter lies inside the interval.
        let fill = self.taken - self.bytes.len();
        if fill >= 4 {
            return Ok(());
        }
        let unit = 1u64 << (8 * fill);
        let (offset, range) = (u64::from(self.offset), u64::from(self.range));
        let smallest = offset < unit;
        let shortest = offset + (256 - u64::from(last)) * unit >= range;
        if smallest && shortest {
            Ok(())
        } else {
            Err(Error::Corrupt)
        }
    }

    fn split(&mut self, part: u32) -> bool {
        let bit = self.offset >= part;
        if bit {
            self.offset -= part;
            self.range -= part;
        } else {
            self.range = part;
        }
        while self.range < BOTTOM {
            self.range <<= 8;
            self.take_byte();
        }
        bit
    }

    fn take_byte(&mut self) {
        let byte = self.bytes.get(self.taken).copied().unwrap_or(0);
        self.offset = self.offset << 8 | u32::from(byte);
        self.taken = self.taken.saturating_add(1);
    }
}

#[cfg(test)]
mod tests {
    use super::super::Price;
    use super::*;
    use crate::util::rng::Xorshift;

    /// A bin of the test streams: context number and value, or bypass bits.
    #[derive(Clone, Copy)]
    enum Bin {
        Context(usize, bool),
        Bypass(u32, u32),
    }

    /// Streams from short to long, with contexts from fair to very skewed.
    fn stream(seed: &mut Xorshift) -> Vec<Bin> {
        let len = match seed.next() % 8 {
            0 => seed.next() % 8,
            1 => seed.next() % 5000,
            _ => seed.next() % 600,
        };
        let skew = seed.next() % 257;
        let one = |seed: &mut Xorshift, c: usize| seed.next() % 256 < [skew, 20, 128, 250][c];
        let mut bins = Vec::new();
        for _ in 0..len {
            let r = seed.next();
            bins.push(if r.is_multiple_of(16) {
                let bits = (r >> 8) as u32 % 33;
                Bin::Bypass((r >> 16) as u32 & (((1u64 << bits) - 1) as u32), bits)
            } else {
                let c = (r >> 4) as usize % 4;
                Bin::Context(c, one(seed, c))
            });
        }
        bins
    }

    const INITIAL: [Context; 4] =
        [Context::new(0), Context::new(30), Context::new(128), Context::new(255)];

    fn write(bins: &[Bin], writer: &mut impl Writer) {
        let mut contexts = INITIAL;
        for &bin in bins {
            match bin {
                Bin::Context(c, bit) => writer.bit(&mut contexts[c], bit),
                Bin::Bypass(value, bits) => writer.bypass(value, bits),
            }
        }
    }

    fn encode(bins: &[Bin]) -> Vec<u8> {
        let mut encoder = RangeEncoder::new();
        write(bins, &mut encoder);
        encoder.finish()
    }

    const STREAMS: u64 = 3000;

    /// Reads bins of the same kinds as `bins`; the second result is `finish`'s.
    fn decode(bins: &[Bin], bytes: &[u8]) -> (Vec<Bin>, Result) {
        let mut decoder = RangeDecoder::new(bytes);
        let mut contexts = INITIAL;
        let read = bins
            .iter()
            .map(|&bin| match bin {
                Bin::Context(c, _) => Bin::Context(c, decoder.bit(&mut contexts[c])),
                Bin::Bypass(_, bits) => Bin::Bypass(decoder.bypass(bits), bits),
            })
            .collect();
        (read, decoder.finish())
    }

    fn same(a: &[Bin], b: &[Bin]) -> bool {
        a.len() == b.len()
            && a.iter().zip(b).all(|pair| match pair {
                (Bin::Context(_, a), Bin::Context(_, b)) => a == b,
                (Bin::Bypass(a, _), Bin::Bypass(b, _)) => a == b,
                _ => false,
            })
    }

    #[test]
    fn round_trip_price_and_canonical_end() {
        let mut seed = Xorshift(0x5EED_0001);
        let mut sum = (0, 0);
        for _ in 0..STREAMS {
            let bins = stream(&mut seed);
            let bytes = encode(&bins);
            let (read, end) = decode(&bins, &bytes);
            assert!(same(&bins, &read));
            assert_eq!(end, Ok(()));

            let mut price = Price::new();
            write(&bins, &mut price);
            // In bits. A stream may be shorter than its price by luck (zeros at its end), longer
            // only by the rounding to bytes.
            let (priced, real) = (u64::from(price.bits256()) / 256, 8 * bytes.len() as u64);
            assert!(real <= priced + priced / 100 + 8, "{priced} {real}");
            sum = (sum.0 + priced, sum.1 + real);

            // One more byte is never accepted, whatever it is, nor is one less.
            for extra in [0, 1, 128, 255] {
                let mut longer = bytes.clone();
                longer.push(extra);
                let (read, end) = decode(&bins, &longer);
                assert!(end.is_err() || !same(&bins, &read));
            }
            if let [shorter @ .., _] = &bytes[..] {
                let (read, end) = decode(&bins, shorter);
                assert!(end.is_err() || !same(&bins, &read));
            }
        }
        assert!(sum.0.abs_diff(sum.1) <= sum.0 / 100 + 8 * STREAMS, "{sum:?}");
    }

    /// `finish` accepts exactly what the encoder would have written.
    #[test]
    fn accepted_means_canonical() {
        let mut seed = Xorshift(0x5EED_0002);
        let mut accepted = 0;
        for _ in 0..40_000 {
            let mut kinds = stream(&mut seed);
            kinds.truncate(40);
            let len = seed.next() as usize % 12;
            let mut bytes: Vec<u8> = (0..len).map(|_| seed.next() as u8).collect();
            if let (Some(last), true) = (bytes.last_mut(), seed.next().is_multiple_of(2)) {
                *last &= 0xC0;
            }
            let (read, end) = decode(&kinds, &bytes);
            let again = encode(&read);
            assert_eq!(end.is_ok(), again == bytes, "{bytes:02x?} {again:02x?}");
            accepted += usize::from(end.is_ok());
        }
        assert!(accepted > 1000, "{accepted}");
    }

    #[test]
    fn likely_zeros_are_free() {
        let mut encoder = RangeEncoder::new();
        let mut context = Context::new(2);
        for _ in 0..1000 {
            encoder.bit(&mut context, false);
        }
        assert!(encoder.finish().is_empty());
        assert!(RangeEncoder::new().finish().is_empty());
    }

    #[test]
    fn carry_ripples() {
        // Ones in the upper part push `low` towards 1 and leave runs of 0xFF to carry through.
        let mut seed = Xorshift(0x5EED_0003);
        for _ in 0..2000 {
            let bins: Vec<Bin> = (0..200)
                .map(|i| Bin::Bypass(u32::from(i < 150 || seed.next().is_multiple_of(3)), 1))
                .collect();
            let (read, end) = decode(&bins, &encode(&bins));
            assert!(same(&bins, &read));
            assert_eq!(end, Ok(()));
        }
    }

    #[test]
    fn failure_sticks() {
        let mut decoder = RangeDecoder::new(&[0xFF, 0xFF, 0xFF, 0xFF, 0xFF]);
        assert!(decoder.failed(), "the value 1 - 2^-32 lies outside every interval");
        assert_eq!(decoder.bypass(32), 0);
        assert_eq!(decoder.finish(), Err(Error::Corrupt));

        let mut decoder = RangeDecoder::new(&[0x80]);
        decoder.fail();
        assert!(!decoder.bit(&mut Context::new(255)));
        assert_eq!(decoder.finish(), Err(Error::Corrupt));
    }

    #[test]
    fn input_never_read_is_corrupt() {
        assert_eq!(RangeDecoder::new(&[1]).finish(), Err(Error::Corrupt));
        assert_eq!(RangeDecoder::new(&[0]).finish(), Err(Error::Corrupt));
        assert_eq!(RangeDecoder::new(&[0, 0, 0, 0, 1]).finish(), Err(Error::Corrupt));
        assert_eq!(RangeDecoder::new(&[]).finish(), Ok(()));
    }
}
