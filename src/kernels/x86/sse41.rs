//! SSE4.1: `pmaddwd` on registers of 128 bits.

use super::super::vector::Vector;
use std::arch::x86_64::*;

#[derive(Clone, Copy)]
pub(super) struct Sse41(__m128i);

impl Vector<4> for Sse41 {
    const WHOLE: bool = false;
    const MANY: bool = false;

    #[inline(always)]
    unsafe fn load<T>(from: *const T) -> Self {
        // SAFETY: as the caller promises.
        Self(unsafe { _mm_loadu_si128(from.cast()) })
    }
    #[inline(always)]
    unsafe fn load_half<T>(from: *const T) -> Self {
        // SAFETY: as the caller promises.
        Self(unsafe { _mm_loadl_epi64(from.cast()) })
    }
    #[inline(always)]
    unsafe fn broadcast<T>(from: *const T) -> Self {
        // SAFETY: as the caller promises.
        Self(unsafe { _mm_set1_epi32(from.cast::<i32>().read_unaligned()) })
    }
    #[inline(always)]
    unsafe fn zero() -> Self {
        // SAFETY: as the caller promises.
        Self(unsafe { _mm_setzero_si128() })
    }
    #[inline(always)]
    unsafe fn dot(self, a: Self, b: Self) -> Self {
        // SAFETY: as the caller promises.
        Self(unsafe { _mm_add_epi32(self.0, _mm_madd_epi16(a.0, b.0)) })
    }
    #[inline(always)]
    unsafe fn bytes(a: Self, b: Self) -> Self {
        // SAFETY: as the caller promises.
        Self(unsafe { _mm_maddubs_epi16(a.0, b.0) })
    }
    #[inline(always)]
    unsafe fn dot_bytes(self, a: Self, b: Self) -> Self {
        // SAFETY: as the caller promises.
        Self(unsafe { _mm_add_epi16(self.0, _mm_maddubs_epi16(a.0, b.0)) })
    }
    #[inline(always)]
    unsafe fn whole(self) -> Self {
        // SAFETY: as the caller promises.
        Self(unsafe { _mm_madd_epi16(self.0, _mm_set1_epi16(1)) })
    }
    #[inline(always)]
    unsafe fn add(self, b: Self) -> Self {
        // SAFETY: as the caller promises.
        Self(unsafe { _mm_add_epi32(self.0, b.0) })
    }
    #[inline(always)]
    unsafe fn sums([a, b, c, d]: [Self; 4]) -> Self {
        // SAFETY: as the caller promises.
        Self(unsafe { _mm_hadd_epi32(_mm_hadd_epi32(a.0, b.0), _mm_hadd_epi32(c.0, d.0)) })
    }
    #[inline(always)]
    unsafe fn odd(self) -> Self {
        // SAFETY: as the caller promises.
        Self(unsafe { _mm_srli_epi64(self.0, 32) })
    }
    #[inline(always)]
    unsafe fn requantise(self, multiplier: Self, shift: u32) -> Self {
        // SAFETY: as the caller promises.
        unsafe {
            let half = _mm_set1_epi64x(1 << (shift - 1));
            let odd = _mm_mul_epi32(self.odd().0, multiplier.odd().0);
            let even = _mm_add_epi64(_mm_mul_epi32(self.0, multiplier.0), half);
            // Bits shift.. of the odd products go to the high halves.
            let even = _mm_srl_epi64(even, _mm_cvtsi32_si128(shift as i32));
            let odd = _mm_sll_epi64(_mm_add_epi64(odd, half), _mm_cvtsi32_si128(32 - shift as i32));
            Self(_mm_blend_epi16(even, odd, 0b1100_1100))
        }
    }
    #[inline(always)]
    unsafe fn requantise_high(self, multiplier: Self, odd: Self) -> Self {
        // SAFETY: as the caller promises.
        unsafe {
            let half = _mm_set1_epi64x(1 << 31);
            let even = _mm_add_epi64(_mm_mul_epi32(self.0, multiplier.0), half);
            let odd = _mm_add_epi64(_mm_mul_epi32(self.odd().0, odd.0), half);
            Self(_mm_blend_epi16(Self(even).odd().0, odd, 0b1100_1100))
        }
    }
    #[inline(always)]
    unsafe fn words(self, behind: Self) -> Self {
        // SAFETY: as the caller promises.
        Self(unsafe { _mm_packs_epi32(self.0, behind.0) })
    }
    #[inline(always)]
    unsafe fn clamp(self, low: i16, high: i16) -> Self {
        // SAFETY: as the caller promises.
        Self(unsafe {
            _mm_min_epi16(_mm_max_epi16(self.0, _mm_set1_epi16(low)), _mm_set1_epi16(high))
        })
    }
    #[inline(always)]
    unsafe fn to_bytes([a, b, c, d]: [Self; 4], high: u8) -> Self {
        // SAFETY: as the caller promises.
        unsafe {
            let y = _mm_packus_epi16(_mm_packs_epi32(a.0, b.0), _mm_packs_epi32(c.0, d.0));
            Self(_mm_min_epu8(y, _mm_set1_epi8(high as i8)))
        }
    }
    #[inline(always)]
    unsafe fn store<T>(self, to: *mut T) {
        // SAFETY: as the caller promises.
        unsafe { _mm_storeu_si128(to.cast(), self.0) }
    }
    #[inline(always)]
    unsafe fn store_first_half<T>(self, to: *mut T) {
        // SAFETY: as the caller promises.
        unsafe { _mm_storel_epi64(to.cast(), self.0) }
    }
    #[inline(always)]
    unsafe fn store_first_quarter<T>(self, to: *mut T) {
        // SAFETY: as the caller promises.
        unsafe { to.cast::<i32>().write_unaligned(_mm_cvtsi128_si32(self.0)) }
    }
    #[inline(always)]
    unsafe fn store_halves<T>(self, [a, b]: [*mut T; 2]) {
        // SAFETY: as the caller promises.
        unsafe {
            _mm_storel_epi64(a.cast(), self.0);
            _mm_storeh_pd(b.cast(), _mm_castsi128_pd(self.0));
        }
    }
    #[inline(always)]
    unsafe fn store_quarters<T>(self, [a, b, c, d]: [*mut T; 4]) {
        // SAFETY: as the caller promises.
        unsafe {
            a.cast::<i32>().write_unaligned(_mm_cvtsi128_si32(self.0));
            b.cast::<i32>().write_unaligned(_mm_extract_epi32(self.0, 1));
            c.cast::<i32>().write_unaligned(_mm_extract_epi32(self.0, 2));
            d.cast::<i32>().write_unaligned(_mm_extract_epi32(self.0, 3));
        }
    }
}
