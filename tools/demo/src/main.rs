//! The main job on a few pictures, through the C examples: a table, a JSON file, a page with
//! before/after sliders, and one crop before and after. Every figure is measured on the files that
//! the examples wrote.
//!
//!     sidelight-demo <folder of the examples> <folder of PNG pictures> <folder to write to>

#[allow(dead_code)] // of chroma nothing is measured
#[path = "../../src/media/jfif.rs"]
mod jfif;
#[path = "../../src/page/mod.rs"]
mod page;
mod picture;
#[path = "../../src/media/psnr.rs"]
mod psnr;
mod y4m;

use anyhow::{bail, ensure, Context, Result};
use picture::Picture;
use psnr::{mse, psnr};
use serde::Serialize;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

/// What the segment that carries a payload adds to it: docs/carriage-jpeg.md.
const CARRIAGE_BYTES: usize = 11;

const QUALITIES: [u32; 3] = [10, 20, 40];

/// Optimised files get the efforts that the demo has time for, not the defaults.
const OPTIMISE: [&str; 2] = ["--optimise=3", "--effort=1"];

/// The crop of before-after.png: picture, quality, left, top.
const CROP: (&str, u32, usize, usize) = ("coffee", 10, 170, 10);
/// Width and height of the crop, what it is magnified by, and pixels between its panels.
const CROP_SIZE: (usize, usize, usize) = (160, 2, 8);

struct Options {
    examples: PathBuf,
    pictures: PathBuf,
    out: PathBuf,
}

/// One picture at one quality.
#[derive(Debug, Serialize)]
struct Row {
    picture: String,
    qf: u32,
    /// The plain JPEG.
    jpeg_bytes: usize,
    payload_bytes: usize,
    /// What the file grew by in all.
    container_bytes: usize,
    psnr_jpeg: f64,
    psnr_base: f64,
    psnr_update: f64,
    /// Gain of the filtered picture over the JPEG, less what `container_bytes` more of JPEG would
    /// have gained.
    net_gain_db: f64,
    encode_s: f64,
    decode_ms: f64,
    /// The whole file with coefficients chosen for the filter, and with an update.
    optimised_bytes: usize,
    psnr_optimised: f64,
    /// Gain of the filtered picture over the JPEG, and what the bytes that the file is smaller by
    /// would have gained as JPEG.
    optimised_net_gain_db: f64,
    optimise_s: f64,
}

impl Row {
    /// What is wrong with it, if anything.
    fn complaint(&self) -> Option<String> {
        let slack = 1e-9;
        let ordered =
            self.psnr_update >= self.psnr_base - slack && self.psnr_base >= self.psnr_jpeg - slack;
        let at = format!("{} at QF {}", self.picture, self.qf);
        if !ordered {
            Some(format!("{at}: a better mode has a lower PSNR: {self:?}"))
        } else if self.net_gain_db.is_nan() || self.net_gain_db < 0.0 {
            Some(format!("{at}: the payload does not pay: {self:?}"))
        } else if self.optimised_net_gain_db.is_nan()
            || self.optimised_net_gain_db < self.net_gain_db
        {
            Some(format!("{at}: to optimise does not pay: {self:?}"))
        } else {
            None
        }
    }
}

fn main() -> Result<()> {
    let arguments: Vec<PathBuf> = std::env::args_os().skip(1).map(PathBuf::from).collect();
    let Ok([examples, pictures, out]) = <[PathBuf; 3]>::try_from(arguments) else {
        bail!("usage: sidelight-demo <the examples> <PNG pictures> <folder to write to>");
    };
    run(&Options { examples, pictures, out })
}

fn run(options: &Options) -> Result<()> {
    std::fs::create_dir_all(&options.out)
        .with_context(|| format!("making {}", options.out.display()))?;
    let pictures = pictures(&options.pictures)?;
    print_head();
    let mut rows = Vec::new();
    for picture in &pictures {
        for qf in QUALITIES {
            let row = measure(options, picture, qf)?;
            print_row(&row);
            rows.push(row);
        }
    }
    println!(
        "\nPSNR-Y is of jpeg_decode's files. Net gain: PSNR-Y with the payload, less the JPEG's, less\n\
         what the bytes that the file grew by would have gained as JPEG (measured at QF + 3).\n\
         Times are of whole processes. Optimised: coefficients chosen for the filter, with an update, both at\n\
         low effort; bytes are of the whole file, net gain as before with the bytes that it shrank by."
    );
    let json = serde_json::to_string_pretty(&rows)? + "\n";
    let page = options.out.join("index.html");
    let html = page::html(include_str!("../page.html"), "", include_str!("../page.js"), &json);
    for (path, text) in [(&options.out.join("results.json"), json), (&page, html)] {
        std::fs::write(path, text).with_context(|| path.display().to_string())?;
    }
    println!("\nBefore and after, with sliders: {}", page.display());
    if let Some(path) = before_after(options, &rows)? {
        println!("JPEG, base model, update, at one look: {}", path.display());
    }
    let complaints: Vec<String> = rows.iter().filter_map(Row::complaint).collect();
    ensure!(complaints.is_empty(), "{}", complaints.join("\n"));
    Ok(())
}

