//! Model files and updates from hostile hands: an error, never a panic, never an overflow.

use sidelight::cpu::CpuLevel;
use sidelight::filter::Filter;
use sidelight::network::model::{ModelLayer, MAX_TAP_STEP};
use sidelight::network::{Condition, Instance, Model, Network};
use sidelight::payload::coding::TAP_LEVELS;
use sidelight::payload::{Coding, LayerUpdate, Update};
use sidelight::picture::{Picture, PictureMut, Plane, PlaneMut};
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
    let layer = |(_, outputs)| LayerUpdate::zeros(outputs);
    Update { step: 3, layers: model.shapes().into_iter().map(layer).collect() }
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
        4 + tap * 9 * cin * cout + 4 * (phases + features + 4) * cout + 4 * cin + 3 * cout + cin
    };
    layer(inputs, channels, phases, 2)
        + hidden * layer(channels, channels, 1, hidden_tap)
        + layer(channels, outputs, 1, 2)
}

const FRAME: usize = 8 + 6 + 2 + 196 + 8;
const HEAD: usize = FRAME - 8;

/// The luma file with all taps of its second layer set to `tap`, and where that layer is.
fn with_second_layer_of(tap: i16) -> (Vec<u8>, usize) {
    let mut model = Model::from_bytes(&luma()).unwrap();
    let layer = &mut model.luma.layers[1];
    layer.taps = vec![tap; layer.taps.len()].into();
    let at = HEAD + 4 + 2 * 9 * 4 * 32 + 4 * (16 + 8 + 4) * 32 + 4 * 4 + 3 * 32 + 4;
    (model.to_bytes(), at)
}

