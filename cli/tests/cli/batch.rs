//! `batch`: folders, killed and resumed.

use crate::make::{command, crop, jpeg, save, told};
use sidelight_cli::commands::batch::unfinished;
use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::Stdio;
use std::time::{Duration, Instant, UNIX_EPOCH};

/// All files of a folder, by path.
fn tree(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    let files = walkdir::WalkDir::new(folder).into_iter().map(Result::unwrap);
    let files = files.filter(|entry| entry.file_type().is_file());
    let name = |path: &Path| path.strip_prefix(folder).unwrap().display().to_string();
    files.map(|entry| (name(entry.path()), fs::read(entry.path()).unwrap())).collect()
}

/// A folder's files but for the journal, which has the files' times.
fn results(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    let mut files = tree(folder);
    files.remove(JOURNAL).expect("a journal");
    files
}

const JOURNAL: &str = ".sidelight-batch.jsonl";

fn rows(folder: &Path) -> Vec<serde_json::Value> {
    let text = fs::read_to_string(folder.join("sidelight-results.json")).unwrap();
    serde_json::from_str(&text).unwrap()
}

#[test]
fn killed_twice_and_resumed_is_as_one_run() {
    const PICTURES: usize = 1000;
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let whole = crop(0, 0, 600, 400);
    for i in 0..PICTURES {
        let (x, y) = (i as u32 * 7 % 560, i as u32 * 13 % 376);
        let picture = image::imageops::crop_imm(&whole, x, y, 40, 24).to_image();
        let sub = folder.join(format!("in/{}", i / 100));
        fs::create_dir_all(&sub).unwrap();
        let file = if i % 250 == 99 { b"no picture".to_vec() } else { jpeg(&picture, 25) };
        fs::write(sub.join(format!("{i}.jpg")), file).unwrap();
    }
    let line = ["batch", "decode", "--mode", "base", "in"];
    let done = |out: &str| {
        let files = walkdir::WalkDir::new(folder.join(out)).into_iter().filter_map(Result::ok);
        files.filter(|e| e.path().extension().is_some_and(|e| e == "png")).count()
    };

    let said = told(folder, &(line.join(" ") + " at-once"), 1);
    assert!(said.contains("1000 pictures: 996 ok, 0 unfiltered, 0 damaged, 4 failed"), "{said}");
    assert_eq!(done("at-once"), 996);

    for part in [PICTURES / 5, PICTURES / 2] {
        let mut child = command(folder)
            .args(line)
            .arg("resumed")
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let start = Instant::now();
        while done("resumed") < part {
            assert!(start.elapsed() < Duration::from_secs(60), "nothing gets done");
            assert!(child.try_wait().unwrap().is_none(), "done before it was killed");
        }
        // SIGKILL.
        child.kill().unwrap();
        child.wait().unwrap();
        assert!(done("resumed") >= part && done("resumed") < 996);
        assert!(!folder.join("resumed/sidelight-results.csv").exists());
    }
    // As if it was killed while it wrote.
    let unfinished = unfinished(&folder.join("resumed")).unwrap();
    fs::write(folder.join(format!("resumed/3/{unfinished}Zq3x.part")), "half").unwrap();
    let first = folder.join("resumed/0/0.png");
    let time = fs::metadata(&first).unwrap().modified().unwrap();
    told(folder, &(line.join(" ") + " --jobs 3 resumed"), 1);
    assert_eq!(fs::metadata(&first).unwrap().modified().unwrap(), time, "was done twice");
    let (once, resumed) = (results(&folder.join("at-once")), results(&folder.join("resumed")));
    assert!(once.keys().eq(resumed.keys()), "other files");
    for (name, bytes) in &once {
        assert!(resumed[name] == *bytes, "{name} differs");
    }
    // Nothing to do.
    told(folder, &(line.join(" ") + " resumed"), 1);
    assert!(results(&folder.join("resumed")) == once);
}

