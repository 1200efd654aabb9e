//! Pictures in memory: planes of samples of 8, 10 or 12 bits, and to write also of 16, borrowed from the
//! caller.

mod plane;
mod sample;

pub use plane::{Plane, PlaneMut};
pub use sample::{Sample, SampleRow, SampleRowMut};

use crate::{Error, Result};

/// How chroma is sampled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Layout {
    /// Luma only.
    I400,
    /// Chroma at half width and half height.
    I420,
    /// Chroma at half width.
    I422,
    /// Chroma at full size.
    I444,
    /// Chroma at half height.
    I440,
    /// Chroma at a quarter of the width.
    I411,
}

impl Layout {
    /// Every layout, in the order of their discriminants.
    pub const ALL: [Self; 6] =
        [Self::I400, Self::I420, Self::I422, Self::I444, Self::I440, Self::I411];

    /// Number of planes.
    #[must_use]
    pub fn planes(self) -> usize {
        if self == Self::I400 {
            1
        } else {
            3
        }
    }

    /// Columns of luma samples that a pixel of chroma's network stands for, and two rows. One of
    /// luma's network stands for 2×2.
    #[must_use]
    pub fn chroma_pixel_width(self) -> usize {
        if self == Self::I411 {
            4
        } else {
            2
        }
    }

    /// Rows and columns of the chroma samples, in each plane, beside a pixel of chroma's network.
    #[must_use]
    pub fn chroma_beside_pixel(self) -> Option<(usize, usize)> {
        match self {
            Self::I400 => None,
            Self::I420 => Some((1, 1)),
            Self::I422 | Self::I411 => Some((2, 1)),
            Self::I440 => Some((1, 2)),
            Self::I444 => Some((2, 2)),
        }
    }

    /// Columns and rows of plane `plane` of a `width × height` picture.
    #[must_use]
    pub fn plane_size(self, plane: usize, width: usize, height: usize) -> (usize, usize) {
        if plane == 0 {
            return (width, height);
        }
        match self {
            Self::I400 => (0, 0),
            Self::I420 => (width.div_ceil(2), height.div_ceil(2)),
            Self::I422 => (width.div_ceil(2), height),
            Self::I444 => (width, height),
            Self::I440 => (width, height.div_ceil(2)),
            Self::I411 => (width.div_ceil(4), height),
        }
    }
}

/// How a video codec coded a picture. JPEG's are all intra.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum PictureType {
    /// Intra, and decoding can start here.
    #[default]
    Irap,
    /// Intra.
    I,
    /// Predicted from at most one picture for each block.
    P,
    /// Predicted from at most two pictures for each block.
    B,
}

impl PictureType {
    /// One of each class: intra, P, B.
    pub const CLASSES: [Self; 3] = [Self::I, Self::P, Self::B];

    /// Index of its class: 0 for intra, 1 for P, 2 for B.
    #[must_use]
    pub fn class(self) -> usize {
        match self {
            Self::Irap | Self::I => 0,
            Self::P => 1,
            Self::B => 2,
        }
    }
}

/// Largest width and height.
pub const MAX_SIZE: usize = 65535;

/// A picture to read: planes, luma first, of samples `S`.
#[derive(Clone, Copy, Debug)]
pub struct Picture<'a, S = u8> {
    layout: Layout,
    bit_depth: u32,
    picture_type: PictureType,
    planes: [Plane<'a, S>; 3],
}

impl<'a> Picture<'a> {
    /// A picture of `layout` and 8 bits from its planes.
    ///
    /// # Errors
    /// [`Error::InvalidArgument`] if the number or the sizes of the planes are not the layout's, or
    /// a side is 0 or above [`MAX_SIZE`].
    pub fn new(layout: Layout, planes: &[Plane<'a>]) -> Result<Self> {
        Self::with_depth(layout, 8, planes)
    }
}

impl<'a, S: Sample> Picture<'a, S> {
    /// A picture of `layout` from its planes, of which samples count as at most 2^`bit_depth` − 1.
    ///
    /// # Errors
    /// Fails as [`Picture::new`] does, and if `S` is not the type of `bit_depth`.
    pub fn with_depth(layout: Layout, bit_depth: u32, planes: &[Plane<'a, S>]) -> Result<Self> {
        check(
            layout,
            S::DEPTHS.contains(&bit_depth),
            planes.iter().map(|p| (p.width(), p.height())),
        )?;
        let mut all = [Plane::EMPTY; 3];
        all[..planes.len()].copy_from_slice(planes);
        Ok(Self { layout, bit_depth, picture_type: PictureType::default(), planes: all })
    }

    /// This picture, coded as `picture_type`; [`PictureType::Irap`] otherwise.
    #[must_use]
    pub fn of_type(self, picture_type: PictureType) -> Self {
        Self { picture_type, ..self }
    }

    /// How it was coded.
    #[must_use]
    pub fn picture_type(&self) -> PictureType {
        self.picture_type
    }

    /// Bits of a sample.
    #[must_use]
    pub fn bit_depth(&self) -> u32 {
        self.bit_depth
    }

    /// How chroma is sampled.
    #[must_use]
    pub fn layout(&self) -> Layout {
        self.layout
    }

    /// Luma samples in a row.
    #[must_use]
    pub fn width(&self) -> usize {
        self.planes[0].width()
    }

    /// Luma rows.
    #[must_use]
    pub fn height(&self) -> usize {
        self.planes[0].height()
    }

    /// The planes, luma first.
    #[must_use]
    pub fn planes(&self) -> &[Plane<'a, S>] {
        &self.planes[..self.layout.planes()]
    }

    /// The luma plane.
    #[must_use]
    pub fn luma(&self) -> Plane<'a, S> {
        self.planes[0]
    }

