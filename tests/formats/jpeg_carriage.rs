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

/// The binding again, a byte at a time, for files without damage.
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
        let sampling: Vec<_> = components.iter().map(|c| (c.id, c.h, c.v, c.quant_table)).collect();
        (width, height, progressive, sampling)
    };
    let chroma = [(2, 1, 1, 1), (3, 1, 1, 1)];
    let yuv = |h, v| [[(1, h, v, 0)].as_slice(), &chroma].concat();

    assert_eq!(shape(GRAY), (96, 96, false, vec![(1, 1, 1, 0)]));
    assert_eq!(shape(YUV420), (128, 96, false, yuv(2, 2)));
    assert_eq!(shape(PROGRESSIVE), (96, 80, true, yuv(2, 2)));
    assert_eq!(shape(RESTART), (96, 80, false, yuv(1, 1)));
    assert_eq!(shape(ODD), (101, 67, false, yuv(2, 1)));
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
    assert_eq!(info.quant_tables[2..], [None, None]);
    assert_eq!(jpeg::info(GRAY).unwrap().chroma_quant(), None);
}

#[test]
fn binding_is_pinned() {
    let pinned = [
        0x1297b934585e7fa6,
        0x78ecf5a24e6316ad,
        0xcd5846aaac95f7e2,
        0x1c01c86341738f84,
        0xf908504fb85a043e,
        0xdb7786f444f19480,
    ];
    assert_eq!(readable().count(), pinned.len());
    for ((name, file), expected) in readable().zip(pinned) {
        assert_eq!(binding(file), expected, "{name}");
        assert_eq!(slow_binding(file), expected, "{name}");
    }
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
    for (name, file) in readable() {
        let bound = binding(file);
        let sos = find(file, &[0xff, 0xda]);
        let eoi = sos + find(&file[sos..], &[0xff, 0xd9]);
        let dqt = find(file, &[0xff, 0xdb]);
        let sof = find(file, &[0xff, if file == PROGRESSIVE { 0xc2 } else { 0xc0 }]);
        let places = [("quant", dqt + 5), ("height", sof + 6), ("width", sof + 8)];
        let scan = (sos + 14..eoi).map(|at| ("scan", at));
        for (what, at) in places.into_iter().chain(scan) {
            let mut edited = file.to_vec();
            edited[at] ^= 1;
            let now = jpeg::info(&edited).map(|info| info.binding);
            assert_ne!(now, Ok(bound), "{name} {what} {at}");
        }
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
