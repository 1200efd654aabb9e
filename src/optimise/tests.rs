//! The optimiser on small pictures.

use super::*;
use crate::codec::standard_luma_table;
use crate::util::rng::Xorshift;

/// Planes with edges, a texture and a slope.
fn planes(layout: Layout, width: usize, height: usize) -> Vec<Samples> {
    let mut random = Xorshift(width as u64 * 1000 + height as u64);
    let plane = |p: usize| {
        let (w, h) = layout.plane_size(p, width, height);
        let mut plane = Samples::new(w, h).unwrap();
        for y in 0..h {
            for (x, sample) in plane.row_mut(y).iter_mut().enumerate() {
                let edge = if (x + 2 * y) / 13 % 2 == 0 { 50 } else { 0 };
                let texture = if x > w / 2 { (x * 7 + y * 11) % 23 } else { 0 };
                *sample = (60 + edge + texture + y + random.range(0, 6) as usize) as u8;
            }
        }
        plane
    };
    (0..layout.planes()).map(plane).collect()
}

fn codec(quality: u32) -> Codec {
    Codec::Jpeg { luma: standard_luma_table(quality), chroma: Some([40; 64]) }
}

/// Coefficients that are rounded to what is nearest.
fn rounded(original: &Picture<'_>, codec: &Codec) -> Vec<Vec<Block>> {
    let mut all = Vec::new();
    for part in parts(codec, original.layout(), false).unwrap() {
        let grid = part.grid(original);
        for plane in &original.planes()[part.planes.clone()] {
            let block = |i: usize| -> Block {
                let c = grid.transform(plane, i / grid.columns, i % grid.columns);
                std::array::from_fn(|k| (c[k] / f32::from(grid.quant[k])).round() as i16)
            };
            all.push((0..grid.blocks()).map(block).collect());
        }
    }
    all
}

fn settings() -> OptimiserSettings {
    let model_size = ModelSize::Small;
    OptimiserSettings { threads: 1, effort: 1, model_size, ..OptimiserSettings::default() }
}

/// An optimiser on any CPU: tests have the time to wait for those without fused multiply-add.
fn optimiser(settings: OptimiserSettings) -> Optimiser {
    Optimiser::with_fma(settings, true).unwrap()
}

type Out = (OptimiserReport, Vec<Vec<Block>>);

fn optimised(
    (layout, width, height): (Layout, usize, usize),
    settings: OptimiserSettings,
    level: CpuLevel,
    go_on: &mut dyn FnMut(f64) -> bool,
) -> Out {
    let planes = planes(layout, width, height);
    let original = picture(layout, &planes).unwrap();
    let mut coefficients = rounded(&original, &codec(25));
    let optimiser = Optimiser { level, ..optimiser(settings) };
    let report = optimiser.optimise(&original, &mut coefficients, &codec(25), None, go_on).unwrap();
    (report, coefficients)
}

/// dB that errors and bits together are better: PSNR-YUV, and what the bits saved would have
/// bought.
fn gain(report: &OptimiserReport) -> f64 {
    let yuv = |p: [f64; 3]| if p[1] > 0.0 { (6.0 * p[0] + p[1] + p[2]) / 8.0 } else { p[0] };
    let bits = report.before.bits as f64 / report.after.bits as f64;
    yuv(report.after.psnr_filtered) - yuv(report.before.psnr_filtered) + 3.4 * bits.log2()
}

#[test]
fn pictures_of_every_layout_gain() {
    for layout in Layout::ALL {
        for size in [(96, 80), (75, 49)] {
            let of = (layout, size.0, size.1);
            let (report, coefficients) =
                optimised(of, settings(), CpuLevel::current(), &mut |_| true);
            assert!(report.changed && gain(&report) > 0.3, "{layout:?}: {report:?}");
            assert!(coefficients.iter().flatten().all(in_range));
        }
    }
}

#[test]
fn smallest_pictures_are_taken() {
    for layout in Layout::ALL {
        for (width, height) in [(1, 1), (8, 1), (1, 17), (9, 8)] {
            optimised((layout, width, height), settings(), CpuLevel::current(), &mut |_| true);
        }
    }
}

