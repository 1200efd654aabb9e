//! Peers, measured on an evaluation's pictures: ffmpeg's filters on the very planes that the codec
//! decoded, and other codecs.

mod codecs;
mod filters;

use crate::codec;
use crate::eval::metrics::measure_psnr;
use crate::eval::results::{Measured, Results};
use crate::files;
use crate::media::yuv::{Original, Yuv};
use anyhow::{ensure, Context, Result};
use clap::Args;
use indicatif::{ProgressBar, ProgressStyle};
use rayon::prelude::*;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

#[derive(Args)]
pub struct Options {
    /// Folder of PNG pictures of the evaluation
    #[arg(long)]
    data: PathBuf,
    /// Folder of the evaluation; peers.json goes there
    #[arg(long)]
    out: PathBuf,
    /// Pictures measured at a time; 0 for one per core
    #[arg(long, default_value_t = 0)]
    jobs: usize,
}

/// One peer in `peers.json`.
#[derive(Serialize)]
struct Peer {
    name: String,
    kind: Kind,
    version: String,
    /// By picture. A codec's are all its settings; a filter's are one for each quality, with the
    /// setting that is best on all other pictures.
    points: Vec<Point>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Kind {
    Filter,
    Codec,
}

/// A picture with a setting of a peer.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Point {
    picture: String,
    /// The evaluated codec's quality; a codec's own setting.
    quality: u32,
    setting: String,
    #[serde(flatten)]
    measured: Measured,
}

/// All of one picture's points, as stored; they hold as long as the file and the versions do.
#[derive(Serialize, Deserialize)]
struct Stored {
    source: String,
    versions: Vec<String>,
    /// By peer.
    points: BTreeMap<String, Vec<Point>>,
}

pub fn run(options: &Options) -> Result<()> {
    let path = options.out.join("results.json");
    let results: Results = std::fs::read(&path)
        .map_err(anyhow::Error::from)
        .and_then(|bytes| Ok(serde_json::from_slice(&bytes)?))
        .with_context(|| format!("reading {}: run eval first", path.display()))?;
    let known = |p: &PathBuf| results.points.iter().any(|point| point.picture == files::name(p));
    let pictures: Vec<PathBuf> = files::pngs(&options.data)?.into_iter().filter(known).collect();
    ensure!(!pictures.is_empty(), "none of the evaluation's pictures are in this folder");
    let ffmpeg = codec::command::version("ffmpeg", "-version")?;
    let mut versions = vec![results.setup.codec_version.clone(), ffmpeg.clone()];
    for codec in codecs::ALL {
        versions.push(codec.version()?);
    }
    let folder = options.out.join("peers");
    std::fs::create_dir_all(&folder).with_context(|| format!("making {}", folder.display()))?;
    let bar = ProgressBar::new(pictures.len() as u64)
        .with_style(ProgressStyle::with_template("{bar:30} {pos}/{len} {eta} {msg}")?);
    let pool = rayon::ThreadPoolBuilder::new().num_threads(options.jobs).build()?;
    let stored: Vec<Stored> = pool.install(|| {
        let one = |path: &PathBuf| {
            let stored = picture(path, &results, &versions, &folder);
            bar.inc(1);
            stored.with_context(|| path.display().to_string())
        };
        pictures.par_iter().map(one).collect::<Result<_>>()
    })?;
    bar.finish_and_clear();

    let all = |name: &str| -> Vec<Point> {
        stored.iter().flat_map(|s| s.points[name].iter().cloned()).collect()
    };
    let mut peers = Vec::new();
    for filter in filters::all() {
        let points = chosen(&all(filter.name), &results.qualities);
        let (name, version) = (filter.name.to_owned(), ffmpeg.clone());
        peers.push(Peer { name, kind: Kind::Filter, version, points });
    }
    for codec in codecs::ALL {
        let (name, version) = (codec.name().to_owned(), codec.version()?);
        peers.push(Peer { points: all(&name), name, kind: Kind::Codec, version });
    }
    files::write(&options.out.join("peers.json"), &serde_json::to_vec_pretty(&peers)?)?;
    println!("{}", table(&peers, &results));
    Ok(())
}

/// Measures one picture with all peers, or takes up what is stored.
fn picture(path: &Path, results: &Results, versions: &[String], folder: &Path) -> Result<Stored> {
    let bytes = std::fs::read(path)?;
    let (name, source) = (files::name(path), files::hash(&bytes));
    let file = folder.join(format!("{name}.json"));
    if let Some(stored) =
        std::fs::read(&file).ok().and_then(|b| serde_json::from_slice::<Stored>(&b).ok())
    {
        let covers = |q: &u32| stored.points["spp"].iter().any(|p| p.quality == *q);
        if stored.source == source
            && stored.versions == versions
            && results.qualities.iter().all(covers)
        {
            return Ok(stored);
        }
    }
    let original = Original::new(image::load_from_memory(&bytes)?, results.setup.planes);
    let point = |quality, setting: &str, decoded: &Yuv, bytes| Point {
        picture: name.clone(),
        quality,
        setting: setting.to_owned(),
        measured: measure_psnr(&original.yuv, decoded, bytes),
    };
    let mut points: BTreeMap<String, Vec<Point>> = BTreeMap::new();
    let codec = results.setup.codec.open_for(results.setup.size.into());
    for &quality in &results.qualities {
        let file = codec.encode(&original, quality)?;
        let decoded = codec.decode(&file, &original.yuv)?;
        for filter in filters::all() {
            let list = points.entry(filter.name.to_owned()).or_default();
            for setting in &filter.settings {
                let filtered = filters::run(&decoded, setting)?;
                list.push(point(quality, setting, &filtered, file.len()));
            }
        }
    }
    for codec in codecs::ALL {
        let list = points.entry(codec.name().to_owned()).or_default();
        for &setting in codec.settings() {
            let (bytes, decoded) = codec.run(&original, setting)?;
            list.push(point(setting, &setting.to_string(), &decoded, bytes));
        }
    }
    let stored = Stored { source, versions: versions.to_vec(), points };
    files::write(&file, &serde_json::to_vec(&stored)?)?;
    Ok(stored)
}

