//! `batch`: folders of pictures.
//!
//! A journal in the output folder has a line for each picture that is done, written just before the
//! picture appears. So a batch that was ended in any way goes on where it was, and its results are
//! those of one that was not.

use super::attach::{self, Attached};
use super::{decode, encode, say};
use crate::args::{Common, DAMAGED, DONE, FAILED, UNFILTERED};
use crate::files::{self, Output, Stamp};
use crate::picture::{self, Format};
use anyhow::{anyhow, bail, ensure, Context, Result};
use clap::{Args, Subcommand};
use indicatif::{ProgressBar, ProgressStyle};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, HashMap, HashSet};
use std::fs::{self, File, TryLockError};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io::{Read, Seek, SeekFrom, Write};
use std::panic::{catch_unwind, AssertUnwindSafe};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::Mutex;
use std::time::Instant;
use walkdir::WalkDir;

const JOURNAL: &str = ".sidelight-batch.jsonl";
const RESULTS: &str = "sidelight-results";
/// Most failures that the summary tells one by one.
const TOLD: usize = 20;

/// Endings of names of JPEG files.
const JPEGS: &[&str] = &["jpg", "jpeg", "jpe", "jfif"];
/// Endings of names of other pictures.
const PICTURES: &[&str] = &["png", "tif", "tiff", "webp", "ppm", "pgm", "pnm"];

/// Do folders of pictures
///
/// OUT gets the tree of IN, and sidelight-results.csv and .json with a row for each picture. Pictures are done in
/// parallel. A batch that was interrupted, even killed, goes on when it is called again; pictures that are done are not
/// done again, and those that are missing in OUT, or have another source, are. A file of OUT that is not of the batch,
/// or was changed since, is never overwritten; nor may another batch have the same OUT. What fails does not stop the
/// rest: it is told at the end, and is tried again by the next call. Links to files are followed, those to folders are
/// not.
#[derive(Subcommand)]
#[command(after_help = "\
Examples:
  sidelight batch decode jpegs better
  sidelight batch decode --mode base --depth 16 --format tiff jpegs better-tiff
  sidelight batch attach originals jpegs with-payloads
  sidelight batch encode --quality 60 originals new-jpegs")]
pub enum Command {
    /// Decode and filter all JPEGs of a folder
    Decode(DecodeArguments),
    /// Attach side information to copies of all JPEGs of a folder
    Attach(AttachArguments),
    /// Code all pictures of a folder as JPEGs with side information
    Encode(EncodeArguments),
}

#[derive(Args)]
#[command(after_help = "\
Examples:
  sidelight batch decode jpegs better
  sidelight batch decode --jobs 2 --mode base --format ppm jpegs better-ppm")]
pub struct DecodeArguments {
    /// Folder of JPEGs
    #[arg(value_name = "IN")]
    input: PathBuf,
    #[command(flatten)]
    out: Out,
    #[command(flatten)]
    how: decode::How,
    /// Format of the pictures
    #[arg(long, value_enum, default_value_t = Format::Png)]
    format: Format,
}

#[derive(Args)]
#[command(after_help = "\
Examples:
  sidelight batch attach originals jpegs with-payloads
  sidelight batch attach --no-update --jobs 1 originals jpegs with-base-model")]
pub struct AttachArguments {
    /// Folder with the originals, of the same names but for what stands behind the last dot
    #[arg(value_name = "ORIGINALS")]
    originals: PathBuf,
    /// Folder of JPEGs
    #[arg(value_name = "IN")]
    input: PathBuf,
    #[command(flatten)]
    out: Out,
    #[command(flatten)]
    how: attach::How,
}

#[derive(Args)]
#[command(after_help = "\
Examples:
  sidelight batch encode --quality 60 originals new-jpegs")]
pub struct EncodeArguments {
    /// Folder of PNG, TIFF, WebP, PPM and PGM files
    #[arg(value_name = "IN")]
    input: PathBuf,
    #[command(flatten)]
    out: Out,
    #[command(flatten)]
    how: encode::How,
}

