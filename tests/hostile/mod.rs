//! Every reader of bytes from outside, and what must hold whatever the bytes are. The tests of
//! hostile input and the fuzz targets call it.
#![allow(dead_code)] // each of them a part

use crate::common::fnv1a;
pub use crate::common::picture::Owned;
use sidelight::carriage::nal::{AccessUnit, Framing, NalCodec, Stream, Types};
use sidelight::carriage::{jpeg, nal};
use sidelight::codec::accuracy;
use sidelight::cpu::CpuLevel;
use sidelight::filter::Filter;
use sidelight::kernels::FULL_STRENGTH;
use sidelight::network::bounds::update_bounds;
use sidelight::network::update::{LayerUpdate, Update};
use sidelight::network::{CodecKind, Condition, Model, Prepared};
use sidelight::payload::header::HEADER_SIZE;
use sidelight::payload::{self, update, Mode, MAX_PAYLOAD};
use sidelight::picture::Sample;
use sidelight::{
    models, Codec, CodecParams, Decoder, DecoderSettings, Error, Layout, ModelSize, Picture,
    PictureType, Result,
};
use std::sync::OnceLock;

/// Context binding of what [`seal_payload`] makes.
pub const BINDING: u64 = 0x0123_4567_89ab_cdef;

/// The embedded models.
pub fn embedded() -> &'static [&'static Model] {
    static MODELS: OnceLock<Vec<&Model>> = OnceLock::new();
    MODELS.get_or_init(|| {
        let mut all: Vec<&Model> = Vec::new();
        for codec in [CodecKind::Jpeg, CodecKind::Hevc] {
            for size in [ModelSize::Small, ModelSize::Medium, ModelSize::Large] {
                for model in models::of_size(codec, size).unwrap() {
                    if all.iter().all(|m| m.id != model.id) {
                        all.push(model);
                    }
                }
            }
        }
        all
    })
}

/// The models that payloads may name: the embedded ones, and those of single weights made of them.
pub fn nameable() -> &'static [&'static Model] {
    static MODELS: OnceLock<Vec<&Model>> = OnceLock::new();
    MODELS.get_or_init(|| {
        let single_weights = embedded().iter().map(|m| models::single_weights(m).unwrap());
        embedded().iter().copied().chain(single_weights).collect()
    })
}

/// Binds a payload to `binding` and makes its check right, whatever else it is.
pub fn seal_payload(payload: &mut [u8], binding: u64) {
    if payload.len() < HEADER_SIZE {
        return;
    }
    payload[5..8].fill(0);
    let hash = fnv1a(binding.to_le_bytes().into_iter().chain(payload.iter().copied()));
    let bound = (hash ^ hash >> 16 ^ hash >> 32 ^ hash >> 48) as u16;
    payload[6..8].copy_from_slice(&bound.to_le_bytes());
    payload[5] = payload.iter().fold(0xff, |crc, byte| {
        (0..8).fold(crc ^ byte, |c: u8, _| c << 1 ^ if c & 0x80 != 0 { 0x2f } else { 0 })
    });
}

/// Makes the hash at the end of a model file right.
pub fn seal_model(file: &mut [u8]) {
    if let Some(at) = file.len().checked_sub(8) {
        let hash = fnv1a(file[..at].iter().copied());
        file[at..].copy_from_slice(&hash.to_le_bytes());
    }
}

/// A payload, on its own and for every embedded model.
pub fn payload(bytes: &[u8]) {
    let mut again = bytes.to_vec();
    let rebound = payload::rebind(&mut again, BINDING);
    let header = match payload::parse(bytes) {
        Ok(header) => header,
        Err(error) => {
            assert!(matches!(error, Error::Corrupt | Error::TooLarge | Error::Unsupported));
            assert_eq!(rebound, Err(error));
            assert_eq!(again, bytes);
            return;
        }
    };
    rebound.unwrap();
    let built = payload::build(header.mode, header.model, header.body, BINDING).unwrap();
    assert_eq!(again, built);
    assert_eq!(payload::parse(&again).unwrap().check_binding(BINDING), Ok(()));
    for model in embedded() {
        let video = model.codec == CodecKind::Hevc;
        match header.parts(video) {
            Ok((strengths, body)) => {
                assert_eq!(strengths.is_some(), video);
                assert!(header.mode != Mode::Base || body.is_empty());
                update_body(body, model);
            }
            Err(error) => assert_eq!(error, Error::Corrupt),
        }
    }
}

