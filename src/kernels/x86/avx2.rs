//! AVX2 kernels: `pmaddwd` over pairs of input channels.

use super::super::{check_row, Convolution};
use crate::network::instance::Layer;
use std::arch::x86_64::*;

/// See [`ConvRow`](super::super::ConvRow); output channels are a multiple of 16.
pub(super) fn conv_row(conv: &Convolution, y: usize, src: [&[i16]; 3], dst: &mut [i16]) {
    let width = check_row(conv, &src, dst);
    assert!(conv.layer.cout.is_multiple_of(16) && conv.layer.cin.is_multiple_of(2));
    // SAFETY: `Kernels::new` hands this function out only where the CPU has AVX2; lengths are checked.
    unsafe { conv_row_avx2(conv, y, src, dst, width) }
}

/// # Safety
/// AVX2; slices as `check_row` asserts; `cout` a multiple of 16, `cin` of 2.
#[target_feature(enable = "avx2")]
unsafe fn conv_row_avx2(
    conv: &Convolution,
    y: usize,
    src: [&[i16]; 3],
    dst: &mut [i16],
    width: usize,
) {
    for co in (0..conv.layer.cout).step_by(16) {
        let mut x = 0;
        // SAFETY: forwarded; blocks end at or before `width`.
        unsafe {
            while x + 6 <= width {
                block::<6>(conv, y, &src, dst, x, co);
                x += 6;
            }
            while x + 2 <= width {
                block::<2>(conv, y, &src, dst, x, co);
                x += 2;
            }
            if x < width {
                block::<1>(conv, y, &src, dst, x, co);
            }
        }
    }
}

/// `P` pixels from `x` × 16 output channels from `co`: with P = 6, twelve accumulators, two
/// registers of weights and one of activations.
///
/// # Safety
/// As [`conv_row_avx2`], and `x + P ≤ width`, `co + 16 ≤ cout`.
#[inline]
#[target_feature(enable = "avx2")]
unsafe fn block<const P: usize>(
    conv: &Convolution,
    y: usize,
    src: &[&[i16]; 3],
    dst: &mut [i16],
    x: usize,
    co: usize,
) {
    let l = &conv.layer;
    let (cin, cout) = (l.cin, l.cout);
    // SAFETY: pixels x..x + P + 2 are in every source row, packed holds 9·cin·cout taps, bias rows
    // and multipliers hold cout values, and dst holds pixel x + P − 1.
    unsafe {
        let mut acc: [[__m256i; 2]; P] = std::array::from_fn(|p| {
            let b = conv.bias_row(y, x + p).as_ptr().add(co);
            [_mm256_loadu_si256(b.cast()), _mm256_loadu_si256(b.add(8).cast())]
        });
        let mut w = conv.packed.as_ptr().add(2 * co);
        for row in src {
            let mut s = row.as_ptr().add(x * cin);
            for _ in 0..3 {
                for pair in 0..cin / 2 {
                    let w0 = _mm256_loadu_si256(w.cast());
                    let w1 = _mm256_loadu_si256(w.add(16).cast());
                    for (p, acc) in acc.iter_mut().enumerate() {
                        let a = s.add(p * cin + 2 * pair).cast::<i32>().read_unaligned();
                        let a = _mm256_set1_epi32(a);
                        acc[0] = _mm256_add_epi32(acc[0], _mm256_madd_epi16(a, w0));
                        acc[1] = _mm256_add_epi32(acc[1], _mm256_madd_epi16(a, w1));
                    }
                    w = w.add(2 * cout);
                }
                s = s.add(cin);
            }
        }
        let m = l.multiplier.as_ptr().add(co);
        let m0 = _mm256_loadu_si256(m.cast());
        let m1 = _mm256_loadu_si256(m.add(8).cast());
        for (p, acc) in acc.iter().enumerate() {
            let y0 = requantise(acc[0], m0, l);
            let y1 = requantise(acc[1], m1, l);
            // packs works in 128-bit lanes: put the middle quarters back in order.
            let packed = _mm256_permute4x64_epi64(_mm256_packs_epi32(y0, y1), 0b11_01_10_00);
            _mm256_storeu_si256(dst.as_mut_ptr().add((x + p) * cout + co).cast(), packed);
        }
    }
}

