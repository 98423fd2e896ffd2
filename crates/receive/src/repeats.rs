use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

use ahash::RandomState;
use dashmap::DashMap;
use dashmap::mapref::entry::Entry;
use parking_lot::Mutex;
use tokio::sync::watch;

use auth::Tenant;

/// How long a request is remembered.
const REMEMBERED: Duration = Duration::from_secs(60);
/// How many requests are remembered over all tenants; beyond that the oldest are forgotten early,
/// and a retry of theirs counts twice.
const REMEMBERED_MAX: usize = 200_000;
/// How much of the head and of the tail of a request is hashed.
const EDGE_BYTES: usize = 1024;
/// Between them, a block of this size at every stride.
const BLOCK_BYTES: usize = 64;
const STRIDE_BYTES: usize = 4096;

/// Recent requests, so that a retry is not a new event (design, section 4). Shared by all workers.
#[derive(Debug)]
pub(crate) struct Repeats {
    seen: DashMap<Fingerprint, State, RandomState>,
    order: Mutex<VecDeque<(Instant, Fingerprint)>>,
    hasher: RandomState,
}

/// Tenant, length and a hash of chosen parts of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Fingerprint(u64, u64);

#[derive(Debug)]
enum State {
    InFlight(watch::Receiver<bool>),
    Final,
}

/// What is known of a request.
pub(crate) enum Seen {
    /// It is new; its outcome makes the fingerprint final or removes it.
    New(Claim),
    /// It was taken before.
    Before,
    /// The same bytes are being taken right now: wait for the outcome, then ask again.
    InFlight(watch::Receiver<bool>),
}

/// The right to decide what becomes of a fingerprint. Dropped without a decision it is removed, as
/// a refusal would.
pub(crate) struct Claim {
    repeats: Arc<Repeats>,
    fingerprint: Fingerprint,
    done: watch::Sender<bool>,
    accepted: bool,
}

impl Repeats {
    pub(crate) fn new() -> Arc<Self> {
        let hasher = RandomState::new();
        let seen = DashMap::with_hasher(hasher.clone());
        Arc::new(Self { seen, order: Mutex::new(VecDeque::new()), hasher })
    }

    /// Looks a request up, and claims it if it is new.
    pub(crate) fn look_up(self: &Arc<Self>, tenant: &Tenant, request: &[u8]) -> Seen {
        self.forget(Instant::now());
        let fingerprint = self.fingerprint(tenant, request);
        match self.seen.entry(fingerprint) {
            Entry::Occupied(entry) => match entry.get() {
                State::Final => Seen::Before,
                State::InFlight(done) => Seen::InFlight(done.clone()),
            },
            Entry::Vacant(entry) => {
                let (done, receiver) = watch::channel(false);
                let _ = entry.insert(State::InFlight(receiver));
                let repeats = Arc::clone(self);
                Seen::New(Claim { repeats, fingerprint, done, accepted: false })
            }
        }
    }

    fn forget(&self, now: Instant) {
        let mut order = self.order.lock();
        while let Some((at, fingerprint)) = order.front().copied() {
            if now.duration_since(at) < REMEMBERED && order.len() <= REMEMBERED_MAX {
                break;
            }
            let _ = order.pop_front();
            let _ = self.seen.remove(&fingerprint);
        }
    }

    fn fingerprint(&self, tenant: &Tenant, request: &[u8]) -> Fingerprint {
        let head = &request[..request.len().min(EDGE_BYTES)];
        let tail = &request[request.len().saturating_sub(EDGE_BYTES)..];
        let middle: u64 = request
            .chunks(STRIDE_BYTES)
            .map(|chunk| self.hasher.hash_one(&chunk[..chunk.len().min(BLOCK_BYTES)]))
            .fold(0, |sum, hash| sum.rotate_left(5) ^ hash);
        let edges = self.hasher.hash_one((&**tenant, request.len(), head, tail));
        Fingerprint(edges, middle)
    }
}

impl Claim {
    /// The request was taken: the fingerprint is final.
    pub(crate) fn accept(mut self) {
        self.accepted = true;
        let _ = self.repeats.seen.insert(self.fingerprint, State::Final);
        self.repeats.order.lock().push_back((Instant::now(), self.fingerprint));
    }
}

impl Drop for Claim {
    fn drop(&mut self) {
        if !self.accepted {
            let _ = self.repeats.seen.remove(&self.fingerprint);
        }
        let _ = self.done.send(true);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tenant() -> Tenant {
        "default".into()
    }

    fn claim(repeats: &Arc<Repeats>, request: &[u8]) -> Option<Claim> {
        match repeats.look_up(&tenant(), request) {
            Seen::New(claim) => Some(claim),
            Seen::Before | Seen::InFlight(_) => None,
        }
    }

    #[test]
    fn an_accepted_request_is_seen_again_and_a_refused_one_is_new() {
        let repeats = Repeats::new();
        claim(&repeats, b"one").expect("new").accept();
        assert!(matches!(repeats.look_up(&tenant(), b"one"), Seen::Before));
        drop(claim(&repeats, b"two").expect("new"));
        assert!(claim(&repeats, b"two").is_some(), "a refusal removes it");
    }

    #[test]
    fn the_same_bytes_of_another_tenant_are_new() {
        let repeats = Repeats::new();
        claim(&repeats, b"one").expect("new").accept();
        assert!(matches!(repeats.look_up(&"other".into(), b"one"), Seen::New(_)));
    }

    #[test]
    fn a_retry_in_flight_waits_for_the_outcome() {
        let repeats = Repeats::new();
        let first = claim(&repeats, b"one").expect("new");
        let Seen::InFlight(done) = repeats.look_up(&tenant(), b"one") else {
            panic!("it is in flight")
        };
        assert!(!*done.borrow());
        first.accept();
        assert!(*done.borrow());
    }

    #[test]
    fn a_difference_at_head_tail_length_or_stride_makes_another_request() {
        let repeats = Repeats::new();
        let whole = vec![7u8; 3 * STRIDE_BYTES];
        claim(&repeats, &whole).expect("new").accept();
        for at in [0, STRIDE_BYTES + 3, whole.len() - 1] {
            let mut other = whole.clone();
            other[at] = 8;
            assert!(claim(&repeats, &other).is_some(), "byte {at}");
        }
        assert!(claim(&repeats, &whole[1..]).is_some());
    }
}
