//! The payload: header, binding and the syntax of updates. docs/payload.md is the normative text.

pub mod binding;
mod coefficients;
mod contexts;
pub mod header;
mod magnitude;
#[cfg(feature = "internals")]
pub mod trace;
pub mod update;

pub use crate::carriage::MAX_PAYLOAD;
pub use header::{build, parse, rebind, Header, Mode};
