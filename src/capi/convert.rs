//! From C structs to the Rust API's types and back; every field is checked, and named where it is refused.

use super::boundary::{require, text, Refusal, Result};
use super::types::*;
use crate::codec::{Codec, CodecParams};
use crate::kernels::FULL_STRENGTH;
use crate::network::condition::MAX_QP;
use crate::network::CodecKind;
use crate::picture::{Layout, Picture, PictureMut, PictureType, Plane, PlaneMut, Sample, MAX_SIZE};
use crate::{Error, Mode, ModelSize};
use std::fmt::{self, Display};

/// Most threads that settings may ask for.
const MAX_THREADS: u32 = 256;

pub(super) fn threads(n: u32) -> Result<usize> {
    require(n <= MAX_THREADS, || text!("settings->threads is {n}, not 0 to {MAX_THREADS}"))?;
    Ok(if n == 0 { crate::cpu::logical_cores() } else { n as usize })
}

/// A strength in parts of [`FULL_STRENGTH`].
pub(super) fn strength(n: u32) -> Result<u8> {
    let strength = u8::try_from(n).ok().filter(|n| *n <= FULL_STRENGTH);
    strength.ok_or_else(|| Refusal::argument(text!("strength is {n}, not 0 to {FULL_STRENGTH}")))
}

/// A mode that is set without a payload.
pub(super) fn mode(n: u32) -> Result<Mode> {
    match n {
        0 => Ok(Mode::Off),
        1 => Ok(Mode::Base),
        2 => Err(Refusal::argument("mode is SIDELIGHT_MODE_UPDATE, which takes a payload")),
        _ => Err(Refusal::argument(text!("mode is {n}, no SidelightMode"))),
    }
}

pub(super) fn model_size(n: u32) -> Result<ModelSize> {
    match n {
        0 | 2 => Ok(ModelSize::Medium),
        1 => Ok(ModelSize::Small),
        3 => Ok(ModelSize::Large),
        _ => Err(Refusal::argument(text!("settings->model_size is {n}, no SidelightModelSize"))),
    }
}

pub(super) fn model_size_out(size: ModelSize) -> SidelightModelSize {
    match size {
        ModelSize::Small => SidelightModelSize::Small,
        ModelSize::Medium => SidelightModelSize::Medium,
        ModelSize::Large => SidelightModelSize::Large,
    }
}

pub(super) fn codec_out(kind: CodecKind) -> SidelightCodec {
    match kind {
        CodecKind::Jpeg => SidelightCodec::Jpeg,
        CodecKind::Hevc => SidelightCodec::Hevc,
    }
}

/// Checks the reserved fields of a struct; `name` is theirs.
pub(super) fn zero<T: Copy + PartialEq + Default>(reserved: &[T], name: impl Display) -> Result {
    match reserved.iter().position(|v| *v != T::default()) {
        None => Ok(()),
        Some(i) => Err(Refusal::argument(text!("{name}[{i}] is not zero"))),
    }
}

/// A picture that was passed, and as what.
#[derive(Clone, Copy)]
pub(super) struct Passed<'a> {
    picture: &'a SidelightPicture,
    name: &'static str,
    /// Place of the picture where the argument is an array.
    index: Option<usize>,
    /// The filter's output, which may be deeper than what it reads.
    is_output: bool,
}

/// Writes what stands in front of a field's name.
impl Display for Passed<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.index {
            None => write!(f, "{}->", self.name),
            Some(index) => write!(f, "{}[{index}].", self.name),
        }
    }
}

/// In what two pictures differ that must not.
struct Differences<'a> {
    first: &'a Passed<'a>,
    second: &'a Passed<'a>,
    /// What `second` is to have.
    bit_depth: u32,
}

impl Display for Differences<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { first, second, bit_depth } = *self;
        let (a, b) = (first.picture, second.picture);
        let same = "they are to be the same";
        let depth_rule = if second.is_output { "it is not to be less" } else { same };
        let mut separator = "";
        for (name, a, b, differ, rule) in [
            ("layout", a.layout, b.layout, a.layout != b.layout, same),
            ("width", a.width, b.width, a.width != b.width, same),
            ("height", a.height, b.height, a.height != b.height, same),
            ("bit_depth", a.bit_depth, b.bit_depth, b.bit_depth != bit_depth, depth_rule),
        ] {
            if differ {
                write!(f, "{separator}{first}{name} is {a}, {second}{name} is {b}: {rule}")?;
                separator = "; ";
            }
        }
        Ok(())
    }
}

