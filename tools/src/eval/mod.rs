//! The evaluation: pictures × qualities, each coded by a real codec, filtered with the base model
//! and with an update; figures, BD-rates, tables.

mod bdrate;
mod clip;
pub mod compare;
pub mod losses;
pub mod metrics;
mod point;
pub mod results;
mod summary;
mod table;

use crate::codec::{self, Codec};
use crate::files::{self, hash, write};
use crate::machine::Run;
use crate::media::yuv::{Original, Planes, Yuv};
use anyhow::{bail, ensure, Context, Result};
use clap::Args;
use indicatif::{ProgressBar, ProgressStyle};
use rayon::prelude::*;
use results::{Failure, Point, Results, Setup};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

#[derive(Args)]
pub struct Options {
    /// Folder of PNG pictures; for x265 of 8-bit 4:2:0 YUV4MPEG2 clips
    #[arg(long)]
    data: PathBuf,
    /// Folder to write to; what an interrupted or earlier run with the same setup left is taken up
    #[arg(long)]
    out: PathBuf,
    #[arg(long, value_enum, default_value = "jpeg")]
    codec: codec::Kind,
    /// The codec's qualities (JPEG: 1..=100; jpeg-flat: the step; x265: the QP)
    #[arg(long, value_delimiter = ',')]
    quality: Vec<u32>,
    /// What is coded of a colour picture
    #[arg(long, value_enum, default_value = "colour")]
    planes: Planes,
    /// The encoder's effort, 1..=9
    #[arg(long, default_value_t = sidelight::encoder::DEFAULT_EFFORT)]
    effort: u8,
    /// Training steps of an update, instead of the effort's
    #[arg(long)]
    steps: Option<u32>,
    /// Size of the base model
    #[arg(long, value_enum, default_value = "m")]
    size: results::Size,
    /// What is trained, and how it is made small
    #[arg(long, value_enum, default_value = "rate-distortion")]
    objective: results::Objective,
    /// Pictures measured at a time; 0 for one per core
    #[arg(long, default_value_t = 0)]
    jobs: usize,
    /// Pictures to store for the report, at the first and the last quality
    #[arg(long, default_value_t = 4)]
    show: usize,
}

/// A stored point: what it was measured on and with, and the figures.
#[derive(Serialize, Deserialize)]
struct Stored {
    setup: Setup,
    /// SHA-256 of the picture's file.
    source: String,
    point: Point,
}

/// One picture's file.
struct Source {
    name: String,
    path: PathBuf,
    /// Whether the report shows it.
    shown: bool,
}

pub fn run(options: &Options) -> Result<()> {
    let qualities = qualities(options)?;
    let sources = sources(options)?;
    let codec = options.codec.open_for(options.size.into());
    let setup = Setup {
        codec: options.codec,
        codec_version: if options.codec.of_clips() {
            options.codec.version()?
        } else {
            codec.version()?
        },
        planes: options.planes,
        effort: options.effort,
        steps: options.steps,
        size: options.size,
        objective: options.objective,
        program: hash(&std::fs::read(std::env::current_exe()?)?),
    };
    for folder in ["points", "payloads", "pictures"] {
        let folder = options.out.join(folder);
        std::fs::create_dir_all(&folder).with_context(|| format!("making {}", folder.display()))?;
    }
    let job = Job { codec: &*codec, setup: &setup, out: &options.out };
    let shown: BTreeSet<u32> = [qualities[0], qualities[qualities.len() - 1]].into_iter().collect();
    let tasks: Vec<(&Source, u32)> =
        sources.iter().flat_map(|s| qualities.iter().map(move |q| (s, *q))).collect();
    let bar = ProgressBar::new(tasks.len() as u64)
        .with_style(ProgressStyle::with_template("{bar:30} {pos}/{len} {eta} {msg}")?);
    let pool = rayon::ThreadPoolBuilder::new().num_threads(options.jobs).build()?;
    let outcomes: Vec<Result<Point>> = pool.install(|| {
        let one = |(source, quality): &(&Source, u32)| {
            let show = source.shown && shown.contains(quality);
            let outcome = job.run(source, *quality, show);
            bar.set_message(format!("{} at {quality}", source.name));
            bar.inc(1);
            if let Err(e) = &outcome {
                bar.println(format!("{} at {quality}: {e:#}", source.path.display()));
            }
            outcome
        };
        tasks.par_iter().map(one).collect()
    });
    bar.finish_and_clear();

    let mut points = Vec::new();
    let mut failures: Vec<Failure> = Vec::new();
    for (outcome, (source, _)) in outcomes.into_iter().zip(&tasks) {
        match outcome {
            Ok(point) => points.push(point),
            Err(e) if failures.last().is_none_or(|f| f.picture != source.name) => {
                failures.push(Failure { picture: source.name.clone(), error: format!("{e:#}") });
            }
            Err(_) => {}
        }
    }
    // A picture counts with all its qualities or not at all.
    points.retain(|p| failures.iter().all(|f| f.picture != p.picture));
    ensure!(!points.is_empty(), "no picture could be measured");
    let summary = summary::summarise(&points, &qualities);
    let results = Results { setup, run: Run::now(), qualities, points, failures, summary };
    write(&options.out.join("results.json"), &serde_json::to_vec_pretty(&results)?)?;
    write(&options.out.join("pictures.csv"), &csv(&results)?)?;
    let text = table::text(&results);
    write(&options.out.join("summary.md"), text.as_bytes())?;
    println!("{text}");
    if !results.failures.is_empty() {
        bail!("{} of {} pictures could not be measured", results.failures.len(), sources.len());
    }
    Ok(())
}

