//! JPEG by libjpeg-turbo's own program, and what all JPEG files have in common.

use super::{command, Codec};
use crate::media::jpeg::decode;
use crate::media::yuv::{Original, Yuv};
use anyhow::{ensure, Context, Result};
use image::DynamicImage;
use sidelight::carriage::jpeg;
use sidelight::CodecParams;
use std::io::Write;

/// cjpeg with optimised Huffman tables and 4:2:0.
pub struct Turbo {
    /// Flat tables whose step is the quality.
    pub flat: bool,
}

impl Codec for Turbo {
    fn version(&self) -> Result<String> {
        let tables = if self.flat { "flat" } else { "standard" };
        Ok(format!(
            "{}, {tables} tables, -optimize -baseline",
            command::version("cjpeg", "-version")?
        ))
    }

    fn neighbour(&self, quality: u32) -> Option<u32> {
        Some(if self.flat { neighbouring_step(quality) } else { neighbouring_quality(quality) })
    }

    fn encode(&self, original: &Original, quality: u32) -> Result<Vec<u8>> {
        let pnm = pnm(&original.image);
        if !self.flat {
            // Without -baseline, steps above 255 would make it a file that few decoders read.
            let arguments = ["-optimize", "-baseline", "-quality", &quality.to_string()];
            return command::pipe("cjpeg", &arguments, &pnm);
        }
        // At quality 50 the tables are taken as they are.
        let mut tables = tempfile::NamedTempFile::new()?;
        tables.write_all(format!("{quality} ").repeat(2 * 64).as_bytes())?;
        let path = tables.path().to_str().context("a temporary file's name is not UTF-8")?;
        let arguments = ["-optimize", "-baseline", "-quality", "50", "-qtables", path];
        command::pipe("cjpeg", &[&arguments[..], &["-qslots", "0,1"]].concat(), &pnm)
    }

    fn decode(&self, file: &[u8], like: &Yuv) -> Result<Yuv> {
        decode_like(file, like)
    }

    fn params(&self, file: &[u8], _decoded: &Yuv, _quality: u32) -> Result<CodecParams> {
        params(file)
    }

    fn carriage_bytes(&self) -> u32 {
        jpeg::CARRIAGE_BYTES
    }

    fn embed(&self, file: &[u8], payload: &[u8]) -> Result<Vec<u8>> {
        Ok(jpeg::insert(file, payload)?)
    }
}

/// A step that is a little finer, or coarser where there is none.
fn neighbouring_step(step: u32) -> u32 {
    if step < 2 {
        step + 1
    } else {
        step - step / 10 - 1
    }
}

/// A quality that is a little better, or worse where there is none.
pub fn neighbouring_quality(quality: u32) -> u32 {
    if quality < 97 {
        quality + 3
    } else {
        quality - 3
    }
}

/// The picture as a binary PGM or PPM.
pub fn pnm(image: &DynamicImage) -> Vec<u8> {
    let kind = if image.color().has_color() { 6 } else { 5 };
    let mut out = format!("P{kind}\n{} {}\n255\n", image.width(), image.height()).into_bytes();
    out.extend_from_slice(image.as_bytes());
    out
}

/// The planes of a gray or 4:2:0 JPEG, which is of the size and layout of `like`.
pub fn decode_like(file: &[u8], like: &Yuv) -> Result<Yuv> {
    let out = decode(file)?;
    let shape = |yuv: &Yuv| (yuv.width, yuv.height, yuv.layout());
    ensure!(shape(&out) == shape(like), "the JPEG is {:?}, not {:?}", shape(&out), shape(like));
    Ok(out)
}

/// From a JPEG's headers and coded data.
pub fn params(file: &[u8]) -> Result<CodecParams> {
    let info = jpeg::info(file)?;
    let luma = info.luma_quant().context("a JPEG without a luma table")?;
    let codec = sidelight::Codec::Jpeg { luma, chroma: info.chroma_quant() };
    Ok(CodecParams { codec, binding: info.binding })
}
