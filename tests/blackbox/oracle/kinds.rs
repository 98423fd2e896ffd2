//! The same for declared SLOs of every kind of source: the same events as spans, logs, increments,
//! counters that are reset, gauges, histograms and summaries.

use document::Problems;
use opentelemetry_proto::tonic::collector::logs::v1::ExportLogsServiceRequest;
use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::common::v1::KeyValue;
use opentelemetry_proto::tonic::logs::v1::{LogRecord, ResourceLogs, ScopeLogs};
use opentelemetry_proto::tonic::metrics::v1::exponential_histogram_data_point::Buckets;
use opentelemetry_proto::tonic::metrics::v1::metric::Data;
use opentelemetry_proto::tonic::metrics::v1::number_data_point::Value as Number;
use opentelemetry_proto::tonic::metrics::v1::{
    ExponentialHistogram, ExponentialHistogramDataPoint, Gauge, Histogram, HistogramDataPoint,
    Metric, NumberDataPoint, ResourceMetrics, ScopeMetrics, Sum, Summary, SummaryDataPoint,
};
use opentelemetry_proto::tonic::resource::v1::Resource;
use slo::openslo::Documents;

use super::*;
use crate::harness::otlp::{number, resource, text};

const NS_PER_S: u64 = 1_000_000_000;
/// Of so many ticks, one finds the process started anew.
const RESTARTS_EACH: u64 = 97;

