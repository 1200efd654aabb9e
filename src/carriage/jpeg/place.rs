//! Where a payload goes in a file, and what a change of the file's length breaks.

use super::segments::{marker, Segment, Segments};
use crate::error::Result;

/// Offset at which a payload goes in a file that has none: behind the APPn and COM segments that
/// follow SOI, as EXIF readers want theirs first; before the first multi-picture segment (MPF)
/// among them, which holds the offsets, from itself, of the pictures behind EOI, unless EXIF stands
/// behind that.
pub(super) fn of_payload(jpeg: &[u8]) -> Result<usize> {
    let mut segments = Segments::new(jpeg)?;
    let mut end = segments.pos;
    let mut before_mpf = None;
    let mut has_exif = false;
    while let Some(segment) = segments.next_header()? {
        let follows = jpeg[end..segment.start].iter().all(|&byte| byte == 0xff);
        if !segment.is_metadata() || !segment.is_sound() || !follows {
            break;
        }
        if is_mpf(&segment) {
            before_mpf = before_mpf.or(Some(end));
        } else if is_exif(&segment) && !has_exif {
            (before_mpf, has_exif) = (None, true);
        }
        end = segment.end();
    }
    Ok(before_mpf.unwrap_or(end))
}

/// Whether something in `before`, a whole file, holds no longer in `after`, the same with other
/// bytes between its segments: a signature over all bytes, or offsets of what stands behind EOI.
pub(super) fn breaks(before: &[u8], after: &[u8]) -> Result<bool> {
    Ok(before != after && (is_signed(before)? || links(after)? < links(before)?))
}

fn is_mpf(segment: &Segment<'_>) -> bool {
    segment.code == marker::APP2 && segment.contents().starts_with(b"MPF\0")
}

fn is_exif(segment: &Segment<'_>) -> bool {
    segment.code == marker::APP1 && segment.contents().starts_with(b"Exif\0")
}

/// Whether there is a manifest of Content Credentials, which hashes the file's bytes: a JUMBF box of
/// type `c2pa` in APP11 segments, or XMP that says where it is (C2PA specification, A.3.1 and 11.3).
fn is_signed(jpeg: &[u8]) -> Result<bool> {
    let mut segments = Segments::new(jpeg)?;
    while let Some(segment) = segments.next_header()? {
        let contents = segment.contents();
        let has = |bytes: &[u8], word: &[u8]| bytes.windows(word.len()).any(|w| w == word);
        let is_manifest = match segment.code {
            marker::APP1 => {
                contents.starts_with(b"http://ns.adobe.com/xap/1.0/\0")
                    && has(contents, b"dcterms:provenance")
            }
            marker::APP11 => {
                let start = &contents[..contents.len().min(64)];
                start.starts_with(b"JP") && has(start, b"jumb") && has(start, b"c2pa")
            }
            _ => false,
        };
        if is_manifest {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Number of offsets that lead to a picture behind EOI or to the first byte there: from TIFF
/// headers in EXIF and MPF segments, maker notes included, whatever their tags; and that of an AFCP
/// trailer, from the file's beginning.
fn links(jpeg: &[u8]) -> Result<usize> {
    let mut segments = Segments::new(jpeg)?;
    // What is damaged behind the first SOS has no end to be behind of.
    while let Ok(Some(segment)) = segments.next() {
        if segment.is_scan() {
            segments.coded_data();
        }
    }
    let trailer = segments.pos;
    if !segments.ended || jpeg[trailer..].iter().all(|&byte| byte == 0) {
        return Ok(0);
    }
    let mut count = usize::from(has_afcp(jpeg, trailer));
    let mut segments = Segments::new(jpeg)?;
    while let Some(segment) = segments.next_header()? {
        if is_exif(&segment) || is_mpf(&segment) {
            count += links_from(jpeg, &segment, trailer);
        }
    }
    Ok(count)
}

fn has_afcp(jpeg: &[u8], trailer: usize) -> bool {
    let Some(&[b'A', b'X', b'S', order, a, b, c, d, ..]) = jpeg[trailer..].last_chunk::<12>()
    else {
        return false;
    };
    let bytes = [a, b, c, d];
    let offset = if order == b'!' { u32::from_be_bytes(bytes) } else { u32::from_le_bytes(bytes) };
    let offset = offset as usize;
    offset >= trailer && jpeg.get(offset..).is_some_and(|rest| rest.starts_with(b"AXS"))
}

/// TIFF headers that are looked at in a segment; maker notes may bring their own.
const MAX_HEADERS: usize = 8;

fn links_from(jpeg: &[u8], segment: &Segment<'_>, trailer: usize) -> usize {
    let contents = segment.contents();
    let is_header = |&at: &usize| matches!(&contents[at..at + 4], b"II*\0" | b"MM\0*");
    let headers = (0..contents.len().saturating_sub(3)).filter(is_header).take(MAX_HEADERS);
    let leads = |header: usize, value: [u8; 4]| {
        let base = segment.start + 4 + header;
        let to = |offset: u32| {
            let at = base + offset as usize;
            let is_picture = || jpeg[at..].starts_with(&[0xff, marker::SOI, 0xff]);
            at == trailer || at > trailer && at < jpeg.len() && is_picture()
        };
        to(u32::from_le_bytes(value)) || to(u32::from_be_bytes(value))
    };
    headers
        .map(|header| {
            let values = contents[header..].windows(4).filter_map(|v| v.first_chunk::<4>());
            values.filter(|value| leads(header, **value)).count()
        })
        .sum()
}