#[derive(Args)]
struct Out {
    /// Folder that gets the files; made if it is not there
    #[arg(value_name = "OUT")]
    output: PathBuf,
    /// Pictures at a time, 0 for one for each core: memory grows with it
    #[arg(long, value_name = "N", default_value_t = 0, value_parser = clap::value_parser!(u16).range(0..=256))]
    jobs: u16,
}

impl Command {
    fn folders(&self) -> (&Path, &Out) {
        match self {
            Self::Decode(a) => (&a.input, &a.out),
            Self::Attach(a) => (&a.input, &a.out),
            Self::Encode(a) => (&a.input, &a.out),
        }
    }

    fn endings(&self) -> &'static [&'static str] {
        match self {
            Self::Decode(_) | Self::Attach(_) => JPEGS,
            Self::Encode(_) => PICTURES,
        }
    }

    /// What decides the files' bytes.
    fn settings(&self) -> Result<serde_json::Value> {
        Ok(match self {
            Self::Decode(a) => serde_json::json!({"decode": &a.how, "format": a.format}),
            Self::Attach(a) => serde_json::json!({"attach": &a.how}),
            Self::Encode(a) => serde_json::json!({"encode": &a.how}),
        })
    }

    /// The folder with the originals.
    fn originals(&self) -> Option<&Path> {
        match self {
            Self::Attach(a) => Some(&a.originals),
            _ => None,
        }
    }

    /// The ending of the files' names; `None` leaves them as they are.
    fn ending(&self) -> Option<&'static str> {
        match self {
            Self::Decode(a) => Some(a.format.extension()),
            Self::Attach(_) => None,
            Self::Encode(_) => Some("jpg"),
        }
    }
}

// ---- results ----

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Status {
    Ok,
    /// Written, but not filtered though that was asked for.
    Unfiltered,
    /// Written as far as it could be decoded.
    Damaged,
    Failed,
}

/// What became of a picture. Nothing in it depends on the machine, the time or the number of jobs.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Row {
    input: String,
    output: Option<String>,
    status: Status,
    why: Option<String>,
    mode: Option<String>,
    width: Option<usize>,
    height: Option<usize>,
    input_bytes: Option<u64>,
    output_bytes: Option<u64>,
    payload_bytes: Option<usize>,
    psnr_y_jpeg: Option<f64>,
    psnr_y_base: Option<f64>,
    psnr_y_sent: Option<f64>,
}

impl Row {
    fn failed(input: String, why: String) -> Self {
        Self { status: Status::Failed, why: Some(why), ..Self::new(input) }
    }

    fn new(input: String) -> Self {
        Self {
            input,
            output: None,
            status: Status::Ok,
            why: None,
            mode: None,
            width: None,
            height: None,
            input_bytes: None,
            output_bytes: None,
            payload_bytes: None,
            psnr_y_jpeg: None,
            psnr_y_base: None,
            psnr_y_sent: None,
        }
    }

    fn set(&mut self, attached: &Attached) {
        let report = &attached.report;
        self.mode = Some(decode::mode_name(report.mode).into());
        self.payload_bytes = Some(attached.payload);
        // JSON has no infinity: planes are equal then.
        let finite = |psnr: f64| psnr.is_finite().then_some((psnr * 1e3).round() / 1e3);
        self.psnr_y_jpeg = finite(report.psnr_decoded);
        self.psnr_y_base = finite(report.psnr_base);
        self.psnr_y_sent = finite(report.psnr_payload);
    }
}

/// Size and time of a file that a picture is made of.
fn source(path: &Path) -> Result<Stamp> {
    Ok(files::stamp(&fs::metadata(path).with_context(|| path.display().to_string())?))
}

/// Whether a file is as it was written; archives and some file systems cut its time, to 2 seconds at worst.
fn is_same(there: Stamp, written: Stamp) -> bool {
    const TICK: u64 = 10_000_000;
    const LONGEST: u64 = 2_000_000_000;
    let is_cut = there.1.is_multiple_of(TICK) && there.1.abs_diff(written.1) < LONGEST;
    there.0 == written.0 && (there.1 == written.1 || is_cut)
}

// ---- the journal ----

