//! JPEG through libjpeg-turbo's code, as mozjpeg's library has it: files to planes by the accurate
//! integer transform, pictures to files without mozjpeg's own ways, and coefficients.

use crate::picture::{Image, Metadata};
use crate::planes::{self, Planes};
use anyhow::{anyhow, bail, ensure, Result};
use clap::ValueEnum;
use image::DynamicImage;
use mozjpeg_sys as ffi;
use sidelight::Layout;
use std::ffi::{c_int, c_uint, c_ulong, c_void};
use std::panic::{catch_unwind, resume_unwind, AssertUnwindSafe};
use std::ptr::null_mut;

/// Samples in a row or column of a block.
const BLOCK: usize = 8;
/// A quantised block, in natural order.
pub type Block = [i16; 64];

/// Most scans of a file: a small one with millions would take hours.
const MAX_SCANS: c_int = 1000;

const APP1: c_int = 0xe1;
const APP2: c_int = 0xe2;
/// In front of the TIFF file in an APP1 segment.
const EXIF_NAME: &[u8; 6] = b"Exif\0\0";
/// Most bytes that a segment holds.
const MAX_SEGMENT: usize = 65533;

/// Quantisation tables.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Tables {
    /// Those of ITU-T T.81, annex K
    Standard,
    /// Between standard and flat
    Half,
    /// Equal steps, better for PSNR
    Flat,
}

/// How a picture is coded.
#[derive(Clone, Copy)]
pub struct Coding {
    /// 1 to 100.
    pub quality: u8,
    /// Of pictures in colour.
    pub layout: Layout,
    pub progressive: bool,
    pub tables: Tables,
}

/// A file as a stock decoder shows it, before any interpolation of chroma.
pub struct Decoded {
    pub planes: Planes,
    /// What libjpeg had to guess at, if anything.
    pub damaged: Option<String>,
    pub metadata: Metadata,
}

// ---- errors ----

/// libjpeg's message of a fatal error, as it unwinds.
struct Fatal(String);

/// What libjpeg's callbacks note down.
#[derive(Default)]
struct Notes {
    warning: Option<String>,
}

fn message(info: &mut ffi::jpeg_common_struct) -> String {
    // libjpeg writes up to 200 bytes; the declaration's 80 are of its messages' parameter.
    let mut text = [0u8; 256];
    // SAFETY: the error manager outlives what calls it, and `text` has room for the message.
    unsafe {
        if let Some(format) = (*info.err).format_message {
            format(info, &*text.as_mut_ptr().cast::<[u8; 80]>());
        }
    }
    let end = text.iter().position(|b| *b == 0).unwrap_or(text.len());
    String::from_utf8_lossy(&text[..end]).into_owned()
}

extern "C-unwind" fn on_error(info: &mut ffi::jpeg_common_struct) {
    resume_unwind(Box::new(Fatal(message(info))));
}

extern "C-unwind" fn on_warning(info: &mut ffi::jpeg_common_struct) {
    let text = message(info);
    // SAFETY: `client_data` is the session's notes, which outlive the calls, or not set yet.
    if let Some(notes) = unsafe { info.client_data.cast::<Notes>().as_mut() } {
        notes.warning.get_or_insert(text);
    }
}

extern "C-unwind" fn on_progress(info: &mut ffi::jpeg_common_struct) {
    // SAFETY: only decompressors have this callback, and the struct is the head of theirs.
    let info = unsafe { &*std::ptr::from_mut(info).cast::<ffi::jpeg_decompress_struct>() };
    if info.input_scan_number > MAX_SCANS {
        resume_unwind(Box::new(Fatal(format!("more than {MAX_SCANS} scans"))));
    }
}

/// Runs calls of libjpeg, whose fatal errors unwind.
fn guarded<T>(call: impl FnOnce() -> Result<T>) -> Result<T> {
    catch_unwind(AssertUnwindSafe(call)).unwrap_or_else(|panic| match panic.downcast::<Fatal>() {
        Ok(fatal) => Err(anyhow!("{}", fatal.0)),
        Err(other) => resume_unwind(other),
    })
}

fn error_manager() -> Box<ffi::jpeg_error_mgr> {
    // SAFETY: plain C data, which libjpeg fills in.
    let mut errors: Box<ffi::jpeg_error_mgr> = unsafe { Box::new(std::mem::zeroed()) };
    // SAFETY: as above.
    unsafe { ffi::jpeg_std_error(&mut errors) };
    errors.error_exit = Some(on_error);
    errors.output_message = Some(on_warning);
    errors
}

// ---- sessions ----

