use std::collections::BTreeSet;
use std::time::Duration;

use model::{Counted, PointKind, PointsDelta, StreamPoint};
use opentelemetry_proto::tonic::metrics::v1::exponential_histogram_data_point::Buckets;
use opentelemetry_proto::tonic::metrics::v1::metric::Data;
use opentelemetry_proto::tonic::metrics::v1::number_data_point::Value as Number;
use opentelemetry_proto::tonic::metrics::v1::summary_data_point::ValueAtQuantile;
use opentelemetry_proto::tonic::metrics::v1::{
    Exemplar, ExponentialHistogram, ExponentialHistogramDataPoint, Gauge, Histogram,
    HistogramDataPoint, Metric, NumberDataPoint, Sum, Summary, SummaryDataPoint, exemplar,
};

use super::declared::{judging, plan};
use super::otel::*;
use super::*;

const SHOP: &str = "service.name=shop";
pub(super) const DELTA: i32 = 1;
pub(super) const CUMULATIVE: i32 = 2;

pub(super) fn metric(name: &str, unit: &str, data: Data) -> Metric {
    Metric { name: name.to_owned(), unit: unit.to_owned(), data: Some(data), ..Metric::default() }
}

pub(super) fn point(with: &str, counts: &[u64], bounds: &[f64]) -> HistogramDataPoint {
    HistogramDataPoint {
        attributes: attributes(with),
        start_time_unix_nano: NOW.unix_ns() - 1000 * MS,
        time_unix_nano: NOW.unix_ns(),
        count: counts.iter().sum(),
        bucket_counts: counts.to_vec(),
        explicit_bounds: bounds.to_vec(),
        ..HistogramDataPoint::default()
    }
}

pub(super) fn histogram(temporality: i32, data_points: Vec<HistogramDataPoint>) -> Data {
    Data::Histogram(Histogram { data_points, aggregation_temporality: temporality })
}

pub(super) fn number(with: &str, value: Number) -> NumberDataPoint {
    NumberDataPoint {
        attributes: attributes(with),
        start_time_unix_nano: NOW.unix_ns() - 1000 * MS,
        time_unix_nano: NOW.unix_ns(),
        value: Some(value),
        ..NumberDataPoint::default()
    }
}

pub(super) fn sum(temporality: i32, data_points: Vec<NumberDataPoint>) -> Data {
    Data::Sum(Sum { data_points, aggregation_temporality: temporality, is_monotonic: true })
}

fn seen(list: Vec<Metric>) -> PaneDelta {
    let mut observer = observer();
    observer.metrics(&metrics(SHOP, list), NOW).unwrap();
    observer.flush()
}

/// All cumulative points with what they count.
fn told(delta: &PaneDelta) -> impl Iterator<Item = (PointKind, &StreamPoint)> {
    delta.points.iter().flat_map(|of| of.points.iter().map(|point| (of.kind, point)))
}

fn from_histograms(delta: &PaneDelta, sli: AutomaticSli) -> Option<Count> {
    automatic(delta, sli, AutomaticSource::Histograms)
}

#[test]
fn server_histograms_feed_the_automatic_slis() {
    let ok = "http.request.method=GET,http.response.status_code=200";
    for (name, unit, bounds, failing, works) in [
        ("http.server.request.duration", "s", [0.1, 0.5], "http.response.status_code=500", ok),
        ("http.server.request.duration", "s", [0.1, 0.5], "error.type=timeout", ok),
        (
            "http.server.duration",
            "ms",
            [100.0, 500.0],
            "http.status_code=503",
            "http.status_code=404",
        ),
        ("http.server.duration", "", [100.0, 500.0], "http.status_code=503", "error.type=404"),
        (
            "rpc.server.call.duration",
            "s",
            [0.1, 0.5],
            "rpc.response.status_code=UNAVAILABLE",
            "rpc.response.status_code=OK",
        ),
        (
            "rpc.server.duration",
            "ms",
            [100.0, 500.0],
            "rpc.grpc.status_code=13",
            "rpc.grpc.status_code=5",
        ),
    ] {
        let points = vec![point(works, &[5, 3, 2], &bounds), point(failing, &[1, 0, 0], &bounds)];
        let delta = seen(vec![metric(name, unit, histogram(DELTA, points))]);
        let availability = from_histograms(&delta, AutomaticSli::Availability);
        assert_eq!(availability, Some(Count::observed(10, 1)), "{name} {failing}");
        let latency = from_histograms(&delta, AutomaticSli::Latency);
        assert_eq!(latency, Some(Count::observed(9, 2)), "{name} {failing}");
        assert_eq!(only_service(&delta).points, 2);
    }
}

