//! The filter against a whole-picture reference, over all small sizes, layouts, levels and cuts.

use super::*;
use crate::kernels::{scalar::requantise, FULL_STRENGTH};
use crate::network::prepared::PreparedLayer;
use crate::network::Arch;
use crate::picture::{Plane, PlaneMut, Sample};
use crate::util::rng::Xorshift;
use crate::util::shared::Shared;
use std::ops::Range;

/// Random layers of luma's shape, or of chroma's; activations between hidden layers of 16 bits, or
/// of 8.
fn layers(rng: &mut Xorshift, arch: Arch, bytes: bool) -> Vec<PreparedLayer> {
    let last = arch.layers() - 1;
    let layers = (0..=last).map(|l| {
        let (cin, cout) = arch.layer(l);
        let reads_bytes = bytes && l > 0 && l < last;
        let most = if reads_bytes { 8 } else { 300 };
        let weights: Vec<i16> =
            (0..9 * cin * cout).map(|_| rng.range(-most, most) as i16).collect();
        let biases = 0..arch.phases(l) * cout;
        let bias = if reads_bytes { 1000 } else { 100_000 };
        let to_bytes = bytes && l + 1 < last;
        // From sums of such weights and activations to the range of the outputs.
        let gain = match (reads_bytes, to_bytes) {
            (false, false) => 500,
            (false, true) => 4,
            (true, false) => 1 << 19,
            (true, true) => 1 << 13,
        };
        PreparedLayer {
            cin,
            cout,
            weights: Shared::new(weights).unwrap(),
            bias: biases.map(|_| rng.range(-bias, bias) as i32).collect(),
            period: if l == 0 { arch.period } else { 1 },
            multiplier: (0..cout).map(|_| rng.range(gain * 4 / 5, gain * 5 / 4) as i32).collect(),
            shift: 20,
            low: if l == last { -4095 } else { 0 },
            high: match (l == last, to_bytes) {
                (true, _) => 4095,
                (false, true) => 127,
                (false, false) => 16383,
            },
        }
    });
    layers.collect()
}

fn prepared(rng: &mut Xorshift, chroma: bool) -> Prepared {
    let bytes = rng.next().is_multiple_of(2);
    Prepared {
        luma: layers(rng, Arch::luma(16, 2), bytes),
        chroma: if chroma { layers(rng, Arch::chroma(16, 1), bytes) } else { Vec::new() },
    }
}

/// Samples of every plane of a picture, rows without padding.
#[derive(Clone, PartialEq, Debug)]
struct Samples {
    layout: Layout,
    bit_depth: u32,
    width: usize,
    height: usize,
    planes: Vec<Vec<u16>>,
}

impl Samples {
    /// Adversarial planes: flat, extremes, noise, noise beyond the depth's range where there is
    /// room.
    fn new(
        rng: &mut Xorshift,
        layout: Layout,
        bit_depth: u32,
        width: usize,
        height: usize,
    ) -> Self {
        let max = (1 << bit_depth) - 1;
        let planes = (0..layout.planes()).map(|p| {
            let (columns, rows) = layout.plane_size(p, width, height);
            let style = rng.next() % if bit_depth == 8 { 4 } else { 5 };
            let sample = |i: usize| match style {
                0 => max * (i % 2) as u16,
                1 => 0,
                2 => max,
                3 => rng.next() as u16 & max,
                _ => rng.next() as u16,
            };
            (0..columns * rows).map(sample).collect()
        });
        Self { layout, bit_depth, width, height, planes: planes.collect() }
    }

    /// The picture in `bit_depth`; as it is where that is its own.
    fn deepened(&self, bit_depth: u32) -> Self {
        let mut out = Self { bit_depth, ..self.clone() };
        let more = bit_depth - self.bit_depth;
        if more > 0 {
            let deepen = |s: &mut u16| *s = (i32::from(*s).min(self.max()) << more) as u16;
            out.planes.iter_mut().flatten().for_each(deepen);
        }
        out
    }

    fn max(&self) -> i32 {
        (1 << self.bit_depth) - 1
    }

    /// Columns and rows of plane `p`.
    fn size(&self, p: usize) -> (usize, usize) {
        self.layout.plane_size(p, self.width, self.height)
    }

