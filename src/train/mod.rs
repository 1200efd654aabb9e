//! The training engine: networks in 32-bit floating point, forward and backward, and Adam. Fine-tuning and the
//! tools that make base models share it.

pub mod adam;
mod conv;
mod gradient;
pub mod map;
pub mod net;
#[cfg(feature = "torch")]
pub mod torch;
mod vector;
