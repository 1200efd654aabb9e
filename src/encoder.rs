//! The encoder: fine-tunes on pictures, prices what it found and chooses.

use crate::adapt::finetune::{fine_tune, Example, Task};
use crate::adapt::math::psnr;
use crate::adapt::objective::{mse, Objective};
use crate::cpu::CpuLevel;
use crate::decoder::logical_cores;
use crate::filter::Filter;
use crate::hints::{Codec, Hints};
use crate::models::{self, Size};
use crate::network::condition::MAX_QP;
use crate::network::{Instance, Model};
use crate::payload::{self, Mode, Update};
use crate::picture::{Layout, Picture, PictureMut, PictureType, Plane, PlaneMut, Sample};
use crate::{memory, Error, Result};
use std::time::Duration;

/// Settings of an [`Encoder`].
#[derive(Clone, Copy, Debug)]
pub struct EncoderSettings {
    /// The most that may be sent.
    pub mode: Mode,
    /// Threads, at least 1; the payload does not depend on it.
    pub threads: usize,
    /// What training may cost: 1, least, to [`MAX_EFFORT`]; docs/adaptation.md has what each gains.
    pub effort: u8,
    /// Training steps; `None` for a number chosen by effort and the pictures' size.
    pub steps: Option<u32>,
    /// Time that training may take; the payload then depends on the machine's speed.
    pub budget: Option<Duration>,
    /// Of the base model, where there is one of that size.
    pub size: Size,
}

impl Default for EncoderSettings {
    fn default() -> Self {
        Self {
            mode: Mode::Update,
            threads: logical_cores(),
            effort: DEFAULT_EFFORT,
            steps: None,
            budget: None,
            size: Size::default(),
        }
    }
}

/// What the codec's bytes buy.
#[derive(Clone, Copy, Debug, Default)]
pub struct Rate {
    /// Bytes of the coded picture, of all pictures together; 0 if unknown.
    pub coded_bytes: u64,
    /// PSNR that another byte buys, in dB: PSNR-YUV 6:1:1 for colour pictures (that of luma is nearly
    /// the same), luma's for gray ones; 0 to estimate it from `coded_bytes`.
    pub slope_db_per_byte: f64,
    /// Bytes that carrying a payload costs besides the payload.
    pub carriage_bytes: u32,
}

impl Rate {
    /// dB per byte. JPEG's PSNR rises by about 3.4 dB when the rate doubles, so without a measured
    /// slope it is 3.4 / ln 2 / bytes; without bytes, one bit for each sample is assumed.
    fn slope(&self, samples: usize) -> Result<f64> {
        let s = self.slope_db_per_byte;
        if !s.is_finite() || s < 0.0 {
            return Err(Error::InvalidArgument);
        }
        if s > 0.0 {
            return Ok(s);
        }
        let bytes =
            if self.coded_bytes > 0 { self.coded_bytes as f64 } else { samples as f64 / 8.0 };
        Ok(3.4 / std::f64::consts::LN_2 / bytes.max(1.0))
    }
}

/// What an encode measured, through the integer filter that the decoder runs; PSNR in dB, infinite
/// where planes are equal; of several pictures the mean of their PSNRs.
#[derive(Clone, Copy, Debug)]
pub struct Report {
    /// What the payload asks for.
    pub mode: Mode,
    /// Luma of the decoded picture.
    pub psnr_decoded: f64,
    /// Luma with the base model.
    pub psnr_base: f64,
    /// Luma with what the payload asks for.
    pub psnr_payload: f64,
    /// Cb and Cr of the decoded picture; 0 for gray ones.
    pub psnr_chroma_decoded: [f64; 2],
    /// Cb and Cr with the base model.
    pub psnr_chroma_base: [f64; 2],
    /// Cb and Cr with what the payload asks for.
    pub psnr_chroma_payload: [f64; 2],
    /// Slope that the choice was made with.
    pub slope_db_per_byte: f64,
    /// Training steps that were run.
    pub steps: u32,
}

/// A payload and how it does.
#[derive(Clone, Debug)]
pub struct Encoded {
    /// The payload's bytes.
    pub payload: Vec<u8>,
    /// What was measured.
    pub report: Report,
}

/// A picture and what the codec made of it.
#[derive(Clone, Copy, Debug)]
pub struct Pair<'a, S = u8> {
    /// Before coding.
    pub original: Picture<'a, S>,
    /// As decoded; the same shape. Its type counts.
    pub decoded: Picture<'a, S>,
}

