//! From C structs to the Rust API's types and back; every field is checked.

use super::types::*;
use crate::adapt::task::Objective;
use crate::codec::{Codec, CodecParams};
use crate::encoder::DEFAULT_EFFORT;
use crate::network::CodecKind;
use crate::picture::{Layout, Picture, PictureMut, PictureType, Plane, PlaneMut, Sample, MAX_SIZE};
use crate::{Error, Mode, Rate, Result, Size};
use libc::c_void;

/// Most threads that settings may ask for.
const MAX_THREADS: u32 = 256;

pub(super) fn threads(n: u32) -> Result<usize> {
    match n {
        0 => Ok(crate::cpu::logical_cores()),
        1..=MAX_THREADS => Ok(n as usize),
        _ => Err(Error::InvalidArgument),
    }
}

pub(super) fn mode(n: u32) -> Result<Mode> {
    match n {
        0 => Ok(Mode::Off),
        1 => Ok(Mode::Base),
        2 => Ok(Mode::Update),
        _ => Err(Error::InvalidArgument),
    }
}

pub(super) fn size(n: u32) -> Result<Size> {
    match n {
        0 | 2 => Ok(Size::M),
        1 => Ok(Size::S),
        3 => Ok(Size::L),
        _ => Err(Error::InvalidArgument),
    }
}

/// 0 stands for the default.
pub(super) fn effort(n: u32) -> Result<u8> {
    match n {
        0 => Ok(DEFAULT_EFFORT),
        _ => u8::try_from(n).map_err(|_| Error::InvalidArgument),
    }
}

pub(super) fn objective(n: u32) -> Result<Objective> {
    match n {
        0 => Ok(Objective::RateDistortion),
        1 => Ok(Objective::Published),
        _ => Err(Error::InvalidArgument),
    }
}

pub(super) fn size_out(size: Size) -> SidelightModelSize {
    match size {
        Size::S => SidelightModelSize::Small,
        Size::M => SidelightModelSize::Medium,
        Size::L => SidelightModelSize::Large,
    }
}

pub(super) fn codec_out(kind: CodecKind) -> SidelightCodec {
    match kind {
        CodecKind::Jpeg => SidelightCodec::Jpeg,
        CodecKind::Hevc => SidelightCodec::Hevc,
    }
}

pub(super) fn zero<T: Copy + PartialEq + Default>(reserved: &[T]) -> Result {
    if reserved.iter().all(|b| *b == T::default()) {
        Ok(())
    } else {
        Err(Error::InvalidArgument)
    }
}

/// What pictures must have in common.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct Shape {
    pub layout: Layout,
    pub width: usize,
    pub height: usize,
    pub bit_depth: u32,
    range: u32,
}

/// The shape of a picture whose fields are all in range.
pub(super) fn shape(p: &SidelightPicture) -> Result<Shape> {
    let layout = match p.layout {
        0 => Layout::I400,
        1 => Layout::I420,
        2 => Layout::I422,
        3 => Layout::I444,
        _ => return Err(Error::InvalidArgument),
    };
    zero(&p.reserved)?;
    picture_type(p)?;
    if p.range > 1 || !(1..=16).contains(&p.bit_depth) {
        return Err(Error::InvalidArgument);
    }
    if !matches!(p.bit_depth, 8 | 10 | 12) {
        return Err(Error::Unsupported);
    }
    let (width, height) = (p.width as usize, p.height as usize);
    if !(1..=MAX_SIZE).contains(&width) || !(1..=MAX_SIZE).contains(&height) {
        return Err(Error::InvalidArgument);
    }
    Ok(Shape { layout, width, height, bit_depth: p.bit_depth, range: p.range })
}

/// How the picture was coded.
pub(super) fn picture_type(p: &SidelightPicture) -> Result<PictureType> {
    match p.picture_type {
        0 => Ok(PictureType::Irap),
        1 => Ok(PictureType::I),
        2 => Ok(PictureType::P),
        3 => Ok(PictureType::B),
        _ => Err(Error::InvalidArgument),
    }
}

