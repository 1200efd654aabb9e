//! `attach`: what of a file stays, and what is refused.

use crate::make::{crop, exif_segment, icc_segment, jpeg, project, run, save, told, with_segments};
use image::imageops;
use sidelight::carriage::jpeg as carriage;
use std::fs;
use std::os::unix::fs::{chown, symlink, MetadataExt, PermissionsExt};

/// Position and size of a file's payload segment, found without the library.
fn segment(file: &[u8]) -> (usize, usize) {
    let at = file.windows(7).position(|w| w == b"SLIGHT\0").expect("a payload") - 4;
    assert_eq!(file[at..at + 2], [0xff, 0xea]);
    (at, 2 + usize::from(u16::from_be_bytes([file[at + 2], file[at + 3]])))
}

fn by_mozjpeg(picture: &image::RgbImage, progressive: bool) -> Vec<u8> {
    let (width, height) = (picture.width() as usize, picture.height() as usize);
    // Trellis quantisation is its default.
    let mut encoder = mozjpeg::Compress::new(mozjpeg::ColorSpace::JCS_RGB);
    encoder.set_size(width, height);
    encoder.set_quality(25.0);
    if progressive {
        encoder.set_progressive_mode();
    }
    let mut encoder = encoder.start_compress(Vec::new()).unwrap();
    encoder.write_scanlines(picture).unwrap();
    encoder.finish().unwrap()
}

#[test]
fn all_other_bytes_stay() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let picture = crop(240, 120, 128, 96);
    save(&picture, folder.join("original.png"));
    let plain = jpeg(&picture, 20);
    let xmp = b"http://ns.adobe.com/xap/1.0/\0<x:xmpmeta xmlns:x='adobe:ns:meta/'/>";
    let all: [(u8, &[u8]); 6] = [
        (0xe1, &exif_segment(6)),
        (0xe1, xmp),
        (0xe2, &icc_segment()),
        (0xed, b"Photoshop 3.0\0"),
        (0xea, b"somebody else's"),
        (0xfe, b"a comment"),
    ];
    let files = [
        plain.clone(),
        with_segments(&plain, &all),
        by_mozjpeg(&picture, false),
        by_mozjpeg(&picture, true),
        [&with_segments(&plain, &all)[..], b"what stands behind"].concat(),
    ];
    for (i, file) in files.iter().enumerate() {
        fs::write(folder.join("file.jpg"), file).unwrap();
        let said = told(folder, "attach --steps 4 original.png file.jpg", 0);
        assert!(said.starts_with("base: ") || said.starts_with("update: "), "{i}: {said}");
        let attached = fs::read(folder.join("file.jpg")).unwrap();
        let (at, size) = segment(&attached);
        let mut rest = attached.clone();
        rest.drain(at..at + size);
        assert!(rest == *file, "{i}: other bytes changed");
        told(folder, "info file.jpg", 0);

        // Again: in the place of the one that is there.
        told(folder, "attach --no-update original.png file.jpg -o again.jpg", 0);
        let again = fs::read(folder.join("again.jpg")).unwrap();
        assert_eq!(carriage::remove(&again).unwrap(), *file);
        told(folder, "strip file.jpg", 0);
        assert!(fs::read(folder.join("file.jpg")).unwrap() == *file, "{i}: strip");
    }
}

#[test]
fn an_original_that_does_not_fit_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let picture = crop(240, 120, 96, 64);
    let file = jpeg(&picture, 30);
    fs::write(folder.join("file.jpg"), &file).unwrap();
    save(&crop(240, 120, 95, 64), folder.join("smaller.png"));
    save(&imageops::rotate90(&picture), folder.join("turned.png"));
    save(&imageops::rotate180(&picture), folder.join("upside.png"));
    image::DynamicImage::from(picture.clone()).into_luma8().save(folder.join("gray.png")).unwrap();
    let mut other = picture.clone();
    other.iter_mut().for_each(|sample| *sample = 255 - *sample);
    save(&other, folder.join("other.png"));
    for (original, why) in [
        ("smaller", "the original is 95×64, the JPEG 96×64"),
        ("turned", "it was turned"),
        ("gray", "the original is gray, the JPEG in colour"),
        ("other", "the JPEG is not of the original"),
    ] {
        let said = told(folder, &format!("attach --no-update {original}.png file.jpg"), 1);
        assert!(said.contains(why), "{said}");
        assert_eq!(fs::read(folder.join("file.jpg")).unwrap(), file);
    }
    assert_eq!(fs::read_dir(folder).unwrap().count(), 6, "something is left behind");
}

