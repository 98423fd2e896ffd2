use super::*;

#[test]
fn a_service_that_breaks_pages_once_and_resolves_once() {
    let mut world = World::new();
    world.pass(60, &[("shop", HEALTHY)]);
    assert!(world.deliveries().is_empty());
    world.pass(20, &[("shop", BROKEN)]);
    world.pass(700, &[("shop", HEALTHY)]);
    let deliveries = world.deliveries();
    let told: Vec<_> = deliveries.iter().map(|d| (d.urgency, d.action)).collect();
    assert_eq!(told, [(Urgency::Page, Action::Trigger), (Urgency::Page, Action::Resolve)]);
    assert_eq!(world.incident().status, Status::Resolved);
    let last = world.revisions().last().map(|r| (r.event.kind, r.event.reason.clone()));
    assert_eq!(last, Some((EventType::Resolved, "all members have cleared".to_owned())));
}

#[test]
fn a_young_service_pages_when_it_was_heard_for_thirty_seconds() {
    let mut world = World::new();
    world.pass(29, &[("shop", BROKEN)]);
    assert!(world.deliveries().is_empty());
    world.pass(3, &[("shop", BROKEN)]);
    assert_eq!(world.deliveries().len(), 1);
}

#[test]
fn few_bad_events_page_nobody() {
    let mut world = World::new();
    world.pass(60, &[("shop", Traffic { good: 1, bad: 0 })]);
    world.pass(9, &[("shop", Traffic { good: 0, bad: 1 })]);
    assert!(world.deliveries().is_empty(), "nine are below the minimum of ten");
    world.pass(2, &[("shop", Traffic { good: 0, bad: 1 })]);
    assert_eq!(world.deliveries().len(), 1);
}

#[test]
fn silence_freezes_and_is_no_health() {
    let mut world = World::new();
    world.pass(60, &[("shop", HEALTHY)]);
    world.pass(20, &[("shop", BROKEN)]);
    world.pass(1200, &[]);
    assert!(!world.kinds().contains(&EventType::Resolved), "{:?}", world.kinds());
    assert_eq!(world.incident().status, Status::Open);
}

#[test]
fn what_burns_again_soon_reopens_the_same_incident() {
    let mut world = World::new();
    world.pass(60, &[("shop", HEALTHY)]);
    world.pass(20, &[("shop", BROKEN)]);
    world.pass(400, &[("shop", HEALTHY)]);
    assert_eq!(world.incident().status, Status::Resolved);
    world.pass(30, &[("shop", BROKEN)]);
    assert_eq!(world.engine.incidents().count(), 1);
    assert!(world.kinds().contains(&EventType::Reopened));
    let triggers = world.deliveries().iter().filter(|d| d.action == Action::Trigger).count();
    assert_eq!(triggers, 2);
}

#[test]
fn a_page_asks_for_its_traces_and_leaves_when_they_do_not_come() {
    let mut world = World::new();
    world.pass(60, &[("shop", HEALTHY)]);
    while !world.effects.iter().any(|effect| matches!(effect, Effect::Recall { .. })) {
        world.pass(1, &[("shop", BROKEN)]);
    }
    assert!(world.deliveries().is_empty(), "it waits");
    world.now = world.now.after(Duration::from_millis(299));
    world.handle(Input::Judge);
    assert!(world.deliveries().is_empty(), "it still waits");
    world.now = world.now.after(Duration::from_millis(1));
    world.handle(Input::Judge);
    assert_eq!(world.deliveries().len(), 1);
}

#[test]
fn an_answered_recall_lets_the_page_leave_at_once() {
    let mut world = World::new();
    world.pass(60, &[("shop", HEALTHY)]);
    let request = loop {
        world.pass(1, &[("shop", BROKEN)]);
        let asked = world.effects.iter().find_map(|effect| match effect {
            Effect::Recall { request, trace_ids } => Some((*request, trace_ids.len())),
            _ => None,
        });
        if let Some((request, traces)) = asked {
            assert!(traces > 0);
            break request;
        }
    };
    world.handle(Input::Recalled { request, spans: Vec::new() });
    assert_eq!(world.deliveries().len(), 1);
}

#[test]
fn faults_that_have_nothing_to_do_with_each_other_stay_apart() {
    let mut world = World::new();
    world.pass(60, &[("shop", HEALTHY), ("bank", HEALTHY)]);
    world.pass(30, &[("shop", BROKEN), ("bank", BROKEN)]);
    assert_eq!(world.engine.incidents().count(), 2);
}

