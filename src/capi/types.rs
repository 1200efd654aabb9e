//! Constants, plain structs and enums of the C API.

use crate::{carriage, payload};
use std::ffi::{c_char, c_int, c_void};

/// The longest payload, in bytes: what a segment of a JPEG file has room for.
pub const SIDELIGHT_MAX_PAYLOAD: usize = 65526;

/// What carrying a payload adds to a JPEG file besides the payload, in bytes.
pub const SIDELIGHT_JPEG_CARRIAGE_BYTES: u32 = 11;

/// What an SEI message adds to a payload of up to 238 bytes in an HEVC or VVC byte stream, without emulation prevention;
/// one more for each further 255 bytes begun. H.264: one less.
pub const SIDELIGHT_NAL_CARRIAGE_BYTES: u32 = 25;

/// The strength of sidelight_decoder_set_strength() at which pictures get the whole correction.
pub const SIDELIGHT_FULL_STRENGTH: u32 = 64;

const _: () = {
    assert!(SIDELIGHT_FULL_STRENGTH == crate::FULL_STRENGTH as u32);
    assert!(SIDELIGHT_MAX_PAYLOAD == payload::MAX_PAYLOAD);
    assert!(SIDELIGHT_JPEG_CARRIAGE_BYTES == carriage::jpeg::CARRIAGE_BYTES);
    assert!(SIDELIGHT_NAL_CARRIAGE_BYTES == carriage::nal::CARRIAGE_BYTES);
};

/// How a picture's chroma is sampled.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SidelightLayout {
    /// Luma only.
    I400 = 0,
    /// Chroma at half width and half height.
    I420 = 1,
    /// Chroma at half width.
    I422 = 2,
    /// Chroma at full size.
    I444 = 3,
    /// Chroma at half height.
    I440 = 4,
    /// Chroma at a quarter of the width.
    I411 = 5,
}

/// What a payload asks for, and what an encoder may choose.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SidelightMode {
    /// No filtering.
    Off = 0,
    /// The base model as it is.
    Base = 1,
    /// The base model with a weight-update.
    Update = 2,
}

/// Codec that coded the picture.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SidelightCodec {
    /// JPEG: `quant` says how strongly.
    Jpeg = 1,
    /// HEVC: `qp` says how strongly.
    Hevc = 2,
}

/// How a video codec coded a picture.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SidelightPictureType {
    /// Intra, and decoding can start here. Still pictures are of this type.
    Irap = 0,
    /// Intra.
    I = 1,
    /// Predicted from at most one picture for each block.
    P = 2,
    /// Predicted from at most two pictures for each block.
    B = 3,
}

/// Size of a base model: multiply-accumulates for each luma sample of a colour picture. Where a codec has no model of a
/// size, or the library was built without it, the codec's medium one is taken, else its small one, else its large one.
///
/// JPEG has two models of each size, for standard quantisation tables and for any; encoders take the better one.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SidelightModelSize {
    /// The default: medium.
    Default = 0,
    /// About 2900: for video on small machines.
    Small = 1,
    /// About 9500.
    Medium = 2,
    /// About 23600: for stills.
    Large = 3,
}

/// What training learns, and what it pays for.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SidelightObjective {
    /// The default: what is sent is rounded, and charged for its bits, while it is learnt.
    RateDistortion = 0,
    /// For comparison, as in arXiv 1905.04079: weights and biases with a compressibility loss, then pruned
    /// and clustered. It gains less; decoders take its payloads like any other.
    Published = 1,
}

/// Severity of a log message.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SidelightLogLevel {
    /// Something failed.
    Error = 0,
    /// Something is odd, such as a stale payload.
    Warning = 1,
    /// What was chosen, and why.
    Info = 2,
}

/// Instruction-set levels, of each architecture in order.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SidelightCpuLevel {
    /// Portable code.
    Scalar = 0,
    /// SSE4.1.
    Sse41 = 1,
    /// AVX2 and FMA.
    Avx2 = 2,
    /// AVX-VNNI, AVX2 and FMA; CPUs with AVX-512 may lack it.
    Avxvnni = 3,
    /// AVX-512 F, BW, VL and VNNI.
    Avx512 = 4,
    /// 64-bit ARM's Advanced SIMD.
    Neon = 16,
    /// Advanced SIMD with dot products of bytes.
    Dotprod = 17,
    /// WebAssembly's 128-bit SIMD.
    Simd128 = 32,
    /// The best that this CPU has.
    Best = 255,
}

