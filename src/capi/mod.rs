//! The C API: one file per noun. Each function checks, converts, calls the Rust API and converts
//! back; no logic lives here.
#![allow(clippy::missing_safety_doc)] // the safety contract is the header's text

mod boundary;
mod buffer;
mod convert;
mod decoder;
#[cfg(feature = "encoder")]
mod encoder;
#[cfg(feature = "encoder")]
mod encoding;
mod jpeg;
mod library;
#[cfg(feature = "encoder")]
mod optimise;
mod payload;
mod stream;
mod types;
#[cfg(target_family = "wasm")]
mod wasm;

pub use decoder::*;
#[cfg(feature = "encoder")]
pub use optimise::*;
pub use stream::*;
pub use types::*;
