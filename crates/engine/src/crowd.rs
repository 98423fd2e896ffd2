//! Members of incidents beyond those that are shown: counted, and followed until they clear, so that
//! no incident is over while one of them fires.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

use correlate::book::MEMBERS_MAX;
use model::{Fingerprint, IncidentId, Status, Timestamp};

use crate::Engine;
use crate::engine::ALERTS_MAX;
use crate::following::REOPEN_WITHIN;

/// How many are known by name over all incidents: as many as can fire at all. Beyond that those that
/// have cleared are counted, and no longer known.
const KNOWN_MAX: usize = ALERTS_MAX as usize;

/// All of them.
///
/// Invariant: an alert is hidden in one incident at most, and is not among those that it shows.
#[derive(Clone, Debug, Default)]
pub(crate) struct Crowd {
    of: BTreeMap<IncidentId, Hidden>,
    homes: BTreeMap<Fingerprint, IncidentId>,
    /// Those that were known before a restart and have not come back yet.
    returning: BTreeSet<Fingerprint>,
}

/// The hidden members of an incident.
#[derive(Clone, Debug, Default)]
struct Hidden {
    firing: BTreeSet<Fingerprint>,
    cleared: BTreeSet<Fingerprint>,
    /// Those that are not known by name.
    nameless: u32,
}

impl Crowd {
    /// The incident that an alert is hidden in.
    pub(crate) fn of(&self, fingerprint: Fingerprint) -> Option<IncidentId> {
        self.homes.get(&fingerprint).copied()
    }

    /// How many an incident hides.
    pub(crate) fn count(&self, id: IncidentId) -> u32 {
        let count = |hidden: &Hidden| {
            let known = hidden.firing.len() + hidden.cleared.len();
            hidden.nameless.saturating_add(u32::try_from(known).unwrap_or(u32::MAX))
        };
        self.of.get(&id).map_or(0, count)
    }

    /// The hidden members of an incident that fire.
    pub(crate) fn firing(&self, id: IncidentId) -> impl Iterator<Item = Fingerprint> {
        self.of.get(&id).into_iter().flat_map(|hidden| &hidden.firing).copied()
    }

    pub(crate) fn fires(&self, id: IncidentId) -> bool {
        self.firing(id).next().is_some()
    }

    /// Hides a member, or says of a hidden one whether it fires.
    pub(crate) fn hide(&mut self, id: IncidentId, fingerprint: Fingerprint, fires: bool) {
        self.leave(fingerprint);
        let hidden = self.of.entry(id).or_default();
        if self.returning.remove(&fingerprint) {
            hidden.nameless = hidden.nameless.saturating_sub(1);
        }
        if self.homes.len() >= KNOWN_MAX {
            for cleared in std::mem::take(&mut hidden.cleared) {
                let _ = self.homes.remove(&cleared);
                hidden.nameless = hidden.nameless.saturating_add(1);
            }
        }
        let side = if fires { &mut hidden.firing } else { &mut hidden.cleared };
        let _ = side.insert(fingerprint);
        let _ = self.homes.insert(fingerprint, id);
    }

    /// It is shown now, or belongs elsewhere.
    pub(crate) fn leave(&mut self, fingerprint: Fingerprint) {
        let Some(id) = self.homes.remove(&fingerprint) else { return };
        if let Some(hidden) = self.of.get_mut(&id) {
            let _ = hidden.firing.remove(&fingerprint) || hidden.cleared.remove(&fingerprint);
        }
    }

    /// The winner of a merge takes over what the loser hides.
    pub(crate) fn absorb(&mut self, winner: IncidentId, loser: IncidentId) {
        let Some(taken) = self.of.remove(&loser) else { return };
        let hidden = self.of.entry(winner).or_default();
        hidden.nameless = hidden.nameless.saturating_add(taken.nameless);
        for fingerprint in taken.firing.iter().chain(&taken.cleared) {
            let _ = self.homes.insert(*fingerprint, winner);
        }
        hidden.firing.extend(taken.firing);
        hidden.cleared.extend(taken.cleared);
    }

    /// After a restart an incident is known to hide so many, and of the alerts that fire it is not
    /// known which they are until they have found their way back.
    pub(crate) fn restore(&mut self, id: IncidentId, count: u32) {
        if count > 0 {
            self.of.entry(id).or_default().nameless = count;
        }
    }

    pub(crate) fn expect(&mut self, returning: impl IntoIterator<Item = Fingerprint>) {
        self.returning.extend(returning);
    }

    /// Forgets what other incidents hide.
    pub(crate) fn retain(&mut self, is_kept: impl Fn(IncidentId) -> bool) {
        if self.of.keys().all(|id| is_kept(*id)) {
            return;
        }
        self.of.retain(|id, _| is_kept(*id));
        let of = &self.of;
        self.homes.retain(|_, id| of.contains_key(id));
    }
}

