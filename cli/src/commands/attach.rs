//! `attach`: side information for a JPEG that any encoder made.

use super::decode::{mode_name, params};
use super::follow;
use crate::args::{Common, Making, Threads, DONE};
use crate::files::{self, Output};
use crate::jpeg::{self, Decoded};
use crate::picture::{self, Image};
use crate::planes::Planes;
use anyhow::{anyhow, bail, ensure, Context, Result};
use clap::Args;
use image::metadata::Orientation;
use image::DynamicImage;
use sidelight::carriage::jpeg as carriage;
use sidelight::{Encoder, Error, Layout, Mode, Pair, Rate, Report};
use std::io::Write;
use std::path::PathBuf;

/// Add side information to a JPEG that any encoder made
///
/// The update is trained on ORIGINAL, the picture that the JPEG was made of. The payload goes into a segment of its
/// own; all other bytes of the file, with all metadata, stay as they are, and a payload that was there is replaced.
/// Where the filter gains nothing, the file gets no payload.
///
/// ORIGINAL must have the JPEG's size. Where the two files' EXIF orientations differ, ORIGINAL is turned as the JPEG
/// is, if that is what fits; a JPEG that was turned, cropped or scaled in any other way is refused, and so is a JPEG of
/// another picture.
///
/// A link to FILE.jpg is followed; a hard link is cut, as the file is replaced: its other names go on showing what
/// there was.
#[derive(Args)]
#[command(after_help = "\
Examples:
  sidelight attach original.png photo.jpg
  sidelight attach --effort 2 original.png photo.jpg -o quick.jpg")]
pub struct Arguments {
    /// The picture before it was coded: PNG, TIFF, WebP, PPM, PGM or a better JPEG
    #[arg(value_name = "ORIGINAL")]
    pub original: PathBuf,
    /// JPEG file
    #[arg(value_name = "FILE.jpg")]
    pub file: PathBuf,
    /// Write to this file [default: FILE.jpg itself]
    #[arg(short, long, value_name = "OUT.jpg")]
    pub output: Option<PathBuf>,
    #[command(flatten)]
    pub how: How,
    #[command(flatten)]
    pub threads: Threads,
}

/// How side information is made.
#[derive(Args, Clone, serde::Serialize)]
pub struct How {
    #[command(flatten)]
    pub making: Making,
    /// Also where something that the file holds will no longer be valid: Content Credentials, previews behind the
    /// picture
    #[arg(long)]
    pub anyway: bool,
}

/// A file with a payload, or without one where the filter gains nothing.
pub struct Attached {
    pub file: Vec<u8>,
    pub report: Report,
    /// Bytes of the payload, 0 without one.
    pub payload: usize,
}

/// A payload for `file` trained on `planes`, inside the file.
pub fn adapt(
    original: &Planes,
    decoded: &Planes,
    file: &[u8],
    slope_db_per_byte: f64,
    (making, anyway, threads): (&Making, bool, usize),
    progress: &mut dyn FnMut(f64) -> bool,
) -> Result<Attached> {
    let encoder = Encoder::new(making.settings(threads))?;
    let params = params(file)?;
    let rate = Rate {
        coded_bytes: carriage::info(file)?.coded_bytes as u64,
        slope_db_per_byte,
        carriage_bytes: carriage::CARRIAGE_BYTES,
    };
    let pair = Pair { original: original.view()?, decoded: decoded.view()? };
    let encoded = encoder.encode(&[pair], &params, rate, progress)?;
    // A file without a payload is shown as it is: "off" need not be sent.
    let off = encoded.report.mode == Mode::Off;
    let changed = match (off, anyway) {
        (true, false) => carriage::remove(file),
        (true, true) => carriage::remove_anyway(file),
        (false, false) => carriage::insert(file, &encoded.payload),
        (false, true) => carriage::insert_anyway(file, &encoded.payload),
    };
    let changed = changed.map_err(|error| match error {
        Error::Conflict => anyhow!("{error}; --anyway writes it nevertheless"),
        error => error.into(),
    })?;
    let payload = if off { 0 } else { encoded.payload.len() };
    Ok(Attached { file: changed, report: encoded.report, payload })
}

/// Luma PSNR in dB; infinite where planes are equal.
pub fn psnr_luma(a: &Planes, b: &Planes) -> f64 {
    let (a, b) = (&a.planes[0], &b.planes[0]);
    let row = |y: usize| -> u64 {
        let squares = a.row(y).iter().zip(b.row(y)).map(|(a, b)| u64::from(a.abs_diff(*b)).pow(2));
        squares.sum()
    };
    let sum: u64 = (0..a.height).map(row).sum();
    let mse = sum as f64 / (a.width * a.height) as f64;
    10.0 * (255.0 * 255.0 / mse).log10()
}

/// Below this luma PSNR, in dB, the two are different pictures: JPEG at quality 1 has 18 and more.
const OTHER_PICTURE: f64 = 12.0;

