//! The optimiser: chooses a JPEG picture's quantised coefficients for what the filter will make of
//! them. docs/optimise.md tells how.

mod component;
mod rate;
mod search;
mod sensitivity;
mod stage;
#[cfg(test)]
mod tests;
mod transform;
mod trellis;

use crate::adapt::distortion::{Distortion, PlaneErrors};
use crate::adapt::math::psnr;
use crate::codec::Codec;
use crate::cpu::{has_fma, logical_cores, CpuLevel};
use crate::decoder::open;
use crate::encoder::Rate;
use crate::filter::Filter;
use crate::kernels::FULL_STRENGTH;
use crate::models::{self, ModelSize};
use crate::network::prepared::PreparedLayer;
use crate::network::{CodecKind, Model, Prepared, Update};
use crate::payload::{self, Mode};
use crate::picture::{Layout, Picture, PictureMut, Plane, PlaneMut};
use crate::util::alloc;
use crate::{Error, Result};
use component::{Grid, Samples};
use rate::Scans;
use search::{Search, Weights};
use stage::{Stage, Task};
use std::time::{Duration, Instant};

pub use component::Block;
pub use search::Target;

/// Settings of an [`Optimiser`].
#[derive(Clone, Copy, Debug)]
pub struct OptimiserSettings {
    /// Threads, at least 1; the coefficients do not depend on it.
    pub threads: usize,
    /// What the search may cost: 1, least, to [`MAX_EFFORT`](crate::MAX_EFFORT).
    pub effort: u8,
    /// Size of the base model, where no payload names one.
    pub model_size: ModelSize,
    /// Whether the file will be progressive.
    pub progressive: bool,
    /// Weight of bits against errors, [`STRENGTHS`]: 1 is what a byte is worth to PSNR at the
    /// picture's own quality; with less, files grow and are better, and keep more structure.
    pub strength: f64,
    /// Weight of the decoded picture's own error beside that behind the filter, from 0 up to
    /// [`MAX_DECODED_WEIGHT`].
    pub decoded_weight: f64,
}

impl Default for OptimiserSettings {
    fn default() -> Self {
        Self {
            threads: logical_cores(),
            effort: DEFAULT_EFFORT,
            model_size: ModelSize::default(),
            progressive: false,
            strength: DEFAULT_STRENGTH,
            decoded_weight: DEFAULT_DECODED_WEIGHT,
        }
    }
}

/// Effort of the default settings.
pub const DEFAULT_EFFORT: u8 = 5;
/// Passes of the filter over luma that an effort may cost, from effort 1 on; chroma gets half as
/// many, which cost less.
const EFFORTS: [u32; crate::MAX_EFFORT as usize] = [10, 16, 26, 40, 60, 90, 140, 220, 400];
/// Least and largest strength.
pub const STRENGTHS: [f64; 2] = [0.05, 20.0];
/// Largest weight of the decoded picture.
pub const MAX_DECODED_WEIGHT: f64 = 100.0;
/// Strength that gains in PSNR as 1 does, and more in SSIM and SSIMULACRA 2 (docs/optimise.md).
pub const DEFAULT_STRENGTH: f64 = 0.6;
/// Weight with which a viewer without the filter loses nothing (docs/optimise.md).
pub const DEFAULT_DECODED_WEIGHT: f64 = 0.2;
/// Strength of the trellis that makes the search's first coefficients, of the search's own.
const START: f64 = 0.5;
/// Fraction done where the last search is at its end.
const SEARCH: f64 = 0.99;
/// Part of the time that luma takes of a colour picture's.
const LUMA: f64 = 0.75;

/// Bits and PSNRs, in dB, of a picture's coefficients; the planes Y, Cb, Cr, of a gray picture
/// zero for the last two.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct CoefficientReport {
    /// About the bits of the coded data with Huffman tables that fit it, without headers and padding.
    pub bits: u64,
    /// Of what decoders show.
    pub psnr_decoded: [f64; 3],
    /// Behind the filter.
    pub psnr_filtered: [f64; 3],
}

