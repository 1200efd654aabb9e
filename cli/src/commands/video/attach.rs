//! `video attach`: side information for a stream that any encoder made.

use super::{each_unit, Codec};
use crate::args::{Common, Making, Threads, DONE};
use crate::commands::warn;
use crate::files::{self, Output};
use crate::y4m::{Frame, Raw, Reader};
use anyhow::{bail, ensure, Context, Result};
use clap::Args;
use indicatif::ProgressBar;
use sidelight::carriage::nal::{self, AccessUnit, Framing, NalCodec, Shape, Types};
use sidelight::{
    picture_binding, CodecParams, Encoder, Error, Layout, Mode, Pair, Picture, PictureType, Rate,
};
use std::collections::VecDeque;
use std::io::Write;
use std::path::PathBuf;

#[derive(Args)]
#[command(after_help = "\
Examples:
  sidelight video attach --qp 37 original.y4m plain.hevc decoded.y4m better.hevc
  sidelight video attach --qp 37 --steps 2 original.y4m plain.hevc - - <decoded.y4m >better.hevc")]
pub struct Arguments {
    /// The pictures before they were coded, YUV4MPEG2
    #[arg(value_name = "ORIGINAL.y4m")]
    original: PathBuf,
    /// Byte stream of HEVC
    #[arg(value_name = "IN.hevc")]
    input: PathBuf,
    /// What a decoder shows of the stream, all of it, YUV4MPEG2
    #[arg(value_name = "DECODED.y4m")]
    decoded: PathBuf,
    #[arg(value_name = "OUT.hevc")]
    output: PathBuf,
    /// QP of P pictures, roughly: that of I pictures is taken to be 3 lower, of B pictures 2 higher
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u8).range(1..=51))]
    qp: u8,
    /// Most pictures that a payload is made from
    #[arg(long, value_name = "N", default_value_t = 32, value_parser = clap::value_parser!(u16).range(1..=4096))]
    pictures: u16,
    #[command(flatten)]
    making: Making,
    #[command(flatten)]
    threads: Threads,
}

/// Most access units, and most of their bytes, that wait for the next IRAP pictures.
const MOST_UNITS: usize = 1 << 20;
const MOST_BYTES: usize = 1 << 30;

/// Below this luma PSNR, in dB, the two are different pictures.
const OTHER_PICTURE: f64 = 12.0;

const TO_BYTE_STREAM: &str =
    "not a byte stream (Annex B) of HEVC; out of mp4 and Matroska files ffmpeg takes it: \
                              ffmpeg -i in.mp4 -c copy -bsf:v hevc_mp4toannexb out.hevc";

/// A coded picture, without payload.
struct Unit {
    bytes: Vec<u8>,
    irap: bool,
}

/// A picture that is shown.
struct Shown {
    /// Sequence, and order in it.
    order: (u64, i64),
    picture_type: PictureType,
    /// Of its access unit.
    bytes: usize,
}

/// Sums over periods; PSNR weighted with their pictures.
#[derive(Default)]
struct Total {
    pictures: u64,
    /// Pictures of periods.
    measured: f64,
    periods: u64,
    payloads: u64,
    payload_bytes: u64,
    decoded: f64,
    sent: f64,
}

struct Job<'a> {
    qp: u8,
    sample: usize,
    encoder: Encoder,
    original: Reader,
    decoded: Reader,
    out: Output,
    bar: &'a ProgressBar,
    types: Types,
    coded: u64,
    /// Not yet written: from one IRAP picture on, behind at most one other.
    units: VecDeque<Unit>,
    waiting_bytes: usize,
    iraps: usize,
    /// Of `units`, and those shown before the first IRAP picture.
    pictures: Vec<Shown>,
    /// Order of the last picture that was taken from `pictures`.
    last: Option<(u64, i64)>,
    total: Total,
}

