use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use model::{Fingerprint, Labels, Urgency};

use super::rule::{BurnRateRule, Fraction, Objective};
use crate::words::duration_text;

/// Conditions of one policy.
pub const CONDITIONS_MAX: usize = 8;
/// A trend compares the newest of so many parts of its window with the whole.
pub const TREND_PARTS: u32 = 4;
/// Rows may look back over at most the SLO's window divided by this.
const LOOKBACK_PARTS: u32 = 4;

/// What an SLO alerts on: it fires while all its conditions hold. Those of one SLO count each
/// alone.
#[derive(Clone, Debug, PartialEq)]
pub struct AlertRule {
    /// 1 to [`CONDITIONS_MAX`].
    pub conditions: Vec<Condition>,
    /// What it asks for.
    pub urgency: Urgency,
    /// Who asks, and who is told.
    pub policy: Arc<Policy>,
}

/// One condition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Condition {
    /// What is compared with what.
    pub measure: Measure,
    /// Whether being equal suffices.
    pub comparison: Comparison,
    /// How long it must have held without a break before it counts.
    pub after: Duration,
}

/// What a condition compares.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Measure {
    /// The burn rate over a window, with a highest one.
    BurnRate {
        /// How many times faster than evenly the budget burns.
        rate: Fraction,
        /// Over which window.
        window: Duration,
    },
    /// The share of the budget of the SLO's whole window that the events of a shorter one have
    /// spent.
    BudgetDrop {
        /// How much is too much; 1 = all of it.
        share: Fraction,
        /// Over which window.
        window: Duration,
    },
    /// When the budget is gone if it goes on burning as it did over a window. A budget that is
    /// spent already counts for as long as it burns faster than evenly.
    Exhaustion {
        /// How soon is too soon.
        within: Duration,
        /// Over which window the burn rate is measured.
        window: Duration,
    },
    /// How many times faster the newest quarter of a window burns than the whole of it.
    Trend {
        /// How much is too much; below [`TREND_PARTS`].
        factor: Fraction,
        /// The whole window.
        window: Duration,
    },
}

/// Whether being equal to what a condition names makes it hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Comparison {
    /// It does not: `gt` and `lt`.
    Strict,
    /// It does: `gte` and `lte`.
    OrEqual,
}

/// What a policy says besides its conditions. The rows of the configured table have the default
/// one: no name, the default route, and its end is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Policy {
    /// `metadata.name`; may be empty.
    pub name: String,
    /// The word of the document.
    pub severity: String,
    /// Sorted by name; empty = the default route.
    pub targets: Vec<NotificationTarget>,
    /// Whether the targets are told that it is over.
    pub tells_resolved: bool,
}

/// Who is told.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct NotificationTarget {
    /// Its name, which is the route of its deliveries.
    pub name: String,
    /// What it is, in the words of the document.
    pub target: String,
}

/// That an SLO alerts when its source is silent.
#[derive(Clone, Debug, PartialEq)]
pub struct NoDataRule {
    /// What it asks for.
    pub urgency: Urgency,
    /// How long the silence must last; that of a source begins to count after
    /// [`crate::presence::SILENCE_AFTER`].
    pub after: Duration,
    /// Who asks, and who is told.
    pub policy: Arc<Policy>,
}

impl Default for Policy {
    fn default() -> Self {
        Self {
            name: String::new(),
            severity: String::new(),
            targets: Vec::new(),
            tells_resolved: true,
        }
    }
}

impl AlertRule {
    /// Whether its windows are short enough for the SLO's window.
    #[must_use]
    pub fn fits(&self, slo_window: Duration) -> bool {
        self.conditions.iter().all(|condition| condition.measure.fits(slo_window))
    }

    /// Whether it can hold at all.
    #[must_use]
    pub fn can_fire(&self, objective: Objective) -> bool {
        self.conditions.iter().all(|condition| condition.can_hold(objective))
    }

    /// Every window that is read to judge it.
    pub fn windows(&self) -> impl Iterator<Item = Duration> {
        self.conditions.iter().flat_map(|condition| {
            let measure = condition.measure;
            [measure.shortest(), measure.window()]
        })
    }

