//! Pictures that payloads decode to, by their hashes in tests/data/decoded.txt: the same on every machine, at every
//! level and from every version that knows the models.
//!
//! A change of any of these lines is a change of what decoders show. With SIDELIGHT_BLESS set the file is written
//! instead of read.

use super::payload_golden::{good, Shape, CHROMA, LUMA};
use crate::common::picture::Owned;
use crate::common::rng::Xorshift;
use crate::common::{at_each_level, fnv1a};
use sidelight::cpu::CpuLevel;
use sidelight::filter::Filter;
use sidelight::network::prior::LayerClasses;
use sidelight::network::update::{LayerUpdate, Update};
use sidelight::network::{CodecKind, Condition, Model, Prepared};
use sidelight::payload::{build, parse, update, Mode};
use sidelight::picture::{Sample, SampleRow};
use sidelight::{
    models, Codec, CodecParams, Decoder, DecoderSettings, Layout, ModelSize, PictureType,
    FULL_STRENGTH,
};
use std::fmt::Write;
use std::path::Path;

const SIZE: (usize, usize) = (53, 15);
const BINDING: u64 = 0x0123_4567_89AB_CDEF;
const QPS: [u8; 3] = [32, 35, 38];
const LUMA_TABLE: [u16; 64] = [40; 64];
const CHROMA_TABLE: [u16; 64] = [50; 64];

/// A disc on a ramp, and a texture.
fn picture<S: Sample>(layout: Layout, depth: u32) -> Owned<S> {
    let step = 1 << (depth - 8);
    Owned::painted(layout, depth, SIZE, |plane, y, x| {
        let (p, y, x) = (plane as i32, y as i32, x as i32);
        let disc = (y - 7).pow(2) + (x - 20).pow(2) < 40;
        let texture = (x * 7 + y * 13 + p * 5) % 11;
        let base = 50 + 30 * p + 2 * x + if disc { 70 } else { 0 };
        step * (base + 4 * texture) + (3 * x + 5 * y) % step
    })
}

/// Hash of all samples, of two bytes each, the lower one first.
fn hash<S: Sample>(picture: &Owned<S>) -> u64 {
    fnv1a(picture.planes.iter().flat_map(|plane| match S::row(plane) {
        SampleRow::U8(row) => row.iter().flat_map(|s| u16::from(*s).to_le_bytes()).collect(),
        SampleRow::U16(row) => row.iter().flat_map(|s| s.to_le_bytes()).collect::<Vec<_>>(),
    }))
}

fn params(codec: CodecKind) -> CodecParams {
    let codec = match codec {
        CodecKind::Jpeg => Codec::Jpeg { luma: LUMA_TABLE, chroma: Some(CHROMA_TABLE) },
        CodecKind::Hevc => Codec::Hevc { qp: QPS },
    };
    CodecParams { codec, binding: BINDING }
}

/// Changes in every layer, of every kind.
fn made_up(model: &Model) -> Update {
    let mut rng = Xorshift(u64::from(model.id));
    let mut values = |count: usize, most: i64, of: usize| -> Vec<i16> {
        let value = |_| if rng.below(of) == 0 { rng.range(-most, most) as i16 } else { 0 };
        (0..count).map(value).collect()
    };
    let layer = |(inputs, outputs): (usize, usize)| LayerUpdate {
        scale: values(outputs, 2, 3),
        bias: values(outputs, 3, 3),
        coefficients: values(9 * inputs * outputs, 2, 150),
    };
    Update { step: 2, layers: model.shapes().into_iter().map(layer).collect() }
}

fn payload(model: &Model, mode: Mode) -> Vec<u8> {
    let mut body = match model.codec {
        CodecKind::Jpeg => Vec::new(),
        CodecKind::Hevc => QPS.to_vec(),
    };
    if mode == Mode::Update {
        body.extend(update::encode(&made_up(model), &model.prior).unwrap());
    }
    build(mode, model.id, &body, BINDING).unwrap()
}

fn decoder(payload: &[u8], codec: CodecKind) -> Decoder {
    let mut decoder = Decoder::new(DecoderSettings { threads: 1, ..Default::default() });
    decoder.set_payload(payload, &params(codec)).unwrap();
    decoder
}

/// Every base model inside.
fn all_models() -> Vec<&'static Model> {
    let sizes = [ModelSize::Small, ModelSize::Medium, ModelSize::Large];
    let of_codec = |codec, sizes: &[ModelSize]| -> Vec<&'static Model> {
        sizes.iter().flat_map(|size| models::of_size(codec, *size).unwrap()).collect()
    };
    [of_codec(CodecKind::Jpeg, &sizes), of_codec(CodecKind::Hevc, &sizes[..2])].concat()
}

/// What a decoder is asked for beside the payload.
struct Ask {
    layout: Layout,
    depth: u32,
    deeper: u32,
    strength: u8,
    picture_type: PictureType,
}

impl Ask {
    fn plain(layout: Layout, depth: u32) -> Self {
        let picture_type = PictureType::default();
        Self { layout, depth, deeper: depth, strength: FULL_STRENGTH, picture_type }
    }

    fn answer(&self, decoder: &Decoder) -> u64 {
        match (self.depth, self.deeper) {
            (8, 8) => self.answer_as::<u8, u8>(decoder),
            (8, _) => self.answer_as::<u8, u16>(decoder),
            _ => self.answer_as::<u16, u16>(decoder),
        }
    }

