//! Every golden file and every shipped model, damaged in many ways, through all readers. The damage
//! is the same in every run; a failure prints the file and the step. One of them again:
//!
//!     SIDELIGHT_MUTATION="jpeg/gray.jpg 123" cargo test --release --test hostile mutation

use crate::capped;
use crate::common::rng::Xorshift;
use crate::hostile::{self, embedded, nameable, seal_model, seal_payload, BINDING};
use sidelight::carriage::nal::{Framing, NalCodec};
use sidelight::network::update::{LayerUpdate, Update};
use sidelight::network::CodecKind;
use sidelight::payload::header::HEADER_SIZE;
use sidelight::payload::{build, update, Mode, MAX_PAYLOAD};
use std::fs;
use std::path::Path;

/// Bytes and lengths that formats give a meaning.
const BYTES: [u8; 12] = [0, 1, 2, 3, 4, 5, 16, 0x7f, 0x80, 0xd9, 0xfe, 0xff];

/// Does one piece of damage; `other` is a file of the same kind.
fn damage(bytes: &mut Vec<u8>, other: &[u8], random: &mut Xorshift) {
    if bytes.is_empty() {
        bytes.push(random.next() as u8);
    }
    let at = random.below(bytes.len());
    // Pieces are short more often than long.
    let bits = random.below(10);
    let len = 1 + random.below(1 << bits);
    let piece = |bytes: &[u8], at: usize| bytes[at..bytes.len().min(at + len)].to_vec();
    match random.below(8) {
        0 => bytes[at] ^= 1 << random.below(8),
        1 => bytes[at] = random.one_of(&BYTES),
        2 => bytes[at] = random.next() as u8,
        3 => bytes.truncate(at),
        4 => drop(bytes.drain(at..bytes.len().min(at + len))),
        5 => {
            let piece = piece(bytes, at);
            let times = 1 + random.below(4);
            bytes.splice(at..at, piece.repeat(times));
        }
        6 if !other.is_empty() => {
            let piece = piece(other, random.below(other.len()));
            let end = if random.below(2) == 0 { at } else { bytes.len().min(at + len) };
            bytes.splice(at..end, piece);
        }
        _ => {
            // A length of 2 or 4 bytes.
            let width = random.one_of(&[2, 4]).min(bytes.len() - at);
            let field = &mut bytes[at..at + width];
            let old = field.iter().fold(0u32, |n, byte| n << 8 | u32::from(*byte));
            let new = match random.below(6) {
                0 => old.wrapping_add(1),
                1 => old.wrapping_sub(1),
                2 => u32::from(random.one_of(&BYTES)),
                3 => u32::MAX,
                4 => old.wrapping_mul(2),
                _ => random.next() as u32,
            };
            field.copy_from_slice(&new.to_be_bytes()[4 - width..]);
        }
    }
}

/// Says where a test was when it failed.
struct Step<'a>(&'a str, u64);

impl Drop for Step<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("at: SIDELIGHT_MUTATION=\"{} {}\"", self.0, self.1);
        }
    }
}

/// Calls `read` with each file of `folder` whose name ends with one of `ends`, whole and with
/// damage in the ways that `steps` number; 0 is none.
fn files(
    folder: &str,
    ends: &[&str],
    steps: impl Iterator<Item = u64> + Clone,
    mut read: impl FnMut(&str, &[u8], &mut Xorshift),
) {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join(folder);
    let names = fs::read_dir(&root).unwrap().map(|e| e.unwrap().file_name().into_string().unwrap());
    let mut names: Vec<String> = names.filter(|n| ends.iter().any(|e| n.ends_with(e))).collect();
    names.sort();
    assert!(names.len() > 3, "{folder}");
    let all: Vec<Vec<u8>> = names.iter().map(|n| fs::read(root.join(n)).unwrap()).collect();
    let chosen = std::env::var("SIDELIGHT_MUTATION").ok();
    let kind = folder.rsplit('/').next().unwrap_or(folder);
    for (name, whole) in names.iter().zip(&all) {
        let name = format!("{kind}/{name}");
        for step in steps.clone() {
            if chosen.as_ref().is_some_and(|c| *c != format!("{name} {step}")) {
                continue;
            }
            let place = Step(&name, step);
            let seed = name
                .bytes()
                .fold(step + 1, |hash, b| (hash ^ u64::from(b)) * 0x1_0000_01b3 % (1 << 31));
            let mut random = Xorshift(0x9e37_79b9_7f4a_7c15 ^ seed);
            let mut bytes = whole.clone();
            if step > 0 {
                for _ in 0..=random.below(4) {
                    let other = &all[random.below(all.len())];
                    damage(&mut bytes, other, &mut random);
                }
            }
            read(&name, &bytes, &mut random);
            drop(place);
        }
    }
}

