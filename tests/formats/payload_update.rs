//! The syntax of updates: round trips, canonical form, hostile bodies, price and size.

use crate::common::rng::Xorshift;
use sidelight::network::prior::{ChannelClass, InitialStates, LayerClasses, UpdatePrior, CONTEXTS};
use sidelight::network::prior::{LEVELS, MAX_CHANNELS, MAX_COEFFICIENTS};
use sidelight::network::update::{LayerUpdate, Update, MAX_MAGNITUDE};
use sidelight::payload::trace::bins;
use sidelight::payload::update::{encode, price, read};
use sidelight::Error;

/// Output channels of the network that the syntax was made for.
const TYPICAL: [usize; 5] = [32, 32, 32, 32, 4];

/// Input and output channels of its layers.
fn typical_shapes() -> [(usize, usize); 5] {
    [(4, 32), (32, 32), (32, 32), (32, 32), (32, 4)]
}

fn typical_coding() -> UpdatePrior {
    untuned(&[&typical_shapes()])
}

/// Input and output channels of a layer.
type Shape = (usize, usize);

/// The default coding of networks whose layers have these shapes.
fn untuned(networks: &[&[Shape]]) -> UpdatePrior {
    UpdatePrior::untuned(&networks.iter().map(|n| n.to_vec()).collect::<Vec<_>>()).unwrap()
}

/// A layer without coefficients.
fn layer(scale: &[i16], bias: &[i16]) -> LayerUpdate {
    LayerUpdate { scale: scale.to_vec(), bias: bias.to_vec(), coefficients: Vec::new() }
}

/// A layer that has coefficients alone.
fn of_coefficients(outputs: usize, coefficients: Vec<i16>) -> LayerUpdate {
    LayerUpdate { coefficients, ..LayerUpdate::zeros(outputs) }
}

/// Lists of coefficients that are all 0 are the same as none.
fn without_empty_coefficients(mut update: Update) -> Update {
    for layer in &mut update.layers {
        if layer.coefficients.iter().all(|v| *v == 0) {
            layer.coefficients.clear();
        }
    }
    update
}

struct Random(Xorshift);

impl Random {
    fn new(seed: u64) -> Self {
        Self(Xorshift(seed))
    }

    fn next(&mut self) -> u64 {
        self.0.next() >> 16
    }

    fn below(&mut self, n: u64) -> u64 {
        self.next() % n
    }

    fn percent(&mut self, percent: u64) -> bool {
        self.below(100) < percent
    }

    /// Not zero; each step up is taken with probability `more` percent.
    fn value(&mut self, more: u64, cap: i16) -> i16 {
        let mut magnitude = 1;
        while magnitude < cap && self.percent(more) {
            magnitude += 1;
        }
        if self.percent(50) {
            -magnitude
        } else {
            magnitude
        }
    }

    fn list(&mut self, len: usize, density: u64, more: u64, cap: i16) -> Vec<i16> {
        (0..len).map(|_| if self.percent(density) { self.value(more, cap) } else { 0 }).collect()
    }

    /// What fine-tuning gives: 15 to 50 % of the values of a picture are not zero, biases more
    /// often than scales and more often where the channel's scale is; layers differ.
    fn typical(&mut self) -> Update {
        let density = 15 + self.below(36);
        let layers = TYPICAL
            .iter()
            .map(|&len| {
                let layer_density = density * (50 + self.below(101)) / 100;
                let scale = self.list(len, layer_density * 3 / 4, 25, 6);
                let bias: Vec<i16> = scale
                    .iter()
                    .map(|&s| {
                        let density = layer_density * if s == 0 { 9 } else { 14 } / 8;
                        self.list(1, density, 25, 6)[0]
                    })
                    .collect();
                layer(&scale, &bias)
            })
            .collect();
        Update { step: 6 + self.below(6) as u8, layers }
    }

