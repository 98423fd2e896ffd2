//! Trace requests of a shop-like system, built with prost ahead of the run.
//!
//! Each service calls the next one in a ring. A request of a service holds, alternating, server
//! spans (it is called) and client spans (it calls); the other half of each pair is in a request
//! of its neighbour. A trace is one pair; the client span is the root.

use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::KeyValue;
use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, ScopeSpans, Span, Status};

use crate::payload::attribute::{SCHEMA_URL, integer, resource, scope, service_name, text};
use crate::payload::{Shape, Variant, attribute};

const KIND_SERVER: i32 = 2;
const KIND_CLIENT: i32 = 3;
const STATUS_ERROR: i32 = 2;
/// Sampled, as an SDK sends it.
const FLAGS: u32 = 0x101;
/// What the call itself adds to the server's time.
const NETWORK_NS: u32 = 800_000;

/// How long the spans of a pair take, in nanoseconds: 2 to 130 ms for a server.
pub(super) fn duration_ns(shape: &Shape, service: usize, span: usize) -> u32 {
    let (caller, pair) = pair(shape, service, span);
    let scatter = (caller * 7919 + pair * 104_729) % 128;
    let server_ns = 2_000_000 + scatter as u32 * 1_000_000;
    if is_server(span) { server_ns } else { server_ns + NETWORK_NS }
}

/// Server spans alternate with client spans.
pub(super) const fn is_server(span: usize) -> bool {
    span.is_multiple_of(2)
}

/// Which service calls, and which of its calls this is.
pub(super) const fn pair(shape: &Shape, service: usize, span: usize) -> (usize, usize) {
    let previous = (service + shape.services - 1) % shape.services;
    (if is_server(span) { previous } else { service }, span / 2)
}

pub(super) fn request(
    shape: &Shape,
    service: usize,
    variant: Variant,
) -> ExportTraceServiceRequest {
    let spans = (0..shape.batch).map(|span| self::span(shape, service, variant, span)).collect();
    ExportTraceServiceRequest {
        resource_spans: vec![ResourceSpans {
            resource: Some(resource(service, 0)),
            scope_spans: vec![ScopeSpans {
                scope: Some(scope("io.opentelemetry.http-server")),
                spans,
                schema_url: String::new(),
            }],
            schema_url: SCHEMA_URL.to_owned(),
        }],
    }
}

fn span(shape: &Shape, service: usize, variant: Variant, span: usize) -> Span {
    let (caller, pair) = pair(shape, service, span);
    let callee = (caller + 1) % shape.services;
    // Variants of one service go through its routes in turn.
    let route = (variant.number() * (shape.batch / 2) + pair) % shape.routes;
    // Another route fails for each caller.
    let failed = matches!(variant, Variant::Faulty) && pair == caller % (shape.batch / 2);
    let status_code = if failed { 500 } else { 200 };
    let (kind, name, attributes) = if is_server(span) {
        (
            KIND_SERVER,
            format!("GET {}", attribute::route(route)),
            server_attributes(callee, route, status_code),
        )
    } else {
        (KIND_CLIENT, "GET".to_owned(), client_attributes(callee, route, status_code))
    };
    // Ids and times are stamped on each copy; any value of the right length holds their place.
    Span {
        trace_id: vec![1; 16],
        span_id: vec![1; 8],
        parent_span_id: if is_server(span) { vec![1; 8] } else { Vec::new() },
        flags: FLAGS,
        name,
        kind,
        start_time_unix_nano: 1,
        end_time_unix_nano: 1,
        attributes,
        status: Some(Status {
            code: if failed { STATUS_ERROR } else { 0 },
            message: if failed { "upstream connect error".to_owned() } else { String::new() },
        }),
        ..Span::default()
    }
}

fn server_attributes(service: usize, route: usize, status_code: i64) -> Vec<KeyValue> {
    vec![
        text("http.request.method", "GET".to_owned()),
        text("http.route", attribute::route(route)),
        text("url.path", format!("/api/v1/resource-{route:03}/48213")),
        text("url.scheme", "https".to_owned()),
        integer("http.response.status_code", status_code),
        text("server.address", format!("{}.load.svc", service_name(service))),
        integer("server.port", 8443),
        text("network.protocol.version", "1.1".to_owned()),
        text("client.address", format!("10.42.{}.17", service % 250)),
        text(
            "user_agent.original",
            "Mozilla/5.0 (X11; Linux x86_64; rv:144.0) Gecko Firefox/144.0".to_owned(),
        ),
    ]
}

fn client_attributes(callee: usize, route: usize, status_code: i64) -> Vec<KeyValue> {
    let host = format!("{}.load.svc", service_name(callee));
    vec![
        text("http.request.method", "GET".to_owned()),
        text("url.full", format!("https://{host}:8443/api/v1/resource-{route:03}/48213")),
        text("url.template", attribute::route(route)),
        integer("http.response.status_code", status_code),
        text("server.address", host),
        integer("server.port", 8443),
        text("network.peer.address", format!("10.43.{}.21", callee % 250)),
        integer("network.peer.port", 8443),
        text("network.protocol.version", "1.1".to_owned()),
        text("user_agent.original", "fogbell-load/0.1 hyper/1.12 http2".to_owned()),
    ]
}
