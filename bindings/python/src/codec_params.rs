//! How pictures were coded.

use crate::bytes::Bytes;
use crate::errors::{invalid, of};
use crate::names::number;
use numpy::{PyArray1, PyArray2, PyArrayMethods};
use pyo3::exceptions::PyTypeError;
use pyo3::prelude::*;
use sidelight::carriage::{jpeg, nal};
use sidelight::{Codec, Error, Rate};

/// How pictures were coded, what a payload is bound to, and what the codec's bytes buy.
///
/// Made by CodecParams.jpeg(), CodecParams.hevc() and CodecParams.from_jpeg(). A decoder looks at the codec's part and the
/// binding only.
#[pyclass(frozen, module = "sidelight")]
pub struct CodecParams {
    pub params: sidelight::CodecParams,
    pub rate: Rate,
}

/// 64 steps, from anything that numpy makes an array of.
fn table(name: &str, steps: &Bound<'_, PyAny>) -> PyResult<[u16; 64]> {
    let array = steps.py().import("numpy")?.call_method1("asarray", (steps,))?;
    let kind: String = array.getattr("dtype")?.getattr("kind")?.extract()?;
    let size: usize = array.getattr("size")?.extract()?;
    if size > 0 && kind != "i" && kind != "u" {
        return Err(PyTypeError::new_err(format!("{name}: steps are integers")));
    }
    if size != 64 {
        return Err(invalid(format!("{name} has {size} steps, not 64")));
    }
    let steps: Vec<i64> = array.call_method0("ravel")?.call_method0("tolist")?.extract()?;
    let mut table = [0; 64];
    for (to, step) in table.iter_mut().zip(steps) {
        *to = number(name, step, 1..=65535)?;
    }
    Ok(table)
}

fn rate(coded_bytes: i64, slope: f64, carriage_bytes: i64) -> PyResult<Rate> {
    if !slope.is_finite() || slope < 0.0 {
        return Err(invalid(format!("slope is {slope}, not 0 or a positive number")));
    }
    Ok(Rate {
        coded_bytes: number("coded_bytes", coded_bytes, 0..=i64::MAX)?,
        slope_db_per_byte: slope,
        carriage_bytes: number("carriage_bytes", carriage_bytes, 0..=i64::from(u32::MAX))?,
    })
}

