//! The engine on a virtual clock: alerts to incidents, restarts, and what it promises.

use std::sync::Arc;
use std::time::Duration;

use model::{
    Action, AutomaticSli, AutomaticSource, BadEvent, Change, Count, Counted, Delivery, EventTimes,
    EventType, Incident, LatencyBucket, OperationDelta, Outgoing, PaneCount, PaneDelta, PointKind,
    PointsDelta, Revision, Row, SeriesDelta, SeriesKey, Service, ServiceDelta, SpanId, SpanKind,
    Status, StreamPoint, Timestamp, TraceId, Urgency,
};
use slo::judge::{DEFAULT_RULES, Fraction, Objective};

use crate::{
    AutomaticOptions, Command, Effect, Engine, EngineOptions, Input, Refusal, SloOptions, Verb,
};

mod calendar;
mod composites;
mod groups;
mod incidents;
mod maintenance;
mod policies;
mod raised;
mod restarts;
mod sides;
mod slices;
mod sources;
mod usual;

const START_S: u64 = 1_795_400_000;

/// An engine, its clock, and everything that it let out.
struct World {
    engine: Engine,
    options: EngineOptions,
    now: Timestamp,
    effects: Vec<Effect>,
}

/// What a service serves in a second.
#[derive(Clone, Copy)]
struct Traffic {
    good: u64,
    bad: u64,
}

const HEALTHY: Traffic = Traffic { good: 100, bad: 0 };
const BROKEN: Traffic = Traffic { good: 50, bad: 50 };

fn objective(target: &str) -> Objective {
    Fraction::parse(target).and_then(Objective::from_target).expect("a target")
}

fn options() -> EngineOptions {
    EngineOptions {
        tenant: "default".into(),
        epoch: 42,
        seed: 1,
        slos: Vec::new(),
        automatic: Some(AutomaticOptions {
            availability: objective("0.999"),
            latency: objective("0.99"),
            latency_threshold: Duration::from_millis(500),
            window: Duration::from_secs(30 * 86_400),
        }),
        rules: DEFAULT_RULES.to_vec(),
        bad_events_min: 10,
        services_max: 100,
        series_max: 1000,
        groups_max: 2_000,
        trace_url: None,
        raised: crate::RaisedOptions::default(),
        maintenance: Vec::new(),
    }
}

/// An SLO of `shop` over 30 days, by events and by the default rows.
fn declared(name: &str, target: &str) -> SloOptions {
    SloOptions {
        name: name.into(),
        service: "shop".into(),
        signal: None,
        objective: objective(target),
        window: Duration::from_secs(30 * 86_400),
        calendar: None,
        slicing: None,
        rules: None,
        no_data: Vec::new(),
        composite: None,
        part_of: None,
        group_by: Vec::new(),
        runbook: None,
    }
}

/// Half a second past the second: a pane that begins just now counts from the next moment on.
fn start() -> Timestamp {
    Timestamp::from_unix_ms(START_S * 1000 + 500)
}

fn service(name: &str) -> Arc<Service> {
    Arc::new(Service::named(name))
}

/// Spans that ended at a moment.
fn times(at: Timestamp) -> [EventTimes; 3] {
    let none = EventTimes::default();
    [EventTimes { oldest: at, newest: at, ..none }, none, none]
}

