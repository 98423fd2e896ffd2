//! Log records of a web shop's services: a few dozen messages, each with parts that vary.

use opentelemetry_proto::tonic::collector::logs::v1::ExportLogsServiceRequest;
use opentelemetry_proto::tonic::common::v1::{AnyValue, KeyValue, any_value::Value};
use opentelemetry_proto::tonic::logs::v1::{LogRecord, ResourceLogs, ScopeLogs, SeverityNumber};

use crate::payload::attribute::{self, SCHEMA_URL, integer, resource, scope, text};
use crate::payload::{Shape, identity::scatter};

/// Stands where a number varies; digits are written over it.
pub(super) const BLANK: &str = "########";
/// In one message.
pub(super) const BLANKS_MAX: usize = 3;
/// Of this many records one is an error.
const RECORDS_PER_ERROR: usize = 50;
/// Of this many records one is a warning.
const RECORDS_PER_WARNING: usize = 10;
/// Sampled.
const FLAGS: u32 = 1;

const INFO: [&str; 16] = [
    "Request ######## finished with status 200 in ######## us",
    "Order ######## accepted for customer ########, waiting for payment",
    "Cache refreshed: ######## entries, oldest from ########",
    "Session ######## opened from 10.42.17.3 by user ########",
    "Published event ######## to topic orders.v1, offset ########",
    "Payment ######## captured by the provider in ######## us",
    "Cart ######## merged into cart ######## of the same customer",
    "Stock of article ######## set to ######## by the nightly import",
    "Message ######## consumed from orders.v1, lag ########",
    "Feature flag checkout-v2 evaluated to on for user ########",
    "Row ######## updated, version ######## replaced",
    "Mail ######## handed over to the relay, queue length ########",
    "Connection ######## returned to the pool after ######## us",
    "Recommendation for customer ######## built from ######## articles",
    "Token of client ######## renewed, valid for 3600 s",
    "Search for customer ######## gave ######## hits in ######## us",
];
const WARN: [&str; 10] = [
    "Retrying call to inventory for order ########: attempt 2 after ######## us",
    "Connection pool is nearly exhausted: ######## of ######## in use",
    "Slow query took ######## us: SELECT * FROM orders WHERE id = ########",
    "Deprecated field customer_ref used by client ########",
    "Circuit breaker of payments half open after ######## failures",
    "Lock on order ######## held for ######## us by worker ########",
    "Cache entry ######## expired while it was read, reading again",
    "Response of shipping for order ######## has no field eta",
    "Consumer is behind by ######## messages on orders.v1",
    "Rate limit near: client ######## made ######## calls within a minute",
];
const ERROR: [&str; 8] = [
    "Payment ######## failed: java.net.SocketTimeoutException: Read timed out after ######## ms",
    "Order ######## cannot be stored: duplicate key value violates unique constraint \"orders_pk\"",
    "Call to inventory for order ######## failed: status UNAVAILABLE, upstream connect error",
    "Unhandled error in worker ########: index ######## is out of bounds",
    "Message ######## moved to the dead letter queue after ######## attempts",
    "Mail ######## refused by 10.43.8.21: 451 try again later",
    "Customer ######## not found, cart ######## left without owner",
    "Connection to postgres lost after ######## us: server closed the connection unexpectedly",
];
const WORDS: [&str; 8] =
    ["checkout", "basket", "catalog", "billing", "delivery", "profile", "search", "returns"];
const CLASSES: [&str; 4] = ["Handler", "Repository", "Consumer", "Client"];

pub(super) fn request(shape: &Shape, service: usize) -> ExportLogsServiceRequest {
    ExportLogsServiceRequest {
        resource_logs: vec![ResourceLogs {
            resource: Some(resource(service, 0)),
            scope_logs: vec![ScopeLogs {
                scope: Some(scope("io.opentelemetry.logback-appender")),
                log_records: (0..shape.batch).map(|index| record(shape, service, index)).collect(),
                schema_url: String::new(),
            }],
            schema_url: SCHEMA_URL.to_owned(),
        }],
    }
}

fn record(shape: &Shape, service: usize, index: usize) -> LogRecord {
    let pick = scatter((service * shape.batch + index) as u64) as usize;
    let (severity, messages) = if index.is_multiple_of(RECORDS_PER_ERROR) {
        (SeverityNumber::Error, &ERROR[..])
    } else if index.is_multiple_of(RECORDS_PER_WARNING) {
        (SeverityNumber::Warn, &WARN[..])
    } else {
        (SeverityNumber::Info, &INFO[..])
    };
    let message = pick % messages.len();
    // Services do not share their messages.
    let word = WORDS[(service + message) % WORDS.len()];
    let body = format!("[{word}-{service:02}] {}", messages[message]);
    let name = severity.as_str_name().trim_start_matches("SEVERITY_NUMBER_");
    // Ids, times and blanks are stamped on each copy.
    LogRecord {
        time_unix_nano: 1,
        observed_time_unix_nano: 1,
        severity_number: severity.into(),
        severity_text: name.to_owned(),
        body: Some(AnyValue { value: Some(Value::StringValue(body)) }),
        attributes: attributes(shape, word, message, pick),
        flags: FLAGS,
        trace_id: vec![1; 16],
        span_id: vec![1; 8],
        ..LogRecord::default()
    }
}

fn attributes(shape: &Shape, word: &str, message: usize, pick: usize) -> Vec<KeyValue> {
    let class = CLASSES[message % CLASSES.len()];
    vec![
        text("log.logger", format!("shop.{word}.{class}")),
        text("code.function.name", format!("handle{class}")),
        integer("code.line.number", (40 + message * 17) as i64),
        text("thread.name", format!("http-{}", pick % 32)),
        integer("thread.id", (pick % 32 + 20) as i64),
        text("http.route", attribute::route(pick % shape.routes)),
        text("tenant.tier", "gold".to_owned()),
        integer("app.shard", (pick % 12) as i64),
    ]
}
