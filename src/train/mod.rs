//! The training engine: networks in 32-bit floating point, forward and backward, and Adam.
//! Fine-tuning and the tools that make base models share it.

use crate::network::basis::FRACTION;

pub mod adam;
pub mod adjoint;
mod conv;
mod fma;
mod gradient;
pub mod map;
pub mod net;
#[cfg(feature = "torch")]
pub mod torch;
mod vector;

/// What a step of one, times the factors of three basis vectors, changes of a weight.
pub const COEFFICIENT_UNIT: f32 = 1.0 / (1u64 << FRACTION) as f32;
