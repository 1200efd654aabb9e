//! The network of [`net`](super::net) in libtorch: training on a GPU, and a check of the native
//! trainer.
//!
//! What libtorch refuses (no memory, no such device) it reports by panics of `tch`.

use super::map::Map;
use super::net::{features, padded, Net, Train};
use crate::network::{Arch, Condition};
use tch::nn::VarStore;
use tch::{no_grad, Device, Kind, Tensor};

/// A network whose tensors lie on the GPU where libtorch has one.
pub struct TorchNet {
    arch: Arch,
    variables: VarStore,
    /// In [`Net::tensors`]'s order and with its padding: `[3][3][cin][padded]`,
    /// `[period][period][padded]`, `[features][padded]`, `[padded]`.
    tensors: Vec<Tensor>,
}

impl TorchNet {
    /// A copy of `net`, of which `train` gets gradients.
    #[must_use]
    pub fn new(net: &Net, train: Train) -> Self {
        let variables = VarStore::new(Device::cuda_if_available());
        let mut tensors = Vec::new();
        for (l, layer) in net.layers.iter().enumerate() {
            let (p, period) = (padded(layer.cout), if l == 0 { net.arch.period } else { 1 });
            let kinds: [(&str, &[usize], bool); 4] = [
                ("weights", &[3, 3, layer.cin, p], train != Train::ScaleBias),
                ("bias", &[period, period, p], true),
                ("condition", &[net.arch.features, p], train != Train::ScaleBias),
                ("scale", &[p], train != Train::Weights),
            ];
            for (name, shape, trained) in kinds {
                let shape: Vec<i64> = shape.iter().map(|n| *n as i64).collect();
                let zeros = Tensor::zeros(shape, (Kind::Float, variables.device()));
                tensors.push((variables.root() / l).add(name, zeros, trained));
            }
        }
        let mut own = Self { arch: net.arch, variables, tensors };
        own.load(net);
        own
    }

    /// Takes the values of `net`, of the same shape.
    pub fn load(&mut self, net: &Net) {
        for (tensor, values) in self.tensors.iter_mut().zip(net.tensors()) {
            no_grad(|| tensor.copy_(&Tensor::from_slice(values).view_as(tensor)));
        }
    }

    /// Gives its values to `net`, of the same shape.
    pub fn store(&self, net: &mut Net) {
        for (tensor, values) in self.tensors.iter().zip(net.tensors_mut()) {
            *values = floats(tensor);
        }
    }

    /// What is trained, for an optimiser of `tch`.
    #[must_use]
    pub fn variables(&self) -> &VarStore {
        &self.variables
    }

    /// `inputs`, all of one size, without their borders: `[crop][channel][y][x]`, channels last in
    /// memory.
    pub fn batch(&self, inputs: &[Map]) -> Tensor {
        let Map { height, width, channels, .. } = inputs[0];
        let rows = inputs.iter().flat_map(|map| (0..height).map(|y| map.row(y)));
        let shape = [inputs.len(), height, width, channels].map(|n| n as i64);
        let pixels = Tensor::from_slice(&rows.collect::<Vec<_>>().concat());
        pixels.view(shape).permute([0, 3, 1, 2]).to(self.variables.device())
    }

    /// `[crop][feature]`.
    pub fn features(&self, conditions: &[Condition]) -> Tensor {
        let rows =
            conditions.iter().flat_map(|c| features(*c).into_iter().take(self.arch.features));
        let shape = [conditions.len(), self.arch.features].map(|n| n as i64);
        Tensor::from_slice(&rows.collect::<Vec<f32>>()).view(shape).to(self.variables.device())
    }

