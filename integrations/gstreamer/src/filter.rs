//! `sidelight`: filters decoded pictures as their payloads ask, or by the base model.

use crate::message::Message;
use gst::glib;
use gst::prelude::*;
use gst::subclass::prelude::*;
use gst_base::subclass::prelude::*;
use gst_video::prelude::*;
use gst_video::subclass::prelude::*;
use gst_video::VideoFormat;
use sidelight::carriage::jpeg;
use sidelight::{
    Codec, CodecParams, Decoder, DecoderSettings, Error, Layout, ModelSize, Picture, PictureMut,
    PictureType, Plane, PlaneMut, Sample,
};
use std::sync::{LazyLock, Mutex, MutexGuard, PoisonError};

const FORMATS: [(VideoFormat, Layout); 10] = [
    (VideoFormat::Gray8, Layout::I400),
    (VideoFormat::I420, Layout::I420),
    (VideoFormat::Y42b, Layout::I422),
    (VideoFormat::Y444, Layout::I444),
    (VideoFormat::I42010le, Layout::I420),
    (VideoFormat::I42210le, Layout::I422),
    (VideoFormat::Y44410le, Layout::I444),
    (VideoFormat::I42012le, Layout::I420),
    (VideoFormat::I42212le, Layout::I422),
    (VideoFormat::Y44412le, Layout::I444),
];

/// What decides how pictures are filtered.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, glib::Enum)]
#[enum_type(name = "GstSidelightMode")]
pub enum Mode {
    /// The payloads; pictures without one pass through.
    #[default]
    #[enum_value(name = "As the payloads say", nick = "payload")]
    Payload,
    /// The base model: JPEG's by the file's tables, HEVC's by `qp`.
    #[enum_value(name = "The base model, whatever payloads say", nick = "base")]
    Base,
    /// Nothing: pictures pass through.
    #[enum_value(name = "Not at all", nick = "off")]
    Off,
}

/// Size of the base model in mode `base`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, glib::Enum)]
#[enum_type(name = "GstSidelightModelSize")]
pub enum Size {
    /// For video on small machines.
    #[enum_value(name = "Small", nick = "small")]
    Small,
    /// The default.
    #[default]
    #[enum_value(name = "Medium", nick = "medium")]
    Medium,
    /// For stills.
    #[enum_value(name = "Large", nick = "large")]
    Large,
}

#[derive(Clone, Copy, Default)]
struct Settings {
    mode: Mode,
    qp: u8,
    model_size: Size,
    threads: u32,
    skip_binding: bool,
    /// How often they changed.
    changes: u64,
}

#[derive(Default)]
struct State {
    /// Of the settings that it is for.
    changes: u64,
    decoder: Option<Decoder>,
    /// In mode `base` without a JPEG: whether the decoder is set.
    base: bool,
    /// Of the IRAP picture that came last. Decoders drop pictures, behind a seek or when late: what is set
    /// is for no picture of another period.
    period: u64,
    /// Whether a JPEG's planes were looked at.
    checked: bool,
    /// Whether the absence of `sidelightparse`, or of a QP, was told.
    told: bool,
    /// What was wrong with the payload that was told last.
    refused: Option<Error>,
}