fn qualities(options: &Options) -> Result<Vec<u32>> {
    let given = &options.quality;
    let all = if given.is_empty() { options.codec.default_qualities() } else { given };
    let range = options.codec.qualities();
    if let Some(q) = all.iter().find(|q| !range.contains(q)) {
        bail!("quality {q}: this codec takes {}..={}", range.start(), range.end());
    }
    ensure!(all.iter().collect::<BTreeSet<_>>().len() == all.len(), "a quality is given twice");
    Ok(all.to_vec())
}

/// The files of the folder, `show` of them, spread evenly, marked to be shown.
fn sources(options: &Options) -> Result<Vec<Source>> {
    let extension = if options.codec.of_clips() { "y4m" } else { "png" };
    let paths = files::with_extension(&options.data, extension)?;
    let count = paths.len();
    let show = options.show.min(count);
    let source = |(i, path): (usize, PathBuf)| Source {
        name: files::name(&path),
        path,
        shown: (i + 1) * show / count > i * show / count,
    };
    Ok(paths.into_iter().enumerate().map(source).collect())
}

/// What all points have in common.
struct Job<'a> {
    codec: &'a dyn Codec,
    setup: &'a Setup,
    out: &'a Path,
}

impl Job<'_> {
    /// The stored point, or a new one.
    fn run(&self, source: &Source, quality: u32, show: bool) -> Result<Point> {
        let stem = format!("{}-q{quality}", source.name);
        let file = self.out.join("points").join(format!("{stem}.json"));
        let bytes = std::fs::read(&source.path)?;
        let hash = hash(&bytes);
        let picture_file =
            |variant: &str| self.out.join("pictures").join(format!("{stem}-{variant}.png"));
        if let Some(stored) =
            std::fs::read(&file).ok().and_then(|b| serde_json::from_slice::<Stored>(&b).ok())
        {
            let complete = !show || picture_file("update").exists();
            if stored.setup == *self.setup && stored.source == hash && complete {
                return Ok(stored.point);
            }
        }
        let outcome = if self.setup.codec.of_clips() {
            let clip = clip::read(&bytes)?;
            clip::run(&source.name, &clip, quality, self.setup)?
        } else {
            let image =
                image::load_from_memory(&bytes).context("not a picture that can be read")?;
            let original = Original::new(image, self.setup.planes);
            point::run(&source.name, &original, self.codec, quality, self.setup)?
        };
        write(&self.out.join("payloads").join(format!("{stem}.slp")), &outcome.payload)?;
        if show {
            let variants = ["original", "codec", "base", "update"];
            for (variant, picture) in variants.into_iter().zip(&outcome.pictures) {
                write(&picture_file(variant), &png(picture)?)?;
            }
        }
        let stored = Stored { setup: self.setup.clone(), source: hash, point: outcome.point };
        write(&file, &serde_json::to_vec_pretty(&stored)?)?;
        Ok(stored.point)
    }
}

/// A PNG to look at.
fn png(yuv: &Yuv) -> Result<Vec<u8>> {
    let mut out = std::io::Cursor::new(Vec::new());
    yuv.to_image().write_to(&mut out, image::ImageFormat::Png)?;
    Ok(out.into_inner())
}

/// A row for each picture, quality and variant.
fn csv(results: &Results) -> Result<Vec<u8>> {
    let mut out = csv::Writer::from_writer(Vec::new());
    out.write_record([
        "picture",
        "width",
        "height",
        "quality",
        "variant",
        "bytes",
        "psnr_y",
        "psnr_cb",
        "psnr_cr",
        "psnr_yuv",
        "ssim",
        "ms_ssim",
        "mode",
        "payload_bytes",
        "net_gain_db",
        "encode_s",
        "decode_s",
        "ssimulacra2",
        "butteraugli",
        "butteraugli_3",
    ])?;
    for p in &results.points {
        let s = &p.seconds;
        let base = (s.codec_encode, s.codec_decode);
        let rows = [
            ("codec", &p.codec, base),
            ("base", &p.base, (base.0, base.1 + s.filter)),
            (
                "update",
                &p.update,
                (base.0 + s.payload_encode, base.1 + s.payload_decode + s.filter),
            ),
        ];
        for (variant, m, (encode, decode)) in rows {
            let text = |v: Option<f64>| v.map_or(String::new(), |v| format!("{v:.6}"));
            let plane = |i: usize| text(m.psnr.get(i).copied().flatten());
            let sent = variant == "update";
            out.write_record([
                p.picture.clone(),
                p.width.to_string(),
                p.height.to_string(),
                p.quality.to_string(),
                variant.to_owned(),
                m.bytes.to_string(),
                plane(0),
                plane(1),
                plane(2),
                text(m.psnr_yuv),
                text(m.ssim),
                text(m.ms_ssim),
                if sent { p.payload.mode.clone() } else { variant.to_owned() },
                if sent { p.payload.bytes.to_string() } else { String::new() },
                if sent { text(p.payload.net_gain_db) } else { String::new() },
                format!("{encode:.4}"),
                format!("{decode:.4}"),
                text(m.ssimulacra2),
                text(m.butteraugli),
                text(m.butteraugli_3),
            ])?;
        }
    }
    Ok(out.into_inner()?)
}

#[cfg(test)]
mod tests;
