use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use borsh::{BorshDeserialize, BorshSerialize};
use model::{
    Alert, AlertState, Fingerprint, Labels, Service, Severity, SloImpact, Timestamp, Urgency,
};

use crate::Flap;

/// How long an alert that cleared is remembered, so that its flapping shows.
const REMEMBERED: Duration = Duration::from_secs(3600);

/// All alerts of a tenant.
///
/// Bounded: beyond `alerts_max` an alert that was never seen is not taken, and counted.
#[derive(Clone, Debug)]
pub struct AlertBook {
    entries: BTreeMap<Fingerprint, Entry>,
    /// Those that have changed since they were written down, or are gone.
    changed: BTreeSet<Fingerprint>,
    alerts_max: u32,
    refused: u64,
}

/// An alert as it is written down.
#[derive(Clone, Debug, BorshSerialize, BorshDeserialize)]
pub struct AlertRow(Entry);

/// What a rule says of its alert at one moment.
#[derive(Clone, Debug)]
pub struct Observation {
    /// What the alert is about; its identity.
    pub labels: Labels,
    /// What a person should read.
    pub annotations: Labels,
    /// Whether it holds.
    pub condition: Condition,
    /// What it asks for.
    pub urgency: Urgency,
    /// How bad it is.
    pub severity: Severity,
    /// The service it is about.
    pub service: Option<Arc<Service>>,
    /// What it says of an SLO.
    pub slo: Option<SloImpact>,
    /// Whether it came from outside.
    pub external: bool,
}

/// Whether a rule's condition holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Condition {
    /// It does.
    Holds,
    /// It does, but not yet for as long as it must.
    Waits,
    /// It does not.
    Clear,
    /// Nobody can know: the source is silent.
    Unknown,
    /// It no longer holds by what is known, but what is on its way may say otherwise: nothing
    /// changes.
    Undecided,
}

/// That an alert changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Transition {
    /// Which alert.
    pub fingerprint: Fingerprint,
    /// How it changed.
    pub kind: TransitionKind,
}

/// How an alert changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TransitionKind {
    /// It began to fire.
    Fired,
    /// It asks for more than it did.
    Escalated,
    /// Its source went silent while it fired.
    Lost,
    /// Its source is back and it still holds.
    Regained,
    /// It no longer holds.
    Cleared,
}

#[derive(Clone, Debug, BorshSerialize, BorshDeserialize)]
struct Entry {
    alert: Alert,
    flap: Flap,
    /// When it ends unless it is raised again; zero = when its rule says so.
    ends_at: Timestamp,
}

impl AlertBook {
    /// An empty book that holds `alerts_max` alerts.
    #[must_use]
    pub fn new(alerts_max: u32) -> Self {
        Self { entries: BTreeMap::new(), changed: BTreeSet::new(), alerts_max, refused: 0 }
    }

    /// Takes what a rule says. `None` if nothing changed.
    pub fn observe(&mut self, observation: Observation, now: Timestamp) -> Option<Transition> {
        let fingerprint = Fingerprint::of(&observation.labels);
        if !self.entries.contains_key(&fingerprint) {
            if !matches!(observation.condition, Condition::Holds | Condition::Waits) {
                return None;
            }
            if self.entries.len() >= self.alerts_max as usize {
                self.refused += 1;
                return None;
            }
            let entry = Entry::new(fingerprint, &observation, now);
            let _ = self.entries.insert(fingerprint, entry);
        }
        let entry = self.entries.get_mut(&fingerprint)?;
        let before = entry.alert.state;
        let kind = entry.observe(observation, now);
        if kind.is_some() || entry.alert.state != before {
            let _ = self.changed.insert(fingerprint);
        }
        Some(Transition { fingerprint, kind: kind? })
    }

    /// Takes a repetition of an alert that fires, without looking at what it says. Whether it does.
    pub fn repeats(
        &mut self,
        fingerprint: Fingerprint,
        ends_at: Timestamp,
        now: Timestamp,
    ) -> bool {
        let entry = self.entries.get_mut(&fingerprint);
        let firing = entry.filter(|entry| entry.alert.state == AlertState::Firing);
        let repeat = |entry: &mut Entry| {
            entry.alert.last_at = now;
            entry.ends_at = ends_at;
        };
        firing.map(repeat).is_some()
    }

