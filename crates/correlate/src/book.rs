//! The incident book: identities, revisions and the life cycle.

use std::collections::BTreeMap;
use std::sync::Arc;

use borsh::{BorshDeserialize, BorshSerialize};
use model::{
    Actor, EventType, Fingerprint, Incident, IncidentEvent, IncidentId, MemberState, Revision,
    Status, Timestamp,
};

use self::changes::changed_fields;

mod changes;
#[cfg(test)]
mod tests;

/// How many incidents that are over are kept in memory; the oldest leave first.
const ENDED_MAX: usize = 1000;
/// How many members an incident shows; `member_count` stays exact.
pub const MEMBERS_MAX: usize = 100;

/// All incidents of a tenant that are live or ended not long ago.
///
/// Invariants: an id is never lent twice; each change adds one to the revision; an incident that
/// was merged or closed never changes again but by a reopening of the closed one.
#[derive(Clone, Debug, BorshSerialize, BorshDeserialize)]
pub struct IncidentBook {
    epoch: u32,
    next_number: u64,
    tenant: Arc<str>,
    incidents: BTreeMap<IncidentId, Arc<Incident>>,
}

/// Who changes an incident, when and why.
#[derive(Clone, Debug)]
pub struct Note {
    /// What sort of change.
    pub kind: EventType,
    /// Who.
    pub actor: Actor,
    /// Why.
    pub reason: String,
    /// When.
    pub at: Timestamp,
}

impl Note {
    /// A change that fogbell makes itself.
    #[must_use]
    pub fn engine(kind: EventType, reason: impl Into<String>, at: Timestamp) -> Self {
        Self { kind, actor: Actor::engine(), reason: reason.into(), at }
    }
}

impl IncidentBook {
    /// An empty book of the store with this epoch.
    #[must_use]
    pub fn new(epoch: u32, tenant: Arc<str>) -> Self {
        Self { epoch, next_number: 1, tenant, incidents: BTreeMap::new() }
    }

    /// Opens an incident: takes its content, gives it an id and revision 1.
    pub fn open(&mut self, mut incident: Incident, note: Note) -> Revision {
        incident.id = IncidentId { epoch: self.epoch, number: self.next_number };
        self.next_number += 1;
        incident.revision = 1;
        incident.tenant = Arc::clone(&self.tenant);
        incident.updated_at = note.at;
        let changed = changed_fields(&Incident::default(), &incident);
        let event = event_of(&incident, note, changed);
        let incident = Arc::new(incident);
        let _ = self.incidents.insert(incident.id, Arc::clone(&incident));
        self.forget_ended();
        Revision { incident, event }
    }

    /// Changes an incident with `edit`. `None` if it is not here or nothing changed.
    pub fn revise(
        &mut self,
        id: IncidentId,
        note: Note,
        edit: impl FnOnce(&mut Incident),
    ) -> Option<Revision> {
        let before = self.incidents.get(&id)?;
        let mut incident = Incident::clone(before);
        edit(&mut incident);
        let changed = changed_fields(before, &incident);
        if changed.is_empty() && note.kind != EventType::Annotated {
            return None;
        }
        incident.revision = before.revision + 1;
        incident.updated_at = note.at;
        let event = event_of(&incident, note, changed);
        let incident = Arc::new(incident);
        let _ = self.incidents.insert(id, Arc::clone(&incident));
        Some(Revision { incident, event })
    }

    /// The newest revision.
    #[must_use]
    pub fn get(&self, id: IncidentId) -> Option<&Arc<Incident>> {
        self.incidents.get(&id)
    }

    /// All that are kept, by id.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = &Arc<Incident>> {
        self.incidents.values()
    }

    /// Those that responders still have to do with.
    pub fn live(&self) -> impl Iterator<Item = &Arc<Incident>> {
        self.incidents.values().filter(|incident| incident.status.is_live())
    }

    /// The live incident that an alert belongs to.
    #[must_use]
    pub fn of_member(&self, fingerprint: Fingerprint) -> Option<&Arc<Incident>> {
        self.live().find(|incident| incident.has_member(fingerprint))
    }

    /// The newest incident with this alert that was resolved at or after `since`.
    #[must_use]
    pub fn resolved_of_member(
        &self,
        fingerprint: Fingerprint,
        since: Timestamp,
    ) -> Option<&Arc<Incident>> {
        self.incidents.values().rev().find(|incident| {
            incident.status == Status::Resolved
                && incident.resolved_at >= since
                && incident.has_member(fingerprint)
        })
    }

    /// Puts an incident back as the store holds it.
    pub fn restore(&mut self, incident: Incident) {
        self.next_number = self.next_number.max(incident.id.number + 1);
        let _ = self.incidents.insert(incident.id, Arc::new(incident));
    }

    /// The number that the next incident gets.
    #[must_use]
    pub fn next_number(&self) -> u64 {
        self.next_number
    }

    /// Goes on counting from at least `number`.
    pub fn continue_from(&mut self, number: u64) {
        self.next_number = self.next_number.max(number);
    }

    fn forget_ended(&mut self) {
        let ended = |incident: &&Arc<Incident>| !incident.status.is_live();
        let mut surplus = self.incidents.values().filter(ended).count().saturating_sub(ENDED_MAX);
        self.incidents.retain(|_, incident| {
            let forget = surplus > 0 && !incident.status.is_live();
            surplus -= usize::from(forget);
            !forget
        });
    }
}

/// What a member list can tell.
trait Members {
    fn has_member(&self, fingerprint: Fingerprint) -> bool;
}

impl Members for Incident {
    fn has_member(&self, fingerprint: Fingerprint) -> bool {
        self.members.iter().any(|member| member.fingerprint == fingerprint)
    }
}

/// Whether every member of the incident has cleared.
#[must_use]
pub fn is_quiet(incident: &Incident) -> bool {
    incident.members.iter().all(|member| member.state == MemberState::Cleared)
}

fn event_of(incident: &Incident, note: Note, changed: Vec<String>) -> IncidentEvent {
    IncidentEvent {
        incident_id: incident.id,
        revision: incident.revision,
        tenant: Arc::clone(&incident.tenant),
        kind: note.kind,
        at: note.at,
        actor: note.actor,
        reason: note.reason,
        changed,
    }
}
