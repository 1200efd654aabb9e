//! Streams of NAL units.

use super::boundary::{
    close, guard, open, output, reference, reference_mut, require, slice, text, Refusal, Result,
};
use super::convert;
use super::jpeg::new_payload;
use super::types::SidelightBuffer;
use crate::carriage::nal::{AccessUnit, Framing, NalCodec, Stream, UUID};
use crate::decoder::MAX_TRIED;
use crate::util::alloc;
use crate::util::hash::Fnv1a;
use crate::Error;
use std::ffi::c_int;

/// Codec of a stream of NAL units.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SidelightNalCodec {
    /// H.264 (AVC).
    H264 = 1,
    /// H.265 (HEVC).
    Hevc = 2,
    /// H.266 (VVC).
    Vvc = 3,
}

/// What a stream is. The codec has no default.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct SidelightStreamSettings {
    /// A SidelightNalCodec.
    pub codec: u32,
    /// 0 for a byte stream with start codes (Annex B); 1, 2 or 4 for samples whose NAL units stand each behind a
    /// big-endian length of so many bytes (mp4, Matroska).
    pub length_bytes: u32,
    /// Zero.
    pub reserved: [u64; 7],
}

/// A coded picture with all NAL units that belong to it. Pointers are valid until the next call of
/// sidelight_stream_push(), sidelight_stream_next() or sidelight_stream_close().
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct SidelightAccessUnit {
    /// The unit's bytes as they stand in the stream.
    pub data: *const u8,
    /// Number of bytes.
    pub size: usize,
    /// The payload in it; NULL if there is none. If there are several, the last one that did not come with the stream's
    /// first payload, in its unit: file formats put copies of that into later ones. If all of them did, the last.
    pub payload: *const u8,
    /// Bytes of the payload.
    pub payload_size: usize,
    /// How many payloads there are.
    pub payloads: u32,
    /// 1 if there is a slice of layer 0; else 0: such a unit takes no payload. Only the end of a stream and samples can
    /// be so.
    pub has_picture: u32,
    /// 1 if decoding can start here: an IRAP picture; H.264: an IDR picture.
    pub irap: u32,
    /// Zero.
    pub reserved: [u8; 4],
    /// All payloads, in order, each behind its UUID, as sidelight_decoder_set_sei() takes them: it finds the one that
    /// is for the picture. There are `payloads` of them; NULL if none.
    pub messages: *const *const u8,
    /// Bytes of each message.
    pub message_sizes: *const usize,
}

/// A stream of NAL units that is cut into access units.
pub struct SidelightStream {
    inner: Stream,
    /// The payloads of the current unit.
    current: Payloads,
    /// Hashes of the first payloads that came, those of one unit.
    first: [Option<u64>; MAX_TRIED],
}

/// The payloads of an access unit.
#[derive(Default)]
struct Payloads {
    /// Each behind its UUID, one behind the other.
    bytes: Vec<u8>,
    sizes: Vec<usize>,
    messages: Vec<*const u8>,
}

impl Payloads {
    fn read(unit: &AccessUnit<'_>) -> crate::Result<Self> {
        let mut all = Self::default();
        unit.each_payload(|payload| {
            let size = UUID.len() + payload.len();
            alloc::try_extend(&mut all.bytes, &UUID)?;
            alloc::try_extend(&mut all.bytes, payload)?;
            alloc::try_push(&mut all.sizes, size)
        })?;
        let mut rest = &all.bytes[..];
        let message = |size: &usize| rest.split_off(..*size).unwrap_or_default().as_ptr();
        all.messages = alloc::try_collect(all.sizes.len(), all.sizes.iter().map(message))?;
        Ok(all)
    }

    /// The payloads, the last one first.
    fn backwards(&self) -> impl Iterator<Item = &[u8]> {
        let mut rest = &self.bytes[..];
        self.sizes.iter().rev().map(move |size| {
            let (front, message) = rest.split_at(rest.len() - size);
            rest = front;
            &message[UUID.len()..]
        })
    }
}

