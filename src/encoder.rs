//! The encoder: fine-tunes on a picture, prices what it found and chooses.

use crate::adapt::finetune::{fine_tune, Task};
use crate::adapt::math::psnr;
use crate::adapt::objective::{mse, Objective};
use crate::cpu::CpuLevel;
use crate::decoder::logical_cores;
use crate::filter::Filter;
use crate::hints::Hints;
use crate::models;
use crate::network::Instance;
use crate::payload::{self, Mode};
use crate::picture::{Layout, Picture, PictureMut, Plane, PlaneMut};
use crate::{Error, Result};

/// Settings of an [`Encoder`].
#[derive(Clone, Copy, Debug)]
pub struct EncoderSettings {
    /// The most that may be sent.
    pub mode: Mode,
    /// Threads, at least 1; the payload does not depend on it.
    pub threads: usize,
    /// Training steps; `None` for a number chosen by the picture's size.
    pub steps: Option<u32>,
}

impl Default for EncoderSettings {
    fn default() -> Self {
        Self { mode: Mode::Update, threads: logical_cores(), steps: None }
    }
}

/// What the codec's bytes buy.
#[derive(Clone, Copy, Debug, Default)]
pub struct Rate {
    /// Bytes of the coded picture; 0 if unknown.
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
/// where planes are equal.
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

/// Magnitudes below these become 0: candidates of rounding, from all significant values to the
/// large ones only.
const THRESHOLDS: [f32; 4] = [0.5, 0.65, 0.8, 1.0];

/// Makes payloads.
pub struct Encoder {
    settings: EncoderSettings,
    level: CpuLevel,
}

impl Encoder {
    /// An encoder.
    ///
    /// # Errors
    /// [`Error::InvalidArgument`] for 0 threads or more than 100,000 steps.
    pub fn new(settings: EncoderSettings) -> Result<Self> {
        if settings.threads == 0 || settings.steps.is_some_and(|s| s > 100_000) {
            return Err(Error::InvalidArgument);
        }
        Ok(Self { settings, level: CpuLevel::current() })
    }

