//! What an update makes of a layer's taps.
//!
//! Changes of single taps say nearly the same as changes of their neighbours, and most of what they do is
//! what a bias does as well. So an update holds coefficients of mixtures instead: of patterns of the
//! kernel, of input and of output channels, chosen such that each does something of its own; and biases
//! take back what the changes do to an average input.

use super::model::{Model, ModelLayer, Network, INPUT_LIMIT};
use crate::payload::update::{Update, MAX_STEP};
use crate::{memory, Error, Result};
use std::ops::RangeInclusive;
use std::sync::Arc;

/// The products of steps and mixtures are in units of a tap divided by 2 to this.
const FRACTION: u32 = 28;
/// The magnitudes of all of a layer's coefficients, times their steps, stay below this: mixing then stays
/// within 64 bits.
const MOST: i64 = 1 << 40;

/// How a layer's coefficients become changes of its taps: each row of a matrix is one mixture. Entries in
/// −127..=127.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mixing {
    /// `[9][9]`, patterns of the kernel by position 3·ky + kx.
    pub kernel: Vec<i8>,
    /// `[cin][cin]`, mixtures of input channels.
    pub input: Vec<i8>,
    /// `[cout][cout]`, mixtures of output channels.
    pub output: Vec<i8>,
}

impl Mixing {
    /// Every coefficient changes one tap.
    #[must_use]
    pub fn none(cin: usize, cout: usize) -> Self {
        let unit = |n: usize| (0..n * n).map(|i| if i / n == i % n { 127 } else { 0 }).collect();
        Self { kernel: unit(9), input: unit(cin), output: unit(cout) }
    }

    /// Whether it is of this shape, and entries are in range.
    pub(super) fn is_consistent(&self, cin: usize, cout: usize) -> bool {
        let of = |matrix: &[i8], n: usize| matrix.len() == n * n && !matrix.contains(&i8::MIN);
        of(&self.kernel, 9) && of(&self.input, cin) && of(&self.output, cout)
    }
}

/// What the factors of a mixture, of 127 at most each, and a step of one make of a tap are multiplied with.
pub const UNIT: f32 = 1.0 / (1u64 << FRACTION) as f32;
/// Steps that move a tap by one where all factors are 127.
pub(super) const STEPS_OF_A_TAP: i32 = (1 << FRACTION) / (127 * 127 * 127);

/// The taps of all layers with an update, to be shared by instances for many conditions.
pub(crate) struct Taps(Vec<Changed>);

/// A layer's taps with an update.
#[derive(Clone)]
pub(crate) struct Changed {
    /// `[9][cin][cout]`.
    pub taps: Arc<[i16]>,
    /// `[cout]`, what an average input makes of the changes; empty without any.
    pub average: Vec<i64>,
}

impl Taps {
    /// Those of `model` with `update` applied.
    ///
    /// # Errors
    /// [`Error::Corrupt`] if the model is not of its shape, the update not of the model's, or if its
    /// coefficients are too large; [`Error::OutOfMemory`].
    pub(crate) fn new(model: &Model, update: Option<&Update>) -> Result<Self> {
        if !model.networks().all(Network::is_consistent) {
            return Err(Error::Corrupt);
        }
        let layers = || model.networks().flat_map(|n| &n.layers);
        let unchanged =
            |base: &ModelLayer| Changed { taps: Arc::clone(&base.taps), average: Vec::new() };
        let Some(update) = update else {
            return Ok(Self(layers().map(unchanged).collect()));
        };
        let fits = update.layers.len() == layers().count()
            && update.layers.iter().zip(layers()).all(|(u, base)| u.fits(base.cin, base.cout));
        if !fits || update.step > MAX_STEP {
            return Err(Error::Corrupt);
        }
        let mut all = Vec::new();
        let mut updates = update.layers.iter();
        for network in model.networks() {
            let mut limit = INPUT_LIMIT;
            for (base, update_of) in network.layers.iter().zip(&mut updates) {
                all.push(if update_of.coefficients.is_empty() {
                    unchanged(base)
                } else {
                    changed(base, &update_of.coefficients, update.step, limit)?
                });
                limit = base.limit;
            }
        }
        Ok(Self(all))
    }

    /// Of each layer.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &Changed> {
        self.0.iter()
    }
}

/// The taps of a layer whose inputs are at most `limit`, with coefficients `[9][cin][cout]` at step field
/// `field`.
fn changed(base: &ModelLayer, coefficients: &[i16], field: u8, limit: i32) -> Result<Changed> {
    let (cin, cout) = (base.cin, base.cout);
    let changes = mixed(base, coefficients, field)?;
    let mut taps = memory::filled(base.taps.len(), 0)?;
    let mut room = Room::new(&base.taps, (cin, cout), limit);
    let mut average = vec![0; cout];
    for (i, (new, change)) in taps.iter_mut().zip(&changes).enumerate() {
        let old = i64::from(base.taps[i]);
        let wanted = old + ((*change + (1 << (FRACTION - 1))) >> FRACTION);
        *new = room.take(i, old, wanted);
        average[i % cout] += (i64::from(*new) - old) * i64::from(base.mean[i / cout % cin]);
    }
    Ok(Changed { taps: taps.into(), average })
}

