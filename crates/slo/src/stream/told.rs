use std::time::Duration;

use ahash::RandomState;
use hashbrown::HashTable;
use model::Timestamp;

use super::Feed;

/// A source tells all of its streams at each turn. One that was never among them for this long is
/// new, however long ago its start lies.
pub const SOURCE_KNOWN_AFTER: Duration = Duration::from_secs(600);

/// When sources last told of a feed: an SDK exports all streams of a metric together, so that one
/// that was not there the last time has counted nothing until then.
#[derive(Clone, Debug)]
pub(super) struct Tellings {
    all: Vec<Telling>,
    index: HashTable<u32>,
    hasher: RandomState,
}

/// The times at which a source told of a feed.
#[derive(Clone, Copy, Debug)]
pub(super) struct Telling {
    source: u64,
    feed: Feed,
    /// The first time; zero = not yet.
    since: Timestamp,
    newest: Timestamp,
    /// The one before the newest: the newest itself may be of the same turn as what is new.
    previous: Timestamp,
}

impl Telling {
    fn hash(&self, hasher: &RandomState) -> u64 {
        hasher.hash_one((self.source, self.feed.series, self.feed.kind as u8))
    }

    /// Notes a point of this time.
    #[inline]
    pub(super) fn note(&mut self, time: Timestamp) {
        if time > self.newest {
            (self.previous, self.newest) = (self.newest, time);
        }
        if !self.since.is_set() {
            self.since = time;
        }
    }

    /// The last time before this one at which the source told.
    pub(super) fn before(&self, time: Timestamp) -> Option<Timestamp> {
        let before = if self.newest < time { self.newest } else { self.previous };
        Some(before).filter(|before| before.is_set() && *before < time)
    }

    /// Whether a stream that was never seen was not there before, either.
    pub(super) fn is_known(&self, time: Timestamp) -> bool {
        self.since.is_set() && time.since(self.since) >= SOURCE_KNOWN_AFTER
    }
}

impl Tellings {
    pub(super) fn new(hasher: RandomState) -> Self {
        Self { all: Vec::new(), index: HashTable::new(), hasher }
    }

    /// The place of a source and feed, made if it is new.
    pub(super) fn place(&mut self, source: u64, feed: Feed) -> u32 {
        let Self { all, index, hasher } = self;
        let zero = Timestamp::ZERO;
        let new = Telling { source, feed, since: zero, newest: zero, previous: zero };
        let is_it = |at: &u32| {
            all.get(*at as usize).is_some_and(|known| known.source == source && known.feed == feed)
        };
        let hash = new.hash(hasher);
        if let Some(at) = index.find(hash, is_it) {
            return *at;
        }
        // Fewer than streams, of which there are fewer than 2^32.
        let at = all.len() as u32;
        all.push(new);
        index.insert_unique(hash, at, |at| hash_at(all, *at, hasher));
        at
    }

    #[inline]
    pub(super) fn get_mut(&mut self, at: u32) -> Option<&mut Telling> {
        self.all.get_mut(at as usize)
    }

    /// A source that was known before a restart, by a stream of it.
    pub(super) fn restore(&mut self, at: u32, time: Timestamp) {
        if let Some(telling) = self.get_mut(at) {
            telling.note(time.before(SOURCE_KNOWN_AFTER));
            telling.note(time);
        }
    }

    pub(super) fn len(&self) -> usize {
        self.all.len()
    }

    /// Goes on with these alone, whose places become 0, 1 and so on.
    pub(super) fn keep(&mut self, places: &[u32]) {
        let Self { all, index, hasher } = self;
        *all = places.iter().filter_map(|at| all.get(*at as usize).copied()).collect();
        index.clear();
        for at in 0..all.len() as u32 {
            index.insert_unique(hash_at(all, at, hasher), at, |at| hash_at(all, *at, hasher));
        }
    }
}

fn hash_at(all: &[Telling], at: u32, hasher: &RandomState) -> u64 {
    all.get(at as usize).map_or(0, |telling| telling.hash(hasher))
}
