//! Two evaluations of the same pictures, compared: how many bytes fewer for the same picture.

use super::bdrate::{bd_rate, RatePoint};
use crate::files;
use anyhow::{ensure, Context, Result};
use clap::Args;
use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::{Path, PathBuf};

#[derive(Args)]
pub struct Options {
    /// The anchor: an evaluation's folder, or its pictures.csv
    anchor: PathBuf,
    /// What is compared with it
    test: PathBuf,
    /// Write the rates of each picture to a CSV file as well
    #[arg(long)]
    csv: Option<PathBuf>,
}

/// The curves that either has.
const VARIANTS: [&str; 3] = ["codec", "base", "update"];

/// A figure that bytes are compared at.
struct Figure {
    name: &'static str,
    column: &'static str,
    /// On a scale where curves over log rate are nearly straight.
    scale: fn(f64) -> f64,
}

const FIGURES: [Figure; 4] = [
    Figure { name: "PSNR-Y", column: "psnr_y", scale: |v| v },
    Figure { name: "PSNR-YUV", column: "psnr_yuv", scale: |v| v },
    // In decibels, as av-metrics gives it.
    Figure { name: "SSIM", column: "ssim", scale: |v| -10.0 * (1.0 - v).log10() },
    Figure { name: "SSIMULACRA2", column: "ssimulacra2", scale: |v| v },
];

/// Curves of each picture, by variant and in the order of [`FIGURES`].
type Curves = BTreeMap<String, BTreeMap<String, [Option<Vec<RatePoint>>; FIGURES.len()]>>;

/// What a picture's curve is against another, or the mean over pictures.
#[derive(Debug, PartialEq)]
struct Rates {
    picture: String,
    anchor: &'static str,
    test: &'static str,
    /// In percent; `None` where a curve has no such figure, or none that the other reaches.
    percent: [Option<f64>; FIGURES.len()],
    /// Part of the anchor's range, 0..=1, that the test's curve covers; of a mean the smallest.
    common: [Option<f64>; FIGURES.len()],
}

pub fn run(options: &Options) -> Result<()> {
    let [anchor, test] = [&options.anchor, &options.test].map(|path| open(path));
    let rates = compare(&anchor?, &test?)?;
    println!("{}", table(&rates, &options.anchor, &options.test));
    if let Some(path) = &options.csv {
        files::write(path, &csv(&rates)?)?;
    }
    Ok(())
}

fn open(path: &Path) -> Result<Curves> {
    let file = if path.is_dir() { path.join("pictures.csv") } else { path.to_owned() };
    let bytes = std::fs::read(&file).with_context(|| format!("reading {}", file.display()))?;
    read(&bytes).with_context(|| format!("reading {}", file.display()))
}

fn read(bytes: &[u8]) -> Result<Curves> {
    let mut reader = csv::Reader::from_reader(bytes);
    let head = reader.headers()?.clone();
    let place = |name: &str| head.iter().position(|h| h == name);
    let needed = |name: &str| place(name).with_context(|| format!("no column {name}"));
    let [picture, variant, bytes] = [needed("picture")?, needed("variant")?, needed("bytes")?];
    let figures = FIGURES.map(|figure| place(figure.column));
    let mut out = Curves::new();
    for row in reader.records() {
        let row = row?;
        let rate: f64 = row[bytes].parse().with_context(|| format!("bytes: {}", &row[bytes]))?;
        let curves = out.entry(row[picture].to_owned()).or_default();
        let empty = || std::array::from_fn(|_| Some(Vec::new()));
        let curves = curves.entry(row[variant].to_owned()).or_insert_with(empty);
        for ((curve, column), figure) in curves.iter_mut().zip(figures).zip(&FIGURES) {
            // A curve with a gap is none.
            let value = column.and_then(|i| row[i].parse::<f64>().ok());
            match (value, &mut *curve) {
                (Some(value), Some(points)) => {
                    points.push(RatePoint { rate, psnr: (figure.scale)(value) });
                }
                _ => *curve = None,
            }
        }
    }
    ensure!(!out.is_empty(), "no rows");
    Ok(out)
}

