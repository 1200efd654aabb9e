//! What coefficients cost in bits: run/size coding with the picture's own Huffman tables (ITU-T
//! T.81, F.1.2, G.1.2 and K.2).

use crate::carriage::jpeg::ZIGZAG;
use crate::codec::transform::BLOCK;

/// Longest Huffman code.
const MAX_LENGTH: usize = 16;
/// Symbol of the end of a block, in progressive files of a run of `2^n` blocks' ends and more at
/// `16·n`.
const END: usize = 0x00;
/// Symbol of sixteen zeros.
const ZEROS: usize = 0xf0;
/// Longest run of ends has less than twice as many blocks.
const MAX_END_RUN: u32 = 1 << 14;

/// Costs are counted in these parts of a bit.
pub(super) const BIT: u32 = 16;

/// Bits of a value's magnitude: its size category.
#[inline]
pub(super) fn size(value: i32) -> usize {
    (i32::BITS - value.unsigned_abs().leading_zeros()) as usize
}

/// How coefficients are split into scans.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Scans {
    /// All in one.
    Sequential,
    /// Luma in progressive files: the first five AC coefficients apart from the others, as libjpeg
    /// and others do, and ends of blocks in runs. That values come bit by bit is not modelled.
    ProgressiveLuma,
    /// Chroma in progressive files: all AC coefficients together, ends in runs.
    ProgressiveChroma,
}

impl Scans {
    /// First and last position, in zigzag order, of each scan's AC coefficients.
    pub fn bands(self) -> &'static [(usize, usize)] {
        match self {
            Self::ProgressiveLuma => &[(1, 5), (6, 63)],
            Self::Sequential | Self::ProgressiveChroma => &[(1, 63)],
        }
    }
}

/// How often each symbol occurs.
pub(super) struct Counts {
    scans: Scans,
    dc: [u32; 256],
    bands: [BandCounts; 2],
}

#[derive(Clone, Copy)]
struct BandCounts {
    ac: [u32; 256],
    /// Blocks whose ends wait for the end of their run.
    waiting: u32,
    /// Runs of ends.
    runs: u32,
    /// Bits that say how long runs are.
    run_bits: u32,
}

impl BandCounts {
    const NONE: Self = Self { ac: [0; 256], waiting: 0, runs: 0, run_bits: 0 };

    /// Ends the run of ends.
    fn flush(&mut self) {
        if self.waiting > 0 {
            let n = self.waiting.ilog2();
            self.ac[16 * n as usize] += 1;
            self.runs += 1;
            self.run_bits += n;
            self.waiting = 0;
        }
    }
}

impl Counts {
    pub fn new(scans: Scans) -> Self {
        Self { scans, dc: [0; 256], bands: [BandCounts::NONE; 2] }
    }

    /// Counts a block's symbols; `previous` is the DC coefficient that its own is predicted from.
    pub fn add(&mut self, block: &[i16; BLOCK], previous: i16) {
        self.dc[size(i32::from(block[0]) - i32::from(previous))] += 1;
        for (&(first, last), counts) in self.scans.bands().iter().zip(&mut self.bands) {
            let (mut run, mut any) = (0, false);
            for &at in &ZIGZAG[first..=last] {
                let value = i32::from(block[at]);
                if value == 0 {
                    run += 1;
                    continue;
                }
                if !any {
                    counts.flush();
                    any = true;
                }
                counts.ac[ZEROS] += run as u32 / 16;
                counts.ac[run % 16 * 16 + size(value)] += 1;
                run = 0;
            }
            if run == 0 {
                continue;
            }
            if self.scans == Scans::Sequential {
                counts.ac[END] += 1;
            } else {
                counts.waiting += 1;
                if counts.waiting == 2 * MAX_END_RUN - 1 {
                    counts.flush();
                }
            }
        }
    }

    /// The costs with the codes that fit these counts best.
    pub fn costs(mut self) -> Costs {
        let bands = self.bands.each_mut().map(|counts| {
            counts.flush();
            let ac = huffman(&counts.ac);
            if self.scans == Scans::Sequential {
                let end = BIT * u32::from(ac[END]);
                return Band { ac, end, empty: end };
            }
            let symbols = |n: usize| counts.ac[16 * n] * u32::from(ac[16 * n]);
            let bits = (0..15).map(symbols).sum::<u32>() + counts.run_bits;
            // The block that starts a run pays; those that prolong it are all zeros.
            Band { ac, end: BIT * bits / counts.runs.max(1), empty: 0 }
        });
        Costs { scans: self.scans, dc: huffman(&self.dc), bands }
    }
}

