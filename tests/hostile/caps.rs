//! What readers may take for the nastiest inputs known: memory within the caps of SECURITY.md, and
//! work in proportion to the input.

use crate::capped;
use crate::common::rng::Xorshift;
use crate::heap::{used, Used};
use crate::hostile::{embedded, nameable, seal_model, seal_payload, Owned, BINDING};
use sidelight::carriage::nal::{Framing, NalCodec, Stream, UUID};
use sidelight::decoder::MAX_TRIED;
use sidelight::network::model::ModelLayer;
use sidelight::network::update::{LayerUpdate, Update};
use sidelight::network::{Arch, CodecKind, Condition, Model, Prepared};
use sidelight::payload::binding::of_picture;
use sidelight::payload::{self, update, Mode, MAX_PAYLOAD};
use sidelight::{Decoder, DecoderSettings, Error, Layout};
use std::time::{Duration, Instant};

const SMALL: usize = 1 << 17;
/// For all readers on four times as much: a hundred times what they need, and less than work in
/// proportion to the square takes.
const PATIENCE: Duration = Duration::from_secs(15);

/// Reads four times as many bytes the second time: what is taken from the heap grows in proportion,
/// but for buffers that double.
fn grows_linearly<const N: usize>(
    what: &str,
    make: impl Fn(usize) -> Vec<u8>,
    read: impl Fn(&[u8]) -> [Used; N],
) {
    let [small, large] = [SMALL, 4 * SMALL].map(|n| {
        let bytes = make(n);
        let start = Instant::now();
        let used = read(&bytes);
        let took = start.elapsed();
        assert!(took < PATIENCE, "{what}: {n} bytes took {took:?}");
        report(&format!("{what}: {n} bytes, {took:?}"), &used);
        used
    });
    for (small, large) in small.iter().zip(&large) {
        assert!(large.taken <= 9 * small.taken + 4096, "{what}: {large:?} after {small:?}");
    }
}

/// Says what was used, if `SIDELIGHT_CAPS` is set.
fn report(what: &str, used: &[Used]) {
    if std::env::var_os("SIDELIGHT_CAPS").is_some() {
        println!("{what}: {used:?}");
    }
}

/// A name, and a file's head, what repeats, its tail.
type Case<'a> = (&'a str, &'a [u8], &'a [u8], &'a [u8]);

/// `head`, then `piece` again and again up to about `n` bytes, then `tail`.
fn repeated(head: &[u8], piece: &[u8], tail: &[u8], n: usize) -> Vec<u8> {
    [head, &piece.repeat(n / piece.len()), tail].concat()
}

/// A gray file up to its SOS.
const FRAME: &[u8] = b"\xff\xc0\0\x0b\x08\0\x08\0\x08\x01\x01\x11\0";
const SOS: &[u8] = b"\xff\xda\0\x08\x01\x01\0\0\x3f\0";