impl Engine {
    /// Of alerts those that an incident shows, in their order, and the others: those that fire come
    /// first, of them those that ask for the most, of them those that came first.
    pub(crate) fn shown(&self, alerts: Vec<Fingerprint>) -> (Vec<Fingerprint>, Vec<Fingerprint>) {
        if alerts.len() <= MEMBERS_MAX {
            return (alerts, Vec::new());
        }
        let rank = |(place, fingerprint): (usize, &Fingerprint)| {
            let urgency = self.alerts.get(*fingerprint).map(|alert| alert.urgency);
            (Reverse(self.alerts.is_live(*fingerprint)), Reverse(urgency), place)
        };
        let mut ranked: Vec<_> = alerts.iter().enumerate().map(rank).collect();
        ranked.sort_unstable();
        let first: BTreeSet<usize> =
            ranked.into_iter().take(MEMBERS_MAX).map(|(.., place)| place).collect();
        let (mut shown, mut hidden) = (Vec::with_capacity(first.len()), Vec::new());
        for (place, fingerprint) in alerts.into_iter().enumerate() {
            if first.contains(&place) { &mut shown } else { &mut hidden }.push(fingerprint);
        }
        (shown, hidden)
    }

    /// Hides members of an incident.
    pub(crate) fn hide(&mut self, id: IncidentId, hidden: &[Fingerprint]) {
        for fingerprint in hidden {
            self.crowd.hide(id, *fingerprint, self.alerts.is_live(*fingerprint));
        }
    }

    /// What an incident shows from now on: members that have cleared give way to hidden ones that
    /// fire.
    pub(crate) fn show_firing(
        &mut self,
        id: IncidentId,
        shown: Vec<Fingerprint>,
    ) -> Vec<Fingerprint> {
        let has_cleared = shown.iter().any(|fingerprint| !self.alerts.is_live(*fingerprint));
        if !has_cleared || !self.crowd.fires(id) {
            return shown;
        }
        let mut all = shown;
        all.extend(self.crowd.firing(id).take(MEMBERS_MAX));
        let (shown, hidden) = self.shown(all);
        shown.iter().for_each(|fingerprint| self.crowd.leave(*fingerprint));
        self.hide(id, &hidden);
        shown
    }

    /// The live incident that an alert is a member of, shown or not.
    pub(crate) fn incident_of(&self, fingerprint: Fingerprint) -> Option<IncidentId> {
        let is_live = |id: &IncidentId| self.book.get(*id).is_some_and(|i| i.status.is_live());
        let shown = self.book.of_member(fingerprint).map(|incident| incident.id);
        shown.or_else(|| self.crowd.of(fingerprint).filter(is_live))
    }

    /// The newest incident with this alert that was resolved at or after `since`.
    pub(crate) fn resolved_of(
        &self,
        fingerprint: Fingerprint,
        since: Timestamp,
    ) -> Option<IncidentId> {
        let is_recent = |id: &IncidentId| {
            let incident = self.book.get(*id);
            incident.is_some_and(|i| i.status == Status::Resolved && i.resolved_at >= since)
        };
        let shown = self.book.resolved_of_member(fingerprint, since).map(|incident| incident.id);
        shown.or_else(|| self.crowd.of(fingerprint).filter(is_recent))
    }

    /// Forgets hidden members of incidents that no longer come back.
    pub(crate) fn forget_hidden(&mut self) {
        let (book, since) = (&self.book, self.now.before(REOPEN_WITHIN));
        self.crowd.retain(|id| {
            book.get(id).is_some_and(|i| i.status.is_live() || i.resolved_at >= since)
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: IncidentId = IncidentId { epoch: 1, number: 1 };
    const B: IncidentId = IncidentId { epoch: 1, number: 2 };

    #[test]
    fn hidden_members_are_counted_once_wherever_they_go() {
        let mut crowd = Crowd::default();
        for number in 0..3 {
            crowd.hide(A, Fingerprint(number), true);
        }
        crowd.hide(A, Fingerprint(1), false);
        assert_eq!((crowd.count(A), crowd.firing(A).count()), (3, 2));
        crowd.hide(B, Fingerprint(2), true);
        assert_eq!((crowd.count(A), crowd.count(B)), (2, 1));
        crowd.absorb(A, B);
        assert_eq!((crowd.count(A), crowd.count(B), crowd.of(Fingerprint(2))), (3, 0, Some(A)));
        crowd.leave(Fingerprint(0));
        crowd.leave(Fingerprint(2));
        assert_eq!((crowd.count(A), crowd.fires(A)), (1, false));
        crowd.retain(|id| id == B);
        assert_eq!((crowd.count(A), crowd.of(Fingerprint(1))), (0, None));
    }

    #[test]
    fn who_comes_back_after_a_restart_was_counted_before() {
        let mut crowd = Crowd::default();
        crowd.restore(A, 5);
        crowd.expect([Fingerprint(1)]);
        crowd.hide(A, Fingerprint(1), true);
        assert_eq!(crowd.count(A), 5);
        crowd.hide(A, Fingerprint(2), true);
        assert_eq!(crowd.count(A), 6);
    }

    #[test]
    fn where_there_is_no_room_those_that_cleared_lose_their_names_alone() {
        let mut crowd = Crowd::default();
        for number in 0..KNOWN_MAX as u64 {
            crowd.hide(A, Fingerprint(number), number % 2 == 0);
        }
        crowd.hide(A, Fingerprint(u64::MAX), true);
        assert_eq!(crowd.count(A) as usize, KNOWN_MAX + 1);
        assert_eq!(crowd.firing(A).count(), KNOWN_MAX / 2 + 1);
        assert_eq!((crowd.of(Fingerprint(1)), crowd.of(Fingerprint(2))), (None, Some(A)));
    }
}
