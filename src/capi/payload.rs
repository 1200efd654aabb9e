//! Payloads by themselves.

use super::boundary::{bytes, guard, output, reference};
use super::convert;
use super::types::{SidelightPayloadInfo, SidelightPicture};
use crate::payload::{self, binding};
use crate::{Error, Mode, Result, Sample};
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

/// Reads what a payload says of itself. Its form is checked, the update's too where the model is known;
/// what it is bound to and whether the updated weights are in range, only a decoder can tell.
///
/// @param payload `size` bytes; any bytes are safe.
/// @param info    written on success only.
/// @return 0; SIDELIGHT_ERROR_CORRUPT; SIDELIGHT_ERROR_UNSUPPORTED for a later version or mode (damage may
/// look like one); SIDELIGHT_ERROR_TOO_LARGE above 65536 bytes; SIDELIGHT_ERROR_INVALID_ARGUMENT for NULL.
#[no_mangle]
pub unsafe extern "C" fn sidelight_payload_probe(
    payload: *const u8,
    size: usize,
    info: *mut SidelightPayloadInfo,
) -> c_int {
    guard("sidelight_payload_probe", || {
        let out = output(info)?;
        // SAFETY: the caller's promise.
        let payload = unsafe { bytes(payload, size) }?;
        let probe = crate::probe(payload)?;
        let (codec, model_size) = match probe.known {
            Some((kind, size)) => (convert::codec_out(kind) as u32, convert::size_out(size) as u32),
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
            reserved: [0; 5],
            reserved64: [0; 4],
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
