//! JPEG carriage.

use super::boundary::{bytes, guard, output};
use super::types::{SidelightBuffer, SidelightCodec, SidelightCodecParams};
use crate::carriage::jpeg;
use crate::{Error, Result};
use libc::c_int;

/// Reads what a host needs to know of a JPEG file: its payload, and its params, which are codec,
/// quantisation tables, binding, coded_bytes and carriage_bytes; all else in them is 0. Colour space and
/// sampling are not looked at.
///
/// The binding covers what decides the decoded samples: all segments but metadata (APPn, COM; a payload is
/// one) and the coded data. What stands behind EOI is not looked at. coded_bytes counts the same.
///
/// @param jpeg    the whole file, `size` bytes; any bytes are safe. Without `params` only the bytes up to
/// the first scan's marker (FF DA) are needed.
/// @param params   NULL if they are not wanted. Else always written: where they can't be had, with zeros,
/// so that params->codec tells whether they are there, whatever the payload is like.
/// @param payload NULL if it is not wanted; written if the result is 0; free with
/// sidelight_buffer_unref().
/// @return 0; SIDELIGHT_ERROR_NO_PAYLOAD if one is wanted and there is none; SIDELIGHT_ERROR_CORRUPT if
/// this is no JPEG, a segment before the first scan is damaged, or a payload is wanted and its segments do
/// not make one; SIDELIGHT_ERROR_INVALID_ARGUMENT if `jpeg` is NULL and `size` is not 0, or if both others
/// are NULL; SIDELIGHT_ERROR_OUT_OF_MEMORY. With `params` also SIDELIGHT_ERROR_CORRUPT if a segment between or
/// behind the scans is damaged or cut off (coded data that is cut off is not noticed) or the luma table
/// does not stand before the first scan, and SIDELIGHT_ERROR_UNSUPPORTED for lossless, hierarchical and
/// arithmetic-coded files, for those of more than 8 bits, and for those whose height stands behind the
/// first scan.
#[no_mangle]
pub unsafe extern "C" fn sidelight_jpeg_read(
    jpeg: *const u8,
    size: usize,
    params: *mut SidelightCodecParams,
    payload: *mut SidelightBuffer,
) -> c_int {
    if !params.is_null() {
        // SAFETY: not NULL, and the caller promises that it is writable.
        unsafe { params.write(NO_HINTS) };
    }
    guard("sidelight_jpeg_read", || {
        if params.is_null() && payload.is_null() {
            return Err(Error::InvalidArgument);
        }
        // SAFETY: the caller's promise.
        let jpeg = unsafe { bytes(jpeg, size) }?;
        if !params.is_null() {
            let read = params_of(jpeg)?;
            // SAFETY: not NULL, and the caller promises that it is writable.
            unsafe { params.write(read) };
        }
        if !payload.is_null() {
            let found = SidelightBuffer::new(jpeg::extract(jpeg)?)?;
            // SAFETY: as above.
            unsafe { payload.write(found) };
        }
        Ok(0)
    })
}

const NO_HINTS: SidelightCodecParams = SidelightCodecParams {
    codec: 0,
    quant: [[0; 64]; 2],
    carriage_bytes: 0,
    binding: 0,
    coded_bytes: 0,
    slope_db_per_byte: 0.0,
    qp: [0; 3],
    reserved: [0; 61],
};

fn params_of(jpeg: &[u8]) -> Result<SidelightCodecParams> {
    let info = jpeg::info(jpeg)?;
    let luma = *info.luma_quant().ok_or(Error::Corrupt)?;
    let chroma = info.chroma_quant().copied().unwrap_or([0; 64]);
    Ok(SidelightCodecParams {
        codec: SidelightCodec::Jpeg as u32,
        quant: [luma, chroma],
        carriage_bytes: jpeg::CARRIAGE_BYTES,
        binding: info.binding,
        coded_bytes: info.coded_bytes as u64,
        ..NO_HINTS
    })
}

/// Copies a JPEG file with `payload` as an APP10 segment, or with none. All other bytes stay as they
/// are, so stock decoders see the same picture. In a multi-picture file the segment goes before the MPF
/// segment, so the other pictures stay in reach; where a payload of another writer stands behind the MPF
/// segment, taking it out moves them.
///
/// @param jpeg the whole file, `size` bytes; any bytes are safe.
/// @param payload takes the place of all payloads in the file; NULL to remove them. Only its first byte is
/// looked at.
/// @param payload_size bytes of the payload; 0 if NULL.
/// @param out written on success only; free with sidelight_buffer_unref().
/// @return 0; SIDELIGHT_ERROR_CORRUPT if this is no JPEG or a segment before the first scan is damaged;
/// SIDELIGHT_ERROR_INVALID_ARGUMENT for other NULLs, or a payload that is empty or begins with 0xFF;
/// SIDELIGHT_ERROR_TOO_LARGE above 16708365 bytes (decoders take 65536); SIDELIGHT_ERROR_OUT_OF_MEMORY.
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