    /// Luma columns and rows for each of plane `p`'s.
    fn ratio(&self, p: usize) -> (usize, usize) {
        match (p, self.layout) {
            (0, _) | (_, Layout::I444) => (1, 1),
            (_, Layout::I422) => (2, 1),
            (_, Layout::I440) => (1, 2),
            (_, Layout::I411) => (4, 1),
            _ => (2, 2),
        }
    }

    /// The sample of plane `p` beside luma row `y`, column `x`, which may lie beyond the picture.
    fn beside(&self, p: usize, y: usize, x: usize) -> i32 {
        let ((columns, rows), (wide, tall)) = (self.size(p), self.ratio(p));
        let (y, x) = ((y / tall).min(rows - 1), (x / wide).min(columns - 1));
        i32::from(self.planes[p][y * columns + x]).min(self.max())
    }
}

/// The filter by its definition: whole maps, no bands, no packing; the output of `bit_depth`.
fn reference(prepared: &Prepared, input: &Samples, bit_depth: u32, strength: u8) -> Samples {
    let mut out = input.deepened(bit_depth);
    let correct = |out: &mut _, p, residual: &dyn Fn(usize, usize) -> i32| {
        correct(input, out, p, |y, x| residual(y, x) * i32::from(strength));
    };
    let luma = outputs(&prepared.luma, input);
    correct(&mut out, 0, &|y, x| luma[y / 2][x / 2][2 * (y % 2) + x % 2]);
    if !prepared.chroma.is_empty() && input.layout != Layout::I400 {
        let chroma = outputs(&prepared.chroma, input);
        let wide = if input.layout == Layout::I411 { 4 } else { 2 };
        for p in 1..3 {
            correct(&mut out, p, &|y, x| chroma[y / 2][x / wide][p - 1]);
        }
    }
    out
}

/// Adds to plane `p` the residual beside each luma row and column, in parts of full strength.
fn correct(input: &Samples, out: &mut Samples, p: usize, residual: impl Fn(usize, usize) -> i32) {
    let ((columns, _), (wide, tall)) = (input.size(p), input.ratio(p));
    let (unit, max) = (f64::from(1 << (18 - out.bit_depth)), out.max());
    for (i, sample) in out.planes[p].iter_mut().enumerate() {
        let r = residual(i / columns * tall, i % columns * wide);
        let sum = i32::from(*sample).min(max) + (f64::from(r) / unit + 0.5).floor() as i32;
        *sample = sum.clamp(0, max) as u16;
    }
}

type Map = Vec<Vec<Vec<i32>>>;

/// A network's outputs for each of its pixels.
fn outputs(layers: &[PreparedLayer], input: &Samples) -> Map {
    // Columns of luma beside a phase.
    let wide = if layers[0].cin == 6 && input.layout == Layout::I411 { 2 } else { 1 };
    let (w, h) = (input.width.div_ceil(2 * wide), input.height.div_ceil(2));
    let first = |y: usize, x: usize| -> Vec<i32> {
        let scaled = |s: i32| (s << (12 - input.bit_depth)) - 2048;
        let mean = |p, dy: Range<usize>, dx: Range<usize>| {
            let count = (dy.len() * dx.len()) as i32;
            let at = dy.flat_map(|dy| dx.clone().map(move |dx| (2 * y + dy, 2 * wide * x + dx)));
            let sum: i32 = at.map(|(y, x)| scaled(input.beside(p, y, x))).sum();
            (sum + count / 2).div_euclid(count)
        };
        let phase = |i: usize| {
            let (dy, dx) = (i / 2, i % 2 * wide);
            mean(0, dy..dy + 1, dx..dx + wide)
        };
        let chroma = (1..layers[0].cin - 3).map(|p| mean(p, 0..2, 0..2 * wide));
        (0..4).map(phase).chain(chroma).collect()
    };
    let mut map: Map = (0..h).map(|y| (0..w).map(|x| first(y, x)).collect()).collect();
    for layer in layers {
        let pixel = |y: usize, x: usize| -> Vec<i32> {
            let phase = (y % layer.period) * layer.period + x % layer.period;
            let output = |co: usize| {
                let mut sum = layer.bias[phase * layer.cout + co];
                for (t, ci) in (0..9).flat_map(|t| (0..layer.cin).map(move |ci| (t, ci))) {
                    let sy = (y + t / 3).saturating_sub(1).min(h - 1);
                    let sx = (x + t % 3).saturating_sub(1).min(w - 1);
                    let weight = i32::from(layer.weights[(t * layer.cin + ci) * layer.cout + co]);
                    sum += map[sy][sx][ci] * weight;
                }
                let y = requantise(sum, layer.multiplier[co], layer.shift);
                y.clamp(layer.low, layer.high)
            };
            (0..layer.cout).map(output).collect()
        };
        map = (0..h).map(|y| (0..w).map(|x| pixel(y, x)).collect()).collect();
    }
    map
}

