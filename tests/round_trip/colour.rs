//! Colour pictures through the Rust API, in every layout.

use crate::common::picture::Owned;
use crate::common::{at_each_level, fnv1a};
use sidelight::adapt::tiles;
use sidelight::codec::standard_luma_table;
use sidelight::cpu::CpuLevel;
use sidelight::filter::Filter;
use sidelight::kernels::FULL_STRENGTH;
use sidelight::network::{CodecKind, Model, Prepared};
use sidelight::train::net::{Net, Workspace};
use sidelight::{
    models, payload, probe, Codec, CodecParams, Decoder, DecoderSettings, Encoded, Encoder,
    EncoderSettings, Layout, Mode, ModelSize, Pair, PictureType, Rate, Sample,
};

const WIDTH: usize = 71;
const HEIGHT: usize = 53;
const STEP: i32 = 24;
const COLOUR: [Layout; 5] = [Layout::I420, Layout::I422, Layout::I444, Layout::I440, Layout::I411];
/// Bytes nearly free: an update pays.
const CHEAP: Rate = Rate { coded_bytes: 0, slope_db_per_byte: 1e-5, carriage_bytes: 0 };

/// Edges and gradients, different in each plane.
fn original(layout: Layout) -> Owned<u8> {
    Owned::painted(layout, 8, (WIDTH, HEIGHT), |p, y, x| {
        let (width, height) = layout.plane_size(p, WIDTH, HEIGHT);
        let (x, y) = (x * WIDTH / width, y * HEIGHT / height);
        let disc = (y as i32 - 20).pow(2) + (x as i32 - 30).pow(2) < 200;
        let slope = if p == 1 { y } else { x } as i32;
        70 + slope + if disc { 40 + 10 * p as i32 } else { 0 }
    })
}

/// A crude codec: every sample is quantised; in each 8×8 block to other levels.
fn coded(original: &Owned<u8>) -> Owned<u8> {
    Owned::painted(original.layout, 8, (WIDTH, HEIGHT), |p, y, x| {
        let width = original.plane_size(p).0;
        let block = (x / 8 + 3 * (y / 8)) as i32;
        let offset = block * 7 % STEP;
        let sample = i32::from(original.planes[p][y * width + x]);
        (sample + offset + STEP / 2).div_euclid(STEP) * STEP - offset
    })
}

fn params() -> CodecParams {
    let table = [STEP as u16; 64];
    CodecParams { codec: Codec::Jpeg { luma: table, chroma: Some(table) }, binding: 9 }
}

fn encode(original: &Owned<u8>, decoded: &Owned<u8>, threads: usize, steps: u32) -> Encoded {
    let settings = EncoderSettings { threads, steps: Some(steps), ..Default::default() };
    let encoder = Encoder::new(settings).unwrap();
    let pair = Pair { original: original.view(), decoded: decoded.view() };
    encoder.encode(&[pair], &params(), CHEAP, &mut |_| true).unwrap()
}

#[test]
fn updates_serve_all_planes() {
    for layout in COLOUR {
        let original = original(layout);
        let decoded = coded(&original);
        let encoded = encode(&original, &decoded, 2, 40);
        assert_eq!(encoded.report.mode, Mode::Update, "{layout:?}");
        let mut decoder = Decoder::new(DecoderSettings { threads: 2, ..Default::default() });
        assert_eq!(decoder.set_payload(&encoded.payload, &params()), Ok(Mode::Update));
        let updated = decoded.filtered(&decoder);
        decoder.set_mode(Mode::Base, &params()).unwrap();
        let base = decoded.filtered(&decoder);
        let psnr = [&decoded, &base, &updated].map(|s| [0, 1, 2].map(|p| original.psnr(s, p)));
        assert!((psnr[2][0] - encoded.report.psnr_payload).abs() < 1e-9, "{layout:?} {psnr:?}");
        let yuv = psnr.map(|[y, cb, cr]| (6.0 * y + cb + cr) / 8.0);
        assert!(yuv[2] > yuv[1] && yuv[2] > yuv[0], "{layout:?} {psnr:?}");
        assert!(base.planes[1] != decoded.planes[1] && base.planes[1] != updated.planes[1]);
    }
}

