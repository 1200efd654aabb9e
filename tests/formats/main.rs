//! What is read and written, byte by byte: payloads, model files, JPEG files, streams of NAL units; and what decoders
//! make of payloads.

#[path = "../common/mod.rs"]
mod common;

mod decoded_golden;
mod jpeg_carriage;
mod model_file;
mod nal_carriage;
mod payload_golden;
mod payload_update;
