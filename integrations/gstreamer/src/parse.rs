//! `sidelightparse`: notes on each coded picture what `sidelight` needs to know of it.

use crate::message::Message;
use gst::glib;
use gst::prelude::*;
use gst::subclass::prelude::*;
use gst_base::subclass::prelude::*;
use sidelight::carriage::nal::{AccessUnit, Framing, NalCodec, Types, UUID};
use sidelight::PictureType;
use std::collections::VecDeque;
use std::sync::{LazyLock, Mutex, PoisonError};

static CAT: LazyLock<gst::DebugCategory> = LazyLock::new(|| {
    gst::DebugCategory::new(
        "sidelightparse",
        gst::DebugColorFlags::empty(),
        Some("payloads of coded pictures"),
    )
});

/// Most payloads of a picture that are handed on, the last ones: the decoder looks at no more.
const MOST: usize = 16;

/// What the caps say of the stream.
enum Stream {
    Jpeg,
    /// `period` counts IRAP pictures.
    Nal {
        codec: NalCodec,
        framing: Framing,
        types: Types,
        period: u64,
    },
}

/// The element.
#[derive(Default)]
pub struct Parse {
    stream: Mutex<Option<Stream>>,
}

impl Parse {
    fn stream_of(caps: &gst::CapsRef) -> Result<Stream, gst::LoggableError> {
        let s = caps.structure(0).ok_or_else(|| gst::loggable_error!(CAT, "no caps"))?;
        let codec = match s.name().as_str() {
            "image/jpeg" => return Ok(Stream::Jpeg),
            "video/x-h264" => NalCodec::H264,
            _ => NalCodec::Hevc,
        };
        let mut types = Types::new(codec);
        let framing = if s.get::<&str>("stream-format").ok() == Some("byte-stream") {
            Framing::AnnexB
        } else {
            let data = s.get::<gst::Buffer>("codec_data");
            let map = data.as_ref().ok().and_then(|data| data.map_readable().ok());
            let record = map.as_ref().map(|map| map.as_slice()).unwrap_or_default();
            let length = match codec {
                NalCodec::H264 => record.get(4),
                _ => {
                    read_parameter_sets(record, &mut types);
                    record.get(21)
                }
            };
            let length =
                length.ok_or_else(|| gst::loggable_error!(CAT, "codec_data is too short"))?;
            Framing::LengthPrefixed((length & 3) + 1)
        };
        Ok(Stream::Nal { codec, framing, types, period: 0 })
    }

    /// What is to be noted on a picture; `None` where its bytes can't be read, which is the decoder's to tell.
    fn message(&self, buffer: &gst::BufferRef) -> Option<Message> {
        let mut stream = self.stream.lock().unwrap_or_else(PoisonError::into_inner);
        let (codec, framing, types, irap_period) = match stream.as_mut()? {
            Stream::Jpeg => {
                let file = buffer.copy_region(gst::BufferCopyFlags::MEMORY, ..).ok()?;
                return Some(Message::Jpeg(file));
            }
            Stream::Nal { codec, framing, types, period } => (*codec, *framing, types, period),
        };
        let map = buffer.map_readable().ok()?;
        let coded = types.read(framing, &map);
        let unit = match AccessUnit::new(codec, framing, &map) {
            Ok(unit) => unit,
            Err(error) => {
                gst::debug!(CAT, imp = self, "access unit: {error}");
                return None;
            }
        };
        let (picture_type, period) = if unit.is_irap() {
            *irap_period += 1;
            (PictureType::Irap, *irap_period)
        } else {
            let coded = coded?;
            (coded.picture_type, irap_period.saturating_sub(u64::from(coded.leading)))
        };
        let mut messages = VecDeque::new();
        let read = unit.each_payload(|payload| {
            if messages.len() == MOST {
                messages.pop_front();
            }
            messages.push_back(glib::Bytes::from_owned([&UUID[..], payload].concat()));
            Ok(())
        });
        if let Err(error) = read {
            gst::debug!(CAT, imp = self, "messages: {error}");
        }
        Some(Message::Video { picture_type, period, messages: messages.into() })
    }
}