/// The element.
#[derive(Default)]
pub struct Filter {
    settings: Mutex<Settings>,
    state: Mutex<State>,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Filter {
    fn settings(&self) -> Settings {
        *lock(&self.settings)
    }

    fn decoder(settings: Settings) -> Decoder {
        let default = DecoderSettings::default();
        Decoder::new(DecoderSettings {
            threads: if settings.threads == 0 {
                default.threads
            } else {
                settings.threads as usize
            },
            skip_binding: settings.skip_binding,
            model_size: match settings.model_size {
                Size::Small => ModelSize::Small,
                Size::Medium => ModelSize::Medium,
                Size::Large => ModelSize::Large,
            },
        })
    }

    /// Tells the application; the pipeline goes on. Handlers may set properties: no lock is held here.
    fn warn(&self, text: &str) {
        gst::element_imp_warning!(self, gst::StreamError::Decode, ["{text}"]);
    }

    /// Sets the decoder for a picture, and says whether to filter it; what is to be told goes to `told`.
    fn choose<S: Sample>(
        state: &mut State,
        settings: Settings,
        message: Option<Message>,
        picture: &Picture<'_, S>,
        told: &mut Vec<String>,
    ) -> bool {
        let decoder = state.decoder.get_or_insert_with(|| Self::decoder(settings));
        let result = match (settings.mode, message) {
            (Mode::Off, _) => return false,
            (_, Some(Message::Jpeg(file))) => set_jpeg(decoder, settings.mode, &file, picture),
            (Mode::Payload, Some(Message::Video { messages, period, .. })) => {
                let set = decoder.set_messages(picture, messages.iter().map(|m| &m[..]));
                if picture.picture_type() == PictureType::Irap || matches!(set, Ok(Some(_))) {
                    state.period = period;
                } else if state.period != period && set.is_ok() {
                    return false;
                }
                set.map(|_| ())
            }
            (Mode::Base, _) if settings.qp == 0 && !state.told => {
                state.told = true;
                told.push("mode=base needs qp; pictures are unfiltered".into());
                return false;
            }
            (Mode::Base, _) if state.base => Ok(()),
            (Mode::Base, _) if settings.qp > 0 => {
                state.base = true;
                let codec = Codec::Hevc { qp: [settings.qp; 3] };
                decoder.set_mode(sidelight::Mode::Base, &CodecParams { codec, binding: 0 })
            }
            (Mode::Payload, None) if !state.told => {
                state.told = true;
                told.push(
                    "pictures come without what sidelightparse, in front of the decoder, says of them; \
                     they are unfiltered"
                        .into(),
                );
                return false;
            }
            _ => return false,
        };
        match result {
            Ok(()) => {
                state.refused = None;
                true
            }
            Err(Error::NoPayload) => false,
            Err(error) => {
                if state.refused.replace(error) != Some(error) {
                    told.push(format!("payload ignored: {error}; pictures are unfiltered"));
                }
                false
            }
        }
    }

    fn filter<S: Sample + bytemuck::Pod>(
        &self,
        layout: Layout,
        depth: u32,
        input: &gst_video::VideoFrameRef<&gst::BufferRef>,
        output: &mut gst_video::VideoFrameRef<&mut gst::BufferRef>,
    ) -> Result<(), Error> {
        let picture = view::<S>(layout, depth, input)?;
        let message = Message::of(input.buffer());
        let picture = match &message {
            Some(Message::Video { picture_type, .. }) => picture.of_type(*picture_type),
            _ => picture.of_type(PictureType::Irap),
        };
        let mut told = Vec::new();
        let result = {
            let mut state = lock(&self.state);
            let settings = self.settings();
            if state.changes != settings.changes {
                *state = State { changes: settings.changes, ..State::default() };
            }
            if let (Some(Message::Jpeg(file)), 8, false) = (&message, depth, state.checked) {
                state.checked = true;
                told.extend(check(file, &view(layout, depth, input)?).map(String::from));
            }
            let filtered = Self::choose(&mut state, settings, message, &picture, &mut told);
            Self::write(filtered.then_some(state.decoder.as_ref()).flatten(), layout, depth, &picture, output)
        };
        told.iter().for_each(|text| self.warn(text));
        result
    }

    /// Filters a picture, or copies it.
    fn write<S: Sample + bytemuck::Pod>(
        decoder: Option<&Decoder>,
        layout: Layout,
        depth: u32,
        picture: &Picture<'_, S>,
        output: &mut gst_video::VideoFrameRef<&mut gst::BufferRef>,
    ) -> Result<(), Error> {
        let passing;
        let decoder = match decoder {
            Some(decoder) => decoder,
            None => {
                passing = Decoder::new(DecoderSettings::default());
                &passing
            }
        };

        let strides: Vec<i32> = output.plane_stride().to_vec();
        let [first, second, third, _] = output.planes_data_mut();
        let mut planes = [None, None, None];
        for (i, data) in [first, second, third].into_iter().enumerate().take(layout.planes()) {
            let samples = bytemuck::try_cast_slice_mut(data).map_err(|_| Error::InvalidArgument)?;
            let (w, h) = layout.plane_size(i, picture.width(), picture.height());
            planes[i] = Some(PlaneMut::<S>::new(samples, stride(strides[i])?, w, h)?);
        }
        // A gray picture's other planes are ignored.
        let planes = planes.map(|plane| plane.map_or_else(no_plane, Ok));
        let [y, cb, cr] = planes;
        decoder.filter(picture, PictureMut::with_depth(layout, depth, [y?, cb?, cr?])?)
    }
}

/// What is to be told where a JPEG decoder's transform is not the one that models are made for.
fn check(file: &gst::Buffer, picture: &Picture<'_>) -> Option<&'static str> {
    let file = file.map_readable().ok()?;
    let difference = sidelight::check_jpeg_planes(&file, picture).ok()?;
    (difference > 1).then_some(
        "JPEGs were not decoded by the accurate integer transform: jpegdec idct-method=islow",
    )
}

/// A decoded picture's planes.
fn view<'a, S: Sample + bytemuck::Pod>(
    layout: Layout,
    depth: u32,
    frame: &'a gst_video::VideoFrameRef<&gst::BufferRef>,
) -> Result<Picture<'a, S>, Error> {
    let mut planes = Vec::with_capacity(3);
    for i in 0..layout.planes() {
        let samples = frame.plane_data(i as u32).map_err(|_| Error::InvalidArgument)?;
        let samples = bytemuck::try_cast_slice(samples).map_err(|_| Error::InvalidArgument)?;
        let (w, h) = layout.plane_size(i, frame.width() as usize, frame.height() as usize);
        planes.push(Plane::new(samples, stride(frame.plane_stride()[i])?, w, h)?);
    }
    Picture::with_depth(layout, depth, &planes)
}

