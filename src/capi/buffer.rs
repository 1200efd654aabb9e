//! Bytes that the library hands out.

use super::boundary::{guard, Result};
use super::types::SidelightBuffer;
use crate::util::alloc;

impl SidelightBuffer {
    /// Takes over `bytes`.
    pub(super) fn new(mut bytes: Vec<u8>) -> Result<Self> {
        if bytes.is_empty() {
            return Ok(Self { data: std::ptr::null_mut(), size: 0 });
        }
        // Of the exact size nothing is left to give back, which might fail.
        if bytes.capacity() > bytes.len() {
            bytes = alloc::try_concat(&[&bytes])?;
        }
        let size = bytes.len();
        Ok(Self { data: Box::into_raw(bytes.into_boxed_slice()).cast(), size })
    }
}

/// Frees the bytes of a buffer that the library filled, and clears it. NULL and cleared buffers are fine.
#[no_mangle]
pub unsafe extern "C" fn sidelight_buffer_unref(buffer: *mut SidelightBuffer) {
    guard("sidelight_buffer_unref", || {
        // SAFETY: NULL, or a buffer of the caller's.
        if let Some(buffer) = unsafe { buffer.as_mut() } {
            let (data, size) = (buffer.data, buffer.size);
            *buffer = SidelightBuffer { data: std::ptr::null_mut(), size: 0 };
            if !data.is_null() {
                // SAFETY: `SidelightBuffer::new` made this pointer and size from such a box.
                drop(unsafe { Box::from_raw(std::ptr::slice_from_raw_parts_mut(data, size)) });
            }
        }
        Ok(0)
    });
}
