//! The JPEG carriage on files from a stock encoder, damaged and whole.

use crate::common::rng::Xorshift;
use sidelight::carriage::jpeg::{self, JpegInfo};
use sidelight::payload::MAX_PAYLOAD;
use sidelight::Error;

macro_rules! golden {
    ($name:literal) => {
        ($name, include_bytes!(concat!("../data/jpeg/", $name)).as_slice())
    };
}

/// All files.
const GOLDEN: [(&str, &[u8]); 7] = [
    golden!("gray.jpg"),
    golden!("yuv420.jpg"),
    golden!("progressive420.jpg"),
    golden!("restart444.jpg"),
    golden!("odd422.jpg"),
    golden!("metadata.jpg"),
    golden!("arithmetic.jpg"),
];
const GRAY: &[u8] = GOLDEN[0].1;
const YUV420: &[u8] = GOLDEN[1].1;
const PROGRESSIVE: &[u8] = GOLDEN[2].1;
const RESTART: &[u8] = GOLDEN[3].1;
const ODD: &[u8] = GOLDEN[4].1;
const METADATA: &[u8] = GOLDEN[5].1;
const ARITHMETIC: &[u8] = GOLDEN[6].1;

/// The files that `info` takes.
fn readable() -> impl Iterator<Item = (&'static str, &'static [u8])> {
    GOLDEN.into_iter().filter(|&(_, file)| file != ARITHMETIC)
}

fn payload(size: usize) -> Vec<u8> {
    let mut random = Xorshift(size as u64 + 1);
    let mut bytes: Vec<u8> = (0..size).map(|_| random.next() as u8).collect();
    bytes[0] = 0x53;
    bytes
}

fn segment(code: u8, contents: &[u8]) -> Vec<u8> {
    let length = u16::try_from(contents.len() + 2).unwrap().to_be_bytes();
    [&[0xff, code], length.as_slice(), contents].concat()
}

/// A segment of ours.
fn ours(payload: &[u8]) -> Vec<u8> {
    segment(0xea, &[b"SLIGHT\0", payload].concat())
}

/// `file` with `extra` right after SOI.
fn after_soi(file: &[u8], extra: &[u8]) -> Vec<u8> {
    [&file[..2], extra, &file[2..]].concat()
}

fn find(file: &[u8], needle: &[u8]) -> usize {
    file.windows(needle.len()).position(|window| window == needle).unwrap()
}

fn binding(file: &[u8]) -> u64 {
    jpeg::info(file).unwrap().binding
}

/// The binding of a file that is cut off, again, a byte at a time.
fn slow_binding(file: &[u8]) -> u64 {
    let mut hash: u64 = 0xcbf29ce484222325;
    let mut feed = |byte: u8| hash = (hash ^ u64::from(byte)).wrapping_mul(0x100000001b3);
    let mut at = 2;
    let mut in_scan = false;
    while at < file.len() {
        if in_scan {
            let after_fill = file[at..].iter().copied().find(|&byte| byte != 0xff);
            let is_data = file[at] != 0xff || matches!(after_fill, Some(0 | 0xd0..=0xd7));
            if is_data {
                // A second byte of FF00 or FFD0 is fed here as well, on the next turn.
                feed(file[at]);
                at += 1;
            } else {
                in_scan = false;
            }
            continue;
        }
        assert_eq!(file[at], 0xff);
        at += 1;
        let Some(&code) = file.get(at) else { break };
        match code {
            0xff => continue,
            0xd9 => break,
            _ => {}
        }
        let length = usize::from(file[at + 1]) * 256 + usize::from(file[at + 2]);
        if !(0xe0..=0xef).contains(&code) && code != 0xfe {
            file[at..=at + length].iter().for_each(|&byte| feed(byte));
        }
        at += 1 + length;
        in_scan = code == 0xda;
    }
    hash
}

