//! JPEG carriage.

use super::boundary::{guard, log, output, reference, require, slice, text, Refusal, Result};
use super::convert::Passed;
use super::types::{
    SidelightBuffer, SidelightCodec, SidelightCodecParams, SidelightLogLevel, SidelightPicture,
};
use crate::carriage::jpeg;
use crate::codec::accuracy;
use crate::payload::MAX_PAYLOAD;
use crate::Error;
use std::ffi::c_int;

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
/// `params` also SIDELIGHT_ERROR_CORRUPT if a segment between the scans is damaged or luma has no table, and
/// SIDELIGHT_ERROR_UNSUPPORTED for lossless, hierarchical and arithmetic-coded files, for those of more than 8 bits,
/// and for those whose height stands behind the first scan.
///
/// Where one of the two is damaged, asking for the other alone still gives it: NULL for `payload` gives the `params` of
/// a file with a damaged payload.
///
/// The binding covers what decides the decoded samples: size, sampling, quantisation tables and quantised coefficients.
/// Edits of metadata keep it (a payload is metadata), and so does lossless recoding: other Huffman tables, restart
/// intervals, scans. A file whose coefficients can't be told from it (damaged or cut off, or a progressive one that
/// lacks scans) is bound to its bytes without metadata. coded_bytes counts all bytes up to EOI without metadata. What
/// stock decoders pass over is passed over: bytes that belong to no segment, a missing EOI, what stands behind it. A
/// quantisation step of 0, which keeps nothing, is told as the table's largest. Colour space and sampling are not
/// looked at.
///
/// Reading coefficients takes some milliseconds a megapixel and, of progressive files, a quarter of a byte for each
/// coefficient.
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
    let info = jpeg::info(jpeg).map_err(|error| match error {
        Error::Unsupported => Refusal::new(error, jpeg::why_unsupported(jpeg)),
        error => error.into(),
    })?;
    let luma = info.luma_quant();
    let luma =
        luma.ok_or_else(|| Refusal::new(Error::Corrupt, "luma has no quantisation table"))?;
    let chroma = info.chroma_quant().unwrap_or([0; 64]);
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
/// decoders see the same picture. The segment goes behind the metadata that follow SOI, in a multi-picture file before
/// its MPF segment, so that the other pictures stay in reach.
///
/// @param jpeg         the whole file, `size` bytes; any bytes are safe.
/// @param payload      takes the place of all payloads in the file; NULL to remove them. Its bytes are not looked at.
/// @param payload_size bytes of the payload, 1 to SIDELIGHT_MAX_PAYLOAD; 0 if NULL.
/// @param out          to be freed with sidelight_buffer_unref().
/// @return 0; SIDELIGHT_ERROR_CORRUPT if this is no JPEG or a segment before the first scan is damaged;
/// SIDELIGHT_ERROR_TOO_LARGE above SIDELIGHT_MAX_PAYLOAD; SIDELIGHT_ERROR_CONFLICT if the change would break something
/// that the file holds: Content Credentials (C2PA), whose signature covers its bytes, or offsets in EXIF, maker notes,
/// MPF or AFCP data that lead to pictures behind EOI. sidelight_jpeg_rewrite_anyway() then breaks it.
#[no_mangle]
pub unsafe extern "C" fn sidelight_jpeg_rewrite(
    jpeg: *const u8,
    size: usize,
    payload: *const u8,
    payload_size: usize,
    out: *mut SidelightBuffer,
) -> c_int {
    guard("sidelight_jpeg_rewrite", || {
        // SAFETY: the caller's promises.
        unsafe { rewrite(jpeg, size, payload, payload_size, out, jpeg::insert, jpeg::remove) }
    })
}

