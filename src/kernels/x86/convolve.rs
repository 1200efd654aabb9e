//! The kernels, once for every instruction set.

use super::super::{Convolution, Packed, RowMut, Rows, Sums};
use super::vector::Vector;

/// One row of a layer of many output channels.
///
/// # Safety
/// The CPU has `V`'s instruction set; slices are as `check_row` asserts; the width is at least `P`;
/// `cout` is a multiple of `LANES`, and of `N · LANES` or that of 16.
#[inline(always)]
pub(super) unsafe fn row<V: Vector<L>, const L: usize, const P: usize, const N: usize>(
    conv: &Convolution,
    y: usize,
    src: Rows<'_>,
    dst: RowMut<'_>,
) {
    // SAFETY: forwarded.
    unsafe {
        match (src, conv.layer.cin) {
            (Rows::I16(src), 4) => row_of::<V, i16, L, P, N, 4>(conv, y, src, dst),
            (Rows::I16(src), 6) => row_of::<V, i16, L, P, N, 6>(conv, y, src, dst),
            (Rows::I16(src), 16) => row_of::<V, i16, L, P, N, 16>(conv, y, src, dst),
            (Rows::I16(src), 32) => row_of::<V, i16, L, P, N, 32>(conv, y, src, dst),
            (Rows::I16(src), 48) => row_of::<V, i16, L, P, N, 48>(conv, y, src, dst),
            (Rows::I16(src), 64) => row_of::<V, i16, L, P, N, 64>(conv, y, src, dst),
            (Rows::U8(src), 16) => row_of::<V, u8, L, P, N, 16>(conv, y, src, dst),
            (Rows::U8(src), 32) => row_of::<V, u8, L, P, N, 32>(conv, y, src, dst),
            (Rows::U8(src), 48) => row_of::<V, u8, L, P, N, 48>(conv, y, src, dst),
            (Rows::U8(src), 64) => row_of::<V, u8, L, P, N, 64>(conv, y, src, dst),
            _ => unreachable!("no network has such a layer"),
        }
    }
}

/// # Safety
/// As [`row`], and `cin` is `CIN`.
#[inline(always)]
unsafe fn row_of<V, A, const L: usize, const P: usize, const N: usize, const CIN: usize>(
    conv: &Convolution,
    y: usize,
    src: [&[A]; 3],
    mut dst: RowMut<'_>,
) where
    V: Vector<L>,
    A: Activation,
{
    let cout = conv.layer.cout;
    let wide = cout - cout % (N * L);
    let width = match &dst {
        RowMut::I16(dst) => dst.len() / cout,
        RowMut::U8(dst) => dst.len() / cout,
    };
    // SAFETY: `blocks` gives x + P ≤ width; channels stay below cout.
    unsafe {
        for co in (0..wide).step_by(N * L) {
            for x in blocks(width, P) {
                block::<V, A, L, P, N, CIN>(conv, y, &src, &mut dst, x, co);
            }
        }
        if N * L > 16 && wide < cout {
            for x in blocks(width, P) {
                block::<V, A, L, P, 1, CIN>(conv, y, &src, &mut dst, x, wide);
            }
        }
    }
}

/// The first pixels of blocks of `size` pixels that cover a row. The last one may overlap the one
/// before: its pixels are then computed twice.
fn blocks(width: usize, size: usize) -> impl Iterator<Item = usize> {
    let last = width - size;
    (0..last).step_by(size).chain(std::iter::once(last))
}