#[test]
fn info_of_golden_files() {
    let shape = |file| {
        let JpegInfo { width, height, progressive, components, .. } = jpeg::info(file).unwrap();
        let sampling: Vec<_> = components.iter().map(|c| (c.id, c.h, c.v, c.quant_slot)).collect();
        (width, height, progressive, sampling)
    };
    let chroma = [(2, 1, 1, 1), (3, 1, 1, 1)];
    let yuv = |h, v| [[(1, h, v, 0)].as_slice(), &chroma].concat();

    assert_eq!(shape(GRAY), (96, 96, false, vec![(1, 1, 1, 0)]));
    assert_eq!(shape(YUV420), (128, 96, false, yuv(2, 2)));
    assert_eq!(shape(PROGRESSIVE), (96, 80, true, yuv(2, 2)));
    assert_eq!(shape(RESTART), (96, 80, false, yuv(1, 1)));
    assert_eq!(shape(ODD), (101, 67, false, yuv(2, 1)));
    assert_eq!(shape(golden!("odd440.jpg").1), (101, 67, false, yuv(1, 2)));
    assert_eq!(shape(golden!("odd411.jpg").1), (101, 67, false, yuv(4, 1)));
    assert_eq!(shape(METADATA), (64, 64, false, yuv(2, 2)));
    assert_eq!(jpeg::info(ARITHMETIC), Err(Error::Unsupported));
}

#[test]
fn coded_bytes_leave_metadata_and_what_follows_out() {
    for (name, file) in readable() {
        let coded = jpeg::info(file).unwrap().coded_bytes;
        assert!(coded < file.len() && coded > file.len() / 3, "{name}: {coded} of {}", file.len());
        let comment = [0xff, 0xfe, 0, 5, 1, 2, 3];
        let longer = [&file[..2], &comment, &file[2..], &[7; 1000]].concat();
        assert_eq!(jpeg::info(&longer).unwrap().coded_bytes, coded, "{name}");
    }
    // All but JFIF's segment of 18 bytes.
    assert_eq!(jpeg::info(GRAY).unwrap().coded_bytes, GRAY.len() - 18);
}

#[test]
fn quant_tables_are_in_natural_order() {
    // At quality 50 libjpeg writes the example tables of T.81 annex K as they are.
    let info = jpeg::info(YUV420).unwrap();
    let luma = info.luma_quant().unwrap();
    assert_eq!(luma[..16], [16, 11, 10, 16, 24, 40, 51, 61, 12, 12, 14, 19, 26, 58, 60, 55]);
    assert_eq!(luma[56..], [72, 92, 95, 98, 112, 100, 103, 99]);
    let chroma = info.chroma_quant().unwrap();
    assert_eq!(chroma[..16], [17, 18, 24, 47, 99, 99, 99, 99, 18, 21, 26, 66, 99, 99, 99, 99]);
    assert_eq!(info.components[2].quant, info.components[1].quant);
    assert_eq!(jpeg::info(GRAY).unwrap().chroma_quant(), None);
}

#[test]
fn binding_is_pinned() {
    let pinned = [
        0x22d3fba1f507a18a,
        0x4fa1228e11b67140,
        0x57173e7b67c86c03,
        0xf7203367244c1848,
        0xc3fd7c8726187474,
        0x3af0bdd2ca84e729,
    ];
    assert_eq!(readable().count(), pinned.len());
    for ((name, file), expected) in readable().zip(pinned) {
        assert_eq!(binding(file), expected, "{name}");
    }
}

/// A file that is cut off within coded data is bound to its bytes.
#[test]
fn cut_files_are_bound_to_bytes() {
    for (name, file) in readable() {
        let sos = find(file, &[0xff, 0xda]);
        let eoi = sos + find(&file[sos..], &[0xff, 0xd9]);
        let cut = &file[..eoi - 20];
        assert_eq!(binding(cut), slow_binding(cut), "{name}");
        assert_ne!(binding(file), slow_binding(file), "{name}");
    }
}

/// The worked example of `docs/carriage-jpeg.md`: one block, of which DC is 5.
fn one_block() -> Vec<u8> {
    let ones = [&[0], [1; 64].as_slice()].concat();
    // A code of one bit: DC differences of three bits, and ends of blocks.
    let table = |head: u8, symbol: u8| [&[head, 1], [0; 15].as_slice(), &[symbol]].concat();
    [
        b"\xff\xd8".as_slice(),
        &segment(0xdb, &ones),
        &segment(0xc0, &[8, 0, 8, 0, 8, 1, 1, 0x11, 0]),
        &segment(0xc4, &[table(0x00, 3), table(0x10, 0)].concat()),
        &segment(0xda, &[1, 1, 0, 0, 63, 0]),
        // 0 101 0, and ones up to the byte's end.
        &[0b0101_0111, 0xff, 0xd9],
    ]
    .concat()
}

