//! Pictures measured through the integer filter that decoders run.

use super::progress::Progress;
use super::Pair;
use crate::adapt::distortion::{Distortion, PlaneErrors};
use crate::codec::Codec;
use crate::cpu::CpuLevel;
use crate::filter::Filter;
use crate::kernels::FULL_STRENGTH;
use crate::network::update::Update;
use crate::network::weights::Weights;
use crate::network::{Model, Prepared};
use crate::picture::{Picture, PictureMut, PictureType, Plane, PlaneMut, Sample};
use crate::util::alloc;
use crate::{Error, Result};

/// The pictures of an encode, and how they are measured.
pub(super) struct Measure<'a, S> {
    /// The pictures that share the payload.
    pub pictures: &'a [Pair<'a, S>],
    /// How errors are weighed.
    pub distortion: Distortion,
    /// Threads of the filter.
    pub threads: usize,
    /// Highest instruction set of the filter.
    pub level: CpuLevel,
    /// Errors of the decoded pictures; when canceled, of the first ones, and then only these are
    /// measured.
    pub unfiltered: Vec<PlaneErrors>,
}

impl<'a, S: Sample> Measure<'a, S> {
    /// Measures the decoded pictures; when canceled, the first ones.
    pub fn new(
        pictures: &'a [Pair<'a, S>],
        distortion: Distortion,
        threads: usize,
        level: CpuLevel,
        progress: &mut Progress<'_>,
    ) -> Self {
        let errors = |(i, p): (usize, &Pair<'_, S>)| {
            let go_on = i == 0 || progress.measuring(0.0);
            go_on.then(|| PlaneErrors::between(&p.original, &p.decoded))
        };
        let unfiltered = pictures.iter().enumerate().map_while(errors).collect();
        Self { pictures, distortion, threads, level, unfiltered }
    }

    /// Mean cost of pictures, in dB.
    pub fn cost(&self, errors: &[PlaneErrors]) -> f64 {
        errors.iter().map(|e| self.distortion.cost(*e)).sum::<f64>() / errors.len() as f64
    }

    /// Number of a picture's class of types.
    pub fn class(&self, picture: usize) -> usize {
        self.pictures[picture].decoded.picture_type().class()
    }

    /// Errors after filtering; pictures that `codec` leaves as they are have those of `unfiltered`.
    /// `go_on` gets the part of the pictures that are done and returns whether to go on; `None` if
    /// not.
    pub fn filtered(
        &self,
        model: &Model,
        codec: &Codec,
        update: Option<&Update>,
        go_on: &mut dyn FnMut(f64) -> bool,
    ) -> Result<Option<Vec<PlaneErrors>>> {
        let weights = Weights::new(model, update)?;
        let mut filters = [None, None, None];
        let mut all = Vec::with_capacity(self.unfiltered.len());
        for (pair, unfiltered) in self.pictures.iter().zip(&self.unfiltered) {
            let class = pair.decoded.picture_type().class();
            let Some(condition) =
                codec.condition(pair.decoded.layout(), PictureType::CLASSES[class])
            else {
                all.push(*unfiltered);
                continue;
            };
            if filters[class].is_none() {
                let prepared = Prepared::with_weights(model, condition, update, &weights)?;
                filters[class] = Some(Filter::new(&prepared, self.level)?);
            }
            let filter = filters[class].as_ref().ok_or(Error::Internal)?;
            let done = all.len() as f64 / self.pictures.len() as f64;
            match self.through(filter, pair, &mut || go_on(done))? {
                Some(errors) => all.push(errors),
                None => return Ok(None),
            }
        }
        Ok(Some(all))
    }

    /// Errors of a decoded picture through `filter`; `None` if `go_on` ended it.
    pub fn through(
        &self,
        filter: &Filter,
        pair: &Pair<'_, S>,
        go_on: &mut dyn FnMut() -> bool,
    ) -> Result<Option<PlaneErrors>> {
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
        let target = PictureMut::with_depth(layout, depth, target)?;
        if !filter.picture_while(decoded, target, self.threads, FULL_STRENGTH, go_on)? {
            return Ok(None);
        }
        let planes = buffers.iter().take(layout.planes()).enumerate().map(|(p, samples)| {
            let (width, height) = size(p);
            Plane::new(samples, width * size_of::<S>(), width, height)
        });
        let planes = planes.collect::<Result<Vec<_>>>()?;
        let filtered = Picture::with_depth(layout, depth, &planes)?;
        Ok(Some(PlaneErrors::between(&pair.original, &filtered)))
    }

    /// The codec without the strengths of those classes of pictures whose mean is not better than
    /// unfiltered, and the errors that this leaves.
    pub fn without_losses(
        &self,
        codec: &Codec,
        mut errors: Vec<PlaneErrors>,
    ) -> (Codec, Vec<PlaneErrors>) {
        let mut codec = codec.clone();
        if let Codec::Hevc { qp } = &mut codec {
            for (class, qp) in qp.iter_mut().enumerate() {
                let members = || (0..errors.len()).filter(|i| self.class(*i) == class);
                let cost = |errors: &[PlaneErrors], i: usize| self.distortion.cost(errors[i]);
                let change: f64 =
                    members().map(|i| cost(&errors, i) - cost(&self.unfiltered, i)).sum();
                if change >= 0.0 {
                    *qp = 0;
                    for i in members().collect::<Vec<_>>() {
                        errors[i] = self.unfiltered[i];
                    }
                }
            }
        }
        (codec, errors)
    }
}
