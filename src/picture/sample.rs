//! Types of samples.

/// Samples side by side to read, of either type.
#[derive(Clone, Copy, Debug)]
pub enum SampleRow<'a> {
    /// Samples of 8 bits.
    U8(&'a [u8]),
    /// Samples of up to 16 bits.
    U16(&'a [u16]),
}

/// Samples side by side to write, of either type.
#[derive(Debug)]
pub enum SampleRowMut<'a> {
    /// Samples of 8 bits.
    U8(&'a mut [u8]),
    /// Samples of up to 16 bits.
    U16(&'a mut [u16]),
}

/// A sample in memory, in the machine's byte order.
pub trait Sample: Copy + Send + Sync {
    /// Bit depths of pictures of such samples.
    const DEPTHS: &[u32];

    /// Bit depths of pictures of such samples that are written.
    const OUTPUT_DEPTHS: &[u32];

    /// The smaller one of the sample and `max`.
    fn at_most(self, max: i16) -> i16;

    /// `value`, which is in the samples' range.
    fn new(value: u16) -> Self;

    /// A row, by its type.
    fn row(row: &[Self]) -> SampleRow<'_>;

    /// A row to write, by its type.
    fn row_mut(row: &mut [Self]) -> SampleRowMut<'_>;
}

impl Sample for u8 {
    const DEPTHS: &[u32] = &[8];
    const OUTPUT_DEPTHS: &[u32] = &[8];

    fn at_most(self, max: i16) -> i16 {
        i16::from(self).min(max)
    }

    fn new(value: u16) -> Self {
        value as u8
    }

    fn row(row: &[Self]) -> SampleRow<'_> {
        SampleRow::U8(row)
    }

    fn row_mut(row: &mut [Self]) -> SampleRowMut<'_> {
        SampleRowMut::U8(row)
    }
}

impl Sample for u16 {
    const DEPTHS: &[u32] = &[10, 12];
    const OUTPUT_DEPTHS: &[u32] = &[10, 12, 16];

    fn at_most(self, max: i16) -> i16 {
        self.min(max as u16) as i16
    }

    fn new(value: u16) -> Self {
        value
    }

    fn row(row: &[Self]) -> SampleRow<'_> {
        SampleRow::U16(row)
    }

    fn row_mut(row: &mut [Self]) -> SampleRowMut<'_> {
        SampleRowMut::U16(row)
    }
}
