//! Fine-tuning: training on the very picture, with the update's rounding and price in the loop.

pub mod finetune;
pub mod math;
pub mod objective;
mod parameters;
mod published;
mod sampler;
mod schedule;
pub mod tiles;
