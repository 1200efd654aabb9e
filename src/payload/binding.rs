//! The context binding of a decoded video picture.

use crate::picture::{Picture, Sample};
use crate::util::hash::Fnv1a;

/// Multiplies the state after each word: 2^64 divided by the golden ratio, made odd.
const MULTIPLIER: u64 = 0x9e37_79b9_7f4a_7c15;

/// A hash of a picture's shape and of every sample (docs/payload.md); its type does not count.
#[must_use]
pub fn of_picture<S: Sample>(picture: &Picture<'_, S>) -> u64 {
    let shape = [picture.width(), picture.height(), picture.layout() as usize];
    let shape = shape.into_iter().chain([picture.bit_depth() as usize]);
    let mut hash = Fnv1a::of(shape.flat_map(|n| (n as u32).to_le_bytes()));
    let mut take = |word: u64| {
        hash = (hash ^ word).wrapping_mul(MULTIPLIER);
        hash ^= hash >> 32;
    };
    let bits = 8 * size_of::<S>();
    let max = ((1u32 << picture.bit_depth()) - 1) as i16;
    for plane in picture.planes() {
        for y in 0..plane.height() {
            for samples in plane.row(y).chunks(64 / bits) {
                let word = samples
                    .iter()
                    .rev()
                    .fold(0u64, |word, s| word << bits | u64::from(s.at_most(max) as u16));
                take(word);
            }
        }
    }
    hash
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::picture::{Layout, PictureType, Plane};

    /// Written again from docs/payload.md, on bytes.
    fn plain(shape: [u32; 4], rows: &[&[u8]]) -> u64 {
        let mut hash = 0xcbf2_9ce4_8422_2325u64;
        for byte in shape.iter().flat_map(|n| n.to_le_bytes()) {
            hash = (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
        }
        for row in rows {
            let mut bytes = row.to_vec();
            bytes.resize(bytes.len().next_multiple_of(8), 0);
            for word in bytes.chunks_exact(8) {
                hash ^= u64::from_le_bytes(word.try_into().unwrap());
                hash = hash.wrapping_mul(0x9e37_79b9_7f4a_7c15);
                hash ^= hash >> 32;
            }
        }
        hash
    }

    #[test]
    fn as_documented() {
        let luma: Vec<u8> = (0..33).collect();
        let chroma = [1u8, 2, 3, 4, 5, 6, 7];
        let planes = [
            Plane::new(&luma, 11, 11, 3).unwrap(),
            Plane::new(&chroma[..6], 6, 6, 1).unwrap(),
            Plane::new(&chroma[1..], 6, 6, 1).unwrap(),
        ];
        let gray = Picture::new(Layout::I400, &planes[..1]).unwrap();
        let rows: Vec<&[u8]> = luma.chunks(11).collect();
        assert_eq!(of_picture(&gray), plain([11, 3, 0, 8], &rows));
        assert_eq!(of_picture(&gray), of_picture(&gray.of_type(PictureType::B)));
        let wide: Vec<u16> = luma.iter().map(|s| 300 + u16::from(*s)).collect();
        let plane = Plane::new(&wide, 22, 11, 3).unwrap();
        let deep = Picture::with_depth(Layout::I400, 10, &[plane]).unwrap();
        let bytes: Vec<u8> = wide.iter().flat_map(|s| s.to_le_bytes()).collect();
        let rows: Vec<&[u8]> = bytes.chunks(22).collect();
        assert_eq!(of_picture(&deep), plain([11, 3, 0, 10], &rows));
        // Rows do not run into each other, and every sample counts.
        let mut other = luma.clone();
        other[32] ^= 1;
        let plane = Plane::new(&other, 11, 11, 3).unwrap();
        assert_ne!(of_picture(&gray), of_picture(&Picture::new(Layout::I400, &[plane]).unwrap()));
    }
}
