//! Kernels for WebAssembly with 128-bit SIMD: registers, which `kernels/convolve.rs` and
//! `kernels/eights.rs` make kernels of. The contract is `kernels/vector.rs`, the tests are `kernels/tests.rs`.

use super::convolve::level;
use super::eights::Eights;
use super::samples::Correction;
use super::vector::{instructions, safe_instructions, Eight, Vector};
use super::{scalar, Kernels};
use crate::cpu::CpuLevel;
use std::arch::wasm32::*;

/// The kernels of `level`.
pub(super) fn kernels(level: CpuLevel) -> Kernels {
    match level {
        CpuLevel::Simd128 => SIMD128,
        _ => scalar::KERNELS,
    }
}

level!(SIMD128, "simd128", Simd128, 4, 8 x 1, 8 x 1, bytes 8 x 1, Eights<Simd128>, scalar::KERNELS);

#[derive(Clone, Copy)]
struct Simd128(v128);

impl Vector<4> for Simd128 {
    const DOT4: bool = false;
    const SIGNED_BYTES: bool = false;
    const MANY_REGISTERS: bool = false;
    const BEGINS_WITH_PRODUCTS: bool = false;
    // There is no instruction for products of unsigned and signed bytes. Widened to 16 bits they
    // would take as many as activations of 16 bits, and those that widen them.
    const BYTES: bool = false;

    instructions! {
        fn load<T>(from: *const T) -> Self {
            Self(v128_load(from.cast()))
        }
        fn load_half<T>(from: *const T) -> Self {
            Self(v128_load64_zero(from.cast()))
        }
        fn broadcast_pair(from: *const i16) -> Self {
            Self(v128_load32_splat(from.cast()))
        }
        fn zero() -> Self {
            Self(i32x4_splat(0))
        }
        fn dot(self, a: Self, b: Self) -> Self {
            Self(i32x4_add(self.0, i32x4_dot_i16x8(a.0, b.0)))
        }
        fn mul_u8i8(_a: Self, _b: Self) -> Self {
            unreachable!("layers read no bytes")
        }
        fn dot_bytes(self, _a: Self, _b: Self) -> Self {
            unreachable!("layers read no bytes")
        }
        fn widen(self) -> Self {
            unreachable!("layers read no bytes")
        }
        fn add(self, b: Self) -> Self {
            Self(i32x4_add(self.0, b.0))
        }
        fn hsum([a, b, c, d]: [Self; 4]) -> Self {
            let ab = i32x4_add(i32x4_shuffle::<0, 4, 1, 5>(a.0, b.0), i32x4_shuffle::<2, 6, 3, 7>(a.0, b.0));
            let cd = i32x4_add(i32x4_shuffle::<0, 4, 1, 5>(c.0, d.0), i32x4_shuffle::<2, 6, 3, 7>(c.0, d.0));
            Self(i32x4_add(i32x4_shuffle::<0, 1, 4, 5>(ab, cd), i32x4_shuffle::<2, 3, 6, 7>(ab, cd)))
        }
        fn beside_multiplier(self) -> Self {
            self
        }
        fn requantise(self, multiplier: Self, shift: u32) -> Self {
            let half = i64x2_splat(1 << (shift - 1));
            let first = i64x2_add(i64x2_extmul_low_i32x4(self.0, multiplier.0), half);
            let last = i64x2_add(i64x2_extmul_high_i32x4(self.0, multiplier.0), half);
            let (first, last) = (u64x2_shr(first, shift), u64x2_shr(last, shift));
            Self(i32x4_shuffle::<0, 2, 4, 6>(first, last))
        }
        fn requantise_high(self, multiplier: Self, _beside: Self) -> Self {
            let half = i64x2_splat(1 << 31);
            let first = i64x2_add(i64x2_extmul_low_i32x4(self.0, multiplier.0), half);
            let last = i64x2_add(i64x2_extmul_high_i32x4(self.0, multiplier.0), half);
            Self(i32x4_shuffle::<1, 3, 5, 7>(first, last))
        }
        fn to_i16(self, behind: Self) -> Self {
            Self(i16x8_narrow_i32x4(self.0, behind.0))
        }
        fn clamp(self, low: i16, high: i16) -> Self {
            Self(i16x8_min(i16x8_max(self.0, i16x8_splat(low)), i16x8_splat(high)))
        }
        fn to_bytes([a, b, c, d]: [Self; 4], high: u8) -> Self {
            let words = [i16x8_narrow_i32x4(a.0, b.0), i16x8_narrow_i32x4(c.0, d.0)];
            Self(u8x16_min(u8x16_narrow_i16x8(words[0], words[1]), u8x16_splat(high)))
        }
        fn store<T>(self, to: *mut T) {
            v128_store(to.cast(), self.0)
        }
        fn store_first_half<T>(self, to: *mut T) {
            v128_store64_lane::<0>(self.0, to.cast())
        }
        fn store_first_quarter<T>(self, to: *mut T) {
            v128_store32_lane::<0>(self.0, to.cast())
        }
        fn store_halves<T>(self, [a, b]: [*mut T; 2]) {
            v128_store64_lane::<0>(self.0, a.cast());
            v128_store64_lane::<1>(self.0, b.cast());
        }
        fn store_quarters<T>(self, [a, b, c, d]: [*mut T; 4]) {
            v128_store32_lane::<0>(self.0, a.cast());
            v128_store32_lane::<1>(self.0, b.cast());
            v128_store32_lane::<2>(self.0, c.cast());
            v128_store32_lane::<3>(self.0, d.cast());
        }
    }
}

