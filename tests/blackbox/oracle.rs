//! Sums over windows against a real Prometheus: equal to the bit, however late and out of order
//! the events come.

mod kinds;

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::Arc;
use std::time::Duration;

use engine::{AutomaticOptions, Engine, EngineOptions, Input, SloOptions, SloStatus};
use enrich::Redactor;
use model::Timestamp;
use observe::{AutomaticSettings, Limits, Observer, ObserverOptions, SliPlan};
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::trace::v1::span::SpanKind;
use opentelemetry_proto::tonic::trace::v1::{Span, Status};
use prost::Message as _;
use slo::judge::{DEFAULT_RULES, Fraction, Objective};

use crate::harness::otlp::{resource_spans, span_id, trace_id};
use crate::harness::prometheus::Prometheus;

/// A multiple of a minute in the past, so that the windows' edges are those of the oracle.
const START_S: u64 = 1_700_000_040;
const TICK: Duration = Duration::from_secs(5);
const HOURS: u64 = 7;
const WINDOWS: [(&str, u64); 5] =
    [("5m", 300), ("30m", 1800), ("1h", 3600), ("2h", 7200), ("6h", 21_600)];
/// When the sums are compared, in seconds after the start: multiples of a minute.
const LOOKS_S: [u64; 4] = [1200, 4380, 3 * 3600 + 60, HOURS * 3600];
const PANE_S: u64 = 5;

/// A small generator with a fixed seed (xorshift64*), so that a failure comes again.
struct Chance(u64);

impl Chance {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 33) % limit
    }
}

fn objective(target: &str) -> Objective {
    Fraction::parse(target).and_then(Objective::from_target).expect("a target")
}

fn data_plane() -> Observer {
    Observer::new(&ObserverOptions {
        worker: 0,
        seed: 7,
        limits: Limits::default(),
        automatic: Some(AutomaticSettings::default()),
        redactor: Arc::new(Redactor::new(&[], &[]).expect("no patterns")),
        slis: Arc::new(SliPlan::default()),
    })
}

fn control_plane(start: Timestamp) -> Engine {
    control_plane_of(Vec::new(), start)
}

fn control_plane_of(slos: Vec<SloOptions>, start: Timestamp) -> Engine {
    let options = EngineOptions {
        tenant: "default".into(),
        epoch: 1,
        seed: 7,
        slos,
        automatic: Some(AutomaticOptions {
            availability: objective("0.999"),
            latency: objective("0.99"),
            latency_threshold: Duration::from_millis(500),
            window: Duration::from_secs(30 * 86_400),
        }),
        rules: DEFAULT_RULES.to_vec(),
        bad_events_min: 10,
        services_max: 1000,
        series_max: 1000,
        groups_max: 2_000,
        trace_url: None,
        maintenance: Vec::new(),
        raised: engine::RaisedOptions::default(),
    };
    Engine::new(options, start)
}

/// What an event was.
#[derive(Clone, Copy)]
struct Event {
    end_ns: u64,
    failed: bool,
    slow: bool,
}

impl Event {
    /// One that arrives at `now_s`: mostly fresh, sometimes late, by up to two hours, and never
    /// in the order in which they happened.
    fn arriving(now_s: u64, chance: &mut Chance) -> Self {
        let late_ms = match chance.below(100) {
            0..70 => chance.below(5_000),
            70..90 => chance.below(180_000),
            90..97 => chance.below(1_800_000),
            _ => chance.below(7_200_000),
        };
        let end_ns = (now_s * 1000 - 1 - late_ms) * 1_000_000 + chance.below(1_000_000);
        Self { end_ns, failed: chance.below(9) == 0, slow: chance.below(7) == 0 }
    }

    fn span(self) -> Span {
        let duration_ns = if self.slow { 700_000_000 } else { 40_000_000 };
        Span {
            trace_id: trace_id(),
            span_id: span_id(),
            name: "GET /".to_owned(),
            kind: SpanKind::Server.into(),
            start_time_unix_nano: self.end_ns - duration_ns,
            end_time_unix_nano: self.end_ns,
            status: self.failed.then(|| Status { code: 2, message: String::new() }),
            ..Span::default()
        }
    }
}

