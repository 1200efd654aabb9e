/*
 * Sidelight: artifact removal for image and video codecs, with side information.
 *
 * An encoder hands over the original and the decoded picture and gets a payload of some dozens to some
 * thousands of bytes; a decoder hands over the payload and the decoded picture and gets a better one,
 * bit-exactly that which the encoder measured. With a JPEG file:
 *
 *   SidelightCodecParams params;                       SidelightCodecParams params;
 *   SidelightBuffer payload = {0}, out = {0};          SidelightBuffer payload = {0};
 *   SidelightEncoder *encoder = NULL;                  SidelightDecoder *decoder = NULL;
 *   int r = sidelight_encoder_open(NULL, &encoder);    int r = sidelight_decoder_open(NULL, &decoder);
 *   if (r >= 0)                                        if (r >= 0 &&
 *     r = sidelight_jpeg_read(jpeg, size,                  sidelight_jpeg_read(jpeg, size,
 *             &params, NULL);                                      &params, &payload) > 0)
 *   if (r >= 0)                                          sidelight_decoder_set_payload(
 *     r = sidelight_encoder_encode(                          decoder, payload.data, payload.size,
 *             encoder, &original, &decoded, 1,               &params); // < 0: unfiltered
 *             &params, &payload, NULL);                if (r >= 0)
 *   if (r >= 0)                                          r = sidelight_decoder_filter(
 *     r = sidelight_jpeg_rewrite(jpeg, size,                     decoder, &decoded, &better);
 *             payload.data, payload.size, &out);
 *   sidelight_buffer_unref(&payload);                  sidelight_buffer_unref(&payload);
 *   sidelight_encoder_close(&encoder);                 sidelight_decoder_close(&decoder);
 *
 * What holds for all functions:
 *
 * - Those of type int return 0 or, where said, a positive value, or a negative SidelightError. Any may return
 *   SIDELIGHT_ERROR_INVALID_ARGUMENT (a NULL that is not said to be allowed, a value out of its range, a reserved field
 *   that is not zero, pictures that disagree; the log callback is told the argument, its value and what it should be),
 *   SIDELIGHT_ERROR_OUT_OF_MEMORY or SIDELIGHT_ERROR_INTERNAL, and those that take a picture
 *   SIDELIGHT_ERROR_UNSUPPORTED for a bit depth of 1 to 16 other than 8, 10 and 12. A function's comment has the others.
 * - Bytes and arrays to read may be NULL where their size or count is 0. Any payload, file or stream is safe to pass.
 * - Outputs are written on success only. Input is only read, and only during the call.
 * - Structs start from `= {0}` (C++: `= {}`), which stands for the defaults; reserved fields stay zero. Enumerations
 *   are passed as uint32_t.
 * - What the library hands out is freed by it: sidelight_buffer_unref(), sidelight_*_close(). These take NULL, a
 *   pointer to NULL and a cleared buffer, and clear what they are given.
 * - Handles are independent of each other. Each may be used by one thread at a time, any one (but see
 *   sidelight_decoder_filter_band()), different ones by different threads at once.
 * - A library that was built for decoding alone lacks sidelight_encoder_*(), sidelight_jpeg_optimise() and
 *   sidelight_jpeg_targets().
 */

#ifndef SIDELIGHT_H
#define SIDELIGHT_H

#include <stddef.h>
#include <stdint.h>

#define SIDELIGHT_VERSION_MAJOR 0
#define SIDELIGHT_VERSION_MINOR 1
#define SIDELIGHT_VERSION_PATCH 0

/// What sidelight_version() returns for this header.
#define SIDELIGHT_VERSION \
  (SIDELIGHT_VERSION_MAJOR << 16 | SIDELIGHT_VERSION_MINOR << 8 | SIDELIGHT_VERSION_PATCH)

/// The UUID that SEI messages with a payload begin with.
static const uint8_t SIDELIGHT_SEI_UUID[16] = {
  0x6f, 0xe5, 0x35, 0x31, 0x39, 0x28, 0x45, 0xb9,
  0x8d, 0x14, 0x90, 0xec, 0x3b, 0x13, 0xed, 0x9f,
};

/// The longest payload, in bytes: what a segment of a JPEG file has room for.
#define SIDELIGHT_MAX_PAYLOAD 65526

/// What carrying a payload adds to a JPEG file besides the payload, in bytes.
#define SIDELIGHT_JPEG_CARRIAGE_BYTES 11

/// What an SEI message adds to a payload of up to 238 bytes in an HEVC or VVC byte stream, without emulation prevention;
/// one more for each further 255 bytes begun. H.264: one less.
#define SIDELIGHT_NAL_CARRIAGE_BYTES 25

/// The strength of sidelight_decoder_set_strength() at which pictures get the whole correction.
#define SIDELIGHT_FULL_STRENGTH 64

