//! Values with several owners: [`Arc`](std::sync::Arc), where memory that can't be had is an error.

use super::alloc;
use crate::Result;
use std::fmt;
use std::marker::PhantomData;
use std::ops::Deref;
use std::process::abort;
use std::ptr::{slice_from_raw_parts_mut, NonNull};
use std::sync::atomic::{fence, AtomicUsize, Ordering};

/// Values that are freed with their last owner. Making one may fail, another owner takes no memory.
pub struct Shared<T> {
    counted: NonNull<Counted<T>>,
    _owns: PhantomData<Counted<T>>,
}

struct Counted<T> {
    owners: AtomicUsize,
    values: Vec<T>,
}

// SAFETY: as with Arc, any owner's thread may read the values and drop them.
unsafe impl<T: Send + Sync> Send for Shared<T> {}
// SAFETY: as above.
unsafe impl<T: Send + Sync> Sync for Shared<T> {}

impl<T> Shared<T> {
    /// The first owner of `values`.
    ///
    /// # Errors
    /// [`Error::OutOfMemory`](crate::Error::OutOfMemory).
    pub fn new(values: Vec<T>) -> Result<Self> {
        let one = alloc::try_boxed(Counted { owners: AtomicUsize::new(1), values })?;
        Ok(Self { counted: NonNull::from(Box::leak(one)).cast(), _owns: PhantomData })
    }

    fn counted(&self) -> &Counted<T> {
        // SAFETY: it lives as long as an owner does.
        unsafe { self.counted.as_ref() }
    }
}

impl<T> Clone for Shared<T> {
    fn clone(&self) -> Self {
        // Whoever has an owner at hand keeps the values alive meanwhile.
        if self.counted().owners.fetch_add(1, Ordering::Relaxed) > usize::MAX / 2 {
            abort();
        }
        Self { counted: self.counted, _owns: PhantomData }
    }
}

impl<T> Drop for Shared<T> {
    fn drop(&mut self) {
        if self.counted().owners.fetch_sub(1, Ordering::Release) != 1 {
            return;
        }
        // What other owners did comes before the values go.
        fence(Ordering::Acquire);
        let one = slice_from_raw_parts_mut(self.counted.as_ptr(), 1);
        // SAFETY: `new` made it of such a box, and this was the last owner.
        drop(unsafe { Box::from_raw(one) });
    }
}

impl<T> Deref for Shared<T> {
    type Target = [T];

    fn deref(&self) -> &[T] {
        &self.counted().values
    }
}

impl<T: fmt::Debug> fmt::Debug for Shared<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (**self).fmt(f)
    }
}

impl<T: PartialEq> PartialEq for Shared<T> {
    fn eq(&self, other: &Self) -> bool {
        **self == **other
    }
}

impl<T: Eq> Eq for Shared<T> {}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::AtomicU32;

    struct Drops<'a>(&'a AtomicU32);

    impl Drop for Drops<'_> {
        fn drop(&mut self) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    #[test]
    fn values_go_with_their_last_owner() {
        let drops = AtomicU32::new(0);
        let first = Shared::new(vec![Drops(&drops), Drops(&drops)]).unwrap();
        std::thread::scope(|scope| {
            for _ in 0..4 {
                let mine = first.clone();
                scope.spawn(move || (0..1000).for_each(|_| assert_eq!(mine.clone().len(), 2)));
            }
        });
        let second = first.clone();
        drop(first);
        assert_eq!(drops.load(Ordering::Relaxed), 0);
        drop(second);
        assert_eq!(drops.load(Ordering::Relaxed), 2);
    }

    #[test]
    fn owners_compare_by_value() {
        let values = |last| Shared::new(vec![1, 2, last]).unwrap();
        assert_eq!(values(3), values(3));
        assert_ne!(values(3), values(4));
        assert_eq!(format!("{:?}", values(3)), "[1, 2, 3]");
    }
}
