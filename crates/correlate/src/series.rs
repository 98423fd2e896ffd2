//! Times in buckets of ten seconds, and what is normal for them.

use std::collections::VecDeque;
use std::time::Duration;

use borsh::{BorshDeserialize, BorshSerialize};
use model::Timestamp;

use crate::ring::{Ring, Tally, narrow};

/// Width of a bucket.
pub(crate) const BUCKET_S: u64 = 10;
/// How many buckets a ring reaches back: 20 minutes.
pub(crate) const BUCKETS_MAX: usize = 120;
/// How many buckets one entry of the history sums up: 5 minutes.
const HISTORY_STEP: u32 = 30;
/// How many entries the history holds: an hour.
const HISTORY_MAX: usize = 12;
/// Fewer buckets than this tell nothing of what is normal.
const NORM_BUCKETS_MIN: usize = 2;
/// With fewer buckets than this the history, where there is one, tells better.
const NORM_BUCKETS_GOOD: usize = 6;
/// A spread below this share of the median is taken for it: a young series looks too steady.
const SPREAD_FLOOR: f64 = 0.05;
/// What is shorter is not told apart: logarithms are taken of multiples of it, in milliseconds.
const LOG_FLOOR_MS: f64 = 0.05;
/// Parts of a power of two in which logarithms are added up, and in which their squares are.
const LOG_PARTS: f64 = 64.0;
const SQUARE_PARTS: f64 = 16.0;

/// The index of a bucket: whole multiples of [`BUCKET_S`] since the Unix epoch.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, BorshSerialize, BorshDeserialize,
)]
pub(crate) struct Bucket(pub(crate) u32);

/// Some durations: their number, their sum, and the first two moments of their logarithms, which a
/// few outliers do not move.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Times {
    pub(crate) count: u32,
    pub(crate) sum_ms: f64,
    /// Of powers of two above the floor.
    log_sum: f64,
    log_squares: f64,
}

/// What is normal: median and interquartile range over the means of buckets, in milliseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, BorshSerialize, BorshDeserialize)]
pub(crate) struct Norm {
    pub(crate) median_ms: f64,
    pub(crate) spread_ms: f64,
}

/// Durations over time with their norm.
#[derive(Clone, Debug, Default, BorshSerialize, BorshDeserialize)]
pub(crate) struct TimeSeries {
    #[borsh(skip)]
    ring: Ring<Times>,
    history: VecDeque<Norm>,
    history_until: Bucket,
    #[borsh(skip)]
    cached: Option<(Bucket, Option<Norm>)>,
}

impl Bucket {
    pub(crate) fn of(at: Timestamp) -> Self {
        Self((at.unix_s() / BUCKET_S) as u32)
    }

    pub(crate) fn start(self) -> Timestamp {
        Timestamp::from_unix_s(u64::from(self.0) * BUCKET_S)
    }

    pub(crate) fn less(self, buckets: u32) -> Self {
        Self(self.0.saturating_sub(buckets))
    }

    pub(crate) fn next(self) -> Self {
        Self(self.0.saturating_add(1))
    }
}

/// Whole buckets in a span of time, at least one.
pub(crate) fn buckets_in(span: Duration) -> u32 {
    u32::try_from(span.as_secs() / BUCKET_S).unwrap_or(u32::MAX).max(1)
}

impl Tally for Times {
    type Packed = [u32; 4];

    fn pack(&self) -> Self::Packed {
        let parts = |value: f64, parts: f64| narrow((value * parts).round() as u64);
        let (logs, squares) =
            (parts(self.log_sum, LOG_PARTS), parts(self.log_squares, SQUARE_PARTS));
        [self.count, (self.sum_ms as f32).to_bits(), logs, squares]
    }

    fn unpack([count, sum_ms, logs, squares]: &Self::Packed) -> Self {
        Self {
            count: *count,
            sum_ms: f64::from(f32::from_bits(*sum_ms)),
            log_sum: f64::from(*logs) / LOG_PARTS,
            log_squares: f64::from(*squares) / SQUARE_PARTS,
        }
    }

    fn add(&mut self, other: &Self) {
        self.count = self.count.saturating_add(other.count);
        self.sum_ms += other.sum_ms;
        self.log_sum += other.log_sum;
        self.log_squares += other.log_squares;
    }
}

impl Times {
    /// So many durations of this length.
    pub(crate) fn of(count: u32, each_ms: f64) -> Self {
        let number = f64::from(count);
        let log = (1.0 + each_ms.max(0.0) / LOG_FLOOR_MS).log2();
        Self {
            count,
            sum_ms: number * each_ms,
            log_sum: number * log,
            log_squares: number * log * log,
        }
    }

    /// Mean and variance of the natural logarithms of the durations; `None` without any.
    pub(crate) fn logs(self) -> Option<(f64, f64)> {
        let number = f64::from(self.count);
        let mean = self.log_sum / number;
        let variance = (self.log_squares / number - mean * mean).max(0.0);
        let unit = std::f64::consts::LN_2;
        (self.count > 0).then_some((mean * unit, variance * unit * unit))
    }

    pub(crate) fn mean_ms(self) -> Option<f64> {
        (self.count > 0).then(|| self.sum_ms / f64::from(self.count))
    }
}

