use model::{AutomaticSli, AutomaticSource, Counted, PointKind, Timestamp};
use otlp::{HistogramPoint, Metric, Temporality, key_length_bit};
use slo::filter::unit_ns;

use super::MetricWalk;
use super::value::{Histogram, PointView, observed};
use crate::fields::Text;
use crate::series::Exemplar;
use crate::streams::Sample;
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
        let failed = match self.known {
            Some(stream) => self.state.streams.has_failed(stream),
            None => self.failed(),
        };
        let availability =
            Counted { total: count, bad: if failed { count } else { 0 }, uncertain: 0 };
        let limit = settings.latency_ns as f64 / server.unit_ns;
        let split = histogram.split(limit, &mut self.boundary);
        let latency = split.counted();
        let series = match self.known {
            Some(stream) => self.state.streams.series(stream),
            None => self.server_series(),
        };
        if view.temporality == Temporality::Cumulative {
            let sample = view.sample(availability, latency);
            self.push_server(view, series, failed, sample);
        } else {
            let count = |Counted { total, bad, uncertain }| observed(total, bad, uncertain);
            self.add(series.0, view, PointKind::TotalAndBad, count(availability));
            self.add(series.1, view, PointKind::TotalAndBad, count(latency));
        }
        if let Histogram::Explicit(point) = histogram
            && point.has_exemplars()
        {
            if self.known.is_some() {
                point.attributes().for_each(|(key, value)| self.fields.read(key, value));
            }
            if failed {
                self.keep_exemplars(series.0, server, point, 0.0);
            }
            self.keep_exemplars(series.1, server, point, settings.latency_ns as f64);
        }
    }

    /// The series of availability and latency.
    fn server_series(&mut self) -> (u32, u32) {
        let tables = &mut self.state.tables;
        let mut of = |sli| tables.automatic_series(self.service, sli, AutomaticSource::Histograms);
        (of(AutomaticSli::Availability), of(AutomaticSli::Latency))
    }

    fn push_server(
        &mut self,
        view: &PointView<'a>,
        series: (u32, u32),
        failed: bool,
        sample: Sample,
    ) {
        if let Some(stream) = self.known {
            let taken = self.state.streams.take(stream, sample);
            return self.state.count_dropped(taken);
        }
        let (seed, generation) = (self.state.tables.seed, self.state.tables.generation);
        let feed = self.state.streams.feed(seed, series, PointKind::TotalAndBad, generation);
        let key = self.stream_key(view);
        let known = self.state.streams.find(key, generation);
        self.push_sample(known, key, view, (feed, failed), sample);
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
        point: &HistogramPoint<'a>,
        bad_above_ns: f64,
    ) {
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
