//! Registers of eight samples with SSE2, which every x86-64 has.

use super::super::samples::Correction;
use super::super::vector::{instructions, safe_instructions, Eight};
use std::arch::x86_64::*;

/// A register of 128 bits.
#[derive(Clone, Copy)]
pub(super) struct Sse2(__m128i);

fn count(shift: u32) -> __m128i {
    // SAFETY: SSE2.
    unsafe { _mm_cvtsi32_si128(shift as i32) }
}

impl Eight for Sse2 {
    instructions! {
        fn load<T>(from: *const T) -> Self {
            Self(_mm_loadu_si128(from.cast()))
        }
        fn load_bytes(from: *const u8) -> Self {
            Self(_mm_unpacklo_epi8(_mm_loadl_epi64(from.cast()), _mm_setzero_si128()))
        }
        fn store<T>(self, to: *mut T) {
            _mm_storeu_si128(to.cast(), self.0)
        }
        fn store_bytes(self, to: *mut u8) {
            _mm_storel_epi64(to.cast(), _mm_packus_epi16(self.0, self.0))
        }
        fn store_halves<T>(self, [a, b]: [*mut T; 2]) {
            _mm_storel_epi64(a.cast(), self.0);
            _mm_storeh_pd(b.cast(), _mm_castsi128_pd(self.0));
        }
    }
    safe_instructions! {
        fn splat(x: i16) -> Self {
            Self(_mm_set1_epi16(x))
        }
        fn sub(self, b: Self) -> Self {
            Self(_mm_sub_epi16(self.0, b.0))
        }
        fn add_saturated(self, b: Self) -> Self {
            Self(_mm_adds_epi16(self.0, b.0))
        }
        fn min(self, b: Self) -> Self {
            Self(_mm_min_epi16(self.0, b.0))
        }
        fn max(self, b: Self) -> Self {
            Self(_mm_max_epi16(self.0, b.0))
        }
        fn min_unsigned(self, b: Self) -> Self {
            Self(_mm_sub_epi16(self.0, _mm_subs_epu16(self.0, b.0)))
        }
        fn shift_left(self, shift: u32) -> Self {
            Self(_mm_sll_epi16(self.0, count(shift)))
        }
        fn shift_right(self, shift: u32) -> Self {
            Self(_mm_sra_epi16(self.0, count(shift)))
        }
        fn zip(self, b: Self) -> [Self; 2] {
            [Self(_mm_unpacklo_epi16(self.0, b.0)), Self(_mm_unpackhi_epi16(self.0, b.0))]
        }
        fn zip_pairs(self, b: Self) -> [Self; 2] {
            [Self(_mm_unpacklo_epi32(self.0, b.0)), Self(_mm_unpackhi_epi32(self.0, b.0))]
        }
        fn unzip(self, b: Self) -> [Self; 2] {
            let first = [self.0, b.0].map(|r| _mm_srai_epi32(_mm_slli_epi32(r, 16), 16));
            let last = [self.0, b.0].map(|r| _mm_srai_epi32(r, 16));
            [Self(_mm_packs_epi32(first[0], first[1])), Self(_mm_packs_epi32(last[0], last[1]))]
        }
        fn unzip_pairs(self, b: Self) -> [Self; 2] {
            let (a, b) = (_mm_castsi128_ps(self.0), _mm_castsi128_ps(b.0));
            let first = _mm_castps_si128(_mm_shuffle_ps(a, b, 0b10_00_10_00));
            [Self(first), Self(_mm_castps_si128(_mm_shuffle_ps(a, b, 0b11_01_11_01)))]
        }
        fn corrected(self, residuals: Self, correction: Correction) -> Self {
            let (strength, shift) = (i32::from(correction.strength()), correction.shift());
            // Pairs of a residual and 1 are multiplied by pairs of the factor and half a step.
            let factors = _mm_set1_epi32(1 << (shift - 1 + 16) | strength);
            let deepen = count(correction.to() - correction.from());
            let (samples, pairs) = (self.zip(Self::splat(0)), residuals.zip(Self::splat(1)));
            let [low, high] = [0, 1].map(|i| {
                let rounded = _mm_sra_epi32(_mm_madd_epi16(pairs[i].0, factors), count(shift));
                let sums = _mm_add_epi32(_mm_sll_epi32(samples[i].0, deepen), rounded);
                // Where packing saturates at 0 and 2^16 - 1.
                _mm_sub_epi32(sums, _mm_set1_epi32(1 << 15))
            });
            Self(_mm_xor_si128(_mm_packs_epi32(low, high), _mm_set1_epi16(i16::MIN)))
        }
    }
}