/// What an optimisation did, measured through the integer filter.
#[derive(Clone, Copy, Debug)]
pub struct OptimiserReport {
    /// Whether the coefficients are others now.
    pub changed: bool,
    /// Id of the model behind which they are better.
    pub model: u32,
    /// As they came in.
    pub before: CoefficientReport,
    /// As they are now.
    pub after: CoefficientReport,
}

/// Chooses coefficients.
pub struct Optimiser {
    settings: OptimiserSettings,
    level: CpuLevel,
}

/// The planes of a picture that one network corrects, and how they are coded.
struct Part {
    planes: std::ops::Range<usize>,
    quant: [u16; 64],
    /// Columns and rows of blocks in a unit of an interleaved scan.
    unit: (usize, usize),
    scans: Scans,
}

impl Part {
    fn grid(&self, picture: &Picture<'_>) -> Grid {
        let plane = picture.planes()[self.planes.start];
        Grid::new((plane.width(), plane.height()), self.quant, self.unit, self.scans)
    }
}

/// Luma, and chroma where there is any.
fn parts(codec: &Codec, layout: Layout, progressive: bool) -> Result<Vec<Part>> {
    let Codec::Jpeg { luma, chroma } = codec else { return Err(Error::InvalidArgument) };
    let unit = match layout {
        Layout::I420 => (2, 2),
        Layout::I422 => (2, 1),
        Layout::I440 => (1, 2),
        Layout::I411 => (4, 1),
        Layout::I400 | Layout::I444 => (1, 1),
    };
    let scans = |progressive_scans| if progressive { progressive_scans } else { Scans::Sequential };
    let luma_scans = scans(Scans::ProgressiveLuma);
    let mut parts = alloc::try_with_capacity(2)?;
    parts.push(Part { planes: 0..1, quant: *luma, unit, scans: luma_scans });
    if layout != Layout::I400 {
        let (quant, scans) = (chroma.unwrap_or(*luma), scans(Scans::ProgressiveChroma));
        parts.push(Part { planes: 1..3, quant, unit: (1, 1), scans });
    }
    Ok(parts)
}

/// Number of blocks of plane `plane` of a `width × height` picture of `layout`: in a row, and rows.
#[must_use]
pub fn block_counts(layout: Layout, plane: usize, width: usize, height: usize) -> (usize, usize) {
    let (width, height) = layout.plane_size(plane, width, height);
    (width.div_ceil(8), height.div_ceil(8))
}

/// Whether a block's values can be coded in a picture of 8 bits: DC −1024 to 1023, AC of magnitude
/// up to 1023 (ITU-T T.81, F.1.2).
#[must_use]
pub fn in_range(block: &Block) -> bool {
    (-1024..=1023).contains(&block[0]) && block[1..].iter().all(|v| (-1023..=1023).contains(v))
}

impl Optimiser {
    /// An optimiser.
    ///
    /// # Errors
    /// [`Error::InvalidArgument`] if a setting is out of range; [`Error::Unsupported`] if the CPU has
    /// no fused multiply-add.
    pub fn new(settings: OptimiserSettings) -> Result<Self> {
        Self::with_fma(settings, has_fma())
    }

    /// An optimiser for a CPU that has fused multiply-add or lacks it.
    fn with_fma(settings: OptimiserSettings, has_fma: bool) -> Result<Self> {
        let OptimiserSettings { threads, effort, strength, decoded_weight, .. } = settings;
        let [least, most] = STRENGTHS;
        let fits = threads > 0
            && (1..=crate::MAX_EFFORT).contains(&effort)
            && (least..=most).contains(&strength)
            && (0.0..=MAX_DECODED_WEIGHT).contains(&decoded_weight);
        match (fits, has_fma) {
            (false, _) => Err(Error::InvalidArgument),
            (true, false) => Err(Error::Unsupported),
            (true, true) => Ok(Self { settings, level: CpuLevel::current() }),
        }
    }