impl Norm {
    /// Median and interquartile range of some values; `None` of too few.
    pub(crate) fn of(mut values: Vec<f64>) -> Option<Self> {
        if values.len() < NORM_BUCKETS_MIN {
            return None;
        }
        values.sort_by(f64::total_cmp);
        let quantile = |q: f64| {
            let place = q * (values.len() - 1) as f64;
            let low = values.get(place.floor() as usize).copied().unwrap_or_default();
            let high = values.get(place.ceil() as usize).copied().unwrap_or(low);
            low + (high - low) * place.fract()
        };
        let median_ms = quantile(0.5);
        let spread_ms = (quantile(0.75) - quantile(0.25)).max(median_ms * SPREAD_FLOOR);
        Some(Self { median_ms, spread_ms })
    }
}

impl TimeSeries {
    pub(crate) fn add(&mut self, bucket: Bucket, duration_ms: f64) {
        self.ring.add(bucket, &Times::of(1, duration_ms));
    }

    pub(crate) fn merge(&mut self, bucket: Bucket, times: Times) {
        self.ring.add(bucket, &times);
    }

    pub(crate) fn sum(&self, from: Bucket, until: Bucket) -> Times {
        self.ring.sum(from, until)
    }

    /// Bytes on the heap.
    pub(crate) fn heap_bytes(&self) -> usize {
        self.ring.heap_bytes() + self.history.capacity() * size_of::<Norm>()
    }

    /// The bucket after the last one that it tells of.
    pub(crate) fn end(&self) -> Bucket {
        self.ring.end().max(self.history_until)
    }

    /// What was normal before a bucket.
    pub(crate) fn norm(&self, before: Bucket) -> Option<Norm> {
        let means = self.ring.range(Bucket::default(), before).filter_map(|(_, t)| t.mean_ms());
        let means: Vec<f64> = means.collect();
        if means.len() < NORM_BUCKETS_GOOD
            && let Some(norm) = self.long_norm()
        {
            return Some(norm);
        }
        Norm::of(means)
    }

    /// As [`TimeSeries::norm`], from the last [`TimeSeries::refresh`] if that was for the same.
    pub(crate) fn cached_norm(&self, before: Bucket) -> Option<Norm> {
        match self.cached {
            Some((at, norm)) if at == before => norm,
            _ => self.norm(before),
        }
    }

    /// Computes the norm once for the many who will ask.
    pub(crate) fn refresh(&mut self, before: Bucket) {
        if self.cached.is_none_or(|(at, _)| at != before) {
            self.cached = Some((before, self.norm(before)));
        }
    }

    /// Moves what is past into the history; not while an incident is open.
    pub(crate) fn advance(&mut self, now: Bucket) {
        if now.0 >= self.history_until.0.saturating_add(HISTORY_STEP) {
            self.remember(self.history_until.max(now.less(HISTORY_STEP)), now);
        }
    }

    /// Puts what was normal before `until` into the history at once.
    pub(crate) fn remember(&mut self, from: Bucket, until: Bucket) {
        let norm = self.norm_between(from, until);
        self.history_until = until;
        if let Some(norm) = norm {
            if self.history.len() >= HISTORY_MAX {
                let _ = self.history.pop_front();
            }
            self.history.push_back(norm);
        }
    }

    /// The history alone, with what was normal before `until` at its end.
    pub(crate) fn remembered(&self, until: Bucket) -> Self {
        let norm = self.norm_between(Bucket::default(), until);
        let kept = HISTORY_MAX - usize::from(norm.is_some());
        let skip = self.history.len().saturating_sub(kept);
        let history = self.history.iter().skip(skip).copied().chain(norm).collect();
        Self { history, history_until: until, ..Self::default() }
    }

    fn norm_between(&self, from: Bucket, until: Bucket) -> Option<Norm> {
        Norm::of(self.ring.range(from, until).filter_map(|(_, times)| times.mean_ms()).collect())
    }

    fn long_norm(&self) -> Option<Norm> {
        let median = |mut values: Vec<f64>| {
            values.sort_by(f64::total_cmp);
            values.get(values.len() / 2).copied()
        };
        Some(Norm {
            median_ms: median(self.history.iter().map(|norm| norm.median_ms).collect())?,
            spread_ms: median(self.history.iter().map(|norm| norm.spread_ms).collect())?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_norm_does_not_follow_a_few_bad_buckets() {
        let mut series = TimeSeries::default();
        for bucket in 100..120 {
            series.add(Bucket(bucket), if bucket % 7 == 0 { 900.0 } else { 10.0 });
        }
        assert_eq!(series.norm(Bucket(120)).map(|norm| norm.median_ms), Some(10.0));
        assert_eq!(series.norm(Bucket(100)), None);
    }

    #[test]
    fn what_outlives_a_restart_is_the_history_with_the_newest_norm_at_its_end() {
        let mut series = TimeSeries::default();
        for bucket in 0..(HISTORY_MAX as u32 + 2) * HISTORY_STEP {
            series.add(Bucket(bucket), f64::from(bucket));
            series.advance(Bucket(bucket));
            let until = Bucket(bucket.saturating_sub(1));
            let mut remembering = series.clone();
            remembering.remember(Bucket::default(), until);
            let copy = series.remembered(until);
            assert_eq!(copy.history, remembering.history);
            assert_eq!(copy.history_until, until);
            assert_eq!(copy.sum(Bucket::default(), until).count, 0);
        }
        assert_eq!(series.history.len(), HISTORY_MAX);
    }

    #[test]
    fn the_history_tells_what_was_normal_when_the_ring_holds_the_fault_alone() {
        let mut series = TimeSeries::default();
        for bucket in 0..200 {
            series.add(Bucket(bucket), if bucket < 60 { 10.0 } else { 500.0 });
            if bucket < 60 {
                series.advance(Bucket(bucket));
            }
        }
        assert_eq!(series.norm(Bucket(60)).map(|norm| norm.median_ms), Some(10.0));
    }
}
