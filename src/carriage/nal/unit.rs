//! NAL units, and the access unit that they make up.

use super::{sei, Framing, NalCodec, MAX_ACCESS_UNIT};
use crate::carriage::MAX_PAYLOAD;
use crate::util::alloc;
use crate::{Error, Result};

/// Bytes of a NAL unit that [`Header::read`] looks at.
pub(super) const HEAD: usize = 3;

/// What a NAL unit means for access units.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum NalKind {
    /// Begins an access unit wherever it stands behind a slice.
    Delimiter,
    /// Belongs to the next picture, or, if no other picture begins, to this one.
    Head,
    /// A prefix SEI NAL unit.
    Sei,
    /// The picture header (VVC), or the prefix of a slice (H.264): a SEI goes in front of it.
    Preface,
    /// A slice.
    Slice {
        /// Whether it alone shows that a picture begins.
        first: bool,
        /// Whether a decoder can start here: IRAP; H.264: IDR.
        irap: bool,
    },
    /// Coded data of another layer, or of a later part of the same slice or picture.
    Layer,
    /// Stays where it stands, and tells nothing.
    Other,
}

/// What the first bytes of a NAL unit say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Header {
    pub kind: NalKind,
    /// `nuh_temporal_id_plus1`; 1 for H.264.
    temporal_id_plus1: u8,
}

impl Header {
    /// Reads the first three bytes; those that are not there count as zeros.
    pub fn read(codec: NalCodec, bytes: [u8; HEAD]) -> Self {
        let [a, b, c] = bytes;
        let forbidden_zero_bit = a & 0x80 != 0;
        let (kind, temporal_id_plus1) = match codec {
            NalCodec::H264 => (h264(a & 31, b & 0x80 != 0), 1),
            NalCodec::Hevc => (hevc(a >> 1 & 63, a & 1 == 0 && b >> 3 == 0, c & 0x80 != 0), b & 7),
            NalCodec::Vvc => (vvc(b >> 3, a & 63 == 0, c & 0x80 != 0), b & 7),
        };
        if forbidden_zero_bit || temporal_id_plus1 == 0 {
            return Header { kind: NalKind::Other, temporal_id_plus1: 1 };
        }
        Header { kind, temporal_id_plus1 }
    }
}

/// H.264 table 7-1 and 7.4.1.2.3. `first`: `first_mb_in_slice` is 0.
fn h264(nal_unit_type: u8, first: bool) -> NalKind {
    match nal_unit_type {
        1 | 2 => NalKind::Slice { first, irap: false },
        5 => NalKind::Slice { first, irap: true },
        6 => NalKind::Sei,
        7..=9 => NalKind::Delimiter,
        14 => NalKind::Preface,
        15..=18 => NalKind::Head,
        3 | 4 | 19..=21 => NalKind::Layer,
        _ => NalKind::Other,
    }
}

/// H.265 table 7-1 and 7.4.2.4.4. `first`: `first_slice_segment_in_pic_flag`.
fn hevc(nal_unit_type: u8, base_layer: bool, first: bool) -> NalKind {
    match nal_unit_type {
        0..=9 | 16..=21 if base_layer => NalKind::Slice { first, irap: nal_unit_type >= 16 },
        0..=31 => NalKind::Layer,
        _ if !base_layer => NalKind::Other,
        35 => NalKind::Delimiter,
        39 => NalKind::Sei,
        32..=34 | 41..=44 | 48..=55 => NalKind::Head,
        _ => NalKind::Other,
    }
}

/// H.266 table 5 and 7.4.2.4. `first`: `sh_picture_header_in_slice_header_flag`.
fn vvc(nal_unit_type: u8, base_layer: bool, first: bool) -> NalKind {
    match nal_unit_type {
        0..=3 | 7..=10 if base_layer => {
            NalKind::Slice { first, irap: matches!(nal_unit_type, 7..=9) }
        }
        0..=11 => NalKind::Layer,
        20 => NalKind::Delimiter,
        12..=14 => NalKind::Head,
        _ if !base_layer => NalKind::Other,
        19 => NalKind::Preface,
        23 => NalKind::Sei,
        15..=17 | 26 | 28 | 29 => NalKind::Head,
        _ => NalKind::Other,
    }
}

