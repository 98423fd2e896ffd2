//! SLIs whose two sides are streams of their own.
//!
//! Total and good (or bad) of such an SLI may come in two requests, from two exporters, even from
//! two sources. Judged in between, all of what came would be bad, or none of it. So what one side
//! counts waits until the other side has reached the same time: of both sides the same time counts.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use borsh::{BorshDeserialize, BorshSerialize};
use model::Timestamp;

use crate::stream::Increment;

/// How long a side is waited for at least, and if it was never seen. Exporters send all of their
/// metrics within seconds; a side that has nothing to tell may never come.
pub const WAIT_MIN: Duration = Duration::from_secs(10);
/// How long a side is waited for at most: the usual export interval of 60 s, and half of that.
pub const WAIT_MAX: Duration = Duration::from_secs(90);
/// Sources of one SLI series that are told apart; when full, the one heard least recently is
/// forgotten.
pub const SOURCES_MAX: usize = 1024;
/// Increments of one SLI series that wait; when full, the oldest counts at once.
pub const WAITING_MAX: usize = 4096;

/// A side of an SLI.
#[derive(Clone, Copy, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub enum Side {
    /// The denominator.
    Total,
    /// The numerator, good or bad.
    Selected,
}

/// What waits for its other side, of one SLI series.
#[derive(Clone, Debug, Default)]
pub struct Pairing {
    sources: BTreeMap<u64, [Seen; 2]>,
    anywhere: [Seen; 2],
    waiting: VecDeque<Waiting>,
}

/// What is left of an increment that waits; what a restart needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Waiting {
    side: Side,
    source: u64,
    increment: Increment,
    since: Timestamp,
}

/// What is known of a side; nothing if it was never heard.
#[derive(Clone, Copy, Debug, Default)]
struct Seen {
    /// Up to when it is there.
    reached: Timestamp,
    heard_at: Timestamp,
    /// Between the last two times that it moved on.
    gap: Duration,
}

impl Pairing {
    /// Goes on with what waited before a restart.
    #[must_use]
    pub fn restore(waiting: Vec<Waiting>) -> Self {
        let mut pairing = Self::default();
        for waiting in &waiting {
            let until = waiting.increment.until;
            pairing.reach(waiting.side, waiting.source, until, waiting.since);
        }
        pairing.waiting = waiting.into();
        pairing
    }

    /// What waits, oldest first.
    pub fn waiting(&self) -> impl ExactSizeIterator<Item = &Waiting> {
        self.waiting.iter()
    }

    /// Notes that a source has sent a side up to `time`, whether or not it has grown.
    pub fn reach(&mut self, side: Side, source: u64, time: Timestamp, now: Timestamp) {
        if self.sources.len() >= SOURCES_MAX && !self.sources.contains_key(&source) {
            let heard_at = |sides: &[Seen; 2]| sides[0].heard_at.max(sides[1].heard_at);
            let oldest = self.sources.iter().min_by_key(|(_, sides)| heard_at(sides));
            if let Some(id) = oldest.map(|(id, _)| *id) {
                let _ = self.sources.remove(&id);
            }
        }
        self.sources.entry(source).or_default()[side as usize].reach(time, now);
        self.anywhere[side as usize].reach(time, now);
    }

    /// Takes what a side of a source has counted. Returns what must count at once, for lack of
    /// room.
    pub fn hold(
        &mut self,
        side: Side,
        source: u64,
        increment: Increment,
        now: Timestamp,
    ) -> Option<Increment> {
        let full = self.waiting.len() >= WAITING_MAX;
        let oldest = if full { self.waiting.pop_front() } else { None };
        self.waiting.push_back(Waiting { side, source, increment, since: now });
        oldest.map(|oldest| oldest.increment)
    }

    /// What counts at `now`: what both sides have reached, and what has waited for long enough.
    pub fn release(&mut self, now: Timestamp) -> Vec<Increment> {
        let Self { sources, anywhere, waiting } = self;
        let mut released = Vec::new();
        waiting.retain_mut(|waiting| {
            let other = match waiting.side {
                Side::Total => Side::Selected,
                Side::Selected => Side::Total,
            } as usize;
            let own = sources.get(&waiting.source).map(|sides| sides[other]);
            let other = own.filter(|seen| seen.reached.is_set()).unwrap_or(anywhere[other]);
            let Increment { from, until, .. } = waiting.increment;
            if until <= other.reached || now.since(waiting.since) >= other.wait() {
                released.push(waiting.increment);
                return false;
            }
            if other.reached > from {
                let (there, rest) = waiting.increment.cut(other.reached);
                released.push(there);
                waiting.increment = rest;
            }
            true
        });
        released
    }
}

