//! OTLP/JSON against the protobuf of the same data.

use otlp::json::{signal_of, transcode};
use otlp::{Signal, Summary, count};

use crate::generate::{Doubles, Random};
use crate::protobuf::{request, walk};
use crate::spelling::respell;

/// A request that a generator makes, as serde writes it.
#[must_use]
pub fn as_json(signal: Signal, random: &mut Random<'_>) -> String {
    match signal {
        Signal::Traces => serde_json::to_string(&random.traces()),
        Signal::Metrics => serde_json::to_string(&random.metrics()),
        Signal::Logs => serde_json::to_string(&random.logs()),
    }
    .expect("requests can be written")
}

/// Whatever can be said in both is read the same: from protobuf, from JSON as serde writes it, and
/// from another spelling of it. `random` begins anew with each call.
pub fn same_as_protobuf<'a>(signal: Signal, doubles: Doubles, random: impl Fn() -> Random<'a>) {
    let expected = walk(signal, &request(signal, &mut random())).expect("prost has written it");
    let mut drawn = random();
    let json = as_json(signal, &mut drawn);
    let mut texts = vec![json.clone()];
    // serde_json does not read every double to the bit.
    if doubles == Doubles::Short {
        let value = serde_json::from_str(&json).expect("serde has written it");
        texts.push(respell(&value, &mut drawn));
    }
    let mut bytes = Vec::new();
    for json in texts {
        if let Err(error) = transcode(signal, json.as_bytes(), &mut bytes) {
            panic!("{error} in {json}");
        }
        let (summary, values) = walk(signal, &bytes).expect("the transcoder has written it");
        let why = summary.rejected.as_message();
        assert_eq!(summary.items, expected.0.items, "{why}: {json}");
        let reasons = |summary: &Summary| summary.rejected.iter().collect::<Vec<_>>();
        assert_eq!(reasons(&summary), reasons(&expected.0), "{json}");
        assert!(values == expected.1, "other values from {json}");
    }
}

/// What is taken for JSON is JSON, and what is made of it can be read.
pub fn arbitrary(signal: Signal, json: &[u8], out: &mut Vec<u8>) {
    let _ = signal_of(json);
    match transcode(signal, json, out) {
        Ok(()) => {
            if let Err(error) = serde_json::from_slice::<serde_json::Value>(json) {
                assert!(is_beyond_serde(&error), "{error}");
            }
            let (summary, _) = walk(signal, out).expect("the transcoder has written it");
            let items = count(signal, out).expect("the transcoder has written it");
            assert_eq!(summary.items + summary.rejected.total(), items);
        }
        Err(_) => assert!(out.is_empty()),
    }
}

/// serde_json refuses what JavaScript writes of a string cut in the middle of a pair, numbers
/// beyond doubles and deep nesting in fields that nobody reads.
fn is_beyond_serde(error: &serde_json::Error) -> bool {
    let message = error.to_string();
    let beyond = ["surrogate", "hex escape", "number out of range", "recursion limit"];
    beyond.iter().any(|text| message.contains(text))
}
