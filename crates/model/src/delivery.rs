use std::fmt;
use std::sync::Arc;

use borsh::{BorshDeserialize, BorshSerialize};

use crate::{Incident, IncidentEvent, IncidentId, Urgency};

/// Something that must be acted on, self-contained. The fields are those of `fogbell.v1.Delivery`.
#[derive(Clone, Debug, PartialEq, BorshSerialize, BorshDeserialize)]
pub struct Delivery {
    /// The route that chose it; `default` without routes.
    pub route: String,
    /// The step of the route's escalation, from 0.
    pub step: u32,
    /// Page or ticket.
    pub urgency: Urgency,
    /// What to do with it.
    pub action: Action,
    /// The revision that caused it.
    pub incident: Arc<Incident>,
    /// Whether it is a test page.
    pub test: bool,
}

/// What a receiver does with a delivery.
#[derive(Clone, Copy, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub enum Action {
    /// Raise it.
    Trigger,
    /// Better knowledge; wakes nobody.
    Update,
    /// It is over.
    Resolve,
}

/// What the outbox holds and a sink carries. Equal on every attempt.
#[derive(Clone, Debug, PartialEq, BorshSerialize, BorshDeserialize)]
pub enum Outgoing {
    /// A page or a ticket.
    Delivery(Delivery),
    /// A full snapshot of a revision.
    Snapshot(Arc<Incident>),
    /// What changed, with the revision that it made.
    Event(IncidentEvent, Arc<Incident>),
}

/// A row of durable state; `None` deletes it. The bytes belong to whoever wrote them: the store
/// does not look into them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    /// Where.
    pub key: Vec<u8>,
    /// What.
    pub value: Option<Vec<u8>>,
}

/// What an [`Outgoing`] is, in the order in which sinks send.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, BorshSerialize, BorshDeserialize,
)]
pub enum OutgoingKind {
    /// Wake someone: never waits behind anything.
    Page,
    /// Look at it tomorrow.
    Ticket,
    /// A full snapshot.
    Incident,
    /// What changed.
    Event,
}

impl Delivery {
    /// `{incident}:{revision}:{page|ticket}:{route}:{step}`, equal on every attempt.
    #[must_use]
    pub fn id(&self) -> String {
        let Incident { id, revision, .. } = &*self.incident;
        format!("{id}:{revision}:{}:{}:{}", self.urgency.as_str(), self.route, self.step)
    }
}

impl Outgoing {
    /// The CloudEvents id: equal on every attempt.
    #[must_use]
    pub fn id(&self) -> String {
        match self {
            Self::Delivery(delivery) => delivery.id(),
            Self::Snapshot(incident) => format!("{}:{}:incident", incident.id, incident.revision),
            Self::Event(event, _) => format!("{}:{}:event", event.incident_id, event.revision),
        }
    }

    /// What it is.
    #[must_use]
    pub fn kind(&self) -> OutgoingKind {
        match self {
            Self::Delivery(delivery) if delivery.urgency == Urgency::Page => OutgoingKind::Page,
            Self::Delivery(_) => OutgoingKind::Ticket,
            Self::Snapshot(_) => OutgoingKind::Incident,
            Self::Event(..) => OutgoingKind::Event,
        }
    }

    /// The revision that caused it.
    #[must_use]
    pub fn incident(&self) -> &Arc<Incident> {
        match self {
            Self::Delivery(delivery) => &delivery.incident,
            Self::Snapshot(incident) | Self::Event(_, incident) => incident,
        }
    }

    /// Whose it is about.
    #[must_use]
    pub fn incident_id(&self) -> IncidentId {
        self.incident().id
    }
}

impl OutgoingKind {
    /// All kinds, in the order in which sinks send.
    pub const ALL: [Self; 4] = [Self::Page, Self::Ticket, Self::Incident, Self::Event];

    /// The word in ids and labels.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Page => "page",
            Self::Ticket => "ticket",
            Self::Incident => "incident",
            Self::Event => "event",
        }
    }
}

impl fmt::Display for OutgoingKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
