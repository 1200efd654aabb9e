//! The decoder.

use super::boundary::{close, guard, open, output, reference, reference_mut, slice, Result};
use super::convert::{self, Passed};
use super::types::*;
use crate::{Decoder, DecoderSettings, Error, Mode, Sample};
use std::ffi::c_int;

/// A decoder: the model that a payload asks for, which filters pictures.
///
/// For each band that runs it needs three rows of every feature map, 2.4 MB where luma has 6000 columns, and keeps them
/// for the next: once a picture of a size has been filtered, bands take nothing from the heap (but whole pictures start
/// threads, unless the settings ask for one).
pub struct SidelightDecoder {
    inner: Decoder,
}

const DEFAULTS: SidelightDecoderSettings = SidelightDecoderSettings {
    threads: 0,
    skip_binding: 0,
    model_size: SidelightModelSize::Default as u32,
    reserved: [0; 15],
};

impl SidelightDecoder {
    fn new(settings: SidelightDecoderSettings) -> Result<Self> {
        convert::zero(&settings.reserved, "settings->reserved")?;
        let inner = Decoder::new(DecoderSettings {
            threads: convert::threads(settings.threads)?,
            skip_binding: settings.skip_binding != 0,
            model_size: convert::model_size(settings.model_size)?,
        });
        Ok(Self { inner })
    }
}

/// Opens a decoder, to be closed with sidelight_decoder_close(). The settings are copied; NULL stands for the defaults.
/// Until a payload or a base model is set, it passes pictures through unfiltered. Returns 0.
#[no_mangle]
pub unsafe extern "C" fn sidelight_decoder_open(
    settings: *const SidelightDecoderSettings,
    out: *mut *mut SidelightDecoder,
) -> c_int {
    guard("sidelight_decoder_open", || {
        let out = output(out, "out")?;
        // SAFETY: NULL, or valid by the caller's promise.
        let settings = unsafe { settings.as_ref() }.copied().unwrap_or(DEFAULTS);
        // SAFETY: not NULL, and the caller promises that it is writable.
        unsafe { open(out, SidelightDecoder::new(settings)?) }?;
        Ok(0)
    })
}

/// Sets what a payload asks for. On any error the decoder passes pictures through unfiltered.
///
/// The check is one against accidents: 8 bits of CRC over the payload and 16 bits that bind it to the picture. A
/// payload of another picture passes one time in 65536; then the filter runs with the wrong update, and safely.
///
/// @param params  how the picture was coded; its binding must be the one that the encoder saw.
/// @return the payload's SidelightMode (0, 1 or 2); SIDELIGHT_ERROR_CORRUPT; SIDELIGHT_ERROR_STALE if it was made for
/// another picture or is for another codec; SIDELIGHT_ERROR_UNKNOWN_MODEL; SIDELIGHT_ERROR_UNSUPPORTED for a later
/// version (damage may look like one) or codec; SIDELIGHT_ERROR_TOO_LARGE above SIDELIGHT_MAX_PAYLOAD.
#[no_mangle]
pub unsafe extern "C" fn sidelight_decoder_set_payload(
    decoder: *mut SidelightDecoder,
    payload: *const u8,
    size: usize,
    params: *const SidelightCodecParams,
) -> c_int {
    guard("sidelight_decoder_set_payload", || {
        // SAFETY: NULL, or a handle of `open` that no other thread uses.
        let decoder = unsafe { reference_mut(decoder, "decoder") }?;
        decoder.inner.set_off();
        // SAFETY: the caller's promises.
        let payload = unsafe { slice(payload, size, ["payload", "size"]) }?;
        // SAFETY: as above.
        let params = unsafe { reference(params, "params") }?;
        let mode = decoder.inner.set_payload(payload, &convert::params(params)?)?;
        Ok(mode as c_int)
    })
}