    /// Names it as long as it says the same, in whatever order rules come.
    pub(super) fn identity(&self) -> u64 {
        let labels = Labels::from([
            ("policy".to_owned(), self.policy.name.clone()),
            ("rule".to_owned(), self.to_string()),
        ]);
        Fingerprint::of(&labels).0
    }
}

impl From<&BurnRateRule> for AlertRule {
    fn from(row: &BurnRateRule) -> Self {
        let condition = |window| Condition {
            measure: Measure::BurnRate { rate: row.burn_rate, window },
            comparison: Comparison::Strict,
            after: Duration::ZERO,
        };
        let windows =
            if row.long == row.short { vec![row.long] } else { vec![row.long, row.short] };
        Self {
            conditions: windows.into_iter().map(condition).collect(),
            urgency: row.urgency,
            policy: Arc::default(),
        }
    }
}

impl From<&AlertRule> for AlertRule {
    fn from(rule: &AlertRule) -> Self {
        rule.clone()
    }
}

impl Condition {
    /// Whether it can hold at all, given what is promised.
    #[must_use]
    pub fn can_hold(&self, objective: Objective) -> bool {
        match self.measure {
            Measure::BurnRate { rate: most, .. } | Measure::BudgetDrop { share: most, .. } => {
                objective.threshold(most).is_met(1, 1, self.comparison)
            }
            Measure::Exhaustion { .. } => objective.burn_rate_max() > 1.0,
            Measure::Trend { factor, .. } => factor.as_f64() < f64::from(TREND_PARTS),
        }
    }
}

impl Measure {
    /// The window that the document names.
    #[must_use]
    pub const fn window(&self) -> Duration {
        match *self {
            Self::BurnRate { window, .. }
            | Self::BudgetDrop { window, .. }
            | Self::Exhaustion { window, .. }
            | Self::Trend { window, .. } => window,
        }
    }

    /// The shortest window that is read.
    #[must_use]
    pub fn shortest(&self) -> Duration {
        match self {
            Self::Trend { window, .. } => *window / TREND_PARTS,
            _ => self.window(),
        }
    }

    /// The longest window that it may name, in an SLO over `slo_window`.
    #[must_use]
    pub fn window_max(&self, slo_window: Duration) -> Duration {
        match self {
            Self::BurnRate { .. } | Self::Exhaustion { .. } => slo_window / LOOKBACK_PARTS,
            Self::BudgetDrop { .. } | Self::Trend { .. } => slo_window,
        }
    }

    fn fits(&self, slo_window: Duration) -> bool {
        self.window() <= self.window_max(slo_window)
    }
}

impl fmt::Display for AlertRule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut rest = self.conditions.as_slice();
        while let Some((first, others)) = rest.split_first() {
            if rest.len() < self.conditions.len() {
                f.write_str(" and ")?;
            }
            let like = others.iter().take_while(|other| first.differs_in_window(other)).count();
            let windows = others[..like].iter().map(|other| other.measure.window());
            first.write(f, windows.collect())?;
            rest = &others[like..];
        }
        Ok(())
    }
}

impl fmt::Display for Condition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.write(f, Vec::new())
    }
}

impl Condition {
    /// Whether both are burn rates that say the same but for their windows.
    fn differs_in_window(&self, other: &Self) -> bool {
        let rate = |condition: &Self| match condition.measure {
            Measure::BurnRate { rate, .. } => Some((rate, condition.comparison, condition.after)),
            _ => None,
        };
        rate(self).is_some() && rate(self) == rate(other)
    }

