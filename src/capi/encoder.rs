use super::types::*;
use libc::c_int;

/// An encoder: fine-tunes the network on pictures and writes payloads. One thread at a time may use
/// it; it may move between threads.
pub struct SidelightEncoder {
    _inner: (),
}

/// Fills `settings` with the defaults. NULL is ignored.
#[no_mangle]
pub unsafe extern "C" fn sidelight_encoder_default_settings(
    settings: *mut SidelightEncoderSettings,
) {
    todo!()
}

/// Opens an encoder.
///
/// @param settings copied; NULL for the defaults.
/// @param out      written on success only; close with sidelight_encoder_close().
/// @return 0; SIDELIGHT_ERROR_INVALID_ARGUMENT; SIDELIGHT_ERROR_OUT_OF_MEMORY.
#[no_mangle]
pub unsafe extern "C" fn sidelight_encoder_open(
    settings: *const SidelightEncoderSettings,
    out: *mut *mut SidelightEncoder,
) -> c_int {
    todo!()
}

/// Makes the payload of one picture.
///
/// The choice among off, base and update falls by net gain: luma PSNR less what the payload's bytes
/// would have bought at `hints->slope_db_per_byte`. The same input gives the same payload on every
/// machine and with any number of threads.
///
/// @param original the picture before coding.
/// @param decoded  the codec's decoded picture, of the same shape.
/// @param hints    how it was coded.
/// @param payload  written on success only; at least 8 bytes; free with sidelight_buffer_unref().
/// @param report   what was measured, written on success only; may be NULL.
/// @return 0 (also when canceled: the best so far); SIDELIGHT_ERROR_INVALID_ARGUMENT;
/// SIDELIGHT_ERROR_UNSUPPORTED (bit depth, codec); SIDELIGHT_ERROR_OUT_OF_MEMORY.
#[no_mangle]
pub unsafe extern "C" fn sidelight_encoder_encode(
    encoder: *mut SidelightEncoder,
    original: *const SidelightPicture,
    decoded: *const SidelightPicture,
    hints: *const SidelightHints,
    payload: *mut SidelightBuffer,
    report: *mut SidelightReport,
) -> c_int {
    todo!()
}

/// Closes an encoder and sets `*encoder` to NULL. NULL and a pointer to NULL are fine.
#[no_mangle]
pub unsafe extern "C" fn sidelight_encoder_close(encoder: *mut *mut SidelightEncoder) {
    todo!()
}
