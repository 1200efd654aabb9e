//! The filter as a process that is asked for timings, so that rounds of ours and others' may
//! alternate.

use super::{prepared, read_model};
use crate::files;
use crate::media::yuv::Yuv;
use anyhow::{bail, Context, Result};
use clap::Args;
use serde::Serialize;
use sidelight::cpu::CpuLevel;
use sidelight::filter::Filter;
use sidelight::kernels::{Convolution, Kernels, Packed, FULL_STRENGTH};
use sidelight::network::prepared::PreparedLayer;
use sidelight::Layout;
use std::io::Write;
use std::path::PathBuf;
use std::time::Instant;

#[derive(Args)]
pub struct Options {
    /// Model file
    #[arg(long)]
    model: PathBuf,
    /// JPEG quality or HEVC QP that it filters for
    #[arg(long, default_value_t = 30)]
    quality: u8,
    /// File of raw 8-bit planes, 4:2:0
    #[arg(long)]
    frame: PathBuf,
    /// Its width and height
    #[arg(long, num_args = 2, value_names = ["WIDTH", "HEIGHT"], default_values_t = [1920, 1080])]
    size: Vec<usize>,
    /// Highest instruction set to use
    #[arg(long, value_parser = cpu_level, default_value = "best")]
    cpu: CpuLevel,
    /// File to write the filtered planes to
    #[arg(long)]
    filtered: Option<PathBuf>,
}

fn cpu_level(name: &str) -> Result<CpuLevel, &'static str> {
    if name == "best" {
        return Ok(CpuLevel::current());
    }
    CpuLevel::from_name(name).ok_or("scalar, sse41, avx2, avxvnni, avx512, neon, dotprod or best")
}

/// The first line that is printed.
#[derive(Serialize)]
struct Ready {
    model: String,
    cpu: String,
    /// Multiply-accumulates of a frame.
    luma: Macs,
    chroma: Macs,
}

/// By the arithmetic of their layers.
#[derive(Default, Serialize)]
struct Macs {
    i16: usize,
    i8: usize,
}

impl Macs {
    fn new(
        layers: &[PreparedLayer],
        kernels: &Kernels,
        width: usize,
        height: usize,
    ) -> Result<Self> {
        let mut macs = Self::default();
        for conv in Convolution::all(layers, kernels)? {
            let of = match conv.packed {
                Packed::I16(_) => &mut macs.i16,
                Packed::I8(_) => &mut macs.i8,
            };
            *of += 9 * conv.layer.cin * conv.layer.cout * width.div_ceil(2) * height.div_ceil(2);
        }
        Ok(macs)
    }
}

/// Answers each line `luma|colour THREADS FRAMES` on stdin with a JSON list of milliseconds on
/// stdout.
pub fn run(options: &Options) -> Result<()> {
    let &[width, height] = &options.size[..] else { bail!("a width and a height, please") };
    let model = read_model(&options.model)?;
    let cpu = options.cpu.supported();
    let kernels = Kernels::new(cpu);
    let prepared = prepared(&model, options.quality)?;
    let luma_macs = Macs::new(&prepared.luma, &kernels, width, height)?;
    let chroma_macs = Macs::new(&prepared.chroma, &kernels, width, height)?;
    let filter = Filter::new(&prepared, cpu.level())?;
    let raw = std::fs::read(&options.frame).with_context(|| options.frame.display().to_string())?;
    let colour = Yuv::from_raw(width, height, Layout::I420, &raw)?;
    let luma = Yuv { width, height, planes: vec![colour.planes[0].clone()] };
    if let Some(path) = &options.filtered {
        let mut out = Yuv::new(width, height, Layout::I420);
        filter.picture(&colour.picture()?, out.picture_mut()?, 1, FULL_STRENGTH)?;
        files::write(path, &out.to_raw())?;
    }
    say(&Ready {
        model: format!("{:08x}", model.id),
        cpu: format!("{:?}", cpu.level()),
        luma: luma_macs,
        chroma: chroma_macs,
    })?;
    for line in std::io::stdin().lines() {
        let line = line?;
        let words: Vec<_> = line.split_whitespace().collect();
        let &[planes, threads, frames] = &words[..] else { bail!("not understood: {line}") };
        let frame = if planes == "luma" { &luma } else { &colour };
        let (threads, frames) = (threads.parse()?, frames.parse()?);
        let mut out = Yuv::new(width, height, frame.layout());
        let mut time = || -> Result<f64> {
            let start = Instant::now();
            filter.picture(&frame.picture()?, out.picture_mut()?, threads, FULL_STRENGTH)?;
            Ok(1e3 * start.elapsed().as_secs_f64())
        };
        say(&(0..frames).map(|_: u32| time()).collect::<Result<Vec<_>>>()?)?;
    }
    Ok(())
}

fn say(value: &impl Serialize) -> Result<()> {
    let mut out = std::io::stdout().lock();
    serde_json::to_writer(&mut out, value)?;
    writeln!(out)?;
    Ok(out.flush()?)
}
