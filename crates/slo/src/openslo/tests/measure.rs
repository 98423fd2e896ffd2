//! Threshold metrics and raw ratios.

use model::SpanKind;

use super::*;
use crate::filter::{Field, Intrinsic, Memo, Plan, SlotValue};

/// An SLO over this metric, with these objectives.
pub(super) fn measuring(metric: &str, objectives: &str) -> String {
    let (start, end) = (SLO.find("      ratioMetric").unwrap(), SLO.find("  timeWindow").unwrap());
    let text = format!("{}      {metric}\n{}", &SLO[..start], &SLO[end..]);
    text.replace("    - target: 0.999", &format!("    - {objectives}"))
}

/// A threshold metric with this `spec`.
pub(super) fn threshold(spec: &str) -> String {
    format!("thresholdMetric: {{ metricSource: {{ type: otlp, spec: {{ {spec} }} }} }}")
}

const SPANS: &str = "signal: traces, filter: '{ kind = server }'";

/// Whether an event counts, and whether it is good.
fn judged(slo: &SloDefinition, value_of: impl Fn(&Field) -> SlotValue<'static>) -> (bool, bool) {
    let Indicator::Ratio { numerator, total } = &slo.indicator else { panic!("a ratio") };
    assert!(matches!(numerator, Numerator::Good(_)));
    let mut plan = Plan::new();
    let programs =
        [total, numerator.selector()].map(|side| plan.compile(&side.filter).expect("few fields"));
    let slots: Vec<_> = plan.fields().iter().map(value_of).collect();
    let mut memo = Memo::new(&plan);
    memo.next_scope();
    memo.next_event();
    let [total, good] = programs.map(|program| program.matches(&plan, &slots, &mut memo));
    (total, total && good)
}

fn span_of(ns: u64) -> impl Fn(&Field) -> SlotValue<'static> {
    move |field| match field {
        Field::Intrinsic(Intrinsic::Kind) => SlotValue::Kind(SpanKind::Server),
        Field::Intrinsic(Intrinsic::Duration) => SlotValue::Duration(ns),
        _ => SlotValue::Missing,
    }
}

#[test]
fn each_operator_decides_at_the_value_itself() {
    for (op, good_at) in [
        ("lt", [true, false, false]),
        ("lte", [true, true, false]),
        ("gt", [false, false, true]),
        ("gte", [false, true, true]),
    ] {
        for (unit, value) in [("", "0.3"), (", unit: ms", "300"), (", unit: s", "0.3")] {
            let metric = threshold(&format!("{SPANS}{unit}"));
            let objective = format!("{{ op: {op}, value: {value}, target: 0.99 }}");
            let (definitions, problems) = compile(&measuring(&metric, &objective));
            assert_eq!(problems, [""; 0]);
            let good = [299_999_999, 300_000_000, 300_000_001]
                .map(|ns| judged(&definitions[0], span_of(ns)));
            assert_eq!(good, good_at.map(|good| (true, good)), "{op} {value}{unit}");
        }
    }
}

#[test]
fn an_attribute_is_measured_where_it_holds_a_number() {
    let spec = "signal: logs, filter: '{ log.a = 1 || log.b = 2 }', value: log.queue";
    let objective = "{ op: lte, value: 10, target: 0.99 }";
    let (definitions, problems) = compile(&measuring(&threshold(spec), objective));
    assert_eq!(problems, [""; 0]);
    let slo = &definitions[0];
    let of = |queue: SlotValue<'static>| {
        judged(slo, move |field| match field {
            Field::Item(key) if key == "queue" => queue,
            Field::Item(key) if key == "b" => SlotValue::Int(2),
            _ => SlotValue::Missing,
        })
    };
    assert_eq!(of(SlotValue::Int(10)), (true, true));
    assert_eq!(of(SlotValue::Float(10.1)), (true, false));
    for none in [SlotValue::Missing, SlotValue::Str(b"10"), SlotValue::Float(f64::NAN)] {
        assert_eq!(of(none), (false, false));
    }
    let Numerator::Good(good) = (match &slo.indicator {
        Indicator::Ratio { numerator, .. } => numerator,
        other => panic!("{other:?}"),
    }) else {
        panic!("good")
    };
    assert_eq!(good.filter.text(), "{ (log.a = 1 || log.b = 2) && log.queue <= 10 }");
    assert!(crate::filter::Filter::parse(Telemetry::Logs, good.filter.text()).is_ok());
}

