//! The pictures of the report: losslessly coded and inside the page.

use crate::eval::results::Results;
use anyhow::{ensure, Context, Result};
use image::codecs::png::{CompressionType, FilterType, PngEncoder};
use image::codecs::webp::WebPEncoder;
use image::DynamicImage;
use indicatif::ProgressBar;
use rayon::prelude::*;
use serde::Serialize;
use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};

pub const VARIANTS: [&str; 4] = ["original", "codec", "base", "update"];

/// What all pictures may take in the page, in characters.
const BUDGET: usize = 24_000_000;

/// Sides of centre crops that are tried if the whole pictures take more.
const CROPS: [u32; 7] = [1024, 768, 512, 384, 256, 128, 64];

/// Pictures to show.
#[derive(Default, Serialize)]
pub struct Shown {
    pub sets: Vec<Set>,
    /// Data URIs; what several sets share is here once.
    pub data: Vec<String>,
    /// The side of the centre crops that are shown in place of whole pictures.
    pub crop: Option<u32>,
}

/// The variants of a picture at a quality.
#[derive(Serialize)]
pub struct Set {
    pub picture: String,
    pub quality: u32,
    /// As shown.
    pub width: u32,
    pub height: u32,
    /// Indices into [`Shown::data`].
    pub variants: BTreeMap<&'static str, usize>,
}

/// Files of a [`Set`].
struct Files {
    picture: String,
    quality: u32,
    variants: Vec<(&'static str, PathBuf)>,
}

/// The pictures that `folder` has of `results`; as crops if they would take too much room.
pub fn shown(results: &Results, folder: &Path) -> Result<Shown> {
    let files = find(results, folder);
    if let Some(all) = load(&files, None, BUDGET)? {
        return Ok(all);
    }
    for side in CROPS {
        if let Some(crops) = load(&files, Some(side), BUDGET)? {
            return Ok(crops);
        }
    }
    Ok(Shown::default())
}

fn find(results: &Results, folder: &Path) -> Vec<Files> {
    let of_point = results.points.iter().map(|point| {
        let (picture, quality) = (point.picture.clone(), point.quality);
        let file = |variant| {
            let path = folder.join(format!("{picture}-q{quality}-{variant}.png"));
            path.exists().then_some((variant, path))
        };
        let variants = VARIANTS.into_iter().filter_map(file).collect();
        Files { picture, quality, variants }
    });
    of_point.filter(|files| files.variants.len() > 1).collect()
}

/// All sets, or none if they take more than `budget`.
fn load(files: &[Files], crop: Option<u32>, budget: usize) -> Result<Option<Shown>> {
    let bar = ProgressBar::new(files.len() as u64);
    let mut out = Shown { crop, ..Shown::default() };
    let mut known: HashMap<String, usize> = HashMap::new();
    let mut taken = 0;
    for files in files {
        let read = |(_, path): &(_, PathBuf)| -> Result<_> {
            let image = open(path, crop).with_context(|| path.display().to_string())?;
            Ok(((image.width(), image.height()), data_uri(&image)?))
        };
        let loaded = files.variants.par_iter().map(read).collect::<Result<Vec<_>>>()?;
        let (width, height) = loaded[0].0;
        let at = || format!("{} at {}", files.picture, files.quality);
        ensure!(loaded.iter().all(|l| l.0 == loaded[0].0), "{}: sizes differ", at());
        let mut variants = BTreeMap::new();
        for ((variant, _), (_, uri)) in files.variants.iter().zip(loaded) {
            let index = *known.entry(uri).or_insert_with_key(|uri| {
                taken += uri.len();
                out.data.push(uri.clone());
                out.data.len() - 1
            });
            variants.insert(*variant, index);
        }
        if taken > budget {
            bar.finish_and_clear();
            return Ok(None);
        }
        let (picture, quality) = (files.picture.clone(), files.quality);
        out.sets.push(Set { picture, quality, width, height, variants });
        bar.inc(1);
    }
    bar.finish_and_clear();
    Ok(Some(out))
}

/// A picture with 8-bit samples, gray or RGB, or its centre.
fn open(path: &Path, crop: Option<u32>) -> Result<DynamicImage> {
    let image = image::open(path)?;
    let side = crop.unwrap_or(u32::MAX);
    let (width, height) = (image.width().min(side), image.height().min(side));
    let image =
        image.crop_imm((image.width() - width) / 2, (image.height() - height) / 2, width, height);
    Ok(if image.color().has_color() {
        DynamicImage::ImageRgb8(image.into_rgb8())
    } else {
        DynamicImage::ImageLuma8(image.into_luma8())
    })
}

/// Lossless, as PNG or WebP, whichever is smaller.
fn data_uri(image: &DynamicImage) -> Result<String> {
    let (mut png, mut webp) = (Vec::new(), Vec::new());
    let encoder =
        PngEncoder::new_with_quality(&mut png, CompressionType::Best, FilterType::Adaptive);
    image.write_with_encoder(encoder)?;
    image.write_with_encoder(WebPEncoder::new_lossless(&mut webp))?;
    let (kind, bytes) = if webp.len() < png.len() { ("webp", webp) } else { ("png", png) };
    Ok(format!("data:image/{kind};base64,{}", base64(&bytes)))
}

fn base64(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut out = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for three in bytes.chunks(3) {
        let byte = |i: usize| u32::from(three.get(i).copied().unwrap_or(0));
        let bits = byte(0) << 16 | byte(1) << 8 | byte(2);
        for i in 0..4 {
            let digit = DIGITS[(bits >> (18 - 6 * i) & 63) as usize];
            out.push(if i <= three.len() { digit as char } else { '=' });
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::super::synthetic;
    use super::*;

    #[test]
    fn base64_of_every_length() {
        let cases: [(&[u8], &str); 4] =
            [(b"", ""), (b"f", "Zg=="), (b"fo", "Zm8="), (b"foo\xff\xfe", "Zm9v//4=")];
        for (bytes, text) in cases {
            assert_eq!(base64(bytes), text);
        }
    }

    #[test]
    fn the_original_is_stored_once_and_what_is_too_large_is_cropped() {
        let folder = tempfile::tempdir().unwrap();
        synthetic::write(folder.path());
        let results = synthetic::results();
        let files = find(&results, &folder.path().join("pictures"));
        let all = load(&files, None, BUDGET).unwrap().unwrap();
        assert_eq!(all.sets.len(), 4);
        assert_eq!(all.data.len(), 2 * (1 + 2 * 3));
        assert_eq!(all.sets[0].variants["original"], all.sets[1].variants["original"]);

        let size: usize = all.data.iter().map(String::len).sum();
        assert!(load(&files, None, size - 1).unwrap().is_none());
        let crops = load(&files, Some(64), size / 2).unwrap().unwrap();
        assert_eq!((crops.sets[0].width, crops.sets[0].height), (64, 64));
    }
}
