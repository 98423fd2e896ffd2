//! What v2alpha says in other words.

use super::*;

/// All that differs from v1, once.
const ALL: &str = r#"
apiVersion: openslo.com/v2alpha
kind: DataSource
metadata: { name: telemetry }
spec: { type: otlp, connectionDetails: {} }
---
apiVersion: openslo.com/v2alpha
kind: SLI
metadata: { name: checkout-latency, labels: { team: shop } }
spec:
  thresholdMetric:
    dataSourceRef: telemetry
    spec: { signal: traces, filter: '{ kind = server }', unit: ms }
---
apiVersion: openslo.com/v2alpha
kind: SLO
metadata: { name: checkout-fast, labels: { team: shop } }
spec:
  service: checkout
  sliRef: checkout-latency
  timeWindow: [{ duration: 4w, isRolling: true }]
  budgetingMethod: Occurrences
  objectives:
    - { displayName: Most, op: lte, value: 300, target: 0.99 }
    - { displayName: Nearly all, op: lte, value: 2000, target: 0.999 }
  alertPolicies:
    - kind: AlertPolicy
      metadata: { name: fast }
      spec:
        alertWhenBreaching: true
        conditions:
          - kind: AlertCondition
            metadata: { name: burns }
            spec:
              severity: page
              condition: { kind: burnrate, op: gt, threshold: 14.4, lookbackWindow: 1h }
        notificationTargets: [{ targetRef: on-call }]
---
apiVersion: openslo.com/v2alpha
kind: AlertNotificationTarget
metadata: { name: on-call }
spec: { target: pagerduty }
---
apiVersion: openslo.com/v2alpha
kind: SLO
metadata: { name: checkout-works }
spec:
  serviceRef: checkout
  sli:
    metadata: { name: checkout-errors }
    spec:
      ratioMetric:
        counter: true
        bad:
          dataSourceSpec: { type: otlp, description: What is sent, connectionDetails: {} }
          spec: { signal: traces, filter: '{ kind = server && status = error }' }
        total:
          dataSourceRef: telemetry
          spec: { signal: traces, filter: '{ kind = server }' }
  timeWindow: [{ duration: 4w, isRolling: true }]
  budgetingMethod: Occurrences
  objectives: [{ target: 0.999 }]
---
apiVersion: openslo.com/v2alpha
kind: SLO
metadata: { name: checkout }
spec:
  service: checkout
  timeWindow: [{ duration: 4w, isRolling: true }]
  budgetingMethod: Timeslices
  objectives:
    - target: 0.99
      timeSliceTarget: 0.95
      timeSliceWindow: 5m
      sli:
        metadata: { name: shop-errors }
        spec:
          ratioMetric:
            good:
              dataSourceRef: telemetry
              spec: { signal: traces, filter: '{ kind = server && status != error }' }
            total:
              dataSourceRef: telemetry
              spec: { signal: traces, filter: '{ kind = server }' }
    - { target: 0.99, timeSliceTarget: 0.95, timeSliceWindow: 5m, op: lt, value: 250, sliRef: checkout-latency }
"#;

fn converted(text: &str) -> (String, Vec<String>) {
    let problems = Problems::new();
    let trees = Documents::new().convert("slo.yaml", text, &problems);
    let yaml: Vec<_> = trees.iter().map(|tree| tree.to_yaml()).collect();
    (yaml.join("---\n"), problems.into_sorted().iter().map(ToString::to_string).collect())
}

/// What is judged, without where it stands.
fn judged(definitions: Vec<SloDefinition>) -> Vec<SloDefinition> {
    let spot = Spot { place: document::Place::start_of(""), path: String::new() };
    definitions.into_iter().map(|slo| SloDefinition { spot: spot.clone(), ..slo }).collect()
}

