//! From numbers to alerts.

mod absence;
mod matching;
mod silence;
mod telling;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use alert::{Condition, Observation, Transition, TransitionKind};
use correlate::Correlator;
use dispatch::Routes;
use model::{AlertState, Fingerprint, Service, Timestamp, Urgency};
use slo::composite::Composition;
use slo::judge::{
    Arrival, JudgeOptions, Judgement, RowVerdict, Verdict, WindowFigures, figures_of, judge_into,
};

use crate::Engine;
use crate::engine::JUDGE_ALL_EVERY;
use crate::routes::routes_of;
use crate::series::Series;
use crate::services::{ServiceState, source_of};

use matching::matching_labels;
use silence::silence_labels;
pub(crate) use telling::labels;
use telling::{Ask, observation};

/// Series whose memory is read early together, before each is judged.
const WARMED: usize = 32;

impl Engine {
    /// Judges what was touched, and now and then everything; then lets incidents follow.
    pub(crate) fn judge(&mut self) {
        let now = self.now;
        self.count_pairs();
        for traced in self.traces.advance(now) {
            match &traced.tree {
                Some(tree) => self.correlator.trace(tree, &traced.lines, now),
                None => self.correlator.logged(&traced.lines, now),
            }
        }
        self.correlator.advance(now);
        self.end_raised();
        self.alerts.advance(now);
        let all = now.since(self.judged_all_at) >= JUDGE_ALL_EVERY;
        if all {
            self.judged_all_at = now;
        }
        for index in 0..self.series.len() {
            if all && index.is_multiple_of(WARMED) {
                self.series.warm(index..index + WARMED, now);
            }
            let Ok(index) = u32::try_from(index) else { break };
            let due = |series: &Series| {
                let is_due = all || series.touched || series.alerting;
                is_due && series.slo.composition.is_none()
            };
            if self.series.get(index).is_some_and(due) {
                self.judge_series(index);
            }
        }
        self.judge_composites(all);
        if all {
            self.judge_silence();
            self.judge_sources();
            self.judge_matching();
            self.promote();
            self.note_maintenance();
        }
        self.follow_incidents();
    }

    fn judge_series(&mut self, index: u32) {
        let now = self.now;
        let Some(series) = self.series.get_mut(index) else { return };
        let source = source_of(&self.services, &self.anything, series);
        if series.close_slices(source, now) {
            self.unwritten.note(series, self.log_seq);
        }
        let slo = Arc::clone(&series.slo);
        // What it takes in memory is used again: an estate has very many series.
        let windows = std::mem::take(&mut self.figures);
        let found = series.found.take().unwrap_or_default();
        let mut judgement = Judgement { found, windows };
        judge_into(series.judged_mut(), &source.presence, &slo.judging, now, &mut judgement);
        self.conclude(index, judgement);
    }

    /// What was found of a series, with its figures as they are.
    pub(crate) fn judgement_of(&self, series: &Series) -> Option<Judgement> {
        let found = series.found.clone()?;
        Some(Judgement { found, windows: self.figures_of(series) })
    }

    /// The figures of a series that was judged.
    pub(crate) fn figures_of(&self, series: &Series) -> Vec<WindowFigures> {
        if let Some(Composition::Sum(factors)) = &series.slo.composition {
            return self.sum_of_parts(series, factors);
        }
        let presence = &source_of(&self.services, &self.anything, series).presence;
        figures_of(series.judged(), presence, &series.slo.judging, series.judged_at)
    }