#[test]
fn jpeg_files() {
    let head = [b"\xff\xd8", FRAME].concat();
    let scan = [&head[..], SOS].concat();
    let payload_segment = b"\xff\xea\0\x0aSLIGHT\0\x02";
    let chunk = b"\xff\xea\0\x0dSLIGHT\0\xff\x01\x02x";
    let big_segment = [b"\xff\xea\xff\xffSLIGHT\0", &[2; 65526][..]].concat();
    let full_chunk = [b"\xff\xea\xff\xffSLIGHT\0\xff\x01\x02", &[2; 65523][..]].concat();
    let tables = [b"\xff\xdb\0\x43\0", &[1; 64][..]].concat();
    let fill = [&[0xff; 1000][..], b"\xfe\0\x02"].concat();
    let fill_data = [&[0xff; 1000][..], b"\0"].concat();
    let cases: [Case; 22] = [
        ("FF", b"", b"\xff", b""),
        ("FF behind SOI", b"\xff\xd8", b"\xff", b""),
        ("zeros", b"\xff\xd8", b"\0", b""),
        ("empty APP1", &head, b"\xff\xe1\0\x02", SOS),
        ("empty COM, no SOS", &head, b"\xff\xfe\0\x02", b""),
        ("empty DHT", &head, b"\xff\xc4\0\x02", SOS),
        ("tables", &head, &tables, SOS),
        ("frames", b"\xff\xd8", FRAME, SOS),
        ("payloads", &head, payload_segment, SOS),
        ("payloads, no SOS", &head, payload_segment, b""),
        ("chunks", &head, chunk, SOS),
        ("large payloads", &head, &big_segment, SOS),
        ("full chunks", &head, &full_chunk, SOS),
        ("MPF", b"\xff\xd8", b"\xff\xe2\0\x06MPF\0", &scan),
        ("fill", &head, &fill, SOS),
        ("scans", &head, SOS, b""),
        ("empty scans", &scan, b"\xff\xda\0\x02", b""),
        ("DNL", &scan, b"\xff\xdc\0\x04\0\x08", b"\xff\xd9"),
        ("RST", &scan, b"\xff\xd0", b"\xff\xd9"),
        ("stuffing", &scan, b"\xff\0", b""),
        ("fill and stuffing", &scan, &fill_data, b""),
        ("FF in a scan", &scan, b"\xff", b""),
    ];
    for (name, head, piece, tail) in cases {
        let payload = [3; 300];
        let make = |n| repeated(head, piece, tail, n);
        grows_linearly(name, make, |bytes| capped::jpeg(bytes, &payload));
    }
    // The writer's worst: a payload of many segments.
    let make = |n| vec![3; n];
    let file = [&scan[..], b"\0\xff\xd9"].concat();
    grows_linearly("large payload", make, |payload| capped::jpeg(&file, payload));
}

/// A progressive picture of as many blocks as bits can be, in as many scans as there can be, each of
/// which skips all blocks in a few bytes.
#[test]
fn progressive_scans() {
    const RUN: usize = 1 << 14;
    let payload = [3; 300];
    let make = |n: usize| {
        // A code of one bit for each: no difference, and a run of RUN ends of blocks.
        let table = |head: u8, symbol: u8| [&[head, 1], [0; 15].as_slice(), &[symbol]].concat();
        let tables = [table(0x00, 0), table(0x10, 0xe0)].concat();
        let runs = 4 * n / RUN;
        // Blocks in rows of 4096.
        let height = ((runs * RUN / 4096 * 8) as u16).to_be_bytes();
        let mut file = b"\xff\xd8\xff\xc2\0\x0b\x08".to_vec();
        file.extend([height[0], height[1], 0x80, 0, 1, 1, 0x11, 0, 0xff, 0xc4, 0, 38]);
        file.extend(&tables);
        let mut scan = |first: u8, last: u8, bits: u8, data: usize| {
            file.extend([0xff, 0xda, 0, 8, 1, 1, 0, first, last, bits]);
            file.resize(file.len() + data, 0);
        };
        scan(0, 0, 0, runs * RUN / 8);
        for at in 1..64 {
            for low in (0..14).rev() {
                let high = if low == 13 { 0 } else { low + 1 };
                scan(at, at, high << 4 | low, (15 * runs).div_ceil(8));
            }
        }
        file
    };
    assert!(sidelight::carriage::jpeg::info(&make(SMALL)).unwrap().progressive);
    grows_linearly("progressive scans", make, |bytes| capped::jpeg(bytes, &payload));
}

/// SEI messages with whatever payload type, in a NAL unit.
fn message(kind: u8, contents: &[u8]) -> Vec<u8> {
    [&[kind, contents.len() as u8], contents].concat()
}

