//! From numbers to alerts.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use alert::{Condition, Observation, Transition, TransitionKind};
use correlate::Correlator;
use model::{
    AlertState, AutomaticSli, Fingerprint, Labels, SeriesKey, Service, Severity, SloImpact,
    Timestamp, Urgency,
};
use slo::judge::{Arrival, BurnRateRule, Judgement, RowVerdict, Verdict, judge};

use crate::Engine;
use crate::engine::JUDGE_ALL_EVERY;
use crate::series::Series;
use crate::services::{ServiceState, source_of};
use crate::words::duration_text;

/// The name of every burn-rate alert.
pub(crate) const BURN_ALERT: &str = "ErrorBudgetBurn";

impl Engine {
    /// Judges what was touched, and now and then everything; then lets incidents follow.
    pub(crate) fn judge(&mut self) {
        let now = self.now;
        self.count_pairs();
        for tree in self.traces.advance(now) {
            self.correlator.trace(&tree, now);
        }
        self.correlator.advance(now);
        self.alerts.advance(now);
        let all = now.since(self.judged_all_at) >= JUDGE_ALL_EVERY;
        if all {
            self.judged_all_at = now;
        }
        for index in 0..self.series.len() {
            let Ok(index) = u32::try_from(index) else { break };
            let due = |series: &Series| all || series.touched || series.alerting;
            if self.series.get(index).is_some_and(due) {
                self.judge_series(index);
            }
        }
        self.follow_incidents();
    }

    fn judge_series(&mut self, index: u32) {
        let now = self.now;
        let Some(series) = self.series.get_mut(index) else { return };
        let source = source_of(&self.services, &self.anything, series);
        let is_silent = source.presence.is_silent(now);
        let arrival = if is_silent { Arrival::Idle } else { Arrival::Until(source.newest) };
        let slo = Arc::clone(&series.slo);
        let judgement = judge(&mut series.windows, &source.presence, &slo.judging, now);
        let mut observations = Vec::new();
        series.alerting = false;
        for urgency in [Urgency::Page, Urgency::Ticket] {
            let rows = rows_of(&judgement, urgency);
            let condition = condition(&rows, is_silent, arrival, now);
            let known = self.alerts.get(series.fingerprint(urgency));
            let is_live = known.is_some_and(|alert| alert.state != AlertState::Inactive);
            series.alerting |= is_live || condition == Condition::Holds;
            if !is_live && condition != Condition::Holds {
                continue;
            }
            // An automatic SLO wakes someone only where entry traffic is hurt (design, section 7).
            let inside = slo.automatic.is_some()
                && !is_entry(&self.correlator, &self.services, series.service.as_ref());
            let asks = if inside { Urgency::Ticket } else { urgency };
            let told = observation(series, &judgement, &rows, condition, (urgency, asks));
            observations.push(told);
        }
        series.touched = false;
        series.judgement = Some(judgement);
        for observation in observations {
            if let Some(transition) = self.alerts.observe(observation, now) {
                self.follow(transition);
            }
        }
    }

    fn follow(&mut self, Transition { fingerprint, kind }: Transition) {
        match kind {
            TransitionKind::Fired => self.fired(fingerprint),
            TransitionKind::Escalated => self.escalated(fingerprint),
            TransitionKind::Cleared | TransitionKind::Lost | TransitionKind::Regained => {
                self.member_changed(fingerprint);
            }
        }
    }

    /// The series that an alert is about.
    pub(crate) fn series_of_alert(&self, fingerprint: Fingerprint) -> Option<&Series> {
        self.series.iter().find(|series| [series.page, series.ticket].contains(&fingerprint))
    }
}

fn rows_of(judgement: &Judgement, urgency: Urgency) -> Vec<&RowVerdict> {
    judgement.rows.iter().filter(|row| row.rule.urgency == urgency).collect()
}

/// Rows of one urgency are joined by OR; all that can be judged must agree that it is over. A row
/// whose short window is not covered yet cannot fire, so it holds nothing up, either.
fn condition(rows: &[&RowVerdict], is_silent: bool, arrival: Arrival, now: Timestamp) -> Condition {
    if rows.iter().any(|row| row.holds == Verdict::Firing) {
        return Condition::Holds;
    }
    let mut judged = rows.iter().filter(|row| row.holds != Verdict::Frozen).peekable();
    if is_silent || judged.peek().is_none() {
        Condition::Unknown
    } else if judged.all(|row| row.resolves(arrival, now)) {
        Condition::Clear
    } else {
        Condition::Undecided
    }
}