#[test]
fn worked_example() {
    let file = one_block();
    assert_eq!(binding(&file), 0x106b_1ffe_930f_ea48);
    // What fills the byte is not shown.
    let mut filled = file.clone();
    *filled.iter_mut().nth_back(2).unwrap() = 0b0101_0000;
    assert_eq!(binding(&filled), binding(&file));
    // Nor are tables that nothing uses, or one that is defined again.
    let sos = find(&file, b"\xff\xda");
    let tables = segment(0xc4, &[&[0x01, 1], [0; 15].as_slice(), &[9]].concat());
    let more =
        [&file[..sos], &tables, &segment(0xdb, &[&[3], [9; 64].as_slice()].concat()), &file[sos..]];
    assert_eq!(binding(&more.concat()), binding(&file));
    // Sampling factors of a component alone mean nothing, and neither does what is damaged behind.
    let sof = find(&file, b"\xff\xc0");
    let mut sampled = [&file[..file.len() - 2], b"\xff\x07\xff\xd8more"].concat();
    sampled[sof + 11] = 0x22;
    assert_eq!(binding(&sampled), binding(&file));
    // A table's steps decide samples.
    let mut coarser = file.clone();
    coarser[7] = 2;
    assert_ne!(binding(&coarser), binding(&more.concat()));
}

/// Tables that a file does not define are the standard's.
#[test]
fn standard_huffman_tables() {
    // Of the gray file they are others.
    for (file, is_standard) in [(GRAY, false), (YUV420, true), (RESTART, true)] {
        let mut bare = file.to_vec();
        while let Some(at) = bare.windows(2).position(|w| w == b"\xff\xc4") {
            let length = usize::from(bare[at + 2]) * 256 + usize::from(bare[at + 3]);
            bare.drain(at..at + 2 + length);
        }
        assert_eq!(binding(&bare) == binding(file), is_standard);
    }
}

/// A file of two components in a scan each, `between` them.
fn two_scans(between: &[u8]) -> Vec<u8> {
    let block = one_block();
    let (sof, dht, sos) =
        (find(&block, b"\xff\xc0"), find(&block, b"\xff\xc4"), find(&block, b"\xff\xda"));
    [
        &block[..sof],
        &segment(0xc0, &[8, 0, 8, 0, 8, 3, 1, 0x11, 0, 2, 0x11, 0, 3, 0x11, 0]),
        &block[dht..sos],
        &segment(0xda, &[1, 1, 0, 0, 63, 0]),
        &[0x57],
        between,
        &segment(0xda, &[1, 2, 0, 0, 63, 0]),
        &[0x57],
        &segment(0xda, &[1, 3, 0, 0, 63, 0]),
        &[0x57, 0xff, 0xd9],
    ]
    .concat()
}

/// A component's table is that which its first scan finds, as decoders have it.
#[test]
fn tables_between_scans() {
    let again = |steps: u8| segment(0xdb, &[&[0], [steps; 64].as_slice()].concat());
    let same = jpeg::info(&two_scans(b"")).unwrap();
    assert_eq!((same.luma_quant(), same.chroma_quant()), (Some([1; 64]), Some([1; 64])));
    assert_eq!(jpeg::info(&two_scans(&again(1))).unwrap().binding, same.binding);
    let other = jpeg::info(&two_scans(&again(7))).unwrap();
    assert_eq!((other.luma_quant(), other.chroma_quant()), (Some([1; 64]), Some([7; 64])));
    assert_eq!(other.components[2].quant, Some([7; 64]));
    assert_ne!(other.binding, same.binding);
    // Chroma first, then luma's own table: before that there is none.
    let mut swapped = two_scans(&again(7));
    let scans: Vec<usize> =
        (0..swapped.len()).filter(|at| swapped[*at..].starts_with(b"\xff\xda")).collect();
    (swapped[scans[0] + 5], swapped[scans[1] + 5]) = (2, 1);
    let late = jpeg::info(&swapped).unwrap();
    assert_eq!((late.luma_quant(), late.chroma_quant()), (Some([7; 64]), Some([1; 64])));
}