#[test]
fn byte_streams() {
    // AUD; SEI; slice that begins a picture; slice that does not; picture header or other.
    let codecs: [(NalCodec, [&[u8]; 5]); 3] = [
        (NalCodec::H264, [b"\x09\xf0", b"\x06", b"\x65\x88", b"\x65\x48", b"\x6e\x80"]),
        (
            NalCodec::Hevc,
            [b"\x46\x01\x50", b"\x4e\x01", b"\x26\x01\x80", b"\x26\x01\x40", b"\x40\x01\x80"],
        ),
        (NalCodec::Vvc, [b"\0\xa1\x80", b"\0\xb9", b"\0\x41\x80", b"\0\x41\x40", b"\0\x99\x80"]),
    ];
    let code: &[u8] = b"\0\0\x01";
    let ours = message(5, &[&UUID[..], &[2]].concat());
    let empty = message(5, &UUID);
    let foreign = message(5, &[7; 16]);
    for (codec, [aud, sei, first, more, other]) in codecs {
        let nal = |head: &[u8], body: &[u8]| [code, head, body].concat();
        let picture = nal(first, b"");
        let unit = [nal(sei, &[&ours[..], b"\x80"].concat()), picture.clone()].concat();
        let in_sei = nal(sei, b"");
        let cases: [Case; 24] = [
            ("start codes", b"", code, b""),
            ("long start codes", b"", b"\0\0\0\x01", b""),
            ("zeros", b"", b"\0", b""),
            ("zeros, then a start code", b"", b"\0", &picture),
            ("zeros in front of start codes", b"", &[&[0; 1000][..], &picture].concat(), b""),
            ("pictures", b"", &picture, b""),
            ("slices", &picture, &nal(more, b""), b""),
            ("slices without a picture", b"", &nal(more, b""), b""),
            ("delimiters", &picture, &nal(aud, b""), &picture),
            ("headers", &picture, &nal(other, b""), &picture),
            ("units with payloads", b"", &unit, b""),
            ("one slice", &picture, b"\x55", b""),
            ("a slice of zeros and threes", &picture, b"\0\0\x03", b""),
            ("SEI units", b"", &nal(sei, &[&ours[..], b"\x80"].concat()), &picture),
            ("SEI units, no messages", b"", &nal(sei, b"\x80"), &picture),
            ("SEI units, empty", b"", &in_sei, &picture),
            ("messages of ours", &in_sei, &ours, &picture),
            ("messages of ours without payload", &in_sei, &empty, &picture),
            ("other messages", &in_sei, &foreign, &picture),
            ("other and ours", &in_sei, &[&foreign[..], &ours].concat(), &picture),
            ("smallest messages", &in_sei, b"\x01\0", &picture),
            ("a type without end", &in_sei, b"\xff", &picture),
            ("emulation prevention", &nal(sei, &ours), b"\0\0\x03", &picture),
            ("zeros that need escapes", &nal(sei, &ours), b"\0\0\x03\0\0\x03\x01\0", &picture),
        ];
        for (name, head, piece, tail) in cases {
            for chunk in [usize::MAX, 4096, 1] {
                let make = |n| repeated(head, piece, tail, n);
                grows_linearly(&format!("{codec:?}, {name}, by {chunk}"), make, |bytes| {
                    capped::stream(codec, Framing::AnnexB, bytes, chunk, &[0; 100])
                });
            }
        }
    }
}

#[test]
fn samples() {
    let ours = message(5, &[&UUID[..], &[2]].concat());
    let sei = [b"\x06", &ours[..], b"\x80"].concat();
    for bytes in [1u8, 2, 4] {
        let framed = |nal: &[u8]| {
            let length = (nal.len() as u32).to_be_bytes();
            [&length[4 - usize::from(bytes)..], nal].concat()
        };
        let picture = framed(b"\x65\x88");
        let cases: [Case; 5] = [
            ("zero lengths", b"", b"\0\0\0\0", b""),
            ("zero lengths, then a slice", b"", b"\0\0\0\0", &picture),
            ("slices", b"", &picture, b""),
            ("SEI units", b"", &framed(&sei), &picture),
            ("a length past the end", &picture, b"\xff", b""),
        ];
        for (name, head, piece, tail) in cases {
            let make = |n| repeated(head, piece, tail, n);
            grows_linearly(&format!("lengths of {bytes}, {name}"), make, |sample| {
                let framing = Framing::LengthPrefixed(bytes);
                capped::stream(NalCodec::H264, framing, sample, usize::MAX, &[0; 100])
            });
        }
    }
    let mut large = framed_sei(1 << 20);
    large.extend(b"\0\0\0\x02\x65\x88");
    capped::stream(NalCodec::H264, Framing::LengthPrefixed(4), &large, usize::MAX, &[0; 100]);
}

