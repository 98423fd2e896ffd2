//! Telemetry through data plane and engine in virtual time: what would have paged, and why.
//!
//! The same code that the daemon runs does the work, with one observer and one engine, a tick of
//! 200 ms and a recall that answers at once. Pure: requests and moments go in, revisions come out.

mod newest;
pub mod score;

use std::time::Duration;

use engine::{Diagnosis, Effect, Engine, EngineOptions, Input, View};
use model::{Incident, Outgoing, Revision, Service, Timestamp};
use observe::{Observer, ObserverOptions};
use otlp::{Malformed, Signal, Summary};

pub use newest::newest;

/// How often the engine judges, as in the daemon.
pub const TICK: Duration = Duration::from_millis(200);
/// How often state would be written down.
const CHECKPOINT_TICKS: u64 = 5;
/// After the last event, time goes on for this long, so that what waits can open.
pub const AFTERMATH: Duration = Duration::from_secs(35);

/// Data plane and engine under a clock that the caller turns.
#[derive(Debug)]
pub struct Replay {
    observer: Observer,
    engine: Engine,
    now: Timestamp,
    ticks: u64,
    happened: Vec<Happened>,
}

/// What the engine did at one moment, in order.
#[derive(Clone, Debug, PartialEq)]
pub enum Happened {
    /// An incident has a new revision.
    Revised(Box<Revision>),
    /// Something would have been sent.
    Sent(Box<Outgoing>),
}

impl Replay {
    /// Begins at `start`.
    #[must_use]
    pub fn new(observer: &ObserverOptions, engine: EngineOptions, start: Timestamp) -> Self {
        Self {
            observer: Observer::new(observer),
            engine: Engine::new(engine, start),
            now: start,
            ticks: 0,
            happened: Vec::new(),
        }
    }

    /// Observes a request of OTLP protobuf at the present moment.
    ///
    /// # Errors
    /// If the request cannot be read at all.
    pub fn offer(&mut self, signal: Signal, request: &[u8]) -> Result<Summary, Malformed> {
        match signal {
            Signal::Traces => self.observer.traces(request, self.now),
            Signal::Metrics => self.observer.metrics(request, self.now),
            Signal::Logs => self.observer.logs(request, self.now),
        }
    }

    /// Turns the clock forward, tick by tick. A moment that has passed changes nothing.
    pub fn advance(&mut self, until: Timestamp) {
        while self.now < until {
            self.now = self.now.after(TICK).min(until);
            self.tick();
        }
    }

    /// What happened since the last call.
    pub fn take_happened(&mut self) -> Vec<Happened> {
        std::mem::take(&mut self.happened)
    }

    /// The present moment.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        self.now
    }

    /// All incidents as they stand, by id.
    pub fn incidents(&self) -> impl Iterator<Item = std::sync::Arc<Incident>> {
        self.engine.incidents()
    }

    /// The SLOs as they stand.
    #[must_use]
    pub fn view(&self) -> View {
        self.engine.view()
    }

    /// Ranks what changed in `since..until`; see [`Engine::explain`].
    #[must_use]
    pub fn explain(
        &self,
        since: Timestamp,
        until: Timestamp,
        service: Option<&Service>,
    ) -> Diagnosis {
        self.engine.explain(since, until, service)
    }

    /// The engine itself, for commands and checkpoints.
    pub fn engine_mut(&mut self) -> &mut Engine {
        &mut self.engine
    }

    fn tick(&mut self) {
        self.ticks += 1;
        let delta = self.observer.flush();
        if !delta.is_empty() {
            self.engine.handle(Input::Delta(Box::new(delta)), self.now);
        }
        self.engine.handle(Input::Judge, self.now);
        if self.ticks.is_multiple_of(CHECKPOINT_TICKS) {
            self.engine.handle(Input::Checkpoint, self.now);
        }
        self.carry_out();
    }

    fn carry_out(&mut self) {
        while let Some(effect) = self.engine.poll_effect() {
            match effect {
                Effect::Recall { request, trace_ids } => {
                    let spans = self.observer.recall(&trace_ids);
                    self.engine.handle(Input::Recalled { request, spans }, self.now);
                }
                Effect::Publish(revision) => {
                    self.happened.push(Happened::Revised(Box::new(revision)));
                }
                Effect::Send(outgoing) => self.happened.push(Happened::Sent(Box::new(outgoing))),
                Effect::Persist(_) | Effect::Reply { .. } => {}
            }
        }
    }
}

#[cfg(test)]
mod tests;
