//! Candidates for a payload, each with the cost of its pictures' errors and of its bytes.

use super::measure::Measure;
use super::progress::Progress;
use crate::adapt::dead_zone;
use crate::adapt::distortion::PlaneErrors;
use crate::adapt::task::Objective;
use crate::adapt::tuned::Tuned;
use crate::codec::Codec;
use crate::network::update::{LayerUpdate, Update};
use crate::network::weights::Weights;
use crate::network::{Condition, Model, Prepared};
use crate::payload::{self, Mode};
use crate::picture::{PictureType, Sample};
use crate::{Error, Result};

/// Candidates of clustering, for [`Objective::Published`]: the share of values that is kept, and
/// clusters.
const CLUSTERINGS: [(f64, usize); 9] = [
    (0.001, 2),
    (0.002, 2),
    (0.004, 2),
    (0.008, 2),
    (0.016, 4),
    (0.004, 4),
    (0.03, 4),
    (0.06, 6),
    (0.12, 8),
];

/// The base model as it is best used.
pub(super) struct Base {
    pub model: &'static Model,
    /// The codec with strengths that were searched, 0 for types of pictures that would lose.
    pub codec: Codec,
    /// Errors that the base model leaves.
    pub errors: Vec<PlaneErrors>,
}

/// A payload and how it does.
pub(super) struct Candidate {
    pub mode: Mode,
    pub payload: Vec<u8>,
    /// Errors of the pictures with what the payload asks for.
    pub errors: Vec<PlaneErrors>,
    /// Cost in dB, bytes included.
    cost: f64,
}

impl Candidate {
    /// The candidate with the higher net gain; `self` where they tie.
    pub fn better(self, other: Self) -> Self {
        if other.cost < self.cost {
            other
        } else {
            self
        }
    }
}

fn better(best: Option<Candidate>, other: Candidate) -> Option<Candidate> {
    Some(match best {
        Some(best) => best.better(other),
        None => other,
    })
}

/// What candidates are made from.
pub(super) struct Candidates<'m, 'a, S> {
    pub measure: &'m Measure<'a, S>,
    pub base: &'m Base,
    /// How updates were learnt.
    pub objective: Objective,
    /// dB that another byte buys in the codec.
    pub slope: f64,
    /// Bytes that a payload costs besides its own.
    pub carriage_bytes: u32,
    /// What the payload is bound to.
    pub binding: u64,
}

impl<S: Sample> Candidates<'_, '_, S> {
    /// The candidate that leaves pictures as they are.
    pub fn off(&self) -> Result<Candidate> {
        self.candidate(Mode::Off, &self.base.codec, &[], self.measure.unfiltered.clone())
    }

    /// The candidate that asks for the base model.
    pub fn base(&self) -> Result<Candidate> {
        self.candidate(Mode::Base, &self.base.codec, &[], self.base.errors.clone())
    }

    /// The best rounding of what was learnt: each network's by itself, as neither sees the other's
    /// result, and it may stay the base model's; `None` if none is valid. The best so far when
    /// canceled.
    pub fn best_update(
        &self,
        tuned: &Tuned,
        progress: &mut Progress<'_>,
    ) -> Result<Option<Candidate>> {
        let mut best = None;
        let none = tuned.round(f32::INFINITY, f32::INFINITY);
        // For each network the least cost, and whose rounding it is.
        let cost = |network| self.network_cost(network, &none, &self.base.errors);
        let mut least = [(cost(0)?, none.clone()), (cost(1)?, none.clone())];
        let mut tried: Vec<Update> = Vec::new();
        let count = match self.objective {
            Objective::RateDistortion => dead_zone::CANDIDATES.len(),
            Objective::Published => CLUSTERINGS.len(),
        };
        let rounded = |i: usize| match self.objective {
            Objective::RateDistortion => {
                let (zone, coefficient_zone) = dead_zone::CANDIDATES[i];
                tuned.round(zone, coefficient_zone)
            }
            Objective::Published => {
                let (share, clusters) = CLUSTERINGS[i];
                tuned.cluster(share, clusters)
            }
        };
        for i in 0..count {
            let update = rounded(i);
            // Where one network would overflow, the other one's part may be sent all the same.
            for update in [update.clone(), self.part(0, &update), self.part(1, &update)] {
                if tried.contains(&update) {
                    break;
                }
                let measured = self.update(&update, &mut |part| {
                    progress.measuring((i as f64 + part) / (count + 1) as f64)
                })?;
                tried.push(update.clone());
                if let Some((errors, candidate)) = measured {
                    best = better(best, candidate);
                    for (network, least) in least.iter_mut().enumerate() {
                        let cost = self.network_cost(network, &update, &errors)?;
                        if cost < least.0 {
                            *least = (cost, update.clone());
                        }
                    }
                    break;
                }
                if progress.canceled() {
                    break;
                }
            }
            if !progress.tell((i + 1) as f64 / (count + 1) as f64) {
                return Ok(best);
            }
        }
        let [(_, luma), (_, chroma)] = least;
        let split = self.base.model.luma.layers.len();
        let mut mixed = luma;
        mixed.layers[split..].clone_from_slice(&chroma.layers[split..]);
        if mixed != none && !tried.contains(&mixed) {
            let measured = self.update(&mixed, &mut |part| {
                progress.measuring((count as f64 + part) / (count + 1) as f64)
            })?;
            if let Some((_, candidate)) = measured {
                best = better(best, candidate);
            }
        }
        Ok(best)
    }

