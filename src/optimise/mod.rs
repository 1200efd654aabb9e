//! Coefficients of a JPEG picture chosen for what the filter makes of them.

mod component;
mod rate;
mod search;
mod sensitivity;
mod stage;
mod transform;
mod trellis;

use crate::codec::Codec;
use crate::cpu::CpuLevel;
use crate::network::{Model, Prepared};
use crate::picture::{Layout, Picture};
use crate::{Error, Result};
use component::Grid;
use search::{Search, Weights};
use stage::{Stage, Task};

pub use stage_settings::Lab;
mod stage_settings {
    /// Lab.
    #[derive(Clone, Copy, Debug)]
    #[allow(missing_docs)]
    pub struct Lab {
        pub strength: f64,
        pub decoded: f64,
        pub rounds: usize,
        pub probes: u32,
        pub refresh: usize,
        pub blind: f64,
        pub chroma: f64,
        pub threads: usize,
    }
}

/// Rounds each component of `picture` plainly.
pub fn plain(picture: &Picture<'_>, codec: &Codec) -> Vec<Vec<[i16; 64]>> {
    let Codec::Jpeg { luma, chroma } = codec else { return Vec::new() };
    let mut all = Vec::new();
    for (p, plane) in picture.planes().iter().enumerate() {
        let quant = if p == 0 { *luma } else { chroma.unwrap_or(*luma) };
        let grid = Grid::new(plane.width(), plane.height(), quant, (1, 1));
        let mut blocks = Vec::new();
        for i in 0..grid.blocks() {
            let c = grid.transform(plane, i / grid.columns, i % grid.columns);
            blocks.push(std::array::from_fn(|k| (c[k] / f32::from(quant[k])).round() as i16));
        }
        all.push(blocks);
    }
    all
}

/// One measurement: bits, squared errors filtered and decoded of each plane.
pub type Measured = (u64, Vec<f64>, Vec<f64>);

/// Lab.
pub fn optimise(
    original: &Picture<'_>,
    blocks: &mut [Vec<[i16; 64]>],
    codec: &Codec,
    model: &Model,
    lab: &Lab,
) -> Result<Measured> {
    let Codec::Jpeg { luma, chroma } = codec else { return Err(Error::InvalidArgument) };
    let (width, height, layout) = (original.width(), original.height(), original.layout());
    let condition = codec.condition(layout, original.picture_type()).ok_or(Error::Internal)?;
    let prepared = Prepared::new(model, condition, None)?;
    let level = CpuLevel::current();
    let weights = if layout == Layout::I400 { [1.0, 0.0, 0.0] } else { [0.75, 0.125, 0.125] };
    let unit = match layout { Layout::I420 => (2, 2), Layout::I422 => (2, 1), _ => (1, 1) };
    let mut total = 0;
    for (p, b) in blocks.iter().enumerate() {
        let plane = original.planes()[p];
        let quant = if p == 0 { *luma } else { chroma.unwrap_or(*luma) };
        let grid = Grid::new(plane.width(), plane.height(), quant, if p == 0 { unit } else { (1, 1) });
        let mut counts = rate::Counts::new(); grid.count(b, &mut counts);
        total += grid.bits(b, &counts.lengths());
    }
    let lambda = lab.strength * 3.4 / std::f64::consts::LN_2 / total as f64;
    let (mut bits, mut filtered, mut decoded) = (0, Vec::new(), Vec::new());
    let mut decoded_luma: Option<component::Samples> = None;
    for (range, layers) in [(0..1, prepared.luma), (1..3, prepared.chroma)] {
        if range.start >= blocks.len() {
            break;
        }
        let planes = original.planes()[range.clone()].to_vec();
        let quant = if range.start == 0 { *luma } else { chroma.unwrap_or(*luma) };
        let grid = Grid::new(planes[0].width(), planes[0].height(), quant, if range.start == 0 { unit } else { (1, 1) });
        let task = Task { grid, originals: planes, luma: decoded_luma.as_ref(), shape: (layout, width, height), layers, threads: lab.threads, level };
        let mut stage = Stage::new(task, blocks[range.clone()].to_vec())?;
        stage.refresh(&mut || true)?;
        let unit = |e: Vec<f64>| -> Vec<f64> { e.iter().enumerate().map(|(p, e)| 10.0 / std::f64::consts::LN_10 * weights[range.start + p] / e.max(1.0)).collect() };
        let dec_units = unit(stage.squared_errors(&stage.decoded));
        let units = unit(stage.squared_errors(&stage.filtered));
        if lab.rounds > 0 {
            if lab.blind > 0.0 {
                stage.round(lambda * lab.blind, &dec_units, &mut || true)?;
            }
            let weights = Weights { units, decoded: lab.decoded, lambda: lambda * if range.start == 0 { 1.0 } else { lab.chroma } };
            let budget = if range.start == 0 { lab.rounds } else { lab.rounds / 2 };
            Search::new(&mut stage, weights)?.run(budget as u32, &mut |_| true)?;
            stage.refresh(&mut || true)?;
        }
        bits += stage.bits(&stage.lengths());
        filtered.extend(stage.squared_errors(&stage.filtered));
        decoded.extend(stage.squared_errors(&stage.decoded));
        for (out, b) in blocks[range].iter_mut().zip(&stage.blocks) {
            *out = b.clone();
        }
        let next = stage.decoded.into_iter().next();
        decoded_luma = next;
    }
    Ok((bits, filtered, decoded))
}
