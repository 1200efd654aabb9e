//! `decode`: pixels, metadata, and what is wrong with payloads.

use crate::make::{
    command, crop, exif, exif_segment, icc, icc_segment, jpeg, project, run, save, told,
    with_segments,
};
use image::metadata::Orientation;
use image::{ImageDecoder, ImageReader};
use sha2::{Digest, Sha256};
use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::Stdio;

#[test]
fn pixels_are_those_of_the_example() {
    // Of PPM files by c-examples/build/jpeg_decode --mode base.
    const SUMS: [(&str, &str); 8] = [
        ("gray.jpg", "d6f7414fdb0d4c47"),
        ("yuv420.jpg", "cb952404c4464d7e"),
        ("progressive420.jpg", "08567e9f437e26c8"),
        ("restart444.jpg", "223df6dbd5818806"),
        ("odd422.jpg", "ec28d13dae0367ad"),
        ("odd440.jpg", "5947ff385dcd664d"),
        ("odd411.jpg", "9ee43826b869857b"),
        ("metadata.jpg", "29b13405dd8281c6"),
    ];
    let folder = tempfile::tempdir().unwrap();
    for (name, expected) in SUMS {
        let file = project("tests/data/jpeg").join(name);
        let output = command(folder.path())
            .args(["decode", "-q", "--mode", "base", "--format", "ppm"])
            .args([file.as_os_str(), "-".as_ref()])
            .output()
            .unwrap();
        assert!(output.status.success());
        let sum: String =
            Sha256::digest(&output.stdout).iter().map(|b| format!("{b:02x}")).collect();
        assert_eq!(sum[..16], *expected, "{name}");
    }
}

#[test]
fn formats_agree_and_keep_metadata() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let file = jpeg(&crop(240, 120, 97, 61), 20);
    let file = with_segments(&file, &[(0xe1, &exif_segment(8)), (0xe2, &icc_segment())]);
    fs::write(folder.join("file.jpg"), file).unwrap();
    let mut pixels = Vec::new();
    for format in ["png", "tiff", "ppm"] {
        told(folder, &format!("decode --mode base file.jpg out.{format}"), 0);
        let path = folder.join(format!("out.{format}"));
        let mut decoder = ImageReader::open(&path).unwrap().into_decoder().unwrap();
        if format != "ppm" {
            assert_eq!(decoder.icc_profile().unwrap(), Some(icc()), "{format}");
            assert_eq!(decoder.orientation().unwrap(), Orientation::Rotate270, "{format}");
        }
        if format == "png" {
            assert_eq!(decoder.exif_metadata().unwrap(), Some(exif(8)));
        }
        if format == "tiff" {
            let fields = exif::Reader::new()
                .read_from_container(&mut std::io::Cursor::new(fs::read(&path).unwrap()))
                .unwrap();
            for tag in [
                exif::Tag::Make,
                exif::Tag::DateTimeOriginal,
                exif::Tag::FNumber,
                exif::Tag::GPSLatitudeRef,
            ] {
                assert!(fields.get_field(tag, exif::In::PRIMARY).is_some(), "{tag}");
            }
        }
        pixels.push(image::open(&path).unwrap().into_rgb8());
    }
    assert!(pixels[0] == pixels[1] && pixels[0] == pixels[2]);
    // And back into a JPEG, from each of the two.
    for format in ["png", "tiff"] {
        told(folder, &format!("encode --no-payload out.{format} back.jpg"), 0);
        told(folder, "decode --mode off back.jpg back.png", 0);
        let mut decoder =
            ImageReader::open(folder.join("back.png")).unwrap().into_decoder().unwrap();
        assert_eq!(decoder.icc_profile().unwrap(), Some(icc()), "{format}");
        assert_eq!(decoder.orientation().unwrap(), Orientation::Rotate270, "{format}");
    }
}

