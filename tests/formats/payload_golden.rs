//! Payloads in tests/data/payload/, byte for byte: what they mean, or why they are refused.
//!
//! A change of any of these files is a change of the format. With SIDELIGHT_BLESS set the files
//! are written instead of read.

use sidelight::entropy::{exp_golomb, Context, RangeEncoder, Writer};
use sidelight::network::prior::{ChannelClass, InitialStates, UpdatePrior, CONTEXTS};
use sidelight::network::update::{LayerUpdate, Update};
use sidelight::payload::update::{encode, read};
use sidelight::payload::{build, parse, Mode};
use sidelight::{Error, Result};
use std::path::Path;

const MODEL: u32 = 0x51DE_1165;
const BINDING: u64 = 0x0123_4567_89AB_CDEF;

const OFF: [u8; 8] = [0x00, 0x00, 0x00, 0x00, 0x00, 0x11, 0xE0, 0x52];
const ONE_LAYER: [u8; 13] =
    [0x02, 0x65, 0x11, 0xDE, 0x51, 0x04, 0xAE, 0xA6, 0x1D, 0x49, 0x62, 0xC3, 0xB2];
const ONE_COEFFICIENT: [u8; 11] =
    [0x02, 0x65, 0x11, 0xDE, 0x51, 0xBF, 0xB6, 0x9F, 0x3B, 0x0C, 0xAB];

/// Input and output channels of a layer.
pub(crate) type Shape = (usize, usize);

fn untuned(networks: &[&[Shape]]) -> UpdatePrior {
    UpdatePrior::untuned(&networks.iter().map(|n| n.to_vec()).collect::<Vec<_>>()).unwrap()
}

/// A table, classes and levels unlike the default ones.
fn ramp(networks: &[&[Shape]]) -> UpdatePrior {
    let table = InitialStates::new(std::array::from_fn(|i| (i * 5 / 2) as u8));
    let mut networks = untuned(networks).networks().to_vec();
    for (i, layer) in networks.iter_mut().flatten().enumerate() {
        for (c, class) in layer.scale.iter_mut().chain(&mut layer.bias).enumerate() {
            *class = ChannelClass::from_byte(((3 * i + 7 * c) % 20) as u8).unwrap();
        }
        for (c, level) in layer.row_level.iter_mut().chain(&mut layer.column_level).enumerate() {
            *level = ((i + 5 * c) % 24) as u8;
        }
    }
    UpdatePrior::new(table, networks).unwrap()
}

pub(crate) struct Good {
    pub name: &'static str,
    mode: Mode,
    model: u32,
    update: Option<Update>,
    pub prior: UpdatePrior,
}

impl Good {
    /// The file's bytes.
    pub fn bytes(&self) -> Vec<u8> {
        file(self.name, || payload(self))
    }
}

