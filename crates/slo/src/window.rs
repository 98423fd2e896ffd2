//! Event-time panes of one series, and sums over sliding windows.
//!
//! # Edges
//!
//! A pane `p` of 5 s holds the events in `[5 s * p, 5 s * (p + 1))`. At `now = T`, a window `W`
//! takes every pane that began before `T` and reaches back to the edge of its tier's pane that
//! holds `T - W`. So the sum is exact over `[from, until)`, both exported, where `until` is `T`
//! rounded up to 5 s and `from` is `T - W` rounded down to the tier's width: 5 s for windows below
//! an hour, 1 min from an hour on, 15 min from 15 h on, 6 h from 15 d on, 1 d from 60 d on.
//!
//! Prometheus sums samples in `(T - W, T]`. With each pane as one sample at its middle and `T` and
//! `W` multiples of the tier's width, these are the panes whose middle lies between `T - W` and
//! `T`, hence just those of `[T - W, T)`: the sums are equal to the bit. For a `T` that is only a
//! multiple of 5 s the same holds for `T - from` in place of `W`.
//!
//! # Cost
//!
//! Adding to a pane, late or not, touches each tier and each window once. Moving on by a pane
//! takes one pane out of each window whose tier moved on: every 5 s those below an hour, every
//! minute those up to 15 h. Reading a sum is a look-up. An idle series takes some 0.7 KiB with 8
//! windows and 0.2 KiB more for each tier that it touched; one with events in every pane takes
//! 1 to 8 bytes per pane and field, 6 to 9 KiB in all with a window of 30 days.

mod calendar;
mod excluded;
mod exclusions;
mod plan;
mod range;
mod snapshot;
mod warming;

use std::sync::Arc;
use std::time::Duration;

use model::{Count, Pane, PaneCount, Timestamp};

pub use calendar::Calendar;
pub use exclusions::Exclusions;
pub use plan::{VOLUME_WINDOW, WINDOW_MAX, WINDOWS_MAX, WindowPlan};
pub use range::RangeSum;
pub use snapshot::{RestoreError, WindowsSnapshot};

use crate::tier::{CELLS, Ring, Tier, TierPane, start_of};
use calendar::PeriodSum;
use excluded::Excluded;
use plan::PlannedWindow;

/// Events that end further back than this are late: they correct budgets, and are told apart.
pub const LATE_AFTER: Duration = Duration::from_secs(120);
const LATE_PANES: u32 = (LATE_AFTER.as_secs() / 5) as u32;

/// The panes of one series and its running sums.
///
/// Invariants: time never steps back; a run holds the sum of its tier's panes from `first` up to
/// the open pane; panes that begin at or after the newest `now` are only in `pending`.
#[derive(Clone, Debug)]
pub struct SeriesWindows {
    plan: Arc<WindowPlan>,
    /// The pane that holds the newest `now`.
    floor: u32,
    /// The first pane that begins at or after the newest `now`.
    end: u32,
    /// The open pane at which the first run of a coarser tier than 5 s moves on.
    coarse_due: u32,
    /// One for each window of the plan.
    runs: Box<[Run]>,
    /// One for each tier of the plan.
    rings: Box<[Ring]>,
    /// Panes of the near future, in order.
    pending: Vec<PaneCount>,
    /// Of the calendar window, if the plan has one.
    period: Option<PeriodSum>,
    /// What was counted in time that is left out of all sums.
    excluded: Option<Box<Excluded>>,
}

#[derive(Clone, Copy, Debug, Default)]
struct Run {
    sum: Count,
    /// The first pane of 5 s in the sum; an edge of the window's tier.
    first: u32,
    /// The open pane at which `first` moves on.
    due: u32,
}

/// What became of events that were added.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Disposition {
    /// Counted, or held until `now` reaches them.
    Fresh,
    /// Counted, more than [`LATE_AFTER`] behind.
    Late,
    /// Older than any window: dropped.
    TooOld,
    /// Further ahead than the skew allows: dropped.
    Future,
}

