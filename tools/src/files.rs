//! Files: pictures found, results written whole.

use anyhow::{ensure, Context, Result};
use sha2::{Digest, Sha256};
use std::io::Write;
use std::path::{Path, PathBuf};

/// The PNG files of a folder, by name; at least one.
pub fn pngs(folder: &Path) -> Result<Vec<PathBuf>> {
    with_extension(folder, "png")
}

/// The files of a folder with an extension, by name; at least one.
pub fn with_extension(folder: &Path, extension: &str) -> Result<Vec<PathBuf>> {
    let entries = std::fs::read_dir(folder)
        .with_context(|| format!("reading the folder {}", folder.display()))?;
    let mut paths = entries.map(|e| Ok(e?.path())).collect::<Result<Vec<_>>>()?;
    paths.retain(|p| p.extension().is_some_and(|e| e.eq_ignore_ascii_case(extension)));
    paths.sort();
    let what = extension.to_uppercase();
    ensure!(!paths.is_empty(), "{}: no {what} files in this folder", folder.display());
    Ok(paths)
}

/// A file's name without its extension.
pub fn name(path: &Path) -> String {
    path.file_stem().unwrap_or_default().to_string_lossy().into_owned()
}

/// SHA-256 in hexadecimal.
pub fn hash(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|b| format!("{b:02x}")).collect()
}

/// Writes a file that is there whole or not at all.
pub fn write(path: &Path, bytes: &[u8]) -> Result<()> {
    let what = || format!("writing {}", path.display());
    let mut beside = path.as_os_str().to_owned();
    beside.push(format!(".{}.part", std::process::id()));
    let beside = PathBuf::from(beside);
    let written = std::fs::File::create(&beside).and_then(|mut file| file.write_all(bytes));
    let renamed = written.and_then(|()| std::fs::rename(&beside, path));
    if renamed.is_err() {
        std::fs::remove_file(&beside).ok();
    }
    renamed.with_context(what)
}
