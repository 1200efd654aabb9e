//! `decode`: a JPEG's picture, filtered.

use super::warn;
use crate::args::{Common, ModelSize, Threads, DAMAGED, DONE, UNFILTERED};
use crate::files::{self, Output};
use crate::jpeg;
use crate::picture::{self, Format, Metadata};
use crate::planes::{Planes, Sample};
use anyhow::{ensure, Context, Result};
use clap::{Args, ValueEnum};
use serde::Serialize;
use sidelight::carriage::jpeg as carriage;
use sidelight::{Codec, CodecParams, Decoder, DecoderSettings, Error, Mode, FULL_STRENGTH};
use std::path::PathBuf;

/// Decode a JPEG and filter the picture
///
/// The picture is filtered as the file's payload asks, bit for bit as its encoder measured it. Whatever is wrong with
/// the payload, the picture is written: unfiltered, with a message and exit status 3. PNG and TIFF files get the
/// JPEG's ICC profile and EXIF, with the orientation: pixels are not turned.
#[derive(Args)]
#[command(after_help = "\
Examples:
  sidelight decode photo.jpg better.png
  sidelight decode --mode base old.jpg better.tiff
  sidelight decode --depth 16 --strength 0.5 photo.jpg deep.png
  cat photo.jpg | sidelight decode --format ppm - - >better.ppm")]
pub struct Arguments {
    /// JPEG file
    #[arg(value_name = "IN.jpg")]
    pub input: PathBuf,
    /// PNG, TIFF, PPM, PGM or JPEG XL file
    #[arg(value_name = "OUT")]
    pub output: PathBuf,
    #[command(flatten)]
    pub how: How,
    /// Format of OUT [default: by its name; png to standard output]
    #[arg(long, value_enum)]
    pub format: Option<Format>,
    #[command(flatten)]
    pub threads: Threads,
}

/// How a picture is filtered.
#[derive(Args, Clone, Serialize)]
pub struct How {
    /// What to filter with
    #[arg(long, value_enum, default_value_t = FilterMode::Payload)]
    pub mode: FilterMode,
    /// Size of the base model of --mode base; payloads name theirs
    #[arg(long, value_enum, value_name = "SIZE", default_value_t = ModelSize::Medium)]
    pub model_size: ModelSize,
    /// How much of the correction the picture gets, 0 to 1 in steps of 1/64: less keeps more of the texture
    #[arg(long, value_name = "X", default_value = "1", value_parser = strength)]
    pub strength: u8,
    /// Bits of a sample that is written: 16 hold what rounding to 8 takes from the correction
    #[arg(long, value_enum, value_name = "BITS", default_value_t = Depth::Eight)]
    pub depth: Depth,
}

/// Parts of full strength.
fn strength(text: &str) -> Result<u8, String> {
    let value: f64 = text.parse().map_err(|_| "not a number")?;
    if !(0.0..=1.0).contains(&value) {
        return Err("not from 0 to 1".into());
    }
    Ok((value * f64::from(FULL_STRENGTH)).round() as u8)
}

/// Bits of a sample of pictures that are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum, Serialize)]
pub enum Depth {
    #[value(name = "8")]
    #[serde(rename = "8")]
    Eight,
    #[value(name = "16")]
    #[serde(rename = "16")]
    Sixteen,
}

/// What a picture is filtered with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum FilterMode {
    /// What the payload asks for; without one the picture is left as it is
    #[value(alias = "update")]
    Payload,
    /// The base model that fits the tables, whatever the payload says
    Base,
    /// The picture as other decoders show it
    Off,
}

/// A decoded picture, and what it is to be filtered with.
pub struct Picture {
    decoded: Planes,
    decoder: Decoder,
    pub metadata: Metadata,
    /// What of the JPEG's metadata the picture does not get, and why.
    pub left_out: Option<String>,
    /// What it is filtered with.
    pub mode: Mode,
    /// Why it is not filtered, though that was asked for.
    pub unfiltered: Option<String>,
    /// What is wrong with the JPEG.
    pub damaged: Option<String>,
}

impl Picture {
    /// Luma columns and rows.
    pub fn size(&self) -> (usize, usize) {
        self.decoded.size()
    }