fn observation(
    series: &Series,
    judgement: &Judgement,
    rows: &[&RowVerdict],
    condition: Condition,
    (urgency, asks): (Urgency, Urgency),
) -> Observation {
    let worst = rows.iter().filter(|row| row.holds == Verdict::Firing).max_by(|a, b| {
        a.burn_short.total_cmp(&b.burn_short).then_with(|| b.rule.long.cmp(&a.rule.long))
    });
    let slo = worst.map(|row| impact(series, judgement, row));
    let mut annotations = Labels::new();
    if let Some(row) = worst {
        let _ = annotations.insert("summary".to_owned(), summary(series, row));
    }
    if let Some(runbook) = &series.slo.runbook {
        let _ = annotations.insert("runbook_url".to_owned(), runbook.clone());
    }
    Observation {
        labels: labels(series, urgency),
        annotations,
        condition,
        hold: Duration::ZERO,
        urgency: asks,
        severity: severity(asks, worst.copied()),
        service: series.service.clone(),
        slo,
        external: false,
    }
}

/// Labels of a series' alert: its identity.
pub(crate) fn labels(series: &Series, urgency: Urgency) -> Labels {
    let mut labels = Labels::from([
        ("alertname".to_owned(), BURN_ALERT.to_owned()),
        ("slo".to_owned(), series.slo.name.to_string()),
        ("severity".to_owned(), urgency.as_str().to_owned()),
    ]);
    let mut add = |name: &str, value: &str| {
        if !value.is_empty() {
            let _ = labels.insert(name.to_owned(), value.to_owned());
        }
    };
    match &*series.key {
        SeriesKey::Automatic { service, sli, .. } => {
            add("service_name", &service.name);
            add("service_namespace", &service.namespace);
            add("deployment_environment_name", &service.environment);
            add("sli", sli.as_str());
        }
        SeriesKey::Declared { .. } => add("service_name", &series.slo.service_name),
    }
    for (name, value) in series.group() {
        add(&name, &value);
    }
    labels
}

/// Whether a series of this service counts entry traffic. Declared SLOs need not ask.
fn is_entry(
    correlator: &Correlator,
    services: &BTreeMap<Arc<Service>, ServiceState>,
    service: Option<&Arc<Service>>,
) -> bool {
    let traced = |service| services.get(service).is_some_and(|state| state.has_spans);
    // A service known by its histograms alone may well be the one that users reach.
    service.is_none_or(|service| !traced(service) || correlator.is_entry(service))
}

fn severity(asks: Urgency, worst: Option<&RowVerdict>) -> Severity {
    // Half of everything failing is critical whatever the objective.
    let half = worst.and_then(|row| row.count_short.bad_ratio()).is_some_and(|ratio| ratio >= 0.5);
    match asks {
        Urgency::Page if half => Severity::Critical,
        Urgency::Page => Severity::Error,
        Urgency::Ticket => Severity::Warning,
    }
}

fn impact(series: &Series, judgement: &Judgement, row: &RowVerdict) -> SloImpact {
    SloImpact {
        name: series.slo.name.to_string(),
        service: series.slo.service_name.to_string(),
        burn_rate_long: row.burn_long,
        burn_rate_short: row.burn_short,
        long_window_s: row.rule.long.as_secs(),
        short_window_s: row.rule.short.as_secs(),
        budget_remaining_ratio: judgement.budget_remaining_ratio,
        exhausted_at_forecast: judgement.exhausted_at_forecast.unwrap_or(Timestamp::ZERO),
        automatic: series.slo.automatic.is_some(),
    }
}

fn summary(series: &Series, row: &RowVerdict) -> String {
    let what = match series.slo.automatic {
        Some(AutomaticSli::Availability) => "requests fail",
        Some(AutomaticSli::Latency) => "requests are slow",
        None => "events are bad",
    };
    let percent = row.count_short.bad_ratio().unwrap_or_default() * 100.0;
    let BurnRateRule { long, short, .. } = row.rule;
    format!(
        "{}: {percent:.1} % of {what}; the budget burns {:.1}x over {} and {:.1}x over {}",
        series.slo.name,
        row.burn_long,
        duration_text(long),
        row.burn_short,
        duration_text(short),
    )
}
