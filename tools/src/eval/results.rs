//! What an evaluation measures, as it is stored: `results.json`.

use crate::codec;
use crate::machine::Run;
use crate::media::yuv::Planes;
use clap::ValueEnum;
use serde::{Deserialize, Serialize};
use sidelight::EncoderSettings;
use std::collections::BTreeMap;

/// All of `results.json`.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Results {
    pub setup: Setup,
    /// The last run; points that were stored before may be of another with the same setup.
    pub run: Run,
    /// The codec's quality numbers, in the order asked for.
    pub qualities: Vec<u32>,
    /// By picture, then in the order of `qualities`.
    pub points: Vec<Point>,
    /// Pictures that could not be measured, and why.
    pub failures: Vec<Failure>,
    pub summary: Summary,
}

/// All that figures depend on besides the picture and the quality: a stored point is taken up again
/// only if its setup is the same.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Setup {
    pub codec: codec::Kind,
    /// The codec's own name and version.
    pub codec_version: String,
    pub planes: Planes,
    /// The encoder's effort.
    pub effort: u8,
    /// Training steps of an update; `null` for the library's choice.
    pub steps: Option<u32>,
    #[serde(default)]
    pub size: Size,
    #[serde(default)]
    pub objective: Objective,
    /// SHA-256 of this very program, library and models inside.
    pub program: String,
}

impl Setup {
    /// The encoder's settings.
    pub fn encoder(&self, no_update: bool) -> EncoderSettings {
        EncoderSettings {
            no_update,
            threads: 1,
            effort: self.effort,
            steps: self.steps,
            budget: None,
            model_size: self.size.into(),
            objective: self.objective.into(),
        }
    }
}

/// Size of the base model.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Size {
    S,
    #[default]
    M,
    L,
}

/// How an update is made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Objective {
    /// Scales, biases and weights, rounded in the loop, each at its price
    #[default]
    RateDistortion,
    /// Lam et al. (arXiv 1905.04079): compressibility loss, pruning, k-means
    Published,
}

impl From<Objective> for sidelight::adapt::task::Objective {
    fn from(objective: Objective) -> Self {
        match objective {
            Objective::RateDistortion => Self::RateDistortion,
            Objective::Published => Self::Published,
        }
    }
}

impl From<Size> for sidelight::ModelSize {
    fn from(size: Size) -> Self {
        match size {
            Size::S => Self::Small,
            Size::M => Self::Medium,
            Size::L => Self::Large,
        }
    }
}

/// A picture at a quality.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Point {
    /// The file's name without its extension.
    pub picture: String,
    pub width: usize,
    pub height: usize,
    pub quality: u32,
    /// The codec's file as it is.
    pub codec: Measured,
    /// With a payload that asks for the base model, or for no filtering where that is better.
    pub base: Measured,
    /// With the payload that the encoder chose.
    pub update: Measured,
    pub payload: Payload,
    pub seconds: Seconds,
}

/// One variant of a coded picture.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Measured {
    /// The whole file: container and payload included.
    pub bytes: usize,
    /// Mean squared error of each plane: Y, or Y, Cb, Cr.
    pub mse: Vec<f64>,
    /// dB, as `mse`; `null` where nothing differs.
    pub psnr: Vec<Option<f64>>,
    /// (6 Y + Cb + Cr) / 8 of the planes' PSNR; luma's for gray pictures; `null` where a plane's
    /// is.
    pub psnr_yuv: Option<f64>,
    /// Similarity of luma, 0..=1; `null` for pictures too small for it.
    pub ssim: Option<f64>,
    /// Similarity of luma, 0..=1; `null` for pictures too small for it.
    pub ms_ssim: Option<f64>,
    /// SSIMULACRA 2 of RGB, at most 100; `null` for clips and pictures too small for it.
    #[serde(default)]
    pub ssimulacra2: Option<f64>,
    /// Butteraugli's distance of RGB, its maximum over the picture, 0 where nothing differs; `null`
    /// for clips and pictures too small for it.
    #[serde(default)]
    pub butteraugli: Option<f64>,
    /// Butteraugli's distance as a 3-norm over the picture, which no single place decides.
    #[serde(default)]
    pub butteraugli_3: Option<f64>,
}

/// What was sent.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Payload {
    /// "off", "base" or "update".
    pub mode: String,
    pub bytes: usize,
    /// What carries it in the file.
    pub container_bytes: usize,
    /// Bytes by part, in the payload's order: "header", then the update's; they sum to `bytes`.
    pub parts: Vec<Part>,
    /// PSNR-YUV that a byte bought at this point, from a second encode nearby.
    pub slope_db_per_byte: f64,
    /// Gain in PSNR-YUV over the base model, less what the added bytes would have gained in the
    /// codec.
    pub net_gain_db: Option<f64>,
}

/// A part of a payload.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Part {
    pub name: String,
    pub bytes: f64,
}

/// Wall-clock seconds on one thread, with other pictures being measured at the same time.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Seconds {
    pub codec_encode: f64,
    pub codec_decode: f64,
    /// Fine-tuning, coding and choosing.
    pub payload_encode: f64,
    /// Parsing the payload and building the network.
    pub payload_decode: f64,
    pub filter: f64,
}

/// A picture that could not be measured.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Failure {
    pub picture: String,
    pub error: String,
}

/// Means over all pictures.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Summary {
    /// In the order of `qualities`.
    pub qualities: Vec<QualityMean>,
    /// For each of [`COMPARISONS`], its BD-rates.
    pub bd_rate: BTreeMap<String, BdRates>,
}

/// Means at one quality.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct QualityMean {
    pub quality: u32,
    pub pictures: usize,
    pub codec: Mean,
    pub base: Mean,
    pub update: Mean,
    /// Payloads with an update; the others send the base model or nothing.
    pub updates: usize,
    pub payload_bytes: f64,
    pub net_gain_db: Option<f64>,
    pub seconds: Seconds,
}

/// Means of a variant; those of PSNR and SSIM are over the pictures that have them.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Mean {
    pub bytes: f64,
    /// Y, or Y, Cb, Cr.
    pub psnr: Vec<Option<f64>>,
    pub psnr_yuv: Option<f64>,
    pub ssim: Option<f64>,
    pub ms_ssim: Option<f64>,
}

/// BD-rates of one comparison, in percent; negative is better.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct BdRates {
    /// On luma PSNR, mean over pictures.
    pub y: Option<f64>,
    /// On PSNR-YUV, mean over pictures.
    pub yuv: Option<f64>,
    /// On the PSNR of Cb and of Cr, means over pictures.
    #[serde(default)]
    pub chroma: [Option<f64>; 2],
    pub pictures: Vec<PictureBdRate>,
}

/// BD-rates of one picture; `null` where its curves have too few points or do not overlap.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PictureBdRate {
    pub picture: String,
    pub y: Option<f64>,
    pub yuv: Option<f64>,
    #[serde(default)]
    pub chroma: [Option<f64>; 2],
}

/// A picture's variants.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Variant {
    Codec,
    Base,
    Update,
}

impl Point {
    pub fn variant(&self, variant: Variant) -> &Measured {
        match variant {
            Variant::Codec => &self.codec,
            Variant::Base => &self.base,
            Variant::Update => &self.update,
        }
    }
}

/// Name, anchor and what is compared with it.
pub const COMPARISONS: [(&str, Variant, Variant); 3] = [
    ("base against codec", Variant::Codec, Variant::Base),
    ("update against base", Variant::Base, Variant::Update),
    ("update against codec", Variant::Codec, Variant::Update),
];
