//! Payloads that come again with pictures that they are not for, as file formats and decoders hand
//! them out: how many pictures are filtered all the same.

use crate::common::picture::Owned;
use sidelight::carriage::nal::UUID;
use sidelight::payload::{binding, rebind};
use sidelight::{
    Codec, CodecParams, Decoder, DecoderSettings, Encoder, EncoderSettings, Error, Layout, Mode,
    Pair, PictureType, Rate, Result,
};

const PICTURES: usize = 24;
/// Of a period: an IRAP picture and what is shown up to the next one.
const PERIOD: usize = 8;

struct Clip {
    decoded: Vec<Owned<u8>>,
    /// One for each picture, bound to it.
    payloads: Vec<Vec<u8>>,
}

fn type_of(picture: usize) -> PictureType {
    match picture % PERIOD {
        0 => PictureType::Irap,
        n if n % 2 == 0 => PictureType::P,
        _ => PictureType::B,
    }
}

impl Clip {
    fn new() -> Self {
        let original = |t: usize| {
            Owned::painted(Layout::I420, 8, (48, 32), |plane, y, x| {
                let x = if plane == 0 { x + 3 * t } else { 2 * x + 6 * t };
                (40 + 2 * x + 5 * y % 90 + (x * 7 + y * 13) % 11 * 4) as i32
            })
        };
        let originals: Vec<_> = (0..PICTURES).map(original).collect();
        let decoded: Vec<_> = originals.iter().map(|picture| picture.coded(36)).collect();
        let settings = EncoderSettings { no_update: true, threads: 1, ..Default::default() };
        let pairs: Vec<_> = (0..3)
            .map(|i| Pair {
                original: originals[i].view(),
                decoded: decoded[i].view().of_type(type_of(i)),
            })
            .collect();
        let params = CodecParams { codec: Codec::Hevc { qp: [36; 3] }, binding: 0 };
        let rate = Rate { coded_bytes: 0, slope_db_per_byte: 1e-6, carriage_bytes: 0 };
        let encoder = Encoder::new(settings).unwrap();
        let encoded = encoder.encode(&pairs, &params, rate, &mut |_| true).unwrap();
        assert_eq!(encoded.report.mode, Mode::Base);
        let bound = |picture: &Owned<u8>| {
            let mut payload = encoded.payload.clone();
            rebind(&mut payload, binding::of_picture(&picture.view())).unwrap();
            payload
        };
        let payloads = decoded.iter().map(bound).collect();
        Self { decoded, payloads }
    }

    /// Shows a picture that comes with payloads: what was set, and whether it is filtered.
    fn show(
        &self,
        decoder: &mut Decoder,
        picture: usize,
        payloads: &[&[u8]],
    ) -> (Result<Option<Mode>>, bool) {
        let messages: Vec<_> = payloads.iter().map(|payload| [&UUID, *payload].concat()).collect();
        let decoded = &self.decoded[picture];
        let kind = type_of(picture);
        let set =
            decoder.set_messages(&decoded.view().of_type(kind), messages.iter().map(|m| &m[..]));
        (set, decoded.filtered_as(decoder, kind) != *decoded)
    }

    /// How many pictures from `first` on are filtered, where `payloads` come with them.
    fn filtered(
        &self,
        decoder: &mut Decoder,
        first: usize,
        payloads: impl Fn(usize) -> Vec<usize>,
    ) -> usize {
        let shown = |i: &usize| {
            let bytes: Vec<_> = payloads(*i).iter().map(|p| &self.payloads[*p][..]).collect();
            self.show(decoder, *i, &bytes).1
        };
        (first..PICTURES).filter(shown).count()
    }
}

fn decoder() -> Decoder {
    Decoder::new(DecoderSettings { threads: 1, ..Default::default() })
}

/// The picture's own payload, if it is an IRAP picture.
fn own(picture: usize) -> Vec<usize> {
    if picture.is_multiple_of(PERIOD) {
        vec![picture]
    } else {
        vec![]
    }
}

