//! The payload: header, binding and update syntax. docs/payload.md is the normative text.

pub mod binding;
pub mod coding;
mod coefficients;
pub mod header;
mod magnitude;
pub mod update;

pub use coding::{Class, Coding, ContextTable, LayerClasses, CONTEXTS};
pub use header::{build, parse, rebind, Header, Mode, HEADER_SIZE, MAX_PAYLOAD};
pub use update::{LayerUpdate, Update, MAX_MAGNITUDE};
