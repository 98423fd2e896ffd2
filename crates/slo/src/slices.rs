//! Budgets that are counted in slices of time: each slice is one verdict, whatever its traffic.
//!
//! A sliced series is two [`SeriesWindows`]: the events as they were counted, and the verdicts on
//! closed slices, which are what is judged. A verdict lies in the last pane of its slice, so that a
//! window holds the slices that ended within it. Slices are aligned to the Unix epoch.
//!
//! An event that comes after its slice was closed corrects the verdict, as long as the panes that
//! are held still tell the slice from its neighbours: for six hours at least; three days for slices
//! of whole quarters of an hour. After that it counts among the events alone.
//!
//! A slice without events is good while the source is alive, and no slice at all while it is
//! silent: nobody knows what became of that time.

mod union;

use std::sync::Arc;
use std::time::Duration;

use borsh::{BorshDeserialize, BorshSerialize};
use model::{Count, PANE_NS, Pane, Timestamp};

use crate::judge::{AlertRule, Fraction};
use crate::presence::Presence;
use crate::tier::{Tier, start_of};
use crate::window::{
    Disposition, Exclusions, LATE_AFTER, RestoreError, SeriesWindows, WindowPlan, WindowsSnapshot,
};

/// The longest slice.
pub const SLICE_MAX: Duration = Duration::from_secs(24 * 3600);
/// Longer slices must be made of whole quarters of an hour, as panes of a minute do not reach.
pub const SLICE_MINUTES_MAX: Duration = Duration::from_secs(5 * 3600);
/// How many parts the verdict on a slice has where slices count by their ratio.
pub const SLICE_PARTS: u64 = 1_000_000;
/// Events of a slice may arrive this much later than the newest event: what SDKs and a Collector
/// gather before they send it.
const GRACE: Duration = Duration::from_secs(10);
/// A window must hold this many slices: of fewer, it may hold none that is closed.
const SLICES_PER_WINDOW_MIN: u32 = 2;

/// How the slices of a series are made and judged.
#[derive(Clone, Copy, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Slicing {
    /// In panes of 5 s.
    panes: u32,
    method: SliceMethod,
}

/// What a slice counts as.
#[derive(Clone, Copy, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub enum SliceMethod {
    /// One, good or bad.
    Verdict(SliceTarget),
    /// [`SLICE_PARTS`], bad as far as its events are.
    Ratio,
}

/// The share of good events that makes a slice good.
#[derive(Clone, Copy, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub enum SliceTarget {
    /// At least this share.
    AtLeast(Fraction),
    /// More than this share.
    Above(Fraction),
}

/// The verdicts on the slices of a series whose events are held beside it.
#[derive(Clone, Debug)]
pub struct Slices {
    slicing: Slicing,
    verdicts: SeriesWindows,
    /// The first slice that was not closed; unknown before the first event or judgement.
    next: Option<u32>,
}

/// What is needed beside the events to go on after a restart.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct SlicesSnapshot {
    slicing: Slicing,
    verdicts: WindowsSnapshot,
    next: Option<u32>,
}

/// What became of events of a sliced series.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SliceDisposition {
    /// They were counted or dropped as [`SeriesWindows::add`] says; verdicts follow.
    Judged(Disposition),
    /// They were counted, and came too late for the verdict on their slice.
    Unjudged,
}

impl Slicing {
    /// Slices of a length; `None` if it is not a whole number of minutes from one to
    /// [`SLICE_MAX`], or above [`SLICE_MINUTES_MAX`] not of quarters of an hour.
    #[must_use]
    pub fn new(length: Duration, method: SliceMethod) -> Option<Self> {
        let minutes = length.as_secs() / 60;
        let is_whole = Duration::from_secs(minutes * 60) == length && minutes > 0;
        let is_fine = length <= SLICE_MINUTES_MAX || minutes.is_multiple_of(15);
        let panes = u32::try_from(length.as_nanos() / u128::from(PANE_NS)).ok()?;
        (is_whole && is_fine && length <= SLICE_MAX).then_some(Self { panes, method })
    }

    /// How long a slice is.
    #[must_use]
    pub const fn length(self) -> Duration {
        Duration::from_nanos(self.panes as u64 * PANE_NS)
    }

    /// What a slice counts as.
    #[must_use]
    pub const fn method(self) -> SliceMethod {
        self.method
    }

    /// Whether each window that a rule reads always holds a slice that is closed.
    #[must_use]
    pub fn fit(self, rule: &AlertRule) -> bool {
        rule.windows().all(|window| self.fits(window))
    }

