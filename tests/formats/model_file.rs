//! Model files and updates from hostile hands: an error, never a panic, never an overflow.

use crate::common::fnv1a;
use crate::common::rng::Xorshift;
use sidelight::cpu::CpuLevel;
use sidelight::filter::Filter;
use sidelight::network::model::{ModelLayer, MAX_FACTOR};
use sidelight::network::prior::UpdatePrior;
use sidelight::network::prior::LEVELS;
use sidelight::network::update::{LayerUpdate, Update};
use sidelight::network::{Condition, Model, Network, Prepared, Shared};
use sidelight::picture::{Picture, PictureMut, Plane, PlaneMut};
use sidelight::{Error, Layout, FULL_STRENGTH};

const COLOUR: &[u8] = include_bytes!("../../models/jpeg-ycc-32x3.slm");

/// A model of luma alone: what training makes on the way to one of colour.
fn luma() -> Vec<u8> {
    let model = Model::from_bytes(COLOUR).unwrap();
    let networks = model.prior.networks()[..1].to_vec();
    let prior = UpdatePrior::new(*model.prior.table(), networks).unwrap();
    Model { chroma: None, prior, ..model }.write_file()
}

fn condition() -> Condition {
    Condition::from_jpeg_tables(&[20; 64], &[20; 64], Layout::I420)
}

fn seal(body: &[u8]) -> Vec<u8> {
    [body, &fnv1a(body.iter().copied()).to_le_bytes()].concat()
}

fn zeros(model: &Model) -> Update {
    let layer = |(_, outputs)| LayerUpdate::zeros(outputs);
    Update { step: 6, layers: model.shapes().into_iter().map(layer).collect() }
}

#[test]
fn the_shipped_files_are_sealed_as_documented() {
    for file in [&luma()[..], COLOUR] {
        assert_eq!(seal(&file[..file.len() - 8]), file);
    }
}

/// Bytes of a layer, from docs/model.md.
fn layer_len(cin: usize, cout: usize, phases: usize, features: usize, weight: usize) -> usize {
    let tables = 4 * (phases + features + 3) * cout;
    let matrices = 2 * cin + 81 + cin * cin + cout * cout;
    let steps = 4 * (9 * cin + cout + cin + cout);
    4 + weight * 9 * cin * cout + tables + matrices + steps + 3 * cout + 9 * cin
}

/// Bytes of a network's layers, where hidden layers have weights of `hidden_weight` bytes.
fn layers_len(
    (inputs, outputs): (usize, usize),
    (channels, hidden): (usize, usize),
    (phases, features): (usize, usize),
    hidden_weight: usize,
) -> usize {
    let layer = |cin: usize, cout: usize, phases: usize, weight: usize| {
        layer_len(cin, cout, phases, features, weight)
    };
    layer(inputs, channels, phases, 2)
        + hidden * layer(channels, channels, 1, hidden_weight)
        + layer(channels, outputs, 1, 2)
}

const FRAME: usize = 8 + 6 + 2 + 196 + 8;
const HEAD: usize = FRAME - 8;

/// The luma file with all weights of its second layer set to `weight`, and where that layer is.
fn with_second_layer_of(weight: i16) -> (Vec<u8>, usize) {
    let mut model = Model::from_bytes(&luma()).unwrap();
    let layer = &mut model.luma.layers[1];
    layer.weights = Shared::new(vec![weight; layer.weights.len()]).unwrap();
    let first = layer_len(4, 32, 16, 8, 2);
    let at = HEAD + first;
    (model.write_file(), at)
}

#[test]
fn files_have_the_documented_length() {
    let network = layers_len((4, 4), (32, 3), (16, 8), 1);
    let luma = luma();
    assert_eq!(luma.len(), FRAME + network);
    assert_eq!(&luma[..16], b"SLMODEL3\x01\x20\x03\x00\x00\x00\xc4\x00");
    let networks = network + layers_len((6, 2), (16, 3), (64, 19), 1);
    assert_eq!(COLOUR.len(), FRAME + networks);
    assert_eq!(&COLOUR[..16], b"SLMODEL3\x01\x20\x03\x10\x03\x00\xc4\x00");
    let (luma, colour) = (Model::from_bytes(&luma).unwrap(), Model::from_bytes(COLOUR).unwrap());
    assert_eq!(luma.luma, colour.luma);
}

