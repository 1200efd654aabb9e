//! Planes: rows of samples in memory, borrowed from the caller.

use crate::{Error, Result};
use std::marker::PhantomData;

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
    /// No rows.
    pub(crate) const EMPTY: Self =
        Self { data: std::ptr::null(), stride: 0, width: 0, height: 0, memory: PhantomData };

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
    /// No rows.
    pub(crate) const EMPTY: Self =
        Self { data: std::ptr::null_mut(), stride: 0, width: 0, height: 0, memory: PhantomData };

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
