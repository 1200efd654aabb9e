//! Payloads in streams of NAL units (H.264, HEVC, VVC): a prefix SEI message
//! `user_data_unregistered` in the access unit of the picture it is for.
//!
//! The format, for other implementers, is in `docs/carriage-nal.md`. Everything here reads bytes
//! nobody vouches for: no input makes it panic, time is linear, and memory stays within a few times
//! [`MAX_ACCESS_UNIT`] and what the host pushes at once.

mod sei;
mod slice;
mod stream;
mod unit;

pub use sei::payload_of;
pub use slice::{Coded, Output, Shape, Types};
pub use stream::Stream;
pub use unit::AccessUnit;

use crate::util::alloc;
use crate::{Error, Result};

/// The message's `uuid_iso_iec_11578`: 6fe53531-3928-45b9-8d14-90ec3b13ed9f.
pub const UUID: [u8; 16] = [
    0x6f, 0xe5, 0x35, 0x31, 0x39, 0x28, 0x45, 0xb9, 0x8d, 0x14, 0x90, 0xec, 0x3b, 0x13, 0xed, 0x9f,
];

/// Largest access unit, in bytes. In a byte stream, the NAL units up to the next picture's first
/// slice, and the first three bytes of that slice, must fit in as well.
pub const MAX_ACCESS_UNIT: usize = 1 << 26;

/// What a payload of up to 238 bytes adds to an HEVC or VVC byte stream besides itself and
/// emulation prevention: start code, NAL unit header, type, size, UUID and trailing bits. H.264:
/// one less.
pub const CARRIAGE_BYTES: u32 = 4 + 2 + 1 + 1 + UUID.len() as u32 + 1;

/// Codec whose NAL units these are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NalCodec {
    /// H.264 (AVC).
    H264,
    /// H.265 (HEVC).
    Hevc,
    /// H.266 (VVC).
    Vvc,
}

/// How NAL units follow each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Framing {
    /// A byte stream with start codes: Annex B of each of the standards.
    AnnexB,
    /// Each NAL unit behind its length, a big-endian number of 1, 2 or 4 bytes: mp4, Matroska.
    LengthPrefixed(u8),
}

/// Copies a byte stream with `payload` in the access unit of its first picture, in place of any
/// payload of that unit.
///
/// # Errors
///
/// - [`Error::InvalidArgument`]: the payload is empty.
/// - [`Error::TooLarge`]: the payload is over [`MAX_PAYLOAD`](crate::carriage::MAX_PAYLOAD), or an access unit over
///   [`MAX_ACCESS_UNIT`].
/// - [`Error::Corrupt`]: not a byte stream, or it has no slice.
/// - [`Error::OutOfMemory`]: no room for the copy.
pub fn insert(codec: NalCodec, bytes: &[u8], payload: &[u8]) -> Result<Vec<u8>> {
    let mut stream = Stream::new(codec, Framing::AnnexB)?;
    stream.push(bytes)?;
    stream.finish();
    let mut start = 0;
    while let Some(unit) = stream.next_unit()? {
        let end = start + unit.bytes().len();
        if unit.has_picture() {
            let with = unit.rewrite(Some(payload))?;
            return alloc::try_concat(&[&bytes[..start], &with, &bytes[end..]]);
        }
        start = end;
    }
    Err(Error::Corrupt)
}
