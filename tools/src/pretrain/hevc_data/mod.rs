//! Makes a data set of HEVC: still pictures coded as intra, and clips made of them coded with
//! inter prediction, by x265 through ffmpeg.

mod clip;
mod colour;

use super::coded::Entry;
use super::data;
use crate::codec::x265_clip::{self, Coded};
use crate::files;
use crate::media::yuv::Yuv;
use anyhow::{Context, Result};
use clap::Args;
use clip::Scene;
use colour::{Colour, Frame};
use image::imageops::{resize, FilterType};
use image::RgbImage;
use rand::{Rng, SeedableRng};
use rand_pcg::Pcg64Mcg;
use rayon::prelude::*;
use sidelight::PictureType;
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};

/// Still pictures are scaled by this, clips' by the next.
const SCALES: RangeInclusive<f64> = 0.42..=1.0;
const CLIP_SCALES: RangeInclusive<f64> = 0.58..=1.0;
const QPS: (u8, u8) = (18, 47);
/// QP asked for; I pictures get 3 less, B pictures 1 or 2 more.
const CLIP_QPS: (u8, u8) = (21, 45);
/// Largest sides of still pictures.
const LARGEST: usize = 384;
/// In a round, for each picture.
const STILLS: u32 = 3;
const CLIPS: u32 = 2;
/// Pictures kept of a clip.
const KEPT: usize = 4;

#[derive(Args)]
pub struct Options {
    /// Folder of PNG pictures
    #[arg(long)]
    pictures: PathBuf,
    /// Folder for the data set; what is there is not made again
    #[arg(long)]
    out: PathBuf,
    /// Seed of everything random
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Rounds: each makes 3 still pictures and 2 clips of every picture
    #[arg(long, default_value_t = 2)]
    rounds: u32,
    /// Pictures at a time; the result does not depend on it
    #[arg(long, default_value_t = 2)]
    jobs: usize,
}

pub fn run(options: &Options) -> Result<()> {
    let paths = data::paths(&options.pictures)?;
    let pool = rayon::ThreadPoolBuilder::new().num_threads(options.jobs).build()?;
    let bar = indicatif::ProgressBar::new(paths.len() as u64 * u64::from(options.rounds))
        .with_style(indicatif::ProgressStyle::with_template("{bar:30} {pos}/{len} {eta}")?);
    for round in 0..options.rounds {
        let folder = options.out.join(round.to_string());
        std::fs::create_dir_all(&folder).with_context(|| folder.display().to_string())?;
        let picture = |i: usize| -> Result<()> {
            let index = folder.join(format!("{i:04}.csv"));
            if !index.exists() {
                let seed = options.seed << 40 | u64::from(round) << 20 | i as u64;
                let samples = samples(&paths, i, &mut Pcg64Mcg::seed_from_u64(seed))
                    .with_context(|| paths[i].0.display().to_string())?;
                write(&index, &samples)?;
            }
            bar.inc(1);
            Ok(())
        };
        pool.install(|| (0..paths.len()).into_par_iter().try_for_each(picture))?;
    }
    bar.finish_and_clear();
    Ok(())
}

struct Sample {
    entry: Entry,
    original: Yuv,
    decoded: Yuv,
}

/// What a round makes of picture `i`.
fn samples(paths: &[(PathBuf, bool)], i: usize, rng: &mut Pcg64Mcg) -> Result<Vec<Sample>> {
    let (path, held_out) = &paths[i];
    let picture = open(path)?;
    let mut all = Vec::new();
    let mut keep = |clip, (coded, bits), original: Yuv, picture: Coded| {
        let (width, height) = (original.width, original.height);
        let Coded { picture_type, qp, decoded, .. } = picture;
        let held_out = *held_out;
        let picture_type = picture_type.into();
        let entry = Entry { held_out, clip, picture_type, qp, width, height, coded, bits };
        all.push(Sample { entry, original, decoded });
    };
    for part in 0..STILLS {
        let original = still(&picture, rng);
        let qp = stratum(QPS, part, STILLS, rng);
        let coded = x265_clip::code(std::slice::from_ref(&original), qp, true)?.pictures.remove(0);
        let size = (original.width * original.height) as u64;
        keep(false, (size, coded.bits), original, coded);
    }
    // What moves in front is of the same side of the hold-out.
    let others: Vec<_> = paths.iter().filter(|(p, h)| h == held_out && p != path).collect();
    for part in 0..CLIPS {
        let other = match others.len() {
            0 => picture.clone(),
            n => open(&others[rng.random_range(0..n)].0)?,
        };
        let mut scaled = |p| scaled(p, rng.random_range(CLIP_SCALES));
        let scene = [scaled(&picture), scaled(&other)];
        let frames = Scene::random(scene, rng).frames(rng);
        let qp = stratum(CLIP_QPS, part, CLIPS, rng);
        let coded = x265_clip::code(&frames, qp, false)?.pictures;
        let size = (frames.len() * frames[0].width * frames[0].height) as u64;
        let bits = coded.iter().map(|c| c.bits).sum();
        let mut chosen = choose(&coded, rng);
        chosen.sort_unstable();
        for (t, (original, coded)) in frames.into_iter().zip(coded).enumerate() {
            if chosen.binary_search(&t).is_ok() {
                keep(true, (size, bits), original, coded);
            }
        }
    }
    Ok(all)
}

