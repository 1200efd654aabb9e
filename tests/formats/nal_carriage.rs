//! The carriage in streams of NAL units: small streams of stock encoders, whole, damaged and in
//! pieces.

use crate::common::rng::Xorshift;
use sidelight::carriage::nal::{
    self, AccessUnit, Framing, NalCodec, Stream, Types, CARRIAGE_BYTES, MAX_ACCESS_UNIT, UUID,
};
use sidelight::payload::MAX_PAYLOAD;
use sidelight::{Error, Layout, PictureType, Result};
use Framing::{AnnexB, LengthPrefixed};
use NalCodec::{Hevc, Vvc, H264};

macro_rules! golden {
    ($name:literal) => {
        include_bytes!(concat!("../data/nal/", $name)).as_slice()
    };
}

const PAYLOAD: &[u8] = golden!("payload.bin");
const MIXED: &[u8] = golden!("hevc_mixed.bit");
const SAMPLE: &[u8] = golden!("hevc_sample.bin");

struct Golden {
    codec: NalCodec,
    plain: &'static [u8],
    /// With [`PAYLOAD`] in the first picture's access unit.
    with: &'static [u8],
    /// Whether each access unit is an IRAP one.
    irap: &'static [bool],
}

const GOLDEN: [Golden; 3] = [
    Golden {
        codec: H264,
        plain: golden!("h264.bit"),
        with: golden!("h264_payload.bit"),
        irap: &[true, false, false, true],
    },
    Golden {
        codec: Hevc,
        plain: golden!("hevc.bit"),
        with: golden!("hevc_payload.bit"),
        irap: &[true, true, false, false],
    },
    Golden {
        codec: Vvc,
        plain: golden!("vvc.bit"),
        with: golden!("vvc_payload.bit"),
        irap: &[true, false, false, true],
    },
];

/// What a test wants of a unit.
#[derive(Debug, PartialEq)]
struct Seen {
    bytes: Vec<u8>,
    payloads: Vec<Vec<u8>>,
    picture: bool,
    irap: bool,
}

impl Seen {
    fn of(unit: AccessUnit) -> Self {
        let mut payloads = Vec::new();
        unit.each_payload(|payload| {
            payloads.push(payload.to_vec());
            Ok(())
        })
        .unwrap();
        assert_eq!(unit.payload().unwrap(), payloads.last().cloned());
        Seen {
            bytes: unit.bytes().to_vec(),
            payloads,
            picture: unit.has_picture(),
            irap: unit.is_irap(),
        }
    }
}

/// The units of a byte stream that comes in pieces.
fn units<'a>(codec: NalCodec, pieces: impl Iterator<Item = &'a [u8]>) -> Result<Vec<Seen>> {
    let mut stream = Stream::new(codec, AnnexB)?;
    let mut seen = Vec::new();
    for piece in pieces {
        stream.push(piece)?;
        while let Some(unit) = stream.next_unit()? {
            seen.push(Seen::of(unit));
        }
    }
    stream.finish();
    while let Some(unit) = stream.next_unit()? {
        seen.push(Seen::of(unit));
    }
    Ok(seen)
}

fn whole(codec: NalCodec, bytes: &[u8]) -> Result<Vec<Seen>> {
    units(codec, std::iter::once(bytes))
}

/// A stream whose `i`th unit has what `payload(i)` gives.
fn rewrite(codec: NalCodec, bytes: &[u8], payload: impl Fn(usize) -> Option<Vec<u8>>) -> Vec<u8> {
    let mut out = Vec::new();
    for (i, unit) in whole(codec, bytes).unwrap().iter().enumerate() {
        let unit = AccessUnit::new(codec, AnnexB, &unit.bytes).unwrap();
        let payload = payload(i).filter(|_| unit.has_picture());
        out.extend(unit.rewrite(payload.as_deref()).unwrap());
    }
    out
}

fn remove(codec: NalCodec, bytes: &[u8]) -> Vec<u8> {
    rewrite(codec, bytes, |_| None)
}

