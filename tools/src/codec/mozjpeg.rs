//! JPEG by mozjpeg's library, tuned for PSNR: what its cjpeg does with `-tune-psnr`.

use super::{jpeg, Codec};
use crate::yuv::{Original, Yuv};
use anyhow::{bail, Result};
use mozjpeg_sys as ffi;
use sidelight::Hints;
use std::ffi::{c_int, c_ulong};
use std::panic::{catch_unwind, resume_unwind};
use std::ptr::null_mut;

/// Flat tables, trellis quantisation with a plain squared error, progressive with the best scans.
pub struct TunedForPsnr;

impl Codec for TunedForPsnr {
    fn version(&self) -> Result<String> {
        Ok("mozjpeg (mozjpeg-sys 2.2), as with -tune-psnr".to_owned())
    }

    fn neighbour(&self, quality: u32) -> u32 {
        jpeg::neighbouring_quality(quality)
    }

    fn encode(&self, original: &Original, quality: u32) -> Result<Vec<u8>> {
        let (image, quality) = (&original.image, quality as c_int);
        let (width, channels) = (image.width(), image.color().channel_count());
        // libjpeg reports a fatal error by unwinding out of its callback.
        let coded = catch_unwind(|| compress(image.as_bytes(), width, channels, quality));
        match coded {
            Ok(bytes) => Ok(bytes),
            Err(panic) => match panic.downcast::<Fatal>() {
                Ok(fatal) => bail!("mozjpeg: error {}", fatal.0),
                Err(other) => resume_unwind(other),
            },
        }
    }

    fn decode(&self, file: &[u8], like: &Yuv) -> Result<Yuv> {
        jpeg::decode(file, like)
    }

    fn hints(&self, file: &[u8], _quality: u32) -> Result<Hints> {
        jpeg::hints(file)
    }

    fn carriage_bytes(&self) -> u32 {
        sidelight::carriage::jpeg::CARRIAGE_BYTES
    }

    fn embed(&self, file: &[u8], payload: &[u8]) -> Result<Vec<u8>> {
        Ok(sidelight::carriage::jpeg::insert(file, payload)?)
    }
}

/// libjpeg's number of a fatal error.
struct Fatal(c_int);

extern "C-unwind" fn fatal(info: &mut ffi::jpeg_common_struct) {
    // SAFETY: the error manager outlives the compression that calls it.
    let code = unsafe { (*info.err).msg_code };
    resume_unwind(Box::new(Fatal(code)));
}

/// Interleaved samples, 1 or 3 channels, to a JPEG file.
fn compress(samples: &[u8], width: u32, channels: u8, quality: c_int) -> Vec<u8> {
    let row = width as usize * usize::from(channels);
    let height = (samples.len() / row) as u32;
    // SAFETY: the structures are plain C data that libjpeg fills in; all of them, and `samples`,
    // outlive every call; libjpeg reads whole rows, which `chunks_exact` hands it; `buffer` and
    // `size` are what jpeg_mem_dest filled when jpeg_finish_compress returns.
    unsafe {
        let mut errors: ffi::jpeg_error_mgr = std::mem::zeroed();
        let mut info: ffi::jpeg_compress_struct = std::mem::zeroed();
        let handler = ffi::jpeg_std_error(&mut errors);
        handler.error_exit = Some(fatal);
        info.common.err = handler;
        ffi::jpeg_create_compress(&mut info);
        let (mut buffer, mut size) = (null_mut(), 0 as c_ulong);
        ffi::jpeg_mem_dest(&mut info, &mut buffer, &mut size);
        (info.image_width, info.image_height) = (width, height);
        info.input_components = channels.into();
        info.in_color_space = if channels == 1 { ffi::JCS_GRAYSCALE } else { ffi::JCS_RGB };
        ffi::jpeg_set_defaults(&mut info);
        ffi::jpeg_c_set_int_param(&mut info, ffi::JINT_BASE_QUANT_TBL_IDX, 1);
        ffi::jpeg_c_set_float_param(&mut info, ffi::JFLOAT_LAMBDA_LOG_SCALE1, 9.0);
        ffi::jpeg_c_set_float_param(&mut info, ffi::JFLOAT_LAMBDA_LOG_SCALE2, 0.0);
        ffi::jpeg_c_set_bool_param(&mut info, ffi::JBOOLEAN_USE_LAMBDA_WEIGHT_TBL, 0);
        ffi::jpeg_set_quality(&mut info, quality, 1);
        ffi::jpeg_start_compress(&mut info, 1);
        for line in samples.chunks_exact(row) {
            ffi::jpeg_write_scanlines(&mut info, [line.as_ptr()].as_ptr(), 1);
        }
        ffi::jpeg_finish_compress(&mut info);
        ffi::jpeg_destroy_compress(&mut info);
        let file = std::slice::from_raw_parts(buffer, size as usize).to_vec();
        libc::free(buffer.cast());
        file
    }
}
