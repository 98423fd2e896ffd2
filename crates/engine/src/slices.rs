//! What is judged of series whose budget is counted in slices of time.

use std::sync::Arc;

use model::{Count, Pane, Timestamp};
use slo::slices::{SliceDisposition, Slices};
use slo::window::{Disposition, SeriesWindows};

use crate::series::Series;
use crate::services::ServiceState;

/// Corrected slices that a part keeps for its composite, which takes them with each judgement;
/// beyond that the oldest is forgotten. Not even minutes that can be corrected are as many.
const CORRECTED_MAX: usize = 1000;

impl Series {
    /// Counts events, and corrects the verdict on their slice.
    pub(crate) fn take(&mut self, pane: Pane, count: Count, now: Timestamp) -> Disposition {
        let Some(slices) = &mut self.slices else {
            return self.windows.add(pane, count, now);
        };
        let closed = slices.closed_of(pane).filter(|_| self.slo.whole.is_some());
        match slices.add(&mut self.windows, pane, count, now) {
            SliceDisposition::Judged(disposition) => {
                self.corrected.extend(closed);
                if self.corrected.len() > CORRECTED_MAX {
                    let _ = self.corrected.pop_first();
                }
                disposition
            }
            SliceDisposition::Unjudged => {
                self.unjudged_total = self.unjudged_total.saturating_add(count.total);
                Disposition::Late
            }
        }
    }

    /// Judges the slices that have ended. `true` if there are some.
    pub(crate) fn close_slices(&mut self, source: &ServiceState, now: Timestamp) -> bool {
        let Some(slices) = &mut self.slices else { return false };
        self.seen.clear();
        let windows = self.slo.judging.windows().iter();
        self.seen.extend(windows.map(|window| self.windows.sum(*window, now).count));
        let watermark = source.arrived_until(&self.slo, now);
        slices.close(&mut self.windows, &source.presence, watermark, now)
    }

    /// What is judged: verdicts on slices, else events.
    pub(crate) fn judged(&self) -> &SeriesWindows {
        self.slices.as_ref().map_or(&self.windows, Slices::verdicts)
    }

    /// Goes on with the slices of its SLO: those that it has, or its events cut anew.
    pub(crate) fn reslice(&mut self) {
        self.slices = match (self.slo.verdicts_by(), self.slices.take()) {
            (Some(slicing), Some(slices)) if slices.slicing() == slicing => {
                Some(slices.with_plan(Arc::clone(self.windows.plan())))
            }
            (Some(slicing), _) => Some(Slices::of_events(slicing, &self.windows)),
            (None, _) => None,
        };
    }
}
