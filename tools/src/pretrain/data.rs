//! Training crops: pictures at several scales, cut, flipped, transposed and degraded on the fly.

use super::degrade;
use crate::luma::Luma;
use anyhow::{bail, Result};
use rand::Rng;
use sidelight::Condition;
use std::path::{Path, PathBuf};

/// Scales at which every picture is offered: smaller pictures are denser in detail.
const SCALES: [f64; 4] = [1.0, 0.75, 0.55, 0.42];
/// One picture in this many is held out for validation.
const HOLD_OUT: usize = 16;

/// A decoded crop and its original, with the condition that the decoder would know.
pub struct Crop {
    pub size: usize,
    pub original: Vec<u8>,
    pub decoded: Vec<u8>,
    pub condition: Condition,
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
            let p = &self.train[rng.random_range(0..self.train.len())];
            if p.width >= size && p.height >= size {
                break p;
            }
        };
        let x = rng.random_range(0..=picture.width - size);
        let y = rng.random_range(0..=picture.height - size);
        let turn = rng.random_range(0..8u32);
        let original = (0..size * size)
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
        degraded(size, original, &degrade::random_table(rng))
    }

    /// The centre of every held-out picture, degraded with `table`.
    pub fn validation(&self, size: usize, table: &[u16; 64]) -> Result<Vec<Crop>> {
        let crops = self.held_out.iter().map(|p| {
            let (x, y) = ((p.width - size) / 2, (p.height - size) / 2);
            let rows = (y..y + size)
                .flat_map(|r| p.data[r * p.width + x..r * p.width + x + size].iter().copied());
            degraded(size, rows.collect(), table)
        });
        crops.collect()
    }
}

fn degraded(size: usize, original: Vec<u8>, table: &[u16; 64]) -> Result<Crop> {
    let decoded = degrade::jpeg(size, size, &original, table)?;
    Ok(Crop { size, original, decoded, condition: Condition::from_jpeg_table(table) })
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