/// Offsets to what stands behind EOI.
mod offsets {
    use super::*;

    /// TIFF data whose last four bytes are `offset`, in the order of `head`.
    fn tiff(head: &[u8; 4], offset: usize) -> Vec<u8> {
        let offset = offset as u32;
        let bytes = if head[0] == b'M' { offset.to_be_bytes() } else { offset.to_le_bytes() };
        [head.as_slice(), &[0, 0, 0, 8, 0, 0, 0, 0, 0x99], &bytes].concat()
    }

    /// GRAY with `exif` and `mpf` segments in that order, where they are asked for, whose offsets lead
    /// to a picture behind EOI.
    fn with_preview(head: &[u8; 4], order: &[&str]) -> Vec<u8> {
        let make = |offsets: &[usize]| {
            let segments = order.iter().zip(offsets).flat_map(|(kind, offset)| match *kind {
                "exif" => segment(0xe1, &[b"Exif\0\0", tiff(head, *offset).as_slice()].concat()),
                "mpf" => segment(0xe2, &[b"MPF\0", tiff(head, *offset).as_slice()].concat()),
                _ => unreachable!(),
            });
            let segments: Vec<u8> = segments.collect();
            [after_soi(GRAY, &segments).as_slice(), &[0; 5], GRAY].concat()
        };
        let plain = make(&vec![0; order.len()]);
        let preview = plain.len() - GRAY.len();
        let headers = (0..plain.len()).filter(|at| plain[*at..].starts_with(head));
        let offsets: Vec<usize> = headers.map(|header| preview - header).collect();
        make(&offsets)
    }

    fn is_reached(file: &[u8], segment: &[u8], head: &[u8; 4]) -> bool {
        let header = find(file, segment) + find(&file[find(file, segment)..], head);
        let bytes = file[header + 13..header + 17].try_into().unwrap();
        let offset =
            if head[0] == b'M' { u32::from_be_bytes(bytes) } else { u32::from_le_bytes(bytes) };
        file[header + offset as usize..] == *GRAY
    }

    #[test]
    fn hold_or_are_a_conflict() {
        for head in [b"MM\0*", b"II*\0"] {
            // EXIF wants to be first and not to move: nobody can have both.
            for order in [["exif"].as_slice(), &["exif", "mpf"], &["mpf", "exif"]] {
                let file = with_preview(head, order);
                assert!(is_reached(&file, b"Exif", head));
                assert_eq!(jpeg::insert(&file, b"payload"), Err(Error::Conflict), "{order:?}");
                let forced = jpeg::insert_anyway(&file, b"payload").unwrap();
                assert_eq!(jpeg::extract(&forced).unwrap(), b"payload");
                // Taking it out mends the file.
                assert_eq!(jpeg::remove(&forced).unwrap(), file);
                assert_eq!(jpeg::remove(&file).unwrap(), file);
            }
            let file = with_preview(head, &["mpf"]);
            let carrying = jpeg::insert(&file, b"payload").unwrap();
            assert!(is_reached(&carrying, b"MPF", head));
            // Of a payload behind the MPF segment, to which the offsets were fitted later.
            let at = find(&file, b"MPF\0") + 4 + 17;
            let mut behind = [&file[..at], &ours(b"old"), &file[at..]].concat();
            let header = find(&behind, head);
            let preview = behind.len() - GRAY.len() - header;
            let bytes = preview as u32;
            let bytes = if head[0] == b'M' { bytes.to_be_bytes() } else { bytes.to_le_bytes() };
            behind[header + 13..header + 17].copy_from_slice(&bytes);
            assert!(is_reached(&behind, b"MPF", head));
            assert_eq!(jpeg::remove(&behind), Err(Error::Conflict));
            assert_eq!(jpeg::remove_anyway(&behind).unwrap().len(), file.len());
            assert_eq!(jpeg::insert(&behind, b"payload"), Err(Error::Conflict));
        }
    }