/// How a picture's chroma is sampled.
typedef enum SidelightLayout {
  /// Luma only.
  SIDELIGHT_LAYOUT_I400 = 0,
  /// Chroma at half width and half height.
  SIDELIGHT_LAYOUT_I420 = 1,
  /// Chroma at half width.
  SIDELIGHT_LAYOUT_I422 = 2,
  /// Chroma at full size.
  SIDELIGHT_LAYOUT_I444 = 3,
  /// Chroma at half height.
  SIDELIGHT_LAYOUT_I440 = 4,
  /// Chroma at a quarter of the width.
  SIDELIGHT_LAYOUT_I411 = 5,
} SidelightLayout;

/// What a payload asks for, and what an encoder may choose.
typedef enum SidelightMode {
  /// No filtering.
  SIDELIGHT_MODE_OFF = 0,
  /// The base model as it is.
  SIDELIGHT_MODE_BASE = 1,
  /// The base model with a weight-update.
  SIDELIGHT_MODE_UPDATE = 2,
} SidelightMode;

/// Codec that coded the picture.
typedef enum SidelightCodec {
  /// JPEG: `quant` says how strongly.
  SIDELIGHT_CODEC_JPEG = 1,
  /// HEVC: `qp` says how strongly.
  SIDELIGHT_CODEC_HEVC = 2,
} SidelightCodec;

/// Severity of a log message.
typedef enum SidelightLogLevel {
  /// Something failed.
  SIDELIGHT_LOG_LEVEL_ERROR = 0,
  /// Something is odd, such as a stale payload.
  SIDELIGHT_LOG_LEVEL_WARNING = 1,
  /// What was chosen, and why.
  SIDELIGHT_LOG_LEVEL_INFO = 2,
} SidelightLogLevel;

/// Instruction-set levels, of each architecture in order.
typedef enum SidelightCpuLevel {
  /// Portable code.
  SIDELIGHT_CPU_LEVEL_SCALAR = 0,
  /// SSE4.1.
  SIDELIGHT_CPU_LEVEL_SSE41 = 1,
  /// AVX2 and FMA.
  SIDELIGHT_CPU_LEVEL_AVX2 = 2,
  /// AVX-VNNI, AVX2 and FMA; CPUs with AVX-512 may lack it.
  SIDELIGHT_CPU_LEVEL_AVXVNNI = 3,
  /// AVX-512 F, BW, VL and VNNI.
  SIDELIGHT_CPU_LEVEL_AVX512 = 4,
  /// 64-bit ARM's Advanced SIMD.
  SIDELIGHT_CPU_LEVEL_NEON = 16,
  /// Advanced SIMD with dot products of bytes.
  SIDELIGHT_CPU_LEVEL_DOTPROD = 17,
  /// WebAssembly's 128-bit SIMD.
  SIDELIGHT_CPU_LEVEL_SIMD128 = 32,
  /// The best that this CPU has.
  SIDELIGHT_CPU_LEVEL_BEST = 255,
} SidelightCpuLevel;

/// Results below zero. The numbers are Linux errno values on every platform.
typedef enum SidelightError {
  /// The file holds something that the change would break: a signature over its bytes, or offsets of what stands
  /// behind the picture.
  SIDELIGHT_ERROR_CONFLICT = -1,
  /// None of a picture's SEI messages is a payload.
  SIDELIGHT_ERROR_NO_PAYLOAD = -2,
  /// Memory could not be had. Nothing is lost, and the call may be made again. The encoder checks allocations of 128
  /// KiB and more alone: where a smaller one fails, the process aborts. All else checks every one, but to start threads
  /// and to count cores: a decoder or optimiser whose settings ask for one thread does neither.
  SIDELIGHT_ERROR_OUT_OF_MEMORY = -12,
  /// The payload names a base model that this build does not have, or the build has none for the codec.
  SIDELIGHT_ERROR_UNKNOWN_MODEL = -19,
  /// An argument is NULL or out of its stated range, a reserved field is not zero, or pictures disagree in shape.
  SIDELIGHT_ERROR_INVALID_ARGUMENT = -22,
  /// A size is over a stated limit.
  SIDELIGHT_ERROR_TOO_LARGE = -27,
  /// Bytes from outside are damaged or not of the format they should be.
  SIDELIGHT_ERROR_CORRUPT = -74,
  /// Well-formed, but not supported by this version; or the CPU lacks what training needs.
  SIDELIGHT_ERROR_UNSUPPORTED = -95,
  /// The payload was made for another picture, or the picture was edited since.
  SIDELIGHT_ERROR_STALE = -116,
  /// A bug inside the library. What the call was to write is unspecified; a decoder is to be set again. Handles may
  /// still be used and closed.
  SIDELIGHT_ERROR_INTERNAL = -131,
} SidelightError;

