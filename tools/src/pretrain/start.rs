//! The weights that a training run starts from.

use clap::ValueEnum;
use rand::{Rng, SeedableRng};
use rand_pcg::Pcg64Mcg;
use sidelight::network::Arch;
use sidelight::train::net::{padded, Net};

/// The weights of hidden layers at first.
#[derive(Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub enum Start {
    /// They pass on what they get, and add half of He's initialisation to it: what residual links
    /// would do
    #[default]
    PassOn,
    /// He's initialisation
    He,
}

/// Random weights: He's initialisation, with a small last layer, hidden ones as `start` says.
pub fn initial(arch: Arch, start: Start, seed: u64) -> Net {
    let mut rng = Pcg64Mcg::seed_from_u64(seed);
    let mut net = Net::zeros(arch);
    let last = net.layers.len() - 1;
    for (l, layer) in net.layers.iter_mut().enumerate() {
        let p = padded(layer.cout);
        let pass_on = start == Start::PassOn && l > 0 && l < last;
        let shrink = if l == last {
            0.1
        } else if pass_on {
            0.5
        } else {
            1.0
        };
        let bound = shrink * (6.0 / (9 * layer.cin) as f32).sqrt();
        for (i, row) in layer.weights.chunks_exact_mut(p).enumerate() {
            let (position, input) = (i / layer.cin, i % layer.cin);
            for (output, weight) in row[..layer.cout].iter_mut().enumerate() {
                *weight = rng.random_range(-bound..bound);
                if pass_on && position == 4 && input == output {
                    *weight += 1.0;
                }
            }
        }
    }
    net
}

/// Makes the condition's weights of a network for JPEG those of one for HEVC that does the same as
/// with flat tables of the QP's step, for every type of picture.
pub fn flat_tables(net: &mut Net) {
    for layer in &mut net.layers {
        let p = padded(layer.cout);
        // Four logarithms and four means of luma; then, for some networks, of chroma.
        let tables = layer.condition.len().min(16 * p);
        let mut sums = vec![0.0; 2 * p];
        for (i, weight) in layer.condition[..tables].iter_mut().enumerate() {
            sums[i / p / 4 % 2 * p + i % p] += std::mem::take(weight);
        }
        if tables > 0 {
            layer.condition[..2 * p].copy_from_slice(&sums);
        }
    }
}

/// A network of shape `arch` that does the same as the smaller `from`: what is new gets random
/// weights, but nothing old listens to it, and hidden layers that are new pass on what they get.
/// `None` if `from` is of another kind or larger.
pub fn grown(from: &Net, arch: Arch, seed: u64) -> Option<Net> {
    let (old, depth) = (from.arch, from.arch.layers());
    if old.inputs != arch.inputs || old.channels > arch.channels || old.hidden > arch.hidden {
        return None;
    }
    let mut net = initial(arch, Start::He, seed);
    let last = net.layers.len() - 1;
    for (l, layer) in net.layers.iter_mut().enumerate() {
        let source = match l {
            _ if l == last => Some(&from.layers[depth - 1]),
            _ => from.layers[..depth - 1].get(l),
        };
        let inputs = if l == 0 { old.inputs } else { old.channels };
        let outputs = if l == last { old.outputs } else { old.channels };
        let p = padded(layer.cout);
        for (i, row) in layer.weights.chunks_exact_mut(p).enumerate() {
            let (position, input) = (i / layer.cin, i % layer.cin);
            for (output, weight) in row[..outputs].iter_mut().enumerate() {
                *weight = match source {
                    _ if input >= inputs => 0.0,
                    Some(s) => s.weights[(position * s.cin + input) * padded(s.cout) + output],
                    None => f32::from(u8::from(position == 4 && input == output)),
                };
            }
        }
        if let Some(s) = source {
            let narrow = padded(s.cout);
            let rows = |to: &mut [f32], from: &[f32]| {
                for (to, from) in to.chunks_exact_mut(p).zip(from.chunks_exact(narrow)) {
                    to[..outputs].copy_from_slice(&from[..outputs]);
                }
            };
            rows(&mut layer.bias, &s.bias);
            rows(&mut layer.condition, &s.condition);
            rows(&mut layer.scale, &s.scale);
        }
    }
    Some(net)
}