/// What a batch is. With any other value in it the files are those of another batch.
#[derive(PartialEq, Serialize, Deserialize)]
struct Head {
    version: String,
    settings: serde_json::Value,
    /// IN, without links.
    #[serde(default)]
    input: String,
    /// ORIGINALS, without links.
    #[serde(default)]
    originals: Option<String>,
}

/// All values inside of `value`, by their names.
fn leaves(name: &str, value: &serde_json::Value, out: &mut BTreeMap<String, String>) {
    match value.as_object() {
        Some(fields) => fields.iter().for_each(|(name, value)| leaves(name, value, out)),
        None => {
            out.insert(name.into(), value.to_string());
        }
    }
}

impl Head {
    fn new(command: &Command, input: &Path) -> Result<Self> {
        let real = |path: &Path| -> Result<String> {
            let real = fs::canonicalize(path).with_context(|| path.display().to_string())?;
            Ok(real.to_string_lossy().into_owned())
        };
        Ok(Self {
            version: env!("CARGO_PKG_VERSION").into(),
            settings: command.settings()?,
            input: real(input)?,
            originals: command.originals().map(real).transpose()?,
        })
    }

    /// In what it differs from `old`.
    fn differences(&self, old: &Self) -> Result<String> {
        let [mut ours, mut theirs] = [BTreeMap::new(), BTreeMap::new()];
        leaves("", &serde_json::to_value(self)?, &mut ours);
        leaves("", &serde_json::to_value(old)?, &mut theirs);
        let names = ours.keys().chain(theirs.keys()).collect::<std::collections::BTreeSet<_>>();
        let of = |all: &BTreeMap<String, String>, name| {
            all.get(name).cloned().unwrap_or_else(|| "none".into())
        };
        let pairs = names.into_iter().map(|name| (name, of(&theirs, name), of(&ours, name)));
        let differ = pairs.filter(|(_, old, new)| old != new);
        let told = differ.map(|(name, old, new)| format!("{name} {old}, now {new}"));
        Ok(told.collect::<Vec<_>>().join("; "))
    }
}

/// A picture that is done, or is as soon as it appears.
#[derive(Clone, Serialize, Deserialize)]
struct Line {
    sources: Vec<Stamp>,
    output: Stamp,
    row: Row,
}

/// The lines of each picture, in the order that they were written.
type Lines = HashMap<String, Vec<Line>>;

/// What is done, in a file that is locked for as long as the batch runs.
struct Journal {
    file: Mutex<File>,
    /// What was done before.
    done: Lines,
}

impl Journal {
    fn open(folder: &Path, head: &Head) -> Result<Self> {
        let path = folder.join(JOURNAL);
        let named = || path.display().to_string();
        if fs::metadata(&path).map_or(true, |journal| journal.len() == 0) {
            for ending in ["csv", "json"] {
                let results = folder.join(RESULTS).with_extension(ending);
                ensure!(
                    fs::symlink_metadata(&results).is_err(),
                    "{} is there, and not of this batch: take another folder",
                    results.display()
                );
            }
        }
        let mut options = File::options();
        options.read(true).write(true).create(true).truncate(false);
        let mut file = options.open(&path).with_context(named)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                bail!("{}: another batch is at work", folder.display())
            }
            Err(TryLockError::Error(error)) => return Err(error).with_context(named),
        }
        let mut text = Vec::new();
        file.read_to_end(&mut text).with_context(named)?;
        let whole = text.iter().rposition(|b| *b == b'\n').map_or(0, |end| end + 1);
        // A line that was cut off is of a picture that did not appear.
        file.set_len(whole as u64).with_context(named)?;
        file.seek(SeekFrom::Start(whole as u64)).with_context(named)?;
        match text[..whole].split(|b| *b == b'\n').next().filter(|line| !line.is_empty()) {
            None => append(&mut file, head).with_context(named)?,
            Some(line) => {
                let old: Head = serde_json::from_slice(line).with_context(named)?;
                ensure!(
                    old == *head,
                    "{}: has results of other settings or folders ({}): {}: take another folder",
                    folder.display(),
                    named(),
                    head.differences(&old)?
                );
            }
        }
        Ok(Self { file: Mutex::new(file), done: lines(&text[..whole]) })
    }

    fn add(&self, line: &Line) -> Result<()> {
        let mut file = self.file.lock().map_err(|_| anyhow!("a thread has failed"))?;
        append(&mut file, line).context(JOURNAL)
    }
}