/// Finds `00 00 01` at `from` or later.
pub(super) fn find_start_code(bytes: &[u8], from: usize) -> Option<usize> {
    let mut at = from;
    while let Some(&[a, b, c]) = bytes.get(at..at + 3) {
        match (a, b, c) {
            (0, 0, 1) => return Some(at),
            (.., 0) => at += 1,
            // No start code has such a byte first or second.
            _ => at += 3,
        }
    }
    None
}

/// A NAL unit and where it stands.
pub(super) struct Nal<'a> {
    /// Offset of its start code, `zero_byte` included, or of its length.
    start: usize,
    /// Offset of its end, less `trailing_zero_8bits`.
    end: usize,
    pub bytes: &'a [u8],
    header: Header,
}

/// Walks the NAL units of an access unit.
pub(super) struct Nals<'a> {
    codec: NalCodec,
    framing: Framing,
    bytes: &'a [u8],
    /// Annex B: offset of the next `00 00 01`, or the end. Otherwise of the next length.
    pos: usize,
}

impl<'a> Nals<'a> {
    pub fn new(codec: NalCodec, framing: Framing, bytes: &'a [u8]) -> Result<Self> {
        let pos = match framing {
            Framing::LengthPrefixed(1 | 2 | 4) => 0,
            Framing::LengthPrefixed(_) => return Err(Error::InvalidArgument),
            Framing::AnnexB if bytes.is_empty() => 0,
            Framing::AnnexB => {
                let at = find_start_code(bytes, 0).ok_or(Error::Corrupt)?;
                if bytes.iter().take(at).any(|&byte| byte != 0) {
                    return Err(Error::Corrupt);
                }
                at
            }
        };
        Ok(Nals { codec, framing, bytes, pos })
    }

    pub fn next(&mut self) -> Result<Option<Nal<'a>>> {
        let bytes = self.bytes;
        if self.pos >= bytes.len() {
            return Ok(None);
        }
        let (start, nal) = match self.framing {
            Framing::AnnexB => {
                let (code, first) = (self.pos, self.pos + 3);
                self.pos = find_start_code(bytes, first).unwrap_or(bytes.len());
                let zero_byte = code > 0 && bytes.get(code - 1) == Some(&0);
                let nal = bytes.get(first..self.pos).unwrap_or_default();
                let zeros = nal.iter().rev().take_while(|&&byte| byte == 0).count();
                (code - usize::from(zero_byte), first..first + nal.len() - zeros)
            }
            Framing::LengthPrefixed(length_bytes) => {
                let start = self.pos;
                let first = start + usize::from(length_bytes);
                let length = bytes.get(start..first).ok_or(Error::Corrupt)?;
                let length = length.iter().fold(0, |n, &byte| n << 8 | usize::from(byte));
                self.pos = first.checked_add(length).ok_or(Error::Corrupt)?;
                (start, first..self.pos)
            }
        };
        let end = nal.end;
        let nal = bytes.get(nal).ok_or(Error::Corrupt)?;
        let mut head = [0; HEAD];
        head.iter_mut().zip(nal).for_each(|(to, from)| *to = *from);
        Ok(Some(Nal { start, end, bytes: nal, header: Header::read(self.codec, head) }))
    }
}

/// A coded picture in its stream's bytes, with all NAL units that belong to it.
#[derive(Clone, Copy, Debug)]
pub struct AccessUnit<'a> {
    codec: NalCodec,
    framing: Framing,
    bytes: &'a [u8],
    /// The first slice.
    slice: Option<Slice>,
}

#[derive(Clone, Copy, Debug)]
pub(super) struct Slice {
    /// Where a SEI goes: in front of the slice and what must stand right before it.
    place: usize,
    irap: bool,
    temporal_id_plus1: u8,
}