    fn write(&self, f: &mut fmt::Formatter<'_>, further: Vec<Duration>) -> fmt::Result {
        let or_equal = self.comparison == Comparison::OrEqual;
        let above = if or_equal { "of at least" } else { "above" };
        let more = if or_equal { "at least" } else { "more than" };
        let less = if or_equal { "at most" } else { "less than" };
        let window = duration_text(self.measure.window());
        match self.measure {
            Measure::BurnRate { rate, .. } => {
                write!(f, "burn {above} {}x over {window}", rate.as_f64())?;
                for further in further {
                    write!(f, " and {}", duration_text(further))?;
                }
            }
            Measure::BudgetDrop { share, .. } => {
                let percent = share.numerator().saturating_mul(100);
                let percent = Fraction::new(percent, share.denominator()).as_f64();
                write!(f, "{more} {percent} % of the budget spent in {window}")?;
            }
            Measure::Exhaustion { within, .. } => {
                let within = duration_text(within);
                write!(f, "budget gone in {less} {within} at the burn of {window}")?;
            }
            Measure::Trend { factor, .. } => {
                let quarter = duration_text(self.measure.shortest());
                let factor = factor.as_f64();
                write!(f, "burn of {quarter} {more} {factor} times that of {window}")?;
            }
        }
        if self.after.is_zero() {
            return Ok(());
        }
        write!(f, ", for {}", duration_text(self.after))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::judge::DEFAULT_RULES;

    const MINUTE: Duration = Duration::from_secs(60);

    fn condition(measure: Measure, comparison: Comparison, after: Duration) -> Condition {
        Condition { measure, comparison, after }
    }

    fn three_nines() -> Objective {
        Objective::from_target(Fraction::new(999, 1000)).unwrap()
    }

    #[test]
    fn a_row_of_the_table_is_two_conditions_and_reads_as_one() {
        let rule = AlertRule::from(&DEFAULT_RULES[0]);
        assert_eq!(rule.to_string(), "burn above 14.4x over 1h and 5m");
        assert_eq!(rule.conditions.len(), 2);
        assert!(rule.policy.tells_resolved);
        let once = BurnRateRule { short: DEFAULT_RULES[0].long, ..DEFAULT_RULES[0] };
        assert_eq!(AlertRule::from(&once).conditions.len(), 1);
    }

    #[test]
    fn every_condition_has_its_words() {
        let half = Fraction::new(1, 2);
        for (measure, comparison, text) in [
            (
                Measure::BudgetDrop { share: half, window: 60 * MINUTE },
                Comparison::Strict,
                "more than 50 % of the budget spent in 1h, for 5m",
            ),
            (
                Measure::Exhaustion { within: 4320 * MINUTE, window: 360 * MINUTE },
                Comparison::OrEqual,
                "budget gone in at most 3d at the burn of 6h, for 5m",
            ),
            (
                Measure::Trend { factor: Fraction::new(2, 1), window: 60 * MINUTE },
                Comparison::OrEqual,
                "burn of 15m at least 2 times that of 1h, for 5m",
            ),
        ] {
            assert_eq!(condition(measure, comparison, 5 * MINUTE).to_string(), text);
        }
    }

    #[test]
    fn what_can_never_hold_is_told() {
        let can = |measure, comparison| {
            condition(measure, comparison, Duration::ZERO).can_hold(three_nines())
        };
        let (strict, or_equal) = (Comparison::Strict, Comparison::OrEqual);
        let burn = |rate| Measure::BurnRate { rate: Fraction::new(rate, 1), window: MINUTE };
        assert!(can(burn(999), strict));
        assert!(!can(burn(1000), strict));
        assert!(can(burn(1000), or_equal));
        let drop = |share| Measure::BudgetDrop { share: Fraction::new(share, 1), window: MINUTE };
        assert!(can(drop(999), strict) && !can(drop(1001), or_equal));
        let trend = |factor| Measure::Trend { factor: Fraction::new(factor, 1), window: MINUTE };
        assert!(can(trend(3), strict) && !can(trend(4), or_equal));
        let all = Objective::from_target(Fraction::new(0, 1)).unwrap();
        let exhaustion = Measure::Exhaustion { within: MINUTE, window: MINUTE };
        assert!(!condition(exhaustion, strict, Duration::ZERO).can_hold(all));
    }

    #[test]
    fn a_rule_is_known_by_what_it_says() {
        let [first, second, ..] = DEFAULT_RULES.each_ref().map(AlertRule::from);
        assert_eq!(first.identity(), first.clone().identity());
        assert_ne!(first.identity(), second.identity());
        let policy = Arc::new(Policy { name: "p".to_owned(), ..Policy::default() });
        assert_ne!(first.identity(), AlertRule { policy, ..first.clone() }.identity());
    }
}
