//! Decoding.

use crate::bytes::Bytes;
use crate::codec::CodecParams;
use crate::names;
use crate::picture::{Picture, Samples};
use pyo3::prelude::*;
use sidelight::DecoderSettings;
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

/// Holds what a payload asks for and filters pictures with it; passes them through until told otherwise.
///
/// threads: of filter(), 0 to 256; 0 for as many as there are cores. The result does not depend on it.
/// skip_binding: takes payloads without comparing their binding.
/// size: of set_base()'s model, "default", "s", "m" or "l".
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

#[pymethods]
impl Decoder {
    #[new]
    #[pyo3(signature = (threads=0, skip_binding=false, *, size="default"))]
    fn new(threads: i64, skip_binding: bool, size: &str) -> PyResult<Self> {
        let inner = sidelight::Decoder::new(DecoderSettings {
            threads: names::threads(threads)?,
            skip_binding,
            size: names::value("size", size, &names::SIZES)?,
        });
        Ok(Self { inner: RwLock::new(inner) })
    }

    /// Sets what `payload` (bytes; any are safe) asks for and returns it: "off", "base" or "update". On an
    /// error pictures pass through.
    ///
    /// params: how the picture was coded; the binding must be the one that the encoder saw.
    ///
    /// Raises Corrupt; Stale if it was made for another picture or codec; UnknownModel; Unsupported; TooLarge
    /// above 65536 bytes.
    fn set_payload(
        &self,
        py: Python<'_>,
        payload: Bytes,
        params: &CodecParams,
    ) -> PyResult<&'static str> {
        let mode = crate::detached(py, || self.write().set_payload(&payload, &params.params))?;
        Ok(names::name(mode, &names::MODES))
    }

    /// Sets the base model that fits the codec and, for JPEG, the luma table; it needs no payload.
    fn set_base(&self, py: Python<'_>, params: &CodecParams) -> PyResult<()> {
        crate::detached(py, || self.write().set_base(&params.params))
    }

    /// Pictures pass through from now on.
    fn set_off(&self, py: Python<'_>) -> PyResult<()> {
        crate::detached(py, || {
            self.write().set_off();
            Ok(())
        })
    }

    /// Takes the SEI messages of type user_data_unregistered that came with a decoded picture of a video.
    /// To be called for each picture, in output order, before filter().
    ///
    /// messages: a sequence of bytes, each beginning with its 16 bytes of UUID; those that are no payloads
    ///     (SEI_UUID) are skipped.
    ///
    /// Returns what was set, "off", "base" or "update"; None if there is no payload: the decoder goes on as
    /// before, but after an "irap" picture it passes pictures through. If no payload is good, raises as
    /// set_payload() for the last one; pictures pass through.
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

    /// The better picture; the same samples where there is nothing to do. Its shape and its type are those
    /// of `picture`. Other Python threads run meanwhile.
    fn filter(&self, py: Python<'_>, picture: &Picture) -> PyResult<Picture> {
        let samples = crate::detached(py, || {
            let decoder = self.read();
            Ok(match &picture.samples {
                Samples::Narrow(planes) => {
                    let view = planes.view()?;
                    Samples::Narrow(Arc::new(planes.like(|out| decoder.filter(&view, out))?))
                }
                Samples::Wide(planes) => {
                    let view = planes.view()?;
                    Samples::Wide(Arc::new(planes.like(|out| decoder.filter(&view, out))?))
                }
            })
        })?;
        Ok(picture.with_samples(samples))
    }
}
