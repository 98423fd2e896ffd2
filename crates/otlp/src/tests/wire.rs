//! The walk against prost.

use opentelemetry_proto::tonic::collector::logs::v1::ExportLogsServiceRequest;
use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use proptest::prelude::*;
use prost::Message as _;

use super::generate::Random;
use super::{hostile, normal, rebuild};
use crate::{Malformed, Scratch, Signal, Summary, count, logs, metrics, traces};

pub(super) const SIGNALS: [Signal; 3] = [Signal::Traces, Signal::Metrics, Signal::Logs];

/// What the walk says, with the visited values encoded again.
pub(super) fn walk(signal: Signal, bytes: &[u8]) -> Result<(Summary, Vec<u8>), Malformed> {
    let scratch = Scratch::new();
    match signal {
        Signal::Traces => {
            let mut visitor = rebuild::Traces::default();
            let result = traces(bytes, &scratch, &mut visitor);
            assert!(visitor.pending.is_empty(), "attributes of no item");
            assert!(result.is_ok() || visitor.resources.is_empty(), "visited before refusing");
            let request = ExportTraceServiceRequest { resource_spans: visitor.resources };
            let summary = result?;
            assert_eq!(visitor.discarded, item_rejections(&summary));
            Ok((summary, request.encode_to_vec()))
        }
        Signal::Metrics => {
            let mut visitor = rebuild::Metrics::default();
            let result = metrics(bytes, &scratch, &mut visitor);
            assert!(visitor.pending.is_empty(), "attributes of no item");
            assert!(result.is_ok() || visitor.resources.is_empty(), "visited before refusing");
            let request = ExportMetricsServiceRequest { resource_metrics: visitor.resources };
            Ok((result?, request.encode_to_vec()))
        }
        Signal::Logs => {
            let mut visitor = rebuild::Logs::default();
            let result = logs(bytes, &scratch, &mut visitor);
            assert!(visitor.pending.is_empty(), "attributes of no item");
            assert!(result.is_ok() || visitor.resources.is_empty(), "visited before refusing");
            let request = ExportLogsServiceRequest { resource_logs: visitor.resources };
            Ok((result?, request.encode_to_vec()))
        }
    }
}

fn item_rejections(summary: &Summary) -> u64 {
    use crate::Reason::{ResourceMalformed, ScopeMalformed};
    let rejected = &summary.rejected;
    rejected.total() - rejected.count(ResourceMalformed) - rejected.count(ScopeMalformed)
}

/// What prost says: items to be accepted, and the values encoded again.
fn oracle(signal: Signal, bytes: &[u8]) -> Option<(u64, Vec<u8>)> {
    Some(match signal {
        Signal::Traces => {
            let mut request = ExportTraceServiceRequest::decode(bytes).ok()?;
            (normal::traces(&mut request), request.encode_to_vec())
        }
        Signal::Metrics => {
            let mut request = ExportMetricsServiceRequest::decode(bytes).ok()?;
            (normal::metrics(&mut request), request.encode_to_vec())
        }
        Signal::Logs => {
            let mut request = ExportLogsServiceRequest::decode(bytes).ok()?;
            (normal::logs(&mut request), request.encode_to_vec())
        }
    })
}

pub(super) fn request(signal: Signal, random: &mut Random) -> Vec<u8> {
    match signal {
        Signal::Traces => random.traces().encode_to_vec(),
        Signal::Metrics => random.metrics().encode_to_vec(),
        Signal::Logs => random.logs().encode_to_vec(),
    }
}

/// Whatever prost accepts is visited with the same values; `count` always agrees with the visit.
/// Returns whether prost accepted.
fn compare(signal: Signal, bytes: &[u8]) -> bool {
    let walked = walk(signal, bytes);
    match (&walked, count(signal, bytes)) {
        (Ok((summary, _)), Ok(items)) => {
            assert_eq!(summary.items + summary.rejected.total(), items);
            assert_eq!(summary.rejected.as_message().is_empty(), summary.rejected.total() == 0);
        }
        (Err(walk), Err(count)) => assert_eq!(*walk, count),
        other => panic!("count and visit disagree: {other:?}"),
    }
    let Some((items, values)) = oracle(signal, bytes) else { return false };
    let (summary, walked) = walked.expect("prost accepts it");
    assert_eq!(summary.items, items);
    assert_eq!(walked, values);
    true
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn visits_what_prost_decodes(seed: u64) {
        for signal in SIGNALS {
            prop_assert!(compare(signal, &request(signal, &mut Random::new(seed))));
        }
    }

    #[test]
    fn visits_what_prost_decodes_in_every_other_encoding(seed: u64) {
        let mut random = Random::new(seed ^ 1);
        for signal in SIGNALS {
            let bytes = hostile::request(&mut random, signal, &request(signal, &mut Random::new(seed)));
            prop_assert!(compare(signal, &bytes), "the rewriting must stay valid");
        }
    }

    #[test]
    fn agrees_with_prost_after_a_flipped_byte(seed: u64) {
        let mut random = Random::new(seed ^ 2);
        for signal in SIGNALS {
            let mut bytes = request(signal, &mut Random::new(seed));
            for _ in 0..20 {
                if bytes.is_empty() {
                    break;
                }
                let at = random.below(bytes.len());
                let old = std::mem::replace(&mut bytes[at], random.next() as u8);
                compare(signal, &bytes);
                bytes[at] = old;
            }
        }
    }

    #[test]
    fn reads_arbitrary_bytes_without_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        for signal in SIGNALS {
            compare(signal, &bytes);
        }
    }

    #[test]
    fn reads_arbitrary_items_without_panic(bytes in proptest::collection::vec(any::<u8>(), 0..100)) {
        for signal in SIGNALS {
            // A well-formed envelope around garbage.
            let mut wrapped = bytes.clone();
            for key in [0x12, 0x12, 0x0a] {
                let len = wrapped.len() as u8;
                wrapped.splice(0..0, if len < 0x80 { vec![key, len] } else { vec![key, len, 1] });
            }
            compare(signal, &wrapped);
        }
    }
}

#[test]
fn survives_being_cut_at_every_byte() {
    for signal in SIGNALS {
        let mut cuts = 0;
        for seed in 0..6 {
            let mut random = Random::new(seed);
            let plain = request(signal, &mut Random::new(seed));
            let rewritten = hostile::request(&mut random, signal, &plain);
            for bytes in [plain, rewritten] {
                for len in 0..bytes.len().min(2000) {
                    compare(signal, &bytes[..len]);
                    cuts += 1;
                }
            }
        }
        assert!(cuts > 1000, "the seeds must give requests of some size, not {cuts}");
    }
}
