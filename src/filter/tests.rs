//! The filter against a whole-picture reference, over all small sizes, layouts, levels and cuts.

use super::*;
use crate::kernels::scalar::requantise;
use crate::network::instance::Layer;
use crate::network::Arch;
use crate::picture::{Plane, PlaneMut};
use crate::xorshift::Xorshift;

/// Random layers of luma's shape, or of chroma's.
fn layers(rng: &mut Xorshift, arch: Arch) -> Vec<Layer> {
    let last = arch.layers() - 1;
    let layers = (0..=last).map(|l| {
        let (cin, cout) = arch.layer(l);
        let taps: Vec<i16> = (0..9 * cin * cout).map(|_| rng.range(-300, 300) as i16).collect();
        let biases = 0..arch.phases(l) * cout;
        Layer {
            cin,
            cout,
            taps: taps.into(),
            bias: biases.map(|_| rng.range(-100_000, 100_000) as i32).collect(),
            period: if l == 0 { arch.period } else { 1 },
            multiplier: (0..cout).map(|_| rng.range(400, 700) as i32).collect(),
            shift: 20,
            low: if l == last { -4095 } else { 0 },
            high: if l == last { 4095 } else { 16383 },
        }
    });
    layers.collect()
}

fn instance(rng: &mut Xorshift, chroma: bool) -> Instance {
    Instance {
        luma: layers(rng, Arch::luma(16, 2)),
        chroma: if chroma { layers(rng, Arch::chroma(16, 1)) } else { Vec::new() },
    }
}

/// Samples of every plane of a picture, rows without padding.
#[derive(Clone, PartialEq, Debug)]
struct Samples {
    layout: Layout,
    width: usize,
    height: usize,
    planes: Vec<Vec<u8>>,
}

impl Samples {
    /// Adversarial planes: flat, extremes, noise.
    fn new(rng: &mut Xorshift, layout: Layout, width: usize, height: usize) -> Self {
        let planes = (0..layout.planes()).map(|p| {
            let (columns, rows) = layout.plane_size(p, width, height);
            let style = rng.next() % 4;
            let sample = |i: usize| match style {
                0 => 255 * (i % 2) as u8,
                1 => 0,
                2 => 255,
                _ => rng.next() as u8,
            };
            (0..columns * rows).map(sample).collect()
        });
        Self { layout, width, height, planes: planes.collect() }
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
            _ => (2, 2),
        }
    }

    /// The sample of plane `p` beside luma row `y`, column `x`, which may lie beyond the picture.
    fn beside(&self, p: usize, y: usize, x: usize) -> i32 {
        let ((columns, rows), (wide, tall)) = (self.size(p), self.ratio(p));
        self.planes[p][(y / tall).min(rows - 1) * columns + (x / wide).min(columns - 1)].into()
    }
}

/// The filter by its definition: whole maps, no bands, no packing.
fn reference(instance: &Instance, input: &Samples) -> Samples {
    let mut out = input.clone();
    let luma = outputs(&instance.luma, input);
    correct(input, &mut out, 0, |y, x| luma[y / 2][x / 2][2 * (y % 2) + x % 2]);
    if !instance.chroma.is_empty() && input.layout != Layout::I400 {
        let chroma = outputs(&instance.chroma, input);
        for p in 1..3 {
            correct(input, &mut out, p, |y, x| chroma[y / 2][x / 2][p - 1]);
        }
    }
    out
}

/// Adds to plane `p` the residual beside each luma row and column.
fn correct(input: &Samples, out: &mut Samples, p: usize, residual: impl Fn(usize, usize) -> i32) {
    let ((columns, _), (wide, tall)) = (input.size(p), input.ratio(p));
    for (i, sample) in out.planes[p].iter_mut().enumerate() {
        let r = residual(i / columns * tall, i % columns * wide);
        *sample = (i32::from(*sample) + ((r + 8) >> 4)).clamp(0, 255) as u8;
    }
}

type Map = Vec<Vec<Vec<i32>>>;

