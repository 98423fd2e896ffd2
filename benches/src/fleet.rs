//! Many SLO series that are judged together.

use std::sync::Arc;
use std::time::Duration;

use model::{Count, Timestamp};
use slo::judge::{DEFAULT_RULES, Fraction, JudgeOptions, Judgement, Objective, judge_into};
use slo::presence::Presence;
use slo::window::{SeriesWindows, WindowPlan};

use crate::ring::FIXED_NOW;

/// Panes of 5 s.
pub const PANE: Duration = Duration::from_secs(5);
const SLO_WINDOW: Duration = Duration::from_secs(30 * 24 * 3600);
const SKEW: Duration = Duration::from_secs(60);
/// As many as the engine reads early together.
const BLOCK: usize = 64;
const EVENTS_PER_PANE: u64 = 100;

/// Series with the default rules over 30 days, all of which get events in every pane.
#[derive(Debug)]
pub struct Fleet {
    series: Vec<SeriesWindows>,
    presence: Presence,
    options: JudgeOptions,
    judgement: Judgement,
    now: Timestamp,
}

impl Fleet {
    /// `series` of them, with events in the last `panes` panes. `None` if the default objective
    /// is out of range.
    #[must_use]
    pub fn new(series: usize, panes: u32) -> Option<Self> {
        let objective = Objective::from_target(Fraction::new(999, 1000))?;
        let options = JudgeOptions::new(objective, SLO_WINDOW, &DEFAULT_RULES);
        let plan = Arc::new(WindowPlan::new(options.windows(), SKEW));
        let mut presence = Presence::default();
        // Within the pane: what is counted at its first moment would wait for the next one.
        let mut now = FIXED_NOW.before(PANE * panes).after(Duration::from_secs(1));
        presence.heard(now);
        let mut windows = vec![SeriesWindows::new(plan); series];
        while now < FIXED_NOW {
            for (index, series) in windows.iter_mut().enumerate() {
                series.add(now.pane(), count(index), now);
            }
            now = now.after(PANE);
            presence.heard(now);
        }
        Some(Self { series: windows, presence, options, judgement: Judgement::default(), now })
    }

    /// Closes the open pane of every series: time moves on by a pane.
    pub fn close(&mut self) {
        self.now = self.now.after(PANE);
        self.presence.heard(self.now);
        for block in self.series.chunks_mut(BLOCK) {
            SeriesWindows::warm(block.iter(), self.now);
            block.iter_mut().for_each(|series| series.advance(self.now));
        }
    }

    /// Adds events to the open pane of every series, as a hand-over does.
    pub fn add(&mut self) {
        for (index, series) in self.series.iter_mut().enumerate() {
            series.add(self.now.pane(), count(index), self.now);
        }
    }

    /// Judges every series; how many alert.
    #[must_use]
    pub fn judge(&mut self) -> usize {
        let mut firing = 0;
        for series in &mut self.series {
            judge_into(series, &self.presence, &self.options, self.now, &mut self.judgement);
            firing += usize::from(self.judgement.found.firing().is_some());
        }
        firing
    }

    /// How many series there are.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.series.len()
    }

    /// Whether there are none.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.series.is_empty()
    }

    /// Bytes that the series take.
    #[must_use]
    pub fn memory_bytes(&self) -> usize {
        self.series.iter().map(SeriesWindows::memory_bytes).sum()
    }
}

/// One series in a hundred burns its budget.
const fn count(index: usize) -> Count {
    let bad = if index.is_multiple_of(100) { EVENTS_PER_PANE / 2 } else { 0 };
    Count::observed(EVENTS_PER_PANE - bad, bad)
}

#[cfg(test)]
mod tests {
    use super::Fleet;

    #[test]
    fn one_series_in_a_hundred_alerts() {
        let mut fleet = Fleet::new(300, 70).unwrap();
        assert_eq!(fleet.judge(), 3);
        fleet.close();
        fleet.add();
        assert_eq!(fleet.judge(), 3);
        assert!(fleet.memory_bytes() > 300 * 700);
    }
}
