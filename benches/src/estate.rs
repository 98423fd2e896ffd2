//! A tenant with very many SLO series, in the engine that the daemon runs.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use engine::{Effect, Engine, EngineOptions, Input, SloOptions, View};
use model::{
    Count, EventTimes, Pane, PaneCount, PaneDelta, SeriesDelta, SeriesKey, Service, ServiceDelta,
    Timestamp,
};
use slo::judge::{DEFAULT_RULES, Fraction, Objective};
use slo::tier::Tier;

use crate::ring::FIXED_NOW;

/// SLOs with a group for each tenant of the users', and how many groups each.
const SLOS: usize = 50;
const GROUPS: usize = 2_000;
/// All of them.
pub const SERIES: usize = SLOS * GROUPS;
const PANE: Duration = Duration::from_secs(5);
/// Series that are filled at once: what is handed over is larger than what is held.
const PORTION: usize = 250;
/// Of so many series, one has events in a pane.
const BUSY_EACH: usize = 10;
/// Of so many series that have events, one has a bad one.
const BAD_EACH: usize = 50;

/// An engine whose rings are full, and what it has written down.
#[derive(Debug)]
pub struct Estate {
    engine: Engine,
    options: EngineOptions,
    now: Timestamp,
    keys: Vec<Arc<SeriesKey>>,
    rows: BTreeMap<Vec<u8>, Vec<u8>>,
    rounds: usize,
}

impl Estate {
    /// Series of 30 days, each with events in every pane that any ring of it holds. `None` if the
    /// objective is none.
    #[must_use]
    pub fn new() -> Option<Self> {
        let objective = Objective::from_target(Fraction::new(999, 1000))?;
        let options = options(objective);
        let now = FIXED_NOW;
        let key = |number: usize| {
            let group = vec![Arc::from(format!("tenant-{:05}", number % GROUPS))];
            Arc::new(SeriesKey::Declared { slo: name(number / GROUPS), group })
        };
        let keys: Vec<_> = (0..SERIES).map(key).collect();
        let engine = Engine::new(options.clone(), now.before(Duration::from_secs(31 * 86_400)));
        let mut estate = Self { engine, options, now, keys, rows: BTreeMap::new(), rounds: 0 };
        estate.fill();
        Some(estate)
    }

    /// Panes of the past, some series at a time; what was counted is written down after each.
    fn fill(&mut self) {
        let panes: Vec<Pane> = filling(self.now).into_iter().collect();
        for portion in 0..SERIES / PORTION {
            let count = Count::observed(99, 0);
            let counted = panes.iter().map(|pane| PaneCount { pane: *pane, count }).collect();
            let series = portion * PORTION..(portion + 1) * PORTION;
            self.hand_over(series.map(|number| (number, Vec::clone(&counted))));
            self.checkpoint();
        }
        self.judge();
        // Until every series was written whole, so that no log is left to be counted again.
        for _ in 0..SERIES.div_ceil(100) {
            self.checkpoint();
        }
    }

    /// Lets five seconds pass, in which one in ten series had events.
    pub fn pass(&mut self) {
        self.now = self.now.after(PANE);
        self.rounds += 1;
        let pane = self.now.before(Duration::from_secs(1)).pane();
        let begin = self.rounds % BUSY_EACH;
        let counted = (begin..SERIES).step_by(BUSY_EACH).map(|number| {
            let bad = u64::from(number % (BUSY_EACH * BAD_EACH) == begin);
            (number, vec![PaneCount { pane, count: Count::observed(10, bad) }])
        });
        self.hand_over(counted.collect::<Vec<_>>().into_iter());
    }

