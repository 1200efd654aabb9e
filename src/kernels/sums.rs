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

/// Takes out the changes of taps that would leave 8 bits or a sum of one tap 16 bits, in a layer where
/// none does so far; taps are `[9][cin][cout]`, inputs lie in 0..=`input_limit`. `changed(i, tap)` is
/// what tap `i` will be.
pub(crate) fn keep_bytes(
    taps: &[i16],
    (cin, cout): (usize, usize),
    input_limit: i32,
    changes: &mut [i16],
    changed: impl Fn(usize, i16) -> i64,
) {
    if input_limit > 255 {
        return;
    }
    let range = i64::from(i16::MIN)..=i64::from(i16::MAX);
    let bytes = i64::from(i8::MIN)..=i64::from(i8::MAX);
    let slot = |i: usize, w: i64| (i % cout * 2 + i / cout % 4 / 2) * 2 + usize::from(w > 0);
    for (t, run) in taps.chunks_exact(cin * cout).enumerate() {
        let mut sums = vec![0i64; 4 * cout];
        for (i, w) in run.iter().enumerate() {
            let w = i64::from(*w);
            sums[slot(i, w)] += w * i64::from(input_limit);
            if !bytes.contains(&w) {
                return;
            }
        }
        if !sums.iter().all(|sum| range.contains(sum)) {
            return;
        }
        let first = t * cin * cout;
        for (i, w) in run.iter().enumerate() {
            if changes[first + i] == 0 {
                continue;
            }
            let (old, new) = (i64::from(*w), changed(first + i, changes[first + i]));
            let mut after = sums.clone();
            after[slot(i, old)] -= old * i64::from(input_limit);
            after[slot(i, new)] += new * i64::from(input_limit);
            if bytes.contains(&new) && range.contains(&after[slot(i, new)]) {
                sums = after;
            } else {
                changes[first + i] = 0;
            }
        }
    }
}
