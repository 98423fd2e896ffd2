//! Cumulative streams: what is handed over of them, and what is remembered.

use std::time::Duration;

use model::{Counted, PANE_NS, PaneCount, PointKind, StreamPoint};
use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::metrics::v1::metric::Data;
use opentelemetry_proto::tonic::metrics::v1::{
    Exemplar, Histogram, HistogramDataPoint, Metric, exemplar,
};
use proptest::prelude::*;
use prost::Message;
use slo::panes::PaneCounts;
use slo::stream::{Feed, StreamOptions, Streams};

use super::otel::*;
use super::*;
use crate::{GENERATION_S, IDLE_GENERATIONS};

/// A point of a request counter with a bucket up to 0.4 s and one above.
#[derive(Clone, Copy, Debug)]
struct Point {
    start: Timestamp,
    time: Timestamp,
    fast: u64,
    slow: u64,
    ended: bool,
}

impl Point {
    fn data(self, with: &str) -> HistogramDataPoint {
        HistogramDataPoint {
            attributes: attributes(with),
            start_time_unix_nano: self.start.unix_ns(),
            time_unix_nano: self.time.unix_ns(),
            count: self.fast + self.slow,
            bucket_counts: vec![self.fast, self.slow],
            explicit_bounds: vec![0.5],
            flags: u32::from(self.ended),
            ..HistogramDataPoint::default()
        }
    }
}

fn at(ms: u64) -> Timestamp {
    NOW.after(Duration::from_millis(ms))
}

fn point(ms: u64, fast: u64, slow: u64) -> Point {
    Point { start: NOW.before(Duration::from_secs(9)), time: at(ms), fast, slow, ended: false }
}

fn of(points: impl IntoIterator<Item = HistogramDataPoint>) -> Vec<u8> {
    let data = Histogram { data_points: points.into_iter().collect(), aggregation_temporality: 2 };
    let metric = Metric {
        name: "http.server.request.duration".to_owned(),
        unit: "s".to_owned(),
        data: Some(Data::Histogram(data)),
        ..Metric::default()
    };
    metrics("service.name=shop", vec![metric])
}

fn take(observer: &mut Observer, point: HistogramDataPoint) {
    let now = Timestamp::from_unix_ns(point.time_unix_nano).max(NOW);
    observer.metrics(&of([point]), now).unwrap();
}

fn points(delta: &PaneDelta) -> Vec<StreamPoint> {
    delta.points.iter().flat_map(|of| of.points.iter().copied()).collect()
}

/// What the engine would make of the points of one stream: both series by pane.
fn differenced(points: impl IntoIterator<Item = StreamPoint>) -> [Vec<PaneCount>; 2] {
    let mut streams = Streams::new(StreamOptions::default(), [1; 4]);
    let mut panes = [PaneCounts::default(), PaneCounts::default()];
    let feed = Feed { series: 0, kind: PointKind::TotalAndBad };
    for point in points {
        if let Some(gain) = streams.increment(feed, 0, &point, at(1 << 30)) {
            gain.counted.spread(&mut panes[0]);
            gain.beside.spread(&mut panes[1]);
        }
    }
    panes.map(|mut panes| panes.drain().into_iter().filter(|p| !p.count.is_zero()).collect())
}

#[test]
fn the_last_of_many_points_within_a_pane_stands_for_all() {
    let mut observer = observer();
    let mut sent = |ms: std::ops::Range<u64>| {
        for ms in ms.step_by(100) {
            take(&mut observer, point(ms, 10 * ms, ms).data("a=1"));
        }
        let delta = observer.flush();
        points(&delta).iter().map(|p| p.time.since(NOW).as_millis()).collect::<Vec<_>>()
    };
    // The first one may have to tell what came before; after that it is known what went before.
    assert_eq!(sent(0..1000), [0, 900]);
    assert_eq!(sent(1000..2000), [1900]);
    // A pane ends 2.5 s after the time of the tests: up to there, and beyond.
    assert_eq!(sent(2000..3000), [2500, 2900]);
    assert_eq!(sent(3000..3100), [3000]);
    assert!(observer.flush().points.is_empty());
}

