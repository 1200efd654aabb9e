//! The convolutions' kernels, once for every instruction set: `x86/mod.rs`, `aarch64/mod.rs`
//! and `wasm.rs` instantiate them for each level.

use super::vector::Vector;
use super::{Convolution, Packed, RowMut, Rows};
use crate::network::bounds::SumWidth;
use crate::network::prepared::PreparedLayer;

/// The table of one level: sizes of blocks as [`row`] has them. Last layers narrower than
/// a register are left to the level below.
macro_rules! level {
    ($table:ident, $features:literal, $vector:ty, $lanes:literal,
     $pixels:literal x $registers:literal, $pixels1:literal x 1,
     bytes $byte_pixels:literal x $byte_registers:literal, $samples:ty, $below:expr) => {
        const $table: $crate::kernels::Kernels = {
            use $crate::kernels::vector::Vector;
            use $crate::kernels::{check_row, convolve, Convolution, RowMut, Rows, SampleKernels};
            type V = $vector;
            fn conv_row(conv: &Convolution, y: usize, src: Rows<'_>, dst: RowMut<'_>) {
                #[target_feature(enable = $features)]
                unsafe fn row(conv: &Convolution, y: usize, src: Rows<'_>, dst: RowMut<'_>) {
                    // SAFETY: forwarded.
                    unsafe {
                        convolve::row::<
                            V,
                            $lanes,
                            $pixels,
                            $registers,
                            $pixels1,
                            $byte_pixels,
                            $byte_registers,
                        >(conv, y, src, dst);
                    }
                }
                check_row(conv, src, &dst);
                assert!(conv.layer.cout.is_multiple_of(16));
                // SAFETY: tables are handed out only where the CPU has the level; the rest is
                // checked.
                unsafe { row(conv, y, src, dst) }
            }
            fn conv_row_last(conv: &Convolution, y: usize, src: [&[i16]; 3], dst: &mut [i16]) {
                #[target_feature(enable = $features)]
                unsafe fn row(conv: &Convolution, src: [&[i16]; 3], dst: &mut [i16]) {
                    // SAFETY: forwarded.
                    unsafe { convolve::row_last::<V, $lanes>(conv, src, dst) }
                }
                check_row(conv, Rows::I16(src), &RowMut::I16(dst));
                if dst.len() < $lanes {
                    return ($below.conv_row_last)(conv, y, src, dst);
                }
                assert!(conv.layer.cin.is_multiple_of(16) && conv.layer.period == 1);
                // SAFETY: tables are handed out only where the CPU has the level; the rest is
                // checked.
                unsafe { row(conv, src, dst) }
            }
            $crate::kernels::Kernels {
                conv_row,
                conv_row_last,
                bytes: <V as Vector<$lanes>>::BYTES,
                dot4: <V as Vector<$lanes>>::DOT4,
                signed_bytes: <V as Vector<$lanes>>::SIGNED_BYTES,
                planar: <V as Vector<$lanes>>::PLANAR,
                samples: SampleKernels::new::<$samples>(),
            }
        };
    };
}
pub(super) use level;

/// One row of a layer of many output channels: blocks of `P` pixels and `N` registers of channels
/// (`PB` and `NB` for products of bytes), then of `P1` pixels and one register. In a narrow row all
/// are of one pixel.
///
/// # Safety
/// The CPU has `V`'s instruction set; slices are as `check_row` asserts; `cout` is a multiple of
/// `LANES`.
#[inline(always)]
pub(super) unsafe fn row<
    V: Vector<L>,
    const L: usize,
    const P: usize,
    const N: usize,
    const P1: usize,
    const PB: usize,
    const NB: usize,
