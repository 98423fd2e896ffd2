//! The names of Grafana Cloud SLO.

use engine::duration_text;

use super::{AVAILABILITY, Group, Rule, SCRAPED, Windows, error_ratio, of_window};

pub(super) fn group(windows: &Windows) -> Group {
    let renamed = |name: &str, of: &str| Rule::new(name, identified(of, "service, slo"));
    let mut rules: Vec<_> = windows
        .own
        .iter()
        .map(|&window| {
            // Whatever to the power of zero is the 1 that an info metric is.
            let present = of_window("slo_objective_ratio ^ 0", window, "");
            renamed("grafana_slo_info", &present).with("grafana_slo_window", duration_text(window))
        })
        .collect();
    rules.extend([
        renamed("grafana_slo_objective", "slo_objective_ratio"),
        renamed("grafana_slo_objective_window_seconds", "slo_window_seconds"),
        renamed("grafana_slo_sli_window", AVAILABILITY),
        renamed(
            "grafana_slo_success_rate_5m",
            "sum without (result) (rate(slo_events_total{result=\"good\"}[5m]))",
        ),
        renamed("grafana_slo_total_rate_5m", "sum without (result) (rate(slo_events_total[5m]))"),
    ]);
    rules.extend(windows.all.iter().filter(|window| !windows.own.contains(window)).map(
        |&window| {
            let expr = identified(&format!("1 - {}", error_ratio(window)), "service, slo, window");
            Rule::new(format!("grafana_slo_sli_{}", duration_text(window)), expr)
        },
    ));
    Group { name: "fogbell-grafana", rules }
}

/// An SLO's name is unique, so it serves as its identifier, too.
fn identified(of: &str, dropped: &str) -> String {
    let mut named = of.to_owned();
    for (to, from) in [
        ("grafana_slo_uuid", "slo"),
        ("grafana_slo_name", "slo"),
        ("grafana_slo_service", "service"),
    ] {
        named = format!("label_replace({named}, \"{to}\", \"$1\", \"{from}\", \"(.*)\")");
    }
    format!("max without ({SCRAPED}, {dropped}) (\n  {named}\n)")
}