/// Codec of a stream of NAL units.
typedef enum SidelightNalCodec {
  /// H.264 (AVC).
  SIDELIGHT_NAL_CODEC_H264 = 1,
  /// H.265 (HEVC).
  SIDELIGHT_NAL_CODEC_HEVC = 2,
  /// H.266 (VVC).
  SIDELIGHT_NAL_CODEC_VVC = 3,
} SidelightNalCodec;

/// How a video codec coded a picture.
typedef enum SidelightPictureType {
  /// Intra, and decoding can start here. Still pictures are of this type.
  SIDELIGHT_PICTURE_TYPE_IRAP = 0,
  /// Intra.
  SIDELIGHT_PICTURE_TYPE_I = 1,
  /// Predicted from at most one picture for each block.
  SIDELIGHT_PICTURE_TYPE_P = 2,
  /// Predicted from at most two pictures for each block.
  SIDELIGHT_PICTURE_TYPE_B = 3,
} SidelightPictureType;

/// Size of a base model: multiply-accumulates for each luma sample of a colour picture. Where a codec has no model of a
/// size, or the library was built without it, the codec's medium one is taken, else its small one, else its large one.
///
/// JPEG has two models of each size, for standard quantisation tables and for any; encoders take the better one.
typedef enum SidelightModelSize {
  /// The default: medium.
  SIDELIGHT_MODEL_SIZE_DEFAULT = 0,
  /// About 2900: for video on small machines.
  SIDELIGHT_MODEL_SIZE_SMALL = 1,
  /// About 9500.
  SIDELIGHT_MODEL_SIZE_MEDIUM = 2,
  /// About 23600: for stills.
  SIDELIGHT_MODEL_SIZE_LARGE = 3,
} SidelightModelSize;

/// What training learns, and what it pays for.
typedef enum SidelightObjective {
  /// The default: what is sent is rounded, and charged for its bits, while it is learnt.
  SIDELIGHT_OBJECTIVE_RATE_DISTORTION = 0,
  /// For comparison, as in arXiv 1905.04079: weights and biases with a compressibility loss, then pruned
  /// and clustered. It gains less; decoders take its payloads like any other.
  SIDELIGHT_OBJECTIVE_PUBLISHED = 1,
} SidelightObjective;

/// A decoder: the model that a payload asks for, which filters pictures.
///
/// For each band that runs it needs three rows of every feature map, 2.4 MB where luma has 6000 columns, and keeps them
/// for the next: once a picture of a size has been filtered, bands take nothing from the heap (but whole pictures start
/// threads, unless the settings ask for one).
typedef struct SidelightDecoder SidelightDecoder;

/// An encoder: fine-tunes the network on pictures and writes payloads.
typedef struct SidelightEncoder SidelightEncoder;

/// A stream of NAL units that is cut into access units.
typedef struct SidelightStream SidelightStream;

/// A log callback: gets a formatted, NUL-terminated message, valid during the call, and a SidelightLogLevel, from any
/// thread that is inside the library. It must return: no longjmp(), no C++ exception.
typedef void (*SidelightLog)(void *user, uint32_t level, const char *message);

/// Bytes owned by the library, to be freed with sidelight_buffer_unref(). They may be written to, but `data` and `size`
/// stay as they are. Functions do not free what a buffer held before.
typedef struct SidelightBuffer {
  /// First byte; NULL if there are none.
  uint8_t *data;
  /// Number of bytes.
  size_t size;
} SidelightBuffer;

/// What the host knows of how a picture was coded; sidelight_jpeg_read() fills it. The codec has no default.
typedef struct SidelightCodecParams {
  /// A SidelightCodec.
  uint32_t codec;
  /// Luma and chroma quantisation tables in natural (row-major, not zig-zag) order; steps 1 to 65535 in 8-bit units.
  /// All-zero chroma stands for luma's table; sidelight_jpeg_read() leaves it zero where there is no second component
  /// or its table is not defined before the first scan.
  uint16_t quant[2][64];
  /// Bytes that carrying a payload adds to the file besides the payload, as SIDELIGHT_NAL_CARRIAGE_BYTES. Read by the
  /// encoder only.
  uint32_t carriage_bytes;
  /// What a payload is bound to. JPEG: a hash of the coded data (sidelight_jpeg_read() computes it); encoder and
  /// decoder must see the same value. HEVC: use sidelight_payload_bind() and sidelight_decoder_set_sei() instead.
  uint64_t binding;
  /// Bytes of the coded pictures, without payload, metadata and the like; 0 if unknown. Read by the encoder only.
  uint64_t coded_bytes;
  /// What a byte buys in the codec at this quality: dB per byte, of PSNR-YUV 6:1:1 for colour pictures (that of luma
  /// PSNR is nearly the same), of luma PSNR for gray ones; 0 to estimate it from coded_bytes. Finite and not
  /// negative. Read by the encoder only.
  double slope_db_per_byte;
  /// HEVC: mean luma QP of intra, P and B pictures, 1 to 51; 0 for types that are to be left as they are. The encoder
  /// takes it as a start and sends what serves best.
  uint8_t qp[3];
  /// Zero.
  uint8_t reserved[61];
} SidelightCodecParams;

