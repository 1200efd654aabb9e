//! The derivative of a network's output with respect to its input.

use super::map::Map;
use super::net::{adjoint_conv, padded, reshape};
use crate::cpu::{CpuLevel, Supported};
use crate::network::prepared::PreparedLayer;
use crate::util::alloc;
use crate::{Error, Result};

/// The adjoint of a network's convolutions: takes the derivatives of a loss by the network's output
/// to those by its input. Both are in the unit of samples, as the network's rounding is left out.
pub struct Adjoint {
    cpu: Supported,
    layers: Vec<Flipped>,
}

/// A convolution the other way.
struct Flipped {
    /// Channels in: those that the layer puts out.
    cin: usize,
    /// Channels out, [`padded`].
    cout: usize,
    /// `[9][cin][cout]`.
    weights: Vec<f32>,
}

/// Which of a hidden layer's activations pass derivatives: `gates(layer, row, column)` has a bit for
/// each channel.
pub trait Gates {
    /// The gates of a row of the window.
    fn row(&self, layer: usize, row: usize) -> &[u64];
}

/// Buffers for one window.
#[derive(Default)]
pub struct Window {
    dy: Map,
    dx: Map,
}

impl Window {
    /// Makes room for a window of half-resolution pixels, and for all that `adjoint` does in it, and
    /// for `outputs` derivatives each, all 0.
    ///
    /// # Errors
    /// [`OutOfMemory`](crate::Error::OutOfMemory).
    pub fn start(
        &mut self,
        adjoint: &Adjoint,
        height: usize,
        width: usize,
        outputs: usize,
    ) -> Result {
        let most = adjoint.layers.iter().map(|layer| layer.cout).fold(padded(outputs), usize::max);
        let room = (height + 4) * (width + 4) * most;
        for map in [&mut self.dy, &mut self.dx] {
            map.data.clear();
            map.data.try_reserve_exact(room).map_err(|_| Error::OutOfMemory)?;
        }
        reshape(&mut self.dy, height, width, padded(outputs));
        Ok(())
    }

    /// Derivatives of row `y`, [`padded`] to 8 for each pixel: by the output after
    /// [`start`](Self::start), by the input after [`Adjoint::run`].
    pub fn row(&mut self, y: usize) -> &mut [f32] {
        self.dy.row_mut(y)
    }
}

impl Adjoint {
    /// The adjoint of `layers`, with instructions up to `level`; results do not depend on it.
    ///
    /// # Errors
    /// [`OutOfMemory`](crate::Error::OutOfMemory).
    pub fn new(layers: &[PreparedLayer], level: CpuLevel) -> Result<Self> {
        let flipped = |layer: &PreparedLayer| -> Result<Flipped> {
            let (cin, cout) = (layer.cout, padded(layer.cin));
            let down = 1.0 / (1u64 << layer.shift) as f32;
            let mut weights = alloc::try_filled(9 * cin * cout, 0.0)?;
            for (i, weight) in layer.weights.iter().enumerate() {
                let (t, from, to) =
                    (i / layer.cout / layer.cin, i / layer.cout % layer.cin, i % layer.cout);
                let scale = layer.multiplier[to] as f32 * down;
                weights[((8 - t) * cin + to) * cout + from] = f32::from(*weight) * scale;
            }
            Ok(Flipped { cin, cout, weights })
        };
        let layers = alloc::try_collect_ok(layers.len(), layers.iter().map(flipped))?;
        Ok(Self { cpu: level.supported(), layers })
    }

    /// Pixels around a derivative by the input that it depends on.
    #[must_use]
    pub fn halo(&self) -> usize {
        self.layers.len()
    }

    /// Takes the derivatives in `window` from the output to the input. Where the window ends the
    /// picture is taken to end. False if `go_on`, asked before each layer, ended it.
    ///
    /// # Panics
    /// If a row of `gates` is narrower than the window.
    pub fn run(
        &self,
        window: &mut Window,
        gates: &impl Gates,
        go_on: &mut dyn FnMut() -> bool,
    ) -> bool {
        let Window { dy, dx } = window;
        for (l, layer) in self.layers.iter().enumerate().rev() {
            if !go_on() {
                return false;
            }
            adjoint_conv(self.cpu, &layer.weights, (layer.cin, layer.cout), dy, dx);
            for y in 0..dx.height {
                let (to, from) = (dy.row_mut(y), dx.row(y));
                if l == 0 {
                    to.copy_from_slice(from);
                } else {
                    gated(to, from, layer.cout, gates.row(l - 1, y));
                }
            }
        }
        true
    }
}

/// Copies the derivatives that their pixel's gate passes; the others stay 0.
fn gated(to: &mut [f32], from: &[f32], channels: usize, gates: &[u64]) {
    let pixels = to.chunks_exact_mut(channels).zip(from.chunks_exact(channels));
    for ((to, from), gate) in pixels.zip(gates) {
        for (i, (to, from)) in to.chunks_exact_mut(8).zip(from.chunks_exact(8)).enumerate() {
            let mask = &MASKS[(gate >> (8 * i)) as usize & 255];
            for ((to, from), mask) in to.iter_mut().zip(from).zip(mask) {
                *to = f32::from_bits(from.to_bits() & mask);
            }
        }
    }
}