#[test]
fn weights_take_a_byte_where_all_of_a_layer_fit() {
    let weights = 9 * 32 * 32;
    let (wide, at) = with_second_layer_of(128);
    assert_eq!(wide[at + 3], 2);
    for weight in [127, -128] {
        let (narrow, _) = with_second_layer_of(weight);
        assert_eq!((narrow[at + 3], narrow[at + 4] as i8), (1, weight as i8));
        assert_eq!(narrow.len() + weights, wide.len());
        let model = Model::from_bytes(&narrow).unwrap();
        assert_eq!(model.luma.layers[1].weights[..], vec![weight; weights]);
    }
    // The same layer in two bytes a weight.
    let (narrow, _) = with_second_layer_of(100);
    let two = [100, 0].repeat(weights);
    let file =
        [&narrow[..at + 3], &[2], &two, &narrow[at + 4 + weights..narrow.len() - 8]].concat();
    assert_eq!(Model::from_bytes(&seal(&file)), Err(Error::Corrupt));
    for width in [0, 3, 255] {
        let mut bytes = narrow[..narrow.len() - 8].to_vec();
        bytes[at + 3] = width;
        assert_eq!(Model::from_bytes(&seal(&bytes)), Err(Error::Corrupt), "{width}");
    }
}

/// Bytes of the levels of 9 · 32 rows and 4 columns.
const LEVELS_OF_LAST: usize = 9 * 32 + 4;

#[test]
fn classes_out_of_range_are_corrupt() {
    let luma = luma();
    let body = &luma[..luma.len() - 8];
    // The last layer's classes stand last, but for its 9 · 32 + 4 levels.
    for (from_end, byte) in [(1, 19), (8, 7), (1, 20), (8, 20), (5, 255)] {
        let mut bytes = body.to_vec();
        let at = bytes.len() - LEVELS_OF_LAST - from_end;
        bytes[at] = byte;
        let file = seal(&bytes);
        match Model::from_bytes(&file) {
            Ok(mut model) => {
                assert!(byte < 20);
                let last = model.prior.networks()[0].last().unwrap();
                let class = last.scale.iter().chain(&last.bias).nth(8 - from_end).unwrap();
                let sum = class.activity() + 4 * class.sign();
                assert_eq!((class.byte(), sum), (byte, usize::from(byte)));
                assert_eq!(model.write_file(), file);
            }
            Err(error) => assert!(byte >= 20 && error == Error::Corrupt, "{byte}"),
        }
    }
}

#[test]
fn levels_out_of_range_are_corrupt() {
    let luma = luma();
    let body = &luma[..luma.len() - 8];
    let most = LEVELS_OF_LAST;
    for (from_end, byte) in [(1, 23), (most, 0), (most, 23), (5, 1), (1, 24), (most, 24), (4, 255)]
    {
        let mut bytes = body.to_vec();
        let at = bytes.len() - from_end;
        bytes[at] = byte;
        let file = seal(&bytes);
        match Model::from_bytes(&file) {
            Ok(mut model) => {
                assert!(byte < LEVELS);
                let last = model.prior.networks()[0].last().unwrap();
                let levels = last.row_level.iter().chain(&last.column_level);
                assert_eq!(levels.copied().nth(most - from_end), Some(byte));
                assert_eq!(model.write_file(), file);
            }
            Err(error) => assert!(byte >= LEVELS && error == Error::Corrupt, "{byte}"),
        }
    }
}

#[test]
fn steps_out_of_range_are_corrupt() {
    type Table = fn(&mut ModelLayer) -> &mut Vec<i32>;
    let of_scales: [Table; 2] = [|l| &mut l.scale_step, |l| &mut l.bias_step];
    let factors: [Table; 4] = [
        |l| &mut l.row_step,
        |l| &mut l.column_step,
        |l| &mut l.weight_step_in,
        |l| &mut l.weight_step_out,
    ];
    let result = |table: Table, layer: usize, step: i32| {
        let mut model = Model::from_bytes(&luma()).unwrap();
        *table(&mut model.luma.layers[layer]).last_mut().unwrap() = step;
        let bytes = model.write_file();
        Model::from_bytes(&bytes).map(|read| assert_eq!(read, model))
    };
    for (layer, table) in (0..5).flat_map(|l| of_scales.map(|t| (l, t))) {
        assert_eq!(result(table, layer, i32::MAX), Ok(()));
        for step in [0, -1, i32::MIN] {
            assert_eq!(result(table, layer, step), Err(Error::Corrupt), "{layer} {step}");
        }
    }
    assert_eq!(MAX_FACTOR, 1 << 26);
    for (layer, table) in (0..5).flat_map(|l| factors.map(|t| (l, t))) {
        for step in [1, MAX_FACTOR] {
            assert_eq!(result(table, layer, step), Ok(()), "{layer} {step}");
        }
        for step in [0, -1, i32::MIN, MAX_FACTOR + 1, i32::MAX] {
            assert_eq!(result(table, layer, step), Err(Error::Corrupt), "{layer} {step}");
        }
    }
}

