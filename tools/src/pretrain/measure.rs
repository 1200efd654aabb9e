//! Measures what updates of a network do, on training crops: the steps of its integers, the basis
//! vectors of weights that its coefficients stand for, and the averages of its activations.

use super::basis::{basis, Samples};
use super::source::Crop;
use crate::media::planes::Planes;
use anyhow::Result;
use rand::Rng;
use sidelight::adapt::tiles;
use sidelight::adapt::trainer::STEP_CHANGE;
use sidelight::cpu::CpuLevel;
use sidelight::network::model::{INPUT_LIMIT, MAX_FACTOR};
use sidelight::network::Network;
use sidelight::train::net::{Net, Train, Workspace};
use sidelight::train::COEFFICIENT_UNIT as UNIT;

/// Steps of a basis vector, at the place of its largest weights, that move a weight by one.
const STEPS_OF_A_WEIGHT: f64 = 1.0 / (UNIT as f64 * (127 * 127 * 127) as f64);

/// Fills the tables of `network` that are for updates.
///
/// Steps are such that one step changes the output by [`STEP_CHANGE`] grey levels (root mean square
/// over the crops' samples). With random signs r as the output's cotangent, E[(rᵀJ)²] is the
/// squared norm of a parameter's Jacobian column, so plain backward passes measure all parameters
/// at once.
///
/// A step of a coefficient changes its layer's weights by no more than their root mean square.
pub fn measure(network: &mut Network, crops: &[Crop], rng: &mut impl Rng) -> Result<()> {
    let net = Net::from_network(network);
    let half = crops[0].size() / 2;
    let outputs = net.arch.outputs;
    let mut ws = Workspace::new(net.arch, half, half, CpuLevel::current())?;
    let mut gradient = Net::zeros(net.arch);
    let mut squares: Vec<Vec<f64>> = net.layers.iter().map(|l| vec![0.0; l.cout]).collect();
    let mut samples: Vec<Samples> =
        net.layers.iter().map(|l| Samples::new(l.cin, l.cout, crops.len())).collect();
    for crop in crops {
        tiles::load(&crop.decoded(), (0, 0), ws.input());
        ws.forward(&net, crop.condition, (0, 0));
        gradient.tensors_mut().for_each(|t| t.fill(0.0));
        ws.backward(&net, crop.condition, Train::All, &mut gradient, |_, _, d| {
            for pixel in d.chunks_exact_mut(8) {
                pixel[..outputs].fill_with(|| if rng.random() { 1.0 } else { -1.0 });
            }
        });
        for (i, (layer, own)) in gradient.layers.iter().zip(&net.layers).enumerate() {
            samples[i].add_change(layer.by_weight(own).collect(), layer.by_bias().collect());
            for (sum, g) in squares[i].iter_mut().zip(&layer.scale) {
                *sum += f64::from(*g).powi(2);
            }
        }
        // What the picture itself asks for.
        let units = weights(&ws, crop, outputs);
        gradient.tensors_mut().for_each(|t| t.fill(0.0));
        ws.backward(&net, crop.condition, Train::All, &mut gradient, |y, out, slope| {
            for x in 0..half {
                for (c, unit) in units.iter().enumerate().take(outputs) {
                    slope[8 * x + c] = unit * error(crop, outputs, (y, x), c, out[8 * x + c]);
                }
            }
        });
        for (i, (layer, own)) in gradient.layers.iter().zip(&net.layers).enumerate() {
            samples[i].add_wish(layer.by_weight(own).collect(), layer.by_bias().collect());
        }
    }
    // Of luma, or of a chroma plane at half resolution twice.
    let count = (crops.len() * half * half * outputs) as f64;
    let wanted = STEP_CHANGE / 128.0;
    for ((layer, samples), squares) in network.layers.iter_mut().zip(&samples).zip(&squares) {
        let scale_unit = f64::from(1u32 << layer.shift);
        let step = |square: f64, unit: f64, most: f64| {
            let rms = (square / count).sqrt();
            (wanted / rms.max(1e-12) * unit).clamp(8.0, most).round() as i32
        };
        // A dead channel's step is capped: an eighth of its scale, a hundredth of a sum's range.
        for (c, bias) in samples.bias_squares().into_iter().enumerate() {
            let most = f64::from(layer.multiplier[c]) / 8.0;
            layer.scale_step[c] = step(squares[c], scale_unit, most.max(8.0));
            layer.bias_step[c] = step(bias, f64::from(INPUT_LIMIT), 2e7);
        }
        // Of what next to nothing comes of, a step moves no weight by more than the largest there
        // is.
        let largest = layer.weights.iter().map(|w| w.unsigned_abs()).max().unwrap_or(0).max(1);
        let log_step = |square: f64, unit: f64| {
            (wanted / (square / count).sqrt()).min(f64::from(largest) * unit).log2()
        };
        let weights = samples.weight_squares();
        let (cin, cout) = (layer.cin, layer.cout);
        let of_kernel = |ci: usize, co: usize| {
            let logs = (0..9).map(|t| log_step(weights[(t * cin + ci) * cout + co], 1.0));
            logs.sum::<f64>() / 9.0
        };
        (layer.weight_step_in, layer.weight_step_out) = factors(cin, cout, of_kernel);
        layer.mean = samples.means().iter().map(|m| (m * f64::from(INPUT_LIMIT)) as i16).collect();
        let means: Vec<f32> =
            layer.mean.iter().map(|m| f32::from(*m) / INPUT_LIMIT as f32).collect();
        let (basis, squares) = basis(samples, &means);
        let size = rms(&layer.weights);
        let of_kernel: Vec<f64> = basis.kernel.chunks_exact(9).map(rms).collect();
        let of_input: Vec<f64> = basis.input.chunks_exact(cin).map(rms).collect();
        let of_output: Vec<f64> = basis.output.chunks_exact(cout).map(rms).collect();
        let most = |row: usize, column: usize| {
            let unit =
                of_kernel[row / cin] * of_input[row % cin] * of_output[column] * f64::from(UNIT);
            (size / unit).log2()
        };
        layer.basis = basis;
        (layer.row_step, layer.column_step) = factors(9 * cin, cout, |row, column| {
            log_step(squares[row * cout + column], STEPS_OF_A_WEIGHT).min(most(row, column))
        });
    }
    Ok(())
}

