//! Alerts that other systems raise.

use std::collections::BTreeSet;

use correlate::book::MEMBERS_MAX;
use dispatch::{Route, Routes};
use model::{Fingerprint, Labels, MemberState, RaisedAlert, SpanRecord};

use super::*;
use crate::RESOLVE_AFTER;

fn raised(pairs: &[(&str, &str)]) -> RaisedAlert {
    let labels: Labels =
        pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
    RaisedAlert { labels, ..RaisedAlert::default() }
}

fn alert(name: &str, service: &str) -> RaisedAlert {
    raised(&[("alertname", name), ("service", service), ("severity", "critical")])
}

fn raise(world: &mut World, alerts: &[RaisedAlert]) {
    world.handle(Input::Raised(alerts.to_vec()));
    world.pass(1, &[]);
}

/// A trace in which one service calls the other, well.
fn calls(caller: &str, callee: &str, at: Timestamp) -> PaneDelta {
    let id = |byte: u8| SpanId([byte; 8]);
    let span = |name: &str, kind, own: u8, parent: u8| SpanRecord {
        trace_id: TraceId((u128::from(at.unix_ns()) << 8 | u128::from(own)).to_be_bytes()),
        span_id: id(own),
        parent_span_id: id(parent),
        service: service(name),
        operation: "op".into(),
        kind,
        start: at,
        duration_ns: 1_000_000,
        error: false,
        message: "".into(),
        peer: None,
        tags: Arc::from([]),
    };
    let mut spans =
        vec![span(caller, SpanKind::Client, 1, 0), span(callee, SpanKind::Server, 2, 1)];
    let trace_id = TraceId(rand_of(caller, callee).to_be_bytes());
    spans.iter_mut().for_each(|span| span.trace_id = trace_id);
    PaneDelta { spans, sample_weight: 1, ..PaneDelta::default() }
}

fn rand_of(caller: &str, callee: &str) -> u128 {
    let text = format!("{caller}>{callee}");
    text.bytes().fold(7, |hash: u128, byte| hash.wrapping_mul(0x100_0000_01b3) ^ u128::from(byte))
}

fn learn(world: &mut World, edges: &[(&str, &str)]) {
    for (caller, callee) in edges {
        let delta = calls(caller, callee, world.now);
        world.handle(Input::Delta(Box::new(delta)));
    }
    world.pass(5, &[]);
}

#[test]
fn a_raised_alert_opens_a_page_and_ends_when_it_is_taken_back_or_no_longer_repeated() {
    let mut world = World::new();
    raise(&mut world, &[alert("HighErrorRate", "cart")]);
    assert_eq!(world.kinds(), [EventType::Opened]);
    assert_eq!(world.incident().urgency, Urgency::Page);
    assert!(world.incident().members[0].external);
    for _ in 0..3 {
        world.pass(120, &[]);
        raise(&mut world, &[alert("HighErrorRate", "cart")]);
    }
    assert_eq!(world.deliveries().len(), 1, "a repetition wakes nobody");
    world.pass(RESOLVE_AFTER.as_secs() + 62, &[]);
    assert_eq!(world.incident().status, Status::Resolved);

    let mut again = alert("HighErrorRate", "cart");
    again.ends_at = world.now.after(Duration::from_secs(3600));
    raise(&mut world, &[again.clone()]);
    assert_eq!(world.incident().status, Status::Open);
    world.pass(RESOLVE_AFTER.as_secs() + 62, &[]);
    assert_eq!(world.incident().status, Status::Open, "it says itself when it ends");
    again.ends_at = world.now;
    raise(&mut world, &[again]);
    world.pass(62, &[]);
    assert_eq!(world.incident().status, Status::Resolved);
}

#[test]
fn what_is_not_critical_is_a_ticket() {
    let mut world = World::new();
    let warning = raised(&[("alertname", "DiskFilling"), ("pod", "kafka-0")]);
    raise(&mut world, &[warning]);
    world.pass(31, &[]);
    assert_eq!(world.incident().urgency, Urgency::Ticket);
    assert_eq!(world.incident().causes[0].service, "kafka");
}

#[test]
fn alerts_join_along_the_learnt_graph_and_the_one_furthest_down_is_the_cause() {
    let mut world = World::new();
    learn(&mut world, &[("frontend", "checkout"), ("checkout", "payment"), ("a", "b")]);
    raise(&mut world, &[alert("HighErrorRate", "payment")]);
    raise(&mut world, &[alert("HighErrorRate", "checkout"), alert("HighLatency", "frontend")]);
    raise(&mut world, &[alert("HighErrorRate", "b")]);
    let incidents: Vec<_> = world.engine.incidents().collect();
    assert_eq!(incidents.iter().map(|i| i.members.len()).collect::<Vec<_>>(), [3, 1]);
    assert_eq!(incidents[0].causes[0].service, "payment");
    assert_eq!(incidents[1].causes[0].service, "b");
    let paged = world.deliveries().iter().filter(|d| d.action == Action::Trigger).count();
    assert_eq!(paged, 2, "a late member wakes nobody");
}

#[test]
fn who_no_longer_hears_anything_is_a_symptom() {
    let mut world = World::new();
    learn(&mut world, &[("frontend", "checkout"), ("checkout", "email")]);
    raise(&mut world, &[alert("NoRequestsReceived", "email"), alert("HighErrorRate", "checkout")]);
    assert_eq!(world.incident().causes[0].service, "checkout");
}

