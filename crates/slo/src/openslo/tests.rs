use std::time::Duration;

use document::Problems;
use model::{Telemetry, Urgency};

use super::*;
use crate::judge::{AlertRule, DEFAULT_RULES, Fraction};

const DAY: Duration = Duration::from_secs(86_400);

/// The definitions of a text, and its problems as printed.
fn compile(text: &str) -> (Vec<SloDefinition>, Vec<String>) {
    let problems = Problems::new();
    let mut documents = Documents::new();
    documents.read("slo.yaml", text, &problems);
    let definitions = documents.compile(&problems);
    (definitions, problems.into_sorted().iter().map(ToString::to_string).collect())
}

/// A rule in words, with those who are told.
fn described(rule: &AlertRule) -> String {
    let targets = rule.policy.targets.iter();
    let targets: Vec<_> = targets.map(|t| format!("{}={}", t.name, t.target)).collect();
    format!("{}: {rule} -> {}", rule.urgency.as_str(), targets.join(","))
}

/// An SLO of which single lines can be replaced.
const SLO: &str = r#"apiVersion: openslo/v1
kind: SLO
metadata:
  name: checkout-fast
  displayName: Checkout is fast
  labels: { team: shop, env: [prod, stage] }
  annotations: { runbook: "https://runbooks.example/checkout" }
spec:
  description: Requests under 300 ms.
  service: checkout
  indicator:
    metadata: { name: checkout-latency }
    spec:
      ratioMetric:
        good:
          metricSource:
            type: otlp
            spec:
              signal: traces
              filter: '{ resource.service.name = "checkout" && kind = server && duration < 300ms }'
              groupBy: [span.http.route]
        total:
          metricSource:
            type: otlp
            spec: { signal: traces, filter: '{ resource.service.name = "checkout" && kind = server }' }
  timeWindow: [{ duration: 30d, isRolling: true }]
  budgetingMethod: Occurrences
  objectives:
    - target: 0.999
"#;

fn with(from: &str, to: &str) -> String {
    assert!(SLO.contains(from), "{from}");
    SLO.replace(from, to)
}

#[test]
fn an_slo_is_compiled_whole() {
    let (definitions, problems) = compile(SLO);
    assert_eq!(problems, [""; 0]);
    let [slo] = definitions.as_slice() else { panic!("one definition") };
    assert_eq!((slo.name.as_str(), slo.service.as_str()), ("checkout-fast", "checkout"));
    assert_eq!(slo.display_name, "Checkout is fast");
    assert_eq!(slo.labels["env"], ["prod", "stage"]);
    assert_eq!(slo.labels["team"], ["shop"]);
    assert_eq!(slo.runbook.as_deref(), Some("https://runbooks.example/checkout"));
    assert_eq!(slo.objective.budget(), Fraction::new(1, 1000));
    assert_eq!(slo.window, 30 * DAY);
    assert_eq!(slo.rules, None);
    let rows: Vec<_> = DEFAULT_RULES.iter().map(AlertRule::from).collect();
    assert_eq!(slo.rules_or(&DEFAULT_RULES), rows);
    let Indicator::Ratio { numerator: Numerator::Good(good), total } = &slo.indicator else {
        panic!("good / total")
    };
    assert_eq!((good.signal, total.signal), (Telemetry::Traces, Telemetry::Traces));
    assert!(good.filter.text().contains("300ms"));
    assert_eq!(good.group_by.len(), 1);
    assert_eq!(good.group_by, total.group_by, "groupBy of one side counts for both");
}

#[test]
fn bad_over_total_and_percent_and_several_objectives() {
    let text = with("        good:", "        bad:").replace(
        "    - target: 0.999",
        "    - { displayName: internal, targetPercent: 99.95 }\n    - target: 0",
    );
    let (definitions, problems) = compile(&text);
    assert_eq!(problems, [""; 0]);
    let names: Vec<_> = definitions.iter().map(|d| (d.name.as_str(), &d.display_name)).collect();
    assert_eq!(
        names,
        [
            ("checkout-fast:1", &"Checkout is fast (internal)".to_owned()),
            ("checkout-fast:2", &"Checkout is fast (2)".to_owned()),
        ]
    );
    let Indicator::Ratio { numerator: Numerator::Bad(_), .. } = &definitions[0].indicator else {
        panic!("bad / total")
    };
    assert_eq!(definitions[0].objective.budget(), Fraction::new(5, 10_000));
    assert_eq!(definitions[1].objective.budget(), Fraction::new(1, 1));
}

