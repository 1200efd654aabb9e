//! The 8 bytes in front of every update.

use crate::carriage::MAX_PAYLOAD;
use crate::network::condition::MAX_QP;
use crate::util::alloc;
use crate::util::hash::Fnv1a;
use crate::{Error, Result};

/// Bytes of the header, which is a whole payload when the mode carries no update.
pub const HEADER_SIZE: usize = 8;

/// The version this code reads and writes.
const VERSION: u8 = 0;
/// Where the check stands.
const CHECK: usize = 5;

/// What a payload asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
#[repr(u8)]
pub enum Mode {
    /// Do not filter: the decoded picture is best as it is.
    Off = 0,
    /// Filter with the base model as it is.
    Base = 1,
    /// Filter with the base model and an update ([`Update`](crate::network::Update)).
    Update = 2,
}

impl Mode {
    const fn has_body(self) -> bool {
        !matches!(self, Mode::Off)
    }
}

/// A payload whose check is right, split into its parts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header<'a> {
    /// What to do.
    pub mode: Mode,
    /// Which base model to do it with; means nothing in [`Mode::Off`].
    pub model: u32,
    /// What stands behind the header; empty in [`Mode::Off`].
    pub body: &'a [u8],
    payload: &'a [u8],
    binding: u16,
}

/// Bytes of strengths in front of the update of payloads for video.
const STRENGTHS: usize = 3;

impl<'a> Header<'a> {
    /// The body's parts: for video the strengths, QPs of intra, P and B pictures; the coded update.
    ///
    /// # Errors
    /// [`Error::Corrupt`] for a strength above 51, strengths cut off, or an update in
    /// [`Mode::Base`].
    pub fn parts(&self, video: bool) -> Result<(Option<[u8; STRENGTHS]>, &'a [u8])> {
        let (strengths, update) = if video {
            let (qp, rest) = self.body.split_first_chunk().ok_or(Error::Corrupt)?;
            (Some(*qp), rest)
        } else {
            (None, self.body)
        };
        let above = |qp: [u8; STRENGTHS]| qp.iter().any(|q| *q > MAX_QP);
        if strengths.is_some_and(above) || (self.mode == Mode::Base && !update.is_empty()) {
            return Err(Error::Corrupt);
        }
        Ok((strengths, update))
    }

    /// Checks that the payload was made for the picture whose context binding is `binding`.
    ///
    /// # Errors
    /// [`Error::Stale`] if it was not.
    pub fn check_binding(&self, binding: u64) -> Result {
        if bind(self.payload, binding) == self.binding {
            Ok(())
        } else {
            Err(Error::Stale)
        }
    }
}

/// Makes a payload for the picture whose context binding is `binding`.
///
/// # Errors
/// [`Error::InvalidArgument`] if `body` is not empty in [`Mode::Off`], [`Error::TooLarge`] if the
/// payload would be longer than [`MAX_PAYLOAD`]; [`Error::OutOfMemory`].
pub fn build(mode: Mode, model: u32, body: &[u8], binding: u64) -> Result<Vec<u8>> {
    if !mode.has_body() && !body.is_empty() {
        return Err(Error::InvalidArgument);
    }
    if body.len() > MAX_PAYLOAD - HEADER_SIZE {
        return Err(Error::TooLarge);
    }
    let mut payload =
        alloc::try_concat(&[&[VERSION << 4 | mode as u8], &model.to_le_bytes(), &[0; 3], body])?;
    seal(&mut payload, binding);
    Ok(payload)
}

/// Splits a payload and checks everything but its binding and its body.
///
/// # Errors
/// Checked in this order: [`Error::Corrupt`] if it is shorter than a header, [`Error::TooLarge`] if
/// it is longer than [`MAX_PAYLOAD`], [`Error::Unsupported`] for a version other than 0,
/// [`Error::Corrupt`] if the check is wrong, [`Error::Unsupported`] for a mode of the future,
/// [`Error::Corrupt`] for a body in [`Mode::Off`].
pub fn parse(bytes: &[u8]) -> Result<Header<'_>> {
    let Some((header, body)) = bytes.split_first_chunk::<HEADER_SIZE>() else {
        return Err(Error::Corrupt);
    };
    if bytes.len() > MAX_PAYLOAD {
        return Err(Error::TooLarge);
    }
    let [first, m0, m1, m2, m3, stored_check, b0, b1] = *header;
    if first >> 4 != VERSION {
        return Err(Error::Unsupported);
    }
    if check(bytes) != stored_check {
        return Err(Error::Corrupt);
    }
    let mode = match first & 15 {
        0 => Mode::Off,
        1 => Mode::Base,
        2 => Mode::Update,
        _ => return Err(Error::Unsupported),
    };
    if !mode.has_body() && !body.is_empty() {
        return Err(Error::Corrupt);
    }
    Ok(Header {
        mode,
        model: u32::from_le_bytes([m0, m1, m2, m3]),
        body,
        payload: bytes,
        binding: u16::from_le_bytes([b0, b1]),
    })
}

