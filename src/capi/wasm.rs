//! Memory for a host that has none of its own inside the module: JavaScript, on WebAssembly. It is no part of the header.

use std::alloc::{alloc, dealloc, Layout};

/// What fits any type.
const ALIGNMENT: usize = 16;

fn layout(size: usize) -> Option<Layout> {
    Layout::from_size_align(size, ALIGNMENT).ok().filter(|_| size > 0)
}

/// Takes `size` bytes, to be given back with sidelight_wasm_free(); NULL for 0, or where they can't be had.
#[no_mangle]
pub extern "C" fn sidelight_wasm_alloc(size: usize) -> *mut u8 {
    // SAFETY: layouts are of one byte at least.
    layout(size).map_or(std::ptr::null_mut(), |layout| unsafe { alloc(layout) })
}

/// Gives back what sidelight_wasm_alloc() took for `size` bytes; NULL is fine.
#[no_mangle]
pub unsafe extern "C" fn sidelight_wasm_free(data: *mut u8, size: usize) {
    if let Some(layout) = layout(size).filter(|_| !data.is_null()) {
        // SAFETY: the caller promises that both are of one call of `sidelight_wasm_alloc`.
        unsafe { dealloc(data, layout) }
    }
}
