//! Event time by source: what is absent, late or ahead, and what that means for alerts.

use model::{EdgeDelta, EventTimes, Peer, PeerKind, SpanRecord, Telemetry};

use super::*;

const MINUTE_S: u64 = 60;
const HOUR_S: u64 = 3600;

/// That a service sent something of a signal that happened at these times.
fn heard(name: &str, signal: Telemetry, of: EventTimes) -> PaneDelta {
    let mut times = <[EventTimes; 3]>::default();
    times[signal as usize] = of;
    let items = |kind| u64::from(kind == signal);
    let services = vec![ServiceDelta {
        service: service(name),
        spans: items(Telemetry::Traces),
        points: items(Telemetry::Metrics),
        logs: items(Telemetry::Logs),
        times,
        ..ServiceDelta::default()
    }];
    PaneDelta { services, sample_weight: 1, ..PaneDelta::default() }
}

fn at(moment: Timestamp) -> EventTimes {
    EventTimes { oldest: moment, newest: moment, future: Timestamp::ZERO }
}

/// A call of `frontend` to `cart`; whether `cart` has a span of its own for it.
fn called(at: Timestamp, is_seen: bool) -> PaneDelta {
    let peer = Arc::new(Peer {
        kind: PeerKind::Http,
        address: "cart:8080".to_owned(),
        system: String::new(),
    });
    let record = |id: u8, parent: u8, name: &str, kind| SpanRecord {
        trace_id: TraceId(u128::from(at.unix_ns()).to_be_bytes()),
        span_id: SpanId([id; 8]),
        parent_span_id: SpanId([parent; 8]),
        service: service(name),
        operation: "op".into(),
        kind,
        start: at.before(Duration::from_millis(20)),
        duration_ns: 10_000_000,
        error: false,
        message: "".into(),
        peer: (kind == SpanKind::Client).then(|| Arc::clone(&peer)),
        tags: Arc::from([]),
    };
    let mut spans = vec![
        record(1, 0, "frontend", SpanKind::Server),
        record(2, 1, "frontend", SpanKind::Client),
    ];
    spans.extend(is_seen.then(|| record(3, 2, "cart", SpanKind::Server)));
    let edges = vec![EdgeDelta {
        caller: service("frontend"),
        peer: Arc::clone(&peer),
        calls: 1,
        errors: 0,
        throttled: 0,
        unanswered: 0,
        latency: Vec::new(),
    }];
    PaneDelta { spans, edges, sample_weight: 1, ..PaneDelta::default() }
}

impl World {
    /// Lets seconds pass, each with what `send` makes of it; judged every 5 s.
    fn run(&mut self, seconds: u64, send: impl Fn(Timestamp) -> Vec<PaneDelta>) {
        for second in 0..seconds {
            self.now = self.now.after(Duration::from_secs(1));
            for delta in send(self.now) {
                self.handle(Input::Delta(Box::new(delta)));
            }
            if second.is_multiple_of(5) {
                self.handle(Input::Judge);
                self.handle(Input::Checkpoint);
            }
        }
    }

    /// Summaries of what fires of this name, in any order.
    fn summaries(&self, name: &str) -> Vec<String> {
        let firing = self.engine.alerts.firing();
        let named = firing.filter(|alert| alert.labels["alertname"] == name);
        named.map(|alert| alert.annotations["summary"].clone()).collect()
    }

    fn pages(&self) -> usize {
        let urgent = |delivery: &Delivery| delivery.urgency == Urgency::Page;
        self.deliveries().into_iter().filter(urgent).count()
    }
}

fn spans_of(names: &'static [&'static str]) -> impl Fn(Timestamp) -> Vec<PaneDelta> {
    move |now| names.iter().map(|name| heard(name, Telemetry::Traces, at(now))).collect()
}

#[test]
fn a_silent_service_that_is_still_called_is_not_idle() {
    let mut world = World::new();
    let both = spans_of(&["frontend", "cart"]);
    world.run(HOUR_S + MINUTE_S, |now| [both(now), vec![called(now, true)]].concat());
    assert_eq!(world.summaries("TelemetryAbsent"), Vec::<String>::new());
    let frontend = spans_of(&["frontend"]);
    world.run(6 * MINUTE_S, |now| [frontend(now), vec![called(now, false)]].concat());
    let told = world.summaries("TelemetryAbsent");
    assert_eq!(told.len(), 1, "{told:?}");
    assert!(told[0].starts_with("cart has sent no traces for 5m"), "{told:?}");
    assert!(told[0].contains("frontend still call it"), "{told:?}");
    world.run(MINUTE_S, |_| Vec::new());
    assert_eq!(world.deliveries().len(), 1);
    assert_eq!(world.pages(), 0, "nobody is woken");
    world.run(MINUTE_S, |now| [both(now), vec![called(now, true)]].concat());
    assert_eq!(world.summaries("TelemetryAbsent"), Vec::<String>::new());
}

