//! What is handed over beside counts: log lines of sampled traces, and how much of resources is
//! used.

use model::TraceId;
use opentelemetry_proto::tonic::logs::v1::LogRecord;
use opentelemetry_proto::tonic::metrics::v1::metric::Data;
use opentelemetry_proto::tonic::metrics::v1::{
    AggregationTemporality, Gauge, Metric, NumberDataPoint, Sum, number_data_point,
};

use super::otel::*;
use super::*;

const SHOP: &str = "service.name=shop,k8s.pod.name=shop-1";

fn of_span(number: u64, record: LogRecord) -> LogRecord {
    let mut trace_id = vec![0; 8];
    trace_id.extend(number.to_be_bytes());
    LogRecord { trace_id, span_id: vec![3; 8], ..record }
}

#[test]
fn what_sampled_traces_log_is_handed_over_by_template_whatever_its_severity() {
    let mut observer = observer();
    let records = vec![
        of_span(7, log(9, "read 12 items", "")),
        of_span(7, log(17, "order 17 failed", "")),
        log(9, "of no trace", ""),
    ];
    observer.logs(&logs(SHOP, records), NOW).unwrap();
    let delta = observer.flush();
    let lines: Vec<_> = delta.lines.iter().map(|line| (&*line.template, line.severity)).collect();
    assert_eq!(lines, [("read <*> items", 9), ("order <*> failed", 17)]);
    let mut id = [0; 16];
    id[15] = 7;
    assert!(delta.lines.iter().all(|line| line.trace_id == TraceId(id)));
    // Only what warns is counted.
    assert_eq!(delta.logs.len(), 1);
    assert_eq!(observer.flush().lines, []);
}

#[test]
fn lines_beyond_the_budget_leave_by_whole_traces() {
    let mut observer = limited(Limits { joined_spans: 10, ..Limits::default() });
    for number in 1..=200 {
        let records = (0..5).map(|_| of_span(number, log(9, "x", ""))).collect();
        observer.logs(&logs(SHOP, records), NOW).unwrap();
    }
    let delta = observer.flush();
    assert!(delta.lines.len() <= 40 && delta.sample_weight > 1, "{}", delta.lines.len());
    let whole = delta.lines.chunk_by(|a, b| a.trace_id == b.trace_id).all(|of| of.len() == 5);
    assert!(whole, "{:?}", delta.lines);
}

#[test]
fn talk_crowds_out_no_warning() {
    let mut observer = limited(Limits { templates_per_service: 2, ..Limits::default() });
    for word in ["a", "b", "c", "d"] {
        observer.logs(&logs(SHOP, vec![of_span(1, log(9, word, ""))]), NOW).unwrap();
    }
    observer.logs(&logs(SHOP, vec![log(17, "e", "")]), NOW).unwrap();
    let delta = observer.flush();
    let templates: Vec<_> = delta.logs.iter().map(|log| &*log.template).collect();
    assert_eq!(templates, ["e"]);
}

fn gauge(name: &str, values: &[f64]) -> Metric {
    let point = |value: &f64| NumberDataPoint {
        time_unix_nano: NOW.unix_ns(),
        value: Some(number_data_point::Value::AsDouble(*value)),
        ..NumberDataPoint::default()
    };
    let data_points = values.iter().map(point).collect();
    let data = Some(Data::Gauge(Gauge { data_points }));
    Metric { name: name.to_owned(), data, ..Metric::default() }
}

#[test]
fn levels_of_resources_are_handed_over_by_pod() {
    let mut observer = observer();
    let points = vec![
        gauge("k8s.pod.cpu_limit_utilization", &[0.25, 0.75, f64::NAN]),
        gauge("k8s.pod.network.io", &[3.0]),
        gauge("shop.basket.utilization", &[1.0]),
    ];
    observer.metrics(&metrics(SHOP, points), NOW).unwrap();
    let delta = observer.flush();
    let [usage] = delta.usages.as_slice() else { panic!("{:?}", delta.usages) };
    assert_eq!((&*usage.service.name, &*usage.instance), ("shop", "shop-1"));
    assert_eq!(&*usage.metric, "k8s.pod.cpu_limit_utilization");
    assert_eq!((usage.count, usage.sum), (2, 1.0));
    assert_eq!(observer.flush().usages, []);
    let sum = |name: &str, is_monotonic: bool| {
        let Some(Data::Gauge(Gauge { data_points })) = gauge(name, &[3.0]).data else { panic!() };
        let aggregation_temporality = AggregationTemporality::Cumulative.into();
        let data = Some(Data::Sum(Sum { data_points, aggregation_temporality, is_monotonic }));
        Metric { name: name.to_owned(), data, ..Metric::default() }
    };
    let points = vec![sum("k8s.container.restart.count", false), sum("system.cpu.usage", true)];
    observer.metrics(&metrics(SHOP, points), NOW).unwrap();
    let usages = observer.flush().usages;
    let taken: Vec<_> = usages.iter().map(|usage| (&*usage.metric, usage.sum)).collect();
    assert_eq!(taken, [("k8s.container.restart.count", 3.0)]);
}