/// A decompressor of a file in memory.
struct Decompress<'a> {
    info: Box<ffi::jpeg_decompress_struct>,
    // What `info` points to, besides `_file`.
    errors: Box<ffi::jpeg_error_mgr>,
    notes: Box<Notes>,
    _progress: Box<ffi::jpeg_progress_mgr>,
    _file: &'a [u8],
}

impl<'a> Decompress<'a> {
    /// Reads up to the first scan.
    fn new(file: &'a [u8]) -> Self {
        // SAFETY: the structures are plain C data; they and `file` live as long as the session.
        unsafe {
            let mut new = Self {
                info: Box::new(std::mem::zeroed()),
                errors: error_manager(),
                notes: Box::default(),
                _progress: Box::new(std::mem::zeroed()),
                _file: file,
            };
            new._progress.progress_monitor = Some(on_progress);
            new.info.common.err = &mut *new.errors;
            ffi::jpeg_create_decompress(&mut *new.info);
            new.info.common.client_data = std::ptr::from_mut(&mut *new.notes).cast::<c_void>();
            new.info.common.progress = &mut *new._progress;
            ffi::jpeg_mem_src(&mut new.info, file.as_ptr(), file.len() as c_ulong);
            for marker in [APP1, APP2] {
                ffi::jpeg_save_markers(&mut new.info, marker, 0xffff);
            }
            ffi::jpeg_read_header(&mut new.info, 1);
            new
        }
    }

    fn components(&self) -> &[ffi::jpeg_component_info] {
        // SAFETY: behind the header libjpeg has as many components there.
        unsafe {
            std::slice::from_raw_parts(self.info.comp_info, self.info.num_components as usize)
        }
    }

    fn size(&self) -> (usize, usize) {
        (self.info.image_width as usize, self.info.image_height as usize)
    }

    /// The layout, or why it is refused.
    fn layout(&self) -> Result<Layout> {
        let space = self.info.jpeg_color_space;
        let factors: Vec<_> =
            self.components().iter().map(|c| (c.h_samp_factor, c.v_samp_factor)).collect();
        let [(h, v), chroma, other] = factors[..] else {
            match factors.len() {
                1 if space == ffi::JCS_GRAYSCALE => return Ok(Layout::I400),
                4 => bail!("CMYK and YCCK pictures are not supported"),
                n => bail!("a picture of {n} components is not supported"),
            }
        };
        ensure!(space != ffi::JCS_RGB, "RGB pictures are not supported");
        ensure!(space == ffi::JCS_YCbCr, "not a gray or YCbCr picture");
        let whole = chroma == other && h % chroma.0 == 0 && v % chroma.1 == 0;
        match whole.then(|| (h / chroma.0, v / chroma.1)) {
            Some((1, 1)) => Ok(Layout::I444),
            Some((2, 1)) => Ok(Layout::I422),
            Some((2, 2)) => Ok(Layout::I420),
            Some((1, 2)) => Ok(Layout::I440),
            Some((4, 1)) => Ok(Layout::I411),
            _ => bail!(
                "sampling factors {factors:?} are not supported (4:4:4, 4:4:0, 4:2:2, 4:2:0, 4:1:1 are)"
            ),
        }
    }

    fn check_pixels(&self, max_pixels: u64) -> Result<()> {
        let (width, height) = self.size();
        crate::picture::check_pixels(width as u64, height as u64, max_pixels)
    }

    /// EXIF and the ICC profile, as far as they are sound.
    fn metadata(&mut self) -> Metadata {
        let mut metadata = Metadata::default();
        let mut marker = self.info.marker_list;
        // SAFETY: libjpeg's list, and data of the lengths that it tells; the profile is freed as
        // jpeg_read_icc_profile() asks for.
        unsafe {
            while let Some(m) = marker.as_ref() {
                let data = std::slice::from_raw_parts(m.data, m.data_length as usize);
                if c_int::from(m.marker) == APP1 && metadata.exif.is_none() {
                    let exif = data.strip_prefix(EXIF_NAME).filter(|exif| !exif.is_empty());
                    metadata.exif = exif.map(<[u8]>::to_vec);
                }
                marker = m.next;
            }
            // A profile that is not sound makes no picture damaged.
            let (warning, warnings) = (self.notes.warning.take(), self.errors.num_warnings);
            let (mut icc, mut size) = (null_mut::<u8>(), 0 as c_uint);
            if ffi::jpeg_read_icc_profile(&mut self.info, &mut icc, &mut size) != 0 {
                let profile = std::slice::from_raw_parts(icc, size as usize).to_vec();
                libc::free(icc.cast());
                metadata.icc = Some(profile);
            }
            (self.notes.warning, self.errors.num_warnings) = (warning, warnings);
        }
        metadata
    }

