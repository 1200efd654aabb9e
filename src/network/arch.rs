//! The shape of a network.

use crate::{Error, Result};

/// Shape of a network of the family: space-to-depth 2, a first convolution, `hidden` hidden
/// convolutions, a last convolution, depth-to-space 2, added to the input.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Arch {
    /// Channels in and out: 4 luma phases.
    pub inputs: usize,
    /// Channels of every hidden feature map; a multiple of 16.
    pub channels: usize,
    /// Convolutions between the first and the last.
    pub hidden: usize,
}

/// Entries of the first convolution's bias table: the 4×4 half-resolution phases of the 8×8 block
/// grid.
pub const PHASES: usize = 16;

impl Arch {
    /// Largest `channels` and `hidden` that are accepted: caps on work for hostile model files.
    pub const MAX_CHANNELS: usize = 64;
    /// See [`MAX_CHANNELS`](Self::MAX_CHANNELS).
    pub const MAX_HIDDEN: usize = 8;

    /// Checks the ranges.
    ///
    /// # Errors
    /// [`Error::Unsupported`] if a field is out of range.
    pub fn check(self) -> Result {
        let ok = self.inputs == 4
            && self.channels >= 16
            && self.channels <= Self::MAX_CHANNELS
            && self.channels.is_multiple_of(16)
            && self.hidden >= 1
            && self.hidden <= Self::MAX_HIDDEN;
        if ok {
            Ok(())
        } else {
            Err(Error::Unsupported)
        }
    }

    /// Number of convolutions.
    #[must_use]
    pub fn layers(self) -> usize {
        self.hidden + 2
    }

    /// Input and output channels of convolution `layer`.
    #[must_use]
    pub fn layer(self, layer: usize) -> (usize, usize) {
        let cin = if layer == 0 { self.inputs } else { self.channels };
        let cout = if layer + 1 == self.layers() { self.inputs } else { self.channels };
        (cin, cout)
    }

    /// Multiply-accumulates per luma sample.
    #[must_use]
    pub fn macs_per_sample(self) -> usize {
        (0..self.layers()).map(|l| self.layer(l)).map(|(i, o)| 9 * i * o).sum::<usize>() / 4
    }

    /// Rows (or columns) of half-resolution pixels beyond an output pixel that it depends on.
    #[must_use]
    pub fn halo(self) -> usize {
        self.layers()
    }
}
