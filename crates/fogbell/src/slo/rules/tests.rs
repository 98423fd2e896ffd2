use std::path::Path;

use super::*;

fn defaults() -> Windows {
    Windows::of(&config::from_path(None::<&Path>, &mut std::iter::empty()))
}

fn names(group: &Group) -> Vec<&str> {
    group.rules.iter().map(|rule| &*rule.record).collect()
}

#[test]
fn every_name_that_the_tools_record_is_there() {
    let all = groups(&defaults(), &[]);
    let [sloth, pyrra, grafana] = &*all else { panic!("three tools: {all:#?}") };
    for window in ["5m", "30m", "1h", "2h", "6h", "1d", "3d", "30d"] {
        assert!(names(sloth).contains(&&*format!("slo:sli_error:ratio_rate{window}")));
        assert!(names(pyrra).contains(&&*format!("slo_events:burnrate{window}")));
    }
    for name in [
        "slo:objective:ratio",
        "slo:error_budget:ratio",
        "slo:time_period:days",
        "slo:current_burn_rate:ratio",
        "slo:period_burn_rate:ratio",
        "slo:period_error_budget_remaining:ratio",
        "sloth_slo_info",
    ] {
        assert!(names(sloth).contains(&name), "{name}");
    }
    for name in ["objective", "window", "availability", "requests:rate5m", "errors:rate5m"] {
        assert!(names(pyrra).contains(&&*format!("pyrra_{name}")), "{name}");
    }
    for name in [
        "info",
        "objective",
        "objective_window_seconds",
        "sli_window",
        "sli_5m",
        "sli_3d",
        "success_rate_5m",
        "total_rate_5m",
    ] {
        assert!(names(grafana).contains(&&*format!("grafana_slo_{name}")), "{name}");
    }
}

#[test]
fn windows_are_those_of_the_slos_as_well() {
    let mut windows = defaults();
    let four_weeks = Duration::from_secs(28 * 86_400);
    let _ = windows.own.insert(four_weeks);
    let _ = windows.all.insert(four_weeks);
    let all = groups(&windows, &[Names::Sloth, Names::Pyrra]);
    assert_eq!(all.len(), 2);
    assert!(names(&all[0]).contains(&"slo:sli_error:ratio_rate28d"));
    assert!(names(&all[1]).contains(&"slo_events:increase4w"));
    assert!(names(&all[1]).contains(&"slo_events:increase30d"));
    let own = all[1].rules.iter().find(|rule| rule.record == "slo_events:increase4w").unwrap();
    assert!(own.expr.contains("== 2419200"), "{}", own.expr);
}

#[test]
fn rules_are_written_as_yaml() {
    let rule = Rule::new("a:b", "max (\n  c\n)").with("w", "5m");
    let text = yaml::written(&[Group { name: "g", rules: vec![rule] }]);
    let expected = "groups:\n- name: g\n  rules:\n  - record: a:b\n    expr: |-\n      max (\n        \
                    c\n      )\n    labels:\n      w: \"5m\"\n";
    assert!(text.ends_with(expected), "{text}");
}