const PADDING: u8 = 0xa5;

/// Runs `work` on the samples in rows that `padding` samples lie between; its output is of
/// `bit_depth`.
fn run<S: Sample + TryFrom<u16>, T: Sample + Into<u16>>(
    input: &Samples,
    bit_depth: u32,
    padding: usize,
    work: impl FnOnce(&Picture<'_, S>, PictureMut<'_, T>),
) -> Samples {
    let sample = |s: u16| S::try_from(s).unwrap_or_else(|_| unreachable!());
    let guard = sample(PADDING.into());
    let sizes: Vec<_> = (0..input.planes.len()).map(|p| input.size(p)).collect();
    let mut padded = Vec::new();
    let mut out = Vec::new();
    for (samples, (width, _)) in input.planes.iter().zip(&sizes) {
        let mut plane = Vec::new();
        for row in samples.chunks(*width) {
            plane.extend(row.iter().map(|s| sample(*s)));
            plane.extend(vec![guard; padding]);
        }
        out.push(vec![T::new(PADDING.into()); plane.len()]);
        padded.push(plane);
    }
    let stride = |w: usize, bytes| (w + padding) * bytes;
    let bytes = size_of::<S>();
    let planes =
        padded.iter().zip(&sizes).map(|(d, (w, h))| Plane::new(d, stride(*w, bytes), *w, *h));
    let planes = planes.collect::<Result<Vec<_>>>().unwrap();
    let targets = out.iter_mut().zip(&sizes);
    let bytes = size_of::<T>();
    let mut targets =
        targets.map(|(d, (w, h))| PlaneMut::new(d, stride(*w, bytes), *w, *h).unwrap());
    let targets = [(); 3].map(|()| targets.next().unwrap_or(PlaneMut::EMPTY));
    work(
        &Picture::with_depth(input.layout, input.bit_depth, &planes).unwrap(),
        PictureMut::with_depth(input.layout, bit_depth, targets).unwrap(),
    );
    let mut result = Samples { bit_depth, ..input.clone() };
    for ((result, out), (width, _)) in result.planes.iter_mut().zip(out).zip(&sizes) {
        let out: Vec<u16> = out.into_iter().map(T::into).collect();
        let rows = out.chunks(width + padding);
        assert!(
            rows.clone().all(|r| r[*width..].iter().all(|b| *b == u16::from(PADDING))),
            "wrote between rows"
        );
        *result = rows.flat_map(|r| &r[..*width]).copied().collect();
    }
    result
}

/// Checks whole pictures on several threads and one of some cut into bands.
fn check<S: Sample + TryFrom<u16>, T: Sample + Into<u16>>(
    rng: &mut Xorshift,
    filter: &Filter,
    strength: u8,
    input: &Samples,
    expected: &Samples,
    case: &str,
) {
    let (padding, depth) = ((rng.next() % 5) as usize, expected.bit_depth);
    for threads in [1, 2, 5] {
        let got = run::<S, T>(input, depth, padding, |input, output| {
            filter.picture(input, output, threads, strength).unwrap();
        });
        assert!(got == *expected, "{case} {threads} threads");
    }
    let band = 2 + 2 * (rng.next() % 6) as usize;
    let got = run::<S, T>(input, depth, padding, |input, output| {
        let (mut rest, mut first) = (output, 0);
        while rest.height() > band {
            let (top, below) = rest.split_at_row(band);
            filter.band(input, first, top, strength).unwrap();
            (rest, first) = (below, first + band);
        }
        filter.band(input, first, rest, strength).unwrap();
    });
    assert!(got == *expected, "{case} bands of {band}");
}

