use model::Counted;
use otlp::{ExponentialHistogramPoint, HistogramPoint};

/// Bounds this close to each other, relative to their size, are the same: they were computed from
/// different units.
const SAME_BOUND: f64 = 1e-9;
/// What base-2 exponential histograms are read up to, in either direction of their scale.
const SCALE_MAX: i32 = 30;

/// Observations of a histogram on the two sides of a limit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Split {
    /// At or below the limit.
    pub(super) below: u64,
    /// Above it.
    pub(super) above: u64,
    /// Those among both whose bucket lies across the limit; shared out as if they were spread
    /// evenly over the bucket.
    pub(super) uncertain: u64,
}

/// The least and the greatest observation, if they are told.
#[derive(Clone, Copy, Debug)]
struct Extremes {
    min: Option<f64>,
    max: Option<f64>,
}

/// Where a limit lies among the bounds of a histogram. Senders repeat them from point to point.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Boundary<'a> {
    bounds: &'a [[u8; 8]],
    limit: f64,
    bucket: Option<usize>,
}

impl<'a> Boundary<'a> {
    /// The first bucket that does not lie below the limit as a whole; `None` if the bounds do not
    /// increase.
    #[inline(always)]
    fn bucket(&mut self, bounds: &'a [[u8; 8]], limit: f64) -> Option<usize> {
        if self.limit != limit || self.bounds.as_flattened() != bounds.as_flattened() {
            *self = Self { bounds, limit, bucket: bucket(bounds, limit) };
        }
        self.bucket
    }
}

impl Extremes {
    fn least(self) -> f64 {
        self.min.unwrap_or(f64::NEG_INFINITY)
    }

    fn greatest(self) -> f64 {
        self.max.unwrap_or(f64::INFINITY)
    }

    /// Between what the observations of a bucket lie; the first one has no lower bound.
    fn range(self, lower: Option<f64>, upper: Option<f64>) -> (f64, f64) {
        let lower = match (lower, upper) {
            (Some(lower), _) => lower,
            // Durations and sizes are not negative: the first bucket begins at zero.
            (None, Some(upper)) if upper > 0.0 && self.min.is_none() => 0.0,
            (None, _) => f64::NEG_INFINITY,
        };
        let upper = upper.unwrap_or(f64::INFINITY);
        (lower.max(self.least()), upper.min(self.greatest()))
    }
}

impl Split {
    pub(super) fn total(self) -> u64 {
        self.below.saturating_add(self.above)
    }

    /// With what lies above the limit as bad.
    pub(super) fn counted(self) -> Counted {
        Counted { total: self.total(), bad: self.above, uncertain: self.uncertain }
    }

    /// A histogram with explicit bounds. Without buckets, its least and greatest observation
    /// bound all of them.
    pub(super) fn explicit<'a>(
        point: &HistogramPoint<'a>,
        limit: f64,
        boundary: &mut Boundary<'a>,
    ) -> Self {
        let (counts, bounds) = (&point.bucket_counts, &point.explicit_bounds);
        let extremes = Extremes { min: point.min, max: point.max };
        if counts.is_empty() {
            let mut split = Self::default();
            split.add(extremes.least(), extremes.greatest(), point.count, limit);
            return split;
        }
        if let (Some(counts), Some(bounds)) = (counts.in_one_piece(), bounds.in_one_piece())
            && let Some(at) = boundary.bucket(bounds, limit)
            && let Some(split) = Self::at_bucket(at, counts, bounds, extremes, limit)
        {
            return split;
        }
        Self::by_bucket(counts.iter(), bounds.iter(), extremes, limit)
    }

    /// One bucket after the other.
    fn by_bucket(
        counts: impl Iterator<Item = u64>,
        mut bounds: impl Iterator<Item = f64>,
        extremes: Extremes,
        limit: f64,
    ) -> Self {
        let mut split = Self::default();
        let mut lower = None;
        for count in counts {
            let upper = bounds.next();
            let (from, to) = extremes.range(lower, upper);
            split.add(from, to, count, limit);
            lower = Some(upper.unwrap_or(f64::INFINITY));
        }
        split
    }

    /// By the first bucket that does not lie below the limit: all others are on one side or the
    /// other. `None` if there is no such bucket.
    fn at_bucket(
        at: usize,
        counts: &[[u8; 8]],
        bounds: &[[u8; 8]],
        extremes: Extremes,
        limit: f64,
    ) -> Option<Self> {
        let (below, rest) = counts.split_at_checked(at)?;
        let (count, above) = rest.split_first()?;
        let (below, above) = (sum(below), sum(above));
        let count = u64::from_le_bytes(*count);
        if reaches(extremes.greatest(), limit) {
            let below = below.saturating_add(count).saturating_add(above);
            return Some(Self { below, ..Self::default() });
        }
        let mut split = Self { below, above, uncertain: 0 };
        let bound = |at: usize| bounds.get(at).map(|bound| f64::from_le_bytes(*bound));
        let lower = at.checked_sub(1).and_then(bound);
        let (from, to) = extremes.range(lower, bound(at));
        split.add(from, to, count, limit);
        Some(split)
    }

    /// An exponential histogram.
    pub(super) fn exponential(point: &ExponentialHistogramPoint<'_>, limit: f64) -> Self {
        let mut split = Self::default();
        let width = (-f64::from(point.scale.clamp(-SCALE_MAX, SCALE_MAX))).exp2();
        let edge = |index: i64| (index as f64 * width).exp2();
        let zero = point.zero_threshold.max(0.0);
        split.add(-zero, zero, point.zero_count, limit);
        let greatest = point.max.unwrap_or(f64::INFINITY);
        for (at, count) in point.positive.bucket_counts.iter().enumerate() {
            let index = i64::from(point.positive.offset) + at as i64;
            split.add(edge(index), edge(index + 1).min(greatest), count, limit);
        }
        for (at, count) in point.negative.bucket_counts.iter().enumerate() {
            let index = i64::from(point.negative.offset) + at as i64;
            split.add(-edge(index + 1), -edge(index), count, limit);
        }
        split
    }

    /// Adds the observations in (lower, upper].
    fn add(&mut self, lower: f64, upper: f64, count: u64, limit: f64) {
        if count == 0 {
            return;
        }
        if reaches(upper, limit) {
            self.below = self.below.saturating_add(count);
        } else if lower >= limit {
            self.above = self.above.saturating_add(count);
        } else {
            let below = share(lower, upper, count, limit);
            self.below = self.below.saturating_add(below);
            self.above = self.above.saturating_add(count - below);
            self.uncertain = self.uncertain.saturating_add(count);
        }
    }
}