>(
    conv: &Convolution,
    y: usize,
    src: Rows<'_>,
    dst: RowMut<'_>,
) {
    // SAFETY: forwarded.
    unsafe {
        match (src, conv.layer.cin) {
            (Rows::I16(src), 4) => row_of::<V, i16, L, P, N, P1, 4>(conv, y, src, dst),
            (Rows::I16(src), 6) => row_of::<V, i16, L, P, N, P1, 6>(conv, y, src, dst),
            (Rows::I16(src), 16) => row_of::<V, i16, L, P, N, P1, 16>(conv, y, src, dst),
            (Rows::I16(src), 32) => row_of::<V, i16, L, P, N, P1, 32>(conv, y, src, dst),
            (Rows::I16(src), 48) => row_of::<V, i16, L, P, N, P1, 48>(conv, y, src, dst),
            (Rows::I16(src), 64) => row_of::<V, i16, L, P, N, P1, 64>(conv, y, src, dst),
            (Rows::U8(src), 16) if V::BYTES => {
                row_of::<V, u8, L, PB, NB, P1, 16>(conv, y, src, dst)
            }
            (Rows::U8(src), 32) if V::BYTES => {
                row_of::<V, u8, L, PB, NB, P1, 32>(conv, y, src, dst)
            }
            (Rows::U8(src), 48) if V::BYTES => {
                row_of::<V, u8, L, PB, NB, P1, 48>(conv, y, src, dst)
            }
            (Rows::U8(src), 64) if V::BYTES => {
                row_of::<V, u8, L, PB, NB, P1, 64>(conv, y, src, dst)
            }
            _ => unreachable!("no network has such a layer"),
        }
    }
}

/// # Safety
/// What [`row`] asks for holds, and `cin` is `CIN`.
#[inline(always)]
unsafe fn row_of<
    V: Vector<L>,
    A: Activation,
    const L: usize,
    const P: usize,
    const N: usize,
    const P1: usize,
    const CIN: usize,
>(
    conv: &Convolution,
    y: usize,
    src: [&[A]; 3],
    mut dst: RowMut<'_>,
) {
    let cout = conv.layer.cout;
    let wide = cout - cout % (N * L);
    let width = match &dst {
        RowMut::I16(dst) => dst.len() / cout,
        RowMut::U8(dst) => dst.len() / cout,
    };
    // SAFETY: blocks end at the width at most, and channels below cout.
    unsafe {
        if width < P.max(P1) {
            for (x, co) in (0..width).flat_map(|x| (0..cout).step_by(L).map(move |co| (x, co))) {
                block::<V, A, L, 1, 1, CIN>(conv, y, &src, &mut dst, x, co);
            }
            return;
        }
        for x in blocks(if wide > 0 { width } else { 0 }, P) {
            for co in (0..wide).step_by(N * L) {
                block::<V, A, L, P, N, CIN>(conv, y, &src, &mut dst, x, co);
            }
        }
        if N > 1 && wide < cout {
            for x in blocks(width, P1) {
                for co in (wide..cout).step_by(L) {
                    block::<V, A, L, P1, 1, CIN>(conv, y, &src, &mut dst, x, co);
                }
            }
        }
    }
}

/// The first pixels of blocks of `size` pixels that cover a row. The last one may overlap the one
/// before: its pixels are then computed twice.
fn blocks(width: usize, size: usize) -> impl Iterator<Item = usize> {
    (0..width).step_by(size).map(move |x| x.min(width - size))
}

/// `P` pixels from `x` × `N · L` output channels from `co`, an accumulator for each pixel and
/// register of channels.
///
/// # Safety
/// What [`row_of`] asks for holds, and `x + P ≤ width`, `co + N · L ≤ cout`.
#[inline(always)]
unsafe fn block<
    V: Vector<L>,
    A: Activation,
    const L: usize,
    const P: usize,
    const N: usize,
    const CIN: usize,
>(
    conv: &Convolution,
    y: usize,
    src: &[&[A]; 3],
    dst: &mut RowMut<'_>,
    x: usize,
    co: usize,
) {
    let l = &conv.layer;
    // SAFETY: pixels x..x + P + 2 are in every source row, packed holds 9·cin·cout weights, bias
    // rows and multipliers hold cout values, and dst holds pixel x + P − 1.
    unsafe {
        let mut acc = [[V::zero(); N]; P];
        let bias = conv.bias.as_ptr().add(l.period * (y & (l.period - 1)) * l.cout + co);
        for (p, acc) in acc.iter_mut().enumerate() {
            *acc = load(bias.add(((x + p) & (l.period - 1)) * l.cout));
        }
        let pixels = src.map(|row| row.as_ptr().add(x * CIN));
        let left = A::convolve::<V, L, P, N, CIN>(conv, &mut acc, pixels, co);
        let at = x * l.cout + co;
        let m = load(conv.requantisation.multiplier.as_ptr().add(co));
        if P == 1 || !conv.requantisation.high {
            if let Some((from, weights)) = left {
                step::<A, V, L, P, N, CIN, false>(&mut acc, from, conv.middle, weights, l.cout, m);
            }
            return general(conv, acc, dst, at, co);
        }
        if let Some((from, weights)) = left {
            step::<A, V, L, P, N, CIN, true>(&mut acc, from, conv.middle, weights, l.cout, m);
        }
        match dst {
            RowMut::I16(dst) => store_i16(l, acc, m, dst.as_mut_ptr().add(at)),
            RowMut::U8(dst) => store_u8(l, acc, m, dst.as_mut_ptr().add(at)),
        }
    }
}

