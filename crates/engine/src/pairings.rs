use std::collections::{BTreeMap, BTreeSet};

use model::{Row, Timestamp};
use slo::pairing::{Pairing, Waiting};
use slo::stream::Increment;

use crate::persist::{Table, delete, put};

/// What waits for its other side, of SLIs whose sides are two metrics, by the ordinal of their
/// series.
#[derive(Debug, Default)]
pub(crate) struct Pairings {
    all: BTreeMap<u32, Pairing>,
    /// Those that something may wait in.
    waiting: BTreeSet<u32>,
    /// Those that have changed since they were written down.
    changed: BTreeSet<u32>,
    /// Those that have a row.
    written: BTreeSet<u32>,
}

impl Pairings {
    /// The pairing of a series, to be changed.
    pub(crate) fn touch(&mut self, ordinal: u32) -> &mut Pairing {
        let _ = self.waiting.insert(ordinal);
        let _ = self.changed.insert(ordinal);
        self.all.entry(ordinal).or_default()
    }

    /// What counts at `now`, by series.
    pub(crate) fn release(&mut self, now: Timestamp) -> Vec<(u32, Vec<Increment>)> {
        let Self { all, waiting, changed, .. } = self;
        let mut released = Vec::new();
        waiting.retain(|ordinal| {
            let Some(pairing) = all.get_mut(ordinal) else { return false };
            let increments = pairing.release(now);
            if !increments.is_empty() {
                let _ = changed.insert(*ordinal);
                released.push((*ordinal, increments));
            }
            pairing.waiting().len() > 0
        });
        released
    }

    /// Rows of what waits, where it has changed since the last call.
    pub(crate) fn take_rows(&mut self) -> Vec<Row> {
        let mut rows = Vec::new();
        for ordinal in std::mem::take(&mut self.changed) {
            let key = Table::Pairings.key_of(u64::from(ordinal));
            let waiting = self.all.get(&ordinal).into_iter().flat_map(Pairing::waiting);
            let waiting: Vec<Waiting> = waiting.copied().collect();
            if !waiting.is_empty() {
                let _ = self.written.insert(ordinal);
                rows.push(put(key, &waiting));
            } else if self.written.remove(&ordinal) {
                rows.push(delete(key));
            }
        }
        rows
    }

    pub(crate) fn restore(&mut self, ordinal: u32, waiting: Vec<Waiting>) {
        let _ = self.written.insert(ordinal);
        let _ = self.waiting.insert(ordinal);
        let _ = self.all.insert(ordinal, Pairing::restore(waiting));
    }

    /// Forgets those of series that are gone.
    pub(crate) fn retain(&mut self, mut is_there: impl FnMut(u32) -> bool) {
        let Self { all, changed, .. } = self;
        all.retain(|ordinal, _| {
            let stays = is_there(*ordinal);
            if !stays {
                let _ = changed.insert(*ordinal);
            }
            stays
        });
    }
}
