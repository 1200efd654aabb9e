//! What every function of the C API shares: errors to codes, panics to an error, logging.

use super::types::{SidelightLog, SidelightLogLevel};
use crate::util::fault;
use crate::Error;
use std::ffi::{c_int, c_void, CString};
use std::fmt::{self, Display};
use std::panic::{catch_unwind, AssertUnwindSafe};
use std::sync::Mutex;

/// Why a call was refused.
#[derive(Debug)]
pub(super) struct Refusal {
    error: Error,
    /// What is wrong, where it is more than the error says: the argument, its value, what it should be.
    what: Option<String>,
}

pub(super) type Result<T = ()> = std::result::Result<T, Refusal>;

impl Refusal {
    /// An argument that is out of its range.
    pub fn argument(what: impl Into<String>) -> Self {
        Self::new(Error::InvalidArgument, what)
    }

    pub fn new(error: Error, what: impl Into<String>) -> Self {
        Self { error, what: Some(what.into()) }
    }
}

impl From<Error> for Refusal {
    fn from(error: Error) -> Self {
        Self { error, what: None }
    }
}

impl Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.what {
            Some(what) => f.write_str(what),
            None => self.error.fmt(f),
        }
    }
}

/// Refuses a call unless `ok`; what is wrong with its arguments is put into words only then.
pub(super) fn require<S: Into<String>>(ok: bool, what: impl FnOnce() -> S) -> Result {
    if ok {
        Ok(())
    } else {
        Err(Refusal::argument(what()))
    }
}

/// Runs a function's body: the result's value, or the negative code of its error, which is logged under the function's
/// name. A panic becomes [`Error::Internal`].
pub(super) fn guard(name: &str, body: impl FnOnce() -> Result<c_int>) -> c_int {
    let body = || {
        fault::point(name);
        body()
    };
    // Whatever the body borrowed is either unchanged or set to a safe state before it can panic.
    let result = catch_unwind(AssertUnwindSafe(body)).unwrap_or(Err(Error::Internal.into()));
    result.unwrap_or_else(|refusal| {
        let level = match refusal.error {
            Error::NoPayload => return Error::NoPayload.code(),
            Error::Stale | Error::UnknownModel => SidelightLogLevel::Warning,
            _ => SidelightLogLevel::Error,
        };
        log(level, format_args!("{name}: {refusal}"));
        refusal.error.code()
    })
}

struct Logger {
    callback: SidelightLog,
    user: *mut c_void,
}

// SAFETY: the host promises that its callback may be called from any thread.
unsafe impl Send for Logger {}

static LOGGER: Mutex<Logger> = Mutex::new(Logger { callback: None, user: std::ptr::null_mut() });

pub(super) fn set_log_callback(callback: SidelightLog, user: *mut c_void) {
    *LOGGER.lock().unwrap_or_else(|e| e.into_inner()) = Logger { callback, user };
}

/// Hands a message to the host's callback; without one it is not even formatted.
pub(super) fn log(level: SidelightLogLevel, message: fmt::Arguments<'_>) {
    let (callback, user) = {
        let logger = LOGGER.lock().unwrap_or_else(|e| e.into_inner());
        (logger.callback, logger.user)
    };
    let Some(callback) = callback else { return };
    if let Ok(message) = CString::new(message.to_string()) {
        // SAFETY: the host registered this callback with this argument.
        unsafe { callback(user, level as u32, message.as_ptr()) }
    }
}

fn null(name: &str) -> Refusal {
    Refusal::argument(format!("{name} is NULL"))
}

/// A reference to what `pointer`, the argument `name`, points to.
///
/// # Safety
/// `pointer` is NULL or points to a valid `T` that nobody changes for `'a`.
pub(super) unsafe fn reference<'a, T>(pointer: *const T, name: &str) -> Result<&'a T> {
    // SAFETY: forwarded.
    unsafe { pointer.as_ref() }.ok_or_else(|| null(name))
}

/// A mutable reference to what `pointer`, the argument `name`, points to.
///
/// # Safety
/// `pointer` is NULL or points to a valid `T` that nobody else uses for `'a`.
pub(super) unsafe fn reference_mut<'a, T>(pointer: *mut T, name: &str) -> Result<&'a mut T> {
    // SAFETY: forwarded.
    unsafe { pointer.as_mut() }.ok_or_else(|| null(name))
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

/// The `count` values at `pointer`, the arguments of these names; none for a count of 0.
///
/// # Safety
/// `pointer` is NULL, or aligned and readable for `count` values that nobody changes for `'a`.
pub(super) unsafe fn slice<'a, T>(
    pointer: *const T,
    count: usize,
    [name, count_name]: [impl Display; 2],
) -> Result<&'a [T]> {
    if count == 0 {
        return Ok(&[]);
    }
    require(!pointer.is_null(), || format!("{name} is NULL, but {count_name} is {count}"))?;
    require(count <= isize::MAX as usize / size_of::<T>().max(1), || {
        format!("{count_name} is {count}, more than fits in memory")
    })?;
    // SAFETY: forwarded.
    Ok(unsafe { std::slice::from_raw_parts(pointer, count) })
}

/// Fails unless `pointer`, the output argument `name`, is there.
pub(super) fn output<T>(pointer: *mut T, name: &str) -> Result<*mut T> {
    if pointer.is_null() {
        Err(null(name))
    } else {
        Ok(pointer)
    }
}
