//! The encoder: fine-tunes on pictures, prices what it found and chooses.

mod candidate;
mod measure;
mod progress;
mod search;
#[cfg(test)]
mod tests;

use crate::adapt::distortion::{Distortion, PlaneErrors};
use crate::adapt::math::psnr;
use crate::adapt::task::{Example, Objective, Task};
use crate::adapt::trainer::fine_tune;
use crate::adapt::tuned::Tuned;
use crate::codec::{Codec, CodecParams};
use crate::cpu::{has_fma, logical_cores, CpuLevel};
use crate::models::{self, ModelSize};
use crate::network::{CodecKind, Model};
use crate::payload::Mode;
use crate::picture::{Layout, Picture, Sample};
use crate::util::alloc;
use crate::{Error, Result};
use candidate::{Base, Candidate, Candidates};
use measure::Measure;
use progress::{Phase, Progress, GRACE};
use search::Search;
use std::time::{Duration, Instant};

/// Settings of an [`Encoder`].
#[derive(Clone, Copy, Debug)]
pub struct EncoderSettings {
    /// Whether to send no update, only the word whether the base model shall be used.
    pub no_update: bool,
    /// Threads, at least 1; the payload does not depend on it.
    pub threads: usize,
    /// What training may cost: 1, least, to [`MAX_EFFORT`]; docs/adaptation.md has what each gains.
    pub effort: u8,
    /// Training steps; `None` for a number chosen by effort and the pictures' size.
    pub steps: Option<u32>,
    /// Time that training may take; the payload then depends on the machine's speed.
    pub budget: Option<Duration>,
    /// Size of the base model, where there is one of that size.
    pub model_size: ModelSize,
    /// What is trained, and how it is made small.
    pub objective: Objective,
}

impl Default for EncoderSettings {
    fn default() -> Self {
        Self {
            no_update: false,
            threads: logical_cores(),
            effort: DEFAULT_EFFORT,
            steps: None,
            budget: None,
            model_size: ModelSize::default(),
            objective: Objective::default(),
        }
    }
}

/// What the codec's bytes buy.
#[derive(Clone, Copy, Debug, Default)]
pub struct Rate {
    /// Bytes of the coded picture, of all pictures together; 0 if unknown.
    pub coded_bytes: u64,
    /// PSNR that another byte buys, in dB: PSNR-YUV 6:1:1 for colour pictures (that of luma is
    /// nearly the same), luma's for gray ones; 0 to estimate it from `coded_bytes`.
    pub slope_db_per_byte: f64,
    /// Bytes that carrying a payload costs besides the payload.
    pub carriage_bytes: u32,
}

impl Rate {
    /// dB per byte. JPEG's PSNR rises by about 3.4 dB when the rate doubles, so without a measured
    /// slope it is 3.4 / ln 2 / bytes; without bytes, one bit for each sample is assumed.
    ///
    /// # Errors
    /// [`Error::InvalidArgument`] for a slope that is negative or not finite.
    pub(crate) fn slope(&self, samples: usize) -> Result<f64> {
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
    /// Luma with the base model; where the codec has several of the size, with the best one.
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
    /// The picture before coding.
    pub original: Picture<'a, S>,
    /// The picture as decoded; the same shape. Its picture type counts.
    pub decoded: Picture<'a, S>,
}

/// Highest effort.
pub const MAX_EFFORT: u8 = EFFORTS.len() as u8;
/// Effort of the default settings.
pub const DEFAULT_EFFORT: u8 = 5;
/// Training steps, and tiles in each of them, from effort 1 on.
const EFFORTS: [(u32, usize); 9] =
    [(40, 2), (80, 2), (150, 2), (200, 2), (300, 2), (500, 2), (900, 2), (1500, 3), (3000, 4)];

/// Most training steps that may be asked for.
pub const MAX_STEPS: u32 = 100_000;
/// Most pictures that may share a payload.
pub const MAX_PICTURES: usize = 4096;

/// Makes payloads.
pub struct Encoder {
    settings: EncoderSettings,
    level: CpuLevel,
}

impl Encoder {
    /// An encoder.
    ///
    /// # Errors
    /// [`Error::InvalidArgument`] for 0 threads, an effort out of range or more than [`MAX_STEPS`];
    /// [`Error::Unsupported`] if the CPU has no fused multiply-add, unless no update is asked for.
    pub fn new(settings: EncoderSettings) -> Result<Self> {
        Self::with_fma(settings, has_fma())
    }

    /// An encoder for a CPU that has fused multiply-add or lacks it.
    fn with_fma(settings: EncoderSettings, has_fma: bool) -> Result<Self> {
        let effort_ok = (1..=MAX_EFFORT).contains(&settings.effort);
        if settings.threads == 0 || !effort_ok || settings.steps.is_some_and(|s| s > MAX_STEPS) {
            return Err(Error::InvalidArgument);
        }
        if !has_fma && !settings.no_update {
            return Err(Error::Unsupported);
        }
        Ok(Self { settings, level: CpuLevel::current() })
    }

