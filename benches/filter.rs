//! Whole pictures through the filter, and one row through each kind of layer, at every CPU level.

#[path = "../tests/common/rng.rs"]
mod rng;

use criterion::{criterion_group, criterion_main, BenchmarkId, Criterion, Throughput};
use sidelight::cpu::CpuLevel;
use sidelight::filter::Filter;
use sidelight::kernels::{Convolution, Kernels, RowMut, Rows, FULL_STRENGTH};
use sidelight::network::prepared::PreparedLayer;
use sidelight::network::{CodecKind, Condition, Prepared, Shared};
use sidelight::{models, Layout, Picture, PictureMut, Plane, PlaneMut};
use std::hint::black_box;

const TABLE: [u16; 64] = [24; 64];

fn prepared(layout: Layout) -> Prepared {
    let model = models::default_for(CodecKind::Jpeg, models::ModelSize::Medium).unwrap();
    Prepared::new(model, Condition::from_jpeg_tables(&TABLE, &TABLE, layout), None).unwrap()
}

fn noise(len: usize) -> Vec<u8> {
    let mut random = rng::Xorshift(1);
    (0..len).map(|_| random.next() as u8).collect()
}

fn pictures(c: &mut Criterion) {
    let (width, height) = (768, 512);
    let input = noise(width * height);
    for layout in [Layout::I400, Layout::I420] {
        let sizes = (0..layout.planes()).map(|p| layout.plane_size(p, width, height));
        let sizes: Vec<_> = sizes.collect();
        let planes = sizes.iter().map(|(w, h)| Plane::new(&input, *w, *w, *h).unwrap());
        let picture = Picture::new(layout, &planes.collect::<Vec<_>>()).unwrap();
        let mut group = c.benchmark_group(format!("picture_768x512_{layout:?}"));
        group.throughput(Throughput::Elements((width * height) as u64));
        group.sample_size(20);
        for level in CpuLevel::available() {
            let filter = Filter::new(&prepared(layout), level).unwrap();
            for threads in [1, 2] {
                let id = BenchmarkId::new(format!("{level:?}"), format!("{threads} threads"));
                group.bench_function(id, |b| {
                    let mut out: Vec<_> = sizes.iter().map(|(w, h)| vec![0; w * h]).collect();
                    b.iter(|| {
                        let targets = out.iter_mut().zip(&sizes);
                        let targets = targets.map(|(o, (w, h))| PlaneMut::new(o, *w, *w, *h));
                        let targets = targets.collect::<Result<_, _>>().unwrap();
                        let target = PictureMut::new(layout, targets).unwrap();
                        filter.picture(&picture, target, threads, FULL_STRENGTH).unwrap();
                    });
                });
            }
        }
        group.finish();
    }
}

/// A layer whose values do not matter.
fn layer(cin: usize, cout: usize) -> PreparedLayer {
    let period = if cin < 16 { 4 } else { 1 };
    let weights = noise(9 * cin * cout).into_iter().map(|b| i16::from(b % 4)).collect();
    PreparedLayer {
        cin,
        cout,
        weights: Shared::new(weights).unwrap(),
        bias: vec![0; period * period * cout],
        period,
        multiplier: vec![700; cout],
        shift: 20,
        low: 0,
        high: 127,
    }
}

fn rows(c: &mut Criterion) {
    const WIDTH: usize = 384;
    let mut group = c.benchmark_group("row_384px");
    let mut bench = |cin: usize, cout: usize, bytes: bool| {
        let limit = bytes.then_some(127);
        let input: Vec<u8> = noise((WIDTH + 2) * cin).into_iter().map(|b| b / 2).collect();
        let words: Vec<i16> = input.iter().map(|b| i16::from(*b)).collect();
        let mut out = vec![0i16; WIDTH * cout];
        let mut bytes_out = vec![0u8; WIDTH * cout];
        group.throughput(Throughput::Elements((9 * cin * cout * WIDTH) as u64));
        for level in CpuLevel::available() {
            let kernels = Kernels::new(level.supported());
            let conv = Convolution::new(layer(cin, cout), limit, &kernels).unwrap();
            let name = if bytes { "i8" } else { "i16" };
            group.bench_function(format!("{cin}_to_{cout}_{name}_{level:?}"), |b| {
                b.iter(|| {
                    if cout < 16 {
                        (kernels.conv_row_last)(&conv, 3, [&words; 3], black_box(&mut out));
                    } else if bytes {
                        let (src, out) = (Rows::U8([&input; 3]), black_box(&mut bytes_out));
                        (kernels.conv_row)(&conv, 3, src, RowMut::U8(out));
                    } else {
                        let (src, out) = (Rows::I16([&words; 3]), black_box(&mut out));
                        (kernels.conv_row)(&conv, 3, src, RowMut::I16(out));
                    }
                });
            });
        }
    };
    for (cin, cout) in [(4, 32), (6, 16), (16, 16), (32, 32), (48, 48), (32, 4), (16, 2)] {
        bench(cin, cout, false);
    }
    for channels in [16, 32, 48] {
        bench(channels, channels, true);
    }
    group.finish();
}

criterion_group!(benches, pictures, rows);
criterion_main!(benches);
