//! The segments of a JPEG file, as stock decoders walk them.

use crate::error::{Error, Result};
use crate::util::alloc;

/// Second bytes of the markers that the parser tells apart (T.81 table B.1).
pub(super) mod marker {
    pub const TEM: u8 = 0x01;
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
    pub const DRI: u8 = 0xdd;
    pub const DHP: u8 = 0xde;
    pub const APP0: u8 = 0xe0;
    pub const APP1: u8 = 0xe1;
    pub const APP2: u8 = 0xe2;
    pub const APP10: u8 = 0xea;
    pub const APP11: u8 = 0xeb;
    pub const APP15: u8 = 0xef;
    pub const COM: u8 = 0xfe;
}

/// Where the k-th entry of a quantisation table or a block in the file goes in row-major order
/// (T.81 figure 5).
#[rustfmt::skip]
pub(crate) const ZIGZAG: [usize; 64] = [
     0,  1,  8, 16,  9,  2,  3, 10, 17, 24, 32, 25, 18, 11,  4,  5,
    12, 19, 26, 33, 40, 48, 41, 34, 27, 20, 13,  6,  7, 14, 21, 28,
    35, 42, 49, 56, 57, 50, 43, 36, 29, 22, 15, 23, 30, 37, 44, 51,
    58, 59, 52, 45, 38, 31, 39, 46, 53, 60, 61, 54, 47, 55, 62, 63,
];

/// A marker segment and where it stands. Fill bytes before it are not part of it.
#[derive(Clone, Copy)]
pub(super) struct Segment<'a> {
    /// Second byte of the marker.
    pub code: u8,
    /// Offset of the marker's first byte (0xFF).
    pub start: usize,
    /// The two length bytes, then the contents.
    pub body: &'a [u8],
}

impl<'a> Segment<'a> {
    pub fn contents(&self) -> &'a [u8] {
        &self.body[2..]
    }

    pub fn end(&self) -> usize {
        self.start + 2 + self.body.len()
    }

    /// Whether segments of this kind leave the decoded picture alone.
    pub fn is_metadata(&self) -> bool {
        is_metadata(self.code)
    }

    pub fn is_scan(&self) -> bool {
        self.code == marker::SOS
    }

    /// Whether its length is one that a segment can have. Metadata of another are taken to be the
    /// two length bytes, as stock decoders do.
    pub fn is_sound(&self) -> bool {
        self.body[..2] != [0, 0] && self.body[..2] != [0, 1]
    }
}

fn is_metadata(code: u8) -> bool {
    matches!(code, marker::APP0..=marker::APP15 | marker::COM)
}

/// Walks the segments from SOI on. Bytes that belong to none are skipped, as stock decoders do, and
/// so are TEM and RSTn markers.
pub(super) struct Segments<'a> {
    jpeg: &'a [u8],
    /// End of the last segment returned, or of the coded data behind it.
    pub pos: usize,
    /// Whether an SOS was returned: from there on a file may end.
    in_scans: bool,
    /// Whether the walk ended at an EOI.
    pub ended: bool,
}

impl<'a> Segments<'a> {
    pub fn new(jpeg: &'a [u8]) -> Result<Self> {
        if !jpeg.starts_with(&[0xff, marker::SOI]) {
            return Err(Error::Corrupt);
        }
        Ok(Segments { jpeg, pos: 2, in_scans: false, ended: false })
    }

    /// The next segment; `None` at EOI, and behind the first SOS also where the file ends.
    pub fn next(&mut self) -> Result<Option<Segment<'a>>> {
        match self.next_marker()? {
            Some((code, start)) => self.segment(code, start),
            None => Ok(None),
        }
    }

    /// The next segment before the first SOS; `None` there, of which only the marker is needed.
    pub fn next_header(&mut self) -> Result<Option<Segment<'a>>> {
        match self.next_marker()? {
            Some((code, start)) if code != marker::SOS => self.segment(code, start),
            _ => Ok(None),
        }
    }

    /// Second byte and offset of the next marker that begins a segment.
    fn next_marker(&mut self) -> Result<Option<(u8, usize)>> {
        loop {
            let Some((code, start)) = marker_at(self.jpeg, self.pos) else {
                return self.cut_off();
            };
            match code {
                marker::TEM | marker::RST0..=marker::RST7 => self.pos = start + 2,
                marker::EOI if self.in_scans => {
                    self.pos = start + 2;
                    self.ended = true;
                    return Ok(None);
                }
                // What is in the scans decoders have shown by then.
                0..marker::SOF0 if self.in_scans => self.pos = start + 2,
                marker::SOI if self.in_scans => return self.cut_off(),
                0..marker::SOF0 | marker::SOI | marker::EOI => return Err(Error::Corrupt),
                _ => return Ok(Some((code, start))),
            }
        }
    }

    fn segment(&mut self, code: u8, start: usize) -> Result<Option<Segment<'a>>> {
        let rest = self.jpeg.get(start + 2..).unwrap_or_default();
        let &[high, low, ..] = rest else { return self.cut_off() };
        let length = usize::from(u16::from_be_bytes([high, low]));
        if length < 2 && !is_metadata(code) {
            return Err(Error::Corrupt);
        }
        let Some(body) = rest.get(..length.max(2)) else { return self.cut_off() };
        let segment = Segment { code, start, body };
        self.pos = segment.end();
        self.in_scans |= code == marker::SOS;
        Ok(Some(segment))
    }

    /// Behind the first SOS a file may end anywhere.
    fn cut_off<T>(&mut self) -> Result<Option<T>> {
        if self.in_scans {
            self.pos = self.jpeg.len();
            Ok(None)
        } else {
            Err(Error::Corrupt)
        }
    }

    /// The entropy-coded data behind the SOS that was returned last, RSTn markers included.
    pub fn coded_data(&mut self) -> &'a [u8] {
        let start = self.pos;
        self.pos = end_of_coded_data(self.jpeg, start);
        &self.jpeg[start..self.pos]
    }
}

