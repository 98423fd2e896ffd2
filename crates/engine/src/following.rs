//! From alerts to incidents: open, join, look again, resolve, merge.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use correlate::book::{Note, is_quiet};
use model::{
    Alert, EventType, Fingerprint, Incident, IncidentId, MemberState, Service, SpanRecord, Status,
    Timestamp, TraceId, Urgency,
};

use crate::command::{merge, reopen, resolve};
use crate::homes::Home;
use crate::opening::Opening;
use crate::refresh::Refresh;
use crate::{Effect, Engine};

/// An incident that comes back within this time is reopened instead of opened anew.
pub(crate) const REOPEN_WITHIN: Duration = Duration::from_secs(10 * 60);
/// An incident is over once all its members have been quiet for this long: where a burn rate hovers
/// about its threshold, nobody is told that it is over and woken again seconds later.
const QUIET_FOR: Duration = Duration::from_secs(60);
/// Traces that are recalled for an opening.
const RECALL_MAX: usize = 64;
/// How many services of an incident or opening an alert is compared with; the first ones.
const KIN_MAX: usize = 50;

impl Engine {
    /// An alert began to fire.
    pub(crate) fn fired(&mut self, fingerprint: Fingerprint) {
        let now = self.now;
        if self.incident_of(fingerprint).is_some() {
            return self.member_changed(fingerprint);
        }
        if let Some(id) = self.resolved_of(fingerprint, now.before(REOPEN_WITHIN)) {
            return self.reopen(id, fingerprint);
        }
        self.crowd.leave(fingerprint);
        let Some(alert) = self.alerts.get(fingerprint).cloned() else { return };
        let service = self.correlator.service_of(&alert);
        if service.as_ref().is_some_and(|service| self.join_home(service, &alert)) {
            return;
        }
        let home = match self.related_incident(&alert) {
            Some((id, reason)) => {
                self.join(id, fingerprint, reason);
                Home::Incident(id)
            }
            None => Home::Opening(self.join_opening(&alert).unwrap_or_else(|| {
                let mut opening = Opening::new(fingerprint, alert.urgency, now);
                opening.recall = self.recall_for(&[fingerprint]);
                self.openings.push(opening)
            })),
        };
        service.into_iter().for_each(|service| self.homes.settle(service, home));
    }

    /// Alerts about one service belong together, whatever else is known: in a storm nothing needs
    /// to be compared.
    fn join_home(&mut self, service: &Service, alert: &Alert) -> bool {
        let reason = || format!("both are about {}", service.name);
        match self.homes.of(service) {
            Some(Home::Incident(id)) if self.book.get(id).is_some_and(|i| i.status.is_live()) => {
                self.join(id, alert.fingerprint, reason());
                return true;
            }
            Some(Home::Opening(number)) => {
                if let Some(opening) = self.openings.of_number(number) {
                    opening.join(alert.fingerprint, alert.urgency, reason(), self.now);
                    return true;
                }
            }
            _ => {}
        }
        self.homes.leave(service);
        false
    }

    /// An alert asks for more than it did.
    pub(crate) fn escalated(&mut self, fingerprint: Fingerprint) {
        let urgency = self.alerts.get(fingerprint).map_or(Urgency::Ticket, |a| a.urgency);
        if let Some(opening) = self.openings.of_member(fingerprint) {
            return opening.raise(urgency, self.now);
        }
        self.member_changed(fingerprint);
    }

    /// A member cleared, went silent or came back.
    pub(crate) fn member_changed(&mut self, fingerprint: Fingerprint) {
        let firing = self.alerts.is_live(fingerprint);
        if !firing {
            self.openings.leave(fingerprint);
        }
        if let Some(id) = self.crowd.of(fingerprint) {
            self.crowd.hide(id, fingerprint, firing);
            // Who is not shown makes a difference when it is the last one.
            self.stirred.extend((!self.crowd.fires(id)).then_some(id));
        }
        // Looked at once the turn's alerts are all known: one revision tells all that changed.
        self.stirred.extend(self.book.of_member(fingerprint).map(|incident| incident.id));
    }

