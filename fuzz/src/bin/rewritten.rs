//! Drives [`fuzz::target::rewritten`].
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| fuzz::target::rewritten(input));
