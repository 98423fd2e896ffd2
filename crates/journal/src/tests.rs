mod crash;
mod outbox;
mod store;

use std::path::Path;
use std::sync::Arc;

use model::{
    Action, Actor, Delivery, EventType, Incident, IncidentEvent, IncidentId, Outgoing,
    OutgoingKind, Timestamp, Urgency,
};

use model::Row;

use crate::{Commit, Journal, Restored, SinkSpec};

const EPOCH: u32 = 7;

fn at(s: u64) -> Timestamp {
    Timestamp::from_unix_s(1_000_000 + s)
}

fn sinks() -> Vec<SinkSpec> {
    vec![
        SinkSpec { name: "kafka".to_owned(), kinds: OutgoingKind::ALL.to_vec() },
        SinkSpec { name: "ticketing".to_owned(), kinds: vec![OutgoingKind::Ticket] },
    ]
}

fn open(dir: &Path) -> (Journal, Restored) {
    crate::open(dir, EPOCH, at(0), sinks()).unwrap()
}

fn incident(number: u64, revision: u64) -> Arc<Incident> {
    Arc::new(Incident {
        id: IncidentId { epoch: EPOCH, number },
        revision,
        tenant: "shop".into(),
        title: format!("incident {number} at {revision}"),
        ..Incident::default()
    })
}

fn delivery(urgency: Urgency, number: u64, revision: u64) -> Outgoing {
    Outgoing::Delivery(Delivery {
        route: "default".to_owned(),
        step: 0,
        urgency,
        action: Action::Trigger,
        incident: incident(number, revision),
        test: false,
    })
}

fn page(number: u64, revision: u64) -> Outgoing {
    delivery(Urgency::Page, number, revision)
}

fn ticket(number: u64, revision: u64) -> Outgoing {
    delivery(Urgency::Ticket, number, revision)
}

fn snapshot(number: u64, revision: u64) -> Outgoing {
    Outgoing::Snapshot(incident(number, revision))
}

fn event(number: u64, revision: u64) -> Outgoing {
    let incident = incident(number, revision);
    let event = IncidentEvent {
        incident_id: incident.id,
        revision,
        tenant: incident.tenant.clone(),
        kind: EventType::Opened,
        at: at(0),
        actor: Actor::engine(),
        reason: String::new(),
        changed: Vec::new(),
    };
    Outgoing::Event(event, incident)
}

fn row(key: &str, value: &str) -> Row {
    Row { key: key.into(), value: Some(value.into()) }
}

fn sends(at: Timestamp, outgoing: Vec<Outgoing>) -> Commit {
    Commit { at, outgoing, ..Commit::default() }
}

/// The ids of all that waits for a sink, in the order in which it is read.
fn waiting(journal: &Journal, sink: &str) -> Vec<String> {
    let entries = journal.pending(sink, &OutgoingKind::ALL, 0, usize::MAX).unwrap();
    entries.iter().map(|entry| entry.outgoing.id()).collect()
}