#[test]
fn commands_are_carried_out_once_and_stale_ones_are_refused() {
    let mut world = World::new();
    world.pass(60, &[("shop", HEALTHY)]);
    world.pass(30, &[("shop", BROKEN)]);
    let taken = world.command(Verb::Acknowledge, "r1", 0).expect("taken");
    assert_eq!(taken.status, Status::Acknowledged);
    let again = world.command(Verb::Acknowledge, "r1", 0).expect("the same command");
    assert_eq!(again.revision, taken.revision);
    let stale = world.command(Verb::Resolve, "r2", taken.revision - 1);
    assert_eq!(stale, Err(Refusal::Stale { revision: taken.revision }));
    let resolved = world.command(Verb::Resolve, "r3", taken.revision).expect("resolved");
    assert_eq!(resolved.status, Status::Resolved);
}

#[test]
fn what_is_snoozed_wakes_up() {
    let mut world = World::new();
    world.pass(60, &[("shop", HEALTHY)]);
    world.pass(30, &[("shop", BROKEN)]);
    let until = world.now.after(Duration::from_secs(60));
    let snoozed = world.command(Verb::Snooze { until }, "", 0).expect("snoozed");
    assert_eq!(snoozed.status, Status::Snoozed);
    world.pass(59, &[("shop", BROKEN)]);
    assert_eq!(world.incident().status, Status::Snoozed);
    world.pass(2, &[("shop", BROKEN)]);
    assert_eq!(world.incident().status, Status::Open);
}

#[test]
fn time_never_steps_back() {
    let mut world = World::new();
    world.pass(60, &[("shop", HEALTHY)]);
    let now = world.engine.now();
    world.engine.handle(Input::Judge, start());
    assert_eq!(world.engine.now(), now);
}

#[test]
fn revisions_of_an_incident_leave_in_order_and_pages_before_them() {
    let mut world = World::new();
    world.pass(60, &[("shop", HEALTHY)]);
    world.pass(120, &[("shop", BROKEN)]);
    world.pass(700, &[("shop", HEALTHY)]);
    let revisions: Vec<_> = world.revisions().iter().map(|r| r.incident.revision).collect();
    let expected: Vec<_> = (1..=revisions.len() as u64).collect();
    assert_eq!(revisions, expected);
    let page = world
        .effects
        .iter()
        .position(|e| matches!(e, Effect::Send(out) if out.kind() == model::OutgoingKind::Page));
    let persist = world.effects.iter().position(
        |e| matches!(e, Effect::Persist(rows) if rows.iter().any(|row| row.key[0] == b'i')),
    );
    assert!(persist < page, "state is written down before the page is sent");
}

#[test]
fn services_beyond_the_cap_are_judged_together() {
    let mut world = World::new();
    let names: Vec<_> = (0..150).map(|n| format!("service-{n:03}")).collect();
    let traffic: Vec<_> = names.iter().map(|name| (name.as_str(), HEALTHY)).collect();
    world.pass(10, &traffic);
    let view = world.engine.view();
    assert!(view.services <= 101, "{} services", view.services);
    let overflow = view.slos.iter().find(|slo| slo.name.starts_with(Service::OVERFLOW));
    let good = overflow.expect("the overflow is judged").good_total;
    let told: u64 = view.slos.iter().map(|slo| slo.good_total).sum();
    assert_eq!((good, told), (50 * 1000, 150 * 1000), "no event is lost");
}

#[test]
fn an_account_says_how_the_numbers_of_an_slo_came_to_be() {
    let mut world = World::new();
    world.pass(60, &[("shop", HEALTHY)]);
    world.pass(5, &[("shop", BROKEN)]);
    let accounts = world.engine.account("shop:availability");
    let [account] = accounts.as_slice() else { panic!("{accounts:?}") };
    let five_minutes = account.windows.iter().find(|w| w.window == Duration::from_secs(300));
    let five_minutes = five_minutes.expect("a window of the table");
    assert_eq!((five_minutes.good, five_minutes.bad), (60 * 100 + 5 * 50, 5 * 50));
    assert_eq!(five_minutes.bad_observed, 250);
    assert_eq!(account.windows.len(), account.status.windows.len());
    assert_eq!(account.rules.len(), DEFAULT_RULES.len());
    assert_eq!(account.rules[0].verdict, slo::judge::Verdict::Firing);
    assert!(account.rules[0].text.contains("14.4"), "{}", account.rules[0].text);
    assert_eq!((account.bad_events_min, account.heard_at), (10, world.now));
    assert!(!account.bad_events.is_empty());
    assert!(world.engine.account("nothing").is_empty());
}
