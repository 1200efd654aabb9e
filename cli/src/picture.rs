//! Picture files: read through the `image` crate, written row by row from planes.

use crate::files::{self, Output};
use crate::jpeg;
use crate::planes::{Planes, Sample};
use anyhow::{anyhow, bail, ensure, Context, Result};
use clap::ValueEnum;
use image::metadata::Orientation;
use image::{DynamicImage, ImageDecoder, ImageReader};
use std::borrow::Cow;
use std::io::{Cursor, Write};
use std::path::Path;
use tiff::encoder::{colortype, TiffEncoder};
use zune_core::{bit_depth::BitDepth, colorspace::ColorSpace, options::EncoderOptions};
use zune_jpegxl::JxlSimpleEncoder;

mod exif_tiff;

/// What a picture file tells besides samples.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Metadata {
    /// A colour profile.
    pub icc: Option<Vec<u8>>,
    /// A TIFF file, without the name that JPEG puts in front.
    pub exif: Option<Vec<u8>>,
}

impl Metadata {
    /// How viewers turn the picture.
    pub fn orientation(&self) -> Orientation {
        let exif = self.exif.as_deref();
        exif.and_then(Orientation::from_exif_chunk).unwrap_or(Orientation::NoTransforms)
    }

    /// Drops a colour profile that is none, or is for other channels than the picture's; tells so.
    pub fn drop_unfit_icc(&mut self, channels: usize) -> Option<String> {
        let icc = self.icc.take_if(|icc| !is_profile(icc, channels))?;
        Some(match icc.get(16..20) {
            Some(space) if has_head(&icc) => format!(
                "the colour profile is for {}, the picture {}; it is left out",
                String::from_utf8_lossy(space).trim_end().escape_debug(),
                if channels == 1 { "gray" } else { "RGB" }
            ),
            _ => "the colour profile is damaged, and left out".into(),
        })
    }
}

/// A picture of 8 bits, gray or RGB, as its file has it: not turned.
#[derive(Clone)]
pub struct Image {
    pub pixels: DynamicImage,
    pub metadata: Metadata,
}

/// Formats of pictures that are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Format {
    /// PNG, with ICC profile and EXIF
    Png,
    /// TIFF, with ICC profile and EXIF
    Tiff,
    /// PPM, gray pictures PGM; no metadata
    Ppm,
    /// JPEG XL, lossless; no metadata
    Jxl,
}

impl Format {
    /// What the name of a file asks for; PNG for standard output.
    pub fn of(path: &Path) -> Result<Self> {
        if files::is_standard(path) {
            return Ok(Self::Png);
        }
        let extension = path.extension().unwrap_or_default().to_string_lossy().to_lowercase();
        match &*extension {
            "png" => Ok(Self::Png),
            "tif" | "tiff" => Ok(Self::Tiff),
            "ppm" | "pgm" | "pnm" => Ok(Self::Ppm),
            "jxl" => Ok(Self::Jxl),
            _ => {
                let name = path.display();
                bail!("{name}: neither .png, .tiff, .ppm nor .jxl, and there is no --format")
            }
        }
    }

    /// The ending of files' names.
    pub fn extension(self) -> &'static str {
        match self {
            Self::Png => "png",
            Self::Tiff => "tiff",
            Self::Ppm => "ppm",
            Self::Jxl => "jxl",
        }
    }
}

/// An error for pictures that are larger than is wanted, or empty.
pub fn check_pixels(width: u64, height: u64, max_pixels: u64) -> Result<()> {
    ensure!(width > 0 && height > 0, "an empty picture");
    ensure!(
        width * height <= max_pixels,
        "{width}×{height} pixels are more than {max_pixels} (--max-pixels)"
    );
    Ok(())
}

/// Reads a PNG, PPM, PGM, TIFF, WebP or JPEG file. Alpha is composed on white, deeper samples are
/// rounded to 8 bits.
pub fn read(path: &Path, max_pixels: u64) -> Result<Image> {
    let file = files::read(path)?;
    parse(&file, max_pixels).with_context(|| files::input_name(path))
}