/// Total, failed and slow by pane: the plainest way to count.
type Panes = BTreeMap<u64, [u64; 3]>;

fn count(panes: &mut Panes, event: Event) {
    let pane = panes.entry(event.end_ns / (PANE_S * 1_000_000_000)).or_default();
    pane[0] += 1;
    pane[1] += u64::from(event.failed);
    pane[2] += u64::from(event.slow);
}

/// Panes as gauges with stamps at their middles, since this Prometheus closes ranges at both ends.
fn openmetrics(looks: &[Panes]) -> String {
    let mut text = String::new();
    for (look, panes) in looks.iter().enumerate() {
        for (field, name) in ["total", "failed", "slow"].iter().enumerate() {
            let _ = writeln!(text, "# TYPE look{look}_{name} gauge");
            for (pane, counts) in panes {
                let at_s = pane * PANE_S + 2;
                let _ = writeln!(text, "look{look}_{name} {} {at_s}.5", counts[field]);
            }
        }
    }
    text + "# EOF\n"
}

fn find<'a>(slos: &'a [SloStatus], name: &str) -> &'a SloStatus {
    slos.iter().find(|slo| slo.name.ends_with(name)).unwrap_or_else(|| panic!("no SLO {name}"))
}

#[test]
fn window_sums_are_those_of_prometheus_to_the_bit() {
    let start = Timestamp::from_unix_s(START_S);
    let (mut observer, mut engine) = (data_plane(), control_plane(start));
    let mut chance = Chance(0x5EED);
    let (mut panes, mut looks, mut views) = (Panes::new(), Vec::new(), Vec::new());
    for tick in 1..=HOURS * 3600 / TICK.as_secs() {
        let now_s = START_S + tick * TICK.as_secs();
        let now = Timestamp::from_unix_s(now_s);
        let events: Vec<_> =
            (0..chance.below(8)).map(|_| Event::arriving(now_s, &mut chance)).collect();
        events.iter().for_each(|event| count(&mut panes, *event));
        let spans = events.into_iter().map(Event::span).collect();
        let request =
            ExportTraceServiceRequest { resource_spans: vec![resource_spans("shop", spans)] };
        let summary = observer.traces(&request.encode_to_vec(), now).expect("well-formed");
        assert_eq!(summary.rejected.total(), 0);
        engine.handle(Input::Delta(Box::new(observer.flush())), now);
        engine.handle(Input::Judge, now);
        while engine.poll_effect().is_some() {}
        if LOOKS_S.contains(&(tick * TICK.as_secs())) {
            looks.push(panes.clone());
            views.push(engine.view());
        }
    }
    let oracle = Prometheus::with_history(&openmetrics(&looks));
    let mut compared = 0;
    for (look, (view, after_s)) in views.iter().zip(LOOKS_S).enumerate() {
        for (slo, bad) in [("availability", "failed"), ("latency", "slow")] {
            let status = find(&view.slos, slo);
            for (window, seconds) in WINDOWS {
                let ours = status.windows.iter().find(|w| w.window.as_secs() == seconds).unwrap();
                let sum = |name: &str| {
                    let query = format!("sum_over_time(look{look}_{name}[{window}])");
                    oracle.query_at(&query, (START_S + after_s) as f64)[0].value.clone()
                };
                let told = (ours.total.to_string(), ours.bad.to_string());
                assert_eq!(told, (sum("total"), sum(bad)), "{slo} over {window} at {after_s} s");
                let ratio = format!(
                    "sum_over_time(look{look}_{bad}[{window}]) / sum_over_time(look{look}_total[{window}])"
                );
                let theirs = oracle.query_at(&ratio, (START_S + after_s) as f64)[0].number();
                assert_eq!(ours.error_ratio.unwrap().to_bits(), theirs.to_bits(), "{slo} {window}");
                compared += 1;
            }
        }
    }
    assert_eq!(compared, LOOKS_S.len() * WINDOWS.len() * 2);
    assert!(views.iter().all(|view| view.dropped == Default::default()));
}