    /// Reads all rows. libjpeg writes whole blocks, and `planes` has room for them in its rows; rows
    /// beyond go to `spare`.
    fn read_rows(&mut self, planes: &mut Planes) {
        let factors: Vec<usize> =
            self.components().iter().map(|c| c.v_samp_factor as usize).collect();
        let widest = planes.planes.iter().map(|p| p.stride).max();
        let mut spare = vec![0u8; widest.unwrap_or(0)];
        let lines = self.info.max_v_samp_factor as usize * BLOCK;
        let mut mcu = 0;
        while self.info.output_scanline < self.info.output_height {
            let mut rows: Vec<Vec<*mut u8>> = Vec::with_capacity(factors.len());
            for (plane, v) in planes.planes.iter_mut().zip(&factors) {
                let n = v * BLOCK;
                let row = |k: usize| {
                    let y = mcu * n + k;
                    if y < plane.height {
                        plane.data[y * plane.stride..].as_mut_ptr()
                    } else {
                        spare.as_mut_ptr()
                    }
                };
                rows.push((0..n).map(row).collect());
            }
            let mut arrays: Vec<_> = rows.iter_mut().map(Vec::as_mut_ptr).collect();
            // SAFETY: as many rows as libjpeg asks for, each with room for whole blocks, which
            // `decode` has made sure of.
            unsafe {
                ffi::jpeg_read_raw_data(&mut self.info, arrays.as_mut_ptr(), lines as c_uint);
            }
            mcu += 1;
        }
    }
}

impl Drop for Decompress<'_> {
    fn drop(&mut self) {
        // SAFETY: it was created; all that it points to is still there.
        unsafe { ffi::jpeg_destroy_decompress(&mut self.info) };
    }
}

/// A compressor to memory.
struct Compress {
    info: Box<ffi::jpeg_compress_struct>,
    // What `info` points to.
    _errors: Box<ffi::jpeg_error_mgr>,
    _notes: Box<Notes>,
    to: Box<(*mut u8, c_ulong)>,
}

impl Compress {
    fn new() -> Self {
        // SAFETY: the structures are plain C data; they live as long as the session.
        unsafe {
            let mut new = Self {
                info: Box::new(std::mem::zeroed()),
                _errors: error_manager(),
                _notes: Box::default(),
                to: Box::new((null_mut(), 0)),
            };
            new.info.common.err = &mut *new._errors;
            ffi::jpeg_create_compress(&mut *new.info);
            new.info.common.client_data = std::ptr::from_mut(&mut *new._notes).cast::<c_void>();
            let (data, size) = &mut *new.to;
            ffi::jpeg_mem_dest(&mut new.info, data, size);
            // What libjpeg-turbo writes: no trellis, no scans of mozjpeg's choosing.
            ffi::jpeg_c_set_int_param(
                &mut new.info,
                ffi::JINT_COMPRESS_PROFILE,
                ffi::JCP_FASTEST as c_int,
            );
            new
        }
    }

    fn finish(mut self) -> Vec<u8> {
        // SAFETY: behind it, `to` has the file.
        unsafe {
            ffi::jpeg_finish_compress(&mut self.info);
            std::slice::from_raw_parts(self.to.0, self.to.1 as usize).to_vec()
        }
    }
}

impl Drop for Compress {
    fn drop(&mut self) {
        // SAFETY: it was created. The buffer may have grown: only term_destination() brings `to` up
        // to date; it has no other effect, and may be called twice.
        unsafe {
            if let Some(end) = self.info.dest.as_ref().and_then(|dest| dest.term_destination) {
                end(&mut self.info);
            }
            ffi::jpeg_destroy_compress(&mut self.info);
            libc::free(self.to.0.cast());
        }
    }
}

// ---- what others call ----

/// Whether it begins as JPEG files do.
pub fn is_jpeg(file: &[u8]) -> bool {
    file.starts_with(&[0xff, 0xd8])
}