/// A sum over a window, with the edges within which it is exact.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WindowSum {
    /// Events at or after `from` and before `until`.
    pub count: Count,
    /// The edge that the window reaches back to.
    pub from: Timestamp,
    /// The end of the open pane; `now` itself where that is a multiple of 5 s.
    pub until: Timestamp,
}

impl SeriesWindows {
    /// No events yet.
    #[must_use]
    pub fn new(plan: Arc<WindowPlan>) -> Self {
        let runs = plan.windows.iter().map(|window| Run { due: due(window, 0), ..Run::default() });
        Self {
            floor: 0,
            end: 0,
            coarse_due: 0,
            runs: runs.collect(),
            rings: (0..plan.tier_count()).map(|_| Ring::default()).collect(),
            pending: Vec::new(),
            period: plan.followed().map(|calendar| PeriodSum::of(calendar, 0)),
            excluded: None,
            plan,
        }
    }

    /// The windows that are summed.
    #[must_use]
    pub fn plan(&self) -> &Arc<WindowPlan> {
        &self.plan
    }

    /// Counts events of a pane, in any order. Takes constant time.
    pub fn add(&mut self, pane: Pane, count: Count, now: Timestamp) -> Disposition {
        self.advance(now);
        if pane.0 >= self.end {
            return self.hold(pane, count);
        }
        if !self.insert(pane.0, count) {
            Disposition::TooOld
        } else if pane.0.saturating_add(LATE_PANES) < self.floor {
            Disposition::Late
        } else {
            Disposition::Fresh
        }
    }

    /// Lets time pass up to `now`; an earlier `now` than before changes nothing.
    pub fn advance(&mut self, now: Timestamp) {
        let pane = now.pane();
        let floor = pane.0.max(self.floor);
        let end = (pane.0 + u32::from(now > pane.start())).max(self.end);
        if end == self.end && floor == self.floor {
            return;
        }
        if let (Some(sum), Some(calendar)) = (&mut self.period, self.plan.followed()) {
            sum.advance(calendar, floor);
        }
        let arrived = self.pending.partition_point(|held| held.pane.0 < end);
        for at in 0..arrived {
            let PaneCount { pane, count } = self.pending[at];
            self.insert(pane.0, count);
        }
        self.pending.drain(..arrived);
        self.end = end;
        if floor != self.floor {
            self.evict(floor);
            let is_new_chunk = floor / CELLS as u32 != self.floor / CELLS as u32;
            self.floor = floor;
            if is_new_chunk {
                self.expire();
            }
        }
        if let Some(excluded) = &mut self.excluded {
            excluded.counts.advance(now);
        }
    }

    /// The sum over a window that ends now, or of the period of a calendar window. A look-up for the windows of the plan; any other is
    /// summed pane by pane in the finest tier that still reaches it.
    pub fn sum(&mut self, window: Duration, now: Timestamp) -> WindowSum {
        self.advance(now);
        match self.period_sum() {
            Some((sum, _)) if self.plan.is_calendar(window) => sum,
            _ => self.sum_guessed(window, 0),
        }
    }

    /// As [`SeriesWindows::sum`] at the newest `now`, for a window that rolls and is likely the
    /// plan's `guess`-th.
    pub(crate) fn sum_guessed(&self, window: Duration, guess: usize) -> WindowSum {
        let sum = self.sum_of_all(window, guess);
        self.less(sum, |excluded| Some(excluded.sum_of_all(window, guess)))
    }

    #[inline]
    fn sum_of_all(&self, window: Duration, guess: usize) -> WindowSum {
        match self.plan.position(window, guess) {
            Some(at) => self.run_sum(at),
            None => self.sum_by_pane(window),
        }
    }

    /// The sum over [`VOLUME_WINDOW`] at the newest `now`, which every series keeps: what its usual
    /// volume is.
    #[must_use]
    pub fn volume(&self) -> WindowSum {
        let at = self.plan.volume_at();
        self.less(self.run_sum(at), |excluded| Some(excluded.run_sum(at)))
    }

