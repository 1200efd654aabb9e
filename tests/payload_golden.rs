//! Payloads in tests/data/payload/, byte for byte: what they mean, or why they are refused.
//!
//! A change of any of these files is a change of the format. With SIDELIGHT_BLESS set the files
//! are written instead of read.

use sidelight::entropy::{golomb, Context, Encoder, Writer};
use sidelight::payload::update::{encode, read};
use sidelight::payload::{
    build, parse, Class, Coding, ContextTable, LayerUpdate, Mode, Update, CONTEXTS,
};
use sidelight::{Error, Result};
use std::path::Path;

const MODEL: u32 = 0x51DE_1165;
const BINDING: u64 = 0x0123_4567_89AB_CDEF;

const OFF: [u8; 8] = [0x00, 0x00, 0x00, 0x00, 0x00, 0x11, 0xE0, 0x52];
const ONE_LAYER: [u8; 13] =
    [0x02, 0x65, 0x11, 0xDE, 0x51, 0xDD, 0xE3, 0xCB, 0x30, 0x95, 0xCA, 0x96, 0x77];

fn untuned(networks: &[&[usize]]) -> Coding {
    Coding::untuned(&networks.iter().map(|n| n.to_vec()).collect::<Vec<_>>()).unwrap()
}

/// A table and classes unlike the default ones.
fn ramp(networks: &[&[usize]]) -> Coding {
    let table = ContextTable::new(std::array::from_fn(|i| (i * 5 / 2) as u8));
    let mut networks = untuned(networks).networks().to_vec();
    for (i, layer) in networks.iter_mut().flatten().enumerate() {
        for (c, class) in layer.scale.iter_mut().chain(&mut layer.bias).enumerate() {
            *class = Class::from_byte(((3 * i + 7 * c) % 20) as u8).unwrap();
        }
    }
    Coding::new(table, networks).unwrap()
}

struct Good {
    name: &'static str,
    mode: Mode,
    model: u32,
    update: Option<Update>,
    coding: Coding,
}

fn layer(scale: &[i16], bias: &[i16]) -> LayerUpdate {
    LayerUpdate { scale: scale.to_vec(), bias: bias.to_vec() }
}

fn zeros(len: usize) -> LayerUpdate {
    layer(&vec![0; len], &vec![0; len])
}

#[rustfmt::skip]
fn typical() -> Update {
    Update {
        step: 4,
        layers: vec![
            layer(
                &[0, 0, 1, 0, 0, 0, -1, 0, 0, 0, 0, 2, 0, 0, 0, 0, 1, -1, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, -3],
                &[0, 1, 1, 0, 0, -1, -2, 0, 0, 0, 0, 1, 0, 0, 1, 0, 0, -1, 0, 0, 4, 0, 0, -1, 0, 0, 0, 0, 1, 0, 0, 0],
            ),
            layer(
                &[0; 32],
                &[0, 0, 0, 0, -1, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0],
            ),
            layer(
                &[0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1],
                &[0; 32],
            ),
            layer(
                &[1, 0, 0, 2, 1, 0, -1, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, -1, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0],
                &[2, 0, -1, 1, 1, 0, 0, 0, -6, 0, 0, 1, 0, 0, 0, 1, 0, 0, -1, 0, 0, 0, 1, 0, 0, 1, 0, 0, -1, 0, 0, 0],
            ),
            layer(&[1, 1, 0, 1], &[-1, -2, -1, -1]),
        ],
    }
}

/// Channels of luma's and of chroma's layers.
const LUMA: &[usize] = &[32, 32, 32, 32, 4];
const CHROMA: &[usize] = &[16, 16, 2];

fn chroma() -> [LayerUpdate; 3] {
    let mut layers = [16, 16, 2].map(zeros);
    layers[0].bias[3] = -2;
    layers[0].bias[9] = 1;
    layers[2].scale = vec![1, -1];
    layers
}

/// Luma alone, or with chroma.
fn colour(luma: Vec<LayerUpdate>, chroma: [LayerUpdate; 3]) -> Update {
    Update { step: 4, layers: luma.into_iter().chain(chroma).collect() }
}