#[cfg(test)]
mod tests {
    use super::*;
    use sidelight::cpu::CpuLevel;
    use sidelight::train::net::Workspace;
    use sidelight::{Condition, Layout, PictureType};

    #[test]
    fn flat_tables_say_the_same_as_their_qp() {
        // A QP of 28 has a step of 16, of 34 one of 32.
        for (arch, layout) in
            [(Arch::luma(16, 1), Layout::I400), (Arch::chroma(16, 1), Layout::I420)]
        {
            let mut net = initial(arch, Start::He, 1);
            for (i, weight) in net.layers[0].condition.iter_mut().enumerate() {
                *weight = ((i * 37) % 101) as f32 - 50.0;
            }
            let p = padded(net.layers[0].cout);
            let said = |net: &Net, condition: Condition| -> Vec<f32> {
                let rows = net.layers[0].condition.chunks_exact(p).zip(condition.0);
                let mut sum = vec![0.0; p];
                for (row, f) in rows {
                    sum.iter_mut().zip(row).for_each(|(s, w)| *s += w * f as f32);
                }
                sum
            };
            let of_tables = [16, 32].map(|step| {
                said(&net, Condition::from_jpeg_tables(&[step; 64], &[step; 64], layout))
            });
            flat_tables(&mut net);
            let of_qps =
                [28, 34].map(|qp| said(&net, Condition::from_hevc_qp(qp, PictureType::P, layout)));
            assert_eq!(of_tables, of_qps);
        }
    }

    /// As He's at half the strength, and hidden layers pass on what they get.
    #[test]
    fn a_start_may_pass_on() {
        let [he, pass_on] = [Start::He, Start::PassOn].map(|s| initial(Arch::luma(16, 2), s, 4));
        for (l, (he, pass_on)) in he.layers.iter().zip(&pass_on.layers).enumerate() {
            let hidden = l == 1 || l == 2;
            for (i, (he, pass_on)) in he.weights.iter().zip(&pass_on.weights).enumerate() {
                // `[9][16][16]`: the weight in the middle, from a channel to itself.
                let itself = i / 256 == 4 && i / 16 % 16 == i % 16;
                let wanted = if hidden { 0.5 * he + f32::from(u8::from(itself)) } else { *he };
                assert!((pass_on - wanted).abs() < 1e-6, "layer {l}, {i}: {pass_on} {wanted}");
            }
        }
    }

    #[test]
    fn a_grown_network_does_the_same() {
        let cases = [
            (Arch::luma(16, 1), Arch::luma(32, 3)),
            (Arch::luma(16, 2), Arch::luma(48, 2)),
            (Arch::chroma(16, 1), Arch::chroma(16, 3)),
        ];
        for (small, large) in cases {
            let mut from = initial(small, Start::PassOn, 5);
            let mut rng = Pcg64Mcg::seed_from_u64(6);
            for layer in &mut from.layers {
                let p = padded(layer.cout);
                for tensor in [&mut layer.bias, &mut layer.condition] {
                    for row in tensor.chunks_exact_mut(p) {
                        row[..layer.cout].fill_with(|| rng.random_range(-0.3..0.3));
                    }
                }
            }
            let to = grown(&from, large, 7).unwrap();
            let run = |net: &Net| {
                let mut rng = Pcg64Mcg::seed_from_u64(8);
                let mut ws = Workspace::new(net.arch, 9, 11, CpuLevel::current()).unwrap();
                let input = ws.input();
                for y in 0..9 {
                    input.row_mut(y).fill_with(|| rng.random_range(-1.0..1.0));
                }
                ws.forward(net, Condition::from_hevc_qp(30, PictureType::P, Layout::I420), (0, 0));
                (0..9).flat_map(|y| ws.output().row(y).to_vec()).collect::<Vec<_>>()
            };
            for (a, b) in run(&from).iter().zip(run(&to)) {
                assert!((a - b).abs() < 1e-4, "{a} {b}");
            }
            assert!(grown(&to, small, 1).is_none());
        }
    }
}
