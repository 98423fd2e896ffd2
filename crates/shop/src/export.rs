//! One export request of one pod.

use opentelemetry_proto::tonic::collector::logs::v1::ExportLogsServiceRequest;
use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::InstrumentationScope;
use opentelemetry_proto::tonic::logs::v1::{LogRecord, ResourceLogs, ScopeLogs};
use opentelemetry_proto::tonic::metrics::v1::metric::Data;
use opentelemetry_proto::tonic::metrics::v1::{Metric, ResourceMetrics, ScopeMetrics};
use opentelemetry_proto::tonic::resource::v1::Resource;
use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, ScopeSpans, Span};
use prost::Message;

const SCHEMA_URL: &str = "https://opentelemetry.io/schemas/1.37.0";

/// An OTLP request as one pod's SDK sends it: one resource, one scope.
#[derive(Debug, Clone, PartialEq)]
pub enum Export {
    /// Finished spans, ordered by their end.
    Traces(ExportTraceServiceRequest),
    /// A collection of every instrument.
    Metrics(ExportMetricsServiceRequest),
    /// Log records, ordered by time.
    Logs(ExportLogsServiceRequest),
}

impl Export {
    /// The request in protobuf's wire format.
    pub fn encode(&self) -> Vec<u8> {
        match self {
            Self::Traces(request) => request.encode_to_vec(),
            Self::Metrics(request) => request.encode_to_vec(),
            Self::Logs(request) => request.encode_to_vec(),
        }
    }

    /// The request as OTLP/JSON.
    pub fn json(&self) -> String {
        match self {
            Self::Traces(request) => serde_json::to_string(request),
            Self::Metrics(request) => serde_json::to_string(request),
            Self::Logs(request) => serde_json::to_string(request),
        }
        .unwrap_or_default()
    }

    /// Spans, metric data points or log records in it.
    pub fn items(&self) -> usize {
        match self {
            Self::Traces(_) => self.spans().count(),
            Self::Metrics(request) => {
                let scopes = request.resource_metrics.iter().flat_map(|r| &r.scope_metrics);
                scopes.flat_map(|scope| &scope.metrics).map(points).sum()
            }
            Self::Logs(_) => self.log_records().count(),
        }
    }

    /// The resource that sends it.
    pub fn resource(&self) -> Option<&Resource> {
        match self {
            Self::Traces(r) => r.resource_spans.first().and_then(|r| r.resource.as_ref()),
            Self::Metrics(r) => r.resource_metrics.first().and_then(|r| r.resource.as_ref()),
            Self::Logs(r) => r.resource_logs.first().and_then(|r| r.resource.as_ref()),
        }
    }

    /// Its spans; none in other signals.
    pub fn spans(&self) -> impl Iterator<Item = &Span> {
        let request = if let Self::Traces(request) = self { Some(request) } else { None };
        let scopes = request.into_iter().flat_map(|r| &r.resource_spans);
        scopes.flat_map(|r| &r.scope_spans).flat_map(|scope| &scope.spans)
    }

    /// Its metrics; none in other signals.
    pub fn metrics(&self) -> impl Iterator<Item = &Metric> {
        let request = if let Self::Metrics(request) = self { Some(request) } else { None };
        let scopes = request.into_iter().flat_map(|r| &r.resource_metrics);
        scopes.flat_map(|r| &r.scope_metrics).flat_map(|scope| &scope.metrics)
    }

    /// Its log records; none in other signals.
    pub fn log_records(&self) -> impl Iterator<Item = &LogRecord> {
        let request = if let Self::Logs(request) = self { Some(request) } else { None };
        let scopes = request.into_iter().flat_map(|r| &r.resource_logs);
        scopes.flat_map(|r| &r.scope_logs).flat_map(|scope| &scope.log_records)
    }

    pub(crate) fn of_spans(resource: &Resource, spans: Vec<Span>) -> Self {
        let schema_url = SCHEMA_URL.to_owned();
        let scope = Some(scope());
        let scope_spans = vec![ScopeSpans { scope, spans, schema_url: schema_url.clone() }];
        let resource = Some(resource.clone());
        let resource_spans = vec![ResourceSpans { resource, scope_spans, schema_url }];
        Self::Traces(ExportTraceServiceRequest { resource_spans })
    }

    pub(crate) fn of_metrics(resource: &Resource, metrics: Vec<Metric>) -> Self {
        let schema_url = SCHEMA_URL.to_owned();
        let scope = Some(scope());
        let scope_metrics = vec![ScopeMetrics { scope, metrics, schema_url: schema_url.clone() }];
        let resource = Some(resource.clone());
        let resource_metrics = vec![ResourceMetrics { resource, scope_metrics, schema_url }];
        Self::Metrics(ExportMetricsServiceRequest { resource_metrics })
    }

    pub(crate) fn of_logs(resource: &Resource, log_records: Vec<LogRecord>) -> Self {
        let schema_url = SCHEMA_URL.to_owned();
        let scope = Some(scope());
        let scope_logs = vec![ScopeLogs { scope, log_records, schema_url: schema_url.clone() }];
        let resource = Some(resource.clone());
        let resource_logs = vec![ResourceLogs { resource, scope_logs, schema_url }];
        Self::Logs(ExportLogsServiceRequest { resource_logs })
    }
}

fn points(metric: &Metric) -> usize {
    match &metric.data {
        Some(Data::Gauge(gauge)) => gauge.data_points.len(),
        Some(Data::Sum(sum)) => sum.data_points.len(),
        Some(Data::Histogram(histogram)) => histogram.data_points.len(),
        Some(Data::ExponentialHistogram(histogram)) => histogram.data_points.len(),
        Some(Data::Summary(summary)) => summary.data_points.len(),
        None => 0,
    }
}

fn scope() -> InstrumentationScope {
    InstrumentationScope {
        name: "shop".to_owned(),
        version: "1.0.0".to_owned(),
        ..InstrumentationScope::default()
    }
}
