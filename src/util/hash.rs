//! What bindings and the ids of models are made of: FNV-1a, 64 bits, and SplitMix64.

/// The hash of the bytes so far.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Fnv1a(u64);

impl Fnv1a {
    /// The hash of no bytes.
    pub(crate) const fn new() -> Self {
        Self(0xcbf2_9ce4_8422_2325)
    }

    /// Takes in more bytes.
    pub(crate) fn update(&mut self, bytes: impl IntoIterator<Item = u8>) {
        self.0 = bytes.into_iter().fold(self.0, |hash, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
        });
    }

    /// The hash.
    pub(crate) const fn value(self) -> u64 {
        self.0
    }

    /// The hash of `bytes`.
    pub(crate) fn of(bytes: impl IntoIterator<Item = u8>) -> u64 {
        let mut hash = Self::new();
        hash.update(bytes);
        hash.value()
    }
}

/// The first output of SplitMix64 (Steele, Lea and Flood 2014) from `seed`: 64 bits of which each
/// depends on all of the seed's.
pub(crate) const fn mix(seed: u64) -> u64 {
    let z = seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let z = (z ^ z >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let z = (z ^ z >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ z >> 31
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn published_values() {
        assert_eq!(Fnv1a::of(*b""), 0xcbf2_9ce4_8422_2325);
        assert_eq!(Fnv1a::of(*b"foobar"), 0x8594_4171_f739_67e8);
        assert_eq!(mix(0), 0xe220_a839_7b1d_cdaf);
        assert_eq!(mix(1), 0x910a_2dec_8902_5cc1);
    }
}
