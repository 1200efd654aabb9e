//! The payload: header, binding and update syntax. docs/payload.md is the normative text.

pub mod binding;
pub mod header;
pub mod update;

pub use header::{build, parse, rebind, Header, Mode, HEADER_SIZE, MAX_PAYLOAD};
pub use update::{ContextTable, Contexts, LayerScaleBias, ScaleBias, CONTEXTS, MAX_MAGNITUDE};
