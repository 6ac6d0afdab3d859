//! Drawings as JSON or in base64: records on one canvas, separated by a byte 0xff.

#![no_main]

mod console;

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    console::show("application/x-sorna-drawing", bytes.split(|byte| *byte == 0xff));
});
