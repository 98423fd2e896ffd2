//! What alert policies may say.

use super::*;
use crate::judge::{Condition, NoDataRule};

/// The SLO with one policy of these conditions: severity and the keys of `condition`.
pub(super) fn with_conditions(window: &str, target: &str, conditions: &[(&str, &str)]) -> String {
    let mut text = with("duration: 30d", &format!("duration: {window}"))
        .replace("target: 0.999", &format!("target: {target}"));
    text.push_str(
        "  alertPolicies:\n    - metadata: { name: p }\n      spec:\n        conditions:\n",
    );
    for (severity, keys) in conditions {
        text.push_str(&format!(
            "          - spec: {{ severity: {severity}, condition: {{ {keys} }} }}\n"
        ));
    }
    text
}

/// With further keys of the policy's `spec`.
fn with_policy(keys: &str) -> String {
    let condition = ("page", "op: gt, threshold: 2, lookbackWindow: 1h, alertAfter: 10m");
    with_conditions("30d", "0.99", &[condition])
        .replace("        conditions:\n", &format!("        {keys}\n        conditions:\n"))
}

/// A warning is printed before the path; a table is easier to read with it behind.
fn printed(problems: &[String]) -> String {
    problems.join("\n").replace("warning: spec.alertPolicies", "spec.alertPolicies")
}

const CONDITION: &str = "spec.alertPolicies[0].spec.conditions[0].spec.condition";

#[test]
fn conditions_that_cannot_be_meant_are_refused() {
    let place = "slo.yaml:34:";
    for (window, target, keys, expected) in [
        (
            "30d",
            "0.9",
            "op: gt, threshold: 14.4, lookbackWindow: 1h",
            "slo.yaml:31:7: spec.alertPolicies[0]: can never fire: at a target of 0.9 the burn rate is at most 10.00, not above 14.4; lower the threshold, or raise the target".to_owned(),
        ),
        (
            "30d",
            "0.9",
            "op: gt, threshold: 10, lookbackWindow: 1h",
            "slo.yaml:31:7: spec.alertPolicies[0]: can never fire: at a target of 0.9 the burn rate is at most 10.00, not above 10; lower the threshold, or raise the target".to_owned(),
        ),
        (
            "30d",
            "0",
            "kind: exhaustion, op: lt, threshold: 3d, lookbackWindow: 1h",
            format!("{place}56: {CONDITION}.kind: exhaustion is fogbell's own: other tools do not read it; keep it where fogbell alone reads the document\nslo.yaml:31:7: spec.alertPolicies[0]: can never fire: at a target of 0 no budget is spent before its time; lower the threshold, or raise the target"),
        ),
        (
            "30d",
            "0.99",
            "op: lte, threshold: 2, lookbackWindow: 1h",
            format!("{place}54: {CONDITION}.op: inverted: it would alert while the burn rate is low; write op: gt"),
        ),
        (
            "30d",
            "0.99",
            "op: gt, threshold: 0, lookbackWindow: 1h",
            format!("{place}69: {CONDITION}.threshold: a burn rate of 0 is always exceeded; write one above 0"),
        ),
        (
            "30d",
            "0.99",
            "op: gt, threshold: 2, lookbackWindow: 1h, alertAfter: 30s",
            format!("{place}104: {CONDITION}.alertAfter: \"30s\" is no duration of OpenSLO; write a whole number and one of m, h, d, w, M (month), Q, Y: 30d"),
        ),
        (
            "4h",
            "0.99",
            "op: gt, threshold: 2, lookbackWindow: 2h",
            "slo.yaml:31:7: spec.alertPolicies[0]: left out: its window of 2h is more than a quarter of the SLO's 4h; use a shorter lookbackWindow\nslo.yaml:31:7: spec.alertPolicies[0]: no condition is left, so this SLO would never alert".to_owned(),
        ),
    ] {
        let (definitions, problems) = compile(&with_conditions(window, target, &[("page", keys)]));
        assert!(definitions.is_empty(), "{keys}");
        let (mut found, mut wanted): (Vec<_>, Vec<_>) =
            (printed(&problems).lines().map(str::to_owned).collect(), expected.lines().map(str::to_owned).collect());
        found.sort_unstable();
        wanted.sort_unstable();
        assert_eq!(found, wanted);
    }
}

