//! From a picture to a file and back.

use crate::make::{crop, exif_segment, jpeg, project, save, told, with_segments};
use sidelight::carriage::jpeg as carriage;
use sidelight::carriage::nal::{insert, NalCodec};
use std::fs;

fn json(text: &str) -> serde_json::Value {
    serde_json::from_str(text).unwrap_or_else(|error| panic!("{error}: {text}"))
}

#[test]
fn encode_info_decode_compare_strip() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    save(&crop(200, 100, 160, 128), folder.join("original.png"));
    for options in
        ["", "--progressive --sampling 444", "--optimise=1 --bits-weight 0.7 --tables half"]
    {
        let line = format!("encode --quality 15 --steps 4 {options} original.png file.jpg");
        let said = told(folder, &line, 0);
        assert!(said.contains("update") || said.contains("base"), "{said}");
        let info = json(&told(folder, "info --json file.jpg", 0));
        assert_eq!((&info["payload"], &info["width"]), (&"fresh".into(), &160.into()));
        let sampling = if options.contains("444") { "4:4:4" } else { "4:2:0" };
        assert_eq!(info["sampling"], sampling);
        assert_eq!(info["progressive"], options.contains("progressive"));
        let bytes = &info["bytes"];
        let parts = ["coded", "other", "payload", "carriage"].map(|p| bytes[p].as_u64().unwrap());
        assert_eq!(parts.iter().sum::<u64>(), bytes["file"].as_u64().unwrap());

        told(folder, "decode file.jpg filtered.png", 0);
        let rows = json(&told(folder, "compare --json original.png file.jpg filtered.png", 0));
        let [off, filtered, png] = [0, 1, 2].map(|i| &rows[i]);
        assert_eq!((&off["mode"], &png["mode"]), (&"off".into(), &"off".into()));
        for figure in ["psnr_y", "psnr_yuv", "ssim", "ssimulacra2"] {
            let value = |row: &serde_json::Value| row[figure].as_f64().unwrap();
            assert!(value(filtered) > value(off), "{figure}: {rows}");
            assert_eq!(value(filtered), value(png), "{figure}");
        }

        told(folder, "strip file.jpg -o plain.jpg", 0);
        told(folder, "info plain.jpg", 3);
        let plain = fs::read(folder.join("plain.jpg")).unwrap();
        let line = format!("encode --no-payload --quality 15 {options} original.png alone.jpg");
        told(folder, &line, 0);
        assert!(plain == fs::read(folder.join("alone.jpg")).unwrap(), "{options}");
    }
}

#[test]
fn figures_of_compare() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let picture = crop(200, 100, 64, 48);
    save(&picture, folder.join("original.png"));
    fs::write(folder.join("file.jpg"), jpeg(&picture, 40)).unwrap();
    // Gray levels move luma alone: by 1, 48.13 dB.
    let mut other = picture.clone();
    other.iter_mut().for_each(|sample| *sample = sample.clamp(&mut 1, &mut 254).to_owned());
    save(&other, folder.join("clamped.png"));
    other.iter_mut().for_each(|sample| *sample += 1);
    save(&other, folder.join("lighter.png"));
    let rows = json(&told(folder, "compare --json clamped.png clamped.png lighter.png", 0));
    assert_eq!(rows[0]["psnr_y"], serde_json::Value::Null);
    assert!((rows[1]["psnr_y"].as_f64().unwrap() - 48.1308).abs() < 1e-3, "{rows}");
    assert_eq!(rows[0]["ssimulacra2"], 100.0);
    let table = told(folder, "compare --base original.png file.jpg", 0);
    assert_eq!(table.lines().count(), 3, "{table}");
    save(&crop(200, 100, 63, 48), folder.join("smaller.png"));
    assert!(told(folder, "compare original.png smaller.png", 1).contains("63×48"));
}

#[test]
fn payloads_of_streams() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    for (name, codec) in
        [("hevc", NalCodec::Hevc), ("h264", NalCodec::H264), ("vvc", NalCodec::Vvc)]
    {
        let plain = fs::read(project(&format!("tests/data/nal/{name}.bit"))).unwrap();
        // Not a payload that can be used, but one.
        let with = insert(codec, &plain, b"twenty-two bytes of it").unwrap();
        fs::write(folder.join(format!("clip.{name}")), with).unwrap();
        let info = json(&told(folder, &format!("video info --json clip.{name}"), 3));
        assert_eq!(info["payloads"][0]["bytes"], 22);
        assert!(info["payloads"][0]["why"].is_string());
        told(folder, &format!("video strip clip.{name} plain.{name}"), 0);
        assert_eq!(fs::read(folder.join(format!("plain.{name}"))).unwrap(), plain);
        told(folder, &format!("video info plain.{name}"), 3);
    }
    fs::write(folder.join("text.hevc"), "this is no video").unwrap();
    told(folder, "video strip text.hevc out.hevc", 1);
    assert!(!folder.join("out.hevc").exists());
    told(folder, "video info clip.mp4", 1);
}

#[test]
fn compare_turns_pictures_as_viewers_do() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let picture = crop(200, 100, 96, 64);
    save(&picture, folder.join("original.png"));
    fs::write(folder.join("plain.jpg"), jpeg(&picture, 90)).unwrap();
    let lying = jpeg(&image::imageops::rotate270(&picture), 90);
    let lying = with_segments(&lying, &[(0xe1, &exif_segment(6))]);
    fs::write(folder.join("lying.jpg"), lying).unwrap();
    told(folder, "decode --mode off lying.jpg lying.png", 0);
    let line = "compare --json original.png plain.jpg lying.jpg lying.png";
    let rows = json(&told(folder, line, 0));
    let [plain, jpeg, png] = [0, 1, 2].map(|i| rows[i]["psnr_y"].as_f64().unwrap());
    assert!((plain - jpeg).abs() < 1.0 && jpeg == png, "{rows}");
    told(folder, "compare lying.jpg original.png", 0);
}

#[test]
fn compare_goes_on_with_the_others() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let picture = crop(200, 100, 96, 64);
    save(&picture, folder.join("original.png"));
    fs::write(folder.join("plain.jpg"), jpeg(&picture, 20)).unwrap();
    fs::write(folder.join("bad.jpg"), "this is no picture").unwrap();
    told(folder, "attach --no-update original.png plain.jpg -o fresh.jpg", 0);
    let payload = carriage::extract(&fs::read(folder.join("fresh.jpg")).unwrap()).unwrap();
    let stale = carriage::insert(&jpeg(&picture, 30), &payload).unwrap();
    fs::write(folder.join("stale.jpg"), stale).unwrap();
    let said = told(folder, "compare original.png stale.jpg fresh.jpg", 3);
    assert!(said.contains("sidelight: stale.jpg: payload ignored"), "{said}");
    let files = |said: &str| -> Vec<String> {
        let lines = said.lines().filter(|line| line.contains(" off ") || line.contains(" base "));
        lines.map(|line| line.split_whitespace().take(2).collect::<Vec<_>>().join(" ")).collect()
    };
    assert_eq!(files(&said), ["stale.jpg off", "fresh.jpg off", "fresh.jpg base"]);
    let said = told(folder, "compare original.png bad.jpg nowhere.jpg stale.jpg plain.jpg", 1);
    assert_eq!(files(&said), ["stale.jpg off", "plain.jpg off"]);
    assert_eq!(said.matches("sidelight: ").count(), 3, "{said}");
    assert_eq!(said.matches("nowhere.jpg").count(), 1, "{said}");
}