impl<'a> AccessUnit<'a> {
    /// Takes the bytes of one access unit: of a byte stream, or a sample of mp4 or Matroska.
    ///
    /// # Errors
    ///
    /// - [`Error::Corrupt`]: no start code where one is due, or lengths that do not add up.
    /// - [`Error::TooLarge`]: over [`MAX_ACCESS_UNIT`].
    /// - [`Error::InvalidArgument`]: the framing's length has not 1, 2 or 4 bytes.
    pub fn new(codec: NalCodec, framing: Framing, bytes: &'a [u8]) -> Result<Self> {
        let mut nals = Nals::new(codec, framing, bytes)?;
        if bytes.len() > MAX_ACCESS_UNIT {
            return Err(Error::TooLarge);
        }
        let mut preface = None;
        let mut slice = None;
        // To the end: the other units must be whole, too.
        while let Some(nal) = nals.next()? {
            match nal.header.kind {
                NalKind::Preface => preface = preface.or(Some(nal.start)),
                NalKind::Slice { irap, .. } if slice.is_none() => {
                    slice = Some(Slice {
                        place: preface.unwrap_or(nal.start),
                        irap,
                        temporal_id_plus1: nal.header.temporal_id_plus1,
                    });
                }
                _ => {}
            }
        }
        Ok(AccessUnit { codec, framing, bytes, slice })
    }

    /// The first slice.
    pub(super) fn slice(&self) -> Option<Slice> {
        self.slice
    }

    /// The unit that `new` made of the same bytes.
    pub(super) fn again(
        codec: NalCodec,
        framing: Framing,
        bytes: &'a [u8],
        slice: Option<Slice>,
    ) -> Self {
        AccessUnit { codec, framing, bytes, slice }
    }

    /// The bytes as they stand in the stream.
    #[must_use]
    pub fn bytes(&self) -> &'a [u8] {
        self.bytes
    }

    /// Whether there is a slice. What stands behind the last picture of a stream has none.
    #[must_use]
    pub fn has_picture(&self) -> bool {
        self.slice.is_some()
    }

    /// Whether the picture is one that a decoder can start at: IRAP; for H.264, IDR.
    #[must_use]
    pub fn is_irap(&self) -> bool {
        self.slice.is_some_and(|slice| slice.irap)
    }

    /// The payload in it, the last one if there are several. Which of them is for the picture the
    /// binding tells: file formats put copies of an early one in front or behind, and
    /// [`each_payload`](Self::each_payload) gives all.
    ///
    /// # Errors
    ///
    /// [`Error::OutOfMemory`].
    pub fn payload(&self) -> Result<Option<Vec<u8>>> {
        let mut last = None;
        self.each_payload(|payload| {
            last = Some(alloc::try_concat(&[payload])?);
            Ok(())
        })?;
        Ok(last)
    }

    /// Calls back with each payload in it, in order, and ends with the first error.
    ///
    /// # Errors
    ///
    /// Fails as `call` does; [`Error::OutOfMemory`].
    pub fn each_payload(&self, mut call: impl FnMut(&[u8]) -> Result) -> Result {
        let mut nals = self.nals()?;
        while let Some(nal) = nals.next()? {
            if nal.header.kind == NalKind::Sei {
                let rbsp = self.rbsp(&nal)?;
                let ours = sei::Messages::new(&rbsp).filter_map(|message| message.payload());
                ours.filter(|payload| !payload.is_empty()).try_for_each(&mut call)?;
            }
        }
        Ok(())
    }

    /// A copy with `payload` in place of all payloads in it, or without any. All else stays as it
    /// is.
    ///
    /// # Errors
    ///
    /// - [`Error::InvalidArgument`]: the payload is empty, or there is no picture that it could be
    ///   for.
    /// - [`Error::TooLarge`]: the payload is over [`MAX_PAYLOAD`], or over what the length of a NAL
    ///   unit can tell.
    /// - [`Error::OutOfMemory`]: no room for the copy.
    pub fn rewrite(&self, payload: Option<&[u8]>) -> Result<Vec<u8>> {
        let sei = payload.map(|payload| self.sei(payload)).transpose()?.unwrap_or_default();
        let place = self.slice.map(|slice| slice.place);
        let mut out = alloc::try_with_capacity(self.bytes.len() + sei.len())?;
        let mut copied = 0;
        let mut nals = self.nals()?;
        while let Some(nal) = nals.next()? {
            let until = |copied: usize| self.bytes.get(copied..nal.start).ok_or(Error::Internal);
            if place == Some(nal.start) {
                alloc::try_extend(&mut out, until(copied)?)?;
                alloc::try_extend(&mut out, &sei)?;
                copied = nal.start;
            }
            if nal.header.kind != NalKind::Sei {
                continue;
            }
            if let Some(kept) = without_ours(&self.rbsp(&nal)?)? {
                alloc::try_extend(&mut out, until(copied)?)?;
                if !kept.is_empty() {
                    alloc::try_extend(&mut out, &self.replaced(&nal, &kept)?)?;
                }
                copied = nal.end;
            }
        }
        alloc::try_extend(&mut out, self.bytes.get(copied..).ok_or(Error::Internal)?)?;
        Ok(out)
    }

    fn nals(&self) -> Result<Nals<'a>> {
        Nals::new(self.codec, self.framing, self.bytes)
    }

    fn rbsp(&self, nal: &Nal) -> Result<Vec<u8>> {
        sei::unescape(nal.bytes.get(self.codec.header_bytes()..).unwrap_or_default())
    }

    /// The framed NAL unit that carries `payload`.
    fn sei(&self, payload: &[u8]) -> Result<Vec<u8>> {
        let slice = self.slice.ok_or(Error::InvalidArgument)?;
        if payload.is_empty() {
            return Err(Error::InvalidArgument);
        }
        if payload.len() > MAX_PAYLOAD {
            return Err(Error::TooLarge);
        }
        let header = self.codec.sei_header(slice.temporal_id_plus1);
        let header = &header[..self.codec.header_bytes()];
        let nal = sei::escape(header, &sei::write(payload)?)?;
        self.framed(&[0, 0, 0, 1], &nal)
    }

    /// A NAL unit with another RBSP.
    fn replaced(&self, nal: &Nal, rbsp: &[u8]) -> Result<Vec<u8>> {
        let header = nal.bytes.get(..self.codec.header_bytes()).unwrap_or_default();
        let bytes = sei::escape(header, rbsp)?;
        let start_code = self.bytes.get(nal.start..nal.end - nal.bytes.len()).unwrap_or_default();
        self.framed(start_code, &bytes)
    }

    fn framed(&self, start_code: &[u8], nal: &[u8]) -> Result<Vec<u8>> {
        let Framing::LengthPrefixed(length_bytes) = self.framing else {
            return alloc::try_concat(&[start_code, nal]);
        };
        let length = u32::try_from(nal.len()).map_err(|_| Error::TooLarge)?.to_be_bytes();
        let (high, low) = length.split_at(length.len() - usize::from(length_bytes));
        if high.iter().any(|&byte| byte != 0) {
            return Err(Error::TooLarge);
        }
        alloc::try_concat(&[low, nal])
    }
}