/// The scalar `requantise` and clamp, on eight lanes. Only the low 32 bits of each shifted product
/// are kept; the load-time proof says that nothing is lost.
#[inline]
#[target_feature(enable = "avx2")]
fn requantise(sum: __m256i, multiplier: __m256i, l: &Layer) -> __m256i {
    let half = _mm256_set1_epi64x(1 << (l.shift - 1));
    let shift = _mm_cvtsi32_si128(l.shift as i32);
    let even = _mm256_add_epi64(_mm256_mul_epi32(sum, multiplier), half);
    let odd = _mm256_mul_epi32(_mm256_srli_epi64(sum, 32), _mm256_srli_epi64(multiplier, 32));
    let odd = _mm256_add_epi64(odd, half);
    let even = _mm256_srl_epi64(even, shift);
    let odd = _mm256_slli_epi64(_mm256_srl_epi64(odd, shift), 32);
    let y = _mm256_blend_epi32(even, odd, 0b1010_1010);
    _mm256_min_epi32(_mm256_max_epi32(y, _mm256_set1_epi32(l.low)), _mm256_set1_epi32(l.high))
}

/// See [`ConvRow`](super::super::ConvRow); 4 or 2 output channels, input channels a multiple of 16,
/// which lie across the lanes.
pub(super) fn conv_row_last(conv: &Convolution, y: usize, src: [&[i16]; 3], dst: &mut [i16]) {
    let width = check_row(conv, &src, dst);
    assert!(conv.layer.cin.is_multiple_of(16));
    // SAFETY: `Kernels::new` hands this function out only where the CPU has AVX2; lengths are checked.
    unsafe {
        match conv.layer.cout {
            4 => conv_row_last_avx2::<4>(conv, y, src, dst, width),
            2 => conv_row_last_avx2::<2>(conv, y, src, dst, width),
            _ => unreachable!("last layers have 4 or 2 output channels"),
        }
    }
}

/// # Safety
/// AVX2; slices as `check_row` asserts; `cout` is `N`, 4 or 2, `cin` a multiple of 16.
#[target_feature(enable = "avx2")]
unsafe fn conv_row_last_avx2<const N: usize>(
    conv: &Convolution,
    y: usize,
    src: [&[i16]; 3],
    dst: &mut [i16],
    width: usize,
) {
    let l = &conv.layer;
    let cin = l.cin;
    for x in 0..width {
        let mut acc = [_mm256_setzero_si256(); N];
        for (ky, row) in src.iter().enumerate() {
            // The three taps of a row read 3·cin neighbouring activations.
            for i in (0..3 * cin).step_by(16) {
                // SAFETY: pixels x..x + 3 are in the row; packed is [N][9][cin].
                unsafe {
                    let a = _mm256_loadu_si256(row.as_ptr().add(x * cin + i).cast());
                    for (co, acc) in acc.iter_mut().enumerate() {
                        let w = conv.packed.as_ptr().add((co * 9 + 3 * ky) * cin + i);
                        let w = _mm256_loadu_si256(w.cast());
                        *acc = _mm256_add_epi32(*acc, _mm256_madd_epi16(a, w));
                    }
                }
            }
        }
        let (bias, m) = (conv.bias_row(y, x).as_ptr(), l.multiplier.as_ptr());
        let out = dst[N * x..N * x + N].as_mut_ptr();
        let sum = sum4([acc[0], acc[1], acc[2 % N], acc[3 % N]]);
        // SAFETY: bias and multiplier hold N values, out N activations.
        unsafe {
            if N == 4 {
                let sum = _mm_add_epi32(sum, _mm_loadu_si128(bias.cast()));
                let y = requantise4(sum, _mm_loadu_si128(m.cast()), l);
                _mm_storel_epi64(out.cast(), y);
            } else {
                let sum = _mm_add_epi32(sum, _mm_loadl_epi64(bias.cast()));
                let y = requantise4(sum, _mm_loadl_epi64(m.cast()), l);
                out.cast::<i32>().write_unaligned(_mm_cvtsi128_si32(y));
            }
        }
    }
}

/// The sum over the lanes of each of four accumulators.
#[inline]
#[target_feature(enable = "avx2")]
fn sum4(acc: [__m256i; 4]) -> __m128i {
    let s = _mm256_hadd_epi32(_mm256_hadd_epi32(acc[0], acc[1]), _mm256_hadd_epi32(acc[2], acc[3]));
    _mm_add_epi32(_mm256_castsi256_si128(s), _mm256_extracti128_si256(s, 1))
}

/// [`requantise`] on four lanes; the results as four activations in the low half.
#[inline]
#[target_feature(enable = "avx2")]
fn requantise4(sum: __m128i, multiplier: __m128i, l: &Layer) -> __m128i {
    let y = requantise(_mm256_castsi128_si256(sum), _mm256_castsi128_si256(multiplier), l);
    let y = _mm256_castsi256_si128(y);
    _mm_packs_epi32(y, y)
}
