//! `fogbell slo`: the SLOs of a running daemon, worst first.

use std::process::ExitCode;

use serde::Deserialize;

use crate::cli::SloArgs;
use crate::exit::{Outcome, say};
use crate::incidents::client::http_get;
use crate::paint::Paint;

#[derive(Debug, Deserialize)]
struct Answer {
    slos: Vec<Slo>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Slo {
    name: String,
    objective: f64,
    state: String,
    budget_remaining_ratio: f64,
    page: String,
    ticket: String,
    windows: Vec<Window>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Window {
    window: String,
    total: u64,
    bad: u64,
    burn_rate: f64,
}

/// Runs the subcommand.
pub(crate) fn run(args: SloArgs) -> Outcome {
    let body = http_get(&args.api, "/api/v1/slos")?;
    if args.json {
        say(&body);
        return Ok(ExitCode::SUCCESS);
    }
    let answer: Answer = serde_json::from_str(&body)?;
    if answer.slos.is_empty() {
        say("No SLOs yet: each service that serves gets two with its first telemetry.");
        return Ok(ExitCode::SUCCESS);
    }
    let paint = Paint::for_stdout();
    say(&format!(
        "{:<44} {:>9} {:>9} {:>10} {:>10}  {:<8} {}",
        "SLO", "objective", "budget", "burn 5m", "burn 1h", "alert", "events 1h"
    ));
    for slo in &answer.slos {
        say(&row(slo, paint));
    }
    Ok(ExitCode::SUCCESS)
}

fn row(slo: &Slo, paint: Paint) -> String {
    let window = |name: &str| slo.windows.iter().find(|window| window.window == name);
    let burn = |name: &str| window(name).map_or_else(|| "-".to_owned(), |w| format!("{:.1}x", w.burn_rate));
    let events = window("1h").map_or_else(String::new, |w| format!("{} bad of {}", w.bad, w.total));
    let alert = match (slo.page.as_str(), slo.ticket.as_str()) {
        ("firing", _) => paint.red(&format!("{:<8}", "page")),
        (_, "firing") => paint.yellow(&format!("{:<8}", "ticket")),
        _ if slo.state == "no_data" => paint.dim(&format!("{:<8}", "no data")),
        _ => paint.green(&format!("{:<8}", "quiet")),
    };
    format!(
        "{:<44} {:>8.3}% {:>8.1}% {:>10} {:>10}  {alert} {events}",
        slo.name,
        slo.objective * 100.0,
        slo.budget_remaining_ratio * 100.0,
        burn("5m"),
        burn("1h"),
    )
}
