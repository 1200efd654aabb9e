//! What every function of the C API shares: errors to codes, panics to an error, logging.

use super::types::{SidelightLog, SidelightLogLevel};
use crate::util::fault;
use crate::{Error, Result};
use libc::{c_int, c_void};
use std::ffi::CString;
use std::panic::{catch_unwind, AssertUnwindSafe};
use std::sync::Mutex;

/// Runs a function's body: the result's value, or the negative code of its error, which is logged
/// under the function's name. A panic becomes [`Error::Internal`].
pub(super) fn guard(name: &str, body: impl FnOnce() -> Result<c_int>) -> c_int {
    let body = || {
        fault::point(name);
        body()
    };
    // Whatever the body borrowed is either unchanged or set to a safe state before it can panic.
    let result = catch_unwind(AssertUnwindSafe(body)).unwrap_or(Err(Error::Internal));
    result.unwrap_or_else(|error| {
        let level = match error {
            Error::NoPayload => return error.code(),
            Error::Stale | Error::UnknownModel => SidelightLogLevel::Warning,
            _ => SidelightLogLevel::Error,
        };
        log(level, &format!("{name}: {error}"));
        error.code()
    })
}

struct Logger {
    callback: SidelightLog,
    user: *mut c_void,
}

// SAFETY: the host promises that its callback may be called from any thread.
unsafe impl Send for Logger {}

static LOGGER: Mutex<Logger> = Mutex::new(Logger { callback: None, user: std::ptr::null_mut() });

pub(super) fn set_logger(callback: SidelightLog, user: *mut c_void) {
    *LOGGER.lock().unwrap_or_else(|e| e.into_inner()) = Logger { callback, user };
}

pub(super) fn log(level: SidelightLogLevel, message: &str) {
    let (callback, user) = {
        let logger = LOGGER.lock().unwrap_or_else(|e| e.into_inner());
        (logger.callback, logger.user)
    };
    if let (Some(callback), Ok(message)) = (callback, CString::new(message)) {
        // SAFETY: the host registered this callback with this argument.
        unsafe { callback(user, level as u32, message.as_ptr()) }
    }
}

/// A reference to what `pointer` points to.
///
/// # Safety
/// `pointer` is NULL or points to a valid `T` that nobody changes for `'a`.
pub(super) unsafe fn reference<'a, T>(pointer: *const T) -> Result<&'a T> {
    // SAFETY: forwarded.
    unsafe { pointer.as_ref() }.ok_or(Error::InvalidArgument)
}

/// The bytes at `data`; empty for a size of 0.
///
/// # Safety
/// `data` is NULL or readable for `size` bytes that nobody changes for `'a`.
pub(super) unsafe fn bytes<'a>(data: *const u8, size: usize) -> Result<&'a [u8]> {
    // SAFETY: forwarded.
    unsafe { slice(data, size) }
}

/// Frees a handle and clears the caller's pointer to it.
///
/// # Safety
/// `handle` is NULL, or points to NULL or to what `Box::into_raw` gave, which nobody uses.
pub(super) unsafe fn close<T>(handle: *mut *mut T) {
    // SAFETY: forwarded.
    if let Some(handle) = unsafe { handle.as_mut() } {
        let handle = std::mem::replace(handle, std::ptr::null_mut());
        if !handle.is_null() {
            // SAFETY: from such a box, and not closed before: that clears it.
            drop(unsafe { Box::from_raw(handle) });
        }
    }
}

/// The `count` values at `pointer`.
///
/// # Safety
/// `pointer` is NULL, or aligned and readable for `count` values that nobody changes for `'a`.
pub(super) unsafe fn slice<'a, T>(pointer: *const T, count: usize) -> Result<&'a [T]> {
    if count == 0 {
        return Ok(&[]);
    }
    if pointer.is_null() || count > isize::MAX as usize / size_of::<T>().max(1) {
        return Err(Error::InvalidArgument);
    }
    // SAFETY: forwarded.
    Ok(unsafe { std::slice::from_raw_parts(pointer, count) })
}

/// Fails unless `pointer`, an output argument, is there.
pub(super) fn output<T>(pointer: *mut T) -> Result<*mut T> {
    if pointer.is_null() {
        Err(Error::InvalidArgument)
    } else {
        Ok(pointer)
    }
}