    /// The errors that an update leaves, and the candidate that carries it; `None` if it would
    /// overflow or is too large, or if `go_on`, as in [`Measure::filtered`], ended it.
    fn update(
        &self,
        update: &Update,
        go_on: &mut dyn FnMut(f64) -> bool,
    ) -> Result<Option<(Vec<PlaneErrors>, Candidate)>> {
        let Base { model, codec, .. } = self.base;
        // Decoders prepare for every picture.
        let prepare_all = || -> Result {
            let weights = Weights::new(model, Some(update))?;
            every_condition(codec).try_for_each(|c| {
                Prepared::with_weights(model, c, Some(update), &weights).map(drop)
            })
        };
        match prepare_all() {
            Ok(()) => {}
            Err(Error::OutOfMemory) => return Err(Error::OutOfMemory),
            Err(_) => return Ok(None),
        }
        let Some(errors) = self.measure.filtered(model, codec, Some(update), go_on)? else {
            return Ok(None);
        };
        let (codec, kept) = self.measure.without_losses(codec, errors.clone());
        let body = payload::update::encode(update, &model.prior)?;
        match self.candidate(Mode::Update, &codec, &body, kept) {
            Ok(candidate) => Ok(Some((errors, candidate))),
            Err(Error::TooLarge) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// A payload for `codec` whose update is `update` and whose pictures have these errors.
    fn candidate(
        &self,
        mode: Mode,
        codec: &Codec,
        update: &[u8],
        errors: Vec<PlaneErrors>,
    ) -> Result<Candidate> {
        // Off needs no model: docs/payload.md asks for 0.
        let id = if mode == Mode::Off { 0 } else { self.base.model.id };
        let strengths = match codec {
            Codec::Hevc { qp } if mode != Mode::Off => &qp[..],
            _ => &[],
        };
        let body = [strengths, update].concat();
        let payload = payload::build(mode, id, &body, self.binding)?;
        // A payload that asks for nothing need not be sent.
        let bytes = match mode {
            Mode::Off => 0.0,
            _ => payload.len() as f64 + f64::from(self.carriage_bytes),
        };
        let cost = self.measure.cost(&errors) + self.slope * bytes;
        Ok(Candidate { mode, payload, errors, cost })
    }

    /// An update of one network alone.
    pub fn part(&self, network: usize, update: &Update) -> Update {
        let split = self.base.model.luma.layers.len();
        let mut alone = update.clone();
        let others = if network == 0 { split..alone.layers.len() } else { 0..split };
        for layer in &mut alone.layers[others] {
            *layer = LayerUpdate::zeros(layer.scale.len());
        }
        alone
    }

    /// The part of the cost that one network's update decides, its bytes about.
    fn network_cost(&self, network: usize, update: &Update, errors: &[PlaneErrors]) -> Result<f64> {
        let alone = self.part(network, update);
        let price = payload::update::price(&alone, &self.base.model.prior)?;
        let bytes = f64::from(price) / 2048.0;
        let planes = &Model::PLANES[network];
        let terms = |e: &PlaneErrors| -> f64 {
            self.measure.distortion.terms(*e)[planes.clone()].iter().sum()
        };
        Ok(errors.iter().map(terms).sum::<f64>() / errors.len() as f64 + self.slope * bytes)
    }
}

/// Conditions of all pictures that a decoder prepares for.
pub(super) fn every_condition(codec: &Codec) -> impl Iterator<Item = Condition> + '_ {
    let kinds = Condition::LAYOUTS.into_iter().flat_map(|l| PictureType::CLASSES.map(|t| (l, t)));
    kinds.filter_map(|(layout, class)| codec.condition(layout, class))
}
