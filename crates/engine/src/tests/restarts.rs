use super::*;

fn numbers(engine: &Engine) -> Vec<(Arc<str>, u64, u64, Vec<u64>)> {
    let view = engine.view();
    let windows = |slo: &crate::SloStatus| slo.windows.iter().map(|w| w.total).collect();
    view.slos.iter().map(|s| (s.name.clone(), s.good_total, s.bad_total, windows(s))).collect()
}

#[test]
fn budgets_survive_a_restart_to_the_event() {
    let mut world = World::new();
    world.pass(300, &[("shop", HEALTHY), ("bank", Traffic { good: 999, bad: 1 })]);
    let before = numbers(&world.engine);
    world.restart(Duration::from_millis(1));
    world.handle(Input::Judge);
    assert_eq!(numbers(&world.engine), before);
    assert_eq!(before.len(), 2);
}

#[test]
fn a_restart_in_the_middle_changes_no_number_later() {
    let traffic = [("shop", Traffic { good: 99, bad: 1 })];
    let mut whole = World::new();
    whole.pass(200, &traffic);
    let mut broken = World::new();
    for _ in 0..20 {
        broken.pass(10, &traffic);
        broken.restart(Duration::ZERO);
    }
    broken.handle(Input::Judge);
    assert_eq!(numbers(&broken.engine), numbers(&whole.engine));
}

#[test]
fn what_was_not_checkpointed_is_lost_and_nothing_else() {
    let mut world = World::new();
    world.pass(100, &[("shop", HEALTHY)]);
    world.now = world.now.after(Duration::from_secs(1));
    world.handle(Input::Delta(Box::new(delta("shop", HEALTHY, world.now))));
    world.restart(Duration::from_millis(1));
    world.handle(Input::Judge);
    assert_eq!(world.engine.view().slos[0].good_total, 100 * 100);
}

#[test]
fn an_open_incident_goes_on_under_its_id_and_is_not_told_again() {
    let mut world = World::new();
    world.pass(60, &[("shop", HEALTHY)]);
    world.pass(30, &[("shop", BROKEN)]);
    let _ = world.command(Verb::Acknowledge, "", 0).expect("taken");
    let before = world.incident();
    world.restart(Duration::from_secs(5));
    assert_eq!(world.incident(), before);
    world.pass(30, &[("shop", BROKEN)]);
    let triggers = world.deliveries().iter().filter(|d| d.action == Action::Trigger).count();
    assert_eq!(triggers, 1, "it was told before the restart");
    assert_eq!(world.incident().status, Status::Acknowledged);
    world.pass(600, &[("shop", HEALTHY)]);
    assert_eq!(world.incident().status, Status::Resolved);
}

#[test]
fn a_page_that_was_about_to_open_opens_after_the_restart() {
    let mut world = World::new();
    world.pass(60, &[("shop", HEALTHY)]);
    while !world.effects.iter().any(|effect| matches!(effect, Effect::Recall { .. })) {
        world.pass(1, &[("shop", BROKEN)]);
    }
    world.handle(Input::Checkpoint);
    assert!(world.deliveries().is_empty());
    world.restart(Duration::from_secs(1));
    world.pass(2, &[("shop", BROKEN)]);
    assert_eq!(world.deliveries().len(), 1);
}

#[test]
fn ids_go_on_after_a_restart() {
    let mut world = World::new();
    world.pass(60, &[("shop", HEALTHY)]);
    world.pass(30, &[("shop", BROKEN)]);
    let first = world.incident().id;
    world.restart(Duration::from_secs(1));
    world.pass(60, &[("bank", HEALTHY)]);
    world.pass(30, &[("bank", BROKEN)]);
    let ids: Vec<_> = world.engine.incidents().map(|incident| incident.id).collect();
    assert_eq!((ids[0], ids[1].number), (first, first.number + 1));
}

#[test]
fn time_that_fogbell_was_down_is_a_gap_and_no_silence() {
    let mut world = World::new();
    world.pass(300, &[("shop", HEALTHY)]);
    world.restart(Duration::from_secs(600));
    world.pass(5, &[("shop", HEALTHY)]);
    let view = world.engine.view();
    let hour = view.slos[0].windows.iter().find(|w| w.window.as_secs() == 3600).expect("1h");
    let covered = hour.coverage * 3600.0;
    assert!((295.0..=310.0).contains(&covered), "{covered} s of 905 s were covered");
    assert_eq!(hour.total, 305 * 100);
}

#[test]
fn rows_of_another_kind_are_told_and_left_out() {
    let rows = vec![(b"s12345678".to_vec(), vec![9, 9]), (b"?".to_vec(), vec![1])];
    let (engine, report) = Engine::restore(options(), rows, start(), start());
    assert_eq!((report.rows, report.unreadable, engine.incidents().count()), (2, 2, 0));
}

#[test]
fn the_log_is_cut_once_all_series_are_written_whole() {
    let mut world = World::new();
    world.pass(120, &[("shop", HEALTHY)]);
    let rows = stored(&world.effects);
    let log = rows.iter().filter(|(key, _)| key[0] == b'l').count();
    assert!(log <= 2, "{log} entries of the log are left");
}

