//! From a payload's bytes to a model and an update: the way that the decoder and [`probe`] share.

use crate::models::{self, ModelSize};
use crate::network::{CodecKind, Model, Update};
use crate::payload::{self, Header, Mode};
use crate::{Error, Result};

/// A payload that asks for filtering, with all that it names at hand.
pub(crate) struct Opened {
    /// The base model.
    pub model: &'static Model,
    /// The base model's size.
    pub size: ModelSize,
    /// Video: QPs of intra, P and B pictures; 0 for types that are not filtered.
    pub strengths: Option<[u8; 3]>,
    /// The weight-update, if there is one.
    pub update: Option<Update>,
    /// Bytes of the coded update.
    pub update_bytes: usize,
}

/// Opens a payload that is not of [`Mode::Off`]; with `codec` it must be for that one.
///
/// # Errors
/// [`Error::UnknownModel`]; [`Error::Stale`] for another codec; [`Error::Corrupt`] if its body
/// can't be read; [`Error::OutOfMemory`].
pub(crate) fn open(header: &Header<'_>, codec: Option<CodecKind>) -> Result<Opened> {
    let (model, size) = models::by_id(header.model)?;
    if codec.is_some_and(|codec| codec != model.codec) {
        return Err(Error::Stale);
    }
    let (strengths, body) = header.parts(model.codec == CodecKind::Hevc)?;
    let update = match header.mode {
        Mode::Off | Mode::Base => None,
        Mode::Update => Some(payload::update::read(body, &model.prior)?),
    };
    Ok(Opened { model, size, strengths, update, update_bytes: body.len() })
}

/// What [`probe`] finds in a payload.
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

/// Reads what a payload says of itself and checks its form, the update's too where the model is
/// known. What it is bound to and whether the updated weights are in range, only a decoder can
/// tell.
///
/// # Errors
/// Fails as [`payload::parse`] does; [`Error::Corrupt`] if the update can't be read;
/// [`Error::OutOfMemory`].
pub fn probe(payload: &[u8]) -> Result<Probe> {
    let header = payload::parse(payload)?;
    let mut probe =
        Probe { mode: header.mode, model: 0, known: None, strengths: None, update_bytes: 0 };
    if header.mode == Mode::Off {
        return Ok(probe);
    }
    probe.model = header.model;
    match open(&header, None) {
        Ok(opened) => {
            probe.known = Some((opened.model.codec, opened.size));
            probe.strengths = opened.strengths;
            probe.update_bytes = opened.update_bytes;
            Ok(probe)
        }
        Err(Error::UnknownModel) => Ok(probe),
        Err(error) => Err(error),
    }
}
