//! The kernels' registers for the levels NEON and DOTPROD, both of two registers of 128 bits:
//! `smlal` of words and of bytes, or `sdot` of bytes. The contract is `kernels/vector.rs`, the tests
//! are `kernels/tests.rs`.

use super::super::vector::{instructions, Vector};
use std::arch::aarch64::*;
use std::arch::asm;

pub(super) type Neon = Pair<false>;
pub(super) type DotProd = Pair<true>;

/// Eight integers of 32 bits; the two levels differ in their products of bytes alone.
///
/// Weights lie in it input channel by input channel, but fours of bytes for `sdot`; without that
/// activations of 8 bits lie likewise, and sums of 16 bits are those of the first two input channels
/// and of the last two.
#[derive(Clone, Copy)]
pub(super) struct Pair<const DOT: bool>(int32x4_t, int32x4_t);

/// `vdotq_s32`, which stable Rust lacks: to each integer of `sums` the products of its four bytes.
#[inline]
#[target_feature(enable = "neon,dotprod")]
fn sdot(mut sums: int32x4_t, a: int32x4_t, b: int32x4_t) -> int32x4_t {
    // SAFETY: only registers are touched.
    unsafe {
        asm!("sdot {:v}.4s, {:v}.16b, {:v}.16b", inout(vreg) sums, in(vreg) a, in(vreg) b,
            options(pure, nomem, nostack, preserves_flags));
    }
    sums
}

/// `vqtbl1q_s8`, which LLVM would make two instructions of where `order` is known.
#[inline]
#[target_feature(enable = "neon")]
fn spread(bytes: int8x16_t, order: uint8x16_t) -> int8x16_t {
    let spread;
    // SAFETY: only registers are touched.
    unsafe {
        asm!("tbl {:v}.16b, {{{:v}.16b}}, {:v}.16b", out(vreg) spread, in(vreg) bytes, in(vreg) order,
            options(pure, nomem, nostack, preserves_flags));
    }
    spread
}

/// Bytes 0 and 1, or 2 and 3, of a four, eight times each.
const SPREAD: [[u8; 16]; 2] = [
    [0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 1, 1, 1, 1],
    [2, 2, 2, 2, 2, 2, 2, 2, 3, 3, 3, 3, 3, 3, 3, 3],
];

fn words(of: int32x4_t) -> int16x8_t {
    // SAFETY: NEON, which every build for aarch64 has.
    unsafe { vreinterpretq_s16_s32(of) }
}

fn bytes(of: int32x4_t) -> int8x16_t {
    // SAFETY: as above.
    unsafe { vreinterpretq_s8_s32(of) }
}

impl<const DOT: bool> Pair<DOT> {
    instructions! {
        fn of_words(a: int16x8_t, b: int16x8_t) -> Self {
            Self(vreinterpretq_s32_s16(a), vreinterpretq_s32_s16(b))
        }
        fn of_bytes(a: int8x16_t, b: int8x16_t) -> Self {
            Self(vreinterpretq_s32_s8(a), vreinterpretq_s32_s8(b))
        }
    }
}

impl<const DOT: bool> Vector<8> for Pair<DOT> {
    const DOT4: bool = DOT;
    const SIGNED_BYTES: bool = true;
    const PLANAR: usize = 8;
    const MANY_REGISTERS: bool = false;
    const BEGINS_WITH_PRODUCTS: bool = true;

