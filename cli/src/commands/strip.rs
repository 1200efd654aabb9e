//! `strip`: a JPEG without its payload.

use crate::args::{Common, DONE};
use crate::files::{self, Output};
use crate::jpeg;
use anyhow::{ensure, Context, Result};
use clap::Args;
use sidelight::carriage::jpeg as carriage;
use std::io::Write;
use std::path::PathBuf;

/// Remove the payload from a JPEG
///
/// All other bytes stay: it is the file that there was before. A link is followed; a hard link is cut, as the file is
/// replaced: its other names go on showing what there was.
#[derive(Args)]
#[command(after_help = "\
Examples:
  sidelight strip photo.jpg
  sidelight strip photo.jpg -o plain.jpg")]
pub struct Arguments {
    /// JPEG file
    #[arg(value_name = "FILE.jpg")]
    pub file: PathBuf,
    /// Write to this file [default: FILE.jpg itself]
    #[arg(short, long, value_name = "OUT.jpg")]
    pub output: Option<PathBuf>,
    /// Also where something that the file holds will no longer be valid: Content Credentials, previews behind the
    /// picture
    #[arg(long)]
    pub anyway: bool,
}

pub fn run(a: &Arguments, common: &Common) -> Result<u8> {
    a.output.iter().try_for_each(|path| files::check_jpeg_name(path))?;
    let file = files::read(&a.file)?;
    ensure!(jpeg::is_jpeg(&file), "{}: not a JPEG file", files::input_name(&a.file));
    let remove = if a.anyway { carriage::remove_anyway } else { carriage::remove };
    let out = remove(&file).with_context(|| files::input_name(&a.file))?;
    let removed = file.len() - out.len();
    let path = a.output.as_ref().unwrap_or(&a.file);
    ensure!(out.len() <= file.len(), "more bytes than there were");
    if removed == 0 && a.output.is_none() && !files::is_standard(path) {
        common.tell_at(true, "no payload in the file")?;
        return Ok(DONE);
    }
    let mut to = Output::create(path)?;
    to.write_all(&out).with_context(|| files::output_name(path))?;
    let to_file = to.is_file();
    to.finish()?;
    common.tell_at(to_file, &format!("{removed} bytes removed, {} left", out.len()))?;
    Ok(DONE)
}
