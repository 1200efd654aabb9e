//! Inner loops of the filter: one table of functions, a scalar reference and instruction-set
//! specific versions that give the same bytes.

pub mod scalar;
#[cfg(target_arch = "x86_64")]
mod x86;

use crate::cpu::CpuLevel;
use crate::network::instance::Layer;

/// A convolution prepared for the kernels.
#[derive(Clone, Debug)]
pub struct Convolution {
    /// Its integer parameters.
    pub layer: Layer,
    /// Taps as the row kernels read them: `[9][cin / 2][cout][2]`, pairs of input channels side by
    /// side; for a last layer, of 4 or 2 output channels, `[cout][9][cin]`.
    pub packed: Vec<i16>,
}

impl Convolution {
    /// Packs `layer`'s taps.
    #[must_use]
    pub fn new(layer: Layer) -> Self {
        let (cin, cout) = (layer.cin, layer.cout);
        let mut packed = Vec::with_capacity(layer.taps.len());
        if cout < 16 {
            for co in 0..cout {
                packed.extend((0..9 * cin).map(|i| layer.taps[i * cout + co]));
            }
        } else {
            for pair in 0..9 * cin / 2 {
                for co in 0..cout {
                    packed.push(layer.taps[2 * pair * cout + co]);
                    packed.push(layer.taps[(2 * pair + 1) * cout + co]);
                }
            }
        }
        Self { layer, packed }
    }

    /// The bias of output channel 0 at column `x` of row `y`.
    #[must_use]
    pub fn bias_row(&self, y: usize, x: usize) -> &[i32] {
        let (c, period) = (self.layer.cout, self.layer.period);
        let phase = period * (y & (period - 1)) + (x & (period - 1));
        &self.layer.bias[phase * c..(phase + 1) * c]
    }
}

/// One row of a 3×3 convolution with requantisation.
///
/// `src` are the rows above, at and below row `y`: pixels −1..=width of `cin` activations each, the
/// first and last replicated by the caller. `dst` gets `width` pixels of `cout` activations.
/// Activations are at most the limit that the layer's overflow proof assumed.
pub type ConvRow = fn(conv: &Convolution, y: usize, src: [&[i16]; 3], dst: &mut [i16]);

/// The kernels of one level.
#[derive(Clone, Copy)]
pub struct Kernels {
    /// For layers whose output channels are a multiple of 16.
    pub conv_row: ConvRow,
    /// For layers of 4 or 2 output channels, input channels a multiple of 16 and one bias for each
    /// channel.
    pub conv_row_last: ConvRow,
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

/// What every kernel's slices must measure; panics where they do not.
fn check_row(conv: &Convolution, src: &[&[i16]; 3], dst: &[i16]) -> usize {
    let l = &conv.layer;
    let width = dst.len() / l.cout;
    assert!(width > 0 && dst.len() == width * l.cout);
    assert!(src.iter().all(|row| row.len() >= (width + 2) * l.cin));
    assert!(conv.packed.len() == 9 * l.cin * l.cout && l.multiplier.len() == l.cout);
    assert!(l.period.is_power_of_two() && l.bias.len() == l.period * l.period * l.cout);
    width
}

#[cfg(test)]
mod tests;
