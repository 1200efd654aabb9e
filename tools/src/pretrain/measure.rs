//! Measures the gains of all planes over a folder of pictures through the integer filter: each plane
//! coded as in a colour JPEG, with optimised Huffman tables of its own.

use super::planes::Planes;
use super::tables::{self, Tables};
use crate::jpeg;
use anyhow::{Context, Result};
use clap::{Args, ValueEnum};
use sidelight::{
    Codec, Decoder, DecoderSettings, Encoder, EncoderSettings, Hints, Layout, Mode, PictureMut,
    PlaneMut, Rate,
};
use std::path::PathBuf;

#[derive(Clone, Copy, ValueEnum)]
enum Sampling {
    #[value(name = "420")]
    I420,
    #[value(name = "422")]
    I422,
    #[value(name = "444")]
    I444,
}

#[derive(Args)]
pub struct Options {
    /// Folder of PNG pictures
    #[arg(long)]
    data: PathBuf,
    /// JPEG qualities
    #[arg(long, value_delimiter = ',', default_value = "10,20,30,40")]
    qf: Vec<u32>,
    /// Chroma sampling
    #[arg(long, value_enum, default_value = "420")]
    sampling: Sampling,
    /// Make and measure weight-updates as well
    #[arg(long)]
    update: bool,
    /// Training steps of an update
    #[arg(long)]
    steps: Option<u32>,
    /// Threads
    #[arg(long, default_value_t = 1)]
    threads: usize,
}

/// One measurement, or the mean of several.
#[derive(Clone, Copy, Default)]
struct Row {
    /// PSNRs of Y, Cb, Cr.
    plain: [f64; 3],
    base: [f64; 3],
    update: [f64; 3],
    /// The update's body.
    bytes: f64,
    /// PSNR-YUV over the base model's payload, less what the bytes would have bought.
    net: f64,
}

pub fn run(options: &Options) -> Result<()> {
    let mut paths: Vec<_> = std::fs::read_dir(&options.data)
        .with_context(|| options.data.display().to_string())?
        .map(|e| e.map(|e| e.path()))
        .collect::<Result<_, _>>()?;
    paths.retain(|p| p.extension().is_some_and(|e| e == "png"));
    paths.sort();
    let layout = match options.sampling {
        Sampling::I420 => Layout::I420,
        Sampling::I422 => Layout::I422,
        Sampling::I444 => Layout::I444,
    };
    println!(
        "QF    PSNR Y, Cb, Cr          +base Y, Cb, Cr         +update Y, Cb, Cr     bytes    net"
    );
    for &qf in &options.qf {
        let mut rows = Vec::new();
        for path in &paths {
            rows.push(one(&Planes::open(path)?.even().sampled(layout), qf, options)?);
        }
        let mean = |of: &dyn Fn(&Row) -> f64| rows.iter().map(of).sum::<f64>() / rows.len() as f64;
        let three = |of: &dyn Fn(&Row, usize) -> f64| {
            [0, 1, 2].map(|p| format!("{:7.3}", mean(&|r| of(r, p)))).join("")
        };
        println!(
            "{qf:<4}{}  {}  {}  {:7.1}{:8.3}",
            three(&|r, p| r.plain[p]),
            three(&|r, p| r.base[p] - r.plain[p]),
            three(&|r, p| r.update[p] - r.base[p]),
            mean(&|r| r.bytes),
            mean(&|r| r.net)
        );
    }
    Ok(())
}

/// PSNR-YUV 6:1:1.
fn weighted([y, cb, cr]: [f64; 3]) -> f64 {
    (6.0 * y + cb + cr) / 8.0
}

fn psnr(a: &Planes, b: &Planes) -> [f64; 3] {
    a.errors(b).map(|mse| 10.0 * (255.0 * 255.0 / mse).log10())
}

/// What `decoder` makes of `decoded`.
fn filtered(decoder: &Decoder, decoded: &Planes) -> Result<Planes> {
    let mut out = decoded.clone();
    let planes =
        out.planes.iter_mut().map(|p| PlaneMut::new(&mut p.data, p.width, p.width, p.height));
    let target = PictureMut::new(decoded.layout, planes.collect::<sidelight::Result<_>>()?)?;
    decoder.filter(&decoded.view(), target)?;
    Ok(out)
}

/// Bytes of all planes' files.
fn coded_bytes(picture: &Planes, tables: &Tables) -> Result<f64> {
    let planes = picture.planes.iter().enumerate();
    let bytes = planes.map(|(p, plane)| Ok(jpeg::encode(plane, &tables[p.min(1)])?.len() as f64));
    bytes.sum()
}

fn one(picture: &Planes, qf: u32, options: &Options) -> Result<Row> {
    let coded = tables::standard(qf);
    let decoded = picture.degraded(&coded)?;
    let hints = Hints { codec: Codec::Jpeg { luma: coded[0], chroma: Some(coded[1]) }, binding: 0 };
    let settings = DecoderSettings { threads: options.threads, ..Default::default() };
    let mut decoder = Decoder::new(settings);
    decoder.set_base(&hints)?;
    let plain = psnr(picture, &decoded);
    let base = psnr(picture, &filtered(&decoder, &decoded)?);
    if !options.update {
        return Ok(Row { plain, base, update: base, ..Default::default() });
    }
    let other = tables::standard(qf + 3);
    let slope = (weighted(psnr(picture, &picture.degraded(&other)?)) - weighted(plain))
        / (coded_bytes(picture, &other)? - coded_bytes(picture, &coded)?);
    let settings =
        EncoderSettings { threads: options.threads, steps: options.steps, mode: Mode::Update };
    let encoded = Encoder::new(settings)?.encode(
        &picture.view(),
        &decoded.view(),
        &hints,
        Rate { coded_bytes: 0, slope_db_per_byte: slope },
        &mut |_| true,
    )?;
    decoder.set_payload(&encoded.payload, &hints)?;
    let update = psnr(picture, &filtered(&decoder, &decoded)?);
    let bytes = encoded.payload.len() as f64 - 8.0;
    let net = weighted(update) - weighted(base) - slope * bytes;
    Ok(Row { plain, base, update, bytes, net })
}