#[test]
fn golden_streams() {
    for Golden { codec, plain, with, irap } in GOLDEN {
        assert_eq!(nal::insert(codec, plain, PAYLOAD).unwrap(), with, "{codec:?}");
        assert_eq!(nal::insert(codec, with, PAYLOAD).unwrap(), with, "{codec:?}");
        assert_eq!(remove(codec, with), plain, "{codec:?}");
        let units = whole(codec, with).unwrap();
        let seen: Vec<bool> = units.iter().map(|unit| unit.irap).collect();
        assert_eq!(seen, irap, "{codec:?}");
        assert!(units.iter().all(|unit| unit.picture));
        assert_eq!(units[0].payloads, [PAYLOAD]);
        assert!(units[1..].iter().all(|unit| unit.payloads.is_empty()));
        let added = with.len() - plain.len() - PAYLOAD.len() + usize::from(codec == H264);
        // Emulation prevention took four bytes.
        assert_eq!(added, CARRIAGE_BYTES as usize + 4);
    }
}

/// As libavcodec shows them.
#[test]
fn pictures_in_the_order_of_output() {
    for (bytes, types, size) in [
        (golden!("hevc.bit"), "IBBI", (64, 48)),
        // By x265, with a leading picture in front of each IRAP picture but the first.
        (golden!("hevc_open_gop.bit"), "IPBPPBIBBBPBIBBBPP", (64, 64)),
    ] {
        let mut reader = Types::new(Hevc);
        let mut shown = Vec::new();
        for unit in whole(Hevc, bytes).unwrap() {
            let coded = reader.read(AnnexB, &unit.bytes).unwrap();
            let output = coded.output.unwrap();
            assert_eq!((output.shown, output.drops_prior), (true, false));
            let shape = output.shape;
            assert_eq!((shape.width, shape.height), size);
            assert_eq!((shape.layout, shape.bit_depth), (Layout::I420, 8));
            assert_eq!(unit.irap, coded.picture_type == PictureType::Irap);
            let letter = ["I", "P", "B"][coded.picture_type.class()];
            shown.push(((output.sequence, output.order), letter));
        }
        let decoded: Vec<_> = shown.iter().map(|(order, _)| *order).collect();
        shown.sort_unstable();
        assert_ne!(decoded, shown.iter().map(|(order, _)| *order).collect::<Vec<_>>());
        assert_eq!(shown.iter().map(|(_, letter)| *letter).collect::<String>(), types);
    }
}

#[test]
fn every_unit_carries_its_own() {
    let payload = |i: usize| vec![0; 300 * i + 1];
    for Golden { codec, plain, with, irap } in GOLDEN {
        let full = rewrite(codec, with, |i| Some(payload(i)));
        let units = whole(codec, &full).unwrap();
        assert_eq!(units.len(), irap.len());
        for (i, unit) in units.iter().enumerate() {
            assert_eq!(unit.payloads, [payload(i)]);
        }
        assert_eq!(remove(codec, &full), plain);
    }
}

#[test]
fn pieces_make_the_same_units() {
    let streams = GOLDEN.iter().flat_map(|g| [(g.codec, g.plain), (g.codec, g.with)]);
    for (codec, bytes) in streams.chain([(Hevc, MIXED)]) {
        let want = whole(codec, bytes).unwrap();
        let all: Vec<u8> = want.iter().flat_map(|unit| unit.bytes.clone()).collect();
        assert_eq!(all, bytes);
        for size in 1..20 {
            assert_eq!(units(codec, bytes.chunks(size)).unwrap(), want);
        }
        for at in 0..=bytes.len() {
            let (first, second) = bytes.split_at(at);
            assert_eq!(units(codec, [first, second].into_iter()).unwrap(), want);
        }
    }
}

#[test]
fn other_messages_start_codes_and_zeros_stay() {
    let units = whole(Hevc, MIXED).unwrap();
    assert_eq!(units[0].payloads, [PAYLOAD]);
    assert_eq!(remove(Hevc, MIXED), golden!("hevc_mixed_removed.bit"));
    // The replaced one goes in a NAL unit of its own behind the others.
    let replaced = nal::insert(Hevc, MIXED, b"new").unwrap();
    assert_eq!(whole(Hevc, &replaced).unwrap()[0].payloads, [b"new"]);
    assert_eq!(remove(Hevc, &replaced), golden!("hevc_mixed_removed.bit"));
}

