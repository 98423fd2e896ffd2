//! What an alert says.

use alert::{Condition, Observation};
use model::{AutomaticSli, Labels, SeriesKey, Service, Severity, SloImpact, Timestamp, Urgency};
use slo::duration_text;
use slo::judge::{AlertRule, Judgement, Measure, Policy, RowVerdict, Verdict, WindowFigures};
use slo::slices::{SliceMethod, Slicing};

use crate::series::Series;

/// The name of every alert of a policy or a row of the table.
const BURN_ALERT: &str = "ErrorBudgetBurn";

/// Which alert of a series, and what is to be said of it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Ask {
    /// Of its rules.
    pub(super) urgency: Urgency,
    /// What it asks for all in all.
    pub(super) asks: Urgency,
    pub(super) condition: Condition,
}

/// A rule that holds, with its numbers.
#[derive(Clone, Copy)]
struct Holding<'a> {
    rule: &'a AlertRule,
    long: &'a WindowFigures,
    short: &'a WindowFigures,
}

pub(super) fn observation(
    series: &Series,
    judgement: &Judgement,
    rows: &[&RowVerdict],
    ask: Ask,
) -> Observation {
    let Ask { urgency, asks, condition } = ask;
    let wanted = match condition {
        Condition::Waits => Verdict::Waiting,
        _ => Verdict::Firing,
    };
    let judging = &series.slo.judging;
    let holding = rows.iter().filter(|row| row.holds == wanted).filter_map(|row| {
        let (long, short) = judging.figures(judgement, row.rule)?;
        Some(Holding { rule: judging.rules().get(row.rule)?, long, short })
    });
    let holding: Vec<_> = holding.collect();
    let worst = holding.iter().max_by(|a, b| {
        let burns = a.short.burn_rate.total_cmp(&b.short.burn_rate);
        burns.then_with(|| b.long.window.cmp(&a.long.window))
    });
    let mut annotations = policy_annotations(holding.iter().map(|holding| &*holding.rule.policy));
    if let Some(worst) = worst {
        let _ = annotations.insert("summary".to_owned(), summary(series, judgement, worst));
    }
    if let Some(runbook) = &series.slo.runbook {
        let _ = annotations.insert("runbook_url".to_owned(), runbook.clone());
    }
    Observation {
        labels: labels(series, urgency),
        annotations,
        condition,
        urgency: asks,
        severity: severity(asks, worst),
        service: series.service.clone(),
        slo: worst.map(|worst| impact(series, judgement, worst)),
        external: false,
    }
}

/// What the policies call themselves, how bad they call it, and whom they want told.
pub(super) fn policy_annotations<'a>(policies: impl Iterator<Item = &'a Policy>) -> Labels {
    let mut annotations = Labels::new();
    let mut add = |name: &str, value: &str| {
        if value.is_empty() {
            return;
        }
        let known = annotations.entry(name.to_owned()).or_default();
        if known.split(", ").all(|part| part != value) {
            let comma = if known.is_empty() { "" } else { ", " };
            known.push_str(comma);
            known.push_str(value);
        }
    };
    for policy in policies {
        add("policy", &policy.name);
        add("severity", &policy.severity);
        for target in &policy.targets {
            add("notification_targets", &format!("{} ({})", target.name, target.target));
        }
    }
    annotations
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
            name(service, &mut add);
            add("sli", sli.as_str());
        }
        SeriesKey::Declared { .. } => add("service_name", &series.slo.service_name),
    }
    for (name, value) in series.group() {
        add(&name, &value);
    }
    labels
}

/// The labels that name a service.
pub(super) fn name(service: &Service, add: &mut impl FnMut(&str, &str)) {
    add("service_name", &service.name);
    add("service_namespace", &service.namespace);
    add("deployment_environment_name", &service.environment);
}

fn severity(asks: Urgency, worst: Option<&Holding<'_>>) -> Severity {
    // Half of everything failing is critical whatever the objective.
    let ratio = worst.and_then(|worst| worst.short.error_ratio());
    let half = ratio.is_some_and(|ratio| ratio >= 0.5);
    match asks {
        Urgency::Page if half => Severity::Critical,
        Urgency::Page => Severity::Error,
        Urgency::Ticket => Severity::Warning,
    }
}

fn impact(series: &Series, judgement: &Judgement, holding: &Holding<'_>) -> SloImpact {
    let Holding { long, short, .. } = holding;
    SloImpact {
        name: series.slo.name.to_string(),
        service: series.slo.service_name.to_string(),
        burn_rate_long: long.burn_rate,
        burn_rate_short: short.burn_rate,
        long_window_s: long.window.as_secs(),
        short_window_s: short.window.as_secs(),
        budget_remaining_ratio: judgement.found.budget_remaining_ratio,
        exhausted_at_forecast: judgement.found.exhausted_at_forecast.unwrap_or(Timestamp::ZERO),
        automatic: series.slo.automatic.is_some(),
    }
}

fn summary(series: &Series, judgement: &Judgement, holding: &Holding<'_>) -> String {
    let what = match (series.slo.automatic, series.slo.slicing.map(Slicing::method)) {
        (Some(AutomaticSli::Availability), _) => "requests fail",
        (Some(AutomaticSli::Latency), _) => "requests are slow",
        (None, Some(SliceMethod::Verdict(_))) => "time slices are bad",
        (None, _) if series.slo.composition.is_some() => "events are bad, all parts together",
        (None, None) => "events are bad",
        (None, Some(SliceMethod::Ratio)) => "events are bad on average over time slices",
    };
    let Holding { rule, long, short } = holding;
    let percent = short.error_ratio().unwrap_or_default() * 100.0;
    let (long_text, short_text) = (duration_text(long.window), duration_text(short.window));
    let mut text = format!(
        "{}: {percent:.1} % of {what}; the budget burns {:.1}x over {long_text} and {:.1}x over {short_text}",
        series.slo.name, long.burn_rate, short.burn_rate,
    );
    // A burn rate is told already.
    let others = rule.conditions.iter();
    for condition in others.filter(|c| !matches!(c.measure, Measure::BurnRate { .. })) {
        let left = judgement.found.budget_remaining_ratio * 100.0;
        text.push_str(&format!("; {condition} ({left:.0} % left)"));
    }
    text
}
