//! Sloth's names: <https://sloth.dev>, rules as its version 0.16 generates them.

use engine::duration_text;

use super::{Group, Rule, SCRAPED, Windows, error_ratio};

/// Of an SLO, by its service and name. Groups of one SLO share it.
const IDENTITY: &str = "sloth_id, sloth_service, sloth_slo, tenant";

pub(super) fn group(windows: &Windows) -> Group {
    let mut rules: Vec<_> = windows
        .all
        .iter()
        .map(|&window| {
            let text = duration_text(window);
            let expr = each(&error_ratio(window), "service, slo, window");
            Rule::new(format!("slo:sli_error:ratio_rate{text}"), expr).with("sloth_window", text)
        })
        .collect();
    rules.extend([
        Rule::new("slo:objective:ratio", once("slo_objective_ratio")),
        Rule::new("slo:error_budget:ratio", once("slo_error_budget_ratio")),
        Rule::new("slo:time_period:days", once("slo_window_seconds / 86400")),
        Rule::new(
            "slo:current_burn_rate:ratio",
            format!(
                "slo:sli_error:ratio_rate5m\n/ on ({IDENTITY}) group_left ()\n\
                 slo:error_budget:ratio"
            ),
        ),
        Rule::new(
            "slo:period_burn_rate:ratio",
            each("1 - slo_error_budget_remaining_ratio", "service, slo"),
        ),
        Rule::new(
            "slo:period_error_budget_remaining:ratio",
            each("slo_error_budget_remaining_ratio", "service, slo"),
        ),
        // Its value becomes a label, rounded as far as Sloth's own specifications are written.
        Rule::new(
            "sloth_slo_info",
            format!(
                "count_values by ({IDENTITY}) (\"sloth_objective\",\n  \
                 round(100 * slo:objective:ratio, 0.000001))"
            ),
        )
        .with("sloth_mode", "fogbell")
        .with("sloth_spec", "openslo/v1")
        .with("sloth_version", env!("CARGO_PKG_VERSION")),
    ]);
    Group { name: "fogbell-sloth", rules }
}

/// Of each SLO and each of its groups.
fn each(of: &str, dropped: &str) -> String {
    format!("max without ({SCRAPED}, {dropped}) (\n{}\n)", identified(of))
}

/// Of each SLO, the same for all of its groups: what is joined to their series must be one.
fn once(of: &str) -> String {
    format!("max by ({IDENTITY}) (\n{}\n)", identified(of))
}

fn identified(of: &str) -> String {
    let renamed = |of: String, to: &str, from: &str| {
        format!("label_replace({of}, \"{to}\", \"$1\", \"{from}\", \"(.*)\")")
    };
    let named = renamed(renamed(of.to_owned(), "sloth_slo", "slo"), "sloth_service", "service");
    format!("  label_join(\n    {named},\n    \"sloth_id\", \"-\", \"service\", \"slo\"\n  )")
}
