//! What a convolution's sums may reach: the proof that 32 bits hold them, the magnitudes that an
//! update may have, and how far weights may move where sums of 16 bits shall go on to hold.

use super::condition::FEATURE_BITS;
use super::model::{Model, ModelLayer, Network, INPUT_LIMIT};
use super::step::scaled;
use super::update::MAX_MAGNITUDE;
use super::Condition;
use crate::util::alloc;
use crate::Result;
use std::ops::RangeInclusive;

/// Largest magnitudes that an update's integers may have at step field `field` so that
/// [`Prepared::new`](super::Prepared::new) accepts it and multipliers stay above an eighth of the
/// model's: per layer the channels' scales, then their biases.
#[must_use]
pub fn update_bounds(model: &Model, condition: Condition, field: u8) -> Vec<[Vec<i16>; 2]> {
    let most = i64::from(MAX_MAGNITUDE);
    let mut all = Vec::new();
    for network in model.networks() {
        let mut limit_in = i64::from(INPUT_LIMIT);
        for layer in &network.layers {
            let bounds_of = |c: usize| -> (i16, i16) {
                let m = i64::from(layer.multiplier[c]);
                let up = (1i64 << layer.shift) - m;
                let scale = (m - m / 8).min(up).max(0) / scaled(layer.scale_step[c], field);
                let taken = largest_sum(&layer.weights, &layer.bias, layer.cout, c, limit_in)
                    + folded(layer, condition, c).abs();
                let bias = ((1 << 31) - 1 - taken).max(0) / scaled(layer.bias_step[c], field);
                (scale.min(most) as i16, bias.min(most) as i16)
            };
            let (scales, biases) = (0..layer.cout).map(bounds_of).unzip();
            all.push([scales, biases]);
            limit_in = i64::from(layer.limit);
        }
    }
    all
}

/// What each layer's inputs may be, and what its output channels' sums may reach besides weights
/// and biases: what the conditions add at most is taken off.
pub(crate) fn sum_bounds(model: &Model, conditions: &[Condition]) -> Vec<(i64, Vec<i64>)> {
    let of_network = |network: &Network| {
        let limits = std::iter::once(INPUT_LIMIT).chain(network.layers.iter().map(|l| l.limit));
        let layers = limits.zip(&network.layers).map(|(limit, layer)| {
            let added = |c| conditions.iter().map(move |of| folded(layer, *of, c).abs()).max();
            let left = |c| (1 << 31) - added(c).unwrap_or(0);
            (i64::from(limit), (0..layer.cout).map(left).collect())
        });
        layers.collect::<Vec<_>>()
    };
    model.networks().flat_map(of_network).collect()
}

/// What the condition adds to the biases of channel `c`.
pub(super) fn folded(layer: &ModelLayer, condition: Condition, c: usize) -> i64 {
    let terms = layer.condition[c..].iter().step_by(layer.cout).zip(condition.0);
    let sum: i64 = terms.map(|(w, f)| i64::from(*w) * i64::from(f)).sum();
    (sum + (1 << (FEATURE_BITS - 1))) >> FEATURE_BITS
}

/// Bound on the magnitude of channel `c`'s sums for inputs of magnitude up to `input_limit`.
pub(super) fn largest_sum(
    weights: &[i16],
    bias: &[i32],
    cout: usize,
    c: usize,
    input_limit: i64,
) -> i64 {
    let factors: i64 = weights[c..].iter().step_by(cout).map(|w| i64::from(w.unsigned_abs())).sum();
    let biases = bias[c..].iter().step_by(cout).map(|b| i64::from(b.unsigned_abs()));
    factors * input_limit + biases.max().unwrap_or(0)
}

const BYTES: RangeInclusive<i64> = i8::MIN as i64..=i8::MAX as i64;
const WORDS: RangeInclusive<i64> = -(i16::MAX as i64)..=i16::MAX as i64;

/// Whether inputs in 0..=`input_limit` and `weights` are bytes.
pub(crate) fn are_bytes(weights: &[i16], input_limit: i32) -> bool {
    input_limit <= 255 && weights.iter().all(|w| BYTES.contains(&i64::from(*w)))
}

/// Sums of 16 bits that products of a layer of bytes are added to, from all of a sign: for each
/// half of the input channels at a position, output channel, every other two of the input channels
/// (4k and 4k + 1, or 4k + 2 and 4k + 3), and sign. Half weights that follow each other make longer
/// sums. `cin` is a multiple of 8.
#[derive(Clone, Copy)]
struct ByteSums {
    cin: usize,
    cout: usize,
}

impl ByteSums {
    /// The number of half a weight's sums.
    fn row(self) -> usize {
        4 * self.cout
    }

