//! Encoding.

use crate::codec_params::CodecParams;
use crate::errors::invalid;
use crate::names;
use crate::picture::{Picture, Planes, Samples};
use pyo3::exceptions::PyTypeError;
use pyo3::prelude::*;
use pyo3::types::PyBytes;
use sidelight::{Codec, Encoded, Encoder, EncoderSettings, Error, Pair, Result, Sample};
use sidelight::{MAX_EFFORT, MAX_PICTURES, MAX_STEPS};
use std::sync::Arc;
use std::time::Duration;

/// What an encode measured, through the integer filter that decoders run. PSNR in dB, infinite where
/// planes are equal; of several pictures the mean of their PSNRs.
#[pyclass(frozen, get_all, module = "sidelight")]
pub struct Report {
    /// What the payload asks for: "off", "base" or "update".
    mode: &'static str,
    /// Length of the payload.
    payload_bytes: usize,
    /// Luma of the decoded pictures.
    psnr_decoded: f64,
    /// Luma with the base model.
    psnr_base: f64,
    /// Luma with what the payload asks for.
    psnr_payload: f64,
    /// Cb and Cr of the decoded pictures; 0 for gray ones.
    psnr_chroma_decoded: (f64, f64),
    /// Cb and Cr with the base model.
    psnr_chroma_base: (f64, f64),
    /// Cb and Cr with what the payload asks for.
    psnr_chroma_payload: (f64, f64),
    /// Slope that the choice was made with.
    slope_db_per_byte: f64,
    /// Training steps that were run.
    steps: u32,
}

#[pymethods]
impl Report {
    fn __repr__(&self) -> String {
        format!(
            "<Report {} {} bytes, PSNR-Y {:.3} decoded, {:.3} base, {:.3} payload; {} steps>",
            self.mode,
            self.payload_bytes,
            self.psnr_decoded,
            self.psnr_base,
            self.psnr_payload,
            self.steps
        )
    }
}

impl Report {
    fn new(encoded: &Encoded) -> Self {
        let r = &encoded.report;
        let pair = |[cb, cr]: [f64; 2]| (cb, cr);
        Self {
            mode: names::name(r.mode, &names::MODES),
            payload_bytes: encoded.payload.len(),
            psnr_decoded: r.psnr_decoded,
            psnr_base: r.psnr_base,
            psnr_payload: r.psnr_payload,
            psnr_chroma_decoded: pair(r.psnr_chroma_decoded),
            psnr_chroma_base: pair(r.psnr_chroma_base),
            psnr_chroma_payload: pair(r.psnr_chroma_payload),
            slope_db_per_byte: r.slope_db_per_byte,
            steps: r.steps,
        }
    }
}

/// One picture or several.
fn pictures<'py>(name: &str, argument: &Bound<'py, PyAny>) -> PyResult<Vec<Bound<'py, Picture>>> {
    if let Ok(one) = argument.cast::<Picture>() {
        return Ok(vec![one.clone()]);
    }
    let wrong = |_| PyTypeError::new_err(format!("{name}: a Picture or a sequence of them"));
    let items = argument.try_iter().map_err(wrong)?;
    items.map(|item| item?.cast_into::<Picture>().map_err(|e| wrong(e.into()))).collect()
}

/// Asks Python whether to go on.
pub struct Progress {
    callback: Option<Py<PyAny>>,
    /// What it raised.
    pub raised: Option<PyErr>,
}

impl Progress {
    /// With None or a callback.
    pub fn new(py: Python<'_>, callback: Option<Py<PyAny>>) -> Self {
        Self { callback: callback.filter(|callback| !callback.is_none(py)), raised: None }
    }

    pub fn go_on(&mut self, fraction: f64) -> bool {
        let asked = Python::attach(|py| {
            py.check_signals()?;
            match &self.callback {
                Some(callback) => callback.call1(py, (fraction,))?.is_truthy(py).map(|stop| !stop),
                None => Ok(true),
            }
        });
        asked.unwrap_or_else(|error| {
            self.raised = Some(error);
            false
        })
    }
}

