//! Copies: payloads that file formats and decoders hand out again with pictures that they are not for.

use crate::carriage::MAX_PAYLOAD;
use crate::util::hash::Fnv1a;

/// Most payloads that are remembered. A copy that comes with each of a decoder's threads once, 64 at most, and between
/// them a payload with every other picture, is known up to the last one.
const REMEMBERED: usize = 64;

/// What payloads came where copies are made from, or are told by what stands beside them.
pub(super) struct Copies {
    /// Hashes, that of the latest first.
    hashes: [Option<u64>; REMEMBERED],
}

impl Copies {
    pub(super) const fn new() -> Self {
        Self { hashes: [None; REMEMBERED] }
    }

    /// Remembers a payload, or that it came again.
    pub(super) fn remember(&mut self, payload: &[u8]) {
        // None that is too long is good, nor worth the time.
        if payload.len() > MAX_PAYLOAD {
            return;
        }
        let hash = Some(hash(payload));
        let at = self.hashes.iter().position(|known| *known == hash).unwrap_or(REMEMBERED - 1);
        self.hashes[..=at].rotate_right(1);
        self.hashes[0] = hash;
    }

    /// Whether a payload came before, byte for byte.
    pub(super) fn knows(&self, payload: &[u8]) -> bool {
        payload.len() <= MAX_PAYLOAD && self.hashes.contains(&Some(hash(payload)))
    }
}

fn hash(payload: &[u8]) -> u64 {
    Fnv1a::of(payload.iter().copied())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_latest_are_remembered() {
        let mut copies = Copies::new();
        let payload = |i: usize| (i as u64).to_le_bytes();
        assert!(!copies.knows(&payload(0)));
        for i in 0..2 * REMEMBERED {
            copies.remember(&payload(i));
            // One that keeps coming stays.
            copies.remember(&payload(0));
        }
        let known = |i: &usize| copies.knows(&payload(*i));
        let expected = std::iter::once(0).chain(REMEMBERED + 1..2 * REMEMBERED);
        assert!((0..2 * REMEMBERED).filter(known).eq(expected));
    }

    #[test]
    fn what_is_too_long_is_not_remembered() {
        let mut copies = Copies::new();
        let payload = vec![1; MAX_PAYLOAD + 1];
        copies.remember(&payload);
        assert!(!copies.knows(&payload));
        copies.remember(&payload[1..]);
        assert!(copies.knows(&payload[1..]));
    }
}