/// 16 bits, rounded, are the 8 bits, in gray and in colour, and hold more than these; TIFF has the same.
#[test]
fn sixteen_bits() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    for name in ["gray.jpg", "yuv420.jpg", "odd411.jpg"] {
        fs::copy(project("tests/data/jpeg").join(name), folder.join("file.jpg")).unwrap();
        told(folder, "decode --mode base file.jpg narrow.png", 0);
        for format in ["png", "tiff", "ppm"] {
            told(folder, &format!("decode --mode base --depth 16 file.jpg deep.{format}"), 0);
        }
        let deep = image::open(folder.join("deep.png")).unwrap();
        assert_eq!(deep.color().bits_per_pixel() / u16::from(deep.color().channel_count()), 16);
        for format in ["tiff", "ppm"] {
            let same = image::open(folder.join(format!("deep.{format}"))).unwrap();
            assert!(deep == same, "{name} {format}");
        }
        let (deep, narrow) = (deep.into_rgb16(), image::open(folder.join("narrow.png")).unwrap());
        let narrow = narrow.into_rgb8();
        let mut finer = false;
        for (deep, narrow) in deep.iter().zip(narrow.iter()) {
            // Three samples of 8 bits are rounded on the way to RGB, those of gray once.
            let most = if name == "gray.jpg" { 129 } else { 600 };
            assert!(deep.abs_diff(u16::from(*narrow) * 257) <= most, "{name}: {deep} {narrow}");
            finer |= deep % 257 != 0;
        }
        assert!(finer, "{name}");
        // What is not filtered is what it was.
        told(folder, "decode --mode off file.jpg narrow.png", 0);
        told(folder, "decode --mode off --depth 16 file.jpg deep.png", 0);
        if name == "gray.jpg" {
            let deep = image::open(folder.join("deep.png")).unwrap().into_luma16();
            let narrow = image::open(folder.join("narrow.png")).unwrap().into_luma8();
            assert!(deep.iter().zip(narrow.iter()).all(|(d, n)| *d == u16::from(*n) * 257));
        }
    }
}

#[test]
fn jpeg_xl() {
    // Of files that djxl 0.7.0 decodes to the pixels of the PNGs of the same options.
    const SUMS: [(&str, u8, &str); 4] = [
        ("gray.jpg", 8, "d56ae51ed99eb37a"),
        ("gray.jpg", 16, "55bfc2fab8a8f633"),
        ("odd411.jpg", 8, "d5daee480b20fafa"),
        ("odd411.jpg", 16, "06e6591eb5d97126"),
    ];
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    for (name, depth, expected) in SUMS {
        fs::copy(project("tests/data/jpeg").join(name), folder.join("file.jpg")).unwrap();
        told(folder, &format!("decode --mode base --depth {depth} file.jpg out.jxl"), 0);
        let file = fs::read(folder.join("out.jxl")).unwrap();
        let sum: String = Sha256::digest(&file).iter().map(|b| format!("{b:02x}")).collect();
        assert_eq!(sum[..16], *expected, "{name}, {depth} bits");
    }
}

#[test]
fn strength() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    fs::copy(project("tests/data/jpeg/yuv420.jpg"), folder.join("file.jpg")).unwrap();
    let decoded = |options: &str| {
        told(folder, &format!("decode {options} file.jpg out.ppm"), 0);
        fs::read(folder.join("out.ppm")).unwrap()
    };
    let (full, off) = (decoded("--mode base"), decoded("--mode off"));
    assert!(full != off);
    assert!(decoded("--mode base --strength 1") == full);
    assert!(decoded("--mode base --strength 0") == off);
    let half = decoded("--mode base --strength 0.5");
    assert!(half != off && half != full);
    assert!(decoded("--mode base --strength 0.499") == half);
    for wrong in ["1.1", "-0.1", "x", "NaN", "inf"] {
        told(folder, &format!("decode --strength={wrong} file.jpg out.ppm"), 2);
    }
    told(folder, "decode --depth 12 file.jpg out.ppm", 2);
}

