//! Payloads in JPEG files.

use crate::bytes::Bytes;
use crate::errors::{invalid, of};
use crate::picture::Picture;
use pyo3::prelude::*;
use pyo3::types::PyBytes;
use sidelight::carriage::jpeg;

/// A copy of a JPEG file (bytes) that carries `payload`, in place of any payload that is there. Other
/// decoders see the same picture.
///
/// anyway: break what a longer file breaks, in place of raising Conflict: Content Credentials, whose signature
///     covers its bytes, or offsets in EXIF, maker notes, MPF or AFCP data that lead to pictures behind EOI.
///
/// Raises Corrupt if it is no JPEG file; InvalidArgument if the payload is empty; TooLarge above 65526 bytes; Conflict.
#[pyfunction]
#[pyo3(signature = (data, payload, *, anyway=false))]
pub fn jpeg_insert<'py>(
    py: Python<'py>,
    data: Bytes,
    payload: Bytes,
    anyway: bool,
) -> PyResult<Bound<'py, PyBytes>> {
    let insert = if anyway { jpeg::insert_anyway } else { jpeg::insert };
    Ok(PyBytes::new(py, &insert(&data, &payload).map_err(of)?))
}

/// The payload that a JPEG file (bytes) carries. Whether it is for this picture Decoder.set_payload() says.
///
/// Raises NoPayload; Corrupt, also if its payload is empty or there are several.
#[pyfunction]
pub fn jpeg_extract<'py>(py: Python<'py>, data: Bytes) -> PyResult<Bound<'py, PyBytes>> {
    Ok(PyBytes::new(py, &jpeg::extract(&data).map_err(of)?))
}

/// A copy of a JPEG file (bytes) without any payload; all other bytes stay as they are.
///
/// anyway: as of jpeg_insert().
///
/// Raises Corrupt if it is no JPEG file; Conflict.
#[pyfunction]
#[pyo3(signature = (data, *, anyway=false))]
pub fn jpeg_remove<'py>(
    py: Python<'py>,
    data: Bytes,
    anyway: bool,
) -> PyResult<Bound<'py, PyBytes>> {
    let remove = if anyway { jpeg::remove_anyway } else { jpeg::remove };
    Ok(PyBytes::new(py, &remove(&data).map_err(of)?))
}

/// The largest difference, in levels, between decoded planes and what libjpeg's accurate integer transform makes
/// of a JPEG file (bytes), in some 256 blocks of each plane. 0 or 1 is as good as can be; above, a filter and
/// payloads gain less. Planes that were taken from RGB come to 2 to 20.
///
/// decoded: a Picture of 8 bits, the planes as they are coded.
///
/// Raises InvalidArgument if the planes are not of the file's sizes; Corrupt, also if it is damaged or cut off;
/// Unsupported as CodecParams.from_jpeg().
#[pyfunction]
pub fn jpeg_check_planes(
    py: Python<'_>,
    data: Bytes,
    decoded: &Bound<'_, Picture>,
) -> PyResult<u8> {
    let samples = decoded.get().samples.narrow();
    let samples = samples.ok_or_else(|| invalid("decoded is not of 8 bits"))?.clone();
    crate::detached(py, || sidelight::check_jpeg_planes(&data, &samples.view()?))
}
