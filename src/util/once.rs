//! Values made when they are first asked for, where making them may fail.

use crate::{Error, Result};
use std::sync::{Mutex, OnceLock, PoisonError};

/// A value that is made once; a failure leaves it to be made the next time.
pub(crate) struct TryOnce<T> {
    value: OnceLock<T>,
    /// Held while the value is made, so that threads do not all make it at once.
    making: Mutex<()>,
}

impl<T> TryOnce<T> {
    /// No value yet.
    pub(crate) const fn new() -> Self {
        Self { value: OnceLock::new(), making: Mutex::new(()) }
    }

    /// The value, made by `make` if there is none yet.
    ///
    /// # Errors
    /// Those of `make`.
    pub(crate) fn get_or_make(&self, make: impl FnOnce() -> Result<T>) -> Result<&T> {
        if let Some(value) = self.value.get() {
            return Ok(value);
        }
        let _making = self.making.lock().unwrap_or_else(PoisonError::into_inner);
        if self.value.get().is_none() {
            // Nobody else sets it.
            let _ = self.value.set(make()?);
        }
        self.value.get().ok_or(Error::Internal)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicU32, Ordering};

    #[test]
    fn failures_are_not_kept() {
        let once = TryOnce::new();
        assert_eq!(once.get_or_make(|| Err::<u32, _>(Error::OutOfMemory)), Err(Error::OutOfMemory));
        assert_eq!(once.get_or_make(|| Ok(5)), Ok(&5));
        assert_eq!(once.get_or_make(|| Err(Error::OutOfMemory)), Ok(&5));
    }

    #[test]
    fn threads_make_one_value() {
        let (once, made) = (TryOnce::new(), AtomicU32::new(0));
        let make = || {
            std::thread::yield_now();
            Ok(made.fetch_add(1, Ordering::Relaxed))
        };
        std::thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| assert_eq!(once.get_or_make(make), Ok(&0)));
            }
        });
        assert_eq!(made.into_inner(), 1);
    }
}