/// Those of hvcC (ISO/IEC 14496-15): arrays of NAL units behind a head of 22 bytes.
fn read_parameter_sets(record: &[u8], types: &mut Types) -> Option<()> {
    let (&arrays, mut rest) = record.get(22..)?.split_first()?;
    for _ in 0..arrays {
        let (head, after) = rest.split_at_checked(3)?;
        rest = after;
        for _ in 0..u16::from_be_bytes([head[1], head[2]]) {
            let (length, after) = rest.split_at_checked(2)?;
            let length = usize::from(u16::from_be_bytes([length[0], length[1]]));
            let (nal, after) = after.split_at_checked(length)?;
            types.nal(nal);
            rest = after;
        }
    }
    Some(())
}

#[glib::object_subclass]
impl ObjectSubclass for Parse {
    const NAME: &'static str = "GstSidelightParse";
    type Type = super::parse::Element;
    type ParentType = gst_base::BaseTransform;
}

impl ObjectImpl for Parse {}
impl GstObjectImpl for Parse {}

impl ElementImpl for Parse {
    fn metadata() -> Option<&'static gst::subclass::ElementMetadata> {
        static METADATA: LazyLock<gst::subclass::ElementMetadata> = LazyLock::new(|| {
            gst::subclass::ElementMetadata::new(
                "Sidelight payload reader",
                "Codec/Parser/Converter/Video/Image",
                "Hands payloads of coded pictures through the decoder to the element sidelight",
                "The Sidelight developers",
            )
        });
        Some(&METADATA)
    }

    fn pad_templates() -> &'static [gst::PadTemplate] {
        static TEMPLATES: LazyLock<Vec<gst::PadTemplate>> = LazyLock::new(|| {
            let nal = |name, formats: [&str; 3]| {
                gst::Structure::builder(name)
                    .field("stream-format", gst::List::new(formats))
                    .field("alignment", "au")
                    .build()
            };
            let caps: gst::Caps = [
                nal("video/x-h265", ["byte-stream", "hvc1", "hev1"]),
                nal("video/x-h264", ["byte-stream", "avc", "avc3"]),
                gst::Structure::new_empty("image/jpeg"),
            ]
            .into_iter()
            .collect();
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

impl BaseTransformImpl for Parse {
    const MODE: gst_base::subclass::BaseTransformMode =
        gst_base::subclass::BaseTransformMode::AlwaysInPlace;
    const PASSTHROUGH_ON_SAME_CAPS: bool = false;
    const TRANSFORM_IP_ON_PASSTHROUGH: bool = false;

    fn set_caps(&self, caps: &gst::Caps, _: &gst::Caps) -> Result<(), gst::LoggableError> {
        let mut stream = Self::stream_of(caps)?;
        let mut current = self.stream.lock().unwrap_or_else(PoisonError::into_inner);
        if let (Stream::Nal { period, .. }, Some(Stream::Nal { period: last, .. })) =
            (&mut stream, &*current)
        {
            *period = *last;
        }
        *current = Some(stream);
        Ok(())
    }

    fn transform_ip(
        &self,
        buffer: &mut gst::BufferRef,
    ) -> Result<gst::FlowSuccess, gst::FlowError> {
        if let Some(message) = self.message(buffer) {
            if let Err(error) = message.attach(buffer) {
                gst::warning!(CAT, imp = self, "{error}");
            }
        }
        Ok(gst::FlowSuccess::Ok)
    }
}

glib::wrapper! {
    /// `sidelightparse`.
    pub struct Element(ObjectSubclass<Parse>)
        @extends gst_base::BaseTransform, gst::Element, gst::Object;
}

/// Registers the element.
pub fn register(plugin: &gst::Plugin) -> Result<(), glib::BoolError> {
    gst::Element::register(Some(plugin), "sidelightparse", gst::Rank::NONE, Element::static_type())
}