/// What pictures must have in common.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct Shape {
    pub layout: Layout,
    pub width: usize,
    pub height: usize,
    pub bit_depth: u32,
}

impl<'a> Passed<'a> {
    /// The argument `name`.
    pub fn new(picture: &'a SidelightPicture, name: &'static str) -> Self {
        Self { picture, name, index: None, is_output: false }
    }

    /// The argument `name`, which the filter writes.
    pub fn output(picture: &'a SidelightPicture, name: &'static str) -> Self {
        Self { is_output: true, ..Self::new(picture, name) }
    }

    /// Picture `index` of the argument `name`.
    #[cfg(feature = "encoder")]
    pub fn in_array(pictures: &'a [SidelightPicture], index: usize, name: &'static str) -> Self {
        Self { index: Some(index), ..Self::new(&pictures[index], name) }
    }

    /// The shape, once all fields but those of the planes are known to be in range.
    pub fn shape(&self) -> Result<Shape> {
        let p = self.picture;
        let layout = match p.layout {
            0 => Layout::I400,
            1 => Layout::I420,
            2 => Layout::I422,
            3 => Layout::I444,
            4 => Layout::I440,
            5 => Layout::I411,
            n => return Err(Refusal::argument(text!("{self}layout is {n}, no SidelightLayout"))),
        };
        zero(&p.reserved, format_args!("{self}reserved"))?;
        self.picture_type()?;
        let depth = p.bit_depth;
        if !(matches!(depth, 8 | 10 | 12) || self.is_output && depth == 16) {
            let depths = if self.is_output { "8, 10, 12 or 16" } else { "8, 10 or 12" };
            let what = text!("{self}bit_depth is {depth}, not {depths}");
            // Depths that a later version may take.
            let error = match depth {
                1..=16 => Error::Unsupported,
                _ => Error::InvalidArgument,
            };
            return Err(Refusal::new(error, what));
        }
        for (name, n) in [("width", p.width), ("height", p.height)] {
            require((1..=MAX_SIZE).contains(&(n as usize)), || {
                text!("{self}{name} is {n}, not 1 to {MAX_SIZE}")
            })?;
        }
        let (width, height) = (p.width as usize, p.height as usize);
        Ok(Shape { layout, width, height, bit_depth: depth })
    }

    /// The shape that it has in common with `other`; only an output may be deeper.
    pub fn same_shape(&self, other: &Passed) -> Result<Shape> {
        let (shape, of_other) = (self.shape()?, other.shape()?);
        let deeper = other.is_output && of_other.bit_depth > shape.bit_depth;
        let expected = if deeper { of_other.bit_depth } else { shape.bit_depth };
        if of_other != (Shape { bit_depth: expected, ..shape }) {
            let differences = Differences { first: self, second: other, bit_depth: expected };
            return Err(Refusal::argument(text!("{differences}")));
        }
        Ok(shape)
    }

    /// The shape of this picture, once `output`'s is known to fit and no plane is both.
    pub fn pair(&self, output: &Passed) -> Result<Shape> {
        let shape = self.same_shape(output)?;
        let (data, other) = (&self.picture.data, &output.picture.data);
        for i in 0..shape.layout.planes() {
            require(data[i] != other[i], || {
                text!("{self}data[{i}] and {output}data[{i}] are the same")
            })?;
        }
        Ok(shape)
    }

    /// How the picture was coded.
    fn picture_type(&self) -> Result<PictureType> {
        match self.picture.picture_type {
            0 => Ok(PictureType::Irap),
            1 => Ok(PictureType::I),
            2 => Ok(PictureType::P),
            3 => Ok(PictureType::B),
            n => {
                Err(Refusal::argument(text!("{self}picture_type is {n}, no SidelightPictureType")))
            }
        }
    }