    /// Whether `other` has the same layout, depth and size; their types may differ.
    #[must_use]
    pub fn same_shape(&self, other: &Picture<'_, S>) -> bool {
        self.layout == other.layout
            && self.bit_depth == other.bit_depth
            && self.width() == other.width()
            && self.height() == other.height()
    }
}

/// A picture to write, or a band of one: planes, luma first, of samples `S`.
#[derive(Debug)]
pub struct PictureMut<'a, S = u8> {
    layout: Layout,
    bit_depth: u32,
    planes: [PlaneMut<'a, S>; 3],
}

impl<'a> PictureMut<'a> {
    /// A picture of `layout` and 8 bits from its planes.
    ///
    /// # Errors
    /// [`Error::InvalidArgument`] if the number or the sizes of the planes are not the layout's, or
    /// a side is 0 or above [`MAX_SIZE`].
    pub fn new(layout: Layout, planes: Vec<PlaneMut<'a>>) -> Result<Self> {
        if planes.len() != layout.planes() {
            return Err(Error::InvalidArgument);
        }
        let mut planes = planes.into_iter();
        Self::with_depth(layout, 8, [(); 3].map(|()| planes.next().unwrap_or(PlaneMut::EMPTY)))
    }
}

impl<'a, S: Sample> PictureMut<'a, S> {
    /// A picture of `layout` from three planes; those that the layout does not have are ignored.
    /// 16 bits are a depth as well.
    ///
    /// # Errors
    /// Fails as [`Picture::with_depth`] does.
    pub fn with_depth(
        layout: Layout,
        bit_depth: u32,
        planes: [PlaneMut<'a, S>; 3],
    ) -> Result<Self> {
        let used = &planes[..layout.planes()];
        check(
            layout,
            S::OUTPUT_DEPTHS.contains(&bit_depth),
            used.iter().map(|p| (p.width(), p.height())),
        )?;
        Ok(Self { layout, bit_depth, planes })
    }

    /// Bits of a sample.
    #[must_use]
    pub fn bit_depth(&self) -> u32 {
        self.bit_depth
    }

    /// How chroma is sampled.
    #[must_use]
    pub fn layout(&self) -> Layout {
        self.layout
    }

    /// Luma samples in a row.
    #[must_use]
    pub fn width(&self) -> usize {
        self.planes[0].width()
    }

    /// Luma rows.
    #[must_use]
    pub fn height(&self) -> usize {
        self.planes[0].height()
    }

    /// The planes, luma first.
    pub fn planes_mut(&mut self) -> &mut [PlaneMut<'a, S>] {
        &mut self.planes[..self.layout.planes()]
    }

    /// The rows above luma row `row`, which is even, and the rest.
    ///
    /// # Panics
    /// If `row` is odd or beyond the picture.
    #[must_use]
    pub fn split_at_row(self, row: usize) -> (Self, Self) {
        assert!(row.is_multiple_of(2) || row == self.height());
        let Self { layout, bit_depth, planes: [luma, cb, cr] } = self;
        let split = |i, plane: PlaneMut<'a, S>| plane.split_at_row(layout.plane_size(i, 0, row).1);
        let (luma, cb, cr) = (split(0, luma), split(1, cb), split(2, cr));
        let above = Self { layout, bit_depth, planes: [luma.0, cb.0, cr.0] };
        (above, Self { layout, bit_depth, planes: [luma.1, cb.1, cr.1] })
    }
}

fn check(
    layout: Layout,
    is_depth: bool,
    sizes: impl ExactSizeIterator<Item = (usize, usize)>,
) -> Result {
    if sizes.len() != layout.planes() || !is_depth {
        return Err(Error::InvalidArgument);
    }
    let mut luma = (0, 0);
    for (i, size) in sizes.enumerate() {
        if i == 0 {
            luma = size;
        }
        if size != layout.plane_size(i, luma.0, luma.1) {
            return Err(Error::InvalidArgument);
        }
    }
    if luma.0 == 0 || luma.1 == 0 || luma.0 > MAX_SIZE || luma.1 > MAX_SIZE {
        return Err(Error::InvalidArgument);
    }
    Ok(())
}
