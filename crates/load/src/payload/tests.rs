use std::collections::{HashMap, HashSet};

use opentelemetry_proto::tonic::collector::logs::v1::ExportLogsServiceRequest;
use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::{KeyValue, any_value::Value};
use opentelemetry_proto::tonic::logs::v1::LogRecord;
use opentelemetry_proto::tonic::metrics::v1::{HistogramDataPoint, metric::Data};
use opentelemetry_proto::tonic::trace::v1::Span;
use prost::Message;

use super::{Content, Requests, Shape};
use crate::limit::{PointTotals, RecordTotals, Totals, walk, walk_points, walk_records};

const NOW: u64 = 1_800_000_000_000_000_000;
const SHAPE: Shape = Shape { batch: 100, services: 5, routes: 120 };

fn spans(message: &[u8]) -> Vec<Span> {
    let request = ExportTraceServiceRequest::decode(message).unwrap();
    assert_eq!(request.resource_spans.len(), 1);
    let scopes = request.resource_spans.into_iter().flat_map(|one| one.scope_spans);
    scopes.flat_map(|scope| scope.spans).collect()
}

fn attribute(span: &Span, key: &str) -> Option<String> {
    let found = span.attributes.iter().find(|attribute| attribute.key == key)?;
    Some(format!("{:?}", found.value.as_ref()?.value.as_ref()?))
}

#[test]
fn a_span_has_about_480_bytes_and_10_attributes() {
    let shape = Shape { batch: 1000, services: 50, routes: 40 };
    let requests = Requests::new(Content::Spans, shape, 1, NOW).unwrap();
    let message = requests.message(7, NOW);
    let bytes = message.len() / shape.batch;
    assert!((470..=490).contains(&bytes), "{bytes} bytes a span");
    for span in spans(&message) {
        assert_eq!(span.attributes.len(), 10);
        assert_eq!(span.end_time_unix_nano, NOW);
        assert!(NOW - span.start_time_unix_nano < 500_000_000);
    }
}

#[test]
fn every_server_span_is_the_child_of_a_client_span_of_the_same_round() {
    let requests = Requests::new(Content::Spans, SHAPE, 1, NOW).unwrap();
    for round in 0..3 {
        let first = round * SHAPE.services as u64;
        let all: Vec<Span> = (first..first + SHAPE.services as u64)
            .flat_map(|n| spans(&requests.message(n, NOW)))
            .collect();
        let by_id: HashMap<_, _> =
            all.iter().map(|span| ((span.trace_id.clone(), span.span_id.clone()), span)).collect();
        assert_eq!(by_id.len(), SHAPE.batch * SHAPE.services, "ids repeat");
        let (served, called): (Vec<&Span>, Vec<&Span>) =
            all.iter().partition(|span| !span.parent_span_id.is_empty());
        assert_eq!(served.len(), called.len());
        for span in served {
            let parent = by_id[&(span.trace_id.clone(), span.parent_span_id.clone())];
            assert_eq!((parent.kind, span.kind), (3, 2));
            assert_eq!(attribute(parent, "server.address"), attribute(span, "server.address"));
            assert_eq!(attribute(parent, "url.template"), attribute(span, "http.route"));
            assert_eq!(parent.status, span.status);
            assert!(parent.start_time_unix_nano < span.start_time_unix_nano);
        }
    }
}

#[test]
fn copies_differ_and_visit_all_routes_with_one_error_in_two_thousand_calls() {
    let requests = Requests::new(Content::Spans, SHAPE, 1, NOW).unwrap();
    let rounds = 2000 / (SHAPE.batch as u64 / 2);
    let (mut ids, mut routes, mut errors) = (HashSet::new(), HashSet::new(), 0);
    for n in 0..rounds * SHAPE.services as u64 {
        for span in spans(&requests.message(n, NOW)) {
            errors += u64::from(span.status.as_ref().is_some_and(|status| status.code == 2));
            routes.extend(attribute(&span, "http.route"));
            assert!(ids.insert((span.trace_id, span.span_id)));
        }
    }
    assert_eq!(routes.len(), SHAPE.routes);
    assert_eq!(errors, 2 * SHAPE.services as u64, "one call of each service, seen from both ends");
    let other = Requests::new(Content::Spans, SHAPE, 2, NOW).unwrap();
    assert!(
        spans(&other.message(0, NOW)).into_iter().all(|s| !ids.contains(&(s.trace_id, s.span_id)))
    );
}

