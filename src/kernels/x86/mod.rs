//! Kernels for x86-64: `sse41.rs`, `avx2.rs` (which is AVX-VNNI's too) and `avx512.rs` are
//! registers, which `kernels/convolve.rs` makes kernels of; `samples.rs` is samples for all of
//! them.

mod avx2;
mod avx512;
mod samples;
mod sse41;

use super::convolve::level;
use super::eights::Eights;
use super::{scalar, Kernels};
use crate::cpu::CpuLevel;
use samples::Sse2;

/// The kernels of `level`.
pub(super) fn kernels(level: CpuLevel) -> Kernels {
    match level {
        CpuLevel::Sse41 => SSE41,
        CpuLevel::Avx2 => AVX2,
        CpuLevel::AvxVnni => AVX_VNNI,
        CpuLevel::Avx512 => AVX512,
        _ => scalar::KERNELS,
    }
}

level!(SSE41, "sse4.1", sse41::Sse41, 4, 4 x 2, 8 x 1, bytes 2 x 4, Eights<Sse2>, scalar::KERNELS);
level!(AVX2, "avx2", avx2::Avx2, 8, 4 x 2, 8 x 1, bytes 6 x 2, Eights<Sse2>, SSE41);
level!(AVX_VNNI, "avx2", avx2::AvxVnni, 8, 4 x 2, 8 x 1, bytes 4 x 2, Eights<Sse2>, SSE41);
level!(
    AVX512,
    "avx512f,avx512bw,avx512vl,avx512vnni",
    avx512::Avx512,
    16,
    12 x 2,
    24 x 1,
    bytes 12 x 2,
    Eights<Sse2>,
    AVX2
);