/// A picture in the caller's memory.
///
/// Plane 0 is luma, 1 and 2 are Cb and Cr (ignored for SIDELIGHT_LAYOUT_I400). Chroma planes have (width + 1) / 2
/// columns (I420, I422) or (width + 3) / 4 (I411), and (height + 1) / 2 rows (I420, I440). The library never reads or
/// writes beyond a row's samples, so strides need no padding.
typedef struct SidelightPicture {
  /// First sample of each plane. Input pictures are never written.
  void *data[3];
  /// Bytes from one row to the next of each plane, at least a row's and not negative.
  ptrdiff_t stride[3];
  /// Luma samples in a row, 1 to 65535.
  uint32_t width;
  /// Luma rows, 1 to 65535.
  uint32_t height;
  /// A SidelightLayout.
  uint32_t layout;
  /// Bits per sample: 8, 10 or 12, of the filter's output also 16. With more than 8, samples are 16-bit numbers in the machine's byte order, pointers
  /// and strides are even, and samples above the depth's range count as its largest.
  uint32_t bit_depth;
  /// A SidelightPictureType: decoded pictures of video only.
  uint32_t picture_type;
  /// Zero.
  uint8_t reserved[20];
} SidelightPicture;

/// What a stream is. The codec has no default.
typedef struct SidelightStreamSettings {
  /// A SidelightNalCodec.
  uint32_t codec;
  /// 0 for a byte stream with start codes (Annex B); 1, 2 or 4 for samples whose NAL units stand each behind a
  /// big-endian length of so many bytes (mp4, Matroska).
  uint32_t length_bytes;
  /// Zero.
  uint64_t reserved[7];
} SidelightStreamSettings;

/// A coded picture with all NAL units that belong to it. Pointers are valid until the next call of
/// sidelight_stream_push(), sidelight_stream_next() or sidelight_stream_close().
typedef struct SidelightAccessUnit {
  /// The unit's bytes as they stand in the stream.
  const uint8_t *data;
  /// Number of bytes.
  size_t size;
  /// The payload in it; NULL if there is none. If there are several, the last one that did not come with the stream's
  /// first payload, in its unit: file formats put copies of that into later ones. If all of them did, the last.
  const uint8_t *payload;
  /// Bytes of the payload.
  size_t payload_size;
  /// How many payloads there are.
  uint32_t payloads;
  /// 1 if there is a slice of layer 0; else 0: such a unit takes no payload. Only the end of a stream and samples can
  /// be so.
  uint32_t has_picture;
  /// 1 if decoding can start here: an IRAP picture; H.264: an IDR picture.
  uint32_t irap;
  /// Zero.
  uint8_t reserved[4];
  /// All payloads, in order, each behind its UUID, as sidelight_decoder_set_sei() takes them: it finds the one that
  /// is for the picture. There are `payloads` of them; NULL if none.
  const uint8_t *const *messages;
  /// Bytes of each message.
  const size_t *message_sizes;
} SidelightAccessUnit;

/// What a payload says of itself.
typedef struct SidelightPayloadInfo {
  /// What it asks for, a SidelightMode.
  uint32_t mode;
  /// Id of the base model; 0 where the mode is off.
  uint32_t model;
  /// 1 if this build has that model, or needs none; else 0: the update was not read, the fields below are zero.
  uint32_t known;
  /// What it is for, a SidelightCodec; 0 where the mode is off.
  uint32_t codec;
  /// Size of the base model, a SidelightModelSize; 0 where the mode is off.
  uint32_t model_size;
  /// Bytes of the update.
  uint32_t update_bytes;
  /// HEVC: how strongly intra, P and B pictures are filtered, as QPs; 0: not at all.
  uint8_t qp[3];
  /// Zero.
  uint8_t reserved[37];
} SidelightPayloadInfo;

/// A progress callback: gets the fraction done, 0.0 to 1.0, some fifty times a second, or more often, on the thread
/// that called sidelight_encoder_encode() or sidelight_jpeg_optimise(). It returns 0 to go on; anything else cancels: it
/// is not called again, and the best so far is returned within 200 ms, for pictures of up to 24 megapixels, of the
/// second function up to 6. It must not call into the same encoder, and must return: no longjmp(), no C++ exception.
typedef int (*SidelightProgress)(void *user, double fraction);

