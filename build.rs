//! Regenerates `include/sidelight.h` from `src/capi`.

use std::{env, fs, path::PathBuf};

fn main() {
    println!("cargo:rerun-if-changed=src/capi");
    println!("cargo:rerun-if-changed=cbindgen.toml");
    let root = PathBuf::from(env::var_os("CARGO_MANIFEST_DIR").expect("set by cargo"));
    let out = PathBuf::from(env::var_os("OUT_DIR").expect("set by cargo"));
    let mut config = cbindgen::Config::from_root_or_default(&root);
    let number = |n: &str| env::var(format!("CARGO_PKG_VERSION_{n}")).expect("set by cargo");
    config.after_includes = Some(format!(
        "\n#define SIDELIGHT_VERSION_MAJOR {}\n#define SIDELIGHT_VERSION_MINOR {}\n\
         #define SIDELIGHT_VERSION_PATCH {}\n",
        number("MAJOR"),
        number("MINOR"),
        number("PATCH")
    ));
    let mut builder = cbindgen::Builder::new().with_config(config);
    for noun in ["types", "library", "buffer", "jpeg", "stream", "encoder", "decoder"] {
        builder = builder.with_src(root.join(format!("src/capi/{noun}.rs")));
    }
    let mut text = Vec::new();
    builder.generate().expect("src/capi is valid input for cbindgen").write(&mut text);
    // The committed header is compared with this file by tests/header.rs.
    fs::write(out.join("sidelight.h"), &text).expect("OUT_DIR is writable");
}
