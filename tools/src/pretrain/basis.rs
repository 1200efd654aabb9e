//! Which basis vectors of a layer's weights the coefficients of updates stand for.
//!
//! Changes of weights that do much the same cannot be told apart, and rounding one of them matters
//! to all. So a layer's basis vectors are such that what they change in the output is as good as
//! uncorrelated over training pictures, as far as a product of basis vectors of kernel positions,
//! input and output channels can be; and, as that leaves free how basis vectors are rotated, that
//! what pictures ask for falls to few of them.

use nalgebra::{DMatrix, SymmetricEigen};
use sidelight::network::basis::Basis;
use sidelight::train::COEFFICIENT_UNIT as UNIT;

/// Smallest eigenvalue that counts, as a part of the largest.
const FLOOR: f64 = 1e-4;
/// Rounds of fitting input's and output's factor of the correlations in turn.
const ROUNDS: usize = 3;

/// What changes of a layer's weights do in crops. Gradients are `[9][cin][cout]`.
pub struct Samples {
    cin: usize,
    cout: usize,
    /// Gradients of the output against random signs: by weights, by biases.
    changes: Vec<(Vec<f32>, Vec<f32>)>,
    /// Gradient of what the picture loses.
    wishes: Vec<(Vec<f32>, Vec<f32>)>,
}

impl Samples {
    pub fn new(cin: usize, cout: usize, crops: usize) -> Self {
        let room = || Vec::with_capacity(crops);
        Self { cin, cout, changes: room(), wishes: room() }
    }

    pub fn add_change(&mut self, weights: Vec<f32>, bias: Vec<f32>) {
        self.changes.push((weights, bias));
    }

    pub fn add_wish(&mut self, weights: Vec<f32>, bias: Vec<f32>) {
        self.wishes.push((weights, bias));
    }

    /// Sum over the crops of the squared derivatives by each bias.
    pub fn bias_squares(&self) -> Vec<f64> {
        squares(self.changes.iter().map(|c| &c.1[..]), self.cout)
    }

    /// That change by each weight.
    pub fn weight_squares(&self) -> Vec<f64> {
        squares(self.changes.iter().map(|c| &c.0[..]), 9 * self.cin * self.cout)
    }

    /// What each input is on average, as seen by biases: a change of a weight does least besides
    /// what that much of a change of the bias does. Output channels count alike.
    pub fn means(&self) -> Vec<f64> {
        let (cin, cout) = (self.cin, self.cout);
        let squares = self.bias_squares();
        let mut products = vec![0.0; cin * cout];
        for (weights, bias) in &self.changes {
            for (i, row) in weights.chunks_exact(cout).enumerate() {
                let products = &mut products[i % cin * cout..][..cout];
                for ((sum, weight), bias) in products.iter_mut().zip(row).zip(bias) {
                    *sum += f64::from(weight * bias);
                }
            }
        }
        let most = squares.iter().fold(0.0f64, |a, b| a.max(*b));
        let alive: Vec<usize> = (0..cout).filter(|co| squares[*co] > 1e-9 * most).collect();
        let mean = |ci: usize| {
            let ratios = alive.iter().map(|co| products[ci * cout + co] / (9.0 * squares[*co]));
            ratios.sum::<f64>() / alive.len().max(1) as f64
        };
        (0..cin).map(mean).collect()
    }

    /// Derivatives by weights when biases take back what they do to inputs of `means`, by kernel
    /// position.
    fn centred(&self, of: &[(Vec<f32>, Vec<f32>)], means: &[f32]) -> Vec<Vec<DMatrix<f64>>> {
        let (cin, cout) = (self.cin, self.cout);
        of.iter()
            .map(|(weights, bias)| {
                let value = |t: usize, ci: usize, co: usize| {
                    f64::from(weights[(t * cin + ci) * cout + co] - means[ci] * bias[co])
                };
                (0..9).map(|t| DMatrix::from_fn(cin, cout, |ci, co| value(t, ci, co))).collect()
            })
            .collect()
    }
}

fn squares<'a>(rows: impl Iterator<Item = &'a [f32]>, len: usize) -> Vec<f64> {
    let mut sums = vec![0.0; len];
    for row in rows {
        sums.iter_mut().zip(row).for_each(|(sum, g)| *sum += f64::from(*g).powi(2));
    }
    sums
}

/// The patterns of a kernel: mean, slope and curvature along rows and columns.
fn patterns() -> DMatrix<f64> {
    let along = [[1.0, 1.0, 1.0], [1.0, 0.0, -1.0], [1.0, -2.0, 1.0]];
    DMatrix::from_fn(9, 9, |f, t| along[f / 3][t / 3] * along[f % 3][t % 3])
}