    /// The payload of one picture, or of several that share it: off, the base model or an update,
    /// whichever has the best net gain at the codec's slope. Where the codec has several base
    /// models of the size, the one that gains most is the base model.
    ///
    /// For video the strengths that the payload sets for each picture type are searched from the
    /// codec's QPs; a type that would not gain over these pictures, or that none of them has,
    /// is left as it is.
    ///
    /// `progress` gets the fraction done, some fifty times a second, and returns whether to go on;
    /// otherwise the best so far is returned, for pictures of up to 24 megapixels within 200 ms.
    /// What could not be measured by then counts as not better: of the base models those count that
    /// were measured, and without any the base model is taken to do as what was decoded; of many
    /// pictures those count that were measured.
    ///
    /// # Errors
    /// [`Error::InvalidArgument`] if there are no pictures or more than [`MAX_PICTURES`], if their
    /// shapes differ, or if the parameters or the rate are out of range.
    pub fn encode<S: Sample>(
        &self,
        pictures: &[Pair<'_, S>],
        params: &CodecParams,
        rate: Rate,
        progress: &mut dyn FnMut(f64) -> bool,
    ) -> Result<Encoded> {
        let first = pictures.first().ok_or(Error::InvalidArgument)?;
        let shape = &first.decoded;
        let alike = |p: &Pair<'_, S>| p.original.same_shape(shape) && p.decoded.same_shape(shape);
        if pictures.len() > MAX_PICTURES || !pictures.iter().all(alike) {
            return Err(Error::InvalidArgument);
        }
        params.codec.check()?;
        let slope = rate.slope(shape.width() * shape.height() * pictures.len())?;
        let models = self.models(params.codec.kind())?;
        let model = models.first().ok_or(Error::UnknownModel)?;
        let colour = model.chroma.is_some() && shape.layout() != Layout::I400;

        let progress = &mut Progress::new(progress);
        let EncoderSettings { threads, objective, .. } = self.settings;
        let distortion = Distortion::new(colour);
        let measure = Measure::new(pictures, distortion, threads, self.level, progress);
        let (base, fast_enough) = self.prepare(&measure, &models, &params.codec, progress)?;
        let tuned = self.train(&measure, &base, slope, progress)?;
        let candidates = Candidates {
            measure: &measure,
            base: &base,
            objective,
            slope,
            carriage_bytes: rate.carriage_bytes,
            binding: params.binding,
        };
        progress.begin(Phase::Choosing);
        // Who canceled would wait in vain where measuring takes longer than `GRACE`.
        let measured = tuned.as_ref().filter(|_| fast_enough || !progress.canceled());
        let best = self.choose(&candidates, measured, progress)?;
        progress.tell(1.0);
        let steps = tuned.map_or(0, |tuned| tuned.steps);
        let report = report(&measure, &base, &best, slope, steps);
        Ok(Encoded { payload: best.payload, report })
    }

    /// The best base model, with its strengths, and whether measuring each took less than
    /// [`GRACE`].
    fn prepare<S: Sample>(
        &self,
        measure: &Measure<'_, S>,
        models: &[&'static Model],
        codec: &Codec,
        progress: &mut Progress<'_>,
    ) -> Result<(Base, bool)> {
        let mut best: Option<Base> = None;
        let mut fast_enough = true;
        for (i, &model) in models.iter().enumerate() {
            let search = Search { measure, model };
            let tuned_qp = match codec {
                Codec::Jpeg { .. } => codec.clone(),
                Codec::Hevc { qp } => Codec::Hevc { qp: search.strengths(*qp, progress)? },
            };
            let clock = Instant::now();
            let measured = measure.filtered(model, &tuned_qp, None, &mut |part| {
                progress.measuring((i as f64 + part) / models.len() as f64)
            })?;
            fast_enough &= clock.elapsed() < GRACE;
            let Some(errors) = measured else { break };
            let (codec, errors) = measure.without_losses(&tuned_qp, errors);
            let cost = measure.cost(&errors);
            if best.as_ref().is_none_or(|best| cost < measure.cost(&best.errors)) {
                best = Some(Base { model, codec, errors });
            }
        }
        // Canceled before any was measured: nothing is known of the base models.
        let unknown = || {
            let model = models.first().ok_or(Error::UnknownModel)?;
            Ok(Base { model, codec: codec.clone(), errors: measure.unfiltered.clone() })
        };
        Ok((best.map_or_else(unknown, Ok)?, fast_enough))
    }

    /// Fine-tunes the base model on the pictures that it filters; `None` if that is not asked for
    /// or can't gain.
    fn train<'a, S: Sample>(
        &self,
        measure: &Measure<'a, S>,
        base: &Base,
        slope: f64,
        progress: &mut Progress<'_>,
    ) -> Result<Option<Tuned>> {
        let Measure { pictures, distortion, .. } = *measure;
        if self.settings.no_update || progress.canceled() {
            return Ok(None);
        }
        let example = |(pair, errors): (&Pair<'a, S>, &PlaneErrors)| {
            let Pair { original, decoded } = *pair;
            let condition = base.codec.condition(decoded.layout(), decoded.picture_type())?;
            Some(Example { original, decoded, condition, base_mse: *errors })
        };
        let examples = pictures.iter().zip(&base.errors).filter_map(example);
        let examples = alloc::try_collect(pictures.len(), examples)?;
        // With no error left there is nothing to gain.
        let least = distortion.cost(PlaneErrors::ZERO);
        if !examples.iter().any(|e| distortion.cost(e.base_mse) > least) {
            return Ok(None);
        }
        let (default_steps, tiles) = self.effort(pictures);
        let task = Task {
            examples: &examples,
            model: base.model,
            distortion,
            db_per_bit: slope / 8.0 * pictures.len() as f64 / examples.len() as f64,
            steps: self.settings.steps.unwrap_or(default_steps),
            objective: self.settings.objective,
            tiles,
            budget: self.settings.budget,
            threads: self.settings.threads,
            level: self.level,
        };
        progress.begin(Phase::Training);
        fine_tune(&task, &mut |fraction| progress.tell(fraction)).map(Some)
    }

    /// The candidate with the best net gain among off, the base model and what was learnt.
    fn choose<S: Sample>(
        &self,
        candidates: &Candidates<'_, '_, S>,
        tuned: Option<&Tuned>,
        progress: &mut Progress<'_>,
    ) -> Result<Candidate> {
        let mut best = candidates.off()?.better(candidates.base()?);
        if let Some(tuned) = tuned {
            if let Some(update) = candidates.best_update(tuned, progress)? {
                best = best.better(update);
            }
        }
        Ok(best)
    }

    /// The base models to try.
    fn models(&self, codec: CodecKind) -> Result<Vec<&'static Model>> {
        let models = models::of_size(codec, self.settings.model_size)?;
        match self.settings.objective {
            Objective::RateDistortion => Ok(models.collect()),
            Objective::Published => models.map(models::single_weights).collect(),
        }
    }

