//! A payload in an APP10 segment of a JPEG file, and what of the file it is bound to.
//!
//! The format, for other implementers, is in `docs/carriage-jpeg.md`. Everything here reads bytes
//! nobody vouches for: no input makes it panic, time is linear and memory bounded by the input.

mod binding;
mod coefficients;
mod huffman;
mod place;
mod segments;

use super::MAX_PAYLOAD;
use crate::error::{Error, Result};
use crate::util::alloc;
use binding::CoefficientSum;
use coefficients::Reader;
use segments::{marker, read_quant_tables, Frame, Segment, Segments};

pub(crate) use coefficients::Sink;
pub use segments::JpegComponent;
pub(crate) use segments::ZIGZAG;

/// Identifier at the head of our APP10 segment, terminating NUL included.
pub const IDENTIFIER: &[u8; 7] = b"SLIGHT\0";

/// What a payload adds to a file besides itself: marker, length and identifier.
pub const CARRIAGE_BYTES: u32 = 4 + IDENTIFIER.len() as u32;

// The 16-bit length of a segment counts itself and the identifier.
const _: () = assert!(MAX_PAYLOAD == 0xffff - 2 - IDENTIFIER.len());

/// What a JPEG file says of its picture, and its binding.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JpegInfo {
    /// Width in luma samples, 1..=65535.
    pub width: u32,
    /// Height in luma samples, 1..=65535.
    pub height: u32,
    /// Whether the frame is progressive (SOF2); else sequential (SOF0 or SOF1).
    pub progressive: bool,
    /// Components in frame-header order, 1 to 4.
    pub components: Vec<JpegComponent>,
    /// What decides the decoded samples: frame, sampling, tables, quantised coefficients. Edits of
    /// metadata and lossless recoding keep it.
    pub binding: u64,
    /// Bytes from SOI to EOI, markers included, without APPn and COM segments.
    pub coded_bytes: usize,
}

impl JpegInfo {
    /// Row-major quantisation table of component 0, steps of 1..=65535; `None` without a table.
    /// A step of 0, which keeps nothing, is told as the table's largest.
    #[must_use]
    pub fn luma_quant(&self) -> Option<[u16; 64]> {
        self.quant(0)
    }

    /// The same of component 1; `None` also without such a component.
    #[must_use]
    pub fn chroma_quant(&self) -> Option<[u16; 64]> {
        self.quant(1)
    }

    fn quant(&self, component: usize) -> Option<[u16; 64]> {
        let quant = self.components.get(component)?.quant?;
        let largest = quant.into_iter().max().filter(|step| *step > 0)?;
        Some(quant.map(|step| if step == 0 { largest } else { step }))
    }
}

/// Reads the frame header, the quantisation tables and the binding of a JPEG file.
///
/// What stock decoders pass over is passed over: bytes between segments, a missing EOI, what
/// follows EOI. A file whose coefficients can't be told from it (damaged or cut off, or a
/// progressive one that lacks scans) is bound to its bytes.
///
/// # Errors
///
/// - [`Error::Corrupt`]: not a JPEG file, a damaged segment, or no frame header before the first
///   SOS.
/// - [`Error::Unsupported`]: lossless, hierarchical or arithmetic coding, samples of more than 8 bits,
///   or a height that only a DNL segment would tell.
/// - [`Error::OutOfMemory`]: no room for the components, or for what a progressive file makes one remember.
pub fn info(jpeg: &[u8]) -> Result<JpegInfo> {
    let mut sum = CoefficientSum::new();
    let (frame, coded_bytes, is_whole) = read(jpeg, &mut sum)?;
    let binding = if is_whole { sum.binding(&frame) } else { binding::of_bytes(jpeg)? };
    let Frame { progressive, width, height, components } = frame;
    Ok(JpegInfo { width, height, progressive, components, binding, coded_bytes })
}

