//! Training crops: pictures at several scales, cut, flipped, transposed and degraded on the fly.

use super::source::{Crop, Source};
use super::tables::{self, Quantiser};
use super::Part;
use crate::media::planes::Planes;
use anyhow::{bail, Result};
use rand::Rng;
use rand_pcg::Pcg64Mcg;
use sidelight::network::CodecKind;
use sidelight::{Condition, Layout};
use std::path::{Path, PathBuf};

/// Scales at which every picture is offered: smaller pictures are denser in detail.
const SCALES: [f64; 4] = [1.0, 0.75, 0.55, 0.42];
/// One picture in this many is held out for validation.
const HOLD_OUT: usize = 16;

/// The sets of validation: standard tables at four QF, a flat one, a flat one with trellis
/// quantisation, and mozjpeg's defaults.
pub const SETS: [&str; 7] =
    ["QF 10", "QF 20", "QF 40", "QF 80", "flat 40", "flat 20, trellis", "mozjpeg 40"];

/// All pictures in memory.
pub struct Pictures {
    train: Vec<Planes>,
    held_out: Vec<Planes>,
    /// No training crop has its chroma weakened.
    vivid: bool,
    tables: tables::Kind,
}

impl Pictures {
    /// Reads every PNG below `folder`, in the order of their paths.
    pub fn open(folder: &Path, vivid: bool, tables: tables::Kind) -> Result<Self> {
        let (mut train, mut held_out) = (Vec::new(), Vec::new());
        for (path, hold_out) in paths(folder)? {
            let picture = Planes::open(&path)?;
            if hold_out {
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
        Ok(Self { train, held_out, vivid, tables })
    }
}

impl Source for Pictures {
    fn codec(&self) -> CodecKind {
        CodecKind::Jpeg
    }

    fn counts(&self) -> (usize, usize) {
        (self.train.len() / SCALES.len(), self.held_out.len())
    }

    fn crop(&self, size: usize, part: Part, rng: &mut Pcg64Mcg) -> Result<Crop> {
        let picture = loop {
            let p = &self.train[rng.random_range(0..self.train.len())];
            if p.size().0 >= size && p.size().1 >= size {
                break p;
            }
        };
        let crop = cut(picture, size, rng);
        let quantiser = tables::random(self.tables, rng);
        match part {
            Part::Luma => coded(crop.sampled(Layout::I400), &quantiser),
            Part::Chroma => {
                let layout = random_layout(rng);
                let factor = if self.vivid { 1.0 } else { random_saturation(rng) };
                coded(crop.saturated(factor).sampled(layout), &quantiser)
            }
        }
    }

    /// The largest square of a random picture, at one of its scales.
    fn square(&self, colour: bool, rng: &mut Pcg64Mcg) -> Result<(Crop, f64)> {
        let quantiser = tables::standard(rng.random_range(8..=60));
        let layout = if colour { random_layout(rng) } else { Layout::I400 };
        let picture = &self.train[rng.random_range(0..self.train.len())];
        let size = picture.size().0.min(picture.size().1) / 16 * 16;
        let crop = coded(cut(picture, size, rng).sampled(layout), &quantiser)?;
        let bits_per_sample: f64 = rng.random_range(0.2..0.9);
        Ok((crop, bits_per_sample * (size * size) as f64 / 8.0))
    }

    fn db_per_doubling(&self) -> f64 {
        3.4
    }

    /// The centre of every held-out picture for each of [`SETS`].
    fn validation(&self, size: usize, part: Part) -> Result<Vec<Vec<Crop>>> {
        let quantisers: [Quantiser; SETS.len()] = [
            tables::standard(10),
            tables::standard(20),
            tables::standard(40),
            tables::standard(80),
            [[40; 64]; 2].into(),
            tables::flat_trellis(20),
            tables::mozjpeg(40),
        ];
        let layout = match part {
            Part::Luma => Layout::I400,
            Part::Chroma => Layout::I420,
        };
        let set = |quantiser| {
            let crops = self.held_out.iter().map(|p| {
                let (x, y) = ((p.size().0 - size) / 2, (p.size().1 - size) / 2);
                coded(p.crop(y, x, size, 0).sampled(layout), quantiser)
            });
            crops.collect()
        };
        quantisers.iter().map(set).collect()
    }
}

/// `original` coded with `quantiser`.
fn coded(original: Planes, quantiser: &Quantiser) -> Result<Crop> {
    let decoded = quantiser.degrade(&original)?;
    let tables = &quantiser.tables;
    let condition = Condition::from_jpeg_tables(&tables[0], &tables[1], original.layout);
    Ok(Crop { original, decoded, condition, expected: expected_errors(condition) })
}

/// Squared error that planes coded with the condition's tables have, roughly.
fn expected_errors(c: Condition) -> [f32; 3] {
    let error = |table: &[i32], amount: f32| {
        let log_step = (table[1] + table[2] + table[3]) as f32 / (3.0 * 256.0) + 4.0;
        amount * (0.85 * log_step).exp2()
    };
    let chroma = error(&c.0[8..], 0.5);
    [error(&c.0, 2.0), chroma, chroma]
}

/// `size × size` samples of `picture` somewhere, somehow turned.
fn cut(picture: &Planes, size: usize, rng: &mut impl Rng) -> Planes {
    let x = rng.random_range(0..=picture.size().0 - size);
    let y = rng.random_range(0..=picture.size().1 - size);
    let turn = rng.random_range(0..8u32);
    picture.crop(y, x, size, turn)
}

/// Colour layouts about as often as they are met.
fn random_layout(rng: &mut impl Rng) -> Layout {
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

/// Every PNG below `folder` in the order of their paths, and whether it is held out.
pub fn paths(folder: &Path) -> Result<Vec<(PathBuf, bool)>> {
    let mut paths = Vec::new();
    collect(folder, &mut paths)?;
    paths.sort();
    let mark = |(i, path)| (path, i % HOLD_OUT == HOLD_OUT - 1);
    Ok(paths.into_iter().enumerate().map(mark).collect())
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