/// Behind a message of ours comes one that lacks its last byte: what emulation prevention puts
/// behind a zero must not stand in for it.
#[test]
fn a_message_that_lacks_a_byte_stays_damaged() {
    let message = |size: u8, data: &[u8]| [&[5, size], &UUID[..], data].concat();
    let ours = message(17, &[1]);
    let single = [&[6], &ours[..], &message(18, &[0])].concat();
    let triple = [&[6], &ours[..], &message(20, &[0, 0, 0, 3])].concat();
    let framed = |nal: &[u8]| [&(nal.len() as u32).to_be_bytes()[..], nal].concat();
    let sample = [framed(&single), framed(&[0x65, 0x88])].concat();
    let stream = [&[0, 0, 1], &triple[..], &[0, 0, 1, 0x65, 0x88]].concat();
    for (framing, bytes) in [(LengthPrefixed(4), sample), (AnnexB, stream)] {
        let unit = AccessUnit::new(H264, framing, &bytes).unwrap();
        assert_eq!(unit.payload().unwrap(), Some(vec![1]));
        let removed = unit.rewrite(None).unwrap();
        let unit = AccessUnit::new(H264, framing, &removed).unwrap();
        assert_eq!(unit.payload().unwrap(), None);
        assert_eq!(unit.rewrite(None).unwrap(), removed);
        let with = unit.rewrite(Some(&[7])).unwrap();
        let unit = AccessUnit::new(H264, framing, &with).unwrap();
        assert_eq!(unit.payload().unwrap(), Some(vec![7]));
    }
}

#[test]
fn refused_streams() {
    let no_start_code = golden!("bad_no_start_code.bit");
    let bytes_in_front = golden!("bad_bytes_in_front.bit");
    for codec in [H264, Hevc, Vvc] {
        for bytes in [no_start_code, bytes_in_front, &[0, 0, 0], &[1], &[0, 1]] {
            assert_eq!(whole(codec, bytes).unwrap_err(), Error::Corrupt);
            assert_eq!(units(codec, bytes.chunks(1)).unwrap_err(), Error::Corrupt);
            assert_eq!(AccessUnit::new(codec, AnnexB, bytes).unwrap_err(), Error::Corrupt);
            assert_eq!(nal::insert(codec, bytes, PAYLOAD), Err(Error::Corrupt));
        }
        assert!(whole(codec, &[]).unwrap().is_empty());
        // Nothing but NAL units that say nothing.
        let units = whole(codec, &[0, 0, 1, 0, 0, 0, 1]).unwrap();
        assert_eq!((units.len(), units[0].picture), (1, false));
        assert_eq!(nal::insert(codec, &[0, 0, 1], PAYLOAD), Err(Error::Corrupt));
    }
    let mut stream = Stream::new(Hevc, AnnexB).unwrap();
    stream.push(&[7]).unwrap();
    assert_eq!(stream.next_unit().unwrap_err(), Error::Corrupt);
    assert_eq!(stream.next_unit().unwrap_err(), Error::Corrupt);
    assert_eq!(stream.push(GOLDEN[1].plain), Err(Error::Corrupt));
    assert!(stream.current().is_none());
}

#[test]
fn payloads_of_any_size() {
    let Golden { codec, plain, .. } = GOLDEN[1];
    for size in [1, 237, 238, 239, 240, 493, 494, 65300, MAX_PAYLOAD] {
        let payload: Vec<u8> = (0..size).map(|i| (i % 5) as u8 / 3).collect();
        let with = nal::insert(codec, plain, &payload).unwrap();
        assert_eq!(whole(codec, &with).unwrap()[0].payloads, [payload]);
        assert_eq!(remove(codec, &with), plain);
    }
    assert_eq!(nal::insert(codec, plain, &[]), Err(Error::InvalidArgument));
    assert_eq!(nal::insert(codec, plain, &vec![1; MAX_PAYLOAD + 1]), Err(Error::TooLarge));
    let message = nal::insert(codec, plain, &[1; 238]).unwrap().len() - plain.len();
    assert_eq!(message, 238 + CARRIAGE_BYTES as usize);
}

