//! A payload in an APP10 segment of a JPEG file, and what of the file it is bound to.
//!
//! The format, for other implementers, is in `docs/carriage-jpeg.md`. Everything here reads bytes
//! nobody vouches for: no input makes it panic, time is linear and memory bounded by the input.

use super::MAX_PAYLOAD;
use crate::error::{Error, Result};
use crate::util::alloc;
use crate::util::hash::Fnv1a;

/// Identifier at the head of our APP10 segment, terminating NUL included.
pub const IDENTIFIER: &[u8; 7] = b"SLIGHT\0";

/// Second bytes of the markers that the parser tells apart (T.81 table B.1).
mod marker {
    pub const SOF0: u8 = 0xc0;
    pub const SOF2: u8 = 0xc2;
    pub const SOF3: u8 = 0xc3;
    pub const DHT: u8 = 0xc4;
    pub const JPG: u8 = 0xc8;
    pub const DAC: u8 = 0xcc;
    pub const SOF15: u8 = 0xcf;
    pub const RST0: u8 = 0xd0;
    pub const RST7: u8 = 0xd7;
    pub const SOI: u8 = 0xd8;
    pub const EOI: u8 = 0xd9;
    pub const SOS: u8 = 0xda;
    pub const DQT: u8 = 0xdb;
    pub const DHP: u8 = 0xde;
    pub const APP0: u8 = 0xe0;
    pub const APP2: u8 = 0xe2;
    pub const APP10: u8 = 0xea;
    pub const APP15: u8 = 0xef;
    pub const COM: u8 = 0xfe;
}

/// What a payload adds to a file besides itself: marker, length and identifier.
pub const CARRIAGE_BYTES: u32 = 4 + IDENTIFIER.len() as u32;

// The 16-bit length of a segment counts itself and the identifier.
const _: () = assert!(MAX_PAYLOAD == 0xffff - 2 - IDENTIFIER.len());

/// Where the k-th entry of a quantisation table in the file goes in row-major order.
#[rustfmt::skip]
const ZIGZAG: [u8; 64] = [
     0,  1,  8, 16,  9,  2,  3, 10, 17, 24, 32, 25, 18, 11,  4,  5,
    12, 19, 26, 33, 40, 48, 41, 34, 27, 20, 13,  6,  7, 14, 21, 28,
    35, 42, 49, 56, 57, 50, 43, 36, 29, 22, 15, 23, 30, 37, 44, 51,
    58, 59, 52, 45, 38, 31, 39, 46, 53, 60, 61, 54, 47, 55, 62, 63,
];

/// One component of the frame header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct JpegComponent {
    /// Component identifier, any value (JFIF: 1 = Y, 2 = Cb, 3 = Cr).
    pub id: u8,
    /// Horizontal sampling factor, 1..=4.
    pub h: u8,
    /// Vertical sampling factor, 1..=4.
    pub v: u8,
    /// Index into [`JpegInfo::quant_tables`], 0..=3.
    pub quant_table: u8,
}

/// What a JPEG file says of its picture before the first scan, and its binding.
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
    /// Quantisation tables in force at the first SOS, in row-major (not zig-zag) order; entries are
    /// 1..=65535. A table defined only after the first SOS is not here.
    pub quant_tables: [Option<[u16; 64]>; 4],
    /// FNV-1a 64-bit hash of all that decides the decoded picture: every segment but APPn and COM,
    /// and the entropy-coded data. Metadata edits keep it.
    pub binding: u64,
    /// Bytes of what the binding covers, markers included, from SOI to EOI.
    pub coded_bytes: usize,
}

impl JpegInfo {
    /// Row-major quantisation table of component 0; `None` if the file did not define it in time.
    #[must_use]
    pub fn luma_quant(&self) -> Option<&[u16; 64]> {
        self.component_quant(0)
    }

    /// Row-major quantisation table of component 1; `None` if there is no such component or the
    /// file did not define its table in time.
    #[must_use]
    pub fn chroma_quant(&self) -> Option<&[u16; 64]> {
        self.component_quant(1)
    }

    fn component_quant(&self, component: usize) -> Option<&[u16; 64]> {
        let table = self.components.get(component)?.quant_table;
        self.quant_tables.get(usize::from(table))?.as_ref()
    }
}

