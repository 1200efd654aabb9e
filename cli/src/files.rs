//! Files in and out: `-` is standard input and output, and nothing half-written appears under its
//! final name.

use anyhow::{bail, Context, Result};
use std::fs::{self, File, Permissions};
use std::io::{self, BufWriter, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use tempfile::NamedTempFile;

/// Largest file that is read.
const MAX_FILE: u64 = 1 << 30;

/// What names of unfinished files begin with.
pub const UNFINISHED: &str = ".sidelight-";

/// Whether `path` stands for standard input or output.
pub fn is_standard(path: &Path) -> bool {
    path == Path::new("-")
}

/// How messages name an input.
pub fn input_name(path: &Path) -> String {
    if is_standard(path) {
        "standard input".into()
    } else {
        path.display().to_string()
    }
}

/// A whole file.
pub fn read(path: &Path) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    let read = |input: &mut dyn Read, bytes: &mut Vec<u8>| -> Result<()> {
        input.take(MAX_FILE + 1).read_to_end(bytes)?;
        if bytes.len() as u64 > MAX_FILE {
            bail!("larger than 1 GiB");
        }
        Ok(())
    };
    let result = if is_standard(path) {
        read(&mut io::stdin().lock(), &mut bytes)
    } else {
        File::open(path).map_err(Into::into).and_then(|mut file| read(&mut file, &mut bytes))
    };
    result.with_context(|| input_name(path))?;
    Ok(bytes)
}

/// A file that is written.
pub struct Output {
    path: PathBuf,
    to: To,
}

enum To {
    Standard(BufWriter<io::Stdout>),
    /// Devices and pipes are written through.
    Direct(BufWriter<File>),
    Unfinished(BufWriter<NamedTempFile>),
}

impl Output {
    /// Begins a file that is to be `path`; a link is followed.
    pub fn create(path: &Path) -> Result<Self> {
        let named = || path.display().to_string();
        if is_standard(path) {
            return Ok(Self { path: path.into(), to: To::Standard(BufWriter::new(io::stdout())) });
        }
        let target = fs::canonicalize(path).unwrap_or_else(|_| path.into());
        let before = fs::metadata(&target).ok();
        if before.as_ref().is_some_and(fs::Metadata::is_dir) {
            bail!("{}: is a folder", named());
        }
        if before.as_ref().is_some_and(|m| !m.is_file()) {
            let file = File::options().write(true).open(&target).with_context(named)?;
            return Ok(Self { path: target, to: To::Direct(BufWriter::new(file)) });
        }
        let folder = target.parent().filter(|p| !p.as_os_str().is_empty());
        let folder = folder.unwrap_or_else(|| Path::new("."));
        let mut builder = tempfile::Builder::new();
        builder.prefix(UNFINISHED).suffix(".part");
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            // The process's umask applies.
            builder.permissions(Permissions::from_mode(0o666));
        }
        let file = builder.tempfile_in(folder).with_context(named)?;
        if let Some(before) = before {
            // Where a file is replaced, who may read it stays.
            fs::set_permissions(file.path(), before.permissions()).with_context(named)?;
        }
        Ok(Self { path: target, to: To::Unfinished(BufWriter::new(file)) })
    }

    /// Whether it will be a file that a name shows, not a stream or device.
    pub fn is_file(&self) -> bool {
        matches!(self.to, To::Unfinished(_))
    }

    /// Makes what was written the file of its name.
    pub fn finish(self) -> Result<()> {
        self.finish_after(|_| Ok(()))
    }

    /// The same, with a call between the last byte and the moment the file appears; it gets the
    /// number of bytes, 0 if that is not known.
    pub fn finish_after(self, call: impl FnOnce(u64) -> Result<()>) -> Result<()> {
        let named = || self.path.display().to_string();
        match self.to {
            To::Standard(mut out) => {
                out.flush().context("standard output")?;
                call(0)
            }
            To::Direct(mut out) => {
                out.flush().with_context(named)?;
                call(0)
            }
            To::Unfinished(out) => {
                let mut file =
                    out.into_inner().map_err(io::IntoInnerError::into_error).with_context(named)?;
                let bytes = file.seek(SeekFrom::End(0)).with_context(named)?;
                call(bytes)?;
                file.persist(&self.path).map_err(|e| e.error).with_context(named)?;
                Ok(())
            }
        }
    }
}

impl Write for Output {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match &mut self.to {
            To::Standard(out) => out.write(bytes),
            To::Direct(out) => out.write(bytes),
            To::Unfinished(out) => out.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match &mut self.to {
            To::Standard(out) => out.flush(),
            To::Direct(out) => out.flush(),
            To::Unfinished(out) => out.flush(),
        }
    }
}

/// Writes a whole file.
pub fn write(path: &Path, bytes: &[u8]) -> Result<()> {
    let mut out = Output::create(path)?;
    out.write_all(bytes).with_context(|| path.display().to_string())?;
    out.finish()
}
