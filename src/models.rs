//! The base models inside the library.

use crate::network::{CodecKind, Model};
use crate::picture::Layout;
use crate::{Error, Result};
use std::sync::OnceLock;

/// Model files. The second has the first one's luma network and one for chroma.
static FILES: [&[u8]; 3] = [
    include_bytes!("../models/jpeg-y-32x3.slm"),
    include_bytes!("../models/jpeg-ycc-32x3.slm"),
    include_bytes!("../models/hevc-32x3.slm"),
];

fn all() -> &'static [Model] {
    static MODELS: OnceLock<Vec<Model>> = OnceLock::new();
    // A file that does not load is left out: its payloads then name an unknown model. A test keeps
    // that from shipping.
    MODELS.get_or_init(|| FILES.iter().filter_map(|f| Model::from_bytes(f).ok()).collect())
}

/// The model that payloads name `id`.
///
/// # Errors
/// [`Error::UnknownModel`].
pub fn by_id(id: u32) -> Result<&'static Model> {
    all().iter().find(|m| m.id == id).ok_or(Error::UnknownModel)
}

/// The default model of a codec, for pictures of `layout`: one for luma alone where there is one for
/// gray pictures.
///
/// # Errors
/// [`Error::UnknownModel`] if this build has none.
pub fn default_for(codec: CodecKind, layout: Layout) -> Result<&'static Model> {
    let chroma = layout != Layout::I400;
    let models = || all().iter().filter(|m| m.codec == codec);
    let fitting = models().find(|m| m.chroma.is_some() == chroma);
    fitting.or(models().next()).ok_or(Error::UnknownModel)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_embedded_model_loads() {
        assert_eq!(all().len(), FILES.len());
        for (model, file) in all().iter().zip(FILES) {
            assert_eq!(model.clone().to_bytes(), file);
            assert_eq!(by_id(model.id).unwrap(), model);
        }
        for layout in Layout::ALL {
            let model = default_for(CodecKind::Jpeg, layout).unwrap();
            assert_eq!(model.chroma.is_some(), layout != Layout::I400);
        }
    }
}
