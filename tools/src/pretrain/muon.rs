//! The Muon optimiser (K. Jordan and others, 2024, <https://kellerjordan.github.io/posts/muon>) for
//! the weights of a convolution: they move by their momentum with all singular values made about 1,
//! so that directions that rarely get a gradient are learnt as fast as those that dominate it.

use sidelight::train::net::padded;

const MOMENTUM: f32 = 0.95;
/// Coefficients of x, x³ and x⁵ of a polynomial that, iterated, takes 0 < x ≤ 1 to about 1.
const POLYNOMIAL: [f32; 3] = [3.4445, -4.775, 2.0315];
const ITERATIONS: usize = 5;
/// Root mean square of a step's changes, in units of the step size: about what Adam's are.
const CHANGE: f32 = 0.2;
/// Lanes of a vector; what is padded is a multiple of it.
const LANES: usize = 8;

/// One step of size `rate` of a layer's weights, `[9][cin][padded(cout)]`, against their gradient.
pub fn step(rate: f32, cout: usize, momentum: &mut [f32], weights: &mut [f32], gradient: &[f32]) {
    let columns = padded(cout);
    let mut ahead = vec![0.0; gradient.len()];
    for ((ahead, mean), g) in ahead.iter_mut().zip(momentum).zip(gradient) {
        *mean = MOMENTUM * *mean + (1.0 - MOMENTUM) * g;
        *ahead = MOMENTUM * *mean + (1.0 - MOMENTUM) * g;
    }
    let norm = ahead.iter().map(|v| v * v).sum::<f32>().sqrt();
    // Nothing to go by, and squares of less would be 0.
    if norm < 1e-15 {
        return;
    }
    ahead.iter_mut().for_each(|v| *v /= norm);
    let change = orthogonal(&ahead, columns);
    let rows = gradient.len() / columns;
    let size = rate * CHANGE * (rows.max(cout) as f32).sqrt();
    weights.iter_mut().zip(change).for_each(|(weight, change)| *weight -= size * change);
}

/// `x`, rows of `n` with singular values up to 1, with all of them made about 1.
///
/// Each iteration multiplies x by a polynomial of xᵀx, which is small: all factors are found first.
fn orthogonal(x: &[f32], n: usize) -> Vec<f32> {
    let mut square = vec![0.0; n * n];
    for row in x.chunks_exact(n) {
        add_product(row, row, &mut square, n);
    }
    let [a, b, c] = POLYNOMIAL;
    let mut all = identity(n);
    for _ in 0..ITERATIONS {
        let mut factor = product(&square, &square, n);
        factor.iter_mut().zip(&square).for_each(|(f, s)| *f = b * s + c * *f);
        (0..n).for_each(|i| factor[i * n + i] += a);
        all = product(&all, &factor, n);
        square = product(&product(&square, &factor, n), &factor, n);
    }
    product(x, &all, n)
}

fn identity(n: usize) -> Vec<f32> {
    (0..n * n).map(|i| f32::from(u8::from(i % (n + 1) == 0))).collect()
}

/// Rows of `n` times a matrix of `n` × `n`.
fn product(a: &[f32], b: &[f32], n: usize) -> Vec<f32> {
    let mut out = vec![0.0; a.len()];
    for (row, to) in a.chunks_exact(n).zip(out.chunks_exact_mut(n)) {
        for (v, from) in row.iter().zip(b.chunks_exact(n)) {
            add(*v, from, to);
        }
    }
    out
}

/// Adds the products of each element of `a` and all of `b`, a row of `out`.
fn add_product(a: &[f32], b: &[f32], out: &mut [f32], n: usize) {
    for (v, to) in a.iter().zip(out.chunks_exact_mut(n)) {
        add(*v, b, to);
    }
}

fn add(v: f32, from: &[f32], to: &mut [f32]) {
    for (to, from) in to.chunks_exact_mut(LANES).zip(from.chunks_exact(LANES)) {
        to.iter_mut().zip(from).for_each(|(t, f)| *t += v * f);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use nalgebra::DMatrix;
    use rand::{Rng, SeedableRng};
    use rand_pcg::Pcg64Mcg;

    #[test]
    fn singular_values_become_about_one() {
        let mut rng = Pcg64Mcg::seed_from_u64(3);
        for (rows, n) in [(36, 32), (288, 32), (36, 48), (54, 16)] {
            let mut x: Vec<f32> = (0..rows * n).map(|_| rng.random_range(-1.0..1.0)).collect();
            // Columns of very unequal size.
            x.iter_mut().enumerate().for_each(|(i, v)| *v *= 0.8f32.powi((i % n / 2) as i32));
            let norm = x.iter().map(|v| v * v).sum::<f32>().sqrt();
            x.iter_mut().for_each(|v| *v /= norm);
            let svd = DMatrix::from_row_slice(rows, n, &x).svd(true, true);
            let got = DMatrix::from_row_slice(rows, n, &orthogonal(&x, n));
            // Singular vectors stay.
            let (u, v) = (svd.u.unwrap(), svd.v_t.unwrap());
            let values = u.transpose() * got * v.transpose();
            for i in 0..rows.min(n) {
                let large = svd.singular_values[i] > 0.02;
                let range = if large { 0.6..1.3 } else { 0.0..1.3 };
                assert!(range.contains(&values[(i, i)]), "{rows}x{n}, {i}: {}", values[(i, i)]);
                for j in (0..rows.min(n)).filter(|j| *j != i) {
                    assert!(values[(i, j)].abs() < 1e-3, "{}", values[(i, j)]);
                }
            }
        }
    }

    #[test]
    fn steps_are_of_the_step_size_and_leave_padding_alone() {
        let mut rng = Pcg64Mcg::seed_from_u64(4);
        let (cout, rows) = (4, 90);
        let n = padded(cout);
        let gradient: Vec<f32> = (0..rows * n)
            .map(|i| if i % n < cout { rng.random_range(-1e-3..1e-3) } else { 0.0 })
            .collect();
        let (mut momentum, mut weights) = (vec![0.0; rows * n], vec![0.0; rows * n]);
        step(0.1, cout, &mut momentum, &mut weights, &gradient);
        assert!(weights.chunks(n).all(|row| row[cout..].iter().all(|v| *v == 0.0)));
        let square: f32 = weights.iter().map(|v| v * v).sum::<f32>() / (rows * cout) as f32;
        assert!((square.sqrt() / 0.02 - 1.0).abs() < 0.3, "{}", square.sqrt());
        let along: f32 = weights.iter().zip(&gradient).map(|(t, g)| t * g).sum();
        assert!(along < 0.0);
        // Without a gradient nothing moves; with a tiny one it does not get out of hand.
        for tiny in [0.0, 1e-30, 1e-25, 1e-18, 1e-14, 1e-12] {
            let (mut momentum, mut weights) = (vec![0.0; rows * n], vec![1.0; rows * n]);
            let gradient: Vec<f32> = gradient.iter().map(|g| g.signum() * tiny).collect();
            step(0.1, cout, &mut momentum, &mut weights, &gradient);
            assert!(weights.iter().all(|v| (v - 1.0).abs() < 0.2), "{tiny}");
            assert!(tiny > 1e-20 || weights.iter().all(|v| *v == 1.0), "{tiny}");
        }
    }
}
