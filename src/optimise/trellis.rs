//! Rate–distortion optimal rounding of a block: a trellis over its coefficients in zigzag order.

use super::rate::{size, Band, Costs};
use crate::carriage::jpeg::ZIGZAG;
use crate::codec::transform::BLOCK;

/// Largest magnitude of an AC coefficient of 8-bit pictures (T.81, F.1.2.2).
pub(super) const MAX_AC: i32 = 1023;
/// Largest magnitude of a DC coefficient: differences of two have up to 11 bits.
pub(super) const MAX_DC: i32 = 1023;

/// Where the coefficients shall be, and what being off costs: `Σ weight · (value − target)²`, both
/// in quantiser steps.
pub(super) struct Goal {
    pub target: [f32; BLOCK],
    pub weight: [f32; BLOCK],
}

/// The AC coefficients of least `distortion + lambda · cost`, into `block`.
///
/// Values are the two integers around a target towards 0, 0, and the largest of the next smaller
/// size.
pub(super) fn ac(goal: &Goal, costs: &Costs, lambda: f32, block: &mut [i16; BLOCK]) {
    for (positions, band) in costs.bands() {
        scan(goal, positions, band, lambda, block);
    }
}

/// The coefficients of one scan.
fn scan(
    goal: &Goal,
    (first, end): (usize, usize),
    band: &Band,
    lambda: f32,
    block: &mut [i16; BLOCK],
) {
    // The distortion of zeros before each position.
    let mut zeros = [0.0f32; BLOCK + 1];
    for i in first..=end {
        let k = ZIGZAG[i];
        zeros[i + 1] = zeros[i] + goal.weight[k] * goal.target[k] * goal.target[k];
    }
    let all = zeros[end + 1];
    // Positions that may hold the last value so far: each with the least cost up to it, less that
    // of zeros there, the one before it and its value. The one before the first is no value.
    let mut cost = [0.0f32; BLOCK];
    let mut before = [0u8; BLOCK];
    let mut value = [0i16; BLOCK];
    let mut alive = [0u8; BLOCK];
    alive[0] = first as u8 - 1;
    let mut count = 1;
    let (mut least, mut last) = (all + lambda * band.empty as f32, first - 1);
    for i in first..=end {
        let k = ZIGZAG[i];
        let target = goal.target[k].abs();
        let nearest = ((target + 0.5) as i32).min(MAX_AC);
        if nearest == 0 {
            continue;
        }
        let mut candidates = [nearest, nearest - 1, 0];
        // The largest of the next smaller size.
        let smaller = (1 << (size(nearest) - 1)) - 1;
        if smaller < nearest - 1 {
            candidates[2] = smaller;
        }
        cost[i] = f32::INFINITY;
        for v in candidates {
            if v == 0 {
                continue;
            }
            let size = size(v);
            let off = v as f32 - target;
            let own = goal.weight[k] * off * off;
            for &j in alive[..count].iter().rev() {
                let j = usize::from(j);
                let rate = lambda * band.value(i - j - 1, size) as f32;
                let total = cost[j] + (zeros[i] - zeros[j + 1]) + own + rate;
                if total < cost[i] {
                    cost[i] = total;
                    before[i] = j as u8;
                    value[i] = if goal.target[k] < 0.0 { -v as i16 } else { v as i16 };
                }
            }
        }
        alive[count] = i as u8;
        count += 1;
        let rest = if i < end { lambda * band.end as f32 } else { 0.0 };
        let total = cost[i] + (all - zeros[i + 1]) + rest;
        if total < least {
            (least, last) = (total, i);
        }
    }
    ZIGZAG[first..=end].iter().for_each(|k| block[*k] = 0);
    while last >= first {
        block[ZIGZAG[last]] = value[last];
        last = usize::from(before[last]);
    }
}

/// The DC coefficient nearest to its target.
pub(super) fn nearest_dc(goal: &Goal) -> i16 {
    goal.target[0].round().clamp(-MAX_DC as f32, MAX_DC as f32) as i16
}

