//! Coefficients.

use crate::bytes::Bytes;
use crate::codec_params::CodecParams;
use crate::encoder::Progress;
use crate::errors::{invalid, of};
use crate::names;
use crate::picture::Picture;
use numpy::{PyArray1, PyArrayDyn, PyArrayMethods, PyUntypedArrayMethods};
use pyo3::exceptions::PyTypeError;
use pyo3::prelude::*;
use pyo3::types::{PyList, PyTuple};
use sidelight::{Codec, Error, Optimiser, OptimiserReport, OptimiserSettings};
use sidelight::{
    DEFAULT_DECODED_WEIGHT, DEFAULT_STRENGTH, MAX_DECODED_WEIGHT, MAX_EFFORT, STRENGTHS,
};

/// Values of a block.
const BLOCK: usize = 64;

/// What an optimisation measured, through the integer filter: before, as the coefficients came in, and
/// after. PSNR in dB of Y, Cb and Cr, infinite where planes are equal, 0 for chroma of gray pictures.
#[pyclass(frozen, get_all, module = "sidelight")]
pub struct OptimiseReport {
    /// Whether the coefficients are others now.
    changed: bool,
    /// Id of the base model behind which they are better.
    model: u32,
    /// About the bits of the coded data, before and after.
    bits: (u64, u64),
    /// Of the decoded picture, before.
    psnr_decoded_before: (f64, f64, f64),
    /// Of the decoded picture, after.
    psnr_decoded: (f64, f64, f64),
    /// Behind the filter, before.
    psnr_filtered_before: (f64, f64, f64),
    /// Behind the filter, after.
    psnr_filtered: (f64, f64, f64),
}

#[pymethods]
impl OptimiseReport {
    fn __repr__(&self) -> String {
        format!(
            "<OptimiseReport {} to {} bits, PSNR-Y {:.3} to {:.3} filtered, {:.3} to {:.3} decoded>",
            self.bits.0,
            self.bits.1,
            self.psnr_filtered_before.0,
            self.psnr_filtered.0,
            self.psnr_decoded_before.0,
            self.psnr_decoded.0
        )
    }
}

impl OptimiseReport {
    fn new(r: &OptimiserReport) -> Self {
        let planes = |[y, cb, cr]: [f64; 3]| (y, cb, cr);
        Self {
            changed: r.changed,
            model: r.model,
            bits: (r.before.bits, r.after.bits),
            psnr_decoded_before: planes(r.before.psnr_decoded),
            psnr_decoded: planes(r.after.psnr_decoded),
            psnr_filtered_before: planes(r.before.psnr_filtered),
            psnr_filtered: planes(r.after.psnr_filtered),
        }
    }
}

/// One array or several, in a list or tuple.
fn arrays<'py>(argument: &Bound<'py, PyAny>) -> PyResult<Vec<Bound<'py, PyArrayDyn<i16>>>> {
    let items = if argument.is_instance_of::<PyList>() || argument.is_instance_of::<PyTuple>() {
        argument.try_iter()?.collect::<PyResult<Vec<_>>>()?
    } else {
        vec![argument.clone()]
    };
    let array = |item: Bound<'py, PyAny>| {
        item.cast_into::<PyArrayDyn<i16>>().map_err(|_| {
            PyTypeError::new_err(
                "coefficients: arrays of int16 in the machine's byte order, one for each plane",
            )
        })
    };
    items.into_iter().map(array).collect()
}

/// The blocks of plane `p`, `columns` × `rows`.
fn blocks(
    p: usize,
    array: &Bound<'_, PyArrayDyn<i16>>,
    (columns, rows): (usize, usize),
) -> PyResult<Vec<[i16; BLOCK]>> {
    let shape = array.shape();
    if shape != [rows, columns, BLOCK] && shape != [rows, columns, 8, 8] {
        return Err(invalid(format!(
            "coefficients of plane {p} are of shape {shape:?}, not [{rows}, {columns}, 64] or [{rows}, {columns}, 8, 8]"
        )));
    }
    // No view of values that straddle their alignment can be had.
    let aligned = if array.is_aligned() {
        array.clone()
    } else {
        array.call_method0("copy")?.cast_into::<PyArrayDyn<i16>>()?
    };
    let array = aligned.try_readonly()?;
    let mut blocks: Vec<[i16; BLOCK]> = Vec::new();
    blocks.try_reserve_exact(rows * columns).map_err(|_| of(Error::OutOfMemory))?;
    let view = array.as_array();
    let mut values = view.iter().copied();
    for i in 0..rows * columns {
        let block: [i16; BLOCK] = std::array::from_fn(|_| values.next().unwrap_or(0));
        if block.iter().any(|v| *v > 1023 || *v < -1024) || block[1..].contains(&-1024) {
            let (row, column) = (i / columns, i % columns);
            return Err(invalid(format!(
                "coefficients of plane {p}: block {column} of row {row} has a value out of range: DC -1024 to 1023, \
                 AC -1023 to 1023"
            )));
        }
        blocks.push(block);
    }
    Ok(blocks)
}

