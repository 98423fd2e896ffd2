//! Tells a clock that is wrong from a recording that goes on at another time: neither must send
//! the engine through months of silence.

use std::collections::VecDeque;
use std::time::Duration;

use model::Timestamp;

use super::merge::Merge;
use super::recording::{Item, Place, Record};

/// How far a request may lie before or after what came before it.
const GAP_MAX: Duration = Duration::from_secs(7 * 86_400);
/// So many requests in a row that lie beyond the gap, and near each other, are a new part of the
/// recording. Fewer have a wrong clock.
const AGREE: usize = 3;

/// What comes next.
#[derive(Debug)]
pub(super) enum Step {
    Record(Record),
    /// Where something is that cannot be replayed, and why.
    Broken(Place, String),
    /// What follows lies more than a week from what came before.
    Anew,
}

/// The merged recordings, cut where their time jumps.
pub(super) struct Parts {
    merge: Merge,
    /// The newest time of the part; not set before the first.
    now: Timestamp,
    /// Requests beyond the gap, until it is known what they are; fewer than [`AGREE`].
    held: Vec<(Timestamp, Record)>,
    ready: VecDeque<Step>,
}

impl Parts {
    pub(super) fn new(merge: Merge) -> Self {
        Self { merge, now: Timestamp::ZERO, held: Vec::new(), ready: VecDeque::new() }
    }

    /// What comes next; `None` at the end of all.
    ///
    /// # Errors
    /// If a file cannot be read further.
    pub(super) fn next(&mut self) -> anyhow::Result<Option<Step>> {
        loop {
            if let Some(step) = self.ready.pop_front() {
                return Ok(Some(step));
            }
            match self.merge.next()? {
                Some(Item::Record(record)) => self.sort(record),
                Some(Item::Broken(place, why)) => return Ok(Some(Step::Broken(place, why))),
                None if self.held.is_empty() => return Ok(None),
                None => self.give_up(),
            }
        }
    }

    fn sort(&mut self, record: Record) {
        let Some(at) = record.newest else {
            return self.ready.push_back(Step::Record(record));
        };
        if !self.now.is_set() || is_near(at, self.now) {
            self.give_up();
            self.now = self.now.max(at);
            return self.ready.push_back(Step::Record(record));
        }
        if self.held.last().is_some_and(|(other, _)| !is_near(at, *other)) {
            self.give_up();
        }
        self.held.push((at, record));
        if self.held.len() == AGREE {
            self.ready.push_back(Step::Anew);
            self.now = Timestamp::ZERO;
            for (at, record) in self.held.drain(..) {
                self.now = self.now.max(at);
                self.ready.push_back(Step::Record(record));
            }
        }
    }

    /// What is held has a wrong clock.
    fn give_up(&mut self) {
        for (at, record) in self.held.drain(..) {
            let why = format!("its time {at} lies more than a week from what came before it");
            self.ready.push_back(Step::Broken(record.place, why));
        }
    }
}

fn is_near(a: Timestamp, b: Timestamp) -> bool {
    a.since(b).max(b.since(a)) <= GAP_MAX
}
