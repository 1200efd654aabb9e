//! Training crops: pictures at several scales, cut, flipped, transposed and degraded on the fly.

use super::planes::Planes;
use super::tables::{self, Quantiser};
use super::Part;
use anyhow::{bail, Result};
use rand::Rng;
use sidelight::{Condition, Layout, Picture};
use std::path::{Path, PathBuf};

/// Scales at which every picture is offered: smaller pictures are denser in detail.
const SCALES: [f64; 4] = [1.0, 0.75, 0.55, 0.42];
/// One picture in this many is held out for validation.
const HOLD_OUT: usize = 16;

/// A decoded crop and its original, with the condition that the decoder would know.
pub struct Crop {
    original: Planes,
    decoded: Planes,
    pub condition: Condition,
}

impl Crop {
    /// `original` coded with `quantiser`.
    pub fn new(original: Planes, quantiser: &Quantiser) -> Result<Self> {
        let decoded = original.degraded(quantiser)?;
        let tables = &quantiser.tables;
        let condition = Condition::from_jpeg_tables(&tables[0], &tables[1], original.layout);
        Ok(Self { original, decoded, condition })
    }

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

/// All pictures in memory.
pub struct Pictures {
    train: Vec<Planes>,
    held_out: Vec<Planes>,
    /// No training crop has its chroma weakened.
    pub vivid: bool,
}

impl Pictures {
    /// Reads every PNG below `folder`, in the order of their paths.
    pub fn open(folder: &Path) -> Result<Self> {
        let mut paths = Vec::new();
        collect(folder, &mut paths)?;
        paths.sort();
        let (mut train, mut held_out) = (Vec::new(), Vec::new());
        for (i, path) in paths.iter().enumerate() {
            let picture = Planes::open(path)?;
            if i % HOLD_OUT == HOLD_OUT - 1 {
                held_out.push(picture.scaled(0.55));
            } else {
                for s in SCALES {
                    train.push(if s == 1.0 { picture.clone() } else { picture.scaled(s) });
                }
            }
        }
        if train.is_empty() || held_out.is_empty() {
            bail!("{}: needs at least {HOLD_OUT} PNG pictures", folder.display());
        }
        Ok(Self { train, held_out, vivid: false })
    }

    pub fn counts(&self) -> (usize, usize) {
        (self.train.len() / SCALES.len(), self.held_out.len())
    }

    /// The largest square of a random training picture, at one of its scales.
    pub fn square(&self, rng: &mut impl Rng) -> Planes {
        let picture = &self.train[rng.random_range(0..self.train.len())];
        let size = picture.size().0.min(picture.size().1) / 16 * 16;
        cut(picture, size, rng)
    }

    /// A random training crop of `size × size` for `part`'s network.
    pub fn crop(&self, size: usize, part: Part, rng: &mut impl Rng) -> Result<Crop> {
        let picture = loop {
            let p = &self.train[rng.random_range(0..self.train.len())];
            if p.size().0 >= size && p.size().1 >= size {
                break p;
            }
        };
        let crop = cut(picture, size, rng);
        let quantiser = tables::random(rng);
        match part {
            Part::Luma => Crop::new(crop.sampled(Layout::I400), &quantiser),
            Part::Chroma => {
                let layout = random_layout(rng);
                let factor = if self.vivid { 1.0 } else { random_saturation(rng) };
                Crop::new(crop.saturated(factor).sampled(layout), &quantiser)
            }
        }
    }

    /// The centre of every held-out picture, degraded with `quantiser`.
    pub fn validation(
        &self,
        size: usize,
        layout: Layout,
        quantiser: &Quantiser,
    ) -> Result<Vec<Crop>> {
        let crops = self.held_out.iter().map(|p| {
            let (x, y) = ((p.size().0 - size) / 2, (p.size().1 - size) / 2);
            Crop::new(p.crop(y, x, size, 0).sampled(layout), quantiser)
        });
        crops.collect()
    }
}

/// `size × size` samples of `picture` somewhere, somehow turned.
fn cut(picture: &Planes, size: usize, rng: &mut impl Rng) -> Planes {
    let x = rng.random_range(0..=picture.size().0 - size);
    let y = rng.random_range(0..=picture.size().1 - size);
    let turn = rng.random_range(0..8u32);
    picture.crop(y, x, size, turn)
}

/// Colour layouts about as often as they are met.
pub fn random_layout(rng: &mut impl Rng) -> Layout {
    match rng.random_range(0..20) {
        0..=14 => Layout::I420,
        15..=17 => Layout::I444,
        _ => Layout::I422,
    }
}

/// Mostly 1; sometimes less, or 0 for what is gray but coded in colour, where the network must not
/// paint.
fn random_saturation(rng: &mut impl Rng) -> f32 {
    match rng.random_range(0..16) {
        0 => 0.0,
        1 => rng.random(),
        _ => 1.0,
    }
}

fn collect(folder: &Path, paths: &mut Vec<PathBuf>) -> Result<()> {
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            collect(&path, paths)?;
        } else if path.extension().is_some_and(|e| e.eq_ignore_ascii_case("png")) {
            paths.push(path);
        }
    }
    Ok(())
}
