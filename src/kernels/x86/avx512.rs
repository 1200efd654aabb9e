//! AVX-512 with VNNI: `vpdpwssd` and `vpdpbusd`, which wrap and never saturate, on registers of 512 bits.

use super::vector::Vector;
use std::arch::asm;
use std::arch::x86_64::*;

#[derive(Clone, Copy)]
pub(super) struct Avx512(__m512i);

/// `_mm512_dpwssd_epi32`, which LLVM splits into `vpmaddwd` and `vpaddd` where it believes that a loop
/// waits for its sums.
#[inline]
#[target_feature(enable = "avx512f,avx512vnni")]
fn dpwssd(mut sums: __m512i, a: __m512i, b: __m512i) -> __m512i {
    // SAFETY: only registers are touched.
    unsafe {
        asm!("vpdpwssd {}, {}, {}", inout(zmm_reg) sums, in(zmm_reg) a, in(zmm_reg) b,
            options(pure, nomem, nostack, preserves_flags));
    }
    sums
}

/// `_mm512_dpbusd_epi32`, likewise.
#[inline]
#[target_feature(enable = "avx512f,avx512vnni")]
fn dpbusd(mut sums: __m512i, a: __m512i, b: __m512i) -> __m512i {
    // SAFETY: only registers are touched.
    unsafe {
        asm!("vpdpbusd {}, {}, {}", inout(zmm_reg) sums, in(zmm_reg) a, in(zmm_reg) b,
            options(pure, nomem, nostack, preserves_flags));
    }
    sums
}

/// In lane i of each 128 bits, the sum of those lanes of `of[i]`.
///
/// # Safety
/// AVX-512.
#[inline(always)]
unsafe fn quarters([a, b, c, d]: [Avx512; 4]) -> __m512i {
    // SAFETY: forwarded.
    unsafe {
        let (low, high) = (_mm512_unpacklo_epi32(a.0, b.0), _mm512_unpackhi_epi32(a.0, b.0));
        let s = _mm512_add_epi32(low, high);
        let (low, high) = (_mm512_unpacklo_epi32(c.0, d.0), _mm512_unpackhi_epi32(c.0, d.0));
        let t = _mm512_add_epi32(low, high);
        _mm512_add_epi32(_mm512_unpacklo_epi64(s, t), _mm512_unpackhi_epi64(s, t))
    }
}

/// The sum of two selections of 128-bit lanes.
///
/// # Safety
/// AVX-512.
#[inline(always)]
unsafe fn halves<const A: i32, const B: i32>(a: __m512i, b: __m512i) -> __m512i {
    // SAFETY: forwarded.
    unsafe { _mm512_add_epi32(_mm512_shuffle_i32x4(a, b, A), _mm512_shuffle_i32x4(a, b, B)) }
}

impl Vector<16> for Avx512 {
    #[inline(always)]
    unsafe fn load<T>(from: *const T) -> Self {
        // SAFETY: as the caller promises.
        Self(unsafe { _mm512_loadu_si512(from.cast()) })
    }
    #[inline(always)]
    unsafe fn broadcast<T>(from: *const T) -> Self {
        // SAFETY: as the caller promises.
        Self(unsafe { _mm512_set1_epi32(from.cast::<i32>().read_unaligned()) })
    }
    #[inline(always)]
    unsafe fn zero() -> Self {
        // SAFETY: as the caller promises.
        Self(unsafe { _mm512_setzero_si512() })
    }
    #[inline(always)]
    unsafe fn dot(self, a: Self, b: Self) -> Self {
        // SAFETY: as the caller promises.
        Self(unsafe { dpwssd(self.0, a.0, b.0) })
    }
    #[inline(always)]
    unsafe fn dot_bytes(self, a: Self, b: Self) -> Self {
        // SAFETY: as the caller promises.
        Self(unsafe { dpbusd(self.0, a.0, b.0) })
    }
    #[inline(always)]
    unsafe fn whole(self) -> Self {
        self
    }
    #[inline(always)]
    unsafe fn add(self, b: Self) -> Self {
        // SAFETY: as the caller promises.
        Self(unsafe { _mm512_add_epi32(self.0, b.0) })
    }
    #[inline(always)]
    unsafe fn sums(of: [Self; 16]) -> Self {
        // SAFETY: as the caller promises.
        unsafe {
            // Within 128-bit lanes, each of which gets the sums of four registers, then across.
            let s = quarters([of[0], of[1], of[2], of[3]]);
            let t = quarters([of[4], of[5], of[6], of[7]]);
            let u = quarters([of[8], of[9], of[10], of[11]]);
            let v = quarters([of[12], of[13], of[14], of[15]]);
            let (a, b) = (halves::<0x44, 0xee>(s, t), halves::<0x44, 0xee>(u, v));
            Self(halves::<0x88, 0xdd>(a, b))
        }
    }
    #[inline(always)]
    unsafe fn requantise(self, multiplier: Self, shift: u32) -> Self {
        // SAFETY: as the caller promises.
        unsafe {
            let half = _mm512_set1_epi64(1 << (shift - 1));
            let odd = _mm512_mul_epi32(
                _mm512_srli_epi64(self.0, 32),
                _mm512_srli_epi64(multiplier.0, 32),
            );
            let even = _mm512_add_epi64(_mm512_mul_epi32(self.0, multiplier.0), half);
            // Bits shift.. of the odd products go to the high halves.
            let even = _mm512_srl_epi64(even, _mm_cvtsi32_si128(shift as i32));
            let odd =
                _mm512_sll_epi64(_mm512_add_epi64(odd, half), _mm_cvtsi32_si128(32 - shift as i32));
            Self(_mm512_mask_blend_epi32(0xaaaa, even, odd))
        }
    }
    #[inline(always)]
    unsafe fn store(self, low: i16, high: i16, to: *mut i16) {
        // SAFETY: as the caller promises.
        unsafe {
            let y = _mm256_max_epi16(_mm512_cvtsepi32_epi16(self.0), _mm256_set1_epi16(low));
            _mm256_storeu_si256(to.cast(), _mm256_min_epi16(y, _mm256_set1_epi16(high)));
        }
    }
    #[inline(always)]
    unsafe fn store_bytes(self, high: u8, to: *mut u8) {
        // SAFETY: as the caller promises.
        unsafe {
            let y = _mm512_max_epi32(self.0, _mm512_setzero_si512());
            let y = _mm_min_epu8(_mm512_cvtusepi32_epi8(y), _mm_set1_epi8(high as i8));
            _mm_storeu_si128(to.cast(), y);
        }
    }
}