/// Why [`info`] says [`Error::Unsupported`] of a file, for people.
pub(crate) fn why_unsupported(jpeg: &[u8]) -> &'static str {
    let Ok(mut segments) = Segments::new(jpeg) else { return "not a JPEG file" };
    while let Ok(Some(segment)) = segments.next_header() {
        match (segment.code, segment.contents()) {
            (marker::SOF0..=marker::SOF2, [precision, ..]) if *precision != 8 => {
                return "samples of more than 8 bits"
            }
            (marker::SOF0..=marker::SOF2, _) => return "the height stands behind the first scan",
            (0xc3 | 0xcb, _) => return "lossless coding",
            (0xc9 | 0xca, _) => return "arithmetic coding",
            (marker::DHP | 0xc5..=0xc7 | 0xcd..=marker::SOF15, _) => return "hierarchical coding",
            _ => {}
        }
    }
    "a frame of another kind behind the first scan"
}

/// Reads a file and hands its quantised coefficients to `sink`. Also returns the coded bytes, and
/// whether the coefficients are all there; else `sink` has got some of them.
pub(crate) fn read(jpeg: &[u8], sink: &mut impl Sink) -> Result<(Frame, usize, bool)> {
    let mut quant_tables = [None; 4];
    let mut coded_bytes = 2;
    let mut frame: Option<Frame> = None;
    // Tables may stand before the frame.
    let mut reader = Reader::new();
    let mut whole = Ok(());

    let mut segments = Segments::new(jpeg)?;
    while let Some(segment) = segments.next()? {
        if segment.is_metadata() {
            continue;
        }
        coded_bytes += segment.end() - segment.start;
        let contents = segment.contents();
        match segment.code {
            marker::DQT => read_quant_tables(contents, &mut quant_tables)?,
            marker::DHT => whole = whole.and_then(|()| reader.huffman_tables(contents)),
            marker::DRI => whole = whole.and_then(|()| reader.restart_interval(contents)),
            marker::SOS => {
                let frame = frame.as_mut().ok_or(Error::Corrupt)?;
                frame.latch_quant_tables(contents, &quant_tables);
                let data = segments.coded_data();
                coded_bytes += data.len();
                whole = whole.and_then(|()| reader.scan(contents, data, sink));
            }
            marker::JPG | marker::DAC => {}
            marker::SOF0..=marker::SOF2 if frame.is_some() => return Err(Error::Corrupt),
            marker::SOF0..=marker::SOF2 => {
                let read = Frame::read(&segment)?;
                reader.set_frame(&read)?;
                frame = Some(read);
            }
            marker::SOF3..=marker::SOF15 | marker::DHP => return Err(Error::Unsupported),
            _ => {}
        }
        if whole == Err(Error::OutOfMemory) {
            return Err(Error::OutOfMemory);
        }
    }
    if segments.ended {
        coded_bytes += 2;
    }
    let is_whole = whole.is_ok() && reader.is_complete();
    Ok((frame.ok_or(Error::Corrupt)?, coded_bytes, is_whole))
}

/// A copy of `jpeg` that carries `payload`, in place of any payload already there.
///
/// It goes behind the APPn and COM segments that follow SOI, in a multi-picture file before its MPF
/// segment; all other bytes stay as they are. Works on every kind of JPEG frame.
///
/// # Errors
///
/// - [`Error::InvalidArgument`]: the payload is empty.
/// - [`Error::TooLarge`]: the payload is over [`MAX_PAYLOAD`].
/// - [`Error::Corrupt`]: not a JPEG file, or damaged before the first SOS.
/// - [`Error::Conflict`]: the change would break something that the file holds: a signature over
///   its bytes (Content Credentials), or offsets in EXIF, maker notes, MPF or AFCP data that lead to
///   pictures behind EOI.
/// - [`Error::OutOfMemory`]: no room for the copy.
pub fn insert(jpeg: &[u8], payload: &[u8]) -> Result<Vec<u8>> {
    unless_broken(jpeg, insert_anyway(jpeg, payload)?)
}

/// [`insert`], also where that is [`Error::Conflict`]: the signature or the offsets are broken then.
///
/// # Errors
/// The others of [`insert`].
pub fn insert_anyway(jpeg: &[u8], payload: &[u8]) -> Result<Vec<u8>> {
    if payload.is_empty() {
        return Err(Error::InvalidArgument);
    }
    if payload.len() > MAX_PAYLOAD {
        return Err(Error::TooLarge);
    }
    let segment = pack(payload)?;
    let mut out = copy_without_payload(jpeg, segment.len())?;
    let at = place::of_payload(&out)?;
    // There is room.
    let end = out.len();
    out.resize(end + segment.len(), 0);
    out.copy_within(at..end, at + segment.len());
    out[at..at + segment.len()].copy_from_slice(&segment);
    Ok(out)
}

