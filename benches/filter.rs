//! Whole pictures through the filter, and one row of the main kernel, at every CPU level.

use criterion::{criterion_group, criterion_main, BenchmarkId, Criterion, Throughput};
use sidelight::cpu::CpuLevel;
use sidelight::filter::Filter;
use sidelight::kernels::{Convolution, Kernels};
use sidelight::network::{Condition, Instance};
use sidelight::{models, Codec, Layout, Picture, PictureMut, Plane, PlaneMut};
use std::hint::black_box;

fn instance() -> Instance {
    let table = [24; 64];
    let codec = Codec::Jpeg { luma: table, chroma: None };
    let model = models::default_for(&codec, Layout::I400).unwrap();
    Instance::new(model, Condition::from_jpeg_tables(&table, &table, Layout::I400), None).unwrap()
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
    let mut group = c.benchmark_group("picture_768x512");
    group.throughput(Throughput::Elements((width * height) as u64));
    group.sample_size(20);
    for level in CpuLevel::available() {
        let filter = Filter::new(instance(), level);
        for threads in [1, 2] {
            let id = BenchmarkId::new(format!("{level:?}"), format!("{threads} threads"));
            group.bench_function(id, |b| {
                let mut out = vec![0; input.len()];
                b.iter(|| {
                    let plane = Plane::new(&input, width, width, height).unwrap();
                    let target = PlaneMut::new(&mut out, width, width, height).unwrap();
                    filter
                        .picture(
                            &Picture::new(Layout::I400, &[plane]).unwrap(),
                            PictureMut::new(Layout::I400, vec![target]).unwrap(),
                            threads,
                        )
                        .unwrap();
                });
            });
        }
    }
    group.finish();
}

fn rows(c: &mut Criterion) {
    let width = 384;
    let layer = instance().layers.swap_remove(1);
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
