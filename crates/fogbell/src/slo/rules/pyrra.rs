//! Pyrra's names: <https://github.com/pyrra-dev/pyrra>, its generic rules, which its dashboards
//! read, and those that it names after a metric, here `slo_events_total`.

use std::time::Duration;

use engine::duration_text;

use super::{AVAILABILITY, Group, Rule, SCRAPED, Windows, error_ratio, of_window};

const WEEK_S: u64 = 7 * 86_400;

pub(super) fn group(windows: &Windows) -> Group {
    let renamed = |name: &str, of: &str| Rule::new(name, one(of, SCRAPED));
    let mut rules = vec![
        renamed("pyrra_objective", "slo_objective_ratio"),
        renamed("pyrra_window", "slo_window_seconds"),
        renamed("pyrra_availability", AVAILABILITY),
        renamed("pyrra_requests:rate5m", "sum without (result) (rate(slo_events_total[5m]))"),
        renamed(
            "pyrra_errors:rate5m",
            "sum without (result) (rate(slo_events_total{result=\"bad\"}[5m]))",
        ),
    ];
    rules.extend(windows.all.iter().map(|&window| {
        let expr = one(&error_ratio(window), &format!("{SCRAPED}, window"));
        Rule::new(format!("slo_events:burnrate{}", text(window)), expr)
    }));
    rules.extend(windows.own.iter().map(|&window| {
        let events = of_window("slo_window_events", window, "result");
        Rule::new(format!("slo_events:increase{}", text(window)), one(&events, SCRAPED))
    }));
    Group { name: "fogbell-pyrra", rules }
}

fn one(of: &str, dropped: &str) -> String {
    format!("max without ({dropped}) (\n  {of}\n)")
}

/// As Prometheus writes durations: weeks where they divide it.
fn text(window: Duration) -> String {
    match window.as_secs() {
        s if s.is_multiple_of(WEEK_S) => format!("{}w", s / WEEK_S),
        _ => duration_text(window),
    }
}