#[test]
fn whatever_the_payload_the_picture_comes_out() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let picture = crop(240, 120, 96, 64);
    save(&picture, folder.join("original.png"));
    let plain = jpeg(&picture, 20);
    fs::write(folder.join("plain.jpg"), &plain).unwrap();
    told(folder, "attach --steps 4 original.png plain.jpg -o good.jpg", 0);
    told(folder, "decode --mode off plain.jpg plain.png", 0);
    let good = fs::read(folder.join("good.jpg")).unwrap();
    let plain_pixels = image::open(folder.join("plain.png")).unwrap();

    // The payload in another picture, a damaged one, and none.
    let payload = sidelight::carriage::jpeg::extract(&good).unwrap();
    let other = jpeg(&crop(100, 120, 96, 64), 20);
    let stale = sidelight::carriage::jpeg::insert(&other, &payload).unwrap();
    let mut damaged = good.clone();
    let at = good.windows(7).position(|w| w == b"SLIGHT\0").unwrap();
    damaged[at + 9] ^= 0x55;
    for (name, file, state) in
        [("stale", stale, "stale"), ("damaged", damaged, "damaged"), ("none", plain, "none")]
    {
        fs::write(folder.join("file.jpg"), file).unwrap();
        let said = told(folder, "decode file.jpg out.png", 3);
        assert!(said.contains("unfiltered"), "{name}: {said}");
        let info = told(folder, "info file.jpg", 3);
        assert!(info.contains(&format!("payload  {state}")), "{name}: {info}");
        assert!(!info.contains("stale: stale"), "{info}");
        let json: serde_json::Value =
            serde_json::from_str(&told(folder, "info --json file.jpg", 3)).unwrap();
        assert_eq!(json["payload"], state);
        if name != "stale" {
            assert_eq!(image::open(folder.join("out.png")).unwrap(), plain_pixels, "{name}");
        }
    }
    told(folder, "decode good.jpg out.png", 0);
    assert_ne!(image::open(folder.join("out.png")).unwrap(), plain_pixels);
}

#[test]
fn threads_and_streams_make_no_difference() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    fs::write(folder.join("file.jpg"), jpeg(&crop(0, 0, 200, 160), 20)).unwrap();
    told(folder, "decode --mode base --threads 1 file.jpg one.png", 0);
    let output = command(folder)
        .args(["decode", "--mode", "base", "--threads", "3", "-", "-"])
        .stdin(Stdio::from(fs::File::open(folder.join("file.jpg")).unwrap()))
        .output()
        .unwrap();
    assert!(output.status.success());
    assert_eq!(output.stdout, fs::read(folder.join("one.png")).unwrap());
    // A reader that goes away is no reason for a panic.
    let line = "\"$0\" decode --mode off --format ppm file.jpg - | head -c 10 >/dev/null";
    let output = std::process::Command::new("sh")
        .args(["-c", line, env!("CARGO_BIN_EXE_sidelight")])
        .current_dir(folder)
        .output()
        .unwrap();
    assert!(!String::from_utf8_lossy(&output.stderr).contains("panic"));
    assert_eq!(run(folder, "decode file.jpg out.gif").status.code(), Some(1));
    assert_eq!(run(folder, "decode file.jpg").status.code(), Some(2));
}

/// Runs a line of the shell, in which $0 is the command; its status.
fn shell(folder: &Path, line: &str) -> Option<i32> {
    let mut shell = std::process::Command::new("sh");
    shell.args(["-c", line, env!("CARGO_BIN_EXE_sidelight")]).current_dir(folder);
    shell.status().unwrap().code()
}

#[test]
fn outputs_that_are_descriptors_or_links() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    fs::write(folder.join("file.jpg"), jpeg(&crop(240, 120, 48, 32), 20)).unwrap();
    let decode = "\"$0\" decode -q --mode off --format png file.jpg";
    assert_eq!(shell(folder, &format!("{decode} out.png")), Some(0));
    let expected = [b"head", &fs::read(folder.join("out.png")).unwrap()[..]].concat();
    symlink("/dev/fd/3", folder.join("link")).unwrap();
    for to in ["/dev/stdout", "/dev/fd/3", "/proc/self/fd/1", "link", "-"] {
        let line = format!("{{ printf head; {decode} {to} 3>&1; }} >streamed");
        assert_eq!(shell(folder, &line), Some(0), "{to}");
        assert!(fs::read(folder.join("streamed")).unwrap() == expected, "{to}");
        let line = format!("{decode} {to} 3>&1 | cat >piped");
        assert_eq!(shell(folder, &line), Some(0), "{to}");
        assert!(fs::read(folder.join("piped")).unwrap() == expected[4..], "{to}");
    }
    // A link to what is not there yet.
    fs::create_dir(folder.join("sub")).unwrap();
    symlink("sub/new.png", folder.join("dangling.png")).unwrap();
    symlink("nowhere/new.png", folder.join("lost.png")).unwrap();
    symlink("loop.png", folder.join("loop.png")).unwrap();
    told(folder, "decode --mode off file.jpg dangling.png", 0);
    assert!(folder.join("dangling.png").is_symlink());
    assert!(fs::read(folder.join("sub/new.png")).unwrap() == expected[4..]);
    for name in ["lost.png", "loop.png"] {
        let said = told(folder, &format!("decode --mode off file.jpg {name}"), 1);
        assert!(said.contains(name), "{said}");
        assert!(folder.join(name).is_symlink());
    }
}

