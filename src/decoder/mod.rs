//! The decoder: from a payload and a decoded picture to a better picture. Integers only.

mod copies;
pub(crate) mod open;

pub use open::{probe, Probe};

use crate::carriage::nal;
use crate::codec::{Codec, CodecParams};
use crate::cpu::{logical_cores, CpuLevel};
use crate::filter::{self, Filter};
use crate::kernels::FULL_STRENGTH;
use crate::models::{self, ModelSize};
use crate::network::update::Update;
use crate::network::weights::Weights;
use crate::network::{Condition, Model, Prepared};
use crate::payload::{self, Mode};
use crate::picture::{Picture, PictureMut, PictureType, Sample};
use crate::util::alloc;
use crate::util::once::TryOnce;
use crate::{Error, Result};
use copies::Copies;

/// Most payloads of one picture that are tried, the last ones. Each may cost as much as the filter
/// on a small picture, and a hostile stream may have millions in one access unit.
pub const MAX_TRIED: usize = 16;

/// Settings of a [`Decoder`].
#[derive(Clone, Copy, Debug)]
pub struct DecoderSettings {
    /// Threads of [`Decoder::filter`], at least 1.
    pub threads: usize,
    /// Accept a payload without comparing its binding.
    pub skip_binding: bool,
    /// Size of the base models of [`Decoder::set_mode`]; payloads name theirs.
    pub model_size: ModelSize,
}

impl Default for DecoderSettings {
    fn default() -> Self {
        Self { threads: logical_cores(), skip_binding: false, model_size: ModelSize::default() }
    }
}

/// Holds what a payload asks for and filters pictures with it.
pub struct Decoder {
    settings: DecoderSettings,
    strength: u8,
    level: CpuLevel,
    /// For each layout of [`Condition::LAYOUTS`] one for each class of picture types, or one for all
    /// where the codec has no types; none: pictures pass through.
    slots: Vec<Vec<Slot>>,
    /// Payloads of [`Decoder::set_messages`] that are no news where they come again.
    copies: Copies,
}

/// How pictures of one condition are filtered; not at all without a prepared model.
struct Slot {
    prepared: Option<Prepared>,
    /// Made when such a picture comes first.
    filter: TryOnce<Filter>,
}

impl Decoder {
    /// A decoder that passes pictures through.
    #[must_use]
    pub fn new(settings: DecoderSettings) -> Self {
        Self {
            settings,
            strength: FULL_STRENGTH,
            level: CpuLevel::current(),
            slots: Vec::new(),
            copies: Copies::new(),
        }
    }

    /// Sets what `payload` asks for; on an error pictures pass through. For video only the codec and
    /// the binding of `params` are used: the payload brings the QPs.
    ///
    /// # Errors
    /// [`Error::Corrupt`], [`Error::Stale`] (also if it is for another codec),
    /// [`Error::UnknownModel`], [`Error::TooLarge`], [`Error::Unsupported`],
    /// [`Error::InvalidArgument`] for parameters out of range, [`Error::OutOfMemory`].
    pub fn set_payload(&mut self, payload: &[u8], params: &CodecParams) -> Result<Mode> {
        self.slots.clear();
        let header = payload::parse(payload)?;
        if !self.settings.skip_binding {
            header.check_binding(params.binding)?;
        }
        if header.mode == Mode::Off {
            return Ok(Mode::Off);
        }
        params.codec.check()?;
        let opened = open::open(&header, Some(params.codec.kind()))?;
        let codec = match opened.strengths {
            Some(qp) => Codec::Hevc { qp },
            None => params.codec.clone(),
        };
        self.slots = prepare(&codec, opened.model, opened.update.as_ref())?;
        Ok(header.mode)
    }

    /// Sets filtering without a payload: [`Mode::Base`] for the base model that fits the codec and,
    /// for JPEG, the luma table, [`Mode::Off`] to let pictures pass through. On an error they pass
    /// through as well.
    ///
    /// # Errors
    /// [`Error::InvalidArgument`] for [`Mode::Update`] and for parameters out of range,
    /// [`Error::UnknownModel`] if there is none for the codec, [`Error::OutOfMemory`].
    pub fn set_mode(&mut self, mode: Mode, params: &CodecParams) -> Result {
        self.set_off();
        match mode {
            Mode::Off => Ok(()),
            Mode::Base => self.set_base(params),
            Mode::Update => Err(Error::InvalidArgument),
        }
    }

    fn set_base(&mut self, params: &CodecParams) -> Result {
        params.codec.check()?;
        let model = models::fitting(&params.codec, self.settings.model_size)?;
        self.slots = prepare(&params.codec, model, None)?;
        Ok(())
    }