    /// Opens what is due, looks again at what is due, wakes what has slept long enough.
    pub(crate) fn follow_incidents(&mut self) {
        for opening in self.openings.due(self.now) {
            self.open(&opening);
        }
        self.carry_out_joins();
        let mut due = std::mem::take(&mut self.stirred);
        due.extend(self.refresh.iter().filter(|(_, at)| at.is_due(self.now)).map(|(id, _)| *id));
        due.extend(self.book.live().filter(|i| self.is_over(i)).map(|incident| incident.id));
        for id in due {
            self.look_again(id);
        }
        let slept = |i: &&Arc<Incident>| i.status == Status::Snoozed && i.snoozed_until <= self.now;
        let awake: Vec<_> = self.book.live().filter(slept).map(|incident| incident.id).collect();
        for id in awake {
            let note = Note::engine(EventType::Reopened, "the snooze is over", self.now);
            let revision = self.book.revise(id, note, |incident| {
                reopen(incident);
                incident.snoozed_until = Timestamp::ZERO;
            });
            revision.into_iter().for_each(|revision| self.announce(revision));
        }
    }

    /// The answer to a recall.
    pub(crate) fn recalled(&mut self, request: u64, spans: Vec<SpanRecord>) {
        let trees = self.traces.recalled(spans, self.now);
        self.openings.recalled(request, &trees);
        self.follow_incidents();
    }

    fn related_incident(&self, alert: &Alert) -> Option<(IncidentId, String)> {
        let live: Vec<_> = self.book.live().collect();
        live.into_iter().rev().find_map(|incident| {
            let joining = self.joining.get(&incident.id).into_iter().flatten();
            let members = incident.members.iter().map(|member| member.fingerprint);
            let members = members.chain(joining.map(|(fingerprint, _)| *fingerprint));
            Some((incident.id, self.kin(alert, members)?))
        })
    }

    /// The number of the opening that it joins.
    fn join_opening(&mut self, alert: &Alert) -> Option<u64> {
        let (number, reason) = self.openings.iter().find_map(|opening| {
            Some((opening.number, self.kin(alert, opening.fingerprints.iter().copied())?))
        })?;
        let opening = self.openings.of_number(number)?;
        opening.join(alert.fingerprint, alert.urgency, reason, self.now);
        Some(number)
    }

    /// Why an alert belongs to others. Of those about one service one speaks for all: in a storm
    /// there are thousands.
    fn kin(&self, alert: &Alert, others: impl Iterator<Item = Fingerprint>) -> Option<String> {
        let mut spoken: BTreeSet<Arc<Service>> = BTreeSet::new();
        let others = others.filter_map(|fingerprint| self.alerts.get(fingerprint));
        let speaks = |other: &&Alert| {
            let service = self.correlator.service_of(other);
            service.is_none_or(|service| spoken.insert(service))
        };
        let others: Vec<&Alert> = others.filter(speaks).take(KIN_MAX).collect();
        others.into_iter().find_map(|other| self.correlator.related(alert, other, self.now))
    }

    /// Asks the workers for traces of the bad events behind these alerts.
    fn recall_for(&mut self, fingerprints: &[Fingerprint]) -> Option<u64> {
        let trace_ids = self.bad_traces(fingerprints);
        if trace_ids.is_empty() {
            return None;
        }
        let request = self.next_recall;
        self.next_recall += 1;
        self.emit(Effect::Recall { request, trace_ids });
        Some(request)
    }

    /// Traces of the newest bad events behind these alerts.
    pub(crate) fn bad_traces(&self, fingerprints: &[Fingerprint]) -> Vec<TraceId> {
        let series = fingerprints.iter().filter_map(|f| self.series_of_alert(*f));
        let with_parts = series.flat_map(|series| self.with_parts(series));
        let newest = with_parts.flat_map(|series| series.exemplars.iter().rev());
        let mut seen = BTreeSet::new();
        let ids = newest.map(|event| event.trace_id).filter(|id| !id.is_zero());
        ids.filter(|id| seen.insert(*id)).take(RECALL_MAX).collect()
    }

