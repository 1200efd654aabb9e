//! The encoder: fine-tunes on pictures, prices what it found and chooses.

mod progress;
mod search;

use crate::adapt::finetune::{fine_tune, Recipe, Task};
use crate::adapt::math::psnr;
use crate::adapt::objective::Objective;
use crate::codec::{Codec, CodecParams};
use crate::cpu::CpuLevel;
use crate::decoder::logical_cores;
use crate::models::{self, ModelSize};
use crate::network::{CodecKind, Model};
use crate::payload::Mode;
use crate::picture::{Layout, Picture, Sample};
use crate::{Error, Result};
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
    /// Of the base model, where there is one of that size.
    pub model_size: ModelSize,
    /// What is trained.
    pub recipe: Recipe,
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
            recipe: Recipe::default(),
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
    /// [`Error::InvalidArgument`] for 0 threads, an effort out of range or more than [`MAX_STEPS`].
    pub fn new(settings: EncoderSettings) -> Result<Self> {
        let effort_ok = (1..=MAX_EFFORT).contains(&settings.effort);
        if settings.threads == 0 || !effort_ok || settings.steps.is_some_and(|s| s > MAX_STEPS) {
            return Err(Error::InvalidArgument);
        }
        Ok(Self { settings, level: CpuLevel::current() })
    }

    /// The payload of one picture, or of several that share it: off, the base model or an update,
    /// whichever has the best net gain at the codec's slope. Where the codec has several base models of the size,
    /// the one that gains most is the base model.
    ///
    /// For video the strengths that the payload sets for each picture type are searched from the
    /// parameters' QPs; a type that would not gain over these pictures, or that none of them has, is
    /// left as it is.
    ///
    /// `progress` gets the fraction done, some fifty times a second, and returns whether to go on; otherwise the
    /// best so far is returned, for pictures of up to 24 megapixels within 200 ms. What could not be measured by
    /// then counts as not better: of the base models those count that were measured, and without any the base model
    /// is taken to do as what was decoded; of many pictures those count that were measured.
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
        let mut model = *models.first().ok_or(Error::UnknownModel)?;
        let objective = Objective::new(model.chroma.is_some() && shape.layout() != Layout::I400);
        let search = |model| Search {
            encoder: self,
            pictures,
            model,
            objective,
            slope,
            carriage_bytes: rate.carriage_bytes,
            binding: params.binding,
        };

        let mut progress = Progress::new(progress);
        let plain = search(model).unfiltered(&mut progress);
        let mut best = search(model).candidate(Mode::Off, &params.codec, &[], plain.clone())?;
        // Canceled before they were measured: nothing is known of the base models.
        let (mut codec, mut base) = (params.codec.clone(), plain.clone());
        let mut soon = true;
        for (i, tried) in models.iter().enumerate() {
            let search = search(tried);
            let strong = match &params.codec {
                Codec::Jpeg { .. } => params.codec.clone(),
                Codec::Hevc { qp } => Codec::Hevc { qp: search.strengths(*qp, &mut progress)? },
            };
            let clock = Instant::now();
            let measured = search.filtered(&strong, None, &plain, &mut |part| {
                progress.measuring((i as f64 + part) / models.len() as f64)
            })?;
            soon &= clock.elapsed() < GRACE;
            let Some(errors) = measured else { break };
            let (strong, errors) = search.without_losses(&strong, errors, &plain);
            if i == 0 || search.cost(&errors) < search.cost(&base) {
                (model, codec, base) = (tried, strong, errors);
            }
        }
        let search = search(model);
        best = best.better(search.candidate(Mode::Base, &codec, &[], base.clone())?);
        let mut steps = 0;
        let examples = search.examples(&codec, &base)?;
        // With no error left there is nothing to gain.
        let left = examples.iter().any(|e| objective.cost(&e.base_mse) > objective.cost(&[0.0; 3]));
        if !self.settings.no_update && left && !progress.canceled() {
            let (default_steps, tiles) = self.effort(pictures);
            let task = Task {
                examples: &examples,
                model,
                objective,
                db_per_bit: slope / 8.0 * pictures.len() as f64 / examples.len() as f64,
                steps: self.settings.steps.unwrap_or(default_steps),
                recipe: self.settings.recipe,
                tiles,
                budget: self.settings.budget,
                threads: self.settings.threads,
                level: self.level,
            };
            progress.begin(Phase::Training);
            let tuned = fine_tune(&task, &mut |fraction| progress.tell(fraction))?;
            steps = tuned.steps;
            progress.begin(Phase::Choosing);
            // Who canceled would wait in vain where measuring takes longer than that.
            if soon || !progress.canceled() {
                let update = search.best_update(&tuned, &codec, [&plain, &base], &mut progress)?;
                if let Some(update) = update {
                    best = best.better(update);
                }
            }
        }
        progress.begin(Phase::Choosing);
        progress.tell(1.0);
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

    /// The base models to try.
    fn models(&self, codec: CodecKind) -> Result<Vec<&'static Model>> {
        let models = models::of_size(codec, self.settings.model_size)?;
        match self.settings.recipe {
            Recipe::RateAware => Ok(models.collect()),
            Recipe::Published => models.map(models::single_weights).collect(),
        }
    }

    /// Training steps, and tiles in each of them.
    fn effort<S: Sample>(&self, pictures: &[Pair<'_, S>]) -> (u32, usize) {
        let (steps, tiles) = EFFORTS[usize::from(self.settings.effort) - 1];
        let shape = &pictures[0].decoded;
        (grown(steps, shape.width() * shape.height() * pictures.len()), tiles)
    }
}

/// What `steps` for 768×512 samples are for `samples`: more ask for more, as there is more to be seen and more
/// to be gained. They grow as the number of samples to the power of 2/3, up to five times; in integers, so that
/// every machine gets the same.
fn grown(steps: u32, samples: usize) -> u32 {
    const USUAL: u128 = 768 * 512;
    // More than twelve times as many grow to the most.
    let samples = (samples as u128).min(12 * USUAL);
    let all = u128::from(steps).pow(3) * samples * samples;
    let fits = |n: &u32| u128::from(*n).pow(3) * USUAL * USUAL <= all;
    (steps..=5 * steps).rev().find(fits).unwrap_or(steps)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_grow_with_samples() {
        let usual = 768 * 512;
        for (steps, _) in EFFORTS {
            for samples in [1, usual / 2, usual] {
                assert_eq!(grown(steps, samples), steps);
            }
            assert_eq!(grown(steps, 8 * usual), 4 * steps);
            for samples in [12 * usual, usize::MAX] {
                assert_eq!(grown(steps, samples), 5 * steps);
            }
            for samples in (usual..12 * usual).step_by(10_007) {
                let growth = (samples as f64 / usual as f64).powf(2.0 / 3.0).min(5.0);
                let off = f64::from(grown(steps, samples)) - f64::from(steps) * growth;
                assert!((-1.000_001..=0.000_001).contains(&off), "{steps} {samples} {off}");
            }
        }
        // A photograph of 3014×1695.
        assert_eq!(grown(300, 3014 * 1695), 1500);
        assert_eq!(grown(300, 2048 * 1216), 1026);
    }
}
