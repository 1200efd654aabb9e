//! Whole pictures through the filter, and one row through each kind of layer, at every CPU level.

use criterion::{criterion_group, criterion_main, BenchmarkId, Criterion, Throughput};
use sidelight::cpu::CpuLevel;
use sidelight::filter::Filter;
use sidelight::kernels::{Convolution, Kernels};
use sidelight::network::instance::Layer;
use sidelight::network::{CodecKind, Condition, Instance};
use sidelight::{models, Layout, Picture, PictureMut, Plane, PlaneMut};
use std::hint::black_box;

const TABLE: [u16; 64] = [24; 64];

fn instance(layout: Layout) -> Instance {
    let model = models::default_for(CodecKind::Jpeg, layout, models::Size::M).unwrap();
    Instance::new(model, Condition::from_jpeg_tables(&TABLE, &TABLE, layout), None).unwrap()
}

fn noise(len: usize) -> Vec<u8> {
    let mut state = 1u64;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state as u8
    };
    (0..len).map(|_| next()).collect()
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
            let filter = Filter::new(instance(layout), level);
            for threads in [1, 2] {
                let id = BenchmarkId::new(format!("{level:?}"), format!("{threads} threads"));
                group.bench_function(id, |b| {
                    let mut out: Vec<_> = sizes.iter().map(|(w, h)| vec![0; w * h]).collect();
                    b.iter(|| {
                        let targets = out.iter_mut().zip(&sizes);
                        let targets = targets.map(|(o, (w, h))| PlaneMut::new(o, *w, *w, *h));
                        let targets = targets.collect::<Result<_, _>>().unwrap();
                        let target = PictureMut::new(layout, targets).unwrap();
                        filter.picture(&picture, target, threads).unwrap();
                    });
                });
            }
        }
        group.finish();
    }
}

/// A layer whose values do not matter.
fn layer(cin: usize, cout: usize) -> Layer {
    let period = if cin < 16 { 4 } else { 1 };
    Layer {
        cin,
        cout,
        taps: noise(9 * cin * cout).into_iter().map(i16::from).collect(),
        bias: vec![0; period * period * cout],
        period,
        multiplier: vec![700; cout],
        shift: 20,
        low: 0,
        high: 16383,
    }
}

fn rows(c: &mut Criterion) {
    let width = 384;
    let mut group = c.benchmark_group("row_384px");
    for (cin, cout) in [(4, 32), (6, 32), (16, 16), (32, 32), (48, 48), (32, 4), (32, 2)] {
        let conv = Convolution::new(layer(cin, cout));
        let src: Vec<i16> = noise((width + 2) * cin).into_iter().map(i16::from).collect();
        let mut dst = vec![0i16; width * cout];
        group.throughput(Throughput::Elements((9 * cin * cout * width) as u64));
        for level in CpuLevel::available() {
            let kernels = Kernels::new(level);
            let kernel = if cout < 16 { kernels.conv_row_last } else { kernels.conv_row };
            group.bench_function(format!("{cin}_to_{cout}_{level:?}"), |b| {
                b.iter(|| kernel(&conv, 3, [&src, &src, &src], black_box(&mut dst)));
            });
        }
    }
    group.finish();
}

criterion_group!(benches, pictures, rows);
criterion_main!(benches);
