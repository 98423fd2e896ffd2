use document::Problems;
use opentelemetry_proto::tonic::logs::v1::LogRecord;
use slo::openslo::Documents;

use super::otel::*;
use super::*;

/// The plan of one SLO `objective` over a signal; `numerator` is `good` or `bad`.
pub(super) fn plan(
    signal: &str,
    numerator: &'static str,
    selected: &str,
    total: &str,
    group: &'static str,
) -> Arc<SliPlan> {
    compiled(&document(signal, "objective", total, selected, numerator, group), 1)
}

/// The plan of SLOs `slo-0` and so on: filters of all and of the selected events, what these are,
/// and the group.
pub(super) fn plans(
    signal: &str,
    slos: &[(String, String, &'static str, &'static str)],
) -> Arc<SliPlan> {
    let documents = slos.iter().enumerate().map(|(number, (total, selected, numerator, group))| {
        document(signal, &format!("slo-{number}"), total, selected, numerator, group)
    });
    compiled(&documents.collect::<String>(), slos.len())
}

fn document(
    signal: &str,
    name: &str,
    total: &str,
    selected: &str,
    numerator: &str,
    group: &str,
) -> String {
    let source = |filter: &str| {
        format!(
            "{{ metricSource: {{ type: otlp, spec: {{ signal: {signal}, filter: '{filter}', groupBy: [{group}] }} }} }}"
        )
    };
    format!(
        "---\napiVersion: openslo/v1\nkind: SLO\nmetadata: {{ name: {name} }}\nspec:\n  \
         service: shop\n  indicator:\n    metadata: {{ name: sli-{name} }}\n    spec:\n      \
         ratioMetric:\n        counter: true\n        {numerator}: {}\n        total: {}\n  \
         timeWindow: [{{ duration: 30d, isRolling: true }}]\n  budgetingMethod: Occurrences\n  \
         objectives: [{{ target: 0.99 }}]\n",
        source(selected),
        source(total)
    )
}

pub(super) fn compiled(text: &str, count: usize) -> Arc<SliPlan> {
    let problems = Problems::new();
    let mut documents = Documents::new();
    documents.read("slo.yaml", text, &problems);
    let definitions = documents.compile(&problems);
    assert_eq!(definitions.len(), count, "{:?}", problems.into_sorted());
    Arc::new(SliPlan::compile(&definitions).unwrap())
}

pub(super) fn judging(slis: Arc<SliPlan>) -> Observer {
    Observer::new(&ObserverOptions { slis, automatic: None, ..options() })
}

fn group(values: &[&str]) -> Vec<String> {
    values.iter().map(|value| (*value).to_owned()).collect()
}

#[test]
fn spans_are_selected_by_resource_attributes_and_intrinsics() {
    let total = r#"{ resource.service.name = "shop" && kind = server && name =~ "buy.*" }"#;
    let good = r#"{ resource.service.name = "shop" && status != error && duration < 300ms && span.tier = 1 }"#;
    for numerator in ["good", "bad"] {
        let mut observer = judging(plan("traces", numerator, good, total, ""));
        let spans = vec![
            span(SERVER, "buy", "tier=1"),
            span(SERVER, "buy it", "tier=2"),
            span(SERVER, "sell", "tier=1"),
            span(CLIENT, "buy", "tier=1"),
            failed(span(SERVER, "buy", "tier=1"), ""),
            ended(SERVER, "buy", "tier=1", NOW, 300 * MS),
            span(SERVER, "buy", ""),
        ];
        observer.traces(&traces("service.name=shop", spans.clone()), NOW).unwrap();
        observer.traces(&traces("service.name=other", spans), NOW).unwrap();
        let delta = observer.flush();
        let bad = if numerator == "good" { 4 } else { 1 };
        assert_eq!(declared(&delta, "objective"), [(vec![], (5, bad))].into());
        let series = delta.series.iter().find(|s| matches!(&*s.key, SeriesKey::Declared { .. }));
        assert!(!series.unwrap().exemplars.is_empty());
    }
}

