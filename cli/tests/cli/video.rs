//! `video attach`: whose payload goes where, and what is refused.

use crate::make::{clips, command, project, told};
use sidelight::carriage::nal::{AccessUnit, Framing, NalCodec, Stream, UUID};
use sidelight::{Decoder, DecoderSettings, Layout, Mode, Picture, PictureType, Plane};
use std::fs::{self, File};
use std::path::Path;

/// Access units, and what payloads each has.
fn units(stream: &[u8]) -> Vec<(Vec<u8>, Vec<Vec<u8>>)> {
    let mut reader = Stream::new(NalCodec::Hevc, Framing::AnnexB).unwrap();
    reader.push(stream).unwrap();
    reader.finish();
    let mut units = Vec::new();
    while let Some(unit) = reader.next_unit().unwrap() {
        let mut payloads = Vec::new();
        unit.each_payload(|payload| {
            payloads.push(payload.to_vec());
            Ok(())
        })
        .unwrap();
        units.push((unit.bytes().to_vec(), payloads));
    }
    units
}

const SIZE: usize = 64;
const FRAME: usize = 6 + SIZE * SIZE * 3 / 2;

/// What a payload asks for on picture `index` of a clip.
fn mode(clip: &[u8], index: usize, payload: &[u8]) -> sidelight::Result<Option<Mode>> {
    let head = clip.iter().position(|&byte| byte == b'\n').unwrap() + 1;
    let samples = &clip[head + index * FRAME + 6..];
    let (luma, chroma) = samples.split_at(SIZE * SIZE);
    let (cb, cr) = chroma.split_at(SIZE * SIZE / 4);
    let half = SIZE / 2;
    let planes = [
        Plane::new(luma, SIZE, SIZE, SIZE).unwrap(),
        Plane::new(cb, half, half, half).unwrap(),
        Plane::new(cr, half, half, half).unwrap(),
    ];
    let picture = Picture::new(Layout::I420, &planes).unwrap().of_type(PictureType::Irap);
    let message = [&UUID[..], payload].concat();
    let mut decoder = Decoder::new(DecoderSettings { threads: 1, ..Default::default() });
    decoder.set_messages(&picture, [&message[..]].into_iter())
}

/// Pictures in decoding order and in the order of output that are IRAP.
const IRAP: [(usize, usize); 3] = [(0, 0), (5, 6), (11, 12)];

fn open_gop() -> Vec<u8> {
    fs::read(project("tests/data/nal/hevc_open_gop.bit")).unwrap()
}

fn save(folder: &Path, name: &str, bytes: &[u8]) {
    fs::write(folder.join(name), bytes).unwrap();
}

#[test]
fn each_period_has_its_payload() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let stream = open_gop();
    let [original, decoded] = clips((64, 64), 18);
    save(folder, "in.hevc", &stream);
    save(folder, "original.y4m", &original);
    save(folder, "decoded.y4m", &decoded);
    let line = "video attach --qp 40 --steps 20 original.y4m in.hevc decoded.y4m";
    let said = told(folder, &format!("{line} out.hevc"), 0);
    assert!(said.starts_with("18 pictures, 3 periods, 3 payloads of "), "{said}");
    let out = fs::read(folder.join("out.hevc")).unwrap();
    let units = units(&out);
    let carriers: Vec<_> = (0..18).filter(|&i| !units[i].1.is_empty()).collect();
    assert_eq!(carriers, IRAP.map(|(coded, _)| coded));
    for (coded, shown) in IRAP {
        let [payload] = &units[coded].1[..] else { panic!("{:?}", units[coded].1) };
        for (_, other) in IRAP {
            let mode = mode(&decoded, other, payload);
            assert_eq!(mode.is_ok(), other == shown, "{mode:?}");
        }
    }
    told(folder, "video strip out.hevc plain.hevc", 0);
    assert_eq!(fs::read(folder.join("plain.hevc")).unwrap(), stream);

    // In place of what was there, from and to pipes, and with fewer pictures to train on.
    let stale = AccessUnit::new(NalCodec::Hevc, Framing::AnnexB, &units[1].0).unwrap();
    let stale = stale.rewrite(Some(b"twenty-two bytes of it")).unwrap();
    let mut with = out[..units[0].0.len()].to_vec();
    with.extend(stale);
    with.extend(&out[units[0].0.len() + units[1].0.len()..]);
    save(folder, "with.hevc", &with);
    let piped = |arguments: &str, file: &str| {
        let output = command(folder)
            .args(arguments.split_whitespace())
            .stdin(File::open(folder.join(file)).unwrap())
            .output()
            .unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        output.stdout
    };
    let line = "video attach --qp 40 --steps 20 original.y4m";
    assert_eq!(piped(&format!("{line} - decoded.y4m -"), "with.hevc"), out);
    assert_eq!(piped(&format!("{line} with.hevc - -"), "decoded.y4m"), out);
    let fewer = piped(&format!("{line} --pictures 2 in.hevc - -"), "decoded.y4m");
    assert_ne!(fewer, out);
}

