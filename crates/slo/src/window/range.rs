use model::{Count, Timestamp};

use super::SeriesWindows;
use crate::tier::{Tier, start_of};

/// A sum over any stretch of time, bracketed where the panes that are held are coarser than its
/// edges.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RangeSum {
    /// Events of the panes that lie wholly within the stretch.
    pub inside: Count,
    /// Events of the panes that straddle an edge of it: some of them lie within.
    pub straddling: Count,
}

impl SeriesWindows {
    /// Sums `from..until` over the finest panes that are still held for each part of it, for
    /// calendar windows and for time that is excluded afterwards; with what lies in excluded time.
    /// Takes time with the number of panes within.
    #[must_use]
    pub fn between(&self, from: Timestamp, until: Timestamp) -> RangeSum {
        let mut result = RangeSum::default();
        // The panes of 5 s that no finer tier has answered for.
        let mut open_end = self.end;
        for (tier, ring) in Tier::ALL.into_iter().zip(&self.rings) {
            let next = Tier::ALL.get(tier as usize + 1).filter(|_| tier < self.last_tier());
            let oldest = tier
                .index(self.floor)
                .saturating_sub(self.plan.reach[tier as usize])
                .max(ring.since)
                * tier.panes();
            // Tiers meet where both have an edge.
            let start = next.map_or(oldest, |next| oldest.div_ceil(next.panes()) * next.panes());
            if start >= open_end {
                continue;
            }
            let first = tier.index(start).max(tier.index(from.pane().0));
            let last = tier.index(open_end - 1).min(tier.index(until.pane().0));
            for (index, count) in ring.range(first, last + 1) {
                let first = index * tier.panes();
                let (begin, end) = (start_of(first), start_of(first + tier.panes()));
                if end <= from || begin >= until {
                    continue;
                }
                if from <= begin && end <= until {
                    result.inside += count;
                } else {
                    result.straddling += count;
                }
            }
            open_end = start;
        }
        result
    }

    /// From when on a tier's panes are held.
    pub(crate) fn held_since(&self, tier: Tier) -> Timestamp {
        let slot = tier as usize;
        let reach = self.plan.reach.get(slot).copied().unwrap_or_default();
        let since = self.rings.get(slot).map_or(0, |ring| ring.since);
        start_of(tier.index(self.floor).saturating_sub(reach).max(since) * tier.panes())
    }

    fn last_tier(&self) -> Tier {
        self.plan.tiers().last().unwrap_or(Tier::FiveSeconds)
    }
}