    /// Such an update with some coefficients, a few hundred at most.
    fn typical_with_coefficients(&mut self) -> Update {
        let mut update = self.typical();
        for (layer, (inputs, outputs)) in update.layers.iter_mut().zip(typical_shapes()) {
            if self.percent(75) {
                let most = [3, 10, 40][self.below(3) as usize];
                let changes = self.below(most);
                layer.coefficients = vec![0; 9 * inputs * outputs];
                for _ in 0..changes {
                    let at = self.below(layer.coefficients.len() as u64) as usize;
                    layer.coefficients[at] = self.value(15, 5);
                }
            }
        }
        without_empty_coefficients(update)
    }

    fn typical_of(&mut self, coefficients: bool) -> (Update, UpdatePrior) {
        let update = if coefficients { self.typical_with_coefficients() } else { self.typical() };
        (update, typical_coding())
    }

    /// Any shape and density, legal extremes included.
    fn any(&mut self) -> (Update, UpdatePrior) {
        let networks: Vec<Vec<Shape>> = (0..self.below(3))
            .map(|_| (0..self.below(6)).map(|_| (self.below(9) as usize, self.width())).collect())
            .collect();
        let cap = [1, 2, 6, 20, MAX_MAGNITUDE][self.below(5) as usize];
        let sparse = [0, 1].map(|_| self.percent(30));
        let channels =
            networks.iter().zip(sparse).flat_map(|(n, s)| n.iter().map(move |l| (*l, s)));
        let layers = channels
            .map(|((inputs, len), sparse)| {
                let density = if sparse { 0 } else { self.density() };
                let coefficient_density = if sparse { 0 } else { self.coefficient_density() };
                let more = [0, 20, 50, 95, 100][self.below(5) as usize];
                LayerUpdate {
                    scale: self.list(len, density, more, cap),
                    bias: self.list(len, density, more, cap),
                    coefficients: self.list(9 * inputs * len, coefficient_density, more, cap),
                }
            })
            .collect();
        let update = without_empty_coefficients(Update { step: self.below(8) as u8, layers });
        (update, UpdatePrior::untuned(&networks).unwrap())
    }

    fn width(&mut self) -> usize {
        (match self.below(4) {
            0 => self.below(3),
            1 => 64,
            _ => self.below(40),
        }) as usize
    }

    fn density(&mut self) -> u64 {
        [0, 1, 5, 20, 50, 90, 100][self.below(7) as usize]
    }

    /// Most often none, or few.
    fn coefficient_density(&mut self) -> u64 {
        [0, 0, 0, 1, 1, 5, 50, 100][self.below(8) as usize]
    }

    /// Any table and classes, of the same shape.
    fn prior(&mut self, like: &UpdatePrior) -> UpdatePrior {
        let mut bytes = [0; CONTEXTS];
        bytes.fill_with(|| self.next() as u8);
        let mut networks = like.networks().to_vec();
        for layer in networks.iter_mut().flatten() {
            let classes = layer.scale.iter_mut().chain(&mut layer.bias);
            classes.for_each(|c| *c = ChannelClass::from_byte(self.below(20) as u8).unwrap());
            let levels = layer.row_level.iter_mut().chain(&mut layer.column_level);
            levels.for_each(|level| *level = self.below(LEVELS.into()) as u8);
        }
        UpdatePrior::new(InitialStates::new(bytes), networks).unwrap()
    }
}

#[test]
fn round_trips_and_is_deterministic() {
    let mut random = Random::new(0x1111_2222_3333);
    for i in 0..4000 {
        let (update, prior) = if i % 2 == 0 { random.any() } else { random.typical_of(i % 4 == 1) };
        let prior = if i % 3 == 0 { random.prior(&prior) } else { prior };
        let body = encode(&update, &prior).unwrap();
        assert_eq!(encode(&update, &prior).unwrap(), body);
        assert_eq!(read(&body, &prior), Ok(update));
    }
}

