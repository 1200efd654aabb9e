//! JPEG files: one byte of length, a payload of that length, the file.
#![no_main]

use libfuzzer_sys::fuzz_target;
use sidelight_fuzz::hostile::jpeg;
use sidelight_fuzz::Input;

fuzz_target!(|data: &[u8]| {
    let mut input = Input(data);
    let len = usize::from(input.byte());
    let payload = input.piece(len);
    let file = input.rest();
    jpeg(file, payload);
    // About what a segment holds, or more.
    if len == 255 {
        jpeg(file, &payload.repeat(257));
    }
});
