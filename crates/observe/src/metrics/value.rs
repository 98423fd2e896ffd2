use model::{Count, Counted};
use otlp::{ExponentialHistogramPoint, HistogramPoint, NO_RECORDED_VALUE, Temporality};

use super::split::{Boundary, Split};
use crate::plan::Side;
use crate::streams::Sample;

/// A point that counts observations.
#[derive(Clone, Copy, Debug)]
pub(super) enum Histogram<'p, 'a> {
    Explicit(&'p HistogramPoint<'a>),
    Exponential(&'p ExponentialHistogramPoint<'a>),
    /// How many observations a summary has. Its quantiles are of a time that nobody tells (OTLP,
    /// `SummaryDataPoint`), so that they say nothing of the observations that were counted.
    Summary(u64),
}

/// Times and attributes that all points have.
#[derive(Clone, Debug)]
pub(super) struct PointView<'a> {
    pub(super) start_unix_ns: u64,
    pub(super) time_unix_ns: u64,
    pub(super) flags: u32,
    pub(super) temporality: Temporality,
    pub(super) attributes: otlp::Attributes<'a>,
}

/// What one side of an SLI counts in a point.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Selected {
    /// Events.
    pub(super) events: u64,
    /// Those among them, or beside them, whose bucket lies across the bound.
    pub(super) uncertain: u64,
}

impl PointView<'_> {
    pub(super) fn has_value(&self) -> bool {
        self.flags & NO_RECORDED_VALUE == 0
    }

    pub(super) fn sample(&self, counted: Counted, beside: Counted) -> Sample {
        Sample {
            start_ns: self.start_unix_ns,
            time_ns: self.time_unix_ns,
            counted,
            beside,
            ended: !self.has_value(),
            is_delta: false,
        }
    }
}

impl<'a> Histogram<'_, 'a> {
    /// Whether it tells which observations lie within a bound.
    pub(super) const fn has_buckets(self) -> bool {
        !matches!(self, Self::Summary(_))
    }

    pub(super) fn count(self) -> u64 {
        match self {
            Self::Explicit(point) => point.count,
            Self::Exponential(point) => point.count,
            Self::Summary(count) => count,
        }
    }

    pub(super) fn split(self, limit: f64, boundary: &mut Boundary<'a>) -> Split {
        match self {
            Self::Explicit(point) => Split::explicit(point, limit, boundary),
            Self::Exponential(point) => Split::exponential(point, limit),
            Self::Summary(count) => Split { below: 0, above: 0, uncertain: count },
        }
    }

    /// The observations that a side selects, all of the point's or those within its bound;
    /// nothing for a duration against a unit that is not one of time.
    pub(super) fn select(
        self,
        side: &Side,
        unit: &str,
        boundary: &mut Boundary<'a>,
    ) -> Option<Selected> {
        if !side.can_split {
            return None;
        }
        let Some(bound) = side.bound else {
            return Some(Selected { events: self.count(), uncertain: 0 });
        };
        let split = self.split(bound.in_unit(unit)?, boundary);
        let events = if bound.selects_below() { split.below } else { split.above };
        Some(Selected { events, uncertain: split.uncertain })
    }
}

pub(super) fn counted(count: Count) -> Counted {
    Counted { total: count.total, bad: count.bad(), uncertain: count.uncertain }
}

/// `total` events of which `bad` are bad, each seen.
pub(super) fn observed(total: u64, bad: u64, uncertain: u64) -> Count {
    let bad = bad.min(total);
    let bad_signed = i64::try_from(bad).unwrap_or(i64::MAX);
    Count { total, bad_signed, bad_observed: bad, uncertain: uncertain.min(total) }
}