/// The one of a size's base models with the best PSNR-YUV is taken, which need not have the best
/// luma.
#[test]
fn chroma_counts_in_the_choice_of_a_base_model() {
    let mut decoder = Decoder::new(DecoderSettings { threads: 2, ..Default::default() });
    let settings = EncoderSettings { no_update: true, ..Default::default() };
    let encoder = Encoder::new(settings).unwrap();
    let models: Vec<u32> =
        models::of_size(CodecKind::Jpeg, ModelSize::Medium).unwrap().map(|m| m.id).collect();
    let (mut differ, mut taken) = (0, [0, 0]);
    for (layout, quality) in
        COLOUR.into_iter().flat_map(|l| (4..=90).step_by(4).map(move |q| (l, q)))
    {
        let original = original(layout);
        let decoded = coded(&original);
        let luma = standard_luma_table(quality);
        let params = CodecParams { codec: Codec::Jpeg { luma, chroma: None }, binding: 9 };
        let pair = Pair { original: original.view(), decoded: decoded.view() };
        let encoded = encoder.encode(&[pair], &params, CHEAP, &mut |_| true).unwrap();
        let [any, standard] = [0, 1].map(|i| {
            let payload = payload::build(Mode::Base, models[i], &[], 9).unwrap();
            decoder.set_payload(&payload, &params).unwrap();
            let out = decoded.filtered(&decoder);
            let [y, cb, cr] = [0, 1, 2].map(|p| original.psnr(&out, p));
            (y, (6.0 * y + cb + cr) / 8.0)
        });
        let best = usize::from(standard.1 > any.1);
        differ += usize::from((standard.0 > any.0) != (best == 1));
        if encoded.report.mode == Mode::Base {
            assert_eq!(
                probe(&encoded.payload).unwrap().model,
                models[best],
                "{layout:?} {quality}"
            );
            taken[best] += 1;
        }
    }
    assert!(differ > 0 && taken.iter().all(|n| *n > 0), "{differ} {taken:?}");
}

#[test]
fn colour_payloads_do_not_depend_on_threads_or_cpu() {
    for layout in COLOUR {
        let original = original(layout);
        let decoded = coded(&original);
        // Portable code takes its time.
        let encode = |threads| {
            let Encoded { payload, report } = encode(&original, &decoded, threads, 2);
            assert_eq!((report.mode, report.steps), (Mode::Update, 2));
            payload
        };
        let expected = encode(1);
        let mut threads = [3, 1, 2].into_iter().cycle();
        at_each_level(|level| {
            assert_eq!(encode(threads.next().unwrap()), expected, "{layout:?} {level:?}");
        });
    }
}

/// A host may hand over luma alone, and gets the same luma.
#[test]
fn luma_does_not_depend_on_chroma() {
    let colour = coded(&original(Layout::I420));
    let gray = colour.gray();
    let original = original(Layout::I420);
    let mut decoder = Decoder::new(DecoderSettings::default());
    decoder.set_mode(Mode::Base, &params()).unwrap();
    assert_eq!(colour.filtered(&decoder).planes[0], gray.filtered(&decoder).planes[0]);
    let payload = encode(&original, &colour, 1, 10).payload;
    decoder.set_payload(&payload, &params()).unwrap();
    assert_eq!(colour.filtered(&decoder).planes[0], gray.filtered(&decoder).planes[0]);
}

/// Training makes models of luma alone on the way.
#[test]
fn a_model_of_luma_leaves_chroma_alone() {
    let model = models::default_for(params().codec.kind(), ModelSize::Medium).unwrap();
    let model = Model { chroma: None, ..model.clone() };
    for layout in COLOUR {
        let condition = params().codec.condition(layout, PictureType::Irap).unwrap();
        let prepared = Prepared::new(&model, condition, None).unwrap();
        let filter = Filter::new(&prepared, CpuLevel::current()).unwrap();
        let decoded = coded(&original(layout));
        let mut filtered = decoded.clone();
        filter.picture(&decoded.view(), filtered.room(), 1, FULL_STRENGTH).unwrap();
        assert_ne!(filtered.planes[0], decoded.planes[0]);
        assert_eq!(filtered.planes[1..], decoded.planes[1..]);
    }
}

