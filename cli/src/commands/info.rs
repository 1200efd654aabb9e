//! `info`: what a JPEG's payload says of itself.

use super::decode::{mode_name, params};
use super::print;
use crate::args::{DONE, UNFILTERED};
use crate::{files, jpeg};
use anyhow::{ensure, Context, Result};
use clap::Args;
use serde::Serialize;
use sidelight::carriage::jpeg as carriage;
use sidelight::{probe, Decoder, DecoderSettings, Error, ModelSize};
use std::path::PathBuf;

/// Tell what payload a JPEG has, and whether it is for that picture
///
/// Exit status 0 means a payload that a decoder will use; 3 that there is none, or that it is stale (the picture was
/// edited since) or damaged.
#[derive(Args)]
#[command(after_help = "\
Examples:
  sidelight info photo.jpg
  sidelight info --json photo.jpg")]
pub struct Arguments {
    /// JPEG file
    #[arg(value_name = "FILE.jpg")]
    pub file: PathBuf,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
}

/// What is told.
#[derive(Serialize)]
struct Info {
    width: u32,
    height: u32,
    /// Of chroma.
    sampling: String,
    progressive: bool,
    /// Of JPEG's standard tables, if it has those.
    standard_quality: Option<u32>,
    bytes: Bytes,
    payload: State,
    /// What is wrong with the payload.
    why: Option<String>,
    mode: Option<&'static str>,
    model: Option<String>,
    model_size: Option<&'static str>,
}

#[derive(Serialize)]
struct Bytes {
    file: usize,
    /// The picture: from SOI to EOI without metadata.
    coded: usize,
    /// Metadata, and what stands behind EOI; without the payload.
    other: usize,
    /// The payload.
    payload: usize,
    /// What carries the payload.
    carriage: usize,
    /// Of the payload, the coded update.
    update: usize,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
enum State {
    Fresh,
    Stale,
    Damaged,
    /// Good, but not for this build or file.
    Unknown,
    None,
}

pub fn size_name(size: ModelSize) -> &'static str {
    match size {
        ModelSize::Small => "small",
        ModelSize::Medium => "medium",
        ModelSize::Large => "large",
    }
}

/// What chroma's sampling is called; the factors where it has no name.
fn sampling(components: &[carriage::JpegComponent]) -> String {
    let factors: Vec<_> = components.iter().map(|c| (c.h, c.v)).collect();
    let name = match factors[..] {
        [_] => "gray",
        [y, cb, cr] if cb == cr && y.0 % cb.0 == 0 && y.1 % cb.1 == 0 => {
            match (y.0 / cb.0, y.1 / cb.1) {
                (1, 1) => "4:4:4",
                (2, 1) => "4:2:2",
                (2, 2) => "4:2:0",
                (1, 2) => "4:4:0",
                (4, 1) => "4:1:1",
                _ => "",
            }
        }
        _ => "",
    };
    if name.is_empty() {
        format!("{factors:?}")
    } else {
        name.into()
    }
}

fn read(file: &[u8]) -> Result<Info> {
    let info = carriage::info(file)?;
    let params = params(file);
    let standard_quality = params.as_ref().ok().and_then(|params| params.codec.standard_quality());
    let mut out = Info {
        width: info.width,
        height: info.height,
        sampling: sampling(&info.components),
        progressive: info.progressive,
        standard_quality,
        bytes: Bytes {
            file: file.len(),
            coded: info.coded_bytes,
            other: 0,
            payload: 0,
            carriage: 0,
            update: 0,
        },
        payload: State::None,
        why: None,
        mode: None,
        model: None,
        model_size: None,
    };
    let payload = carriage::extract(file);
    if let Ok(payload) = &payload {
        out.bytes.payload = payload.len();
        out.bytes.carriage = carriage::CARRIAGE_BYTES as usize;
    }
    out.bytes.other =
        file.len().saturating_sub(out.bytes.coded + out.bytes.payload + out.bytes.carriage);
    if let Ok(probe) = payload.as_ref().map_err(|error| *error).and_then(|p| probe(p)) {
        out.mode = Some(mode_name(probe.mode));
        out.model = (probe.model != 0).then(|| format!("{:08x}", probe.model));
        out.model_size = probe.known.map(|(_, size)| size_name(size));
        out.bytes.update = probe.update_bytes;
    }
    let mut decoder = Decoder::new(DecoderSettings { threads: 1, ..Default::default() });
    let set = payload.and_then(|payload| decoder.set_payload(&payload, &params?));
    (out.payload, out.why) = match set {
        Ok(_) => (State::Fresh, None),
        Err(Error::NoPayload) => (State::None, None),
        Err(error) => {
            let state = match error {
                Error::Stale => State::Stale,
                Error::UnknownModel | Error::Unsupported => State::Unknown,
                _ => State::Damaged,
            };
            // Messages may begin with the state that is told in front.
            let name = format!("{state:?}: ").to_lowercase();
            let why = error.to_string();
            (state, Some(why.strip_prefix(&name).unwrap_or(&why).into()))
        }
    };
    Ok(out)
}

fn text(info: &Info) -> String {
    let Info { width, height, bytes, .. } = info;
    let coding = if info.progressive { "progressive" } else { "sequential" };
    let tables = match info.standard_quality {
        Some(quality) => format!("standard tables of quality {quality}"),
        None => "tables of its own".into(),
    };
    let mut out = format!("picture  {width}×{height}, {}, {coding}, {tables}\n", info.sampling);
    out += &match (info.payload, &info.why) {
        (State::Fresh, _) => "payload  fresh: it is for this picture\n".to_string(),
        (State::None, _) => "payload  none\n".into(),
        (state, why) => {
            let state = format!("{state:?}").to_lowercase();
            format!("payload  {state}: {}\n", why.as_deref().unwrap_or_default())
        }
    };
    if let Some(mode) = info.mode {
        out += &format!("mode     {mode}\n");
    }
    if let Some(model) = &info.model {
        let size = info.model_size.unwrap_or("not in this build");
        out += &format!("model    {model}, {size}\n");
    }
    out += &format!(
        "bytes    {}: coded {}, payload {} (update {}), its carriage {}, metadata and other {}",
        bytes.file, bytes.coded, bytes.payload, bytes.update, bytes.carriage, bytes.other
    );
    out
}

pub fn run(a: &Arguments) -> Result<u8> {
    let file = files::read(&a.file)?;
    ensure!(jpeg::is_jpeg(&file), "{}: not a JPEG file", files::input_name(&a.file));
    let info = read(&file).with_context(|| files::input_name(&a.file))?;
    print(&if a.json { serde_json::to_string_pretty(&info)? } else { text(&info) })?;
    Ok(if info.payload == State::Fresh { DONE } else { UNFILTERED })
}
