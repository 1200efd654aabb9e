//! The encoder.

use super::boundary::{close, guard, log, open, output, reference, require, slice, text, Result};
use super::convert::{self, Passed};
use super::encoding;
use super::types::*;
use crate::encoder::MAX_PICTURES;
use crate::payload::binding;
use crate::util::alloc;
use crate::{Codec, Encoded, Encoder, EncoderSettings, Error, Pair, Sample};
use std::ffi::c_int;
use std::time::Duration;

/// An encoder: fine-tunes the network on pictures and writes payloads.
pub struct SidelightEncoder {
    inner: Encoder,
    settings: SidelightEncoderSettings,
}

const DEFAULTS: SidelightEncoderSettings = SidelightEncoderSettings {
    no_update: 0,
    threads: 0,
    steps: 0,
    progress: None,
    progress_user: std::ptr::null_mut(),
    model_size: SidelightModelSize::Default as u32,
    effort: 0,
    budget_ms: 0,
    objective: SidelightObjective::RateDistortion as u32,
    reserved: [0; 13],
};

impl SidelightEncoder {
    fn new(settings: SidelightEncoderSettings) -> Result<Self> {
        convert::zero(&settings.reserved, "settings->reserved")?;
        let budget = Duration::from_millis(settings.budget_ms.into());
        let inner = Encoder::new(EncoderSettings {
            no_update: settings.no_update != 0,
            threads: convert::threads(settings.threads)?,
            effort: encoding::effort(settings.effort)?,
            steps: encoding::steps(settings.steps)?,
            budget: (!budget.is_zero()).then_some(budget),
            model_size: convert::model_size(settings.model_size)?,
            objective: encoding::objective(settings.objective)?,
        })
        .map_err(encoding::no_training)?;
        Ok(Self { inner, settings })
    }
}

/// Opens an encoder, to be closed with sidelight_encoder_close(). The settings are copied; NULL stands for the
/// defaults. Returns 0; SIDELIGHT_ERROR_UNSUPPORTED unless `settings->no_update` where there is no code for a fused
/// multiply-add of the CPU: x86-64 without AVX2 and FMA (many a Pentium, Celeron and Atom), 32-bit x86 and ARM.
#[no_mangle]
pub unsafe extern "C" fn sidelight_encoder_open(
    settings: *const SidelightEncoderSettings,
    out: *mut *mut SidelightEncoder,
) -> c_int {
    guard("sidelight_encoder_open", || {
        let out = output(out, "out")?;
        // SAFETY: NULL, or valid by the caller's promise.
        let settings = unsafe { settings.as_ref() }.copied().unwrap_or(DEFAULTS);
        // SAFETY: not NULL, and the caller promises that it is writable.
        unsafe { open(out, SidelightEncoder::new(settings)?) }?;
        Ok(0)
    })
}