    instructions! {
        fn load<T>(from: *const T) -> Self {
            let int32x4x2_t(a, b) = vld1q_s32_x2(from.cast());
            Self(a, b)
        }
        fn load_half<T>(from: *const T) -> Self {
            Self(vld1q_s32(from.cast()), vdupq_n_s32(0))
        }
        fn broadcast_pair(from: *const i16) -> Self {
            let pair = vdupq_n_s32(from.cast::<i32>().read_unaligned());
            Self(pair, pair)
        }
        fn broadcast_four(from: *const u8, middle: u8) -> Self {
            let four = bytes(vdupq_n_s32(from.cast::<i32>().read_unaligned()));
            let four = vsubq_s8(four, vdupq_n_s8(middle as i8));
            if DOT {
                return Self::of_bytes(four, four);
            }
            let [a, b] = [0, 1].map(|i| spread(four, vld1q_u8(SPREAD[i].as_ptr())));
            Self::of_bytes(a, b)
        }
        fn zero() -> Self {
            Self(vdupq_n_s32(0), vdupq_n_s32(0))
        }
        fn dot(self, a: Self, b: Self) -> Self {
            let (pair, even, odd) = (vget_low_s16(words(a.0)), words(b.0), words(b.1));
            let low = vmlal_lane_s16(self.0, vget_low_s16(even), pair, 0);
            let high = vmlal_high_lane_s16(self.1, even, pair, 0);
            let low = vmlal_lane_s16(low, vget_low_s16(odd), pair, 1);
            Self(low, vmlal_high_lane_s16(high, odd, pair, 1))
        }
        fn dot_across(self, a: Self, b: Self) -> Self {
            let (a, b) = ([words(a.0), words(a.1)], [words(b.0), words(b.1)]);
            let low = vmlal_s16(self.0, vget_low_s16(a[0]), vget_low_s16(b[0]));
            let high = vmlal_high_s16(self.1, a[0], b[0]);
            let low = vmlal_s16(low, vget_low_s16(a[1]), vget_low_s16(b[1]));
            Self(low, vmlal_high_s16(high, a[1], b[1]))
        }
        fn mul_u8i8(a: Self, b: Self) -> Self {
            if DOT {
                return Self::zero().dot_bytes(a, b);
            }
            let product = |a: int8x16_t, b: int8x16_t| {
                vmlal_high_s8(vmull_s8(vget_low_s8(a), vget_low_s8(b)), a, b)
            };
            Self::of_words(product(bytes(a.0), bytes(b.0)), product(bytes(a.1), bytes(b.1)))
        }
        fn dot_bytes(self, a: Self, b: Self) -> Self {
            if DOT {
                return Self(sdot(self.0, a.0, b.0), sdot(self.1, a.1, b.1));
            }
            let add = |sums: int16x8_t, a: int8x16_t, b: int8x16_t| {
                vmlal_high_s8(vmlal_s8(sums, vget_low_s8(a), vget_low_s8(b)), a, b)
            };
            let first = add(words(self.0), bytes(a.0), bytes(b.0));
            Self::of_words(first, add(words(self.1), bytes(a.1), bytes(b.1)))
        }
        fn widen(self) -> Self {
            if DOT {
                return self;
            }
            let (a, b) = (words(self.0), words(self.1));
            Self(vaddl_s16(vget_low_s16(a), vget_low_s16(b)), vaddl_high_s16(a, b))
        }
        fn add(self, b: Self) -> Self {
            Self(vaddq_s32(self.0, b.0), vaddq_s32(self.1, b.1))
        }
        fn hsum(of: [Self; 8]) -> Self {
            let s = of.map(|r| vaddq_s32(r.0, r.1));
            let four = |i: usize| vpaddq_s32(vpaddq_s32(s[i], s[i + 1]), vpaddq_s32(s[i + 2], s[i + 3]));
            Self(four(0), four(4))
        }
        fn beside_multiplier(self) -> Self {
            // `sqrdmulh` doubles.
            Self(vshrq_n_s32(self.0, 1), vshrq_n_s32(self.1, 1))
        }
        fn requantise(self, multiplier: Self, shift: u32) -> Self {
            let shift = vdupq_n_s64(-i64::from(shift));
            let half = |sums: int32x4_t, m: int32x4_t| {
                let low = vrshlq_s64(vmull_s32(vget_low_s32(sums), vget_low_s32(m)), shift);
                let high = vrshlq_s64(vmull_high_s32(sums, m), shift);
                vcombine_s32(vmovn_s64(low), vmovn_s64(high))
            };
            Self(half(self.0, multiplier.0), half(self.1, multiplier.1))
        }
        fn requantise_high(self, _multiplier: Self, beside: Self) -> Self {
            Self(vqrdmulhq_s32(self.0, beside.0), vqrdmulhq_s32(self.1, beside.1))
        }
        fn to_i16(self, behind: Self) -> Self {
            let narrow = |of: Self| vqmovn_high_s32(vqmovn_s32(of.0), of.1);
            Self::of_words(narrow(self), narrow(behind))
        }
        fn clamp(self, low: i16, high: i16) -> Self {
            let (low, high) = (vdupq_n_s16(low), vdupq_n_s16(high));
            let [a, b] = [self.0, self.1].map(|r| vminq_s16(vmaxq_s16(words(r), low), high));
            Self::of_words(a, b)
        }
        fn to_bytes([a, b, c, d]: [Self; 4], high: u8) -> Self {
            let narrow = |of: Self| vqmovn_high_s32(vqmovn_s32(of.0), of.1);
            let two = |a, b| {
                let bytes = vqmovun_high_s16(vqmovun_s16(narrow(a)), narrow(b));
                vreinterpretq_s32_u8(vminq_u8(bytes, vdupq_n_u8(high)))
            };
            Self(two(a, b), two(c, d))
        }
        fn store<T>(self, to: *mut T) {
            vst1q_s32_x2(to.cast(), int32x4x2_t(self.0, self.1));
        }
        fn store_first_half<T>(self, to: *mut T) {
            vst1q_s32(to.cast(), self.0);
        }
        fn store_first_quarter<T>(self, to: *mut T) {
            vst1_s32(to.cast(), vget_low_s32(self.0));
        }
        fn store_halves<T>(self, [a, b]: [*mut T; 2]) {
            vst1q_s32(a.cast(), self.0);
            vst1q_s32(b.cast(), self.1);
        }
        fn store_quarters<T>(self, [a, b, c, d]: [*mut T; 4]) {
            vst1_s32(a.cast(), vget_low_s32(self.0));
            vst1_s32(b.cast(), vget_high_s32(self.0));
            vst1_s32(c.cast(), vget_low_s32(self.1));
            vst1_s32(d.cast(), vget_high_s32(self.1));
        }
    }
}