#[test]
fn other_metrics_are_heard_and_make_no_series() {
    let delta = seen(vec![
        metric(
            "http.client.request.duration",
            "s",
            histogram(DELTA, vec![point("", &[1, 1], &[0.1])]),
        ),
        metric(
            "jvm.memory.used",
            "By",
            Data::Gauge(Gauge { data_points: vec![number("", Number::AsInt(7))] }),
        ),
    ]);
    assert_eq!((delta.series.len(), delta.points.len()), (0, 0));
    assert_eq!(only_service(&delta).points, 2);
}

#[test]
fn a_bucket_across_the_threshold_is_shared_out_and_said_to_be_uncertain() {
    let of = |counts: &[u64], bounds: &[f64], max: Option<f64>| {
        let point = HistogramDataPoint { max, ..point("", counts, bounds) };
        let name = "http.server.request.duration";
        let delta = seen(vec![metric(name, "s", histogram(DELTA, vec![point]))]);
        let count = from_histograms(&delta, AutomaticSli::Latency).unwrap();
        (count.total, count.bad(), count.uncertain)
    };
    assert_eq!(of(&[4, 8, 1], &[0.4, 0.8], None), (13, 7, 8));
    // All of the first bucket lies above zero.
    assert_eq!(of(&[10], &[], None), (10, 0, 10));
    assert_eq!(of(&[10, 0], &[1.0], None), (10, 5, 10));
    // The greatest observation tells that none was too slow, or how far the last bucket goes.
    assert_eq!(of(&[1, 9], &[0.1], Some(0.4)), (10, 0, 0));
    assert_eq!(of(&[0, 10], &[0.25], Some(0.75)), (10, 5, 10));
    assert_eq!(of(&[0, 9], &[0.5], Some(7.0)), (9, 9, 0));
}

#[test]
fn exponential_histograms_are_split_as_well() {
    let counts = |offset: i32, bucket_counts: Vec<u64>| Some(Buckets { offset, bucket_counts });
    let point = ExponentialHistogramDataPoint {
        time_unix_nano: NOW.unix_ns(),
        count: 16,
        scale: 0,
        zero_count: 3,
        // (1/4, 1/2], (1/2, 1], (1, 2].
        positive: counts(-2, vec![4, 5, 4]),
        ..ExponentialHistogramDataPoint::default()
    };
    let data = |scale: i32, offset: i32| {
        let positive = Some(Buckets { offset, ..point.positive.clone().unwrap() });
        Data::ExponentialHistogram(ExponentialHistogram {
            data_points: vec![ExponentialHistogramDataPoint { scale, positive, ..point.clone() }],
            aggregation_temporality: DELTA,
        })
    };
    let latency = |data: Data| {
        let delta = seen(vec![metric("http.server.request.duration", "s", data)]);
        from_histograms(&delta, AutomaticSli::Latency).unwrap()
    };
    assert_eq!(latency(data(0, -2)), Count::observed(7, 9));
    // Bases of 4: (1/16, 1/4], (1/4, 1], (1, 4]; a third of the second one is fast.
    let count = latency(data(-1, -2));
    assert_eq!((count.total, count.bad(), count.uncertain), (16, 7, 5));
    // Nothing that a sender may write for the scale stops the reader.
    assert_eq!(latency(data(i32::MAX, i32::MAX)).total, 16);
    assert_eq!(latency(data(i32::MIN, i32::MIN)).total, 16);
}

