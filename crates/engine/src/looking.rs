//! The engine as it looks from outside.

use model::{AlertState, Urgency};
use slo::judge::{Judgement, WindowFigures};

use crate::series::Series;
use crate::{Dropped, Engine, SloStatus, View, WindowStatus};

impl Engine {
    /// A look at all SLOs, by name and group.
    #[must_use]
    pub fn view(&self) -> View {
        let mut slos: Vec<_> = self
            .series
            .iter()
            .filter_map(|series| Some(self.status(series, series.judgement.as_ref()?)))
            .collect();
        slos.sort_by(|a, b| (&a.name, &a.group).cmp(&(&b.name, &b.group)));
        View {
            at: self.now,
            slos,
            services: self.services.len(),
            series: self.series.len(),
            dropped: Dropped { series_refused: self.series.refused(), ..self.dropped },
        }
    }

    fn status(&self, series: &Series, judgement: &Judgement) -> SloStatus {
        let state = |urgency| {
            let alert = self.alerts.get(series.fingerprint(urgency));
            alert.map_or(AlertState::Inactive, |alert| alert.state)
        };
        let exemplar = series.exemplars.iter().rev().find(|event| !event.trace_id.is_zero());
        SloStatus {
            name: series.slo.name.clone(),
            service: series.service.clone(),
            service_name: series.slo.service_name.clone(),
            group: series.group(),
            automatic: series.slo.automatic.is_some(),
            objective: series.slo.judging.objective().target(),
            window: series.slo.judging.window(),
            state: judgement.state,
            windows: judgement.windows.iter().map(window).collect(),
            budget_remaining_ratio: judgement.budget_remaining_ratio,
            exhausted_at: judgement.exhausted_at_forecast,
            page: state(Urgency::Page),
            ticket: state(Urgency::Ticket),
            good_total: u64::try_from(series.good_total).unwrap_or(0),
            bad_total: u64::try_from(series.bad_total).unwrap_or(0),
            exemplar: exemplar.map(|event| (event.trace_id, event.at)),
        }
    }
}

fn window(figures: &WindowFigures) -> WindowStatus {
    WindowStatus {
        window: figures.window,
        total: figures.count.total,
        bad: figures.count.bad(),
        error_ratio: figures.error_ratio(),
        burn_rate: figures.burn_rate,
        coverage: figures.coverage_ratio(),
        from: figures.from,
    }
}
