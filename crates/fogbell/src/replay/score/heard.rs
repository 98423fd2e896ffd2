//! What of a recording is heard: one signal, or a share of the traces.

use opentelemetry_proto::tonic::collector::logs::v1::ExportLogsServiceRequest;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use otlp::Signal;
use prost::Message;

/// FNV-1a of 64 bits (Fowler, Noll and Vo), and the finalizer of SplitMix64, since the upper bits
/// alone decide.
const FNV_OFFSET: u64 = 0xcbf2_9ce4_8422_2325;
const FNV_PRIME: u64 = 0x0000_0100_0000_01b3;
const MIX: [u64; 2] = [0xbf58_476d_1ce4_e5b9, 0x94d0_49bb_1331_11eb];

/// What is heard.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Heard {
    /// The one signal; none = all.
    pub(super) only: Option<Signal>,
    /// Share of the traces, with what is logged in them, 0..=1.
    pub(super) traces: f64,
    /// Which ones.
    pub(super) seed: u64,
}

impl Heard {
    /// All there is.
    #[cfg(test)]
    pub(super) const ALL: Self = Self { only: None, traces: 1.0, seed: 0 };

    /// What is left of a request; none where its signal is not heard. One that cannot be read stays
    /// as it is.
    pub(super) fn of(&self, signal: Signal, body: Vec<u8>) -> Option<Vec<u8>> {
        if self.only.is_some_and(|only| only != signal) {
            return None;
        }
        if self.traces >= 1.0 {
            return Some(body);
        }
        Some(match signal {
            Signal::Traces => {
                let thin = |request: &mut ExportTraceServiceRequest| {
                    let scopes = request.resource_spans.iter_mut().flat_map(|r| &mut r.scope_spans);
                    scopes.for_each(|of| of.spans.retain(|span| self.hears(&span.trace_id)));
                };
                rewritten(body, thin)
            }
            Signal::Logs => {
                let thin = |request: &mut ExportLogsServiceRequest| {
                    let scopes = request.resource_logs.iter_mut().flat_map(|r| &mut r.scope_logs);
                    scopes.for_each(|of| of.log_records.retain(|log| self.hears(&log.trace_id)));
                };
                rewritten(body, thin)
            }
            Signal::Metrics => body,
        })
    }

    /// What is of no trace is heard.
    fn hears(&self, trace_id: &[u8]) -> bool {
        let mut hash = FNV_OFFSET ^ self.seed;
        for byte in trace_id {
            hash = (hash ^ u64::from(*byte)).wrapping_mul(FNV_PRIME);
        }
        for factor in MIX {
            hash = (hash ^ (hash >> 30)).wrapping_mul(factor);
        }
        trace_id.is_empty() || ((hash >> 11) as f64) < self.traces * (1_u64 << 53) as f64
    }
}

fn rewritten<T: Message + Default>(body: Vec<u8>, edit: impl FnOnce(&mut T)) -> Vec<u8> {
    let Ok(mut request) = T::decode(body.as_slice()) else { return body };
    edit(&mut request);
    request.encode_to_vec()
}

#[cfg(test)]
mod tests {
    use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, ScopeSpans, Span};

    use super::*;

    fn heard_of(heard: &Heard, traces: u32) -> Vec<Vec<u8>> {
        let span = |of: u32| Span {
            trace_id: u128::from(of / 2 + 1).to_be_bytes().to_vec(),
            ..Span::default()
        };
        let spans: Vec<Span> = (0..traces * 2).map(span).collect();
        let scope_spans = vec![ScopeSpans { spans, ..ScopeSpans::default() }];
        let resource_spans = vec![ResourceSpans { scope_spans, ..ResourceSpans::default() }];
        let body = ExportTraceServiceRequest { resource_spans }.encode_to_vec();
        let left = heard.of(Signal::Traces, body).expect("the signal is heard");
        let left = ExportTraceServiceRequest::decode(left.as_slice()).expect("it can be read");
        let scopes = left.resource_spans.into_iter().flat_map(|resource| resource.scope_spans);
        scopes.flat_map(|scope| scope.spans).map(|span| span.trace_id).collect()
    }

    #[test]
    fn whole_traces_are_left_out_and_others_with_another_seed() {
        let half = Heard { traces: 0.5, seed: 1, ..Heard::ALL };
        let left = heard_of(&half, 1_000);
        assert!((800..1_200).contains(&left.len()), "{} of 2000", left.len());
        assert!(left.chunks(2).all(|pair| pair[0] == pair[1]), "a trace is heard whole");
        assert_eq!(left, heard_of(&half, 1_000));
        assert_ne!(left, heard_of(&Heard { seed: 2, ..half }, 1_000));
        assert_eq!(heard_of(&Heard::ALL, 10).len(), 20);
    }

    #[test]
    fn what_is_of_no_trace_or_cannot_be_read_stays() {
        let none = Heard { traces: 0.0, ..Heard::ALL };
        assert!(none.hears(&[]) && !none.hears(&[1; 16]));
        assert_eq!(none.of(Signal::Logs, vec![0xff; 3]), Some(vec![0xff; 3]));
        assert_eq!(none.of(Signal::Metrics, vec![1]), Some(vec![1]));
        let traces = Heard { only: Some(Signal::Traces), ..Heard::ALL };
        assert_eq!(traces.of(Signal::Logs, vec![1]), None);
    }
}
