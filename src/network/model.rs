//! A base model: the integer parameters that a payload's update applies to.

use super::basis::{Basis, STEPS_OF_A_WEIGHT};
use super::prior::{UpdatePrior, MAX_NETWORKS};
use super::step::half_octaves;
use super::Arch;
use crate::util::alloc;
use crate::util::shared::Shared;
use crate::Result;
use std::ops::Range;

/// Activations of the input and of the network's output have 12-bit scale: 16 units for one step of
/// an 8-bit sample.
pub const INPUT_LIMIT: i32 = 2048;

/// Largest entry of a layer's tables of steps of coefficients and weights.
pub const MAX_FACTOR: i32 = 1 << 26;

/// One convolution of a network.
///
/// `acc = bias[phase] + Σ weights · x + condition`, `y = clamp((acc · multiplier + 2^(shift − 1))
/// >> shift, low, high)`; `low` is 0 and `high` is `limit` in all layers but the last, where they
/// are −`limit` and `limit`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ModelLayer {
    /// Input channels.
    pub cin: usize,
    /// Output channels.
    pub cout: usize,
    /// `[9][cin][cout]`, weight 3·ky + kx.
    pub weights: Shared<i16>,
    /// `[phases][cout]`: the first layer has one row for each phase of the block grid, the others
    /// one.
    pub bias: Vec<i32>,
    /// `[features][cout]`, added to the bias as `(Σ condition · feature + 128) >> 8`.
    pub condition: Vec<i32>,
    /// `[cout]`, 1..=2^shift.
    pub multiplier: Vec<i32>,
    /// Right shift after the multiplication, 1..=31.
    pub shift: u32,
    /// Largest magnitude of an output, 1..=32767.
    pub limit: i32,
    /// `[cout]`: what one unit of a scale in an update adds to the multiplier, at step field 6.
    pub scale_step: Vec<i32>,
    /// `[cout]`: what one unit of a bias in an update adds to the bias, at step field 6.
    pub bias_step: Vec<i32>,
    /// `[cin]`: what inputs are on average, −32768..=32767.
    pub mean: Vec<i16>,
    /// What a coefficient of an update changes.
    pub basis: Basis,
    /// `[9][cin]`: one factor of a coefficient's [`step`](Self::step); the product of both, in
    /// 1/65536, is the step at step field 6.
    pub row_step: Vec<i32>,
    /// `[cout]`: the other factor of [`step`](Self::step).
    pub column_step: Vec<i32>,
    /// `[cin]`: one factor of a coefficient's step in a model whose coefficients are single weights
    /// ([`Model::single_weights`]).
    pub weight_step_in: Vec<i32>,
    /// `[cout]`: the other factor of such a step.
    pub weight_step_out: Vec<i32>,
}

/// The convolutions of luma or of chroma.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Network {
    /// Shape of the network.
    pub arch: Arch,
    /// Convolutions, first to last.
    pub layers: Vec<ModelLayer>,
}

/// Codec whose pictures a model is for: it says what the condition is made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum CodecKind {
    /// JPEG: quantisation tables.
    Jpeg = 1,
    /// HEVC: QP and picture type.
    Hevc = 2,
}

/// A base model.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Model {
    /// The content's hash, as payloads name it.
    pub id: u32,
    /// Whose pictures it is for.
    pub codec: CodecKind,
    /// Corrects luma.
    pub luma: Network,
    /// Corrects chroma; `None`: it passes through.
    pub chroma: Option<Network>,
    /// How its updates are coded.
    pub prior: UpdatePrior,
}

impl ModelLayer {
    /// Whether this can be layer `layer` of a network of shape `arch`.
    fn is_consistent(&self, arch: Arch, layer: usize) -> bool {
        let c = self.cout;
        (self.cin, c) == arch.layer(layer)
            && self.weights.len() == 9 * self.cin * c
            && self.bias.len() == arch.phases(layer) * c
            && self.condition.len() == arch.features * c
            && [&self.multiplier, &self.scale_step, &self.bias_step]
                .into_iter()
                .chain([&self.column_step, &self.weight_step_out])
                .all(|v| v.len() == c)
            && self.mean.len() == self.cin
            && self.weight_step_in.len() == self.cin
            && self.row_step.len() == 9 * self.cin
            && self.basis.is_consistent(self.cin, c)
    }

    /// The step of the coefficient of row `row`, 0..9·cin, and column `column`, 0..cout, at step
    /// field `field`: at least 1, at most 2^40.
    #[must_use]
    pub fn step(&self, row: usize, column: usize, field: u8) -> i64 {
        let product = i64::from(self.row_step[row]) * i64::from(self.column_step[column]);
        half_octaves(product, field, 19).max(1)
    }
}

impl Network {
    /// Input and output channels of every layer.
    #[must_use]
    pub fn shapes(&self) -> Vec<(usize, usize)> {
        self.layers.iter().map(|l| (l.cin, l.cout)).collect()
    }

    /// Whether all layers are of its shape.
    pub(super) fn is_consistent(&self) -> bool {
        let mut layers = self.layers.iter().enumerate();
        self.layers.len() == self.arch.layers()
            && layers.all(|(i, layer)| layer.is_consistent(self.arch, i))
    }
}

impl Model {
    /// This model with updates whose coefficients change single weights, and no bias; its prior is
    /// untuned. It is what the published recipe's updates apply to.
    ///
    /// # Errors
    /// [`OutOfMemory`](crate::Error::OutOfMemory); no others for models that files hold.
    pub fn single_weights(mut self) -> Result<Self> {
        let chroma = &mut self.chroma;
        for layer in std::iter::once(&mut self.luma).chain(chroma).flat_map(|n| &mut n.layers) {
            layer.mean.fill(0);
            layer.basis = Basis::none(layer.cin, layer.cout)?;
            layer.row_step = alloc::try_concat(&[&layer.weight_step_in[..]; 9])?;
            // From units of a weight to those of basis vectors.
            let steps = layer.weight_step_out.iter();
            let steps = steps.map(|s| (s.saturating_mul(STEPS_OF_A_WEIGHT)).min(MAX_FACTOR));
            layer.column_step = alloc::try_collect(layer.cout, steps)?;
        }
        let shapes = self.networks().map(|network| {
            let layers = network.layers.iter();
            alloc::try_collect(layers.len(), layers.map(|l| (l.cin, l.cout)))
        });
        self.prior = UpdatePrior::untuned(&alloc::try_collect_ok(MAX_NETWORKS, shapes)?)?;
        self.set_id();
        Ok(self)
    }

    /// The planes that each of [`networks`](Self::networks) corrects.
    pub const PLANES: [Range<usize>; 2] = [0..1, 1..3];

    /// Luma's network, then chroma's if there is one.
    pub fn networks(&self) -> impl Iterator<Item = &Network> {
        std::iter::once(&self.luma).chain(&self.chroma)
    }

    /// Input and output channels of every layer of all networks.
    #[must_use]
    pub fn shapes(&self) -> Vec<(usize, usize)> {
        self.networks().flat_map(Network::shapes).collect()
    }
}