/// The payload that `jpeg` carries before its first SOS.
///
/// Says nothing of whether the payload was made for this picture: compare its binding with
/// [`JpegInfo::binding`].
///
/// # Errors
///
/// - [`Error::NoPayload`]: there is none.
/// - [`Error::Corrupt`]: not a JPEG file, damaged before the first SOS, or there is an empty payload or more than one.
/// - [`Error::OutOfMemory`]: no room for the payload.
pub fn extract(jpeg: &[u8]) -> Result<Vec<u8>> {
    let mut payload = None;
    let mut segments = Segments::new(jpeg)?;
    while let Some(segment) = segments.next_header()? {
        if let Some(contents) = carried(&segment) {
            if contents.is_empty() || payload.replace(contents).is_some() {
                return Err(Error::Corrupt);
            }
        }
    }
    alloc::try_concat(&[payload.ok_or(Error::NoPayload)?])
}

/// A copy of `jpeg` without the segments of any payload, whole or damaged; all other bytes stay as
/// they are.
///
/// # Errors
///
/// - [`Error::Corrupt`]: not a JPEG file, or damaged before the first SOS.
/// - [`Error::Conflict`]: there is a payload, and something in the file would no longer hold
///   without it.
/// - [`Error::OutOfMemory`]: no room for the copy.
pub fn remove(jpeg: &[u8]) -> Result<Vec<u8>> {
    unless_broken(jpeg, remove_anyway(jpeg)?)
}

/// [`remove`], also where that is [`Error::Conflict`].
///
/// # Errors
/// The others of [`remove`].
pub fn remove_anyway(jpeg: &[u8]) -> Result<Vec<u8>> {
    copy_without_payload(jpeg, 0)
}

/// `after`, unless something of `before` no longer holds in it.
fn unless_broken(before: &[u8], after: Vec<u8>) -> Result<Vec<u8>> {
    if place::breaks(before, &after)? {
        Err(Error::Conflict)
    } else {
        Ok(after)
    }
}

/// What follows our identifier, if the segment is ours.
fn carried<'a>(segment: &Segment<'a>) -> Option<&'a [u8]> {
    if segment.code != marker::APP10 {
        return None;
    }
    segment.contents().strip_prefix(IDENTIFIER)
}

/// Copies all but our segments; the copy has room for `spare` more bytes.
fn copy_without_payload(jpeg: &[u8], spare: usize) -> Result<Vec<u8>> {
    let mut out =
        alloc::try_with_capacity(jpeg.len().checked_add(spare).ok_or(Error::OutOfMemory)?)?;
    let mut copied = 0;
    let mut segments = Segments::new(jpeg)?;
    while let Some(segment) = segments.next_header()? {
        if carried(&segment).is_some() {
            out.extend_from_slice(&jpeg[copied..segment.start]);
            copied = segment.end();
        }
    }
    out.extend_from_slice(&jpeg[copied..]);
    Ok(out)
}

