//! Memory from the heap: where it can't be had, an error, not an abort.

use crate::{Error, Result};

/// An empty vector with room for `len` values.
///
/// # Errors
/// [`Error::OutOfMemory`]; so do the others.
pub(crate) fn try_with_capacity<T>(len: usize) -> Result<Vec<T>> {
    let mut values = Vec::new();
    values.try_reserve_exact(len).map_err(|_| Error::OutOfMemory)?;
    Ok(values)
}

/// `len` times `value`.
pub(crate) fn try_filled<T: Clone>(len: usize, value: T) -> Result<Vec<T>> {
    let mut values = try_with_capacity(len)?;
    values.resize(len, value);
    Ok(values)
}

/// A copy of `parts`, one behind the other.
pub(crate) fn try_concat<T: Copy>(parts: &[&[T]]) -> Result<Vec<T>> {
    let mut all = try_with_capacity(parts.iter().map(|part| part.len()).sum())?;
    parts.iter().for_each(|part| all.extend_from_slice(part));
    Ok(all)
}

/// The values of an iterator, at most `most` of them.
pub(crate) fn try_collect<T>(most: usize, values: impl Iterator<Item = T>) -> Result<Vec<T>> {
    let mut all = try_with_capacity(most)?;
    all.extend(values.take(most));
    Ok(all)
}

/// The values of an iterator up to its first error, at most `most` of them.
///
/// # Errors
/// Also those of the iterator.
pub(crate) fn try_collect_ok<T>(
    most: usize,
    values: impl Iterator<Item = Result<T>>,
) -> Result<Vec<T>> {
    let mut all = try_with_capacity(most)?;
    for value in values.take(most) {
        all.push(value?);
    }
    Ok(all)
}

/// Puts a value behind others.
pub(crate) fn try_push<T>(values: &mut Vec<T>, value: T) -> Result {
    values.try_reserve(1).map_err(|_| Error::OutOfMemory)?;
    values.push(value);
    Ok(())
}

/// Puts a copy of `more` behind other values.
pub(crate) fn try_extend<T: Copy>(values: &mut Vec<T>, more: &[T]) -> Result {
    values.try_reserve(more.len()).map_err(|_| Error::OutOfMemory)?;
    values.extend_from_slice(more);
    Ok(())
}

/// A slice of one value. (A box of the value itself would take an unsafe cast, or abort.)
pub(crate) fn try_boxed<T>(value: T) -> Result<Box<[T]>> {
    let mut one = try_with_capacity(1)?;
    one.push(value);
    // Gives nothing back, which might fail: the room is for just one.
    Ok(one.into_boxed_slice())
}
