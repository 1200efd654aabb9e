//! Arguments that are words or numbers of a range.

use crate::errors::invalid;
use pyo3::PyResult;
use sidelight::carriage::nal::NalCodec;
use sidelight::{Layout, Mode, ModelSize, Objective, PictureType};
use std::ops::RangeInclusive;

pub const LAYOUTS: [(&str, Layout); 6] = [
    ("I400", Layout::I400),
    ("I420", Layout::I420),
    ("I422", Layout::I422),
    ("I444", Layout::I444),
    ("I440", Layout::I440),
    ("I411", Layout::I411),
];
pub const TYPES: [(&str, PictureType); 4] = [
    ("irap", PictureType::Irap),
    ("i", PictureType::I),
    ("p", PictureType::P),
    ("b", PictureType::B),
];
pub const MODES: [(&str, Mode); 3] =
    [("off", Mode::Off), ("base", Mode::Base), ("update", Mode::Update)];
pub const MODEL_SIZES: [(&str, ModelSize); 4] = [
    ("default", ModelSize::Medium),
    ("small", ModelSize::Small),
    ("medium", ModelSize::Medium),
    ("large", ModelSize::Large),
];
pub const OBJECTIVES: [(&str, Objective); 2] =
    [("rate-distortion", Objective::RateDistortion), ("published", Objective::Published)];
pub const NAL_CODECS: [(&str, NalCodec); 3] =
    [("h264", NalCodec::H264), ("hevc", NalCodec::Hevc), ("vvc", NalCodec::Vvc)];

/// What the word `name` stands for.
pub fn value<T: Copy>(argument: &str, name: &str, words: &[(&str, T)]) -> PyResult<T> {
    let found = words.iter().find(|(word, _)| *word == name);
    found.map(|(_, value)| *value).ok_or_else(|| {
        let all: Vec<_> = words.iter().map(|(word, _)| format!("\"{word}\"")).collect();
        invalid(format!("{argument} is {name:?}, not one of {}", all.join(", ")))
    })
}

/// The word for `value`.
pub fn name<T: PartialEq>(value: T, words: &[(&'static str, T)]) -> &'static str {
    words.iter().find(|(_, v)| *v == value).map_or("?", |(word, _)| word)
}

pub fn number<T: TryFrom<i64>>(
    argument: &str,
    value: i64,
    range: RangeInclusive<i64>,
) -> PyResult<T> {
    let fits = Some(value).filter(|v| range.contains(v)).and_then(|v| T::try_from(v).ok());
    fits.ok_or_else(|| {
        invalid(format!("{argument} is {value}, not {} to {}", range.start(), range.end()))
    })
}

/// Threads, as many as there are cores for 0.
pub fn threads(value: i64) -> PyResult<usize> {
    match number("threads", value, 0..=256)? {
        0 => Ok(sidelight::logical_cores()),
        n => Ok(n),
    }
}
