//! Threshold metrics and raw ratios, from the document to what is counted.

use opentelemetry_proto::tonic::metrics::v1::metric::Data;
use opentelemetry_proto::tonic::metrics::v1::number_data_point::Value as Number;
use opentelemetry_proto::tonic::metrics::v1::{Gauge, Metric};
use slo::openslo::RAW_PARTS;

use super::declared::{compiled, judging};
use super::metrics::{CUMULATIVE, DELTA, histogram, judged, metric, number, point, sum};
use super::otel::*;
use super::*;

/// The plan of one SLO `objective` over a metric of OpenSLO, whose objective has these keys.
fn measuring(metric: &str, objective: &str) -> Arc<SliPlan> {
    let text = format!(
        "apiVersion: openslo/v1\nkind: SLO\nmetadata: {{ name: objective }}\nspec:\n  \
         service: shop\n  indicator: {{ metadata: {{ name: sli }}, spec: {{ {metric} }} }}\n  \
         timeWindow: [{{ duration: 30d, isRolling: true }}]\n  budgetingMethod: Occurrences\n  \
         objectives: [{{ target: 0.99{objective} }}]\n"
    );
    compiled(&text, 1)
}

fn threshold(spec: &str, op: &str, value: &str) -> Arc<SliPlan> {
    let metric =
        format!("thresholdMetric: {{ metricSource: {{ type: otlp, spec: {{ {spec} }} }} }}");
    measuring(&metric, &format!(", op: {op}, value: {value}"))
}

fn raw(kind: &str) -> Arc<SliPlan> {
    let filter = "{ metric.name = \"happy\" }";
    let spec = format!("signal: metrics, filter: '{filter}'");
    let source = format!("metricSource: {{ type: otlp, spec: {{ {spec} }} }}");
    measuring(&format!("ratioMetric: {{ rawType: {kind}, raw: {{ {source} }} }}"), "")
}

fn gauge(name: &str, unit: &str, values: &[f64]) -> Metric {
    let data_points = values.iter().map(|value| number("", Number::AsDouble(*value))).collect();
    metric(name, unit, Data::Gauge(Gauge { data_points }))
}

fn counted(delta: &PaneDelta) -> Option<(u64, u64)> {
    let (total, bad) = declared(delta, "objective").get(&Vec::<String>::new()).copied()?;
    Some((total, u64::try_from(bad).unwrap()))
}

type Holds = fn(f64, f64) -> bool;

const OPERATORS: [(&str, Holds); 4] =
    [("lt", |a, b| a < b), ("lte", |a, b| a <= b), ("gt", |a, b| a > b), ("gte", |a, b| a >= b)];

#[test]
fn spans_are_held_against_a_threshold() {
    let took = [1, 299, 300, 301, 700];
    for (op, holds) in OPERATORS {
        let slis = threshold("signal: traces, filter: '{ kind = server }', unit: ms", op, "300");
        let mut observer = judging(slis);
        let mut spans: Vec<_> =
            took.iter().map(|ms| ended(SERVER, "a", "", NOW, ms * MS)).collect();
        spans.push(ended(CLIENT, "a", "", NOW, 300 * MS));
        observer.traces(&traces("service.name=shop", spans), NOW).unwrap();
        let bad = took.iter().filter(|ms| !holds(**ms as f64, 300.0)).count() as u64;
        assert_eq!(counted(&observer.flush()), Some((5, bad)), "{op}");
    }
}

#[test]
fn points_of_gauges_are_held_against_a_threshold() {
    let values = [0.1, 0.8, 0.8000001, 7.0];
    for (op, holds) in OPERATORS {
        let slis = threshold("signal: metrics, filter: '{ metric.name = \"load\" }'", op, "0.8");
        let delta = judged(slis, vec![gauge("load", "1", &values), gauge("other", "1", &values)]);
        let bad = values.iter().filter(|value| !holds(**value, 0.8)).count() as u64;
        assert_eq!(counted(&delta), Some((4, bad)), "{op}");
    }
}

#[test]
fn observations_of_histograms_are_held_against_a_threshold() {
    let spec = "signal: metrics, filter: '{ metric.name = \"took\" }', unit: ms";
    let of = |op: &str| {
        let points = vec![point("", &[5, 3, 2], &[0.1, 0.5])];
        let list = vec![metric("took", "s", histogram(DELTA, points))];
        counted(&judged(threshold(spec, op, "500"), list))
    };
    assert_eq!(of("lte"), Some((10, 2)));
    assert_eq!(of("gt"), Some((10, 8)));
    // A filter that asks for the value as well cannot be put to buckets: nothing is made up.
    let both = "signal: metrics, filter: '{ metric.name = \"took\" && value > 0.1 }', unit: ms";
    let points = vec![point("", &[5, 3, 2], &[0.1, 0.5])];
    let list = vec![metric("took", "s", histogram(DELTA, points))];
    assert_eq!(counted(&judged(threshold(both, "lte", "500"), list)), None);
}

#[test]
fn log_records_are_held_against_a_threshold_by_an_attribute() {
    let slis = threshold("signal: logs, filter: '{}', value: log.queue", "lte", "10");
    let mut observer = judging(slis);
    let mut records: Vec<_> =
        ["queue=3", "queue=10", "queue=11", ""].iter().map(|with| log(9, "x", with)).collect();
    records.push(log(9, "x", "queue=many"));
    observer.logs(&logs("service.name=shop", records), NOW).unwrap();
    assert_eq!(counted(&observer.flush()), Some((3, 1)));
}

#[test]
fn a_raw_ratio_counts_in_parts_by_its_value() {
    let values = [1.0, 0.25, 0.0, 1.000_000_1];
    let parts = 4 * RAW_PARTS;
    for (kind, bad, seen) in
        [("success", RAW_PARTS + 750_000, 2), ("failure", 2 * RAW_PARTS + 250_000, 3)]
    {
        let delta = judged(raw(kind), vec![gauge("happy", "1", &values)]);
        assert_eq!(counted(&delta), Some((parts, bad)), "{kind}");
        let percent = values.map(|value| value * 100.0);
        let delta = judged(raw(kind), vec![gauge("happy", "%", &percent)]);
        assert_eq!(counted(&delta), Some((parts, bad)), "{kind} in percent");
        let observed: u64 = delta.series[0].panes.iter().map(|pane| pane.count.bad_observed).sum();
        assert_eq!(observed, seen, "as many as points tell of something bad");
    }
}

#[test]
fn what_is_no_ratio_or_measurement_is_left_out_and_told() {
    let bad = [1.1, -0.1, f64::NAN, f64::INFINITY];
    let mut observer = judging(raw("success"));
    let counters = vec![number("", Number::AsDouble(0.5))];
    let list = vec![
        gauge("happy", "1", &bad),
        metric("happy", "1", sum(CUMULATIVE, counters)),
        metric("happy", "1", histogram(DELTA, vec![point("", &[1], &[])])),
    ];
    observer.metrics(&metrics("service.name=shop", list), NOW).unwrap();
    assert_eq!(counted(&observer.flush()), None);
    assert_eq!(observer.stats().points_ignored, 6);
    // A counter's value is how far it has counted.
    let slis = threshold("signal: metrics, filter: '{ metric.name = \"all\" }'", "lte", "10");
    let counters = vec![number("", Number::AsInt(3))];
    assert_eq!(counted(&judged(slis, vec![metric("all", "1", sum(DELTA, counters))])), None);
}
