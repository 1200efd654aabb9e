//! The trainer's kernels: a valid 3×3 convolution (used forward, and backward with flipped weights), the
//! gradient of its weights, and sums over channels. NHWC, f32.
//!
//! Every output value is one chain of fused multiply-adds in a fixed order (row, column, tap,
//! input channel), whatever the back end: the results are the same on every CPU.

use super::vector::{Portable, Vector};
use crate::cpu::CpuLevel;
use crate::{memory, Result};

/// A feature map: `height × width` pixels of `channels` floats with a border of `pad` pixels on
/// every side.
#[derive(Clone, Debug, Default)]
pub struct Map {
    /// Rows without the border.
    pub height: usize,
    /// Columns without the border.
    pub width: usize,
    /// Floats per pixel.
    pub channels: usize,
    /// Border on every side, in pixels.
    pub pad: usize,
    /// `(height + 2 pad) × (width + 2 pad) × channels` floats.
    pub data: Vec<f32>,
}

impl Map {
    /// A map of zeros.
    ///
    /// # Errors
    /// [`OutOfMemory`](crate::Error::OutOfMemory).
    pub fn new(height: usize, width: usize, channels: usize, pad: usize) -> Result<Self> {
        let len = (height + 2 * pad) * (width + 2 * pad) * channels;
        Ok(Self { height, width, channels, pad, data: memory::filled(len, 0.0)? })
    }

    /// Pixels from one row to the next.
    #[must_use]
    pub fn pitch(&self) -> usize {
        self.width + 2 * self.pad
    }

    /// Index of the first float of pixel (`y`, `x`), counted without the border.
    #[must_use]
    pub fn at(&self, y: usize, x: usize) -> usize {
        ((y + self.pad) * self.pitch() + x + self.pad) * self.channels
    }

    /// The floats of row `y`, without the border.
    #[must_use]
    pub fn row(&self, y: usize) -> &[f32] {
        let start = self.at(y, 0);
        &self.data[start..start + self.width * self.channels]
    }

    /// The floats of row `y`, without the border.
    pub fn row_mut(&mut self, y: usize) -> &mut [f32] {
        let start = self.at(y, 0);
        let len = self.width * self.channels;
        &mut self.data[start..start + len]
    }

    /// Fills a border of one pixel by replication.
    pub(super) fn replicate_border(&mut self) {
        debug_assert_eq!(self.pad, 1);
        let (c, pitch) = (self.channels, self.pitch());
        for y in 0..self.height {
            let (first, last) = (self.at(y, 0), self.at(y, self.width - 1));
            self.data.copy_within(first..first + c, first - c);
            self.data.copy_within(last..last + c, last + c);
        }
        let row = pitch * c;
        let end = (self.height + 1) * row;
        self.data.copy_within(row..2 * row, 0);
        self.data.copy_within(end - row..end, end);
    }

    /// Adds the border of one pixel onto the pixels that it replicates: the adjoint of
    /// [`replicate_border`](Self::replicate_border).
    pub(super) fn fold_border(&mut self) {
        debug_assert_eq!(self.pad, 1);
        let (c, pitch) = (self.channels, self.pitch());
        let row = pitch * c;
        let end = (self.height + 1) * row;
        for i in 0..row {
            self.data[row + i] += self.data[i];
            self.data[end - row + i] += self.data[end + i];
        }
        for y in 0..self.height {
            let (first, last) = (self.at(y, 0), self.at(y, self.width - 1));
            for i in 0..c {
                self.data[first + i] += self.data[first - c + i];
                self.data[last + i] += self.data[last + c + i];
            }
        }
    }
}

/// What happens to a convolution's sums.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Finish {
    /// Stored as they are.
    Plain,
    /// Multiplied by the channel's scale.
    Scale,
    /// Multiplied by the channel's scale, then clipped at zero.
    ScaleRelu,
}