/// One letter for a NAL unit. Capital: `I` and `S` begin a picture.
fn nal_unit(codec: NalCodec, letter: char) -> Vec<u8> {
    let (nal_unit_type, layer, body): (u8, u8, &[u8]) = match (codec, letter) {
        (H264, 'a') => (9, 0, &[0xf0]),
        (H264, 'v') => (13, 0, &[0x80]),
        (H264, 'p') => (8, 0, &[0x80]),
        (H264, 'q') => (7, 0, &[0x80]),
        (H264, 'e') => (6, 0, &[1, 1, 9, 0x80]),
        (H264, 'h') => (14, 0, &[0x80]),
        (H264, 'u') => (15, 0, &[0x80]),
        (H264, 'I') => (5, 0, &[0x88]),
        (H264, 'S') => (1, 0, &[0x88]),
        (H264, 's') => (1, 0, &[0x48]),
        (H264, 'l') => (20, 0, &[0xff]),
        (H264, 'z') => (12, 0, &[0xff, 0x80]),
        (H264, 'o') => (10, 0, &[]),
        (Hevc, 'a') => (35, 0, &[0x50]),
        (Hevc, 'v') => (32, 0, &[0x80]),
        (Hevc, 'q') => (33, 0, &[0x80]),
        (Hevc, 'p') => (34, 0, &[0x80]),
        (Hevc, 'e') => (39, 0, &[1, 1, 9, 0x80]),
        (Hevc, 'f') => (39, 1, &[1, 1, 9, 0x80]),
        (Hevc, 'I') => (19, 0, &[0x80]),
        (Hevc, 'S') => (1, 0, &[0x80]),
        (Hevc, 's') => (1, 0, &[0x40]),
        (Hevc, 'l') => (1, 1, &[0x80]),
        (Hevc, 'x') => (40, 0, &[1, 1, 9, 0x80]),
        (Hevc, 'z') => (38, 0, &[0xff, 0x80]),
        (Hevc, 'o') => (36, 0, &[]),
        (Hevc, 'u') => (50, 0, &[1]),
        (Vvc, 'a') => (20, 0, &[0x80]),
        (Vvc, 'd') => (13, 0, &[0x80]),
        (Vvc, 'v') => (14, 0, &[0x80]),
        (Vvc, 'q') => (15, 0, &[0x80]),
        (Vvc, 'p') => (16, 0, &[0x80]),
        (Vvc, 'r') => (17, 0, &[0x80]),
        (Vvc, 'w') => (18, 0, &[0x80]),
        (Vvc, 'e') => (23, 0, &[1, 1, 9, 0x80]),
        (Vvc, 'h') => (19, 0, &[0x80]),
        (Vvc, 'k') => (19, 1, &[0x80]),
        (Vvc, 'I') => (8, 0, &[0x80]),
        (Vvc, 'S') => (0, 0, &[0x80]),
        (Vvc, 'i') => (9, 0, &[0x40]),
        (Vvc, 's') => (0, 0, &[0x40]),
        (Vvc, 'g') => (10, 0, &[0x80]),
        (Vvc, 'l') => (0, 1, &[0x40]),
        (Vvc, 'x') => (24, 0, &[1, 1, 9, 0x80]),
        (Vvc, 'z') => (25, 0, &[0xff, 0x80]),
        (Vvc, 'o') => (21, 0, &[]),
        _ => panic!("{codec:?}: {letter}"),
    };
    let mut bytes = match codec {
        H264 => vec![nal_unit_type],
        Hevc => vec![nal_unit_type << 1, layer << 3 | 1],
        Vvc => vec![layer, nal_unit_type << 3 | 1],
    };
    bytes.extend(body);
    bytes
}