/// An update's body: what is read is written as the same bytes.
pub fn update_body(body: &[u8], model: &Model) -> Option<Update> {
    match update::read(body, &model.prior) {
        Ok(read) => {
            assert_eq!(update::encode(&read, &model.prior).unwrap(), body);
            Some(read)
        }
        Err(error) => {
            assert_eq!(error, Error::Corrupt);
            None
        }
    }
}

/// A model file; if it can be used, it filters a small picture on this CPU as portable code does.
pub fn model(bytes: &[u8]) -> bool {
    let mut model = match Model::from_bytes(bytes) {
        Ok(model) => model,
        Err(error) => {
            assert!(matches!(error, Error::Corrupt | Error::TooLarge | Error::Unsupported));
            return false;
        }
    };
    let id = model.id;
    assert_eq!(model.write_file(), bytes);
    assert_eq!(model.id, id);
    let condition = Condition::from_jpeg_tables(&[40; 64], &[70; 64], Layout::I420);
    let base = match Prepared::new(&model, condition, None) {
        Ok(prepared) => prepared,
        Err(error) => {
            assert_eq!(error, Error::Corrupt);
            return false;
        }
    };
    let layers = update_bounds(&model, condition, 6).into_iter();
    let layers = layers.map(|[scale, bias]| LayerUpdate { scale, bias, coefficients: Vec::new() });
    let most = Update { step: 6, layers: layers.collect() };
    let mut coefficients = most.clone();
    for (layer, (inputs, outputs)) in coefficients.layers.iter_mut().zip(model.shapes()) {
        *layer = LayerUpdate::zeros(outputs);
        layer.coefficients = (0..9 * inputs * outputs).map(|i| i16::from(i % 41 == 7)).collect();
    }
    for update in [&most, &coefficients] {
        let body = update::encode(update, &model.prior).unwrap();
        assert_eq!(update_body(&body, &model).as_ref(), Some(update));
    }
    let updated = Prepared::new(&model, condition, Some(&most)).unwrap();
    let mixed = Prepared::new(&model, condition, Some(&coefficients));
    assert!(matches!(mixed, Ok(_) | Err(Error::Corrupt)));
    for prepared in [base, updated].into_iter().chain(mixed) {
        let source = Owned::<u8>::new(Layout::I420, 8, 5, 3, |i| (i * 89 + i / 4) as u8);
        let [plain, fast] = [CpuLevel::Scalar, CpuLevel::current()].map(|level| {
            let mut target = source.like();
            Filter::new(&prepared, level)
                .unwrap()
                .picture(&source.view(), target.room(), 1, FULL_STRENGTH)
                .unwrap();
            target.planes
        });
        assert_eq!(plain, fast);
    }
    true
}

