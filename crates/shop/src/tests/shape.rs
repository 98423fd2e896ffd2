use std::collections::{BTreeMap, BTreeSet};

use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::metrics::v1::metric::Data;
use opentelemetry_proto::tonic::trace::v1::span::SpanKind;

use super::{SECOND_NS, START_NS, Seen, exports, options, seen, value, with_fault};
use crate::{Export, Fault, SERVICES, Shop, ShopOptions};

fn bytes(exports: &[Export]) -> Vec<Vec<u8>> {
    exports.iter().map(Export::encode).collect()
}

#[test]
fn equal_seeds_give_equal_bytes_however_time_is_cut() {
    for fault in [None, Some(Fault::CrashLoop), Some(Fault::BadRollout)] {
        let options = options(fault);
        let by_second = bytes(&exports(&options, 45));
        let at_once = bytes(&Shop::new(&options, START_NS).advance(START_NS + 45 * SECOND_NS));
        assert_eq!(by_second.len(), at_once.len());
        assert!(by_second == at_once, "{fault:?}");
        let other = ShopOptions { seed: options.seed + 1, ..options };
        assert!(bytes(&exports(&other, 5)) != bytes(&exports(&options, 5)));
    }
}

/// Spans by id, checked to be unique.
fn by_id(spans: &[Seen]) -> BTreeMap<&[u8], &Seen> {
    let by_id: BTreeMap<_, _> = spans.iter().map(|s| (s.span.span_id.as_slice(), s)).collect();
    assert_eq!(by_id.len(), spans.len(), "span ids are unique");
    by_id
}

#[test]
fn every_trace_is_a_whole_tree_within_its_parents_time() {
    for fault in [None].into_iter().chain(Fault::ALL.map(Some)) {
        if fault == Some(Fault::CrashLoop) {
            continue;
        }
        let spans = seen(&exports(&options(fault), 60));
        let by_id = by_id(&spans);
        // What is young may wait for its parent's end.
        let settled = START_NS + 40 * SECOND_NS;
        for seen in spans.iter().filter(|s| s.span.start_time_unix_nano < settled) {
            let span = &seen.span;
            assert!(span.start_time_unix_nano < span.end_time_unix_nano);
            if span.parent_span_id.is_empty() {
                let expected = seen.is_entry() || seen.is_kind(SpanKind::Internal);
                assert!(expected, "{fault:?}: root {} of {}", span.name, seen.service());
                continue;
            }
            let parent = by_id.get(span.parent_span_id.as_slice()).unwrap_or_else(|| {
                panic!("{fault:?}: {} of {} has no parent", span.name, seen.service())
            });
            assert_eq!(parent.span.trace_id, span.trace_id);
            assert!(parent.span.start_time_unix_nano <= span.start_time_unix_nano);
            let within = span.end_time_unix_nano <= parent.span.end_time_unix_nano;
            assert!(within || seen.is_kind(SpanKind::Consumer));
            let crosses = seen.is_kind(SpanKind::Server) || seen.is_kind(SpanKind::Consumer);
            assert_eq!(parent.service() != seen.service(), crosses);
        }
    }
}

#[test]
fn spans_leave_200_ms_to_1_s_after_their_end_and_one_resource_at_a_time() {
    let mut shop = Shop::new(&options(None), START_NS);
    let mut pods = BTreeSet::new();
    for tick in 1..=3_000 {
        let now = START_NS + tick * 10_000_000;
        for export in shop.advance(now) {
            let resource = export.resource().expect("a resource");
            pods.insert(value(&resource.attributes, "k8s.pod.name"));
            for span in export.spans() {
                let age = now - span.end_time_unix_nano;
                assert!((200_000_000..=1_010_000_000).contains(&age), "{age} ns");
            }
        }
    }
    assert_eq!(pods.len(), SERVICES.iter().map(|spec| spec.pods).sum::<usize>());
}

#[test]
fn attributes_follow_the_semantic_conventions() {
    let spans = seen(&exports(&options(None), 30));
    for seen in &spans {
        for key in [
            "service.namespace",
            "service.version",
            "service.instance.id",
            "k8s.pod.name",
            "k8s.node.name",
            "cloud.region",
            "cloud.availability_zone",
            "telemetry.sdk.language",
        ] {
            assert_ne!(seen.resource(key), "", "{key}");
        }
        assert_eq!(seen.resource("deployment.environment.name"), "demo");
        let has = |keys: &[&str]| {
            keys.iter().for_each(|key| assert_ne!(seen.text(key), "", "{key} {}", seen.span.name));
        };
        let keys: BTreeSet<_> = seen.span.attributes.iter().map(|a| &a.key).collect();
        assert_eq!(keys.len(), seen.span.attributes.len(), "keys are unique");
        has(&["server.address", "server.port"]);
        if !seen.text("rpc.system").is_empty() {
            has(&["rpc.service", "rpc.method", "rpc.grpc.status_code"]);
        } else if !seen.text("db.system.name").is_empty() {
            has(&["db.operation.name", "db.query.summary", "db.namespace"]);
            assert!(seen.is_kind(SpanKind::Client));
        } else if !seen.text("messaging.system").is_empty() {
            has(&["messaging.destination.name", "messaging.operation.type"]);
        } else {
            has(&["http.request.method", "http.response.status_code"]);
            if seen.is_kind(SpanKind::Server) {
                has(&["http.route", "url.path", "url.scheme"]);
            }
        }
        assert_eq!(seen.is_error(), !seen.text("error.type").is_empty(), "{}", seen.span.name);
    }
    let entry = spans.iter().find(|seen| seen.is_entry()).expect("an entry");
    assert_ne!(entry.text("enduser.id"), "");
    let regions: BTreeSet<_> = spans.iter().map(|seen| seen.resource("cloud.region")).collect();
    assert_eq!(regions.len(), 2);
    let placed = spans.iter().find(|seen| seen.service() == "checkout").expect("a checkout");
    assert_ne!(placed.text("feature_flag.result.variant") + &placed.text("rpc.method"), "");
}

