//! The base models inside the library.

use crate::hints::Codec;
use crate::network::{CodecKind, Model};
use crate::{Error, Result};
use std::ops::RangeInclusive;
use std::sync::OnceLock;

/// Sizes of models: what a luma sample of a colour picture costs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Size {
    /// About 2,900 multiply-accumulates: for video on small machines.
    S,
    /// About 9,500.
    #[default]
    M,
    /// About 23,600: for stills.
    L,
}

/// A model inside.
struct Entry {
    size: Size,
    tables: Tables,
    model: Model,
}

/// What a model was trained on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Tables {
    /// JPEG's standard quantisation tables of [`STANDARD_QUALITIES`].
    Standard,
    /// All that the codec may use.
    Any,
}

const STANDARD_QUALITIES: RangeInclusive<u32> = 5..=60;

/// Model files, those that this build shall have. A codec's are in the order in which they stand in for sizes
/// that it lacks.
static FILES: &[(Size, Tables, &[u8])] = &[
    #[cfg(feature = "model-jpeg-m")]
    (Size::M, Tables::Any, include_bytes!("../models/jpeg-ycc-32x3.slm")),
    #[cfg(feature = "model-jpeg-m")]
    (Size::M, Tables::Standard, include_bytes!("../models/jpeg-standard-32x3.slm")),
    #[cfg(feature = "model-jpeg-s")]
    (Size::S, Tables::Any, include_bytes!("../models/jpeg-ycc-16x3.slm")),
    #[cfg(feature = "model-jpeg-s")]
    (Size::S, Tables::Standard, include_bytes!("../models/jpeg-standard-16x3.slm")),
    #[cfg(feature = "model-jpeg-l")]
    (Size::L, Tables::Any, include_bytes!("../models/jpeg-ycc-48x4.slm")),
    #[cfg(feature = "model-jpeg-l")]
    (Size::L, Tables::Standard, include_bytes!("../models/jpeg-standard-48x4.slm")),
    #[cfg(feature = "model-hevc-m")]
    (Size::M, Tables::Any, include_bytes!("../models/hevc-32x3.slm")),
    #[cfg(feature = "model-hevc-s")]
    (Size::S, Tables::Any, include_bytes!("../models/hevc-16x3.slm")),
];

fn all() -> &'static [Entry] {
    static MODELS: OnceLock<Vec<Entry>> = OnceLock::new();
    // A file that does not load is left out: its payloads then name an unknown model. A test keeps
    // that from shipping.
    let load = |(size, tables, file): &(Size, Tables, &[u8])| {
        Some(Entry { size: *size, tables: *tables, model: Model::from_bytes(file).ok()? })
    };
    MODELS.get_or_init(|| FILES.iter().filter_map(load).collect())
}

/// Models made of the others by [`unmixed`].
static UNMIXED: [OnceLock<Model>; FILES.len()] = [const { OnceLock::new() }; FILES.len()];

/// The model that payloads name `id`, and its size.
///
/// # Errors
/// [`Error::UnknownModel`].
pub fn by_id(id: u32) -> Result<(&'static Model, Size)> {
    let made = all().iter().zip(&UNMIXED).filter_map(|(e, made)| Some((made.get()?, e.size)));
    let mut known = all().iter().map(|e| (&e.model, e.size)).chain(made);
    known.find(|(model, _)| model.id == id).ok_or(Error::UnknownModel)
}

/// A model whose updates change single taps, of one of these: [`Model::unmixed`]. It is for comparisons, and
/// payloads can name it only in the process that asked for it.
///
/// # Errors
/// [`Error::UnknownModel`] for models that are not from here.
pub fn unmixed(model: &Model) -> Result<&'static Model> {
    let place = all().iter().position(|e| e.model.id == model.id).ok_or(Error::UnknownModel)?;
    if UNMIXED[place].get().is_none() {
        // Another thread may have been faster; it made the same.
        let _ = UNMIXED[place].set(all()[place].model.unmixed()?);
    }
    UNMIXED[place].get().ok_or(Error::Internal)
}

/// The models of a codec and a size, the one for any tables first. Without a model of that size those of the
/// medium one, else of the small one, else of the large one.
///
/// # Errors
/// [`Error::UnknownModel`] if this build has none.
pub fn of_size(codec: CodecKind, size: Size) -> Result<impl Iterator<Item = &'static Model>> {
    Ok(choose(all().iter(), codec, size)?.map(|e| &e.model))
}

/// The first of them.
///
/// # Errors
/// [`Error::UnknownModel`] if this build has none.
pub fn default_for(codec: CodecKind, size: Size) -> Result<&'static Model> {
    of_size(codec, size)?.next().ok_or(Error::UnknownModel)
}

