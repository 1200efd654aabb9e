//! Payloads for video through the Rust API: several pictures of several types, 8 and 10 bits.

use sidelight::carriage::nal::UUID;
use sidelight::cpu::CpuLevel;
use sidelight::payload::{binding, rebind};
use sidelight::{
    Codec, CodecParams, Decoder, DecoderSettings, Encoded, Encoder, EncoderSettings, Error, Layout,
    Mode, Pair, Picture, PictureMut, PictureType, Plane, PlaneMut, Rate, Sample,
};

const WIDTH: usize = 93;
const HEIGHT: usize = 70;
const TYPES: [PictureType; 6] = [
    PictureType::Irap,
    PictureType::P,
    PictureType::B,
    PictureType::B,
    PictureType::I,
    PictureType::P,
];

/// Planes of a 4:2:0 picture.
struct Planes<S> {
    depth: u32,
    samples: [Vec<S>; 3],
}

impl<S: Sample + Default> Planes<S> {
    fn size(plane: usize) -> (usize, usize) {
        Layout::I420.plane_size(plane, WIDTH, HEIGHT)
    }

    fn of(depth: u32, pixel: impl Fn(usize, usize, usize) -> i32) -> Self {
        let max = (1 << depth) - 1;
        let plane = |p| {
            let (width, height) = Self::size(p);
            let all = (0..height).flat_map(|y| (0..width).map(move |x| (y, x)));
            all.map(|(y, x)| S::new(pixel(p, y, x).clamp(0, max) as i16)).collect()
        };
        Self { depth, samples: [0, 1, 2].map(plane) }
    }

    fn view(&self, picture_type: PictureType) -> Picture<'_, S> {
        let plane = |p: usize| {
            let (width, height) = Self::size(p);
            Plane::new(&self.samples[p], width * size_of::<S>(), width, height).unwrap()
        };
        let planes = [0, 1, 2].map(plane);
        Picture::with_depth(Layout::I420, self.depth, &planes).unwrap().of_type(picture_type)
    }

    /// In squared grey levels of `depth` bits.
    fn mse(&self, other: &Self, plane: usize) -> f64 {
        let max = i16::MAX;
        let pairs = self.samples[plane].iter().zip(&other.samples[plane]);
        let error =
            |(a, b): (&S, &S)| (f64::from(a.at_most(max)) - f64::from(b.at_most(max))).powi(2);
        pairs.map(error).sum::<f64>() / self.samples[plane].len() as f64
    }

    fn psnr(&self, other: &Self, plane: usize) -> f64 {
        let peak = f64::from((1u32 << self.depth) - 1);
        10.0 * (peak * peak / self.mse(other, plane)).log10()
    }
}

/// Edges, gradients and texture that move.
fn originals<S: Sample + Default>(depth: u32) -> Vec<Planes<S>> {
    let unit = 1 << (depth - 8);
    let picture = |t: usize| {
        Planes::of(depth, |plane, y, x| {
            let (y, x) = if plane == 0 { (y, x + 3 * t) } else { (2 * y, 2 * x + 6 * t) };
            let disc = (y as i32 - 30).pow(2) + (x as i32 - 50).pow(2) < 400;
            let texture = ((x * 7 + y * 13) % 11) as i32 * if plane == 0 { 4 } else { 1 };
            (60 + x as i32 + if disc { 70 } else { 0 } + texture) * unit + ((x + y) % 4) as i32
        })
    };
    (0..TYPES.len()).map(picture).collect()
}

/// A crude codec: the differences from each 8×8 block's mean are quantised.
fn coded<S: Sample + Default>(original: &Planes<S>) -> Planes<S> {
    let step = 36 << (original.depth - 8);
    let max = i16::MAX;
    Planes::of(original.depth, |plane, y, x| {
        let (width, height) = Planes::<S>::size(plane);
        let at =
            |y: usize, x: usize| i32::from(original.samples[plane][y * width + x].at_most(max));
        let (top, left) = (y / 8 * 8, x / 8 * 8);
        let rows = top..(top + 8).min(height);
        let columns = left..(left + 8).min(width);
        let count = (rows.len() * columns.len()) as i32;
        let mean = rows.flat_map(|y| columns.clone().map(move |x| (y, x))).map(|(y, x)| at(y, x));
        let mean = mean.sum::<i32>() / count;
        mean + (at(y, x) - mean + step / 2).div_euclid(step) * step
    })
}

fn params(qp: [u8; 3], carrier: u64) -> CodecParams {
    CodecParams { codec: Codec::Hevc { qp }, binding: carrier }
}

/// Bytes nearly free: an update pays.
const CHEAP: Rate = Rate { coded_bytes: 0, slope_db_per_byte: 1e-6, carriage_bytes: 0 };

struct Clip<S> {
    original: Vec<Planes<S>>,
    decoded: Vec<Planes<S>>,
}

impl<S: Sample + Default> Clip<S> {
    fn new(depth: u32) -> Self {
        let original = originals(depth);
        let decoded = original.iter().map(coded).collect();
        Self { original, decoded }
    }

    fn carrier(&self) -> u64 {
        binding::of_picture(&self.decoded[0].view(TYPES[0]))
    }

    /// `most` is the most that may be sent: the base model or an update.
    fn encode(&self, most: Mode, threads: usize, qp: [u8; 3]) -> Encoded {
        let settings = EncoderSettings {
            no_update: most == Mode::Base,
            threads,
            steps: Some(6),
            ..Default::default()
        };
        let encoder = Encoder::new(settings).unwrap();
        let pictures = self.original.iter().zip(&self.decoded).zip(TYPES);
        let pairs: Vec<_> = pictures
            .map(|((o, d), t)| Pair { original: o.view(PictureType::Irap), decoded: d.view(t) })
            .collect();
        encoder.encode(&pairs, &params(qp, self.carrier()), CHEAP, &mut |_| true).unwrap()
    }

