//! What simple methods say of the same telemetry, to compare with.

use std::collections::BTreeMap;

use model::Timestamp;
use otlp::{Malformed, Scratch, Signal};

use super::Suspect;

mod walk;

/// Width of the buckets in which telemetry is summed up; the first one after the fault begins with
/// it.
const BUCKET_NS: i128 = 10 * 1_000_000_000;
/// How many series are kept; further ones are not looked at.
const SERIES_MAX: usize = 100_000;
/// How many spans' durations are kept; further ones are not looked at.
const DURATIONS_MAX: usize = 4_000_000;
/// Fewer buckets before the injection tell no spread.
const BEFORE_MIN: usize = 2;
/// SimpleRCA: standard deviations above the mean, multiple of the P95 of durations, and how many
/// more error records than before make an alert.
const SIGMAS: f64 = 3.0;
const P95_RATIO: f64 = 3.0;
const ERRORS_MIN: f64 = 3.0;

/// A method to compare with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Baseline {
    /// SimpleRCA (arXiv 2510.04711): the service with the most alerts, of metrics beyond three
    /// standard deviations, operations whose P95 has tripled, and error records.
    AlertCount,
    /// BARO (Pham et al., FSE 2024): the service with the metric that lies furthest from its
    /// median before, in interquartile ranges.
    RobustScorer,
}

/// Services by how suspicious they are, most first.
pub type Ranking = Vec<Suspect>;

/// What is measured of a service.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Measure {
    /// A gauge of the service's own, by name.
    Gauge(String),
    /// Mean duration of its spans, in nanoseconds.
    Duration,
    Spans,
    Logs,
    Errors,
}

/// Points in a bucket.
#[derive(Clone, Copy, Debug, Default)]
struct Sum {
    count: u64,
    sum: f64,
}

/// Values by the number of the bucket, counted from the fault; those before it are negative.
type Buckets<T> = BTreeMap<i64, T>;

/// Telemetry summed up by service and 10 seconds, as far as the baselines look at it.
#[derive(Debug)]
pub struct Telemetry {
    /// When the fault began.
    since: Timestamp,
    sums: BTreeMap<(String, Measure), Buckets<Sum>>,
    /// Durations by service and operation.
    durations: BTreeMap<(String, String), Buckets<Vec<u64>>>,
    duration_count: usize,
    /// The instance that was heard last of a service.
    instances: BTreeMap<String, String>,
}

impl Telemetry {
    /// Nothing yet, of a fault that began at `since`.
    #[must_use]
    pub const fn new(since: Timestamp) -> Self {
        Self {
            since,
            sums: BTreeMap::new(),
            durations: BTreeMap::new(),
            duration_count: 0,
            instances: BTreeMap::new(),
        }
    }

    /// Takes a request of OTLP protobuf.
    ///
    /// # Errors
    /// If it cannot be read at all.
    pub fn take(&mut self, signal: Signal, request: &[u8]) -> Result<(), Malformed> {
        let scratch = Scratch::default();
        let mut walk = walk::Walk::new(self);
        let _ = match signal {
            Signal::Traces => otlp::traces(request, &scratch, &mut walk)?,
            Signal::Metrics => otlp::metrics(request, &scratch, &mut walk)?,
            Signal::Logs => otlp::logs(request, &scratch, &mut walk)?,
        };
        Ok(())
    }

    /// What a method says of the fault.
    #[must_use]
    pub fn rank(&self, by: Baseline) -> Ranking {
        let mut scores: BTreeMap<&str, f64> = BTreeMap::new();
        match by {
            Baseline::AlertCount => self.count_alerts(&mut scores),
            Baseline::RobustScorer => self.score(&mut scores),
        }
        let mut scored: Vec<(&str, f64)> =
            scores.into_iter().filter(|(_, score)| *score > 0.0).collect();
        scored.sort_by(|a, b| b.1.total_cmp(&a.1).then(a.0.cmp(b.0)));
        let suspect = |(service, _): (&str, f64)| Suspect {
            service: service.to_owned(),
            instance: self.instances.get(service).cloned().unwrap_or_default(),
            ..Suspect::default()
        };
        scored.into_iter().map(suspect).collect()
    }

