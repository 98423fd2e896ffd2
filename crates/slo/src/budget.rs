//! What is left of an error budget, and for how long.

use std::time::Duration;

use model::{Count, Timestamp};

use crate::judge::Objective;

/// What is left of the budget of the events of a window: 1 = untouched, 0 = spent, below = overspent.
/// Untouched without events.
#[must_use]
pub fn budget_remaining_ratio(objective: Objective, window: Count) -> f64 {
    1.0 - objective.burn_rate(window.bad(), window.total)
}

/// When the budget of a rolling window is spent if it goes on burning at `burn_rate`, in a straight
/// line. `None` at 1 and below, as such a burn never spends the whole of it; `now` if it is spent.
///
/// Of a window that is covered only in part, the rest is taken to have had the same volume and no
/// bad events, so that a young service is not told that it is at its end after one bad minute.
#[must_use]
pub fn exhausted_at(
    remaining_ratio: f64,
    window: Duration,
    covered: Duration,
    burn_rate: f64,
    now: Timestamp,
) -> Option<Timestamp> {
    if window.is_zero() {
        return None;
    }
    let known = (covered.as_secs_f64() / window.as_secs_f64()).min(1.0);
    let remaining = 1.0 - (1.0 - remaining_ratio) * known;
    if remaining <= 0.0 {
        return Some(now);
    }
    if burn_rate <= 1.0 {
        return None;
    }
    let left = Duration::try_from_secs_f64(remaining * window.as_secs_f64() / burn_rate).ok()?;
    Some(now.after(left))
}

/// The events that a window of which only part is covered would hold if all of it were as the part
/// is: so that a young service is not told that a few bad events are its whole budget.
#[must_use]
pub fn whole_volume(total: u64, window: Duration, covered: Duration) -> u64 {
    if covered.is_zero() || covered >= window {
        return total;
    }
    let whole = u128::from(total).saturating_mul(window.as_millis());
    u64::try_from(whole / covered.as_millis().max(1)).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::judge::Fraction;

    const MONTH: Duration = Duration::from_secs(30 * 24 * 3600);

    fn three_nines() -> Objective {
        Objective::from_target(Fraction::new(999, 1000)).unwrap()
    }

    #[test]
    fn the_remaining_budget_goes_from_one_to_below_zero() {
        let remaining =
            |good, bad| budget_remaining_ratio(three_nines(), Count::observed(good, bad));
        assert_eq!(budget_remaining_ratio(three_nines(), Count::ZERO), 1.0);
        assert_eq!(remaining(10_000, 0), 1.0);
        assert!((remaining(9_995, 5) - 0.5).abs() < 1e-9);
        assert!((remaining(9_980, 20) + 1.0).abs() < 1e-9);
    }

    #[test]
    fn exhaustion_is_where_the_straight_line_meets_zero() {
        let now = Timestamp::from_unix_s(1_000_000_000);
        let at = |remaining, covered, burn| exhausted_at(remaining, MONTH, covered, burn, now);
        assert_eq!(at(0.5, MONTH, 1.0), None);
        assert_eq!(at(0.5, MONTH, 5.0), Some(now.after(MONTH / 10)));
        assert_eq!(at(-0.1, MONTH, 0.0), Some(now));
        assert_eq!(at(-9.0, MONTH / 100, 10.0), Some(now.after(MONTH / 10 * 9 / 10)));
    }

    #[test]
    fn what_is_known_of_a_window_stands_for_the_whole() {
        assert_eq!(whole_volume(1000, MONTH, MONTH), 1000);
        assert_eq!(whole_volume(1000, MONTH, MONTH / 10), 10_000);
        assert_eq!(whole_volume(1000, MONTH, Duration::ZERO), 1000);
    }
}
