//! Visitors that put the visited values back into opentelemetry-proto structs, to be compared.

use opentelemetry_proto::tonic::common::v1::{
    AnyValue, ArrayValue, InstrumentationScope, KeyValue, KeyValueList, any_value,
};
use opentelemetry_proto::tonic::logs::v1 as l;
use opentelemetry_proto::tonic::metrics::v1 as m;
use opentelemetry_proto::tonic::resource::v1::Resource as ResourceProto;
use opentelemetry_proto::tonic::trace::v1 as t;

use otlp::{
    Attributes, Buckets, Exemplar, ExponentialHistogramPoint, HistogramPoint, LogRecord,
    LogsVisitor, Metric, MetricKind, MetricsVisitor, Number, NumberPoint, Resource, Scope, Span,
    SummaryPoint, Temporality, TraceVisitor, Value,
};

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn id(bytes: &[u8]) -> Vec<u8> {
    if bytes.iter().all(|&byte| byte == 0) { Vec::new() } else { bytes.to_vec() }
}

pub(crate) fn any(value: Value<'_>) -> AnyValue {
    use any_value::Value as V;
    let value = match value {
        Value::Empty => None,
        Value::Str(bytes) => Some(V::StringValue(text(bytes))),
        Value::Bool(value) => Some(V::BoolValue(value)),
        Value::Int(value) => Some(V::IntValue(value)),
        Value::Double(value) => Some(V::DoubleValue(value)),
        Value::Bytes(bytes) => Some(V::BytesValue(bytes.to_vec())),
        Value::Array(array) => {
            Some(V::ArrayValue(ArrayValue { values: array.iter().map(any).collect() }))
        }
        Value::Map(map) => Some(V::KvlistValue(KeyValueList {
            values: map.iter().map(|(key, value)| pair(key, value)).collect(),
        })),
    };
    AnyValue { value }
}

fn pair(key: &[u8], value: Value<'_>) -> KeyValue {
    KeyValue { key: text(key), value: Some(any(value)), key_strindex: 0 }
}

fn pairs(attributes: Attributes<'_>) -> Vec<KeyValue> {
    attributes.map(|(key, value)| pair(key, value)).collect()
}

fn resource_proto(resource: Resource<'_>) -> Option<ResourceProto> {
    Some(ResourceProto { attributes: pairs(resource.attributes()), ..Default::default() })
}

fn scope_proto(scope: Scope<'_>) -> Option<InstrumentationScope> {
    Some(InstrumentationScope {
        name: text(scope.name()),
        version: text(scope.version()),
        attributes: pairs(scope.attributes()),
        dropped_attributes_count: 0,
    })
}

/// Rebuilds a request of spans.
#[derive(Debug, Default)]
pub struct Traces {
    /// What was visited.
    pub resources: Vec<t::ResourceSpans>,
    /// Attributes of no item yet.
    pub pending: Vec<KeyValue>,
    /// Items that were left out.
    pub discarded: u64,
    /// Only attributes with keys of these lengths.
    pub wanted: Option<u64>,
}

impl<'a> TraceVisitor<'a> for Traces {
    fn wants(&self, key: &'a [u8]) -> bool {
        self.wanted.is_none_or(|wanted| wanted & otlp::key_length_bit(key.len()) != 0)
    }

    fn resource(&mut self, resource: Resource<'a>) {
        self.resources
            .push(t::ResourceSpans { resource: resource_proto(resource), ..Default::default() });
    }

    fn scope(&mut self, scope: Scope<'a>) {
        let scope = t::ScopeSpans { scope: scope_proto(scope), ..Default::default() };
        self.resources.last_mut().unwrap().scope_spans.push(scope);
    }

    fn attribute(&mut self, key: &'a [u8], value: Value<'a>) {
        self.pending.push(pair(key, value));
    }

    fn span(&mut self, span: &Span<'a>) {
        let events = span.events().map(|event| t::span::Event {
            time_unix_nano: event.time_unix_ns,
            name: text(event.name),
            attributes: pairs(event.attributes()),
            dropped_attributes_count: 0,
        });
        let links = span.links().map(|link| t::span::Link {
            trace_id: id(&link.trace_id),
            span_id: id(&link.span_id),
            attributes: pairs(link.attributes()),
            ..Default::default()
        });
        let rebuilt = t::Span {
            trace_id: span.trace_id.to_vec(),
            span_id: span.span_id.to_vec(),
            trace_state: text(span.trace_state),
            parent_span_id: id(&span.parent_span_id),
            flags: span.flags,
            name: text(span.name),
            kind: span.kind,
            start_time_unix_nano: span.start_unix_ns,
            end_time_unix_nano: span.end_unix_ns,
            attributes: std::mem::take(&mut self.pending),
            events: events.collect(),
            links: links.collect(),
            status: Some(t::Status { message: text(span.status_message), code: span.status_code }),
            ..Default::default()
        };
        if self.wanted.is_none() {
            // By their text, since a NaN is not equal to itself.
            let again = pairs(span.attributes());
            assert_eq!(format!("{:?}", rebuilt.attributes), format!("{again:?}"));
        }
        let scopes = &mut self.resources.last_mut().unwrap().scope_spans;
        scopes.last_mut().unwrap().spans.push(rebuilt);
    }

