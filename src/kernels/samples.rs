//! Samples to activations and back: the contract of these kernels, and the portable code, which is
//! the reference. `eights.rs` is the code for instruction sets, the tests are `kernels/tests.rs`.

use crate::picture::{Layout, Sample, SampleRow, SampleRowMut};

/// Bits of samples that would be activations as they are.
pub(super) const SCALE: u32 = 12;

/// Strength at which residuals are added as they are; they are scaled in steps of one part of it.
pub const FULL_STRENGTH: u8 = 64;

/// How residuals go into samples: scaled, and in the depth of the output.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Correction {
    strength: u8,
    from: u32,
    to: u32,
}

impl Correction {
    /// Residuals times `strength` / [`FULL_STRENGTH`], added to samples of `from` bits (8 to 12)
    /// where they become ones of `to` bits (`from` to 16).
    ///
    /// # Panics
    /// If one of them is out of range.
    #[must_use]
    pub fn new(strength: u8, from: u32, to: u32) -> Self {
        assert!(strength <= FULL_STRENGTH);
        assert!((8..=SCALE).contains(&from) && (from..=16).contains(&to));
        Self { strength, from, to }
    }

    /// Whether residuals are added as they are to samples that keep their depth.
    pub(super) fn is_plain(&self) -> bool {
        self.strength == FULL_STRENGTH && self.from == self.to
    }

    /// Factor of residuals, before they are shifted.
    #[allow(dead_code)] // where there are no kernels of vectors
    pub(super) fn strength(&self) -> u8 {
        self.strength
    }

    /// Bits of the input's samples.
    pub(super) fn from(&self) -> u32 {
        self.from
    }

    /// Bits of the output's samples.
    pub(super) fn to(&self) -> u32 {
        self.to
    }

    /// Right shift, with rounding, from a residual times its factor to the output's scale: 2 to 10.
    pub(super) fn shift(&self) -> u32 {
        SCALE + FULL_STRENGTH.ilog2() - self.to
    }

    /// The corrected sample, docs/model.md, Activations to samples.
    fn apply<S: Sample, T: Sample>(&self, sample: S, residual: i16) -> T {
        let product = i32::from(self.strength) * i32::from(residual);
        let rounded = (product + (1 << (self.shift() - 1))) >> self.shift();
        let sample = i32::from(sample.at_most((1 << self.from) - 1)) << (self.to - self.from);
        T::new((sample + rounded).clamp(0, (1 << self.to) - 1) as u16)
    }
}