    /// Chooses `coefficients` anew, those of each plane's blocks, row by row, for the lowest
    /// `error of original behind the filter + decoded_weight · error as decoded + strength · bits`.
    /// `original` has the coded planes before coding, of 8 bits. The filter is that of `payload`,
    /// whose binding is not looked at, or without one the base model that does better on what came
    /// in. What is not better stays as it came.
    ///
    /// The same input gives the same coefficients on every machine and with any number of threads.
    /// Memory: some 40 bytes for each luma sample.
    ///
    /// `progress` gets the fraction done, some fifty times a second, and returns whether to go on;
    /// otherwise the best so far is returned.
    ///
    /// # Errors
    /// [`Error::InvalidArgument`] if the codec is not JPEG, the payload asks for no filter, or the
    /// coefficients are not as many as the picture's blocks or not [`in_range`];
    /// [`Error::OutOfMemory`]; for a payload those of [`Decoder`](crate::Decoder).
    pub fn optimise(
        &self,
        original: &Picture<'_>,
        coefficients: &mut [Vec<Block>],
        codec: &Codec,
        payload: Option<&[u8]>,
        progress: &mut dyn FnMut(f64) -> bool,
    ) -> Result<OptimiserReport> {
        let parts = self.parts(original, coefficients, codec)?;
        let mut job = Job::new(self, original, &parts, coefficients)?;
        let filters = self.filters(codec, original, payload)?;
        let bits = job.bits(coefficients);
        // From here on it may be ended; what takes long is behind.
        let mut throttled = Throttle::new(progress);
        let (model, prepared) = job.best_filter(filters, &mut throttled)?;
        let before = job.report(bits);
        let unchanged = OptimiserReport { changed: false, model, before, after: before };
        let found = job.search(prepared, coefficients, bits, &mut throttled)?;
        let Some((new, bits)) = found else { return Ok(unchanged) };
        let after = job.report(bits);
        for (old, new) in coefficients.iter_mut().zip(new) {
            *old = new;
        }
        throttled.tell(1.0);
        Ok(OptimiserReport { changed: true, model, before, after })
    }

    /// For encoders that optimise rate and distortion themselves: where each block's coefficients
    /// shall be and what being off costs, at `coefficients`, in squared grey levels. Arguments are
    /// those of [`optimise`](Self::optimise); the settings' effort, strength and scans do not
    /// matter. `None` if `progress` ended it.
    ///
    /// # Errors
    /// Fails as [`optimise`](Self::optimise) does.
    pub fn targets(
        &self,
        original: &Picture<'_>,
        coefficients: &[Vec<Block>],
        codec: &Codec,
        payload: Option<&[u8]>,
        progress: &mut dyn FnMut(f64) -> bool,
    ) -> Result<Option<Vec<Vec<Target>>>> {
        let parts = self.parts(original, coefficients, codec)?;
        let mut throttled = Throttle::new(progress);
        let mut job = Job::new(self, original, &parts, coefficients)?;
        let filters = self.filters(codec, original, payload)?;
        let (_, prepared) = job.best_filter(filters, &mut throttled)?;
        job.targets(prepared, coefficients, &mut throttled)
    }

    /// The picture's parts, where all arguments fit each other.
    fn parts(
        &self,
        original: &Picture<'_>,
        coefficients: &[Vec<Block>],
        codec: &Codec,
    ) -> Result<Vec<Part>> {
        codec.check()?;
        let parts = parts(codec, original.layout(), self.settings.progressive)?;
        let planes = original.planes();
        let fits = |(blocks, plane): (&Vec<Block>, &Plane<'_>)| {
            blocks.len() == plane.width().div_ceil(8) * plane.height().div_ceil(8)
                && blocks.iter().all(in_range)
        };
        if coefficients.len() == planes.len() && coefficients.iter().zip(planes).all(fits) {
            Ok(parts)
        } else {
            Err(Error::InvalidArgument)
        }
    }