/// A file's planes, by the accurate integer transform.
pub fn decode(file: &[u8], max_pixels: u64) -> Result<Decoded> {
    ensure!(is_jpeg(file), "not a JPEG file");
    guarded(|| {
        let mut session = Decompress::new(file);
        let layout = session.layout()?;
        session.check_pixels(max_pixels)?;
        let metadata = session.metadata();
        session.info.raw_data_out = 1;
        session.info.dct_method = ffi::J_DCT_METHOD::JDCT_ISLOW;
        // SAFETY: behind the header.
        unsafe { ffi::jpeg_start_decompress(&mut session.info) };
        // Whole iMCUs are of 32 samples at most.
        let mut planes = Planes::new(layout, 8, session.size(), 4 * BLOCK)?;
        let fits = session
            .components()
            .iter()
            .zip(&planes.planes)
            .all(|(c, plane)| c.width_in_blocks as usize * BLOCK <= plane.stride);
        ensure!(fits, "components of unusual sizes");
        session.read_rows(&mut planes);
        // SAFETY: behind the last row.
        unsafe { ffi::jpeg_finish_decompress(&mut session.info) };
        let guessed = session.errors.num_warnings > 0;
        let warning = session.notes.warning.take();
        let damaged = guessed.then(|| warning.unwrap_or_else(|| "damaged".into()));
        Ok(Decoded { planes, damaged, metadata })
    })
}

/// Steps of the middle frequencies of the standard tables, at quality 50.
const MIDDLE: f64 = 20.0;

/// Codes a picture and its metadata, with optimised Huffman tables. Also returns what of the
/// metadata there was no room for.
pub fn encode(image: &Image, coding: &Coding) -> Result<(Vec<u8>, Vec<String>)> {
    let (samples, channels) = match &image.pixels {
        DynamicImage::ImageLuma8(gray) => (gray.as_raw(), 1),
        DynamicImage::ImageRgb8(rgb) => (rgb.as_raw(), 3),
        _ => bail!("neither gray nor RGB of 8 bits"),
    };
    let (width, height) = (image.pixels.width(), image.pixels.height());
    ensure!(width.max(height) <= 65500, "{width}×{height}: JPEG has no more than 65500 a side");
    let mut left_out = Vec::new();
    let mut metadata = image.metadata.clone();
    left_out.extend(metadata.drop_unfit_icc(channels as usize));
    let file = guarded(|| {
        let mut session = Compress::new();
        let info = &mut *session.info;
        (info.image_width, info.image_height) = (width, height);
        info.input_components = channels;
        info.in_color_space = if channels == 1 { ffi::JCS_GRAYSCALE } else { ffi::JCS_RGB };
        // SAFETY: calls in libjpeg's order; tables and components are libjpeg's own; it reads whole
        // rows, which `chunks_exact` hands it, and metadata of the lengths that it is told.
        unsafe {
            ffi::jpeg_set_defaults(info);
            ffi::jpeg_set_quality(info, coding.quality.into(), 1);
            if coding.tables != Tables::Standard {
                let middle =
                    MIDDLE * f64::from(ffi::jpeg_quality_scaling(coding.quality.into())) / 100.0;
                for table in info.quant_tbl_ptrs.iter().take(2).filter_map(|t| t.as_mut()) {
                    flatten(&mut table.quantval, middle, coding.tables);
                }
            }
            info.optimize_coding = 1;
            info.dct_method = ffi::J_DCT_METHOD::JDCT_ISLOW;
            if channels == 3 {
                let (across, down) = planes::ratio(coding.layout);
                (*info.comp_info).h_samp_factor = across as c_int;
                (*info.comp_info).v_samp_factor = down as c_int;
            }
            if coding.progressive {
                ffi::jpeg_simple_progression(info);
            }
            ffi::jpeg_start_compress(info, 1);
            if let Some(exif) = &metadata.exif {
                if exif.len() <= MAX_SEGMENT - EXIF_NAME.len() {
                    let segment = [&EXIF_NAME[..], exif].concat();
                    ffi::jpeg_write_marker(info, APP1, segment.as_ptr(), segment.len() as c_uint);
                } else {
                    let bytes = exif.len();
                    left_out.push(format!(
                        "EXIF of {bytes} bytes is too large for a JPEG file, and left out"
                    ));
                }
            }
            if let Some(icc) = &metadata.icc {
                ffi::jpeg_write_icc_profile(info, icc.as_ptr(), icc.len() as c_uint);
            }
            for row in samples.chunks_exact(width as usize * channels as usize) {
                ffi::jpeg_write_scanlines(info, [row.as_ptr()].as_ptr(), 1);
            }
        }
        Ok(session.finish())
    })?;
    Ok((file, left_out))
}

/// Makes steps equal, or their geometric mean with equal ones.
fn flatten(steps: &mut [u16], middle: f64, tables: Tables) {
    for step in steps {
        let flat = match tables {
            Tables::Flat => middle,
            _ => (middle * f64::from(*step)).sqrt(),
        };
        *step = (flat + 0.5).floor().clamp(1.0, 255.0) as u16;
    }
}

