//! The optimiser.

use super::boundary::{guard, log, reference, require, slice, text, Refusal, Result};
use super::convert::{self, Passed};
use super::encoding;
use super::types::*;
use crate::optimise::{
    block_counts, in_range, Block, CoefficientReport, Optimiser, OptimiserSettings,
    DEFAULT_DECODED_WEIGHT, DEFAULT_STRENGTH, MAX_DECODED_WEIGHT, STRENGTHS,
};
use crate::picture::Picture;
use crate::util::alloc;
use crate::{payload, Codec, Error, Mode};
use std::ffi::{c_int, c_void};
use std::fmt;

/// Quantised coefficients of a JPEG picture, as libjpeg's jpeg_read_coefficients() and jpeg_write_coefficients() have
/// them: rows of blocks of 64 in natural (row-major, not zig-zag) order; the components are luma, Cb and Cr. One of
/// w × h samples has (w + 7) / 8 blocks in a row and (h + 7) / 8 rows; what a file has beyond, to fill its MCUs, is not
/// looked at.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct SidelightCoefficients {
    /// First block of each component, aligned to 2.
    pub blocks: [*mut i16; 3],
    /// Bytes from one row of blocks to the next, even, at least 128 for each block of a row.
    pub stride: [isize; 3],
    /// Zero.
    pub reserved: [u32; 4],
}

/// Settings of sidelight_jpeg_optimise().
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct SidelightOptimiseSettings {
    /// Threads, 0 = one for each logical core; at most 256. The coefficients do not depend on it.
    pub threads: u32,
    /// What the search may cost: 1 (least) to 9 (most), 0 = 5. Each gains more than the one below.
    pub effort: u32,
    /// A SidelightModelSize: of the base model, where no payload names one.
    pub model_size: u32,
    /// Nonzero if the file will be progressive: bits are then counted as its scans cost them.
    pub progressive: u32,
    /// Zero.
    pub reserved: [u32; 12],
    /// Weight of bits against errors: 0.05 to 20, 0 = 0.6; 1 is what a byte is worth to PSNR at the picture's own quality.
    /// With less, files grow, and keep more structure.
    pub strength: f64,
    /// Weight of the decoded picture's own error beside the error behind the filter: up to 100, 0 = 0.2, with which
    /// viewers without the filter lose nothing; below 0 = none.
    pub decoded_weight: f64,
    /// Progress callback, or NULL.
    pub progress: SidelightProgress,
    /// First argument of the progress callback.
    pub progress_user: *mut c_void,
}

/// What sidelight_jpeg_optimise() measured, through the integer filter: before, as the coefficients came in, and after.
/// PSNR in dB of Y, Cb and Cr, infinite where planes are equal, zero for chroma of gray pictures.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct SidelightOptimiseReport {
    /// 1 if coefficients changed; 0 if none better were found.
    pub changed: u32,
    /// Id of the base model behind which they are better.
    pub model: u32,
    /// About the bits of the coded data with Huffman tables that fit it, without headers and padding: before and after.
    pub bits: [u64; 2],
    /// Of the decoded picture, before and after.
    pub psnr_decoded: [[f64; 3]; 2],
    /// Behind the filter, before and after.
    pub psnr_filtered: [[f64; 3]; 2],
    /// Zero.
    pub reserved: [u32; 8],
}

const DEFAULTS: SidelightOptimiseSettings = SidelightOptimiseSettings {
    threads: 0,
    effort: 0,
    model_size: SidelightModelSize::Default as u32,
    progressive: 0,
    reserved: [0; 12],
    strength: 0.0,
    decoded_weight: 0.0,
    progress: None,
    progress_user: std::ptr::null_mut(),
};