/// Sums requantised and stored, one register after the other: small code for what is rare.
///
/// # Safety
/// What [`block`] asks for holds; `at` is the first activation's place.
#[inline(always)]
unsafe fn general<V: Vector<L>, const L: usize, const P: usize, const N: usize>(
    conv: &Convolution,
    acc: [[V; N]; P],
    dst: &mut RowMut<'_>,
    at: usize,
    co: usize,
) {
    let l = &conv.layer;
    for (i, sums) in std::hint::black_box(&acc[..]).as_flattened().iter().enumerate() {
        let n = i % N * L;
        let at = at + i / N * l.cout + n;
        // SAFETY: forwarded.
        unsafe {
            let m = V::load(l.multiplier.as_ptr().add(co + n));
            let y = sums.requantise(m, l.shift);
            match dst {
                RowMut::I16(dst) => {
                    let y = y.to_i16(y).clamp(l.low as i16, l.high as i16);
                    y.store_first_half(dst.as_mut_ptr().add(at));
                }
                RowMut::U8(dst) => {
                    V::to_bytes([y; 4], l.high as u8).store_first_quarter(dst.as_mut_ptr().add(at));
                }
            }
        }
    }
}

/// Sums requantised, if they are not yet, and stored as activations of 16 bits, two registers at a
/// time.
///
/// # Safety
/// What [`block`] asks for holds; `to` is the first activation's place; the shift is 32.
#[inline(always)]
unsafe fn store_i16<V: Vector<L>, const L: usize, const P: usize, const N: usize>(
    l: &PreparedLayer,
    sums: [[V; N]; P],
    multiplier: [V; N],
    to: *mut i16,
) {
    // SAFETY: forwarded.
    unsafe {
        let y = if V::MANY_REGISTERS { sums } else { all_requantised(sums, multiplier) };
        for i in (0..P * N).step_by(2) {
            let (a, b) = (i, (i + 1).min(P * N - 1));
            let place = |i: usize| to.add(i / N * l.cout + i % N * L);
            let pair = y[a / N][a % N].to_i16(y[b / N][b % N]);
            let pair = pair.clamp(l.low as i16, l.high as i16);
            if N.is_multiple_of(2) || l.cout == N * L && a < b {
                pair.store(place(a));
            } else {
                pair.store_halves([place(a), place(b)]);
            }
        }
    }
}

/// Sums requantised, if they are not yet, and stored as bytes, four registers at a time.
///
/// # Safety
/// What [`store_i16`] asks for holds.
#[inline(always)]
unsafe fn store_u8<V: Vector<L>, const L: usize, const P: usize, const N: usize>(
    l: &PreparedLayer,
    sums: [[V; N]; P],
    multiplier: [V; N],
    to: *mut u8,
) {
    // Halves of four registers are two whole pixels' or none.
    const { assert!(N % 2 == 1 || (P * N).is_multiple_of(4)) }
    // SAFETY: forwarded.
    unsafe {
        let y = if V::MANY_REGISTERS { sums } else { all_requantised(sums, multiplier) };
        for first in (0..P * N).step_by(4) {
            let (mut four, mut place) = ([V::zero(); 4], [to; 4]);
            for k in 0..4 {
                let i = (first + k).min(P * N - 1);
                four[k] = y[i / N][i % N];
                place[k] = to.add(i / N * l.cout + i % N * L);
            }
            let four = V::to_bytes(four, l.high as u8);
            if N.is_multiple_of(4) || l.cout == N * L && first + 4 <= P * N {
                four.store(place[0]);
            } else if N.is_multiple_of(2) {
                four.store_halves([place[0], place[2]]);
            } else {
                four.store_quarters(place);
            }
        }
    }
}

