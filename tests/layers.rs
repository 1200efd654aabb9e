//! The order of the library's modules (CONTRIBUTING.md), read off the source: arrows point down
//! only, there is no ring among the files of a folder, and nothing between a payload and pixels
//! names a floating-point type.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// From the top down; modules of one layer do not use each other.
const LAYERS: [&[&str]; 10] = [
    &["capi"],
    &["optimise"],
    &["encoder", "decoder"],
    &["adapt", "filter", "models"],
    &["train", "payload", "kernels", "codec"],
    &["network"],
    &["entropy", "carriage"],
    &["util"],
    &["picture", "cpu"],
    &["error"],
];

/// What a decode runs through.
const INTEGERS: [&str; 12] = [
    "decoder", "filter", "models", "payload", "kernels", "codec", "network", "entropy", "carriage",
    "picture", "cpu", "error",
];

/// A file's module, its path below `src/` and its code without comments and tests.
struct File {
    module: String,
    path: PathBuf,
    code: String,
}

fn files() -> Vec<File> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let (mut folders, mut files) = (vec![root.clone()], Vec::new());
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|e| e == "rs") && !path.ends_with("tests.rs") {
                let text = std::fs::read_to_string(&path).unwrap();
                let path = path.strip_prefix(&root).unwrap().to_owned();
                let first = path.components().next().unwrap().as_os_str().to_str().unwrap();
                let module = first.trim_end_matches(".rs").to_owned();
                files.push(File { module, path, code: code(&text) });
            }
        }
    }
    assert!(files.len() > 60, "{} files", files.len());
    files
}

/// The text up to its module of tests, without comments.
fn code(text: &str) -> String {
    let text = text.split("#[cfg(test)]\nmod tests {").next().unwrap();
    let lines = text.lines().map(|line| line.split("//").next().unwrap());
    lines.collect::<Vec<_>>().join("\n")
}

fn words(code: &str) -> impl Iterator<Item = &str> {
    code.split(|c: char| !(c.is_alphanumeric() || c == '_'))
}

/// The first names of all paths behind `prefix`, those in braces as well.
fn paths<'a>(code: &'a str, prefix: &'a str) -> Vec<&'a str> {
    let mut names = Vec::new();
    for (at, _) in code.match_indices(prefix) {
        // `xcrate::` and the like are other words.
        if code[..at].ends_with(|c: char| c.is_alphanumeric() || c == '_' || c == ':') {
            continue;
        }
        let rest = &code[at + prefix.len()..];
        let name = |text: &'a str| words(text).next().filter(|word| !word.is_empty());
        match rest.strip_prefix('{') {
            None => names.extend(name(rest)),
            Some(list) => {
                let mut depth = 0;
                for part in list.split_inclusive(['{', '}', ',']) {
                    if depth == 0 {
                        names.extend(name(part.trim_start()));
                    }
                    match part.chars().next_back() {
                        Some('{') => depth += 1,
                        Some('}') if depth == 0 => break,
                        Some('}') => depth -= 1,
                        _ => {}
                    }
                }
            }
        }
    }
    names
}

/// Which module each name at the crate's root comes from.
fn reexports() -> BTreeMap<String, String> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/lib.rs");
    let code = code(&std::fs::read_to_string(root).unwrap());
    let mut all = BTreeMap::new();
    for line in code.split("pub use ").skip(1) {
        let line = line.split(';').next().unwrap();
        let (module, names) = line.split_once("::").unwrap();
        for name in words(names).filter(|word| !word.is_empty()) {
            all.insert(name.to_owned(), module.to_owned());
        }
    }
    assert_eq!(all["Decoder"], "decoder");
    all
}

#[test]
fn arrows_point_down() {
    let layer = |module: &str| LAYERS.iter().position(|layer| layer.contains(&module));
    let reexports = reexports();
    let (mut arrows, mut wrong) = (BTreeSet::new(), BTreeSet::new());
    for file in files().iter().filter(|file| file.module != "lib") {
        let from = layer(&file.module).unwrap_or_else(|| panic!("{} has no layer", file.module));
        for name in paths(&file.code, "crate::") {
            let module = reexports.get(name).map_or(name, String::as_str);
            let to = layer(module).unwrap_or_else(|| panic!("crate::{name}: no layer"));
            arrows.insert((file.module.clone(), module.to_owned()));
            if from >= to && file.module != module {
                wrong.insert(format!("{} -> {name}", file.path.display()));
            }
        }
    }
    assert!(arrows.contains(&("capi".to_owned(), "decoder".to_owned())), "{arrows:?}");
    assert!(arrows.len() > 40, "{} arrows", arrows.len());
    assert!(wrong.is_empty(), "{wrong:#?}");
}

/// By `use super::…` and by the full path.
#[test]
fn files_of_a_folder_make_no_ring() {
    let mut arrows: BTreeMap<PathBuf, BTreeSet<PathBuf>> = BTreeMap::new();
    let files = files();
    let known: BTreeSet<_> = files.iter().map(|f| f.path.with_extension("")).collect();
    for file in &files {
        let Some(folder) = file.path.parent().filter(|p| !p.as_os_str().is_empty()) else {
            continue;
        };
        let full = format!("crate::{}::", folder.to_str().unwrap().replace('/', "::"));
        let names = paths(&file.code, "super::").into_iter().chain(paths(&file.code, &full));
        let own = file.path.with_extension("");
        for name in names.filter(|_| !own.ends_with("mod")) {
            let to = folder.join(name);
            if known.contains(&to) && to != own {
                arrows.entry(own.clone()).or_default().insert(to);
            }
        }
    }
    assert!(arrows.values().map(BTreeSet::len).sum::<usize>() > 40);
    for from in arrows.keys() {
        let (mut seen, mut next) = (BTreeSet::new(), vec![from]);
        while let Some(file) = next.pop() {
            for to in arrows.get(file).into_iter().flatten() {
                assert_ne!(to, from, "{} is in a ring with {}", from.display(), file.display());
                if seen.insert(to) {
                    next.push(to);
                }
            }
        }
    }
}

#[test]
fn no_floating_point_from_payload_to_pixels() {
    let mut looked_at = BTreeSet::new();
    let files = files();
    let decoding = files.iter().filter(|file| {
        INTEGERS.contains(&&*file.module) || file.path == Path::new("capi/decoder.rs")
    });
    for file in decoding {
        looked_at.insert(&*file.module);
        let found = words(&file.code).find(|word| matches!(*word, "f16" | "f32" | "f64"));
        assert_eq!(found, None, "{}", file.path.display());
    }
    assert_eq!(looked_at.len(), INTEGERS.len() + 1);
}