/// Reads the frame header, the quantisation tables and the binding of a JPEG file.
///
/// A missing EOI is tolerated, and what follows EOI is ignored.
///
/// # Errors
///
/// - [`Error::Corrupt`]: not a JPEG file, a damaged segment, or no frame header before the first
///   SOS.
/// - [`Error::Unsupported`]: lossless, hierarchical or arithmetic coding, samples of more than 8 bits,
///   or a height that only a DNL segment would tell.
pub fn info(jpeg: &[u8]) -> Result<JpegInfo> {
    let mut frame = None;
    let mut quant_tables = [None; 4];
    let mut binding = Fnv1a::new();
    let mut coded_bytes = 2;

    let mut headers = Headers::new(jpeg)?;
    while let Some(segment) = headers.next()? {
        if is_metadata(segment.code) {
            continue;
        }
        bind_segment(&segment, &mut binding);
        coded_bytes += segment.end() - segment.start;
        match segment.code {
            marker::DQT => read_quant_tables(segment.contents(), &mut quant_tables)?,
            marker::DHT | marker::JPG | marker::DAC => {}
            marker::DHP => return Err(Error::Unsupported),
            marker::SOF0..=marker::SOF2 => {
                let read = Frame::read(segment.contents())?;
                if frame.replace((segment.code, read)).is_some() {
                    return Err(Error::Corrupt);
                }
            }
            marker::SOF3..=marker::SOF15 => return Err(Error::Unsupported),
            _ => {}
        }
    }
    let (code, Frame { width, height, components }) = frame.ok_or(Error::Corrupt)?;

    coded_bytes += bind_scans(jpeg, headers.pos, &mut binding)?;
    Ok(JpegInfo {
        width,
        height,
        progressive: code == marker::SOF2,
        components,
        quant_tables,
        binding: binding.value(),
        coded_bytes,
    })
}

/// A copy of `jpeg` that carries `payload`, in place of any payload already there.
///
/// It goes after the APPn and COM segments that follow SOI; all other bytes stay as they are. Works
/// on every kind of JPEG frame.
///
/// # Errors
///
/// - [`Error::InvalidArgument`]: the payload is empty.
/// - [`Error::TooLarge`]: the payload is over [`MAX_PAYLOAD`].
/// - [`Error::Corrupt`]: not a JPEG file, or damaged before the first SOS.
/// - [`Error::OutOfMemory`]: no room for the copy.
pub fn insert(jpeg: &[u8], payload: &[u8]) -> Result<Vec<u8>> {
    if payload.is_empty() {
        return Err(Error::InvalidArgument);
    }
    if payload.len() > MAX_PAYLOAD {
        return Err(Error::TooLarge);
    }
    let segment = pack(payload)?;
    let mut out = copy_without_payload(jpeg, segment.len())?;
    let at = end_of_leading_metadata(&out)?;
    out.splice(at..at, segment);
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
    let mut headers = Headers::new(jpeg)?;
    while let Some(segment) = headers.next()? {
        if let Some(contents) = segment.carried() {
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
/// - [`Error::OutOfMemory`]: no room for the copy.
pub fn remove(jpeg: &[u8]) -> Result<Vec<u8>> {
    copy_without_payload(jpeg, 0)
}

/// A marker and where it stands. Fill bytes before it are not part of it.
struct Marker {
    /// Second byte.
    code: u8,
    /// Offset of the first byte (0xFF).
    start: usize,
}

/// The marker at `pos`, behind any fill bytes; `None` if only fill bytes are left.
fn marker_at(jpeg: &[u8], pos: usize) -> Result<Option<Marker>> {
    let rest = jpeg.get(pos..).unwrap_or_default();
    let Some(fill) = rest.iter().position(|&byte| byte != 0xff) else {
        return Ok(None);
    };
    match rest[fill] {
        _ if fill == 0 => Err(Error::Corrupt),
        0x00 => Err(Error::Corrupt),
        code => Ok(Some(Marker { code, start: pos + fill - 1 })),
    }
}

/// A marker with the length and contents that follow it.
struct Segment<'a> {
    code: u8,
    start: usize,
    /// The two length bytes, then the contents.
    body: &'a [u8],
}

impl<'a> Segment<'a> {
    fn read(jpeg: &'a [u8], marker: Marker) -> Result<Self> {
        // Markers without a length have no place where a segment is due.
        if marker.code < marker::SOF0 || (marker::RST0..=marker::EOI).contains(&marker.code) {
            return Err(Error::Corrupt);
        }
        let rest = jpeg.get(marker.start + 2..).unwrap_or_default();
        let &[high, low, ..] = rest else {
            return Err(Error::Corrupt);
        };
        let length = usize::from(u16::from_be_bytes([high, low]));
        if length < 2 {
            return Err(Error::Corrupt);
        }
        let body = rest.get(..length).ok_or(Error::Corrupt)?;
        Ok(Segment { code: marker.code, start: marker.start, body })
    }

    fn contents(&self) -> &'a [u8] {
        &self.body[2..]
    }

    fn end(&self) -> usize {
        self.start + 2 + self.body.len()
    }

    /// What follows our identifier, if the segment is ours.
    fn carried(&self) -> Option<&'a [u8]> {
        if self.code != marker::APP10 {
            return None;
        }
        self.contents().strip_prefix(IDENTIFIER)
    }
}