/// A second of an entry service's traffic.
fn delta(name: &str, traffic: Traffic, at: Timestamp) -> PaneDelta {
    let service = service(name);
    let key = Arc::new(SeriesKey::Automatic {
        service: Arc::clone(&service),
        sli: AutomaticSli::Availability,
        source: AutomaticSource::Spans,
    });
    let trace = |n: u64| BadEvent {
        at,
        trace_id: TraceId((u128::from(at.unix_ns()) << 8 | u128::from(n)).to_be_bytes()),
        span_id: SpanId([1; 8]),
        duration_ns: 1_000_000,
        operation: "GET /".into(),
        reason: "500".into(),
    };
    let total = traffic.good + traffic.bad;
    let count = Count::observed(traffic.good, traffic.bad);
    PaneDelta {
        series: vec![SeriesDelta {
            id: 0,
            key,
            panes: vec![PaneCount { pane: at.pane(), count }],
            exemplars: (0..traffic.bad.min(2)).map(trace).collect(),
        }],
        services: vec![ServiceDelta {
            service: Arc::clone(&service),
            spans: total,
            times: times(at),
            ..ServiceDelta::default()
        }],
        operations: vec![OperationDelta {
            service,
            kind: SpanKind::Server,
            operation: "GET /".into(),
            total,
            errors: traffic.bad,
            slow: 0,
            entry_total: total,
            entry_bad: traffic.bad,
            latency: vec![(LatencyBucket::of(10_000_000), total as u32)],
        }],
        sample_weight: 1,
        ..PaneDelta::default()
    }
}

impl World {
    fn new() -> Self {
        Self::of(options())
    }

    fn of(options: EngineOptions) -> Self {
        let engine = Engine::new(options.clone(), start());
        Self { engine, options, now: start(), effects: Vec::new() }
    }

    fn handle(&mut self, input: Input) {
        self.engine.handle(input, self.now);
        while let Some(effect) = self.engine.poll_effect() {
            self.effects.push(effect);
        }
    }

    /// Lets seconds pass, each with the traffic of these services.
    fn pass(&mut self, seconds: u64, services: &[(&str, Traffic)]) {
        for _ in 0..seconds {
            self.now = self.now.after(Duration::from_secs(1));
            for (name, traffic) in services {
                self.handle(Input::Delta(Box::new(delta(name, *traffic, self.now))));
            }
            self.handle(Input::Judge);
            self.handle(Input::Checkpoint);
        }
    }

    /// The engine ends without a word, and another goes on from its rows after `down`.
    fn restart(&mut self, down: Duration) {
        let rows = stored(&self.effects);
        let last = self.now;
        self.now = self.now.after(down);
        self.engine = Engine::restore(self.options.clone(), rows, last, self.now).0;
    }

    fn revisions(&self) -> Vec<Revision> {
        let published = |effect: &Effect| match effect {
            Effect::Publish(revision) => Some(revision.clone()),
            _ => None,
        };
        self.effects.iter().filter_map(published).collect()
    }

    fn kinds(&self) -> Vec<EventType> {
        self.revisions().iter().map(|revision| revision.event.kind).collect()
    }

    fn deliveries(&self) -> Vec<Delivery> {
        let sent = |effect: &Effect| match effect {
            Effect::Send(Outgoing::Delivery(delivery)) => Some(delivery.clone()),
            _ => None,
        };
        self.effects.iter().filter_map(sent).collect()
    }

    fn incident(&self) -> Arc<Incident> {
        self.engine.incidents().next().expect("an incident")
    }

    fn command(&mut self, verb: Verb, request_id: &str, revision: u64) -> crate::Reply {
        let command = Command {
            reply_to: 9,
            id: self.incident().id,
            expected_revision: revision,
            request_id: request_id.to_owned(),
            reason: String::new(),
            actor: model::Actor { kind: model::ActorKind::Person, name: "ada".to_owned() },
            verb,
        };
        self.handle(Input::Command(command));
        match self.effects.last() {
            Some(Effect::Reply { reply_to: 9, reply }) => reply.clone(),
            other => panic!("no reply but {other:?}"),
        }
    }
}

/// What a store that took all rows would hold.
fn stored(effects: &[Effect]) -> Vec<(Vec<u8>, Vec<u8>)> {
    let mut rows = std::collections::BTreeMap::new();
    for effect in effects {
        let Effect::Persist(written) = effect else { continue };
        for Row { key, value } in written {
            match value {
                Some(value) => drop(rows.insert(key.clone(), value.clone())),
                None => drop(rows.remove(key)),
            }
        }
    }
    rows.into_iter().collect()
}
