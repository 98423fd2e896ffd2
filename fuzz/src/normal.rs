//! What prost decodes, cut down to what a visitor is told: without the items that are rejected and
//! the fields that nobody reads.

use opentelemetry_proto::tonic::collector::logs::v1::ExportLogsServiceRequest;
use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::{AnyValue, InstrumentationScope, KeyValue, any_value};
use opentelemetry_proto::tonic::metrics::v1 as m;
use opentelemetry_proto::tonic::resource::v1::Resource;

fn any(value: &mut AnyValue) {
    match &mut value.value {
        Some(any_value::Value::StringValueStrindex(_)) => value.value = None,
        Some(any_value::Value::ArrayValue(array)) => array.values.iter_mut().for_each(any),
        Some(any_value::Value::KvlistValue(list)) => pairs(&mut list.values),
        _ => {}
    }
}

fn pairs(pairs: &mut [KeyValue]) {
    for pair in pairs {
        pair.key_strindex = 0;
        any(pair.value.get_or_insert_default());
    }
}

fn resource(resource: &mut Option<Resource>) {
    let resource = resource.get_or_insert_default();
    resource.dropped_attributes_count = 0;
    resource.entity_refs.clear();
    pairs(&mut resource.attributes);
}

fn scope(scope: &mut Option<InstrumentationScope>) {
    let scope = scope.get_or_insert_default();
    scope.dropped_attributes_count = 0;
    pairs(&mut scope.attributes);
}

fn valid(id: &[u8], len: usize) -> bool {
    id.len() == len && id.iter().any(|&byte| byte != 0)
}

fn valid_or_empty(id: &mut Vec<u8>, len: usize) {
    if !valid(id, len) {
        id.clear();
    }
}

/// Cuts a request down; how many spans it has left.
pub fn traces(request: &mut ExportTraceServiceRequest) -> u64 {
    let mut items = 0;
    for resource_spans in &mut request.resource_spans {
        resource(&mut resource_spans.resource);
        resource_spans.schema_url.clear();
        for scope_spans in &mut resource_spans.scope_spans {
            scope(&mut scope_spans.scope);
            scope_spans.schema_url.clear();
            scope_spans.spans.retain(|span| {
                valid(&span.trace_id, 16)
                    && valid(&span.span_id, 8)
                    && matches!(span.parent_span_id.len(), 0 | 8)
                    && span.start_time_unix_nano != 0
                    && span.end_time_unix_nano != 0
            });
            items += scope_spans.spans.len() as u64;
            for span in &mut scope_spans.spans {
                valid_or_empty(&mut span.parent_span_id, 8);
                pairs(&mut span.attributes);
                span.dropped_attributes_count = 0;
                span.dropped_events_count = 0;
                span.dropped_links_count = 0;
                span.status.get_or_insert_default();
                for event in &mut span.events {
                    pairs(&mut event.attributes);
                    event.dropped_attributes_count = 0;
                }
                for link in &mut span.links {
                    pairs(&mut link.attributes);
                    valid_or_empty(&mut link.trace_id, 16);
                    valid_or_empty(&mut link.span_id, 8);
                    link.trace_state.clear();
                    link.dropped_attributes_count = 0;
                    link.flags = 0;
                }
            }
        }
    }
    items
}

/// Cuts a request down; how many log records it has left.
pub fn logs(request: &mut ExportLogsServiceRequest) -> u64 {
    let mut items = 0;
    for resource_logs in &mut request.resource_logs {
        resource(&mut resource_logs.resource);
        resource_logs.schema_url.clear();
        for scope_logs in &mut resource_logs.scope_logs {
            scope(&mut scope_logs.scope);
            scope_logs.schema_url.clear();
            items += scope_logs.log_records.len() as u64;
            for record in &mut scope_logs.log_records {
                pairs(&mut record.attributes);
                any(record.body.get_or_insert_default());
                record.dropped_attributes_count = 0;
                valid_or_empty(&mut record.trace_id, 16);
                valid_or_empty(&mut record.span_id, 8);
            }
        }
    }
    items
}

/// Cuts a request down; how many data points it has left.
pub fn metrics(request: &mut ExportMetricsServiceRequest) -> u64 {
    let mut items = 0;
    for resource_metrics in &mut request.resource_metrics {
        resource(&mut resource_metrics.resource);
        resource_metrics.schema_url.clear();
        for scope_metrics in &mut resource_metrics.scope_metrics {
            scope(&mut scope_metrics.scope);
            scope_metrics.schema_url.clear();
            scope_metrics.metrics.retain(|metric| metric.data.is_some());
            for metric in &mut scope_metrics.metrics {
                pairs(&mut metric.metadata);
                items += data(metric.data.as_mut().unwrap());
            }
        }
    }
    items
}

fn data(data: &mut m::metric::Data) -> u64 {
    use m::metric::Data as D;
    let len = match data {
        D::Gauge(gauge) => numbers(&mut gauge.data_points),
        D::Sum(sum) => {
            temporality(&mut sum.aggregation_temporality);
            numbers(&mut sum.data_points)
        }
        D::Histogram(histogram) => {
            temporality(&mut histogram.aggregation_temporality);
            histograms(&mut histogram.data_points)
        }
        D::ExponentialHistogram(histogram) => {
            temporality(&mut histogram.aggregation_temporality);
            exponential_histograms(&mut histogram.data_points)
        }
        D::Summary(summary) => {
            summary.data_points.retain(|point| point.time_unix_nano != 0);
            summary.data_points.iter_mut().for_each(|point| pairs(&mut point.attributes));
            summary.data_points.len()
        }
    };
    len as u64
}

fn temporality(number: &mut i32) {
    if !(0..=2).contains(number) {
        *number = 0;
    }
}

fn exemplars(exemplars: &mut [m::Exemplar]) {
    for exemplar in exemplars {
        pairs(&mut exemplar.filtered_attributes);
        valid_or_empty(&mut exemplar.trace_id, 16);
        valid_or_empty(&mut exemplar.span_id, 8);
    }
}

fn numbers(points: &mut Vec<m::NumberDataPoint>) -> usize {
    points.retain(|point| {
        point.time_unix_nano != 0 && (point.value.is_some() || point.flags & 1 != 0)
    });
    for point in points.iter_mut() {
        pairs(&mut point.attributes);
        exemplars(&mut point.exemplars);
    }
    points.len()
}

fn histograms(points: &mut Vec<m::HistogramDataPoint>) -> usize {
    points.retain(|point| {
        let (counts, bounds) = (point.bucket_counts.len(), point.explicit_bounds.len());
        point.time_unix_nano != 0 && (counts == bounds + 1 || counts == 0 && bounds == 0)
    });
    for point in points.iter_mut() {
        pairs(&mut point.attributes);
        exemplars(&mut point.exemplars);
    }
    points.len()
}

fn exponential_histograms(points: &mut Vec<m::ExponentialHistogramDataPoint>) -> usize {
    points.retain(|point| point.time_unix_nano != 0);
    for point in points.iter_mut() {
        pairs(&mut point.attributes);
        exemplars(&mut point.exemplars);
        point.positive.get_or_insert_default();
        point.negative.get_or_insert_default();
    }
    points.len()
}