/// Chooses a JPEG picture's quantised coefficients anew, for the picture behind the filter: of many that cost about the
/// same bits those from which the filter makes the better picture. They are still ordinary coefficients: any encoder
/// codes them, any decoder shows them. What comes out is not worse than what came in, weighed as the settings say and
/// measured as the decoder filters; where nothing better is found, coefficients stay as they are. The same input gives
/// the same coefficients on every machine and with any number of threads. It takes some 40 bytes of memory for each
/// luma sample.
///
/// In a whole encode it comes first; then decode the new coefficients and give that picture to
/// sidelight_encoder_encode(). Where a payload was made already, the coefficients can be made for its network, but it
/// is then to be made again: it is bound to the old ones.
///
/// @param settings     NULL for the defaults.
/// @param original     the picture before coding, of 8 bits, its chroma sampled as it is coded.
/// @param params       codec (JPEG) and quant; the rest is not looked at.
/// @param payload      what will be sent, of `payload_size` bytes; its binding is not looked at. NULL for the base model,
/// of JPEG's that which does better on what came in.
/// @param coefficients changed in place, on success only. Those that come in may be any encoder's.
/// @param report       may be NULL.
/// @return 0 (also when canceled: the best so far; PSNRs behind the filter that were not measured by then are those of
/// before, or without any the decoded picture's); for a payload as sidelight_decoder_set_payload(), but not
/// SIDELIGHT_ERROR_STALE for its binding; SIDELIGHT_ERROR_UNSUPPORTED where sidelight_encoder_open() says so.
#[no_mangle]
pub unsafe extern "C" fn sidelight_jpeg_optimise(
    settings: *const SidelightOptimiseSettings,
    original: *const SidelightPicture,
    params: *const SidelightCodecParams,
    payload: *const u8,
    payload_size: usize,
    coefficients: *const SidelightCoefficients,
    report: *mut SidelightOptimiseReport,
) -> c_int {
    guard("sidelight_jpeg_optimise", || {
        // SAFETY: forwarded.
        let mut call =
            unsafe { Call::new(settings, original, params, payload, payload_size, coefficients) }?;
        let mut go_on = call.settings.go_on();
        let Call { optimiser, original, codec, payload, blocks, .. } = &mut call;
        let r = optimiser.optimise(original, blocks, codec, *payload, &mut go_on)?;
        let psnr = |of: fn(&CoefficientReport) -> [f64; 3]| [of(&r.before), of(&r.after)];
        log(
            SidelightLogLevel::Info,
            format_args!(
                "sidelight_jpeg_optimise: {} to {} bits, PSNR-Y {:.3} to {:.3} filtered, {:.3} to {:.3} decoded",
                r.before.bits,
                r.after.bits,
                r.before.psnr_filtered[0],
                r.after.psnr_filtered[0],
                r.before.psnr_decoded[0],
                r.after.psnr_decoded[0]
            ),
        );
        if r.changed {
            // SAFETY: the caller promises that the components are writable.
            unsafe { call.components.write(&call.blocks) };
        }
        if !report.is_null() {
            let filled = SidelightOptimiseReport {
                changed: r.changed.into(),
                model: r.model,
                bits: [r.before.bits, r.after.bits],
                psnr_decoded: psnr(|r| r.psnr_decoded),
                psnr_filtered: psnr(|r| r.psnr_filtered),
                reserved: [0; 8],
            };
            // SAFETY: not NULL, and the caller promises that it is writable.
            unsafe { report.write(filled) };
        }
        Ok(0)
    })
}

/// What both functions are called with.
struct Call<'a> {
    settings: SidelightOptimiseSettings,
    optimiser: Optimiser,
    original: Picture<'a>,
    codec: Codec,
    payload: Option<&'a [u8]>,
    components: Components,
    blocks: Vec<Vec<Block>>,
}

impl<'a> Call<'a> {
    /// Checks all arguments.
    ///
    /// # Safety
    /// They are as the header says for `'a`.
    unsafe fn new(
        settings: *const SidelightOptimiseSettings,
        original: *const SidelightPicture,
        params: *const SidelightCodecParams,
        payload: *const u8,
        payload_size: usize,
        coefficients: *const SidelightCoefficients,
    ) -> Result<Self> {
        // SAFETY: NULL, or valid by the caller's promise.
        let settings = unsafe { settings.as_ref() }.copied().unwrap_or(DEFAULTS);
        let optimiser =
            Optimiser::new(optimiser_settings(&settings)?).map_err(encoding::no_training)?;
        // SAFETY: NULL, or valid by the caller's promise.
        let (original, params, coefficients) = unsafe {
            (
                Passed::new(reference(original, "original")?, "original"),
                reference(params, "params")?,
                reference(coefficients, "coefficients")?,
            )
        };
        let shape = original.shape()?;
        require(shape.bit_depth == 8, || {
            text!("original->bit_depth is {}, not 8", shape.bit_depth)
        })?;
        let codec = convert::params(params)?.codec;
        require(matches!(codec, Codec::Jpeg { .. }), || {
            text!("params->codec is {}, not SIDELIGHT_CODEC_JPEG", params.codec)
        })?;
        // SAFETY: the caller's promise.
        let bytes = unsafe { slice(payload, payload_size, ["payload", "payload_size"]) }?;
        let payload = (!payload.is_null()).then_some(bytes);
        if let Some(bytes) = payload {
            require(payload::parse(bytes)?.mode != Mode::Off, || {
                "payload's mode is SIDELIGHT_MODE_OFF: there is no filter to choose for"
            })?;
        }
        // SAFETY: the caller promises that the planes are readable.
        let original = unsafe { original.picture::<u8>() }?;
        convert::zero(&coefficients.reserved, "coefficients->reserved")?;
        let components = Components::new(coefficients, &shape)?;
        // SAFETY: the caller promises that the components are readable.
        let blocks = unsafe { components.read() }?;
        Ok(Self { settings, optimiser, original, codec, payload, components, blocks })
    }
}

