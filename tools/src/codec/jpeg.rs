//! JPEG by libjpeg-turbo's own program, and what all JPEG files have in common.

use super::{command, Codec};
use crate::yuv::{Original, Yuv};
use anyhow::{bail, ensure, Context, Result};
use image::DynamicImage;
use mozjpeg::CompInfoExt;
use sidelight::carriage::jpeg;
use sidelight::{CodecParams, Layout};
use std::io::Write;
use std::panic::{catch_unwind, resume_unwind};

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

    fn neighbour(&self, quality: u32) -> u32 {
        if self.flat {
            neighbouring_step(quality)
        } else {
            neighbouring_quality(quality)
        }
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
        decode(file, like)
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
fn pnm(image: &DynamicImage) -> Vec<u8> {
    let kind = if image.color().has_color() { 6 } else { 5 };
    let mut out = format!("P{kind}\n{} {}\n255\n", image.width(), image.height()).into_bytes();
    out.extend_from_slice(image.as_bytes());
    out
}

/// Planes of a gray or 4:2:0 JPEG, by the accurate integer transform, as stock decoders make them.
pub fn decode(file: &[u8], like: &Yuv) -> Result<Yuv> {
    // libjpeg's fatal errors unwind.
    catch_unwind(|| decode_or_unwind(file, like)).unwrap_or_else(|panic| {
        match panic.downcast::<String>() {
            Ok(message) => bail!("{message}"),
            Err(other) => resume_unwind(other),
        }
    })
}

fn decode_or_unwind(file: &[u8], like: &Yuv) -> Result<Yuv> {
    let decoder = mozjpeg::Decompress::new_mem(file)?;
    let factors: Vec<(i32, i32)> =
        decoder.components().iter().map(|c| (c.h_samp_factor, c.v_samp_factor)).collect();
    let strides: Vec<usize> = decoder.components().iter().map(CompInfoExt::row_stride).collect();
    let layout = match factors[..] {
        [(1, 1)] => Layout::I400,
        [(2, 2), (1, 1), (1, 1)] => Layout::I420,
        _ => bail!("a JPEG with sampling factors {factors:?}"),
    };
    let (width, height) = decoder.size();
    let expected = (like.width, like.height, like.layout());
    ensure!((width, height, layout) == expected, "the JPEG is {width}x{height}, {layout:?}");
    let mut decoder = decoder.raw()?;
    let mut padded = vec![Vec::new(); factors.len()];
    decoder.read_raw_data(&mut padded.iter_mut().collect::<Vec<_>>());
    decoder.finish()?;
    let mut out = Yuv::new(width, height, layout);
    for (i, (plane, stride)) in padded.iter().zip(strides).enumerate() {
        let (w, h) = out.size(i);
        let rows = plane.chunks_exact(stride).zip(out.planes[i].chunks_exact_mut(w));
        let copied = rows.map(|(from, to)| to.copy_from_slice(&from[..w])).count();
        ensure!(copied == h, "the JPEG has {copied} rows of {h}");
    }
    Ok(out)
}

/// From a JPEG's headers and coded data.
pub fn params(file: &[u8]) -> Result<CodecParams> {
    let info = jpeg::info(file)?;
    let luma = *info.luma_quant().context("a JPEG without a luma table")?;
    let codec = sidelight::Codec::Jpeg { luma, chroma: info.chroma_quant().copied() };
    Ok(CodecParams { codec, binding: info.binding })
}