/// Takes the SEI messages of type user_data_unregistered that came with a decoded picture of a video, and sets what
/// they ask for. Call it for each picture in output order, before filtering it.
///
/// A payload that is bound to the picture is set; it holds for the pictures that follow until another one comes, or an
/// IRAP picture without one. The last one counts if there are several. Messages that are no payloads are skipped.
///
/// Files may keep a copy of the stream's first message (mkvmerge's do), and decoders hand that out with later pictures,
/// in front of their own or behind (FFmpeg 8 with every one). So on a picture that is not an IRAP picture a payload
/// that is not bound to it counts as none if it came before, byte for byte, with an IRAP picture or beside a payload
/// that was set. The decoder remembers the last 64 of these: keep it for the whole stream, over seeks too.
///
/// @param picture  the decoded picture; its picture_type says if it is an IRAP picture.
/// @param messages `count` messages, each beginning with its UUID; any bytes are safe. As FFmpeg's side data
/// AV_FRAME_DATA_SEI_UNREGISTERED: all entries of the frame, not only the first. Of more than 16 payloads the last 16
/// are tried.
/// @param sizes    bytes of each message.
/// @return the SidelightMode that was set (0, 1 or 2); SIDELIGHT_ERROR_NO_PAYLOAD if there is none, or nothing but
/// copies: the decoder goes on as before, but after an IRAP picture without any it passes pictures through; if none of
/// the payloads is good, and for nothing but a copy on an IRAP picture, as
/// sidelight_decoder_set_payload() for the last one. On any error but SIDELIGHT_ERROR_NO_PAYLOAD the decoder passes
/// pictures through.
#[no_mangle]
pub unsafe extern "C" fn sidelight_decoder_set_sei(
    decoder: *mut SidelightDecoder,
    picture: *const SidelightPicture,
    messages: *const *const u8,
    sizes: *const usize,
    count: usize,
) -> c_int {
    guard("sidelight_decoder_set_sei", || {
        // SAFETY: NULL, or a handle of `open` that no other thread uses.
        let decoder = unsafe { reference_mut(decoder, "decoder") }?;
        // SAFETY: the caller's promises.
        let set = unsafe { set_sei(&mut decoder.inner, picture, messages, sizes, count) };
        // What could not be read might have ended what was set before.
        let mode = set.inspect_err(|_| decoder.inner.set_off())?;
        Ok(mode.map(|mode| mode as c_int).ok_or(Error::NoPayload)?)
    })
}

/// # Safety
/// The header's conditions hold.
unsafe fn set_sei(
    decoder: &mut Decoder,
    picture: *const SidelightPicture,
    messages: *const *const u8,
    sizes: *const usize,
    count: usize,
) -> Result<Option<Mode>> {
    // SAFETY: the caller's promises.
    let (picture, messages, sizes) = unsafe {
        (
            Passed::new(reference(picture, "picture")?, "picture"),
            slice(messages, count, ["messages", "count"])?,
            slice(sizes, count, ["sizes", "count"])?,
        )
    };
    let bytes = |i: usize| {
        let names = [format_args!("messages[{i}]"), format_args!("sizes[{i}]")];
        // SAFETY: the caller promises that each message has as many bytes as its size says.
        unsafe { slice(messages[i], sizes[i], names) }
    };
    (0..count).try_for_each(|i| bytes(i).map(drop))?;
    // None is refused any more.
    let all = (0..count).map(|i| bytes(i).unwrap_or_default());
    Ok(match picture.shape()?.bit_depth {
        // SAFETY: the caller promises that the planes are readable.
        8 => decoder.set_messages(&unsafe { picture.picture::<u8>() }?, all),
        // SAFETY: as above.
        _ => decoder.set_messages(&unsafe { picture.picture::<u16>() }?, all),
    }?)
}

/// Sets filtering without a payload: SIDELIGHT_MODE_BASE for the base model that fits the codec and, for JPEG, the luma
/// table, SIDELIGHT_MODE_OFF to pass pictures through. On an error pictures pass through.
///
/// @param params how the picture was coded; may be NULL with SIDELIGHT_MODE_OFF. Its binding is not looked at.
/// @return 0; SIDELIGHT_ERROR_UNSUPPORTED for a later codec; SIDELIGHT_ERROR_UNKNOWN_MODEL if this build has no model
/// for the codec.
#[no_mangle]
pub unsafe extern "C" fn sidelight_decoder_set_mode(
    decoder: *mut SidelightDecoder,
    mode: u32,
    params: *const SidelightCodecParams,
) -> c_int {
    guard("sidelight_decoder_set_mode", || {
        // SAFETY: NULL, or a handle of `open` that no other thread uses.
        let decoder = unsafe { reference_mut(decoder, "decoder") }?;
        decoder.inner.set_off();
        let mode = convert::mode(mode)?;
        if mode != Mode::Off {
            // SAFETY: NULL, or valid by the caller's promise.
            let params = unsafe { reference(params, "params") }?;
            decoder.inner.set_mode(mode, &convert::params(params)?)?;
        }
        Ok(0)
    })
}

/// Sets how much of the correction pictures get, for viewers that want more of the texture kept: strength /
/// SIDELIGHT_FULL_STRENGTH of it, rounded for each sample; 0 leaves pictures as decoded. It holds whatever payload or
/// mode is set, until it is set anew. A decoder begins with full strength; only at that does it give the picture that the
/// encoder measured.
///
/// @param strength 0 to SIDELIGHT_FULL_STRENGTH.
/// @return 0; SIDELIGHT_ERROR_INVALID_ARGUMENT, and the strength stays as it was.
#[no_mangle]
pub unsafe extern "C" fn sidelight_decoder_set_strength(
    decoder: *mut SidelightDecoder,
    strength: u32,
) -> c_int {
    guard("sidelight_decoder_set_strength", || {
        // SAFETY: NULL, or a handle of `open` that no other thread uses.
        let decoder = unsafe { reference_mut(decoder, "decoder") }?;
        decoder.inner.set_strength(convert::strength(strength)?)?;
        Ok(0)
    })
}

