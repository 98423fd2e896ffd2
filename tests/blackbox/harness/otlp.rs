//! Telemetry of two services, made by hand, so that a test knows which request decides.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use opentelemetry_proto::tonic::collector::logs::v1::ExportLogsServiceRequest;
use opentelemetry_proto::tonic::collector::logs::v1::logs_service_client::LogsServiceClient;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::collector::trace::v1::trace_service_client::TraceServiceClient;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::common::v1::{AnyValue, KeyValue};
use opentelemetry_proto::tonic::resource::v1::Resource;
use opentelemetry_proto::tonic::trace::v1::span::SpanKind;
use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, ScopeSpans, Span, Status};
use tonic::transport::{Channel, Endpoint};

use super::wait::RUNTIME;

const MS: u64 = 1_000_000;
const STATUS_ERROR: i32 = 2;
/// A service is judged from 30 s on; a tick more, so that the last second counts as covered.
pub(crate) const HEALTHY: Duration = Duration::from_millis(31_000);
const HEALTHY_EVERY: Duration = Duration::from_millis(500);

static IDS: AtomicU64 = AtomicU64::new(1);

/// Now, as OTLP has it.
pub(crate) fn now_ns() -> u64 {
    u64::try_from(SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_nanos()).unwrap()
}

/// An attribute that is a text.
pub(crate) fn text(key: &str, value: &str) -> KeyValue {
    attribute(key, Value::StringValue(value.to_owned()))
}

/// An attribute that is a whole number.
pub(crate) fn number(key: &str, value: i64) -> KeyValue {
    attribute(key, Value::IntValue(value))
}

fn attribute(key: &str, value: Value) -> KeyValue {
    KeyValue {
        key: key.to_owned(),
        value: Some(AnyValue { value: Some(value) }),
        ..KeyValue::default()
    }
}

/// A resource with these attributes.
pub(crate) fn resource(attributes: Vec<KeyValue>) -> Resource {
    Resource { attributes, ..Resource::default() }
}

/// Sixteen bytes that no other trace of this process has, well spread.
pub(crate) fn trace_id() -> Vec<u8> {
    let number = IDS.fetch_add(1, Ordering::Relaxed);
    [spread(number), spread(number ^ 0x5555_5555)].map(u64::to_be_bytes).concat()
}

/// Eight bytes that no other span of this process has.
pub(crate) fn span_id() -> Vec<u8> {
    spread(IDS.fetch_add(1, Ordering::Relaxed)).to_be_bytes().to_vec()
}

// The finaliser of SplitMix64, which is a bijection: no two numbers become one.
fn spread(number: u64) -> u64 {
    let mut z = number.wrapping_mul(0x9E37_79B9_7F4A_7C15);
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}

/// What becomes of the requests of a [`Shop`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// All is well.
    Fine,
    /// The callee fails, and so does the entry.
    Broken,
    /// The callee fails; the entry has a fallback, so that no user is hurt.
    Hidden,
}

/// Two services: users reach `entry`, which calls `cause`.
#[derive(Debug, Clone)]
pub(crate) struct Shop {
    pub entry: &'static str,
    pub cause: &'static str,
    /// Attributes that every span carries beside the usual ones.
    pub extra: Vec<KeyValue>,
    /// What the status of a failing span says.
    pub message: &'static str,
}

impl Shop {
    /// Storefront and payments, as the SDK clients have them.
    pub(crate) fn new() -> Self {
        Self::called("storefront", "payments")
    }

    /// The same under other names.
    pub(crate) fn called(entry: &'static str, cause: &'static str) -> Self {
        Self { entry, cause, extra: Vec::new(), message: "card network refused" }
    }

    /// `count` requests that end now, both services in one export.
    pub(crate) fn requests(&self, count: usize, outcome: Outcome) -> ExportTraceServiceRequest {
        self.requests_at(count, outcome, now_ns())
    }

    /// `count` requests, the newest of which ends at `end_ns`.
    pub(crate) fn requests_at(
        &self,
        count: usize,
        outcome: Outcome,
        end_ns: u64,
    ) -> ExportTraceServiceRequest {
        let mut entries = Vec::new();
        let mut causes = Vec::new();
        for index in 0..count {
            let [server, client, callee] = self.trace(outcome, end_ns - index as u64 * MS / 10);
            entries.extend([server, client]);
            causes.push(callee);
        }
        ExportTraceServiceRequest {
            resource_spans: vec![
                resource_spans(self.entry, entries),
                resource_spans(self.cause, causes),
            ],
        }
    }