    fn open(&mut self, opening: &Opening) {
        let now = self.now;
        let known = |f: &Fingerprint| self.alerts.get(*f).cloned();
        let (shown, hidden) = self.shown(opening.fingerprints.clone());
        let members: Vec<_> = shown.iter().chain(&hidden).filter_map(known).collect();
        let mut incident = self.describe(&members, &opening.trees, opening.detected_at);
        if members.is_empty() {
            return;
        }
        incident.detected_at = opening.detected_at;
        incident.grouping_reason = opening.reasons.first().cloned().unwrap_or_default();
        if let Some(winner) = self.same_cause(&incident) {
            // What looked like another fault turns out to be one that is already told.
            let reason = "it has the same first cause".to_owned();
            for alert in &members {
                self.join(winner, alert.fingerprint, reason.clone());
            }
            return;
        }
        let reason = incident.title.clone();
        let revision = self.book.open(incident, Note::engine(EventType::Opened, reason, now));
        let id = revision.incident.id;
        self.hide(id, &hidden);
        for service in members.iter().filter_map(|alert| self.correlator.service_of(alert)) {
            self.homes.settle(service, Home::Incident(id));
        }
        let _ = self.refresh.insert(id, Refresh::after_opening(now));
        self.correlator.freeze(true);
        self.announce(revision);
    }

    /// An alert joins an incident at the end of the turn: one revision tells of all that do.
    fn join(&mut self, id: IncidentId, fingerprint: Fingerprint, reason: String) {
        self.joining.entry(id).or_default().push((fingerprint, reason));
    }

    fn carry_out_joins(&mut self) {
        for (id, joining) in std::mem::take(&mut self.joining) {
            let Some(incident) = self.book.get(id).cloned() else { continue };
            let before: Vec<_> = incident.members.iter().map(|m| m.fingerprint).collect();
            let joined = joining.iter().map(|(fingerprint, _)| *fingerprint);
            let (shown, hidden) = self.shown(before.iter().copied().chain(joined).collect());
            self.hide(id, &hidden);
            if shown == before && !self.widens(&incident) {
                continue;
            }
            let reason = joining.into_iter().next().map(|(_, reason)| reason);
            self.revise_from(id, &shown, reason.unwrap_or_default());
        }
    }

    /// Looks at an incident again, with what is known by now.
    fn look_again(&mut self, id: IncidentId) {
        let Some(incident) = self.book.get(id).filter(|i| i.status.is_live()).cloned() else {
            let _ = self.refresh.remove(&id);
            return;
        };
        let next = self.refresh.get(&id).map(|refresh| refresh.next(self.now));
        let next = next.unwrap_or_else(|| Refresh::after_opening(self.now));
        let _ = self.refresh.insert(id, next);
        let shown = incident.members.iter().map(|member| member.fingerprint).collect();
        let shown = self.show_firing(id, shown);
        self.revise_from(id, &shown, incident.grouping_reason.clone());
        self.merge_if_same(id);
    }

    fn revise_from(&mut self, id: IncidentId, fingerprints: &[Fingerprint], reason: String) {
        let now = self.now;
        let Some(before) = self.book.get(id).cloned() else { return };
        let members: Vec<_> =
            fingerprints.iter().filter_map(|f| self.alerts.get(*f).cloned()).collect();
        let mut after = self.describe_again(&before, &members);
        if after.grouping_reason.is_empty() {
            after.grouping_reason = reason;
        }
        let over = self.is_over(&after);
        let escalates = after.urgency > before.urgency;
        let kind = match (over, escalates) {
            (true, _) => EventType::Resolved,
            (false, true) => EventType::Escalated,
            (false, false) if differs_for_people(&before, &after) || self.widens(&after) => {
                EventType::Updated
            }
            (false, false) => return,
        };
        if over {
            resolve(&mut after, now);
        }
        if escalates && after.status == Status::Snoozed {
            reopen(&mut after);
        }
        let why = match kind {
            EventType::Resolved => "all members have cleared".to_owned(),
            EventType::Escalated => format!("it now asks for a {}", after.urgency.as_str()),
            _ => "better knowledge".to_owned(),
        };
        let revision = self.book.revise(id, Note::engine(kind, why, now), |i| *i = after);
        revision.into_iter().for_each(|revision| self.announce(revision));
        self.thaw_if_quiet(id);
    }