/// Access units as the standards order their NAL units; `^` is where the payload goes.
const ORDERS: [(NalCodec, &str); 25] = [
    (H264, "aqvpe^I|ae^S|^S|a^S"),
    (H264, "^Isss|^Ssss|^S|^I"),
    (H264, "qpe^I|e^S|p^Ss|q^S|a^S"),
    (H264, "qpu^hIlhsl|^hSlhsl|e^hSl"),
    (H264, "^Izs|u^S|^So"),
    (H264, "^I|aa^S|qp"),
    (Hevc, "avqpe^I|ae^S|^S|a^S"),
    (Hevc, "vqp^Iss|^Sss|^S|^I"),
    (Hevc, "^Sesps|pe^S|e^S"),
    (Hevc, "^Slx|^Sflx|v^Sl"),
    (Hevc, "^Sxzo|^I"),
    (Hevc, "^S|ae^s"),
    (Hevc, "^Szz|u^S"),
    (Vvc, "advqpre^hii|ae^hss|^hss"),
    (Vvc, "qp^I|^S|re^Sw|re^S"),
    (Vvc, "d^I|d^S|v^S|p^S|r^S|e^S|q^S"),
    (Vvc, "^hsesrsx|e^hs"),
    (Vvc, "^hsklkl|^hskl"),
    (Vvc, "^Sxzo|e^I"),
    (Vvc, "^hrs|^S"),
    (Vvc, "^S|ae^s"),
    (Vvc, "^g|^I"),
    (H264, "a"),
    (Hevc, "vqp"),
    (Vvc, "e"),
];

#[test]
fn order_of_nal_units() {
    for (codec, order) in ORDERS {
        let build = |order: &str| -> Vec<u8> {
            let mut bytes = Vec::new();
            for letter in order.chars() {
                bytes.extend([0, 0, 0, 1]);
                bytes.extend(nal_unit(codec, letter));
            }
            bytes
        };
        let plain = build(&order.replace(['|', '^'], ""));
        let units = whole(codec, &plain).unwrap();
        let want: Vec<Vec<u8>> =
            order.split('|').map(|unit| build(&unit.replace('^', ""))).collect();
        let seen: Vec<&[u8]> = units.iter().map(|unit| unit.bytes.as_slice()).collect();
        assert_eq!(seen, want, "{codec:?} {order}");
        for (unit, order) in units.iter().zip(order.split('|')) {
            assert_eq!(unit.picture, order.contains('^'), "{codec:?} {order}");
            assert_eq!(unit.irap, order.contains(['I', 'i']), "{codec:?} {order}");
            let Some((before, after)) = order.split_once('^') else { continue };
            let access_unit = AccessUnit::new(codec, AnnexB, &unit.bytes).unwrap();
            let with = access_unit.rewrite(Some(b"payload")).unwrap();
            assert!(with.starts_with(&build(before)), "{codec:?} {order}");
            assert!(with.ends_with(&build(after)), "{codec:?} {order}");
        }
        let full = rewrite(codec, &plain, |i| Some(vec![i as u8 + 1]));
        assert_eq!(remove(codec, &full), plain, "{codec:?} {order}");
    }
}

#[test]
fn the_message_has_the_pictures_sub_layer() {
    let header = |codec, unit: &[u8]| {
        let with = AccessUnit::new(codec, AnnexB, unit).unwrap().rewrite(Some(&[1])).unwrap();
        [with[4], with[5]]
    };
    assert_eq!(header(Hevc, &[0, 0, 1, 0, 3, 0x80]), [39 << 1, 3]);
    assert_eq!(header(Hevc, &[0, 0, 1, 0, 7, 0x80]), [39 << 1, 7]);
    assert_eq!(header(Vvc, &[0, 0, 1, 0, 5, 0x80]), [0, 23 << 3 | 5]);
    assert_eq!(header(H264, &[0, 0, 1, 0x65, 0x80]), [6, 5]);
}

/// The example of `docs/carriage-nal.md`.
#[test]
fn documented_example() {
    let plain = [0, 0, 1, 0x65, 0x88];
    let with = nal::insert(H264, &plain, &[2, 0, 0, 0, 0, 1, 7]).unwrap();
    let head = [&[0, 0, 0, 1, 6, 5, 0x17], UUID.as_slice()].concat();
    let tail = [2, 0, 0, 3, 0, 0, 3, 1, 7, 0x80];
    assert_eq!(with, [head.as_slice(), &tail, &plain].concat());
}

