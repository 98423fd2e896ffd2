use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

use journal::{EntryHead, OutboxEntry};

/// What a sink says of an entry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Answer {
    /// It has it.
    Accepted,
    /// Not now.
    Retry(String),
    /// Never.
    Refused(String),
}

/// An entry and how often it failed before.
#[derive(Clone, Debug)]
pub(crate) struct Attempt {
    pub(crate) entry: OutboxEntry,
    pub(crate) failures: u32,
}

/// Entries on their way. Resolves with an answer for each, within a time that the sink bounds.
pub(crate) type Flight = Pin<Box<dyn Future<Output = Vec<(EntryHead, Answer)>> + Send>>;

/// The port behind which Kafka and gRPC lie. The caller keeps entries of one incident and kind in
/// order by sending the next only after the answer to the one before.
pub(crate) trait Sink: Send + Sync {
    /// Sends entries. Flights are independent of each other.
    fn send(&self, attempts: Vec<Attempt>) -> Vec<Flight>;

    /// Pushes out what the sink has buffered; blocks until that is done or `deadline` has passed.
    fn flush(&self, deadline: Duration);
}
