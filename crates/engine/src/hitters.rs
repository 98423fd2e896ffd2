//! Groups of an SLO that are judged by themselves: where there are more than there is room for,
//! those with the most bad events are, and the others count as one, to the event.
//!
//! Which of the others have many is found by Space-Saving (Metwally, Agrawal, El Abbadi, "Efficient
//! Computation of Frequent and Top-k Elements in Data Streams", 2005), in constant room an SLO. A
//! group is only ever named from the moment on that it takes another's place: what it counted
//! before stays with the others.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use model::{SeriesKey, Telemetry, Timestamp};

use crate::Engine;
use crate::series::{Series, Slo, is_overflow};

/// Groups of one SLO that are watched as to whether they should be named.
const CANDIDATES_MAX: usize = 256;
/// SLOs whose groups are watched; of others the groups that came first stay named.
const WATCHED_MAX: usize = 1_000;
/// A group takes the place of another with so many times its bad events, and no sooner than with
/// [`PROMOTED_BAD_MIN`], so that two alike do not take turns.
const PROMOTED_FACTOR: u64 = 2;
const PROMOTED_BAD_MIN: u64 = 10;
/// Groups of one SLO that change places in one go: each costs the sum of a series' panes.
const PROMOTED_AT_ONCE: usize = 8;

/// A group that has taken a place keeps it for this long.
const SETTLED_AFTER: Duration = Duration::from_secs(3600);

type Group = Vec<Arc<str>>;

/// Bad events of groups that have no series of their own.
#[derive(Clone, Debug, Default)]
pub(crate) struct Hitters {
    slos: BTreeMap<Arc<str>, BTreeMap<Group, Candidate>>,
}

/// Invariant: the group had at least `bad - uncertain` bad events, and at most `bad`.
#[derive(Clone, Copy, Debug, Default)]
struct Candidate {
    bad: u64,
    uncertain: u64,
}

impl Candidate {
    const fn surely(self) -> u64 {
        self.bad - self.uncertain
    }
}

impl Hitters {
    /// Counts bad events of a group that is not named.
    pub(crate) fn count(&mut self, slo: &Arc<str>, group: &Group, bad: u64) {
        if !self.slos.contains_key(slo) && self.slos.len() >= WATCHED_MAX {
            return;
        }
        let candidates = self.slos.entry(Arc::clone(slo)).or_default();
        if let Some(known) = candidates.get_mut(group) {
            known.bad = known.bad.saturating_add(bad);
            return;
        }
        let mut uncertain = 0;
        if candidates.len() >= CANDIDATES_MAX {
            let least = candidates.iter().min_by_key(|(_, candidate)| candidate.bad);
            let Some((least, Candidate { bad, .. })) = least.map(|(g, c)| (g.clone(), *c)) else {
                return;
            };
            let _ = candidates.remove(&least);
            uncertain = bad;
        }
        let bad = uncertain.saturating_add(bad);
        let _ = candidates.insert(group.clone(), Candidate { bad, uncertain });
    }

    /// The groups that may have to be named, those with the most bad events first.
    fn worst(&self, slo: &str) -> Vec<(Group, u64)> {
        let of = self.slos.get(slo).into_iter().flatten();
        let mut worst: Vec<_> = of
            .map(|(group, candidate)| (group.clone(), candidate.surely()))
            .filter(|(_, bad)| *bad >= PROMOTED_BAD_MIN)
            .collect();
        worst.sort_by(|a, b| b.1.cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
        worst.truncate(PROMOTED_AT_ONCE);
        worst
    }

    fn forget(&mut self, slo: &str, group: &Group) {
        if let Some(candidates) = self.slos.get_mut(slo) {
            let _ = candidates.remove(group);
        }
    }
}

impl Engine {
    /// Notes bad events of a group that count as those of all others.
    pub(crate) fn note_unnamed(&mut self, key: &SeriesKey, counted_by: &Slo, bad: u64) {
        if let SeriesKey::Declared { slo, group } = key
            && may_change(counted_by)
            && !is_overflow(group)
        {
            self.hitters.count(slo, group, bad);
        }
    }

