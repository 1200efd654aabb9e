//! The adaptive probability of one kind of bin.

/// How many bins an initial probability is worth: the first bin moves the estimate by
/// `1 / (PRIOR + 1)`.
const PRIOR: usize = 12;
/// Slowest adaptation of the fast estimate.
const FAST: usize = 16;
/// Slowest adaptation of the slow estimate.
const SLOW: usize = 128;
/// Bins after which both rates stay as they are.
const SETTLED: usize = SLOW - PRIOR - 1;
/// Probabilities handed to the coder lie in `MIN..=65536 - MIN`.
const MIN: u32 = 32;

/// `RATES[n]` = (fast, slow) rates in 1/65536 for a context that has seen `n` bins.
static RATES: [(u16, u16); SETTLED + 1] = rates();

const fn rates() -> [(u16, u16); SETTLED + 1] {
    let mut table = [(0, 0); SETTLED + 1];
    let mut n = 0;
    while n <= SETTLED {
        // A running mean that starts from a prior, until the floor of each rate.
        let divisor = n + PRIOR + 1;
        let fast = if divisor < FAST { divisor } else { FAST };
        table[n] = ((65536 / fast) as u16, (65536 / divisor) as u16);
        n += 1;
    }
    table
}

/// Adaptive state of one kind of bin: the mean of a fast and a slow estimate of the probability
/// that the bin is one.
///
/// While young, both estimates are the running mean of the initial probability and the bins seen,
/// which is what a stream of a few hundred bins needs; later the fast one keeps following at 1/16
/// and the slow one at 1/128.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Context {
    fast: u16,
    slow: u16,
    seen: u8,
}

impl Context {
    /// A context whose bin is one with probability `(2·probability + 1) / 512`.
    #[must_use]
    pub const fn new(probability: u8) -> Self {
        let state = (2 * probability as u16 + 1) << 7;
        Self { fast: state, slow: state, seen: 0 }
    }

    /// Probability in 1/65536 that the next bin is one; never so small that either value of the
    /// bin becomes uncodable.
    #[must_use]
    pub fn probability(&self) -> u32 {
        ((u32::from(self.fast) + u32::from(self.slow)) >> 1).clamp(MIN, 65536 - MIN)
    }

    /// Learns from one bin.
    pub fn update(&mut self, bit: bool) {
        let (fast, slow) = RATES[usize::from(self.seen)];
        self.fast = step(self.fast, fast, bit);
        self.slow = step(self.slow, slow, bit);
        if usize::from(self.seen) < SETTLED {
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
    fn young_context_is_a_running_mean() {
        let mut context = Context::new(127);
        context.update(true);
        let expected = 32640 + (65535 - 32640) / (PRIOR as u32 + 1);
        assert!(context.probability().abs_diff(expected) <= 2);
    }

    #[test]
    fn rates_settle() {
        assert_eq!(RATES[0], ((65536 / 13) as u16, (65536 / 13) as u16));
        assert_eq!(RATES[SETTLED], (4096, 512));
    }
}
