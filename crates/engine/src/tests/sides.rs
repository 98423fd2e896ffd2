//! SLIs whose total and good are two metrics, which come one after the other.

use super::*;

const SECOND: Duration = Duration::from_secs(1);

struct Counters {
    world: World,
    started: Timestamp,
}

impl Counters {
    fn new() -> Self {
        let mut world = World::new();
        let started = world.now;
        world.engine = Engine::new(counted(), start());
        Self { world, started }
    }

    /// One of the two counters tells what it has come to, of an instance.
    fn tell(&mut self, kind: PointKind, instance: u128, total: u64) {
        let key = SeriesKey::Declared { slo: "paid".into(), group: Vec::new() };
        let point = StreamPoint {
            stream: instance << 64 | kind as u128,
            id: StreamPoint::NO_ID,
            start: self.started,
            time: self.world.now,
            counted: Counted { total, bad: 0, uncertain: 0 },
            beside: Counted::default(),
            ended: false,
            is_delta: false,
        };
        let points =
            PointsDelta { id: 0, key: Arc::new(key), kind, beside: None, points: vec![point] };
        let heard = delta("pay", Traffic { good: 0, bad: 0 }, self.world.now).services;
        let delta = PaneDelta { points: vec![points], services: heard, ..PaneDelta::default() };
        self.world.handle(Input::Delta(Box::new(delta)));
        self.world.handle(Input::Judge);
        self.world.handle(Input::Checkpoint);
    }

    fn pass(&mut self, seconds: u32) {
        for _ in 0..seconds {
            self.world.now = self.world.now.after(SECOND);
            self.world.handle(Input::Judge);
            self.world.handle(Input::Checkpoint);
        }
    }

    fn restart(&mut self) {
        let rows = stored(&self.world.effects);
        let now = self.world.now;
        self.world.engine = Engine::restore(counted(), rows, now, now).0;
    }

    fn counts(&mut self) -> (u64, u64) {
        self.world.handle(Input::Judge);
        let slo = self.world.engine.view().slos[0].clone();
        (slo.good_total, slo.bad_total)
    }
}

fn counted() -> EngineOptions {
    let slo = SloOptions { service: "pay".into(), ..declared("paid", "0.999") };
    EngineOptions { slos: vec![slo], automatic: None, ..options() }
}

#[test]
fn a_total_without_its_good_yet_pages_nobody() {
    let mut counters = Counters::new();
    for minute in 1..=90 {
        counters.pass(57);
        counters.tell(PointKind::Total, 1, 600 * minute - 30);
        counters.pass(3);
        counters.tell(PointKind::Good, 1, 600 * minute);
        assert_eq!(counters.counts(), (600 * minute - 30, 0));
    }
    assert_eq!(counters.world.kinds(), []);
}

#[test]
fn good_that_stays_away_is_bad_after_a_while() {
    let mut counters = Counters::new();
    counters.pass(60);
    counters.tell(PointKind::Good, 1, 600);
    counters.tell(PointKind::Total, 1, 600);
    // Nothing good came since, as its counter tells.
    counters.pass(60);
    counters.tell(PointKind::Total, 1, 1200);
    counters.tell(PointKind::Good, 1, 600);
    assert_eq!(counters.counts(), (600, 600));
    // Then the counter is gone.
    counters.pass(60);
    counters.tell(PointKind::Total, 1, 1800);
    counters.pass(89);
    assert_eq!(counters.counts(), (600, 600));
    counters.pass(1);
    assert_eq!(counters.counts(), (600, 1200));
    assert_eq!(counters.world.kinds().first(), Some(&EventType::Opened));
}

#[test]
fn what_waits_survives_a_restart_and_counts_once() {
    let mut counters = Counters::new();
    counters.pass(60);
    for instance in 1..=3 {
        counters.tell(PointKind::Total, instance, 600);
        counters.restart();
    }
    assert_eq!(counters.counts(), (0, 0));
    for instance in 1..=3 {
        counters.restart();
        counters.tell(PointKind::Good, instance, 600);
    }
    counters.pass(10);
    counters.restart();
    counters.pass(1);
    assert_eq!(counters.counts(), (1800, 0));
}