/// A JPEG file, and `payload` put into it.
pub fn jpeg(bytes: &[u8], payload: &[u8]) {
    let info = jpeg::info(bytes);
    match &info {
        Ok(info) => {
            assert!((1..=65535).contains(&info.width) && (1..=65535).contains(&info.height));
            assert!((1..=4).contains(&info.components.len()));
            assert!(info.coded_bytes <= bytes.len());
            for quant in [info.luma_quant(), info.chroma_quant()].into_iter().flatten() {
                assert!(!quant.contains(&0));
            }
            planes(bytes, info);
        }
        Err(error) => assert!(matches!(error, Error::Corrupt | Error::Unsupported)),
    }
    match jpeg::extract(bytes) {
        Ok(found) => assert!((1..=MAX_PAYLOAD).contains(&found.len())),
        Err(error) => assert!(matches!(error, Error::NoPayload | Error::Corrupt)),
    }
    let unless = |conflict: sidelight::Result<Vec<u8>>, anyway: sidelight::Result<Vec<u8>>| {
        assert!(conflict == anyway || conflict == Err(Error::Conflict) && anyway.is_ok());
        anyway
    };
    let removed = unless(jpeg::remove(bytes), jpeg::remove_anyway(bytes));
    let inserted = unless(jpeg::insert(bytes, payload), jpeg::insert_anyway(bytes, payload));
    let size_error = match payload.len() {
        0 => Some(Error::InvalidArgument),
        n => (n > MAX_PAYLOAD).then_some(Error::TooLarge),
    };
    if let Some(error) = size_error {
        assert_eq!(inserted, Err(error));
        return;
    }
    let removed = match removed {
        Ok(removed) => removed,
        Err(error) => {
            assert_eq!(error, Error::Corrupt);
            assert_eq!(inserted, Err(error));
            return;
        }
    };
    assert_eq!(jpeg::extract(&removed), Err(Error::NoPayload));
    assert_eq!(jpeg::info(&removed), info);
    let inserted = inserted.unwrap();
    assert_eq!(jpeg::extract(&inserted).unwrap(), payload);
    assert_eq!(jpeg::remove_anyway(&inserted).unwrap(), removed);
    assert_eq!(jpeg::info(&inserted), info);
    assert_eq!(jpeg::insert_anyway(&removed, payload).unwrap(), inserted);
}

/// Compares gray planes with the file, if it is of one component and small.
fn planes(bytes: &[u8], info: &jpeg::JpegInfo) {
    let size = (info.width as usize, info.height as usize);
    if size.0 * size.1 > 1 << 16 {
        return;
    }
    let picture = Owned::<u8>::new(Layout::I400, 8, size.0, size.1, |i| i as u8);
    match accuracy::check_planes(bytes, &picture.view()) {
        Ok(_) => assert_eq!(info.components.len(), 1),
        Err(Error::InvalidArgument) => assert_ne!(info.components.len(), 1),
        Err(error) => assert_eq!(error, Error::Corrupt),
    }
}

/// What is seen of an access unit.
#[derive(Clone, Debug, PartialEq)]
struct Seen {
    bytes: Vec<u8>,
    payloads: Vec<Vec<u8>>,
    picture: bool,
    irap: bool,
}

fn payloads_of(unit: &AccessUnit) -> Vec<Vec<u8>> {
    let mut payloads = Vec::new();
    unit.each_payload(|payload| {
        payloads.push(payload.to_vec());
        Ok(())
    })
    .unwrap();
    assert_eq!(unit.payload().unwrap(), payloads.last().cloned());
    payloads
}

/// The units of a stream and what was wrong behind them. `chunk` says how long each chunk is.
fn units(
    codec: NalCodec,
    framing: Framing,
    mut bytes: &[u8],
    mut chunk: impl FnMut() -> usize,
) -> (Vec<Seen>, Result) {
    let mut stream = Stream::new(codec, framing).unwrap();
    let mut seen = Vec::new();
    let mut take = |stream: &mut Stream| -> Result {
        while let Some(unit) = stream.next_unit()? {
            seen.push(Seen {
                bytes: unit.bytes().to_vec(),
                payloads: payloads_of(&unit),
                picture: unit.has_picture(),
                irap: unit.is_irap(),
            });
            let last = seen.last();
            let current = stream.current();
            assert_eq!(current.map(|u| u.bytes()), last.map(|s| &s.bytes[..]));
        }
        Ok(())
    };
    let mut run = || -> Result {
        while !bytes.is_empty() {
            let (now, later) = bytes.split_at(chunk().clamp(1, bytes.len()));
            stream.push(now)?;
            take(&mut stream)?;
            bytes = later;
        }
        stream.finish();
        take(&mut stream)
    };
    let result = run();
    (seen, result)
}

