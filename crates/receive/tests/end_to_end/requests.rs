use std::sync::atomic::{AtomicU64, Ordering};

use opentelemetry_proto::tonic::collector::logs::v1::ExportLogsServiceRequest;
use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::logs::v1::{LogRecord, ResourceLogs, ScopeLogs};
use opentelemetry_proto::tonic::metrics::v1::{
    Gauge, Metric, NumberDataPoint, ResourceMetrics, ScopeMetrics, metric::Data, number_data_point,
};
use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, ScopeSpans, Span};
use otlp::Signal;
use prost::Message;
use std::io::Write;

pub(crate) const SIGNALS: [Signal; 3] = [Signal::Traces, Signal::Metrics, Signal::Logs];

/// No two requests of this process are alike.
fn fresh() -> u64 {
    static NEXT: AtomicU64 = AtomicU64::new(1_700_000_000_000_000_000);
    NEXT.fetch_add(1, Ordering::Relaxed)
}

/// Good spans, and ones without ids, which are rejected.
pub(crate) fn traces(good: usize, bad: usize) -> ExportTraceServiceRequest {
    let span = |id: usize| {
        let time = fresh();
        let ids =
            if id < good { (vec![7; 16], time.to_be_bytes().to_vec()) } else { Default::default() };
        Span {
            trace_id: ids.0,
            span_id: ids.1,
            name: "GET /".to_owned(),
            start_time_unix_nano: time,
            end_time_unix_nano: time + 1,
            ..Span::default()
        }
    };
    let spans = (0..good + bad).map(span).collect();
    let scope_spans = vec![ScopeSpans { spans, ..ScopeSpans::default() }];
    let resource_spans = vec![ResourceSpans { scope_spans, ..ResourceSpans::default() }];
    ExportTraceServiceRequest { resource_spans }
}

/// Good points, and ones without time, which are rejected.
pub(crate) fn metrics(good: usize, bad: usize) -> ExportMetricsServiceRequest {
    let point = |id: usize| NumberDataPoint {
        time_unix_nano: if id < good { fresh() } else { 0 },
        value: Some(number_data_point::Value::AsDouble(1.5)),
        ..NumberDataPoint::default()
    };
    let data = Data::Gauge(Gauge { data_points: (0..good + bad).map(point).collect() });
    let metric = Metric { name: "m".to_owned(), data: Some(data), ..Metric::default() };
    let scope_metrics = vec![ScopeMetrics { metrics: vec![metric], ..ScopeMetrics::default() }];
    let resource_metrics = vec![ResourceMetrics { scope_metrics, ..ResourceMetrics::default() }];
    ExportMetricsServiceRequest { resource_metrics }
}

/// Good records.
pub(crate) fn logs(good: usize) -> ExportLogsServiceRequest {
    let record = |_| LogRecord { time_unix_nano: fresh(), ..LogRecord::default() };
    let log_records = (0..good).map(record).collect();
    let scope_logs = vec![ScopeLogs { log_records, ..ScopeLogs::default() }];
    let resource_logs = vec![ResourceLogs { scope_logs, ..ResourceLogs::default() }];
    ExportLogsServiceRequest { resource_logs }
}

/// A request of the signal with so many good items, as protobuf.
pub(crate) fn protobuf(signal: Signal, good: usize) -> Vec<u8> {
    match signal {
        Signal::Traces => traces(good, 0).encode_to_vec(),
        Signal::Metrics => metrics(good, 0).encode_to_vec(),
        Signal::Logs => logs(good).encode_to_vec(),
    }
}

/// A request of the signal with one good item, as JSON.
pub(crate) fn json(signal: Signal) -> Vec<u8> {
    match signal {
        Signal::Traces => serde_json::to_vec(&traces(1, 0)),
        Signal::Metrics => serde_json::to_vec(&metrics(1, 0)),
        Signal::Logs => serde_json::to_vec(&logs(1)),
    }
    .expect("JSON")
}

/// Compressed as the header says.
pub(crate) fn pack(encoding: &str, data: &[u8]) -> Vec<u8> {
    let level = flate2::Compression::default();
    match encoding {
        "gzip" => {
            let mut encoder = flate2::write::GzEncoder::new(Vec::new(), level);
            encoder.write_all(data).and_then(|()| encoder.finish()).expect("gzip")
        }
        "deflate" => {
            let mut encoder = flate2::write::ZlibEncoder::new(Vec::new(), level);
            encoder.write_all(data).and_then(|()| encoder.finish()).expect("deflate")
        }
        "zstd" => zstd::encode_all(data, 3).expect("zstd"),
        _ => data.to_vec(),
    }
}
