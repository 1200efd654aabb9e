//! The quantised coefficients of a JPEG file: Huffman-coded scans, sequential and progressive
//! (ITU-T T.81, annexes F and G).
//!
//! The reader takes files that hold every coefficient once, to its last bit, and in which nothing
//! is damaged: of those alone the coefficients say what decoders show. It gives up with
//! [`Error::Corrupt`] on all others. Coefficients are handed on as they are read, so that they need
//! not be kept; what refinement scans must know of them is two bits each.

use super::huffman::{standard_ac, standard_dc, Bits, Huffman};
use super::segments::{marker, Frame};
use crate::error::{Error, Result};
use crate::util::alloc;

/// Largest magnitude of a coefficient.
const MAX_COEFFICIENT: i32 = 32767;

/// Takes coefficients, a block at a time; refinement scans come back to a block.
pub(crate) trait Sink {
    /// Adds `value` to the coefficient at zigzag position `at`, 0..=63, of the present block.
    fn add(&mut self, at: usize, value: i32);

    /// Says which block that was: its component, and its number in row-major order. `None`: one
    /// beyond the picture's edges, which only fills an MCU.
    fn end_block(&mut self, block: Option<(usize, usize)>);
}

/// Which coefficients of a component are not zero, and the sign of those.
#[derive(Default)]
struct History {
    blocks: Vec<Signs>,
    /// A bit for each block with a coefficient that is not zero.
    touched: Vec<u64>,
}

/// A bit for each coefficient in zigzag order.
#[derive(Clone, Copy, Default)]
struct Signs {
    nonzero: u64,
    negative: u64,
}

impl Signs {
    fn note(&mut self, at: usize, negative: bool) {
        self.nonzero |= 1 << at;
        self.negative |= u64::from(negative) << at;
    }
}

impl History {
    fn note(&mut self, block: usize, new: Signs) {
        let signs = &mut self.blocks[block];
        signs.nonzero |= new.nonzero;
        signs.negative |= new.negative;
        self.touched[block / 64] |= u64::from(new.nonzero != 0) << (block % 64);
    }

    /// The first block of `first..end` with a coefficient that is not zero.
    fn next_touched(&self, mut first: usize, end: usize) -> Option<usize> {
        while first < end {
            let word = self.touched[first / 64] >> (first % 64);
            if word != 0 {
                return Some(first + word.trailing_zeros() as usize).filter(|block| *block < end);
            }
            first = (first / 64 + 1) * 64;
        }
        None
    }
}

/// A component of the frame.
struct Component {
    id: u8,
    h: usize,
    v: usize,
    /// Blocks with samples of the picture.
    columns: usize,
    rows: usize,
    /// The lowest bit of each coefficient that was coded, in zigzag order; [`UNCODED`] at first.
    coded: [u8; 64],
    history: History,
}

const UNCODED: u8 = 255;

/// Reads scans.
pub(super) struct Reader {
    progressive: bool,
    components: Vec<Component>,
    /// MCUs of a scan of several components.
    columns: usize,
    rows: usize,
    dc: [Option<Huffman>; 4],
    ac: [Option<Huffman>; 4],
    restart_interval: usize,
}

/// A component of a scan.
#[derive(Clone, Copy, Default)]
struct Part {
    component: usize,
    dc: usize,
    ac: usize,
    /// Blocks in an MCU.
    h: usize,
    v: usize,
    prediction: i32,
}

/// A band of coefficients in zigzag order, and the bit that a scan begins at.
#[derive(Clone, Copy)]
struct Band {
    first: usize,
    last: usize,
    shift: u32,
}

impl Reader {
    pub fn new() -> Self {
        Self {
            progressive: false,
            components: Vec::new(),
            columns: 0,
            rows: 0,
            dc: [const { None }; 4],
            ac: [const { None }; 4],
            restart_interval: 0,
        }
    }

