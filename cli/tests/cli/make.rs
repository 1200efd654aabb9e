//! Pictures and files that tests make, and the command that they run.

use image::{DynamicImage, RgbImage};
use sidelight::Layout;
use sidelight_cli::jpeg::decode;
use sidelight_cli::planes::Planes;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

/// The command, in a folder.
pub fn command(folder: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_sidelight"));
    command.current_dir(folder).stdin(Stdio::null());
    command
}

/// Runs the command with arguments that have no spaces in them.
pub fn run(folder: &Path, line: &str) -> Output {
    command(folder).args(line.split_whitespace()).output().unwrap()
}

/// What the command prints, if its status is `status`.
pub fn told(folder: &Path, line: &str, status: i32) -> String {
    let output = run(folder, line);
    let text = [output.stdout, output.stderr].concat();
    let text = String::from_utf8(text).unwrap();
    assert_eq!(output.status.code(), Some(status), "{line}\n{text}");
    text
}

/// The project's file.
pub fn project(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(path)
}

/// A part of a test picture in colour.
pub fn crop(x: u32, y: u32, width: u32, height: u32) -> RgbImage {
    let whole = image::open(project("tests/pictures/coffee.png")).unwrap();
    whole.crop_imm(x, y, width, height).into_rgb8()
}

/// A JPEG by the `jpeg-encoder` crate.
pub fn jpeg(picture: &RgbImage, quality: u8) -> Vec<u8> {
    let mut out = Vec::new();
    let mut encoder = jpeg_encoder::Encoder::new(&mut out, quality);
    encoder.set_sampling_factor(jpeg_encoder::SamplingFactor::F_2_2);
    let (width, height) = (picture.width() as u16, picture.height() as u16);
    encoder.encode(picture, width, height, jpeg_encoder::ColorType::Rgb).unwrap();
    out
}

/// `file` with segments behind SOI.
pub fn with_segments(file: &[u8], segments: &[(u8, &[u8])]) -> Vec<u8> {
    let mut out = file[..2].to_vec();
    for (code, contents) in segments {
        out.extend([0xff, *code]);
        out.extend((contents.len() as u16 + 2).to_be_bytes());
        out.extend(*contents);
    }
    out.extend(&file[2..]);
    out
}

/// EXIF with an orientation, the camera's maker, and when the picture was taken.
pub fn exif(orientation: u16) -> Vec<u8> {
    use exif::{experimental::Writer, Field, In, Tag, Value};
    let field = |tag, value| Field { tag, ifd_num: In::PRIMARY, value };
    let text = |text: &str| Value::Ascii(vec![text.into()]);
    let fields = [
        field(Tag::Orientation, Value::Short(vec![orientation])),
        field(Tag::Make, text("A maker")),
        field(Tag::DateTimeOriginal, text("2024:05:06 07:08:09")),
        field(Tag::FNumber, Value::Rational(vec![(28, 10).into()])),
        field(Tag::GPSLatitudeRef, text("N")),
    ];
    let mut writer = Writer::new();
    fields.iter().for_each(|field| writer.push_field(field));
    let mut out = std::io::Cursor::new(Vec::new());
    writer.write(&mut out, false).unwrap();
    out.into_inner()
}

/// An APP1 segment's contents.
pub fn exif_segment(orientation: u16) -> Vec<u8> {
    [&b"Exif\0\0"[..], &exif(orientation)].concat()
}

/// What counts as a colour profile: its head, and nothing behind.
pub fn icc() -> Vec<u8> {
    let mut icc = vec![0; 200];
    icc[3] = 200;
    icc[16..20].copy_from_slice(b"RGB ");
    icc[36..40].copy_from_slice(b"acsp");
    icc
}

/// An APP2 segment's contents.
pub fn icc_segment() -> Vec<u8> {
    [&b"ICC_PROFILE\0\x01\x01"[..], &icc()].concat()
}

/// Writes a picture file.
pub fn save(picture: &RgbImage, path: PathBuf) {
    DynamicImage::from(picture.clone()).save(path).unwrap();
}

/// Two YUV4MPEG2 files of 8-bit 4:2:0: pictures, and what is left of them by JPEG.
pub fn clips((width, height): (u32, u32), count: u32) -> [Vec<u8>; 2] {
    let head = format!("YUV4MPEG2 W{width} H{height} F25:1 Ip C420jpeg\n");
    let mut clips = [head.clone().into_bytes(), head.into_bytes()];
    for i in 0..count {
        let picture = crop(240 + 2 * i, 120 + i, width, height);
        let decoded = decode(&jpeg(&picture, 15), 1 << 20).unwrap().planes;
        let original = Planes::from_image(&picture.into(), Layout::I420).unwrap();
        for (clip, planes) in clips.iter_mut().zip([original, decoded]) {
            clip.extend(b"FRAME\n");
            for plane in &planes.planes {
                (0..plane.height).for_each(|y| clip.extend(plane.row(y)));
            }
        }
    }
    clips
}