    /// All pictures as a decoder shows them that finds `payload` with the first.
    fn shown(&self, payload: &[u8], mode: Mode) -> Vec<Planes<S>> {
        let mut decoder = Decoder::new(DecoderSettings { threads: 2, ..Default::default() });
        let message = [&UUID[..], payload].concat();
        let show = |(i, decoded): (usize, &Planes<S>)| {
            let view = decoded.view(TYPES[i]);
            let messages = if i == 0 { vec![&message[..]] } else { vec![] };
            let set = decoder.set_messages(&view, messages.into_iter());
            assert_eq!(set, Ok((i == 0).then_some(mode)));
            filter(&decoder, decoded, TYPES[i])
        };
        self.decoded.iter().enumerate().map(show).collect()
    }
}

fn filter<S: Sample + Default>(
    decoder: &Decoder,
    input: &Planes<S>,
    picture_type: PictureType,
) -> Planes<S> {
    let mut out = Planes::of(input.depth, |_, _, _| 0);
    let mut p = 0;
    let planes = out.samples.each_mut().map(|samples| {
        let (width, height) = Planes::<S>::size(p);
        p += 1;
        PlaneMut::new(samples, width * size_of::<S>(), width, height).unwrap()
    });
    let target = PictureMut::with_depth(Layout::I420, input.depth, planes).unwrap();
    decoder.filter(&input.view(picture_type), target).unwrap();
    out
}

fn same<S: Sample + Default>(a: &Planes<S>, b: &Planes<S>) -> bool {
    (0..3).all(|p| a.mse(b, p) == 0.0)
}

fn decoders_show_what_was_measured<S: Sample + Default>(depth: u32) {
    let clip = Clip::<S>::new(depth);
    for mode in [Mode::Base, Mode::Update] {
        let Encoded { payload, report } = clip.encode(mode, 2, [35, 36, 37]);
        assert!(report.mode as u8 <= mode as u8);
        let shown = clip.shown(&payload, report.mode);
        let mean = |p: usize, pictures: &[Planes<S>]| {
            let all = clip.original.iter().zip(pictures).map(|(a, b)| a.psnr(b, p));
            all.sum::<f64>() / pictures.len() as f64
        };
        let pairs = [
            (report.psnr_decoded, mean(0, &clip.decoded)),
            (report.psnr_payload, mean(0, &shown)),
            (report.psnr_chroma_payload[0], mean(1, &shown)),
            (report.psnr_chroma_payload[1], mean(2, &shown)),
        ];
        for (said, measured) in pairs {
            assert!((said - measured).abs() < 1e-9, "{depth} bits, {said} {measured} {report:?}");
        }
        if report.mode == Mode::Off {
            assert!(shown.iter().zip(&clip.decoded).all(|(a, b)| same(a, b)));
        }
    }
}

#[test]
fn decoders_show_what_was_measured_8() {
    decoders_show_what_was_measured::<u8>(8);
}

#[test]
fn decoders_show_what_was_measured_10() {
    decoders_show_what_was_measured::<u16>(10);
}

#[test]
fn types_without_a_qp_are_left_alone() {
    let clip = Clip::<u16>::new(10);
    for alone in PictureType::CLASSES.map(PictureType::class) {
        let mut qp = [36; 3];
        qp[alone] = 0;
        let Encoded { payload, report } = clip.encode(Mode::Update, 2, qp);
        let shown = clip.shown(&payload, report.mode);
        for ((shown, decoded), t) in shown.iter().zip(&clip.decoded).zip(TYPES) {
            assert!(t.class() != alone || same(shown, decoded), "{t:?}");
        }
    }
    assert_eq!(clip.encode(Mode::Update, 2, [0; 3]).report.mode, Mode::Off);
}

#[test]
fn payloads_do_not_depend_on_threads_or_cpu() {
    let clip = Clip::<u16>::new(10);
    let expected = clip.encode(Mode::Update, 1, [36; 3]).payload;
    assert_eq!(clip.encode(Mode::Update, 3, [36; 3]).payload, expected);
    // The cap is global: other tests may run under it meanwhile, with the same results.
    for level in CpuLevel::available() {
        CpuLevel::set_cap(Some(level));
        assert_eq!(clip.encode(Mode::Update, 2, [36; 3]).payload, expected, "{level:?}");
    }
    CpuLevel::set_cap(None);
}

#[test]
fn a_copy_is_for_its_own_carrier() {
    let clip = Clip::<u8>::new(8);
    let Encoded { mut payload, report } = clip.encode(Mode::Base, 2, [36; 3]);
    let mut decoder = Decoder::new(DecoderSettings::default());
    let carrier = clip.decoded[4].view(PictureType::Irap);
    let set = |decoder: &mut Decoder, payload: &[u8]| {
        let message = [&UUID[..], payload].concat();
        decoder.set_messages(&carrier, [&message[..]].into_iter())
    };
    assert_eq!(set(&mut decoder, &payload), Err(Error::Stale));
    rebind(&mut payload, binding::of_picture(&carrier)).unwrap();
    assert_eq!(set(&mut decoder, &payload), Ok(Some(report.mode)));
    // A message with nothing behind its UUID is none.
    assert_eq!(set(&mut decoder, &[]), Ok(None));
}
