//! Whether a daemon's memory stays flat while it takes all that it can.

use std::fmt;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use serde_json::json;

use crate::child::{Binaries, Child, Pinning};
use crate::compare::{Run, Server};
use crate::drive;
use crate::error::LoadError;
use crate::ledger::Ledger;
use crate::options::{LoadOptions, Protocol};
use crate::process::Usage;
use crate::report::{LoadReport, mib};

/// How often memory is looked at in a run: each quarter has thirty samples.
const SAMPLES: u32 = 120;
/// For the daemon to come to rest before it is asked for its account.
const SETTLE: Duration = Duration::from_secs(1);
/// How much the mean of the last quarter may be above that of the second. The first quarter fills
/// what is bounded (recall, templates of requests in flight, the allocator's pages) and does not
/// count; means are taken since single samples hold what is in flight; a twentieth of them is what
/// the allocator moves from run to run, and a leak that matters fills it in half of the run.
pub const GROWTH_MAX: f64 = 1.05;
/// What the daemon may take at any moment.
const PEAK_MIB_MAX: f64 = 150.0;

/// What [`soak`] measures.
#[derive(Debug, Clone)]
pub struct SoakOptions {
    /// Understands `serve --data-dir DIR`.
    pub fogbell_binary: PathBuf,
    /// How long it is driven.
    pub duration: Duration,
    /// Spans a request.
    pub batch: usize,
    /// Connections.
    pub connections: usize,
    /// Requests on their way on each.
    pub in_flight: usize,
    /// Of ids.
    pub seed: u64,
    /// As in [`CompareOptions`](crate::CompareOptions).
    pub server_core: usize,
}

impl Default for SoakOptions {
    /// The binary that runs, for ten minutes.
    fn default() -> Self {
        Self {
            fogbell_binary: std::env::current_exe().unwrap_or_else(|_| "fogbell".into()),
            duration: Duration::from_secs(600),
            batch: 1000,
            connections: 4,
            in_flight: 4,
            seed: 1,
            server_core: 0,
        }
    }
}

/// Resident memory at one moment of a soak.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sample {
    /// Since the load began.
    pub at: Duration,
    /// Resident memory.
    pub rss_bytes: u64,
}

/// What came of it; `Display` prints the series and the verdict.
#[derive(Debug, Clone)]
pub struct Soak {
    /// In their order, evenly spaced.
    pub samples: Vec<Sample>,
    /// What was sent.
    pub load: LoadReport,
    /// The daemon's own account.
    pub ledger: Ledger,
    /// How the run was made.
    pub method: String,
}

/// Drives a fresh daemon, pinned to one core, in a closed loop, and looks at its memory meanwhile.
/// `progress` is called with each sample.
///
/// # Errors
/// If the daemon does not come up or ends, or an option makes no sense.
pub async fn soak(options: SoakOptions, progress: impl FnMut(Sample)) -> Result<Soak, LoadError> {
    let pinning = Pinning::new(options.server_core);
    let binaries = Binaries { fogbell: &options.fogbell_binary, collector: None };
    let run = Run::of(Server::Fogbell, Protocol::Grpc);
    let child = Child::start(&binaries, run, &pinning).await?;
    let load = LoadOptions {
        endpoint: format!("http://{}", child.address()),
        batch: options.batch,
        connections: options.connections,
        in_flight: options.in_flight,
        warm_up: Duration::ZERO,
        duration: options.duration,
        seed: options.seed,
        server_pid: Some(child.pid()),
        ..LoadOptions::default()
    };
    let watch = watch(child.pid(), options.duration, progress);
    let (load, samples) = tokio::try_join!(drive::run(load), watch)?;
    tokio::time::sleep(SETTLE).await;
    let ledger = Ledger::scrape(child.api(), load.items_accepted).await?;
    child.stop().await;
    let method = format!(
        "{pinning}; closed loop, {} connections x {} in flight, batch {}, {:?}",
        options.connections, options.in_flight, options.batch, options.duration
    );
    Ok(Soak { samples, load, ledger, method })
}

async fn watch(
    pid: u32,
    duration: Duration,
    mut progress: impl FnMut(Sample),
) -> Result<Vec<Sample>, LoadError> {
    let (start, every) = (Instant::now(), duration / SAMPLES);
    let mut samples = Vec::with_capacity(SAMPLES as usize);
    for number in 1..=SAMPLES {
        tokio::time::sleep_until((start + every * number).into()).await;
        let sample = Sample { at: start.elapsed(), rss_bytes: Usage::of(pid)?.rss_bytes };
        progress(sample);
        samples.push(sample);
    }
    Ok(samples)
}

