use std::time::{SystemTime, UNIX_EPOCH};

use model::Timestamp;

/// The wall clock: the only place where fogbell reads it. The engine never lets its own time step
/// back, whatever this does.
#[must_use]
pub fn now() -> Timestamp {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Timestamp::from_unix_ns(u64::try_from(since.as_nanos()).unwrap_or(u64::MAX))
}

/// A number that nobody can guess: seeds the hashes of a daemon.
#[must_use]
pub fn random_seed() -> u64 {
    use std::hash::{BuildHasher, RandomState};
    RandomState::new().hash_one(now().unix_ns())
}
