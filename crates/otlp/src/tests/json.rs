//! JSON against the protobuf of the same data.

use proptest::prelude::*;

use super::generate::{Doubles, Random};
use super::wire::{SIGNALS, request, walk};
use crate::json::{signal_of, transcode};
use crate::{Signal, Summary, count};

fn as_json(signal: Signal, random: &mut Random) -> String {
    match signal {
        Signal::Traces => serde_json::to_string(&random.traces()),
        Signal::Metrics => serde_json::to_string(&random.metrics()),
        Signal::Logs => serde_json::to_string(&random.logs()),
    }
    .unwrap()
}

/// White space and the order of names mean nothing in JSON.
fn reordered(json: &str) -> String {
    // serde_json sorts the names of its maps.
    let value: serde_json::Value = serde_json::from_str(json).unwrap();
    serde_json::to_string_pretty(&value).unwrap()
}

fn same_as_protobuf(signal: Signal, seed: u64, doubles: Doubles) {
    let random = || Random::with_doubles(seed, doubles);
    let expected = walk(signal, &request(signal, &mut random())).unwrap();
    let json = as_json(signal, &mut random());
    let mut texts = vec![json.clone()];
    if doubles == Doubles::Short {
        texts.push(reordered(&json));
    }
    let mut bytes = Vec::new();
    for json in texts {
        transcode(signal, json.as_bytes(), &mut bytes).unwrap();
        let (summary, values) = walk(signal, &bytes).unwrap();
        assert_eq!(summary.items, expected.0.items);
        let reasons = |summary: &Summary| summary.rejected.iter().collect::<Vec<_>>();
        assert_eq!(reasons(&summary), reasons(&expected.0));
        assert!(values == expected.1, "other values from {json}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn reads_from_json_what_it_reads_from_protobuf(seed: u64) {
        for signal in SIGNALS {
            same_as_protobuf(signal, seed, Doubles::Any);
            same_as_protobuf(signal, seed, Doubles::Short);
        }
    }

    #[test]
    fn survives_cut_and_changed_json(seed: u64) {
        let mut random = Random::new(seed ^ 3);
        let mut out = Vec::new();
        for signal in SIGNALS {
            let json = as_json(signal, &mut Random::new(seed)).into_bytes();
            for _ in 0..20 {
                let mut json = json.clone();
                let at = random.below(json.len());
                if random.one_in(2) {
                    json.truncate(at);
                } else {
                    json[at] = b"\"{}[]:,\\01-.eEntfu\x00\xff "[random.below(21)];
                }
                let _ = signal_of(&json);
                let parsed = serde_json::from_slice::<serde_json::Value>(&json);
                match transcode(signal, &json, &mut out) {
                    Ok(()) => {
                        // What is taken for JSON is JSON, and what is written can be read.
                        prop_assert!(parsed.is_ok() || lone_surrogate(&parsed));
                        let (summary, _) = walk(signal, &out).unwrap();
                        let items = count(signal, &out).unwrap();
                        prop_assert_eq!(summary.items + summary.rejected.total(), items);
                    }
                    Err(_) => prop_assert!(out.is_empty()),
                }
            }
        }
    }

    #[test]
    fn reads_arbitrary_text_without_panic(text in "[\\[\\]{}:,\"a-f0-9\\\\u. \n-]{0,60}") {
        let mut out = Vec::new();
        for signal in SIGNALS {
            let _ = transcode(signal, text.as_bytes(), &mut out);
        }
        let _ = signal_of(text.as_bytes());
    }
}

/// serde_json refuses what JavaScript writes of a string cut in the middle of a pair, and numbers
/// beyond doubles in fields that nobody reads.
fn lone_surrogate(parsed: &serde_json::Result<serde_json::Value>) -> bool {
    let message = parsed.as_ref().unwrap_err().to_string();
    ["surrogate", "hex escape", "number out of range"].iter().any(|text| message.contains(text))
}

#[test]
fn tells_the_signal_of_a_line() {
    for (signal, json) in SIGNALS.map(|signal| (signal, as_json(signal, &mut Random::new(5)))) {
        assert_eq!(signal_of(json.as_bytes()), Some(signal));
    }
    let after =
        br#" { "x" : [ {"resourceLogs":1} , null ] , "resourceMetrics" : [] , "resourceSpans":1}"#;
    assert_eq!(signal_of(after), Some(Signal::Metrics));
    for none in [&b"{}"[..], b"", b"[]", b"{\"x\":1}", b"{\"x\":", b"{\"x\"", b"nothing"] {
        assert_eq!(signal_of(none), None);
    }
}

#[test]
fn one_buffer_serves_request_after_request() {
    let mut reused = Vec::new();
    for seed in 0..20 {
        let json = as_json(Signal::Traces, &mut Random::new(seed));
        transcode(Signal::Traces, json.as_bytes(), &mut reused).unwrap();
        let mut fresh = Vec::new();
        transcode(Signal::Traces, json.as_bytes(), &mut fresh).unwrap();
        assert_eq!(reused, fresh);
    }
}