#[test]
fn every_size_layout_depth_strength_level_and_cut_gives_the_reference() {
    let mut rng = Xorshift(99);
    let sizes = (1..=18).flat_map(|h| [1, 2, 3, 7, 8, 13, 26].map(|w| (w, h)));
    let cases = sizes
        .chain([(40, 77), (9, 130), (33, 6), (66, 5)])
        .flat_map(|s| Layout::ALL.map(|l| (s, l)));
    for ((width, height), layout) in cases {
        let chroma = !rng.next().is_multiple_of(4);
        let prepared = prepared(&mut rng, chroma);
        let bit_depth = [8, 10, 12][rng.next() as usize % 3];
        let input = Samples::new(&mut rng, layout, bit_depth, width, height);
        let output_depth = if rng.next().is_multiple_of(2) {
            bit_depth
        } else {
            [10, 12, 16].into_iter().find(|d| *d >= bit_depth + rng.next() as u32 % 4).unwrap()
        };
        let strength = [FULL_STRENGTH, FULL_STRENGTH, 0, 1, 40][rng.next() as usize % 5];
        let expected = reference(&prepared, &input, output_depth, strength);
        for level in CpuLevel::available() {
            let case = format!(
                "{width}x{height} {layout:?} {bit_depth} to {output_depth} {strength} {chroma} \
                 {level:?}"
            );
            let filter = Filter::new(&prepared, level).unwrap();
            let check = match (bit_depth, output_depth) {
                (8, 8) => check::<u8, u8>,
                (8, _) => check::<u8, u16>,
                _ => check::<u16, u16>,
            };
            check(&mut rng, &filter, strength, &input, &expected, &case);
        }
    }
}

#[test]
fn a_picture_can_be_ended() {
    let mut rng = Xorshift(11);
    let filter = Filter::new(&prepared(&mut rng, true), CpuLevel::current()).unwrap();
    let input = Samples::new(&mut rng, Layout::I420, 8, 46, 3000);
    let whole = run::<u8, u8>(&input, 8, 0, |i, o| filter.picture(i, o, 1, FULL_STRENGTH).unwrap());
    for threads in [1, 2, 5] {
        let asked = |limit: usize| {
            let mut calls = 0;
            let mut ended = false;
            let got = run::<u8, u8>(&input, 8, 0, |i, o| {
                let mut go_on = || {
                    assert!(calls < limit, "asked again");
                    calls += 1;
                    calls < limit
                };
                ended = !filter.picture_while(i, o, threads, FULL_STRENGTH, &mut go_on).unwrap();
            });
            (got, ended, calls)
        };
        let (got, ended, calls) = asked(usize::MAX);
        assert!(got == whole && !ended && (calls > 0 || threads > 1));
        for limit in [1, 2, 20] {
            // Other threads may be done with everything before the caller's asks.
            let (got, ended, calls) = asked(limit);
            assert!(ended == (calls == limit) && ended == (got != whole), "{threads} {limit}");
            assert!(ended || threads > 1, "{limit}");
        }
    }
}

/// Activations of a 10-bit picture of 8-bit samples times 4 are those of the 8-bit picture, so its
/// residuals are the same, rounded at 10 bits: what the 8-bit picture gives there.
#[test]
fn deeper_samples_of_the_same_picture() {
    let mut rng = Xorshift(3);
    let filter = Filter::new(&prepared(&mut rng, true), CpuLevel::current()).unwrap();
    let eight = Samples::new(&mut rng, Layout::I420, 8, 38, 27);
    let mut ten = Samples { bit_depth: 10, ..eight.clone() };
    ten.planes.iter_mut().flatten().for_each(|s| *s *= 4);
    let low = run::<u8, u8>(&eight, 8, 0, |i, o| filter.picture(i, o, 1, FULL_STRENGTH).unwrap());
    let high = run::<u16, u16>(&ten, 10, 0, |i, o| filter.picture(i, o, 1, FULL_STRENGTH).unwrap());
    let deep =
        run::<u8, u16>(&eight, 10, 0, |i, o| filter.picture(i, o, 1, FULL_STRENGTH).unwrap());
    assert!(deep == high);
    for (low, high) in low.planes.iter().flatten().zip(high.planes.iter().flatten()) {
        // Rounding to 8 bits moves a sample by up to half of 4, and 255 stands for 1020 to 1023.
        assert!((*low * 4).abs_diff(*high) <= 3, "{low} {high}");
    }
}