#[test]
fn references_are_resolved_across_documents() {
    let text = r#"
- apiVersion: openslo/v1
  kind: DataSource
  metadata: { name: collector }
  spec: { type: OTLP, connectionDetails: [{ any: thing }] }
- apiVersion: openslo/v1
  kind: SLI
  metadata: { name: logs-ok }
  spec:
    ratioMetric:
      bad: { metricSource: { metricSourceRef: collector, spec: { signal: logs, filter: "{ severity >= error }" } } }
      total: { metricSource: { metricSourceRef: collector, spec: { signal: logs, filter: "{}" } } }
- apiVersion: openslo/v1
  kind: AlertCondition
  metadata: { name: fast-long }
  spec: { severity: critical, condition: { kind: burnrate, op: gt, threshold: 14.4, lookbackWindow: 1h } }
- apiVersion: openslo/v1
  kind: AlertNotificationTarget
  metadata: { name: on-call }
  spec: { target: pagerduty }
- apiVersion: openslo/v1
  kind: AlertPolicy
  metadata: { name: fast }
  spec:
    conditions:
      - conditionRef: fast-long
      - kind: AlertCondition
        spec: { severity: page, condition: { kind: burnrate, op: gt, threshold: 14.4, lookbackWindow: 5m, alertAfter: 0m } }
    notificationTargets: [{ targetRef: on-call }]
- apiVersion: openslo/v1
  kind: SLO
  metadata: { name: logs }
  spec:
    service: api
    indicatorRef: logs-ok
    timeWindow: [{ duration: 1M, isRolling: true }]
    budgetingMethod: Occurrences
    objectives: [{ target: 0.99 }]
    alertPolicies:
      - alertPolicyRef: fast
      - metadata: { name: slow }
        spec:
          conditions:
            - spec: { severity: ticket, condition: { kind: burnrate, op: gt, threshold: 1, lookbackWindow: 3d } }
      - metadata: { name: only-no-data }
        spec:
          alertWhenNoData: true
          alertWhenBreaching: false
          conditions:
            - spec: { severity: ticket, condition: { kind: burnrate, op: gt, threshold: 1, lookbackWindow: 3d } }
"#;
    let (definitions, problems) = compile(text);
    assert_eq!(problems, [""; 0]);
    let [slo] = definitions.as_slice() else { panic!("one definition") };
    let rules: Vec<_> = slo.rules_or(&DEFAULT_RULES).iter().map(described).collect();
    assert_eq!(
        rules,
        [
            "page: burn above 14.4x over 1h and 5m -> on-call=pagerduty",
            "ticket: burn above 1x over 3d -> ",
        ]
    );
    let no_data: Vec<_> = slo.no_data.iter().map(|rule| rule.policy.name.as_str()).collect();
    assert_eq!(no_data, ["only-no-data"]);
    assert_eq!(slo.indicator.total().map(|total| total.signal), Some(Telemetry::Logs));
}

#[test]
fn what_is_not_yet_judged_is_refused_with_its_reason() {
    let (definitions, problems) =
        compile(&with("type: otlp\n            spec:\n", "type: Prometheus\n            spec:\n"));
    assert!(definitions.is_empty());
    let expected = "slo.yaml:17:13: spec.indicator.spec.ratioMetric.good.metricSource: metric sources of type \"Prometheus\" are not read; write `type: otlp` with `signal` and `filter`";
    assert_eq!(problems, [expected]);
}

#[test]
fn a_calendar_window_is_as_long_as_its_longest_period() {
    let calendar = "[{ duration: 1M, isRolling: false, calendar: { startTime: 2022-01-01 12:00:00, timeZone: Europe/Berlin } }]";
    let (definitions, problems) = compile(&with("[{ duration: 30d, isRolling: true }]", calendar));
    assert_eq!(problems, Vec::<String>::new());
    let [slo] = definitions.as_slice() else { panic!("{definitions:?}") };
    assert_eq!(slo.window, Duration::from_secs(31 * 86_400));
    let calendar = slo.calendar.as_ref().unwrap();
    assert_eq!(calendar.start_time, "2022-01-01 12:00:00");
    assert_eq!(calendar.time_zone, "Europe/Berlin");
    let long = calendar.start_time.replace("2022", "2021");
    let years = format!("[{{ duration: 2Y, calendar: {{ startTime: '{long}', timeZone: UTC }} }}]");
    let (definitions, problems) = compile(&with("[{ duration: 30d, isRolling: true }]", &years));
    assert!(definitions.is_empty() && problems[0].contains("the window is out of range"));
}

