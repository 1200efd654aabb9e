//! Payloads by themselves.

use super::boundary::{guard, output, reference};
use super::convert;
use super::types::SidelightPicture;
use crate::payload::{self, binding};
use crate::{Error, Result, Sample};
use libc::c_int;

/// Binds an encoder's payload to the decoded picture that will carry it. A payload for video stands in
/// front of the first picture that it is for and is repeated at every IRAP picture that it is to
/// outlive: each copy is bound to its own carrier.
///
/// @param payload `size` bytes, changed in place on success only.
/// @param carrier the decoded picture; its type is not looked at.
/// @return 0; SIDELIGHT_ERROR_CORRUPT and others if this is no payload, as
/// sidelight_decoder_set_payload(); SIDELIGHT_ERROR_INVALID_ARGUMENT; SIDELIGHT_ERROR_UNSUPPORTED.
#[no_mangle]
pub unsafe extern "C" fn sidelight_payload_bind(
    payload: *mut u8,
    size: usize,
    carrier: *const SidelightPicture,
) -> c_int {
    guard("sidelight_payload_bind", || {
        let payload = output(payload)?;
        if size > isize::MAX as usize {
            return Err(Error::InvalidArgument);
        }
        // SAFETY: NULL, or valid by the caller's promise.
        let carrier = unsafe { reference(carrier) }?;
        // SAFETY: the caller promises that the planes are readable.
        let binding = unsafe { binding_of(carrier) }?;
        // SAFETY: not NULL, and the caller promises `size` bytes to write.
        let payload = unsafe { std::slice::from_raw_parts_mut(payload, size) };
        payload::rebind(payload, binding)?;
        Ok(0)
    })
}

/// The context binding of a decoded picture.
///
/// # Safety
/// The picture's planes are readable, as the header says.
pub(super) unsafe fn binding_of(picture: &SidelightPicture) -> Result<u64> {
    /// # Safety
    /// As the function around it.
    unsafe fn of<S: Sample>(picture: &SidelightPicture) -> Result<u64> {
        // SAFETY: forwarded.
        Ok(binding::of_picture(&unsafe { convert::picture::<S>(picture) }?))
    }
    match convert::shape(picture)?.bit_depth {
        // SAFETY: forwarded.
        8 => unsafe { of::<u8>(picture) },
        // SAFETY: forwarded.
        _ => unsafe { of::<u16>(picture) },
    }
}