/// A prefix SEI NAL unit of HEVC with these bytes for an RBSP, and a slice.
fn with_sei(rbsp: &[u8]) -> Vec<u8> {
    [&[0, 0, 1, 39 << 1, 1], rbsp, &[0, 0, 1, 2, 1, 0x80]].concat()
}

fn message(kind: u8, data: &[&[u8]]) -> Vec<u8> {
    let data = data.concat();
    [&[kind, u8::try_from(data.len()).unwrap()], data.as_slice()].concat()
}

#[test]
fn which_messages_are_ours() {
    let payloads = |rbsp: &[&[u8]]| {
        let bytes = with_sei(&rbsp.concat());
        let unit = &whole(Hevc, &bytes).unwrap()[0];
        let plain = AccessUnit::new(Hevc, AnnexB, &bytes).unwrap().rewrite(None).unwrap();
        assert!(whole(Hevc, &plain).unwrap()[0].payloads.is_empty());
        assert_eq!(unit.payloads.is_empty(), plain == bytes);
        unit.payloads.clone()
    };
    let none: [&[u8]; 0] = [];
    let ours = message(5, &[&UUID, b"first"]);
    let quirk = message(5, &[&[7; 16], &UUID, b"second"]);
    assert_eq!(payloads(&[&ours, &[0x80]]), [b"first"]);
    assert_eq!(payloads(&[&quirk, &[0x80]]), [b"second"]);
    assert_eq!(payloads(&[&ours, &quirk, &[0x80]]), [&b"first"[..], b"second"]);
    assert_eq!(payloads(&[&quirk, &ours, &ours]), [&b"second"[..], b"first", b"first"]);
    // No trailing bits; a message behind that is cut off.
    assert_eq!(payloads(&[&ours]), [b"first"]);
    assert_eq!(payloads(&[&ours, &[5, 40, 1]]), [b"first"]);
    assert_eq!(payloads(&[&[5, 40, 1], &ours]), none);
    // The UUID elsewhere, in part, or in another kind of message.
    assert_eq!(payloads(&[&message(5, &[&[7; 15], &UUID, b"x"]), &[0x80]]), none);
    assert_eq!(payloads(&[&message(5, &[&UUID[..15]]), &[0x80]]), none);
    assert_eq!(payloads(&[&message(4, &[&UUID, b"x"]), &[0x80]]), none);
    assert_eq!(payloads(&[&[255, 255, 255]]), none);
    assert_eq!(payloads(&[&[5, 255, 255]]), none);
    assert_eq!(payloads(&[&[]]), none);

    // Nothing behind the UUID: no payload, but removed as ours.
    let bytes = with_sei(&[message(5, &[&UUID]), vec![0x80]].concat());
    assert!(whole(Hevc, &bytes).unwrap()[0].payloads.is_empty());
    assert_eq!(remove(Hevc, &bytes), [0, 0, 1, 2, 1, 0x80]);
    // A suffix SEI message, and one of another layer, are not ours.
    for (header, at) in [([40 << 1, 1], 0), ([39 << 1, 9], 0), ([39 << 1 | 1, 1], 0)] {
        let mut bytes = with_sei(&ours);
        bytes[at + 3..at + 5].copy_from_slice(&header);
        assert!(whole(Hevc, &bytes).unwrap()[0].payloads.is_empty());
        assert_eq!(remove(Hevc, &bytes), bytes);
    }
}

/// The NAL units of a byte stream, each behind its length.
fn sample(length_bytes: usize, nals: &[Vec<u8>]) -> Vec<u8> {
    let framed = |nal: &Vec<u8>| {
        [&(nal.len() as u32).to_be_bytes()[4 - length_bytes..], nal.as_slice()].concat()
    };
    nals.iter().flat_map(framed).collect()
}

