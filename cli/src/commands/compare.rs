//! `compare`: how far pictures are from their original.

use super::decode::{self, Depth, FilterMode, How};
use super::{print, say, warn};
use crate::args::{Common, ModelSize, Threads, DONE, FAILED, UNFILTERED};
use crate::picture::Image;
use crate::planes::Planes;
use crate::{files, jpeg, picture};
use anyhow::{bail, ensure, Context, Result};
use av_metrics::video::{ssim, ChromaSampling, Frame};
use clap::Args;
use image::{DynamicImage, RgbImage};
use serde::Serialize;
use sidelight::carriage::jpeg as carriage;
use sidelight::{Error, Layout, Mode, FULL_STRENGTH};
use ssimulacra2::{compute_frame_ssimulacra2, ColorPrimaries, Rgb, TransferCharacteristic};
use std::path::{Path, PathBuf};

/// Measure how far pictures are from their original
///
/// For each picture: bytes of the file, PSNR of luma and of Y, Cb and Cr weighted 6:1:1, SSIM of luma and SSIMULACRA 2.
/// A JPEG with a payload has two rows, as other decoders show it and filtered. What is compared is the picture as it is
/// shown, turned as its EXIF says, so Y, Cb and Cr are of full size here, in all rows. More is better in all of them,
/// but for bytes. A file that can't be measured is told, and the others are measured all the same.
#[derive(Args)]
#[command(after_help = "\
Examples:
  sidelight compare original.png photo.jpg
  sidelight compare --json original.png photo.jpg old.jpg
  sidelight compare --base original.png old.jpg")]
pub struct Arguments {
    /// The picture before it was coded
    #[arg(value_name = "ORIGINAL")]
    pub original: PathBuf,
    /// JPEG, PNG, TIFF, WebP, PPM and PGM files
    #[arg(value_name = "PICTURE", required = true)]
    pub pictures: Vec<PathBuf>,
    /// Filter JPEGs by the base model as well
    #[arg(long)]
    pub base: bool,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
    #[command(flatten)]
    pub threads: Threads,
}

/// A picture's figures; `None` where it equals the original, or is too small.
#[derive(Serialize)]
struct Row {
    file: String,
    /// What it was filtered with.
    mode: &'static str,
    bytes: usize,
    psnr_y: Option<f64>,
    psnr_yuv: Option<f64>,
    ssim: Option<f64>,
    ssimulacra2: Option<f64>,
}

fn psnr(mse: f64) -> Option<f64> {
    (mse > 0.0).then(|| 10.0 * (255.0 * 255.0 / mse).log10())
}

fn mse(a: &[u8], b: &[u8]) -> f64 {
    let squares = a.iter().zip(b).map(|(a, b)| u64::from(a.abs_diff(*b)).pow(2));
    squares.sum::<u64>() as f64 / a.len() as f64
}

/// Smallest side that SSIM and SSIMULACRA 2 are asked for.
const SMALLEST: usize = 8;

/// SSIM of luma by the `av-metrics` crate.
fn structural(a: &Planes, b: &Planes) -> Option<f64> {
    let frame = |planes: &Planes| {
        let (width, height) = planes.size();
        let mut frame: Frame<u8> = Frame::new_with_padding(width, height, ChromaSampling::Cs420, 0);
        frame.planes[0].copy_from_raw_u8(&planes.planes[0].data, planes.planes[0].stride, 1);
        frame
    };
    let result = ssim::calculate_frame_ssim(&frame(a), &frame(b), 8, ChromaSampling::Cs420);
    // The crate gives −10 log10(1 − SSIM).
    let value = 1.0 - 10f64.powf(-result.ok()?.y / 10.0);
    value.is_finite().then_some(value)
}

/// SSIMULACRA 2 by the `ssimulacra2` crate.
fn ssimulacra2(a: &RgbImage, b: &RgbImage) -> Option<f64> {
    let frame = |rgb: &RgbImage| {
        let pixels = rgb.pixels().map(|p| p.0.map(|v| f32::from(v) / 255.0)).collect();
        let (width, height) = (rgb.width() as usize, rgb.height() as usize);
        let (transfer, primaries) = (TransferCharacteristic::SRGB, ColorPrimaries::BT709);
        Rgb::new(pixels, width, height, transfer, primaries).ok()
    };
    compute_frame_ssimulacra2(frame(a)?, frame(b)?).ok()
}

/// What a picture is compared with, in the forms that it takes.
struct Original {
    gray: bool,
    rgb: RgbImage,
    planes: Planes,
}

impl Original {
    fn new(image: DynamicImage) -> Result<Self> {
        let planes = Planes::from_image(&image, Layout::I444)?;
        let gray = planes.layout == Layout::I400;
        Ok(Self { gray, rgb: image.into_rgb8(), planes })
    }