/// What symbols cost, in parts of a bit ([`BIT`]).
#[derive(Clone)]
pub(super) struct Costs {
    scans: Scans,
    dc: [u8; 256],
    bands: [Band; 2],
}

/// What the symbols of a scan's AC coefficients cost.
#[derive(Clone)]
pub(super) struct Band {
    /// Bits of each symbol's code.
    ac: [u8; 256],
    /// Cost of the zeros at a block's end.
    pub end: u32,
    /// Cost of a block of zeros.
    pub empty: u32,
}

impl Band {
    /// Cost of a value of `size` bits, not 0, behind `run` zeros.
    #[inline]
    pub fn value(&self, run: usize, size: usize) -> u32 {
        let zeros = (run / 16) as u32 * u32::from(self.ac[ZEROS]);
        BIT * (zeros + u32::from(self.ac[run % 16 * 16 + size]) + size as u32)
    }
}

impl Costs {
    /// The scans' AC coefficients: first and last position, and their costs.
    pub fn bands(&self) -> impl Iterator<Item = ((usize, usize), &Band)> {
        self.scans.bands().iter().copied().zip(&self.bands)
    }

    /// Cost of a DC difference.
    #[inline]
    pub fn dc(&self, difference: i32) -> u32 {
        let size = size(difference);
        BIT * (u32::from(self.dc[size]) + size as u32)
    }

    /// Cost of a block's AC coefficients.
    pub fn ac(&self, block: &[i16; BLOCK]) -> u32 {
        let cost = |((first, last), band): ((usize, usize), &Band)| {
            let (mut run, mut cost) = (0, 0);
            for &at in &ZIGZAG[first..=last] {
                let value = i32::from(block[at]);
                if value == 0 {
                    run += 1;
                } else {
                    cost += band.value(run, size(value));
                    run = 0;
                }
            }
            match run {
                0 => cost,
                _ if run > last - first => band.empty,
                _ => cost + band.end,
            }
        };
        self.bands().map(cost).sum()
    }
}