/// The first picture's payload in front of the picture's own.
fn copy_in_front(picture: usize) -> Vec<usize> {
    [vec![0], own(picture)].concat()
}

/// The first picture's payload behind the picture's own.
fn copy_behind(picture: usize) -> Vec<usize> {
    [own(picture), vec![0]].concat()
}

#[test]
fn a_copy_with_every_picture_is_no_news() {
    let clip = Clip::new();
    assert_eq!(clip.filtered(&mut decoder(), 0, own), PICTURES);
    assert_eq!(clip.filtered(&mut decoder(), 0, copy_in_front), PICTURES);
    assert_eq!(clip.filtered(&mut decoder(), 0, copy_behind), PICTURES);
    // As four frame threads hand it out.
    let threads = |i| if i < 4 { copy_in_front(i) } else { own(i) };
    assert_eq!(clip.filtered(&mut decoder(), 0, threads), PICTURES);
    let periods_two_and_three = |i| if i % 16 < 8 { own(i) } else { copy_in_front(i) };
    assert_eq!(clip.filtered(&mut decoder(), 0, periods_two_and_three), PICTURES);
}

#[test]
fn what_is_in_force_stays() {
    let clip = Clip::new();
    let mut decoder = decoder();
    let mode = Ok(Some(Mode::Base));
    let of = |i: usize| &clip.payloads[i][..];
    let mut off = sidelight::payload::build(Mode::Off, 0, &[], 0).unwrap();
    rebind(&mut off, binding::of_picture(&clip.decoded[8].view())).unwrap();
    assert_eq!(clip.show(&mut decoder, 0, &[of(0)]), (mode, true));
    assert_eq!(clip.show(&mut decoder, 1, &[of(0)]), (Ok(None), true));
    // Off is in force as well.
    assert_eq!(clip.show(&mut decoder, 8, &[of(0), &off]), (Ok(Some(Mode::Off)), false));
    assert_eq!(clip.show(&mut decoder, 9, &[of(0)]), (Ok(None), false));
    // And a payload that is bound to its picture is news, whatever stands beside it.
    assert_eq!(clip.show(&mut decoder, 10, &[of(10), of(0)]), (mode, true));
    assert_eq!(clip.show(&mut decoder, 11, &[of(0)]), (Ok(None), true));
    // The first picture's is for a picture of its samples, of any type.
    assert_eq!(clip.show(&mut decoder, 8, &[&off]), (Ok(Some(Mode::Off)), false));
    let first = clip.decoded[0].view().of_type(PictureType::P);
    let message = [&UUID, of(0)].concat();
    assert_eq!(decoder.set_messages(&first, [&message[..]].into_iter()), mode);
}

#[test]
fn after_seeking() {
    let clip = Clip::new();
    for payloads in [copy_in_front, copy_behind] {
        assert_eq!(clip.filtered(&mut decoder(), 8, payloads), 16);
        // The decoder that has seen all, forwards and back.
        let mut decoder = decoder();
        for first in [0, 16, 8, 0] {
            assert_eq!(clip.filtered(&mut decoder, first, payloads), PICTURES - first);
        }
    }
    // From between IRAP pictures: up to the next one.
    assert_eq!(clip.filtered(&mut decoder(), 3, copy_in_front), 16);
    // Pictures that lead the first IRAP picture, as some encoders begin: with a copy of their own all are filtered.
    let leading = |i| if i == 5 { vec![8, 5] } else { [vec![8], own(i)].concat() };
    assert_eq!(clip.filtered(&mut decoder(), 5, leading), 19);
    assert_eq!(clip.filtered(&mut decoder(), 5, |i| [vec![8], own(i)].concat()), 16);
}

