//! The network in f32: forward, and backward for every parameter.

use super::conv::{conv3x3, Conv, Finish};
use super::fma::fma;
use super::gradient::{channel_sums, weight_gradient};
use super::map::Map;
use crate::cpu::{CpuLevel, Supported};
use crate::network::condition::{FEATURES, FEATURE_BITS};
use crate::network::model::INPUT_LIMIT;
use crate::network::{Arch, Condition, Network};
use crate::Result;

/// Floats per pixel for `channels` channels: a multiple of 8, so that vectors cover them.
#[must_use]
pub fn padded(channels: usize) -> usize {
    channels.next_multiple_of(8)
}

/// One convolution's parameters: `z = scale · (Σ weights · x + bias + condition · features)`.
#[derive(Clone, Debug)]
pub struct Layer {
    /// Input channels.
    pub cin: usize,
    /// Output channels.
    pub cout: usize,
    /// `[9][cin][padded(cout)]`; padding is zero.
    pub weights: Vec<f32>,
    /// `[phases][padded(cout)]`: the first layer has one row for each phase of the block grid, the
    /// others one.
    pub bias: Vec<f32>,
    /// `[features][padded(cout)]`.
    pub condition: Vec<f32>,
    /// `[padded(cout)]`.
    pub scale: Vec<f32>,
}

/// The whole network.
#[derive(Clone, Debug)]
pub struct Net {
    /// The network's shape.
    pub arch: Arch,
    /// The network's convolutions, first to last.
    pub layers: Vec<Layer>,
}

/// What a backward pass is to compute.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Train {
    /// Gradients of scales and biases.
    ScaleBias,
    /// Gradients of weights, biases and conditioning.
    Weights,
    /// Gradients of all of these. Those of weights lack their channel's scale as a factor.
    All,
}

impl Layer {
    /// The derivatives by each output channel's bias, in all phases alike, if this is a gradient.
    pub fn by_bias(&self) -> impl Iterator<Item = f32> + '_ {
        let rows = |c: usize| self.bias[c..].iter().step_by(padded(self.cout));
        (0..self.cout).map(move |c| rows(c).sum())
    }

    /// The derivatives by weights, `[9][cin][cout]`, if this is a gradient by [`Train::All`] for
    /// the layer `own`.
    pub fn by_weight<'a>(&'a self, own: &'a Self) -> impl Iterator<Item = f32> + 'a {
        let rows = self.weights.chunks_exact(padded(self.cout));
        rows.flat_map(|row| row.iter().zip(&own.scale).take(self.cout).map(|(g, s)| g * s))
    }
}

impl Net {
    /// A network of zeros with unit scales.
    #[must_use]
    pub fn zeros(arch: Arch) -> Self {
        let layers = (0..arch.layers())
            .map(|l| {
                let (cin, cout) = arch.layer(l);
                let p = padded(cout);
                Layer {
                    cin,
                    cout,
                    weights: vec![0.0; 9 * cin * p],
                    bias: vec![0.0; arch.phases(l) * p],
                    condition: vec![0.0; arch.features * p],
                    scale: vec![1.0; p],
                }
            })
            .collect();
        Self { arch, layers }
    }

    /// `network` in floating point: activations are the integer ones divided by
    /// [`INPUT_LIMIT`], without the rounding and the upper clip of requantisation. Conditions stay
    /// apart; weights are the integer ones, and scales undo their size.
    #[must_use]
    pub fn from_network(network: &Network) -> Self {
        let mut net = Self::zeros(network.arch);
        for (layer, m) in net.layers.iter_mut().zip(&network.layers) {
            let p = padded(m.cout);
            let spread = |rows: &mut [f32], ints: &mut dyn Iterator<Item = f32>| {
                for row in rows.chunks_exact_mut(p) {
                    row[..m.cout].fill_with(|| ints.next().unwrap_or(0.0));
                }
            };
            let unit = 1.0 / INPUT_LIMIT as f32;
            spread(&mut layer.weights, &mut m.weights.iter().map(|w| f32::from(*w)));
            spread(&mut layer.bias, &mut m.bias.iter().map(|b| *b as f32 * unit));
            spread(&mut layer.condition, &mut m.condition.iter().map(|b| *b as f32 * unit));
            let down = 1.0 / (1u64 << m.shift) as f32;
            spread(&mut layer.scale, &mut m.multiplier.iter().map(|v| *v as f32 * down));
        }
        net
    }

