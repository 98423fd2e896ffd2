//! Groups of an SLO beyond what there is room for.

use super::*;
use crate::SloOptions;
use crate::rows::SERIES_PER_CHECKPOINT;

const GROUPS: u64 = 8;

fn grouped(groups_max: usize, series_max: usize) -> EngineOptions {
    let slo = SloOptions {
        name: "routes".into(),
        service: "shop".into(),
        signal: None,
        objective: objective("0.99"),
        window: Duration::from_secs(30 * 86_400),
        calendar: None,
        slicing: None,
        rules: None,
        no_data: Vec::new(),
        composite: None,
        part_of: None,
        group_by: vec!["route".into()],
        runbook: None,
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