/// An IRAP picture with nothing but a copy was coded again, or has no payload.
#[test]
fn a_copy_alone_on_an_irap_picture_ends_filtering() {
    let clip = Clip::new();
    let second_without = |i| if i == 8 { vec![0] } else { copy_in_front(i) };
    assert_eq!(clip.filtered(&mut decoder(), 0, second_without), 16);
    assert_eq!(clip.filtered(&mut decoder(), 8, second_without), 8);
    let mut decoder = decoder();
    let first = &clip.payloads[0][..];
    assert_eq!(clip.show(&mut decoder, 0, &[first]), (Ok(Some(Mode::Base)), true));
    assert_eq!(clip.show(&mut decoder, 8, &[first]), (Err(Error::Stale), false));
    assert_eq!(clip.show(&mut decoder, 9, &[first]), (Ok(None), false));
    // Two streams in one file, of which the second has no payload.
    assert_eq!(clip.filtered(&mut decoder, 0, |i| if i < 8 { own(i) } else { vec![0] }), 8);
}

#[test]
fn what_did_not_come_before_is_news() {
    let clip = Clip::new();
    let mut decoder = decoder();
    let mode = Ok(Some(Mode::Base));
    let of = |i: usize| &clip.payloads[i][..];
    assert_eq!(clip.show(&mut decoder, 0, &[of(0)]), (mode, true));
    // A carrier whose samples are wrong.
    assert_eq!(clip.show(&mut decoder, 2, &[of(5)]), (Err(Error::Stale), false));
    assert_eq!(clip.show(&mut decoder, 8, &[of(8)]), (mode, true));
    assert_eq!(clip.show(&mut decoder, 10, &[of(5), of(0)]), (Err(Error::Stale), false));
    // A copy that was damaged.
    assert_eq!(clip.show(&mut decoder, 16, &[of(16)]), (mode, true));
    let mut damaged = of(16).to_vec();
    *damaged.last_mut().unwrap() ^= 1;
    assert_eq!(clip.show(&mut decoder, 17, &[of(16), &damaged]), (Err(Error::Corrupt), false));
    assert_eq!(clip.show(&mut decoder, 18, &[of(16)]), (Ok(None), false));
    // Damaged it is no copy, even if it came so before; of a later version it may be one.
    assert_eq!(clip.show(&mut decoder, 16, &[&damaged, of(16)]), (mode, true));
    assert_eq!(clip.show(&mut decoder, 17, &[&damaged]), (Err(Error::Corrupt), false));
    let later = [&[0x10][..], &of(16)[1..]].concat();
    assert_eq!(clip.show(&mut decoder, 16, &[&later, of(16)]), (mode, true));
    assert_eq!(clip.show(&mut decoder, 17, &[&later]), (Ok(None), true));
    // A carrier that is not IRAP, first whole, then, after a seek, with wrong samples.
    assert_eq!(clip.show(&mut decoder, 16, &[of(16)]), (mode, true));
    assert_eq!(clip.show(&mut decoder, 19, &[of(0), of(19), of(19)]), (mode, true));
    assert_eq!(clip.show(&mut decoder, 16, &[of(16)]), (mode, true));
    assert_eq!(clip.show(&mut decoder, 20, &[of(19)]), (Err(Error::Stale), false));
}

/// Where no binding is looked at, copies are known by their bytes alone.
#[test]
fn copies_without_a_look_at_bindings() {
    let clip = Clip::new();
    let settings = DecoderSettings { threads: 1, skip_binding: true, ..Default::default() };
    let mut decoder = Decoder::new(settings);
    let off = sidelight::payload::build(Mode::Off, 0, &[], 0).unwrap();
    let first = &clip.payloads[0][..];
    assert_eq!(clip.show(&mut decoder, 0, &[first]), (Ok(Some(Mode::Base)), true));
    assert_eq!(clip.show(&mut decoder, 8, &[first, &off]), (Ok(Some(Mode::Off)), false));
    assert_eq!(clip.show(&mut decoder, 9, &[first]), (Ok(None), false));
    assert_eq!(clip.show(&mut decoder, 16, &[first]), (Ok(Some(Mode::Base)), true));
}
