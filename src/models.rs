//! The base models inside the library.

use crate::network::{CodecKind, Model};
use crate::{Error, Result};
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

/// Model files and their sizes, those that this build shall have. A codec's are in the order in which they
/// stand in for sizes that it lacks.
static FILES: &[(Size, &[u8])] = &[
    #[cfg(feature = "model-jpeg-m")]
    (Size::M, include_bytes!("../models/jpeg-ycc-32x3.slm")),
    #[cfg(feature = "model-jpeg-s")]
    (Size::S, include_bytes!("../models/jpeg-ycc-16x3.slm")),
    #[cfg(feature = "model-jpeg-l")]
    (Size::L, include_bytes!("../models/jpeg-ycc-48x4.slm")),
    #[cfg(feature = "model-hevc-m")]
    (Size::M, include_bytes!("../models/hevc-32x3.slm")),
    #[cfg(feature = "model-hevc-s")]
    (Size::S, include_bytes!("../models/hevc-16x3.slm")),
];

fn all() -> &'static [(Size, Model)] {
    static MODELS: OnceLock<Vec<(Size, Model)>> = OnceLock::new();
    // A file that does not load is left out: its payloads then name an unknown model. A test keeps
    // that from shipping.
    let load = |(size, file): &(Size, &[u8])| Some((*size, Model::from_bytes(file).ok()?));
    MODELS.get_or_init(|| FILES.iter().filter_map(load).collect())
}

/// Models made of the others by [`unmixed`].
static UNMIXED: [OnceLock<Model>; FILES.len()] = [const { OnceLock::new() }; FILES.len()];

/// The model that payloads name `id`, and its size.
///
/// # Errors
/// [`Error::UnknownModel`].
pub fn by_id(id: u32) -> Result<(&'static Model, Size)> {
    let made =
        all().iter().zip(&UNMIXED).filter_map(|((size, _), made)| Some((*size, made.get()?)));
    let mut known = all().iter().map(|(size, model)| (*size, model)).chain(made);
    known.find(|(_, m)| m.id == id).map(|(size, model)| (model, size)).ok_or(Error::UnknownModel)
}

/// A model whose updates change single taps, of one of these: [`Model::unmixed`]. It is for comparisons, and
/// payloads can name it only in the process that asked for it.
///
/// # Errors
/// [`Error::UnknownModel`] for models that are not from here.
pub fn unmixed(model: &Model) -> Result<&'static Model> {
    let place = all().iter().position(|(_, m)| m.id == model.id).ok_or(Error::UnknownModel)?;
    if UNMIXED[place].get().is_none() {
        // Another thread may have been faster; it made the same.
        let _ = UNMIXED[place].set(all()[place].1.unmixed()?);
    }
    UNMIXED[place].get().ok_or(Error::Internal)
}

/// The model of a codec and a size. Without a model of that size the medium one, else the small one, else the
/// large one.
///
/// # Errors
/// [`Error::UnknownModel`] if this build has none.
pub fn default_for(codec: CodecKind, size: Size) -> Result<&'static Model> {
    choose(all(), codec, size)
}

fn choose<'m>(
    models: impl IntoIterator<Item = &'m (Size, Model)>,
    codec: CodecKind,
    size: Size,
) -> Result<&'m Model> {
    let models = models.into_iter().filter(|(_, m)| m.codec == codec);
    models.min_by_key(|(s, _)| *s != size).map(|(_, m)| m).ok_or(Error::UnknownModel)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_embedded_model_loads() {
        assert_eq!(all().len(), FILES.len());
        for ((size, model), (_, file)) in all().iter().zip(FILES) {
            assert_eq!(model.clone().to_bytes(), *file);
            assert_eq!(by_id(model.id).unwrap(), (model, *size));
            assert_eq!(default_for(model.codec, *size).unwrap(), model);
        }
    }

    #[test]
    fn features_name_the_models_that_are_inside() {
        let named = [
            (cfg!(feature = "model-jpeg-s"), CodecKind::Jpeg, Size::S),
            (cfg!(feature = "model-jpeg-m"), CodecKind::Jpeg, Size::M),
            (cfg!(feature = "model-jpeg-l"), CodecKind::Jpeg, Size::L),
            (cfg!(feature = "model-hevc-s"), CodecKind::Hevc, Size::S),
            (cfg!(feature = "model-hevc-m"), CodecKind::Hevc, Size::M),
        ];
        for (wanted, codec, size) in named {
            let found = all().iter().filter(|(s, m)| (m.codec, *s) == (codec, size)).count();
            assert_eq!(found, usize::from(wanted), "{codec:?} {size:?}");
        }
        assert_eq!(all().len(), named.iter().filter(|(wanted, ..)| *wanted).count());
    }

    /// As the header says of SidelightModelSize, whichever of these models a build has.
    #[test]
    fn sizes_that_are_left_out_fall_back() {
        for set in 0..1u32 << all().len() {
            let kept = || all().iter().enumerate().filter(|(i, _)| set >> i & 1 == 1);
            for codec in [CodecKind::Jpeg, CodecKind::Hevc] {
                for size in [Size::S, Size::M, Size::L] {
                    let expected = [size, Size::M, Size::S, Size::L]
                        .into_iter()
                        .find_map(|s| kept().find(|(_, (has, m))| (m.codec, *has) == (codec, s)));
                    let expected = expected.map(|(_, (_, m))| m).ok_or(Error::UnknownModel);
                    let models = kept().map(|(_, model)| model);
                    assert_eq!(choose(models, codec, size), expected, "{set:b} {codec:?} {size:?}");
                }
            }
        }
    }
}