fn damaged_payloads(steps: impl Iterator<Item = u64> + Clone) {
    files("tests/data/payload", &[".bin"], steps, |_, bytes, random| {
        let mut bytes = bytes.to_vec();
        // Most get past the check, and many name a model that there is.
        if random.below(8) > 0 {
            if random.below(2) > 0 && bytes.len() > 8 {
                let model = random.one_of(nameable());
                bytes[1..5].copy_from_slice(&model.id.to_le_bytes());
            }
            seal_payload(&mut bytes, BINDING);
        }
        hostile::payload(&bytes);
        capped::payload(&bytes);
        hostile::update_body(&bytes[bytes.len().min(8)..], random.one_of(embedded()));
    });
}

// In halves, which run side by side.

#[test]
fn payloads_with_even_damage() {
    damaged_payloads((0..800).step_by(2));
}

#[test]
fn payloads_with_odd_damage() {
    damaged_payloads((1..800).step_by(2));
}

/// Updates with some coefficients for every model there is, most of them damaged.
#[test]
fn updates_of_coefficients() {
    let (mut read, mut refused) = (0, 0);
    for (model, step) in embedded().iter().flat_map(|m| (0..200).map(move |s| (*m, s))) {
        let name = format!("{:08x}", model.id);
        let place = Step(&name, step);
        let mut random = Xorshift(0x9e37_79b9_7f4a_7c15 ^ u64::from(model.id) ^ step << 40);
        let layers = model.shapes().into_iter().map(|(inputs, outputs)| {
            let mut layer = LayerUpdate::zeros(outputs);
            layer.scale[0] = random.below(3) as i16 - 1;
            if random.below(2) == 0 {
                layer.coefficients = vec![0; 9 * inputs * outputs];
                for _ in 0..random.below(20) {
                    let at = random.below(layer.coefficients.len());
                    layer.coefficients[at] = random.one_of(&[1, -1, 1, -1, 2, -3, 7, 8, 255, -255]);
                }
            }
            layer
        });
        let update = Update { layers: layers.collect(), step: random.below(8) as u8 };
        let mut body = update::encode(&update, &model.prior).unwrap();
        let other = body.clone();
        for _ in 0..random.below(4) {
            damage(&mut body, &other, &mut random);
        }
        match hostile::update_body(&body, model) {
            Some(_) => read += 1,
            None => refused += 1,
        }
        let front: &[u8] = if model.codec == CodecKind::Hevc { &[30; 3] } else { &[] };
        body.truncate(MAX_PAYLOAD - HEADER_SIZE - front.len());
        let body = [front, &body].concat();
        capped::payload(&build(Mode::Update, model.id, &body, BINDING).unwrap());
        drop(place);
    }
    assert!(read > 50 && refused > 50, "{read} {refused}");
}

#[test]
fn jpeg_files() {
    files("tests/data/jpeg", &[".jpg"], 0..8000, |_, bytes, random| {
        let payload = [2; 40];
        hostile::jpeg(bytes, &payload[..random.below(40)]);
        capped::jpeg(bytes, &payload);
    });
}

#[test]
fn streams() {
    files("tests/data/nal", &[".bin", ".bit"], 0..4000, |name, bytes, random| {
        let codec = match name {
            _ if name.contains("hevc") => NalCodec::Hevc,
            _ if name.contains("vvc") => NalCodec::Vvc,
            _ if name.contains("h264") => NalCodec::H264,
            _ => random.one_of(&[NalCodec::H264, NalCodec::Hevc, NalCodec::Vvc]),
        };
        let framing = if name.contains("sample") {
            Framing::LengthPrefixed(random.one_of(&[4, 4, 4, 2, 1]))
        } else {
            Framing::AnnexB
        };
        let payload = [0, 0, 1, 3, 0];
        let payload = &payload[..random.below(6)];
        let largest = 1 << random.below(8);
        hostile::stream(codec, framing, bytes, || 1 + random.below(largest), payload);
        capped::stream(codec, framing, bytes, largest, payload);
    });
}

#[test]
fn model_files() {
    let mut usable = 0;
    files("models", &[".slm"], 0..250, |_, bytes, random| {
        let mut bytes = bytes.to_vec();
        if random.below(4) > 0 {
            seal_model(&mut bytes);
        }
        usable += usize::from(hostile::model(&bytes));
        capped::model(&bytes);
    });
    assert!(usable > 50 || std::env::var_os("SIDELIGHT_MUTATION").is_some(), "{usable}");
}
