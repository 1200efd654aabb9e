//! Regenerates `include/sidelight.h` from `src/capi`, and names the shared library.

use std::{env, fs, path::PathBuf};

/// The library's own stands in src/carriage/nal; tests/header.rs compares them.
const SEI_UUID: [u8; 16] = [
    0x6f, 0xe5, 0x35, 0x31, 0x39, 0x28, 0x45, 0xb9, 0x8d, 0x14, 0x90, 0xec, 0x3b, 0x13, 0xed, 0x9f,
];

fn main() {
    println!("cargo:rerun-if-changed=src/capi");
    println!("cargo:rerun-if-changed=cbindgen.toml");
    let root = PathBuf::from(env::var_os("CARGO_MANIFEST_DIR").expect("set by cargo"));
    let out = PathBuf::from(env::var_os("OUT_DIR").expect("set by cargo"));
    let mut config = cbindgen::Config::from_root_or_default(&root);
    let number = |n: &str| env::var(format!("CARGO_PKG_VERSION_{n}")).expect("set by cargo");
    // cbindgen has no constant arrays.
    let uuid = SEI_UUID.map(|byte| format!("0x{byte:02x}"));
    let uuid = format!("\n  {},\n  {},\n", uuid[..8].join(", "), uuid[8..].join(", "));
    config.after_includes = Some(format!(
        "\n#define SIDELIGHT_VERSION_MAJOR {}\n#define SIDELIGHT_VERSION_MINOR {}\n\
         #define SIDELIGHT_VERSION_PATCH {}\n\n\
         /// What sidelight_version() returns for this header.\n\
         #define SIDELIGHT_VERSION \\\n  (SIDELIGHT_VERSION_MAJOR << 16 | SIDELIGHT_VERSION_MINOR << 8 | \
         SIDELIGHT_VERSION_PATCH)\n\n\
         /// The UUID that SEI messages with a payload begin with.\n\
         static const uint8_t SIDELIGHT_SEI_UUID[16] = {{{uuid}}};",
        number("MAJOR"),
        number("MINOR"),
        number("PATCH")
    ));
    name_shared_library(&number("MAJOR"), &number("MINOR"), &number("PATCH"));
    // With the feature `torch` alone: what is linked here finds libtorch where it lay at the build.
    if let Ok(folder) = env::var("DEP_TCH_LIBTORCH_LIB") {
        println!("cargo:rustc-link-arg=-Wl,-rpath,{folder}");
    }
    let mut builder = cbindgen::Builder::new().with_config(config);
    for noun in [
        "types", "library", "buffer", "jpeg", "stream", "payload", "optimise", "encoder", "decoder",
    ] {
        builder = builder.with_src(root.join(format!("src/capi/{noun}.rs")));
    }
    let mut text = Vec::new();
    builder.generate().expect("src/capi is valid input for cbindgen").write(&mut text);
    // The committed header is compared with this file by tests/header.rs.
    fs::write(out.join("sidelight.h"), &text).expect("OUT_DIR is writable");
}

/// Gives the shared library the name that programs ask for at run time. It changes whenever the ABI
/// may: with every minor version while the major one is 0, then with the major one. So does
/// cargo-c.
///
/// There is no version script of ours: rustc passes its own, which exports the `no_mangle`
/// functions and nothing else, and GNU ld refuses a second one beside it. packaging/test.sh looks
/// at the symbols.
fn name_shared_library(major: &str, minor: &str, patch: &str) {
    let abi = if major == "0" { format!("0.{minor}") } else { major.to_owned() };
    let arguments = match env::var("CARGO_CFG_TARGET_OS").expect("set by cargo").as_str() {
        "linux" | "freebsd" | "netbsd" | "openbsd" | "dragonfly" => {
            format!("-Wl,-soname,libsidelight.so.{abi}")
        }
        "macos" | "ios" => format!(
            "-Wl,-install_name,@rpath/libsidelight.{abi}.dylib,\
             -compatibility_version,{abi},-current_version,{major}.{minor}.{patch}"
        ),
        _ => return,
    };
    println!("cargo:rustc-cdylib-link-arg={arguments}");
}
