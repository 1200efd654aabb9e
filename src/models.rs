//! The base models inside the library.

use crate::codec::Codec;
use crate::network::{CodecKind, Model};
use crate::util::once::TryOnce;
use crate::{Error, Result};
use std::ops::RangeInclusive;

/// Sizes of models: what a luma sample of a colour picture costs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ModelSize {
    /// About 2,900 multiply-accumulates: for video on small machines.
    Small,
    /// About 9,500.
    #[default]
    Medium,
    /// About 23,600: for stills.
    Large,
}

/// A model file inside.
#[allow(dead_code)] // in builds without models
struct File {
    codec: CodecKind,
    size: ModelSize,
    tables: Tables,
    bytes: &'static [u8],
    /// Id of the model that [`single_weights`] makes of this one.
    single_weights_id: u32,
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

#[allow(unused_macros)] // likewise
macro_rules! embedded {
    ($codec:ident, $size:ident, $tables:ident, $name:literal, $single_weights_id:literal) => {
        File {
            codec: CodecKind::$codec,
            size: ModelSize::$size,
            tables: Tables::$tables,
            bytes: include_bytes!(concat!("../models/", $name)),
            single_weights_id: $single_weights_id,
        }
    };
}

/// Model files, those that this build shall have. A codec's are in the order in which they stand in
/// for sizes that it lacks.
static FILES: &[File] = &[
    #[cfg(feature = "model-jpeg-m")]
    embedded!(Jpeg, Medium, Any, "jpeg-ycc-32x3.slm", 0xeb3d_dd01),
    #[cfg(feature = "model-jpeg-m")]
    embedded!(Jpeg, Medium, Standard, "jpeg-standard-32x3.slm", 0xf3f0_bc93),
    #[cfg(feature = "model-jpeg-s")]
    embedded!(Jpeg, Small, Any, "jpeg-ycc-16x3.slm", 0x8c23_c15e),
    #[cfg(feature = "model-jpeg-s")]
    embedded!(Jpeg, Small, Standard, "jpeg-standard-16x3.slm", 0x283a_7020),
    #[cfg(feature = "model-jpeg-l")]
    embedded!(Jpeg, Large, Any, "jpeg-ycc-48x4.slm", 0xd108_e4a1),
    #[cfg(feature = "model-jpeg-l")]
    embedded!(Jpeg, Large, Standard, "jpeg-standard-48x4.slm", 0x45e8_1e59),
    #[cfg(feature = "model-hevc-m")]
    embedded!(Hevc, Medium, Any, "hevc-32x3.slm", 0xeaab_3ea0),
    #[cfg(feature = "model-hevc-s")]
    embedded!(Hevc, Small, Any, "hevc-16x3.slm", 0xddc0_dd90),
];

/// The models of [`FILES`], read when they are asked for.
static MODELS: [TryOnce<Model>; FILES.len()] = [const { TryOnce::new() }; FILES.len()];
/// Models that [`single_weights`] made of these.
static SINGLE_WEIGHTS: [TryOnce<Model>; FILES.len()] = [const { TryOnce::new() }; FILES.len()];

/// The model of `FILES[place]`. One that does not load is as one that is not there; a test keeps
/// that from shipping.
fn model(place: usize) -> Result<&'static Model> {
    MODELS[place].get_or_make(|| read(place))
}

fn read(place: usize) -> Result<Model> {
    Model::from_bytes(FILES[place].bytes).map_err(|error| match error {
        Error::OutOfMemory => error,
        _ => Error::UnknownModel,
    })
}

/// Where the model that payloads name `id` is among [`FILES`].
fn place_of(id: u32) -> Option<usize> {
    FILES.iter().position(|file| Model::stored_id(file.bytes) == Some(id))
}

/// The model that payloads name `id`, and its size.
///
/// # Errors
/// [`Error::UnknownModel`]; [`Error::OutOfMemory`], as do the others.
pub fn by_id(id: u32) -> Result<(&'static Model, ModelSize)> {
    if let Some(place) = place_of(id) {
        return Ok((model(place)?, FILES[place].size));
    }
    let place = FILES.iter().position(|file| file.single_weights_id == id);
    let place = place.ok_or(Error::UnknownModel)?;
    Ok((single_weights_of(place)?, FILES[place].size))
}

/// The model whose updates change single weights, made of one of these by
/// [`Model::single_weights`]. It is for comparisons; payloads name it by its own id.
///
/// # Errors
/// [`Error::UnknownModel`] for models that are not from here.
pub fn single_weights(model: &Model) -> Result<&'static Model> {
    single_weights_of(place_of(model.id).ok_or(Error::UnknownModel)?)
}

/// The model that [`single_weights`] makes of `FILES[place]`.
fn single_weights_of(place: usize) -> Result<&'static Model> {
    SINGLE_WEIGHTS[place].get_or_make(|| read(place)?.single_weights())
}

/// The models of a codec and a size, the one for any tables first. Without a model of that size
/// those of the medium one, else of the small one, else of the large one.
///
/// # Errors
/// [`Error::UnknownModel`] if this build has none; [`Error::OutOfMemory`].
pub fn of_size(codec: CodecKind, size: ModelSize) -> Result<impl Iterator<Item = &'static Model>> {
    let mut models = [None; FILES.len()];
    for (to, place) in models.iter_mut().zip(choose(0..FILES.len(), codec, size)?) {
        *to = match model(place) {
            Ok(model) => Some(model),
            Err(Error::UnknownModel) => None,
            Err(error) => return Err(error),
        };
    }
    Ok(models.into_iter().flatten())
}

