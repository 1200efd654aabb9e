//! What syntax is written to: bytes or a price.

use super::Context;

/// A sink of bins. Syntax is written once over this trait; swapping the back end prices it
/// ([`Price`]) or writes it ([`super::RangeEncoder`]).
pub trait Writer {
    /// One bin whose probability `context` knows and learns.
    fn bit(&mut self, context: &mut Context, bit: bool);

    /// The `bits` low bits of `value`, highest first, each as likely one as zero. At most 32 bits;
    /// more count as 32.
    fn bypass(&mut self, value: u32, bits: u32);
}

/// Counts what the bins would cost in an [`super::RangeEncoder`], without the rounding to whole
/// bytes at its end.
#[derive(Clone, Debug, Default)]
pub struct Price {
    /// In 1/65536 bit, so that hundreds of very likely bins do not round away.
    cost: u64,
}

impl Price {
    /// Nothing written yet.
    #[must_use]
    pub const fn new() -> Self {
        Self { cost: 0 }
    }

    /// The cost so far in 1/256 bit, rounded to nearest; `u32::MAX` when it is more.
    #[must_use]
    pub fn bits256(&self) -> u32 {
        u32::try_from(self.cost.saturating_add(128) >> 8).unwrap_or(u32::MAX)
    }
}

impl Writer for Price {
    fn bit(&mut self, context: &mut Context, bit: bool) {
        let one = context.probability();
        let cost = information(if bit { one } else { 65536 - one });
        self.cost = self.cost.saturating_add(u64::from(cost));
        context.update(bit);
    }

    fn bypass(&mut self, _value: u32, bits: u32) {
        self.cost = self.cost.saturating_add(u64::from(bits.min(32)) << 16);
    }
}

/// `LOG2[i]` = log2(1 + i/256) in 1/65536, truncated.
static LOG2: [u32; 257] = log2_table();

const fn log2_table() -> [u32; 257] {
    let mut table = [0; 257];
    let mut i = 0;
    while i < 256 {
        // Squaring a mantissa in [1, 2) doubles its logarithm; an overflow past 2 is the next bit.
        let mut mantissa = (256 + i as u64) << 23;
        let mut log = 0;
        let mut bit = 0;
        while bit < 16 {
            mantissa = (mantissa * mantissa) >> 31;
            log <<= 1;
            if mantissa >> 32 != 0 {
                mantissa >>= 1;
                log |= 1;
            }
            bit += 1;
        }
        table[i] = log;
        i += 1;
    }
    table[256] = 1 << 16;
    table
}

/// −log2(`probability` / 65536) in 1/65536 bit, for `probability` in 1..=65536.
fn information(probability: u32) -> u32 {
    let exponent = probability.max(1).ilog2();
    // Mantissa with 16 bits after the point: 8 to look up, 8 to interpolate.
    let mantissa = ((u64::from(probability) << 16 >> exponent) & 0xFFFF) as u32;
    let (index, rest) = ((mantissa >> 8) as usize, mantissa & 0xFF);
    let log = LOG2[index] + (((LOG2[index + 1] - LOG2[index]) * rest) >> 8);
    (16 << 16) - (exponent << 16) - log
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn information_is_a_logarithm() {
        assert_eq!(information(65536), 0);
        assert_eq!(information(32768), 1 << 16);
        assert_eq!(information(1), 16 << 16);
        // log2(3) = 1.5849625 -> -log2(3/4) = 0.4150375 = 27199.9 / 65536
        assert!(information(49152).abs_diff(27200) <= 2);
        for p in 1..65536 {
            assert!(information(p) >= information(p + 1), "{p}");
            // log(ab) = log a + log b, exactly where b is a power of two.
            if p < 32768 {
                assert_eq!(information(p), information(2 * p) + 65536, "{p}");
            }
        }
    }

    #[test]
    fn bypass_costs_its_bits() {
        let mut price = Price::new();
        price.bypass(5, 3);
        price.bypass(0, 40);
        assert_eq!(price.bits256(), 35 * 256);
    }
}
