//! The codecs that are measured, as real programs and libraries.

pub mod command;
mod example;
mod jpeg;
mod mozjpeg;
mod x265;
pub mod x265_clip;

use crate::media::yuv::{Original, Yuv};
use anyhow::Result;
use clap::ValueEnum;
use serde::{Deserialize, Serialize};
use sidelight::{CodecParams, ModelSize};

/// A codec that can carry a payload.
pub trait Codec: Send + Sync {
    /// What it is and its version, for the records.
    fn version(&self) -> Result<String>;

    /// A point near `quality` on the rate-distortion curve, to measure the slope there; `None` to
    /// leave the slope to the encoder's estimate.
    fn neighbour(&self, quality: u32) -> Option<u32>;

    /// A whole file.
    fn encode(&self, original: &Original, quality: u32) -> Result<Vec<u8>>;

    /// What a stock decoder makes of the file, before any upsampling of chroma. It has the layout
    /// and the size of `like`.
    fn decode(&self, file: &[u8], like: &Yuv) -> Result<Yuv>;

    /// What the filter is told of how the picture was coded.
    fn params(&self, file: &[u8], decoded: &Yuv, quality: u32) -> Result<CodecParams>;

    /// What carrying a payload adds to a file besides the payload.
    fn carriage_bytes(&self) -> u32;

    /// The file with `payload` inside.
    fn embed(&self, file: &[u8], payload: &[u8]) -> Result<Vec<u8>>;
}

/// The codecs by name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// libjpeg-turbo's cjpeg: standard tables, optimised Huffman tables; quality 1..=100
    Jpeg,
    /// JPEG with flat tables; quality is the step, 1..=255
    JpegFlat,
    /// The example `jpeg_encode` with steps between the standard ones and flat ones; quality
    /// 1..=100
    JpegHalf,
    /// `jpeg_encode --optimise`, coefficients chosen for the base model; quality 1..=100
    JpegOptimised,
    /// The same with the tables of jpeg-half
    JpegOptimisedHalf,
    /// The same with flat tables
    JpegOptimisedFlat,
    /// mozjpeg tuned for PSNR: flat tables, trellis, progressive; quality 1..=100
    MozjpegPsnr,
    /// x265, one intra picture; quality is the QP, 4..=51
    X265Intra,
    /// x265, clips, random access; quality is the QP, 4..=51
    X265,
}

impl Kind {
    /// The codec for pictures, where coefficients are chosen for the base model of medium size.
    pub fn open(self) -> Box<dyn Codec> {
        self.open_for(ModelSize::Medium)
    }

    /// The codec for pictures that a base model of `size` filters.
    pub fn open_for(self, size: ModelSize) -> Box<dyn Codec> {
        let example = |tables, optimise: bool| {
            Box::new(example::Example { tables, optimised_for: optimise.then_some(size) })
        };
        match self {
            Self::JpegHalf => example("half", false),
            Self::JpegOptimised => example("standard", true),
            Self::JpegOptimisedHalf => example("half", true),
            Self::JpegOptimisedFlat => example("flat", true),
            Self::Jpeg => Box::new(jpeg::Turbo { flat: false }),
            Self::JpegFlat => Box::new(jpeg::Turbo { flat: true }),
            Self::MozjpegPsnr => Box::new(mozjpeg::TunedForPsnr),
            Self::X265Intra | Self::X265 => Box::new(x265::Intra),
        }
    }

    /// The points measured unless others are asked for.
    pub fn default_qualities(self) -> &'static [u32] {
        match self {
            Self::Jpeg
            | Self::JpegHalf
            | Self::JpegOptimised
            | Self::JpegOptimisedHalf
            | Self::JpegOptimisedFlat
            | Self::MozjpegPsnr => &[10, 20, 30, 40],
            Self::JpegFlat => &[64, 40, 28, 20],
            Self::X265Intra | Self::X265 => &[37, 32, 27, 22],
        }
    }

    /// Name, version and settings, for the records.
    pub fn version(self) -> Result<String> {
        match self {
            Self::X265 => x265_clip::version(),
            _ => self.open().version(),
        }
    }

    /// Whether it codes clips, not pictures.
    pub fn of_clips(self) -> bool {
        self == Self::X265
    }

    /// What the quality number is called.
    pub fn quality_name(self) -> &'static str {
        match self {
            Self::Jpeg
            | Self::JpegHalf
            | Self::JpegOptimised
            | Self::JpegOptimisedHalf
            | Self::JpegOptimisedFlat
            | Self::MozjpegPsnr => "QF",
            Self::JpegFlat => "step",
            Self::X265Intra | Self::X265 => "QP",
        }
    }

    /// Qualities that it takes.
    pub fn qualities(self) -> std::ops::RangeInclusive<u32> {
        match self {
            Self::Jpeg
            | Self::JpegHalf
            | Self::JpegOptimised
            | Self::JpegOptimisedHalf
            | Self::JpegOptimisedFlat
            | Self::MozjpegPsnr => 1..=100,
            Self::JpegFlat => 1..=255,
            Self::X265Intra | Self::X265 => 4..=51,
        }
    }
}

#[cfg(test)]
mod tests;