    /// Every parameter tensor in a fixed order: weights, bias, condition, scale of each layer.
    #[cfg(feature = "internals")]
    pub fn tensors_mut(&mut self) -> impl Iterator<Item = &mut Vec<f32>> {
        self.layers
            .iter_mut()
            .flat_map(|l| [&mut l.weights, &mut l.bias, &mut l.condition, &mut l.scale])
    }

    /// Every parameter tensor, shared, in the order of [`tensors_mut`](Self::tensors_mut).
    #[cfg(feature = "internals")]
    pub fn tensors(&self) -> impl Iterator<Item = &Vec<f32>> {
        self.layers.iter().flat_map(|l| [&l.weights, &l.bias, &l.condition, &l.scale])
    }
}

/// The features as floats.
pub(super) fn features(condition: Condition) -> [f32; FEATURES] {
    condition.0.map(|f| f as f32 / (1 << FEATURE_BITS) as f32)
}

/// Buffers for one crop. `run` fills them forward; `backward` adds to gradients.
pub struct Workspace {
    cpu: Supported,
    /// `maps[0]` is the input, `maps[l + 1]` layer l's output; a border of one pixel each.
    maps: Vec<Map>,
    /// Gradient with respect to a layer's output, framed by two pixels of zeros.
    dy: Map,
    dx: Map,
    /// Biases with the condition folded in.
    biases: Vec<Vec<f32>>,
    flipped: Vec<f32>,
}

impl Workspace {
    /// Buffers for crops of `height × width` half-resolution pixels, with instructions up to
    /// `level`; results do not depend on it.
    ///
    /// # Errors
    /// [`OutOfMemory`](crate::Error::OutOfMemory).
    pub fn new(arch: Arch, height: usize, width: usize, level: CpuLevel) -> Result<Self> {
        let mut maps = vec![Map::new(height, width, arch.inputs, 1)?];
        for l in 0..arch.layers() {
            maps.push(Map::new(height, width, padded(arch.layer(l).1), 1)?);
        }
        // Room for every layer: a backward pass needs no more.
        let widest = maps.iter().map(|map| map.channels).max().unwrap_or(0);
        Ok(Self {
            cpu: level.supported(),
            maps,
            dy: Map::new(height, width, widest, 2)?,
            dx: Map::new(height, width, widest, 1)?,
            biases: vec![Vec::new(); arch.layers()],
            flipped: Vec::new(),
        })
    }

    /// Height and width of the crops, in half-resolution pixels.
    #[must_use]
    pub fn size(&self) -> (usize, usize) {
        (self.maps[0].height, self.maps[0].width)
    }

    /// The input map, to be filled before `forward`; its border is filled by `forward`.
    pub fn input(&mut self) -> &mut Map {
        &mut self.maps[0]
    }

    /// The output of the last layer.
    #[cfg(feature = "internals")]
    #[must_use]
    pub fn output(&self) -> &Map {
        &self.maps[self.maps.len() - 1]
    }

    /// The output of layer `layer` in the last `forward`.
    #[cfg(feature = "internals")]
    #[must_use]
    pub fn activations(&self, layer: usize) -> &Map {
        &self.maps[layer + 1]
    }

    /// Runs the network on the input map, whose first pixel lies at row and column `origin` of the
    /// picture, in half-resolution pixels.
    pub fn forward(&mut self, net: &Net, condition: Condition, origin: (usize, usize)) {
        self.forward_with(net, condition, origin, |_, _| ());
    }

    /// Runs the network as [`forward`](Self::forward) does, with `finish(layer, row)` of each row
    /// of each layer's output before the next layer reads it; a backward pass takes no notice.
    pub fn forward_with(
        &mut self,
        net: &Net,
        condition: Condition,
        origin: (usize, usize),
        mut finish: impl FnMut(usize, &mut [f32]),
    ) {
        let f = features(condition);
        for (l, layer) in net.layers.iter().enumerate() {
            let cout = padded(layer.cout);
            let bias = &mut self.biases[l];
            bias.clear();
            let period = if l == 0 { net.arch.period } else { 1 };
            for phase in 0..period * period {
                let row = (phase / period + origin.0) % period;
                let moved = period * row + (phase + origin.1) % period;
                bias.extend_from_slice(&layer.bias[moved * cout..(moved + 1) * cout]);
            }
            for row in bias.chunks_exact_mut(cout) {
                for (factors, fk) in layer.condition.chunks_exact(cout).zip(&f) {
                    for (b, w) in row.iter_mut().zip(factors) {
                        *b = fma(*fk, *w, *b);
                    }
                }
            }
            let last = l + 1 == net.layers.len();
            let conv = Conv {
                cin: layer.cin,
                cout,
                weights: &layer.weights,
                bias: &self.biases[l],
                period,
                scale: &layer.scale,
                finish: if last { Finish::Scale } else { Finish::ScaleRelu },
            };
            let (src, dst) = self.maps.split_at_mut(l + 1);
            src[l].replicate_border();
            conv3x3(self.cpu, &conv, &src[l], &mut dst[0]);
            (0..dst[0].height).for_each(|y| finish(l, dst[0].row_mut(y)));
        }
    }