    fn trace(&self, outcome: Outcome, end_ns: u64) -> [Span; 3] {
        let (broken, entry_hurt) = (outcome != Outcome::Fine, outcome == Outcome::Broken);
        let trace = trace_id();
        let span = |kind: SpanKind, name: &str, parent: &[u8], times: (u64, u64), code: i64| Span {
            trace_id: trace.clone(),
            span_id: span_id(),
            parent_span_id: parent.to_vec(),
            name: name.to_owned(),
            kind: kind.into(),
            start_time_unix_nano: end_ns - times.0 * MS,
            end_time_unix_nano: end_ns - times.1 * MS,
            attributes: self.attributes(code),
            status: (code >= 500)
                .then(|| Status { code: STATUS_ERROR, message: self.message.to_owned() }),
            ..Span::default()
        };
        let code = |bad: bool, code| if bad { code } else { 200 };
        let mut server =
            span(SpanKind::Server, "GET /checkout", &[], (90, 0), code(entry_hurt, 502));
        let mut client =
            span(SpanKind::Client, "POST", &server.span_id, (80, 10), code(broken, 500));
        let mut callee =
            span(SpanKind::Server, "POST /charge", &client.span_id, (70, 20), code(broken, 500));
        server.attributes.push(text("http.route", "/checkout"));
        client
            .attributes
            .extend([text("server.address", self.cause), text("peer.service", self.cause)]);
        callee.attributes.push(text("http.route", "/charge"));
        [server, client, callee]
    }

    fn attributes(&self, code: i64) -> Vec<KeyValue> {
        let mut attributes = self.extra.clone();
        attributes.push(text("http.request.method", "POST"));
        attributes.push(number("http.response.status_code", code));
        if code >= 500 {
            attributes.push(text("error.type", &code.to_string()));
        }
        attributes
    }
}

/// Spans of a service in namespace `shop`, environment `production`.
pub(crate) fn resource_spans(service: &str, spans: Vec<Span>) -> ResourceSpans {
    ResourceSpans {
        resource: Some(resource(vec![
            text("service.name", service),
            text("service.namespace", "shop"),
            text("service.version", "1.0.0"),
            text("deployment.environment.name", "production"),
        ])),
        scope_spans: vec![ScopeSpans { spans, ..ScopeSpans::default() }],
        ..ResourceSpans::default()
    }
}

/// The labels by which `/metrics` names an automatic SLO of a service of [`resource_spans`].
pub(crate) fn slo_labels(service: &str, slo: &str) -> String {
    let service = format!("shop/{service}@production");
    format!("slo=\"{service}:{slo}\",service=\"{service}\"")
}

/// An OTLP/gRPC exporter on one connection.
#[derive(Debug, Clone)]
pub(crate) struct Exporter {
    channel: Channel,
}

impl Exporter {
    /// Connects to `url` when it sends first.
    pub(crate) fn to(url: &str) -> Self {
        // The connection belongs to the runtime on which it is made.
        let _guard = RUNTIME.enter();
        Self { channel: Endpoint::from_shared(url.to_owned()).unwrap().connect_lazy() }
    }

    /// Sends spans, all of which must be taken; returns when the sending began.
    #[track_caller]
    pub(crate) fn send(&self, request: ExportTraceServiceRequest) -> Instant {
        let begun = Instant::now();
        self.try_send(request).expect("the export is taken");
        begun
    }

    /// Sends spans, which may be refused, but not in part.
    #[track_caller]
    pub(crate) fn try_send(&self, request: ExportTraceServiceRequest) -> Result<(), tonic::Status> {
        let mut client = TraceServiceClient::new(self.channel.clone());
        let answer = RUNTIME.block_on(client.export(request))?;
        assert_eq!(answer.into_inner().partial_success, None);
        Ok(())
    }

    /// Sends log records, all of which must be taken.
    #[track_caller]
    pub(crate) fn send_logs(&self, request: ExportLogsServiceRequest) {
        let mut client = LogsServiceClient::new(self.channel.clone());
        let answer = RUNTIME.block_on(client.export(request)).expect("the export is taken");
        assert_eq!(answer.into_inner().partial_success, None);
    }

    /// Lets `shops` be healthy for as long as fogbell wants to see of a new service: 20 requests a
    /// second each.
    #[track_caller]
    pub(crate) fn be_healthy(&self, shops: &[&Shop]) {
        let start = Instant::now();
        while start.elapsed() < HEALTHY {
            for shop in shops {
                self.send(shop.requests(10, Outcome::Fine));
            }
            std::thread::sleep(HEALTHY_EVERY);
        }
    }
}
