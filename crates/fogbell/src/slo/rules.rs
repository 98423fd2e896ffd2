//! `fogbell slo rules`: Prometheus recording rules that give fogbell's gauges the names of other
//! tools, so that their dashboards and alerts go on working.
//!
//! They only rename and divide what fogbell has computed: no rule reads raw samples over a long
//! window. The names are those of Sloth 0.16, of Pyrra's generic rules, and of Grafana Cloud SLO.

mod grafana;
mod pyrra;
mod sloth;
mod yaml;

use std::collections::BTreeSet;
use std::process::ExitCode;
use std::time::Duration;

use config::Loaded;
use engine::duration_text;
use slo::judge::{AlertRule, STANDARD_WINDOWS};

use crate::cli::{ConfigArgs, Names};
use crate::exit::{Outcome, USAGE, say};
use crate::settings;

/// Labels that say where a sample was scraped. Two fogbells that see the same telemetry make one
/// series of each name, and a restart elsewhere goes on with it.
const SCRAPED: &str = "instance, job";

/// One recording rule.
#[derive(Debug, PartialEq, Eq)]
struct Rule {
    record: String,
    expr: String,
    labels: Vec<(&'static str, String)>,
}

/// What a Prometheus evaluates one after the other.
#[derive(Debug)]
struct Group {
    name: &'static str,
    rules: Vec<Rule>,
}

/// The windows that there are.
#[derive(Debug)]
struct Windows {
    /// In which something is judged, and the SLOs' own.
    all: BTreeSet<Duration>,
    /// The SLOs' own.
    own: BTreeSet<Duration>,
}

impl Rule {
    fn new(record: impl Into<String>, expr: impl Into<String>) -> Self {
        Self { record: record.into(), expr: expr.into(), labels: Vec::new() }
    }

    fn with(mut self, label: &'static str, value: impl Into<String>) -> Self {
        self.labels.push((label, value.into()));
        self
    }
}

impl Windows {
    fn of(loaded: &Loaded) -> Self {
        let config = &loaded.config;
        let mut own: BTreeSet<_> = loaded.slos.iter().map(|slo| slo.window).collect();
        if config.slos.automatic {
            let _ = own.insert(config.slos.automatic_defaults.window);
        }
        let mut all = BTreeSet::from(STANDARD_WINDOWS);
        all.extend(&own);
        let rules = &config.alerting.rules;
        let declared = loaded.slos.iter().flat_map(|slo| slo.rules_or(rules));
        for rule in rules.iter().map(AlertRule::from).chain(declared) {
            all.extend(rule.windows());
        }
        Self { all, own }
    }
}

/// Runs the subcommand.
pub(crate) fn run(args: &ConfigArgs, names: &[Names]) -> Outcome {
    let Ok(loaded) = settings::load(args) else { return Ok(ExitCode::from(USAGE)) };
    say(yaml::written(&groups(&Windows::of(&loaded), names)).trim_end());
    Ok(ExitCode::SUCCESS)
}

fn groups(windows: &Windows, names: &[Names]) -> Vec<Group> {
    let known = [
        (Names::Sloth, sloth::group as fn(&Windows) -> Group),
        (Names::Pyrra, pyrra::group),
        (Names::Grafana, grafana::group),
    ];
    let is_wanted = |tool| names.is_empty() || names.contains(tool);
    known.iter().filter(|(tool, _)| is_wanted(tool)).map(|(_, group)| group(windows)).collect()
}

/// The share of bad events in one window, whatever else its labels are.
fn error_ratio(window: Duration) -> String {
    format!("slo_sli_error_ratio{{window=\"{}\"}}", duration_text(window))
}

/// The share of good events in each SLO's own window: what is left of the budget tells it, so that
/// no window need be named.
const AVAILABILITY: &str = "1 - (1 - slo_error_budget_remaining_ratio) * slo_error_budget_ratio";

/// `of`, of SLOs whose own window is `window`.
fn of_window(of: &str, window: Duration, ignoring: &str) -> String {
    format!("{of} and ignoring ({ignoring}) slo_window_seconds == {}", window.as_secs())
}

#[cfg(test)]
mod tests;
