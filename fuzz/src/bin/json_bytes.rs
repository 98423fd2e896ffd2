//! Drives [`fuzz::target::json_bytes`].
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| fuzz::target::json_bytes(input));
