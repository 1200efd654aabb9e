//! JPEG carriage.

use super::boundary::{guard, output, require, slice, Refusal, Result};
use super::types::{SidelightBuffer, SidelightCodec, SidelightCodecParams};
use crate::carriage::jpeg;
use crate::payload::MAX_PAYLOAD;
use crate::Error;
use libc::c_int;

/// Reads a JPEG file's payload, and what of the file a filter and an encoder need to know.
///
/// @param jpeg    the whole file, `size` bytes; any bytes are safe. Without `params` only the bytes up to the first
/// scan's marker (FF DA) are needed.
/// @param params  codec, quantisation tables, binding, coded_bytes and carriage_bytes; all else in it becomes 0. NULL
/// if it is not wanted.
/// @param payload the payload, to be freed with sidelight_buffer_unref(); without one in the file no bytes and NULL.
/// NULL if it is not wanted, but not both NULL.
/// @return 1 with a payload, 0 if there is none or none is wanted; SIDELIGHT_ERROR_CORRUPT if this is no JPEG, a
/// segment before the first scan is damaged, or a payload is wanted and its segment is empty or not the only one. With
/// `params` also SIDELIGHT_ERROR_CORRUPT if a segment between or behind the scans is damaged or cut off (coded data
/// that is cut off is not noticed) or the luma table does not stand before the first scan, and
/// SIDELIGHT_ERROR_UNSUPPORTED for lossless, hierarchical and arithmetic-coded files, for those of more than 8 bits,
/// and for those whose height stands behind the first scan.
///
/// Where one of the two is damaged, asking for the other alone still gives it: NULL for `payload` gives the `params` of
/// a file with a damaged payload.
///
/// The binding covers what decides the decoded samples: all segments but metadata (APPn, COM; a payload is one) and the
/// coded data. coded_bytes counts the same. What stands behind EOI, colour space and sampling are not looked at.
#[no_mangle]
pub unsafe extern "C" fn sidelight_jpeg_read(
    jpeg: *const u8,
    size: usize,
    params: *mut SidelightCodecParams,
    payload: *mut SidelightBuffer,
) -> c_int {
    guard("sidelight_jpeg_read", || {
        require(!params.is_null() || !payload.is_null(), || "params and payload are both NULL")?;
        // SAFETY: the caller's promise.
        let jpeg = unsafe { slice(jpeg, size, ["jpeg", "size"]) }?;
        let read = if params.is_null() { None } else { Some(params_of(jpeg)?) };
        let found = match (!payload.is_null()).then(|| jpeg::extract(jpeg)) {
            None | Some(Err(Error::NoPayload)) => None,
            Some(found) => Some(found?),
        };
        let is_there = found.is_some();
        let found = SidelightBuffer::new(found.unwrap_or_default())?;
        if let Some(read) = read {
            // SAFETY: not NULL, and the caller promises that it is writable.
            unsafe { params.write(read) };
        }
        if !payload.is_null() {
            // SAFETY: as above.
            unsafe { payload.write(found) };
        }
        Ok(is_there.into())
    })
}

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
        slope_db_per_byte: 0.0,
        qp: [0; 3],
        reserved: [0; 61],
    })
}

/// Copies a JPEG file with `payload` as an APP10 segment, or with none. All other bytes stay as they are, so stock
/// decoders see the same picture. In a multi-picture file the segment goes before the MPF segment, so the other
/// pictures stay in reach; where a payload of another writer stands behind the MPF segment, taking it out moves them.
///
/// @param jpeg         the whole file, `size` bytes; any bytes are safe.
/// @param payload      takes the place of all payloads in the file; NULL to remove them. Its bytes are not looked at.
/// @param payload_size bytes of the payload, 1 to SIDELIGHT_MAX_PAYLOAD; 0 if NULL.
/// @param out          to be freed with sidelight_buffer_unref().
/// @return 0; SIDELIGHT_ERROR_CORRUPT if this is no JPEG or a segment before the first scan is damaged;
/// SIDELIGHT_ERROR_TOO_LARGE above SIDELIGHT_MAX_PAYLOAD.
#[no_mangle]
pub unsafe extern "C" fn sidelight_jpeg_rewrite(
    jpeg: *const u8,
    size: usize,
    payload: *const u8,
    payload_size: usize,
    out: *mut SidelightBuffer,
) -> c_int {
    guard("sidelight_jpeg_rewrite", || {
        let out = output(out, "out")?;
        // SAFETY: the caller's promise.
        let jpeg = unsafe { slice(jpeg, size, ["jpeg", "size"]) }?;
        // SAFETY: the caller's promise.
        let bytes = unsafe { new_payload(payload, payload_size, "payload_size") }?;
        let copy = match bytes {
            None => jpeg::remove(jpeg)?,
            Some(bytes) => jpeg::insert(jpeg, bytes)?,
        };
        let copy = SidelightBuffer::new(copy)?;
        // SAFETY: not NULL, and the caller promises that it is writable.
        unsafe { out.write(copy) };
        Ok(0)
    })
}

/// The payload that a carriage is to take; `None` for NULL.
///
/// # Safety
/// `payload` is NULL, or readable for `size` bytes that nobody changes for `'a`.
pub(super) unsafe fn new_payload<'a>(
    payload: *const u8,
    size: usize,
    size_name: &str,
) -> Result<Option<&'a [u8]>> {
    // SAFETY: forwarded.
    let bytes = unsafe { slice(payload, size, ["payload", size_name]) }?;
    if payload.is_null() {
        return Ok(None);
    }
    require(size > 0, || format!("{size_name} is 0, but payload is not NULL"))?;
    if size > MAX_PAYLOAD {
        let what = format!("{size_name} is {size}, more than {MAX_PAYLOAD}");
        return Err(Refusal::new(Error::TooLarge, what));
    }
    Ok(Some(bytes))
}