/// A stream, or one sample; `payload` put into every picture and taken out again.
pub fn stream(
    codec: NalCodec,
    framing: Framing,
    bytes: &[u8],
    chunk: impl FnMut() -> usize,
    payload: &[u8],
) {
    let known =
        |error: Error| assert!(matches!(error, Error::Corrupt | Error::TooLarge), "{error:?}");
    let (whole, result) = units(codec, framing, bytes, || usize::MAX);
    result.map_or_else(known, |()| {
        let together: Vec<u8> = whole.iter().flat_map(|unit| unit.bytes.clone()).collect();
        assert_eq!(together, bytes);
    });
    let mut types = Types::new(codec);
    for seen in &whole {
        let coded = types.read(framing, &seen.bytes);
        assert!(seen.picture || coded.is_none(), "{coded:?}");
        assert!(coded.is_none_or(|coded| codec == NalCodec::Hevc || coded.output.is_none()));
    }
    if framing == Framing::AnnexB {
        assert_eq!(units(codec, framing, bytes, chunk), (whole.clone(), result));
        let inserted = nal::insert(codec, bytes, payload);
        if let Some(first) = whole.iter().position(|unit| unit.picture).filter(|_| valid(payload)) {
            let (units, again) = units(codec, framing, &inserted.unwrap(), || usize::MAX);
            assert_eq!(
                (units[first].payloads.as_slice(), again),
                (&[payload.to_vec()][..], result)
            );
        } else if let Err(error) = inserted {
            assert!(matches!(error, Error::Corrupt | Error::TooLarge | Error::InvalidArgument));
        }
    }
    let mut rewritten = Vec::new();
    for seen in &whole {
        let unit = AccessUnit::new(codec, framing, &seen.bytes).unwrap();
        assert_eq!(payloads_of(&unit), seen.payloads);
        let read = |bytes: &[u8]| payloads_of(&AccessUnit::new(codec, framing, bytes).unwrap());
        let removed = match unit.rewrite(None) {
            Ok(removed) => removed,
            // Emulation prevention that was missing makes a unit too long for its length.
            Err(error) => {
                assert!(matches!(framing, Framing::LengthPrefixed(1 | 2)));
                assert_eq!(error, Error::TooLarge);
                continue;
            }
        };
        // The zeros around a NAL unit stay where it goes, and are no access unit by themselves.
        let zeros = framing == Framing::AnnexB && removed.iter().all(|&byte| byte == 0);
        assert!(zeros || read(&removed).is_empty());
        if seen.payloads.is_empty() && !has_empty(&unit) {
            assert_eq!(removed, seen.bytes);
        }
        match unit.rewrite(Some(payload)) {
            Ok(with) => {
                assert!(seen.picture);
                assert_eq!(read(&with), [payload]);
                let unit = AccessUnit::new(codec, framing, &with).unwrap();
                assert_eq!((unit.has_picture(), unit.is_irap()), (true, seen.irap));
                assert_eq!(unit.rewrite(None).unwrap(), removed);
                assert_eq!(unit.rewrite(Some(payload)).unwrap(), with);
                rewritten.extend(with);
            }
            Err(Error::InvalidArgument) => {
                assert!(!seen.picture || payload.is_empty());
                rewritten.extend(&seen.bytes);
            }
            Err(error) => {
                assert_eq!(error, Error::TooLarge);
                assert!(matches!(framing, Framing::LengthPrefixed(1 | 2)) || !valid(payload));
            }
        }
    }
    if framing == Framing::AnnexB && result.is_ok() && valid(payload) {
        let (again, result) = units(codec, framing, &rewritten, || usize::MAX);
        assert_eq!(result, Ok(()));
        let pictures = |units: &[Seen]| units.iter().map(|u| u.picture).collect::<Vec<_>>();
        assert_eq!(pictures(&again), pictures(&whole));
        assert!(again.iter().filter(|u| u.picture).all(|u| u.payloads == [payload]));
    }
}

fn valid(payload: &[u8]) -> bool {
    (1..=MAX_PAYLOAD).contains(&payload.len())
}

/// Whether a message of ours without a payload may be in the unit: it goes as well.
fn has_empty(unit: &AccessUnit) -> bool {
    // Emulation prevention never falls into the UUID: it has no zeros.
    unit.bytes().windows(nal::UUID.len()).any(|window| window == nal::UUID)
}