#[test]
fn depths_must_match() {
    let mut rng = Xorshift(7);
    let filter = Filter::new(&prepared(&mut rng, false), CpuLevel::Scalar).unwrap();
    let (data, mut out) = ([0u16; 64], [0u16; 64]);
    let plane = Plane::new(&data, 16, 8, 8).unwrap();
    for depth in [0, 8, 9, 11, 14, 16] {
        assert!(Picture::with_depth(Layout::I400, depth, &[plane]).is_err(), "{depth}");
    }
    let input = Picture::with_depth(Layout::I400, 12, &[plane]).unwrap();
    let planes = [PlaneMut::new(&mut out, 16, 8, 8).unwrap(), PlaneMut::EMPTY, PlaneMut::EMPTY];
    let output = PictureMut::with_depth(Layout::I400, 10, planes).unwrap();
    assert_eq!(filter.picture(&input, output, 1, FULL_STRENGTH), Err(Error::InvalidArgument));
    assert!(Plane::new(&data, 17, 8, 3).is_err(), "stride that is no multiple of a sample");
    assert!(Plane::new(&data, 14, 8, 3).is_err(), "stride below a row");
    assert!(Plane::new(&data, 16, 8, 9).is_err(), "too little memory");
}

#[test]
fn odd_bands_are_refused() {
    let mut rng = Xorshift(7);
    let filter = Filter::new(&prepared(&mut rng, false), CpuLevel::Scalar).unwrap();
    let data = [0; 80];
    let input = Picture::new(Layout::I400, &[Plane::new(&data, 8, 8, 10).unwrap()]).unwrap();
    let mut out = [0; 80];
    let mut attempt = |first: usize, rows: usize, width: usize| {
        let plane = PlaneMut::new(&mut out, 8, width, rows).unwrap();
        let output = PictureMut::new(Layout::I400, vec![plane]).unwrap();
        filter.band(&input, first, output, FULL_STRENGTH)
    };
    assert_eq!(attempt(0, 10, 8), Ok(()));
    assert_eq!(attempt(4, 6, 8), Ok(()));
    assert_eq!(attempt(1, 2, 8), Err(Error::InvalidArgument));
    assert_eq!(attempt(0, 3, 8), Err(Error::InvalidArgument));
    assert_eq!(attempt(4, 8, 8), Err(Error::InvalidArgument));
    assert_eq!(attempt(0, 10, 7), Err(Error::InvalidArgument));
}

#[test]
fn memory_of_a_band() {
    let mut rng = Xorshift(5);
    let luma = layers(&mut rng, Arch::luma(32, 3), false);
    let chroma = layers(&mut rng, Arch::chroma(16, 3), false);
    let filter = Filter::new(&Prepared { luma, chroma }, CpuLevel::Scalar).unwrap();
    // Rows start at cache lines, so the formula may fall short of the memory by one for each row.
    let bytes = 2 * (3 * 3002 * (4 + 4 * 32) + 3000 * 4);
    assert!((bytes..bytes + 16 * 64).contains(&filter.scratch_bytes(Layout::I420, 6000)));
    assert_eq!(
        filter.scratch_bytes(Layout::I400, 6000),
        filter.scratch_bytes(Layout::I420, 6000),
        "luma's network is the larger"
    );

    let luma = layers(&mut rng, Arch::luma(32, 3), true);
    let filter = Filter::new(&Prepared { luma, chroma: Vec::new() }, CpuLevel::Scalar).unwrap();
    let bytes = 3 * 3002 * (2 * 4 + 3 * 32 + 2 * 32) + 2 * 3000 * 4;
    assert!((bytes..bytes + 16 * 64).contains(&filter.scratch_bytes(Layout::I400, 6000)));

    let luma = layers(&mut rng, Arch::luma(Arch::MAX_CHANNELS, Arch::MAX_HIDDEN), false);
    let largest = Filter::new(&Prepared { luma, chroma: Vec::new() }, CpuLevel::Scalar).unwrap();
    assert!(largest.scratch_bytes(Layout::I400, 6000) < 24_000_000, "24 megapixels");
}