/// A picture in the caller's memory.
///
/// Plane 0 is luma, 1 and 2 are Cb and Cr (ignored for SIDELIGHT_LAYOUT_I400). Chroma planes have (width + 1) / 2
/// columns (I420, I422) or (width + 3) / 4 (I411), and (height + 1) / 2 rows (I420, I440). The library never reads or
/// writes beyond a row's samples, so strides need no padding.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct SidelightPicture {
    /// First sample of each plane. Input pictures are never written.
    pub data: [*mut c_void; 3],
    /// Bytes from one row to the next of each plane, at least a row's and not negative.
    pub stride: [isize; 3],
    /// Luma samples in a row, 1 to 65535.
    pub width: u32,
    /// Luma rows, 1 to 65535.
    pub height: u32,
    /// A SidelightLayout.
    pub layout: u32,
    /// Bits per sample: 8, 10 or 12, of the filter's output also 16. With more than 8, samples are 16-bit numbers in the machine's byte order, pointers
    /// and strides are even, and samples above the depth's range count as its largest.
    pub bit_depth: u32,
    /// A SidelightPictureType: decoded pictures of video only.
    pub picture_type: u32,
    /// Zero.
    pub reserved: [u8; 20],
}

/// What the host knows of how a picture was coded; sidelight_jpeg_read() fills it. The codec has no default.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct SidelightCodecParams {
    /// A SidelightCodec.
    pub codec: u32,
    /// Luma and chroma quantisation tables in natural (row-major, not zig-zag) order; steps 1 to 65535 in 8-bit units.
    /// All-zero chroma stands for luma's table; sidelight_jpeg_read() leaves it zero where there is no second component
    /// or its table is not defined before the first scan.
    pub quant: [[u16; 64]; 2],
    /// Bytes that carrying a payload adds to the file besides the payload, as SIDELIGHT_NAL_CARRIAGE_BYTES. Read by the
    /// encoder only.
    pub carriage_bytes: u32,
    /// What a payload is bound to. JPEG: a hash of the coded data (sidelight_jpeg_read() computes it); encoder and
    /// decoder must see the same value. HEVC: use sidelight_payload_bind() and sidelight_decoder_set_sei() instead.
    pub binding: u64,
    /// Bytes of the coded pictures, without payload, metadata and the like; 0 if unknown. Read by the encoder only.
    pub coded_bytes: u64,
    /// What a byte buys in the codec at this quality: dB per byte, of PSNR-YUV 6:1:1 for colour pictures (that of luma
    /// PSNR is nearly the same), of luma PSNR for gray ones; 0 to estimate it from coded_bytes. Finite and not
    /// negative. Read by the encoder only.
    pub slope_db_per_byte: f64,
    /// HEVC: mean luma QP of intra, P and B pictures, 1 to 51; 0 for types that are to be left as they are. The encoder
    /// takes it as a start and sends what serves best.
    pub qp: [u8; 3],
    /// Zero.
    pub reserved: [u8; 61],
}

/// Bytes owned by the library, to be freed with sidelight_buffer_unref(). They may be written to, but `data` and `size`
/// stay as they are. Functions do not free what a buffer held before.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct SidelightBuffer {
    /// First byte; NULL if there are none.
    pub data: *mut u8,
    /// Number of bytes.
    pub size: usize,
}

/// A progress callback: gets the fraction done, 0.0 to 1.0, some fifty times a second, or more often, on the thread
/// that called sidelight_encoder_encode() or sidelight_jpeg_optimise(). It returns 0 to go on; anything else cancels: it
/// is not called again, and the best so far is returned within 200 ms, for pictures of up to 24 megapixels, of the
/// second function up to 6. It must not call into the same encoder, and must return: no longjmp(), no C++ exception.
pub type SidelightProgress =
    Option<unsafe extern "C" fn(user: *mut c_void, fraction: f64) -> c_int>;

/// A log callback: gets a formatted, NUL-terminated message, valid during the call, and a SidelightLogLevel, from any
/// thread that is inside the library. It must return: no longjmp(), no C++ exception.
pub type SidelightLog =
    Option<unsafe extern "C" fn(user: *mut c_void, level: u32, message: *const c_char)>;

