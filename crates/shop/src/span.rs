//! Spans as the SDKs' instrumentations make them, by the semantic conventions.

use opentelemetry_proto::tonic::common::v1::KeyValue;
use opentelemetry_proto::tonic::trace::v1::span::{Event, Link, SpanKind};
use opentelemetry_proto::tonic::trace::v1::status::StatusCode;
use opentelemetry_proto::tonic::trace::v1::{Span, Status};

use crate::attribute::{integer, text};
use crate::failure::{Answer, Failure, Reply, grpc};
use crate::topology::{Operation, Partner, ServiceSpec, Statement, Transport};

/// W3C sampled flag, and "it is known whether the parent is remote".
const FLAGS_LOCAL_PARENT: u32 = 0x101;
/// The same with a remote parent.
const FLAGS_REMOTE_PARENT: u32 = 0x301;

/// What identifies a span and when it ran.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Frame {
    pub(crate) trace_id: [u8; 16],
    pub(crate) span_id: [u8; 8],
    pub(crate) parent: Option<[u8; 8]>,
    pub(crate) start_ns: u64,
    pub(crate) end_ns: u64,
}

/// A call of a service as its client or server sees it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Call<'a> {
    pub(crate) spec: &'static ServiceSpec,
    pub(crate) operation: &'static Operation,
    /// Path with its parameters filled in.
    pub(crate) path: &'a str,
    pub(crate) reply: &'a Reply,
}

/// The span of the side that serves.
pub(crate) fn server(frame: Frame, call: Call<'_>) -> Span {
    let mut span = match call.operation.transport {
        Transport::Http => http_server(frame, call),
        Transport::Grpc => rpc(frame, SpanKind::Server, call),
        Transport::Consumer => consumer(frame, call),
    };
    if let Reply::Failed(failure) = call.reply {
        let error_type = match call.operation.transport {
            Transport::Http => failure.http.to_string(),
            Transport::Grpc => grpc::name(failure.grpc).to_owned(),
            Transport::Consumer => failure.exception.to_owned(),
        };
        span.attributes.push(text("error.type", error_type));
        span.status = Some(error_status(&failure.message));
        span.events.push(exception(frame.end_ns, failure));
    }
    span
}

/// The span of the side that calls a service.
pub(crate) fn client(frame: Frame, call: Call<'_>) -> Span {
    match call.operation.transport {
        Transport::Http => http_client(frame, call),
        Transport::Grpc | Transport::Consumer => rpc_client(frame, call),
    }
}

fn http_server(frame: Frame, Call { spec, operation, path, reply }: Call<'_>) -> Span {
    let (method, route) = operation.parts();
    let attributes = vec![
        text("http.request.method", method),
        text("http.route", route),
        text("url.path", path),
        text("url.scheme", "http"),
        text("server.address", spec.address()),
        integer("server.port", spec.port),
        text("network.protocol.version", "1.1"),
        integer("http.response.status_code", http_status(reply)),
    ];
    span(frame, SpanKind::Server, operation.name, attributes)
}

fn http_client(frame: Frame, Call { spec, operation, path, reply }: Call<'_>) -> Span {
    let (method, route) = operation.parts();
    let address = spec.address();
    let mut attributes = vec![
        text("http.request.method", method),
        text("url.full", format!("http://{address}:{}{path}", spec.port)),
        text("url.template", route),
        text("server.address", address),
        integer("server.port", spec.port),
    ];
    let mut status = None;
    match reply {
        Reply::Good => attributes.push(integer("http.response.status_code", 200)),
        Reply::NotFound => {
            attributes.push(integer("http.response.status_code", 404));
            attributes.push(text("error.type", "404"));
            status = Some(error_status(""));
        }
        Reply::Failed(failure) => {
            if let Answer::Nothing(error_type) = failure.answer {
                attributes.push(text("error.type", error_type));
                status = Some(error_status(&failure.message));
            } else {
                attributes.push(integer("http.response.status_code", failure.http));
                attributes.push(text("error.type", failure.http.to_string()));
                status = Some(error_status(""));
            }
        }
    }
    Span { status, ..span(frame, SpanKind::Client, method, attributes) }
}

fn rpc_client(frame: Frame, call: Call<'_>) -> Span {
    let mut span = rpc(frame, SpanKind::Client, call);
    if let Reply::Failed(failure) = call.reply {
        span.attributes.push(text("error.type", grpc::name(failure.grpc)));
        span.status = Some(error_status(&failure.message));
    }
    span
}

fn rpc(frame: Frame, kind: SpanKind, Call { spec, operation, reply, .. }: Call<'_>) -> Span {
    let (service, method) = operation.parts();
    let code = if let Reply::Failed(failure) = reply { failure.grpc } else { grpc::OK };
    let attributes = vec![
        text("rpc.system", "grpc"),
        text("rpc.service", service),
        text("rpc.method", method),
        integer("rpc.grpc.status_code", code),
        text("server.address", spec.address()),
        integer("server.port", spec.port),
    ];
    span(frame, kind, operation.name, attributes)
}

