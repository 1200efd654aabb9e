//! Pictures: planes of samples that are ours, so that work on them needs no GIL.

use crate::errors::{invalid, of};
use crate::names;
use numpy::{Element, PyArray1, PyArray2, PyArrayMethods, PyUntypedArray, PyUntypedArrayMethods};
use pyo3::exceptions::PyTypeError;
use pyo3::prelude::*;
use pyo3::types::{PyList, PyTuple};
use sidelight::picture_binding;
use sidelight::MAX_SIZE;
use sidelight::{Error, Layout, PictureMut, PictureType, Plane, PlaneMut, Result, Sample};
use std::sync::Arc;

/// A picture: planes of samples, luma first. It does not change, and keeps no array of the caller's:
/// planes are copied on the way in and on the way out.
///
/// planes: for gray a 2-D array of rows × columns, or a list or tuple of it; for colour a list or
///     tuple of three: Y, Cb, Cr. uint8, or uint16 in the machine's byte order; any strides. Luma has
///     1 to 65535 rows and columns. Samples above the bit depth's range count as its largest value.
/// bit_depth: 8 for uint8 (the default), 10 or 12 for uint16 (to be said).
/// layout: "I400" (gray), "I420", "I422", "I444", "I440" (chroma at half height) or "I411" (at a quarter
///     of the width); None to tell it from the planes' shapes. Halves and quarters are rounded up.
/// picture_type: how a video codec coded it, "irap", "i", "p" or "b". JPEG's are all "irap".
///
/// Raises InvalidArgument for shapes and values, TypeError for other dtypes and objects.
#[pyclass(frozen, module = "sidelight")]
pub struct Picture {
    pub samples: Samples,
    pub layout: Layout,
    bit_depth: u32,
    picture_type: PictureType,
}

/// A picture's planes, shared by all that work on them.
#[derive(Clone)]
pub enum Samples {
    Narrow(Arc<Planes<u8>>),
    Wide(Arc<Planes<u16>>),
}

pub struct Planes<S> {
    layout: Layout,
    bit_depth: u32,
    picture_type: PictureType,
    size: (usize, usize),
    /// Rows without padding; none for chroma that is not there.
    samples: [Vec<S>; 3],
}

impl<S: Sample> Planes<S> {
    pub fn view(&self) -> Result<sidelight::Picture<'_, S>> {
        let plane = |p: usize| {
            let (width, height) = self.plane_size(p);
            Plane::new(&self.samples[p], width * size_of::<S>(), width, height)
        };
        let planes = (0..self.layout.planes()).map(plane).collect::<Result<Vec<_>>>()?;
        let picture = sidelight::Picture::with_depth(self.layout, self.bit_depth, &planes)?;
        Ok(picture.of_type(self.picture_type))
    }

    /// A picture of the same layout, size and type, in `bit_depth`, that `fill` writes.
    pub fn like<T: Sample>(
        &self,
        bit_depth: u32,
        fill: impl FnOnce(PictureMut<'_, T>) -> Result,
    ) -> Result<Planes<T>> {
        let mut samples = [Vec::new(), Vec::new(), Vec::new()];
        for (p, plane) in samples.iter_mut().enumerate().take(self.layout.planes()) {
            let n = self.samples[p].len();
            plane.try_reserve_exact(n).map_err(|_| Error::OutOfMemory)?;
            plane.resize(n, T::new(0));
        }
        let mut p = 0;
        // Chroma that is not there has no rows.
        let planes = samples.each_mut().map(|plane| {
            let (width, height) = self.plane_size(p);
            p += 1;
            PlaneMut::new(plane, width * size_of::<T>(), width, height)
        });
        let [luma, cb, cr] = planes;
        fill(PictureMut::with_depth(self.layout, bit_depth, [luma?, cb?, cr?])?)?;
        let Self { layout, picture_type, size, .. } = *self;
        Ok(Planes { layout, bit_depth, picture_type, size, samples })
    }

    fn plane_size(&self, plane: usize) -> (usize, usize) {
        self.layout.plane_size(plane, self.size.0, self.size.1)
    }
}

impl<S: Sample + Element> Planes<S> {
    fn arrays<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyTuple>> {
        let array = |p: usize| {
            let (width, height) = self.plane_size(p);
            PyArray1::from_slice(py, &self.samples[p]).reshape([height, width])
        };
        let arrays = (0..self.layout.planes()).map(array).collect::<PyResult<Vec<_>>>()?;
        PyTuple::new(py, arrays)
    }
}

