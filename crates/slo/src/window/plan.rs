use std::time::Duration;

use model::PANE_NS;

use super::Calendar;
use crate::tier::Tier;

/// Windows with a running sum; further ones are summed pane by pane.
pub const WINDOWS_MAX: usize = 16;
/// The longest window; longer ones are cut to it.
pub const WINDOW_MAX: Duration = Duration::from_secs(400 * 24 * 3600);
/// How far back the usual volume of a series is looked up.
pub const VOLUME_WINDOW: Duration = Duration::from_secs(7 * 24 * 3600);

/// Which windows a kind of series is summed over: shared by all series of that kind.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WindowPlan {
    /// Those that were asked for, shortest first, hence finest tier first; then the volume window.
    pub(crate) windows: Vec<PlannedWindow>,
    /// Per tier, how many panes are held before the open one; zero: the tier is not needed.
    pub(crate) reach: [u32; Tier::ALL.len()],
    /// Panes ahead of the open one that are held for later.
    pub(crate) skew_panes: u32,
    /// The window that follows the calendar, and where its periods begin.
    pub(crate) calendar: Option<(Duration, Calendar)>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct PlannedWindow {
    pub(crate) duration: Duration,
    /// Length in panes of 5 s.
    pub(crate) span: u32,
    pub(crate) tier: Tier,
}

impl WindowPlan {
    /// For these windows, in any order, each rounded up to 5 s; `skew` is how far in the future of
    /// the engine's time an event may lie.
    #[must_use]
    pub fn new(windows: &[Duration], skew: Duration) -> Self {
        let mut durations = windows.to_vec();
        durations.retain(|duration| !duration.is_zero());
        durations.sort_unstable();
        durations.dedup();
        let volume = PlannedWindow {
            duration: VOLUME_WINDOW,
            span: span_panes(VOLUME_WINDOW),
            // Its edge is exported and divided by: a coarse one does no harm.
            tier: Tier::SixHours,
        };
        let mut planned: Vec<_> = durations.into_iter().map(PlannedWindow::of).collect();
        planned.push(volume);
        let mut reach = Tier::ALL.map(Tier::reach_min);
        for window in &planned {
            let slot = &mut reach[window.tier as usize];
            *slot = (*slot).max(window.span.div_ceil(window.tier.panes()));
        }
        // The panes that they need are held all the same.
        planned.drain(WINDOWS_MAX.min(planned.len() - 1)..planned.len() - 1);
        Self { windows: planned, reach, skew_panes: span_panes(skew), calendar: None }
    }

    /// One of the windows, at least as long as any period, follows a calendar.
    #[must_use]
    pub fn with_calendar(mut self, window: Duration, calendar: Option<Calendar>) -> Self {
        self.calendar = calendar.map(|calendar| (window, calendar));
        self
    }

    pub(crate) fn followed(&self) -> Option<&Calendar> {
        self.calendar.as_ref().map(|(_, calendar)| calendar)
    }

    pub(crate) fn is_calendar(&self, window: Duration) -> bool {
        self.calendar.as_ref().is_some_and(|(of, _)| *of == window)
    }

    /// The windows with a running sum, shortest first.
    pub fn windows(&self) -> impl Iterator<Item = Duration> {
        self.windows.iter().take(self.volume_at()).map(|window| window.duration)
    }

    /// The tiers that series of this plan hold, finest first.
    pub fn tiers(&self) -> impl Iterator<Item = Tier> {
        Tier::ALL.into_iter().take(self.tier_count())
    }

    /// Where a window is among all, the volume window left out of the search.
    pub(crate) fn position(&self, window: Duration, guess: usize) -> Option<usize> {
        let asked_for = self.windows.get(..self.volume_at()).unwrap_or_default();
        let is_it = |planned: &PlannedWindow| planned.duration == window;
        if asked_for.get(guess).is_some_and(is_it) {
            return Some(guess);
        }
        asked_for.iter().position(is_it)
    }

    pub(crate) fn volume_at(&self) -> usize {
        self.windows.len().saturating_sub(1)
    }

    pub(crate) fn tier_count(&self) -> usize {
        self.reach.iter().filter(|&&reach| reach > 0).count()
    }
}

impl PlannedWindow {
    pub(crate) fn of(duration: Duration) -> Self {
        let span = span_panes(duration);
        Self { duration, span, tier: Tier::of_window(span) }
    }

    /// The pane of 5 s at which the window begins when the open pane is `floor`: the edge of the
    /// tier's pane that holds the window's start.
    pub(crate) const fn first(&self, floor: u32) -> u32 {
        self.tier.index(floor.saturating_sub(self.span)) * self.tier.panes()
    }
}

fn span_panes(duration: Duration) -> u32 {
    let ns = duration.min(WINDOW_MAX).as_nanos();
    u32::try_from(ns.div_ceil(u128::from(PANE_NS))).unwrap_or(u32::MAX)
}