#[test]
fn every_magnitude_round_trips() {
    for magnitude in 1..=MAX_MAGNITUDE {
        let layers = vec![layer(&[magnitude], &[-magnitude])];
        let update = Update { step: 15, layers };
        let prior = untuned(&[&[(1, 1)]]);
        let body = encode(&update, &prior).unwrap();
        assert_eq!(read(&body, &prior), Ok(update));
        let coefficients = (0..9).map(|t| if t % 2 == 0 { magnitude } else { -magnitude });
        let update = Update { step: 0, layers: vec![of_coefficients(1, coefficients.collect())] };
        let body = encode(&update, &prior).unwrap();
        assert_eq!(read(&body, &prior), Ok(update));
    }
}

/// Every coefficient of a layer of each place, alone: it comes back where it was.
#[test]
fn every_coefficient_round_trips() {
    let shapes = [(2, 3), (3, 5), (5, 2)];
    let prior = untuned(&[&shapes, &shapes[..1]]);
    let all = || [&shapes[..], &shapes[..1]].concat();
    for (l, (inputs, outputs)) in all().into_iter().enumerate() {
        for at in 0..9 * inputs * outputs {
            let mut layers: Vec<_> = all().iter().map(|s| LayerUpdate::zeros(s.1)).collect();
            layers[l].coefficients = vec![0; 9 * inputs * outputs];
            layers[l].coefficients[at] = if at % 2 == 0 { 1 } else { -7 };
            let update = Update { step: 3, layers };
            let body = encode(&update, &prior).unwrap();
            assert_eq!(read(&body, &prior), Ok(update), "layer {l}, coefficient {at}");
        }
    }
}

/// Coefficients that are listed but all 0 are as good as none.
#[test]
fn coefficients_of_zeros_are_no_coefficients() {
    let mut random = Random::new(0x2222_3333_4444);
    for i in 0..50 {
        let update = if i % 2 == 0 { random.typical() } else { random.typical_with_coefficients() };
        let mut listed = update.clone();
        for (layer, (inputs, outputs)) in listed.layers.iter_mut().zip(typical_shapes()) {
            layer.coefficients.resize(9 * inputs * outputs, 0);
        }
        let prior = typical_coding();
        let body = encode(&listed, &prior).unwrap();
        assert_eq!(encode(&update, &prior).unwrap(), body);
        assert_eq!(price(&update, &prior), price(&listed, &prior));
        assert_eq!(read(&body, &prior), Ok(update));
    }
}