    /// Where nothing behind EOI is pointed to, EXIF stays first.
    #[test]
    fn of_nothing_do_not_matter() {
        let mut file = with_preview(b"MM\0*", &["mpf", "exif"]);
        file.truncate(file.len() - GRAY.len());
        let carrying = jpeg::insert(&file, b"payload").unwrap();
        assert!(find(&carrying, b"Exif") < find(&carrying, b"SLIGHT"));
        let mut elsewhere = with_preview(b"MM\0*", &["exif"]);
        let at = find(&elsewhere, b"MM\0*") + 16;
        elsewhere[at] ^= 1;
        assert!(jpeg::insert(&elsewhere, b"payload").is_ok());
    }

    /// An MPF segment right before the first scan: the payload goes in front all the same.
    #[test]
    fn behind_the_tables() {
        let (_, file) = golden!("gainmap.jpg");
        // The second image's offset is the last entry's third word.
        let second = |file: &[u8]| {
            let header = find(file, b"MPF\0") + 4;
            let offset = file[header + 74..header + 78].try_into().unwrap();
            file[header + u32::from_be_bytes(offset) as usize..].to_vec()
        };
        assert!(find(file, b"MPF\0") > find(file, b"\xff\xc4"));
        assert_eq!(second(file), GRAY);
        let carrying = jpeg::insert(file, b"payload").unwrap();
        assert!(find(&carrying, b"SLIGHT") < find(&carrying, b"\xff\xdb"));
        assert_eq!(second(&carrying), GRAY);
        assert_eq!(binding(&carrying), binding(YUV420));
        assert_eq!(jpeg::remove(&carrying).unwrap(), file);
    }

    /// An AFCP trailer counts from the file's beginning.
    #[test]
    fn of_afcp() {
        let start = GRAY.len() as u32;
        let trailer = [b"AXS!\0\x01\0\0some data AXS!".as_slice(), &start.to_be_bytes(), &[0; 4]];
        let file = [GRAY, &trailer.concat()].concat();
        assert_eq!(jpeg::insert(&file, b"payload"), Err(Error::Conflict));
        let forced = jpeg::insert_anyway(&file, b"payload").unwrap();
        assert_eq!(jpeg::remove(&forced).unwrap(), file);
    }
}

/// Content Credentials are over all bytes; other JUMBF boxes, and other APP10 segments, are nothing
/// to mind.
#[test]
fn signed_files() {
    let jumbf = |kind: &[u8]| {
        segment(0xeb, &[b"JP\0\x01\0\0\0\x01\0\0\0\x30jumb\0\0\0\x1ejumd", kind, &[0; 12]].concat())
    };
    let signed = after_soi(GRAY, &jumbf(b"c2pa"));
    assert_eq!(jpeg::insert(&signed, b"payload"), Err(Error::Conflict));
    assert_eq!(jpeg::remove(&signed).unwrap(), signed);
    let forced = jpeg::insert_anyway(&signed, b"payload").unwrap();
    assert_eq!(jpeg::insert(&forced, b"payload").unwrap(), forced);
    assert_eq!(jpeg::remove(&forced), Err(Error::Conflict));
    assert_eq!(jpeg::remove_anyway(&forced).unwrap(), signed);
    let xmp = |what: &str| {
        segment(
            0xe1,
            format!("http://ns.adobe.com/xap/1.0/\0<x {what}='https://a.example/b'/>").as_bytes(),
        )
    };
    let remote = after_soi(GRAY, &xmp("dcterms:provenance"));
    assert_eq!(jpeg::insert(&remote, b"payload"), Err(Error::Conflict));
    assert!(jpeg::insert(&after_soi(GRAY, &xmp("dcterms:creator")), b"payload").is_ok());
    let other = after_soi(GRAY, &[jumbf(b"jxlc"), segment(0xea, b"AROT\0\0c2pa")].concat());
    let carrying = jpeg::insert(&other, b"payload").unwrap();
    assert_eq!(jpeg::remove(&carrying).unwrap(), other);
}

#[test]
fn round_trips() {
    for (name, file) in GOLDEN {
        assert_eq!(jpeg::extract(file), Err(Error::NoPayload), "{name}");
        assert_eq!(jpeg::remove(file).unwrap(), file, "{name}");
        for size in [1, 8, 300, 65525, MAX_PAYLOAD] {
            let sent = payload(size);
            let carrying = jpeg::insert(file, &sent).unwrap();
            assert!(jpeg::extract(&carrying).unwrap() == sent, "{name} {size}");
            assert!(jpeg::remove(&carrying).unwrap() == file, "{name} {size}");
            assert_eq!(carrying.len(), file.len() + size + 11, "{name} {size}");
            if file != ARITHMETIC {
                assert_eq!(jpeg::info(&carrying), jpeg::info(file), "{name} {size}");
            }
        }
    }
}