/// Copies a plane, whatever its strides.
fn copy<S: Sample + Element>(array: &Bound<'_, PyArray2<S>>) -> PyResult<Vec<S>> {
    // No view of samples that straddle their alignment can be had.
    let aligned = if array.is_aligned() {
        array.clone()
    } else {
        array.call_method0("copy")?.cast_into::<PyArray2<S>>()?
    };
    let array = aligned.try_readonly()?;
    let mut samples = Vec::new();
    samples.try_reserve_exact(array.len()).map_err(|_| of(Error::OutOfMemory))?;
    let view = array.as_array();
    match view.as_slice() {
        Some(rows) => samples.extend_from_slice(rows),
        None => samples.extend(view.iter()),
    }
    Ok(samples)
}

/// Columns and rows of a plane of 2 dimensions.
fn size_of_array(p: usize, array: &Bound<'_, PyUntypedArray>) -> PyResult<(usize, usize)> {
    match *array.shape() {
        [height, width] => Ok((width, height)),
        _ => Err(invalid(format!("plane {p} has {} dimensions, not 2", array.ndim()))),
    }
}

/// The layout that the planes' sizes leave.
fn layout_of(sizes: &[(usize, usize)]) -> PyResult<Layout> {
    let (width, height) = sizes[0];
    let fits = |layout: &Layout| {
        layout.planes() == sizes.len()
            && (0..sizes.len()).all(|p| layout.plane_size(p, width, height) == sizes[p])
    };
    let mut fitting = Layout::ALL.into_iter().filter(fits);
    let first = fitting.next().ok_or_else(|| {
        let shapes: Vec<_> = sizes.iter().map(|(w, h)| format!("{h}×{w}")).collect();
        invalid(format!("planes of {} rows × columns are of no layout", shapes.join(", ")))
    })?;
    match fitting.next() {
        None => Ok(first),
        Some(_) => Err(invalid("so small a picture may be of several layouts: say which")),
    }
}

fn arrays_of<'py>(planes: &Bound<'py, PyAny>) -> PyResult<Vec<Bound<'py, PyUntypedArray>>> {
    if let Ok(gray) = planes.cast::<PyUntypedArray>() {
        return Ok(vec![gray.clone()]);
    }
    let wrong =
        || PyTypeError::new_err("planes: a numpy array, or a list or tuple of 1 or 3 of them");
    if !planes.is_instance_of::<PyList>() && !planes.is_instance_of::<PyTuple>() {
        return Err(wrong());
    }
    let arrays = planes.try_iter()?.map(|plane| plane?.cast_into().map_err(|_| wrong()));
    arrays.collect()
}

#[pymethods]
impl Picture {
    #[new]
    #[pyo3(signature = (planes, *, bit_depth=None, layout=None, picture_type="irap"))]
    fn new(
        planes: &Bound<'_, PyAny>,
        bit_depth: Option<i64>,
        layout: Option<&str>,
        picture_type: &str,
    ) -> PyResult<Self> {
        let picture_type = names::value("picture_type", picture_type, &names::TYPES)?;
        let arrays = arrays_of(planes)?;
        if arrays.len() != 1 && arrays.len() != 3 {
            return Err(invalid(format!("{} planes, not 1 or 3", arrays.len())));
        }
        let sizes = arrays.iter().enumerate().map(|(p, array)| size_of_array(p, array));
        let sizes = sizes.collect::<PyResult<Vec<_>>>()?;
        let (width, height) = sizes[0];
        if !(1..=MAX_SIZE).contains(&width) || !(1..=MAX_SIZE).contains(&height) {
            return Err(invalid(format!("luma of {height}×{width} samples; 1 to {MAX_SIZE} each")));
        }
        let layout = match layout {
            Some(name) => names::value("layout", name, &names::LAYOUTS)?,
            None => layout_of(&sizes)?,
        };
        if layout.planes() != sizes.len()
            || (0..sizes.len()).any(|p| sizes[p] != layout.plane_size(p, width, height))
        {
            let name = names::name(layout, &names::LAYOUTS);
            return Err(invalid(format!("the planes' number or shapes are not those of {name}")));
        }
        let shape = Shape { layout, picture_type, size: (width, height) };
        let (samples, bit_depth) = if arrays[0].cast::<PyArray2<u8>>().is_ok() {
            let bit_depth = bit_depth.unwrap_or(8);
            if bit_depth != 8 {
                return Err(invalid(format!(
                    "uint8 planes have a bit_depth of 8, not {bit_depth}"
                )));
            }
            (Samples::Narrow(Arc::new(shape.planes(8, &arrays)?)), 8)
        } else {
            let wide = arrays[0].cast::<PyArray2<u16>>().is_ok();
            let bit_depth = match bit_depth {
                Some(n @ (10 | 12)) => n as u32,
                _ if !wide => 0, // a wrong dtype, which is told below
                Some(n) => {
                    return Err(invalid(format!("uint16 planes have 10 or 12 bits, not {n}")))
                }
                None => return Err(invalid("uint16 planes want a bit_depth: 10 or 12")),
            };
            (Samples::Wide(Arc::new(shape.planes(bit_depth, &arrays)?)), bit_depth)
        };
        Ok(Self { samples, layout, bit_depth, picture_type })
    }

