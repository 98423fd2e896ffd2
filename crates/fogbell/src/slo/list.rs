//! `fogbell slo list`: the SLOs of a running daemon, worst first.

use std::collections::BTreeMap;
use std::process::ExitCode;

use serde::Deserialize;

use crate::cli::ApiArgs;
use crate::exit::{Outcome, note, say};
use crate::incidents::client::http_get;
use crate::paint::Paint;

const MINUTES_5_S: u64 = 300;
const HOUR_S: u64 = 3600;
/// As many as the API lists at most.
const PATH: &str = "/api/v1/slos?limit=10000";
/// Widest name that stays in its column.
const NAME_WIDTH_MAX: usize = 60;

#[derive(Debug, Deserialize)]
struct Answer {
    total: usize,
    slos: Vec<Slo>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Slo {
    name: String,
    group: BTreeMap<String, String>,
    objective: f64,
    state: String,
    #[serde(default)]
    in_maintenance: bool,
    budget_remaining_ratio: f64,
    page: String,
    ticket: String,
    windows: Vec<Window>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Window {
    window_seconds: u64,
    total: u64,
    bad: u64,
    burn_rate: f64,
    slices: Option<Slices>,
}

/// Slices of time that are judged in place of events.
#[derive(Clone, Debug, Deserialize)]
struct Slices {
    total: u64,
    bad: f64,
}

/// Runs the subcommand.
pub(crate) fn run(api: &ApiArgs, is_json: bool) -> Outcome {
    let body = http_get(api, PATH)?;
    if is_json {
        say(&body);
        return Ok(ExitCode::SUCCESS);
    }
    let answer: Answer = serde_json::from_str(&body)?;
    if answer.slos.is_empty() {
        say("No SLOs yet: each service that serves gets two with its first telemetry.");
        return Ok(ExitCode::SUCCESS);
    }
    table(&answer.slos, Paint::for_stdout()).iter().for_each(|line| say(line));
    if answer.slos.len() < answer.total {
        note(&format!("{} of {} are shown, the worst", answer.slos.len(), answer.total));
    }
    Ok(ExitCode::SUCCESS)
}

fn table(slos: &[Slo], paint: Paint) -> Vec<String> {
    let names: Vec<_> = slos.iter().map(Slo::title).collect();
    let width = names.iter().map(String::len).max().unwrap_or(0).min(NAME_WIDTH_MAX);
    let head = format!(
        "{:<width$} {:>10} {:>9} {:>8} {:>8}  {:<10}  events 1h",
        "SLO", "objective", "budget", "burn 5m", "burn 1h", "alert"
    );
    let rows = slos.iter().zip(&names).map(|(slo, name)| row(slo, name, width, paint));
    std::iter::once(head).chain(rows).collect()
}

fn row(slo: &Slo, name: &str, width: usize, paint: Paint) -> String {
    let window = |s: u64| slo.windows.iter().find(|window| window.window_seconds == s);
    let burn =
        |s: u64| window(s).map_or_else(|| "-".to_owned(), |w| format!("{:.1}x", w.burn_rate));
    let events = window(HOUR_S).map_or_else(String::new, |window| match &window.slices {
        // Shares of slices add up to broken numbers.
        Some(Slices { total, bad }) => {
            format!("{} bad of {total} slices", (bad * 100.0).round() / 100.0)
        }
        None => format!("{} bad of {}", window.bad, window.total),
    });
    format!(
        "{name:<width$} {:>9.3}% {:>8.1}% {:>8} {:>8}  {}  {events}",
        slo.objective * 100.0,
        slo.budget_remaining_ratio * 100.0,
        burn(MINUTES_5_S),
        burn(HOUR_S),
        slo.alert(paint),
    )
}

impl Slo {
    /// The name, with the group that it is of.
    fn title(&self) -> String {
        if self.group.is_empty() {
            return self.name.clone();
        }
        let group: Vec<_> =
            self.group.iter().map(|(key, value)| format!("{key}={value}")).collect();
        format!("{} {{{}}}", self.name, group.join(", "))
    }

    fn alert(&self, paint: Paint) -> String {
        let word = |text: &str| format!("{text:<10}");
        match (self.page.as_str(), self.ticket.as_str(), self.state.as_str()) {
            ("FIRING", ..) => paint.red(&word("page")),
            (_, "FIRING", _) => paint.yellow(&word("ticket")),
            _ if self.in_maintenance => paint.dim(&word("worked on")),
            (_, _, "NO_DATA") => paint.dim(&word("no data")),
            (_, _, "NO_TRAFFIC") => paint.dim(&word("no traffic")),
            _ => paint.green(&word("quiet")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn slo(page: &str, ticket: &str, state: &str) -> Slo {
        Slo {
            name: "checkout-availability".to_owned(),
            group: BTreeMap::new(),
            objective: 0.999,
            state: state.to_owned(),
            in_maintenance: false,
            budget_remaining_ratio: 0.5,
            page: page.to_owned(),
            ticket: ticket.to_owned(),
            windows: vec![Window {
                window_seconds: HOUR_S,
                total: 200,
                bad: 3,
                burn_rate: 15.0,
                slices: None,
            }],
        }
    }

    #[test]
    fn what_fires_goes_before_what_is_known() {
        for (page, ticket, state, expected) in [
            ("FIRING", "FIRING", "DATA", "page"),
            ("PENDING", "FIRING", "NO_DATA", "ticket"),
            ("INACTIVE", "INACTIVE", "NO_DATA", "no data"),
            ("INACTIVE", "INACTIVE", "NO_TRAFFIC", "no traffic"),
            ("INACTIVE", "PENDING", "DATA", "quiet"),
        ] {
            assert_eq!(slo(page, ticket, state).alert(Paint::off()).trim_end(), expected);
        }
    }

    #[test]
    fn a_row_tells_objective_budget_and_burn() {
        let mut slo = slo("FIRING", "INACTIVE", "DATA");
        let _ = slo.group.insert("http.route".to_owned(), "/buy".to_owned());
        let lines = table(&[slo], Paint::off());
        for expected in
            ["checkout-availability {http.route=/buy}", "99.900%", "50.0%", "15.0x", "3 bad of 200"]
        {
            assert!(lines[1].contains(expected), "{expected} in {}", lines[1]);
        }
    }

    #[test]
    fn a_row_tells_slices_where_they_are_judged() {
        let mut slo = slo("INACTIVE", "INACTIVE", "DATA");
        for (bad, expected) in [(2.0, "2 bad of 60 slices"), (0.256, "0.26 bad of 60 slices")] {
            slo.windows[0].slices = Some(Slices { total: 60, bad });
            let lines = table(&[slo.clone()], Paint::off());
            assert!(lines[1].ends_with(expected), "{}", lines[1]);
        }
    }

    #[test]
    fn the_answer_of_the_api_is_read() {
        let body = r#"{"at":null,"total":2,"slos":[{"name":"a","service":"s","group":{},
            "automatic":true,"objective":0.99,"windowSeconds":2592000,"state":"DATA",
            "page":"INACTIVE","ticket":"INACTIVE","budgetRemainingRatio":1.0,"exhaustedAt":null,
            "goodTotal":5,"badTotal":0,"exemplar":null,"windows":[{"windowSeconds":300,"total":5,
            "bad":0,"errorRatio":0.0,"burnRate":0.0,"coverageRatio":1.0,"from":null}]}]}"#;
        let answer: Answer = serde_json::from_str(body).unwrap();
        assert_eq!((answer.total, answer.slos.len()), (2, 1));
    }
}
