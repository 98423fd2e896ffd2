//! OTLP protobuf and JSON bytes to visitor calls with borrowed views, and a list of rejections.
//!
//! [`traces`], [`metrics`] and [`logs`] walk the wire bytes of an export request once and call a
//! visitor with views that borrow from them: no objects are built and nothing is allocated per
//! item. [`json::transcode`] turns OTLP/JSON into the same wire bytes, so there is one walker.
//!
//! A request is refused as a whole only if it cannot be read down to its items; then the visitor
//! has seen none of it, or is told to forget what it saw ([`TraceVisitor::forget`]). An item that cannot be read is left out and counted in the [`Summary`].
//! Items are checked as deep as they are read: what lies inside an unwanted attribute, an event, a
//! link, an exemplar or a nested value is looked at only by who asks for it.
//!
//! What prost accepts is accepted with the same values: any field order, unknown fields and
//! groups, submessages in several pieces, varints that are longer than need be. Invalid UTF-8,
//! which prost refuses, is passed on as bytes.

mod envelope;
mod id;
pub mod json;
mod logs;
mod metrics;
mod outcome;
mod scratch;
mod traces;
mod value;
mod wire;

pub use envelope::{Resource, Scope};
pub use logs::{LogRecord, LogsVisitor, logs};
pub use metrics::{
    Bounds, Buckets, Counts, Exemplar, ExponentialHistogramPoint, HistogramPoint, Metric,
    MetricKind, MetricsVisitor, NO_RECORDED_VALUE, Number, NumberPoint, SummaryPoint, Temporality,
    ValueAtQuantile, metrics,
};
pub use outcome::{Malformed, Reason, Rejections, Summary};
pub use scratch::Scratch;
pub use traces::{Event, Link, Span, TraceVisitor, traces};
pub use value::{ArrayView, Attributes, MapView, VALUE_DEPTH_MAX, Value, key_length_bit};
pub use wire::GROUP_DEPTH_MAX;

/// Which OTLP signal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Signal {
    /// Spans.
    Traces,
    /// Data points.
    Metrics,
    /// Log records.
    Logs,
}

/// How many items (spans, data points, log records) a request holds, without entering them: the
/// work that it will be. Equal to what the visit then accepts and rejects.
///
/// # Errors
///
/// If the request cannot be read down to its items, exactly as the visit would say.
pub fn count(signal: Signal, request: &[u8]) -> Result<u64, Malformed> {
    match signal {
        Signal::Traces => traces::count(request),
        Signal::Metrics => metrics::count(request),
        Signal::Logs => logs::count(request),
    }
}