/// Walks the segments between SOI and the first SOS, neither included.
struct Headers<'a> {
    jpeg: &'a [u8],
    /// End of the last segment returned.
    pos: usize,
}

impl<'a> Headers<'a> {
    fn new(jpeg: &'a [u8]) -> Result<Self> {
        if !jpeg.starts_with(&[0xff, marker::SOI]) {
            return Err(Error::Corrupt);
        }
        Ok(Headers { jpeg, pos: 2 })
    }

    /// `None` at the first SOS; a file that ends before it is corrupt.
    fn next(&mut self) -> Result<Option<Segment<'a>>> {
        let marker = marker_at(self.jpeg, self.pos)?.ok_or(Error::Corrupt)?;
        if marker.code == marker::SOS {
            return Ok(None);
        }
        let segment = Segment::read(self.jpeg, marker)?;
        self.pos = segment.end();
        Ok(Some(segment))
    }
}

/// Whether segments of this kind leave the decoded picture alone.
fn is_metadata(code: u8) -> bool {
    matches!(code, marker::APP0..=marker::APP15 | marker::COM)
}

/// Hashes the segments and coded data from the first SOS, due at `pos`, to EOI or the end; their
/// bytes.
fn bind_scans(jpeg: &[u8], mut pos: usize, binding: &mut Fnv1a) -> Result<usize> {
    let mut bytes = 0;
    while let Some(marker) = marker_at(jpeg, pos)? {
        if marker.code == marker::EOI {
            bytes += 2;
            break;
        }
        let segment = Segment::read(jpeg, marker)?;
        pos = segment.end();
        if !is_metadata(segment.code) {
            bind_segment(&segment, binding);
            bytes += segment.end() - segment.start;
        }
        if segment.code == marker::SOS {
            let end = end_of_coded_data(jpeg, pos);
            binding.update(jpeg[pos..end].iter().copied());
            bytes += end - pos;
            pos = end;
        }
    }
    Ok(bytes)
}

/// Offset of the marker, fill bytes included, that ends the entropy-coded data at `pos`.
fn end_of_coded_data(jpeg: &[u8], mut pos: usize) -> usize {
    loop {
        let Some(data) = jpeg[pos..].iter().position(|&byte| byte == 0xff) else {
            return jpeg.len();
        };
        let start = pos + data;
        let Some(fill) = jpeg[start..].iter().position(|&byte| byte != 0xff) else {
            return start;
        };
        match jpeg[start + fill] {
            0x00 | marker::RST0..=marker::RST7 => pos = start + fill + 1,
            _ => return start,
        }
    }
}

/// What is wanted of a frame header.
struct Frame {
    width: u32,
    height: u32,
    components: Vec<JpegComponent>,
}

impl Frame {
    fn read(contents: &[u8]) -> Result<Self> {
        let &[precision, y1, y0, x1, x0, count, ref specs @ ..] = contents else {
            return Err(Error::Corrupt);
        };
        if !(1..=4).contains(&count) || specs.len() != usize::from(count) * 3 {
            return Err(Error::Corrupt);
        }
        let mut components = Vec::with_capacity(usize::from(count));
        for spec in specs.chunks_exact(3) {
            let (h, v, quant_table) = (spec[1] >> 4, spec[1] & 15, spec[2]);
            if !(1..=4).contains(&h) || !(1..=4).contains(&v) || quant_table > 3 {
                return Err(Error::Corrupt);
            }
            components.push(JpegComponent { id: spec[0], h, v, quant_table });
        }
        let width = u32::from(u16::from_be_bytes([x1, x0]));
        let height = u32::from(u16::from_be_bytes([y1, y0]));
        match (width, height) {
            (0, _) => Err(Error::Corrupt),
            // A DNL segment after the first scan tells the height.
            (_, 0) => Err(Error::Unsupported),
            _ if precision != 8 => Err(Error::Unsupported),
            _ => Ok(Frame { width, height, components }),
        }
    }
}

/// Reads the tables of one DQT segment over those defined earlier.
fn read_quant_tables(mut contents: &[u8], tables: &mut [Option<[u16; 64]>; 4]) -> Result {
    while let [head, rest @ ..] = contents {
        let table = tables.get_mut(usize::from(head & 15)).ok_or(Error::Corrupt)?;
        let entry_size = match head >> 4 {
            0 => 1,
            1 => 2,
            _ => return Err(Error::Corrupt),
        };
        let (entries, rest) = rest.split_at_checked(64 * entry_size).ok_or(Error::Corrupt)?;
        let mut natural = [0; 64];
        for (&at, entry) in ZIGZAG.iter().zip(entries.chunks_exact(entry_size)) {
            let value = entry.iter().fold(0, |value, &byte| value << 8 | u16::from(byte));
            if value == 0 {
                return Err(Error::Corrupt);
            }
            natural[usize::from(at)] = value;
        }
        *table = Some(natural);
        contents = rest;
    }
    Ok(())
}

