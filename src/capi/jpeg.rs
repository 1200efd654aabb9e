//! JPEG carriage.

use super::boundary::{bytes, guard, output};
use super::types::{SidelightBuffer, SidelightCodec, SidelightHints};
use crate::carriage::jpeg;
use crate::{Error, Result};
use libc::c_int;

/// Reads what a host needs to know of a JPEG file: its hints (quantisation tables, binding, and
/// coded_bytes = `size` less any payload segments, carriage_bytes; slope_db_per_byte is set to 0) and its
/// payload.
///
/// A payload segment in the file does not change the binding, nor does other metadata (APPn, COM);
/// any change of coded data does.
///
/// @param jpeg    the whole file, `size` bytes; any bytes are safe. Without `hints` only the bytes
/// before the first scan are needed.
/// @param hints   NULL if they are not wanted; written if the result is 0 or SIDELIGHT_ERROR_NO_PAYLOAD.
/// @param payload NULL if it is not wanted; written if the result is 0; free with
/// sidelight_buffer_unref().
/// @return 0; SIDELIGHT_ERROR_NO_PAYLOAD if one is wanted and there is none; SIDELIGHT_ERROR_CORRUPT if
/// this is no JPEG, or a segment before, between or after its scans is damaged or cut off (scans that are
/// cut off are not looked into), or the luma table does not stand before the first scan;
/// SIDELIGHT_ERROR_UNSUPPORTED for lossless, hierarchical and arithmetic-coded files and those whose height
/// stands behind the scan; SIDELIGHT_ERROR_INVALID_ARGUMENT if `jpeg` or both others are NULL;
/// SIDELIGHT_ERROR_OUT_OF_MEMORY.
#[no_mangle]
pub unsafe extern "C" fn sidelight_jpeg_read(
    jpeg: *const u8,
    size: usize,
    hints: *mut SidelightHints,
    payload: *mut SidelightBuffer,
) -> c_int {
    guard("sidelight_jpeg_read", || {
        if hints.is_null() && payload.is_null() {
            return Err(Error::InvalidArgument);
        }
        // SAFETY: the caller's promise.
        let jpeg = unsafe { bytes(jpeg, size) }?;
        let read = if hints.is_null() { None } else { Some(hints_of(jpeg)?) };
        let found = if payload.is_null() {
            Ok(None)
        } else {
            jpeg::extract(jpeg).and_then(SidelightBuffer::new).map(Some)
        };
        if matches!(found, Err(error) if error != Error::NoPayload) {
            return found.map(|_| 0);
        }
        if let Some(read) = read {
            // SAFETY: not NULL, and the caller promises that it is writable.
            unsafe { hints.write(read) };
        }
        if let Some(found) = found? {
            // SAFETY: as above.
            unsafe { payload.write(found) };
        }
        Ok(0)
    })
}

fn hints_of(jpeg: &[u8]) -> Result<SidelightHints> {
    let info = jpeg::info(jpeg)?;
    let luma = *info.luma_quant().ok_or(Error::Corrupt)?;
    let chroma = info.chroma_quant().copied().unwrap_or([0; 64]);
    let plain = jpeg::size_without_payload(jpeg)?;
    Ok(SidelightHints {
        codec: SidelightCodec::Jpeg as u32,
        quant: [luma, chroma],
        binding: info.binding,
        coded_bytes: plain as u64,
        slope_db_per_byte: 0.0,
        carriage_bytes: jpeg::CARRIAGE_BYTES,
        qp: [0; 3],
        reserved: [0; 57],
    })
}

/// Copies a JPEG file with `payload` as an APP10 segment, or with none. All other bytes stay as they
/// are, so stock decoders see the same picture. In a multi-picture file the segment goes before the MPF
/// segment, so the other pictures stay in reach.
///
/// @param payload takes the place of all payloads in the file; NULL to remove them.
/// @param payload_size bytes of the payload; 0 if NULL.
/// @param out written on success only; free with sidelight_buffer_unref().
/// @return 0; SIDELIGHT_ERROR_CORRUPT if the markers can't be parsed; SIDELIGHT_ERROR_INVALID_ARGUMENT
/// for NULL, or bytes that are no payload (none, or the first is 0xFF); SIDELIGHT_ERROR_TOO_LARGE;
/// SIDELIGHT_ERROR_OUT_OF_MEMORY.
#[no_mangle]
pub unsafe extern "C" fn sidelight_jpeg_rewrite(
    jpeg: *const u8,
    size: usize,
    payload: *const u8,
    payload_size: usize,
    out: *mut SidelightBuffer,
) -> c_int {
    guard("sidelight_jpeg_rewrite", || {
        let out = output(out)?;
        // SAFETY: the caller's promise.
        let (jpeg, bytes) = unsafe { (bytes(jpeg, size)?, bytes(payload, payload_size)?) };
        let copy = if payload.is_null() { jpeg::remove(jpeg)? } else { jpeg::insert(jpeg, bytes)? };
        let copy = SidelightBuffer::new(copy)?;
        // SAFETY: not NULL, and the caller promises that it is writable.
        unsafe { out.write(copy) };
        Ok(0)
    })
}
