//! What training crops are, and what gives them.

use super::Part;
use crate::media::planes::Planes;
use anyhow::Result;
use rand_pcg::Pcg64Mcg;
use sidelight::network::CodecKind;
use sidelight::{Condition, Picture};

/// A decoded crop and its original, with the condition that the decoder would know.
pub struct Crop {
    pub original: Planes,
    pub decoded: Planes,
    pub condition: Condition,
    /// Squared error that planes coded alike have, roughly; it sets how much the crop weighs.
    pub expected: [f32; 3],
}

impl Crop {
    /// Luma samples along a side.
    pub fn size(&self) -> usize {
        self.original.size().0
    }

    pub fn original(&self) -> Picture<'_> {
        self.original.view()
    }

    pub fn decoded(&self) -> Picture<'_> {
        self.decoded.view()
    }

    /// Mean squared error of each decoded plane.
    pub fn errors(&self) -> [f64; 3] {
        self.original.errors(&self.decoded)
    }
}

pub trait Source: Sync {
    /// Whose pictures these are.
    fn codec(&self) -> CodecKind;

    /// How many pictures there are to train on, and held out.
    fn counts(&self) -> (usize, usize);

    /// A random training crop of `size × size` for `part`'s network.
    fn crop(&self, size: usize, part: Part, rng: &mut Pcg64Mcg) -> Result<Crop>;

    /// A large square of a random training picture, in colour or gray, and the bytes that an update
    /// for it goes with.
    fn square(&self, colour: bool, rng: &mut Pcg64Mcg) -> Result<(Crop, f64)>;

    /// What doubling the rate gains in dB, roughly.
    fn db_per_doubling(&self) -> f64;

    /// Sets of held-out crops of `size × size` for `part`'s network, by kind and quality.
    fn validation(&self, size: usize, part: Part) -> Result<Vec<Vec<Crop>>>;
}