impl Eight for Simd128 {
    instructions! {
        fn load<T>(from: *const T) -> Self {
            Self(v128_load(from.cast()))
        }
        fn load_bytes(from: *const u8) -> Self {
            Self(u16x8_load_extend_u8x8(from))
        }
        fn store<T>(self, to: *mut T) {
            v128_store(to.cast(), self.0)
        }
        fn store_bytes(self, to: *mut u8) {
            v128_store64_lane::<0>(u8x16_narrow_i16x8(self.0, self.0), to.cast())
        }
        fn store_halves<T>(self, [a, b]: [*mut T; 2]) {
            v128_store64_lane::<0>(self.0, a.cast());
            v128_store64_lane::<1>(self.0, b.cast());
        }
    }
    safe_instructions! {
        fn splat(x: i16) -> Self {
            Self(i16x8_splat(x))
        }
        fn sub(self, b: Self) -> Self {
            Self(i16x8_sub(self.0, b.0))
        }
        fn add_saturated(self, b: Self) -> Self {
            Self(i16x8_add_sat(self.0, b.0))
        }
        fn min(self, b: Self) -> Self {
            Self(i16x8_min(self.0, b.0))
        }
        fn max(self, b: Self) -> Self {
            Self(i16x8_max(self.0, b.0))
        }
        fn min_unsigned(self, b: Self) -> Self {
            Self(u16x8_min(self.0, b.0))
        }
        fn shift_left(self, shift: u32) -> Self {
            Self(i16x8_shl(self.0, shift))
        }
        fn shift_right(self, shift: u32) -> Self {
            Self(i16x8_shr(self.0, shift))
        }
        fn zip(self, b: Self) -> [Self; 2] {
            [
                Self(i16x8_shuffle::<0, 8, 1, 9, 2, 10, 3, 11>(self.0, b.0)),
                Self(i16x8_shuffle::<4, 12, 5, 13, 6, 14, 7, 15>(self.0, b.0)),
            ]
        }
        fn zip_pairs(self, b: Self) -> [Self; 2] {
            [
                Self(i32x4_shuffle::<0, 4, 1, 5>(self.0, b.0)),
                Self(i32x4_shuffle::<2, 6, 3, 7>(self.0, b.0)),
            ]
        }
        fn unzip(self, b: Self) -> [Self; 2] {
            [
                Self(i16x8_shuffle::<0, 2, 4, 6, 8, 10, 12, 14>(self.0, b.0)),
                Self(i16x8_shuffle::<1, 3, 5, 7, 9, 11, 13, 15>(self.0, b.0)),
            ]
        }
        fn unzip_pairs(self, b: Self) -> [Self; 2] {
            [
                Self(i32x4_shuffle::<0, 2, 4, 6>(self.0, b.0)),
                Self(i32x4_shuffle::<1, 3, 5, 7>(self.0, b.0)),
            ]
        }
        fn corrected(self, residuals: Self, correction: Correction) -> Self {
            let strength = i16x8_splat(i16::from(correction.strength()));
            let half = i32x4_splat(1 << (correction.shift() - 1));
            let deepen = correction.to() - correction.from();
            let sums = |samples, products| {
                let rounded = i32x4_shr(i32x4_add(products, half), correction.shift());
                i32x4_add(i32x4_shl(samples, deepen), rounded)
            };
            let low = sums(
                u32x4_extend_low_u16x8(self.0),
                i32x4_extmul_low_i16x8(residuals.0, strength),
            );
            let high = sums(
                u32x4_extend_high_u16x8(self.0),
                i32x4_extmul_high_i16x8(residuals.0, strength),
            );
            Self(u16x8_narrow_i32x4(low, high))
        }
    }
}