/// Reads a picture from its file's bytes.
pub fn parse(file: &[u8], max_pixels: u64) -> Result<Image> {
    if jpeg::is_jpeg(file) {
        let decoded = jpeg::decode(file, max_pixels)?;
        if let Some(damage) = decoded.damaged {
            bail!("damaged: {damage}");
        }
        return Ok(Image { pixels: decoded.planes.to_image()?, metadata: decoded.metadata });
    }
    let reader = ImageReader::new(Cursor::new(file)).with_guessed_format()?;
    ensure!(reader.format().is_some(), "not a PNG, PPM, PGM, TIFF, WebP or JPEG file");
    let is_tiff = reader.format() == Some(image::ImageFormat::Tiff);
    let mut decoder = reader.into_decoder()?;
    let (width, height) = decoder.dimensions();
    check_pixels(width.into(), height.into(), max_pixels)?;
    let mut limits = image::Limits::no_limits();
    // Four deep channels, and as much again for the decoder.
    limits.max_alloc = Some(u64::from(width) * u64::from(height) * 16 + (64 << 20));
    decoder.set_limits(limits)?;
    // A decoder that can't tell does not keep the picture from being read.
    let icc = decoder.icc_profile().ok().flatten().filter(|icc| !icc.is_empty());
    let tiff = is_tiff.then(|| exif_tiff::read(file)).flatten();
    let exif = decoder.exif_metadata().ok().flatten().or(tiff).filter(|exif| !exif.is_empty());
    let metadata = Metadata { icc, exif };
    let pixels = of_8_bits(DynamicImage::from_decoder(decoder)?);
    Ok(Image { pixels, metadata })
}

/// Gray or RGB of 8 bits.
fn of_8_bits(image: DynamicImage) -> DynamicImage {
    let on_white = |sample: u8, alpha: u8| {
        let (sample, alpha) = (u32::from(sample), u32::from(alpha));
        ((sample * alpha + 255 * (255 - alpha) + 127) / 255) as u8
    };
    match (image.color().has_color(), image.color().has_alpha()) {
        (false, false) => image.into_luma8().into(),
        (true, false) => image.into_rgb8().into(),
        (false, true) => {
            let from = image.into_luma_alpha8();
            let pixel = |x, y| {
                let [sample, alpha] = from.get_pixel(x, y).0;
                image::Luma([on_white(sample, alpha)])
            };
            image::GrayImage::from_fn(from.width(), from.height(), pixel).into()
        }
        (true, true) => {
            let from = image.into_rgba8();
            let pixel = |x, y| {
                let [r, g, b, alpha] = from.get_pixel(x, y).0;
                image::Rgb([r, g, b].map(|sample| on_white(sample, alpha)))
            };
            image::RgbImage::from_fn(from.width(), from.height(), pixel).into()
        }
    }
}

/// Samples as files have them.
pub trait Stored: Sample {
    /// Bits of a sample in PNG and TIFF.
    const BITS: u32;

    /// Appends a row in the machine's order.
    fn append_native(row: &[Self], out: &mut Vec<u8>);

    /// Appends a row in big-endian order, `scale` times as large.
    fn append(row: &[Self], out: &mut Vec<u8>);

    /// Writes the picture as TIFF.
    fn write_tiff(planes: &Planes<Self>, metadata: &Metadata, out: &mut Vec<u8>) -> Result<()>;
}

impl Stored for u8 {
    const BITS: u32 = 8;

    fn append_native(row: &[Self], out: &mut Vec<u8>) {
        out.extend_from_slice(row);
    }

    fn append(row: &[Self], out: &mut Vec<u8>) {
        out.extend_from_slice(row);
    }

