use ahash::RandomState;
use hashbrown::HashTable;
use model::{StreamPoint, Timestamp};

use super::told::{Telling, Tellings};
use super::{Baseline, Feed};

/// Slots that are stored together.
pub(super) const CHUNK_SLOTS: usize = 64;
/// Workers whose numbers of streams are remembered; those of others are looked up each time.
const HINTED_WORKERS_MAX: usize = 256;
/// Up to which number streams of a worker are remembered.
const HINTED_STREAMS_MAX: usize = 1 << 20;
/// So many sources are remembered in any case, and twice as many as there are streams.
const TELLINGS_MIN: usize = 1024;
const NONE: u32 = u32::MAX;

/// Baselines by slot. A slot keeps its number, so that what is stored of it can be written anew
/// in place; a number that has become free is given away again.
#[derive(Clone, Debug)]
pub(super) struct Table {
    pub(super) slots: Vec<Slot>,
    free: Vec<u32>,
    index: HashTable<u32>,
    hasher: RandomState,
    /// By worker and its own number of the stream, the slot that it had. It is looked at first,
    /// and need not be right.
    hints: Vec<Vec<u32>>,
    /// What has changed since it was stored, by chunk.
    pub(super) changes: Vec<Changes>,
    tellings: Tellings,
}

#[derive(Clone, Copy, Debug)]
pub(super) struct Slot {
    pub(super) stream: u128,
    pub(super) feed: Feed,
    pub(super) baseline: Baseline,
    /// Its source among [`Tellings`].
    telling: u32,
    pub(super) is_live: bool,
}

/// What has changed in a chunk.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Changes {
    pub(super) identities: bool,
    pub(super) baselines: bool,
}

impl Slot {
    pub(super) const fn new(stream: u128, feed: Feed, baseline: Baseline) -> Self {
        Self { stream, feed, baseline, telling: NONE, is_live: true }
    }

    #[inline(always)]
    fn is_of(&self, stream: u128, feed: Feed) -> bool {
        self.is_live && self.stream == stream && self.feed == feed
    }
}

impl Table {
    pub(super) fn new(hasher: RandomState) -> Self {
        Self {
            slots: Vec::new(),
            free: Vec::new(),
            index: HashTable::new(),
            tellings: Tellings::new(hasher.clone()),
            hasher,
            hints: Vec::new(),
            changes: Vec::new(),
        }
    }

    pub(super) fn len(&self) -> usize {
        self.index.len()
    }

    #[inline]
    pub(super) fn find(&mut self, feed: Feed, worker: u32, point: &StreamPoint) -> Option<u32> {
        let (stream, id) = (point.stream, point.id);
        let hint = self.hints.get(worker as usize).and_then(|hints| hints.get(id as usize));
        if let Some(&at) = hint
            && self.slots.get(at as usize).is_some_and(|slot| slot.is_of(stream, feed))
        {
            return Some(at);
        }
        let hash = hash(&self.hasher, stream, feed);
        let slots = &self.slots;
        let is_it = |at: &u32| slots.get(*at as usize).is_some_and(|s| s.is_of(stream, feed));
        let at = *self.index.find(hash, is_it)?;
        self.remember(worker, id, at);
        Some(at)
    }

    /// The baseline of a slot, to be changed.
    #[inline]
    pub(super) fn change(&mut self, at: u32) -> Option<&mut Baseline> {
        self.changes.get_mut(at as usize / CHUNK_SLOTS)?.baselines = true;
        self.slots.get_mut(at as usize).map(|slot| &mut slot.baseline)
    }

    /// The source of a slot told of it.
    #[inline]
    pub(super) fn tell(&mut self, at: u32, time: Timestamp) {
        let place = self.slots.get(at as usize).map_or(NONE, |slot| slot.telling);
        if let Some(telling) = self.tellings.get_mut(place) {
            telling.note(time);
        }
    }

    /// What is known of a source that tells of a stream for the first time, before it did.
    pub(super) fn telling(&mut self, stream: u128, feed: Feed, time: Timestamp) -> Option<Telling> {
        let place = self.tellings.place(StreamPoint::source_of(stream), feed);
        let telling = self.tellings.get_mut(place)?;
        let before = *telling;
        telling.note(time);
        Some(before)
    }

