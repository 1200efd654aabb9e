//! A stream cut into access units.

use super::unit::{find_start_code, AccessUnit, Header, NalKind, Slice, HEAD};
use super::{Framing, NalCodec, MAX_ACCESS_UNIT};
use crate::{Error, Result};
use std::ops::Range;

/// Takes a stream in chunks and gives its access units, whose bytes one after another are those of
/// the stream.
///
/// In a byte stream an access unit is known to have ended once the next one shows, or the stream's
/// end. Slices of layers above 0 belong to the unit of the slice of layer 0 before them.
pub struct Stream {
    codec: NalCodec,
    framing: Framing,
    buffer: Vec<u8>,
    /// Where the next unit begins in the buffer.
    next: usize,
    /// No start code that was not seen yet begins before.
    scanned: usize,
    /// The unit returned last, and its first slice.
    unit: Option<(Range<usize>, Option<Slice>)>,
    /// A unit that was put back.
    again: Option<(Range<usize>, Option<Slice>)>,
    state: State,
    /// Whether the first start code was seen.
    started: bool,
    finished: bool,
    /// What was wrong with the stream: it cannot go on.
    error: Option<Error>,
}

/// What is known of the unit that begins at `next`.
#[derive(Default)]
struct State {
    /// Whether it has a slice.
    picture: bool,
    /// Start of the first NAL unit behind its last slice that may belong to the next picture.
    cut: Option<usize>,
    /// Whether a picture header came behind the last slice (VVC).
    picture_header: bool,
}

impl State {
    /// Takes the NAL unit at `start`; the end of the unit if another one has begun.
    fn take(&mut self, codec: NalCodec, kind: NalKind, start: usize) -> Option<usize> {
        let begins = match kind {
            NalKind::Delimiter => true,
            // No SEI NAL unit stands among the slices of a picture.
            NalKind::Sei => codec == NalCodec::H264,
            NalKind::Slice { first, .. } => first || self.picture_header,
            _ => false,
        };
        let end = (begins && self.picture).then(|| self.cut.unwrap_or(start));
        match kind {
            _ if end.is_some() => {
                *self = State::default();
                self.picture = matches!(kind, NalKind::Slice { .. });
            }
            NalKind::Slice { .. } => *self = State { picture: true, ..State::default() },
            NalKind::Layer => self.cut = None,
            NalKind::Other => {}
            NalKind::Delimiter | NalKind::Head | NalKind::Sei | NalKind::Preface => {
                if self.picture {
                    self.cut = self.cut.or(Some(start));
                }
                self.picture_header |= kind == NalKind::Preface && codec == NalCodec::Vvc;
            }
        }
        end
    }
}

impl Stream {
    /// An empty stream.
    ///
    /// # Errors
    /// [`Error::InvalidArgument`]: the framing's length has not 1, 2 or 4 bytes.
    pub fn new(codec: NalCodec, framing: Framing) -> Result<Self> {
        if !matches!(framing, Framing::AnnexB | Framing::LengthPrefixed(1 | 2 | 4)) {
            return Err(Error::InvalidArgument);
        }
        Ok(Stream {
            codec,
            framing,
            buffer: Vec::new(),
            next: 0,
            scanned: 0,
            unit: None,
            again: None,
            state: State::default(),
            started: false,
            finished: false,
            error: None,
        })
    }

    /// Appends bytes: of a byte stream any number, otherwise one whole sample. All units that the
    /// stream can give should be taken first, or memory grows. No unit is current any more.
    ///
    /// # Errors
    ///
    /// - [`Error::InvalidArgument`]: the sample before, or the end of a finished stream, was not taken.
    /// - [`Error::OutOfMemory`]: no room for the bytes.
    /// - What was wrong with the stream before.
    pub fn push(&mut self, bytes: &[u8]) -> Result {
        if let Some(error) = self.error {
            return Err(error);
        }
        let waiting = self.buffer.len() - self.next;
        if (waiting > 0 || self.again.is_some())
            && (self.finished || self.framing != Framing::AnnexB)
        {
            return Err(Error::InvalidArgument);
        }
        self.unit = None;
        if self.finished {
            self.finished = false;
            self.started = false;
            self.state = State::default();
        }
        // Moves no more bytes than were taken, so time is linear in all bytes.
        if self.next >= waiting && self.again.is_none() {
            self.buffer.drain(..self.next);
            self.scanned = self.scanned.saturating_sub(self.next);
            self.state.cut = self.state.cut.map(|cut| cut - self.next);
            self.next = 0;
        }
        self.buffer.try_reserve(bytes.len()).map_err(|_| Error::OutOfMemory)?;
        self.buffer.extend(bytes);
        Ok(())
    }

