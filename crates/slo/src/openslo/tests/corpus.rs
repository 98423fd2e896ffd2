//! The documents of the OpenSLO project and of its Go SDK, where they lie beside the checkout.

use std::collections::BTreeMap;
use std::path::Path;

use super::*;

/// File, and a piece of each problem that it must give; none of them is of type `otlp`.
const EXPECTED: &[(&str, &[&str])] = &[
    (
        "examples/treat-low-traffic-as-equally-important-timeslices-slo.yaml",
        &["metric sources of type \"Any\""],
    ),
    (
        "examples/budgeting-method-timeslices-slo.yaml",
        &["metric sources of type \"Any\"", "1m is a minute, a month is 1M"],
    ),
    ("examples/budgeting-method-occurences-slo.yaml", &["metric sources of type \"Any\""]),
    ("examples/budgeting-method-ratio-timeslices.yaml", &["metric sources of type \"Any\""]),
    ("go-sdk-v1/services.yaml", &["Service \"example-service\" is there already"]),
    ("go-sdk-v1/slos.yaml", &["metric sources of type \"Prometheus\""]),
    ("go-sdk-v1/data_sources.yaml", &[]),
    ("go-sdk-v1/alert_conditions.yaml", &["inverted"]),
    ("go-sdk-v1/alert_notification_targets.yaml", &[]),
    ("go-sdk-v1/slis.yaml", &[]),
    (
        "go-sdk-v1/alert_policies.yaml",
        &[
            "no AlertCondition named \"cpu-usage-breach\"",
            "no AlertNotificationTarget named \"on-call-mail-notification\"",
            "no AlertNotificationTarget named \"on-call-pd-notification\"",
            "no AlertCondition named \"cpu-usage-breach\"",
        ],
    ),
];

#[test]
fn every_document_is_accepted_or_refused_for_a_stated_reason() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data/openslo");
    let Ok(folders) = std::fs::read_dir(&root) else {
        println!("skipped: the OpenSLO documents are not beside the checkout");
        return;
    };
    let mut files = BTreeMap::new();
    for folder in folders.map(|entry| entry.unwrap().path()).filter(|path| path.is_dir()) {
        for file in std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
            let name = file.strip_prefix(&root).unwrap().to_string_lossy().into_owned();
            files.insert(name, std::fs::read_to_string(file).unwrap());
        }
    }
    for (name, pieces) in EXPECTED {
        let (definitions, problems) = compile(&files.remove(*name).unwrap());
        assert!(definitions.is_empty(), "{name}");
        assert_eq!(problems.len(), pieces.len(), "{name}: {problems:#?}");
        for (problem, piece) in problems.iter().zip(*pieces) {
            assert!(problem.contains(piece), "{name}: {problem}");
        }
    }
    assert!(files.is_empty(), "not in the table: {:?}", files.keys());
}

/// What the documents say of alerts, once what is wrong in them is mended: the condition that is
/// inverted, and the targets that are called otherwise than they are referred to.
#[test]
fn the_policies_of_the_sdk_are_judged_once_they_are_mended() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data/openslo");
    let read = |name: &str| std::fs::read_to_string(root.join("go-sdk-v1").join(name));
    let (Ok(policies), Ok(conditions), Ok(targets)) = (
        read("alert_policies.yaml"),
        read("alert_conditions.yaml"),
        read("alert_notification_targets.yaml"),
    ) else {
        println!("skipped: the OpenSLO documents are not beside the checkout");
        return;
    };
    let conditions = conditions.replace("op: lte", "op: gte");
    let targets = targets
        .replace("devs-email-notification", "on-call-mail-notification")
        .replace("pd-on-call-notification", "on-call-pd-notification");
    let refers =
        "  alertPolicies: [low-priority, { alertPolicyRef: high-priority }, medium-priority]\n";
    let text = format!("{SLO}{refers}---\n{policies}---\n{conditions}---\n{targets}");
    let (definitions, problems) = compile(&text);
    assert_eq!(problems, [""; 0]);
    let rules: Vec<_> = definitions[0].rules_or(&DEFAULT_RULES).iter().map(described).collect();
    assert_eq!(
        rules,
        [
            "page: burn of at least 2x over 1h, for 5m -> on-call-mail-notification=email",
            "page: burn above 2x over 1h, for 5m -> on-call-pd-notification=pagerduty",
            "page: burn of at least 2x over 1h, for 5m -> on-call-slack-notification=slack",
        ]
    );
}