#[test]
fn a_consumer_links_to_its_producer_and_is_its_child() {
    let spans = seen(&exports(&options(None), 30));
    let by_id = by_id(&spans);
    // The producer's batch may leave after the consumer's.
    let settled = START_NS + 25 * SECOND_NS;
    let consumers: Vec<_> = spans
        .iter()
        .filter(|s| s.is_kind(SpanKind::Consumer) && s.span.end_time_unix_nano < settled)
        .collect();
    assert!(consumers.len() > 100);
    for consumer in consumers {
        let [link] = consumer.span.links.as_slice() else { panic!("one link") };
        assert_eq!(link.span_id, consumer.span.parent_span_id);
        let producer = by_id.get(link.span_id.as_slice()).expect("its producer");
        assert!(producer.is_kind(SpanKind::Producer));
    }
}

#[test]
fn histograms_count_what_the_spans_show() {
    let exports = exports(&options(None), 60);
    let spans = seen(&exports);
    let mut counts = BTreeMap::new();
    let mut services = BTreeSet::new();
    let mut last_ns = BTreeMap::new();
    for export in &exports {
        let resource = &export.resource().expect("a resource").attributes;
        for metric in export.metrics() {
            let Some(Data::Histogram(histogram)) = &metric.data else { continue };
            services.insert(value(resource, "service.name"));
            for point in &histogram.data_points {
                assert_eq!(point.count, point.bucket_counts.iter().sum::<u64>());
                let pod = value(resource, "k8s.pod.name");
                let route = value(&point.attributes, "http.route");
                let status = value(&point.attributes, "http.response.status_code");
                let method = value(&point.attributes, "http.request.method");
                last_ns.insert(pod.clone(), point.time_unix_nano);
                let before = counts.insert((pod, method, route, status), point.count);
                assert!(before.unwrap_or(0) <= point.count, "cumulative");
            }
        }
    }
    assert_eq!(services.into_iter().collect::<Vec<_>>(), ["catalog", "frontend"]);
    let served = |seen: &&Seen| {
        let until = last_ns.get(&seen.resource("k8s.pod.name"));
        seen.is_kind(SpanKind::Server)
            && until.is_some_and(|until| seen.span.end_time_unix_nano <= *until)
    };
    let expected = spans.iter().filter(served).count() as u64;
    assert_eq!(counts.values().sum::<u64>(), expected);
}

#[test]
fn every_pod_reports_its_process_and_databases_their_connections() {
    let exports = exports(&options(Some(Fault::SlowDependency)), 60);
    let mut names = BTreeSet::new();
    let mut full = 0;
    for export in &exports {
        let resource = &export.resource().expect("a resource").attributes;
        for metric in export.metrics() {
            names.insert(metric.name.clone());
            let Some(Data::Sum(sum)) = &metric.data else { continue };
            let idle = |key| value(&sum.data_points[1].attributes, key) == "idle";
            if metric.name == "db.client.connection.count" && idle("db.client.connection.state") {
                let none = sum.data_points[1].value
                    == Some(
                        opentelemetry_proto::tonic::metrics::v1::number_data_point::Value::AsInt(0),
                    );
                assert!(!none || value(resource, "service.name") == "catalog");
                full += usize::from(none);
            }
        }
    }
    for name in ["process.cpu.utilization", "process.memory.usage", "db.client.connection.count"] {
        assert!(names.contains(name), "{name}");
    }
    assert!(full > 0, "the slow database fills its pool");
}

#[test]
fn logs_hold_secrets_to_redact_and_belong_to_traces() {
    let exports = exports(&with_fault(Fault::BadRollout, None), 90);
    let records: Vec<_> = exports.iter().flat_map(Export::log_records).collect();
    let bodies = |needle: &str| {
        let holds = |record: &&&opentelemetry_proto::tonic::logs::v1::LogRecord| {
            let body = record.body.as_ref().and_then(|body| body.value.as_ref());
            matches!(body, Some(Value::StringValue(text)) if text.contains(needle))
        };
        records.iter().filter(holds).count()
    };
    assert!(bodies("@example.com") > 10);
    assert!(bodies("Bearer eyJ") > 10);
    assert!(bodies("payment 2.4.0 listening") > 0);
    let errors: Vec<_> = records.iter().filter(|r| r.severity_text == "ERROR").collect();
    assert!(!errors.is_empty());
    assert!(errors.iter().all(|r| r.trace_id.len() == 16 && r.span_id.len() == 8));
    assert!(records.iter().any(|r| r.severity_text == "INFO"));
}