const DOCUMENT_ERRORS: &[(&str, &str, &str)] = &[
    (
        "target: 0.999",
        "target: 99.9",
        "slo.yaml:29:15: spec.objectives[0].target: 99.9 is out of range; write a share of at least 0 and below 1, such as 0.999, or use targetPercent",
    ),
    (
        "target: 0.999",
        "target: 1",
        "slo.yaml:29:15: spec.objectives[0].target: 1 is out of range; write a share of at least 0 and below 1, such as 0.999, or use targetPercent",
    ),
    (
        "target: 0.999",
        "targetPercent: 100",
        "slo.yaml:29:22: spec.objectives[0].targetPercent: 100 is out of range; write a percentage of at least 0 and below 100, such as 99.9",
    ),
    (
        "target: 0.999",
        "target: high",
        "slo.yaml:29:15: spec.objectives[0].target: \"high\" is no decimal number of at most nine decimal places; write it like 0.999",
    ),
    (
        "target: 0.999",
        "displayName: x",
        "slo.yaml:29:7: spec.objectives[0]: target is missing; add target or targetPercent",
    ),
    (
        "  service: checkout",
        "  servce: checkout",
        "slo.yaml:9:3: spec: service is missing; add service\nslo.yaml:10:3: spec.servce: unknown key; did you mean service?",
    ),
    (
        "name: checkout-fast",
        "name: Checkout Fast",
        "slo.yaml:4:9: metadata.name: \"Checkout Fast\" is no name; write lower-case letters, digits and dashes, at most 63",
    ),
    (
        "duration: 30d",
        "duration: 30s",
        "slo.yaml:26:28: spec.timeWindow[0].duration: \"30s\" is no duration of OpenSLO; write a whole number and one of m, h, d, w, M (month), Q, Y: 30d",
    ),
    (
        "duration: 30d",
        "duration: 5m",
        "slo.yaml:26:15: spec.timeWindow: the window is out of range; write one from 1h to 366d; 1m is a minute, a month is 1M",
    ),
    (
        ", isRolling: true",
        "",
        "slo.yaml:26:16: spec.timeWindow[0]: says neither isRolling: true nor a calendar; add isRolling: true",
    ),
    (
        "kind: SLO",
        "kind: SLOs",
        "slo.yaml:2:7: kind: \"SLOs\" is not one of SLO, SLI, Service, DataSource, AlertPolicy, AlertCondition, AlertNotificationTarget; write one of these",
    ),
    (
        "openslo/v1",
        "openslo/v1alpha",
        "slo.yaml:1:13: apiVersion: \"openslo/v1alpha\" is not read; write the document as openslo/v1 or openslo.com/v2alpha",
    ),
    (
        "Occurrences",
        "Occurences",
        "slo.yaml:27:20: spec.budgetingMethod: \"Occurences\" is not one of Occurrences, Timeslices, RatioTimeslices; write one of these",
    ),
    (
        "duration < 300ms",
        "duration < 300",
        "slo.yaml:20:23: spec.indicator.spec.ratioMetric.good.metricSource.spec.filter: column 58: `duration` is a duration, not a bare number; write its unit, for example 300ms",
    ),
    (
        "[span.http.route]",
        "[duration]",
        "slo.yaml:21:25: spec.indicator.spec.ratioMetric.good.metricSource.spec.groupBy[0]: `duration` has too many values to group by; group by an attribute",
    ),
    (
        "signal: traces, filter",
        "signal: trace, filter",
        "slo.yaml:25:29: spec.indicator.spec.ratioMetric.total.metricSource.spec.signal: \"trace\" is not one of traces, metrics, logs; write one of these",
    ),
    (
        "{ signal: traces, filter: '{ resource.service.name = \"checkout\" && kind = server }' }",
        "{ signal: logs, filter: '{}' }",
        "slo.yaml:17:13: spec.indicator.spec.ratioMetric.good.metricSource: selects another signal than total; count both sides in the same signal",
    ),
];

