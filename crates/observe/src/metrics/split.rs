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

impl Split {
    pub(super) fn total(self) -> u64 {
        self.below.saturating_add(self.above)
    }

    /// A histogram with explicit bounds. Without buckets, its least and greatest observation
    /// bound all of them.
    pub(super) fn explicit(point: &HistogramPoint<'_>, limit: f64) -> Self {
        let (counts, bounds) = (&point.bucket_counts, &point.explicit_bounds);
        if counts.is_empty() {
            let mut split = Self::default();
            let least = point.min.unwrap_or(f64::NEG_INFINITY);
            let greatest = point.max.unwrap_or(f64::INFINITY);
            split.add(least, greatest, point.count, limit);
            return split;
        }
        match (counts.in_one_piece(), bounds.in_one_piece()) {
            (Some(counts), Some(bounds)) => {
                let counts = counts.iter().map(|count| u64::from_le_bytes(*count));
                let bounds = bounds.iter().map(|bound| f64::from_le_bytes(*bound));
                Self::buckets(counts, bounds, point, limit)
            }
            _ => Self::buckets(counts.iter(), bounds.iter(), point, limit),
        }
    }

    #[inline(always)]
    fn buckets(
        counts: impl Iterator<Item = u64>,
        mut bounds: impl Iterator<Item = f64>,
        point: &HistogramPoint<'_>,
        limit: f64,
    ) -> Self {
        let mut split = Self::default();
        let least = point.min.unwrap_or(f64::NEG_INFINITY);
        let greatest = point.max.unwrap_or(f64::INFINITY);
        let mut lower = least;
        let mut is_first = true;
        for count in counts {
            let upper = bounds.next();
            // Durations and sizes are not negative: the first bucket begins at zero.
            if is_first && point.min.is_none() && upper.is_some_and(|upper| upper > 0.0) {
                lower = 0.0;
            }
            is_first = false;
            let upper = upper.unwrap_or(f64::INFINITY);
            split.add(lower.max(least), upper.min(greatest), count, limit);
            lower = upper;
        }
        split
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
    #[inline(always)]
    fn add(&mut self, lower: f64, upper: f64, count: u64, limit: f64) {
        if count == 0 {
            return;
        }
        let same = (upper - limit).abs() <= SAME_BOUND * limit.abs();
        if upper <= limit || same {
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