fn open(path: &Path) -> Result<RgbImage> {
    Ok(image::open(path).with_context(|| path.display().to_string())?.into_rgb8())
}

fn scaled(picture: &RgbImage, factor: f64) -> RgbImage {
    let size = |n: u32| (f64::from(n) * factor).round().max(1.0) as u32;
    resize(picture, size(picture.width()), size(picture.height()), FilterType::Lanczos3)
}

/// A random number of the `part`-th of `parts` parts of a range.
fn stratum((low, high): (u8, u8), part: u32, parts: u32, rng: &mut Pcg64Mcg) -> u8 {
    let within = (f64::from(part) + rng.random::<f64>()) / f64::from(parts);
    low + (within * f64::from(high + 1 - low)) as u8
}

/// A window of the picture, scaled.
fn still(picture: &RgbImage, rng: &mut Pcg64Mcg) -> Yuv {
    let picture = scaled(picture, rng.random_range(SCALES));
    let side = |n: u32| (n as usize / 16 * 16).min(LARGEST);
    let (width, height) = (side(picture.width()), side(picture.height()));
    let x0 = rng.random_range(0..=picture.width() as usize - width);
    let y0 = rng.random_range(0..=picture.height() as usize - height);
    let pixel = |i: usize| {
        let (x, y) = (x0 + i % width, y0 + i / width);
        picture.get_pixel(x as u32, y as u32).0.map(f32::from)
    };
    let frame = Frame { width, height, pixels: (0..width * height).map(pixel).collect() };
    Colour::of_stills(rng).planes(&frame)
}

/// Which pictures of a clip are kept: the first, one P, one B that others refer to and one that
/// none do, or others in their place.
fn choose(coded: &[Coded], rng: &mut Pcg64Mcg) -> Vec<usize> {
    let kinds = [(PictureType::P, true), (PictureType::B, true), (PictureType::B, false)];
    let mut chosen = vec![0];
    for kind in kinds.map(Some).into_iter().chain([None; KEPT]) {
        let fits = |t: &usize| {
            let own = (coded[*t].picture_type, coded[*t].referred);
            !chosen.contains(t) && kind.is_none_or(|k| k == own)
        };
        let all: Vec<_> = (0..coded.len()).filter(fits).collect();
        if !all.is_empty() && chosen.len() < KEPT {
            chosen.push(all[rng.random_range(0..all.len())]);
        }
    }
    chosen
}

/// The samples, then their index, which marks that all are there.
fn write(index: &Path, samples: &[Sample]) -> Result<()> {
    let planes = samples.iter().flat_map(|s| [s.original.to_raw(), s.decoded.to_raw()]);
    files::write(&index.with_extension("yuv"), &planes.collect::<Vec<_>>().concat())?;
    let mut csv = csv::Writer::from_writer(Vec::new());
    samples.iter().try_for_each(|s| csv.serialize(&s.entry))?;
    files::write(index, &csv.into_inner()?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use sidelight::Layout;

    #[test]
    fn every_kind_of_picture_is_kept() {
        let picture = |picture_type, referred| Coded {
            picture_type,
            referred,
            qp: 30,
            bits: 1,
            decoded: Yuv::new(2, 2, Layout::I420),
        };
        let (p, b) = (picture(PictureType::P, true), picture(PictureType::B, true));
        let b2 = picture(PictureType::B, false);
        let coded = [picture(PictureType::Irap, true), b2.clone(), b, b2, p.clone(), p];
        for seed in 0..20 {
            let mut rng = Pcg64Mcg::seed_from_u64(seed);
            let chosen = choose(&coded, &mut rng);
            assert_eq!((chosen[0], chosen[2]), (0, 2));
            assert!(chosen[1] >= 4 && [1, 3].contains(&chosen[3]));
            let mut others = choose(&coded[3..], &mut rng);
            others.sort_unstable();
            assert_eq!(others, [0, 1, 2]);
        }
    }

    #[test]
    fn strata_cover_their_range() {
        let mut rng = Pcg64Mcg::seed_from_u64(1);
        let draws: Vec<u8> = (0..3000).map(|i| stratum(QPS, i % 3, 3, &mut rng)).collect();
        assert_eq!((draws.iter().min(), draws.iter().max()), (Some(&18), Some(&47)));
        assert!(draws.iter().step_by(3).all(|qp| *qp < 28));
    }
}
