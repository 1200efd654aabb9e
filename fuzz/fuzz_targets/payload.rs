//! Payloads: byte 0 of the input says what is done to the rest before it is read.
#![no_main]

use libfuzzer_sys::fuzz_target;
use sidelight_fuzz::hostile::{embedded, payload, seal_payload, update_body, BINDING};
use sidelight_fuzz::Input;

fuzz_target!(|data: &[u8]| {
    let mut input = Input(data);
    match input.below(4) {
        0 => payload(input.rest()),
        // A body alone.
        1 => {
            let models = embedded();
            let model = models[input.below(models.len())];
            update_body(input.rest(), model);
        }
        _ => {
            let mut bytes = input.rest().to_vec();
            seal_payload(&mut bytes, BINDING);
            payload(&bytes);
        }
    }
});
