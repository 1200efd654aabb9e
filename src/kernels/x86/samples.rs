//! Samples to activations and back with SSE2, which every x86-64 has: whole blocks of eight
//! samples, and the portable code for the rest. The contract is `kernels/samples.rs`, the tests are
//! `kernels/tests.rs`.

use super::super::samples::{chroma_columns, Correction, Portable, SampleRows};
use crate::picture::{Layout, Sample};
use std::arch::x86_64::*;

/// What a bit depth asks for, in every lane.
struct Depth {
    max: __m128i,
    middle: __m128i,
    /// Left shift that makes 12 bits of samples.
    shift: __m128i,
    half: __m128i,
}

impl Depth {
    fn new(depth: u32) -> Self {
        let shift = 12 - depth;
        // SAFETY: SSE2.
        unsafe {
            Self {
                max: _mm_set1_epi16((1 << depth) - 1),
                middle: _mm_set1_epi16(1 << (depth - 1)),
                shift: _mm_cvtsi32_si128(shift as i32),
                half: _mm_set1_epi16((1 << shift) >> 1),
            }
        }
    }

    /// Eight samples, `max` at most.
    fn load<S: Sample>(&self, from: &[S; 8]) -> __m128i {
        // SAFETY: SSE2; the array's bytes are read, and samples are integers of 1 or 2 bytes.
        unsafe {
            let from = from.as_ptr();
            if size_of::<S>() == 1 {
                return _mm_unpacklo_epi8(_mm_loadl_epi64(from.cast()), _mm_setzero_si128());
            }
            let s = _mm_loadu_si128(from.cast());
            _mm_sub_epi16(s, _mm_subs_epu16(s, self.max))
        }
    }

    fn activations<S: Sample>(&self, from: &[S; 8]) -> __m128i {
        // SAFETY: SSE2.
        unsafe { _mm_sll_epi16(_mm_sub_epi16(self.load(from), self.middle), self.shift) }
    }
}

/// What a correction asks for, in every lane.
struct Corrector {
    depth: Depth,
    plain: bool,
    /// Pairs of the factor of residuals and of half a step of the output, by which pairs of a
    /// residual and 1 are multiplied.
    factors: __m128i,
    /// Right shift of the sums.
    shift: __m128i,
    /// Left shift of samples.
    deepen: __m128i,
    /// The output's largest sample.
    max: __m128i,
}

impl Corrector {
    fn new(correction: Correction) -> Self {
        let (strength, shift) = (i32::from(correction.strength()), correction.shift());
        let deepen = correction.to() - correction.from();
        let max = ((1 << correction.to()) - 1) as u16;
        // SAFETY: SSE2.
        unsafe {
            Self {
                depth: Depth::new(correction.from()),
                plain: correction.is_plain(),
                factors: _mm_set1_epi32(1 << (shift - 1 + 16) | strength),
                shift: _mm_cvtsi32_si128(shift as i32),
                deepen: _mm_cvtsi32_si128(deepen as i32),
                max: _mm_set1_epi16(max as i16),
            }
        }
    }

    /// `from` corrected by residuals.
    fn correct<S: Sample, T: Sample>(&self, from: &[S; 8], residuals: __m128i, to: &mut [T; 8]) {
        let samples = self.depth.load(from);
        let samples = if self.plain {
            self.plain(samples, residuals)
        } else {
            self.scaled(samples, residuals)
        };
        // SAFETY: SSE2; the array's bytes are written with what are samples.
        unsafe {
            let to = to.as_mut_ptr();
            if size_of::<T>() == 1 {
                _mm_storel_epi64(to.cast(), _mm_packus_epi16(samples, samples));
            } else {
                _mm_storeu_si128(to.cast(), samples);
            }
        }
    }

    /// Sums in 16 bits: those that saturate are clipped either way.
    fn plain(&self, samples: __m128i, residuals: __m128i) -> __m128i {
        let Depth { half, shift, .. } = self.depth;
        // SAFETY: SSE2.
        unsafe {
            let rounded = _mm_sra_epi16(_mm_adds_epi16(residuals, half), shift);
            let sums = _mm_adds_epi16(samples, rounded);
            _mm_min_epi16(_mm_max_epi16(sums, _mm_setzero_si128()), self.max)
        }
    }

    fn scaled(&self, samples: __m128i, residuals: __m128i) -> __m128i {
        // SAFETY: SSE2.
        unsafe {
            let (zero, one) = (_mm_setzero_si128(), _mm_set1_epi16(1));
            let sums = |samples, residuals| {
                let rounded = _mm_sra_epi32(_mm_madd_epi16(residuals, self.factors), self.shift);
                let sums = _mm_add_epi32(_mm_sll_epi32(samples, self.deepen), rounded);
                // Where packing saturates at 0 and 2^16 - 1.
                _mm_sub_epi32(sums, _mm_set1_epi32(1 << 15))
            };
            let low = sums(_mm_unpacklo_epi16(samples, zero), _mm_unpacklo_epi16(residuals, one));
            let high = sums(_mm_unpackhi_epi16(samples, zero), _mm_unpackhi_epi16(residuals, one));
            let sums = _mm_xor_si128(_mm_packs_epi32(low, high), _mm_set1_epi16(i16::MIN));
            _mm_sub_epi16(sums, _mm_subs_epu16(sums, self.max))
        }
    }
}

fn load(from: &[i16; 8]) -> __m128i {
    // SAFETY: SSE2; as many bytes are read.
    unsafe { _mm_loadu_si128(from.as_ptr().cast()) }
}

