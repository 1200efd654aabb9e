//! What the host knows of how a picture was coded.

pub mod accuracy;
pub(crate) mod transform;

use crate::network::condition::MAX_QP;
use crate::network::{CodecKind, Condition};
use crate::picture::{Layout, PictureType};
use crate::{Error, Result};

/// The luma example table of ITU-T T.81, Annex K, in natural order.
const ANNEX_K_LUMA: [u16; 64] = [
    16, 11, 10, 16, 24, 40, 51, 61, 12, 12, 14, 19, 26, 58, 60, 55, 14, 13, 16, 24, 40, 57, 69, 56,
    14, 17, 22, 29, 51, 87, 80, 62, 18, 22, 37, 56, 68, 109, 103, 77, 24, 35, 55, 64, 81, 104, 113,
    92, 49, 64, 78, 87, 103, 121, 120, 101, 72, 92, 95, 98, 112, 100, 103, 99,
];

/// JPEG's standard luma table at a quality, 1..=100, scaled as the IJG's software does, in natural
/// order.
///
/// # Panics
/// If the quality is out of range.
#[must_use]
pub fn standard_luma_table(quality: u32) -> [u16; 64] {
    assert!((1..=100).contains(&quality), "quality {quality}");
    let scale = if quality < 50 { 5000 / quality } else { 200 - 2 * quality };
    ANNEX_K_LUMA.map(|step| ((u32::from(step) * scale + 50) / 100).clamp(1, 255) as u16)
}

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
        /// Mean luma QP of intra, P and B pictures, 1..=51; 0: pictures of the type are left as
        /// they are.
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

    /// The quality of JPEG's standard luma table, 1..=100, if this has one of these. Steps above
    /// 255 count as 255, as decoders of 8 bits want them.
    #[must_use]
    pub fn standard_quality(&self) -> Option<u32> {
        let Self::Jpeg { luma, .. } = self else { return None };
        let luma = luma.map(|step| step.min(255));
        (1..=100).find(|quality| standard_luma_table(*quality) == luma)
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

/// Codec parameters of a picture, or of all pictures that share a payload.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CodecParams {
    /// How it was coded.
    pub codec: Codec,
    /// What a payload is bound to: for JPEG [`JpegInfo::binding`](crate::carriage::jpeg::JpegInfo),
    /// for video [`binding::of_picture`](crate::payload::binding::of_picture) of the decoded
    /// picture that carries the payload.
    pub binding: u64,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn standard_tables_are_known() {
        let quality_of = |luma| Codec::Jpeg { luma, chroma: Some([7; 64]) }.standard_quality();
        for quality in 1..=100 {
            let mut luma = standard_luma_table(quality);
            assert_eq!(quality_of(luma), Some(quality));
            luma[63] = luma[63] % 255 + 1;
            assert_eq!(quality_of(luma), None, "{quality}");
        }
        // As coders leave steps that are not held to 8 bits.
        assert_eq!(quality_of(ANNEX_K_LUMA.map(|step| step * 10)), Some(5));
        assert_eq!(quality_of([20; 64]), None);
        assert_eq!(Codec::Hevc { qp: [30; 3] }.standard_quality(), None);
    }
}
