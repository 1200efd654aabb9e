//! What of a JPEG file a payload is bound to (docs/carriage-jpeg.md).

use super::coefficients::Sink;
use super::segments::{Frame, Segment, Segments, ZIGZAG};
use crate::error::Result;
use crate::util::hash::{mix, Fnv1a};

/// Sums up coefficients: `Σ value · weight of its place · weight of its block`, in any order.
pub(super) struct CoefficientSum {
    /// Of the present block, without the block's weight.
    block: u64,
    sum: u64,
}

/// Weights of a block's coefficients in zigzag order.
const PLACES: [u64; 64] = {
    let mut places = [0; 64];
    let mut at = 0;
    while at < 64 {
        places[at] = mix(ZIGZAG[at] as u64);
        at += 1;
    }
    places
};

impl CoefficientSum {
    pub fn new() -> Self {
        Self { block: 0, sum: 0 }
    }

    /// The binding of a picture of `frame` that has these coefficients.
    pub fn binding(&self, frame: &Frame) -> u64 {
        let mut hash = Fnv1a::new();
        for size in [frame.width, frame.height] {
            hash.update((size as u16).to_be_bytes());
        }
        hash.update([frame.components.len() as u8]);
        for component in &frame.components {
            // Of one component alone the factors mean nothing.
            let factors = component.h << 4 | component.v;
            hash.update([if frame.components.len() > 1 { factors } else { 0x11 }]);
            let quant = component.quant.unwrap_or([0; 64]);
            quant.iter().for_each(|step| hash.update(step.to_be_bytes()));
        }
        mix(hash.value() ^ self.sum)
    }
}

impl Sink for CoefficientSum {
    #[inline]
    fn add(&mut self, at: usize, value: i32) {
        self.block = self.block.wrapping_add(PLACES[at].wrapping_mul(i64::from(value) as u64));
    }

    #[inline]
    fn end_block(&mut self, block: Option<(usize, usize)>) {
        let block_sum = std::mem::take(&mut self.block);
        if let (Some((component, index)), 1..) = (block, block_sum) {
            let weight = mix((component as u64 + 1) << 32 | index as u64) | 1;
            self.sum = self.sum.wrapping_add(block_sum.wrapping_mul(weight));
        }
    }
}

/// The binding of a file whose coefficients do not say what decoders show: the hash of its bytes
/// without metadata.
pub(super) fn of_bytes(jpeg: &[u8]) -> Result<u64> {
    let mut hash = Fnv1a::new();
    let mut segments = Segments::new(jpeg)?;
    while let Some(segment) = segments.next()? {
        if segment.is_metadata() {
            continue;
        }
        let Segment { code, body, .. } = segment;
        hash.update([code]);
        hash.update(body.iter().copied());
        if segment.is_scan() {
            hash.update(segments.coded_data().iter().copied());
        }
    }
    Ok(hash.value())
}