/// A journal's lines. What can't be read as one is left out: what it was of is not known to be done.
fn lines(journal: &[u8]) -> Lines {
    let mut all = Lines::new();
    for line in journal.split(|b| *b == b'\n').skip(1) {
        if let Ok(line) = serde_json::from_slice::<Line>(line) {
            all.entry(line.row.input.clone()).or_default().push(line);
        }
    }
    all
}

/// A line, whole or not at all.
fn append(file: &mut File, line: &impl Serialize) -> Result<()> {
    let mut text = serde_json::to_vec(line)?;
    text.push(b'\n');
    let before = file.stream_position()?;
    file.write_all(&text).inspect_err(|_| {
        // On a full disk a part may be there, and the next line must not go on behind it.
        let _ = file.set_len(before);
        let _ = file.seek(SeekFrom::Start(before));
    })?;
    Ok(())
}

// ---- the work ----

/// A picture to do.
struct Item {
    input: PathBuf,
    /// From the input folder on, with /.
    name: String,
    /// From the output folder on.
    output: String,
}

struct Batch<'a> {
    command: &'a Command,
    journal: Journal,
    folder: &'a Path,
    unfinished: &'a str,
    /// Paths of all files that the batch makes, without links.
    outputs: HashSet<PathBuf>,
    threads: usize,
    max_pixels: u64,
}

/// Files of `folder` that the command is for, in order, what can't be done of it, and how much else there is.
fn items(command: &Command, folder: &Path, out: &Path) -> Result<(Vec<Item>, Vec<Row>, usize)> {
    let (mut found, mut failed, mut others) = (Vec::new(), Vec::new(), 0);
    // `None` as long as there is none.
    let within = fs::canonicalize(out).ok();
    let from = fs::canonicalize(folder).with_context(|| folder.display().to_string())?;
    ensure!(within.as_ref() != Some(&from), "IN and OUT are one folder");
    let walk = WalkDir::new(&from).sort_by_file_name().into_iter();
    let hidden = |name: &std::ffi::OsStr| name.as_encoded_bytes().starts_with(b".");
    let walk = walk.filter_entry(|e| {
        e.depth() == 0 || (Some(e.path()) != within.as_deref() && !hidden(e.file_name()))
    });
    for entry in walk {
        let entry = match entry {
            Ok(entry) => entry,
            Err(error) => {
                let path = error.path().unwrap_or(folder).display().to_string();
                failed.push(Row::failed(path, error.to_string()));
                continue;
            }
        };
        let path = entry.path();
        if entry.file_type().is_dir() {
            continue;
        }
        // Links to folders, links to nothing, pipes and devices.
        if !path.is_file() {
            others += 1;
            continue;
        }
        let ending = path.extension().unwrap_or_default().to_string_lossy().to_lowercase();
        if !command.endings().contains(&&*ending) {
            others += 1;
            continue;
        }
        let relative = path.strip_prefix(&from)?;
        let Some(parts) = relative.iter().map(|part| part.to_str()).collect::<Option<Vec<_>>>()
        else {
            let name = relative.to_string_lossy().into_owned();
            failed.push(Row::failed(name, "the name is not UTF-8".into()));
            continue;
        };
        found.push((path.to_path_buf(), parts.join("/")));
    }
    let outputs = outputs(&found, command.ending());
    let item = |((input, name), output)| Item { input, name, output };
    Ok((found.into_iter().zip(outputs).map(item).collect(), failed, others))
}

