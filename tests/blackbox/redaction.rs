//! Secrets and personal data that telemetry carries stay out of everything that fogbell writes.

use std::fs;
use std::time::Duration;

use opentelemetry_proto::tonic::collector::logs::v1::ExportLogsServiceRequest;
use opentelemetry_proto::tonic::common::v1::AnyValue;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::logs::v1::{LogRecord, ResourceLogs, ScopeLogs};
use serde_json::json;

use crate::harness::consumer::Consumer;
use crate::harness::fogbell::Fogbell;
use crate::harness::incidents::Incidents;
use crate::harness::kafka::{Kafka, Topics};
use crate::harness::otlp::{Exporter, Outcome, Shop, now_ns, resource, text};
use crate::harness::wait;

const LIMIT: Duration = Duration::from_secs(20);

/// None of these may be found anywhere.
const SECRETS: [&str; 8] = [
    "ada.lovelace@example.com",
    "4111111111111111",
    "4111 1111 1111 1111",
    "eyJhbGciOiJIUzI1NiJ9",
    "q7RwXz0PfT9k2vB5",
    "hunter2-correct-horse",
    "sk_live_51Hq9ZsEcretKey00",
    "unconventional-value-77",
];
/// What telemetry says, with a secret in every place where text may stand.
const MESSAGE: &str = "card network refused 4111 1111 1111 1111 of ada.lovelace@example.com \
    (Authorization: Bearer q7RwXz0PfT9k2vB5, password=hunter2-correct-horse)";
const LOG: &str = "cannot charge 4111111111111111 for ada.lovelace@example.com with \
    sk_live_51Hq9ZsEcretKey00 and eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.c2lnbmF0dXJl";

fn logs() -> ExportLogsServiceRequest {
    let body = Some(AnyValue { value: Some(Value::StringValue(LOG.to_owned())) });
    let record = LogRecord {
        time_unix_nano: now_ns(),
        severity_number: 17,
        body,
        attributes: vec![text("user.email", SECRETS[0]), text("exception.message", MESSAGE)],
        ..LogRecord::default()
    };
    ExportLogsServiceRequest {
        resource_logs: vec![ResourceLogs {
            resource: Some(resource(vec![
                text("service.name", "payments"),
                text("service.namespace", "shop"),
                text("deployment.environment.name", "production"),
                text("customer.note", SECRETS[7]),
            ])),
            scope_logs: vec![ScopeLogs { log_records: vec![record; 20], ..Default::default() }],
            ..ResourceLogs::default()
        }],
    }
}

fn careless_shop() -> Shop {
    let extra = vec![
        text("user.email", SECRETS[0]),
        text("password", SECRETS[5]),
        text("x.internal.note", SECRETS[7]),
        text("exception.message", MESSAGE),
        text("url.full", "https://shop.example/?token=q7RwXz0PfT9k2vB5"),
        text("http.request.header.authorization", "Bearer q7RwXz0PfT9k2vB5"),
    ];
    Shop { extra, message: MESSAGE, ..Shop::new() }
}

/// All bytes below a folder.
fn bytes_below(folder: &std::path::Path) -> Vec<u8> {
    let mut bytes = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            bytes.extend(bytes_below(&path));
        } else {
            bytes.extend(fs::read(path).unwrap());
        }
    }
    bytes
}

/// That `place` holds `marker`, so that it is text that can be searched, and none of the secrets.
#[track_caller]
fn check(place: &str, bytes: &[u8], marker: &str) {
    let holds = |needle: &str| bytes.windows(needle.len()).any(|w| w == needle.as_bytes());
    assert!(holds(marker), "{place} does not even hold {marker}");
    for secret in SECRETS {
        assert!(!holds(secret), "{place} holds {secret}");
    }
}

#[test]
fn secrets_reach_neither_sinks_nor_store_nor_logs_nor_the_terminal() {
    let (kafka, topics) = (Kafka::shared(), Topics::new());
    let mut fogbell = Fogbell::start(&json!({
        "emit": { "kafka": topics.config(&kafka) },
        "log": { "level": "trace", "format": "json" },
    }));
    wait::until("the topics", LIMIT, || {
        let there = kafka.topics();
        topics.all().iter().all(|name| there.contains_key(name)).then_some(())
    });
    let names = topics.all();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let consumer = Consumer::subscribe(&kafka.bootstrap(), &names).wait_assigned(LIMIT);
    let subscriber = Incidents::at(&fogbell.api_url("")).follow();
    let (exporter, shop) = (Exporter::to(&fogbell.grpc_url()), careless_shop());
    exporter.be_healthy(&[&shop]);
    exporter.send_logs(logs());
    let mut broken = shop.requests(60, Outcome::Broken);
    for span in &mut broken.resource_spans[1].scope_spans[0].spans {
        // Without a route the operation is the span's name.
        span.attributes.retain(|attribute| attribute.key != "http.route");
        span.name = "charge ada.lovelace@example.com".to_owned();
    }
    exporter.send(broken);
    exporter.send_logs(logs());
    let (page, _) = subscriber.page(LIMIT);
    let id = page.incident.as_ref().unwrap().id.clone();
    subscriber.rest(Duration::from_secs(6));

    let records = consumer.read_until_quiet(Duration::from_secs(2));
    assert!(records.iter().any(|record| record.topic == topics.pages()));
    for record in &records {
        check(&record.topic, &record.payload, &id);
        check("headers", format!("{:?}", record.headers).as_bytes(), &id);
    }
    let page = format!("{page:?}");
    check("the page", page.as_bytes(), "card network refused");
    check(
        "incidents show --json",
        fogbell.ask(&["incidents", "show", &id, "--json"]).as_bytes(),
        &id,
    );
    check("incidents show", fogbell.ask(&["incidents", "show", &id]).as_bytes(), "payments");
    check("incidents list", fogbell.ask(&["incidents", "list"]).as_bytes(), &id);
    check("/metrics", fogbell.metrics().as_bytes(), "payments");
    check("the store", &bytes_below(&fogbell.data_dir()), "payments");
    assert!(fogbell.terminate().success());
    check("the store at rest", &bytes_below(&fogbell.data_dir()), "card network refused");
    check("the log", fogbell.log().as_bytes(), "fogbell listens");
}