/// Does as sidelight_jpeg_rewrite() does, also where that is SIDELIGHT_ERROR_CONFLICT: afterwards the file's signature
/// is invalid, or what its metadata point to behind EOI is not found.
#[no_mangle]
pub unsafe extern "C" fn sidelight_jpeg_rewrite_anyway(
    jpeg: *const u8,
    size: usize,
    payload: *const u8,
    payload_size: usize,
    out: *mut SidelightBuffer,
) -> c_int {
    guard("sidelight_jpeg_rewrite_anyway", || {
        // SAFETY: the caller's promises.
        unsafe {
            rewrite(
                jpeg,
                size,
                payload,
                payload_size,
                out,
                jpeg::insert_anyway,
                jpeg::remove_anyway,
            )
        }
    })
}

/// # Safety
/// `jpeg` is NULL or readable for `size` bytes, `payload` for `payload_size`; `out` is NULL or writable.
unsafe fn rewrite(
    jpeg: *const u8,
    size: usize,
    payload: *const u8,
    payload_size: usize,
    out: *mut SidelightBuffer,
    insert: fn(&[u8], &[u8]) -> crate::Result<Vec<u8>>,
    remove: fn(&[u8]) -> crate::Result<Vec<u8>>,
) -> Result<c_int> {
    let out = output(out, "out")?;
    // SAFETY: the caller's promise.
    let jpeg = unsafe { slice(jpeg, size, ["jpeg", "size"]) }?;
    // SAFETY: the caller's promise.
    let bytes = unsafe { new_payload(payload, payload_size, "payload_size") }?;
    let copy = match bytes {
        None => remove(jpeg)?,
        Some(bytes) => insert(jpeg, bytes)?,
    };
    let copy = SidelightBuffer::new(copy)?;
    // SAFETY: not NULL, and the caller promises that it is writable.
    unsafe { out.write(copy) };
    Ok(0)
}

/// Compares decoded planes with those of libjpeg's accurate integer inverse transform (JDCT_ISLOW, its default), which
/// models and payloads are made for. Payloads gain less behind another one: docs/carriage-jpeg.md says how much.
///
/// @param jpeg    the whole file, `size` bytes; any bytes are safe.
/// @param decoded the planes as coded, of 8 bits, before chroma is interpolated.
/// @return the largest difference that was found in some 256 blocks of each plane, in levels, 0 to 255: 0 behind the
/// accurate transform, 1 behind a floating-point one, which is as good; more is worth a warning, which the log has, and
/// planes taken from RGB come to 2 to 20. SIDELIGHT_ERROR_INVALID_ARGUMENT if the planes are not of the file's sizes;
/// SIDELIGHT_ERROR_CORRUPT also if the file is damaged or cut off; otherwise as sidelight_jpeg_read().
#[no_mangle]
pub unsafe extern "C" fn sidelight_jpeg_check_planes(
    jpeg: *const u8,
    size: usize,
    decoded: *const SidelightPicture,
) -> c_int {
    guard("sidelight_jpeg_check_planes", || {
        // SAFETY: the caller's promises.
        let (jpeg, decoded) = unsafe {
            let decoded = Passed::new(reference(decoded, "decoded")?, "decoded");
            (slice(jpeg, size, ["jpeg", "size"])?, decoded)
        };
        let shape = decoded.shape()?;
        require(shape.bit_depth == 8, || {
            text!("decoded->bit_depth is {}, not 8", shape.bit_depth)
        })?;
        // SAFETY: the caller's promise.
        let picture = unsafe { decoded.picture::<u8>() }?;
        let difference = accuracy::check_planes(jpeg, &picture).map_err(|error| match error {
            Error::InvalidArgument => {
                Refusal::new(error, "decoded's planes are not of the file's sizes")
            }
            error => error.into(),
        })?;
        if difference > 1 {
            log(
                SidelightLogLevel::Warning,
                format_args!(
                    "sidelight_jpeg_check_planes: samples differ by up to {difference} from the accurate \
                     integer transform's: filtered they gain less"
                ),
            );
        }
        Ok(difference.into())
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
    require(size > 0, || text!("{size_name} is 0, but payload is not NULL"))?;
    if size > MAX_PAYLOAD {
        let what = text!("{size_name} is {size}, more than {MAX_PAYLOAD}");
        return Err(Refusal::new(Error::TooLarge, what));
    }
    Ok(Some(bytes))
}