    /// When an alert ends unless it is raised again; `None` if it does not fire.
    #[must_use]
    pub fn ends_at(&self, fingerprint: Fingerprint) -> Option<Timestamp> {
        let entry = self.entries.get(&fingerprint)?;
        (entry.alert.state != AlertState::Inactive).then_some(entry.ends_at)
    }

    /// What has changed since the last call; nothing stands for an alert that is forgotten.
    pub fn take_changed(&mut self) -> Vec<(Fingerprint, Option<AlertRow>)> {
        let row = |fingerprint| {
            let entry = self.entries.get(&fingerprint).cloned();
            (fingerprint, entry.map(AlertRow))
        };
        std::mem::take(&mut self.changed).into_iter().map(row).collect()
    }

    /// Takes an alert as it was written down.
    pub fn restore(&mut self, AlertRow(entry): AlertRow) {
        let _ = self.entries.insert(entry.alert.fingerprint, entry);
    }

    /// Ends what fires or waits and no rule stands behind any more: nobody would ever say that it is
    /// over. Alerts from outside have no rule, and stay.
    pub fn retire(
        &mut self,
        has_rule: impl Fn(Fingerprint) -> bool,
        now: Timestamp,
    ) -> Vec<Transition> {
        let orphans = self
            .entries
            .iter_mut()
            .filter(|(fingerprint, entry)| !entry.alert.external && !has_rule(**fingerprint));
        let retire = |(fingerprint, entry): (&Fingerprint, &mut Entry)| {
            let kind = entry.clears(now)?;
            Some(Transition { fingerprint: *fingerprint, kind })
        };
        let retired: Vec<Transition> = orphans.filter_map(retire).collect();
        self.changed.extend(retired.iter().map(|transition| transition.fingerprint));
        retired
    }

    /// Forgets alerts that have been quiet for long, and lets flapping fade.
    pub fn advance(&mut self, now: Timestamp) {
        let changed = &mut self.changed;
        self.entries.retain(|fingerprint, entry| {
            entry.flap.advance(now);
            entry.alert.flapping = entry.flap.is_flapping();
            let stays = entry.alert.state != AlertState::Inactive
                || now.since(entry.alert.last_at) < REMEMBERED;
            if !stays {
                let _ = changed.insert(*fingerprint);
            }
            stays
        });
    }

    /// The alert with this fingerprint.
    #[must_use]
    pub fn get(&self, fingerprint: Fingerprint) -> Option<&Alert> {
        self.entries.get(&fingerprint).map(|entry| &entry.alert)
    }

    /// Whether an alert is there that has not cleared: it fires, waits to fire, or its source is
    /// silent.
    #[must_use]
    pub fn is_live(&self, fingerprint: Fingerprint) -> bool {
        self.get(fingerprint).is_some_and(|alert| alert.state != AlertState::Inactive)
    }

    /// All that fire, or did when their source went silent.
    pub fn firing(&self) -> impl Iterator<Item = &Alert> {
        self.entries
            .values()
            .map(|entry| &entry.alert)
            .filter(|alert| matches!(alert.state, AlertState::Firing | AlertState::NoData))
    }

    /// How many alerts were not taken since the book is full.
    #[must_use]
    pub fn refused(&self) -> u64 {
        self.refused
    }
}

impl Entry {
    fn new(fingerprint: Fingerprint, observation: &Observation, now: Timestamp) -> Self {
        let alert = Alert {
            fingerprint,
            labels: observation.labels.clone(),
            annotations: observation.annotations.clone(),
            state: AlertState::Inactive,
            urgency: observation.urgency,
            severity: observation.severity,
            service: observation.service.clone(),
            slo: observation.slo.clone(),
            first_at: now,
            last_at: now,
            repeats: 0,
            external: observation.external,
            flapping: false,
        };
        Self { alert, flap: Flap::default(), ends_at: Timestamp::ZERO }
    }