#[test]
fn redefining_keeps_what_was_counted() {
    let mut world = World::new();
    world.pass(100, &[("shop", HEALTHY)]);
    let strict = AutomaticOptions {
        availability: objective("0.9999"),
        ..options().automatic.expect("automatic")
    };
    world.engine.redefine(EngineOptions { automatic: Some(strict), ..options() });
    world.pass(1, &[("shop", HEALTHY)]);
    let view = world.engine.view();
    assert_eq!(view.slos[0].good_total, 101 * 100);
    assert!((view.slos[0].objective - 0.9999).abs() < 1e-12);
}

/// Two streams of a histogram each second, of a service that sends nothing else.
fn cumulative(at: Timestamp, started: Timestamp, requests: u64) -> PaneDelta {
    let service = service("shop");
    let key = |sli| {
        let source = AutomaticSource::Histograms;
        Arc::new(SeriesKey::Automatic { service: Arc::clone(&service), sli, source })
    };
    let point = |id: u32| StreamPoint {
        stream: 77 + u128::from(id),
        id,
        start: started,
        time: at,
        counted: Counted { total: requests, bad: 0, uncertain: 0 },
        beside: Counted { total: requests, bad: requests / 10, uncertain: 0 },
        ended: false,
        is_delta: false,
    };
    PaneDelta {
        points: vec![PointsDelta {
            id: 0,
            key: key(AutomaticSli::Availability),
            kind: PointKind::TotalAndBad,
            beside: Some((1, key(AutomaticSli::Latency))),
            points: vec![point(0), point(1)],
        }],
        ..PaneDelta::default()
    }
}

fn totals(world: &mut World) -> Vec<(u64, u64)> {
    world.handle(Input::Judge);
    world.engine.view().slos.iter().map(|slo| (slo.good_total, slo.bad_total)).collect()
}

#[test]
fn cumulative_streams_go_on_after_a_restart_and_count_nothing_twice() {
    let mut world = World::new();
    let started = world.now;
    for second in 1..=120 {
        world.now = world.now.after(Duration::from_secs(1));
        let delta = cumulative(world.now, started, 10 * second);
        world.handle(Input::Delta(Box::new(delta)));
        if second % 7 == 0 {
            world.handle(Input::Judge);
            world.handle(Input::Checkpoint);
            world.restart(Duration::ZERO);
        }
    }
    assert_eq!(totals(&mut world), [(2400, 0), (2160, 240)]);
}

#[test]
fn a_stream_that_counted_nothing_yet_keeps_its_baseline_over_restarts() {
    let mut world = World::new();
    let before = world.now.before(Duration::from_secs(86_400));
    // It began long ago: its first point is only the baseline, and no event is counted.
    world.now = world.now.after(Duration::from_secs(1));
    let mut delta = cumulative(world.now, before, 5000);
    world.handle(Input::Delta(Box::new(delta.clone())));
    for _ in 0..3 {
        world.now = world.now.after(Duration::from_secs(1));
        world.handle(Input::Checkpoint);
        world.restart(Duration::from_secs(1));
    }
    delta.points[0].points.iter_mut().for_each(|point| {
        point.time = world.now;
        point.counted.total += 30;
        point.beside.total += 30;
    });
    world.handle(Input::Delta(Box::new(delta)));
    assert_eq!(totals(&mut world), [(60, 0), (60, 0)]);
}

#[test]
fn what_a_checkpoint_writes_of_streams_follows_what_has_changed() {
    let mut world = World::new();
    let written = |world: &mut World| {
        world.effects.clear();
        world.handle(Input::Checkpoint);
        let rows = stored(&world.effects);
        rows.iter().filter(|(key, _)| [b'b', b't'].contains(&key[0])).count()
    };
    let started = world.now;
    world.now = world.now.after(Duration::from_secs(1));
    let first = cumulative(world.now, started, 10);
    world.handle(Input::Delta(Box::new(first)));
    assert_eq!(written(&mut world), 2, "who they are, and where they stand");
    assert_eq!(written(&mut world), 0);
    world.now = world.now.after(Duration::from_secs(1));
    let second = cumulative(world.now, started, 20);
    world.handle(Input::Delta(Box::new(second)));
    assert_eq!(written(&mut world), 1);
}

#[test]
fn a_change_that_was_told_is_known_after_a_restart() {
    let mut world = World::new();
    world.pass(60, &[("shop", HEALTHY)]);
    let change = |id: &str, at| Change {
        id: id.to_owned(),
        kind: "deploy".to_owned(),
        service: "shop".to_owned(),
        summary: format!("shop {id}"),
        at,
        url: String::new(),
        source: "ci".to_owned(),
    };
    let ahead = world.now.after(Duration::from_secs(3600));
    world.handle(Input::Changed(vec![change("a", Timestamp::ZERO), change("b", ahead)]));
    world.handle(Input::Changed(vec![change("a", Timestamp::ZERO)]));
    let told_at = world.now;
    world.handle(Input::Checkpoint);
    world.restart(Duration::from_secs(1));
    world.pass(5, &[("shop", HEALTHY)]);
    world.pass(30, &[("shop", BROKEN)]);
    let changes = &world.incident().changes;
    let told: Vec<_> = changes.iter().map(|change| (&*change.id, change.at)).collect();
    assert_eq!(told, [("a", told_at), ("b", told_at)]);
}
