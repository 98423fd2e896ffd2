//! What the journal holds at most. Rows are bounded by the engine that writes them.
//!
//! Pages and tickets have no bound here and are never dropped: there are as many as incidents ask
//! for, and [`crate::Backlog`] shows how many wait.

use std::time::Duration;

use model::OutgoingKind;

/// Snapshots that wait for one sink. Beyond it the oldest is dropped and counted: a newer one of
/// the same incident follows, or the incident is long closed.
pub const SNAPSHOTS_WAITING_MAX: u64 = 20_000;

/// Events that wait for one sink. Beyond it the oldest is dropped and counted.
pub const EVENTS_WAITING_MAX: u64 = 20_000;

/// A sink is behind with an incident once a snapshot has waited for this long: the next snapshot
/// of the incident then takes its place. Until then each revision is sent.
pub const SNAPSHOT_COALESCE_AFTER: Duration = Duration::from_secs(10);

/// Dead letters. Beyond it the oldest is dropped and counted.
pub const DEAD_LETTERS_MAX: u64 = 10_000;

/// Revisions kept of one incident, newest first.
pub const REVISIONS_PER_INCIDENT_MAX: u64 = 256;

/// Revisions kept in all. Beyond it those of the incident that was opened first go first.
pub const REVISIONS_MAX: u64 = 50_000;

/// Memory for pages of the file. What is beyond is read from the file again.
pub(crate) const CACHE_BYTES: usize = 32 << 20;

/// Files up to this size are checked as a whole when they are opened, every page against its
/// checksum. Larger ones open by the allocator state that each commit leaves behind, so that the
/// start takes seconds whatever the size.
pub(crate) const CHECKED_FILE_BYTES_MAX: u64 = 1 << 30;

/// How many entries of a kind may wait for one sink.
pub(crate) const fn waiting_max(kind: OutgoingKind) -> Option<u64> {
    match kind {
        OutgoingKind::Page | OutgoingKind::Ticket => None,
        OutgoingKind::Incident => Some(SNAPSHOTS_WAITING_MAX),
        OutgoingKind::Event => Some(EVENTS_WAITING_MAX),
    }
}
