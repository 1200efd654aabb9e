//! The kernels' registers for the level SSE4.1: `pmaddwd` and `pmaddubsw` on 128 bits. The contract
//! is `kernels/vector.rs`, the tests are `kernels/tests.rs`.

use super::super::vector::{instructions, Vector};
use std::arch::x86_64::*;

#[derive(Clone, Copy)]
pub(super) struct Sse41(__m128i);

impl Sse41 {
    instructions! {
        /// In each even lane the odd lane behind it.
        fn odd_lanes(self) -> Self {
            Self(_mm_srli_epi64(self.0, 32))
        }
    }
}

impl Vector<4> for Sse41 {
    const DOT4: bool = false;
    const SIGNED_BYTES: bool = false;
    const MANY_REGISTERS: bool = false;
    // The loop gets slower by it.
    const BEGINS_WITH_PRODUCTS: bool = false;

    instructions! {
        fn load<T>(from: *const T) -> Self {
            Self(_mm_loadu_si128(from.cast()))
        }
        fn load_half<T>(from: *const T) -> Self {
            Self(_mm_loadl_epi64(from.cast()))
        }
        fn broadcast_pair(from: *const i16) -> Self {
            Self(_mm_set1_epi32(from.cast::<i32>().read_unaligned()))
        }
        fn zero() -> Self {
            Self(_mm_setzero_si128())
        }
        fn dot(self, a: Self, b: Self) -> Self {
            Self(_mm_add_epi32(self.0, _mm_madd_epi16(a.0, b.0)))
        }
        fn mul_u8i8(a: Self, b: Self) -> Self {
            Self(_mm_maddubs_epi16(a.0, b.0))
        }
        fn dot_bytes(self, a: Self, b: Self) -> Self {
            Self(_mm_add_epi16(self.0, _mm_maddubs_epi16(a.0, b.0)))
        }
        fn widen(self) -> Self {
            Self(_mm_madd_epi16(self.0, _mm_set1_epi16(1)))
        }
        fn add(self, b: Self) -> Self {
            Self(_mm_add_epi32(self.0, b.0))
        }
        fn hsum([a, b, c, d]: [Self; 4]) -> Self {
            Self(_mm_hadd_epi32(_mm_hadd_epi32(a.0, b.0), _mm_hadd_epi32(c.0, d.0)))
        }
        fn beside_multiplier(self) -> Self {
            self.odd_lanes()
        }
        fn requantise(self, multiplier: Self, shift: u32) -> Self {
            let half = _mm_set1_epi64x(1 << (shift - 1));
            let odd = _mm_mul_epi32(self.odd_lanes().0, multiplier.odd_lanes().0);
            let even = _mm_add_epi64(_mm_mul_epi32(self.0, multiplier.0), half);
            // Bits shift.. of the odd products go to the high halves.
            let even = _mm_srl_epi64(even, _mm_cvtsi32_si128(shift as i32));
            let odd = _mm_sll_epi64(_mm_add_epi64(odd, half), _mm_cvtsi32_si128(32 - shift as i32));
            Self(_mm_blend_epi16(even, odd, 0b1100_1100))
        }
        fn requantise_high(self, multiplier: Self, beside: Self) -> Self {
            let half = _mm_set1_epi64x(1 << 31);
            let even = _mm_add_epi64(_mm_mul_epi32(self.0, multiplier.0), half);
            let odd = _mm_add_epi64(_mm_mul_epi32(self.odd_lanes().0, beside.0), half);
            Self(_mm_blend_epi16(Self(even).odd_lanes().0, odd, 0b1100_1100))
        }
        fn to_i16(self, behind: Self) -> Self {
            Self(_mm_packs_epi32(self.0, behind.0))
        }
        fn clamp(self, low: i16, high: i16) -> Self {
            Self(_mm_min_epi16(_mm_max_epi16(self.0, _mm_set1_epi16(low)), _mm_set1_epi16(high)))
        }
        fn to_bytes([a, b, c, d]: [Self; 4], high: u8) -> Self {
            let y = _mm_packus_epi16(_mm_packs_epi32(a.0, b.0), _mm_packs_epi32(c.0, d.0));
            Self(_mm_min_epu8(y, _mm_set1_epi8(high as i8)))
        }
        fn store<T>(self, to: *mut T) {
            _mm_storeu_si128(to.cast(), self.0)
        }
        fn store_first_half<T>(self, to: *mut T) {
            _mm_storel_epi64(to.cast(), self.0)
        }
        fn store_first_quarter<T>(self, to: *mut T) {
            to.cast::<i32>().write_unaligned(_mm_cvtsi128_si32(self.0))
        }
        fn store_halves<T>(self, [a, b]: [*mut T; 2]) {
            _mm_storel_epi64(a.cast(), self.0);
            _mm_storeh_pd(b.cast(), _mm_castsi128_pd(self.0));
        }
        fn store_quarters<T>(self, [a, b, c, d]: [*mut T; 4]) {
            a.cast::<i32>().write_unaligned(_mm_cvtsi128_si32(self.0));
            b.cast::<i32>().write_unaligned(_mm_extract_epi32(self.0, 1));
            c.cast::<i32>().write_unaligned(_mm_extract_epi32(self.0, 2));
            d.cast::<i32>().write_unaligned(_mm_extract_epi32(self.0, 3));
        }
    }
}