    fn answer_as<S: Sample, T: Sample>(&self, decoder: &Decoder) -> u64 {
        let input = picture::<S>(self.layout, self.depth);
        let mut out = Owned::<T>::new(self.layout, self.deeper, SIZE.0, SIZE.1, |_| T::new(1));
        decoder.filter(&input.view().of_type(self.picture_type), out.room()).unwrap();
        hash(&out)
    }
}

/// Lines of the models inside: each with and without an update.
fn shipped(lines: &mut String) {
    const LAYOUTS: [Layout; 4] = Condition::LAYOUTS;
    let other = [Layout::I440, Layout::I411].map(|layout| Ask::plain(layout, 8));
    let deeper = [(8, 10), (8, 16), (10, 12), (12, 16)]
        .map(|(depth, deeper)| Ask { deeper, ..Ask::plain(Layout::I420, depth) });
    let weaker = [0, 1, 32, 63].map(|strength| Ask { strength, ..Ask::plain(Layout::I420, 8) });
    let typed = PictureType::CLASSES
        .map(|picture_type| Ask { picture_type, ..Ask::plain(Layout::I420, 8) });
    let deep = [10, 12].map(|depth| LAYOUTS.map(|layout| Ask::plain(layout, depth)));
    let base: Vec<Ask> = LAYOUTS.map(|layout| Ask::plain(layout, 8)).into();
    let mut all: Vec<Ask> = LAYOUTS.map(|layout| Ask::plain(layout, 8)).into();
    all.extend(other.into_iter().chain(deep.into_iter().flatten()).chain(deeper).chain(weaker));
    for model in all_models() {
        for (mode, asks) in [(Mode::Base, &base), (Mode::Update, &all)] {
            let mut decoder = decoder(&payload(model, mode), model.codec);
            let types: &[Ask] = if model.codec == CodecKind::Hevc { &typed } else { &[] };
            for ask in asks.iter().chain(types) {
                decoder.set_strength(ask.strength).unwrap();
                let Ask { layout, depth, deeper, strength, picture_type } = ask;
                writeln!(
                    lines,
                    "{:08x} {mode:?} {layout:?} {depth}->{deeper} strength {strength} {picture_type:?}: {:016x}",
                    model.id,
                    ask.answer(&decoder)
                )
                .unwrap();
            }
        }
    }
}

/// Lines of the payloads of tests/data/payload whose update is for networks of these shapes: luma's of the medium
/// model, chroma's of the small one.
fn golden_payloads(lines: &mut String, level: CpuLevel) {
    let [medium, small] = [ModelSize::Medium, ModelSize::Small]
        .map(|size| models::default_for(CodecKind::Jpeg, size).unwrap());
    let [luma, chroma] = [&medium.luma, small.chroma.as_ref().unwrap()];
    assert_eq!((&luma.shapes()[..], &chroma.shapes()[..]), (LUMA, CHROMA));
    let condition = Condition::from_jpeg_tables(&LUMA_TABLE, &CHROMA_TABLE, Layout::I420);
    for good in good() {
        let shapes =
            |network: &Vec<LayerClasses>| network.iter().map(LayerClasses::shape).collect();
        let shapes: Vec<Vec<Shape>> = good.prior.networks().iter().map(shapes).collect();
        let with_chroma = shapes == [LUMA, CHROMA];
        if !with_chroma && shapes != [LUMA] {
            continue;
        }
        let model = Model {
            luma: luma.clone(),
            chroma: with_chroma.then(|| chroma.clone()),
            prior: good.prior.clone(),
            ..medium.clone()
        };
        let bytes = good.bytes();
        let (_, body) = parse(&bytes).unwrap().parts(false).unwrap();
        let update = update::read(body, &model.prior).unwrap();
        let filter =
            Filter::new(&Prepared::new(&model, condition, Some(&update)).unwrap(), level).unwrap();
        let input = picture::<u8>(Layout::I420, 8);
        let mut out = input.like();
        filter.picture(&input.view(), out.room(), 1, FULL_STRENGTH).unwrap();
        writeln!(lines, "{}.bin: {:016x}", good.name, hash(&out)).unwrap();
    }
}

#[test]
fn decoded_pictures() {
    let expected = include_str!("../data/decoded.txt");
    at_each_level(|level| {
        let mut lines = String::new();
        shipped(&mut lines);
        golden_payloads(&mut lines, level);
        if std::env::var_os("SIDELIGHT_BLESS").is_some() {
            let folder = Path::new(env!("CARGO_MANIFEST_DIR"));
            return std::fs::write(folder.join("tests/data/decoded.txt"), lines).unwrap();
        }
        for (line, expected) in lines.lines().zip(expected.lines()) {
            assert_eq!(line, expected, "{level:?}");
        }
        assert_eq!(lines.lines().count(), expected.lines().count());
    });
}

/// No two lines have the same hash but where the filter is to do the same.
#[test]
fn the_table_tells_pictures_apart() {
    let table = include_str!("../data/decoded.txt");
    let mut hashes: Vec<_> = table.lines().filter_map(|line| line.rsplit(": ").next()).collect();
    hashes.sort_unstable();
    let lines = hashes.len();
    hashes.dedup();
    println!("{lines} lines, {} pictures", hashes.len());
    assert!(hashes.len() * 10 > lines * 8);
}
