//! Planes: rows of samples in memory, borrowed from the caller.

use super::Sample;
use crate::{Error, Result};
use std::marker::PhantomData;

/// A plane to read.
///
/// Only rows are ever borrowed, never the bytes between them: planes of different pictures may lie
/// interleaved in memory.
#[derive(Clone, Copy, Debug)]
pub struct Plane<'a, S = u8> {
    data: *const S,
    stride: usize,
    width: usize,
    height: usize,
    memory: PhantomData<&'a [S]>,
}

// SAFETY: a `Plane` gives what `&[S]` gives, no more.
unsafe impl<S: Sample> Send for Plane<'_, S> {}
// SAFETY: as above.
unsafe impl<S: Sample> Sync for Plane<'_, S> {}

impl<'a, S: Sample> Plane<'a, S> {
    /// No rows.
    pub(crate) const EMPTY: Self =
        Self { data: std::ptr::null(), stride: 0, width: 0, height: 0, memory: PhantomData };

    /// A `width × height` plane whose rows start every `stride` bytes.
    ///
    /// # Errors
    /// [`Error::InvalidArgument`] if `stride` is less than a row or no multiple of the samples'
    /// size, or if `data` is too short for the last row.
    pub fn new(data: &'a [S], stride: usize, width: usize, height: usize) -> Result<Self> {
        check::<S>(size_of_val(data), stride, width, height)?;
        Ok(Self { data: data.as_ptr(), stride, width, height, memory: PhantomData })
    }

    /// A `width × height` plane over memory that is not a slice.
    ///
    /// # Safety
    /// For `'a`, each of the `height` rows is readable for `width` samples, and nobody writes to
    /// it.
    ///
    /// # Errors
    /// [`Error::InvalidArgument`] as for [`new`](Self::new), or if `data` is not aligned or the
    /// plane spans more than `isize::MAX`.
    pub unsafe fn from_raw(
        data: *const S,
        stride: usize,
        width: usize,
        height: usize,
    ) -> Result<Self> {
        check::<S>(isize::MAX as usize, stride, width, height)?;
        if !data.is_aligned() {
            return Err(Error::InvalidArgument);
        }
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
    pub fn row(&self, y: usize) -> &'a [S] {
        assert!(y < self.height);
        // SAFETY: row `y` is inside what the constructor was given.
        unsafe { std::slice::from_raw_parts(self.data.byte_add(y * self.stride), self.width) }
    }
}

/// A plane to write; as with [`Plane`], only rows are ever borrowed.
#[derive(Debug)]
pub struct PlaneMut<'a, S = u8> {
    data: *mut S,
    stride: usize,
    width: usize,
    height: usize,
    memory: PhantomData<&'a mut [S]>,
}

// SAFETY: a `PlaneMut` gives what `&mut [S]` gives, no more.
unsafe impl<S: Sample> Send for PlaneMut<'_, S> {}

impl<'a, S: Sample> PlaneMut<'a, S> {
    /// No rows.
    pub(crate) const EMPTY: Self =
        Self { data: std::ptr::null_mut(), stride: 0, width: 0, height: 0, memory: PhantomData };

    /// A `width × height` plane whose rows start every `stride` bytes.
    ///
    /// # Errors
    /// [`Error::InvalidArgument`] if `stride` is less than a row or no multiple of the samples'
    /// size, or if `data` is too short for the last row.
    pub fn new(data: &'a mut [S], stride: usize, width: usize, height: usize) -> Result<Self> {
        check::<S>(size_of_val(data), stride, width, height)?;
        Ok(Self { data: data.as_mut_ptr(), stride, width, height, memory: PhantomData })
    }

    /// A `width × height` plane over memory that is not a slice.
    ///
    /// # Safety
    /// For `'a`, each of the `height` rows is writable for `width` samples, rows do not overlap,
    /// and nobody else touches them.
    ///
    /// # Errors
    /// [`Error::InvalidArgument`] as for [`new`](Self::new), or if `data` is not aligned or the
    /// plane spans more than `isize::MAX`.
    pub unsafe fn from_raw(
        data: *mut S,
        stride: usize,
        width: usize,
        height: usize,
    ) -> Result<Self> {
        check::<S>(isize::MAX as usize, stride, width, height)?;
        if !data.is_aligned() {
            return Err(Error::InvalidArgument);
        }
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
    pub fn row_mut(&mut self, y: usize) -> &mut [S] {
        assert!(y < self.height);
        // SAFETY: row `y` is inside what the constructor was given, and `self` is borrowed.
        unsafe { std::slice::from_raw_parts_mut(self.data.byte_add(y * self.stride), self.width) }
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
        let data = self.data.wrapping_byte_add(row * self.stride);
        (above, PlaneMut { data, height: self.height - row, ..self })
    }
}

fn check<S>(bytes: usize, stride: usize, width: usize, height: usize) -> Result {
    let row = width.checked_mul(size_of::<S>()).ok_or(Error::InvalidArgument)?;
    let need = if row == 0 || height == 0 {
        Some(0)
    } else {
        stride.checked_mul(height - 1).and_then(|n| n.checked_add(row))
    };
    let fits = need.is_some_and(|n| n <= bytes);
    if stride >= row && stride.is_multiple_of(size_of::<S>()) && fits {
        Ok(())
    } else {
        Err(Error::InvalidArgument)
    }
}