fn good() -> Vec<Good> {
    let update = |name, update, coding| Good {
        name,
        mode: Mode::Update,
        model: MODEL,
        update: Some(update),
        coding,
    };
    let plain = |name, mode, model| Good { name, mode, model, update: None, coding: untuned(&[]) };
    let corners = Update {
        step: 7,
        layers: vec![
            layer(&[1, -1, 14, -15, 16, 255, -255, 0], &[0, 0, 0, 0, 0, 0, 0, -1]),
            layer(&[], &[]),
            layer(&[-128], &[15]),
            layer(&[0], &[17]),
            layer(&[0, 0, 3], &[0, 0, 0]),
        ],
    };
    let one_layer = Update { step: 1, layers: vec![layer(&[0, 1, -1, 2], &[-2, 0, 0, 5])] };
    let all_zero = || LUMA.iter().map(|&n| zeros(n)).collect::<Vec<_>>();
    let none = [16, 16, 2].map(zeros);
    vec![
        plain("off", Mode::Off, 0),
        plain("base", Mode::Base, MODEL),
        update("zeros", Update { step: 0, layers: all_zero() }, untuned(&[LUMA])),
        update("no_layers", Update::default(), untuned(&[])),
        update("one_layer", one_layer, untuned(&[&[4]])),
        update("corners", corners, untuned(&[&[8, 0, 1, 1, 3]])),
        update("typical", typical(), untuned(&[LUMA])),
        update("typical_ramp", typical(), ramp(&[LUMA])),
        update("no_networks", colour(all_zero(), none.clone()), untuned(&[LUMA, CHROMA])),
        update("luma_alone", colour(typical().layers, none), untuned(&[LUMA, CHROMA])),
        update("chroma_alone", colour(all_zero(), chroma()), untuned(&[LUMA, CHROMA])),
        update("colour_ramp", colour(typical().layers, chroma()), ramp(&[LUMA, CHROMA])),
    ]
}

/// The file's bytes, or those of `make` when blessing.
fn file(name: &str, make: impl FnOnce() -> Vec<u8>) -> Vec<u8> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/payload");
    let path = folder.join(name).with_extension("bin");
    if std::env::var_os("SIDELIGHT_BLESS").is_some() {
        std::fs::write(&path, make()).unwrap();
    }
    std::fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn body(good: &Good) -> Vec<u8> {
    good.update.as_ref().map_or_else(Vec::new, |update| encode(update, &good.coding).unwrap())
}

fn payload(good: &Good) -> Vec<u8> {
    build(good.mode, good.model, &body(good), BINDING).unwrap()
}

/// All that a decoder checks.
fn decode(bytes: &[u8], coding: &Coding) -> Result<(Mode, u32, Option<Update>)> {
    let header = parse(bytes)?;
    header.check_binding(BINDING)?;
    let (_, body) = header.parts(false)?;
    let update = match header.mode {
        Mode::Update => Some(read(body, coding)?),
        _ => None,
    };
    Ok((header.mode, header.model, update))
}

#[test]
fn good_payloads() {
    for good in good() {
        let bytes = file(good.name, || payload(&good));
        println!("{:14} {:3} bytes", good.name, bytes.len());
        assert_eq!(payload(&good), bytes, "{}", good.name);
        let decoded = decode(&bytes, &good.coding);
        assert_eq!(decoded, Ok((good.mode, good.model, good.update)), "{}", good.name);
    }
}

/// The two examples of docs/payload.md.
#[test]
fn documented_examples() {
    let [off, .., one_layer] = &good()[..5] else { unreachable!() };
    assert_eq!(payload(off), OFF);
    assert_eq!(payload(one_layer), ONE_LAYER);
}

#[test]
fn every_damaged_bit_is_noticed() {
    for good in good() {
        let bytes = payload(&good);
        for bit in 0..8 * bytes.len() {
            let mut damaged = bytes.clone();
            damaged[bit / 8] ^= 1 << (bit % 8);
            assert!(parse(&damaged).is_err(), "{} bit {bit}", good.name);
        }
        for len in 0..bytes.len() {
            let result = decode(&bytes[..len], &good.coding);
            assert!(result.is_err(), "{} cut to {len}", good.name);
            if len < 8 {
                assert_eq!(result, Err(Error::Corrupt));
            }
        }
        assert_eq!(parse(&bytes).unwrap().check_binding(BINDING + 1), Err(Error::Stale));
    }
}

/// The check of docs/payload.md, written a second time.
fn seal(mut payload: Vec<u8>) -> Vec<u8> {
    payload[5] = 0;
    let mut register = 0xFFu32;
    for &byte in &payload {
        for i in (0..8).rev() {
            let out = register >> 7 ^ u32::from(byte) >> i & 1;
            register = (register << 1 & 0xFF) ^ (0x2F * (out & 1));
        }
    }
    payload[5] = register as u8;
    payload
}

fn with_body(body: &[u8]) -> Vec<u8> {
    build(Mode::Update, MODEL, body, BINDING).unwrap()
}

/// The default contexts by the numbers of docs/payload.md.
fn contexts() -> [Context; CONTEXTS] {
    ContextTable::DEFAULT.as_bytes().map(Context::new)
}

/// A body for one layer of one channel whose scale has a magnitude that no encoder would write.
fn huge(escape: u32) -> Vec<u8> {
    let mut contexts = contexts();
    let mut encoder = Encoder::new();
    encoder.bypass(0, 3);
    encoder.bit(&mut contexts[0], false);
    encoder.bit(&mut contexts[2], false);
    encoder.bit(&mut contexts[40], true);
    for context in &mut contexts[70..84] {
        encoder.bit(context, true);
    }
    golomb::write_unsigned(&mut encoder, &mut [], 0, escape);
    encoder.bit(&mut contexts[3], true);
    encoder.finish()
}