    /// The payload of one picture: off, the base model or an update, whichever has the best net gain
    /// at the codec's slope.
    ///
    /// `progress` gets the fraction done and returns whether to go on; otherwise the best so far is
    /// returned.
    ///
    /// # Errors
    /// [`Error::InvalidArgument`] if the pictures' shapes differ or the hints or the rate are out of
    /// range.
    pub fn encode(
        &self,
        original: &Picture<'_>,
        decoded: &Picture<'_>,
        hints: &Hints,
        rate: Rate,
        progress: &mut dyn FnMut(f64) -> bool,
    ) -> Result<Encoded> {
        if !original.same_shape(decoded) {
            return Err(Error::InvalidArgument);
        }
        let condition = hints.condition(decoded.layout())?;
        let slope = rate.slope(original.width() * original.height())?;
        let model = models::default_for(&hints.codec, decoded.layout())?;
        let objective = Objective::new(model.chroma.is_some() && decoded.layout() != Layout::I400);
        let run =
            |instance| filtered_mse(&Filter::new(instance, self.level), self, original, decoded);

        let plain_mse = mse(original, decoded);
        let base_mse = run(Instance::new(model, condition, None)?)?;
        let of = |mode, body: &[u8], mse| -> Result<Candidate> {
            // Off needs no model: docs/payload.md asks for 0.
            let id = if mode == Mode::Off { 0 } else { model.id };
            let payload = payload::build(mode, id, body, hints.binding)?;
            // A payload that asks for nothing need not be sent.
            let bytes = match mode {
                Mode::Off => 0.0,
                _ => payload.len() as f64 + f64::from(rate.carriage_bytes),
            };
            let cost = objective.cost(&mse) + slope * bytes;
            Ok(Candidate { mode, payload, mse, cost })
        };
        let mut best = of(Mode::Off, &[], plain_mse)?;
        if self.settings.mode != Mode::Off {
            best = best.better(of(Mode::Base, &[], base_mse)?);
        }
        let mut steps = 0;
        // With no error left there is nothing to gain.
        let left = objective.cost(&base_mse) > objective.cost(&[0.0; 3]);
        if self.settings.mode == Mode::Update && left {
            let task = Task {
                original,
                decoded,
                model,
                condition,
                objective,
                base_mse,
                db_per_bit: slope / 8.0,
                steps: self.settings.steps.unwrap_or(default_steps(original)),
                threads: self.settings.threads,
                level: self.level,
            };
            let mut canceled = false;
            let tuned = fine_tune(&task, &mut |fraction| {
                canceled = canceled || !progress(fraction);
                !canceled
            });
            steps = tuned.steps;
            let mut tried = Vec::new();
            for threshold in THRESHOLDS {
                let update = tuned.round(threshold);
                let body = payload::update::encode(&update, &model.contexts)?;
                if tried.contains(&body) {
                    continue;
                }
                // An update that would overflow is no candidate. Decoders prepare for every layout.
                let valid = Layout::ALL.into_iter().all(|layout| {
                    let condition = hints.condition(layout);
                    condition.and_then(|c| Instance::new(model, c, Some(&update))).is_ok()
                });
                if valid {
                    let instance = Instance::new(model, condition, Some(&update))?;
                    best = best.better(of(Mode::Update, &body, run(instance)?)?);
                }
                tried.push(body);
            }
            if !canceled {
                progress(1.0);
            }
        }
        let gray = decoded.layout() == Layout::I400;
        let chroma = |mse: [f64; 3]| [1, 2].map(|p| if gray { 0.0 } else { psnr(mse[p]) });
        let report = Report {
            mode: best.mode,
            psnr_decoded: psnr(plain_mse[0]),
            psnr_base: psnr(base_mse[0]),
            psnr_payload: psnr(best.mse[0]),
            psnr_chroma_decoded: chroma(plain_mse),
            psnr_chroma_base: chroma(base_mse),
            psnr_chroma_payload: chroma(best.mse),
            slope_db_per_byte: slope,
            steps,
        };
        Ok(Encoded { payload: best.payload, report })
    }
}

struct Candidate {
    mode: Mode,
    payload: Vec<u8>,
    mse: [f64; 3],
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

/// Steps by size: small pictures are seen whole every few steps, large ones need more to be seen at
/// all.
fn default_steps(picture: &Picture<'_>) -> u32 {
    let samples = picture.width() * picture.height();
    if samples <= 1 << 20 {
        160
    } else {
        240
    }
}

/// Mean squared error of each plane that the integer filter makes of `decoded`.
fn filtered_mse(
    filter: &Filter,
    encoder: &Encoder,
    original: &Picture<'_>,
    decoded: &Picture<'_>,
) -> Result<[f64; 3]> {
    let (width, height) = (decoded.width(), decoded.height());
    let layout = decoded.layout();
    let sizes = (0..layout.planes()).map(|p| layout.plane_size(p, width, height));
    let mut buffers = Vec::new();
    for (width, height) in sizes.clone() {
        let mut samples = Vec::new();
        samples.try_reserve_exact(width * height).map_err(|_| Error::OutOfMemory)?;
        samples.resize(width * height, 0u8);
        buffers.push(samples);
    }
    let target = buffers.iter_mut().zip(sizes.clone());
    let target = target.map(|(b, (w, h))| PlaneMut::new(b, w, w, h)).collect::<Result<_>>()?;
    filter.picture(decoded, PictureMut::new(layout, target)?, encoder.settings.threads)?;
    let planes = buffers.iter().zip(sizes).map(|(b, (w, h))| Plane::new(b, w, w, h));
    let planes = planes.collect::<Result<Vec<_>>>()?;
    Ok(mse(original, &Picture::new(layout, &planes)?))
}
