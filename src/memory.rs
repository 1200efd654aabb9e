//! Memory whose size depends on what the host hands over: where it can't be had, an error, not an
//! abort.

use crate::{Error, Result};

/// An empty vector with room for `len` values.
///
/// # Errors
/// [`Error::OutOfMemory`]; so do the others.
pub(crate) fn room<T>(len: usize) -> Result<Vec<T>> {
    let mut values = Vec::new();
    values.try_reserve_exact(len).map_err(|_| Error::OutOfMemory)?;
    Ok(values)
}

/// `len` times `value`.
pub(crate) fn filled<T: Clone>(len: usize, value: T) -> Result<Vec<T>> {
    let mut values = room(len)?;
    values.resize(len, value);
    Ok(values)
}

/// A copy of `parts`, one behind the other.
pub(crate) fn joined<T: Copy>(parts: &[&[T]]) -> Result<Vec<T>> {
    let mut all = room(parts.iter().map(|part| part.len()).sum())?;
    parts.iter().for_each(|part| all.extend_from_slice(part));
    Ok(all)
}

/// The values of an iterator, at most `most` of them.
pub(crate) fn collected<T>(most: usize, values: impl Iterator<Item = T>) -> Result<Vec<T>> {
    let mut all = room(most)?;
    all.extend(values.take(most));
    Ok(all)
}
