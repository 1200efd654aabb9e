//! Feature maps of the trainer: NHWC, f32.

use crate::util::alloc;
use crate::Result;

/// A feature map: `height × width` pixels of `channels` floats with a border of `pad` pixels on
/// every side.
#[derive(Clone, Debug, Default)]
pub struct Map {
    /// Rows without the border.
    pub height: usize,
    /// Columns without the border.
    pub width: usize,
    /// Floats per pixel.
    pub channels: usize,
    /// Border on every side, in pixels.
    pub pad: usize,
    /// `(height + 2 pad) × (width + 2 pad) × channels` floats.
    pub data: Vec<f32>,
}

impl Map {
    /// A map of zeros.
    ///
    /// # Errors
    /// [`OutOfMemory`](crate::Error::OutOfMemory).
    pub fn new(height: usize, width: usize, channels: usize, pad: usize) -> Result<Self> {
        let len = (height + 2 * pad) * (width + 2 * pad) * channels;
        Ok(Self { height, width, channels, pad, data: alloc::try_filled(len, 0.0)? })
    }

    /// Pixels from one row to the next.
    #[must_use]
    pub fn pitch(&self) -> usize {
        self.width + 2 * self.pad
    }

    /// Index of the first float of pixel (`y`, `x`), counted without the border.
    #[must_use]
    pub fn at(&self, y: usize, x: usize) -> usize {
        ((y + self.pad) * self.pitch() + x + self.pad) * self.channels
    }

    /// The floats of row `y`, without the border.
    #[must_use]
    pub fn row(&self, y: usize) -> &[f32] {
        let start = self.at(y, 0);
        &self.data[start..start + self.width * self.channels]
    }

    /// The floats of row `y`, without the border.
    pub fn row_mut(&mut self, y: usize) -> &mut [f32] {
        let start = self.at(y, 0);
        let len = self.width * self.channels;
        &mut self.data[start..start + len]
    }

    /// Fills a border of one pixel by replication.
    pub(super) fn replicate_border(&mut self) {
        debug_assert_eq!(self.pad, 1);
        let (c, pitch) = (self.channels, self.pitch());
        for y in 0..self.height {
            let (first, last) = (self.at(y, 0), self.at(y, self.width - 1));
            self.data.copy_within(first..first + c, first - c);
            self.data.copy_within(last..last + c, last + c);
        }
        let row = pitch * c;
        let end = (self.height + 1) * row;
        self.data.copy_within(row..2 * row, 0);
        self.data.copy_within(end - row..end, end);
    }

    /// Adds the border of one pixel onto the pixels that it replicates: the adjoint of
    /// [`replicate_border`](Self::replicate_border).
    pub(super) fn fold_border(&mut self) {
        debug_assert_eq!(self.pad, 1);
        let (c, pitch) = (self.channels, self.pitch());
        let row = pitch * c;
        let end = (self.height + 1) * row;
        for i in 0..row {
            self.data[row + i] += self.data[i];
            self.data[end - row + i] += self.data[end + i];
        }
        for y in 0..self.height {
            let (first, last) = (self.at(y, 0), self.at(y, self.width - 1));
            for i in 0..c {
                self.data[first + i] += self.data[first - c + i];
                self.data[last + i] += self.data[last + c + i];
            }
        }
    }
}