/// Rates of each picture that both have, by comparison, each followed by the mean.
fn compare(anchor: &Curves, test: &Curves) -> Result<Vec<Rates>> {
    let pictures: Vec<&String> = anchor.keys().filter(|name| test.contains_key(*name)).collect();
    ensure!(!pictures.is_empty(), "the two have no picture in common");
    let mut out = Vec::new();
    for anchor_name in VARIANTS {
        for test_name in VARIANTS {
            let mut own: Vec<Rates> = Vec::new();
            for &picture in &pictures {
                let curve = |curves: &'_ Curves, name, figure: usize| {
                    curves[picture].get(name)?[figure].clone()
                };
                let pair = |i| Some((curve(anchor, anchor_name, i)?, curve(test, test_name, i)?));
                own.push(Rates {
                    picture: picture.clone(),
                    anchor: anchor_name,
                    test: test_name,
                    percent: std::array::from_fn(|i| pair(i).and_then(|(a, b)| bd_rate(&a, &b))),
                    common: std::array::from_fn(|i| pair(i).map(|(a, b)| common(&a, &b))),
                });
            }
            let mean = mean(&own);
            out.extend(own);
            out.push(mean);
        }
    }
    Ok(out)
}

/// Part of the anchor's range of quality that the other curve covers.
fn common(anchor: &[RatePoint], test: &[RatePoint]) -> f64 {
    let range = |curve: &[RatePoint]| {
        let ends = (f64::INFINITY, f64::NEG_INFINITY);
        curve.iter().fold(ends, |(low, high), p| (low.min(p.psnr), high.max(p.psnr)))
    };
    let ((low, high), (other_low, other_high)) = (range(anchor), range(test));
    let part = (high.min(other_high) - low.max(other_low)) / (high - low);
    if part.is_finite() {
        part.max(0.0)
    } else {
        0.0
    }
}

/// Of the figures that every picture has.
fn mean(pictures: &[Rates]) -> Rates {
    let all = |of: &dyn Fn(&Rates) -> Option<f64>| -> Option<Vec<f64>> {
        pictures.iter().map(of).collect()
    };
    let percent = |i: usize| {
        let known = all(&|r| r.percent[i])?;
        Some(known.iter().sum::<f64>() / known.len() as f64)
    };
    let smallest = |i: usize| Some(all(&|r| r.common[i])?.into_iter().fold(1.0, f64::min));
    Rates {
        picture: format!("mean of {}", pictures.len()),
        anchor: pictures[0].anchor,
        test: pictures[0].test,
        percent: std::array::from_fn(percent),
        common: std::array::from_fn(smallest),
    }
}

/// The rates as Markdown, means first.
fn table(rates: &[Rates], anchor: &Path, test: &Path) -> String {
    let mut out = format!(
        "A = {}, B = {}\n\nBytes that B's curves need beside A's for the same figure, whole files with \
         payloads (BD-rate); negative\nis fewer. In brackets, the part of A's range that B's curve \
         covers, where it is less than 90 %; in means, the\nsmallest.\n",
        anchor.display(),
        test.display()
    );
    let (means, pictures): (Vec<&Rates>, Vec<&Rates>) =
        rates.iter().partition(|r| r.picture.starts_with("mean of "));
    for (title, rows) in [("against", means), ("picture, against", pictures)] {
        let names: Vec<&str> = FIGURES.iter().map(|f| f.name).collect();
        let line = "---|".repeat(FIGURES.len());
        write!(out, "\n| B, A: {title} | | {} |\n|---|---|{line}\n", names.join(" | "))
            .expect("writing to a string");
        for r in rows {
            let cell = |i: usize| match (r.percent[i], r.common[i]) {
                (Some(rate), Some(part)) if part < 0.9 => {
                    format!("{rate:+.2} % ({:.0} %)", 100.0 * part)
                }
                (Some(rate), _) => format!("{rate:+.2} %"),
                _ => "-".to_owned(),
            };
            let cells: Vec<String> = (0..FIGURES.len()).map(cell).collect();
            let what = format!("B's {} against A's {}", r.test, r.anchor);
            writeln!(out, "| {what} | {} | {} |", r.picture, cells.join(" | "))
                .expect("writing to a string");
        }
    }
    out
}