#[test]
fn matrices_out_of_range_are_corrupt() {
    type Matrix = fn(&mut ModelLayer) -> &mut Vec<i8>;
    let matrices: [Matrix; 3] =
        [|l| &mut l.basis.kernel, |l| &mut l.basis.input, |l| &mut l.basis.output];
    for (layer, matrix) in (0..5).flat_map(|l| matrices.map(|m| (l, m))) {
        for (entry, ok) in [(127, true), (-127, true), (-128, false)] {
            let mut model = Model::from_bytes(&luma()).unwrap();
            *matrix(&mut model.luma.layers[layer]).last_mut().unwrap() = entry;
            let bytes = model.write_file();
            let read = Model::from_bytes(&bytes);
            assert_eq!(read, if ok { Ok(model.clone()) } else { Err(Error::Corrupt) });
            let prepared = Prepared::new(&model, condition(), Some(&zeros(&model)));
            assert_eq!(prepared.is_ok(), ok, "{layer} {entry}");
        }
    }
}

#[test]
fn other_versions_are_refused() {
    let luma = luma();
    for magic in [b"SLMODEL2", b"SLMODEL4"] {
        let file = [&magic[..], &luma[8..luma.len() - 8]].concat();
        assert_eq!(Model::from_bytes(&seal(&file)), Err(Error::Corrupt));
    }
}

struct Random(Xorshift);

impl Random {
    fn next(&mut self) -> u64 {
        self.0.next() >> 33
    }

    /// Coefficients of which one in `every` is not 0, of magnitudes up to `most`.
    fn update(&mut self, model: &Model, field: u8, every: u64, most: i64) -> Update {
        let mut update = zeros(model);
        update.step = field;
        for (layer, (inputs, outputs)) in update.layers.iter_mut().zip(model.shapes()) {
            layer.coefficients = (0..9 * inputs * outputs)
                .map(|_| {
                    let value = self.next() as i64 % (2 * most + 1) - most;
                    if self.next().is_multiple_of(every) {
                        value as i16
                    } else {
                        0
                    }
                })
                .collect();
        }
        update
    }
}

/// What an update makes of a layer's weights and of its biases, written again from docs/model.md,
/// one weight after the other.
fn changed(layer: &ModelLayer, limit_in: i32, q: &[i16], field: u8) -> (Vec<i16>, Vec<i64>) {
    let (cin, cout) = (layer.cin, layer.cout);
    let step = |row: usize, o: usize| {
        let product = i128::from(layer.row_step[row]) * i128::from(layer.column_step[o]);
        let widened = (product << (field / 2)) >> 19;
        (if field.is_multiple_of(2) { widened } else { widened * 362 / 256 }).max(1)
    };
    let nonzero: Vec<(usize, usize, usize, i128)> = (0..q.len())
        .filter(|i| q[*i] != 0)
        .map(|i| {
            let (row, o) = (i / cout, i % cout);
            (row / cin, row % cin, o, step(row, o) * i128::from(q[i]))
        })
        .collect();
    let limit = i64::from(limit_in);
    let of_bytes = limit <= 255 && layer.weights.iter().all(|w| (-128..=127).contains(w));
    let mut sums = std::collections::HashMap::new();
    let key = |position: usize, ci: usize, co: usize, negative: bool| {
        (position, co, ci < cin / 2, ci % 4 < 2, negative)
    };
    let most = |negative: bool| if negative { 32768 / limit } else { 32767 / limit };
    let at = |i: usize| (i / cout / cin, i / cout % cin, i % cout);
    for (i, w) in layer.weights.iter().enumerate() {
        let (position, ci, co) = at(i);
        *sums.entry(key(position, ci, co, *w < 0)).or_insert(0) += i64::from(w.unsigned_abs());
    }
    let bytes = of_bytes && sums.iter().all(|(key, sum)| *sum <= most(key.4));
    let (mut weights, mut average) = (layer.weights.to_vec(), vec![0; cout]);
    for (i, weight) in weights.iter_mut().enumerate() {
        let (position, ci, co) = at(i);
        let basis = &layer.basis;
        let sum: i128 = nonzero
            .iter()
            .map(|(pattern, input, output, amount)| {
                i128::from(basis.kernel[9 * pattern + position])
                    * i128::from(basis.input[input * cin + ci])
                    * i128::from(basis.output[output * cout + co])
                    * amount
            })
            .sum();
        let old = i64::from(layer.weights[i]);
        let wanted = old + ((sum + (1 << 27)) >> 28) as i64;
        let new = if bytes {
            let others = |negative| {
                let own = if (old < 0) == negative { old.abs() } else { 0 };
                sums.get(&key(position, ci, co, negative)).unwrap_or(&0) - own
            };
            let fits = |w: &i64| w.abs() <= most(*w < 0) - others(*w < 0);
            let range = -128..=127i64;
            let new = range.filter(fits).min_by_key(|w| (w - wanted).abs()).unwrap();
            *sums.get_mut(&key(position, ci, co, old < 0)).unwrap() -= old.abs();
            *sums.entry(key(position, ci, co, new < 0)).or_insert(0) += new.abs();
            new
        } else {
            wanted.clamp(-32767, 32767)
        };
        *weight = new as i16;
        average[co] += (new - old) * i64::from(layer.mean[ci]);
    }
    (weights, average)
}