    /// Whether a window of this length always holds a slice that is closed.
    #[must_use]
    pub fn fits(self, window: Duration) -> bool {
        window >= self.length() * SLICES_PER_WINDOW_MIN
    }

    const fn bounds(self, slice: u32) -> (Timestamp, Timestamp) {
        let first = slice.saturating_mul(self.panes);
        (start_of(first), start_of(first.saturating_add(self.panes)))
    }

    /// Where the verdict on a slice lies.
    const fn pane(self, slice: u32) -> Pane {
        Pane(slice.saturating_add(1).saturating_mul(self.panes).saturating_sub(1))
    }

    /// The slice of a moment: all before it have ended.
    const fn slice_at(self, at: Timestamp) -> u32 {
        at.pane().0 / self.panes
    }

    /// The oldest slice of a series that can still be told apart; none if it holds nothing.
    fn oldest_of(self, series: &SeriesWindows) -> Option<u32> {
        let quarters = self.panes.is_multiple_of(Tier::QuarterHour.panes());
        let tier = if quarters { Tier::QuarterHour } else { Tier::Minute };
        let oldest = series.panes(tier).next()?;
        let known = oldest.start.max(series.held_since(tier));
        // A slice that was cut is none.
        Some(known.pane().0.div_ceil(self.panes))
    }

    /// The verdict on a slice that holds these events.
    #[must_use]
    pub fn judge(self, events: Count) -> Count {
        let bad = match self.method {
            SliceMethod::Verdict(target) => u64::from(!target.is_met(events)),
            SliceMethod::Ratio => bad_parts(events),
        };
        let total = self.method.parts();
        let bad_signed = i64::try_from(bad).unwrap_or(i64::MAX);
        // What guards against low traffic are bad events, not bad slices.
        Count { total, bad_signed, bad_observed: events.bad_observed_or_counted(), uncertain: 0 }
    }
}

impl SliceMethod {
    /// How many parts a slice counts as.
    #[must_use]
    pub const fn parts(self) -> u64 {
        match self {
            Self::Verdict(_) => 1,
            Self::Ratio => SLICE_PARTS,
        }
    }
}

impl SliceTarget {
    /// A slice without events meets every target.
    #[must_use]
    pub fn is_met(self, events: Count) -> bool {
        let (Self::AtLeast(share) | Self::Above(share)) = self;
        let good = u128::from(events.good()) * u128::from(share.denominator());
        let asked = u128::from(events.total) * u128::from(share.numerator());
        match self {
            Self::AtLeast(_) => good >= asked,
            Self::Above(_) => good > asked || events.total == 0,
        }
    }
}

impl Slices {
    /// No slice was closed yet; `plan` gives the windows.
    #[must_use]
    pub fn new(slicing: Slicing, plan: Arc<WindowPlan>) -> Self {
        Self { slicing, verdicts: SeriesWindows::new(plan), next: None }
    }

    /// The slices of events that were counted before there were slices, or under others: those of
    /// them that can still be told apart are closed anew.
    #[must_use]
    pub fn of_events(slicing: Slicing, events: &SeriesWindows) -> Self {
        let next = slicing.oldest_of(events);
        Self { next, ..Self::new(slicing, Arc::clone(events.plan())) }
    }

    /// Goes on from a snapshot, with other windows if need be.
    ///
    /// # Errors
    /// If the snapshot was not written by [`Slices::snapshot`].
    pub fn restore(plan: Arc<WindowPlan>, from: &SlicesSnapshot) -> Result<Self, RestoreError> {
        let verdicts = SeriesWindows::restore(plan, &from.verdicts)?;
        Ok(Self { slicing: from.slicing, verdicts, next: from.next })
    }

    /// What is needed beside the events to go on after a restart.
    #[must_use]
    pub fn snapshot(&self) -> SlicesSnapshot {
        let (slicing, next) = (self.slicing, self.next);
        SlicesSnapshot { slicing, verdicts: self.verdicts.snapshot(), next }
    }

    /// The same slices over other windows.
    #[must_use]
    pub fn with_plan(&self, plan: Arc<WindowPlan>) -> Self {
        Self { verdicts: self.verdicts.with_plan(plan), ..*self }
    }

    /// How the slices are made and judged.
    #[must_use]
    pub const fn slicing(&self) -> Slicing {
        self.slicing
    }