#[test]
fn errors_of_a_document_come_with_place_and_mend() {
    for (from, to, expected) in DOCUMENT_ERRORS {
        let (definitions, problems) = compile(&with(from, to));
        assert!(definitions.is_empty(), "{to}");
        assert_eq!(problems.join("\n"), *expected);
    }
}

#[test]
fn several_errors_come_at_once() {
    let text = with("target: 0.999", "target: 2")
        .replace("duration: 30d", "duration: thirty")
        .replace("duration < 300ms", "duraton < 300ms");
    let (_, problems) = compile(&text);
    assert_eq!(problems.len(), 3, "{problems:?}");
    let text = with("Occurrences", "Timeslices").replace("duration < 300ms", "duraton < 300ms");
    assert_eq!(compile(&text).1.len(), 2);
}

#[test]
fn names_must_be_unique_and_references_resolved() {
    let (definitions, problems) = compile(&format!("{SLO}---\n{SLO}"));
    assert_eq!(definitions.len(), 1);
    assert_eq!(
        problems,
        [
            "slo.yaml:34:9: metadata.name: SLO \"checkout-fast\" is there already, at slo.yaml:4:9; give it another name"
        ]
    );

    let text = with(
        "    - target: 0.999",
        "    - target: 0.999\n  alertPolicies: [{ alertPolicyRef: pages }, fst]",
    ) + "---\napiVersion: openslo/v1\nkind: AlertPolicy\nmetadata: { name: fast }\nspec: { conditions: [{ conditionRef: gone }] }\n";
    let (definitions, problems) = compile(&text);
    assert!(definitions.is_empty());
    assert_eq!(
        problems,
        [
            "slo.yaml:30:37: spec.alertPolicies[0].alertPolicyRef: there is no AlertPolicy named \"pages\"; add a document of kind AlertPolicy with this name",
            "slo.yaml:30:46: spec.alertPolicies[1]: there is no AlertPolicy named \"fst\"; did you mean fast?",
            "slo.yaml:35:38: spec.conditions[0].conditionRef: there is no AlertCondition named \"gone\"; add a document of kind AlertCondition with this name",
        ]
    );
}

#[test]
fn a_reference_to_a_document_that_was_refused_is_reported_once() {
    let indicator_end = SLO.find("  timeWindow").unwrap();
    let start = SLO.find("  indicator:").unwrap();
    let sli = "---\napiVersion: openslo/v1\nkind: SLI\nmetadata: { name: broken }\nspec: { ratioMetric: {} }\n";
    let text = format!("{}  indicatorRef: broken\n{}{sli}", &SLO[..start], &SLO[indicator_end..]);
    let (definitions, problems) = compile(&text);
    assert!(definitions.is_empty());
    assert_eq!(problems.len(), 1, "{problems:?}");
    assert!(problems[0].contains("needs good and total, or bad and total, or raw and rawType"));
}

#[test]
fn default_rows_that_do_not_fit_are_left_out() {
    let (definitions, _) = compile(&with("duration: 30d", "duration: 7d").replace("0.999", "0.93"));
    let rules: Vec<_> =
        definitions[0].rules_or(&DEFAULT_RULES).iter().map(ToString::to_string).collect();
    assert_eq!(rules, ["burn above 5x over 6h and 30m", "burn above 3x over 1d and 2h"]);
}

#[test]
fn a_filter_that_buckets_cannot_tell_is_a_warning() {
    let text = with("signal: traces, filter", "signal: metrics, filter")
        .replace("signal: traces\n", "signal: metrics\n")
        .replace("&& kind = server && duration < 300ms", "&& (value < 3 || point.x = 1)")
        .replace("&& kind = server", "")
        .replace("span.http.route", "point.http.route");
    let (definitions, problems) = compile(&text);
    assert_eq!(definitions.len(), 1);
    assert_eq!(
        problems,
        [
            "slo.yaml:20:23: warning: spec.indicator.spec.ratioMetric.good.metricSource.spec.filter: column 42: buckets of histograms cannot tell this; for histograms write `value` once, with < <= > or >=, joined by &&"
        ]
    );
}

mod composite;
mod corpus;
mod measure;
mod policies;
mod sliced;
mod v2alpha;