/// Rows with SSE2.
pub(super) struct Sse2;

impl SampleRows for Sse2 {
    fn pack_luma<S: Sample, const N: usize>(
        rows: [&[S]; 2],
        wide: usize,
        bits: u32,
        dst: &mut [i16],
    ) {
        if wide != 1 {
            return Portable::pack_luma::<S, N>(rows, wide, bits, dst);
        }
        let depth = Depth::new(bits);
        let blocks = rows[0].as_chunks::<8>().0.iter().zip(rows[1].as_chunks::<8>().0);
        let groups = dst.as_chunks_mut::<N>().0.as_chunks_mut::<4>().0;
        let done = 4 * blocks.len().min(groups.len());
        for ((above, below), pixels) in blocks.zip(groups) {
            let (above, below) = (depth.activations(above), depth.activations(below));
            // SAFETY: SSE2; pixels have room for four activations at least.
            unsafe {
                let pairs = [_mm_unpacklo_epi32(above, below), _mm_unpackhi_epi32(above, below)];
                for (pair, pixels) in pairs.into_iter().zip(pixels.as_chunks_mut::<2>().0) {
                    _mm_storel_epi64(pixels[0].as_mut_ptr().cast(), pair);
                    _mm_storeh_pd(pixels[1].as_mut_ptr().cast(), _mm_castsi128_pd(pair));
                }
            }
        }
        let (rest, dst) = (rows.map(|row| &row[2 * done..]), &mut dst[N * done..]);
        Portable::pack_luma::<S, N>(rest, wide, bits, dst);
    }

    fn pack_chroma<S: Sample>(planes: [[&[S]; 2]; 2], layout: Layout, bits: u32, dst: &mut [i16]) {
        if layout != Layout::I420 {
            return Portable::pack_chroma(planes, layout, bits, dst);
        }
        let depth = Depth::new(bits);
        // Both rows of a plane are one.
        let [[cb, _], [cr, _]] = planes;
        let blocks = cb.as_chunks::<8>().0.iter().zip(cr.as_chunks::<8>().0);
        let groups = dst.as_chunks_mut::<6>().0.as_chunks_mut::<8>().0;
        let done = 8 * blocks.len().min(groups.len());
        for ((cb, cr), pixels) in blocks.zip(groups) {
            let (cb, cr) = (depth.activations(cb), depth.activations(cr));
            let mut both = [[0i16; 2]; 8];
            // SAFETY: SSE2; `both` has 32 bytes.
            unsafe {
                let to: *mut __m128i = both.as_mut_ptr().cast();
                _mm_storeu_si128(to, _mm_unpacklo_epi16(cb, cr));
                _mm_storeu_si128(to.add(1), _mm_unpackhi_epi16(cb, cr));
            }
            for (pixel, both) in pixels.iter_mut().zip(both) {
                pixel[4..].copy_from_slice(&both);
            }
        }
        let rest = planes.map(|rows| rows.map(|row| &row[done..]));
        Portable::pack_chroma(rest, layout, bits, &mut dst[6 * done..]);
    }

    fn correct_luma<S: Sample, T: Sample>(
        src: &[S],
        residual: &[i16],
        channel: usize,
        correction: Correction,
        dst: &mut [T],
    ) {
        let corrector = Corrector::new(correction);
        let blocks = src.as_chunks::<8>().0.iter().zip(dst.as_chunks_mut::<8>().0);
        let residuals = residual.as_chunks::<8>().0.as_chunks::<2>().0;
        let done = 8 * blocks.len().min(residuals.len());
        for ((src, dst), [left, right]) in blocks.zip(residuals) {
            // SAFETY: SSE2.
            let residuals = unsafe {
                let (a, b) = (_mm_castsi128_ps(load(left)), _mm_castsi128_ps(load(right)));
                _mm_castps_si128(if channel == 0 {
                    _mm_shuffle_ps(a, b, 0b10_00_10_00)
                } else {
                    _mm_shuffle_ps(a, b, 0b11_01_11_01)
                })
            };
            corrector.correct(src, residuals, dst);
        }
        let (src, residual, dst) = (&src[done..], &residual[2 * done..], &mut dst[done..]);
        Portable::correct_luma(src, residual, channel, correction, dst);
    }

    fn correct_chroma<S: Sample, T: Sample>(
        src: &[S],
        residual: &[i16],
        channel: usize,
        layout: Layout,
        correction: Correction,
        dst: &mut [T],
    ) {
        if chroma_columns(layout) != 1 {
            return Portable::correct_chroma(src, residual, channel, layout, correction, dst);
        }
        let corrector = Corrector::new(correction);
        let blocks = src.as_chunks::<8>().0.iter().zip(dst.as_chunks_mut::<8>().0);
        let residuals = residual.as_chunks::<8>().0.as_chunks::<2>().0;
        let done = 8 * blocks.len().min(residuals.len());
        for ((src, dst), pair) in blocks.zip(residuals) {
            // SAFETY: SSE2.
            let residuals = unsafe {
                let [a, b] = pair.each_ref().map(|r| {
                    // Channel 1 lies in the high halves.
                    let r = load(r);
                    _mm_srai_epi32(if channel == 0 { _mm_slli_epi32(r, 16) } else { r }, 16)
                });
                _mm_packs_epi32(a, b)
            };
            corrector.correct(src, residuals, dst);
        }
        let (src, residual, dst) = (&src[done..], &residual[2 * done..], &mut dst[done..]);
        Portable::correct_chroma(src, residual, channel, layout, correction, dst);
    }
}