#[test]
fn coefficients_do_what_is_documented() {
    let mut random = Random(Xorshift(0x5eed_0005));
    let shipped = Model::from_bytes(COLOUR).unwrap();
    // The same in wider numbers: no layer of bytes.
    let mut wide = shipped.clone();
    wide.luma.layers[1].limit = 300;
    let doubled = wide.luma.layers[2].weights.iter().map(|w| 2 * w).collect();
    wide.luma.layers[2].weights = Shared::new(doubled).unwrap();
    let mut cut = 0;
    for (model, field, every, most) in [
        (&shipped, 0, 3, 2),
        (&shipped, 5, 40, 2),
        (&shipped, 8, 400, 3),
        (&shipped, 11, 3000, 40),
        (&wide, 8, 400, 3),
        (&wide, 13, 3000, 10),
    ] {
        let update = random.update(model, field, every, most);
        let base = Prepared::new(model, condition(), None).unwrap();
        let prepared = match Prepared::new(model, condition(), Some(&update)) {
            Ok(prepared) => prepared,
            Err(error) => panic!("{field} {every} {most}: {error}"),
        };
        let news = prepared.luma.iter().chain(&prepared.chroma);
        let olds = base.luma.iter().chain(&base.chroma);
        let mut updates = update.layers.iter();
        let mut moved = 0;
        let mut pairs = news.zip(olds);
        for network in model.networks() {
            let mut limit_in = 2048;
            for (layer, (new, old)) in network.layers.iter().zip(pairs.by_ref()) {
                let q = &updates.next().unwrap().coefficients;
                let (weights, average) = changed(layer, limit_in, q, field);
                assert!(new.weights[..] == weights[..], "{field} {every}");
                for (i, (new, old)) in new.bias.iter().zip(&old.bias).enumerate() {
                    assert_eq!(i64::from(*new), i64::from(*old) - average[i % layer.cout]);
                }
                assert_eq!(new.multiplier, old.multiplier);
                moved += weights.iter().zip(&layer.weights[..]).filter(|(a, b)| a != b).count();
                cut += weights.iter().filter(|w| [127, -128, 32767, -32767].contains(*w)).count();
                limit_in = layer.limit;
            }
        }
        assert!(moved > 1000, "{moved}");
    }
    assert!(cut > 100, "{cut}");
}

#[test]
fn steps_are_products() {
    let mut model = Model::from_bytes(COLOUR).unwrap();
    for (row_step, column_step, field, step) in [
        (1, 1, 14, 1),
        (256, 255, 6, 1),
        (256, 511, 6, 1),
        (256, 512, 6, 2),
        (256, 255, 8, 1),
        (256, 256, 8, 2),
        (256, 1024, 0, 1),
        (MAX_FACTOR, 1, 6, 1024),
        (1, MAX_FACTOR, 14, 16384),
        (MAX_FACTOR, MAX_FACTOR, 0, 1i64 << 33),
        (MAX_FACTOR, MAX_FACTOR, 14, 1 << 40),
        (256, 512, 7, 2),
        (256, 1024, 7, 5),
        (MAX_FACTOR, 1, 7, 1448),
        (MAX_FACTOR, MAX_FACTOR, 15, 362 << 32),
    ] {
        let layer = &mut model.luma.layers[1];
        (layer.row_step[7], layer.column_step[9]) = (row_step, column_step);
        assert_eq!(layer.step(7, 9, field), step);
    }
}