#[test]
fn increments_over_several_panes_are_spread_over_them() {
    let minute = Duration::from_secs(60);
    let start_time_unix_nano = NOW.before(minute).unix_ns();
    let point = HistogramDataPoint { start_time_unix_nano, ..point("", &[120], &[]) };
    let delta =
        seen(vec![metric("http.server.request.duration", "s", histogram(DELTA, vec![point]))]);
    let panes = &delta.series[0].panes;
    assert_eq!(panes.len(), 13);
    assert_eq!(panes.iter().map(|p| p.count.total).sum::<u64>(), 120);
    assert!(panes[1..12].iter().all(|p| p.count.total == 10), "{panes:?}");
}

#[test]
fn cumulative_points_go_to_the_engine_as_they_are() {
    let name = "http.server.request.duration";
    let point = HistogramDataPoint {
        exemplars: vec![Exemplar {
            time_unix_nano: NOW.unix_ns(),
            trace_id: vec![8; 16],
            span_id: vec![9; 8],
            value: Some(exemplar::Value::AsDouble(0.9)),
            ..Exemplar::default()
        }],
        ..point("http.response.status_code=200", &[6, 2], &[0.5])
    };
    let delta = seen(vec![metric(name, "s", histogram(CUMULATIVE, vec![point]))]);
    let [points] = delta.points.as_slice() else { panic!("{:?}", delta.points) };
    let key = |sli| {
        Arc::new(SeriesKey::Automatic {
            service: Arc::new(model::Service::named("shop")),
            sli,
            source: AutomaticSource::Histograms,
        })
    };
    let Some((fast, _)) = points.beside else { panic!("{points:?}") };
    let expected = PointsDelta {
        id: points.id,
        key: key(AutomaticSli::Availability),
        kind: PointKind::TotalAndBad,
        beside: Some((fast, key(AutomaticSli::Latency))),
        points: vec![StreamPoint {
            stream: points.points[0].stream,
            id: points.points[0].id,
            start: NOW.before(Duration::from_secs(1)),
            time: NOW,
            counted: Counted { total: 8, bad: 0, uncertain: 0 },
            beside: Counted { total: 8, bad: 2, uncertain: 0 },
            ended: false,
            is_delta: false,
        }],
    };
    assert_eq!(*points, expected);
    // The exemplar of the slow request is kept with its series.
    let [series] = delta.series.as_slice() else { panic!("{:?}", delta.series) };
    assert_eq!((series.id, series.panes.len()), (fast, 0));
    assert_eq!((&*series.exemplars[0].reason, series.exemplars[0].trace_id.0), ("slow", [8; 16]));
}

#[test]
fn a_stream_is_its_resource_metric_and_attributes_in_any_order_in_every_worker() {
    let stream = |resource: &str, name: &str, with: &str, seed: u64| {
        let mut observer = Observer::new(&ObserverOptions { seed, ..options() });
        let list = vec![metric(name, "s", histogram(CUMULATIVE, vec![point(with, &[1], &[])]))];
        observer.metrics(&metrics(resource, list), NOW).unwrap();
        observer.flush().points[0].points[0].stream
    };
    let name = "http.server.request.duration";
    let base = stream("service.name=a,x=1", name, "p=1,q=2", 1);
    assert_eq!(stream("x=1,service.name=a", name, "q=2,p=1", 2), base);
    for other in [
        stream("service.name=a,x=2", name, "p=1,q=2", 1),
        stream("service.name=a,x=1", "rpc.server.call.duration", "p=1,q=2", 1),
        stream("service.name=a,x=1", name, "p=2,q=1", 1),
        stream("service.name=a,x=1", name, "p=1", 1),
    ] {
        assert_ne!(other, base);
    }
}

