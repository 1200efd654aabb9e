//! Exp-Golomb codes of order 0 over bypass bins.
//!
//! | number | bins |
//! |---|---|
//! | 0 | `0` |
//! | 1, 2 | `10` + 1 bit |
//! | 3 … 6 | `110` + 2 bits |

use super::{RangeDecoder, Writer};

/// Writes `value`: a prefix of as many ones as `value + 1` has bits behind its highest one, a zero,
/// those bits.
pub fn write(writer: &mut impl Writer, value: u32) {
    let shifted = u64::from(value) + 1;
    let bits = shifted.ilog2();
    for _ in 0..bits {
        writer.bypass(1, 1);
    }
    writer.bypass(0, 1);
    // The highest one of `shifted` is known from the prefix; 32 bits are left at most.
    writer.bypass(shifted as u32, bits);
}

/// Reads what [`write()`] wrote. More than `max_prefix` ones, or a number over 32 bits, is an error
/// that sticks to the decoder; the result is 0 then.
pub fn read(decoder: &mut RangeDecoder<'_>, max_prefix: u32) -> u32 {
    let mut bits = 0;
    while decoder.bypass(1) != 0 {
        bits += 1;
        if bits > max_prefix || bits > 32 {
            decoder.fail();
            return 0;
        }
    }
    let shifted = (1 << bits) + u64::from(decoder.bypass(bits));
    u32::try_from(shifted - 1).unwrap_or_else(|_| {
        decoder.fail();
        0
    })
}

#[cfg(test)]
mod tests {
    use super::super::{Price, RangeEncoder};
    use super::*;
    use crate::Error;

    const NUMBERS: [u32; 14] = [
        0,
        1,
        2,
        3,
        6,
        7,
        254,
        255,
        65_534,
        65_535,
        0x7FFF_FFFF,
        0x8000_0000,
        u32::MAX - 1,
        u32::MAX,
    ];

    #[test]
    fn round_trips() {
        let mut encoder = RangeEncoder::new();
        NUMBERS.iter().for_each(|value| write(&mut encoder, *value));
        let bytes = encoder.finish();
        let mut decoder = RangeDecoder::new(&bytes);
        for value in NUMBERS {
            assert_eq!(read(&mut decoder, 32), value);
        }
        assert_eq!(decoder.finish(), Ok(()));
    }

    #[test]
    fn bit_counts() {
        for (value, bits) in [(0, 1), (1, 3), (2, 3), (3, 5), (6, 5), (7, 7)] {
            let mut price = Price::new();
            write(&mut price, value);
            assert_eq!(price.bits256(), bits * 256, "{value}");
        }
    }

    #[test]
    fn long_prefix_fails() {
        for (value, max_prefix, ok) in [(6, 2, true), (7, 2, false), (7, 3, true)] {
            let mut encoder = RangeEncoder::new();
            write(&mut encoder, value);
            let bytes = encoder.finish();
            let mut decoder = RangeDecoder::new(&bytes);
            read(&mut decoder, max_prefix);
            assert_eq!(decoder.finish(), if ok { Ok(()) } else { Err(Error::Corrupt) });
        }
    }

    /// 33 ones are no number, whatever the caller allows.
    #[test]
    fn numbers_over_32_bits_fail() {
        let mut encoder = RangeEncoder::new();
        (0..40).for_each(|_| encoder.bypass(1, 1));
        let bytes = encoder.finish();
        let mut decoder = RangeDecoder::new(&bytes);
        assert_eq!(read(&mut decoder, u32::MAX), 0);
        assert!(decoder.failed());
    }
}