    /// Takes the messages `user_data_unregistered` that came with a picture of a video, in output
    /// order, each beginning with its UUID, before the picture is filtered (docs/payload.md,
    /// Video).
    ///
    /// A payload among them that is bound to the picture is set: the last one if there are several.
    /// Only the last [`MAX_TRIED`] are looked at. Without any the decoder stays as it is, but for
    /// an IRAP picture, where what came before ends.
    ///
    /// On other pictures a copy that is not bound to them counts as none: a payload that came, byte
    /// for byte, with an IRAP picture before, or beside a good one. Some file formats keep the first
    /// message of a stream, and some decoders hand that out with every picture.
    ///
    /// Returns what was set, or `None` if no message is a payload.
    ///
    /// # Errors
    /// If no payload is good those of [`set_payload`](Self::set_payload) for the last one;
    /// [`Error::OutOfMemory`], after which the same messages may be set again. Pictures pass
    /// through.
    pub fn set_messages<'m, S: Sample>(
        &mut self,
        picture: &Picture<'_, S>,
        messages: impl DoubleEndedIterator<Item = &'m [u8]>,
    ) -> Result<Option<Mode>> {
        let irap = picture.picture_type() == PictureType::Irap;
        if irap {
            self.set_off();
        }
        // A message with nothing behind its UUID has no payload (docs/carriage-nal.md).
        let payloads = messages.rev().filter_map(nal::payload_of).filter(|p| !p.is_empty());
        let mut last = [&[][..]; MAX_TRIED];
        let count = last.iter_mut().zip(payloads).map(|(to, payload)| *to = payload).count();
        let last = &last[..count];
        if last.is_empty() {
            return Ok(None);
        }
        let params = CodecParams {
            codec: Codec::Hevc { qp: [0; 3] },
            binding: payload::binding::of_picture(picture),
        };
        let mut good = None;
        let mut result = Ok(None);
        for payload in last {
            if !irap && self.is_copy(payload, params.binding) {
                continue;
            }
            match self.set_payload(payload, &params) {
                Ok(mode) => {
                    good = Some(payload);
                    result = Ok(Some(mode));
                    break;
                }
                // It may be the one, so none before it is.
                Err(Error::OutOfMemory) => return Err(Error::OutOfMemory),
                Err(error) => result = result.and(Err(error)),
            }
        }
        for payload in last.iter().rev() {
            // A carrier that is not IRAP may come again with wrong samples, after a seek: its
            // payload is no copy then.
            let beside = good.is_some_and(|good| good != payload);
            if irap || beside || self.copies.knows(payload) {
                self.copies.remember(payload);
            }
        }
        result
    }

    /// Whether a payload came before and is not for the picture of `binding`. Where no binding is
    /// looked at, all that came before are copies; damaged ones never are.
    fn is_copy(&self, payload: &[u8], binding: u64) -> bool {
        let elsewhere = match payload::parse(payload) {
            Ok(header) => self.settings.skip_binding || header.check_binding(binding).is_err(),
            Err(error) => error == Error::Unsupported,
        };
        elsewhere && self.copies.knows(payload)
    }

    /// Sets how much of the correction pictures get, whatever else is set: `strength` /
    /// [`FULL_STRENGTH`] of it, rounded for each sample. It begins with all, which is what the
    /// encoder measured.
    ///
    /// # Errors
    /// [`Error::InvalidArgument`] above [`FULL_STRENGTH`].
    pub fn set_strength(&mut self, strength: u8) -> Result {
        if strength > FULL_STRENGTH {
            return Err(Error::InvalidArgument);
        }
        self.strength = strength;
        Ok(())
    }

    /// Pictures pass through from now on.
    pub(crate) fn set_off(&mut self) {
        self.slots.clear();
    }

    /// The filter of pictures like `input`; `None`: they pass through.
    fn filter_of<S: Sample>(&self, input: &Picture<'_, S>) -> Result<Option<&Filter>> {
        let layout = Condition::known_layout(input.layout()) as usize;
        let slots = self.slots.get(layout).map_or(&[][..], |slots| slots);
        let slot = slots.get(input.picture_type().class()).or(slots.last());
        let Some(slot) = slot else { return Ok(None) };
        let Some(prepared) = &slot.prepared else { return Ok(None) };
        slot.filter.get_or_make(|| Filter::new(prepared, self.level)).map(Some)
    }

    /// Filters, or copies, a whole picture with the decoder's threads. The output may be deeper than
    /// the input: what rounding would have taken from the correction is in the bits below.
    ///
    /// # Errors
    /// [`Error::InvalidArgument`] if the pictures' shapes differ, or the output is less deep;
    /// [`Error::OutOfMemory`].
    pub fn filter<S: Sample, T: Sample>(
        &self,
        input: &Picture<'_, S>,
        output: PictureMut<'_, T>,
    ) -> Result {
        if output.height() != input.height() {
            return Err(Error::InvalidArgument);
        }
        match self.filter_of(input)? {
            Some(f) => f.picture(input, output, self.settings.threads, self.strength),
            None => filter::copy_band(input, 0, output),
        }
    }

    /// Filters, or copies, the rows from the even luma row `first_row` on that `output` has room
    /// for, on the calling thread.
    ///
    /// # Errors
    /// Those of [`Filter::band`](crate::filter::Filter::band).
    pub fn filter_band<S: Sample, T: Sample>(
        &self,
        input: &Picture<'_, S>,
        first_row: usize,
        output: PictureMut<'_, T>,
    ) -> Result {
        match self.filter_of(input)? {
            Some(f) => f.band(input, first_row, output, self.strength),
            None => filter::copy_band(input, first_row, output),
        }
    }
}

/// For each layout and class of picture types: which ones come is not known yet.
fn prepare(codec: &Codec, model: &Model, update: Option<&Update>) -> Result<Vec<Vec<Slot>>> {
    let classes = match codec {
        Codec::Jpeg { .. } => &PictureType::CLASSES[..1],
        Codec::Hevc { .. } => &PictureType::CLASSES,
    };
    let weights = Weights::new(model, update)?;
    let slots = |layout| {
        let slot = |class: &PictureType| {
            let condition = codec.condition(layout, *class);
            let prepared = condition
                .map(|c| Prepared::with_weights(model, c, update, &weights))
                .transpose()?;
            Ok(Slot { prepared, filter: TryOnce::new() })
        };
        alloc::try_collect_ok(classes.len(), classes.iter().map(slot))
    };
    alloc::try_collect_ok(Condition::LAYOUTS.len(), Condition::LAYOUTS.into_iter().map(slots))
}