fn name(shape: Shape) -> String {
    let Shape { width, height, layout, bit_depth } = shape;
    let layout = match layout {
        Layout::I400 => "4:0:0",
        Layout::I420 => "4:2:0",
        Layout::I422 => "4:2:2",
        Layout::I444 => "4:4:4",
        Layout::I440 => "4:4:0",
        Layout::I411 => "4:1:1",
    };
    format!("{width}×{height}, {layout}, {bit_depth} bits")
}

/// Luma PSNR in dB.
fn psnr<S: Raw>(a: &Picture<'_, S>, b: &Picture<'_, S>) -> f64 {
    let max = ((1u32 << a.bit_depth()) - 1) as i16;
    let row = |y: usize| -> i64 {
        let samples = a.luma().row(y).iter().zip(b.luma().row(y));
        samples
            .map(|(a, b)| i64::from(a.at_most(max)) - i64::from(b.at_most(max)))
            .map(|d| d * d)
            .sum()
    };
    let sum: i64 = (0..a.height()).map(row).sum();
    let mse = sum as f64 / (a.width() * a.height()) as f64;
    10.0 * (f64::from(max).powi(2) / mse).log10()
}

impl Job<'_> {
    /// Takes the next access unit.
    fn take<S: Raw>(&mut self, unit: &AccessUnit<'_>) -> Result<()> {
        let coded = self.types.read(Framing::AnnexB, unit.bytes());
        let bytes = unit.rewrite(None)?;
        let irap = unit.is_irap();
        if unit.has_picture() {
            let number = self.coded;
            self.coded += 1;
            ensure!(
                irap || number > 0,
                "the first picture is not IRAP: no decoder can start there"
            );
            let Some((coded, output)) = coded.and_then(|coded| Some((coded, coded.output?))) else {
                bail!("picture {number}: its headers are damaged, not of HEVC, or of a kind that is not supported");
            };
            ensure!(!output.drops_prior, "picture {number} lets decoders drop pictures before it");
            for y4m in [&self.original, &self.decoded] {
                let (stream, file) = (name(output.shape), name(y4m.shape()));
                ensure!(
                    output.shape == y4m.shape(),
                    "picture {number} is {stream}, {} is {file}",
                    y4m.name()
                );
            }
            if irap {
                ensure!(output.shown, "picture {number} is IRAP and not shown");
                if self.iraps == 2 {
                    self.settle::<S>()?;
                }
                self.iraps += 1;
            }
            if output.shown {
                let order = (output.sequence, output.order);
                let picture_type = coded.picture_type;
                self.pictures.push(Shown { order, picture_type, bytes: bytes.len() });
            }
        }
        self.waiting_bytes += bytes.len();
        self.units.push_back(Unit { bytes, irap });
        ensure!(
            self.waiting_bytes <= MOST_BYTES && self.units.len() <= MOST_UNITS,
            "more than {MOST_BYTES} bytes or {MOST_UNITS} pictures in two IRAP periods"
        );
        Ok(())
    }

    /// Goes on by a picture in both files.
    fn advance<S: Raw>(&mut self, kept: Option<&mut [Vec<Frame<S>>; 2]>) -> Result<()> {
        let mut kept = kept.map(|kept| kept.iter_mut());
        for file in [&mut self.original, &mut self.decoded] {
            let kept = kept.as_mut().and_then(Iterator::next);
            let got = file.next(kept)?;
            ensure!(
                got,
                "{} ends before the stream: it has no picture {}",
                file.name(),
                self.total.pictures
            );
        }
        self.total.pictures += 1;
        Ok(())
    }

    /// Ends the first period that waits: what is shown from its IRAP picture up to the next one.
    fn settle<S: Raw>(&mut self) -> Result<()> {
        let mut pictures = std::mem::take(&mut self.pictures);
        pictures.sort_unstable_by_key(|picture| picture.order);
        let in_order = pictures.windows(2).all(|two| two[0].order < two[1].order);
        let follows = pictures.first().is_none_or(|first| self.last < Some(first.order));
        let mut iraps =
            (0..pictures.len()).filter(|&i| pictures[i].picture_type == PictureType::Irap);
        let begin = iraps.next().context("no IRAP picture")?;
        let end = iraps.next().unwrap_or(pictures.len());
        drop(iraps);
        // Only at the beginning of a stream something is shown before the IRAP picture.
        ensure!(
            in_order && follows && (begin == 0 || self.last.is_none()),
            "pictures are not shown in an order that HEVC has"
        );
        self.pictures = pictures.split_off(end);
        self.last = pictures.last().map(|picture| picture.order);
        for _ in 0..begin {
            self.advance::<S>(None)?;
        }
        let payload = self.adapt::<S>(&pictures[begin..])?;
        self.write(payload.as_deref())
    }

    /// The payload of a period; `None` where the filter gains nothing.
    fn adapt<S: Raw>(&mut self, period: &[Shown]) -> Result<Option<Vec<u8>>> {
        // Those with the smallest keys are spread evenly, and not in step with a codec's pattern of types.
        let mut sample: Vec<usize> = (0..period.len()).collect();
        sample.sort_unstable_by_key(|&i| (i as u32).wrapping_mul(0x9E37_79B9));
        sample.truncate(self.sample);
        sample.sort_unstable();
        let begun = self.decoded.fraction();
        let mut frames = [Vec::new(), Vec::new()];
        for i in 0..period.len() {
            let wanted = sample.binary_search(&i).is_ok();
            self.advance::<S>(wanted.then_some(&mut frames))?;
        }
        let [originals, decodeds] = &frames;
        let mut pairs = Vec::new();
        for ((&i, original), decoded) in sample.iter().zip(originals).zip(decodeds) {
            let decoded = decoded.picture()?.of_type(period[i].picture_type);
            pairs.push(Pair { original: original.picture()?, decoded });
        }
        let first = pairs.first().context("an empty period")?;
        let psnr = psnr(&first.original, &first.decoded);
        let number = self.total.pictures - period.len() as u64;
        ensure!(
            psnr >= OTHER_PICTURE,
            "picture {number} as decoded is not of the original: luma PSNR between them is {psnr:.1} dB"
        );
        let has = |class: usize| period.iter().any(|picture| picture.picture_type.class() == class);
        let qp = [self.qp.saturating_sub(3).max(1), self.qp, (self.qp + 2).min(51)];
        let qp = [0, 1, 2].map(|class| if has(class) { qp[class] } else { 0 });
        let binding = picture_binding(&first.decoded);
        let params = CodecParams { codec: sidelight::Codec::Hevc { qp }, binding };
        let rate = Rate {
            coded_bytes: period.iter().map(|picture| picture.bytes as u64).sum(),
            slope_db_per_byte: 0.0,
            carriage_bytes: nal::CARRIAGE_BYTES,
        };
        let (begun, ended) = begun.zip(self.decoded.fraction()).unwrap_or((0.0, 1.0));
        let mut progress = |part: f64| {
            self.bar.set_position((1000.0 * (begun + part * (ended - begun))) as u64);
            true
        };
        let encoded = self.encoder.encode(&pairs, &params, rate, &mut progress)?;
        let total = &mut self.total;
        let count = period.len() as f64;
        total.periods += 1;
        total.measured += count;
        total.decoded += count * encoded.report.psnr_decoded;
        total.sent += count * encoded.report.psnr_payload;
        if encoded.report.mode == Mode::Off {
            return Ok(None);
        }
        total.payloads += 1;
        total.payload_bytes += encoded.payload.len() as u64;
        Ok(Some(encoded.payload))
    }

    /// Writes the access units up to the second IRAP picture that waits.
    fn write(&mut self, payload: Option<&[u8]>) -> Result<()> {
        self.iraps -= 1;
        let mut begun = false;
        while let Some(unit) = self.units.pop_front() {
            if unit.irap && begun {
                self.units.push_front(unit);
                break;
            }
            begun |= unit.irap;
            self.waiting_bytes -= unit.bytes.len();
            match payload.filter(|_| unit.irap) {
                Some(payload) => {
                    let unit = AccessUnit::new(NalCodec::Hevc, Framing::AnnexB, &unit.bytes)?;
                    self.out.write_all(&unit.rewrite(Some(payload))?)?;
                }
                None => self.out.write_all(&unit.bytes)?,
            }
        }
        Ok(())
    }

    fn run<S: Raw>(&mut self, a: &Arguments) -> Result<()> {
        each_unit(&a.input, NalCodec::Hevc, |unit| self.take::<S>(&unit)).map_err(|error| {
            match error.downcast_ref() {
                Some(Error::Corrupt) => error.context(TO_BYTE_STREAM),
                _ => error,
            }
        })?;
        while self.iraps > 0 {
            self.settle::<S>()?;
        }
        for file in [&mut self.original, &mut self.decoded] {
            let (name, count) = (file.name().to_owned(), self.total.pictures);
            ensure!(
                !file.next::<S>(None)?,
                "{name} goes on behind the {count} pictures that the stream shows"
            );
        }
        Ok(())
    }
}

