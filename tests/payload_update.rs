//! The tier-1 update syntax: round trips, canonical form, hostile bodies, price and size.

use sidelight::payload::coding::MAX_CHANNELS;
use sidelight::payload::update::{encode, price, read};
use sidelight::payload::{
    Class, Coding, ContextTable, LayerClasses, LayerUpdate, Update, CONTEXTS, MAX_MAGNITUDE,
};
use sidelight::Error;

/// Output channels of the network that the syntax was made for.
const TYPICAL: [usize; 5] = [32, 32, 32, 32, 4];

/// The default coding of networks with these output channels.
fn untuned(networks: &[&[usize]]) -> Coding {
    Coding::untuned(&networks.iter().map(|n| n.to_vec()).collect::<Vec<_>>()).unwrap()
}

struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 >> 16
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
                let bias = scale
                    .iter()
                    .map(|&s| {
                        let density = layer_density * if s == 0 { 9 } else { 14 } / 8;
                        self.list(1, density, 25, 6)[0]
                    })
                    .collect();
                LayerUpdate { scale, bias }
            })
            .collect();
        Update { step: 3 + self.below(3) as u8, layers }
    }

    /// Any shape and density, legal extremes included.
    fn any(&mut self) -> (Update, Coding) {
        let networks: Vec<Vec<usize>> = (0..self.below(3))
            .map(|_| (0..self.below(6)).map(|_| self.width()).collect())
            .collect();
        let cap = [1, 2, 6, 20, MAX_MAGNITUDE][self.below(5) as usize];
        let sparse = [0, 1].map(|_| self.percent(30));
        let channels =
            networks.iter().zip(sparse).flat_map(|(n, s)| n.iter().map(move |l| (*l, s)));
        let layers = channels
            .map(|(len, sparse)| {
                let density = if sparse { 0 } else { self.density() };
                let more = [0, 20, 50, 95, 100][self.below(5) as usize];
                LayerUpdate {
                    scale: self.list(len, density, more, cap),
                    bias: self.list(len, density, more, cap),
                }
            })
            .collect();
        let update = Update { step: self.below(8) as u8, layers };
        (update, Coding::untuned(&networks).unwrap())
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

    /// Any table and classes, of the same shape.
    fn coding(&mut self, like: &Coding) -> Coding {
        let mut bytes = [0; CONTEXTS];
        bytes.fill_with(|| self.next() as u8);
        let mut networks = like.networks().to_vec();
        for layer in networks.iter_mut().flatten() {
            let classes = layer.scale.iter_mut().chain(&mut layer.bias);
            classes.for_each(|c| *c = Class::from_byte(self.below(20) as u8).unwrap());
        }
        Coding::new(ContextTable::new(bytes), networks).unwrap()
    }
}

#[test]
fn round_trips_and_is_deterministic() {
    let mut random = Random(0x1111_2222_3333);
    for i in 0..4000 {
        let (update, coding) =
            if i % 2 == 0 { random.any() } else { (random.typical(), untuned(&[&TYPICAL])) };
        let coding = if i % 3 == 0 { random.coding(&coding) } else { coding };
        let body = encode(&update, &coding).unwrap();
        assert_eq!(encode(&update, &coding).unwrap(), body);
        assert_eq!(read(&body, &coding), Ok(update));
    }
}

#[test]
fn every_magnitude_round_trips() {
    for magnitude in 1..=MAX_MAGNITUDE {
        let layers = vec![LayerUpdate { scale: vec![magnitude], bias: vec![-magnitude] }];
        let update = Update { step: 7, layers };
        let coding = untuned(&[&[1]]);
        let body = encode(&update, &coding).unwrap();
        assert_eq!(read(&body, &coding), Ok(update));
    }
}

#[test]
fn out_of_range_is_refused() {
    let update = |scale: Vec<i16>, bias: Vec<i16>, step| {
        let layers = vec![LayerUpdate { scale, bias }];
        encode(&Update { step, layers }, &untuned(&[&[1]]))
    };
    assert!(update(vec![255], vec![-255], 7).is_ok());
    for (scale, bias, step) in [
        (vec![256], vec![0], 0),
        (vec![0], vec![-256], 0),
        (vec![i16::MIN], vec![0], 0),
        (vec![0], vec![0], 8),
        (vec![0, 0], vec![0], 0),
        (vec![0, 0], vec![0, 0], 0),
    ] {
        assert_eq!(update(scale, bias, step), Err(Error::InvalidArgument));
    }
    let none = Update::default();
    assert_eq!(encode(&none, &untuned(&[&[1]])), Err(Error::InvalidArgument));
    assert_eq!(price(&none, &untuned(&[&[], &[1]])), Err(Error::InvalidArgument));
}