/// Whether what is at most `upper` lies below the limit.
fn reaches(upper: f64, limit: f64) -> bool {
    upper <= limit || (upper - limit).abs() <= SAME_BOUND * limit.abs()
}

fn bucket(bounds: &[[u8; 8]], limit: f64) -> Option<usize> {
    let bounds = || bounds.iter().map(|bound| f64::from_le_bytes(*bound));
    let increase = bounds().is_sorted_by(|one, next| one <= next) && !bounds().any(f64::is_nan);
    increase.then(|| bounds().take_while(|bound| reaches(*bound, limit)).count())
}

fn sum(counts: &[[u8; 8]]) -> u64 {
    let sum = counts.iter().fold(0, |sum, count| sum + u128::from(u64::from_le_bytes(*count)));
    u64::try_from(sum).unwrap_or(u64::MAX)
}

/// How many of the observations of a bucket that is open at an end lie below the limit cannot be
/// told; they are taken for being on the side of its closed end, as quantiles of Prometheus are.
fn share(lower: f64, upper: f64, count: u64, limit: f64) -> u64 {
    match (lower.is_finite(), upper.is_finite()) {
        (true, true) => {
            let share = ((limit - lower) / (upper - lower)).clamp(0.0, 1.0);
            ((count as f64 * share).round() as u64).min(count)
        }
        (false, true) => 0,
        _ => count,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn value() -> impl Strategy<Value = f64> {
        let special = [f64::NAN, f64::INFINITY, f64::NEG_INFINITY, -0.0, 0.3 + 1e-12, 0.3 - 1e-12];
        prop_oneof![
            8 => (-2..9_i32).prop_map(|tenths| f64::from(tenths) / 10.0),
            1 => prop::sample::select(special.to_vec()),
        ]
    }

    fn count() -> impl Strategy<Value = u64> {
        prop_oneof![8 => 0..9_u64, 1 => Just(u64::from(u32::MAX)), 1 => Just(u64::MAX)]
    }

    proptest! {
        #[test]
        fn one_bucket_decides_as_all_of_them_do(
            mut bounds in prop::collection::vec(value(), 0..9),
            is_sorted in prop::bool::weighted(0.9),
            counts in prop::collection::vec(count(), 10),
            (min, max) in (prop::option::of(value()), prop::option::of(value())),
            limit in (1..9_u32).prop_map(|tenths| f64::from(tenths) / 10.0),
        ) {
            if is_sorted {
                bounds.sort_by(f64::total_cmp);
            }
            let counts = &counts[..=bounds.len()];
            let extremes = Extremes { min, max };
            let all = Split::by_bucket(counts.iter().copied(), bounds.iter().copied(), extremes, limit);
            let bounds: Vec<_> = bounds.iter().map(|bound| bound.to_le_bytes()).collect();
            let counts: Vec<_> = counts.iter().map(|count| count.to_le_bytes()).collect();
            let mut boundary = Boundary::default();
            for limit in [0.15, limit, limit] {
                prop_assert_eq!(boundary.bucket(&bounds, limit), bucket(&bounds, limit));
            }
            if let Some(at) = boundary.bucket(&bounds, limit) {
                let one = Split::at_bucket(at, &counts, &bounds, extremes, limit);
                prop_assert_eq!(one, Some(all));
            }
        }
    }
}
