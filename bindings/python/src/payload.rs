//! Payloads by themselves.

use crate::bytes::Bytes;
use crate::errors::of;
use crate::picture::Picture;
use pyo3::prelude::*;
use pyo3::types::PyBytes;

/// A copy of `payload` that is bound to `carrier`, the decoded picture of a video that is to carry it.
/// encode() binds it to the first; where it is repeated, at IRAP pictures, each copy is bound anew.
///
/// Raises Corrupt and others if it is no payload, as Decoder.set_payload().
#[pyfunction]
pub fn payload_bind<'py>(
    py: Python<'py>,
    payload: Bytes,
    carrier: &Picture,
) -> PyResult<Bound<'py, PyBytes>> {
    let binding = crate::detached(py, || carrier.samples.binding())?;
    let mut bound = payload.to_vec();
    sidelight::rebind(&mut bound, binding).map_err(of)?;
    Ok(PyBytes::new(py, &bound))
}