    fn reopen(&mut self, id: IncidentId, fingerprint: Fingerprint) {
        let Some(before) = self.book.get(id).cloned() else { return };
        if self.crowd.of(fingerprint).is_some() {
            self.crowd.hide(id, fingerprint, true);
        }
        let shown = before.members.iter().map(|member| member.fingerprint).collect();
        let shown = self.show_firing(id, shown);
        let members: Vec<_> = shown.iter().filter_map(|f| self.alerts.get(*f).cloned()).collect();
        let after = self.describe_again(&before, &members);
        let name = self.alerts.get(fingerprint).and_then(|a| a.labels.get("slo").cloned());
        let why = format!("{} burns again", name.unwrap_or_else(|| fingerprint.to_string()));
        let note = Note::engine(EventType::Reopened, why, self.now);
        let revision = self.book.revise(id, note, |incident| {
            *incident = after;
            reopen(incident);
        });
        let _ = self.refresh.insert(id, Refresh::after_opening(self.now));
        self.correlator.freeze(true);
        revision.into_iter().for_each(|revision| self.announce(revision));
    }

    /// The live incident, opened before, with the same first cause.
    fn same_cause(&self, incident: &Incident) -> Option<IncidentId> {
        let cause = incident.causes.first()?;
        let identity =
            |c: &model::Cause| (c.service.clone(), c.tag_key.clone(), c.tag_value.clone());
        let same = |other: &&Arc<Incident>| {
            let first = other.causes.first();
            other.id != incident.id && first.is_some_and(|c| identity(c) == identity(cause))
        };
        self.book.live().find(same).map(|other| other.id)
    }

    /// Two incidents whose first causes turn out to be the same become one: the older.
    fn merge_if_same(&mut self, id: IncidentId) {
        let Some(incident) = self.book.get(id).filter(|i| i.status.is_live()).cloned() else {
            return;
        };
        let Some(other) = self.same_cause(&incident) else { return };
        let (winner, loser) = (id.min(other), id.max(other));
        let note = Note::engine(EventType::Merged, "the same first cause", self.now);
        let mut revisions = Vec::new();
        let books = (&mut self.book, &mut self.crowd);
        let _ = merge(books, winner, &[loser], &note, &mut revisions);
        let _ = self.refresh.remove(&loser);
        for revision in revisions {
            self.announce(revision);
        }
    }

    /// Whether all members have been quiet for long enough.
    fn is_over(&self, incident: &Incident) -> bool {
        let cleared = incident.members.iter().map(|member| member.last_at).max();
        let is_quiet = is_quiet(incident) && !self.crowd.fires(incident.id);
        is_quiet && cleared.is_none_or(|at| self.now.since(at) >= QUIET_FOR)
    }

    /// Once nothing burns any more, baselines may follow again.
    fn thaw_if_quiet(&mut self, id: IncidentId) {
        if self.book.get(id).is_none_or(|incident| !incident.status.is_live()) {
            let _ = self.refresh.remove(&id);
        }
        if self.book.live().next().is_none() {
            self.correlator.freeze(false);
        }
    }
}

/// Whether a revision is worth making: numbers move all the time, and a revision a second would
/// bury what matters.
fn differs_for_people(before: &Incident, after: &Incident) -> bool {
    let cause = |i: &Incident| {
        i.causes
            .first()
            .map(|c| (c.service.clone(), c.kind, c.tag_value.clone(), c.operation.clone()))
    };
    let states = |i: &Incident| -> Vec<(Fingerprint, MemberState)> {
        i.members.iter().map(|m| (m.fingerprint, m.state)).collect()
    };
    cause(before) != cause(after)
        || states(before) != states(after)
        || before.member_count != after.member_count
        || before.severity != after.severity
        || before.flapping != after.flapping
        || before.traces.is_empty() != after.traces.is_empty()
        || before.impact.services.len() != after.impact.services.len()
}