    fn observe(&mut self, observation: Observation, now: Timestamp) -> Option<TransitionKind> {
        match observation.condition {
            Condition::Holds => self.holds(observation, now),
            Condition::Waits => self.waits(observation, now),
            Condition::Clear => self.clears(now),
            Condition::Unknown => self.loses(),
            Condition::Undecided => None,
        }
    }

    fn holds(&mut self, observation: Observation, now: Timestamp) -> Option<TransitionKind> {
        let alert = &mut self.alert;
        let escalates = observation.urgency > alert.urgency;
        alert.annotations = observation.annotations;
        alert.severity = observation.severity;
        alert.slo = observation.slo;
        alert.last_at = now;
        match alert.state {
            AlertState::Inactive => {
                alert.urgency = observation.urgency;
                alert.first_at = now;
                Some(self.fires(now))
            }
            AlertState::Pending => {
                alert.urgency = observation.urgency;
                Some(self.fires(now))
            }
            AlertState::Firing | AlertState::NoData => {
                let was_lost = alert.state == AlertState::NoData;
                alert.state = AlertState::Firing;
                alert.urgency = alert.urgency.max(observation.urgency);
                match (escalates, was_lost) {
                    (true, _) => Some(TransitionKind::Escalated),
                    (false, true) => Some(TransitionKind::Regained),
                    (false, false) => None,
                }
            }
        }
    }

    fn fires(&mut self, now: Timestamp) -> TransitionKind {
        self.alert.state = AlertState::Firing;
        self.alert.repeats += 1;
        self.change(now);
        TransitionKind::Fired
    }

    /// Nothing changes for what fires already.
    fn waits(&mut self, observation: Observation, now: Timestamp) -> Option<TransitionKind> {
        let alert = &mut self.alert;
        match alert.state {
            AlertState::Inactive | AlertState::Pending => {
                if alert.state == AlertState::Inactive {
                    alert.first_at = now;
                }
                alert.state = AlertState::Pending;
                alert.last_at = now;
                alert.urgency = observation.urgency;
                alert.severity = observation.severity;
                alert.annotations = observation.annotations;
                alert.slo = observation.slo;
            }
            AlertState::Firing | AlertState::NoData => {}
        }
        None
    }

    fn clears(&mut self, now: Timestamp) -> Option<TransitionKind> {
        let was = std::mem::replace(&mut self.alert.state, AlertState::Inactive);
        match was {
            AlertState::Inactive | AlertState::Pending => None,
            AlertState::Firing | AlertState::NoData => {
                self.alert.last_at = now;
                self.change(now);
                Some(TransitionKind::Cleared)
            }
        }
    }

    fn loses(&mut self) -> Option<TransitionKind> {
        match self.alert.state {
            AlertState::Firing => {
                self.alert.state = AlertState::NoData;
                Some(TransitionKind::Lost)
            }
            AlertState::Inactive | AlertState::Pending | AlertState::NoData => None,
        }
    }

