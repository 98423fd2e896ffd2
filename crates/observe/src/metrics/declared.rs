use model::{Count, PointKind, Timestamp};
use otlp::{Metric, MetricKind, Number, Temporality};
use slo::filter::{Intrinsic, Program, SlotValue};
use slo::openslo::RAW_PARTS;

use super::MetricWalk;
use super::value::{Histogram, PointView, Selected, observed};
use crate::plan::{self, MetricSli};

/// UCUM's unit of ratios between 0 and 100.
const PERCENT: &str = "%";
/// How far a ratio may lie beside 0 or 1.
const ROUNDING: f64 = 1e-6;

impl<'a> MetricWalk<'_, 'a> {
    /// Whether some declared SLI may count points of the metric; puts what the metric tells into
    /// its slots.
    pub(super) fn selects(&mut self, metric: &Metric<'a>) -> bool {
        if self.plan.slis.is_empty() {
            return false;
        }
        for &(intrinsic, slot) in &self.plan.fields.intrinsics {
            let value = match intrinsic {
                Intrinsic::MetricName => SlotValue::Str(metric.name),
                Intrinsic::MetricUnit => SlotValue::Str(metric.unit),
                _ => SlotValue::Missing,
            };
            self.slots.set(slot, value);
        }
        self.slots.metric(&self.plan.fields)
    }

    /// A point of a gauge or sum under the declared SLIs: sums count by their increase, gauges
    /// and sums that may fall count each point as one event, or as the ratio that it is.
    pub(super) fn declared_number(&mut self, view: &PointView<'a>, value: Option<Number>) {
        let Some(metric) = self.metric else { return };
        let slot = self.plan.fields.intrinsics.iter().find(|(known, _)| *known == Intrinsic::Value);
        if let Some((_, slot)) = slot {
            self.slots.set(*slot, number_value(value));
        }
        let sums = metric.kind == MetricKind::Sum && metric.monotonic;
        if !sums && value.is_none() {
            return;
        }
        let mut counted = None;
        for at in 0..self.slots.find(&self.plan.fields, &mut self.state.tallies.metrics) {
            let Some(sli) = self.plan.slis.get(self.slots.found(at)) else { continue };
            if sums && sli.asks_for_value() {
                // What a counter has counted up to is neither a measurement nor a ratio.
                self.state.counters.points_ignored += 1;
                continue;
            }
            let total = self.passes(&sli.total.program);
            if sli.is_raw {
                if let (true, Some(value)) = (total, value) {
                    self.count_ratio(sli, view, value);
                }
                continue;
            }
            let numerator = self.passes(&sli.numerator.program);
            if sums {
                let events = *counted.get_or_insert_with(|| self.events_of(view, value));
                let selected = |passes: bool| passes.then_some(Selected { events, uncertain: 0 });
                self.count_stream(sli, view, selected(total), selected(numerator));
            } else if total {
                let good = numerator == (sli.numerator_is == plan::Selected::Good);
                self.count_point(sli, view, good);
            }
        }
    }

    /// The events that a point of a counter stands for: what is negative or no number is none.
    fn events_of(&mut self, view: &PointView<'a>, value: Option<Number>) -> u64 {
        match value {
            None => 0,
            Some(Number::Int(number)) => u64::try_from(number).unwrap_or(0),
            Some(Number::Double(number)) => {
                let is_delta = view.temporality == Temporality::Delta;
                if !is_delta || number.fract() == 0.0 || !(number > 0.0 && number.is_finite()) {
                    return number.round() as u64;
                }
                let stream = self.stream_key(view);
                self.state.fractions.whole(stream, number, self.state.tables.generation)
            }
        }
    }

    fn count_point(&mut self, sli: &MetricSli, view: &PointView<'a>, good: bool) {
        let count = if good { Count::one_good(1) } else { Count::one_bad(1) };
        let pane = Timestamp::from_unix_ns(view.time_unix_ns).pane();
        let series = self.declared_series(sli);
        self.state.count(series, pane, count);
    }

    /// A point that is a ratio: so many parts of it are good or bad. A value that is no ratio is
    /// left out.
    fn count_ratio(&mut self, sli: &MetricSli, view: &PointView<'a>, value: Number) {
        let value = match value {
            Number::Int(number) => number as f64,
            Number::Double(number) => number,
        };
        let share = if self.unit() == PERCENT { value / 100.0 } else { value };
        // Ratios that were computed may miss the ends by a rounding.
        if !(-ROUNDING..=1.0 + ROUNDING).contains(&share) {
            self.state.counters.points_ignored += 1;
            return;
        }
        let selected = ((share.clamp(0.0, 1.0) * RAW_PARTS as f64).round() as u64).min(RAW_PARTS);
        let bad = match sli.numerator_is {
            plan::Selected::Good => RAW_PARTS - selected,
            plan::Selected::Bad => selected,
        };
        let count = Count {
            total: RAW_PARTS,
            bad_signed: i64::try_from(bad).unwrap_or(i64::MAX),
            // One point was seen, however much of it is bad.
            bad_observed: u64::from(bad > 0),
            ..Count::ZERO
        };
        let pane = Timestamp::from_unix_ns(view.time_unix_ns).pane();
        let series = self.declared_series(sli);
        self.state.count(series, pane, count);
    }

    /// A histogram under the declared SLIs: its observations are the events.
    pub(super) fn declared_histogram(
        &mut self,
        view: &PointView<'a>,
        histogram: Histogram<'_, 'a>,
    ) {
        let unit = self.unit();
        for at in 0..self.slots.find(&self.plan.fields, &mut self.state.tallies.metrics) {
            let Some(sli) = self.plan.slis.get(self.slots.found(at)) else { continue };
            let bounded = sli.total.bound.is_some() || sli.numerator.bound.is_some();
            let splits = sli.total.can_split && sli.numerator.can_split;
            if sli.is_raw || !splits || (bounded && !histogram.has_buckets()) {
                self.state.counters.points_ignored += 1;
                continue;
            }
            let mut select = |side: &plan::Side| {
                if !self.passes(&side.points) {
                    return None;
                }
                histogram.select(side, unit, &mut self.boundary)
            };
            let (total, numerator) = (select(&sli.total), select(&sli.numerator));
            let total = total.map(|total| match (sli.total.bound, sli.numerator.bound) {
                // Both sides then come from the same buckets.
                (None, Some(bound)) if numerator.is_some() => {
                    let limit = bound.in_unit(unit).unwrap_or_default();
                    let split = histogram.split(limit, &mut self.boundary);
                    Selected { events: split.total(), ..total }
                }
                _ => total,
            });
            self.count_stream(sli, view, total, numerator);
        }
    }

    fn count_stream(
        &mut self,
        sli: &MetricSli,
        view: &PointView<'a>,
        total: Option<Selected>,
        numerator: Option<Selected>,
    ) {
        let Some((kind, count)) = stream_of(sli, total, numerator) else { return };
        let series = self.declared_series(sli);
        self.add(series, view, kind, count);
    }

    fn declared_series(&mut self, sli: &MetricSli) -> u32 {
        let group = self.state.tables.group(&sli.sli.group_by, &self.slots);
        self.state.tables.declared_series(&sli.sli, group, &self.slots)
    }

    fn passes(&mut self, program: &Program) -> bool {
        self.slots.pass(program, &self.plan.fields, &mut self.state.tallies.metrics)
    }
}

/// What a point of a stream is to an SLI, by which of its sides select it.
fn stream_of(
    sli: &MetricSli,
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