    /// Leaves the slices that these times touch out of what is judged; see
    /// [`SeriesWindows::exclude`]. Verdicts are given on them all the same, so that they are there
    /// if the time is given back.
    pub fn exclude(&mut self, times: &Exclusions) -> bool {
        self.verdicts.exclude(&times.widened(self.slicing.panes))
    }

    /// What was judged.
    #[must_use]
    pub const fn verdicts(&self) -> &SeriesWindows {
        &self.verdicts
    }

    /// What is judged.
    pub const fn verdicts_mut(&mut self) -> &mut SeriesWindows {
        &mut self.verdicts
    }

    /// Counts events of a pane, in any order, and corrects the verdict on their slice if there was
    /// one.
    pub fn add(
        &mut self,
        events: &mut SeriesWindows,
        pane: Pane,
        count: Count,
        now: Timestamp,
    ) -> SliceDisposition {
        let next = *self.next.get_or_insert(self.slicing.slice_at(now));
        let disposition = events.add(pane, count, now);
        let slice = pane.0 / self.slicing.panes;
        let is_counted = matches!(disposition, Disposition::Fresh | Disposition::Late);
        if slice >= next || !is_counted {
            return SliceDisposition::Judged(disposition);
        }
        let (from, until) = self.slicing.bounds(slice);
        let events = events.between(from, until);
        if !events.straddling.is_zero() {
            return SliceDisposition::Unjudged;
        }
        match self.correct(slice, self.slicing.judge(events.inside), now) {
            Some(_) => SliceDisposition::Judged(disposition),
            None => SliceDisposition::Unjudged,
        }
    }

    /// Makes a verdict the one on a slice. Returns whether another one was told before; `None` if
    /// nobody can tell any more.
    fn correct(&mut self, slice: u32, verdict: Count, now: Timestamp) -> Option<bool> {
        self.verdicts.advance(now);
        let told = self.told(slice)?;
        let correction = Count {
            total: verdict.total.saturating_sub(told.total),
            bad_signed: verdict.bad_signed.saturating_sub(told.bad_signed),
            // Never taken back: it guards against low traffic, and is no part of any ratio.
            bad_observed: verdict.bad_observed.saturating_sub(told.bad_observed),
            uncertain: 0,
        };
        if correction.is_zero() {
            return Some(false);
        }
        let _ = self.verdicts.add(self.slicing.pane(slice), correction, now);
        Some(true)
    }

    /// The verdict that was given on a slice, zero without one; `None` if nobody can tell any more.
    fn told(&self, slice: u32) -> Option<Count> {
        let (from, until) = self.slicing.bounds(slice);
        let told = self.verdicts.between(from, until);
        told.straddling.is_zero().then_some(told.inside)
    }

    /// Closes the slices whose events have arrived: the source was heard up to `newest`. Slices of
    /// a source that sends nothing are closed once it cannot be heard any more. Returns whether
    /// one was closed.
    pub fn close(
        &mut self,
        events: &mut SeriesWindows,
        presence: &Presence,
        newest: Timestamp,
        now: Timestamp,
    ) -> bool {
        let until = newest.min(now).before(GRACE).max(now.before(LATE_AFTER));
        let open = self.slicing.slice_at(until);
        let first = *self.next.get_or_insert(open);
        if first >= open {
            return false;
        }
        events.advance(now);
        for slice in first..open {
            let (from, until) = self.slicing.bounds(slice);
            let sum = events.between(from, until);
            // After a long absence of fogbell itself, nobody can tell the slice any more.
            if !sum.straddling.is_zero() {
                continue;
            }
            if !sum.inside.is_zero() || is_heard(presence, from, until, now) {
                let verdict = self.slicing.judge(sum.inside);
                let _ = self.verdicts.add(self.slicing.pane(slice), verdict, now);
            }
        }
        self.next = Some(open);
        true
    }
}

/// Whether the source was alive in a slice, as known now.
fn is_heard(presence: &Presence, from: Timestamp, until: Timestamp, now: Timestamp) -> bool {
    let last = presence.last_heard().filter(|_| presence.is_silent(now));
    let until = last.map_or(until, |last| until.min(last));
    !presence.covered_between(from, until).is_zero()
}

fn bad_parts(events: Count) -> u64 {
    if events.total == 0 {
        return 0;
    }
    let total = u128::from(events.total);
    let bad = u128::from(events.bad()) * u128::from(SLICE_PARTS);
    u64::try_from((bad + total / 2) / total).unwrap_or(SLICE_PARTS)
}

#[cfg(test)]
mod tests;
