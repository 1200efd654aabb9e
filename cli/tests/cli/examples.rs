//! The examples of `--help`, as they stand.

use crate::make::{clips, crop, jpeg, project, save, told};
use clap::CommandFactory;
use sidelight::carriage::nal::{insert, NalCodec};
use sidelight::{Codec, CodecParams, Encoder, EncoderSettings, Layout, Pair, Picture, Plane, Rate};
use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

/// The files that examples name.
fn fill(folder: &Path) {
    for (i, name) in ["original", "originals/one", "originals/two"].into_iter().enumerate() {
        let picture = crop(240, 120 + 60 * i as u32, 32, 24);
        fs::create_dir_all(folder.join("originals")).unwrap();
        fs::create_dir_all(folder.join("jpegs")).unwrap();
        save(&picture, folder.join(name).with_extension("png"));
        let file = jpeg(&picture, 20);
        match name.rsplit_once('/') {
            None => fs::write(folder.join("old.jpg"), file).unwrap(),
            Some((_, name)) => {
                fs::write(folder.join("jpegs").join(name).with_extension("jpg"), file).unwrap();
            }
        }
    }
    told(folder, "attach --steps 2 original.png old.jpg -o photo.jpg", 0);
    told(folder, "info photo.jpg", 0);
    for name in ["one", "two"] {
        let line = format!("attach --steps 2 originals/{name}.png jpegs/{name}.jpg");
        told(folder, &line, 0);
    }
    let stream = fs::read(project("tests/data/nal/hevc.bit")).unwrap();
    fs::write(folder.join("plain.hevc"), &stream).unwrap();
    for (name, clip) in ["original.y4m", "decoded.y4m"].into_iter().zip(clips((64, 48), 4)) {
        fs::write(folder.join(name), clip).unwrap();
    }
    fs::write(folder.join("clip.hevc"), insert(NalCodec::Hevc, &stream, &payload()).unwrap())
        .unwrap();
}

/// A payload for video.
fn payload() -> Vec<u8> {
    let settings = EncoderSettings { no_update: true, threads: 1, ..Default::default() };
    let samples = [90u8; 64 * 64];
    let plane = Plane::new(&samples, 64, 64, 64).unwrap();
    let picture = Picture::new(Layout::I400, &[plane]).unwrap();
    let pair = Pair { original: picture, decoded: picture };
    let params = CodecParams { codec: Codec::Hevc { qp: [30; 3] }, binding: 1 };
    let encoder = Encoder::new(settings).unwrap();
    encoder.encode(&[pair], &params, Rate::default(), &mut |_| true).unwrap().payload
}

/// All commands and their examples.
fn examples(command: &clap::Command, name: &str, all: &mut Vec<(String, Vec<String>)>) {
    let help = command.get_after_help().map(ToString::to_string).unwrap_or_default();
    let lines = help.lines().filter_map(|line| line.strip_prefix("  "));
    let lines = lines.filter(|line| line.contains("sidelight ") && !line.starts_with(' '));
    all.push((name.into(), lines.map(ToString::to_string).collect()));
    for sub in command.get_subcommands().filter(|sub| !sub.is_hide_set()) {
        examples(sub, &format!("{name} {}", sub.get_name()), all);
    }
}

#[test]
fn examples_run_as_they_stand() {
    let mut all = Vec::new();
    examples(&sidelight_cli::args::Cli::command(), "sidelight", &mut all);
    let folder = tempfile::tempdir().unwrap();
    fill(folder.path());
    let photo = fs::read(folder.path().join("photo.jpg")).unwrap();
    let program = Path::new(env!("CARGO_BIN_EXE_sidelight")).parent().unwrap();
    let path = format!("{}:{}", program.display(), std::env::var("PATH").unwrap());
    let mut count = 0;
    for (command, lines) in &all[1..] {
        assert!(!lines.is_empty(), "{command} has no example");
        for line in lines {
            let run = Command::new("sh")
                .args(["-c", line])
                .current_dir(folder.path())
                .env("PATH", &path)
                .stdin(Stdio::null())
                .output()
                .unwrap();
            let text = String::from_utf8_lossy(&run.stderr);
            assert!(run.status.success(), "{line}: {}\n{text}", run.status);
            count += 1;
            // `strip` leaves the file plain that the next examples want with a payload.
            fs::write(folder.path().join("photo.jpg"), &photo).unwrap();
        }
    }
    assert!(count > 20, "{count} examples");
}

#[test]
fn manual_pages_and_completions_are_of_all_commands() {
    let folder = tempfile::tempdir().unwrap();
    told(folder.path(), "man pages", 0);
    for page in
        ["sidelight", "sidelight-decode", "sidelight-batch-attach", "sidelight-video-attach"]
    {
        let page = fs::read_to_string(folder.path().join(format!("pages/{page}.1"))).unwrap();
        assert!(page.contains(".SH NAME"), "{page}");
    }
    assert!(!folder.path().join("pages/sidelight-man.1").exists());
    for shell in ["bash", "zsh", "fish"] {
        let text = told(folder.path(), &format!("completions {shell}"), 0);
        assert!(text.contains("max-pixels"), "{shell}");
    }
}