    /// The filters that may be sent.
    fn filters(
        &self,
        codec: &Codec,
        original: &Picture<'_>,
        payload: Option<&[u8]>,
    ) -> Result<Vec<(u32, Prepared)>> {
        let condition = codec.condition(original.layout(), original.picture_type());
        let condition = condition.ok_or(Error::InvalidArgument)?;
        let prepare = |model: &'static Model, update: Option<&Update>| {
            let prepared = Prepared::new(model, condition, update)?;
            // All that are inside have chroma.
            if prepared.chroma.is_empty() {
                return Err(Error::UnknownModel);
            }
            Ok((model.id, prepared))
        };
        let Some(payload) = payload else {
            let models = models::of_size(CodecKind::Jpeg, self.settings.model_size)?;
            let mut filters = Vec::new();
            for model in models {
                alloc::try_push(&mut filters, prepare(model, None)?)?;
            }
            return Ok(filters);
        };
        let header = payload::parse(payload)?;
        if header.mode == Mode::Off {
            return Err(Error::InvalidArgument);
        }
        let opened = open::open(&header, Some(CodecKind::Jpeg))?;
        alloc::try_collect_ok(1, std::iter::once(prepare(opened.model, opened.update.as_ref())))
    }
}

/// Coefficients of each plane, and the bits of luma and chroma.
type Found = (Vec<Vec<Block>>, [u64; 2]);

/// One optimisation.
struct Job<'a> {
    settings: OptimiserSettings,
    level: CpuLevel,
    original: &'a Picture<'a>,
    parts: &'a [Part],
    distortion: Distortion,
    decoded: PlaneErrors,
    filtered: PlaneErrors,
    planes: Vec<Samples>,
}

impl<'a> Job<'a> {
    fn new(
        optimiser: &Optimiser,
        original: &'a Picture<'a>,
        parts: &'a [Part],
        coefficients: &[Vec<Block>],
    ) -> Result<Self> {
        let mut planes = alloc::try_with_capacity(3)?;
        for part in parts {
            let grid = part.grid(original);
            for blocks in &coefficients[part.planes.clone()] {
                let mut plane = Samples::new(grid.width, grid.height)?;
                blocks.iter().enumerate().for_each(|(i, block)| grid.decode(block, i, &mut plane));
                planes.push(plane);
            }
        }
        let decoded = PlaneErrors::between(original, &picture(original.layout(), &planes)?);
        Ok(Self {
            settings: optimiser.settings,
            level: optimiser.level,
            original,
            parts,
            distortion: Distortion::new(original.layout() != Layout::I400),
            decoded,
            filtered: decoded,
            planes,
        })
    }

    /// The filter with the best picture.
    fn best_filter(
        &mut self,
        filters: Vec<(u32, Prepared)>,
        progress: &mut Throttle<'_>,
    ) -> Result<(u32, Prepared)> {
        let mut best: Option<(u32, Prepared)> = None;
        let mut out = alloc::try_with_capacity(3)?;
        for plane in &self.planes {
            out.push(plane.try_clone()?);
        }
        for (model, prepared) in filters {
            let filter = Filter::new(&prepared, self.level)?;
            let layout = self.original.layout();
            let input = picture(layout, &self.planes)?;
            let mut targets = [PlaneMut::EMPTY; 3];
            for (target, plane) in targets.iter_mut().zip(&mut out) {
                *target = plane.plane_mut()?;
            }
            let target = PictureMut::with_depth(layout, 8, targets)?;
            if !filter.picture_while(
                &input,
                target,
                self.settings.threads,
                FULL_STRENGTH,
                &mut || progress.poll(0.0),
            )? {
                return best.map_or(Ok((model, prepared)), Ok);
            }
            let errors = PlaneErrors::between(self.original, &picture(layout, &out)?);
            let cost = |errors| self.distortion.cost(errors);
            if best.is_none() || cost(errors) < cost(self.filtered) {
                self.filtered = errors;
                best = Some((model, prepared));
            }
        }
        best.ok_or(Error::UnknownModel)
    }

    /// Bits of luma and chroma.
    fn bits(&self, coefficients: &[Vec<Block>]) -> [u64; 2] {
        let mut bits = [0; 2];
        for (bits, part) in bits.iter_mut().zip(self.parts) {
            *bits = part.grid(self.original).all_bits(&coefficients[part.planes.clone()]);
        }
        bits
    }

