//! SVG as a program may send it.

#![no_main]

mod console;

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| console::show("image/svg+xml", [bytes]));