/// Pixels and weights of a [`step`] that a block has left, to be requantised at the same time.
type Left<A> = Option<(*const A, *const i32)>;

/// An activation of a feature map.
trait Activation: Copy {
    /// Adds the products of a block to `acc`, but for what may be left of them.
    ///
    /// # Safety
    /// What [`block`] asks for holds; `pixels` are what it reads first of each source row.
    unsafe fn convolve<
        V: Vector<L>,
        const L: usize,
        const P: usize,
        const N: usize,
        const CIN: usize,
    >(
        conv: &Convolution,
        acc: &mut [[V; N]; P],
        pixels: [*const Self; 3],
        co: usize,
    ) -> Left<Self>;

    /// A lane's worth of activations in every lane.
    ///
    /// # Safety
    /// The CPU has `V`'s instruction set, and as many activations are readable.
    unsafe fn broadcast<V: Vector<L>, const L: usize>(from: *const Self, middle: u8) -> V;

    /// `acc` plus the products in each lane.
    ///
    /// # Safety
    /// The CPU has `V`'s instruction set.
    unsafe fn dot<V: Vector<L>, const L: usize>(acc: V, a: V, w: V) -> V;
}

/// A block's steps of `LANE` input channels each; where registers are many, all but the last.
///
/// # Safety
/// What [`Activation::convolve`] asks for holds.
#[inline(always)]
unsafe fn steps<
    A: Activation,
    V: Vector<L>,
    const L: usize,
    const P: usize,
    const N: usize,
    const CIN: usize,
    const LANE: usize,
>(
    acc: &mut [[V; N]; P],
    pixels: [*const A; 3],
    middle: u8,
    mut weights: *const i32,
    cout: usize,
) -> Left<A> {
    // SAFETY: as the caller promises.
    unsafe {
        let mut at = pixels[0];
        for (ky, row) in pixels.into_iter().enumerate() {
            at = row;
            for _ in 0..CIN / LANE - usize::from(V::MANY_REGISTERS && ky == 2) {
                step::<A, V, L, P, N, CIN, false>(acc, at, middle, weights, cout, [V::zero(); N]);
                at = at.add(LANE);
                weights = weights.add(3 * cout);
            }
        }
        V::MANY_REGISTERS.then_some((at, weights))
    }
}

impl Activation for i16 {
    #[inline(always)]
    unsafe fn convolve<
        V: Vector<L>,
        const L: usize,
        const P: usize,
        const N: usize,
        const CIN: usize,
    >(
        conv: &Convolution,
        acc: &mut [[V; N]; P],
        pixels: [*const Self; 3],
        co: usize,
    ) -> Left<Self> {
        let Packed::I16(weights) = &conv.packed else { unreachable!("checked") };
        // SAFETY: as the caller promises.
        unsafe {
            let weights = weights.as_ptr().cast::<i32>().add(co);
            steps::<Self, V, L, P, N, CIN, 2>(acc, pixels, 0, weights, conv.layer.cout)
        }
    }

    #[inline(always)]
    unsafe fn broadcast<V: Vector<L>, const L: usize>(from: *const Self, _: u8) -> V {
        // SAFETY: as the caller promises.
        unsafe { V::broadcast_pair(from) }
    }

    #[inline(always)]
    unsafe fn dot<V: Vector<L>, const L: usize>(acc: V, a: V, w: V) -> V {
        // SAFETY: as the caller promises.
        unsafe { acc.dot(a, w) }
    }
}