/// Highest effort.
pub const MAX_EFFORT: u8 = EFFORTS.len() as u8;
/// Effort of the default settings.
pub const DEFAULT_EFFORT: u8 = 5;
/// Training steps, and tiles in each of them, from effort 1 on.
const EFFORTS: [(u32, usize); 9] =
    [(40, 2), (80, 2), (150, 2), (200, 2), (300, 2), (500, 2), (900, 2), (1500, 3), (3000, 4)];

/// Most pictures that may share a payload.
pub const MAX_PICTURES: usize = 4096;
/// Pictures of a type on which the strength is searched.
const SEARCH_PICTURES: usize = 4;
/// Strengths are searched this many QPs apart, first coarsely.
const SEARCH_STEPS: [u8; 2] = [3, 1];
/// Most moves of a search at each step size.
const SEARCH_MOVES: usize = 3;

/// Magnitudes below these become 0: candidates of rounding, from all significant values to the
/// large ones only.
const DEAD_ZONES: [f32; 4] = [0.65, 0.5, 0.8, 1.0];
/// Training's share of an encode's progress.
const TRAINING: f64 = 0.9;

/// Makes payloads.
pub struct Encoder {
    settings: EncoderSettings,
    level: CpuLevel,
}

impl Encoder {
    /// An encoder.
    ///
    /// # Errors
    /// [`Error::InvalidArgument`] for 0 threads, an effort out of range or more than 100,000 steps.
    pub fn new(settings: EncoderSettings) -> Result<Self> {
        let effort_ok = (1..=MAX_EFFORT).contains(&settings.effort);
        if settings.threads == 0 || !effort_ok || settings.steps.is_some_and(|s| s > 100_000) {
            return Err(Error::InvalidArgument);
        }
        Ok(Self { settings, level: CpuLevel::current() })
    }