/// The changes of all taps in units of 2^−[`FRACTION`].
fn mixed(base: &ModelLayer, coefficients: &[i16], field: u8) -> Result<Vec<i64>> {
    let (cin, cout) = (base.cin, base.cout);
    let Mixing { kernel, input, output } = &base.mixing;
    let mut sum = 0i64;
    let mut mixed = memory::filled(9 * cin * cout, 0i64)?;
    let mut row_of = vec![0i64; cout];
    for (row, values) in coefficients.chunks_exact(cout).enumerate() {
        if values.iter().all(|q| *q == 0) {
            continue;
        }
        row_of.fill(0);
        for (column, q) in values.iter().enumerate().filter(|(_, q)| **q != 0) {
            let amount = i64::from(*q) * base.step(row, column, field);
            // A step is below 2^41, so this does not overflow either.
            sum += amount.abs();
            if sum >= MOST {
                return Err(Error::Corrupt);
            }
            add(&mut row_of, amount, &output[column * cout..][..cout]);
        }
        let (pattern, mixture) = (row / cin, row % cin);
        for (ci, weight) in input[mixture * cin..][..cin].iter().enumerate() {
            let to = &mut mixed[(pattern * cin + ci) * cout..][..cout];
            to.iter_mut().zip(&row_of).for_each(|(to, v)| *to += i64::from(*weight) * v);
        }
    }
    // From patterns to positions, in place.
    for at in 0..cin * cout {
        let of_pattern: [i64; 9] = std::array::from_fn(|pattern| mixed[pattern * cin * cout + at]);
        for position in 0..9 {
            let weights = kernel.iter().skip(position).step_by(9);
            let sum =
                of_pattern.iter().zip(weights).map(|(v, weight)| i64::from(*weight) * v).sum();
            mixed[position * cin * cout + at] = sum;
        }
    }
    Ok(mixed)
}

fn add(to: &mut [i64], amount: i64, weights: &[i8]) {
    to.iter_mut().zip(weights).for_each(|(to, weight)| *to += amount * i64::from(*weight));
}

const BYTES: RangeInclusive<i64> = i8::MIN as i64..=i8::MAX as i64;
const WORDS: RangeInclusive<i64> = -(i16::MAX as i64)..=i16::MAX as i64;

/// How far taps may be moved. Where a layer's products are of bytes and their sums over half the inputs at
/// one position stay in 16 bits, they shall with an update as well: such layers are faster.
struct Room {
    cin: usize,
    cout: usize,
    /// What the sums of bytes have left, for each position, output channel, half of the input channels,
    /// every other two of these and sign; none in other layers.
    left: Vec<i64>,
}

impl Room {
    /// Of taps `[9][cin][cout]` whose inputs lie in 0..=`input_limit`.
    fn new(taps: &[i16], (cin, cout): (usize, usize), input_limit: i32) -> Self {
        let input_limit = i64::from(input_limit);
        let mut room = Self { cin, cout, left: Vec::new() };
        let bytes = taps.iter().all(|w| BYTES.contains(&i64::from(*w)));
        if input_limit > 255 || !bytes {
            return room;
        }
        // One more below than above.
        room.left =
            (0..9 * cout * 8).map(|i| (32768 - i as i64 % 2) / input_limit.max(1)).collect();
        for (i, w) in taps.iter().map(|w| i64::from(*w)).enumerate() {
            let slot = room.slot(i, w > 0);
            room.left[slot] -= w.abs();
        }
        if room.left.iter().any(|left| *left < 0) {
            room.left.clear();
        }
        room
    }

    /// Where tap `i` counts by its sign.
    fn slot(&self, i: usize, positive: bool) -> usize {
        let (ci, co) = (i / self.cout % self.cin, i % self.cout);
        let position = i / self.cout / self.cin;
        let part = 2 * (2 * ci / self.cin) + ci % 4 / 2;
        ((position * self.cout + co) * 4 + part) * 2 + usize::from(positive)
    }

    /// What tap `i` becomes that was `old` and shall be `wanted`: as near to that as there is room.
    fn take(&mut self, i: usize, old: i64, wanted: i64) -> i16 {
        if self.left.is_empty() {
            return wanted.clamp(*WORDS.start(), *WORDS.end()) as i16;
        }
        let (from, to) = (self.slot(i, old > 0), self.slot(i, wanted > 0));
        self.left[from] += old.abs();
        let most = self.left[to].min(if wanted > 0 { *BYTES.end() } else { -BYTES.start() });
        let new = wanted.clamp(-most, most);
        self.left[to] -= new.abs();
        new as i16
    }
}