/// The DC coefficient of least `distortion + lambda · cost` between its fixed neighbours in coding
/// order.
pub(super) fn dc(goal: &Goal, costs: &Costs, lambda: f32, previous: i16, next: Option<i16>) -> i16 {
    let nearest = i32::from(nearest_dc(goal));
    let cost = |v: i32| {
        let mut rate = costs.dc(v - i32::from(previous));
        if let Some(next) = next {
            rate += costs.dc(i32::from(next) - v);
        }
        let off = v as f32 - goal.target[0];
        goal.weight[0] * off * off + lambda * rate as f32
    };
    let (mut least, mut best) = (f32::INFINITY, nearest);
    for v in (nearest - 2).max(-MAX_DC)..=(nearest + 2).min(MAX_DC) {
        let cost = cost(v);
        if cost < least {
            (least, best) = (cost, v);
        }
    }
    best as i16
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::optimise::rate::{Counts, Scans};
    use crate::util::rng::Xorshift;

    fn cost(goal: &Goal, costs: &Costs, lambda: f32, block: &[i16; BLOCK]) -> f64 {
        let off = (1..BLOCK).map(|k| {
            f64::from(goal.weight[k]) * (f64::from(block[k]) - f64::from(goal.target[k])).powi(2)
        });
        off.sum::<f64>() + f64::from(lambda) * f64::from(costs.ac(block))
    }

    fn goal(random: &mut Xorshift) -> Goal {
        // Low frequencies are large, the others mostly near 0.
        let target = |k: usize| random_target(random, k);
        fn random_target(random: &mut Xorshift, k: usize) -> f32 {
            let range = 400 / (1 + k / 8 + k % 8) as i64;
            random.range(-range, range) as f32 / 100.0
        }
        let target = std::array::from_fn(target);
        Goal { target, weight: std::array::from_fn(|k| 100.0 + k as f32) }
    }

    fn costs(scans: Scans, random: &mut Xorshift) -> Costs {
        let mut counts = Counts::new(scans);
        for _ in 0..200 {
            let goal = goal(random);
            counts.add(&goal.target.map(|t| t.round() as i16), 0);
        }
        counts.costs()
    }

    /// No change of one coefficient, and no zeroing of several, is better.
    #[test]
    fn nothing_near_is_better() {
        let mut random = Xorshift(11);
        for (lambda, scans) in [0.01, 0.2, 2.0]
            .into_iter()
            .flat_map(|l| [Scans::Sequential, Scans::ProgressiveLuma].map(|s| (l, s)))
        {
            let costs = costs(scans, &mut random);
            for _ in 0..60 {
                let goal = goal(&mut random);
                let mut block = [7; BLOCK];
                ac(&goal, &costs, lambda, &mut block);
                assert_eq!(block[0], 7);
                let least = cost(&goal, &costs, lambda, &block);
                let plain = goal.target.map(|t| t.round() as i16);
                assert!(least <= cost(&goal, &costs, lambda, &plain) + 1e-2);
                for k in 1..BLOCK {
                    for v in [0, block[k] - block[k].signum(), plain[k]] {
                        let mut other = block;
                        other[k] = v;
                        assert!(least <= cost(&goal, &costs, lambda, &other) + 1e-2, "{k} {v}");
                    }
                }
            }
        }
    }

    #[test]
    fn without_a_price_targets_are_rounded() {
        let mut random = Xorshift(12);
        let costs = costs(Scans::ProgressiveChroma, &mut random);
        let goal = goal(&mut random);
        let mut block = [0; BLOCK];
        ac(&goal, &costs, 0.0, &mut block);
        block[0] = dc(&goal, &costs, 0.0, 3, Some(-3));
        for (v, t) in block.iter().zip(goal.target) {
            assert!((f32::from(*v) - t).abs() <= 0.5001, "{v} {t}");
        }
    }

    #[test]
    fn wild_targets_stay_in_range() {
        let mut random = Xorshift(13);
        let costs = costs(Scans::ProgressiveChroma, &mut random);
        let goal = Goal { target: [1e9; BLOCK], weight: [1.0; BLOCK] };
        let mut block = [0; BLOCK];
        ac(&goal, &costs, 1.0, &mut block);
        assert!(block[1..].iter().all(|v| i32::from(*v) <= MAX_AC));
        assert!(i32::from(dc(&goal, &costs, 1.0, 0, None)) <= MAX_DC);
    }
}