#[test]
fn codings_out_of_range_are_refused() {
    let class = Class::from_byte(19).unwrap();
    assert_eq!((class.activity(), class.sign(), class.byte()), (3, 4, 19));
    for byte in 20..=255 {
        assert_eq!(Class::from_byte(byte), Err(Error::Corrupt));
    }
    let untuned = |networks: &[Vec<usize>]| Coding::untuned(networks).map(|_| ());
    assert_eq!(untuned(&[vec![MAX_CHANNELS - 1], vec![0]]), Ok(()));
    assert_eq!(untuned(&[vec![MAX_CHANNELS], vec![0]]), Err(Error::TooLarge));
    assert_eq!(untuned(&[vec![usize::MAX, 2]]), Err(Error::TooLarge));
    assert_eq!(untuned(&[vec![0; MAX_CHANNELS + 1]]), Err(Error::TooLarge));
    assert_eq!(untuned(&[vec![1], vec![1], vec![1]]), Err(Error::InvalidArgument));
    let layer = LayerClasses { scale: vec![class; 2], bias: vec![class] };
    let uneven = Coding::new(ContextTable::DEFAULT, vec![vec![layer]]);
    assert_eq!(uneven, Err(Error::InvalidArgument));
}

/// What `read` accepts is what `encode` makes of the result, for every kind of input.
fn accepts_only_canonical(body: &[u8], coding: &Coding) -> bool {
    match read(body, coding) {
        Ok(update) => {
            assert_eq!(encode(&update, coding).unwrap(), body);
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
    let mut random = Random(0x4444_5555_6666);
    let (mut accepted, mut tried) = (0, 0);
    let mut check = |body: &[u8], coding: &Coding| {
        accepted += u32::from(accepts_only_canonical(body, coding));
        tried += 1;
    };
    for i in 0..300 {
        let (update, coding) =
            if i % 2 == 0 { random.any() } else { (random.typical(), untuned(&[&TYPICAL])) };
        let body = encode(&update, &coding).unwrap();
        for bit in 0..8 * body.len().min(80) {
            let mut body = body.clone();
            body[bit / 8] ^= 1 << (bit % 8);
            check(&body, &coding);
        }
        for len in 0..body.len() {
            check(&body[..len], &coding);
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
            check(&body, &coding);
        }
    }
    println!("{accepted} of {tried} mutations are canonical bodies of something else");
    assert!(accepted > 0 && accepted < tried);
}

#[test]
fn random_bodies_do_no_harm() {
    let mut random = Random(0x7777_8888_9999);
    let mut accepted = 0;
    for i in 0..50_000 {
        let len = random.below([4, 16, 100, 400][i % 4]) as usize;
        let body: Vec<u8> = match i % 5 {
            0 => vec![random.next() as u8; len],
            1 => (0..len).map(|_| 0xFF).collect(),
            _ => (0..len).map(|_| random.next() as u8).collect(),
        };
        let coding = if i % 2 == 0 { untuned(&[&TYPICAL]) } else { random.any().1 };
        let coding = if i % 7 == 0 { random.coding(&coding) } else { coding };
        accepted += u32::from(accepts_only_canonical(&body, &coding));
    }
    println!("{accepted} of 50000 random bodies are canonical");
}

fn zeros(channels: &[usize]) -> Vec<LayerUpdate> {
    channels.iter().map(|&n| LayerUpdate { scale: vec![0; n], bias: vec![0; n] }).collect()
}

#[test]
fn nothing_costs_nothing() {
    let update = Update { step: 4, layers: zeros(&TYPICAL) };
    let body = encode(&update, &untuned(&[&TYPICAL])).unwrap();
    println!("all zeros: {} bytes", body.len());
    assert!(body.len() <= 1);
    assert!(encode(&Update::default(), &untuned(&[])).unwrap().is_empty());
}

/// Chroma without a change costs a bin, whatever its network.
#[test]
fn chroma_without_a_change_costs_next_to_nothing() {
    let mut random = Random(0x1234_5678_9ABC);
    for _ in 0..100 {
        let mut update = random.typical();
        let luma = price(&update, &untuned(&[&TYPICAL])).unwrap();
        update.layers.extend(zeros(&[64; 10]));
        let colour = price(&update, &untuned(&[&TYPICAL, &[64; 10]])).unwrap();
        assert!(colour - luma < 3 * 256, "{luma} {colour}");
    }
}

#[test]
fn price_is_the_size() {
    let mut random = Random(0xAAAA_BBBB_CCCC);
    let (mut priced, mut real) = (0, 0);
    for i in 0..2000 {
        let (update, coding) =
            if i % 2 == 0 { random.any() } else { (random.typical(), untuned(&[&TYPICAL])) };
        let coding = if i % 3 == 0 { random.coding(&coding) } else { coding };
        let bits = u64::from(price(&update, &coding).unwrap()) / 256;
        let bytes = encode(&update, &coding).unwrap().len() as u64;
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
    let mut random = Random(0xDDDD_EEEE_FFFF);
    let (mut sum, mut ideal_sum) = (0, 0.0);
    println!("nonzero  bytes  zero-order entropy");
    for i in 0..400 {
        let update = random.typical();
        let bytes = encode(&update, &untuned(&[&TYPICAL])).unwrap().len();
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
