//! What each bad trace says about the cause, added up by the services that it passed in a bad
//! state.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::{Arc, Mutex};

use model::TraceId;

use crate::names::{PeerId, ServiceId, WordId};
use crate::series::{BUCKETS_MAX, Bucket};

/// How many different votes a bucket holds; further ones are lost.
const VOTES_MAX: usize = 4_000;
/// How many buckets tell what is usual: 5 minutes.
const USUAL_BUCKETS: u32 = 30;
/// What stays of a vote, however usual it is.
const KEPT_MIN: f64 = 0.1;
/// How many traces a vote names.
pub(crate) const VOTE_TRACES_MAX: usize = 5;

/// How many sums are kept; with another one all are forgotten.
const SUMS_MAX: usize = 16;

/// What may be broken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Suspect {
    /// A service that sends telemetry.
    Service(ServiceId),
    /// A database, broker or partner that sends none.
    Peer(PeerId),
}

/// What in the trace speaks against the suspect.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Mode {
    /// The deepest error.
    Error,
    /// The deepest error, and it says "too many requests".
    Throttled,
    /// A call to a service that sends telemetry, without an answer.
    Unanswered,
    /// Time that the service, or the peer, spent itself.
    Slow,
    /// Time between a call and its service.
    Gap,
}

/// One trace's word, or a part of it.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Blame {
    pub(crate) suspect: Suspect,
    pub(crate) mode: Mode,
    /// Whose span says it.
    pub(crate) by: ServiceId,
    /// What was being done.
    pub(crate) operation: WordId,
    /// Its part of the trace's word, 0..1.
    pub(crate) mass: f64,
    /// Services on the way from the request's start to the suspect, both included, in order.
    pub(crate) chain: Vec<ServiceId>,
    /// Where the request came in.
    pub(crate) entry: (ServiceId, WordId),
    pub(crate) trace_id: TraceId,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct VoteKey {
    /// A service that the bad trace passed.
    pub(crate) passed: ServiceId,
    pub(crate) suspect: Suspect,
    pub(crate) mode: Mode,
    pub(crate) by: ServiceId,
    pub(crate) operation: WordId,
}

#[derive(Clone, Debug, Default)]
pub(crate) struct Vote {
    pub(crate) mass: f64,
    pub(crate) trace_ids: Vec<TraceId>,
}

/// Votes, with the entries of the requests that cast them.
#[derive(Clone, Debug, Default)]
pub(crate) struct Poll {
    pub(crate) votes: BTreeMap<VoteKey, Vote>,
    pub(crate) entries: BTreeMap<(Suspect, ServiceId, WordId), f64>,
    /// Traces that passed each service: good ones, bad ones.
    pub(crate) spectrum: BTreeMap<ServiceId, (u32, u32)>,
}

/// The polls of the last buckets.
#[derive(Clone, Debug, Default)]
pub(crate) struct Votes {
    polls: VecDeque<(Bucket, Poll)>,
    sums: Sums,
}

/// What [`Votes::news`] found since the last vote: in a storm many pairs of alerts ask for the same.
#[derive(Debug, Default)]
struct Sums(Mutex<BTreeMap<(Bucket, Bucket), Arc<Poll>>>);

impl Poll {
    pub(crate) fn cast(&mut self, blame: &Blame) {
        for passed in &blame.chain {
            let key = VoteKey {
                passed: *passed,
                suspect: blame.suspect,
                mode: blame.mode,
                by: blame.by,
                operation: blame.operation,
            };
            if self.votes.len() >= VOTES_MAX && !self.votes.contains_key(&key) {
                continue;
            }
            let vote = self.votes.entry(key).or_default();
            vote.add(blame.mass, &[blame.trace_id]);
        }
        let entry = (blame.suspect, blame.entry.0, blame.entry.1);
        if self.entries.len() < VOTES_MAX || self.entries.contains_key(&entry) {
            *self.entries.entry(entry).or_default() += blame.mass;
        }
    }

    pub(crate) fn add(&mut self, other: &Self) {
        for (key, vote) in &other.votes {
            self.votes.entry(*key).or_default().add(vote.mass, &vote.trace_ids);
        }
        for (key, mass) in &other.entries {
            *self.entries.entry(*key).or_default() += mass;
        }
        for (key, (good, bad)) in &other.spectrum {
            let sum = self.spectrum.entry(*key).or_default();
            sum.0 = sum.0.saturating_add(*good);
            sum.1 = sum.1.saturating_add(*bad);
        }
    }

    /// Takes away what was said at the same rate before: what is always slow, or always fails, is
    /// no news. A part stays, since the fault may be older than it seems.
    pub(crate) fn less_usual(&mut self, usual: &Self, scale: f64) {
        for (key, vote) in &mut self.votes {
            let usual = usual.votes.get(key).map_or(0.0, |vote| vote.mass * scale);
            vote.mass = (vote.mass - usual).max(vote.mass * KEPT_MIN);
        }
    }

