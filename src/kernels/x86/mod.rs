//! Kernels for x86-64: `sse41.rs`, `avx2.rs` (which is AVX-VNNI's too) and `avx512.rs` are
//! registers, which `kernels/convolve.rs` makes kernels of; `samples.rs` is samples for all of
//! them.

/// Writes methods of a [`Vector`], whose bodies are instructions of its set.
macro_rules! instructions {
    ($(fn $name:ident $(<$type:ident>)? ($($argument:tt)*) $(-> $out:ty)? $body:block)*) => {$(
        #[inline(always)]
        unsafe fn $name $(<$type>)? ($($argument)*) $(-> $out)? {
            // SAFETY: the caller promises that the CPU has the instruction set and that pointers
            // are valid.
            unsafe { $body }
        }
    )*};
}

mod avx2;
mod avx512;
mod samples;
mod sse41;

use super::samples::SampleKernels;
use super::vector::Vector;
use super::{check_row, convolve, scalar, Convolution, Kernels, RowMut, Rows};
use crate::cpu::CpuLevel;

/// The kernels of `level`.
pub(super) fn kernels(level: CpuLevel) -> Kernels {
    match level {
        CpuLevel::Scalar => scalar::KERNELS,
        CpuLevel::Sse41 => SSE41,
        CpuLevel::Avx2 => AVX2,
        CpuLevel::AvxVnni => AVX_VNNI,
        CpuLevel::Avx512 => AVX512,
    }
}

/// The table of one level: sizes of blocks as [`convolve::row`] has them. Last layers narrower than
/// a register are left to the level below.
macro_rules! level {
    ($table:ident, $features:literal, $vector:ty, $lanes:literal,
     $pixels:literal x $registers:literal, $pixels1:literal x 1,
     bytes $byte_pixels:literal x $byte_registers:literal, $below:expr) => {
        const $table: Kernels = {
            type V = $vector;
            fn conv_row(conv: &Convolution, y: usize, src: Rows<'_>, dst: RowMut<'_>) {
                #[target_feature(enable = $features)]
                unsafe fn row(conv: &Convolution, y: usize, src: Rows<'_>, dst: RowMut<'_>) {
                    // SAFETY: forwarded.
                    unsafe {
                        convolve::row::<
                            V,
                            $lanes,
                            $pixels,
                            $registers,
                            $pixels1,
                            $byte_pixels,
                            $byte_registers,
                        >(conv, y, src, dst);
                    }
                }
                check_row(conv, src, &dst);
                assert!(conv.layer.cout.is_multiple_of(16));
                // SAFETY: tables are handed out only where the CPU has the level; the rest is
                // checked.
                unsafe { row(conv, y, src, dst) }
            }
            fn conv_row_last(conv: &Convolution, y: usize, src: [&[i16]; 3], dst: &mut [i16]) {
                #[target_feature(enable = $features)]
                unsafe fn row(conv: &Convolution, src: [&[i16]; 3], dst: &mut [i16]) {
                    // SAFETY: forwarded.
                    unsafe { convolve::row_last::<V, $lanes>(conv, src, dst) }
                }
                check_row(conv, Rows::I16(src), &RowMut::I16(dst));
                if dst.len() < $lanes {
                    return ($below.conv_row_last)(conv, y, src, dst);
                }
                assert!(conv.layer.cin.is_multiple_of(16) && conv.layer.period == 1);
                // SAFETY: tables are handed out only where the CPU has the level; the rest is
                // checked.
                unsafe { row(conv, src, dst) }
            }
            let dot4 = <V as Vector<$lanes>>::DOT4;
            let samples = SampleKernels::new::<samples::Sse2>();
            Kernels { conv_row, conv_row_last, dot4, samples }
        };
    };
}

level!(SSE41, "sse4.1", sse41::Sse41, 4, 4 x 2, 8 x 1, bytes 2 x 4, scalar::KERNELS);
level!(AVX2, "avx2", avx2::Avx2, 8, 4 x 2, 8 x 1, bytes 6 x 2, SSE41);
level!(AVX_VNNI, "avx2", avx2::AvxVnni, 8, 4 x 2, 8 x 1, bytes 4 x 2, SSE41);
level!(
    AVX512,
    "avx512f,avx512bw,avx512vl,avx512vnni",
    avx512::Avx512,
    16,
    12 x 2,
    24 x 1,
    bytes 12 x 2,
    AVX2
);