/// The turn that undoes another.
fn inverse(orientation: Orientation) -> Orientation {
    match orientation {
        Orientation::Rotate90 => Orientation::Rotate270,
        Orientation::Rotate270 => Orientation::Rotate90,
        other => other,
    }
}

/// The original's planes, sampled and turned as the JPEG's are.
pub fn fit(original: &Image, jpeg: &Decoded) -> Result<Planes> {
    let layout = jpeg.planes.layout;
    let (width, height) = jpeg.planes.size();
    let gray = layout == Layout::I400;
    ensure!(
        gray == matches!(original.pixels, DynamicImage::ImageLuma8(_)),
        "the original is {}, the JPEG {}",
        if gray { "in colour" } else { "gray" },
        if gray { "gray" } else { "in colour" }
    );
    let [own, jpegs] = [original.metadata.orientation(), jpeg.metadata.orientation()];
    let mut fitting = Vec::new();
    let is_of_size =
        |image: &DynamicImage| (image.width() as usize, image.height() as usize) == (width, height);
    let mut add = |image: &DynamicImage| -> Result<()> {
        if is_of_size(image) {
            let planes = Planes::from_image(image, layout)?;
            fitting.push((psnr_luma(&planes, &jpeg.planes), planes));
        }
        Ok(())
    };
    add(&original.pixels)?;
    if own != jpegs {
        let mut turned = original.pixels.clone();
        turned.apply_orientation(own);
        turned.apply_orientation(inverse(jpegs));
        add(&turned)?;
    }
    let best = fitting.into_iter().max_by(|(a, _), (b, _)| a.total_cmp(b));
    let Some((psnr, planes)) = best else {
        let (w, h) = (original.pixels.width(), original.pixels.height());
        let turned = (h as usize, w as usize) == (width, height);
        bail!(
            "the original is {w}×{h}, the JPEG {width}×{height}{}",
            if turned { ": it was turned, and EXIF does not say so" } else { "" }
        );
    };
    ensure!(
        psnr >= OTHER_PICTURE,
        "the JPEG is not of the original: luma PSNR between them is {psnr:.1} dB"
    );
    Ok(planes)
}

/// Side information for a file.
pub fn attach(
    original: &Image,
    file: &[u8],
    how: &How,
    threads: usize,
    max_pixels: u64,
    progress: &mut dyn FnMut(f64) -> bool,
) -> Result<Attached> {
    let decoded = jpeg::decode(file, max_pixels)?;
    if let Some(damage) = &decoded.damaged {
        bail!("damaged: {damage}");
    }
    // What can't be written is told before the training.
    let check = if how.anyway { carriage::insert_anyway } else { carriage::insert };
    check(file, &[0]).map_err(|error| match error {
        Error::Conflict => anyhow!("{error}; --anyway writes it nevertheless"),
        error => error.into(),
    })?;
    let planes = fit(original, &decoded)?;
    let making = (&how.making, how.anyway, threads);
    adapt(&planes, &decoded.planes, file, 0.0, making, progress)
}

/// How it went, in a line.
pub fn summary(attached: &Attached) -> String {
    let Attached { file, report, payload } = attached;
    let gains = format!(
        "PSNR-Y {:.3} JPEG, {:.3} base, {:.3} sent",
        report.psnr_decoded, report.psnr_base, report.psnr_payload
    );
    format!("{}: {} bytes, payload {payload}, {gains}", mode_name(report.mode), file.len())
}

pub fn run(a: &Arguments, common: &Common) -> Result<u8> {
    ensure!(
        !(files::is_standard(&a.original) && files::is_standard(&a.file)),
        "of ORIGINAL and FILE.jpg one can be standard input"
    );
    let name = files::input_name(&a.file);
    ensure!(!files::are_one(&a.original, &a.file), "{name}: ORIGINAL is the same file");
    let path = a.output.as_ref().unwrap_or(&a.file);
    ensure!(
        !files::are_one(&a.original, path),
        "{}: is ORIGINAL, and would be replaced",
        path.display()
    );
    a.output.iter().try_for_each(|path| files::check_jpeg_name(path))?;
    let file = files::read(&a.file)?;
    let original = picture::read(&a.original, common.max_pixels)?;
    let bar = common.bar().with_message("attach");
    let attached =
        attach(&original, &file, &a.how, a.threads.count(), common.max_pixels, &mut follow(&bar));
    bar.finish_and_clear();
    let attached = attached.with_context(|| name.clone())?;
    if attached.payload == 0 {
        common.note(&name, "the filter gains nothing here: no payload");
    }
    let mut out = Output::create(path)?;
    out.write_all(&attached.file).with_context(|| files::output_name(path))?;
    let to_file = out.is_file();
    out.finish()?;
    common.tell_at(to_file, &summary(&attached))?;
    Ok(DONE)
}
