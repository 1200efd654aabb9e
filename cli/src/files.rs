//! Files in and out: `-` is standard input and output, and nothing half-written appears under its
//! final name.

use anyhow::{bail, Context, Result};
use std::fs::{self, File, Permissions};
use std::io::{self, BufWriter, Read, Write};
use std::path::{Path, PathBuf};
use std::time::UNIX_EPOCH;
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

/// How messages name an output.
pub fn output_name(path: &Path) -> String {
    if is_standard(path) {
        "standard output".into()
    } else {
        path.display().to_string()
    }
}

/// Whether two paths are of one file that is there.
pub fn are_one(a: &Path, b: &Path) -> bool {
    if is_standard(a) || is_standard(b) {
        return false;
    }
    #[cfg(unix)]
    {
        use std::os::unix::fs::MetadataExt;
        let id = |path: &Path| fs::metadata(path).ok().map(|m| (m.dev(), m.ino()));
        id(a).is_some_and(|a| id(b) == Some(a))
    }
    #[cfg(not(unix))]
    {
        fs::canonicalize(a).is_ok_and(|a| fs::canonicalize(b).is_ok_and(|b| a == b))
    }
}

/// Endings of names of pictures that are no JPEG files.
const OTHER_FORMATS: &[&str] = &[
    "png", "tif", "tiff", "webp", "ppm", "pgm", "pnm", "gif", "bmp", "avif", "heic", "heif", "jxl",
];

/// An error where a JPEG would get the name of another format.
pub fn check_jpeg_name(path: &Path) -> Result<()> {
    let ending = path.extension().unwrap_or_default().to_string_lossy().to_lowercase();
    if !is_standard(path) && OTHER_FORMATS.contains(&&*ending) {
        bail!("{}: the file will be a JPEG, and .{ending} is not of one", path.display());
    }
    Ok(())
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

/// Size and time of a file: others tell that it has changed.
pub type Stamp = (u64, u64);

/// Size and time of a file.
pub fn stamp(metadata: &fs::Metadata) -> Stamp {
    let time = metadata.modified().ok().and_then(|t| t.duration_since(UNIX_EPOCH).ok());
    (metadata.len(), time.map_or(0, |t| t.as_nanos() as u64))
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

/// Most links in a row that are followed, as Linux has it.
const MAX_LINKS: usize = 40;

/// Whether it names an open file of a process, as /dev/stdout does, not a file of its own.
fn is_descriptor(path: &Path) -> bool {
    let folder = path.parent().unwrap_or(path);
    let is_of_process = |folder: PathBuf| folder.starts_with("/proc") && folder.ends_with("fd");
    path == Path::new("/dev/stdout")
        || path == Path::new("/dev/stderr")
        || folder == Path::new("/dev/fd")
        || fs::canonicalize(folder).is_ok_and(is_of_process)
}

/// Where links lead to, also one to a file that is not there yet, and whether that is a descriptor.
fn follow(path: &Path) -> Result<(PathBuf, bool)> {
    let mut at = path.to_path_buf();
    for _ in 0..=MAX_LINKS {
        if is_descriptor(&at) {
            return Ok((at, true));
        }
        match fs::read_link(&at) {
            Ok(next) => at = at.parent().unwrap_or(Path::new("")).join(next),
            Err(_) => return Ok((at, false)),
        }
    }
    bail!("{}: more than {MAX_LINKS} links", path.display());
}

/// Owner and group of a file that is replaced, as far as they may be set.
#[cfg(unix)]
fn keep_owner(file: &File, before: &fs::Metadata) {
    use std::os::unix::fs::{fchown, MetadataExt};
    if fchown(file, Some(before.uid()), Some(before.gid())).is_err() {
        let _ = fchown(file, None, Some(before.gid()));
    }
}

impl Output {
    /// Begins a file that is to be `path`; a link is followed.
    pub fn create(path: &Path) -> Result<Self> {
        Self::create_by_way_of(path, UNFINISHED)
    }

    /// Begins a file whose name begins with `unfinished` until it is complete.
    pub fn create_by_way_of(path: &Path, unfinished: &str) -> Result<Self> {
        let named = || path.display().to_string();
        if is_standard(path) {
            return Ok(Self { path: path.into(), to: To::Standard(BufWriter::new(io::stdout())) });
        }
        let (target, is_descriptor) = follow(path)?;
        if is_descriptor {
            // A file that is open there goes on behind what it has.
            let file = File::options().append(true).open(&target).with_context(named)?;
            return Ok(Self { path: target, to: To::Direct(BufWriter::new(file)) });
        }
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
        builder.prefix(unfinished).suffix(".part");
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            // The process's umask applies.
            builder.permissions(Permissions::from_mode(0o666));
        }
        let file = builder.tempfile_in(folder).with_context(named)?;
        if let Some(before) = before {
            // Where a file is replaced, whose it is and who may read it stays.
            #[cfg(unix)]
            keep_owner(file.as_file(), &before);
            file.as_file().set_permissions(before.permissions()).with_context(named)?;
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

    /// Finishes the file, with a call between the last byte and the moment the file appears; it gets
    /// the file's size and time, zeros if those are not known.
    pub fn finish_after(self, call: impl FnOnce(Stamp) -> Result<()>) -> Result<()> {
        let named = || self.path.display().to_string();
        match self.to {
            To::Standard(mut out) => {
                out.flush().context("standard output")?;
                call((0, 0))
            }
            To::Direct(mut out) => {
                out.flush().with_context(named)?;
                call((0, 0))
            }
            To::Unfinished(out) => {
                let file =
                    out.into_inner().map_err(io::IntoInnerError::into_error).with_context(named)?;
                call(stamp(&file.as_file().metadata().with_context(named)?))?;
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

/// Writes a whole file, whose name begins with `unfinished` until it is complete.
pub fn write(path: &Path, bytes: &[u8], unfinished: &str) -> Result<()> {
    let mut out = Output::create_by_way_of(path, unfinished)?;
    out.write_all(bytes).with_context(|| path.display().to_string())?;
    out.finish()
}
