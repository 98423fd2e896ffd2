//! The whole path: telemetry of a fault in, one page out, at every sink, soon, with its cause.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use contract::v1;
use prost::Message as _;
use serde_json::json;

use crate::harness::clients::Client;
use crate::harness::consumer::{Consumer, Record};
use crate::harness::fogbell::Fogbell;
use crate::harness::incidents::{Incidents, Sink, is_page, pages};
use crate::harness::kafka::{Kafka, Topics};
use crate::harness::otlp::{Exporter, Outcome, Shop, slo_labels};
use crate::harness::prometheus::{Prometheus, check_metrics};
use crate::harness::wait;

/// From the deciding event to the page in the hands of its receiver.
const PAGE_WITHIN: Duration = Duration::from_secs(1);
const LIMIT: Duration = Duration::from_secs(20);
/// Long enough for everything that looks again at an incident in its first seconds.
const QUIET: Duration = Duration::from_secs(6);

/// A consumer of all topics, which fogbell must have created.
fn consumer_of(kafka: &Kafka, topics: &Topics) -> Consumer {
    let names = topics.all();
    wait::until("fogbell creates its topics", LIMIT, || {
        let there = kafka.topics();
        names.iter().all(|name| there.get(name) == Some(&6)).then_some(())
    });
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    Consumer::subscribe(&kafka.bootstrap(), &names).wait_assigned(LIMIT)
}

/// That a record is this delivery, as a CloudEvent in protobuf.
#[track_caller]
fn check_page_record(record: &Record, delivery: &v1::Delivery) {
    let incident = delivery.incident.as_ref().expect("a delivery is self-contained");
    let id = format!("{}:{}:page:default:0", incident.id, incident.revision);
    assert_eq!((delivery.id.as_str(), record.key.as_str()), (id.as_str(), incident.id.as_str()));
    for (name, value) in [
        ("ce_specversion", "1.0"),
        ("ce_id", id.as_str()),
        ("ce_source", "/fogbell"),
        ("ce_type", "fogbell.page.v1"),
        ("ce_urgency", "page"),
        ("ce_action", "trigger"),
        ("ce_tenant", "default"),
        ("ce_status", "open"),
        ("ce_subject", "payments"),
        ("ce_partitionkey", incident.id.as_str()),
        ("content-type", "application/protobuf"),
    ] {
        assert_eq!(record.header(name), value, "{name}");
    }
    let trace_id = &incident.traces[0].trace_id;
    assert!(record.header("traceparent").starts_with(&format!("00-{trace_id}-")));
    assert_eq!(&v1::Delivery::decode(&*record.payload).expect("protobuf"), delivery);
}

/// That an incident tells what broke: payments, felt at the storefront.
#[track_caller]
fn check_cause(incident: &v1::Incident) {
    let first = incident.causes.first().unwrap_or_else(|| panic!("no cause: {incident:#?}"));
    assert_eq!(first.service, "payments", "{:#?}", incident.causes);
    assert!(!first.evidence.is_empty());
    let impact = incident.impact.as_ref().expect("an impact");
    assert!(
        impact.entry_operations.iter().any(|operation| operation.contains("/checkout")),
        "{impact:#?}"
    );
    let services: BTreeSet<_> = impact.services.iter().map(|hop| hop.service.as_str()).collect();
    assert!(services.is_superset(&["storefront", "payments"].into()), "{services:?}");
    assert_eq!(incident.urgency(), v1::Urgency::Page);
    assert!(incident.started_at.is_some() && incident.detected_at.is_some());
}

/// That at least one whole bad trace leads from the entry to the failing span.
#[track_caller]
fn check_traces(incident: &v1::Incident) {
    let whole = incident.traces.iter().find(|trace| trace.complete);
    let path = &whole.unwrap_or_else(|| panic!("no whole trace: {:#?}", incident.traces)).path;
    assert_eq!(path.first().unwrap().service, "storefront");
    let last = path.last().unwrap();
    assert_eq!((last.service.as_str(), last.error), ("payments", true));
}