/// For each picture and quality the point whose setting has the best mean luma PSNR over all other
/// pictures at that quality.
fn chosen(points: &[Point], qualities: &[u32]) -> Vec<Point> {
    let mut out: Vec<Point> = Vec::new();
    for picture in points.chunk_by(|a, b| a.picture == b.picture) {
        for quality in qualities {
            let score = |setting: &str| -> f64 {
                let others = points.iter().filter(|p| {
                    p.picture != picture[0].picture && p.quality == *quality && p.setting == setting
                });
                others.filter_map(|p| p.measured.psnr[0]).sum()
            };
            let candidates = picture.iter().filter(|p| p.quality == *quality);
            let best = candidates.max_by(|a, b| score(&a.setting).total_cmp(&score(&b.setting)));
            out.extend(best.cloned());
        }
    }
    out
}

/// Mean luma gains of the filters, beside ours, as Markdown.
fn table(peers: &[Peer], results: &Results) -> String {
    let name = results.setup.codec.quality_name();
    let mut out = format!("Mean gain in PSNR-Y over the codec, dB; a filter's setting is the best one on all other pictures.\n\n| {name} |");
    let filters: Vec<&Peer> = peers.iter().filter(|p| p.kind == Kind::Filter).collect();
    for filter in &filters {
        out += &format!(" {} |", filter.name);
    }
    out += " base | update |\n|---|";
    out += &"---|".repeat(filters.len() + 2);
    for q in &results.summary.qualities {
        out += &format!("\n| {} |", q.quality);
        for filter in &filters {
            let at = filter.points.iter().filter(|p| p.quality == q.quality);
            let gains = at.filter_map(|p| {
                let same = |r: &&crate::eval::results::Point| {
                    r.picture == p.picture && r.quality == p.quality
                };
                let codec = results.points.iter().find(same)?;
                Some(p.measured.psnr[0]? - codec.codec.psnr[0]?)
            });
            let gains: Vec<f64> = gains.collect();
            out += &format!(" {:+.3} |", gains.iter().sum::<f64>() / gains.len() as f64);
        }
        for ours in [&q.base, &q.update] {
            let gain = ours.psnr[0].zip(q.codec.psnr[0]).map(|(a, b)| format!("{:+.3}", a - b));
            out += &format!(" {} |", gain.unwrap_or("-".to_owned()));
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_setting_is_chosen_on_other_pictures() {
        let point = |picture: &str, setting: &str, psnr: f64| Point {
            picture: picture.to_owned(),
            quality: 20,
            setting: setting.to_owned(),
            measured: Measured {
                bytes: 1,
                mse: vec![1.0],
                psnr: vec![Some(psnr)],
                psnr_yuv: Some(psnr),
                ssim: None,
                ms_ssim: None,
                ssimulacra2: None,
                butteraugli: None,
                butteraugli_3: None,
            },
        };
        // "a" would be best with x, but x is bad on the others.
        let points = [
            point("a", "x", 40.0),
            point("a", "y", 30.0),
            point("b", "x", 30.0),
            point("b", "y", 33.0),
            point("c", "x", 30.0),
            point("c", "y", 32.0),
        ];
        let settings: Vec<_> = chosen(&points, &[20]).into_iter().map(|p| p.setting).collect();
        assert_eq!(settings, ["y", "x", "x"]);
    }

    #[test]
    fn filters_and_codecs_give_pictures_back() {
        if codec::command::version("ffmpeg", "-version").is_err() {
            eprintln!("ffmpeg: not installed, not tested");
            return;
        }
        let picture = image::RgbImage::from_fn(67, 45, |x, y| {
            image::Rgb([(x * 5) as u8, (y * 6) as u8, ((x * y) % 200) as u8])
        });
        let original = Original::new(picture.into(), crate::media::yuv::Planes::Colour);
        for filter in filters::all() {
            let out = filters::run(&original.yuv, &filter.settings[0]).unwrap();
            let m = measure_psnr(&original.yuv, &out, 0);
            assert!(m.psnr.iter().all(|p| p.is_none_or(|p| p > 25.0)), "{} {m:?}", filter.name);
        }
        for codec in codecs::ALL.into_iter().filter(|c| c.version().is_ok()) {
            let (bytes, out) = codec.run(&original, *codec.settings().last().unwrap()).unwrap();
            let m = measure_psnr(&original.yuv, &out, bytes);
            assert!(bytes > 20 && m.psnr[0].unwrap() > 25.0, "{} {m:?}", codec.name());
        }
    }
}