    /// Adds to `grad` the gradients of a loss whose derivative with respect to the output of the
    /// last `forward` is written by `loss(output row y, derivative row y)`; derivative rows start
    /// as zeros.
    ///
    /// The first layer's bias rows get gradients by phase as if the origin was (0, 0).
    pub fn backward(
        &mut self,
        net: &Net,
        condition: Condition,
        train: Train,
        grad: &mut Net,
        mut loss: impl FnMut(usize, &[f32], &mut [f32]),
    ) {
        let f = features(condition);
        let (h, w) = self.size();
        let last = net.layers.len() - 1;
        reshape(&mut self.dy, h, w, padded(net.layers[last].cout));
        for y in 0..h {
            loss(y, self.maps[last + 1].row(y), self.dy.row_mut(y));
        }
        for l in (0..=last).rev() {
            let layer = &net.layers[l];
            let period = if l == 0 { net.arch.period } else { 1 };
            let (output, grad_l) = (&self.maps[l + 1], &mut grad.layers[l]);
            channel_gradients(self.cpu, layer, period, output, &self.dy, train, &f, grad_l);
            if train != Train::ScaleBias {
                let weights = &mut grad.layers[l].weights;
                let channels = (layer.cin, layer.cout);
                weight_gradient(self.cpu, &self.maps[l], channels, &self.dy, weights);
            }
            if l == 0 {
                break;
            }
            flip(layer, &mut self.flipped);
            let channels = (layer.cout, layer.cin);
            adjoint_conv(self.cpu, &self.flipped, channels, &mut self.dy, &mut self.dx);
            for y in 0..h {
                let (a, d) = (self.maps[l].row(y), self.dx.row(y));
                for ((o, &a), &d) in self.dy.row_mut(y).iter_mut().zip(a).zip(d) {
                    *o = if a > 0.0 { d } else { 0.0 };
                }
            }
        }
    }
}

/// The adjoint of a convolution: the derivatives by its input, from those by its output in `dy`, into
/// `dx`; `flipped` is `[9][cin][cout]`, with the channels as this step has them. Leaves `dy` zeroed,
/// in the shape of `dx`.
pub(super) fn adjoint_conv(
    cpu: Supported,
    flipped: &[f32],
    (cin, cout): (usize, usize),
    dy: &mut Map,
    dx: &mut Map,
) {
    let (h, w) = (dy.height, dy.width);
    let zeros = &[0.0; Arch::MAX_CHANNELS][..cout];
    let conv = Conv {
        cin,
        cout,
        weights: flipped,
        bias: zeros,
        period: 1,
        scale: zeros,
        finish: Finish::Plain,
    };
    // The gradient of the bordered input: one pixel more on every side.
    grow(dy, 1);
    (dx.height, dx.width, dx.channels, dx.pad) = (h + 2, w + 2, cout, 0);
    dx.data.resize((h + 2) * (w + 2) * cout, 0.0);
    conv3x3(cpu, &conv, dy, dx);
    (dx.height, dx.width, dx.pad) = (h, w, 1);
    dx.fold_border();
    reshape(dy, h, w, cout);
}

/// Makes `map` a zeroed `h × w × c` map with a border of two pixels.
pub(super) fn reshape(map: &mut Map, h: usize, w: usize, c: usize) {
    map.height = h;
    map.width = w;
    map.channels = c;
    map.pad = 2;
    map.data.clear();
    map.data.resize((h + 4) * (w + 4) * c, 0.0);
}

/// Counts `by` pixels of the border on every side as part of the map.
fn grow(map: &mut Map, by: usize) {
    map.height += 2 * by;
    map.width += 2 * by;
    map.pad -= by;
}

