use std::time::Duration;

use document::Problems;
use model::Telemetry;

use super::{Indicator, Numerator, ObjectiveDocument, Selector, Spot, ThresholdOp};
use crate::filter::{Comparison, Field, Intrinsic, Literal, Op, ValueSplit};
use crate::judge::Fraction;

/// A threshold on a span's duration of this many seconds and more was most likely meant in
/// milliseconds.
const SECONDS_SUSPECT: f64 = 60.0;
/// Nanoseconds of the unit in which a span's duration is compared where none is written.
const DURATION_UNIT_NS: f64 = 1e9;

/// What an SLI measures, before an objective says what is good.
#[derive(Clone, Debug)]
pub(super) enum Measure {
    /// The SLI says itself what is good.
    Ratio(Indicator),
    /// The objective's `op` and `value` say it.
    Threshold(Threshold),
}

/// `thresholdMetric`.
#[derive(Clone, Debug)]
pub(super) struct Threshold {
    pub(super) selector: Selector,
    /// What is measured.
    pub(super) field: Field,
    /// Nanoseconds of the written `unit`.
    pub(super) unit_ns: Option<f64>,
    /// Of the measurements of a slice of time, instead of each by itself.
    pub(super) quantile: Option<Fraction>,
    pub(super) spot: Spot,
}

impl Measure {
    /// What is counted for an objective. Reports keys of it that are missing, or that say nothing.
    pub(super) fn against(
        &self,
        objective: &ObjectiveDocument,
        problems: &Problems,
    ) -> Option<Indicator> {
        match (self, objective.op, objective.value) {
            (Self::Ratio(indicator), op, value) => {
                if op.is_some() || value.is_some() {
                    let what = "op and value say nothing of a ratio";
                    let mend = "remove them, or write a thresholdMetric";
                    objective.spot.warn(problems, what, mend);
                }
                Some(indicator.clone())
            }
            (Self::Threshold(threshold), Some(op), Some(value)) => {
                threshold.against(op, value, objective, problems)
            }
            (Self::Threshold(_), op, _) => {
                let missing = if op.is_none() { "op" } else { "value" };
                let what = format!("{missing} is missing: which measurements are good?");
                objective.spot.error(problems, what, "add op: lte and value: 0.3, for example");
                None
            }
        }
    }

    /// The quantile that is judged, if one is.
    pub(super) fn quantile(&self) -> Option<Fraction> {
        match self {
            Self::Ratio(_) => None,
            Self::Threshold(threshold) => threshold.quantile,
        }
    }
}

impl Threshold {
    /// As a ratio: the measurements that hold per all.
    fn against(
        &self,
        op: ThresholdOp,
        value: f64,
        objective: &ObjectiveDocument,
        problems: &Problems,
    ) -> Option<Indicator> {
        let literal = self.literal(value, objective, problems)?;
        let (field, column) = (self.field.clone(), 0);
        let comparison = Comparison { field, op: op.in_filters(), literal, column };
        let mut total = self.selector.clone();
        if !matches!(self.field, Field::Intrinsic(_)) {
            // What carries no number was not measured.
            total.filter = total.filter.with_number(&comparison);
        }
        let good = Selector { filter: self.selector.filter.and(comparison), ..total.clone() };
        let splits = |selector: &Selector| {
            !matches!(selector.filter.split_value_bound(), ValueSplit::Unsplittable { .. })
        };
        if self.selector.signal == Telemetry::Metrics && splits(&total) && !splits(&good) {
            let what =
                "the filter compares `value` as well: buckets of histograms cannot tell both";
            self.spot.warn(problems, what, "for histograms leave `value` out of the filter");
        }
        Some(Indicator::Ratio { numerator: Numerator::Good(good), total })
    }

    fn literal(
        &self,
        value: f64,
        objective: &ObjectiveDocument,
        problems: &Problems,
    ) -> Option<Literal> {
        let is_duration = self.field == Field::Intrinsic(Intrinsic::Duration);
        let unit_ns = self.unit_ns.or(is_duration.then_some(DURATION_UNIT_NS));
        let Some(unit_ns) = unit_ns else {
            if value.is_finite() {
                return Some(Literal::Float(value));
            }
            objective.spot.error(problems, "value is no number", "write a finite number");
            return None;
        };
        let Ok(limit) = Duration::try_from_secs_f64((value * unit_ns).round() / 1e9) else {
            let what = format!("value: {value} is no duration");
            objective.spot.error(problems, what, "write a number that is not negative");
            return None;
        };
        if is_duration && self.unit_ns.is_none() && value >= SECONDS_SUSPECT {
            let what = format!("value: {value} is read as {value} seconds");
            let mend = "write unit: ms beside the filter if milliseconds are meant, else unit: s";
            objective.spot.warn(problems, what, mend);
        }
        Some(Literal::Duration(u64::try_from(limit.as_nanos()).unwrap_or(u64::MAX)))
    }
}

impl ThresholdOp {
    const fn in_filters(self) -> Op {
        match self {
            Self::AtMost => Op::LessOrEqual,
            Self::AtLeast => Op::GreaterOrEqual,
            Self::Below => Op::Less,
            Self::Above => Op::Greater,
        }
    }
}
