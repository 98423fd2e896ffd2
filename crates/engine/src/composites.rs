//! SLOs that are made of others.

use std::collections::BTreeSet;
use std::sync::Arc;

use model::Count;
use slo::composite::{Composition, sum};
use slo::judge::{Judgement, Standing, WindowFigures, judge_figures};
use slo::slices::Slices;

use crate::Engine;
use crate::series::Series;
use crate::services::source_of;

impl Engine {
    /// Judges the composites of which a part was judged in this turn, or all.
    pub(crate) fn judge_composites(&mut self, all: bool) {
        for at in 0..self.series.composites().len() {
            let Some(index) = self.series.composites().get(at).copied() else { break };
            let Some(series) = self.series.get(index) else { continue };
            let is_stirred = self.parts_of(series).any(|part| part.judged_at == self.now);
            if all || series.alerting || is_stirred {
                self.judge_composite(index);
            }
        }
    }

    fn judge_composite(&mut self, index: u32) {
        let Some(series) = self.series.get(index) else { return };
        let slo = Arc::clone(&series.slo);
        // Without all of its parts, nobody can tell how the whole is.
        if series.parts.len() != slo.part_names.len() {
            return;
        }
        let now = self.now;
        let judgement = match &slo.composition {
            Some(Composition::Sum(factors)) => {
                let presence = &source_of(&self.services, &self.anything, series).presence;
                let windows = self.sum_of_parts(series, factors);
                let is_excluded = series.is_excluded(now);
                let standing = Standing { is_silent: presence.is_silent(now), is_excluded };
                judge_figures(windows, standing, &slo.judging, now)
            }
            Some(Composition::Any) => {
                self.unite(index);
                let Some(series) = self.series.get_mut(index) else { return };
                let source = source_of(&self.services, &self.anything, series);
                let mut judgement = Judgement::default();
                series.judge_into(&source.presence, now, &mut judgement);
                judgement
            }
            None => return,
        };
        self.conclude(index, judgement);
    }

    /// The figures of a composite whose parts add up.
    pub(crate) fn sum_of_parts(&self, series: &Series, factors: &[f64]) -> Vec<WindowFigures> {
        let parts = factors.iter().copied().zip(self.parts_of(series));
        let judged = parts.filter(|(_, part)| part.found.is_some());
        let figures = judged.map(|(factor, part)| (factor, self.figures_of(part)));
        sum(&figures.collect::<Vec<_>>(), &series.slo.judging)
    }

    /// Takes the verdicts of the parts over.
    fn unite(&mut self, index: u32) {
        let Some(series) = self.series.get_mut(index) else { return };
        let (Some(mut slices), parts) = (series.slices.take(), series.parts.clone()) else {
            return;
        };
        let mut corrected = BTreeSet::new();
        for part in &parts {
            if let Some(part) = self.series.get_mut(*part) {
                corrected.append(&mut part.corrected);
            }
        }
        let of_parts: Vec<&Slices> =
            parts.iter().filter_map(|part| self.series.get(*part)?.slices.as_ref()).collect();
        let has_changed = slices.unite(&of_parts, &corrected, self.now);
        if let Some(series) = self.series.get_mut(index) {
            series.slices = Some(slices);
            if has_changed {
                self.unwritten.note(series, self.log_seq);
            }
        }
    }

    /// The parts of a composite.
    fn parts_of<'a>(&'a self, series: &'a Series) -> impl Iterator<Item = &'a Series> {
        series.parts.iter().filter_map(|part| self.series.get(*part))
    }

    /// A series, and its parts if it is a composite.
    pub(crate) fn with_parts<'a>(&'a self, series: &'a Series) -> impl Iterator<Item = &'a Series> {
        std::iter::once(series).chain(self.parts_of(series))
    }

    /// The events in a window, by its place; `None` where they are what is judged.
    pub(crate) fn events_in(&self, series: &Series, at: usize) -> Option<Count> {
        if series.slo.composition.is_none() {
            return series.seen.get(at).copied();
        }
        let mut events = Count::ZERO;
        for part in self.parts_of(series) {
            let judged = || Some(self.figures_of(part).get(at)?.count);
            events += part.seen.get(at).copied().or_else(judged).unwrap_or_default();
        }
        Some(events)
    }

    /// What a window leaves out, and what it may have left out or counted wrongly.
    pub(crate) fn excluded_in(&self, series: &Series, figures: &WindowFigures) -> (Count, Count) {
        let (mut excluded, mut unsure) = (Count::ZERO, Count::ZERO);
        for series in self.with_parts(series) {
            excluded += series.windows.excluded_sum(figures.window);
            unsure += series.windows.unsure(figures.from);
        }
        (excluded, unsure)
    }
}
