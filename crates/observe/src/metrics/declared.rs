use model::{Count, PointKind, Timestamp};
use otlp::{Metric, MetricKind, Number};
use slo::filter::{Intrinsic, SlotValue};

use super::MetricWalk;
use super::value::{Histogram, PointView, Selected, observed};
use crate::declared::Outcome;
use crate::plan::{self, Sli};

impl<'a> MetricWalk<'_, 'a> {
    /// Whether some declared SLI may count points of the metric; puts what the metric tells into
    /// its slots.
    pub(super) fn selects(&mut self, metric: &Metric<'a>) -> bool {
        if self.slots.is_idle() {
            return false;
        }
        let mut active = (0..).map_while(|number| self.slots.active(self.plan, number));
        let selected = active.any(|sli| {
            sli.total.may_pass_metric(metric.name) || sli.numerator.may_pass_metric(metric.name)
        });
        if selected {
            for &(intrinsic, slot) in &self.plan.intrinsics {
                let value = match intrinsic {
                    Intrinsic::MetricName => SlotValue::Str(metric.name),
                    Intrinsic::MetricUnit => SlotValue::Str(metric.unit),
                    _ => SlotValue::Missing,
                };
                self.slots.set(slot, value);
            }
        }
        selected
    }

    /// A point of a gauge or sum under the declared SLIs: sums count by their increase, gauges
    /// and sums that may fall count each point as one event.
    pub(super) fn declared_number(&mut self, view: &PointView<'a>, value: Option<Number>) {
        let Some(metric) = self.metric else { return };
        let slot = self.plan.intrinsics.iter().find(|(known, _)| *known == Intrinsic::Value);
        if let Some((_, slot)) = slot {
            self.slots.set(*slot, number_value(value));
        }
        if metric.kind == MetricKind::Sum && metric.monotonic {
            let total = value.map_or(0, whole_of);
            let selected = Some(Selected { events: total, uncertain: 0 });
            let mut number = 0;
            while let Some(sli) = self.slots.active(self.plan, number) {
                number += 1;
                let matches = |side: &plan::Side| side.program.matches(self.slots.values());
                let total = if matches(&sli.total) { selected } else { None };
                let numerator = if matches(&sli.numerator) { selected } else { None };
                self.count_stream(sli, view, total, numerator);
            }
        } else {
            self.declared_gauge(view, value);
        }
    }

    fn declared_gauge(&mut self, view: &PointView<'a>, value: Option<Number>) {
        if value.is_none() {
            return;
        }
        let pane = Timestamp::from_unix_ns(view.time_unix_ns).pane();
        let mut number = 0;
        while let Some(sli) = self.slots.active(self.plan, number) {
            number += 1;
            let count = match self.slots.outcome(sli) {
                Outcome::Uncounted => continue,
                Outcome::Good => Count::one_good(1),
                Outcome::Bad => Count::one_bad(1),
            };
            let series = self.state.tables.declared_series(sli, &self.slots);
            self.state.count(series, pane, count);
        }
    }

    /// A histogram under the declared SLIs: its observations are the events.
    pub(super) fn declared_histogram(
        &mut self,
        view: &PointView<'a>,
        histogram: Histogram<'_, 'a>,
    ) {
        let unit = self.unit();
        let mut number = 0;
        while let Some(sli) = self.slots.active(self.plan, number) {
            number += 1;
            let select = |side: &plan::Side| {
                let passes = side.points.matches(self.slots.values());
                if passes { histogram.select(side, unit) } else { None }
            };
            let (total, numerator) = (select(&sli.total), select(&sli.numerator));
            let total = total.map(|total| match (sli.total.bound, sli.numerator.bound) {
                // Both sides then come from the same buckets.
                (None, Some(bound)) if numerator.is_some() => {
                    let limit = bound.in_unit(unit).unwrap_or_default();
                    Selected { events: histogram.split(limit).total(), ..total }
                }
                _ => total,
            });
            self.count_stream(sli, view, total, numerator);
        }
    }

    fn count_stream(
        &mut self,
        sli: &Sli,
        view: &PointView<'a>,
        total: Option<Selected>,
        numerator: Option<Selected>,
    ) {
        let Some((kind, count)) = stream_of(sli, total, numerator) else { return };
        let series = self.state.tables.declared_series(sli, &self.slots);
        self.add(series, view, kind, count);
    }
}

/// What a point of a stream is to an SLI, by which of its sides select it.
fn stream_of(
    sli: &Sli,
    total: Option<Selected>,
    numerator: Option<Selected>,
) -> Option<(PointKind, Count)> {
    let good = sli.numerator_is == plan::Selected::Good;
    match (total, numerator) {
        (Some(total), Some(numerator)) => {
            let selected = numerator.events.min(total.events);
            let bad = if good { total.events - selected } else { selected };
            let uncertain = total.uncertain.max(numerator.uncertain);
            Some((PointKind::TotalAndBad, observed(total.events, bad, uncertain)))
        }
        (Some(total), None) if sli.is_separate => {
            let kind = if good { PointKind::Total } else { PointKind::TotalBesideBad };
            Some((kind, observed(total.events, 0, total.uncertain)))
        }
        (Some(total), None) => {
            let bad = if good { total.events } else { 0 };
            Some((PointKind::TotalAndBad, observed(total.events, bad, total.uncertain)))
        }
        (None, Some(numerator)) if sli.is_separate => {
            let kind = if good { PointKind::Good } else { PointKind::Bad };
            Some((kind, observed(numerator.events, 0, numerator.uncertain)))
        }
        (None, _) => None,
    }
}

fn number_value<'a>(value: Option<Number>) -> SlotValue<'a> {
    match value {
        Some(Number::Int(number)) => SlotValue::Int(number),
        Some(Number::Double(number)) => SlotValue::Float(number),
        None => SlotValue::Missing,
    }
}

/// A counter's value in whole events; what is negative or no number is none.
fn whole_of(value: Number) -> u64 {
    match value {
        Number::Int(number) => u64::try_from(number).unwrap_or(0),
        Number::Double(number) => number.round() as u64,
    }
}
