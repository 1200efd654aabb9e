//! Files that are not what they should be: an error, in a line, and nothing that looks like a
//! result.

use crate::make::{crop, jpeg, project, save, told};
use std::fs;

#[test]
fn inputs_that_are_none() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let picture = crop(240, 120, 96, 64);
    save(&picture, folder.join("original.png"));
    let file = jpeg(&picture, 30);
    let sof = file.windows(2).position(|w| w == [0xff, 0xc0]).unwrap();
    let mut huge = file.clone();
    huge[sof + 5..sof + 9].copy_from_slice(&[0xff, 0xff, 0xff, 0xff]);
    let mut deep = file.clone();
    deep[sof + 4] = 12;
    let cmyk = fs::read(project("tests/data/jpeg/cmyk.jpg")).unwrap();
    let png = fs::read(folder.join("original.png")).unwrap();
    let mut wide = png.clone();
    wide[16..24].copy_from_slice(&[0, 15, 0xff, 0xff, 0, 15, 0xff, 0xff]);
    let files: [(&str, &[u8]); 9] = [
        ("empty", b""),
        ("text", b"this is no picture"),
        ("head", &file[..sof + 3]),
        ("soi", &file[..2]),
        ("huge", &huge),
        ("deep", &deep),
        ("cmyk", &cmyk),
        ("cut.png", &png[..png.len() / 2]),
        ("wide.png", &wide),
    ];
    let before = fs::read_dir(folder).unwrap().count();
    for (name, bytes) in files {
        fs::write(folder.join("bad"), bytes).unwrap();
        for line in [
            "decode bad out.png",
            "decode --mode off bad out.tiff",
            "encode --no-update bad out.jpg",
            "attach --no-update original.png bad -o out.jpg",
            "attach --no-update bad bad -o out.jpg",
            "compare original.png bad",
            "compare bad original.png",
            "video strip --codec hevc bad out.hevc",
        ] {
            let said = told(folder, line, 1);
            assert_eq!(said.lines().count(), 1, "{name}: {line}: {said}");
            assert!(said.starts_with("sidelight: "), "{name}: {line}: {said}");
            assert!(!said.contains("panic"), "{name}: {line}: {said}");
        }
        fs::remove_file(folder.join("bad")).unwrap();
        assert_eq!(fs::read_dir(folder).unwrap().count(), before, "{name}: something is left");
    }
    told(folder, "info nothing.jpg", 1);
    told(folder, "decode nothing.jpg out.png", 1);
    told(folder, "encode original.png nowhere/out.jpg", 1);
    told(folder, "encode original.png .", 1);
}

#[test]
fn what_a_cut_file_has_is_decoded() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let file = jpeg(&crop(240, 120, 96, 64), 30);
    fs::write(folder.join("cut.jpg"), &file[..file.len() - 200]).unwrap();
    let said = told(folder, "decode --mode base cut.jpg out.png", 4);
    assert!(said.contains("damaged"), "{said}");
    assert_eq!(image::open(folder.join("out.png")).unwrap().width(), 96);
    told(folder, "attach --no-update out.png cut.jpg", 1);
}

#[test]
fn more_pixels_than_are_wanted() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let picture = crop(240, 120, 96, 64);
    save(&picture, folder.join("original.png"));
    fs::write(folder.join("file.jpg"), jpeg(&picture, 30)).unwrap();
    for line in [
        "decode --mode base file.jpg out.png",
        "encode --no-update original.png out.jpg",
        "attach --no-update original.png file.jpg",
        "compare original.png file.jpg",
    ] {
        told(folder, &format!("{line} --max-pixels 6144"), 0);
        let said = told(folder, &format!("{line} --max-pixels 6143"), 1);
        assert!(said.contains("--max-pixels"), "{said}");
    }
}