/// Writes the crop that README.md shows, where its picture is among the demo's.
fn before_after(options: &Options, rows: &[Row]) -> Result<Option<PathBuf>> {
    let (picture, qf, left, top) = CROP;
    let (side, scale, gap) = CROP_SIZE;
    if !rows.iter().any(|r| r.picture == picture && r.qf == qf) {
        return Ok(None);
    }
    let open = |which| Picture::open(&options.out.join(format!("{picture}-q{qf}-{which}.png")));
    let pictures = ["jpeg", "base", "update"].map(open).into_iter().collect::<Result<Vec<_>>>()?;
    let path = options.out.join("before-after.png");
    Picture::panels(&pictures, (left, top), side, scale, gap)?.write(&path)?;
    Ok(Some(path))
}

/// The colour PNG files of a folder, by name.
fn pictures(folder: &Path) -> Result<Vec<PathBuf>> {
    let entries = std::fs::read_dir(folder).with_context(|| folder.display().to_string())?;
    let mut paths = entries.map(|e| Ok(e?.path())).collect::<Result<Vec<_>>>()?;
    paths.retain(|p| p.extension().is_some_and(|e| e == "png"));
    paths.sort();
    let mut colour = Vec::new();
    for path in paths {
        if picture::has_color(&path).with_context(|| path.display().to_string())? {
            colour.push(path);
        }
    }
    ensure!(!colour.is_empty(), "{}: no colour PNG pictures", folder.display());
    Ok(colour)
}

fn name(path: &Path) -> String {
    path.file_stem().unwrap_or_default().to_string_lossy().into_owned()
}

