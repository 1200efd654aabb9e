//! Side-info carriage: how a payload travels inside a codec's bytes.

pub mod jpeg;
pub mod nal;