/// Lengths of an optimal prefix code of at most [`MAX_LENGTH`] bits whose longest word is not all
/// ones, by package-merge (Larmore and Hirschberg 1990). Symbols that do not occur, which a table
/// of the next picture may well have, count as longest.
fn huffman(counts: &[u32; 256]) -> [u8; 256] {
    /// Symbols, and one for the word of all ones, which must not be used.
    const LEAVES: usize = 257;
    /// Items of a level: leaves, and packages of two of the level before.
    const ITEMS: usize = 2 * LEAVES;
    let mut leaves = [(0u64, 256usize); LEAVES];
    let mut count = 1;
    for (symbol, n) in counts.iter().enumerate().filter(|(_, n)| **n > 0) {
        leaves[count] = (u64::from(*n), symbol);
        count += 1;
    }
    let leaves = &mut leaves[..count];
    leaves.sort_unstable();
    // Level by level, items in the order of their weight; whether each is a leaf.
    let mut levels = [([false; ITEMS], 0); MAX_LENGTH];
    let mut weights = ([0u64; ITEMS], 0);
    for (is_leaf, len) in &mut levels {
        let before = weights.0;
        let packages = before[..weights.1].chunks_exact(2).map(|pair| pair[0] + pair[1]);
        let mut packages = packages.peekable();
        let mut own = leaves.iter().map(|leaf| leaf.0).peekable();
        loop {
            let leaf_first = match (own.peek(), packages.peek()) {
                (Some(leaf), Some(package)) => leaf <= package,
                (Some(_), None) => true,
                (None, Some(_)) => false,
                (None, None) => break,
            };
            let weight = if leaf_first { own.next() } else { packages.next() };
            weights.0[*len] = weight.unwrap_or(0);
            is_leaf[*len] = leaf_first;
            *len += 1;
        }
        weights.1 = *len;
    }
    let mut lengths = [MAX_LENGTH as u8; 256];
    let mut depths = [0u8; LEAVES];
    let mut taken = 2 * count.max(2) - 2;
    for (is_leaf, len) in levels.iter().rev() {
        let leaves = is_leaf[..taken.min(*len)].iter().filter(|leaf| **leaf).count();
        depths[..leaves].iter_mut().for_each(|depth| *depth += 1);
        taken = 2 * (taken.min(*len) - leaves);
    }
    for ((_, symbol), depth) in leaves.iter().zip(&depths) {
        if let Some(length) = lengths.get_mut(*symbol) {
            *length = *depth;
        }
    }
    lengths
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Lengths of symbols 0, 1, …
    fn of(counts: &[u32]) -> Vec<u8> {
        let mut all = [0; 256];
        all[..counts.len()].copy_from_slice(counts);
        huffman(&all)[..counts.len()].to_vec()
    }

    #[test]
    fn codes_are_short_and_leave_all_ones_free() {
        assert_eq!(of(&[5]), [1]);
        assert_eq!(of(&[0, 7, 7]), [16, 2, 1]);
        assert_eq!(of(&[8, 4, 2, 1]), [1, 2, 3, 4]);
        // Powers of two would need 29 bits.
        let powers: Vec<u32> = (0..30).map(|k| 1 << k).collect();
        for counts in [&powers[..], &[1; 200], &[9, 9, 9, 1, 1, 30_000]] {
            let lengths = of(counts);
            let sum: u32 = lengths.iter().map(|l| 1 << (16 - l)).sum();
            assert!(sum < 1 << 16 && lengths.iter().all(|l| (1..=16).contains(l)), "{lengths:?}");
        }
    }

    fn block() -> [i16; BLOCK] {
        let mut block = [0i16; BLOCK];
        (block[0], block[1], block[ZIGZAG[20]], block[63]) = (-3, 5, -1, 1);
        block
    }

    #[test]
    fn blocks_cost_what_their_symbols_do() {
        let mut counts = Counts::new(Scans::Sequential);
        counts.add(&block(), 4);
        counts.add(&[0; BLOCK], -3);
        let ac = counts.bands[0].ac;
        assert_eq!((counts.dc[3], counts.dc[2], ac[END]), (1, 1, 1));
        // 5; 18 zeros; −1; 42 zeros; 1.
        assert_eq!((ac[0x03], ac[ZEROS], ac[0x21], ac[0xa1]), (1, 3, 1, 1));
        let costs = counts.costs();
        let l = |symbol: usize| u32::from(costs.bands[0].ac[symbol]);
        let expected = l(0x03) + 3 + 3 * l(ZEROS) + l(0x21) + 1 + l(0xa1) + 1;
        assert_eq!(costs.ac(&block()), BIT * expected);
        assert_eq!(costs.ac(&[0; BLOCK]), BIT * l(END));
        assert_eq!(costs.dc(-7), BIT * (u32::from(costs.dc[3]) + 3));
    }

    /// Of 9 blocks the second and the last have values: runs of 1 and of 7 ends in the first scan,
    /// in the second a run of 1 and one of 6.
    #[test]
    fn progressive_ends_come_in_runs() {
        let mut counts = Counts::new(Scans::ProgressiveLuma);
        let mut last = block();
        last[63] = 0;
        for i in 0..9 {
            counts.add(
                &if i == 1 {
                    block()
                } else if i == 8 {
                    last
                } else {
                    [0; BLOCK]
                },
                0,
            );
        }
        counts.bands.iter_mut().for_each(BandCounts::flush);
        let [low, high] = &counts.bands;
        assert_eq!((low.runs, low.run_bits, low.ac[0x00], low.ac[0x20]), (3, 2, 2, 1));
        assert_eq!((high.runs, high.ac[0x00], high.ac[0x20]), (3, 2, 1));
        assert_eq!((low.ac[0x03], high.ac[0xe1]), (2, 2));
        let costs = counts.costs();
        assert_eq!(costs.ac(&[0; BLOCK]), 0);
        let [low, high] = &costs.bands;
        let values = low.value(0, 3) + high.value(14, 1);
        assert_eq!(costs.ac(&last), values + low.end + high.end);
    }
}
