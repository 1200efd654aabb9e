//! `a · b + c` of f32, rounded once, where no instruction does it: without the C library's `fmaf`, which some
//! (mingw-w64's of 2022) round several times.
//!
//! A product of two f32 is exact in f64. The sum, rounded to f64, rounds on to the right f32 unless it lies halfway
//! between two of them while the exact one does not. There it is rounded to odd instead, by its error, which two more
//! sums give exactly (Knuth's TwoSum): 53 bits rounded to odd round on to at most 51 as the exact value does (Boldo and
//! Melquiond, "Emulation of a FMA and correctly rounded sums: proved algorithms using rounding to odd", IEEE
//! Transactions on Computers 57, 2008). Nothing in f64 overflows or is subnormal: products are 0 or between 2⁻²⁹⁸ and
//! 2²⁵⁶, and so are sums.

use crate::cpu::FMA_BUILT_IN;
use std::array::from_fn;

/// `a · b + c`, rounded once.
#[inline(always)]
pub(super) fn fma(a: f32, b: f32, c: f32) -> f32 {
    if FMA_BUILT_IN {
        a.mul_add(b, c)
    } else {
        emulated(a, b, c)
    }
}

/// `a · b + c` of each lane, rounded once.
///
/// Plain loops: with closures compilers leave calls in here.
#[inline(always)]
#[allow(clippy::needless_range_loop)]
pub(super) fn fma_lanes(a: [f32; 8], b: [f32; 8], c: [f32; 8]) -> [f32; 8] {
    let mut rounded = [0.0; 8];
    if FMA_BUILT_IN {
        for i in 0..8 {
            rounded[i] = a[i].mul_add(b[i], c[i]);
        }
        return rounded;
    }
    let (mut sums, mut doubtful) = ([0.0; 8], [0; 8]);
    for i in 0..8 {
        sums[i] = f64::from(a[i]) * f64::from(b[i]) + f64::from(c[i]);
    }
    for i in 0..8 {
        let bits = f64::to_bits(sums[i]);
        let (low, high) = (bits as i32, (bits >> 32) as i32 & i32::MAX);
        let halfway = -i32::from(low & 0x1fff_ffff == 0x1000_0000);
        // Halfway between subnormals other bits say so.
        let subnormal = -i32::from(high > 0) & -i32::from(high < LEAST_NORMAL);
        doubtful[i] = halfway | subnormal;
    }
    let mut any = 0;
    for i in 0..8 {
        any |= doubtful[i];
        rounded[i] = sums[i] as f32;
    }
    if any != 0 {
        return all_emulated(a, b, c);
    }
    rounded
}

/// Upper half of the f64 2⁻¹²⁶, the least f32 that is not subnormal.
const LEAST_NORMAL: i32 = 0x3810_0000;

#[cold]
#[inline(never)]
fn all_emulated(a: [f32; 8], b: [f32; 8], c: [f32; 8]) -> [f32; 8] {
    from_fn(|i| emulated(a[i], b[i], c[i]))
}

