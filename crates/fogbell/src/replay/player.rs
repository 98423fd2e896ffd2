//! Requests through data plane and engine in virtual time, and what is told of it.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use ::replay::{AFTERMATH, Happened, Replay, TICK};
use contract::v1;
use engine::EngineOptions;
use model::{Action, Delivery, Incident, IncidentId, Outgoing, Timestamp, Urgency};
use observe::ObserverOptions;
use serde_json::json;

use super::recording::Record;
use super::tally::Tally;
use crate::paint::Paint;
use crate::report;

/// How it is told.
#[derive(Clone, Copy, Debug)]
pub(super) enum Style {
    /// Each page and ticket as a person would read it.
    Human(Paint),
    /// A `fogbell.v1.Incident` a line for each revision.
    Json,
}

/// A replay as it goes.
pub(super) struct Player {
    observer: ObserverOptions,
    engine: EngineOptions,
    /// Begins with the first request that has a time.
    replay: Option<Replay>,
    style: Style,
    incidents: BTreeMap<IncidentId, Arc<Incident>>,
    pages: u64,
    tickets: u64,
    /// What is to be printed.
    lines: Vec<String>,
}

impl Player {
    pub(super) fn new(observer: ObserverOptions, engine: EngineOptions, style: Style) -> Self {
        Self {
            observer,
            engine,
            replay: None,
            style,
            incidents: BTreeMap::new(),
            pages: 0,
            tickets: 0,
            lines: Vec::new(),
        }
    }

    /// Turns the clock to the request's time and lets it in. A request that comes after newer ones
    /// is late, as it would be for the daemon.
    ///
    /// # Errors
    /// If it cannot be used, and why.
    pub(super) fn take(&mut self, record: &Record, tally: &mut Tally) -> Result<(), String> {
        let Some(at) = record.newest.or_else(|| self.replay.as_ref().map(Replay::now)) else {
            return Err("none of its items has a time, and nothing came before it".to_owned());
        };
        // Until the tick that brings the request: with that one it is judged.
        while self.now_or(at).after(TICK) < at {
            let next = self.now_or(at).after(TICK);
            self.advance(next);
        }
        let (observer, engine) = (&self.observer, &self.engine);
        let replay = self.replay.get_or_insert_with(|| Replay::new(observer, engine.clone(), at));
        let summary =
            replay.offer(record.signal, &record.body).map_err(|malformed| malformed.to_string())?;
        tally.requests += 1;
        tally.items += summary.items;
        for (reason, count) in summary.rejected.iter() {
            tally.reject(reason.as_str(), count);
        }
        tally.see(at);
        Ok(())
    }

    /// Ends this part of the recording and begins another, with an engine that knows nothing. The
    /// ids of its incidents are others too.
    pub(super) fn begin_anew(&mut self) {
        self.finish();
        self.replay = None;
        self.engine.epoch += 1;
    }

    /// Runs on after the last request, so that what waits can open.
    pub(super) fn finish(&mut self) {
        let Some(now) = self.replay.as_ref().map(Replay::now) else { return };
        let until = now.after(TICK).after(AFTERMATH);
        while self.now_or(until) < until {
            let next = self.now_or(until).after(TICK);
            self.advance(next);
        }
    }

    /// What is to be printed since the last call.
    pub(super) fn take_lines(&mut self) -> Vec<String> {
        std::mem::take(&mut self.lines)
    }

    /// The present of the recording.
    pub(super) fn now(&self) -> Option<Timestamp> {
        self.replay.as_ref().map(Replay::now)
    }

    /// The last words.
    pub(super) fn summary(&self, tally: &Tally, wall: Duration) -> Vec<String> {
        match self.style {
            Style::Human(paint) => self.told(tally, wall, paint),
            Style::Json => vec![self.json(tally, wall)],
        }
    }

    fn now_or(&self, otherwise: Timestamp) -> Timestamp {
        self.now().unwrap_or(otherwise)
    }

    fn advance(&mut self, until: Timestamp) {
        let Some(replay) = self.replay.as_mut() else { return };
        replay.advance(until);
        let happened = replay.take_happened();
        // What is sent comes before the revision that sends it.
        for happened in &happened {
            if let Happened::Revised(revision) = happened {
                self.revised(&revision.incident);
            }
        }
        for sent in &happened {
            let Happened::Sent(outgoing) = sent else { continue };
            let Outgoing::Delivery(delivery) = &**outgoing else { continue };
            if delivery.action == Action::Trigger {
                self.sent(delivery, why(&happened, &delivery.incident));
            }
        }
    }

    fn revised(&mut self, incident: &Arc<Incident>) {
        if let Style::Json = self.style {
            self.lines.push(contract::json(&v1::Incident::from(&**incident)));
        }
        let _ = self.incidents.insert(incident.id, Arc::clone(incident));
    }

    fn sent(&mut self, delivery: &Delivery, why: String) {
        let what = match delivery.urgency {
            Urgency::Page => {
                self.pages += 1;
                "a page"
            }
            Urgency::Ticket => {
                self.tickets += 1;
                "a ticket"
            }
        };
        let Style::Human(paint) = self.style else { return };
        let at = delivery.incident.updated_at;
        self.lines.push(paint.dim(&format!("--- {at}: {what} would have left{why}")));
        let incident = v1::Incident::from(&*delivery.incident);
        self.lines.push(report::page(&incident, at, paint));
        self.lines.push(String::new());
    }

    fn told(&self, tally: &Tally, wall: Duration, paint: Paint) -> Vec<String> {
        let mut out = Vec::new();
        if self.incidents.is_empty() {
            out.push("Nothing would have paged, and no ticket would have been written.".to_owned());
        } else {
            out.push(paint.bold("How they stood in the end"));
        }
        for incident in self.incidents.values() {
            out.push(report::line(&v1::Incident::from(&**incident), paint));
            if let Some(cause) = incident.causes.first() {
                out.push(format!(
                    "  cause {}: {} ({:.2})",
                    cause.service, cause.summary, cause.score
                ));
            }
        }
        out.push(String::new());
        let (pages, tickets) = (self.pages, self.tickets);
        let count = self.incidents.len();
        out.push(format!("incidents  {count}; pages {pages}, tickets {tickets}"));
        out.extend(tally.lines(wall));
        out
    }

    fn json(&self, tally: &Tally, wall: Duration) -> String {
        let mut summary = tally.json(wall);
        if let Some(fields) = summary.as_object_mut() {
            let _ = fields.insert("incidents".to_owned(), self.incidents.len().into());
            let _ = fields.insert("pages".to_owned(), self.pages.into());
            let _ = fields.insert("tickets".to_owned(), self.tickets.into());
        }
        json!({ "summary": summary }).to_string()
    }
}

/// What made this revision of the incident. One opens with its title as the reason.
fn why(happened: &[Happened], incident: &Incident) -> String {
    let of_it = |happened: &&Happened| {
        matches!(happened, Happened::Revised(revision)
        if (revision.incident.id, revision.incident.revision) == (incident.id, incident.revision))
    };
    match happened.iter().find(of_it) {
        Some(Happened::Revised(revision)) => {
            let (kind, reason) = (revision.event.kind.as_str(), &revision.event.reason);
            if reason.is_empty() || *reason == incident.title {
                format!(": {kind}")
            } else {
                format!(": {kind}, {reason}")
            }
        }
        _ => String::new(),
    }
}