    fn change(&mut self, now: Timestamp) {
        self.flap.changed(now);
        self.alert.flapping = self.flap.is_flapping();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn observation(condition: Condition) -> Observation {
        Observation {
            labels: Labels::from([("alertname".to_owned(), "Burn".to_owned())]),
            annotations: Labels::new(),
            condition,
            urgency: Urgency::Ticket,
            severity: Severity::Warning,
            service: None,
            slo: None,
            external: false,
        }
    }

    fn at(s: u64) -> Timestamp {
        Timestamp::from_unix_s(1_000_000 + s)
    }

    fn kind(transition: Option<Transition>) -> Option<TransitionKind> {
        transition.map(|t| t.kind)
    }

    #[test]
    fn fires_once_and_clears_once() {
        let mut book = AlertBook::new(10);
        use Condition::{Clear, Holds};
        let steps = [
            (0, Clear, None),
            (1, Holds, Some(TransitionKind::Fired)),
            (2, Holds, None),
            (3, Clear, Some(TransitionKind::Cleared)),
            (4, Clear, None),
            (5, Holds, Some(TransitionKind::Fired)),
        ];
        for (s, condition, expected) in steps {
            assert_eq!(kind(book.observe(observation(condition), at(s))), expected, "at {s}");
        }
        assert_eq!(book.firing().map(|alert| alert.repeats).collect::<Vec<_>>(), [2]);
    }

    #[test]
    fn what_waits_is_pending_and_tells_nobody() {
        use Condition::{Clear, Holds, Waits};
        let mut book = AlertBook::new(10);
        let fingerprint = Fingerprint::of(&observation(Waits).labels);
        let state = |book: &AlertBook| book.get(fingerprint).map(|alert| alert.state);
        for (s, condition, expected) in [
            (0, Waits, AlertState::Pending),
            (30, Clear, AlertState::Inactive),
            (40, Waits, AlertState::Pending),
            (60, Waits, AlertState::Pending),
        ] {
            assert_eq!(book.observe(observation(condition), at(s)), None, "at {s}");
            assert_eq!(state(&book), Some(expected), "at {s}");
        }
        assert_eq!(kind(book.observe(observation(Holds), at(100))), Some(TransitionKind::Fired));
        assert_eq!(book.get(fingerprint).map(|alert| alert.first_at), Some(at(40)));
        assert_eq!(book.observe(observation(Waits), at(101)), None);
        assert_eq!(state(&book), Some(AlertState::Firing), "what fires does not wait again");
    }

    #[test]
    fn silence_freezes_a_firing_alert_and_starts_none() {
        let mut book = AlertBook::new(10);
        assert_eq!(book.observe(observation(Condition::Unknown), at(0)), None);
        let _ = book.observe(observation(Condition::Holds), at(1));
        let lost = book.observe(observation(Condition::Unknown), at(2));
        assert_eq!(kind(lost), Some(TransitionKind::Lost));
        assert_eq!(book.observe(observation(Condition::Unknown), at(3)), None);
        assert_eq!(book.firing().count(), 1);
        let back = book.observe(observation(Condition::Holds), at(4));
        assert_eq!(kind(back), Some(TransitionKind::Regained));
    }

    #[test]
    fn while_undecided_nothing_changes() {
        let mut book = AlertBook::new(10);
        let _ = book.observe(observation(Condition::Holds), at(0));
        assert_eq!(book.observe(observation(Condition::Undecided), at(1)), None);
        assert_eq!(book.firing().count(), 1);
    }

    #[test]
    fn more_urgency_is_an_escalation_and_less_is_none() {
        let mut book = AlertBook::new(10);
        let page = || Observation { urgency: Urgency::Page, ..observation(Condition::Holds) };
        let _ = book.observe(observation(Condition::Holds), at(0));
        assert_eq!(kind(book.observe(page(), at(1))), Some(TransitionKind::Escalated));
        assert_eq!(book.observe(observation(Condition::Holds), at(2)), None);
        assert_eq!(book.firing().next().map(|alert| alert.urgency), Some(Urgency::Page));
    }

    #[test]
    fn an_alert_without_a_rule_ends_unless_it_came_from_outside() {
        for (external, expected) in [(false, Some(TransitionKind::Cleared)), (true, None)] {
            let mut book = AlertBook::new(10);
            let _ = book.observe(Observation { external, ..observation(Condition::Holds) }, at(0));
            assert_eq!(book.retire(|_| true, at(1)), []);
            assert_eq!(book.retire(|_| false, at(2)).first().map(|t| t.kind), expected);
            assert_eq!(book.retire(|_| false, at(3)), [], "once");
        }
    }

    #[test]
    fn a_full_book_takes_no_new_alert_and_counts_it() {
        let mut book = AlertBook::new(1);
        let _ = book.observe(observation(Condition::Holds), at(0));
        let mut other = observation(Condition::Holds);
        let _ = other.labels.insert("slo".to_owned(), "b".to_owned());
        assert_eq!(book.observe(other, at(1)), None);
        assert_eq!(book.refused(), 1);
    }

    #[test]
    fn what_is_long_quiet_is_forgotten() {
        let mut book = AlertBook::new(10);
        let _ = book.observe(observation(Condition::Holds), at(0));
        let _ = book.observe(observation(Condition::Clear), at(1));
        let fingerprint = Fingerprint::of(&observation(Condition::Clear).labels);
        book.advance(at(3000));
        assert!(book.get(fingerprint).is_some());
        book.advance(at(3602));
        assert!(book.get(fingerprint).is_none());
    }
}
