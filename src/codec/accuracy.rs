//! Whether decoded planes are those that models and payloads are made for.

use super::transform::{inverse, BLOCK};
use crate::carriage::jpeg::{self, Sink, ZIGZAG};
use crate::picture::{Picture, Plane};
use crate::util::alloc;
use crate::{Error, Result};

/// Blocks that are looked at in each plane, at most.
const BLOCKS: usize = 256;

/// The coefficients of every `step`th block of a plane.
struct Sample {
    step: usize,
    blocks: Vec<[i32; BLOCK]>,
}

/// Keeps the sampled blocks of a picture.
struct Samples {
    present: [i32; BLOCK],
    planes: Vec<Sample>,
}

impl Sink for Samples {
    fn add(&mut self, at: usize, value: i32) {
        self.present[ZIGZAG[at]] += value;
    }

    fn end_block(&mut self, block: Option<(usize, usize)>) {
        let present = std::mem::replace(&mut self.present, [0; BLOCK]);
        let Some((component, index)) = block else { return };
        let Some(plane) = self.planes.get_mut(component) else { return };
        if index % plane.step == 0 {
            if let Some(kept) = plane.blocks.get_mut(index / plane.step) {
                kept.iter_mut().zip(present).for_each(|(kept, new)| *kept += new);
            }
        }
    }
}

/// The largest difference, in levels, between a JPEG file's decoded planes and what libjpeg's
/// accurate integer transform ("islow") makes of the file, on some 256 blocks of each plane.
///
/// # Errors
/// [`Error::InvalidArgument`] if the planes are not of the file's sizes; those of
/// [`jpeg::info`]; [`Error::Corrupt`] also if the file's coefficients can't be told from it.
pub fn check_planes(file: &[u8], decoded: &Picture<'_>) -> Result<u8> {
    let mut planes = alloc::try_with_capacity(3)?;
    for plane in decoded.planes() {
        let count = plane.width().div_ceil(8) * plane.height().div_ceil(8);
        let step = count.div_ceil(BLOCKS);
        planes.push(Sample { step, blocks: alloc::try_filled(count.div_ceil(step), [0; BLOCK])? });
    }
    let mut samples = Samples { present: [0; BLOCK], planes };
    let (frame, _, is_whole) = jpeg::read(file, &mut samples)?;
    if !is_whole {
        return Err(Error::Corrupt);
    }
    let sizes = decoded.planes().iter().map(|plane| (plane.width(), plane.height()));
    let fits = frame.components.iter().map(|component| frame.size(component)).eq(sizes);
    if !fits {
        return Err(Error::InvalidArgument);
    }
    let mut most = 0;
    for ((component, plane), sample) in
        frame.components.iter().zip(decoded.planes()).zip(&samples.planes)
    {
        let quant = component.quant.ok_or(Error::Corrupt)?;
        for (i, block) in sample.blocks.iter().enumerate() {
            let dequantised = std::array::from_fn(|k| block[k].saturating_mul(i32::from(quant[k])));
            most = most.max(block_difference(&inverse(&dequantised), plane, i * sample.step));
        }
    }
    Ok(most)
}

/// The largest difference of a block's samples inside the picture.
fn block_difference(expected: &[[u8; 8]; 8], plane: &Plane<'_>, index: usize) -> u8 {
    let columns = plane.width().div_ceil(8);
    let (x, y) = (index % columns * 8, index / columns * 8);
    let mut most = 0;
    for (row, expected) in (y..plane.height()).zip(expected) {
        for (sample, expected) in plane.row(row)[x..].iter().zip(expected) {
            most = most.max(sample.abs_diff(*expected));
        }
    }
    most
}