/// Weights of the adjoint convolution, with the scales folded in: `[8 − t][co][ci]`.
fn flip(layer: &Layer, out: &mut Vec<f32>) {
    let (cin, cout, p) = (layer.cin, layer.cout, padded(layer.cout));
    out.clear();
    out.resize(9 * cin * cout, 0.0);
    for t in 0..9 {
        for ci in 0..cin {
            for co in 0..cout {
                out[((8 - t) * cout + co) * cin + ci] =
                    layer.weights[(t * cin + ci) * p + co] * layer.scale[co];
            }
        }
    }
}

/// Gradients of biases, conditioning and scales from `dz` (the gradient before the clip at zero)
/// and the layer's output; weights are trained with scales of 1, so that `dz` is then the gradient
/// of the unscaled sums.
#[allow(clippy::too_many_arguments)]
fn channel_gradients(
    cpu: Supported,
    layer: &Layer,
    period: usize,
    output: &Map,
    dz: &Map,
    train: Train,
    features: &[f32; FEATURES],
    grad: &mut Layer,
) {
    let cout = padded(layer.cout);
    let mut sums = vec![0.0f32; period * period * cout];
    channel_sums(cpu, dz, None, period, &mut sums);
    for (phase, sums) in sums.chunks_exact(cout).enumerate() {
        for (c, sum) in sums.iter().enumerate() {
            let s = sum * layer.scale[c];
            grad.bias[phase * cout + c] += s;
            for (row, f) in grad.condition.chunks_exact_mut(cout).zip(features) {
                row[c] += s * f;
            }
        }
    }
    if train != Train::Weights {
        let mut scaled = vec![0.0f32; cout];
        channel_sums(cpu, dz, Some(output), 1, &mut scaled);
        for ((g, sum), scale) in grad.scale.iter_mut().zip(&scaled).zip(&layer.scale) {
            *g += sum / scale;
        }
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::util::rng::Xorshift;

    const ARCHS: [Arch; 2] = [Arch::luma(16, 2), Arch::chroma(16, 2)];

    pub(in super::super) fn condition(rng: &mut Xorshift) -> Condition {
        Condition(std::array::from_fn(|_| rng.range(-100, 100) as i32))
    }

    pub(in super::super) fn random_net(arch: Arch, rng: &mut Xorshift) -> Net {
        let mut net = Net::zeros(arch);
        for layer in &mut net.layers {
            let p = padded(layer.cout);
            let gain = (3.0 / (9 * layer.cin) as f32).sqrt();
            for (i, t) in layer.weights.iter_mut().enumerate() {
                *t = if i % p < layer.cout { gain * rng.unit() } else { 0.0 };
            }
            for b in &mut layer.bias {
                *b = 0.3 * rng.unit();
            }
            for c in &mut layer.condition {
                *c = 0.1 * rng.unit();
            }
            for s in &mut layer.scale {
                *s = 1.0 + 0.2 * rng.unit();
            }
        }
        net
    }

    pub(in super::super) fn fill(map: &mut Map, rng: &mut Xorshift) {
        for y in 0..map.height {
            map.row_mut(y).fill_with(|| rng.unit());
        }
    }

    /// Half the squared output over the interior.
    fn run(ws: &mut Workspace, net: &Net, c: Condition) -> f64 {
        ws.forward(net, c, (0, 0));
        let o = ws.output();
        (0..o.height)
            .flat_map(|y| o.row(y).to_vec())
            .map(|v| 0.5 * f64::from(v) * f64::from(v))
            .sum()
    }

    #[test]
    fn gradients_match_finite_differences() {
        let mut rng = Xorshift(0x9e37_79b9_7f4a_7c15);
        for arch in ARCHS {
            let c = condition(&mut rng);
            let mut net = random_net(arch, &mut rng);
            for train in [Train::ScaleBias, Train::All, Train::Weights] {
                if train == Train::Weights {
                    for l in &mut net.layers {
                        l.scale.fill(1.0);
                    }
                }
                check_gradients(&net, c, train, &mut rng);
            }
        }
    }

    fn check_gradients(net: &Net, c: Condition, train: Train, rng: &mut Xorshift) {
        let mut ws = Workspace::new(net.arch, 7, 9, CpuLevel::current()).unwrap();
        fill(ws.input(), rng);
        run(&mut ws, net, c);
        let mut grad = Net::zeros(net.arch);
        grad.layers.iter_mut().for_each(|l| l.scale.fill(0.0));
        ws.backward(net, c, train, &mut grad, |_, z, d| d.copy_from_slice(z));
        for l in 0..net.layers.len() {
            let p = padded(net.layers[l].cout);
            let kinds: &[usize] = match train {
                Train::ScaleBias => &[1, 3],
                Train::Weights => &[0, 1, 2],
                Train::All => &[0, 1, 2, 3],
            };
            for &kind in kinds {
                for trial in 0..12 {
                    let len = net.tensors().nth(4 * l + kind).unwrap().len();
                    let i = (trial * 7919 + 3 * trial) % len;
                    if i % p >= net.layers[l].cout {
                        continue;
                    }
                    let eps = 3e-4f32;
                    let mut at = |e: f32| {
                        let mut n = net.clone();
                        n.tensors_mut().nth(4 * l + kind).unwrap()[i] += e;
                        run(&mut ws, &n, c)
                    };
                    let (below, here, above) = (at(-eps), at(0.0), at(eps));
                    // Where an activation passes zero in between, only one side has the slope.
                    let slopes = [above - below, 2.0 * (above - here), 2.0 * (here - below)]
                        .map(|rise| rise / f64::from(2.0 * eps));
                    let lacks_scale = train == Train::All && kind == 0;
                    let factor = if lacks_scale { net.layers[l].scale[i % p] } else { 1.0 };
                    let g = f64::from(factor * grad.tensors().nth(4 * l + kind).unwrap()[i]);
                    let close = |s: &f64| (s - g).abs() <= 0.02 * s.abs().max(g.abs()) + 0.02;
                    assert!(
                        slopes.iter().any(close),
                        "{train:?} layer {l} kind {kind} [{i}]: {g} against {slopes:?}"
                    );
                }
            }
        }
    }

    /// One pass for everything gives what passes for parts give.
    #[test]
    fn all_gradients_are_those_of_the_parts() {
        let mut rng = Xorshift(11);
        for arch in ARCHS {
            let c = condition(&mut rng);
            let mut net = random_net(arch, &mut rng);
            let mut ws = Workspace::new(arch, 6, 11, CpuLevel::current()).unwrap();
            fill(ws.input(), &mut rng);
            for scaled in [true, false] {
                if !scaled {
                    net.layers.iter_mut().for_each(|l| l.scale.fill(1.0));
                }
                run(&mut ws, &net, c);
                let [all, scales, factors] =
                    [Train::All, Train::ScaleBias, Train::Weights].map(|train| {
                        let mut grad = Net::zeros(arch);
                        grad.layers.iter_mut().for_each(|l| l.scale.fill(0.0));
                        ws.backward(&net, c, train, &mut grad, |_, z, d| d.copy_from_slice(z));
                        grad
                    });
                for ((all, scales), factors) in
                    all.layers.iter().zip(&scales.layers).zip(&factors.layers)
                {
                    assert_eq!((&all.scale, &all.bias), (&scales.scale, &scales.bias));
                    assert_eq!(
                        (&all.weights, &all.condition),
                        (&factors.weights, &factors.condition)
                    );
                    assert!(scales.weights.iter().all(|g| *g == 0.0));
                    assert!(all.weights.iter().any(|g| *g != 0.0));
                }
            }
        }
    }

    #[test]
    fn back_ends_agree_to_the_last_bit() {
        for arch in [Arch::luma(32, 1), Arch::chroma(16, 1), Arch::chroma(48, 1)] {
            let mut results = Vec::new();
            for level in CpuLevel::available() {
                let mut rng = Xorshift(42);
                let c = condition(&mut rng);
                let mut net = random_net(arch, &mut rng);
                net.layers.iter_mut().for_each(|l| l.scale.fill(1.0));
                let mut ws = Workspace::new(arch, 5, 19, level).unwrap();
                fill(ws.input(), &mut rng);
                let loss = run(&mut ws, &net, c);
                let mut grad = Net::zeros(arch);
                ws.backward(&net, c, Train::Weights, &mut grad, |_, z, d| d.copy_from_slice(z));
                let bits: Vec<u32> = grad.tensors().flatten().map(|v| v.to_bits()).collect();
                results.push((loss.to_bits(), bits));
            }
            assert!(results.windows(2).all(|w| w[0] == w[1]), "{arch:?}");
        }
    }
}
