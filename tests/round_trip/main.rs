//! Pictures through the Rust API: gray, in colour, and video.

#[path = "../common/mod.rs"]
mod common;

mod colour;
mod copies;
mod pipeline;
mod video;
