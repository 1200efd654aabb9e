//! Sidelight for Python. The doc comments here are the docstrings; the types stand in
//! `python/sidelight/__init__.pyi`.

mod bytes;
mod codec_params;
mod decoder;
mod encoder;
mod errors;
mod jpeg;
mod names;
mod optimiser;
mod payload;
mod picture;
mod stream;

use pyo3::prelude::*;

/// The compiled part of the package `sidelight`.
#[pymodule]
mod _sidelight {
    #[pymodule_export]
    use super::codec_params::CodecParams;
    #[pymodule_export]
    use super::decoder::Decoder;
    #[pymodule_export]
    use super::encoder::{encode, Report};
    #[pymodule_export]
    use super::jpeg::{jpeg_check_planes, jpeg_extract, jpeg_insert, jpeg_remove};
    #[pymodule_export]
    use super::optimiser::{jpeg_optimise, OptimiseReport};
    #[pymodule_export]
    use super::payload::payload_bind;
    #[pymodule_export]
    use super::picture::Picture;
    #[pymodule_export]
    use super::stream::{AccessUnit, Stream};
    use pyo3::prelude::*;
    use pyo3::types::PyBytes;

    #[pymodule_init]
    fn init(module: &Bound<'_, PyModule>) -> PyResult<()> {
        module.add("__version__", env!("CARGO_PKG_VERSION"))?;
        module.add("SEI_UUID", PyBytes::new(module.py(), &sidelight::carriage::nal::UUID))?;
        module.add("FULL_STRENGTH", sidelight::FULL_STRENGTH)?;
        super::errors::add_to(module)
    }
}

/// Runs `work` while other Python threads go on. The library does not panic; if it did, that is an
/// error like others.
fn detached<T: Send>(
    py: Python<'_>,
    work: impl FnOnce() -> sidelight::Result<T> + Send,
) -> PyResult<T> {
    let work = std::panic::AssertUnwindSafe(work);
    let caught = || std::panic::catch_unwind(work).unwrap_or(Err(sidelight::Error::Internal));
    py.detach(caught).map_err(errors::of)
}
