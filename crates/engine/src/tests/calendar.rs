//! Budgets that begin anew by the calendar.

use slo::window::Calendar;

use super::*;
use crate::{SloOptions, WindowStatus};

const WINDOW: Duration = Duration::from_secs(31 * 86_400);

/// A period that began an hour ago and ends in ten minutes, and the next one.
fn periods() -> [Timestamp; 3] {
    let at = |s: u64| {
        Timestamp::from_unix_s(START_S - START_S % 60 + s).before(Duration::from_secs(3600))
    };
    [at(0), at(4200), at(4200 + 31 * 86_400)]
}

fn world() -> World {
    let slo = SloOptions {
        window: WINDOW,
        calendar: Calendar::new(periods()),
        ..declared("shop-ok", "0.9")
    };
    World::of(EngineOptions { automatic: None, slos: vec![slo], ..options() })
}

/// Counts one second's traffic of `at`, now.
fn count(world: &mut World, traffic: Traffic, at: Timestamp) {
    let mut delta = delta("shop", traffic, at);
    let key = SeriesKey::Declared { slo: "shop-ok".into(), group: Vec::new() };
    delta.series[0].key = Arc::new(key);
    world.handle(Input::Delta(Box::new(delta)));
    world.handle(Input::Judge);
    world.handle(Input::Checkpoint);
}

fn pass(world: &mut World, seconds: u64, traffic: Traffic) {
    for _ in 0..seconds {
        world.now = world.now.after(Duration::from_secs(1));
        count(world, traffic, world.now);
    }
}

fn own(world: &World) -> (f64, WindowStatus) {
    let view = world.engine.view();
    let slo = &view.slos[0];
    assert_eq!(slo.window, WINDOW);
    (slo.budget_remaining_ratio, slo.windows.last().expect("its own").clone())
}

#[test]
fn a_budget_begins_anew_with_its_period_and_not_with_a_restart() {
    let [from, until, next] = periods();
    let mut world = world();
    pass(&mut world, 100, Traffic { good: 95, bad: 5 });
    let (left, window) = own(&world);
    assert_eq!((window.from, window.ends_at), (from, Some(until)));
    assert_eq!((window.total, window.bad), (10_000, 500));
    assert!((left - 0.5).abs() < 1e-9, "{left}");
    assert_eq!(window.passed, world.now.since(from));
    world.restart(Duration::from_secs(1));
    world.handle(Input::Judge);
    assert_eq!(own(&world).1.total, 10_000);
    let rest = until.since(world.now).as_secs() + 1;
    pass(&mut world, rest + 5, HEALTHY);
    let (left, window) = own(&world);
    assert_eq!((window.from, window.ends_at, window.bad), (until, Some(next), 0));
    assert_eq!(left, 1.0);
    assert!(window.total < 1_000, "{}", window.total);
    // What comes late for the period before is no burden of this one, and of this one it is.
    let (total, now) = (window.total, world.now);
    count(&mut world, BROKEN, until.before(Duration::from_secs(20)));
    count(&mut world, BROKEN, now);
    let (_, window) = own(&world);
    assert_eq!((window.total, window.bad), (total + 100, 50));
}

#[test]
fn a_budget_that_outlasts_its_period_is_not_said_to_end() {
    let mut world = world();
    let burn = Traffic { good: 85, bad: 15 };
    pass(&mut world, 100, burn);
    let view = world.engine.view();
    // 1.5 times too fast: not before the period ends.
    assert_eq!(view.slos[0].exhausted_at, None);
}