/// The first of them.
///
/// # Errors
/// [`Error::UnknownModel`] if this build has none.
pub fn default_for(codec: CodecKind, size: ModelSize) -> Result<&'static Model> {
    choose(0..FILES.len(), codec, size)?.next().map_or(Err(Error::UnknownModel), model)
}

/// The one of them for pictures of which no more is known than how they were coded.
///
/// # Errors
/// [`Error::UnknownModel`] if this build has none.
pub fn fitting(codec: &Codec, size: ModelSize) -> Result<&'static Model> {
    let standard = codec.standard_quality().is_some_and(|q| STANDARD_QUALITIES.contains(&q));
    let tables = if standard { Tables::Standard } else { Tables::Any };
    let mut places = choose(0..FILES.len(), codec.kind(), size)?;
    let fits = places.find(|place| FILES[*place].tables == tables);
    fits.map_or_else(|| default_for(codec.kind(), size), model)
}

/// Picks from `places` the models of the codec whose size is `size`, or stands in for it.
fn choose(
    places: impl Iterator<Item = usize> + Clone,
    codec: CodecKind,
    size: ModelSize,
) -> Result<impl Iterator<Item = usize>> {
    let places = places.filter(move |place| FILES[*place].codec == codec);
    let sizes = places.clone().map(|place| FILES[place].size);
    let chosen = sizes.min_by_key(|s| *s != size).ok_or(Error::UnknownModel)?;
    Ok(places.filter(move |place| FILES[*place].size == chosen))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codec::standard_luma_table;

    #[test]
    fn every_embedded_model_loads() {
        for (place, file) in FILES.iter().enumerate() {
            let model = model(place).unwrap();
            assert_eq!(model.clone().write_file(), *file.bytes);
            assert_eq!(model.codec, file.codec);
            assert_eq!(by_id(model.id).unwrap(), (model, file.size));
            assert_eq!(place_of(model.id), Some(place), "{:08x}", model.id);
            assert!(of_size(model.codec, file.size).unwrap().any(|m| m == model));
        }
    }

    /// A payload may name a model of single weights before any was made.
    #[test]
    fn models_of_single_weights_are_known_by_their_ids() {
        for (place, file) in FILES.iter().enumerate() {
            let made = model(place).unwrap().clone().single_weights().unwrap();
            assert_eq!(file.single_weights_id, made.id, "{place}: {:08x}", made.id);
            assert!(place_of(made.id).is_none());
            assert_eq!(by_id(made.id).unwrap(), (&made, file.size));
            assert_eq!(single_weights(model(place).unwrap()).unwrap(), &made);
        }
        let mut ids: Vec<u32> = FILES.iter().map(|file| file.single_weights_id).collect();
        ids.sort_unstable();
        ids.dedup();
        assert_eq!(ids.len(), FILES.len());
    }

    /// Each of a size has one for any tables, and that first.
    #[test]
    fn features_name_the_models_that_are_inside() {
        let named = [
            (cfg!(feature = "model-jpeg-s"), CodecKind::Jpeg, ModelSize::Small),
            (cfg!(feature = "model-jpeg-m"), CodecKind::Jpeg, ModelSize::Medium),
            (cfg!(feature = "model-jpeg-l"), CodecKind::Jpeg, ModelSize::Large),
            (cfg!(feature = "model-hevc-s"), CodecKind::Hevc, ModelSize::Small),
            (cfg!(feature = "model-hevc-m"), CodecKind::Hevc, ModelSize::Medium),
        ];
        let mut count = 0;
        for (wanted, codec, size) in named {
            let of_size = FILES.iter().filter(|f| (f.codec, f.size) == (codec, size));
            let tables: Vec<Tables> = of_size.map(|f| f.tables).collect();
            let expected: &[Tables] = match (wanted, codec) {
                (false, _) => &[],
                (true, CodecKind::Jpeg) => &[Tables::Any, Tables::Standard],
                (true, CodecKind::Hevc) => &[Tables::Any],
            };
            assert_eq!(tables, expected, "{codec:?} {size:?}");
            count += tables.len();
        }
        assert_eq!(FILES.len(), count);
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
        for (codec, size) in codecs
            .iter()
            .flat_map(|c| [ModelSize::Small, ModelSize::Medium, ModelSize::Large].map(|s| (c, s)))
        {
            let (codec, tables) = codec;
            let Ok(mut same_size) = of_size(codec.kind(), size) else { continue };
            let model = fitting(codec, size).unwrap();
            assert!(same_size.any(|m| m == model));
            assert_eq!(FILES[place_of(model.id).unwrap()].tables, *tables);
        }
    }

    /// Sizes fall back as the header says of SidelightModelSize, whichever of these models a build
    /// has.
    #[test]
    fn sizes_that_are_left_out_fall_back() {
        for set in 0..1u32 << FILES.len() {
            let kept = || (0..FILES.len()).filter(move |place| set >> place & 1 == 1);
            for codec in [CodecKind::Jpeg, CodecKind::Hevc] {
                for size in [ModelSize::Small, ModelSize::Medium, ModelSize::Large] {
                    let of_size = |s| -> Vec<usize> {
                        let is = |p: &usize| (FILES[*p].codec, FILES[*p].size) == (codec, s);
                        kept().filter(is).collect()
                    };
                    let mut sizes = [size, ModelSize::Medium, ModelSize::Small, ModelSize::Large]
                        .into_iter()
                        .map(of_size);
                    let expected = sizes.find(|s| !s.is_empty()).ok_or(Error::UnknownModel);
                    let found = choose(kept(), codec, size).map(Iterator::collect);
                    assert_eq!(found, expected, "{set:b} {codec:?} {size:?}");
                }
            }
        }
    }
}
