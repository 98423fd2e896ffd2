use std::fmt;
use std::time::Duration;

/// Buckets between a power of two and the next: values are known to 1/64.
const STEPS_BITS: u32 = 6;
const STEPS: u64 = 1 << STEPS_BITS;
/// Buckets for every u64 of nanoseconds.
const BUCKETS: usize = (65 - STEPS_BITS as usize) << STEPS_BITS;

/// Latencies of requests in a histogram of fixed size, exact to 1/64.
#[derive(Clone)]
pub struct Latencies {
    counts: Vec<u64>,
    count: u64,
    max_ns: u64,
}

impl Default for Latencies {
    fn default() -> Self {
        Self { counts: vec![0; BUCKETS], count: 0, max_ns: 0 }
    }
}

impl Latencies {
    pub(crate) fn record(&mut self, latency: Duration) {
        let ns = u64::try_from(latency.as_nanos()).unwrap_or(u64::MAX);
        if let Some(count) = self.counts.get_mut(bucket(ns)) {
            *count += 1;
        }
        self.count += 1;
        self.max_ns = self.max_ns.max(ns);
    }

    pub(crate) fn merge(&mut self, other: &Self) {
        for (count, more) in self.counts.iter_mut().zip(&other.counts) {
            *count += more;
        }
        self.count += other.count;
        self.max_ns = self.max_ns.max(other.max_ns);
    }

    /// How many were recorded.
    #[must_use]
    pub const fn count(&self) -> u64 {
        self.count
    }

    /// The largest.
    #[must_use]
    pub const fn max(&self) -> Duration {
        Duration::from_nanos(self.max_ns)
    }

    /// The latency that a share of `quantile` (0 to 1) of the requests did not exceed, rounded up
    /// to its bucket's end; zero if there are none.
    #[must_use]
    pub fn quantile(&self, quantile: f64) -> Duration {
        let rank = ((self.count as f64 * quantile.clamp(0.0, 1.0)).ceil() as u64).max(1);
        let mut seen = 0;
        for (bucket, count) in self.counts.iter().enumerate() {
            seen += count;
            if seen >= rank {
                return Duration::from_nanos(last_of(bucket).min(self.max_ns));
            }
        }
        self.max()
    }
}

impl fmt::Debug for Latencies {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Latencies({self})")
    }
}

impl fmt::Display for Latencies {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (name, quantile) in [("p50", 0.5), ("p90", 0.9), ("p99", 0.99), ("p99.9", 0.999)] {
            write!(f, "{name} {:.2} ms, ", millis(self.quantile(quantile)))?;
        }
        write!(f, "max {:.2} ms", millis(self.max()))
    }
}

pub(crate) fn millis(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1e3
}

/// Linear below 2 * STEPS, then STEPS buckets for each power of two.
const fn bucket(ns: u64) -> usize {
    if ns < STEPS {
        return ns as usize;
    }
    let exponent = ns.ilog2() - STEPS_BITS;
    (((exponent as u64) << STEPS_BITS) + (ns >> exponent)) as usize
}

/// The largest value of a bucket.
const fn last_of(bucket: usize) -> u64 {
    let bucket = bucket as u64;
    if bucket < 2 * STEPS {
        return bucket;
    }
    let exponent = (bucket >> STEPS_BITS) - 1;
    let step = bucket - (exponent << STEPS_BITS);
    (step << exponent) + ((1 << exponent) - 1)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{BUCKETS, Latencies, bucket, last_of};

    #[test]
    fn every_value_lies_in_its_bucket_to_one_part_in_64() {
        for ns in (0..5000).chain((0..63).map(|bit| (3_u64 << bit) / 2)).chain([u64::MAX]) {
            let bucket = bucket(ns);
            assert!(bucket < BUCKETS, "{ns}");
            let last = last_of(bucket);
            assert!(last >= ns && last - ns <= ns / 64, "{ns} in a bucket up to {last}");
            assert!(bucket == 0 || last_of(bucket - 1) < ns, "{ns}");
        }
    }

    #[test]
    fn quantiles_are_ranks() {
        let mut latencies = Latencies::default();
        let mut other = Latencies::default();
        for us in 1..=1000 {
            let half = if us % 2 == 0 { &mut latencies } else { &mut other };
            half.record(Duration::from_micros(us));
        }
        latencies.merge(&other);
        assert_eq!(latencies.count(), 1000);
        for (quantile, us) in [(0.5, 500.0), (0.99, 990.0), (0.999, 999.0)] {
            let found = latencies.quantile(quantile).as_secs_f64() * 1e6;
            assert!((us..us * 65.0 / 64.0).contains(&found), "{quantile}: {found}");
        }
        assert_eq!(latencies.quantile(1.0), Duration::from_millis(1));
        assert_eq!(Latencies::default().quantile(0.5), Duration::ZERO);
    }
}
