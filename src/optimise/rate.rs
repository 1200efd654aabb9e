//! What coefficients cost in bits: run/size coding with the picture's own Huffman tables (ITU-T
//! T.81, F.1.2 and K.2).

use super::transform::{BLOCK, ZIGZAG};

/// Longest Huffman code.
const MAX_LENGTH: usize = 16;
/// Symbol of the end of a block.
const END: usize = 0x00;
/// Symbol of sixteen zeros.
const ZEROS: usize = 0xf0;

/// Bits of a value's magnitude: its size category.
#[inline]
pub(super) fn size(value: i32) -> usize {
    (i32::BITS - value.unsigned_abs().leading_zeros()) as usize
}

/// How often each symbol occurs.
#[derive(Clone)]
pub(super) struct Counts {
    dc: [u32; 256],
    ac: [u32; 256],
}

impl Counts {
    pub fn new() -> Self {
        Self { dc: [0; 256], ac: [0; 256] }
    }

    /// Counts a block's symbols; `previous` is the DC coefficient that its own is predicted from.
    pub fn add(&mut self, block: &[i16; BLOCK], previous: i16) {
        self.dc[size(i32::from(block[0]) - i32::from(previous))] += 1;
        let mut run = 0;
        for &at in &ZIGZAG[1..] {
            let value = i32::from(block[at]);
            if value == 0 {
                run += 1;
                continue;
            }
            self.ac[ZEROS] += run as u32 / 16;
            self.ac[run % 16 * 16 + size(value)] += 1;
            run = 0;
        }
        self.ac[END] += u32::from(run > 0);
    }

    /// The lengths of the codes that fit these counts best.
    pub fn lengths(&self) -> Lengths {
        Lengths { dc: huffman(&self.dc), ac: huffman(&self.ac) }
    }
}

/// Bits of each symbol's code, without the bits of magnitude that follow it.
#[derive(Clone)]
pub(super) struct Lengths {
    pub dc: [u8; 256],
    pub ac: [u8; 256],
}

impl Lengths {
    /// Bits of a DC difference.
    #[inline]
    pub fn dc_bits(&self, difference: i32) -> u32 {
        let size = size(difference);
        u32::from(self.dc[size]) + size as u32
    }

    /// Bits of a value that is not 0 behind `run` zeros.
    #[inline]
    pub fn ac_bits(&self, run: usize, size: usize) -> u32 {
        let zeros = (run / 16) as u32 * u32::from(self.ac[ZEROS]);
        zeros + u32::from(self.ac[run % 16 * 16 + size]) + size as u32
    }

    /// Bits of a block's end, where zeros are left.
    #[inline]
    pub fn end_bits(&self) -> u32 {
        u32::from(self.ac[END])
    }

    /// Bits of a block's AC coefficients.
    pub fn block_bits(&self, block: &[i16; BLOCK]) -> u32 {
        let (mut run, mut bits) = (0, 0);
        for &at in &ZIGZAG[1..] {
            let value = i32::from(block[at]);
            if value == 0 {
                run += 1;
            } else {
                bits += self.ac_bits(run, size(value));
                run = 0;
            }
        }
        bits + if run > 0 { self.end_bits() } else { 0 }
    }
}

/// Lengths of an optimal prefix code of at most [`MAX_LENGTH`] bits whose longest word is not all
/// ones, by package-merge (Larmore and Hirschberg 1990). Symbols that do not occur, which a table
/// of the next picture may well have, count as longest.
fn huffman(counts: &[u32; 256]) -> [u8; 256] {
    let mut leaves: Vec<(u64, usize)> = Vec::with_capacity(257);
    // Takes the word of all ones, which must not be used.
    leaves.push((0, 256));
    leaves.extend(counts.iter().enumerate().filter(|(_, n)| **n > 0).map(|(s, n)| (u64::from(*n), s)));
    leaves.sort_unstable();
    let count = leaves.len();
    // Level by level, items in the order of their weight; whether each is a leaf.
    let mut levels: Vec<Vec<bool>> = Vec::new();
    let mut weights: Vec<u64> = Vec::new();
    for _ in 0..MAX_LENGTH {
        let mut packages = weights.chunks_exact(2).map(|pair| pair[0] + pair[1]).peekable();
        let mut own = leaves.iter().map(|leaf| leaf.0).peekable();
        let (mut merged, mut is_leaf) = (Vec::new(), Vec::new());
        loop {
            let leaf_first = match (own.peek(), packages.peek()) {
                (Some(leaf), Some(package)) => leaf <= package,
                (Some(_), None) => true,
                (None, Some(_)) => false,
                (None, None) => break,
            };
            merged.extend(if leaf_first { own.next() } else { packages.next() });
            is_leaf.push(leaf_first);
        }
        weights = merged;
        levels.push(is_leaf);
    }
    let mut lengths = [MAX_LENGTH as u8; 256];
    let mut depths = vec![0u8; count];
    let mut taken = 2 * count.max(2) - 2;
    for is_leaf in levels.iter().rev() {
        let leaves = is_leaf[..taken.min(is_leaf.len())].iter().filter(|leaf| **leaf).count();
        depths[..leaves].iter_mut().for_each(|depth| *depth += 1);
        taken = 2 * (taken.min(is_leaf.len()) - leaves);
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
        assert_eq!(of(&[0, 7, 7]), [16, 1, 2]);
        assert_eq!(of(&[8, 4, 2, 1]), [1, 2, 3, 4]);
        // Powers of two would need 29 bits.
        let powers: Vec<u32> = (0..30).map(|k| 1 << k).collect();
        for counts in [&powers[..], &[1; 200], &[9, 9, 9, 1, 1, 30_000]] {
            let lengths = of(counts);
            let sum: u32 = lengths.iter().map(|l| 1 << (16 - l)).sum();
            assert!(sum < 1 << 16 && lengths.iter().all(|l| (1..=16).contains(l)), "{lengths:?}");
        }
    }

    #[test]
    fn blocks_cost_what_their_symbols_do() {
        let mut block = [0i16; BLOCK];
        (block[0], block[1], block[ZIGZAG[20]], block[63]) = (-3, 5, -1, 1);
        let mut counts = Counts::new();
        counts.add(&block, 4);
        counts.add(&[0; BLOCK], -3);
        assert_eq!((counts.dc[3], counts.dc[2], counts.ac[END]), (1, 1, 1));
        // 5; 18 zeros; −1; 42 zeros; 1.
        assert_eq!((counts.ac[0x03], counts.ac[ZEROS], counts.ac[0x21], counts.ac[0xa1]), (1, 3, 1, 1));
        let lengths = counts.lengths();
        let l = |symbol: usize| u32::from(lengths.ac[symbol]);
        let expected = l(0x03) + 3 + 3 * l(ZEROS) + l(0x21) + 1 + l(0xa1) + 1;
        assert_eq!(lengths.block_bits(&block), expected);
        assert_eq!(lengths.block_bits(&[0; BLOCK]), l(END));
        assert_eq!(lengths.dc_bits(-7), u32::from(lengths.dc[3]) + 3);
    }
}
