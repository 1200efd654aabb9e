//! Inner loops of the filter: one table of functions for each level, all of which give the same
//! bytes.
//!
//! The arithmetic is that of docs/model.md; the contract of the kernels are [`ConvRow`],
//! [`ConvRowLast`] and [`SampleKernels`]. `scalar.rs` and `samples.rs` are the reference. For
//! instruction sets, `convolve.rs` writes the convolutions once, and `eights.rs` the samples, over
//! the registers of `vector.rs`, which the files in `x86` and `aarch64` and `wasm.rs` implement;
//! `tests.rs` compares every level with the reference.

#[cfg(target_arch = "aarch64")]
mod aarch64;
// Compiled for every CPU, so that it stays free of any instruction set.
#[cfg_attr(
    not(any(target_arch = "x86_64", target_arch = "aarch64", target_feature = "simd128")),
    allow(unused)
)]
mod convolve;
#[cfg_attr(
    not(any(target_arch = "x86_64", target_arch = "aarch64", target_feature = "simd128")),
    allow(unused)
)]
mod eights;
mod samples;
pub mod scalar;
#[cfg_attr(
    not(any(target_arch = "x86_64", target_arch = "aarch64", target_feature = "simd128")),
    allow(unused)
)]
mod vector;
#[cfg(all(target_arch = "wasm32", target_feature = "simd128"))]
mod wasm;
#[cfg(target_arch = "x86_64")]
mod x86;

use crate::cpu::Supported;
use crate::network::bounds::{are_bytes, SumWidth};
use crate::network::prepared::PreparedLayer;
use crate::util::alloc;
use crate::Result;
pub use samples::{Correction, SampleKernels, FULL_STRENGTH};

/// A convolution prepared for the kernels.
#[derive(Clone, Debug)]
pub struct Convolution {
    /// The layer's integer parameters.
    pub layer: PreparedLayer,
    /// What the products may be added in.
    pub sum_width: SumWidth,
    /// The weights as the row kernels read them.
    pub packed: Packed,
    /// The biases as the row kernels read them, `[period · period][cout]`: those of a layer that
    /// reads bytes make up for [`middle`](Self::middle).
    bias: Vec<i32>,
    /// What the row kernels take off activations of 8 bits, so that they are signed bytes and their
    /// sums stay as small as the proofs say; 0 where they read unsigned ones.
    middle: u8,
    /// The multipliers as the row kernels read them.
    pub requantisation: Requantisation,
}

/// Weights in the order of the kernels.
#[derive(Clone, Debug)]
pub enum Packed {
    /// Weights for activations of 16 bits: `[3][cin / 2][3][cout / n][2][n]`, the rows of weights,
    /// pairs of input channels, a row's weights, `n` [planar](Kernels::planar) output channels; for a
    /// last layer, of 4 or 2 output channels, `[cout][9][cin]`.
    I16(Vec<i16>),
    /// Weights for activations of 8 bits: `[3][cin / 4][3][cout / n][4][n]`.
    I8(Vec<i8>),
}

/// Multipliers with as many bits more as make the shift 32, whose result is the product's high
/// half.
#[derive(Clone, Debug)]
pub struct Requantisation {
    /// `[cout]`, even; as they are without [`high`](Self::high).
    pub multiplier: Vec<i32>,
    /// Whether there is room for those bits, one at least.
    pub high: bool,
}

impl Requantisation {
    fn new(layer: &PreparedLayer) -> Result<Self> {
        let more = 32 - layer.shift;
        let largest = layer.multiplier.iter().max().map_or(0, |m| i64::from(*m));
        let high = more > 0 && largest << more <= i64::from(i32::MAX);
        let more = if high { more } else { 0 };
        let multipliers = layer.multiplier.iter().map(|m| m << more);
        Ok(Self { multiplier: alloc::try_collect(layer.multiplier.len(), multipliers)?, high })
    }
}

