//! SLOs that are made of others: their numbers follow from those of their parts.
//!
//! OpenSLO gives a composite no target of its own. Here it has that of its strictest part, so that
//! it burns at least as fast as any part of weight one. Its error ratio is what its parts lack,
//! added up, 1 at most:
//!
//! - by events, each part adds its error ratio, scaled from its own budget to the composite's, so
//!   that burn rates add up by weight;
//! - by the mean of slices, each part adds its error ratio by weight;
//! - by good slices, nothing adds up: a slice is bad if it is bad in any part
//!   ([`crate::slices::Slices::unite`]).

use std::time::Duration;

use model::{Count, Timestamp};

use crate::judge::{Fraction, JudgeOptions, Objective, WindowFigures};
use crate::presence::WindowState;

/// Parts of a whole in which the error ratio of a composite is counted.
pub const COMPOSITE_PARTS: u64 = 1_000_000_000;

/// How a composite is made of its parts.
#[derive(Clone, Debug, PartialEq)]
pub enum Composition {
    /// The error ratios of the parts are added up, each times its factor.
    Sum(Vec<f64>),
    /// A slice of time is bad if it is bad in any part.
    Any,
}

impl Composition {
    /// Of parts with these objectives and weights whose budgets are counted by events; `objective`
    /// is that of the composite.
    #[must_use]
    pub fn of_events(objective: Objective, parts: &[(Objective, Fraction)]) -> Self {
        let budget = objective.budget().as_f64();
        let factor = |(part, weight): &(Objective, Fraction)| {
            weight.as_f64() * budget / part.budget().as_f64()
        };
        Self::Sum(parts.iter().map(factor).collect())
    }

    /// Of parts with these weights whose budgets are counted by the mean of slices.
    #[must_use]
    pub fn of_ratios(weights: &[Fraction]) -> Self {
        Self::Sum(weights.iter().map(|weight| weight.as_f64()).collect())
    }
}

/// The windows of a composite from those of its parts, each with its factor. Windows that a part
/// was not judged over are taken for empty there.
#[must_use]
pub fn sum(parts: &[(f64, Vec<WindowFigures>)], options: &JudgeOptions) -> Vec<WindowFigures> {
    let window = |window: Duration| {
        let parts = parts.iter().filter_map(|(factor, part)| {
            let found = part.iter().find(|figures| figures.window == window)?;
            Some((*factor, found))
        });
        Sum::of(parts).figures(window, options.objective())
    };
    options.windows().iter().copied().map(window).collect()
}

#[derive(Default)]
struct Sum {
    /// As counted, and as it burns beside the usual volume.
    error_ratio: f64,
    error_ratio_corrected: f64,
    bad_observed: u64,
    has_events: bool,
    is_heard: bool,
    from: Timestamp,
    passed: Duration,
    ends_at: Timestamp,
    covered: Duration,
}

impl Sum {
    fn of<'a>(parts: impl Iterator<Item = (f64, &'a WindowFigures)>) -> Self {
        let mut sum = Self::default();
        for (factor, part) in parts {
            let Count { total, .. } = part.count;
            if let Some(error_ratio) = part.count.bad_ratio() {
                let corrected = total as f64 / total.max(part.expected_total) as f64;
                sum.error_ratio += factor * error_ratio;
                sum.error_ratio_corrected += factor * error_ratio * corrected;
                sum.has_events = true;
            }
            sum.bad_observed =
                sum.bad_observed.saturating_add(part.count.bad_observed_or_counted());
            sum.is_heard |= part.state != WindowState::NoData;
            sum.from = sum.from.max(part.from);
            sum.covered = sum.covered.max(part.covered);
            sum.passed = sum.passed.max(part.passed);
            sum.ends_at = sum.ends_at.max(part.ends_at);
        }
        sum
    }

    fn figures(&self, window: Duration, objective: Objective) -> WindowFigures {
        let parts = |ratio: f64| (ratio.min(1.0) * COMPOSITE_PARTS as f64).round() as u64;
        let bad = parts(self.error_ratio);
        let count = Count {
            total: if self.has_events { COMPOSITE_PARTS } else { 0 },
            bad_signed: i64::try_from(bad).unwrap_or(i64::MAX),
            bad_observed: self.bad_observed,
            uncertain: 0,
        };
        let corrected = self.error_ratio_corrected.min(1.0);
        // The volume beside which the parts that were counted are as many as the corrected ratio.
        let expected = bad as f64 / corrected;
        let is_corrected = corrected > 0.0 && expected > COMPOSITE_PARTS as f64;
        let expected_total = if is_corrected { expected.round() as u64 } else { 0 };
        WindowFigures {
            window,
            count,
            from: self.from,
            expected_total,
            burn_rate: objective.burn_rate(bad, count.total.max(expected_total)),
            passed: self.passed,
            ends_at: self.ends_at,
            covered: self.covered,
            state: match (self.has_events, self.is_heard) {
                (true, _) => WindowState::Data,
                (false, true) => WindowState::NoTraffic,
                (false, false) => WindowState::NoData,
            },
        }
    }
}

#[cfg(test)]
mod tests;
