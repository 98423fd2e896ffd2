//! The exposition: what one look at the SLOs costs, however many scrape it.

use std::collections::BTreeMap;
use std::error::Error;
use std::sync::Arc;
use std::time::Duration;

use api::{Body, Exposition, Format};
use auth::{DEFAULT_TENANT, Tenant};
use benches::timing::{median, timed};
use engine::{SloStatus, View, WindowStatus};
use model::{AlertState, Timestamp, TraceId};
use slo::judge::STANDARD_WINDOWS;
use slo::presence::WindowState;

use crate::SCRAPE;
use crate::table::Output;

const SLOS: usize = 2_800;
/// An odd number of rounds, each of a look of its own.
const ROUNDS: usize = 11;
const SLO_WINDOW: Duration = Duration::from_secs(30 * 86_400);

pub(crate) fn run(output: Output) -> Result<(), Box<dyn Error>> {
    let mut samples = 0;
    for (name, format, gzip) in [
        ("text", Format::Text, false),
        ("openmetrics", Format::OpenMetrics, false),
        ("openmetrics-gzip", Format::OpenMetrics, true),
    ] {
        let (mut first, mut next, mut bytes) = (Vec::new(), Vec::new(), 0);
        for round in 0..ROUNDS {
            let exposition = Exposition::default();
            let views = BTreeMap::from([(Tenant::from(DEFAULT_TENANT), Arc::new(view(round)))]);
            let scrape = || exposition.body(&views, "", None, format, gzip);
            let (body, took) = timed(scrape);
            first.push(took);
            next.push(timed(scrape).1);
            bytes = body.parts.iter().map(|part| part.len()).sum();
            samples = if gzip { samples } else { samples_of(&body)? };
        }
        if name == "text" {
            output.remark(&format!("scrape: {SLOS} SLOs with eight windows, {samples} samples"));
        }
        let (first, next) = (median(first), median(next));
        let unit = format!(
            "ms the first of a look, {:.3} MB; the next {:.3} ms",
            bytes as f64 / 1e6,
            next / 1e6
        );
        // As of a hundred thousand samples, whatever a look has at present.
        output.figure(SCRAPE, name, first / 1e6 * 100_000.0 / samples as f64, &unit);
    }
    output.remark("");
    Ok(())
}

fn samples_of(body: &Body) -> Result<usize, Box<dyn Error>> {
    let mut samples = 0;
    for part in &body.parts {
        let text = std::str::from_utf8(part)?;
        samples += text.lines().filter(|line| !line.starts_with('#')).count();
    }
    Ok(samples)
}

fn view(round: usize) -> View {
    let at = Timestamp::from_unix_s(1_700_000_000 + round as u64);
    View {
        at,
        slos: (0..SLOS).map(|number| status(number, round, at)).collect(),
        ..View::default()
    }
}

/// Numbers with all their digits, as ratios of counts have them.
fn status(number: usize, round: usize, at: Timestamp) -> SloStatus {
    let windows = STANDARD_WINDOWS.into_iter().chain([SLO_WINDOW]).enumerate();
    let window = |(index, window): (usize, Duration)| {
        let (total, bad) =
            (90_001 * (index as u64 + 1) + number as u64, 13 + (round + number) as u64);
        let ratio = bad as f64 / total as f64;
        WindowStatus {
            window,
            total,
            bad,
            error_ratio: Some(ratio),
            burn_rate: ratio / 0.001,
            coverage: 1.0,
            from: at,
        }
    };
    SloStatus {
        name: format!("shop/checkout-{number}@production:availability").into(),
        service: None,
        service_name: format!("shop/checkout-{number}@production").into(),
        group: Vec::new(),
        automatic: true,
        objective: 0.999,
        window: SLO_WINDOW,
        state: WindowState::Data,
        windows: windows.map(window).collect(),
        budget_remaining_ratio: 0.917_283_645,
        exhausted_at: None,
        page: AlertState::Inactive,
        ticket: AlertState::Inactive,
        good_total: 720_000 + number as u64,
        bad_total: 13,
        exemplar: Some((TraceId([7; 16]), at)),
    }
}
