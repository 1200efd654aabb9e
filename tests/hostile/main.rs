//! Bytes from hostile hands: every reader, and the memory that it takes.

#[path = "../common/mod.rs"]
mod common;
#[path = "mod.rs"]
mod hostile;

mod capped;
mod caps;
mod heap;
mod mutation;