fn consumer(frame: Frame, Call { spec, operation, .. }: Call<'_>) -> Span {
    let mut attributes = messaging(operation.name, "process");
    attributes.push(text("messaging.consumer.group.name", spec.name));
    let name = format!("process {}", operation.name);
    let mut span = span(frame, SpanKind::Consumer, &name, attributes);
    let producer = frame.parent.map(|parent| Link {
        trace_id: frame.trace_id.to_vec(),
        span_id: parent.to_vec(),
        flags: FLAGS_REMOTE_PARENT,
        ..Link::default()
    });
    span.links.extend(producer);
    span
}

/// The span of a message that is sent.
pub(crate) fn producer(frame: Frame, topic: &str, failure: Option<&Failure>) -> Span {
    let attributes = messaging(topic, "send");
    let span = span(frame, SpanKind::Producer, &format!("send {topic}"), attributes);
    failed_at_peer(span, failure)
}

fn messaging(topic: &str, operation: &str) -> Vec<KeyValue> {
    vec![
        text("messaging.system", "kafka"),
        text("messaging.destination.name", topic),
        text("messaging.operation.name", operation),
        text("messaging.operation.type", operation),
        text("server.address", "kafka.shop.svc"),
        integer("server.port", 9092),
    ]
}

/// The span of a statement at a database.
pub(crate) fn statement(frame: Frame, statement: &Statement, failure: Option<&Failure>) -> Span {
    let database = statement.database;
    let mut attributes = vec![
        text("db.system.name", database.system),
        text("db.namespace", database.namespace),
        text("db.operation.name", statement.operation),
        text("db.query.summary", statement.summary),
        text("db.query.text", statement.text),
        text("server.address", database.address),
        integer("server.port", database.port),
    ];
    attributes.extend(statement.collection.map(|name| text("db.collection.name", name)));
    if let Some(Failure { answer: Answer::Status(status), .. }) = failure {
        attributes.push(text("db.response.status_code", *status));
    }
    failed_at_peer(span(frame, SpanKind::Client, statement.summary, attributes), failure)
}

/// The span of a call to a partner.
pub(crate) fn partner(frame: Frame, partner: &Partner, failure: Option<&Failure>) -> Span {
    let mut attributes = vec![
        text("http.request.method", "POST"),
        text("url.full", format!("https://{}{}", partner.address, partner.path)),
        text("server.address", partner.address),
        integer("server.port", 443),
    ];
    let status = match failure {
        None => Some(200),
        Some(Failure { answer: Answer::Status(status), .. }) => status.parse().ok(),
        Some(_) => None,
    };
    attributes.extend(status.map(|status: i64| integer("http.response.status_code", status)));
    failed_at_peer(span(frame, SpanKind::Client, "POST", attributes), failure)
}

/// A root span of work inside a pod.
pub(crate) fn internal(frame: Frame, name: &str, attributes: Vec<KeyValue>) -> Span {
    span(frame, SpanKind::Internal, name, attributes)
}

fn failed_at_peer(mut span: Span, failure: Option<&Failure>) -> Span {
    if let Some(failure) = failure {
        let error_type = match failure.answer {
            Answer::Status(name) | Answer::Nothing(name) => name,
            Answer::Error => failure.exception,
        };
        span.attributes.push(text("error.type", error_type));
        span.status = Some(error_status(&failure.message));
    }
    span
}

/// HTTP status that a server answers with.
pub(crate) fn http_status(reply: &Reply) -> u16 {
    match reply {
        Reply::Good => 200,
        Reply::NotFound => 404,
        Reply::Failed(failure) => failure.http,
    }
}

fn span(frame: Frame, kind: SpanKind, name: &str, attributes: Vec<KeyValue>) -> Span {
    let remote = matches!(kind, SpanKind::Server | SpanKind::Consumer) && frame.parent.is_some();
    Span {
        trace_id: frame.trace_id.to_vec(),
        span_id: frame.span_id.to_vec(),
        parent_span_id: frame.parent.map(|id| id.to_vec()).unwrap_or_default(),
        flags: if remote { FLAGS_REMOTE_PARENT } else { FLAGS_LOCAL_PARENT },
        name: name.to_owned(),
        kind: kind.into(),
        start_time_unix_nano: frame.start_ns,
        end_time_unix_nano: frame.end_ns,
        attributes,
        ..Span::default()
    }
}

fn error_status(message: &str) -> Status {
    Status { message: message.to_owned(), code: StatusCode::Error.into() }
}

fn exception(time_ns: u64, failure: &Failure) -> Event {
    Event {
        time_unix_nano: time_ns,
        name: "exception".to_owned(),
        attributes: vec![
            text("exception.type", failure.exception),
            text("exception.message", failure.message.as_str()),
        ],
        dropped_attributes_count: 0,
    }
}
