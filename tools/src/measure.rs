//! Measures gains over a folder of pictures through the integer filter: gray JPEGs of the luma.

use crate::jpeg;
use crate::luma::{psnr, Luma};
use anyhow::{Context, Result};
use clap::{Args, ValueEnum};
use sidelight::carriage::jpeg::info;
use sidelight::{
    Codec, Decoder, DecoderSettings, Encoder, EncoderSettings, Hints, Layout, Picture, PictureMut,
    PlaneMut, Rate,
};
use std::path::PathBuf;
use std::time::Instant;

#[derive(Clone, Copy, ValueEnum)]
enum Range {
    /// JFIF luma, as inside a colour JPEG
    Full,
    /// BT.601 limited range (MATLAB's rgb2ycbcr), as in the published LIVE1 and Classic5 tables
    Limited,
}

#[derive(Args)]
pub struct Options {
    /// Folder of PNG pictures
    #[arg(long)]
    data: PathBuf,
    /// JPEG qualities
    #[arg(long, value_delimiter = ',', default_value = "10,20,30,40")]
    qf: Vec<u8>,
    /// Flat quantisation tables (all steps this) instead of qualities
    #[arg(long, value_delimiter = ',')]
    flat: Vec<u16>,
    /// Which luma is coded
    #[arg(long, value_enum, default_value = "full")]
    range: Range,
    /// Make and measure weight-updates as well
    #[arg(long)]
    update: bool,
    /// Training steps of an update
    #[arg(long)]
    steps: Option<u32>,
    /// Threads
    #[arg(long, default_value_t = 1)]
    threads: usize,
    /// A line for every picture
    #[arg(long)]
    verbose: bool,
}

#[derive(Clone, Copy, Debug)]
enum Quality {
    Standard(u8),
    Flat(u16),
}

impl Quality {
    fn table(self) -> [u16; 64] {
        match self {
            Self::Standard(q) => jpeg::standard_table(q.into()),
            Self::Flat(step) => [step; 64],
        }
    }

    fn neighbour(self) -> Self {
        match self {
            Self::Standard(q) => Self::Standard(if q < 97 { q + 3 } else { q - 3 }),
            Self::Flat(s) => Self::Flat((s - s / 10 - 1).max(1)),
        }
    }
}

pub fn run(options: &Options) -> Result<()> {
    let mut paths: Vec<_> = std::fs::read_dir(&options.data)
        .with_context(|| options.data.display().to_string())?
        .map(|e| e.map(|e| e.path()))
        .collect::<Result<_, _>>()?;
    paths.retain(|p| p.extension().is_some_and(|e| e == "png"));
    paths.sort();
    let open = |path: &PathBuf| match options.range {
        Range::Full => Luma::open(path),
        Range::Limited => Luma::open_limited(path),
    };
    let pictures = paths.iter().map(open).collect::<Result<Vec<_>>>()?;
    let qualities: Vec<Quality> = if options.flat.is_empty() {
        options.qf.iter().map(|q| Quality::Standard(*q)).collect()
    } else {
        options.flat.iter().map(|s| Quality::Flat(*s)).collect()
    };
    println!(
        "quality        PSNR   +base  +update  bytes   net  modes(off/base/update)  s/picture"
    );
    for quality in qualities {
        let mut sums = [0.0; 5];
        let mut modes = [0; 3];
        let clock = Instant::now();
        for (path, picture) in paths.iter().zip(&pictures) {
            let row = one(picture, quality, options)?;
            if options.verbose {
                println!("  {} {row:.3?}", path.file_name().unwrap_or_default().display());
            }
            sums.iter_mut().zip(row.numbers).for_each(|(s, r)| *s += r);
            modes[row.mode as usize] += 1;
        }
        let n = pictures.len() as f64;
        let [plain, base, update, bytes, net] = sums.map(|s| s / n);
        println!(
            "{:<13} {plain:>6.3} {base:>7.3} {update:>8.3} {bytes:>6.1} {net:>6.3}  {}/{}/{}  {:.2}",
            format!("{quality:?}"),
            modes[0],
            modes[1],
            modes[2],
            clock.elapsed().as_secs_f64() / n
        );
    }
    Ok(())
}

fn view(luma: &Luma) -> sidelight::Result<Picture<'_>> {
    Picture::new(Layout::I400, &[luma.plane()])
}

#[derive(Debug)]
struct Row {
    /// PSNR of the JPEG, gain of the base model, gain of the payload over it, payload bytes, its
    /// net gain over the base model's payload.
    numbers: [f64; 5],
    mode: sidelight::Mode,
}

fn one(picture: &Luma, quality: Quality, options: &Options) -> Result<Row> {
    let (w, h) = (picture.width, picture.height);
    let bytes = jpeg::encode(picture, &quality.table())?;
    let decoded = jpeg::decode(&bytes)?;
    let coded = info(&bytes)?;
    let luma = *coded.luma_quant().context("no table")?;
    let hints = Hints { codec: Codec::Jpeg { luma, chroma: None }, binding: coded.binding };
    let plain = psnr(&picture.data, &decoded.data);
    let settings = DecoderSettings { threads: options.threads, ..Default::default() };
    let mut decoder = Decoder::new(settings);
    let filter = |decoder: &Decoder| -> Result<f64> {
        let mut out = vec![0u8; w * h];
        let target = PictureMut::new(Layout::I400, vec![PlaneMut::new(&mut out, w, w, h)?])?;
        decoder.filter(&view(&decoded)?, target)?;
        Ok(psnr(&picture.data, &out))
    };
    decoder.set_base(&hints)?;
    let base = filter(&decoder)?;
    if !options.update {
        return Ok(Row {
            numbers: [plain, base - plain, 0.0, 0.0, 0.0],
            mode: sidelight::Mode::Base,
        });
    }
    let other = jpeg::encode(picture, &quality.neighbour().table())?;
    let slope = (psnr(&picture.data, &jpeg::decode(&other)?.data) - plain)
        / (other.len() as f64 - bytes.len() as f64);
    let settings =
        EncoderSettings { threads: options.threads, steps: options.steps, ..Default::default() };
    let rate =
        Rate { coded_bytes: bytes.len() as u64, slope_db_per_byte: slope, ..Default::default() };
    let encoded = Encoder::new(settings)?.encode(
        &view(picture)?,
        &view(&decoded)?,
        &hints,
        rate,
        &mut |_| true,
    )?;
    decoder.set_payload(&encoded.payload, &hints)?;
    let update = filter(&decoder)?;
    let extra = encoded.payload.len() as f64 - 8.0;
    Ok(Row {
        numbers: [plain, base - plain, update - base, extra, update - base - slope * extra],
        mode: encoded.report.mode,
    })
}
