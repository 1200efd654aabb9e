//! The memory of a running band: taken from a pool and given back, so that a filter allocates only when
//! more bands run at once, or wider pictures come, than ever before.

use crate::{memory, Result};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Bytes and activations of a cache line. Row buffers start at one: no vector load straddles two.
const ALIGNMENT: usize = 64;
const LINE: usize = ALIGNMENT / size_of::<i16>();

/// What a fresh buffer holds. Nothing may depend on it.
const FRESH: i16 = if cfg!(test) { 0x5a5a } else { 0 };

/// `len` activations rounded up to whole cache lines.
pub(super) fn padded(len: usize) -> usize {
    len.next_multiple_of(LINE)
}

/// Buffers that no band uses now.
#[derive(Default)]
pub(super) struct Pool(Mutex<Vec<Vec<i16>>>);

impl Pool {
    /// Runs `work` with `len` activations, which start at a cache line and hold anything.
    ///
    /// # Errors
    /// [`OutOfMemory`](crate::Error::OutOfMemory).
    pub(super) fn with(&self, len: usize, work: impl FnOnce(&mut [i16])) -> Result {
        let mut buffer = self.buffers().pop().unwrap_or_default();
        if buffer.len() < len + LINE {
            buffer = memory::filled(len + LINE, FRESH)?;
        }
        let start = buffer.as_ptr().align_offset(ALIGNMENT).min(LINE);
        work(&mut buffer[start..start + len]);
        self.buffers().push(buffer);
        Ok(())
    }

    fn buffers(&self) -> MutexGuard<'_, Vec<Vec<i16>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
