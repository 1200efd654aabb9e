//! The one error type. Its discriminants are the numbers that cross the C boundary, negated.

use std::fmt;

/// Why a call failed.
///
/// Discriminants are Linux errno values, the same on every platform; C callers see them negated
/// (`SIDELIGHT_ERROR_*` in `sidelight.h`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
#[repr(i32)]
pub enum Error {
    /// The file holds something that the change would break: a signature over its bytes, or offsets
    /// of what stands behind the picture (EPERM).
    Conflict = 1,
    /// There is no payload in the file or stream (ENOENT).
    NoPayload = 2,
    /// Memory could not be had (ENOMEM).
    OutOfMemory = 12,
    /// The payload names a base model that this build does not have, or the build has none for the
    /// codec (ENODEV).
    UnknownModel = 19,
    /// An argument is out of its stated range, or pictures disagree in shape (EINVAL).
    InvalidArgument = 22,
    /// A size is over a stated limit (EFBIG).
    TooLarge = 27,
    /// Bytes from outside are damaged or not of the format they should be (EBADMSG).
    Corrupt = 74,
    /// The format, its version or a picture's shape is well-formed but not supported, or the CPU
    /// lacks what training needs (EOPNOTSUPP).
    Unsupported = 95,
    /// The payload was made for another picture, or the picture was edited since (ESTALE).
    Stale = 116,
    /// A bug inside the library (ENOTRECOVERABLE).
    Internal = 131,
}

/// Shorthand for results of this crate.
pub type Result<T = ()> = std::result::Result<T, Error>;

impl Error {
    /// Every error, for tests that walk all codes.
    pub const ALL: [Error; 10] = [
        Error::Conflict,
        Error::NoPayload,
        Error::OutOfMemory,
        Error::UnknownModel,
        Error::InvalidArgument,
        Error::TooLarge,
        Error::Corrupt,
        Error::Unsupported,
        Error::Stale,
        Error::Internal,
    ];

    /// The negative number that C sees.
    #[must_use]
    pub const fn code(self) -> i32 {
        -(self as i32)
    }

    /// One line for people, NUL-terminated so that C can hold it.
    #[must_use]
    pub const fn c_message(self) -> &'static std::ffi::CStr {
        match self {
            Error::Conflict => c"a signature or offsets in the file would no longer hold",
            Error::NoPayload => c"no payload in the file or stream",
            Error::OutOfMemory => c"out of memory",
            Error::UnknownModel => c"this build does not have the base model that is asked for",
            Error::InvalidArgument => c"invalid argument",
            Error::TooLarge => c"size over the limit",
            Error::Corrupt => c"damaged or malformed data",
            Error::Unsupported => c"not supported by this version or on this CPU",
            Error::Stale => c"stale: the payload was made for another picture",
            Error::Internal => c"internal error",
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.c_message().to_str().unwrap_or("error"))
    }
}

impl std::error::Error for Error {}
