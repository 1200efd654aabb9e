//! What the host knows of how a picture was coded.

use crate::network::Condition;
use crate::picture::Layout;
use crate::{Error, Result};

/// The codec and how strongly it quantised.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Codec {
    /// JPEG, with its quantisation tables in natural (row-major) order.
    Jpeg {
        /// Luma table, steps 1..=65535.
        luma: [u16; 64],
        /// Chroma table; `None` for that of luma.
        chroma: Option<[u16; 64]>,
    },
}

/// Codec hints of one picture.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hints {
    /// How it was coded.
    pub codec: Codec,
    /// What a payload is bound to: for JPEG [`JpegInfo::binding`](crate::carriage::jpeg::JpegInfo).
    pub binding: u64,
}

impl Hints {
    /// Checks the ranges.
    ///
    /// # Errors
    /// [`Error::InvalidArgument`] if a step is 0.
    pub fn check(&self) -> Result {
        let Codec::Jpeg { luma, chroma } = &self.codec;
        if luma.contains(&0) || chroma.is_some_and(|c| c.contains(&0)) {
            return Err(Error::InvalidArgument);
        }
        Ok(())
    }

    /// The network's conditioning features for pictures of `layout`.
    ///
    /// # Errors
    /// As [`check`](Self::check).
    pub fn condition(&self, layout: Layout) -> Result<Condition> {
        self.check()?;
        let Codec::Jpeg { luma, chroma } = &self.codec;
        let chroma = chroma.as_ref().unwrap_or(luma);
        Ok(Condition::from_jpeg_tables(luma, chroma, layout))
    }
}