    /// What follows from a judgement.
    pub(crate) fn conclude(&mut self, index: u32, mut judgement: Judgement) {
        let now = self.now;
        let Some(series) = self.series.get_mut(index) else { return };
        let slo = Arc::clone(&series.slo);
        if slo.whole.is_none() && series.held.follow(&slo.judging, &mut judgement.found, now) {
            self.unwritten.note_held(series);
        }
        let begins = |row: &RowVerdict| matches!(row.holds, Verdict::Firing | Verdict::Waiting);
        if !series.alerting && !judgement.found.rows.iter().any(begins) {
            // None of its alerts is known, and none begins.
            self.figures = judgement.windows;
            return series.conclude(judgement.found, now);
        }
        let source = source_of(&self.services, &self.anything, series);
        let is_silent = source.presence.is_silent(now);
        let arrival = source.arrival(&slo, now);
        let mut told = Vec::new();
        series.alerting = false;
        let urgencies = [Urgency::Page, Urgency::Ticket];
        for urgency in urgencies.into_iter().filter(|_| slo.whole.is_none()) {
            let rows = rows_of(&slo.judging, &judgement, urgency);
            let known = self.alerts.get(series.fingerprint(urgency)).map(|alert| alert.state);
            let is_live = known.is_some_and(|state| state != AlertState::Inactive);
            let is_told = matches!(known, Some(AlertState::Firing | AlertState::NoData));
            let condition = match condition(&rows, is_silent, arrival, now) {
                // What fires does not begin to wait again.
                Condition::Waits if is_told => Condition::Undecided,
                condition => condition,
            };
            let begins = matches!(condition, Condition::Holds | Condition::Waits);
            series.alerting |= is_live || begins;
            if !is_live && !begins {
                continue;
            }
            // An automatic SLO wakes someone only where entry traffic is hurt (design, section 7).
            let inside = slo.automatic.is_some()
                && !is_entry(&self.correlator, &self.services, series.service.as_ref());
            let asks = if inside { Urgency::Ticket } else { urgency };
            let ask = Ask { urgency, asks, condition };
            let firing = rows.iter().filter(|row| row.holds == Verdict::Firing);
            let rules = firing.filter_map(|row| slo.judging.rules().get(row.rule));
            let routes = routes_of(rules.map(|rule| (&*rule.policy, asks)));
            told.push((observation(series, &judgement, &rows, ask), routes));
        }
        self.figures = judgement.windows;
        series.conclude(judgement.found, now);
        for (observation, routes) in told {
            self.observe(observation, routes);
        }
    }

    /// Takes what rules say of an alert, and who is to be told while it holds.
    pub(crate) fn observe(&mut self, observation: Observation, routes: Routes) {
        let fingerprint = Fingerprint::of(&observation.labels);
        let holds = observation.condition == Condition::Holds;
        let transition = self.alerts.observe(observation, self.now);
        let fired = transition.is_some_and(|t| t.kind == TransitionKind::Fired);
        let widened = holds && self.tell(fingerprint, routes, fired);
        match transition {
            Some(transition) => self.follow(transition),
            None if widened => self.member_changed(fingerprint),
            None => {}
        }
    }

    /// Ends alerts whose SLO or policy is gone.
    pub(crate) fn retire_alerts(&mut self) {
        let mut known: BTreeSet<Fingerprint> =
            self.series.iter().flat_map(|series| [series.page, series.ticket]).collect();
        let watched = self.series.watched();
        known.extend(watched.iter().map(|slo| Fingerprint::of(&silence_labels(slo))));
        known.extend(self.series.declared().map(|slo| Fingerprint::of(&matching_labels(slo))));
        known.extend(self.source_alerts().map(|alert| Fingerprint::of(&alert.labels())));
        for transition in self.alerts.retire(|alert| known.contains(&alert), self.now) {
            self.follow(transition);
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
        self.series.of_alert(fingerprint)
    }
}

fn rows_of<'j>(
    options: &JudgeOptions,
    judgement: &'j Judgement,
    urgency: Urgency,
) -> Vec<&'j RowVerdict> {
    let asks = |row: &&RowVerdict| {
        options.rules().get(row.rule).is_some_and(|rule| rule.urgency == urgency)
    };
    judgement.found.rows.iter().filter(asks).collect()
}

/// Rows of one urgency are joined by OR; without any there is nothing that could hold. All that can be judged must agree that it is over. A row
/// whose short window is not covered yet cannot fire, so it holds nothing up, either.
fn condition(rows: &[&RowVerdict], is_silent: bool, arrival: Arrival, now: Timestamp) -> Condition {
    if rows.is_empty() {
        return Condition::Clear;
    }
    if rows.iter().any(|row| row.holds == Verdict::Firing) {
        return Condition::Holds;
    }
    let mut judged = rows.iter().filter(|row| row.holds != Verdict::Frozen).peekable();
    if is_silent || judged.peek().is_none() {
        Condition::Unknown
    } else if rows.iter().any(|row| row.holds == Verdict::Waiting) {
        Condition::Waits
    } else if judged.all(|row| row.resolves(arrival, now)) {
        Condition::Clear
    } else {
        Condition::Undecided
    }
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