impl SidelightStream {
    fn new(settings: &SidelightStreamSettings) -> Result<Self> {
        convert::zero(&settings.reserved, "settings->reserved")?;
        let codec = match settings.codec {
            c if c == SidelightNalCodec::H264 as u32 => NalCodec::H264,
            c if c == SidelightNalCodec::Hevc as u32 => NalCodec::Hevc,
            c if c == SidelightNalCodec::Vvc as u32 => NalCodec::Vvc,
            n => {
                let what = text!("settings->codec is {n}, no SidelightNalCodec");
                return Err(Refusal::argument(what));
            }
        };
        let framing = match settings.length_bytes {
            0 => Framing::AnnexB,
            n @ (1 | 2 | 4) => Framing::LengthPrefixed(n as u8),
            n => {
                let what = text!("settings->length_bytes is {n}, not 0, 1, 2 or 4");
                return Err(Refusal::argument(what));
            }
        };
        Ok(Self {
            inner: Stream::new(codec, framing)?,
            current: Payloads::default(),
            first: [None; MAX_TRIED],
        })
    }

    fn next(&mut self) -> Result<Option<SidelightAccessUnit>> {
        self.current = Payloads::default();
        let Some(unit) = self.inner.next_unit()? else { return Ok(None) };
        match Payloads::read(&unit) {
            Ok(payloads) => self.current = payloads,
            Err(error) => {
                self.inner.put_back();
                return Err(error.into());
            }
        }
        let hash = |payload: &[u8]| Fnv1a::of(payload.iter().copied());
        let is_copy = |payload: &&[u8]| self.first.contains(&Some(hash(payload)));
        let mut payloads = self.current.backwards();
        let own = payloads.find(|p| !is_copy(p)).or_else(|| self.current.backwards().next());
        if self.first == [None; MAX_TRIED] {
            let first = self.first.iter_mut().zip(self.current.backwards());
            first.for_each(|(first, payload)| *first = Some(hash(payload)));
        }
        Ok(Some(SidelightAccessUnit {
            data: unit.bytes().as_ptr(),
            size: unit.bytes().len(),
            payload: own.map_or(std::ptr::null(), <[u8]>::as_ptr),
            payload_size: own.map_or(0, <[u8]>::len),
            // Fewer than the bytes of a unit.
            payloads: self.current.sizes.len() as u32,
            has_picture: unit.has_picture().into(),
            irap: unit.is_irap().into(),
            reserved: [0; 4],
            messages: own.map_or(std::ptr::null(), |_| self.current.messages.as_ptr()),
            message_sizes: own.map_or(std::ptr::null(), |_| self.current.sizes.as_ptr()),
        }))
    }
}

/// Opens a stream, to be closed with sidelight_stream_close(). The settings are copied. Returns 0.
#[no_mangle]
pub unsafe extern "C" fn sidelight_stream_open(
    settings: *const SidelightStreamSettings,
    out: *mut *mut SidelightStream,
) -> c_int {
    guard("sidelight_stream_open", || {
        let out = output(out, "out")?;
        // SAFETY: the caller's promise.
        let settings = unsafe { reference(settings, "settings") }?;
        // SAFETY: not NULL, and the caller promises that it is writable.
        unsafe { open(out, SidelightStream::new(settings)?) }?;
        Ok(0)
    })
}

/// Appends bytes to a stream. Then call sidelight_stream_next() until it returns 0: so memory stays within a few times
/// the largest access unit (64 MiB at most) and push.
///
/// @param data copied; any bytes are safe, but they must not lie in a unit of this stream. Of a byte stream any number
/// of them, otherwise one whole sample.
/// @param size 0 says that the stream ends: what is left is its last unit. Once that is taken, the next push begins
/// another stream (after a seek, say).
/// @return 0; SIDELIGHT_ERROR_INVALID_ARGUMENT also if the sample before, or the end of the stream before, was not
/// taken; of a byte stream, the error that sidelight_stream_next() gave before.
#[no_mangle]
pub unsafe extern "C" fn sidelight_stream_push(
    stream: *mut SidelightStream,
    data: *const u8,
    size: usize,
) -> c_int {
    guard("sidelight_stream_push", || {
        // SAFETY: NULL, or a handle of `open` that no other thread uses.
        let stream = unsafe { reference_mut(stream, "stream") }?;
        // SAFETY: the caller's promise.
        let data = unsafe { slice(data, size, ["data", "size"]) }?;
        if data.is_empty() {
            stream.inner.finish();
        } else {
            stream.inner.push(data).map_err(|error| match error {
                Error::InvalidArgument => Refusal::argument(
                    "the sample or the end of the stream before this one was not taken with \
                     sidelight_stream_next()",
                ),
                error => error.into(),
            })?;
        }
        Ok(0)
    })
}