/// One convolution: `taps[t][ci][co]`, `t = 3·ky + kx`; the sums start from
/// `bias[phase][co]`, with phase `period·(y mod period) + (x mod period)`.
pub(super) struct Conv<'a> {
    pub cin: usize,
    pub cout: usize,
    pub taps: &'a [f32],
    pub bias: &'a [f32],
    /// A power of two.
    pub period: usize,
    pub scale: &'a [f32],
    pub finish: Finish,
}

/// `dst[y][x] = finish(bias + Σ taps · src[y + ky − 1][x + kx − 1])` over `dst` without its border.
///
/// `src` covers `dst`'s pixels and has a border of at least one more.
///
/// # Safety
/// The CPU has `level`'s instruction set.
///
/// # Panics
/// If shapes disagree.
pub(super) unsafe fn conv3x3(level: CpuLevel, conv: &Conv<'_>, src: &Map, dst: &mut Map) {
    assert!(src.pad >= 1 && src.height >= dst.height && src.width >= dst.width);
    assert!(conv.cin <= src.channels && conv.cout == dst.channels && conv.cout.is_multiple_of(8));
    assert_eq!(conv.taps.len(), 9 * conv.cin * conv.cout);
    assert!(conv.period.is_power_of_two());
    assert_eq!(conv.bias.len(), conv.period * conv.period * conv.cout);
    assert_eq!(conv.scale.len(), conv.cout);
    // SAFETY: the shapes above keep every access in bounds (see `conv_generic`); the instruction set
    // is the caller's promise.
    unsafe {
        match level {
            #[cfg(target_arch = "x86_64")]
            CpuLevel::Avx512 => conv_avx512(conv, src, dst),
            #[cfg(target_arch = "x86_64")]
            CpuLevel::Avx2 => conv_avx2(conv, src, dst),
            _ => conv_portable(conv, src, dst),
        }
    }
}

