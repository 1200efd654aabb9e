//! Pictures in memory: planes of 8-bit samples, borrowed from the caller.

use crate::{Error, Result};
use std::marker::PhantomData;

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
}

impl Layout {
    /// Every layout, in the order of their discriminants.
    pub const ALL: [Self; 4] = [Self::I400, Self::I420, Self::I422, Self::I444];

    /// Number of planes.
    #[must_use]
    pub fn planes(self) -> usize {
        if self == Self::I400 {
            1
        } else {
            3
        }
    }

    /// Rows and columns of the chroma samples, in each plane, beside 2×2 luma samples.
    #[must_use]
    pub fn chroma_beside_pixel(self) -> Option<(usize, usize)> {
        match self {
            Self::I400 => None,
            Self::I420 => Some((1, 1)),
            Self::I422 => Some((2, 1)),
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
        }
    }
}

/// Largest width and height.
pub const MAX_SIZE: usize = 65535;

/// A plane to read.
///
/// Only rows are ever borrowed, never the bytes between them: planes of different pictures may lie
/// interleaved in memory.
#[derive(Clone, Copy, Debug)]
pub struct Plane<'a> {
    data: *const u8,
    stride: usize,
    width: usize,
    height: usize,
    memory: PhantomData<&'a [u8]>,
}

// SAFETY: a `Plane` gives what `&[u8]` gives, no more.
unsafe impl Send for Plane<'_> {}
// SAFETY: as above.
unsafe impl Sync for Plane<'_> {}

impl<'a> Plane<'a> {
    /// A `width × height` plane whose rows start every `stride` bytes.
    ///
    /// # Errors
    /// [`Error::InvalidArgument`] if `stride < width` or `data` is too short for the last row.
    pub fn new(data: &'a [u8], stride: usize, width: usize, height: usize) -> Result<Self> {
        check(data.len(), stride, width, height)?;
        Ok(Self { data: data.as_ptr(), stride, width, height, memory: PhantomData })
    }

    /// The same over memory that is not a slice.
    ///
    /// # Safety
    /// For `'a`, each of the `height` rows is readable for `width` bytes, and nobody writes to it.
    ///
    /// # Errors
    /// [`Error::InvalidArgument`] if `stride < width` or the plane spans more than `isize::MAX`.
    pub unsafe fn from_raw(
        data: *const u8,
        stride: usize,
        width: usize,
        height: usize,
    ) -> Result<Self> {
        check(isize::MAX as usize, stride, width, height)?;
        Ok(Self { data, stride, width, height, memory: PhantomData })
    }

    /// Samples in a row.
    #[must_use]
    pub fn width(&self) -> usize {
        self.width
    }

    /// Rows.
    #[must_use]
    pub fn height(&self) -> usize {
        self.height
    }

    /// The samples of row `y`.
    ///
    /// # Panics
    /// If `y` is not below the height.
    #[must_use]
    pub fn row(&self, y: usize) -> &'a [u8] {
        assert!(y < self.height);
        // SAFETY: row `y` is inside what the constructor was given.
        unsafe { std::slice::from_raw_parts(self.data.add(y * self.stride), self.width) }
    }
}

/// A plane to write; as with [`Plane`], only rows are ever borrowed.
#[derive(Debug)]
pub struct PlaneMut<'a> {
    data: *mut u8,
    stride: usize,
    width: usize,
    height: usize,
    memory: PhantomData<&'a mut [u8]>,
}

// SAFETY: a `PlaneMut` gives what `&mut [u8]` gives, no more.
unsafe impl Send for PlaneMut<'_> {}

impl<'a> PlaneMut<'a> {
    /// A `width × height` plane whose rows start every `stride` bytes.
    ///
    /// # Errors
    /// [`Error::InvalidArgument`] if `stride < width` or `data` is too short for the last row.
    pub fn new(data: &'a mut [u8], stride: usize, width: usize, height: usize) -> Result<Self> {
        check(data.len(), stride, width, height)?;
        Ok(Self { data: data.as_mut_ptr(), stride, width, height, memory: PhantomData })
    }

    /// The same over memory that is not a slice.
    ///
    /// # Safety
    /// For `'a`, each of the `height` rows is writable for `width` bytes, rows do not overlap, and
    /// nobody else touches them.
    ///
    /// # Errors
    /// [`Error::InvalidArgument`] if `stride < width` or the plane spans more than `isize::MAX`.
    pub unsafe fn from_raw(
        data: *mut u8,
        stride: usize,
        width: usize,
        height: usize,
    ) -> Result<Self> {
        check(isize::MAX as usize, stride, width, height)?;
        Ok(Self { data, stride, width, height, memory: PhantomData })
    }

    /// Rows.
    #[must_use]
    pub fn height(&self) -> usize {
        self.height
    }

    /// Samples in a row.
    #[must_use]
    pub fn width(&self) -> usize {
        self.width
    }