#[inline]
fn emulated(a: f32, b: f32, c: f32) -> f32 {
    let (product, c) = (f64::from(a) * f64::from(b), f64::from(c));
    let sum = product + c;
    let part = sum - product;
    let error = (product - (sum - part)) + (c - part);
    // Infinite and NaN sums have a NaN for an error and stay as they are.
    let inexact = u64::from(error.abs() > 0.0);
    let too_far = (error.to_bits() ^ sum.to_bits()) >> 63;
    // Of the two neighbours of the exact sum the odd one: it ends in a one, towards zero or away.
    f64::from_bits((sum.to_bits() - (inexact & too_far)) | inexact) as f32
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::util::rng::Xorshift;

    /// The CPU's own instruction.
    #[cfg(target_arch = "x86_64")]
    fn instruction() -> Option<fn(f32, f32, f32) -> f32> {
        #[target_feature(enable = "fma")]
        fn fma(a: f32, b: f32, c: f32) -> f32 {
            a.mul_add(b, c)
        }
        // SAFETY: the CPU has it.
        is_x86_feature_detected!("fma").then_some(|a, b, c| unsafe { fma(a, b, c) })
    }

    #[cfg(not(target_arch = "x86_64"))]
    fn instruction() -> Option<fn(f32, f32, f32) -> f32> {
        FMA_BUILT_IN.then_some(f32::mul_add)
    }

    /// Equal bits, or NaN both.
    fn same(x: f32, y: f32) -> bool {
        x.to_bits() == y.to_bits() || x.is_nan() && y.is_nan()
    }

    /// Any f32, more often those that trainers meet and subnormal ones.
    fn operand(rng: &mut Xorshift) -> f32 {
        let (bits, kind) = (rng.next() as u32, rng.below(8));
        match kind {
            // Exponents not far apart: sums of which both parts count.
            0..=3 => f32::from_bits(bits & 0x83ff_ffff | 0x3e00_0000),
            // Few bits, of weights.
            4 => rng.range(-512, 512) as f32 / 64.0,
            5 => f32::from_bits(bits & 0x807f_ffff),
            _ => f32::from_bits(bits),
        }
    }

    /// A sum that is as little off halfway between two f32 as a product can make it, or halfway.
    fn beside_halfway(rng: &mut Xorshift) -> [f32; 3] {
        let c = match rng.below(4) {
            0 => f32::from_bits(rng.next() as u32 & 0x807f_ffff),
            _ => f32::from_bits((rng.range(1, 254) as u32) << 23 | rng.next() as u32 & 0x807f_ffff),
        };
        // Half a unit in the last place of `c` is 2 to this power.
        let half = (c.to_bits() >> 23 & 255).max(1) as i32 - 151;
        let of_a = (half / 2 + rng.range(-20, 20) as i32).clamp(-125, 126);
        let off = rng.range(0, 8) as f32 * f32::EPSILON;
        let power = |n: i32| f32::from_bits(((n + 127) as u32) << 23);
        let [a, b] =
            [power(of_a) * (1.0 + off), power((half - of_a).clamp(-125, 126)) * (1.0 - off)];
        [a, if rng.below(2) == 0 { b } else { -b }, c]
    }

    /// Two factors and what is added.
    fn triple(rng: &mut Xorshift) -> [f32; 3] {
        match rng.below(4) {
            0 => beside_halfway(rng),
            _ => from_fn(|_| operand(rng)),
        }
    }

    /// Figures by hand, so that machines without the instruction test something as well.
    #[test]
    fn known_results() {
        let ulp = f32::EPSILON;
        let least = f32::from_bits(1);
        let all = [
            // Halfway between 1 and the next, a little above it by what f64 can't hold, a little below.
            ([0.5 * ulp, 1.0, 1.0], 1.0),
            ([0.5 * ulp, 1.0 + ulp, 1.0], 1.0 + ulp),
            ([0.5 * ulp, 1.0 + ulp, 1.0 + ulp], 1.0 + 2.0 * ulp),
            ([0.5 * ulp * (1.0 - ulp), 1.0, 1.0 + ulp], 1.0 + ulp),
            ([f32::MIN_POSITIVE, f32::MIN_POSITIVE, 1.0], 1.0),
            // Subnormal: half the least one, and 2⁻⁴⁶ of that more.
            ([0.5 * f32::MIN_POSITIVE, ulp, 0.0], 0.0),
            ([0.5 * (1.0 + ulp), (1.0 + ulp) * least, 0.0], least),
            (
                [2f32.powi(-75) * (1.0 + ulp), 2f32.powi(-75) * (1.0 - ulp), 64.0 * least],
                64.0 * least,
            ),
            ([2f32.powi(-75) * (1.0 + ulp), 2f32.powi(-75), 64.0 * least], 65.0 * least),
            ([f32::MAX, 1.0, f32::MAX], f32::INFINITY),
            ([f32::MAX, 2.0, -f32::MAX], f32::MAX),
            ([f32::MAX, f32::MAX, f32::NEG_INFINITY], f32::NEG_INFINITY),
            ([f32::INFINITY, 1.0, f32::NEG_INFINITY], f32::NAN),
            ([f32::INFINITY, 0.0, 1.0], f32::NAN),
            ([-1.0, 0.0, -0.0], -0.0),
            ([1.0, 1.0, -1.0], 0.0),
        ];
        for ([a, b, c], expected) in all {
            for (a, b, c, expected) in [(a, b, c, expected), (b, a, c, expected)] {
                let found = emulated(a, b, c);
                assert!(same(found, expected), "{a:e} {b:e} {c:e}: {found:e}, not {expected:e}");
                assert!(same(fma(a, b, c), expected), "{a:e} {b:e} {c:e}");
            }
        }
    }

    /// One lane after the other, all lanes at once and the instruction.
    #[test]
    fn agrees_with_the_instruction() {
        let millions: usize = std::env::var("FMA_MILLIONS").map_or(1, |n| n.parse().unwrap());
        let instruction = instruction();
        let mut rng = Xorshift(0x5eed_0fac);
        for _ in 0..millions * 125_000 {
            let triples: [_; 8] = from_fn(|_| triple(&mut rng));
            let lanes =
                fma_lanes(triples.map(|t| t[0]), triples.map(|t| t[1]), triples.map(|t| t[2]));
            for ([a, b, c], lane) in triples.into_iter().zip(lanes) {
                let single = emulated(a, b, c);
                let expected = instruction.map_or(single, |instruction| instruction(a, b, c));
                assert!(
                    same(lane, expected) && same(single, expected),
                    "{a:e} {b:e} {c:e}: {lane:e} and {single:e}, not {expected:e}"
                );
            }
        }
    }

    /// The triples hold what they are to hold: sums that go wrong when rounded to f64 first, normal ones and subnormal
    /// ones.
    #[test]
    fn some_triples_need_care() {
        let mut rng = Xorshift(0x5eed_0fac);
        let (mut normal, mut subnormal) = (0, 0);
        for _ in 0..1_000_000 {
            let [a, b, c] = triple(&mut rng);
            let twice = (f64::from(a) * f64::from(b) + f64::from(c)) as f32;
            let once = emulated(a, b, c);
            if !same(once, twice) {
                *if once.is_normal() { &mut normal } else { &mut subnormal } += 1;
            }
        }
        println!("{normal} normal, {subnormal} subnormal");
        assert!(normal > 10_000 && subnormal > 1_000);
    }
}
