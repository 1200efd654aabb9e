//! What an output deeper than the decoded picture is worth: PSNR on pictures, steps on gradients.

use crate::files;
use crate::media::jpeg;
use crate::media::luma::Luma;
use crate::media::planes::Planes;
use crate::media::psnr::psnr;
use anyhow::Result;
use clap::Args;
use sidelight::codec::standard_luma_table;
use sidelight::{
    Codec, CodecParams, Decoder, DecoderSettings, Layout, Mode, Picture, PictureMut, Plane,
    PlaneMut, Sample,
};
use std::path::PathBuf;

#[derive(Args)]
pub struct Options {
    /// Folder of PNG pictures, of which luma is taken
    #[arg(long)]
    pictures: PathBuf,
    /// JPEG qualities
    #[arg(long, value_delimiter = ',', default_values_t = [50, 60, 70, 80, 90, 95])]
    qualities: Vec<u32>,
}

/// Prints two tables of the base model's results in 8 and in 16 bits.
pub fn run(options: &Options) -> Result<()> {
    let pictures = files::pngs(&options.pictures)?;
    let luma = |path: &PathBuf| Ok(Planes::open(path)?.planes.swap_remove(0));
    let pictures = pictures.iter().map(luma).collect::<Result<Vec<_>>>()?;
    println!("| QF | decoded | filtered, 8 bits | 16 bits | gain of 16 bits, dB |\n|---|---|---|---|---|");
    for &quality in &options.qualities {
        let mut sums = [0.0; 3];
        for original in &pictures {
            let truth: Vec<f64> = original.data.iter().map(|s| f64::from(*s)).collect();
            for (sum, samples) in sums.iter_mut().zip(coded(original, quality)?) {
                *sum +=
                    psnr(mse(&samples, &truth)).unwrap_or(f64::INFINITY) / pictures.len() as f64;
            }
        }
        let [decoded, eight, sixteen] = sums;
        println!(
            "| {quality} | {decoded:.3} | {eight:.3} | {sixteen:.3} | {:+.3} |",
            sixteen - eight
        );
    }

    println!("\n| QF | error of gradients: decoded | 8 bits | 16 bits | steps: decoded | 8 bits | 16 bits |");
    println!("|---|---|---|---|---|---|---|");
    let gradients: Vec<_> = (0..GRADIENTS).map(gradient).collect();
    for &quality in &options.qualities {
        let (mut errors, mut steps) = ([0.0; 3], [0.0; 3]);
        for truth in &gradients {
            let data = truth.iter().map(|v| v.round() as u8).collect();
            let original = Luma { width: SIDE, height: SIDE, data };
            for (i, samples) in coded(&original, quality)?.into_iter().enumerate() {
                errors[i] += mse(&samples, truth) / GRADIENTS as f64;
                steps[i] += roughness(&samples, truth) / GRADIENTS as f64;
            }
        }
        let [a, b, c] = errors.map(f64::sqrt);
        let [d, e, f] = steps.map(f64::sqrt);
        println!("| {quality} | {a:.3} | {b:.3} | {c:.3} | {d:.3} | {e:.3} | {f:.3} |");
    }
    Ok(())
}

const GRADIENTS: usize = 24;
const SIDE: usize = 256;

/// Grey levels of a sky: a plane that rises by 4 to 27 levels, each in another direction.
fn gradient(number: usize) -> Vec<f64> {
    let angle = number as f64 * std::f64::consts::TAU / GRADIENTS as f64;
    let (rise, side) = (4.0 + number as f64, SIDE as f64);
    let at = |i: usize| {
        let (y, x) = ((i / SIDE) as f64 / side - 0.5, (i % SIDE) as f64 / side - 0.5);
        128.3 + rise * (x * angle.cos() + y * angle.sin())
    };
    (0..SIDE * SIDE).map(at).collect()
}

/// Grey levels of a picture that is coded as JPEG: as decoded, and filtered to 8 and to 16 bits.
fn coded(original: &Luma, quality: u32) -> Result<[Vec<f64>; 3]> {
    let table = standard_luma_table(quality);
    let decoded = jpeg::decode_gray(&jpeg::encode(original, &table)?)?;
    let mut decoder = Decoder::new(DecoderSettings::default());
    let codec = Codec::Jpeg { luma: table, chroma: None };
    decoder.set_mode(Mode::Base, &CodecParams { codec, binding: 0 })?;
    let eight = filtered::<u8>(&decoder, &decoded, 8)?;
    let sixteen = filtered::<u16>(&decoder, &decoded, 16)?;
    Ok([
        decoded.data.into_iter().map(f64::from).collect(),
        eight.into_iter().map(f64::from).collect(),
        sixteen.into_iter().map(|s| f64::from(s) / 256.0).collect(),
    ])
}

fn filtered<S: Sample>(decoder: &Decoder, decoded: &Luma, bit_depth: u32) -> Result<Vec<S>> {
    let (width, height) = (decoded.width, decoded.height);
    let input = Picture::new(Layout::I400, &[Plane::new(&decoded.data, width, width, height)?])?;
    let mut out = vec![S::new(0); width * height];
    let luma = PlaneMut::new(&mut out, width * size_of::<S>(), width, height)?;
    // Of gray pictures the other two are ignored.
    let planes = [luma, PlaneMut::new(&mut [], 0, 0, 0)?, PlaneMut::new(&mut [], 0, 0, 0)?];
    decoder.filter(&input, PictureMut::with_depth(Layout::I400, bit_depth, planes)?)?;
    Ok(out)
}

/// Mean squared error in grey levels².
fn mse(samples: &[f64], truth: &[f64]) -> f64 {
    let sum: f64 = samples.iter().zip(truth).map(|(a, b)| (a - b).powi(2)).sum();
    sum / samples.len() as f64
}

/// Mean squared error of the steps from one sample of a row to the next: what shows as bands.
fn roughness(samples: &[f64], truth: &[f64]) -> f64 {
    let steps = |of: &[f64]| -> Vec<f64> {
        of.chunks(SIDE).flat_map(|row| row.windows(2).map(|w| w[1] - w[0])).collect()
    };
    mse(&steps(samples), &steps(truth))
}