/// Chooses a JPEG picture's quantised coefficients anew, for the picture behind the filter: (coefficients,
/// OptimiseReport). They are still ordinary coefficients, and not worse than those that came in, weighed as
/// the keywords say; where nothing better is found they are the same.
///
/// original: a Picture of 8 bits before coding, its chroma sampled as it is coded.
/// coefficients: an array for each plane, in a list or tuple, or one for gray: int16, rows × columns × 64 or
///     rows × columns × 8 × 8, in row-major order, not zig-zag. A plane of w × h samples has (w + 7) // 8
///     columns and (h + 7) // 8 rows of blocks. They come back in a tuple, as new arrays of the same shapes.
/// params: the quantisation tables; of JPEG.
/// payload: what will be sent, as bytes; its binding is not looked at, and it is to be made again for the new
///     coefficients. None for the base model, of JPEG's that which does better on what came in.
/// effort: what the search may cost, 1 to 9.
/// strength: weight of bits against errors, 0.05 to 20. With less, files grow and keep more structure.
/// decoded_weight: weight of the decoded picture's own error beside that behind the filter, 0 to 100.
/// progressive: whether the file will be.
/// threads: 0 to 256; 0 for as many as there are cores. The coefficients do not depend on it.
/// model_size: of the base model, where no payload names one: "default", "small", "medium" or "large".
/// progress: as of encode().
///
/// Other Python threads run meanwhile. Raises InvalidArgument for values out of range and shapes that do not
/// fit, TypeError for other types; for a payload as Decoder.set_payload().
#[pyfunction]
#[pyo3(signature = (
    original, coefficients, params, payload=None, *, effort=5, strength=DEFAULT_STRENGTH,
    decoded_weight=DEFAULT_DECODED_WEIGHT, progressive=false, threads=0, model_size="default", progress=None,
), text_signature = "(original, coefficients, params, payload=None, *, effort=5, strength=0.6, decoded_weight=0.2, progressive=False, threads=0, model_size=\"default\", progress=None)")]
#[allow(clippy::too_many_arguments)] // keywords in Python
pub fn jpeg_optimise<'py>(
    py: Python<'py>,
    original: &Bound<'py, Picture>,
    coefficients: &Bound<'py, PyAny>,
    params: &CodecParams,
    payload: Option<Bytes>,
    effort: i64,
    strength: f64,
    decoded_weight: f64,
    progressive: bool,
    threads: i64,
    model_size: &str,
    progress: Option<Py<PyAny>>,
) -> PyResult<(Bound<'py, PyTuple>, OptimiseReport)> {
    let within = |name: &str, value: f64, [least, most]: [f64; 2]| {
        if (least..=most).contains(&value) {
            Ok(value)
        } else {
            Err(invalid(format!("{name} is {value}, not {least} to {most}")))
        }
    };
    let settings = OptimiserSettings {
        threads: names::threads(threads)?,
        effort: names::number("effort", effort, 1..=MAX_EFFORT.into())?,
        model_size: names::value("model_size", model_size, &names::MODEL_SIZES)?,
        progressive,
        strength: within("strength", strength, STRENGTHS)?,
        decoded_weight: within("decoded_weight", decoded_weight, [0.0, MAX_DECODED_WEIGHT])?,
    };
    let original = original.get();
    let samples =
        original.samples.narrow().ok_or_else(|| invalid("original is not of 8 bits"))?.clone();
    let codec = params.params.codec.clone();
    if !matches!(codec, Codec::Jpeg { .. }) {
        return Err(invalid("params are not of JPEG"));
    }
    let arrays = arrays(coefficients)?;
    let planes = original.layout.planes();
    if arrays.len() != planes {
        return Err(invalid(format!(
            "coefficients of {} planes; original has {planes}",
            arrays.len()
        )));
    }
    let mut all = Vec::new();
    for (p, array) in arrays.iter().enumerate() {
        all.push(blocks(p, array, original.blocks(p))?);
    }
    let mut progress = Progress::new(py, progress);
    let result = crate::detached(py, || {
        let optimiser = Optimiser::new(settings)?;
        let run = &mut |fraction| progress.go_on(fraction);
        optimiser.optimise(&samples.view()?, &mut all, &codec, payload.as_deref(), run)
    });
    if let Some(raised) = progress.raised {
        return Err(raised);
    }
    let report = result?;
    let array = |(blocks, old): (&Vec<[i16; BLOCK]>, &Bound<'py, PyArrayDyn<i16>>)| {
        PyArray1::from_slice(py, blocks.as_flattened()).reshape(old.shape())
    };
    let new = all.iter().zip(&arrays).map(array).collect::<PyResult<Vec<_>>>()?;
    Ok((PyTuple::new(py, new)?, OptimiseReport::new(&report)))
}