    /// Outputs, `[crop][channel][y][x]`, of [`batch`](Self::batch) with
    /// [`features`](Self::features); every crop's first pixel is of phase 0. Maps are laid out in
    /// memory as the input is.
    pub fn forward(&self, input: &Tensor, features: &Tensor) -> Tensor {
        let (height, width) = (input.size()[2], input.size()[3]);
        let mut x = input.shallow_clone();
        for (l, tensors) in self.tensors.chunks_exact(4).enumerate() {
            let cout = self.arch.layer(l).1 as i64;
            let scale = tensors[3].narrow(0, 0, cout);
            // Parameters are scaled in place of the sums, which are more.
            let scaled = |t: &Tensor| t.narrow(-1, 0, cout) * &scale;
            let [weights, mut bias, condition] = [0, 1, 2].map(|kind| scaled(&tensors[kind]));
            if l == 0 {
                let times = |size: i64| (size as u64).div_ceil(self.arch.period as u64) as i64;
                bias = bias.repeat([times(height), times(width), 1]);
                bias = bias.narrow(0, 0, height).narrow(1, 0, width);
            }
            let added = features.matmul(&condition).view([-1, 1, 1, cout]) + bias;
            let (weights, padded) = (weights.permute([3, 2, 0, 1]), x.replication_pad2d([1; 4]));
            x = padded.conv2d::<&Tensor>(&weights, None, 1, 0, 1, 1);
            x += added.permute([0, 3, 1, 2]);
            if l + 1 < self.arch.layers() {
                x = x.relu_();
            }
        }
        x
    }

    /// Adds to `grad` the gradients of a loss over the crops of `inputs`, all of one size. Its
    /// derivative with respect to the output is written by `loss(crop, output row y, its floats,
    /// derivative)`, rows as in [`Workspace::backward`](super::net::Workspace::backward).
    pub fn gradient(
        &self,
        inputs: &[Map],
        conditions: &[Condition],
        grad: &mut Net,
        mut loss: impl FnMut(usize, usize, &[f32], &mut [f32]),
    ) {
        let output = self.forward(&self.batch(inputs), &self.features(conditions));
        let pixel = padded(self.arch.outputs);
        let output = output.permute([0, 2, 3, 1]);
        let output = output.constant_pad_nd([0, (pixel - self.arch.outputs) as i64]);
        let values = floats(&output);
        let mut slopes = vec![0.0; values.len()];
        let Map { height, width, .. } = inputs[0];
        let rows = values.chunks_exact(pixel * width).zip(slopes.chunks_exact_mut(pixel * width));
        for (i, (values, slopes)) in rows.enumerate() {
            loss(i / height, i % height, values, slopes);
        }
        let slopes = Tensor::from_slice(&slopes).view_as(&output).to(self.variables.device());
        let total = (output * slopes).sum(Kind::Float);
        let pairs = self.tensors.iter().zip(grad.tensors_mut());
        let (trained, sums): (Vec<&Tensor>, Vec<_>) =
            pairs.filter(|(t, _)| t.requires_grad()).unzip();
        for (gradient, sum) in
            Tensor::run_backward(&[total], &trained, false, false).iter().zip(sums)
        {
            sum.iter_mut().zip(floats(gradient)).for_each(|(sum, g)| *sum += g);
        }
    }
}

/// A tensor's values in the order of its dimensions, wherever they lie.
fn floats(tensor: &Tensor) -> Vec<f32> {
    let mut values = vec![0.0; tensor.numel()];
    tensor.copy_data(&mut values, tensor.numel());
    values
}

/// Threads that libtorch uses on the CPU, in the whole process.
pub fn set_threads(threads: usize) {
    tch::set_num_threads(threads as i32);
}

#[cfg(test)]
mod tests {
    use super::super::adam::{Adam, AdamRates};
    use super::super::net::tests::{condition, fill, random_net};
    use super::super::net::Workspace;
    use super::*;
    use crate::cpu::CpuLevel;
    use crate::util::rng::Xorshift;
    use tch::nn::OptimizerConfig;

    /// The shipped models' shapes.
    const ARCHS: [Arch; 5] = [
        Arch::luma(16, 3),
        Arch::luma(32, 3),
        Arch::luma(48, 4),
        Arch::chroma(16, 1),
        Arch::chroma(16, 3),
    ];
    const CROPS: usize = 4;

    /// A network, and crops of `height × width` for it.
    struct Case {
        net: Net,
        inputs: Vec<Map>,
        conditions: Vec<Condition>,
    }