    /// Training steps, and tiles in each of them.
    fn effort<S: Sample>(&self, pictures: &[Pair<'_, S>]) -> (u32, usize) {
        let (steps, tiles) = EFFORTS[usize::from(self.settings.effort) - 1];
        let shape = &pictures[0].decoded;
        (grown(steps, shape.width() * shape.height() * pictures.len()), tiles)
    }
}

/// What `best` does, and what else was measured on the way.
fn report<S: Sample>(
    measure: &Measure<'_, S>,
    base: &Base,
    best: &Candidate,
    slope_db_per_byte: f64,
    steps: u32,
) -> Report {
    let shape = &measure.pictures[0].decoded;
    let gray = shape.layout() == Layout::I400;
    let mean = |errors: &[PlaneErrors], p: usize| -> f64 {
        let depth = shape.bit_depth();
        errors.iter().map(|e| psnr(e[p], depth)).sum::<f64>() / errors.len() as f64
    };
    let chroma = |errors: &[PlaneErrors]| [1, 2].map(|p| if gray { 0.0 } else { mean(errors, p) });
    Report {
        mode: best.mode,
        psnr_decoded: mean(&measure.unfiltered, 0),
        psnr_base: mean(&base.errors, 0),
        psnr_payload: mean(&best.errors, 0),
        psnr_chroma_decoded: chroma(&measure.unfiltered),
        psnr_chroma_base: chroma(&base.errors),
        psnr_chroma_payload: chroma(&best.errors),
        slope_db_per_byte,
        steps,
    }
}

/// What `steps` for 768×512 samples are for `samples`: more ask for more, as there is more to be
/// seen and more to be gained. They grow as the number of samples to the power of 2/3, up to five
/// times; in integers, so that every machine gets the same.
fn grown(steps: u32, samples: usize) -> u32 {
    const USUAL: u128 = 768 * 512;
    // More than twelve times as many grow to the most.
    let samples = (samples as u128).min(12 * USUAL);
    let all = u128::from(steps).pow(3) * samples * samples;
    let fits = |n: &u32| u128::from(*n).pow(3) * USUAL * USUAL <= all;
    (steps..=5 * steps).rev().find(fits).unwrap_or(steps)
}
