//! Encodes and searches for coefficients that are canceled: when progress is told, and what comes back.

mod common;

use common::picture::Owned;
use sidelight::network::CodecKind;
use sidelight::{
    models, payload, Codec, CodecParams, Decoder, DecoderSettings, Encoder, EncoderSettings, Error,
    Layout, Mode, ModelSize, Optimiser, OptimiserReport, OptimiserSettings, Pair, PictureType,
    Rate, Report,
};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Canceled, an encode shall be over within that time.
const WAIT: Duration = Duration::from_millis(200);

/// By the clock it may take so long where the machine has other work.
const WAIT_BY_THE_CLOCK: Duration = Duration::from_millis(1000);

/// Training steps of a whole encode.
const STEPS: u32 = 4;

/// A moment, on the clock and in the process's work.
#[derive(Clone, Copy)]
struct Moment {
    clock: Instant,
    work: Duration,
}

impl Moment {
    fn now() -> Self {
        let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
        // SAFETY: `time` is there to be written.
        let result = unsafe { libc::clock_gettime(libc::CLOCK_PROCESS_CPUTIME_ID, &mut time) };
        assert_eq!(result, 0);
        let work = Duration::new(time.tv_sec as u64, time.tv_nsec as u32);
        Self { clock: Instant::now(), work }
    }

    /// The time since then; where other programs had the CPUs meanwhile, what this one worked.
    fn elapsed(self) -> Duration {
        let clock = self.clock.elapsed();
        assert!(clock < WAIT_BY_THE_CLOCK, "{clock:?} by the clock");
        clock.min(Self::now().work - self.work)
    }
}

/// One encode at a time: the others would count as its work.
static ALONE: Mutex<()> = Mutex::new(());

struct Run {
    report: Report,
    payload: Vec<u8>,
    /// The fractions told.
    told: Vec<f64>,
    /// The longest time without a word, until the end.
    gap: Duration,
    /// Time from the last word to the end.
    wait: Duration,
}

/// Encodes, and cancels from fraction `until` on.
fn encode(pictures: &[Pair<'_>], codec: Codec, until: f64) -> Result<Run, Error> {
    let settings = EncoderSettings { threads: 2, steps: Some(STEPS), ..Default::default() };
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    let mut told = Vec::new();
    let mut last = Moment::now();
    let mut gap = Duration::ZERO;
    let encoded = Encoder::new(settings)?.encode(
        pictures,
        &CodecParams { codec, binding: 5 },
        Rate { slope_db_per_byte: 1e-6, ..Rate::default() },
        &mut |fraction| {
            gap = gap.max(last.elapsed());
            last = Moment::now();
            told.push(fraction);
            fraction < until
        },
    )?;
    let wait = last.elapsed();
    Ok(Run { report: encoded.report, payload: encoded.payload, told, gap: gap.max(wait), wait })
}

/// A texture, and the same with a sixth of its levels.
fn samples(width: usize, height: usize, seed: usize) -> [Owned<u8>; 2] {
    let original = Owned::painted(Layout::I400, 8, (width, height), |_, y, x| {
        (60 + (x / 16 + y / 24 + seed) % 100 + (x * y + x) % 13) as i32
    });
    let coded = Owned::new(Layout::I400, 8, width, height, |i| original.planes[0][i] / 6 * 6);
    [original, coded]
}

/// Cancels in every part, and checks what holds of each.
fn check(pictures: &[Pair<'_>], codec: &Codec) {
    let whole = encode(pictures, codec.clone(), 2.0).unwrap();
    assert!(whole.told.is_sorted() && whole.told.last() == Some(&1.0));
    assert_eq!(whole.report.steps, STEPS);
    assert!(whole.gap < WAIT, "{:?} without a word", whole.gap);
    for until in [0.0, 0.02, 0.06, 0.5, 0.9, 0.93, 0.99, 1.0] {
        let run = encode(pictures, codec.clone(), until).unwrap();
        println!(
            "from {until} on: {:?} to the end, {:?} at most without a word",
            run.wait, run.gap
        );
        // Once it said no it is not asked again.
        assert!(run.told.iter().filter(|fraction| **fraction >= until).count() == 1, "{until}");
        assert!(run.told.is_sorted() && run.wait < WAIT, "{until}: {:?}", run.wait);
        assert!(run.report.psnr_decoded.is_finite());
        assert!(run.report.psnr_payload >= run.report.psnr_base.min(run.report.psnr_decoded));
        assert!(run.payload.len() >= 8 && (run.report.steps == STEPS) == (until >= 0.9), "{until}");
        // All was measured.
        assert!(until < 1.0 || run.payload == whole.payload);
    }
}

/// One gray picture.
fn check_size(width: usize, height: usize) {
    let [original, decoded] = samples(width, height, 0);
    let pair = Pair { original: original.view(), decoded: decoded.view() };
    check(&[pair], &Codec::Jpeg { luma: [30; 64], chroma: None });
}

type Block = [i16; 64];

/// What a search for coefficients did.
struct Search {
    report: OptimiserReport,
    blocks: Vec<Vec<Block>>,
    told: Vec<f64>,
    gap: Duration,
    wait: Duration,
}

/// Chooses the coefficients of `original`, from those of its blocks' means, and cancels from fraction
/// `until` on.
fn optimise(original: &Owned<u8>, until: f64) -> Search {
    const STEP: u16 = 30;
    let view = original.view();
    let mean = |plane: &sidelight::Plane<'_>, row: usize, column: usize| {
        let rows = 8 * row..(8 * row + 8).min(plane.height());
        let columns = 8 * column..(8 * column + 8).min(plane.width());
        let count = (rows.len() * columns.len()) as f64;
        let sum: u32 =
            rows.flat_map(|y| &plane.row(y)[columns.clone()]).map(|s| u32::from(*s)).sum();
        f64::from(sum) / count
    };
    let blocks = |plane: &sidelight::Plane<'_>| -> Vec<Block> {
        let columns = plane.width().div_ceil(8);
        let block = |i| {
            let mut block = [0; 64];
            block[0] = ((mean(plane, i / columns, i % columns) - 128.0) * 8.0 / f64::from(STEP))
                .round() as i16;
            block
        };
        (0..columns * plane.height().div_ceil(8)).map(block).collect()
    };
    let before: Vec<_> = view.planes().iter().map(blocks).collect();
    let mut blocks = before.clone();
    let settings = OptimiserSettings { threads: 2, effort: 1, ..Default::default() };
    let codec = Codec::Jpeg { luma: [STEP; 64], chroma: None };
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    let mut told = Vec::new();
    let mut last = Moment::now();
    let mut gap = Duration::ZERO;
    let optimiser = Optimiser::new(settings).unwrap();
    let report = optimiser.optimise(&view, &mut blocks, &codec, None, &mut |fraction| {
        // It first looks at what came in.
        if !told.is_empty() {
            gap = gap.max(last.elapsed());
        }
        last = Moment::now();
        told.push(fraction);
        fraction < until
    });
    let wait = last.elapsed();
    let report = report.unwrap();
    assert_eq!(report.changed, blocks != before);
    Search { report, blocks, told, gap: gap.max(wait), wait }
}

