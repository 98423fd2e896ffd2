//! What a replay came to.

use std::collections::BTreeMap;
use std::time::Duration;

use model::Timestamp;
use serde_json::{Value, json};

use super::recording::Place;
use crate::report::span_text;

/// Broken requests that are named; those beyond are counted.
const NAMED_MAX: u64 = 100;

/// Requests and what is in them.
#[derive(Debug, Default)]
pub(super) struct Tally {
    pub(super) files: usize,
    pub(super) requests: u64,
    /// Spans, data points and log records that were taken.
    pub(super) items: u64,
    /// Items that were left out, by reason.
    pub(super) rejected: BTreeMap<String, u64>,
    /// Lines and messages that could not be used.
    pub(super) broken: u64,
    /// From the first moment to the last.
    span: Option<(Timestamp, Timestamp)>,
    /// Of the part that is under way.
    part: Option<(Timestamp, Timestamp)>,
    /// Parts before it, and how long they were together.
    parts_done: u64,
    done: Duration,
}

impl Tally {
    pub(super) fn new(files: usize) -> Self {
        Self { files, ..Self::default() }
    }

    /// Counts a broken request; what to say about it.
    pub(super) fn take_broken(&mut self, place: &Place, why: &str) -> Option<String> {
        self.broken += 1;
        match self.broken {
            ..=NAMED_MAX => Some(format!("{place}: {why}")),
            n if n == NAMED_MAX + 1 => Some("further broken requests are only counted".to_owned()),
            _ => None,
        }
    }

    pub(super) fn reject(&mut self, reason: &str, count: u64) {
        *self.rejected.entry(reason.to_owned()).or_default() += count;
    }

    /// Widens the stretch of time that was replayed.
    pub(super) fn see(&mut self, at: Timestamp) {
        for span in [&mut self.span, &mut self.part] {
            let (from, until) = span.unwrap_or((at, at));
            *span = Some((from.min(at), until.max(at)));
        }
    }

    /// What follows lies at another time.
    pub(super) fn begin_anew(&mut self) {
        self.done = self.recorded();
        self.parts_done += 1;
        self.part = None;
    }

    /// How long the recording is, without the gaps between its parts.
    fn recorded(&self) -> Duration {
        self.done + self.part.map_or(Duration::ZERO, |(from, until)| until.since(from))
    }

    fn rejected_total(&self) -> u64 {
        self.rejected.values().sum()
    }

    /// For people.
    pub(super) fn lines(&self, wall: Duration) -> Vec<String> {
        let files = if self.files == 1 { "file" } else { "files" };
        let mut out = vec![format!(
            "requests   {} in {} {files}: {} items, {} rejected; {} broken",
            self.requests,
            self.files,
            self.items,
            self.rejected_total(),
            self.broken
        )];
        for (reason, count) in &self.rejected {
            out.push(format!("           {count} rejected: {reason}"));
        }
        if let Some((from, until)) = self.span {
            let long = span_text(self.recorded().as_secs_f64());
            let parts = match self.parts_done {
                0 => String::new(),
                done => format!(" in {} parts", done + 1),
            };
            out.push(format!("recorded   {from} to {until}, {long}{parts}"));
        }
        let took = span_text(wall.as_secs_f64());
        out.push(format!("took       {took}, {:.0}x as fast as recorded", self.speed(wall)));
        out
    }

    /// For programs.
    pub(super) fn json(&self, wall: Duration) -> Value {
        json!({
            "files": self.files,
            "requests": self.requests,
            "items": self.items,
            "rejected": self.rejected_total(),
            "rejectedByReason": self.rejected,
            "broken": self.broken,
            "from": self.span.map(|(from, _)| from.to_string()),
            "until": self.span.map(|(_, until)| until.to_string()),
            "recordedSeconds": self.recorded().as_secs_f64(),
            "parts": self.parts_done + 1,
            "wallSeconds": wall.as_secs_f64(),
            "speed": self.speed(wall),
        })
    }

    fn speed(&self, wall: Duration) -> f64 {
        let wall_s = wall.as_secs_f64();
        if wall_s > 0.0 { self.recorded().as_secs_f64() / wall_s } else { 0.0 }
    }
}