#[test]
fn raised_alerts_outlive_a_restart_and_have_a_whole_timeout_then() {
    let mut world = World::new();
    raise(&mut world, &[alert("HighErrorRate", "cart"), alert("HighErrorRate", "web")]);
    world.pass(2, &[]);
    world.restart(Duration::from_secs(200));
    assert_eq!(world.engine.incidents().map(|i| i.members.len()).sum::<usize>(), 2);
    world.pass(250, &[]);
    assert!(world.engine.incidents().all(|incident| incident.status == Status::Open));
    world.pass(120, &[]);
    assert!(world.engine.incidents().all(|incident| incident.status == Status::Resolved));
}

/// Alerts about as many pods of one service.
fn storm(pods: std::ops::Range<usize>) -> Vec<RaisedAlert> {
    let about = |pod: usize| {
        let mut one = alert("HighErrorRate", "cart");
        let _ = one.labels.insert("pod".to_owned(), format!("cart-{pod}"));
        one
    };
    pods.map(about).collect()
}

fn take_back(world: &mut World, alerts: Vec<RaisedAlert>) {
    let ends_at = world.now;
    let over: Vec<_> = alerts.into_iter().map(|one| RaisedAlert { ends_at, ..one }).collect();
    raise(world, &over);
}

#[test]
fn a_storm_about_one_service_is_one_page_that_lasts_as_long_as_any_of_its_members() {
    const PODS: usize = 5_000;
    let mut world = World::new();
    for part in storm(0..PODS).chunks(500) {
        raise(&mut world, part);
    }
    let count = |world: &World| (world.incident().members.len(), world.incident().member_count);
    world.pass(6, &[]);
    assert_eq!(count(&world), (MEMBERS_MAX, PODS as u32));

    // Those that are shown clear, and others are shown in their place.
    let shown: BTreeSet<String> =
        world.incident().members.iter().map(|member| member.labels["pod"].clone()).collect();
    let (cleared, left): (Vec<_>, Vec<_>) =
        storm(0..PODS).into_iter().partition(|one| shown.contains(&one.labels["pod"]));
    take_back(&mut world, cleared);
    world.pass(120, &[]);
    assert_eq!(world.incident().status, Status::Open);
    assert!(world.incident().members.iter().all(|member| member.state == MemberState::Firing));
    assert_eq!(count(&world), (MEMBERS_MAX, PODS as u32));

    world.restart(Duration::from_secs(5));
    raise(&mut world, &storm(PODS..PODS + 7));
    world.pass(6, &[]);
    assert_eq!(count(&world), (MEMBERS_MAX, PODS as u32 + 7));

    take_back(&mut world, left);
    world.pass(90, &[]);
    assert_eq!(world.incident().status, Status::Open, "seven still fire");
    take_back(&mut world, storm(PODS..PODS + 7));
    world.pass(90, &[]);
    assert_eq!(world.incident().status, Status::Resolved);
    assert_eq!(count(&world).1, PODS as u32 + 7);
    // One that was never shown comes back.
    raise(&mut world, &storm(PODS - 1..PODS));
    assert_eq!(world.incident().status, Status::Open);
    assert_eq!(world.engine.incidents().count(), 1);
}

#[test]
fn a_member_that_asks_for_more_is_shown_in_a_full_incident() {
    let mut world = World::new();
    let tickets = storm(0..200).into_iter().map(|mut one| {
        let _ = one.labels.insert("severity".to_owned(), "warning".to_owned());
        one
    });
    raise(&mut world, &tickets.collect::<Vec<_>>());
    world.pass(31, &[]);
    assert_eq!(world.incident().urgency, Urgency::Ticket);
    raise(&mut world, &storm(999..1000));
    let incident = world.incident();
    assert_eq!((incident.urgency, incident.member_count), (Urgency::Page, 201));
    assert!(incident.members.iter().any(|member| member.labels["pod"] == "cart-999"));
}

#[test]
fn whom_a_member_that_is_not_shown_names_is_told() {
    let mut world = World::new();
    raise(&mut world, &storm(0..MEMBERS_MAX));
    let told = world.deliveries().len();
    let one = storm(700..701);
    let fingerprint = Fingerprint::of(&one[0].labels);
    world.handle(Input::Raised(one));
    let mut routes = Routes::default();
    let (name, urgency) = ("ledger-team".to_owned(), Urgency::Page);
    routes.add(Route { name, urgency, tells_resolved: true });
    let _ = world.engine.tell(fingerprint, routes, true);
    world.pass(1, &[]);
    assert!(world.incident().members.iter().all(|member| member.fingerprint != fingerprint));
    let new = world.deliveries().split_off(told);
    let routes: Vec<&str> = new.iter().map(|delivery| delivery.route.as_str()).collect();
    assert_eq!(routes, ["ledger-team"]);
}

#[test]
fn a_cascade_over_twenty_minutes_is_one_incident_and_one_page() {
    let mut world = World::new();
    let chain = ["edge", "web", "checkout", "payment", "ledger"];
    let edges: Vec<(&str, &str)> = chain.windows(2).map(|pair| (pair[0], pair[1])).collect();
    learn(&mut world, &edges);
    let mut burning: Vec<RaisedAlert> = Vec::new();
    for name in chain.iter().rev() {
        burning.push(alert("HighErrorRate", name));
        for _ in 0..4 {
            raise(&mut world, &burning);
            world.pass(60, &[]);
        }
    }
    assert_eq!(world.engine.incidents().count(), 1);
    assert_eq!(world.incident().members.len(), chain.len());
    assert_eq!(world.incident().causes[0].service, "ledger");
    let paged = world.deliveries().iter().filter(|d| d.action == Action::Trigger).count();
    assert_eq!(paged, 1);
}
