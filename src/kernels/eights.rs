//! The samples' kernels by eight, once for every instruction set: whole blocks of eight samples, and
//! the portable code for the rest.

use super::samples::{chroma_columns, Correction, Portable, SampleRows, SCALE};
use super::vector::Eight;
use crate::picture::{Layout, Sample};
use std::marker::PhantomData;

/// Rows of samples in registers of `E`, which the whole build may use.
pub(super) struct Eights<E>(PhantomData<E>);

/// What a bit depth asks for.
struct Depth<E> {
    max: E,
    middle: E,
    /// Left shift that makes 12 bits of samples.
    shift: u32,
    half: E,
}

impl<E: Eight> Depth<E> {
    fn new(depth: u32) -> Self {
        let shift = SCALE - depth;
        let [max, middle, half] = [(1 << depth) - 1, 1 << (depth - 1), (1 << shift) >> 1];
        Self { max: E::splat(max), middle: E::splat(middle), shift, half: E::splat(half) }
    }

    /// Eight samples, `max` at most.
    fn load<S: Sample>(&self, from: &[S; 8]) -> E {
        let from = from.as_ptr();
        // SAFETY: the array's bytes are read, and samples are integers of 1 or 2 bytes.
        unsafe {
            if size_of::<S>() == 1 {
                E::load_bytes(from.cast())
            } else {
                E::load(from).min_unsigned(self.max)
            }
        }
    }

    fn activations<S: Sample>(&self, from: &[S; 8]) -> E {
        self.load(from).sub(self.middle).shift_left(self.shift)
    }
}

/// What a correction asks for.
struct Corrector<E> {
    depth: Depth<E>,
    correction: Correction,
    /// The output's largest sample.
    max: E,
}

impl<E: Eight> Corrector<E> {
    fn new(correction: Correction) -> Self {
        let max = ((1 << correction.to()) - 1) as u16;
        Self { depth: Depth::new(correction.from()), correction, max: E::splat(max as i16) }
    }

    /// `from` corrected by residuals.
    fn correct<S: Sample, T: Sample>(&self, from: &[S; 8], residuals: E, to: &mut [T; 8]) {
        let samples = self.depth.load(from);
        let samples = if self.correction.is_plain() {
            // In 16 bits: sums that saturate are clipped either way.
            let Depth { half, shift, .. } = self.depth;
            let rounded = residuals.add_saturated(half).shift_right(shift);
            samples.add_saturated(rounded).max(E::splat(0)).min(self.max)
        } else {
            samples.corrected(residuals, self.correction).min_unsigned(self.max)
        };
        let to = to.as_mut_ptr();
        // SAFETY: the array's bytes are written with what are samples.
        unsafe {
            if size_of::<T>() == 1 {
                samples.store_bytes(to.cast());
            } else {
                samples.store(to);
            }
        }
    }
}

fn load<E: Eight>(from: &[i16; 8]) -> E {
    // SAFETY: the array is read.
    unsafe { E::load(from.as_ptr()) }
}

impl<E: Eight> SampleRows for Eights<E> {
    fn pack_luma<S: Sample, const N: usize>(
        rows: [&[S]; 2],
        wide: usize,
        bits: u32,
        dst: &mut [i16],
    ) {
        if wide != 1 {
            return Portable::pack_luma::<S, N>(rows, wide, bits, dst);
        }
        let depth = Depth::<E>::new(bits);
        let blocks = rows[0].as_chunks::<8>().0.iter().zip(rows[1].as_chunks::<8>().0);
        let groups = dst.as_chunks_mut::<N>().0.as_chunks_mut::<4>().0;
        let done = 4 * blocks.len().min(groups.len());
        for ((above, below), pixels) in blocks.zip(groups) {
            let pairs = depth.activations(above).zip_pairs(depth.activations(below));
            for (pair, pixels) in pairs.into_iter().zip(pixels.as_chunks_mut::<2>().0) {
                let [left, right] = pixels.each_mut().map(|pixel| pixel.as_mut_ptr());
                // SAFETY: pixels have room for four activations at least.
                unsafe { pair.store_halves([left, right]) }
            }
        }
        let (rest, dst) = (rows.map(|row| &row[2 * done..]), &mut dst[N * done..]);
        Portable::pack_luma::<S, N>(rest, wide, bits, dst);
    }

    fn pack_chroma<S: Sample>(planes: [[&[S]; 2]; 2], layout: Layout, bits: u32, dst: &mut [i16]) {
        if layout != Layout::I420 {
            return Portable::pack_chroma(planes, layout, bits, dst);
        }
        let depth = Depth::<E>::new(bits);
        // Both rows of a plane are one.
        let [[cb, _], [cr, _]] = planes;
        let blocks = cb.as_chunks::<8>().0.iter().zip(cr.as_chunks::<8>().0);
        let groups = dst.as_chunks_mut::<6>().0.as_chunks_mut::<8>().0;
        let done = 8 * blocks.len().min(groups.len());
        for ((cb, cr), pixels) in blocks.zip(groups) {
            let mut both = [[0i16; 2]; 8];
            let halves = depth.activations(cb).zip(depth.activations(cr));
            for (half, to) in halves.into_iter().zip(both.as_chunks_mut::<4>().0) {
                // SAFETY: four pairs are eight integers.
                unsafe { half.store(to.as_mut_ptr().cast::<i16>()) }
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
        let corrector = Corrector::<E>::new(correction);
        let blocks = src.as_chunks::<8>().0.iter().zip(dst.as_chunks_mut::<8>().0);
        let residuals = residual.as_chunks::<8>().0.as_chunks::<2>().0;
        let done = 8 * blocks.len().min(residuals.len());
        for ((src, dst), [left, right]) in blocks.zip(residuals) {
            let [first, last] = E::unzip_pairs(load(left), load(right));
            corrector.correct(src, if channel == 0 { first } else { last }, dst);
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
        let corrector = Corrector::<E>::new(correction);
        let blocks = src.as_chunks::<8>().0.iter().zip(dst.as_chunks_mut::<8>().0);
        let residuals = residual.as_chunks::<8>().0.as_chunks::<2>().0;
        let done = 8 * blocks.len().min(residuals.len());
        for ((src, dst), [left, right]) in blocks.zip(residuals) {
            let [first, last] = E::unzip(load(left), load(right));
            corrector.correct(src, if channel == 0 { first } else { last }, dst);
        }
        let (src, residual, dst) = (&src[done..], &residual[2 * done..], &mut dst[done..]);
        Portable::correct_chroma(src, residual, channel, layout, correction, dst);
    }
}