impl Activation for u8 {
    #[inline(always)]
    unsafe fn convolve<
        V: Vector<L>,
        const L: usize,
        const P: usize,
        const N: usize,
        const CIN: usize,
    >(
        conv: &Convolution,
        acc: &mut [[V; N]; P],
        pixels: [*const Self; 3],
        co: usize,
    ) -> Left<Self> {
        let Packed::I8(weights) = &conv.packed else { unreachable!("checked") };
        let cout = conv.layer.cout;
        // SAFETY: as the caller promises.
        unsafe {
            let mut weights = weights.as_ptr().cast::<i32>().add(co);
            if V::DOT4 {
                return steps::<Self, V, L, P, N, CIN, 4>(acc, pixels, conv.middle, weights, cout);
            }
            let SumWidth::I16 { halves } = conv.sum_width else { unreachable!("checked") };
            let (run, parts) = (halves.div_ceil(2), if halves == 1 { 2 } else { 1 });
            for mut four in pixels {
                // Nested loops, as an iterator over pairs would take registers that the sums' loop
                // wants.
                let mut first = 0;
                while first < 3 {
                    for part in 0..parts {
                        let (from, to) = (part * CIN / 8, (part + 1) * CIN / 4 / parts);
                        let mut partial = [[V::zero(); N]; P];
                        // What begins a sum needs no addition.
                        let mut begun = usize::from(V::BEGINS_WITH_PRODUCTS);
                        if V::BEGINS_WITH_PRODUCTS {
                            let weights = weights.add((3 * from + first) * cout);
                            let four = four.add(4 * from);
                            byte_step::<V, L, P, N, CIN, true>(
                                &mut partial,
                                four,
                                conv.middle,
                                weights,
                            );
                        }
                        for kx in 0..run {
                            let mut at = weights.add((3 * (from + begun) + first + kx) * cout);
                            for ci in from + begun..to {
                                let four = four.add(kx * CIN + 4 * ci);
                                byte_step::<V, L, P, N, CIN, false>(
                                    &mut partial,
                                    four,
                                    conv.middle,
                                    at,
                                );
                                at = at.add(3 * cout);
                            }
                            begun = 0;
                        }
                        for (acc, partial) in acc.iter_mut().zip(&partial) {
                            for (acc, partial) in acc.iter_mut().zip(partial) {
                                *acc = acc.add(partial.widen());
                            }
                        }
                    }
                    four = four.add(run * CIN);
                    first += run;
                }
                weights = weights.add(3 * CIN / 4 * cout);
            }
            None
        }
    }

    #[inline(always)]
    unsafe fn broadcast<V: Vector<L>, const L: usize>(from: *const Self, middle: u8) -> V {
        // SAFETY: as the caller promises.
        unsafe { V::broadcast_four(from, middle) }
    }

    #[inline(always)]
    unsafe fn dot<V: Vector<L>, const L: usize>(acc: V, a: V, w: V) -> V {
        // SAFETY: as the caller promises.
        unsafe { acc.dot_bytes(a, w) }
    }
}

/// # Safety
/// The CPU has `V`'s instruction set.
#[inline(always)]
unsafe fn requantised<V: Vector<L>, const L: usize, const N: usize>(
    mut sums: [V; N],
    multiplier: [V; N],
) -> [V; N] {
    // SAFETY: as the caller promises.
    unsafe {
        for (sums, m) in sums.iter_mut().zip(multiplier) {
            *sums = sums.requantise_high(m, m.beside_multiplier());
        }
    }
    sums
}

/// Adds the products of four input channels at one weight to sums of 16 bits, or begins these.
///
/// # Safety
/// The CPU has `V`'s instruction set; `P` pixels from `from` on and a register's weights are
/// readable.
#[inline(always)]
unsafe fn byte_step<
    V: Vector<L>,
    const L: usize,
    const P: usize,
    const N: usize,
    const CIN: usize,
    const FIRST: bool,
>(
    partial: &mut [[V; N]; P],
    from: *const u8,
    middle: u8,
    weights: *const i32,
) {
    // SAFETY: forwarded.
    unsafe {
        let w: [V; N] = load(weights);
        for (p, partial) in partial.iter_mut().enumerate() {
            let a = V::broadcast_four(from.add(p * CIN), middle);
            for (partial, w) in partial.iter_mut().zip(w) {
                *partial = if FIRST { V::mul_u8i8(a, w) } else { partial.dot_bytes(a, w) };
            }
        }
    }
}