#[test]
fn samples() {
    let unit = AccessUnit::new(Hevc, LengthPrefixed(4), SAMPLE).unwrap();
    assert!(unit.has_picture() && unit.is_irap() && unit.payload().unwrap().is_none());
    let with = unit.rewrite(Some(PAYLOAD)).unwrap();
    assert_eq!(with, golden!("hevc_sample_payload.bin"));
    let unit = AccessUnit::new(Hevc, LengthPrefixed(4), &with).unwrap();
    assert_eq!(unit.payload().unwrap().unwrap(), PAYLOAD);
    assert_eq!(unit.rewrite(None).unwrap(), SAMPLE);
    assert_eq!(unit.rewrite(Some(PAYLOAD)).unwrap(), with);

    for (codec, order) in [(H264, "ae^hIs"), (Hevc, "ae^Ss"), (Vvc, "ae^hs")] {
        for (length_bytes, most) in [(1, 255), (2, 65300), (4, MAX_PAYLOAD)] {
            let nals = |order: &str| -> Vec<_> {
                order.chars().map(|letter| nal_unit(codec, letter)).collect()
            };
            let (before, after) = order.split_once('^').unwrap();
            let (before, after) = (nals(before), nals(after));
            let plain = sample(length_bytes, &[before.clone(), after.clone()].concat());
            let framing = LengthPrefixed(length_bytes as u8);
            let unit = AccessUnit::new(codec, framing, &plain).unwrap();
            let with = unit.rewrite(Some(&[9; 200])).unwrap();
            assert!(with.starts_with(&sample(length_bytes, &before)));
            assert!(with.ends_with(&sample(length_bytes, &after)));
            let carried = AccessUnit::new(codec, framing, &with).unwrap();
            assert_eq!(carried.payload().unwrap().unwrap(), [9; 200]);
            assert_eq!(carried.rewrite(None).unwrap(), plain);
            let too_large = unit.rewrite(Some(&vec![9; most + 1])).unwrap_err();
            assert_eq!(too_large, Error::TooLarge);
        }
    }
}

#[test]
fn refused_samples() {
    for bytes in [
        golden!("bad_sample_cut.bin"),
        golden!("bad_sample_length_cut.bin"),
        golden!("bad_sample_length.bin"),
    ] {
        let error = AccessUnit::new(Hevc, LengthPrefixed(4), bytes).unwrap_err();
        assert_eq!(error, Error::Corrupt);
        let mut stream = Stream::new(Hevc, LengthPrefixed(4)).unwrap();
        stream.push(bytes).unwrap();
        assert_eq!(stream.next_unit().unwrap_err(), Error::Corrupt);
        assert!(stream.current().is_none());
        // The next sample is none the worse for it.
        stream.push(SAMPLE).unwrap();
        assert_eq!(stream.push(SAMPLE), Err(Error::InvalidArgument));
        assert_eq!(stream.next_unit().unwrap().unwrap().bytes(), SAMPLE);
        assert!(stream.next_unit().unwrap().is_none());
    }
    for length_bytes in [0, 3, 5, 255] {
        let framing = LengthPrefixed(length_bytes);
        assert_eq!(Stream::new(Hevc, framing).err(), Some(Error::InvalidArgument));
        let error = AccessUnit::new(Hevc, framing, SAMPLE).unwrap_err();
        assert_eq!(error, Error::InvalidArgument);
    }
    let empty = AccessUnit::new(Hevc, LengthPrefixed(4), &[]).unwrap();
    assert_eq!(empty.rewrite(Some(PAYLOAD)), Err(Error::InvalidArgument));
    assert!(empty.rewrite(None).unwrap().is_empty());
}

#[test]
fn one_stream_after_another() {
    let Golden { codec, plain, with, .. } = GOLDEN[1];
    let mut stream = Stream::new(codec, AnnexB).unwrap();
    for bytes in [plain, with, plain] {
        stream.push(bytes).unwrap();
        stream.finish();
        assert_eq!(stream.push(bytes), Err(Error::InvalidArgument));
        let mut all: Vec<u8> = Vec::new();
        while let Some(unit) = stream.next_unit().unwrap() {
            all.extend(unit.bytes());
            assert!(stream.current().is_some());
        }
        assert_eq!(all, bytes);
        assert!(stream.current().is_none());
    }
}