/// Takes a segment into the binding.
fn bind_segment(segment: &Segment, binding: &mut Fnv1a) {
    binding.update([segment.code]);
    binding.update(segment.body.iter().copied());
}

/// Copies all but our segments; the copy has room for `spare` more bytes.
fn copy_without_payload(jpeg: &[u8], spare: usize) -> Result<Vec<u8>> {
    let mut out =
        alloc::try_with_capacity(jpeg.len().checked_add(spare).ok_or(Error::OutOfMemory)?)?;
    let mut copied = 0;
    let mut headers = Headers::new(jpeg)?;
    while let Some(segment) = headers.next()? {
        if segment.carried().is_some() {
            out.extend_from_slice(&jpeg[copied..segment.start]);
            copied = segment.end();
        }
    }
    out.extend_from_slice(&jpeg[copied..]);
    Ok(out)
}

/// Where the run of APPn and COM segments after SOI ends, or an MPF segment in it begins: that one
/// holds the offsets, from itself, of the pictures behind EOI, so nothing may come between.
fn end_of_leading_metadata(jpeg: &[u8]) -> Result<usize> {
    let mut headers = Headers::new(jpeg)?;
    let mut end = headers.pos;
    while let Some(segment) = headers.next()? {
        let multi_picture =
            segment.code == marker::APP2 && segment.contents().starts_with(b"MPF\0");
        if !is_metadata(segment.code) || multi_picture {
            break;
        }
        end = segment.end();
    }
    Ok(end)
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
        assert_eq!(info.luma_quant(), Some(&[1; 64]));
        let carrying = insert(&tiny(), b"\x01\x02").unwrap();
        assert_eq!(carrying[..15], *b"\xff\xd8\xff\xea\0\x0bSLIGHT\0\x01\x02");
    }

    #[test]
    fn sizes() {
        assert_eq!((MAX_PAYLOAD, CARRIAGE_BYTES), (65526, 11));
        let mut order = ZIGZAG;
        order.sort_unstable();
        assert!(order.iter().copied().eq(0..64));
    }

    #[test]
    fn quant_tables() {
        let mut wide = vec![0x13];
        (0..64u16).for_each(|k| wide.extend_from_slice(&(1000 + k).to_be_bytes()));
        let several = [wide.as_slice(), &[0x00], &[7; 64]].concat();
        let tables = info(&with(marker::DQT, &several)).unwrap().quant_tables;
        assert_eq!(tables[0], Some([7; 64]));
        let natural = tables[3].unwrap();
        assert_eq!(natural[..4], [1000, 1001, 1005, 1006]);
        assert_eq!(natural[8], 1002);
        assert_eq!((tables[1], tables[2]), (None, None));

        let zero_entry = [&[0x00], [1; 63].as_slice(), &[0]].concat();
        let cut = [1; 64];
        let fifth = [&[0x04], [1; 64].as_slice()].concat();
        let wider = [&[0x20], [1; 64].as_slice()].concat();
        for bad in [zero_entry.as_slice(), &cut, &fifth, &wider] {
            assert_eq!(info(&with(marker::DQT, bad)), Err(Error::Corrupt));
        }
    }

    #[test]
    fn undefined_table_is_none() {
        let twelve_bits = with_frame(0xc1, &[12, 0, 1, 0, 1, 2, 9, 0x44, 0, 8, 0x12, 2]);
        assert_eq!(info(&twelve_bits), Err(Error::Unsupported));
        let file = with_frame(0xc1, &[8, 0, 1, 0, 1, 2, 9, 0x44, 0, 8, 0x12, 2]);
        let info = info(&file).unwrap();
        assert!(!info.progressive);
        assert_eq!(info.components[1], JpegComponent { id: 8, h: 1, v: 2, quant_table: 2 });
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

    #[test]
    fn markers_out_of_place() {
        for code in [0x01, 0x4f, 0xd0, 0xd7, 0xd8, 0xd9] {
            assert_eq!(extract(&with(code, b"")), Err(Error::Corrupt), "{code:x}");
        }
        let mut garbage = tiny();
        garbage.insert(84, 0x20);
        assert_eq!(remove(&garbage), Err(Error::Corrupt));
        let mut short_length = tiny();
        short_length.splice(84..84, *b"\xff\xfe\0\x01");
        assert_eq!(remove(&short_length), Err(Error::Corrupt));
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