    /// Bits and PSNRs, with the errors that were measured last.
    fn report(&self, bits: [u64; 2]) -> CoefficientReport {
        let count = self.original.planes().len();
        let psnrs = |errors: PlaneErrors| {
            std::array::from_fn(|p| if p < count { psnr(errors[p], 8) } else { 0.0 })
        };
        CoefficientReport {
            bits: bits.iter().sum(),
            psnr_decoded: psnrs(self.decoded),
            psnr_filtered: psnrs(self.filtered),
        }
    }

    /// The stage of a part's planes.
    fn stage(
        &self,
        part: &Part,
        layers: Vec<PreparedLayer>,
        coefficients: &[Vec<Block>],
    ) -> Result<Stage<'_>> {
        let range = part.planes.clone();
        let mut blocks = alloc::try_with_capacity(2)?;
        for plane in &coefficients[range.clone()] {
            blocks.push(alloc::try_concat(&[plane])?);
        }
        let mut decoded = alloc::try_with_capacity(2)?;
        for plane in &self.planes[range.clone()] {
            decoded.push(plane.try_clone()?);
        }
        let task = Task {
            grid: part.grid(self.original),
            originals: alloc::try_concat(&[&self.original.planes()[range.clone()]])?,
            luma: (range.start > 0).then_some(&self.planes[0]),
            shape: (self.original.layout(), self.original.width(), self.original.height()),
            layers,
            threads: self.settings.threads,
            level: self.level,
        };
        Stage::new(task, blocks, decoded)
    }

    /// Where each plane's coefficients shall be; `None` if the host ended it.
    fn targets(
        &self,
        prepared: Prepared,
        coefficients: &[Vec<Block>],
        progress: &mut Throttle<'_>,
    ) -> Result<Option<Vec<Vec<Target>>>> {
        let mut all = alloc::try_with_capacity(3)?;
        for (part, layers) in self.parts.iter().zip([prepared.luma, prepared.chroma]) {
            let mut stage = self.stage(part, layers, coefficients)?;
            let units = [1.0; 3];
            let weights = Weights { units, decoded: self.settings.decoded_weight, lambda: 0.0 };
            let from = if all.is_empty() { 0.0 } else { LUMA };
            let targets = Search::new(&mut stage, weights)?.targets(&mut || progress.poll(from))?;
            let Some(targets) = targets else { return Ok(None) };
            all.extend(targets);
        }
        Ok(Some(all))
    }

    /// Better coefficients and their bits, with their errors in `self`; `None` if none were found.
    fn search(
        &mut self,
        prepared: Prepared,
        coefficients: &[Vec<Block>],
        bits: [u64; 2],
        progress: &mut Throttle<'_>,
    ) -> Result<Option<Found>> {
        let coded_bytes = bits.iter().sum::<u64>().div_ceil(8);
        let rate = Rate { coded_bytes, ..Rate::default() };
        // Errors count with more weight in all where the decoded picture's do as well.
        let errors = 1.0 + self.settings.decoded_weight;
        let lambda = self.settings.strength * errors * rate.slope(1)? / 8.0;
        let per_sample = |errors: PlaneErrors| {
            let slopes = self.distortion.slopes(errors);
            let samples = |p: usize| {
                self.original.planes().get(p).map_or(1, |p| p.width() * p.height()) as f64
            };
            [0, 1, 2].map(|p| slopes[p] / samples(p))
        };
        let (behind, before) = (per_sample(self.filtered), per_sample(self.decoded));
        let samples = self.original.width() * self.original.height();
        let budget = budget(self.settings.effort, samples);
        let mut new = alloc::try_with_capacity(3)?;
        let (mut decoded, mut filtered, mut new_bits) = (self.decoded, self.filtered, bits);
        let networks = [prepared.luma, prepared.chroma];
        for ((part, layers), new_bits) in self.parts.iter().zip(networks).zip(&mut new_bits) {
            let range = part.planes.clone();
            if !progress.go_on {
                for plane in &coefficients[range] {
                    new.push(alloc::try_concat(&[plane])?);
                }
                continue;
            }
            let is_luma = range.start == 0;
            let mut stage = self.stage(part, layers, coefficients)?;
            let weights = Weights {
                units: std::array::from_fn(|i| behind[(range.start + i).min(2)]),
                decoded: self.settings.decoded_weight,
                lambda,
            };
            let start = (START * lambda, &before[range.clone()]);
            let (budget, from, length) = match (is_luma, self.parts.len()) {
                (true, 1) => (budget, 0.0, 1.0),
                (true, _) => (budget, 0.0, LUMA),
                (false, _) => (budget / 2, LUMA, 1.0 - LUMA),
            };
            let mut go_on = |part| progress.poll(SEARCH * (from + length * part));
            let best = Search::new(&mut stage, weights)?.run(start, budget, &mut go_on)?;
            let Some(best) = best else {
                // Ended: it stays as it came.
                new.extend(stage.into_parts().0);
                continue;
            };
            for (i, p) in range.clone().enumerate() {
                let samples = (stage.grid.width * stage.grid.height) as f64;
                decoded.0[p] = best.decoded[i] / samples;
                filtered.0[p] = best.filtered[i] / samples;
            }
            *new_bits = best.bits;
            if is_luma && progress.go_on {
                // Chroma's network looks at it.
                stage.set_blocks(&best.blocks);
                let planes = stage.into_parts().1;
                self.planes.iter_mut().zip(planes).for_each(|(old, plane)| *old = plane);
            }
            new.extend(best.blocks);
        }
        let cost = |bits: [u64; 2], decoded: PlaneErrors, filtered: PlaneErrors| {
            let samples = |p: usize| {
                self.original.planes().get(p).map_or(0, |p| p.width() * p.height()) as f64
            };
            let error = |p: usize| {
                behind[p] * samples(p) * (filtered[p] + self.settings.decoded_weight * decoded[p])
            };
            (0..3).map(error).sum::<f64>() + lambda * bits.iter().sum::<u64>() as f64
        };
        if cost(new_bits, decoded, filtered) >= cost(bits, self.decoded, self.filtered) {
            return Ok(None);
        }
        (self.decoded, self.filtered) = (decoded, filtered);
        Ok(Some((new, new_bits)))
    }
}