impl SidelightOptimiseSettings {
    /// Asks the host whether to go on.
    fn go_on(&self) -> impl FnMut(f64) -> bool {
        let Self { progress, progress_user, .. } = *self;
        move |fraction| match progress {
            // SAFETY: the caller registered this callback with this argument.
            Some(callback) => unsafe { callback(progress_user, fraction) == 0 },
            None => true,
        }
    }
}

/// Where the coefficients of a JPEG picture shall be for the picture behind the filter, for encoders that weigh rate and
/// distortion themselves: near the coefficients of the call, the squared error behind the filter is about a constant and
/// the sum of weight · (coefficient − target)² over all coefficients, of dequantised values. A change of a few steps in
/// many neighbouring blocks at once leaves that range: encoders should change some, and ask again, or look at `error`.
///
/// Each array has the blocks of a component row by row, (w + 7) / 8 in a row, without gaps; those that are NULL are not
/// written, nor are chroma's of a gray picture. All in squared grey levels; settings->decoded_weight counts as in
/// sidelight_jpeg_optimise(), settings->effort, strength and progressive do not matter.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct SidelightTargets {
    /// 64 targets for each block, in natural order.
    pub target: [*mut f32; 3],
    /// 64 weights for each block, above 0.
    pub weight: [*mut f32; 3],
    /// For each block the squared error behind the filter of its samples and of four more on every side.
    pub error: [*mut f32; 3],
    /// Zero.
    pub reserved: [u32; 4],
}

/// Computes targets and weights: see SidelightTargets. Arguments but `targets` are as for sidelight_jpeg_optimise();
/// coefficients are not changed.
///
/// @param targets where to write to; its arrays are written on success only.
/// @return 1; 0 if canceled, nothing is written then; errors as for sidelight_jpeg_optimise().
#[no_mangle]
pub unsafe extern "C" fn sidelight_jpeg_targets(
    settings: *const SidelightOptimiseSettings,
    original: *const SidelightPicture,
    params: *const SidelightCodecParams,
    payload: *const u8,
    payload_size: usize,
    coefficients: *const SidelightCoefficients,
    targets: *const SidelightTargets,
) -> c_int {
    guard("sidelight_jpeg_targets", || {
        // SAFETY: NULL, or valid by the caller's promise.
        let out = unsafe { reference(targets, "targets") }?;
        convert::zero(&out.reserved, "targets->reserved")?;
        for (name, arrays) in
            [("target", &out.target), ("weight", &out.weight), ("error", &out.error)]
        {
            for (p, array) in arrays.iter().enumerate() {
                require(array.is_aligned(), || text!("targets->{name}[{p}] is not aligned to 4"))?;
            }
        }
        // SAFETY: forwarded.
        let call =
            unsafe { Call::new(settings, original, params, payload, payload_size, coefficients) }?;
        let Call { optimiser, original, codec, payload, blocks, .. } = &call;
        let mut go_on = call.settings.go_on();
        let found = optimiser.targets(original, blocks, codec, *payload, &mut go_on)?;
        let Some(found) = found else { return Ok(0) };
        for (p, blocks) in found.iter().enumerate() {
            // SAFETY: the caller promises room for each block of the component, or NULL.
            unsafe {
                write_blocks(out.target[p], blocks.iter().map(|b| &b.target[..]));
                write_blocks(out.weight[p], blocks.iter().map(|b| &b.weight[..]));
                write_blocks(out.error[p], blocks.iter().map(|b| std::slice::from_ref(&b.error)));
            }
        }
        Ok(1)
    })
}

/// Writes values one behind the other.
///
/// # Safety
/// `to` is NULL, or aligned and writable for all of them.
unsafe fn write_blocks<'a>(mut to: *mut f32, values: impl Iterator<Item = &'a [f32]>) {
    if to.is_null() {
        return;
    }
    for values in values {
        // SAFETY: forwarded.
        unsafe {
            to.copy_from_nonoverlapping(values.as_ptr(), values.len());
            to = to.add(values.len());
        }
    }
}

