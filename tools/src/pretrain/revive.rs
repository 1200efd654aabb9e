//! Channels that died: a ReLU that never fires gets no gradient, so its channel would stay lost for
//! the whole run.

use super::checkpoint::Checkpoint;
use rand::{Rng, SeedableRng};
use rand_pcg::Pcg64Mcg;
use sidelight::train::map::Map;
use sidelight::train::net::{padded, Net};

/// A channel is dead if it never reaches this share of the layer's largest activation.
const LEAST: f32 = 1e-3;

/// The largest activation of every hidden channel.
pub struct Peaks(Vec<Vec<f32>>);

impl Peaks {
    pub fn new(net: &Net) -> Self {
        Self(net.layers[..net.layers.len() - 1].iter().map(|l| vec![0.0; l.cout]).collect())
    }

    pub fn see(&mut self, layer: usize, map: &Map) {
        for pixel in (0..map.height).flat_map(|y| map.row(y).chunks_exact(map.channels)) {
            self.0[layer].iter_mut().zip(pixel).for_each(|(peak, a)| *peak = peak.max(*a));
        }
    }

    /// Layer and channel of all that are dead.
    fn dead(&self) -> Vec<(usize, usize)> {
        let of_layer = |(l, peaks): (usize, &Vec<f32>)| {
            let least = LEAST * peaks.iter().fold(0f32, |a, b| a.max(*b));
            let dead = peaks.iter().enumerate().filter(|(_, peak)| **peak <= least);
            dead.map(|(c, _)| (l, c)).collect::<Vec<_>>()
        };
        self.0.iter().enumerate().flat_map(of_layer).collect()
    }
}

/// Gives dead channels random weights that nothing listens to yet, so that the network does the
/// same as before; says how many there were.
pub fn revive(state: &mut Checkpoint, peaks: &Peaks, seed: u64) -> usize {
    let mut rng = Pcg64Mcg::seed_from_u64(seed);
    let dead = peaks.dead();
    for &(l, c) in &dead {
        let layer = &state.net.layers[l];
        let (cin, p) = (layer.cin, padded(layer.cout));
        let bound = (6.0 / (9 * cin) as f32).sqrt();
        let mut weights = Vec::new();
        weights.resize_with(9 * cin, || rng.random_range(-bound..bound));
        // Tensors of a layer: weights, bias, condition, scale.
        let own = [(0, &weights[..]), (1, &[]), (2, &[])];
        for (tensor, values) in own {
            let layer = &mut state.net.layers[l];
            let tensors = [&mut layer.weights, &mut layer.bias, &mut layer.condition];
            let adam = &mut state.adam[4 * l + tensor];
            let columns = (c..tensors[tensor].len()).step_by(p).enumerate();
            for (i, at) in columns {
                tensors[tensor][at] = values.get(i).copied().unwrap_or(0.0);
                (adam.mean[at], adam.square[at]) = (0.0, 0.0);
            }
        }
        let next = &mut state.net.layers[l + 1];
        let (cin, p) = (next.cin, padded(next.cout));
        let adam = &mut state.adam[4 * (l + 1)];
        for row in (c..9 * cin).step_by(cin) {
            let range = row * p..(row + 1) * p;
            next.weights[range.clone()].fill(0.0);
            adam.mean[range.clone()].fill(0.0);
            adam.square[range].fill(0.0);
        }
    }
    dead.len()
}

#[cfg(test)]
mod tests {
    use super::super::start::{initial, Start};
    use super::*;
    use sidelight::cpu::CpuLevel;
    use sidelight::network::Arch;
    use sidelight::train::net::Workspace;
    use sidelight::{Condition, Layout, PictureType};

    #[test]
    fn a_dead_channel_fires_again_and_changes_nothing() {
        let arch = Arch::luma(16, 2);
        let mut state = Checkpoint::new(initial(arch, Start::He, 3));
        state.net.layers[1].bias[5] = -100.0;
        state.adam.iter_mut().for_each(|adam| adam.square.fill(1.0));
        let mut ws = Workspace::new(arch, 12, 9, CpuLevel::current()).unwrap();
        let mut rng = Pcg64Mcg::seed_from_u64(8);
        for y in 0..12 {
            ws.input().row_mut(y).fill_with(|| rng.random_range(-1.0..1.0));
        }
        let condition = Condition::from_hevc_qp(30, PictureType::P, Layout::I420);
        let mut run = |net: &Net| {
            ws.forward(net, condition, (0, 0));
            let mut peaks = Peaks::new(net);
            (0..arch.layers() - 1).for_each(|l| peaks.see(l, ws.activations(l)));
            let output = (0..12).flat_map(|y| ws.output().row(y).to_vec()).collect::<Vec<_>>();
            (peaks, output)
        };
        let (peaks, before) = run(&state.net);
        assert_eq!(peaks.dead(), [(1, 5)]);
        assert_eq!(revive(&mut state, &peaks, 1), 1);
        let (peaks, after) = run(&state.net);
        assert_eq!(before, after);
        assert!(peaks.dead().is_empty());
        assert_eq!(state.adam[4].square[5], 0.0);
        assert_eq!(state.adam[4].square[4], 1.0);
        assert_eq!(state.adam[8].square[5 * padded(16)], 0.0);
    }
}
