//! JPEG by the project's own example, `jpeg_encode`, whose coefficients may be chosen for the filter.

use super::{command, jpeg, Codec};
use crate::files::hash;
use crate::media::yuv::{Original, Yuv};
use anyhow::{ensure, Context, Result};
use sidelight::{CodecParams, ModelSize};
use std::path::{Path, PathBuf};

/// Says where the examples are, if not in `c-examples/build`.
const FOLDER: &str = "SIDELIGHT_EXAMPLES";

/// `jpeg_encode --no-payload` with 4:2:0 and optimised Huffman tables.
pub struct Example {
    /// What `--tables` takes.
    pub tables: &'static str,
    /// Size of the base model that coefficients are chosen for.
    pub optimised_for: Option<ModelSize>,
}

impl Example {
    /// All but the quality and the files.
    fn arguments(&self) -> Vec<&'static str> {
        let mut out = vec!["--no-payload", "--threads", "1", "--tables", self.tables];
        let size = self.optimised_for.map(|size| match size {
            ModelSize::Small => "small",
            ModelSize::Large => "large",
            _ => "medium",
        });
        if let Some(size) = size {
            out.extend(["--optimise", "--model-size", size]);
        }
        out
    }
}

impl Codec for Example {
    fn version(&self) -> Result<String> {
        let program = program()?;
        // Files differ with the program and with the library that it loads.
        let mut bytes = std::fs::read(&program)?;
        if let Some(library) = library(&program) {
            bytes.extend(std::fs::read(library)?);
        }
        Ok(format!("jpeg_encode {} ({})", self.arguments().join(" "), &hash(&bytes)[..12]))
    }

    /// A neighbouring quality of an optimised picture would take as long again and tell little: its
    /// coefficients are chosen anew. So the slope is the encoder's estimate from the file's size,
    /// as it is in `jpeg_encode`.
    fn neighbour(&self, quality: u32) -> Option<u32> {
        self.optimised_for.is_none().then(|| jpeg::neighbouring_quality(quality))
    }

    fn encode(&self, original: &Original, quality: u32) -> Result<Vec<u8>> {
        let program = program()?;
        let folder = tempfile::tempdir()?;
        let (source, file) = (folder.path().join("source.pnm"), folder.path().join("coded.jpg"));
        std::fs::write(&source, jpeg::pnm(&original.image))?;
        let quality = quality.to_string();
        let mut arguments = self.arguments();
        arguments.extend(["--quality", &quality, text(&source)?, text(&file)?]);
        command::pipe(text(&program)?, &arguments, b"")?;
        Ok(std::fs::read(&file)?)
    }

    fn decode(&self, file: &[u8], like: &Yuv) -> Result<Yuv> {
        jpeg::decode_like(file, like)
    }

    fn params(&self, file: &[u8], _decoded: &Yuv, _quality: u32) -> Result<CodecParams> {
        jpeg::params(file)
    }

    fn carriage_bytes(&self) -> u32 {
        sidelight::carriage::jpeg::CARRIAGE_BYTES
    }

    fn embed(&self, file: &[u8], payload: &[u8]) -> Result<Vec<u8>> {
        Ok(sidelight::carriage::jpeg::insert(file, payload)?)
    }
}

fn text(path: &Path) -> Result<&str> {
    path.to_str().with_context(|| format!("{}: not UTF-8", path.display()))
}

/// Where `jpeg_encode` is.
fn program() -> Result<PathBuf> {
    let folder = std::env::var_os(FOLDER).map(PathBuf::from);
    let folder = folder.unwrap_or_else(|| {
        PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../c-examples/build"))
    });
    in_folder(&folder)
}

fn in_folder(folder: &Path) -> Result<PathBuf> {
    let program = folder.join("jpeg_encode");
    ensure!(
        program.is_file(),
        "{}: not there: `make examples` builds it; {FOLDER}=<folder> takes another folder's",
        program.display()
    );
    Ok(program)
}

/// The shared library that the program loads, where the system tells.
fn library(program: &Path) -> Option<PathBuf> {
    let output = std::process::Command::new("ldd").arg(program).output().ok()?;
    let said = String::from_utf8_lossy(&output.stdout);
    let line = said.lines().find(|l| l.contains("libsidelight"))?;
    Some(PathBuf::from(line.split_whitespace().nth(2)?)).filter(|p| p.is_file())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_program_is_named_with_what_builds_it() {
        let folder = tempfile::tempdir().unwrap();
        let error = in_folder(folder.path()).unwrap_err().to_string();
        assert!(error.contains("jpeg_encode") && error.contains("make examples"), "{error}");
    }
}
