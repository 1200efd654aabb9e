//! JPEG by mozjpeg's library, with trellis quantisation.

use anyhow::{bail, Result};
use mozjpeg_sys as ffi;
use std::ffi::{c_int, c_ulong};
use std::panic::{catch_unwind, resume_unwind};
use std::ptr::null_mut;

/// What to compress, and how.
#[derive(Clone, Copy)]
pub struct Coding<'a> {
    /// Interleaved samples.
    pub samples: &'a [u8],
    pub width: u32,
    /// 1 or 3 (RGB).
    pub channels: u8,
    pub tables: Tables<'a>,
    pub trellis: Trellis,
    /// Progressive with the best scans, else baseline.
    pub progressive: bool,
}

/// Quantisation tables.
#[derive(Clone, Copy)]
pub enum Tables<'a> {
    /// mozjpeg's flat tables at a quality.
    Flat { quality: u32 },
    /// This one, in natural order, for all planes.
    Own(&'a [u16; 64]),
}

/// What trellis quantisation minimises beside the rate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trellis {
    /// mozjpeg's default: squared error weighted by frequency.
    Default,
    /// Plain squared error, as with `-tune-psnr`.
    Psnr,
}

/// A JPEG file.
pub fn compress(coding: &Coding<'_>) -> Result<Vec<u8>> {
    // libjpeg reports a fatal error by unwinding out of its callback.
    match catch_unwind(|| run(coding)) {
        Ok(bytes) => Ok(bytes),
        Err(panic) => match panic.downcast::<Fatal>() {
            Ok(fatal) => bail!("mozjpeg: error {}", fatal.0),
            Err(other) => resume_unwind(other),
        },
    }
}

/// libjpeg's number of a fatal error.
struct Fatal(c_int);

extern "C-unwind" fn fatal(info: &mut ffi::jpeg_common_struct) {
    // SAFETY: the error manager outlives the compression that calls it.
    let code = unsafe { (*info.err).msg_code };
    resume_unwind(Box::new(Fatal(code)));
}

fn run(coding: &Coding<'_>) -> Vec<u8> {
    let &Coding { samples, width, channels, tables, trellis, progressive } = coding;
    let row = width as usize * usize::from(channels);
    let height = (samples.len() / row) as u32;
    // SAFETY: the structures are plain C data that libjpeg fills in; all of them, and `samples`,
    // outlive every call; libjpeg reads whole rows, which `chunks_exact` hands it, and the 64 steps
    // of a table; `buffer` and `size` are what jpeg_mem_dest filled when jpeg_finish_compress
    // returns.
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
        if trellis == Trellis::Psnr {
            ffi::jpeg_c_set_float_param(&mut info, ffi::JFLOAT_LAMBDA_LOG_SCALE1, 9.0);
            ffi::jpeg_c_set_float_param(&mut info, ffi::JFLOAT_LAMBDA_LOG_SCALE2, 0.0);
            ffi::jpeg_c_set_bool_param(&mut info, ffi::JBOOLEAN_USE_LAMBDA_WEIGHT_TBL, 0);
        }
        match tables {
            Tables::Flat { quality } => {
                ffi::jpeg_c_set_int_param(&mut info, ffi::JINT_BASE_QUANT_TBL_IDX, 1);
                ffi::jpeg_set_quality(&mut info, quality as c_int, 1);
            }
            Tables::Own(table) => {
                let steps = table.map(u32::from);
                for slot in 0..2 {
                    ffi::jpeg_add_quant_table(&mut info, slot, steps.as_ptr(), 100, 1);
                }
            }
        }
        if !progressive {
            ffi::jpeg_c_set_bool_param(&mut info, ffi::JBOOLEAN_OPTIMIZE_SCANS, 0);
            info.num_scans = 0;
            info.scan_info = null_mut();
        }
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
