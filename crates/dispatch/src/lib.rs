//! What leaves for which revision of an incident: snapshot, event, page or ticket.
//!
//! Pure: a revision goes in, outgoing values with deterministic ids come out. Urgency, not
//! severity, decides between page and ticket. Better knowledge of an incident wakes nobody: only an
//! opening, a reopening, and a route that is new or is asked for more trigger, and what was
//! triggered is resolved again where the route wants to be told.

mod routes;

use std::sync::Arc;

use model::{Action, Delivery, EventType, Outgoing, Revision, Status, Urgency};

pub use routes::{DEFAULT_ROUTE, Route, Routes};

/// Everything that a revision sends out, pages and tickets first. `before` are the routes that were
/// told of the revisions before, `routes` those that are told of this one.
#[must_use]
pub fn outgoing(revision: &Revision, before: &Routes, routes: &Routes) -> Vec<Outgoing> {
    let incident = &revision.incident;
    let deliveries = deliveries(revision, before, routes);
    let mut out: Vec<_> = deliveries.into_iter().map(Outgoing::Delivery).collect();
    out.push(Outgoing::Snapshot(Arc::clone(incident)));
    out.push(Outgoing::Event(revision.event.clone(), Arc::clone(incident)));
    out
}

/// The deliveries that a revision asks for. An incident that flaps triggers nothing new, but what
/// was triggered is still resolved.
fn deliveries(revision: &Revision, before: &Routes, routes: &Routes) -> Vec<Delivery> {
    let incident = &revision.incident;
    let delivery = |route: &Route, urgency, action| Delivery {
        route: route.name.clone(),
        step: 0,
        urgency,
        action,
        incident: Arc::clone(incident),
        test: false,
    };
    let to_all = |action| -> Vec<Delivery> {
        routes.iter().map(|route| delivery(route, route.urgency, action)).collect()
    };
    let resolves = || -> Vec<Delivery> {
        let told = routes.iter().filter(|route| route.tells_resolved);
        told.map(|route| delivery(route, route.urgency, Action::Resolve)).collect()
    };
    let is_held = incident.flapping || !incident.status.is_live();
    match revision.event.kind {
        EventType::Resolved | EventType::Closed => resolves(),
        EventType::Merged if incident.status == Status::Merged => resolves(),
        EventType::Acknowledged | EventType::Snoozed => to_all(Action::Update),
        _ if is_held => Vec::new(),
        EventType::Opened | EventType::Reopened | EventType::Split => to_all(Action::Trigger),
        EventType::Escalated | EventType::Updated | EventType::Annotated | EventType::Merged => {
            let mut out = Vec::new();
            for route in routes.iter().filter(|route| before.lacks(route)) {
                out.push(delivery(route, route.urgency, Action::Trigger));
                if before.get(&route.name).is_some_and(|known| known.tells_resolved) {
                    // The ticket has become a page: it is closed, so that nobody works on both.
                    out.push(delivery(route, Urgency::Ticket, Action::Resolve));
                }
            }
            out
        }
    }
}

#[cfg(test)]
mod tests;