    /// The sum that weight `i` of `[9][cin][cout]` counts to with one of the signs.
    fn slot(self, i: usize, positive: bool) -> usize {
        let (half_weight, co) = (i / (self.cin / 2 * self.cout), i % self.cout);
        let pair = i / self.cout % 4 / 2;
        half_weight * self.row() + 4 * co + 2 * pair + usize::from(positive)
    }

    /// The most that magnitudes of weights in a sum may add up to, by sign: one more below than
    /// above.
    fn most(input_limit: i32) -> [i64; 2] {
        [32768, 32767].map(|most| most / i64::from(input_limit.max(1)))
    }

    /// The magnitudes of weights in each slot.
    fn of(self, weights: &[i16]) -> Result<Vec<i64>> {
        let mut sums = alloc::try_filled(18 * self.row(), 0)?;
        let half_weights = weights.chunks_exact(self.cin / 2 * self.cout);
        for (row, half_weight) in sums.chunks_exact_mut(self.row()).zip(half_weights) {
            for (ci, channels) in half_weight.chunks_exact(self.cout).enumerate() {
                let pair = ci % 4 / 2;
                for (sums, w) in row.as_chunks_mut::<4>().0.iter_mut().zip(channels) {
                    sums[2 * pair + usize::from(*w > 0)] += i64::from(w.unsigned_abs());
                }
            }
        }
        Ok(sums)
    }
}

/// What a convolution's products may be added in; the result is the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SumWidth {
    /// Sums of 32 bits.
    I32,
    /// Sums of 16 bits, wrapping, over runs of half weights, which have half of the input channels
    /// each: those of a row's three weights, of one weight, or one half; input channels 4k and 4k +
    /// 1 apart from 4k + 2 and 4k + 3. No such sum leaves 16 bits. Inputs lie in 0..=255, weights
    /// in −128..=127.
    I16 {
        /// 6, 2 or 1.
        halves: usize,
    },
}

impl SumWidth {
    /// The narrowest that hold for weights `[9][cin][cout]` and inputs from 0 to `input_limit`.
    ///
    /// # Errors
    /// [`OutOfMemory`](crate::Error::OutOfMemory).
    pub(crate) fn narrowest(
        weights: &[i16],
        (cin, cout): (usize, usize),
        input_limit: i32,
    ) -> Result<Self> {
        if !are_bytes(weights, input_limit) {
            return Ok(Self::I32);
        }
        let sums = ByteSums { cin, cout };
        let (row, magnitudes) = (sums.row(), sums.of(weights)?);
        let most = ByteSums::most(input_limit);
        let fit = |halves: &usize| {
            magnitudes.chunks_exact(halves * row).all(|run| {
                let sum = |slot: usize| run[slot..].iter().step_by(row).sum::<i64>();
                (0..row).all(|slot| sum(slot) <= most[slot % 2])
            })
        };
        Ok([6, 2, 1].into_iter().find(fit).map_or(Self::I32, |halves| Self::I16 { halves }))
    }
}

/// How far weights may be moved. Where a layer's products are of bytes and their sums over half the
/// inputs at one position stay in 16 bits, they shall with an update as well: such layers are
/// faster.
pub(super) struct SumHeadroom {
    sums: ByteSums,
    /// What the magnitudes in each sum of bytes have left; none in other layers.
    left: Vec<i64>,
}

impl SumHeadroom {
    /// The headroom of weights `[9][cin][cout]` whose inputs lie in 0..=`input_limit`.
    ///
    /// # Errors
    /// [`OutOfMemory`](crate::Error::OutOfMemory).
    pub(super) fn new(
        weights: &[i16],
        (cin, cout): (usize, usize),
        input_limit: i32,
    ) -> Result<Self> {
        let sums = ByteSums { cin, cout };
        let mut left = Vec::new();
        if are_bytes(weights, input_limit) {
            let most = ByteSums::most(input_limit);
            left = sums.of(weights)?;
            left.iter_mut().enumerate().for_each(|(slot, sum)| *sum = most[slot % 2] - *sum);
        }
        if left.iter().any(|left| *left < 0) {
            left.clear();
        }
        Ok(Self { sums, left })
    }

    /// What weight `i` becomes that was `old` and shall be `wanted`: as near to that as there is
    /// headroom.
    pub(super) fn take(&mut self, i: usize, old: i64, wanted: i64) -> i16 {
        if self.left.is_empty() {
            return wanted.clamp(*WORDS.start(), *WORDS.end()) as i16;
        }
        let (from, to) = (self.sums.slot(i, old > 0), self.sums.slot(i, wanted > 0));
        self.left[from] += old.abs();
        let most = self.left[to].min(if wanted > 0 { *BYTES.end() } else { -BYTES.start() });
        let new = wanted.clamp(-most, most);
        self.left[to] -= new.abs();
        new as i16
    }
}
