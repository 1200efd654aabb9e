//! Payloads by themselves.

use super::boundary::{guard, output, reference, require, slice, text, Result};
use super::convert::{self, Passed};
use super::types::{SidelightPayloadInfo, SidelightPicture};
use crate::payload::{self, binding};
use crate::{Error, Mode, Sample};
use std::ffi::c_int;

/// Binds an encoder's payload to the decoded picture that will carry it. A payload for video stands in front of the
/// first picture that it is for and is repeated at every IRAP picture that it is to outlive: each copy is bound to its
/// own carrier.
///
/// @param payload `size` bytes, changed in place on success only.
/// @param carrier the decoded picture; its type is not looked at.
/// @return 0; SIDELIGHT_ERROR_CORRUPT, SIDELIGHT_ERROR_UNSUPPORTED or SIDELIGHT_ERROR_TOO_LARGE if this is no payload.
#[no_mangle]
pub unsafe extern "C" fn sidelight_payload_bind(
    payload: *mut u8,
    size: usize,
    carrier: *const SidelightPicture,
) -> c_int {
    guard("sidelight_payload_bind", || {
        let payload = output(payload, "payload")?;
        require(size <= isize::MAX as usize, || text!("size is {size}, more than fits in memory"))?;
        // SAFETY: NULL, or valid by the caller's promise.
        let carrier = Passed::new(unsafe { reference(carrier, "carrier") }?, "carrier");
        // SAFETY: the caller promises that the planes are readable.
        let binding = unsafe { binding_of(carrier) }?;
        // SAFETY: not NULL, and the caller promises `size` bytes to write.
        let payload = unsafe { std::slice::from_raw_parts_mut(payload, size) };
        payload::rebind(payload, binding)?;
        Ok(0)
    })
}

/// Reads what a payload says of itself. Its form is checked, the update's too where the model is known; what it is
/// bound to and whether the updated weights are in range, only a decoder can tell.
///
/// @return 0; SIDELIGHT_ERROR_CORRUPT; SIDELIGHT_ERROR_UNSUPPORTED for a later version or mode (damage may look like
/// one); SIDELIGHT_ERROR_TOO_LARGE above SIDELIGHT_MAX_PAYLOAD.
#[no_mangle]
pub unsafe extern "C" fn sidelight_payload_probe(
    payload: *const u8,
    size: usize,
    info: *mut SidelightPayloadInfo,
) -> c_int {
    guard("sidelight_payload_probe", || {
        let out = output(info, "info")?;
        // SAFETY: the caller's promise.
        let payload = unsafe { slice(payload, size, ["payload", "size"]) }?;
        let probe = crate::probe(payload)?;
        let (codec, model_size) = match probe.known {
            Some((kind, size)) => {
                (convert::codec_out(kind) as u32, convert::model_size_out(size) as u32)
            }
            None => (0, 0),
        };
        let filled = SidelightPayloadInfo {
            mode: probe.mode as u32,
            model: probe.model,
            known: u32::from(probe.known.is_some() || probe.mode == Mode::Off),
            codec,
            model_size,
            update_bytes: u32::try_from(probe.update_bytes).map_err(|_| Error::Internal)?,
            qp: probe.strengths.unwrap_or_default(),
            reserved: [0; 37],
        };
        // SAFETY: not NULL, and the caller promises that it is writable.
        unsafe { out.write(filled) };
        Ok(0)
    })
}

/// The context binding of a decoded picture.
///
/// # Safety
/// The picture's planes are readable, as the header says.
unsafe fn binding_of(picture: Passed<'_>) -> Result<u64> {
    /// # Safety
    /// What the function around it asks for holds.
    unsafe fn of<S: Sample>(picture: Passed<'_>) -> Result<u64> {
        // SAFETY: forwarded.
        Ok(binding::of_picture(&unsafe { picture.picture::<S>() }?))
    }
    match picture.shape()?.bit_depth {
        // SAFETY: forwarded.
        8 => unsafe { of::<u8>(picture) },
        // SAFETY: forwarded.
        _ => unsafe { of::<u16>(picture) },
    }
}
