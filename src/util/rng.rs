//! A small generator of pseudo-random numbers (xorshift64): the same everywhere, for shuffles and
//! tests.

/// The generator; its state is never 0.
#[derive(Clone, Debug)]
pub(crate) struct Xorshift(pub(crate) u64);

impl Xorshift {
    /// 64 bits.
    pub(crate) fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    /// A number from `low` to `high`.
    #[cfg(test)]
    pub(crate) fn range(&mut self, low: i64, high: i64) -> i64 {
        low + (self.next() % (high - low + 1) as u64) as i64
    }

    /// A number from −1 to 1.
    #[cfg(test)]
    pub(crate) fn unit(&mut self) -> f32 {
        (self.next() >> 40) as f32 / (1u64 << 23) as f32 - 1.0
    }
}