/// `P` pixels from `x` × `N · L` output channels from `co`: an accumulator for each pixel and
/// register of channels, so that each weight is loaded once for `P` pixels and each group of
/// activations broadcast once for `N` registers.
///
/// # Safety
/// As [`row_of`], and `x + P ≤ width`, `co + N · L ≤ cout`.
#[inline(always)]
unsafe fn block<V, A, const L: usize, const P: usize, const N: usize, const CIN: usize>(
    conv: &Convolution,
    y: usize,
    src: &[&[A]; 3],
    dst: &mut RowMut<'_>,
    x: usize,
    co: usize,
) where
    V: Vector<L>,
    A: Activation,
{
    let l = &conv.layer;
    // SAFETY: pixels x..x + P + 2 are in every source row, packed holds 9·cin·cout taps, bias rows
    // and multipliers hold cout values, and dst holds pixel x + P − 1.
    unsafe {
        let mut acc = [[V::zero(); N]; P];
        for (p, acc) in acc.iter_mut().enumerate() {
            *acc = load(conv.bias_row(y, x + p).as_ptr().add(co));
        }
        let pixels = src.map(|row| row.as_ptr().add(x * CIN));
        let acc = A::convolve::<V, L, P, N, CIN>(conv, acc, pixels, co);
        let m: [V; N] = load(l.multiplier.as_ptr().add(co));
        for (p, sums) in acc.iter().enumerate() {
            let at = (x + p) * l.cout + co;
            for n in 0..N {
                let y = sums[n].requantise(m[n], l.shift);
                match dst {
                    RowMut::I16(dst) => {
                        y.store(l.low as i16, l.high as i16, dst.as_mut_ptr().add(at + n * L));
                    }
                    RowMut::U8(dst) => {
                        y.store_bytes(l.high as u8, dst.as_mut_ptr().add(at + n * L))
                    }
                }
            }
        }
    }
}

/// An activation of a feature map.
trait Activation: Copy {
    /// `acc` plus the products of a block: see [`block`].
    ///
    /// # Safety
    /// As [`block`]; `pixels` are what it reads first of each source row.
    unsafe fn convolve<V, const L: usize, const P: usize, const N: usize, const CIN: usize>(
        conv: &Convolution,
        acc: [[V; N]; P],
        pixels: [*const Self; 3],
        co: usize,
    ) -> [[V; N]; P]
    where
        V: Vector<L>;
}

impl Activation for i16 {
    #[inline(always)]
    unsafe fn convolve<V, const L: usize, const P: usize, const N: usize, const CIN: usize>(
        conv: &Convolution,
        mut acc: [[V; N]; P],
        pixels: [*const Self; 3],
        co: usize,
    ) -> [[V; N]; P]
    where
        V: Vector<L>,
    {
        let Packed::I16(taps) = &conv.packed else { unreachable!("checked") };
        // SAFETY: as the caller promises.
        unsafe {
            let mut taps = taps.as_ptr().add(2 * co);
            for mut pair in pixels {
                // The three taps of a row read 3·cin neighbouring activations.
                for _ in 0..3 * CIN / 2 {
                    let w: [V; N] = load(taps.cast());
                    for (p, acc) in acc.iter_mut().enumerate() {
                        let a = V::broadcast(pair.add(p * CIN));
                        for (acc, w) in acc.iter_mut().zip(w) {
                            *acc = acc.dot(a, w);
                        }
                    }
                    pair = pair.add(2);
                    taps = taps.add(2 * conv.layer.cout);
                }
            }
        }
        acc
    }
}

impl Activation for u8 {
    #[inline(always)]
    unsafe fn convolve<V, const L: usize, const P: usize, const N: usize, const CIN: usize>(
        conv: &Convolution,
        mut acc: [[V; N]; P],
        pixels: [*const Self; 3],
        co: usize,
    ) -> [[V; N]; P]
    where
        V: Vector<L>,
    {
        let (Packed::I8(taps), Sums::I16 { taps: run }) = (&conv.packed, conv.sums) else {
            unreachable!("checked")
        };
        // SAFETY: as the caller promises; sums over `run` taps stay in 16 bits.
        unsafe {
            let mut taps = taps.as_ptr().add(4 * co);
            for mut four in pixels {
                for _ in 0..3 / run {
                    let mut partial = [[V::zero(); N]; P];
                    for _ in 0..run * (CIN / 4) {
                        let w: [V; N] = load(taps.cast());
                        for (p, partial) in partial.iter_mut().enumerate() {
                            let a = V::broadcast(four.add(p * CIN));
                            for (partial, w) in partial.iter_mut().zip(w) {
                                *partial = partial.dot_bytes(a, w);
                            }
                        }
                        four = four.add(4);
                        taps = taps.add(4 * conv.layer.cout);
                    }
                    for (acc, partial) in acc.iter_mut().zip(&partial) {
                        for (acc, partial) in acc.iter_mut().zip(partial) {
                            *acc = acc.add(partial.whole());
                        }
                    }
                }
            }
        }
        acc
    }
}