#[test]
fn a_service_that_nobody_asks_is_idle_while_its_metrics_come() {
    let mut world = World::new();
    let metrics = |now| heard("cart", Telemetry::Metrics, at(now));
    let traces = |now| heard("cart", Telemetry::Traces, at(now));
    world.run(2 * HOUR_S, |now| vec![metrics(now), traces(now)]);
    world.run(HOUR_S, |now| vec![metrics(now)]);
    assert_eq!(world.summaries("TelemetryAbsent"), Vec::<String>::new());
    // It is asked again, and now its metrics are missing: that is no idleness.
    world.run(6 * MINUTE_S, |now| vec![traces(now)]);
    let told = world.summaries("TelemetryAbsent");
    assert_eq!(told.len(), 1, "{told:?}");
    assert!(told[0].contains("no metrics") && told[0].contains("its traces still come"));
}

#[test]
fn when_nobody_is_heard_one_ticket_says_so() {
    let mut world = World::new();
    let all = spans_of(&["frontend", "cart", "payment"]);
    world.run(2 * HOUR_S, &all);
    world.run(10 * MINUTE_S, |_| Vec::new());
    let told = world.summaries("TelemetryAbsent");
    assert_eq!(told.len(), 1, "{told:?}");
    assert!(told[0].starts_with("no telemetry of any service"), "{told:?}");
    world.run(MINUTE_S, &all);
    assert_eq!(world.summaries("TelemetryAbsent"), Vec::<String>::new());
}

#[test]
fn while_fogbell_itself_is_away_nobody_is_absent_and_what_fires_goes_on() {
    let mut world = World::new();
    let both = spans_of(&["frontend", "cart"]);
    world.run(HOUR_S + MINUTE_S, &both);
    world.restart(Duration::from_secs(HOUR_S));
    world.run(4 * MINUTE_S, spans_of(&["frontend"]));
    assert_eq!(world.summaries("TelemetryAbsent"), Vec::<String>::new());
    world.run(2 * MINUTE_S, spans_of(&["frontend"]));
    assert_eq!(world.summaries("TelemetryAbsent").len(), 1);
    world.restart(Duration::from_secs(30));
    assert_eq!(world.summaries("TelemetryAbsent").len(), 1);
    world.run(MINUTE_S, &both);
    assert_eq!(world.summaries("TelemetryAbsent"), Vec::<String>::new());
}

#[test]
fn a_clock_that_is_ahead_and_a_source_that_is_late_are_told() {
    let mut world = World::new();
    let ahead =
        |now: Timestamp| heard("cart", Telemetry::Logs, at(now.after(Duration::from_secs(9))));
    let late = |now: Timestamp| {
        heard("queue", Telemetry::Metrics, at(now.before(Duration::from_secs(400))))
    };
    world.run(11 * MINUTE_S, |now| vec![ahead(now), late(now)]);
    let told = world.summaries("ClockAhead");
    assert!(
        told.len() == 1 && told[0].starts_with("cart: its logs lie 9s in the future"),
        "{told:?}"
    );
    let told = world.summaries("TelemetryLate");
    assert!(told.len() == 1 && told[0].contains("newest metrics are 6m old"), "{told:?}");
    let sources = world.engine.view().sources;
    let of = |name: &str| {
        let source = sources.iter().find(|source| source.service.name == name).expect("known");
        (source.state.as_str(), source.lateness.as_secs(), source.clock_ahead.as_secs())
    };
    assert_eq!((of("cart"), of("queue")), (("ahead", 0, 9), ("late", 400, 0)));
}

