//! Adaptive binary range coding, made for streams of a few dozen bytes.
//!
//! Syntax is written once over [`Writer`] and either priced ([`Price`]) or turned into bytes
//! ([`RangeEncoder`]); [`RangeDecoder`] reads it back. The stream is canonical: of all byte strings
//! that decode to the same bins, [`RangeDecoder::finish`] accepts only the one that
//! [`RangeEncoder`] makes. docs/payload.md is the normative text.

pub mod context;
pub mod exp_golomb;
pub mod range;
pub mod writer;

pub use context::Context;
pub use range::{RangeDecoder, RangeEncoder};
pub use writer::{Price, Writer};
