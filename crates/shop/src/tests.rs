//! The shop as whoever receives its exports sees it.

mod faults;
mod health;
mod shape;

use std::time::Duration;

use opentelemetry_proto::tonic::common::v1::KeyValue;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::trace::v1::Span;
use opentelemetry_proto::tonic::trace::v1::span::SpanKind;
use opentelemetry_proto::tonic::trace::v1::status::StatusCode;

use crate::{Export, Fault, Shop, ShopOptions};

const START_NS: u64 = 1_762_000_000_000_000_000;
const SECOND_NS: u64 = 1_000_000_000;

fn options(fault: Option<Fault>) -> ShopOptions {
    ShopOptions { fault, ..ShopOptions::default() }
}

/// Everything that is exported in that many seconds.
fn exports(options: &ShopOptions, seconds: u64) -> Vec<Export> {
    let mut shop = Shop::new(options, START_NS);
    (1..=seconds).flat_map(|s| shop.advance(START_NS + s * SECOND_NS)).collect()
}

/// A span with the attributes of its resource.
#[derive(Clone)]
struct Seen {
    span: Span,
    resource: Vec<KeyValue>,
}

impl Seen {
    fn text(&self, key: &str) -> String {
        value(&self.span.attributes, key)
    }

    fn resource(&self, key: &str) -> String {
        value(&self.resource, key)
    }

    fn service(&self) -> String {
        self.resource("service.name")
    }

    fn is_error(&self) -> bool {
        self.span.status.as_ref().is_some_and(|s| s.code == StatusCode::Error as i32)
    }

    fn is_kind(&self, kind: SpanKind) -> bool {
        self.span.kind == kind as i32
    }

    fn is_slow(&self) -> bool {
        self.span.end_time_unix_nano - self.span.start_time_unix_nano > SECOND_NS / 2
    }

    fn is_entry(&self) -> bool {
        self.span.parent_span_id.is_empty() && self.is_kind(SpanKind::Server)
    }
}

fn value(attributes: &[KeyValue], key: &str) -> String {
    let found = attributes.iter().find(|attribute| attribute.key == key);
    match found.and_then(|a| a.value.as_ref()).and_then(|v| v.value.as_ref()) {
        Some(Value::StringValue(text)) => text.clone(),
        Some(Value::IntValue(number)) => number.to_string(),
        Some(Value::BoolValue(flag)) => flag.to_string(),
        _ => String::new(),
    }
}

fn seen(exports: &[Export]) -> Vec<Seen> {
    let with_resource = |export: &Export| {
        let resource = export.resource().map(|r| r.attributes.clone()).unwrap_or_default();
        let spans: Vec<Span> = export.spans().cloned().collect();
        spans.into_iter().map(move |span| Seen { span, resource: resource.clone() })
    };
    exports.iter().flat_map(with_resource).collect()
}

/// Entry requests of which some are bad.
#[derive(Debug, Default, Clone, Copy)]
struct Entry {
    total: usize,
    errors: usize,
    slow: usize,
}

impl Entry {
    fn of<'a>(spans: impl Iterator<Item = &'a Seen>) -> Self {
        let mut entry = Self::default();
        for seen in spans.filter(|seen| seen.is_entry()) {
            entry.total += 1;
            entry.errors += usize::from(seen.is_error());
            entry.slow += usize::from(seen.is_slow());
        }
        entry
    }

    /// Burn rate against 99.9 % availability.
    fn availability_burn(self) -> f64 {
        self.errors as f64 / self.total as f64 / 0.001
    }

    /// Burn rate against 99 % under 500 ms.
    fn latency_burn(self) -> f64 {
        self.slow as f64 / self.total as f64 / 0.01
    }
}

fn with_fault(fault: Fault, duration_s: Option<u64>) -> ShopOptions {
    let fault_duration = duration_s.map(Duration::from_secs);
    ShopOptions { fault_duration, ..options(Some(fault)) }
}