/// The RBSP of an SEI NAL unit without our messages, empty if no message is left; `None` if none is
/// ours.
fn without_ours(rbsp: &[u8]) -> Result<Option<Vec<u8>>> {
    let mut kept = alloc::try_with_capacity(rbsp.len())?;
    let (mut copied, mut ours) = (0, false);
    let mut messages = sei::Messages::new(rbsp);
    for message in messages.by_ref() {
        if message.payload().is_some() {
            kept.extend(rbsp.get(copied..message.span.start).ok_or(Error::Internal)?);
            copied = message.span.end;
            ours = true;
        }
    }
    if !ours {
        return Ok(None);
    }
    let tail = rbsp.get(copied..).ok_or(Error::Internal)?;
    if kept.is_empty() && matches!(tail, [] | [0x80]) {
        return Ok(Some(kept));
    }
    kept.extend(tail);
    // Emulation prevention puts a byte behind a zero at the end, which would make a message whole
    // that lacks its last byte.
    let zeros = messages.rest().iter().rev().take_while(|&&byte| byte == 0).count();
    kept.truncate(kept.len() - zeros);
    Ok(Some(kept))
}

impl NalCodec {
    fn header_bytes(self) -> usize {
        match self {
            NalCodec::H264 => 1,
            NalCodec::Hevc | NalCodec::Vvc => 2,
        }
    }

    /// Header of a prefix SEI NAL unit of layer 0, [`header_bytes`](Self::header_bytes) of it. It is
    /// of the picture's sub-layer, and goes where that goes.
    fn sei_header(self, temporal_id_plus1: u8) -> [u8; 2] {
        match self {
            NalCodec::H264 => [6, 0],
            NalCodec::Hevc => [39 << 1, temporal_id_plus1],
            NalCodec::Vvc => [0, 23 << 3 | temporal_id_plus1],
        }
    }
}
