//! A page about an evaluation, from its folder: tables, curves, pictures before and after. One
//! file, nothing from the network.

mod pictures;
#[cfg(test)]
pub mod synthetic;
#[cfg(test)]
mod tests;

use crate::eval::losses::{self, Loss};
use crate::eval::results::{Point, Results, Variant};
use crate::files;
use crate::page;
use anyhow::{Context, Result};
use clap::Args;
use pictures::Shown;
use serde::{de::DeserializeOwned, Deserialize, Serialize};
use serde_json::Value;
use std::path::{Path, PathBuf};

#[derive(Args)]
pub struct Options {
    /// An evaluation's folder
    out: PathBuf,
    /// Folder of another evaluation of the same pictures, whose curves stand beside; may be given
    /// more than once
    #[arg(long)]
    beside: Vec<PathBuf>,
}

/// What the page shows.
#[derive(Serialize)]
struct Report {
    quality_name: &'static str,
    results: Results,
    losses: Vec<Loss>,
    pictures: Shown,
    peers: Vec<Peer>,
    /// Whatever another comparison of coders says: the page shows its names and numbers.
    update_coders: Option<Value>,
}

/// Another codec, or a filter after this codec.
#[derive(Serialize, Deserialize)]
struct Peer {
    name: String,
    kind: PeerKind,
    version: Option<String>,
    points: Vec<PeerPoint>,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum PeerKind {
    Codec,
    Filter,
}

#[derive(Serialize, Deserialize)]
struct PeerPoint {
    picture: String,
    /// The peer's own number; for a filter the codec's.
    quality: f64,
    setting: Option<String>,
    /// For a filter the codec's.
    bytes: f64,
    psnr: Vec<Option<f64>>,
    psnr_yuv: Option<f64>,
    #[serde(default)]
    ssim: Option<f64>,
    #[serde(default)]
    ms_ssim: Option<f64>,
    #[serde(default)]
    ssimulacra2: Option<f64>,
}

pub fn run(options: &Options) -> Result<()> {
    let page = options.out.join("report.html");
    let mut report = Report::gather(&options.out)?;
    for folder in &options.beside {
        report.peers.extend(beside(&read(&folder.join("results.json"))?)?);
    }
    let html = page::html(
        include_str!("page.html"),
        include_str!("page.css"),
        concat!(include_str!("chart.js"), include_str!("page.js")),
        &serde_json::to_string(&report)?,
    );
    files::write(&page, html.as_bytes())?;
    println!("{}", page.display());
    Ok(())
}

impl Report {
    fn gather(out: &Path) -> Result<Self> {
        let results: Results = read(&out.join("results.json"))?;
        Ok(Self {
            quality_name: results.setup.codec.quality_name(),
            losses: losses::losses(&results),
            pictures: pictures::shown(&results, &out.join("pictures"))?,
            peers: read_if_there(&out.join("peers.json"))?.unwrap_or_default(),
            update_coders: read_if_there(&out.join("update_coders.json"))?,
            results,
        })
    }
}

/// Another evaluation's curves, as a peer for each variant.
fn beside(results: &Results) -> Result<Vec<Peer>> {
    let codec = serde_json::to_value(results.setup.codec)?;
    let codec = codec.as_str().context("a codec without a name")?;
    let peer = |(suffix, variant): (&str, Variant)| {
        let point = |p: &Point| {
            let m = p.variant(variant);
            PeerPoint {
                picture: p.picture.clone(),
                quality: f64::from(p.quality),
                setting: Some(format!("{} {}", results.setup.codec.quality_name(), p.quality)),
                bytes: m.bytes as f64,
                psnr: m.psnr.clone(),
                psnr_yuv: m.psnr_yuv,
                ssim: m.ssim,
                ms_ssim: m.ms_ssim,
                ssimulacra2: m.ssimulacra2,
            }
        };
        Peer {
            name: format!("{codec}{suffix}"),
            kind: PeerKind::Codec,
            version: Some(results.setup.codec_version.clone()),
            points: results.points.iter().map(point).collect(),
        }
    };
    let variants = [("", Variant::Codec), (", base", Variant::Base), (", update", Variant::Update)];
    Ok(variants.map(peer).into())
}

fn read<T: DeserializeOwned>(path: &Path) -> Result<T> {
    let text = std::fs::read(path).with_context(|| format!("reading {}", path.display()))?;
    serde_json::from_slice(&text).with_context(|| format!("parsing {}", path.display()))
}

fn read_if_there<T: DeserializeOwned>(path: &Path) -> Result<Option<T>> {
    if path.exists() {
        read(path).map(Some)
    } else {
        Ok(None)
    }
}