fn three(folder: &Path) {
    for (i, name) in ["a", "b", "sub/c"].into_iter().enumerate() {
        let picture = crop(200, 100 + 60 * i as u32, 64, 48);
        for kind in ["originals", "jpegs"] {
            fs::create_dir_all(folder.join(kind).join("sub")).unwrap();
        }
        save(&picture, folder.join(format!("originals/{name}.png")));
        fs::write(folder.join(format!("jpegs/{name}.jpg")), jpeg(&picture, 20)).unwrap();
    }
}

#[test]
fn attach_then_decode_and_encode() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    three(folder);
    fs::write(folder.join("jpegs/readme.txt"), "no picture").unwrap();
    fs::write(folder.join("jpegs/alone.jpg"), jpeg(&crop(0, 0, 64, 48), 20)).unwrap();
    let said = told(folder, "batch attach --steps 2 originals jpegs with", 1);
    assert!(said.contains("3 ok") && said.contains("1 failed"), "{said}");
    assert!(said.contains("1 other files passed over"), "{said}");
    assert!(said.contains("failed: alone.jpg: no original originals/alone"), "{said}");
    told(folder, "info with/sub/c.jpg", 0);
    let rows = rows(&folder.join("with"));
    assert_eq!(rows.len(), 4);
    assert_eq!((&rows[0]["input"], &rows[0]["status"]), (&"a.jpg".into(), &"ok".into()));
    assert!(rows[0]["psnr_y_sent"].as_f64() > rows[0]["psnr_y_jpeg"].as_f64());
    let csv = fs::read_to_string(folder.join("with/sidelight-results.csv")).unwrap();
    assert_eq!(csv.lines().count(), 5, "{csv}");
    // A failed one is tried again.
    save(&crop(0, 0, 64, 48), folder.join("originals/alone.png"));
    told(folder, "batch attach --steps 2 originals jpegs with", 0);

    told(folder, "batch decode with better", 0);
    assert!(folder.join("better/sub/c.png").is_file());
    let said = told(folder, "batch decode jpegs plain", 3);
    assert!(said.contains("4 unfiltered"), "{said}");
    told(folder, "batch encode --no-update --quality 30 originals new", 0);
    told(folder, "info new/a.jpg", 0);
}

#[test]
fn nothing_whole_is_overwritten() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    three(folder);
    fs::create_dir(folder.join("out")).unwrap();
    fs::write(folder.join("out/a.png"), "mine").unwrap();
    let said = told(folder, "batch decode --mode base jpegs out", 1);
    assert!(said.contains("not of this batch"), "{said}");
    assert_eq!(fs::read(folder.join("out/a.png")).unwrap(), b"mine");
    // Other settings are another batch.
    let said = told(folder, "batch decode --mode off jpegs out", 1);
    assert!(said.contains("other settings"), "{said}");
    assert!(told(folder, "batch decode jpegs jpegs", 1).contains("one folder"));
    assert!(told(folder, "batch decode nowhere out2", 1).contains("nowhere"));
    assert!(said.contains("mode \"base\", now \"off\"") && said.contains(JOURNAL), "{said}");
    // What was changed stays.
    let b = fs::read(folder.join("out/b.png")).unwrap();
    let edited = [&b[..b.len() - 1], b"!"].concat();
    fs::write(folder.join("out/b.png"), &edited).unwrap();
    let said = told(folder, "batch decode --mode base jpegs out", 1);
    assert!(said.contains("b.png was changed since: move it away"), "{said}");
    assert_eq!(fs::read(folder.join("out/b.png")).unwrap(), edited);
    // What is lost or empty is done again; so is what has a new source.
    fs::write(folder.join("out/b.png"), "").unwrap();
    fs::remove_file(folder.join("out/sub/c.png")).unwrap();
    told(folder, "batch decode --mode base jpegs out", 1);
    assert_eq!(fs::read(folder.join("out/b.png")).unwrap(), b);
    assert!(folder.join("out/sub/c.png").is_file());
    fs::write(folder.join("jpegs/b.jpg"), jpeg(&crop(0, 0, 64, 48), 20)).unwrap();
    told(folder, "batch decode --mode base jpegs out", 1);
    assert_ne!(fs::read(folder.join("out/b.png")).unwrap(), b);
}

