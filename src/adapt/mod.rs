//! The encoder side: training, objective and choice.

pub mod adam;
mod conv;
mod course;
mod draws;
pub mod finetune;
mod gradient;
pub mod map;
pub mod math;
pub mod net;
pub mod objective;
mod parameters;
mod published;
pub mod tiles;
#[cfg(feature = "torch")]
pub mod torch;
mod vector;
