use std::collections::hash_map::Entry;
use std::collections::{HashMap, VecDeque};
use std::hash::{BuildHasher, Hasher};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use ahash::RandomState;
use otlp::{Signal, Summary};
use parking_lot::Mutex;
use tokio::sync::watch;

/// How long a request is remembered.
const REMEMBERED: Duration = Duration::from_secs(60);
/// How many requests of one tenant are remembered; beyond that its oldest are forgotten early, and
/// a retry of theirs counts twice.
const REMEMBERED_MAX: usize = 1 << 16;
/// How many are remembered over all tenants; beyond that those who hold more than
/// [`REMEMBERED_MIN`] forget early.
const REMEMBERED_IN_ALL_MAX: usize = 1 << 18;
const REMEMBERED_MIN: usize = 256;
/// Workers look requests up at the same time; so many of them do not meet.
const SHARDS: usize = 8;
/// Requests of at most this length are hashed whole.
const WHOLE_BYTES_MAX: usize = 4096;
/// Of longer ones so much of the head and of the tail is,
const EDGE_BYTES: usize = 1024;
/// and between them a block of this size at every stride.
const BLOCK_BYTES: usize = 64;
const STRIDE_BYTES: usize = 16 << 10;

/// Recent requests of a tenant, so that a retry is not a new event (design, section 4). Shared by
/// all workers.
#[derive(Debug)]
pub(crate) struct Repeats {
    shards: [Mutex<Shard>; SHARDS],
    in_all: Arc<AtomicUsize>,
    hasher: RandomState,
}

#[derive(Debug, Default)]
struct Shard {
    seen: HashMap<Fingerprint, State, RandomState>,
    /// Settled ones, oldest first.
    order: VecDeque<(Instant, Fingerprint)>,
}

/// A hash of tenant, signal, length and chosen parts of a request; and its length again, so that
/// two requests are taken for one only if 64 bits of hash and the length agree.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Fingerprint {
    hash: u64,
    length: usize,
}

#[derive(Debug)]
enum State {
    /// Somebody holds its [`Claim`], and somebody may wait for the outcome.
    InFlight(Option<watch::Sender<()>>),
    /// It was observed; it is not known to be journalled.
    Observed(Box<Summary>),
    /// It was taken, but for so many rejected items.
    Final { rejected: u64 },
}

/// What is known of a request.
pub(crate) enum Seen<'a> {
    /// It is to be taken by whoever holds the claim.
    Mine(Claim<'a>),
    /// It was taken before, but for so many rejected items.
    Before {
        /// How many items were left out then.
        rejected: u64,
    },
    /// The same bytes are being taken right now: wait for the outcome, then ask again.
    InFlight(watch::Receiver<()>),
}

/// The right to decide what becomes of a request. Dropped without a decision, it leaves the request
/// as unknown as before; or as observed, if it was.
#[derive(Debug)]
pub(crate) struct Claim<'a> {
    repeats: &'a Repeats,
    fingerprint: Fingerprint,
    observed: Option<Summary>,
    /// Whether the fingerprint is in the order of those to forget.
    is_remembered: bool,
    is_final: bool,
}

impl Repeats {
    /// Knows nothing; `in_all` counts what all tenants remember.
    pub(crate) fn new(in_all: Arc<AtomicUsize>) -> Self {
        Self { shards: Default::default(), in_all, hasher: RandomState::new() }
    }

