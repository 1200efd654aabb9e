use super::types::*;
use libc::c_int;

/// A decoder: holds the model that a payload asks for and filters pictures with it. One thread at a
/// time may use it, but sidelight_decoder_filter_band() may be called by several at once.
pub struct SidelightDecoder {
    _inner: (),
}

/// Fills `settings` with the defaults. NULL is ignored.
#[no_mangle]
pub unsafe extern "C" fn sidelight_decoder_default_settings(
    settings: *mut SidelightDecoderSettings,
) {
    todo!()
}

/// Opens a decoder. Until a payload or a base model is set, it passes pictures through unfiltered.
///
/// @param settings copied; NULL for the defaults.
/// @param out      written on success only; close with sidelight_decoder_close().
/// @return 0; SIDELIGHT_ERROR_INVALID_ARGUMENT; SIDELIGHT_ERROR_OUT_OF_MEMORY.
#[no_mangle]
pub unsafe extern "C" fn sidelight_decoder_open(
    settings: *const SidelightDecoderSettings,
    out: *mut *mut SidelightDecoder,
) -> c_int {
    todo!()
}

/// Sets what a payload asks for. On any error the decoder passes pictures through unfiltered.
///
/// @param payload  `size` bytes; any bytes are safe.
/// @param hints    how the picture was coded; its binding must be the one that the encoder saw.
/// @return the payload's SidelightMode (0, 1 or 2); SIDELIGHT_ERROR_CORRUPT; SIDELIGHT_ERROR_STALE if it
/// was made for another picture; SIDELIGHT_ERROR_UNKNOWN_MODEL; SIDELIGHT_ERROR_UNSUPPORTED;
/// SIDELIGHT_ERROR_INVALID_ARGUMENT.
#[no_mangle]
pub unsafe extern "C" fn sidelight_decoder_set_payload(
    decoder: *mut SidelightDecoder,
    payload: *const u8,
    size: usize,
    hints: *const SidelightHints,
) -> c_int {
    todo!()
}

/// Sets filtering without a payload: SIDELIGHT_MODE_BASE for the codec's default base model,
/// SIDELIGHT_MODE_OFF to pass pictures through.
///
/// @param hints how the picture was coded; may be NULL with SIDELIGHT_MODE_OFF. Its binding is not
/// looked at.
/// @return 0; SIDELIGHT_ERROR_INVALID_ARGUMENT; SIDELIGHT_ERROR_UNSUPPORTED. On an error the decoder
/// passes pictures through.
#[no_mangle]
pub unsafe extern "C" fn sidelight_decoder_set_mode(
    decoder: *mut SidelightDecoder,
    mode: u32,
    hints: *const SidelightHints,
) -> c_int {
    todo!()
}

/// Filters a whole picture with the decoder's own threads; copies it where the mode is off.
///
/// @param in  the decoded picture.
/// @param out a picture of the same shape, whose planes do not overlap those of `in`; written on
/// success only.
/// @return 0; SIDELIGHT_ERROR_INVALID_ARGUMENT; SIDELIGHT_ERROR_UNSUPPORTED; SIDELIGHT_ERROR_OUT_OF_MEMORY.
#[no_mangle]
pub unsafe extern "C" fn sidelight_decoder_filter(
    decoder: *mut SidelightDecoder,
    r#in: *const SidelightPicture,
    out: *const SidelightPicture,
) -> c_int {
    todo!()
}

/// Filters the luma rows `first_row .. end_row` and the chroma rows that belong to them, on the
/// calling thread. Bands give the same bytes as the whole picture.
///
/// Several threads may call it at once on one decoder with bands that do not overlap; nobody may
/// change the decoder meanwhile.
///
/// @param in        the whole decoded picture: a band reads rows beyond its own.
/// @param out       the whole output picture; only the band's rows are written.
/// @param first_row first luma row, even.
/// @param end_row   row after the last; even, or the picture's height.
/// @return as sidelight_decoder_filter().
#[no_mangle]
pub unsafe extern "C" fn sidelight_decoder_filter_band(
    decoder: *const SidelightDecoder,
    r#in: *const SidelightPicture,
    out: *const SidelightPicture,
    first_row: u32,
    end_row: u32,
) -> c_int {
    todo!()
}

/// Closes a decoder and sets `*decoder` to NULL. NULL and a pointer to NULL are fine.
#[no_mangle]
pub unsafe extern "C" fn sidelight_decoder_close(decoder: *mut *mut SidelightDecoder) {
    todo!()
}
