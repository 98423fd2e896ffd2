use std::path::PathBuf;

use borsh::{BorshDeserialize, BorshSerialize};
use model::{IncidentId, Outgoing, OutgoingKind, Row, Timestamp};

/// What becomes durable together.
#[derive(Clone, Debug, Default)]
pub struct Commit {
    /// The engine's time.
    pub at: Timestamp,
    /// The engine's state, in its own encoding.
    pub rows: Vec<Row>,
    /// Enqueued for each sink that takes its kind. The revisions that they carry are kept for
    /// [`crate::Journal::revision`].
    pub outgoing: Vec<Outgoing>,
    /// Leave the outbox. A receipt for an entry that is gone is no error.
    pub confirmed: Vec<Receipt>,
    /// Move to the dead letters, each with its reason.
    pub refused: Vec<(Receipt, String)>,
}

/// Names one entry of the outbox.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, BorshSerialize, BorshDeserialize)]
pub struct Receipt {
    /// The sink that answered.
    pub sink: String,
    /// What the entry is.
    pub kind: OutgoingKind,
    /// The entry's number.
    pub seq: u64,
}

/// A sink and what it takes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SinkSpec {
    /// Names it, in the outbox too: entries wait under this name across restarts.
    pub name: String,
    /// What it takes.
    pub kinds: Vec<OutgoingKind>,
}

/// An entry of the outbox without what it carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct EntryHead {
    /// What it is: pages come first.
    pub kind: OutgoingKind,
    /// Grows with each entry, over all sinks and kinds; never reused within a store.
    pub seq: u64,
    /// The time of the commit that enqueued it.
    pub enqueued_at: Timestamp,
    /// What it is about.
    pub incident_id: IncidentId,
}

/// What waits for a sink.
#[derive(Clone, Debug, PartialEq)]
pub struct OutboxEntry {
    /// Names it.
    pub head: EntryHead,
    /// What to send.
    pub outgoing: Outgoing,
}

/// How far a sink is behind with one kind.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Backlog {
    /// The sink.
    pub sink: String,
    /// The kind.
    pub kind: OutgoingKind,
    /// Entries that wait.
    pub waiting: u64,
    /// When the oldest of them was enqueued.
    pub oldest_at: Option<Timestamp>,
    /// Snapshots that a newer one replaced, since the store was created.
    pub coalesced: u64,
    /// Entries dropped because too many waited, since the store was created.
    pub dropped: u64,
}

/// What a sink refused for good, or what waited for a sink that is no longer configured.
#[derive(Clone, Debug, PartialEq, BorshSerialize, BorshDeserialize)]
pub struct DeadLetter {
    /// What it was.
    pub receipt: Receipt,
    /// When it was refused.
    pub at: Timestamp,
    /// Why.
    pub reason: String,
    /// What was to be sent.
    pub outgoing: Outgoing,
}

/// What a journal held when it was opened.
#[derive(Clone, Debug, Default)]
pub struct Restored {
    /// Part of all incident ids of this store; chosen at its creation.
    pub epoch: u32,
    /// The engine's rows, in the order of their keys.
    pub rows: Vec<(Vec<u8>, Vec<u8>)>,
    /// The time of the last commit, if there was one: what came after it is the restart gap.
    pub last_commit_at: Option<Timestamp>,
    /// Where a corrupt or foreign file was moved to. Then nothing was restored and the epoch is
    /// new; someone has to be told.
    pub set_aside: Option<PathBuf>,
}

impl OutboxEntry {
    /// What to hand to [`Commit::confirmed`] or [`Commit::refused`].
    #[must_use]
    pub fn receipt(&self, sink: &str) -> Receipt {
        self.head.receipt(sink)
    }
}

impl EntryHead {
    /// What to hand to [`Commit::confirmed`] or [`Commit::refused`].
    #[must_use]
    pub fn receipt(&self, sink: &str) -> Receipt {
        Receipt { sink: sink.to_owned(), kind: self.kind, seq: self.seq }
    }
}