#[test]
fn an_original_is_turned_as_exif_says() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let picture = crop(240, 120, 96, 64);
    // The original as a camera has it, lying; the JPEG turned by its exporter.
    let lying = jpeg(&imageops::rotate270(&picture), 95);
    let lying = with_segments(&lying, &[(0xe1, &exif_segment(6))]);
    fs::write(folder.join("lying.jpg"), lying).unwrap();
    fs::write(folder.join("upright.jpg"), jpeg(&picture, 20)).unwrap();
    told(folder, "attach --no-update lying.jpg upright.jpg", 0);
    told(folder, "info upright.jpg", 0);
    // The JPEG lies, too: nothing is turned.
    let file = jpeg(&imageops::rotate270(&picture), 20);
    fs::write(folder.join("same.jpg"), with_segments(&file, &[(0xe1, &exif_segment(6))])).unwrap();
    told(folder, "attach --no-update lying.jpg same.jpg", 0);
    // The exporter forgot EXIF: what fits is what counts.
    fs::write(folder.join("forgot.jpg"), file).unwrap();
    told(folder, "attach --no-update lying.jpg forgot.jpg", 0);
    // All eight turns of a square.
    let square = crop(240, 120, 64, 64);
    for orientation in 1..=8u8 {
        let turn = image::metadata::Orientation::from_exif(orientation).unwrap();
        let mut shown = image::DynamicImage::from(square.clone());
        shown.apply_orientation(turn);
        save(&shown.into_rgb8(), folder.join("shown.png"));
        let file = with_segments(&jpeg(&square, 20), &[(0xe1, &exif_segment(orientation.into()))]);
        fs::write(folder.join("square.jpg"), file).unwrap();
        told(folder, "attach --no-update shown.png square.jpg", 0);
    }
}

#[test]
fn content_credentials_are_not_broken_unless_asked() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let file = fs::read(project("tests/data/jpeg/metadata.jpg")).unwrap();
    // A JUMBF superbox of C2PA, as small as it gets.
    let mut jumbf = b"JP\0\x01\0\0\0\x01".to_vec();
    let description = b"\0\0\0\x26jumdc2pa\0\x11\0\x10\x80\0\0\xaa\0\x38\x9b\x71\x03c2pa\0\0\0\0\0";
    jumbf.extend((8 + description.len() as u32).to_be_bytes());
    jumbf.extend(b"jumb");
    jumbf.extend(description);
    let signed = with_segments(&file, &[(0xeb, &jumbf)]);
    fs::write(folder.join("signed.jpg"), &signed).unwrap();
    told(folder, "decode --mode off signed.jpg original.png", 0);
    let said = told(folder, "attach --no-update original.png signed.jpg", 1);
    assert!(said.contains("signature") && said.contains("--anyway"), "{said}");
    assert_eq!(fs::read(folder.join("signed.jpg")).unwrap(), signed);
    let gain_map = fs::read(project("tests/data/jpeg/gainmap.jpg")).unwrap();
    fs::write(folder.join("hdr.jpg"), gain_map).unwrap();
    told(folder, "decode --mode off hdr.jpg hdr.png", 0);
    told(folder, "attach --no-update hdr.png hdr.jpg", 0);
}

#[test]
fn links_and_permissions_stay() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let picture = crop(240, 120, 96, 64);
    save(&picture, folder.join("original.png"));
    fs::write(folder.join("file.jpg"), jpeg(&picture, 20)).unwrap();
    fs::set_permissions(folder.join("file.jpg"), PermissionsExt::from_mode(0o640)).unwrap();
    // Only root may give files away; for others they stay theirs.
    let _ = chown(folder.join("file.jpg"), Some(12345), Some(54321));
    let owner = |name: &str| {
        let metadata = fs::metadata(folder.join(name)).unwrap();
        (metadata.uid(), metadata.gid())
    };
    let before = owner("file.jpg");
    symlink("file.jpg", folder.join("link.jpg")).unwrap();
    told(folder, "attach --no-update original.png link.jpg", 0);
    assert!(folder.join("link.jpg").is_symlink());
    assert_eq!(fs::metadata(folder.join("file.jpg")).unwrap().mode() & 0o777, 0o640);
    assert_eq!(owner("file.jpg"), before);
    told(folder, "info file.jpg", 0);
    // To standard output nothing but the file.
    let output = run(folder, "attach --no-update original.png file.jpg -o -");
    assert_eq!(output.stdout, fs::read(folder.join("file.jpg")).unwrap());
}

#[test]
fn files_that_are_not_to_be_replaced() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let picture = crop(240, 120, 96, 64);
    save(&picture, folder.join("original.png"));
    fs::write(folder.join("file.jpg"), jpeg(&picture, 20)).unwrap();
    fs::hard_link(folder.join("file.jpg"), folder.join("hard.jpg")).unwrap();
    symlink("original.png", folder.join("link.jpg")).unwrap();
    let read = || ["original.png", "file.jpg"].map(|name| fs::read(folder.join(name)).unwrap());
    let before = read();
    for (line, why) in [
        ("attach file.jpg file.jpg", "same file"),
        ("attach file.jpg hard.jpg -o new.jpg", "same file"),
        ("attach original.png file.jpg -o original.png", "would be replaced"),
        ("attach original.png file.jpg -o link.jpg", "would be replaced"),
        ("attach original.png file.jpg -o new.png", "will be a JPEG"),
        ("strip file.jpg -o new.png", "will be a JPEG"),
        ("encode original.png original.png", "is IN and OUT.jpg"),
        ("encode original.png link.jpg", "is IN and OUT.jpg"),
        ("encode original.png new.TIFF", "will be a JPEG"),
        ("decode --format png file.jpg hard.jpg", "is IN.jpg and OUT"),
    ] {
        let said = told(folder, line, 1);
        assert!(said.contains(why), "{line}: {said}");
        assert!(read() == before, "{line}");
    }
    assert_eq!(fs::read_dir(folder).unwrap().count(), 4);
}