#[test]
fn the_end_of_a_stream_is_told_and_counts_nothing() {
    let ended = HistogramDataPoint { flags: 1, count: 0, ..point("", &[], &[]) };
    for (temporality, points) in [(CUMULATIVE, 1), (DELTA, 0)] {
        let data = histogram(temporality, vec![ended.clone()]);
        let delta = seen(vec![metric("http.server.request.duration", "s", data)]);
        assert_eq!(told(&delta).filter(|(_, point)| point.ended).count(), points);
        assert_eq!(delta.series, []);
    }
}

#[test]
fn points_beyond_the_cap_are_dropped_and_counted() {
    let mut observer = limited(Limits { points: 3, ..Limits::default() });
    let points = (0..4).map(|n| point(&format!("n={n}"), &[1], &[])).collect();
    let list = vec![metric("http.server.request.duration", "s", histogram(CUMULATIVE, points))];
    observer.metrics(&metrics(SHOP, list), NOW).unwrap();
    assert_eq!(told(&observer.flush()).count(), 3);
    assert_eq!(observer.stats().points_dropped, 1);
}

pub(super) fn judged(slis: Arc<SliPlan>, list: Vec<Metric>) -> PaneDelta {
    let mut observer = judging(slis);
    observer.metrics(&metrics(SHOP, list), NOW).unwrap();
    observer.flush()
}

#[test]
fn sums_count_by_their_increase_and_one_metric_may_hold_both_sides() {
    let total = r#"{ metric.name = "requests" }"#;
    let good = r#"{ metric.name = "requests" && point.code != 500 }"#;
    let points =
        || vec![number("code=200", Number::AsInt(90)), number("code=500", Number::AsInt(10))];
    let slis = plan("metrics", "good", good, total, "resource.service.name");
    let delta = judged(slis.clone(), vec![metric("requests", "1", sum(DELTA, points()))]);
    let expected = [(vec!["shop".to_owned()], (100, 10))];
    assert_eq!(declared(&delta, "objective"), expected.into());
    let delta = judged(slis, vec![metric("requests", "1", sum(CUMULATIVE, points()))]);
    let told: Vec<_> =
        told(&delta).map(|(kind, p)| (kind, p.counted.total, p.counted.bad)).collect();
    assert_eq!(told, [(PointKind::TotalAndBad, 90, 0), (PointKind::TotalAndBad, 10, 10)]);
}

