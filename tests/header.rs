//! The committed header is the generated one. `SIDELIGHT_BLESS_HEADER=1` rewrites it.

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
