//! The filter against a whole-picture reference, over all small sizes, levels and cuts.

use super::*;
use crate::kernels::scalar::requantise;
use crate::network::instance::Layer;
use crate::picture::{Plane, PlaneMut};
use crate::xorshift::Xorshift;

fn instance(rng: &mut Xorshift, channels: usize, hidden: usize) -> Instance {
    let count = hidden + 2;
    let layers = (0..count).map(|l| {
        let cin = if l == 0 { 4 } else { channels };
        let cout = if l + 1 == count { 4 } else { channels };
        let taps: Vec<i16> = (0..9 * cin * cout).map(|_| rng.range(-300, 300) as i16).collect();
        let phases = if l == 0 { 16 } else { 1 };
        Layer {
            cin,
            cout,
            taps: taps.into(),
            bias: (0..phases * cout).map(|_| rng.range(-100_000, 100_000) as i32).collect(),
            period: if l == 0 { 4 } else { 1 },
            multiplier: (0..cout).map(|_| rng.range(400, 700) as i32).collect(),
            shift: 20,
            low: if l + 1 == count { -4095 } else { 0 },
            high: if l + 1 == count { 4095 } else { 16383 },
        }
    });
    Instance { layers: layers.collect() }
}

/// The filter by its definition: whole maps, no bands, no packing.
fn reference(instance: &Instance, plane: &[u8], width: usize, height: usize) -> Vec<u8> {
    let (w, h) = (width.div_ceil(2), height.div_ceil(2));
    let sample = |y: usize, x: usize| plane[y.min(height - 1) * width + x.min(width - 1)];
    let mut map: Vec<i32> = Vec::new();
    for (y, x) in (0..h).flat_map(|y| (0..w).map(move |x| (y, x))) {
        for (dy, dx) in [(0, 0), (0, 1), (1, 0), (1, 1)] {
            map.push((i32::from(sample(2 * y + dy, 2 * x + dx)) - 128) * 16);
        }
    }
    for layer in &instance.layers {
        let mut out = Vec::new();
        for (y, x) in (0..h).flat_map(|y| (0..w).map(move |x| (y, x))) {
            for co in 0..layer.cout {
                let phase = if layer.bias.len() == layer.cout { 0 } else { (y % 4) * 4 + x % 4 };
                let mut sum = layer.bias[phase * layer.cout + co];
                for (t, ci) in (0..9).flat_map(|t| (0..layer.cin).map(move |ci| (t, ci))) {
                    let sy = (y + t / 3).saturating_sub(1).min(h - 1);
                    let sx = (x + t % 3).saturating_sub(1).min(w - 1);
                    let tap = i32::from(layer.taps[(t * layer.cin + ci) * layer.cout + co]);
                    sum += map[(sy * w + sx) * layer.cin + ci] * tap;
                }
                let y = requantise(sum, layer.multiplier[co], layer.shift);
                out.push(y.clamp(layer.low, layer.high));
            }
        }
        map = out;
    }
    let filtered = |y: usize, x: usize| {
        let residual = map[((y / 2) * w + x / 2) * 4 + 2 * (y % 2) + x % 2];
        (i32::from(plane[y * width + x]) + ((residual + 8) >> 4)).clamp(0, 255) as u8
    };
    (0..height).flat_map(|y| (0..width).map(move |x| (y, x))).map(|(y, x)| filtered(y, x)).collect()
}

/// Adversarial planes: flat, extremes, noise.
fn plane(rng: &mut Xorshift, len: usize) -> Vec<u8> {
    let style = rng.next() % 4;
    (0..len)
        .map(|i| match style {
            0 => 255 * (i % 2) as u8,
            1 => 0,
            2 => 255,
            _ => rng.next() as u8,
        })
        .collect()
}

const PADDING: u8 = 0xa5;

fn run(
    filter: &Filter,
    input: &[u8],
    size: (usize, usize),
    stride: usize,
    work: impl Fn(&Filter, &Picture<'_>, PictureMut<'_>),
) -> Vec<u8> {
    let (width, height) = size;
    let mut padded = vec![PADDING; stride * height];
    for y in 0..height {
        padded[y * stride..][..width].copy_from_slice(&input[y * width..][..width]);
    }
    let mut out = vec![PADDING; stride * height];
    let target = PlaneMut::new(&mut out, stride, width, height).unwrap();
    let picture = Plane::new(&padded, stride, width, height).unwrap();
    work(
        filter,
        &Picture::new(Layout::I400, &[picture]).unwrap(),
        PictureMut::new(Layout::I400, vec![target]).unwrap(),
    );
    let mut samples = Vec::new();
    for row in out.chunks(stride) {
        samples.extend(&row[..width]);
        assert!(row[width..].iter().all(|b| *b == PADDING), "wrote between rows");
    }
    samples
}

#[test]
fn every_size_level_and_cut_gives_the_reference() {
    let mut rng = Xorshift(99);
    let sizes = (1..=18).flat_map(|h| [1, 2, 3, 7, 8, 13, 26].map(|w| (w, h)));
    for (width, height) in sizes.chain([(40, 77), (9, 130)]) {
        let instance = instance(&mut rng, 16, 2);
        let input = plane(&mut rng, width * height);
        let expected = reference(&instance, &input, width, height);
        for level in CpuLevel::available() {
            let filter = Filter::new(instance.clone(), level);
            let stride = width + (rng.next() % 5) as usize;
            for threads in [1, 2, 5] {
                let got = run(&filter, &input, (width, height), stride, |f, input, output| {
                    f.picture(input, output, threads).unwrap();
                });
                assert!(got == expected, "{width}x{height} {level:?} {threads} threads");
            }
            let band = 2 + 2 * (rng.next() % 6) as usize;
            let got = run(&filter, &input, (width, height), stride, |f, input, output| {
                let (mut rest, mut first) = (output, 0);
                while rest.height() > band {
                    let (top, below) = rest.split_at_row(band);
                    f.band(input, first, top).unwrap();
                    (rest, first) = (below, first + band);
                }
                f.band(input, first, rest).unwrap();
            });
            assert!(got == expected, "{width}x{height} {level:?} bands of {band}");
        }
    }
}

#[test]
fn odd_bands_are_refused() {
    let mut rng = Xorshift(7);
    let filter = Filter::new(instance(&mut rng, 16, 1), CpuLevel::Scalar);
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
