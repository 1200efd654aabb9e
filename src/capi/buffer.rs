use super::types::SidelightBuffer;

/// Frees the bytes of a buffer that the library filled, and clears it. NULL and cleared buffers are
/// fine.
#[no_mangle]
pub unsafe extern "C" fn sidelight_buffer_unref(buffer: *mut SidelightBuffer) {
    todo!()
}
