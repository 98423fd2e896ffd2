//! From numbers to alerts.

mod absence;
mod matching;
mod silence;
mod telling;

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::sync::Arc;

use alert::{AlertBook, Condition, Observation, Transition, TransitionKind};
use correlate::{Correlator, stands_out};
use dispatch::Routes;
use model::{AlertState, AutomaticSli, Fingerprint, Service, Timestamp, Urgency};
use slo::composite::Composition;
use slo::judge::{
    Arrival, FASTEST_ROW_COVERED_MIN, Found, JudgeOptions, Judgement, RowVerdict, Verdict,
    WindowFigures, figures_of, judge_into,
};
use slo::presence::Presence;
use slo::slices::Slices;

use crate::Engine;
use crate::engine::JUDGE_ALL_EVERY;
use crate::routes::routes_of;
use crate::series::Series;
use crate::services::{ServiceState, source_of};
use crate::unwritten::Unwritten;

pub(crate) use matching::matching_labels;
use silence::silence_labels;
pub(crate) use telling::labels;
use telling::{Ask, observation};

/// Series whose memory is read early together, before each is judged.
const BLOCK: usize = 64;

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
        for from in (0..self.series.len()).step_by(BLOCK) {
            self.judge_block(from..from + BLOCK, all);
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

    /// Judges those series of a block that are due.
    fn judge_block(&mut self, block: Range<usize>, all: bool) {
        let now = self.now;
        if all {
            self.series.warm(block.clone(), now);
        }
        let Self { series, services, anything, alerts, correlator, unwritten, figures, .. } = self;
        let around = Surroundings { services, anything, alerts, correlator, now };
        let (mut told, mut last) = (Vec::new(), None);
        for series in series.block_mut(block) {
            let is_due = all || series.touched || series.alerting;
            if !is_due || series.slo.composition.is_some() {
                continue;
            }
            let source = around.source_of(series, &mut last);
            if series.close_slices(source, now) {
                unwritten.note(series, self.log_seq);
            }
            // What it takes in memory is used again: an estate has very many series.
            let windows = std::mem::take(figures);
            let found = series.found.take().unwrap_or_default();
            let mut judgement = Judgement { found, windows };
            series.judge_into(&source.presence, now, &mut judgement);
            *figures = around.conclude(series, source, judgement, unwritten, &mut told);
        }
        for (observation, routes) in told {
            self.observe(observation, routes);
        }
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

    /// What follows from the judgement of a composite.
    pub(crate) fn conclude(&mut self, index: u32, judgement: Judgement) {
        let Self { series, services, anything, alerts, correlator, unwritten, now, .. } = self;
        let Some(series) = series.get_mut(index) else { return };
        let around = Surroundings { services, anything, alerts, correlator, now: *now };
        let mut told = Vec::new();
        let source = source_of(around.services, around.anything, series);
        let _ = around.conclude(series, source, judgement, unwritten, &mut told);
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
        known.extend(self.series.declared().map(|slo| slo.mismatch));
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

/// What a judgement looks at beside the series.
struct Surroundings<'e> {
    services: &'e BTreeMap<Arc<Service>, ServiceState>,
    anything: &'e ServiceState,
    alerts: &'e AlertBook,
    correlator: &'e Correlator,
    now: Timestamp,
}

/// The source that was looked up last, by where its name lies: groups of an SLO follow each other.
type LastSource<'e> = Option<(*const Service, &'e ServiceState)>;

impl<'e> Surroundings<'e> {
    fn source_of(&self, series: &Series, last: &mut LastSource<'e>) -> &'e ServiceState {
        let name = Arc::as_ptr(series.service.as_ref().unwrap_or(&series.slo.service_first));
        if let Some((known, source)) = *last
            && std::ptr::eq(known, name)
        {
            return source;
        }
        let source = source_of(self.services, self.anything, series);
        *last = Some((name, source));
        source
    }

    /// What follows from a judgement: what is to be told is added to `told`. Gives back the memory
    /// of its figures.
    fn conclude(
        &self,
        series: &mut Series,
        source: &ServiceState,
        mut judgement: Judgement,
        unwritten: &mut Unwritten,
        told: &mut Vec<(Observation, Routes)>,
    ) -> Vec<WindowFigures> {
        let now = self.now;
        if series.follow_held(&mut judgement.found, now) {
            unwritten.note_held(series);
        }
        let begins = |row: &RowVerdict| matches!(row.holds, Verdict::Firing | Verdict::Waiting);
        series.learn_usual(&judgement);
        // Else none of its alerts is known, and none begins.
        if series.alerting || judgement.found.rows.iter().any(begins) {
            self.tell(series, source, &judgement, told);
        }
        series.conclude(judgement.found, now);
        judgement.windows
    }

    fn tell(
        &self,
        series: &mut Series,
        source: &ServiceState,
        judgement: &Judgement,
        told: &mut Vec<(Observation, Routes)>,
    ) {
        let (now, slo) = (self.now, Arc::clone(&series.slo));
        let is_silent = source.presence.is_silent(now);
        let arrival = source.arrival(&slo, now);
        series.alerting = false;
        let urgencies = [Urgency::Page, Urgency::Ticket];
        for urgency in urgencies.into_iter().filter(|_| slo.whole.is_none()) {
            let rows = rows_of(&slo.judging, judgement, urgency);
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
                && !is_entry(self.correlator, self.services, series.service.as_ref());
            let asks =
                if inside || !series.stands_out(judgement) { Urgency::Ticket } else { urgency };
            let ask = Ask { urgency, asks, condition };
            let firing = rows.iter().filter(|row| row.holds == Verdict::Firing);
            let rules = firing.filter_map(|row| slo.judging.rules().get(row.rule));
            let routes = routes_of(rules.map(|rule| (&*rule.policy, asks)));
            told.push((observation(series, judgement, &rows, ask), routes));
        }
    }
}

impl Series {
    pub(crate) fn judge_into(
        &mut self,
        presence: &Presence,
        now: Timestamp,
        judgement: &mut Judgement,
    ) {
        let Self { slo, windows, slices, .. } = self;
        let judged = slices.as_mut().map_or(windows, Slices::verdicts_mut);
        judge_into(judged, presence, &slo.judging, now, judgement);
    }

    /// Notes how few requests are slow when few are: at most, since a few of them tell it roughly.
    fn learn_usual(&mut self, judgement: &Judgement) {
        let Some(shortest) = judgement.windows.first().filter(|_| self.is_guess()) else { return };
        if shortest.covered < FASTEST_ROW_COVERED_MIN || shortest.count.total == 0 {
            return;
        }
        let at_most = ratio_at_most(shortest.count.bad(), shortest.count.total);
        let least = self.least_bad_ratio.unwrap_or(1.0);
        self.least_bad_ratio = Some(least.min(at_most));
    }

    /// Whether more is bad than ever was usual. A service that was never fast is no emergency,
    /// unless somebody declared that it has to be.
    fn stands_out(&self, judgement: &Judgement) -> bool {
        let ratio = judgement.windows.first().and_then(WindowFigures::error_ratio);
        let usual = self.least_bad_ratio.filter(|_| self.is_guess());
        usual.zip(ratio).is_none_or(|(usual, ratio)| stands_out(ratio, usual))
    }

    fn is_guess(&self) -> bool {
        self.slo.automatic == Some(AutomaticSli::Latency)
    }

    /// Holds back what has not held for long enough; whether what is held has changed.
    fn follow_held(&mut self, found: &mut Found, now: Timestamp) -> bool {
        self.slo.whole.is_none() && self.held.follow(&self.slo.judging, found, now)
    }
}

/// The upper end of Wilson's interval of a share, at two standard errors (Wilson, "Probable
/// Inference, the Law of Succession, and Statistical Inference", 1927).
fn ratio_at_most(bad: u64, total: u64) -> f64 {
    const Z: f64 = 2.0;
    let (n, share) = (total as f64, bad.min(total) as f64 / total as f64);
    let spread = (share * (1.0 - share) / n + Z * Z / (4.0 * n * n)).sqrt();
    (share + Z * Z / (2.0 * n) + Z * spread) / (1.0 + Z * Z / n)
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