/// Binds a payload to another picture, whose context binding is `binding`.
///
/// # Errors
/// Fails as [`parse`] does; nothing was changed then.
pub fn rebind(payload: &mut [u8], binding: u64) -> Result {
    parse(payload)?;
    seal(payload, binding);
    Ok(())
}

fn seal(payload: &mut [u8], binding: u64) {
    let bound = bind(payload, binding).to_le_bytes();
    payload[CHECK + 1..HEADER_SIZE].copy_from_slice(&bound);
    payload[CHECK] = check(payload);
}

/// The payload's bytes with those at `zeroed` taken as 0.
fn masked(payload: &[u8], zeroed: std::ops::Range<usize>) -> impl Iterator<Item = u8> + '_ {
    payload.iter().enumerate().map(move |(i, &b)| if zeroed.contains(&i) { 0 } else { b })
}

/// CRC-8 of the payload: polynomial x⁸ + x⁵ + x³ + x² + x + 1, highest bit first, all ones at the
/// start. It detects every burst of up to 8 bits, so every single wrong bit.
fn check(payload: &[u8]) -> u8 {
    crc8(masked(payload, CHECK..CHECK + 1))
}

fn crc8(bytes: impl Iterator<Item = u8>) -> u8 {
    bytes.fold(0xFF, |crc, byte| {
        (0..8).fold(crc ^ byte, |c: u8, _| c << 1 ^ if c & 0x80 != 0 { 0x2F } else { 0 })
    })
}

/// FNV-1a over the picture's context binding and the payload (check and binding taken as 0),
/// folded. The payload is part of it so that two updates for one picture cannot be mixed up.
fn bind(payload: &[u8], binding: u64) -> u16 {
    let bytes = binding.to_le_bytes().into_iter().chain(masked(payload, CHECK..HEADER_SIZE));
    let hash = Fnv1a::of(bytes);
    (hash ^ hash >> 16 ^ hash >> 32 ^ hash >> 48) as u16
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn published_check_values() {
        // CRC-8/AUTOSAR has these parameters and inverts its result: 0xDF.
        assert_eq!(crc8(b"123456789".iter().copied()), !0xDF);
    }

    #[test]
    fn round_trip() {
        for (mode, body) in
            [(Mode::Off, &b""[..]), (Mode::Base, b""), (Mode::Update, b""), (Mode::Update, b"xy")]
        {
            let payload = build(mode, 0x1234_5678, body, 99).unwrap();
            assert_eq!(payload.len(), HEADER_SIZE + body.len());
            assert_eq!(payload[1..5], [0x78, 0x56, 0x34, 0x12]);
            let header = parse(&payload).unwrap();
            assert_eq!((header.mode, header.model, header.body), (mode, 0x1234_5678, body));
            assert_eq!(header.check_binding(99), Ok(()));
            assert_eq!(header.check_binding(98), Err(Error::Stale));
        }
    }

    #[test]
    fn bodies_have_their_parts() {
        let parts = |mode, body: &[u8], video| {
            let payload = build(mode, 1, body, 5).unwrap();
            parse(&payload).unwrap().parts(video).map(|(qp, update)| (qp, update.to_vec()))
        };
        assert_eq!(parts(Mode::Base, &[], false), Ok((None, vec![])));
        assert_eq!(parts(Mode::Base, &[1], false), Err(Error::Corrupt));
        assert_eq!(parts(Mode::Update, &[99; 4], false), Ok((None, vec![99; 4])));
        assert_eq!(parts(Mode::Base, &[51, 0, 7], true), Ok((Some([51, 0, 7]), vec![])));
        assert_eq!(parts(Mode::Update, &[1, 2, 3, 99], true), Ok((Some([1, 2, 3]), vec![99])));
        for body in [&[1, 2][..], &[1, 2, 3, 4], &[52, 0, 0], &[0, 0, 255]] {
            assert_eq!(parts(Mode::Base, body, true), Err(Error::Corrupt), "{body:?}");
        }
    }

    #[test]
    fn payloads_can_be_bound_again() {
        let mut payload = build(Mode::Update, 7, b"body", 1).unwrap();
        rebind(&mut payload, 2).unwrap();
        assert_eq!(payload, build(Mode::Update, 7, b"body", 2).unwrap());
        payload[9] ^= 1;
        let before = payload.clone();
        assert_eq!(rebind(&mut payload, 3), Err(Error::Corrupt));
        assert_eq!(payload, before);
    }

    #[test]
    fn limits() {
        assert_eq!(build(Mode::Off, 0, &[0], 0), Err(Error::InvalidArgument));
        let body = vec![7; MAX_PAYLOAD - HEADER_SIZE + 1];
        assert_eq!(build(Mode::Update, 0, &body, 0), Err(Error::TooLarge));
        let longest = build(Mode::Update, 0, &body[1..], 0).unwrap();
        assert_eq!(longest.len(), MAX_PAYLOAD);
        assert_eq!(parse(&longest).map(|header| header.body.len()), Ok(MAX_PAYLOAD - HEADER_SIZE));
        let mut longer = longest;
        longer.push(0);
        assert_eq!(parse(&longer), Err(Error::TooLarge));
    }
}
