//! Alerts by the hundred thousand.

use std::sync::Arc;
use std::time::Duration;

use engine::{Effect, Engine, EngineOptions, Input};
use model::{Action, Labels, Outgoing, RaisedAlert, Urgency};
use slo::judge::DEFAULT_RULES;

use crate::ring::FIXED_NOW;

/// As many as Prometheus sends at once.
const BATCH: usize = 256;
const SERVICES: usize = 50;
const TICK: Duration = Duration::from_millis(200);

/// An engine, and alerts of other systems.
#[derive(Debug)]
pub struct Storm {
    engine: Engine,
    now: model::Timestamp,
    batches: Vec<Vec<RaisedAlert>>,
    pages: u64,
}

impl Storm {
    /// `alerts` of them, each with labels of its own, about 50 services.
    #[must_use]
    pub fn new(alerts: usize) -> Self {
        let alert = |number: usize| {
            let label = |name: &str, value: String| (name.to_owned(), value);
            let service = number % SERVICES;
            RaisedAlert {
                labels: Labels::from([
                    label("alertname", "HighErrorRate".to_owned()),
                    label("namespace", "shop".to_owned()),
                    label("service", format!("service-{service}")),
                    label("pod", format!("service-{service}-5d8c7f9b6b-{number:05}")),
                    label("severity", "critical".to_owned()),
                ]),
                annotations: Labels::from([label("summary", "requests fail".to_owned())]),
                ..RaisedAlert::default()
            }
        };
        let alerts: Vec<RaisedAlert> = (0..alerts).map(alert).collect();
        let options = EngineOptions {
            tenant: Arc::from("default"),
            epoch: 1,
            seed: 1,
            slos: Vec::new(),
            automatic: None,
            rules: DEFAULT_RULES.to_vec(),
            bad_events_min: 10,
            services_max: 1_000,
            series_max: 1_000,
            groups_max: 2_000,
            trace_url: None,
            raised: engine::RaisedOptions::default(),
            maintenance: Vec::new(),
        };
        let batches = alerts.chunks(BATCH).map(<[RaisedAlert]>::to_vec).collect();
        Self { engine: Engine::new(options, FIXED_NOW), now: FIXED_NOW, batches, pages: 0 }
    }

    /// How many batches there are.
    #[must_use]
    pub const fn batches(&self) -> usize {
        self.batches.len()
    }

    /// Batches to be raised: requests are read before the engine sees them.
    #[must_use]
    pub fn read(&self, from: usize, until: usize) -> Vec<Vec<RaisedAlert>> {
        self.batches.get(from..until).unwrap_or_default().to_vec()
    }

    /// Raises batches, lets the tick that they came in pass, and takes what follows.
    pub fn tick(&mut self, batches: Vec<Vec<RaisedAlert>>) {
        self.raise(batches);
        self.now = self.now.after(TICK);
        self.engine.handle(Input::Judge, self.now);
        while let Some(effect) = self.engine.poll_effect() {
            let Effect::Send(Outgoing::Delivery(delivery)) = effect else { continue };
            let is_page = delivery.urgency == Urgency::Page && delivery.action == Action::Trigger;
            self.pages += u64::from(is_page);
        }
    }

    /// Raises batches within a moment.
    pub fn raise(&mut self, batches: Vec<Vec<RaisedAlert>>) {
        for batch in batches {
            self.engine.handle(Input::Raised(batch), self.now);
        }
    }

    /// Pages so far.
    #[must_use]
    pub const fn pages(&self) -> u64 {
        self.pages
    }

    /// How many services the alerts are about: as many faults, since no call joins them.
    #[must_use]
    pub const fn faults() -> u64 {
        SERVICES as u64
    }
}