/// The bins of a few coefficients by the numbers of docs/payload.md.
#[test]
fn bins_of_coefficients_are_as_documented() {
    let levels = |rows: &[u8], columns: &[u8]| LayerClasses {
        scale: vec![ChannelClass::default(); columns.len()],
        bias: vec![ChannelClass::default(); columns.len()],
        row_level: rows.to_vec(),
        column_level: columns.to_vec(),
    };
    // Of two inputs, pattern by pattern.
    let rows = [[0, 20].repeat(5), vec![3, 4, 0, 4, 0, 4, 0, 23]].concat();
    let layers = vec![levels(&rows, &[2, 13]), levels(&[5; 9], &[4]), levels(&[23; 9], &[23])];
    let prior = UpdatePrior::new(InitialStates::DEFAULT, vec![layers]).unwrap();
    let mut first = vec![0; 9 * 2 * 2];
    let mut last = vec![0; 9];
    // Pattern p from input i to output o.
    let mut set = |p: usize, i: usize, o: usize, v: i16| first[(2 * p + i) * 2 + o] = v;
    set(1, 0, 0, -1);
    set(4, 0, 0, 3);
    set(5, 0, 0, 1);
    set(0, 1, 0, 1);
    set(8, 1, 1, 9);
    last[8] = 1;
    let update = Update {
        step: 1,
        layers: vec![of_coefficients(2, first), LayerUpdate::zeros(1), of_coefficients(1, last)],
    };
    let got = bins(&update, &prior).unwrap();
    let (lists, layer) = ([(2, true), (3, true)], |place: usize, empty| [(100 + place, empty)]);
    let near = |level: usize, near: usize, bin| (103 + 3 * level + near, bin);
    let sign = |place: usize, before: usize, bin| (175 + 5 * place + before, bin);
    let more = |n: usize| (0..n).map(|p| (190 + p, true)).collect::<Vec<_>>();
    let zeros = |level: usize, n: usize, k: usize| vec![near(level, n, false); k];
    let expected = [
        // The network changes, and has coefficients.
        vec![(0, false), (98, false)],
        lists.to_vec(),
        layer(0, false).to_vec(),
        // Output 0: input 0 at level 2, but for pattern 5, then input 1 at level 22, later 6 and
        // 23.
        zeros(2, 0, 1),
        vec![near(2, 0, true), sign(0, 0, true), (190, false)],
        zeros(2, 1, 2),
        vec![near(2, 1, true), sign(0, 2, false)],
        more(2),
        vec![(192, false), near(5, 2, true), sign(0, 1, false), (190, false)],
        zeros(2, 2, 3),
        vec![near(22, 0, true), sign(0, 3, false), (190, false)],
        zeros(22, 1, 4),
        zeros(6, 1, 3),
        zeros(23, 1, 1),
        // Output 1: levels 13 and 16; then 23, which 33 and 36 count as, and 17.
        zeros(13, 0, 5),
        zeros(16, 0, 1),
        zeros(13, 0, 3),
        zeros(23, 0, 5),
        zeros(17, 0, 3),
        vec![near(23, 0, true), sign(0, 0, false)],
        more(6),
        lists.to_vec(),
        layer(1, true).to_vec(),
        lists.to_vec(),
        layer(2, false).to_vec(),
        zeros(23, 0, 8),
        vec![near(23, 0, true), sign(2, 0, false), (190, false)],
    ];
    assert_eq!(got, expected.concat());
    let body = encode(&update, &prior).unwrap();
    assert_eq!(read(&body, &prior), Ok(update));
}

#[test]
fn out_of_range_is_refused() {
    let update = |scale: Vec<i16>, bias: Vec<i16>, step| {
        let layers = vec![layer(&scale, &bias)];
        encode(&Update { step, layers }, &untuned(&[&[(1, 1)]]))
    };
    assert!(update(vec![255], vec![-255], 15).is_ok());
    for (scale, bias, step) in [
        (vec![256], vec![0], 0),
        (vec![0], vec![-256], 0),
        (vec![i16::MIN], vec![0], 0),
        (vec![0], vec![0], 16),
        (vec![0, 0], vec![0], 0),
        (vec![0, 0], vec![0, 0], 0),
    ] {
        assert_eq!(update(scale, bias, step), Err(Error::InvalidArgument));
    }
    let none = Update::default();
    assert_eq!(encode(&none, &untuned(&[&[(1, 1)]])), Err(Error::InvalidArgument));
    assert_eq!(price(&none, &untuned(&[&[], &[(1, 1)]])), Err(Error::InvalidArgument));
    let coefficients = |coefficients: Vec<i16>| {
        let update = Update { step: 0, layers: vec![of_coefficients(3, coefficients)] };
        assert_eq!(price(&update, &untuned(&[&[(2, 3)]])).is_ok(), update.layers[0].fits(2, 3));
        encode(&update, &untuned(&[&[(2, 3)]]))
    };
    for (length, ok) in [(0, true), (54, true), (53, false), (55, false), (6, false), (108, false)]
    {
        let expected = if ok { Ok(()) } else { Err(Error::InvalidArgument) };
        assert_eq!(coefficients(vec![0; length]).map(|_| ()), expected, "{length} coefficients");
    }
    for value in [256, -256, i16::MIN, i16::MAX] {
        let update =
            Update { step: 0, layers: vec![of_coefficients(1, [&[0; 8][..], &[value]].concat())] };
        assert_eq!(encode(&update, &untuned(&[&[(1, 1)]])), Err(Error::InvalidArgument));
    }
}