/// All ones for each bit that is set.
static MASKS: [[u32; 8]; 256] = {
    let mut masks = [[0; 8]; 256];
    let mut bits = 0;
    while bits < 256 {
        let mut i = 0;
        while i < 8 {
            masks[bits][i] = if bits >> i & 1 == 1 { u32::MAX } else { 0 };
            i += 1;
        }
        bits += 1;
    }
    masks
};

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codec::{standard_luma_table, Codec};
    use crate::models::{default_for, ModelSize};
    use crate::network::{CodecKind, Network, Prepared};
    use crate::picture::{Layout, PictureType};
    use crate::train::net::{Net, Workspace};
    use crate::util::rng::Xorshift;

    const SIZE: (usize, usize) = (12, 17);

    /// Gates of a forward pass in floating point.
    struct Noted(Vec<Vec<Vec<u64>>>);

    impl Noted {
        fn of(workspace: &Workspace, net: &Net) -> Self {
            let layer = |l: usize| {
                let map = workspace.activations(l);
                let pixel = |a: &[f32]| {
                    a.iter().enumerate().fold(0, |bits, (i, a)| bits | u64::from(*a > 0.0) << i)
                };
                let row = |y| map.row(y).chunks_exact(map.channels).map(pixel).collect();
                (0..map.height).map(row).collect()
            };
            Self((0..net.layers.len() - 1).map(layer).collect())
        }
    }

    impl Gates for Noted {
        fn row(&self, layer: usize, row: usize) -> &[u64] {
            &self.0[layer][row]
        }
    }

    /// The change of a weighted sum of the output by a small change of the input, as the forward
    /// pass has it.
    fn check(network: &Network, layers: &[PreparedLayer], condition: crate::Condition) {
        let mut random = Xorshift(77);
        let level = CpuLevel::current();
        let net = Net::from_network(network);
        let mut workspace = Workspace::new(net.arch, SIZE.0, SIZE.1, level).unwrap();
        let (inputs, outputs) = (net.arch.inputs, net.arch.outputs);
        let input: Vec<f32> = (0..SIZE.0 * SIZE.1 * inputs)
            .map(|i| {
                ((i / inputs % SIZE.1) as f32 * 0.03 - 0.2) + random.range(-9, 9) as f32 / 100.0
            })
            .collect();
        let weights: Vec<f32> =
            (0..SIZE.0 * SIZE.1 * 8).map(|_| random.range(-100, 100) as f32 / 50.0).collect();
        let run = |input: &[f32], workspace: &mut Workspace| -> f64 {
            let row = SIZE.1 * inputs;
            for y in 0..SIZE.0 {
                workspace.input().row_mut(y).copy_from_slice(&input[y * row..][..row]);
            }
            workspace.forward(&net, condition, (0, 0));
            let out = workspace.output();
            let mut sum = 0.0;
            for y in 0..SIZE.0 {
                for (x, pixel) in out.row(y).chunks_exact(8).enumerate() {
                    let w = &weights[8 * (y * SIZE.1 + x)..];
                    sum += (0..outputs).map(|c| f64::from(pixel[c] * w[c])).sum::<f64>();
                }
            }
            sum
        };
        let before = run(&input, &mut workspace);
        let gates = Noted::of(&workspace, &net);
        let mut window = Window::default();
        let adjoint = Adjoint::new(layers, level).unwrap();
        window.start(&adjoint, SIZE.0, SIZE.1, outputs).unwrap();
        for y in 0..SIZE.0 {
            for (x, pixel) in window.row(y).chunks_exact_mut(8).enumerate() {
                let w = &weights[8 * (y * SIZE.1 + x)..];
                pixel[..outputs].copy_from_slice(&w[..outputs]);
            }
        }
        assert!(adjoint.run(&mut window, &gates, &mut || true));
        let (mut seen, mut told) = (Vec::new(), Vec::new());
        for _ in 0..60 {
            let place = random.range(0, (SIZE.0 * SIZE.1) as i64 - 1) as usize;
            let channel = random.range(0, inputs as i64 - 1) as usize;
            let mut moved = input.clone();
            moved[place * inputs + channel] += 3e-4;
            seen.push((run(&moved, &mut workspace) - before) / 3e-4);
            told.push(f64::from(window.row(place / SIZE.1)[8 * (place % SIZE.1) + channel]));
        }
        let norm = seen.iter().map(|s| s * s).sum::<f64>();
        let off = seen.iter().zip(&told).map(|(s, t)| (s - t).powi(2)).sum::<f64>();
        // Some gates open or close on the way.
        assert!(norm > 1.0 && off < 1e-2 * norm, "{off} of {norm}");
    }

    #[test]
    fn derivatives_are_those_of_the_forward_pass() {
        let model = default_for(CodecKind::Jpeg, ModelSize::Small).unwrap();
        let codec = Codec::Jpeg { luma: standard_luma_table(30), chroma: None };
        let condition = codec.condition(Layout::I420, PictureType::Irap).unwrap();
        let prepared = Prepared::new(model, condition, None).unwrap();
        check(&model.luma, &prepared.luma, condition);
        check(model.chroma.as_ref().unwrap(), &prepared.chroma, condition);
    }
}
