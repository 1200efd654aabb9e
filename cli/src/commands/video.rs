//! `video`: payloads of streams.

mod attach;

use super::decode::mode_name;
use super::info::size_name;
use super::print;
use crate::args::{Common, DONE, UNFILTERED};
use crate::files::{self, Output};
use anyhow::{bail, ensure, Context, Result};
use clap::{Args, Subcommand, ValueEnum};
use serde::Serialize;
use sidelight::carriage::nal::{AccessUnit, Framing, NalCodec, Stream};
use sidelight::probe;
use std::fs::File;
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

/// Add, tell and remove payloads of video streams
///
/// For byte streams (Annex B) of HEVC, and but for `attach` of H.264 and VVC; of mp4 and Matroska files other programs
/// take the stream out.
#[derive(Subcommand)]
#[command(after_help = "\
Examples:
  sidelight video attach --qp 37 --effort 1 original.y4m plain.hevc decoded.y4m better.hevc
  sidelight video info clip.hevc
  sidelight video strip clip.hevc plain.hevc")]
pub enum Command {
    /// Add side information to an HEVC stream that any encoder made
    ///
    /// Each IRAP picture gets a payload for the pictures that are shown from it on, up to the next IRAP picture; none
    /// where the filter gains nothing. Payloads that were there go, all other bytes stay. Players that don't know of
    /// payloads show the stream as before. DECODED.y4m is what a decoder shows of the stream, as in
    /// `ffmpeg -i IN.hevc -fps_mode passthrough -strict -1 DECODED.y4m`.
    ///
    /// ORIGINAL.y4m must have as many pictures, of the same size, sampling and depth. Both are read along with the
    /// stream; memory holds two IRAP periods of the stream, and of the pictures those that a payload is made from.
    Attach(attach::Arguments),
    /// Tell what payloads a stream has
    ///
    /// Whether they are for the pictures that they come with only a decoder can tell.
    Info(InfoArguments),
    /// Copy a stream without its payloads
    ///
    /// All other bytes stay.
    Strip(StripArguments),
}

#[derive(Args)]
#[command(after_help = "\
Examples:
  sidelight video info clip.hevc
  sidelight video info --json --codec hevc - <clip.hevc")]
