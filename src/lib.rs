//! Sidelight: content-adaptive artifact removal for image and video codecs.
//!
//! An encoder hands over the original and the decoded picture and gets a **payload**: the
//! compressed weight-update of a small artifact-removal network. A decoder hands over the payload
//! and the decoded picture and gets a better picture, bit-exactly the one the encoder measured.

pub mod adapt;
pub mod capi;
pub mod carriage;
pub mod entropy;
pub mod error;
pub mod network;
pub mod payload;

pub use error::{Error, Result};
pub use network::Condition;
