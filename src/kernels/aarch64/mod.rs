//! Kernels for 64-bit ARM: `neon.rs` is the registers of both levels, which `kernels/convolve.rs`
//! makes kernels of; `samples.rs` is samples for both.

mod neon;
mod samples;

use super::convolve::level;
use super::eights::Eights;
use super::{scalar, Kernels};
use crate::cpu::CpuLevel;
use samples::Samples;

/// The kernels of `level`.
pub(super) fn kernels(level: CpuLevel) -> Kernels {
    match level {
        CpuLevel::Neon => NEON,
        CpuLevel::DotProd => DOT_PROD,
        _ => scalar::KERNELS,
    }
}

level!(NEON, "neon", neon::Neon, 8, 4 x 2, 8 x 1, bytes 4 x 2, Eights<Samples>, scalar::KERNELS);
level!(
    DOT_PROD,
    "neon,dotprod",
    neon::DotProd,
    8,
    4 x 2,
    8 x 1,
    bytes 4 x 2,
    Eights<Samples>,
    scalar::KERNELS
);
