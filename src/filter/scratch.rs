//! The memory of a running band: taken from a pool and given back, so that a filter allocates only
//! when more bands run at once, or wider pictures come, than ever before.

use crate::util::alloc;
use crate::Result;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Bytes of a cache line. Row buffers start at one: no vector load straddles two.
const LINE: usize = 64;

/// What a fresh buffer holds. Nothing may depend on it.
const FRESH: u8 = if cfg!(test) { 0x5a } else { 0 };

/// `len` activations rounded up to whole cache lines.
pub(super) fn padded<A>(len: usize) -> usize {
    len.next_multiple_of(LINE / size_of::<A>())
}

/// Activations of 16 and of 8 bits, which start at a cache line and hold anything.
pub(super) struct Scratch<'a> {
    pub(super) words: &'a mut [i16],
    pub(super) bytes: &'a mut [u8],
}

impl Scratch<'_> {
    /// This memory, for one use of several.
    pub(super) fn again(&mut self) -> Scratch<'_> {
        Scratch { words: self.words, bytes: self.bytes }
    }
}

/// How many of each.
#[derive(Clone, Copy, Default)]
pub(super) struct ScratchLen {
    pub(super) words: usize,
    pub(super) bytes: usize,
}

impl ScratchLen {
    /// Room for either.
    pub(super) fn max(self, other: Self) -> Self {
        Self { words: self.words.max(other.words), bytes: self.bytes.max(other.bytes) }
    }
}

#[derive(Default)]
struct Buffer {
    words: Vec<i16>,
    bytes: Vec<u8>,
}

/// Buffers that no band uses now.
#[derive(Default)]
pub(super) struct Pool(Mutex<Vec<Buffer>>);

impl Pool {
    /// Runs `work` with `len` activations.
    ///
    /// # Errors
    /// [`OutOfMemory`](crate::Error::OutOfMemory).
    pub(super) fn with<R>(
        &self,
        len: ScratchLen,
        work: impl FnOnce(Scratch<'_>) -> R,
    ) -> Result<R> {
        let mut buffer = self.buffers().pop().unwrap_or_default();
        let result = work(Scratch {
            words: aligned(&mut buffer.words, len.words, i16::from_ne_bytes([FRESH; 2]))?,
            bytes: aligned(&mut buffer.bytes, len.bytes, FRESH)?,
        });
        // Without room for it in the pool the next band takes another.
        let _ = alloc::try_push(&mut *self.buffers(), buffer);
        Ok(result)
    }

    fn buffers(&self) -> MutexGuard<'_, Vec<Buffer>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// `len` activations of `buffer` from a cache line on; a larger buffer in its place if it has too
/// few.
fn aligned<A: Copy>(buffer: &mut Vec<A>, len: usize, fresh: A) -> Result<&mut [A]> {
    let line = LINE / size_of::<A>();
    if buffer.len() < len + line {
        *buffer = alloc::try_filled(len + line, fresh)?;
    }
    let start = buffer.as_ptr().align_offset(LINE).min(line);
    Ok(&mut buffer[start..start + len])
}