    /// A tuple of copies of the planes, luma first: 1 or 3 arrays, 2-D, uint8 or uint16.
    #[getter]
    fn planes<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyTuple>> {
        match &self.samples {
            Samples::Narrow(planes) => planes.arrays(py),
            Samples::Wide(planes) => planes.arrays(py),
        }
    }

    /// A copy of the luma plane: a 2-D array of rows × columns.
    #[getter]
    fn luma<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        self.planes(py)?.get_item(0)
    }

    /// Luma samples in a row.
    #[getter]
    fn width(&self) -> usize {
        self.size().0
    }

    /// Luma rows.
    #[getter]
    fn height(&self) -> usize {
        self.size().1
    }

    /// "I400", "I420", "I422", "I444", "I440" or "I411".
    #[getter]
    fn layout(&self) -> &'static str {
        names::name(self.layout, &names::LAYOUTS)
    }

    /// Bits of a sample: 8, 10 or 12, of what Decoder.filter() gives also 16.
    #[getter]
    pub fn bit_depth(&self) -> u32 {
        self.bit_depth
    }

    /// "irap", "i", "p" or "b".
    #[getter]
    fn picture_type(&self) -> &'static str {
        names::name(self.picture_type, &names::TYPES)
    }

    /// What a payload of a video is bound to: a 64-bit hash of shape and samples. The type does not count.
    #[getter]
    fn binding(&self, py: Python<'_>) -> PyResult<u64> {
        crate::detached(py, || self.samples.binding())
    }

    fn __repr__(&self) -> String {
        let ((width, height), layout, depth) = (self.size(), self.layout(), self.bit_depth);
        format!("<Picture {width}×{height} {layout} {depth} bits {}>", self.picture_type())
    }
}

impl Picture {
    fn size(&self) -> (usize, usize) {
        match &self.samples {
            Samples::Narrow(planes) => planes.size,
            Samples::Wide(planes) => planes.size,
        }
    }

    /// Columns and rows of blocks of plane `p` as JPEG codes it.
    pub fn blocks(&self, p: usize) -> (usize, usize) {
        let (width, height) = self.size();
        let (width, height) = self.layout.plane_size(p, width, height);
        (width.div_ceil(8), height.div_ceil(8))
    }

    /// Whether the planes have the same shapes and depth.
    pub fn alike(&self, other: &Self) -> bool {
        let of = |p: &Self| (p.layout, p.bit_depth, p.size());
        of(self) == of(other)
    }

    /// The same picture with other samples of the same layout and size.
    pub fn with_samples(&self, samples: Samples) -> Self {
        let bit_depth = match &samples {
            Samples::Narrow(planes) => planes.bit_depth,
            Samples::Wide(planes) => planes.bit_depth,
        };
        Self { samples, bit_depth, ..*self }
    }
}

impl Samples {
    pub fn binding(&self) -> Result<u64> {
        Ok(match self {
            Self::Narrow(planes) => picture_binding(&planes.view()?),
            Self::Wide(planes) => picture_binding(&planes.view()?),
        })
    }
}

struct Shape {
    layout: Layout,
    picture_type: PictureType,
    size: (usize, usize),
}

impl Shape {
    fn planes<S: Sample + Element>(
        &self,
        bit_depth: u32,
        arrays: &[Bound<'_, PyUntypedArray>],
    ) -> PyResult<Planes<S>> {
        let mut samples = [Vec::new(), Vec::new(), Vec::new()];
        for (p, (to, array)) in samples.iter_mut().zip(arrays).enumerate() {
            let typed = array.cast::<PyArray2<S>>().map_err(|_| {
                PyTypeError::new_err(format!(
                    "plane {p} is {}: all planes are uint8, or all are uint16 in the machine's order",
                    array.dtype()
                ))
            })?;
            *to = copy(typed)?;
        }
        let Self { layout, picture_type, size } = *self;
        Ok(Planes { layout, bit_depth, picture_type, size, samples })
    }
}
