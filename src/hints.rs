//! What the host knows of how a picture was coded.

use crate::network::condition::MAX_QP;
use crate::network::{CodecKind, Condition};
use crate::picture::{Layout, PictureType};
use crate::{Error, Result};

/// The codec and how strongly it quantised.
#[derive(Clone, Debug, PartialEq, Eq)]
#[allow(clippy::large_enum_variant)] // one for each picture or clip, never many
pub enum Codec {
    /// JPEG, with its quantisation tables in natural (row-major) order.
    Jpeg {
        /// Luma table, steps 1..=65535.
        luma: [u16; 64],
        /// Chroma table; `None` for that of luma.
        chroma: Option<[u16; 64]>,
    },
    /// HEVC.
    Hevc {
        /// Mean luma QP of intra, P and B pictures, 1..=51; 0: pictures of the type are left as they
        /// are.
        qp: [u8; 3],
    },
}

impl Codec {
    /// Whose models apply.
    #[must_use]
    pub fn kind(&self) -> CodecKind {
        match self {
            Self::Jpeg { .. } => CodecKind::Jpeg,
            Self::Hevc { .. } => CodecKind::Hevc,
        }
    }

    /// Checks the ranges.
    ///
    /// # Errors
    /// [`Error::InvalidArgument`] if a step is 0 or a QP above 51.
    pub fn check(&self) -> Result {
        let ok = match self {
            Self::Jpeg { luma, chroma } => {
                !luma.contains(&0) && !chroma.is_some_and(|c| c.contains(&0))
            }
            Self::Hevc { qp } => qp.iter().all(|q| *q <= MAX_QP),
        };
        if ok {
            Ok(())
        } else {
            Err(Error::InvalidArgument)
        }
    }

    /// The network's conditioning features for pictures of `layout` and `picture_type`; `None` if
    /// such pictures are left as they are.
    #[must_use]
    pub fn condition(&self, layout: Layout, picture_type: PictureType) -> Option<Condition> {
        match self {
            Self::Jpeg { luma, chroma } => {
                let chroma = chroma.as_ref().unwrap_or(luma);
                Some(Condition::from_jpeg_tables(luma, chroma, layout))
            }
            Self::Hevc { qp } => match qp[picture_type.class()] {
                0 => None,
                qp => Some(Condition::from_hevc_qp(qp, picture_type, layout)),
            },
        }
    }
}

/// Codec hints of a picture, or of all pictures that share a payload.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hints {
    /// How it was coded.
    pub codec: Codec,
    /// What a payload is bound to: for JPEG [`JpegInfo::binding`](crate::carriage::jpeg::JpegInfo),
    /// for video [`binding::of_picture`](crate::payload::binding::of_picture) of the decoded picture
    /// that carries the payload.
    pub binding: u64,
}
