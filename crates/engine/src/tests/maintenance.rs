//! Time that counts toward no budget.

use model::{AlertState, Labels, Maintenance, RaisedAlert};

use super::*;
use crate::SloStatus;

/// Work on a service, from so many seconds after now on.
fn work(service: &str, now: Timestamp, from_s: i64, length_s: u64) -> Maintenance {
    let s = u64::try_from(i64::try_from(now.unix_s()).unwrap() + from_s).unwrap();
    let from = Timestamp::from_unix_s(s);
    Maintenance {
        name: "db-upgrade".to_owned(),
        services: vec![service.to_owned()],
        reason: "the database is upgraded".to_owned(),
        author: "ada".to_owned(),
        stretches: vec![(from, from.after(Duration::from_secs(length_s)))],
        ..Maintenance::default()
    }
}

fn tell(world: &mut World, told: Maintenance) {
    world.handle(Input::Maintained(told.name.clone(), Some(told)));
    world.handle(Input::Judge);
    world.handle(Input::Checkpoint);
}

fn take_back(world: &mut World) {
    world.handle(Input::Maintained("db-upgrade".to_owned(), None));
    world.handle(Input::Judge);
    world.handle(Input::Checkpoint);
}

fn availability(world: &World, service: &str) -> SloStatus {
    let name = format!("{service}:availability");
    world.engine.view().slos.into_iter().find(|slo| *slo.name == *name).expect("the SLO")
}

fn month(slo: &SloStatus) -> (u64, u64, u64) {
    let own = slo.windows.last().expect("its own window");
    (own.total, own.bad, own.excluded.total)
}

#[test]
fn announced_work_wakes_nobody_and_costs_no_budget() {
    let mut world = World::new();
    world.pass(60, &[("shop", HEALTHY), ("bank", HEALTHY)]);
    let announced = work("shop", world.now, 10, 120);
    tell(&mut world, announced);
    world.pass(15, &[("shop", HEALTHY), ("bank", HEALTHY)]);
    world.pass(60, &[("shop", BROKEN), ("bank", HEALTHY)]);
    let shop = availability(&world, "shop");
    assert!(shop.in_maintenance && !availability(&world, "bank").in_maintenance);
    assert_eq!((shop.budget_remaining_ratio, shop.page), (1.0, AlertState::Inactive));
    let (total, bad, excluded) = month(&shop);
    assert_eq!(bad, 0);
    let per_second = HEALTHY.good + HEALTHY.bad;
    assert!(total <= 75 * per_second && excluded >= 60 * (BROKEN.good + BROKEN.bad));
    // Of the short window, what was worked on is as if it were not there.
    assert_eq!(shop.windows[0].passed, Duration::from_millis(234_500));
    assert!(world.revisions().is_empty());
    world.pass(120, &[("shop", HEALTHY), ("bank", HEALTHY)]);
    assert!(!availability(&world, "shop").in_maintenance && world.revisions().is_empty());
    // What breaks once the work is over is told as ever.
    world.pass(40, &[("shop", BROKEN), ("bank", HEALTHY)]);
    assert_eq!(availability(&world, "shop").page, AlertState::Firing);
}

#[test]
fn work_that_is_told_afterwards_gives_the_budget_back_and_ends_the_alert() {
    let mut world = World::new();
    world.pass(300, &[("shop", HEALTHY)]);
    world.pass(60, &[("shop", BROKEN)]);
    world.pass(10, &[("shop", HEALTHY)]);
    assert_eq!(availability(&world, "shop").page, AlertState::Firing);
    let burned = availability(&world, "shop").budget_remaining_ratio;
    assert!(burned < 1.0);
    let told = work("shop", world.now, -75, 70);
    tell(&mut world, told);
    let shop = availability(&world, "shop");
    assert_eq!((shop.budget_remaining_ratio, month(&shop).1), (1.0, 0));
    world.pass(90, &[("shop", HEALTHY)]);
    assert_eq!(world.incident().status, Status::Resolved);
    let before = month(&availability(&world, "shop"));
    world.restart(Duration::from_millis(1));
    world.handle(Input::Judge);
    assert_eq!(month(&availability(&world, "shop")), before, "a restart changes nothing");
    assert_eq!(world.engine.view().maintenance.len(), 1);
    take_back(&mut world);
    let (_, bad, excluded) = month(&availability(&world, "shop"));
    assert_eq!((bad, excluded), (60 * BROKEN.bad, 0));
    assert!(world.engine.view().maintenance.is_empty());
}

#[test]
fn declared_work_is_as_the_configuration_says_after_every_restart() {
    let mut world = World::new();
    world.options.maintenance = vec![work("shop", world.now, 30, 30)];
    world.engine.redefine(world.options.clone());
    world.pass(30, &[("shop", HEALTHY)]);
    world.pass(20, &[("shop", BROKEN)]);
    world.pass(40, &[("shop", HEALTHY)]);
    assert_eq!(month(&availability(&world, "shop")).1, 0);
    world.options.maintenance.clear();
    world.restart(Duration::from_millis(1));
    world.handle(Input::Judge);
    assert_eq!(month(&availability(&world, "shop")).1, 20 * BROKEN.bad);
}

#[test]
fn alerts_of_others_about_it_wait_until_the_work_is_over() {
    let mut world = World::new();
    world.pass(30, &[("shop", HEALTHY)]);
    let told = work("shop", world.now, 0, 60);
    tell(&mut world, told);
    let pairs = [("alertname", "ShopDown"), ("service", "shop"), ("severity", "critical")];
    let labels: Labels = pairs.map(|(key, value)| (key.to_owned(), value.to_owned())).into();
    let alert = RaisedAlert { labels, ..RaisedAlert::default() };
    world.handle(Input::Raised(vec![alert.clone()]));
    world.pass(50, &[("shop", HEALTHY)]);
    assert!(world.revisions().is_empty());
    world.pass(15, &[("shop", HEALTHY)]);
    world.handle(Input::Raised(vec![alert]));
    world.pass(5, &[("shop", HEALTHY)]);
    assert_eq!(world.deliveries().len(), 1);
}

#[test]
fn an_incident_beside_it_names_the_work_as_a_change() {
    let mut world = World::new();
    world.pass(60, &[("shop", HEALTHY)]);
    let mut told = work("shop", world.now, 0, 60);
    told.slos = vec!["another".to_owned()];
    tell(&mut world, told);
    world.pass(30, &[("shop", BROKEN)]);
    let incident = world.incident();
    let named = incident.changes.iter().find(|change| change.kind == "maintenance");
    let change = named.expect("the work is named");
    assert!(change.summary.starts_with("the database is upgraded, until "), "{}", change.summary);
    assert_eq!(change.source, "ada");
}