/// The segment that carries `payload`, of at most [`MAX_PAYLOAD`] bytes.
fn pack(payload: &[u8]) -> Result<Vec<u8>> {
    let length = 2 + IDENTIFIER.len() + payload.len();
    let length = u16::try_from(length).map_err(|_| Error::Internal)?.to_be_bytes();
    alloc::try_concat(&[&[0xff, marker::APP10], &length, IDENTIFIER, payload])
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A gray pixel; the worked example of `docs/carriage-jpeg.md`.
    fn tiny() -> Vec<u8> {
        [
            b"\xff\xd8\xff\xdb\0\x43\0".as_slice(),
            &[1; 64],
            b"\xff\xc0\0\x0b\x08\0\x01\0\x01\x01\x01\x11\0",
            b"\xff\xda\0\x08\x01\x01\0\0\x3f\0",
            b"\x12\xff\0\xff\xd0\x34\xff\xd9",
        ]
        .concat()
    }

    /// [`tiny`] with the segment of `code` before its SOS.
    fn with(code: u8, contents: &[u8]) -> Vec<u8> {
        let mut file = tiny();
        let length = u16::try_from(contents.len() + 2).unwrap().to_be_bytes();
        let segment = [&[0xff, code], length.as_slice(), contents].concat();
        file.splice(84..84, segment);
        file
    }

    /// [`tiny`] with its SOF0 replaced by one of `code` and `contents`.
    fn with_frame(code: u8, contents: &[u8]) -> Vec<u8> {
        let mut file = with(code, contents);
        file.drain(71..84);
        file
    }

    #[test]
    fn worked_example() {
        let info = info(&tiny()).unwrap();
        assert_eq!(info.binding, 0x09d7_f1df_ed58_01e6);
        assert_eq!((info.width, info.height), (1, 1));
        assert_eq!(info.luma_quant(), Some([1; 64]));
        let carrying = insert(&tiny(), b"\x01\x02").unwrap();
        assert_eq!(carrying[..15], *b"\xff\xd8\xff\xea\0\x0bSLIGHT\0\x01\x02");
    }

    #[test]
    fn sizes() {
        assert_eq!((MAX_PAYLOAD, CARRIAGE_BYTES), (65526, 11));
        let mut order = ZIGZAG;
        order.sort_unstable();
        assert!(order.into_iter().eq(0..64));
    }

    #[test]
    fn quant_tables() {
        let mut wide = vec![0x13];
        (0..64u16).for_each(|k| wide.extend_from_slice(&(1000 + k).to_be_bytes()));
        let several = [wide.as_slice(), &[0x00], &[7; 64]].concat();
        let quant = |dqt: &[u8]| info(&with(marker::DQT, dqt)).map(|info| info.luma_quant());
        assert_eq!(quant(&several), Ok(Some([7; 64])));
        let mut tables = [None; 4];
        read_quant_tables(&several, &mut tables).unwrap();
        let natural = tables[3].unwrap();
        assert_eq!(natural[..4], [1000, 1001, 1005, 1006]);
        assert_eq!(natural[8], 1002);
        assert_eq!((tables[1], tables[2]), (None, None));

        let cut = [1; 64];
        let fifth = [&[0x04], [1; 64].as_slice()].concat();
        let wider = [&[0x20], [1; 64].as_slice()].concat();
        for bad in [cut.as_slice(), &fifth, &wider] {
            assert_eq!(quant(bad), Err(Error::Corrupt));
        }
        // A step that keeps nothing is the largest for all that go by it.
        let mut steps = [3; 65];
        (steps[0], steps[1], steps[64]) = (0, 9, 0);
        let quant = quant(&steps).unwrap().unwrap();
        assert_eq!((quant[0], quant[1], quant[63]), (9, 3, 9));
        steps[1..].fill(0);
        let info = info(&with(marker::DQT, &steps)).unwrap();
        assert_eq!((info.luma_quant(), info.components[0].quant), (None, Some([0; 64])));
    }

    #[test]
    fn undefined_table_is_none() {
        let twelve_bits = with_frame(0xc1, &[12, 0, 1, 0, 1, 2, 9, 0x44, 0, 8, 0x12, 2]);
        assert_eq!(info(&twelve_bits), Err(Error::Unsupported));
        let file = with_frame(0xc1, &[8, 0, 1, 0, 1, 2, 1, 0x44, 0, 8, 0x12, 2]);
        let info = info(&file).unwrap();
        assert!(!info.progressive);
        let second = JpegComponent { id: 8, h: 1, v: 2, quant_slot: 2, quant: None };
        assert_eq!(info.components[1], second);
        assert!(info.luma_quant().is_some() && info.chroma_quant().is_none());
    }

    #[test]
    fn frame_kinds() {
        let gray = [8, 0, 1, 0, 1, 1, 1, 0x11, 0];
        for code in 0xc0..=0xcf {
            let file = with_frame(code, &gray);
            let expected = match code {
                0xc0..=0xc2 => None,
                // Not frame headers, so there is none.
                0xc4 | 0xc8 | 0xcc => Some(Error::Corrupt),
                _ => Some(Error::Unsupported),
            };
            assert_eq!(info(&file).err(), expected, "{code:x}");
            assert!(insert(&file, b"payload").is_ok(), "{code:x}");
        }
        assert_eq!(info(&with(marker::DHP, &gray)), Err(Error::Unsupported));
        assert_eq!(info(&with(marker::SOF0, &gray)), Err(Error::Corrupt));
    }

    #[test]
    fn frame_headers() {
        let cases: [(&[u8], Error); 10] = [
            (&[8, 0, 0, 0, 1, 1, 1, 0x11, 0], Error::Unsupported),
            (&[8, 0, 1, 0, 0, 1, 1, 0x11, 0], Error::Corrupt),
            (&[8, 0, 1, 0, 1, 0], Error::Corrupt),
            (&[8, 0, 1, 0, 1, 5, 1, 17, 0, 2, 17, 0, 3, 17, 0, 4, 17, 0, 5, 17, 0], Error::Corrupt),
            (&[8, 0, 1, 0, 1, 1, 1, 0x01, 0], Error::Corrupt),
            (&[8, 0, 1, 0, 1, 1, 1, 0x15, 0], Error::Corrupt),
            (&[8, 0, 1, 0, 1, 1, 1, 0x11, 4], Error::Corrupt),
            (&[8, 0, 1, 0, 1, 1, 1, 0x11], Error::Corrupt),
            (&[8, 0, 1, 0, 1, 1, 1, 0x11, 0, 0], Error::Corrupt),
            (&[8, 0, 1], Error::Corrupt),
        ];
        for (contents, error) in cases {
            assert_eq!(info(&with_frame(marker::SOF0, contents)), Err(error), "{contents:?}");
        }
    }

    /// What stock decoders pass over between segments, and what they refuse.
    #[test]
    fn between_segments() {
        for code in [0x02, 0x4f, 0xbf, 0xd8, 0xd9] {
            assert_eq!(extract(&with(code, b"")), Err(Error::Corrupt), "{code:x}");
        }
        let bound = info(&tiny()).unwrap();
        let passed: [&[u8]; 6] =
            [b"\x20junk\xff\0", b"\xff\x01", b"\xff\xd0", b"\xff\xd7", b"\0\0", b"\xff\xfe\0\x01"];
        for bytes in passed {
            for at in [2, 71, 84] {
                let mut file = tiny();
                file.splice(at..at, bytes.iter().copied());
                assert_eq!(info(&file), Ok(bound.clone()), "{bytes:?}");
                assert_eq!(extract(&file), Err(Error::NoPayload));
                let carrying = insert(&file, b"payload").unwrap();
                assert_eq!(carrying[2..4], [0xff, marker::APP10]);
                assert_eq!(extract(&carrying).unwrap(), b"payload");
                assert_eq!(info(&carrying), Ok(bound.clone()));
                assert_eq!(remove(&carrying).unwrap(), file);
            }
        }
        for code in [marker::DQT, marker::DHT, marker::SOF0] {
            let mut short = tiny();
            short.splice(84..84, [0xff, code, 0, 1]);
            assert_eq!(remove(&short), Err(Error::Corrupt));
        }
    }

    #[test]
    fn identifier_is_whole() {
        for foreign in [b"SLIGHT".as_slice(), b"SLIGHTS\0", b"slight\0x", b""] {
            let file = with(marker::APP10, foreign);
            assert_eq!(extract(&file), Err(Error::NoPayload));
            assert_eq!(remove(&file).unwrap(), file);
        }
        assert_eq!(extract(&with(0xeb, b"SLIGHT\0payload")), Err(Error::NoPayload));
    }

    #[test]
    fn fill_within_coded_data_is_coded_data() {
        let filled = |at: usize| {
            let mut file = tiny();
            file.insert(at, 0xff);
            info(&file).unwrap().binding
        };
        let bound = info(&tiny()).unwrap().binding;
        let scan = tiny().len() - 8;
        assert_ne!(filled(scan + 1), bound);
        assert_ne!(filled(scan + 3), bound);
        assert_eq!(filled(scan + 6), bound);
    }
}
