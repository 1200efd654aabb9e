//! `encode`: a JPEG with side information from a picture.

use super::attach::{adapt, psnr_luma, summary, Attached};
use super::decode::params;
use super::follow;
use crate::args::{Common, Making, Sampling, Threads, DONE};
use crate::files::{self, Output};
use crate::jpeg::{self, Coding, Tables};
use crate::picture::{self, Image};
use crate::planes::Planes;
use anyhow::{ensure, Context, Result};
use clap::Args;
use sidelight::carriage::jpeg as carriage;
use sidelight::{Optimiser, OptimiserReport, OptimiserSettings, Report, STRENGTHS};
use std::io::Write;
use std::path::PathBuf;

/// Code a picture as JPEG with side information
///
/// Any JPEG decoder shows the file as if the payload was not there; `sidelight decode` shows it better. The JPEG gets
/// the picture's ICC profile and EXIF.
#[derive(Args)]
#[command(after_help = "\
Examples:
  sidelight encode --quality 20 original.png new.jpg
  sidelight encode --optimise=2 --tables half original.png smaller.jpg
  sidelight encode --no-update - - <original.png >new.jpg")]
pub struct Arguments {
    /// PNG, TIFF, WebP, PPM, PGM or JPEG file
    #[arg(value_name = "IN")]
    pub input: PathBuf,
    #[arg(value_name = "OUT.jpg")]
    pub output: PathBuf,
    #[command(flatten)]
    pub how: How,
    #[command(flatten)]
    pub threads: Threads,
}

/// How a picture is coded.
#[derive(Args, Clone, serde::Serialize)]
pub struct How {
    /// JPEG quality, 1 to 100
    #[arg(long, value_name = "Q", default_value_t = 75, value_parser = clap::value_parser!(u8).range(1..=100))]
    pub quality: u8,
    /// Chroma sampling of pictures in colour
    #[arg(long, value_enum, value_name = "SAMPLING", default_value_t = Sampling::I420)]
    pub sampling: Sampling,
    /// Quantisation tables
    #[arg(long, value_enum, default_value_t = Tables::Standard)]
    pub tables: Tables,
    /// Write a progressive JPEG
    #[arg(long)]
    pub progressive: bool,
    /// Choose coefficients for the filter, at effort N, 1 to 9: smaller files
    #[arg(long, value_name = "N", num_args = 0..=1, require_equals = true, default_missing_value = "5",
        value_parser = clap::value_parser!(u8).range(1..=9))]
    pub optimise: Option<u8>,
    /// Optimise and adapt up to N times, each for the other's last result
    #[arg(long, value_name = "N", default_value_t = 1, requires = "optimise",
        value_parser = clap::value_parser!(u8).range(1..=9))]
    pub rounds: u8,
    /// Of --optimise: weight of bits, 0.05 to 20
    #[arg(long, value_name = "X", default_value_t = 0.6, requires = "optimise", value_parser = bits_weight)]
    pub bits_weight: f64,
    /// Of --optimise: weight of the picture without filter, 0 to 100
    #[arg(long, value_name = "X", default_value_t = 0.2, requires = "optimise", value_parser = weight)]
    pub decoded_weight: f64,
    /// Write the JPEG alone
    #[arg(long)]
    pub no_payload: bool,
    #[command(flatten)]
    pub making: Making,
}

fn real(text: &str, [least, most]: [f64; 2]) -> Result<f64, String> {
    let value = text.parse().ok().filter(|value| (least..=most).contains(value));
    value.ok_or_else(|| format!("not a number from {least} to {most}"))
}

fn bits_weight(text: &str) -> Result<f64, String> {
    real(text, STRENGTHS)
}

fn weight(text: &str) -> Result<f64, String> {
    real(text, [0.0, sidelight::MAX_DECODED_WEIGHT])
}

/// A picture to be coded, and how.
struct Job<'a> {
    image: &'a Image,
    how: &'a How,
    coding: Coding,
    original: Planes,
    threads: usize,
    max_pixels: u64,
}

/// A new file.
pub struct Encoded {
    pub file: Vec<u8>,
    /// `None` where no payload was asked for.
    pub attached: Option<Attached>,
    /// What of the picture's metadata is not in the file, and why.
    pub left_out: Vec<String>,
    /// What there was to say on the way.
    pub notes: Vec<String>,
}

/// A file without payload, and one with it.
struct Round {
    jpeg: Vec<u8>,
    attached: Attached,
}

/// What a file with a payload is worth, in dB, compared with others of the picture.
fn worth(report: &Report, bytes: usize, slope_db_per_byte: f64) -> f64 {
    let [cb, cr] = report.psnr_chroma_payload;
    let luma = report.psnr_payload;
    let psnr = if cb > 0.0 { (6.0 * luma + cb + cr) / 8.0 } else { luma };
    psnr - slope_db_per_byte * bytes as f64
}

