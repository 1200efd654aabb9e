//! The trainer's convolution, used forward, and backward with flipped weights.
//!
//! Every output value is one chain of fused multiply-adds in a fixed order (row, column, weight,
//! input channel), whatever the back end: the results are the same on every CPU.

use super::map::Map;
use super::vector::{by_level, Portable, Vector};
use crate::cpu::Supported;

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

/// One convolution: `weights[t][ci][co]`, `t = 3·ky + kx`; the sums start from
/// `bias[phase][co]`, with phase `period·(y mod period) + (x mod period)`.
pub(super) struct Conv<'a> {
    pub cin: usize,
    pub cout: usize,
    pub weights: &'a [f32],
    pub bias: &'a [f32],
    /// A power of two.
    pub period: usize,
    pub scale: &'a [f32],
    pub finish: Finish,
}

/// `dst[y][x] = finish(bias + Σ weights · src[y + ky − 1][x + kx − 1])` over `dst` without its
/// border.
///
/// `src` covers `dst`'s pixels and has a border of at least one more.
///
/// # Panics
/// If shapes disagree.
pub(super) fn conv3x3(cpu: Supported, conv: &Conv<'_>, src: &Map, dst: &mut Map) {
    assert!(src.pad >= 1 && src.height >= dst.height && src.width >= dst.width);
    assert!(conv.cin <= src.channels && conv.cout == dst.channels && conv.cout.is_multiple_of(8));
    assert_eq!(conv.weights.len(), 9 * conv.cin * conv.cout);
    assert!(conv.period.is_power_of_two());
    assert_eq!(conv.bias.len(), conv.period * conv.period * conv.cout);
    assert_eq!(conv.scale.len(), conv.cout);
    // SAFETY: the shapes above keep every access in bounds (see `conv_generic`); the CPU has the
    // instruction sets of `cpu`'s level.
    unsafe {
        by_level!(
            cpu,
            avx512: conv_avx512(conv, src, dst),
            avx2: conv_avx2(conv, src, dst),
            neon: conv_generic::<super::vector::arm::Neon, 2, 6, 12>(conv, src, dst, 0, conv.cout),
            portable: conv_portable(conv, src, dst),
        )
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

/// Output channels `from..to`, in blocks of `P` pixels × `NV` vectors, what is left over in blocks
/// of `Q` × 1.
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
    // SAFETY: pixel (y + ky − 1, x + p + kx − 1) lies inside src's border; weight and bias indices
    // are below the lengths that the caller asserted; dst's pixels are inside it.
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
                let w = conv.weights.as_ptr().add((3 * ky + kx) * cin * cout + co);
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
