//! Exceptions.

use pyo3::exceptions::{PyException, PyMemoryError, PyValueError};
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyDict, PyTuple, PyType};
use sidelight::Error;

/// `Error`, then its subclasses in the order of [`SUBCLASSES`].
static TYPES: PyOnceLock<Vec<Py<PyType>>> = PyOnceLock::new();

const SUBCLASSES: [(&str, &str); 8] = [
    ("InvalidArgument", "An argument is out of its range, or pictures disagree in shape."),
    ("Conflict", "A signature or offsets in the file would no longer hold."),
    ("NoPayload", "There is no payload in the file or stream."),
    ("UnknownModel", "The payload names a base model that this version does not have."),
    ("TooLarge", "A size is over a stated limit."),
    ("Corrupt", "Bytes are damaged, or not of the format they should be."),
    ("Unsupported", "Well-formed, but not supported."),
    ("Stale", "The payload was made for another picture, or the picture was edited since."),
];

fn new_type<'py>(
    py: Python<'py>,
    name: &str,
    doc: &str,
    bases: &Bound<'py, PyTuple>,
) -> PyResult<Bound<'py, PyType>> {
    let dict = PyDict::new(py);
    dict.set_item("__doc__", doc)?;
    dict.set_item("__module__", "sidelight")?;
    Ok(py.get_type::<PyType>().call1((name, bases, dict))?.cast_into()?)
}

fn types(py: Python<'_>) -> PyResult<&Vec<Py<PyType>>> {
    TYPES.get_or_try_init(py, || {
        let bases = PyTuple::new(py, [py.get_type::<PyException>()])?;
        let base =
            new_type(py, "Error", "What the library raises; bugs inside it as well.", &bases)?;
        let mut types = vec![base.clone().unbind()];
        for (name, doc) in SUBCLASSES {
            let mut bases = vec![base.clone()];
            if name == "InvalidArgument" {
                bases.push(py.get_type::<PyValueError>());
            }
            types.push(new_type(py, name, doc, &PyTuple::new(py, bases)?)?.unbind());
        }
        Ok(types)
    })
}

pub fn add_to(module: &Bound<'_, PyModule>) -> PyResult<()> {
    let names = std::iter::once("Error").chain(SUBCLASSES.map(|(name, _)| name));
    for (name, class) in names.zip(types(module.py())?) {
        module.add(name, class)?;
    }
    Ok(())
}

fn raise(name: &str, message: String) -> PyErr {
    let at = SUBCLASSES.iter().position(|(n, _)| *n == name).map_or(0, |i| i + 1);
    Python::attach(|py| match types(py) {
        Ok(types) => PyErr::from_type(types[at].bind(py).clone(), message),
        Err(error) => error,
    })
}

/// The exception of one of the library's errors.
pub fn of(error: Error) -> PyErr {
    let name = match error {
        Error::OutOfMemory => return PyMemoryError::new_err(error.to_string()),
        Error::InvalidArgument => "InvalidArgument",
        Error::Conflict => "Conflict",
        Error::NoPayload => "NoPayload",
        Error::UnknownModel => "UnknownModel",
        Error::TooLarge => "TooLarge",
        Error::Corrupt => "Corrupt",
        Error::Unsupported => "Unsupported",
        Error::Stale => "Stale",
        _ => "Error",
    };
    raise(name, error.to_string())
}

/// `InvalidArgument` that says what is wrong.
pub fn invalid(message: impl Into<String>) -> PyErr {
    raise("InvalidArgument", message.into())
}
