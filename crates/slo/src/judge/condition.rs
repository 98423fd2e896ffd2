use std::time::Duration;

use model::Timestamp;

use super::policy::{AlertRule, Comparison, Condition, Measure};
use super::rule::{Fraction, Objective, Threshold};
use super::{FASTEST_ROW_COVERED_MIN, RowVerdict, Verdict, WindowFigures};
use crate::budget::{budget_remaining_ratio, exhausted_at, whole_volume};

/// A short window counts as covered from 19 parts in 20 on, so that a restart of some seconds does
/// not stop the judgement of a whole window.
const COVERED_PARTS: u32 = 20;

/// A rule with its windows looked up and its thresholds worked out.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Row {
    tests: Box<[Test]>,
    /// Where its longest and its shortest window lie among all.
    pub(super) long_at: usize,
    pub(super) short_at: usize,
    short: Duration,
    /// Its shortest window is the shortest of all rules.
    is_fastest: bool,
}

#[derive(Clone, Copy, Debug, PartialEq)]
struct Test {
    comparison: Comparison,
    kind: TestKind,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum TestKind {
    Burn { threshold: Threshold, at: usize },
    Drop { threshold: Threshold, at: usize },
    Exhaustion { within: Duration, at: usize },
    Trend { factor: Fraction, at: usize, newest_at: usize },
}

/// What a row is judged by.
#[derive(Clone, Copy)]
pub(super) struct Evidence<'a> {
    pub(super) windows: &'a [WindowFigures],
    pub(super) objective: Objective,
    pub(super) bad_events_min: u64,
    pub(super) is_silent: bool,
    /// Now is time that counts toward no budget.
    pub(super) is_excluded: bool,
    pub(super) now: Timestamp,
}

impl Row {
    /// `windows` holds those of all rules, of which `shortest` is the shortest.
    pub(super) fn new(
        rule: &AlertRule,
        objective: Objective,
        windows: &[Duration],
        shortest: Option<Duration>,
    ) -> Self {
        let at = |window: Duration| windows.iter().position(|&other| other == window).unwrap_or(0);
        let short = rule.windows().min().unwrap_or_default();
        let test = |condition: &Condition| Test {
            comparison: condition.comparison,
            kind: match condition.measure {
                Measure::BurnRate { rate, window } => {
                    TestKind::Burn { threshold: objective.threshold(rate), at: at(window) }
                }
                Measure::BudgetDrop { share, window } => {
                    TestKind::Drop { threshold: objective.threshold(share), at: at(window) }
                }
                Measure::Exhaustion { within, window } => {
                    TestKind::Exhaustion { within, at: at(window) }
                }
                Measure::Trend { factor, window } => {
                    let newest_at = at(condition.measure.shortest());
                    TestKind::Trend { factor, at: at(window), newest_at }
                }
            },
        };
        Self {
            tests: rule.conditions.iter().map(test).collect(),
            long_at: at(rule.windows().max().unwrap_or_default()),
            short_at: at(short),
            short,
            is_fastest: Some(short) == shortest,
        }
    }

    /// `None` if its windows are not there, which no plan of [`super::JudgeOptions`] allows.
    pub(super) fn verdict(&self, rule: usize, evidence: Evidence<'_>) -> Option<RowVerdict> {
        let Evidence { windows, bad_events_min, is_silent, is_excluded, .. } = evidence;
        let (long, short) = (windows.get(self.long_at)?, windows.get(self.short_at)?);
        let mut above = 0;
        for (at, test) in self.tests.iter().enumerate() {
            above |= u8::from(test.holds(evidence)?) << at;
        }
        let is_above = above.count_ones() as usize == self.tests.len();
        let is_covered = short.covered.saturating_mul(COVERED_PARTS)
            >= self.short.saturating_mul(COVERED_PARTS - 1)
            || (self.is_fastest && short.covered >= FASTEST_ROW_COVERED_MIN.min(self.short));
        let holds = if is_excluded && !is_above {
            // What is left of the windows is quiet, however little of them it covers.
            Verdict::Quiet
        } else if is_silent || is_excluded || !is_covered {
            Verdict::Frozen
        } else if is_above && long.count.bad_observed_or_counted() >= bad_events_min {
            Verdict::Firing
        } else {
            Verdict::Quiet
        };
        Some(RowVerdict { rule, short: self.short, above, is_above, holds })
    }
}

impl Test {
    fn holds(&self, evidence: Evidence<'_>) -> Option<bool> {
        let Evidence { windows, objective, now, .. } = evidence;
        let own = windows.last()?;
        Some(match self.kind {
            TestKind::Burn { threshold, at } => {
                let figures = windows.get(at)?;
                threshold.is_met(figures.count.bad(), figures.volume(), self.comparison)
            }
            TestKind::Drop { threshold, at } => {
                let volume = whole_volume(own.count.total, own.window, own.covered);
                threshold.is_met(windows.get(at)?.count.bad(), volume, self.comparison)
            }
            TestKind::Exhaustion { within, at } => {
                let burn_rate = windows.get(at)?.burn_rate;
                let remaining = budget_remaining_ratio(objective, own.count);
                let left = exhausted_at(remaining, own.window, own.covered, burn_rate, now)
                    .map(|at| at.since(now));
                // A budget that is spent and does not burn any more is no forecast.
                burn_rate > 1.0
                    && left.is_some_and(|left| match self.comparison {
                        Comparison::Strict => left < within,
                        Comparison::OrEqual => left <= within,
                    })
            }
            TestKind::Trend { factor, at, newest_at } => {
                let (newest, whole) = (windows.get(newest_at)?, windows.get(at)?);
                is_steeper(newest, whole, factor, self.comparison)
            }
        })
    }
}

/// Whether `newest` burns `factor` times faster than `whole`: the budget is on both sides.
fn is_steeper(
    newest: &WindowFigures,
    whole: &WindowFigures,
    factor: Fraction,
    comparison: Comparison,
) -> bool {
    let product = |a: u64, b: u64, c: u64| {
        u128::from(a).saturating_mul(u128::from(b)).saturating_mul(u128::from(c))
    };
    let left = product(newest.count.bad(), factor.denominator(), whole.volume());
    let right = product(whole.count.bad(), factor.numerator(), newest.volume());
    newest.count.bad() > 0
        && match comparison {
            Comparison::Strict => left > right,
            Comparison::OrEqual => left >= right,
        }
}