/// The trainer's networks see and correct what the filter's do, but for rounding.
fn networks_agree<S: Sample>(layout: Layout, depth: u32) {
    let grey = 1 << (depth - 8);
    let decoded = Owned::<S>::painted(layout, depth, (WIDTH, HEIGHT), |p, y, x| {
        let (width, height) = layout.plane_size(p, WIDTH, HEIGHT);
        let edge = if x * WIDTH / width > y * HEIGHT / height + 9 { 50 } else { 0 };
        grey * (70 + edge + y as i32) + (x * 37 + y * 61) as i32 % (9 * grey)
    });
    let model = models::default_for(CodecKind::Jpeg, ModelSize::Medium).unwrap();
    let condition = params().codec.condition(layout, PictureType::Irap).unwrap();
    let filter =
        Filter::new(&Prepared::new(model, condition, None).unwrap(), CpuLevel::current()).unwrap();
    let mut filtered = decoded.like();
    filter.picture(&decoded.view(), filtered.room(), 1, FULL_STRENGTH).unwrap();
    for network in model.networks() {
        let net = Net::from_network(network);
        let first = net.arch.inputs - net.arch.outputs;
        let wide = if first == 0 { 2 } else { layout.chroma_pixel_width() };
        let (rows, columns) = (HEIGHT.div_ceil(2), WIDTH.div_ceil(wide));
        let mut ws = Workspace::new(net.arch, rows, columns, CpuLevel::current()).unwrap();
        tiles::load(&decoded.view(), (0, 0), ws.input());
        ws.forward(&net, condition, (0, 0));
        let out = ws.output();
        let (mut sum, mut sum_off, mut count) = (0.0, 0.0, 0.0);
        let pixels = (0..rows).flat_map(|y| (0..columns).map(move |x| (y, x)));
        for ((y, x), i) in pixels.flat_map(|p| (0..net.arch.outputs).map(move |i| (p, i))) {
            let residual = 128.0 * out.row(y)[x * out.channels + i];
            // That of what the filter did is its sum over the samples beside the pixel.
            let (own, samples) =
                tiles::residual(&filtered.view(), &decoded.view(), y, x, first + i);
            if samples > 0.0 {
                let off = (own / samples - residual).abs();
                assert!(off < 2.0, "{layout:?}, {depth} bits, {y} {x} {i}: {off}");
                (sum, sum_off, count) = (sum + residual.abs(), sum_off + off, count + 1.0);
            }
        }
        let [mean, mean_off] = [sum, sum_off].map(|sum| sum / count);
        assert!(mean > 0.5 && mean_off < 0.3, "{layout:?}, {depth} bits: {mean_off} of {mean}");
    }
}

#[test]
fn training_sees_what_the_filter_does() {
    for layout in COLOUR {
        networks_agree::<u8>(layout, 8);
        networks_agree::<u16>(layout, 10);
        networks_agree::<u16>(layout, 12);
    }
}

/// Gray pictures get the colour model's luma network, and an update without chroma.
#[test]
fn gray_payloads_name_the_colour_model() {
    let original = original(Layout::I420);
    let decoded = coded(&original).gray();
    let original = original.gray();
    let payload = encode(&original, &decoded, 1, 20).payload;
    let header = sidelight::payload::parse(&payload).unwrap();
    let (model, _) = models::by_id(header.model).unwrap();
    assert!(model.chroma.is_some());
    assert_eq!(header.mode, Mode::Update);
    let update = sidelight::payload::update::read(header.body, &model.prior).unwrap();
    let chroma = &update.layers[model.luma.layers.len()..];
    assert!(!chroma.is_empty());
    assert!(chroma.iter().flat_map(|l| l.scale.iter().chain(&l.bias)).all(|v| *v == 0));
}

