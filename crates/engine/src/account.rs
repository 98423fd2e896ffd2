//! How the numbers of one SLO came to be.

use std::time::Duration;

use model::{BadEvent, Timestamp, Urgency};
use slo::judge::Verdict;

use crate::series::Series;
use crate::services::source_of;
use crate::{Engine, SloStatus};

/// How many groups of one SLO are accounted for.
const GROUPS_MAX: usize = 100;

/// One SLO, or one group of it, with how its numbers came to be.
#[derive(Clone, Debug)]
pub struct SloAccount {
    /// Its numbers.
    pub status: SloStatus,
    /// What each window was judged with, as [`SloStatus::windows`].
    pub windows: Vec<WindowAccount>,
    /// What its rules say, in their order.
    pub rules: Vec<RuleAccount>,
    /// Bad events, seen one by one, below which nothing fires.
    pub bad_events_min: u64,
    /// When its source was last heard; zero = never.
    pub heard_at: Timestamp,
    /// Up to which event time what it reads has arrived; zero = nothing has.
    pub arrived_until: Timestamp,
    /// How old the oldest event of what it reads was on arrival, of the last 5 to 10 minutes.
    pub lateness: Duration,
    /// Counted among the events, and too late for the verdict on their slice of time.
    pub unjudged: u64,
    /// Of bad events that have a trace, the newest.
    pub bad_events: Vec<BadEvent>,
}

/// What one window was judged with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WindowAccount {
    /// How long it is.
    pub window: Duration,
    /// Good events, as counted.
    pub good: u64,
    /// Bad events, as counted.
    pub bad: u64,
    /// Bad events that were seen one by one, without weights of sampling.
    pub bad_observed: u64,
    /// Events in a bucket of a histogram that the threshold cuts.
    pub uncertain: u64,
    /// The volume that would be usual for the time in which the source was heard; zero = not
    /// known. Where it is more than there was, it takes the place of the total.
    pub expected_total: u64,
    /// For how much of it the source was heard.
    pub covered: Duration,
}

/// What one rule says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RuleAccount {
    /// Its conditions, in words.
    pub text: String,
    /// What it asks for.
    pub urgency: Urgency,
    /// What it says now.
    pub verdict: Verdict,
}

impl Engine {
    /// All that is known of an SLO, by its name, and of each of its groups. Where no SLO has the
    /// name, automatic ones are meant whose service has it, whatever its namespace and environment.
    #[must_use]
    pub fn account(&self, name: &str) -> Vec<SloAccount> {
        let all = |is_meant: &dyn Fn(&Series) -> bool| -> Vec<SloAccount> {
            let meant = self.series.iter().filter(|series| is_meant(series));
            meant.filter_map(|series| self.account_of(series)).take(GROUPS_MAX).collect()
        };
        let named = all(&|series| *series.slo.name == *name);
        if !named.is_empty() {
            return named;
        }
        let Some((service, sli)) = name.rsplit_once(':') else { return named };
        all(&|series| {
            let of = series.service.as_ref().is_some_and(|of| of.name == service);
            of && series.slo.automatic.is_some_and(|automatic| automatic.as_str() == sli)
        })
    }

    fn account_of(&self, series: &Series) -> Option<SloAccount> {
        let judgement = self.judgement_of(series)?;
        let judging = &series.slo.judging;
        let windows = judgement.windows.iter().map(|figures| WindowAccount {
            window: figures.window,
            good: figures.count.total.saturating_sub(figures.count.bad()),
            bad: figures.count.bad(),
            bad_observed: figures.count.bad_observed,
            uncertain: figures.count.uncertain,
            expected_total: figures.expected_total,
            covered: figures.covered,
        });
        let rules = judgement.found.rows.iter().filter_map(|row| {
            let rule = judging.rules().get(row.rule)?;
            let (text, urgency, verdict) = (rule.to_string(), rule.urgency, row.holds);
            Some(RuleAccount { text, urgency, verdict })
        });
        let source = source_of(&self.services, &self.anything, series);
        let traced = |event: &&BadEvent| !event.trace_id.is_zero();
        Some(SloAccount {
            status: self.status(series, &judgement),
            windows: windows.collect(),
            rules: rules.collect(),
            bad_events_min: self.options.bad_events_min,
            heard_at: source.presence.last_heard().unwrap_or(Timestamp::ZERO),
            arrived_until: source.arrived_until(&series.slo, self.now),
            lateness: source.lateness(&series.slo, self.now),
            unjudged: series.unjudged_total,
            bad_events: series.exemplars.iter().rev().filter(traced).cloned().collect(),
        })
    }
}
