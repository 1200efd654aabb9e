//! What `sidelightparse` tells `sidelight` of a picture: a meta on the coded buffer, which decoders copy to the
//! decoded one.

use sidelight::PictureType;

const VIDEO: &str = "SidelightVideoMeta";
const JPEG: &str = "SidelightJpegMeta";

/// How a picture was coded.
pub enum Message {
    /// By a video codec: its type, the number of the IRAP picture from which on it is shown, and the SEI messages
    /// with payloads, each behind its UUID.
    Video { picture_type: PictureType, period: u64, messages: Vec<gst::glib::Bytes> },
    /// As a JPEG: the whole file.
    Jpeg(gst::Buffer),
}

/// Makes the metas known, once in a process.
pub fn register() {
    // Without tags, so that decoders copy them whatever they change.
    gst::meta::CustomMeta::register(VIDEO, &[]);
    gst::meta::CustomMeta::register(JPEG, &[]);
}

const TYPES: [PictureType; 4] = [PictureType::Irap, PictureType::I, PictureType::P, PictureType::B];

impl Message {
    /// Puts it on a buffer.
    pub fn attach(self, buffer: &mut gst::BufferRef) -> Result<(), gst::glib::BoolError> {
        match self {
            Message::Video { picture_type, period, messages } => {
                let number = TYPES.iter().position(|&t| t == picture_type).unwrap_or_default();
                let mut meta = gst::meta::CustomMeta::add(buffer, VIDEO)?;
                let s = meta.mut_structure();
                s.set("picture-type", number as u32);
                s.set("period", period);
                s.set("messages", gst::Array::new(messages));
            }
            Message::Jpeg(file) => {
                gst::meta::CustomMeta::add(buffer, JPEG)?.mut_structure().set("file", file);
            }
        }
        Ok(())
    }

    /// What a buffer brings.
    pub fn of(buffer: &gst::BufferRef) -> Option<Message> {
        if let Ok(meta) = gst::meta::CustomMeta::from_buffer(buffer, JPEG) {
            return meta.structure().get("file").ok().map(Message::Jpeg);
        }
        let meta = gst::meta::CustomMeta::from_buffer(buffer, VIDEO).ok()?;
        let s = meta.structure();
        let picture_type = *TYPES.get(s.get::<u32>("picture-type").ok()? as usize)?;
        let period = s.get("period").ok()?;
        let messages = s.get::<gst::Array>("messages").ok()?;
        let messages = messages.iter().filter_map(|m| m.get::<gst::glib::Bytes>().ok()).collect();
        Some(Message::Video { picture_type, period, messages })
    }
}
