//! The search for strengths: the QPs with which the base model does best on video.

use super::measure::Measure;
use super::progress::Progress;
use crate::codec::Codec;
use crate::filter::Filter;
use crate::network::condition::MAX_QP;
use crate::network::{Model, Prepared};
use crate::picture::{PictureType, Sample};
use crate::{Error, Result};

/// Pictures of a type on which the strength is searched.
const SEARCH_PICTURES: usize = 4;
/// Strengths are searched this many QPs apart, first coarsely.
const SEARCH_STEPS: [u8; 2] = [3, 1];
/// Most moves of a search at each step size.
const SEARCH_MOVES: usize = 3;

/// What strengths are searched on.
pub(super) struct Search<'m, 'a, S> {
    pub measure: &'m Measure<'a, S>,
    pub model: &'m Model,
}

impl<S: Sample> Search<'_, '_, S> {
    /// The strengths with which the base model does best, from QPs; 0 where there are no pictures.
    /// The best so far when canceled.
    pub fn strengths(&self, qp: [u8; 3], progress: &mut Progress<'_>) -> Result<[u8; 3]> {
        let mut best = [0; 3];
        for class in PictureType::CLASSES.map(PictureType::class) {
            let pictures = 0..self.measure.pictures.len();
            let of_class: Vec<usize> =
                pictures.filter(|i| self.measure.class(*i) == class).collect();
            if of_class.is_empty() || qp[class] == 0 {
                continue;
            }
            let stride = of_class.len().div_ceil(SEARCH_PICTURES);
            let some: Vec<usize> = of_class.iter().copied().step_by(stride).collect();
            let mut at = (self.cost_at(class, qp[class], &some, progress)?, qp[class]);
            for step in SEARCH_STEPS {
                for down in [true, false] {
                    let start = at;
                    for _ in 0..SEARCH_MOVES {
                        let next = if down { at.1.saturating_sub(step) } else { at.1 + step };
                        let next = next.clamp(1, MAX_QP);
                        let cost = self.cost_at(class, next, &some, progress)?;
                        if cost >= at.0 {
                            break;
                        }
                        at = (cost, next);
                    }
                    // What falls one way rises the other.
                    if at.0 < start.0 {
                        break;
                    }
                }
            }
            best[class] = at.1;
        }
        Ok(best)
    }

    /// Mean cost of the pictures `some`, all of one class, with the base model at a strength;
    /// infinite, and soon, when canceled.
    fn cost_at(
        &self,
        class: usize,
        qp: u8,
        some: &[usize],
        progress: &mut Progress<'_>,
    ) -> Result<f64> {
        if !progress.poll(0.0) {
            return Ok(f64::INFINITY);
        }
        let Measure { pictures, distortion, level, .. } = self.measure;
        let layout = pictures[0].decoded.layout();
        let codec = Codec::Hevc { qp: [qp; 3] };
        let condition = codec.condition(layout, PictureType::CLASSES[class]);
        let prepared = Prepared::new(self.model, condition.ok_or(Error::Internal)?, None)?;
        let filter = Filter::new(&prepared, *level)?;
        let mut sum = 0.0;
        for i in some {
            let errors =
                self.measure.through(&filter, &pictures[*i], &mut || progress.poll(0.0))?;
            match errors {
                Some(errors) => sum += distortion.cost(errors),
                None => return Ok(f64::INFINITY),
            }
        }
        Ok(sum / some.len() as f64)
    }
}
