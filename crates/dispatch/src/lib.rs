//! What leaves for which revision of an incident: snapshot, event, page or ticket.
//!
//! Pure: a revision goes in, outgoing values with deterministic ids come out. Urgency, not
//! severity, decides between page and ticket. Better knowledge of an incident wakes nobody: only an
//! opening, a reopening and an escalation trigger, and what was triggered is resolved again.

use std::sync::Arc;

use model::{Action, Delivery, EventType, Outgoing, Revision, Status, Urgency};

/// The route of deliveries while no routes are configured.
pub const DEFAULT_ROUTE: &str = "default";

/// Everything that a revision sends out, pages and tickets first.
#[must_use]
pub fn outgoing(revision: &Revision) -> Vec<Outgoing> {
    let incident = &revision.incident;
    let mut out: Vec<_> = deliveries(revision).into_iter().map(Outgoing::Delivery).collect();
    out.push(Outgoing::Snapshot(Arc::clone(incident)));
    out.push(Outgoing::Event(revision.event.clone(), Arc::clone(incident)));
    out
}

/// The deliveries that a revision asks for. An incident that flaps triggers nothing new, but what
/// was triggered is still resolved.
fn deliveries(revision: &Revision) -> Vec<Delivery> {
    let incident = &revision.incident;
    let delivery = |urgency, action| Delivery {
        route: DEFAULT_ROUTE.to_owned(),
        step: 0,
        urgency,
        action,
        incident: Arc::clone(incident),
        test: false,
    };
    let escalated = revision.urgency_before.is_some_and(|before| before < incident.urgency);
    match revision.event.kind {
        EventType::Opened | EventType::Reopened | EventType::Escalated | EventType::Split => {
            if incident.flapping || !incident.status.is_live() {
                return Vec::new();
            }
            let mut out = vec![delivery(incident.urgency, Action::Trigger)];
            if escalated && revision.event.kind == EventType::Escalated {
                // The ticket has become a page: the ticket is closed, so that nobody works on both.
                out.push(delivery(Urgency::Ticket, Action::Resolve));
            }
            out
        }
        EventType::Resolved | EventType::Closed => {
            vec![delivery(incident.urgency, Action::Resolve)]
        }
        EventType::Merged if incident.status == Status::Merged => {
            vec![delivery(incident.urgency, Action::Resolve)]
        }
        EventType::Acknowledged | EventType::Snoozed => {
            vec![delivery(incident.urgency, Action::Update)]
        }
        EventType::Updated | EventType::Annotated | EventType::Merged => Vec::new(),
    }
}

#[cfg(test)]
mod tests;
