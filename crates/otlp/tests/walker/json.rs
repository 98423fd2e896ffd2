//! JSON against the protobuf of the same data.

use fuzz::generate::{Doubles, Random};
use fuzz::json::{arbitrary, as_json, same_as_protobuf};
use fuzz::protobuf::SIGNALS;
use otlp::Signal;
use otlp::json::{signal_of, transcode};
use proptest::prelude::*;

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn reads_from_json_what_it_reads_from_protobuf(seed: u64) {
        for signal in SIGNALS {
            for doubles in [Doubles::Any, Doubles::Short] {
                same_as_protobuf(signal, doubles, || Random::with_doubles(seed, doubles));
            }
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
                arbitrary(signal, &json, &mut out);
            }
        }
    }

    #[test]
    fn reads_arbitrary_text_without_panic(text in "[\\[\\]{}:,\"a-f0-9\\\\u. \n-]{0,60}") {
        let mut out = Vec::new();
        for signal in SIGNALS {
            arbitrary(signal, text.as_bytes(), &mut out);
        }
    }
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