    fn count_alerts<'a>(&'a self, alerts: &mut BTreeMap<&'a str, f64>) {
        let mut alert = |service: &'a str| *alerts.entry(service).or_default() += 1.0;
        for ((service, measure), buckets) in &self.sums {
            let (before, after) = split(measure, buckets);
            let fires = match measure {
                Measure::Errors => {
                    let total = |side: &[f64]| side.iter().sum::<f64>();
                    let share = after.len() as f64 / before.len().max(1) as f64;
                    total(&after) > total(&before) * share + ERRORS_MIN
                }
                Measure::Duration => false,
                _ => beyond(&before, &after),
            };
            if fires {
                alert(service);
            }
        }
        for ((service, _), durations) in &self.durations {
            let was = p95(durations.range(..0).flat_map(|(_, of_bucket)| of_bucket));
            let is = p95(durations.range(0..).flat_map(|(_, of_bucket)| of_bucket));
            if was.zip(is).is_some_and(|(was, is)| is as f64 > P95_RATIO * was as f64) {
                alert(service);
            }
        }
    }

    fn score<'a>(&'a self, scores: &mut BTreeMap<&'a str, f64>) {
        let summed = self.sums.iter();
        let summed = summed.map(|((service, m), buckets)| (service.as_str(), split(m, buckets)));
        for (service, (mut before, after)) in summed.chain(self.tails()) {
            if before.len() < BEFORE_MIN {
                continue;
            }
            before.sort_by(f64::total_cmp);
            let at = |q: f64| {
                let place = (q * (before.len() - 1) as f64).round() as usize;
                before.get(place).copied().unwrap_or_default()
            };
            let range = at(0.75) - at(0.25);
            // As scikit-learn's RobustScaler has it: what does not vary is scaled by one.
            let scale = if range > 0.0 { range } else { 1.0 };
            let most = after.iter().map(|value| (value - at(0.5)) / scale).fold(0.0, f64::max);
            let score = scores.entry(service).or_default();
            *score = score.max(most);
        }
    }

    /// The 95th percentile of the durations of each service's spans, before and after the fault.
    fn tails(&self) -> impl Iterator<Item = (&str, (Vec<f64>, Vec<f64>))> {
        let mut by_service: BTreeMap<&str, Buckets<Vec<u64>>> = BTreeMap::new();
        for ((service, _), buckets) in &self.durations {
            let of_service = by_service.entry(service).or_default();
            for (bucket, durations) in buckets {
                of_service.entry(*bucket).or_default().extend(durations);
            }
        }
        by_service.into_iter().map(|(service, mut buckets)| {
            let after = buckets.split_off(&0);
            let tail = |durations: &Vec<u64>| p95(durations).map(|duration| duration as f64);
            let side = |buckets: Buckets<Vec<u64>>| buckets.values().filter_map(tail).collect();
            (service, (side(buckets), side(after)))
        })
    }

    fn add(&mut self, service: &str, measure: Measure, at_ns: u64, value: f64) {
        let key = (service.to_owned(), measure);
        if self.sums.len() >= SERIES_MAX && !self.sums.contains_key(&key) {
            return;
        }
        let bucket = self.bucket(at_ns);
        let sum = self.sums.entry(key).or_default().entry(bucket).or_default();
        sum.count += 1;
        sum.sum += value;
    }

    fn add_span(&mut self, service: &str, operation: String, at_ns: u64, duration_ns: u64) {
        self.add(service, Measure::Duration, at_ns, duration_ns as f64);
        self.add(service, Measure::Spans, at_ns, 1.0);
        if self.duration_count >= DURATIONS_MAX {
            return;
        }
        self.duration_count += 1;
        let bucket = self.bucket(at_ns);
        let buckets = self.durations.entry((service.to_owned(), operation)).or_default();
        buckets.entry(bucket).or_default().push(duration_ns);
    }

    fn bucket(&self, at_ns: u64) -> i64 {
        let since = i128::from(at_ns) - i128::from(self.since.unix_ns());
        let bucket = since.div_euclid(BUCKET_NS);
        i64::try_from(bucket).unwrap_or(i64::MAX)
    }
}

/// The values of a series before and after the fault: counts for what is counted, else means.
fn split(measure: &Measure, buckets: &Buckets<Sum>) -> (Vec<f64>, Vec<f64>) {
    let value = |sum: &Sum| match measure {
        Measure::Gauge(_) | Measure::Duration => sum.sum / sum.count.max(1) as f64,
        Measure::Spans | Measure::Logs | Measure::Errors => sum.count as f64,
    };
    let before = buckets.range(..0).map(|(_, sum)| value(sum)).collect();
    (before, buckets.range(0..).map(|(_, sum)| value(sum)).collect())
}

fn beyond(before: &[f64], after: &[f64]) -> bool {
    if before.len() < BEFORE_MIN {
        return false;
    }
    let number = before.len() as f64;
    let mean = before.iter().sum::<f64>() / number;
    let variance = before.iter().map(|value| (value - mean).powi(2)).sum::<f64>() / number;
    after.iter().any(|value| *value > mean + SIGMAS * variance.sqrt())
}

fn p95<'a>(durations: impl IntoIterator<Item = &'a u64>) -> Option<u64> {
    let mut durations: Vec<u64> = durations.into_iter().copied().collect();
    durations.sort_unstable();
    durations.get((durations.len() * 95 / 100).min(durations.len().checked_sub(1)?)).copied()
}