    /// Says that no more bytes come: what is left is the last unit. The next `push` begins another
    /// stream.
    pub fn finish(&mut self) {
        self.finished = true;
    }

    /// The next access unit; `None` if more bytes are needed or the stream has ended. The units of
    /// length-prefixed samples are independent: behind a damaged one the stream goes on.
    ///
    /// # Errors
    ///
    /// - [`Error::Corrupt`]: the byte stream does not begin with a start code, or the lengths in a
    ///   sample do not add up.
    /// - [`Error::TooLarge`]: an access unit over [`MAX_ACCESS_UNIT`].
    pub fn next_unit(&mut self) -> Result<Option<AccessUnit<'_>>> {
        if let Some(error) = self.error {
            return Err(error);
        }
        self.unit = self.again.take();
        if self.unit.is_some() {
            return Ok(self.current());
        }
        let end = match self.framing {
            Framing::AnnexB => self.find_end().inspect_err(|&error| self.error = Some(error))?,
            Framing::LengthPrefixed(_) => {
                (self.next < self.buffer.len()).then_some(self.buffer.len())
            }
        };
        let Some(end) = end else { return Ok(None) };
        let unit = self.next..end;
        self.next = end;
        let bytes = self.buffer.get(unit.clone()).ok_or(Error::Internal)?;
        let slice = AccessUnit::new(self.codec, self.framing, bytes)?.slice();
        self.unit = Some((unit, slice));
        Ok(self.current())
    }

    /// The unit that was returned last; `None` behind `push`, or if there was none.
    #[must_use]
    pub fn current(&self) -> Option<AccessUnit<'_>> {
        let (unit, slice) = self.unit.clone()?;
        let bytes = self.buffer.get(unit)?;
        Some(AccessUnit::again(self.codec, self.framing, bytes, slice))
    }

    /// Makes the unit that was returned last the next one again.
    pub fn put_back(&mut self) {
        self.again = self.unit.take();
    }

    /// End of the unit that begins at `next`, once it is known.
    fn find_end(&mut self) -> Result<Option<usize>> {
        while let Some((start, nal)) = self.find_nal()? {
            let head_end = (nal + HEAD).min(self.buffer.len());
            if head_end < nal + HEAD && !self.finished {
                return Ok(None);
            }
            if head_end - self.next > MAX_ACCESS_UNIT {
                return Err(Error::TooLarge);
            }
            let mut head = [0; HEAD];
            head.iter_mut().zip(&self.buffer[nal..]).for_each(|(to, from)| *to = *from);
            self.scanned = nal;
            let kind = Header::read(self.codec, head).kind;
            if let Some(end) = self.state.take(self.codec, kind, start) {
                return Ok(Some(end));
            }
        }
        let left = self.buffer.len() - self.next;
        if left > MAX_ACCESS_UNIT {
            return Err(Error::TooLarge);
        }
        if left > 0 && self.finished {
            self.state = State::default();
            return Ok(Some(self.buffer.len()));
        }
        Ok(None)
    }

    /// Start code (`zero_byte` included) and first byte of the next NAL unit.
    fn find_nal(&mut self) -> Result<Option<(usize, usize)>> {
        let code = find_start_code(&self.buffer, self.scanned);
        if !self.started {
            let zeros = code.unwrap_or(self.buffer.len());
            let leading = self.buffer.get(self.scanned..zeros).unwrap_or_default();
            let missing = self.finished && code.is_none() && !self.buffer.is_empty();
            if missing || leading.iter().any(|&byte| byte != 0) {
                return Err(Error::Corrupt);
            }
        }
        let Some(code) = code else {
            // A start code may have begun.
            self.scanned = self.buffer.len().saturating_sub(2).max(self.scanned);
            return Ok(None);
        };
        self.started = true;
        self.scanned = code;
        let zero_byte = code > self.next && self.buffer[code - 1] == 0;
        Ok(Some((code - usize::from(zero_byte), code + 3)))
    }
}
