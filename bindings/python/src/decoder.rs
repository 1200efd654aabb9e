//! Decoding.

use crate::bytes::Bytes;
use crate::codec_params::CodecParams;
use crate::errors::invalid;
use crate::names;
use crate::picture::{Picture, Samples};
use pyo3::prelude::*;
use sidelight::{Codec, DecoderSettings, Mode, FULL_STRENGTH};
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

/// Holds what a payload asks for and filters pictures with it; passes them through until told otherwise.
///
/// threads: of filter(), 0 to 256; 0 for as many as there are cores. The result does not depend on it.
/// skip_binding: takes payloads without comparing their binding.
/// model_size: of set_mode()'s base model, "default", "small", "medium" or "large".
///
/// Threads may share it: filter() runs in many at once, the others wait for it.
#[pyclass(frozen, module = "sidelight")]
pub struct Decoder {
    /// Taken without the GIL only: who waits for the one never holds the other.
    inner: RwLock<sidelight::Decoder>,
}

impl Decoder {
    fn read(&self) -> RwLockReadGuard<'_, sidelight::Decoder> {
        self.inner.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, sidelight::Decoder> {
        self.inner.write().unwrap_or_else(PoisonError::into_inner)
    }
}

/// For [`Mode::Off`], which does not look at them.
fn nothing() -> sidelight::CodecParams {
    sidelight::CodecParams { codec: Codec::Hevc { qp: [0; 3] }, binding: 0 }
}

#[pymethods]
impl Decoder {
    #[new]
    #[pyo3(signature = (threads=0, skip_binding=false, *, model_size="default"))]
    fn new(threads: i64, skip_binding: bool, model_size: &str) -> PyResult<Self> {
        let inner = sidelight::Decoder::new(DecoderSettings {
            threads: names::threads(threads)?,
            skip_binding,
            model_size: names::value("model_size", model_size, &names::MODEL_SIZES)?,
        });
        Ok(Self { inner: RwLock::new(inner) })
    }

    /// Sets what `payload` (bytes; any are safe) asks for and returns it: "off", "base" or "update". On an
    /// error pictures pass through.
    ///
    /// params: how the picture was coded; the binding must be the one that the encoder saw.
    ///
    /// Raises Corrupt; Stale if it was made for another picture or codec; UnknownModel; Unsupported; TooLarge
    /// above 65526 bytes.
    fn set_payload(
        &self,
        py: Python<'_>,
        payload: Bytes,
        params: &CodecParams,
    ) -> PyResult<&'static str> {
        let mode = crate::detached(py, || self.write().set_payload(&payload, &params.params))?;
        Ok(names::name(mode, &names::MODES))
    }

    /// Sets filtering without a payload: "base" for the base model that fits the codec and, for JPEG, the luma
    /// table, "off" to pass pictures through. On an error they pass through as well.
    ///
    /// params: how the picture was coded; None will do for "off". Its binding is not looked at.
    ///
    /// Raises UnknownModel if there is none for the codec.
    #[pyo3(signature = (mode, params=None))]
    fn set_mode(&self, py: Python<'_>, mode: &str, params: Option<&CodecParams>) -> PyResult<()> {
        let mode = names::value("mode", mode, &[("off", Mode::Off), ("base", Mode::Base)]);
        // What was set before ends with any call.
        let (mode, params) = match (mode, params) {
            (Ok(mode), Some(params)) => (mode, params.params.clone()),
            (Ok(Mode::Off), None) => (Mode::Off, nothing()),
            (wrong, _) => {
                crate::detached(py, || self.write().set_mode(Mode::Off, &nothing()))?;
                return Err(wrong.err().unwrap_or_else(|| invalid("mode \"base\" needs params")));
            }
        };
        crate::detached(py, || self.write().set_mode(mode, &params))
    }

    /// Takes the SEI messages of type user_data_unregistered that came with a decoded picture of a video.
    /// To be called for each picture, in output order, before filter().
    ///
    /// messages: a sequence of bytes, each beginning with its 16 bytes of UUID; those that are no payloads
    ///     (SEI_UUID) are skipped.
    ///
    /// Returns what was set, "off", "base" or "update"; None if there is no payload, or, but for "irap"
    /// pictures, only copies of earlier ones, as some files and decoders give: the decoder goes on as before,
    /// but after an "irap" picture without any it passes pictures through. If no payload is good, raises as
    /// set_payload() for the last one; pictures pass through.
    ///
    /// The decoder remembers which payloads came: keep it for the whole stream, over seeks too.
    fn set_sei(
        &self,
        py: Python<'_>,
        picture: &Picture,
        messages: Vec<Bytes>,
    ) -> PyResult<Option<&'static str>> {
        let mode = crate::detached(py, || {
            let messages = messages.iter().map(|message| &message[..]);
            match &picture.samples {
                Samples::Narrow(planes) => self.write().set_messages(&planes.view()?, messages),
                Samples::Wide(planes) => self.write().set_messages(&planes.view()?, messages),
            }
        })?;
        Ok(mode.map(|mode| names::name(mode, &names::MODES)))
    }

    /// Sets how much of the correction pictures get, whatever else is set: strength / FULL_STRENGTH of it.
    /// A decoder begins with FULL_STRENGTH, at which it gives the picture that the encoder measured; 0 leaves
    /// pictures as decoded.
    fn set_strength(&self, py: Python<'_>, strength: i64) -> PyResult<()> {
        let known = u8::try_from(strength).ok().filter(|n| *n <= FULL_STRENGTH);
        let known = known
            .ok_or_else(|| invalid(format!("strength is {strength}, not 0 to {FULL_STRENGTH}")))?;
        crate::detached(py, || self.write().set_strength(known))
    }

    /// The better picture; the same samples where there is nothing to do. Its shape and its type are those
    /// of `picture`. Other Python threads run meanwhile.
    ///
    /// bit_depth: of the result, that of `picture` (None) or more: 10, 12 or 16. The bits below hold what
    ///     rounding takes from the correction, and samples that are only copied are shifted left. A picture
    ///     of 16 bits can't be filtered again.
    #[pyo3(signature = (picture, *, bit_depth=None))]
    fn filter(
        &self,
        py: Python<'_>,
        picture: &Picture,
        bit_depth: Option<i64>,
    ) -> PyResult<Picture> {
        let own = i64::from(picture.bit_depth());
        let depth = match bit_depth.unwrap_or(own) {
            n if n == own || (n > own && matches!(n, 10 | 12 | 16)) => n as u32,
            n => {
                let what = format!("bit_depth is {n}, neither the picture's {own} nor more of 10, 12, 16");
                return Err(invalid(what));
            }
        };
        let samples = crate::detached(py, || {
            let decoder = self.read();
            Ok(match &picture.samples {
                Samples::Narrow(planes) => {
                    let view = planes.view()?;
                    if depth == 8 {
                        let better = planes.like(depth, |out| decoder.filter(&view, out))?;
                        Samples::Narrow(Arc::new(better))
                    } else {
                        Samples::Wide(Arc::new(planes.like(depth, |out| decoder.filter(&view, out))?))
                    }
                }
                Samples::Wide(planes) => {
                    let view = planes.view()?;
                    Samples::Wide(Arc::new(planes.like(depth, |out| decoder.filter(&view, out))?))
                }
            })
        })?;
        Ok(picture.with_samples(samples))
    }
}