    /// What is shown.
    pub fn filtered(&self) -> Result<Planes> {
        self.filtered_to(8)
    }

    fn filtered_to<S: Sample>(&self, bit_depth: u32) -> Result<Planes<S>> {
        let mut out = Planes::new(self.decoded.layout, bit_depth, self.size(), 1)?;
        self.decoder.filter(&self.decoded.view()?, out.view_mut()?)?;
        Ok(out)
    }

    /// Writes what is shown.
    pub fn write(&self, out: &mut Output, format: Format, depth: Depth) -> Result<()> {
        match depth {
            Depth::Eight => picture::write(out, format, &self.filtered()?, &self.metadata),
            Depth::Sixteen => {
                let mut planes = self.filtered_to(16)?;
                planes.widen();
                picture::write(out, format, &planes, &self.metadata)
            }
        }
    }
}

/// Codec parameters of a JPEG file.
pub fn params(file: &[u8]) -> sidelight::Result<CodecParams> {
    let info = carriage::info(file)?;
    let luma = info.luma_quant().ok_or(Error::Corrupt)?;
    let chroma = info.chroma_quant();
    Ok(CodecParams { codec: Codec::Jpeg { luma, chroma }, binding: info.binding })
}

/// Sets a decoder as the file's payload asks.
pub fn set_payload(decoder: &mut Decoder, file: &[u8]) -> sidelight::Result<Mode> {
    let payload = carriage::extract(file)?;
    decoder.set_payload(&payload, &params(file)?)
}

/// Decodes, and finds what to filter with.
pub fn picture(file: &[u8], how: &How, threads: usize, max_pixels: u64) -> Result<Picture> {
    let jpeg::Decoded { planes: decoded, damaged, mut metadata } = jpeg::decode(file, max_pixels)?;
    let left_out = metadata.drop_unfit_icc(decoded.channels());
    let settings =
        DecoderSettings { threads, model_size: how.model_size.into(), ..Default::default() };
    let mut decoder = Decoder::new(settings);
    decoder.set_strength(how.strength)?;
    let set = match how.mode {
        FilterMode::Off => Ok(Mode::Off),
        FilterMode::Base => params(file)
            .and_then(|params| decoder.set_mode(Mode::Base, &params))
            .map(|()| Mode::Base),
        FilterMode::Payload => set_payload(&mut decoder, file),
    };
    let (mode, unfiltered) = match set {
        Ok(mode) => (mode, None),
        Err(Error::NoPayload) => {
            (Mode::Off, Some("no payload in the file (--mode base needs none)".into()))
        }
        Err(error) => (Mode::Off, Some(format!("payload ignored: {error}"))),
    };
    Ok(Picture { decoded, decoder, metadata, left_out, mode, unfiltered, damaged })
}

/// How messages call a mode.
pub fn mode_name(mode: Mode) -> &'static str {
    match mode {
        Mode::Off => "off",
        Mode::Base => "base",
        Mode::Update => "update",
        _ => "unknown",
    }
}

pub fn run(a: &Arguments, common: &Common) -> Result<u8> {
    let format = a.format.map_or_else(|| Format::of(&a.output), Ok)?;
    let name = files::input_name(&a.input);
    ensure!(!files::are_one(&a.input, &a.output), "{name}: is IN.jpg and OUT");
    let file = files::read(&a.input)?;
    let picture = picture(&file, &a.how, a.threads.count(), common.max_pixels)
        .with_context(|| name.clone())?;
    let mut out = Output::create(&a.output)?;
    picture.write(&mut out, format, a.how.depth).with_context(|| files::output_name(&a.output))?;
    let (width, height) = picture.size();
    let to_file = out.is_file();
    out.finish()?;
    if let Some(damage) = &picture.damaged {
        warn(&name, &format!("damaged: {damage}"));
    }
    if let Some(why) = &picture.unfiltered {
        warn(&name, &format!("{why}; the picture is unfiltered"));
    }
    picture.left_out.iter().for_each(|note| common.note(&name, note));
    common.tell_at(to_file, &format!("{}: {width}×{height}", mode_name(picture.mode)))?;
    Ok(match picture {
        Picture { damaged: Some(_), .. } => DAMAGED,
        Picture { unfiltered: Some(_), .. } => UNFILTERED,
        _ => DONE,
    })
}