#[test]
fn codings_out_of_range_are_refused() {
    let class = ChannelClass::from_byte(19).unwrap();
    assert_eq!((class.activity(), class.sign(), class.byte()), (3, 4, 19));
    for byte in 20..=255 {
        assert_eq!(ChannelClass::from_byte(byte), Err(Error::Corrupt));
    }
    let untuned = |networks: &[Vec<Shape>]| UpdatePrior::untuned(networks).map(|_| ());
    assert_eq!(untuned(&[vec![(1, MAX_CHANNELS - 1)], vec![(0, 0)]]), Ok(()));
    assert_eq!(untuned(&[vec![(1, MAX_CHANNELS)], vec![(0, 0)]]), Err(Error::TooLarge));
    assert_eq!(untuned(&[vec![(0, usize::MAX), (0, 2)]]), Err(Error::TooLarge));
    assert_eq!(untuned(&[vec![(0, 0); MAX_CHANNELS + 1]]), Err(Error::TooLarge));
    assert_eq!(untuned(&[vec![(1, 1)], vec![(1, 1)], vec![(1, 1)]]), Err(Error::InvalidArgument));
    let most = MAX_COEFFICIENTS / 9;
    for (inputs, outputs) in [(most, 1), (most, 0), (1, most / 2), (most / 100, 100)] {
        let fits = untuned(&[vec![(inputs, outputs)]]);
        assert_eq!(fits, Ok(()), "{inputs} {outputs}");
        let wide = untuned(&[vec![(3 * inputs, outputs)]]);
        assert_eq!(wide, Err(Error::TooLarge), "{inputs} {outputs}");
    }
    for (inputs, outputs) in [(usize::MAX, 0), (usize::MAX, 1), (usize::MAX, usize::MAX)] {
        assert_eq!(untuned(&[vec![(inputs, outputs)]]), Err(Error::TooLarge));
    }
    let good = LayerClasses {
        scale: vec![class; 2],
        bias: vec![class; 2],
        row_level: [vec![0; 26], vec![LEVELS - 1]].concat(),
        column_level: vec![LEVELS - 1; 2],
    };
    let prior = |layer| UpdatePrior::new(InitialStates::DEFAULT, vec![vec![layer]]);
    assert!(prior(good.clone()).is_ok());
    for bad in [
        LayerClasses { bias: vec![class], ..good.clone() },
        LayerClasses { column_level: vec![0], ..good.clone() },
        LayerClasses { row_level: vec![0; 26], ..good.clone() },
        LayerClasses { row_level: vec![0; 3], ..good.clone() },
        LayerClasses { row_level: [vec![0; 8], vec![LEVELS]].concat(), ..good.clone() },
        LayerClasses { column_level: vec![255, 0], ..good.clone() },
    ] {
        assert_eq!(prior(bad), Err(Error::InvalidArgument));
    }
}

/// What `read` accepts is what `encode` makes of the result, for every kind of input.
fn accepts_only_canonical(body: &[u8], prior: &UpdatePrior) -> bool {
    match read(body, prior) {
        Ok(update) => {
            assert_eq!(encode(&update, prior).unwrap(), body);
            true
        }
        Err(error) => {
            assert_eq!(error, Error::Corrupt);
            false
        }
    }
}

