//! Names as small numbers, so that keys compare fast and take little room.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use ahash::RandomState;
use borsh::{BorshDeserialize, BorshSerialize};
use model::{Peer, PeerKind, Service};

/// Stands in the place of a released name; no name of the OTLP world holds this character.
const HOLE: &str = "\0";
/// How many services are told apart; further ones are not looked at.
pub(crate) const SERVICES_MAX: usize = 10_000;
/// How many peers are told apart; further ones are not looked at.
pub(crate) const PEERS_MAX: usize = 10_000;
/// How many operations, tag keys and tag values are told apart; further ones are not looked at.
pub(crate) const WORDS_MAX: usize = 100_000;

/// How many names are known by where they lie; a new one takes the place of another.
const MET_MAX: usize = 1 << 10;
/// Names lie at least so many bytes apart.
const MET_ALIGNED: usize = 16;

#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, BorshSerialize, BorshDeserialize,
)]
pub(crate) struct ServiceId(pub(crate) u32);

#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, BorshSerialize, BorshDeserialize,
)]
pub(crate) struct PeerId(pub(crate) u32);

/// An operation, a tag key or a tag value.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, BorshSerialize, BorshDeserialize,
)]
pub(crate) struct WordId(pub(crate) u32);

/// All names by their numbers. A number is given again only after it was released.
#[derive(Clone, Debug)]
pub(crate) struct Names {
    services: Table<Service>,
    peers: Table<Peer>,
    words: Table<str>,
}

/// The names of a snapshot, by their numbers.
pub(crate) type NameLists = (Vec<Arc<Service>>, Vec<Arc<Peer>>, Vec<Arc<str>>);

#[derive(Debug)]
struct Table<T: ?Sized> {
    list: Vec<Arc<T>>,
    numbers: std::collections::HashMap<Arc<T>, u32, RandomState>,
    /// Numbers that were released, the one to give next last.
    free: Vec<u32>,
    max: usize,
    /// Numbers by where their names lie in memory, of those that were looked for last. The same
    /// name comes again and again, and to see that it is the same needs no comparison of texts.
    met: Box<[AtomicU32]>,
}

impl Names {
    pub(crate) fn new(seed: u64) -> Self {
        Self {
            services: Table::new(seed, SERVICES_MAX),
            peers: Table::new(seed, PEERS_MAX),
            words: Table::new(seed, WORDS_MAX),
        }
    }

    pub(crate) fn service(&mut self, service: &Arc<Service>) -> Option<ServiceId> {
        self.services.number(service).map(ServiceId)
    }

    pub(crate) fn peer(&mut self, peer: &Arc<Peer>) -> Option<PeerId> {
        self.peers.number(peer).map(PeerId)
    }

    pub(crate) fn word(&mut self, word: &Arc<str>) -> Option<WordId> {
        self.words.number(word).map(WordId)
    }

    pub(crate) fn find_service(&self, service: &Arc<Service>) -> Option<ServiceId> {
        self.services.find(service).map(ServiceId)
    }

    pub(crate) fn service_named(&self, service: &Service) -> Option<ServiceId> {
        self.services.numbers.get(service).copied().map(ServiceId)
    }

    pub(crate) fn find_peer(&self, peer: &Peer) -> Option<PeerId> {
        self.peers.numbers.get(peer).copied().map(PeerId)
    }

    pub(crate) fn find_word(&self, word: &Arc<str>) -> Option<WordId> {
        self.words.find(word).map(WordId)
    }

    pub(crate) fn service_at(&self, id: ServiceId) -> Option<&Arc<Service>> {
        self.services.list.get(id.0 as usize)
    }

    pub(crate) fn peer_at(&self, id: PeerId) -> Option<&Arc<Peer>> {
        self.peers.list.get(id.0 as usize)
    }

    pub(crate) fn word_at(&self, id: WordId) -> &str {
        self.words.list.get(id.0 as usize).map_or("", |word| word)
    }

    /// All services, in the order in which they were first heard.
    pub(crate) fn services(&self) -> impl Iterator<Item = (ServiceId, &Arc<Service>)> {
        self.services.list.iter().enumerate().map(|(n, service)| (ServiceId(n as u32), service))
    }

    /// What people call a service: its name alone where no other service shares it.
    pub(crate) fn label(&self, id: ServiceId) -> String {
        let Some(service) = self.service_at(id) else { return String::new() };
        let shared = self.services.list.iter().filter(|other| other.name == service.name).nth(1);
        if shared.is_some() { service.to_string() } else { service.name.clone() }
    }
}

impl<T: ?Sized> Clone for Table<T> {
    fn clone(&self) -> Self {
        Self {
            list: self.list.clone(),
            numbers: self.numbers.clone(),
            free: self.free.clone(),
            max: self.max,
            met: nothing_met(),
        }
    }
}

impl<T: ?Sized + std::hash::Hash + Eq> Table<T> {
    fn new(seed: u64, max: usize) -> Self {
        let hasher = RandomState::with_seeds(seed, seed.rotate_left(17), 0x5bd1, !seed);
        let numbers = std::collections::HashMap::with_hasher(hasher);
        Self { list: Vec::new(), numbers, free: Vec::new(), max, met: nothing_met() }
    }