/// Cancels in every part, and checks what holds of each.
fn check_search(layout: Layout, width: usize, height: usize) {
    let original = Owned::painted(layout, 8, (width, height), |p, y, x| {
        (60 + (x / 16 + y / 24 + 9 * p) % 100 + (x * y + x) % 13) as i32
    });
    let whole = optimise(&original, 2.0);
    assert!(whole.told.is_sorted() && whole.told.last() == Some(&1.0));
    assert!(whole.report.changed);
    println!("{:?} at most without a word", whole.gap);
    assert!(whole.gap < WAIT, "{:?} without a word", whole.gap);
    for until in [0.0, 0.1, 0.5, 0.85, 1.0] {
        let run = optimise(&original, until);
        println!(
            "from {until} on: {:?} to the end, {:?} at most without a word",
            run.wait, run.gap
        );
        assert!(run.told.iter().filter(|fraction| **fraction >= until).count() == 1, "{until}");
        assert!(run.told.is_sorted() && run.wait < WAIT, "{until}: {:?}", run.wait);
        assert!(run.report.after.psnr_filtered[0].is_finite());
        assert!(until > 0.0 || !run.report.changed);
        assert!(until < 1.0 || run.blocks == whole.blocks);
    }
}

#[test]
fn coefficients_of_large_pictures() {
    check_search(Layout::I420, 1024, 768);
}

/// To see how long it takes, as with those below.
#[test]
#[ignore = "6 megapixels, filtered a hundred times"]
fn coefficients_of_huge_pictures() {
    check_search(Layout::I420, 3000, 2000);
}

#[test]
fn large_pictures() {
    check_size(2048, 1152);
}

/// To see how long it takes: `cargo test --release --test cancel -- --ignored --nocapture`.
#[test]
#[ignore = "24 megapixels, filtered a hundred times"]
fn huge_pictures() {
    check_size(6000, 4000);
}

#[test]
fn many_pictures() {
    let (width, height) = (416, 240);
    let all: Vec<_> = (0..24).map(|seed| samples(width, height, seed)).collect();
    let types = [PictureType::I, PictureType::P, PictureType::B];
    let pairs: Vec<_> = all
        .iter()
        .zip(types.into_iter().cycle())
        .map(|([original, decoded], kind)| Pair {
            original: original.view().of_type(kind),
            decoded: decoded.view().of_type(kind),
        })
        .collect();
    check(&pairs, &Codec::Hevc { qp: [30, 32, 33] });
}

/// PSNR of a gray picture that a base model filters.
fn psnr_with(model: u32, original: &Owned<u8>, decoded: &Owned<u8>, codec: &Codec) -> f64 {
    let mut decoder = Decoder::new(DecoderSettings::default());
    let payload = payload::build(Mode::Base, model, &[], 5).unwrap();
    decoder.set_payload(&payload, &CodecParams { codec: codec.clone(), binding: 5 }).unwrap();
    original.psnr(&decoded.filtered(&decoder), 0)
}

#[test]
fn small_pictures_canceled_at_once() {
    let [original, decoded] = samples(64, 48, 0);
    let pair = Pair { original: original.view(), decoded: decoded.view() };
    let codec = Codec::Jpeg { luma: [30; 64], chroma: None };
    let [run, whole] = [0.0, 2.0].map(|until| encode(&[pair], codec.clone(), until));
    let (run, whole) = (run.unwrap(), whole.unwrap());
    assert_eq!(run.report.steps, 0);
    // Where the machine did not get to all base models, it is that of the first one, or as what was
    // decoded.
    let base = run.report.psnr_base;
    let first = models::of_size(CodecKind::Jpeg, ModelSize::default()).unwrap().next().unwrap();
    let first = psnr_with(first.id, &original, &decoded, &codec);
    let known = [whole.report.psnr_base, run.report.psnr_decoded, first];
    assert!(known.iter().any(|psnr| (base - psnr).abs() < 1e-9), "{base} {known:?}");
    assert!(run.report.psnr_payload >= base || run.report.mode == Mode::Off);
}