proptest! {
    #[test]
    fn what_is_handed_over_of_a_stream_counts_as_all_its_points_would(
        steps in prop::collection::vec(
            (0..3_u8, 0..40_u64, 0..9_u64, 0..9_u64, prop::bool::weighted(0.2)), 1..60,
        ),
    ) {
        let small = || limited(Limits { recall_bytes: 1 << 16, ..Limits::default() });
        let (mut observer, mut alone) = (small(), small());
        let (mut whole, mut handed) = (Vec::new(), Vec::new());
        let mut next = point(0, 5, 0);
        for (kind, tenths, fast, slow, flush) in steps {
            let time = next.time.after(Duration::from_millis(100 * tenths));
            next = Point { time, fast: next.fast + fast, slow: next.slow + slow, ..next };
            match (kind, fast, slow) {
                // It began anew, under another start or the same.
                (2, 0..3, _) => next = Point { start: time, fast: 0, slow: 0, ..next },
                (2, 3, _) => next = Point { fast, slow: next.slow / 2, ..next },
                (2, 4, _) => next = Point { start: Timestamp::ZERO, ..next },
                _ => {}
            }
            let sent = Point { ended: (kind, fast) == (2, 8), ..next };
            take(&mut observer, sent.data("a=1"));
            take(&mut alone, sent.data("a=1"));
            whole.extend(points(&alone.flush()));
            if flush {
                handed.extend(points(&observer.flush()));
            }
        }
        handed.extend(points(&observer.flush()));
        prop_assert!(handed.len() <= whole.len());
        prop_assert_eq!(differenced(handed), differenced(whole));
    }
}

#[test]
fn a_time_on_the_edge_of_panes_is_the_end_of_the_earlier_one() {
    let edge = PANE_NS - NOW.unix_ns() % PANE_NS;
    let mut observer = observer();
    for ns in [edge - 2, edge - 1, edge, edge + 1] {
        let time = Timestamp::from_unix_ns(NOW.unix_ns() + ns);
        take(&mut observer, Point { time, ..point(0, ns, 0) }.data(""));
    }
    let times = points(&observer.flush())
        .iter()
        .map(|p| p.time.unix_ns() - NOW.unix_ns())
        .collect::<Vec<_>>();
    assert_eq!(times, [edge - 2, edge, edge + 1]);
}

#[test]
fn a_known_stream_fails_as_it_did_whatever_the_order_of_its_attributes() {
    let mut observer = observer();
    let mut seen = |with: &str, fast: u64| {
        take(&mut observer, point(fast, fast, 0).data(with));
        let [point] = points(&observer.flush())[..] else { panic!("{with}") };
        (point.stream, point.id, point.counted.bad)
    };
    let (failing, id, bad) = seen("a=1,http.response.status_code=500", 3);
    assert_eq!(bad, 3);
    assert_eq!(seen("a=1,http.response.status_code=500", 7), (failing, id, 7));
    let (other, other_id, bad) = seen("a=1,http.response.status_code=200", 7);
    assert!(other != failing && other_id != id && bad == 0);
    // The same stream, known by other bytes.
    let (same, _, bad) = seen("http.response.status_code=500,a=1", 8);
    assert_eq!((same, bad), (failing, 8));
    assert_eq!(observer.stats().held.streams, 3);
}

#[test]
fn streams_are_told_apart_in_whatever_order_they_come() {
    let mut observer = observer();
    let mut number = 0;
    for order in [[0, 1, 2, 3], [0, 1, 2, 3], [3, 2, 1, 0], [2, 2, 0, 1], [1, 3, 0, 2]] {
        for stream in order {
            number += 1;
            let data = point(number, 100 * number + stream, 0).data(&format!("a={stream}"));
            take(&mut observer, data);
        }
        for point in points(&observer.flush()) {
            assert_eq!(u64::from(point.id), point.counted.total % 100);
        }
    }
    assert_eq!(observer.stats().held.streams, 4);
}

