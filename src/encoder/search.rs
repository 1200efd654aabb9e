//! Candidates for a payload, measured through the integer filter and the real coder.

use super::progress::Progress;
use super::{Encoder, Pair};
use crate::adapt::finetune::{Example, Recipe, Tuned};
use crate::adapt::objective::{mse, Objective};
use crate::codec::Codec;
use crate::filter::Filter;
use crate::network::condition::MAX_QP;
use crate::network::update::{LayerUpdate, Update};
use crate::network::weights::Weights;
use crate::network::{Model, Prepared};
use crate::payload::{self, Mode};
use crate::picture::{Layout, Picture, PictureMut, PictureType, Plane, PlaneMut, Sample};
use crate::util::alloc;
use crate::{Error, Result};

/// Pictures of a type on which the strength is searched.
const SEARCH_PICTURES: usize = 4;
/// Strengths are searched this many QPs apart, first coarsely.
const SEARCH_STEPS: [u8; 2] = [3, 1];
/// Most moves of a search at each step size.
const SEARCH_MOVES: usize = 3;

/// Candidates of rounding: dead zones of scales and biases, and of coefficients. From all changes to the large
/// ones only.
const ROUNDINGS: [(f32, f32); 7] = [
    (0.65, 1.0),
    (0.65, f32::INFINITY),
    (0.65, 1.15),
    (0.5, 1.0),
    (0.65, 1.35),
    (0.8, 1.35),
    (0.5, f32::INFINITY),
];
/// The same for [`Recipe::Published`]: the share that is kept, and clusters.
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

/// Conditions of all pictures that a decoder prepares for.
fn every_condition(codec: &Codec) -> impl Iterator<Item = crate::Condition> + '_ {
    let kinds = Layout::ALL.into_iter().flat_map(|l| PictureType::CLASSES.map(|t| (l, t)));
    kinds.filter_map(|(layout, class)| codec.condition(layout, class))
}

/// A payload and how it does.
pub(super) struct Candidate {
    pub mode: Mode,
    pub payload: Vec<u8>,
    /// Mean squared error of each picture's planes.
    pub errors: Vec<[f64; 3]>,
    /// In dB, bytes included.
    cost: f64,
}

impl Candidate {
    /// The one with the higher net gain; `self` where they tie.
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

/// What candidates are measured on.
pub(super) struct Search<'a, S> {
    pub encoder: &'a Encoder,
    pub pictures: &'a [Pair<'a, S>],
    pub model: &'static Model,
    pub objective: Objective,
    /// dB that another byte buys in the codec.
    pub slope: f64,
    /// Bytes that a payload costs besides its own.
    pub carriage_bytes: u32,
    pub binding: u64,
}

impl<'a, S: Sample> Search<'a, S> {
    /// Mean cost of the pictures, in dB.
    pub fn cost(&self, errors: &[[f64; 3]]) -> f64 {
        errors.iter().map(|e| self.objective.cost(e)).sum::<f64>() / errors.len() as f64
    }

    /// A payload for `codec` whose update is `update` and whose pictures have these errors.
    pub fn candidate(
        &self,
        mode: Mode,
        codec: &Codec,
        update: &[u8],
        errors: Vec<[f64; 3]>,
    ) -> Result<Candidate> {
        // Off needs no model: docs/payload.md asks for 0.
        let id = if mode == Mode::Off { 0 } else { self.model.id };
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
        let cost = self.cost(&errors) + self.slope * bytes;
        Ok(Candidate { mode, payload, errors, cost })
    }