/// A stream's memory does not grow with it, but with its access units.
#[test]
fn units_that_were_taken_are_forgotten() {
    let picture = b"\0\0\x01\x65\x88\x80";
    let bytes = picture.repeat(1 << 16);
    for chunk in [1, 1000, 4096] {
        let (_, used) = used(|| {
            let mut stream = Stream::new(NalCodec::H264, Framing::AnnexB).unwrap();
            for piece in bytes.chunks(chunk) {
                stream.push(piece).unwrap();
                while stream.next_unit().unwrap().is_some() {}
            }
        });
        assert!(used.peak <= 6 * (chunk + 2 * picture.len()), "{chunk}: {used:?}");
    }
}

/// One SEI unit of zeros behind a message of ours: emulation prevention was missing.
fn framed_sei(n: usize) -> Vec<u8> {
    let ours = message(5, &[&UUID[..], &[2]].concat());
    let nal = [b"\x06", &ours[..], &vec![0; n], b"\x80"].concat();
    [&(nal.len() as u32).to_be_bytes()[..], &nal].concat()
}

/// The bodies that ask for the most work: every value as large as can be, and bytes without a
/// pattern.
#[test]
fn payloads() {
    for model in nameable() {
        let largest = update_of(model, 15, |_| 255, |_| 0);
        // Of coefficients: one, some and all of every layer, as small and as large as can be. What
        // is too long for a payload is cut off.
        let of_coefficients = [
            finest_coefficients(model),
            update_of(model, 0, |_| 0, |i| i16::from(i == 0)),
            update_of(model, 3, |_| 0, |i| i16::from(i % 50 == 0)),
            update_of(model, 0, |_| 0, |_| 1),
            update_of(model, 15, |_| 0, |_| 255),
            update_of(model, 15, |i| i as i16, |i| (i * 89 % 511) as i16 - 255),
        ];
        let mut random = Xorshift(0x5eed_0040);
        let noise: Vec<u8> = (0..MAX_PAYLOAD - 8 - 3).map(|_| random.next() as u8).collect();
        let video = model.codec == CodecKind::Hevc;
        let strengths: &[u8] = if video { &[30; 3] } else { &[] };
        let repeated = [0, 0x55, 0xfe].map(|byte| vec![byte; noise.len()]);
        let none = Vec::new();
        let updates =
            [&none, &largest, &noise].into_iter().chain(&repeated).chain(&of_coefficients);
        for update in updates {
            let update = &update[..update.len().min(noise.len())];
            let body = [strengths, update].concat();
            let bytes = payload::build(Mode::Update, model.id, &body, BINDING).unwrap();
            let start = Instant::now();
            let taken = capped::payload(&bytes);
            assert!(start.elapsed() < PATIENCE);
            report(&format!("update of {} bytes", update.len()), &taken);
        }
    }
    let mut long = vec![0; 1 << 20];
    seal_payload(&mut long, BINDING);
    capped::payload(&long);
}

/// A payload's first naming of a model reads it, or makes it of one that was read.
#[test]
fn models_that_payloads_name() {
    for model in embedded() {
        let file = Model::clone(model).write_file();
        report(&format!("model of {} bytes", file.len()), &capped::model(&file));
        let taken = capped::single_weights(model);
        report(&format!("single weights of a model of {} bytes", file.len()), &taken);
    }
    assert_eq!(nameable().len(), 2 * embedded().len());
}

/// The body of an update with these values of scales and biases and these coefficients, by their
/// places in a layer.
fn update_of(
    model: &Model,
    step: u8,
    value: impl Fn(usize) -> i16,
    coefficient: impl Fn(usize) -> i16,
) -> Vec<u8> {
    let layers = model.shapes().into_iter().map(|(inputs, outputs)| LayerUpdate {
        scale: (0..outputs).map(&value).collect(),
        bias: (0..outputs).map(&value).collect(),
        coefficients: (0..9 * inputs * outputs).map(&coefficient).collect(),
    });
    update::encode(&Update { step, layers: layers.collect() }, &model.prior).unwrap()
}

