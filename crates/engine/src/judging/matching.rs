//! Tickets about SLOs whose filter matches nothing, though its signal comes.

use std::sync::Arc;
use std::time::Duration;

use alert::Condition;
use dispatch::Routes;
use model::{Labels, Telemetry};
use slo::duration_text;
use slo::rhythm::KNOWN_AFTER;

use super::absence::{about, ticket};
use crate::Engine;
use crate::series::{Series, Slo};
use crate::services::source_named;

/// The name of every alert of an SLO whose filter matches nothing.
const MATCHING_ALERT: &str = "SloMatchesNothing";
/// An SLO that has matched before may rest over a weekend.
const REST_MAX: Duration = Duration::from_secs(3 * 86_400);
/// The share of a rest in which its signal must have come.
const HEARD_RATIO_MIN: f64 = 0.9;

/// Whether an SLO's filter matches anything.
enum Matching {
    /// It does.
    Something,
    /// It does not, though its signal comes; in words.
    Nothing(String),
    /// It was not watched for long enough, or its signal does not come.
    Unclear,
}

impl Engine {
    /// Tells which SLOs match nothing, and which do again.
    pub(super) fn judge_matching(&mut self) {
        let declared: Vec<_> = self.series.declared().cloned().collect();
        for slo in declared {
            let Some(signal) = slo.signal else { continue };
            let (condition, summary) = match self.matching(&slo, signal) {
                Matching::Nothing(summary) => (Condition::Holds, Some(summary)),
                _ if self.alerts.get(slo.mismatch).is_none() => continue,
                Matching::Something => (Condition::Clear, None),
                Matching::Unclear => (Condition::Undecided, None),
            };
            let observation = ticket(matching_labels(&slo), None, condition, summary);
            self.observe(observation, Routes::default());
        }
    }

    fn matching(&self, slo: &Arc<Slo>, signal: Telemetry) -> Matching {
        let series = self.series.ungrouped(slo);
        let has_matched = |series: &Series| series.good_total != 0 || series.bad_total != 0;
        if let Some(series) = series.filter(|series| has_matched(series)) {
            return self.rest_of(series, signal);
        }
        if self.series.has_groups(slo) {
            return Matching::Something;
        }
        let source = source_named(&self.services, &self.anything, &slo.service_first);
        let rhythm = source.clock(signal).rhythm();
        let heard = rhythm.first_heard().zip(rhythm.last_heard());
        let heard_for = heard.map(|(first, last)| last.since(first.max(self.defined_at)));
        match heard_for.filter(|heard_for| *heard_for >= KNOWN_AFTER) {
            Some(heard_for) if !rhythm.is_strange(self.now) => Matching::Nothing(format!(
                "{}: its filter has never matched anything, though {} of {} have come for {}: \
                 compare it with what the service sends",
                slo.name,
                signal.as_str(),
                slo.service_name,
                about(heard_for)
            )),
            _ => Matching::Unclear,
        }
    }

    /// Whether one that has matched before still does.
    fn rest_of(&self, series: &Series, signal: Telemetry) -> Matching {
        let is_judged_over_it = series.slo.judging.windows().contains(&REST_MAX);
        let figures = if is_judged_over_it { self.figures_of(series) } else { Vec::new() };
        match figures.iter().find(|figures| figures.window == REST_MAX) {
            Some(rest) if rest.count.total == 0 && !series.is_excluded(self.now) => {
                if rest.coverage_ratio() < HEARD_RATIO_MIN {
                    return Matching::Unclear;
                }
                Matching::Nothing(format!(
                    "{}: its filter has matched nothing for {}, though {} of {} come: was what it \
                     asks for renamed?",
                    series.slo.name,
                    duration_text(REST_MAX),
                    signal.as_str(),
                    series.slo.service_name
                ))
            }
            Some(_) | None => Matching::Something,
        }
    }
}

/// Labels of the alert: its identity.
pub(crate) fn matching_labels(slo: &Slo) -> Labels {
    Labels::from([
        ("alertname".to_owned(), MATCHING_ALERT.to_owned()),
        ("slo".to_owned(), slo.name.to_string()),
        ("service_name".to_owned(), slo.service_name.to_string()),
    ])
}