#[test]
fn forecasts_are_conditions_and_are_checked_as_such() {
    for (keys, piece) in [
        (
            "kind: budgetdrop, op: gt, threshold: 5, lookbackWindow: 1h",
            "5 is no share of the budget; write one above 0 and at most 1",
        ),
        (
            "kind: budgetdrop, op: lt, threshold: 0.1, lookbackWindow: 1h",
            "inverted: it would alert while little of the budget is spent",
        ),
        (
            "kind: exhaustion, op: gt, threshold: 3d, lookbackWindow: 1h",
            "inverted: it would alert while the budget lasts for long; write op: lt",
        ),
        (
            "kind: exhaustion, op: lt, threshold: 72, lookbackWindow: 1h",
            "\"72\" is no duration of OpenSLO",
        ),
        (
            "kind: trend, op: gt, threshold: 4, lookbackWindow: 1h",
            "4 is out of range for a quarter against its whole; write one above 1 and below 4",
        ),
        ("kind: trend, op: gt, threshold: 1, lookbackWindow: 1h", "1 is out of range"),
        (
            "kind: slope, op: gt, threshold: 2, lookbackWindow: 1h",
            "\"slope\" is not one of burnrate, budgetdrop, exhaustion, trend",
        ),
    ] {
        let (definitions, problems) = compile(&with_conditions("30d", "0.99", &[("page", keys)]));
        assert!(definitions.is_empty(), "{keys}");
        assert!(printed(&problems).contains(piece), "{keys}: {problems:#?}");
    }
    let keys = [
        ("page", "kind: budgetdrop, op: gte, threshold: 0.05, lookbackWindow: 6h"),
        ("page", "kind: exhaustion, op: lt, threshold: 3d, lookbackWindow: 6h"),
        ("page", "kind: trend, op: gt, threshold: 1.5, lookbackWindow: 2h, alertAfter: 5m"),
    ];
    let (definitions, problems) = compile(&with_conditions("30d", "0.99", &keys));
    assert_eq!(
        definitions[0].rules_or(&DEFAULT_RULES).iter().map(described).collect::<Vec<_>>(),
        [
            "page: at least 5 % of the budget spent in 6h and budget gone in less than 3d at the burn of 6h and burn of 30m more than 1.5 times that of 2h, for 5m -> "
        ]
    );
    assert_eq!(problems.len(), 3, "{problems:#?}");
    assert!(problems.iter().all(|problem| problem.contains("is fogbell's own")));
}

#[test]
fn a_drop_that_even_traffic_cannot_reach_is_told() {
    let keys = "kind: budgetdrop, op: gt, threshold: 0.5, lookbackWindow: 1h";
    let (definitions, problems) = compile(&with_conditions("30d", "0.99", &[("page", keys)]));
    assert_eq!(definitions.len(), 1);
    let warning = "with every event bad, 1h of even traffic spend 13.9 % of the budget, less than 50 %; lower the threshold, or use a longer lookbackWindow";
    assert!(printed(&problems).contains(warning), "{problems:#?}");
}

#[test]
fn several_conditions_hold_together_each_with_its_own_threshold_and_duration() {
    let conditions = [
        ("ticket", "kind: burnrate, op: gt, threshold: 2, lookbackWindow: 6h"),
        ("sev1", "op: gte, threshold: 10, lookbackWindow: 5m, alertAfter: 2m"),
    ];
    let (definitions, problems) = compile(&with_conditions("30d", "0.99", &conditions));
    let rules = definitions[0].rules_or(&DEFAULT_RULES);
    let [rule] = rules.as_slice() else { panic!("one rule") };
    assert_eq!(
        described(rule),
        "page: burn above 2x over 6h and burn of at least 10x over 5m, for 2m -> "
    );
    let after: Vec<_> =
        rule.conditions.iter().map(|Condition { after, .. }| after.as_secs()).collect();
    assert_eq!(after, [0, 120]);
    assert_eq!(rule.policy.severity, "sev1");
    assert_eq!(
        problems,
        [
            "slo.yaml:31:7: warning: spec.alertPolicies[0]: its conditions hold together and differ in severity: all count as \"sev1\"; give them the same severity, or make two policies of them"
        ]
    );
    let many = vec![("page", "op: gt, threshold: 2, lookbackWindow: 1h"); 9];
    let (definitions, problems) = compile(&with_conditions("30d", "0.99", &many));
    assert!(definitions.is_empty());
    assert_eq!(
        problems,
        ["slo.yaml:31:7: spec.alertPolicies[0]: has 9 conditions; write at most 8"]
    );
}

