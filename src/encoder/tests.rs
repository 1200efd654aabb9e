//! The encoder's parts on one picture that lost some of its levels.

use super::candidate::{every_condition, Base, Candidates};
use super::measure::Measure;
use super::progress::Progress;
use super::search::Search;
use super::{grown, Encoder, EncoderSettings, Pair, EFFORTS};
use crate::adapt::distortion::Distortion;
use crate::adapt::task::Objective;
use crate::adapt::tuned::Tuned;
use crate::codec::Codec;
use crate::cpu::CpuLevel;
use crate::models::{default_for, ModelSize};
use crate::network::update::{LayerUpdate, Update};
use crate::network::{CodecKind, Model, Prepared};
use crate::payload;
use crate::picture::{Layout, Picture, Plane};
use crate::Error;

const SIDE: usize = 48;
const CODEC: Codec = Codec::Jpeg { luma: [20; 64], chroma: Some([30; 64]) };

/// A picture's planes in 4:2:0 with levels `step` apart.
fn planes(step: usize) -> [Vec<u8>; 3] {
    let plane = |len: usize| -> Vec<u8> {
        (0..len).map(|i| ((i * 7 + i / SIDE * 3) % 200 / step * step) as u8).collect()
    };
    [SIDE * SIDE, SIDE * SIDE / 4, SIDE * SIDE / 4].map(plane)
}

fn view(planes: &[Vec<u8>; 3]) -> Picture<'_> {
    let side = |p: usize| if p == 0 { SIDE } else { SIDE / 2 };
    let plane = |p: usize| Plane::new(&planes[p], side(p), side(p), side(p)).unwrap();
    Picture::new(Layout::I420, &[plane(0), plane(1), plane(2)]).unwrap()
}

fn model() -> &'static Model {
    default_for(CodecKind::Jpeg, ModelSize::Medium).unwrap()
}

/// Gives `check` such a picture.
fn with_pictures(check: impl Fn(&[Pair<'_>])) {
    let data = [1, 8].map(planes);
    check(&[Pair { original: view(&data[0]), decoded: view(&data[1]) }]);
}

fn measure<'a>(pictures: &'a [Pair<'a>], progress: &mut Progress<'_>) -> Measure<'a, u8> {
    Measure::new(pictures, Distortion::new(true), 1, CpuLevel::current(), progress)
}

/// Candidates whose bytes cost nothing.
fn candidates<'m, 'a>(measure: &'m Measure<'a, u8>, base: &'m Base) -> Candidates<'m, 'a, u8> {
    let (slope, carriage_bytes, binding) = (0.0, 0, 1);
    let objective = Objective::RateDistortion;
    Candidates { measure, base, objective, slope, carriage_bytes, binding }
}

#[test]
fn what_trains_wants_fused_multiply_add() {
    let made = |no_update, has_fma| {
        Encoder::with_fma(EncoderSettings { no_update, ..EncoderSettings::default() }, has_fma)
            .err()
    };
    assert_eq!(made(false, false), Some(Error::Unsupported));
    assert_eq!(made(true, false), None);
    assert_eq!(made(false, true), None);
}

/// The host is asked at every row, and what is being measured ends with its no.
#[test]
fn measuring_can_be_ended() {
    with_pictures(|pictures| {
        for limit in [1, 2, 20, usize::MAX] {
            let mut calls = 0;
            let mut callback = |_| {
                calls += 1;
                calls < limit
            };
            let mut progress = Progress::strict(&mut callback);
            let measure = measure(pictures, &mut progress);
            let filtered =
                measure.filtered(model(), &CODEC, None, &mut |part| progress.measuring(part));
            assert_eq!(filtered.unwrap().is_none(), limit < usize::MAX);
            if limit < usize::MAX {
                let search = Search { measure: &measure, model: model() };
                assert_eq!(search.strengths([30, 31, 32], &mut progress).unwrap(), [30, 0, 0]);
                let conditions: Vec<_> = every_condition(&CODEC).collect();
                let tuned =
                    Tuned::with_coefficients(model(), &conditions, 6, |_, i| (i % 3) as f32);
                let errors = measure.unfiltered.clone();
                let base = Base { model: model(), codec: CODEC, errors };
                let nothing = candidates(&measure, &base).best_update(&tuned, &mut progress);
                assert!(nothing.unwrap().is_none());
            }
            // Half-resolution rows and those at their ends, of luma and of chroma.
            assert!(calls == limit || (limit == usize::MAX && calls > SIDE), "{calls}");
        }
    });
}

/// Where luma's update would overflow, chroma's is sent all the same; and the other way round.
#[test]
fn a_network_that_overflows_takes_nothing_from_the_other() {
    with_pictures(|pictures| {
        let model = model();
        let mut callback = |_| true;
        let mut progress = Progress::new(&mut callback);
        let measure = measure(pictures, &mut progress);
        let errors = measure.filtered(model, &CODEC, None, &mut |_| true).unwrap().unwrap();
        let base = Base { model, codec: CODEC, errors };
        let candidates = candidates(&measure, &base);
        let split = model.luma.layers.len();
        let last = [split - 1, model.shapes().len() - 1];
        let conditions: Vec<_> = every_condition(&CODEC).collect();
        let zeros = model.shapes().iter().map(|s| LayerUpdate::zeros(s.1)).collect();
        let none = Update { step: 11, layers: zeros };
        for over in [0, 1] {
            let mut gained = 0;
            for (place, small) in (0..8).flat_map(|place| [(place, 1.0), (place, -1.0)]) {
                // Too large in that network, small in the other one.
                let tuned = Tuned::with_coefficients(model, &conditions, 11, |layer, i| {
                    if layer == last[over] && i % 37 == 0 {
                        200.0
                    } else if layer == last[1 - over] && i == place {
                        small
                    } else {
                        0.0
                    }
                });
                let all = tuned.round(0.5, 1.0);
                assert!(conditions.iter().any(|c| Prepared::new(model, *c, Some(&all)).is_err()));
                let best = candidates.best_update(&tuned, &mut progress);
                let best = best.unwrap().expect("one that changes nothing, at the least");
                let header = payload::parse(&best.payload).unwrap();
                let (_, body) = header.parts(false).unwrap();
                let sent = payload::update::read(body, &model.prior).unwrap();
                let other = candidates.part(1 - over, &all);
                assert!(sent == none || sent == other, "{over} {place}");
                gained += usize::from(sent != none);
            }
            assert!(gained > 0, "{over}: no change was of any use");
        }
    });
}

#[test]
fn steps_grow_with_samples() {
    let usual = 768 * 512;
    for (steps, _) in EFFORTS {
        for samples in [1, usual / 2, usual] {
            assert_eq!(grown(steps, samples), steps);
        }
        assert_eq!(grown(steps, 8 * usual), 4 * steps);
        for samples in [12 * usual, usize::MAX] {
            assert_eq!(grown(steps, samples), 5 * steps);
        }
        for samples in (usual..12 * usual).step_by(10_007) {
            let growth = (samples as f64 / usual as f64).powf(2.0 / 3.0).min(5.0);
            let off = f64::from(grown(steps, samples)) - f64::from(steps) * growth;
            assert!((-1.000_001..=0.000_001).contains(&off), "{steps} {samples} {off}");
        }
    }
    // A photograph of 3014×1695.
    assert_eq!(grown(300, 3014 * 1695), 1500);
    assert_eq!(grown(300, 2048 * 1216), 1026);
}