/// # Safety
/// The CPU has `V`'s instruction set, and `N · LANES` values are readable.
#[inline(always)]
unsafe fn load<V: Vector<L>, const L: usize, const N: usize>(from: *const i32) -> [V; N] {
    // SAFETY: forwarded. (No closures here: they would not be compiled for the instruction set.)
    unsafe {
        let mut all = [V::zero(); N];
        for (n, register) in all.iter_mut().enumerate() {
            *register = V::load(from.add(n * L));
        }
        all
    }
}

/// One row of a last layer, of 4 or 2 output channels: input channels lie across the lanes.
///
/// # Safety
/// The CPU has `V`'s instruction set; slices are as `check_row` asserts; `width · cout ≥ LANES`;
/// `cin` is a multiple of `2 · LANES`; there is one bias for each channel.
#[inline(always)]
pub(super) unsafe fn row_last<V: Vector<L>, const L: usize>(
    conv: &Convolution,
    src: [&[i16]; 3],
    dst: &mut [i16],
) {
    // SAFETY: forwarded.
    unsafe {
        match conv.layer.cout {
            4 => row_last_of::<V, L, 4>(conv, src, dst),
            2 => row_last_of::<V, L, 2>(conv, src, dst),
            _ => unreachable!("last layers have 4 or 2 output channels"),
        }
    }
}

/// # Safety
/// As [`row_last`], and `cout` is `N`.
#[inline(always)]
unsafe fn row_last_of<V: Vector<L>, const L: usize, const N: usize>(
    conv: &Convolution,
    src: [&[i16]; 3],
    dst: &mut [i16],
) {
    let l = &conv.layer;
    let Packed::I16(packed) = &conv.packed else { unreachable!("checked") };
    // Of `L` sums each, pixel by pixel.
    let bias: [i32; L] = std::array::from_fn(|i| l.bias[i % N]);
    let multiplier: [i32; L] = std::array::from_fn(|i| l.multiplier[i % N]);
    // SAFETY: pixels x..x + L / N + 2 are in every source row, packed is [N][9][cin] and dst holds
    // L activations from pixel x.
    unsafe {
        let (bias, multiplier) = (V::load(bias.as_ptr()), V::load(multiplier.as_ptr()));
        for x in blocks(dst.len() / N, L / N) {
            let mut acc = [V::zero(); L];
            for (ky, row) in src.iter().enumerate() {
                let pixels = row.as_ptr().add(x * l.cin);
                let taps = packed.as_ptr().add(3 * ky * l.cin);
                for i in (0..3 * l.cin).step_by(2 * L) {
                    let mut w = [V::zero(); N];
                    for (n, w) in w.iter_mut().enumerate() {
                        *w = V::load(taps.add(n * 9 * l.cin + i));
                    }
                    for (p, acc) in acc.chunks_exact_mut(N).enumerate() {
                        let a = V::load(pixels.add(p * l.cin + i));
                        for (acc, w) in acc.iter_mut().zip(w) {
                            *acc = acc.dot(a, w);
                        }
                    }
                }
            }
            let y = V::sums(acc).add(bias).requantise(multiplier, l.shift);
            y.store(l.low as i16, l.high as i16, dst.as_mut_ptr().add(x * N));
        }
    }
}