#[test]
fn attributes_in_two_places_of_a_point_are_those_of_its_stream() {
    let data = point(1, 4, 0).data("a=1,http.response.status_code=500");
    let usual = of([data.clone()]);
    let [first, second] = [0, 1].map(|at| {
        let attributes = vec![data.attributes[at].clone()];
        HistogramDataPoint { attributes, ..HistogramDataPoint::default() }.encode_to_vec()
    });
    let rest = HistogramDataPoint { attributes: Vec::new(), ..data }.encode_to_vec();
    let field = |number: u8, bytes: &[u8]| {
        let mut field = vec![number << 3 | 2];
        prost::encoding::encode_varint(bytes.len() as u64, &mut field);
        [&field, bytes].concat()
    };
    // The point is read back by nobody: its data is put into the metric by hand.
    let scattered = field(1, &[first, rest, second].concat());
    let histogram = field(9, &[&scattered[..], &[0x10, 2]].concat());
    let metric = [field(1, b"http.server.request.duration"), field(3, b"s"), histogram].concat();
    let mut request = ExportMetricsServiceRequest::decode(&usual[..]).unwrap();
    let resource = request.resource_metrics.remove(0).resource.unwrap().encode_to_vec();
    let scope_metrics = field(2, &field(2, &metric));
    let scattered = field(1, &[field(1, &resource), scope_metrics].concat());
    let mut observer = observer();
    observer.metrics(&usual, at(1)).unwrap();
    let expected = points(&observer.flush());
    for _ in 0..2 {
        assert_eq!(observer.metrics(&scattered, at(1)).unwrap().rejected.total(), 0);
        let [point] = points(&observer.flush())[..] else { panic!("one point") };
        assert_eq!(StreamPoint { id: expected[0].id, ..point }, expected[0]);
    }
    assert_eq!(observer.stats().held.streams, 2);
}

#[test]
fn an_exemplar_of_a_known_stream_says_what_failed_and_where() {
    let mut observer = observer();
    let with = "http.route=/pay,error.type=timeout";
    take(&mut observer, point(1, 4, 0).data(with));
    drop(observer.flush());
    let exemplars = vec![Exemplar {
        time_unix_nano: at(1).unix_ns(),
        trace_id: vec![8; 16],
        span_id: vec![9; 8],
        value: Some(exemplar::Value::AsDouble(0.1)),
        ..Exemplar::default()
    }];
    take(&mut observer, HistogramDataPoint { exemplars, ..point(2, 5, 0).data(with) });
    let delta = observer.flush();
    let [event] = &delta.series[0].exemplars[..] else { panic!("{:?}", delta.series) };
    assert_eq!((&*event.operation, &*event.reason), ("/pay", "timeout"));
}

#[test]
fn streams_beyond_the_cap_are_handed_over_point_by_point() {
    let mut observer = limited(Limits { streams: 1, ..Limits::default() });
    for ms in 0..4 {
        take(&mut observer, point(ms, 5 + ms, 0).data("a=1"));
        take(&mut observer, point(ms, 7 + ms, 0).data("a=2,error.type=x"));
    }
    let told = points(&observer.flush());
    let of = |known: bool| {
        let points = told.iter().filter(move |point| (point.id == 0) == known);
        points.map(|point| point.counted).collect::<Vec<_>>()
    };
    let counted = |total, bad| Counted { total, bad, uncertain: 0 };
    assert_eq!(of(true), [counted(5, 0), counted(8, 0)]);
    assert_eq!(of(false), [7, 8, 9, 10].map(|total| counted(total, total)));
    assert!(told.iter().all(|point| [0, StreamPoint::NO_ID].contains(&point.id)));
    assert_eq!(observer.stats().overflowed.streams, 4);
}

#[test]
fn a_point_without_room_is_made_up_for_by_the_next() {
    let mut observer = limited(Limits { points: 1, ..Limits::default() });
    take(&mut observer, point(1, 1, 0).data("a=1"));
    take(&mut observer, point(1, 1, 0).data("a=2"));
    take(&mut observer, point(2, 2, 0).data("a=1"));
    assert_eq!(points(&observer.flush()).len(), 1);
    assert_eq!(observer.stats().points_dropped, 2);
    take(&mut observer, point(3, 6, 0).data("a=2"));
    assert_eq!(points(&observer.flush())[0].counted.total, 6);
}

#[test]
fn idle_streams_are_let_go_and_their_numbers_used_again() {
    let mut observer = observer();
    take(&mut observer, point(0, 1, 0).data("a=1"));
    let first = points(&observer.flush())[0];
    let idle_ms = GENERATION_S * u64::from(IDLE_GENERATIONS + 2) * 1000;
    // The flush that lets go comes after a request of a later time.
    observer.traces(&traces("service.name=other", Vec::new()), at(idle_ms)).unwrap();
    drop(observer.flush());
    assert_eq!(observer.stats().held.streams, 0);
    take(&mut observer, point(idle_ms, 9, 0).data("a=2"));
    let second = points(&observer.flush())[0];
    assert_eq!((second.id, second.counted.total), (first.id, 9));
    assert_ne!(second.stream, first.stream);
}