/// Passes for a picture of `samples` luma samples: an effort's for up to twice as many as 768×512
/// have, a twelfth of them less for each further doubling, down to half.
fn budget(effort: u8, samples: usize) -> u32 {
    const USUAL: usize = 768 * 512;
    let passes = EFFORTS[usize::from(effort) - 1];
    let doublings = (samples / USUAL).checked_ilog2().unwrap_or(0).min(6);
    passes - passes * doublings / 12
}

/// A picture of these planes.
fn picture(layout: Layout, planes: &[Samples]) -> Result<Picture<'_>> {
    let mut all = [Plane::EMPTY; 3];
    for (plane, samples) in all.iter_mut().zip(planes) {
        *plane = samples.plane()?;
    }
    Picture::new(layout, &all[..layout.planes()])
}

/// Tells the host how far it is, not too often, and asks whether to go on.
struct Throttle<'a> {
    progress: &'a mut dyn FnMut(f64) -> bool,
    told: Instant,
    go_on: bool,
}

impl<'a> Throttle<'a> {
    /// Time between two reports.
    const PAUSE: Duration = Duration::from_millis(20);

    fn new(progress: &'a mut dyn FnMut(f64) -> bool) -> Self {
        let go_on = progress(0.0);
        Self { progress, told: Instant::now(), go_on }
    }

    fn tell(&mut self, fraction: f64) -> bool {
        self.go_on = self.go_on && (self.progress)(fraction);
        self.told = Instant::now();
        self.go_on
    }

    fn poll(&mut self, fraction: f64) -> bool {
        self.go_on && (self.told.elapsed() < Self::PAUSE || self.tell(fraction))
    }
}