unsafe fn conv_portable(conv: &Conv<'_>, src: &Map, dst: &mut Map) {
    // SAFETY: forwarded.
    unsafe { conv_generic::<Portable, 2, 2, 2>(conv, src, dst, 0, conv.cout) }
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,fma")]
unsafe fn conv_avx2(conv: &Conv<'_>, src: &Map, dst: &mut Map) {
    // SAFETY: forwarded.
    unsafe { conv_generic::<super::vector::x86::Avx2, 2, 6, 12>(conv, src, dst, 0, conv.cout) }
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f,avx2,fma")]
unsafe fn conv_avx512(conv: &Conv<'_>, src: &Map, dst: &mut Map) {
    let wide = conv.cout - conv.cout % 16;
    // SAFETY: forwarded; the two calls cover disjoint output channels.
    unsafe {
        conv_generic::<super::vector::x86::Avx512, 2, 12, 12>(conv, src, dst, 0, wide);
        conv_generic::<super::vector::x86::Avx2, 1, 8, 8>(conv, src, dst, wide, conv.cout);
    }
}

/// Output channels `from..to`, in blocks of `P` pixels × `NV` vectors, what is left over in blocks of `Q` × 1.
///
/// # Safety
/// `src` has a border of at least one pixel around an area of at least `dst`'s size; `to − from`
/// is a multiple of `V::N`; the CPU has `V`'s instruction set.
#[inline(always)]
unsafe fn conv_generic<V: Vector, const NV: usize, const P: usize, const Q: usize>(
    conv: &Conv<'_>,
    src: &Map,
    dst: &mut Map,
    from: usize,
    to: usize,
) {
    let mut co = from;
    // SAFETY: forwarded; the channel blocks stay below `to`.
    unsafe {
        while co + NV * V::N <= to {
            conv_channels::<V, NV, P>(conv, src, dst, co);
            co += NV * V::N;
        }
        while co < to {
            conv_channels::<V, 1, Q>(conv, src, dst, co);
            co += V::N;
        }
    }
}

#[inline(always)]
unsafe fn conv_channels<V: Vector, const NV: usize, const P: usize>(
    conv: &Conv<'_>,
    src: &Map,
    dst: &mut Map,
    co: usize,
) {
    for y in 0..dst.height {
        let mut x = 0;
        // SAFETY: forwarded; x + block ≤ width.
        unsafe {
            while x + P <= dst.width {
                conv_block::<V, NV, P>(conv, src, dst, co, y, x);
                x += P;
            }
            while x + 4 <= dst.width {
                conv_block::<V, NV, 4>(conv, src, dst, co, y, x);
                x += 4;
            }
            while x + 2 <= dst.width {
                conv_block::<V, NV, 2>(conv, src, dst, co, y, x);
                x += 2;
            }
            while x < dst.width {
                conv_block::<V, NV, 1>(conv, src, dst, co, y, x);
                x += 1;
            }
        }
    }
}

#[allow(clippy::needless_range_loop)] // constant indices, once unrolled
#[inline(always)]
unsafe fn conv_block<V: Vector, const NV: usize, const P: usize>(
    conv: &Conv<'_>,
    src: &Map,
    dst: &mut Map,
    co: usize,
    y: usize,
    x: usize,
) {
    let (cin, cout, sc) = (conv.cin, conv.cout, src.channels);
    let mask = conv.period - 1;
    // SAFETY: pixel (y + ky − 1, x + p + kx − 1) lies inside src's border; tap and bias indices are
    // below the lengths that the caller asserted; dst's pixels are inside it.
    unsafe {
        let mut acc: [[V; NV]; P] = std::array::from_fn(|p| {
            let phase = (y & mask) * conv.period + ((x + p) & mask);
            std::array::from_fn(|v| V::load(conv.bias.as_ptr().add(phase * cout + co + v * V::N)))
        });
        for ky in 0..3 {
            let row = src
                .data
                .as_ptr()
                .add(src.at(y, x) + ky * src.pitch() * sc)
                .sub(src.pitch() * sc + sc);
            for kx in 0..3 {
                let s = row.add(kx * sc);
                let w = conv.taps.as_ptr().add((3 * ky + kx) * cin * cout + co);
                for ci in 0..cin {
                    let wv: [V; NV] = std::array::from_fn(|v| V::load(w.add(ci * cout + v * V::N)));
                    for p in 0..P {
                        let a = V::splat(*s.add(p * sc + ci));
                        for v in 0..NV {
                            acc[p][v] = a.fma(wv[v], acc[p][v]);
                        }
                    }
                }
            }
        }
        let out = dst.data.as_mut_ptr().add(dst.at(y, x) + co);
        for p in 0..P {
            for v in 0..NV {
                let mut r = acc[p][v];
                if conv.finish != Finish::Plain {
                    r = r.mul(V::load(conv.scale.as_ptr().add(co + v * V::N)));
                }
                if conv.finish == Finish::ScaleRelu {
                    r = r.relu();
                }
                r.store(out.add(p * cout + v * V::N));
            }
        }
    }
}

/// `grad[t][ci][co] += Σ over pixels of src[y + ky − 1][x + kx − 1][ci] · dy[y][x][co]` for `co < cout`; all
/// channels of `dy` above are 0.
///
/// # Safety
/// The CPU has `level`'s instruction set.
///
/// # Panics
/// If shapes disagree.
pub(super) unsafe fn weight_gradient(
    level: CpuLevel,
    src: &Map,
    (cin, cout): (usize, usize),
    dy: &Map,
    grad: &mut [f32],
) {
    assert!(src.pad >= 1 && src.height == dy.height && src.width == dy.width);
    assert!(cin <= src.channels && (cin == 6 || cin.is_multiple_of(4)));
    assert!(dy.channels.is_multiple_of(8) && cout <= dy.channels);
    assert_eq!(grad.len(), 9 * cin * dy.channels);
    if cin.is_multiple_of(16) && (cout == 2 || cout == 4) {
        // Vectors of the few output channels would be mostly padding.
        let mut turned = vec![0.0; 9 * cout * cin];
        let places = |t: usize| (0..cout).flat_map(move |co| (0..cin).map(move |ci| (t, co, ci)));
        let places = || (0..9).flat_map(places);
        for ((t, co, ci), g) in places().zip(&mut turned) {
            *g = grad[(t * cin + ci) * dy.channels + co];
        }
        // SAFETY: shapes as asserted; the instruction set is the caller's promise.
        unsafe { narrow_gradient(level, src, (cin, cout), dy, &mut turned) };
        for ((t, co, ci), g) in places().zip(&turned) {
            grad[(t * cin + ci) * dy.channels + co] = *g;
        }
        return;
    }
    // SAFETY: shapes as asserted keep every access in bounds; the instruction set is the caller's
    // promise.
    unsafe {
        match level {
            #[cfg(target_arch = "x86_64")]
            CpuLevel::Avx512 => gradient_avx512(src, cin, dy, grad),
            #[cfg(target_arch = "x86_64")]
            CpuLevel::Avx2 => gradient_avx2(src, cin, dy, grad),
            _ => gradient_portable(src, cin, dy, grad),
        }
    }
}

unsafe fn gradient_portable(src: &Map, cin: usize, dy: &Map, grad: &mut [f32]) {
    // SAFETY: forwarded.
    unsafe {
        if cin == 6 {
            gradient_generic::<Portable, 1, 6>(src, cin, dy, grad, 0, dy.channels);
        } else {
            gradient_generic::<Portable, 1, 4>(src, cin, dy, grad, 0, dy.channels);
        }
    }
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,fma")]
unsafe fn gradient_avx2(src: &Map, cin: usize, dy: &Map, grad: &mut [f32]) {
    // SAFETY: forwarded.
    unsafe {
        if cin == 6 {
            gradient_generic::<super::vector::x86::Avx2, 2, 6>(src, cin, dy, grad, 0, dy.channels);
        } else {
            gradient_generic::<super::vector::x86::Avx2, 2, 4>(src, cin, dy, grad, 0, dy.channels);
        }
    }
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f,avx2,fma")]
unsafe fn gradient_avx512(src: &Map, cin: usize, dy: &Map, grad: &mut [f32]) {
    use super::vector::x86::{Avx2, Avx512};
    let wide = dy.channels - dy.channels % 16;
    // SAFETY: forwarded; the calls cover disjoint output channels.
    unsafe {
        if cin == 6 {
            gradient_generic::<Avx512, 2, 6>(src, cin, dy, grad, 0, wide);
            gradient_generic::<Avx2, 1, 6>(src, cin, dy, grad, wide, dy.channels);
        } else {
            if cin.is_multiple_of(8) {
                gradient_generic::<Avx512, 2, 8>(src, cin, dy, grad, 0, wide);
            } else {
                gradient_generic::<Avx512, 2, 4>(src, cin, dy, grad, 0, wide);
            }
            gradient_generic::<Avx2, 1, 4>(src, cin, dy, grad, wide, dy.channels);
        }
    }
}

/// Blocks of `CI` input channels × `NV` vectors of output channels, a row of pixels at a time so
/// that the row stays in the first-level cache for all taps.
#[inline(always)]
unsafe fn gradient_generic<V: Vector, const NV: usize, const CI: usize>(
    src: &Map,
    cin: usize,
    dy: &Map,
    grad: &mut [f32],
    from: usize,
    to: usize,
) {
    for y in 0..dy.height {
        for t in 0..9 {
            for ci in (0..cin).step_by(CI) {
                let mut co = from;
                // SAFETY: forwarded; co stays below `to`, ci + CI ≤ cin.
                unsafe {
                    while co + NV * V::N <= to {
                        gradient_block::<V, NV, CI>(src, cin, dy, grad, y, t, ci, co);
                        co += NV * V::N;
                    }
                    while co < to {
                        gradient_block::<V, 1, CI>(src, cin, dy, grad, y, t, ci, co);
                        co += V::N;
                    }
                }
            }
        }
    }
}

#[allow(clippy::too_many_arguments)]
#[allow(clippy::needless_range_loop)] // constant indices, once unrolled
#[inline(always)]
unsafe fn gradient_block<V: Vector, const NV: usize, const CI: usize>(
    src: &Map,
    cin: usize,
    dy: &Map,
    grad: &mut [f32],
    y: usize,
    t: usize,
    ci: usize,
    co: usize,
) {
    let (cout, sc) = (dy.channels, src.channels);
    // SAFETY: the tap's pixels lie inside src's border, grad holds 9·cin·cout floats.
    unsafe {
        let g = grad.as_mut_ptr().add((t * cin + ci) * cout + co);
        let mut acc: [[V; NV]; CI] =
            std::array::from_fn(|i| std::array::from_fn(|v| V::load(g.add(i * cout + v * V::N))));
        let s = src
            .data
            .as_ptr()
            .add(src.at(y, 0) + (t / 3) * src.pitch() * sc + (t % 3) * sc + ci)
            .sub(src.pitch() * sc + sc);
        let d = dy.data.as_ptr().add(dy.at(y, 0) + co);
        for x in 0..dy.width {
            let dv: [V; NV] = std::array::from_fn(|v| V::load(d.add(x * cout + v * V::N)));
            for i in 0..CI {
                let a = V::splat(*s.add(x * sc + i));
                for v in 0..NV {
                    acc[i][v] = a.fma(dv[v], acc[i][v]);
                }
            }
        }
        for i in 0..CI {
            for v in 0..NV {
                acc[i][v].store(g.add(i * cout + v * V::N));
            }
        }
    }
}

/// `grad[t][co][ci] += …` as of [`weight_gradient`], for few output channels: vectors are of input channels.
///
/// # Safety
/// Shapes as asserted there, with `cin` a multiple of 16; the CPU has `level`'s instruction set.
unsafe fn narrow_gradient(
    level: CpuLevel,
    src: &Map,
    (cin, cout): (usize, usize),
    dy: &Map,
    grad: &mut [f32],
) {
    // SAFETY: forwarded.
    unsafe {
        match (level, cout) {
            #[cfg(target_arch = "x86_64")]
            (CpuLevel::Avx512, 4) => narrow_avx512::<4>(src, cin, dy, grad),
            #[cfg(target_arch = "x86_64")]
            (CpuLevel::Avx512, _) => narrow_avx512::<2>(src, cin, dy, grad),
            #[cfg(target_arch = "x86_64")]
            (CpuLevel::Avx2, 4) => narrow_avx2::<4>(src, cin, dy, grad),
            #[cfg(target_arch = "x86_64")]
            (CpuLevel::Avx2, _) => narrow_avx2::<2>(src, cin, dy, grad),
            (_, 4) => narrow_generic::<Portable, 4>(src, cin, dy, grad),
            _ => narrow_generic::<Portable, 2>(src, cin, dy, grad),
        }
    }
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,fma")]
unsafe fn narrow_avx2<const CO: usize>(src: &Map, cin: usize, dy: &Map, grad: &mut [f32]) {
    // SAFETY: forwarded.
    unsafe { narrow_generic::<super::vector::x86::Avx2, CO>(src, cin, dy, grad) }
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f,avx2,fma")]
unsafe fn narrow_avx512<const CO: usize>(src: &Map, cin: usize, dy: &Map, grad: &mut [f32]) {
    // SAFETY: forwarded.
    unsafe { narrow_generic::<super::vector::x86::Avx512, CO>(src, cin, dy, grad) }
}

/// Blocks of a row of three taps × `CO` output channels × one vector of input channels.
///
/// # Safety
/// As [`narrow_gradient`]'s, with `CO` for `cout`; the CPU has `V`'s instruction set.
#[allow(clippy::needless_range_loop)] // constant indices, once unrolled
#[inline(always)]
unsafe fn narrow_generic<V: Vector, const CO: usize>(
    src: &Map,
    cin: usize,
    dy: &Map,
    grad: &mut [f32],
) {
    let sc = src.channels;
    for y in 0..dy.height {
        for ky in 0..3 {
            for ci in (0..cin).step_by(V::N) {
                // SAFETY: the taps' pixels lie inside src's border, grad holds 9·CO·cin floats, dy's pixels at
                // least CO.
                unsafe {
                    let g = grad.as_mut_ptr().add(3 * ky * CO * cin + ci);
                    let mut acc: [[V; CO]; 3] = std::array::from_fn(|kx| {
                        std::array::from_fn(|co| V::load(g.add((kx * CO + co) * cin)))
                    });
                    let s = src
                        .data
                        .as_ptr()
                        .add(src.at(y, 0) + ky * src.pitch() * sc + ci)
                        .sub(src.pitch() * sc + sc);
                    let d = dy.data.as_ptr().add(dy.at(y, 0));
                    for x in 0..dy.width {
                        let dv: [V; CO] =
                            std::array::from_fn(|co| V::splat(*d.add(x * dy.channels + co)));
                        for kx in 0..3 {
                            let a = V::load(s.add((x + kx) * sc));
                            for co in 0..CO {
                                acc[kx][co] = a.fma(dv[co], acc[kx][co]);
                            }
                        }
                    }
                    for kx in 0..3 {
                        for co in 0..CO {
                            acc[kx][co].store(g.add((kx * CO + co) * cin));
                        }
                    }
                }
            }
        }
    }
}

/// `sums[phase][c] += Σ over the phase's pixels of d[y][x][c] · by[y][x][c]`, or of `d` alone; phases as
/// in [`Conv`].
///
/// # Safety
/// The CPU has `level`'s instruction set.
///
/// # Panics
/// If shapes disagree.
pub(super) unsafe fn channel_sums(
    level: CpuLevel,
    d: &Map,
    by: Option<&Map>,
    period: usize,
    sums: &mut [f32],
) {
    let c = d.channels;
    assert!(c.is_multiple_of(8) && sums.len() == period * period * c);
    assert!(by.is_none_or(|by| (by.height, by.width, by.channels) == (d.height, d.width, c)));
    for y in 0..d.height {
        let sums = &mut sums[y % period * period * c..][..period * c];
        let (d, by) = (d.row(y), by.map(|by| by.row(y)));
        // SAFETY: the rows are equally long, a multiple of c; the instruction set is the caller's promise.
        unsafe {
            match level {
                #[cfg(target_arch = "x86_64")]
                CpuLevel::Avx512 | CpuLevel::Avx2 => sums_avx2(c, d, by, sums),
                _ => sums_generic::<Portable>(c, d, by, sums),
            }
        }
    }
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,fma")]
unsafe fn sums_avx2(c: usize, d: &[f32], by: Option<&[f32]>, sums: &mut [f32]) {
    // SAFETY: forwarded.
    unsafe { sums_generic::<super::vector::x86::Avx2>(c, d, by, sums) }
}

/// One row of pixels of `c` channels; `sums` has a row of `c` for each phase.
///
/// # Safety
/// `by` is as long as `d`, `c` and both lengths are multiples of `V::N`; the CPU has `V`'s instruction
/// set.
#[inline(always)]
unsafe fn sums_generic<V: Vector>(c: usize, d: &[f32], by: Option<&[f32]>, sums: &mut [f32]) {
    let period = sums.len() / c;
    for (i, sum) in sums.chunks_exact_mut(V::N).enumerate() {
        // SAFETY: i · N is below period · c, and every index below the rows' length.
        unsafe {
            let mut acc = V::load(sum.as_ptr());
            let one = V::splat(1.0);
            let mut at = i * V::N;
            while at < d.len() {
                let factor = by.map_or(one, |by| V::load(by.as_ptr().add(at)));
                acc = V::load(d.as_ptr().add(at)).fma(factor, acc);
                at += period * c;
            }
            acc.store(sum.as_mut_ptr());
        }
    }
}