/// A kind of source: its signal, which of its events are bad, and which counts are those of the
/// oracle.
struct Kind {
    name: &'static str,
    signal: &'static str,
    total: &'static str,
    side: &'static str,
    selected: &'static str,
    told: Told,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Told {
    /// Each event at its own time, late or not.
    Event,
    /// All events of a tick in the pane that it ends.
    Tick,
    /// A point a tick, bad if some event was.
    Point,
}

const KINDS: [Kind; 9] = [
    Kind {
        name: "spans",
        signal: "traces",
        total: "kind = server",
        side: "bad",
        selected: "kind = server && status = error",
        told: Told::Event,
    },
    Kind {
        name: "logs",
        signal: "logs",
        total: "severity >= trace",
        side: "bad",
        selected: "severity >= error",
        told: Told::Event,
    },
    of_code("increments"),
    of_code("counters"),
    of_code("summaries"),
    Kind {
        name: "gauge",
        signal: "metrics",
        total: r#"metric.name = "gauge""#,
        side: "good",
        selected: r#"metric.name = "gauge" && value < 1"#,
        told: Told::Point,
    },
    within("explicit"),
    within("explicit-cumulative"),
    within("exponential"),
];

/// A metric whose points tell good from bad by an attribute.
const fn of_code(name: &'static str) -> Kind {
    let (signal, side, told) = ("metrics", "bad", Told::Tick);
    Kind { name, signal, total: "", side, selected: "point.code = 500", told }
}

/// A histogram whose bad observations lie above a bound of a bucket.
const fn within(name: &'static str) -> Kind {
    let (signal, side, told) = ("metrics", "good", Told::Tick);
    Kind { name, signal, total: "", side, selected: "value <= 1s", told }
}

impl Kind {
    fn document(&self) -> String {
        let named = format!("metric.name = \"{}\"", self.name);
        let both = |more: &str| match (self.total, more) {
            ("", "") => named.clone(),
            ("", more) => format!("{named} && {more}"),
            (total, "") => total.to_owned(),
            (_, more) => more.to_owned(),
        };
        let source = |filter: &str| {
            let signal = self.signal;
            format!(
                "metricSource: {{ type: otlp, spec: {{ signal: {signal}, filter: '{{ {filter} }}' }} }}"
            )
        };
        format!(
            "apiVersion: openslo/v1\nkind: SLO\nmetadata: {{ name: {name} }}\nspec:\n  service: shop\n  \
             indicator:\n    metadata: {{ name: {name}-sli }}\n    spec:\n      ratioMetric:\n        \
             {side}: {{ {} }}\n        total: {{ {} }}\n  \
             timeWindow: [{{ duration: 30d, isRolling: true }}]\n  \
             budgetingMethod: Occurrences\n  objectives: [{{ target: 0.99 }}]\n",
            source(&both(self.selected)),
            source(&both("")),
            name = self.name,
            side = self.side,
        )
    }
}

/// What happened in a tick.
#[derive(Clone, Copy, Default)]
struct Tick {
    end_ns: u64,
    good: u64,
    bad: u64,
}

/// Counters of a process.
struct Process {
    started_ns: u64,
    good: u64,
    bad: u64,
}

impl Process {
    fn count(&mut self, tick: Tick, restarts: bool) {
        if restarts {
            // What it counted was told at the end of the tick before.
            *self = Self { started_ns: tick.end_ns - TICK.as_nanos() as u64, good: 0, bad: 0 };
        }
        self.good += tick.good;
        self.bad += tick.bad;
    }
}

fn planes() -> (Observer, Engine) {
    let (problems, mut documents) = (Problems::new(), Documents::new());
    for kind in &KINDS {
        documents.read(kind.name, &kind.document(), &problems);
    }
    let definitions = documents.compile(&problems);
    let problems: Vec<_> = problems.into_sorted().iter().map(ToString::to_string).collect();
    assert!(problems.is_empty(), "{problems:#?}");
    let slos = definitions.iter().map(SloOptions::from);
    let observer = Observer::new(&ObserverOptions {
        worker: 0,
        seed: 7,
        limits: Limits::default(),
        automatic: None,
        redactor: Arc::new(Redactor::new(&[], &[]).expect("no patterns")),
        slis: Arc::new(SliPlan::compile(&definitions).expect("few fields")),
    });
    let start = Timestamp::from_unix_s(START_S);
    (observer, control_plane_of(slos.collect(), start))
}

fn points(good: u64, bad: u64, (start_ns, end_ns): (u64, u64)) -> Vec<NumberDataPoint> {
    [("200", good), ("500", bad)]
        .map(|(code, count)| NumberDataPoint {
            attributes: vec![code_of(code)],
            start_time_unix_nano: start_ns,
            time_unix_nano: end_ns,
            value: Some(Number::AsInt(count as i64)),
            ..NumberDataPoint::default()
        })
        .to_vec()
}

fn code_of(code: &str) -> KeyValue {
    number("code", code.parse().expect("a number"))
}

fn sum(temporality: i32, data_points: Vec<NumberDataPoint>) -> Data {
    Data::Sum(Sum { data_points, aggregation_temporality: temporality, is_monotonic: true })
}

fn explicit(temporality: i32, good: u64, bad: u64, (start_ns, end_ns): (u64, u64)) -> Data {
    let point = HistogramDataPoint {
        start_time_unix_nano: start_ns,
        time_unix_nano: end_ns,
        count: good + bad,
        bucket_counts: vec![good / 2, good - good / 2, bad],
        explicit_bounds: vec![0.5, 1.0],
        ..HistogramDataPoint::default()
    };
    Data::Histogram(Histogram { data_points: vec![point], aggregation_temporality: temporality })
}

/// Of scale 0: the bucket with index -1 is (0.5, 1], the one after it (1, 2].
fn exponential(good: u64, bad: u64, (start_ns, end_ns): (u64, u64)) -> Data {
    let point = ExponentialHistogramDataPoint {
        start_time_unix_nano: start_ns,
        time_unix_nano: end_ns,
        count: good + bad,
        positive: Some(Buckets { offset: -1, bucket_counts: vec![good, bad] }),
        ..ExponentialHistogramDataPoint::default()
    };
    let data_points = vec![point];
    Data::ExponentialHistogram(ExponentialHistogram { data_points, aggregation_temporality: 1 })
}

fn summary(process: &Process, end_ns: u64) -> Data {
    let point = |code: &str, count: u64| SummaryDataPoint {
        attributes: vec![code_of(code)],
        start_time_unix_nano: process.started_ns,
        time_unix_nano: end_ns,
        count,
        ..SummaryDataPoint::default()
    };
    let data_points = vec![point("200", process.good), point("500", process.bad)];
    Data::Summary(Summary { data_points })
}

fn metrics(tick: Tick, process: &Process) -> Vec<u8> {
    let Tick { end_ns, good, bad } = tick;
    let during = (end_ns - TICK.as_nanos() as u64, end_ns);
    let since = (process.started_ns, end_ns);
    let gauge = NumberDataPoint {
        // A moment within the pane that the tick ends.
        time_unix_nano: end_ns - NS_PER_S,
        value: Some(Number::AsInt(i64::from(bad > 0))),
        ..NumberDataPoint::default()
    };
    let all = [
        ("increments", sum(1, points(good, bad, during))),
        ("counters", sum(2, points(process.good, process.bad, since))),
        ("summaries", summary(process, end_ns)),
        ("gauge", Data::Gauge(Gauge { data_points: vec![gauge] })),
        ("explicit", explicit(1, good, bad, during)),
        ("explicit-cumulative", explicit(2, process.good, process.bad, since)),
        ("exponential", exponential(good, bad, during)),
    ];
    let metrics = all.map(|(name, data)| Metric {
        name: name.to_owned(),
        unit: "s".to_owned(),
        data: Some(data),
        ..Metric::default()
    });
    let scope = ScopeMetrics { metrics: metrics.to_vec(), ..ScopeMetrics::default() };
    let resource_metrics = vec![ResourceMetrics {
        resource: Some(shop()),
        scope_metrics: vec![scope],
        ..ResourceMetrics::default()
    }];
    ExportMetricsServiceRequest { resource_metrics }.encode_to_vec()
}

fn logs(events: &[Event]) -> Vec<u8> {
    let record = |event: &Event| LogRecord {
        time_unix_nano: event.end_ns,
        severity_number: if event.failed { 17 } else { 9 },
        ..LogRecord::default()
    };
    let log_records = events.iter().map(record).collect();
    let scope = ScopeLogs { log_records, ..ScopeLogs::default() };
    let resource_logs = vec![ResourceLogs {
        resource: Some(shop()),
        scope_logs: vec![scope],
        ..ResourceLogs::default()
    }];
    ExportLogsServiceRequest { resource_logs }.encode_to_vec()
}

fn shop() -> Resource {
    resource(vec![text("service.name", "shop")])
}

fn spans(events: &[Event]) -> Vec<u8> {
    let spans = events.iter().map(|event| event.span()).collect();
    ExportTraceServiceRequest { resource_spans: vec![resource_spans("shop", spans)] }
        .encode_to_vec()
}

/// Counts of the oracle: by event, by tick, by point.
#[derive(Clone, Default)]
struct Counts([Panes; 3]);

impl Counts {
    fn add(&mut self, events: &[Event], tick: Tick) {
        let [by_event, by_tick, by_point] = &mut self.0;
        events.iter().for_each(|event| count(by_event, *event));
        let pane = (tick.end_ns - 1) / (PANE_S * NS_PER_S);
        let counted = by_tick.entry(pane).or_default();
        (counted[0], counted[1]) = (counted[0] + tick.good + tick.bad, counted[1] + tick.bad);
        let counted = by_point.entry(pane).or_default();
        (counted[0], counted[1]) = (counted[0] + 1, counted[1] + u64::from(tick.bad > 0));
    }
}

#[test]
fn every_kind_of_source_sums_as_prometheus_does() {
    let (mut observer, mut engine) = planes();
    let mut chance = Chance(0xF00D);
    let mut process = Process { started_ns: START_S * NS_PER_S, good: 0, bad: 0 };
    let (mut counts, mut looks, mut views) = (Counts::default(), Vec::new(), Vec::new());
    for tick in 1..=HOURS * 3600 / TICK.as_secs() {
        let now_s = START_S + tick * TICK.as_secs();
        let now = Timestamp::from_unix_s(now_s);
        let events: Vec<_> =
            (0..chance.below(8)).map(|_| Event::arriving(now_s, &mut chance)).collect();
        let bad = events.iter().filter(|event| event.failed).count() as u64;
        let told = Tick { end_ns: now_s * NS_PER_S, good: events.len() as u64 - bad, bad };
        process.count(told, chance.below(RESTARTS_EACH) == 0);
        counts.add(&events, told);
        let taken = [
            observer.traces(&spans(&events), now),
            observer.logs(&logs(&events), now),
            observer.metrics(&metrics(told, &process), now),
        ];
        assert!(taken.into_iter().all(|taken| taken.expect("well-formed").rejected.total() == 0));
        engine.handle(Input::Delta(Box::new(observer.flush())), now);
        engine.handle(Input::Judge, now);
        while engine.poll_effect().is_some() {}
        if LOOKS_S.contains(&(tick * TICK.as_secs())) {
            looks.extend(counts.0.clone());
            views.push(engine.view());
        }
    }
    let oracle = Prometheus::with_history(&openmetrics(&looks));
    let mut compared = 0;
    for (look, (view, after_s)) in views.iter().zip(LOOKS_S).enumerate() {
        for kind in &KINDS {
            let status = find(&view.slos, kind.name);
            let counts = look * 3 + kind.told as usize;
            for (window, seconds) in WINDOWS {
                let ours = status.windows.iter().find(|w| w.window.as_secs() == seconds).unwrap();
                let sum = |name: &str| {
                    let query = format!("sum_over_time(look{counts}_{name}[{window}])");
                    oracle.query_at(&query, (START_S + after_s) as f64)[0].value.clone()
                };
                let told = (ours.total.to_string(), ours.bad.to_string());
                let place = format!("{} over {window} at {after_s} s", kind.name);
                assert_eq!(told, (sum("total"), sum("failed")), "{place}");
                compared += 1;
            }
        }
    }
    assert_eq!(compared, LOOKS_S.len() * WINDOWS.len() * KINDS.len());
}
