//! The adaptive probability of one kind of bin.

/// Rate of the fast estimate, and of the slow one at first, in 1/65536.
const FAST: u16 = 4096;
/// Rate of the fast estimate in contexts of rare events, in 1/65536.
const FAST_RARE: u16 = 512;
/// Bins after which the slow estimate stays at 1/128.
const SETTLED: u16 = 128 - 16;
/// Bins after which it stays at 1/512, in contexts of rare events.
const SETTLED_RARE: u16 = 512 - 16;
/// Probabilities handed to the coder lie in `MIN..=65536 - MIN`.
const MIN: u32 = 32;

/// Rate of the slow estimate in 1/65536, by the number of bins that the context has seen: a running
/// mean in which the initial probability weighs as much as 15 bins.
static SLOW: [u16; SETTLED_RARE as usize + 1] = slow_rates();

const fn slow_rates() -> [u16; SETTLED_RARE as usize + 1] {
    let mut table = [0; SETTLED_RARE as usize + 1];
    let mut seen = 0;
    while seen < table.len() {
        table[seen] = (65536 / (16 + seen)) as u16;
        seen += 1;
    }
    table
}

/// Adaptive state of one kind of bin: the mean of a fast and a slow estimate of the probability
/// that the bin is one.
///
/// The fast one follows at 1/16. The slow one begins there, as a stream may have no more than a few
/// dozen bins to learn from, and calms down to 1/128. Contexts of rare events, which see thousands
/// of bins, are slower: 1/128, and down to 1/512.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Context {
    fast: u16,
    slow: u16,
    seen: u16,
    rare: bool,
}

impl Context {
    /// A context whose bin is one with probability `(2·probability + 1) / 512`.
    #[must_use]
    pub const fn new(probability: u8) -> Self {
        let state = (2 * probability as u16 + 1) << 7;
        Self { fast: state, slow: state, seen: 0, rare: false }
    }

    /// A context of rare events: its bin is hardly ever one, and there are thousands of it. The bin
    /// is one with probability `(2·probability + 1) / 512` at first.
    #[must_use]
    pub const fn rare(probability: u8) -> Self {
        Self { rare: true, ..Self::new(probability) }
    }

    /// Probability in 1/65536 that the next bin is one; never so small that either value of the
    /// bin becomes uncodable.
    #[must_use]
    pub fn probability(&self) -> u32 {
        ((u32::from(self.fast) + u32::from(self.slow)) >> 1).clamp(MIN, 65536 - MIN)
    }

    /// Learns from one bin.
    pub fn update(&mut self, bit: bool) {
        let (fast, settled) = if self.rare { (FAST_RARE, SETTLED_RARE) } else { (FAST, SETTLED) };
        self.fast = step(self.fast, fast, bit);
        self.slow = step(self.slow, SLOW[usize::from(self.seen)], bit);
        if self.seen < settled {
            self.seen += 1;
        }
    }
}

/// Moves `state` by `rate / 65536` of the way to 65535 (`bit`) or to 0.
fn step(state: u16, rate: u16, bit: bool) -> u16 {
    let distance = if bit { u16::MAX - state } else { state };
    let change = ((u32::from(distance) * u32::from(rate)) >> 16) as u16;
    if bit {
        state + change
    } else {
        state - change
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stays_codable_at_both_ends() {
        for bit in [false, true] {
            for initial in [0, 1, 128, 254, 255] {
                let mut context = Context::new(initial);
                for _ in 0..10_000 {
                    context.update(bit);
                    assert!((MIN..=65536 - MIN).contains(&context.probability()));
                }
                let one = context.probability();
                assert!(if bit { one > 65000 } else { one < 536 }, "{one}");
            }
        }
    }

    #[test]
    fn adapts_at_the_stated_rates() {
        let mut context = Context::new(128);
        assert_eq!(context.probability(), 257 << 7);
        context.update(true);
        assert_eq!(u32::from(context.fast), 32896 + (32639 >> 4));
        assert_eq!(context.fast, context.slow);
        context.update(false);
        assert!(context.fast < context.slow);
        assert_eq!(SLOW[1], 3855);
        assert_eq!(SLOW[usize::from(SETTLED)], 512);
        let mut context = Context::rare(128);
        context.update(true);
        assert_eq!(u32::from(context.fast), 32896 + (32639 >> 7));
        assert_eq!(context.slow, 32896 + (32639 >> 4));
        assert_eq!(SLOW[usize::from(SETTLED_RARE)], 128);
    }
}