/// Names of the files that pictures become, no two of them the same.
fn outputs(found: &[(PathBuf, String)], ending: Option<&str>) -> Vec<String> {
    let names = found.iter().map(|(_, name)| name.clone());
    let Some(ending) = ending else { return names.collect() };
    let stem = |name: &str| name.rsplit_once('.').map_or(name, |(stem, _)| stem).to_string();
    let mut outputs: Vec<_> = names.map(|name| format!("{}.{ending}", stem(&name))).collect();
    // Names that differ in their ending alone keep it, until nothing is left to tell apart.
    loop {
        let mut count: HashMap<String, usize> = HashMap::new();
        outputs.iter().for_each(|output| *count.entry(output.clone()).or_default() += 1);
        let mut changed = false;
        for (output, (_, name)) in outputs.iter_mut().zip(found) {
            let whole = format!("{name}.{ending}");
            if count[output] > 1 && *output != whole {
                (*output, changed) = (whole, true);
            }
        }
        if !changed {
            return outputs;
        }
    }
}

/// The original of a picture: the one file of that name that is neither the picture nor of the batch.
fn original(folder: &Path, item: &Item, outputs: &HashSet<PathBuf>) -> Result<PathBuf> {
    let name = &item.name;
    let stem = name.rsplit_once('.').map_or(&**name, |(stem, _)| stem);
    let endings = PICTURES.iter().chain(JPEGS).flat_map(|e| [e.to_string(), e.to_uppercase()]);
    let named = |ending: String| folder.join(format!("{stem}.{ending}"));
    let other = |path: &PathBuf| {
        path.is_file()
            && !files::are_one(path, &item.input)
            && !fs::canonicalize(path).is_ok_and(|path| outputs.contains(&path))
    };
    let mut found: Vec<_> = endings.map(named).filter(other).collect();
    found.dedup_by_key(|path| fs::canonicalize(path).ok());
    match &found[..] {
        [] => bail!("no original {}", folder.join(stem).display()),
        [one] => Ok(one.clone()),
        [one, other, ..] => {
            bail!("several originals: {}, {}", one.display(), other.display())
        }
    }
}

impl Batch<'_> {
    /// Does a picture, unless it is done.
    fn item(&self, item: &Item) -> Row {
        let work = || self.try_item(item);
        let result = catch_unwind(AssertUnwindSafe(work))
            .unwrap_or_else(|_| Err(anyhow!("a bug in this program")));
        result.unwrap_or_else(|error| Row::failed(item.name.clone(), format!("{error:#}")))
    }

    fn try_item(&self, item: &Item) -> Result<Row> {
        let path = self.folder.join(&item.output);
        let mut sources = vec![source(&item.input)?];
        let original = match self.command.originals() {
            Some(folder) => Some(original(folder, item, &self.outputs)?),
            None => None,
        };
        if let Some(original) = &original {
            sources.push(source(original)?);
        }
        if let Ok(there) = fs::symlink_metadata(&path) {
            let lines = self.journal.done.get(&item.name).map_or(&[][..], |lines| &lines[..]);
            let of_it = |line: &&Line| line.row.output.as_ref() == Some(&item.output);
            let mut ours = lines.iter().filter(of_it).peekable();
            if ours.peek().is_none() {
                bail!("{} is there, and not of this batch", path.display());
            }
            let is = |line: &Line| there.is_file() && is_same(files::stamp(&there), line.output);
            if let Some(line) = lines.last().filter(|line| is(line) && line.sources == sources) {
                return Ok(line.row.clone());
            }
            // A crash of the machine may leave an empty file, and nothing of it is lost.
            let is_empty = there.is_file() && there.len() == 0;
            if !is_empty && !ours.any(is) {
                bail!("{} was changed since: move it away", path.display());
            }
        }
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder).with_context(|| folder.display().to_string())?;
        }
        let file = files::read(&item.input)?;
        let mut row = Row::new(item.name.clone());
        row.input_bytes = Some(file.len() as u64);
        row.output = Some(item.output.clone());
        let mut out = Output::create_by_way_of(&path, self.unfinished)?;
        self.make(&file, original.as_deref(), &mut row, &mut out)?;
        out.finish_after(|output| {
            row.output_bytes = Some(output.0);
            self.journal.add(&Line { sources, output, row: row.clone() })
        })?;
        Ok(row)
    }

    /// Writes what a file becomes.
    fn make(
        &self,
        file: &[u8],
        original: Option<&Path>,
        row: &mut Row,
        out: &mut Output,
    ) -> Result<()> {
        let Self { threads, max_pixels, .. } = *self;
        let mut go_on = |_| true;
        match (self.command, original) {
            (Command::Decode(a), _) => {
                let picture = decode::picture(file, &a.how, threads, max_pixels)?;
                let (width, height) = picture.size();
                (row.width, row.height) = (Some(width), Some(height));
                row.mode = Some(decode::mode_name(picture.mode).into());
                row.why = picture.left_out.clone();
                if let Some(why) = &picture.unfiltered {
                    (row.status, row.why) = (Status::Unfiltered, Some(why.clone()));
                }
                if let Some(damage) = &picture.damaged {
                    (row.status, row.why) = (Status::Damaged, Some(damage.clone()));
                }
                picture.write(out, a.format, a.how.depth)
            }
            (Command::Attach(a), Some(original)) => {
                let original = picture::read(original, max_pixels)?;
                let made =
                    attach::attach(&original, file, &a.how, threads, max_pixels, &mut go_on)?;
                row.set(&made);
                Ok(out.write_all(&made.file)?)
            }
            (Command::Attach(_), None) => bail!("no original"),
            (Command::Encode(a), _) => {
                let image = picture::parse(file, max_pixels)?;
                let made = encode::encode(&image, &a.how, threads, max_pixels, &mut go_on)?;
                let (width, height) = (image.pixels.width(), image.pixels.height());
                (row.width, row.height) = (Some(width as usize), Some(height as usize));
                row.why = (!made.left_out.is_empty()).then(|| made.left_out.join("; "));
                made.attached.iter().for_each(|attached| row.set(attached));
                Ok(out.write_all(&made.file)?)
            }
        }
    }
}