#[test]
fn names_that_differ_in_their_ending_keep_it() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    fs::create_dir(folder.join("in")).unwrap();
    for (i, name) in ["a.jpg", "a.jpeg", "b.JPG"].into_iter().enumerate() {
        let picture = crop(40 * i as u32, 0, 40, 24);
        fs::write(folder.join("in").join(name), jpeg(&picture, 20)).unwrap();
    }
    told(folder, "batch decode --mode base in out", 0);
    for name in ["a.jpg.png", "a.jpeg.png", "b.png"] {
        assert!(folder.join("out").join(name).is_file(), "{name}");
    }
}

#[test]
fn two_at_a_time_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    three(folder);
    told(folder, "batch decode --mode base jpegs out", 0);
    let journal = fs::File::open(folder.join("out/.sidelight-batch.jsonl")).unwrap();
    journal.lock().unwrap();
    let said = told(folder, "batch decode --mode base jpegs out", 1);
    assert!(said.contains("another batch"), "{said}");
    drop(journal);
    told(folder, "batch decode --mode base jpegs out", 0);
}

#[test]
fn output_names_are_of_one_picture_each() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    fs::create_dir(folder.join("in")).unwrap();
    for (i, name) in ["a.jpg", "a.jpeg", "a.jpg.jpg", "b.jpg.jpg"].into_iter().enumerate() {
        fs::write(folder.join("in").join(name), jpeg(&crop(40 * i as u32, 0, 40, 24), 20)).unwrap();
    }
    told(folder, "batch decode --mode off in out", 0);
    for name in ["a.jpg.png", "a.jpeg.png", "a.jpg.jpg.png", "b.jpg.png"] {
        assert!(folder.join("out").join(name).is_file(), "{name}");
    }
    told(folder, "batch decode --mode off in out", 0);
    assert_eq!(rows(&folder.join("out")).len(), 4);
    // A time that an archive has cut is no change; another one is.
    let path = folder.join("out/b.jpg.png");
    let written = fs::metadata(&path).unwrap().modified().unwrap();
    let seconds = written.duration_since(UNIX_EPOCH).unwrap().as_secs();
    for (seconds, status) in [(seconds, 0), (seconds + 60, 1)] {
        let file = fs::File::options().append(true).open(&path).unwrap();
        file.set_modified(UNIX_EPOCH + Duration::from_secs(seconds)).unwrap();
        told(folder, "batch decode --mode off in out", status);
    }
}

/// A limit on the size of files stands for the disk, and cuts the journal in a line.
#[test]
fn a_full_disk_costs_no_more_than_what_it_has_no_room_for() {
    const PICTURES: usize = 30;
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    fs::create_dir(folder.join("in")).unwrap();
    for i in 0..PICTURES {
        let file = jpeg(&crop(20 * i as u32, 0, 16, 16), 20);
        fs::write(folder.join(format!("in/{i}.jpg")), file).unwrap();
    }
    let line = "trap '' XFSZ; ulimit -f 8; exec \"$0\" batch decode --mode off in out";
    let output = std::process::Command::new("sh")
        .args(["-c", line, env!("CARGO_BIN_EXE_sidelight")])
        .current_dir(folder)
        .output()
        .unwrap();
    let said = String::from_utf8([output.stdout, output.stderr].concat()).unwrap();
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains("failed: ") && said.contains("30 pictures: "), "{said}");
    let journal = fs::read(folder.join("out").join(JOURNAL)).unwrap();
    assert!(journal.len() > 2048 && journal.ends_with(b"\n"), "{}", journal.len());
    let done = fs::read_dir(folder.join("out")).unwrap().count() - 1;
    assert!((1..PICTURES).contains(&done), "{done}");
    told(folder, "batch decode --mode off in out", 0);

    // A line that can't be read is of a picture that is not known to be done.
    let journal = fs::read_to_string(folder.join("out").join(JOURNAL)).unwrap();
    let journal = journal.replacen("{\"sources\":[[", "{\"sou", 1);
    fs::write(folder.join("out").join(JOURNAL), journal).unwrap();
    let said = told(folder, "batch decode --mode off in out", 1);
    assert!(said.contains("29 ok") && said.contains("0.png is there, and not of this"), "{said}");
    fs::remove_file(folder.join("out/0.png")).unwrap();
    told(folder, "batch decode --mode off in out", 0);
}