impl Convolution {
    /// Packs `layer`'s weights for `kernels`. A hidden layer reads bytes if it can: its inputs lie
    /// in 0..=`limit`.
    ///
    /// # Errors
    /// [`OutOfMemory`](crate::Error::OutOfMemory).
    pub fn new(layer: PreparedLayer, limit: Option<i32>, kernels: &Kernels) -> Result<Self> {
        let (cin, cout) = (layer.cin, layer.cout);
        let limit = limit.filter(|limit| kernels.bytes && are_bytes(&layer.weights, *limit));
        let sum_width = match limit {
            Some(limit) if !kernels.dot4 => {
                SumWidth::narrowest(&layer.weights, (cin, cout), limit)?
            }
            _ => SumWidth::I32,
        };
        let bytes = limit.filter(|_| kernels.dot4 || sum_width != SumWidth::I32);
        let middle = if kernels.signed_bytes { bytes.map_or(0, middle_of) } else { 0 };
        let mut bias = alloc::try_concat(&[&layer.bias])?;
        // Without a middle there is nothing to make up for.
        for (i, weight) in layer.weights.iter().enumerate().filter(|_| middle != 0) {
            let channel = bias[i % cout..].iter_mut().step_by(cout);
            channel.for_each(|bias| *bias += i32::from(middle) * i32::from(*weight));
        }
        let packed = if bytes.is_some() {
            let planar = if kernels.dot4 { 1 } else { kernels.planar };
            Packed::I8(pack::<4, i8>(&layer, planar, |w| w as i8)?)
        } else if cout < 16 {
            let of = |co: usize| (0..9 * cin).map(move |i| i * cout + co);
            let weights = (0..cout).flat_map(of).map(|i| layer.weights[i]);
            Packed::I16(alloc::try_collect(layer.weights.len(), weights)?)
        } else {
            Packed::I16(pack::<2, i16>(&layer, kernels.planar, |w| w)?)
        };
        let requantisation = Requantisation::new(&layer)?;
        Ok(Self { layer, sum_width, packed, bias, middle, requantisation })
    }

    /// All of a network's layers, first to last.
    ///
    /// # Errors
    /// [`OutOfMemory`](crate::Error::OutOfMemory).
    pub fn all(layers: &[PreparedLayer], kernels: &Kernels) -> Result<Vec<Self>> {
        let last = layers.len().saturating_sub(1);
        let mut limit = None;
        let prepare = |(i, layer): (usize, &PreparedLayer)| {
            let reads = limit.replace(layer.high).filter(|_| i < last);
            Self::new(layer.try_clone()?, reads, kernels)
        };
        alloc::try_collect_ok(layers.len(), layers.iter().enumerate().map(prepare))
    }

    /// The bias of output channel 0 at column `x` of row `y`.
    #[must_use]
    pub fn bias_row(&self, y: usize, x: usize) -> &[i32] {
        let (c, period) = (self.layer.cout, self.layer.period);
        let phase = period * (y & (period - 1)) + (x & (period - 1));
        &self.layer.bias[phase * c..(phase + 1) * c]
    }
}

/// What is taken off activations of 0..=`limit`, at most 255, so that they are signed bytes. Sums of
/// 16 bits hold as [`SumWidth`] says: where products of unsigned activations of a sign add up to
/// 32767 or −32768 at most, those of activations so much smaller do in either sign together.
fn middle_of(limit: i32) -> u8 {
    (if limit == 255 { 128 } else { limit / 2 }) as u8
}

/// Weights with `N` input channels side by side, each of `planar` output channels, the three weights
/// of a row behind each other.
fn pack<const N: usize, T>(
    layer: &PreparedLayer,
    planar: usize,
    convert: impl Fn(i16) -> T,
) -> Result<Vec<T>> {
    let (cin, cout) = (layer.cin, layer.cout);
    let mut packed = alloc::try_with_capacity(layer.weights.len())?;
    for row in layer.weights.chunks_exact(3 * cin * cout) {
        for (ci, kx) in (0..cin).step_by(N).flat_map(|ci| [0, 1, 2].map(|kx| (ci, kx))) {
            let group = &row[(kx * cin + ci) * cout..][..N * cout];
            packed.extend((0..N * cout).map(|i| {
                let (plane, co) = (i / planar % N, i / (N * planar) * planar + i % planar);
                convert(group[plane * cout + co])
            }));
        }
    }
    Ok(packed)
}

