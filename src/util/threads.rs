//! Work shared by threads that end together.

use super::alloc;
use crate::{Error, Result};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// Time between asking whether to go on, for who waits.
const ASK: Duration = Duration::from_millis(5);

/// Runs `work` on each of `items`, of which threads take one after the other: the caller's and up
/// to `threads − 1` more; where no thread can be started, it takes them all.
///
/// `work` gets a function to ask whether to go on, and returns whether it did. `go_on` is asked by
/// the caller's thread: when its own work asks, and while it waits for the others. False if it did
/// not want to go on at the last time; some of the items are then not done.
///
/// # Errors
/// One of those of `work`; [`Error::Internal`] if it panics on another thread.
#[allow(clippy::type_complexity)]
pub(crate) fn share<T: Send>(
    threads: usize,
    items: impl Iterator<Item = T> + Send,
    go_on: &mut dyn FnMut() -> bool,
    work: &(dyn Fn(T, &mut dyn FnMut() -> bool) -> Result<bool> + Sync),
) -> Result<bool> {
    let ended = AtomicBool::new(false);
    let items = Mutex::new(items);
    let next = || items.lock().unwrap_or_else(PoisonError::into_inner).next();
    let drain = |go_on: &mut dyn FnMut() -> bool| -> Result {
        while let Some(item) = next() {
            if !work(item, go_on)? {
                break;
            }
        }
        Ok(())
    };
    let mut go_on = || {
        let go_on = !ended.load(Ordering::Relaxed) && go_on();
        if !go_on {
            ended.store(true, Ordering::Relaxed);
        }
        go_on
    };
    if threads == 1 {
        drain(&mut go_on)?;
        return Ok(!ended.into_inner());
    }
    let result = std::thread::scope(|scope| {
        let (running, none) = mpsc::channel::<()>();
        let spawn = |_| {
            let (running, drain, ended) = (running.clone(), &drain, &ended);
            let other = move || {
                // Dropped when the thread has ended, however it ends.
                let _running = running;
                drain(&mut || !ended.load(Ordering::Relaxed))
            };
            std::thread::Builder::new().spawn_scoped(scope, other).ok()
        };
        let mut others = alloc::try_with_capacity(threads)?;
        others.extend((1..threads).filter_map(spawn));
        drop(running);
        let mut result = drain(&mut go_on);
        while none.recv_timeout(ASK) == Err(RecvTimeoutError::Timeout) {
            go_on();
        }
        for handle in others {
            result = result.and(handle.join().unwrap_or(Err(Error::Internal)));
        }
        result
    });
    result.map(|()| !ended.into_inner())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::AtomicU32;

    #[test]
    fn every_item_is_worked_on_once() {
        for threads in [1, 2, 5] {
            let mut items: Vec<u32> = (0..100).collect();
            let done = share(threads, items.iter_mut(), &mut || true, &|item, go_on| {
                *item += 1000;
                Ok(go_on())
            });
            assert_eq!(done, Ok(true));
            assert!(items.iter().enumerate().all(|(i, item)| *item == 1000 + i as u32));
        }
    }

    #[test]
    fn errors_and_ends_come_back() {
        for threads in [1, 3] {
            let fails = share(threads, 0..50, &mut || true, &|i, _| match i {
                7 => Err(Error::Corrupt),
                _ => Ok(true),
            });
            assert_eq!(fails, Err(Error::Corrupt));
            let done = AtomicU32::new(0);
            let ended = share(threads, 0..1_000_000, &mut || false, &|_, go_on| {
                done.fetch_add(1, Ordering::Relaxed);
                Ok(go_on())
            });
            assert_eq!(ended, Ok(false));
            assert!(done.into_inner() < 1_000_000);
        }
    }
}