#[pymethods]
impl CodecParams {
    /// Of a JPEG, by its quantisation tables.
    ///
    /// quant_luma, quant_chroma: 64 integers of 1 to 65535 in row-major order, as 64 or as 8×8 (Pillow's
    ///     Image.quantization has them so); None for chroma: as luma.
    /// binding: 0 to 2**64 - 1. What the encoder and the decoder must agree on; from_jpeg() has a file's.
    /// coded_bytes: of the coded picture, of all pictures together; 0 if unknown.
    /// slope: PSNR in dB that another byte buys the codec (PSNR-YUV 6:1:1 of colour pictures, luma's of gray
    ///     ones); 0 to estimate it from coded_bytes.
    /// carriage_bytes: what carrying a payload costs besides the payload.
    ///
    /// Raises InvalidArgument for values out of range, TypeError for other types.
    #[staticmethod]
    #[pyo3(signature = (
        quant_luma, quant_chroma=None, *, binding=0, coded_bytes=0, slope=0.0,
        carriage_bytes=i64::from(jpeg::CARRIAGE_BYTES),
    ), text_signature = "(quant_luma, quant_chroma=None, *, binding=0, coded_bytes=0, slope=0.0, carriage_bytes=11)")]
    fn jpeg(
        quant_luma: &Bound<'_, PyAny>,
        quant_chroma: Option<&Bound<'_, PyAny>>,
        binding: u64,
        coded_bytes: i64,
        slope: f64,
        carriage_bytes: i64,
    ) -> PyResult<Self> {
        let luma = table("quant_luma", quant_luma)?;
        let chroma = quant_chroma.map(|steps| table("quant_chroma", steps)).transpose()?;
        let params = sidelight::CodecParams { codec: Codec::Jpeg { luma, chroma }, binding };
        Ok(Self { params, rate: rate(coded_bytes, slope, carriage_bytes)? })
    }

    /// Of HEVC pictures, by their mean luma QPs: of intra, P and B pictures.
    ///
    /// qp_i, qp_p, qp_b: 0 to 51; 0: pictures of the type are left as they are. A decoder that is given a
    ///     payload does not look at them: the payload brings its own.
    /// binding: 0 to 2**64 - 1. encode() takes that of the first decoded picture in its place; a
    ///     decoder wants that of the picture that carried the payload (Picture.binding).
    /// coded_bytes: of the coded picture, of all pictures together; 0 if unknown.
    /// slope: PSNR in dB that another byte buys the codec (PSNR-YUV 6:1:1 of colour pictures, luma's of gray
    ///     ones); 0 to estimate it from coded_bytes.
    /// carriage_bytes: what carrying a payload costs besides the payload.
    ///
    /// Raises InvalidArgument for values out of range, TypeError for other types.
    #[staticmethod]
    #[pyo3(signature = (
        qp_i, qp_p, qp_b, *, binding=0, coded_bytes=0, slope=0.0,
        carriage_bytes=i64::from(nal::CARRIAGE_BYTES),
    ), text_signature = "(qp_i, qp_p, qp_b, *, binding=0, coded_bytes=0, slope=0.0, carriage_bytes=25)")]
    fn hevc(
        qp_i: i64,
        qp_p: i64,
        qp_b: i64,
        binding: u64,
        coded_bytes: i64,
        slope: f64,
        carriage_bytes: i64,
    ) -> PyResult<Self> {
        let qp = |name, value| number(name, value, 0..=51);
        let qp = [qp("qp_i", qp_i)?, qp("qp_p", qp_p)?, qp("qp_b", qp_b)?];
        let params = sidelight::CodecParams { codec: Codec::Hevc { qp }, binding };
        Ok(Self { params, rate: rate(coded_bytes, slope, carriage_bytes)? })
    }

    /// Of a JPEG file, given whole as bytes: its tables, its binding, its size without any payload.
    ///
    /// slope: as of jpeg().
    ///
    /// Raises Corrupt if it is no JPEG file, is damaged, or has its luma table behind the first scan;
    /// Unsupported for lossless, hierarchical and arithmetic-coded files.
    #[staticmethod]
    #[pyo3(signature = (data, *, slope=0.0))]
    fn from_jpeg(data: Bytes, slope: f64) -> PyResult<Self> {
        let info = jpeg::info(&data).map_err(of)?;
        let luma = info.luma_quant().ok_or_else(|| of(Error::Corrupt))?;
        let codec = Codec::Jpeg { luma, chroma: info.chroma_quant() };
        let coded_bytes = info.coded_bytes as i64;
        let rate = rate(coded_bytes, slope, i64::from(jpeg::CARRIAGE_BYTES))?;
        Ok(Self { params: sidelight::CodecParams { codec, binding: info.binding }, rate })
    }

    /// "jpeg" or "hevc".
    #[getter]
    fn codec(&self) -> &'static str {
        match self.params.codec {
            Codec::Jpeg { .. } => "jpeg",
            Codec::Hevc { .. } => "hevc",
        }
    }

    /// JPEG's luma table, 8×8 of uint16; None for HEVC.
    #[getter]
    fn quant_luma<'py>(&self, py: Python<'py>) -> PyResult<Option<Bound<'py, PyArray2<u16>>>> {
        match &self.params.codec {
            Codec::Jpeg { luma, .. } => square(py, luma).map(Some),
            Codec::Hevc { .. } => Ok(None),
        }
    }

    /// JPEG's chroma table, 8×8 of uint16; None if there is none.
    #[getter]
    fn quant_chroma<'py>(&self, py: Python<'py>) -> PyResult<Option<Bound<'py, PyArray2<u16>>>> {
        match &self.params.codec {
            Codec::Jpeg { chroma: Some(chroma), .. } => square(py, chroma).map(Some),
            _ => Ok(None),
        }
    }

    /// HEVC's QPs of intra, P and B pictures; None for JPEG.
    #[getter]
    fn qp(&self) -> Option<(u8, u8, u8)> {
        match self.params.codec {
            Codec::Hevc { qp: [i, p, b] } => Some((i, p, b)),
            Codec::Jpeg { .. } => None,
        }
    }

    /// What a payload is bound to.
    #[getter]
    fn binding(&self) -> u64 {
        self.params.binding
    }

    /// Bytes of the coded pictures; 0 if unknown.
    #[getter]
    fn coded_bytes(&self) -> u64 {
        self.rate.coded_bytes
    }

    /// dB that another byte buys; 0: estimated.
    #[getter]
    fn slope(&self) -> f64 {
        self.rate.slope_db_per_byte
    }

    /// What carrying a payload costs besides it.
    #[getter]
    fn carriage_bytes(&self) -> u32 {
        self.rate.carriage_bytes
    }

    fn __repr__(&self) -> String {
        match self.params.codec {
            Codec::Jpeg { .. } => {
                format!("<CodecParams jpeg binding={:#018x}>", self.params.binding)
            }
            Codec::Hevc { qp: [i, p, b] } => {
                format!("<CodecParams hevc qp={i},{p},{b} binding={:#018x}>", self.params.binding)
            }
        }
    }
}

fn square<'py>(py: Python<'py>, table: &[u16; 64]) -> PyResult<Bound<'py, PyArray2<u16>>> {
    PyArray1::from_slice(py, table).reshape([8, 8])
}