/// The body of an update of one coefficient in each layer, the one of the smallest step: decoders
/// accept it.
fn finest_coefficients(model: &Model) -> Vec<u8> {
    let layer = |layer: &ModelLayer| {
        let step = |i: &usize| layer.step(i / layer.cout, i % layer.cout, 0);
        let finest = (0..layer.weights.len()).min_by_key(step).unwrap();
        let coefficients = (0..layer.weights.len()).map(|i| i16::from(i == finest)).collect();
        LayerUpdate { coefficients, ..LayerUpdate::zeros(layer.cout) }
    };
    let layers = model.networks().flat_map(|n| &n.layers).map(layer);
    let update = Update { step: 0, layers: layers.collect() };
    let condition = Condition::from_jpeg_tables(&[40; 64], &[70; 64], Layout::I420);
    Prepared::new(model, condition, Some(&update)).unwrap();
    update::encode(&update, &model.prior).unwrap()
}

/// Payloads that are refused at the last step, in one picture: only so many are tried.
#[test]
fn payloads_of_one_picture() {
    let source = Owned::<u8>::new(Layout::I420, 8, 16, 16, |i| i as u8);
    let model = embedded().iter().find(|m| m.codec == CodecKind::Hevc).unwrap();
    let layers = model.shapes().into_iter().map(|(_, outputs)| {
        let bias = vec![255; outputs];
        LayerUpdate { bias, ..LayerUpdate::zeros(outputs) }
    });
    let biases = Update { step: 15, layers: layers.collect() };
    let biases = update::encode(&biases, &model.prior).unwrap();
    // Coefficients alone may be accepted: weights saturate.
    let all = update_of(model, 15, |_| 255, |_| 255);
    for update in [biases, all] {
        let body = [&[30; 3][..], &update].concat();
        let payload = payload::build(Mode::Update, model.id, &body, of_picture(&source.view()));
        are_tried_so_often(&source, &payload.unwrap());
    }
}

fn are_tried_so_often(source: &Owned<u8>, payload: &[u8]) {
    let message = [&UUID[..], payload].concat();
    let take = |messages: usize| {
        let mut decoder = Decoder::new(DecoderSettings { threads: 1, ..Default::default() });
        let messages = vec![&message[..]; messages];
        let view = source.view();
        let (result, used) = used(|| decoder.set_messages(&view, messages.iter().copied()));
        assert_eq!(result, Err(Error::Corrupt));
        used.taken
    };
    let [one, most, more] = [1, MAX_TRIED, 1000].map(take);
    assert_eq!(more, most);
    assert!(one < most);
}

#[test]
fn model_files() {
    let mut shapes = Vec::new();
    for channels in [16, 64] {
        for hidden in [1, 8] {
            shapes.push((Arch::luma(channels, hidden), None));
            shapes.push((Arch::luma(channels, hidden), Some(Arch::chroma(64, 8))));
        }
    }
    for (luma, chroma) in shapes {
        let mut file = b"SLMODEL3\x01".to_vec();
        for arch in [Some(luma), chroma] {
            file.extend(arch.map_or([0; 2], |a| [a.channels as u8, a.hidden as u8]));
        }
        file.extend(b"\0\xc4\0");
        file.extend([128; 196]);
        let networks = [Some(luma), chroma].into_iter().flatten();
        for (arch, layer) in networks.flat_map(|a| (0..a.layers()).map(move |l| (a, l))) {
            let (cin, cout) = arch.layer(layer);
            file.extend(b"\x0f\xff\x7f\x02");
            file.extend(vec![1; 2 * 9 * cin * cout]);
            for _ in 0..(arch.phases(layer) + arch.features + 3) * cout {
                file.extend(1i32.to_le_bytes());
            }
            // Mean and basis, steps, classes and levels.
            file.extend(vec![1; 2 * cin + 9 * 9 + cin * cin + cout * cout]);
            for _ in 0..10 * cin + 2 * cout {
                file.extend(1i32.to_le_bytes());
            }
            file.extend(vec![0; 3 * cout + 9 * cin]);
        }
        file.extend([0; 8]);
        let whole = file.len();
        // Whole; cut off, and with much behind it: the head promises more or less than there is.
        for len in [whole, whole - 1, whole / 2, 100, 4 << 20, 5 << 20] {
            let mut file = file.clone();
            file.resize(len, 0);
            seal_model(&mut file);
            let start = Instant::now();
            let taken = capped::model(&file);
            assert!(start.elapsed() < PATIENCE);
            report(&format!("model of {whole} bytes at {len}"), &taken);
        }
    }
}
