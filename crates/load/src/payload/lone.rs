//! Services that nobody calls and that call nobody: what fails in one of them is its own fault.

use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::resource::v1::Resource;
use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, ScopeSpans, Span, Status};
use prost::Message;

use super::attribute::{integer, scope, text};
use super::identity::{Ids, scatter};

const KIND_SERVER: i32 = 2;
const STATUS_ERROR: i32 = 2;
const DURATION_NS: u64 = 20_000_000;

/// Requests of such services. No two of them are equal.
#[derive(Debug)]
pub(crate) struct Lone {
    key: u64,
    calls: u64,
}

/// How all calls of a request end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    Good,
    Bad,
}

impl Lone {
    /// Equal `key`s give equal ids.
    pub(crate) const fn new(key: u64) -> Self {
        Self { key: scatter(key), calls: 0 }
    }

    /// The name of such a service.
    pub(crate) fn service(number: usize) -> String {
        format!("alone-{number:04}")
    }

    /// An uncompressed request of `spans` server spans of one service, each a trace of its own, that
    /// end at `now_unix_ns`.
    pub(crate) fn request(
        &mut self,
        service: usize,
        spans: usize,
        verdict: Verdict,
        now_unix_ns: u64,
    ) -> Vec<u8> {
        let spans = (0..spans).map(|_| self.span(verdict, now_unix_ns)).collect();
        // A zone, a node or a version that several have would be a reason to see one fault in all.
        let resource = Resource {
            attributes: vec![
                text("service.name", Self::service(service)),
                text("telemetry.sdk.language", "rust".to_owned()),
            ],
            ..Resource::default()
        };
        let scope_spans = ScopeSpans {
            scope: Some(scope("io.opentelemetry.http-server")),
            spans,
            ..ScopeSpans::default()
        };
        let resource_spans = ResourceSpans {
            resource: Some(resource),
            scope_spans: vec![scope_spans],
            ..ResourceSpans::default()
        };
        ExportTraceServiceRequest { resource_spans: vec![resource_spans] }.encode_to_vec()
    }

    fn span(&mut self, verdict: Verdict, now_unix_ns: u64) -> Span {
        let ids = Ids::of(self.key, self.calls);
        self.calls += 1;
        let (http_status, code, message) = match verdict {
            Verdict::Good => (200, 0, ""),
            Verdict::Bad => (500, STATUS_ERROR, "the disk is full"),
        };
        Span {
            trace_id: ids.trace.to_vec(),
            span_id: ids.server.to_le_bytes().to_vec(),
            name: "GET /alone".to_owned(),
            kind: KIND_SERVER,
            start_time_unix_nano: now_unix_ns.saturating_sub(DURATION_NS),
            end_time_unix_nano: now_unix_ns,
            attributes: vec![
                text("http.request.method", "GET".to_owned()),
                text("http.route", "/alone".to_owned()),
                integer("http.response.status_code", http_status),
            ],
            status: Some(Status { code, message: message.to_owned() }),
            ..Span::default()
        }
    }
}