fn no_plane<'a, S: Sample>() -> Result<PlaneMut<'a, S>, Error> {
    PlaneMut::new(&mut [], 0, 0, 0)
}

fn stride(bytes: i32) -> Result<usize, Error> {
    usize::try_from(bytes).map_err(|_| Error::InvalidArgument)
}

/// How a JPEG's chroma is sampled, of the samplings that decoders give as they are.
fn layout_of(info: &jpeg::JpegInfo) -> Option<Layout> {
    let factors: Vec<_> = info.components.iter().map(|c| (c.h, c.v)).collect();
    match factors[..] {
        [_] => Some(Layout::I400),
        [(2, 2), (1, 1), (1, 1)] => Some(Layout::I420),
        [(2, v), (1, w), (1, x)] if v == w && w == x => Some(Layout::I422),
        [y, cb, cr] if y == cb && cb == cr => Some(Layout::I444),
        _ => None,
    }
}

/// As the file asks; `NoPayload` where nothing is to be done.
fn set_jpeg<S: Sample>(
    decoder: &mut Decoder,
    mode: Mode,
    file: &gst::Buffer,
    picture: &Picture<'_, S>,
) -> Result<(), Error> {
    let file = file.map_readable().map_err(|_| Error::OutOfMemory)?;
    let info = jpeg::info(&file)?;
    let luma = info.luma_quant().ok_or(Error::Corrupt)?;
    let params = CodecParams {
        codec: Codec::Jpeg { luma, chroma: info.chroma_quant() },
        binding: info.binding,
    };
    let size = (picture.width(), picture.height());
    if (info.width as usize, info.height as usize) != size
        || layout_of(&info) != Some(picture.layout())
    {
        return Err(Error::Unsupported);
    }
    if mode == Mode::Base {
        return decoder.set_mode(sidelight::Mode::Base, &params);
    }
    let payload = jpeg::extract(&file)?;
    decoder.set_payload(&payload, &params).map(|_| ())
}

#[glib::object_subclass]
impl ObjectSubclass for Filter {
    const NAME: &'static str = "GstSidelight";
    type Type = Element;
    type ParentType = gst_video::VideoFilter;
}