#[test]
fn the_walk_reads_what_prost_reads() {
    let requests = Requests::new(Content::Spans, SHAPE, 1, NOW).unwrap();
    for n in [0, 39 * SHAPE.services as u64] {
        let message = requests.message(n, NOW);
        let mut expected = Totals::default();
        let word = |id: &[u8]| id.first_chunk().map_or(0, |id| u64::from_le_bytes(*id));
        for span in spans(&message) {
            expected.spans += 1;
            expected.service_bytes += "service-00".len() as u64;
            expected.name_bytes += span.name.len() as u64;
            expected.kinds += u64::try_from(span.kind).unwrap();
            expected.duration_ns += span.end_time_unix_nano - span.start_time_unix_nano;
            expected.ids ^= word(&span.trace_id) ^ word(&span.span_id) ^ word(&span.parent_span_id);
            expected.errors += u64::from(span.status.as_ref().unwrap().code == 2);
            if attribute(&span, "http.route").is_some() {
                expected.route_bytes += "/api/v1/resource-000/{id}".len() as u64;
            }
            expected.status_codes += if span.status.unwrap().code == 2 { 500 } else { 200 };
        }
        assert_eq!(walk(&message), Some(expected));
        assert_eq!(walk(&message[..message.len() - 1]), None);
    }
    assert_eq!(walk(b"\x0a\x05hello"), None);
}

fn encoded_bytes(attributes: &[KeyValue]) -> u64 {
    let bytes = attributes
        .iter()
        .map(|attribute| attribute.key.len() + attribute.value.as_ref().unwrap().encoded_len());
    bytes.sum::<usize>() as u64
}

fn points(message: &[u8]) -> Vec<(KeyValue, HistogramDataPoint)> {
    let request = ExportMetricsServiceRequest::decode(message).unwrap();
    let mut found = Vec::new();
    for resource in request.resource_metrics {
        let instance = resource.resource.unwrap().attributes[3].clone();
        for metric in resource.scope_metrics.into_iter().flat_map(|scope| scope.metrics) {
            let Some(Data::Histogram(histogram)) = metric.data else { panic!("{}", metric.name) };
            assert_eq!(histogram.data_points.len(), 10);
            found.extend(histogram.data_points.into_iter().map(|point| (instance.clone(), point)));
        }
    }
    found
}

#[test]
fn the_counts_of_a_hundred_thousand_streams_grow() {
    let shape = Shape { batch: 1000, services: 50, routes: 40 };
    let requests = Requests::new(Content::Points, shape, 1, NOW - 1_000).unwrap();
    let mut streams = HashMap::new();
    for n in 0..2 * shape.services as u64 {
        for (instance, point) in points(&requests.message(n, NOW)) {
            assert_eq!(point.start_time_unix_nano, NOW - 1_000);
            assert_eq!(point.count, point.bucket_counts.iter().sum::<u64>());
            assert_eq!(point.explicit_bounds.len() + 1, point.bucket_counts.len());
            let stream = format!("{instance:?} {:?}", point.attributes);
            assert!(streams.insert(stream, point).is_none(), "a stream comes twice in a round");
        }
    }
    assert_eq!(streams.len(), 100_000);
    let (mut total, mut failed) = (0, 0);
    for (instance, later) in points(&requests.message(200, NOW + 1_000_000)) {
        let earlier = &streams[&format!("{instance:?} {:?}", later.attributes)];
        assert_eq!(later.time_unix_nano, NOW + 1_000_000);
        let grew = later.bucket_counts.iter().zip(&earlier.bucket_counts);
        assert!(grew.clone().all(|(later, earlier)| later >= earlier));
        let grown: u64 = grew.map(|(later, earlier)| later - earlier).sum();
        let fails = later.attributes.iter().any(|attribute| attribute.key == "error.type");
        *(if fails { &mut failed } else { &mut total }) += grown;
    }
    assert!(total > 10_000, "{total}");
    assert!(failed * 2000 < total, "{failed} of {total} fail");
}

