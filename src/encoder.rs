//! The encoder: fine-tunes on a picture, prices what it found and chooses.

use crate::adapt::finetune::{fine_tune, Task};
use crate::adapt::math::{log2, psnr};
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
    /// Luma PSNR that another byte buys, in dB; 0 to estimate it from `coded_bytes`.
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

/// What an encode measured, through the integer filter that the decoder runs; luma PSNR in dB.
#[derive(Clone, Copy, Debug)]
pub struct Report {
    /// What the payload asks for.
    pub mode: Mode,
    /// Of the decoded picture.
    pub psnr_decoded: f64,
    /// With the base model.
    pub psnr_base: f64,
    /// With what the payload asks for.
    pub psnr_payload: f64,
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
        let condition = hints.condition()?;
        let slope = rate.slope(original.width() * original.height())?;
        let cost = |mse, bytes: f64| log2(mse) * (10.0 / std::f64::consts::LOG2_10) + slope * bytes;
        let model = models::default_for(&hints.codec)?;
        let (original, decoded) = (original.luma(), decoded.luma());
        let run = |instance| filtered_mse(instance, self, &original, &decoded);

        let plain_mse = mse(&original, &decoded);
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
            Ok(Candidate { mode, payload, mse, cost: cost(mse, bytes) })
        };
        let mut best = of(Mode::Off, &[], plain_mse)?;
        if self.settings.mode != Mode::Off {
            best = best.better(of(Mode::Base, &[], base_mse)?);
        }
        let mut steps = 0;
        // With no error left there is nothing to gain.
        if self.settings.mode == Mode::Update && base_mse > 0.0 {
            let task = Task {
                original,
                decoded,
                model,
                condition,
                base_mse,
                db_per_bit: slope / 8.0,
                steps: self.settings.steps.unwrap_or(default_steps(&original)),
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
                // An update that would overflow is no candidate.
                if let Ok(instance) = Instance::new(model, condition, Some(&update)) {
                    best = best.better(of(Mode::Update, &body, run(instance)?)?);
                }
                tried.push(body);
            }
            if !canceled {
                progress(1.0);
            }
        }
        let report = Report {
            mode: best.mode,
            psnr_decoded: psnr(plain_mse),
            psnr_base: psnr(base_mse),
            psnr_payload: psnr(best.mse),
            slope_db_per_byte: slope,
            steps,
        };
        Ok(Encoded { payload: best.payload, report })
    }
}

struct Candidate {
    mode: Mode,
    payload: Vec<u8>,
    mse: f64,
    /// In dB: the less, the higher its net gain.
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
fn default_steps(plane: &Plane<'_>) -> u32 {
    let samples = plane.width() * plane.height();
    if samples <= 1 << 20 {
        160
    } else {
        240
    }
}

/// Mean squared error of the luma that the integer filter makes of `decoded`.
fn filtered_mse(
    instance: Instance,
    encoder: &Encoder,
    original: &Plane<'_>,
    decoded: &Plane<'_>,
) -> Result<f64> {
    let (width, height) = (decoded.width(), decoded.height());
    let mut out = Vec::new();
    out.try_reserve_exact(width * height).map_err(|_| Error::OutOfMemory)?;
    out.resize(width * height, 0u8);
    let target = PlaneMut::new(&mut out, width, width, height)?;
    Filter::new(instance, encoder.level).picture(
        &Picture::new(Layout::I400, &[*decoded])?,
        PictureMut::new(Layout::I400, vec![target])?,
        encoder.settings.threads,
    )?;
    Ok(mse(original, &Plane::new(&out, width, width, height)?))
}

/// Mean squared error of two planes of one size.
fn mse(a: &Plane<'_>, b: &Plane<'_>) -> f64 {
    let row = |y| -> u64 {
        let pairs = a.row(y).iter().zip(b.row(y));
        pairs.map(|(a, b)| u64::from(a.abs_diff(*b)).pow(2)).sum()
    };
    let sum: u64 = (0..a.height()).map(row).sum();
    sum as f64 / (a.width() * a.height()) as f64
}