impl Seen {
    fn reach(&mut self, time: Timestamp, now: Timestamp) {
        if time <= self.reached {
            return;
        }
        if self.heard_at.is_set() {
            self.gap = now.since(self.heard_at);
        }
        (self.reached, self.heard_at) = (time, now);
    }

    /// How long it is waited for.
    fn wait(self) -> Duration {
        (self.gap + self.gap / 2).clamp(WAIT_MIN, WAIT_MAX)
    }
}

#[cfg(test)]
mod tests {
    use model::Count;

    use super::*;

    fn at(s: u64) -> Timestamp {
        Timestamp::from_unix_ns((1000 + s) * 1_000_000_000)
    }

    /// An event each second of the minute up to `until`.
    fn minute(until: u64) -> Increment {
        let count = Count { total: 60, ..Count::ZERO };
        Increment { from: at(until).before(Duration::from_secs(60)), until: at(until), count }
    }

    #[derive(Default)]
    struct Exporters {
        pairing: Pairing,
    }

    impl Exporters {
        /// A minute of a side comes at its end; returns the seconds that count.
        fn send(&mut self, side: Side, source: u64, until: u64) -> Vec<u64> {
            self.pairing.reach(side, source, at(until), at(until));
            let full = self.pairing.hold(side, source, minute(until), at(until));
            assert_eq!(full, None);
            self.counts(until)
        }

        fn counts(&mut self, now: u64) -> Vec<u64> {
            self.pairing.release(at(now)).iter().map(|i| i.count.total).collect()
        }
    }

    const NOTHING: [u64; 0] = [];

    #[test]
    fn of_both_sides_the_same_time_counts() {
        let mut exporters = Exporters::default();
        assert_eq!(exporters.send(Side::Total, 1, 57), NOTHING);
        assert_eq!(exporters.send(Side::Selected, 1, 60), [60, 57]);
        assert_eq!(exporters.send(Side::Total, 1, 117), [3, 3]);
        assert_eq!(exporters.send(Side::Selected, 1, 120), [57, 57]);
        // An instance whose other side was never seen may be one of a pair.
        assert_eq!(exporters.send(Side::Selected, 2, 170), [7]);
        assert_eq!(exporters.send(Side::Total, 1, 177), [3, 53, 3]);
        // How far another instance has come tells nothing of one that sends both.
        assert_eq!(exporters.send(Side::Total, 2, 170), [60]);
        assert_eq!(exporters.send(Side::Total, 2, 230), NOTHING);
    }

    #[test]
    fn a_side_that_has_not_grown_is_there_all_the_same() {
        let mut exporters = Exporters::default();
        exporters.pairing.reach(Side::Selected, 1, at(60), at(60));
        assert_eq!(exporters.send(Side::Total, 1, 60), [60]);
    }

    #[test]
    fn a_side_that_never_comes_is_waited_for_in_vain_for_seconds() {
        let mut exporters = Exporters::default();
        assert_eq!(exporters.send(Side::Total, 1, 60), NOTHING);
        assert_eq!(exporters.counts(69), NOTHING);
        assert_eq!(exporters.counts(70), [60]);
    }

    #[test]
    fn sides_of_different_sources_wait_for_each_others_turn() {
        let mut exporters = Exporters::default();
        assert_eq!(exporters.send(Side::Total, 1, 60), NOTHING);
        // The gateway that counts what is good sends half a minute later.
        assert_eq!(exporters.send(Side::Selected, 2, 90), [60, 30]);
        assert_eq!(exporters.send(Side::Total, 1, 120), [30, 30]);
        assert_eq!(exporters.send(Side::Selected, 2, 150), [30, 30]);
        // It has ended: its last seconds count, then nobody waits for ever.
        assert_eq!(exporters.send(Side::Total, 1, 180), [30, 30]);
        assert_eq!(exporters.counts(269), NOTHING);
        assert_eq!(exporters.counts(270), [30]);
    }

    #[test]
    fn what_waits_and_who_sends_is_bounded_and_nothing_is_lost() {
        let mut pairing = Pairing::default();
        let mut counted = 0;
        for n in 0..5000 {
            pairing.reach(Side::Total, n, at(60), at(n));
            let full = pairing.hold(Side::Total, n, minute(60), at(0));
            counted += full.map_or(0, |increment| increment.count.total);
        }
        assert_eq!((pairing.waiting().len(), pairing.sources.len()), (WAITING_MAX, SOURCES_MAX));
        let rest: u64 = pairing.release(at(99)).iter().map(|i| i.count.total).sum();
        assert_eq!(counted + rest, 5000 * 60);
    }
}
