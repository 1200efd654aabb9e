//! Side-info carriage: how a payload travels inside a codec's bytes.

pub mod hevc;
pub mod jpeg;
