//! What a payload says of itself.

use crate::models::{self, ModelSize};
use crate::network::CodecKind;
use crate::payload::{self, Mode};
use crate::{Error, Result};

/// See [`probe`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Probe {
    /// What it asks for.
    pub mode: Mode,
    /// Id of the base model; 0 where the mode is off.
    pub model: u32,
    /// What this build knows of that model; `None` also where the mode is off.
    pub known: Option<(CodecKind, ModelSize)>,
    /// For video: QPs of intra, P and B pictures, 0 for types that are not filtered.
    pub strengths: Option<[u8; 3]>,
    /// Bytes of the update; 0 if the model is not known.
    pub update_bytes: usize,
}

/// Reads a payload and checks its form, the update's too where the model is known. What it is bound
/// to and whether the updated weights are in range, only a decoder can tell.
///
/// # Errors
/// Those of [`payload::parse`]; [`Error::Corrupt`] if the update can't be read.
pub fn probe(payload: &[u8]) -> Result<Probe> {
    let header = payload::parse(payload)?;
    let mut probe =
        Probe { mode: header.mode, model: 0, known: None, strengths: None, update_bytes: 0 };
    if header.mode == Mode::Off {
        return Ok(probe);
    }
    probe.model = header.model;
    let (model, size) = match models::by_id(header.model) {
        Ok(model) => model,
        Err(Error::UnknownModel) => return Ok(probe),
        Err(error) => return Err(error),
    };
    let (strengths, update) = header.parts(model.codec == CodecKind::Hevc)?;
    if header.mode == Mode::Update {
        payload::update::read(update, &model.prior)?;
    }
    probe.known = Some((model.codec, size));
    probe.strengths = strengths;
    probe.update_bytes = update.len();
    Ok(probe)
}