#[test]
fn files_have_the_documented_length() {
    let network = layers_len((4, 4), (32, 3), (16, 8), 1);
    let luma = luma();
    assert_eq!(luma.len(), FRAME + network);
    assert_eq!(&luma[..16], b"SLMODEL2\x01\x20\x03\x00\x00\x00\xc4\x00");
    let networks = network + layers_len((6, 2), (16, 3), (64, 19), 1);
    assert_eq!(COLOUR.len(), FRAME + networks);
    assert_eq!(&COLOUR[..16], b"SLMODEL2\x01\x20\x03\x10\x03\x00\xc4\x00");
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
    // The last layer's classes stand last, but for its 32 + 4 levels.
    for (from_end, byte) in [(1, 19), (8, 7), (1, 20), (8, 20), (5, 255)] {
        let mut bytes = body.to_vec();
        let at = bytes.len() - 36 - from_end;
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
fn levels_out_of_range_are_corrupt() {
    let luma = luma();
    let body = &luma[..luma.len() - 8];
    for (from_end, byte) in [(1, 23), (36, 0), (36, 23), (5, 1), (1, 24), (36, 24), (4, 255)] {
        let mut bytes = body.to_vec();
        let at = bytes.len() - from_end;
        bytes[at] = byte;
        let file = seal(&bytes);
        match Model::from_bytes(&file) {
            Ok(mut model) => {
                assert!(byte < TAP_LEVELS);
                let last = model.coding.networks()[0].last().unwrap();
                let levels = last.tap_input.iter().chain(&last.tap_output);
                assert_eq!(levels.copied().nth(36 - from_end), Some(byte));
                assert_eq!(model.to_bytes(), file);
            }
            Err(error) => assert!(byte >= TAP_LEVELS && error == Error::Corrupt, "{byte}"),
        }
    }
}

#[test]
fn steps_out_of_range_are_corrupt() {
    type Table = fn(&mut ModelLayer) -> &mut Vec<i32>;
    let of_scales: [Table; 2] = [|l| &mut l.scale_step, |l| &mut l.bias_step];
    let of_taps: [Table; 2] = [|l| &mut l.tap_step_in, |l| &mut l.tap_step_out];
    let result = |table: Table, layer: usize, step: i32| {
        let mut model = Model::from_bytes(&luma()).unwrap();
        *table(&mut model.luma.layers[layer]).last_mut().unwrap() = step;
        let bytes = model.to_bytes();
        Model::from_bytes(&bytes).map(|read| assert_eq!(read, model))
    };
    for (layer, table) in (0..5).flat_map(|l| of_scales.map(|t| (l, t))) {
        assert_eq!(result(table, layer, i32::MAX), Ok(()));
        for step in [0, -1, i32::MIN] {
            assert_eq!(result(table, layer, step), Err(Error::Corrupt), "{layer} {step}");
        }
    }
    assert_eq!(MAX_TAP_STEP, 1 << 26);
    for (layer, table) in (0..5).flat_map(|l| of_taps.map(|t| (l, t))) {
        for step in [1, MAX_TAP_STEP] {
            assert_eq!(result(table, layer, step), Ok(()), "{layer} {step}");
        }
        for step in [0, -1, i32::MIN, MAX_TAP_STEP + 1, i32::MAX] {
            assert_eq!(result(table, layer, step), Err(Error::Corrupt), "{layer} {step}");
        }
    }
}

/// A file of the first version: no steps and levels of taps, 98 contexts.
#[test]
fn other_versions_are_refused() {
    let luma = luma();
    for magic in [b"SLMODEL1", b"SLMODEL3"] {
        let file = [&magic[..], &luma[8..luma.len() - 8]].concat();
        assert_eq!(Model::from_bytes(&seal(&file)), Err(Error::Corrupt));
    }
}

/// One layer's changes of taps, each at (tap, input, output).
fn of_taps(model: &Model, layer: usize, changes: &[([usize; 3], i16)]) -> Update {
    let mut update = zeros(model);
    let (inputs, outputs) = model.shapes()[layer];
    let taps = &mut update.layers[layer].taps;
    taps.resize(9 * inputs * outputs, 0);
    for ([t, i, o], value) in changes {
        taps[(t * inputs + i) * outputs + o] = *value;
    }
    update
}

/// Any changes in any layers, so small that taps of 8 bits stay and sums keep away from 2^31.
fn random_taps(model: &Model, state: &mut u64, field: u8) -> Update {
    let mut update = zeros(model);
    update.step = field;
    let mut updates = update.layers.iter_mut();
    for network in model.networks() {
        let mut limit_in = 2048;
        for (base, layer) in network.layers.iter().zip(updates.by_ref()) {
            let sum = |co: usize| -> i64 {
                base.taps[co..].iter().step_by(base.cout).map(|w| i64::from(w.unsigned_abs())).sum()
            };
            let mut left: Vec<_> =
                (0..base.cout).map(|co| ((1 << 31) / limit_in - sum(co)) / 4).collect();
            let largest =
                if base.taps.iter().any(|w| !(-128..128).contains(w)) { 32767 } else { 127 };
            layer.taps = vec![0; base.taps.len()];
            for (i, value) in layer.taps.iter_mut().enumerate() {
                *state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                let (n, step) = ((*state >> 40) as i64, tap_step(base, i, field));
                let left = &mut left[i % base.cout];
                let room = (largest - i64::from(base.taps[i].unsigned_abs())).min(*left) / step;
                if n % 7 == 0 {
                    *value = (n / 7 % 7 - 3).clamp(-room.max(0), room.max(0)) as i16;
                    *left -= i64::from(value.unsigned_abs()) * step;
                }
            }
            limit_in = i64::from(base.limit);
        }
    }
    update
}

/// What a unit of tap `i` of a layer adds, written again from docs/model.md.
fn tap_step(layer: &ModelLayer, i: usize, field: u8) -> i64 {
    let input = i64::from(layer.tap_step_in[i / layer.cout % layer.cin]);
    let output = i64::from(layer.tap_step_out[i % layer.cout]);
    // Never negative: the quotient rounds down.
    (input * output * (1 << field) / 8 / 65536).max(1)
}

#[test]
fn updates_of_taps_do_what_is_documented() {
    let mut state = 5;
    for file in [&luma()[..], COLOUR] {
        let model = Model::from_bytes(file).unwrap();
        let base = Instance::new(&model, condition(), None).unwrap();
        for field in 0..=7 {
            let update = random_taps(&model, &mut state, field);
            let instance = Instance::new(&model, condition(), Some(&update)).unwrap();
            let ours = instance.luma.iter().chain(&instance.chroma);
            let layers = model.networks().flat_map(|n| &n.layers);
            for ((new, base), changes) in ours.zip(layers).zip(&update.layers) {
                let expected = base.taps.iter().zip(&changes.taps).enumerate();
                let expected = expected.map(|(i, (tap, n))| {
                    i64::from(*tap) + i64::from(*n) * tap_step(base, i, field)
                });
                assert!(expected.eq(new.taps.iter().map(|tap| i64::from(*tap))), "{field}");
            }
            let pairs = instance.luma.iter().zip(&base.luma);
            for (new, old) in pairs.chain(instance.chroma.iter().zip(&base.chroma)) {
                assert_eq!((&new.bias, &new.multiplier), (&old.bias, &old.multiplier));
            }
        }
    }
    // The smallest and the largest steps that a file may have.
    let mut model = Model::from_bytes(COLOUR).unwrap();
    for (step_in, step_out, field, step) in [
        (1, 1, 7, 1),
        (256, 255, 3, 1),
        (256, 511, 3, 1),
        (256, 512, 3, 2),
        (256, 255, 4, 1),
        (256, 256, 4, 2),
        (256, 1024, 0, 1),
        (MAX_TAP_STEP, 1, 3, 1024),
        (1, MAX_TAP_STEP, 7, 16384),
        (MAX_TAP_STEP, MAX_TAP_STEP, 0, 1i64 << 33),
        (MAX_TAP_STEP, MAX_TAP_STEP, 7, 1 << 40),
    ] {
        let layer = &mut model.luma.layers[1];
        (layer.tap_step_in[7], layer.tap_step_out[9]) = (step_in, step_out);
        assert_eq!(layer.tap_step(7, 9, field), step);
        assert_eq!(tap_step(layer, 7 * 32 + 9, field), step);
    }
}

#[test]
fn updates_that_take_a_tap_out_of_range_are_refused() {
    let mut model = Model::from_bytes(COLOUR).unwrap();
    for layer in model.luma.layers.iter_mut().chain(&mut model.chroma.as_mut().unwrap().layers) {
        let mut taps = layer.taps.to_vec();
        taps[0] = 0;
        layer.taps = taps.into();
        // Sums stay small whatever a single tap does.
        layer.tap_step_in[0] = 1 << 16;
        layer.tap_step_out[0] = 129;
    }
    let shapes = model.shapes();
    for (layer, &(inputs, _)) in shapes.iter().enumerate() {
        let result = |values: &[([usize; 3], i16)], step| {
            let mut update = of_taps(&model, layer, values);
            update.step = step;
            Instance::new(&model, condition(), Some(&update)).map(|_| ())
        };
        let at = |value| [([0, 0, 0], value)];
        // 129 · 254 = 32766, 258 · 127 = 32766.
        for (value, step, ok) in [
            (254, 3, true),
            (-254, 3, true),
            (255, 3, false),
            (-255, 3, false),
            (127, 4, true),
            (128, 4, false),
            (-128, 4, false),
        ] {
            let expected = if ok { Ok(()) } else { Err(Error::Corrupt) };
            assert_eq!(result(&at(value), step), expected, "{layer} {value} {step}");
        }
        // All taps of one output: the sum of their magnitudes is what counts; in first layers inputs reach 2048.
        let all = |value| -> Vec<([usize; 3], i16)> {
            (0..9).flat_map(|t| (0..inputs).map(move |i| ([t, i, 0], value))).collect()
        };
        if [0, 5].contains(&layer) {
            let mut wide = model.clone();
            let part = if layer == 0 { &mut wide.luma } else { wide.chroma.as_mut().unwrap() };
            part.layers[0].tap_step_in.fill(1 << 16);
            part.layers[0].taps = vec![0; part.layers[0].taps.len()].into();
            let sum_of = |value: i16| {
                let update = of_taps(&wide, layer, &all(value));
                Instance::new(&wide, condition(), Some(&update)).map(|_| ())
            };
            // 9 · inputs · 2048 · 129 · value against 2^31 less the bias, which is far smaller.
            let most = (1i64 << 31) / (9 * inputs as i64 * 2048 * 129);
            assert_eq!(sum_of(most.min(254) as i16 - 1), Ok(()), "{layer}");
            assert_eq!(sum_of((most + 1).min(255) as i16), Err(Error::Corrupt), "{layer}");
        }
    }
    let mut update = of_taps(&model, 2, &[([4, 1, 1], 1)]);
    assert!(Instance::new(&model, condition(), Some(&update)).is_ok());
    update.layers[2].taps.pop();
    assert!(matches!(Instance::new(&model, condition(), Some(&update)), Err(Error::Corrupt)));
    update.layers[2].taps = vec![0; 9];
    assert!(matches!(Instance::new(&model, condition(), Some(&update)), Err(Error::Corrupt)));
}

/// A picture of 8 bits in 4:2:0 through a filter, in bands of so many rows.
fn filtered(filter: &Filter, size: (usize, usize), band: usize) -> Vec<Vec<u8>> {
    let (width, height) = size;
    let sizes = [(width, height), (width.div_ceil(2), height.div_ceil(2))];
    let sizes = [sizes[0], sizes[1], sizes[1]];
    let data: Vec<Vec<u8>> = (0..3)
        .map(|p| (0..sizes[p].0 * sizes[p].1).map(|i| (i * 97 + i * i / 7 + p) as u8).collect())
        .collect();
    let plane = |p: usize| Plane::new(&data[p], sizes[p].0, sizes[p].0, sizes[p].1).unwrap();
    let input = Picture::new(Layout::I420, &[0, 1, 2].map(plane)).unwrap();
    let mut out: Vec<Vec<u8>> = data.iter().map(|d| vec![0; d.len()]).collect();
    let planes = out.iter_mut().zip(sizes).map(|(d, (w, h))| PlaneMut::new(d, w, w, h).unwrap());
    let mut rest = PictureMut::new(Layout::I420, planes.collect::<Vec<_>>()).unwrap();
    let mut row = 0;
    while rest.height() > 0 {
        let rows = band.min(rest.height());
        let (top, below) = rest.split_at_row(rows);
        filter.band(&input, row, top).unwrap();
        (row, rest) = (row + rows, below);
    }
    out
}

#[test]
fn updated_taps_filter_alike_everywhere() {
    let model = Model::from_bytes(COLOUR).unwrap();
    let mut state = 9;
    let small = random_taps(&model, &mut state, 2);
    // A hidden layer of bytes leaves them, or keeps them while its sums leave 16 bits.
    let hidden = &model.luma.layers[1];
    let bytes = |taps: &[i16]| taps.iter().all(|w| i8::try_from(*w).is_ok());
    assert!(bytes(&hidden.taps));
    let unit = |i: usize| tap_step(hidden, i, 3);
    // Of a channel that is alive.
    let finest = (0..hidden.taps.len()).min_by_key(|i| unit(*i)).unwrap();
    let towards = |to: i64, i: usize| ((to - i64::from(hidden.taps[i])) / unit(i)).clamp(-255, 255);
    let mut wide = small.clone();
    (wide.step, wide.layers[1].taps) = (3, vec![0; hidden.taps.len()]);
    wide.layers[1].taps[finest] = towards(400, finest) as i16;
    let mut full = wide.clone();
    full.layers[1].taps = (0..hidden.taps.len())
        .map(|i| if i % 32 == finest % 32 { towards(127, i) as i16 } else { 0 })
        .collect();
    let size = (53, 38);
    let mut all = Vec::new();
    for update in [None, Some(&small), Some(&wide), Some(&full)] {
        let instance = Instance::new(&model, condition(), update).unwrap();
        assert_eq!(bytes(&instance.luma[1].taps), update != Some(&wide));
        let plain = filtered(&Filter::new(instance.clone(), CpuLevel::Scalar), size, 38);
        for level in CpuLevel::available() {
            let filter = Filter::new(instance.clone(), level);
            for band in [2, 10, 38] {
                assert_eq!(filtered(&filter, size, band), plain, "{level:?} bands of {band}");
            }
        }
        all.push(plain);
    }
    for (i, one) in all.iter().enumerate() {
        assert!(all[..i].iter().all(|other| other != one), "{i}");
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
    let colour = [
        (9, 0),
        (10, 9),
        (11, 0),
        (11, 8),
        (11, 24),
        (11, 80),
        (12, 0),
        (12, 9),
        (14, 62),
        (14, 197),
    ];
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
                taps: Vec::new(),
            });
            let update = Update { step, layers: layers.collect() };
            assert!(Instance::new(&model, condition(), Some(&update)).is_ok(), "{step} {sign}");
        }
    }
}