/// The basis vectors of a layer, and the sum over the crops of the squared derivatives by each of
/// its coefficients, `[9][cin][cout]`, in units where a step is 1 and a weight 1.
pub fn basis(samples: &Samples, means: &[f32]) -> (Basis, Vec<f64>) {
    let (cin, cout) = (samples.cin, samples.cout);
    let changes = samples.centred(&samples.changes, means);
    let wishes = samples.centred(&samples.wishes, means);
    let kernel = matrix_rows(&patterns());
    let changes = by_pattern(&changes, &kernel);
    let wishes = by_pattern(&wishes, &kernel);
    // Patterns count alike.
    let weight = |f: usize| {
        let sum: f64 = changes.iter().map(|c| c[f].norm_squared()).sum();
        1.0 / sum.max(f64::MIN_POSITIVE).sqrt()
    };
    let weights: Vec<f64> = (0..9).map(weight).collect();
    let weighted = |all: &[Vec<DMatrix<f64>>]| -> Vec<DMatrix<f64>> {
        all.iter().flat_map(|c| c.iter().zip(&weights).map(|(m, w)| m * *w)).collect()
    };
    let (flat, wishes) = (weighted(&changes), weighted(&wishes));
    // Correlations as a product of input's and output's, each fitted with the other one taken out.
    let (mut input, mut output) = (DMatrix::identity(cin, cin), DMatrix::identity(cout, cout));
    for _ in 0..ROUNDS {
        input = whitening(&flat.iter().map(|m| m * &output).map(|m| &m * m.transpose()).sum());
        output = whitening(
            &flat.iter().map(|m| m.transpose() * &input).map(|m| &m * m.transpose()).sum(),
        );
    }
    // Uncorrelated basis vectors stay so when they are rotated.
    let wishes: Vec<_> = wishes.iter().map(|m| input.transpose() * m * &output).collect();
    let turn = |sum: DMatrix<f64>| SymmetricEigen::new(sum);
    let by_input = sorted(turn(wishes.iter().map(|m| m * m.transpose()).sum()));
    let by_output = sorted(turn(wishes.iter().map(|m| m.transpose() * m).sum()));
    let basis = Basis {
        kernel,
        input: matrix_rows(&(input * by_input).transpose()),
        output: matrix_rows(&(output * by_output).transpose()),
    };
    let input = float(&basis.input, cin);
    let output = float(&basis.output, cout).transpose();
    let mut squares = vec![0.0; 9 * cin * cout];
    for patterns in &changes {
        for (pattern, m) in patterns.iter().enumerate() {
            let m = &input * m * &output;
            for (i, square) in squares[pattern * cin * cout..][..cin * cout].iter_mut().enumerate()
            {
                *square += (m[(i / cout, i % cout)] * f64::from(UNIT)).powi(2);
            }
        }
    }
    (basis, squares)
}

/// Each crop's matrices by pattern instead of by position.
fn by_pattern(crops: &[Vec<DMatrix<f64>>], kernel: &[i8]) -> Vec<Vec<DMatrix<f64>>> {
    let pattern = |positions: &[DMatrix<f64>], f: usize| {
        positions.iter().zip(&kernel[9 * f..]).map(|(m, w)| m * f64::from(*w)).sum()
    };
    crops.iter().map(|c| (0..9).map(|f| pattern(c, f)).collect()).collect()
}

/// A matrix whose columns are basis vectors that `correlations` make uncorrelated and of one size;
/// next to none of what is as good as never there.
fn whitening(correlations: &DMatrix<f64>) -> DMatrix<f64> {
    let eigen = SymmetricEigen::new(correlations.clone());
    let floor = FLOOR * eigen.eigenvalues.max().max(f64::MIN_POSITIVE);
    let factors = eigen.eigenvalues.map(|v| 1.0 / (v.max(0.0) + floor).sqrt());
    eigen.eigenvectors * DMatrix::from_diagonal(&factors)
}

/// The eigenvectors as columns, the largest eigenvalue's first.
fn sorted(eigen: SymmetricEigen<f64, nalgebra::Dyn>) -> DMatrix<f64> {
    let mut order: Vec<usize> = (0..eigen.eigenvalues.len()).collect();
    order.sort_by(|a, b| eigen.eigenvalues[*b].total_cmp(&eigen.eigenvalues[*a]));
    let vectors = &eigen.eigenvectors;
    DMatrix::from_fn(order.len(), order.len(), |i, j| vectors[(i, order[j])])
}

/// The rows in integers, each with 127 as its largest magnitude.
fn matrix_rows(m: &DMatrix<f64>) -> Vec<i8> {
    let row = |i: usize| {
        let most = m.row(i).amax().max(f64::MIN_POSITIVE);
        (0..m.ncols()).map(move |j| (127.0 * m[(i, j)] / most).round() as i8)
    };
    (0..m.nrows()).flat_map(row).collect()
}

fn float(matrix: &[i8], n: usize) -> DMatrix<f64> {
    DMatrix::from_fn(n, n, |i, j| f64::from(matrix[i * n + j]))
}