/// The one of them for pictures of which no more is known than how they were coded.
///
/// # Errors
/// [`Error::UnknownModel`] if this build has none.
pub fn fitting(codec: &Codec, size: Size) -> Result<&'static Model> {
    let standard = codec.standard_quality().is_some_and(|q| STANDARD_QUALITIES.contains(&q));
    let tables = if standard { Tables::Standard } else { Tables::Any };
    let mut models = choose(all().iter(), codec.kind(), size)?;
    let fits = models.find(|e| e.tables == tables).map(|e| &e.model);
    fits.map_or_else(|| default_for(codec.kind(), size), Ok)
}

fn choose<'e>(
    entries: impl Iterator<Item = &'e Entry> + Clone,
    codec: CodecKind,
    size: Size,
) -> Result<impl Iterator<Item = &'e Entry>> {
    let entries = entries.filter(move |e| e.model.codec == codec);
    let sizes = entries.clone().map(|e| e.size);
    let chosen = sizes.min_by_key(|s| *s != size).ok_or(Error::UnknownModel)?;
    Ok(entries.filter(move |e| e.size == chosen))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hints::standard_luma_table;

    #[test]
    fn every_embedded_model_loads() {
        assert_eq!(all().len(), FILES.len());
        for (i, (entry, (.., file))) in all().iter().zip(FILES).enumerate() {
            let model = &entry.model;
            assert_eq!(model.clone().to_bytes(), *file);
            assert_eq!(by_id(model.id).unwrap(), (model, entry.size));
            assert!(of_size(model.codec, entry.size).unwrap().any(|m| m == model));
            assert!(all()[..i].iter().all(|e| e.model.id != model.id), "{:08x}", model.id);
        }
    }

    /// Each of a size has one for any tables, and that first.
    #[test]
    fn features_name_the_models_that_are_inside() {
        let named = [
            (cfg!(feature = "model-jpeg-s"), CodecKind::Jpeg, Size::S),
            (cfg!(feature = "model-jpeg-m"), CodecKind::Jpeg, Size::M),
            (cfg!(feature = "model-jpeg-l"), CodecKind::Jpeg, Size::L),
            (cfg!(feature = "model-hevc-s"), CodecKind::Hevc, Size::S),
            (cfg!(feature = "model-hevc-m"), CodecKind::Hevc, Size::M),
        ];
        let mut count = 0;
        for (wanted, codec, size) in named {
            let of_size = all().iter().filter(|e| (e.model.codec, e.size) == (codec, size));
            let tables: Vec<Tables> = of_size.map(|e| e.tables).collect();
            let expected: &[Tables] = match (wanted, codec) {
                (false, _) => &[],
                (true, CodecKind::Jpeg) => &[Tables::Any, Tables::Standard],
                (true, CodecKind::Hevc) => &[Tables::Any],
            };
            assert_eq!(tables, expected, "{codec:?} {size:?}");
            count += tables.len();
        }
        assert_eq!(all().len(), count);
    }

    #[test]
    fn standard_tables_have_a_model_of_their_own() {
        let jpeg = |luma| Codec::Jpeg { luma, chroma: Some(standard_luma_table(35)) };
        let codecs = [
            (Codec::Hevc { qp: [30; 3] }, Tables::Any),
            (jpeg(standard_luma_table(4)), Tables::Any),
            (jpeg(standard_luma_table(5)), Tables::Standard),
            (jpeg(standard_luma_table(60)), Tables::Standard),
            (jpeg(standard_luma_table(61)), Tables::Any),
            (jpeg([20; 64]), Tables::Any),
        ];
        for (codec, size) in codecs.iter().flat_map(|c| [Size::S, Size::M, Size::L].map(|s| (c, s)))
        {
            let (codec, tables) = codec;
            let Ok(mut same_size) = of_size(codec.kind(), size) else { continue };
            let model = fitting(codec, size).unwrap();
            assert!(same_size.any(|m| m == model));
            assert_eq!(all().iter().find(|e| e.model == *model).unwrap().tables, *tables);
        }
    }

    /// As the header says of SidelightModelSize, whichever of these models a build has.
    #[test]
    fn sizes_that_are_left_out_fall_back() {
        for set in 0..1u32 << all().len() {
            let kept =
                || all().iter().enumerate().filter(|(i, _)| set >> i & 1 == 1).map(|(_, e)| e);
            for codec in [CodecKind::Jpeg, CodecKind::Hevc] {
                for size in [Size::S, Size::M, Size::L] {
                    let of_size = |s| kept().filter(move |e| (e.model.codec, e.size) == (codec, s));
                    let mut sizes = [size, Size::M, Size::S, Size::L].into_iter();
                    let expected = sizes.find(|s| of_size(*s).next().is_some());
                    let ids = |entries: &mut dyn Iterator<Item = &Entry>| -> Vec<u32> {
                        entries.map(|e| e.model.id).collect()
                    };
                    let found = choose(kept(), codec, size).map(|mut e| ids(&mut e));
                    let expected =
                        expected.map(|s| ids(&mut of_size(s))).ok_or(Error::UnknownModel);
                    assert_eq!(found, expected, "{set:b} {codec:?} {size:?}");
                }
            }
        }
    }
}
