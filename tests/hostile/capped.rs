//! Every reader of bytes from outside under its caps on memory: those of SECURITY.md.

use crate::heap::{used, Used};
use crate::hostile::{nameable, BINDING};
use sidelight::carriage::nal::{AccessUnit, Framing, NalCodec, Stream, Types};
use sidelight::carriage::{jpeg, nal};
use sidelight::network::{CodecKind, Condition, Model, Prepared};
use sidelight::{Codec, CodecParams, Decoder, DecoderSettings, Layout, Result};

const KIB: usize = 1024;

/// Does `work` on `n` bytes and holds it to `times · n + constant` bytes of heap.
fn cap<T>(what: &str, n: usize, times: usize, constant: usize, work: impl FnOnce() -> T) -> Used {
    let (_result, used) = used(work);
    assert!(used.peak <= times * n + constant, "{what}: {n} bytes took {}", used.peak);
    used
}

/// Parsing, then what a decoder does with the payload.
pub fn payload(bytes: &[u8]) -> [Used; 2] {
    let parse = cap("payload::parse", bytes.len(), 0, 0, || sidelight::payload::parse(bytes));
    let mut decoder = Decoder::new(DecoderSettings { threads: 1, ..Default::default() });
    let named = sidelight::payload::parse(bytes).ok();
    let model = nameable().iter().find(|m| named.is_some_and(|h| h.model == m.id));
    let codec = match model.map(|m| m.codec) {
        Some(CodecKind::Hevc) => Codec::Hevc { qp: [0; 3] },
        _ => Codec::Jpeg { luma: [30; 64], chroma: None },
    };
    let params = CodecParams { codec, binding: BINDING };
    let set = || decoder.set_payload(bytes, &params);
    [parse, cap("Decoder::set_payload", bytes.len(), 0, 640 * KIB, set)]
}

/// Loading, and making ready for a picture.
pub fn model(bytes: &[u8]) -> [Used; 1] {
    let condition = Condition::from_jpeg_tables(&[40; 64], &[70; 64], Layout::I420);
    let load =
        || Model::from_bytes(bytes).map(|m| Prepared::new(&m, condition, None).map(|i| (m, i)));
    [cap("Model::from_bytes", bytes.len(), 2, 256 * KIB, load)]
}

/// Making the model that the published recipe's updates change of an embedded one.
pub fn single_weights(model: &Model) -> [Used; 1] {
    let file = model.clone().write_file().len();
    [cap("Model::single_weights", file, 2, 256 * KIB, || model.clone().single_weights())]
}

/// All readers of JPEG files, and writing `payload` into one.
pub fn jpeg(bytes: &[u8], payload: &[u8]) -> [Used; 4] {
    let n = bytes.len();
    // What refinement scans have to know of the coefficients.
    let history = if bytes.windows(2).any(|w| w == b"\xff\xc2") { 130 } else { 0 };
    [
        cap("jpeg::info", n, history, 4 * KIB, || jpeg::info(bytes)),
        cap("jpeg::extract", n, 1, 0, || jpeg::extract(bytes)),
        cap("jpeg::remove", n, 1, 0, || jpeg::remove(bytes)),
        cap("jpeg::insert", n + 2 * payload.len(), 1, 8 * KIB, || jpeg::insert(bytes, payload)),
    ]
}

/// A stream in chunks of `chunk` bytes, then each access unit read and rewritten: the most that a
/// unit took, and the sum of what all took.
pub fn stream(
    codec: NalCodec,
    framing: Framing,
    bytes: &[u8],
    chunk: usize,
    payload: &[u8],
) -> [Used; 3] {
    let (n, chunk) = (bytes.len(), chunk.clamp(1, bytes.len().max(1)));
    let walk = |mut each: Option<&mut dyn FnMut(&AccessUnit)>| -> Result {
        let mut stream = Stream::new(codec, framing)?;
        for (i, piece) in bytes.chunks(chunk).enumerate() {
            stream.push(piece)?;
            if (i + 1) * chunk >= n {
                stream.finish();
            }
            while let Some(unit) = stream.next_unit()? {
                if let Some(each) = &mut each {
                    each(&unit);
                }
            }
        }
        Ok(())
    };
    let stream = cap("Stream", n, 3, KIB, || walk(None));
    let mut units = [Used { peak: 0, taken: 0 }; 2];
    let mut types = Types::new(codec);
    let _ = walk(Some(&mut |unit| {
        let n = unit.bytes().len();
        cap("Types::read", 0, 0, KIB, || types.read(framing, unit.bytes()));
        let read = cap("AccessUnit::each_payload", n, 1, 0, || unit.each_payload(|_| Ok(())));
        let write = || [unit.rewrite(None), unit.rewrite(Some(payload))];
        let write = cap("AccessUnit::rewrite", n + payload.len(), 12, KIB, write);
        for (all, one) in units.iter_mut().zip([read, write]) {
            all.peak = all.peak.max(one.peak);
            all.taken += one.taken;
        }
    }));
    if framing == Framing::AnnexB {
        cap("nal::insert", n + payload.len(), 12, KIB, || nal::insert(codec, bytes, payload));
    }
    [stream, units[0], units[1]]
}
