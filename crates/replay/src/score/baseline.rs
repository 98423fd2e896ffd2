//! What simple methods say of the same telemetry, to compare with.

use std::collections::BTreeMap;

use model::Timestamp;
use otlp::{Malformed, Scratch, Signal};

use super::Suspect;

mod walk;

/// Width of the buckets in which telemetry is summed up.
const BUCKET_S: u64 = 10;
/// How many series are kept; further ones are not looked at.
const SERIES_MAX: usize = 100_000;
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

/// Telemetry summed up by service and 10 seconds, as far as the baselines look at it.
#[derive(Debug, Default)]
pub struct Telemetry {
    sums: BTreeMap<(String, Measure), BTreeMap<u64, Sum>>,
    /// Durations by service and operation, each with its moment.
    durations: BTreeMap<(String, String), Vec<(u64, u64)>>,
    /// The instance that was heard last of a service.
    instances: BTreeMap<String, String>,
}

impl Telemetry {
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

    /// What a method says of a fault that began at `since`.
    #[must_use]
    pub fn rank(&self, by: Baseline, since: Timestamp) -> Ranking {
        let mut scores: BTreeMap<&str, f64> = BTreeMap::new();
        match by {
            Baseline::AlertCount => self.count_alerts(since, &mut scores),
            Baseline::RobustScorer => self.score(since, &mut scores),
        }
        let mut scored: Vec<(&str, f64)> =
            scores.into_iter().filter(|(_, score)| *score > 0.0).collect();
        scored.sort_by(|a, b| b.1.total_cmp(&a.1).then(a.0.cmp(b.0)));
        let suspect = |(service, _): (&str, f64)| Suspect {
            service: service.to_owned(),
            instance: self.instances.get(service).cloned().unwrap_or_default(),
        };
        scored.into_iter().map(suspect).collect()
    }

    fn count_alerts<'a>(&'a self, since: Timestamp, alerts: &mut BTreeMap<&'a str, f64>) {
        let mut alert = |service: &'a str| *alerts.entry(service).or_default() += 1.0;
        for ((service, measure), buckets) in &self.sums {
            let (before, after) = split(measure, buckets, since);
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
            let is_before = |at: u64| at < since.unix_ns();
            let side = |before: bool| -> Vec<u64> {
                let of_side = durations.iter().filter(|(at, _)| is_before(*at) == before);
                of_side.map(|(_, duration)| *duration).collect()
            };
            if let Some((was, is)) = p95(side(true)).zip(p95(side(false)))
                && is as f64 > P95_RATIO * was as f64
            {
                alert(service);
            }
        }
    }

    fn score<'a>(&'a self, since: Timestamp, scores: &mut BTreeMap<&'a str, f64>) {
        for ((service, measure), buckets) in &self.sums {
            let (mut before, after) = split(measure, buckets, since);
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

    fn add(&mut self, service: &str, measure: Measure, at_ns: u64, value: f64) {
        let key = (service.to_owned(), measure);
        if self.sums.len() >= SERIES_MAX && !self.sums.contains_key(&key) {
            return;
        }
        let bucket = at_ns / (BUCKET_S * 1_000_000_000);
        let sum = self.sums.entry(key).or_default().entry(bucket).or_default();
        sum.count += 1;
        sum.sum += value;
    }
}

/// The values of a series before and after a moment: counts for what is counted, else means.
fn split(
    measure: &Measure,
    buckets: &BTreeMap<u64, Sum>,
    since: Timestamp,
) -> (Vec<f64>, Vec<f64>) {
    let first = since.unix_s() / BUCKET_S;
    let value = |sum: &Sum| match measure {
        Measure::Gauge(_) | Measure::Duration => sum.sum / sum.count.max(1) as f64,
        Measure::Spans | Measure::Logs | Measure::Errors => sum.count as f64,
    };
    let before = buckets.range(..first).map(|(_, sum)| value(sum)).collect();
    (before, buckets.range(first..).map(|(_, sum)| value(sum)).collect())
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

fn p95(mut durations: Vec<u64>) -> Option<u64> {
    durations.sort_unstable();
    durations.get((durations.len() * 95 / 100).min(durations.len().checked_sub(1)?)).copied()
}