/// One coefficient of a layer, or two, that reach 2^40 or do not.
#[test]
fn coefficients_that_are_too_large_are_refused() {
    let mut model = Model::from_bytes(COLOUR).unwrap();
    for (index, (inputs, outputs)) in model.shapes().into_iter().enumerate() {
        for layer in model.luma.layers.iter_mut().chain(&mut model.chroma.as_mut().unwrap().layers)
        {
            // 2^34 at step field 6.
            layer.row_step.fill(1 << 25);
            layer.column_step.fill(1 << 25);
            // A basis vector of nothing: sums stay small.
            layer.basis.kernel.fill(0);
        }
        let result = |values: &[(usize, i16)], field: u8| {
            let mut update = zeros(&model);
            update.step = field;
            let coefficients = &mut update.layers[index].coefficients;
            coefficients.resize(9 * inputs * outputs, 0);
            values.iter().for_each(|(at, q)| coefficients[*at] = *q);
            Prepared::new(&model, condition(), Some(&update)).map(|_| ())
        };
        let last = 9 * inputs * outputs - 1;
        assert_eq!(result(&[(0, 63)], 6), Ok(()));
        assert_eq!(result(&[(0, 64)], 6), Err(Error::Corrupt));
        assert_eq!(result(&[(last, -64)], 6), Err(Error::Corrupt));
        assert_eq!(result(&[(0, 32), (last, -31)], 6), Ok(()));
        assert_eq!(result(&[(0, 32), (last, -32)], 6), Err(Error::Corrupt));
        assert_eq!(result(&[(0, 255)], 2), Ok(()));
        assert_eq!(result(&[(0, 255)], 7), Err(Error::Corrupt));
    }
    let mut update = zeros(&model);
    let (inputs, outputs) = model.shapes()[2];
    update.layers[2].coefficients = vec![0; 9 * inputs * outputs];
    assert!(Prepared::new(&model, condition(), Some(&update)).is_ok());
    update.layers[2].coefficients.pop();
    assert!(matches!(Prepared::new(&model, condition(), Some(&update)), Err(Error::Corrupt)));
    update.layers[2].coefficients = vec![0; 9];
    assert!(matches!(Prepared::new(&model, condition(), Some(&update)), Err(Error::Corrupt)));
}

/// Weights saturate; what their sums could reach is refused all the same.
#[test]
fn weights_whose_sums_could_overflow_are_refused() {
    let mut model = Model::from_bytes(COLOUR).unwrap().single_weights().unwrap();
    let layer = &mut model.luma.layers[0];
    layer.row_step.fill(1 << 22);
    layer.column_step.fill(1 << 16);
    let result = |q: i16| {
        let mut update = zeros(&model);
        update.layers[0].coefficients = vec![q; 9 * 4 * 32];
        Prepared::new(&model, condition(), Some(&update)).map(|_| ())
    };
    assert_eq!(result(0), Ok(()));
    assert_eq!(result(1), Err(Error::Corrupt));
}

/// Single weights, for comparisons: each coefficient moves its own, by about the steps of weights.
#[test]
fn an_unmixed_model_changes_single_weights() {
    let model = Model::from_bytes(COLOUR).unwrap();
    let plain = model.clone().single_weights().unwrap();
    assert_ne!(plain.id, model.id);
    assert_eq!(Model::from_bytes(&plain.clone().write_file()), Ok(plain.clone()));
    for (index, (inputs, outputs)) in plain.shapes().into_iter().enumerate() {
        let layer = plain.networks().flat_map(|n| &n.layers).nth(index).unwrap();
        // The finest step there is: it fits.
        let step = |i: &usize| {
            let (input, output) = (i / outputs % inputs, i % outputs);
            i64::from(layer.weight_step_in[input]) * i64::from(layer.weight_step_out[output])
        };
        let at = (0..9 * inputs * outputs).min_by_key(step).unwrap();
        let mut update = zeros(&plain);
        update.layers[index].coefficients = vec![0; 9 * inputs * outputs];
        update.layers[index].coefficients[at] = if layer.weights[at] > 0 { -3 } else { 3 };
        let prepared = Prepared::new(&plain, condition(), Some(&update)).unwrap();
        let new = prepared.luma.iter().chain(&prepared.chroma).nth(index).unwrap();
        for (i, (new, old)) in new.weights.iter().zip(&layer.weights[..]).enumerate() {
            let change = f64::from((new - old).abs());
            let wanted = if i == at { 3.0 * step(&at) as f64 / 65536.0 } else { 0.0 };
            assert!(
                (change - wanted).abs() <= 0.51 + 0.002 * wanted,
                "{index} {i} {change} {wanted}"
            );
        }
    }
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
        filter.band(&input, row, top, FULL_STRENGTH).unwrap();
        (row, rest) = (row + rows, below);
    }
    out
}