pub struct InfoArguments {
    /// Byte stream
    #[arg(value_name = "IN.hevc")]
    input: PathBuf,
    /// Codec of the stream [default: by its name]
    #[arg(long, value_enum)]
    codec: Option<Codec>,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

#[derive(Args)]
#[command(after_help = "\
Examples:
  sidelight video strip clip.hevc plain.hevc
  sidelight video strip --codec hevc - - <clip.hevc >plain.hevc")]
pub struct StripArguments {
    /// Byte stream
    #[arg(value_name = "IN.hevc")]
    input: PathBuf,
    #[arg(value_name = "OUT.hevc")]
    output: PathBuf,
    /// Codec of the stream [default: by its name]
    #[arg(long, value_enum)]
    codec: Option<Codec>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Codec {
    Hevc,
    H264,
    Vvc,
}

impl Codec {
    fn of(given: Option<Self>, path: &Path) -> Result<NalCodec> {
        let ending = path.extension().unwrap_or_default().to_string_lossy().to_lowercase();
        let codec = given.or(match &*ending {
            "hevc" | "h265" | "265" => Some(Self::Hevc),
            "h264" | "264" | "avc" => Some(Self::H264),
            "vvc" | "h266" | "266" => Some(Self::Vvc),
            _ => None,
        });
        match codec {
            Some(Self::Hevc) => Ok(NalCodec::Hevc),
            Some(Self::H264) => Ok(NalCodec::H264),
            Some(Self::Vvc) => Ok(NalCodec::Vvc),
            None => bail!(
                "{}: neither .hevc, .h264 nor .vvc, and there is no --codec",
                files::input_name(path)
            ),
        }
    }
}

/// Bytes that are read at a time.
const CHUNK: usize = 1 << 20;

/// Calls back with each access unit of a stream.
fn each_unit(
    path: &Path,
    codec: NalCodec,
    mut call: impl FnMut(AccessUnit<'_>) -> Result<()>,
) -> Result<()> {
    let mut input: Box<dyn Read> = if files::is_standard(path) {
        Box::new(io::stdin().lock())
    } else {
        Box::new(File::open(path)?)
    };
    let mut stream = Stream::new(codec, Framing::AnnexB)?;
    let mut chunk = vec![0; CHUNK];
    let (mut ended, mut pictures) = (false, false);
    while !ended {
        match input.read(&mut chunk) {
            Ok(0) => {
                stream.finish();
                ended = true;
            }
            Ok(n) => stream.push(&chunk[..n])?,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(error.into()),
        }
        while let Some(unit) = stream.next_unit()? {
            pictures |= unit.has_picture();
            call(unit)?;
        }
    }
    ensure!(pictures, "no picture in it");
    Ok(())
}

/// A payload of a stream.
#[derive(Serialize)]
struct Found {
    /// Number of the access unit, from 0, in the order of decoding.
    access_unit: u64,
    /// Whether the picture is one that a decoder can start at.
    irap: bool,
    bytes: usize,
    /// Why the payload can't be read.
    why: Option<String>,
    mode: Option<&'static str>,
    model: Option<String>,
    model_size: Option<&'static str>,
    /// QPs that intra, P and B pictures are filtered for; 0 for types that are not filtered.
    qp: Option<[u8; 3]>,
}

#[derive(Serialize)]
struct Info {
    access_units: u64,
    irap: u64,
    bytes: u64,
    payload_bytes: u64,
    payloads: Vec<Found>,
}

fn found(access_unit: u64, irap: bool, payload: &[u8]) -> Found {
    let mut found = Found {
        access_unit,
        irap,
        bytes: payload.len(),
        why: None,
        mode: None,
        model: None,
        model_size: None,
        qp: None,
    };
    match probe(payload) {
        Ok(probe) => {
            found.mode = Some(mode_name(probe.mode));
            found.model = (probe.model != 0).then(|| format!("{:08x}", probe.model));
            found.model_size = probe.known.map(|(_, size)| size_name(size));
            found.qp = probe.strengths;
        }
        Err(error) => found.why = Some(error.to_string()),
    }
    found
}

/// Most payloads that are told one by one.
const TOLD: usize = 10_000;

fn info(a: &InfoArguments) -> Result<u8> {
    let codec = Codec::of(a.codec, &a.input)?;
    let mut info =
        Info { access_units: 0, irap: 0, bytes: 0, payload_bytes: 0, payloads: Vec::new() };
    let mut count = 0u64;
    each_unit(&a.input, codec, |unit| {
        info.bytes += unit.bytes().len() as u64;
        if !unit.has_picture() {
            return Ok(());
        }
        let number = info.access_units;
        info.access_units += 1;
        info.irap += u64::from(unit.is_irap());
        Ok(unit.each_payload(|payload| {
            count += 1;
            info.payload_bytes += payload.len() as u64;
            if info.payloads.len() < TOLD {
                info.payloads.push(found(number, unit.is_irap(), payload));
            }
            Ok(())
        })?)
    })
    .with_context(|| files::input_name(&a.input))?;
    if a.json {
        print(&serde_json::to_string_pretty(&info)?)?;
    } else {
        let Info { access_units, irap, bytes, payload_bytes, payloads } = &info;
        print(&format!("{access_units} pictures, {irap} of them IRAP, {bytes} bytes"))?;
        for f in payloads {
            let unit = format!("picture {}{}", f.access_unit, if f.irap { ", IRAP" } else { "" });
            let what = match (&f.why, f.mode) {
                (Some(why), _) => why.clone(),
                (None, mode) => {
                    let model = f.model.as_deref().unwrap_or("no model");
                    let size = f.model_size.unwrap_or("not in this build");
                    let qp = f.qp.map_or_else(String::new, |qp| format!(", QP {qp:?}"));
                    format!("{}, model {model}, {size}{qp}", mode.unwrap_or_default())
                }
            };
            print(&format!("{unit}: {} bytes, {what}", f.bytes))?;
        }
        print(&format!("{count} payloads of {payload_bytes} bytes"))?;
    }
    let good = info.payloads.iter().any(|f| f.why.is_none());
    Ok(if good { DONE } else { UNFILTERED })
}

fn strip(a: &StripArguments, common: &Common) -> Result<u8> {
    let codec = Codec::of(a.codec, &a.input)?;
    let mut out = Output::create(&a.output)?;
    let (mut before, mut after) = (0, 0);
    each_unit(&a.input, codec, |unit| {
        let plain = unit.rewrite(None)?;
        before += unit.bytes().len();
        after += plain.len();
        Ok(out.write_all(&plain)?)
    })
    .with_context(|| files::input_name(&a.input))?;
    let to_file = out.is_file();
    out.finish()?;
    common.tell_at(to_file, &format!("{} bytes removed, {after} left", before - after))?;
    Ok(DONE)
}

pub fn run(command: &Command, common: &Common) -> Result<u8> {
    match command {
        Command::Attach(a) => attach::run(a, common),
        Command::Info(a) => info(a),
        Command::Strip(a) => strip(a, common),
    }
}
