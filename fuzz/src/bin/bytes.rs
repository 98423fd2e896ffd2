//! Drives [`fuzz::target::bytes`].
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| fuzz::target::bytes(input));