/// Settings of sidelight_jpeg_optimise().
typedef struct SidelightOptimiseSettings {
  /// Threads, 0 = one for each logical core; at most 256. The coefficients do not depend on it.
  uint32_t threads;
  /// What the search may cost: 1 (least) to 9 (most), 0 = 5. Each gains more than the one below.
  uint32_t effort;
  /// A SidelightModelSize: of the base model, where no payload names one.
  uint32_t model_size;
  /// Nonzero if the file will be progressive: bits are then counted as its scans cost them.
  uint32_t progressive;
  /// Zero.
  uint32_t reserved[12];
  /// Weight of bits against errors: 0.05 to 20, 0 = 0.6; 1 is what a byte is worth to PSNR at the picture's own quality.
  /// With less, files grow, and keep more structure.
  double strength;
  /// Weight of the decoded picture's own error beside the error behind the filter: up to 100, 0 = 0.2, with which
  /// viewers without the filter lose nothing; below 0 = none.
  double decoded_weight;
  /// Progress callback, or NULL.
  SidelightProgress progress;
  /// First argument of the progress callback.
  void *progress_user;
} SidelightOptimiseSettings;

/// Quantised coefficients of a JPEG picture, as libjpeg's jpeg_read_coefficients() and jpeg_write_coefficients() have
/// them: rows of blocks of 64 in natural (row-major, not zig-zag) order; the components are luma, Cb and Cr. One of
/// w × h samples has (w + 7) / 8 blocks in a row and (h + 7) / 8 rows; what a file has beyond, to fill its MCUs, is not
/// looked at.
typedef struct SidelightCoefficients {
  /// First block of each component, aligned to 2.
  int16_t *blocks[3];
  /// Bytes from one row of blocks to the next, even, at least 128 for each block of a row.
  ptrdiff_t stride[3];
  /// Zero.
  uint32_t reserved[4];
} SidelightCoefficients;

/// What sidelight_jpeg_optimise() measured, through the integer filter: before, as the coefficients came in, and after.
/// PSNR in dB of Y, Cb and Cr, infinite where planes are equal, zero for chroma of gray pictures.
typedef struct SidelightOptimiseReport {
  /// 1 if coefficients changed; 0 if none better were found.
  uint32_t changed;
  /// Id of the base model behind which they are better.
  uint32_t model;
  /// About the bits of the coded data with Huffman tables that fit it, without headers and padding: before and after.
  uint64_t bits[2];
  /// Of the decoded picture, before and after.
  double psnr_decoded[2][3];
  /// Behind the filter, before and after.
  double psnr_filtered[2][3];
  /// Zero.
  uint32_t reserved[8];
} SidelightOptimiseReport;

/// Where the coefficients of a JPEG picture shall be for the picture behind the filter, for encoders that weigh rate and
/// distortion themselves: near the coefficients of the call, the squared error behind the filter is about a constant and
/// the sum of weight · (coefficient − target)² over all coefficients, of dequantised values. A change of a few steps in
/// many neighbouring blocks at once leaves that range: encoders should change some, and ask again, or look at `error`.
///
/// Each array has the blocks of a component row by row, (w + 7) / 8 in a row, without gaps; those that are NULL are not
/// written, nor are chroma's of a gray picture. All in squared grey levels; settings->decoded_weight counts as in
/// sidelight_jpeg_optimise(), settings->effort, strength and progressive do not matter.
typedef struct SidelightTargets {
  /// 64 targets for each block, in natural order.
  float *target[3];
  /// 64 weights for each block, above 0.
  float *weight[3];
  /// For each block the squared error behind the filter of its samples and of four more on every side.
  float *error[3];
  /// Zero.
  uint32_t reserved[4];
} SidelightTargets;

/// Settings of an encoder.
typedef struct SidelightEncoderSettings {
  /// Nonzero to send no update: the payload asks for the base model at most, and encoding takes no training.
  uint32_t no_update;
  /// Threads, 0 = one for each logical core; at most 256. The payload does not depend on it.
  uint32_t threads;
  /// Training steps, 0 = chosen by effort and the pictures' size; at most 100000.
  uint32_t steps;
  /// A SidelightModelSize. Decoders run what the payload names.
  uint32_t model_size;
  /// Progress callback, or NULL.
  SidelightProgress progress;
  /// First argument of the progress callback.
  void *progress_user;
  /// What training may cost: 1 (least) to 9 (most), 0 = 5. Each gains more than the one below.
  uint32_t effort;
  /// Milliseconds that training may take, 0 = no limit; measuring what it made comes on top. With a limit the payload
  /// depends on the machine's speed.
  uint32_t budget_ms;
  /// A SidelightObjective: what is trained, and how it is made small.
  uint32_t objective;
  /// Zero.
  uint32_t reserved[13];
} SidelightEncoderSettings;

