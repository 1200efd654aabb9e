//! Helpers that know nothing of the codec: fallible allocation, values that are shared or made once, a
//! hash, shared work, injected faults, and random numbers for tests.

pub(crate) mod alloc;
pub(crate) mod fault;
pub(crate) mod hash;
pub(crate) mod once;
#[cfg(test)]
#[path = "../../tests/common/rng.rs"]
pub(crate) mod rng;
pub(crate) mod shared;
pub(crate) mod threads;