    /// The payload of one picture, or of several that share it: off, the base model or an update,
    /// whichever has the best net gain at the codec's slope.
    ///
    /// For video the strengths that the payload sets for each picture type are searched from the
    /// hints' QPs; a type that would not gain over these pictures, or that none of them has, is
    /// left as it is.
    ///
    /// `progress` gets the fraction done and returns whether to go on; otherwise the best so far is
    /// returned.
    ///
    /// # Errors
    /// [`Error::InvalidArgument`] if there are no pictures or more than [`MAX_PICTURES`], if their
    /// shapes differ, or if the hints or the rate are out of range.
    pub fn encode<S: Sample>(
        &self,
        pictures: &[Pair<'_, S>],
        hints: &Hints,
        rate: Rate,
        progress: &mut dyn FnMut(f64) -> bool,
    ) -> Result<Encoded> {
        let first = pictures.first().ok_or(Error::InvalidArgument)?;
        let shape = &first.decoded;
        let alike = |p: &Pair<'_, S>| p.original.same_shape(shape) && p.decoded.same_shape(shape);
        if pictures.len() > MAX_PICTURES || !pictures.iter().all(alike) {
            return Err(Error::InvalidArgument);
        }
        hints.codec.check()?;
        let slope = rate.slope(shape.width() * shape.height() * pictures.len())?;
        let model = models::default_for(hints.codec.kind(), self.settings.size)?;
        let objective = Objective::new(model.chroma.is_some() && shape.layout() != Layout::I400);
        let search = Search { encoder: self, pictures, model, objective };

        let plain = search.unfiltered();
        let codec = match &hints.codec {
            Codec::Jpeg { .. } => hints.codec.clone(),
            Codec::Hevc { qp } => Codec::Hevc { qp: search.strengths(*qp)? },
        };
        let base = search.filtered(&codec, None, &plain)?;
        let (codec, base) = search.without_losses(&codec, base, &plain);
        let of = |mode, codec: &Codec, update: &[u8], errors: Vec<[f64; 3]>| -> Result<Candidate> {
            // Off needs no model: docs/payload.md asks for 0.
            let id = if mode == Mode::Off { 0 } else { model.id };
            let strengths = match codec {
                Codec::Hevc { qp } if mode != Mode::Off => &qp[..],
                _ => &[],
            };
            let body = [strengths, update].concat();
            let payload = payload::build(mode, id, &body, hints.binding)?;
            // A payload that asks for nothing need not be sent.
            let bytes = match mode {
                Mode::Off => 0.0,
                _ => payload.len() as f64 + f64::from(rate.carriage_bytes),
            };
            let cost = search.cost(&errors) + slope * bytes;
            Ok(Candidate { mode, payload, errors, cost })
        };
        let mut best = of(Mode::Off, &codec, &[], plain.clone())?;
        if self.settings.mode != Mode::Off {
            best = best.better(of(Mode::Base, &codec, &[], base.clone())?);
        }
        let mut steps = 0;
        let examples = search.examples(&codec, &base)?;
        // With no error left there is nothing to gain.
        let left = examples.iter().any(|e| objective.cost(&e.base_mse) > objective.cost(&[0.0; 3]));
        if self.settings.mode == Mode::Update && left {
            let (default_steps, tiles) = self.effort(pictures);
            let task = Task {
                examples: &examples,
                model,
                objective,
                db_per_bit: slope / 8.0 * pictures.len() as f64 / examples.len() as f64,
                steps: self.settings.steps.unwrap_or(default_steps),
                taps: std::env::var("NOTAPS").is_err(),
                tiles,
                budget: self.settings.budget,
                threads: self.settings.threads,
                level: self.level,
            };
            let mut go_on = true;
            let tuned = fine_tune(&task, &mut |fraction| {
                go_on = go_on && progress(TRAINING * fraction);
                go_on
            })?;
            steps = tuned.steps;
            let mut tried = Vec::new();
            let zones: Vec<(f32, f32)> = if task.taps {
                vec![(0.65, 1.0), (0.5, 1.0), (0.65, 1.25), (0.65, 1.5), (0.65, 300.0)]
            } else {
                DEAD_ZONES.map(|z| (z, 300.0)).to_vec()
            };
            for (i, (dead_zone, tap_zone)) in zones.into_iter().enumerate() {
                let update = tuned.round(dead_zone, tap_zone);
                let body = payload::update::encode(&update, &model.coding)?;
                if tried.contains(&body) {
                    continue;
                }
                // An update that would overflow is no candidate. Decoders prepare for every picture.
                let valid = every_condition(&codec)
                    .all(|condition| Instance::new(model, condition, Some(&update)).is_ok());
                if valid {
                    let errors = search.filtered(&codec, Some(&update), &plain)?;
                    let (codec, errors) = search.without_losses(&codec, errors, &plain);
                    best = best.better(of(Mode::Update, &codec, &body, errors)?);
                }
                tried.push(body);
                // Who cancels gets the best so far soon: one rounding is measured, no more.
                let measured = (i + 1) as f64 / DEAD_ZONES.len() as f64;
                if !go_on || !progress(TRAINING + (1.0 - TRAINING) * measured) {
                    break;
                }
            }
        }
        let gray = shape.layout() == Layout::I400;
        let mean = |errors: &[[f64; 3]], p: usize| -> f64 {
            let depth = shape.bit_depth();
            errors.iter().map(|e| psnr(e[p], depth)).sum::<f64>() / errors.len() as f64
        };
        let chroma = |errors: &[[f64; 3]]| [1, 2].map(|p| if gray { 0.0 } else { mean(errors, p) });
        let report = Report {
            mode: best.mode,
            psnr_decoded: mean(&plain, 0),
            psnr_base: mean(&base, 0),
            psnr_payload: mean(&best.errors, 0),
            psnr_chroma_decoded: chroma(&plain),
            psnr_chroma_base: chroma(&base),
            psnr_chroma_payload: chroma(&best.errors),
            slope_db_per_byte: slope,
            steps,
        };
        Ok(Encoded { payload: best.payload, report })
    }

    /// Training steps, and tiles in each of them. More samples than those of 768×512 ask for more
    /// steps, as there is more to be seen and more to be gained.
    fn effort<S: Sample>(&self, pictures: &[Pair<'_, S>]) -> (u32, usize) {
        let (steps, tiles) = EFFORTS[usize::from(self.settings.effort) - 1];
        let shape = &pictures[0].decoded;
        let samples = shape.width() * shape.height() * pictures.len();
        let growth = (samples as f64 / (768.0 * 512.0)).sqrt().clamp(1.0, 3.0);
        ((f64::from(steps) * growth) as u32, tiles)
    }
}

/// Conditions of all pictures that a decoder prepares for.
fn every_condition(codec: &Codec) -> impl Iterator<Item = crate::Condition> + '_ {
    let kinds = Layout::ALL.into_iter().flat_map(|l| PictureType::CLASSES.map(|t| (l, t)));
    kinds.filter_map(|(layout, class)| codec.condition(layout, class))
}

struct Candidate {
    mode: Mode,
    payload: Vec<u8>,
    /// Mean squared error of each picture's planes.
    errors: Vec<[f64; 3]>,
    /// In dB, bytes included.
    cost: f64,
}

impl Candidate {
    /// The one with the higher net gain; `self` where they tie.
    fn better(self, other: Self) -> Self {
        if other.cost < self.cost {
            other
        } else {
            self
        }
    }
}

/// What candidates are measured on.
struct Search<'a, S> {
    encoder: &'a Encoder,
    pictures: &'a [Pair<'a, S>],
    model: &'static Model,
    objective: Objective,
}