/// That the other topics tell the same story as the page.
#[track_caller]
fn check_snapshots_and_events(records: &[Record], topics: &Topics, page: &v1::Delivery) {
    let incident = page.incident.as_ref().unwrap();
    let of = |topic: String| records.iter().filter(move |record| record.topic == topic);
    assert_eq!(of(topics.tickets()).count(), 0);
    let snapshots: Vec<_> = of(topics.incidents())
        .map(|record| {
            let snapshot = v1::Incident::decode(&*record.payload).expect("protobuf");
            let id = format!("{}:{}:incident", snapshot.id, snapshot.revision);
            assert_eq!((record.header("ce_id"), &record.key), (id.as_str(), &incident.id));
            assert_eq!(record.header("ce_type"), "fogbell.incident.snapshot.v1");
            snapshot
        })
        .collect();
    assert!(snapshots.contains(incident), "{snapshots:#?}");
    let opened = of(topics.events()).find(|r| r.header("ce_type") == "fogbell.incident.opened.v1");
    let opened = opened.expect("an event says that the incident was opened");
    let event = v1::IncidentEvent::decode(&*opened.payload).expect("protobuf");
    assert_eq!((event.r#type(), event.revision), (v1::incident_event::Type::Opened, 1));
    assert_eq!(opened.header("ce_id"), format!("{}:1:event", incident.id));
}

#[test]
fn one_fault_is_one_page_at_every_sink_within_a_second() {
    let (kafka, topics, sink) = (Kafka::shared(), Topics::new(), Sink::start());
    let fogbell = Fogbell::start(&json!({ "emit": {
        "kafka": topics.config(&kafka),
        "grpc": [{ "name": "on-call", "endpoint": sink.url(), "urgencies": ["page", "ticket"] }],
    } }));
    let consumer = consumer_of(&kafka, &topics);
    assert_eq!(kafka.topic_setting(&topics.incidents(), "cleanup.policy").unwrap(), "compact");
    assert_eq!(kafka.topic_setting(&topics.pages(), "cleanup.policy").unwrap(), "delete");
    let subscriber = Incidents::at(&fogbell.api_url("")).follow();
    let prometheus = Prometheus::scraping(&fogbell.api_address());
    let (exporter, shop) = (Exporter::to(&fogbell.grpc_url()), Shop::new());
    exporter.be_healthy(&[&shop]);

    // Bad enough by its ratio, but fewer bad events than a page needs.
    exporter.send(shop.requests(9, Outcome::Broken));
    assert!(pages(&subscriber.rest(Duration::from_millis(1500))).is_empty());
    let decided = exporter.send(shop.requests(20, Outcome::Broken));

    let is_page_record = |record: &Record| record.topic == topics.pages();
    let mut records =
        consumer.read_until("the page on Kafka", LIMIT, |r| r.iter().any(is_page_record));
    let (delivery, over_grpc) = subscriber.page(LIMIT);
    let pushed = wait::until("the page is pushed", LIMIT, || sink.taken().into_iter().next());
    let record = records.iter().find(|record| is_page_record(record)).unwrap();
    for (sink, at) in [("Kafka", record.received), ("gRPC", over_grpc.at), ("push", pushed.1)] {
        let after = at.duration_since(decided);
        eprintln!("the page came over {sink} {after:.0?} after the deciding request was sent");
        assert!(after <= PAGE_WITHIN, "{sink}: {after:?}");
    }
    assert_eq!(pushed.0, delivery);
    let incident = delivery.incident.as_ref().unwrap();
    check_cause(incident);
    check_page_record(record, &delivery);
    check_traces(incident);

    // One fault, one page: nothing that is learnt later wakes anybody again.
    records.extend(consumer.read_until_quiet(QUIET));
    assert_eq!(records.iter().filter(|record| is_page_record(record)).count(), 1);
    assert!(pages(&subscriber.rest(Duration::from_millis(100))).is_empty());
    assert_eq!(sink.taken().iter().filter(|(delivery, _)| is_page(delivery)).count(), 1);
    check_snapshots_and_events(&records, &topics, &delivery);
    check_prometheus(&prometheus, &fogbell);
}

/// That a real Prometheus sees the numbers and has nothing to say against how they come.
#[track_caller]
fn check_prometheus(prometheus: &Prometheus, fogbell: &Fogbell) {
    let entry = slo_labels("storefront", "availability");
    for family in [
        "slo_objective_ratio",
        "slo_error_budget_ratio",
        "slo_window_seconds",
        "slo_error_budget_remaining_ratio",
        "slo_sli_error_ratio",
        "slo_burn_rate",
        "slo_window_coverage_ratio",
        "slo_time_to_exhaustion_seconds",
    ] {
        prometheus.wait_for(&format!("{family}{{{entry}}}"), LIMIT);
    }
    let firing = format!("slo_alert_state{{{entry},severity=\"page\"}} == 2");
    prometheus.wait_for(&firing, LIMIT);
    let bad = prometheus.wait_for(&format!("slo_events_total{{{entry},result=\"bad\"}}"), LIMIT);
    assert_eq!(bad[0].value, "29");
    for family in [
        "fogbell_build_info",
        "fogbell_requests_total",
        "fogbell_journal_commits_total",
        "fogbell_incidents_live{urgency=\"page\"}",
        "fogbell_deliveries_total{kind=\"page\",outcome=\"confirmed\",sink=\"kafka\"}",
        "fogbell_resident_memory_bytes",
    ] {
        prometheus.wait_for(family, LIMIT);
    }
    assert_eq!(prometheus.scrape_complaints(), [""; 0]);
    assert_eq!(check_metrics(&fogbell.metrics()), None);
}

/// A page as one of the formats has it.
fn decoded(record: &Record, format: &str) -> v1::Delivery {
    assert_eq!(record.header("content-type"), format!("application/{format}"));
    match format {
        "json" => serde_json::from_slice(&record.payload).expect("protobuf JSON"),
        _ => v1::Delivery::decode(&*record.payload).expect("protobuf"),
    }
}

/// Health, then a fault, both from a client that uses an SDK; `client` starts it with the options
/// that it is given.
fn sdk_fault(format: &str, client: impl Fn(&Fogbell, &[&str]) -> Client) {
    let (kafka, topics) = (Kafka::shared(), Topics::new());
    let mut emit = topics.config(&kafka);
    emit["format"] = format.into();
    let fogbell = Fogbell::start(&json!({ "emit": { "kafka": emit } }));
    let consumer = consumer_of(&kafka, &topics);
    let subscriber = Incidents::at(&fogbell.api_url("")).follow();

    let healthy = client(&fogbell, &["--requests", "310", "--over-s", "31"]).summary();
    assert_eq!(healthy["failed_exports"], 0, "{healthy}");
    let fault = client(&fogbell, &["--requests", "40", "--error-ratio", "1"]).summary();
    // The deciding export had come before the client ended.
    let decided = Instant::now();
    assert_eq!((&fault["failed_exports"], &fault["failed_requests"]), (&0.into(), &40.into()));

    let is_page_record = |record: &Record| record.topic == topics.pages();
    let mut records =
        consumer.read_until("the page on Kafka", LIMIT, |r| r.iter().any(is_page_record));
    let record = records.iter().find(|record| is_page_record(record)).unwrap();
    let after = record.received.saturating_duration_since(decided);
    eprintln!("the page came {after:.0?} after the client had ended");
    assert!(after <= PAGE_WITHIN, "{after:?}");
    let delivery = decoded(record, format);
    check_cause(delivery.incident.as_ref().unwrap());
    assert_eq!(subscriber.page(LIMIT).0, delivery);
    records.extend(consumer.read_until_quiet(QUIET));
    assert_eq!(records.iter().filter(|record| is_page_record(record)).count(), 1);
    check_account(&fogbell);
}

/// What the daemon says of the numbers behind the page.
fn check_account(fogbell: &Fogbell) {
    let told = fogbell.ask(&["slo", "explain", "storefront:availability"]);
    let wanted = ["storefront", ":availability of ", " 310 ", " 40 ", "firing", "page"];
    for part in wanted {
        assert!(told.contains(part), "{part:?} in\n{told}");
    }
}

#[test]
fn a_fault_told_by_the_python_sdk_over_grpc_is_one_page() {
    sdk_fault("protobuf", |fogbell, options| {
        let to = ["traces", "--endpoint", &fogbell.grpc_url(), "--compression", "gzip"];
        Client::python(&[&to[..], options].concat())
    });
}

#[test]
fn a_fault_told_by_the_python_sdk_over_http_is_one_page() {
    sdk_fault("protobuf", |fogbell, options| {
        let to = ["traces", "--protocol", "http", "--endpoint", &fogbell.http_url()];
        Client::python(&[&to[..], options].concat())
    });
}

#[test]
fn a_fault_told_by_the_node_sdk_in_json_is_one_page_in_json() {
    sdk_fault("json", |fogbell, options| {
        let to = ["--protocol", "http/json", "--endpoint", &fogbell.http_url()];
        Client::node(&[&to[..], options].concat())
    });
}
