//! Requests built with the official protobuf types.

use model::Timestamp;
use opentelemetry_proto::tonic::collector::logs::v1::ExportLogsServiceRequest;
use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
pub(super) use opentelemetry_proto::tonic::common::v1::any_value::Value as Any;
use opentelemetry_proto::tonic::common::v1::{AnyValue, KeyValue};
use opentelemetry_proto::tonic::logs::v1::{LogRecord, ResourceLogs, ScopeLogs};
use opentelemetry_proto::tonic::metrics::v1::{Metric, ResourceMetrics, ScopeMetrics};
use opentelemetry_proto::tonic::resource::v1::Resource;
use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, ScopeSpans, Span, Status};
use prost::Message;

use super::NOW;

pub(super) const MS: u64 = 1_000_000;
pub(super) const SERVER: i32 = 2;
pub(super) const CLIENT: i32 = 3;
pub(super) const PRODUCER: i32 = 4;
pub(super) const CONSUMER: i32 = 5;
pub(super) const INTERNAL: i32 = 1;

/// Attributes from `key=value` texts, separated by commas; numbers and booleans become such.
pub(super) fn attributes(text: &str) -> Vec<KeyValue> {
    let pairs = text.split(',').map(str::trim).filter(|pair| !pair.is_empty());
    let attribute = |pair: &str| {
        let (key, value) = pair.split_once('=').unwrap();
        let value = match (value.parse(), value.parse()) {
            (Ok(number), _) => Any::IntValue(number),
            (_, Ok(flag)) => Any::BoolValue(flag),
            _ => Any::StringValue(value.to_owned()),
        };
        let value = Some(AnyValue { value: Some(value) });
        KeyValue { key: key.to_owned(), value, ..KeyValue::default() }
    };
    pairs.map(attribute).collect()
}

/// A span that ended a moment ago and took 10 ms.
pub(super) fn span(kind: i32, name: &str, with: &str) -> Span {
    ended(kind, name, with, NOW, 10 * MS)
}

pub(super) fn ended(kind: i32, name: &str, with: &str, end: Timestamp, took_ns: u64) -> Span {
    Span {
        trace_id: vec![1; 16],
        span_id: vec![2; 8],
        name: name.to_owned(),
        kind,
        start_time_unix_nano: end.unix_ns() - took_ns,
        end_time_unix_nano: end.unix_ns(),
        attributes: attributes(with),
        ..Span::default()
    }
}

pub(super) fn failed(span: Span, message: &str) -> Span {
    Span { status: Some(Status { code: 2, message: message.to_owned() }), ..span }
}

pub(super) fn resource(with: &str) -> Option<Resource> {
    Some(Resource { attributes: attributes(with), ..Resource::default() })
}

pub(super) fn traces(with: &str, spans: Vec<Span>) -> Vec<u8> {
    let scope_spans = vec![ScopeSpans { spans, ..ScopeSpans::default() }];
    let resource_spans =
        vec![ResourceSpans { resource: resource(with), scope_spans, ..ResourceSpans::default() }];
    ExportTraceServiceRequest { resource_spans }.encode_to_vec()
}

pub(super) fn metrics(with: &str, metrics: Vec<Metric>) -> Vec<u8> {
    let scope_metrics = vec![ScopeMetrics { metrics, ..ScopeMetrics::default() }];
    let resource_metrics = vec![ResourceMetrics {
        resource: resource(with),
        scope_metrics,
        ..ResourceMetrics::default()
    }];
    ExportMetricsServiceRequest { resource_metrics }.encode_to_vec()
}

pub(super) fn logs(with: &str, log_records: Vec<LogRecord>) -> Vec<u8> {
    let scope_logs = vec![ScopeLogs { log_records, ..ScopeLogs::default() }];
    let resource_logs =
        vec![ResourceLogs { resource: resource(with), scope_logs, ..ResourceLogs::default() }];
    ExportLogsServiceRequest { resource_logs }.encode_to_vec()
}

pub(super) fn log(severity: i32, body: &str, with: &str) -> LogRecord {
    LogRecord {
        time_unix_nano: NOW.unix_ns(),
        severity_number: severity,
        body: Some(AnyValue { value: Some(Any::StringValue(body.to_owned())) }),
        attributes: attributes(with),
        ..LogRecord::default()
    }
}
