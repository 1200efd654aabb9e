//! Model files and updates from hostile hands: an error, never a panic, never an overflow.

use sidelight::network::{Condition, Instance, Model, Network};
use sidelight::payload::{Coding, LayerUpdate, Update};
use sidelight::{Error, Layout};

const COLOUR: &[u8] = include_bytes!("../models/jpeg-ycc-32x3.slm");

/// A model of luma alone: what training makes on the way to one of colour.
fn luma() -> Vec<u8> {
    let model = Model::from_bytes(COLOUR).unwrap();
    let networks = model.coding.networks()[..1].to_vec();
    let coding = Coding::new(*model.coding.table(), networks).unwrap();
    Model { chroma: None, coding, ..model }.to_bytes()
}

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

fn zeros(model: &Model) -> Update {
    let layer = |n: usize| LayerUpdate { scale: vec![0; n], bias: vec![0; n] };
    Update { step: 3, layers: model.channels().into_iter().map(layer).collect() }
}

#[test]
fn the_shipped_files_are_sealed_as_documented() {
    for file in [&luma()[..], COLOUR] {
        assert_eq!(seal(&file[..file.len() - 8]), file);
    }
}

/// Bytes of a network's layers, from docs/model.md, where hidden layers have taps of `hidden_tap` bytes.
fn layers_len(
    (inputs, outputs): (usize, usize),
    (channels, hidden): (usize, usize),
    (phases, features): (usize, usize),
    hidden_tap: usize,
) -> usize {
    let layer = |cin: usize, cout: usize, phases: usize, tap: usize| {
        4 + tap * 9 * cin * cout + 4 * (phases + features + 3) * cout + 2 * cout
    };
    layer(inputs, channels, phases, 2)
        + hidden * layer(channels, channels, 1, hidden_tap)
        + layer(channels, outputs, 1, 2)
}

const FRAME: usize = 8 + 6 + 2 + 98 + 8;
const HEAD: usize = FRAME - 8;

/// The luma file with all taps of its second layer set to `tap`, and where that layer is.
fn with_second_layer_of(tap: i16) -> (Vec<u8>, usize) {
    let mut model = Model::from_bytes(&luma()).unwrap();
    let layer = &mut model.luma.layers[1];
    layer.taps = vec![tap; layer.taps.len()].into();
    let at = HEAD + 4 + 2 * 9 * 4 * 32 + 4 * (16 + 8 + 3) * 32 + 2 * 32;
    (model.to_bytes(), at)
}

#[test]
fn files_have_the_documented_length() {
    let network = layers_len((4, 4), (32, 3), (16, 8), 1);
    let luma = luma();
    assert_eq!(luma.len(), FRAME + network);
    assert_eq!(&luma[..16], b"SLMODEL1\x01\x20\x03\x00\x00\x00\x62\x00");
    let networks = network + layers_len((6, 2), (16, 3), (64, 19), 1);
    assert_eq!(COLOUR.len(), FRAME + networks);
    assert_eq!(&COLOUR[..16], b"SLMODEL1\x01\x20\x03\x10\x03\x00\x62\x00");
    let (luma, colour) = (Model::from_bytes(&luma).unwrap(), Model::from_bytes(COLOUR).unwrap());
    assert_eq!(luma.luma, colour.luma);
}

#[test]
fn taps_take_a_byte_where_all_of_a_layer_fit() {
    let taps = 9 * 32 * 32;
    let (wide, at) = with_second_layer_of(128);
    assert_eq!(wide[at + 3], 2);
    for tap in [127, -128] {
        let (narrow, _) = with_second_layer_of(tap);
        assert_eq!((narrow[at + 3], narrow[at + 4] as i8), (1, tap as i8));
        assert_eq!(narrow.len() + taps, wide.len());
        let model = Model::from_bytes(&narrow).unwrap();
        assert_eq!(model.luma.layers[1].taps[..], vec![tap; taps]);
    }
    // The same layer in two bytes a tap.
    let (narrow, _) = with_second_layer_of(100);
    let two = [100, 0].repeat(taps);
    let file = [&narrow[..at + 3], &[2], &two, &narrow[at + 4 + taps..narrow.len() - 8]].concat();
    assert_eq!(Model::from_bytes(&seal(&file)), Err(Error::Corrupt));
    for width in [0, 3, 255] {
        let mut bytes = narrow[..narrow.len() - 8].to_vec();
        bytes[at + 3] = width;
        assert_eq!(Model::from_bytes(&seal(&bytes)), Err(Error::Corrupt), "{width}");
    }
}

#[test]
fn classes_out_of_range_are_corrupt() {
    let luma = luma();
    let body = &luma[..luma.len() - 8];
    // The last layer's classes stand last.
    for (from_end, byte) in [(1, 19), (8, 7), (1, 20), (8, 20), (5, 255)] {
        let mut bytes = body.to_vec();
        let at = bytes.len() - from_end;
        bytes[at] = byte;
        let file = seal(&bytes);
        match Model::from_bytes(&file) {
            Ok(mut model) => {
                assert!(byte < 20);
                let last = model.coding.networks()[0].last().unwrap();
                let class = last.scale.iter().chain(&last.bias).nth(8 - from_end).unwrap();
                let sum = class.activity() + 4 * class.sign();
                assert_eq!((class.byte(), sum), (byte, usize::from(byte)));
                assert_eq!(model.to_bytes(), file);
            }
            Err(error) => assert!(byte >= 20 && error == Error::Corrupt, "{byte}"),
        }
    }
}