/// Executes a block for `$x` from 0 to 25: LLVM does not unroll loops of so many instructions.
macro_rules! unrolled {
    ($x:ident, $block:block) => {
        unrolled!($x, $block, 0 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20 21 22 23 24 25)
    };
    ($x:ident, $block:block, $($n:literal)*) => {
        $({
            let $x = $n;
            $block
        })*
    };
}

/// # Safety
/// The CPU has `V`'s instruction set.
#[inline(always)]
unsafe fn all_requantised<V: Vector<L>, const L: usize, const P: usize, const N: usize>(
    mut sums: [[V; N]; P],
    multiplier: [V; N],
) -> [[V; N]; P] {
    // SAFETY: as the caller promises.
    unsafe {
        for n in 0..N {
            let beside = multiplier[n].beside_multiplier();
            for sums in sums.iter_mut() {
                sums[n] = sums[n].requantise_high(multiplier[n], beside);
            }
        }
    }
    sums
}

/// Adds the products of a lane's worth of input channels at the three weights of a row. Each
/// activation is broadcast once for the three pixels that see it; those that have seen all are
/// requantised if `HIGH`.
///
/// # Safety
/// The CPU has `V`'s instruction set; pixels −1..=P from `from` on and `3 · cout` lanes of weights
/// from `weights` on are readable.
#[inline(always)]
unsafe fn step<
    A: Activation,
    V: Vector<L>,
    const L: usize,
    const P: usize,
    const N: usize,
    const CIN: usize,
    const HIGH: bool,
>(
    acc: &mut [[V; N]; P],
    from: *const A,
    middle: u8,
    weights: *const i32,
    cout: usize,
    multiplier: [V; N],
) {
    const { assert!(P <= 24) }
    // SAFETY: forwarded.
    unsafe {
        let w: [[V; N]; 3] = [load(weights), load(weights.add(cout)), load(weights.add(2 * cout))];
        unrolled!(x, {
            if x < P + 2 {
                let a: V = A::broadcast(from.add(x * CIN), middle);
                for kx in 0..3 {
                    if kx <= x && x - kx < P {
                        for (acc, w) in acc[x - kx].iter_mut().zip(w[kx]) {
                            *acc = A::dot(*acc, a, w);
                        }
                    }
                }
                if HIGH && x >= 2 {
                    acc[x - 2] = requantised(acc[x - 2], multiplier);
                }
            }
        });
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
/// `3 · cin` is a multiple of `LANES`; there is one bias for each channel.
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
/// What [`row_last`] asks for holds, and `cout` is `N`.
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
                let weights = packed.as_ptr().add(3 * ky * l.cin);
                let whole = 3 * l.cin / (2 * L) * (2 * L);
                for i in (0..whole).step_by(2 * L) {
                    last_step::<V, L, N, false>(&mut acc, pixels.add(i), weights.add(i), l.cin);
                }
                if whole < 3 * l.cin {
                    last_step::<V, L, N, true>(
                        &mut acc,
                        pixels.add(whole),
                        weights.add(whole),
                        l.cin,
                    );
                }
            }
            let y = V::hsum(acc).add(bias).requantise(multiplier, l.shift);
            let to = dst.as_mut_ptr().add(x * N);
            y.to_i16(y).clamp(l.low as i16, l.high as i16).store_first_half(to);
        }
    }
}

/// Adds to the sums of `L / N` pixels the products of `2 · L` of their activations, or of half as
/// many.
///
/// # Safety
/// The CPU has `V`'s instruction set, and as many activations and weights are readable.
#[inline(always)]
unsafe fn last_step<V: Vector<L>, const L: usize, const N: usize, const HALF: bool>(
    acc: &mut [V; L],
    pixels: *const i16,
    weights: *const i16,
    cin: usize,
) {
    // SAFETY: forwarded.
    unsafe {
        let mut w = [V::zero(); N];
        for (n, w) in w.iter_mut().enumerate() {
            let from = weights.add(n * 9 * cin);
            *w = if HALF { V::load_half(from) } else { V::load(from) };
        }
        for (p, acc) in acc.chunks_exact_mut(N).enumerate() {
            let from = pixels.add(p * cin);
            let a = if HALF { V::load_half(from) } else { V::load(from) };
            for (acc, w) in acc.iter_mut().zip(w) {
                *acc = acc.dot_across(a, w);
            }
        }
    }
}
