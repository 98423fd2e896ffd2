use model::{Actor, Incident, IncidentEvent, IncidentId, OutgoingKind, Timestamp};

use super::*;

fn revision(kind: EventType, status: Status, urgency: Urgency) -> Revision {
    let id = IncidentId { epoch: 1, number: 7 };
    let incident = Incident { id, revision: 3, status, urgency, ..Incident::default() };
    let event = IncidentEvent {
        incident_id: id,
        revision: 3,
        tenant: "default".into(),
        kind,
        at: Timestamp::from_unix_s(1),
        actor: Actor::engine(),
        reason: String::new(),
        changed: Vec::new(),
    };
    Revision { incident: Arc::new(incident), event, urgency_before: Some(urgency) }
}

fn actions(revision: &Revision) -> Vec<(Urgency, Action)> {
    deliveries(revision).iter().map(|d| (d.urgency, d.action)).collect()
}

#[test]
fn each_change_delivers_what_it_must_and_no_more() {
    use Urgency::{Page, Ticket};
    for (kind, status, urgency, expected) in [
        (EventType::Opened, Status::Open, Page, vec![(Page, Action::Trigger)]),
        (EventType::Opened, Status::Open, Ticket, vec![(Ticket, Action::Trigger)]),
        (EventType::Updated, Status::Open, Page, vec![]),
        (EventType::Annotated, Status::Open, Page, vec![]),
        (EventType::Acknowledged, Status::Acknowledged, Page, vec![(Page, Action::Update)]),
        (EventType::Resolved, Status::Resolved, Page, vec![(Page, Action::Resolve)]),
        (EventType::Reopened, Status::Open, Page, vec![(Page, Action::Trigger)]),
        (EventType::Merged, Status::Merged, Page, vec![(Page, Action::Resolve)]),
        (EventType::Merged, Status::Open, Page, vec![]),
    ] {
        assert_eq!(actions(&revision(kind, status, urgency)), expected, "{kind:?} {status:?}");
    }
}

#[test]
fn a_ticket_that_becomes_a_page_pages_and_closes_the_ticket() {
    let mut revision = revision(EventType::Escalated, Status::Open, Urgency::Page);
    revision.urgency_before = Some(Urgency::Ticket);
    let expected = [(Urgency::Page, Action::Trigger), (Urgency::Ticket, Action::Resolve)];
    assert_eq!(actions(&revision), expected);
}

#[test]
fn flapping_holds_triggers_but_not_resolves() {
    for (kind, count) in [(EventType::Reopened, 0), (EventType::Resolved, 1)] {
        let mut revision = revision(kind, Status::Open, Urgency::Page);
        Arc::make_mut(&mut revision.incident).flapping = true;
        assert_eq!(actions(&revision).len(), count, "{kind:?}");
    }
}

#[test]
fn ids_are_those_of_the_contract_and_pages_come_first() {
    let out = outgoing(&revision(EventType::Opened, Status::Open, Urgency::Page));
    let ids: Vec<_> = out.iter().map(Outgoing::id).collect();
    let id = "000001-000007:3";
    let expected =
        [format!("{id}:page:default:0"), format!("{id}:incident"), format!("{id}:event")];
    assert_eq!(ids, expected);
    let kinds: Vec<_> = out.iter().map(Outgoing::kind).collect();
    assert_eq!(kinds, [OutgoingKind::Page, OutgoingKind::Incident, OutgoingKind::Event]);
}