    fn discard(&mut self) {
        self.pending.clear();
        self.discarded += 1;
    }

    fn settle(&mut self) {}

    fn forget(&mut self) {
        *self = Self { wanted: self.wanted, ..Self::default() };
    }
}

/// Rebuilds a request of log records.
#[derive(Debug, Default)]
pub struct Logs {
    /// What was visited.
    pub resources: Vec<l::ResourceLogs>,
    /// Attributes of no item yet.
    pub pending: Vec<KeyValue>,
}

impl<'a> LogsVisitor<'a> for Logs {
    fn resource(&mut self, resource: Resource<'a>) {
        self.resources
            .push(l::ResourceLogs { resource: resource_proto(resource), ..Default::default() });
    }

    fn scope(&mut self, scope: Scope<'a>) {
        let scope = l::ScopeLogs { scope: scope_proto(scope), ..Default::default() };
        self.resources.last_mut().unwrap().scope_logs.push(scope);
    }

    fn attribute(&mut self, key: &'a [u8], value: Value<'a>) {
        self.pending.push(pair(key, value));
    }

    fn record(&mut self, record: &LogRecord<'a>) {
        let rebuilt = l::LogRecord {
            time_unix_nano: record.time_unix_ns,
            observed_time_unix_nano: record.observed_time_unix_ns,
            severity_number: record.severity_number,
            severity_text: text(record.severity_text),
            body: Some(any(record.body)),
            attributes: std::mem::take(&mut self.pending),
            dropped_attributes_count: 0,
            flags: record.flags,
            trace_id: id(&record.trace_id),
            span_id: id(&record.span_id),
            event_name: text(record.event_name),
        };
        let scopes = &mut self.resources.last_mut().unwrap().scope_logs;
        scopes.last_mut().unwrap().log_records.push(rebuilt);
    }

    fn discard(&mut self) {
        self.pending.clear();
    }
}

/// Rebuilds a request of data points.
#[derive(Debug, Default)]
pub struct Metrics {
    /// What was visited.
    pub resources: Vec<m::ResourceMetrics>,
    /// Attributes of no item yet.
    pub pending: Vec<KeyValue>,
}

impl Metrics {
    fn data(&mut self) -> &mut m::metric::Data {
        let scopes = &mut self.resources.last_mut().unwrap().scope_metrics;
        let metric = scopes.last_mut().unwrap().metrics.last_mut().unwrap();
        metric.data.as_mut().unwrap()
    }

    fn attributes(&mut self) -> Vec<KeyValue> {
        std::mem::take(&mut self.pending)
    }
}

fn exemplars<'a>(exemplars: impl Iterator<Item = Exemplar<'a>>) -> Vec<m::Exemplar> {
    let rebuild = |exemplar: Exemplar<'a>| m::Exemplar {
        filtered_attributes: pairs(exemplar.filtered_attributes()),
        time_unix_nano: exemplar.time_unix_ns,
        span_id: id(&exemplar.span_id),
        trace_id: id(&exemplar.trace_id),
        value: exemplar.value.map(|value| match value {
            Number::Int(value) => m::exemplar::Value::AsInt(value),
            Number::Double(value) => m::exemplar::Value::AsDouble(value),
        }),
    };
    exemplars.map(rebuild).collect()
}

fn buckets(buckets: Buckets<'_>) -> Option<m::exponential_histogram_data_point::Buckets> {
    let bucket_counts: Vec<u64> = buckets.bucket_counts.iter().collect();
    assert_eq!(bucket_counts.len(), buckets.bucket_counts.len());
    Some(m::exponential_histogram_data_point::Buckets { offset: buckets.offset, bucket_counts })
}

impl<'a> MetricsVisitor<'a> for Metrics {
    fn resource(&mut self, resource: Resource<'a>) {
        self.resources
            .push(m::ResourceMetrics { resource: resource_proto(resource), ..Default::default() });
    }

    fn scope(&mut self, scope: Scope<'a>) {
        let scope = m::ScopeMetrics { scope: scope_proto(scope), ..Default::default() };
        self.resources.last_mut().unwrap().scope_metrics.push(scope);
    }