/// Makes the payload of one picture, or of several that share it: (payload, Report).
///
/// originals, decoded: a Picture each, or sequences of as many of each, in the same order: before coding,
///     and as decoded. All have one shape and bit depth; the decoded ones' types count. 1 to 4096;
///     for JPEG 1.
/// params: how they were coded. For HEVC the payload is bound to the first of `decoded`.
/// no_update: sends no update, only the word whether the base model shall be used. Otherwise what has the best
///     net gain is sent: see Report.mode. Where that is "off" the payload need not be sent.
/// effort: what training may cost, 1 to 9.
/// steps: of training, 0 to 100,000; 0 for a number chosen by effort and the pictures' size.
/// budget_ms: milliseconds that training may take, 0 for no limit; with one the payload depends on the
///     machine's speed.
/// threads: 0 to 256; 0 for as many as there are cores. The payload does not depend on it.
/// model_size: of the base model, "default", "small", "medium" or "large"; where there is none of that size,
///     another.
/// objective: what is trained, "rate-distortion", or "published" for a comparison with updates as in arXiv
///     1905.04079.
/// progress: called some fifty times a second, or more often, with the fraction done, 0.0 to 1.0. If it
///     returns something true, the encode ends and the best so far is returned; what it raises ends it
///     and is raised here, and so is KeyboardInterrupt.
///
/// Other Python threads run meanwhile. Raises InvalidArgument for values out of range and pictures that
/// disagree, TypeError for other types.
#[pyfunction]
#[pyo3(signature = (
    originals, decoded, params, *, no_update=false, effort=5, steps=0, budget_ms=0, threads=0,
    model_size="default", objective="rate-distortion", progress=None,
))]
#[allow(clippy::too_many_arguments)] // keywords in Python
pub fn encode<'py>(
    py: Python<'py>,
    originals: &Bound<'py, PyAny>,
    decoded: &Bound<'py, PyAny>,
    params: &CodecParams,
    no_update: bool,
    effort: i64,
    steps: i64,
    budget_ms: i64,
    threads: i64,
    model_size: &str,
    objective: &str,
    progress: Option<Py<PyAny>>,
) -> PyResult<(Bound<'py, PyBytes>, Report)> {
    let settings = EncoderSettings {
        no_update,
        threads: names::threads(threads)?,
        effort: names::number("effort", effort, 1..=MAX_EFFORT.into())?,
        steps: Some(names::number("steps", steps, 0..=MAX_STEPS.into())?)
            .filter(|steps| *steps > 0),
        budget: Some(names::number("budget_ms", budget_ms, 0..=u32::MAX.into())?)
            .filter(|ms| *ms > 0)
            .map(|ms: u32| Duration::from_millis(ms.into())),
        model_size: names::value("model_size", model_size, &names::MODEL_SIZES)?,
        objective: names::value("objective", objective, &names::OBJECTIVES)?,
    };
    let (originals, decoded) = (pictures("originals", originals)?, pictures("decoded", decoded)?);
    let count = decoded.len();
    if count == 0 || count > MAX_PICTURES || originals.len() != count {
        return Err(invalid(format!(
            "{} originals and {count} decoded pictures; as many of each, 1 to {MAX_PICTURES}",
            originals.len()
        )));
    }
    if count > 1 && matches!(params.params.codec, Codec::Jpeg { .. }) {
        return Err(invalid("JPEG: one picture for each payload"));
    }
    let first = decoded[0].get();
    if !originals.iter().chain(&decoded).all(|picture| picture.get().alike(first)) {
        return Err(invalid("all pictures have the same shape and bit depth"));
    }
    let samples = |all: &[Bound<'py, Picture>]| -> Vec<Samples> {
        all.iter().map(|picture| picture.get().samples.clone()).collect()
    };
    let (originals, decoded) = (samples(&originals), samples(&decoded));
    let mut progress = Progress::new(py, progress);
    let (mut of, rate) = (params.params.clone(), params.rate);
    let result = crate::detached(py, || {
        if matches!(of.codec, Codec::Hevc { .. }) {
            of.binding = decoded[0].binding()?;
        }
        let encoder = Encoder::new(settings)?;
        let run = &mut |fraction| progress.go_on(fraction);
        match decoded[0] {
            Samples::Narrow(_) => {
                let pairs = pairs(&originals, &decoded, Samples::narrow)?;
                encoder.encode(&pairs, &of, rate, run)
            }
            Samples::Wide(_) => {
                let pairs = pairs(&originals, &decoded, Samples::wide)?;
                encoder.encode(&pairs, &of, rate, run)
            }
        }
    });
    if let Some(raised) = progress.raised {
        return Err(raised);
    }
    let encoded = result?;
    Ok((PyBytes::new(py, &encoded.payload), Report::new(&encoded)))
}

impl Samples {
    pub fn narrow(&self) -> Option<&Arc<Planes<u8>>> {
        match self {
            Self::Narrow(planes) => Some(planes),
            Self::Wide(_) => None,
        }
    }

    fn wide(&self) -> Option<&Arc<Planes<u16>>> {
        match self {
            Self::Wide(planes) => Some(planes),
            Self::Narrow(_) => None,
        }
    }
}

fn pairs<'a, S: Sample + 'a>(
    originals: &'a [Samples],
    decoded: &'a [Samples],
    typed: impl Fn(&'a Samples) -> Option<&'a Arc<Planes<S>>>,
) -> Result<Vec<Pair<'a, S>>> {
    let view = |samples| typed(samples).ok_or(Error::InvalidArgument)?.view();
    let pair = |(o, d)| Ok(Pair { original: view(o)?, decoded: view(d)? });
    originals.iter().zip(decoded).map(pair).collect()
}
