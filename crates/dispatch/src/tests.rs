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
    Revision { incident: Arc::new(incident), event }
}

/// Where only the default route is told, and was told as much before.
fn actions(revision: &Revision) -> Vec<(Urgency, Action)> {
    let routes = Routes::of_default(revision.incident.urgency);
    deliveries(revision, &routes, &routes).iter().map(|d| (d.urgency, d.action)).collect()
}

fn route(name: &str, urgency: Urgency, tells_resolved: bool) -> Route {
    Route { name: name.to_owned(), urgency, tells_resolved }
}

fn routes(all: &[Route]) -> Routes {
    let mut routes = Routes::default();
    all.iter().cloned().for_each(|route| routes.add(route));
    routes
}

fn told(kind: EventType, before: &Routes, after: &Routes) -> Vec<(String, Urgency, Action)> {
    let status = match kind {
        EventType::Resolved => Status::Resolved,
        _ => Status::Open,
    };
    let deliveries = deliveries(&revision(kind, status, Urgency::Page), before, after);
    deliveries.into_iter().map(|d| (d.route, d.urgency, d.action)).collect()
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
    let revision = revision(EventType::Escalated, Status::Open, Urgency::Page);
    let (ticket, page) = (Urgency::Ticket, Urgency::Page);
    let (before, after) = (Routes::of_default(ticket), Routes::of_default(page));
    let told = deliveries(&revision, &before, &after);
    let told: Vec<_> = told.iter().map(|d| (d.urgency, d.action)).collect();
    assert_eq!(told, [(page, Action::Trigger), (ticket, Action::Resolve)]);
}

#[test]
fn each_route_is_told_what_it_asks_for() {
    let all =
        routes(&[route("on-call", Urgency::Page, true), route("mail", Urgency::Ticket, false)]);
    let none = Routes::default();
    let trigger = [
        ("mail".to_owned(), Urgency::Ticket, Action::Trigger),
        ("on-call".to_owned(), Urgency::Page, Action::Trigger),
    ];
    assert_eq!(told(EventType::Opened, &none, &all), trigger);
    assert_eq!(told(EventType::Reopened, &all, &all), trigger);
    let end = [("on-call".to_owned(), Urgency::Page, Action::Resolve)];
    assert_eq!(told(EventType::Resolved, &all, &all), end, "mail does not want to know");
}

#[test]
fn a_route_that_joins_is_triggered_and_the_others_are_left_alone() {
    let before = routes(&[route("mail", Urgency::Ticket, true)]);
    let mut after = before.clone();
    after.add(route("on-call", Urgency::Page, true));
    let joined = [("on-call".to_owned(), Urgency::Page, Action::Trigger)];
    for kind in [EventType::Updated, EventType::Escalated, EventType::Merged] {
        assert_eq!(told(kind, &before, &after), joined, "{kind:?}");
        assert_eq!(told(kind, &after, &after), []);
    }
}

#[test]
fn a_route_asks_for_the_most_and_is_told_if_anybody_wants_it_so() {
    let mut all = routes(&[route("mail", Urgency::Ticket, false)]);
    assert!(all.exceeds(&Routes::default()) && !all.exceeds(&all));
    all.extend(&routes(&[route("mail", Urgency::Page, true)]));
    assert_eq!(all, routes(&[route("mail", Urgency::Page, true)]));
    assert!(all.exceeds(&routes(&[route("mail", Urgency::Ticket, true)])));
    assert!(Routes::of_default(Urgency::Page).is_default());
    assert!(!routes(&[route(DEFAULT_ROUTE, Urgency::Page, false)]).is_default());
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
    let routes = Routes::of_default(Urgency::Page);
    let out = outgoing(&revision(EventType::Opened, Status::Open, Urgency::Page), &routes, &routes);
    let ids: Vec<_> = out.iter().map(Outgoing::id).collect();
    let id = "000001-000007:3";
    let expected =
        [format!("{id}:page:default:0"), format!("{id}:incident"), format!("{id}:event")];
    assert_eq!(ids, expected);
    let kinds: Vec<_> = out.iter().map(Outgoing::kind).collect();
    assert_eq!(kinds, [OutgoingKind::Page, OutgoingKind::Incident, OutgoingKind::Event]);
}