#[test]
fn what_does_not_belong_together_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let stream = open_gop();
    let [original, decoded] = clips((64, 64), 18);
    let second = units(&stream)[0].0.len();
    let [_, small] = clips((64, 48), 18);
    let head = decoded.iter().position(|&byte| byte == b'\n').unwrap();
    let with_head = |head_line: &str| [head_line.as_bytes(), &decoded[head..]].concat();
    let files: [(&str, Vec<u8>); 15] = [
        ("original.y4m", original),
        ("in.hevc", stream.clone()),
        ("in.mp4", stream.clone()),
        ("in.h264", stream.clone()),
        ("decoded.y4m", decoded.clone()),
        ("few.y4m", decoded[..decoded.len() - FRAME].to_vec()),
        ("cut.y4m", decoded[..decoded.len() - 1].to_vec()),
        ("many.y4m", [&decoded[..], &decoded[decoded.len() - FRAME..]].concat()),
        ("small.y4m", small),
        ("deep.y4m", with_head("YUV4MPEG2 W64 H64 F25:1 C420p10")),
        ("wild.y4m", with_head("YUV4MPEG2 W64 H64 F25:1 C999")),
        ("huge.y4m", with_head("YUV4MPEG2 W9999999 H9999999 F25:1 C420")),
        ("middle.hevc", stream[second..].to_vec()),
        ("h264.hevc", fs::read(project("tests/data/nal/h264.bit")).unwrap()),
        ("text.hevc", b"this is no video".to_vec()),
    ];
    // Of another picture: the first one is black.
    let luma = head + 7..head + 7 + SIZE * SIZE;
    let mut other = decoded.clone();
    other[luma].fill(0);
    save(folder, "other.y4m", &other);
    for (name, bytes) in &files {
        save(folder, name, bytes);
    }
    let before = fs::read_dir(folder).unwrap().count();
    for (arguments, why) in [
        ("original.y4m in.mp4 decoded.y4m", "-bsf:v hevc_mp4toannexb"),
        ("original.y4m text.hevc decoded.y4m", "-bsf:v hevc_mp4toannexb"),
        ("original.y4m in.h264 decoded.y4m", "HEVC alone"),
        ("original.y4m h264.hevc decoded.y4m", "no picture"),
        ("original.y4m middle.hevc decoded.y4m", "not IRAP"),
        ("original.y4m in.hevc few.y4m", "few.y4m ends before the stream: it has no picture 17"),
        ("original.y4m in.hevc cut.y4m", "picture 17 is damaged or cut off"),
        ("original.y4m in.hevc many.y4m", "many.y4m goes on behind the 18 pictures"),
        ("many.y4m in.hevc decoded.y4m", "many.y4m goes on behind the 18 pictures"),
        ("original.y4m in.hevc small.y4m", "small.y4m is 64×48"),
        ("small.y4m in.hevc decoded.y4m", "small.y4m is 64×48"),
        ("original.y4m in.hevc deep.y4m", "10 bits"),
        ("original.y4m in.hevc wild.y4m", "not supported"),
        ("original.y4m in.hevc huge.y4m", "pixels"),
        ("original.y4m in.hevc in.hevc", "not a YUV4MPEG2 file"),
        ("original.y4m in.hevc other.y4m", "not of the original"),
        ("--pictures 1 original.y4m in.hevc - ", "standard input"),
        ("- in.hevc -", "can be standard input"),
    ] {
        let line = format!("video attach --qp 40 --no-update {arguments} out.hevc");
        let said = told(folder, &line, 1);
        assert!(said.contains(why), "{line}: {said}");
        assert_eq!(said.lines().count(), 1, "{line}: {said}");
        assert!(!said.contains("panic"), "{said}");
    }
    told(folder, "video attach original.y4m in.hevc decoded.y4m out.hevc", 2);
    assert_eq!(fs::read_dir(folder).unwrap().count(), before);
}