#[test]
fn all_of_it_is_judged_as_its_conversion_to_v1_is() {
    let (definitions, problems) = compile(ALL);
    assert_eq!(problems, [""; 0]);
    let names: Vec<_> = definitions.iter().map(|slo| slo.name.as_str()).collect();
    let expected = [
        "checkout/1",
        "checkout/2",
        "checkout",
        "checkout-fast:1",
        "checkout-fast:2",
        "checkout-works",
    ];
    assert_eq!(names, expected);
    assert_eq!(definitions[3].labels["team"], ["shop"]);
    let rules = definitions[3].rules.iter().flatten().map(described).collect::<Vec<_>>();
    assert!(rules.len() == 1 && rules[0].ends_with("on-call=pagerduty"), "{rules:?}");

    let (v1, problems) = converted(ALL);
    assert_eq!(problems, [""; 0]);
    assert_eq!(v1.matches("apiVersion: openslo/v1\n").count(), 6, "{v1}");
    for gone in ["v2alpha", "sliRef", "sli:", "serviceRef", "dataSource"] {
        assert!(!v1.contains(gone), "{gone} in\n{v1}");
    }
    let (again, problems) = compile(&v1);
    assert_eq!(problems, [""; 0], "{v1}");
    assert_eq!(judged(again), judged(definitions), "{v1}");
    assert_eq!(converted(&v1).0, v1, "what is v1 stays what it is");
}

#[test]
fn problems_name_the_keys_that_were_written() {
    let cases = [
        (
            "filter: '{ kind = server && status = error }'",
            "filter: '{ kind = sever }'",
            "spec.sli.spec.ratioMetric.bad.spec.filter: column 10: ",
        ),
        (
            "sliRef: checkout-latency\n",
            "sliRef: checkout-latencies\n",
            "spec.sliRef: there is no SLI named",
        ),
        (
            "type: otlp, description",
            "typo: otlp, description",
            "spec.sli.spec.ratioMetric.bad.dataSourceSpec.typo: unknown key",
        ),
        (
            "{ name: checkout-works }",
            "{ name: checkout-works, displayName: It works }",
            "metadata.displayName: is no key of v2alpha; v2alpha has none: remove it",
        ),
        (
            "  sli:\n    metadata: { name: checkout-errors }",
            "  indicator:\n    metadata: { name: checkout-errors }",
            "spec.indicator: is no key of v2alpha; write sli",
        ),
        (
            "labels: { team: shop } }\nspec:\n  service",
            "labels: { team: [shop, web] } }\nspec:\n  service",
            "metadata.labels.team: a label of v2alpha has one value",
        ),
        (
            "timeSliceWindow: 5m\n",
            "timeSliceWindow: 1M\n",
            "spec.objectives[0].timeSliceWindow: \"1M\" has a unit that v2alpha does not know",
        ),
        (
            "dataSourceRef: telemetry\n    spec: { signal: traces, filter: '{ kind = server }', unit",
            "spec: { signal: traces, filter: '{ kind = server }', unit",
            "spec.thresholdMetric: does not say where the metric comes from; write either dataSourceRef",
        ),
        (
            "kind: DataSource",
            "kind: BudgetAdjustment",
            "kind: is not read; announce it under maintenance",
        ),
        (
            "connectionDetails: {} }\n          spec",
            "connectionDetails: { url: here } }\n          spec",
            "connectionDetails are not read here",
        ),
    ];
    for (from, to, expected) in cases {
        assert!(ALL.contains(from), "{from}");
        let (_, problems) = compile(&ALL.replacen(from, to, 1));
        assert!(
            problems.iter().any(|problem| problem.contains(expected)),
            "{expected}: {problems:#?}"
        );
    }
}

#[test]
fn what_is_wrong_is_not_converted_and_the_rest_is() {
    let (v1, problems) = converted(&ALL.replace("service: checkout\n  sliRef", "sliRef"));
    assert_eq!(problems.len(), 1, "{problems:?}");
    assert!(!v1.contains("checkout-fast") && v1.contains("checkout-works"), "{v1}");
}
