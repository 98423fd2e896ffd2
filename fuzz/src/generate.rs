//! Random requests of all three signals.

use opentelemetry_proto::tonic::collector::logs::v1::ExportLogsServiceRequest;
use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::{
    AnyValue, ArrayValue, InstrumentationScope, KeyValue, KeyValueList, any_value::Value,
};
use opentelemetry_proto::tonic::logs::v1 as l;
use opentelemetry_proto::tonic::metrics::v1 as m;
use opentelemetry_proto::tonic::resource::v1::Resource;
use opentelemetry_proto::tonic::trace::v1 as t;

/// Draws from a seed, so that a failing case is one number, or from bytes that a fuzzer makes.
#[derive(Debug)]
pub struct Random<'a> {
    state: u64,
    bytes: &'a [u8],
    doubles: Doubles,
}

/// Which doubles to draw.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Doubles {
    /// Every finite one.
    Any,
    /// Of few digits, which also inexact parsers read exactly.
    Short,
}

impl Random<'static> {
    /// From a seed.
    #[must_use]
    pub const fn new(seed: u64) -> Self {
        Self::with_doubles(seed, Doubles::Any)
    }

    /// From a seed, with doubles of a kind.
    #[must_use]
    pub const fn with_doubles(seed: u64, doubles: Doubles) -> Self {
        Self { state: seed, bytes: &[], doubles }
    }
}

impl<'a> Random<'a> {
    /// From bytes as long as they last, and then from what they were.
    #[must_use]
    pub fn from_bytes(bytes: &'a [u8], doubles: Doubles) -> Self {
        let state =
            bytes.iter().fold(0, |state: u64, byte| state << 5 ^ state >> 59 ^ u64::from(*byte));
        Self { state, bytes, doubles }
    }