    /// Adds a slot for what has none yet; `from` is the worker and its own number.
    pub(super) fn insert(&mut self, slot: Slot, from: Option<(u32, u32)>) {
        let at = match self.free.pop() {
            Some(at) => at,
            // Fewer than 2^32: the table is limited far below.
            None => self.slots.len() as u32,
        };
        self.put(at, slot);
        if let Some((worker, id)) = from {
            self.remember(worker, id, at);
        }
    }

    /// Puts a slot where it was before a restart.
    pub(super) fn restore(&mut self, at: u32, slot: Slot) {
        self.put(at, slot);
        let telling = self.slots.get(at as usize).map_or(NONE, |slot| slot.telling);
        self.tellings.restore(telling, slot.baseline.time);
    }

    fn put(&mut self, at: u32, slot: Slot) {
        let place = at as usize;
        let telling = self.tellings.place(StreamPoint::source_of(slot.stream), slot.feed);
        let slot = Slot { telling, ..slot };
        if place >= self.slots.len() {
            let vacant = Slot { is_live: false, ..slot };
            self.slots.resize(place + 1, vacant);
            self.changes.resize(place / CHUNK_SLOTS + 1, Changes::default());
        }
        self.slots[place] = slot;
        self.changes[place / CHUNK_SLOTS] = Changes { identities: true, baselines: true };
        let Self { slots, index, hasher, .. } = self;
        let rehash = |at: &u32| hash_of(hasher, slots, *at);
        index.insert_unique(hash(hasher, slot.stream, slot.feed), at, rehash);
    }

    /// Knows the free slots again, once all slots that were stored have been put.
    pub(super) fn find_free(&mut self) {
        let slots = self.slots.iter().enumerate();
        let free = slots.filter(|(_, slot)| !slot.is_live).map(|(at, _)| at as u32);
        self.free = free.collect();
    }

    pub(super) fn retain(&mut self, keeps: impl Fn(&Slot) -> bool) {
        let Self { slots, free, index, changes, .. } = self;
        index.retain(|at| {
            let place = *at as usize;
            let Some(slot) = slots.get_mut(place) else { return false };
            slot.is_live = keeps(slot);
            if !slot.is_live {
                free.push(*at);
                changes[place / CHUNK_SLOTS] = Changes { identities: true, baselines: true };
            }
            slot.is_live
        });
        // In an order that does not follow the hashes.
        free.sort_unstable_by(|left, right| right.cmp(left));
        if self.tellings.len() > TELLINGS_MIN.max(2 * self.len()) {
            self.forget_tellings();
        }
    }

    /// Lets go of sources none of whose streams is known any more.
    fn forget_tellings(&mut self) {
        let mut kept = Vec::new();
        let mut moved = vec![NONE; self.tellings.len()];
        for slot in self.slots.iter_mut().filter(|slot| slot.is_live) {
            let Some(place) = moved.get_mut(slot.telling as usize) else { continue };
            if *place == NONE {
                *place = kept.len() as u32;
                kept.push(slot.telling);
            }
            slot.telling = *place;
        }
        self.tellings.keep(&kept);
    }

    /// Removes up to `count` of those that may go, the ones that were taken longest ago first.
    pub(super) fn remove_oldest(&mut self, count: usize, may_go: impl Fn(&Baseline) -> bool) {
        let slots = self.slots.iter().enumerate();
        let candidates = slots.filter(|(_, slot)| slot.is_live && may_go(&slot.baseline));
        let mut oldest: Vec<(Timestamp, usize)> =
            candidates.map(|(at, slot)| (slot.baseline.taken_at, at)).collect();
        oldest.sort_unstable();
        oldest.truncate(count);
        for (_, at) in oldest {
            self.slots[at].is_live = false;
        }
        self.retain(|slot| slot.is_live);
    }

    fn remember(&mut self, worker: u32, id: u32, at: u32) {
        let (worker, id) = (worker as usize, id as usize);
        if worker >= HINTED_WORKERS_MAX || id >= HINTED_STREAMS_MAX {
            return;
        }
        if worker >= self.hints.len() {
            self.hints.resize(worker + 1, Vec::new());
        }
        let hints = &mut self.hints[worker];
        if id >= hints.len() {
            hints.resize(id + 1, NONE);
        }
        hints[id] = at;
    }
}

fn hash(hasher: &RandomState, stream: u128, feed: Feed) -> u64 {
    hasher.hash_one((stream, feed.series, feed.kind as u8))
}

fn hash_of(hasher: &RandomState, slots: &[Slot], at: u32) -> u64 {
    slots.get(at as usize).map_or(0, |slot| hash(hasher, slot.stream, slot.feed))
}