#[test]
fn a_backlog_lands_in_its_own_minutes_and_pages_nobody() {
    let mut world = World::new();
    world.pass(HOUR_S, &[("shop", HEALTHY)]);
    // What happened three to two hours ago comes within a minute, after what is newer.
    let from = world.now.before(Duration::from_secs(3 * HOUR_S));
    for minute in 0..MINUTE_S {
        for second in (0..60).step_by(5) {
            let then = from.after(Duration::from_secs(minute * 60 + second));
            world.handle(Input::Delta(Box::new(delta("shop", BROKEN, then))));
        }
        world.pass(1, &[("shop", HEALTHY)]);
    }
    world.pass(10 * MINUTE_S, &[("shop", HEALTHY)]);
    assert_eq!(world.pages(), 0);
    let view = world.engine.view();
    let own = view.slos[0].windows.last().expect("its own window");
    assert_eq!(own.bad, 60 * 12 * BROKEN.bad);
    assert!(view.slos[0].windows[0].bad == 0, "nothing of it is in the last 5 minutes");
}

#[test]
fn an_alert_ends_when_its_own_signal_says_so_and_an_idle_one_holds_nothing_up() {
    let mut world = World::new();
    world.pass(20 * MINUTE_S, &[("shop", HEALTHY)]);
    world.pass(5 * MINUTE_S, &[("shop", BROKEN)]);
    assert_eq!(world.pages(), 1);
    // Its spans are nine minutes behind from now on, its metrics are not.
    let behind = Duration::from_secs(9 * MINUTE_S);
    let live = |world: &World| {
        let firing = world.engine.alerts.firing();
        firing.filter(|alert| alert.labels["alertname"] == "ErrorBudgetBurn").count()
    };
    world.run(8 * MINUTE_S, |now| {
        let late = heard("shop", Telemetry::Traces, at(now.before(behind)));
        vec![late, heard("shop", Telemetry::Metrics, at(now))]
    });
    assert!(live(&world) > 0, "what is known of the spans ends minutes ago");
    world.run(30 * MINUTE_S, |now| vec![heard("shop", Telemetry::Metrics, at(now))]);
    let pages = |alert: &&model::Alert| alert.urgency == Urgency::Page;
    let firing: Vec<_> = world.engine.alerts.firing().filter(pages).collect();
    assert!(firing.is_empty(), "nobody asks it any more: {firing:#?}");
}

#[test]
fn a_filter_that_matches_nothing_is_told_apart_from_an_idle_service() {
    let slo = |name: &str, service: &str| SloOptions {
        service: service.into(),
        signal: Some(Telemetry::Traces),
        ..declared(name, "0.99")
    };
    let slos = vec![slo("checkout", "shop"), slo("unheard", "elsewhere")];
    let mut world = World::of(EngineOptions { slos, ..options() });
    world.run(59 * MINUTE_S, spans_of(&["shop"]));
    assert_eq!(world.summaries("SloMatchesNothing"), Vec::<String>::new());
    world.run(2 * MINUTE_S, spans_of(&["shop"]));
    let told = world.summaries("SloMatchesNothing");
    assert_eq!(told.len(), 2, "{told:?}");
    assert!(told[0].contains("has never matched anything, though traces of"), "{told:?}");
    let key = Arc::new(SeriesKey::Declared { slo: "checkout".into(), group: Vec::new() });
    let panes = vec![PaneCount { pane: world.now.pane(), count: Count::observed(5, 0) }];
    let series = vec![SeriesDelta { id: 7, key, panes, exemplars: Vec::new() }];
    world.handle(Input::Delta(Box::new(PaneDelta { series, ..PaneDelta::default() })));
    world.run(10, spans_of(&["shop"]));
    assert_eq!(world.summaries("SloMatchesNothing").len(), 1);
}

#[test]
fn numbers_of_sampled_spans_come_with_their_error() {
    let mut world = World::new();
    world.pass(60, &[("shop", BROKEN)]);
    let error = |world: &World| world.engine.view().slos[0].windows[0].bad_error;
    assert_eq!(error(&world), 0.0, "each was seen");
    let mut sampled = delta("shop", BROKEN, world.now);
    let mut count = Count::one_good(100);
    (0..25).for_each(|_| count += Count::one_bad(100));
    sampled.series[0].panes[0].count = count;
    world.handle(Input::Delta(Box::new(sampled)));
    world.pass(1, &[("shop", BROKEN)]);
    // 3,050 of the 5,550 were seen.
    let (bad, seen) = (61.0 * 50.0 + 2500.0, 61.0 * 50.0 + 25.0);
    assert!((error(&world) - f64::sqrt(bad * (bad / seen - 1.0))).abs() < 1e-6);
}