fn csv(rates: &[Rates]) -> Result<Vec<u8>> {
    let mut out = csv::Writer::from_writer(Vec::new());
    let columns =
        FIGURES.iter().flat_map(|f| [f.column.to_owned(), format!("{}_common", f.column)]);
    let head = ["picture", "test", "anchor"].map(str::to_owned);
    out.write_record(head.into_iter().chain(columns))?;
    for r in rates {
        let text = |v: Option<f64>| v.map_or(String::new(), |v| format!("{v:.4}"));
        let figures = r.percent.iter().zip(&r.common).flat_map(|(p, c)| [text(*p), text(*c)]);
        let names = [r.picture.clone(), r.test.to_owned(), r.anchor.to_owned()];
        out.write_record(names.into_iter().chain(figures))?;
    }
    Ok(out.into_inner()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Two pictures at three qualities; `factor` times the bytes, `of_update` for the update.
    fn file(pictures: &[&str], factor: f64, of_update: f64, ssimulacra2: bool) -> Vec<u8> {
        let mut out = "picture,quality,variant,bytes,psnr_y,psnr_yuv,ssim".to_owned();
        out += if ssimulacra2 { ",ssimulacra2\n" } else { "\n" };
        for picture in pictures {
            for (quality, bytes) in [(10, 10_000.0), (20, 16_000.0), (30, 20_000.0)] {
                for variant in VARIANTS {
                    let factor = if variant == "update" { of_update } else { factor };
                    let (rate, psnr) = (bytes * factor, 28.0 + f64::from(quality) / 5.0);
                    let ssim = 0.8 + f64::from(quality) / 300.0;
                    write!(out, "{picture},{quality},{variant},{rate},{psnr},{psnr},{ssim}")
                        .unwrap();
                    out += if ssimulacra2 { ",-3\n" } else { "\n" };
                }
            }
        }
        out.into_bytes()
    }

    #[test]
    fn a_tenth_fewer_bytes_is_ten_percent() {
        let anchor = read(&file(&["a", "b", "only here"], 1.0, 0.5, false)).unwrap();
        let test = read(&file(&["a", "b"], 0.9, 0.8, false)).unwrap();
        let rates = compare(&anchor, &test).unwrap();
        // Three anchors, three curves, two pictures and their mean.
        assert_eq!(rates.len(), 3 * 3 * 3);
        for r in &rates {
            let expected = match (r.anchor, r.test) {
                ("update", "update") => 60.0,
                ("update", _) => 80.0,
                (_, "update") => -20.0,
                _ => -10.0,
            };
            for i in 0..3 {
                assert!((r.percent[i].unwrap() - expected).abs() < 1e-9, "{r:?}");
                assert!((r.common[i].unwrap() - 1.0).abs() < 1e-9, "{r:?}");
            }
            // An older file has no such column.
            assert_eq!((r.percent[3], r.common[3]), (None, None));
        }
        let text = table(&rates, Path::new("one"), Path::new("two"));
        assert!(text.contains("A = one, B = two"), "{text}");
        let mean =
            "| B's update against A's codec | mean of 2 | -20.00 % | -20.00 % | -20.00 % | - |";
        assert!(text.contains(mean), "{text}");
        let rows = csv(&rates).unwrap().iter().filter(|b| **b == b'\n').count();
        assert_eq!(rows, rates.len() + 1);
    }

    #[test]
    fn ranges_in_common_are_told() {
        let curve = |psnrs: [f64; 2]| psnrs.map(|psnr| RatePoint { rate: psnr, psnr });
        assert_eq!(common(&curve([30.0, 40.0]), &curve([35.0, 42.0])), 0.5);
        assert_eq!(common(&curve([30.0, 40.0]), &curve([20.0, 50.0])), 1.0);
        assert_eq!(common(&curve([30.0, 40.0]), &curve([50.0, 60.0])), 0.0);
        assert_eq!(common(&curve([30.0, 30.0]), &curve([20.0, 60.0])), 0.0);
    }

    #[test]
    fn what_cannot_be_compared_is_said() {
        let anchor = read(&file(&["a"], 1.0, 1.0, true)).unwrap();
        let rates = compare(&anchor, &anchor).unwrap();
        assert!(rates.iter().all(|r| r.percent[0].unwrap().abs() < 1e-9));
        // A figure that does not rise with the bytes.
        assert!(rates.iter().all(|r| r.percent[3].is_none()));
        let other = read(&file(&["b"], 1.0, 1.0, true)).unwrap();
        assert!(compare(&anchor, &other).unwrap_err().to_string().contains("in common"));
        assert!(read(b"picture,variant\na,codec\n").unwrap_err().to_string().contains("bytes"));
        assert!(read(b"picture,variant,bytes\n").is_err());
        let error = open(Path::new("no such folder")).unwrap_err();
        assert!(format!("{error:#}").contains("no such folder"), "{error:#}");
    }
}