/// Layers of bytes stay that, whatever coefficients do.
#[test]
fn updated_weights_filter_alike_everywhere() {
    let model = Model::from_bytes(COLOUR).unwrap();
    let mut random = Random(Xorshift(0x5eed_0009));
    let small = random.update(&model, 2, 20, 2);
    let large = random.update(&model, 4, 400, 4);
    let bytes = |weights: &[i16]| weights.iter().all(|w| i8::try_from(*w).is_ok());
    assert!(bytes(&model.luma.layers[1].weights));
    let size = (53, 38);
    let mut all = Vec::new();
    for update in [None, Some(&small), Some(&large)] {
        let prepared = Prepared::new(&model, condition(), update).unwrap();
        assert!(bytes(&prepared.luma[1].weights) && bytes(&prepared.luma[2].weights));
        let plain = filtered(&Filter::new(&prepared, CpuLevel::Scalar).unwrap(), size, 38);
        for level in CpuLevel::available() {
            let filter = Filter::new(&prepared, level).unwrap();
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
    let luma_file = self::luma();
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
        let mut random = Xorshift(0x2545_f491_4f6c_dd1d);
        let mut next = |n: usize| random.below(n);
        let (mut accepted, mut refused) = (0, 0);
        for _ in 0..600 {
            let mut bytes = body.to_vec();
            for _ in 0..=next(4) {
                bytes[14 + next(body.len() - 14)] = next(256) as u8;
            }
            let model = Model::from_bytes(&seal(&bytes));
            match model.and_then(|m| Prepared::new(&m, condition(), None)) {
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
        matches!(Prepared::new(&model, condition(), None), Err(Error::Corrupt))
    };
    let parts: [fn(&mut Model) -> &mut Network; 2] =
        [|m| &mut m.luma, |m| m.chroma.as_mut().unwrap()];
    for part in parts {
        let refused = |change: &Change| refused(change, part);
        assert!(!refused(&|_| {}));
        assert!(refused(&|n| {
            let smallest = vec![i16::MIN; n.layers[4].weights.len()];
            n.layers[4].weights = Shared::new(smallest).unwrap();
        }));
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
        Prepared::new(&model, condition(), Some(&update)).map(|_| ())
    };
    assert_eq!(result(&|_| {}), Ok(()));
    // Five layers of luma, five of chroma.
    for layer in [1, 6] {
        assert_eq!(result(&|u| u.layers[layer].scale[0] = 1), Ok(()));
        assert_eq!(result(&|u| u.layers[layer].scale[0] = -255), Err(Error::Corrupt));
        assert_eq!(result(&|u| u.layers[layer].scale.truncate(4)), Err(Error::Corrupt));
    }
    assert_eq!(result(&|u| u.step = 16), Err(Error::Corrupt));
    assert_eq!(result(&|u| u.layers.truncate(5)), Err(Error::Corrupt));
    // Some channel's bias reaches 2^31 when every bias takes the largest step.
    let all = |u: &mut Update| {
        u.step = 15;
        u.layers.iter_mut().for_each(|l| l.bias.fill(255));
    };
    assert_eq!(result(&all), Err(Error::Corrupt));
}

#[test]
fn the_room_for_updates_is_exact_enough_to_use() {
    for file in [&luma()[..], COLOUR] {
        let model = Model::from_bytes(file).unwrap();
        for (step, sign) in (0..=15).flat_map(|step| [(step, -1), (step, 1)]) {
            let room = sidelight::network::bounds::update_bounds(&model, condition(), step);
            let layers = room.into_iter().map(|[scale, bias]| LayerUpdate {
                scale: scale.into_iter().map(|v| sign * v).collect(),
                bias: bias.into_iter().map(|v| sign * v).collect(),
                coefficients: Vec::new(),
            });
            let update = Update { step, layers: layers.collect() };
            assert!(Prepared::new(&model, condition(), Some(&update)).is_ok(), "{step} {sign}");
        }
    }
}