#[test]
fn a_threshold_needs_op_and_value() {
    for (objectives, expected) in [
        (
            "target: 0.9",
            "slo.yaml:18:7: spec.objectives[0]: op is missing: which measurements are good?; add op: lte and value: 0.3, for example",
        ),
        (
            "{ target: 0.9, op: gt }",
            "slo.yaml:18:7: spec.objectives[0]: value is missing: which measurements are good?; add op: lte and value: 0.3, for example",
        ),
        (
            "{ target: 0.9, op: lt, value: -1 }",
            "slo.yaml:18:7: spec.objectives[0]: value: -1 is no duration; write a number that is not negative",
        ),
        (
            "{ target: 0.9, op: eq, value: 1 }",
            "slo.yaml:18:26: spec.objectives[0].op: \"eq\" is not one of lte, gte, lt, gt; write one of these",
        ),
    ] {
        let (definitions, problems) = compile(&measuring(&threshold(SPANS), objectives));
        assert!(definitions.is_empty(), "{objectives}");
        assert_eq!(problems.join("\n"), expected);
    }
}

#[test]
fn what_a_threshold_compares_is_checked() {
    let objective = "{ op: lte, value: 1, target: 0.99 }";
    for (spec, expected) in [
        ("signal: logs, filter: '{}'", "spec: value is missing; add value: log.KEY"),
        ("signal: traces, filter: '{}', value: name", "`name` holds no number to compare"),
        ("signal: traces, filter: '{}', value: span.a, unit: ms", "an attribute carries no unit"),
        ("signal: traces, filter: '{}', unit: By", "\"By\" is no unit of time"),
        ("signal: traces, filter: '{}', quantile: 1", "a quantile lies between 0 and 1"),
        ("signal: traces, filter: '{}', quantile: 0.9", "budgetingMethod: Timeslices"),
        ("signal: traces, filter: '{}', valeu: span.a", "did you mean value?"),
    ] {
        let (definitions, problems) = compile(&measuring(&threshold(spec), objective));
        assert_eq!(problems.len(), 1, "{spec}: {problems:?}");
        assert!(problems[0].contains(expected), "{problems:?}");
        assert_eq!(definitions.is_empty(), !spec.contains("valeu"), "{spec}");
    }
    let whole = measuring(&threshold(SPANS), "{ op: lte, value: 300, target: 0.99 }");
    let (definitions, problems) = compile(&whole);
    assert_eq!(definitions.len(), 1);
    assert!(problems[0].contains("warning") && problems[0].contains("is read as 300 seconds"));
}

#[test]
fn a_raw_ratio_is_the_value_of_a_metric() {
    let raw = |spec: &str, kind: &str| {
        format!(
            "ratioMetric: {{ counter: false, raw: {{ metricSource: {{ type: otlp, spec: {{ {spec} }} }} }}, rawType: {kind} }}"
        )
    };
    let metric =
        "signal: metrics, filter: '{ metric.name = \"wifi.happy\" }', groupBy: [point.site]";
    for (kind, expected) in [("success", RawType::Success), ("failure", RawType::Failure)] {
        let (definitions, problems) = compile(&measuring(&raw(metric, kind), "target: 0.99"));
        assert_eq!(problems, [""; 0]);
        let Indicator::Raw { raw_type, selector } = &definitions[0].indicator else {
            panic!("raw")
        };
        assert_eq!((*raw_type, selector.group_by.len()), (expected, 1));
    }
    let (definitions, problems) = compile(&measuring(&raw(SPANS, "success"), "target: 0.99"));
    assert!(definitions.is_empty());
    assert!(problems[0].contains("a raw ratio is the value of a metric"), "{problems:?}");
}

#[test]
fn op_and_value_of_a_ratio_are_told_to_say_nothing() {
    let (definitions, problems) = compile(&with("- target: 0.999", "- { target: 0.999, op: gt }"));
    assert_eq!(definitions.len(), 1);
    assert_eq!(
        problems,
        [
            "slo.yaml:29:7: warning: spec.objectives[0]: op and value say nothing of a ratio; remove them, or write a thresholdMetric"
        ]
    );
}