#[test]
fn groups_are_counted_apart_and_beyond_the_cap_together() {
    let slis =
        plan("traces", "good", "{ status != error }", "{ kind = server }", "span.tier, span.zone");
    // More than half full from the second group on.
    let limits = Limits { groups_per_slo: 2, series: 5, ..Limits::default() };
    let mut observer = Observer::new(&ObserverOptions { slis, limits, ..options() });
    for with in ["tier=1,zone=a", "zone=a", "tier=1,zone=a", "tier=2,zone=a", "tier=3,zone=b"] {
        let request = traces("service.name=shop", vec![failed(span(SERVER, "a", with), "")]);
        observer.traces(&request, NOW).unwrap();
    }
    let expected = [
        (group(&["", "a"]), (1, 1)),
        (group(&["1", "a"]), (2, 2)),
        (group(&["__overflow__", "__overflow__"]), (2, 2)),
    ];
    assert_eq!(declared(&observer.flush(), "objective"), expected.into());
}

#[test]
fn weights_count_for_declared_slis_too() {
    let mut observer =
        judging(plan("traces", "good", "{ status != error }", "{ kind = server }", ""));
    let mut sampled = failed(span(SERVER, "a", ""), "");
    sampled.trace_state = "ot=th:c".to_owned();
    observer.traces(&traces("service.name=shop", vec![sampled]), NOW).unwrap();
    let delta = observer.flush();
    assert_eq!(delta.series[0].panes[0].count, Count::one_bad(4));
}

#[test]
fn log_records_are_selected_by_severity_body_and_attributes() {
    let total = r#"{ log.kind = "payment" }"#;
    let bad = r#"{ severity >= error || body =~ ".*refused.*" }"#;
    let mut observer = judging(plan("logs", "bad", bad, total, "resource.service.name"));
    let records = vec![
        log(9, "paid", "kind=payment"),
        log(9, "refused by bank", "kind=payment"),
        LogRecord { trace_id: vec![5; 16], span_id: vec![6; 8], ..log(17, "x", "kind=payment") },
        log(17, "x", "kind=other"),
    ];
    observer.logs(&logs("service.name=shop", records), NOW).unwrap();
    let delta = observer.flush();
    assert_eq!(declared(&delta, "objective"), [(group(&["shop"]), (3, 2))].into());
    let [event] = delta.series[0].exemplars.as_slice() else { panic!("{delta:?}") };
    assert_eq!((event.trace_id.0, event.span_id.0, &*event.reason), ([5; 16], [6; 8], "x"));
}

#[test]
fn replaced_slis_count_from_then_on() {
    let mut observer =
        judging(plan("traces", "good", "{ status != error }", "{ kind = server }", ""));
    let request = traces("service.name=shop", vec![span(SERVER, "a", ""), span(CLIENT, "b", "")]);
    observer.traces(&request, NOW).unwrap();
    observer.replace_slis(plan("traces", "good", "{ status = error }", "{ kind = client }", ""));
    observer.traces(&request, NOW).unwrap();
    assert_eq!(declared(&observer.flush(), "objective"), [(vec![], (2, 1))].into());
}

#[test]
fn slots_of_one_event_do_not_leak_into_the_next() {
    let mut observer =
        judging(plan("traces", "bad", "{ span.tier = 1 }", "{ kind = server }", "scope.name"));
    let spans = vec![
        span(SERVER, "a", "tier=1"),
        span(SERVER, "a", ""),
        // Its trace id makes it invalid; its attributes are not those of the next.
        opentelemetry_proto::tonic::trace::v1::Span {
            trace_id: vec![],
            ..span(SERVER, "a", "tier=1")
        },
        span(SERVER, "a", ""),
    ];
    let summary = observer.traces(&traces("service.name=shop", spans), NOW).unwrap();
    assert_eq!(summary.rejected.total(), 1);
    assert_eq!(declared(&observer.flush(), "objective"), [(group(&[""]), (3, 1))].into());
}