    fn write_tiff(planes: &Planes<Self>, metadata: &Metadata, out: &mut Vec<u8>) -> Result<()> {
        match planes.channels() {
            1 => write_tiff::<_, colortype::Gray8>(planes, metadata, out),
            _ => write_tiff::<_, colortype::RGB8>(planes, metadata, out),
        }
    }
}

impl Stored for u16 {
    const BITS: u32 = 16;

    fn append_native(row: &[Self], out: &mut Vec<u8>) {
        out.extend(row.iter().flat_map(|sample| sample.to_ne_bytes()));
    }

    fn append(row: &[Self], out: &mut Vec<u8>) {
        out.extend(row.iter().flat_map(|sample| sample.to_be_bytes()));
    }

    fn write_tiff(planes: &Planes<Self>, metadata: &Metadata, out: &mut Vec<u8>) -> Result<()> {
        match planes.channels() {
            1 => write_tiff::<_, colortype::Gray16>(planes, metadata, out),
            _ => write_tiff::<_, colortype::RGB16>(planes, metadata, out),
        }
    }
}

/// Writes what the planes show. Their depth is 8 or 16.
pub fn write<S: Stored>(
    out: &mut Output,
    format: Format,
    planes: &Planes<S>,
    metadata: &Metadata,
) -> Result<()> {
    ensure!(planes.bit_depth == S::BITS, "planes of {} bits", planes.bit_depth);
    match format {
        Format::Png => write_png(out, planes, metadata),
        Format::Ppm => write_ppm(out, planes),
        Format::Jxl => write_jxl(out, planes),
        Format::Tiff => {
            // The format wants to seek, and standard output can't.
            let mut bytes = Vec::new();
            S::write_tiff(planes, metadata, &mut bytes)?;
            Ok(out.write_all(&bytes)?)
        }
    }
}

/// Whether it is a profile of a picture of so many channels.
fn is_profile(icc: &[u8], channels: usize) -> bool {
    let space: &[u8] = if channels == 1 { b"GRAY" } else { b"RGB " };
    has_head(icc) && icc.get(16..20) == Some(space)
}

/// Whether it has a profile's head; some files have something else in its place.
fn has_head(icc: &[u8]) -> bool {
    let size = icc.first_chunk::<4>().map(|size| u32::from_be_bytes(*size) as usize);
    size == Some(icc.len()) && icc.get(36..40) == Some(b"acsp")
}

fn write_png<S: Stored>(out: &mut Output, planes: &Planes<S>, metadata: &Metadata) -> Result<()> {
    let (width, height) = planes.size();
    let mut info = png::Info::with_size(width as u32, height as u32);
    info.color_type =
        if planes.channels() == 1 { png::ColorType::Grayscale } else { png::ColorType::Rgb };
    info.bit_depth = if S::BITS == 8 { png::BitDepth::Eight } else { png::BitDepth::Sixteen };
    info.icc_profile = metadata.icc.as_deref().map(Cow::Borrowed);
    info.exif_metadata = metadata.exif.as_deref().map(Cow::Borrowed);
    if info.icc_profile.is_none() {
        info.srgb = Some(png::SrgbRenderingIntent::Perceptual);
    }
    let mut encoder = png::Encoder::with_info(out, info)?;
    encoder.set_compression(png::Compression::Fast);
    let mut writer = encoder.write_header()?;
    let mut stream = writer.stream_writer()?;
    let mut bytes = Vec::new();
    planes.each_row(|row| {
        bytes.clear();
        S::append(row, &mut bytes);
        Ok(stream.write_all(&bytes)?)
    })?;
    stream.finish()?;
    Ok(writer.finish()?)
}

fn write_ppm<S: Stored>(out: &mut Output, planes: &Planes<S>) -> Result<()> {
    let (width, height) = planes.size();
    let kind = if planes.channels() == 1 { 5 } else { 6 };
    write!(out, "P{kind}\n{width} {height}\n{}\n", (1u32 << S::BITS) - 1)?;
    let mut bytes = Vec::new();
    planes.each_row(|row| {
        bytes.clear();
        S::append(row, &mut bytes);
        Ok(out.write_all(&bytes)?)
    })
}

