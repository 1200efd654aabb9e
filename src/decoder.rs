//! The decoder: from a payload and a decoded picture to a better picture. Integers only.

use crate::cpu::CpuLevel;
use crate::filter::{self, Filter};
use crate::hints::Hints;
use crate::models;
use crate::network::{Instance, Model};
use crate::payload::{self, Mode, ScaleBias};
use crate::picture::{Layout, Picture, PictureMut, Sample};
use crate::{Error, Result};

/// Settings of a [`Decoder`].
#[derive(Clone, Copy, Debug)]
pub struct DecoderSettings {
    /// Threads of [`Decoder::filter`], at least 1.
    pub threads: usize,
    /// Accept a payload without comparing its binding.
    pub skip_binding: bool,
}

impl Default for DecoderSettings {
    fn default() -> Self {
        Self { threads: logical_cores(), skip_binding: false }
    }
}

/// Logical cores that this process may use.
#[must_use]
pub fn logical_cores() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

/// Holds what a payload asks for and filters pictures with it.
pub struct Decoder {
    settings: DecoderSettings,
    level: CpuLevel,
    /// One for each layout, as [`Layout::ALL`]; none: pictures pass through.
    filters: Vec<Filter>,
}

impl Decoder {
    /// A decoder that passes pictures through.
    #[must_use]
    pub fn new(settings: DecoderSettings) -> Self {
        Self { settings, level: CpuLevel::current(), filters: Vec::new() }
    }

    /// Sets what `payload` asks for; on an error pictures pass through.
    ///
    /// # Errors
    /// [`Error::Corrupt`], [`Error::Stale`],
    /// [`Error::UnknownModel`], [`Error::TooLarge`],
    /// [`Error::Unsupported`],
    /// [`Error::InvalidArgument`] for bad hints.
    pub fn set_payload(&mut self, payload: &[u8], hints: &Hints) -> Result<Mode> {
        self.filters.clear();
        let header = payload::parse(payload)?;
        if !self.settings.skip_binding {
            header.check_binding(hints.binding)?;
        }
        if header.mode == Mode::Off {
            return Ok(Mode::Off);
        }
        hints.check()?;
        let model = models::by_id(header.model)?;
        let update = match header.mode {
            Mode::Off | Mode::Base => None,
            Mode::Update => {
                Some(payload::update::read(header.body, &model.channels(), &model.contexts)?)
            }
        };
        self.filters = self.prepare(hints, |_| Ok(model), update.as_ref())?;
        Ok(header.mode)
    }

    /// Sets the codec's default base models.
    ///
    /// # Errors
    /// [`Error::InvalidArgument`] for bad hints.
    pub fn set_base(&mut self, hints: &Hints) -> Result {
        self.filters.clear();
        hints.check()?;
        let model = |layout| models::default_for(&hints.codec, layout);
        self.filters = self.prepare(hints, model, None)?;
        Ok(())
    }

    /// A filter for each layout: which one pictures have is not known yet.
    fn prepare(
        &self,
        hints: &Hints,
        model: impl Fn(Layout) -> Result<&'static Model>,
        update: Option<&ScaleBias>,
    ) -> Result<Vec<Filter>> {
        let filter = |layout| {
            let instance = Instance::new(model(layout)?, hints.condition(layout)?, update)?;
            Ok(Filter::new(instance, self.level))
        };
        Layout::ALL.into_iter().map(filter).collect()
    }

    /// Pictures pass through from now on.
    pub fn set_off(&mut self) {
        self.filters.clear();
    }

    /// Filters, or copies, a whole picture with the decoder's threads.
    ///
    /// # Errors
    /// [`Error::InvalidArgument`] if the pictures' shapes differ.
    pub fn filter<S: Sample>(&self, input: &Picture<'_, S>, output: PictureMut<'_, S>) -> Result {
        if output.height() != input.height() {
            return Err(Error::InvalidArgument);
        }
        match self.filters.get(input.layout() as usize) {
            Some(f) => f.picture(input, output, self.settings.threads),
            None => filter::copy_band(input, 0, output),
        }
    }

    /// Filters, or copies, the rows from the even luma row `first_row` on that `output` has room
    /// for, on the calling thread.
    ///
    /// # Errors
    /// [`Error::InvalidArgument`] as for
    /// [`Filter::band`](crate::filter::Filter::band).
    pub fn filter_band<S: Sample>(
        &self,
        input: &Picture<'_, S>,
        first_row: usize,
        output: PictureMut<'_, S>,
    ) -> Result {
        match self.filters.get(input.layout() as usize) {
            Some(f) => f.band(input, first_row, output),
            None => filter::copy_band(input, first_row, output),
        }
    }
}
