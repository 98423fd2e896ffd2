//! The fields of OTLP messages by their JSON names: opentelemetry-proto 1.10, without what the
//! walker does not read (schema URLs, descriptions, dropped counts, entity references).

/// How a field is written in JSON and on the wire.
#[derive(Debug, Clone, Copy)]
pub(super) enum Kind {
    /// A string.
    Str,
    /// Bytes in hex.
    Id,
    /// Bytes in base64.
    Base64,
    Bool,
    /// An enum by number.
    Enum,
    Uint32,
    Sint32,
    Int64,
    Fixed32,
    Fixed64,
    Sfixed64,
    Double,
    Message(&'static Message),
    Messages(&'static Message),
    /// Messages of [`KEY_VALUE`].
    Attributes,
    /// A packed list.
    Uint64s,
    /// A packed list.
    Fixed64s,
    /// A packed list.
    Doubles,
}

#[derive(Debug)]
pub(super) struct Field {
    pub(super) name: &'static str,
    /// The name as it stands in compact JSON: in quotes, with the colon.
    pub(super) quoted: &'static str,
    pub(super) number: u8,
    pub(super) kind: Kind,
}

#[derive(Debug)]
pub(super) struct Message {
    pub(super) fields: &'static [Field],
    /// How many bytes to keep free for its length: enough for the usual message of the kind.
    pub(super) length_bytes: usize,
    /// Whether a value of the wrong type inside spoils this message and no more.
    pub(super) unit: bool,
}

macro_rules! field {
    ($name:literal, $number:literal, $kind:expr) => {
        Field { name: $name, quoted: concat!("\"", $name, "\":"), number: $number, kind: $kind }
    };
}

/// Holds items, without end: five bytes of length.
const fn envelope(fields: &'static [Field]) -> Message {
    Message { fields, length_bytes: 5, unit: false }
}

/// An item, resource or scope.
const fn unit(fields: &'static [Field]) -> Message {
    Message { fields, length_bytes: 2, unit: true }
}

/// A part of an item.
const fn part(fields: &'static [Field]) -> Message {
    Message { fields, length_bytes: 1, unit: false }
}

use Kind::*;

pub(super) static TRACES: Message =
    envelope(&[field!("resourceSpans", 1, Messages(&RESOURCE_SPANS))]);
pub(super) static METRICS: Message =
    envelope(&[field!("resourceMetrics", 1, Messages(&RESOURCE_METRICS))]);
pub(super) static LOGS: Message = envelope(&[field!("resourceLogs", 1, Messages(&RESOURCE_LOGS))]);

static RESOURCE_SPANS: Message = envelope(&[
    field!("resource", 1, Message(&RESOURCE)),
    field!("scopeSpans", 2, Messages(&SCOPE_SPANS)),
]);
static SCOPE_SPANS: Message =
    envelope(&[field!("scope", 1, Message(&SCOPE)), field!("spans", 2, Messages(&SPAN))]);
static RESOURCE_METRICS: Message = envelope(&[
    field!("resource", 1, Message(&RESOURCE)),
    field!("scopeMetrics", 2, Messages(&SCOPE_METRICS)),
]);
static SCOPE_METRICS: Message =
    envelope(&[field!("scope", 1, Message(&SCOPE)), field!("metrics", 2, Messages(&METRIC))]);
static RESOURCE_LOGS: Message = envelope(&[
    field!("resource", 1, Message(&RESOURCE)),
    field!("scopeLogs", 2, Messages(&SCOPE_LOGS)),
]);
static SCOPE_LOGS: Message = envelope(&[
    field!("scope", 1, Message(&SCOPE)),
    field!("logRecords", 2, Messages(&LOG_RECORD)),
]);

static RESOURCE: Message = unit(&[field!("attributes", 1, Attributes)]);
static SCOPE: Message =
    unit(&[field!("name", 1, Str), field!("version", 2, Str), field!("attributes", 3, Attributes)]);

pub(super) static KEY_VALUE: Message =
    part(&[field!("key", 1, Str), field!("value", 2, Message(&ANY_VALUE))]);
static ANY_VALUE: Message = part(&[
    field!("stringValue", 1, Str),
    field!("intValue", 3, Int64),
    field!("boolValue", 2, Bool),
    field!("doubleValue", 4, Double),
    field!("arrayValue", 5, Message(&ARRAY_VALUE)),
    field!("kvlistValue", 6, Message(&KEY_VALUE_LIST)),
    field!("bytesValue", 7, Base64),
]);
static ARRAY_VALUE: Message = part(&[field!("values", 1, Messages(&ANY_VALUE))]);
static KEY_VALUE_LIST: Message = part(&[field!("values", 1, Attributes)]);

static SPAN: Message = unit(&[
    field!("traceId", 1, Id),
    field!("spanId", 2, Id),
    field!("traceState", 3, Str),
    field!("parentSpanId", 4, Id),
    field!("flags", 16, Fixed32),
    field!("name", 5, Str),
    field!("kind", 6, Enum),
    field!("startTimeUnixNano", 7, Fixed64),
    field!("endTimeUnixNano", 8, Fixed64),
    field!("attributes", 9, Attributes),
    field!("events", 11, Messages(&EVENT)),
    field!("links", 13, Messages(&LINK)),
    field!("status", 15, Message(&STATUS)),
]);
static EVENT: Message = part(&[
    field!("timeUnixNano", 1, Fixed64),
    field!("name", 2, Str),
    field!("attributes", 3, Attributes),
]);
static LINK: Message = part(&[
    field!("traceId", 1, Id),
    field!("spanId", 2, Id),
    field!("traceState", 3, Str),
    field!("attributes", 4, Attributes),
    field!("flags", 6, Fixed32),
]);
static STATUS: Message = part(&[field!("message", 2, Str), field!("code", 3, Enum)]);

static LOG_RECORD: Message = unit(&[
    field!("timeUnixNano", 1, Fixed64),
    field!("observedTimeUnixNano", 11, Fixed64),
    field!("severityNumber", 2, Enum),
    field!("severityText", 3, Str),
    field!("body", 5, Message(&ANY_VALUE)),
    field!("attributes", 6, Attributes),
    field!("flags", 8, Fixed32),
    field!("traceId", 9, Id),
    field!("spanId", 10, Id),
    field!("eventName", 12, Str),
]);

/// A unit for its name and kind; its points are units of their own.
static METRIC: Message = Message {
    fields: &[
        field!("name", 1, Str),
        field!("description", 2, Str),
        field!("unit", 3, Str),
        field!("gauge", 5, Message(&GAUGE)),
        field!("sum", 7, Message(&SUM)),
        field!("histogram", 9, Message(&HISTOGRAM)),
        field!("exponentialHistogram", 10, Message(&EXPONENTIAL_HISTOGRAM)),
        field!("summary", 11, Message(&SUMMARY)),
        field!("metadata", 12, Attributes),
    ],
    length_bytes: 5,
    unit: true,
};
static GAUGE: Message = envelope(&[field!("dataPoints", 1, Messages(&NUMBER_POINT))]);
static SUM: Message = envelope(&[
    field!("dataPoints", 1, Messages(&NUMBER_POINT)),
    field!("aggregationTemporality", 2, Enum),
    field!("isMonotonic", 3, Bool),
]);
static HISTOGRAM: Message = envelope(&[
    field!("dataPoints", 1, Messages(&HISTOGRAM_POINT)),
    field!("aggregationTemporality", 2, Enum),
]);
static EXPONENTIAL_HISTOGRAM: Message = envelope(&[
    field!("dataPoints", 1, Messages(&EXPONENTIAL_HISTOGRAM_POINT)),
    field!("aggregationTemporality", 2, Enum),
]);
static SUMMARY: Message = envelope(&[field!("dataPoints", 1, Messages(&SUMMARY_POINT))]);

static NUMBER_POINT: Message = unit(&[
    field!("attributes", 7, Attributes),
    field!("startTimeUnixNano", 2, Fixed64),
    field!("timeUnixNano", 3, Fixed64),
    field!("asInt", 6, Sfixed64),
    field!("asDouble", 4, Double),
    field!("exemplars", 5, Messages(&EXEMPLAR)),
    field!("flags", 8, Uint32),
]);
static HISTOGRAM_POINT: Message = unit(&[
    field!("attributes", 9, Attributes),
    field!("startTimeUnixNano", 2, Fixed64),
    field!("timeUnixNano", 3, Fixed64),
    field!("count", 4, Fixed64),
    field!("sum", 5, Double),
    field!("bucketCounts", 6, Fixed64s),
    field!("explicitBounds", 7, Doubles),
    field!("exemplars", 8, Messages(&EXEMPLAR)),
    field!("flags", 10, Uint32),
    field!("min", 11, Double),
    field!("max", 12, Double),
]);
static EXPONENTIAL_HISTOGRAM_POINT: Message = unit(&[
    field!("attributes", 1, Attributes),
    field!("startTimeUnixNano", 2, Fixed64),
    field!("timeUnixNano", 3, Fixed64),
    field!("count", 4, Fixed64),
    field!("sum", 5, Double),
    field!("scale", 6, Sint32),
    field!("zeroCount", 7, Fixed64),
    field!("positive", 8, Message(&BUCKETS)),
    field!("negative", 9, Message(&BUCKETS)),
    field!("flags", 10, Uint32),
    field!("exemplars", 11, Messages(&EXEMPLAR)),
    field!("min", 12, Double),
    field!("max", 13, Double),
    field!("zeroThreshold", 14, Double),
]);
static BUCKETS: Message = part(&[field!("offset", 1, Sint32), field!("bucketCounts", 2, Uint64s)]);
static SUMMARY_POINT: Message = unit(&[
    field!("attributes", 7, Attributes),
    field!("startTimeUnixNano", 2, Fixed64),
    field!("timeUnixNano", 3, Fixed64),
    field!("count", 4, Fixed64),
    field!("sum", 5, Double),
    field!("quantileValues", 6, Messages(&VALUE_AT_QUANTILE)),
    field!("flags", 8, Uint32),
]);
static VALUE_AT_QUANTILE: Message =
    part(&[field!("quantile", 1, Double), field!("value", 2, Double)]);
static EXEMPLAR: Message = part(&[
    field!("filteredAttributes", 7, Attributes),
    field!("timeUnixNano", 2, Fixed64),
    field!("asInt", 6, Sfixed64),
    field!("asDouble", 3, Double),
    field!("spanId", 4, Id),
    field!("traceId", 5, Id),
]);
