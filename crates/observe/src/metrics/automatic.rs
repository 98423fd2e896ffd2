use model::{AutomaticSli, AutomaticSource, PointKind, Timestamp};
use otlp::{Metric, key_length_bit};
use slo::filter::unit_ns;

use super::MetricWalk;
use super::value::{Histogram, PointView, observed};
use crate::fields::Text;
use crate::series::Exemplar;
use crate::verdict;

/// The lengths of the keys that tell whether a point's requests failed: `error.type`,
/// `http.status_code`, `rpc.grpc.status_code`, `rpc.response.status_code`,
/// `http.response.status_code`.
pub(super) const KEY_LENGTHS: u64 = key_length_bit(10)
    | key_length_bit(16)
    | key_length_bit(20)
    | key_length_bit(24)
    | key_length_bit(25);

/// A histogram of the time that a server took to answer.
#[derive(Clone, Copy, Debug)]
pub(super) struct ServerHistogram {
    /// Nanoseconds in the metric's unit.
    unit_ns: f64,
}

impl ServerHistogram {
    /// By the names of the semantic conventions, current and older.
    pub(super) fn of(metric: &Metric<'_>) -> Option<Self> {
        let unit_by_name = match metric.name {
            b"http.server.request.duration" | b"rpc.server.call.duration" => 1e9,
            b"http.server.duration" | b"rpc.server.duration" => 1e6,
            _ => return None,
        };
        let unit = std::str::from_utf8(metric.unit).ok().and_then(unit_ns);
        Some(Self { unit_ns: unit.unwrap_or(unit_by_name) })
    }
}

impl<'a> MetricWalk<'_, 'a> {
    /// Availability by the point's attributes, latency by its buckets.
    pub(super) fn automatic(
        &mut self,
        server: ServerHistogram,
        view: &PointView<'a>,
        histogram: Histogram<'_, 'a>,
    ) {
        let Some(settings) = self.state.automatic else { return };
        let count = histogram.count();
        let failed = self.failed();
        let availability = observed(count, if failed { count } else { 0 }, 0);
        let split = histogram.split(settings.latency_ns as f64 / server.unit_ns);
        let latency = observed(split.total(), split.above, split.uncertain);
        for (sli, count) in
            [(AutomaticSli::Availability, availability), (AutomaticSli::Latency, latency)]
        {
            let source = AutomaticSource::Histograms;
            let series = self.state.tables.automatic_series(self.service, sli, source);
            self.add(series, view, PointKind::TotalAndBad, count);
            let bad_above_ns = match sli {
                AutomaticSli::Availability if failed => Some(0.0),
                AutomaticSli::Availability => None,
                AutomaticSli::Latency => Some(settings.latency_ns as f64),
            };
            if let Some(bad_above_ns) = bad_above_ns {
                self.keep_exemplars(series, server, histogram, bad_above_ns);
            }
        }
    }

    /// Whether the requests of a point failed: `error.type` is set and is no status below 500, or
    /// the status is a server's error.
    fn failed(&self) -> bool {
        let fields = &self.fields;
        if verdict::http_server_error(fields.http_status)
            || verdict::grpc_server_error(fields.rpc_status)
        {
            return true;
        }
        match fields.get(Text::ErrorType) {
            [] => false,
            error => {
                let code = std::str::from_utf8(error).ok().and_then(|text| text.parse().ok());
                match code {
                    Some(code) => verdict::http_server_error(code),
                    // A status that is not a server's error says what the error is.
                    None => fields.rpc_status < 0 && !(400..500).contains(&fields.http_status),
                }
            }
        }
    }

    fn keep_exemplars(
        &mut self,
        series: u32,
        server: ServerHistogram,
        histogram: Histogram<'_, 'a>,
        bad_above_ns: f64,
    ) {
        let Histogram::Explicit(point) = histogram else { return };
        let max = self.state.tables.limits.exemplars;
        for exemplar in point.exemplars().take(max) {
            let duration_ns = exemplar.value.map_or(0.0, |value| value.as_f64() * server.unit_ns);
            if exemplar.trace_id == [0; 16] || duration_ns <= bad_above_ns {
                continue;
            }
            let slow = bad_above_ns > 0.0;
            let reason = match (slow, self.fields.get(Text::ErrorType)) {
                (true, _) => b"slow",
                (false, []) => &b"error"[..],
                (false, error) => error,
            };
            let operation = self.state.tables.text(self.fields.get(Text::Route));
            let reason = self.state.tables.text(reason);
            let texts = &self.state.tables.texts;
            let exemplar = Exemplar {
                at: Timestamp::from_unix_ns(exemplar.time_unix_ns),
                trace_id: exemplar.trace_id,
                span_id: exemplar.span_id,
                duration_ns: duration_ns as u64,
                operation: texts.get(operation).clone(),
                reason: texts.get(reason).clone(),
                sampled: self.state.recall.samples(crate::recall::trace_hash(exemplar.trace_id)),
            };
            self.state.tables.touch_series(series).keep(exemplar, max);
        }
    }
}
