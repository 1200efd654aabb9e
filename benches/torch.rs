//! One step of training the shipped network of luma (size M) on crops of 128×128 samples: forward,
//! backward and Adam; native, and in libtorch with its default layout and with channels last. All
//! take turns, so that what else the machine does hits them alike.

use sidelight::cpu::CpuLevel;
use sidelight::network::CodecKind;
use sidelight::train::adam::{Adam, AdamRates};
use sidelight::train::map::Map;
use sidelight::train::net::{padded, Net, Train, Workspace};
use sidelight::train::torch::{set_threads, TorchNet};
use sidelight::{models, Condition, Layout};
use std::time::Instant;
use tch::nn::{Optimizer, OptimizerConfig};
use tch::{Kind, Tensor};

const CROPS: usize = 4;
/// Half-resolution pixels along a crop's side.
const SIDE: usize = 64;
const THREADS: [usize; 2] = [1, 2];
const ROUNDS: usize = 25;
const WARM_UP: usize = 3;
const RATES: AdamRates = AdamRates { rate: 1e-4, beta1: 0.9, beta2: 0.999 };

/// The shipped network with its scales multiplied into its weights, which are what is trained.
fn shipped() -> Net {
    let model = models::default_for(CodecKind::Jpeg, models::ModelSize::Medium);
    let mut net = Net::from_network(&model.expect("a model of luma").luma);
    for layer in &mut net.layers {
        for tensor in [&mut layer.weights, &mut layer.bias, &mut layer.condition] {
            for row in tensor.chunks_exact_mut(padded(layer.cout)) {
                row.iter_mut().zip(&layer.scale).for_each(|(v, scale)| *v *= scale);
            }
        }
        layer.scale.fill(1.0);
    }
    net
}

/// A crop of noise.
fn crop(seed: usize) -> Map {
    let mut state = 1 + seed as u64;
    let mut map = Map::new(SIDE, SIDE, 4, 1).expect("memory");
    for y in 0..SIDE {
        map.row_mut(y).fill_with(|| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            (state >> 40) as f32 / (1 << 24) as f32 - 0.5
        });
    }
    map
}

fn condition() -> Condition {
    Condition::from_jpeg_tables(&[24; 64], &[24; 64], Layout::I400)
}

struct Native {
    net: Net,
    adam: Vec<Adam>,
    crops: Vec<(Workspace, Net)>,
    step: u32,
}

impl Native {
    fn new(net: Net) -> Self {
        let crop = |i| {
            let mut ws = Workspace::new(net.arch, SIDE, SIDE, CpuLevel::current()).expect("memory");
            *ws.input() = crop(i);
            (ws, net.clone())
        };
        let crops = (0..CROPS).map(crop).collect();
        let adam = net.tensors().map(|t| Adam::new(t.len())).collect();
        Self { net, adam, crops, step: 0 }
    }

    /// The residual shall be 0: the squared error is the output's square.
    fn step(&mut self, threads: usize) {
        let net = &self.net;
        let work = |crops: &mut [(Workspace, Net)]| {
            for (ws, gradient) in crops {
                gradient.tensors_mut().for_each(|t| t.fill(0.0));
                ws.forward(net, condition(), (0, 0));
                ws.backward(net, condition(), Train::Weights, gradient, |_, out, d| {
                    d.iter_mut().zip(out).for_each(|(d, out)| *d = 2.0 * out);
                });
            }
        };
        let (own, others) = self.crops.split_at_mut(CROPS / threads);
        std::thread::scope(|scope| {
            others.chunks_mut(CROPS / threads).for_each(|crops| drop(scope.spawn(|| work(crops))));
            work(own);
        });
        let (total, others) = self.crops.split_first_mut().expect("crops");
        for (_, other) in others {
            for (sum, g) in total.1.tensors_mut().zip(other.tensors()) {
                sum.iter_mut().zip(g).for_each(|(sum, g)| *sum += g);
            }
        }
        self.step += 1;
        let tensors = self.net.tensors_mut().zip(&mut self.adam).zip(total.1.tensors());
        for ((values, adam), gradient) in tensors {
            adam.step(RATES, self.step, values, gradient);
        }
    }
}

struct Torch {
    net: TorchNet,
    optimiser: Optimizer,
    input: Tensor,
    features: Tensor,
}

impl Torch {
    fn new(net: &Net, channels_last: bool) -> Self {
        let net = TorchNet::new(net, Train::Weights);
        let optimiser = tch::nn::Adam::default().build(net.variables(), f64::from(RATES.rate));
        let input = net.batch(&(0..CROPS).map(crop).collect::<Vec<_>>());
        let input = if channels_last { input } else { input.contiguous() };
        let features = net.features(&[condition(); CROPS]);
        Self { net, optimiser: optimiser.expect("an optimiser"), input, features }
    }

    fn step(&mut self, threads: usize) {
        set_threads(threads);
        let output = self.net.forward(&self.input, &self.features);
        self.optimiser.backward_step(&output.square().sum(Kind::Float));
    }
}

/// Milliseconds.
fn time(step: impl FnOnce()) -> f64 {
    let clock = Instant::now();
    step();
    clock.elapsed().as_secs_f64() * 1e3
}

fn main() {
    let net = shipped();
    let multiplications = 3 * net.arch.macs_per_sample() * 4 * SIDE * SIDE * CROPS;
    let mut native = Native::new(net.clone());
    let mut torch = [false, true].map(|channels_last| Torch::new(&net, channels_last));
    // Of each number of threads: native, libtorch's default, channels last.
    let mut times = THREADS.map(|_| [const { Vec::new() }; 3]);
    for round in 0..WARM_UP + ROUNDS {
        for (threads, times) in THREADS.into_iter().zip(&mut times) {
            let [default, last] = &mut torch;
            let now = [
                time(|| native.step(threads)),
                time(|| default.step(threads)),
                time(|| last.step(threads)),
            ];
            if round >= WARM_UP {
                times.iter_mut().zip(now).for_each(|(all, t)| all.push(t));
            }
        }
    }
    println!("{CROPS} crops of 128×128, {:?}, medians of {ROUNDS} steps", CpuLevel::current());
    println!("threads  trainer                  ms  (quartiles)      GMAC/s");
    let mut medians = [[0.0; 3]; THREADS.len()];
    for ((threads, times), medians) in THREADS.into_iter().zip(&mut times).zip(&mut medians) {
        let names = ["native", "libtorch", "libtorch, channels last"];
        for ((name, times), median) in names.into_iter().zip(times).zip(medians) {
            times.sort_by(f64::total_cmp);
            let [low, middle, high] = [1, 2, 3].map(|quarter| times[quarter * ROUNDS / 4]);
            *median = middle;
            let rate = multiplications as f64 / middle / 1e6;
            println!("{threads:7}  {name:23} {middle:6.1}  ({low:.1} … {high:.1})  {rate:6.1}");
        }
    }
    for (threads, [native, default, last]) in THREADS.into_iter().zip(medians) {
        println!("libtorch's best / native, {threads} threads: {:.2}", default.min(last) / native);
    }
    println!("native, 1 thread / 2 threads: {:.2}", medians[0][0] / medians[1][0]);
}
