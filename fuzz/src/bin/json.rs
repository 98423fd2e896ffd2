//! Drives [`fuzz::target::spelt`].
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| fuzz::target::spelt(input));
