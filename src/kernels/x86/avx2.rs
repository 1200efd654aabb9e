//! The kernels' registers for the levels AVX2 and AVX-VNNI, both of 256 bits: `vpmaddwd` and
//! `vpmaddubsw`, or `vpdpwssd` and `vpdpbusd`. The contract is `kernels/vector.rs`, the tests are
//! `kernels/tests.rs`.

use super::super::vector::{instructions, Vector};
use std::arch::asm;
use std::arch::x86_64::*;

pub(super) type Avx2 = Ymm<false>;
pub(super) type AvxVnni = Ymm<true>;

/// A register of 256 bits; the two levels differ in their products alone.
#[derive(Clone, Copy)]
pub(super) struct Ymm<const VNNI: bool>(__m256i);

/// `_mm256_dpwssd_avx_epi32` and `_mm256_dpbusd_avx_epi32` by name, which LLVM would split, like
/// those in avx512.rs.
macro_rules! dot {
    ($name:ident, $instruction:literal) => {
        #[inline]
        #[target_feature(enable = "avx2")]
        fn $name(mut sums: __m256i, a: __m256i, b: __m256i) -> __m256i {
            // SAFETY: only registers are touched; used where the CPU has AVX-VNNI.
            unsafe {
                asm!(concat!("{{vex}} ", $instruction, " {}, {}, {}"),
                    inout(ymm_reg) sums, in(ymm_reg) a, in(ymm_reg) b,
                    options(pure, nomem, nostack, preserves_flags));
            }
            sums
        }
    };
}
dot!(dpwssd, "vpdpwssd");
dot!(dpbusd, "vpdpbusd");

impl<const VNNI: bool> Ymm<VNNI> {
    instructions! {
        /// In each even lane the odd lane behind it.
        fn odd_lanes(self) -> Self {
            Self(_mm256_srli_epi64(self.0, 32))
        }
    }
}

impl<const VNNI: bool> Vector<8> for Ymm<VNNI> {
    const DOT4: bool = VNNI;
    const SIGNED_BYTES: bool = false;
    const MANY_REGISTERS: bool = false;
    const BEGINS_WITH_PRODUCTS: bool = true;