#[test]
fn huge_is_huge_for_the_right_reason() {
    let expected = Update { step: 0, layers: vec![layer(&[-255], &[0])] };
    assert_eq!(read(&huge(240), &untuned(&[&[1]])), Ok(expected));
}

/// A body whose networks of one layer are empty or not, but all of whose lists are empty.
fn nothing(empty: &[bool]) -> Vec<u8> {
    let mut contexts = contexts();
    let mut encoder = Encoder::new();
    encoder.bypass(0, 3);
    for (network, empty) in empty.iter().enumerate() {
        encoder.bit(&mut contexts[network], *empty);
        if !empty {
            encoder.bit(&mut contexts[2], true);
            encoder.bit(&mut contexts[3], true);
        }
    }
    encoder.finish()
}

#[test]
fn nothing_is_refused_for_the_right_reason() {
    let expected = Update { step: 0, layers: vec![zeros(3), zeros(2)] };
    assert_eq!(read(&nothing(&[true, true]), &untuned(&[&[3], &[2]])), Ok(expected));
}

/// A file's name, the error, channels of the networks' layers, the file.
type Bad<'a> = (&'a str, Error, &'a [&'a [usize]], Vec<u8>);

#[test]
fn bad_payloads() {
    let typical_body = || encode(&typical(), &untuned(&[LUMA])).unwrap();
    let base = || build(Mode::Base, MODEL, &[], BINDING).unwrap();
    let first = |byte: u8, mut payload: Vec<u8>| {
        payload[0] = byte;
        seal(payload)
    };
    let bad: Vec<Bad<'_>> = vec![
        ("bad_nothing", Error::Corrupt, &[], vec![]),
        ("bad_short", Error::Corrupt, &[], base()[..7].to_vec()),
        ("bad_version_1", Error::Unsupported, &[], first(0x11, base())),
        ("bad_version_15", Error::Unsupported, &[], first(0xFF, base())),
        // The version comes before the check: a later one may have another check.
        ("bad_version_and_check", Error::Unsupported, &[], {
            let mut payload = first(0x11, base());
            payload[5] ^= 1;
            payload
        }),
        ("bad_check", Error::Corrupt, &[], {
            let mut payload = base();
            payload[5] ^= 0x40;
            payload
        }),
        ("bad_mode_3", Error::Unsupported, &[], first(0x03, base())),
        ("bad_mode_15", Error::Unsupported, &[], first(0x0F, base())),
        ("bad_base_with_body", Error::Corrupt, &[], {
            build(Mode::Base, MODEL, &[0x5A], BINDING).unwrap()
        }),
        ("bad_off_with_body", Error::Corrupt, &[], first(0x00, with_body(&[1]))),
        ("bad_binding", Error::Stale, &[], {
            build(Mode::Base, MODEL, &[], BINDING ^ 1 << 63).unwrap()
        }),
        ("bad_trailing_zero", Error::Corrupt, &[LUMA], {
            with_body(&[typical_body(), vec![0]].concat())
        }),
        ("bad_trailing_byte", Error::Corrupt, &[LUMA], {
            with_body(&[typical_body(), vec![0x80]].concat())
        }),
        ("bad_trailing_far", Error::Corrupt, &[LUMA], {
            with_body(&[typical_body(), vec![0; 9], vec![1]].concat())
        }),
        ("bad_unread", Error::Corrupt, &[], with_body(&[0, 0, 0, 0, 0, 1])),
        ("bad_outside", Error::Corrupt, &[LUMA], with_body(&[0xFF; 40])),
        ("bad_magnitude_256", Error::Corrupt, &[&[1]], with_body(&huge(241))),
        ("bad_long_prefix", Error::Corrupt, &[&[1]], with_body(&huge(255))),
        ("bad_longest_prefix", Error::Corrupt, &[&[1]], with_body(&huge(u32::MAX))),
        ("bad_luma_of_zeros", Error::Corrupt, &[&[3]], with_body(&nothing(&[false]))),
        ("bad_chroma_of_zeros", Error::Corrupt, &[&[3], &[2]], {
            with_body(&nothing(&[true, false]))
        }),
    ];
    for (name, error, networks, made) in bad {
        let bytes = file(name, || made.clone());
        assert_eq!(made, bytes, "{name}");
        let result = decode(&bytes, &untuned(networks));
        assert_eq!(result.map(|_| ()), Err(error), "{name}");
    }
}

/// The right bytes with the wrong table or network give an error or another update, no panic.
#[test]
fn wrong_model() {
    for good in good() {
        let body = body(&good);
        let networks: &[&[&[usize]]] =
            &[&[], &[&[1]], &[&[7, 9]], &[&[32; 5]], &[&[1000]], &[&[1], &[9]], &[LUMA, CHROMA]];
        for networks in networks {
            let _ = read(&body, &untuned(networks));
            let _ = read(&body, &ramp(networks));
        }
    }
}