    impl Case {
        fn new(arch: Arch, train: Train, (height, width): (usize, usize), seed: u64) -> Self {
            let mut rng = Xorshift(seed);
            let mut net = random_net(arch, &mut rng);
            if train == Train::Weights {
                net.layers.iter_mut().for_each(|layer| layer.scale.fill(1.0));
            }
            let input = |_| {
                let mut map = Map::new(height, width, arch.inputs, 1).unwrap();
                fill(&mut map, &mut rng);
                map
            };
            let inputs = (0..CROPS).map(input).collect();
            let conditions = (0..CROPS).map(|_| condition(&mut rng)).collect();
            Self { net, inputs, conditions }
        }

        /// Each crop through the native trainer, and then `done(crop, workspace)`.
        fn native(&self, net: &Net, mut done: impl FnMut(usize, &mut Workspace)) {
            let Map { height, width, .. } = self.inputs[0];
            for (i, (input, condition)) in self.inputs.iter().zip(&self.conditions).enumerate() {
                let mut ws = Workspace::new(net.arch, height, width, CpuLevel::current()).unwrap();
                ws.input().clone_from(input);
                ws.forward(net, *condition, (0, 0));
                done(i, &mut ws);
            }
        }

        /// The native outputs as libtorch's: `[crop][channel][y][x]`.
        fn outputs(&self, net: &Net) -> Tensor {
            let mut maps = Vec::new();
            self.native(net, |_, ws| maps.push(ws.output().clone()));
            let all = TorchNet::new(net, Train::Weights).batch(&maps);
            all.narrow(1, 0, net.arch.outputs as i64)
        }

        fn torch_outputs(&self, net: &TorchNet) -> Tensor {
            no_grad(|| net.forward(&net.batch(&self.inputs), &net.features(&self.conditions)))
        }
    }

    fn distance(a: &[f32], b: &[f32]) -> f64 {
        let square = |v: f32| f64::from(v) * f64::from(v);
        let difference: f64 = a.iter().zip(b).map(|(a, b)| square(a - b)).sum();
        (difference / b.iter().map(|b| square(*b)).sum::<f64>()).sqrt()
    }

    #[test]
    fn outputs_are_the_native_ones() {
        for arch in ARCHS {
            let case = Case::new(arch, Train::ScaleBias, (11, 18), 5);
            let torch = TorchNet::new(&case.net, Train::ScaleBias);
            let (own, native) = (case.torch_outputs(&torch), case.outputs(&case.net));
            let off = ((own - &native).norm() / native.norm()).double_value(&[]);
            println!("{arch:?}: outputs differ by {off:.1e}");
            assert!(off < 1e-5, "{arch:?}: {off}");
        }
    }

    /// The largest distance of a trained tensor's gradients, and which it is.
    fn gradients_differ(arch: Arch, train: Train, seed: u64) -> (f64, String) {
        let case = Case::new(arch, train, (11, 18), seed);
        let mut zeros = Net::zeros(arch);
        zeros.tensors_mut().for_each(|t| t.fill(0.0));
        let (mut native, mut torch) = (zeros.clone(), zeros);
        let half_of_squares = |z: &[f32], d: &mut [f32]| {
            let pixel = padded(arch.outputs);
            for (z, d) in z.chunks_exact(pixel).zip(d.chunks_exact_mut(pixel)) {
                d[..arch.outputs].copy_from_slice(&z[..arch.outputs]);
            }
        };
        case.native(&case.net, |i, ws| {
            let loss = |_: usize, z: &[f32], d: &mut [f32]| half_of_squares(z, d);
            ws.backward(&case.net, case.conditions[i], train, &mut native, loss);
        });
        if train == Train::All {
            // Autograd's have the channels' scales in them.
            for (own, layer) in native.layers.iter_mut().zip(&case.net.layers) {
                let rows = own.weights.chunks_exact_mut(layer.scale.len());
                rows.for_each(|row| row.iter_mut().zip(&layer.scale).for_each(|(g, s)| *g *= s));
            }
        }
        let net = TorchNet::new(&case.net, train);
        net.gradient(&case.inputs, &case.conditions, &mut torch, |_, _, z, d| {
            half_of_squares(z, d)
        });
        let trained = net.tensors.iter().map(Tensor::requires_grad);
        let pairs = native.tensors().zip(torch.tensors()).enumerate().zip(trained);
        let trained = pairs.filter(|(_, trained)| *trained).map(|(pair, _)| pair);
        let all = trained.map(|(i, (a, b))| (distance(a, b), format!("tensor {i}")));
        all.max_by(|a, b| a.0.total_cmp(&b.0)).unwrap()
    }

