//! Durable engine state and outbox in redb: one atomic commit; the only crate that touches disk.
//!
//! A [`Commit`] holds the engine's rows, what they cause to be sent, and what sinks have answered;
//! it is on disk as a whole when [`Journal::commit`] returns, or not at all. An entry leaves the
//! outbox only when its sink has confirmed or refused it.

mod bounds;
mod codec;
mod error;
mod journal;
mod open;
mod outbox;
mod revisions;
mod tables;
mod types;

pub use bounds::{
    DEAD_LETTERS_MAX, EVENTS_WAITING_MAX, REVISIONS_MAX, REVISIONS_PER_INCIDENT_MAX,
    SNAPSHOT_COALESCE_AFTER, SNAPSHOTS_WAITING_MAX,
};
pub use error::JournalError;
pub use journal::Journal;
pub use open::{FILE_NAME, open};
pub use types::{Backlog, Commit, DeadLetter, EntryHead, OutboxEntry, Receipt, Restored, SinkSpec};

#[cfg(test)]
mod tests;
