//! The command, run as its users run it.

mod attach;
mod batch;
mod decode;
mod examples;
mod hostile;
mod make;
mod round_trip;
mod video;
