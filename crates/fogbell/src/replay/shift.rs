//! Moves the times of recorded requests, as if what they tell of happened at another moment.

use opentelemetry_proto::tonic::collector::logs::v1::ExportLogsServiceRequest;
use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::metrics::v1::metric::Data;
use opentelemetry_proto::tonic::metrics::v1::{Exemplar, Metric};

use model::Timestamp;

/// Where the recording begins, where it is to begin, and how fast it goes.
#[derive(Clone, Copy, Debug)]
pub(super) struct Shift {
    pub(super) recorded: Timestamp,
    pub(super) begins: Timestamp,
    /// Finite and above zero.
    pub(super) speed: f64,
}

impl Shift {
    /// Where a moment of the recording goes.
    pub(super) fn moment(&self, at: Timestamp) -> Timestamp {
        Timestamp::from_unix_ns(self.linear(at.unix_ns()))
    }

    /// Moves all of a request by as much as its newest moment: spans keep their length at any
    /// speed.
    pub(super) fn traces(&self, request: &mut ExportTraceServiceRequest, newest: Timestamp) {
        let delta = self.delta(newest);
        let scopes = request.resource_spans.iter_mut().flat_map(|r| &mut r.scope_spans);
        for span in scopes.flat_map(|scope| &mut scope.spans) {
            add(&mut span.start_time_unix_nano, delta);
            add(&mut span.end_time_unix_nano, delta);
            span.events.iter_mut().for_each(|event| add(&mut event.time_unix_nano, delta));
        }
    }

    /// Moves all of a request by as much as its newest moment.
    pub(super) fn logs(&self, request: &mut ExportLogsServiceRequest, newest: Timestamp) {
        let delta = self.delta(newest);
        let scopes = request.resource_logs.iter_mut().flat_map(|r| &mut r.scope_logs);
        for record in scopes.flat_map(|scope| &mut scope.log_records) {
            add(&mut record.time_unix_nano, delta);
            add(&mut record.observed_time_unix_nano, delta);
        }
    }

    /// Moves every time by itself: the start of a cumulative stream goes to the same moment with
    /// each of its points, or each would look like a reset.
    pub(super) fn metrics(&self, request: &mut ExportMetricsServiceRequest) {
        let scopes = request.resource_metrics.iter_mut().flat_map(|r| &mut r.scope_metrics);
        for metric in scopes.flat_map(|scope| &mut scope.metrics) {
            self.metric(metric);
        }
    }

    fn metric(&self, metric: &mut Metric) {
        match &mut metric.data {
            Some(Data::Gauge(gauge)) => {
                for p in &mut gauge.data_points {
                    self.point(
                        &mut p.start_time_unix_nano,
                        &mut p.time_unix_nano,
                        &mut p.exemplars,
                    );
                }
            }
            Some(Data::Sum(sum)) => {
                for p in &mut sum.data_points {
                    self.point(
                        &mut p.start_time_unix_nano,
                        &mut p.time_unix_nano,
                        &mut p.exemplars,
                    );
                }
            }
            Some(Data::Histogram(histogram)) => {
                for p in &mut histogram.data_points {
                    self.point(
                        &mut p.start_time_unix_nano,
                        &mut p.time_unix_nano,
                        &mut p.exemplars,
                    );
                }
            }
            Some(Data::ExponentialHistogram(histogram)) => {
                for p in &mut histogram.data_points {
                    self.point(
                        &mut p.start_time_unix_nano,
                        &mut p.time_unix_nano,
                        &mut p.exemplars,
                    );
                }
            }
            Some(Data::Summary(summary)) => {
                for p in &mut summary.data_points {
                    self.point(&mut p.start_time_unix_nano, &mut p.time_unix_nano, &mut []);
                }
            }
            None => {}
        }
    }

    fn point(&self, start: &mut u64, time: &mut u64, exemplars: &mut [Exemplar]) {
        *start = self.linear(*start);
        *time = self.linear(*time);
        for exemplar in exemplars {
            exemplar.time_unix_nano = self.linear(exemplar.time_unix_nano);
        }
    }

    /// Zero stands for "not set", and stays so.
    fn linear(&self, ns: u64) -> u64 {
        if ns == 0 {
            return 0;
        }
        let offset = i128::from(ns) - i128::from(self.recorded.unix_ns());
        // A speed of 1 must not round.
        let scaled = if self.speed == 1.0 { offset } else { (offset as f64 / self.speed) as i128 };
        clamped(i128::from(self.begins.unix_ns()) + scaled)
    }