/// A gray picture coded in colour: nothing is gained or lost in chroma, and luma still decides.
#[test]
fn lossless_chroma_does_not_decide() {
    let mut original = original(Layout::I420);
    original.planes[1].fill(128);
    original.planes[2].fill(128);
    let mut decoded = coded(&original);
    decoded.planes[1].fill(128);
    decoded.planes[2].fill(128);
    let report = encode(&original, &decoded, 1, 10).report;
    assert!(report.psnr_payload > report.psnr_decoded, "{report:?}");
}

/// Payloads name a model by its content: what a shipped one does must never change.
#[test]
fn shipped_models_are_frozen() {
    let hashes = |params: &CodecParams, size| {
        let mut decoder = Decoder::new(DecoderSettings { model_size: size, ..Default::default() });
        decoder.set_mode(Mode::Base, params).unwrap();
        Layout::ALL.map(|layout| {
            fnv1a(coded(&original(layout)).filtered(&decoder).planes.into_iter().flatten())
        })
    };
    let with = |codec| CodecParams { codec, binding: 0 };
    let hevc = with(Codec::Hevc { qp: [33; 3] });
    let standard = with(Codec::Jpeg { luma: standard_luma_table(30), chroma: None });
    let sizes = [ModelSize::Small, ModelSize::Medium, ModelSize::Large];
    let jpeg = [params(), standard].into_iter().flat_map(|h| sizes.map(|s| hashes(&h, s)));
    let all: Vec<_> =
        jpeg.chain([ModelSize::Small, ModelSize::Medium].map(|s| hashes(&hevc, s))).collect();
    // JPEG's for any tables by size, those for standard ones, then HEVC's; by layout.
    let expected = [
        [
            0x092c_33d0_8169_7933,
            0x7d40_f7de_d326_6d1c,
            0xb5eb_8b63_20f2_b46b,
            0x137c_a875_458b_c9ae,
            0x26a6_9fa6_f452_b8e6,
            0xa167_a3ca_77e3_8c75,
        ],
        [
            0x9ff2_9144_5694_3a7d,
            0x156c_d974_3d94_89c1,
            0x8b0f_5afb_1340_6d16,
            0xe404_b09f_dc29_9db1,
            0x4633_7dbb_ad28_f99e,
            0x262e_ed66_690c_4f7c,
        ],
        [
            0xe00a_e0d8_8b34_e4e9,
            0xd401_546f_863c_52f5,
            0xc27b_ef12_0a48_5ef2,
            0x2576_9f22_9ac8_06ed,
            0x7bab_cbf0_b357_da12,
            0xd0ef_4b57_341c_b2e0,
        ],
        [
            0x09a7_525b_e3ed_1cde,
            0xd32e_a6f8_1094_805d,
            0xd2f8_1247_f3bc_a699,
            0x6f43_ceba_17a5_4a48,
            0x2321_b854_153f_9e0d,
            0xd02f_a403_d94c_023c,
        ],
        [
            0x5c24_02c2_7074_96bd,
            0x177d_5a8c_0ff0_1190,
            0x4da9_ec20_02e7_a413,
            0x703d_667f_72b8_4844,
            0x10c8_2091_1bf5_caeb,
            0x1c01_2675_b338_5925,
        ],
        [
            0xa57e_008c_c949_89a2,
            0xda37_2762_1f8e_6cab,
            0x6de6_2928_4a15_d058,
            0xa241_d13e_dd03_e4af,
            0x47cd_2b93_911e_24cc,
            0x8e9c_c84f_792c_0b7a,
        ],
        [
            0xb9ae_c3c6_5424_69e5,
            0xafbe_aaf4_b02c_0f9e,
            0xec4a_c733_dd24_4087,
            0xb769_b318_768b_f2f7,
            0x4c67_2ca1_488f_9445,
            0x75bb_b233_eb50_a51c,
        ],
        [
            0xedb8_132b_d2ed_70dd,
            0x4d8b_2461_1333_e19f,
            0x5669_7053_c545_614a,
            0xf2f3_3cd9_5224_0891,
            0x63b6_a74f_a618_18ad,
            0x7176_56fa_6f91_8608,
        ],
    ];
    assert_eq!(all, expected, "{all:#x?}");
}