#[test]
fn other_folders_and_files_are_not_of_the_batch() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    three(folder);
    told(folder, "batch decode --mode off jpegs out", 0);
    fs::create_dir(folder.join("others")).unwrap();
    fs::write(folder.join("others/a.jpg"), jpeg(&crop(0, 0, 64, 48), 20)).unwrap();
    let before = tree(&folder.join("out"));
    let said = told(folder, "batch decode --mode off others out", 1);
    assert!(said.contains("input ") && said.contains("take another folder"), "{said}");
    assert!(tree(&folder.join("out")) == before);
    // The same with another folder of originals.
    told(folder, "batch attach --no-update originals jpegs with", 0);
    let said = told(folder, "batch attach --no-update jpegs jpegs with", 1);
    assert!(said.contains("originals \""), "{said}");
    // The user's own results.
    fs::create_dir(folder.join("mine")).unwrap();
    fs::write(folder.join("mine/sidelight-results.csv"), "mine").unwrap();
    let said = told(folder, "batch decode --mode off jpegs mine", 1);
    assert!(said.contains("sidelight-results.csv is there"), "{said}");
    assert_eq!(tree(&folder.join("mine")).len(), 1);
    // What others are about to write below OUT.
    let theirs = folder.join("out/sub/.sidelight-a1B2c3.part");
    fs::write(&theirs, "theirs").unwrap();
    told(folder, "batch decode --mode off jpegs out", 0);
    assert!(theirs.is_file());
}

#[test]
fn neither_the_picture_nor_what_it_becomes_is_its_original() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    for (kind, name) in [("both", "a"), ("both", "b"), ("jpegs", "c")] {
        let picture = crop(200, 100, 64, 48);
        fs::create_dir_all(folder.join(kind)).unwrap();
        fs::write(folder.join(format!("{kind}/{name}.jpg")), jpeg(&picture, 20)).unwrap();
        let originals = if kind == "both" { kind } else { "originals" };
        fs::create_dir_all(folder.join(originals)).unwrap();
        if name != "b" {
            save(&picture, folder.join(format!("{originals}/{name}.png")));
        }
    }
    let said = told(folder, "batch attach --no-update both both out", 1);
    assert!(said.contains("1 ok") && said.contains("b.jpg: no original"), "{said}");
    for _ in 0..2 {
        told(folder, "batch attach --no-update originals jpegs originals", 0);
    }
}

#[test]
fn what_is_no_folder_of_pictures() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    three(folder);
    for line in [
        "decode jpegs/a.jpg out",
        "decode nowhere out",
        "decode originals out",
        "attach nowhere jpegs out",
        "attach originals/a.png jpegs out",
    ] {
        let said = told(folder, &format!("batch {line}"), 1);
        assert_eq!(said.lines().count(), 1, "{line}: {said}");
        assert!(!folder.join("out").exists(), "{line}");
    }
    fs::create_dir(folder.join("in")).unwrap();
    std::os::unix::fs::symlink("../jpegs", folder.join("in/folder")).unwrap();
    std::os::unix::fs::symlink("nowhere", folder.join("in/dangling.jpg")).unwrap();
    let pipe = folder.join("in/pipe.jpg");
    assert!(std::process::Command::new("mkfifo").arg(pipe).status().unwrap().success());
    let said = told(folder, "batch decode --mode off in out", 1);
    assert!(said.contains("no pictures") && said.contains("3 other files"), "{said}");
    fs::copy(folder.join("jpegs/a.jpg"), folder.join("in/a.jpg")).unwrap();
    let said = told(folder, "batch decode --mode off in out", 0);
    assert!(said.contains("1 ok") && said.contains("3 other files"), "{said}");
}