#[test]
fn largest_payload() {
    assert_eq!(MAX_PAYLOAD, 65526);
    let mut sent = vec![0x53; MAX_PAYLOAD];
    let carrying = jpeg::insert(GRAY, &sent).unwrap();
    assert!(jpeg::extract(&carrying).unwrap() == sent);
    assert!(jpeg::remove(&carrying).unwrap() == GRAY);
    sent.push(0);
    assert_eq!(jpeg::insert(GRAY, &sent), Err(Error::TooLarge));
}

#[test]
fn insert_replaces() {
    for (name, file) in GOLDEN {
        let first = jpeg::insert(file, &payload(60_000)).unwrap();
        let second = jpeg::insert(&first, &payload(20)).unwrap();
        assert_eq!(second, jpeg::insert(file, &payload(20)).unwrap(), "{name}");
    }
    // Damaged leftovers go as well, wherever they stand.
    let sos = find(GRAY, &[0xff, 0xda]);
    let leftover = [ours(b"x"), ours(b"")].concat();
    let damaged = [&GRAY[..sos], &leftover, &GRAY[sos..]].concat();
    assert_eq!(jpeg::extract(&damaged), Err(Error::Corrupt));
    assert_eq!(jpeg::remove(&damaged).unwrap(), GRAY);
    assert_eq!(jpeg::insert(&damaged, b"new"), jpeg::insert(GRAY, b"new"));
}

#[test]
fn insert_refuses() {
    assert_eq!(jpeg::insert(GRAY, b""), Err(Error::InvalidArgument));
    assert_eq!(jpeg::insert(GRAY, &vec![1; MAX_PAYLOAD + 1]), Err(Error::TooLarge));
    assert_eq!(jpeg::insert(GRAY, &vec![1; 200_000]), Err(Error::TooLarge));
    for not_jpeg in [b"".as_slice(), b"\xff", b"\xff\xd9", b"\x89PNG\r\n", b"\xff\xd8\xff\xd9"] {
        assert_eq!(jpeg::insert(not_jpeg, b"p"), Err(Error::Corrupt));
        assert_eq!(jpeg::extract(not_jpeg), Err(Error::Corrupt));
        assert_eq!(jpeg::remove(not_jpeg), Err(Error::Corrupt));
        assert_eq!(jpeg::info(not_jpeg), Err(Error::Corrupt));
    }
}

#[test]
fn payload_goes_after_leading_metadata() {
    let ours = ours(b"payload");
    let carrying = jpeg::insert(METADATA, b"payload").unwrap();
    let at = find(METADATA, b"follow\xff\xff\xff\xff\xdb") + "follow".len();
    assert_eq!(carrying, [&METADATA[..at], &ours, &METADATA[at..]].concat());

    let bare = [&GRAY[..2], &GRAY[20..]].concat();
    assert_eq!(jpeg::insert(&bare, b"payload").unwrap(), after_soi(&bare, &ours));
}

/// Multi-picture files count from their MPF segment on: nothing may come between it and what
/// follows.
#[test]
fn payload_goes_before_multi_picture_offsets() {
    for (_, file) in readable() {
        let exif = segment(0xe1, b"Exif\0\0");
        let mpf = segment(0xe2, b"MPF\0II*\0");
        let plain = after_soi(file, &[exif.clone(), mpf.clone()].concat());
        let carried = jpeg::insert(&plain, &payload(40)).unwrap();
        let (before, after) = (find(&plain, b"MPF\0"), find(&carried, b"MPF\0"));
        assert_eq!(plain[before..], carried[after..]);
        assert!(find(&carried, b"Exif") < find(&carried, jpeg::IDENTIFIER));
        assert_eq!(jpeg::extract(&carried).unwrap(), payload(40));
        assert_eq!(jpeg::remove(&carried).unwrap(), plain);
    }
}

