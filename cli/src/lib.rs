//! The command `sidelight`, as a library for its binary and its tests.

pub mod args;
pub mod commands;
pub mod files;
pub mod jpeg;
pub mod picture;
pub mod planes;
pub mod y4m;