/// A file with other coefficients: `change` gets the layout, whether the file is progressive, and
/// each plane's blocks row by row. Metadata, tables and whether it is progressive stay.
pub fn with_coefficients(
    file: &[u8],
    change: impl FnOnce(Layout, bool, &mut [Vec<Block>]) -> Result<()>,
) -> Result<Vec<u8>> {
    let coded = guarded(|| {
        let mut from = Decompress::new(file);
        let layout = from.layout()?;
        let progressive = sidelight::carriage::jpeg::info(file)?.progressive;
        // SAFETY: behind the header.
        let arrays = unsafe { ffi::jpeg_read_coefficients(&mut from.info) };
        let mut grid = Vec::new();
        for plane in 0..layout.planes() {
            let (width, height) = layout.plane_size(plane, from.size().0, from.size().1);
            grid.push((width.div_ceil(BLOCK), height.div_ceil(BLOCK)));
        }
        let mut blocks: Vec<Vec<Block>> =
            grid.iter().map(|(wide, high)| vec![[0; 64]; wide * high]).collect();
        exchange(&mut from, arrays, &grid, &mut blocks, false);
        change(layout, progressive, &mut blocks)?;
        exchange(&mut from, arrays, &grid, &mut blocks, true);
        let mut to = Compress::new();
        // SAFETY: calls in libjpeg's order; the arrays are of `from`, which is still there.
        unsafe {
            ffi::jpeg_copy_critical_parameters(&from.info, &mut to.info);
            to.info.optimize_coding = 1;
            to.info.restart_interval = restart_interval(file);
            if progressive {
                ffi::jpeg_simple_progression(&mut to.info);
            }
            ffi::jpeg_write_coefficients(&mut to.info, arrays);
        }
        Ok(to.finish())
    })?;
    with_metadata_of(file, &coded)
}

/// Copies blocks from libjpeg's arrays, or with `back` to them.
fn exchange(
    session: &mut Decompress<'_>,
    arrays: *mut *mut ffi::jvirt_barray_control,
    grid: &[(usize, usize)],
    blocks: &mut [Vec<Block>],
    back: bool,
) {
    for (i, (blocks, &(wide, high))) in blocks.iter_mut().zip(grid).enumerate() {
        for (y, row) in blocks.chunks_exact_mut(wide).take(high).enumerate() {
            // SAFETY: there is an array for each component, of at least `high` rows of `wide`
            // blocks; the row is valid until the next call.
            let theirs = unsafe {
                let access = (*session.info.common.mem).access_virt_barray;
                let access = access.expect("libjpeg sets it");
                let rows =
                    access(&mut session.info.common, *arrays.add(i), y as c_uint, 1, back.into());
                std::slice::from_raw_parts_mut(*rows, wide)
            };
            if back {
                theirs.copy_from_slice(row);
            } else {
                row.copy_from_slice(theirs);
            }
        }
    }
}

/// The segments in front of the first scan: where each begins and ends; and where they all end.
fn segments(file: &[u8]) -> (Vec<std::ops::Range<usize>>, usize) {
    let (mut all, mut at) = (Vec::new(), 2);
    while let Some(&[0xff, code @ 0xc0..=0xfe, high, low]) = file.get(at..at + 4) {
        let end = at + 2 + usize::from(u16::from_be_bytes([high, low]));
        if code == 0xda || end < at + 4 || end > file.len() {
            break;
        }
        all.push(at..end);
        at = end;
    }
    (all, at)
}

/// MCUs between restart markers in the first scan; 0 without them.
fn restart_interval(file: &[u8]) -> c_uint {
    let mut intervals = segments(file).0.into_iter().filter_map(|s| match file[s] {
        [0xff, 0xdd, _, _, high, low, ..] => Some(u16::from_be_bytes([high, low])),
        _ => None,
    });
    intervals.next_back().unwrap_or(0).into()
}

/// `coded` with the metadata of `file` in place of its own.
fn with_metadata_of(file: &[u8], coded: &[u8]) -> Result<Vec<u8>> {
    let is_metadata = |bytes: &[u8]| matches!(bytes[1], 0xe0..=0xef | 0xfe);
    let (theirs, (ours, end)) = (segments(file).0, segments(coded));
    let kept = theirs.into_iter().map(|s| &file[s]).filter(|s| is_metadata(s));
    let tables = ours.into_iter().map(|s| &coded[s]).filter(|s| !is_metadata(s));
    let mut out = Vec::new();
    out.try_reserve_exact(file.len() + coded.len()).map_err(|_| anyhow!("out of memory"))?;
    out.extend(&coded[..2]);
    kept.chain(tables).for_each(|segment| out.extend(segment));
    out.extend(&coded[end..]);
    Ok(out)
}