#[test]
fn payload_is_read_anywhere_before_the_scan() {
    let ours = ours(b"payload");
    for marker in [0xdb, 0xc4, 0xda] {
        let at = find(GRAY, &[0xff, marker]);
        let carrying = [&GRAY[..at], &[0xff, 0xff], &ours, &GRAY[at..]].concat();
        assert_eq!(jpeg::extract(&carrying).unwrap(), b"payload");
        assert_eq!(
            jpeg::remove(&carrying).unwrap(),
            [&GRAY[..at], &[0xff, 0xff], &GRAY[at..]].concat()
        );
        assert_eq!(binding(&carrying), binding(GRAY));
    }
    // Not after it: such a segment is nobody's business.
    let at = GRAY.len() - 2;
    let late = [&GRAY[..at], &ours, &GRAY[at..]].concat();
    assert_eq!(jpeg::extract(&late), Err(Error::NoPayload));
    assert_eq!(jpeg::remove(&late).unwrap(), late);
}

#[test]
fn any_first_byte_is_a_payload_s() {
    for first in [0, 0x20, 0xf0, 0xff] {
        let sent = [first, 1, 2];
        let carrying = jpeg::insert(GRAY, &sent).unwrap();
        assert_eq!(jpeg::extract(&carrying).unwrap(), sent);
        assert_eq!(jpeg::remove(&carrying).unwrap(), GRAY);
    }
}

/// A payload is one segment: what several say between them is nothing.
#[test]
fn segments_that_are_no_payload() {
    let full = payload(MAX_PAYLOAD);
    let (one, empty) = (ours(b"payload"), ours(b""));
    let cases = [
        ("two", [&one[..], &one].concat()),
        ("two, and others between", [&one[..], &segment(0xea, b"SLIGHTS\0"), &one].concat()),
        ("three", [&one[..], &ours(b"x"), &one].concat()),
        ("two full ones", [ours(&full), ours(&full)].concat()),
        ("a full one and the rest", [&ours(&full)[..], &one].concat()),
        ("nothing after the identifier", empty.clone()),
        ("nothing, then a payload", [&empty[..], &one].concat()),
        ("a payload, then nothing", [&one[..], &empty].concat()),
        ("nothing twice", [&empty[..], &empty].concat()),
    ];
    for (name, segments) in cases {
        let file = after_soi(GRAY, &segments);
        assert_eq!(jpeg::extract(&file).err(), Some(Error::Corrupt), "{name}");
        let removed = jpeg::remove(&file).unwrap();
        assert_eq!(jpeg::extract(&removed).err(), Some(Error::NoPayload), "{name}");
        assert_eq!(jpeg::info(&file), jpeg::info(GRAY), "{name}");
        assert_eq!(jpeg::insert(&file, b"new").unwrap(), jpeg::insert(&removed, b"new").unwrap());
    }
    // One at either end of the headers, with much between.
    let sos = find(GRAY, &[0xff, 0xda]);
    let apart = [&GRAY[..2], &one, &GRAY[2..sos], &one, &GRAY[sos..]].concat();
    assert_eq!(jpeg::extract(&apart), Err(Error::Corrupt));
    assert_eq!(jpeg::remove(&apart).unwrap(), GRAY);
}

#[test]
fn metadata_edits_keep_the_binding() {
    for (name, file) in readable() {
        let bound = binding(file);
        for code in (0xe0..=0xef).chain([0xfe]) {
            let edited = after_soi(file, &segment(code, b"edited \xff\xd9\xff\xda"));
            assert_eq!(binding(&edited), bound, "{name} {code:x}");
        }
        let filled = after_soi(file, &[0xff; 9]);
        assert_eq!(binding(&filled), bound, "{name}");
    }
    let exif = find(METADATA, b"MM\0*");
    let mut edited = METADATA.to_vec();
    edited[exif + 4] ^= 1;
    assert_eq!(binding(&edited), binding(METADATA));

    let eoi = find(METADATA, b"\xff\xd9");
    for end in [eoi, eoi + 1, eoi + 2] {
        assert_eq!(binding(&METADATA[..end]), binding(METADATA));
    }
}