    /// The panes of a tier that hold something, oldest first, up to the open one; with what lies in
    /// excluded time.
    pub fn panes(&self, tier: Tier) -> impl Iterator<Item = TierPane> {
        let ring = self.rings.get(tier as usize);
        ring.into_iter().flat_map(|ring| ring.range(0, u32::MAX)).map(move |(index, count)| {
            TierPane { start: start_of(index * tier.panes()), width: tier.width(), count }
        })
    }

    /// The same events summed over other windows. What a longer ring would have held further back
    /// is not known, and the sums' `from` says so.
    #[must_use]
    pub fn into_plan(mut self, plan: Arc<WindowPlan>) -> Self {
        let mut other = Self::new(Arc::clone(&plan));
        other.floor = self.floor;
        other.end = self.end;
        other.pending = self.pending;
        for (own, tier) in other.rings.iter_mut().zip(Tier::ALL).rev() {
            let slot = tier as usize;
            let held = self.plan.reach[slot];
            if let Some(ring) = self.rings.get_mut(slot) {
                *own = std::mem::take(ring);
                if held < plan.reach[slot] {
                    own.since = own.since.max(tier.index(self.floor).saturating_sub(held));
                }
            } else if let Some(finer) = self.rings.last() {
                // Only the day tier may be missing: its panes are whole multiples of finer ones.
                let width = tier.panes() / Tier::SixHours.panes();
                for (index, count) in finer.range(0, u32::MAX) {
                    own.add(index / width, count);
                }
                let finer_reach = self.plan.reach[Tier::SixHours as usize];
                let oldest = Tier::SixHours.index(self.floor).saturating_sub(finer_reach);
                own.since = oldest.max(finer.since).div_ceil(width);
            }
        }
        other.rebuild();
        let is_same = self.plan.followed() == plan.followed();
        match self.period.filter(|_| is_same) {
            Some(sum) => other.period = Some(sum),
            None => other.rebuild_period(),
        }
        other.expire();
        other.excluded = self.excluded.map(|mut excluded| {
            let empty = Self::new(Arc::clone(&plan));
            excluded.counts = std::mem::replace(&mut excluded.counts, empty).into_plan(plan);
            excluded
        });
        other
    }

    /// As [`SeriesWindows::into_plan`], of a copy.
    #[must_use]
    pub fn with_plan(&self, plan: Arc<WindowPlan>) -> Self {
        self.clone().into_plan(plan)
    }

    /// Adds the events of another series of the same plan, to the pane. A sum reaches back as far
    /// as both know.
    pub fn absorb(&mut self, mut other: Self, now: Timestamp) {
        self.advance(now);
        other.advance(now);
        for (own, theirs) in self.rings.iter_mut().zip(&other.rings) {
            own.since = own.since.max(theirs.since);
            theirs.range(0, u32::MAX).for_each(|(index, count)| own.add(index, count));
        }
        self.rebuild();
        if let (Some(own), Some(theirs)) = (&mut self.period, &other.period) {
            own.count += theirs.count;
        }
        for PaneCount { pane, count } in other.pending {
            let _ = self.hold(pane, count);
        }
        // What is excluded of both is excluded by the same times, or will be by the next call of
        // `exclude`.
        if let (Some(own), Some(theirs)) = (&mut self.excluded, other.excluded) {
            own.counts.absorb(theirs.counts, now);
        }
    }

    /// Bytes that the series takes, without the plan that it shares.
    #[must_use]
    pub fn memory_bytes(&self) -> usize {
        size_of::<Self>()
            + size_of_val(&*self.runs)
            + size_of_val(&*self.rings)
            + self.pending.capacity() * size_of::<PaneCount>()
            + self.rings.iter().map(Ring::heap_bytes).sum::<usize>()
            + self.excluded.as_ref().map_or(0, |excluded| excluded.counts.memory_bytes())
    }

    fn hold(&mut self, pane: Pane, count: Count) -> Disposition {
        if pane.0 - self.end >= self.plan.skew_panes {
            return Disposition::Future;
        }
        match self.pending.binary_search_by_key(&pane, |held| held.pane) {
            Ok(at) => self.pending[at].count += count,
            Err(at) => self.pending.insert(at, PaneCount { pane, count }),
        }
        Disposition::Fresh
    }