    /// The masses of the suspects of bad traces that passed a service.
    pub(crate) fn of_passed(&self, passed: ServiceId) -> BTreeMap<Suspect, f64> {
        let mut masses = BTreeMap::new();
        for (key, vote) in self.votes.iter().filter(|(key, _)| key.passed == passed) {
            *masses.entry(key.suspect).or_default() += vote.mass;
        }
        masses
    }
}

impl Vote {
    pub(crate) fn add(&mut self, mass: f64, trace_ids: &[TraceId]) {
        self.mass += mass;
        for id in trace_ids {
            if self.trace_ids.len() < VOTE_TRACES_MAX && !self.trace_ids.contains(id) {
                self.trace_ids.push(*id);
            }
        }
    }
}

impl Votes {
    /// The poll of a bucket; `None` if it is too old.
    pub(crate) fn at(&mut self, bucket: Bucket) -> Option<&mut Poll> {
        self.sums.clear();
        let place = self.polls.partition_point(|(at, _)| *at < bucket);
        if self.polls.get(place).is_none_or(|(at, _)| *at != bucket) {
            if self.polls.len() >= BUCKETS_MAX {
                if place == 0 {
                    return None;
                }
                let _ = self.polls.pop_front();
                self.polls.insert(place - 1, (bucket, Poll::default()));
                return self.polls.get_mut(place - 1).map(|(_, poll)| poll);
            }
            self.polls.insert(place, (bucket, Poll::default()));
        }
        self.polls.get_mut(place).map(|(_, poll)| poll)
    }

    /// All votes in `from..until` together.
    pub(crate) fn sum(&self, from: Bucket, until: Bucket) -> Poll {
        let mut sum = Poll::default();
        for (_, poll) in self.polls.iter().filter(|(at, _)| (from..until).contains(at)) {
            sum.add(poll);
        }
        sum
    }

    /// All votes in `from..until`, less what was usual in the buckets before.
    pub(crate) fn news(&self, from: Bucket, until: Bucket) -> Arc<Poll> {
        if let Some(known) = self.sums.get((from, until)) {
            return known;
        }
        let mut sum = self.sum(from, until);
        let before = from.less(USUAL_BUCKETS);
        let heard = self.polls.iter().filter(|(at, _)| (before..from).contains(at)).count();
        if heard > 0 {
            let scale = f64::from(until.0.saturating_sub(from.0)) / heard as f64;
            sum.less_usual(&self.sum(before, from), scale);
        }
        let sum = Arc::new(sum);
        self.sums.keep((from, until), &sum);
        sum
    }

    /// Peers and operations in use.
    pub(crate) fn used(&self) -> (BTreeSet<PeerId>, BTreeSet<WordId>) {
        let (mut peers, mut words) = (BTreeSet::new(), BTreeSet::new());
        let mut suspect = |suspect: Suspect| {
            if let Suspect::Peer(peer) = suspect {
                let _ = peers.insert(peer);
            }
        };
        for (_, poll) in &self.polls {
            poll.votes.keys().for_each(|key| suspect(key.suspect));
            poll.entries.keys().for_each(|key| suspect(key.0));
            words.extend(poll.votes.keys().map(|key| key.operation));
            words.extend(poll.entries.keys().map(|key| key.2));
        }
        (peers, words)
    }

    /// Drops what is older than any ring reaches.
    pub(crate) fn forget(&mut self, now: Bucket) {
        self.sums.clear();
        let before = now.less(BUCKETS_MAX as u32);
        while self.polls.front().is_some_and(|(at, _)| *at < before) {
            let _ = self.polls.pop_front();
        }
    }
}

impl Clone for Sums {
    fn clone(&self) -> Self {
        Self::default()
    }
}

impl Sums {
    fn get(&self, span: (Bucket, Bucket)) -> Option<Arc<Poll>> {
        self.0.lock().ok()?.get(&span).cloned()
    }

    fn keep(&self, span: (Bucket, Bucket), sum: &Arc<Poll>) {
        if let Ok(mut sums) = self.0.lock() {
            if sums.len() >= SUMS_MAX {
                sums.clear();
            }
            let _ = sums.insert(span, Arc::clone(sum));
        }
    }

    fn clear(&mut self) {
        match self.0.get_mut() {
            Ok(sums) => sums.clear(),
            Err(poisoned) => poisoned.into_inner().clear(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sum_that_is_kept_does_not_outlive_the_next_vote() {
        let blame = Blame {
            suspect: Suspect::Service(ServiceId(1)),
            mode: Mode::Error,
            by: ServiceId(1),
            operation: WordId(0),
            mass: 1.0,
            chain: vec![ServiceId(1)],
            entry: (ServiceId(1), WordId(0)),
            trace_id: TraceId([1; 16]),
        };
        let mut votes = Votes::default();
        let mass = |votes: &Votes| {
            let news = votes.news(Bucket(10), Bucket(12));
            assert!(Arc::ptr_eq(&news, &votes.news(Bucket(10), Bucket(12))));
            news.of_passed(ServiceId(1)).values().sum::<f64>()
        };
        for round in 1..=3 {
            votes.at(Bucket(10)).expect("there is room").cast(&blame);
            assert_eq!(mass(&votes), f64::from(round));
        }
        votes.forget(Bucket(500));
        assert_eq!(mass(&votes), 0.0);
    }
}
