//! The parts that the scenarios rely on, each tried without the daemon, so that a scenario that
//! fails points at the daemon.

use std::time::Duration;

use rdkafka::ClientConfig;
use rdkafka::message::{Header, OwnedHeaders};
use rdkafka::producer::{BaseProducer, BaseRecord, Producer as _};

use crate::harness::capture::{Capture, Captured};
use crate::harness::clients::Client;
use crate::harness::consumer::Consumer;
use crate::harness::kafka::Kafka;
use crate::harness::prometheus::{Prometheus, check_metrics};
use crate::harness::{http, ports};

const RECORD_LIMIT: Duration = Duration::from_secs(30);

fn produce(kafka: &Kafka, topic: &str, key: &str, payload: &str) {
    let producer: BaseProducer =
        ClientConfig::new().set("bootstrap.servers", kafka.bootstrap()).create().unwrap();
    let headers = OwnedHeaders::new().insert(Header { key: "ce_id", value: Some(key) });
    let record = BaseRecord::to(topic).key(key).payload(payload).headers(headers);
    producer.send(record).map_err(|(error, _)| error).unwrap();
    producer.flush(RECORD_LIMIT).unwrap();
}

#[test]
fn the_broker_keeps_its_records_when_it_stops_or_is_killed() {
    let mut kafka = Kafka::start();
    let consumer = Consumer::subscribe(&kafka.bootstrap(), &["pages"]);
    kafka.create_topic("pages", 2);
    assert_eq!(kafka.topics().get("pages"), Some(&2));
    assert_eq!(kafka.topic_setting("pages", "cleanup.policy").as_deref(), Some("delete"));
    produce(&kafka, "pages", "a", "first");

    let records = consumer.read_until("the first record", RECORD_LIMIT, |r| !r.is_empty());
    assert_eq!(records[0].topic, "pages");
    assert_eq!((records[0].key.as_str(), records[0].header("ce_id")), ("a", "a"));
    assert_eq!(records[0].payload, b"first");
    assert_eq!(records[0].offset, 0);
    assert!(records[0].received.elapsed() < RECORD_LIMIT);

    kafka.stop();
    kafka.start_again();
    produce(&kafka, "pages", "b", "second");
    let records = consumer.read_until("the second record", RECORD_LIMIT, |r| !r.is_empty());
    assert_eq!(records[0].payload, b"second");

    kafka.kill();
    kafka.start_again();
    let again = Consumer::subscribe(&kafka.bootstrap(), &["pages"]);
    let mut all = again.read_until("both records", RECORD_LIMIT, |r| r.len() == 2);
    all.sort_by(|a, b| a.key.cmp(&b.key));
    assert_eq!(
        all.iter().map(|r| r.payload.as_slice()).collect::<Vec<_>>(),
        [&b"first"[..], b"second"]
    );
    assert!(all.iter().all(|record| (0..2).contains(&record.partition)));
    assert!(again.read_until_quiet(Duration::from_millis(500)).is_empty());
}

#[test]
fn prometheus_scrapes_answers_and_complains() {
    // Prometheus serves its own metrics, so a second one has a real target.
    let target = Prometheus::with_history("# EOF\n");
    let scraper = Prometheus::scraping(&target.address());
    let samples = scraper.wait_for("prometheus_build_info", RECORD_LIMIT);
    assert_eq!(samples.len(), 1);
    assert_eq!(samples[0].labels["job"], "fogbell");
    assert_eq!(samples[0].number().to_bits(), 1.0_f64.to_bits());
    assert_eq!(scraper.scrape_complaints(), [""; 0]);

    let lost = Prometheus::scraping(&format!("127.0.0.1:{}", ports::free()));
    assert!(!lost.scrape_complaints().is_empty());
}

#[test]
fn history_sums_are_exact() {
    // Mid-pane stamps, since this Prometheus closes ranges at both ends.
    let start_s = 1_700_000_000;
    let panes = (0..720).map(|pane| (f64::from(pane * 5) + 2.5, pane * 7 % 11)).collect::<Vec<_>>();
    let lines: String = panes
        .iter()
        .map(|(at_s, bad)| format!("bad {bad} {:.1}\n", f64::from(start_s) + at_s))
        .collect();
    let oracle = Prometheus::with_history(&format!("# TYPE bad gauge\n{lines}# EOF\n"));
    let end_s = f64::from(start_s + 3600);
    for (window, seconds) in [("5m", 300.0), ("30m", 1800.0), ("1h", 3600.0)] {
        let expected: i32 =
            panes.iter().filter(|(at_s, _)| *at_s > 3600.0 - seconds).map(|(_, bad)| bad).sum();
        let samples = oracle.query_at(&format!("sum_over_time(bad[{window}])"), end_s);
        assert_eq!(samples[0].value, expected.to_string(), "{window}");
    }
    assert_eq!(oracle.query("scalar(vector(2))")[0].value, "2");
}