/// Makes the payload of one picture, or of several that share it: the decoded pictures of a shot, in any order, all or
/// some of them.
///
/// The choice among off, base and update falls by net gain: PSNR-YUV 6:1:1 of colour pictures, luma PSNR of gray ones,
/// the mean over the pictures, less what the payload's bytes would have bought at `params->slope_db_per_byte`. The same
/// input gives the same payload on every machine and with any number of threads, in the default floating-point
/// environment (a host built with -ffast-math may change it). Base and update are charged for `params->carriage_bytes`
/// as well, off for nothing: where the report says SIDELIGHT_MODE_OFF and decoders show pictures without a payload as
/// they are, as jpeg_decode does, the payload need not be sent.
///
/// For HEVC the payload says how strongly pictures of each type are filtered; types that would not gain, or of which
/// there is no picture, are left as they are. It is bound to the first picture of `decoded`; sidelight_payload_bind()
/// binds it to others.
///
/// @param original the pictures before coding, `count` of them.
/// @param decoded  the codec's decoded pictures in the same order, all of one shape.
/// @param count    1 to 4096; for JPEG 1.
/// @param params   how they were coded.
/// @param payload  at least 8 bytes, to be freed with sidelight_buffer_unref().
/// @param report   what was measured; may be NULL.
/// @return 0 (also when canceled: the best so far; the report's PSNRs are then of the pictures that were measured, at
/// least the first one, and psnr_base is that of the base models that were, else psnr_decoded);
/// SIDELIGHT_ERROR_UNSUPPORTED for a later codec; SIDELIGHT_ERROR_UNKNOWN_MODEL if this build has no model for the
/// codec.
#[no_mangle]
pub unsafe extern "C" fn sidelight_encoder_encode(
    encoder: *mut SidelightEncoder,
    original: *const SidelightPicture,
    decoded: *const SidelightPicture,
    count: usize,
    params: *const SidelightCodecParams,
    payload: *mut SidelightBuffer,
    report: *mut SidelightReport,
) -> c_int {
    guard("sidelight_encoder_encode", || {
        let out = output(payload, "payload")?;
        // SAFETY: NULL, or valid by the caller's promise.
        let (encoder, params) =
            unsafe { (reference(encoder, "encoder")?, reference(params, "params")?) };
        require((1..=MAX_PICTURES).contains(&count), || {
            text!("count is {count}, not 1 to {MAX_PICTURES}")
        })?;
        // SAFETY: the caller promises `count` pictures each.
        let (original, decoded) = unsafe {
            (
                slice(original, count, ["original", "count"])?,
                slice(decoded, count, ["decoded", "count"])?,
            )
        };
        let encode = match Passed::in_array(decoded, 0, "decoded").shape()?.bit_depth {
            8 => encode::<u8>,
            _ => encode::<u16>,
        };
        let SidelightEncoderSettings { progress, progress_user, .. } = encoder.settings;
        let mut go_on = |fraction: f64| match progress {
            // SAFETY: the caller registered this callback with this argument.
            Some(callback) => unsafe { callback(progress_user, fraction) == 0 },
            None => true,
        };
        // SAFETY: the caller promises that the planes are readable.
        let encoded = unsafe { encode(&encoder.inner, original, decoded, params, &mut go_on) }?;
        let r = encoded.report;
        log(
            SidelightLogLevel::Info,
            format_args!(
                "sidelight_encoder_encode: {:?}, {} bytes, PSNR-Y {:.3} decoded, {:.3} base, {:.3} sent; {} steps",
                r.mode,
                encoded.payload.len(),
                r.psnr_decoded,
                r.psnr_base,
                r.psnr_payload,
                r.steps
            ),
        );
        let bytes = encoded.payload.len();
        let payload = SidelightBuffer::new(encoded.payload)?;
        if !report.is_null() {
            let filled = SidelightReport {
                mode: r.mode as u32,
                payload_bytes: u32::try_from(bytes).map_err(|_| Error::Internal)?,
                psnr_decoded: r.psnr_decoded,
                psnr_base: r.psnr_base,
                psnr_payload: r.psnr_payload,
                slope_db_per_byte: r.slope_db_per_byte,
                steps: r.steps,
                psnr_chroma_decoded: r.psnr_chroma_decoded,
                psnr_chroma_base: r.psnr_chroma_base,
                psnr_chroma_payload: r.psnr_chroma_payload,
                reserved: [0; 3],
            };
            // SAFETY: not NULL, and the caller promises that it is writable.
            unsafe { report.write(filled) };
        }
        // SAFETY: as above.
        unsafe { out.write(payload) };
        Ok(0)
    })
}

/// # Safety
/// The pictures' planes are readable, as the header says.
unsafe fn encode<S: Sample>(
    encoder: &Encoder,
    original: &[SidelightPicture],
    decoded: &[SidelightPicture],
    params: &SidelightCodecParams,
    progress: &mut dyn FnMut(f64) -> bool,
) -> Result<Encoded> {
    let rate = encoding::rate(params)?;
    let mut params = convert::params(params)?;
    let count = decoded.len();
    let mut pairs = alloc::try_with_capacity(count)?;
    for i in 0..count {
        let first = Passed::in_array(decoded, 0, "decoded");
        let original = Passed::in_array(original, i, "original");
        let decoded = Passed::in_array(decoded, i, "decoded");
        original.same_shape(&decoded)?;
        decoded.same_shape(&first)?;
        // SAFETY: forwarded.
        let (original, decoded) = unsafe { (original.picture::<S>()?, decoded.picture::<S>()?) };
        pairs.push(Pair { original, decoded });
    }
    match params.codec {
        Codec::Jpeg { .. } => require(count == 1, || text!("count is {count}, for JPEG not 1"))?,
        Codec::Hevc { .. } => params.binding = binding::of_picture(&pairs[0].decoded),
    }
    Ok(encoder.encode(&pairs, &params, rate, progress)?)
}

/// Closes an encoder and sets `*encoder` to NULL.
#[no_mangle]
pub unsafe extern "C" fn sidelight_encoder_close(encoder: *mut *mut SidelightEncoder) {
    guard("sidelight_encoder_close", || {
        // SAFETY: NULL, or the caller's pointer to a handle of `sidelight_encoder_open` or to NULL.
        unsafe { close(encoder) };
        Ok(0)
    });
}