/// What names of a batch's unfinished files begin with: no other batch's do, be its folder inside of this one.
pub fn unfinished(folder: &Path) -> Result<String> {
    let folder = fs::canonicalize(folder).with_context(|| folder.display().to_string())?;
    let mut hasher = DefaultHasher::new();
    folder.hash(&mut hasher);
    Ok(format!("{}{:016x}-", files::UNFINISHED, hasher.finish()))
}

/// Removes what the batch had not finished when it was killed.
fn tidy(folder: &Path, unfinished: &str) {
    for entry in WalkDir::new(folder).into_iter().filter_map(Result::ok) {
        let name = entry.file_name().to_string_lossy();
        if name.starts_with(unfinished) && name.ends_with(".part") {
            // What can't be removed does no harm.
            let _ = fs::remove_file(entry.path());
        }
    }
}

/// Writes the results, and the journal in order, so that a batch that went on leaves what one does
/// that was not interrupted.
fn write_results(batch: &Batch, head: &Head, rows: &[Row]) -> Result<()> {
    let write =
        |name: &str, bytes: &[u8]| files::write(&batch.folder.join(name), bytes, batch.unfinished);
    let mut csv = csv::Writer::from_writer(Vec::new());
    rows.iter().try_for_each(|row| csv.serialize(row))?;
    let csv = csv.into_inner().map_err(csv::IntoInnerError::into_error)?;
    write(&format!("{RESULTS}.csv"), &csv)?;
    let mut json = serde_json::to_vec_pretty(rows)?;
    json.push(b'\n');
    write(&format!("{RESULTS}.json"), &json)?;
    let mut journal = serde_json::to_vec(head)?;
    // Lines of pictures that are no longer there go on saying whose files those are.
    let lines = lines(&fs::read(batch.folder.join(JOURNAL)).context(JOURNAL)?);
    for mut lines in lines.into_iter().collect::<BTreeMap<_, _>>().into_values() {
        let last = lines.len() - 1;
        let there = |line: &Line| {
            let path = batch.folder.join(line.row.output.as_deref()?);
            Some(files::stamp(&fs::symlink_metadata(path).ok()?) == line.output)
        };
        // Of a file that was not replaced after all, an earlier line is.
        if there(&lines[last]) == Some(true) {
            lines.drain(..last);
        }
        for line in lines {
            journal.push(b'\n');
            journal.extend(serde_json::to_vec(&line)?);
        }
    }
    journal.push(b'\n');
    write(JOURNAL, &journal)
}

