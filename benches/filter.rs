//! Whole pictures through the filter, and one row of the main kernel, at every CPU level.

use criterion::{criterion_group, criterion_main, BenchmarkId, Criterion, Throughput};
use sidelight::cpu::CpuLevel;
use sidelight::filter::Filter;
use sidelight::kernels::{Convolution, Kernels};
use sidelight::network::{Condition, Instance};
use sidelight::{models, Codec, Layout, Picture, PictureMut, Plane, PlaneMut};
use std::hint::black_box;

const TABLE: [u16; 64] = [24; 64];

fn instance(layout: Layout) -> Instance {
    let model = models::default_for(&Codec::Jpeg { luma: TABLE, chroma: None }, layout).unwrap();
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

fn rows(c: &mut Criterion) {
    let width = 384;
    let layer = instance(Layout::I400).luma.swap_remove(1);
    let (cin, cout) = (layer.cin, layer.cout);
    let conv = Convolution::new(layer);
    let src: Vec<i16> = noise((width + 2) * cin).into_iter().map(i16::from).collect();
    let mut dst = vec![0i16; width * cout];
    let mut group = c.benchmark_group("conv_row_32_to_32_384px");
    group.throughput(Throughput::Elements((9 * cin * cout * width) as u64));
    for level in CpuLevel::available() {
        let kernels = Kernels::new(level);
        group.bench_function(format!("{level:?}"), |b| {
            b.iter(|| (kernels.conv_row)(&conv, 3, [&src, &src, &src], black_box(&mut dst)));
        });
    }
    group.finish();
}

criterion_group!(benches, pictures, rows);
criterion_main!(benches);