    instructions! {
        fn load<T>(from: *const T) -> Self {
            Self(_mm256_loadu_si256(from.cast()))
        }
        fn load_half<T>(from: *const T) -> Self {
            Self(_mm256_zextsi128_si256(_mm_loadu_si128(from.cast())))
        }
        fn broadcast_pair(from: *const i16) -> Self {
            Self(_mm256_set1_epi32(from.cast::<i32>().read_unaligned()))
        }
        fn zero() -> Self {
            Self(_mm256_setzero_si256())
        }
        fn dot(self, a: Self, b: Self) -> Self {
            Self(if VNNI {
                dpwssd(self.0, a.0, b.0)
            } else {
                _mm256_add_epi32(self.0, _mm256_madd_epi16(a.0, b.0))
            })
        }
        fn mul_u8i8(a: Self, b: Self) -> Self {
            Self(if VNNI {
                dpbusd(_mm256_setzero_si256(), a.0, b.0)
            } else {
                _mm256_maddubs_epi16(a.0, b.0)
            })
        }
        fn dot_bytes(self, a: Self, b: Self) -> Self {
            Self(if VNNI {
                dpbusd(self.0, a.0, b.0)
            } else {
                _mm256_add_epi16(self.0, _mm256_maddubs_epi16(a.0, b.0))
            })
        }
        fn widen(self) -> Self {
            if VNNI {
                return self;
            }
            Self(_mm256_madd_epi16(self.0, _mm256_set1_epi16(1)))
        }
        fn add(self, b: Self) -> Self {
            Self(_mm256_add_epi32(self.0, b.0))
        }
        fn hsum([a, b, c, d, e, f, g, h]: [Self; 8]) -> Self {
            // `hadd` works in 128-bit lanes: the two halves are added last.
            let s = _mm256_hadd_epi32(_mm256_hadd_epi32(a.0, b.0), _mm256_hadd_epi32(c.0, d.0));
            let t = _mm256_hadd_epi32(_mm256_hadd_epi32(e.0, f.0), _mm256_hadd_epi32(g.0, h.0));
            let low = _mm256_permute2x128_si256(s, t, 0x20);
            Self(_mm256_add_epi32(low, _mm256_permute2x128_si256(s, t, 0x31)))
        }
        fn beside_multiplier(self) -> Self {
            self.odd_lanes()
        }
        fn requantise(self, multiplier: Self, shift: u32) -> Self {
            let half = _mm256_set1_epi64x(1 << (shift - 1));
            let odd = _mm256_mul_epi32(self.odd_lanes().0, multiplier.odd_lanes().0);
            let even = _mm256_add_epi64(_mm256_mul_epi32(self.0, multiplier.0), half);
            // Bits shift.. of the odd products go to the high halves.
            let even = _mm256_srl_epi64(even, _mm_cvtsi32_si128(shift as i32));
            let odd =
                _mm256_sll_epi64(_mm256_add_epi64(odd, half), _mm_cvtsi32_si128(32 - shift as i32));
            Self(_mm256_blend_epi32(even, odd, 0b1010_1010))
        }
        fn requantise_high(self, multiplier: Self, beside: Self) -> Self {
            let half = _mm256_set1_epi64x(1 << 31);
            let even = _mm256_add_epi64(_mm256_mul_epi32(self.0, multiplier.0), half);
            let odd = _mm256_add_epi64(_mm256_mul_epi32(self.odd_lanes().0, beside.0), half);
            Self(_mm256_blend_epi32(Self(even).odd_lanes().0, odd, 0b1010_1010))
        }
        fn to_i16(self, behind: Self) -> Self {
            Self(_mm256_permute4x64_epi64(_mm256_packs_epi32(self.0, behind.0), 0b11_01_10_00))
        }
        fn clamp(self, low: i16, high: i16) -> Self {
            let y = _mm256_max_epi16(self.0, _mm256_set1_epi16(low));
            Self(_mm256_min_epi16(y, _mm256_set1_epi16(high)))
        }
        fn to_bytes([a, b, c, d]: [Self; 4], high: u8) -> Self {
            // Packing works in 128-bit lanes, each of which gets four lanes of a, of b, of c, of d.
            let (ab, cd) = (_mm256_packs_epi32(a.0, b.0), _mm256_packs_epi32(c.0, d.0));
            let y = _mm256_min_epu8(_mm256_packus_epi16(ab, cd), _mm256_set1_epi8(high as i8));
            Self(_mm256_permutevar8x32_epi32(y, _mm256_setr_epi32(0, 4, 1, 5, 2, 6, 3, 7)))
        }
        fn store<T>(self, to: *mut T) {
            _mm256_storeu_si256(to.cast(), self.0)
        }
        fn store_first_half<T>(self, to: *mut T) {
            _mm_storeu_si128(to.cast(), _mm256_castsi256_si128(self.0))
        }
        fn store_first_quarter<T>(self, to: *mut T) {
            _mm_storel_epi64(to.cast(), _mm256_castsi256_si128(self.0))
        }
        fn store_halves<T>(self, [a, b]: [*mut T; 2]) {
            _mm_storeu_si128(a.cast(), _mm256_castsi256_si128(self.0));
            _mm_storeu_si128(b.cast(), _mm256_extracti128_si256(self.0, 1));
        }
        fn store_quarters<T>(self, [a, b, c, d]: [*mut T; 4]) {
            let halves = [_mm256_castsi256_si128(self.0), _mm256_extracti128_si256(self.0, 1)];
            _mm_storel_epi64(a.cast(), halves[0]);
            _mm_storeh_pd(b.cast(), _mm_castsi128_pd(halves[0]));
            _mm_storel_epi64(c.cast(), halves[1]);
            _mm_storeh_pd(d.cast(), _mm_castsi128_pd(halves[1]));
        }
    }
}
