//! Payloads in JPEG files.

use crate::bytes::Bytes;
use crate::errors::of;
use pyo3::prelude::*;
use pyo3::types::PyBytes;
use sidelight::carriage::jpeg;

/// A copy of a JPEG file (bytes) that carries `payload`, in place of any payload that is there. Other
/// decoders see the same picture.
///
/// Raises Corrupt if it is no JPEG file; InvalidArgument if the payload is empty; TooLarge above 65526 bytes.
#[pyfunction]
pub fn jpeg_insert<'py>(
    py: Python<'py>,
    data: Bytes,
    payload: Bytes,
) -> PyResult<Bound<'py, PyBytes>> {
    Ok(PyBytes::new(py, &jpeg::insert(&data, &payload).map_err(of)?))
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
/// Raises Corrupt if it is no JPEG file.
#[pyfunction]
pub fn jpeg_remove<'py>(py: Python<'py>, data: Bytes) -> PyResult<Bound<'py, PyBytes>> {
    Ok(PyBytes::new(py, &jpeg::remove(&data).map_err(of)?))
}