#[test]
fn messages_that_cannot_be_printed_are_no_failure() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    fs::create_dir(folder.join("in")).unwrap();
    fs::write(folder.join("in/file.jpg"), jpeg(&crop(240, 120, 48, 32), 20)).unwrap();
    for line in [
        "decode --mode off in/file.jpg out.png",
        "encode --no-payload in/file.jpg out.jpg",
        "strip in/file.jpg",
        "batch decode --mode off in out",
    ] {
        assert_eq!(
            shell(folder, &format!("\"$0\" {line} >/dev/full 2>/dev/full")),
            Some(0),
            "{line}"
        );
    }
    // What is asked for is another thing.
    assert_eq!(shell(folder, "\"$0\" info in/file.jpg >/dev/full 2>/dev/full"), Some(1));
    assert_eq!(shell(folder, "\"$0\" decode in/file.jpg - >/dev/full 2>&1"), Some(1));
    let said = shell(
        folder,
        "\"$0\" decode in/file.jpg - 2>&1 >/dev/full | grep -q '^sidelight: standard output:'",
    );
    assert_eq!(said, Some(0));
}

#[test]
fn profiles_that_are_not_of_the_picture_are_left_out() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let picture = crop(240, 120, 96, 64);
    save(&picture, folder.join("original.png"));
    let plain = jpeg(&picture, 20);
    let of = |space: &[u8; 4]| {
        let mut segment = icc_segment();
        segment[14 + 16..14 + 20].copy_from_slice(space);
        segment
    };
    let cmyk = with_segments(&plain, &[(0xe2, &of(b"CMYK"))]);
    fs::write(folder.join("cmyk.jpg"), cmyk).unwrap();
    // The second segment of two is missing.
    let mut half = icc_segment();
    half[13] = 2;
    fs::write(folder.join("half.jpg"), with_segments(&plain, &[(0xe2, &half)])).unwrap();
    let gray = fs::read(project("tests/data/jpeg/gray.jpg")).unwrap();
    let space = |space| with_segments(&gray, &[(0xe2, &of(space))]);
    fs::write(folder.join("rgb-gray.jpg"), space(b"RGB ")).unwrap();
    fs::write(folder.join("gray.jpg"), space(b"GRAY")).unwrap();
    let profile = |name: &str| {
        let reader = ImageReader::open(folder.join(name)).unwrap();
        reader.into_decoder().unwrap().icc_profile().unwrap()
    };
    for (name, why) in
        [("cmyk", "is for CMYK"), ("rgb-gray", "is for RGB"), ("half", ""), ("gray", "")]
    {
        for line in ["decode --mode off X.jpg out.png", "encode --no-payload X.jpg out.jpg"] {
            let line = line.replace('X', name);
            let said = told(folder, &line, 0);
            assert_eq!(said.lines().count(), if why.is_empty() { 1 } else { 2 }, "{line}: {said}");
            assert!(said.contains(why), "{line}: {said}");
            assert_eq!(told(folder, &format!("-q {line}"), 0), "");
            if line.starts_with("encode") {
                told(folder, "decode -q --mode off out.jpg out.png", 0);
            }
            assert_eq!(profile("out.png").is_some(), name == "gray", "{line}");
        }
    }
    told(folder, "attach --no-update original.png half.jpg", 0);
    told(folder, "info half.jpg", 0);
}

#[test]
fn what_info_and_strip_say() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    fs::write(folder.join("text.jpg"), "this is no picture").unwrap();
    for line in ["info text.jpg", "strip text.jpg", "decode text.jpg out.png"] {
        assert_eq!(told(folder, line, 1), "sidelight: text.jpg: not a JPEG file\n");
    }
}