    /// False if no tier reaches so far back.
    fn insert(&mut self, pane: u32, count: Count) -> bool {
        for run in &mut self.runs {
            if pane >= run.first {
                run.sum += count;
            }
        }
        if let Some(sum) = &mut self.period {
            sum.add(pane, count);
        }
        let mut stored = false;
        for ((ring, tier), reach) in self.rings.iter_mut().zip(Tier::ALL).zip(self.plan.reach) {
            let index = tier.index(pane);
            if index.saturating_add(reach) >= tier.index(self.floor) && index >= ring.since {
                ring.add(index, count);
                stored = true;
            }
        }
        if let Some(excluded) = &mut self.excluded
            && excluded.times.contain(pane)
        {
            let _ = excluded.counts.insert(pane, count);
        }
        stored
    }

    fn evict(&mut self, floor: u32) {
        // Runs of coarser tiers come last; not even to look at them while none is due is most of
        // what keeps the closing of a pane cheap.
        let is_coarse_due = floor >= self.coarse_due;
        if is_coarse_due {
            self.coarse_due = u32::MAX;
        }
        for (run, window) in self.runs.iter_mut().zip(&self.plan.windows) {
            let is_coarse = window.tier != Tier::FiveSeconds;
            if is_coarse && !is_coarse_due {
                return;
            }
            if floor >= run.due {
                run.move_on(window, &self.rings, floor);
            }
            if is_coarse {
                self.coarse_due = self.coarse_due.min(run.due);
            }
        }
    }

    fn expire(&mut self) {
        for ((ring, tier), reach) in self.rings.iter_mut().zip(Tier::ALL).zip(self.plan.reach) {
            ring.expire(tier.index(self.floor).saturating_sub(reach));
        }
    }

    /// Sums every window anew from its panes.
    fn rebuild(&mut self) {
        for (run, window) in self.runs.iter_mut().zip(&self.plan.windows) {
            let begin = window.first(self.floor);
            *run = Run { sum: Count::ZERO, first: begin, due: due(window, begin) };
            if let Some(ring) = self.rings.get(window.tier as usize) {
                run.first = begin.max(ring.since * window.tier.panes());
                let newest = window.tier.index(self.end);
                run.sum = ring.sum(window.tier.index(run.first), newest + 1);
            }
        }
    }

    fn run_sum(&self, at: usize) -> WindowSum {
        let Some(run) = self.runs.get(at) else {
            return self.edges(Count::ZERO, self.floor);
        };
        self.edges(run.sum, run.first)
    }

    fn sum_by_pane(&self, window: Duration) -> WindowSum {
        let mut planned = PlannedWindow::of(window);
        for (tier, reach) in self.plan.tiers().zip(self.plan.reach) {
            planned.tier = tier;
            if planned.span.div_ceil(tier.panes()) <= reach {
                break;
            }
        }
        let tier = planned.tier;
        let Some(ring) = self.rings.get(tier as usize) else {
            return self.edges(Count::ZERO, self.floor);
        };
        let oldest = tier.index(self.floor).saturating_sub(self.plan.reach[tier as usize]);
        let first = tier.index(planned.first(self.floor)).max(oldest).max(ring.since);
        self.edges(ring.sum(first, tier.index(self.end) + 1), first * tier.panes())
    }

    const fn edges(&self, count: Count, first: u32) -> WindowSum {
        WindowSum { count, from: start_of(first), until: start_of(self.end) }
    }
}

impl Run {
    /// Takes out what lies before the window's edge once `floor` is the open pane.
    fn move_on(&mut self, window: &PlannedWindow, rings: &[Ring], floor: u32) {
        let first = window.first(floor);
        if let Some(ring) = rings.get(window.tier as usize)
            && first > self.first
        {
            self.sum -= ring.sum(window.tier.index(self.first), window.tier.index(first));
            self.first = first;
        }
        self.due = due(window, first);
    }
}

const fn due(window: &PlannedWindow, first: u32) -> u32 {
    first.saturating_add(window.tier.panes()).saturating_add(window.span)
}

#[cfg(test)]
mod tests;
