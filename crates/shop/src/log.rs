//! Log records. Some hold an e-mail address or a token on purpose: whoever stores or forwards
//! them has to redact those.

use opentelemetry_proto::tonic::common::v1::KeyValue;
use opentelemetry_proto::tonic::logs::v1::{LogRecord, SeverityNumber};

use crate::attribute::body;

/// The span that a log record belongs to.
#[derive(Debug, Clone, Copy)]
pub(crate) struct SpanContext {
    pub(crate) trace_id: [u8; 16],
    pub(crate) span_id: [u8; 8],
}

pub(crate) fn info(time_ns: u64, message: String) -> LogRecord {
    record(time_ns, SeverityNumber::Info, "INFO", message)
}

pub(crate) fn error(time_ns: u64, message: String) -> LogRecord {
    record(time_ns, SeverityNumber::Error, "ERROR", message)
}

/// A record that names an event, with its attributes.
pub(crate) fn event(
    time_ns: u64,
    name: &str,
    message: String,
    attributes: Vec<KeyValue>,
) -> LogRecord {
    LogRecord { event_name: name.to_owned(), attributes, ..info(time_ns, message) }
}

pub(crate) fn within(mut record: LogRecord, context: SpanContext) -> LogRecord {
    record.trace_id = context.trace_id.to_vec();
    record.span_id = context.span_id.to_vec();
    record.flags = 1;
    record
}

fn record(
    time_ns: u64,
    severity: SeverityNumber,
    severity_text: &str,
    message: String,
) -> LogRecord {
    LogRecord {
        time_unix_nano: time_ns,
        observed_time_unix_nano: time_ns,
        severity_number: severity.into(),
        severity_text: severity_text.to_owned(),
        body: Some(body(message)),
        ..LogRecord::default()
    }
}