    /// Says what the frame is; before the first scan.
    ///
    /// # Errors
    /// [`Error::OutOfMemory`].
    pub fn set_frame(&mut self, frame: &Frame) -> Result {
        let (h, v) = frame.sampling();
        let components = frame.components.iter().map(|c| {
            let (width, height) = frame.size(c);
            Component {
                id: c.id,
                h: usize::from(c.h),
                v: usize::from(c.v),
                columns: width.div_ceil(8),
                rows: height.div_ceil(8),
                coded: [UNCODED; 64],
                history: History::default(),
            }
        });
        self.progressive = frame.progressive;
        self.components = alloc::try_collect(frame.components.len(), components)?;
        self.columns = frame.width.div_ceil(8 * u32::from(h)) as usize;
        self.rows = frame.height.div_ceil(8 * u32::from(v)) as usize;
        Ok(())
    }

    /// Reads the tables of a DHT segment.
    pub fn huffman_tables(&mut self, mut contents: &[u8]) -> Result {
        while let [head, rest @ ..] = contents {
            let (counts, rest) = rest.split_at_checked(16).ok_or(Error::Corrupt)?;
            let count = counts.iter().map(|count| usize::from(*count)).sum();
            let (symbols, rest) = rest.split_at_checked(count).ok_or(Error::Corrupt)?;
            let tables = match head >> 4 {
                0 => &mut self.dc,
                1 => &mut self.ac,
                _ => return Err(Error::Corrupt),
            };
            let table = tables.get_mut(usize::from(head & 15)).ok_or(Error::Corrupt)?;
            *table = Some(Huffman::new(counts, symbols)?);
            contents = rest;
        }
        Ok(())
    }

    /// Reads a DRI segment.
    pub fn restart_interval(&mut self, contents: &[u8]) -> Result {
        let interval = contents.try_into().map_err(|_| Error::Corrupt)?;
        self.restart_interval = usize::from(u16::from_be_bytes(interval));
        Ok(())
    }

    /// Reads a scan of the header `contents` and the coded data behind it.
    pub fn scan(&mut self, contents: &[u8], data: &[u8], sink: &mut impl Sink) -> Result {
        let [count, rest @ ..] = contents else { return Err(Error::Corrupt) };
        let count = usize::from(*count);
        let (specs, rest) = rest.split_at_checked(2 * count).ok_or(Error::Corrupt)?;
        let &[first, last, bits] = rest else { return Err(Error::Corrupt) };
        let mut parts = [Part::default(); 4];
        let parts = parts.get_mut(..count).filter(|parts| !parts.is_empty());
        let parts = parts.ok_or(Error::Corrupt)?;
        for (i, spec) in specs.chunks_exact(2).enumerate() {
            let found = self.components.iter().position(|c| c.id == spec[0]);
            let component = found.ok_or(Error::Corrupt)?;
            // As the frame orders them (T.81 B.2.3), so none twice.
            if i > 0 && component <= parts[i - 1].component {
                return Err(Error::Corrupt);
            }
            let (h, v) = match (count, &self.components[component]) {
                (1, _) => (1, 1),
                (_, c) => (c.h, c.v),
            };
            let (dc, ac) = (usize::from(spec[1] >> 4), usize::from(spec[1] & 15));
            parts[i] = Part { component, dc, ac, h, v, prediction: 0 };
            // Motion JPEG leaves out tables that everybody knows.
            for (slot, tables, standard) in
                [(dc, &mut self.dc, standard_dc as fn(_) -> _), (ac, &mut self.ac, standard_ac)]
            {
                if let Some(table @ None) = tables.get_mut(slot) {
                    *table = standard(slot);
                }
            }
        }
        // T.81 B.2.3
        if count > 1 && parts.iter().map(|part| part.h * part.v).sum::<usize>() > 10 {
            return Err(Error::Corrupt);
        }
        let (high, low) = (bits >> 4, bits & 15);
        let band = if self.progressive {
            Band { first: first.into(), last: last.into(), shift: low.into() }
        } else {
            Band { first: 0, last: 63, shift: 0 }
        };
        let refines = self.progressive && high > 0;
        self.progress(parts, band, refines.then_some(high))?;
        match (self.progressive, band.first, refines) {
            (false, _, _) => self.intervals(parts, data, |reader, parts, mcus, bits| {
                reader.blocks(parts, mcus, sink, |reader, part, sink| {
                    reader.sequential(part, bits, sink)
                })
            }),
            (true, 0, false) => self.intervals(parts, data, |reader, parts, mcus, bits| {
                reader.blocks(parts, mcus, sink, |reader, part, sink| {
                    let difference = reader.difference(part, bits)?;
                    part.prediction = in_range(part.prediction + difference, band.shift)?;
                    sink.add(0, part.prediction << band.shift);
                    bits.check()
                })
            }),
            (true, 0, true) => self.intervals(parts, data, |reader, parts, mcus, bits| {
                reader.blocks(parts, mcus, sink, |_, _, sink| {
                    bits.refill();
                    sink.add(0, (bits.take(1) << band.shift) as i32);
                    bits.check()
                })
            }),
            (true, _, false) => self.intervals(parts, data, |reader, parts, blocks, bits| {
                reader.band(parts[0], band, blocks, bits, sink)
            }),
            (true, _, true) => self.intervals(parts, data, |reader, parts, blocks, bits| {
                reader.refinement(parts[0], band, blocks, bits, sink)
            }),
        }
    }