/// Refuses what is no byte stream of HEVC by its name.
fn check_name(a: &Arguments) -> Result<()> {
    let ending = a.input.extension().unwrap_or_default().to_string_lossy().to_lowercase();
    if matches!(&*ending, "mp4" | "m4v" | "mov" | "mkv" | "ts") {
        bail!(TO_BYTE_STREAM);
    }
    if let Ok(codec) = Codec::of(None, &a.input) {
        ensure!(codec == NalCodec::Hevc, "H.264 and VVC have no models yet: HEVC alone");
    }
    Ok(())
}

pub fn run(a: &Arguments, common: &Common) -> Result<u8> {
    let standard =
        [&a.original, &a.input, &a.decoded].into_iter().filter(|path| files::is_standard(path));
    ensure!(
        standard.count() <= 1,
        "of ORIGINAL.y4m, IN.hevc and DECODED.y4m one can be standard input"
    );
    let input = files::input_name(&a.input);
    check_name(a).with_context(|| input.clone())?;
    let bar = common.bar().with_message("attach");
    let mut job = Job {
        qp: a.qp,
        sample: a.pictures.into(),
        encoder: Encoder::new(a.making.settings(a.threads.count()))?,
        original: Reader::open(&a.original, common.max_pixels)?,
        decoded: Reader::open(&a.decoded, common.max_pixels)?,
        out: Output::create(&a.output)?,
        bar: &bar,
        types: Types::new(NalCodec::Hevc),
        coded: 0,
        units: VecDeque::new(),
        waiting_bytes: 0,
        iraps: 0,
        pictures: Vec::new(),
        last: None,
        total: Total::default(),
    };
    let result = match job.decoded.shape().bit_depth {
        8 => job.run::<u8>(a),
        _ => job.run::<u16>(a),
    };
    bar.finish_and_clear();
    result.with_context(|| input.clone())?;
    let Job { out, total, .. } = job;
    let to_file = out.is_file();
    out.finish()?;
    if total.payloads == 0 {
        warn(&input, "the filter gains nothing here: no payload");
    }
    let Total { pictures, periods, payloads, payload_bytes, .. } = total;
    let [decoded, sent] = [total.decoded, total.sent].map(|sum| sum / total.measured);
    let counts = format!(
        "{pictures} pictures, {periods} periods, {payloads} payloads of {payload_bytes} bytes"
    );
    common.tell_at(to_file, &format!("{counts}: PSNR-Y {decoded:.3} decoded, {sent:.3} sent"))?;
    Ok(DONE)
}
