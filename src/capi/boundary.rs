//! What every function of the C API shares: errors to codes, panics to an error, logging.

use super::types::{SidelightLog, SidelightLogLevel};
use crate::util::{alloc, fault};
use crate::Error;
use std::borrow::Cow;
use std::ffi::{c_char, c_int, c_void};
use std::fmt::{self, Display, Write};
use std::panic::{catch_unwind, AssertUnwindSafe};
use std::sync::Mutex;

/// Why a call was refused.
#[derive(Debug)]
pub(super) struct Refusal {
    error: Error,
    /// What is wrong, where it is more than the error says: the argument, its value, what it should be. Else empty.
    what: Cow<'static, str>,
}

pub(super) type Result<T = ()> = std::result::Result<T, Refusal>;

impl Refusal {
    /// An argument that is out of its range.
    pub fn argument(what: impl Into<Cow<'static, str>>) -> Self {
        Self::new(Error::InvalidArgument, what)
    }

    pub fn new(error: Error, what: impl Into<Cow<'static, str>>) -> Self {
        Self { error, what: what.into() }
    }
}

impl From<Error> for Refusal {
    fn from(error: Error) -> Self {
        Self { error, what: Cow::Borrowed("") }
    }
}

impl Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &*self.what {
            "" => self.error.fmt(f),
            what => f.write_str(what),
        }
    }
}

/// A string that grows where it can.
struct Text(String);

impl Write for Text {
    fn write_str(&mut self, piece: &str) -> fmt::Result {
        self.0.try_reserve(piece.len()).map_err(|_| fmt::Error)?;
        self.0.push_str(piece);
        Ok(())
    }
}

/// What `format!` gives, or nothing where there is no memory for it.
pub(super) fn formatted(what: fmt::Arguments<'_>) -> Cow<'static, str> {
    let mut text = Text(String::new());
    match text.write_fmt(what) {
        Ok(()) => text.0.into(),
        Err(fmt::Error) => Cow::Borrowed(""),
    }
}

/// [`formatted`] with the arguments of `format!`.
macro_rules! text {
    ($($argument:tt)*) => {
        $crate::capi::boundary::formatted(format_args!($($argument)*))
    };
}
pub(super) use text;

/// Refuses a call unless `ok`; what is wrong with its arguments is put into words only then.
pub(super) fn require<S: Into<Cow<'static, str>>>(ok: bool, what: impl FnOnce() -> S) -> Result {
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
    let mut line = Line { bytes: [0; MAX_LINE], len: 0 };
    // What is too long is cut.
    let _ = line.write_fmt(message);
    // SAFETY: the host registered this callback with this argument, and the last byte is still 0.
    unsafe { callback(user, level as u32, line.bytes.as_ptr().cast::<c_char>()) }
}

/// Bytes of a message, the NUL behind it included; the longest have some 400.
const MAX_LINE: usize = 1024;

/// A message on the stack: it can always be told.
struct Line {
    bytes: [u8; MAX_LINE],
    /// At most `MAX_LINE - 1`.
    len: usize,
}

impl Write for Line {
    fn write_str(&mut self, piece: &str) -> fmt::Result {
        let room = piece.len().min(MAX_LINE - 1 - self.len);
        let fits = (0..=room).rev().find(|end| piece.is_char_boundary(*end)).unwrap_or(0);
        self.bytes[self.len..self.len + fits].copy_from_slice(&piece.as_bytes()[..fits]);
        self.len += fits;
        if fits == piece.len() {
            Ok(())
        } else {
            Err(fmt::Error)
        }
    }
}

fn null(name: &str) -> Refusal {
    Refusal::argument(text!("{name} is NULL"))
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

/// Hands out a handle.
///
/// # Safety
/// `out` is writable.
pub(super) unsafe fn open<T>(out: *mut *mut T, handle: T) -> Result {
    let handle = Box::into_raw(alloc::try_boxed(handle)?).cast();
    // SAFETY: forwarded.
    unsafe { out.write(handle) };
    Ok(())
}

/// Frees a handle and clears the caller's pointer to it.
///
/// # Safety
/// `handle` is NULL, or points to NULL or to what [`open`] gave, which nobody uses.
pub(super) unsafe fn close<T>(handle: *mut *mut T) {
    // SAFETY: forwarded.
    if let Some(handle) = unsafe { handle.as_mut() } {
        let handle = std::mem::replace(handle, std::ptr::null_mut());
        if !handle.is_null() {
            // SAFETY: from a box of one such value, and not closed before: that clears it.
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
    require(!pointer.is_null(), || text!("{name} is NULL, but {count_name} is {count}"))?;
    require(count <= isize::MAX as usize / size_of::<T>().max(1), || {
        text!("{count_name} is {count}, more than fits in memory")
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