fn rms<T: Copy + Into<f64>>(values: &[T]) -> f64 {
    (values.iter().map(|v| (*v).into().powi(2)).sum::<f64>() / values.len() as f64).sqrt()
}

/// The plane, row and column of the sample that output `c` of a pixel corrects, in a crop with one
/// chroma sample to a pixel.
pub(super) fn place(outputs: usize, (y, x): (usize, usize), c: usize) -> (usize, usize, usize) {
    match outputs {
        4 => (0, 2 * y + c / 2, 2 * x + c % 2),
        _ => (1 + c, y, x),
    }
}

/// Error of an output in a crop with one chroma sample to a pixel, in units of 128 grey levels.
fn error(crop: &Crop, outputs: usize, pixel: (usize, usize), c: usize, out: f32) -> f32 {
    let (plane, row, column) = place(outputs, pixel, c);
    let width = crop.decoded.planes[plane].width;
    let sample = |of: &Planes| f32::from(of.planes[plane].data[row * width + column]);
    out + (sample(&crop.decoded) - sample(&crop.original)) / 128.0
}

/// What makes derivatives of dB out of the errors of each output, but for a constant.
fn weights(ws: &Workspace, crop: &Crop, outputs: usize) -> Vec<f32> {
    let half = crop.size() / 2;
    let sum = |c: usize| -> f32 {
        let pixels = (0..half).flat_map(|y| (0..half).map(move |x| (y, x)));
        let of = |(y, x): (usize, usize)| {
            let out = ws.output().row(y)[8 * x + c];
            error(crop, outputs, (y, x), c, out).powi(2)
        };
        pixels.map(of).sum::<f32>() + 1e-3
    };
    let sums: Vec<f32> = (0..outputs).map(sum).collect();
    match outputs {
        4 => vec![1.0 / sums.iter().sum::<f32>(); 4],
        _ => sums.iter().map(|s| 1.0 / s).collect(),
    }
}

/// Tables whose products are nearest to steps: `log_step(row, column)` is the logarithm of one.
fn factors(
    rows: usize,
    columns: usize,
    log_step: impl Fn(usize, usize) -> f64,
) -> (Vec<i32>, Vec<i32>) {
    let row = |r: usize| (0..columns).map(|c| log_step(r, c)).sum::<f64>() / columns as f64;
    let column = |c: usize| (0..rows).map(|r| log_step(r, c)).sum::<f64>() / rows as f64;
    let of_rows: Vec<f64> = (0..rows).map(row).collect();
    let middle = of_rows.iter().sum::<f64>() / rows as f64;
    // Each table has half of the middle, so that both have the same range.
    let factor = |log: f64| {
        let factor = 256.0 * (log - 0.5 * middle).exp2();
        factor.clamp(1.0, f64::from(MAX_FACTOR)).round() as i32
    };
    let of_columns = (0..columns).map(|c| factor(column(c))).collect();
    (of_rows.into_iter().map(factor).collect(), of_columns)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A step at step field 6, by two tables.
    fn product(input: i32, output: i32) -> f64 {
        f64::from(input) * f64::from(output) / 65536.0
    }

    #[test]
    fn products_of_two_tables_are_the_steps() {
        let (cin, cout) = (5, 3);
        // Steps of 4 to 20,000.
        let of_input = |i: usize| 2.0 + 0.7 * i as f64;
        let of_output = |o: usize| 4.0 * o as f64 + 0.3;
        let log_step = |i: usize, o: usize| of_input(i) + of_output(o);
        let (input, output) = factors(cin, cout, log_step);
        assert_eq!((input.len(), output.len()), (cin, cout));
        for (i, o) in (0..cin).flat_map(|i| (0..cout).map(move |o| (i, o))) {
            let exact = (of_input(i) + of_output(o)).exp2();
            let off = product(input[i], output[o]) / exact;
            assert!((off - 1.0).abs() < 0.01, "{i} {o}: {off}");
        }
    }

    /// Steps far above what one table can hold are halved between both.
    #[test]
    fn large_steps_are_shared() {
        let (input, output) = factors(3, 2, |i, o| 30.0 + i as f64 + o as f64);
        for (i, o) in (0..3).flat_map(|i| (0..2).map(move |o| (i, o))) {
            let off = product(input[i], output[o]) / (30.0 + i as f64 + o as f64).exp2();
            assert!((off - 1.0).abs() < 0.001, "{off}");
        }
    }

    #[test]
    fn tables_stay_in_range() {
        for log in [-60.0, -9.0, 0.0, 17.9, 90.0] {
            let (input, output) = factors(3, 2, |_, _| log);
            let all = input.iter().chain(&output);
            assert!(all.clone().all(|s| (1..=MAX_FACTOR).contains(s)), "{log}");
        }
    }
}