    /// Whether every coefficient was coded to its last bit.
    pub fn is_complete(&self) -> bool {
        self.components.iter().all(|c| c.coded == [0; 64])
    }

    /// Checks that a scan's band is due, notes that it is coded, and sees to the history.
    fn progress(&mut self, parts: &[Part], band: Band, refined: Option<u8>) -> Result {
        let Band { first, last, shift } = band;
        let several = parts.len() > 1;
        let fits = match first {
            0 => !self.progressive || last == 0,
            _ => first <= last && last < 64 && !several,
        };
        if !fits || shift > 13 {
            return Err(Error::Corrupt);
        }
        for part in parts {
            let component = &mut self.components[part.component];
            if first > 0 && component.coded[0] == UNCODED {
                return Err(Error::Corrupt);
            }
            for coded in &mut component.coded[first..=last] {
                let due = match refined {
                    None => *coded == UNCODED,
                    Some(high) => *coded == high && u32::from(high) == shift + 1,
                };
                if !due {
                    return Err(Error::Corrupt);
                }
                *coded = shift as u8;
            }
            // Its blocks are no more than the bits of the DC scan.
            let history = &mut component.history;
            if first > 0 && history.blocks.is_empty() {
                let count = component.columns * component.rows;
                history.blocks = alloc::try_filled(count, Signs::default())?;
                history.touched = alloc::try_filled(count.div_ceil(64), 0)?;
            }
        }
        Ok(())
    }

