//! Side-info carriage: how a payload travels inside a codec's bytes.

pub mod jpeg;
pub mod nal;

/// Longest payload in bytes, header included: what one APP10 segment of a JPEG file holds.
pub const MAX_PAYLOAD: usize = 65_526;