    fn hand_over(&mut self, counted: impl Iterator<Item = (usize, Vec<PaneCount>)>) {
        let series = counted.filter_map(|(number, panes)| {
            let (id, key) = (u32::try_from(number).ok()?, Arc::clone(self.keys.get(number)?));
            Some(SeriesDelta { id, key, panes, exemplars: Vec::new() })
        });
        let spoken = EventTimes::default();
        let heard = ServiceDelta {
            service: Arc::new(Service::named("shop")),
            spans: 1,
            times: [EventTimes { oldest: self.now, newest: self.now, ..spoken }, spoken, spoken],
            ..ServiceDelta::default()
        };
        let delta = PaneDelta {
            series: series.collect(),
            services: vec![heard],
            sample_weight: 1,
            ..PaneDelta::default()
        };
        self.engine.handle(Input::Delta(Box::new(delta)), self.now);
    }

    /// A turn: the pane that ended closes in every series, and every series is judged.
    pub fn judge(&mut self) {
        self.engine.handle(Input::Judge, self.now);
    }

    /// Stops for what is to be written down. What follows from it is taken by
    /// [`Estate::write`].
    pub fn checkpoint_stop(&mut self) {
        self.engine.handle(Input::Checkpoint, self.now);
    }

    /// Puts rows into the store.
    pub fn write(&mut self) {
        while let Some(effect) = self.engine.poll_effect() {
            let Effect::Persist(rows) = effect else { continue };
            for row in rows {
                match row.value {
                    Some(value) => drop(self.rows.insert(row.key, value)),
                    None => drop(self.rows.remove(&row.key)),
                }
            }
        }
    }

    fn checkpoint(&mut self) {
        self.checkpoint_stop();
        self.write();
    }

    /// What is in the store, as it is read.
    #[must_use]
    pub fn rows(&self) -> Vec<(Vec<u8>, Vec<u8>)> {
        self.rows.iter().map(|(key, value)| (key.clone(), value.clone())).collect()
    }

    /// What is in the store, in MiB.
    #[must_use]
    pub fn rows_mib(&self) -> f64 {
        let bytes: usize = self.rows.iter().map(|(key, value)| key.len() + value.len()).sum();
        bytes as f64 / 1_048_576.0
    }

    /// An engine that goes on from rows; how many series it has.
    #[must_use]
    pub fn restored(&self, rows: Vec<(Vec<u8>, Vec<u8>)>) -> usize {
        Engine::restore(self.options.clone(), rows, self.now, self.now).1.series
    }

    /// A look at it, as scrapes are made from.
    #[must_use]
    pub fn looks(&self) -> BTreeMap<Arc<str>, Arc<View>> {
        BTreeMap::from([(Arc::clone(&self.options.tenant), Arc::new(self.engine.view()))])
    }
}

fn options(objective: Objective) -> EngineOptions {
    let slo = |number: usize| SloOptions {
        name: name(number),
        service: "shop".into(),
        signal: Some(model::Telemetry::Traces),
        objective,
        window: Duration::from_secs(30 * 86_400),
        calendar: None,
        slicing: None,
        rules: None,
        no_data: Vec::new(),
        composite: None,
        part_of: None,
        group_by: vec!["tenant.id".into()],
        runbook: None,
    };
    EngineOptions {
        tenant: Arc::from("default"),
        epoch: 1,
        seed: 1,
        slos: (0..SLOS).map(slo).collect(),
        automatic: None,
        rules: DEFAULT_RULES.to_vec(),
        bad_events_min: 10,
        services_max: 1_000,
        series_max: 2 * SERIES,
        groups_max: GROUPS,
        trace_url: None,
        raised: engine::RaisedOptions::default(),
        maintenance: Vec::new(),
    }
}

fn name(slo: usize) -> Arc<str> {
    Arc::from(format!("slo-{slo:02}"))
}

/// A pane in each pane of every tier, as far back as a series of 30 days holds it.
fn filling(now: Timestamp) -> std::collections::BTreeSet<Pane> {
    let reach = |tier: Tier| match tier {
        Tier::FiveSeconds | Tier::Minute => 360,
        Tier::QuarterHour => 288,
        Tier::SixHours => 124,
        Tier::Day => 0,
    };
    let of =
        |tier: Tier| (1..=reach(tier)).map(move |back| Pane(now.pane().0 - back * tier.panes()));
    Tier::ALL.into_iter().flat_map(of).collect()
}
