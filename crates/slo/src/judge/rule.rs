use std::time::Duration;

use borsh::{BorshDeserialize, BorshSerialize};
use model::Urgency;

use super::policy::{AlertRule, Comparison};

/// Decimal places that a [`Fraction`] keeps.
const DECIMALS_MAX: u32 = 9;
const MINUTE_S: u64 = 60;
const HOUR_S: u64 = 60 * MINUTE_S;
const DAY_S: u64 = 24 * HOUR_S;

/// A non-negative fraction in lowest terms, so that thresholds are compared without rounding.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, BorshSerialize, BorshDeserialize)]
pub struct Fraction {
    numerator: u64,
    denominator: u64,
}

/// What an SLO promises. Invariant: 0 < budget <= 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Objective {
    budget: Fraction,
}

/// A burn rate of an objective, ready to compare: exceeded if
/// `bad * bad_factor > volume * volume_factor`, reached if both are equal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Threshold {
    bad_factor: u64,
    volume_factor: u64,
}

/// One row of a burn-rate table: it holds while the burn rate is above `burn_rate` over both
/// windows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct BurnRateRule {
    /// How many times faster than evenly the budget burns.
    pub burn_rate: Fraction,
    /// Says that enough of the budget is gone.
    pub long: Duration,
    /// Says that it still burns.
    pub short: Duration,
    /// What the row asks for.
    pub urgency: Urgency,
}

/// The rows that every SLO gets unless it says otherwise. The rates are the same for any SLO
/// window; [`BurnRateRule::fits`] says which rows are left out.
///
/// Source: Site Reliability Workbook, chapter 5, with 5x for 6x over 6 h, and the 1 d row that
/// generators of such rules add.
pub const DEFAULT_RULES: [BurnRateRule; 4] = [
    BurnRateRule::new(Fraction::new(144, 10), HOUR_S, 5 * MINUTE_S, Urgency::Page),
    BurnRateRule::new(Fraction::new(5, 1), 6 * HOUR_S, 30 * MINUTE_S, Urgency::Page),
    BurnRateRule::new(Fraction::new(3, 1), DAY_S, 2 * HOUR_S, Urgency::Ticket),
    BurnRateRule::new(Fraction::new(1, 1), 3 * DAY_S, 6 * HOUR_S, Urgency::Ticket),
];

impl Fraction {
    /// `numerator / denominator`; a denominator of zero is read as one.
    #[must_use]
    pub const fn new(numerator: u64, denominator: u64) -> Self {
        let denominator = if denominator == 0 { 1 } else { denominator };
        let divisor = gcd(numerator, denominator);
        Self { numerator: numerator / divisor, denominator: denominator / divisor }
    }

    /// The decimal number that a person would write for `value`, so that 14.4 is 144/10.
    /// `None` if it is negative, not finite, above 10^9, or has more than 9 decimal places.
    #[must_use]
    pub fn from_f64(value: f64) -> Option<Self> {
        if !(0.0..=1e9).contains(&value) {
            return None;
        }
        Self::parse(&value.to_string())
    }

    /// From decimal digits with at most one point: `14.4`, `0.999`, `5`. `None` if the text is
    /// anything else, or has more than 9 decimal places.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let (whole, decimals) = text.split_once('.').unwrap_or((text, ""));
        let digits = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
        let places = u32::try_from(decimals.len()).ok().filter(|&places| places <= DECIMALS_MAX)?;
        if whole.is_empty() || !digits(whole) || !digits(decimals) {
            return None;
        }
        let denominator = 10_u64.pow(places);
        let below = if decimals.is_empty() { 0 } else { decimals.parse::<u64>().ok()? };
        let numerator = whole.parse::<u64>().ok()?.checked_mul(denominator)?.checked_add(below)?;
        Some(Self::new(numerator, denominator))
    }

    /// The upper part, in lowest terms.
    #[must_use]
    pub const fn numerator(self) -> u64 {
        self.numerator
    }

    /// The lower part, in lowest terms; never zero.
    #[must_use]
    pub const fn denominator(self) -> u64 {
        self.denominator
    }

    /// The nearest floating-point number, for people and gauges.
    #[must_use]
    pub fn as_f64(self) -> f64 {
        self.numerator as f64 / self.denominator as f64
    }
}

impl Objective {
    /// From the share of good events that is promised, 0 <= target < 1; `None` outside of that.
    #[must_use]
    pub fn from_target(target: Fraction) -> Option<Self> {
        let Fraction { numerator, denominator } = target;
        let budget = denominator.checked_sub(numerator).filter(|&budget| budget > 0)?;
        Some(Self { budget: Fraction::new(budget, denominator) })
    }

    /// From the promised share in percent, 0 <= percent < 100; `None` outside of that.
    #[must_use]
    pub fn from_target_percent(percent: Fraction) -> Option<Self> {
        let denominator = percent.denominator.checked_mul(100)?;
        Self::from_target(Fraction::new(percent.numerator, denominator))
    }

    /// Share of events that may be bad.
    #[must_use]
    pub const fn budget(self) -> Fraction {
        self.budget
    }

    /// Share of events that is promised to be good.
    #[must_use]
    pub fn target(self) -> f64 {
        let Fraction { numerator, denominator } = self.budget;
        (denominator - numerator) as f64 / denominator as f64
    }

    /// By what is promised: the stricter one is greater.
    #[must_use]
    pub fn cmp_strictness(&self, other: &Self) -> std::cmp::Ordering {
        let cross = |a: Fraction, b: Fraction| u128::from(a.numerator) * u128::from(b.denominator);
        cross(other.budget, self.budget).cmp(&cross(self.budget, other.budget))
    }