    fn metric(&mut self, metric: &Metric<'a>) {
        use m::metric::Data as D;
        let temporality = match metric.temporality {
            Temporality::Unspecified => 0,
            Temporality::Delta => 1,
            Temporality::Cumulative => 2,
        };
        let data = match metric.kind {
            MetricKind::Gauge => D::Gauge(m::Gauge::default()),
            MetricKind::Sum => D::Sum(m::Sum {
                aggregation_temporality: temporality,
                is_monotonic: metric.monotonic,
                ..Default::default()
            }),
            MetricKind::Histogram => D::Histogram(m::Histogram {
                aggregation_temporality: temporality,
                ..Default::default()
            }),
            MetricKind::ExponentialHistogram => D::ExponentialHistogram(m::ExponentialHistogram {
                aggregation_temporality: temporality,
                ..Default::default()
            }),
            MetricKind::Summary => D::Summary(m::Summary::default()),
        };
        let rebuilt = m::Metric {
            name: text(metric.name),
            description: text(metric.description()),
            unit: text(metric.unit),
            metadata: pairs(metric.metadata()),
            data: Some(data),
        };
        let scopes = &mut self.resources.last_mut().unwrap().scope_metrics;
        scopes.last_mut().unwrap().metrics.push(rebuilt);
    }

    fn attribute(&mut self, key: &'a [u8], value: Value<'a>) {
        self.pending.push(pair(key, value));
    }

    fn number(&mut self, point: &NumberPoint<'a>) {
        use m::metric::Data as D;
        let rebuilt = m::NumberDataPoint {
            attributes: self.attributes(),
            start_time_unix_nano: point.start_unix_ns,
            time_unix_nano: point.time_unix_ns,
            exemplars: exemplars(point.exemplars()),
            flags: point.flags,
            value: point.value.map(|value| match value {
                Number::Int(value) => m::number_data_point::Value::AsInt(value),
                Number::Double(value) => m::number_data_point::Value::AsDouble(value),
            }),
        };
        match self.data() {
            D::Gauge(gauge) => gauge.data_points.push(rebuilt),
            D::Sum(sum) => sum.data_points.push(rebuilt),
            other => panic!("a number in {other:?}"),
        }
    }

    fn histogram(&mut self, point: &HistogramPoint<'a>) {
        let rebuilt = m::HistogramDataPoint {
            attributes: self.attributes(),
            start_time_unix_nano: point.start_unix_ns,
            time_unix_nano: point.time_unix_ns,
            count: point.count,
            sum: point.sum,
            bucket_counts: point.bucket_counts.iter().collect(),
            explicit_bounds: point.explicit_bounds.iter().collect(),
            exemplars: exemplars(point.exemplars()),
            flags: point.flags,
            min: point.min,
            max: point.max,
        };
        assert_eq!(rebuilt.bucket_counts.len(), point.bucket_counts.len());
        assert_eq!(rebuilt.explicit_bounds.len(), point.explicit_bounds.len());
        let bytes: Vec<_> = rebuilt.bucket_counts.iter().map(|count| count.to_le_bytes()).collect();
        assert!(point.bucket_counts.in_one_piece().is_none_or(|piece| piece == bytes));
        let bytes: Vec<_> =
            rebuilt.explicit_bounds.iter().map(|bound| bound.to_le_bytes()).collect();
        assert!(point.explicit_bounds.in_one_piece().is_none_or(|piece| piece == bytes));
        match self.data() {
            m::metric::Data::Histogram(histogram) => histogram.data_points.push(rebuilt),
            other => panic!("a histogram point in {other:?}"),
        }
    }

    fn exponential_histogram(&mut self, point: &ExponentialHistogramPoint<'a>) {
        let rebuilt = m::ExponentialHistogramDataPoint {
            attributes: self.attributes(),
            start_time_unix_nano: point.start_unix_ns,
            time_unix_nano: point.time_unix_ns,
            count: point.count,
            sum: point.sum,
            scale: point.scale,
            zero_count: point.zero_count,
            positive: buckets(point.positive),
            negative: buckets(point.negative),
            flags: point.flags,
            exemplars: exemplars(point.exemplars()),
            min: point.min,
            max: point.max,
            zero_threshold: point.zero_threshold,
        };
        match self.data() {
            m::metric::Data::ExponentialHistogram(data) => data.data_points.push(rebuilt),
            other => panic!("an exponential histogram point in {other:?}"),
        }
    }

    fn summary(&mut self, point: &SummaryPoint<'a>) {
        let quantiles = point.quantiles().map(|at| m::summary_data_point::ValueAtQuantile {
            quantile: at.quantile,
            value: at.value,
        });
        let rebuilt = m::SummaryDataPoint {
            attributes: self.attributes(),
            start_time_unix_nano: point.start_unix_ns,
            time_unix_nano: point.time_unix_ns,
            count: point.count,
            sum: point.sum,
            quantile_values: quantiles.collect(),
            flags: point.flags,
        };
        match self.data() {
            m::metric::Data::Summary(summary) => summary.data_points.push(rebuilt),
            other => panic!("a summary point in {other:?}"),
        }
    }

    fn discard(&mut self) {
        self.pending.clear();
    }
}