fn layer(scale: &[i16], bias: &[i16]) -> LayerUpdate {
    LayerUpdate { scale: scale.to_vec(), bias: bias.to_vec(), coefficients: Vec::new() }
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
pub(crate) const LUMA: &[Shape] = &[(4, 32), (32, 32), (32, 32), (32, 32), (32, 4)];
pub(crate) const CHROMA: &[Shape] = &[(6, 16), (16, 16), (16, 2)];

fn chroma() -> [LayerUpdate; 3] {
    let mut layers = [16, 16, 2].map(zeros);
    layers[0].bias[3] = -2;
    layers[0].bias[9] = 1;
    layers[2].scale = vec![1, -1];
    layers
}

/// `update` with coefficients, each at (layer, [pattern, input, output]), in networks of these
/// shapes.
fn with_coefficients(
    mut update: Update,
    shapes: &[Shape],
    changes: &[(usize, [usize; 3], i16)],
) -> Update {
    for &(layer, [p, i, o], value) in changes {
        let (inputs, outputs) = shapes[layer];
        let coefficients = &mut update.layers[layer].coefficients;
        coefficients.resize(9 * inputs * outputs, 0);
        coefficients[(p * inputs + i) * outputs + o] = value;
    }
    update
}

/// Some coefficients of `typical` and `chroma`: in a first, a hidden and a last layer.
const CHANGES: &[(usize, [usize; 3], i16)] = &[
    (0, [0, 0, 0], 1),
    (0, [4, 3, 17], -2),
    (0, [5, 3, 17], -1),
    (2, [8, 31, 31], 1),
    (2, [1, 7, 12], -1),
    (2, [3, 7, 12], 3),
    (2, [4, 8, 12], 1),
    (2, [4, 20, 12], -1),
    (4, [4, 9, 0], 1),
    (4, [4, 9, 3], 1),
    (6, [2, 15, 15], -8),
    (7, [8, 0, 1], 7),
];

fn typical_coefficients() -> Update {
    with_coefficients(typical(), LUMA, &CHANGES[..10])
}

/// Magnitudes at which a coefficient's code changes; coefficients alone, every place and
/// neighbourhood.
fn coefficient_corners() -> Update {
    let values = [1, -1, 2, 6, -7, 7, 8, -8, 9, 10, 11, 23, 71, -134, 135, 254, 255, -255];
    let mut layers = CORNERS.map(|(_, outputs)| zeros(outputs));
    for (layer, (inputs, outputs)) in layers.iter_mut().zip(CORNERS) {
        layer.coefficients = (0..9 * inputs * outputs).map(|i| values[i % 18]).collect();
    }
    layers[3].coefficients.clear();
    layers[4].coefficients[1..].fill(0);
    Update { step: 15, layers: layers.to_vec() }
}
const CORNERS: [Shape; 5] = [(2, 3), (3, 1), (1, 2), (2, 1), (1, 4)];

/// Luma alone, or with chroma.
fn colour(luma: Vec<LayerUpdate>, chroma: [LayerUpdate; 3]) -> Update {
    Update { step: 4, layers: luma.into_iter().chain(chroma).collect() }
}

/// One coefficient, the second example of an update in docs/payload.md.
fn one_coefficient() -> Update {
    with_coefficients(Update { step: 3, layers: vec![zeros(1)] }, &[(2, 1)], &[(0, [4, 1, 0], -1)])
}

pub(crate) fn good() -> Vec<Good> {
    let update = |name, update, prior| Good {
        name,
        mode: Mode::Update,
        model: MODEL,
        update: Some(update),
        prior,
    };
    let plain = |name, mode, model| Good { name, mode, model, update: None, prior: untuned(&[]) };
    let corners = Update {
        step: 15,
        layers: vec![
            layer(&[1, -1, 14, -15, 16, 255, -255, 0], &[0, 0, 0, 0, 0, 0, 0, -1]),
            layer(&[], &[]),
            layer(&[-128], &[15]),
            layer(&[0], &[17]),
            layer(&[0, 0, 3], &[0, 0, 0]),
        ],
    };
    let one_layer = Update { step: 1, layers: vec![layer(&[0, 1, -1, 2], &[-2, 0, 0, 5])] };
    let all_zero = || LUMA.iter().map(|&(_, n)| zeros(n)).collect::<Vec<_>>();
    let none = [16, 16, 2].map(zeros);
    let all = [LUMA, CHROMA].concat();
    let colour_coefficients =
        || with_coefficients(colour(typical().layers, chroma()), &all, CHANGES);
    let chroma_coefficients =
        with_coefficients(colour(all_zero(), none.clone()), &all, &CHANGES[10..]);
    vec![
        plain("off", Mode::Off, 0),
        plain("base", Mode::Base, MODEL),
        update("zeros", Update { step: 0, layers: all_zero() }, untuned(&[LUMA])),
        update("no_layers", Update::default(), untuned(&[])),
        update("one_layer", one_layer, untuned(&[&[(1, 4)]])),
        update("corners", corners, untuned(&[&[(1, 8), (8, 0), (0, 1), (1, 1), (1, 3)]])),
        update("one_coefficient", one_coefficient(), untuned(&[&[(2, 1)]])),
        update("typical", typical(), untuned(&[LUMA])),
        update("typical_ramp", typical(), ramp(&[LUMA])),
        update("no_networks", colour(all_zero(), none.clone()), untuned(&[LUMA, CHROMA])),
        update("luma_alone", colour(typical().layers, none), untuned(&[LUMA, CHROMA])),
        update("chroma_alone", colour(all_zero(), chroma()), untuned(&[LUMA, CHROMA])),
        update("colour_ramp", colour(typical().layers, chroma()), ramp(&[LUMA, CHROMA])),
        update("coefficients", typical_coefficients(), untuned(&[LUMA])),
        update("coefficients_ramp", typical_coefficients(), ramp(&[LUMA])),
        update("coefficient_corners", coefficient_corners(), untuned(&[&CORNERS])),
        update("colour_coefficients_ramp", colour_coefficients(), ramp(&[LUMA, CHROMA])),
        update("chroma_coefficients", chroma_coefficients, untuned(&[LUMA, CHROMA])),
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
    good.update.as_ref().map_or_else(Vec::new, |update| encode(update, &good.prior).unwrap())
}

fn payload(good: &Good) -> Vec<u8> {
    build(good.mode, good.model, &body(good), BINDING).unwrap()
}

/// All that a decoder checks.
fn decode(bytes: &[u8], prior: &UpdatePrior) -> Result<(Mode, u32, Option<Update>)> {
    let header = parse(bytes)?;
    header.check_binding(BINDING)?;
    let (_, body) = header.parts(false)?;
    let update = match header.mode {
        Mode::Update => Some(read(body, prior)?),
        _ => None,
    };
    Ok((header.mode, header.model, update))
}

#[test]
fn good_payloads() {
    for good in good() {
        let bytes = good.bytes();
        println!("{:14} {:3} bytes", good.name, bytes.len());
        assert_eq!(payload(&good), bytes, "{}", good.name);
        let decoded = decode(&bytes, &good.prior);
        assert_eq!(decoded, Ok((good.mode, good.model, good.update)), "{}", good.name);
    }
}

/// The default table of docs/payload.md, read from there.
#[test]
fn documented_table() {
    let document = include_str!("../../docs/payload.md");
    let (_, rows) = document.split_once("and this table:").unwrap();
    let (rows, _) = rows.split_once("### 5.2").unwrap();
    let mut bytes = Vec::new();
    for row in rows.lines().filter(|row| row.contains("..")) {
        let [_, range, values, _] = row.split('|').collect::<Vec<_>>()[..] else { panic!("{row}") };
        let (from, to) = range.trim().split_once("..").unwrap();
        assert_eq!(from.parse(), Ok(bytes.len()));
        match values.trim().split_once(", ") {
            Some((byte, times)) => {
                let times = times.strip_suffix(" times").unwrap().parse().unwrap();
                bytes.extend(vec![byte.parse::<u8>().unwrap(); times]);
            }
            None => bytes.extend(values.split_whitespace().map(|b| b.parse::<u8>().unwrap())),
        }
        assert_eq!(to.parse(), Ok(bytes.len() - 1));
    }
    assert_eq!(bytes, InitialStates::DEFAULT.as_bytes());
}

/// The examples of docs/payload.md.
#[test]
fn documented_examples() {
    let good = good();
    let named = |name| good.iter().find(|good| good.name == name).map(payload).unwrap();
    assert_eq!(named("off"), OFF);
    assert_eq!(named("one_layer"), ONE_LAYER);
    assert_eq!(named("one_coefficient"), ONE_COEFFICIENT);
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
            let result = decode(&bytes[..len], &good.prior);
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
    let table = InitialStates::DEFAULT;
    std::array::from_fn(|i| match (i, table.as_bytes()[i]) {
        (103..175, byte) => Context::rare(byte),
        (_, byte) => Context::new(byte),
    })
}

/// A body for one layer of one channel whose scale has a magnitude that no encoder would write.
fn huge(escape: u32) -> Vec<u8> {
    let mut contexts = contexts();
    let mut encoder = RangeEncoder::new();
    encoder.bypass(0, 4);
    encoder.bit(&mut contexts[0], false);
    encoder.bit(&mut contexts[98], true);
    encoder.bit(&mut contexts[2], false);
    encoder.bit(&mut contexts[40], true);
    for context in &mut contexts[70..84] {
        encoder.bit(context, true);
    }
    exp_golomb::write(&mut encoder, escape);
    encoder.bit(&mut contexts[3], true);
    encoder.finish()
}

#[test]
fn huge_is_huge_for_the_right_reason() {
    let expected = Update { step: 0, layers: vec![layer(&[-255], &[0])] };
    assert_eq!(read(&huge(240), &untuned(&[&[(1, 1)]])), Ok(expected));
}

/// A body for one layer of one coefficient for each of nine patterns, of which the last has a
/// magnitude that no encoder would write.
fn huge_coefficient(escape: u32) -> Vec<u8> {
    let mut contexts = contexts();
    let mut encoder = start_coefficients(&mut contexts, true);
    encoder.bit(&mut contexts[100], false);
    for pattern in 0..9 {
        encoder.bit(&mut contexts[103 + 3 * 13], pattern == 8);
    }
    encoder.bit(&mut contexts[175], true);
    for context in &mut contexts[190..196] {
        encoder.bit(context, true);
    }
    exp_golomb::write(&mut encoder, escape);
    encoder.finish()
}

/// A network that is said to have changes, and coefficients or none; its first layer's lists are
/// empty.
fn start_coefficients(contexts: &mut [Context; CONTEXTS], coefficients: bool) -> RangeEncoder {
    let mut encoder = RangeEncoder::new();
    encoder.bypass(0, 4);
    encoder.bit(&mut contexts[0], false);
    encoder.bit(&mut contexts[98], !coefficients);
    encoder.bit(&mut contexts[2], true);
    encoder.bit(&mut contexts[3], true);
    encoder
}

#[test]
fn huge_coefficient_is_huge_for_the_right_reason() {
    let expected = Update { step: 0, layers: vec![zeros(1)] };
    let expected = with_coefficients(expected, &[(1, 1)], &[(0, [8, 0, 0], -255)]);
    assert_eq!(read(&huge_coefficient(248), &untuned(&[&[(1, 1)]])), Ok(expected));
}

/// A body for one layer of one input and output channel and a scale of 1 that is said to have
/// coefficients, or whose network is, but they are all zero; or of which one is 1.
fn coefficients_of_zeros(layer_empty: bool, coefficient: bool) -> Vec<u8> {
    let mut contexts = contexts();
    let mut encoder = RangeEncoder::new();
    encoder.bypass(0, 4);
    encoder.bit(&mut contexts[0], false);
    encoder.bit(&mut contexts[98], false);
    encoder.bit(&mut contexts[2], false);
    encoder.bit(&mut contexts[40], false);
    encoder.bit(&mut contexts[70], false);
    encoder.bit(&mut contexts[3], true);
    encoder.bit(&mut contexts[100], layer_empty);
    if !layer_empty {
        for pattern in 0..9 {
            encoder.bit(&mut contexts[103 + 3 * 13], coefficient && pattern == 8);
        }
    }
    if coefficient {
        encoder.bit(&mut contexts[175], false);
        encoder.bit(&mut contexts[190], false);
    }
    encoder.finish()
}

#[test]
fn coefficients_of_zeros_are_refused_for_the_right_reason() {
    let expected = Update { step: 0, layers: vec![layer(&[1], &[0])] };
    let expected = with_coefficients(expected, &[(1, 1)], &[(0, [8, 0, 0], 1)]);
    assert_eq!(read(&coefficients_of_zeros(false, true), &untuned(&[&[(1, 1)]])), Ok(expected));
}

/// A body whose networks of one layer are empty or not, but all of whose lists are empty.
fn nothing(empty: &[bool]) -> Vec<u8> {
    let mut contexts = contexts();
    let mut encoder = RangeEncoder::new();
    encoder.bypass(0, 4);
    for (network, empty) in empty.iter().enumerate() {
        encoder.bit(&mut contexts[network], *empty);
        if !empty {
            encoder.bit(&mut contexts[98 + network], true);
            encoder.bit(&mut contexts[2], true);
            encoder.bit(&mut contexts[3], true);
        }
    }
    encoder.finish()
}

#[test]
fn nothing_is_refused_for_the_right_reason() {
    let expected = Update { step: 0, layers: vec![zeros(3), zeros(2)] };
    assert_eq!(read(&nothing(&[true, true]), &untuned(&[&[(1, 3)], &[(1, 2)]])), Ok(expected));
}

/// A file's name, the error, shapes of the networks' layers, the file.
type Bad<'a> = (&'a str, Error, &'a [&'a [Shape]], Vec<u8>);

