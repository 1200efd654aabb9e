//! Types of samples.

/// A sample in memory, in the machine's byte order.
pub trait Sample: Copy + Send + Sync {
    /// Bit depths of pictures of such samples.
    const DEPTHS: &[u32];

    /// The smaller one of the sample and `max`.
    fn at_most(self, max: i16) -> i16;

    /// `value`, which is in the samples' range.
    fn new(value: i16) -> Self;
}

impl Sample for u8 {
    const DEPTHS: &[u32] = &[8];

    fn at_most(self, max: i16) -> i16 {
        i16::from(self).min(max)
    }

    fn new(value: i16) -> Self {
        value as u8
    }
}

impl Sample for u16 {
    const DEPTHS: &[u32] = &[10, 12];

    fn at_most(self, max: i16) -> i16 {
        self.min(max as u16) as i16
    }

    fn new(value: i16) -> Self {
        value as u16
    }
}
