use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

use journal::Backlog;
use model::{OutgoingKind, Timestamp};

/// How a sink fares since the emitter was started.
#[derive(Clone, Debug, PartialEq)]
pub struct SinkHealth {
    /// The sink.
    pub sink: String,
    /// Entries that it has accepted, of each kind that it takes.
    pub sent: BTreeMap<OutgoingKind, u64>,
    /// Attempts that failed and are made again.
    pub retried: u64,
    /// Entries that it refused for good.
    pub refused: u64,
    /// Entries on their way.
    pub in_flight: u64,
    /// When it last accepted one.
    pub last_success: Option<Timestamp>,
    /// What last went wrong; older than `last_success` if it was mended since.
    pub last_error: Option<SinkError>,
    /// What waits for it, of each kind that it takes.
    pub backlog: Vec<Backlog>,
}

/// Something went wrong at a sink.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SinkError {
    /// When.
    pub at: Timestamp,
    /// What, in words.
    pub message: String,
}

/// The counts of a lane, written by it and read by whoever asks.
#[derive(Debug, Default)]
pub(crate) struct LaneStats {
    sent: [AtomicU64; OutgoingKind::ALL.len()],
    pub(crate) retried: AtomicU64,
    pub(crate) refused: AtomicU64,
    pub(crate) in_flight: AtomicU64,
    last_success_ns: AtomicU64,
    last_error: Mutex<Option<SinkError>>,
}

impl LaneStats {
    pub(crate) fn accepted(&self, kind: OutgoingKind) {
        if let Some(sent) = self.sent.get(kind as usize) {
            sent.fetch_add(1, Ordering::Relaxed);
        }
        self.last_success_ns.store(now().unix_ns(), Ordering::Relaxed);
    }

    pub(crate) fn failed(&self, message: &str) {
        let error = SinkError { at: now(), message: message.to_owned() };
        *self.last_error.lock().unwrap_or_else(PoisonError::into_inner) = Some(error);
    }

    pub(crate) fn sent(&self, kind: OutgoingKind) -> u64 {
        self.sent.get(kind as usize).map_or(0, |sent| sent.load(Ordering::Relaxed))
    }

    pub(crate) fn last_success(&self) -> Option<Timestamp> {
        let at = Timestamp::from_unix_ns(self.last_success_ns.load(Ordering::Relaxed));
        at.is_set().then_some(at)
    }

    pub(crate) fn last_error(&self) -> Option<SinkError> {
        self.last_error.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// The wall clock.
fn now() -> Timestamp {
    let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Timestamp::ZERO.after(since_epoch)
}
