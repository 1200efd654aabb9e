//! Our side of the comparison with inference engines: docs/evaluation.md, tools/peers/engines.py.

pub mod frame;
pub mod network;
pub mod peak;
pub mod time;

use anyhow::{ensure, Context, Result};
use sidelight::codec::{standard_luma_table, Codec};
use sidelight::network::{CodecKind, Model, Prepared};
use sidelight::{Layout, PictureType};
use std::path::Path;

fn read_model(path: &Path) -> Result<Model> {
    let what = || path.display().to_string();
    Model::from_bytes(&std::fs::read(path).with_context(what)?).with_context(what)
}

/// The model for intra pictures of 4:2:0 at a JPEG quality or an HEVC QP.
fn prepared(model: &Model, quality: u8) -> Result<Prepared> {
    let codec = match model.codec {
        CodecKind::Jpeg => {
            ensure!((1..=100).contains(&quality), "JPEG qualities are 1 to 100");
            Codec::Jpeg { luma: standard_luma_table(quality.into()), chroma: None }
        }
        CodecKind::Hevc => Codec::Hevc { qp: [quality; 3] },
    };
    codec.check()?;
    let condition = codec.condition(Layout::I420, PictureType::I).context("no such quality")?;
    Ok(Prepared::new(model, condition, None)?)
}
