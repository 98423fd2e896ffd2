//! The engine as it looks from outside.

use std::sync::Arc;

use model::{AlertState, Count, Service, Telemetry, Urgency};
use slo::judge::{Judgement, WindowFigures};
use slo::slices::Slicing;

use crate::series::Series;
use crate::services::{ServiceState, source_of};
use crate::{
    Dropped, Engine, SOURCES_MAX, SliceCount, SloStatus, SourceStatus, View, WindowStatus,
};

impl Engine {
    /// A look at all SLOs, by name and group.
    #[must_use]
    pub fn view(&self) -> View {
        let mut slos: Vec<_> = self
            .series
            .iter()
            .filter_map(|series| Some(self.status(series, &self.judgement_of(series)?)))
            .collect();
        slos.sort_by(|a, b| (&a.name, &a.group).cmp(&(&b.name, &b.group)));
        let unjudged = self.series.iter().map(|series| series.unjudged_total).sum();
        View {
            at: self.now,
            slos,
            services: self.services.len(),
            series: self.series.len(),
            sources: self.sources().take(SOURCES_MAX).collect(),
            maintenance: self.maintenance_status(),
            dropped: Dropped { unjudged, series_refused: self.series.refused(), ..self.dropped },
        }
    }

    fn sources(&self) -> impl Iterator<Item = SourceStatus> {
        let now = self.now;
        let of = move |service: &Arc<Service>, signal, state: &ServiceState| {
            let clock = state.clock(signal);
            let _ = clock.rhythm().last_heard()?;
            Some(SourceStatus {
                service: Arc::clone(service),
                signal,
                state: state.state_of(signal, now),
                watermark: clock.watermark(),
                lateness: clock.lateness(now),
                clock_ahead: clock.clock_ahead(now),
                silence: clock.rhythm().silence(now),
            })
        };
        let services = self.services.iter();
        services.flat_map(move |(service, state)| {
            Telemetry::ALL.into_iter().filter_map(move |signal| of(service, signal, state))
        })
    }

    pub(crate) fn status(&self, series: &Series, judgement: &Judgement) -> SloStatus {
        let state = |urgency| {
            let alert = self.alerts.get(series.fingerprint(urgency));
            alert.map_or(AlertState::Inactive, |alert| alert.state)
        };
        let with_parts = || self.with_parts(series);
        let total = |side: fn(&Series) -> i64| {
            let sum = with_parts().map(side).fold(0, i64::saturating_add);
            u64::try_from(sum).unwrap_or(0)
        };
        let exemplar = with_parts()
            .filter_map(|series| series.exemplars.iter().rev().find(|e| !e.trace_id.is_zero()))
            .max_by_key(|event| event.at);
        SloStatus {
            name: series.slo.name.clone(),
            service: series.service.clone(),
            service_name: series.slo.service_name.clone(),
            group: series.group(),
            automatic: series.slo.automatic.is_some(),
            objective: series.slo.judging.objective().target(),
            window: series.slo.judging.window(),
            state: judgement.found.state,
            slicing: series.slo.slicing,
            in_maintenance: series.is_excluded(self.now),
            windows: self.windows(series, judgement),
            budget_remaining_ratio: judgement.found.budget_remaining_ratio,
            exhausted_at: judgement.found.exhausted_at_forecast,
            page: state(Urgency::Page),
            ticket: state(Urgency::Ticket),
            good_total: total(|series| series.good_total),
            bad_total: total(|series| series.bad_total),
            exemplar: exemplar.map(|event| (event.trace_id, event.at)),
        }
    }

    /// Whether it counts spans, the one thing that comes with weights.
    fn may_be_sampled(&self, series: &Series) -> bool {
        let counts_events = series.slo.slicing.is_none() && series.slo.composition.is_none();
        let source = source_of(&self.services, &self.anything, series);
        counts_events && source.signal_of(&series.slo) == Some(Telemetry::Traces)
    }

    fn windows(&self, series: &Series, judgement: &Judgement) -> Vec<WindowStatus> {
        let figures = judgement.windows.iter().enumerate();
        let windows = figures.map(|(at, figures)| WindowStatus {
            slices: series.slo.verdicts_by().map(|slicing| slices(slicing, figures)),
            bad_error: if self.may_be_sampled(series) { figures.count.bad_error() } else { 0.0 },
            ..window(
                figures,
                self.events_in(series, at).unwrap_or(figures.count),
                self.excluded_in(series, figures),
            )
        });
        windows.collect()
    }
}

fn slices(slicing: Slicing, figures: &WindowFigures) -> SliceCount {
    let parts = slicing.method().parts();
    let Count { total, .. } = figures.count;
    SliceCount { total: total / parts, bad: figures.count.bad() as f64 / parts as f64 }
}

fn window(
    figures: &WindowFigures,
    events: Count,
    (excluded, unsure): (Count, Count),
) -> WindowStatus {
    WindowStatus {
        window: figures.window,
        total: events.total,
        bad: events.bad(),
        bad_error: 0.0,
        slices: None,
        error_ratio: figures.error_ratio(),
        burn_rate: figures.burn_rate,
        coverage: figures.coverage_ratio(),
        from: figures.from,
        excluded,
        unsure,
        passed: figures.passed,
        ends_at: figures.ends_at.is_set().then_some(figures.ends_at),
    }
}
