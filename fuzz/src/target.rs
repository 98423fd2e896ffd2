//! The fuzz targets, as functions of what a fuzzer makes: `cargo xtask fuzz` drives them, and a
//! test goes through the corpus with them.

use crate::generate::{Doubles, Random};
use crate::json;
use crate::protobuf::{SIGNALS, compare, request};
use crate::{hostile, protobuf};

/// A target's name and what it does with an input.
pub type Target = (&'static str, fn(&[u8]));

/// Every target.
pub const ALL: [Target; 4] =
    [("bytes", bytes), ("rewritten", rewritten), ("json", spelt), ("json-bytes", json_bytes)];

/// Arbitrary bytes as requests of each signal, whole and as a single item: what prost accepts is
/// accepted with the same values.
pub fn bytes(input: &[u8]) {
    for signal in SIGNALS {
        let _ = compare(signal, input);
        let _ = compare(signal, &protobuf::wrapped(input));
    }
}

/// A generated request in another encoding that means the same, then with one byte changed.
pub fn rewritten(input: &[u8]) {
    for signal in SIGNALS {
        let mut random = Random::from_bytes(input, Doubles::Any);
        let plain = request(signal, &mut random);
        let mut bytes = hostile::request(&mut random, signal, &plain);
        assert!(compare(signal, &bytes), "rewriting keeps a request valid");
        if !bytes.is_empty() {
            let at = random.below(bytes.len());
            bytes[at] = random.draw() as u8;
            let _ = compare(signal, &bytes);
        }
    }
}

/// A generated request as JSON in two spellings.
pub fn spelt(input: &[u8]) {
    for signal in SIGNALS {
        for doubles in [Doubles::Any, Doubles::Short] {
            json::same_as_protobuf(signal, doubles, || Random::from_bytes(input, doubles));
        }
    }
}

/// Arbitrary bytes as JSON.
pub fn json_bytes(input: &[u8]) {
    let mut out = Vec::new();
    for signal in SIGNALS {
        json::arbitrary(signal, input, &mut out);
    }
}