    /// The burn rate while every event is bad: no condition above it can ever hold.
    #[must_use]
    pub fn burn_rate_max(self) -> f64 {
        self.budget.denominator as f64 / self.budget.numerator as f64
    }

    /// How fast `bad` out of `volume` events burns the budget; 1 = the budget lasts exactly for
    /// the SLO's window. Zero without events.
    #[must_use]
    pub fn burn_rate(self, bad: u64, volume: u64) -> f64 {
        if volume == 0 {
            return 0.0;
        }
        bad as f64 / volume as f64 * self.burn_rate_max()
    }

    /// Whether `bad` out of `volume` events burns strictly faster than `burn_rate`; in integers.
    #[must_use]
    pub fn burns_faster(self, bad: u64, volume: u64, burn_rate: Fraction) -> bool {
        self.threshold(burn_rate).is_met(bad, volume, Comparison::Strict)
    }

    /// Exact for targets and burn rates of up to 9 decimal places; factors beyond 64 bits lose
    /// their last ones.
    pub(super) fn threshold(self, burn_rate: Fraction) -> Threshold {
        let bad = u128::from(self.budget.denominator) * u128::from(burn_rate.denominator);
        let volume = u128::from(self.budget.numerator) * u128::from(burn_rate.numerator);
        let mut threshold = (bad, volume);
        while threshold.0.max(threshold.1) > u128::from(u64::MAX) {
            threshold = (threshold.0 / 2, threshold.1 / 2);
        }
        Threshold { bad_factor: threshold.0 as u64, volume_factor: threshold.1 as u64 }
    }
}

impl Threshold {
    /// Never without bad events.
    pub(super) fn is_met(self, bad: u64, volume: u64, comparison: Comparison) -> bool {
        let burnt = u128::from(bad) * u128::from(self.bad_factor);
        let allowed = u128::from(volume) * u128::from(self.volume_factor);
        match comparison {
            Comparison::Strict => burnt > allowed,
            Comparison::OrEqual => burnt >= allowed && bad > 0,
        }
    }
}

impl BurnRateRule {
    const fn new(burn_rate: Fraction, long_s: u64, short_s: u64, urgency: Urgency) -> Self {
        let (long, short) = (Duration::from_secs(long_s), Duration::from_secs(short_s));
        Self { burn_rate, long, short, urgency }
    }

    /// Whether the long window is at most a quarter of the SLO's window.
    #[must_use]
    pub fn fits(&self, slo_window: Duration) -> bool {
        AlertRule::from(self).fits(slo_window)
    }

    /// Whether the row can hold at all: with every event bad, the burn rate is above its own.
    #[must_use]
    pub fn can_fire(&self, objective: Objective) -> bool {
        AlertRule::from(self).can_fire(objective)
    }
}

const fn gcd(mut left: u64, mut right: u64) -> u64 {
    while right != 0 {
        (left, right) = (right, left % right);
    }
    if left == 0 { 1 } else { left }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn three_nines() -> Objective {
        Objective::from_target(Fraction::parse("0.999").unwrap()).unwrap()
    }

    #[test]
    fn decimals_are_exact() {
        assert_eq!(Fraction::from_f64(14.4), Some(Fraction::new(72, 5)));
        assert_eq!(Fraction::from_f64(0.999), Some(Fraction::new(999, 1000)));
        assert_eq!(Fraction::parse("99.95"), Some(Fraction::new(1999, 20)));
        for bad in ["", ".", "-1", "1e3", "1.2.3", "0.0123456789", "99999999999999999999"] {
            assert_eq!(Fraction::parse(bad), None, "{bad}");
        }
        assert_eq!(Fraction::from_f64(f64::NAN), None);
    }

    #[test]
    fn the_budget_is_what_the_target_leaves() {
        assert_eq!(three_nines().budget(), Fraction::new(1, 1000));
        assert_eq!(
            Objective::from_target_percent(Fraction::parse("99.9").unwrap()),
            Some(three_nines())
        );
        assert_eq!(Objective::from_target(Fraction::new(1, 1)), None);
        assert_eq!(Objective::from_target(Fraction::new(3, 2)), None);
    }

    #[test]
    fn a_burn_rate_equal_to_the_threshold_does_not_exceed_it() {
        let rate = Fraction::from_f64(14.4).unwrap();
        assert!(!three_nines().burns_faster(144, 10_000, rate));
        assert!(three_nines().burns_faster(145, 10_000, rate));
        assert!(!three_nines().burns_faster(0, 0, rate));
        let threshold = three_nines().threshold(rate);
        assert!(threshold.is_met(144, 10_000, Comparison::OrEqual));
        assert!(!threshold.is_met(143, 10_000, Comparison::OrEqual));
        assert!(!threshold.is_met(0, 0, Comparison::OrEqual));
    }

    #[test]
    fn rows_longer_than_a_quarter_of_the_window_do_not_fit() {
        let fits = |days: u64| {
            let window = Duration::from_secs(days * DAY_S);
            DEFAULT_RULES.iter().filter(|rule| rule.fits(window)).count()
        };
        assert_eq!((fits(30), fits(12), fits(11), fits(4), fits(3), fits(1)), (4, 4, 3, 3, 2, 2));
    }

    #[test]
    fn a_row_above_the_largest_burn_rate_can_never_fire() {
        let loose = Objective::from_target(Fraction::parse("0.93").unwrap()).unwrap();
        assert!(!DEFAULT_RULES[0].can_fire(loose));
        assert!(DEFAULT_RULES[1].can_fire(loose));
    }
}
