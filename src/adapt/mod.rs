//! The encoder side: training, objective and choice.

pub mod adam;
pub mod conv;
pub mod net;
mod vector;