    /// Names the groups with the most bad events in place of those with the least.
    pub(crate) fn promote(&mut self) {
        let watched: Vec<_> = self.hitters.slos.keys().cloned().collect();
        for slo in watched {
            let worst = self.hitters.worst(&slo);
            if worst.is_empty() {
                continue;
            }
            let mildest = self.mildest(&slo, worst.len());
            for ((group, bad), (index, least)) in worst.into_iter().zip(mildest) {
                if bad < least.saturating_mul(PROMOTED_FACTOR) {
                    break;
                }
                self.hitters.forget(&slo, &group);
                let key = SeriesKey::Declared { slo: Arc::clone(&slo), group };
                self.take_place(index, key);
            }
        }
    }

    /// The named groups of an SLO with the fewest bad events in its own window, and how many. One
    /// whose alert is live stays, and one that was named shortly before, whose events were not.
    fn mildest(&mut self, slo: &Arc<str>, most: usize) -> Vec<(u32, u64)> {
        let now = self.now;
        let named = |series: &Series| match &*series.key {
            SeriesKey::Declared { slo: of, group } => *of == *slo && !is_overflow(group),
            SeriesKey::Automatic { .. } => false,
        };
        let mut mildest: Vec<(u32, u64)> = Vec::new();
        for (index, series) in (0..).zip(self.series.iter_mut()) {
            let is_settled = now.since(series.named_at) >= SETTLED_AFTER;
            if is_settled && !series.alerting && named(series) {
                let window = series.slo.judging.window();
                mildest.push((index, series.windows.sum(window, now).count.bad()));
            }
        }
        mildest.sort_by_key(|(index, bad)| (*bad, *index));
        mildest.truncate(most);
        mildest
    }

    /// A group gets the series of another, whose events count as those of all others from now on.
    /// Both are written down together, at once.
    fn take_place(&mut self, index: u32, key: SeriesKey) {
        let Some((before, all_others)) = self.series.replace(index, key, self.now) else { return };
        let Some(series) = self.series.get_mut(all_others) else { return };
        self.log.gone.push(before.ordinal);
        series.absorb(before, self.now);
        self.unwritten.note(series, self.log_seq);
        self.log.absorbed.push(series.ordinal);
    }
}

impl Series {
    /// Takes over what another group of the same SLO has counted.
    fn absorb(&mut self, other: Self, now: Timestamp) {
        self.windows.absorb(other.windows, now);
        self.good_total = self.good_total.saturating_add(other.good_total);
        self.bad_total = self.bad_total.saturating_add(other.bad_total);
        self.touched = true;
    }
}

/// Whether groups of this SLO may change places. Verdicts on slices of time cannot be added up, and
/// the baselines of cumulative streams are kept by series.
fn may_change(slo: &Slo) -> bool {
    slo.slicing.is_none() && matches!(slo.signal, Some(Telemetry::Traces | Telemetry::Logs))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_heavy_hitter_is_found_among_far_more_groups_than_are_watched() {
        let mut hitters = Hitters::default();
        let slo: Arc<str> = "routes".into();
        let group = |n: u64| vec![Arc::from(format!("/{n}"))];
        for n in 0..100_000_u64 {
            hitters.count(&slo, &group(n), 1);
            if n % 50 == 0 {
                hitters.count(&slo, &group(u64::MAX), 1);
            }
        }
        let worst = hitters.worst(&slo);
        assert_eq!(worst.first().map(|(group, _)| &*group[0]), Some("/18446744073709551615"));
        // Where all are alike, nobody is sure to stand out.
        assert!(worst.len() == 1 && worst[0].1 <= 2000, "{worst:?}");
        assert_eq!(hitters.slos[&slo].len(), CANDIDATES_MAX);
    }
}
