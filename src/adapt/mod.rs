//! Fine-tuning: training on the very picture, with the update's rounding and price in the loop.

mod basis;
pub mod dead_zone;
pub mod distortion;
pub mod math;
mod parameters;
mod published;
mod sampler;
mod schedule;
pub mod task;
pub mod tiles;
pub mod trainer;
pub mod tuned;
mod worker;