    #[test]
    fn native_gradients_are_autograds() {
        for arch in ARCHS {
            for train in [Train::Weights, Train::ScaleBias, Train::All] {
                // An activation within rounding of 0 may be cut by one of the two alone; not in
                // both of two draws.
                let draws = [3, 4].map(|seed| gradients_differ(arch, train, seed));
                let best = draws.iter().min_by(|a, b| a.0.total_cmp(&b.0)).unwrap();
                println!("{arch:?} {train:?}: gradients differ by {:.1e} ({})", best.0, best.1);
                assert!(best.0 < 1e-4, "{arch:?} {train:?}: {best:?}");
            }
        }
    }

    /// 50 steps from one network on the same crops, and the dB that are left: by the native
    /// trainer, and by autograd and libtorch's Adam.
    #[test]
    fn a_training_run_ends_where_libtorchs_does() {
        const STEPS: u32 = 50;
        let rates = |step: u32| {
            let rest = 1.0 - step as f32 / STEPS as f32;
            AdamRates { rate: 2e-3 * rest, beta1: 0.9, beta2: 0.999 }
        };
        for arch in [Arch::luma(32, 3), Arch::chroma(16, 3)] {
            let case = Case::new(arch, Train::Weights, (24, 24), 7);
            let torch = TorchNet::new(&case.net, Train::Weights);
            // To be learnt: the outputs of another network.
            let other = random_net(arch, &mut Xorshift(8));
            let targets = case.outputs(&other);
            let db = |outputs: &Tensor| {
                let mse = (outputs - &targets).square().mean(Kind::Double).double_value(&[]);
                10.0 * mse.log10()
            };
            let before = db(&case.torch_outputs(&torch));

            let mut optimiser = tch::nn::Adam::default().build(torch.variables(), 0.0).unwrap();
            for step in 0..STEPS {
                optimiser.set_lr(f64::from(rates(step).rate));
                let outputs =
                    torch.forward(&torch.batch(&case.inputs), &torch.features(&case.conditions));
                optimiser.backward_step(&(outputs - &targets).square().mean(Kind::Float));
            }

            let mut net = case.net.clone();
            let mut adam: Vec<_> = net.tensors().map(|t| Adam::new(t.len())).collect();
            let wanted = floats(&targets.permute([0, 2, 3, 1]));
            let count = wanted.len() as f32;
            for step in 0..STEPS {
                let mut gradient = Net::zeros(arch);
                case.native(&net, |crop, ws| {
                    let (height, width) = ws.size();
                    let (row, pixel) = (width * arch.outputs, padded(arch.outputs));
                    let loss = |y: usize, z: &[f32], d: &mut [f32]| {
                        let wanted =
                            wanted[(crop * height + y) * row..][..row].chunks(arch.outputs);
                        let pixels = z.chunks(pixel).zip(d.chunks_mut(pixel)).zip(wanted);
                        for ((z, d), wanted) in pixels {
                            for ((z, d), wanted) in z.iter().zip(d).zip(wanted) {
                                *d = 2.0 * (z - wanted) / count;
                            }
                        }
                    };
                    ws.backward(&net, case.conditions[crop], Train::Weights, &mut gradient, loss);
                });
                let tensors = net.tensors_mut().zip(&mut adam).zip(gradient.tensors());
                for (i, ((values, adam), gradient)) in tensors.enumerate() {
                    if i % 4 != 3 {
                        adam.step(rates(step), step + 1, values, gradient);
                    }
                }
            }

            let native = db(&case.outputs(&net));
            torch.store(&mut net);
            let own = db(&case.outputs(&net));
            println!(
                "{arch:?}: {before:.4} dB, after {STEPS} steps {native:.5}, libtorch {own:.5}"
            );
            assert!(native < before - 1.0, "{arch:?}: nothing was learnt");
            assert!((native - own).abs() < 1e-3, "{arch:?}: {native} {own}");
        }
    }
}
