//! Helpers that know nothing of the codec: fallible allocation, a hash, shared work, injected faults,
//! and random numbers for tests.

pub(crate) mod alloc;
pub(crate) mod fault;
pub(crate) mod hash;
#[cfg(test)]
#[path = "../../tests/common/rng.rs"]
pub(crate) mod rng;
pub(crate) mod threads;