#[test]
fn a_severity_is_any_word_and_those_that_nobody_knows_are_tickets() {
    for (word, urgency, warnings) in [
        ("page", Urgency::Page, 0),
        ("Critical", Urgency::Page, 0),
        ("P1", Urgency::Page, 0),
        ("sev1", Urgency::Page, 0),
        ("SEV3", Urgency::Ticket, 0),
        ("warning", Urgency::Ticket, 0),
        ("wake-bob", Urgency::Ticket, 1),
    ] {
        let keys = "op: gt, threshold: 2, lookbackWindow: 1h";
        let (definitions, problems) = compile(&with_conditions("30d", "0.99", &[(word, keys)]));
        let rules = definitions[0].rules_or(&DEFAULT_RULES);
        assert_eq!((rules[0].urgency, problems.len()), (urgency, warnings), "{word}");
        assert_eq!(rules[0].policy.severity, word);
        let is_told = |problem: &String| {
            problem.contains(
                "is read as a ticket, which wakes nobody; write page to wake somebody, or ticket",
            )
        };
        assert!(problems.iter().all(is_told), "{problems:?}");
    }
}

#[test]
fn every_switch_of_a_policy_has_its_effect() {
    let (definitions, problems) = compile(&with_policy("alertWhenResolved: false"));
    assert_eq!(problems, [""; 0]);
    assert!(!definitions[0].rules_or(&[])[0].policy.tells_resolved);
    assert!(definitions[0].no_data.is_empty());

    let (definitions, problems) =
        compile(&with_policy("alertWhenNoData: true\n        alertWhenBreaching: false"));
    assert_eq!(problems, [""; 0]);
    assert_eq!(definitions[0].rules, Some(Vec::new()));
    let [NoDataRule { urgency, after, policy }] = definitions[0].no_data.as_slice() else {
        panic!("one rule")
    };
    assert_eq!((*urgency, after.as_secs(), policy.name.as_str()), (Urgency::Page, 600, "p"));
    assert!(policy.tells_resolved, "what was raised is ended unless told otherwise");

    let (definitions, problems) = compile(&with_policy("alertWhenBreaching: false"));
    assert_eq!(definitions[0].rules, Some(Vec::new()));
    assert_eq!(
        problems,
        [
            "slo.yaml:31:7: warning: spec.alertPolicies[0]: this policy never alerts; set alertWhenBreaching or alertWhenNoData, or remove it"
        ]
    );
}

#[test]
fn a_condition_that_need_not_last_may_say_so_in_any_unit() {
    for zero in ["0", "0m", "0h"] {
        let keys = format!("op: gt, threshold: 2, lookbackWindow: 1h, alertAfter: {zero}");
        let (definitions, problems) = compile(&with_conditions("30d", "0.99", &[("page", &keys)]));
        assert_eq!(problems, [""; 0]);
        assert!(definitions[0].rules_or(&[])[0].conditions[0].after.is_zero(), "{zero}");
    }
}

#[test]
fn a_target_without_a_name_cannot_be_a_route() {
    let (definitions, problems) =
        compile(&with_policy("notificationTargets: [{ spec: { target: slack } }]"));
    assert!(definitions.is_empty());
    assert!(
        problems[0]
            .contains("has no name, which is the route of its deliveries; add metadata.name"),
        "{problems:?}"
    );
}

#[test]
fn a_rule_that_is_too_long_is_left_out_with_a_warning() {
    let keys = "kind: burnrate, op: gte, threshold: 2, lookbackWindow: 1h";
    let mut text = with_conditions("7d", "0.99", &[("page", keys)]);
    text.push_str("    - metadata: { name: q }\n      spec: { conditions: [{ spec: { severity: ticket, condition: { kind: burnrate, op: gt, threshold: 1, lookbackWindow: 3d } } }] }\n");
    let (definitions, problems) = compile(&text);
    assert_eq!(definitions[0].rules.as_ref().map(Vec::len), Some(1));
    assert_eq!(
        problems,
        [
            "slo.yaml:35:7: warning: spec.alertPolicies[1]: left out: its window of 3d is more than a quarter of the SLO's 7d; use a shorter lookbackWindow"
        ]
    );
}
