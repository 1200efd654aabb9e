//! Sums over a feature map's pixels: the gradient of a convolution's weights, and those of its
//! channels.
//!
//! Every sum is one chain of fused multiply-adds in a fixed order (row, column), whatever the back
//! end: the results are the same on every CPU.

use super::map::Map;
use super::vector::{by_level, Portable, Vector};
use crate::cpu::Supported;

/// `grad[t][ci][co] += Σ over pixels of src[y + ky − 1][x + kx − 1][ci] · dy[y][x][co]` for
/// `co < cout`; all channels of `dy` above are 0.
///
/// # Panics
/// If shapes disagree.
pub(super) fn weight_gradient(
    cpu: Supported,
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
        // SAFETY: shapes are as asserted.
        unsafe {
            if cout == 4 {
                narrow_gradient::<4>(cpu, src, cin, dy, &mut turned);
            } else {
                narrow_gradient::<2>(cpu, src, cin, dy, &mut turned);
            }
        }
        for ((t, co, ci), g) in places().zip(&turned) {
            grad[(t * cin + ci) * dy.channels + co] = *g;
        }
        return;
    }
    // SAFETY: shapes as asserted keep every access in bounds; the CPU has the instruction sets of
    // `cpu`'s level.
    unsafe {
        by_level!(
            cpu,
            avx512: gradient_avx512(src, cin, dy, grad),
            avx2: gradient_avx2(src, cin, dy, grad),
            neon: gradient_by::<super::vector::arm::Neon, 2>(src, cin, dy, grad),
            portable: gradient_by::<Portable, 1>(src, cin, dy, grad),
        )
    }
}

/// Blocks of `NV` vectors of output channels, and of all of a first layer's input channels or of four.
///
/// # Safety
/// What [`gradient_generic`] asks for holds.
#[inline(always)]
unsafe fn gradient_by<V: Vector, const NV: usize>(
    src: &Map,
    cin: usize,
    dy: &Map,
    grad: &mut [f32],
) {
    // SAFETY: forwarded.
    unsafe {
        if cin == 6 {
            gradient_generic::<V, NV, 6>(src, cin, dy, grad, 0, dy.channels);
        } else {
            gradient_generic::<V, NV, 4>(src, cin, dy, grad, 0, dy.channels);
        }
    }
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,fma")]
unsafe fn gradient_avx2(src: &Map, cin: usize, dy: &Map, grad: &mut [f32]) {
    // SAFETY: forwarded.
    unsafe { gradient_by::<super::vector::x86::Avx2, 2>(src, cin, dy, grad) }
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
/// that the row stays in the first-level cache for all weights.
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
    // SAFETY: the weight's pixels lie inside src's border, grad holds 9·cin·cout floats.
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

/// `grad[t][co][ci] += …`, as it is in [`weight_gradient`], for `CO` output channels, 4 or 2:
/// vectors are of input channels.
///
/// # Safety
/// Shapes are as asserted there, with `cin` a multiple of 16.
unsafe fn narrow_gradient<const CO: usize>(
    cpu: Supported,
    src: &Map,
    cin: usize,
    dy: &Map,
    grad: &mut [f32],
) {
    // SAFETY: forwarded; the CPU has the instruction sets of `cpu`'s level.
    unsafe {
        by_level!(
            cpu,
            avx512: narrow_avx512::<CO>(src, cin, dy, grad),
            avx2: narrow_avx2::<CO>(src, cin, dy, grad),
            neon: narrow_generic::<super::vector::arm::Neon, CO>(src, cin, dy, grad),
            portable: narrow_generic::<Portable, CO>(src, cin, dy, grad),
        )
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

/// Blocks of a row of three weights × `CO` output channels × one vector of input channels.
///
/// # Safety
/// [`narrow_gradient`]'s contract holds, with `CO` for `cout`; the CPU has `V`'s instruction set.
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
                // SAFETY: the weights' pixels lie inside src's border, grad holds 9·CO·cin floats,
                // dy's pixels at least CO.
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

/// `sums[phase][c] += Σ over the phase's pixels of d[y][x][c] · by[y][x][c]`, or of `d` alone;
/// phases as in [`Conv`](super::conv::Conv).
///
/// # Panics
/// If shapes disagree.
pub(super) fn channel_sums(
    cpu: Supported,
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
        // SAFETY: the rows are equally long, a multiple of c; the CPU has the instruction sets of
        // `cpu`'s level.
        unsafe {
            by_level!(
                cpu,
                avx512: sums_avx2(c, d, by, sums),
                avx2: sums_avx2(c, d, by, sums),
                neon: sums_generic::<super::vector::arm::Neon>(c, d, by, sums),
                portable: sums_generic::<Portable>(c, d, by, sums),
            )
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
/// `by` is as long as `d`, `c` and both lengths are multiples of `V::N`; the CPU has `V`'s
/// instruction set.
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