#[test]
fn levels_and_threads_do_not_matter() {
    let of = (Layout::I420, 61, 140);
    let (_, expected) = optimised(of, settings(), CpuLevel::current(), &mut |_| true);
    for (threads, level) in [(2, CpuLevel::current()), (5, CpuLevel::Sse41), (1, CpuLevel::Scalar)]
    {
        let settings = OptimiserSettings { threads, ..settings() };
        let (_, coefficients) = optimised(of, settings, level, &mut |_| true);
        assert!(coefficients == expected, "{threads} threads, {level:?}");
    }
}

/// The report is of what decoders show.
#[test]
fn reports_are_of_the_result() {
    let of = (Layout::I420, 50, 70);
    let (report, coefficients) = optimised(of, settings(), CpuLevel::current(), &mut |_| true);
    let planes = planes(of.0, of.1, of.2);
    let original = picture(of.0, &planes).unwrap();
    let parts = parts(&codec(25), of.0, false).unwrap();
    let mut job = Job::new(&optimiser(settings()), &original, &parts, &coefficients);
    let job = job.as_mut().unwrap();
    let filters = optimiser(settings()).filters(&codec(25), &original, None);
    let filters = filters.unwrap().into_iter().filter(|(model, _)| *model == report.model);
    job.best_filter(filters.collect(), &mut Throttle::new(&mut |_| true)).unwrap();
    assert_eq!(job.report(job.bits(&coefficients)), report.after);
}

#[test]
fn weights_shift_what_is_kept() {
    let of = (Layout::I400, 96, 80);
    let with = |strength, decoded_weight| {
        let settings = OptimiserSettings { strength, decoded_weight, ..settings() };
        optimised(of, settings, CpuLevel::current(), &mut |_| true).0.after
    };
    let (few, many) = (with(3.0, 0.15), with(0.3, 0.15));
    assert!(few.bits < many.bits && few.psnr_filtered[0] < many.psnr_filtered[0]);
    let (blind, seen) = (with(1.0, 0.0), with(1.0, 2.0));
    let apart = |r: CoefficientReport| r.psnr_filtered[0] - r.psnr_decoded[0];
    assert!(apart(blind) > apart(seen) + 0.1, "{blind:?} {seen:?}");
}

#[test]
fn more_effort_gains_more() {
    let of = (Layout::I400, 96, 80);
    let with = |effort| {
        let settings = OptimiserSettings { effort, ..settings() };
        gain(&optimised(of, settings, CpuLevel::current(), &mut |_| true).0)
    };
    let gains = [1, 4, 8].map(with);
    assert!(gains[0] < gains[1] && gains[1] < gains[2], "{gains:?}");
}

#[test]
fn large_pictures_get_fewer_passes() {
    let of = |samples| budget(5, samples);
    assert_eq!([of(1), of(768 * 512), of(1024 * 768), of(6_000_000)], [60, 60, 55, 45]);
    assert_eq!([of(24_000_000), of(65535 * 65535)], [35, 30]);
}

/// Wherever it is canceled, what comes out is not worse, and progress only rises.
#[test]
fn cancelled_it_has_the_best_so_far() {
    let of = (Layout::I420, 96, 80);
    let mut calls = Vec::new();
    let whole = optimised(of, settings(), CpuLevel::current(), &mut |fraction| {
        calls.push(fraction);
        true
    });
    assert!(calls.is_sorted() && calls[0] == 0.0 && *calls.last().unwrap() == 1.0, "{calls:?}");
    let (none, _) = optimised(of, settings(), CpuLevel::current(), &mut |_| false);
    assert!(!none.changed && none.before == none.after);
    for part in [0.05, 0.4, 0.8] {
        let (report, _) =
            optimised(of, settings(), CpuLevel::current(), &mut |fraction| fraction < part);
        assert!(gain(&report) >= 0.0 && gain(&report) <= gain(&whole.0) + 0.05, "{report:?}");
    }
}

