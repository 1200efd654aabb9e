//! The kernels' registers for the level AVX-512: `vpdpwssd` and `vpdpbusd`, which wrap and never
//! saturate, on 512 bits. The contract is `kernels/vector.rs`, the tests are `kernels/tests.rs`.

use super::super::vector::{instructions, Vector};
use std::arch::asm;
use std::arch::x86_64::*;

#[derive(Clone, Copy)]
pub(super) struct Avx512(__m512i);

/// `_mm512_dpwssd_epi32`, which LLVM splits into `vpmaddwd` and `vpaddd` where it believes that a
/// loop waits for its sums.
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

/// `_mm512_dpbusd_epi32`, which LLVM splits as well.
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
/// The CPU has AVX-512 F.
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
/// The CPU has AVX-512 F.
#[inline(always)]
unsafe fn halves<const A: i32, const B: i32>(a: __m512i, b: __m512i) -> __m512i {
    // SAFETY: forwarded.
    unsafe { _mm512_add_epi32(_mm512_shuffle_i32x4(a, b, A), _mm512_shuffle_i32x4(a, b, B)) }
}

impl Avx512 {
    instructions! {
        /// In each even lane the odd lane behind it.
        fn odd_lanes(self) -> Self {
            Self(_mm512_srli_epi64(self.0, 32))
        }
    }
}

impl Vector<16> for Avx512 {
    const DOT4: bool = true;
    const SIGNED_BYTES: bool = false;
    const MANY_REGISTERS: bool = true;
    const BEGINS_WITH_PRODUCTS: bool = true;

    instructions! {
        fn load<T>(from: *const T) -> Self {
            Self(_mm512_loadu_si512(from.cast()))
        }
        fn load_half<T>(from: *const T) -> Self {
            Self(_mm512_zextsi256_si512(_mm256_loadu_si256(from.cast())))
        }
        fn broadcast_pair(from: *const i16) -> Self {
            Self(_mm512_set1_epi32(from.cast::<i32>().read_unaligned()))
        }
        fn zero() -> Self {
            Self(_mm512_setzero_si512())
        }
        fn dot(self, a: Self, b: Self) -> Self {
            Self(dpwssd(self.0, a.0, b.0))
        }
        fn mul_u8i8(a: Self, b: Self) -> Self {
            Self(dpbusd(_mm512_setzero_si512(), a.0, b.0))
        }
        fn dot_bytes(self, a: Self, b: Self) -> Self {
            Self(dpbusd(self.0, a.0, b.0))
        }
    }
    #[inline(always)]
    unsafe fn widen(self) -> Self {
        self
    }
    instructions! {
        fn add(self, b: Self) -> Self {
            Self(_mm512_add_epi32(self.0, b.0))
        }
        fn hsum(of: [Self; 16]) -> Self {
            // Within 128-bit lanes, each of which gets the sums of four registers, then across.
            let s = quarters([of[0], of[1], of[2], of[3]]);
            let t = quarters([of[4], of[5], of[6], of[7]]);
            let u = quarters([of[8], of[9], of[10], of[11]]);
            let v = quarters([of[12], of[13], of[14], of[15]]);
            let (a, b) = (halves::<0x44, 0xee>(s, t), halves::<0x44, 0xee>(u, v));
            Self(halves::<0x88, 0xdd>(a, b))
        }
        fn beside_multiplier(self) -> Self {
            self.odd_lanes()
        }
        fn requantise(self, multiplier: Self, shift: u32) -> Self {
            let half = _mm512_set1_epi64(1 << (shift - 1));
            let odd = _mm512_mul_epi32(self.odd_lanes().0, multiplier.odd_lanes().0);
            let even = _mm512_add_epi64(_mm512_mul_epi32(self.0, multiplier.0), half);
            // Bits shift.. of the odd products go to the high halves.
            let even = _mm512_srl_epi64(even, _mm_cvtsi32_si128(shift as i32));
            let odd =
                _mm512_sll_epi64(_mm512_add_epi64(odd, half), _mm_cvtsi32_si128(32 - shift as i32));
            Self(_mm512_mask_blend_epi32(0xaaaa, even, odd))
        }
        fn requantise_high(self, multiplier: Self, beside: Self) -> Self {
            let half = _mm512_set1_epi64(1 << 31);
            let even = _mm512_add_epi64(_mm512_mul_epi32(self.0, multiplier.0), half);
            let odd = _mm512_add_epi64(_mm512_mul_epi32(self.odd_lanes().0, beside.0), half);
            Self(_mm512_mask_shuffle_epi32(odd, 0x5555, even, 0b11_11_01_01))
        }
        fn to_i16(self, behind: Self) -> Self {
            let order = _mm512_setr_epi64(0, 2, 4, 6, 1, 3, 5, 7);
            Self(_mm512_permutexvar_epi64(order, _mm512_packs_epi32(self.0, behind.0)))
        }
        fn clamp(self, low: i16, high: i16) -> Self {
            let y = _mm512_max_epi16(self.0, _mm512_set1_epi16(low));
            Self(_mm512_min_epi16(y, _mm512_set1_epi16(high)))
        }
        fn to_bytes([a, b, c, d]: [Self; 4], high: u8) -> Self {
            // Packing works in 128-bit lanes, each of which gets four lanes of a, of b, of c, of d.
            let (ab, cd) = (_mm512_packs_epi32(a.0, b.0), _mm512_packs_epi32(c.0, d.0));
            let y = _mm512_min_epu8(_mm512_packus_epi16(ab, cd), _mm512_set1_epi8(high as i8));
            let order = _mm512_setr_epi32(0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15);
            Self(_mm512_permutexvar_epi32(order, y))
        }
        fn store<T>(self, to: *mut T) {
            _mm512_storeu_si512(to.cast(), self.0)
        }
        fn store_first_half<T>(self, to: *mut T) {
            _mm256_storeu_si256(to.cast(), _mm512_castsi512_si256(self.0))
        }
        fn store_first_quarter<T>(self, to: *mut T) {
            _mm_storeu_si128(to.cast(), _mm512_castsi512_si128(self.0))
        }
        fn store_halves<T>(self, [a, b]: [*mut T; 2]) {
            _mm256_storeu_si256(a.cast(), _mm512_castsi512_si256(self.0));
            _mm256_storeu_si256(b.cast(), _mm512_extracti64x4_epi64(self.0, 1));
        }
        fn store_quarters<T>(self, [a, b, c, d]: [*mut T; 4]) {
            _mm_storeu_si128(a.cast(), _mm512_castsi512_si128(self.0));
            _mm_storeu_si128(b.cast(), _mm512_extracti32x4_epi32(self.0, 1));
            _mm_storeu_si128(c.cast(), _mm512_extracti32x4_epi32(self.0, 2));
            _mm_storeu_si128(d.cast(), _mm512_extracti32x4_epi32(self.0, 3));
        }
    }
}
