//! How narrow the sums of a convolution's products may be.

use crate::network::instance::Layer;

/// What a convolution's products of bytes may be added in; the result is the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sums {
    /// 32 bits.
    I32,
    /// 16 bits, wrapping, over runs of `taps` neighbouring taps of a row, input channels 4k and 4k + 1
    /// apart from 4k + 2 and 4k + 3: no such sum leaves 16 bits. Inputs lie in 0..=255, taps
    /// in −128..=127.
    I16 {
        /// 1 or 3.
        taps: usize,
    },
}

impl Sums {
    /// The narrowest that hold for inputs from 0 to `input_limit`.
    pub(super) fn narrowest(layer: &Layer, input_limit: i32) -> Self {
        if input_limit > 255 || layer.taps.iter().any(|w| i8::try_from(*w).is_err()) {
            return Self::I32;
        }
        let fit = |taps: &usize| {
            layer.taps.chunks_exact(taps * layer.cin * layer.cout).all(|run| {
                let mut sums = vec![[0i32; 4]; layer.cout];
                for (i, channels) in run.chunks_exact(layer.cout).enumerate() {
                    // The negative and the positive taps of either sum.
                    let half = i % 4 / 2 * 2;
                    for (sums, w) in sums.iter_mut().zip(channels) {
                        sums[half + usize::from(*w > 0)] += i32::from(*w) * input_limit;
                    }
                }
                let range = i32::from(i16::MIN)..=i32::from(i16::MAX);
                sums.iter().flatten().all(|sum| range.contains(sum))
            })
        };
        [3, 1].into_iter().find(fit).map_or(Self::I32, |taps| Self::I16 { taps })
    }
}

/// The sums of bytes that a layer's taps stand in: one for each tap, output channel, half of the input
/// channels and sign.
struct Slots {
    cin: usize,
    cout: usize,
    input_limit: i64,
    sums: Vec<i64>,
}

const BYTES: std::ops::RangeInclusive<i64> = i8::MIN as i64..=i8::MAX as i64;
const WORDS: std::ops::RangeInclusive<i64> = i16::MIN as i64..=i16::MAX as i64;

impl Slots {
    /// Of taps `[9][cin][cout]` whose inputs lie in 0..=`input_limit`; `None` if they are not to be
    /// multiplied as bytes.
    fn new(taps: &[i16], (cin, cout): (usize, usize), input_limit: i32) -> Option<Self> {
        if input_limit > 255 {
            return None;
        }
        let input_limit = i64::from(input_limit);
        let mut slots = Self { cin, cout, input_limit, sums: vec![0; 9 * cout * 4] };
        for (i, w) in taps.iter().map(|w| i64::from(*w)).enumerate() {
            if !BYTES.contains(&w) {
                return None;
            }
            let slot = slots.of(i, w);
            slots.sums[slot] += w * input_limit;
        }
        slots.sums.iter().all(|sum| WORDS.contains(sum)).then_some(slots)
    }

    /// Where tap `i` counts if it is `w`.
    fn of(&self, i: usize, w: i64) -> usize {
        let (ci, co) = (i / self.cout % self.cin, i % self.cout);
        let tap = i / self.cout / self.cin;
        (tap * self.cout + co) * 4 + ci % 4 / 2 * 2 + usize::from(w > 0)
    }

    /// Changes tap `i`, if what it becomes fits.
    fn change(&mut self, i: usize, old: i64, new: i64) -> bool {
        let (from, to) = (self.of(i, old), self.of(i, new));
        self.sums[from] -= old * self.input_limit;
        self.sums[to] += new * self.input_limit;
        let fits = BYTES.contains(&new) && WORDS.contains(&self.sums[to]);
        if !fits {
            self.sums[to] -= new * self.input_limit;
            self.sums[from] += old * self.input_limit;
        }
        fits
    }
}

/// Takes out the changes of taps that would leave 8 bits or a sum of one tap 16 bits, in a layer where
/// none does so far. `changed(i, n)` is what change `n` makes of tap `i`.
pub(crate) fn keep_bytes(
    taps: &[i16],
    shape: (usize, usize),
    input_limit: i32,
    changes: &mut [i16],
    changed: impl Fn(usize, i16) -> i64,
) {
    let Some(mut slots) = Slots::new(taps, shape, input_limit) else {
        return;
    };
    for (i, (tap, n)) in taps.iter().zip(changes).enumerate() {
        if *n != 0 && !slots.change(i, i64::from(*tap), changed(i, *n)) {
            *n = 0;
        }
    }
}

/// How far each tap of a layer may be moved by itself.
pub(crate) struct TapRoom<'a> {
    taps: &'a [i16],
    slots: Option<Slots>,
}

impl<'a> TapRoom<'a> {
    /// Of taps `[9][cin][cout]` whose inputs are at most `input_limit`.
    pub(crate) fn new(taps: &'a [i16], shape: (usize, usize), input_limit: i32) -> Self {
        Self { taps, slots: Slots::new(taps, shape, input_limit) }
    }

    /// Down and up, for tap `i`: within 16 bits, or in a layer of bytes so that it stays one.
    pub(crate) fn of(&self, i: usize) -> [i64; 2] {
        let w = i64::from(self.taps[i]);
        let Some(slots) = &self.slots else {
            return [w + i64::from(i16::MAX), i64::from(i16::MAX) - w];
        };
        // What the sums that it would be in have left, besides what it takes there itself.
        let left = |bound: i64, sign: i64| {
            let sum = slots.sums[slots.of(i, sign)];
            let own = if w * sign > 0 { w } else { 0 };
            (bound - sum) / slots.input_limit.max(1) + own
        };
        let low = left(*WORDS.start(), -1).max(*BYTES.start());
        let high = left(*WORDS.end(), 1).min(*BYTES.end());
        [w - low.min(w), high.max(w) - w]
    }
}
