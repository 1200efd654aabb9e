//! HEVC intra pictures by x265, through ffmpeg.

use super::{command, Codec};
use crate::media::yuv::{Original, Yuv};
use anyhow::{Context, Result};
use sidelight::carriage::nal::{self, NalCodec};
use sidelight::payload::binding;
use sidelight::{CodecParams, Layout};

/// One intra picture at a constant QP, preset medium.
///
/// 4:2:0 HEVC has even sizes only: others are padded by replication before coding and cut after
/// decoding.
pub struct Intra;

impl Codec for Intra {
    fn version(&self) -> Result<String> {
        Ok(format!("{}, intra, preset medium, constant QP", version()?))
    }

    fn neighbour(&self, quality: u32) -> Option<u32> {
        Some(if quality == 0 { 1 } else { quality - 1 })
    }

    fn encode(&self, original: &Original, quality: u32) -> Result<Vec<u8>> {
        let padded = padded(&original.yuv);
        let size = format!("{}x{}", padded.width, padded.height);
        let format = pixel_format(padded.layout());
        // Without ipratio=1 an intra picture's QP would be about 3 below what is asked for.
        let x265 = format!(
            "qp={quality}:ipratio=1:keyint=1:info=0:log-level=error:pools=1:frame-threads=1"
        );
        let input = ["-v", "error", "-f", "rawvideo", "-pix_fmt", format, "-s", &size, "-i", "-"];
        let output =
            ["-frames:v", "1", "-c:v", "libx265", "-x265-params", &x265, "-f", "hevc", "-"];
        command::pipe("ffmpeg", &[&input[..], &output].concat(), &padded.to_raw())
    }

    fn decode(&self, file: &[u8], like: &Yuv) -> Result<Yuv> {
        let format = pixel_format(like.layout());
        let input = ["-v", "error", "-f", "hevc", "-i", "-"];
        let output = ["-frames:v", "1", "-pix_fmt", format, "-f", "rawvideo", "-"];
        let raw = command::pipe("ffmpeg", &[&input[..], &output].concat(), file)?;
        let (width, height) = even_size(like);
        let decoded = Yuv::from_raw(width, height, like.layout(), &raw)?;
        Ok(decoded.resized(like.width, like.height))
    }

    fn params(&self, _file: &[u8], decoded: &Yuv, quality: u32) -> Result<CodecParams> {
        let binding = binding::of_picture(&decoded.picture()?);
        Ok(CodecParams { codec: sidelight::Codec::Hevc { qp: [quality as u8; 3] }, binding })
    }

    fn carriage_bytes(&self) -> u32 {
        nal::CARRIAGE_BYTES
    }

    fn embed(&self, file: &[u8], payload: &[u8]) -> Result<Vec<u8>> {
        Ok(nal::insert(NalCodec::Hevc, file, payload)?)
    }
}

/// x265 and its version, as this ffmpeg has it.
pub fn version() -> Result<String> {
    let probe = "-v info -f lavfi -i color=s=64x64 -frames:v 1 -c:v libx265 -f null -";
    let output = std::process::Command::new("ffmpeg").args(probe.split(' ')).output();
    let said = output.with_context(|| format!("ffmpeg: {}", command::MISSING))?.stderr;
    let said = String::from_utf8_lossy(&said);
    let line = said.lines().find_map(|l| l.split_once("HEVC encoder version "));
    let version = line.context("this ffmpeg has no libx265")?.1.trim();
    Ok(format!("x265 {version}"))
}

fn pixel_format(layout: Layout) -> &'static str {
    if layout == Layout::I400 {
        "gray"
    } else {
        "yuv420p"
    }
}

fn even_size(yuv: &Yuv) -> (usize, usize) {
    (yuv.width.next_multiple_of(2), yuv.height.next_multiple_of(2))
}

fn padded(yuv: &Yuv) -> Yuv {
    let (width, height) = even_size(yuv);
    yuv.resized(width, height)
}
