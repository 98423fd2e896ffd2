//! The walk against prost.

use opentelemetry_proto::tonic::collector::logs::v1::ExportLogsServiceRequest;
use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use otlp::{Malformed, Scratch, Signal, Summary, count, logs, metrics, traces};
use prost::Message as _;

use crate::generate::Random;
use crate::{normal, rebuild};

/// All of them.
pub const SIGNALS: [Signal; 3] = [Signal::Traces, Signal::Metrics, Signal::Logs];

/// What the walk says, with the visited values encoded again.
pub fn walk(signal: Signal, bytes: &[u8]) -> Result<(Summary, Vec<u8>), Malformed> {
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
    use otlp::Reason::{ResourceMalformed, ScopeMalformed};
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

/// A request that a generator makes, as prost writes it.
#[must_use]
pub fn request(signal: Signal, random: &mut Random<'_>) -> Vec<u8> {
    match signal {
        Signal::Traces => random.traces().encode_to_vec(),
        Signal::Metrics => random.metrics().encode_to_vec(),
        Signal::Logs => random.logs().encode_to_vec(),
    }
}

/// Whatever prost accepts is visited with the same values; `count` always agrees with the visit.
/// Returns whether prost accepted.
pub fn compare(signal: Signal, bytes: &[u8]) -> bool {
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

/// Bytes as the only item of the only scope of the only resource.
#[must_use]
pub fn wrapped(item: &[u8]) -> Vec<u8> {
    let mut bytes = item.to_vec();
    for key in [0x12, 0x12, 0x0a] {
        let mut framed = vec![key];
        prost::encoding::encode_varint(bytes.len() as u64, &mut framed);
        framed.extend(bytes);
        bytes = framed;
    }
    bytes
}