#[test]
fn coded_edits_break_the_binding() {
    // Edits that nobody sees: of bits that fill a byte before a marker, and of table numbers that a scan
    // header has for tables that its scan does not use.
    let unseen = [1, 1, 12, 8, 1, 1];
    for ((name, file), unseen) in readable().zip(unseen) {
        let bound = binding(file);
        let sos = find(file, &[0xff, 0xda]);
        let eoi = sos + find(&file[sos..], &[0xff, 0xd9]);
        let dqt = find(file, &[0xff, 0xdb]);
        let sof = find(file, &[0xff, if file == PROGRESSIVE { 0xc2 } else { 0xc0 }]);
        let places = [("quant", dqt + 5), ("height", sof + 6), ("width", sof + 8)];
        let scan = (sos + 14..eoi).map(|at| ("scan", at));
        let mut kept = 0;
        for (what, at) in places.into_iter().chain(scan) {
            let mut edited = file.to_vec();
            edited[at] ^= 1;
            let now = jpeg::info(&edited).map(|info| info.binding);
            assert!(what == "scan" || now != Ok(bound), "{name} {what} {at}");
            kept += usize::from(now == Ok(bound));
        }
        assert_eq!(kept, unseen, "{name}");
    }
}

/// Runs everything on a damaged file, and checks what holds of any file that parses.
fn exercise(file: &[u8]) {
    let info = jpeg::info(file);
    let _ = jpeg::extract(file);
    let removed = jpeg::remove(file);
    let inserted = jpeg::insert(file, b"payload");
    assert_eq!(removed.is_ok(), inserted.is_ok());
    let (Ok(removed), Ok(inserted)) = (removed, inserted) else {
        assert!(info.is_err());
        return;
    };
    assert_eq!(jpeg::extract(&removed), Err(Error::NoPayload));
    assert_eq!(jpeg::extract(&inserted).unwrap(), b"payload");
    assert_eq!(jpeg::remove(&inserted).unwrap(), removed);
    assert_eq!(jpeg::info(&removed), info);
    assert_eq!(jpeg::info(&inserted), info);
}

#[test]
fn every_truncation() {
    for (_, file) in GOLDEN {
        let carrying = jpeg::insert(file, &payload(40)).unwrap();
        let sos = find(&carrying, &[0xff, 0xda]);
        for size in 0..carrying.len() {
            exercise(&carrying[..size]);
            // Past its code, the first SOS matters to nobody but `info`.
            let extracted = jpeg::extract(&carrying[..size]);
            assert_eq!(extracted.is_ok(), size >= sos + 2);
        }
    }
}

#[test]
fn every_byte_flip() {
    for (_, file) in GOLDEN {
        let mut carrying = jpeg::insert(file, &payload(40)).unwrap();
        for at in 0..carrying.len() {
            for mask in [1, 2, 4, 8, 16, 32, 64, 128, 255] {
                carrying[at] ^= mask;
                exercise(&carrying);
                carrying[at] ^= mask;
            }
        }
    }
}

#[test]
fn random_mutations() {
    let mut random = Xorshift(0x5eed_0010);
    let carrying = GOLDEN.map(|(_, file)| jpeg::insert(file, &payload(60)).unwrap());
    let markers = [0x00, 0xc0, 0xc2, 0xc4, 0xd0, 0xd8, 0xd9, 0xda, 0xdb, 0xea, 0xfe, 0xff];
    for _ in 0..20_000 {
        let mut file = carrying[random.below(carrying.len())].clone();
        for _ in 0..1 + random.below(4) {
            // Half of the damage goes where the headers are.
            let reach = if random.below(2) == 0 { file.len() } else { file.len().min(400) };
            let at = random.below(reach);
            match random.below(5) {
                0 => file[at] = random.next() as u8,
                1 => {
                    let marker = [0xff, markers[random.below(markers.len())]];
                    file.splice(at..at, marker);
                }
                2 => file.truncate(at.max(1)),
                3 => {
                    let end = file.len().min(at + 1 + random.below(40));
                    file.drain(at..end);
                    file.push(0);
                }
                _ => {
                    let end = file.len().min(at + 1 + random.below(120));
                    let copy = file[at..end].to_vec();
                    let to = random.below(file.len());
                    file.splice(to..to, copy);
                }
            }
        }
        exercise(&file);
    }
}