/// A network's outputs for each half-resolution pixel.
fn outputs(layers: &[Layer], input: &Samples) -> Map {
    let (w, h) = (input.width.div_ceil(2), input.height.div_ceil(2));
    let phases = [(0, 0), (0, 1), (1, 0), (1, 1)];
    let first = |y: usize, x: usize| -> Vec<i32> {
        let beside = |p| phases.map(|(dy, dx)| input.beside(p, 2 * y + dy, 2 * x + dx));
        let luma = beside(0).map(|s| (s - 128) * 16);
        let chroma = (1..layers[0].cin - 3).map(|p| beside(p).iter().sum::<i32>() * 4 - 2048);
        luma.into_iter().chain(chroma).collect()
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
                    let tap = i32::from(layer.taps[(t * layer.cin + ci) * layer.cout + co]);
                    sum += map[sy][sx][ci] * tap;
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

/// Runs `work` on the samples in rows that `padding` bytes lie between.
fn run(
    filter: &Filter,
    input: &Samples,
    padding: usize,
    work: impl Fn(&Filter, &Picture<'_>, PictureMut<'_>),
) -> Samples {
    let sizes: Vec<_> = (0..input.planes.len()).map(|p| input.size(p)).collect();
    let mut padded = Vec::new();
    let mut out = Vec::new();
    for (samples, (width, _)) in input.planes.iter().zip(&sizes) {
        let rows = samples.chunks(*width).map(|row| [row, &vec![PADDING; padding]].concat());
        padded.push(rows.collect::<Vec<_>>().concat());
        out.push(vec![PADDING; padded[padded.len() - 1].len()]);
    }
    let planes = padded.iter().zip(&sizes).map(|(d, (w, h))| Plane::new(d, w + padding, *w, *h));
    let planes = planes.collect::<Result<Vec<_>>>().unwrap();
    let targets = out.iter_mut().zip(&sizes);
    let targets = targets.map(|(d, (w, h))| PlaneMut::new(d, w + padding, *w, *h));
    let targets = targets.collect::<Result<Vec<_>>>().unwrap();
    work(
        filter,
        &Picture::new(input.layout, &planes).unwrap(),
        PictureMut::new(input.layout, targets).unwrap(),
    );
    let mut result = input.clone();
    for ((result, out), (width, _)) in result.planes.iter_mut().zip(&out).zip(&sizes) {
        let rows = out.chunks(width + padding);
        assert!(
            rows.clone().all(|r| r[*width..].iter().all(|b| *b == PADDING)),
            "wrote between rows"
        );
        *result = rows.flat_map(|r| &r[..*width]).copied().collect();
    }
    result
}

#[test]
fn every_size_layout_level_and_cut_gives_the_reference() {
    let mut rng = Xorshift(99);
    let sizes = (1..=18).flat_map(|h| [1, 2, 3, 7, 8, 13, 26].map(|w| (w, h)));
    let cases = sizes.chain([(40, 77), (9, 130)]).flat_map(|s| Layout::ALL.map(|l| (s, l)));
    for ((width, height), layout) in cases {
        let chroma = !rng.next().is_multiple_of(4);
        let instance = instance(&mut rng, chroma);
        let input = Samples::new(&mut rng, layout, width, height);
        let expected = reference(&instance, &input);
        for level in CpuLevel::available() {
            let case = format!("{width}x{height} {layout:?} {chroma} {level:?}");
            let filter = Filter::new(instance.clone(), level);
            let padding = (rng.next() % 5) as usize;
            for threads in [1, 2, 5] {
                let got = run(&filter, &input, padding, |f, input, output| {
                    f.picture(input, output, threads).unwrap();
                });
                assert!(got == expected, "{case} {threads} threads");
            }
            let band = 2 + 2 * (rng.next() % 6) as usize;
            let got = run(&filter, &input, padding, |f, input, output| {
                let (mut rest, mut first) = (output, 0);
                while rest.height() > band {
                    let (top, below) = rest.split_at_row(band);
                    f.band(input, first, top).unwrap();
                    (rest, first) = (below, first + band);
                }
                f.band(input, first, rest).unwrap();
            });
            assert!(got == expected, "{case} bands of {band}");
        }
    }
}

#[test]
fn odd_bands_are_refused() {
    let mut rng = Xorshift(7);
    let filter = Filter::new(instance(&mut rng, false), CpuLevel::Scalar);
    let data = [0; 80];
    let input = Picture::new(Layout::I400, &[Plane::new(&data, 8, 8, 10).unwrap()]).unwrap();
    let mut out = [0; 80];
    let mut attempt = |first: usize, rows: usize, width: usize| {
        let plane = PlaneMut::new(&mut out, 8, width, rows).unwrap();
        filter.band(&input, first, PictureMut::new(Layout::I400, vec![plane]).unwrap())
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
    let luma = layers(&mut rng, Arch::luma(32, 3));
    let chroma = layers(&mut rng, Arch::chroma(16, 3));
    let filter = Filter::new(Instance { luma, chroma }, CpuLevel::Scalar);
    // Rows start at cache lines, so the formula may fall short of the memory by one for each row.
    let bytes = 2 * (3 * 3002 * (4 + 4 * 32) + 3000 * 4);
    assert!((bytes..bytes + 16 * 64).contains(&filter.scratch_bytes(Layout::I420, 6000)));
    assert_eq!(
        filter.scratch_bytes(Layout::I400, 6000),
        filter.scratch_bytes(Layout::I420, 6000),
        "luma's network is the larger"
    );

    let luma = layers(&mut rng, Arch::luma(Arch::MAX_CHANNELS, Arch::MAX_HIDDEN));
    let largest = Filter::new(Instance { luma, chroma: Vec::new() }, CpuLevel::Scalar);
    assert!(largest.scratch_bytes(Layout::I400, 6000) < 24_000_000, "24 megapixels");
}
