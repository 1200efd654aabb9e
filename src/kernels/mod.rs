//! Inner loops of the filter: one table of functions, a scalar reference and instruction-set
//! specific versions that give the same bytes.

pub mod scalar;
mod sums;
#[cfg(target_arch = "x86_64")]
mod x86;

use crate::cpu::CpuLevel;
use crate::network::instance::Layer;
pub use sums::Sums;

/// A convolution prepared for the kernels.
#[derive(Clone, Debug)]
pub struct Convolution {
    /// Its integer parameters.
    pub layer: Layer,
    /// What its products may be added in.
    pub sums: Sums,
    /// Its taps as the row kernels read them.
    pub packed: Packed,
}

/// Taps in the order of the kernels.
#[derive(Clone, Debug)]
pub enum Packed {
    /// For activations of 16 bits: `[9][cin / 2][cout][2]`, pairs of input channels side by side; for a
    /// last layer, of 4 or 2 output channels, `[cout][9][cin]`.
    I16(Vec<i16>),
    /// For activations of 8 bits: `[9][cin / 4][cout][4]`.
    I8(Vec<i8>),
}

impl Convolution {
    /// Packs `layer`'s taps. A hidden layer reads bytes if it can: its inputs lie in 0..=`limit`.
    #[must_use]
    pub fn new(layer: Layer, limit: Option<i32>) -> Self {
        let (cin, cout) = (layer.cin, layer.cout);
        let sums = limit.map_or(Sums::I32, |limit| Sums::narrowest(&layer, limit));
        let packed = match sums {
            Sums::I16 { .. } => Packed::I8(pack::<4, i8>(&layer, |w| w as i8)),
            Sums::I32 if cout < 16 => {
                let of = |co: usize| (0..9 * cin).map(move |i| i * cout + co);
                Packed::I16((0..cout).flat_map(of).map(|i| layer.taps[i]).collect())
            }
            Sums::I32 => Packed::I16(pack::<2, i16>(&layer, |w| w)),
        };
        Self { layer, sums, packed }
    }

    /// All of a network's layers, first to last.
    #[must_use]
    pub fn all(layers: Vec<Layer>) -> Vec<Self> {
        let last = layers.len().saturating_sub(1);
        let mut limit = None;
        let prepare = |(i, layer): (usize, Layer)| {
            let reads = limit.replace(layer.high).filter(|_| i < last);
            Self::new(layer, reads)
        };
        layers.into_iter().enumerate().map(prepare).collect()
    }

    /// The bias of output channel 0 at column `x` of row `y`.
    #[must_use]
    pub fn bias_row(&self, y: usize, x: usize) -> &[i32] {
        let (c, period) = (self.layer.cout, self.layer.period);
        let phase = period * (y & (period - 1)) + (x & (period - 1));
        &self.layer.bias[phase * c..(phase + 1) * c]
    }
}

/// Taps with `N` input channels side by side.
fn pack<const N: usize, T>(layer: &Layer, convert: impl Fn(i16) -> T) -> Vec<T> {
    let cout = layer.cout;
    let mut packed = Vec::with_capacity(layer.taps.len());
    for group in layer.taps.chunks_exact(N * cout) {
        packed.extend((0..N * cout).map(|i| convert(group[i % N * cout + i / N])));
    }
    packed
}

/// The rows above, at and below that of a convolution's output: pixels −1..=width of `cin` activations
/// each, the first and last replicated by the caller. Activations are at most the limit that the
/// layer's overflow proof assumed.
#[derive(Clone, Copy, Debug)]
pub enum Rows<'a> {
    /// For taps packed as [`Packed::I16`].
    I16([&'a [i16]; 3]),
    /// For taps packed as [`Packed::I8`].
    U8([&'a [u8]; 3]),
}

/// Where a convolution's output goes: pixels 0..width of `cout` activations each.
#[derive(Debug)]
pub enum RowMut<'a> {
    /// Of any layer.
    I16(&'a mut [i16]),
    /// Of a layer whose outputs lie in 0..=255.
    U8(&'a mut [u8]),
}

/// Row `y` of a 3×3 convolution with requantisation.
pub type ConvRow = fn(conv: &Convolution, y: usize, src: Rows<'_>, dst: RowMut<'_>);

/// The same for a last layer.
pub type ConvRowLast = fn(conv: &Convolution, y: usize, src: [&[i16]; 3], dst: &mut [i16]);

/// The kernels of one level.
#[derive(Clone, Copy)]
pub struct Kernels {
    /// For layers whose output channels are a multiple of 16.
    pub conv_row: ConvRow,
    /// For layers of 4 or 2 output channels, input channels a multiple of 16 and one bias for each
    /// channel.
    pub conv_row_last: ConvRowLast,
}

impl Kernels {
    /// The best kernels up to `level` that the CPU can run.
    #[must_use]
    pub fn new(level: CpuLevel) -> Self {
        #[allow(unused_mut)]
        let mut table = scalar::KERNELS;
        #[cfg(target_arch = "x86_64")]
        x86::fill(&mut table, level.supported());
        let _ = level;
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
    let (enough, taps) = match (src, &conv.packed) {
        (Rows::I16(src), Packed::I16(taps)) => (src.iter().all(|r| r.len() >= needed), taps.len()),
        (Rows::U8(src), Packed::I8(taps)) => (src.iter().all(|r| r.len() >= needed), taps.len()),
        _ => panic!("activations and taps of different widths"),
    };
    assert!(enough && taps == 9 * l.cin * l.cout && l.multiplier.len() == l.cout);
    assert!(l.period.is_power_of_two() && l.bias.len() == l.period * l.period * l.cout);
    width
}

#[cfg(test)]
mod tests;