fn write_jxl<S: Stored>(out: &mut Output, planes: &Planes<S>) -> Result<()> {
    let (width, height) = planes.size();
    ensure!(width > 1 && height > 1, "a JPEG XL file wants two columns and two rows at least");
    let mut samples = Vec::new();
    let bytes = width * height * planes.channels() * size_of::<S>();
    samples.try_reserve_exact(bytes).map_err(|_| anyhow!("out of memory"))?;
    planes.each_row(|row| {
        S::append_native(row, &mut samples);
        Ok(())
    })?;
    let colours = if planes.channels() == 1 { ColorSpace::Luma } else { ColorSpace::RGB };
    let depth = if S::BITS == 8 { BitDepth::Eight } else { BitDepth::Sixteen };
    let options = EncoderOptions::new(width, height, colours, depth);
    let mut file = Vec::new();
    JxlSimpleEncoder::new(&samples, options)
        .encode(&mut file)
        .map_err(|error| anyhow!("JPEG XL: {error:?}"))?;
    Ok(out.write_all(&file)?)
}

/// About the samples of a strip.
const STRIP: usize = 1 << 18;

fn write_tiff<S: Stored, C>(
    planes: &Planes<S>,
    metadata: &Metadata,
    out: &mut Vec<u8>,
) -> Result<()>
where
    C: colortype::ColorType<Inner = S>,
    [S]: tiff::encoder::TiffValue,
{
    let (width, height) = planes.size();
    let row = width * planes.channels();
    let rows = (STRIP / row).clamp(1, height);
    let mut encoder = TiffEncoder::new(Cursor::new(out))?
        .with_compression(tiff::encoder::Compression::Deflate(Default::default()))
        .with_predictor(tiff::tags::Predictor::Horizontal);
    let folders = exif_tiff::write(&mut encoder, metadata.exif.as_deref())?;
    let mut image = encoder.new_image::<C>(width as u32, height as u32)?;
    image.rows_per_strip(rows as u32)?;
    folders.link(image.encoder())?;
    if let Some(icc) = &metadata.icc {
        image.encoder().write_tag(tiff::tags::Tag::IccProfile, &icc[..])?;
    }
    let mut samples = Vec::new();
    samples.try_reserve_exact(row * height).map_err(|_| anyhow!("out of memory"))?;
    planes.each_row(|row| {
        samples.extend_from_slice(row);
        Ok(())
    })?;
    // Strips that are written one by one are not compressed, though marked so (tiff 0.11).
    Ok(image.write_data(&samples)?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use sidelight::Layout;

    #[test]
    fn sixteen_bits_come_back() {
        let folder = tempfile::tempdir().unwrap();
        for layout in [Layout::I400, Layout::I444] {
            let mut planes = Planes::<u16>::new(layout, 16, (300, 40), 1).unwrap();
            for (p, plane) in planes.planes.iter_mut().enumerate() {
                let samples = plane.data.iter_mut().enumerate();
                samples.for_each(|(i, s)| *s = (i * 5 + 20000 + 9000 * p) as u16);
            }
            let mut expected = Vec::new();
            planes
                .each_row(|row| {
                    expected.extend_from_slice(row);
                    Ok(())
                })
                .unwrap();
            for format in [Format::Png, Format::Tiff, Format::Ppm] {
                let path = folder.path().join("out").with_extension(format.extension());
                let mut out = Output::create(&path).unwrap();
                write(&mut out, format, &planes, &Metadata::default()).unwrap();
                out.finish().unwrap();
                let read = match image::open(&path).unwrap() {
                    DynamicImage::ImageLuma16(image) => image.into_raw(),
                    DynamicImage::ImageRgb16(image) => image.into_raw(),
                    other => panic!("{:?}", other.color()),
                };
                assert!(read == expected, "{layout:?} {format:?}");
            }
        }
    }
}
