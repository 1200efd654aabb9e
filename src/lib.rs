//! Sidelight: content-adaptive artifact removal for image and video codecs.
//!
//! An encoder hands over the original and the decoded picture and gets a **payload**: the
//! compressed weight-update of a small artifact-removal network. A decoder hands over the payload
//! and the decoded picture and gets a better picture, bit-exactly the one the encoder measured.

pub mod adapt;
pub mod capi;
pub mod carriage;
pub mod codec;
pub mod cpu;
pub mod decoder;
pub mod encoder;
pub mod entropy;
pub mod error;
pub mod filter;
pub mod kernels;
pub mod models;
pub mod network;
pub mod payload;
pub mod picture;
mod probe;
pub mod train;
mod util;

pub use codec::{Codec, CodecParams};
pub use decoder::{Decoder, DecoderSettings};
pub use encoder::{Encoded, Encoder, EncoderSettings, Pair, Rate, Report};
pub use error::{Error, Result};
pub use models::ModelSize;
pub use network::Condition;
pub use payload::Mode;
pub use picture::{Layout, Picture, PictureMut, PictureType, Plane, PlaneMut, Sample};
pub use probe::{probe, Probe};