    /// Looks a request up, and claims it unless it was taken.
    pub(crate) fn look_up(
        &self,
        tenant: &str,
        signal: Signal,
        request: &[u8],
        now: Instant,
    ) -> Seen<'_> {
        let fingerprint = self.fingerprint(tenant, signal, request);
        let mut shard = self.shard(fingerprint).lock();
        self.forget(&mut shard, now);
        let (observed, is_remembered) = match shard.seen.entry(fingerprint) {
            Entry::Vacant(entry) => {
                let _ = entry.insert(State::InFlight(None));
                (None, false)
            }
            Entry::Occupied(mut entry) => match entry.get_mut() {
                State::Final { rejected } => return Seen::Before { rejected: *rejected },
                State::InFlight(outcome) => {
                    let outcome = outcome.get_or_insert_with(|| watch::channel(()).0);
                    return Seen::InFlight(outcome.subscribe());
                }
                State::Observed(_) => match entry.insert(State::InFlight(None)) {
                    State::Observed(summary) => (Some(*summary), true),
                    _ => (None, true),
                },
            },
        };
        let is_final = false;
        Seen::Mine(Claim { repeats: self, fingerprint, observed, is_remembered, is_final })
    }

    fn shard(&self, fingerprint: Fingerprint) -> &Mutex<Shard> {
        // The map within takes its bits from another hash.
        let index = fingerprint.hash as usize % SHARDS;
        &self.shards[index]
    }

    fn forget(&self, shard: &mut Shard, now: Instant) {
        while let Some((at, fingerprint)) = shard.order.front().copied() {
            let held = shard.order.len();
            let too_many = held > REMEMBERED_MAX / SHARDS
                || held > REMEMBERED_MIN / SHARDS
                    && self.in_all.load(Ordering::Relaxed) > REMEMBERED_IN_ALL_MAX;
            if now.saturating_duration_since(at) < REMEMBERED && !too_many {
                return;
            }
            let _ = shard.order.pop_front();
            let _ = shard.seen.remove(&fingerprint);
            let _ = self.in_all.fetch_sub(1, Ordering::Relaxed);
        }
    }

    fn fingerprint(&self, tenant: &str, signal: Signal, request: &[u8]) -> Fingerprint {
        let mut hasher = self.hasher.build_hasher();
        hasher.write(tenant.as_bytes());
        hasher.write_u8(signal as u8);
        if request.len() <= WHOLE_BYTES_MAX {
            hasher.write(request);
        } else {
            hasher.write(&request[..EDGE_BYTES]);
            hasher.write(&request[request.len() - EDGE_BYTES..]);
            for stride in request.chunks(STRIDE_BYTES).skip(1) {
                hasher.write(&stride[..stride.len().min(BLOCK_BYTES)]);
            }
        }
        Fingerprint { hash: hasher.finish(), length: request.len() }
    }
}

impl Drop for Repeats {
    fn drop(&mut self) {
        let held = self.shards.iter_mut().map(|shard| shard.get_mut().order.len()).sum();
        let _ = self.in_all.fetch_sub(held, Ordering::Relaxed);
    }
}

impl Claim<'_> {
    /// What was observed of the request, if it was: it must not be observed again.
    pub(crate) fn observed(&self) -> Option<&Summary> {
        self.observed.as_ref()
    }

    /// The request was observed.
    pub(crate) fn observe(&mut self, summary: Summary) {
        self.observed = Some(summary);
    }

    /// The request is taken: a repeat of it counts no more.
    pub(crate) fn accept(mut self) {
        self.is_final = true;
    }

    fn settled(&mut self) -> Option<State> {
        let summary = self.observed.take()?;
        Some(if self.is_final {
            State::Final { rejected: summary.rejected.total() }
        } else {
            State::Observed(Box::new(summary))
        })
    }
}

impl Drop for Claim<'_> {
    fn drop(&mut self) {
        let settled = self.settled();
        let mut shard = self.repeats.shard(self.fingerprint).lock();
        let before = match settled {
            Some(state) => {
                if !self.is_remembered {
                    shard.order.push_back((Instant::now(), self.fingerprint));
                    let _ = self.repeats.in_all.fetch_add(1, Ordering::Relaxed);
                }
                shard.seen.insert(self.fingerprint, state)
            }
            None => shard.seen.remove(&self.fingerprint),
        };
        drop(shard);
        // Whoever waits wakes since the sender is gone.
        drop(before);
    }
}

#[cfg(test)]
mod tests;