fn optimiser_settings(settings: &SidelightOptimiseSettings) -> Result<OptimiserSettings> {
    convert::zero(&settings.reserved, "settings->reserved")?;
    let SidelightOptimiseSettings { strength, decoded_weight, .. } = *settings;
    let [least, most] = STRENGTHS;
    require(strength == 0.0 || (least..=most).contains(&strength), || {
        text!("settings->strength is {strength}, not 0 or {least} to {most}")
    })?;
    require(decoded_weight <= MAX_DECODED_WEIGHT, || {
        text!("settings->decoded_weight is {decoded_weight}, not up to {MAX_DECODED_WEIGHT}")
    })?;
    Ok(OptimiserSettings {
        threads: convert::threads(settings.threads)?,
        effort: encoding::effort(settings.effort)?,
        model_size: convert::model_size(settings.model_size)?,
        progressive: settings.progressive != 0,
        strength: if strength == 0.0 { DEFAULT_STRENGTH } else { strength },
        decoded_weight: match decoded_weight {
            0.0 => DEFAULT_DECODED_WEIGHT,
            w => w.max(0.0),
        },
    })
}

/// A component: its first block, bytes from row to row, blocks in a row, rows.
struct Component {
    data: *mut i16,
    stride: usize,
    columns: usize,
    rows: usize,
}

struct Components(Vec<Component>);

impl Components {
    fn new(passed: &SidelightCoefficients, shape: &convert::Shape) -> Result<Self> {
        let mut all = alloc::try_with_capacity(3)?;
        for p in 0..shape.layout.planes() {
            let (columns, rows) = block_counts(shape.layout, p, shape.width, shape.height);
            let (data, stride) = (passed.blocks[p], passed.stride[p]);
            require(!data.is_null(), || text!("coefficients->blocks[{p}] is NULL"))?;
            require(data.is_aligned(), || text!("coefficients->blocks[{p}] is odd"))?;
            let row = columns * size_of::<Block>();
            let is =
                |what: fmt::Arguments<'_>| text!("coefficients->stride[{p}] is {stride}, {what}");
            let n = usize::try_from(stride)
                .map_err(|_| Refusal::argument(is(format_args!("negative"))))?;
            require(n >= row, || is(format_args!("less than a row of {row} bytes")))?;
            require(n.is_multiple_of(2), || is(format_args!("odd")))?;
            let span = n.checked_mul(rows - 1).and_then(|n| n.checked_add(row));
            require(span.is_some_and(|n| n <= isize::MAX as usize), || {
                is(format_args!("which is more than fits in memory for {rows} rows"))
            })?;
            all.push(Component { data, stride: n, columns, rows });
        }
        Ok(Self(all))
    }

    /// Copies of all blocks.
    ///
    /// # Safety
    /// Every row of blocks is readable.
    unsafe fn read(&self) -> Result<Vec<Vec<Block>>> {
        let mut planes = alloc::try_with_capacity(3)?;
        for (p, c) in self.0.iter().enumerate() {
            let mut blocks: Vec<Block> = alloc::try_with_capacity(c.columns * c.rows)?;
            for y in 0..c.rows {
                // SAFETY: forwarded; arrays have the alignment of their values, which was looked at.
                let row = unsafe {
                    let first = c.data.byte_add(y * c.stride).cast::<Block>();
                    std::slice::from_raw_parts(first, c.columns)
                };
                blocks.extend_from_slice(row);
            }
            if let Some(i) = blocks.iter().position(|block| !in_range(block)) {
                let (y, x) = (i / c.columns, i % c.columns);
                let what = text!(
                    "coefficients->blocks[{p}]: block {x} of row {y} has a value out of range: DC -1024 to 1023, AC \
                     -1023 to 1023"
                );
                return Err(Refusal::new(Error::InvalidArgument, what));
            }
            planes.push(blocks);
        }
        Ok(planes)
    }

    /// Writes all blocks.
    ///
    /// # Safety
    /// Every row of blocks is writable, and nobody else uses it.
    unsafe fn write(&self, planes: &[Vec<Block>]) {
        for (c, blocks) in self.0.iter().zip(planes) {
            for (y, new) in blocks.chunks_exact(c.columns).enumerate() {
                // SAFETY: forwarded.
                let row = unsafe {
                    let first = c.data.byte_add(y * c.stride).cast::<Block>();
                    std::slice::from_raw_parts_mut(first, c.columns)
                };
                row.copy_from_slice(new);
            }
        }
    }
}
