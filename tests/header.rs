//! The committed header is the generated one. `SIDELIGHT_BLESS_HEADER=1` rewrites it.

use sidelight::carriage::{jpeg, nal};
use sidelight::payload;

const GENERATED: &str = include_str!(concat!(env!("OUT_DIR"), "/sidelight.h"));

#[test]
fn committed_header_is_the_generated_one() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/include/sidelight.h");
    if std::env::var_os("SIDELIGHT_BLESS_HEADER").is_some() {
        std::fs::write(path, GENERATED).unwrap();
    }
    let committed = std::fs::read_to_string(path).unwrap();
    assert!(committed == GENERATED, "include/sidelight.h is stale: run `make header`");
}

/// What stands behind `name` in the header, up to `end`.
fn text_behind<'a>(name: &str, end: char) -> &'a str {
    let (_, behind) = GENERATED.split_once(name).expect(name);
    behind.split_once(end).expect(name).0.trim()
}

#[test]
fn constants_are_the_library_s() {
    let number = |name: &str| -> usize {
        text_behind(&format!("#define {name} "), '\n').parse().expect(name)
    };
    assert_eq!(number("SIDELIGHT_MAX_PAYLOAD"), payload::MAX_PAYLOAD);
    assert_eq!(number("SIDELIGHT_JPEG_CARRIAGE_BYTES"), jpeg::CARRIAGE_BYTES as usize);
    assert_eq!(number("SIDELIGHT_NAL_CARRIAGE_BYTES"), nal::CARRIAGE_BYTES as usize);

    let uuid = text_behind("SIDELIGHT_SEI_UUID[16] = {", '}').split(',').map(str::trim);
    let uuid: Vec<_> = uuid
        .filter(|byte| !byte.is_empty())
        .map(|byte| u8::from_str_radix(byte.strip_prefix("0x").unwrap(), 16).unwrap())
        .collect();
    assert_eq!(uuid, nal::UUID);
}