/// What an encode measured, through the integer filter that the decoder will run. PSNR in dB, infinite where planes are
/// equal; of several pictures the mean of their PSNRs.
typedef struct SidelightReport {
  /// What the payload asks for, a SidelightMode.
  uint32_t mode;
  /// Bytes of the payload.
  uint32_t payload_bytes;
  /// Training steps that were run.
  uint32_t steps;
  /// Zero.
  uint32_t reserved[3];
  /// Luma of the decoded picture.
  double psnr_decoded;
  /// Luma with the base model, of JPEG's the better one.
  double psnr_base;
  /// Luma with what the payload asks for.
  double psnr_payload;
  /// The slope that the choice was made with, dB per byte.
  double slope_db_per_byte;
  /// Cb and Cr of the decoded picture; in gray ones this and those below are zero.
  double psnr_chroma_decoded[2];
  /// Cb and Cr with the base model.
  double psnr_chroma_base[2];
  /// Cb and Cr with what the payload asks for.
  double psnr_chroma_payload[2];
} SidelightReport;

/// Settings of a decoder.
typedef struct SidelightDecoderSettings {
  /// Threads of sidelight_decoder_filter(), 0 = one for each logical core; at most 256.
  uint32_t threads;
  /// Nonzero to accept a payload without comparing its binding; one for another codec is stale all the same. Only for
  /// hosts that bind payload and picture by other means.
  uint32_t skip_binding;
  /// A SidelightModelSize for sidelight_decoder_set_mode(); payloads name their model.
  uint32_t model_size;
  /// Zero.
  uint32_t reserved[15];
} SidelightDecoderSettings;