impl<'a, S: Sample> Search<'a, S> {
    /// Mean cost of the pictures, in dB.
    fn cost(&self, errors: &[[f64; 3]]) -> f64 {
        errors.iter().map(|e| self.objective.cost(e)).sum::<f64>() / errors.len() as f64
    }

    /// Mean squared error of each decoded picture's planes.
    fn unfiltered(&self) -> Vec<[f64; 3]> {
        self.pictures.iter().map(|p| mse(&p.original, &p.decoded)).collect()
    }

    /// The same after filtering; as in `plain` for pictures that are left as they are.
    fn filtered(
        &self,
        codec: &Codec,
        update: Option<&Update>,
        plain: &[[f64; 3]],
    ) -> Result<Vec<[f64; 3]>> {
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
                let instance = Instance::new(self.model, condition, update)?;
                filters[class] = Some(Filter::new(instance, self.encoder.level));
            }
            let filter = filters[class].as_ref().ok_or(Error::Internal)?;
            all.push(filtered_mse(filter, self.encoder.settings.threads, pair)?);
        }
        Ok(all)
    }

    /// Pictures that are filtered, to learn from.
    fn examples(&self, codec: &Codec, base: &[[f64; 3]]) -> Result<Vec<Example<'a, S>>> {
        let example = |(pair, base_mse): (&Pair<'a, S>, &[f64; 3])| {
            let Pair { original, decoded } = *pair;
            let condition = codec.condition(decoded.layout(), decoded.picture_type())?;
            Some(Example { original, decoded, condition, base_mse: *base_mse })
        };
        let examples = self.pictures.iter().zip(base).filter_map(example);
        memory::collected(self.pictures.len(), examples)
    }

    /// The strengths with which the base model does best, from QPs; 0 where there are no pictures.
    fn strengths(&self, qp: [u8; 3]) -> Result<[u8; 3]> {
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
            let mut at = (self.cost_at(class, qp[class], &some)?, qp[class]);
            for step in SEARCH_STEPS {
                for down in [true, false] {
                    let start = at;
                    for _ in 0..SEARCH_MOVES {
                        let next = if down { at.1.saturating_sub(step) } else { at.1 + step };
                        let next = next.clamp(1, MAX_QP);
                        let cost = self.cost_at(class, next, &some)?;
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

    /// Mean cost of the pictures `some`, all of one class, with the base model at a strength.
    fn cost_at(&self, class: usize, qp: u8, some: &[usize]) -> Result<f64> {
        let layout = self.pictures[0].decoded.layout();
        let codec = Codec::Hevc { qp: [qp; 3] };
        let condition = codec.condition(layout, PictureType::CLASSES[class]);
        let instance = Instance::new(self.model, condition.ok_or(Error::Internal)?, None)?;
        let filter = Filter::new(instance, self.encoder.level);
        let mut sum = 0.0;
        for i in some {
            let pair = &self.pictures[*i];
            sum +=
                self.objective.cost(&filtered_mse(&filter, self.encoder.settings.threads, pair)?);
        }
        Ok(sum / some.len() as f64)
    }

    /// Leaves the classes of pictures as they are whose mean is not better than unfiltered.
    fn without_losses(
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

/// Mean squared error of each plane that the integer filter makes of a decoded picture.
fn filtered_mse<S: Sample>(
    filter: &Filter,
    threads: usize,
    pair: &Pair<'_, S>,
) -> Result<[f64; 3]> {
    let decoded = &pair.decoded;
    let (layout, depth) = (decoded.layout(), decoded.bit_depth());
    let size = |p: usize| layout.plane_size(p, decoded.width(), decoded.height());
    let mut buffers = [Vec::new(), Vec::new(), Vec::new()];
    for (p, samples) in buffers.iter_mut().enumerate().take(layout.planes()) {
        let (width, height) = size(p);
        *samples = memory::filled(width * height, S::new(0))?;
    }
    let mut target = [PlaneMut::EMPTY; 3];
    for (p, (plane, samples)) in target.iter_mut().zip(&mut buffers).enumerate() {
        if p < layout.planes() {
            let (width, height) = size(p);
            *plane = PlaneMut::new(samples, width * size_of::<S>(), width, height)?;
        }
    }
    filter.picture(decoded, PictureMut::with_depth(layout, depth, target)?, threads)?;
    let planes = buffers.iter().take(layout.planes()).enumerate().map(|(p, samples)| {
        let (width, height) = size(p);
        Plane::new(samples, width * size_of::<S>(), width, height)
    });
    let planes = planes.collect::<Result<Vec<_>>>()?;
    Ok(mse(&pair.original, &Picture::with_depth(layout, depth, &planes)?))
}