/// Whether a payload can be refused with `error`.
fn is_of_payloads(error: Error) -> bool {
    use Error::{Corrupt, Stale, TooLarge, UnknownModel, Unsupported};
    matches!(error, Corrupt | Stale | TooLarge | UnknownModel | Unsupported)
}

/// What the decoder does with a payload and with pictures.
pub fn decode<S: Sample + PartialEq + std::fmt::Debug + Into<u32>>(
    payload: &[u8],
    codec: &Codec,
    source: &Owned<S>,
    picture_type: PictureType,
) {
    let settings = DecoderSettings { threads: 1, ..DecoderSettings::default() };
    let picture = source.view().of_type(picture_type);
    let mut decoder = Decoder::new(settings);
    let mut threaded = Decoder::new(DecoderSettings { threads: 3, ..settings });
    let params = CodecParams { codec: codec.clone(), binding: BINDING };
    let result = decoder.set_payload(payload, &params);
    assert_eq!(threaded.set_payload(payload, &params), result);
    if let Err(error) = result {
        let params = error == Error::InvalidArgument && codec.check().is_err();
        assert!(params || is_of_payloads(error), "{error:?}");
    }
    let (mut target, mut threads, mut bands) = (source.like(), source.like(), source.like());
    decoder.filter(&picture, target.room()).unwrap();
    threaded.filter(&picture, threads.room()).unwrap();
    let mut rest = bands.room();
    let mut row = 0;
    while rest.height() > 0 {
        let height = (row + 2).min(rest.height());
        let (band, below) = rest.split_at_row(height);
        decoder.filter_band(&picture, row, band).unwrap();
        (row, rest) = (row + height, below);
    }
    assert_eq!(target.planes, threads.planes);
    assert_eq!(target.planes, bands.planes);
    // Some of them, for speed.
    if payload.iter().fold(0u8, |sum, byte| sum.wrapping_add(*byte)) < 32 {
        deeper(&mut decoder, &picture, source, &target);
    }
    let passes = result.is_err() || result == Ok(Mode::Off);
    if passes {
        assert_eq!(target.planes, source.planes);
    } else {
        // A plane that no network corrects is copied as it is.
        let pairs = target.planes.iter().flatten().zip(source.planes.iter().flatten());
        for (new, old) in pairs {
            assert!((*new).into() < 1 << source.depth || new == old);
        }
    }
}

/// What outputs of 16 bits hold, rounded, is `filtered`, and without any strength `source`.
fn deeper<S: Sample + Into<u32>>(
    decoder: &mut Decoder,
    picture: &Picture<'_, S>,
    source: &Owned<S>,
    filtered: &Owned<S>,
) {
    let (shift, max) = (16 - source.depth, (1u32 << source.depth) - 1);
    let mut deep = source.deeper(16);
    decoder.filter(picture, deep.room()).unwrap();
    for (deep, new) in deep.planes.iter().flatten().zip(filtered.planes.iter().flatten()) {
        let rounded = ((u32::from(*deep) + (1 << shift >> 1)) >> shift).min(max);
        assert_eq!(rounded, (*new).into().min(max));
    }
    decoder.set_strength(0).unwrap();
    decoder.filter(picture, deep.room()).unwrap();
    for (none, old) in deep.planes.iter().flatten().zip(source.planes.iter().flatten()) {
        assert_eq!(u32::from(*none), (*old).into().min(max) << shift);
    }
}

/// What the decoder does with the messages of a picture.
pub fn messages<S: Sample>(messages: &[&[u8]], source: &Owned<S>, picture_type: PictureType) {
    let settings = DecoderSettings { threads: 1, ..DecoderSettings::default() };
    let mut decoder = Decoder::new(settings);
    let picture = source.view().of_type(picture_type);
    if let Err(error) = decoder.set_messages(&picture, messages.iter().copied()) {
        assert!(is_of_payloads(error), "{error:?}");
    }
    decoder.filter(&picture, source.like().room()).unwrap();
    // They come again: as copies, unless they are for this picture as well.
    let next = picture.of_type(PictureType::P);
    let again = decoder.set_messages(&next, messages.iter().copied());
    assert!(again.is_ok() || again.is_err_and(is_of_payloads), "{again:?}");
}