/// The rows above, at and below that of a convolution's output: pixels −1..=width of `cin`
/// activations each, the first and last replicated by the caller. Activations are at most the limit
/// that the layer's overflow proof assumed.
#[derive(Clone, Copy, Debug)]
pub enum Rows<'a> {
    /// Activations of 16 bits, for weights packed as [`Packed::I16`].
    I16([&'a [i16]; 3]),
    /// Activations of 8 bits, for weights packed as [`Packed::I8`].
    U8([&'a [u8]; 3]),
}

/// The place of a convolution's output: pixels 0..width of `cout` activations each.
#[derive(Debug)]
pub enum RowMut<'a> {
    /// The output of any layer.
    I16(&'a mut [i16]),
    /// The output of a layer whose outputs lie in 0..=255.
    U8(&'a mut [u8]),
}

/// Row `y` of a 3×3 convolution with requantisation, as docs/model.md has it.
pub type ConvRow = fn(conv: &Convolution, y: usize, src: Rows<'_>, dst: RowMut<'_>);

/// Row `y` of a last layer's convolution.
pub type ConvRowLast = fn(conv: &Convolution, y: usize, src: [&[i16]; 3], dst: &mut [i16]);

/// The kernels of one level.
#[derive(Clone, Copy)]
pub struct Kernels {
    /// Layers whose output channels are a multiple of 16.
    pub conv_row: ConvRow,
    /// Last layers, of 4 or 2 output channels, input channels a multiple of 16 and one bias for
    /// each channel.
    pub conv_row_last: ConvRowLast,
    /// Whether hidden layers read bytes where they can.
    pub bytes: bool,
    /// Whether products of bytes are added in 32 bits by fours, so that no layer needs a proof for
    /// less.
    pub dot4: bool,
    /// Whether bytes are multiplied as signed ones.
    pub signed_bytes: bool,
    /// Output channels whose weights lie input channel by input channel; of bytes only without
    /// [`dot4`](Self::dot4).
    pub planar: usize,
    /// Rows of samples.
    pub samples: SampleKernels,
}

impl Kernels {
    /// The kernels of `cpu`'s level.
    #[must_use]
    pub fn new(cpu: Supported) -> Self {
        #[cfg(target_arch = "x86_64")]
        let table = x86::kernels(cpu.level());
        #[cfg(target_arch = "aarch64")]
        let table = aarch64::kernels(cpu.level());
        #[cfg(all(target_arch = "wasm32", target_feature = "simd128"))]
        let table = wasm::kernels(cpu.level());
        #[cfg(not(any(
            target_arch = "x86_64",
            target_arch = "aarch64",
            all(target_arch = "wasm32", target_feature = "simd128")
        )))]
        let (Supported { .. }, table) = (cpu, scalar::KERNELS);
        table
    }
}

/// What every kernel's slices must measure; panics where they do not. Returns the width.
fn check_row(conv: &Convolution, src: Rows<'_>, dst: &RowMut<'_>) -> usize {
    let l = &conv.layer;
    let (len, fits) = match dst {
        RowMut::I16(dst) => (dst.len(), true),
        RowMut::U8(dst) => (dst.len(), l.low == 0 && l.high <= 255),
    };
    let width = len / l.cout;
    assert!(fits && width > 0 && len == width * l.cout);
    let needed = (width + 2) * l.cin;
    let (enough, weights) = match (src, &conv.packed) {
        (Rows::I16(src), Packed::I16(weights)) => {
            (src.iter().all(|r| r.len() >= needed), weights.len())
        }
        (Rows::U8(src), Packed::I8(weights)) => {
            (src.iter().all(|r| r.len() >= needed), weights.len())
        }
        _ => panic!("activations and weights of different widths"),
    };
    assert!(enough && weights == 9 * l.cin * l.cout && l.multiplier.len() == l.cout);
    assert!(conv.requantisation.multiplier.len() == l.cout && conv.bias.len() == l.bias.len());
    assert!(l.period.is_power_of_two() && l.bias.len() == l.period * l.period * l.cout);
    width
}

#[cfg(test)]
mod tests;