#[test]
fn truncations_and_flips_are_corrupt() {
    for file in [&luma()[..], COLOUR] {
        for n in (0..file.len()).step_by(997).chain([file.len() - 1]) {
            assert_eq!(Model::from_bytes(&file[..n]), Err(Error::Corrupt), "{n} bytes");
        }
        for at in (0..file.len()).step_by(613) {
            let mut bytes = file.to_vec();
            bytes[at] ^= 0x10;
            assert_eq!(Model::from_bytes(&bytes), Err(Error::Corrupt), "byte {at}");
        }
    }
    assert_eq!(Model::from_bytes(&vec![0; 5 << 20]), Err(Error::TooLarge));
}

#[test]
fn shapes_out_of_range_are_unsupported() {
    let luma = [(8, 0), (8, 3), (9, 0), (9, 24), (9, 80), (10, 0), (10, 9), (11, 16), (13, 1)];
    let colour =
        [(9, 0), (10, 9), (11, 0), (11, 8), (11, 24), (11, 80), (12, 0), (12, 9), (14, 62)];
    let luma_file = crate::luma();
    let cases = luma.map(|c| (&luma_file[..], c)).into_iter().chain(colour.map(|c| (COLOUR, c)));
    for (file, (at, value)) in cases {
        let mut bytes = file[..file.len() - 8].to_vec();
        bytes[at] = value;
        let error = Model::from_bytes(&seal(&bytes)).unwrap_err();
        assert_eq!(error, Error::Unsupported, "byte {at} = {value}");
    }
}

#[test]
fn well_sealed_nonsense_is_refused_or_safe() {
    for file in [&luma()[..], COLOUR] {
        let body = &file[..file.len() - 8];
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
                bytes[14 + next(body.len() - 14)] = next(256) as u8;
            }
            let model = Model::from_bytes(&seal(&bytes));
            match model.and_then(|m| Instance::new(&m, condition(), None)) {
                Ok(_) => accepted += 1,
                Err(_) => refused += 1,
            }
        }
        assert!(accepted > 0 && refused > 0, "{accepted} accepted, {refused} refused");
    }
}

#[test]
fn models_that_could_overflow_are_refused() {
    type Change = dyn Fn(&mut Network);
    let refused = |change: &Change, part: fn(&mut Model) -> &mut Network| {
        let mut model = Model::from_bytes(COLOUR).unwrap();
        change(part(&mut model));
        matches!(Instance::new(&model, condition(), None), Err(Error::Corrupt))
    };
    let parts: [fn(&mut Model) -> &mut Network; 2] =
        [|m| &mut m.luma, |m| m.chroma.as_mut().unwrap()];
    for part in parts {
        let refused = |change: &Change| refused(change, part);
        assert!(!refused(&|_| {}));
        assert!(refused(
            &|n| n.layers[4].taps = n.layers[4].taps.iter().map(|_| i16::MIN).collect()
        ));
        assert!(refused(&|n| n.layers[0].bias[5] = i32::MIN));
        assert!(refused(&|n| *n.layers[0].bias.last_mut().unwrap() = i32::MAX));
        assert!(refused(&|n| n.layers[2].condition.fill(i32::MAX)));
        assert!(refused(&|n| n.layers[3].multiplier[0] = 0));
        assert!(refused(&|n| n.layers[3].multiplier[0] = -5));
        assert!(refused(&|n| n.layers[4].shift = 0));
        assert!(refused(&|n| n.layers[4].shift = 32));
        assert!(refused(&|n| n.layers[4].shift = 12));
        assert!(refused(&|n| n.layers[0].limit = 0));
        assert!(refused(&|n| n.layers[0].limit = 32768));
        assert!(refused(&|n| n.layers[0].multiplier.truncate(15)));
        assert!(refused(&|n| n.layers.truncate(4)));
        assert!(refused(&|n| n.arch.period = 2));
    }
}

#[test]
fn updates_that_could_overflow_are_refused() {
    let model = Model::from_bytes(COLOUR).unwrap();
    let result = |change: &dyn Fn(&mut Update)| {
        let mut update = zeros(&model);
        change(&mut update);
        Instance::new(&model, condition(), Some(&update)).map(|_| ())
    };
    assert_eq!(result(&|_| {}), Ok(()));
    // Five layers of luma, five of chroma.
    for layer in [1, 6] {
        assert_eq!(result(&|u| u.layers[layer].scale[0] = 1), Ok(()));
        assert_eq!(result(&|u| u.layers[layer].scale[0] = -255), Err(Error::Corrupt));
        assert_eq!(result(&|u| u.layers[layer].scale.truncate(4)), Err(Error::Corrupt));
    }
    assert_eq!(result(&|u| u.step = 8), Err(Error::Corrupt));
    assert_eq!(result(&|u| u.layers.truncate(5)), Err(Error::Corrupt));
    // Some channel's bias reaches 2^31 when every bias takes the largest step.
    let all = |u: &mut Update| {
        u.step = 7;
        u.layers.iter_mut().for_each(|l| l.bias.fill(255));
    };
    assert_eq!(result(&all), Err(Error::Corrupt));
}

#[test]
fn the_room_for_updates_is_exact_enough_to_use() {
    for file in [&luma()[..], COLOUR] {
        let model = Model::from_bytes(file).unwrap();
        for (step, sign) in (0..=7).flat_map(|step| [(step, -1), (step, 1)]) {
            let room = sidelight::network::instance::room(&model, condition(), step);
            let layers = room.into_iter().map(|[scale, bias]| LayerUpdate {
                scale: scale.into_iter().map(|v| sign * v).collect(),
                bias: bias.into_iter().map(|v| sign * v).collect(),
            });
            let update = Update { step, layers: layers.collect() };
            assert!(Instance::new(&model, condition(), Some(&update)).is_ok(), "{step} {sign}");
        }
    }
}
