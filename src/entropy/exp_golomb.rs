//! Exp-Golomb codes over bins.
//!
//! Order `k` splits the numbers into groups of 2^k, 2^(k+1), 2^(k+2)…: the group as that many ones
//! and a zero (the prefix), then the place inside the group in bypass. For order 0:
//!
//! | number | bins |
//! |---|---|
//! | 0 | `0` |
//! | 1, 2 | `10` + 1 bit |
//! | 3 … 6 | `110` + 2 bits |

use super::{Context, RangeDecoder, Writer};

/// Highest order; more counts as this.
const MAX_ORDER: u32 = 16;

/// Writes `value` in order `k`. Bin `i` of the prefix uses `prefix[i]`, or the last context when
/// there are fewer, or bypass when there are none.
pub fn write_unsigned(writer: &mut impl Writer, prefix: &mut [Context], k: u32, value: u32) {
    let k = k.min(MAX_ORDER);
    let shifted = u64::from(value) + (1 << k);
    let bits = shifted.ilog2();
    for i in 0..bits - k {
        prefix_bit(writer, prefix, i, true);
    }
    prefix_bit(writer, prefix, bits - k, false);
    // The highest one of `shifted` is known from the prefix; 32 bits are left at most.
    writer.bypass(shifted as u32, bits);
}

/// Writes `value` as an unsigned number: 0, −1, 1, −2, 2… become 0, 1, 2, 3, 4…
pub fn write_signed(writer: &mut impl Writer, prefix: &mut [Context], k: u32, value: i32) {
    write_unsigned(writer, prefix, k, ((value << 1) ^ (value >> 31)) as u32);
}

/// Reads what [`write_unsigned`] wrote. More than `max_prefix` ones, or a number over 32 bits, is
/// an error that sticks to the decoder; the result is 0 then.
pub fn read_unsigned(
    decoder: &mut RangeDecoder<'_>,
    prefix: &mut [Context],
    k: u32,
    max_prefix: u32,
) -> u32 {
    let k = k.min(MAX_ORDER);
    let mut group = 0;
    while read_prefix_bit(decoder, prefix, group) {
        group += 1;
        if group > max_prefix || group + k > 32 {
            decoder.fail();
            return 0;
        }
    }
    let bits = group + k;
    let shifted = (1 << bits) + u64::from(decoder.bypass(bits));
    u32::try_from(shifted - (1 << k)).unwrap_or_else(|_| {
        decoder.fail();
        0
    })
}

/// Reads what [`write_signed`] wrote; errors as in [`read_unsigned`].
pub fn read_signed(
    decoder: &mut RangeDecoder<'_>,
    prefix: &mut [Context],
    k: u32,
    max_prefix: u32,
) -> i32 {
    let value = read_unsigned(decoder, prefix, k, max_prefix);
    (value >> 1) as i32 ^ -((value & 1) as i32)
}

fn prefix_bit(writer: &mut impl Writer, prefix: &mut [Context], i: u32, bit: bool) {
    match pick(prefix, i) {
        Some(context) => writer.bit(context, bit),
        None => writer.bypass(u32::from(bit), 1),
    }
}

fn read_prefix_bit(decoder: &mut RangeDecoder<'_>, prefix: &mut [Context], i: u32) -> bool {
    match pick(prefix, i) {
        Some(context) => decoder.bit(context),
        None => decoder.bypass(1) != 0,
    }
}

fn pick(prefix: &mut [Context], i: u32) -> Option<&mut Context> {
    let last = prefix.len().checked_sub(1)?;
    prefix.get_mut(last.min(i as usize))
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
        for contexts in [0, 1, 4] {
            for k in [0, 1, 5, 16] {
                let mut encoder = RangeEncoder::new();
                let mut prefix = vec![Context::new(100); contexts];
                for value in NUMBERS {
                    write_unsigned(&mut encoder, &mut prefix, k, value);
                    write_signed(&mut encoder, &mut prefix, k, value as i32);
                }
                let bytes = encoder.finish();
                let mut decoder = RangeDecoder::new(&bytes);
                let mut prefix = vec![Context::new(100); contexts];
                for value in NUMBERS {
                    assert_eq!(read_unsigned(&mut decoder, &mut prefix, k, 32), value);
                    assert_eq!(read_signed(&mut decoder, &mut prefix, k, 32), value as i32);
                }
                assert_eq!(decoder.finish(), Ok(()));
            }
        }
    }

    #[test]
    fn bit_counts() {
        for (value, k, bits) in [(0, 0, 1), (1, 0, 3), (2, 0, 3), (3, 0, 5), (0, 3, 4), (8, 3, 6)] {
            let mut price = Price::new();
            write_unsigned(&mut price, &mut [], k, value);
            assert_eq!(price.bits256(), bits * 256, "{value} {k}");
        }
    }

    #[test]
    fn long_prefix_fails() {
        for (value, max_prefix, ok) in [(6, 2, true), (7, 2, false), (7, 3, true)] {
            let mut encoder = RangeEncoder::new();
            write_unsigned(&mut encoder, &mut [], 0, value);
            let bytes = encoder.finish();
            let mut decoder = RangeDecoder::new(&bytes);
            read_unsigned(&mut decoder, &mut [], 0, max_prefix);
            assert_eq!(decoder.finish(), if ok { Ok(()) } else { Err(Error::Corrupt) });
        }
    }
}