    /// Cuts a scan at its restart markers and reads each piece's MCUs, of a single component's scan
    /// its blocks.
    fn intervals(
        &mut self,
        parts: &mut [Part],
        data: &[u8],
        mut read: impl FnMut(&mut Self, &mut [Part], std::ops::Range<usize>, &mut Bits<'_>) -> Result,
    ) -> Result {
        let count = match *parts {
            [part] => {
                let component = &self.components[part.component];
                component.columns * component.rows
            }
            _ => self.columns * self.rows,
        };
        let interval = if self.restart_interval > 0 { self.restart_interval } else { count };
        let (mut rest, mut first, mut number) = (data, 0, marker::RST0);
        loop {
            let (piece, restart, behind) = piece(rest);
            let end = count.min(first + interval);
            parts.iter_mut().for_each(|part| part.prediction = 0);
            let mut bits = Bits::new(piece);
            read(self, parts, first..end, &mut bits)?;
            bits.check()?;
            if end == count {
                return Ok(());
            }
            if restart != Some(number) {
                return Err(Error::Corrupt);
            }
            number = if number == marker::RST7 { marker::RST0 } else { number + 1 };
            (rest, first) = (behind, end);
        }
    }

    /// Reads the blocks of some MCUs in their order.
    #[inline]
    fn blocks<S: Sink>(
        &self,
        parts: &mut [Part],
        mcus: std::ops::Range<usize>,
        sink: &mut S,
        mut read: impl FnMut(&Self, &mut Part, &mut S) -> Result,
    ) -> Result {
        if let [part] = parts {
            for block in mcus {
                read(self, part, sink)?;
                sink.end_block(Some((part.component, block)));
            }
            return Ok(());
        }
        let (mut x, mut y) = (mcus.start % self.columns, mcus.start / self.columns);
        for _ in mcus {
            for part in parts.iter_mut() {
                let component = &self.components[part.component];
                for row in part.v * y..part.v * (y + 1) {
                    for column in part.h * x..part.h * (x + 1) {
                        read(self, part, sink)?;
                        let inside = column < component.columns && row < component.rows;
                        let block = (part.component, row * component.columns + column);
                        sink.end_block(inside.then_some(block));
                    }
                }
            }
            x += 1;
            if x == self.columns {
                (x, y) = (0, y + 1);
            }
        }
        Ok(())
    }

    /// A DC difference.
    #[inline]
    fn difference(&self, part: &Part, bits: &mut Bits<'_>) -> Result<i32> {
        let table = self.dc.get(part.dc).and_then(Option::as_ref).ok_or(Error::Corrupt)?;
        match bits.symbol(table)? {
            n @ 0..=15 => Ok(bits.value(n.into())),
            _ => Err(Error::Corrupt),
        }
    }

    fn ac_table(&self, part: &Part) -> Result<&Huffman> {
        self.ac.get(part.ac).and_then(Option::as_ref).ok_or(Error::Corrupt)
    }

    /// A block of a sequential scan (T.81 F.2.2).
    #[inline]
    fn sequential(&self, part: &mut Part, bits: &mut Bits<'_>, sink: &mut impl Sink) -> Result {
        part.prediction = in_range(part.prediction + self.difference(part, bits)?, 0)?;
        sink.add(0, part.prediction);
        let band = Band { first: 1, last: 63, shift: 0 };
        first_values(self.ac_table(part)?, band, bits, |at, value| sink.add(at, value))?;
        bits.check()
    }

    /// The first scan of a band of AC coefficients (T.81 G.1.2.2).
    fn band(
        &mut self,
        part: Part,
        band: Band,
        blocks: std::ops::Range<usize>,
        bits: &mut Bits<'_>,
        sink: &mut impl Sink,
    ) -> Result {
        // Taken out for as long as it is written to.
        let mut history = std::mem::take(&mut self.components[part.component].history);
        let table = self.ac_table(&part)?;
        let mut block = blocks.start;
        while block < blocks.end {
            let mut new = Signs::default();
            let end = first_values(table, band, bits, |at, value| {
                new.note(at, value < 0);
                sink.add(at, value);
            })?;
            let run_of_blocks = end.map_or(0, |run| run_of_ends(run, bits));
            bits.check()?;
            history.note(block, new);
            sink.end_block(Some((part.component, block)));
            block += run_of_blocks.max(1);
        }
        // A run ends with its interval.
        if block > blocks.end {
            return Err(Error::Corrupt);
        }
        self.components[part.component].history = history;
        Ok(())
    }

    /// A further bit of a band of AC coefficients (T.81 G.1.2.3).
    fn refinement(
        &mut self,
        part: Part,
        band: Band,
        blocks: std::ops::Range<usize>,
        bits: &mut Bits<'_>,
        sink: &mut impl Sink,
    ) -> Result {
        let mut history = std::mem::take(&mut self.components[part.component].history);
        let table = self.ac_table(&part)?;
        let mut block = blocks.start;
        while block < blocks.end {
            let mut found = Signs::default();
            let mut run_of_blocks = 0;
            let mut at = band.first;
            while at <= band.last {
                let symbol = bits.symbol(table)?;
                let (mut run, size) = (usize::from(symbol >> 4), symbol & 15);
                let mut new = None;
                match size {
                    0 if run < 15 => {
                        run_of_blocks = run_of_ends(run, bits);
                        break;
                    }
                    0 => {}
                    1 => new = Some(bits.take(1) == 0),
                    _ => return Err(Error::Corrupt),
                }
                // To behind the run of zeros, past what is not zero already.
                let signs = history.blocks[block];
                while at <= band.last {
                    let next = at + (signs.nonzero >> at).trailing_zeros() as usize;
                    let zeros = next.min(band.last + 1) - at;
                    if run < zeros {
                        at += run;
                        break;
                    }
                    run -= zeros;
                    at += zeros;
                    if at <= band.last {
                        refine(signs, at, band, bits, sink);
                        at += 1;
                    }
                }
                if let Some(negative) = new {
                    if at > band.last {
                        return Err(Error::Corrupt);
                    }
                    found.note(at, negative);
                    sink.add(at, if negative { -1 << band.shift } else { 1 << band.shift });
                }
                at += 1;
            }
            if run_of_blocks > 0 {
                // The rest of this block, then the run's others.
                refine_from(history.blocks[block], at, band, bits, sink);
            }
            bits.check()?;
            history.note(block, found);
            sink.end_block(Some((part.component, block)));
            let end = block + run_of_blocks.max(1);
            if end > blocks.end {
                return Err(Error::Corrupt);
            }
            let mut first = block + 1;
            while let Some(touched) = history.next_touched(first, end) {
                refine_from(history.blocks[touched], band.first, band, bits, sink);
                bits.check()?;
                sink.end_block(Some((part.component, touched)));
                first = touched + 1;
            }
            block = end;
        }
        self.components[part.component].history = history;
        Ok(())
    }
}

/// Hands on a block's coefficients of a band that no scan had before, with their zigzag positions;
/// returns the run of the code that ended the block, if one did (T.81 F.2.2.2, G.1.2.2).
#[inline]
fn first_values(
    table: &Huffman,
    band: Band,
    bits: &mut Bits<'_>,
    mut take: impl FnMut(usize, i32),
) -> Result<Option<usize>> {
    let mut at = band.first;
    while at <= band.last {
        let (run, value) = bits.coefficient(table)?;
        if value == 0 {
            if run < 15 {
                return Ok(Some(run));
            }
            at += 16;
            continue;
        }
        at += run;
        if at > band.last {
            return Err(Error::Corrupt);
        }
        take(at, in_range(value, band.shift)? << band.shift);
        at += 1;
    }
    Ok(None)
}

/// Blocks that end by a code of this run, the present one among them (T.81 G.1.2.2).
#[inline]
fn run_of_ends(run: usize, bits: &mut Bits<'_>) -> usize {
    (1 << run) + bits.take(run as u32) as usize
}

/// Takes the correction bit of the coefficient at `at`, which is not zero.
#[inline]
fn refine(signs: Signs, at: usize, band: Band, bits: &mut Bits<'_>, sink: &mut impl Sink) {
    bits.refill();
    if bits.take(1) == 1 {
        let negative = signs.negative >> at & 1 != 0;
        sink.add(at, if negative { -1 << band.shift } else { 1 << band.shift });
    }
}

/// Takes the correction bits of the coefficients from `at` on.
fn refine_from(signs: Signs, at: usize, band: Band, bits: &mut Bits<'_>, sink: &mut impl Sink) {
    let upper = if at > 63 { 0 } else { u64::MAX << at };
    let mut rest = signs.nonzero & upper & u64::MAX >> (63 - band.last);
    while rest != 0 {
        refine(signs, rest.trailing_zeros() as usize, band, bits, sink);
        rest &= rest - 1;
    }
}

/// A value, if it is a coefficient's `shift` bits up.
#[inline]
fn in_range(value: i32, shift: u32) -> Result<i32> {
    if value.abs() <= MAX_COEFFICIENT >> shift {
        Ok(value)
    } else {
        Err(Error::Corrupt)
    }
}

/// The coded data up to the first restart marker, its second byte, and what follows.
fn piece(data: &[u8]) -> (&[u8], Option<u8>, &[u8]) {
    let mut pos = 0;
    while let Some(start) = data[pos..].iter().position(|&byte| byte == 0xff) {
        let start = pos + start;
        let Some(fill) = data[start..].iter().position(|&byte| byte != 0xff) else { break };
        pos = start + fill + 1;
        if data[pos - 1] != 0 {
            return (&data[..start], Some(data[pos - 1]), &data[pos..]);
        }
    }
    (data, None, &[])
}