/// A unit is as large as the next picture's first slice lets it be, whatever the pieces.
#[test]
fn access_units_have_a_limit() {
    let slice = [0, 0, 1, 2, 1, 0x80];
    let unit = |size: usize| {
        let mut bytes = slice.to_vec();
        bytes.resize(size, 0xff);
        bytes
    };
    for (size, fits) in [(MAX_ACCESS_UNIT - 6, true), (MAX_ACCESS_UNIT - 5, false)] {
        let bytes = [unit(size), slice.to_vec()].concat();
        for piece in [bytes.len(), 1 << 20, (1 << 20) + 7] {
            let mut stream = Stream::new(Hevc, AnnexB).unwrap();
            let mut seen = Vec::new();
            let mut feed = || -> Result {
                for piece in bytes.chunks(piece) {
                    stream.push(piece)?;
                    while let Some(unit) = stream.next_unit()? {
                        seen.push(unit.bytes().len());
                    }
                }
                stream.finish();
                while let Some(unit) = stream.next_unit()? {
                    seen.push(unit.bytes().len());
                }
                Ok(())
            };
            if fits {
                assert_eq!(feed(), Ok(()));
                assert_eq!(seen, [size, slice.len()]);
            } else {
                assert_eq!(feed(), Err(Error::TooLarge));
                assert!(seen.is_empty());
            }
        }
    }
    assert!(AccessUnit::new(Hevc, AnnexB, &unit(MAX_ACCESS_UNIT)).is_ok());
    let too_large = AccessUnit::new(Hevc, AnnexB, &unit(MAX_ACCESS_UNIT + 1)).unwrap_err();
    assert_eq!(too_large, Error::TooLarge);
}

/// Damage: no panic, no byte lost, and a payload goes in and comes out of whatever has a picture.
#[test]
fn hostile_bytes() {
    let mut random = Xorshift(0x51de_1197);
    let streams = [GOLDEN[0].with, GOLDEN[1].with, GOLDEN[2].with, MIXED];
    for round in 0..6000 {
        let mut bytes = streams[random.below(streams.len())].to_vec();
        for _ in 0..1 + random.below(12) {
            let at = random.below(bytes.len());
            match random.below(5) {
                0 => bytes[at] = [0, 0, 1, 3, 0x80, 0xff][random.below(6)],
                1 => bytes[at] ^= 1 << random.below(8),
                2 => drop(bytes.splice(at..at, [0, 0, 1])),
                3 => drop(bytes.drain(at..(at + 1 + random.below(9)).min(bytes.len()))),
                _ => {
                    let from = random.below(bytes.len());
                    let piece = bytes[from..(from + random.below(60)).min(bytes.len())].to_vec();
                    bytes.splice(at..at, piece);
                }
            }
            if bytes.is_empty() {
                bytes.push(0);
            }
        }
        // Any codec may come across any bytes.
        let codec = [H264, Hevc, Vvc][random.below(3)];
        let seen = whole(codec, &bytes);
        let size = 1 + random.below(40);
        assert_eq!(units(codec, bytes.chunks(size)), seen, "round {round}");
        for framing in [LengthPrefixed(1), LengthPrefixed(2), LengthPrefixed(4)] {
            if let Ok(unit) = AccessUnit::new(codec, framing, &bytes) {
                let plain = unit.rewrite(None).unwrap();
                assert!(AccessUnit::new(codec, framing, &plain)
                    .unwrap()
                    .payload()
                    .unwrap()
                    .is_none());
            }
        }
        let Ok(seen) = seen else { continue };
        let all: Vec<u8> = seen.iter().flat_map(|unit| unit.bytes.clone()).collect();
        assert_eq!(all, bytes);
        let plain = remove(codec, &bytes);
        assert!(plain.len() <= bytes.len());
        let without = whole(codec, &plain).unwrap_or_default();
        assert!(without.iter().all(|unit| unit.payloads.is_empty()), "round {round}");
        let full = rewrite(codec, &bytes, |i| Some(vec![i as u8; i + 1]));
        let full = whole(codec, &full).unwrap();
        assert_eq!(full.len(), seen.len(), "round {round}");
        for (i, (unit, before)) in full.iter().zip(&seen).enumerate() {
            assert_eq!(unit.picture, before.picture);
            let want = if unit.picture { vec![vec![i as u8; i + 1]] } else { Vec::new() };
            assert_eq!(unit.payloads, want, "round {round}");
        }
    }
}