    fn find(&self, name: &Arc<T>) -> Option<u32> {
        let place = self.met.get(Arc::as_ptr(name).cast::<u8>().addr() / MET_ALIGNED % MET_MAX);
        let met = place.map_or(u32::MAX, |place| place.load(Ordering::Relaxed));
        if self.list.get(met as usize).is_some_and(|known| Arc::ptr_eq(known, name)) {
            return Some(met);
        }
        let number = self.numbers.get(&**name).copied()?;
        place.into_iter().for_each(|place| place.store(number, Ordering::Relaxed));
        Some(number)
    }

    fn number(&mut self, name: &Arc<T>) -> Option<u32> {
        if let Some(number) = self.find(name) {
            return Some(number);
        }
        let number = if let Some(number) = self.free.pop() {
            *self.list.get_mut(number as usize)? = Arc::clone(name);
            number
        } else if self.list.len() < self.max {
            self.list.push(Arc::clone(name));
            (self.list.len() - 1) as u32
        } else {
            return None;
        };
        let _ = self.numbers.insert(Arc::clone(name), number);
        Some(number)
    }

    fn is_crowded(&self) -> bool {
        let used = self.list.len() - self.free.len();
        used >= self.max / 10 * 9
    }

    /// Takes back the numbers that are not used; `hole` stands in their place.
    fn release(&mut self, is_used: impl Fn(u32) -> bool, hole: &Arc<T>) {
        for (number, name) in self.list.iter_mut().enumerate().rev() {
            let number = number as u32;
            if self.numbers.get(&**name) == Some(&number) && !is_used(number) {
                let _ = self.numbers.remove(&**name);
                *name = Arc::clone(hole);
                self.free.push(number);
            }
        }
    }

    fn refill(&mut self, list: Vec<Arc<T>>, hole: &Arc<T>) {
        for name in list {
            let number = self.list.len() as u32;
            if name == *hole || self.numbers.contains_key(&*name) {
                self.free.push(number);
            } else {
                let _ = self.numbers.insert(Arc::clone(&name), number);
            }
            self.list.push(name);
        }
        self.free.reverse();
    }
}

impl BorshSerialize for Names {
    fn serialize<W: std::io::Write>(&self, writer: &mut W) -> std::io::Result<()> {
        (&self.services.list, &self.peers.list, &self.words.list).serialize(writer)
    }
}

impl Names {
    /// Takes names with the numbers that they had before.
    pub(crate) fn refill(&mut self, (services, peers, words): NameLists) {
        self.services.refill(services, &Arc::new(Service::named(HOLE)));
        self.peers.refill(peers, &hole_peer());
        self.words.refill(words, &HOLE.into());
    }

    /// Whether room for new peers or words runs out.
    pub(crate) fn is_crowded(&self) -> bool {
        self.peers.is_crowded() || self.words.is_crowded()
    }

    /// Takes back the numbers of peers and words that nobody holds any more.
    pub(crate) fn release(&mut self, peers: &BTreeSet<PeerId>, words: &BTreeSet<WordId>) {
        self.peers.release(|number| peers.contains(&PeerId(number)), &hole_peer());
        self.words.release(|number| words.contains(&WordId(number)), &HOLE.into());
    }
}

fn nothing_met() -> Box<[AtomicU32]> {
    (0..MET_MAX).map(|_| AtomicU32::new(u32::MAX)).collect()
}

fn hole_peer() -> Arc<Peer> {
    let (address, system) = (HOLE.to_owned(), String::new());
    Arc::new(Peer { kind: PeerKind::Other, address, system })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn word(n: usize) -> Arc<str> {
        format!("word-{n}").into()
    }

    #[test]
    fn released_numbers_are_given_again_and_the_others_stay() {
        let mut names = Names::new(1);
        let ids: Vec<WordId> = (0..WORDS_MAX).filter_map(|n| names.word(&word(n))).collect();
        assert_eq!(ids.len(), WORDS_MAX);
        assert!(names.is_crowded());
        assert_eq!(names.word(&word(WORDS_MAX)), None);
        let kept = BTreeSet::from([ids[3], ids[WORDS_MAX - 1]]);
        names.release(&BTreeSet::new(), &kept);
        assert!(!names.is_crowded());
        assert_eq!((names.find_word(&word(3)), names.find_word(&word(4))), (Some(ids[3]), None));
        let lists: NameLists =
            borsh::from_slice(&borsh::to_vec(&names).expect("to memory")).expect("its own bytes");
        let mut restored = Names::new(2);
        restored.refill(lists);
        let next = names.word(&word(WORDS_MAX));
        assert_eq!(next, Some(WordId(0)));
        assert_eq!(restored.word(&word(WORDS_MAX)), next);
        assert_eq!(restored.find_word(&word(3)), Some(ids[3]));
        assert_eq!(restored.word_at(ids[WORDS_MAX - 1]), format!("word-{}", WORDS_MAX - 1));
    }
}