    /// The best rounding of what was learnt: each network's by itself, as neither sees the other's
    /// result, and it may stay the base model's; `None` if none is valid. The best so far when canceled.
    pub fn best_update(
        &self,
        tuned: &Tuned<'_>,
        codec: &Codec,
        [plain, base]: [&[[f64; 3]]; 2],
        progress: &mut Progress<'_>,
    ) -> Result<Option<Candidate>> {
        let mut best = None;
        let none = tuned.round(f32::INFINITY, f32::INFINITY);
        // For each network the least cost, and whose rounding it is.
        let cost = |network| self.network_cost(network, &none, base);
        let mut least = [(cost(0)?, none.clone()), (cost(1)?, none.clone())];
        let mut tried: Vec<Update> = Vec::new();
        let count = match self.encoder.settings.recipe {
            Recipe::RateAware => ROUNDINGS.len(),
            Recipe::Published => CLUSTERINGS.len(),
        };
        for i in 0..count {
            let update = match self.encoder.settings.recipe {
                Recipe::RateAware => tuned.round(ROUNDINGS[i].0, ROUNDINGS[i].1),
                Recipe::Published => tuned.cluster(CLUSTERINGS[i].0, CLUSTERINGS[i].1),
            };
            // Where one network would overflow, the other one's part may be sent all the same.
            for update in [update.clone(), self.part(0, &update), self.part(1, &update)] {
                if tried.contains(&update) {
                    break;
                }
                let measured = self.measured(&update, codec, plain, &mut |part| {
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
        let split = self.model.luma.layers.len();
        let mut mixed = luma;
        mixed.layers[split..].clone_from_slice(&chroma.layers[split..]);
        if mixed != none && !tried.contains(&mixed) {
            let measured = self.measured(&mixed, codec, plain, &mut |part| {
                progress.measuring((count as f64 + part) / (count + 1) as f64)
            })?;
            if let Some((_, candidate)) = measured {
                best = better(best, candidate);
            }
        }
        Ok(best)
    }

    /// The errors that an update leaves, and the payload that carries it; `None` if it would overflow or
    /// is too large, or if `go_on`, as in [`Search::filtered`], ended it. Decoders prepare for every picture.
    fn measured(
        &self,
        update: &Update,
        codec: &Codec,
        plain: &[[f64; 3]],
        go_on: &mut dyn FnMut(f64) -> bool,
    ) -> Result<Option<(Vec<[f64; 3]>, Candidate)>> {
        let Ok(weights) = Weights::new(self.model, Some(update)) else { return Ok(None) };
        let valid = every_condition(codec)
            .all(|c| Prepared::with_weights(self.model, c, Some(update), &weights).is_ok());
        if !valid {
            return Ok(None);
        }
        let Some(errors) = self.filtered(codec, Some(update), plain, go_on)? else {
            return Ok(None);
        };
        let (codec, kept) = self.without_losses(codec, errors.clone(), plain);
        let body = payload::update::encode(update, &self.model.prior)?;
        match self.candidate(Mode::Update, &codec, &body, kept) {
            Ok(candidate) => Ok(Some((errors, candidate))),
            Err(Error::TooLarge) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// An update of one network alone.
    fn part(&self, network: usize, update: &Update) -> Update {
        let split = self.model.luma.layers.len();
        let mut alone = update.clone();
        let others = if network == 0 { split..alone.layers.len() } else { 0..split };
        for layer in &mut alone.layers[others] {
            *layer = LayerUpdate::zeros(layer.scale.len());
        }
        alone
    }

    /// The part of the cost that one network's update decides, its bytes about.
    fn network_cost(&self, network: usize, update: &Update, errors: &[[f64; 3]]) -> Result<f64> {
        let alone = self.part(network, update);
        let bytes = f64::from(payload::update::price(&alone, &self.model.prior)?) / 2048.0;
        let planes = &Model::PLANES[network];
        let terms =
            errors.iter().map(|e| self.objective.terms(e)[planes.clone()].iter().sum::<f64>());
        Ok(terms.sum::<f64>() / errors.len() as f64 + self.slope * bytes)
    }

    /// Mean squared error of each decoded picture's planes; when canceled, of the first ones.
    pub fn unfiltered(&self, progress: &mut Progress<'_>) -> Vec<[f64; 3]> {
        let error = |(i, p): (usize, &Pair<'_, S>)| {
            (i == 0 || progress.measuring(0.0)).then(|| mse(&p.original, &p.decoded))
        };
        self.pictures.iter().enumerate().map_while(error).collect()
    }

    /// The same after filtering; as in `plain` for pictures that are left as they are. `go_on` gets the part of
    /// the pictures that are done and returns whether to go on; `None` if not.
    pub fn filtered(
        &self,
        codec: &Codec,
        update: Option<&Update>,
        plain: &[[f64; 3]],
        go_on: &mut dyn FnMut(f64) -> bool,
    ) -> Result<Option<Vec<[f64; 3]>>> {
        let weights = Weights::new(self.model, update)?;
        let mut filters = [None, None, None];
        let mut all = Vec::with_capacity(plain.len());
        for (pair, plain) in self.pictures.iter().zip(plain) {
            let class = pair.decoded.picture_type().class();
            let Some(condition) =
                codec.condition(pair.decoded.layout(), PictureType::CLASSES[class])
            else {
                all.push(*plain);
                continue;
            };
            if filters[class].is_none() {
                let prepared = Prepared::with_weights(self.model, condition, update, &weights)?;
                filters[class] = Some(Filter::new(prepared, self.encoder.level));
            }
            let filter = filters[class].as_ref().ok_or(Error::Internal)?;
            let done = all.len() as f64 / self.pictures.len() as f64;
            match self.filtered_mse(filter, pair, &mut || go_on(done))? {
                Some(errors) => all.push(errors),
                None => return Ok(None),
            }
        }
        Ok(Some(all))
    }

    /// Pictures that are filtered, to learn from.
    pub fn examples(&self, codec: &Codec, base: &[[f64; 3]]) -> Result<Vec<Example<'a, S>>> {
        let example = |(pair, base_mse): (&Pair<'a, S>, &[f64; 3])| {
            let Pair { original, decoded } = *pair;
            let condition = codec.condition(decoded.layout(), decoded.picture_type())?;
            Some(Example { original, decoded, condition, base_mse: *base_mse })
        };
        let examples = self.pictures.iter().zip(base).filter_map(example);
        alloc::try_collect(self.pictures.len(), examples)
    }

    /// The strengths with which the base model does best, from QPs; 0 where there are no pictures. The best so
    /// far when canceled.
    pub fn strengths(&self, qp: [u8; 3], progress: &mut Progress<'_>) -> Result<[u8; 3]> {
        let mut best = [0; 3];
        for class in PictureType::CLASSES.map(PictureType::class) {
            let of_class: Vec<usize> = (0..self.pictures.len())
                .filter(|i| self.pictures[*i].decoded.picture_type().class() == class)
                .collect();
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

    /// Mean cost of the pictures `some`, all of one class, with the base model at a strength; infinite, and
    /// soon, when canceled.
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
        let layout = self.pictures[0].decoded.layout();
        let codec = Codec::Hevc { qp: [qp; 3] };
        let condition = codec.condition(layout, PictureType::CLASSES[class]);
        let prepared = Prepared::new(self.model, condition.ok_or(Error::Internal)?, None)?;
        let filter = Filter::new(prepared, self.encoder.level);
        let mut sum = 0.0;
        for i in some {
            match self.filtered_mse(&filter, &self.pictures[*i], &mut || progress.poll(0.0))? {
                Some(errors) => sum += self.objective.cost(&errors),
                None => return Ok(f64::INFINITY),
            }
        }
        Ok(sum / some.len() as f64)
    }

    /// Mean squared error of each plane that the integer filter makes of a decoded picture; `None` if `go_on`
    /// ended it.
    fn filtered_mse(
        &self,
        filter: &Filter,
        pair: &Pair<'_, S>,
        go_on: &mut dyn FnMut() -> bool,
    ) -> Result<Option<[f64; 3]>> {
        if !go_on() {
            return Ok(None);
        }
        let decoded = &pair.decoded;
        let (layout, depth) = (decoded.layout(), decoded.bit_depth());
        let size = |p: usize| layout.plane_size(p, decoded.width(), decoded.height());
        let mut buffers = [Vec::new(), Vec::new(), Vec::new()];
        for (p, samples) in buffers.iter_mut().enumerate().take(layout.planes()) {
            let (width, height) = size(p);
            *samples = alloc::try_filled(width * height, S::new(0))?;
        }
        let mut target = [PlaneMut::EMPTY; 3];
        for (p, (plane, samples)) in target.iter_mut().zip(&mut buffers).enumerate() {
            if p < layout.planes() {
                let (width, height) = size(p);
                *plane = PlaneMut::new(samples, width * size_of::<S>(), width, height)?;
            }
        }
        let (target, threads) =
            (PictureMut::with_depth(layout, depth, target)?, self.encoder.settings.threads);
        if !filter.picture_while(decoded, target, threads, go_on)? {
            return Ok(None);
        }
        let planes = buffers.iter().take(layout.planes()).enumerate().map(|(p, samples)| {
            let (width, height) = size(p);
            Plane::new(samples, width * size_of::<S>(), width, height)
        });
        let planes = planes.collect::<Result<Vec<_>>>()?;
        Ok(Some(mse(&pair.original, &Picture::with_depth(layout, depth, &planes)?)))
    }

    /// Leaves the classes of pictures as they are whose mean is not better than unfiltered.
    pub fn without_losses(
        &self,
        codec: &Codec,
        mut errors: Vec<[f64; 3]>,
        plain: &[[f64; 3]],
    ) -> (Codec, Vec<[f64; 3]>) {
        let mut codec = codec.clone();
        if let Codec::Hevc { qp } = &mut codec {
            let class = |i: usize| self.pictures[i].decoded.picture_type().class();
            for (c, qp) in qp.iter_mut().enumerate() {
                let members = || (0..errors.len()).filter(|i| class(*i) == c);
                let change: f64 = members()
                    .map(|i| self.objective.cost(&errors[i]) - self.objective.cost(&plain[i]))
                    .sum();
                if change >= 0.0 {
                    *qp = 0;
                    members().collect::<Vec<_>>().into_iter().for_each(|i| errors[i] = plain[i]);
                }
            }
        }
        (codec, errors)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::encoder::EncoderSettings;
    use crate::models::{default_for, ModelSize};
    use crate::network::CodecKind;

    const SIDE: usize = 48;
    const CODEC: Codec = Codec::Jpeg { luma: [20; 64], chroma: Some([30; 64]) };

    /// A picture's planes in 4:2:0 with levels `step` apart.
    fn planes(step: usize) -> [Vec<u8>; 3] {
        let plane = |len: usize| -> Vec<u8> {
            (0..len).map(|i| ((i * 7 + i / SIDE * 3) % 200 / step * step) as u8).collect()
        };
        [SIDE * SIDE, SIDE * SIDE / 4, SIDE * SIDE / 4].map(plane)
    }

    fn view(planes: &[Vec<u8>; 3]) -> Picture<'_> {
        let side = |p: usize| if p == 0 { SIDE } else { SIDE / 2 };
        let plane = |p: usize| Plane::new(&planes[p], side(p), side(p), side(p)).unwrap();
        Picture::new(Layout::I420, &[plane(0), plane(1), plane(2)]).unwrap()
    }

    /// What `check` says of a search on one picture that lost some of its levels.
    fn with_search(check: impl FnOnce(&Search<'_, u8>)) {
        let data = [1, 8].map(planes);
        let settings = EncoderSettings { threads: 1, ..Default::default() };
        check(&Search {
            encoder: &Encoder::new(settings).unwrap(),
            pictures: &[Pair { original: view(&data[0]), decoded: view(&data[1]) }],
            model: default_for(CodecKind::Jpeg, ModelSize::Medium).unwrap(),
            objective: Objective::new(true),
            slope: 0.0,
            carriage_bytes: 0,
            binding: 1,
        });
    }

    /// The host is asked at every row, and what is being measured ends with its no.
    #[test]
    fn measuring_can_be_ended() {
        with_search(|search| {
            for limit in [1, 2, 20, usize::MAX] {
                let mut calls = 0;
                let mut callback = |_| {
                    calls += 1;
                    calls < limit
                };
                let mut progress = Progress::strict(&mut callback);
                let plain = search.unfiltered(&mut progress);
                let base =
                    search.filtered(&CODEC, None, &plain, &mut |part| progress.measuring(part));
                assert_eq!(base.unwrap().is_none(), limit < usize::MAX);
                if limit < usize::MAX {
                    assert_eq!(search.strengths([30, 31, 32], &mut progress).unwrap(), [30, 0, 0]);
                    let conditions: Vec<_> = every_condition(&CODEC).collect();
                    let tuned = Tuned::with_coefficients(search.model, &conditions, 6, |_, i| {
                        (i % 3) as f32
                    });
                    let nothing =
                        search.best_update(&tuned, &CODEC, [&plain, &plain], &mut progress);
                    assert!(nothing.unwrap().is_none());
                }
                // Half-resolution rows and those at their ends, of luma and of chroma.
                assert!(calls == limit || (limit == usize::MAX && calls > SIDE), "{calls}");
            }
        });
    }

    /// Where luma's update would overflow, chroma's is sent all the same; and the other way round.
    #[test]
    fn a_network_that_overflows_takes_nothing_from_the_other() {
        with_search(|search| {
            let mut callback = |_| true;
            let mut progress = Progress::new(&mut callback);
            let plain = search.unfiltered(&mut progress);
            let base = search.filtered(&CODEC, None, &plain, &mut |_| true).unwrap().unwrap();
            let split = search.model.luma.layers.len();
            let last = [split - 1, search.model.shapes().len() - 1];
            let conditions: Vec<_> = every_condition(&CODEC).collect();
            let zeros = search.model.shapes().iter().map(|s| LayerUpdate::zeros(s.1)).collect();
            let none = Update { step: 11, layers: zeros };
            for over in [0, 1] {
                let mut gained = 0;
                for (place, small) in (0..8).flat_map(|place| [(place, 1.0), (place, -1.0)]) {
                    // Too large in that network, small in the other one.
                    let tuned =
                        Tuned::with_coefficients(search.model, &conditions, 11, |layer, i| {
                            if layer == last[over] && i % 37 == 0 {
                                200.0
                            } else if layer == last[1 - over] && i == place {
                                small
                            } else {
                                0.0
                            }
                        });
                    let all = tuned.round(0.5, 1.0);
                    assert!(conditions
                        .iter()
                        .any(|c| Prepared::new(search.model, *c, Some(&all)).is_err()));
                    let best = search.best_update(&tuned, &CODEC, [&plain, &base], &mut progress);
                    let best = best.unwrap().expect("one that changes nothing, at the least");
                    let header = payload::parse(&best.payload).unwrap();
                    let (_, body) = header.parts(false).unwrap();
                    let sent = payload::update::read(body, &search.model.prior).unwrap();
                    assert!(sent == none || sent == search.part(1 - over, &all), "{over} {place}");
                    gained += usize::from(sent != none);
                }
                assert!(gained > 0, "{over}: no change was of any use");
            }
        });
    }
}