#[test]
fn promtool_tells_clean_metrics_from_others() {
    let clean =
        "# HELP slo_events_total Events.\n# TYPE slo_events_total counter\nslo_events_total 1\n";
    assert_eq!(check_metrics(clean), None);
    assert!(check_metrics("# TYPE slo_events counter\nslo_events 1\n").is_some());
}

/// Runs a client against a receiver that keeps all; every export must succeed.
#[track_caller]
fn sent(client: impl FnOnce(&Capture) -> Client) -> Captured {
    let capture = Capture::start();
    let summary = client(&capture).summary();
    assert_eq!(summary["failed_exports"], 0, "{summary}");
    assert_eq!((&summary["requests"], &summary["failed_requests"]), (&40.into(), &10.into()));
    capture.captured()
}

/// Checks the spans of 40 requests, of which 10 failed, and how they came.
#[track_caller]
fn check_spans(captured: &Captured, transport: &str) {
    assert!(captured.transports.iter().all(|t| t == transport), "{:?}", captured.transports);
    let resources = captured.traces.iter().flat_map(|request| &request.resource_spans);
    let spans: Vec<_> = resources.flat_map(|r| &r.scope_spans).flat_map(|s| &s.spans).collect();
    assert_eq!(spans.len(), 120);
    let failed = |name: &str| {
        let named = spans.iter().filter(|span| span.name == name);
        named.filter(|span| span.status.as_ref().is_some_and(|s| s.code == 2)).count()
    };
    assert_eq!((failed("GET /checkout"), failed("POST"), failed("POST /charge")), (10, 10, 10));
    assert_eq!(spans.iter().filter(|span| span.parent_span_id.is_empty()).count(), 40);
    assert!(spans.iter().all(|span| span.trace_id.len() == 16 && span.span_id.len() == 8));
}

const FAULT: [&str; 4] = ["--requests", "40", "--error-ratio", "0.25"];

#[test]
fn the_python_sdk_sends_traces_over_grpc_and_http() {
    let grpc = sent(|to| {
        Client::python(&[&["traces", "--endpoint", &to.grpc_url()], &FAULT[..]].concat())
    });
    check_spans(&grpc, "grpc");
    let options = ["--protocol", "http", "--compression", "gzip", "--back-s", "30"];
    let http = sent(|to| {
        let endpoint = ["traces", "--endpoint", &to.http_url()];
        Client::python(&[&endpoint[..], &FAULT, &options].concat())
    });
    check_spans(&http, "application/x-protobuf gzip");
}

#[test]
fn the_python_sdk_sends_metrics_and_logs() {
    let metrics = sent(|to| {
        Client::python(&[&["metrics", "--endpoint", &to.grpc_url()], &FAULT[..]].concat())
    });
    let names: Vec<_> = metrics
        .metrics
        .iter()
        .flat_map(|request| &request.resource_metrics)
        .flat_map(|resource| &resource.scope_metrics)
        .flat_map(|scope| &scope.metrics)
        .map(|metric| metric.name.as_str())
        .collect();
    assert_eq!(names, ["http.server.request.duration"; 2]);
    let logs = sent(|to| {
        let endpoint = ["logs", "--protocol", "http", "--endpoint", &to.http_url()];
        Client::python(&[&endpoint[..], &FAULT].concat())
    });
    let records = logs.logs.iter().flat_map(|request| &request.resource_logs);
    let records = records.flat_map(|resource| &resource.scope_logs).flat_map(|s| &s.log_records);
    assert_eq!(records.filter(|record| record.severity_number == 17).count(), 20);
}

#[test]
fn the_node_sdk_sends_traces_over_grpc_protobuf_and_json() {
    for (protocol, compression, transport) in [
        ("grpc", "gzip", "grpc gzip"),
        ("http/protobuf", "none", "application/x-protobuf"),
        ("http/json", "gzip", "application/json gzip"),
    ] {
        let captured = sent(|to| {
            let url = if protocol == "grpc" { to.grpc_url() } else { to.http_url() };
            let options =
                ["--endpoint", &url, "--protocol", protocol, "--compression", compression];
            Client::node(&[&options[..], &FAULT].concat())
        });
        check_spans(&captured, transport);
    }
}

#[test]
fn a_refused_export_is_counted() {
    let nowhere = format!("http://127.0.0.1:{}", ports::free());
    let client =
        Client::node(&["--endpoint", &nowhere, "--protocol", "http/json", "--requests", "1"]);
    assert_ne!(client.summary()["failed_exports"], 0);
}

#[test]
fn http_statuses_are_answers() {
    let capture = Capture::start();
    let url = format!("{}/v1/profiles", capture.http_url());
    let refused = http::post(&url, &[("content-type", "application/x-protobuf")], b"").unwrap();
    assert_eq!((refused.status, refused.text().as_str()), (404, ""));
    assert_eq!(refused.header("content-length"), Some("0"));
    let wrong_method = http::get(&url, &[("accept", "*/*")]).unwrap();
    assert_eq!(wrong_method.status, 405);
    assert!(http::get(&format!("http://127.0.0.1:{}", ports::free()), &[]).is_err());
}