#[test]
fn the_walk_of_points_reads_what_prost_reads() {
    let shape = Shape { batch: 200, services: 3, routes: 7 };
    let requests = Requests::new(Content::Points, shape, 1, NOW).unwrap();
    let message = requests.message(4, NOW + 17);
    let mut expected = PointTotals::default();
    for (index, (_, point)) in points(&message).into_iter().enumerate() {
        if index % 10 == 0 {
            expected.service_bytes += "service-00".len() as u64;
            expected.name_bytes += "http.server.request.duration".len() as u64;
            expected.types += 9;
        }
        expected.points += 1;
        expected.attribute_bytes += encoded_bytes(&point.attributes);
        expected.span_ns += 17;
        expected.counts += point.count;
        expected.buckets += point.bucket_counts.iter().sum::<u64>();
        expected.sums ^= point.sum.unwrap().to_bits();
    }
    assert_eq!(expected.points, 200);
    assert_eq!(walk_points(&message), Some(expected));
    assert_eq!(walk_points(&message[..message.len() - 1]), None);
}

fn records(message: &[u8]) -> Vec<LogRecord> {
    let request = ExportLogsServiceRequest::decode(message).unwrap();
    let scopes = request.resource_logs.into_iter().flat_map(|one| one.scope_logs);
    scopes.flat_map(|scope| scope.log_records).collect()
}

fn body(record: &LogRecord) -> &str {
    match record.body.as_ref().and_then(|body| body.value.as_ref()) {
        Some(Value::StringValue(body)) => body,
        other => panic!("{other:?}"),
    }
}

#[test]
fn records_have_about_360_bytes_and_a_few_dozen_messages_whose_numbers_vary() {
    let shape = Shape { batch: 1000, services: 5, routes: 40 };
    let requests = Requests::new(Content::Records, shape, 1, NOW).unwrap();
    let (mut bodies, mut forms, mut severities) = (HashSet::new(), HashSet::new(), HashMap::new());
    for n in [1, 6] {
        let message = requests.message(n, NOW);
        let bytes = message.len() / shape.batch;
        assert!((350..=370).contains(&bytes), "{bytes} bytes a record");
        for record in records(&message) {
            assert_eq!((record.time_unix_nano, record.trace_id.len()), (NOW, 16));
            assert!((8..=10).contains(&record.attributes.len()));
            assert!(!body(&record).contains('#'));
            forms.insert(body(&record).replace(|letter: char| letter.is_ascii_digit(), ""));
            bodies.insert(body(&record).to_owned());
            *severities.entry(record.severity_text.clone()).or_insert(0) += 1;
        }
    }
    assert_eq!(forms.len(), 34);
    assert!(bodies.len() > 1_800, "only {} bodies", bodies.len());
    let expected = [("INFO", 1800), ("WARN", 160), ("ERROR", 40)];
    assert_eq!(severities, expected.map(|(name, count)| (name.to_owned(), count)).into());
}

#[test]
fn the_walk_of_records_reads_what_prost_reads() {
    let shape = Shape { batch: 100, services: 3, routes: 7 };
    let requests = Requests::new(Content::Records, shape, 1, NOW).unwrap();
    let message = requests.message(4, NOW);
    let mut expected = RecordTotals::default();
    let word = |id: &[u8]| u64::from_le_bytes(*id.first_chunk().unwrap());
    for record in records(&message) {
        expected.records += 1;
        expected.service_bytes += "service-00".len() as u64;
        expected.times_ns = expected.times_ns.wrapping_add(record.time_unix_nano);
        expected.severities += u64::try_from(record.severity_number).unwrap();
        expected.body_bytes += record.body.as_ref().unwrap().encoded_len() as u64;
        expected.attribute_bytes += encoded_bytes(&record.attributes);
        expected.ids ^= word(&record.trace_id) ^ word(&record.span_id);
    }
    assert_eq!(walk_records(&message), Some(expected));
    assert_eq!(walk_records(&message[..message.len() - 1]), None);
}

#[test]
fn the_json_holds_the_spans_of_the_protobuf() {
    let protobuf = Requests::new(Content::Spans, SHAPE, 1, NOW).unwrap();
    let json = Requests::new(Content::JsonSpans, SHAPE, 1, NOW).unwrap();
    for n in [3, 39 * SHAPE.services as u64] {
        let expected = ExportTraceServiceRequest::decode(&*protobuf.message(n, NOW)).unwrap();
        let found: ExportTraceServiceRequest =
            serde_json::from_slice(&json.message(n, NOW)).unwrap();
        assert_eq!(found, expected);
    }
}