#[test]
fn mutations_are_canonical_or_corrupt() {
    let mut random = Random::new(0x4444_5555_6666);
    let (mut accepted, mut tried) = (0, 0);
    let mut check = |body: &[u8], prior: &UpdatePrior| {
        accepted += u32::from(accepts_only_canonical(body, prior));
        tried += 1;
    };
    for i in 0..120 {
        let (update, prior) = if i % 2 == 0 { random.any() } else { random.typical_of(i % 4 == 1) };
        let body = encode(&update, &prior).unwrap();
        for bit in 0..8 * body.len().min(80) {
            let mut body = body.clone();
            body[bit / 8] ^= 1 << (bit % 8);
            check(&body, &prior);
        }
        for len in (0..body.len()).step_by(1 + body.len() / 200) {
            check(&body[..len], &prior);
        }
        for _ in 0..10 {
            let mut body = body.clone();
            for _ in 0..random.below(4) {
                let at = random.below(body.len() as u64 + 1) as usize;
                match random.below(3) {
                    0 => body.insert(at, random.next() as u8),
                    1 if at < body.len() => drop(body.remove(at)),
                    _ if at < body.len() => body[at] = random.next() as u8,
                    _ => {}
                }
            }
            check(&body, &prior);
        }
    }
    println!("{accepted} of {tried} mutations are canonical bodies of something else");
    assert!(accepted > 0 && accepted < tried);
}

#[test]
fn random_bodies_do_no_harm() {
    let mut random = Random::new(0x7777_8888_9999);
    let mut accepted = 0;
    for i in 0..50_000 {
        let len = random.below([4, 16, 100, 400][i % 4]) as usize;
        let body: Vec<u8> = match i % 5 {
            0 => vec![random.next() as u8; len],
            1 => (0..len).map(|_| 0xFF).collect(),
            _ => (0..len).map(|_| random.next() as u8).collect(),
        };
        let prior = if i % 2 == 0 { typical_coding() } else { random.any().1 };
        let prior = if i % 7 == 0 { random.prior(&prior) } else { prior };
        accepted += u32::from(accepts_only_canonical(&body, &prior));
    }
    println!("{accepted} of 50000 random bodies are canonical");
}

fn zeros(channels: &[usize]) -> Vec<LayerUpdate> {
    channels.iter().map(|&n| LayerUpdate::zeros(n)).collect()
}

#[test]
fn nothing_costs_nothing() {
    let update = Update { step: 4, layers: zeros(&TYPICAL) };
    let body = encode(&update, &typical_coding()).unwrap();
    println!("all zeros: {} bytes", body.len());
    assert!(body.len() <= 1);
    assert!(encode(&Update::default(), &untuned(&[])).unwrap().is_empty());
}

/// Chroma without a change costs a bin, whatever its network.
#[test]
fn chroma_without_a_change_costs_next_to_nothing() {
    let mut random = Random::new(0x1234_5678_9ABC);
    for _ in 0..100 {
        let mut update = random.typical();
        let luma = price(&update, &typical_coding()).unwrap();
        update.layers.extend(zeros(&[64; 10]));
        let colour = price(&update, &untuned(&[&typical_shapes(), &[(64, 64); 10]])).unwrap();
        assert!(colour - luma < 3 * 256, "{luma} {colour}");
    }
}

#[test]
fn price_is_the_size() {
    let mut random = Random::new(0xAAAA_BBBB_CCCC);
    let (mut priced, mut real) = (0, 0);
    for i in 0..2000 {
        let (update, prior) = if i % 2 == 0 { random.any() } else { random.typical_of(i % 4 == 1) };
        let prior = if i % 3 == 0 { random.prior(&prior) } else { prior };
        let bits = u64::from(price(&update, &prior).unwrap()) / 256;
        let bytes = encode(&update, &prior).unwrap().len() as u64;
        assert!(8 * bytes <= bits + bits / 100 + 8, "{bits} bits, {bytes} bytes");
        priced += bits;
        real += 8 * bytes;
    }
    assert!(real.abs_diff(priced) <= priced / 100 + 2000 * 8);
}

/// Bytes that an ideal coder would need that knows how often each value occurs, and nothing else.
fn zero_order_bytes(update: &Update) -> f64 {
    let values: Vec<i16> =
        update.layers.iter().flat_map(|l| l.scale.iter().chain(&l.bias)).copied().collect();
    let mut counts = std::collections::BTreeMap::new();
    for &value in &values {
        *counts.entry(value).or_insert(0) += 1;
    }
    let total = values.len() as f64;
    counts.values().map(|&n: &i32| f64::from(n) * (total / f64::from(n)).log2() / 8.0).sum()
}

