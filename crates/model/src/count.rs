use std::ops::{AddAssign, SubAssign};

use borsh::{BorshDeserialize, BorshSerialize};

/// Events of an SLI: integers only, so that sums in windows stay exact in any order.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Count {
    /// All valid events, weighted where the source samples.
    pub total: u64,
    /// Bad ones among them. Signed: where good and total come as separate metric streams, the good
    /// of a pane may arrive before its total. A window's sum is read with [`Count::bad`].
    pub bad_signed: i64,
    /// Bad events that were seen one by one, without weights: what guards against low traffic.
    pub bad_observed: u64,
    /// Events that may be on either side, since a histogram bucket straddles the threshold;
    /// counted as good or bad by interpolation within the bucket.
    pub uncertain: u64,
}

impl Count {
    /// No events.
    pub const ZERO: Self = Self { total: 0, bad_signed: 0, bad_observed: 0, uncertain: 0 };

    /// `good` and `bad` events seen one by one.
    #[must_use]
    pub const fn observed(good: u64, bad: u64) -> Self {
        Self { total: good + bad, bad_signed: bad as i64, bad_observed: bad, uncertain: 0 }
    }

    /// One good event that stands for `weight` events.
    #[must_use]
    pub const fn one_good(weight: u64) -> Self {
        Self { total: weight, bad_signed: 0, bad_observed: 0, uncertain: 0 }
    }

    /// One bad event that stands for `weight` events.
    #[must_use]
    pub const fn one_bad(weight: u64) -> Self {
        Self { total: weight, bad_signed: weight as i64, bad_observed: 1, uncertain: 0 }
    }

    /// Bad events, within 0 and the total.
    #[must_use]
    pub const fn bad(self) -> u64 {
        if self.bad_signed <= 0 {
            0
        } else if self.bad_signed as u64 > self.total {
            self.total
        } else {
            self.bad_signed as u64
        }
    }

    /// Standard error of the bad events where they are an estimate: of a sample in which each that
    /// was seen stands for as many (Horvitz and Thompson, "A Generalization of Sampling Without
    /// Replacement", 1952). Zero where each was seen.
    #[must_use]
    pub fn bad_error(self) -> f64 {
        let (bad, seen) = (self.bad() as f64, self.bad_observed as f64);
        if seen == 0.0 { 0.0 } else { (bad * (bad / seen - 1.0).max(0.0)).sqrt() }
    }

    /// Bad events that were seen one by one. Where good and total come as two counters, none is,
    /// and none is weighted either.
    #[must_use]
    pub const fn bad_observed_or_counted(self) -> u64 {
        if self.bad_observed == 0 { self.bad() } else { self.bad_observed }
    }

    /// Good events, within 0 and the total.
    #[must_use]
    pub const fn good(self) -> u64 {
        self.total - self.bad()
    }

    /// Whether nothing was counted.
    #[must_use]
    pub fn is_zero(self) -> bool {
        self == Self::ZERO
    }

    /// Share of bad events, 0..=1; `None` without events.
    #[must_use]
    pub fn bad_ratio(self) -> Option<f64> {
        (self.total > 0).then(|| self.bad() as f64 / self.total as f64)
    }
}

impl AddAssign for Count {
    fn add_assign(&mut self, other: Self) {
        self.total = self.total.saturating_add(other.total);
        self.bad_signed = self.bad_signed.saturating_add(other.bad_signed);
        self.bad_observed = self.bad_observed.saturating_add(other.bad_observed);
        self.uncertain = self.uncertain.saturating_add(other.uncertain);
    }
}

impl SubAssign for Count {
    fn sub_assign(&mut self, other: Self) {
        self.total = self.total.saturating_sub(other.total);
        self.bad_signed = self.bad_signed.saturating_sub(other.bad_signed);
        self.bad_observed = self.bad_observed.saturating_sub(other.bad_observed);
        self.uncertain = self.uncertain.saturating_sub(other.uncertain);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sample_has_an_error_and_what_was_seen_has_none() {
        assert_eq!(Count::observed(90, 10).bad_error(), 0.0);
        assert_eq!(Count::ZERO.bad_error(), 0.0);
        let mut sampled = Count::ZERO;
        (0..25).for_each(|_| sampled += Count::one_bad(101));
        // A share of 1 in 101 of 2,525.
        assert_eq!(sampled.bad_error(), (2525.0_f64 * 100.0).sqrt());
    }

    #[test]
    fn bad_stays_between_zero_and_the_total() {
        let good_first = Count { bad_signed: -3, ..Count::ZERO };
        assert_eq!((good_first.bad(), good_first.good()), (0, 0));
        let too_many = Count { total: 2, bad_signed: 5, ..Count::ZERO };
        assert_eq!((too_many.bad(), too_many.good()), (2, 0));
    }

    #[test]
    fn what_is_added_can_be_taken_away() {
        let mut sum = Count::observed(7, 2);
        let one = Count { uncertain: 4, ..Count::one_bad(8) };
        sum += one;
        assert_eq!((sum.total, sum.bad(), sum.bad_observed, sum.uncertain), (17, 10, 3, 4));
        sum -= one;
        assert_eq!(sum, Count::observed(7, 2));
    }
}