/// Moving all coefficients of a block a little towards their targets lowers the error.
#[test]
fn targets_point_downhill() {
    for layout in [Layout::I400, Layout::I422] {
        let planes = planes(layout, 90, 60);
        let original = picture(layout, &planes).unwrap();
        // Steps are fine, so that a rounded move is a small one.
        let codec = Codec::Jpeg { luma: [2; 64], chroma: None };
        let coarse = rounded(&original, &Codec::Jpeg { luma: [40; 64], chroma: None });
        let before: Vec<Vec<Block>> =
            coarse.iter().map(|p| p.iter().map(|b| b.map(|v| 20 * v)).collect()).collect();
        let settings = OptimiserSettings { decoded_weight: 0.0, ..settings() };
        let optimiser = optimiser(settings);
        let targets = optimiser.targets(&original, &before, &codec, None, &mut |_| true);
        let targets = targets.unwrap().unwrap();
        let mut after = before.clone();
        for (blocks, targets) in after.iter_mut().zip(&targets) {
            assert_eq!(blocks.len(), targets.len());
            for (block, t) in blocks.iter_mut().zip(targets) {
                assert!(t.weight.iter().all(|w| *w > 0.0) && t.error >= 0.0);
                for (k, value) in block.iter_mut().enumerate() {
                    *value += ((t.target[k] / 2.0 - f32::from(*value)) / 3.0).round() as i16;
                }
            }
        }
        let parts = parts(&codec, layout, false).unwrap();
        let filtered = |coefficients: &[Vec<Block>]| {
            let mut job = Job::new(&optimiser, &original, &parts, coefficients).unwrap();
            let filters = optimiser.filters(&codec, &original, None).unwrap();
            job.best_filter(filters, &mut Throttle::new(&mut |_| true)).unwrap();
            job.filtered
        };
        let (old, new) = (filtered(&before), filtered(&after));
        for p in 0..planes.len() {
            assert!(new[p] < 0.9 * old[p], "{layout:?} {p}: {} {}", old[p], new[p]);
        }
        assert!(optimiser
            .targets(&original, &before, &codec, None, &mut |_| false)
            .unwrap()
            .is_none());
    }
}

#[test]
fn what_is_wrong_is_refused() {
    let planes = planes(Layout::I420, 33, 20);
    let original = picture(Layout::I420, &planes).unwrap();
    let good = rounded(&original, &codec(25));
    let refused = |coefficients: &[Vec<Block>], codec: &Codec, payload: Option<&[u8]>| {
        let mut coefficients = coefficients.to_vec();
        let before = coefficients.clone();
        let optimiser = optimiser(settings());
        let result =
            optimiser.optimise(&original, &mut coefficients, codec, payload, &mut |_| true);
        assert!(coefficients == before || result.is_ok());
        result.err()
    };
    assert_eq!(refused(&good, &codec(25), None), None);
    assert_eq!(refused(&good[..2], &codec(25), None), Some(Error::InvalidArgument));
    let mut bad = good.clone();
    bad[1].pop();
    assert_eq!(refused(&bad, &codec(25), None), Some(Error::InvalidArgument));
    for (k, value) in [(0, 1024), (0, -1025), (63, 1024), (1, -1024), (5, i16::MIN)] {
        let mut bad = good.clone();
        bad[2][3][k] = value;
        assert_eq!(refused(&bad, &codec(25), None), Some(Error::InvalidArgument), "{k} {value}");
    }
    for codec in [Codec::Hevc { qp: [30; 3] }, Codec::Jpeg { luma: [0; 64], chroma: None }] {
        assert_eq!(refused(&good, &codec, None), Some(Error::InvalidArgument));
    }
    let off = payload::build(Mode::Off, 0, &[], 0).unwrap();
    assert_eq!(refused(&good, &codec(25), Some(&off)), Some(Error::InvalidArgument));
    assert_eq!(refused(&good, &codec(25), Some(&[1, 2, 3])), Some(Error::Corrupt));
    for (effort, strength, decoded_weight, threads) in [
        (0, 1.0, 0.0, 1),
        (10, 1.0, 0.0, 1),
        (1, 0.01, 0.0, 1),
        (1, f64::NAN, 0.0, 1),
        (1, 1.0, -1.0, 1),
        (1, 1.0, f64::INFINITY, 1),
        (1, 1.0, 0.0, 0),
    ] {
        let settings =
            OptimiserSettings { effort, strength, decoded_weight, threads, ..settings() };
        assert_eq!(Optimiser::with_fma(settings, true).err(), Some(Error::InvalidArgument));
    }
    assert_eq!(Optimiser::with_fma(settings(), false).err(), Some(Error::Unsupported));
}
