//! Registers of eight samples with NEON, which every build for aarch64 has.

use super::super::samples::Correction;
use super::super::vector::{instructions, safe_instructions, Eight};
use std::arch::aarch64::*;

/// A register of 128 bits.
#[derive(Clone, Copy)]
pub(super) struct Samples(int16x8_t);

fn pairs(of: Samples) -> int32x4_t {
    // SAFETY: NEON.
    unsafe { vreinterpretq_s32_s16(of.0) }
}

fn unsigned(of: Samples) -> uint16x8_t {
    // SAFETY: NEON.
    unsafe { vreinterpretq_u16_s16(of.0) }
}

impl Eight for Samples {
    instructions! {
        fn load<T>(from: *const T) -> Self {
            Self(vld1q_s16(from.cast()))
        }
        fn load_bytes(from: *const u8) -> Self {
            Self(vreinterpretq_s16_u16(vmovl_u8(vld1_u8(from))))
        }
        fn store<T>(self, to: *mut T) {
            vst1q_s16(to.cast(), self.0);
        }
        fn store_bytes(self, to: *mut u8) {
            vst1_u8(to, vmovn_u16(unsigned(self)));
        }
        fn store_halves<T>(self, [a, b]: [*mut T; 2]) {
            vst1_s16(a.cast(), vget_low_s16(self.0));
            vst1_s16(b.cast(), vget_high_s16(self.0));
        }
    }
    safe_instructions! {
        fn splat(x: i16) -> Self {
            Self(vdupq_n_s16(x))
        }
        fn sub(self, b: Self) -> Self {
            Self(vsubq_s16(self.0, b.0))
        }
        fn add_saturated(self, b: Self) -> Self {
            Self(vqaddq_s16(self.0, b.0))
        }
        fn min(self, b: Self) -> Self {
            Self(vminq_s16(self.0, b.0))
        }
        fn max(self, b: Self) -> Self {
            Self(vmaxq_s16(self.0, b.0))
        }
        fn min_unsigned(self, b: Self) -> Self {
            Self(vreinterpretq_s16_u16(vminq_u16(unsigned(self), unsigned(b))))
        }
        fn shift_left(self, shift: u32) -> Self {
            Self(vshlq_s16(self.0, vdupq_n_s16(shift as i16)))
        }
        fn shift_right(self, shift: u32) -> Self {
            Self(vshlq_s16(self.0, vdupq_n_s16(-(shift as i16))))
        }
        fn zip(self, b: Self) -> [Self; 2] {
            [Self(vzip1q_s16(self.0, b.0)), Self(vzip2q_s16(self.0, b.0))]
        }
        fn zip_pairs(self, b: Self) -> [Self; 2] {
            let (a, b) = (pairs(self), pairs(b));
            [vzip1q_s32(a, b), vzip2q_s32(a, b)].map(|r| Self(vreinterpretq_s16_s32(r)))
        }
        fn unzip(self, b: Self) -> [Self; 2] {
            [Self(vuzp1q_s16(self.0, b.0)), Self(vuzp2q_s16(self.0, b.0))]
        }
        fn unzip_pairs(self, b: Self) -> [Self; 2] {
            let (a, b) = (pairs(self), pairs(b));
            [vuzp1q_s32(a, b), vuzp2q_s32(a, b)].map(|r| Self(vreinterpretq_s16_s32(r)))
        }
        fn corrected(self, residuals: Self, correction: Correction) -> Self {
            let strength = vdup_n_s16(i16::from(correction.strength()));
            let shift = vdupq_n_s32(-(correction.shift() as i32));
            let deepen = vdupq_n_s32((correction.to() - correction.from()) as i32);
            let samples = unsigned(self);
            let halves = [
                (vget_low_u16(samples), vget_low_s16(residuals.0)),
                (vget_high_u16(samples), vget_high_s16(residuals.0)),
            ];
            let [low, high] = halves.map(|(samples, residuals)| {
                let rounded = vrshlq_s32(vmull_s16(residuals, strength), shift);
                let samples = vreinterpretq_s32_u32(vmovl_u16(samples));
                vqmovun_s32(vaddq_s32(vshlq_s32(samples, deepen), rounded))
            });
            Self(vreinterpretq_s16_u16(vcombine_u16(low, high)))
        }
    }
}
