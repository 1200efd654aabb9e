//! The shape of a network.

use super::condition::{FEATURES, LUMA_FEATURES};
use crate::{Error, Result};

/// Shape of a network: space-to-depth 2, a first convolution, `hidden` hidden convolutions, a last
/// convolution, depth-to-space 2, added to the input.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Arch {
    /// Channels in: 4 luma phases, for chroma also Cb and Cr at half resolution.
    pub inputs: usize,
    /// Channels out: 4 luma phases, or Cb and Cr.
    pub outputs: usize,
    /// Channels of every hidden feature map; a multiple of 16.
    pub channels: usize,
    /// Convolutions between the first and the last.
    pub hidden: usize,
    /// The first convolution's bias depends on a pixel's row and column modulo this: 4 spans a luma
    /// block in half-resolution pixels, 8 also a block of chroma at half resolution.
    pub period: usize,
    /// Conditioning features: those of luma, or all.
    pub features: usize,
}

impl Arch {
    /// Largest `channels` that is accepted: a cap on work for hostile model files.
    pub const MAX_CHANNELS: usize = 64;
    /// Largest `hidden` that is accepted: a cap on work for hostile model files.
    pub const MAX_HIDDEN: usize = 8;
    /// Most convolutions.
    pub const MAX_LAYERS: usize = Self::MAX_HIDDEN + 2;

    /// A network that corrects luma.
    #[must_use]
    pub const fn luma(channels: usize, hidden: usize) -> Self {
        Self { inputs: 4, outputs: 4, channels, hidden, period: 4, features: LUMA_FEATURES }
    }

    /// A network that corrects chroma, seeing luma as well.
    #[must_use]
    pub const fn chroma(channels: usize, hidden: usize) -> Self {
        Self { inputs: 6, outputs: 2, channels, hidden, period: 8, features: FEATURES }
    }

    /// Checks the ranges.
    ///
    /// # Errors
    /// [`Error::Unsupported`] if a field is out of range.
    pub fn check(self) -> Result {
        let ok = [Self::luma, Self::chroma].iter().any(|of| self == of(self.channels, self.hidden))
            && (16..=Self::MAX_CHANNELS).contains(&self.channels)
            && self.channels.is_multiple_of(16)
            && (1..=Self::MAX_HIDDEN).contains(&self.hidden);
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
        let cout = if layer + 1 == self.layers() { self.outputs } else { self.channels };
        (cin, cout)
    }

    /// Rows of the bias table of convolution `layer`: one for each phase of the block grid in the
    /// first, one in the others.
    #[must_use]
    pub fn phases(self, layer: usize) -> usize {
        if layer == 0 {
            self.period * self.period
        } else {
            1
        }
    }

    /// Multiply-accumulates per luma sample.
    #[cfg(feature = "internals")]
    #[must_use]
    pub fn macs_per_sample(self) -> usize {
        (0..self.layers()).map(|l| self.layer(l)).map(|(i, o)| 9 * i * o).sum::<usize>() / 4
    }
}
