# To be sourced at the root of the project: a `cargo` that builds for WebAssembly with `--target
# "$wasm_target" $wasm_std`. It is rustup's where that has the target, else Debian's, which builds std
# as well.
# shellcheck shell=sh
# Arguments of `cargo` are more than one.
# shellcheck disable=SC2034

wasm_target=${wasm_target:-wasm32-unknown-unknown}
wasm_std=
unset RUSTFLAGS CARGO_ENCODED_RUSTFLAGS
if ! rustup target list --installed 2>/dev/null | grep -qx "$wasm_target"; then
    . tests/cross/env.sh
    tests/cross/unpack.sh "$cross" lld-22 wasi-libc
    export RUSTC_BOOTSTRAP=1
    export CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_LINKER=wasm-ld-22 CARGO_TARGET_WASM32_WASIP1_LINKER=wasm-ld-22
    wasm_std=-Zbuild-std=std,panic_abort
fi
