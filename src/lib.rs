//! Sidelight: content-adaptive artifact removal for image and video codecs.
//!
//! An encoder hands over the original and the decoded picture and gets a **payload**: the
//! compressed weight-update of a small artifact-removal network. A decoder hands over the payload
//! and the decoded picture and gets a better picture, bit-exactly the one the encoder measured.
//!
//! [`Encoder`] makes payloads, [`carriage`] puts them into files and streams and takes them out,
//! [`Decoder`] filters pictures. `include/sidelight.h` is the same for C.
//!
//! All else is in modules that the feature `internals` opens for the project's own tools, tests and
//! benchmarks; they change without notice. Arrows point from left to right (`tests/layers.rs`):
//!
//! `capi → optimise → {encoder, decoder} → {adapt, filter, models} → {train, payload, kernels, codec} →
//! network → {entropy, carriage} → util → {picture, cpu} → error`

#[cfg(all(feature = "encoder", target_arch = "wasm32", target_os = "unknown"))]
compile_error!("the encoder wants a clock: build the decoder alone, with --no-default-features");

// Declared in a module of their own so that one line makes all of them public or private.
#[path = "."]
// The writing halves of formats: what a decoder's build does not call it does not link either.
#[cfg_attr(not(feature = "encoder"), allow(dead_code, unused_imports))]
mod modules {
    #[cfg(feature = "encoder")]
    pub mod adapt;
    pub mod codec;
    pub mod cpu;
    pub mod decoder;
    #[cfg(feature = "encoder")]
    pub mod encoder;
    pub mod entropy;
    pub mod error;
    pub mod filter;
    pub mod kernels;
    pub mod models;
    pub mod network;
    #[cfg(feature = "encoder")]
    pub mod optimise;
    pub mod payload;
    pub mod picture;
    #[cfg(feature = "encoder")]
    pub mod train;
}
#[cfg(not(feature = "internals"))]
use modules::*;
#[cfg(feature = "internals")]
pub use modules::*;

#[doc(hidden)]
pub mod capi;
pub mod carriage;
mod util;

#[cfg(feature = "encoder")]
pub use adapt::task::Objective;
pub use codec::accuracy::check_planes as check_jpeg_planes;
pub use codec::{Codec, CodecParams};
pub use cpu::{logical_cores, CpuLevel};
pub use decoder::{probe, Decoder, DecoderSettings, Probe};
#[cfg(feature = "encoder")]
pub use encoder::{
    Encoded, Encoder, EncoderSettings, Pair, Rate, Report, MAX_EFFORT, MAX_PICTURES, MAX_STEPS,
};
pub use error::{Error, Result};
pub use kernels::FULL_STRENGTH;
pub use models::ModelSize;
pub use network::{CodecKind, Condition};
#[cfg(feature = "encoder")]
pub use optimise::{
    CoefficientReport, Optimiser, OptimiserReport, OptimiserSettings, DEFAULT_DECODED_WEIGHT,
    DEFAULT_STRENGTH, MAX_DECODED_WEIGHT, STRENGTHS,
};
pub use payload::binding::of_picture as picture_binding;
pub use payload::{rebind, Mode, MAX_PAYLOAD};
pub use picture::{Layout, Picture, PictureMut, PictureType, Plane, PlaneMut, Sample, MAX_SIZE};