impl Job<'_> {
    /// What a byte buys here, in dB of luma PSNR: the picture coded at a neighbouring quality
    /// tells. 0 if it can't be told.
    fn slope(&self, bytes: usize, psnr: f64) -> Result<f64> {
        let quality = self.coding.quality;
        let quality = if quality <= 97 { quality + 3 } else { quality - 3 };
        let (other, _) = jpeg::encode(self.image, &Coding { quality, ..self.coding })?;
        let decoded = jpeg::decode(&other, self.max_pixels)?;
        let gain = psnr_luma(&self.original, &decoded.planes) - psnr;
        let slope = gain / (other.len() as f64 - bytes as f64);
        Ok(if slope.is_finite() && slope > 0.0 { slope } else { 0.0 })
    }

    /// The file with a payload.
    fn adapt(&self, jpeg: &[u8], progress: &mut dyn FnMut(f64) -> bool) -> Result<Attached> {
        let making = &self.how.making;
        let decoded = jpeg::decode(jpeg, self.max_pixels)?.planes;
        // Of an optimised picture the neighbouring quality tells nothing.
        let slope = if making.no_update || self.how.optimise.is_some() {
            0.0
        } else {
            self.slope(jpeg.len(), psnr_luma(&self.original, &decoded))?
        };
        adapt(&self.original, &decoded, jpeg, slope, (making, false, self.threads), progress)
    }

    /// A file with coefficients for the payload of `file`, or without one for a base model.
    fn optimise(
        &self,
        jpeg: &[u8],
        file: Option<&[u8]>,
        effort: u8,
        notes: &mut Vec<String>,
        progress: &mut dyn FnMut(f64) -> bool,
    ) -> Result<Vec<u8>> {
        let payload = file.and_then(|file| carriage::extract(file).ok());
        let codec = params(jpeg)?.codec;
        let mut report: Option<OptimiserReport> = None;
        let better = jpeg::with_coefficients(jpeg, |_, progressive, blocks| {
            let optimiser = Optimiser::new(OptimiserSettings {
                threads: self.threads,
                effort,
                model_size: self.how.making.model_size.into(),
                progressive,
                strength: self.how.bits_weight,
                decoded_weight: self.how.decoded_weight,
            })?;
            let original = self.original.view()?;
            report = Some(optimiser.optimise(
                &original,
                blocks,
                &codec,
                payload.as_deref(),
                progress,
            )?);
            Ok(())
        })?;
        if let Some(r) = report {
            notes.push(format!(
                "optimised: JPEG {} to {} bytes, PSNR-Y {:.3} to {:.3} JPEG, {:.3} to {:.3} filtered",
                jpeg.len(),
                better.len(),
                r.before.psnr_decoded[0],
                r.after.psnr_decoded[0],
                r.before.psnr_filtered[0],
                r.after.psnr_filtered[0]
            ));
        }
        Ok(better)
    }

    /// Rounds of optimising and adapting; the best.
    fn rounds(
        &self,
        jpeg: Vec<u8>,
        notes: &mut Vec<String>,
        progress: &mut dyn FnMut(f64) -> bool,
    ) -> Result<Attached> {
        let Some(effort) = self.how.optimise else { return self.adapt(&jpeg, progress) };
        let mut best: Option<Round> = None;
        for _ in 0..self.how.rounds {
            let from = best.as_ref().map_or(&jpeg, |best| &best.jpeg);
            let file = best.as_ref().map(|best| &best.attached.file[..]);
            let jpeg = self.optimise(from, file, effort, notes, progress)?;
            let attached = self.adapt(&jpeg, progress)?;
            if let Some(best) = &best {
                let slope = best.attached.report.slope_db_per_byte;
                let of = |a: &Attached| worth(&a.report, a.file.len(), slope);
                if of(&attached) <= of(&best.attached) {
                    break;
                }
            }
            best = Some(Round { jpeg, attached });
        }
        Ok(best.context("no rounds")?.attached)
    }
}

/// Codes a picture.
pub fn encode(
    image: &Image,
    how: &How,
    threads: usize,
    max_pixels: u64,
    progress: &mut dyn FnMut(f64) -> bool,
) -> Result<Encoded> {
    let layout = how.sampling.into();
    let How { quality, progressive, tables, .. } = *how;
    let coding = Coding { quality, layout, progressive, tables };
    let (jpeg, left_out) = jpeg::encode(image, &coding)?;
    let original = Planes::from_image(&image.pixels, layout)?;
    let job = Job { image, how, coding, original, threads, max_pixels };
    let mut notes = Vec::new();
    if how.no_payload {
        let file = match how.optimise {
            Some(effort) => job.optimise(&jpeg, None, effort, &mut notes, progress)?,
            None => jpeg,
        };
        return Ok(Encoded { file, attached: None, left_out, notes });
    }
    let attached = job.rounds(jpeg, &mut notes, progress)?;
    let file = attached.file.clone();
    Ok(Encoded { file, attached: Some(attached), left_out, notes })
}

pub fn run(a: &Arguments, common: &Common) -> Result<u8> {
    let name = files::input_name(&a.input);
    ensure!(!files::are_one(&a.input, &a.output), "{name}: is IN and OUT.jpg");
    files::check_jpeg_name(&a.output)?;
    let image = picture::read(&a.input, common.max_pixels)?;
    let bar = common.bar().with_message("encode");
    let encoded = encode(&image, &a.how, a.threads.count(), common.max_pixels, &mut follow(&bar));
    bar.finish_and_clear();
    let encoded = encoded.with_context(|| name.clone())?;
    let mut out = Output::create(&a.output)?;
    out.write_all(&encoded.file).with_context(|| files::output_name(&a.output))?;
    let to_file = out.is_file();
    out.finish()?;
    encoded.left_out.iter().chain(&encoded.notes).for_each(|note| common.note(&name, note));
    let line = match &encoded.attached {
        Some(attached) => summary(attached),
        None => format!("off: {} bytes, no payload", encoded.file.len()),
    };
    common.tell_at(to_file, &line)?;
    Ok(DONE)
}