    fn delta(&self, newest: Timestamp) -> i128 {
        i128::from(self.moment(newest).unix_ns()) - i128::from(newest.unix_ns())
    }
}

/// Zero stands for "not set", and stays so.
fn add(ns: &mut u64, delta: i128) {
    if *ns != 0 {
        *ns = clamped(i128::from(*ns) + delta);
    }
}

fn clamped(ns: i128) -> u64 {
    u64::try_from(ns.max(1)).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use opentelemetry_proto::tonic::logs::v1::{LogRecord, ResourceLogs, ScopeLogs};
    use opentelemetry_proto::tonic::metrics::v1::{
        NumberDataPoint, ResourceMetrics, ScopeMetrics, Sum,
    };
    use opentelemetry_proto::tonic::trace::v1::span::Event;
    use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, ScopeSpans, Span};

    use super::*;

    const T: u64 = 1_000_000_000;

    fn shift(speed: f64) -> Shift {
        let (recorded, begins) = (Timestamp::from_unix_s(100), Timestamp::from_unix_s(1000));
        Shift { recorded, begins, speed }
    }

    #[test]
    fn spans_keep_their_length_at_any_speed() {
        for (speed, end) in [(1.0, 1060), (2.0, 1030), (0.5, 1120)] {
            let event = Event { time_unix_nano: 159 * T, ..Event::default() };
            let span = Span {
                start_time_unix_nano: 158 * T,
                end_time_unix_nano: 160 * T,
                events: vec![event],
                ..Span::default()
            };
            let scope_spans = vec![ScopeSpans { spans: vec![span], ..ScopeSpans::default() }];
            let resource_spans = vec![ResourceSpans { scope_spans, ..ResourceSpans::default() }];
            let mut request = ExportTraceServiceRequest { resource_spans };
            shift(speed).traces(&mut request, Timestamp::from_unix_s(160));
            let span = &request.resource_spans[0].scope_spans[0].spans[0];
            let times =
                [span.start_time_unix_nano, span.events[0].time_unix_nano, span.end_time_unix_nano];
            assert_eq!(times, [(end - 2) * T, (end - 1) * T, end * T], "{speed}");
        }
    }

    #[test]
    fn the_start_of_a_cumulative_stream_stays_where_it_is() {
        let mut starts = Vec::new();
        for time in [110, 170] {
            let point = NumberDataPoint {
                start_time_unix_nano: 40 * T,
                time_unix_nano: time * T,
                ..NumberDataPoint::default()
            };
            let sum = Sum { data_points: vec![point], ..Sum::default() };
            let metrics = vec![Metric { data: Some(Data::Sum(sum)), ..Metric::default() }];
            let scope_metrics = vec![ScopeMetrics { metrics, ..ScopeMetrics::default() }];
            let resource_metrics = vec![ResourceMetrics { scope_metrics, ..Default::default() }];
            let mut request = ExportMetricsServiceRequest { resource_metrics };
            shift(2.0).metrics(&mut request);
            let metric = &request.resource_metrics[0].scope_metrics[0].metrics[0];
            let Some(Data::Sum(sum)) = &metric.data else { panic!("a sum") };
            starts.push(sum.data_points[0].start_time_unix_nano);
            assert_eq!(sum.data_points[0].time_unix_nano, (1000 + (time - 100) / 2) * T);
        }
        assert_eq!(starts, [970 * T, 970 * T]);
    }

    #[test]
    fn a_time_that_is_not_set_stays_so() {
        let record = LogRecord { observed_time_unix_nano: 130 * T, ..LogRecord::default() };
        let scope_logs = vec![ScopeLogs { log_records: vec![record], ..ScopeLogs::default() }];
        let resource_logs = vec![ResourceLogs { scope_logs, ..ResourceLogs::default() }];
        let mut request = ExportLogsServiceRequest { resource_logs };
        shift(1.0).logs(&mut request, Timestamp::from_unix_s(130));
        let record = &request.resource_logs[0].scope_logs[0].log_records[0];
        assert_eq!((record.time_unix_nano, record.observed_time_unix_nano), (0, 1030 * T));
    }
}
