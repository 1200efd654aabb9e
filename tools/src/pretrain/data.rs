//! Training crops: pictures at several scales, cut, flipped, transposed and degraded on the fly.

use crate::jpeg::{self, standard_table};
use crate::luma::{mse, Luma};
use anyhow::{bail, Result};
use rand::Rng;
use sidelight::{Condition, Plane};
use std::path::{Path, PathBuf};

/// Scales at which every picture is offered: smaller pictures are denser in detail.
const SCALES: [f64; 4] = [1.0, 0.75, 0.55, 0.42];
/// One picture in this many is held out for validation.
const HOLD_OUT: usize = 16;

/// A decoded crop and its original, with the condition that the decoder would know.
pub struct Crop {
    original: Luma,
    decoded: Luma,
    pub condition: Condition,
}

impl Crop {
    fn new(original: Luma, table: &[u16; 64]) -> Result<Self> {
        let decoded = jpeg::degrade(&original, table)?;
        Ok(Self { original, decoded, condition: Condition::from_jpeg_table(table) })
    }

    /// Samples along a side.
    pub fn size(&self) -> usize {
        self.original.width
    }

    pub fn original(&self) -> Plane<'_> {
        self.original.plane()
    }

    pub fn decoded(&self) -> Plane<'_> {
        self.decoded.plane()
    }

    /// Mean squared error of the decoded crop.
    pub fn error(&self) -> f64 {
        mse(&self.original.data, &self.decoded.data)
    }
}

/// All pictures in memory.
pub struct Pictures {
    train: Vec<Luma>,
    held_out: Vec<Luma>,
}

impl Pictures {
    /// Reads every PNG below `folder`, in the order of their paths.
    pub fn open(folder: &Path) -> Result<Self> {
        let mut paths = Vec::new();
        collect(folder, &mut paths)?;
        paths.sort();
        let (mut train, mut held_out) = (Vec::new(), Vec::new());
        for (i, path) in paths.iter().enumerate() {
            let luma = Luma::open(path)?;
            if i % HOLD_OUT == HOLD_OUT - 1 {
                held_out.push(luma.scaled(0.55));
            } else {
                for s in SCALES {
                    train.push(if s == 1.0 { luma.clone() } else { luma.scaled(s) });
                }
            }
        }
        if train.is_empty() || held_out.is_empty() {
            bail!("{}: needs at least {HOLD_OUT} PNG pictures", folder.display());
        }
        Ok(Self { train, held_out })
    }

    pub fn counts(&self) -> (usize, usize) {
        (self.train.len() / SCALES.len(), self.held_out.len())
    }

    /// A random training picture, at one of its scales.
    pub fn random(&self, rng: &mut impl Rng) -> &Luma {
        &self.train[rng.random_range(0..self.train.len())]
    }

    /// A random training crop of `size × size`.
    pub fn crop(&self, size: usize, rng: &mut impl Rng) -> Result<Crop> {
        let picture = loop {
            let p = self.random(rng);
            if p.width >= size && p.height >= size {
                break p;
            }
        };
        let x = rng.random_range(0..=picture.width - size);
        let y = rng.random_range(0..=picture.height - size);
        let turn = rng.random_range(0..8u32);
        let data = (0..size * size)
            .map(|i| {
                let (mut u, mut v) = (i % size, i / size);
                if turn & 1 != 0 {
                    u = size - 1 - u;
                }
                if turn & 2 != 0 {
                    v = size - 1 - v;
                }
                if turn & 4 != 0 {
                    std::mem::swap(&mut u, &mut v);
                }
                picture.data[(y + v) * picture.width + x + u]
            })
            .collect();
        Crop::new(Luma { width: size, height: size, data }, &random_table(rng))
    }

    /// The centre of every held-out picture, degraded with `table`.
    pub fn validation(&self, size: usize, table: &[u16; 64]) -> Result<Vec<Crop>> {
        let crops = self.held_out.iter().map(|p| {
            let (x, y) = ((p.width - size) / 2, (p.height - size) / 2);
            let rows = (y..y + size)
                .flat_map(|r| p.data[r * p.width + x..r * p.width + x + size].iter().copied());
            Crop::new(Luma { width: size, height: size, data: rows.collect() }, table)
        });
        crops.collect()
    }
}

/// A table drawn for training: standard tables of any quality, flat ones, and random shapes.
fn random_table(rng: &mut impl Rng) -> [u16; 64] {
    match rng.random_range(0..20) {
        0..=6 => standard_table(rng.random_range(5..50)),
        7..=10 => standard_table(rng.random_range(50..=93)),
        11..=13 => [log_uniform(rng, 4.0, 90.0).round() as u16; 64],
        _ => {
            let base = standard_table(rng.random_range(8..=90));
            let flat = log_uniform(rng, 4.0, 70.0);
            let mix: f64 = rng.random_range(0.0..=1.0);
            let tilt: f64 = rng.random_range(-0.08..=0.08);
            let noise: f64 = rng.random_range(0.0..=0.3);
            std::array::from_fn(|i| {
                let order = (i % 8 + i / 8) as f64;
                let step = f64::from(base[i]).powf(mix) * flat.powf(1.0 - mix);
                let jitter = noise * rng.random_range(-1.0..=1.0);
                (step * (tilt * order + jitter).exp()).round().clamp(1.0, 255.0) as u16
            })
        }
    }
}

fn log_uniform(rng: &mut impl Rng, low: f64, high: f64) -> f64 {
    (rng.random_range(low.ln()..=high.ln())).exp()
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
