use super::*;
use crate::media::yuv::Planes;
use image::{DynamicImage, Rgb, RgbImage};

fn picture(width: u32, height: u32) -> DynamicImage {
    RgbImage::from_fn(width, height, |x, y| {
        let wave = (f64::from(x) / 5.0).sin() * 60.0 + f64::from(y) * 0.7;
        Rgb([(120.0 + wave) as u8, (90.0 + wave / 2.0) as u8, ((x * 3) ^ y) as u8])
    })
    .into()
}

fn available(kind: Kind) -> bool {
    kind.open().version().is_ok()
}

/// What a codec decodes is near the planes that distortion is measured against, so those are the
/// planes that it codes.
#[test]
fn decoded_planes_are_the_originals_at_high_quality() {
    for (kind, quality) in [
        (Kind::Jpeg, 100),
        (Kind::JpegFlat, 1),
        (Kind::JpegHalf, 100),
        (Kind::JpegOptimised, 100),
        (Kind::MozjpegPsnr, 100),
        (Kind::X265Intra, 4),
    ] {
        if !available(kind) {
            eprintln!("{kind:?}: not installed, not tested");
            continue;
        }
        let codec = kind.open();
        for (width, height) in [(64, 48), (77, 51), (1, 1), (33, 2)] {
            for planes in [Planes::Colour, Planes::Luma] {
                let original = Original::new(picture(width, height), planes);
                if kind == Kind::X265Intra && width.min(height) < 16 {
                    continue;
                }
                let file = codec.encode(&original, quality).unwrap();
                let decoded = codec.decode(&file, &original.yuv).unwrap();
                for (a, b) in original.yuv.planes.iter().zip(&decoded.planes) {
                    let worst = a.iter().zip(b).map(|(a, b)| a.abs_diff(*b)).max().unwrap();
                    assert!(worst <= 4, "{kind:?} {width}x{height} {planes:?}: {worst}");
                }
            }
        }
    }
}

#[test]
fn a_payload_changes_no_sample() {
    for kind in [Kind::Jpeg, Kind::JpegOptimised, Kind::MozjpegPsnr, Kind::X265Intra] {
        if !available(kind) {
            continue;
        }
        let codec = kind.open();
        let original = Original::new(picture(60, 40), Planes::Colour);
        let quality = kind.default_qualities()[0];
        let file = codec.encode(&original, quality).unwrap();
        assert_eq!(file, codec.encode(&original, quality).unwrap(), "{kind:?} is reproducible");
        let with = codec.embed(&file, &[1; 80]).unwrap();
        assert!(with.len() >= file.len() + 80);
        let decode = |file: &[u8]| codec.decode(file, &original.yuv).unwrap();
        assert_eq!(decode(&with), decode(&file), "{kind:?}");
    }
}

#[test]
fn flat_tables_are_flat_and_mozjpeg_is_tuned() {
    if !available(Kind::JpegFlat) {
        return;
    }
    let original = Original::new(picture(40, 40), Planes::Colour);
    let table = |kind: Kind, quality| {
        let codec = kind.open();
        let file = codec.encode(&original, quality).unwrap();
        let sidelight::Codec::Jpeg { luma, chroma } =
            codec.params(&file, &original.yuv, quality).unwrap().codec
        else {
            panic!("params of JPEG");
        };
        (luma, chroma.unwrap())
    };
    assert_eq!(table(Kind::JpegFlat, 40), ([40; 64], [40; 64]));
    let (luma, _) = table(Kind::MozjpegPsnr, 20);
    assert!(luma.iter().all(|step| *step == luma[0]), "{luma:?}");
}

/// What is optimised has its own tables, and fewer bytes than without.
#[test]
fn optimised_files_have_the_tables_asked_for_and_fewer_bytes() {
    if !available(Kind::JpegOptimised) {
        eprintln!("jpeg_encode: not built, not tested");
        return;
    }
    let original = Original::new(picture(96, 80), Planes::Colour);
    let coded = |kind: Kind| {
        let codec = kind.open();
        let file = codec.encode(&original, 20).unwrap();
        let params = codec.params(&file, &original.yuv, 20).unwrap();
        let sidelight::Codec::Jpeg { luma, .. } = params.codec else { panic!("params of JPEG") };
        (file.len(), luma)
    };
    let (half, half_table) = coded(Kind::JpegHalf);
    let (optimised, table) = coded(Kind::JpegOptimisedHalf);
    assert!(optimised < half, "{optimised} {half}");
    assert_eq!(table, half_table);
    let (_, standard) = coded(Kind::JpegOptimised);
    let (_, flat) = coded(Kind::JpegOptimisedFlat);
    let spread = |table: &[u16; 64]| table.iter().max().unwrap() - table.iter().min().unwrap();
    assert_eq!(spread(&flat), 0);
    assert!(spread(&table) > 0 && spread(&table) < spread(&standard));

    // Coefficients are chosen for the model that the picture is to be filtered with.
    let version = |size| Kind::JpegOptimised.open_for(size).version().unwrap();
    assert_ne!(version(ModelSize::Small), version(ModelSize::Medium));
}

#[test]
fn errors_say_what_failed() {
    let original = Original::new(picture(20, 20), Planes::Colour);
    let error = Kind::MozjpegPsnr.open().decode(b"no JPEG", &original.yuv).unwrap_err();
    assert!(!error.to_string().is_empty());
    let missing = command::pipe("no-such-program", &[], b"").unwrap_err();
    assert!(format!("{missing:#}").contains("no-such-program"), "{missing:#}");
}