/// Pointer and stride of plane `i`.
fn plane<S>(p: &SidelightPicture, i: usize) -> Result<(*mut S, usize)> {
    let stride = usize::try_from(p.stride[i]).map_err(|_| Error::InvalidArgument)?;
    if p.data[i].is_null() {
        return Err(Error::InvalidArgument);
    }
    Ok((p.data[i].cast(), stride))
}

/// # Safety
/// The picture's planes are readable, as the header says, for `'a`.
pub(super) unsafe fn picture<'a, S: Sample>(p: &SidelightPicture) -> Result<Picture<'a, S>> {
    let Shape { layout, width, height, bit_depth, .. } = shape(p)?;
    let mut planes = [Plane::EMPTY; 3];
    for (i, out) in planes.iter_mut().enumerate().take(layout.planes()) {
        let (data, stride) = plane(p, i)?;
        let (w, h) = layout.plane_size(i, width, height);
        // SAFETY: forwarded.
        *out = unsafe { Plane::from_raw(data, stride, w, h) }?;
    }
    let picture = Picture::with_depth(layout, bit_depth, &planes[..layout.planes()])?;
    Ok(picture.of_type(picture_type(p)?))
}

/// The band of luma rows `first..end` of a picture to write.
///
/// # Safety
/// The band's rows are writable, as the header says, for `'a`, and nobody else touches them.
pub(super) unsafe fn band_mut<'a, S: Sample>(
    p: &SidelightPicture,
    first: usize,
    end: usize,
) -> Result<PictureMut<'a, S>> {
    let Shape { layout, width, height, bit_depth, .. } = shape(p)?;
    if !first.is_multiple_of(2)
        || first >= end
        || end > height
        || (!end.is_multiple_of(2) && end != height)
    {
        return Err(Error::InvalidArgument);
    }
    let mut planes = [PlaneMut::EMPTY; 3];
    for (i, out) in planes.iter_mut().enumerate().take(layout.planes()) {
        let (data, stride) = plane::<S>(p, i)?;
        let (w, h) = layout.plane_size(i, width, end - first);
        let skip = layout.plane_size(i, width, first).1;
        let offset = skip.checked_mul(stride).ok_or(Error::InvalidArgument)?;
        // SAFETY: forwarded; `skip` rows are above the band.
        *out = unsafe { PlaneMut::from_raw(data.wrapping_byte_add(offset), stride, w, h) }?;
    }
    PictureMut::with_depth(layout, bit_depth, planes)
}

/// The shape that two pictures have in common.
pub(super) fn same_shape(a: &SidelightPicture, b: &SidelightPicture) -> Result<Shape> {
    let of = shape(b)?;
    if shape(a)? != of {
        return Err(Error::InvalidArgument);
    }
    Ok(of)
}

/// The shape of `input` and `output`, once it is known to be the same and no plane is both.
pub(super) fn pair(input: &SidelightPicture, output: &SidelightPicture) -> Result<Shape> {
    let of = same_shape(input, output)?;
    let same = |(a, b): (&*mut c_void, &*mut c_void)| a == b;
    if input.data.iter().zip(&output.data).take(of.layout.planes()).any(same) {
        return Err(Error::InvalidArgument);
    }
    Ok(of)
}

pub(super) fn params(h: &SidelightCodecParams) -> Result<CodecParams> {
    zero(&h.reserved)?;
    let [luma, chroma] = h.quant;
    let chroma = if chroma.iter().all(|q| *q == 0) { None } else { Some(chroma) };
    let codec = match h.codec {
        0 => return Err(Error::InvalidArgument),
        1 => Codec::Jpeg { luma, chroma },
        2 => Codec::Hevc { qp: h.qp },
        _ => return Err(Error::Unsupported),
    };
    Ok(CodecParams { codec, binding: h.binding })
}

pub(super) fn rate(h: &SidelightCodecParams) -> Rate {
    Rate {
        coded_bytes: h.coded_bytes,
        slope_db_per_byte: h.slope_db_per_byte,
        carriage_bytes: h.carriage_bytes,
    }
}
