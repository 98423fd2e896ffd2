//! Groups of an SLO beyond what there is room for.

use super::*;
use crate::rows::SERIES_PER_CHECKPOINT;

const GROUPS: u64 = 8;

fn grouped(groups_max: usize, series_max: usize) -> EngineOptions {
    let slo = SloOptions {
        signal: Some(model::Telemetry::Traces),
        group_by: vec!["route".into()],
        ..declared("routes", "0.99")
    };
    EngineOptions { slos: vec![slo], automatic: None, groups_max, series_max, ..options() }
}

/// A worker's counts of all groups; of the n-th, n good events and one bad one.
fn counts(worker: u32, at: Timestamp) -> PaneDelta {
    let series = |n: u64| SeriesDelta {
        id: n as u32,
        key: Arc::new(SeriesKey::Declared {
            slo: "routes".into(),
            group: vec![format!("/{n}").into()],
        }),
        panes: vec![PaneCount { pane: at.pane(), count: Count::observed(n, 1) }],
        exemplars: Vec::new(),
    };
    PaneDelta { worker, series: (0..GROUPS).map(series).collect(), ..PaneDelta::default() }
}

/// Groups by name with their events.
fn told(world: &World) -> Vec<(String, u64)> {
    let view = world.engine.view();
    let of = |slo: &crate::SloStatus| (slo.group[0].1.to_string(), slo.good_total + slo.bad_total);
    view.slos.iter().map(of).collect()
}

#[test]
fn groups_beyond_the_cap_count_as_one_and_the_total_stays_exact() {
    for options in [grouped(3, 1_000), grouped(1_000, 3)] {
        let mut world = World::of(options);
        for second in 1..=10 {
            world.now = world.now.after(Duration::from_secs(1));
            let delta = counts(second % 2, world.now);
            world.handle(Input::Delta(Box::new(delta)));
            world.handle(Input::Judge);
            world.handle(Input::Checkpoint);
        }
        let all: u64 = 10 * (0..GROUPS).map(|n| n + 1).sum::<u64>();
        let groups = told(&world);
        assert_eq!(groups.iter().map(|(_, events)| events).sum::<u64>(), all);
        let rest = 10 * (3..GROUPS).map(|n| n + 1).sum::<u64>();
        let named = |name: &str| groups.iter().find(|(group, _)| group == name).map(|g| g.1);
        assert_eq!((groups.len(), named("__overflow__"), named("/2")), (4, Some(rest), Some(30)));
        assert_eq!(world.engine.view().dropped.series_refused, 0);
        world.restart(Duration::from_secs(1));
        world.handle(Input::Judge);
        assert_eq!(told(&world), groups);
    }
}

#[test]
fn checkpoints_write_the_series_that_have_waited_longest_and_then_let_the_log_go() {
    const MANY: u64 = SERIES_PER_CHECKPOINT as u64 * 3 / 2;
    let mut world = World::of(grouped(2_000, 2_000));
    let series = |n: u64, at: Timestamp| SeriesDelta {
        id: n as u32,
        key: Arc::new(SeriesKey::Declared {
            slo: "routes".into(),
            group: vec![format!("/{n}").into()],
        }),
        panes: vec![PaneCount { pane: at.pane(), count: Count::observed(n, 1) }],
        exemplars: Vec::new(),
    };
    // The first ones change again and again; the others must not starve.
    let mut written = std::collections::BTreeSet::new();
    for checkpoint in 0..3 {
        world.now = world.now.after(Duration::from_secs(1));
        let touched = if checkpoint == 0 { MANY } else { MANY * 2 / 5 };
        let series = (0..touched).map(|n| series(n, world.now)).collect();
        world.handle(Input::Delta(Box::new(PaneDelta { series, ..PaneDelta::default() })));
        world.effects.clear();
        world.handle(Input::Checkpoint);
        let rows = world.effects.iter().flat_map(|effect| match effect {
            Effect::Persist(rows) => rows.as_slice(),
            _ => &[],
        });
        let keys: Vec<&[u8]> = rows.map(|row| row.key.as_slice()).collect();
        let of_series = keys.iter().filter(|key| key.first() == Some(&b's'));
        let before = written.len();
        let now: Vec<Vec<u8>> = of_series.map(|key| key.to_vec()).collect();
        assert!(now.len() <= SERIES_PER_CHECKPOINT, "{} at once", now.len());
        written.extend(now);
        assert!(written.len() > before || written.len() == MANY as usize);
    }
    assert_eq!(written.len(), MANY as usize, "everyone had a turn");
    let of_log = world.effects.iter().flat_map(|effect| match effect {
        Effect::Persist(rows) => rows.as_slice(),
        _ => &[],
    });
    let let_go = of_log.filter(|row| row.key.first() == Some(&b'l') && row.value.is_none());
    assert_eq!(let_go.count(), 2, "the last entries go once all is written");
}

