//! `fogbell slo explain`: how the numbers of an SLO came to be.

use std::collections::BTreeMap;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::bail;
use serde::Deserialize;

use crate::cli::ApiArgs;
use crate::exit::{Outcome, say};
use crate::incidents::client::{encoded, http_get};
use crate::paint::Paint;

/// Traces that are named.
const TRACES_MAX: usize = 5;

#[derive(Debug, Deserialize)]
struct Answer {
    slos: Vec<Account>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Account {
    name: String,
    service: String,
    group: BTreeMap<String, String>,
    objective: f64,
    window_seconds: u64,
    state: String,
    #[serde(default)]
    in_maintenance: bool,
    budget_remaining_ratio: f64,
    exhausted_at: Option<String>,
    windows: Vec<Window>,
    judged_with: Vec<JudgedWith>,
    rules: Vec<Rule>,
    bad_events_min: u64,
    heard_at: Option<String>,
    arrived_until: Option<String>,
    #[serde(default)]
    lateness_seconds: f64,
    too_late_for_their_slice: u64,
    bad_events: Vec<BadEvent>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Window {
    window_seconds: u64,
    error_ratio: Option<f64>,
    burn_rate: f64,
    coverage_ratio: f64,
    from: Option<String>,
    /// Where spans are sampled.
    bad_standard_error: Option<f64>,
    /// Of a window that follows the calendar.
    ends_at: Option<String>,
    /// What maintenance leaves out.
    excluded: Option<Excluded>,
}

#[derive(Debug, Deserialize)]
struct Excluded {
    good: u64,
    bad: u64,
    unsure: u64,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct JudgedWith {
    window_seconds: u64,
    good: u64,
    bad: u64,
    bad_observed: u64,
    uncertain: u64,
    expected_total: u64,
}

#[derive(Debug, Deserialize)]
struct Rule {
    rule: String,
    urgency: String,
    verdict: String,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct BadEvent {
    at: String,
    trace_id: String,
    operation: String,
    reason: String,
    duration_seconds: f64,
}

/// Runs the subcommand.
pub(crate) fn run(api: &ApiArgs, name: &str, is_json: bool) -> Outcome {
    if name.is_empty() {
        bail!("a name of an SLO is needed: `fogbell slo list` prints them");
    }
    let body = http_get(api, &format!("/api/v1/slos/{}", encoded(name)))?;
    if is_json {
        say(&body);
        return Ok(ExitCode::SUCCESS);
    }
    let answer: Answer = serde_json::from_str(&body)?;
    for account in &answer.slos {
        account.lines(Paint::for_stdout()).iter().for_each(|line| say(line));
    }
    Ok(ExitCode::SUCCESS)
}

impl Account {
    fn lines(&self, paint: Paint) -> Vec<String> {
        let group: Vec<String> =
            self.group.iter().map(|(key, value)| format!("{key}={value}")).collect();
        let title = format!("{} of {} {}", self.name, self.service, group.join(", "));
        let mut lines = vec![paint.bold(title.trim_end())];
        lines.push(format!(
            "  objective {:.3} % over {}; {:.1} % of the budget is left{}",
            self.objective * 100.0,
            text_of(self.window_seconds),
            self.budget_remaining_ratio * 100.0,
            self.exhausted_at.as_ref().map_or(String::new(), |at| format!(", until {at}")),
        ));
        if let Some(end) = self.windows.last().and_then(|own| own.ends_at.as_ref()) {
            lines.push(format!("  the window follows the calendar: a new budget begins at {end}"));
        }
        let heard = self.heard_at.as_deref().unwrap_or("never");
        let mut state = self.state.to_lowercase().replace('_', " ");
        if self.in_maintenance {
            state.push_str(", in maintenance: nothing counts");
        }
        lines.push(format!("  state {state}; the source was last heard at {heard}"));
        if let Some(until) = &self.arrived_until {
            let lateness = self.lateness_seconds;
            lines.push(format!(
                "  its events have arrived until {until}; of late, the oldest came {lateness:.1} s after it happened"
            ));
        }
        lines.push(String::new());
        lines.push(format!(
            "  {:>6} {:>12} {:>10} {:>9} {:>9} {:>9}  {}",
            "window", "good", "bad", "of all", "burns", "covered", "from"
        ));
        for (window, with) in self.windows.iter().zip(&self.judged_with) {
            lines.push(window.line(with));
            lines.extend(with.notes(window, self.bad_events_min));
        }
        lines.push(String::new());
        for rule in &self.rules {
            let verdict = rule.verdict.to_lowercase();
            lines.push(format!("  {verdict:<8} {:<7} {}", rule.urgency, rule.rule));
        }
        if self.too_late_for_their_slice > 0 {
            lines.push(format!(
                "  {} events came too late for the verdict on their slice of time",
                self.too_late_for_their_slice
            ));
        }
        for event in self.bad_events.iter().take(TRACES_MAX) {
            lines.push(format!(
                "  {} {} {} {} ({:.3} s)",
                event.at, event.trace_id, event.operation, event.reason, event.duration_seconds
            ));
        }
        lines.push(String::new());
        lines
    }
}

impl Window {
    fn line(&self, with: &JudgedWith) -> String {
        let ratio = self.error_ratio.map_or("-".to_owned(), |r| format!("{:.3} %", r * 100.0));
        format!(
            "  {:>6} {:>12} {:>10} {ratio:>9} {:>8.2}x {:>7.1} %  {}",
            text_of(self.window_seconds),
            with.good,
            with.bad,
            self.burn_rate,
            self.coverage_ratio * 100.0,
            self.from.as_deref().unwrap_or("-"),
        )
    }
}

impl JudgedWith {
    /// What must be known to take the numbers for what they are.
    fn notes(&self, window: &Window, bad_events_min: u64) -> Vec<String> {
        debug_assert_eq!(self.window_seconds, window.window_seconds);
        let total = self.good + self.bad;
        let mut notes = Vec::new();
        if let Some(Excluded { good, bad, unsure }) = &window.excluded {
            let doubt = match unsure {
                0 => String::new(),
                _ => format!("; {unsure} at its edges may belong to either side"),
            };
            notes.push(format!(
                "         maintenance leaves out {good} good and {bad} bad events{doubt}"
            ));
        }
        if let Some(error) = window.bad_standard_error {
            notes.push(format!(
                "         sampled: {} bad events were seen and stand for {}, give or take {error:.0}",
                self.bad_observed, self.bad
            ));
        }
        if self.expected_total > total {
            notes.push(format!(
                "         little traffic: judged as if there were {} events, as is usual",
                self.expected_total
            ));
        }
        if self.bad > 0 && self.bad_observed < bad_events_min {
            notes.push(format!(
                "         {} bad events were seen one by one: below {bad_events_min} nothing fires",
                self.bad_observed
            ));
        }
        if self.uncertain > 0 {
            notes.push(format!(
                "         {} events lie in a bucket that the threshold cuts: bad is {} to {}",
                self.uncertain,
                self.bad.saturating_sub(self.uncertain),
                (self.bad + self.uncertain).min(total),
            ));
        }
        notes
    }
}

fn text_of(seconds: u64) -> String {
    engine::duration_text(Duration::from_secs(seconds))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_account_tells_counts_rules_doubts_and_traces() {
        let body = r#"{"slos":[{"name":"checkout","service":"shop","group":{"route":"/buy"},
            "objective":0.999,"windowSeconds":2592000,"state":"DATA","budgetRemainingRatio":-0.5,
            "exhaustedAt":null,"windows":[{"windowSeconds":300,"errorRatio":0.25,"burnRate":12.5,
            "coverageRatio":0.5,"from":"2026-11-27T08:00:00Z","badStandardError":6.6,
            "excluded":{"good":7,"bad":3,"unsure":2}}],"judgedWith":[{"windowSeconds":300,
            "good":15,"bad":5,"badObserved":5,"uncertain":2,"expectedTotal":40,
            "coveredSeconds":150.0}],"rules":[{"rule":"burn rate above 14.4 over 1h and 5m",
            "urgency":"page","verdict":"QUIET"}],"badEventsMin":10,
            "heardAt":"2026-11-27T08:05:00Z","arrivedUntil":"2026-11-27T08:04:59Z",
            "latenessSeconds":12.25,"tooLateForTheirSlice":3,"badEvents":[{"at":
            "2026-11-27T08:04:00Z","traceId":"0af7","operation":"POST /buy","reason":"500",
            "durationSeconds":0.25}]}]}"#;
        let answer: Answer = serde_json::from_str(body).unwrap();
        let text = answer.slos[0].lines(Paint::off()).join("\n");
        for expected in [
            "checkout of shop route=/buy",
            "-50.0 % of the budget is left",
            "12.50x",
            "arrived until 2026-11-27T08:04:59Z; of late, the oldest came 12.2 s",
            "judged as if there were 40 events",
            "5 bad events were seen one by one: below 10 nothing fires",
            "sampled: 5 bad events were seen and stand for 5, give or take 7",
            "bad is 3 to 7",
            "leaves out 7 good and 3 bad events; 2 at its edges",
            "quiet    page    burn rate above 14.4",
            "3 events came too late",
            "0af7 POST /buy 500 (0.250 s)",
        ] {
            assert!(text.contains(expected), "{expected} in\n{text}");
        }
    }
}