#ifdef __cplusplus
extern "C" {
#endif // __cplusplus

/// The library's version, 0x00MMmmpp (major, minor, patch). SIDELIGHT_VERSION is the one that a program was compiled
/// with. Any thread may call it.
uint32_t sidelight_version(void);

/// One line of English for a result, also for 0 and unknown ones: static, never NULL. Any thread may call it.
const char *sidelight_strerror(int error);

/// Sets the log callback of the whole process; NULL (the default) for none. Nothing else is printed, but before an
/// abort for want of memory and by a panic, which is a bug.
///
/// It is for programs, not for libraries inside them: there is one for all. Set it before other threads use the
/// library, and keep callback and `user` alive until none does: a call may still be running when it is replaced. The
/// callback must not call into the library.
void sidelight_set_log_callback(SidelightLog callback, void *user);

/// Caps the instruction set that the library uses at `level`, a SidelightCpuLevel, for the whole process; it is never
/// raised above what the CPU and the environment variable SIDELIGHT_CPU (scalar, sse41, avx2, avxvnni, avx512, neon,
/// dotprod, simd128; anything else is ignored; read once, when it is first needed) allow. A level that the CPU lacks
/// stands for the highest below it that the CPU has, one of another architecture for the best. Results are the same at
/// every level. Handles opened later obey it. Any thread may call it. Returns 0.
int sidelight_set_cpu_level(uint32_t level);

/// Frees the bytes of a buffer that the library filled, and clears it. NULL and cleared buffers are fine.
void sidelight_buffer_unref(struct SidelightBuffer *buffer);

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
int sidelight_jpeg_read(const uint8_t *jpeg,
                        size_t size,
                        struct SidelightCodecParams *params,
                        struct SidelightBuffer *payload);

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
int sidelight_jpeg_rewrite(const uint8_t *jpeg,
                           size_t size,
                           const uint8_t *payload,
                           size_t payload_size,
                           struct SidelightBuffer *out);

/// Does as sidelight_jpeg_rewrite() does, also where that is SIDELIGHT_ERROR_CONFLICT: afterwards the file's signature
/// is invalid, or what its metadata point to behind EOI is not found.
int sidelight_jpeg_rewrite_anyway(const uint8_t *jpeg,
                                  size_t size,
                                  const uint8_t *payload,
                                  size_t payload_size,
                                  struct SidelightBuffer *out);

/// Compares decoded planes with those of libjpeg's accurate integer inverse transform (JDCT_ISLOW, its default), which
/// models and payloads are made for. Payloads gain less behind another one: docs/carriage-jpeg.md says how much.
///
/// @param jpeg    the whole file, `size` bytes; any bytes are safe.
/// @param decoded the planes as coded, of 8 bits, before chroma is interpolated.
/// @return the largest difference that was found in some 256 blocks of each plane, in levels, 0 to 255: 0 behind the
/// accurate transform, 1 behind a floating-point one, which is as good; more is worth a warning, which the log has, and
/// planes taken from RGB come to 2 to 20. SIDELIGHT_ERROR_INVALID_ARGUMENT if the planes are not of the file's sizes;
/// SIDELIGHT_ERROR_CORRUPT also if the file is damaged or cut off; otherwise as sidelight_jpeg_read().
int sidelight_jpeg_check_planes(const uint8_t *jpeg, size_t size, const struct SidelightPicture *decoded);

/// Opens a stream, to be closed with sidelight_stream_close(). The settings are copied. Returns 0.
int sidelight_stream_open(const struct SidelightStreamSettings *settings, struct SidelightStream **out);

/// Appends bytes to a stream. Then call sidelight_stream_next() until it returns 0: so memory stays within a few times
/// the largest access unit (64 MiB at most) and push.
///
/// @param data copied; any bytes are safe, but they must not lie in a unit of this stream. Of a byte stream any number
/// of them, otherwise one whole sample.
/// @param size 0 says that the stream ends: what is left is its last unit. Once that is taken, the next push begins
/// another stream (after a seek, say).
/// @return 0; SIDELIGHT_ERROR_INVALID_ARGUMENT also if the sample before, or the end of the stream before, was not
/// taken; of a byte stream, the error that sidelight_stream_next() gave before.
int sidelight_stream_push(struct SidelightStream *stream, const uint8_t *data, size_t size);

/// Gives the next access unit. The bytes of all units, one after another, are those of the stream. The end of a unit in
/// a byte stream is known when the next one begins, or at the stream's end.
///
/// @param unit written if the result is 1.
/// @return 1; 0 if more bytes are needed or the stream has ended; SIDELIGHT_ERROR_CORRUPT if a byte stream does not
/// begin with a start code, or the lengths in a sample do not add up (the sample is dropped, and the next may be
/// pushed); SIDELIGHT_ERROR_TOO_LARGE for a unit over 64 MiB. After SIDELIGHT_ERROR_OUT_OF_MEMORY the same unit comes
/// with the next call; after SIDELIGHT_ERROR_CORRUPT or SIDELIGHT_ERROR_TOO_LARGE a byte stream is over: close it.
int sidelight_stream_next(struct SidelightStream *stream, struct SidelightAccessUnit *unit);

/// Copies the access unit that the last call of sidelight_stream_next() gave, with another payload or none: an SEI
/// message in front of the first slice. All other bytes stay as they are, so decoders see the same picture. There is no
/// such unit after a call that did not return 1, or after sidelight_stream_push().
///
/// @param payload takes the place of all payloads in the unit; NULL to remove them.
/// @param size    bytes of the payload, 1 to SIDELIGHT_MAX_PAYLOAD; 0 if NULL.
/// @param out     to be freed with sidelight_buffer_unref().
/// @return 0; SIDELIGHT_ERROR_INVALID_ARGUMENT also if there is no such unit, or if it has no picture to carry a
/// payload for; SIDELIGHT_ERROR_TOO_LARGE above SIDELIGHT_MAX_PAYLOAD, or over what `length_bytes` can tell.
int sidelight_stream_rewrite(const struct SidelightStream *stream,
                             const uint8_t *payload,
                             size_t size,
                             struct SidelightBuffer *out);

/// Closes a stream and sets `*stream` to NULL.
void sidelight_stream_close(struct SidelightStream **stream);

/// Binds an encoder's payload to the decoded picture that will carry it. A payload for video stands in front of the
/// first picture that it is for and is repeated at every IRAP picture that it is to outlive: each copy is bound to its
/// own carrier.
///
/// @param payload `size` bytes, changed in place on success only.
/// @param carrier the decoded picture; its type is not looked at.
/// @return 0; SIDELIGHT_ERROR_CORRUPT, SIDELIGHT_ERROR_UNSUPPORTED or SIDELIGHT_ERROR_TOO_LARGE if this is no payload.
int sidelight_payload_bind(uint8_t *payload, size_t size, const struct SidelightPicture *carrier);

/// Reads what a payload says of itself. Its form is checked, the update's too where the model is known; what it is
/// bound to and whether the updated weights are in range, only a decoder can tell.
///
/// @return 0; SIDELIGHT_ERROR_CORRUPT; SIDELIGHT_ERROR_UNSUPPORTED for a later version or mode (damage may look like
/// one); SIDELIGHT_ERROR_TOO_LARGE above SIDELIGHT_MAX_PAYLOAD.
int sidelight_payload_probe(const uint8_t *payload, size_t size, struct SidelightPayloadInfo *info);

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
int sidelight_jpeg_optimise(const struct SidelightOptimiseSettings *settings,
                            const struct SidelightPicture *original,
                            const struct SidelightCodecParams *params,
                            const uint8_t *payload,
                            size_t payload_size,
                            const struct SidelightCoefficients *coefficients,
                            struct SidelightOptimiseReport *report);

/// Computes targets and weights: see SidelightTargets. Arguments but `targets` are as for sidelight_jpeg_optimise();
/// coefficients are not changed.
///
/// @param targets where to write to; its arrays are written on success only.
/// @return 1; 0 if canceled, nothing is written then; errors as for sidelight_jpeg_optimise().
int sidelight_jpeg_targets(const struct SidelightOptimiseSettings *settings,
                           const struct SidelightPicture *original,
                           const struct SidelightCodecParams *params,
                           const uint8_t *payload,
                           size_t payload_size,
                           const struct SidelightCoefficients *coefficients,
                           const struct SidelightTargets *targets);

/// Opens an encoder, to be closed with sidelight_encoder_close(). The settings are copied; NULL stands for the
/// defaults. Returns 0; SIDELIGHT_ERROR_UNSUPPORTED unless `settings->no_update` where there is no code for a fused
/// multiply-add of the CPU: x86-64 without AVX2 and FMA (many a Pentium, Celeron and Atom), 32-bit x86 and ARM.
int sidelight_encoder_open(const struct SidelightEncoderSettings *settings, struct SidelightEncoder **out);

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
int sidelight_encoder_encode(struct SidelightEncoder *encoder,
                             const struct SidelightPicture *original,
                             const struct SidelightPicture *decoded,
                             size_t count,
                             const struct SidelightCodecParams *params,
                             struct SidelightBuffer *payload,
                             struct SidelightReport *report);

/// Closes an encoder and sets `*encoder` to NULL.
void sidelight_encoder_close(struct SidelightEncoder **encoder);

/// Opens a decoder, to be closed with sidelight_decoder_close(). The settings are copied; NULL stands for the defaults.
/// Until a payload or a base model is set, it passes pictures through unfiltered. Returns 0.
int sidelight_decoder_open(const struct SidelightDecoderSettings *settings, struct SidelightDecoder **out);

/// Sets what a payload asks for. On any error the decoder passes pictures through unfiltered.
///
/// The check is one against accidents: 8 bits of CRC over the payload and 16 bits that bind it to the picture. A
/// payload of another picture passes one time in 65536; then the filter runs with the wrong update, and safely.
///
/// @param params  how the picture was coded; its binding must be the one that the encoder saw.
/// @return the payload's SidelightMode (0, 1 or 2); SIDELIGHT_ERROR_CORRUPT; SIDELIGHT_ERROR_STALE if it was made for
/// another picture or is for another codec; SIDELIGHT_ERROR_UNKNOWN_MODEL; SIDELIGHT_ERROR_UNSUPPORTED for a later
/// version (damage may look like one) or codec; SIDELIGHT_ERROR_TOO_LARGE above SIDELIGHT_MAX_PAYLOAD.
int sidelight_decoder_set_payload(struct SidelightDecoder *decoder,
                                  const uint8_t *payload,
                                  size_t size,
                                  const struct SidelightCodecParams *params);

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
int sidelight_decoder_set_sei(struct SidelightDecoder *decoder,
                              const struct SidelightPicture *picture,
                              const uint8_t *const *messages,
                              const size_t *sizes,
                              size_t count);

/// Sets filtering without a payload: SIDELIGHT_MODE_BASE for the base model that fits the codec and, for JPEG, the luma
/// table, SIDELIGHT_MODE_OFF to pass pictures through. On an error pictures pass through.
///
/// @param params how the picture was coded; may be NULL with SIDELIGHT_MODE_OFF. Its binding is not looked at.
/// @return 0; SIDELIGHT_ERROR_UNSUPPORTED for a later codec; SIDELIGHT_ERROR_UNKNOWN_MODEL if this build has no model
/// for the codec.
int sidelight_decoder_set_mode(struct SidelightDecoder *decoder,
                               uint32_t mode,
                               const struct SidelightCodecParams *params);

/// Sets how much of the correction pictures get, for viewers that want more of the texture kept: strength /
/// SIDELIGHT_FULL_STRENGTH of it, rounded for each sample; 0 leaves pictures as decoded. It holds whatever payload or
/// mode is set, until it is set anew. A decoder begins with full strength; only at that does it give the picture that the
/// encoder measured.
///
/// @param strength 0 to SIDELIGHT_FULL_STRENGTH.
/// @return 0; SIDELIGHT_ERROR_INVALID_ARGUMENT, and the strength stays as it was.
int sidelight_decoder_set_strength(struct SidelightDecoder *decoder,
                                   uint32_t strength);

/// Filters a whole picture with the decoder's own threads; copies it where the mode is off.
///
/// @param in  the decoded picture.
/// @param out a picture of the same layout and size, whose rows overlap neither each other nor those of `in` (a plane
/// pointer equal to that of the same plane of `in` is refused; other overlap is undefined behaviour). Its bit_depth may
/// be greater: the bits below hold what rounding takes from the correction, and samples that are only copied are shifted
/// left. After SIDELIGHT_ERROR_OUT_OF_MEMORY some of its rows may have been written.
int sidelight_decoder_filter(struct SidelightDecoder *decoder,
                             const struct SidelightPicture *in,
                             const struct SidelightPicture *out);

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
int sidelight_decoder_filter_band(const struct SidelightDecoder *decoder,
                                  const struct SidelightPicture *in,
                                  const struct SidelightPicture *out,
                                  uint32_t first_row,
                                  uint32_t end_row);

/// Closes a decoder and sets `*decoder` to NULL.
void sidelight_decoder_close(struct SidelightDecoder **decoder);

#ifdef __cplusplus
}  // extern "C"
#endif  // __cplusplus

#endif  /* SIDELIGHT_H */
