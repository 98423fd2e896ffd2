//! The instruments of a pod: duration histograms of its HTTP server, and a few gauges.

use std::collections::BTreeMap;

use opentelemetry_proto::tonic::common::v1::KeyValue;
use opentelemetry_proto::tonic::metrics::v1::exemplar;
use opentelemetry_proto::tonic::metrics::v1::metric::Data;
use opentelemetry_proto::tonic::metrics::v1::number_data_point::Value;
use opentelemetry_proto::tonic::metrics::v1::{
    AggregationTemporality, Exemplar, Gauge, Histogram, HistogramDataPoint, Metric,
    NumberDataPoint, Sum,
};

use crate::attribute::{integer, text};
use crate::log::SpanContext;

/// Bucket bounds in seconds that the semantic conventions advise for HTTP durations.
const BOUNDS_S: [f64; 14] =
    [0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0];

/// One served HTTP request.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Observation {
    pub(crate) method: &'static str,
    pub(crate) route: &'static str,
    pub(crate) status: u16,
    pub(crate) duration_s: f64,
    pub(crate) end_ns: u64,
    pub(crate) context: SpanContext,
}

/// Cumulative `http.server.request.duration` of one process, per method, route and status.
#[derive(Debug, Default)]
pub(crate) struct RequestDurations {
    series: BTreeMap<(&'static str, &'static str, u16), Series>,
}

#[derive(Debug, Default)]
struct Series {
    buckets: [u64; BOUNDS_S.len() + 1],
    sum_s: f64,
    min_s: Option<f64>,
    max_s: f64,
    /// The slowest since the last export.
    exemplar: Option<Observation>,
}

/// When the stream began and when it is read.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Interval {
    pub(crate) start_ns: u64,
    pub(crate) now_ns: u64,
}

impl RequestDurations {
    pub(crate) fn add(&mut self, observation: &Observation) {
        let key = (observation.method, observation.route, observation.status);
        let series = self.series.entry(key).or_default();
        let seconds = observation.duration_s;
        let bucket = BOUNDS_S.partition_point(|bound| *bound < seconds);
        if let Some(count) = series.buckets.get_mut(bucket) {
            *count += 1;
        }
        series.sum_s += seconds;
        series.min_s = Some(series.min_s.map_or(seconds, |min| min.min(seconds)));
        series.max_s = series.max_s.max(seconds);
        if series.exemplar.is_none_or(|slowest| slowest.duration_s <= seconds) {
            series.exemplar = Some(*observation);
        }
    }

    /// The metric as of now; none while nothing was served.
    pub(crate) fn collect(&mut self, interval: Interval) -> Option<Metric> {
        let data_points: Vec<_> =
            self.series.iter_mut().map(|(key, series)| series.point(*key, interval)).collect();
        let temporality = AggregationTemporality::Cumulative.into();
        let data = Histogram { data_points, aggregation_temporality: temporality };
        (!data.data_points.is_empty()).then(|| Metric {
            name: "http.server.request.duration".to_owned(),
            description: "Duration of HTTP server requests.".to_owned(),
            unit: "s".to_owned(),
            metadata: Vec::new(),
            data: Some(Data::Histogram(data)),
        })
    }
}

impl Series {
    fn point(
        &mut self,
        (method, route, status): (&str, &str, u16),
        interval: Interval,
    ) -> HistogramDataPoint {
        let mut attributes = vec![
            text("http.request.method", method),
            text("http.route", route),
            integer("http.response.status_code", status),
            text("url.scheme", "http"),
        ];
        if status >= 500 {
            attributes.push(text("error.type", status.to_string()));
        }
        HistogramDataPoint {
            attributes,
            start_time_unix_nano: interval.start_ns,
            time_unix_nano: interval.now_ns,
            count: self.buckets.iter().sum(),
            sum: Some(self.sum_s),
            bucket_counts: self.buckets.to_vec(),
            explicit_bounds: BOUNDS_S.to_vec(),
            exemplars: self.exemplar.take().map(exemplar).into_iter().collect(),
            flags: 0,
            min: self.min_s,
            max: Some(self.max_s),
        }
    }
}

fn exemplar(observation: Observation) -> Exemplar {
    Exemplar {
        filtered_attributes: Vec::new(),
        time_unix_nano: observation.end_ns,
        span_id: observation.context.span_id.to_vec(),
        trace_id: observation.context.trace_id.to_vec(),
        value: Some(exemplar::Value::AsDouble(observation.duration_s)),
    }
}

/// A gauge of one point.
pub(crate) fn gauge(name: &str, unit: &str, value: f64, interval: Interval) -> Metric {
    let data_points = vec![point(Value::AsDouble(value), Vec::new(), interval)];
    metric(name, unit, Data::Gauge(Gauge { data_points }))
}

/// A sum that goes up and down, as up-down counters export it.
pub(crate) fn level(
    name: &str,
    unit: &str,
    points: Vec<(i64, Vec<KeyValue>)>,
    interval: Interval,
) -> Metric {
    let data_points = points
        .into_iter()
        .map(|(value, attributes)| point(Value::AsInt(value), attributes, interval))
        .collect();
    let aggregation_temporality = AggregationTemporality::Cumulative.into();
    metric(name, unit, Data::Sum(Sum { data_points, aggregation_temporality, is_monotonic: false }))
}

fn metric(name: &str, unit: &str, data: Data) -> Metric {
    let (name, unit) = (name.to_owned(), unit.to_owned());
    Metric { name, unit, data: Some(data), ..Metric::default() }
}

fn point(value: Value, attributes: Vec<KeyValue>, interval: Interval) -> NumberDataPoint {
    NumberDataPoint {
        attributes,
        start_time_unix_nano: interval.start_ns,
        time_unix_nano: interval.now_ns,
        value: Some(value),
        ..NumberDataPoint::default()
    }
}

#[cfg(test)]
mod tests {
    use super::{Interval, Observation, RequestDurations};
    use crate::log::SpanContext;
    use opentelemetry_proto::tonic::metrics::v1::metric::Data;

    fn observation(duration_s: f64, status: u16) -> Observation {
        let context = SpanContext { trace_id: [1; 16], span_id: [2; 8] };
        let (method, route) = ("GET", "/");
        Observation { method, route, status, duration_s, end_ns: 5, context }
    }

    #[test]
    fn points_are_cumulative_and_split_by_status() {
        let interval = Interval { start_ns: 1, now_ns: 9 };
        let mut durations = RequestDurations::default();
        assert!(durations.collect(interval).is_none());
        durations.add(&observation(0.5, 200));
        durations.collect(interval);
        durations.add(&observation(0.51, 200));
        durations.add(&observation(20.0, 500));
        let metric = durations.collect(interval).expect("observed");
        let Some(Data::Histogram(histogram)) = metric.data else { panic!("a histogram") };
        let [ok, bad] = histogram.data_points.as_slice() else { panic!("two series") };
        assert_eq!((ok.count, bad.count), (2, 1));
        // A value on a bound belongs to the bucket below it.
        assert_eq!((ok.bucket_counts[7], ok.bucket_counts[8]), (1, 1));
        assert_eq!(bad.bucket_counts.last(), Some(&1));
        assert!(bad.attributes.iter().any(|a| a.key == "error.type"));
        assert_eq!(ok.exemplars.len(), 1, "the exemplar since the last export");
    }
}