impl Soak {
    /// Means of the four quarters of the run, in bytes.
    #[must_use]
    pub fn quarters(&self) -> [f64; 4] {
        let count = self.samples.len();
        [0, 1, 2, 3].map(|quarter| {
            let range = quarter * count / 4..(quarter + 1) * count / 4;
            let samples = self.samples.get(range).unwrap_or_default();
            let sum: u64 = samples.iter().map(|sample| sample.rss_bytes).sum();
            sum as f64 / samples.len().max(1) as f64
        })
    }

    /// The mean of the last quarter over that of the second.
    #[must_use]
    pub fn growth(&self) -> f64 {
        let [_, second, _, last] = self.quarters();
        last / second
    }

    /// The most resident memory at any moment, in MiB.
    #[must_use]
    pub fn peak_mib(&self) -> f64 {
        let samples = self.samples.iter().map(|sample| sample.rss_bytes);
        mib(samples
            .chain(self.load.server.as_ref().map(|server| server.rss_peak_bytes))
            .max()
            .unwrap_or(0))
    }

    /// Whether memory stayed flat and low, and every span is accounted for.
    #[must_use]
    pub fn is_held(&self) -> bool {
        let is_low = self.peak_mib() <= PEAK_MIB_MAX;
        is_low && self.growth() <= GROWTH_MAX && self.ledger.unaccounted() == 0
    }

    /// One line of JSON for tools.
    #[must_use]
    pub fn json(&self) -> String {
        let series = self.samples.iter();
        json!({
            "method": self.method,
            "seconds": self.load.wall.as_secs_f64(),
            "accepted_per_s": self.load.items_per_s(),
            "rss_mib": series.map(|sample| mib(sample.rss_bytes)).collect::<Vec<_>>(),
            "quarters_mib": self.quarters().map(|bytes| bytes / f64::from(1 << 20)),
            "growth": self.growth(),
            "growth_max": GROWTH_MAX,
            "peak_mib": self.peak_mib(),
            "peak_mib_max": PEAK_MIB_MAX,
            "unaccounted": self.ledger.unaccounted(),
            "held": self.is_held(),
        })
        .to_string()
    }
}

impl fmt::Display for Sample {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:>6.0} s {:>7.1} MiB", self.at.as_secs_f64(), mib(self.rss_bytes))
    }
}

impl fmt::Display for Soak {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}", self.method)?;
        for sample in &self.samples {
            writeln!(f, "{sample}")?;
        }
        writeln!(f, "{}", self.load)?;
        writeln!(f, "account    {}", self.ledger)?;
        let [first, second, third, last] = self.quarters().map(|bytes| bytes / f64::from(1 << 20));
        writeln!(
            f,
            "quarters   {first:.1}, {second:.1}, {third:.1}, {last:.1} MiB: the last is {:.3} of \
             the second, at most {GROWTH_MAX}: {}",
            self.growth(),
            if self.growth() <= GROWTH_MAX { "flat" } else { "NOT FLAT" }
        )?;
        let peak = self.peak_mib();
        let is_low = if peak <= PEAK_MIB_MAX { "held" } else { "MISSED" };
        write!(f, "peak       {peak:.1} MiB, at most {PEAK_MIB_MAX}: {is_low}")
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::{Content, Latencies};

    fn soak_of(rss_mib: impl Iterator<Item = u64>) -> Soak {
        let sample =
            |(at, mib): (u64, u64)| Sample { at: Duration::from_secs(at), rss_bytes: mib << 20 };
        Soak {
            samples: (0..).zip(rss_mib).map(sample).collect(),
            load: LoadReport {
                content: Content::Spans,
                wall: Duration::from_secs(600),
                requests: 1,
                items_sent: 1000,
                items_accepted: 1000,
                items_rejected: 0,
                items_refused: BTreeMap::new(),
                items_refused_for_good: 0,
                requests_unsent: 0,
                body_bytes: 480_000,
                latencies: Latencies::default(),
                server: None,
                loader_cpu: Duration::from_secs(300),
            },
            ledger: Ledger {
                received: 1000,
                accepted: 1000,
                accepted_seen: 1000,
                ..Ledger::default()
            },
            method: String::new(),
        }
    }

    #[test]
    fn filling_in_the_first_quarter_and_noise_are_flat_and_steady_growth_is_not() {
        let fills = soak_of((0..120).map(|n| 100 + n.min(30) + n % 3));
        assert!(fills.is_held(), "{fills}");
        let leaks = soak_of((0..120).map(|n| 100 + n / 8));
        assert!(!leaks.is_held() && leaks.to_string().contains("NOT FLAT"), "{leaks}");
        let large = soak_of((0..120).map(|n| 140 + n.min(20)));
        assert!(!large.is_held() && large.to_string().ends_with("MISSED"), "{large}");
        let loses = Soak { ledger: Ledger { shed: 1, ..fills.ledger }, ..fills };
        assert!(!loses.is_held(), "{loses}");
    }
}