    /// The samples of row `y`.
    ///
    /// # Panics
    /// If `y` is not below the height.
    pub fn row_mut(&mut self, y: usize) -> &mut [u8] {
        assert!(y < self.height);
        // SAFETY: row `y` is inside what the constructor was given, and `self` is borrowed.
        unsafe { std::slice::from_raw_parts_mut(self.data.add(y * self.stride), self.width) }
    }

    /// The rows above `row`, and those from it on.
    ///
    /// # Panics
    /// If `row` is above the height.
    #[must_use]
    pub fn split_at_row(self, row: usize) -> (Self, Self) {
        assert!(row <= self.height);
        let above = PlaneMut { height: row, ..self };
        // Wrapping: with no rows below, the pointer may lie past the memory, and is never read.
        let data = self.data.wrapping_add(row * self.stride);
        (above, PlaneMut { data, height: self.height - row, ..self })
    }
}

fn check(len: usize, stride: usize, width: usize, height: usize) -> Result {
    let need = if width == 0 || height == 0 {
        Some(0)
    } else {
        stride.checked_mul(height - 1).and_then(|n| n.checked_add(width))
    };
    if stride >= width && need.is_some_and(|n| n <= len) {
        Ok(())
    } else {
        Err(Error::InvalidArgument)
    }
}

/// A picture to read: 8-bit planes, luma first.
#[derive(Clone, Debug)]
pub struct Picture<'a> {
    layout: Layout,
    planes: Vec<Plane<'a>>,
}

impl<'a> Picture<'a> {
    /// A picture of `layout` from its planes.
    ///
    /// # Errors
    /// [`Error::InvalidArgument`] if the number or the sizes of the planes are not the layout's, or
    /// a side is 0 or above [`MAX_SIZE`].
    pub fn new(layout: Layout, planes: &[Plane<'a>]) -> Result<Self> {
        check_planes(layout, planes.iter().map(|p| (p.width, p.height)))?;
        Ok(Self { layout, planes: planes.to_vec() })
    }

    /// How chroma is sampled.
    #[must_use]
    pub fn layout(&self) -> Layout {
        self.layout
    }

    /// Luma samples in a row.
    #[must_use]
    pub fn width(&self) -> usize {
        self.planes[0].width
    }

    /// Luma rows.
    #[must_use]
    pub fn height(&self) -> usize {
        self.planes[0].height
    }

    /// The planes, luma first.
    #[must_use]
    pub fn planes(&self) -> &[Plane<'a>] {
        &self.planes
    }

    /// The luma plane.
    #[must_use]
    pub fn luma(&self) -> Plane<'a> {
        self.planes[0]
    }

    /// Whether `other` has the same layout and size.
    #[must_use]
    pub fn same_shape(&self, other: &Picture<'_>) -> bool {
        self.layout == other.layout
            && self.width() == other.width()
            && self.height() == other.height()
    }
}

/// A picture to write, or a band of one: 8-bit planes, luma first.
#[derive(Debug)]
pub struct PictureMut<'a> {
    layout: Layout,
    planes: Vec<PlaneMut<'a>>,
}

impl<'a> PictureMut<'a> {
    /// A picture of `layout` from its planes.
    ///
    /// # Errors
    /// [`Error::InvalidArgument`] if the number or the sizes of the planes are not the layout's, or
    /// a side is 0 or above [`MAX_SIZE`].
    pub fn new(layout: Layout, planes: Vec<PlaneMut<'a>>) -> Result<Self> {
        check_planes(layout, planes.iter().map(|p| (p.width, p.height)))?;
        Ok(Self { layout, planes })
    }

    /// How chroma is sampled.
    #[must_use]
    pub fn layout(&self) -> Layout {
        self.layout
    }

    /// Luma samples in a row.
    #[must_use]
    pub fn width(&self) -> usize {
        self.planes[0].width
    }

    /// Luma rows.
    #[must_use]
    pub fn height(&self) -> usize {
        self.planes[0].height
    }

    /// The planes, luma first.
    pub fn planes_mut(&mut self) -> &mut [PlaneMut<'a>] {
        &mut self.planes
    }

    /// The rows above luma row `row`, which is even, and the rest.
    ///
    /// # Panics
    /// If `row` is odd or beyond the picture.
    #[must_use]
    pub fn split_at_row(self, row: usize) -> (Self, Self) {
        assert!(row.is_multiple_of(2) || row == self.height());
        let layout = self.layout;
        let height = self.height();
        let (mut above, mut below) = (Vec::new(), Vec::new());
        for (i, plane) in self.planes.into_iter().enumerate() {
            let at = if row == height {
                plane.height
            } else if i > 0 && layout == Layout::I420 {
                row / 2
            } else {
                row
            };
            let (a, b) = plane.split_at_row(at);
            above.push(a);
            below.push(b);
        }
        (Self { layout, planes: above }, Self { layout, planes: below })
    }
}

fn check_planes(layout: Layout, sizes: impl ExactSizeIterator<Item = (usize, usize)>) -> Result {
    if sizes.len() != layout.planes() {
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