/// Settings of an encoder.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct SidelightEncoderSettings {
    /// Nonzero to send no update: the payload asks for the base model at most, and encoding takes no training.
    pub no_update: u32,
    /// Threads, 0 = one for each logical core; at most 256. The payload does not depend on it.
    pub threads: u32,
    /// Training steps, 0 = chosen by effort and the pictures' size; at most 100000.
    pub steps: u32,
    /// A SidelightModelSize. Decoders run what the payload names.
    pub model_size: u32,
    /// Progress callback, or NULL.
    pub progress: SidelightProgress,
    /// First argument of the progress callback.
    pub progress_user: *mut c_void,
    /// What training may cost: 1 (least) to 9 (most), 0 = 5. Each gains more than the one below.
    pub effort: u32,
    /// Milliseconds that training may take, 0 = no limit; measuring what it made comes on top. With a limit the payload
    /// depends on the machine's speed.
    pub budget_ms: u32,
    /// A SidelightObjective: what is trained, and how it is made small.
    pub objective: u32,
    /// Zero.
    pub reserved: [u32; 13],
}

/// What a payload says of itself.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct SidelightPayloadInfo {
    /// What it asks for, a SidelightMode.
    pub mode: u32,
    /// Id of the base model; 0 where the mode is off.
    pub model: u32,
    /// 1 if this build has that model, or needs none; else 0: the update was not read, the fields below are zero.
    pub known: u32,
    /// What it is for, a SidelightCodec; 0 where the mode is off.
    pub codec: u32,
    /// Size of the base model, a SidelightModelSize; 0 where the mode is off.
    pub model_size: u32,
    /// Bytes of the update.
    pub update_bytes: u32,
    /// HEVC: how strongly intra, P and B pictures are filtered, as QPs; 0: not at all.
    pub qp: [u8; 3],
    /// Zero.
    pub reserved: [u8; 37],
}

/// What an encode measured, through the integer filter that the decoder will run. PSNR in dB, infinite where planes are
/// equal; of several pictures the mean of their PSNRs.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct SidelightReport {
    /// What the payload asks for, a SidelightMode.
    pub mode: u32,
    /// Bytes of the payload.
    pub payload_bytes: u32,
    /// Training steps that were run.
    pub steps: u32,
    /// Zero.
    pub reserved: [u32; 3],
    /// Luma of the decoded picture.
    pub psnr_decoded: f64,
    /// Luma with the base model, of JPEG's the better one.
    pub psnr_base: f64,
    /// Luma with what the payload asks for.
    pub psnr_payload: f64,
    /// The slope that the choice was made with, dB per byte.
    pub slope_db_per_byte: f64,
    /// Cb and Cr of the decoded picture; in gray ones this and those below are zero.
    pub psnr_chroma_decoded: [f64; 2],
    /// Cb and Cr with the base model.
    pub psnr_chroma_base: [f64; 2],
    /// Cb and Cr with what the payload asks for.
    pub psnr_chroma_payload: [f64; 2],
}

/// Settings of a decoder.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct SidelightDecoderSettings {
    /// Threads of sidelight_decoder_filter(), 0 = one for each logical core; at most 256.
    pub threads: u32,
    /// Nonzero to accept a payload without comparing its binding; one for another codec is stale all the same. Only for
    /// hosts that bind payload and picture by other means.
    pub skip_binding: u32,
    /// A SidelightModelSize for sidelight_decoder_set_mode(); payloads name their model.
    pub model_size: u32,
    /// Zero.
    pub reserved: [u32; 15],
}

/// Results below zero. The numbers are Linux errno values on every platform.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SidelightError {
    /// The file holds something that the change would break: a signature over its bytes, or offsets of what stands
    /// behind the picture.
    Conflict = -1,
    /// None of a picture's SEI messages is a payload.
    NoPayload = -2,
    /// Memory could not be had. Nothing is lost, and the call may be made again. The encoder checks allocations of 128
    /// KiB and more alone: where a smaller one fails, the process aborts. All else checks every one, but to start threads
    /// and to count cores: a decoder or optimiser whose settings ask for one thread does neither.
    OutOfMemory = -12,
    /// The payload names a base model that this build does not have, or the build has none for the codec.
    UnknownModel = -19,
    /// An argument is NULL or out of its stated range, a reserved field is not zero, or pictures disagree in shape.
    InvalidArgument = -22,
    /// A size is over a stated limit.
    TooLarge = -27,
    /// Bytes from outside are damaged or not of the format they should be.
    Corrupt = -74,
    /// Well-formed, but not supported by this version; or the CPU lacks what training needs.
    Unsupported = -95,
    /// The payload was made for another picture, or the picture was edited since.
    Stale = -116,
    /// A bug inside the library. What the call was to write is unspecified; a decoder is to be set again. Handles may
    /// still be used and closed.
    Internal = -131,
}
