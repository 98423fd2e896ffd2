use std::collections::{BTreeMap, BTreeSet};
use std::mem;

use journal::EntryHead;
use model::{IncidentId, OutgoingKind};
use tokio::time::Instant;

/// Entries of one kind on their way or waiting for another attempt, in one lane. What is beyond
/// waits in the outbox.
pub(crate) const UNSETTLED_PER_KIND_MAX: usize = 256;

type Key = (OutgoingKind, u64);

/// What a lane knows of entries whose outcome is not committed yet. Each entry of the outbox is in
/// at most one of: in flight, waiting, settled. At most one entry of an incident and kind is in
/// flight or waiting, so that revisions arrive in their order.
#[derive(Debug, Default)]
pub(crate) struct Book {
    in_flight: BTreeMap<Key, Unsettled>,
    waiting: BTreeMap<Key, (Unsettled, Instant)>,
    /// Answered; their receipts are not committed yet. Bounded by the outbox.
    settled: BTreeSet<Key>,
    /// The incidents of what is in flight or waiting.
    busy: BTreeSet<(OutgoingKind, IncidentId)>,
    /// What the current scan saw of `waiting` and `settled`.
    seen: BTreeSet<Key>,
    /// Whether the last scan passed over an entry that could go once another is settled.
    blocked: bool,
}

#[derive(Clone, Copy, Debug)]
struct Unsettled {
    incident: IncidentId,
    failures: u32,
}

impl Book {
    /// Begins to look through the outbox.
    pub(crate) fn begin_scan(&mut self) {
        self.seen.clear();
        self.blocked = false;
    }

    /// Whether an entry is to be sent now; if so, it is in flight.
    pub(crate) fn wants(&mut self, head: &EntryHead, now: Instant) -> bool {
        let key = (head.kind, head.seq);
        if self.settled.contains(&key) {
            self.seen.insert(key);
            return false;
        }
        if let Some((unsettled, due)) = self.waiting.get(&key).copied() {
            self.seen.insert(key);
            if due > now {
                return false;
            }
            self.waiting.remove(&key);
            self.in_flight.insert(key, unsettled);
            return true;
        }
        if self.in_flight.contains_key(&key) {
            return false;
        }
        if self.busy.contains(&(head.kind, head.incident_id))
            || self.unsettled(head.kind) >= UNSETTLED_PER_KIND_MAX
        {
            self.blocked = true;
            return false;
        }
        self.busy.insert((head.kind, head.incident_id));
        self.in_flight.insert(key, Unsettled { incident: head.incident_id, failures: 0 });
        true
    }

    /// Ends a scan of the whole outbox: forgets what is gone from it.
    pub(crate) fn end_scan(&mut self) {
        let seen = mem::take(&mut self.seen);
        self.settled.retain(|key| seen.contains(key));
        let busy = &mut self.busy;
        self.waiting.retain(|key, (unsettled, _)| {
            let stays = seen.contains(key);
            if !stays {
                busy.remove(&(key.0, unsettled.incident));
            }
            stays
        });
    }

    /// How often an entry in flight failed before.
    pub(crate) fn failures(&self, head: &EntryHead) -> u32 {
        self.in_flight.get(&(head.kind, head.seq)).map_or(0, |unsettled| unsettled.failures)
    }

    /// The sink has accepted or refused an entry.
    pub(crate) fn settle(&mut self, head: &EntryHead) {
        let key = (head.kind, head.seq);
        self.in_flight.remove(&key);
        self.busy.remove(&(head.kind, head.incident_id));
        self.settled.insert(key);
    }

    /// An entry is to be sent again at `due`.
    pub(crate) fn retry(&mut self, head: &EntryHead, due: Instant) {
        let key = (head.kind, head.seq);
        if let Some(mut unsettled) = self.in_flight.remove(&key) {
            unsettled.failures = unsettled.failures.saturating_add(1);
            self.waiting.insert(key, (unsettled, due));
        }
    }

    /// When the next entry is to be sent again.
    pub(crate) fn next_due(&self) -> Option<Instant> {
        self.waiting.values().map(|(_, due)| *due).min()
    }

    /// Whether an entry was sent that the sink has not answered for good.
    pub(crate) fn is_unsettled(&self) -> bool {
        !self.in_flight.is_empty() || !self.waiting.is_empty()
    }

    pub(crate) fn blocked(&self) -> bool {
        self.blocked
    }

    pub(crate) fn in_flight(&self) -> usize {
        self.in_flight.len()
    }

    fn unsettled(&self, kind: OutgoingKind) -> usize {
        let range = (kind, 0)..=(kind, u64::MAX);
        self.in_flight.range(range.clone()).count() + self.waiting.range(range).count()
    }
}