    fn row(&self, file: String, mode: Mode, bytes: usize, image: DynamicImage) -> Result<Row> {
        let other = Original::new(image)?;
        let (a, b) = (&self.planes, &other.planes);
        let ((width, height), (w, h)) = (a.size(), b.size());
        ensure!((w, h) == (width, height), "{w}×{h}, the original {width}×{height}");
        ensure!(
            self.gray == other.gray,
            "one of the picture and the original is gray, the other in colour"
        );
        let errors: Vec<f64> =
            a.planes.iter().zip(&b.planes).map(|(a, b)| mse(&a.data, &b.data)).collect();
        let psnrs: Vec<_> = errors.iter().map(|mse| psnr(*mse)).collect();
        let psnr_yuv = match psnrs[..] {
            [Some(y), Some(cb), Some(cr)] => Some((6.0 * y + cb + cr) / 8.0),
            [y] => y,
            _ => None,
        };
        let large = width.min(height) >= SMALLEST;
        Ok(Row {
            file,
            mode: decode::mode_name(mode),
            bytes,
            psnr_y: psnrs[0],
            psnr_yuv,
            ssim: large.then(|| structural(a, b)).flatten(),
            ssimulacra2: large.then(|| ssimulacra2(&self.rgb, &other.rgb)).flatten(),
        })
    }
}

fn table(rows: &[Row]) -> String {
    let number = |value: Option<f64>, digits: usize| match value {
        Some(value) => format!("{value:.digits$}"),
        None => "-".into(),
    };
    let name = rows.iter().map(|row| row.file.chars().count()).max().unwrap_or(0).max(4);
    let head = ["file", "filter", "bytes", "PSNR-Y", "PSNR-YUV", "SSIM", "SSIMULACRA2"];
    let line = |cells: [&str; 7]| {
        let [file, mode, bytes, y, yuv, ssim, two] = cells;
        format!("{file:name$}  {mode:6}  {bytes:>10}  {y:>6}  {yuv:>8}  {ssim:>7}  {two:>11}")
    };
    let rows = rows.iter().map(|row| {
        let (bytes, ssim) = (row.bytes.to_string(), number(row.ssim, 5));
        let [y, yuv] = [row.psnr_y, row.psnr_yuv].map(|v| number(v, 2));
        line([&row.file, row.mode, &bytes, &y, &yuv, &ssim, &number(row.ssimulacra2, 2)])
    });
    [line(head)].into_iter().chain(rows).collect::<Vec<_>>().join("\n")
}

pub fn run(a: &Arguments, common: &Common) -> Result<u8> {
    let standard = a.pictures.iter().chain([&a.original]).filter(|p| files::is_standard(p)).count();
    ensure!(standard <= 1, "only one of the files can be standard input");
    let original = shown(picture::read(&a.original, common.max_pixels)?);
    let original = Original::new(original).with_context(|| files::input_name(&a.original))?;
    let (mut rows, mut status) = (Vec::new(), DONE);
    for path in &a.pictures {
        let name = files::input_name(path);
        let mut add = |mode, bytes, image| -> Result<()> {
            rows.push(original.row(name.clone(), mode, bytes, image)?);
            Ok(())
        };
        match measure(path, a, common, &mut add) {
            Ok(None) => {}
            Ok(Some(why)) => {
                warn(&name, &why);
                status = if status == DONE { UNFILTERED } else { status };
            }
            Err(error) => {
                // Errors of reading the file have its name.
                say(&format!("sidelight: {}", named(&name, &error)));
                status = FAILED;
            }
        }
    }
    if a.json {
        print(&serde_json::to_string_pretty(&rows)?)?;
    } else if !rows.is_empty() {
        print(&table(&rows))?;
    }
    Ok(status)
}

/// An error's message with the name of the file, once.
fn named(name: &str, error: &anyhow::Error) -> String {
    let message = format!("{error:#}");
    if message.starts_with(&format!("{name}: ")) {
        message
    } else {
        format!("{name}: {message}")
    }
}

/// A picture turned as viewers do.
fn shown(image: Image) -> DynamicImage {
    let (mut pixels, orientation) = (image.pixels, image.metadata.orientation());
    pixels.apply_orientation(orientation);
    pixels
}

/// Adds a file's rows. Returns what is wrong with a payload that is left out.
fn measure(
    path: &Path,
    a: &Arguments,
    common: &Common,
    add: &mut dyn FnMut(Mode, usize, DynamicImage) -> Result<()>,
) -> Result<Option<String>> {
    let file = files::read(path)?;
    if !jpeg::is_jpeg(&file) {
        add(Mode::Off, file.len(), shown(picture::parse(&file, common.max_pixels)?))?;
        return Ok(None);
    }
    let mut modes = vec![FilterMode::Off];
    if a.base {
        modes.push(FilterMode::Base);
    }
    let payload = carriage::extract(&file);
    if !matches!(payload, Err(Error::NoPayload)) {
        modes.push(FilterMode::Payload);
    }
    let mut ignored = None;
    for mode in modes {
        let how = How {
            mode,
            model_size: ModelSize::Medium,
            strength: FULL_STRENGTH,
            depth: Depth::Eight,
        };
        let picture = decode::picture(&file, &how, a.threads.count(), common.max_pixels)?;
        if let Some(damage) = &picture.damaged {
            bail!("damaged: {damage}");
        }
        if picture.unfiltered.is_some() {
            ignored = picture.unfiltered;
            continue;
        }
        let pixels = picture.filtered()?.to_image()?;
        let image = Image { pixels, metadata: picture.metadata.clone() };
        add(picture.mode, file.len(), shown(image))?;
    }
    Ok(ignored)
}