pub fn run(command: &Command, common: &Common) -> Result<u8> {
    let (input, out) = command.folders();
    let folder = &out.output;
    ensure!(
        !files::is_standard(input) && !files::is_standard(folder),
        "batch is for folders; the other commands take -"
    );
    for folder in command.originals().into_iter().chain([input]) {
        let metadata = fs::metadata(folder).with_context(|| folder.display().to_string())?;
        ensure!(metadata.is_dir(), "{}: is no folder", folder.display());
    }
    let clock = Instant::now();
    let (items, failed, others) = items(command, input, folder)?;
    let endings = command.endings().join(", .");
    ensure!(
        !items.is_empty() || !failed.is_empty(),
        "{}: has no pictures (.{endings}){}",
        input.display(),
        passed_over(others)
    );
    fs::create_dir_all(folder).with_context(|| folder.display().to_string())?;
    let head = Head::new(command, input)?;
    let journal = Journal::open(folder, &head)?;
    let unfinished = &unfinished(folder)?;
    tidy(folder, unfinished);
    let real = fs::canonicalize(folder).with_context(|| folder.display().to_string())?;
    let outputs = items.iter().map(|item| real.join(&item.output)).collect();

    let cores = sidelight::logical_cores();
    let jobs = if out.jobs == 0 { cores } else { out.jobs.into() }.min(items.len().max(1));
    let threads = (cores / jobs).max(1);
    let max_pixels = common.max_pixels;
    let batch = Batch { command, journal, folder, unfinished, outputs, threads, max_pixels };
    let bar = if common.quiet {
        ProgressBar::hidden()
    } else {
        let style = ProgressStyle::with_template("{wide_bar} {pos}/{len} {per_sec} {eta}")?;
        ProgressBar::new(items.len() as u64).with_style(style)
    };
    let next = AtomicUsize::new(0);
    let rows =
        Mutex::new(failed.into_iter().map(|r| (r.input.clone(), r)).collect::<BTreeMap<_, _>>());
    std::thread::scope(|scope| {
        for _ in 0..jobs {
            scope.spawn(|| {
                while let Some(item) = items.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let row = batch.item(item);
                    if let Ok(mut rows) = rows.lock() {
                        rows.insert(item.name.clone(), row);
                    }
                    bar.inc(1);
                }
            });
        }
    });
    bar.finish_and_clear();
    let rows: Vec<Row> =
        rows.into_inner().map_err(|_| anyhow!("a thread has failed"))?.into_values().collect();

    let written = write_results(&batch, &head, &rows);
    let status = tell(&rows, others, clock, common)?;
    written?;
    Ok(status)
}

/// How much of a folder is not for the command, if anything.
fn passed_over(others: usize) -> String {
    if others > 0 {
        format!(", {others} other files passed over")
    } else {
        String::new()
    }
}

/// The summary, and the exit status.
fn tell(rows: &[Row], others: usize, clock: Instant, common: &Common) -> Result<u8> {
    let count = |status| rows.iter().filter(|row| row.status == status).count();
    let [ok, unfiltered, damaged, failed] =
        [Status::Ok, Status::Unfiltered, Status::Damaged, Status::Failed].map(count);
    for status in [Status::Unfiltered, Status::Damaged, Status::Failed] {
        let of_it = || rows.iter().filter(|row| row.status == status);
        for row in of_it().take(TOLD) {
            let status = format!("{status:?}").to_lowercase();
            let why = row.why.as_deref().unwrap_or_default();
            say(&format!("{status}: {}: {why}", row.input));
        }
        if let Some(more) = of_it().count().checked_sub(TOLD).filter(|more| *more > 0) {
            say(&format!("and {more} more"));
        }
    }
    let summary = format!(
        "{} pictures: {ok} ok, {unfiltered} unfiltered, {damaged} damaged, {failed} failed{}, {:.1} s",
        rows.len(),
        passed_over(others),
        clock.elapsed().as_secs_f64()
    );
    common.tell_at(true, &summary)?;
    Ok(match (failed, damaged, unfiltered) {
        (0, 0, 0) => DONE,
        (0, 0, _) => UNFILTERED,
        (0, _, _) => DAMAGED,
        _ => FAILED,
    })
}
