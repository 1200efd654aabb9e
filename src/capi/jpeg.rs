//! JPEG carriage.

use super::boundary::{bytes, guard, output};
use super::types::{SidelightBuffer, SidelightCodec, SidelightHints};
use crate::carriage::jpeg;
use crate::Error;
use libc::c_int;

/// Reads the hints of a JPEG file: quantisation tables and binding, and coded_bytes (= `size` less
/// any payload segments) and carriage_bytes. slope_db_per_byte is set to 0.
///
/// A payload segment in the file does not change the binding, nor does other metadata (APPn, COM);
/// any change of coded data does.
///
/// @param jpeg  the whole file, `size` bytes; any bytes are safe.
/// @param hints written on success only.
/// @return 0; SIDELIGHT_ERROR_CORRUPT if this is no JPEG, or a segment before, between or after its
/// scans is damaged or cut off (scans that are cut off are not looked into), or the luma table does not
/// stand before the first scan; SIDELIGHT_ERROR_UNSUPPORTED for lossless, hierarchical and
/// arithmetic-coded files and those whose height stands behind the scan;
/// SIDELIGHT_ERROR_INVALID_ARGUMENT for NULL.
#[no_mangle]
pub unsafe extern "C" fn sidelight_jpeg_hints(
    jpeg: *const u8,
    size: usize,
    hints: *mut SidelightHints,
) -> c_int {
    guard("sidelight_jpeg_hints", || {
        let out = output(hints)?;
        // SAFETY: the caller's promise.
        let jpeg = unsafe { bytes(jpeg, size) }?;
        let info = jpeg::info(jpeg)?;
        let luma = *info.luma_quant().ok_or(Error::Corrupt)?;
        let chroma = info.chroma_quant().copied().unwrap_or([0; 64]);
        let plain = jpeg::size_without_payload(jpeg)?;
        let filled = SidelightHints {
            codec: SidelightCodec::Jpeg as u32,
            quant: [luma, chroma],
            binding: info.binding,
            coded_bytes: plain as u64,
            slope_db_per_byte: 0.0,
            carriage_bytes: jpeg::CARRIAGE_BYTES,
            qp: [0; 3],
            reserved: [0; 57],
        };
        // SAFETY: not NULL, and the caller promises that it is writable.
        unsafe { out.write(filled) };
        Ok(0)
    })
}

/// Copies a JPEG file with `payload` inserted as an APP10 segment; a payload that is already there
/// is replaced. All other bytes stay as they are, so stock decoders see the same picture. In a
/// multi-picture file the segment goes before the MPF segment, so the other pictures stay in reach.
///
/// @param out written on success only; free with sidelight_buffer_unref().
/// @return 0; SIDELIGHT_ERROR_CORRUPT if the markers can't be parsed; SIDELIGHT_ERROR_INVALID_ARGUMENT
/// for NULL, or bytes that are no payload (none, or the first is 0xFF); SIDELIGHT_ERROR_TOO_LARGE;
/// SIDELIGHT_ERROR_OUT_OF_MEMORY.
#[no_mangle]
pub unsafe extern "C" fn sidelight_jpeg_insert(
    jpeg: *const u8,
    size: usize,
    payload: *const u8,
    payload_size: usize,
    out: *mut SidelightBuffer,
) -> c_int {
    guard("sidelight_jpeg_insert", || {
        let out = output(out)?;
        // SAFETY: the caller's promise.
        let jpeg = unsafe { bytes(jpeg, size) }?;
        // SAFETY: the caller's promise.
        let payload = unsafe { bytes(payload, payload_size) }?;
        let result = SidelightBuffer::new(jpeg::insert(jpeg, payload)?);
        // SAFETY: not NULL, and the caller promises that it is writable.
        unsafe { out.write(result) };
        Ok(0)
    })
}

/// Finds the payload of a JPEG file. Only bytes before the first scan are needed.
///
/// @param payload written on success only; free with sidelight_buffer_unref().
/// @return 0; SIDELIGHT_ERROR_NO_PAYLOAD; SIDELIGHT_ERROR_CORRUPT; SIDELIGHT_ERROR_INVALID_ARGUMENT for
/// NULL; SIDELIGHT_ERROR_OUT_OF_MEMORY.
#[no_mangle]
pub unsafe extern "C" fn sidelight_jpeg_extract(
    jpeg: *const u8,
    size: usize,
    payload: *mut SidelightBuffer,
) -> c_int {
    guard("sidelight_jpeg_extract", || {
        let out = output(payload)?;
        // SAFETY: the caller's promise.
        let jpeg = unsafe { bytes(jpeg, size) }?;
        let result = SidelightBuffer::new(jpeg::extract(jpeg)?);
        // SAFETY: not NULL, and the caller promises that it is writable.
        unsafe { out.write(result) };
        Ok(0)
    })
}

/// Copies a JPEG file without our payload segments.
///
/// @param out written on success only; free with sidelight_buffer_unref().
/// @return 0; SIDELIGHT_ERROR_CORRUPT; SIDELIGHT_ERROR_INVALID_ARGUMENT for NULL;
/// SIDELIGHT_ERROR_OUT_OF_MEMORY.
#[no_mangle]
pub unsafe extern "C" fn sidelight_jpeg_remove(
    jpeg: *const u8,
    size: usize,
    out: *mut SidelightBuffer,
) -> c_int {
    guard("sidelight_jpeg_remove", || {
        let out = output(out)?;
        // SAFETY: the caller's promise.
        let jpeg = unsafe { bytes(jpeg, size) }?;
        let result = SidelightBuffer::new(jpeg::remove(jpeg)?);
        // SAFETY: not NULL, and the caller promises that it is writable.
        unsafe { out.write(result) };
        Ok(0)
    })
}