#[test]
fn typical_updates_are_small() {
    let mut random = Random::new(0xDDDD_EEEE_FFFF);
    let (mut sum, mut ideal_sum) = (0, 0.0);
    println!("nonzero  bytes  zero-order entropy");
    for i in 0..400 {
        let update = random.typical();
        let bytes = encode(&update, &typical_coding()).unwrap().len();
        let ideal = zero_order_bytes(&update);
        if i < 16 {
            let lists = update.layers.iter().flat_map(|l| [&l.scale, &l.bias]);
            let nonzero = lists.flatten().filter(|&&value| value != 0).count();
            println!("{nonzero:7}  {bytes:5}  {ideal:8.1}");
        }
        assert!(bytes as f64 <= ideal + 8.0, "{bytes} {ideal}");
        sum += bytes;
        ideal_sum += ideal;
    }
    println!("mean of 400: {:.2} bytes, {:.2}", sum as f64 / 400.0, ideal_sum / 400.0);
}

/// A network without coefficients pays a bin for them, a layer another.
#[test]
fn no_coefficients_cost_next_to_nothing() {
    let mut random = Random::new(0x5555_6666_7777);
    for _ in 0..100 {
        let (mut update, prior) = random.typical_of(false);
        let count = |bins: &[(usize, bool)]| bins.iter().filter(|(c, _)| *c >= 98).count();
        assert!(count(&bins(&update, &prior).unwrap()) <= 1);
        update.layers[2].coefficients = vec![0; 9 * 32 * 32];
        update.layers[2].coefficients[4000] = 1;
        // That of the network, one of each layer, 9216 of significance, sign, end of the magnitude.
        assert_eq!(count(&bins(&update, &prior).unwrap()), 1 + 5 + 9216 + 2);
    }
}

/// One coefficient in a thousand that is not 0 costs less than two bytes.
#[test]
fn single_coefficients_are_small() {
    let mut random = Random::new(0x6666_7777_8888);
    let (mut bytes, mut coefficients) = (0, 0);
    for _ in 0..200 {
        let (update, prior) = random.typical_of(true);
        let mut without = update.clone();
        without.layers.iter_mut().for_each(|l| l.coefficients.clear());
        bytes += encode(&update, &prior).unwrap().len() - encode(&without, &prior).unwrap().len();
        let all = update.layers.iter().flat_map(|l| &l.coefficients);
        coefficients += all.filter(|v| **v != 0).count();
    }
    println!("{coefficients} coefficients in {bytes} bytes");
    assert!(bytes < 2 * coefficients);
}

/// The most that can be asked for: every value as large as can be, in the largest network.
#[test]
fn largest_updates_round_trip() {
    let mut random = Random::new(0x8888_9999_AAAA);
    let shapes = [(6, 64), (64, 64), (64, 64), (64, 2)];
    let prior = untuned(&[&shapes, &shapes]);
    for alike in [true, false] {
        let mut list = |n: usize| -> Vec<i16> {
            (0..n).map(|_| if alike || random.percent(50) { 255 } else { -255 }).collect()
        };
        let layer = |(inputs, outputs): Shape| LayerUpdate {
            scale: list(outputs),
            bias: list(outputs),
            coefficients: list(9 * inputs * outputs),
        };
        let layers = shapes.iter().chain(&shapes).copied().map(layer).collect();
        let update = Update { step: 15, layers };
        let body = encode(&update, &prior).unwrap();
        let priced = price(&update, &prior).unwrap() / 2048;
        println!("{} bytes", body.len());
        assert!((body.len() as f64 / f64::from(priced) - 1.0).abs() < 0.01);
        assert_eq!(read(&body, &prior), Ok(update));
    }
}
