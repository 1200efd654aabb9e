//! Model files and updates from hostile hands: an error, never a panic, never an overflow.

use sidelight::network::{Condition, Instance, Model};
use sidelight::payload::{LayerScaleBias, ScaleBias};
use sidelight::{Error, Layout};

const FILE: &[u8] = include_bytes!("../models/jpeg-y-32x3.slm");

fn condition() -> Condition {
    Condition::from_jpeg_tables(&[20; 64], &[20; 64], Layout::I420)
}

/// FNV-1a, written again from docs/model.md.
fn seal(body: &[u8]) -> Vec<u8> {
    let mut hash = 0xcbf2_9ce4_8422_2325u64;
    for byte in body {
        hash ^= u64::from(*byte);
        hash = hash.wrapping_mul(0x0100_0000_01b3);
    }
    [body, &hash.to_le_bytes()].concat()
}

fn zeros(model: &Model) -> ScaleBias {
    let layer = |n: usize| LayerScaleBias { scale: vec![0; n], bias: vec![0; n] };
    ScaleBias { step: 3, layers: model.channels().into_iter().map(layer).collect() }
}

#[test]
fn the_shipped_file_is_sealed_as_documented() {
    assert_eq!(seal(&FILE[..FILE.len() - 8]), FILE);
}

#[test]
fn truncations_and_flips_are_corrupt() {
    for n in (0..FILE.len()).step_by(997).chain([FILE.len() - 1]) {
        assert_eq!(Model::from_bytes(&FILE[..n]), Err(Error::Corrupt), "{n} bytes");
    }
    for at in (0..FILE.len()).step_by(613) {
        let mut bytes = FILE.to_vec();
        bytes[at] ^= 0x10;
        assert_eq!(Model::from_bytes(&bytes), Err(Error::Corrupt), "byte {at}");
    }
    assert_eq!(Model::from_bytes(&vec![0; 5 << 20]), Err(Error::TooLarge));
}

#[test]
fn well_sealed_nonsense_is_refused_or_safe() {
    let body = &FILE[..FILE.len() - 8];
    for (at, value) in [(8, 6), (9, 0), (9, 24), (9, 80), (10, 0), (10, 9), (11, 1), (12, 62)] {
        let mut bytes = body.to_vec();
        bytes[at] = value;
        let error = Model::from_bytes(&seal(&bytes)).unwrap_err();
        assert_eq!(error, Error::Unsupported, "byte {at} = {value}");
    }
    for length in [body.len() - 1, body.len() + 1] {
        let mut bytes = body.to_vec();
        bytes.resize(length, 7);
        assert_eq!(Model::from_bytes(&seal(&bytes)), Err(Error::Corrupt));
    }
    let mut state = 0x2545_f491_4f6c_dd1du64;
    let mut next = |n: usize| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state as usize % n
    };
    let (mut accepted, mut refused) = (0, 0);
    for _ in 0..600 {
        let mut bytes = body.to_vec();
        for _ in 0..=next(4) {
            bytes[12 + next(body.len() - 12)] = next(256) as u8;
        }
        match Model::from_bytes(&seal(&bytes)).and_then(|m| Instance::new(&m, condition(), None)) {
            Ok(_) => accepted += 1,
            Err(_) => refused += 1,
        }
    }
    assert!(accepted > 0 && refused > 0, "{accepted} accepted, {refused} refused");
}

#[test]
fn models_that_could_overflow_are_refused() {
    let good = Model::from_bytes(FILE).unwrap();
    let refused = |change: &dyn Fn(&mut Model)| {
        let mut model = good.clone();
        change(&mut model);
        matches!(Instance::new(&model, condition(), None), Err(Error::Corrupt))
    };
    assert!(!refused(&|_| {}));
    assert!(refused(&|m| m.layers[1].taps = m.layers[1].taps.iter().map(|_| i16::MIN).collect()));
    assert!(refused(&|m| m.layers[0].bias[5] = i32::MIN));
    assert!(refused(&|m| m.layers[0].bias[16 * 32 - 1] = i32::MAX));
    assert!(refused(&|m| m.layers[2].condition[3] = i32::MAX));
    assert!(refused(&|m| m.layers[3].multiplier[0] = 0));
    assert!(refused(&|m| m.layers[3].multiplier[0] = -5));
    assert!(refused(&|m| m.layers[4].shift = 0));
    assert!(refused(&|m| m.layers[4].shift = 32));
    assert!(refused(&|m| m.layers[4].shift = 12));
    assert!(refused(&|m| m.layers[0].limit = 0));
    assert!(refused(&|m| m.layers[0].limit = 32768));
    assert!(refused(&|m| m.layers[0].multiplier.truncate(31)));
}

#[test]
fn updates_that_could_overflow_are_refused() {
    let model = Model::from_bytes(FILE).unwrap();
    let result = |change: &dyn Fn(&mut ScaleBias)| {
        let mut update = zeros(&model);
        change(&mut update);
        Instance::new(&model, condition(), Some(&update)).map(|_| ())
    };
    assert_eq!(result(&|_| {}), Ok(()));
    assert_eq!(result(&|u| u.layers[1].scale[0] = 1), Ok(()));
    assert_eq!(result(&|u| u.layers[1].scale[0] = -255), Err(Error::Corrupt));
    assert_eq!(result(&|u| u.step = 8), Err(Error::Corrupt));
    assert_eq!(result(&|u| u.layers[1].scale.truncate(4)), Err(Error::Corrupt));
    assert_eq!(result(&|u| u.layers.truncate(4)), Err(Error::Corrupt));
    // Some channel's bias reaches 2^31 when every bias takes the largest step.
    let all = |u: &mut ScaleBias| {
        u.step = 7;
        u.layers.iter_mut().for_each(|l| l.bias.fill(255));
    };
    assert_eq!(result(&all), Err(Error::Corrupt));
}

#[test]
fn the_room_for_updates_is_exact_enough_to_use() {
    let model = Model::from_bytes(FILE).unwrap();
    for step in 0..=7 {
        for sign in [-1, 1] {
            let room = sidelight::network::instance::room(&model, condition(), step);
            let layers = room.into_iter().map(|[scale, bias]| LayerScaleBias {
                scale: scale.into_iter().map(|v| sign * v).collect(),
                bias: bias.into_iter().map(|v| sign * v).collect(),
            });
            let update = ScaleBias { step, layers: layers.collect() };
            assert!(Instance::new(&model, condition(), Some(&update)).is_ok(), "{step} {sign}");
        }
    }
}
