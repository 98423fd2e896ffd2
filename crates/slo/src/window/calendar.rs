use std::sync::Arc;
use std::time::Duration;

use model::{Count, Timestamp};

use super::{SeriesWindows, WindowSum};
use crate::tier::start_of;

/// Where the periods of a calendar window begin: days, months or years of some time zone, which the
/// one who makes it knows. Each begins with the pane of 5 s that holds its first moment.
///
/// Invariant: at least two periods, in order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Calendar {
    starts: Arc<[u32]>,
}

/// A period of a calendar window, in panes of 5 s: `first..end`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Period {
    pub(crate) first: u32,
    pub(crate) end: u32,
}

/// The events of the period that lasts.
#[derive(Clone, Copy, Debug)]
pub(crate) struct PeriodSum {
    pub(crate) period: Period,
    pub(crate) count: Count,
}

impl Calendar {
    /// Of periods that begin at these moments. `None` of fewer than two, or if one does not lie
    /// after the one before it.
    #[must_use]
    pub fn new(starts: impl IntoIterator<Item = Timestamp>) -> Option<Self> {
        let starts: Arc<[u32]> = starts.into_iter().map(|start| start.pane().0).collect();
        let is_ordered = starts.windows(2).all(|pair| pair[0] < pair[1]);
        (starts.len() >= 2 && is_ordered).then_some(Self { starts })
    }

    /// The first moment of the period that a moment lies in, and that of the next one. Before the
    /// first period that one is meant; the last one never ends.
    #[must_use]
    pub fn period(&self, at: Timestamp) -> (Timestamp, Timestamp) {
        let Period { first, end } = self.period_of(at.pane().0);
        (start_of(first), start_of(end))
    }

    pub(crate) fn period_of(&self, pane: u32) -> Period {
        let begun = self.starts.partition_point(|start| *start <= pane).max(1);
        let first = self.starts.get(begun - 1).copied().unwrap_or_default();
        let never = Timestamp::MAX.pane().0;
        Period { first, end: self.starts.get(begun).copied().unwrap_or(never) }
    }
}

impl PeriodSum {
    pub(crate) fn of(calendar: &Calendar, pane: u32) -> Self {
        Self { period: calendar.period_of(pane), count: Count::ZERO }
    }

    pub(crate) fn add(&mut self, pane: u32, count: Count) {
        if (self.period.first..self.period.end).contains(&pane) {
            self.count += count;
        }
    }

    /// Begins with nothing if the open pane lies in another period.
    pub(crate) fn advance(&mut self, calendar: &Calendar, floor: u32) {
        if floor >= self.period.end {
            *self = Self::of(calendar, floor);
        }
    }
}

impl SeriesWindows {
    /// When the period of a calendar window ends; `None` of a window that rolls.
    #[must_use]
    pub fn ends_at(&self, window: Duration) -> Option<Timestamp> {
        let (_, end) = self.period_sum()?;
        self.plan.is_calendar(window).then_some(end)
    }

    /// The events of the period of a calendar window, and when it ends.
    pub(crate) fn period_sum(&self) -> Option<(WindowSum, Timestamp)> {
        let PeriodSum { period, count } = self.period?;
        let sum = self.edges(count, period.first);
        let sum = self.less(sum, |excluded| Some(excluded.period_sum()?.0));
        Some((sum, start_of(period.end)))
    }

    /// The events of the period from the panes that are held. Those that straddle its beginning
    /// count in full: it is no multiple of 6 hours where a time zone or a start time says so.
    pub(crate) fn rebuild_period(&mut self) {
        let Some(calendar) = self.plan.followed() else {
            self.period = None;
            return;
        };
        let mut sum = PeriodSum::of(calendar, self.floor);
        let (from, until) = (start_of(sum.period.first), start_of(sum.period.end));
        let found = self.between(from, until);
        sum.count = found.inside;
        sum.count += found.straddling;
        self.period = Some(sum);
    }
}
