//! Payloads in streams of NAL units.

use crate::bytes::Bytes;
use crate::errors::{invalid, of};
use crate::names;
use pyo3::prelude::*;
use pyo3::types::PyBytes;
use sidelight::carriage::nal::{self, Framing, NalCodec};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Cuts a stream of H.264, HEVC or VVC into access units, whose bytes one after another are those of the
/// stream.
///
/// codec: "h264", "hevc" or "vvc".
/// length_bytes: 0 for a byte stream with start codes (Annex B); 1, 2 or 4 for samples of mp4 and
///     Matroska, whose NAL units stand behind lengths of so many bytes.
///
/// Iterating gives the units that are complete, and may be done again after each push():
///
///     stream.push(chunk)
///     for unit in stream: ...
///
/// Iterating raises Corrupt and TooLarge (a unit over 64 MiB).
#[pyclass(frozen, module = "sidelight")]
pub struct Stream {
    codec: NalCodec,
    framing: Framing,
    inner: Mutex<nal::Stream>,
}

impl Stream {
    fn lock(&self) -> MutexGuard<'_, nal::Stream> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[pymethods]
impl Stream {
    #[new]
    #[pyo3(signature = (codec, length_bytes=0))]
    fn new(codec: &str, length_bytes: i64) -> PyResult<Self> {
        let codec = names::value("codec", codec, &names::NAL_CODECS)?;
        let framing = match length_bytes {
            0 => Framing::AnnexB,
            n @ (1 | 2 | 4) => Framing::LengthPrefixed(n as u8),
            n => return Err(invalid(format!("length_bytes is {n}, not 0, 1, 2 or 4"))),
        };
        let inner = Mutex::new(nal::Stream::new(codec, framing).map_err(of)?);
        Ok(Self { codec, framing, inner })
    }

    /// Appends bytes: of a byte stream any number, otherwise one whole sample. Units that are ready should be
    /// taken before.
    ///
    /// Raises InvalidArgument if the sample before, or the end of a finished stream, was not taken; what was
    /// wrong with the stream.
    fn push(&self, py: Python<'_>, data: Bytes) -> PyResult<()> {
        crate::detached(py, || self.lock().push(&data))
    }

    /// Says that no more bytes come: what is left is the last unit. A further push() begins another stream.
    fn finish(&self, py: Python<'_>) -> PyResult<()> {
        crate::detached(py, || {
            self.lock().finish();
            Ok(())
        })
    }

    fn __iter__(this: PyRef<'_, Self>) -> PyRef<'_, Self> {
        this
    }

    fn __next__(&self, py: Python<'_>) -> PyResult<Option<AccessUnit>> {
        crate::detached(py, || {
            let mut stream = self.lock();
            let unit = stream.next_unit()?;
            Ok(unit.map(|unit| AccessUnit {
                codec: self.codec,
                framing: self.framing,
                bytes: unit.bytes().to_vec(),
                has_picture: unit.has_picture(),
                is_irap: unit.is_irap(),
            }))
        })
    }
}

/// A coded picture with all that belongs to it, in its stream's bytes; Stream gives them.
#[pyclass(frozen, module = "sidelight")]
pub struct AccessUnit {
    codec: NalCodec,
    framing: Framing,
    bytes: Vec<u8>,
    /// Whether there is a slice. What stands behind the last picture has none.
    #[pyo3(get)]
    has_picture: bool,
    /// Whether a decoder can start at the picture.
    #[pyo3(get)]
    is_irap: bool,
}

impl AccessUnit {
    fn parse(&self) -> sidelight::Result<nal::AccessUnit<'_>> {
        nal::AccessUnit::new(self.codec, self.framing, &self.bytes)
    }
}

#[pymethods]
impl AccessUnit {
    /// The bytes as they stand in the stream.
    #[getter]
    fn data<'py>(&self, py: Python<'py>) -> Bound<'py, PyBytes> {
        PyBytes::new(py, &self.bytes)
    }

    /// A list of all payloads in it, in order. If there are several, file formats put copies of an early one
    /// in front or behind: hand all, each behind SEI_UUID, to Decoder.set_sei().
    #[getter]
    fn payloads<'py>(&self, py: Python<'py>) -> PyResult<Vec<Bound<'py, PyBytes>>> {
        let mut all = Vec::new();
        let unit = self.parse().map_err(of)?;
        let read = unit.each_payload(|payload| {
            all.push(PyBytes::new(py, payload));
            Ok(())
        });
        read.map_err(of)?;
        Ok(all)
    }

    /// Its bytes with `payload` in place of all payloads in it; without any for None.
    ///
    /// Raises InvalidArgument if the payload is empty or there is no picture; TooLarge above 65526 bytes, or over
    /// what the lengths can tell.
    #[pyo3(signature = (payload=None))]
    fn rewrite<'py>(
        &self,
        py: Python<'py>,
        payload: Option<Bytes>,
    ) -> PyResult<Bound<'py, PyBytes>> {
        let rewritten = crate::detached(py, || self.parse()?.rewrite(payload.as_deref()))?;
        Ok(PyBytes::new(py, &rewritten))
    }
}