    /// Pointer and stride of plane `i`, of which `columns` by `rows` samples are looked at.
    fn plane<S>(&self, i: usize, columns: usize, rows: usize) -> Result<(*mut S, usize)> {
        let (data, stride) = (self.picture.data[i].cast::<S>(), self.picture.stride[i]);
        let bytes = size_of::<S>();
        require(!data.is_null(), || text!("{self}data[{i}] is NULL"))?;
        require(data.is_aligned(), || {
            text!("{self}data[{i}] is odd, and samples have {bytes} bytes")
        })?;
        let row = columns * bytes;
        let is = |what: fmt::Arguments<'_>| text!("{self}stride[{i}] is {stride}, {what}");
        let n =
            usize::try_from(stride).map_err(|_| Refusal::argument(is(format_args!("negative"))))?;
        require(n >= row, || is(format_args!("less than a row of {row} bytes")))?;
        require(n.is_multiple_of(bytes), || {
            is(format_args!("odd, and samples have {bytes} bytes"))
        })?;
        let span = n.checked_mul(rows - 1).and_then(|n| n.checked_add(row));
        require(span.is_some_and(|n| n <= isize::MAX as usize), || {
            is(format_args!("which is more than fits in memory for {rows} rows"))
        })?;
        Ok((data, n))
    }

    /// The picture to read.
    ///
    /// # Safety
    /// The picture's planes are readable, as the header says, for `'a`.
    pub unsafe fn picture<S: Sample>(&self) -> Result<Picture<'a, S>> {
        let Shape { layout, width, height, bit_depth } = self.shape()?;
        let mut planes = [Plane::EMPTY; 3];
        for (i, out) in planes.iter_mut().enumerate().take(layout.planes()) {
            let (w, h) = layout.plane_size(i, width, height);
            let (data, stride) = self.plane(i, w, h)?;
            // SAFETY: forwarded.
            *out = unsafe { Plane::from_raw(data, stride, w, h) }?;
        }
        let picture = Picture::with_depth(layout, bit_depth, &planes[..layout.planes()])?;
        Ok(picture.of_type(self.picture_type()?))
    }

    /// The band of luma rows `first_row..end_row` of the picture, to write.
    ///
    /// # Safety
    /// The band's rows are writable, as the header says, for `'a`, and nobody else touches them.
    pub unsafe fn band_mut<S: Sample>(
        &self,
        first_row: usize,
        end_row: usize,
    ) -> Result<PictureMut<'a, S>> {
        let Shape { layout, width, height, bit_depth } = self.shape()?;
        require(first_row.is_multiple_of(2), || text!("first_row is {first_row}, not even"))?;
        require(first_row < end_row, || {
            text!("first_row is {first_row}, above end_row, which is {end_row}")
        })?;
        require(end_row <= height, || {
            text!("end_row is {end_row}, above {self}height, which is {height}")
        })?;
        require(end_row.is_multiple_of(2) || end_row == height, || {
            text!("end_row is {end_row}, neither even nor {self}height, which is {height}")
        })?;
        let mut planes = [PlaneMut::EMPTY; 3];
        for (i, out) in planes.iter_mut().enumerate().take(layout.planes()) {
            let (w, end) = layout.plane_size(i, width, end_row);
            let (data, stride) = self.plane::<S>(i, w, end)?;
            let above = layout.plane_size(i, width, first_row).1;
            let data = data.wrapping_byte_add(above * stride);
            // SAFETY: forwarded; rows before `above` are not the band's.
            *out = unsafe { PlaneMut::from_raw(data, stride, w, end - above) }?;
        }
        Ok(PictureMut::with_depth(layout, bit_depth, planes)?)
    }
}

pub(super) fn params(params: &SidelightCodecParams) -> Result<CodecParams> {
    zero(&params.reserved, "params->reserved")?;
    let codec = match params.codec {
        0 => return Err(Refusal::argument("params->codec is 0, no SidelightCodec")),
        1 => {
            let [luma, chroma] = params.quant;
            let chroma = chroma.iter().any(|step| *step != 0).then_some(chroma);
            for (table, steps) in [Some(&luma), chroma.as_ref()].into_iter().flatten().enumerate() {
                if let Some(i) = steps.iter().position(|step| *step == 0) {
                    let what = text!("params->quant[{table}][{i}] is 0, not 1 to 65535");
                    return Err(Refusal::argument(what));
                }
            }
            Codec::Jpeg { luma, chroma }
        }
        2 => {
            for (i, qp) in params.qp.iter().enumerate() {
                require(*qp <= MAX_QP, || text!("params->qp[{i}] is {qp}, not 0 to {MAX_QP}"))?;
            }
            Codec::Hevc { qp: params.qp }
        }
        n => {
            let what = text!("params->codec is {n}, a SidelightCodec of no version so far");
            return Err(Refusal::new(Error::Unsupported, what));
        }
    };
    Ok(CodecParams { codec, binding: params.binding })
}