/// Two rows of luma, converted to the first four of `inputs` (4 or 6) activations of every pixel of
/// `dst`. Each is the mean of `wide` (1 or 2) columns; samples behind the row repeat its last.
pub type PackLuma =
    fn(rows: [SampleRow<'_>; 2], inputs: usize, wide: usize, depth: u32, dst: &mut [i16]);

/// Means of the samples of Cb and of Cr beside each pixel, converted to the last
/// two of its six activations; `planes` are of either the first and the last row beside the pixels.
pub type PackChroma =
    fn(planes: [[SampleRow<'_>; 2]; 2], layout: Layout, depth: u32, dst: &mut [i16]);

/// A row of luma corrected by the residuals `channel` and `channel + 1` (0 or 2) of each
/// half-resolution pixel's four. The output's samples are of another type only where they are deeper.
pub type CorrectLuma = fn(
    src: SampleRow<'_>,
    residual: &[i16],
    channel: usize,
    correction: Correction,
    dst: SampleRowMut<'_>,
);

/// A row of chroma corrected likewise by residual `channel` (0 or 1) of each half-resolution pixel's
/// two. Samples beside one pixel share its residual.
pub type CorrectChroma = fn(
    src: SampleRow<'_>,
    residual: &[i16],
    channel: usize,
    layout: Layout,
    correction: Correction,
    dst: SampleRowMut<'_>,
);

/// The samples' kernels of one level. They panic where rows are not as long as each other ask for.
#[derive(Clone, Copy)]
pub struct SampleKernels {
    /// Luma to activations.
    pub pack_luma: PackLuma,
    /// Chroma to activations.
    pub pack_chroma: PackChroma,
    /// Residuals to luma.
    pub correct_luma: CorrectLuma,
    /// Residuals to chroma.
    pub correct_chroma: CorrectChroma,
}

/// The code of an instruction set, by the type of samples. The methods are the kernels of the same
/// names.
pub(super) trait SampleRows {
    /// The kernel [`PackLuma`] with `N` inputs.
    fn pack_luma<S: Sample, const N: usize>(
        rows: [&[S]; 2],
        wide: usize,
        depth: u32,
        dst: &mut [i16],
    );
    /// The kernel [`PackChroma`].
    fn pack_chroma<S: Sample>(planes: [[&[S]; 2]; 2], layout: Layout, depth: u32, dst: &mut [i16]);
    /// The kernel [`CorrectLuma`].
    fn correct_luma<S: Sample, T: Sample>(
        src: &[S],
        residual: &[i16],
        channel: usize,
        correction: Correction,
        dst: &mut [T],
    );
    /// The kernel [`CorrectChroma`].
    fn correct_chroma<S: Sample, T: Sample>(
        src: &[S],
        residual: &[i16],
        channel: usize,
        layout: Layout,
        correction: Correction,
        dst: &mut [T],
    );
}

impl SampleKernels {
    /// The table of an instruction set's code.
    pub(super) const fn new<R: SampleRows>() -> Self {
        Self {
            pack_luma: |rows, inputs, wide, depth, dst| match rows {
                [SampleRow::U8(above), SampleRow::U8(below)] => {
                    pack_luma::<R, u8>([above, below], inputs, wide, depth, dst);
                }
                [SampleRow::U16(above), SampleRow::U16(below)] => {
                    pack_luma::<R, u16>([above, below], inputs, wide, depth, dst);
                }
                _ => panic!("samples of different types"),
            },
            pack_chroma: |planes, layout, depth, dst| match planes {
                [[SampleRow::U8(a), SampleRow::U8(b)], [SampleRow::U8(c), SampleRow::U8(d)]] => {
                    pack_chroma::<R, u8>([[a, b], [c, d]], layout, depth, dst);
                }
                [[SampleRow::U16(a), SampleRow::U16(b)], [SampleRow::U16(c), SampleRow::U16(d)]] => {
                    pack_chroma::<R, u16>([[a, b], [c, d]], layout, depth, dst);
                }
                _ => panic!("samples of different types"),
            },
            correct_luma: |src, residual, channel, correction, dst| match (src, dst) {
                (SampleRow::U8(src), SampleRowMut::U8(dst)) => {
                    correct_luma::<R, u8, u8>(src, residual, channel, correction, dst);
                }
                (SampleRow::U8(src), SampleRowMut::U16(dst)) => {
                    correct_luma::<R, u8, u16>(src, residual, channel, correction, dst);
                }
                (SampleRow::U16(src), SampleRowMut::U16(dst)) => {
                    correct_luma::<R, u16, u16>(src, residual, channel, correction, dst);
                }
                _ => panic!("output less deep than the input"),
            },
            correct_chroma: |src, residual, channel, layout, correction, dst| match (src, dst) {
                (SampleRow::U8(src), SampleRowMut::U8(dst)) => {
                    correct_chroma::<R, u8, u8>(src, residual, channel, layout, correction, dst);
                }
                (SampleRow::U8(src), SampleRowMut::U16(dst)) => {
                    correct_chroma::<R, u8, u16>(src, residual, channel, layout, correction, dst);
                }
                (SampleRow::U16(src), SampleRowMut::U16(dst)) => {
                    correct_chroma::<R, u16, u16>(src, residual, channel, layout, correction, dst);
                }
                _ => panic!("output less deep than the input"),
            },
        }
    }
}

fn pack_luma<R: SampleRows, S: Sample>(
    rows: [&[S]; 2],
    inputs: usize,
    wide: usize,
    depth: u32,
    dst: &mut [i16],
) {
    let width = rows[0].len();
    assert!((1..=2).contains(&wide) && rows[1].len() == width);
    assert_eq!(dst.len(), width.div_ceil(2 * wide) * inputs);
    match inputs {
        4 => R::pack_luma::<S, 4>(rows, wide, depth, dst),
        6 => R::pack_luma::<S, 6>(rows, wide, depth, dst),
        _ => panic!("networks have 4 or 6 inputs"),
    }
}

fn pack_chroma<R: SampleRows, S: Sample>(
    planes: [[&[S]; 2]; 2],
    layout: Layout,
    depth: u32,
    dst: &mut [i16],
) {
    let (width, wide) = (planes[0][0].len(), chroma_columns(layout));
    assert!(planes.as_flattened().iter().all(|row| row.len() == width));
    assert_eq!(dst.len(), width.div_ceil(wide) * 6);
    R::pack_chroma(planes, layout, depth, dst);
}

fn correct_luma<R: SampleRows, S: Sample, T: Sample>(
    src: &[S],
    residual: &[i16],
    channel: usize,
    correction: Correction,
    dst: &mut [T],
) {
    assert!(dst.len() == src.len() && residual.len() == src.len().div_ceil(2) * 4);
    assert!(channel == 0 || channel == 2);
    R::correct_luma(src, residual, channel, correction, dst);
}

fn correct_chroma<R: SampleRows, S: Sample, T: Sample>(
    src: &[S],
    residual: &[i16],
    channel: usize,
    layout: Layout,
    correction: Correction,
    dst: &mut [T],
) {
    let pixels = src.len().div_ceil(chroma_columns(layout));
    assert!(dst.len() == src.len() && residual.len() == pixels * 2 && channel < 2);
    R::correct_chroma(src, residual, channel, layout, correction, dst);
}

/// Columns of chroma samples beside a pixel.
pub(super) fn chroma_columns(layout: Layout) -> usize {
    layout.chroma_beside_pixel().map_or(1, |(_, wide)| wide)
}

/// Rows in portable code.
pub(super) struct Portable;

impl SampleRows for Portable {
    fn pack_luma<S: Sample, const N: usize>(
        [above, below]: [&[S]; 2],
        wide: usize,
        depth: u32,
        dst: &mut [i16],
    ) {
        let (middle, max, shift) = (1i16 << (depth - 1), (1i16 << depth) - 1, SCALE - depth);
        let activation = |s: S| (s.at_most(max) - middle) << shift;
        if wide == 2 {
            for (row, first) in [(above, 0), (below, 2)] {
                let last = row.len().saturating_sub(1);
                let at = |x: usize| activation(row[x.min(last)]);
                for (x, out) in dst.as_chunks_mut::<N>().0.iter_mut().enumerate() {
                    out[first] = (at(4 * x) + at(4 * x + 1) + 1) >> 1;
                    out[first + 1] = (at(4 * x + 2) + at(4 * x + 3) + 1) >> 1;
                }
            }
            return;
        }
        // Of an odd width's last pixel the right half is beyond the picture.
        let (whole, odd) = dst.as_chunks_mut::<N>().0.split_at_mut(above.len() / 2);
        let rows = above.as_chunks::<2>().0.iter().zip(below.as_chunks::<2>().0);
        for (out, (above, below)) in whole.iter_mut().zip(rows) {
            out[..2].copy_from_slice(&above.map(activation));
            out[2..4].copy_from_slice(&below.map(activation));
        }
        if let ([out], Some(above), Some(below)) = (odd, above.last(), below.last()) {
            out[..2].fill(activation(*above));
            out[2..4].fill(activation(*below));
        }
    }

    fn pack_chroma<S: Sample>(planes: [[&[S]; 2]; 2], layout: Layout, depth: u32, dst: &mut [i16]) {
        let (middle, max, shift) = (1i16 << (depth - 1), (1i16 << depth) - 1, SCALE - depth);
        let wide = chroma_columns(layout);
        for (c, rows) in planes.into_iter().enumerate() {
            let last = rows[0].len().saturating_sub(1);
            for (x, out) in dst.as_chunks_mut::<6>().0.iter_mut().enumerate() {
                let (left, right) = (wide * x, (wide * x + wide - 1).min(last));
                // The same sample two or four times where the layout has fewer.
                let sum: i16 =
                    rows.iter().map(|r| r[left].at_most(max) + r[right].at_most(max)).sum();
                out[4 + c] = (((sum - 4 * middle) << shift) + 2) >> 2;
            }
        }
    }

    fn correct_luma<S: Sample, T: Sample>(
        src: &[S],
        residual: &[i16],
        channel: usize,
        correction: Correction,
        dst: &mut [T],
    ) {
        let residuals = residual.as_chunks::<4>().0;
        let (samples, odd) = src.as_chunks::<2>();
        let (targets, odd_target) = dst.as_chunks_mut::<2>();
        for ((s, d), r) in samples.iter().zip(targets).zip(residuals) {
            d[0] = correction.apply(s[0], r[channel]);
            d[1] = correction.apply(s[1], r[channel + 1]);
        }
        if let ([s], [d], Some(r)) = (odd, odd_target, residuals.last()) {
            *d = correction.apply(*s, r[channel]);
        }
    }

    fn correct_chroma<S: Sample, T: Sample>(
        src: &[S],
        residual: &[i16],
        channel: usize,
        layout: Layout,
        correction: Correction,
        dst: &mut [T],
    ) {
        let wide = chroma_columns(layout);
        let residuals = residual.as_chunks::<2>().0;
        for ((src, dst), r) in src.chunks(wide).zip(dst.chunks_mut(wide)).zip(residuals) {
            for (s, d) in src.iter().zip(dst) {
                *d = correction.apply(*s, r[channel]);
            }
        }
    }
}
