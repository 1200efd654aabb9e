//! Which tiles a step of training sees.

use crate::util::alloc;
use crate::Result;

/// The whole of all draws, of which each tile has a share.
const WHOLE: u64 = 1 << 53;
/// The golden ratio's fractional part: its multiples are spread more evenly than random numbers.
const TURN: u64 = 0x9e37_79b9_7f4a_7c15 >> 11;
/// The part of all draws that is shared by all tiles alike, so that none weighs too much when it is
/// drawn.
const ALIKE: f64 = 0.2;

/// Draws tiles, more often those where more is to be gained: a step's gradient is then less a
/// matter of chance. What a tile brings is to be divided by its probability.
pub(super) struct TileSampler {
    /// The end of each tile's share of [`WHOLE`].
    ends: Vec<u64>,
    next: u64,
}

impl TileSampler {
    /// A sampler of tiles with squared errors `errors`, in whatever unit.
    ///
    /// # Errors
    /// [`OutOfMemory`](crate::Error::OutOfMemory).
    pub fn new(errors: &[f64]) -> Result<Self> {
        let (total, count) = (errors.iter().sum::<f64>(), errors.len() as f64);
        let mut sum = 0.0;
        let end = |error: &f64| {
            let own = if total > 0.0 { error / total } else { 1.0 / count };
            sum += (1.0 - ALIKE) * own + ALIKE / count;
            (sum * WHOLE as f64) as u64
        };
        let ends = alloc::try_collect(errors.len(), errors.iter().map(end))?;
        Ok(Self { ends, next: WHOLE / 2 })
    }

    /// A tile and its probability.
    pub fn take(&mut self) -> (usize, f64) {
        self.next = (self.next + TURN) % WHOLE;
        let last = self.ends.len() - 1;
        // Rounding may leave a part of the whole to none: the last one's.
        let tile = self.ends[..last].partition_point(|end| *end <= self.next);
        let end = if tile == last { WHOLE } else { self.ends[tile] };
        let start = if tile == 0 { 0 } else { self.ends[tile - 1] };
        (tile, (end - start) as f64 / WHOLE as f64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// How often each tile came in `draws` draws, and its probability.
    fn drawn(errors: &[f64], draws: usize) -> Vec<(usize, f64)> {
        let mut tiles = vec![(0, 0.0); errors.len()];
        let mut all = TileSampler::new(errors).unwrap();
        for _ in 0..draws {
            let (tile, probability) = all.take();
            tiles[tile] = (tiles[tile].0 + 1, probability);
        }
        tiles
    }

    #[test]
    fn tiles_come_as_often_as_said() {
        let errors = [4.0, 0.0, 1.0, 90.0, 5.0, 0.0, 0.0];
        let drawn = drawn(&errors, 7000);
        let mut sum = 0.0;
        for ((count, probability), error) in drawn.iter().zip(errors) {
            let wanted = 0.8 * error / 100.0 + 0.2 / 7.0;
            assert!((probability - wanted).abs() < 1e-9, "{probability} {wanted}");
            // Evenly: off by a few, where random draws would be by some tens.
            assert!((*count as f64 - 7000.0 * wanted).abs() < 8.0, "{count} {wanted}");
            sum += probability;
        }
        assert!((sum - 1.0).abs() < 1e-12);
    }

    /// Pictures without any error, and of one tile.
    #[test]
    fn degenerate_errors_are_drawn_alike() {
        for (_, probability) in drawn(&[0.0; 5], 50) {
            assert!((probability - 0.2).abs() < 1e-9);
        }
        for errors in [[0.0], [3.0]] {
            assert_eq!(drawn(&errors, 3), [(3, 1.0)]);
        }
    }
}
