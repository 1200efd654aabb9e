//! The tests that SECURITY.md names are there.

use std::fs;
use std::path::Path;

/// The `path`s: `test`s of a row's last column; a path without a folder lies beside the one before.
fn tests_of(row: &str) -> Vec<(String, String)> {
    let column = row.trim_end_matches('|').rsplit('|').next().unwrap();
    let (mut folder, mut paths, mut tests) = ("", Vec::new(), Vec::new());
    let mut follows_test = false;
    for word in column.split('`').skip(1).step_by(2) {
        let is_path = word.contains('.');
        if is_path {
            if follows_test {
                paths.clear();
            }
            let (beside, name) = word.rsplit_once('/').unwrap_or((folder, word));
            folder = beside;
            paths.push(format!("{folder}/{name}"));
        } else {
            tests.extend(paths.iter().map(|path: &String| (path.clone(), word.to_owned())));
        }
        follows_test = !is_path;
    }
    tests
}

#[test]
fn tests_that_are_named_exist() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let text = fs::read_to_string(root.join("SECURITY.md")).unwrap();
    let (_, promises) = text.split_once("## Other promises").unwrap();
    let (promises, _) = promises.split_once("`make fuzz`").unwrap();
    let rows: Vec<_> = promises.lines().filter(|line| line.starts_with("| ")).skip(1).collect();
    assert!(rows.len() > 9);
    for row in rows {
        let tests = tests_of(row);
        assert!(!tests.is_empty(), "no test: {row}");
        for (path, test) in tests {
            let source =
                fs::read_to_string(root.join(&path)).unwrap_or_else(|e| panic!("{path}: {e}"));
            assert!(source.contains(&format!(" {test}(")), "{path} has no test {test}");
        }
    }
}

#[test]
fn caps_are_tested_by_those_named() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let text = fs::read_to_string(root.join("SECURITY.md")).unwrap();
    let (_, caps) = text.split_once("| reader |").unwrap();
    let (caps, _) = caps.split_once("\n\n").unwrap();
    let source = fs::read_to_string(root.join("tests/hostile/caps.rs")).unwrap();
    for row in caps.lines().skip(2) {
        for test in row.rsplit('|').nth(1).unwrap().split('`').skip(1).step_by(2) {
            assert!(source.contains(&format!("fn {test}()")), "no test {test}");
        }
    }
}