/// Filters a whole picture with the decoder's own threads; copies it where the mode is off.
///
/// @param in  the decoded picture.
/// @param out a picture of the same layout and size, whose rows overlap neither each other nor those of `in` (a plane
/// pointer equal to that of the same plane of `in` is refused; other overlap is undefined behaviour). Its bit_depth may
/// be greater: the bits below hold what rounding takes from the correction, and samples that are only copied are shifted
/// left. After SIDELIGHT_ERROR_OUT_OF_MEMORY some of its rows may have been written.
#[no_mangle]
pub unsafe extern "C" fn sidelight_decoder_filter(
    decoder: *mut SidelightDecoder,
    r#in: *const SidelightPicture,
    out: *const SidelightPicture,
) -> c_int {
    guard("sidelight_decoder_filter", || {
        // SAFETY: NULL, or valid by the caller's promise.
        let decoder = unsafe { reference(decoder.cast_const(), "decoder") }?;
        // SAFETY: as above.
        let (input, output) = unsafe { pictures(r#in, out) }?;
        let filter = match (input.pair(&output)?.bit_depth, output.shape()?.bit_depth) {
            (8, 8) => filter::<u8, u8>,
            (8, _) => filter::<u8, u16>,
            _ => filter::<u16, u16>,
        };
        // SAFETY: the caller promises readable and writable planes that do not overlap.
        unsafe { filter(&decoder.inner, input, output) }?;
        Ok(0)
    })
}

/// # Safety
/// Both are NULL or valid for `'a`.
unsafe fn pictures<'a>(
    input: *const SidelightPicture,
    output: *const SidelightPicture,
) -> Result<(Passed<'a>, Passed<'a>)> {
    // SAFETY: forwarded.
    let (input, output) = unsafe { (reference(input, "in")?, reference(output, "out")?) };
    Ok((Passed::new(input, "in"), Passed::output(output, "out")))
}

/// # Safety
/// `input`'s planes are readable and `output`'s writable, as the header says.
unsafe fn filter<S: Sample, T: Sample>(
    decoder: &Decoder,
    input: Passed<'_>,
    output: Passed<'_>,
) -> Result {
    let height = output.shape()?.height;
    // SAFETY: forwarded.
    let (input, output) = unsafe { (input.picture::<S>()?, output.band_mut::<T>(0, height)?) };
    Ok(decoder.filter(&input, output)?)
}

/// Filters the luma rows `first_row` to `end_row` - 1 and the chroma rows that belong to them, on the calling thread.
/// Bands give the same bytes as the whole picture.
///
/// Several threads may call it at once on one decoder, with bands that do not overlap or of different pictures; nobody
/// may change the decoder meanwhile.
///
/// @param in        the whole decoded picture: a band reads rows beyond its own.
/// @param out       the whole output picture; only the band's rows are written.
/// @param first_row first luma row, even.
/// @param end_row   row after the last; even, or the picture's height. Where both are the same nothing is done.
#[no_mangle]
pub unsafe extern "C" fn sidelight_decoder_filter_band(
    decoder: *const SidelightDecoder,
    r#in: *const SidelightPicture,
    out: *const SidelightPicture,
    first_row: u32,
    end_row: u32,
) -> c_int {
    guard("sidelight_decoder_filter_band", || {
        // SAFETY: NULL, or valid by the caller's promise.
        let decoder = unsafe { reference(decoder, "decoder") }?;
        // SAFETY: as above.
        let (input, output) = unsafe { pictures(r#in, out) }?;
        let filter = match (input.pair(&output)?.bit_depth, output.shape()?.bit_depth) {
            (8, 8) => filter_band::<u8, u8>,
            (8, _) => filter_band::<u8, u16>,
            _ => filter_band::<u16, u16>,
        };
        if first_row == end_row {
            return Ok(0);
        }
        // SAFETY: the caller promises readable planes, and that the band's rows are this call's.
        unsafe { filter(&decoder.inner, input, output, first_row as usize, end_row as usize) }?;
        Ok(0)
    })
}

/// # Safety
/// What [`filter`] asks for holds, of `output` for the band's rows alone.
unsafe fn filter_band<S: Sample, T: Sample>(
    decoder: &Decoder,
    input: Passed<'_>,
    output: Passed<'_>,
    first_row: usize,
    end_row: usize,
) -> Result {
    // SAFETY: forwarded.
    let (input, output) =
        unsafe { (input.picture::<S>()?, output.band_mut::<T>(first_row, end_row)?) };
    Ok(decoder.filter_band(&input, first_row, output)?)
}

/// Closes a decoder and sets `*decoder` to NULL.
#[no_mangle]
pub unsafe extern "C" fn sidelight_decoder_close(decoder: *mut *mut SidelightDecoder) {
    guard("sidelight_decoder_close", || {
        // SAFETY: NULL, or the caller's pointer to a handle of `sidelight_decoder_open` or to NULL.
        unsafe { close(decoder) };
        Ok(0)
    });
}