#[test]
fn bad_payloads() {
    const ONE: &[&[Shape]] = &[&[(1, 1)]];
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
        ("bad_magnitude_256", Error::Corrupt, ONE, with_body(&huge(241))),
        ("bad_long_prefix", Error::Corrupt, ONE, with_body(&huge(255))),
        ("bad_longest_prefix", Error::Corrupt, ONE, with_body(&huge(u32::MAX))),
        ("bad_luma_of_zeros", Error::Corrupt, &[&[(1, 3)]], with_body(&nothing(&[false]))),
        ("bad_chroma_of_zeros", Error::Corrupt, &[&[(1, 3)], &[(1, 2)]], {
            with_body(&nothing(&[true, false]))
        }),
        ("bad_coefficient_256", Error::Corrupt, ONE, with_body(&huge_coefficient(249))),
        ("bad_coefficient_long_prefix", Error::Corrupt, ONE, with_body(&huge_coefficient(255))),
        (
            "bad_coefficient_longest_prefix",
            Error::Corrupt,
            ONE,
            with_body(&huge_coefficient(u32::MAX)),
        ),
        (
            "bad_coefficients_of_no_layer",
            Error::Corrupt,
            ONE,
            with_body(&coefficients_of_zeros(true, false)),
        ),
        (
            "bad_coefficients_of_zeros",
            Error::Corrupt,
            ONE,
            with_body(&coefficients_of_zeros(false, false)),
        ),
        ("bad_coefficients_of_no_inputs", Error::Corrupt, &[&[(0, 1)]], {
            with_body(&coefficients_of_zeros(false, false))
        }),
        ("bad_network_of_no_coefficients", Error::Corrupt, ONE, {
            let mut contexts = contexts();
            let mut encoder = start_coefficients(&mut contexts, true);
            encoder.bit(&mut contexts[100], true);
            with_body(&encoder.finish())
        }),
        ("bad_coefficients_trailing_zero", Error::Corrupt, &[LUMA], {
            with_body(
                &[encode(&typical_coefficients(), &untuned(&[LUMA])).unwrap(), vec![0]].concat(),
            )
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
        let networks: &[&[&[Shape]]] = &[
            &[],
            &[&[(1, 1)]],
            &[&[(3, 7), (7, 9)]],
            &[&[(32, 32); 5]],
            &[&[(100, 1000)]],
            &[&[(2, 1)], &[(0, 9)]],
            &[LUMA, CHROMA],
        ];
        for networks in networks {
            let _ = read(&body, &untuned(networks));
            let _ = read(&body, &ramp(networks));
        }
    }
}