    /// A number of 64 bits.
    pub fn draw(&mut self) -> u64 {
        if let Some((chunk, rest)) = self.bytes.split_first_chunk::<2>() {
            self.bytes = rest;
            // Choices look at the low bits, ids and integers at all of them.
            return u64::from(u16::from_le_bytes(*chunk)).wrapping_mul(0x0001_0001_0001_0001);
        }
        // SplitMix64.
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut value = self.state;
        value = (value ^ value >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        value = (value ^ value >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        value ^ value >> 31
    }

    /// A number below a limit.
    pub fn below(&mut self, limit: usize) -> usize {
        (self.draw() % limit as u64) as usize
    }

    /// True one time in so many.
    pub fn one_in(&mut self, limit: usize) -> bool {
        self.below(limit) == 0
    }

    fn many<T>(&mut self, limit: usize, mut make: impl FnMut(&mut Self) -> T) -> Vec<T> {
        (0..self.below(limit + 1)).map(|_| make(self)).collect()
    }

    /// Small, large and extreme integers.
    fn integer(&mut self) -> u64 {
        let bits = self.below(65) as u32;
        self.draw().checked_shr(64 - bits).unwrap_or(0)
    }

    fn time(&mut self) -> u64 {
        if self.one_in(20) { 0 } else { 1_700_000_000_000_000_000 + self.draw() % 1_000_000_007 }
    }

    fn double(&mut self) -> f64 {
        match self.below(4) {
            0 => 0.0,
            1 => -0.1,
            2 => (self.draw() % 1_000_000) as f64 / 1e3,
            _ if self.doubles == Doubles::Short => 1e9,
            _ => Some(f64::from_bits(self.draw())).filter(|value| value.is_finite()).unwrap_or(2.5),
        }
    }

    fn text(&mut self) -> String {
        const SAMPLES: [&str; 6] = [
            "",
            "GET /api/{id}",
            "quote \" slash \\ tab \t nul \0",
            "\u{fc}\u{4e2d}\u{1f600}",
            "a",
            "http.route",
        ];
        if self.one_in(12) {
            return "long ".repeat(1 + self.below(60));
        }
        SAMPLES[self.below(SAMPLES.len())].to_owned()
    }

    fn id(&mut self, len: usize) -> Vec<u8> {
        match self.below(24) {
            0 => Vec::new(),
            1 => vec![0; len],
            2 => vec![7; len - 1],
            _ => (0..len).map(|_| self.draw() as u8).collect(),
        }
    }

    fn value(&mut self, depth: usize) -> AnyValue {
        let value = match self.below(if depth == 0 { 6 } else { 8 }) {
            0 => None,
            1 => Some(Value::StringValue(self.text())),
            2 => Some(Value::BoolValue(self.one_in(2))),
            3 => Some(Value::IntValue(self.integer() as i64)),
            4 => Some(Value::DoubleValue(self.double())),
            5 => Some(Value::BytesValue(self.many(9, |own| own.draw() as u8))),
            6 => Some(Value::ArrayValue(ArrayValue {
                values: self.many(3, |own| own.value(depth - 1)),
            })),
            _ => Some(Value::KvlistValue(KeyValueList { values: self.pairs(depth - 1) })),
        };
        AnyValue { value }
    }

    fn pairs(&mut self, depth: usize) -> Vec<KeyValue> {
        self.many(4, |own| KeyValue {
            key: own.text(),
            value: if own.one_in(12) { None } else { Some(own.value(depth)) },
            key_strindex: 0,
        })
    }

    fn resource(&mut self) -> Option<Resource> {
        let resource = Resource { attributes: self.pairs(1), ..Default::default() };
        if self.one_in(8) { None } else { Some(resource) }
    }

    fn scope(&mut self) -> Option<InstrumentationScope> {
        let scope = InstrumentationScope {
            name: self.text(),
            version: self.text(),
            attributes: self.pairs(1),
            dropped_attributes_count: self.below(3) as u32,
        };
        if self.one_in(8) { None } else { Some(scope) }
    }

    fn span(&mut self) -> t::Span {
        t::Span {
            trace_id: self.id(16),
            span_id: self.id(8),
            trace_state: self.text(),
            parent_span_id: self.id(8),
            flags: self.draw() as u32,
            name: self.text(),
            kind: self.below(7) as i32 - 1,
            start_time_unix_nano: self.time(),
            end_time_unix_nano: self.time(),
            attributes: self.pairs(2),
            dropped_attributes_count: self.below(3) as u32,
            events: self.many(2, |own| t::span::Event {
                time_unix_nano: own.time(),
                name: own.text(),
                attributes: own.pairs(1),
                dropped_attributes_count: 1,
            }),
            dropped_events_count: 0,
            links: self.many(2, |own| t::span::Link {
                trace_id: own.id(16),
                span_id: own.id(8),
                trace_state: own.text(),
                attributes: own.pairs(1),
                dropped_attributes_count: 0,
                flags: own.draw() as u32,
            }),
            dropped_links_count: 300,
            status: Some(t::Status { message: self.text(), code: self.below(4) as i32 }),
        }
    }

    /// A request of spans.
    pub fn traces(&mut self) -> ExportTraceServiceRequest {
        let resource_spans = self.many(3, |own| t::ResourceSpans {
            resource: own.resource(),
            scope_spans: own.many(2, |own| t::ScopeSpans {
                scope: own.scope(),
                spans: own.many(4, Self::span),
                schema_url: own.text(),
            }),
            schema_url: own.text(),
        });
        ExportTraceServiceRequest { resource_spans }
    }

    fn record(&mut self) -> l::LogRecord {
        l::LogRecord {
            time_unix_nano: self.time(),
            observed_time_unix_nano: self.time(),
            severity_number: self.below(26) as i32 - 1,
            severity_text: self.text(),
            body: if self.one_in(8) { None } else { Some(self.value(2)) },
            attributes: self.pairs(2),
            dropped_attributes_count: 5,
            flags: self.draw() as u32,
            trace_id: self.id(16),
            span_id: self.id(8),
            event_name: self.text(),
        }
    }

    /// A request of log records.
    pub fn logs(&mut self) -> ExportLogsServiceRequest {
        let resource_logs = self.many(3, |own| l::ResourceLogs {
            resource: own.resource(),
            scope_logs: own.many(2, |own| l::ScopeLogs {
                scope: own.scope(),
                log_records: own.many(4, Self::record),
                schema_url: own.text(),
            }),
            schema_url: own.text(),
        });
        ExportLogsServiceRequest { resource_logs }
    }

    fn exemplar(&mut self) -> m::Exemplar {
        m::Exemplar {
            filtered_attributes: self.pairs(1),
            time_unix_nano: self.time(),
            span_id: self.id(8),
            trace_id: self.id(16),
            value: match self.below(3) {
                0 => None,
                1 => Some(m::exemplar::Value::AsInt(self.integer() as i64)),
                _ => Some(m::exemplar::Value::AsDouble(self.double())),
            },
        }
    }

    fn number(&mut self) -> m::NumberDataPoint {
        m::NumberDataPoint {
            attributes: self.pairs(1),
            start_time_unix_nano: self.time(),
            time_unix_nano: self.time(),
            exemplars: self.many(2, Self::exemplar),
            flags: self.below(2) as u32,
            value: match self.below(8) {
                0 => None,
                1..4 => Some(m::number_data_point::Value::AsInt(self.integer() as i64)),
                _ => Some(m::number_data_point::Value::AsDouble(self.double())),
            },
        }
    }

    fn maybe_double(&mut self) -> Option<f64> {
        if self.one_in(2) { Some(self.double()) } else { None }
    }

    fn histogram(&mut self) -> m::HistogramDataPoint {
        let bounds = self.below(6);
        let buckets = if self.one_in(10) { bounds } else { bounds + 1 };
        m::HistogramDataPoint {
            attributes: self.pairs(1),
            start_time_unix_nano: self.time(),
            time_unix_nano: self.time(),
            count: self.integer(),
            sum: self.maybe_double(),
            bucket_counts: (0..buckets).map(|_| self.integer()).collect(),
            explicit_bounds: (0..bounds).map(|_| self.double()).collect(),
            exemplars: self.many(2, Self::exemplar),
            flags: self.below(2) as u32,
            min: self.maybe_double(),
            max: self.maybe_double(),
        }
    }

    fn buckets(&mut self) -> Option<m::exponential_histogram_data_point::Buckets> {
        let buckets = m::exponential_histogram_data_point::Buckets {
            offset: self.integer() as i32,
            bucket_counts: self.many(6, Self::integer),
        };
        if self.one_in(4) { None } else { Some(buckets) }
    }

    fn exponential_histogram(&mut self) -> m::ExponentialHistogramDataPoint {
        m::ExponentialHistogramDataPoint {
            attributes: self.pairs(1),
            start_time_unix_nano: self.time(),
            time_unix_nano: self.time(),
            count: self.integer(),
            sum: self.maybe_double(),
            scale: self.below(40) as i32 - 20,
            zero_count: self.integer(),
            positive: self.buckets(),
            negative: self.buckets(),
            flags: self.below(2) as u32,
            exemplars: self.many(2, Self::exemplar),
            min: self.maybe_double(),
            max: self.maybe_double(),
            zero_threshold: self.double(),
        }
    }

    fn summary(&mut self) -> m::SummaryDataPoint {
        m::SummaryDataPoint {
            attributes: self.pairs(1),
            start_time_unix_nano: self.time(),
            time_unix_nano: self.time(),
            count: self.integer(),
            sum: self.double(),
            quantile_values: self.many(3, |own| m::summary_data_point::ValueAtQuantile {
                quantile: own.double(),
                value: own.double(),
            }),
            flags: self.below(2) as u32,
        }
    }

    fn metric(&mut self) -> m::Metric {
        use m::metric::Data as D;
        let temporality = self.below(4) as i32;
        let data = match self.below(6) {
            0 => None,
            1 => Some(D::Gauge(m::Gauge { data_points: self.many(3, Self::number) })),
            2 => Some(D::Sum(m::Sum {
                data_points: self.many(3, Self::number),
                aggregation_temporality: temporality,
                is_monotonic: self.one_in(2),
            })),
            3 => Some(D::Histogram(m::Histogram {
                data_points: self.many(3, Self::histogram),
                aggregation_temporality: temporality,
            })),
            4 => Some(D::ExponentialHistogram(m::ExponentialHistogram {
                data_points: self.many(3, Self::exponential_histogram),
                aggregation_temporality: temporality,
            })),
            _ => Some(D::Summary(m::Summary { data_points: self.many(3, Self::summary) })),
        };
        m::Metric {
            name: self.text(),
            description: self.text(),
            unit: self.text(),
            metadata: self.pairs(1),
            data,
        }
    }

    /// A request of data points.
    pub fn metrics(&mut self) -> ExportMetricsServiceRequest {
        let resource_metrics = self.many(3, |own| m::ResourceMetrics {
            resource: own.resource(),
            scope_metrics: own.many(2, |own| m::ScopeMetrics {
                scope: own.scope(),
                metrics: own.many(4, Self::metric),
                schema_url: own.text(),
            }),
            schema_url: own.text(),
        });
        ExportMetricsServiceRequest { resource_metrics }
    }
}