fn measure(options: &Options, picture: &Path, qf: u32) -> Result<Row> {
    let original = Picture::open(picture)?;
    let original_luma = original.luma();
    let stem = format!("{}-q{qf}", name(picture));
    let file = |suffix: &str| options.out.join(format!("{stem}{suffix}"));
    let encode = |qf: u32, flags: &[&str], out: &Path| -> Result<f64> {
        let quality = qf.to_string();
        let mut arguments = vec!["--quality", &quality];
        arguments.extend(flags);
        let mut arguments: Vec<&Path> = arguments.into_iter().map(Path::new).collect();
        arguments.extend([picture, out]);
        call(options, "jpeg_encode", &arguments)
    };
    let decode = |mode: Option<&str>, from: &Path, to: &Path| -> Result<f64> {
        let mut arguments: Vec<&Path> = Vec::new();
        if let Some(mode) = mode {
            arguments.extend(["--mode", mode].map(Path::new));
        }
        arguments.extend([from, to]);
        call(options, "jpeg_decode", &arguments)
    };
    // PSNR-Y of what a file decodes to.
    let quality_of = |mode: Option<&str>, from: &Path| -> Result<(f64, f64)> {
        let y4m = file(".y4m");
        let seconds = decode(mode, from, &y4m)?;
        let decoded = y4m::luma(&std::fs::read(&y4m)?).context(stem.clone())?;
        std::fs::remove_file(&y4m)?;
        let same = (decoded.width, decoded.height) == (original.width, original.height);
        ensure!(same, "{stem}: another size came out");
        Ok((psnr(mse(&original_luma, &decoded.data)).unwrap_or(f64::INFINITY), seconds))
    };

    let (plain, updated, neighbour) = (file("-plain.jpg"), file(".jpg"), file("-next.jpg"));
    encode(qf, &["--no-payload"], &plain)?;
    let encode_s = encode(qf, &[], &updated)?;
    let (psnr_jpeg, _) = quality_of(Some("off"), &updated)?;
    // What the encoder took, which need not be what jpeg_decode takes by itself.
    let based = file("-base.jpg");
    encode(qf, &["--no-update"], &based)?;
    let (psnr_base, _) = quality_of(None, &based)?;
    decode(None, &based, &file("-base.png"))?;
    std::fs::remove_file(&based)?;
    let (psnr_update, decode_s) = quality_of(None, &updated)?;
    decode(Some("off"), &updated, &file("-jpeg.png"))?;
    decode(None, &updated, &file("-update.png"))?;

    let optimised = file("-optimised.jpg");
    let optimise_s = encode(qf, &OPTIMISE, &optimised)?;
    let (psnr_optimised, _) = quality_of(None, &optimised)?;
    decode(None, &optimised, &file("-optimised.png"))?;

    // JPEG's own slope, from the next quality.
    encode(qf + 3, &["--no-payload"], &neighbour)?;
    let (psnr_next, _) = quality_of(None, &neighbour)?;
    let size = |path: &Path| -> Result<usize> { Ok(std::fs::metadata(path)?.len() as usize) };
    let (plain_bytes, next_bytes) = (size(&plain)?, size(&neighbour)?);
    ensure!(next_bytes > plain_bytes, "{stem}: the next quality takes no more bytes");
    let slope = (psnr_next - psnr_jpeg) / (next_bytes - plain_bytes) as f64;
    std::fs::remove_file(&neighbour)?;

    let container_bytes = size(&updated)?
        .checked_sub(plain_bytes)
        .with_context(|| format!("{stem}: the file with the payload is smaller"))?;
    let optimised_bytes = size(&optimised)?;
    let larger = optimised_bytes as f64 - plain_bytes as f64;
    Ok(Row {
        picture: name(picture),
        qf,
        jpeg_bytes: plain_bytes,
        payload_bytes: container_bytes.saturating_sub(CARRIAGE_BYTES),
        container_bytes,
        psnr_jpeg,
        psnr_base,
        psnr_update,
        net_gain_db: psnr_update - psnr_jpeg - slope * container_bytes as f64,
        encode_s,
        decode_ms: 1e3 * decode_s,
        optimised_bytes,
        psnr_optimised,
        optimised_net_gain_db: psnr_optimised - psnr_jpeg - slope * larger,
        optimise_s,
    })
}

/// Runs one of the examples and returns the seconds that it took.
fn call(options: &Options, program: &str, arguments: &[&Path]) -> Result<f64> {
    let path = options.examples.join(program);
    // A file of an earlier run must not pass for this one's.
    if let Some(out) = arguments.last().filter(|out| out.exists()) {
        std::fs::remove_file(out).with_context(|| out.display().to_string())?;
    }
    let clock = Instant::now();
    let output = Command::new(&path)
        .args(arguments)
        .output()
        .with_context(|| format!("running {} (make examples builds it)", path.display()))?;
    if !output.status.success() {
        bail!("{program} failed:\n{}", String::from_utf8_lossy(&output.stderr));
    }
    Ok(clock.elapsed().as_secs_f64())
}

fn print_head() {
    println!(
        "{:<14}{:>4}{:>9}{:>9}   {:>7}{:>8}{:>9}{:>10}{:>10}{:>11}{:>12}{:>9}{:>10}",
        "picture",
        "QF",
        "JPEG",
        "payload",
        "PSNR-Y",
        "+ base",
        "+ update",
        "net gain",
        "encode",
        "decode",
        "optimised",
        "PSNR-Y",
        "net gain"
    );
    println!(
        "{:<14}{:>4}{:>9}{:>9}   {:>7}{:>8}{:>9}{:>10}{:>10}{:>11}{:>12}{:>9}{:>10}",
        "", "", "bytes", "bytes", "JPEG", "dB", "dB", "dB", "s", "ms", "bytes", "dB", "dB"
    );
}

fn print_row(r: &Row) {
    println!(
        "{:<14}{:>4}{:>9}{:>9}   {:>7.3}{:>8.3}{:>9.3}{:>10.3}{:>10.2}{:>11.1}{:>12}{:>9.3}{:>10.3}",
        r.picture, r.qf, r.jpeg_bytes, r.payload_bytes, r.psnr_jpeg, r.psnr_base, r.psnr_update,
        r.net_gain_db, r.encode_s, r.decode_ms, r.optimised_bytes, r.psnr_optimised,
        r.optimised_net_gain_db);
}