impl ObjectImpl for Filter {
    fn properties() -> &'static [glib::ParamSpec] {
        static PROPERTIES: LazyLock<Vec<glib::ParamSpec>> = LazyLock::new(|| {
            vec![
                glib::ParamSpecEnum::builder::<Mode>("mode")
                    .nick("Mode")
                    .blurb("What decides how pictures are filtered")
                    .build(),
                glib::ParamSpecUInt::builder("qp")
                    .nick("QP")
                    .blurb("With mode=base, of a video: its mean luma QP, 1 to 51")
                    .maximum(51)
                    .build(),
                glib::ParamSpecEnum::builder::<Size>("model-size")
                    .nick("Model size")
                    .blurb("With mode=base: size of the model; payloads name theirs")
                    .build(),
                glib::ParamSpecUInt::builder("threads")
                    .nick("Threads")
                    .blurb("Threads, 0 = one for each core; pictures do not depend on it")
                    .maximum(256)
                    .build(),
                glib::ParamSpecBoolean::builder("skip-binding")
                    .nick("Skip binding")
                    .blurb("Take payloads without comparing what they are bound to")
                    .build(),
            ]
        });
        &PROPERTIES
    }

    fn set_property(&self, _id: usize, value: &glib::Value, pspec: &glib::ParamSpec) {
        let mut settings = lock(&self.settings);
        // The types are those of the specifications above.
        match pspec.name() {
            "mode" => settings.mode = value.get().unwrap_or_default(),
            "qp" => settings.qp = value.get::<u32>().unwrap_or_default() as u8,
            "model-size" => settings.model_size = value.get().unwrap_or_default(),
            "threads" => settings.threads = value.get().unwrap_or_default(),
            _ => settings.skip_binding = value.get().unwrap_or_default(),
        }
        // The state is made anew with the next picture: nobody waits for one that is being filtered.
        settings.changes += 1;
    }

    fn property(&self, _id: usize, pspec: &glib::ParamSpec) -> glib::Value {
        let settings = self.settings();
        match pspec.name() {
            "mode" => settings.mode.to_value(),
            "qp" => u32::from(settings.qp).to_value(),
            "model-size" => settings.model_size.to_value(),
            "threads" => settings.threads.to_value(),
            _ => settings.skip_binding.to_value(),
        }
    }
}

impl GstObjectImpl for Filter {}

impl ElementImpl for Filter {
    fn metadata() -> Option<&'static gst::subclass::ElementMetadata> {
        static METADATA: LazyLock<gst::subclass::ElementMetadata> = LazyLock::new(|| {
            gst::subclass::ElementMetadata::new(
                "Sidelight",
                "Filter/Effect/Video",
                "Removes coding artifacts, as a payload in the stream says or by a base model",
                "The Sidelight developers",
            )
        });
        Some(&METADATA)
    }

    fn pad_templates() -> &'static [gst::PadTemplate] {
        static TEMPLATES: LazyLock<Vec<gst::PadTemplate>> = LazyLock::new(|| {
            let caps = gst_video::VideoCapsBuilder::new()
                .format_list(FORMATS.iter().map(|&(format, _)| format))
                .build();
            [("sink", gst::PadDirection::Sink), ("src", gst::PadDirection::Src)]
                .into_iter()
                .filter_map(|(name, direction)| {
                    gst::PadTemplate::new(name, direction, gst::PadPresence::Always, &caps).ok()
                })
                .collect()
        });
        &TEMPLATES
    }
}

impl BaseTransformImpl for Filter {
    const MODE: gst_base::subclass::BaseTransformMode =
        gst_base::subclass::BaseTransformMode::NeverInPlace;
    const PASSTHROUGH_ON_SAME_CAPS: bool = false;
    const TRANSFORM_IP_ON_PASSTHROUGH: bool = false;

    fn stop(&self) -> Result<(), gst::ErrorMessage> {
        *lock(&self.state) = State::default();
        Ok(())
    }
}

impl VideoFilterImpl for Filter {
    fn transform_frame(
        &self,
        input: &gst_video::VideoFrameRef<&gst::BufferRef>,
        output: &mut gst_video::VideoFrameRef<&mut gst::BufferRef>,
    ) -> Result<gst::FlowSuccess, gst::FlowError> {
        let format = input.format();
        let Some(&(_, layout)) = FORMATS.iter().find(|(f, _)| *f == format) else {
            return Err(gst::FlowError::NotNegotiated);
        };
        let depth = input.comp_depth(0);
        let result = if depth == 8 {
            self.filter::<u8>(layout, depth, input, output)
        } else {
            self.filter::<u16>(layout, depth, input, output)
        };
        result.map(|()| gst::FlowSuccess::Ok).map_err(|error| {
            gst::element_imp_error!(self, gst::StreamError::Failed, ["sidelight: {error}"]);
            gst::FlowError::Error
        })
    }
}

glib::wrapper! {
    /// `sidelight`.
    pub struct Element(ObjectSubclass<Filter>)
        @extends gst_video::VideoFilter, gst_base::BaseTransform, gst::Element, gst::Object;
}

/// Registers the element.
pub fn register(plugin: &gst::Plugin) -> Result<(), glib::BoolError> {
    gst::Element::register(Some(plugin), "sidelight", gst::Rank::NONE, Element::static_type())
}