/// Counts of these groups, each with good and bad events.
fn counted(at: Timestamp, groups: &[(&str, u64, u64)]) -> PaneDelta {
    let series = groups.iter().enumerate().map(|(id, (group, good, bad))| SeriesDelta {
        id: id as u32,
        key: Arc::new(SeriesKey::Declared { slo: "routes".into(), group: vec![(*group).into()] }),
        panes: vec![PaneCount { pane: at.pane(), count: Count::observed(*good, *bad) }],
        exemplars: Vec::new(),
    });
    PaneDelta { series: series.collect(), ..delta("shop", HEALTHY, at) }
}

impl World {
    fn count_groups(&mut self, seconds: u64, groups: &[(&str, u64, u64)]) {
        for _ in 0..seconds {
            self.now = self.now.after(Duration::from_secs(1));
            let delta = counted(self.now, groups);
            self.handle(Input::Delta(Box::new(delta)));
            self.handle(Input::Judge);
            self.handle(Input::Checkpoint);
        }
    }

    /// Good and bad events of all groups together, since they are known and in each window.
    fn totals(&self) -> Vec<(u64, u64)> {
        let slos = self.engine.view().slos;
        let sum = |of: &dyn Fn(&crate::SloStatus) -> (u64, u64)| {
            slos.iter().map(of).fold((0, 0), |(good, bad), (g, b)| (good + g, bad + b))
        };
        let windows = slos.first().map_or(0, |slo| slo.windows.len());
        let in_window = |at: usize| sum(&|slo| (slo.windows[at].total, slo.windows[at].bad));
        let ever = sum(&|slo| (slo.good_total, slo.bad_total));
        std::iter::once(ever).chain((0..windows).map(in_window)).collect()
    }
}

#[test]
fn a_group_with_many_bad_events_takes_the_place_of_one_with_few_and_totals_stay_exact() {
    let mut world = World::of(grouped(3, 1_000));
    let usual = [("/a", 50, 1), ("/b", 50, 0), ("/c", 50, 1), ("/d", 50, 0), ("/e", 50, 0)];
    world.count_groups(60, &usual);
    let names = |world: &World| told(world).into_iter().map(|(name, _)| name).collect::<Vec<_>>();
    assert_eq!(names(&world), ["/a", "/b", "/c", "__overflow__"]);
    let broken = [usual[0], usual[1], usual[2], usual[3], ("/e", 20, 30)];
    world.count_groups(20, &broken);
    assert_eq!(names(&world), ["/a", "/c", "/e", "__overflow__"]);
    let (events, bad) = (80 * 252, 80 * 2 + 20 * 30);
    let totals = world.totals();
    assert_eq!(totals[0], (events - bad, bad));
    assert!(totals.len() > 5 && totals[1..].iter().all(|all| *all == (events, bad)), "{totals:?}");
    let before = (told(&world), world.totals());
    world.restart(Duration::from_secs(1));
    world.handle(Input::Judge);
    assert_eq!((told(&world), world.totals()), before, "what was absorbed counts once");
    world.count_groups(10, &broken);
    world.restart(Duration::from_secs(1));
    world.handle(Input::Judge);
    assert_eq!(names(&world), ["/a", "/c", "/e", "__overflow__"]);
    let alert = world.engine.alerts.firing().find(|alert| alert.labels.contains_key("route"));
    assert_eq!(alert.map(|alert| alert.labels["route"].as_str()), Some("/e"));
}

#[test]
fn groups_do_not_take_turns() {
    let mut world = World::of(grouped(2, 1_000));
    let alike: Vec<(String, u64, u64)> = (0..6).map(|n| (format!("/{n}"), 90, 10)).collect();
    let alike: Vec<_> =
        alike.iter().map(|(name, good, bad)| (name.as_str(), *good, *bad)).collect();
    world.count_groups(600, &alike);
    let named: Vec<_> = told(&world).into_iter().map(|(name, _)| name).collect();
    assert_eq!(named, ["/0", "/1", "__overflow__"]);
}