/// Gives the next access unit. The bytes of all units, one after another, are those of the stream. The end of a unit in
/// a byte stream is known when the next one begins, or at the stream's end.
///
/// @param unit written if the result is 1.
/// @return 1; 0 if more bytes are needed or the stream has ended; SIDELIGHT_ERROR_CORRUPT if a byte stream does not
/// begin with a start code, or the lengths in a sample do not add up (the sample is dropped, and the next may be
/// pushed); SIDELIGHT_ERROR_TOO_LARGE for a unit over 64 MiB. After SIDELIGHT_ERROR_OUT_OF_MEMORY the same unit comes
/// with the next call; after SIDELIGHT_ERROR_CORRUPT or SIDELIGHT_ERROR_TOO_LARGE a byte stream is over: close it.
#[no_mangle]
pub unsafe extern "C" fn sidelight_stream_next(
    stream: *mut SidelightStream,
    unit: *mut SidelightAccessUnit,
) -> c_int {
    guard("sidelight_stream_next", || {
        let out = output(unit, "unit")?;
        // SAFETY: NULL, or a handle of `open` that no other thread uses.
        let stream = unsafe { reference_mut(stream, "stream") }?;
        let Some(unit) = stream.next()? else { return Ok(0) };
        // SAFETY: not NULL, and the caller promises that it is writable.
        unsafe { out.write(unit) };
        Ok(1)
    })
}

/// Copies the access unit that the last call of sidelight_stream_next() gave, with another payload or none: an SEI
/// message in front of the first slice. All other bytes stay as they are, so decoders see the same picture. There is no
/// such unit after a call that did not return 1, or after sidelight_stream_push().
///
/// @param payload takes the place of all payloads in the unit; NULL to remove them.
/// @param size    bytes of the payload, 1 to SIDELIGHT_MAX_PAYLOAD; 0 if NULL.
/// @param out     to be freed with sidelight_buffer_unref().
/// @return 0; SIDELIGHT_ERROR_INVALID_ARGUMENT also if there is no such unit, or if it has no picture to carry a
/// payload for; SIDELIGHT_ERROR_TOO_LARGE above SIDELIGHT_MAX_PAYLOAD, or over what `length_bytes` can tell.
#[no_mangle]
pub unsafe extern "C" fn sidelight_stream_rewrite(
    stream: *const SidelightStream,
    payload: *const u8,
    size: usize,
    out: *mut SidelightBuffer,
) -> c_int {
    guard("sidelight_stream_rewrite", || {
        let out = output(out, "out")?;
        // SAFETY: NULL, or a handle of `open`.
        let stream = unsafe { reference(stream, "stream") }?;
        // SAFETY: the caller's promise.
        let payload = unsafe { new_payload(payload, size, "size") }?;
        let unit = stream.inner.current().ok_or_else(|| {
            Refusal::argument("stream has no unit: sidelight_stream_next() did not return 1 last")
        })?;
        require(payload.is_none() || unit.has_picture(), || {
            "the unit of stream has no picture to carry a payload for"
        })?;
        let result = SidelightBuffer::new(unit.rewrite(payload)?)?;
        // SAFETY: not NULL, and the caller promises that it is writable.
        unsafe { out.write(result) };
        Ok(0)
    })
}

/// Closes a stream and sets `*stream` to NULL.
#[no_mangle]
pub unsafe extern "C" fn sidelight_stream_close(stream: *mut *mut SidelightStream) {
    guard("sidelight_stream_close", || {
        // SAFETY: NULL, or the caller's pointer to a handle of `sidelight_stream_open` or to NULL.
        unsafe { close(stream) };
        Ok(0)
    });
}