/// Second byte and offset of the first marker from `pos` on: `FF`s and a byte that is neither
/// `FF` nor zero.
fn marker_at(jpeg: &[u8], mut pos: usize) -> Option<(u8, usize)> {
    loop {
        pos += jpeg.get(pos..)?.iter().position(|&byte| byte == 0xff)?;
        pos += jpeg[pos..].iter().position(|&byte| byte != 0xff)?;
        match jpeg[pos] {
            0x00 => {}
            code => return Some((code, pos - 1)),
        }
    }
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

/// One component of the frame header, and the table of its first scan.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct JpegComponent {
    /// Component identifier, any value (JFIF: 1 = Y, 2 = Cb, 3 = Cr).
    pub id: u8,
    /// Horizontal sampling factor, 1..=4.
    pub h: u8,
    /// Vertical sampling factor, 1..=4.
    pub v: u8,
    /// Slot of the quantisation table, 0..=3.
    pub quant_slot: u8,
    /// Steps in row-major (not zig-zag) order, as the component's first scan found them; 0 takes
    /// a coefficient away. `None` without a table or a scan.
    pub quant: Option<[u16; 64]>,
}

/// What is wanted of a frame header.
pub(crate) struct Frame {
    pub progressive: bool,
    pub width: u32,
    pub height: u32,
    pub components: Vec<JpegComponent>,
}

impl Frame {
    pub(super) fn read(segment: &Segment<'_>) -> Result<Self> {
        let &[precision, y1, y0, x1, x0, count, ref specs @ ..] = segment.contents() else {
            return Err(Error::Corrupt);
        };
        if !(1..=4).contains(&count) || specs.len() != usize::from(count) * 3 {
            return Err(Error::Corrupt);
        }
        let mut components = alloc::try_with_capacity(usize::from(count))?;
        for spec in specs.chunks_exact(3) {
            let (h, v, quant_slot) = (spec[1] >> 4, spec[1] & 15, spec[2]);
            if !(1..=4).contains(&h) || !(1..=4).contains(&v) || quant_slot > 3 {
                return Err(Error::Corrupt);
            }
            components.push(JpegComponent { id: spec[0], h, v, quant_slot, quant: None });
        }
        let width = u32::from(u16::from_be_bytes([x1, x0]));
        let height = u32::from(u16::from_be_bytes([y1, y0]));
        match (width, height) {
            (0, _) => Err(Error::Corrupt),
            // A DNL segment after the first scan tells the height.
            (_, 0) => Err(Error::Unsupported),
            _ if precision != 8 => Err(Error::Unsupported),
            _ => {
                let progressive = segment.code == marker::SOF2;
                Ok(Frame { progressive, width, height, components })
            }
        }
    }

    /// Gives the components of a scan of the header `contents` the tables in force, unless an
    /// earlier scan has.
    pub fn latch_quant_tables(&mut self, contents: &[u8], tables: &[Option<[u16; 64]>; 4]) {
        let [count, specs @ ..] = contents else { return };
        for spec in specs.chunks_exact(2).take(usize::from(*count)) {
            for component in self.components.iter_mut().filter(|c| c.id == spec[0]) {
                component.quant = component.quant.or(tables[usize::from(component.quant_slot)]);
            }
        }
    }

    /// Largest sampling factors.
    pub fn sampling(&self) -> (u8, u8) {
        let most = |factor: fn(&JpegComponent) -> u8| self.components.iter().map(factor).max();
        (most(|c| c.h).unwrap_or(1), most(|c| c.v).unwrap_or(1))
    }

    /// Columns and rows of a component's samples (T.81 A.1.1).
    pub fn size(&self, component: &JpegComponent) -> (usize, usize) {
        let (h, v) = self.sampling();
        let size = |size: u32, factor: u8, most: u8| {
            (size * u32::from(factor)).div_ceil(u32::from(most)) as usize
        };
        (size(self.width, component.h, h), size(self.height, component.v, v))
    }
}

/// Reads the tables of one DQT segment over those defined earlier.
pub(super) fn read_quant_tables(
    mut contents: &[u8],
    tables: &mut [Option<[u16; 64]>; 4],
) -> Result {
    while let [head, rest @ ..] = contents {
        let table = tables.get_mut(usize::from(head & 15)).ok_or(Error::Corrupt)?;
        let entry_size = match head >> 4 {
            0 => 1,
            1 => 2,
            _ => return Err(Error::Corrupt),
        };
        let (entries, rest) = rest.split_at_checked(64 * entry_size).ok_or(Error::Corrupt)?;
        let mut natural = [0; 64];
        for (at, entry) in ZIGZAG.into_iter().zip(entries.chunks_exact(entry_size)) {
            natural[at] = entry.iter().fold(0, |value, &byte| value << 8 | u16::from(byte));
        }
        *table = Some(natural);
        contents = rest;
    }
    Ok(())
}
