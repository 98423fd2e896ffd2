use std::sync::Arc;
use std::time::Duration;

use model::{Count, Timestamp};

use super::calendar::PeriodSum;
use super::exclusions::Share;
use super::{Exclusions, SeriesWindows, WindowSum};
use crate::tier::{Tier, start_of};

/// Panes of which it is not known what was excluded; beyond that the oldest are forgotten.
const UNSURE_MAX: usize = 64;

/// What a series counted in time that is excluded. It stays in the panes of the series, so that
/// time can be excluded and given back at any moment, and is taken off every sum.
///
/// Invariant: a pane here holds no more than the pane of the series.
#[derive(Clone, Debug)]
pub(super) struct Excluded {
    pub(super) times: Exclusions,
    /// The same windows, over what is excluded; nothing is ever pending.
    pub(super) counts: SeriesWindows,
    /// Oldest first.
    pub(super) unsure: Vec<UnsurePane>,
}

/// A pane of which a part was excluded when nothing finer was held any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct UnsurePane {
    /// Panes of 5 s, `first..end`.
    pub(super) first: u32,
    pub(super) end: u32,
    /// What may have to be excluded, too, or must not be.
    pub(super) count: Count,
}

impl SeriesWindows {
    /// From now on these times alone are left out of all sums, whatever was before. Of time that
    /// has passed, that is exact as far as panes are held that tell it from what lies beside it;
    /// where one holds both, it counts as before, and [`SeriesWindows::unsure`] says so. Time that
    /// was excluded before it came is always exact. Returns whether a sum may have changed.
    pub fn exclude(&mut self, times: &Exclusions) -> bool {
        let known = self.excluded.as_ref().map_or_else(Exclusions::default, |e| e.times.clone());
        if *times == known {
            return false;
        }
        let difference = times.difference(&known, self.end);
        let mut excluded = match self.excluded.take() {
            Some(excluded) => excluded,
            None => Box::new(Excluded::of(self)),
        };
        excluded.times = times.clone();
        for (first, end) in &difference {
            self.exclude_range(&mut excluded, &known, (*first, *end));
        }
        excluded.counts.rebuild();
        if difference.iter().any(|(first, end)| excluded.is_in_period(*first, *end)) {
            excluded.rebuild_period();
        }
        let is_needed = !times.is_empty() || !excluded.unsure.is_empty();
        self.excluded = is_needed.then_some(excluded);
        !difference.is_empty()
    }

    /// The times that are left out of all sums.
    #[must_use]
    pub fn exclusions(&self) -> Option<&Exclusions> {
        self.excluded.as_ref().map(|excluded| &excluded.times)
    }

    /// What the excluded times hold of a window that ends at the newest `now`.
    #[must_use]
    pub fn excluded_sum(&self, window: Duration) -> Count {
        let Some(excluded) = &self.excluded else { return Count::ZERO };
        let counts = &excluded.counts;
        match counts.period_sum().filter(|_| counts.plan.is_calendar(window)) {
            Some((sum, _)) => sum.count,
            None => counts.sum_of_all(window, 0).count,
        }
    }

    /// Events since a moment that lie in panes of which a part was excluded too late to tell them
    /// apart: so many may be counted wrongly.
    #[must_use]
    pub fn unsure(&self, from: Timestamp) -> Count {
        let mut sum = Count::ZERO;
        let panes = self.excluded.iter().flat_map(|excluded| &excluded.unsure);
        panes.filter(|pane| start_of(pane.end) > from).for_each(|pane| sum += pane.count);
        sum
    }

    /// Less what is excluded of the same window.
    #[inline]
    pub(super) fn less(
        &self,
        mut sum: WindowSum,
        of: impl FnOnce(&Self) -> Option<WindowSum>,
    ) -> WindowSum {
        if let Some(excluded) = &self.excluded {
            sum.count -= of(&excluded.counts).map_or(Count::ZERO, |part| part.count);
        }
        sum
    }

    /// Settles anew what is excluded of the panes that overlap a range, finest first.
    fn exclude_range(&self, excluded: &mut Excluded, known: &Exclusions, range: (u32, u32)) {
        for (tier, ring) in Tier::ALL.into_iter().zip(&self.rings) {
            let (first, last) = (tier.index(range.0), tier.index(range.1 - 1));
            for (index, count) in ring.range(first, last + 1).collect::<Vec<_>>() {
                let share = self.excluded_of(excluded, known, (tier, index), count);
                if let Some(ring) = excluded.counts.rings.get_mut(tier as usize) {
                    ring.set(index, share);
                }
            }
        }
    }

    /// What is excluded of a pane that holds `count`.
    fn excluded_of(
        &self,
        excluded: &mut Excluded,
        known: &Exclusions,
        (tier, index): (Tier, u32),
        count: Count,
    ) -> Count {
        let (first, end) = (index * tier.panes(), (index + 1) * tier.panes());
        let slot = tier as usize;
        let before = excluded.counts.rings.get(slot).map_or(Count::ZERO, |ring| ring.get(index));
        match excluded.times.share(first, end) {
            Share::None => Count::ZERO,
            Share::Whole => count,
            Share::Part if excluded.times.agree(known, first, end) => before,
            Share::Part => {
                let finer = slot.checked_sub(1).and_then(|slot| Tier::ALL.get(slot).copied());
                if let Some(finer) =
                    finer.filter(|finer| self.held_since(*finer) <= start_of(first))
                    && let Some(ring) = excluded.counts.rings.get(finer as usize)
                {
                    return ring.sum(finer.index(first), finer.index(end));
                }
                excluded.note_unsure(UnsurePane { first, end, count });
                before
            }
        }
    }
}

impl Excluded {
    /// Nothing yet, of the windows of a series.
    fn of(series: &SeriesWindows) -> Self {
        let mut counts = SeriesWindows::new(Arc::clone(&series.plan));
        (counts.floor, counts.end) = (series.floor, series.end);
        for (own, ring) in counts.rings.iter_mut().zip(&series.rings) {
            own.since = ring.since;
        }
        counts.rebuild();
        counts.rebuild_period();
        Self { times: Exclusions::default(), counts, unsure: Vec::new() }
    }

    fn is_in_period(&self, first: u32, end: u32) -> bool {
        let overlaps = |sum: PeriodSum| first < sum.period.end && sum.period.first < end;
        self.counts.period.is_some_and(overlaps)
    }

    /// The period from the panes that are held; one that straddles its beginning is counted in
    /// full, here as there.
    fn rebuild_period(&mut self) {
        self.counts.rebuild_period();
        let Some(PeriodSum { period, .. }) = self.counts.period else { return };
        let sum = self.counts.between(start_of(period.first), start_of(period.end));
        if !sum.straddling.is_zero() {
            let pane =
                UnsurePane { first: period.first, end: period.first + 1, count: sum.straddling };
            self.note_unsure(pane);
        }
    }

    /// What lies in panes of two tiers is told once, with the wider one: that holds all of it.
    fn note_unsure(&mut self, pane: UnsurePane) {
        let holds = |a: &UnsurePane, b: &UnsurePane| a.first <= b.first && b.end <= a.end;
        if self.unsure.iter().any(|other| holds(other, &pane) && !holds(&pane, other)) {
            return;
        }
        // Of the same pane the newest is told: late events may have come.
        self.unsure.retain(|other| !holds(&pane, other));
        if self.unsure.len() == UNSURE_MAX {
            let _ = self.unsure.remove(0);
        }
        self.unsure.push(pane);
        self.unsure.sort_unstable_by_key(|pane| pane.first);
    }
}