#[test]
fn sides_that_come_as_two_metrics_are_told_apart() {
    let total = r#"{ metric.name = "all" }"#;
    let list = |temporality: i32, selected: &str| {
        vec![
            metric("all", "1", sum(temporality, vec![number("", Number::AsDouble(100.0))])),
            metric(selected, "1", sum(temporality, vec![number("", Number::AsDouble(97.0))])),
            metric("other", "1", sum(temporality, vec![number("", Number::AsInt(5))])),
        ]
    };
    for (numerator, kinds) in [
        ("good", [PointKind::Total, PointKind::Good]),
        ("bad", [PointKind::TotalBesideBad, PointKind::Bad]),
    ] {
        let selected = format!(r#"{{ metric.name = "{numerator}" }}"#);
        let slis = plan("metrics", numerator, &selected, total, "");
        for temporality in [DELTA, CUMULATIVE] {
            let delta = judged(slis.clone(), list(temporality, numerator));
            assert_eq!(told(&delta).map(|(kind, _)| kind).collect::<Vec<_>>(), kinds);
            assert_eq!(told(&delta).map(|(_, p)| p.counted.total).collect::<Vec<_>>(), [100, 97]);
            assert!(told(&delta).all(|(_, p)| p.is_delta == (temporality == DELTA)));
            let sources: BTreeSet<_> = told(&delta).map(|(_, p)| p.source()).collect();
            assert_eq!(sources.len(), 1);
        }
    }
}

#[test]
fn increments_of_part_of_an_event_add_up() {
    let slis = plan("metrics", "bad", "{ point.code = 500 }", r#"{ metric.name = "cost" }"#, "");
    let mut observer = judging(slis);
    let mut counted = (0, 0);
    for n in 1..=10 {
        let with = |code, value| NumberDataPoint {
            time_unix_nano: NOW.unix_ns() + n,
            ..number(code, Number::AsDouble(value))
        };
        let points = vec![with("code=200", 0.4), with("code=500", 0.2)];
        let list = vec![metric("cost", "1", sum(DELTA, points))];
        observer.metrics(&metrics(SHOP, list), NOW).unwrap();
        for (total, bad) in declared(&observer.flush(), "objective").into_values() {
            counted = (counted.0 + total, counted.1 + bad);
        }
    }
    assert_eq!(counted, (6, 2));
}

#[test]
fn each_point_of_a_gauge_is_an_event() {
    let slis = plan("metrics", "good", "{ value < 0.8 }", r#"{ metric.name = "load" }"#, "");
    let data_points = [0.5, 0.79, 0.8].map(|value| number("", Number::AsDouble(value))).to_vec();
    let delta = judged(slis, vec![metric("load", "1", Data::Gauge(Gauge { data_points }))]);
    assert_eq!(declared(&delta, "objective"), [(vec![], (3, 1))].into());
}

#[test]
fn histograms_count_observations_within_the_bound_of_the_filter() {
    let total = r#"{ metric.name = "wait" }"#;
    let good = r#"{ metric.name = "wait" && value <= 200ms }"#;
    let points = || vec![point("", &[5, 3, 2], &[100.0, 200.0])];
    for (numerator, bad) in [("good", 2), ("bad", 8)] {
        let slis = plan("metrics", numerator, good, total, "");
        let delta = judged(slis, vec![metric("wait", "ms", histogram(DELTA, points()))]);
        assert_eq!(declared(&delta, "objective"), [(vec![], (10, bad))].into());
    }
    // A duration says nothing about a metric whose unit is not one of time.
    let slis = plan("metrics", "bad", good, total, "");
    let delta = judged(slis, vec![metric("wait", "By", histogram(DELTA, points()))]);
    assert_eq!(declared(&delta, "objective"), [(vec![], (10, 0))].into());
}

#[test]
fn summaries_count_their_observations_and_are_held_against_no_bound() {
    let of = |code: &str, count: u64| SummaryDataPoint {
        attributes: attributes(code),
        start_time_unix_nano: NOW.unix_ns() - 1000 * MS,
        time_unix_nano: NOW.unix_ns(),
        count,
        sum: 5.0,
        quantile_values: vec![ValueAtQuantile { quantile: 0.5, value: 0.1 }],
        flags: 0,
    };
    let list = || {
        let data_points = vec![of("code=200", 40), of("code=500", 3)];
        vec![metric("rpc", "s", Data::Summary(Summary { data_points }))]
    };
    let total = r#"{ metric.name = "rpc" }"#;
    let by_code = plan("metrics", "bad", "{ point.code = 500 }", total, "");
    let delta = judged(by_code, list());
    let counted: Vec<_> = told(&delta).map(|(kind, p)| (kind, p.counted, p.is_delta)).collect();
    let of = |total, bad| Counted { total, bad, uncertain: 0 };
    let kind = PointKind::TotalAndBad;
    assert_eq!(counted, [(kind, of(40, 0), false), (kind, of(3, 3), false)]);

    let bounded = plan("metrics", "good", "{ value < 200ms }", total, "");
    let mut observer = judging(bounded);
    observer.metrics(&metrics(SHOP, list()), NOW).unwrap();
    assert_eq!(told(&observer.flush()).count(), 0);
    assert_eq!(observer.stats().points_ignored, 2, "and that is told");
}

#[test]
fn points_of_the_wrong_time_are_dropped() {
    let early = HistogramDataPoint { time_unix_nano: 1000 * MS, ..point("", &[1], &[]) };
    let data = histogram(CUMULATIVE, vec![early, point("", &[1], &[])]);
    let delta = seen(vec![metric("http.server.request.duration", "s", data)]);
    assert_eq!((delta.late_dropped, told(&delta).count()), (1, 1));
}
